/** Rules of data cells filters. Each test ends with the page of the Lake Formation developer guide that it comes from. */
import {
  DeleteDataCellsFilterCommand,
  GetDataCellsFilterCommand,
  ListDataCellsFilterCommand,
  UpdateDataCellsFilterCommand,
} from '@aws-sdk/client-lakeformation';
import { expect, test } from 'vitest';
import {
  analyst,
  C,
  columns,
  filter,
  G,
  grant,
  lakeAs,
  link,
  makeFilter,
  mayRead,
  meshOf,
  outcome,
  permissionsOf,
  revoke,
  table,
} from '../lake-testkit.js';
import { sandboxOfTest } from '../testkit.js';

const SELECT = ['SELECT' as const];
const key = (Name: string) => ({ TableCatalogId: G, DatabaseName: 'sales', TableName: 'orders', Name });

/** The analyst may describe the link; `asks` is what the oracle says of a column, or of all. */
async function filteredMesh() {
  const sandbox = await sandboxOfTest({ ramSharing: true });
  const { g, c } = await meshOf(sandbox);
  await grant(c, { to: analyst, on: link, permissions: ['DESCRIBE'] });
  const asks = (column?: string) => mayRead(sandbox, analyst, column ? { column } : {});
  return { sandbox, g, c, asks };
}

test('a filter shows its columns, and its rows alone, and the answer tells which (data-filters-about)', async () => {
  const { g, asks } = await filteredMesh();
  await makeFilter(g, 'eu', { rows: "email LIKE '%.eu'", ColumnNames: ['id', 'amount'] });
  await grant(g, { to: analyst, on: filter('eu'), permissions: SELECT });
  expect(await asks('id')).toMatchObject({
    allowed: true,
    rowFilter: "email LIKE '%.eu'",
    reason: expect.stringContaining(`SELECT by data cells filter eu granted by ${G} to ${analyst}`),
  });
  expect((await asks('email')).reason).toBe('no SELECT on column email of sales.orders');
});

test('excluded columns are left out and all others shown, those added later too (data-filters-about)', async () => {
  const { g, asks } = await filteredMesh();
  await makeFilter(g, 'plain', { ColumnWildcard: { ExcludedColumnNames: ['email'] } });
  await grant(g, { to: analyst, on: filter('plain'), permissions: SELECT });
  expect(await asks('amount')).toMatchObject({ allowed: true });
  expect(await asks('amount')).not.toHaveProperty('rowFilter');
  expect((await asks('email')).allowed).toBe(false);
});

test('filters add up: a row is shown where one of them shows it, and without a filter every row is (data-filters-about)', async () => {
  const { g, asks } = await filteredMesh();
  await makeFilter(g, 'eu', { rows: "email LIKE '%.eu'" });
  await makeFilter(g, 'small', { rows: 'amount < 100', ColumnNames: ['id', 'amount'] });
  for (const name of ['eu', 'small']) await grant(g, { to: analyst, on: filter(name), permissions: SELECT });
  expect((await asks('id')).rowFilter).toBe("(email LIKE '%.eu') OR (amount < 100)");
  expect((await asks('email')).rowFilter).toBe("email LIKE '%.eu'");
  // Whole rows are shown where every column is.
  expect((await asks()).rowFilter).toBe("((email LIKE '%.eu') OR (amount < 100)) AND (email LIKE '%.eu')");
  await grant(g, { to: analyst, on: columns('id'), permissions: SELECT });
  expect(await asks('id')).not.toHaveProperty('rowFilter');
  expect((await asks('email')).rowFilter).toBe("email LIKE '%.eu'");
});

test('a filter that goes to an account goes with the grant option, and is passed on without being shown (granting-filter-perms, managing-filters)', async () => {
  const { g, c, asks } = await filteredMesh();
  await makeFilter(g, 'eu', { rows: "email LIKE '%.eu'" });
  const toAccount = { to: C, on: filter('eu'), permissions: SELECT };
  expect(await outcome(grant(g, toAccount))).toBe('InvalidInputException');
  await grant(g, { ...toAccount, grantable: SELECT });
  const pass = (permission: 'SELECT' | 'DESCRIBE', on = filter('eu')) =>
    outcome(grant(c, { to: analyst, on, permissions: [permission] }));
  // The filter is no way to the table.
  expect(await pass('SELECT', table())).toBe('AccessDeniedException');
  expect(await pass('DESCRIBE')).toMatch(/AccessDenied|InvalidInput/);
  expect(await pass('SELECT')).toBe('none');
  expect(await asks()).toMatchObject({ allowed: true, rowFilter: "email LIKE '%.eu'" });
  await revoke(g, { ...toAccount, grantable: SELECT });
  expect((await asks()).allowed).toBe(false);
});

test('who was passed the whole table by an account that sees some cells is shown those (column-filtering-intro)', async () => {
  const { g, c, asks } = await filteredMesh();
  await makeFilter(g, 'eu', { rows: "email LIKE '%.eu'", ColumnNames: ['email'] });
  for (const on of [filter('eu'), columns('id')]) await grant(g, { to: C, on, permissions: SELECT, grantable: SELECT });
  await grant(c, { to: analyst, on: table(), permissions: SELECT });
  expect(await asks('id')).not.toHaveProperty('rowFilter');
  expect(await asks('email')).toMatchObject({ allowed: true, rowFilter: "email LIKE '%.eu'" });
  expect((await asks('amount')).allowed).toBe(false);
});

test('a filter carries SELECT, DESCRIBE and DROP and nothing else (granting-filter-perms)', async () => {
  const { g } = await filteredMesh();
  await makeFilter(g, 'eu');
  const role = `arn:aws:iam::${G}:role/steward`;
  for (const permission of ['SELECT', 'DESCRIBE', 'DROP'] as const)
    expect(await outcome(grant(g, { to: role, on: filter('eu'), permissions: [permission] }))).toBe('none');
  for (const permission of ['INSERT', 'ALTER', 'ALL'] as const)
    expect(await outcome(grant(g, { to: role, on: filter('eu'), permissions: [permission] }))).toBe(
      'InvalidInputException',
    );
  expect(await outcome(grant(g, { to: role, on: filter('none'), permissions: SELECT }))).toBe(
    'EntityNotFoundException',
  );
});

test('filters are made and seen by who may pass on SELECT on the whole table, and seen by who may describe them (managing-filters)', async () => {
  const { sandbox, g } = await filteredMesh();
  const role = `arn:aws:iam::${G}:role/steward`;
  const steward = await lakeAs(sandbox, role);
  await makeFilter(g, 'eu');
  await makeFilter(g, 'us');
  const Table = { CatalogId: G, DatabaseName: 'sales', Name: 'orders' };
  const seen = async () =>
    (await steward.lf.send(new ListDataCellsFilterCommand({ Table }))).DataCellsFilters?.map(({ Name }) => Name);
  const get = (name: string) => outcome(steward.lf.send(new GetDataCellsFilterCommand(key(name))));
  expect([await seen(), await get('eu'), await outcome(makeFilter(steward, 'mine'))]).toEqual([
    [],
    'AccessDeniedException',
    'AccessDeniedException',
  ]);
  await grant(g, { to: role, on: filter('eu'), permissions: ['DESCRIBE'] });
  expect([await seen(), await get('eu'), await get('us')]).toEqual([['eu'], 'none', 'AccessDeniedException']);
  await grant(g, { to: role, on: columns('id'), permissions: SELECT, grantable: SELECT });
  expect(await outcome(makeFilter(steward, 'mine'))).toBe('AccessDeniedException');
  await grant(g, { to: role, on: table(), permissions: SELECT, grantable: SELECT });
  expect(await outcome(makeFilter(steward, 'mine'))).toBe('none');
  expect(await seen()).toEqual(['eu', 'us', 'mine']);
  const drop = () => outcome(steward.lf.send(new DeleteDataCellsFilterCommand(key('us'))));
  expect(await drop()).toBe('none');
});

/** The API reference says nothing of permissions on a filter that is deleted; here they go with it, as with a table. */
test('the permissions on a filter go with it (API reference: DeleteDataCellsFilter)', async () => {
  const { g, asks } = await filteredMesh();
  await makeFilter(g, 'eu');
  await grant(g, { to: analyst, on: filter('eu'), permissions: SELECT });
  expect((await asks()).allowed).toBe(true);
  await g.lf.send(new DeleteDataCellsFilterCommand(key('eu')));
  expect((await asks()).allowed).toBe(false);
  expect(await permissionsOf(g, { Principal: { DataLakePrincipalIdentifier: analyst } })).toEqual([]);
  await makeFilter(g, 'eu');
  expect((await asks()).allowed).toBe(false);
});

test('an update is refused where the filter has another version by now, and changes what is read (API reference: UpdateDataCellsFilter)', async () => {
  const { g, asks } = await filteredMesh();
  await makeFilter(g, 'eu', { rows: "email LIKE '%.eu'" });
  await grant(g, { to: analyst, on: filter('eu'), permissions: SELECT });
  const version = async () => (await g.lf.send(new GetDataCellsFilterCommand(key('eu')))).DataCellsFilter?.VersionId;
  const update = (rows: string, VersionId: string | undefined) => {
    const data = { ...key('eu'), RowFilter: { FilterExpression: rows }, ColumnNames: ['id'], VersionId };
    return outcome(g.lf.send(new UpdateDataCellsFilterCommand({ TableData: data })));
  };
  const first = await version();
  expect(await update('amount > 5', first)).toBe('none');
  expect(await update('amount > 6', first)).toBe('ConcurrentModificationException');
  expect((await asks('id')).rowFilter).toBe('amount > 5');
  expect((await asks('amount')).allowed).toBe(false);
  expect(await update('amount > 6', await version())).toBe('none');
  expect(await update('nothing > 6', await version())).toBe('InvalidInputException');
});

test('a filter names either columns or a wildcard, and either an expression or all rows (API reference: DataCellsFilter)', async () => {
  const { g } = await filteredMesh();
  const make = (name: string, data: object) => outcome(makeFilter(g, name, data));
  expect(await make('both', { ColumnNames: ['id'], ColumnWildcard: {} })).toBe('InvalidInputException');
  expect(await make('unknown', { ColumnNames: ['nothing'] })).toBe('InvalidInputException');
  expect(await make('excluded', { ColumnWildcard: { ExcludedColumnNames: ['nothing'] } })).toBe(
    'InvalidInputException',
  );
  expect(await make('one', {})).toBe('none');
  expect(await make('one', {})).toBe('AlreadyExistsException');
});

test('a principal has at most 100 filters on a table (row-filtering-intro)', async () => {
  const { g } = await filteredMesh();
  const names = Array.from({ length: 101 }, (_, index) => `f${index}`);
  for (const name of names) await makeFilter(g, name);
  const outcomes: string[] = [];
  for (const name of names)
    outcomes.push(await outcome(grant(g, { to: analyst, on: filter(name), permissions: SELECT })));
  expect(outcomes.filter((each) => each === 'none')).toHaveLength(100);
  expect(outcomes.at(-1)).toBe('InvalidInputException');
  await revoke(g, { to: analyst, on: filter('f0'), permissions: SELECT });
  expect(await outcome(grant(g, { to: analyst, on: filter('f100'), permissions: SELECT }))).toBe('none');
});
