import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { resourceSubjectId } from '../../src/governance/global-id.js';
import { declare } from '../../src/provisioning/declare.js';
import { desire, type Kind, type PermissionMap, type SpecOf } from '../../src/provisioning/kinds.js';
import type { Owner } from '../../src/provisioning/reckon.js';
import { type Reconciler, startReconciler } from '../../src/provisioning/reconcile.js';
import type { DesiredResource } from '../../src/provisioning/resource.js';
import { type Database, openDatabase } from '../../src/server/database.js';
import { createLog } from '../../src/server/log.js';
import * as mesh from '../aws/mesh.js';
import { awsOver, C, callsOf, canRead, control, drift, G, REGION, roleIn } from '../aws/testkit.js';
import { sandboxOfTest } from '../sandbox/testkit.js';
import { createTestDatabase, type TestDatabase } from '../testkit/database.js';
import { eventually, owner } from './world.js';

const sandbox = await sandboxOfTest({ ramSharing: false });
let database: TestDatabase;
let db: Database;
let reconciler: Reconciler;

beforeAll(async () => {
  database = await createTestDatabase();
  db = openDatabase(database.serverUrl, { poolSize: 10 });
});
afterAll(async () => {
  await db?.close();
  await database?.leave();
});
beforeEach(() => {
  reconciler = start();
});
afterEach(async () => {
  await control(sandbox, '/faults', undefined, 'DELETE');
  await reconciler.stop();
});

function start(): Reconciler {
  return startReconciler({
    db: db.prisma,
    aws: awsOver(sandbox, { requestTimeoutMs: 1_000 }),
    roleOf: async (account) => (account === G ? null : roleIn(account)),
    settled: async () => undefined,
    unsettledOwners: async () => [],
    aboutResource: async (_tx, { id, key }) => ({
      subject: { type: 'Resource', id, name: key, domain: null },
      subjectId: resourceSubjectId(id),
      domainId: null,
      audience: { public: false, domains: [], subjects: [] },
    }),
    log: createLog({ level: 'silent' }),
    times: { sweepMs: 500, leaseMs: 3_000, requestTimeoutMs: 1_000 },
  });
}

const [domain, product, access] = [owner('DOMAIN'), owner('DATA_PRODUCT'), owner()];
const at = <K extends Kind>(account: string, kind: K, spec: SpecOf<K>) =>
  desire(kind, { account, region: REGION }, spec);
const domainNeeds = [
  at(G, 'DataLakeSettings', mesh.settings(G)),
  at(C, 'DataLakeSettings', mesh.settings(C)),
  at(G, 'CatalogPolicy', mesh.ramPolicy),
  at(G, 'DataLocation', mesh.location),
  at(G, 'GlueDatabase', mesh.salesDatabase),
  at(C, 'GlueDatabase', mesh.localDatabase),
];
const productNeeds = [at(G, 'GlueTable', mesh.ordersTable)];
const accessNeeds = (principal: string, select: PermissionMap['SELECT']): DesiredResource[] => [
  at(G, 'LfGrant', { principal, resource: mesh.orders, permissions: { SELECT: select! }, grantable: {} }),
  at(C, 'ShareAcceptance', { principal, resource: mesh.orders }),
  at(C, 'TableLink', mesh.ordersLink),
  ...[mesh.localResource, mesh.linkResource].map((resource) =>
    at(C, 'LfGrant', { principal, resource, permissions: { DESCRIBE: 'ALL_COLUMNS' }, grantable: {} }),
  ),
];

async function declared(who: Owner, resources: DesiredResource[]): Promise<void> {
  const { changedLanes } = await db.prisma.$transaction((tx) =>
    declare(tx, { owner: who, resources, correlationId: 'c-1' }),
  );
  reconciler.wake(changedLanes);
}
const unsettled = () => db.prisma.resource.count({ where: { status: { notIn: ['READY', 'REMOVED'] } } });
const settled = (what: string, ms = 10_000) => eventually(async () => (await unsettled()) === 0, what, ms);
const reads = (column: string, principal = mesh.analyst) =>
  canRead(sandbox, { principal, account: C, database: 'data_products', table: mesh.ordersLink.name, column });

test('a domain, a product and an access stand in AWS within two seconds, readable exactly as asked', async () => {
  await declared(domain, domainNeeds);
  await declared(product, productNeeds);
  await settled('the domain and the product stand');
  expect(await reads('id')).toBe(false);
  const since = performance.now();
  await declared(access, accessNeeds(mesh.analyst, ['id', 'amount']));
  await settled('access is granted');
  expect(performance.now() - since).toBeLessThan(2_000);
  expect([await reads('id'), await reads('amount'), await reads('email')]).toEqual([true, true, false]);
});

test("a second principal's access adds, and its end takes nothing from the first", async () => {
  const second = owner();
  await declared(second, accessNeeds(mesh.intern, ['email']));
  await settled('granted');
  expect([await reads('email', mesh.intern), await reads('email')]).toEqual([true, false]);
  await declared(second, []);
  await settled('revoked');
  expect([await reads('email', mesh.intern), await reads('id')]).toEqual([false, true]);
  expect(await db.prisma.resourceClaim.count({ where: { ownerId: second.id } })).toBe(0);
});

test('throttling, internal errors and requests whose outcome is unknown end with everything in place', async () => {
  const kinds = ['throttle', 'internal', 'concurrent', 'timeout-applied', 'timeout-not-applied'];
  const faults = kinds.map((kind, seed) => ({ service: '*', operation: '*', kind, rate: 0.06, seed, count: 10 }));
  await control(sandbox, '/faults', faults);
  await declared(access, accessNeeds(mesh.analyst, 'ALL_COLUMNS'));
  await settled('all columns', 25_000);
  expect([await reads('id'), await reads('email')]).toEqual([true, true]);
  await declared(access, accessNeeds(mesh.analyst, ['id']));
  await settled('one column', 25_000);
  expect([await reads('id'), await reads('email')]).toEqual([true, false]);
}, 60_000);

test('what somebody revokes, deletes or adds behind our back is put right within the drift period, and said', async () => {
  await reconciler.stop();
  const entry = (columns: string[]) => ({
    Principal: { DataLakePrincipalIdentifier: mesh.analyst },
    Resource: { TableWithColumns: { CatalogId: G, DatabaseName: 'sales_nrac', Name: 'orders', ColumnNames: columns } },
    Permissions: ['SELECT'],
  });
  await drift(sandbox, G, ['lakeformation', 'GrantPermissions', entry(['email'])]);
  await drift(sandbox, C, [
    'lakeformation',
    'RevokePermissions',
    {
      Principal: { DataLakePrincipalIdentifier: mesh.analyst },
      Resource: { Table: { CatalogId: C, DatabaseName: 'data_products', Name: mesh.ordersLink.name } },
      Permissions: ['DESCRIBE'],
    },
  ]);
  expect([await reads('id'), await reads('email')]).toEqual([false, false]);
  await db.prisma.resource.updateMany({ where: { status: 'READY' }, data: { nextAttemptAt: new Date() } });
  reconciler = start();
  await eventually(async () => await reads('id'), 'the link can be used again');
  await eventually(async () => !(await reads('email')), 'what was added is gone');
  await settled('repaired');
  const events = await db.prisma.eventPending.groupBy({ by: ['type'], _count: true });
  expect(events.find(({ type }) => type === 'ResourceDrifted')?._count).toBeGreaterThanOrEqual(2);
  expect(events.find(({ type }) => type === 'ResourceRepaired')?._count).toBe(
    events.find(({ type }) => type === 'ResourceDrifted')?._count,
  );
  const calls = await callsOf(sandbox, async () => {
    await db.prisma.resource.updateMany({ where: { status: 'READY' }, data: { nextAttemptAt: new Date() } });
    reconciler.wake([
      { account: G, region: REGION },
      { account: C, region: REGION },
    ]);
    await eventually(
      async () =>
        (await db.prisma.resource.count({ where: { status: 'READY', nextAttemptAt: { lt: new Date() } } })) === 0,
      'all were observed',
    );
  });
  expect(calls.filter(({ operation }) => !/^(Get|List|Describe|Assume)/.test(operation))).toEqual([]);
});

test('a grant to the account that is narrowed cuts what the account granted on: what others still have is given anew', async () => {
  const viaAccount = (principal: string, permissions: PermissionMap): DesiredResource[] => [
    at(G, 'LfGrant', { principal: C, resource: mesh.orders, permissions, grantable: permissions }),
    at(C, 'ShareAcceptance', { principal: C, resource: mesh.orders }),
    at(C, 'TableLink', mesh.ordersLink),
    at(C, 'LfGrant', { principal, resource: mesh.orders, permissions, grantable: {} }),
    ...[mesh.localResource, mesh.linkResource].map((resource) =>
      at(C, 'LfGrant', { principal, resource, permissions: { DESCRIBE: 'ALL_COLUMNS' }, grantable: {} }),
    ),
  ];
  const [wide, narrow] = [owner(), owner()];
  const other = `${mesh.analyst}-other`;
  await declared(wide, viaAccount(other, { SELECT: 'ALL_COLUMNS', DESCRIBE: 'ALL_COLUMNS' }));
  await declared(narrow, viaAccount(mesh.intern, { SELECT: ['id'] }));
  await settled('granted');
  expect([await reads('id', mesh.intern), await reads('email', other)]).toEqual([true, true]);
  await declared(wide, []);
  await settled('narrowed');
  await eventually(async () => await reads('id', mesh.intern), 'given anew');
  expect(await reads('email', other)).toBe(false);
  await declared(narrow, []);
  await settled('revoked');
}, 40_000);

test('a tag goes with the last who claims a value of it, whoever claimed others before', async () => {
  const [first, second] = [owner(), owner()];
  const tags = async () => (await control(sandbox, `/state?account=${G}`)).lakeformation.tags;
  await declared(first, [at(G, 'LfTag', { key: 'product', values: ['first'] })]);
  await declared(second, [at(G, 'LfTag', { key: 'product', values: ['second'] })]);
  await settled('both stand');
  expect(await tags()).toMatchObject([{ key: 'product', values: ['first', 'second'] }]);
  await declared(first, []);
  await settled('one left');
  await declared(second, []);
  await settled('both left');
  expect(await tags()).toEqual([]);
});

test('when everybody leaves, AWS holds nothing of it any more', async () => {
  for (const who of [access, product]) await declared(who, []);
  await settled('removed');
  expect(await reads('id')).toBe(false);
  for (const account of [G, C]) {
    const { lakeformation } = await control(sandbox, `/state?account=${account}`);
    expect(JSON.stringify(lakeformation.grants)).not.toContain(mesh.analyst);
  }
  await declared(domain, []);
  await settled('the domain too');
  expect(await db.prisma.resourceClaim.count()).toBe(0);
});
