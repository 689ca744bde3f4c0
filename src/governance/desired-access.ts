import type { AccessRequest } from '../generated/prisma/client.js';
import { desire, type PermissionMap, type SpecOf } from '../provisioning/kinds.js';
import { type LfResource, lfResourceText } from '../provisioning/lake-resource.js';
import type { DesiredResource } from '../provisioning/resource.js';
import { approvedValues, confidentiality, isSensitive } from './confidentiality.js';
import type { Mesh } from './context.js';
import { modesOf } from './desired-data-product.js';
import {
  type Account,
  atLocation,
  calledOnly,
  centralTable,
  DESCRIBE,
  desireDatabaseLink,
  desireGrant,
  desireLink,
  desireShared,
  domainByTag,
  inAccount,
  inGovernance,
  localDatabase,
  productByTag,
  tagValues,
} from './desired-grants.js';
import { filterName } from './names.js';
import { misfitOf } from './row-filter.js';
import type { ProductWithTables } from './rows.js';

/** What of a request decides which AWS objects it needs. */
export type AskedAccess = Pick<
  AccessRequest,
  'principals' | 'permissions' | 'tables' | 'columns' | 'rowFilter' | 'accessMode' | 'grantTo' | 'approvedAs'
> & {
  /** Of a grant: columns (`table.column`) that it does not come to any more (grant-growth.ts). */
  withheld?: readonly string[];
};

interface Access {
  request: AskedAccess;
  product: ProductWithTables;
  /** Who consumes: the account that the links stand in. */
  consumer: Account;
}

/**
 * What an approved request needs of AWS (design: provisioning.md, Access by name, Access by tag), in the product's access mode, and in
 * the one that it comes from while that changes. What the product no longer has is left out, and what a mode would open beyond the
 * request is not given in it.
 */
export function desiredAccess(mesh: Mesh, access: Access): DesiredResource[] {
  const { request, product, consumer } = access;
  if (askedTables(request, product).length === 0) return [];
  const resources = modesOf(product).flatMap((mode) =>
    mode === 'NRAC' ? desiredByName(mesh, access) : desiredByTag(mesh, access),
  );
  return calledOnly(resources, consumer);
}

/** A table that a request comes to; `columns` null means every column, `rowFilter` null every row. */
export interface AskedTable {
  name: string;
  columns: string[] | null;
  rowFilter: string | null;
}

/**
 * The tables, columns and rows that a request comes to, of what the product has now. What was asked by tag keeps to what was approved:
 * sensitive columns and tables only to those who were approved for them.
 */
export function askedTables(
  request: Pick<AskedAccess, 'tables' | 'columns' | 'rowFilter' | 'accessMode' | 'approvedAs' | 'withheld'>,
  product: Pick<ProductWithTables, 'classification'> & { tables: AskableTable[] },
): AskedTable[] {
  const withheld = new Set(request.withheld);
  const opened = approvedValues(request, product);
  if (!opened.includes(confidentiality(product.classification))) return [];
  return (
    product.tables
      .filter(({ name }) => request.tables.length === 0 || request.tables.includes(name))
      // Where a column that decides which rows are open is gone, or is of another type, no row is.
      .filter(({ columns }) => request.rowFilter === null || misfitOf(request.rowFilter, columns) === null)
      .flatMap((table): AskedTable[] => {
        const asked = request.columns.filter((column) => column.startsWith(`${table.name}.`));
        const open = table.columns
          .filter(({ name }) => asked.length === 0 || asked.includes(`${table.name}.${name}`))
          .filter((column) => opened.includes('sensitive') || !isSensitive(column))
          .filter(({ name }) => !withheld.has(`${table.name}.${name}`))
          .map(({ name }) => name);
        if (asked.length > 0 && open.length === 0) return [];
        const whole = asked.length === 0 && open.length === table.columns.length;
        return [{ name: table.name, columns: whole ? null : open.sort(), rowFilter: request.rowFilter }];
      })
      .filter(({ columns }) => columns === null || columns.length > 0)
  );
}

/** Whether a request is for what access by tag cannot give: less than the product, or more than to read it. */
export function givenByNameAlone(
  {
    tables,
    columns,
    rowFilter,
    permissions,
    withheld = [],
  }: Pick<AskedAccess, 'tables' | 'columns' | 'rowFilter' | 'permissions' | 'withheld'>,
  product: { tables: { name: string }[] },
): boolean {
  const all = tables.length === 0 || product.tables.every(({ name }) => tables.includes(name));
  const reads = permissions.every((permission) => permission === 'SELECT' || permission === 'DESCRIBE');
  return !all || !reads || columns.length + withheld.length > 0 || rowFilter !== null;
}

/** To whom, and with which tables (none: the product as a whole), a request is given in the mode that the product has now. */
export function givenNow(request: AskedAccess, product: ProductWithTables): Pick<AskedAccess, 'grantTo' | 'tables'> {
  const byTag = modesOf(product).includes('LF_TBAC') && !givenByNameAlone(request, product);
  if (byTag) return { grantTo: 'ACCOUNT', tables: [] };
  const tables = askedTables(request, product).map(({ name }) => name);
  return { grantTo: request.grantTo, tables: tables.sort() };
}

/** What of a column decides whether a request comes to it. */
export type AskableColumn = 'name' | 'type' | 'partition' | 'pii' | 'classification';

/** What of a product's table decides what of it a request comes to. */
interface AskableTable {
  name: string;
  columns: Pick<ProductWithTables['tables'][number]['columns'][number], AskableColumn>[];
}

/** Grants by name: in G to each principal directly, or to his account, and in the account the share, the link and DESCRIBE on both. */
function desiredByName(mesh: Mesh, access: Access): DesiredResource[] {
  const { request, product, consumer } = access;
  const at = inAccount(consumer);
  return [
    ...askedTables(request, product).flatMap((table) => tableByName(mesh, access, table)),
    ...request.principals.map((principal) => desireGrant(at, principal, localDatabase(consumer), DESCRIBE)),
  ];
}

function tableByName(mesh: Mesh, { request, product, consumer }: Access, table: AskedTable): DesiredResource[] {
  const at = inAccount(consumer);
  const target = centralTable(mesh, product, table.name, 'NRAC');
  const { link, resource: linked } = desireLink(consumer, product, target);
  const filter = table.rowFilter === null ? null : filterOf(target, table);
  const resource: LfResource =
    filter === null ? target : { ...target, type: 'DATA_FILTER' as const, filter: filter.name };
  const given = permissions(request, table);
  const toAccount = request.grantTo === 'ACCOUNT';
  return [
    link,
    ...(filter === null ? [] : [desire('DataFilter', inGovernance(mesh), filter)]),
    ...(toAccount ? desireShared(mesh, consumer, resource, given) : []),
    ...request.principals.flatMap((principal) => [
      ...(toAccount
        ? [desireGrant(at, principal, resource, given)]
        : [
            desireGrant(inGovernance(mesh), principal, resource, given),
            desire('ShareAcceptance', at, { resource, principal }),
          ]),
      desireGrant(at, principal, linked, DESCRIBE),
      // Only a product's own domain may alter its tables: the account called is the one that has the location.
      ...(given.ALTER === undefined ? [] : [atLocation(mesh, product.domain, principal)]),
    ]),
  ];
}

function filterOf({ database, table }: LfResource & { type: 'TABLE' }, asked: AskedTable): SpecOf<'DataFilter'> {
  const content = { columns: asked.columns ?? ('ALL_COLUMNS' as const), rowFilter: asked.rowFilter };
  return { database, table, name: filterName(content), ...content };
}

/** On chosen columns and on filters Lake Formation takes SELECT alone; a whole table carries what was asked. */
function permissions({ permissions }: AskedAccess, { columns, rowFilter }: AskedTable): PermissionMap {
  if (rowFilter !== null) return { SELECT: 'ALL_COLUMNS' };
  // Who asked to see the table alone gets no column for it.
  if (columns !== null && permissions.includes('SELECT')) return { SELECT: columns };
  return Object.fromEntries([...new Set(permissions)].sort().map((permission) => [permission, 'ALL_COLUMNS'] as const));
}

/**
 * Grants by tag, never for what is less than the product: in G to the consumer's account with grant option, on the tags, on the domain's database and on the product's tables;
 * in the account the link to the database, and to each principal the very same expressions, as Lake Formation takes no others.
 */
function desiredByTag(mesh: Mesh, { request, product, consumer }: Access): DesiredResource[] {
  if (givenByNameAlone(request, product)) return [];
  const at = inAccount(consumer);
  const { link, resource: linked } = desireDatabaseLink(mesh, consumer, product.domain);
  const database = domainByTag(mesh, product.domain, 'DATABASE');
  const tables = productByTag(mesh, product, approvedValues(request, product));
  const given = permissions(request, { name: '', columns: null, rowFilter: null });
  const tags = new Map([...tagValues(database), ...tagValues(tables)].map((tag) => [lfResourceText(tag), tag]));
  return [
    ...[...tags.values()].flatMap((tag) => desireShared(mesh, consumer, tag, DESCRIBE)),
    ...desireShared(mesh, consumer, database, DESCRIBE),
    ...desireShared(mesh, consumer, tables, given),
    link,
    ...request.principals.flatMap((principal) => [
      desireGrant(at, principal, linked, DESCRIBE),
      desireGrant(at, principal, database, DESCRIBE),
      desireGrant(at, principal, tables, given),
    ]),
  ];
}
