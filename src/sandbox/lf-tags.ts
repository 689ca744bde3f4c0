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

/** The tags of each account's catalog with their values, by `catalog|key`. */
export function tagTable(world: World) {
  return world.table<{ catalog: string; key: string; values: string[] }>('lakeformation/tags');
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

/** The columns to which a tag-policy row extends a permission on a table or database; undefined where it selects nothing. */
export function scopeByTags(world: World, row: GrantRow, permission: string, target: Target): ColumnScope | undefined {
  const { policy } = row.target;
  if (!policy || row.target.catalog !== target.catalog || policy.resourceType !== target.kind || !target.database) {
    return undefined;
  }
  if (row.permissions[permission] === undefined && row.permissions.ALL === undefined) return undefined;
  const place = {
    catalog: target.catalog,
    database: target.database,
    ...(target.table ? { table: target.table } : {}),
  };
  if (permission !== 'SELECT')
    return satisfies(effectiveTags(world, place), policy.expression) ? EVERY_COLUMN : undefined;
  const table = target.table
    ? findTable(world, { catalog: target.catalog, database: target.database, table: target.table })
    : undefined;
  const scope = table ? columnsSelected(world, table, policy.expression) : onlyColumns([]);
  return isNoColumn(scope) ? undefined : scope;
}
