import type { Kind, PermissionMap, SpecOf } from '../../src/provisioning/kinds.js';
import { expressionText, type LfResource, lfResourceText, tagPolicy } from '../../src/provisioning/lake-resource.js';
import type { ProcessMesh } from './process-mesh.js';

/** A Resource row, as far as it says what has to stand in AWS. */
export interface WantedRow {
  kind: string;
  account: string;
  key: string;
  spec: object;
  status: string;
}

interface SandboxState {
  glue: { databases: DatabaseState[]; tables: TableState[] };
  lakeformation: {
    grants: GrantState[];
    locations?: { account: string; ResourceArn: string; RoleArn: string }[];
    tags?: { catalog: string; key: string; values: string[] }[];
    'tag-assignments'?: { place: TagPlace; tags: Record<string, string> }[];
    filters?: FilterState[];
  };
  ram: { shares: ShareState[] };
  sqs?: { queues?: { account: string; name: string; attributes: Record<string, string> }[] };
}

interface DatabaseState {
  CatalogId: string;
  Name: string;
  Parameters?: Record<string, string>;
  TargetDatabase?: { CatalogId?: string; DatabaseName?: string };
}

interface TableState {
  CatalogId: string;
  DatabaseName: string;
  Name: string;
  Parameters?: Record<string, string>;
  StorageDescriptor?: { Columns?: { Name: string; Type?: string }[]; Location?: string };
  TargetTable?: { CatalogId?: string; DatabaseName?: string; Name?: string };
}

type Scopes = Record<string, { names?: string[]; excluded?: string[] }>;

interface GrantState {
  grantor: string;
  principal: string;
  target: TargetState;
  permissions: Scopes;
  grantable: Scopes;
}

interface TargetState {
  kind: string;
  catalog: string;
  database?: string;
  table?: string;
  filter?: string;
  arn?: string;
  tag?: { TagKey: string; TagValues: string[] };
  policy?: { resourceType: 'DATABASE' | 'TABLE'; expression: { TagKey: string; TagValues: string[] }[] };
}

interface TagPlace {
  catalog: string;
  database: string;
  table?: string;
  column?: string;
}

interface FilterState {
  TableCatalogId: string;
  DatabaseName: string;
  TableName: string;
  Name: string;
  RowFilter?: { FilterExpression?: string };
  ColumnNames?: string[];
}

interface ShareState {
  status: string;
  class: string;
  principals: Record<string, { status: string }>;
  resources: Record<string, { status: string }>;
}

/** Every object of Glue, Lake Formation, RAM and SQS that stands in AWS against what the READY rows say: what is missing, what is left over, what differs. */
export async function differentObjects(mesh: ProcessMesh, rows: WantedRow[]): Promise<string[]> {
  const state = (await (await fetch(`${mesh.sandboxUrl}/_sandbox/state`)).json()) as SandboxState;
  const ready = rows.filter(({ status }) => status === 'READY');
  const wanted = <K extends Kind>(kind: K, text: (spec: SpecOf<K>, account: string) => string | string[]): string[] =>
    ready.filter((row) => row.kind === kind).flatMap(({ spec, account }) => text(spec as SpecOf<K>, account));
  const { glue, lakeformation: lake } = state;
  return [
    ...differences('grants', { is: grantsOf(lake.grants), wanted: wanted('LfGrant', wantedGrant) }),
    ...differences('tables', {
      is: glue.tables.filter(({ TargetTable }) => !TargetTable).map(tableText),
      wanted: wanted('GlueTable', wantedTable),
    }),
    ...differences('links', {
      is: glue.tables.filter(({ TargetTable }) => TargetTable).map(linkText),
      wanted: wanted(
        'TableLink',
        ({ database, name, target }, account) =>
          `${account} ${database}/${name} to ${target.catalogId} ${target.database}/${target.table}`,
      ),
    }),
    ...differences('databases', {
      is: glue.databases.map(databaseText),
      wanted: [
        ...wanted('GlueDatabase', ({ name }, account) => `${account} ${name}`),
        ...wanted(
          'DatabaseLink',
          ({ name, target }, account) => `${account} ${name} to ${target.catalogId} ${target.database}`,
        ),
      ],
    }),
    ...differences('locations', {
      is: (lake.locations ?? []).map(({ account, ResourceArn, RoleArn }) => `${account} ${ResourceArn} by ${RoleArn}`),
      wanted: wanted('DataLocation', ({ arn, roleArn }, account) => `${account} ${arn} by ${roleArn}`),
    }),
    ...differences('filters', { is: (lake.filters ?? []).map(filterText), wanted: wanted('DataFilter', wantedFilter) }),
    ...differences('tagged places', {
      is: (lake['tag-assignments'] ?? []).flatMap(({ place, tags }) =>
        Object.entries(tags).map(([key, value]) => `${placeText(place)} ${key}=${value}`),
      ),
      wanted: wanted('LfTagAttachment', wantedTags),
    }),
    ...tagProblems(
      lake.tags ?? [],
      wanted('LfTag', ({ key, values }) => values.map((value) => `${key}=${value}`)),
    ),
    ...differences('queues', {
      is: (state.sqs?.queues ?? []).map(
        ({ account, name, attributes }) =>
          `${account} ${name} for ${attributes.MessageRetentionPeriod} s from ${sendersOf(attributes.Policy)}`,
      ),
      wanted: wanted(
        'Queue',
        ({ name, retentionSeconds, senders }, account) =>
          `${account} ${name} for ${retentionSeconds} s from ${senders.toSorted()}`,
      ),
    }),
    ...strayShares(
      state.ram.shares,
      ready.filter(({ kind }) => kind === 'LfGrant').map(({ spec }) => spec as SpecOf<'LfGrant'>),
    ),
  ];
}

/** What our own role holds as the creator of an object is nobody's grant; what it was granted by tag is. */
function grantsOf(grants: GrantState[]): string[] {
  return grants
    .filter(({ principal, target }) => !principal.endsWith(':role/meshgate') || target.policy)
    .map(
      ({ grantor, principal, target, permissions, grantable }) =>
        `${grantor} ${principal} on ${targetText(target)}: ${scopesText(permissions)}; grantable: ${scopesText(grantable)}`,
    );
}

function targetText({ kind, catalog, database = '', table = '', filter = '', arn, tag, policy }: TargetState): string {
  if (arn !== undefined) return `location ${catalog}/${arn}`;
  if (tag) return `tag ${catalog}/${tag.TagKey}=${tag.TagValues.join('|')}`;
  if (policy) {
    const expression = policy.expression.map(({ TagKey, TagValues }) => ({ key: TagKey, values: TagValues }));
    const { on, expression: ordered } = tagPolicy(catalog, policy.resourceType, expression);
    return `${on.toLowerCase()}s of ${catalog} with ${expressionText(ordered)}`;
  }
  if (kind === 'DATA_CELLS_FILTER') return `filter ${catalog}/${database}/${table}/${filter}`;
  if (kind === 'ALL_TABLES') return `table ${catalog}/${database}/*`;
  if (kind === 'DATABASE') return `database ${catalog}/${database}`;
  return `${kind.toLowerCase()} ${catalog}/${[database, table].filter(Boolean).join('/')}`;
}

/** ALL stands for itself and everything under it. */
const wordsText = (words: string[]): string => (words.includes('ALL') ? 'ALL' : words.sort().join(' '));

const scopesText = (scopes: Scopes): string =>
  wordsText(
    Object.entries(scopes).map(([name, { names, excluded = [] }]) =>
      names ? `${name}(${names.toSorted()})` : excluded.length > 0 ? `${name}(all but ${excluded})` : name,
    ),
  );

const permissionsText = (permissions: PermissionMap): string =>
  wordsText(
    Object.entries(permissions).map(([name, columns]) =>
      columns === 'ALL_COLUMNS' ? name : `${name}(${columns.toSorted()})`,
    ),
  );

const wantedGrant = ({ principal, resource, permissions, grantable }: SpecOf<'LfGrant'>, account: string): string =>
  `${account} ${principal} on ${lfResourceText(resource)}: ${permissionsText(permissions)}; grantable: ${permissionsText(grantable)}`;

/** A table with all that a change out of band could change of it. */
function tableText({ CatalogId, DatabaseName, Name, Parameters = {}, StorageDescriptor }: TableState): string {
  const columns = (StorageDescriptor?.Columns ?? []).map((column) => `${column.Name} ${column.Type}`);
  return `${CatalogId} ${DatabaseName}/${Name} (${columns}) at ${StorageDescriptor?.Location}, ${Parameters.classification_level}`;
}

const wantedTable = ({ database, name, columns, location, parameters }: SpecOf<'GlueTable'>, account: string): string =>
  `${account} ${database}/${name} (${columns.map((column) => `${column.name} ${column.type}`)}) at ${location}, ${parameters.classification_level}`;

const linkText = ({ CatalogId, DatabaseName, Name, TargetTable = {} }: TableState): string =>
  `${CatalogId} ${DatabaseName}/${Name} to ${TargetTable.CatalogId} ${TargetTable.DatabaseName}/${TargetTable.Name}`;

const databaseText = ({ CatalogId, Name, TargetDatabase }: DatabaseState): string =>
  `${CatalogId} ${Name}${TargetDatabase ? ` to ${TargetDatabase.CatalogId} ${TargetDatabase.DatabaseName}` : ''}`;

const filterText = ({ TableCatalogId, DatabaseName, TableName, Name, RowFilter, ColumnNames }: FilterState): string =>
  `${TableCatalogId} ${DatabaseName}/${TableName}/${Name} (${ColumnNames?.toSorted() ?? 'all'}) where ${RowFilter?.FilterExpression}`;

const wantedFilter = ({ database, table, name, columns, rowFilter }: SpecOf<'DataFilter'>, account: string): string =>
  `${account} ${database}/${table}/${name} (${columns === 'ALL_COLUMNS' ? 'all' : columns.toSorted()}) where ${rowFilter ?? undefined}`;

const placeText = ({ catalog, database, table, column }: TagPlace): string =>
  [catalog, database, table, column].filter(Boolean).join('/');

function wantedTags({ resource, key, value, columns }: SpecOf<'LfTagAttachment'>): string[] {
  const { catalogId, database, table } = resource as LfResource & { type: 'TABLE' };
  const place = { catalog: catalogId, database, table };
  return (columns ?? [undefined]).map((column) => {
    return `${placeText(column === undefined ? place : { ...place, column })} ${key}=${value}`;
  });
}

/** Every value that is claimed is there, and no tag that nobody claims; values stay on a tag that others use. */
function tagProblems(tags: { key: string; values: string[] }[], wanted: string[]): string[] {
  const is = tags.flatMap(({ key, values }) => values.map((value) => `${key}=${value}`));
  const keys = new Set(wanted.map((tag) => tag.split('=')[0]));
  return [
    ...wanted.filter((tag) => !is.includes(tag)).map((tag) => `missing among the tags: ${tag}`),
    ...is.filter((tag) => !keys.has(tag.split('=')[0])).map((tag) => `left over among the tags: ${tag}`),
  ];
}

/** The ARNs of the rules that a queue's policy lets in. */
function sendersOf(policy = '{"Statement":[]}'): string[] {
  const { Statement } = JSON.parse(policy) as {
    Statement: { Condition?: { ArnEquals?: { 'aws:SourceArn'?: string[] } } }[];
  };
  return Statement.flatMap(({ Condition }) => Condition?.ArnEquals?.['aws:SourceArn'] ?? []).sort();
}

/** Who still has a share of something that he was never granted, or is not any more. */
function strayShares(shares: ShareState[], grants: SpecOf<'LfGrant'>[]): string[] {
  const principals = new Set(grants.map(({ principal }) => principal));
  return shares
    .filter(({ status, class: carried }) => status === 'ACTIVE' && carried === 'TABLE')
    .flatMap((share) => Object.entries(share.principals))
    .filter(([principal, { status }]) => status === 'ASSOCIATED' && !principals.has(principal))
    .map(([principal]) => `a share still names ${principal}`);
}

function differences(what: string, { is, wanted }: { is: string[]; wanted: string[] }): string[] {
  const [have, want] = [new Set(is), new Set(wanted)];
  return [
    ...is.filter((one) => !want.has(one)).map((one) => `left over among the ${what}: ${one}`),
    ...wanted.filter((one) => !have.has(one)).map((one) => `missing among the ${what}: ${one}`),
    ...(have.size < is.length ? [`there are doubles among the ${what}`] : []),
  ];
}
