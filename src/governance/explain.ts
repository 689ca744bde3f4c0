import { groupBy } from '../provisioning/group.js';
import type { Kind, PermissionMap, SpecOf } from '../provisioning/kinds.js';
import {
  EVERY_TABLE,
  expressionText,
  type LfResource,
  lfResourceText,
  type TagCondition,
} from '../provisioning/lake-resource.js';

/**
 * Who may read what, computed from what owners claim of AWS: Lake Formation's rules over our own rows. Pure.
 *
 * A principal of account C reads a column of a table in the governance account G when all of this stands (Lake Formation developer
 * guide: resource-links-glue-apis, cross-account-read-data, lf-tag-considerations):
 *
 * 1. the table itself, on a registered location;
 * 2. SELECT that reaches the column: in G for the principal; or in G for account C with, in C, the same passed on to the principal.
 *    A grant by name reaches its columns, one on a filter the filter's columns and rows, one on a tag expression the columns whose
 *    tags satisfy it: a column's own tag comes before its table's, the table's before its database's. Keys are ANDed, values ORed;
 * 3. the share that carries it, accepted;
 * 4. in C a link to the table, or to its database, with DESCRIBE on the link for the principal.
 *
 * Grants add up: a column is open when one way reaches it.
 */

/** One owner's claim on one AWS object, in force: AWS holds what `spec` says. FOREIGN: nobody's, a grant that others gave. */
export interface HeldClaim<K extends Kind = Kind> {
  kind: K;
  /** The account that is called. */
  account: string;
  spec: SpecOf<K>;
  owner: { type: 'DOMAIN' | 'DATA_PRODUCT' | 'ACCESS_GRANT' | 'FOREIGN'; id: string };
}

/** A table of the product. `databases`: those of the central catalogue that it may stand in, one an access mode. */
export interface TableOfWorld {
  name: string;
  columns: string[];
  databases: string[];
}

/** What access to one product follows from. */
export interface AccessFacts {
  governanceAccount: string;
  tables: TableOfWorld[];
  claims: HeldClaim[];
  /** `<principal> from <lf resource>` of shares that are not accepted (any more). */
  closedShares: ReadonlySet<string>;
  /**
   * Accounts of domains that provision for themselves: links there, and what was passed on, are not known and taken to be as they were
   * ordered, for the principals that each grant names.
   */
  delegated: { accounts: ReadonlySet<string>; principalsOf: ReadonlyMap<string, readonly string[]> };
}

/** The same, its claims by kind, and grants by account and principal besides. */
export interface AccessWorld extends Omit<AccessFacts, 'claims'> {
  claims: ReadonlyMap<string, HeldClaim[]>;
}

/** Brings the claims into the order in which they are looked up. */
export function worldOf({ claims, ...facts }: AccessFacts): AccessWorld {
  const grants = claims.filter((claim): claim is HeldClaim<'LfGrant'> => claim.kind === 'LfGrant');
  return {
    ...facts,
    claims: new Map<string, HeldClaim[]>([
      ...groupBy(claims, ({ kind }) => kind),
      ...groupBy(grants, ({ account, spec }) => `${account} ${spec.principal}`),
    ]),
  };
}

/** By name, by tag expression, on a filter, passed on by the principal's account, as the product's own, or by a grant of others. */
export type WayKind = 'NAMED' | 'TAG' | 'FILTER' | 'ACCOUNT' | 'OWNER' | 'FOREIGN';

/** One way in which a principal reaches columns of a table. */
export interface Way {
  kind: WayKind;
  owner: HeldClaim['owner'];
  columns: string[];
  /** Which rows; null: all. */
  rowFilter: string | null;
  tagExpression: string | null;
}

/** What a principal may read of one table. `missing` says what keeps a way closed that a grant gives. */
export interface TableAccess {
  name: string;
  allowed: boolean;
  ways: Way[];
  missing: string | null;
}

/** `arn:aws:iam::111122223333:role/x` -> 111122223333. */
export const accountOf = (principal: string): string => principal.split(':')[4] ?? '';

/** What a principal may read of every table of the product. */
export function accessOf(world: AccessWorld, principal: string): TableAccess[] {
  return world.tables.map((table) => {
    const places = table.databases.map((database) => accessAt(world, { principal, table, database }));
    const ways = places.flatMap((place) => place.ways);
    const allowed = ways.length > 0;
    const missing = allowed ? null : (places.find((place) => place.missing !== null)?.missing ?? null);
    return { name: table.name, allowed, ways, missing };
  });
}

interface Reading {
  principal: string;
  table: TableOfWorld;
  database: string;
}

function accessAt(world: AccessWorld, reading: Reading): { ways: Way[]; missing: string | null } {
  const { principal, table, database } = reading;
  const ways = waysTo(world, reading);
  if (ways.length === 0) return { ways, missing: null };
  const stands = of(world, 'GlueTable').some(({ spec }) => spec.database === database && spec.name === table.name);
  if (!stands) return { ways: [], missing: `the table ${database}.${table.name} does not stand in AWS` };
  if (of(world, 'DataLocation').length === 0) {
    return { ways: [], missing: 'the location of the data is not registered with Lake Formation' };
  }
  const account = accountOf(principal);
  if (account === world.governanceAccount || hasLink(world, reading)) return { ways, missing: null };
  // Others need no link of Meshgate's: they read by the central catalogue's own names.
  const foreign = ways.filter(({ kind }) => kind === 'FOREIGN');
  if (foreign.length > 0) return { ways: foreign, missing: null };
  return {
    ways: [],
    missing: `account ${account} has no link to ${database}.${table.name} that the principal may use`,
  };
}

/** A link to the table or to its database in the principal's account, with DESCRIBE on it for him. */
function hasLink(world: AccessWorld, { principal, table, database }: Reading): boolean {
  const account = accountOf(principal);
  if (world.delegated.accounts.has(account)) return true;
  const describes = (resource: LfResource) =>
    grantsOf(world, account, principal).some(
      ({ spec }) =>
        lfResourceText(spec.resource) === lfResourceText(resource) &&
        (spec.permissions.DESCRIBE || spec.permissions.ALL),
    );
  const toTable = of(world, 'TableLink').some(
    ({ account: at, spec: { target, ...link } }) =>
      at === account &&
      target.catalogId === world.governanceAccount &&
      target.database === database &&
      target.table === table.name &&
      describes({ type: 'TABLE', catalogId: account, database: link.database, table: link.name }),
  );
  return (
    toTable ||
    of(world, 'DatabaseLink').some(
      ({ account: at, spec: { target, name } }) =>
        at === account &&
        target.catalogId === world.governanceAccount &&
        target.database === database &&
        describes({ type: 'DATABASE', catalogId: account, database: name }),
    )
  );
}

function waysTo(world: AccessWorld, reading: Reading): Way[] {
  const { principal } = reading;
  const { governanceAccount } = world;
  const account = accountOf(principal);
  const direct = grantsOf(world, governanceAccount, principal)
    .filter(({ spec }) => isShared(world, principal, spec.resource))
    .flatMap((claim) => wayOf(world, reading, claim));
  if (account === governanceAccount) return direct;
  const held = grantsOf(world, governanceAccount, account)
    .filter(({ spec }) => isShared(world, account, spec.resource))
    .flatMap((claim) => wayOf(world, reading, claim));
  const reached = new Set(held.flatMap(({ columns }) => columns));
  const ordered = held.filter(({ owner }) => isOrdered(world, owner.id, principal));
  const passedOn = [...ordered, ...grantsOf(world, account, principal).flatMap((claim) => wayOf(world, reading, claim))]
    .map((way) => ({ ...way, columns: way.columns.filter((column) => reached.has(column)) }))
    .filter(({ columns }) => held.length > 0 && (columns.length > 0 || reading.table.columns.length === 0))
    .map((way) => (way.kind === 'NAMED' ? { ...way, kind: 'ACCOUNT' as const } : way));
  return [...direct, ...passedOn].map(kindByOwner);
}

function kindByOwner(way: Way): Way {
  if (way.owner.type === 'ACCESS_GRANT') return way;
  return { ...way, kind: way.owner.type === 'FOREIGN' ? 'FOREIGN' : 'OWNER' };
}

/** Whether the account's own workflows were told to pass a grant on to the principal. */
function isOrdered({ delegated }: AccessWorld, grant: string, principal: string): boolean {
  const named = delegated.principalsOf.get(grant)?.includes(principal) ?? false;
  return named && delegated.accounts.has(accountOf(principal));
}

/** The way that one grant opens to a table, if any. */
function wayOf(world: AccessWorld, { table, database }: Reading, { spec, owner }: HeldClaim<'LfGrant'>): Way[] {
  const { resource } = spec;
  const select = spec.permissions.ALL ?? spec.permissions.SELECT;
  if (select === undefined || resource.catalogId !== world.governanceAccount) return [];
  const way = (kind: WayKind, columns: string[], more: Partial<Way> = {}): Way[] =>
    columns.length > 0 || table.columns.length === 0
      ? [{ kind, owner, columns, rowFilter: null, tagExpression: null, ...more }]
      : [];
  switch (resource.type) {
    case 'TABLE':
      if (resource.database !== database || ![table.name, EVERY_TABLE].includes(resource.table)) return [];
      return way('NAMED', among(table, select));
    case 'DATA_FILTER': {
      if (resource.database !== database || resource.table !== table.name) return [];
      const filter = of(world, 'DataFilter').find(
        ({ spec: each }) => each.database === database && each.table === table.name && each.name === resource.filter,
      );
      if (!filter) return [];
      return way('FILTER', among(table, filter.spec.columns), { rowFilter: filter.spec.rowFilter });
    }
    case 'LF_TAG_POLICY': {
      if (resource.on !== 'TABLE') return [];
      const columns = taggedColumns(world, { table, database }, resource.expression);
      if (columns === null) return [];
      return way('TAG', columns, { tagExpression: expressionText(resource.expression) });
    }
    default:
      return [];
  }
}

function among(table: TableOfWorld, columns: PermissionMap[string]): string[] {
  if (columns === 'ALL_COLUMNS') return table.columns;
  // How a listing shows a grant of all columns but some (aws/lf-permissions.ts): only others give such.
  const excepted = columns.flatMap((each) => /^\(all except (.+)\)$/.exec(each)?.[1]?.split(', ') ?? []);
  return table.columns.filter(
    (column) => columns.includes(column) || (excepted.length > 0 && !excepted.includes(column)),
  );
}

/** The columns whose tags satisfy an expression; for a table without columns none, or null where its own tags do not. */
function taggedColumns(
  world: AccessWorld,
  { table, database }: Omit<Reading, 'principal'>,
  expression: TagCondition[],
): string[] | null {
  const attached = of(world, 'LfTagAttachment').map(({ spec }) => spec);
  const onDatabase = attached.filter(({ resource }) => resource.type === 'DATABASE' && resource.database === database);
  const onTable = attached.filter(
    ({ resource }) => resource.type === 'TABLE' && resource.database === database && resource.table === table.name,
  );
  const inherited = new Map<string, string>();
  for (const { key, value } of onDatabase) inherited.set(key, value);
  for (const { key, value, columns } of onTable) if (columns === undefined) inherited.set(key, value);
  const satisfied = (tags: Map<string, string>) =>
    expression.every(({ key, values }) => values.includes(tags.get(key) ?? ''));
  if (table.columns.length === 0) return satisfied(inherited) ? [] : null;
  return table.columns.filter((column) => {
    const own = onTable.filter(({ columns }) => columns?.includes(column));
    return satisfied(new Map([...inherited, ...own.map(({ key, value }): [string, string] => [key, value])]));
  });
}

function isShared({ governanceAccount, closedShares }: AccessWorld, principal: string, resource: LfResource): boolean {
  const account = /^\d{12}$/.test(principal) ? principal : accountOf(principal);
  return account === governanceAccount || !closedShares.has(shareKey(principal, resource));
}

/** How `closedShares` names the share of a resource for a principal or an account. */
export const shareKey = (principal: string, resource: LfResource): string =>
  `${principal} from ${lfResourceText(resource)}`;

function grantsOf({ claims }: AccessWorld, account: string, principal: string): HeldClaim<'LfGrant'>[] {
  return (claims.get(`${account} ${principal}`) ?? []) as HeldClaim<'LfGrant'>[];
}

function of<K extends Kind>({ claims }: AccessWorld, kind: K): HeldClaim<K>[] {
  return (claims.get(kind) ?? []) as HeldClaim<K>[];
}
