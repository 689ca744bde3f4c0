/** Creating, updating and deleting tables and table links. */
import { catalogOf, grantInitialPermissions } from './glue-databases.js';
import {
  type DatabaseRecord,
  findTable,
  followDatabase,
  followTable,
  requireDatabase,
  requireTable,
  type TableName,
  type TableRecord,
  tableKey,
  tables,
  tableVersions,
} from './glue-store.js';
import { forgetTargets } from './lakeformation-permissions.js';
import { forgetTags } from './lakeformation-tags.js';
import { requireLocationAccess, requirePermission } from './lf-authority.js';
import { filterTable } from './lf-filters.js';
import { defined, foldName, invalidInput, requireMembers } from './lf-input.js';
import { databaseTarget, tableTarget } from './lf-target.js';
import { AwsError, type Call, type World } from './service.js';

function readTableInput(call: Call): Partial<TableRecord> & { Name: string } {
  requireMembers(call.parameters, ['DatabaseName', 'TableInput']);
  const input: Partial<TableRecord> = call.parameters.TableInput;
  requireMembers(input, ['Name'], 'tableInput.');
  const columns = [...(input.StorageDescriptor?.Columns ?? []), ...(input.PartitionKeys ?? [])];
  for (const column of columns) requireMembers({ ...column }, ['Name'], 'tableInput.storageDescriptor.columns.');
  const names = columns.map(({ Name }) => foldName(Name));
  if (new Set(names).size < names.length) throw invalidInput('Column names must be unique in a table.');
  return { ...input, Name: foldName(input.Name ?? '') };
}

/** CreateTable; with TargetTable it makes a resource link. AWS page: resource-links-glue-apis. */
export function createTable(call: Call, world: World): unknown {
  const input = withIceberg(readTableInput(call), call.parameters.OpenTableFormatInput);
  const named: string = call.parameters.DatabaseName;
  const local = requireDatabase(world, catalogOf(call), named);
  if (input.TargetTable && local.TargetDatabase) {
    throw invalidInput('Creating a table resource link through a database resource link is not supported.');
  }
  const { catalog, database } = followDatabase(world, catalogOf(call), named);
  const home = requireDatabase(world, catalog, database);
  requirePermission(world, call, 'CREATE_TABLE', databaseTarget(catalog, database));
  const place = { catalog, database, table: input.Name };
  if (findTable(world, place)) throw new AwsError('AlreadyExistsException', 'Table already exists.');
  requireLocationAccess(world, call, { owner: catalog, location: input.StorageDescriptor?.Location });
  storeNewTable(world, call, { place, input, home });
  return {};
}

function withIceberg(input: Partial<TableRecord> & { Name: string }, format: unknown): typeof input {
  if (!format) return input;
  const Parameters = { ...(input.Parameters as Record<string, string> | undefined), table_type: 'ICEBERG' };
  return { ...input, TableType: input.TableType ?? 'EXTERNAL_TABLE', Parameters };
}

function storeNewTable(
  world: World,
  call: Call,
  made: { place: TableName; input: Partial<TableRecord>; home: DatabaseRecord },
): void {
  const { place, input, home } = made;
  const now = world.now().toISOString();
  const record: TableRecord = defined({
    ...input,
    CatalogId: place.catalog,
    DatabaseName: place.database,
    Name: place.table,
    VersionId: '0',
    CreateTime: now,
    UpdateTime: now,
    CreatedBy: call.principal,
    ...(input.TargetTable ? { TargetTable: { CatalogId: place.catalog, ...input.TargetTable } } : {}),
  });
  tables(world).put(tableKey(place), record);
  grantInitialPermissions(world, call, {
    target: tableTarget(place.catalog, place.database, place.table),
    defaults: home.CreateTableDefaultPermissions,
    link: input.TargetTable !== undefined,
  });
}

/**
 * UpdateTable changes the target where the name is a link's, and makes a new version. A VersionId that is not the current
 * one is refused. AWS pages: resource-links-glue-apis; Glue API, UpdateTable.
 */
export function updateTable(call: Call, world: World): unknown {
  const input = readTableInput(call);
  const named = { catalog: catalogOf(call), database: call.parameters.DatabaseName, table: input.Name };
  const place = followTable(world, named);
  requireDatabase(world, place.catalog, place.database);
  const before = requireTable(world, place);
  const { catalog, database, table } = place;
  requirePermission(world, call, 'ALTER', tableTarget(catalog, database, table));
  requireLocationAccess(world, call, { owner: catalog, location: input.StorageDescriptor?.Location });
  const version: string | undefined = call.parameters.VersionId;
  if (version !== undefined && version !== before.VersionId) {
    throw new AwsError('ConcurrentModificationException', 'Update table failed due to concurrent modifications.');
  }
  const { TargetTable: _target, ...changes } = input;
  if (!call.parameters.SkipArchive) {
    tableVersions(world).put(tableKey(place), [...(tableVersions(world).get(tableKey(place)) ?? []), before]);
  }
  tables(world).put(
    tableKey(place),
    defined({
      ...changes,
      CatalogId: catalog,
      DatabaseName: database,
      Name: table,
      VersionId: String(Number(before.VersionId) + 1),
      CreateTime: before.CreateTime,
      UpdateTime: world.now().toISOString(),
      CreatedBy: before.CreatedBy,
    }),
  );
  return {};
}

/** Removes a table or a link; through a database link the target's table goes. AWS page: resource-links-glue-apis. */
function removeTable(call: Call, world: World, name: string): void {
  const { catalog, database } = followDatabase(world, catalogOf(call), call.parameters.DatabaseName);
  requireDatabase(world, catalog, database);
  const place = { catalog, database, table: foldName(name) };
  requireTable(world, place);
  requirePermission(world, call, 'DROP', tableTarget(catalog, database, place.table));
  tables(world).delete(tableKey(place));
  tableVersions(world).delete(tableKey(place));
  for (const [key, filter] of [...filterTable(world).entries()]) {
    if (filter.TableCatalogId === catalog && filter.DatabaseName === database && filter.TableName === place.table) {
      filterTable(world).delete(key);
    }
  }
  forgetTags(world, place);
  forgetTargets(
    world,
    call,
    (target) => target.catalog === catalog && target.database === database && target.table === place.table,
  );
}

/** DeleteTable. */
export function deleteTable(call: Call, world: World): unknown {
  requireMembers(call.parameters, ['DatabaseName', 'Name']);
  removeTable(call, world, call.parameters.Name);
  return {};
}

/** BatchDeleteTable: at most 100 names; those that fail come back with their error. */
export function batchDeleteTable(call: Call, world: World): unknown {
  requireMembers(call.parameters, ['DatabaseName', 'TablesToDelete']);
  const names: string[] = call.parameters.TablesToDelete;
  if (names.length > 100) throw invalidInput('At most 100 tables can be deleted in a call.');
  const errors = names.flatMap((name) => {
    try {
      removeTable(call, world, name);
      return [];
    } catch (error) {
      if (!(error instanceof AwsError)) throw error;
      return [{ TableName: name, ErrorDetail: { ErrorCode: error.code, ErrorMessage: error.message } }];
    }
  });
  return { Errors: errors };
}
