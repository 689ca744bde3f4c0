/** LF-tags on databases, tables and columns: what is assigned, what is inherited, and what an expression selects. */
import { columnNames, findTable, type TableRecord } from './glue-store.js';
import { type ColumnScope, EVERY_COLUMN, isNoColumn, onlyColumns } from './lf-columns.js';
import type { GrantRow } from './lf-grants.js';
import type { TagCondition, Target } from './lf-target.js';
import type { World } from './service.js';

/** Assigned values by tag key: one value per key and resource. */
export type TagValues = Record<string, string>;

/** A place that carries tags; with a table it is the table's, with a column the column's. */
export interface TagPlace {
  catalog: string;
  database: string;
  table?: string;
  column?: string;
}

/** A tag of an account's catalog; `createdBy` is the principal who made it, unknown of tags from before it was kept. */
export interface TagRecord {
  catalog: string;
  key: string;
  values: string[];
  createdBy?: string;
}

/** The tags of each account's catalog with their values, by `catalog|key`. */
export function tagTable(world: World) {
  return world.table<TagRecord>('lakeformation/tags');
}

/** Assigned tags by place. */
export function assignmentTable(world: World) {
  return world.table<{ place: TagPlace; tags: TagValues }>('lakeformation/tag-assignments');
}

/** The key of a place. */
export function placeKey({ catalog, database, table, column }: TagPlace): string {
  return [catalog, database, table ?? '', column ?? ''].join('|');
}

/** The tags assigned to the place itself. */
export function assignedTags(world: World, place: TagPlace): TagValues {
  return assignmentTable(world).get(placeKey(place))?.tags ?? {};
}

/**
 * The tags in force: a table inherits its database's, a column its table's, and an own value overrides the inherited one.
 * AWS page: Lake Formation developer guide, lf-tag-considerations.
 */
export function effectiveTags(world: World, { catalog, database, table, column }: TagPlace): TagValues {
  return {
    ...assignedTags(world, { catalog, database }),
    ...(table ? assignedTags(world, { catalog, database, table }) : {}),
    ...(table && column ? assignedTags(world, { catalog, database, table, column }) : {}),
  };
}

/** Whether tags satisfy an expression: keys are joined by AND, the values of a key by OR. AWS page: lf-tag-considerations. */
export function satisfies(tags: TagValues, expression: TagCondition[]): boolean {
  return expression.every(({ TagKey, TagValues }) => {
    const value = tags[TagKey];
    return value !== undefined && TagValues.includes(value);
  });
}

/** The columns that a TABLE expression selects of a table. */
export function columnsSelected(world: World, table: TableRecord, expression: TagCondition[]): ColumnScope {
  const place = { catalog: table.CatalogId, database: table.DatabaseName, table: table.Name };
  const columns = columnNames(table);
  const selected = columns.filter((column) => satisfies(effectiveTags(world, { ...place, column }), expression));
  if (selected.length === columns.length && satisfies(effectiveTags(world, place), expression)) return EVERY_COLUMN;
  return onlyColumns(selected);
}

/** What is asked of a row: a permission or its grant option, on a table or database. */
export interface TagQuestion {
  permission: string;
  target: Target;
  /** `permissions` where nothing is said. */
  field?: 'permissions' | 'grantable';
}

/** The columns to which a tag-policy row extends a permission on a table or database; undefined where it selects nothing. */
export function scopeByTags(world: World, row: GrantRow, question: TagQuestion): ColumnScope | undefined {
  const { permission, target, field = 'permissions' } = question;
  const { policy } = row.target;
  if (!policy || row.target.catalog !== target.catalog || policy.resourceType !== target.kind || !target.database) {
    return undefined;
  }
  if (row[field][permission] === undefined && row[field].ALL === undefined) return undefined;
  const { catalog, database, table } = target;
  if (permission !== 'SELECT' || !table) {
    const place = { catalog, database, ...(table ? { table } : {}) };
    return satisfies(effectiveTags(world, place), policy.expression) ? EVERY_COLUMN : undefined;
  }
  const record = findTable(world, { catalog, database, table });
  const scope = record ? columnsSelected(world, record, policy.expression) : onlyColumns([]);
  return isNoColumn(scope) ? undefined : scope;
}
