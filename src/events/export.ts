import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Pool } from 'pg';
import { type HashedEvent, toOcsf } from './ocsf.js';
import { EVENT_COLUMNS, type EventRow, readBounds, toLogEvent, within10Seconds } from './read.js';
import { assertOrder } from './verify.js';

const PAGE = 500;

/** Which numbers, both ends included; default all that are stored. */
interface ExportRange {
  from?: bigint | undefined;
  to?: bigint | undefined;
}

/**
 * Writes the log as JSON Lines, one OCSF API Activity each, to a file or to the standard output, and answers how many. However long the
 * log is, a page of it is in memory. Throws BadRange.
 */
export async function exportLog(
  pool: Pool,
  { from, to, output, version }: ExportRange & { output: string | NodeJS.WritableStream; version: string },
): Promise<number> {
  assertOrder(from, to);
  let count = 0;
  async function* lines(): AsyncGenerator<string> {
    for await (const event of hashedEvents(pool, { from, to })) {
      count += 1;
      yield `${JSON.stringify(toOcsf(event, version))}\n`;
    }
  }
  // A file that is there is not written over; the standard output is left open for whoever comes after.
  const target = typeof output === 'string' ? createWriteStream(output, { flags: 'wx', mode: 0o600 }) : output;
  await pipeline(Readable.from(lines()), target, { end: typeof output === 'string' });
  return count;
}

async function* hashedEvents(pool: Pool, { from = 1n, to }: ExportRange): AsyncGenerator<HashedEvent> {
  const { head } = await readBounds(pool);
  const last = to !== undefined && to < head ? to : head;
  for (let next = from; next <= last; ) {
    const { rows } = await pool.query<EventRow & { hash: string }>(
      within10Seconds({
        text: `SELECT ${EVENT_COLUMNS}, encode("hash", 'hex') AS "hash" FROM "Event" WHERE "seq" BETWEEN $1 AND $2 ORDER BY "seq" LIMIT $3`,
        values: [next, last, PAGE],
      }),
    );
    const end = rows.at(-1);
    if (end === undefined) return;
    for (const row of rows) yield { ...toLogEvent(row), hash: row.hash };
    next = BigInt(end.seq) + 1n;
  }
}
