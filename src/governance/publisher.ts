import { z } from 'zod';
import { PUBLISHER } from '../events/read.js';
import { announcePublisher } from './announce.js';
import { assertCan } from './authorization.js';
import type { Context } from './context.js';
import { invalid, notFound, wrongState } from './error.js';
import { PUBLISHER_ID } from './global-id.js';
import { mutate, type Tx } from './transaction.js';
import { idempotencyKey, read, text, uuid } from './validation.js';

const MESH = { type: 'Mesh' } as const;
const IDS = { publisherId: PUBLISHER_ID };

const pausePublisherInput = z.object({ reason: text(1_000), idempotencyKey });
export type PausePublisherInput = z.input<typeof pausePublisherInput>;

/**
 * Holds up the sending of events in every process, over restarts too, until somebody lets it go on; the log grows meanwhile. A request
 * to EventBridge that is under way at the commit still goes out.
 */
export async function pausePublisher(ctx: Context, input: PausePublisherInput): Promise<typeof IDS> {
  const { reason } = read(pausePublisherInput, input);
  return operate(ctx, { mutation: 'pausePublisher', input }, async (tx) => {
    const before = await lockPublisher(tx);
    if (before?.pauseReason === reason) return {};
    const pausedBy = ctx.viewer.subject;
    await tx.$executeRaw`UPDATE "EventCursor" SET "pausedAt" = coalesce("pausedAt", now()), "pausedBy" = ${pausedBy}, "pauseReason" = ${reason}
      WHERE "reader" = ${PUBLISHER}`;
    await announcePublisher(tx, ctx, {
      type: 'PublisherPaused',
      data: { before, after: { pausedBy, pauseReason: reason } },
    });
    return {};
  });
}

const resumePublisherInput = z.object({
  from: z
    .string()
    .regex(/^[1-9]\d{0,17}$/, 'Give the number of an event of the log.')
    .nullish(),
  idempotencyKey,
});
export type ResumePublisherInput = z.input<typeof resumePublisherInput>;

/**
 * Lets the sending of events go on where it was held up: what came meanwhile is sent in order. With `from`, from that event of the log on:
 * what was sent already is sent again. Nothing is left out but what the log no longer holds; which that is, is answered and told.
 */
export async function resumePublisher(
  ctx: Context,
  input: ResumePublisherInput,
): Promise<typeof IDS & Partial<LeftOut>> {
  const { from } = read(resumePublisherInput, input);
  return operate<Partial<LeftOut>>(ctx, { mutation: 'resumePublisher', input }, async (tx) => {
    const before = await lockPublisher(tx);
    if (before === null && from)
      throw wrongState('SENDING', 'It is not held up: pause it first, so that it stands still while you choose.');
    if (before === null) return {};
    const leftOut = from ? await moveTo(tx, BigInt(from)) : null;
    await tx.$executeRaw`UPDATE "EventCursor" SET "pausedAt" = NULL, "pausedBy" = NULL, "pauseReason" = NULL WHERE "reader" = ${PUBLISHER}`;
    const data = { before, after: null, ...(from ? { sentAgainFrom: from } : {}), ...(leftOut ? { leftOut } : {}) };
    await announcePublisher(tx, ctx, { type: 'PublisherResumed', data });
    return leftOut ? { leftOutFirst: leftOut.first, leftOutLast: leftOut.last } : {};
  });
}

/** First and last number of what is never sent, as the log no longer holds it. */
interface LeftOut extends Record<string, string> {
  leftOutFirst: string;
  leftOutLast: string;
}

/**
 * Moves the locked cursor to before an event; whichever process publishes finds it moved, and goes on from there. What the log holds is
 * read in the same transaction: until it ends, nothing is archived (events/archive.ts). Answers what is left out.
 */
async function moveTo(tx: Tx, from: bigint): Promise<{ first: string; last: string } | null> {
  const [row] = await tx.$queryRaw<{ next: bigint; first: bigint | null; following: bigint | null }[]>`
    SELECT "seq" + 1 AS "next", (SELECT min("seq") FROM "Event") AS "first",
      (SELECT min(e."seq") FROM "Event" e WHERE e."seq" > c."seq") AS "following" FROM "EventCursor" c WHERE "reader" = ${PUBLISHER}`;
  const { next = 1n, first = null, following = null } = row ?? {};
  const latest = following ?? next;
  if (from > latest)
    throw invalid('from', `Nothing may be left out: ${latest} comes next. Give it, or an earlier one.`);
  if (first !== null && from < first)
    throw invalid('from', `Events before ${first} are archived. Give ${first}, or a later one.`);
  await tx.$executeRaw`UPDATE "EventCursor" SET "seq" = ${from - 1n}, "updatedAt" = now() WHERE "reader" = ${PUBLISHER}`;
  return from > next ? { first: String(next), last: String(from - 1n) } : null;
}

const redriveEventsInput = z.object({
  deadLetters: z.array(uuid).min(1, 'Name at least one.').max(100, 'Name at most 100, or give `all`.').nullish(),
  all: z.boolean().nullish(),
  idempotencyKey,
});
export type RedriveEventsInput = z.input<typeof redriveEventsInput>;

/** What a redrive took along: the id that its dead letters carry, and those that were named. */
interface Redrive extends Record<string, string> {
  publisherId: string;
  redriveId: string;
  count: string;
  /** Ids of the named dead letters, with commas between; empty where all were meant. */
  named: string;
}

/** Has dead letters sent again: those that are named, or all. One that is on its way or has arrived already is left as it is. */
export async function redriveEvents(ctx: Context, input: RedriveEventsInput): Promise<Redrive> {
  const { deadLetters, all } = read(redriveEventsInput, input);
  if ((deadLetters ? 1 : 0) + (all ? 1 : 0) !== 1)
    throw invalid('deadLetters', 'Give either `deadLetters` or `all: true`.');
  assertCan(ctx.viewer, 'publisher:operate', MESH);
  const { idempotencyKey: key } = input;
  return mutate<Redrive>(ctx, { mutation: 'redriveEvents', idempotencyKey: key, input }, async (tx) => {
    const named = [...new Set(deadLetters ?? [])];
    if (named.length > 0) await assertThere(tx, named);
    const redriveId = crypto.randomUUID();
    const taken = await tx.$queryRaw<{ seq: bigint }[]>`
      UPDATE "DeadLetter" SET "status" = 'REDRIVING', "redriveId" = ${redriveId}::uuid, "redrivenBy" = ${ctx.viewer.subject}
      WHERE "id" IN (SELECT "id" FROM "DeadLetter" WHERE "status" = 'DEAD' AND (${named.length === 0} OR "id" = ANY (${named}::uuid[]))
        ORDER BY "seq", "part" FOR NO KEY UPDATE) AND "status" = 'DEAD' RETURNING "seq"`;
    const sequences = [...new Set(taken.map(({ seq }) => String(seq)))];
    if (taken.length > 0)
      await announcePublisher(tx, ctx, {
        type: 'EventsRedriven',
        data: { redrive: redriveId, count: taken.length, sequences },
      });
    return { ids: { publisherId: PUBLISHER_ID, redriveId, count: String(taken.length), named: named.join() } };
  });
}

async function assertThere(tx: Tx, ids: string[]): Promise<void> {
  const found = await tx.deadLetter.count({ where: { id: { in: ids } } });
  if (found < ids.length) throw notFound('One of the dead letters');
}

interface Pause {
  pausedBy: string;
  pauseReason: string;
}

/** Locks the publisher's row, which stands from now on; answers how it is paused, or null. */
async function lockPublisher(tx: Tx): Promise<Pause | null> {
  await tx.$executeRaw`INSERT INTO "EventCursor" ("reader", "updatedAt") VALUES (${PUBLISHER}, now()) ON CONFLICT DO NOTHING`;
  const [row] = await tx.$queryRaw<{ pausedBy: string | null; pauseReason: string | null }[]>`
    SELECT "pausedBy", "pauseReason" FROM "EventCursor" WHERE "reader" = ${PUBLISHER} FOR NO KEY UPDATE`;
  const { pausedBy, pauseReason } = row ?? {};
  return pausedBy && pauseReason ? { pausedBy, pauseReason } : null;
}

interface Operation {
  mutation: string;
  input: { idempotencyKey?: string | null | undefined };
}

/** Answers the publisher's id, with what the work answers. */
function operate<More extends object>(
  ctx: Context,
  { mutation, input }: Operation,
  work: (tx: Tx) => Promise<More>,
): Promise<typeof IDS & More> {
  assertCan(ctx.viewer, 'publisher:operate', MESH);
  return mutate(ctx, { mutation, idempotencyKey: input.idempotencyKey, input }, async (tx) => ({
    ids: { ...IDS, ...(await work(tx)) },
  }));
}
