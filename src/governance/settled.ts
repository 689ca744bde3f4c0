import type { ClaimOwner, PrismaClient } from '../generated/prisma/client.js';
import { resourceId } from '../provisioning/resource.js';
import { forgetLeft, leaving } from './account-revocation.js';
import { type Author, announceAccess, announceDomain, announceProduct } from './announce.js';
import { grantOwner, isWaitedFor } from './claims.js';
import { bySystem, type Mesh } from './context.js';
import { desiredAccess } from './desired-access.js';
import { centralTable } from './desired-grants.js';
import { howToQuery } from './how-to-query.js';
import { glueArn } from './names.js';
import { type GrantRow, lockDomain, lockGrant, lockProduct, type ProductWithTables, readTables } from './rows.js';
import type { Tx } from './transaction.js';
import { ACCESS_GRANT, canStep, DATA_PRODUCT, step } from './transitions.js';
import { consumerOrders, reportOf } from './workflow-orders.js';

/** Who claims resources: a domain, a product or a grant, by its uuid. */
export interface Owner {
  type: ClaimOwner;
  id: string;
}

/** How the resources stand that an owner claims. */
interface Standing {
  /** Every resource that is still claimed and waited for is READY. */
  ready: boolean;
  failures: Failure[];
  /** Claims that were released and still give access. */
  leaving: number;
  correlationId: string | null;
}

interface Failure {
  kind: string;
  key: string;
  account: string;
  error: { code?: string; message?: string } | null;
}

/**
 * Steps an owner's state to what AWS answered and says so. Idempotent: called whenever a resource of the owner changed, and
 * again by the sweep. Locks the owner's row; call it before any resource row is locked.
 */
export async function settled(mesh: Mesh, tx: Tx, owner: Owner): Promise<void> {
  if (owner.type === 'DOMAIN') return settleDomain(mesh, tx, owner);
  if (owner.type === 'DATA_PRODUCT') return settleProduct(mesh, tx, owner);
  return settleGrant(mesh, tx, await lockGrant(tx, owner.id));
}

async function settleDomain(mesh: Mesh, tx: Tx, owner: Owner): Promise<void> {
  const domain = await lockDomain(tx, owner.id);
  if (domain.status !== 'REGISTERING') return;
  const { ready, correlationId } = await standing(mesh, tx, owner);
  if (!ready) return;
  const after = await tx.domain.update({ where: { id: domain.id }, data: { status: 'READY', readyAt: new Date() } });
  await announceDomain(tx, bySystem(correlationId), {
    type: 'DomainReady',
    domain: after,
    data: { before: { status: domain.status }, after: { status: after.status } },
  });
}

async function settleProduct(mesh: Mesh, tx: Tx, owner: Owner): Promise<void> {
  const product = await lockProduct(tx, owner.id);
  if (!canStep(DATA_PRODUCT, product.status, 'settle')) return;
  // Nobody but the domain itself can say what stands in its account.
  if (product.domain.provisioning === 'DELEGATED' && reportOf(product)?.status !== 'SUCCEEDED') return;
  const { ready, correlationId } = await standing(mesh, tx, owner);
  if (!ready) return;
  const status = step(DATA_PRODUCT, product.status, 'settle');
  await tx.dataProduct.update({ where: { id: product.id }, data: { status, publishedAt: new Date() } });
  const data = {
    before: { status: product.status },
    after: { status },
    resources: tableArns(mesh, await readTables(tx, product)),
  };
  await announceProduct(tx, bySystem(correlationId), { type: 'DataProductReady', product, published: true, data });
}

/** The Glue ARNs of a product's tables: what an EventBridge entry lists as its resources. */
export function tableArns(mesh: Mesh, product: ProductWithTables, names?: string[]): string[] {
  return (names?.length ? names : product.tables.map(({ name }) => name)).map((name) => {
    const { catalogId, database, table } = centralTable(mesh, product, name, product.accessMode);
    return glueArn(mesh, catalogId, `table/${database}/${table}`);
  });
}

/** As `settled`, for a grant whose row is locked and read. */
export async function settleGrant(mesh: Mesh, tx: Tx, grant: GrantRow): Promise<void> {
  if (grant.status === 'REVOKED' || grant.status === 'EXPIRED') return;
  const { ready, failures, leaving: left } = await standing(mesh, tx, grantOwner(grant));
  if (grant.status === 'REVOKING') {
    if (left === 0) await confirmGone(mesh, tx, grant);
  } else if (failures.length > 0 && canStep(ACCESS_GRANT, grant.status, 'fail')) {
    await fail(mesh, tx, { grant, failures });
  } else if (ready && canStep(ACCESS_GRANT, grant.status, 'settle')) {
    await activate(mesh, tx, grant);
  }
}

async function activate(mesh: Mesh, tx: Tx, grant: GrantRow): Promise<void> {
  const status = step(ACCESS_GRANT, grant.status, 'settle');
  await tx.accessGrant.update({
    where: { id: grant.id },
    data: { status, grantedAt: grant.grantedAt ?? new Date(), reason: null },
  });
  const { author, product } = await aboutGrant(mesh, tx, grant);
  const { request, consumerDomain: consumer } = grant;
  const how = howToQuery({ domain: product.domain, product, consumer, request }, mesh);
  await announceAccess(tx, author, {
    type: 'AccessGranted',
    access: grant,
    data: {
      before: { status: grant.status },
      after: { status },
      principals: grant.request.principals,
      permissions: grant.request.permissions,
      expiresAt: grant.expiresAt,
      database: how?.database ?? null,
      tables: how?.tables.map(({ table }) => table) ?? [],
      columns: grant.request.columns,
      withheldColumns: grant.withheld,
      athenaSql: how?.athenaSql ?? null,
      iam: how?.iamPolicy ?? null,
      // What was asked in another mode is told of at the end of the change.
      createResourceLinks:
        product.previousAccessMode !== null && grant.request.accessMode !== product.accessMode
          ? []
          : await consumerOrders({ mesh }, tx, { grants: [grant], product }),
      resources: tableArns(mesh, product, grant.request.tables),
    },
  });
}

async function fail(mesh: Mesh, tx: Tx, { grant, failures }: { grant: GrantRow; failures: Failure[] }): Promise<void> {
  const status = step(ACCESS_GRANT, grant.status, 'fail');
  const reason = failures.map(({ kind, key, error }) => `${kind} ${key}: ${error?.message ?? 'failed'}`).join('; ');
  await tx.accessGrant.update({ where: { id: grant.id }, data: { status, reason } });
  const { author } = await aboutGrant(mesh, tx, grant);
  const data = { before: { status: grant.status }, after: { status }, reason, failures: failures.map(told) };
  await announceAccess(tx, author, { type: 'AccessFailed', access: grant, data });
}

/** What is told of a failure; the resource itself shows the rest. */
const told = ({ error, ...where }: Failure) => ({
  ...where,
  error: error && { code: error.code, message: error.message },
});

async function confirmGone(mesh: Mesh, tx: Tx, grant: GrantRow): Promise<void> {
  const expired = grant.endsAs === 'EXPIRED';
  const status = step(ACCESS_GRANT, grant.status, expired ? 'confirmExpired' : 'confirmRevoked');
  await tx.accessGrant.update({ where: { id: grant.id }, data: { status, revokedAt: new Date() } });
  await forgetLeft(tx, grant.id);
  const { author } = await aboutGrant(mesh, tx, grant);
  await announceAccess(tx, author, {
    type: expired ? 'AccessExpired' : 'AccessRevoked',
    access: grant,
    data: {
      before: { status: grant.status },
      after: { status },
      principals: grant.request.principals,
      expiresAt: grant.expiresAt,
      revokedBy: grant.revokedBy,
      reason: grant.reason,
    },
  });
}

/** The product that the grant is to, and the request whose change of the grants in G is answered now. */
async function aboutGrant(
  mesh: Mesh,
  tx: Tx,
  grant: GrantRow,
): Promise<{ author: Author; product: ProductWithTables }> {
  const product = await readTables(tx, grant.product);
  const grants = desiredAccess(mesh, { request: grant.request, product, consumer: grant.consumerDomain })
    .filter(({ kind, account }) => kind === 'LfGrant' && account === mesh.governanceAccount)
    .map(resourceId);
  const last = await tx.resource.findFirst({
    where: { id: { in: grants } },
    orderBy: { updatedAt: 'desc' },
    select: { correlationId: true },
  });
  return { author: bySystem(last?.correlationId), product };
}

async function standing(mesh: Mesh, tx: Tx, { type, id }: Owner): Promise<Standing> {
  const [row] = await tx.$queryRaw<Standing[]>`
    SELECT
      coalesce(bool_and(resource."status" = 'READY')
        FILTER (WHERE claim."releasedAtGeneration" IS NULL AND ${isWaitedFor}), false) AS ready,
      coalesce(jsonb_agg(jsonb_build_object('kind', resource."kind", 'key', resource."key", 'account', resource."account",
          'error', resource."lastError") ORDER BY resource."id")
        FILTER (WHERE claim."releasedAtGeneration" IS NULL AND resource."status" = 'FAILED'), '[]') AS failures,
      count(*) FILTER (WHERE ${leaving(mesh.governanceAccount)})::int AS leaving,
      (array_agg(resource."correlationId" ORDER BY resource."updatedAt" DESC))[1] AS "correlationId"
    FROM "ResourceClaim" claim JOIN "Resource" resource ON resource."id" = claim."resourceId"
    WHERE claim."ownerType" = ${type}::"ClaimOwner" AND claim."ownerId" = ${id}::uuid`;
  return row as Standing;
}

/**
 * Owners whose resources stand as `settled` would act upon: a crash came between the two. At most 500 at a time, by lot: so those that
 * cannot be settled keep nobody else waiting for ever.
 */
export function unsettledOwners(mesh: Mesh, db: PrismaClient | Tx): Promise<Owner[]> {
  return db.$queryRaw<Owner[]>`
    WITH waiting AS (
      SELECT 'DOMAIN'::"ClaimOwner" AS type, "id" FROM "Domain" WHERE "status" = 'REGISTERING'
      UNION ALL SELECT 'DATA_PRODUCT', product."id" FROM "DataProduct" product JOIN "Domain" home ON home."id" = product."domainId"
        WHERE product."status" = 'PUBLISHING'
          AND (home."provisioning" = 'DIRECT' OR product."provisioningReport"->>'status' = 'SUCCEEDED')
      UNION ALL SELECT 'ACCESS_GRANT', "id" FROM "AccessGrant" WHERE "status" IN ('PROVISIONING', 'FAILED')
    ), ready AS (
      SELECT type, "id" FROM waiting WHERE NOT EXISTS (
        SELECT FROM "ResourceClaim" claim JOIN "Resource" resource ON resource."id" = claim."resourceId"
        WHERE claim."ownerType" = waiting.type AND claim."ownerId" = waiting."id" AND claim."releasedAtGeneration" IS NULL
          AND resource."status" <> 'READY' AND ${isWaitedFor}
      ) AND EXISTS (
        SELECT FROM "ResourceClaim" claim
        WHERE claim."ownerType" = waiting.type AND claim."ownerId" = waiting."id" AND claim."releasedAtGeneration" IS NULL
      )
    ), failed AS (
      SELECT DISTINCT claim."ownerType" AS type, claim."ownerId" AS "id"
      FROM "Resource" resource JOIN "ResourceClaim" claim ON claim."resourceId" = resource."id"
      JOIN "AccessGrant" access ON access."id" = claim."ownerId" AND access."status" IN ('PROVISIONING', 'ACTIVE')
      WHERE resource."status" = 'FAILED' AND claim."ownerType" = 'ACCESS_GRANT' AND claim."releasedAtGeneration" IS NULL
    ), gone AS (
      SELECT 'ACCESS_GRANT'::"ClaimOwner" AS type, "id" FROM "AccessGrant" WHERE "status" = 'REVOKING' AND NOT EXISTS (
        SELECT FROM "ResourceClaim" claim JOIN "Resource" resource ON resource."id" = claim."resourceId"
        WHERE claim."ownerType" = 'ACCESS_GRANT' AND claim."ownerId" = "AccessGrant"."id"
          AND ${leaving(mesh.governanceAccount)}
      )
    )
    SELECT type::text, "id"::text FROM (SELECT * FROM ready UNION SELECT * FROM failed UNION SELECT * FROM gone) owner
    ORDER BY random() LIMIT 500`;
}
