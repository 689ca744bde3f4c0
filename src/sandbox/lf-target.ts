/** What a Lake Formation permission is on: the members of the API's Resource, read into one shape with one key. */
import { allColumnsBut, type ColumnScope, EVERY_COLUMN, onlyColumns } from './lf-columns.js';
import { foldName, invalidInput, requireMembers } from './lf-input.js';

/** The kinds of object that carry permissions; ALL_TABLES is the table wildcard of one database. */
export type TargetKind =
  | 'CATALOG'
  | 'DATABASE'
  | 'TABLE'
  | 'ALL_TABLES'
  | 'DATA_LOCATION'
  | 'DATA_CELLS_FILTER'
  | 'LF_TAG'
  | 'LF_TAG_POLICY';

/** One condition of a tag expression: the key has one of the values; conditions are joined by AND. */
export interface TagCondition {
  TagKey: string;
  TagValues: string[];
}

/** The object of a permission, owned by the account `catalog`. Only the members of its kind are set. */
export interface Target {
  kind: TargetKind;
  catalog: string;
  database?: string;
  table?: string;
  filter?: string;
  arn?: string;
  tag?: TagCondition;
  policy?: { resourceType: 'DATABASE' | 'TABLE'; expression: TagCondition[] };
}

/** A target and, for a table, the columns that were named; `byColumns` tells TableWithColumns from Table. */
interface TargetRequest {
  target: Target;
  scope: ColumnScope;
  byColumns: boolean;
}

/** The API's Resource structure: exactly one member is set. */
export type ResourceInput = Record<string, Record<string, unknown> | undefined>;

/**
 * Which permission fits which type of resource.
 * AWS page: Lake Formation developer guide, lf-permissions-reference, "Lake Formation permissions per resource type".
 */
const PERMISSIONS_OF: Record<TargetKind, readonly string[]> = {
  CATALOG: ['ALL', 'ALTER', 'CREATE_DATABASE', 'DESCRIBE', 'DROP', 'CREATE_LF_TAG'],
  DATABASE: ['ALL', 'ALTER', 'CREATE_TABLE', 'DESCRIBE', 'DROP'],
  TABLE: ['ALL', 'ALTER', 'DELETE', 'DESCRIBE', 'DROP', 'INSERT', 'SELECT'],
  ALL_TABLES: ['ALL', 'ALTER', 'DELETE', 'DESCRIBE', 'DROP', 'INSERT', 'SELECT'],
  DATA_LOCATION: ['DATA_LOCATION_ACCESS'],
  DATA_CELLS_FILTER: ['DESCRIBE', 'DROP', 'SELECT'],
  LF_TAG: ['ALTER', 'ASSOCIATE', 'DESCRIBE', 'DROP', 'GRANT_WITH_LF_TAG_EXPRESSION'],
  LF_TAG_POLICY: [],
};

/** The permissions that fit this target; a tag policy takes those of the type of resource that it selects. */
export function permissionsOf(target: Target): readonly string[] {
  return target.policy ? PERMISSIONS_OF[target.policy.resourceType] : PERMISSIONS_OF[target.kind];
}

/** One key per target: permissions merge where the keys are equal. */
export function targetKey(target: Target): string {
  const { kind, catalog, database, table, filter, arn, tag, policy } = target;
  const name =
    arn ??
    (tag ? `${tag.TagKey}=${tag.TagValues.join(',')}` : undefined) ??
    (policy ? `${policy.resourceType}:${JSON.stringify(policy.expression)}` : undefined) ??
    [database, table, filter].filter((part) => part !== undefined).join('/');
  return `${kind}|${catalog}|${name}`;
}

/** How messages name a target. */
export function describeTarget(target: Target): string {
  return (
    target.table ??
    target.database ??
    target.arn ??
    target.tag?.TagKey ??
    `${target.kind.toLowerCase()} ${target.catalog}`
  );
}

/** An expression as people write it: values joined by `|`, keys by AND. */
export function tellExpression(expression: TagCondition[]): string {
  return expression.map(({ TagKey, TagValues }) => `${TagKey}=${TagValues.join('|')}`).join(' AND ');
}

/** The target of a table. */
export function tableTarget(catalog: string, database: string, table: string): Target {
  return { kind: 'TABLE', catalog, database, table };
}

/** The target of a database. */
export function databaseTarget(catalog: string, database: string): Target {
  return { kind: 'DATABASE', catalog, database };
}

/** A tag condition in its normal form: lower case, values sorted (AWS page: lf-tag-considerations). */
export function normalCondition(condition: { TagKey?: unknown; TagValues?: unknown }): TagCondition {
  requireMembers(condition, ['TagKey', 'TagValues'], 'lFTag.');
  const values = condition.TagValues as string[];
  if (values.length === 0 || values.length > 50)
    throw invalidInput('An LF-Tag takes between 1 and 50 values in a call.');
  return {
    TagKey: String(condition.TagKey).toLowerCase(),
    TagValues: [...new Set(values.map((value) => value.toLowerCase()))].sort(),
  };
}

/** Reads the API's Resource; `account` is the catalog where none is named. */
export function readTarget(resource: ResourceInput | undefined, account: string): TargetRequest {
  const set = Object.entries(resource ?? {}).filter(([, member]) => member !== undefined && member !== null);
  const [entry, second] = set;
  if (!entry || second) throw invalidInput('Resource must have one and only one of the fields set.');
  const [member, given] = entry;
  const input = given ?? {};
  const catalog = String(input.CatalogId ?? input.Id ?? input.TableCatalogId ?? account);
  const whole = (target: Target): TargetRequest => ({ target, scope: EVERY_COLUMN, byColumns: false });
  switch (member) {
    case 'Catalog':
      return whole({ kind: 'CATALOG', catalog });
    case 'Database':
      requireMembers(input, ['Name'], 'resource.database.');
      return whole(databaseTarget(catalog, foldName(String(input.Name))));
    case 'Table':
      return whole(readTable(input, catalog));
    case 'TableWithColumns':
      return readColumns(input, catalog);
    case 'DataLocation':
      requireMembers(input, ['ResourceArn'], 'resource.dataLocation.');
      return whole({ kind: 'DATA_LOCATION', catalog, arn: String(input.ResourceArn).replace(/\/+$/, '') });
    case 'DataCellsFilter':
      return whole(readFilter(input, catalog));
    case 'LFTag':
      return whole({ kind: 'LF_TAG', catalog, tag: normalCondition(input) });
    case 'LFTagPolicy':
      return whole(readPolicy(input, catalog));
    default:
      throw invalidInput(`Resource type ${member} is not supported.`);
  }
}

function readTable(input: Record<string, unknown>, catalog: string): Target {
  requireMembers(input, ['DatabaseName'], 'resource.table.');
  const database = foldName(String(input.DatabaseName));
  if (input.TableWildcard) return { kind: 'ALL_TABLES', catalog, database };
  requireMembers(input, ['Name'], 'resource.table.');
  return tableTarget(catalog, database, foldName(String(input.Name)));
}

function readColumns(input: Record<string, unknown>, catalog: string): TargetRequest {
  requireMembers(input, ['DatabaseName', 'Name'], 'resource.tableWithColumns.');
  const names = input.ColumnNames as string[] | undefined;
  const wildcard = input.ColumnWildcard as { ExcludedColumnNames?: string[] } | undefined;
  if ((names?.length ?? 0) > 0 === Boolean(wildcard)) {
    throw invalidInput('TableWithColumns must have either ColumnNames or ColumnWildcard.');
  }
  const scope = wildcard
    ? allColumnsBut((wildcard.ExcludedColumnNames ?? []).map(foldName))
    : onlyColumns((names ?? []).map(foldName));
  const target = tableTarget(catalog, foldName(String(input.DatabaseName)), foldName(String(input.Name)));
  return { target, scope, byColumns: true };
}

function readFilter(input: Record<string, unknown>, catalog: string): Target {
  requireMembers(input, ['DatabaseName', 'TableName', 'Name'], 'resource.dataCellsFilter.');
  return {
    kind: 'DATA_CELLS_FILTER',
    catalog,
    database: foldName(String(input.DatabaseName)),
    table: foldName(String(input.TableName)),
    filter: String(input.Name),
  };
}

function readPolicy(input: Record<string, unknown>, catalog: string): Target {
  requireMembers(input, ['ResourceType', 'Expression'], 'resource.lFTagPolicy.');
  const resourceType = input.ResourceType;
  if (resourceType !== 'DATABASE' && resourceType !== 'TABLE')
    throw invalidInput('ResourceType must be DATABASE or TABLE.');
  const expression = (input.Expression as Record<string, unknown>[])
    .map(normalCondition)
    .sort((a, b) => a.TagKey.localeCompare(b.TagKey));
  if (expression.length === 0) throw invalidInput('An LF-Tag policy needs an expression.');
  return { kind: 'LF_TAG_POLICY', catalog, policy: { resourceType, expression } };
}

/** The API's Resource of a target, as ListPermissions answers it; a scope makes it TableWithColumns. */
export function toResource(target: Target, scope?: ColumnScope): ResourceInput {
  const { catalog: CatalogId, database: DatabaseName, table } = target;
  if (scope) {
    const columns =
      'names' in scope
        ? { ColumnNames: scope.names }
        : { ColumnWildcard: scope.excluded.length > 0 ? { ExcludedColumnNames: scope.excluded } : {} };
    return { TableWithColumns: { CatalogId, DatabaseName, Name: table ?? 'ALL_TABLES', ...columns } };
  }
  switch (target.kind) {
    case 'CATALOG':
      return { Catalog: { Id: CatalogId } };
    case 'DATABASE':
      return { Database: { CatalogId, Name: DatabaseName } };
    case 'TABLE':
      return { Table: { CatalogId, DatabaseName, Name: table } };
    case 'ALL_TABLES':
      return { Table: { CatalogId, DatabaseName, Name: 'ALL_TABLES', TableWildcard: {} } };
    case 'DATA_LOCATION':
      return { DataLocation: { CatalogId, ResourceArn: target.arn } };
    case 'DATA_CELLS_FILTER':
      return { DataCellsFilter: { TableCatalogId: CatalogId, DatabaseName, TableName: table, Name: target.filter } };
    case 'LF_TAG':
      return { LFTag: { CatalogId, ...target.tag } };
    case 'LF_TAG_POLICY':
      return {
        LFTagPolicy: { CatalogId, ResourceType: target.policy?.resourceType, Expression: target.policy?.expression },
      };
  }
}
