import type { Prisma, PrismaClient } from '../generated/prisma/client.js';

/** An account that is called, and a region: what a reconciler works on alone. */
export interface LaneKey {
  account: string;
  region: string;
}

/** The lane was taken by another holder, or its lease could not be renewed: stop, and write nothing more. */
export class FenceLost extends Error {
  constructor(lane: LaneKey, options?: ErrorOptions) {
    super(`The lease of lane ${lane.account}/${lane.region} is lost, or cannot be renewed.`, options);
  }
}

/** How long leases and AWS requests last, in milliseconds. The lease must outlast a request, with room for its renewal. */
export interface LeaseTimes {
  leaseMs: number;
  requestTimeoutMs: number;
}

/** One worker's hold on a lane. */
export interface Lease extends LaneKey {
  holder: string;
  fence: bigint;
  /** True once the fence was found lost; nothing may be called or written under it any more. */
  lost: boolean;
  /** Reading of the monotonic clock until which the lease surely holds: counted from before the renewal was sent. */
  surelyUntil: number;
}

/** A lane taken, or when to try again. `waitMs`: until the last request of a holder that died has surely ended. */
export type Taken = { lease: Lease; waitMs: number } | { lease: null; retryInMs: number };

/**
 * Takes a lane that is free or whose lease has run out, by the database's clock. The conditional update is the lock: of two workers
 * one changes the row, and the fence tells every later holder apart.
 */
export async function takeLane(db: PrismaClient, lane: LaneKey, holder: string, times: LeaseTimes): Promise<Taken> {
  const asked = performance.now();
  const [taken] = await db.$queryRaw<{ fence: bigint; overdueMs: number | null }[]>`
    WITH before AS (
      SELECT "leaseUntil" FROM "Lane"
      WHERE "account" = ${lane.account} AND "region" = ${lane.region}
        AND ("holder" IS NULL OR "leaseUntil" < clock_timestamp())
      FOR UPDATE
    )
    UPDATE "Lane"
    SET "holder" = ${holder}, "fence" = "fence" + 1,
      "leaseUntil" = clock_timestamp() + ${times.leaseMs} * interval '1 millisecond'
    FROM before
    WHERE "account" = ${lane.account} AND "region" = ${lane.region}
    RETURNING "fence", (extract(epoch FROM clock_timestamp() - before."leaseUntil") * 1000)::float8 AS "overdueMs"`;
  if (!taken) return { lease: null, retryInMs: await msUntilFree(db, lane, times) };
  const lease: Lease = {
    ...lane,
    holder,
    fence: taken.fence,
    lost: false,
    surelyUntil: asked + times.leaseMs,
  };
  const waitMs = taken.overdueMs === null ? 0 : Math.max(0, times.requestTimeoutMs - taken.overdueMs);
  return { lease, waitMs };
}

/** Makes the lane's row where there is none, and says how long its present lease lasts. */
async function msUntilFree(db: PrismaClient, { account, region }: LaneKey, times: LeaseTimes): Promise<number> {
  await db.$executeRaw`INSERT INTO "Lane" ("account", "region") VALUES (${account}, ${region}) ON CONFLICT DO NOTHING`;
  const [row] = await db.$queryRaw<{ ms: number }[]>`
    SELECT coalesce(extract(epoch FROM "leaseUntil" - clock_timestamp()) * 1000, 0)::float8 AS ms FROM "Lane"
    WHERE "account" = ${account} AND "region" = ${region}`;
  return Math.min(Math.max(row?.ms ?? 0, 0), times.leaseMs);
}

/**
 * Ends every lease at once. Only for an installation that is known to have no other process: then whoever holds a lane at the start
 * is dead, and his requests with him. The next holder still observes what was in flight.
 */
export async function endLeases(db: PrismaClient): Promise<void> {
  await db.$executeRaw`
    UPDATE "Lane" SET "leaseUntil" = clock_timestamp() - interval '1 hour' WHERE "holder" IS NOT NULL`;
}

/** Lets the lane go; nothing happens where the fence is lost. */
export async function releaseLane(db: PrismaClient, lease: Lease): Promise<void> {
  lease.lost = true;
  await db.$executeRaw`
    UPDATE "Lane" SET "holder" = NULL, "leaseUntil" = NULL
    WHERE "account" = ${lease.account} AND "region" = ${lease.region}
      AND "holder" = ${lease.holder} AND "fence" = ${lease.fence}`;
}

/** Before each AWS call: the lease must outlast the request's timeout, else it is renewed; throws FenceLost where that fails. */
export async function ensureLease(db: PrismaClient, lease: Lease, times: LeaseTimes): Promise<void> {
  if (lease.lost) throw new FenceLost(lease);
  const neededMs = times.requestTimeoutMs + (times.leaseMs - times.requestTimeoutMs) / 4;
  if (lease.surelyUntil - performance.now() >= neededMs) return;
  const asked = performance.now();
  const renewed = await renew(db, lease, times).catch((cause: unknown) => {
    // Without the database nobody knows whose the lane is; this must not pass for an answer of AWS.
    lease.lost = true;
    throw new FenceLost(lease, { cause });
  });
  if (renewed === 1) lease.surelyUntil = asked + times.leaseMs;
  // The answer itself may have come too late.
  if (renewed === 1 && lease.surelyUntil - performance.now() >= times.requestTimeoutMs) return;
  lease.lost ||= renewed === 0;
  throw new FenceLost(lease);
}

function renew(db: PrismaClient, lease: Lease, { leaseMs }: LeaseTimes): Promise<number> {
  return db.$executeRaw`
    UPDATE "Lane" SET "leaseUntil" = clock_timestamp() + ${leaseMs} * interval '1 millisecond'
    WHERE "account" = ${lease.account} AND "region" = ${lease.region}
      AND "holder" = ${lease.holder} AND "fence" = ${lease.fence}`;
}

const LIMITS = { timeout: 15_000, maxWait: 10_000 };

/**
 * Runs writes that hold only under the fence. The shared lock on the lane's row keeps a new holder out until they are committed:
 * comparing the fence in each UPDATE alone would let one that waited for a row's lock pass with an old snapshot.
 */
export async function underFence<T>(
  db: PrismaClient,
  lease: Lease,
  write: (tx: Prisma.TransactionClient) => Promise<T>,
): Promise<T> {
  if (lease.lost) throw new FenceLost(lease);
  return db.$transaction(async (tx) => {
    const held = await tx.$queryRaw<unknown[]>`
      SELECT 1 FROM "Lane" WHERE "account" = ${lease.account} AND "region" = ${lease.region}
        AND "holder" = ${lease.holder} AND "fence" = ${lease.fence}
      FOR SHARE`;
    if (held.length === 0) {
      lease.lost = true;
      throw new FenceLost(lease);
    }
    return write(tx);
  }, LIMITS);
}
