import type { GraphQLResolveInfo } from 'graphql';
import { Arg, Ctx, FieldResolver, ID, Info, Mutation, Resolver, Root } from 'type-graphql';
import { globalId } from '../governance/global-id.js';
import { serviceAccountShape } from '../governance/read/service-account.js';
import {
  registerServiceAccount,
  removeServiceAccount,
  revokeServiceAccountSecret,
  rotateServiceAccountSecret,
} from '../governance/service-account.js';
import { Domain } from '../schema/domain.js';
import {
  RegisterServiceAccountInput,
  RemoveServiceAccountInput,
  RevokeServiceAccountSecretInput,
  RotateServiceAccountSecretInput,
  ServiceAccount,
  ServiceAccountSecret,
} from '../schema/service-account.js';
import {
  RegisterServiceAccountResult,
  RemoveServiceAccountResult,
  RevokeServiceAccountSecretResult,
  RotateServiceAccountSecretResult,
} from '../schema/service-account.payload.js';
import type { RequestContext } from './context.js';
import { decodeId } from './decode.js';
import { answer, answerWithSecret } from './result.js';

const accountOf = ({ serviceAccountId }: { serviceAccountId: string }) => [
  { field: 'serviceAccount', shape: serviceAccountShape, id: serviceAccountId },
];

@Resolver(() => ServiceAccount)
export class ServiceAccountResolver {
  @Mutation(() => RegisterServiceAccountResult, { description: 'Makes a machine a member of a domain.' })
  registerServiceAccount(
    @Arg('input', () => RegisterServiceAccountInput, { description: 'The account.' })
    input: RegisterServiceAccountInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    const action = async () => registerServiceAccount(rc.ctx, { ...input, domain: decodeId('Domain', input.domain) });
    return answerWithSecret(rc, info, { action, objects: accountOf });
  }

  @Mutation(() => RotateServiceAccountSecretResult, {
    description: 'Makes a second secret; revoke the first once it is replaced everywhere.',
  })
  rotateServiceAccountSecret(
    @Arg('input', () => RotateServiceAccountSecretInput, { description: 'Of which account.' })
    input: RotateServiceAccountSecretInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    const action = async () =>
      rotateServiceAccountSecret(rc.ctx, {
        ...input,
        serviceAccount: decodeId('ServiceAccount', input.serviceAccount),
      });
    return answerWithSecret(rc, info, { action, objects: accountOf });
  }

  @Mutation(() => RevokeServiceAccountSecretResult, { description: 'Revokes a secret at once.' })
  revokeServiceAccountSecret(
    @Arg('input', () => RevokeServiceAccountSecretInput, { description: 'Which.' })
    input: RevokeServiceAccountSecretInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return answer(rc, info, async () => {
      const secret = decodeId('ServiceAccountSecret', input.secret);
      return accountOf(await revokeServiceAccountSecret(rc.ctx, { ...input, secret }));
    });
  }

  @Mutation(() => RemoveServiceAccountResult, {
    description: 'Removes an account for good: its secrets end at once, and so does its membership.',
  })
  removeServiceAccount(
    @Arg('input', () => RemoveServiceAccountInput, { description: 'Which.' }) input: RemoveServiceAccountInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return answer(rc, info, async () => {
      const serviceAccount = decodeId('ServiceAccount', input.serviceAccount);
      return accountOf(await removeServiceAccount(rc.ctx, { ...input, serviceAccount }));
    });
  }

  @FieldResolver(() => Domain, { nullable: true, description: 'The domain that it belongs to.' })
  domain(@Root() root: ServiceAccount & { domain: Domain }) {
    return root.domain;
  }
}

@Resolver(() => ServiceAccountSecret)
export class ServiceAccountSecretResolver {
  @FieldResolver(() => ID)
  id(@Root() root: ServiceAccountSecret) {
    return globalId('ServiceAccountSecret', root.id);
  }
}
