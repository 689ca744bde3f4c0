import { type Log, startLoop } from '../events/loop.js';
import {
  ownerKey,
  type ProvisioningOwner,
  type ProvisioningStep,
  provisioningSteps,
} from '../governance/provisioning-progress.js';
import type { RunStatement } from '../governance/read/select.js';

const POLL_MS = 250;

/** Everybody in this process who watches provisioning: one statement a quarter of a second for all of them, none while there is nobody. */
export interface ProgressWatch {
  /** The steps of one owner, the present one first; steps that nobody took meanwhile are passed over. Ends with the last one. */
  watch(owner: ProvisioningOwner, signal?: AbortSignal): AsyncIterableIterator<ProvisioningStep>;
  stop(): Promise<void>;
}

interface Watcher {
  owner: ProvisioningOwner;
  take(step: ProvisioningStep): void;
  end(): void;
}

/** Starts it. */
export function startProgressWatch({ run, log }: { run: RunStatement; log: Log }): ProgressWatch {
  const watchers = new Set<Watcher>();
  const loop = startLoop({
    name: 'provisioning watch',
    log,
    idleMs: POLL_MS,
    run: async () => {
      if (watchers.size === 0) return false;
      const asked = [...watchers];
      const owners = new Map(asked.map(({ owner }) => [ownerKey(owner), owner]));
      const steps = await provisioningSteps(run, [...owners.values()]);
      for (const { owner, take } of asked) {
        const step = steps.get(ownerKey(owner));
        if (step) take(step);
      }
      return false;
    },
  });
  return {
    watch(owner, signal) {
      const { watcher, steps } = openWatcher(owner, () => watchers.delete(watcher));
      watchers.add(watcher);
      signal?.addEventListener('abort', watcher.end, { once: true });
      if (signal?.aborted) watcher.end();
      loop.poke();
      return steps;
    },
    async stop() {
      await loop.stop();
      for (const watcher of watchers) watcher.end();
    },
  };
}

function openWatcher(owner: ProvisioningOwner, onEnd: () => void) {
  let last = '';
  let latest: ProvisioningStep | undefined;
  let ended = false;
  let wake: (() => void) | undefined;
  const end = (): void => {
    if (ended) return;
    ended = true;
    onEnd();
    wake?.();
  };
  const watcher: Watcher = {
    owner,
    end,
    take: (step) => {
      const text = JSON.stringify(step);
      if (text === last) return;
      last = text;
      latest = step;
      wake?.();
    },
  };

  async function* read(): AsyncGenerator<ProvisioningStep> {
    try {
      while (!ended) {
        const step = latest;
        if (step === undefined) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
          continue;
        }
        latest = undefined;
        yield step;
        if (step.state !== 'PROGRESSING') return;
      }
    } finally {
      end();
    }
  }

  const generator = read();
  const steps: AsyncIterableIterator<ProvisioningStep> = {
    next: () => generator.next(),
    // A generator that waits would not return before the next step.
    return: () => {
      end();
      return generator.return(undefined);
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
  return { watcher, steps };
}
