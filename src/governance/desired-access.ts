import type { AccessRequest } from '../generated/prisma/client.js';
import { desire, type SpecOf } from '../provisioning/kinds.js';
import type { LfResource } from '../provisioning/lake-resource.js';
import type { DesiredResource } from '../provisioning/resource.js';
import type { Mesh } from './context.js';
import { centralTable, desireGrant, desireLink } from './desired-data-product.js';
import { LOCAL_DATABASE } from './names.js';
import type { ProductWithTables } from './rows.js';

/** What of a request decides which AWS objects it needs. */
type AskedAccess = Pick<AccessRequest, 'principals' | 'permissions' | 'tables' | 'columns'>;

/** Who consumes: the account that the links stand in. */
interface Consumer {
  awsAccountId: string;
  awsRegion: string;
}

interface Access {
  request: AskedAccess;
  product: ProductWithTables;
  consumer: Consumer;
}

/**
 * What an approved request needs of AWS (design: provisioning.md, Access by name): grants in G to each principal directly, and in the
 * consumer's account the accepted share, the link and DESCRIBE on link and database. What the product no longer has is left out.
 */
export function desiredAccess(mesh: Mesh, { request, product, consumer }: Access): DesiredResource[] {
  const tables = askedTables(request, product);
  if (tables.length === 0) return [];
  const at = { account: consumer.awsAccountId, region: consumer.awsRegion };
  const local: LfResource = { type: 'DATABASE', catalogId: consumer.awsAccountId, database: LOCAL_DATABASE };
  return [
    ...tables.flatMap((table) => desiredTableAccess(mesh, { request, product, consumer }, table)),
    ...request.principals.map((principal) => desireGrant(at, principal, local, { DESCRIBE: 'ALL_COLUMNS' })),
  ];
}

/** A table that a request asks for; `columns` null means every column. */
interface AskedTable {
  name: string;
  columns: string[] | null;
}

/** The tables and columns that a request comes to, of those that the product has now. */
export function askedTables(
  request: Pick<AskedAccess, 'tables' | 'columns'>,
  product: { tables: { name: string; columns: { name: string }[] }[] },
): AskedTable[] {
  return product.tables
    .filter(({ name }) => request.tables.length === 0 || request.tables.includes(name))
    .flatMap((table): AskedTable[] => {
      const asked = request.columns.filter((column) => column.startsWith(`${table.name}.`));
      if (asked.length === 0) return [{ name: table.name, columns: null }];
      const columns = table.columns.map(({ name }) => name).filter((name) => asked.includes(`${table.name}.${name}`));
      return columns.length === 0 ? [] : [{ name: table.name, columns: columns.sort() }];
    });
}

function desiredTableAccess(mesh: Mesh, { request, product, consumer }: Access, table: AskedTable): DesiredResource[] {
  const inGovernance = { account: mesh.governanceAccount, region: mesh.region };
  const inConsumer = { account: consumer.awsAccountId, region: consumer.awsRegion };
  const resource = centralTable(mesh, product, table.name);
  const { link, resource: linked } = desireLink(consumer, product, resource);
  return [
    link,
    ...request.principals.flatMap((principal) => [
      desireGrant(inGovernance, principal, resource, permissions(request, table)),
      desire('ShareAcceptance', inConsumer, { resource, principal }),
      desireGrant(inConsumer, principal, linked, { DESCRIBE: 'ALL_COLUMNS' }),
    ]),
  ];
}

/** On chosen columns Lake Formation takes SELECT alone; a whole table carries what was asked. */
function permissions({ permissions }: AskedAccess, { columns }: AskedTable): SpecOf<'LfGrant'>['permissions'] {
  if (columns !== null) return { SELECT: columns };
  return Object.fromEntries([...new Set(permissions)].sort().map((permission) => [permission, 'ALL_COLUMNS'] as const));
}
