import { Field, ObjectType } from 'type-graphql';
import { Deputy } from './deputy.js';
import { Domain } from './domain.js';
import { DomainRole, SignInKind, TokenScope } from './enums.js';
import { PersonalAccessToken } from './personal-access-token.js';
import { DateTime } from './scalars.js';
import { ServiceAccount } from './service-account.js';

@ObjectType({ description: 'A domain that you belong to.' })
export class Membership {
  @Field(() => Domain, { nullable: true, description: 'The domain.' })
  domain!: Domain | null;

  @Field(() => DomainRole, { description: 'Your role there.' })
  role!: DomainRole;

  @Field(() => [String], {
    description:
      "What you may do to the domain and to what is its own, as far as objects' states allow it: data-product:publish ...",
  })
  actions!: string[];
}

@ObjectType({ description: 'What you signed in with.' })
export class SignIn {
  @Field(() => SignInKind, { description: 'What it is.' })
  kind!: SignInKind;

  @Field(() => String, { nullable: true, description: 'Its issuer; null where Meshgate made it.' })
  issuer!: string | null;

  @Field(() => String, {
    nullable: true,
    description: "`jti` of an issuer's token; the uuid of a token or secret of Meshgate's, as events name it.",
  })
  tokenId!: string | null;

  @Field(() => DateTime, { description: 'When it ends.' })
  expiresAt!: Date;
}

@ObjectType({ description: 'Who you are here, and what you may do.' })
export class Viewer {
  @Field(() => String, { description: 'The `sub` of your token, after the prefix of its issuer.' })
  subject!: string;

  @Field(() => String, { nullable: true, description: 'Your name.' })
  name!: string | null;

  @Field(() => [String], { description: 'The groups that your token names.' })
  groups!: string[];

  @Field(() => Boolean, { description: "Whether you are a platform admin; never by a token of Meshgate's." })
  admin!: boolean;

  @Field(() => SignIn, { description: 'What you signed in with.' })
  signIn!: SignIn;

  @Field(() => [TokenScope], {
    nullable: true,
    description: 'What your token is good for, as far as you may; null where it is not narrowed.',
  })
  scopes!: TokenScope[] | null;

  @Field(() => [Membership], { description: 'The domains that you belong to.' })
  memberships!: Membership[];

  @Field(() => [Deputy], { description: 'For whom you decide requests, now or later, the first 100.' })
  deputyFor!: Deputy[];

  @Field(() => [Deputy], { description: 'Who decides requests for you, now or later, the first 100.' })
  deputies!: Deputy[];

  @Field(() => [String], { description: 'What you may do that is not about one object: domain:register ...' })
  actions!: string[];

  @Field(() => ServiceAccount, { nullable: true, description: 'The service account that you are.' })
  serviceAccount!: ServiceAccount | null;

  @Field(() => [PersonalAccessToken], {
    nullable: true,
    description: 'Your personal access tokens, newest first, the first 100; null where you signed in with one.',
  })
  tokens!: PersonalAccessToken[] | null;
}
