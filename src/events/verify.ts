import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import type { Pool } from 'pg';
import { EVENT_COLUMNS, type EventRow, readBounds, toLogEvent, within10Seconds } from './read.js';

const PAGE = 1_000;
/** Numbers in one partition of the log; retention detaches whole partitions (migration: ensure_event_partition). */
const PARTITION = 1_000_000n;

/** What verification found. `head` is the last number verified; `firstBad` the first that is missing or was changed. */
export type ChainVerdict = { ok: true; head: bigint } | { ok: false; head: bigint; firstBad: bigint };

interface ChainedRow extends EventRow {
  canonical: string;
  hash: Buffer;
}

/**
 * Recomputes the hash chain: each hash is sha256(previous hash, number, newline, canonical text), and the text must say
 * what the columns say. `from` trusts the hash stored before it; without it the whole of what is stored is verified.
 */
export async function verifyChain(pool: Pool, range: { from?: bigint; to?: bigint } = {}): Promise<ChainVerdict> {
  const anchor = await readHead(pool);
  const from = range.from ?? (await firstExpected(pool));
  const to = range.to !== undefined && range.to < anchor.seq ? range.to : anchor.seq;
  let previous = await hashBefore(pool, from);
  for (let next = from; next <= to; ) {
    const rows = await readChained(pool, { from: next, to });
    if (rows.length === 0) return { ok: false, head: next - 1n, firstBad: next };
    for (const row of rows) {
      if (BigInt(row.seq) !== next || !isIntact(row, previous)) return { ok: false, head: next - 1n, firstBad: next };
      previous = row.hash;
      next += 1n;
    }
  }
  if (to === anchor.seq && previous !== null && !previous.equals(anchor.hash)) {
    return { ok: false, head: to - 1n, firstBad: to };
  }
  return { ok: true, head: to };
}

/** `previous` null: the one before was archived with its partition, so only the text can be held to the columns. */
function isIntact(row: ChainedRow, previous: Buffer | null): boolean {
  if (canonicalOf(row) !== row.canonical) return false;
  if (previous === null) return true;
  return createHash('sha256').update(previous).update(`${row.seq}\n${row.canonical}`).digest().equals(row.hash);
}

/** The text that `append` made of the event, made anew from its columns. */
function canonicalOf(row: ChainedRow): string | undefined {
  const { seq: _number, occurredAt, ...stated } = toLogEvent(row);
  return canonicalize({ ...stated, occurredAt: occurredAt.toISOString() });
}

async function readHead(pool: Pool): Promise<{ seq: bigint; hash: Buffer }> {
  const { rows } = await pool.query<{ seq: string; hash: Buffer }>('SELECT "seq", "hash" FROM "EventHead"');
  return { seq: BigInt(rows[0]!.seq), hash: rows[0]!.hash };
}

/** Retention leaves whole partitions, so what is stored must begin with a partition's first number. */
async function firstExpected(pool: Pool): Promise<bigint> {
  const { first } = await readBounds(pool);
  return first === null || first < PARTITION ? 1n : (first / PARTITION) * PARTITION;
}

async function hashBefore(pool: Pool, seq: bigint): Promise<Buffer | null> {
  if (seq <= 1n) return Buffer.alloc(32);
  const { rows } = await pool.query<{ hash: Buffer }>('SELECT "hash" FROM "Event" WHERE "seq" = $1', [seq - 1n]);
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
