import type { PoolClient } from 'pg';
import { type MeshEventFilter, matches } from './filter.js';
import { type Queryable, readEvents, within10Seconds } from './read.js';
import type { LogEvent } from './types.js';
import { uuidv7 } from './uuid.js';

/** What of an event a domain's webhook may be sent, or (null) one of the whole mesh; undefined: nothing. */
export type Tell = (domainId: string | null, event: LogEvent) => LogEvent | undefined;

/** Webhooks that came to the same place in the log. */
interface Group {
  position: string;
  webhooks: { id: string; domainId: string | null; filter: MeshEventFilter }[];
}

const PAGE = 500;

/**
 * Reads on in the log for every webhook that is on, a page for each place that some have come to, and makes a delivery of each event that
 * one wants and may get. Deliveries and place are written at once, so that none is lost or made twice. Answers whether there is more, and
 * those whose next event is no longer stored.
 */
export async function makeDeliveries(connection: PoolClient, tell: Tell): Promise<{ more: boolean; missed: string[] }> {
  const { rows: groups } = await connection.query<Group>(
    within10Seconds({
      name: 'webhooks_behind',
      text: `SELECT p."position", json_agg(json_build_object('id', w."id", 'domainId', w."domainId", 'filter', w."filter")) AS "webhooks"
        FROM "Webhook" w JOIN "WebhookProgress" p ON p."webhookId" = w."id"
        WHERE w."removedAt" IS NULL AND w."status" = 'ENABLED' AND p."position" < (SELECT "seq" FROM "EventHead") GROUP BY p."position"`,
    }),
  );
  let more = false;
  const missed: string[] = [];
  for (const group of groups) {
    const after = BigInt(group.position);
    const events = await readEvents(connection, { after, limit: PAGE });
    if (events[0]?.seq !== after + 1n) missed.push(...group.webhooks.map(({ id }) => id));
    else await insert(connection, { group, events, tell });
    more ||= events.length === PAGE;
  }
  return { more, missed };
}

async function insert(
  connection: PoolClient,
  { group, events, tell }: { group: Group; events: LogEvent[]; tell: Tell },
): Promise<void> {
  const rows = group.webhooks.flatMap(({ id, domainId, filter }) => {
    const wanted = matches(filter, `webhook:${id}`);
    return events
      .filter((event) => wanted(event) && tell(domainId, event) !== undefined)
      .map(({ seq, id: messageId, type, subjectId }) => ({
        ...{ id: uuidv7(), webhookId: id, messageId, seq: String(seq) },
        ...{ eventType: type, subjectId },
      }));
  });
  await connection.query(
    within10Seconds({
      name: 'make_webhook_deliveries',
      text: `WITH made AS (
          INSERT INTO "WebhookDelivery" ("id", "webhookId", "messageId", "seq", "eventType", "subjectId")
          SELECT * FROM jsonb_to_recordset($1) AS r ("id" uuid, "webhookId" uuid, "messageId" uuid, "seq" bigint, "eventType" text,
            "subjectId" uuid)
          ON CONFLICT ("webhookId", "messageId") DO NOTHING)
        UPDATE "WebhookProgress" SET "position" = $2 WHERE "webhookId" = ANY ($3::uuid[]) AND "position" = $4`,
      values: [JSON.stringify(rows), events.at(-1)?.seq, group.webhooks.map(({ id }) => id), group.position],
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
