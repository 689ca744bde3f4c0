import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from 'pg';
import { type ArchivedEvent, archiveName, openFolder, settle, writeArchive, writeManifest } from './archive-file.js';
import { verifyFile } from './archive-verify.js';
import { WEBHOOKS } from './read.js';

/** What keeps the log from being archived: another login than the owner's, another process, a file that is not this log's; the message says what. */
export class ArchiveError extends Error {
  override readonly name = 'ArchiveError';
}

/** A moment of the work on one partition: what was done last. A process that ends at any of them loses nothing. */
export type ArchiveStep = 'WRITTEN' | 'NAMED' | 'VERIFIED' | 'STATED' | 'DETACHED' | 'DROPPED';

export interface ArchiveOptions {
  /** A connection of the owner. */
  client: Client;
  /** Made where it is not there. */
  folder: string;
  /** Partitions whose last event is older are archived. */
  before: Date;
  /** Told of each partition that is done. */
  archived?: (partition: ArchivedPartition) => void;
  reached?: (step: ArchiveStep) => void | Promise<void>;
}

/** A part of the log that is now in a file. */
export interface ArchivedPartition {
  first: bigint;
  last: bigint;
  /** Path of the file. */
  path: string;
}

/** Why no more is archived: the next partition is not full, or not old enough, or a reader has not come to its end. */
export type StoppedBecause = { why: 'NOT_FULL' | 'TOO_YOUNG' } | ({ why: 'READER' } & SlowReader);

/** A reader of the log that still has to be sent a part of it. */
export interface SlowReader {
  /** The name of its cursor, or `webhook` and a name. */
  reader: string;
  /** The last number that it is done with. */
  position: bigint;
  /** Since when it stands there, or, of a webhook, since when it fails; null where it does not. */
  since: Date | null;
}

/** Keeps our advisory locks apart from those of others in the database. */
const LOCK = 0x6d657369;
const PAGE = 2_000;

/**
 * Moves whole partitions of the log to files, the oldest first. Each is written, read back and verified from its first hash to its last
 * before one transaction takes it out of the log and notes what the log stands on from then on.
 */
export async function archiveLog(options: ArchiveOptions): Promise<StoppedBecause> {
  const { client, folder, before } = options;
  await assertOwner(client);
  await openFolder(folder);
  const { rows } = await client.query<{ held: boolean }>('SELECT pg_try_advisory_lock($1, 0) AS "held"', [LOCK]);
  if (!rows[0]?.held) throw new ArchiveError('Another process archives this log: wait until it is done.');
  try {
    for (;;) {
      const next = await oldestPartition(client);
      if (next === undefined) return { why: 'NOT_FULL' };
      const held = (await holding(client, { next, before })) ?? (await archivePartition(options, next));
      if (held) return held;
    }
  } finally {
    await client.query('SELECT pg_advisory_unlock($1, 0)', [LOCK]);
  }
}

/** Whoever owns the log may take its partitions out; the server's login may look at all of it, and would only fail at the end. */
async function assertOwner(client: Client): Promise<void> {
  const { rows } = await client.query<{ login: string; owner: boolean }>(
    `SELECT current_user AS "login", pg_has_role(relowner, 'USAGE') AS "owner" FROM pg_class WHERE oid = '"Event"'::regclass`,
  );
  const { login, owner } = rows[0]!;
  if (!owner)
    throw new ArchiveError(`The login ${login} does not own the database: name its owner's in DATABASE_OWNER_URL.`);
}

interface Partition {
  name: string;
  first: bigint;
  last: bigint;
}

/** The bounds are those that Postgres has, so that partitions of any size are archived. */
async function oldestPartition(client: Client): Promise<Partition | undefined> {
  const { rows } = await client.query<{ name: string; bounds: string }>(
    `SELECT c.relname AS "name", pg_get_expr(c.relpartbound, c.oid) AS "bounds"
     FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = '"Event"'::regclass`,
  );
  const partitions = rows.flatMap(({ name, bounds }) => {
    const [, from, to] = /FROM \('(\d+)'\) TO \('(\d+)'\)/.exec(bounds) ?? [];
    if (from === undefined || to === undefined) return [];
    // The log is numbered from 1.
    return [{ name, first: from === '0' ? 1n : BigInt(from), last: BigInt(to) - 1n }];
  });
  return partitions.sort((a, b) => (a.first < b.first ? -1 : 1))[0];
}

async function holding(
  client: Client,
  { next, before }: { next: Partition; before: Date },
): Promise<StoppedBecause | undefined> {
  const { rows } = await client.query<{ head: string; newest: Date | null }>(
    `SELECT (SELECT "seq" FROM "EventHead") AS "head",
       (SELECT max("occurredAt") FROM "Event" WHERE "seq" BETWEEN $1 AND $2) AS "newest"`,
    [next.first, next.last],
  );
  const { head, newest } = rows[0]!;
  if (BigInt(head) <= next.last) return { why: 'NOT_FULL' };
  if (newest !== null && newest >= before) return { why: 'TOO_YOUNG' };
  return slowestReader(client, next.last);
}

/**
 * Every reader with a cursor, every webhook that is on, and what they still have to be sent. The webhook sender's own cursor sums up the
 * webhooks, which are asked one by one; it stands still for ever where webhooks are no longer sent, and nothing waits for it.
 */
async function slowestReader(client: Client, last: bigint): Promise<StoppedBecause | undefined> {
  const { rows } = await client.query<{ reader: string; position: string; since: Date | null }>(
    `SELECT "reader", "seq" AS "position", "updatedAt" AS "since" FROM "EventCursor" WHERE "seq" < $1 AND "reader" <> $2
     UNION ALL SELECT 'webhook ' || w."name", p."position", p."failingSince" FROM "Webhook" w
       JOIN "WebhookProgress" p ON p."webhookId" = w."id"
       WHERE w."removedAt" IS NULL AND w."status" = 'ENABLED' AND p."position" < $1
     UNION ALL SELECT 'webhook ' || w."name", min(d."seq") - 1, min(p."failingSince") FROM "Webhook" w
       JOIN "WebhookProgress" p ON p."webhookId" = w."id" JOIN "WebhookDelivery" d ON d."webhookId" = w."id"
       WHERE w."removedAt" IS NULL AND w."status" = 'ENABLED' AND d."status" = 'PENDING' AND d."seq" <= $1 GROUP BY w."id"
     ORDER BY "position" LIMIT 1`,
    [last, WEBHOOKS],
  );
  return rows[0] && { why: 'READER', ...rows[0], position: BigInt(rows[0].position) };
}

/** Answers why not, where a reader went back while the file was written. */
async function archivePartition(options: ArchiveOptions, partition: Partition): Promise<StoppedBecause | undefined> {
  const { client, folder } = options;
  const { first, last } = partition;
  const reached = async (step: ArchiveStep) => options.reached?.(step);
  const name = archiveName(first, last);
  const file = `${name}.jsonl.gz`;
  const path = join(folder, file);
  const { previous, head } = await hashesAround(client, partition);
  if (!existsSync(path)) {
    await writeArchive(`${path}.part`, eventsOf(client, partition));
    await reached('WRITTEN');
    await settle(folder, `${file}.part`, file);
    await reached('NAMED');
  }
  // Also what an earlier run left: it is read, and only what is this log's counts.
  const verdict = await verifyFile(path, { first, last, previous });
  if (!verdict.ok || !verdict.headHash.equals(head)) {
    throw new ArchiveError(
      `${path} is not what the log has from ${first} to ${last}: nothing was dropped. Verify the log, and move the file away if it is another log's or damaged.`,
    );
  }
  await reached('VERIFIED');
  const { sha256 } = verdict;
  const hashes = { previousHash: previous.toString('hex'), headHash: head.toString('hex') };
  const count = last - first + 1n;
  await writeManifest(folder, { version: 1, file, first, last, count, sha256: sha256.toString('hex'), ...hashes });
  await reached('STATED');
  const held = await dropPartition(client, { partition, file, sha256, head, reached });
  if (held) return held;
  await reached('DROPPED');
  options.archived?.({ first, last, path });
  return undefined;
}

async function* eventsOf(client: Client, { first, last }: Partition): AsyncGenerator<ArchivedEvent> {
  for (let next = first; next <= last; ) {
    const { rows } = await client.query<{ seq: string; canonical: string; hash: Buffer }>(
      'SELECT "seq", "canonical", "hash" FROM "Event" WHERE "seq" BETWEEN $1 AND $2 ORDER BY "seq" LIMIT $3',
      [next, last, PAGE],
    );
    if (rows.length === 0) throw new ArchiveError(`The log has no number ${next}: verify it before it is archived.`);
    for (const { seq, ...event } of rows) yield { seq: BigInt(seq), ...event };
    next = BigInt(rows.at(-1)!.seq) + 1n;
  }
}

/** The log's hash before a partition, and at its end. */
async function hashesAround(client: Client, { first, last }: Partition): Promise<{ previous: Buffer; head: Buffer }> {
  const { rows } = await client.query<{ previous: Buffer | null; head: Buffer | null }>(
    `SELECT (SELECT "headHash" FROM "EventArchive" WHERE "lastSeq" = $1 - 1) AS "previous", (SELECT "hash" FROM "Event" WHERE "seq" = $2) AS "head"`,
    [first, last],
  );
  const previous = first === 1n ? Buffer.alloc(32) : rows[0]?.previous;
  const head = rows[0]?.head;
  if (!previous || !head) throw new ArchiveError(`The log is not whole around ${first} to ${last}: verify it first.`);
  return { previous, head };
}

interface Drop {
  partition: Partition;
  file: string;
  sha256: Buffer;
  head: Buffer;
  reached: (step: ArchiveStep) => Promise<void>;
}

/**
 * Readers and the sequencer wait while the table is changed, so it is given up soon where somebody holds it, and tried again.
 *
 * Whoever moves a reader back looks in the same transaction at what the log still holds. So from the moment that the log is locked, a
 * move back is committed and seen here, or it waits and then finds the partition gone. No cursor is locked, as those who move one hold
 * it while they look at the log, and would wait for us as we for them.
 */
async function dropPartition(client: Client, drop: Drop, attempt = 1): Promise<StoppedBecause | undefined> {
  const { name, first, last } = drop.partition;
  const table = client.escapeIdentifier(name);
  try {
    await client.query(`BEGIN; SET LOCAL lock_timeout = '2s'`);
    await client.query('LOCK TABLE ONLY "Event" IN ACCESS EXCLUSIVE MODE');
    const held = await slowestReader(client, last);
    if (held) {
      await client.query('ROLLBACK');
      return held;
    }
    await client.query(`ALTER TABLE "Event" DETACH PARTITION ${table}`);
    await drop.reached('DETACHED');
    await client.query(`DROP TABLE ${table}`);
    await client.query(
      'INSERT INTO "EventArchive" ("firstSeq", "lastSeq", "count", "file", "sha256", "headHash") VALUES ($1, $2, $3, $4, $5, $6)',
      [first, last, last - first + 1n, drop.file, drop.sha256, drop.head],
    );
    await client.query('COMMIT');
    return undefined;
  } catch (error) {
    await client.query('ROLLBACK');
    // PostgreSQL error codes: lock_not_available.
    if ((error as { code?: unknown }).code !== '55P03' || attempt >= 30) throw error;
    await delay(1_000 * Math.random());
    return dropPartition(client, drop, attempt + 1);
  }
}
