import type { GraphQLResolveInfo } from 'graphql';
import { Arg, Ctx, FieldResolver, Info, Mutation, Resolver, Root } from 'type-graphql';
import { can } from '../governance/authorization.js';
import { endDeputy, nameDeputy } from '../governance/deputy.js';
import { deputyShape } from '../governance/read/deputy.js';
import { Deputy, EndDeputyInput, NameDeputyInput } from '../schema/deputy.js';
import { Domain } from '../schema/domain.js';
import { EndDeputyResult, NameDeputyResult } from '../schema/payload.js';
import type { RequestContext } from './context.js';
import { decodeId } from './decode.js';
import { answer } from './result.js';

const deputyOf = ({ deputyId }: { deputyId: string }) => [{ field: 'deputy', shape: deputyShape, id: deputyId }];

/** A deputy as he was read, with the columns that every read brings. */
type ReadDeputy = Deputy & { domainId: string; over: boolean };

@Resolver(() => Deputy)
export class DeputyResolver {
  @Mutation(() => NameDeputyResult, {
    description:
      'Lets somebody approve and reject requests for you, in a domain that you own or are steward of, for a while.',
  })
  nameDeputy(
    @Arg('input', () => NameDeputyInput, { description: 'Who, where and when.' }) input: NameDeputyInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return answer(rc, info, async () =>
      deputyOf(await nameDeputy(rc.ctx, { ...input, domain: decodeId('Domain', input.domain) })),
    );
  }

  @Mutation(() => EndDeputyResult, {
    description: 'Ends it at once: for whom he stands in, the deputy himself, owners of the domain and admins.',
  })
  endDeputy(
    @Arg('input', () => EndDeputyInput, { description: 'Which.' }) input: EndDeputyInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return answer(rc, info, async () =>
      deputyOf(await endDeputy(rc.ctx, { ...input, deputy: decodeId('Deputy', input.deputy) })),
    );
  }

  @FieldResolver(() => Domain, { nullable: true, description: 'Where.' })
  domain(@Root() root: Deputy & { domain: Domain }) {
    return root.domain;
  }

  @FieldResolver(() => Boolean, { description: 'Whether you may end it now.' })
  viewerCanEnd(@Root() { domainId, standsInFor, deputy, over }: ReadDeputy, @Ctx() { ctx }: RequestContext) {
    return !over && can(ctx.viewer, 'deputy:end', { type: 'Deputy', domainId, standsInFor, deputy });
  }
}
