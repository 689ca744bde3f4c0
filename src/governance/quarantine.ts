import { type PrismaClient, QuarantineReason } from '../generated/prisma/client.js';
import type { Tx } from './transaction.js';

/** What one account can have held: what it sends beyond goes to the queue of undelivered messages. */
const MOST_HELD = 1_000;
const MOST_HELD_BYTES = 64 * 1_024 * 1_024;

/** There is no room for another held event of the account. */
export class QuarantineFull extends Error {}

/** An event to be held, with what could be read of it. */
interface Held {
  key: string;
  body: string;
  account: string | null;
  eventId: string | null;
  source: string | null;
  detailType: string | null;
  reason: QuarantineReason;
  explanation: string;
}

/** Holds an event with the reason. Throws QuarantineFull where its account has as many held as it may. */
export async function hold(tx: Tx, { body, ...event }: Held): Promise<void> {
  const [held] = await tx.$queryRaw<{ count: number; bytes: number }[]>`
    SELECT count(*)::int AS "count", coalesce(sum("bytes"), 0)::float8 AS "bytes" FROM "QuarantinedEvent"
    WHERE "account" IS NOT DISTINCT FROM ${event.account} AND "status" = 'HELD'`;
  const bytes = Buffer.byteLength(body);
  if ((held?.count ?? 0) >= MOST_HELD || (held?.bytes ?? 0) + bytes > MOST_HELD_BYTES) throw new QuarantineFull();
  await tx.quarantinedEvent.create({ data: { ...event, body, bytes }, select: { id: true } });
}

/** Events of one account that nothing else is known of. */
export interface Unheard {
  account: string;
  events: { key: string; detailType: string | null }[];
}

/**
 * Which of the events, by their place, are sure to find no room, as their account has as many held as it may, no such type is registered,
 * and they did not come before: one statement, however many they are.
 */
export async function withoutRoom(db: PrismaClient, { account, events }: Unheard): Promise<Set<number>> {
  const rows = await db.$queryRaw<{ place: number }[]>`
    SELECT (event."place" - 1)::int AS "place"
    FROM unnest(${events.map(({ key }) => key)}::text[], ${events.map(({ detailType }) => detailType)}::text[])
      WITH ORDINALITY AS event("key", "detailType", "place")
    WHERE (SELECT count(*) >= ${MOST_HELD} OR sum("bytes") >= ${MOST_HELD_BYTES} FROM "QuarantinedEvent"
        WHERE "account" = ${account} AND "status" = 'HELD')
      AND NOT EXISTS (SELECT FROM "ReceivedEvent" known WHERE known."key" = event."key")
      AND NOT EXISTS (SELECT FROM "DomainEventType" type JOIN "Domain" domain ON domain."id" = type."domainId"
        WHERE domain."awsAccountId" = ${account} AND type."detailType" = event."detailType" AND type."removedAt" IS NULL)`;
  return new Set(rows.map(({ place }) => place));
}

/** What is held for one reason and waits for somebody. */
export interface HeldEvents {
  reason: QuarantineReason;
  count: number;
  /** Age of the oldest of them; 0 where there is none. */
  oldestSeconds: number;
}

/** Counts what is held, for every reason there is: one statement. */
export async function countHeldEvents(db: PrismaClient): Promise<HeldEvents[]> {
  const held = await db.$queryRaw<HeldEvents[]>`
    SELECT "reason", count(*)::int AS "count", extract(epoch FROM now() - min("receivedAt"))::float8 AS "oldestSeconds"
    FROM "QuarantinedEvent" WHERE "status" = 'HELD' GROUP BY "reason"`;
  const none = { count: 0, oldestSeconds: 0 };
  return Object.values(QuarantineReason).map(
    (reason) => held.find((one) => one.reason === reason) ?? { reason, ...none },
  );
}

/** What came in is known for so long: longer than any queue keeps a message. The database refuses to forget sooner. */
const KEPT_DAYS = 30;

/** Forgets which events came in, and those that were held, after a month. Returns how many rows. */
export async function forgetReceivedEvents(db: PrismaClient): Promise<number> {
  const known =
    await db.$executeRaw`DELETE FROM "ReceivedEvent" WHERE "receivedAt" < now() - ${KEPT_DAYS} * interval '1 day'`;
  const held =
    await db.$executeRaw`DELETE FROM "QuarantinedEvent" WHERE "receivedAt" < now() - ${KEPT_DAYS} * interval '1 day'`;
  return known + held;
}
