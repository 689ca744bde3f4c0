import type { Log } from './log.js';

/** One thing that must work for the process to take requests: resolves when it does, rejects with the reason when not. */
export type ReadinessCheck = () => Promise<void>;

/** The answer of /readyz; `checks` says `ok` or `failed`: why is in the log, as anybody may ask. */
export interface Readiness {
  ready: boolean;
  checks: Record<string, string>;
}

/** Readiness of one process. */
export interface Health {
  readiness(): Promise<Readiness>;
  /** From now on the process is not ready: load balancers stop sending, requests under way finish. */
  drain(): void;
}

type Results = [name: string, verdict: 'ok' | 'failed'][];

interface HealthOptions {
  log: Log;
  /** ms after which a check counts as failed. */
  timeout?: number;
  /** ms for which what was found is answered again, however often one asks. */
  keptFor?: number;
}

/** Runs all checks at once. */
export function createHealth(checks: Record<string, ReadinessCheck>, options: HealthOptions): Health {
  const { log, timeout = 2_000, keptFor = 1_000 } = options;
  let draining = false;
  let found: { results: Promise<Results>; until: number } | undefined;

  async function look(): Promise<Results> {
    return Promise.all(
      Object.entries(checks).map(async ([name, check]): Promise<Results[number]> => {
        const problem = await problemOf(check, timeout);
        if (problem !== null) log.warn({ err: problem, check: name }, 'not ready');
        return [name, problem === null ? 'ok' : 'failed'];
      }),
    );
  }

  return {
    readiness: async () => {
      // Until a look has ended, whoever asks waits for the same one.
      if (found === undefined || performance.now() > found.until) {
        const mine = { results: look(), until: Number.POSITIVE_INFINITY };
        found = mine;
        await mine.results;
        mine.until = performance.now() + keptFor;
      }
      const results = await found.results;
      const answers = Object.fromEntries(draining ? [...results, ['shutdown', 'draining']] : results);
      return { ready: !draining && results.every(([, answer]) => answer === 'ok'), checks: answers };
    },
    drain: () => {
      draining = true;
    },
  };
}

/** What a check fails with; null: it does not. */
async function problemOf(check: ReadinessCheck, timeout: number): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, fail) => {
    timer = setTimeout(() => fail(new Error('no answer in time')), timeout);
  });
  try {
    await Promise.race([check(), late]);
    return null;
  } catch (error) {
    return error ?? 'failed';
  } finally {
    clearTimeout(timer);
  }
}
