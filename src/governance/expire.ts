import type { LaneKey } from '../provisioning/lane.js';
import { asSystem, type SystemContext } from './context.js';
import { beginRevoke } from './revoke.js';
import { isLive, readGrant } from './rows.js';
import { inTransaction } from './transaction.js';

interface Expiry {
  /** Told of each grant that could not be ended; it stays due. */
  failed: (accessGrantId: string, error: unknown) => void;
  /** Once aborted, no further grant is begun. */
  signal?: AbortSignal;
}

interface Due {
  id: string;
  /** In microseconds, as text: nothing is lost between one page and the next. */
  expiresAt: string;
}

const PAGE = 200;
/** Transactions at once: while one waits for Postgres, the next is worked on. */
const AT_ONCE = 4;
/** Lanes are woken this often while a list is worked on, in milliseconds: a worker woken by each grant would run ahead of the list, a call a grant. */
const WAKE_MS = 1_000;

/**
 * Ends all grants whose time has come by the database's clock, one transaction each, so that a long list blocks no revoke and those
 * that fail hold back no other. Several workers share the work: a locked grant is somebody else's. Returns how many were ended.
 */
export async function expireDueGrants(ctx: SystemContext, { failed, signal }: Expiry): Promise<number> {
  let ended = 0;
  let asleep: LaneKey[] = [];
  let wokenAt = Date.now();
  const wake = () => {
    if (asleep.length > 0) ctx.committed(asleep);
    asleep = [];
    wokenAt = Date.now();
  };
  let page = await dueGrants(ctx, null);
  const endOne = async (id: string): Promise<void> => {
    try {
      const lanes = await expire(ctx, id);
      if (lanes === null) return;
      asleep.push(...lanes);
      ended += 1;
    } catch (error) {
      failed(id, error);
    }
    if (Date.now() - wokenAt >= WAKE_MS) wake();
  };
  while (page.length > 0 && !signal?.aborted) {
    const left = page.values();
    const endOthers = async (): Promise<void> => {
      for (const { id } of left) {
        if (signal?.aborted) return;
        await endOne(id);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, endOthers));
    page = page.length < PAGE ? [] : await dueGrants(ctx, page.at(-1) as Due);
  }
  wake();
  return ended;
}

/** One page of due grants, those whose time came first before the others, after the last one of the page before. */
function dueGrants({ db }: SystemContext, after: Due | null): Promise<Due[]> {
  const { expiresAt, id } = after ?? { expiresAt: '-infinity', id: '00000000-0000-0000-0000-000000000000' };
  return db.$queryRaw<Due[]>`
    SELECT "id"::text, "expiresAt"::text FROM "AccessGrant"
    WHERE "expiresAt" <= now() AND ${isLive}
      AND ("expiresAt", "id") > (${expiresAt}::timestamptz, ${id}::uuid)
    ORDER BY "expiresAt", "id" LIMIT ${PAGE}`;
}

/** Ends one grant; null where another worker has it, or it is not due any more. */
function expire({ db, mesh }: SystemContext, id: string): Promise<LaneKey[] | null> {
  return inTransaction(db, async (tx) => {
    const [due] = await tx.$queryRaw<{ id: string }[]>`
      SELECT "id" FROM "AccessGrant"
      WHERE "id" = ${id}::uuid AND "expiresAt" <= now() AND ${isLive}
      FOR NO KEY UPDATE SKIP LOCKED`;
    if (due === undefined) return null;
    const grant = await readGrant(tx, due.id);
    const reason = `It was granted until ${grant.expiresAt?.toISOString()}.`;
    return beginRevoke(asSystem({ mesh }), tx, { grant, reason, endsAs: 'EXPIRED' });
  });
}
