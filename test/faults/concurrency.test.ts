import { beforeAll, expect, test } from 'vitest';
import { payload, until } from '../../src/demo/client.js';
import type { ReconcilerTimes } from '../../src/provisioning/reconcile.js';
import { disagreements, isAtRest } from '../testkit/mesh-checker.js';
import { GOVERNANCE, type MeshProcess, processMeshOfTest } from '../testkit/process-mesh.js';
import { Extend } from './documents.js';
import { CONSUMER, type Market, openMarket, PRODUCER, range, reader, rowId, together } from './market.js';
import { atScale, isSoak } from './scale.js';

/** Two APIs and two workers at once. Leases and timeouts are as in production; after the first test only in `npm run test:soak`. */
const AS_SHIPPED = {};
const SHORTER = { leaseMs: 3_600, requestTimeoutMs: 2_000, sweepMs: 1_000 };
const PAIRS = atScale({ quick: 8, soak: 1_000 });

const mesh = await processMeshOfTest({ accounts: [PRODUCER, CONSUMER], ramSharing: true });
let workers: MeshProcess[] = [];
let market: Market;

beforeAll(async () => {
  const apis = [await mesh.api(), await mesh.api()];
  await Promise.all([...apis.map((api) => api.start()), hire(AS_SHIPPED)]);
  market = await openMarket(mesh, apis);
});

/** Two workers with these leases and timeouts, in place of those there were. */
async function hire(times: Partial<ReconcilerTimes>): Promise<void> {
  await Promise.all(workers.map((each) => each.kill()));
  workers = [await mesh.worker({ times }), await mesh.worker({ times })];
  await Promise.all(workers.map((each) => each.start()));
}

const resting = (): Promise<unknown> =>
  until('all has come to rest', async () => ((await isAtRest(mesh)) ? true : undefined), 30_000);

async function give(name: string): Promise<string[]> {
  const grants: string[] = [];
  await together(range(10), async (n) => {
    grants.push(
      await market.approve(await market.request({ principals: [reader(`${name}-${n}`)], tables: ['orders'] })),
    );
  });
  return grants;
}

/** The worker whose call is held on its way to AWS; the lane is his. */
async function heldAt(operation: string): Promise<{ holder: MeshProcess; let: () => void }> {
  const held = await Promise.race(
    workers.map(async (each) => ({ each, call: await each.aws.hold({ when: 'before', operation }) })),
  );
  for (const { aws } of workers) aws.disarm();
  return { holder: held.each, let: held.call.release };
}

const fence = async (): Promise<string> =>
  (await mesh.query<{ fence: string }>('SELECT "fence"::text FROM "Lane" WHERE "account" = $1', [GOVERNANCE]))[0]!
    .fence;

test('a lane whose worker was killed in the middle of a call is had again within 15 s', {
  timeout: 60_000,
}, async () => {
  const [{ holder }] = await Promise.all([heldAt('BatchGrantPermissions'), give('reclaimed')]);
  const before = (await mesh.sandbox.calls()).at(-1)?.n ?? 0;
  await holder.kill();
  const killedAt = Date.now();
  await until('the lane is worked on again', async () => {
    const calls = await mesh.sandbox.calls(before);
    return calls.find(({ account, service }) => account === GOVERNANCE && service === 'lakeformation');
  });
  expect(Date.now() - killedAt).toBeLessThanOrEqual(15_000);
  await Promise.all([resting(), holder.start()]);
  expect(await disagreements(mesh)).toEqual([]);
});

test('a worker that is stopped past its lease while its call is under way does no harm: what was revoked meanwhile is gone', {
  timeout: 90_000,
}, async () => {
  if (!isSoak) await hire(SHORTER);
  const stopping = heldAt('BatchGrantPermissions').then(async ({ holder, let: letGo }) => {
    // At once: a worker that goes on gives its call up after its time limit, and tries again.
    holder.signal('SIGSTOP');
    return { holder, letGo, before: await fence() };
  });
  const grants = await give('stopped');
  const { holder, letGo, before } = await stopping;
  await together(grants, market.revoke);
  await until('another one has the lane', async () => ((await fence()) !== before ? true : undefined));
  await until('all are revoked', async () => {
    const rows = await mesh.query(`SELECT 1 FROM "AccessGrant" WHERE "id" = ANY ($1) AND "status" <> 'REVOKED'`, [
      grants.map(rowId),
    ]);
    return rows.length === 0 ? true : undefined;
  });
  await resting();
  const agree = async (): Promise<boolean> => (await disagreements(mesh)).length === 0;
  expect(await agree()).toBe(true);
  // Its call arrives after all that, and then it wakes.
  letGo();
  await until('its call has taken effect', async () => ((await agree()) ? undefined : true), 10_000);
  holder.signal('SIGCONT');
  await until('that is undone', async () => ((await agree()) ? true : undefined), 30_000).catch(() => undefined);
  expect(await disagreements(mesh)).toEqual([]);
});

const extend = (accessGrant: string): Promise<unknown> =>
  market.ask('owner-sales', async (execute, idempotencyKey) => {
    const expiresAt = new Date(Date.now() + 86_400_000).toISOString();
    payload((await execute(Extend, { input: { accessGrant, expiresAt, idempotencyKey } })).extendAccess);
  });
/** Whoever comes second may be refused, as the grant is on its way out. */
const unlessOver = (asked: Promise<unknown>): Promise<unknown> =>
  asked.catch((error: Error) => expect(error.message).toMatch(/^STATE/));

async function statusOf(grant: string): Promise<string | undefined> {
  const rows = await mesh.query<{ status: string }>(
    'SELECT "status"::text AS status FROM "AccessGrant" WHERE "id" = $1',
    [rowId(grant)],
  );
  return rows[0]?.status;
}

const canRead = (principal: string): Promise<boolean> =>
  mesh.sandbox.canRead({
    principal,
    account: CONSUMER,
    database: 'data_products',
    table: 'sales__orders__orders',
    column: 'id',
  });

test(`${PAIRS} revokes that race approvals and extensions: nothing is granted after a committed revoke`, {
  timeout: 1_200_000,
}, async () => {
  await together(range(PAIRS), async (n) => {
    const principal = reader(`race-${n}`);
    const wish = { principals: [principal], tables: ['orders'] };
    const [first, second] = [await market.request(wish), await market.request({ ...wish, columns: ['orders.id'] })];
    const grant = await market.approve(first);
    // Three in four come while the first grant is still on its way.
    if (n % 4 === 0)
      await until('it is granted', async () => ((await statusOf(grant)) === 'ACTIVE' ? true : undefined));
    const [other] = await Promise.all([market.approve(second), market.revoke(grant), unlessOver(extend(grant))]);
    if (n % 2 === 0) return;
    await Promise.all([market.revoke(other), unlessOver(extend(other))]);
    for (const ended of [grant, other]) {
      await until('it is revoked', async () => ((await statusOf(ended)) === 'REVOKED' ? true : undefined));
    }
    expect(await canRead(principal)).toBe(false);
  });
  await resting();
  expect(await Promise.all(range(PAIRS).map((n) => canRead(reader(`race-${n}`))))).toEqual(
    range(PAIRS).map((n) => n % 2 === 0),
  );
  expect(await disagreements(mesh)).toEqual([]);
});
