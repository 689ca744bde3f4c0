import {
  BatchDeleteTableCommand,
  CreateDatabaseCommand,
  CreateTableCommand,
  DeleteDatabaseCommand,
  DeleteResourcePolicyCommand,
  DeleteTableCommand,
  GetDatabaseCommand,
  GetDatabasesCommand,
  GetResourcePolicyCommand,
  GetTableCommand,
  GetTablesCommand,
  GetTableVersionCommand,
  GetTableVersionsCommand,
  PutResourcePolicyCommand,
  UpdateDatabaseCommand,
  UpdateTableCommand,
} from '@aws-sdk/client-glue';
import { ListPermissionsCommand, RegisterResourceCommand } from '@aws-sdk/client-lakeformation';
import { expect, test } from 'vitest';
import {
  acceptAll,
  admin,
  analyst,
  C,
  columns,
  database,
  G,
  governed,
  grant,
  type Lake,
  lakeAs,
  lakeOf,
  orders,
  P,
  revoke,
  table,
  withLink,
  withOrders,
} from './lake-testkit.js';
import { control, errorOf, sandboxOfTest } from './testkit.js';

async function mesh(options: { ramSharing?: boolean } = { ramSharing: true }) {
  const sandbox = await sandboxOfTest(options);
  const g = lakeOf(sandbox, G);
  const c = lakeOf(sandbox, C);
  await withOrders(g);
  await withLink(c);
  return { sandbox, g, c };
}

const getTable = (lake: Lake, Name: string, DatabaseName = 'data_products', CatalogId?: string) =>
  lake.glue.send(new GetTableCommand({ DatabaseName, Name, ...(CatalogId ? { CatalogId } : {}) }));

const namesOf = (columnList: { Name: string | undefined }[] | undefined) => columnList?.map(({ Name }) => Name);

test('a table is read back as it was made, with folded names, dates and the state of its path', async () => {
  const { g } = await mesh();
  await g.glue.send(
    new CreateTableCommand({ DatabaseName: 'sales', TableInput: { Name: 'Refunds', Parameters: { a: 'b' } } }),
  );
  const { Table: refunds } = await getTable(g, 'REFUNDS', 'Sales');
  expect(refunds).toMatchObject({
    Name: 'refunds',
    DatabaseName: 'sales',
    CatalogId: G,
    Parameters: { a: 'b' },
    VersionId: '0',
  });
  expect(refunds?.CreateTime).toBeInstanceOf(Date);
  expect(refunds?.IsRegisteredWithLakeFormation).toBe(false);
  const { Table: found } = await getTable(g, 'orders', 'sales');
  expect(found).toMatchObject({ ...orders, CreatedBy: admin(G), IsRegisteredWithLakeFormation: true });
  const again = g.glue.send(new CreateTableCommand({ DatabaseName: 'sales', TableInput: { Name: 'ORDERS' } }));
  expect((await errorOf(again)).name).toBe('AlreadyExistsException');
  expect((await errorOf(getTable(g, 'nope', 'sales'))).name).toBe('EntityNotFoundException');
  expect((await errorOf(getTable(g, 'orders', 'nope'))).name).toBe('EntityNotFoundException');
  const nameless = g.glue.send(new CreateTableCommand({ DatabaseName: 'sales', TableInput: { Name: '' } }));
  expect((await errorOf(nameless)).name).toBe('InvalidInputException');
});

test('tables are listed in pages, by an expression on the name', async () => {
  const { g } = await mesh();
  for (const Name of ['a1', 'a2', 'b1'])
    await g.glue.send(new CreateTableCommand({ DatabaseName: 'sales', TableInput: { Name } }));
  const first = await g.glue.send(new GetTablesCommand({ DatabaseName: 'sales', MaxResults: 3 }));
  expect(namesOf(first.TableList as { Name: string }[])).toEqual(['a1', 'a2', 'b1']);
  const rest = await g.glue.send(
    new GetTablesCommand({ DatabaseName: 'sales', MaxResults: 3, NextToken: first.NextToken }),
  );
  expect(namesOf(rest.TableList as { Name: string }[])).toEqual(['orders']);
  expect(rest.NextToken).toBeUndefined();
  const some = await g.glue.send(new GetTablesCommand({ DatabaseName: 'sales', Expression: 'a.*' }));
  expect(namesOf(some.TableList as { Name: string }[])).toEqual(['a1', 'a2']);
});

test('an update makes a version, keeps the earlier ones, and refuses a stale VersionId', async () => {
  const { g } = await mesh();
  const update = (Description: string, VersionId?: string) =>
    g.glue.send(
      new UpdateTableCommand({
        DatabaseName: 'sales',
        TableInput: { ...orders, Description },
        ...(VersionId ? { VersionId } : {}),
      }),
    );
  await update('second', '0');
  expect((await errorOf(update('third', '0'))).name).toBe('ConcurrentModificationException');
  await update('third');
  const at = { DatabaseName: 'sales', TableName: 'orders' };
  const { TableVersions = [] } = await g.glue.send(new GetTableVersionsCommand(at));
  expect(TableVersions.map(({ VersionId, Table }) => [VersionId, Table?.Description])).toEqual([
    ['2', 'third'],
    ['1', 'second'],
    ['0', undefined],
  ]);
  const { TableVersion } = await g.glue.send(new GetTableVersionCommand({ ...at, VersionId: '1' }));
  expect(TableVersion?.Table?.Description).toBe('second');
});

test('a table link shows its own name with what the target holds, to who may see the target', async () => {
  const { sandbox, g, c } = await mesh();
  const TargetTable = { CatalogId: G, DatabaseName: 'sales', Name: 'orders' };
  const own = { Name: 'sales__orders', DatabaseName: 'data_products', CatalogId: C, TargetTable };
  const { Table: hidden } = await getTable(c, 'sales__orders');
  expect(hidden).toMatchObject(own);
  expect(hidden?.StorageDescriptor).toBeUndefined();
  await grant(c, { to: analyst, on: table('sales__orders', C, 'data_products'), permissions: ['DESCRIBE'] });
  await grant(g, { to: analyst, on: columns('id', 'day'), permissions: ['SELECT'] });
  const asAnalyst = await lakeAs(sandbox, analyst);
  const { Table: seen } = await getTable(asAnalyst, 'sales__orders');
  expect(seen).toMatchObject(own);
  expect([namesOf(seen?.StorageDescriptor?.Columns), namesOf(seen?.PartitionKeys)]).toEqual([['id'], ['day']]);
  // A direct grant stays hidden from the administrator; a grant to the account does not.
  expect((await getTable(c, 'sales__orders')).Table?.StorageDescriptor).toBeUndefined();
  await grant(g, { to: C, on: table(), permissions: ['DESCRIBE'] });
  expect((await getTable(c, 'sales__orders')).Table?.StorageDescriptor?.Location).toBe('s3://lake/sales/orders');
});

test('an update through a link changes the target, and a delete takes the link alone', async () => {
  const { g, c } = await mesh();
  const update = (Description: string) =>
    c.glue.send(
      new UpdateTableCommand({
        DatabaseName: 'data_products',
        TableInput: { ...orders, Name: 'sales__orders', Description },
      }),
    );
  expect((await errorOf(update('no'))).name).toBe('AccessDeniedException');
  await grant(g, { to: admin(C), on: table(), permissions: ['ALTER'] });
  expect((await errorOf(update('still no'))).message).toContain('Data Location Access');
  const on = { DataLocation: { ResourceArn: 'arn:aws:s3:::lake/sales' } };
  await grant(g, { to: C, on, permissions: ['DATA_LOCATION_ACCESS'], grantable: ['DATA_LOCATION_ACCESS'] });
  const passed = { DataLocation: { CatalogId: G, ResourceArn: 'arn:aws:s3:::lake/sales' } };
  await grant(c, { to: admin(C), on: passed, permissions: ['DATA_LOCATION_ACCESS'] });
  await update('through the link');
  expect((await getTable(g, 'orders', 'sales')).Table).toMatchObject({
    Name: 'orders',
    Description: 'through the link',
  });
  await c.glue.send(new DeleteTableCommand({ DatabaseName: 'data_products', Name: 'sales__orders' }));
  expect((await errorOf(getTable(c, 'sales__orders'))).name).toBe('EntityNotFoundException');
  expect((await getTable(g, 'orders', 'sales')).Table?.Name).toBe('orders');
});

test('a database link leads to the tables of its target and is deleted alone', async () => {
  const { g, c } = await mesh();
  const TargetDatabase = { CatalogId: G, DatabaseName: 'sales' };
  await c.glue.send(new CreateDatabaseCommand({ DatabaseInput: { Name: 'shop', TargetDatabase } }));
  const read = () => getTable(c, 'orders', 'shop');
  expect((await errorOf(read())).name).toBe('AccessDeniedException');
  await grant(g, { to: C, on: table(), permissions: ['DESCRIBE'] });
  expect((await read()).Table).toMatchObject({
    Name: 'orders',
    StorageDescriptor: { Location: 's3://lake/sales/orders' },
  });
  await g.glue.send(
    new UpdateDatabaseCommand({ Name: 'sales', DatabaseInput: { Name: 'sales', Description: 'of G' } }),
  );
  const link = async () => (await c.glue.send(new GetDatabaseCommand({ Name: 'shop' }))).Database;
  expect(await link()).toMatchObject({ Name: 'shop', CatalogId: C, TargetDatabase });
  expect((await link())?.Description).toBeUndefined();
  await grant(g, { to: C, on: database(), permissions: ['DESCRIBE'] });
  expect(await link()).toMatchObject({ Name: 'shop', Description: 'of G' });
  const TableInput = { Name: 'x', TargetTable: { CatalogId: G, DatabaseName: 'sales', Name: 'orders' } };
  const nested = c.glue.send(new CreateTableCommand({ DatabaseName: 'shop', TableInput }));
  expect((await errorOf(nested)).name).toBe('InvalidInputException');
  await c.glue.send(new DeleteDatabaseCommand({ Name: 'shop' }));
  expect((await g.glue.send(new GetDatabaseCommand({ Name: 'sales' }))).Database?.Name).toBe('sales');
});

test('databases are listed to who may see them, with those of other accounts only on request', async () => {
  const { sandbox, g, c } = await mesh();
  await grant(g, { to: C, on: database(), permissions: ['DESCRIBE'] });
  const list = async (lake: Lake, ResourceShareType?: 'ALL' | 'FOREIGN') => {
    const { DatabaseList = [] } = await lake.glue.send(
      new GetDatabasesCommand(ResourceShareType ? { ResourceShareType } : {}),
    );
    return DatabaseList.map(({ Name, CatalogId }) => `${CatalogId}/${Name}`);
  };
  expect(await list(c)).toEqual([`${C}/data_products`]);
  expect(await list(c, 'ALL')).toEqual([`${C}/data_products`, `${G}/sales`]);
  expect(await list(c, 'FOREIGN')).toEqual([`${G}/sales`]);
  const asAnalyst = await lakeAs(sandbox, analyst);
  expect(await list(asAnalyst, 'ALL')).toEqual([]);
  await grant(c, { to: analyst, on: table('sales__orders', C, 'data_products'), permissions: ['DESCRIBE'] });
  // A permission on a table brings DESCRIBE on its database within one account only.
  await grant(g, { to: analyst, on: table(), permissions: ['SELECT'] });
  expect(await list(asAnalyst, 'ALL')).toEqual([`${C}/data_products`]);
});

test('an administrator creates databases but neither drops nor alters what others made; the creator may', async () => {
  const { sandbox, g } = await mesh();
  const maker = await lakeAs(sandbox, `arn:aws:iam::${G}:role/maker`);
  const make = () => maker.glue.send(new CreateDatabaseCommand({ DatabaseInput: { Name: 'made' } }));
  expect((await errorOf(make())).name).toBe('AccessDeniedException');
  await grant(g, { to: `arn:aws:iam::${G}:role/maker`, on: { Catalog: {} }, permissions: ['CREATE_DATABASE'] });
  await make();
  await maker.glue.send(new CreateTableCommand({ DatabaseName: 'made', TableInput: { Name: 't' } }));
  const alter = (lake: Lake) =>
    lake.glue.send(new UpdateTableCommand({ DatabaseName: 'made', TableInput: { Name: 't', Description: 'x' } }));
  const drop = (lake: Lake) => lake.glue.send(new DeleteTableCommand({ DatabaseName: 'made', Name: 't' }));
  const create = (lake: Lake) =>
    lake.glue.send(new CreateTableCommand({ DatabaseName: 'made', TableInput: { Name: 'u' } }));
  expect((await getTable(g, 't', 'made')).Table?.Name).toBe('t');
  for (const act of [alter, drop, create]) expect((await errorOf(act(g))).name).toBe('AccessDeniedException');
  await grant(g, { to: admin(G), on: table('t', G, 'made'), permissions: ['DROP'] });
  await alter(maker);
  await drop(g);
  const { PrincipalResourcePermissions: rows = [] } = await g.lf.send(
    new ListPermissionsCommand({
      Resource: database('made'),
      Principal: { DataLakePrincipalIdentifier: `arn:aws:iam::${G}:role/maker` },
    }),
  );
  const everything = ['ALL', 'ALTER', 'CREATE_TABLE', 'DESCRIBE', 'DROP'];
  expect(rows).toMatchObject([{ Permissions: everything, PermissionsWithGrantOption: everything }]);
});

test('a table at a registered path needs DATA_LOCATION_ACCESS, which only administrators have of themselves', async () => {
  const { sandbox, g } = await mesh();
  const role = `arn:aws:iam::${G}:role/etl`;
  await grant(g, { to: role, on: database(), permissions: ['CREATE_TABLE'] });
  const etl = await lakeAs(sandbox, role);
  const make = (Name: string, Location: string) =>
    etl.glue.send(
      new CreateTableCommand({ DatabaseName: 'sales', TableInput: { Name, StorageDescriptor: { Location } } }),
    );
  await make('elsewhere', 's3://other/path');
  const refused = await errorOf(make('here', 's3://lake/sales/new/'));
  expect(refused).toMatchObject({
    name: 'AccessDeniedException',
    message: expect.stringContaining('register the S3 path'),
  });
  await make('sibling', 's3://lake/sales-archive');
  const on = { DataLocation: { ResourceArn: 'arn:aws:s3:::lake/sales/' } };
  await grant(g, { to: role, on, permissions: ['DATA_LOCATION_ACCESS'] });
  await make('here', 's3://lake/sales/new/');
  await revoke(g, { to: role, on, permissions: ['DATA_LOCATION_ACCESS'] });
  expect((await errorOf(make('there', 's3://lake/sales/there'))).name).toBe('AccessDeniedException');
});

test('untouched settings give everything on new objects to IAM_ALLOWED_PRINCIPALS, an explicit empty list on the database nothing', async () => {
  const sandbox = await sandboxOfTest();
  const person = await lakeAs(sandbox, `arn:aws:iam::${P}:role/administrator`);
  const create = (Name: string, rest = {}) =>
    person.glue.send(new CreateDatabaseCommand({ DatabaseInput: { Name, ...rest } }));
  await create('open');
  await create('closed', { CreateTableDefaultPermissions: [] });
  for (const DatabaseName of ['open', 'closed']) {
    await person.glue.send(new CreateTableCommand({ DatabaseName, TableInput: { Name: 't' } }));
  }
  const Principal = { DataLakePrincipalIdentifier: 'IAM_ALLOWED_PRINCIPALS' };
  const { PrincipalResourcePermissions: rows = [] } = await person.lf.send(new ListPermissionsCommand({ Principal }));
  expect(
    rows.map(({ Resource, Permissions }) => [
      Resource?.Database?.Name ?? Resource?.Table?.DatabaseName,
      Resource?.Table?.Name,
      Permissions,
    ]),
  ).toEqual([
    ['closed', undefined, ['ALL']],
    ['open', undefined, ['ALL']],
    ['open', 't', ['ALL']],
  ]);
  const anyone = await lakeAs(sandbox, `arn:aws:iam::${P}:role/anyone`);
  await anyone.glue.send(new DeleteTableCommand({ DatabaseName: 'open', Name: 't' }));
  const closed = anyone.glue.send(new DeleteTableCommand({ DatabaseName: 'closed', Name: 't' }));
  expect((await errorOf(closed)).name).toBe('AccessDeniedException');
});

test('accounts are isolated: without a share nothing of another catalog is read or written', async () => {
  const { g, c } = await mesh({ ramSharing: false });
  const read = () => getTable(c, 'orders', 'sales', G);
  expect((await errorOf(read())).name).toBe('AccessDeniedException');
  expect((await errorOf(getTable(c, 'nope', 'sales', G))).name).toBe('AccessDeniedException');
  const create = c.glue.send(new CreateDatabaseCommand({ CatalogId: G, DatabaseInput: { Name: 'x' } }));
  expect((await errorOf(create)).name).toBe('AccessDeniedException');
  expect((await errorOf(c.glue.send(new DeleteDatabaseCommand({ CatalogId: G, Name: 'sales' })))).name).toBe(
    'AccessDeniedException',
  );
  await grant(g, { to: C, on: table(), permissions: ['DESCRIBE'] });
  expect((await errorOf(read())).name).toBe('AccessDeniedException');
  await grant(g, { to: 'IAM_ALLOWED_PRINCIPALS', on: table(), permissions: ['ALL'] });
  expect((await errorOf(read())).name).toBe('AccessDeniedException');
  await acceptAll(c);
  expect((await read()).Table?.Name).toBe('orders');
});

test('a deleted database takes its tables with it, and a batch delete tells which names failed', async () => {
  const { g } = await mesh();
  await g.glue.send(new CreateTableCommand({ DatabaseName: 'sales', TableInput: { Name: 'x' } }));
  const { Errors } = await g.glue.send(
    new BatchDeleteTableCommand({ DatabaseName: 'sales', TablesToDelete: ['x', 'y'] }),
  );
  expect(Errors).toMatchObject([{ TableName: 'y', ErrorDetail: { ErrorCode: 'EntityNotFoundException' } }]);
  await g.glue.send(new DeleteDatabaseCommand({ Name: 'sales' }));
  await g.glue.send(new CreateDatabaseCommand({ DatabaseInput: { Name: 'sales' } }));
  expect((await g.glue.send(new GetTablesCommand({ DatabaseName: 'sales' }))).TableList).toEqual([]);
});

test('a resource policy beside RAM shares needs EnableHybrid, and its hash guards it', async () => {
  const { g } = await mesh();
  const PolicyInJson = JSON.stringify({ Version: '2012-10-17', Statement: [] });
  const put = (rest = {}) => g.glue.send(new PutResourcePolicyCommand({ PolicyInJson, ...rest }));
  expect((await errorOf(g.glue.send(new GetResourcePolicyCommand({})))).name).toBe('EntityNotFoundException');
  const { PolicyHash } = await put({ PolicyExistsCondition: 'NOT_EXIST' });
  await grant(g, { to: analyst, on: table(), permissions: ['SELECT'] });
  expect((await errorOf(put())).name).toBe('InvalidInputException');
  await put({ EnableHybrid: 'TRUE', PolicyHashCondition: PolicyHash });
  expect((await errorOf(put({ EnableHybrid: 'TRUE', PolicyHashCondition: 'stale' }))).name).toBe(
    'ConditionCheckFailureException',
  );
  expect(await g.glue.send(new GetResourcePolicyCommand({}))).toMatchObject({ PolicyInJson, PolicyHash });
  await revoke(g, { to: analyst, on: table(), permissions: ['SELECT'] });
  await put();
  await g.glue.send(new DeleteResourcePolicyCommand({}));
  expect((await errorOf(g.glue.send(new DeleteResourcePolicyCommand({})))).name).toBe('EntityNotFoundException');
});

test('an Iceberg table carries its table type', async () => {
  const sandbox = await sandboxOfTest();
  const g = lakeOf(sandbox, G);
  await governed(g, G);
  await g.lf.send(new RegisterResourceCommand({ ResourceArn: 'arn:aws:s3:::lake', UseServiceLinkedRole: true }));
  await g.glue.send(new CreateDatabaseCommand({ DatabaseInput: { Name: 'sales' } }));
  const OpenTableFormatInput = { IcebergInput: { MetadataOperation: 'CREATE' as const, Version: '2' } };
  await g.glue.send(new CreateTableCommand({ DatabaseName: 'sales', TableInput: orders, OpenTableFormatInput }));
  expect((await getTable(g, 'orders', 'sales')).Table).toMatchObject({
    TableType: 'EXTERNAL_TABLE',
    Parameters: { table_type: 'ICEBERG' },
  });
});

test('a drift changes and removes what others made, as an administrator gives himself what he lacks, in his own account alone', async () => {
  const sandbox = await sandboxOfTest();
  await withOrders(lakeOf(sandbox, G));
  const change = (operation: string, parameters: object, account = G) => ({
    service: 'glue',
    operation,
    account,
    parameters,
  });
  const results = await control(sandbox, '/drift', [
    change('DeleteTable', { CatalogId: G, DatabaseName: 'sales', Name: 'orders' }, C),
    change('UpdateTable', { DatabaseName: 'sales', TableInput: { ...orders, Description: 'changed' } }),
    change('DeleteTable', { DatabaseName: 'sales', Name: 'orders' }),
    change('CreateTable', { DatabaseName: 'sales', TableInput: { Name: 'new' } }),
  ]);
  expect(results).toMatchObject([{ ok: false }, { ok: true }, { ok: true }, { ok: true }]);
});
