import type { Pool, PoolClient } from 'pg';
import { within10Seconds } from './read.js';

/** The right to be a reader's only worker in the whole installation, with the number up to which that reader has come. */
export interface CursorLock {
  /** The connection that holds the lock; read through it, and a lost lock shows. */
  readonly connection: PoolClient;
  readonly seq: bigint;
  /** Whether an operator holds the reader up, as `advance` and `look` saw it last. */
  readonly paused: boolean;
  /** Records that everything up to this number is done, with what `also` writes or not at all. Throws when the lock or the connection is lost. */
  advance(seq: bigint, also?: (connection: PoolClient) => Promise<void>): Promise<void>;
  /** Looks whether the reader is paused; throws when the connection, and with it the lock, is lost, or somebody moved the cursor. */
  look(): Promise<void>;
  release(): void;
}

/**
 * Takes the lock of a reader, or answers undefined while another process has it. It is a session's advisory lock: it falls
 * with the connection, so another process takes over from one that died, and no transaction stays open meanwhile.
 */
export async function takeCursor(pool: Pool, reader: string): Promise<CursorLock | undefined> {
  const connection = await pool.connect();
  // pg would raise it as uncaught while no query runs; the next query finds the connection lost.
  const ignore = () => undefined;
  connection.on('error', ignore);
  let released = false;
  const release = (close: boolean) => {
    if (released) return;
    released = true;
    connection.off('error', ignore);
    connection.release(close);
  };
  // Closed rather than returned to the pool: the end of the session is what gives the lock back.
  const giveUp = () => release(true);
  try {
    const { rows } = await connection.query<{ held: boolean }>(
      within10Seconds({
        text: 'SELECT pg_try_advisory_lock($1, hashtext($2)) AS "held"',
        values: [LOCK_CLASS, reader],
      }),
    );
    if (rows[0]!.held) return await openCursor({ connection, reader, release: giveUp });
    release(false);
    return undefined;
  } catch (error) {
    giveUp();
    throw error;
  }
}

/** Keeps our advisory locks apart from those of others in the database. */
const LOCK_CLASS = 0x6d657368;

async function openCursor(held: { connection: PoolClient; reader: string; release: () => void }): Promise<CursorLock> {
  const { connection, reader, release } = held;
  // Postgres notices within half a minute when our machine is gone. And a cursor that is lost with a crash of Postgres
  // costs only events sent twice, so its commit need not wait for the disk.
  await connection.query(
    'SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3; SET synchronous_commit = off',
  );
  await connection.query(
    'INSERT INTO "EventCursor" ("reader", "updatedAt") VALUES ($1, now()) ON CONFLICT DO NOTHING',
    [reader],
  );
  const read = async () => {
    const { rows } = await connection.query<{ seq: string; setBacks: number; paused: boolean }>(
      within10Seconds({
        name: 'look_at_cursor',
        text: 'SELECT "seq", "setBacks", "pausedAt" IS NOT NULL AS "paused" FROM "EventCursor" WHERE "reader" = $1',
        values: [reader],
      }),
    );
    return rows[0]!;
  };
  const found = await read();
  let seq = BigInt(found.seq);
  const { setBacks } = found;
  let { paused } = found;
  const move = async (to: bigint) => {
    const { rows } = await connection.query<{ paused: boolean }>(
      within10Seconds({
        name: 'advance_cursor',
        text: `UPDATE "EventCursor" SET "seq" = $1, "updatedAt" = now() WHERE "reader" = $2 AND "seq" = $3 AND "setBacks" = $4
          RETURNING "pausedAt" IS NOT NULL AS "paused"`,
        values: [to, reader, seq, setBacks],
      }),
    );
    if (rows[0] === undefined) throw movedByAnother(reader);
    return rows[0].paused;
  };
  return {
    connection,
    release,
    get seq() {
      return seq;
    },
    get paused() {
      return paused;
    },
    async advance(to, also) {
      if (also) await connection.query('BEGIN');
      await also?.(connection);
      paused = await move(to);
      // Where this fails the connection is given up, and nothing of it was written.
      if (also) await connection.query('COMMIT');
      seq = to;
    },
    async look() {
      const now = await read();
      if (BigInt(now.seq) !== seq || now.setBacks !== setBacks) throw movedByAnother(reader);
      paused = now.paused;
    },
  };
}

/** Whoever takes the cursor again goes on where it is now. */
const movedByAnother = (reader: string) => new Error(`The cursor of ${reader} was moved by another`);
