import type { AccessGrantStatus } from '../generated/prisma/client.js';
import type { LaneKey } from '../provisioning/lane.js';
import { cancelExtensions } from './access-extension.js';
import { releasingAccount } from './account-revocation.js';
import { claim, grantOwner } from './claims.js';
import type { ActingContext } from './context.js';
import type { Declarations } from './planned.js';
import type { GrantRow } from './rows.js';
import { settleGrant } from './settled.js';
import type { Tx } from './transaction.js';
import { ACCESS_GRANT, step } from './transitions.js';

interface Ending {
  /** Its row is locked. */
  grant: GrantRow;
  reason: string;
  endsAs: Extract<AccessGrantStatus, 'REVOKED' | 'EXPIRED'>;
  /** Gets what the withdrawal comes to. */
  declared?: Declarations | undefined;
}

/**
 * Takes a grant's claims away: from the commit on our API denies, and AWS follows, the governance account first. Where AWS has nothing
 * to do, as others need all of it, the grant is gone at once.
 */
export async function beginRevoke(
  ctx: ActingContext,
  tx: Tx,
  { grant, reason, endsAs, declared }: Ending,
): Promise<LaneKey[]> {
  const status = step(ACCESS_GRANT, grant.status, endsAs === 'EXPIRED' ? 'expire' : 'revoke');
  const ending = { status, endsAs, reason, revokedBy: ctx.actor.subject };
  await tx.$executeRaw`
    UPDATE "AccessGrant" SET "status" = ${status}::"AccessGrantStatus", "endsAs" = ${endsAs}::"AccessGrantStatus", "reason" = ${reason},
      "revokedBy" = ${ctx.actor.subject}, "endingSince" = now(), "updatedAt" = now() WHERE "id" = ${grant.id}::uuid`;
  await cancelExtensions(ctx, tx, grant);
  const owner = grantOwner(grant);
  const { correlationId } = ctx;
  const lanes = await releasingAccount(ctx, tx, grant, () =>
    claim(tx, { owner, resources: [], correlationId, declared }),
  );
  // Else the worker settles it, once AWS has answered.
  if (lanes.length === 0) await settleGrant(ctx.mesh, tx, { ...grant, ...ending });
  return lanes;
}
