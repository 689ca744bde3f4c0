/** Databases and tables of the Data Catalog as the sandbox keeps them, and how resource links are followed. */
import { entityNotFound, foldName } from './lf-input.js';
import type { DefaultPermissions } from './lf-settings.js';
import type { World } from './service.js';

/** A column of a storage descriptor or a partition key. */
interface Column {
  Name: string;
  Type?: string;
  Comment?: string;
  Parameters?: Record<string, string>;
}

/** A stored database; a resource link has TargetDatabase. Times are ISO 8601. */
export interface DatabaseRecord {
  CatalogId: string;
  Name: string;
  Description?: string;
  LocationUri?: string;
  Parameters?: Record<string, string>;
  CreateTime: string;
  CreateTableDefaultPermissions: DefaultPermissions[];
  TargetDatabase?: { CatalogId?: string; DatabaseName?: string; Region?: string };
}

/** The members of a storage descriptor that carry a rule here; the others are kept as given. */
interface StorageDescriptor {
  Columns?: Column[];
  Location?: string;
  [member: string]: unknown;
}

/** A stored table; a resource link has TargetTable. Times are ISO 8601. */
export interface TableRecord {
  CatalogId: string;
  DatabaseName: string;
  Name: string;
  VersionId: string;
  CreateTime: string;
  UpdateTime: string;
  CreatedBy: string;
  StorageDescriptor?: StorageDescriptor;
  PartitionKeys?: Column[];
  TargetTable?: { CatalogId?: string; DatabaseName?: string; Name?: string; Region?: string };
  [member: string]: unknown;
}

/** A table's place in the catalog. */
export interface TableName {
  catalog: string;
  database: string;
  table: string;
}

/** All databases, by `catalog|name`. */
export function databases(world: World) {
  return world.table<DatabaseRecord>('glue/databases');
}

/** All tables, by `catalog|database|name`. */
export function tables(world: World) {
  return world.table<TableRecord>('glue/tables');
}

/** Earlier versions of each table, oldest first, by the table's key. */
export function tableVersions(world: World) {
  return world.table<TableRecord[]>('glue/table-versions');
}

/** The key of a table. */
export function tableKey({ catalog, database, table }: TableName): string {
  return `${catalog}|${foldName(database)}|${foldName(table)}`;
}

/** The key of a database. */
export function databaseKey(catalog: string, name: string): string {
  return `${catalog}|${foldName(name)}`;
}

/** The database of this name, link or not. */
export function findDatabase(world: World, catalog: string, name: string): DatabaseRecord | undefined {
  return databases(world).get(databaseKey(catalog, name));
}

/** The table of this name, link or not. */
export function findTable(world: World, name: TableName): TableRecord | undefined {
  return tables(world).get(tableKey(name));
}

/** The database, or EntityNotFoundException. */
export function requireDatabase(world: World, catalog: string, name: string): DatabaseRecord {
  const found = findDatabase(world, catalog, name);
  if (!found) throw entityNotFound(`Database ${name} not found.`);
  return found;
}

/** The table, or EntityNotFoundException. */
export function requireTable(world: World, name: TableName): TableRecord {
  const found = findTable(world, name);
  if (!found) throw entityNotFound(`Table ${name.table} not found in database ${name.database}.`);
  return found;
}

/** The tables of a database in order of their names. */
export function tablesOf(world: World, catalog: string, database: string): TableRecord[] {
  const name = foldName(database);
  return [...tables(world).shared()]
    .filter((table) => table.CatalogId === catalog && table.DatabaseName === name)
    .sort((a, b) => (a.Name < b.Name ? -1 : 1));
}

/** The names of a table's columns, partition keys last, folded. */
export function columnNames(table: TableRecord): string[] {
  return [...(table.StorageDescriptor?.Columns ?? []), ...(table.PartitionKeys ?? [])].map(({ Name }) =>
    foldName(Name),
  );
}

/** Where a database name leads: through one resource link, or to itself. */
export function followDatabase(world: World, catalog: string, name: string): { catalog: string; database: string } {
  const target = findDatabase(world, catalog, name)?.TargetDatabase;
  if (!target?.DatabaseName) return { catalog, database: foldName(name) };
  return { catalog: target.CatalogId ?? catalog, database: foldName(target.DatabaseName) };
}

/** Where a table name leads: through a link of its database and through a link of its own. */
export function followTable(world: World, name: TableName): TableName {
  const { catalog, database } = followDatabase(world, name.catalog, name.database);
  const here = { catalog, database, table: foldName(name.table) };
  const target = findTable(world, here)?.TargetTable;
  if (!target?.Name || !target.DatabaseName) return here;
  return {
    catalog: target.CatalogId ?? catalog,
    database: foldName(target.DatabaseName),
    table: foldName(target.Name),
  };
}
