import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';

/** The part of the logger that the log's readers use. */
export type Log = Pick<Logger, 'info' | 'warn' | 'error'>;

/** A piece of work that repeats until stopped, whatever fails in between. */
export interface Loop {
  /** There may be work: run now rather than at the next poll. */
  poke(): void;
  /** Resolves when the run under way has ended. */
  stop(): Promise<void>;
  /** When the last run succeeded: for health checks. */
  readonly lastRunAt: Date | null;
}

export interface LoopOptions {
  name: string;
  log: Log;
  /** Pause between runs when there is nothing to do and nobody pokes, in milliseconds. */
  idleMs: number;
  /** Answers whether there is more to do at once. */
  run(signal: AbortSignal): Promise<boolean>;
}

/** Starts a loop. A failed run is logged and tried again with backoff; it never ends the process. */
export function startLoop({ name, log, idleMs, run }: LoopOptions): Loop {
  const stopping = new AbortController();
  const { signal } = stopping;
  let poked = false;
  let wake: (() => void) | undefined;
  let lastRunAt: Date | null = null;
  let failures = 0;

  function rest(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, idleMs);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async function runOnce(): Promise<boolean> {
    poked = false;
    try {
      const more = await run(signal);
      if (failures > 0) log.info({ loop: name, failures }, `${name}: works again`);
      failures = 0;
      lastRunAt = new Date();
      return more;
    } catch (error) {
      if (!signal.aborted) {
        failures += 1;
        log.warn({ err: error, loop: name, failures }, `${name}: failed, will try again`);
        await pause(fullJitter({ attempt: failures, baseMs: 50, capMs: 2_000 }), signal);
      }
      return true;
    }
  }

  async function repeat(): Promise<void> {
    while (!signal.aborted) {
      const more = await runOnce();
      if (!more && !poked && !signal.aborted) await rest();
    }
  }

  const ended = repeat();
  return {
    poke() {
      poked = true;
      wake?.();
    },
    async stop() {
      stopping.abort();
      wake?.();
      await ended;
    },
    get lastRunAt() {
      return lastRunAt;
    },
  };
}

/** Milliseconds to wait before the next attempt: anything up to base x 2^(attempt - 1), capped (AWS: exponential backoff with full jitter). */
export function fullJitter({ attempt, baseMs, capMs }: { attempt: number; baseMs: number; capMs: number }): number {
  return Math.random() * Math.min(capMs, baseMs * 2 ** (attempt - 1));
}

/** Waits, or less when the signal aborts; never rejects. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => undefined);
}
