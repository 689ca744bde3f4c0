/**
 * Rules of new objects, of administrators and of what fits what. Each test ends with the page of the Lake Formation developer
 * guide that it comes from.
 */
import {
  CreateDatabaseCommand,
  CreateTableCommand,
  DeleteTableCommand,
  GetDatabasesCommand,
  GetTableCommand,
  UpdateTableCommand,
} from '@aws-sdk/client-glue';
import { type Permission, PutDataLakeSettingsCommand, RegisterResourceCommand } from '@aws-sdk/client-lakeformation';
import { expect, test } from 'vitest';
import {
  acceptAll,
  admin,
  analyst,
  C,
  columns,
  database,
  filter,
  G,
  governed,
  grant,
  lakeAs,
  lakeOf,
  link,
  makeFilter,
  makeTag,
  mayRead,
  meshOf,
  outcome,
  permissionsOf,
  revoke,
  table,
  tag,
  tagged,
  withOrders,
} from '../lake-testkit.js';
import { errorOf, sandboxOfTest } from '../testkit.js';

const IAM = { Principal: { DataLakePrincipalIdentifier: 'IAM_ALLOWED_PRINCIPALS' } };

test('untouched settings put ALL for IAM_ALLOWED_PRINCIPALS on new objects (cross-account-prereqs)', async () => {
  const sandbox = await sandboxOfTest();
  const person = await lakeAs(sandbox, `arn:aws:iam::${G}:role/administrator`);
  await person.glue.send(new CreateDatabaseCommand({ DatabaseInput: { Name: 'open' } }));
  await person.glue.send(new CreateTableCommand({ DatabaseName: 'open', TableInput: { Name: 't' } }));
  const kinds = (await permissionsOf(person, IAM)).map(({ Resource, Permissions }) => [
    Object.keys(Resource ?? {})[0],
    Permissions,
  ]);
  expect(kinds).toEqual([
    ['Database', ['ALL']],
    ['Table', ['ALL']],
  ]);
});

test('what IAM_ALLOWED_PRINCIPALS has permissions on is not shared with other accounts, nor read by them, by wildcard either (cross-account-prereqs)', async () => {
  const sandbox = await sandboxOfTest({ ramSharing: true });
  const { g } = await meshOf(sandbox);
  const everyTable = { Table: { CatalogId: G, DatabaseName: 'sales', TableWildcard: {} } };
  const share = () => outcome(grant(g, { to: analyst, on: table(), permissions: ['SELECT'] }));
  for (const on of [table(), everyTable]) {
    const bypass = { to: 'IAM_ALLOWED_PRINCIPALS', on, permissions: ['ALL' as const] };
    await grant(g, bypass);
    expect(await share()).toBe('InvalidInputException');
    await revoke(g, bypass);
  }
  expect(await share()).toBe('none');
  const reads = async (principal: string) =>
    (await mayRead(sandbox, principal, { account: G, database: 'sales', table: 'orders' })).allowed;
  const anyone = `arn:aws:iam::${G}:user/anyone`;
  expect([await reads(analyst), await reads(anyone)]).toEqual([true, false]);
  await grant(g, { to: 'IAM_ALLOWED_PRINCIPALS', on: everyTable, permissions: ['ALL'] });
  expect([await reads(analyst), await reads(anyone)]).toEqual([false, true]);
});

test('before cross-account version 3 nothing goes directly to a principal of another account or by tag through RAM (optimize-ram)', async () => {
  const { g } = await meshOf(await sandboxOfTest({ ramSharing: true }));
  await makeTag(g, 'lob', 'sales');
  const wishes = [
    { to: analyst, on: table(), permissions: ['SELECT' as const] },
    { to: C, on: tagged({ lob: ['sales'] }), permissions: ['SELECT' as const] },
    { to: C, on: tag('lob', 'sales'), permissions: ['DESCRIBE' as const], grantable: ['DESCRIBE' as const] },
    { to: C, on: table(), permissions: ['SELECT' as const] },
  ];
  const outcomes = () => Promise.all(wishes.map((wish) => outcome(grant(g, wish))));
  for (const version of ['1', '2']) {
    await governed(g, G, version);
    expect(await outcomes()).toEqual([
      'InvalidInputException',
      'InvalidInputException',
      'InvalidInputException',
      'none',
    ]);
  }
  await governed(g, G, '3');
  expect(await outcomes()).toEqual(['none', 'none', 'none', 'none']);
});

test('an administrator describes, uses locations and grants, and neither reads data nor alters or drops (implicit-permissions)', async () => {
  const sandbox = await sandboxOfTest();
  const g = lakeOf(sandbox, G);
  await withOrders(g);
  const second = `arn:aws:iam::${G}:role/second`;
  const DataLakeAdmins = [admin(G), second].map((DataLakePrincipalIdentifier) => ({ DataLakePrincipalIdentifier }));
  const DataLakeSettings = { DataLakeAdmins, Parameters: { CROSS_ACCOUNT_VERSION: '3' } };
  await g.lf.send(new PutDataLakeSettingsCommand({ DataLakeSettings }));
  const lake = await lakeAs(sandbox, second);
  const at = { DatabaseName: 'sales', Name: 'orders' };
  expect(await outcome(lake.glue.send(new GetTableCommand(at)))).toBe('none');
  const asked = { account: G, database: 'sales', table: 'orders' };
  const may = async (permission: string) => (await mayRead(sandbox, second, { ...asked, permission })).allowed;
  expect(await Promise.all(['SELECT', 'INSERT', 'ALTER', 'DROP', 'DESCRIBE'].map(may))).toEqual([
    false,
    false,
    false,
    false,
    true,
  ]);
  const TableInput = { Name: 'orders' };
  expect(await outcome(lake.glue.send(new UpdateTableCommand({ DatabaseName: 'sales', TableInput })))).toBe(
    'AccessDeniedException',
  );
  expect(await outcome(lake.glue.send(new DeleteTableCommand(at)))).toBe('AccessDeniedException');
  await grant(lake, { to: second, on: table(), permissions: ['SELECT'] });
  expect(await may('SELECT')).toBe(true);
  // Data locations are open to him: his own table at a registered path needs no grant.
  await lake.glue.send(new CreateDatabaseCommand({ DatabaseInput: { Name: 'own' } }));
  const own = { Name: 't', StorageDescriptor: { Location: 's3://lake/sales/own' } };
  expect(await outcome(lake.glue.send(new CreateTableCommand({ DatabaseName: 'own', TableInput: own })))).toBe('none');
});

test('an administrator does not see what was shared directly with another principal of his account (implicit-permissions)', async () => {
  const { g, c } = await meshOf(await sandboxOfTest({ ramSharing: true }));
  const describe = () =>
    outcome(c.glue.send(new GetTableCommand({ CatalogId: G, DatabaseName: 'sales', Name: 'orders' })));
  await grant(g, { to: analyst, on: table(), permissions: ['SELECT', 'DESCRIBE'] });
  expect(await describe()).toBe('AccessDeniedException');
  expect(await permissionsOf(c, { Resource: table() })).toEqual([]);
  await grant(g, { to: C, on: table(), permissions: ['DESCRIBE'] });
  expect(await describe()).toBe('none');
});

test('an administrator creates databases, others need CREATE_DATABASE, and the creator holds everything on what he made (implicit-permissions)', async () => {
  const sandbox = await sandboxOfTest();
  const g = lakeOf(sandbox, G);
  await governed(g, G);
  const role = `arn:aws:iam::${G}:role/maker`;
  const maker = await lakeAs(sandbox, role);
  const make = (Name: string) => outcome(maker.glue.send(new CreateDatabaseCommand({ DatabaseInput: { Name } })));
  expect(await make('made')).toBe('AccessDeniedException');
  await grant(g, { to: role, on: { Catalog: {} }, permissions: ['CREATE_DATABASE'] });
  expect(await make('made')).toBe('none');
  const TableInput = { Name: 't', StorageDescriptor: { Location: 's3://lake/t' } };
  await maker.glue.send(new CreateTableCommand({ DatabaseName: 'made', TableInput }));
  const RoleArn = `arn:aws:iam::${G}:role/lake-reader`;
  await g.lf.send(new RegisterResourceCommand({ ResourceArn: 'arn:aws:s3:::lake', RoleArn }));
  const may = async (principal: string, permission: string) =>
    (await mayRead(sandbox, principal, { account: G, database: 'made', table: 't', permission })).allowed;
  for (const permission of ['SELECT', 'INSERT', 'DELETE', 'DROP', 'DESCRIBE'])
    expect(await may(role, permission)).toBe(true);
  // His table lies at a registered path by now: to alter it he needs access to the location, too.
  expect(await may(role, 'ALTER')).toBe(false);
  expect(await outcome(grant(maker, { to: admin(G), on: table('t', G, 'made'), permissions: ['DROP'] }))).toBe('none');
  expect(await may(admin(G), 'DROP')).toBe(true);
});

test('each permission fits its types of resource and no other (lf-permissions-reference)', async () => {
  const { g } = await meshOf(await sandboxOfTest());
  await makeTag(g, 'lob', 'sales');
  await makeFilter(g, 'eu');
  const all: Permission[] = [
    'ALL',
    'ALTER',
    'ASSOCIATE',
    'CREATE_DATABASE',
    'CREATE_LF_TAG',
    'CREATE_TABLE',
    'DATA_LOCATION_ACCESS',
    'DELETE',
    'DESCRIBE',
    'DROP',
    'GRANT_WITH_LF_TAG_EXPRESSION',
    'INSERT',
    'SELECT',
  ];
  const data = 'ALL ALTER DELETE DESCRIBE DROP INSERT SELECT';
  const fitting = {
    catalog: [{ Catalog: {} }, 'ALL ALTER CREATE_DATABASE CREATE_LF_TAG DESCRIBE DROP'],
    database: [database(), 'ALL ALTER CREATE_TABLE DESCRIBE DROP'],
    table: [table(), data],
    everyTable: [{ Table: { DatabaseName: 'sales', TableWildcard: {} } }, data],
    columns: [columns('id'), 'SELECT'],
    filter: [filter('eu'), 'DESCRIBE DROP SELECT'],
    location: [{ DataLocation: { ResourceArn: 'arn:aws:s3:::lake/sales' } }, 'DATA_LOCATION_ACCESS'],
    tag: [tag('lob', 'sales'), 'ALTER ASSOCIATE DESCRIBE DROP GRANT_WITH_LF_TAG_EXPRESSION'],
    taggedDatabases: [tagged({ lob: ['sales'] }, 'DATABASE'), 'ALL ALTER CREATE_TABLE DESCRIBE DROP'],
    taggedTables: [tagged({ lob: ['sales'] }), data],
  } as const;
  const to = `arn:aws:iam::${G}:role/steward`;
  for (const [kind, [on, names]] of Object.entries(fitting)) {
    const fits: string[] = [];
    for (const permission of all) {
      const name = await outcome(grant(g, { to, on, permissions: [permission] }));
      if (name === 'none') fits.push(permission);
      else expect(name, `${permission} on ${kind}`).toBe('InvalidInputException');
    }
    expect(fits.join(' '), kind).toBe(names);
  }
});

test('a resource link takes DESCRIBE and DROP alone (granting-link-permissions)', async () => {
  const { c } = await meshOf(await sandboxOfTest());
  const wish = (permission: Permission) => outcome(grant(c, { to: analyst, on: link, permissions: [permission] }));
  expect(await Promise.all([wish('DESCRIBE'), wish('DROP')])).toEqual(['none', 'none']);
  for (const permission of ['SELECT', 'INSERT', 'ALTER', 'DELETE', 'ALL'] as const)
    expect(await wish(permission)).toBe('InvalidInputException');
});

test('chosen columns take SELECT alone, and with the grant option they are named, not excluded (column-filtering-intro)', async () => {
  const { g } = await meshOf(await sandboxOfTest());
  const to = `arn:aws:iam::${G}:role/steward`;
  const but = {
    TableWithColumns: {
      CatalogId: G,
      DatabaseName: 'sales',
      Name: 'orders',
      ColumnWildcard: { ExcludedColumnNames: ['email'] },
    },
  };
  const SELECT = ['SELECT' as const];
  expect(await outcome(grant(g, { to, on: columns('id'), permissions: ['INSERT'] }))).toBe('InvalidInputException');
  expect(await outcome(grant(g, { to, on: but, permissions: SELECT, grantable: SELECT }))).toBe(
    'InvalidInputException',
  );
  expect(await outcome(grant(g, { to, on: but, permissions: SELECT }))).toBe('none');
  const other = `arn:aws:iam::${G}:role/other`;
  expect(await outcome(grant(g, { to: other, on: columns('id'), permissions: SELECT, grantable: SELECT }))).toBe(
    'none',
  );
});

test('a permission on a table brings DESCRIBE on its database within one account only (granting-catalog-permissions)', async () => {
  const sandbox = await sandboxOfTest();
  const { g, c } = await meshOf(sandbox);
  const listed = async (role: string) => {
    const { DatabaseList = [] } = await (await lakeAs(sandbox, role)).glue.send(
      new GetDatabasesCommand({ ResourceShareType: 'ALL' }),
    );
    return DatabaseList.map(({ CatalogId, Name }) => `${CatalogId} ${Name}`);
  };
  const local = `arn:aws:iam::${G}:role/local`;
  expect([await listed(local), await listed(analyst)]).toEqual([[], []]);
  for (const to of [local, analyst]) await grant(g, { to, on: table(), permissions: ['SELECT'] });
  await acceptAll(c);
  expect([await listed(local), await listed(analyst)]).toEqual([[`${G} sales`], []]);
  await grant(g, { to: analyst, on: database(), permissions: ['DESCRIBE'] });
  await acceptAll(c);
  expect(await listed(analyst)).toEqual([`${G} sales`]);
});

test('roles and users are principals, sessions and root are not (API reference: DataLakePrincipal)', async () => {
  const { g } = await meshOf(await sandboxOfTest({ ramSharing: true }));
  const to = (principal: string) => errorOf(grant(g, { to: principal, on: table(), permissions: ['SELECT'] }));
  for (const principal of [`arn:aws:sts::${C}:assumed-role/analyst/session`, `arn:aws:iam::${C}:root`, 'analyst']) {
    expect(await to(principal)).toMatchObject({
      name: 'InvalidInputException',
      message: expect.stringContaining('Invalid principal'),
    });
  }
  for (const principal of [`arn:aws:iam::${C}:role/with/a/path`, `arn:aws:iam::${C}:user/person`, C])
    expect(await outcome(grant(g, { to: principal, on: table(), permissions: ['SELECT'] }))).toBe('none');
});
