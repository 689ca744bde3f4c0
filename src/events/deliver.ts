import { fullJitter, type Log, pause } from './loop.js';
import type { PutEvents, PutEventsEntry, PutEventsFailure, PutEventsOutcome, ReadyRequest } from './put-events.js';

/** How an entry that failed is sent again. */
export interface Retry {
  /** How long to wait before, in milliseconds: full jitter up to the cap. */
  baseMs: number;
  capMs: number;
  /** How often an entry may fail with a code that AWS does not document before it is given up, as nobody could let the log go on. */
  unknownTries: number;
}

/** Fifty tries take some ten minutes. */
export const RETRY: Retry = { baseMs: 100, capMs: 30_000, unknownTries: 50 };

/** One thing to send, with what a log line says of it. */
export interface Sending {
  entry: PutEventsEntry;
  event: { id: string; seq: bigint; type: string };
}

/** What was refused for good or given up, and how often it was sent. */
export type Refused<S extends Sending> = S & { failure: PutEventsFailure; attempts: number };

export interface Delivery {
  put: PutEvents;
  log: Log;
  retry: Retry;
  signal: AbortSignal;
  /** Whether entries that nobody may send just now wait for the permission; else each is refused like any other. */
  waitsForPermission: boolean;
  /** Told of what is to be sent again, before the wait for it. */
  fails(failure: Failing): Promise<void>;
  /** Asked before anything is sent again: waits as long as nothing may be sent, throws where somebody else is to go on. */
  mayGoOn(): Promise<void>;
}

/** Why something is to be sent again, and how often it was sent. */
export interface Failing {
  code: string;
  message: string;
  tries: number;
}

/** What is to be sent in one request, and that request. */
export interface Sendable<S extends Sending> {
  what: readonly S[];
  ready: ReadyRequest;
}

/** Makes the request for what is to be sent in one. */
export const makeReady = <S extends Sending>(put: PutEvents, what: readonly S[]): Sendable<S> => ({
  what,
  ready: put(what.map(({ entry }) => entry)),
});

/** Sends a request until every entry of it has arrived or is given up; of what failed, exactly that is sent again. Answers what was given up. */
export async function deliver<S extends Sending>(request: Sendable<S>, delivery: Delivery): Promise<Refused<S>[]> {
  const { put, log, retry, signal, fails, mayGoOn } = delivery;
  const isOver = judgeOf(delivery);
  const refused: Refused<S>[] = [];
  let waiting = request;
  for (let attempts = 1; ; attempts += 1) {
    const outcomes = await attempt(waiting);
    const failed = waiting.what.flatMap((one, index) => {
      const failure = outcomes[index] as PutEventsOutcome;
      return failure.ok ? [] : [{ ...one, failure, attempts }];
    });
    const othersArrived = failed.length < waiting.what.length;
    const [dead, again] = parted(failed, (one) => isOver(one, othersArrived));
    if (dead.length > 0)
      log.error({ entries: dead.map(told) }, 'EventBridge refuses events: they are dead letters now');
    refused.push(...dead);
    if (again.length === 0) return refused;
    log.warn({ entries: again.map(told) }, 'EventBridge did not take events; they will be sent again');
    const [{ failure }] = again as [Refused<S>];
    await fails({ code: failure.code, message: failure.message, tries: attempts });
    await pause(fullJitter({ attempt: attempts, ...retry }), signal);
    signal.throwIfAborted();
    await mayGoOn();
    waiting = makeReady(put, again);
  }
}

/**
 * Judges what failed: whether it is given up. Lack of permission is held against an entry only where others of its request arrived; else
 * it may be anybody's, and a request that is denied as a whole costs no event.
 */
function judgeOf({ retry, waitsForPermission }: Delivery): (one: Refused<Sending>, othersArrived: boolean) => boolean {
  const unknown = new Map<PutEventsEntry, number>();
  return ({ entry, failure }, othersArrived) => {
    switch (failure.kind) {
      case 'REFUSED':
        return true;
      case 'DENIED':
        return othersArrived || !waitsForPermission;
      case 'PASSING':
        return false;
      case 'UNKNOWN': {
        const tries = (unknown.get(entry) ?? 0) + 1;
        unknown.set(entry, tries);
        return tries >= retry.unknownTries;
      }
    }
  };
}

/** Those for which it holds, and the others. */
function parted<T>(all: readonly T[], holds: (one: T) => boolean): [T[], T[]] {
  const sides: [T[], T[]] = [[], []];
  for (const one of all) sides[holds(one) ? 0 : 1].push(one);
  return sides;
}

async function attempt({ what, ready }: Sendable<Sending>): Promise<PutEventsOutcome[]> {
  const unanswered = { ok: false, kind: 'PASSING' } as const;
  try {
    const outcomes = await ready.send();
    return what.map(
      (_, index) => outcomes[index] ?? { ...unanswered, code: 'NoResult', message: 'AWS gave no result.' },
    );
  } catch (error) {
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    return what.map(() => ({ ...unanswered, code: name, message }));
  }
}

function told({ event, failure: { code, message }, attempts }: Refused<Sending>): object {
  return { id: event.id, sequence: String(event.seq), type: event.type, code, message, attempts };
}
