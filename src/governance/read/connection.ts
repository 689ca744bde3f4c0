import type { Viewer } from '../context.js';
import { invalid } from '../error.js';
import { empty, join, objectSql, raw, type Scope, type Selection, type Shape, type Sql, sees, sql } from './select.js';

/** One key of an order: `cast` is the SQL type that its text in a cursor is read back as. */
interface OrderKey {
  sql: (r: Sql) => Sql;
  cast: string;
}

/** A total order: the last key is unique. */
export interface Order {
  name: string;
  descending: boolean;
  keys: OrderKey[];
}

/** How a list is filtered, ordered and counted. */
export interface ConnectionList {
  shape: () => Shape;
  filter: (r: Sql, args: Record<string, unknown>, viewer: Viewer) => Sql[];
  order: (args: Record<string, unknown>) => Order;
  facets?: Record<string, (r: Sql) => { value: Sql; from: Sql }>;
  cursor?: Cursor;
}

/** What the statement answers for a page: up to first + 1 nodes with their cursors' keys. */
export interface ConnectionRows {
  rows: { node: Record<string, unknown>; keys: string[] }[];
  order: string;
  totalCount?: number;
  facets?: { field: string; values: { value: string; count: number }[] }[];
}

/** Turns a row's order keys into an opaque cursor and back. */
export interface Cursor {
  encode(order: string, keys: string[]): string;
  decode(order: string, cursor: string): string[];
}

/** A cursor holds the name of the order and the row's keys, so that one of another order is refused and not misread. */
export const keysetCursor: Cursor = {
  encode: (order, keys) => Buffer.from(JSON.stringify([order, ...keys])).toString('base64url'),
  decode: (order, cursor) => {
    try {
      const [name, ...keys] = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as unknown[];
      if (name === order && keys.every((key) => typeof key === 'string')) return keys as string[];
    } catch {
      // falls through to the one message for every bad cursor
    }
    throw invalid('after', 'This cursor is not one of this list in this order; take endCursor of an earlier page.');
  },
};

/** totalCount stops counting here: beyond, a count costs more than it tells. */
export const COUNT_CAP = 10_000;

/** The JSON of one page of a list, with total and facets where they were asked for. */
export function connectionSql(scope: Scope, list: ConnectionList, selection: Selection, within: (r: Sql) => Sql): Sql {
  const shape = list.shape();
  const { args } = selection;
  const asked = selection.on(`${shape.type}Connection`);
  const order = list.order(args);
  const r = scope.alias();
  const matches = (row: Sql) =>
    join([within(row), sees(shape, row, scope.viewer), ...list.filter(row, args, scope.viewer)], ' AND ');
  const keys = order.keys.map((key) => key.sql(r));
  const direction = order.descending ? sql`DESC` : sql`ASC`;
  const ordering = join(keys.map((key) => sql`${key} ${direction}`));
  const page = sql`SELECT ${r}.* FROM ${shape.from} ${r} WHERE ${matches(r)} ${after(list, order, keys, args)}
    ORDER BY ${ordering} LIMIT ${Number(args.first) + 1}::int`;
  const node = objectSql(scope, shape, r, nodeSelections(asked, shape));
  const keyTexts = join(keys.map((key) => sql`${key}::text`));
  const rows = sql`(SELECT coalesce(json_agg(json_build_object('node', ${node}, 'keys', json_build_array(${keyTexts}))
    ORDER BY ${ordering}), '[]') FROM (${page}) ${r})`;
  const total = asked.some(({ field }) => field === 'totalCount')
    ? sql`, 'totalCount', ${countSql(scope, shape, matches)}`
    : empty;
  const facets =
    list.facets && asked.some(({ field }) => field === 'facets')
      ? sql`, 'facets', ${facetsSql(scope, list, matches)}`
      : empty;
  return sql`json_build_object('rows', ${rows}, 'order', ${order.name}::text${total}${facets})`;
}

function nodeSelections(asked: Selection[], shape: Shape): Selection[] {
  const nodes = asked.filter(({ field }) => field === 'nodes');
  const edges = asked.filter(({ field }) => field === 'edges').flatMap((edge) => edge.on(`${shape.type}Edge`));
  return [...nodes, ...edges.filter(({ field }) => field === 'node')].flatMap((selection) => selection.on(shape.type));
}

function after(list: ConnectionList, order: Order, keys: Sql[], args: Record<string, unknown>): Sql {
  if (typeof args.after !== 'string') return empty;
  const values = (list.cursor ?? keysetCursor).decode(order.name, args.after);
  if (values.length !== keys.length)
    throw invalid('after', 'This cursor is damaged; take endCursor of an earlier page.');
  const bounds = join(order.keys.map((key, i) => sql`${values[i]}::text::${raw(key.cast)}`));
  return sql`AND (${join(keys)}) ${order.descending ? sql`<` : sql`>`} (${bounds})`;
}

function countSql(scope: Scope, shape: Shape, matches: (row: Sql) => Sql): Sql {
  const row = scope.alias();
  return sql`(SELECT count(*) FROM (SELECT 1 FROM ${shape.from} ${row} WHERE ${matches(row)} LIMIT ${raw(String(COUNT_CAP))}) counted)`;
}

function facetsSql(scope: Scope, list: ConnectionList, matches: (row: Sql) => Sql): Sql {
  const shape = list.shape();
  const facets = Object.entries(list.facets ?? {}).map(([field, facet]) => {
    const row = scope.alias();
    const { value, from } = facet(row);
    return sql`json_build_object('field', ${raw(`'${field}'`)}, 'values', (SELECT coalesce(json_agg(json_build_object('value', f.value, 'count', f.count)
      ORDER BY f.count DESC, f.value), '[]') FROM (SELECT ${value}::text AS value, count(*) AS count FROM ${shape.from} ${row} ${from}
      WHERE ${matches(row)} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 50) f))`;
  });
  return sql`json_build_array(${join(facets)})`;
}

/** A Relay page, from what the statement answered. */
export function pageOf(list: ConnectionList, answer: ConnectionRows, args: Record<string, unknown>) {
  const first = Number(args.first);
  const shown = answer.rows.slice(0, first);
  const cursor = list.cursor ?? keysetCursor;
  const edges = shown.map(({ node, keys }) => ({ node, cursor: cursor.encode(answer.order, keys) }));
  return {
    edges,
    nodes: shown.map(({ node }) => node),
    pageInfo: {
      hasNextPage: answer.rows.length > first,
      hasPreviousPage: typeof args.after === 'string',
      startCursor: edges[0]?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    },
    totalCount: answer.totalCount ?? null,
    facets: answer.facets ?? [],
  };
}
