import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import type { Pool } from 'pg';
import { EVENT_COLUMNS, type EventRow, toLogEvent, within10Seconds } from './read.js';

const PAGE = 1_000;

/** A number and the hash that the log had there, as it was told outside of Postgres (AuditAnchored). */
export interface Anchor {
  seq: bigint;
  hash: Buffer;
}

/**
 * Why a number is bad. MISSING: there is no such event. CHANGED: the event is not what its hash was made of, or stands elsewhere. HEAD:
 * the counter and the last event disagree. ANCHOR: the log is sound in itself, and not the one that was anchored: it was written anew,
 * at this number or before it, after the last anchor that agrees.
 */
export type BadReason = 'MISSING' | 'CHANGED' | 'HEAD' | 'ANCHOR';

/** What verification found. `head` is the last number verified; `firstBad` the first that is missing or was changed. */
export type ChainVerdict =
  | { ok: true; head: bigint }
  | { ok: false; head: bigint; firstBad: bigint; reason: BadReason };

interface ChainedRow extends EventRow {
  canonical: string;
  hash: Buffer;
}

/** Which part of the log to verify, both ends included, and what is known of it from outside. */
export interface Verification {
  /** Trusts the hash stored before it; without it the whole of what is stored is verified. */
  from?: bigint | undefined;
  to?: bigint | undefined;
  anchors?: readonly Anchor[] | undefined;
  /** At most so many numbers. */
  most?: bigint | undefined;
  /** The hash before `from`, where it is known otherwise than from the database. */
  before?: Buffer | undefined;
}

/** What was asked for is no part of the log; `end` is the one that is wrong. */
export class BadRange extends Error {
  override readonly name = 'BadRange';

  constructor(
    readonly end: 'from' | 'to',
    message: string,
  ) {
    super(message);
  }
}

/** Throws BadRange where the part ends before it begins. */
export function assertOrder(from: bigint | undefined, to: bigint | undefined): void {
  if (from !== undefined && to !== undefined && from > to)
    throw new BadRange('to', `Nothing lies from ${from} to ${to}: the last number comes before the first.`);
}

/**
 * Throws BadRange for a part in which nothing can be verified: it ends before it begins, or begins beyond the end of the log. An anchor
 * beyond the end says that the log was cut, which is for verification to find.
 */
export async function assertPart(pool: Pool, { from, to, anchors = [] }: Verification): Promise<void> {
  assertOrder(from, to);
  const { furthest: end } = await readEnd(pool);
  const told = anchors.some((anchor) => anchor.seq > end && (to === undefined || anchor.seq <= to));
  // The number after the last is where a reader goes on who has verified all.
  if (from === undefined || from <= end + 1n || told) return;
  throw new BadRange(
    'from',
    `The audit trail ends at number ${end}: nothing is there from ${from} on. If it once went further, give an anchor of then.`,
  );
}

/**
 * Recomputes the hash chain: each hash is sha256(previous hash, number, newline, canonical text), and the text must say
 * what the columns say. Where it reaches the end, the counter must agree, and nothing may stand beyond it.
 */
export async function verifyChain(
  pool: Pool,
  { from, to, anchors = [], most, before }: Verification = {},
): Promise<ChainVerdict> {
  const end = await readEnd(pool);
  const first = from ?? (await firstExpected(pool));
  const last = least(end.seq, to, most === undefined ? undefined : first + most - 1n);
  const ordered = [...anchors].sort((a, b) => Number(a.seq - b.seq));
  const bad = (seq: bigint, reason: BadReason): ChainVerdict => ({ ok: false, head: seq - 1n, firstBad: seq, reason });
  let previous = before ?? (await hashBefore(pool, first));
  if (previous === null) return bad(least(first - 1n, end.furthest + 1n), 'MISSING');
  for (let next = first; next <= last; ) {
    const rows = await readChained(pool, { from: next, to: last });
    if (rows.length === 0) return bad(next, 'MISSING');
    for (const row of rows) {
      if (BigInt(row.seq) !== next) return bad(next, 'MISSING');
      if (!isIntact(row, previous)) return bad(next, 'CHANGED');
      if (ordered.some(({ seq, hash }) => seq === next && !hash.equals(row.hash))) return bad(next, 'ANCHOR');
      previous = row.hash;
      next += 1n;
    }
  }
  if (last === end.seq) {
    if (!previous.equals(end.hash)) return bad(last > 0n ? last : 1n, 'HEAD');
    if (end.furthest > end.seq) return bad(end.seq + 1n, 'HEAD');
    const beyond = ordered.find(({ seq }) => seq > end.seq && (to === undefined || seq <= to));
    if (beyond !== undefined) return bad(end.seq + 1n, 'MISSING');
  }
  return { ok: true, head: last };
}

const least = (one: bigint, ...others: (bigint | undefined)[]): bigint =>
  others.reduce<bigint>((so, other) => (other !== undefined && other < so ? other : so), one);

/** Those of the anchors that the log was held to: the others are of numbers that were not verified. */
export function anchorsCompared(
  anchors: readonly Anchor[],
  { first, verdict }: { first: bigint; verdict: ChainVerdict },
): Anchor[] {
  return anchors.filter(({ seq }) => first <= seq && seq <= verdict.head);
}

/** What one call verified, and where to go on: null at the end of what was asked for, and after a bad number. */
export interface VerifiedPart {
  verdict: ChainVerdict;
  /** The numbers of the anchors that this part was held to. */
  compared: bigint[];
  next: bigint | null;
}

/** Verifies ten thousand numbers at most, so that no request takes long. Throws BadRange. */
export async function verifyPart(
  pool: Pool,
  { from, to, anchors = [] }: Verification,
  most = 10_000n,
): Promise<VerifiedPart> {
  const first = from ?? (await firstExpected(pool));
  await assertPart(pool, { from, to, anchors });
  assertOrder(first, to);
  const verdict = await verifyChain(pool, { from: first, to, anchors, most });
  const full = verdict.ok && verdict.head === first + most - 1n && (to === undefined || to > verdict.head);
  const compared = anchorsCompared(anchors, { first, verdict }).map(({ seq }) => seq);
  return { verdict, compared, next: full ? first + most : null };
}

function isIntact(row: ChainedRow, previous: Buffer): boolean {
  if (canonicalOf(row) !== row.canonical) return false;
  return createHash('sha256').update(previous).update(`${row.seq}\n${row.canonical}`).digest().equals(row.hash);
}

/** The text that `append` made of the event, made anew from its columns. */
function canonicalOf(row: ChainedRow): string | undefined {
  const { seq: _number, occurredAt, ...stated } = toLogEvent(row);
  return canonicalize({ ...stated, occurredAt: occurredAt.toISOString() });
}

/** The counter, and the last number that is stored where that lies beyond it, from one snapshot: the sequencer moves both at once. */
async function readEnd(pool: Pool): Promise<Anchor & { furthest: bigint }> {
  const { rows } = await pool.query<{ seq: string; hash: Buffer; furthest: string }>(
    'SELECT "seq", "hash", greatest("seq", (SELECT max("seq") FROM "Event")) AS "furthest" FROM "EventHead"',
  );
  const { seq, hash, furthest } = rows[0]!;
  return { seq: BigInt(seq), hash, furthest: BigInt(furthest) };
}

/** The number that the log must begin with: 1, or the one after what was archived. */
export async function firstExpected(pool: Pool): Promise<bigint> {
  const { rows } = await pool.query<{ archived: string }>(
    'SELECT coalesce(max("lastSeq"), 0) AS "archived" FROM "EventArchive"',
  );
  return BigInt(rows[0]!.archived) + 1n;
}

/** Of the event before, also where that was archived; null where it is in neither. */
async function hashBefore(pool: Pool, seq: bigint): Promise<Buffer | null> {
  if (seq <= 1n) return Buffer.alloc(32);
  const { rows } = await pool.query<{ hash: Buffer }>(
    'SELECT "hash" FROM "Event" WHERE "seq" = $1 UNION ALL SELECT "headHash" FROM "EventArchive" WHERE "lastSeq" = $1 LIMIT 1',
    [seq - 1n],
  );
  return rows[0]?.hash ?? null;
}

async function readChained(pool: Pool, { from, to }: { from: bigint; to: bigint }): Promise<ChainedRow[]> {
  const { rows } = await pool.query<ChainedRow>(
    within10Seconds({
      text: `SELECT ${EVENT_COLUMNS}, "canonical", "hash" FROM "Event" WHERE "seq" BETWEEN $1 AND $2 ORDER BY "seq" LIMIT $3`,
      values: [from, to, PAGE],
    }),
  );
  return rows;
}
