import type { PoolClient } from 'pg';
import { type MeshEventFilter, matches } from './filter.js';
import { type Queryable, readEvents, within10Seconds } from './read.js';
import type { LogEvent } from './types.js';
import { uuidv7 } from './uuid.js';
import type { WebhookRoom } from './webhook-room.js';

/** What of an event a domain's webhook may be sent, or (null) one of the whole mesh; undefined: nothing. */
export type Tell = (domainId: string | null, event: LogEvent) => LogEvent | undefined;

/** A webhook that is on, and its place in the log. */
interface Behind {
  id: string;
  domainId: string | null;
  filter: MeshEventFilter;
  position: string;
}

const PAGE = 500;

export interface MakingOptions {
  tell: Tell;
  room: WebhookRoom;
}

/**
 * Reads on in the log for every webhook that is on and has room, a page for each place that some have come to, and makes a delivery of each
 * event that one wants and may get. Deliveries and place are written at once, so that none is lost or made twice. Answers whether there is
 * more, and those whose next event is no longer stored.
 */
export async function makeDeliveries(
  connection: PoolClient,
  { tell, room }: MakingOptions,
): Promise<{ more: boolean; missed: string[] }> {
  const { rows } = await connection.query<Behind>(
    within10Seconds({
      name: 'webhooks_behind',
      text: `SELECT w."id", w."domainId", w."filter", p."position" FROM "Webhook" w JOIN "WebhookProgress" p ON p."webhookId" = w."id"
        WHERE w."removedAt" IS NULL AND w."status" = 'ENABLED' AND p."position" < (SELECT "seq" FROM "EventHead")`,
    }),
  );
  let more = false;
  const missed: string[] = [];
  for (const [position, webhooks] of byPlace(await room.filter(connection, rows))) {
    const after = BigInt(position);
    const events = await readEvents(connection, { after, limit: PAGE });
    if (events[0]?.seq !== after + 1n) missed.push(...webhooks.map(({ id }) => id));
    else await insert(connection, { webhooks, events, tell, room });
    more ||= events.length === PAGE;
  }
  return { more, missed };
}

function byPlace(behind: readonly Behind[]): Map<string, Behind[]> {
  const places = new Map<string, Behind[]>();
  for (const webhook of behind) {
    const there = places.get(webhook.position);
    if (there) there.push(webhook);
    else places.set(webhook.position, [webhook]);
  }
  return places;
}

/** All of these webhooks came to the same place, which the events follow. */
async function insert(
  connection: PoolClient,
  { webhooks, events, tell, room }: MakingOptions & { webhooks: readonly Behind[]; events: readonly LogEvent[] },
): Promise<void> {
  const rows = webhooks.flatMap(({ id, domainId, filter }) => {
    const wanted = matches(filter, `webhook:${id}`);
    const made = events.filter((event) => wanted(event) && tell(domainId, event) !== undefined);
    room.take(id, made.length);
    return made.map(({ seq, id: messageId, type, subjectId }) => ({
      ...{ id: uuidv7(), webhookId: id, messageId, seq: String(seq) },
      ...{ eventType: type, subjectId },
    }));
  });
  await connection.query(
    within10Seconds({
      name: 'make_webhook_deliveries',
      // Whose place was moved meanwhile gets none. Of each subject the earliest alone has a time; the next gets one as that is over.
      text: `WITH moved AS (
          UPDATE "WebhookProgress" SET "position" = $2 WHERE "webhookId" = ANY ($3::uuid[]) AND "position" = $4 RETURNING "webhookId")
        INSERT INTO "WebhookDelivery" ("id", "webhookId", "messageId", "seq", "eventType", "subjectId", "nextAttemptAt")
        SELECT r.*, CASE WHEN row_number() OVER (PARTITION BY r."webhookId", r."subjectId" ORDER BY r."seq") = 1 AND NOT EXISTS (
          SELECT FROM "WebhookDelivery" d WHERE d."webhookId" = r."webhookId" AND d."subjectId" = r."subjectId" AND d."status" = 'PENDING'
            AND d."seq" < r."seq") THEN now() END
        FROM jsonb_to_recordset($1) AS r ("id" uuid, "webhookId" uuid, "messageId" uuid, "seq" bigint, "eventType" text, "subjectId" uuid)
        WHERE r."webhookId" IN (SELECT "webhookId" FROM moved)`,
      values: [JSON.stringify(rows), events.at(-1)?.seq, webhooks.map(({ id }) => id), webhooks[0]?.position],
    }),
  );
}

/** What no reader of the log needs any more: the least place of the webhooks that are on, or the head. */
export async function readLeastPosition(connection: PoolClient): Promise<bigint> {
  const { rows } = await connection.query<{ least: string }>(
    within10Seconds({
      name: 'least_webhook_position',
      text: `SELECT least((SELECT "seq" FROM "EventHead"), min(p."position")) AS "least" FROM "Webhook" w
        JOIN "WebhookProgress" p ON p."webhookId" = w."id" WHERE w."removedAt" IS NULL AND w."status" = 'ENABLED'`,
    }),
  );
  return BigInt(rows[0]!.least);
}

/** Forgets deliveries of a month ago that are over, with their attempts, a thousand at a time, the oldest first. Answers whether there may be more. */
export async function forgetDeliveries(db: Queryable): Promise<boolean> {
  const { rowCount } = await db.query(
    within10Seconds({
      text: `DELETE FROM "WebhookDelivery" WHERE "id" IN (SELECT "id" FROM "WebhookDelivery"
        WHERE "status" <> 'PENDING' AND "createdAt" < now() - interval '30 days' ORDER BY "createdAt" LIMIT 1000 FOR UPDATE SKIP LOCKED)`,
    }),
  );
  return rowCount === 1_000;
}
