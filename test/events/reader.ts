import { randomUUID } from 'node:crypto';
import type { Outlet, Rendered, Subscription } from '../../src/events/subscription.js';
import type { Tail } from '../../src/events/tail.js';
import type { LogEvent } from '../../src/events/types.js';

/** What a reader gets of an event. */
export type ReadEvent = Pick<LogEvent, 'seq' | 'id' | 'subjectId' | 'data'>;

/** What sets a reader apart; without it he is alone with his key, sees everything and reads from now on. */
export interface ReaderOptions extends Partial<Omit<Subscription, 'outlet'>> {
  accepts?: (event: LogEvent) => boolean;
}

/** A result that can be read again. */
export const renderEvent = async ({ seq, id, subjectId, data }: LogEvent): Promise<Buffer> =>
  Buffer.from(JSON.stringify({ seq: String(seq), id, subjectId, data }));

/** Reads a result. */
export function readResult({ json }: Rendered): ReadEvent {
  const { seq, ...event } = JSON.parse(json.toString()) as Omit<ReadEvent, 'seq'> & { seq: string };
  return { ...event, seq: BigInt(seq) };
}

/** A reader at its own pace: between two calls of `next` its connection takes nothing. */
export async function readFrom(
  tail: Tail,
  { accepts = () => true, ...options }: ReaderOptions = {},
): Promise<AsyncIterableIterator<ReadEvent>> {
  const queue: Rendered[] = [];
  let resume: (() => void) | undefined;
  let wake: (() => void) | undefined;
  const outlet: Outlet = {
    send: (results) => {
      queue.push(...results);
      wake?.();
      return false;
    },
    whenReady: (ready) => {
      resume = ready;
    },
  };
  const events = await tail.subscribe({
    key: randomUUID(),
    subject: 'reader',
    viewerClass: () => 'viewer',
    personal: false,
    reach: (event) => (accepts(event) ? 'ALL' : 'NOBODY'),
    render: renderEvent,
    ...options,
    outlet,
  });
  let over: Promise<unknown> | undefined;
  const reader: AsyncIterableIterator<ReadEvent> = {
    next: async () => {
      over ??= events.next().catch((error: Error) => error);
      if (queue.length === 0) {
        const waiting = new Promise<void>((resolve) => (wake = resolve));
        const ready = resume;
        resume = undefined;
        ready?.();
        await Promise.race([waiting, over]);
      }
      const next = queue.shift();
      if (next) return { done: false, value: readResult(next) };
      const ended = await over;
      over = Promise.resolve();
      if (ended instanceof Error) throw ended;
      return { done: true, value: undefined };
    },
    return: async () => {
      await events.return?.();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]: () => reader,
  };
  return reader;
}
