import type { AccessMode } from '../generated/prisma/client.js';
import { groupBy } from '../provisioning/group.js';
import { resourceId } from '../provisioning/resource.js';
import { announceAccess, announceProduct } from './announce.js';
import { isWaitedFor } from './claims.js';
import { type ActingContext, asSystem, type SystemContext } from './context.js';
import { givenByNameAlone } from './desired-access.js';
import { desiredDataProduct } from './desired-data-product.js';
import { conflict } from './error.js';
import { globalId } from './global-id.js';
import { oneByOne } from './one-by-one.js';
import { claimAnew, grantResources } from './product-claims.js';
import {
  type GrantRow,
  isLive,
  lockLiveGrants,
  lockProduct,
  type ProductRow,
  type ProductWithTables,
  readTables,
} from './rows.js';
import { tableArns } from './settled.js';
import { inTransaction, type Tx } from './transaction.js';
import { consumerOrders, reportOf, toldTables } from './workflow-orders.js';

/**
 * A published product changes its access mode without an instant of lost access: until all of the new mode stands in AWS the old one
 * stays too, for the product and for every live grant. Then the old one goes.
 */
export function changedMode(
  { status, accessMode }: Pick<ProductRow, 'status' | 'accessMode'>,
  to: AccessMode,
): { accessMode: AccessMode; previousAccessMode: AccessMode | null } {
  return { accessMode: to, previousAccessMode: status === 'DRAFT' ? null : accessMode };
}

/** So many principals of a grant are named where a message lists grants. */
const PRINCIPALS_NAMED = 3;

/** What was granted by name for less than the product, or for more than to read it, cannot be given by tag. */
export function refuseGivenByName(product: ProductWithTables, grants: GrantRow[]): void {
  const named = grants.filter(({ request }) => givenByNameAlone(request, product));
  if (named.length === 0) return;
  const names = named.map(({ id, consumerDomain, request: { principals } }) => {
    const [more, first] = [principals.length - PRINCIPALS_NAMED, principals.slice(0, PRINCIPALS_NAMED).join(', ')];
    return `${globalId('AccessGrant', id)} of ${consumerDomain.name} to ${first}${more > 0 ? ` and ${more} more` : ''}`;
  });
  throw conflict(
    `By tag (LF_TBAC) a product is given as a whole and to read it; these grants are for other than that: ${names.join('; ')}. Revoke them first.`,
  );
}

/** A crawl runs through the names of one mode. */
export function refuseWhileCrawling(product: ProductWithTables): void {
  const crawling = product.tables.filter(({ crawlRun }) => crawlRun !== null).map(({ name }) => name);
  if (crawling.length > 0)
    throw conflict(`A crawler is at work on ${crawling.join(', ')}: change the mode when it is done.`);
}

/** Ends the changes of mode of which all stands; returns how many. */
export async function finishModeChanges(ctx: SystemContext): Promise<number> {
  // While something is under way, what the new mode needs may be: nothing is locked to look closer.
  const changing = await ctx.db.$queryRaw<{ id: string }[]>`
    SELECT product."id"::text FROM "DataProduct" product JOIN "Domain" home ON home."id" = product."domainId"
    WHERE product."previousAccessMode" IS NOT NULL
      AND (home."provisioning" = 'DIRECT' OR product."provisioningReport"->>'status' = 'SUCCEEDED') AND product."status" IN ('PUBLISHED', 'DEPRECATED')
      AND NOT EXISTS (SELECT FROM "ResourceClaim" claim JOIN "Resource" resource ON resource."id" = claim."resourceId"
        WHERE claim."releasedAtGeneration" IS NULL AND resource."status" IN ('PENDING', 'APPLYING') AND ${isWaitedFor}
          AND ((claim."ownerType" = 'DATA_PRODUCT' AND claim."ownerId" = product."id") OR (claim."ownerType" = 'ACCESS_GRANT'
            AND claim."ownerId" IN (SELECT access."id" FROM "AccessGrant" access WHERE access."productId" = product."id"
              AND access.${isLive}))))
    ORDER BY random() LIMIT 50`;
  return oneByOne(changing, async ({ id }) => {
    const lanes = await inTransaction(ctx.db, (tx) => finish(ctx, tx, id));
    if (lanes !== null) ctx.committed(lanes);
    return lanes !== null;
  });
}

async function finish(ctx: SystemContext, tx: Tx, id: string) {
  await lockLiveGrants(tx, id);
  const product = await lockProduct(tx, id);
  if (product.previousAccessMode === null) return null;
  // Read again: an approval that held the product until now has added its grant.
  const grants = await lockLiveGrants(tx, id);
  const changing = await readTables(tx, product);
  const full = { ...changing, previousAccessMode: null };
  // Nobody but the domain itself can say what stands in its account.
  if (product.domain.provisioning === 'DELEGATED' && !linkedByDomain(changing)) return null;
  if (!(await allReady(ctx, tx, { product: full, grants }))) return null;
  const system = asSystem(ctx);
  await tellConsumers(system, tx, { product: changing, grants });
  await tx.dataProduct.update({ where: { id }, data: { previousAccessMode: null } });
  const lanes = await claimAnew(system, tx, { product: full, grants });
  const { accessMode, status } = product;
  const data = {
    before: { status, accessMode: product.previousAccessMode },
    after: { status, accessMode },
    resources: tableArns(ctx.mesh, full),
  };
  await announceProduct(tx, system, { type: 'DataProductReady', product, published: true, data });
  return lanes;
}

/** Whether the domain was told of all tables in the new mode, and has linked them. */
const linkedByDomain = (product: ProductWithTables) =>
  reportOf(product)?.status === 'SUCCEEDED' && product.tables.every(({ name }) => toldTables(product).includes(name));

/** Tells the workflows of domains that read the product what to link in the new mode, before the old one goes. */
async function tellConsumers(
  ctx: ActingContext,
  tx: Tx,
  { product, grants }: { product: ProductWithTables; grants: GrantRow[] },
): Promise<void> {
  const given = grants.filter(({ grantedAt, request }) => grantedAt && request.accessMode !== product.accessMode);
  for (const [first, ...rest] of groupBy(given, ({ consumerDomainId }) => consumerDomainId).values()) {
    if (first === undefined) continue;
    const createResourceLinks = await consumerOrders(ctx, tx, { grants: [first, ...rest], product });
    if (createResourceLinks.length === 0) continue;
    const { principals, permissions } = first.request;
    const { status, expiresAt } = first;
    const data = { before: { status }, after: { status }, principals, permissions, expiresAt, createResourceLinks };
    await announceAccess(tx, ctx, { type: 'AccessGranted', access: first, data });
  }
}

/** Whether everything stands that product and grants need in the new mode alone. */
async function allReady(
  { mesh }: Pick<ActingContext, 'mesh'>,
  tx: Tx,
  { product, grants }: { product: ProductWithTables; grants: GrantRow[] },
): Promise<boolean> {
  const needed = [
    ...desiredDataProduct(mesh, product),
    ...grants.flatMap((grant) => grantResources(mesh, grant, product)),
  ];
  const ids = [...new Set(needed.map(resourceId))];
  return (await tx.resource.count({ where: { id: { in: ids }, status: 'READY', desired: 'PRESENT' } })) === ids.length;
}
