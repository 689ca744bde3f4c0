/**
 * The oracle: may this principal read this table or column? Written from AWS's rules, link by link, apart from the checks
 * that the operations make of their callers. It reads the state and changes nothing but invitations whose time is over.
 * AWS pages: Lake Formation developer guide, resource-links-glue-apis, cross-account-read-data, register-cross-account.
 */
import {
  type Grants,
  localRows,
  Missing,
  ownGrants,
  type Reader,
  requireColumns,
  sharedGrants,
} from './can-read-grants.js';
import { type DatabaseRecord, findDatabase, findTable, type TableName, type TableRecord } from './glue-store.js';
import { mayDescribe, requireLocationAccess } from './lf-authority.js';
import { foldName } from './lf-input.js';
import { registrationsOf, verificationStatus } from './lf-locations.js';
import { readPrincipal } from './lf-principal.js';
import { isAdministrator } from './lf-settings.js';
import { effectiveTags, satisfies } from './lf-tags.js';
import { tableTarget } from './lf-target.js';
import { homeRegion, inRegion } from './regional.js';
import { AwsError, type World } from './service.js';

/**
 * A question: `account` is the catalog in which `database` and `table` are names (links or real ones), usually the
 * principal's own. Without `column` it is asked for every column, without `permission` for SELECT, without `region` in the
 * sandbox's own. Every other permission is one on the whole table.
 */
export interface ReadQuestion {
  principal: string;
  account: string;
  database: string;
  table: string;
  column?: string;
  permission?: string;
  region?: string;
}

/**
 * The answer with the first thing that is missing, or with the grants that allow. `rowFilter` is there where not every row
 * may be read: the expression of the rows in which everything that was asked for is shown.
 */
interface ReadAnswer {
  allowed: boolean;
  reason: string;
  rowFilter?: string;
}

const PERMISSIONS = ['SELECT', 'INSERT', 'DELETE', 'ALTER', 'DROP', 'DESCRIBE'];
/** Permissions that reach the data itself, for which credentials are vended. */
const ON_DATA = ['SELECT', 'INSERT', 'DELETE'];

/** Whether the principal holds the permission on the column or on every column, and why. */
export function canRead(world: World, question: ReadQuestion): ReadAnswer {
  try {
    return judge(inRegion(world, question.region ?? homeRegion(world)), question);
  } catch (error) {
    if (error instanceof Missing) return { allowed: false, reason: error.message };
    throw error;
  }
}

function readerOf(world: World, { principal, permission = 'SELECT', column }: ReadQuestion): Reader {
  const parsed = readPrincipal(principal);
  if (parsed?.kind !== 'IAM' || !parsed.account || !world.knowsAccount(parsed.account)) {
    throw new Missing(`${principal} is no IAM user or role of a known account`);
  }
  if (!PERMISSIONS.includes(permission)) throw new Missing(`${permission} is no permission on a table`);
  if (permission !== 'SELECT' && column) throw new Missing(`${permission} is a permission on whole tables`);
  return { principal, account: parsed.account, permission };
}

function judge(world: World, question: ReadQuestion): ReadAnswer {
  const reader = readerOf(world, question);
  const { place, record, steps } = reachTarget(world, reader, question);
  const grants = grantsOn(world, reader, record);
  const { permission } = reader;
  const { told, rowFilter } = requireColumns(grants, { record, place, column: question.column, permission });
  if (!grants.bypass && ON_DATA.includes(permission)) requireLocation(world, place, record);
  if (!grants.bypass && permission === 'ALTER') requireAccessToLocation(world, reader, record);
  return { allowed: true, reason: [...steps, ...told].join('; '), ...(rowFilter ? { rowFilter } : {}) };
}

function grantsOn(world: World, reader: Reader, record: TableRecord): Grants {
  const { CatalogId, DatabaseName, Name } = record;
  const grants = CatalogId === reader.account ? ownGrants(world, reader, record) : sharedGrants(world, reader, record);
  if (reader.permission !== 'DESCRIBE' || grants.sources.length > 0) return grants;
  // Who holds anything on a table may describe it, and administrators without holding anything. AWS page: implicit-permissions.
  if (!mayDescribe(world, reader, tableTarget(CatalogId, DatabaseName, Name))) return grants;
  const told = `implicit DESCRIBE on ${DatabaseName}.${Name} for ${reader.principal}`;
  return { ...grants, sources: [{ scope: { excluded: [] }, rowFilter: undefined, told }] };
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

/**
 * DESCRIBE on the local database: granted, by tag, or implied by any permission on it or on a table in it; a link to a
 * database needs DESCRIBE itself. AWS pages: granting-catalog-permissions, "implicit DESCRIBE"; granting-link-permissions.
 */
function requireDatabaseDescribe(world: World, reader: Reader, database: DatabaseRecord): string {
  const { Name } = database;
  const kind = database.TargetDatabase ? 'database link' : 'database';
  if (isAdministrator(world, reader.account, reader.principal)) return `administrator describes ${kind} ${Name}`;
  const rows = localRows(world, reader, ({ target, permissions }) => {
    if (Object.keys(permissions).length === 0) return false;
    if (database.TargetDatabase && !permissions.DESCRIBE && !permissions.ALL) return false;
    if (target.policy?.resourceType === 'DATABASE') {
      return satisfies(effectiveTags(world, { catalog: reader.account, database: Name }), target.policy.expression);
    }
    return target.database === Name;
  });
  const direct = rows.find((row) => row.target.kind === 'DATABASE' || row.target.kind === 'LF_TAG_POLICY');
  if (direct) return `${Object.keys(direct.permissions).join(', ')} on ${kind} ${Name} for ${direct.principal}`;
  if (rows.length > 0) return `implicit DESCRIBE on ${kind} ${Name}`;
  throw new Missing(`no DESCRIBE on ${kind} ${Name} in account ${reader.account}`);
}

/** DESCRIBE on the table link itself. AWS page: granting-link-permissions. */
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

/** Data is vended only for a registered location whose role was verified. AWS page: register-cross-account. */
function requireLocation(world: World, place: TableName, record: TableRecord): void {
  const location = record.StorageDescriptor?.Location;
  if (!location) throw new Missing(`table ${place.database}.${place.table} has no location`);
  const [registration] = registrationsOf(world, place.catalog, location);
  if (!registration) throw new Missing(`location ${location} is not registered in account ${place.catalog}`);
  const status = verificationStatus(world, registration);
  if (status !== 'VERIFIED') throw new Missing(`location ${location} is ${status}`);
}

/** To alter a table at a registered path takes DATA_LOCATION_ACCESS too. AWS page: access-control-underlying-data. */
function requireAccessToLocation(world: World, reader: Reader, record: TableRecord): void {
  const location = record.StorageDescriptor?.Location;
  try {
    requireLocationAccess(world, reader, { owner: record.CatalogId, location });
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    throw new Missing(`no DATA_LOCATION_ACCESS on ${location} for ${reader.principal}`);
  }
}
