import type { Pool } from 'pg';
import { InvalidCursor, ResyncRequired } from './errors.js';
import type { Listener } from './listen.js';
import { type Log, startLoop } from './loop.js';
import { readBounds, readEvents } from './read.js';
import { openSubscriber, type Subscriber } from './subscriber.js';
import type { LogEvent } from './types.js';

const PAGE = 1_000;
const POLL_MS = 250;

export interface SubscribeOptions {
  /** Replay what follows this number, then go live. Without it: from now on. */
  after?: bigint | undefined;
  /** Filter and authorization, asked for each event when it is delivered. Without it: every event. */
  accepts?: ((event: LogEvent) => boolean) | undefined;
  /** Ends the iteration. */
  signal?: AbortSignal | undefined;
}

/** The one reader of the log in this process; subscribers read from it. */
export interface Tail {
  /** Number of the last event handed out. */
  readonly position: bigint;
  /** When the log was last read: for health checks. */
  readonly lastRunAt: Date | null;
  /**
   * Events in order, each once. Rejects with InvalidCursor or ResyncRequired; the iteration throws SlowSubscriber when more
   * than a thousand live events wait, ResyncRequired when events were lost to retention, and ends when the tail stops.
   */
  subscribe(options?: SubscribeOptions): Promise<AsyncIterableIterator<LogEvent>>;
  stop(): Promise<void>;
}

export interface TailOptions {
  pool: Pool;
  listener: Listener;
  log: Log;
  /**
   * Runs for each event before any subscriber gets it, for example to forget memberships that the event changes.
   * Where it fails, delivery waits and it is run again.
   */
  beforeDelivery?: ((event: LogEvent) => void | Promise<void>) | undefined;
}

/** Starts the tail at the head of the log. */
export async function startTail({ pool, listener, log, beforeDelivery }: TailOptions): Promise<Tail> {
  const subscribers = new Set<Subscriber>();
  let position = (await readBounds(pool)).head;
  const source = {
    get position() {
      return position;
    },
    read: (page: Parameters<typeof readEvents>[1]) => readEvents(pool, page),
  };

  async function readOn(): Promise<boolean> {
    const events = await readEvents(pool, { after: position, limit: PAGE });
    for (const event of events) {
      if (event.seq !== position + 1n) reportGap(event.seq);
      if (beforeDelivery) await beforeDelivery(event);
      position = event.seq;
      for (const subscriber of subscribers) subscriber.offer(event);
    }
    return events.length === PAGE;
  }

  // Numbers are dense, so a gap means events lost: nobody may go on as if nothing had been.
  function reportGap(found: bigint): void {
    log.error({ expected: String(position + 1n), found: String(found) }, 'event tail: the log has a gap');
    position = found - 1n;
    for (const subscriber of subscribers) subscriber.end(new ResyncRequired('The event log has a gap.'));
  }

  const loop = startLoop({ name: 'event tail', log, idleMs: POLL_MS, run: readOn });
  const forget = listener.onWake(loop.poke);
  return {
    get position() {
      return position;
    },
    get lastRunAt() {
      return loop.lastRunAt;
    },
    async subscribe({ after, accepts = () => true, signal } = {}) {
      if (after !== undefined) await assertStored(pool, after);
      const abort = () => subscriber.end();
      const subscriber = openSubscriber({
        source,
        after,
        accepts,
        onEnd: (ended) => {
          subscribers.delete(ended);
          signal?.removeEventListener('abort', abort);
        },
      });
      subscribers.add(subscriber);
      signal?.addEventListener('abort', abort, { once: true });
      if (signal?.aborted) abort();
      return subscriber.events;
    },
    async stop() {
      forget();
      await loop.stop();
      for (const subscriber of subscribers) subscriber.end();
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
