import { fullJitter, type Log, pause } from './loop.js';
import type { PutEvents, PutEventsEntry, PutEventsFailure, PutEventsOutcome, ReadyRequest } from './put-events.js';

/** How long to wait before a failed entry is sent again, in milliseconds: full jitter up to the cap. */
export interface Retry {
  baseMs: number;
  capMs: number;
}

export const RETRY: Retry = { baseMs: 100, capMs: 30_000 };

/** One thing to send, with what a log line says of it. */
export interface Sending {
  entry: PutEventsEntry;
  event: { id: string; seq: bigint; type: string };
}

/** What was refused for good, and how often it was sent. */
export type Refused<S extends Sending> = S & { failure: PutEventsFailure; attempts: number };

export interface Delivery {
  put: PutEvents;
  log: Log;
  retry: Retry;
  signal: AbortSignal;
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

/** Sends a request until every entry of it has arrived or was refused for good; of what failed, exactly that is sent again. Answers the refused ones. */
export async function deliver<S extends Sending>(
  request: Sendable<S>,
  { put, log, retry, signal, fails, mayGoOn }: Delivery,
): Promise<Refused<S>[]> {
  const refused: Refused<S>[] = [];
  let waiting = request;
  for (let attempts = 1; ; attempts += 1) {
    const outcomes = await attempt(waiting);
    const failed = waiting.what.flatMap((one, index) => {
      const failure = outcomes[index] as PutEventsOutcome;
      return failure.ok ? [] : [{ ...one, failure, attempts }];
    });
    const dead = failed.filter(({ failure }) => failure.permanent);
    if (dead.length > 0)
      log.error({ entries: dead.map(told) }, 'EventBridge refuses events: they are dead letters now');
    refused.push(...dead);
    const again = failed.filter(({ failure }) => !failure.permanent);
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

async function attempt({ what, ready }: Sendable<Sending>): Promise<PutEventsOutcome[]> {
  const unanswered = { ok: false, permanent: false } as const;
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
