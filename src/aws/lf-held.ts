import { GetTableCommand } from '@aws-sdk/client-glue';
import {
  GetDataLakeSettingsCommand,
  type ListPermissionsCommandInput,
  type PrincipalResourcePermissions,
} from '@aws-sdk/client-lakeformation';
import { type LfResource, lfResourceText } from '../provisioning/lake-resource.js';
import type { Item, ListedGrant } from '../provisioning/provider.js';
import { inParallel } from './attempt.js';
import { isAwsFailure } from './errors.js';
import { IAM_ALLOWED_PRINCIPALS } from './iam-bypass.js';
import { listedPermissions, namedColumns, type PermissionRow, wantedRows } from './lf-permissions.js';
import { expressionsOf, lfResource, listPermissions, pagesOfPermissions, resourcesOf } from './lf-resource.js';
import type { AwsSession } from './session.js';

/**
 * What principals hold, as Lake Formation lists it. A listing by resource alone answers what was granted explicitly; with a principal
 * beside it, what is in effect (Lake Formation API reference, ListPermissions): so a principal is never asked for, but picked.
 */

type GrantItem = Item<'LfGrant'>;
type Listed = PrincipalResourcePermissions;

/** What a listing holds for one item. */
export interface Held {
  rows: PermissionRow[];
  /** Columns named by rows (or by the item's spec, where its last change is unconfirmed) that the table no longer has. */
  vanished: string[];
  /** Of a tag's value: the lists of several values that rows are on, this one among them. */
  tagLists: string[][];
  /** The RAM shares that carry the grant to another account. */
  shares: string[];
}

const READS = 4;
/** From so many listings on, one of the whole account is tried instead. */
const MANY = 20;

/** Lists each resource once for all items on it; the function answers an item's rows or throws what its listing threw. */
export async function listHeld(session: AwsSession, items: GrantItem[]): Promise<(item: GrantItem) => Promise<Held>> {
  const listings = await listEach(session, items);
  const explicit = createExplicit(session);
  const tables = new Map<string, Promise<Set<string>>>();
  const columnsOnce = (resource: LfResource & { type: 'TABLE' }): Promise<Set<string>> => {
    const text = lfResourceText(resource);
    const reading = tables.get(text) ?? columnsOf(session, resource);
    tables.set(text, reading);
    return reading;
  };
  return async (item) => {
    const { principal, resource } = item.spec;
    const listing = listings.get(queryOf(resource).text) ?? [];
    if ('failed' in listing) throw listing.failed;
    const own = listing.filter(
      (row) => row.Principal?.DataLakePrincipalIdentifier === principal && isOn(row, resource, session.account),
    );
    const listed = await explicit(own);
    const rows = listed.map(toRow);
    const shares = [...new Set(listed.flatMap((row) => row.AdditionalDetails?.ResourceShare ?? []))].sort();
    const values = listed.flatMap((row) => (row.Resource?.LFTag?.TagValues ? [row.Resource.LFTag.TagValues] : []));
    const found = { rows, tagLists: values.filter((list) => list.length > 1), shares };
    const named = namedColumns(item.unconfirmed ? [...rows, ...wantedRows(item.spec)] : rows);
    if (resource.type !== 'TABLE' || named.length === 0) return { ...found, vanished: [] };
    const columns = await columnsOnce(resource);
    return { ...found, vanished: [...new Set(named)].filter((name) => !columns.has(name)) };
  };
}

/** Every explicit grant that the account lists, without what IAM_ALLOWED_PRINCIPALS holds. Throws where a page fails. */
export async function listAll(session: AwsSession): Promise<ListedGrant[]> {
  const listed = await createExplicit(session)(await listPermissions(session, {}));
  const resolved = expressionsOf(session);
  const grants = new Map<string, { principal: string; resource: LfResource; rows: PermissionRow[] }>();
  for (const row of listed) {
    const principal = row.Principal?.DataLakePrincipalIdentifier ?? '';
    if (principal === IAM_ALLOWED_PRINCIPALS) continue;
    for (const resource of resourcesOf(row.Resource, session.account)) {
      const key = `${principal} on ${lfResourceText(resource)}`;
      const grant = grants.get(key) ?? { principal, resource: await resolved(resource), rows: [] };
      grant.rows.push(toRow(row));
      grants.set(key, grant);
    }
  }
  return [...grants.values()].map(({ principal, resource, rows }) => ({
    principal,
    resource,
    permissions: listedPermissions(rows, 'permissions'),
    grantable: listedPermissions(rows, 'grantable'),
  }));
}

/** How a resource is listed. `text` is the same for resources that one listing serves. */
interface Query {
  text: string;
  input: Pick<ListPermissionsCommandInput, 'Resource' | 'ResourceType'>;
}

/** A tag's values cannot be asked for one by one, as a row may be on several: all tags are listed (developer guide, TBAC-granting-revoking-tags-cli). */
function queryOf(resource: LfResource): Query {
  if (resource.type === 'LF_TAG') return { text: 'tags', input: { ResourceType: 'LF_TAG' } };
  return { text: placeOf(resource), input: { Resource: lfResource(resource) } };
}

/** The same for names that AWS takes as the same: it keeps those of databases, tables, tags and values in lower case. */
function placeOf(resource: LfResource): string {
  const text = lfResourceText(resource);
  return resource.type === 'DATA_FILTER' || resource.type === 'DATA_LOCATION' ? text : text.toLowerCase();
}

type Listings = Map<string, Listed[] | { failed: unknown }>;

async function listEach(session: AwsSession, items: GrantItem[]): Promise<Listings> {
  const resources = new Map(items.map(({ spec: { resource } }) => [queryOf(resource).text, resource]));
  const listings: Listings = resources.size > MANY ? await listTogether(session, [...resources.values()]) : new Map();
  const left = [...resources.values()].map(queryOf).filter(({ text }) => !listings.has(text));
  await inParallel(left, READS, async ({ text, input }) => {
    listings.set(text, await listed(() => listPermissions(session, input)));
  });
  return listings;
}

/**
 * Many resources of the account by one listing of all that it has. Given up where that takes more pages than there are resources;
 * what other accounts own is listed by itself, as AWS does not say that it is among the rest.
 */
async function listTogether(session: AwsSession, resources: LfResource[]): Promise<Listings> {
  const own = resources.filter(({ catalogId }) => catalogId === session.account);
  const byText: Listings = new Map(own.map((resource) => [queryOf(resource).text, [] as Listed[]]));
  const all = await listed(async () => {
    const rows: Listed[] = [];
    let pages = 0;
    for await (const page of pagesOfPermissions(session, {})) {
      pages += 1;
      if (pages > own.length) return null;
      rows.push(...page);
    }
    return rows;
  });
  if (all === null) return new Map();
  if ('failed' in all) return new Map([...byText.keys()].map((text) => [text, all]));
  for (const row of all) {
    const texts = new Set(resourcesOf(row.Resource, session.account).map((resource) => queryOf(resource).text));
    for (const text of texts) (byText.get(text) as Listed[] | undefined)?.push(row);
  }
  return byText;
}

async function listed<T>(list: () => Promise<T>): Promise<T | { failed: unknown }> {
  try {
    return await list();
  } catch (error) {
    if (!isAwsFailure(error)) throw error;
    return { failed: error };
  }
}

/** A listing of a table also answers rows of the database's table wildcard and of data filters: those are other resources. */
function isOn(row: Listed, resource: LfResource, account: string): boolean {
  const wanted = placeOf(resource);
  return resourcesOf(row.Resource, account).some((each) => placeOf(each) === wanted);
}

/** Keeps what was granted: an administrator's implicit row carries no time of change; it neither counts nor can be revoked. */
function createExplicit(session: AwsSession): (rows: Listed[]) => Promise<Listed[]> {
  let admins: Promise<Set<string>> | undefined;
  return async (rows) => {
    if (rows.every((row) => row.LastUpdated)) return rows;
    admins ??= administrators(session);
    const implicit = await admins;
    return rows.filter((row) => row.LastUpdated || !implicit.has(row.Principal?.DataLakePrincipalIdentifier ?? ''));
  };
}

async function administrators(session: AwsSession): Promise<Set<string>> {
  const answer = await session.lakeFormation.send(new GetDataLakeSettingsCommand({ CatalogId: session.account }));
  const names = answer.DataLakeSettings?.DataLakeAdmins?.map((admin) => admin.DataLakePrincipalIdentifier ?? '');
  return new Set(names);
}

/** The columns that a table has now, in lower case. */
async function columnsOf(session: AwsSession, resource: LfResource & { type: 'TABLE' }): Promise<Set<string>> {
  const { catalogId: CatalogId, database: DatabaseName, table: Name } = resource;
  const { Table: table } = await session.glue.send(new GetTableCommand({ CatalogId, DatabaseName, Name }));
  const columns = [...(table?.StorageDescriptor?.Columns ?? []), ...(table?.PartitionKeys ?? [])];
  return new Set(columns.map(({ Name: name }) => (name ?? '').toLowerCase()));
}

/** Table and TableWithColumns are answered interchangeably: a column wildcard without exclusions is the whole table. */
function toRow(row: Listed): PermissionRow {
  const { ColumnNames: columns, ColumnWildcard: wildcard } = row.Resource?.TableWithColumns ?? {};
  const except = wildcard?.ExcludedColumnNames ?? [];
  const held = { permissions: row.Permissions ?? [], grantable: row.PermissionsWithGrantOption ?? [] };
  if (except.length > 0) return { scope: { allExcept: [...except].sort() }, ...held };
  if (columns && columns.length > 0)
    return { scope: { columns: columns.map((name) => name.toLowerCase()).sort() }, ...held };
  return { scope: 'ALL_COLUMNS', ...held };
}
