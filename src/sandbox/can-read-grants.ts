/**
 * What the grants of a mesh come to on one table for one principal: which columns, which rows, and through what. Part of the
 * oracle, apart from the checks that the operations make.
 */
import { columnNames, type TableName, type TableRecord } from './glue-store.js';
import { type ColumnScope, EVERY_COLUMN, intersect, isNoColumn, reaches, unite } from './lf-columns.js';
import { filterScope, filterTable } from './lf-filters.js';
import { type GrantRow, grantRows } from './lf-grants.js';
import { foldName } from './lf-input.js';
import { IAM_ALLOWED_PRINCIPALS } from './lf-principal.js';
import { columnsSelected, effectiveTags, satisfies } from './lf-tags.js';
import { tellExpression } from './lf-target.js';
import { isShared } from './ram-shares.js';
import type { World } from './service.js';

/** Thrown inside the walk at the first missing link. */
export class Missing extends Error {}

/** Who asks, and for which permission. */
export interface Reader {
  principal: string;
  account: string;
  permission: string;
}

/** What a row of grants brings to one table, and how it is told; without a row filter it brings every row. */
interface Source {
  scope: ColumnScope;
  rowFilter: string | undefined;
  told: string;
}

/** What the reader's rows come to on a table; `bypass` where IAM alone decides. */
export interface Grants {
  sources: Source[];
  bypass: boolean;
  missing: string;
}

/** What is allowed of the wanted columns: how it is told, and the rows in which all of them are shown where not all are. */
interface Allowed {
  told: string[];
  rowFilter: string | undefined;
}

/** Rows on objects of the reader's own catalog that count for him. */
export function localRows(world: World, reader: Reader, test: (row: GrantRow) => boolean): GrantRow[] {
  const mine = (row: GrantRow) => row.principal === reader.principal || row.principal === IAM_ALLOWED_PRINCIPALS;
  return grantRows(
    world,
    (row) => row.target.catalog === reader.account && row.grantor === reader.account && mine(row) && test(row),
  );
}

/** What one row allows of the table: by name, by wildcard, through a data filter, or by tag. */
function sourceOf(world: World, row: GrantRow, at: { record: TableRecord; permission: string }): Source | undefined {
  const { record, permission } = at;
  const { target, permissions } = row;
  const held = permissions[permission] ?? permissions.ALL;
  if (!held || target.catalog !== record.CatalogId) return undefined;
  const whole = { rowFilter: undefined, told: tell(row, permission) };
  if (target.policy) {
    const scope = target.policy.resourceType === 'TABLE' ? scopeByTag(world, row, at) : undefined;
    return scope && { ...whole, scope };
  }
  if (target.database !== record.DatabaseName) return undefined;
  if (target.kind === 'ALL_TABLES') return { ...whole, scope: held };
  if (target.table !== record.Name) return undefined;
  if (target.kind === 'TABLE') return { ...whole, scope: held };
  const filter = filterTable(world).get(`${target.catalog}|${target.database}|${target.table}|${target.filter}`);
  if (target.kind !== 'DATA_CELLS_FILTER' || !filter) return undefined;
  return { ...whole, scope: filterScope(filter), rowFilter: filter.RowFilter?.FilterExpression };
}

function scopeByTag(
  world: World,
  { target }: GrantRow,
  { record, permission }: { record: TableRecord; permission: string },
): ColumnScope | undefined {
  const expression = target.policy?.expression ?? [];
  if (permission !== 'SELECT') {
    const place = { catalog: record.CatalogId, database: record.DatabaseName, table: record.Name };
    return satisfies(effectiveTags(world, place), expression) ? EVERY_COLUMN : undefined;
  }
  const scope = columnsSelected(world, record, expression);
  return isNoColumn(scope) ? undefined : scope;
}

function tell({ target, grantor, principal }: GrantRow, permission: string): string {
  const through = {
    ALL_TABLES: ` on every table of ${target.database}`,
    DATA_CELLS_FILTER: ` by data cells filter ${target.filter}`,
    LF_TAG_POLICY: ` by LF-Tags ${tellExpression(target.policy?.expression ?? [])}`,
  }[target.kind as string];
  return `${permission}${through ?? ''} granted by ${grantor} to ${principal}`;
}

/** A table of the reader's own account: his rows, or IAM's group, which bypasses Lake Formation. */
export function ownGrants(world: World, reader: Reader, record: TableRecord): Grants {
  const { permission } = reader;
  const sources: Source[] = [];
  let bypass = false;
  for (const row of localRows(world, reader, () => true)) {
    const source = sourceOf(world, row, { record, permission });
    if (!source) continue;
    sources.push(source);
    bypass ||= row.principal === IAM_ALLOWED_PRINCIPALS;
  }
  const missing = `no ${permission} on ${record.DatabaseName}.${record.Name} for ${reader.principal}`;
  return { sources, bypass, missing };
}

/** What IAM_ALLOWED_PRINCIPALS may reach is denied across accounts. AWS page: cross-account-prereqs. */
function requireNoBypass(world: World, { CatalogId, DatabaseName, Name }: TableRecord): void {
  const open = grantRows(world, ({ principal, target }) => {
    const here = target.catalog === CatalogId && target.database === DatabaseName;
    const reached = target.kind === 'ALL_TABLES' || (target.kind === 'TABLE' && target.table === Name);
    return principal === IAM_ALLOWED_PRINCIPALS && here && reached;
  });
  if (open.length === 0) return;
  throw new Missing(`${IAM_ALLOWED_PRINCIPALS} has permissions on ${DatabaseName}.${Name}, which bars other accounts`);
}

/**
 * A table of another account: a grant to the reader himself, or one to his account that his account passed on to him, each
 * through a share that is in force. AWS page: cross-account-read-data.
 */
export function sharedGrants(world: World, reader: Reader, record: TableRecord): Grants {
  requireNoBypass(world, record);
  const { CatalogId: owner, DatabaseName, Name } = record;
  const { permission } = reader;
  const sources: Source[] = [];
  let missing = `no ${permission} on ${DatabaseName}.${Name} of account ${owner} for ${reader.principal}`;
  const reaching = (test: (row: GrantRow) => boolean) =>
    grantRows(world, test).flatMap((row) => {
      const source = sourceOf(world, row, { record, permission });
      return source ? [{ row, source }] : [];
    });
  const fromOwner = (principal: string) => reaching((row) => row.grantor === owner && row.principal === principal);
  for (const { row, source } of fromOwner(reader.principal)) {
    if (isShared(world, row.target, reader.principal)) sources.push(source);
    else missing = `the share of account ${owner} with ${reader.principal} is not accepted`;
  }
  const passedOn = reaching((row) => row.grantor === reader.account && row.principal === reader.principal);
  for (const { row, source } of fromOwner(reader.account)) {
    if (passedOn.length === 0)
      missing = `account ${reader.account} has not granted ${permission} on to ${reader.principal}`;
    else if (!isShared(world, row.target, reader.account))
      missing = `the share of account ${owner} with account ${reader.account} is not accepted`;
    else sources.push(...passedOn.map((each) => narrowed(source, each.source)));
  }
  return { sources: sources.filter(({ scope }) => !isNoColumn(scope)), bypass: false, missing };
}

/** Who was passed something on has no more of it than the account that passed it on. */
function narrowed(account: Source, passedOn: Source): Source {
  const filters = [account.rowFilter, passedOn.rowFilter].filter((filter) => filter !== undefined);
  return {
    scope: intersect(account.scope, passedOn.scope),
    rowFilter: joined(filters, 'AND'),
    told: `${account.told}, ${passedOn.told}`,
  };
}

function joined(filters: string[], by: 'AND' | 'OR'): string | undefined {
  const [only, ...more] = [...new Set(filters)];
  return more.length === 0 ? only : [only, ...more].map((filter) => `(${filter})`).join(` ${by} `);
}

/** Throws where a wanted column is not reached; a table without columns is reached whole or not at all. */
export function requireColumns(
  grants: Grants,
  at: { record: TableRecord; place: TableName; column: string | undefined; permission: string },
): Allowed {
  if (grants.sources.length === 0) throw new Missing(grants.missing);
  const table = `${at.place.database}.${at.place.table}`;
  const columns = columnNames(at.record);
  const wanted = at.column === undefined ? columns : [foldName(at.column)];
  const unknown = wanted.find((column) => !columns.includes(column));
  if (unknown !== undefined) throw new Missing(`column ${unknown} not found in ${table}`);
  const all = grants.sources.map(({ scope }) => scope).reduce(unite);
  const unread = wanted.filter((column) => !reaches(all, column));
  if (unread.length > 0) throw new Missing(`no ${at.permission} on column ${unread.join(', ')} of ${table}`);
  const used = grants.sources.filter(({ scope }) => at.column === undefined || reaches(scope, foldName(at.column)));
  const filters = wanted.map((column) => rowFilterOf(used, column)).filter((filter) => filter !== undefined);
  return { told: used.map(({ told }) => told), rowFilter: joined(filters, 'AND') };
}

/** Filters on one column add up: a row is shown where any of them shows it. AWS page: data-filters-about. */
function rowFilterOf(sources: Source[], column: string): string | undefined {
  const filters = sources.filter(({ scope }) => reaches(scope, column)).map(({ rowFilter }) => rowFilter);
  const named = filters.filter((filter) => filter !== undefined);
  return named.length < filters.length ? undefined : joined(named, 'OR');
}
