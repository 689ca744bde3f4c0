import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ensureLease, FenceLost, type Lease, releaseLane, takeLane, underFence } from '../../src/provisioning/lane.js';
import { type Database, openDatabase } from '../../src/server/database.js';
import { createTestDatabase, type TestDatabase } from '../testkit/database.js';

let database: TestDatabase;
let db: Database;
beforeAll(async () => {
  database = await createTestDatabase();
  db = openDatabase(database.serverUrl, { poolSize: 20 });
});
afterAll(async () => {
  await db?.close();
  await database?.leave();
});

const TIMES = { leaseMs: 400, requestTimeoutMs: 150 };
let made = 0;
/** A lane of the test's own, free. */
async function newLane() {
  made += 1;
  const lane = { account: String(made).padStart(12, '0'), region: 'eu-central-1' };
  expect(await takeLane(db.prisma, lane, 'nobody', TIMES)).toMatchObject({ lease: null, retryInMs: 0 });
  return lane;
}
async function taken(lane: { account: string; region: string }, holder: string): Promise<Lease> {
  const { lease } = await takeLane(db.prisma, lane, holder, TIMES);
  if (!lease) throw new Error(`${holder} did not get the lane`);
  return lease;
}

describe('a lane', () => {
  test('goes to one of many who reach for it', async () => {
    const lane = await newLane();
    for (let round = 0; round < 10; round += 1) {
      const all = await Promise.all(Array.from({ length: 12 }, (_, n) => takeLane(db.prisma, lane, `w${n}`, TIMES)));
      const leases = all.flatMap(({ lease }) => (lease ? [lease] : []));
      expect(leases).toHaveLength(1);
      expect(leases[0]?.fence).toBe(BigInt(round + 1));
      await releaseLane(db.prisma, leases[0]!);
    }
  });

  test('tells the others how long the lease still lasts', async () => {
    const lane = await newLane();
    await taken(lane, 'a');
    const other = await takeLane(db.prisma, lane, 'b', TIMES);
    expect(other.lease).toBeNull();
    expect((other as { retryInMs: number }).retryInMs).toBeGreaterThan(TIMES.leaseMs / 2);
  });

  test('of a holder that died is had after its lease, and the new one waits out its last request', async () => {
    const lane = await newLane();
    const dead = await taken(lane, 'dead');
    await sleep(TIMES.leaseMs + 20);
    const next = await takeLane(db.prisma, lane, 'next', TIMES);
    expect(next.lease?.fence).toBe(dead.fence + 1n);
    const { waitMs } = next as { waitMs: number };
    expect(waitMs).toBeGreaterThan(TIMES.requestTimeoutMs - 120);
    expect(waitMs).toBeLessThanOrEqual(TIMES.requestTimeoutMs);
  });

  test('that was given back is had at once, without a wait', async () => {
    const lane = await newLane();
    await releaseLane(db.prisma, await taken(lane, 'a'));
    expect(await takeLane(db.prisma, lane, 'b', TIMES)).toMatchObject({ lease: { holder: 'b' }, waitMs: 0 });
  });
});

describe('a lease', () => {
  test('is renewed before a call that it would not outlast', async () => {
    const lane = await newLane();
    const lease = await taken(lane, 'a');
    for (let call = 0; call < 8; call += 1) {
      await ensureLease(db.prisma, lease, TIMES);
      expect(lease.surelyUntil - performance.now()).toBeGreaterThanOrEqual(TIMES.requestTimeoutMs);
      await sleep(100);
    }
    expect((await takeLane(db.prisma, lane, 'b', TIMES)).lease).toBeNull();
  });

  test('that ran out unnoticed is renewed only while nobody else took the lane', async () => {
    const lane = await newLane();
    const lease = await taken(lane, 'paused');
    await sleep(TIMES.leaseMs + 20);
    await ensureLease(db.prisma, lease, TIMES);
    await sleep(TIMES.leaseMs + 20);
    await taken(lane, 'next');
    await expect(ensureLease(db.prisma, lease, TIMES)).rejects.toThrow(FenceLost);
    expect(lease.lost).toBe(true);
    await releaseLane(db.prisma, lease);
    expect(await db.prisma.lane.findFirst({ where: lane })).toMatchObject({ holder: 'next' });
  });

  test('that is lost writes nothing', async () => {
    const lane = await newLane();
    const lease = await taken(lane, 'paused');
    await sleep(TIMES.leaseMs + 20);
    await taken(lane, 'next');
    let wrote = false;
    const write = underFence(db.prisma, lease, async () => {
      wrote = true;
    });
    await expect(write).rejects.toThrow(FenceLost);
    expect(wrote).toBe(false);
  });

  test('keeps a new holder out while its last write is on its way', async () => {
    const lane = await newLane();
    const lease = await taken(lane, 'slow');
    const order: string[] = [];
    const write = underFence(db.prisma, lease, async () => {
      await sleep(TIMES.leaseMs + 200);
      order.push('written');
    });
    await sleep(TIMES.leaseMs + 50);
    await taken(lane, 'next').then(() => order.push('taken'));
    await write;
    expect(order).toEqual(['written', 'taken']);
  });
});
