import { type Domain, Prisma } from '../generated/prisma/client.js';
import type { Subjects } from './authorization.js';
import { notFound } from './error.js';
import type { ContractQuality } from './odcs/read-quality.js';
import type { Tx } from './transaction.js';
import { LIVE } from './transitions.js';

/**
 * Locked reads. Order everywhere: member, domain, request, grant, product, then resources by identity, then EventPending. NO KEY UPDATE excludes other
 * writers of the row, yet lets foreign keys point at it.
 */

/** A product with what the rules need to know of it. */
export const PRODUCT = { domain: true } as const satisfies Prisma.DataProductInclude;
export type ProductRow = Prisma.DataProductGetPayload<{ include: typeof PRODUCT }>;

/** A product with its tables and columns in order. */
const PRODUCT_TABLES = {
  domain: true,
  tables: { orderBy: { position: 'asc' }, include: { columns: { orderBy: { position: 'asc' } } } },
} as const satisfies Prisma.DataProductInclude;
export type ProductWithTables = Prisma.DataProductGetPayload<{ include: typeof PRODUCT_TABLES }>;
export type TableRow = ProductWithTables['tables'][number];
/** With the contract in force too; null where there is none. What a product itself needs of AWS depends on it, access does not. */
export type ProductInForce = ProductWithTables & { contract: ContractInForce | null };

/** What of a contract has to be known of a product in AWS. */
export interface ContractInForce {
  version: string;
  quality: ContractQuality[];
}

const ACCESS = { product: { include: PRODUCT }, consumerDomain: true } as const;
export type RequestRow = Prisma.AccessRequestGetPayload<{ include: typeof ACCESS }>;
export const GRANT = { ...ACCESS, request: true } as const;
type StoredGrant = Prisma.AccessGrantGetPayload<{ include: typeof GRANT }>;
/** A grant with its request, which says too what is withheld from the grant by now. */
export type GrantRow = Omit<StoredGrant, 'request'> & { request: StoredGrant['request'] & { withheld: string[] } };

/**
 * Whether a grant lives, as SQL: write `access.${isLive}` for an alias. Its states are literals, as Postgres takes a partial index only
 * where it can see them.
 */
export const isLive = Prisma.raw(`"status" IN (${LIVE.map((state) => `'${state}'`).join(', ')})`);

/**
 * Joins to claims `c` the grant `g` and the product `p` that they are of; what neither is of is the claim of a domain, whose id is
 * `c."ownerId"`.
 */
export const CLAIMED_FOR = Prisma.raw(`
  LEFT JOIN "AccessGrant" g ON c."ownerType" = 'ACCESS_GRANT' AND g."id" = c."ownerId"
  LEFT JOIN "DataProduct" p ON c."ownerType" <> 'DOMAIN' AND p."id" = coalesce(g."productId", c."ownerId")`);

/** Reads a domain; nothing is locked. */
export async function readDomain(tx: Tx, id: string): Promise<Domain> {
  const domain = await tx.domain.findUnique({ where: { id } });
  if (domain === null) throw notFound('The domain');
  return domain;
}

export async function lockDomain(tx: Tx, id: string): Promise<Domain> {
  await tx.$queryRaw`SELECT 1 FROM "Domain" WHERE "id" = ${id}::uuid FOR NO KEY UPDATE`;
  return readDomain(tx, id);
}

/** Reads a product; nothing is locked. */
export async function readProduct(tx: Tx, id: string): Promise<ProductRow> {
  const product = await tx.dataProduct.findUnique({ where: { id }, include: PRODUCT });
  if (product === null) throw notFound('The data product');
  return product;
}

export async function lockProduct(tx: Tx, id: string): Promise<ProductRow> {
  await tx.$queryRaw`SELECT 1 FROM "DataProduct" WHERE "id" = ${id}::uuid FOR NO KEY UPDATE`;
  return readProduct(tx, id);
}

/** A product as it is now, with its tables. Its row is locked: nobody else changes them. */
export async function readTables(tx: Tx, { id, domain }: ProductRow): Promise<ProductWithTables> {
  const product = await tx.dataProduct.findUniqueOrThrow({ where: { id } });
  const { tables } = PRODUCT_TABLES;
  return { ...product, domain, tables: await tx.productTable.findMany({ where: { productId: id }, ...tables }) };
}

/** Products with the contracts in force, in the order given; one that has its contract already keeps it. One statement however many. */
export async function withContracts(
  tx: Tx,
  products: (ProductWithTables | ProductInForce)[],
): Promise<ProductInForce[]> {
  const bare = products.flatMap((product) => ('contract' in product ? [] : [product.id]));
  if (bare.length === 0) return products as ProductInForce[];
  const rows = await tx.dataContract.findMany({
    where: { productId: { in: bare }, status: 'ACTIVE' },
    select: { productId: true, version: true, quality: true },
  });
  const contracts = new Map(rows.map((row) => [row.productId, contractInForce(row)]));
  return products.map((product) => ({ contract: contracts.get(product.id) ?? null, ...product }));
}

/** The same of one product. */
export async function withContract(tx: Tx, product: ProductWithTables | ProductInForce): Promise<ProductInForce> {
  const [full] = await withContracts(tx, [product]);
  return full as ProductInForce;
}

/** A stored contract as it is of a product once it is in force. */
export function contractInForce({ version, quality }: { version: string; quality: Prisma.JsonValue }): ContractInForce {
  return { version, quality: quality as unknown as ContractQuality[] };
}

/** Several products with their tables, by id; nothing is locked. Four statements however many. */
export async function readProducts(tx: Tx, ids: string[]): Promise<Map<string, ProductWithTables>> {
  const products = await tx.dataProduct.findMany({ where: { id: { in: ids } }, include: PRODUCT });
  const { tables: ordered } = PRODUCT_TABLES;
  const tables = await tx.productTable.findMany({ where: { productId: { in: ids } }, ...ordered });
  const full = products.map((product) => ({
    ...product,
    tables: tables.filter(({ productId }) => productId === product.id),
  }));
  return new Map(full.map((product) => [product.id, product]));
}

export async function lockRequest(tx: Tx, id: string): Promise<RequestRow> {
  await tx.$queryRaw`SELECT 1 FROM "AccessRequest" WHERE "id" = ${id}::uuid FOR NO KEY UPDATE`;
  const request = await tx.accessRequest.findUnique({ where: { id } });
  if (request === null) throw notFound('The access request');
  return { ...request, ...(await partiesOf(tx, request)) };
}

/** The requests for access to a product that nobody has decided, locked in order of id; those for another end are their grant's. */
export async function lockOpenRequests(tx: Tx, productId: string): Promise<RequestRow[]> {
  await tx.$queryRaw`
    SELECT 1 FROM "AccessRequest" WHERE "productId" = ${productId}::uuid AND "status" = 'PENDING' AND "extendsId" IS NULL
    ORDER BY "id" FOR NO KEY UPDATE`;
  const where = { productId, status: 'PENDING' as const, extendsId: null };
  const requests = await tx.accessRequest.findMany({ where, orderBy: { id: 'asc' } });
  if (requests.length === 0) return [];
  const product = await tx.dataProduct.findUniqueOrThrow({ where: { id: productId }, include: PRODUCT });
  const domains = await tx.domain.findMany({ where: { id: { in: requests.map((one) => one.consumerDomainId) } } });
  const byId = new Map(domains.map((domain) => [domain.id, domain]));
  return requests.map((one) => ({ ...one, product, consumerDomain: byId.get(one.consumerDomainId) as Domain }));
}

export async function lockGrant(tx: Tx, id: string): Promise<GrantRow> {
  await tx.$queryRaw`SELECT 1 FROM "AccessGrant" WHERE "id" = ${id}::uuid FOR NO KEY UPDATE`;
  return readGrant(tx, id);
}

/** A grant that is locked already, or that need not be. */
export async function readGrant(tx: Tx, id: string): Promise<GrantRow> {
  const grant = await tx.accessGrant.findUnique({ where: { id }, include: { request: true } });
  if (grant === null) throw notFound('The access grant');
  const { withheld } = grant;
  return { ...grant, request: { ...grant.request, withheld }, ...(await partiesOf(tx, grant)) };
}

/** Grants that are locked already, or that need not be, of whichever products, in order of id. Seven statements however many. */
export async function readGrants(tx: Tx, ids: string[]): Promise<GrantRow[]> {
  if (ids.length === 0) return [];
  const grants = await tx.accessGrant.findMany({
    where: { id: { in: ids } },
    include: { request: true },
    orderBy: { id: 'asc' },
  });
  const unique = (each: string[]) => ({ id: { in: [...new Set(each)] } });
  const products = await tx.dataProduct.findMany({
    where: unique(grants.map(({ productId }) => productId)),
    include: PRODUCT,
  });
  const domains = await tx.domain.findMany({ where: unique(grants.map((grant) => grant.consumerDomainId)) });
  const [productOf, domainOf] = [byId(products), byId(domains)];
  return grants.map((grant) => ({
    ...grant,
    request: { ...grant.request, withheld: grant.withheld },
    product: productOf.get(grant.productId) as ProductRow,
    consumerDomain: domainOf.get(grant.consumerDomainId) as Domain,
  }));
}

const byId = <T extends { id: string }>(rows: T[]) => new Map(rows.map((row) => [row.id, row]));

/** The grants of a product that are or may come alive, locked in order of id. */
export async function lockLiveGrants(tx: Tx, productId: string): Promise<GrantRow[]> {
  const locked = await tx.$queryRaw<{ id: string }[]>`
    SELECT "id" FROM "AccessGrant"
    WHERE "productId" = ${productId}::uuid AND ${isLive}
    ORDER BY "id" FOR NO KEY UPDATE`;
  return readGrants(
    tx,
    locked.map(({ id }) => id),
  );
}

/** The ids of the same grants, of several products; nothing is locked. One statement. */
export function readLiveGrantIds(tx: Tx, productIds: string[]): Promise<{ id: string; productId: string }[]> {
  return tx.accessGrant.findMany({
    where: { productId: { in: productIds }, status: { in: LIVE } },
    select: { id: true, productId: true },
  });
}

/** The same grants; nothing is locked. */
export async function readLiveGrants(tx: Tx, productId: string): Promise<GrantRow[]> {
  const live = await readLiveGrantIds(tx, [productId]);
  return readGrants(
    tx,
    live.map(({ id }) => id),
  );
}

/** One read after another: a transaction has one connection, and relations beside one another would be read at once. */
async function partiesOf(tx: Tx, access: { productId: string; consumerDomainId: string }) {
  const product = await tx.dataProduct.findUniqueOrThrow({ where: { id: access.productId }, include: PRODUCT });
  return { product, consumerDomain: await readDomain(tx, access.consumerDomainId) };
}

/** The database's clock: what `now()` is in this transaction. */
export async function databaseNow(tx: Tx): Promise<Date> {
  const [row] = await tx.$queryRaw<{ now: Date }[]>`SELECT now() AS now`;
  return (row as { now: Date }).now;
}

export const domainSubject = (domain: { id: string }): Subjects['Domain'] => ({ type: 'Domain', id: domain.id });

export const productSubject = (product: Pick<ProductRow, 'domainId' | 'status'>): Subjects['DataProduct'] => ({
  type: 'DataProduct',
  domainId: product.domainId,
  status: product.status,
});

/** A request, or a grant by the request that it came of. */
export function accessSubject(access: RequestRow | StoredGrant): Subjects['Access'] {
  return {
    type: 'Access',
    requestedBy: 'request' in access ? access.request.requestedBy : access.requestedBy,
    productDomainId: access.product.domainId,
    consumerDomainId: access.consumerDomainId,
  };
}
