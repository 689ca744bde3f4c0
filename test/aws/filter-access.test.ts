import { beforeAll, describe, expect, test } from 'vitest';
import type { SpecOf } from '../../src/provisioning/kinds.js';
import type { LfResource } from '../../src/provisioning/lake-resource.js';
import { sandboxOfTest } from '../sandbox/testkit.js';
import * as mesh from './mesh.js';
import { awsOver, C, callsOf, canRead, changing, control, drift, driver, G } from './testkit.js';

const sandbox = await sandboxOfTest({ ramSharing: true });
const aws = awsOver(sandbox);
const filters = driver(aws, 'DataFilter', G);
const grants = driver(aws, 'LfGrant', G);
const ALL = 'ALL_COLUMNS' as const;

const eu: SpecOf<'DataFilter'> = {
  database: 'sales_nrac',
  table: 'orders',
  name: 'eu',
  columns: ['amount', 'id'],
  rowFilter: "email LIKE '%.eu'",
};
const filtered: LfResource = {
  type: 'DATA_FILTER',
  catalogId: G,
  database: 'sales_nrac',
  table: 'orders',
  filter: 'eu',
};
const select = (resource: LfResource, principal = mesh.analyst): SpecOf<'LfGrant'> => ({
  principal,
  resource,
  permissions: { SELECT: ALL },
  grantable: {},
});
const readable = async () => {
  const columns = ['id', 'amount', 'email', 'day'];
  const asked = { principal: mesh.analyst, account: C, database: 'data_products', table: mesh.ordersLink.name };
  const allowed = await Promise.all(columns.map((column) => canRead(sandbox, { ...asked, column })));
  return columns.filter((_, index) => allowed[index]);
};

beforeAll(async () => {
  await mesh.govern(aws);
  await mesh.publish(aws);
  await driver(aws, 'GlueDatabase', C).apply(mesh.localDatabase);
  await driver(aws, 'TableLink', C).apply(mesh.ordersLink);
  const describe = { principal: mesh.analyst, permissions: { DESCRIBE: ALL }, grantable: {} };
  await driver(aws, 'LfGrant', C).apply(
    { ...describe, resource: mesh.localResource },
    { ...describe, resource: mesh.linkResource },
  );
});

describe('a data filter', () => {
  test('agrees whatever the order and case of its columns', async () => {
    expect(await filters.apply(eu)).toEqual([{ ok: true }]);
    expect(await filters.observe({ ...eu, columns: ['ID', 'amount'] })).toMatchObject([{ state: 'AGREES' }]);
  });

  test('is updated at the version that it was read at', async () => {
    const wide = { ...eu, columns: ALL, rowFilter: null };
    const calls = await callsOf(sandbox, async () => expect(await filters.apply(wide)).toEqual([{ ok: true }]));
    expect(changing(calls)).toEqual(['UpdateDataCellsFilter']);
    expect(calls.at(-1)?.parameters.TableData.VersionId).toMatch(/./);
    expect(await filters.observe(wide)).toMatchObject([{ state: 'AGREES', observed: { rowFilter: null } }]);
    await filters.apply(eu);
  });

  test('that AWS does not understand fails at once', async () => {
    expect(await filters.apply({ ...eu, name: 'bad', rowFilter: 'no_such_column = 1' })).toMatchObject([
      { ok: false, error: { treatment: 'PERMANENT', code: 'InvalidInputException' } },
    ]);
  });
});

describe('a grant on a data filter', () => {
  const whole = select(mesh.orders);

  test('opens its columns alone, and the table’s share carries it', async () => {
    const given = select(filtered);
    expect(await grants.apply(given)).toEqual([{ ok: true }]);
    expect(await grants.observe(given)).toMatchObject([{ state: 'AGREES' }]);
    expect(
      await driver(aws, 'ShareAcceptance', C).observe({ resource: filtered, principal: mesh.analyst }),
    ).toMatchObject([
      { state: 'AGREES', observed: { resource: expect.stringMatching(/:table\/sales_nrac\/orders$/) } },
    ]);
    expect(await readable()).toEqual(['id', 'amount']);
  });

  test('is neither taken for one on the table nor revoked with it', async () => {
    expect(await grants.observe(whole)).toEqual([{ state: 'MISSING' }]);
    await grants.apply(whole);
    expect(await readable()).toEqual(['id', 'amount', 'email', 'day']);
    expect(await grants.remove(whole)).toEqual([{ ok: true }]);
    expect(await readable()).toEqual(['id', 'amount']);
  });

  test('goes with the filter’s, and the filter after it', async () => {
    expect(await grants.remove(select(filtered))).toEqual([{ ok: true }]);
    expect(await filters.remove(eu)).toEqual([{ ok: true }]);
    expect(await readable()).toEqual([]);
  });
});

test('a grant on a location is listed and taken back by itself, whatever slash ends its path', async () => {
  const location: LfResource = { type: 'DATA_LOCATION', catalogId: G, arn: mesh.LOCATION };
  const spec: SpecOf<'LfGrant'> = {
    principal: C,
    resource: location,
    permissions: { DATA_LOCATION_ACCESS: ALL },
    grantable: { DATA_LOCATION_ACCESS: ALL },
  };
  expect(await grants.apply(spec)).toEqual([{ ok: true }]);
  expect(await grants.observe(spec)).toMatchObject([{ state: 'AGREES' }]);
  expect(await grants.observe({ ...spec, grantable: {} })).toMatchObject([
    { state: 'DIFFERS', differences: ['holds DATA_LOCATION_ACCESS (grantable), which nobody asked for'] },
  ]);
  expect(await grants.remove(spec)).toEqual([{ ok: true }]);
  expect(await grants.observe(spec)).toEqual([{ state: 'MISSING' }]);
});

describe('the listing of a whole account', () => {
  const session = () => aws.open({ ...lane });
  const lane = {
    account: G,
    region: 'us-east-1',
    role: null,
    sessionName: 'pass',
    beforeCall: async () => {},
  };
  const role = (name: string) => `arn:aws:iam::${G}:role/${name}`;
  const everyone = { DataLakePrincipalIdentifier: 'IAM_ALLOWED_PRINCIPALS' };
  const orders = { CatalogId: G, DatabaseName: 'sales_nrac', Name: 'orders' };
  const find = async (principal: string) =>
    ((await aws.providers.LfGrant.listAll?.(await session())) ?? []).filter((grant) => grant.principal === principal);

  test('holds every explicit grant, united by principal and resource, of every type', async () => {
    await driver(aws, 'LfTag', G).apply({ key: 'lob', values: ['sales', 'hr'] });
    await filters.apply(eu);
    const who = { Principal: { DataLakePrincipalIdentifier: role('all') } };
    const give = (Resource: object, ...Permissions: string[]): [string, string, object] => [
      'lakeformation',
      'GrantPermissions',
      { ...who, Resource, Permissions },
    ];
    await drift(
      sandbox,
      G,
      give({ Table: orders }, 'DESCRIBE'),
      give({ TableWithColumns: { ...orders, ColumnNames: ['id', 'email'] } }, 'SELECT'),
      give({ Table: { CatalogId: G, DatabaseName: 'sales_nrac', TableWildcard: {} } }, 'DROP'),
      give({ Database: { CatalogId: G, Name: 'sales_nrac' } }, 'CREATE_TABLE'),
      give(
        { DataCellsFilter: { TableCatalogId: G, DatabaseName: 'sales_nrac', TableName: 'orders', Name: 'eu' } },
        'SELECT',
      ),
      give({ DataLocation: { CatalogId: G, ResourceArn: mesh.LOCATION } }, 'DATA_LOCATION_ACCESS'),
      give({ LFTag: { CatalogId: G, TagKey: 'lob', TagValues: ['hr', 'sales'] } }, 'ASSOCIATE'),
      give(
        { LFTagPolicy: { CatalogId: G, ResourceType: 'TABLE', Expression: [{ TagKey: 'lob', TagValues: ['sales'] }] } },
        'SELECT',
      ),
      [
        'lakeformation',
        'GrantPermissions',
        { Principal: everyone, Resource: { Table: orders }, Permissions: ['SELECT'] },
      ],
    );
    const expression = [{ key: 'lob', values: ['sales'] }];
    const listed = await find(role('all'));
    expect(listed).toHaveLength(8);
    expect(listed).toEqual(
      expect.arrayContaining(
        [
          { resource: mesh.orders, permissions: { DESCRIBE: ALL, SELECT: ['email', 'id'] } },
          { resource: { ...mesh.orders, table: '*' }, permissions: { DROP: ALL } },
          { resource: { type: 'DATABASE', catalogId: G, database: 'sales_nrac' }, permissions: { CREATE_TABLE: ALL } },
          { resource: filtered, permissions: { SELECT: ALL } },
          {
            resource: { type: 'DATA_LOCATION', catalogId: G, arn: mesh.LOCATION },
            permissions: { DATA_LOCATION_ACCESS: ALL },
          },
          { resource: { type: 'LF_TAG', catalogId: G, key: 'lob', value: 'hr' }, permissions: { ASSOCIATE: ALL } },
          { resource: { type: 'LF_TAG', catalogId: G, key: 'lob', value: 'sales' }, permissions: { ASSOCIATE: ALL } },
          { resource: { type: 'LF_TAG_POLICY', catalogId: G, on: 'TABLE', expression }, permissions: { SELECT: ALL } },
        ].map((grant) => ({ principal: role('all'), grantable: {}, ...grant })),
      ),
    );
    expect(await find('IAM_ALLOWED_PRINCIPALS')).toEqual([]);
  });

  test('names what a grant leaves out, so that it never passes for the whole table', async () => {
    const ColumnWildcard = { ExcludedColumnNames: ['email'] };
    const Resource = { TableWithColumns: { ...orders, ColumnWildcard } };
    const Principal = { DataLakePrincipalIdentifier: role('most') };
    await drift(sandbox, G, ['lakeformation', 'GrantPermissions', { Principal, Resource, Permissions: ['SELECT'] }]);
    expect(await find(role('most'))).toMatchObject([{ permissions: { SELECT: ['(all except email)'] } }]);
  });

  test('what it shows of anybody can be taken away with it', async () => {
    for (const principal of [role('all'), role('most')]) {
      const specs = await find(principal);
      expect(await grants.remove(...specs)).toEqual(specs.map(() => ({ ok: true })));
      expect(await find(principal)).toEqual([]);
    }
  });

  test('is nothing where a page fails', async () => {
    await control(sandbox, '/faults', [
      { service: 'lakeformation', operation: 'ListPermissions', kind: 'throttle', rate: 1, seed: 1, count: 1 },
    ]);
    await expect(find(role('all'))).rejects.toThrow();
    await control(sandbox, '/faults', undefined, 'DELETE');
  });

  test('serves grants on many tables in place of a listing for each', async () => {
    const tables = Array.from({ length: 30 }, (_, n) => ({ ...mesh.ordersTable, name: `many_${n}` }));
    await driver(aws, 'GlueTable', G).apply(...tables);
    const specs = tables.map(({ name }) => select({ ...mesh.orders, table: name }, role('reader')));
    await grants.apply(...specs);
    const calls = await callsOf(sandbox, async () =>
      expect(await grants.observe(...specs)).toMatchObject(specs.map(() => ({ state: 'AGREES' }))),
    );
    expect(calls.map(({ operation }) => operation)).toEqual(['ListPermissions']);
    await grants.remove(specs[7]!);
    const seen = await grants.observe(...specs, select({ ...mesh.orders, table: 'nowhere' }, role('reader')));
    expect(seen.map(({ state }) => state).filter((state) => state !== 'AGREES')).toEqual(['MISSING', 'MISSING']);
  });

  test('that would take more pages than there are tables is given up for a listing of each', async () => {
    const crowd = Array.from({ length: 80 }, (_, batch) => ({
      Entries: Array.from({ length: 20 }, (_, n) => ({
        Id: String(n),
        Principal: { DataLakePrincipalIdentifier: role(`crowd-${batch}-${n}`) },
        Resource: { Database: { CatalogId: G, Name: 'sales_nrac' } },
        Permissions: ['DESCRIBE'],
      })),
    }));
    await drift(
      sandbox,
      G,
      ...crowd.map((input): [string, string, object] => ['lakeformation', 'BatchGrantPermissions', input]),
    );
    const foreign = Array.from({ length: 20 }, (_, n) =>
      select({ type: 'TABLE', catalogId: C, database: 'theirs', table: `t${n}` }, role('reader')),
    );
    const own = select({ ...mesh.orders, table: 'many_1' }, role('reader'));
    const calls = await callsOf(sandbox, async () =>
      expect((await grants.observe(own, ...foreign))[0]).toMatchObject({ state: 'AGREES' }),
    );
    const asked = calls.filter(({ operation }) => operation === 'ListPermissions');
    expect(asked.filter(({ parameters }) => parameters.Resource === undefined)).toHaveLength(2);
    expect(asked.filter(({ parameters }) => parameters.Resource?.Table?.Name === 'many_1')).toHaveLength(1);
  });
});
