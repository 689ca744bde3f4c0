import type { GraphQLResolveInfo } from 'graphql';
import { Arg, Args, ArgsType, Ctx, Field, Info, Mutation, Query, Resolver } from 'type-graphql';
import { acknowledgeDrift } from '../governance/drift.js';
import { parseGlobalId } from '../governance/global-id.js';
import { foreignGrantShape } from '../governance/read/foreign-grant.js';
import { resourceList, resourceShape } from '../governance/read/resource.js';
import { retryResource } from '../governance/resource.js';
import { AcknowledgeDriftResult, RetryResourceResult } from '../schema/payload.js';
import {
  AcknowledgeDriftInput,
  Resource,
  ResourceConnection,
  ResourceFilter,
  RetryResourceInput,
} from '../schema/resource.js';
import { PageArgs, rootPage } from './connection.js';
import type { RequestContext } from './context.js';
import { decodeId } from './decode.js';
import { answer } from './result.js';

@ArgsType()
export class ResourcesArgs extends PageArgs {
  @Field(() => ResourceFilter, { nullable: true, description: 'Which AWS objects; default all that you may see.' })
  filter?: ResourceFilter;
}

@Resolver(() => Resource)
export class ResourceResolver {
  @Query(() => ResourceConnection, { description: 'AWS objects, by kind and key: what must be and what is.' })
  resources(@Args(() => ResourcesArgs) _: ResourcesArgs, @Ctx() rc: RequestContext, @Info() info: GraphQLResolveInfo) {
    return rootPage(rc, info, resourceList);
  }

  @Mutation(() => RetryResourceResult, { description: 'Looks at an AWS object again and applies what must be.' })
  retryResource(
    @Arg('input', () => RetryResourceInput, { description: 'Which.' }) input: RetryResourceInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return answer(rc, info, async () => {
      const { resourceId } = await retryResource(rc.ctx, { ...input, resource: decodeId('Resource', input.resource) });
      return [{ field: 'resource', shape: resourceShape, id: resourceId }];
    });
  }

  @Mutation(() => AcknowledgeDriftResult, {
    description:
      'Accepts a change out of band, or a grant that nothing in the mesh asked for, as it is now; another is told anew.',
  })
  acknowledgeDrift(
    @Arg('input', () => AcknowledgeDriftInput, { description: 'Which and why.' }) input: AcknowledgeDriftInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return answer(rc, info, async () => {
      const { resource, ...why } = input;
      const foreign = parseGlobalId(resource)?.type === 'ForeignGrant';
      const { resourceId, foreignGrantId } = await acknowledgeDrift(
        rc.ctx,
        foreign
          ? { ...why, foreignGrant: decodeId('ForeignGrant', resource) }
          : { ...why, resource: decodeId('Resource', resource) },
      );
      const accepted = [{ field: 'resource', shape: resourceShape, id: resourceId }];
      if (foreignGrantId) accepted.push({ field: 'foreignGrant', shape: foreignGrantShape, id: foreignGrantId });
      return accepted;
    });
  }
}
