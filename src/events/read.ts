import type { Pool, PoolClient, QueryResultRow } from 'pg';
import type { Actor, Audience, EventSubject, EventType, LogEvent } from './types.js';

/** The publisher's name among the readers of the log that keep a cursor. */
export const PUBLISHER = 'eventbridge';

/** The webhook sender's name among them: what it sums up, the place of each webhook, is kept with the webhooks. */
export const WEBHOOKS = 'webhooks';

/** Anything that runs a query: the pool, or one of its connections. */
export type Queryable = Pool | PoolClient;

/** A row of "Event" as pg gives it. */
export interface EventRow extends QueryResultRow {
  seq: string;
  id: string;
  type: EventType;
  version: number;
  subject: EventSubject;
  subjectId: string;
  domainId: string | null;
  productId: string | null;
  audiencePublic: boolean;
  audienceDomains: string[];
  audienceSubjects: string[];
  actor: Actor;
  correlationId: string;
  causationId: string | null;
  occurredAt: Date;
  data: Record<string, unknown>;
}

/** The columns that `toLogEvent` needs, for a select list. */
export const EVENT_COLUMNS = `"seq", "id", "type", "version", "subject", "subjectId", "domainId", "productId", "audiencePublic",
  "audienceDomains", "audienceSubjects", "actor", "correlationId", "causationId", "occurredAt", "data"`;

/** A stored row as readers of the log see it. */
export function toLogEvent(row: EventRow): LogEvent {
  const audience: Audience = {
    public: row.audiencePublic,
    domains: row.audienceDomains,
    subjects: row.audienceSubjects,
  };
  return {
    seq: BigInt(row.seq),
    id: row.id,
    type: row.type,
    version: row.version,
    subject: row.subject,
    subjectId: row.subjectId,
    domainId: row.domainId,
    productId: row.productId,
    audience,
    actor: row.actor,
    correlationId: row.correlationId,
    causationId: row.causationId,
    occurredAt: row.occurredAt,
    data: row.data,
  };
}

/** Which part of the log to read: numbers above `after`, up to `upTo` where given. */
export interface Page {
  after: bigint;
  upTo?: bigint;
  limit: number;
}

/** Numbered events in order. Whoever may see them is the caller's to decide. */
export async function readEvents(db: Queryable, { after, upTo, limit }: Page): Promise<LogEvent[]> {
  const { rows } = await db.query<EventRow>(
    within10Seconds({
      name: 'read_events',
      text: `SELECT ${EVENT_COLUMNS} FROM "Event" WHERE "seq" > $1 AND "seq" <= $2 ORDER BY "seq" LIMIT $3`,
      values: [after, upTo ?? 2n ** 63n - 1n, limit],
    }),
  );
  return rows.map(toLogEvent);
}

/** The last number given (0: none yet) and the first still stored (null: none). */
export async function readBounds(db: Queryable): Promise<{ head: bigint; first: bigint | null }> {
  const { rows } = await db.query<{ head: string; first: string | null }>(
    within10Seconds({
      text: `SELECT (SELECT "seq" FROM "EventHead") AS "head", (SELECT min("seq") FROM "Event") AS "first"`,
    }),
  );
  const { head, first } = rows[0]!;
  return { head: BigInt(head), first: first === null ? null : BigInt(first) };
}

/**
 * Gives a query a deadline on our side: on a connection that died without a word it would wait for ever.
 * (pg takes `query_timeout` per query; its types know it per client only.)
 */
export function within10Seconds<Query extends { text: string }>(query: Query): Query & { query_timeout: number } {
  return { ...query, query_timeout: 10_000 };
}
