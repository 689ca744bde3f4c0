import { claim, lockClaims } from './claims.js';
import type { Context } from './context.js';
import { askedTables, desiredAccess } from './desired-access.js';
import { desiredDataProduct } from './desired-data-product.js';
import { conflict } from './error.js';
import { beginRevoke } from './revoke.js';
import type { GrantRow, ProductWithTables } from './rows.js';
import { settled } from './settled.js';
import { assertPublishable } from './tables.js';
import type { LaneAddress, Tx } from './transaction.js';

/** Declares a published product's tables, after a check that AWS could hold them and no other product of the domain has them. */
export async function claimProduct(ctx: Context, tx: Tx, product: ProductWithTables): Promise<LaneAddress[]> {
  assertPublishable(ctx.mesh, product);
  await refuseTakenTables(tx, product);
  return claim(tx, {
    owner: { type: 'DATA_PRODUCT', id: product.id },
    resources: desiredDataProduct(ctx.mesh, product),
    correlationId: ctx.correlationId,
  });
}

/** Two at the same moment: the loser meets the other's claim on the Glue table instead, which is a CONFLICT too. */
async function refuseTakenTables(tx: Tx, { id, domainId, tables }: ProductWithTables): Promise<void> {
  const taken = await tx.productTable.findFirst({
    where: {
      name: { in: tables.map(({ name }) => name) },
      product: { domainId, id: { not: id }, status: { in: ['PUBLISHING', 'PUBLISHED', 'DEPRECATED'] } },
    },
    select: { name: true, product: { select: { name: true } } },
  });
  if (taken === null) return;
  throw conflict(
    `The table ${taken.name} is published by the product ${taken.product.name} already: a domain's tables share one database.`,
  );
}

interface Changed {
  product: ProductWithTables;
  /** The product's live grants; their rows are locked. */
  grants: GrantRow[];
}

/** After a published product's tables changed: declares them and what its grants need anew. A grant of which nothing is left ends. */
export async function claimAnew(ctx: Context, tx: Tx, { product, grants }: Changed): Promise<LaneAddress[]> {
  const owners = [{ type: 'DATA_PRODUCT' as const, id: product.id }, ...grants.map(({ id }) => grantOwner(id))];
  await lockClaims(tx, owners);
  const lanes = await claimProduct(ctx, tx, product);
  for (const grant of grants) {
    const { request, consumerDomain: consumer } = grant;
    if (askedTables(request, product).length === 0) {
      const reason = 'The contract in force has nothing left of what was granted.';
      lanes.push(...(await beginRevoke(ctx, tx, { grant, reason, endsAs: 'REVOKED' })));
      continue;
    }
    const resources = desiredAccess(ctx.mesh, { request, product, consumer });
    lanes.push(...(await claim(tx, { owner: grantOwner(grant.id), resources, correlationId: ctx.correlationId })));
    await settled(ctx.mesh, tx, grantOwner(grant.id));
  }
  return lanes;
}

const grantOwner = (id: string) => ({ type: 'ACCESS_GRANT' as const, id });
