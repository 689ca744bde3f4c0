import { type Queryable, within10Seconds } from './read.js';

/** So many deliveries of one webhook wait, and a page more; what comes after stays in the log alone until some are over. */
export const MOST_WAITING = 10_000;
const RECOUNT_MS = 1_000;

/** For how many more deliveries a webhook has room. */
export interface WebhookRoom {
  /** Of these, those that have any. */
  filter<Behind extends { id: string }>(db: Queryable, behind: readonly Behind[]): Promise<Behind[]>;
  /** Notes that so many more wait for it. */
  take(id: string, count: number): void;
}

/** Counts what waits only where room may have run out, and of one webhook once a second at most: to count many takes long. */
export function createWebhookRoom(): WebhookRoom {
  const known = new Map<string, { left: number; countedAt: number }>();

  async function count(db: Queryable, ids: readonly string[]): Promise<void> {
    const { rows } = await db.query<{ id: string; waiting: string }>(
      within10Seconds({
        name: 'count_waiting_deliveries',
        // In the order of an index, so that it is read no further than to the limit.
        text: `SELECT w."id", (SELECT count(*) FROM (
            SELECT FROM "WebhookDelivery" WHERE "webhookId" = w."id" AND "status" = 'PENDING' ORDER BY "subjectId", "seq" LIMIT $2) d) AS "waiting"
          FROM unnest($1::uuid[]) w ("id")`,
        values: [ids, MOST_WAITING],
      }),
    );
    const countedAt = performance.now();
    for (const { id, waiting } of rows) known.set(id, { left: MOST_WAITING - Number(waiting), countedAt });
  }

  return {
    async filter(db, behind) {
      const before = performance.now() - RECOUNT_MS;
      const ids = behind.map(({ id }) => id);
      const uncounted = ids.filter((id) => {
        const { left, countedAt } = known.get(id) ?? { left: 0, countedAt: Number.NEGATIVE_INFINITY };
        return left <= 0 && countedAt < before;
      });
      if (uncounted.length > 0) await count(db, uncounted);
      return behind.filter(({ id }) => known.get(id)!.left > 0);
    },
    take(id, taken) {
      const room = known.get(id);
      if (room) room.left -= taken;
    },
  };
}
