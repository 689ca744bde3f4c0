import type { Pool } from 'pg';
import { type Log, type Loop, startLoop } from './loop.js';
import { within10Seconds } from './read.js';

const BATCH = 2_000;
const POLL_MS = 200;

/**
 * Numbers committed events, in this and any number of other processes (design: events.md, The log). Poke it after a commit.
 *
 * One statement is the whole transaction, so the counter's lock is never held across a round trip: a process that dies or
 * stalls cannot leave it locked. Where nothing waits, the function writes nothing. After its beginning or an interruption the database
 * may be another than before (a replica that took over): then it looks afresh for what waits.
 */
export function startSequencer({ pool, log }: { pool: Pool; log: Log }): Loop {
  let interrupted = true;
  return startLoop({
    name: 'sequencer',
    log,
    idleMs: POLL_MS,
    run: async () => {
      const afresh = interrupted;
      // Not twice in a row: should it take too long, the next run goes without.
      interrupted = !afresh;
      const { rows } = await pool.query<{ moved: number }>(
        within10Seconds({
          name: 'sequence_events',
          text: 'SELECT sequence_events($1, $2) AS "moved"',
          values: [BATCH, afresh],
        }),
      );
      interrupted = false;
      return rows[0]!.moved === BATCH;
    },
  });
}
