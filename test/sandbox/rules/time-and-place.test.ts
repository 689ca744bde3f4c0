/** What a region holds, how late listings are, and what two writers at once do to each other. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GetDatabasesCommand, GetTableCommand, GlueClient } from '@aws-sdk/client-glue';
import {
  BatchGrantPermissionsCommand,
  GetDataLakeSettingsCommand,
  LakeFormationClient,
  ListLFTagsCommand,
  ListPermissionsCommand,
} from '@aws-sdk/client-lakeformation';
import { GetResourceSharesCommand, RAMClient } from '@aws-sdk/client-ram';
import { expect, test } from 'vitest';
import { canRead } from '../../../src/sandbox/can-read.js';
import { glue } from '../../../src/sandbox/glue.js';
import { lakeformation } from '../../../src/sandbox/lakeformation.js';
import { ram } from '../../../src/sandbox/ram.js';
import type { Service } from '../../../src/sandbox/service.js';
import { changeSandboxSettings } from '../../../src/sandbox/settings.js';
import { governanceCredentials } from '../../../src/sandbox/sts.js';
import {
  admin,
  analyst,
  C,
  database,
  G,
  governed,
  grant,
  lakeInMemory,
  lakeOf,
  makeTag,
  mayRead,
  meshOf,
  orders,
  outcome,
  permissionsOf,
  table,
  withOrders,
} from '../lake-testkit.js';
import { control, sandboxOfTest } from '../testkit.js';

const SELECT = ['SELECT' as const];
const SECOND = 1 / 3600;

test('what is made in one region does not exist in another (Lake Formation developer guide: data-access-across-region)', async () => {
  const sandbox = await sandboxOfTest({ ramSharing: true });
  const { g } = await meshOf(sandbox);
  await makeTag(g, 'lob', 'sales');
  await grant(g, { to: analyst, on: table(), permissions: SELECT });
  const config = { endpoint: sandbox.url, region: 'eu-west-1', credentials: governanceCredentials(G), maxAttempts: 1 };
  const there = { glue: new GlueClient(config), lf: new LakeFormationClient(config), ram: new RAMClient(config) };
  expect((await there.lf.send(new GetDataLakeSettingsCommand({}))).DataLakeSettings?.DataLakeAdmins).toEqual([]);
  await governed(there, G);
  expect((await there.glue.send(new GetDatabasesCommand({}))).DatabaseList).toEqual([]);
  expect((await there.lf.send(new ListLFTagsCommand({}))).LFTags).toEqual([]);
  expect(await permissionsOf(there)).toEqual([]);
  expect((await there.ram.send(new GetResourceSharesCommand({ resourceOwner: 'SELF' }))).resourceShares).toEqual([]);
  expect(await outcome(there.glue.send(new GetTableCommand({ DatabaseName: 'sales', Name: 'orders' })))).toBe(
    'EntityNotFoundException',
  );
  // The same names again, and each region keeps its own over a restart.
  await withOrders(there);
  await sandbox.restart();
  const asked = { account: G, database: 'sales', table: 'orders' };
  expect((await mayRead(sandbox, analyst, asked)).allowed).toBe(true);
  expect((await mayRead(sandbox, analyst, { ...asked, region: 'eu-west-1' })).allowed).toBe(false);
  expect((await permissionsOf(lakeOf(sandbox, G), { ResourceType: 'TABLE' })).length).toBeGreaterThan(
    (await permissionsOf(there, { ResourceType: 'TABLE' })).length,
  );
});

test('a state from before regions is that of the region in which the sandbox is next started', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'sandbox-'));
  const old = { CatalogId: G, Name: 'old', CreateTime: '2026-01-01T00:00:00Z', CreateTableDefaultPermissions: [] };
  writeFileSync(join(dataDir, 'state.jsonl'), `${JSON.stringify({ t: 'glue/databases', k: `${G}|old`, v: old })}\n`);
  const sandbox = await sandboxOfTest({ dataDir, region: 'eu-west-1' });
  const names = async (region: string) => {
    const list = { service: 'glue', operation: 'GetDatabases', account: G, region };
    const [answer] = await control(sandbox, '/drift', [list]);
    return answer.output.DatabaseList.map(({ Name }: { Name: string }) => Name);
  };
  expect([await names('eu-west-1'), await names('us-east-1')]).toEqual([['old'], []]);
});

/** G with sales.orders in memory; `rows` are the names of the principals that hold anything on the table. */
function lateMesh(visibilityMs: number) {
  const mesh = lakeInMemory('2026-01-01T00:00:00Z');
  const { world, call } = mesh;
  const DataLakeSettings = {
    DataLakeAdmins: [{ DataLakePrincipalIdentifier: admin(G) }],
    Parameters: { CROSS_ACCOUNT_VERSION: '3' },
  };
  call(lakeformation, 'PutDataLakeSettings', G, { DataLakeSettings });
  const where = { ResourceArn: 'arn:aws:s3:::lake/sales', RoleArn: `arn:aws:iam::${G}:role/lake-reader` };
  call(lakeformation, 'RegisterResource', G, where);
  call(glue, 'CreateDatabase', G, { DatabaseInput: { Name: 'sales' } });
  call(glue, 'CreateTable', G, { DatabaseName: 'sales', TableInput: orders });
  world.organization.ramSharing = true;
  changeSandboxSettings(world, { visibilityMs });
  const change = (operation: string, to = analyst, Permissions = ['SELECT']) =>
    call(lakeformation, operation, G, {
      Principal: { DataLakePrincipalIdentifier: to },
      Resource: table(),
      Permissions,
    });
  const list = <T>(service: Service, operation: string, parameters: object = {}) =>
    call(service, operation, G, { ...parameters }) as T;
  const holders = () =>
    list<{ PrincipalResourcePermissions: { Principal: { DataLakePrincipalIdentifier: string } }[] }>(
      lakeformation,
      'ListPermissions',
      { Principal: { DataLakePrincipalIdentifier: analyst } },
    ).PrincipalResourcePermissions.length;
  return { ...mesh, change, list, holders };
}

test('a listing shows a grant and a revoke only once they are old enough, while reads follow at once', () => {
  const { world, change, holders, pass } = lateMesh(2_000);
  const reads = () => canRead(world, { principal: analyst, account: G, database: 'sales', table: 'orders' }).allowed;
  change('GrantPermissions');
  expect([holders(), reads()]).toEqual([0, true]);
  pass(SECOND);
  expect(holders()).toBe(0);
  pass(SECOND);
  expect(holders()).toBe(1);
  change('RevokePermissions');
  expect([holders(), reads()]).toEqual([1, false]);
  // The write itself sees the current state: there is nothing left to take.
  expect(() => change('RevokePermissions')).toThrow(/No permissions revoked/);
  pass(2 * SECOND);
  expect(holders()).toBe(0);
});

test('listings of tables, tags, assignments and shares lag too, and a listing changes nothing', () => {
  const { call, change, list, pass } = lateMesh(1_000);
  call(lakeformation, 'CreateLFTag', G, { TagKey: 'lob', TagValues: ['sales'] });
  call(lakeformation, 'AddLFTagsToResource', G, {
    Resource: table(),
    LFTags: [{ TagKey: 'lob', TagValues: ['sales'] }],
  });
  call(glue, 'CreateTable', G, { DatabaseName: 'sales', TableInput: { Name: 'refunds' } });
  change('GrantPermissions');
  const seen = () => ({
    tags: list<{ LFTags: unknown[] }>(lakeformation, 'ListLFTags').LFTags.length,
    assigned:
      list<{ LFTagsOnTable?: unknown[] }>(lakeformation, 'GetResourceLFTags', { Resource: table() }).LFTagsOnTable
        ?.length ?? 0,
    tables: list<{ TableList: unknown[] }>(glue, 'GetTables', { DatabaseName: 'sales' }).TableList.length,
    shares: list<{ resourceShares: unknown[] }>(ram, 'GetResourceShares', { resourceOwner: 'SELF' }).resourceShares
      .length,
  });
  expect(seen()).toEqual({ tags: 0, assigned: 0, tables: 1, shares: 0 });
  // What is read by its name is there at once.
  expect(call(glue, 'GetTable', G, { DatabaseName: 'sales', Name: 'refunds' })).toMatchObject({
    Table: { Name: 'refunds' },
  });
  pass(SECOND);
  expect(seen()).toEqual({ tags: 1, assigned: 1, tables: 2, shares: 2 });
});

test('with the delay taken back listings are current again', () => {
  const { world, change, holders } = lateMesh(60_000);
  change('GrantPermissions');
  expect(holders()).toBe(0);
  changeSandboxSettings(world, { visibilityMs: 0 });
  expect(holders()).toBe(1);
});

/** API reference: GrantPermissions names ConcurrentModificationException; the batch operations answer it for each entry. */
test('where the setting says so, of two writers to one account at once one is refused, and nothing of what it wanted happens', async () => {
  const sandbox = await sandboxOfTest({ ramSharing: true });
  const { g, c } = await meshOf(sandbox);
  const role = (name: string) => `arn:aws:iam::${G}:role/${name}`;
  const write = (name: string) => outcome(grant(g, { to: role(name), on: table(), permissions: SELECT }));
  expect(await Promise.all([write('a'), write('b'), write('c')])).toEqual(['none', 'none', 'none']);
  expect(await control(sandbox, '/settings', { concurrentWriters: true })).toMatchObject({ concurrentWriters: true });
  const outcomes = await Promise.all(['d', 'e', 'f'].map(write));
  expect(outcomes.toSorted()).toEqual(['ConcurrentModificationException', 'ConcurrentModificationException', 'none']);
  const held = async (name: string) =>
    (await permissionsOf(g, { Principal: { DataLakePrincipalIdentifier: role(name) } })).length > 0;
  expect(await Promise.all(['d', 'e', 'f'].map(held))).toEqual(outcomes.map((name) => name === 'none'));
  const Entries = [
    { Id: 'one', Principal: { DataLakePrincipalIdentifier: role('g') }, Resource: table(), Permissions: SELECT },
  ];
  const [first, second] = await Promise.all([1, 2].map(() => g.lf.send(new BatchGrantPermissionsCommand({ Entries }))));
  const failed = [first, second].flatMap((answer) => answer?.Failures ?? []);
  expect(failed).toMatchObject([
    { RequestEntry: { Id: 'one' }, Error: { ErrorCode: 'ConcurrentModificationException' } },
  ]);
  // Readers are never in the way, nor are writers of other accounts, nor one after the other.
  const local = database('data_products', C);
  const others = [
    write('h'),
    outcome(grant(c, { to: analyst, on: local, permissions: ['DESCRIBE'] })),
    outcome(g.lf.send(new ListPermissionsCommand({}))),
  ];
  expect(await Promise.all(others)).toEqual(['none', 'none', 'none']);
  expect([await write('i'), await write('j')]).toEqual(['none', 'none']);
});

test('settings are told, changed one by one, kept over a restart, and refused where they are none', async () => {
  const sandbox = await sandboxOfTest();
  const defaults = { locationVerificationMs: 0, verificationFails: [], visibilityMs: 0, concurrentWriters: false };
  expect(await control(sandbox, '/settings')).toMatchObject(defaults);
  expect(await control(sandbox, '/settings', { visibilityMs: 5 })).toMatchObject({ ...defaults, visibilityMs: 5 });
  for (const wrong of [
    { visibilityMs: -1 },
    { visibilityMs: 'long' },
    { nothing: 1 },
    { concurrentWriters: 1 },
    { verificationFails: 'x' },
    [],
    { toString: 1 },
  ]) {
    expect(await control(sandbox, '/settings', wrong)).toEqual({ error: expect.any(String) });
  }
  await sandbox.restart();
  expect(await control(sandbox, '/settings')).toMatchObject({ ...defaults, visibilityMs: 5 });
  await lakeOf(sandbox, G).glue.send(new GetDatabasesCommand({}));
});
