import { Field, ID, InputType, ObjectType } from 'type-graphql';
import { DomainRole } from './enums.js';
import { MutationInput } from './mutation.input.js';
import { Node } from './node.js';
import { DateTime } from './scalars.js';

@ObjectType({
  description: 'A secret that a service account signs in with. The secret itself is shown once, when it is made.',
})
export class ServiceAccountSecret {
  @Field(() => ID, { description: 'Names it where it is revoked.' })
  id!: string;

  @Field(() => DateTime, { description: 'When it was made.' })
  createdAt!: string;

  @Field(() => String, { description: 'Who made it.' })
  createdBy!: string;

  @Field(() => DateTime, { description: 'When it ends.' })
  expiresAt!: string;

  @Field(() => DateTime, { nullable: true, description: 'When it was last used, to the hour.' })
  lastUsedAt!: string | null;

  @Field(() => DateTime, {
    nullable: true,
    description: 'When it was revoked, or made room for another after its end.',
  })
  revokedAt!: string | null;

  @Field(() => String, { nullable: true, description: 'Who revoked it.' })
  revokedBy!: string | null;
}

@ObjectType({
  implements: Node,
  description:
    'A machine that belongs to a domain. It is a member of domains like anybody else, and never a platform admin by its secrets.',
})
export class ServiceAccount extends Node {
  @Field(() => String, { description: 'Unique in the domain, for ever.' })
  name!: string;

  @Field(() => String, { nullable: true, description: 'What it is for.' })
  description!: string | null;

  @Field(() => String, { description: 'As members, requests and events name it.' })
  subject!: string;

  @Field(() => String, { nullable: true, description: 'The issuer that it signs in at; null where it has secrets.' })
  issuer!: string | null;

  @Field(() => String, { nullable: true, description: "The `sub` of that issuer's tokens." })
  issuerSubject!: string | null;

  @Field(() => [ServiceAccountSecret], { description: 'Its secrets, newest first, two of them live at most.' })
  secrets!: ServiceAccountSecret[];

  @Field(() => DateTime, { description: 'When it was registered.' })
  createdAt!: string;

  @Field(() => String, { description: 'Who registered it.' })
  createdBy!: string;

  @Field(() => DateTime, { nullable: true, description: 'When it was removed.' })
  removedAt!: string | null;

  @Field(() => String, { nullable: true, description: 'Who removed it.' })
  removedBy!: string | null;
}

@InputType({ description: 'Who a machine is at an issuer that is configured for machines.' })
export class ServiceAccountIdentityInput {
  @Field(() => String, { description: 'The `iss` of its tokens.' })
  issuer!: string;

  @Field(() => String, { description: 'The `sub` of its tokens.' })
  subject!: string;
}

@InputType({ description: 'Makes a machine a member of a domain. Owners and admins, signed in at their issuer.' })
export class RegisterServiceAccountInput extends MutationInput {
  @Field(() => ID, { description: 'The domain that it belongs to.' })
  domain!: string;

  @Field(() => String, { description: 'A lower-case slug, unique in the domain for ever.' })
  name!: string;

  @Field(() => String, { nullable: true, description: 'What it is for.' })
  description?: string;

  @Field(() => DomainRole, { nullable: true, description: 'What it may do in the domain; default MEMBER.' })
  role?: DomainRole;

  @Field(() => ServiceAccountIdentityInput, {
    nullable: true,
    description: 'Who it is at an issuer. Without it, Meshgate makes a secret.',
  })
  identity?: ServiceAccountIdentityInput;

  @Field(() => DateTime, {
    nullable: true,
    description: 'When its first secret ends; default in 90 days, at most in 365.',
  })
  expiresAt?: Date;
}

@InputType({ description: 'Makes a second secret, so that the first can be replaced before it is revoked.' })
export class RotateServiceAccountSecretInput extends MutationInput {
  @Field(() => ID, { description: 'Whose.' })
  serviceAccount!: string;

  @Field(() => DateTime, { nullable: true, description: 'When it ends; default in 90 days, at most in 365.' })
  expiresAt?: Date;
}

@InputType({ description: 'Revokes a secret of a service account.' })
export class RevokeServiceAccountSecretInput extends MutationInput {
  @Field(() => ID, { description: 'Which.' })
  secret!: string;
}

@InputType({ description: 'Removes a service account for good, with its secrets and its membership.' })
export class RemoveServiceAccountInput extends MutationInput {
  @Field(() => ID, { description: 'Which.' })
  serviceAccount!: string;
}
