import { encodeCursor } from './cursor.js';
import { ResyncRequired, SlowSubscriber } from './errors.js';
import type { Page } from './read.js';
import type { LogEvent } from './types.js';

/** Live events that wait for one subscriber, at most. */
export const QUEUE_LIMIT = 1_000;
const REPLAY_PAGE = 500;

/** The tail as a subscriber sees it. */
export interface Source {
  /** Number of the last event that the tail handed out. */
  readonly position: bigint;
  read(page: Page): Promise<LogEvent[]>;
}

/** One reader's place in the log. */
export interface Subscriber {
  /** Takes one event from the tail, in order; what is not accepted never counts. */
  offer(event: LogEvent): void;
  /** Ends the iteration, with an error where one is given. */
  end(error?: Error): void;
  events: AsyncIterableIterator<LogEvent>;
}

export interface SubscriberOptions {
  source: Source;
  /** Start after this number; without it, with the next event that the tail reads. */
  after: bigint | undefined;
  /** Filter and authorization, asked anew for each event at delivery. */
  accepts(event: LogEvent): boolean;
  /** Called once the iteration has ended, however it did. */
  onEnd(subscriber: Subscriber): void;
}

/**
 * Opens one reader's iteration: first the log from its cursor on, in pages, at its own pace; then, close to the head, live
 * events from the tail's queue. It joins the queue before it reads the last page, so that there is no gap between the two.
 */
export function openSubscriber({ source, after, accepts, onEnd }: SubscriberOptions): Subscriber {
  const queue: LogEvent[] = [];
  let cursor = after ?? source.position;
  let joinedAt = after === undefined ? source.position : undefined;
  let ended = false;
  let failure: Error | undefined;
  let wake: (() => void) | undefined;

  function end(error?: Error): void {
    if (ended) return;
    ended = true;
    failure = error;
    queue.length = 0;
    wake?.();
    onEnd(subscriber);
  }

  function offer(event: LogEvent): void {
    if (ended || joinedAt === undefined) return;
    try {
      if (!accepts(event)) return;
    } catch (error) {
      // One subscriber's mistake is its own end, never that of the tail.
      end(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    queue.push(event);
    if (queue.length > QUEUE_LIMIT) end(new SlowSubscriber(encodeCursor(cursor)));
    else wake?.();
  }

  async function* replay(): AsyncGenerator<LogEvent> {
    for (;;) {
      if (joinedAt === undefined && source.position - cursor <= REPLAY_PAGE) joinedAt = source.position;
      const upTo = joinedAt ?? source.position;
      if (cursor >= upTo) return;
      const page = await source.read({ after: cursor, upTo, limit: REPLAY_PAGE });
      if (page.length === 0) throw new ResyncRequired('Events after the cursor are no longer stored.');
      for (const event of page) {
        if (ended) return;
        if (event.seq !== cursor + 1n) throw new ResyncRequired('Events after the cursor are no longer stored.');
        cursor = event.seq;
        if (accepts(event)) yield event;
      }
    }
  }

  async function* live(): AsyncGenerator<LogEvent> {
    while (!ended) {
      const event = queue.shift();
      if (event === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      } else if (event.seq > cursor && accepts(event)) {
        // Asked again: the viewer may have lost the right while the event waited.
        cursor = event.seq;
        yield event;
      }
    }
  }

  async function* readAll(): AsyncGenerator<LogEvent> {
    try {
      yield* replay();
      yield* live();
      if (failure) throw failure;
    } finally {
      end();
    }
  }

  const generator = readAll();
  const subscriber: Subscriber = {
    offer,
    end,
    events: {
      next: () => generator.next(),
      // A generator that waits for an event would not return before the next one came.
      return: () => {
        end();
        return generator.return(undefined);
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    },
  };
  return subscriber;
}
