import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, expect, test } from 'vitest';
import { until } from '../../src/demo/client.js';
import { disagreements, isAtRest } from '../testkit/mesh-checker.js';
import { GOVERNANCE, type MeshProcess, processMeshOfTest } from '../testkit/process-mesh.js';
import { CONSUMER, type Market, openMarket, PRODUCER, range, reader, rowId, together } from './market.js';

/** Leases and timeouts as they are in production. */
const AS_SHIPPED = {};

const mesh = await processMeshOfTest({ accounts: [PRODUCER, CONSUMER], ramSharing: true });
let workers: MeshProcess[];
let market: Market;

beforeAll(async () => {
  const api = await mesh.api();
  workers = [await mesh.worker({ times: AS_SHIPPED }), await mesh.worker({ times: AS_SHIPPED })];
  await Promise.all([api, ...workers].map((each) => each.start()));
  market = await openMarket(mesh, [api]);
});

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
async function heldAt(operation: string): Promise<{ holder: MeshProcess; other: MeshProcess; let: () => void }> {
  const held = await Promise.race(
    workers.map(async (each) => ({ each, call: await each.aws.hold({ when: 'before', operation }) })),
  );
  for (const { aws } of workers) aws.disarm();
  return { holder: held.each, other: workers.find((one) => one !== held.each)!, let: held.call.release };
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
  const holding = heldAt('BatchGrantPermissions');
  const grants = await give('stopped');
  const { holder, let: letGo } = await holding;
  const before = await fence();
  holder.signal('SIGSTOP');
  await together(grants, market.revoke);
  await until('another one has the lane', async () => ((await fence()) !== before ? true : undefined));
  await until('all are revoked', async () => {
    const rows = await mesh.query(`SELECT 1 FROM "AccessGrant" WHERE "id" = ANY ($1) AND "status" <> 'REVOKED'`, [
      grants.map(rowId),
    ]);
    return rows.length === 0 ? true : undefined;
  });
  // Its call arrives after all that, and then it wakes.
  letGo();
  await sleep(300);
  holder.signal('SIGCONT');
  await sleep(2_000);
  await resting();
  expect(await disagreements(mesh)).toEqual([]);
});
