import { Field, ID, InputType, ObjectType } from 'type-graphql';
import { TokenScope } from './enums.js';
import { resultType } from './error.js';
import { MutationInput } from './mutation.input.js';
import { Node } from './node.js';
import { DateTime } from './scalars.js';

@ObjectType({
  implements: Node,
  description: 'A token that a person made for his scripts: never wider than he is, and never a platform admin.',
})
export class PersonalAccessToken extends Node {
  @Field(() => String, { description: 'Whose it is.' })
  subject!: string;

  @Field(() => String, { description: 'What he calls it.' })
  name!: string;

  @Field(() => [TokenScope], { description: 'What it is good for, as far as its holder may.' })
  scopes!: TokenScope[];

  @Field(() => DateTime, { description: 'When it was made.' })
  createdAt!: string;

  @Field(() => DateTime, { description: 'When it ends.' })
  expiresAt!: string;

  @Field(() => DateTime, { nullable: true, description: 'When it was last used, to the hour.' })
  lastUsedAt!: string | null;

  @Field(() => DateTime, { nullable: true, description: 'When it was revoked.' })
  revokedAt!: string | null;

  @Field(() => String, { nullable: true, description: 'Who revoked it.' })
  revokedBy!: string | null;
}

@InputType({ description: 'Makes a token for you. Not with a token: sign in at your issuer.' })
export class CreatePersonalAccessTokenInput extends MutationInput {
  @Field(() => String, { description: 'What you call it.' })
  name!: string;

  @Field(() => [TokenScope], { description: 'What it is good for; as little as it needs.' })
  scopes!: TokenScope[];

  @Field(() => DateTime, { nullable: true, description: 'When it ends; default in 90 days, at most in 365.' })
  expiresAt?: Date;
}

@InputType({ description: 'Revokes a token.' })
export class RevokePersonalAccessTokenInput extends MutationInput {
  @Field(() => ID, { description: 'Which.' })
  personalAccessToken!: string;
}

@ObjectType({ description: 'The new token.' })
export class CreatePersonalAccessTokenPayload {
  @Field(() => PersonalAccessToken, { nullable: true, description: 'The token.' })
  personalAccessToken!: PersonalAccessToken | null;

  @Field(() => String, {
    nullable: true,
    description: 'The token itself, `mgpat_...`: shown now and never again. Null where `replayed`.',
  })
  secret!: string | null;

  @Field(() => Boolean, {
    description:
      'Whether this repeats an earlier mutation: the secret was shown then. Lost it? Revoke it and make another.',
  })
  replayed!: boolean;
}

@ObjectType({ description: 'The token, ended.' })
export class RevokePersonalAccessTokenPayload {
  @Field(() => PersonalAccessToken, { nullable: true, description: 'The token.' })
  personalAccessToken!: PersonalAccessToken | null;
}

export const CreatePersonalAccessTokenResult = resultType(
  'CreatePersonalAccessTokenResult',
  CreatePersonalAccessTokenPayload,
);
export const RevokePersonalAccessTokenResult = resultType(
  'RevokePersonalAccessTokenResult',
  RevokePersonalAccessTokenPayload,
);
