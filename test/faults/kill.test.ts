import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { declare } from '../../src/provisioning/declare.js';
import { desire, type Kind, type SpecOf } from '../../src/provisioning/kinds.js';
import type { DesiredResource } from '../../src/provisioning/resource.js';
import { type Database, openDatabase } from '../../src/server/database.js';
import * as mesh from '../aws/mesh.js';
import { C, canRead, control, G, type LoggedCall, REGION } from '../aws/testkit.js';
import { eventually, owner } from '../provisioning/world.js';
import { sandboxOfTest } from '../sandbox/testkit.js';
import { createTestDatabase, type TestDatabase } from '../testkit/database.js';
import { atScale } from './scale.js';
import type { WorkerSettings } from './worker-process.js';

/** Real processes, real signals, the real SDK: what a unit test of the fence cannot show. */
const sandbox = await sandboxOfTest({ ramSharing: true });
// Inside node_modules, so that the bundle finds the packages that it leaves out.
const bundle = fileURLToPath(new URL(`../../node_modules/.cache/meshgate-worker-${process.pid}.mjs`, import.meta.url));
const times = { leaseMs: 1_500, requestTimeoutMs: 500, sweepMs: 300, driftPeriodMs: 900_000 };
const GRANTS = atScale({ quick: 100, soak: 200 });

let database: TestDatabase;
let db: Database;
let workers: ChildProcess[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  db = openDatabase(database.serverUrl, { poolSize: 4 });
  const entryPoints = [fileURLToPath(new URL('worker-process.ts', import.meta.url))];
  await build({ entryPoints, outfile: bundle, bundle: true, packages: 'external', platform: 'node', format: 'esm' });
});
afterEach(async () => {
  await Promise.all(workers.map(kill));
  workers = [];
});
afterAll(async () => {
  await db?.close();
  await database?.leave();
  rmSync(bundle, { force: true });
});

function startWorker(): ChildProcess {
  const settings: WorkerSettings = {
    serverUrl: database.serverUrl,
    endpoint: sandbox.url,
    governanceAccount: G,
    region: REGION,
    role: 'arn:aws:iam::ACCOUNT:role/mesh/meshgate-domain',
    times,
  };
  const worker = spawn(process.execPath, [bundle, JSON.stringify(settings)], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  workers.push(worker);
  return worker;
}

async function kill(worker: ChildProcess): Promise<void> {
  if (worker.exitCode !== null || worker.signalCode !== null) return;
  const exited = once(worker, 'exit');
  worker.kill('SIGKILL');
  await exited;
}

const at = <K extends Kind>(account: string, kind: K, spec: SpecOf<K>) =>
  desire(kind, { account, region: REGION }, spec);
const ground = [
  at(G, 'DataLakeSettings', mesh.settings(G)),
  at(C, 'DataLakeSettings', mesh.settings(C)),
  at(G, 'CatalogPolicy', mesh.ramPolicy),
  at(G, 'DataLocation', mesh.location),
  at(G, 'GlueDatabase', mesh.salesDatabase),
  at(G, 'GlueTable', mesh.ordersTable),
  at(C, 'GlueDatabase', mesh.localDatabase),
];
const principals = Array.from({ length: GRANTS }, (_, n) => `arn:aws:iam::${C}:role/reader-${n}`);
const grantTo = (principal: string): DesiredResource =>
  at(G, 'LfGrant', { principal, resource: mesh.orders, permissions: { SELECT: 'ALL_COLUMNS' }, grantable: {} });
const declared = (who: ReturnType<typeof owner>, resources: DesiredResource[]) =>
  db.prisma.$transaction((tx) => declare(tx, { owner: who, resources, correlationId: 'c-1' }));
const unsettled = () => db.prisma.resource.count({ where: { status: { notIn: ['READY', 'REMOVED'] } } });
const sent = async (operation: string): Promise<LoggedCall[]> =>
  ((await control(sandbox, '/calls')) as LoggedCall[]).filter((call) => call.operation === operation);
const holders = async (): Promise<string[]> => {
  const { lakeformation } = await control(sandbox, `/state?account=${G}`);
  const grants = lakeformation.grants as { principal: string }[];
  return grants.map(({ principal }) => principal).filter((principal) => principals.includes(principal));
};

test(`${GRANTS} grants and their end survive a worker that is killed again and again: none lost, none double`, async () => {
  const [domain, access] = [owner('DOMAIN'), owner()];
  await declared(domain, ground);
  startWorker();
  await eventually(async () => (await unsettled()) === 0, 'the ground stands', 15_000);
  await control(sandbox, '/faults', [
    { service: '*', operation: '*', kind: 'latency', latencyMs: 40, rate: 1, seed: 1 },
  ]);

  await declared(access, principals.map(grantTo));
  for (const before of [1, 2, 4].map((nth) => (nth * GRANTS) / 100)) {
    await eventually(async () => (await sent('BatchGrantPermissions')).length >= before, `${before} calls`, 15_000);
    await Promise.all(workers.map(kill));
    startWorker();
  }
  await eventually(async () => (await unsettled()) === 0, 'all are granted', 30_000);
  expect((await holders()).sort()).toEqual([...principals].sort());
  // Each death may cost one batch in flight; what was granted is seen and not granted again.
  expect((await sent('BatchGrantPermissions')).length).toBeLessThanOrEqual(GRANTS / 20 + 3);

  await declared(access, []);
  await eventually(
    async () => (await sent('BatchRevokePermissions')).length >= GRANTS / 50,
    'some are revoked',
    15_000,
  );
  await Promise.all(workers.map(kill));
  startWorker();
  await eventually(async () => (await unsettled()) === 0, 'all are revoked', 30_000);
  expect(await holders()).toEqual([]);
  expect(await db.prisma.resourceClaim.count({ where: { ownerId: access.id } })).toBe(0);
}, 120_000);

test('a worker that is stopped past its lease does no harm when it goes on', async () => {
  await control(sandbox, '/faults', [
    { service: '*', operation: '*', kind: 'latency', latencyMs: 80, rate: 1, seed: 1 },
  ]);
  const grants = async () => (await sent('BatchGrantPermissions')).length;
  const before = await grants();
  const access = owner();
  await declared(access, principals.slice(0, GRANTS / 2).map(grantTo));
  const stopped = startWorker();
  await eventually(async () => (await grants()) > before, 'it is at work', 15_000);
  stopped.kill('SIGSTOP');
  // Revoked while it sleeps: nothing that it still sends may outlive this.
  await declared(access, []);
  startWorker();
  await eventually(async () => (await unsettled()) === 0, 'the other one takes over and revokes', 20_000);
  expect(await holders()).toEqual([]);
  stopped.kill('SIGCONT');
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  await eventually(async () => (await unsettled()) === 0, 'all is settled', 10_000);
  expect(await holders()).toEqual([]);
  const query = { principal: principals[0]!, account: G, database: 'sales_nrac', table: 'orders' };
  expect(await canRead(sandbox, query)).toBe(false);
}, 60_000);
