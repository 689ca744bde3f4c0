import type { Pool } from 'pg';
import { type CursorLock, takeCursor } from './cursor-lock.js';
import { createDomainNames, cutIntoRequests, type Outgoing, toEntries } from './entries.js';
import type { Listener } from './listen.js';
import { fullJitter, type Log, pause, startLoop } from './loop.js';
import type { PutEvents, PutEventsOutcome } from './put-events.js';
import { readEvents } from './read.js';

const READER = 'eventbridge';
const PAGE = 500;
const POLL_MS = 250;

/** How long to wait before a failed entry is sent again: full jitter up to the cap. */
export interface Retry {
  baseMs: number;
  /** While AWS throttles or fails. */
  capMs: number;
  /** While AWS refuses an entry for good: somebody has to look. */
  refusedCapMs: number;
}

const RETRY: Retry = { baseMs: 100, capMs: 30_000, refusedCapMs: 300_000 };

/** The EventBridge publisher of this process; one process of the installation publishes at a time. */
export interface Publisher {
  /** Whether this process is the one that publishes. */
  readonly publishing: boolean;
  /** The last number known to be sent; null while another process publishes. */
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
  log: Log;
  retry?: Retry;
}

/**
 * Sends the log to EventBridge, at least once, in order for each subject. Every request is a run of the log and the cursor
 * moves on after each, so a process that dies leaves at most one request to be sent twice; events keep their `id`.
 */
export function startPublisher({ pool, listener, put, bus, log, retry = RETRY }: PublisherOptions): Publisher {
  const namesOf = createDomainNames();
  let cursor: CursorLock | undefined;

  async function nextRequests({ connection, seq }: CursorLock): Promise<Outgoing[][]> {
    const events = await readEvents(connection, { after: seq, limit: PAGE });
    events.forEach((event, index) => {
      if (event.seq !== seq + BigInt(index) + 1n) throw new Error(`The event log has a gap before ${event.seq}`);
    });
    const names = await namesOf(
      connection,
      events.flatMap((event) => event.audience.domains),
    );
    const outgoing = events.flatMap((event) => toEntries(event, { bus, names }).map((entry) => ({ event, entry })));
    return cutIntoRequests(outgoing);
  }

  /** Sends a request until every entry of it has arrived; only failed entries are sent again. */
  async function send(request: Outgoing[], { held, signal }: { held: CursorLock; signal: AbortSignal }): Promise<void> {
    let waiting = request;
    for (let attempt = 1; ; attempt += 1) {
      const outcomes = await attemptPut(put, waiting);
      const failures = outcomes.flatMap((outcome) => (outcome.ok ? [] : [outcome]));
      if (failures.length === 0) return;
      waiting = waiting.filter((_, index) => !outcomes[index]!.ok);
      const refused = failures.some((failure) => failure.permanent);
      report({ log, waiting, failures, attempt, refused });
      await pause(
        fullJitter({ attempt, baseMs: retry.baseMs, capMs: refused ? retry.refusedCapMs : retry.capMs }),
        signal,
      );
      signal.throwIfAborted();
      await held.assertHeld();
    }
  }

  async function publish(signal: AbortSignal): Promise<boolean> {
    cursor ??= await takeCursor(pool, READER);
    if (cursor === undefined) return false;
    try {
      const requests = await nextRequests(cursor);
      for (const request of requests) {
        signal.throwIfAborted();
        await send(request, { held: cursor, signal });
        await cursor.advance(request.at(-1)!.event.seq);
      }
      return requests.length > 0;
    } catch (error) {
      cursor.release();
      cursor = undefined;
      throw error;
    }
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

async function attemptPut(put: PutEvents, request: Outgoing[]): Promise<PutEventsOutcome[]> {
  const unanswered = { ok: false, permanent: false } as const;
  try {
    const outcomes = await put(request.map(({ entry }) => entry));
    return request.map(
      (_, index) => outcomes[index] ?? { ...unanswered, code: 'NoResult', message: 'AWS gave no result.' },
    );
  } catch (error) {
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    return request.map(() => ({ ...unanswered, code: name, message }));
  }
}

interface Report {
  log: Log;
  waiting: Outgoing[];
  failures: { code: string; message: string }[];
  attempt: number;
  refused: boolean;
}

function report({ log, waiting, failures, attempt, refused }: Report): void {
  const entries = waiting.map(({ event }, index) => ({
    id: event.id,
    sequence: String(event.seq),
    type: event.type,
    code: failures[index]!.code,
    message: failures[index]!.message,
  }));
  if (refused) {
    log.error({ entries, attempt }, 'EventBridge refuses events; the ones after them wait until it takes them');
  } else {
    log.warn({ entries, attempt }, 'EventBridge did not take events; they will be sent again');
  }
}
