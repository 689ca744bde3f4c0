import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import type { PrismaClient } from '../generated/prisma/client.js';
import type { LaneKey } from './declare.js';
import { dueLanes, msUntilDue } from './due.js';
import { FenceLost, type LeaseTimes, releaseLane, takeLane } from './lane.js';
import type { Aws, OpenLane } from './provider.js';
import type { Owner } from './reckon.js';
import type { AboutResource, Recorded } from './record.js';
import { type RunContext, runLane } from './run.js';
import { createSettler, type Settled } from './settle.js';

/** Periods in milliseconds. `requestTimeoutMs` must be the timeout of the AWS clients. */
export interface ReconcilerTimes extends LeaseTimes {
  sweepMs: number;
  driftPeriodMs: number;
}

/** A dead worker's lane is had again after lease and timeout, 14 s at most. */
export const DEFAULT_TIMES: ReconcilerTimes = {
  leaseMs: 9_000,
  requestTimeoutMs: 5_000,
  sweepMs: 5_000,
  driftPeriodMs: 900_000,
};

export interface ReconcilerOptions<Session> {
  db: PrismaClient;
  aws: Aws<Session>;
  /** The role registered for an account; null for the governance account. */
  roleOf: (account: string) => Promise<OpenLane['role']>;
  /** Called in a transaction of its own for each owner of a resource whose status changed. */
  settled: Settled;
  /** Owners whose state lags behind their resources: heals a crash between record and settle. */
  unsettledOwners: () => Promise<Owner[]>;
  aboutResource: AboutResource;
  log: Logger;
  times?: Partial<ReconcilerTimes>;
  /** Lanes worked on side by side in this process. */
  concurrency?: number;
  random?: () => number;
}

/** Makes AWS agree, lane by lane, until it is stopped. */
export interface Reconciler {
  /** Works on these lanes soon. Never throws; a wake-up that is lost is found by the sweep. */
  wake(lanes: LaneKey[]): void;
  /** Lets batches in flight end and records them, gives the lanes back. */
  stop(): Promise<void>;
  status(): { running: LaneKey[]; queued: LaneKey[]; sweptAt: Date | null };
}

/** Starts the reconciler and its sweep; wakes come from commits of this process, from jobs, and from the sweep. */
export function startReconciler<Session>(options: ReconcilerOptions<Session>): Reconciler {
  const times = { ...DEFAULT_TIMES, ...options.times };
  const { db, log } = options;
  let stopping = false;
  let sweptAt: Date | null = null;
  const stop = new AbortController();

  const context: RunContext<Session> = {
    db,
    aws: options.aws,
    roleOf: options.roleOf,
    aboutResource: options.aboutResource,
    times,
    verdicts: { driftPeriodMs: times.driftPeriodMs, random: options.random ?? Math.random },
    log,
    stopping: () => stopping,
    recorded,
  };
  const lanes = createLaneQueue(options.concurrency ?? 8, (lane) =>
    workOn(lane).catch((error) => failedOn(lane, error)),
  );
  const settler = createSettler({ db, settled: options.settled, wake: lanes.wake, log });

  function recorded({ owners, dependents }: Recorded): void {
    lanes.wake(dependents);
    settler.settle(owners);
  }

  /** Returns when the lane is to be looked at again, in milliseconds; null leaves it to the sweep. */
  async function workOn(lane: LaneKey): Promise<number | null> {
    const taken = await takeLane(db, lane, randomUUID(), times);
    // The holder looks for due rows once more after it let go; this looks again in case it died.
    if (!taken.lease) return taken.retryInMs + 10;
    try {
      if (taken.waitMs > 0) await sleep(taken.waitMs, stop.signal);
      if (!stopping) await runLane(context, taken.lease);
    } finally {
      await releaseLane(db, taken.lease);
    }
    return msUntilDue(db, lane, times.sweepMs);
  }

  function failedOn(lane: LaneKey, error: unknown): number {
    if (error instanceof FenceLost) log.warn({ lane, err: error.cause }, error.message);
    else log.error({ err: error, lane }, 'lane run failed');
    return 1_000;
  }

  async function sweep(): Promise<void> {
    try {
      lanes.wake(await dueLanes(db));
      settler.settle(await options.unsettledOwners());
      sweptAt = new Date();
    } catch (error) {
      log.error({ err: error }, 'sweep failed');
    }
  }

  async function sweepForEver(): Promise<void> {
    while (!stopping) {
      await sweep();
      await sleep(times.sweepMs, stop.signal);
    }
  }
  const sweeping = sweepForEver();

  return {
    wake: lanes.wake,
    stop: async () => {
      stopping = true;
      stop.abort();
      await sweeping;
      await lanes.close();
      await settler.drained();
    },
    status: () => ({ ...lanes.status(), sweptAt }),
  };
}

interface LaneQueue {
  wake(lanes: LaneKey[]): void;
  close(): Promise<void>;
  status(): { running: LaneKey[]; queued: LaneKey[] };
}

/** Works on each lane once at a time, a few lanes side by side; `work` says when the lane is to be looked at again. */
function createLaneQueue(concurrency: number, work: (lane: LaneKey) => Promise<number | null>): LaneQueue {
  const running = new Map<string, { lane: LaneKey; done: Promise<void> }>();
  const queued = new Map<string, LaneKey>();
  const timers = new Map<string, NodeJS.Timeout>();
  let closed = false;

  function wake(lanes: LaneKey[]): void {
    if (closed) return;
    for (const lane of lanes) queued.set(keyOf(lane), { account: lane.account, region: lane.region });
    fill();
  }

  function fill(): void {
    for (const [key, lane] of queued) {
      if (closed || running.size >= concurrency) return;
      // Woken while it runs: it runs once more afterwards, as it may have looked already.
      if (running.has(key)) continue;
      queued.delete(key);
      clearTimeout(timers.get(key));
      const done = work(lane).then((againInMs) => {
        running.delete(key);
        if (againInMs !== null) later(lane, againInMs);
        fill();
      });
      running.set(key, { lane, done });
    }
  }

  function later(lane: LaneKey, ms: number): void {
    if (closed) return;
    const key = keyOf(lane);
    clearTimeout(timers.get(key));
    timers.set(
      key,
      setTimeout(() => wake([lane]), ms),
    );
  }

  return {
    wake,
    close: async () => {
      closed = true;
      for (const timer of timers.values()) clearTimeout(timer);
      await Promise.all([...running.values()].map(({ done }) => done));
    },
    status: () => ({ running: [...running.values()].map(({ lane }) => lane), queued: [...queued.values()] }),
  };
}

const keyOf = (lane: LaneKey): string => `${lane.account}/${lane.region}`;

/** Ends early, without an error, when the signal comes. */
function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end, { once: true });
    function end(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    }
  });
}
