import type { Domain } from '../generated/prisma/client.js';
import type { LaneKey } from '../provisioning/lane.js';
import { accountsCutOff, CUT_OFF, unlessCutOff } from './account-revocation.js';
import { claim, grantOwner } from './claims.js';
import type { Context } from './context.js';
import { type AskedAccess, desiredAccess } from './desired-access.js';
import type { Declarations } from './planned.js';
import type { ProductWithTables } from './rows.js';
import { settled } from './settled.js';
import type { Tx } from './transaction.js';

/** An approved request, until when it is granted, and what its product is now. The product's row is locked. */
interface Granting {
  request: AskedAccess & { id: string };
  product: ProductWithTables;
  consumer: Domain;
  until: Date | null;
}

/** What a grant comes to: its row, and what was declared for it. */
interface Granted {
  grantId: string;
  declared: Declarations;
  lanes: LaneKey[];
}

/** Makes the grant of a request that was approved in this transaction, and declares what it needs of AWS. */
export async function grantAccess(
  ctx: Context,
  tx: Tx,
  { request, product, consumer, until }: Granting,
): Promise<Granted> {
  const needed = desiredAccess(ctx.mesh, { request, product, consumer });
  const cutOff = await accountsCutOff(ctx, tx, [product.id]);
  const resources = unlessCutOff(ctx, needed, { cutOff, product, consumer });
  const waits = resources === needed ? {} : { accountCutAt: new Date(), reason: CUT_OFF };
  const grant = await tx.accessGrant.create({
    data: { requestId: request.id, productId: product.id, consumerDomainId: consumer.id, expiresAt: until, ...waits },
  });
  const declared: Declarations = [];
  const lanes = await claim(tx, { owner: grantOwner(grant), resources, correlationId: ctx.correlationId, declared });
  return { grantId: grant.id, declared, lanes };
}

/** A grant that needs nothing of AWS that is not there already is in force at once. */
export const settleGrant = (ctx: Context, tx: Tx, { grantId }: Granted): Promise<void> =>
  settled(ctx.mesh, tx, grantOwner({ id: grantId }));
