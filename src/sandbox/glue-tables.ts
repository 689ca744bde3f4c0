/** Tables of the Data Catalog: reading and listing them, through resource links too. */
import { catalogOf } from './glue-databases.js';
import {
  findTable,
  followDatabase,
  followTable,
  requireDatabase,
  requireTable,
  type TableRecord,
  tableKey,
  tablesOf,
  tableVersions,
} from './glue-store.js';
import { heldScope, mayDescribe } from './lf-authority.js';
import { type ColumnScope, EVERY_COLUMN, reaches } from './lf-columns.js';
import {
  defined,
  entityNotFound,
  foldName,
  insufficientPermission,
  invalidInput,
  pageOf,
  requireMembers,
} from './lf-input.js';
import { isRegisteredPath } from './lf-locations.js';
import { isAdministrator } from './lf-settings.js';
import { databaseTarget, tableTarget } from './lf-target.js';
import type { Call, World } from './service.js';

/** The API's Table of a record: dates, and whether Lake Formation governs its path. */
function toTable(world: World, record: TableRecord) {
  const location = record.StorageDescriptor?.Location;
  return {
    ...record,
    CreateTime: new Date(record.CreateTime),
    UpdateTime: new Date(record.UpdateTime),
    IsRegisteredWithLakeFormation: location !== undefined && isRegisteredPath(world, record.CatalogId, location),
  };
}

/** The columns of a table that the caller may see: a SELECT on chosen columns shows those alone. */
function visibleColumns(world: World, call: Call, record: TableRecord): ColumnScope {
  const target = tableTarget(record.CatalogId, record.DatabaseName, record.Name);
  if (isAdministrator(world, call.account, call.principal)) return EVERY_COLUMN;
  for (const permission of ['DESCRIBE', 'ALTER', 'INSERT', 'DELETE', 'DROP', 'ALL']) {
    if (heldScope(world, call, { permission, target })) return EVERY_COLUMN;
  }
  return heldScope(world, call, { permission: 'SELECT', target }) ?? EVERY_COLUMN;
}

function trim(record: TableRecord, scope: ColumnScope): TableRecord {
  const { StorageDescriptor, PartitionKeys } = record;
  if (!StorageDescriptor?.Columns) return record;
  return {
    ...record,
    StorageDescriptor: {
      ...StorageDescriptor,
      Columns: StorageDescriptor.Columns.filter(({ Name }) => reaches(scope, foldName(Name))),
    },
    ...(PartitionKeys ? { PartitionKeys: PartitionKeys.filter(({ Name }) => reaches(scope, foldName(Name))) } : {}),
  };
}

/** A link shows its own name and place with the target's properties where the caller may see the target. */
function resolve(world: World, call: Call, record: TableRecord) {
  if (!record.TargetTable) return toTable(world, trim(record, visibleColumns(world, call, record)));
  const place = followTable(world, { catalog: record.CatalogId, database: record.DatabaseName, table: record.Name });
  const target = findTable(world, place);
  const seen = target && mayDescribe(world, call, tableTarget(place.catalog, place.database, place.table));
  if (!target || !seen) return toTable(world, record);
  const { Name, DatabaseName, CatalogId, TargetTable, CreateTime, CreatedBy } = record;
  const shown = toTable(world, trim(target, visibleColumns(world, call, target)));
  return { ...shown, Name, DatabaseName, CatalogId, TargetTable, CreateTime: new Date(CreateTime), CreatedBy };
}

/** The table that a call names, where the caller may see it. A database link leads to the target's tables. */
function visibleTable(call: Call, world: World, names: { database: string; table: string }): TableRecord {
  const { catalog, database } = followDatabase(world, catalogOf(call), names.database);
  const target = tableTarget(catalog, database, foldName(names.table));
  // Of another account nothing is known to who holds nothing there, not even that a name is free.
  if (catalog !== call.account && !mayDescribe(world, call, target))
    throw insufficientPermission('Describe', names.table);
  requireDatabase(world, catalog, database);
  const record = requireTable(world, { catalog, database, table: names.table });
  if (!mayDescribe(world, call, target)) throw insufficientPermission('Describe', names.table);
  return record;
}

/** GetTable. AWS page: Lake Formation developer guide, resource-links-glue-apis. */
export function getTable(call: Call, world: World): unknown {
  requireMembers(call.parameters, ['DatabaseName', 'Name']);
  const record = visibleTable(call, world, {
    database: call.parameters.DatabaseName,
    table: call.parameters.Name,
  });
  return { Table: resolve(world, call, record) };
}

/** GetTables: the tables that the caller may see, links among them; Expression is a regular expression on the name. */
export function getTables(call: Call, world: World): unknown {
  requireMembers(call.parameters, ['DatabaseName']);
  const { catalog, database } = followDatabase(world, catalogOf(call), call.parameters.DatabaseName);
  const visible = tablesOf(world, catalog, database).filter((record) =>
    mayDescribe(world, call, tableTarget(catalog, database, record.Name)),
  );
  if (visible.length === 0 && !mayDescribe(world, call, databaseTarget(catalog, database))) {
    if (catalog === call.account) requireDatabase(world, catalog, database);
    throw insufficientPermission('Describe', database);
  }
  const expression: string | undefined = call.parameters.Expression;
  const matches = expression === undefined ? undefined : nameExpression(expression);
  const { page, next } = pageOf(
    visible.filter((record) => matches?.test(record.Name) ?? true),
    { max: call.parameters.MaxResults, token: call.parameters.NextToken, most: 100, refuse: invalidInput },
  );
  return defined({ TableList: page.map((record) => resolve(world, call, record)), NextToken: next });
}

function nameExpression(expression: string): RegExp {
  try {
    return new RegExp(`^(?:${expression})$`, 'i');
  } catch {
    throw invalidInput(`Invalid expression: ${expression}`);
  }
}

/** All versions of a table, the newest first. */
function versionsOf(call: Call, world: World): TableRecord[] {
  const record = visibleTable(call, world, {
    database: call.parameters.DatabaseName,
    table: call.parameters.TableName,
  });
  const key = tableKey({ catalog: record.CatalogId, database: record.DatabaseName, table: record.Name });
  return [record, ...(tableVersions(world).get(key) ?? []).toReversed()];
}

/** GetTableVersions. */
export function getTableVersions(call: Call, world: World): unknown {
  requireMembers(call.parameters, ['DatabaseName', 'TableName']);
  const { page, next } = pageOf(versionsOf(call, world), {
    max: call.parameters.MaxResults,
    token: call.parameters.NextToken,
    most: 100,
    refuse: invalidInput,
  });
  const found = page.map((record) => ({ Table: toTable(world, record), VersionId: record.VersionId }));
  return defined({ TableVersions: found, NextToken: next });
}

/** GetTableVersion, the newest where no version is named. */
export function getTableVersion(call: Call, world: World): unknown {
  requireMembers(call.parameters, ['DatabaseName', 'TableName']);
  const wanted: string | undefined = call.parameters.VersionId;
  const record = versionsOf(call, world).find((each) => wanted === undefined || each.VersionId === wanted);
  if (!record) throw entityNotFound(`Table version ${wanted} not found.`);
  return { TableVersion: { Table: toTable(world, record), VersionId: record.VersionId } };
}
