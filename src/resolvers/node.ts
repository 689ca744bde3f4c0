import type { GraphQLResolveInfo } from 'graphql';
import { Arg, Ctx, ID, Info, Query, Resolver } from 'type-graphql';
import { parseGlobalId } from '../governance/global-id.js';
import { nodeShapes } from '../governance/read/event.js';
import { byId, readOne } from '../governance/read/select.js';
import { Node } from '../schema/node.js';
import type { RequestContext } from './context.js';
import { selectionOf } from './select.js';

@Resolver(() => Node)
export class NodeResolver {
  @Query(() => Node, {
    nullable: true,
    description: 'Any object by its id; null where there is none that you may see.',
  })
  node(
    @Arg('id', () => ID, { description: 'Its id.' }) id: string,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    const parsed = parseGlobalId(id);
    const shape = nodeShapes().find(({ type }) => type === parsed?.type);
    if (!parsed || !shape) return null;
    return readOne(rc.read, shape, (r) => byId(shape, r, parsed.id), selectionOf(info));
  }
}
