import type { AccessGrantStatus } from '../generated/prisma/client.js';
import { release } from '../provisioning/declare.js';
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
  const [ended] = await markEnding(ctx, tx, [{ grant, reason, endsAs }]);
  const owner = grantOwner(grant);
  const { correlationId } = ctx;
  const lanes = await releasingAccount(ctx, tx, [grant], () =>
    claim(tx, { owner, resources: [], correlationId, declared }),
  );
  // Else the worker settles it, once AWS has answered.
  if (lanes.length === 0 && ended) await settleGrant(ctx.mesh, tx, ended);
  return lanes;
}

/** The same for several grants at once: what they share is locked and changed once. Their rows are locked in order of id. */
export async function beginRevokes(ctx: ActingContext, tx: Tx, endings: Ending[]): Promise<LaneKey[]> {
  const ended = await markEnding(ctx, tx, endings);
  const ids = ended.map(({ id }) => id);
  const { correlationId } = ctx;
  const { changedLanes, gone } = await releasingAccount(ctx, tx, ended, () =>
    release(tx, { type: 'ACCESS_GRANT', ids, correlationId }),
  );
  for (const grant of ended) if (gone.includes(grant.id)) await settleGrant(ctx.mesh, tx, grant);
  return changedLanes;
}

async function markEnding(
  { actor, correlationId }: ActingContext,
  tx: Tx,
  endings: Pick<Ending, 'grant' | 'reason' | 'endsAs'>[],
): Promise<GrantRow[]> {
  const ended = endings.map(({ grant, reason, endsAs }) => {
    const status = step(ACCESS_GRANT, grant.status, endsAs === 'EXPIRED' ? 'expire' : 'revoke');
    return { ...grant, status, endsAs, reason, revokedBy: actor.subject };
  });
  const values = JSON.stringify(ended.map(({ id, status, endsAs, reason }) => ({ id, status, endsAs, reason })));
  await tx.$executeRaw`
    UPDATE "AccessGrant" access SET "status" = ended."status", "endsAs" = ended."endsAs", "reason" = ended."reason",
      "revokedBy" = ${actor.subject}, "endingSince" = now(), "updatedAt" = now()
    FROM jsonb_to_recordset(${values}::jsonb)
      AS ended("id" uuid, "status" "AccessGrantStatus", "endsAs" "AccessGrantStatus", "reason" text)
    WHERE access."id" = ended."id"`;
  await cancelExtensions({ actor, correlationId }, tx, ended);
  return ended;
}
