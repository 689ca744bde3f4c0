import type { GraphQLResolveInfo } from 'graphql';
import { Arg, Ctx, Info, Mutation, Resolver } from 'type-graphql';
import { createPersonalAccessToken, revokePersonalAccessToken } from '../governance/personal-access-token.js';
import { personalAccessTokenShape } from '../governance/read/personal-access-token.js';
import {
  CreatePersonalAccessTokenInput,
  CreatePersonalAccessTokenResult,
  PersonalAccessToken,
  RevokePersonalAccessTokenInput,
  RevokePersonalAccessTokenResult,
} from '../schema/personal-access-token.js';
import type { RequestContext } from './context.js';
import { decodeId } from './decode.js';
import { answer, answerWithSecret } from './result.js';

const tokenOf = ({ personalAccessTokenId }: { personalAccessTokenId: string }) => [
  { field: 'personalAccessToken', shape: personalAccessTokenShape, id: personalAccessTokenId },
];

@Resolver(() => PersonalAccessToken)
export class PersonalAccessTokenResolver {
  @Mutation(() => CreatePersonalAccessTokenResult, { description: 'Makes a personal access token for you.' })
  createPersonalAccessToken(
    @Arg('input', () => CreatePersonalAccessTokenInput, { description: 'The token.' })
    input: CreatePersonalAccessTokenInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return answerWithSecret(rc, info, { action: () => createPersonalAccessToken(rc.ctx, input), objects: tokenOf });
  }

  @Mutation(() => RevokePersonalAccessTokenResult, {
    description: 'Revokes a token at once: one of yours, or, as an admin, anybody’s.',
  })
  revokePersonalAccessToken(
    @Arg('input', () => RevokePersonalAccessTokenInput, { description: 'Which.' })
    input: RevokePersonalAccessTokenInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return answer(rc, info, async () => {
      const personalAccessToken = decodeId('PersonalAccessToken', input.personalAccessToken);
      return tokenOf(await revokePersonalAccessToken(rc.ctx, { ...input, personalAccessToken }));
    });
  }
}
