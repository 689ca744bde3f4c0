import type { GraphQLResolveInfo } from 'graphql';
import { ArgsType, Field, Int } from 'type-graphql';
import { type ConnectionList, type ConnectionRows, pageOf } from '../governance/read/connection.js';
import { readPage } from '../governance/read/select.js';
import type { RequestContext } from './context.js';
import { keyOf, selectionOf } from './select.js';

/** Paging of a Relay connection, forwards. */
@ArgsType()
export class PageArgs {
  @Field(() => Int, { description: 'How many, from 1 to 100.' })
  first!: number;

  @Field(() => String, { nullable: true, description: 'After this cursor: `endCursor` of the page before.' })
  after?: string;
}

/** A page of a list at the root of a query: one statement. */
export async function rootPage(rc: RequestContext, info: GraphQLResolveInfo, list: ConnectionList) {
  const selection = selectionOf(info);
  return pageOf(list, await readPage(rc.read, list, selection), selection.args);
}

/** A page of a list below an object: it was read together with the object. */
export function nestedPage(root: object, info: GraphQLResolveInfo, list: ConnectionList) {
  const rows = (root as Record<string, unknown>)[keyOf(info)] as ConnectionRows;
  return pageOf(list, rows, selectionOf(info).args);
}
