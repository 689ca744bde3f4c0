import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import type { PrismaClient } from '../generated/prisma/client.js';
import { dueLanes, msUntilDue } from './due.js';
import { FenceLost, type LaneKey, type LeaseTimes, releaseLane, takeLane } from './lane.js';
import { createLaneQueue } from './lane-queue.js';
import type { Aws, OpenLane } from './provider.js';
import type { Owner } from './reckon.js';
import type { AboutResource } from './resource-event.js';
import { runLane } from './run.js';
import type { RunContext } from './run-calls.js';
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
  /** Told of resources that AWS agrees with, in the transaction that records it; default: nobody is. */
  keepStanding?: RunContext<Session>['keepStanding'];
  /** What is done about resources that were changed out of band, by id; default: they are repaired. */
  driftPolicies?: RunContext<Session>['driftPolicies'];
  /** What is done about grants that no claim explains; default: they are told of. */
  foreign?: RunContext<Session>['foreign'];
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
  const { db, log, aws, roleOf, aboutResource } = options;
  const stop = new AbortController();
  const context: RunContext<Session> = {
    db,
    aws,
    roleOf,
    aboutResource,
    keepStanding: options.keepStanding ?? (async () => undefined),
    driftPolicies: options.driftPolicies ?? (async () => new Map()),
    foreign: options.foreign ?? { policies: async () => new Map(), publicId: (id) => id },
    times,
    verdicts: { driftPeriodMs: times.driftPeriodMs, random: options.random ?? Math.random },
    log,
    stopping: () => stop.signal.aborted,
    recorded: ({ owners, dependents }) => {
      lanes.wake(dependents);
      settler.settle(owners);
    },
  };
  const lanes = createLaneQueue(options.concurrency ?? 8, (lane) =>
    workOn(context, lane, { times, signal: stop.signal }).catch((error: unknown) => retryAfter(log, lane, error)),
  );
  const settler = createSettler({ db, settled: options.settled, wake: lanes.wake, log });
  const sweep = startSweep({
    everyMs: times.sweepMs,
    signal: stop.signal,
    log,
    sweep: async () => {
      lanes.wake(await dueLanes(db));
      settler.settle(await options.unsettledOwners());
    },
  });
  return {
    wake: lanes.wake,
    stop: async () => {
      stop.abort();
      await sweep.ended;
      await lanes.close();
      await settler.drained();
    },
    status: () => ({ ...lanes.status(), sweptAt: sweep.sweptAt() }),
  };
}

/** Takes a lane, runs it, lets it go. Returns when it is to be looked at again, in milliseconds; null leaves it to the sweep. */
async function workOn<Session>(
  context: RunContext<Session>,
  lane: LaneKey,
  { times, signal }: { times: ReconcilerTimes; signal: AbortSignal },
): Promise<number | null> {
  const { db } = context;
  const taken = await takeLane(db, lane, randomUUID(), times);
  // The holder looks for due rows once more after it let go; this looks again in case it died.
  if (!taken.lease) return taken.retryInMs + 10;
  try {
    if (taken.waitMs > 0) await sleep(taken.waitMs, signal);
    if (!signal.aborted) await runLane(context, taken.lease);
  } finally {
    await releaseLane(db, taken.lease);
  }
  return msUntilDue(db, lane, times.sweepMs);
}

function retryAfter(log: Logger, lane: LaneKey, error: unknown): number {
  if (error instanceof FenceLost) log.warn({ lane, err: error.cause }, error.message);
  else log.error({ err: error, lane }, 'lane run failed');
  return 1_000;
}

/** Finds what no wake-up told of, every so often: a lost wake-up, a dead worker's rows, an owner left unsettled. */
function startSweep(options: { everyMs: number; signal: AbortSignal; log: Logger; sweep: () => Promise<void> }) {
  const { everyMs, signal, log, sweep } = options;
  let sweptAt: Date | null = null;
  const forEver = async (): Promise<void> => {
    while (!signal.aborted) {
      try {
        await sweep();
        sweptAt = new Date();
      } catch (error) {
        log.error({ err: error }, 'sweep failed');
      }
      await sleep(everyMs, signal);
    }
  };
  return { ended: forEver(), sweptAt: () => sweptAt };
}

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
