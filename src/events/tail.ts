import type { Pool } from 'pg';
import { InvalidCursor, ResyncRequired } from './errors.js';
import { openFanOut } from './fan-out.js';
import { openHistory } from './history.js';
import type { Listener } from './listen.js';
import { type Log, startLoop } from './loop.js';
import { readBounds, readEvents } from './read.js';
import { openRest } from './rounds.js';
import type { Subscription } from './subscription.js';
import type { LogEvent } from './types.js';

/** Events read at a time: one may have a hundred kilobytes of data. */
const PAGE = 200;
const POLL_MS = 250;

/** The one reader of the log in this process; subscribers read from it. */
export interface Tail {
  /** Number of the last event handed out. */
  readonly position: bigint;
  /** When the log was last read: for health checks. */
  readonly lastRunAt: Date | null;
  /**
   * Opens a subscription, which starts with the first `next` of what is answered. That yields nothing, as results go by the outlet, in
   * order, each once. Rejects with InvalidCursor or ResyncRequired; the iteration throws SlowSubscriber when more than a thousand
   * live events wait, StreamInterrupted when nothing could be read for half a minute, ResyncRequired when events were lost to retention,
   * and ends when the tail stops.
   */
  subscribe(subscription: Subscription): Promise<AsyncIterableIterator<never>>;
  stop(): Promise<void>;
}

export interface TailOptions {
  pool: Pool;
  listener: Listener;
  log: Log;
  /**
   * Runs for the events that were read at a time before any subscriber gets one of them, for example to read memberships anew that they
   * change; where it answers a promise, the rights of viewers may have changed. Where it fails, delivery waits and it is run again.
   */
  beforeDelivery?: ((events: readonly LogEvent[]) => Promise<void> | undefined) | undefined;
}

/** Starts the tail at the head of the log. */
export async function startTail({ pool, listener, log, beforeDelivery }: TailOptions): Promise<Tail> {
  const history = openHistory({
    head: (await readBounds(pool)).head,
    read: (page) => readEvents(pool, page),
  });
  const fanOut = openFanOut(history, { log });
  const rest = openRest();

  async function readOn(): Promise<boolean> {
    const events = await readEvents(pool, { after: history.position, limit: PAGE });
    const changing = beforeDelivery?.(events);
    if (changing) {
      await changing;
      fanOut.reclassify();
    }
    for (const event of events) {
      const resting = rest();
      if (resting) await resting;
      if (event.seq !== history.position + 1n) reportGap(event.seq);
      fanOut.offer(event);
    }
    return events.length === PAGE;
  }

  // Numbers are dense, so a gap means events lost: nobody may go on as if nothing had been.
  function reportGap(found: bigint): void {
    log.error({ expected: String(history.position + 1n), found: String(found) }, 'event tail: the log has a gap');
    fanOut.end(new ResyncRequired('The event log has a gap.'));
    history.restartAt(found - 1n);
  }

  const loop = startLoop({ name: 'event tail', log, idleMs: POLL_MS, run: readOn });
  const forget = listener.onWake(loop.poke);
  return {
    get position() {
      return history.position;
    },
    get lastRunAt() {
      return loop.lastRunAt;
    },
    subscribe: async (subscription) => {
      if (subscription.after !== undefined) await assertStored(pool, subscription.after);
      return fanOut.open(subscription);
    },
    stop: async () => {
      forget();
      await loop.stop();
      fanOut.end();
    },
  };
}

async function assertStored(pool: Pool, after: bigint): Promise<void> {
  const { head, first } = await readBounds(pool);
  if (after < 0n || after > head) throw new InvalidCursor('The cursor lies beyond the head of the event log.');
  if (after < head && (first === null || after + 1n < first)) {
    throw new ResyncRequired('Events after the cursor are no longer stored.');
  }
}
