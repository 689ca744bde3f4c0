import type { PoolClient } from 'pg';
import { createDomainNames, type DomainNames, toEntry } from './entries.js';
import { EVENT_COLUMNS, type EventRow, toLogEvent, within10Seconds } from './read.js';
import type { LogEvent } from './types.js';
import { uuidv7 } from './uuid.js';
import type { Tell } from './webhook-deliveries.js';
import type { Message, PostOutcome } from './webhook-post.js';
import type { SecretName, WebhookSecrets } from './webhook-secret.js';

/** How often and how long a receiver is tried. */
export interface WebhookTimes {
  /** Waits between the tries of one delivery, each 20 % more or less; one try more than waits. */
  retriesMs: readonly number[];
  /** Above four failures on end, all deliveries of a webhook wait: this, then twice and so on, up to 300 times. */
  pauseMs: number;
  /** A webhook of which every attempt failed for so long is disabled. */
  disableAfterMs: number;
  /** After so long a webhook begins no more before others had their turn. */
  turnMs: number;
}

const SECOND = 1_000;
const HOUR = 3_600 * SECOND;
/** Eight tries within some twelve hours. */
export const WEBHOOK_TIMES: WebhookTimes = {
  retriesMs: [5 * SECOND, 30 * SECOND, 120 * SECOND, 600 * SECOND, HOUR, 3 * HOUR, 8 * HOUR],
  pauseMs: SECOND,
  disableAfterMs: 24 * HOUR,
  turnMs: 5 * SECOND,
};

/** Why the sender disables a webhook: its receiver said 410, or has failed for too long, or the log no longer has what comes next. */
export type DisableReason = 'GONE' | 'FAILING' | 'MISSED_EVENTS';

/** What the deliveries of webhooks are made with. */
export interface LaneOptions {
  /** Every query goes over it: where it is lost, so is the right to deliver. */
  connection: PoolClient;
  secrets: WebhookSecrets;
  tell: Tell;
  send: (message: Message) => Promise<PostOutcome>;
  disable: (webhookId: string, reason: DisableReason) => Promise<void>;
  times: WebhookTimes;
}

interface DueRow {
  id: string;
  kind: 'EVENT' | 'PING';
  messageId: string;
  seq: string | null;
  attempts: number;
  url: string;
  name: string;
  domainId: string | null;
  secretVersion: number;
  previousHolds: boolean;
  createdAt: Date;
}

const AT_ONCE = 4;
/** Then a lane ends although more is due: its place is for whichever webhook waits. */
const IN_A_TURN = 32;

/**
 * Delivers what is due for one webhook, four at once, of each subject the earliest first and the next only when that is done with. Ends when
 * nothing is due, when its turn is over, or at the signal, and then when what it began is done; answers whether there may be more.
 */
export async function runLane(options: LaneOptions, webhookId: string, signal: AbortSignal): Promise<boolean> {
  const { connection, times } = options;
  const namesOf = createDomainNames();
  const underWay = new Map<string, Promise<void>>();
  const over = performance.now() + times.turnMs;
  try {
    for (let begun = 0; begun < IN_A_TURN && performance.now() < over; ) {
      const due = await readDue(connection, { webhookId, underWay: [...underWay.keys()] });
      if (signal.aborted || (due.length === 0 && underWay.size === 0)) return false;
      const events = await readNamed(connection, due);
      for (const row of due) {
        const delivery = deliver(options, { webhookId, row, event: events.get(row.seq ?? ''), namesOf });
        underWay.set(
          row.id,
          delivery.finally(() => underWay.delete(row.id)),
        );
      }
      begun += due.length;
      // Of nothing a race is never won.
      if (underWay.size > 0) await Promise.race(underWay.values());
    }
    return true;
  } finally {
    await Promise.allSettled(underWay.values());
  }
}

/**
 * What may begin beside what is under way, pings first, then whatever waited longest. It reads a few rows, however many wait: what is behind
 * another of its subject has no time, and is in no index that is read here.
 */
async function readDue(
  connection: PoolClient,
  { webhookId, underWay }: { webhookId: string; underWay: readonly string[] },
): Promise<DueRow[]> {
  const { rows } = await connection.query<DueRow>(
    within10Seconds({
      name: 'webhook_due',
      text: `SELECT d."id", d."kind", d."messageId", d."seq", d."attempts", d."createdAt", w."url", w."name", w."domainId", w."secretVersion",
          coalesce(w."previousSecretEndsAt" > now(), false) AS "previousHolds"
        FROM "Webhook" w JOIN "WebhookProgress" p ON p."webhookId" = w."id" CROSS JOIN LATERAL (
          (SELECT * FROM "WebhookDelivery" WHERE "webhookId" = $1 AND "status" = 'PENDING' AND "kind" = 'PING' AND "nextAttemptAt" <= now()
              AND "id" <> ALL ($2::uuid[]) ORDER BY "nextAttemptAt", "seq" LIMIT ${AT_ONCE})
          UNION ALL
          (SELECT * FROM "WebhookDelivery" e WHERE "webhookId" = $1 AND "status" = 'PENDING' AND "kind" = 'EVENT' AND "nextAttemptAt" <= now()
              AND w."status" = 'ENABLED' AND coalesce(p."pausedUntil" <= now(), true) AND "id" <> ALL ($2::uuid[])
              AND "seq" = (SELECT min("seq") FROM "WebhookDelivery" WHERE "webhookId" = $1 AND "subjectId" = e."subjectId" AND "status" = 'PENDING')
            ORDER BY "nextAttemptAt", "seq" LIMIT ${AT_ONCE})) d
        WHERE w."id" = $1 AND w."removedAt" IS NULL`,
      values: [webhookId, underWay],
    }),
  );
  return rows.slice(0, AT_ONCE - underWay.length);
}

async function readNamed(connection: PoolClient, due: readonly DueRow[]): Promise<Map<string, LogEvent>> {
  const seqs = due.flatMap(({ seq }) => seq ?? []);
  if (seqs.length === 0) return new Map();
  const { rows } = await connection.query<EventRow>(
    within10Seconds({
      name: 'webhook_events',
      text: `SELECT ${EVENT_COLUMNS} FROM "Event" WHERE "seq" = ANY ($1::bigint[])`,
      values: [seqs],
    }),
  );
  return new Map(rows.map((row) => [row.seq, toLogEvent(row)]));
}

interface Delivering {
  webhookId: string;
  row: DueRow;
  event: LogEvent | undefined;
  namesOf: DomainNames;
}

async function deliver(options: LaneOptions, { webhookId, row, event, namesOf }: Delivering): Promise<void> {
  const body = await bodyOf(options, { row, event, namesOf });
  const startedAt = new Date();
  const outcome =
    body === undefined
      ? { statusCode: null, error: 'The event may not be sent, or is no longer stored.', retryAfterMs: null }
      : await options.send(signed(options.secrets, { webhookId, row, body, at: startedAt }));
  const over = body === undefined || row.kind === 'PING' || outcome.statusCode === 410;
  const failing = await note(options, { webhookId, row, startedAt, outcome, over });
  // Who is gone is so whatever it was asked (Standard Webhooks, 410 Gone); one ping that fails says nothing of the events.
  if (outcome.statusCode === 410) await options.disable(webhookId, 'GONE');
  else if (failing && row.kind !== 'PING') await options.disable(webhookId, 'FAILING');
}

/** As EventBridge carries it, under the names of Standard Webhooks; the same bytes at every try. */
async function bodyOf(
  { connection, tell }: LaneOptions,
  { row, event, namesOf }: Omit<Delivering, 'webhookId'>,
): Promise<string | undefined> {
  if (row.kind === 'PING')
    return JSON.stringify({ type: 'Ping', timestamp: row.createdAt.toISOString(), data: { webhook: row.name } });
  // Asked anew at each try: who may hear of it may have changed.
  const told = event && tell(row.domainId, event);
  if (told === undefined) return undefined;
  const names = await namesOf(connection, told.audience.domains);
  const { detail } = toEntry(told, { bus: '', names });
  const head = JSON.stringify({ type: told.type, timestamp: told.occurredAt.toISOString() });
  return `${head.slice(0, -1)},"data":${detail}}`;
}

function signed(
  secrets: WebhookSecrets,
  { webhookId, row, body, at }: { webhookId: string; row: DueRow; body: string; at: Date },
): Message {
  const names: SecretName[] = [{ webhookId, version: row.secretVersion }];
  if (row.previousHolds) names.push({ webhookId, version: row.secretVersion - 1 });
  return {
    url: row.url,
    body,
    headers: {
      'content-type': 'application/json',
      'user-agent': 'Meshgate',
      'webhook-id': row.messageId,
      'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
      'webhook-signature': secrets.sign(names, { id: row.messageId, at, body }),
    },
  };
}

interface Attempt {
  webhookId: string;
  row: DueRow;
  startedAt: Date;
  outcome: PostOutcome;
  /** It is not tried again. */
  over: boolean;
}

/** Writes down one attempt and what follows from it, for the next of its subject too; answers whether every attempt has failed for too long. */
async function note({ connection, times }: LaneOptions, attempt: Attempt): Promise<boolean> {
  const { webhookId, row, startedAt, outcome, over } = attempt;
  const ok = outcome.error === null;
  const wait = times.retriesMs[row.attempts];
  const again = ok || over || wait === undefined ? null : Math.max(jittered(wait), outcome.retryAfterMs ?? 0);
  const { rows } = await connection.query<{ failing: boolean }>(
    within10Seconds({
      name: 'note_webhook_attempt',
      text: `WITH tried AS (
          UPDATE "WebhookDelivery" SET "attempts" = "attempts" + 1, "nextAttemptAt" = now() + $3::float8 * interval '1 ms',
            "status" = (CASE WHEN $2::boolean THEN 'SUCCEEDED' WHEN $3::float8 IS NULL THEN 'FAILED' ELSE 'PENDING' END)::"WebhookDeliveryStatus"
          WHERE "id" = $1 AND "status" = 'PENDING' RETURNING *),
        next AS (
          UPDATE "WebhookDelivery" SET "nextAttemptAt" = now() WHERE "status" = 'PENDING' AND "nextAttemptAt" IS NULL AND "id" = (
            SELECT n."id" FROM tried t CROSS JOIN LATERAL (
              SELECT "id" FROM "WebhookDelivery" WHERE "webhookId" = t."webhookId" AND "subjectId" = t."subjectId" AND "status" = 'PENDING'
                AND "kind" = 'EVENT' AND "id" <> t."id" ORDER BY "seq" LIMIT 1) n WHERE t."status" <> 'PENDING')),
        noted AS (
          INSERT INTO "WebhookAttempt" ("id", "deliveryId", "number", "startedAt", "milliseconds", "statusCode", "error")
          SELECT $4::uuid, "id", "attempts", $5::timestamptz, $6::int, $7::int, $8::text FROM tried)
        UPDATE "WebhookProgress" SET "failures" = CASE WHEN $2::boolean THEN 0 ELSE "failures" + 1 END,
          "failingSince" = CASE WHEN $2::boolean THEN NULL ELSE coalesce("failingSince", $5::timestamptz) END,
          "pausedUntil" = CASE WHEN $2::boolean THEN NULL WHEN $9::float8 IS NOT NULL THEN now() + $9::float8 * interval '1 ms'
            WHEN "failures" >= 4 THEN now() + $10::float8 * least(300, power(2, least("failures" - 4, 9))) * interval '1 ms'
            ELSE "pausedUntil" END
        WHERE "webhookId" = $11 AND $12::boolean RETURNING coalesce("failingSince" <= now() - $13::float8 * interval '1 ms', false) AS "failing"`,
      values: [
        ...[row.id, ok, again, uuidv7(), startedAt, Date.now() - startedAt.getTime()],
        ...[outcome.statusCode, outcome.error, outcome.retryAfterMs],
        ...[times.pauseMs, webhookId, row.kind === 'EVENT', times.disableAfterMs],
      ],
    }),
  );
  return rows[0]?.failing ?? false;
}

const jittered = (ms: number): number => ms * (0.8 + 0.4 * Math.random());
