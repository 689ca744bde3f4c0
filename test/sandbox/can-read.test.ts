import { CreateDatabaseCommand, UpdateTableCommand } from '@aws-sdk/client-glue';
import {
  AddLFTagsToResourceCommand,
  CreateDataCellsFilterCommand,
  CreateLFTagCommand,
  DeregisterResourceCommand,
  RegisterResourceCommand,
} from '@aws-sdk/client-lakeformation';
import { expect, test } from 'vitest';
import { canRead } from '../../src/sandbox/can-read.js';
import { glue } from '../../src/sandbox/glue.js';
import { lakeformation } from '../../src/sandbox/lakeformation.js';
import type { LocationRecord } from '../../src/sandbox/lf-locations.js';
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
  intern,
  lakeAs,
  lakeInMemory,
  lakeOf,
  mayRead,
  orders,
  revoke,
  table,
  withLink,
  withOrders,
} from './lake-testkit.js';
import { errorOf, sandboxOfTest } from './testkit.js';

const link = { Table: { CatalogId: C, DatabaseName: 'data_products', Name: 'sales__orders' } };
const local = database('data_products', C);

async function mesh(options: { ramSharing?: boolean } = {}) {
  const sandbox = await sandboxOfTest(options);
  const g = lakeOf(sandbox, G);
  const c = lakeOf(sandbox, C);
  await withOrders(g);
  await withLink(c);
  return { sandbox, g, c };
}

/** Every step of access by name, each with what the oracle says before it. */
test('a read through a link needs every link of the chain, and the answer names the first that is missing', async () => {
  const { sandbox, g, c } = await mesh();
  const reason = async () => (await mayRead(sandbox, analyst)).reason;
  expect(await reason()).toBe(`no DESCRIBE on database data_products in account ${C}`);
  await grant(c, { to: analyst, on: local, permissions: ['DESCRIBE'] });
  expect(await reason()).toBe(`no DESCRIBE on link data_products.sales__orders in account ${C}`);
  await grant(c, { to: analyst, on: link, permissions: ['DESCRIBE'] });
  expect(await reason()).toBe(`no SELECT on sales.orders of account ${G} for ${analyst}`);
  await grant(g, { to: analyst, on: table(), permissions: ['SELECT', 'DESCRIBE'] });
  expect(await reason()).toBe(`the share of account ${G} with ${analyst} is not accepted`);
  expect(await acceptAll(c)).toBe(2);
  expect(await mayRead(sandbox, analyst)).toEqual({
    allowed: true,
    reason: `DESCRIBE on database data_products for ${analyst}; DESCRIBE on link data_products.sales__orders for ${analyst}; SELECT granted by ${G} to ${analyst}`,
  });
  expect((await mayRead(sandbox, intern)).allowed).toBe(false);
});

test('after the revoke in the governing account nobody reads, whatever is left in the consuming account', async () => {
  const { sandbox, g, c } = await mesh({ ramSharing: true });
  await grant(c, { to: analyst, on: link, permissions: ['DESCRIBE'] });
  const wish = { to: analyst, on: table(), permissions: ['SELECT' as const, 'DESCRIBE' as const] };
  await grant(g, wish);
  expect((await mayRead(sandbox, analyst)).allowed).toBe(true);
  await revoke(g, wish);
  expect(await mayRead(sandbox, analyst)).toEqual({
    allowed: false,
    reason: `no SELECT on sales.orders of account ${G} for ${analyst}`,
  });
});

test('a permission on the link brings DESCRIBE on its database, within that account', async () => {
  const { sandbox, g, c } = await mesh({ ramSharing: true });
  await grant(c, { to: analyst, on: link, permissions: ['DESCRIBE'] });
  await grant(g, { to: analyst, on: table(), permissions: ['SELECT'] });
  const { allowed, reason } = await mayRead(sandbox, analyst);
  expect(allowed).toBe(true);
  expect(reason).toContain('implicit DESCRIBE on database data_products');
});

test('a grant on columns reads those columns alone, and more columns are added to them', async () => {
  const { sandbox, g, c } = await mesh({ ramSharing: true });
  await grant(c, { to: analyst, on: link, permissions: ['DESCRIBE'] });
  await grant(g, { to: analyst, on: columns('id'), permissions: ['SELECT'] });
  const reads = async (column: string) => (await mayRead(sandbox, analyst, { column })).allowed;
  expect([await reads('id'), await reads('amount'), await reads('email')]).toEqual([true, false, false]);
  await grant(g, { to: analyst, on: columns('amount'), permissions: ['SELECT'] });
  expect([await reads('id'), await reads('amount'), await reads('email')]).toEqual([true, true, false]);
  expect((await mayRead(sandbox, analyst)).reason).toBe('no SELECT on column email, day of sales.orders');
  await revoke(g, { to: analyst, on: columns('id'), permissions: ['SELECT'] });
  expect([await reads('id'), await reads('amount')]).toEqual([false, true]);
  expect((await mayRead(sandbox, analyst, { column: 'nothing' })).reason).toBe(
    'column nothing not found in sales.orders',
  );
});

test("the owner's own names are read with a grant and a share, without link or local database", async () => {
  const { sandbox, g, c } = await mesh();
  const names = { account: G, database: 'sales', table: 'orders' };
  await grant(g, { to: intern, on: table(), permissions: ['SELECT'] });
  expect((await mayRead(sandbox, intern, names)).allowed).toBe(false);
  await acceptAll(c);
  expect((await mayRead(sandbox, intern, names)).allowed).toBe(true);
  expect((await mayRead(sandbox, intern)).reason).toBe(`no DESCRIBE on database data_products in account ${C}`);
});

test('no data is vended from a location that is not registered', async () => {
  const { sandbox, g, c } = await mesh({ ramSharing: true });
  await grant(c, { to: analyst, on: link, permissions: ['DESCRIBE'] });
  await grant(g, { to: analyst, on: table(), permissions: ['SELECT'] });
  await g.lf.send(new DeregisterResourceCommand({ ResourceArn: 'arn:aws:s3:::lake/sales' }));
  expect((await mayRead(sandbox, analyst)).reason).toBe(
    `location s3://lake/sales/orders is not registered in account ${G}`,
  );
  const RoleArn = `arn:aws:iam::${G}:role/lake-reader`;
  await g.lf.send(new RegisterResourceCommand({ ResourceArn: 'arn:aws:s3:::lake/sal', RoleArn }));
  expect((await mayRead(sandbox, analyst)).allowed).toBe(false);
  await g.lf.send(new RegisterResourceCommand({ ResourceArn: 'arn:aws:s3:::lake', RoleArn }));
  expect((await mayRead(sandbox, analyst)).allowed).toBe(true);
});

test('no data is vended from a location whose role was not verified', () => {
  const { world, call } = lakeInMemory('2026-01-01T00:00:00Z');
  const RoleArn = `arn:aws:iam::${G}:role/lake-reader`;
  const DataLakeSettings = { DataLakeAdmins: [{ DataLakePrincipalIdentifier: admin(G) }] };
  call(lakeformation, 'PutDataLakeSettings', G, { DataLakeSettings });
  call(lakeformation, 'RegisterResource', G, { ResourceArn: 'arn:aws:s3:::lake', RoleArn });
  call(glue, 'CreateDatabase', G, { DatabaseInput: { Name: 'sales' } });
  call(glue, 'CreateTable', G, { DatabaseName: 'sales', TableInput: orders });
  const question = { principal: admin(G), account: G, database: 'sales', table: 'orders' };
  expect(canRead(world, question).allowed).toBe(true);
  const locations = world.table<LocationRecord>('lakeformation/locations');
  for (const [key, record] of locations.entries())
    locations.put(key, { ...record, VerificationStatus: 'NOT_VERIFIED' });
  expect(canRead(world, question).reason).toBe('location s3://lake/sales/orders is NOT_VERIFIED');
});

test("a re-grant is of no use while the owner's remaining grant waits in a share that is not accepted", async () => {
  const { sandbox, g, c } = await mesh();
  await grant(c, { to: analyst, on: link, permissions: ['DESCRIBE'] });
  const select = { to: C, permissions: ['SELECT' as const], grantable: ['SELECT' as const] };
  const everyTable = { Table: { CatalogId: G, DatabaseName: 'sales', TableWildcard: {} } };
  await grant(g, { ...select, on: everyTable });
  await acceptAll(c);
  await grant(c, { to: analyst, on: table(), permissions: ['SELECT'] });
  await grant(g, { ...select, on: table() });
  expect((await mayRead(sandbox, analyst)).allowed).toBe(true);
  await revoke(g, { ...select, on: everyTable });
  expect((await mayRead(sandbox, analyst)).reason).toBe(`the share of account ${G} with account ${C} is not accepted`);
  await acceptAll(c);
  expect((await mayRead(sandbox, analyst)).allowed).toBe(true);
});

test('an administrator reads no data: of his own account he describes, of another he needs a grant', async () => {
  const { sandbox, g } = await mesh({ ramSharing: true });
  expect((await mayRead(sandbox, admin(C))).reason).toBe(`no SELECT on sales.orders of account ${G} for ${admin(C)}`);
  await grant(g, { to: C, on: table(), permissions: ['SELECT', 'DESCRIBE'], grantable: ['SELECT', 'DESCRIBE'] });
  expect((await mayRead(sandbox, admin(C))).reason).toBe(`account ${C} has not granted SELECT on to ${admin(C)}`);
  await grant(g, { to: `arn:aws:iam::${G}:role/second`, on: database(), permissions: ['DESCRIBE'] });
  const names = { account: G, database: 'sales', table: 'orders' };
  expect((await mayRead(sandbox, `arn:aws:iam::${G}:role/second`, names)).allowed).toBe(false);
});

test("revoking the account's grant cuts those that the account made from it", async () => {
  const { sandbox, g, c } = await mesh({ ramSharing: true });
  await grant(c, { to: analyst, on: link, permissions: ['DESCRIBE'] });
  const toAccount = { to: C, on: table(), permissions: ['SELECT' as const], grantable: ['SELECT' as const] };
  await grant(g, toAccount);
  expect((await mayRead(sandbox, analyst)).allowed).toBe(false);
  await grant(c, { to: analyst, on: table(), permissions: ['SELECT'] });
  expect((await mayRead(sandbox, analyst)).allowed).toBe(true);
  await revoke(g, toAccount);
  expect((await mayRead(sandbox, analyst)).allowed).toBe(false);
  await grant(g, toAccount);
  expect((await mayRead(sandbox, analyst)).reason).toBe(`account ${C} has not granted SELECT on to ${analyst}`);
});

test('IAM_ALLOWED_PRINCIPALS opens a table to its own account and bars it to others', async () => {
  const { sandbox, g, c } = await mesh({ ramSharing: true });
  await grant(c, { to: analyst, on: link, permissions: ['DESCRIBE'] });
  await grant(g, { to: analyst, on: table(), permissions: ['SELECT'] });
  await grant(g, { to: 'IAM_ALLOWED_PRINCIPALS', on: table(), permissions: ['ALL'] });
  expect((await mayRead(sandbox, analyst)).reason).toContain('which bars other accounts');
  const anyone = `arn:aws:iam::${G}:user/anyone`;
  expect((await mayRead(sandbox, anyone, { account: G, database: 'sales', table: 'orders' })).allowed).toBe(true);
});

test('tags: keys are joined by AND, values by OR, what is inherited is overridden, and names add to it', async () => {
  const { sandbox, g, c } = await mesh({ ramSharing: true });
  const tag = (TagKey: string, TagValues: string[]) => g.lf.send(new CreateLFTagCommand({ TagKey, TagValues }));
  await tag('lob', ['sales', 'hr']);
  await tag('confidentiality', ['sensitive', 'non-sensitive']);
  const attach = async (Resource: ReturnType<typeof table>, TagKey: string, value: string) =>
    expect(
      (await g.lf.send(new AddLFTagsToResourceCommand({ Resource, LFTags: [{ TagKey, TagValues: [value] }] })))
        .Failures,
    ).toBeUndefined();
  await attach(database(), 'lob', 'sales');
  await attach(database(), 'confidentiality', 'non-sensitive');
  await attach(columns('email'), 'confidentiality', 'sensitive');
  const policy = (...lob: string[]) => ({
    LFTagPolicy: {
      CatalogId: G,
      ResourceType: 'TABLE' as const,
      Expression: [
        { TagKey: 'lob', TagValues: lob },
        { TagKey: 'confidentiality', TagValues: ['non-sensitive'] },
      ],
    },
  });
  const all = ['SELECT' as const, 'DESCRIBE' as const];
  await grant(g, { to: C, on: policy('sales', 'hr'), permissions: all, grantable: all });
  await grant(c, { to: analyst, on: link, permissions: ['DESCRIBE'] });
  const refused = await errorOf(grant(c, { to: analyst, on: policy('sales'), permissions: ['SELECT'] }));
  expect(refused.name).toBe('AccessDeniedException');
  await grant(c, { to: analyst, on: policy('hr', 'sales'), permissions: ['SELECT'] });
  const reads = async (column: string) => (await mayRead(sandbox, analyst, { column })).allowed;
  expect([await reads('id'), await reads('email'), await reads('day')]).toEqual([true, false, true]);
  const TargetDatabase = { CatalogId: G, DatabaseName: 'sales' };
  await c.glue.send(new CreateDatabaseCommand({ DatabaseInput: { Name: 'shop', TargetDatabase } }));
  const throughDatabase = () => mayRead(sandbox, analyst, { database: 'shop', table: 'orders', column: 'id' });
  expect((await throughDatabase()).reason).toBe(`no DESCRIBE on database link shop in account ${C}`);
  await grant(c, { to: analyst, on: database('shop', C), permissions: ['DESCRIBE'] });
  expect((await throughDatabase()).allowed).toBe(true);
  await attach(table(), 'lob', 'hr');
  expect(await reads('id')).toBe(true);
  await attach(table(), 'confidentiality', 'sensitive');
  expect(await reads('id')).toBe(false);
  await grant(g, { to: analyst, on: columns('email'), permissions: ['SELECT'] });
  expect([await reads('id'), await reads('email')]).toEqual([false, true]);
});

test('a data filter lets its columns through', async () => {
  const { sandbox, g, c } = await mesh({ ramSharing: true });
  const TableData = { TableCatalogId: G, DatabaseName: 'sales', TableName: 'orders', Name: 'eu' };
  const RowFilter = { FilterExpression: "email LIKE '%.eu'" };
  await g.lf.send(new CreateDataCellsFilterCommand({ TableData: { ...TableData, RowFilter, ColumnNames: ['id'] } }));
  await grant(c, { to: analyst, on: link, permissions: ['DESCRIBE'] });
  const DataCellsFilter = { TableCatalogId: G, DatabaseName: 'sales', TableName: 'orders', Name: 'eu' };
  await grant(g, { to: analyst, on: { DataCellsFilter }, permissions: ['SELECT'] });
  expect((await mayRead(sandbox, analyst, { column: 'id' })).allowed).toBe(true);
  expect((await mayRead(sandbox, analyst, { column: 'email' })).allowed).toBe(false);
});

test('a column that is added later is read by who has all columns, not by who has chosen ones', async () => {
  const { sandbox, g, c } = await mesh({ ramSharing: true });
  for (const to of [analyst, intern]) await grant(c, { to, on: link, permissions: ['DESCRIBE'] });
  await grant(g, { to: analyst, on: table(), permissions: ['SELECT'] });
  await grant(g, { to: intern, on: columns('id', 'amount', 'email', 'day'), permissions: ['SELECT'] });
  expect((await mayRead(sandbox, intern)).allowed).toBe(true);
  const { StorageDescriptor } = orders;
  const Columns = [...(StorageDescriptor?.Columns ?? []), { Name: 'note', Type: 'string' }];
  const TableInput = { ...orders, StorageDescriptor: { ...StorageDescriptor, Columns } };
  await g.glue.send(new UpdateTableCommand({ DatabaseName: 'sales', TableInput }));
  expect((await mayRead(sandbox, analyst)).allowed).toBe(true);
  expect((await mayRead(sandbox, intern)).reason).toBe('no SELECT on column note of sales.orders');
});

test('what was granted is still granted after a restart', async () => {
  const { sandbox, g, c } = await mesh();
  await grant(c, { to: analyst, on: link, permissions: ['DESCRIBE'] });
  await grant(g, { to: analyst, on: table(), permissions: ['SELECT'] });
  await sandbox.restart();
  expect(await acceptAll(lakeOf(sandbox, C))).toBe(2);
  expect((await mayRead(sandbox, analyst)).allowed).toBe(true);
  await governed(await lakeAs(sandbox, `arn:aws:iam::${C}:role/other`), C);
  expect((await mayRead(sandbox, analyst)).allowed).toBe(true);
});

test('a malformed principal, an unknown account and names that are not there are told apart', async () => {
  const { sandbox } = await mesh();
  expect((await mayRead(sandbox, 'analyst')).reason).toContain('is no IAM user or role');
  expect((await mayRead(sandbox, 'arn:aws:iam::999999999999:role/x')).reason).toContain('is no IAM user or role');
  expect((await mayRead(sandbox, admin(C), { database: 'nope' })).reason).toBe(
    `database nope not found in account ${C}`,
  );
  const reason = `table data_products.nope not found in account ${C}`;
  expect((await mayRead(sandbox, admin(C), { table: 'nope' })).reason).toBe(reason);
});
