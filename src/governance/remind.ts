import { announceAccess } from './announce.js';
import { bySystem, type Context } from './context.js';
import { isLive, lockGrant } from './rows.js';
import { inTransaction } from './transaction.js';

interface Due {
  id: string;
  days: number;
}

/**
 * Says of grants that they end soon, by the database's clock: once for each of these numbers of days before the end, the nearest
 * one alone where several have passed. A grant that was given for no longer than that is not spoken of at once. One transaction each; several
 * workers share the work. Returns how many were reminded; call again at once while it returns `limit`.
 */
export async function remindOfEnds(
  ctx: Pick<Context, 'db' | 'committed'>,
  days: readonly number[],
  limit = 200,
): Promise<number> {
  const due = await ctx.db.$queryRaw<Due[]>`
    SELECT access."id"::text, min(reminder."days") AS "days"
    FROM "AccessGrant" access JOIN unnest(${days}::int[]) AS reminder("days")
      ON access."expiresAt" <= now() + reminder."days" * interval '1 day'
      AND access."expiresAt" - access."createdAt" > reminder."days" * interval '1 day'
    WHERE access.${isLive} AND access."expiresAt" > now()
    GROUP BY access."id", access."remindedDays", access."expiresAt"
    HAVING coalesce(access."remindedDays" > min(reminder."days"), true)
    ORDER BY access."expiresAt" LIMIT ${limit}`;
  let reminded = 0;
  for (const { id, days } of due) {
    if (!(await remind(ctx, { id, days }))) continue;
    ctx.committed([]);
    reminded += 1;
  }
  return reminded;
}

/** Reminds of one grant; false where another worker has it, or its end has moved. */
function remind({ db }: Pick<Context, 'db'>, { id, days }: Due): Promise<boolean> {
  return inTransaction(db, async (tx) => {
    const [due] = await tx.$queryRaw<{ id: string }[]>`
      SELECT "id" FROM "AccessGrant"
      WHERE "id" = ${id}::uuid AND ${isLive} AND "expiresAt" > now()
        AND "expiresAt" <= now() + ${days}::int * interval '1 day' AND coalesce("remindedDays" > ${days}::int, true)
      FOR NO KEY UPDATE SKIP LOCKED`;
    if (due === undefined) return false;
    const grant = await lockGrant(tx, id);
    await tx.accessGrant.update({ where: { id }, data: { remindedDays: days } });
    const { request, expiresAt } = grant;
    const data = { expiresAt, days, principals: request.principals, purpose: request.purpose };
    await announceAccess(tx, bySystem(), { type: 'AccessExpiring', access: grant, data });
    return true;
  });
}
