/**
 * The oracle: may this principal read this table or column? Written from AWS's rules, link by link, apart from the checks
 * that the operations make of their callers. It reads the state and changes nothing but invitations whose time is over.
 * AWS pages: Lake Formation developer guide, resource-links-glue-apis, cross-account-read-data, register-cross-account.
 */
import {
  columnNames,
  type DatabaseRecord,
  findDatabase,
  findTable,
  type TableName,
  type TableRecord,
} from './glue-store.js';
import { type ColumnScope, EVERY_COLUMN, intersect, isNoColumn, reaches, unite } from './lf-columns.js';
import { filterScope, filterTable } from './lf-filters.js';
import { type GrantRow, grantRows } from './lf-grants.js';
import { foldName } from './lf-input.js';
import { registrationsOf } from './lf-locations.js';
import { IAM_ALLOWED_PRINCIPALS, readPrincipal } from './lf-principal.js';
import { isAdministrator } from './lf-settings.js';
import { columnsSelected, effectiveTags, satisfies } from './lf-tags.js';
import { isShared } from './ram-shares.js';
import type { World } from './service.js';

/**
 * A question: `account` is the catalog in which `database` and `table` are names (links or real ones), usually the
 * principal's own. Without `column` it is asked for every column.
 */
interface ReadQuestion {
  principal: string;
  account: string;
  database: string;
  table: string;
  column?: string;
}

/** The answer with the first thing that is missing, or with the grants that allow. */
interface ReadAnswer {
  allowed: boolean;
  reason: string;
}

/** Thrown inside the walk at the first missing link. */
class Missing extends Error {}

interface Reader {
  principal: string;
  account: string;
}

/** What a row of grants brings to the read of one table, and how it is told. */
interface Source {
  scope: ColumnScope;
  told: string;
}

/** Whether the principal may read the column, or every column, and why. */
export function canRead(world: World, question: ReadQuestion): ReadAnswer {
  try {
    return { allowed: true, reason: judge(world, question) };
  } catch (error) {
    if (error instanceof Missing) return { allowed: false, reason: error.message };
    throw error;
  }
}

function judge(world: World, question: ReadQuestion): string {
  const parsed = readPrincipal(question.principal);
  if (parsed?.kind !== 'IAM' || !parsed.account || !world.knowsAccount(parsed.account)) {
    throw new Missing(`${question.principal} is no IAM user or role of a known account`);
  }
  const reader = { principal: question.principal, account: parsed.account };
  const { place, record, steps } = reachTarget(world, reader, question);
  const grants =
    place.catalog === reader.account ? ownGrants(world, reader, record) : sharedGrants(world, reader, record);
  const told = requireColumns(record, grants, { question, place });
  if (grants.bypass) return [...steps, ...told].join('; ');
  requireLocation(world, place, record);
  return [...steps, ...told].join('; ');
}

/** Walks from the names that were asked to the table that holds the data. */
function reachTarget(
  world: World,
  reader: Reader,
  question: ReadQuestion,
): { place: TableName; record: TableRecord; steps: string[] } {
  const { account: catalog } = question;
  const database = findDatabase(world, catalog, question.database);
  if (!database) throw new Missing(`database ${question.database} not found in account ${catalog}`);
  const named = { catalog, database: database.Name, table: foldName(question.table) };
  // A name in another account's catalog is used without a link: nothing is asked of that account's own database.
  if (catalog !== reader.account) return { place: named, record: requireRecord(world, named), steps: [] };
  const steps = [requireDatabaseDescribe(world, reader, database)];
  if (database.TargetDatabase?.DatabaseName) {
    const { CatalogId = catalog, DatabaseName } = database.TargetDatabase;
    const place = { catalog: CatalogId, database: foldName(DatabaseName), table: named.table };
    return { place, record: requireRecord(world, place), steps };
  }
  const local = requireRecord(world, named);
  if (!local.TargetTable) return { place: named, record: local, steps };
  steps.push(requireLinkDescribe(world, reader, local));
  const { CatalogId = catalog, DatabaseName = '', Name = '' } = local.TargetTable;
  const place = { catalog: CatalogId, database: foldName(DatabaseName), table: foldName(Name) };
  return { place, record: requireRecord(world, place), steps };
}

function requireRecord(world: World, place: TableName): TableRecord {
  const record = findTable(world, place);
  if (!record) throw new Missing(`table ${place.database}.${place.table} not found in account ${place.catalog}`);
  return record;
}

/** Rows on objects of the reader's own catalog that count for him. */
function localRows(world: World, reader: Reader, test: (row: GrantRow) => boolean): GrantRow[] {
  const mine = (row: GrantRow) => row.principal === reader.principal || row.principal === IAM_ALLOWED_PRINCIPALS;
  return grantRows(
    world,
    (row) => row.target.catalog === reader.account && row.grantor === reader.account && mine(row) && test(row),
  );
}

/**
 * DESCRIBE on the local database: granted, by tag, or implied by any permission on a table in it.
 * AWS page: granting-catalog-permissions, "implicit DESCRIBE".
 */
function requireDatabaseDescribe(world: World, reader: Reader, database: DatabaseRecord): string {
  const { Name } = database;
  if (isAdministrator(world, reader.account, reader.principal)) return `administrator describes database ${Name}`;
  const rows = localRows(world, reader, ({ target, permissions }) => {
    if (Object.keys(permissions).length === 0) return false;
    if (target.policy?.resourceType === 'DATABASE') {
      return satisfies(effectiveTags(world, { catalog: reader.account, database: Name }), target.policy.expression);
    }
    return target.database === Name;
  });
  const direct = rows.find((row) => row.target.kind === 'DATABASE' || row.target.kind === 'LF_TAG_POLICY');
  if (direct) return `${Object.keys(direct.permissions).join(', ')} on database ${Name} for ${direct.principal}`;
  if (rows.length > 0) return `implicit DESCRIBE on database ${Name}`;
  throw new Missing(`no DESCRIBE on database ${Name} in account ${reader.account}`);
}

/** DESCRIBE on the table link itself. */
function requireLinkDescribe(world: World, reader: Reader, link: TableRecord): string {
  const name = `${link.DatabaseName}.${link.Name}`;
  if (isAdministrator(world, reader.account, reader.principal)) return `administrator describes link ${name}`;
  const rows = localRows(world, reader, ({ target, permissions }) => {
    const describes = permissions.DESCRIBE !== undefined || permissions.ALL !== undefined;
    if (!describes || target.database !== link.DatabaseName) return false;
    return target.kind === 'ALL_TABLES' || (target.kind === 'TABLE' && target.table === link.Name);
  });
  const [row] = rows;
  if (!row) throw new Missing(`no DESCRIBE on link ${name} in account ${reader.account}`);
  return `DESCRIBE on link ${name} for ${row.principal}`;
}

/** What the reader's rows come to on a table; `bypass` where IAM alone decides. */
interface Grants {
  sources: Source[];
  bypass: boolean;
  missing: string;
}

/** What one row allows to be read of the table: SELECT by name, by wildcard, through a data filter, or by tag. */
function readScope(world: World, row: GrantRow, record: TableRecord): ColumnScope | undefined {
  const { target, permissions } = row;
  const select = permissions.SELECT ?? permissions.ALL;
  if (!select || target.catalog !== record.CatalogId) return undefined;
  if (target.policy) {
    const scope =
      target.policy.resourceType === 'TABLE' ? columnsSelected(world, record, target.policy.expression) : undefined;
    return scope && !isNoColumn(scope) ? scope : undefined;
  }
  if (target.database !== record.DatabaseName) return undefined;
  if (target.kind === 'ALL_TABLES') return select;
  if (target.table !== record.Name) return undefined;
  if (target.kind === 'TABLE') return select;
  const filter = filterTable(world).get(`${target.catalog}|${target.database}|${target.table}|${target.filter}`);
  return target.kind === 'DATA_CELLS_FILTER' && filter ? filterScope(filter) : undefined;
}

function tell(row: GrantRow): string {
  const kind = row.target.kind === 'TABLE' ? '' : ` by ${row.target.kind}`;
  return `SELECT${kind} granted by ${row.grantor} to ${row.principal}`;
}

/** A table of the reader's own account: his rows, or IAM's group, which bypasses Lake Formation. */
function ownGrants(world: World, reader: Reader, record: TableRecord): Grants {
  const sources: Source[] = [];
  let bypass = false;
  for (const row of localRows(world, reader, () => true)) {
    const scope = readScope(world, row, record);
    if (!scope) continue;
    sources.push({ scope, told: tell(row) });
    bypass ||= row.principal === IAM_ALLOWED_PRINCIPALS;
  }
  return { sources, bypass, missing: `no SELECT on ${record.DatabaseName}.${record.Name} for ${reader.principal}` };
}

/**
 * A table of another account: a grant to the reader himself, or one to his account that his account passed on to him, each
 * through a share that is in force. What IAM_ALLOWED_PRINCIPALS may reach is denied across accounts.
 * AWS pages: cross-account-read-data, cross-account-prereqs.
 */
function sharedGrants(world: World, reader: Reader, record: TableRecord): Grants {
  const { CatalogId: owner, DatabaseName, Name } = record;
  const open = grantRows(world, ({ principal, target }) => {
    const here = target.catalog === owner && target.database === DatabaseName;
    return (
      principal === IAM_ALLOWED_PRINCIPALS &&
      here &&
      (target.kind === 'ALL_TABLES' || (target.kind === 'TABLE' && target.table === Name))
    );
  });
  if (open.length > 0)
    throw new Missing(
      `${IAM_ALLOWED_PRINCIPALS} has permissions on ${DatabaseName}.${Name}, which bars other accounts`,
    );
  const sources: Source[] = [];
  let missing = `no SELECT on ${DatabaseName}.${Name} of account ${owner} for ${reader.principal}`;
  const reaching = (test: (row: GrantRow) => boolean) =>
    grantRows(world, test).flatMap((row) => {
      const scope = readScope(world, row, record);
      return scope ? [{ row, scope }] : [];
    });
  const fromOwner = (principal: string) => reaching((row) => row.grantor === owner && row.principal === principal);
  for (const { row, scope } of fromOwner(reader.principal)) {
    if (isShared(world, row.target, reader.principal)) sources.push({ scope, told: tell(row) });
    else missing = `the share of account ${owner} with ${reader.principal} is not accepted`;
  }
  for (const { row, scope } of fromOwner(reader.account)) {
    const passedOn = reaching((each) => each.grantor === reader.account && each.principal === reader.principal);
    if (passedOn.length === 0) missing = `account ${reader.account} has not granted SELECT on to ${reader.principal}`;
    else if (!isShared(world, row.target, reader.account))
      missing = `the share of account ${owner} with account ${reader.account} is not accepted`;
    else
      for (const each of passedOn)
        sources.push({ scope: intersect(scope, each.scope), told: `${tell(row)}, ${tell(each.row)}` });
  }
  return { sources, bypass: false, missing };
}

function requireColumns(
  record: TableRecord,
  grants: Grants,
  at: { question: ReadQuestion; place: TableName },
): string[] {
  if (grants.sources.length === 0) throw new Missing(grants.missing);
  const columns = columnNames(record);
  const wanted = at.question.column === undefined ? columns : [foldName(at.question.column)];
  const unknown = wanted.find((column) => !columns.includes(column));
  if (unknown !== undefined) throw new Missing(`column ${unknown} not found in ${at.place.database}.${at.place.table}`);
  const all = grants.sources.map(({ scope }) => scope).reduce(unite);
  const unread = wanted.filter((column) => !reaches(all, column));
  if (unread.length > 0)
    throw new Missing(`no SELECT on column ${unread.join(', ')} of ${at.place.database}.${at.place.table}`);
  // A table without columns is read whole or not at all.
  if (columns.length === 0 && isNoColumn(intersect(all, EVERY_COLUMN))) throw new Missing(grants.missing);
  return grants.sources.map(({ told }) => told);
}

/** Data is vended only for a registered location whose role was verified. AWS page: register-cross-account. */
function requireLocation(world: World, place: TableName, record: TableRecord): void {
  const location = record.StorageDescriptor?.Location;
  if (!location) throw new Missing(`table ${place.database}.${place.table} has no location`);
  const [registration] = registrationsOf(world, place.catalog, location);
  if (!registration) throw new Missing(`location ${location} is not registered in account ${place.catalog}`);
  if (registration.VerificationStatus !== 'VERIFIED')
    throw new Missing(`location ${location} is ${registration.VerificationStatus}`);
}
