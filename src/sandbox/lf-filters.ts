/** Data cells filters: rows and columns of a table under a name of their own. Row expressions are checked, not evaluated. */
import { columnNames, requireTable } from './glue-store.js';
import { heldScope } from './lf-authority.js';
import { allColumnsBut, type ColumnScope, contains, EVERY_COLUMN, onlyColumns } from './lf-columns.js';
import { defined, entityNotFound, foldName, invalidInput, pageOf, requireMembers } from './lf-input.js';
import { requireRowFilter } from './lf-row-filter.js';
import { isAdministrator } from './lf-settings.js';
import { type Target, tableTarget } from './lf-target.js';
import { AwsError, type Call, type World } from './service.js';

/** A stored filter; its members are those of the API's DataCellsFilter. */
interface FilterRecord {
  TableCatalogId: string;
  DatabaseName: string;
  TableName: string;
  Name: string;
  RowFilter?: { FilterExpression?: string; AllRowsWildcard?: Record<string, never> };
  ColumnNames?: string[];
  ColumnWildcard?: { ExcludedColumnNames?: string[] };
  VersionId: string;
}

const IDENTITY = ['TableCatalogId', 'DatabaseName', 'TableName', 'Name'];

/** All filters, by `catalog|database|table|name`. */
export function filterTable(world: World) {
  return world.table<FilterRecord>('lakeformation/filters');
}

function keyOf(input: Record<string, unknown>): string {
  const [catalog, database, table, name] = IDENTITY.map((member) => String(input[member]));
  return `${catalog}|${foldName(database ?? '')}|${foldName(table ?? '')}|${name}`;
}

/** The columns that a filter lets through. */
export function filterScope(filter: FilterRecord): ColumnScope {
  if (filter.ColumnNames) return onlyColumns(filter.ColumnNames.map(foldName));
  return allColumnsBut((filter.ColumnWildcard?.ExcludedColumnNames ?? []).map(foldName));
}

/**
 * Filters are made and seen by administrators and by who may pass on SELECT on the whole table; a permission on the filter
 * itself shows it, or lets it be dropped. Those that a receiving account makes of its own on a shared table are not known
 * here. AWS pages: managing-filters, granting-filter-perms.
 */
function requireFilterAccess(call: Call, world: World, at: { input: Record<string, unknown>; on?: string[] }): void {
  const { input, on = [] } = at;
  const catalog = String(input.TableCatalogId);
  if (catalog === call.account && isAdministrator(world, catalog, call.principal)) return;
  const table = tableTarget(catalog, foldName(String(input.DatabaseName)), foldName(String(input.TableName)));
  const grantable = heldScope(world, call, { permission: 'SELECT', target: table, field: 'grantable' });
  if (catalog === call.account && grantable && contains(grantable, EVERY_COLUMN)) return;
  const filter: Target = { ...table, kind: 'DATA_CELLS_FILTER', filter: String(input.Name) };
  if (on.some((permission) => heldScope(world, call, { permission, target: filter }))) return;
  throw new AwsError(
    'AccessDeniedException',
    'Insufficient Lake Formation permission(s) to manage data cells filters.',
    403,
  );
}

function readFilter(call: Call, world: World): FilterRecord {
  requireMembers(call.parameters, ['TableData']);
  const data: Partial<FilterRecord> = call.parameters.TableData;
  requireMembers(data, IDENTITY, 'tableData.');
  const {
    TableCatalogId = '',
    DatabaseName = '',
    TableName = '',
    Name = '',
    RowFilter,
    ColumnNames,
    ColumnWildcard,
  } = data;
  requireFilterAccess(call, world, { input: { TableCatalogId, DatabaseName, TableName } });
  const table = requireTable(world, { catalog: TableCatalogId, database: DatabaseName, table: TableName });
  if (Boolean(ColumnNames) === Boolean(ColumnWildcard)) {
    throw invalidInput('Specify either ColumnNames or ColumnWildcard.');
  }
  if (Boolean(RowFilter?.FilterExpression) === Boolean(RowFilter?.AllRowsWildcard)) {
    throw invalidInput('Specify either FilterExpression or AllRowsWildcard in RowFilter.');
  }
  const columns = columnNames(table);
  const missing = [...(ColumnNames ?? []), ...(ColumnWildcard?.ExcludedColumnNames ?? [])].filter(
    (name) => !columns.includes(foldName(name)),
  );
  if (missing.length > 0) throw invalidInput(`Columns not found in table ${TableName}: [${missing.join(', ')}]`);
  if (RowFilter?.FilterExpression) requireRowFilter(RowFilter.FilterExpression, table);
  return defined({
    TableCatalogId,
    DatabaseName: foldName(DatabaseName),
    TableName: foldName(TableName),
    Name,
    RowFilter,
    ColumnNames,
    ColumnWildcard,
    VersionId: world.id(),
  }) as FilterRecord;
}

/** CreateDataCellsFilter. */
export function createDataCellsFilter(call: Call, world: World): unknown {
  const filter = readFilter(call, world);
  const key = keyOf({ ...filter });
  if (filterTable(world).get(key))
    throw new AwsError('AlreadyExistsException', `Data cells filter ${filter.Name} already exists.`);
  filterTable(world).put(key, filter);
  return {};
}

/** UpdateDataCellsFilter; a VersionId that is not the current one is a conflict. */
export function updateDataCellsFilter(call: Call, world: World): unknown {
  const filter = readFilter(call, world);
  const key = keyOf({ ...filter });
  const before = filterTable(world).get(key);
  if (!before) throw entityNotFound(`Data cells filter ${filter.Name} not found.`);
  const version = call.parameters.TableData.VersionId;
  if (version && version !== before.VersionId) {
    throw new AwsError('ConcurrentModificationException', 'The data cells filter was modified concurrently.');
  }
  filterTable(world).put(key, filter);
  return {};
}

function requireFilter(call: Call, world: World, on: string[]): { key: string; filter: FilterRecord } {
  requireMembers(call.parameters, IDENTITY);
  requireFilterAccess(call, world, { input: call.parameters, on });
  const key = keyOf(call.parameters);
  const filter = filterTable(world).get(key);
  if (!filter) throw entityNotFound(`Data cells filter ${call.parameters.Name} not found.`);
  return { key, filter };
}

/** GetDataCellsFilter. */
export function getDataCellsFilter(call: Call, world: World): unknown {
  return { DataCellsFilter: requireFilter(call, world, ['DESCRIBE', 'SELECT', 'DROP']).filter };
}

/** Removes a filter and answers what it was. */
export function removeFilter(call: Call, world: World): FilterRecord {
  const { key, filter } = requireFilter(call, world, ['DROP']);
  filterTable(world).delete(key);
  return filter;
}

/** ListDataCellsFilter: those that the caller may see, of one table where one is named. */
export function listDataCellsFilter(call: Call, world: World): unknown {
  const named: { CatalogId?: string; DatabaseName?: string; Name?: string } | undefined = call.parameters.Table;
  const { page, next } = pageOf(
    [...filterTable(world).shared()].filter(
      (filter) =>
        filter.TableCatalogId === (named?.CatalogId ?? call.account) &&
        (!named?.DatabaseName || filter.DatabaseName === foldName(named.DatabaseName)) &&
        (!named?.Name || filter.TableName === foldName(named.Name)) &&
        maySee(call, world, filter),
    ),
    { max: call.parameters.MaxResults, token: call.parameters.NextToken, most: 1000, refuse: invalidInput },
  );
  return defined({ DataCellsFilters: page, NextToken: next });
}

function maySee(call: Call, world: World, filter: FilterRecord): boolean {
  try {
    requireFilterAccess(call, world, { input: { ...filter }, on: ['DESCRIBE', 'SELECT', 'DROP'] });
    return true;
  } catch (error) {
    if (error instanceof AwsError) return false;
    throw error;
  }
}
