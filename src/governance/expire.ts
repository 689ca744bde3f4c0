import { SYSTEM_ACTOR } from '../events/types.js';
import type { LaneKey } from '../provisioning/lane.js';
import type { Context } from './context.js';
import { beginRevoke } from './revoke.js';
import { lockGrant } from './rows.js';
import { inTransaction } from './transaction.js';

/** What Meshgate needs to act by the clock. */
type SystemContext = Pick<Context, 'db' | 'mesh' | 'committed'>;

/**
 * Ends grants whose time has come by the database's clock, one transaction each, so that a long list blocks no revoke and one that
 * fails holds back no other. Several workers share the work: a locked grant is somebody else's. Returns how many were ended;
 * call again at once while it returns `limit`. Throws AggregateError at the end where some could not be ended; they stay due.
 */
export async function expireDueGrants(ctx: SystemContext, limit = 200): Promise<number> {
  const due = await ctx.db.$queryRaw<{ id: string }[]>`
    SELECT "id" FROM "AccessGrant" WHERE "expiresAt" <= now() AND "status" IN ('PROVISIONING', 'ACTIVE', 'FAILED')
    ORDER BY "expiresAt" LIMIT ${limit}`;
  let ended = 0;
  const failures: unknown[] = [];
  for (const { id } of due) {
    try {
      const lanes = await expire(ctx, id);
      if (lanes === null) continue;
      ctx.committed(lanes);
      ended += 1;
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0)
    throw new AggregateError(failures, `${failures.length} of ${due.length} due grants could not be ended`);
  return ended;
}

/** Ends one grant; null where another worker has it, or it is not due any more. */
function expire({ db, mesh }: SystemContext, id: string): Promise<LaneKey[] | null> {
  return inTransaction(db, async (tx) => {
    const [due] = await tx.$queryRaw<{ id: string }[]>`
      SELECT "id" FROM "AccessGrant"
      WHERE "id" = ${id}::uuid AND "expiresAt" <= now() AND "status" IN ('PROVISIONING', 'ACTIVE', 'FAILED')
      FOR NO KEY UPDATE SKIP LOCKED`;
    if (due === undefined) return null;
    const grant = await lockGrant(tx, due.id);
    const system = { mesh, actor: SYSTEM_ACTOR, correlationId: crypto.randomUUID() };
    const reason = `It was granted until ${grant.expiresAt?.toISOString()}.`;
    return beginRevoke(system, tx, { grant, reason, endsAs: 'EXPIRED' });
  });
}
