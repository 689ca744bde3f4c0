import { SYSTEM_ACTOR } from '../events/types.js';
import type { Context } from './context.js';
import { beginRevoke } from './revoke.js';
import { lockGrant } from './rows.js';
import { inTransaction, type LaneAddress } from './transaction.js';

/** What Meshgate needs to act by the clock. */
type SystemContext = Pick<Context, 'db' | 'mesh' | 'committed'>;

/**
 * Ends grants whose time has come by the database's clock, one transaction each, so that a long list neither blocks revokes nor is
 * lost with one failure. Several workers share the work: a locked grant is somebody else's. Returns how many were ended; call again
 * at once while it returns `limit`.
 */
export async function expireDueGrants(ctx: SystemContext, limit = 200): Promise<number> {
  let ended = 0;
  while (ended < limit) {
    const lanes = await expireNext(ctx);
    if (lanes === null) break;
    ctx.committed(lanes);
    ended += 1;
  }
  return ended;
}

function expireNext({ db, mesh }: SystemContext): Promise<LaneAddress[] | null> {
  return inTransaction(db, async (tx) => {
    const [due] = await tx.$queryRaw<{ id: string }[]>`
      SELECT "id" FROM "AccessGrant"
      WHERE "expiresAt" <= now() AND "status" IN ('PROVISIONING', 'ACTIVE', 'FAILED')
      ORDER BY "expiresAt" LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED`;
    if (due === undefined) return null;
    const grant = await lockGrant(tx, due.id);
    const system = { mesh, actor: SYSTEM_ACTOR, correlationId: crypto.randomUUID() };
    const reason = `It was granted until ${grant.expiresAt?.toISOString()}.`;
    return beginRevoke(system, tx, { grant, reason, endsAs: 'EXPIRED' });
  });
}
