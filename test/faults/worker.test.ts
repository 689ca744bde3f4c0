import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { declare } from '../../src/provisioning/declare.js';
import type { Owner } from '../../src/provisioning/reckon.js';
import type { Reconciler } from '../../src/provisioning/reconcile.js';
import { type DesiredResource, resourceId } from '../../src/provisioning/resource.js';
import { type Database, openDatabase } from '../../src/server/database.js';
import {
  ANALYST,
  accessTo,
  CORRELATION,
  consumerDomain,
  GOVERNANCE,
  grantOf,
  tableInGovernance,
} from '../provisioning/desired.js';
import { type Call, eventually, owner, QUICK, reconcilerOf, World } from '../provisioning/world.js';
import { createTestDatabase, type TestDatabase } from '../testkit/database.js';
import { openPostgresProxy } from '../testkit/postgres-proxy.js';

let database: TestDatabase;
let db: Database;
let running: Reconciler[];

beforeAll(async () => {
  database = await createTestDatabase();
  db = openDatabase(database.serverUrl, { poolSize: 16 });
});
afterAll(async () => {
  await db?.close();
  await database?.leave();
});
beforeEach(async () => {
  running = [];
  await db.prisma.resourceClaim.deleteMany();
  await db.prisma.resource.deleteMany();
  await db.prisma.lane.updateMany({ data: { holder: null, leaseUntil: null } });
});
afterEach(async () => {
  await Promise.all(running.map((reconciler) => reconciler.stop()));
});

/** A worker with a view of its own on the same AWS, so that a test can pause this worker alone; over `on`, where it is told one. */
function worker(world: World, { meddle, on = db }: { meddle?: World['meddle']; on?: Database } = {}) {
  const view = new World();
  view.objects = world.objects;
  view.calls = world.calls;
  view.meddle = async (call) => {
    await meddle?.(call);
    await world.meddle(call);
  };
  const reconciler = reconcilerOf(on, view);
  running.push(reconciler);
  return reconciler;
}

const declared = (who: Owner, resources: DesiredResource[]) =>
  db.prisma.$transaction((tx) => declare(tx, { owner: who, resources, correlationId: CORRELATION }));
const released = (who: Owner) => declared(who, []);
const row = (resource: DesiredResource) =>
  db.prisma.resource.findUniqueOrThrow({ where: { id: resourceId(resource) } });
const statuses = async () => (await db.prisma.resource.findMany()).map(({ status }) => status);
const allAre = (status: string) => async () => (await statuses()).every((found) => found === status);

/** A promise that the test resolves. */
function gateway() {
  let resolve = (): void => {};
  const promise = new Promise<void>((resolved) => {
    resolve = resolved;
  });
  return { promise, resolve };
}

/** Holds the first call that matches until it is let go. */
function pause(matches: (call: Call) => boolean) {
  const gate = gateway();
  const reached = gateway();
  let done = false;
  const meddle = async (call: Call): Promise<void> => {
    if (done || !matches(call)) return;
    done = true;
    reached.resolve();
    await gate.promise;
  };
  return { meddle, reached: reached.promise, resume: () => gate.resolve() };
}

describe('a worker that stops past its lease', () => {
  test('is replaced, and when it wakes neither writes under its old fence nor leaves its late call unseen', async () => {
    const world = new World();
    const paused = pause(({ operation }) => operation === 'apply');
    const first = worker(world, paused);
    const who = owner();
    first.wake((await declared(who, [grantOf('orders')])).changedLanes);
    await paused.reached;
    expect((await row(grantOf('orders'))).status).toBe('APPLYING');

    // While it sleeps the access is revoked, and another worker finds nothing to remove.
    const second = worker(world);
    second.wake((await released(who)).changedLanes);
    await eventually(allAre('REMOVED'), 'removed by the second worker');
    const fence = await db.prisma.lane.findFirstOrThrow({ where: { account: GOVERNANCE.account } });

    // It wakes: its grant reaches AWS after the revoke was recorded.
    paused.resume();
    await eventually(
      async () => world.objects.size === 0 && world.changes().length >= 3,
      'the late grant is removed again',
    );
    await eventually(allAre('REMOVED'), 'removed for good');
    expect(await row(grantOf('orders'))).toMatchObject({ generation: 3, observedGeneration: 3 });
    expect(fence.fence).toBeGreaterThanOrEqual(2n);
  });

  test('and wakes with an observation of long ago changes nothing by it', async () => {
    const world = new World();
    const paused = pause(({ operation }) => operation === 'observe');
    const first = worker(world, paused);
    first.wake((await declared(owner(), [grantOf('orders')])).changedLanes);
    await paused.reached;
    const second = worker(world);
    second.wake([GOVERNANCE]);
    await eventually(allAre('READY'), 'granted by the second worker');
    // What the first one saw, it saw before: nothing there.
    world.objects.clear();
    paused.resume();
    await eventually(async () => first.status().running.length === 0, 'the first worker gave up');
    expect(world.changes()).toHaveLength(1);
    expect(await statuses()).toEqual(['READY']);
  });

  test('and finds the database away when it wakes tells of its late call as soon as it can', async () => {
    const world = new World();
    const paused = pause(({ operation }) => operation === 'apply');
    const door = await openPostgresProxy(Number(new URL(database.serverUrl).port));
    const behindDoor = openDatabase(door.through(database.serverUrl), { poolSize: 4 });
    const first = worker(world, { ...paused, on: behindDoor });
    const who = owner();
    first.wake((await declared(who, [grantOf('orders')])).changedLanes);
    await paused.reached;
    worker(world).wake((await released(who)).changedLanes);
    await eventually(allAre('REMOVED'), 'removed by the second worker');

    door.shut();
    paused.resume();
    await eventually(async () => world.objects.size === 1, 'its grant reaches AWS');
    await sleep(500);
    expect(await statuses()).toEqual(['REMOVED']);
    door.open();
    await eventually(
      async () => world.objects.size === 0 && (await allAre('REMOVED')()),
      'the late grant is removed again',
    );
    await first.stop();
    await behindDoor.close();
    await door.close();
  });

  test('is waited for until its last request has surely ended', async () => {
    const world = new World();
    const paused = pause(({ operation }) => operation === 'apply');
    const first = worker(world, paused);
    first.wake((await declared(owner(), [grantOf('orders')])).changedLanes);
    await paused.reached;
    const { leaseUntil } = await db.prisma.lane.findFirstOrThrow({ where: { account: GOVERNANCE.account } });
    const second = worker(world);
    second.wake([GOVERNANCE]);
    const before = world.calls.length;
    await eventually(async () => world.calls.length > before, 'the second worker calls');
    expect(Date.now()).toBeGreaterThanOrEqual(leaseUntil!.getTime() + QUICK.requestTimeoutMs - 20);
    expect(world.calls[before]?.operation).toBe('observe');
    paused.resume();
    await eventually(allAre('READY'), 'granted');
  });
});

test('a late call of a worker that lost its lane is seen although the next holder has the row in hand', async () => {
  const world = new World();
  const paused = pause(({ operation }) => operation === 'apply');
  const first = worker(world, paused);
  const who = owner();
  first.wake((await declared(who, [grantOf('orders')])).changedLanes);
  await paused.reached;
  // The next holder has looked for the last time, and is about to record that nothing is there.
  let looks = 0;
  const recording = pause(({ operation }) => {
    if (operation === 'observe') looks += 1;
    return operation === 'observe' && looks === 3;
  });
  const view = new World();
  view.objects = world.objects;
  view.calls = world.calls;
  view.meddle = recording.meddle;
  // It answers what it saw before the late call.
  view.listed = new Map();
  const second = reconcilerOf(db, view);
  running.push(second);
  second.wake((await released(who)).changedLanes);
  await recording.reached;
  paused.resume();
  await eventually(async () => first.status().running.length === 0, 'the first worker gave up');
  expect(world.objects.size).toBe(1);
  recording.resume();
  view.listed = null;
  await eventually(async () => world.objects.size === 0 && (await allAre('REMOVED')()), 'the late grant is removed');
});

describe('a worker that dies', () => {
  test('between its call and its record leaves rows that the next one observes first, so nothing is done twice', async () => {
    const world = new World();
    const dying = openDatabase(database.serverUrl, { poolSize: 4 });
    const view = new World();
    view.objects = world.objects;
    view.calls = world.calls;
    const died = gateway();
    const gate = gateway();
    let applied = 0;
    view.meddle = async ({ operation }) => {
      if (operation === 'apply') applied += 1;
      // The observation after both calls: AWS has the grants, the database does not know.
      if (operation !== 'observe' || applied < 2) return;
      died.resolve();
      await gate.promise;
    };
    const first = reconcilerOf(dying, view);
    const many = Array.from({ length: 40 }, (_, n) => grantOf('orders', { SELECT: 'ALL_COLUMNS' }, `${ANALYST}-${n}`));
    first.wake((await declared(owner(), many)).changedLanes);
    await died.promise;
    await dying.pool.end();
    expect(new Set(await statuses())).toEqual(new Set(['APPLYING']));

    worker(world).wake([GOVERNANCE]);
    await eventually(allAre('READY'), 'recorded by the next worker');
    expect(world.changes().flatMap(({ keys }) => keys)).toHaveLength(40);
    gate.resolve();
    await first.stop();
  });

  test('in good order gives its lane back at once, its batch recorded', async () => {
    const world = new World();
    const slow = pause(({ operation }) => operation === 'apply');
    const first = worker(world, slow);
    const many = Array.from({ length: 60 }, (_, n) => grantOf('orders', { SELECT: 'ALL_COLUMNS' }, `${ANALYST}-${n}`));
    first.wake((await declared(owner(), many)).changedLanes);
    await slow.reached;
    const stopped = first.stop();
    slow.resume();
    await stopped;
    expect(world.changes()).toHaveLength(1);
    expect((await statuses()).filter((status) => status === 'READY')).toHaveLength(20);
    expect(await db.prisma.lane.findFirst({ where: { account: GOVERNANCE.account } })).toMatchObject({ holder: null });
    worker(world);
    await eventually(allAre('READY'), 'the rest follows');
    expect(world.changes().flatMap(({ keys }) => keys)).toHaveLength(60);
  });
});

test('two workers at once never call in one lane side by side, whatever wakes them', { timeout: 90_000 }, async () => {
  const world = new World();
  const inside = new Map<string, number>();
  let most = 0;
  world.meddle = async ({ account }) => {
    const now = (inside.get(account) ?? 0) + 1;
    inside.set(account, now);
    most = Math.max(most, now);
    await sleep(3);
    inside.set(account, now - 1);
  };
  const workers = [worker(world), worker(world), worker(world)];
  await declared(owner('DOMAIN'), consumerDomain());
  for (let wave = 0; wave < 6; wave += 1) {
    await Promise.all(
      [0, 1, 2, 3].map(async (n) => {
        const table = `t${wave}_${n}`;
        await declared(owner('DATA_PRODUCT'), tableInGovernance(table));
        const grant = owner();
        for (const resources of [accessTo(table), [], accessTo(table)]) {
          const { changedLanes } = await declared(grant, resources);
          for (const { wake } of workers) wake(changedLanes);
        }
      }),
    );
    await eventually(allAre('READY'), 'everything is READY', 15_000);
  }
  expect(most).toBe(1);
  expect(new Set(world.calls.map(({ sessionName }) => sessionName)).size).toBeGreaterThan(6);
});

test('connections that are cut in the middle of the work delay it only', async () => {
  const world = new World();
  world.meddle = () => sleep(5);
  const reconciler = worker(world);
  const many = Array.from({ length: 200 }, (_, n) =>
    grantOf(`t${n % 40}`, { SELECT: 'ALL_COLUMNS' }, `${ANALYST}-${n}`),
  );
  reconciler.wake((await declared(owner(), many)).changedLanes);
  const admin = openDatabase(database.ownerUrl, { poolSize: 1 });
  try {
    await eventually(async () => world.changes().length > 2, 'it is at work');
    await admin.pool
      .query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid()`)
      .catch(() => undefined);
  } finally {
    await admin.close();
  }
  await eventually(async () => allAre('READY')().catch(() => false), 'granted', 15_000);
  expect(world.changes().flatMap(({ keys }) => keys)).toHaveLength(200);
});
