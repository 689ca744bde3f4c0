import { chunksOf } from '../provisioning/group.js';
import type { LaneKey } from '../provisioning/lane.js';
import { asSystem, type SystemContext } from './context.js';
import { beginRevokes } from './revoke.js';
import { isLive, readGrants } from './rows.js';
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
/** Grants that end in one transaction: readers of one table share most of what they let go of, so it is locked and changed once. */
const TOGETHER = 25;
/** Lanes are woken this often while a list is worked on, in milliseconds: a worker woken by each would run ahead of the list, a call a few grants. */
const WAKE_MS = 1_000;

/**
 * Ends all grants whose time has come by the database's clock, a few in a transaction, so that a long list blocks no revoke; where one
 * of them fails each gets its own, so that it holds back no other. Several workers share the work: a locked grant is somebody else's.
 * Returns how many were ended.
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
  const endAll = async (ids: string[]): Promise<void> => {
    try {
      const expired = await expire(ctx, ids);
      asleep.push(...expired.lanes);
      ended += expired.count;
    } catch (error) {
      if (ids.length > 1) for (const id of ids) await endAll([id]);
      else failed(ids[0] as string, error);
    }
    if (Date.now() - wokenAt >= WAKE_MS) wake();
  };
  let page = await dueGrants(ctx, null);
  while (page.length > 0 && !signal?.aborted) {
    for (const some of chunksOf(page, TOGETHER)) {
      if (signal?.aborted) break;
      await endAll(some.map(({ id }) => id));
    }
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

/** Ends those of the grants that are still due and that no other worker has. */
function expire({ db, mesh }: SystemContext, ids: string[]): Promise<{ count: number; lanes: LaneKey[] }> {
  return inTransaction(db, async (tx) => {
    const due = await tx.$queryRaw<{ id: string }[]>`
      SELECT "id"::text FROM "AccessGrant"
      WHERE "id" = ANY (${ids}::uuid[]) AND "expiresAt" <= now() AND ${isLive}
      ORDER BY "id" FOR NO KEY UPDATE SKIP LOCKED`;
    if (due.length === 0) return { count: 0, lanes: [] };
    const grants = await readGrants(
      tx,
      due.map(({ id }) => id),
    );
    const endings = grants.map((grant) => ({
      grant,
      reason: `It was granted until ${grant.expiresAt?.toISOString()}.`,
      endsAs: 'EXPIRED' as const,
    }));
    return { count: grants.length, lanes: await beginRevokes(asSystem({ mesh }), tx, endings) };
  });
}
