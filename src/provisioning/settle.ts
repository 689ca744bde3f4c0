import type { Logger } from 'pino';
import type { Prisma, PrismaClient } from '../generated/prisma/client.js';
import type { LaneKey } from './lane.js';
import type { Owner } from './reckon.js';

/** Governance's answer to a change of an owner's resources: steps his state. May declare more: the lanes to wake then. */
export type Settled = (tx: Prisma.TransactionClient, owner: Owner) => Promise<LaneKey[] | undefined>;

/** Settles owners one transaction each, a few at a time, each owner once however often he is named meanwhile. */
export interface Settler {
  settle(owners: Owner[]): void;
  /** Resolves when everything named so far is done. */
  drained(): Promise<void>;
}

const AT_A_TIME = 4;
const LIMITS = { timeout: 15_000, maxWait: 10_000 };

/** A failure is logged and left to the sweep, which names the owner again. */
export function createSettler(options: {
  db: PrismaClient;
  settled: Settled;
  wake: (lanes: LaneKey[]) => void;
  log: Logger;
}): Settler {
  const { db, settled, wake, log } = options;
  const waiting = new Map<string, Owner>();
  const busy = new Set<string>();
  const workers = new Set<Promise<void>>();

  async function work(): Promise<void> {
    for (;;) {
      const next = [...waiting].find(([key]) => !busy.has(key));
      if (!next) return;
      const [key, owner] = next;
      waiting.delete(key);
      busy.add(key);
      try {
        wake((await db.$transaction((tx) => settled(tx, owner), LIMITS)) ?? []);
      } catch (error) {
        log.error({ err: error, owner }, 'owner could not be settled');
      } finally {
        busy.delete(key);
      }
    }
  }

  return {
    settle: (owners) => {
      for (const owner of owners) waiting.set(`${owner.type}/${owner.id}`, owner);
      while (workers.size < Math.min(AT_A_TIME, waiting.size)) {
        const worker = work().finally(() => workers.delete(worker));
        workers.add(worker);
      }
    },
    drained: async () => {
      while (workers.size > 0) await Promise.all(workers);
    },
  };
}
