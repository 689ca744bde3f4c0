import type { Pool } from 'pg';
import { ahead, beginNext, heardLater } from './ahead.js';
import { type CursorLock, takeCursor } from './cursor-lock.js';
import { keepDeadLetters, noteRedriven, readRedriven } from './dead-letter.js';
import {
  type Delivery,
  deliver,
  makeReady,
  RETRY,
  type Refused,
  type Retry,
  type Sendable,
  type Sending,
} from './deliver.js';
import { createDomainNames, cutIntoRequests, type Outgoing, toEntries } from './entries.js';
import type { Listener } from './listen.js';
import { type Log, pause, startLoop } from './loop.js';
import { forgetFailure, noteFailure } from './publisher-failure.js';
import type { PutEvents } from './put-events.js';
import { PUBLISHER, readBounds, readEvents } from './read.js';
import type { LogEvent } from './types.js';

const PAGE = 250;
/** Pages of a run, between two looks for what is to be sent again. */
const PAGES = 8;
const REDRIVEN_AT_ONCE = 20;
const POLL_MS = 250;
/** How old the knowledge may be that the bus is there, while events are sent. */
const BUS_KNOWN_MS = 1_000;
const NO_BUS = {
  code: 'NoEventBus',
  message: 'The central bus is not there, or not yet: its resource EventBus is not READY. Nothing is sent until it is.',
  tries: 1,
};

/** What is to be sent next is no longer stored, so that nobody can send it. */
class NotStored extends Error {
  override readonly name = 'EventsNotStored';

  constructor(next: bigint, first: bigint) {
    super(
      `Events ${next} to ${first - 1n} come next and are not in the log any more. If they are archived, pausePublisher and resumePublisher(input: { from: "${first}" }) go on without them; if not, verify the audit trail.`,
    );
  }
}

/** The EventBridge publisher of this process; one process of the installation publishes at a time. */
export interface Publisher {
  /** Whether this process is the one that publishes. */
  readonly publishing: boolean;
  /** The last number known to be done with; null while another process publishes. */
  readonly position: bigint | null;
  /** When the publisher last had nothing left to send, or found another at work: for health checks. */
  readonly lastRunAt: Date | null;
  poke(): void;
  stop(): Promise<void>;
}

export interface PublisherOptions {
  pool: Pool;
  listener: Listener;
  put: PutEvents;
  /** The central bus. */
  bus: string;
  /** Whether it is there, as far as Meshgate knows: EventBridge answers success for a bus that is not, and drops what is put on it. */
  busStands(): Promise<boolean>;
  log: Log;
  retry?: Retry;
}

/**
 * Sends the log to EventBridge, at least once, in order for each subject. Every request is a run of the log and the cursor
 * moves on after each, so a process that dies leaves at most one request to be sent twice; events keep their `id`. An entry that is
 * refused for good becomes a dead letter together with the cursor's move, and the events after it go on; a redrive sends it late. While
 * EventBridge takes nothing at all, whatever the reason, nothing is given up: the request is tried until it is taken, and the cursor says why.
 */
export function startPublisher(options: PublisherOptions): Publisher {
  const { pool, listener, put, bus, busStands, log, retry = RETRY } = options;
  const namesOf = createDomainNames();
  let cursor: CursorLock | undefined;
  /** Whether the cursor may say that nothing is taken: also when another process wrote that, before this one took over. */
  let failing = true;

  /** What follows the cursor, read page by page; entries are made when they are asked for. */
  async function* tellLog({ seq }: CursorLock): AsyncGenerator<Iterable<Outgoing[]>, undefined> {
    for (let page = 1, after = seq; page <= PAGES; page += 1) {
      const events = await readEvents(pool, { after, limit: PAGE });
      for (const event of events) {
        if (event.seq !== after + 1n) throw new NotStored(after + 1n, event.seq);
        after = event.seq;
      }
      const domains = events.flatMap((event) => event.audience.domains);
      const names = await namesOf(pool, domains);
      yield entriesOf(events, names);
      if (events.length < PAGE) return;
    }
  }

  function* entriesOf(events: readonly LogEvent[], names: ReadonlyMap<string, string>): Generator<Outgoing[]> {
    for (const event of events) {
      yield toEntries(event, { bus, names }).map((entry, part) => ({ event, part, entry }));
    }
  }

  /** Where the log was archived before anything was ever sent, what is left of it is sent. */
  async function begin(held: CursorLock): Promise<void> {
    const { first } = await readBounds(held.connection);
    if (first === null || first === 1n) return;
    const leftOut = { first: '1', last: String(first - 1n) };
    log.error({ leftOut }, 'EventBridge is never told of events that were archived before the publisher began');
    await held.advance(first - 1n);
  }

  let busSeenAt = 0;
  /** Asked before anything is sent: whether it can arrive at all. */
  async function canArrive({ connection }: CursorLock): Promise<boolean> {
    if (Date.now() - busSeenAt < BUS_KNOWN_MS) return true;
    if (await busStands()) {
      busSeenAt = Date.now();
      return true;
    }
    failing = true;
    await noteFailure(connection, PUBLISHER, NO_BUS);
    return false;
  }

  const deliveryOf = (held: CursorLock, signal: AbortSignal): Delivery => ({
    ...{ put, log, retry, signal, waitsForPermission: true },
    fails: async (failure) => {
      failing = true;
      await noteFailure(held.connection, PUBLISHER, failure);
    },
    mayGoOn: async () => {
      await held.look();
      while (held.paused || !(await canArrive(held))) {
        await pause(POLL_MS, signal);
        signal.throwIfAborted();
        await held.look();
      }
    },
  });

  /** Sends a request to its end: what comes after it may be sent then. */
  async function send<S extends Sending>(held: CursorLock, request: Sendable<S>, delivery: Delivery) {
    const refused = await deliver(request, delivery);
    if (failing) await forgetFailure(held.connection, PUBLISHER);
    failing = false;
    return refused;
  }

  /** Sends what somebody wants sent again, one after another; answers whether there may be more. What is denied anew stays a dead letter. */
  async function redrive(held: CursorLock, signal: AbortSignal): Promise<boolean> {
    const letters = await readRedriven(held.connection, { bus, limit: REDRIVEN_AT_ONCE });
    for (const letter of letters) {
      signal.throwIfAborted();
      await held.look();
      if (held.paused || !(await canArrive(held))) return false;
      const delivery = { ...deliveryOf(held, signal), waitsForPermission: false };
      const [refused] = await send(held, makeReady(put, [letter]), delivery);
      await noteRedriven(held.connection, letter, refused);
    }
    return letters.length === REDRIVEN_AT_ONCE;
  }

  /** Notes that a request is done with, and keeps what was refused of it. */
  async function note(held: CursorLock, request: readonly Outgoing[], refused: Refused<Outgoing>[]): Promise<void> {
    const done = request.at(-1)!.event.seq;
    if (refused.length === 0) await held.advance(done);
    else await held.advance(done, (connection) => keepDeadLetters(connection, refused));
  }

  /**
   * Sends one request after another: each leaves when the one before it is done with and noted. While one is under way the entries of
   * the next are made, and while the cursor moves, the next request.
   */
  async function sendLog(held: CursorLock, signal: AbortSignal): Promise<boolean> {
    const requests = cutIntoRequests(ahead(tellLog(held)));
    let next = beginNext(requests);
    let noted: Promise<void> | undefined;
    for (;;) {
      const { value: request } = await next;
      if (request === undefined) break;
      const ready = makeReady(put, request);
      // The first leaves from where the cursor is now: the page was read since it was looked at.
      await (noted ?? held.look());
      signal.throwIfAborted();
      if (held.paused || !(await canArrive(held))) return false;
      const sending = send(held, ready, deliveryOf(held, signal));
      next = beginNext(requests);
      noted = heardLater(note(held, request, await sending));
    }
    await noted;
    return noted !== undefined;
  }

  async function publish(signal: AbortSignal): Promise<boolean> {
    if (cursor === undefined) {
      cursor = await takeCursor(pool, PUBLISHER);
      failing = true;
      busSeenAt = 0;
    }
    if (cursor === undefined) return false;
    try {
      await cursor.look();
      if (cursor.paused) return false;
      if (cursor.seq === 0n) await begin(cursor);
      const redrivesLeft = await redrive(cursor, signal);
      const eventsLeft = await sendLog(cursor, signal);
      return redrivesLeft || eventsLeft;
    } catch (error) {
      const lost = cursor;
      cursor = undefined;
      await noteGap(lost, error).finally(lost.release);
      throw error;
    }
  }

  async function noteGap({ connection }: CursorLock, error: unknown): Promise<void> {
    if (!(error instanceof NotStored)) return;
    await noteFailure(connection, PUBLISHER, { code: error.name, message: error.message, tries: 1 });
  }

  const loop = startLoop({ name: 'EventBridge publisher', log, idleMs: POLL_MS, run: publish });
  const forget = listener.onWake(loop.poke);
  return {
    poke: loop.poke,
    get publishing() {
      return cursor !== undefined;
    },
    get position() {
      return cursor?.seq ?? null;
    },
    get lastRunAt() {
      return loop.lastRunAt;
    },
    async stop() {
      forget();
      await loop.stop();
      cursor?.release();
      cursor = undefined;
    },
  };
}
