import { beforeAll, expect, test } from 'vitest';
import { payload, until } from '../../src/demo/client.js';
import { disagreements, isAtRest } from '../testkit/mesh-checker.js';
import { type MeshProcess, processMeshOfTest } from '../testkit/process-mesh.js';
import { Extend } from './documents.js';
import { CONSUMER, type Market, openMarket, PRODUCER, range, reader, rowId, together } from './market.js';
import { atScale } from './scale.js';

/** Two APIs and two workers, and people who change their minds at the same moment. */
const PAIRS = atScale({ quick: 24, soak: 1_000 });

const mesh = await processMeshOfTest({ accounts: [PRODUCER, CONSUMER], ramSharing: true });
let market: Market;

beforeAll(async () => {
  const apis: MeshProcess[] = [await mesh.api(), await mesh.api()];
  const workers = [await mesh.worker(), await mesh.worker()];
  await Promise.all([...apis, ...workers].map((each) => each.start()));
  market = await openMarket(mesh, apis);
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
  await until('all has come to rest', async () => ((await isAtRest(mesh)) ? true : undefined), 30_000);
  expect(await Promise.all(range(PAIRS).map((n) => canRead(reader(`race-${n}`))))).toEqual(
    range(PAIRS).map((n) => n % 2 === 0),
  );
  expect(await disagreements(mesh)).toEqual([]);
});
