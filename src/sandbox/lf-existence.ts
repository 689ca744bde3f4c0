/** Whether what a permission names is there. */
import { columnNames, findDatabase, findTable, requireDatabase, requireTable } from './glue-store.js';
import type { ColumnScope } from './lf-columns.js';
import { filterTable } from './lf-filters.js';
import { entityNotFound, invalidInput } from './lf-input.js';
import { isRegisteredPath } from './lf-locations.js';
import { tagTable } from './lf-tags.js';
import type { TagCondition, Target } from './lf-target.js';
import type { World } from './service.js';

/** Throws EntityNotFoundException for a missing object, InvalidInputException for missing columns or an unregistered path. */
export function allTargetsExist(world: World, target: Target, scope: ColumnScope): void {
  const { kind, catalog, database = '', table = '', filter, arn, tag, policy } = target;
  if (!world.knowsAccount(catalog)) throw entityNotFound(`Catalog ${catalog} not found.`);
  if (kind === 'DATABASE' || kind === 'ALL_TABLES') requireDatabase(world, catalog, database);
  if (kind === 'TABLE') requireColumns(world, target, scope);
  if (kind === 'DATA_CELLS_FILTER' && !filterTable(world).get(`${catalog}|${database}|${table}|${filter}`)) {
    throw entityNotFound(`Data cells filter ${filter} not found.`);
  }
  // AWS page: Lake Formation developer guide, troubleshooting, "Insufficient permissions on the S3 path".
  if (arn !== undefined && !isRegisteredPath(world, catalog, arn)) {
    throw invalidInput(`Resource is not registered with Lake Formation: register the S3 path ${arn} first.`);
  }
  if (tag) requireTagValues(world, catalog, tag);
  for (const condition of policy?.expression ?? []) requireTagValues(world, catalog, condition);
}

function requireColumns(world: World, target: Target, scope: ColumnScope): void {
  const { catalog, database = '', table = '' } = target;
  const columns = columnNames(requireTable(world, { catalog, database, table }));
  const named = 'names' in scope ? scope.names : scope.excluded;
  const missing = named.filter((name) => !columns.includes(name));
  if (missing.length > 0) throw invalidInput(`Columns not found in table ${table}: [${missing.join(', ')}]`);
}

/** Throws EntityNotFoundException where the tag or one of the values is not there. */
export function requireTagValues(world: World, catalog: string, { TagKey, TagValues }: TagCondition): void {
  const values = tagTable(world).get(`${catalog}|${TagKey}`)?.values;
  if (!values) throw entityNotFound(`Tag key ${TagKey} does not exist.`);
  const missing = TagValues.filter((value) => value !== '*' && !values.includes(value));
  if (missing.length > 0)
    throw entityNotFound(`Tag value(s) [${missing.join(', ')}] do not exist for tag key ${TagKey}.`);
}

/** Whether the target is a resource link. */
export function isResourceLink(world: World, { kind, catalog, database = '', table = '' }: Target): boolean {
  if (kind === 'DATABASE') return findDatabase(world, catalog, database)?.TargetDatabase !== undefined;
  return kind === 'TABLE' && findTable(world, { catalog, database, table })?.TargetTable !== undefined;
}
