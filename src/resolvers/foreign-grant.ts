import type { GraphQLResolveInfo } from 'graphql';
import { Args, ArgsType, Ctx, Field, Info, Query, Resolver } from 'type-graphql';
import { foreignGrantList } from '../governance/read/foreign-grant.js';
import { ForeignGrant, ForeignGrantConnection, ForeignGrantFilter } from '../schema/resource.js';
import { PageArgs, rootPage } from './connection.js';
import type { RequestContext } from './context.js';

@ArgsType()
class ForeignGrantsArgs extends PageArgs {
  @Field(() => ForeignGrantFilter, { nullable: true, description: 'Which; default all that stand.' })
  filter?: ForeignGrantFilter;
}

@Resolver(() => ForeignGrant)
export class ForeignGrantResolver {
  @Query(() => ForeignGrantConnection, {
    description: 'Grants on objects of the mesh that nothing in the mesh asked for, newest first.',
  })
  foreignGrants(
    @Args(() => ForeignGrantsArgs) _: ForeignGrantsArgs,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return rootPage(rc, info, foreignGrantList);
  }
}
