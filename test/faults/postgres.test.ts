import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createClient, until } from '../../src/demo/client.js';
import { startPostgres, stopPostgres } from '../../src/sandbox/postgres.js';
import { createLog } from '../../src/server/log.js';
import { migrate } from '../../src/server/migrate.js';
import { disagreements, isAtRest } from '../testkit/mesh-checker.js';
import type { Statement } from '../testkit/postgres-proxy.js';
import { type MeshProcess, processMeshOfTest } from '../testkit/process-mesh.js';
import { RequestAccess } from './documents.js';
import { CONSUMER, type Market, openMarket, PRODUCER, range, reader, rowId, together } from './market.js';
import { atScale } from './scale.js';

/** A Postgres of the file's own, so that it can be stopped in the middle; commits are as durable as in production. */
const dataDir = mkdtempSync(join(tmpdir(), 'meshgate-postgres-'));

let apis: MeshProcess[];
let workers: MeshProcess[];
let market: Market;

afterAll(async () => {
  await stopPostgres(dataDir);
  rmSync(dataDir, { recursive: true, force: true });
});
const postgres = await startPostgres({ dataDir });
await migrate(postgres.ownerUrl, createLog({ level: 'silent' }));
const mesh = await processMeshOfTest({ accounts: [PRODUCER, CONSUMER], ramSharing: true, database: postgres });
beforeAll(async () => {
  apis = [await mesh.api()];

  workers = [await mesh.worker(), await mesh.worker()];
  await Promise.all([...apis, ...workers].map((each) => each.start()));
  market = await openMarket(mesh, apis);
});

const resting = (): Promise<unknown> =>
  until('all has come to rest', async () => ((await isAtRest(mesh)) ? true : undefined), 30_000);
const requestFor = (name: string): Promise<string> =>
  market.request({ principals: [reader(name)], tables: ['orders'] });
/** The commit of a transaction that ran this. */
const commitOf =
  (text: string) =>
  ({ sql, transaction }: Statement): boolean =>
    /^commit/i.test(sql) && transaction.some((ran) => ran.includes(text));

/** Cuts the connection once Postgres has committed: nobody hears of it. Answers whether it came to that. */
async function loseCommitOf(text: string, doors: MeshProcess[]): Promise<void> {
  const held = await Promise.race(
    doors.map(({ postgres: door }) => door.hold({ when: 'after', matches: commitOf(text) })),
  );
  for (const { postgres: door } of doors) door.disarm();
  held.cut();
}

test('a commit whose answer is lost is done once: under the same idempotency key the same answer comes', async () => {
  const count = async (table: string): Promise<number> =>
    (await mesh.query<{ count: number }>(`SELECT count(*)::int AS count FROM "${table}"`))[0]!.count;
  const [request] = await Promise.all([requestFor('lost'), loseCommitOf('"public"."AccessRequest"', apis)]);
  expect(await count('AccessRequest')).toBe(1);
  const [grant] = await Promise.all([market.approve(request), loseCommitOf('"public"."AccessGrant"', apis)]);
  expect(await mesh.query('SELECT "id" FROM "AccessGrant"')).toEqual([{ id: rowId(grant) }]);
  await resting();
  await Promise.all([market.revoke(grant), loseCommitOf('"public"."AccessGrant"', apis)]);
  await resting();
  expect(await disagreements(mesh)).toEqual([]);
});

test('a client without a key hears that it failed, not that it was done', async () => {
  const token = await mesh.tokenOf('owner-research');
  const input = {
    dataProduct: market.product,
    consumerDomain: market.domains.research,
    purpose: 'A test',
    principals: [reader('unkeyed')],
  };
  const asked = createClient(`${apis[0]!.url()}/graphql`, token)(RequestAccess, { input });
  const [answer] = await Promise.allSettled([asked, loseCommitOf('"public"."AccessRequest"', apis)]);
  expect(answer.status).toBe('rejected');
});

test("a worker's commit whose answer is lost is found done, not done twice", { timeout: 60_000 }, async () => {
  for (const text of ["THEN 'APPLYING' ELSE 'REMOVING'", '"observedGeneration" = CASE', '"EventPending"']) {
    const grant = await market.approve(await requestFor(`lost-${text.length}`));
    await loseCommitOf(text, workers);
    await resting();
    await market.revoke(grant);
    await loseCommitOf(text, workers);
    await resting();
  }
  expect(await disagreements(mesh)).toEqual([]);
});

test('Postgres may stop at once in the middle: what was answered is kept, what was begun goes on', {
  timeout: 90_000,
}, async () => {
  const requests = await Promise.all(range(atScale({ quick: 12, soak: 200 })).map((n) => requestFor(`restart-${n}`)));
  const grants: string[] = [];
  const approving = together(requests, async (request) => void grants.push(await market.approve(request)));
  await until('some are approved', async () => (grants.length > 5 ? true : undefined));
  await stopPostgres(dataDir);
  await sleep(500);
  await startPostgres({ dataDir, port: postgres.port });
  await approving;
  const began = Date.now();
  await resting();
  expect(Date.now() - began).toBeLessThan(30_000);
  expect(new Set(grants).size).toBe(requests.length);
  expect(await disagreements(mesh)).toEqual([]);
  expect([...apis, ...workers].every((each) => each.running())).toBe(true);
});

test('an API whose connections are all taken refuses, keeps nothing half-done, and works again', {
  timeout: 120_000,
}, async () => {
  const small = await mesh.api({ environment: { DATABASE_POOL_SIZE: '2' } });
  await small.start();
  const token = await mesh.tokenOf('owner-research');
  const ask = (n: number) => {
    const wish = { principals: [reader(`pool-${n}`)], tables: ['orders'], idempotencyKey: `pool-${n}` };
    const input = { dataProduct: market.product, consumerDomain: market.domains.research, purpose: 'A test', ...wish };
    return createClient(`${small.url()}/graphql`, token)(RequestAccess, { input });
  };
  const begins = ({ sql }: Statement): boolean => /^begin/i.test(sql);
  const both = Promise.all(range(2).map(() => small.postgres.hold({ when: 'before', matches: begins })));
  const asked = range(40).map(ask);
  const first = Promise.allSettled(asked);
  const held = await both;
  // Nobody waits for ever: who finds no connection is told so while they are still taken, and the process says that it cannot work.
  const refused = new Promise<string>((resolve) => {
    for (const one of asked) one.catch(({ message }: Error) => resolve(message));
  });
  expect(await Promise.race([refused, sleep(8_000, 'nobody was answered')])).toMatch(/no free connection/);
  expect((await fetch(`${small.url()}/healthz`)).status).toBe(200);
  expect((await fetch(`${small.url()}/readyz`)).status).toBe(503);
  for (const { cut } of held) cut();
  await first;
  // Each twice: what was done at the first time is done once.
  await together(range(80), async (n) => {
    await until('it is answered', () => ask(n % 40).catch(() => undefined));
  });
  const [row] = await mesh.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM "AccessRequest" WHERE "principals"[1] LIKE '%/reader-pool-%'`,
  );
  expect(row?.count).toBe(40);
});
