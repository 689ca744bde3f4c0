import { Field, ObjectType } from 'type-graphql';
import { resultType } from './error.js';
import { ServiceAccount } from './service-account.js';

@ObjectType({ description: 'The new account.' })
export class RegisterServiceAccountPayload {
  @Field(() => ServiceAccount, { nullable: true, description: 'The account.' })
  serviceAccount!: ServiceAccount | null;

  @Field(() => String, {
    nullable: true,
    description:
      'Its first secret, `mgsa_...`: shown now and never again. Null where it signs in at an issuer, and where `replayed`.',
  })
  secret!: string | null;

  @Field(() => Boolean, {
    description: 'Whether this repeats an earlier mutation: the secret was shown then. Lost it? Rotate, and revoke it.',
  })
  replayed!: boolean;
}

@ObjectType({ description: 'The account with its new secret.' })
export class RotateServiceAccountSecretPayload {
  @Field(() => ServiceAccount, { nullable: true, description: 'The account.' })
  serviceAccount!: ServiceAccount | null;

  @Field(() => String, {
    nullable: true,
    description: 'The secret, `mgsa_...`: shown now and never again. Null where `replayed`.',
  })
  secret!: string | null;

  @Field(() => Boolean, {
    description:
      'Whether this repeats an earlier mutation: the secret was shown then. Lost it? Revoke it and rotate anew.',
  })
  replayed!: boolean;
}

@ObjectType({ description: 'The account without that secret.' })
export class RevokeServiceAccountSecretPayload {
  @Field(() => ServiceAccount, { nullable: true, description: 'The account.' })
  serviceAccount!: ServiceAccount | null;
}

@ObjectType({ description: 'The account, removed.' })
export class RemoveServiceAccountPayload {
  @Field(() => ServiceAccount, { nullable: true, description: 'The account.' })
  serviceAccount!: ServiceAccount | null;
}

export const RegisterServiceAccountResult = resultType('RegisterServiceAccountResult', RegisterServiceAccountPayload);
export const RotateServiceAccountSecretResult = resultType(
  'RotateServiceAccountSecretResult',
  RotateServiceAccountSecretPayload,
);
export const RevokeServiceAccountSecretResult = resultType(
  'RevokeServiceAccountSecretResult',
  RevokeServiceAccountSecretPayload,
);
export const RemoveServiceAccountResult = resultType('RemoveServiceAccountResult', RemoveServiceAccountPayload);
