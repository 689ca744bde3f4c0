/** One thing that must work for the process to take requests: resolves when it does, rejects with the reason when not. */
export type ReadinessCheck = () => Promise<void>;

/** The answer of /readyz; `checks` says `ok` or what is wrong, without secrets. */
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

/** Runs all checks at once; one that takes longer than `timeout` ms counts as failed. */
export function createHealth(checks: Record<string, ReadinessCheck>, timeout = 2_000): Health {
  let draining = false;
  return {
    readiness: async () => {
      const results = await Promise.all(
        Object.entries(checks).map(async ([name, check]) => [name, await verdict(check, timeout)] as const),
      );
      const answers = Object.fromEntries(draining ? [...results, ['shutdown', 'draining']] : results);
      return { ready: !draining && results.every(([, answer]) => answer === 'ok'), checks: answers };
    },
    drain: () => {
      draining = true;
    },
  };
}

async function verdict(check: ReadinessCheck, timeout: number): Promise<string> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, fail) => {
    timer = setTimeout(() => fail(new Error('no answer in time')), timeout);
  });
  try {
    await Promise.race([check(), late]);
    return 'ok';
  } catch (error) {
    return error instanceof Error ? error.message : 'failed';
  } finally {
    clearTimeout(timer);
  }
}
