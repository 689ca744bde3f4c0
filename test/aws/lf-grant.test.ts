import { beforeAll, expect, test } from 'vitest';
import type { SpecOf } from '../../src/provisioning/kinds.js';
import { sandboxOfTest } from '../sandbox/testkit.js';
import { startAnswerer } from './answerer.js';
import * as mesh from './mesh.js';
import { awsOver, callsOf, changing, control, drift, driver, G, itemOf, laneTo, P } from './testkit.js';

const sandbox = await sandboxOfTest({ ramSharing: true });
const aws = awsOver(sandbox);
const grants = driver(aws, 'LfGrant', G);
const role = (name: string) => `arn:aws:iam::${G}:role/${name}`;
type Grant = SpecOf<'LfGrant'>;

const grant = (principal: string, permissions: Grant['permissions'], grantable: Grant['grantable'] = {}): Grant => ({
  principal,
  resource: mesh.orders,
  permissions,
  grantable,
});
const readers = Array.from({ length: 45 }, (_, n) => grant(role(`reader-${n}`), { SELECT: ['id'] }));

beforeAll(async () => {
  await mesh.govern(aws);
  await mesh.publish(aws);
});

test('45 grants go out in three calls, are listed by one, and come back in three', async () => {
  const applying = await callsOf(sandbox, async () =>
    expect(await grants.apply(...readers)).toEqual(readers.map(() => ({ ok: true }))),
  );
  expect(
    applying
      .filter(({ operation }) => operation === 'BatchGrantPermissions')
      .map(({ parameters }) => parameters.Entries.length),
  ).toEqual([20, 20, 5]);
  const observing = await callsOf(sandbox, async () => {
    const seen = await grants.observe(...readers);
    expect(seen.every(({ state }) => state === 'AGREES')).toBe(true);
  });
  expect(observing.map(({ operation }) => operation)).not.toContain('BatchGrantPermissions');
  expect(observing.filter(({ operation }) => operation === 'ListPermissions')).toHaveLength(1);
  const removing = await callsOf(sandbox, () => grants.remove(...readers));
  expect(changing(removing)).toEqual(['BatchRevokePermissions', 'BatchRevokePermissions', 'BatchRevokePermissions']);
});

test('20 grants of SELECT and DESCRIBE are ended by one call', async () => {
  const whole = Array.from({ length: 20 }, (_, n) =>
    grant(role(`reader-${n}`), { SELECT: 'ALL_COLUMNS', DESCRIBE: 'ALL_COLUMNS' }),
  );
  await grants.apply(...whole);
  expect(changing(await callsOf(sandbox, () => grants.remove(...whole)))).toEqual(['BatchRevokePermissions']);
  expect(await grants.observe(...whole)).toEqual(whole.map(() => ({ state: 'MISSING' })));
});

test('a column that its table lost neither keeps a grant from being ended nor counts as held', async () => {
  const tables = driver(aws, 'GlueTable', G);
  const wide = grant(role('columns'), { SELECT: ['id', 'email'] });
  const lost = grant(role('lost'), { SELECT: ['email'] });
  await grants.apply(wide, lost);
  await tables.apply({ ...mesh.ordersTable, columns: mesh.ordersTable.columns.filter(({ name }) => name !== 'email') });
  expect(await grants.observe(grant(wide.principal, { SELECT: ['id'] }))).toMatchObject([{ state: 'AGREES' }]);
  expect(await grants.apply(grant(wide.principal, { DESCRIBE: 'ALL_COLUMNS' }))).toEqual([{ ok: true }]);
  expect(await grants.remove(wide, lost)).toEqual([{ ok: true }, { ok: true }]);
  expect(await grants.observe(wide, lost)).toEqual([{ state: 'MISSING' }, { state: 'MISSING' }]);
  await tables.apply(mesh.ordersTable);
});

test('a grant whose last change was never seen is revoked though the listing shows nothing', async () => {
  const spec = grant(role('unseen'), { SELECT: ['id', 'vanished'], DESCRIBE: 'ALL_COLUMNS' });
  const session = await aws.open(laneTo(G));
  const item = itemOf('LfGrant', G, spec);
  const revokes = async (each: typeof item) => {
    const calls = await callsOf(sandbox, async () =>
      expect(await aws.providers.LfGrant.remove(session, [each])).toEqual([{ ok: true }]),
    );
    return calls.flatMap(({ operation, parameters }) =>
      operation === 'BatchRevokePermissions' ? parameters.Entries : [],
    );
  };
  expect(await revokes(item)).toEqual([]);
  expect(await revokes({ ...item, unconfirmed: true })).toMatchObject([
    { Permissions: ['DESCRIBE'], Resource: { Table: { Name: 'orders' } } },
    { Permissions: ['SELECT'], Resource: { TableWithColumns: { ColumnNames: ['id'] } } },
  ]);
});

test('of a batch that AWS takes in part, each item gets its own outcome', async () => {
  await control(sandbox, '/faults', [
    { service: 'lakeformation', operation: 'BatchGrantPermissions', kind: 'partial', rate: 0.5, seed: 7 },
  ]);
  const some = readers.slice(0, 20);
  const outcomes = await grants.apply(...some);
  await control(sandbox, '/faults', undefined, 'DELETE');
  const seen = await grants.observe(...some);
  const failed = outcomes.filter(({ ok }) => !ok);
  expect(failed.length).toBeGreaterThan(0);
  expect(failed.length).toBeLessThan(20);
  expect(failed[0]).toMatchObject({ error: { treatment: 'OBSERVE', code: 'InternalServiceException' } });
  expect(outcomes.map(({ ok }) => (ok ? 'AGREES' : 'MISSING'))).toEqual(seen.map(({ state }) => state));
  await grants.remove(...some);
});

test('one entry that AWS refuses does not keep the others from being granted', async () => {
  const bad = grant(role('who'), { SELECT: ['no_such_column'] });
  const outcomes = await grants.apply(bad, grant(role('good'), { SELECT: ['id'] }));
  expect(outcomes).toMatchObject([{ ok: false }, { ok: true }]);
});

test('columns and whole-table permissions of one principal go in calls of their own', async () => {
  const both = grant(role('both'), { DESCRIBE: 'ALL_COLUMNS', SELECT: ['id', 'email'] });
  const calls = await callsOf(sandbox, () => grants.apply(both));
  const entries = calls.flatMap(({ operation, parameters }) =>
    operation === 'BatchGrantPermissions' ? [parameters.Entries] : [],
  );
  expect(entries.map((list) => list.map((entry: { Permissions: string[] }) => entry.Permissions))).toEqual([
    [['DESCRIBE']],
    [['SELECT']],
  ]);
  expect(await grants.observe(both)).toMatchObject([{ state: 'AGREES' }]);
});

test('a permission that was added behind our back is revoked, one that was taken is granted', async () => {
  const spec = grant(role('drifting'), { SELECT: ['id'], DESCRIBE: 'ALL_COLUMNS' });
  await grants.apply(spec);
  const who = { Principal: { DataLakePrincipalIdentifier: spec.principal } };
  const table = { Table: { CatalogId: G, DatabaseName: 'sales_nrac', Name: 'orders' } };
  await drift(
    sandbox,
    G,
    ['lakeformation', 'GrantPermissions', { ...who, Resource: table, Permissions: ['SELECT', 'INSERT'] }],
    ['lakeformation', 'RevokePermissions', { ...who, Resource: table, Permissions: ['DESCRIBE'] }],
  );
  const [seen] = await grants.observe(spec);
  expect(seen).toMatchObject({
    state: 'DIFFERS',
    differences: expect.arrayContaining(['lacks DESCRIBE', 'holds INSERT, SELECT, which nobody asked for']),
  });
  expect(await grants.apply(spec)).toEqual([{ ok: true }]);
  expect(await grants.observe(spec)).toMatchObject([
    { state: 'AGREES', observed: { permissions: { SELECT: ['id'], DESCRIBE: 'ALL_COLUMNS' } } },
  ]);
});

test('the grant option is granted, told and taken back, and the permission stays', async () => {
  const wide = grant(P, { ALL: 'ALL_COLUMNS' }, { ALL: 'ALL_COLUMNS' });
  expect(await grants.apply(wide)).toEqual([{ ok: true }]);
  expect(await grants.observe(wide)).toMatchObject([{ state: 'AGREES' }]);
  const plain = grant(P, { ALL: 'ALL_COLUMNS' });
  expect(await grants.observe(plain)).toMatchObject([{ state: 'DIFFERS' }]);
  expect(await grants.apply(plain)).toEqual([{ ok: true }]);
  expect(await grants.observe(plain)).toMatchObject([{ state: 'AGREES', observed: { grantable: {} } }]);
  const narrow = grant(P, { DESCRIBE: 'ALL_COLUMNS' });
  await grants.apply(narrow);
  expect(await grants.observe(narrow)).toMatchObject([
    { state: 'AGREES', observed: { permissions: { DESCRIBE: 'ALL_COLUMNS' } } },
  ]);
});

test('an administrator’s implicit rows are neither taken for grants nor revoked', async () => {
  const admin = grant(role('meshgate'), { DESCRIBE: 'ALL_COLUMNS' });
  const own = (await driver(aws, 'LfGrant', G).observe(admin))[0];
  // The creator of the table holds everything on it by a row of its own, beside the implicit one.
  expect(own?.state).toBe('DIFFERS');
  const other = role('second-admin');
  await drift(sandbox, G, [
    'lakeformation',
    'PutDataLakeSettings',
    {
      DataLakeSettings: {
        DataLakeAdmins: [role('meshgate'), other].map((name) => ({ DataLakePrincipalIdentifier: name })),
        Parameters: { CROSS_ACCOUNT_VERSION: '4' },
      },
    },
  ]);
  const spec = grant(other, { SELECT: ['id'] });
  expect(await grants.observe(spec)).toEqual([{ state: 'MISSING' }]);
  expect(await grants.apply(spec)).toEqual([{ ok: true }]);
  expect(await grants.observe(spec)).toMatchObject([{ state: 'AGREES' }]);
  expect(changing(await callsOf(sandbox, () => grants.remove(spec, spec)))).toEqual([
    'BatchRevokePermissions',
    'BatchRevokePermissions',
  ]);
});

test('a listing of many pages is read to its end before anything is judged', async () => {
  const everyone = Array.from({ length: 1_020 }, (_, n) => ({
    Id: String(n),
    Principal: { DataLakePrincipalIdentifier: role(`crowd-${String(n).padStart(4, '0')}`) },
    Resource: { Table: { CatalogId: G, DatabaseName: 'sales_nrac', Name: 'orders' } },
    Permissions: ['DESCRIBE'],
  }));
  const batches = Array.from({ length: 51 }, (_, n) => everyone.slice(n * 20, n * 20 + 20));
  await drift(
    sandbox,
    G,
    ...batches.map((Entries): [string, string, object] => ['lakeformation', 'BatchGrantPermissions', { Entries }]),
  );
  const last = grant(role('crowd-1019'), { DESCRIBE: 'ALL_COLUMNS' });
  const calls = await callsOf(sandbox, async () =>
    expect(await grants.observe(last)).toMatchObject([{ state: 'AGREES' }]),
  );
  expect(calls.filter(({ operation }) => operation === 'ListPermissions')).toHaveLength(2);
});

test('of a listing that breaks off nothing is concluded, and nothing is revoked', async () => {
  const answerer = await startAnswerer();
  const spec = grant(role('halfway'), { SELECT: 'ALL_COLUMNS' });
  const page = {
    PrincipalResourcePermissions: [
      {
        Principal: { DataLakePrincipalIdentifier: spec.principal },
        Resource: { Table: { CatalogId: G, DatabaseName: 'sales_nrac', Name: 'orders' } },
        Permissions: ['ALTER', 'DROP'],
        LastUpdated: 1_700_000_000,
      },
    ],
    NextToken: 'more',
  };
  const failing = async (work: (halfway: typeof grants) => Promise<unknown>) => {
    answerer.script('ListPermissions', { json: page }, { error: 'ThrottledException' });
    return work(driver(awsOver(answerer), 'LfGrant', G));
  };
  expect(await failing((halfway) => halfway.observe(spec))).toMatchObject([
    { state: 'FAILED', error: { treatment: 'RETRY' } },
  ]);
  expect(await failing((halfway) => halfway.apply(spec))).toEqual([]);
  expect(await failing((halfway) => halfway.remove(spec))).toMatchObject([
    { ok: false, error: { treatment: 'RETRY' } },
  ]);
  expect(answerer.asked.map(({ operation }) => operation)).not.toContain('BatchRevokePermissions');
  const many = Array.from({ length: 30 }, (_, n) => ({ ...spec, resource: { ...mesh.orders, table: `t${n}` } }));
  expect(await failing((halfway) => halfway.observe(...many))).toMatchObject(many.map(() => ({ state: 'FAILED' })));
  await answerer.close();
});

test('a grant on a table that is gone: missing, removed without a call, and refused within bounds', async () => {
  const lost: Grant = {
    ...grant(role('late'), { SELECT: 'ALL_COLUMNS' }),
    resource: { ...mesh.orders, table: 'nowhere' },
  };
  expect(await grants.observe(lost)).toEqual([{ state: 'MISSING' }]);
  expect(
    changing(await callsOf(sandbox, async () => expect(await grants.remove(lost)).toEqual([{ ok: true }]))),
  ).toEqual([]);
  expect(await grants.apply(lost)).toMatchObject([
    { ok: false, error: { treatment: 'PROPAGATION', code: 'EntityNotFoundException' } },
  ]);
});

test('the plan shows the very entries that are sent', async () => {
  const spec = grant(role('planned'), { DESCRIBE: 'ALL_COLUMNS' });
  const calls = await callsOf(sandbox, () => grants.apply(spec));
  const [planned] = grants.calls('CREATE', spec);
  expect(calls.find(({ operation }) => operation === planned?.operation)?.parameters).toEqual(planned?.parameters);
  expect(planned?.parameters).toMatchObject({ CatalogId: G, Entries: [{ Id: itemOf('LfGrant', G, spec).id }] });
});
