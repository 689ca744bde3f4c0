import { Prisma } from '../../generated/prisma/client.js';
import type { Viewer } from '../context.js';
import { forbidden, invalid } from '../error.js';
import { holdsScope, type NeededScope, scopeRefusal } from '../token-scope.js';
import { countingBytes, countingEntries } from './answer-size.js';
import { type ConnectionList, type ConnectionRows, connectionSql } from './connection.js';
import { type FieldGuard, guardOf } from './field-rules.js';
import { guardSql, mayRead, within } from './guard.js';
import { SENSITIVE_READ, type SensitiveRead, sensitiveReadSql, sensitiveReadsIn } from './sensitive.js';

/**
 * Reads whole trees in one SQL statement: a selection (what the client asked for, neutral of GraphQL) over shapes (how an object
 * is read) becomes nested json_build_object calls. Visibility is part of every level, so pages, totals and cursors stay right.
 */

export type Sql = Prisma.Sql;
export const { sql, join, raw, empty } = Prisma;

/** One asked field, with its arguments and what is asked of it, by concrete type. */
export interface Selection {
  field: string;
  args: Record<string, unknown>;
  on(type: string): Selection[];
}

/** How one column of an object is read; `t` is the row's alias. */
export type Column = (t: Sql, viewer: Viewer) => Sql;

export type Relation =
  | { kind: 'one'; shape: () => Shape; where: (t: Sql, r: Sql) => Sql }
  | {
      kind: 'many';
      shape: () => Shape;
      where: (t: Sql, r: Sql, viewer: Viewer) => Sql;
      order: (r: Sql) => Sql;
      /** A plain list answers at most this many, the first of its order. */
      limit: number;
      /** Its entries count together among the documents: what is large are their number and their texts. */
      document?: true;
    }
  | { kind: 'connection'; list: () => ConnectionList; where: (t: Sql, r: Sql) => Sql }
  /** An object without a row of its own: computed by a subquery over the row, null where that answers none. */
  | {
      kind: 'computed';
      type: string;
      from: (t: Sql) => Sql;
      columns: Record<string, (c: Sql) => Sql>;
      relations: Record<string, Relation>;
    }
  | {
      kind: 'node';
      discriminator: (t: Sql) => Sql;
      shapes: () => Shape[];
      where: (t: Sql, r: Sql, shape: Shape) => Sql;
    };

/** How an object type is read. `always`: columns that resolvers need whatever was asked. */
export interface Shape {
  type: string;
  from: Sql;
  always: readonly string[];
  columns: Record<string, Column>;
  relations: Record<string, Relation>;
  /** What a token must be good for to read it; ANY: that is for each row to say, by `visible`. */
  scope: NeededScope | 'ANY';
  visible: (t: Sql, viewer: Viewer) => Sql;
  /** Who reads the fields that a rule keeps from some who see the row; a field under a rule that is not here nobody reads. */
  guards?: Partial<Record<FieldGuard, (t: Sql, viewer: Viewer) => Sql>>;
  /** Columns that may be large: one statement reads no more than MOST_BYTES of them. */
  documents?: readonly string[];
  /** Columns that are never null: who may not read them gets an empty list. */
  lists?: readonly string[];
  /** Columns that say who may read a product, and how: reading them is told where the product is sensitive enough. */
  sensitive?: { columns: readonly string[]; productId: (t: Sql) => Sql };
}

/** Columns that are read as they stand in the table. */
export function plain(...names: string[]): Record<string, Column> {
  return Object.fromEntries(names.map((name) => [name, (t: Sql) => sql`${t}.${raw(`"${name}"`)}`]));
}

/** Where a field's value stands in the object that was read: arguments make it another value. */
export function valueKey(field: string, args: Record<string, unknown>): string {
  const given = Object.entries(args).filter(([, value]) => value !== undefined);
  return given.length === 0 ? field : `${field}(${JSON.stringify(given.sort())})`;
}

/** Gives every table of a statement an alias of its own. */
export class Scope {
  private count = 0;
  readonly viewer: Viewer;
  /** Of products of these classifications, reading sensitive columns is told. */
  private readonly audited: readonly string[];
  /** Whether the statement reads columns of which some are to be told. */
  tellsReads = false;

  constructor({ viewer, reads }: ReadContext) {
    this.viewer = viewer;
    this.audited = reads?.classifications ?? [];
  }

  /** What there is to tell of reading these fields of this row; empty where nothing is. */
  readOf(shape: Shape, t: Sql, asked: Iterable<Selection>): Sql | undefined {
    const { type, sensitive } = shape;
    if (sensitive === undefined || this.audited.length === 0) return undefined;
    const fields = [...asked].map(({ field }) => field).filter((field) => sensitive.columns.includes(field));
    if (fields.length === 0) return undefined;
    // What is kept from him he has not read.
    const read = fields.map(
      (field) => sql`CASE WHEN ${mayRead(shape, field, { t, viewer: this.viewer })} THEN ${field}::text END`,
    );
    this.tellsReads = true;
    return sensitiveReadSql({
      type,
      id: sql`${t}."id"`,
      productId: sensitive.productId(t),
      fields: sql`array_remove(ARRAY[${join(read)}], NULL)`,
      audited: this.audited,
    });
  }

  alias(): Sql {
    this.count += 1;
    return raw(`t${this.count}`);
  }
}

/** Unites selections that ask the same field with the same arguments. */
export function merged(selections: Selection[]): Map<string, Selection> {
  const byKey = new Map<string, Selection>();
  for (const selection of selections) {
    const key = valueKey(selection.field, selection.args);
    const before = byKey.get(key);
    byKey.set(key, before ? { ...before, on: (type) => [...before.on(type), ...selection.on(type)] } : selection);
  }
  return byKey;
}

/** The JSON of one row of a shape, as far as it was asked for. */
export function objectSql(scope: Scope, shape: Shape, t: Sql, asked: Selection[]): Sql {
  const parts = new Map<string, Sql>([['__typename', sql`${raw(`'${shape.type}'`)}`]]);
  const column = (name: string) => {
    const read = shape.columns[name];
    if (!read) return false;
    const value = shape.documents?.includes(name) ? countingBytes(read(t, scope.viewer)) : read(t, scope.viewer);
    const denied = shape.lists?.includes(name) ? sql`'[]'::json` : sql`NULL`;
    const may = guardSql(shape, name, { t, viewer: scope.viewer });
    parts.set(name, may ? sql`CASE WHEN ${may} THEN to_json(${value}) ELSE ${denied} END` : value);
    return true;
  };
  for (const name of shape.always) {
    const read = shape.columns[name];
    if (read) parts.set(name, read(t, scope.viewer));
  }
  const fields = merged(asked);
  const read = scope.readOf(shape, t, fields.values());
  if (read) parts.set(SENSITIVE_READ, read);
  for (const [key, selection] of fields) {
    if (selection.field.startsWith('__') || column(selection.field)) continue;
    const relation = shape.relations[selection.field];
    if (!relation) continue;
    const may = guardSql(shape, selection.field, { t, viewer: scope.viewer });
    parts.set(key, relationSql(scope, may ? within(relation, may) : relation, t, selection));
  }
  return jsonObject(parts);
}

/** json_build_object of named expressions, in pieces where there are more than its 100 arguments allow. */
function jsonObject(parts: Map<string, Sql>): Sql {
  const pairs = [...parts].map(([key, value]) => sql`${key}::text, ${value}`);
  if (pairs.length <= 50) return sql`json_build_object(${join(pairs)})`;
  return sql`(jsonb_build_object(${join(pairs.slice(0, 50))}) || jsonb_build_object(${join(pairs.slice(50))}))`;
}

function relationSql(scope: Scope, relation: Relation, t: Sql, selection: Selection): Sql {
  switch (relation.kind) {
    case 'computed': {
      const c = scope.alias();
      const parts = new Map(Object.entries(relation.columns).map(([name, read]) => [name, read(c)]));
      for (const [key, asked] of merged(selection.on(relation.type))) {
        const below = relation.relations[asked.field];
        if (below && guardOf(relation.type, asked.field) !== undefined)
          throw new Error(
            `${relation.type}.${asked.field} has no row of its own that could be asked: nobody reads it.`,
          );
        if (below) parts.set(key, relationSql(scope, below, t, asked));
      }
      return sql`(SELECT ${jsonObject(parts)} FROM (${relation.from(t)}) ${c})`;
    }
    case 'one':
      return oneSql(scope, relation.shape(), (r) => relation.where(t, r), selection);
    case 'many': {
      const shape = relation.shape();
      const r = scope.alias();
      const node = objectSql(scope, shape, r, selection.on(shape.type));
      const list = sql`coalesce(json_agg(${node} ORDER BY ${relation.order(r)}), '[]')`;
      const entries = sql`(SELECT ${countingEntries(list)} FROM (
        SELECT ${r}.* FROM ${shape.from} ${r} WHERE ${relation.where(t, r, scope.viewer)} AND ${sees(shape, r, scope.viewer)}
        ORDER BY ${relation.order(r)} LIMIT ${raw(String(relation.limit))}) ${r})`;
      return relation.document ? countingBytes(entries) : entries;
    }
    case 'connection':
      return connectionSql(scope, relation.list(), selection, (r) => relation.where(t, r));
    case 'node': {
      const cases = relation.shapes().map((shape) => {
        const node = oneSql(scope, shape, (r) => relation.where(t, r, shape), selection);
        return sql`WHEN ${shape.type} THEN ${node}`;
      });
      return sql`CASE ${relation.discriminator(t)} ${join(cases, ' ')} END`;
    }
  }
}

/** The condition that the viewer may see the row: his token is good for objects of this kind, and he may see this one. */
export function sees(shape: Shape, r: Sql, viewer: Viewer): Sql {
  return shape.scope === 'ANY' || holdsScope(viewer, shape.scope) ? shape.visible(r, viewer) : sql`false`;
}

/** Who asks for what his token is not good for is told so, and not that there is nothing. */
function assertReads(shape: Shape, viewer: Viewer): void {
  if (shape.scope !== 'ANY' && !holdsScope(viewer, shape.scope)) throw forbidden(scopeRefusal(shape.scope));
}

/** A scalar subquery for one object: null where it is not there or may not be seen. */
export function oneSql(scope: Scope, shape: Shape, where: (r: Sql) => Sql, selection: Selection): Sql {
  const r = scope.alias();
  const node = objectSql(scope, shape, r, selection.on(shape.type));
  return sql`(SELECT ${node} FROM ${shape.from} ${r} WHERE ${where(r)} AND ${sees(shape, r, scope.viewer)})`;
}

/** Runs one statement and answers its rows; handed in by the composition root. */
export type RunStatement = (statement: { text: string; values: unknown[] }) => Promise<{ answer: unknown }[]>;

/** What reading needs: who asks, and the database. */
export interface ReadContext {
  viewer: Viewer;
  run: RunStatement;
  /** What is to be told of reading; without it nothing is. */
  reads?: {
    classifications: readonly string[];
    /** Throws where it cannot be told: then nothing is answered. */
    tell: (reads: SensitiveRead[]) => Promise<void>;
  };
}

async function answer(ctx: ReadContext, scope: Scope, expression: Sql): Promise<unknown> {
  const found = await answerOf(ctx, expression);
  const reads = scope.tellsReads ? sensitiveReadsIn(found) : [];
  if (reads.length > 0) await ctx.reads?.tell(reads);
  return found;
}

async function answerOf(ctx: ReadContext, expression: Sql): Promise<unknown> {
  const statement = sql`SELECT ${expression} AS answer`;
  try {
    const [row] = await ctx.run({ text: statement.text, values: statement.values });
    return row?.answer ?? null;
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (code === UNSTORABLE_TEXT) throw invalid('', 'Texts cannot hold the character U+0000.');
    // Ids and times come from us, but for those in a cursor that somebody edited.
    if (UNREADABLE.has(code)) throw invalid('after', 'This cursor is damaged; take endCursor of an earlier page.');
    throw error;
  }
}

/** PostgreSQL's character_not_in_repertoire: what no text of the database can be. */
const UNSTORABLE_TEXT = '22021';
/** invalid_text_representation, invalid_datetime_format, datetime_field_overflow. */
const UNREADABLE: ReadonlySet<unknown> = new Set(['22P02', '22007', '22008']);

/** An object that was read: its asked fields under `valueKey`. */
export type ReadObject = Record<string, unknown>;

/** Reads one object, or null where there is none that the viewer may see. */
export async function readOne(
  ctx: ReadContext,
  shape: Shape,
  where: (r: Sql) => Sql,
  selection: Selection,
): Promise<ReadObject | null> {
  assertReads(shape, ctx.viewer);
  const scope = new Scope(ctx);
  return (await answer(ctx, scope, oneSql(scope, shape, where, selection))) as ReadObject | null;
}

/** Reads one page of a list. */
export async function readPage(ctx: ReadContext, list: ConnectionList, selection: Selection): Promise<ConnectionRows> {
  assertReads(list.shape(), ctx.viewer);
  const scope = new Scope(ctx);
  const page = connectionSql(scope, list, selection, () => sql`true`);
  return (await answer(ctx, scope, page)) as ConnectionRows;
}

/** Reads a plain list that hangs on nothing. */
export async function readAll(
  ctx: ReadContext,
  selection: Selection,
  list: Extract<Relation, { kind: 'many' }>,
): Promise<ReadObject[]> {
  const scope = new Scope(ctx);
  return (await answer(ctx, scope, relationSql(scope, list, scope.alias(), selection))) as ReadObject[];
}

/** Reads several objects by id in one statement: the fields of a mutation's payload. */
export async function readMany(
  ctx: ReadContext,
  wanted: { field: string; shape: Shape; id: string }[],
  selection: Selection[],
): Promise<Record<string, ReadObject | null>> {
  const scope = new Scope(ctx);
  const parts = new Map<string, Sql>();
  for (const asked of merged(selection).values()) {
    const target = wanted.find(({ field }) => field === asked.field);
    if (!target) continue;
    parts.set(
      asked.field,
      oneSql(scope, target.shape, (r) => byId(target.shape, r, target.id), asked),
    );
  }
  if (parts.size === 0) return {};
  return (await answer(ctx, scope, jsonObject(parts))) as Record<string, ReadObject | null>;
}

/** For asking whether an object is there and may be seen. */
export const NOTHING: Selection = { field: 'node', args: {}, on: () => [] };

/** The condition that names one row; resources are named by their identity hash, all else by uuid. */
export function byId(shape: Shape, r: Sql, id: string): Sql {
  return shape.type === 'Resource' ? sql`${r}."id" = ${id}` : sql`${r}."id" = ${id}::uuid`;
}

/** Reads objects by id, in that order, leaving out those that the viewer may not see. */
export async function readList(
  ctx: ReadContext,
  shape: Shape,
  ids: string[],
  asked: Selection[],
): Promise<ReadObject[]> {
  const scope = new Scope(ctx);
  const r = scope.alias();
  const node = objectSql(
    scope,
    shape,
    r,
    asked.flatMap((selection) => selection.on(shape.type)),
  );
  const rows = sql`(SELECT coalesce(json_agg(${node} ORDER BY array_position(${ids}::uuid[], ${r}."id")), '[]') FROM ${shape.from} ${r}
    WHERE ${r}."id" = ANY(${ids}::uuid[]) AND ${sees(shape, r, scope.viewer)})`;
  return (await answer(ctx, scope, rows)) as ReadObject[];
}
