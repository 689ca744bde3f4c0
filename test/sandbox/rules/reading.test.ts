/**
 * Rules of reading through links and shares, and of writing. Each test ends with the page of the Lake Formation developer
 * guide that it comes from.
 */
import { DeregisterResourceCommand } from '@aws-sdk/client-lakeformation';
import { expect, test } from 'vitest';
import {
  acceptAll,
  analyst,
  C,
  columns,
  database,
  G,
  grant,
  intern,
  type Lake,
  lakeOf,
  link,
  mayRead,
  meshOf,
  outcome,
  P,
  revoke,
  table,
} from '../lake-testkit.js';
import { sandboxOfTest } from '../testkit.js';

const SELECT = ['SELECT' as const];

/** The links of the chain by what is missing without them, each with how it is taken away and put back. */
const chain = (g: Lake, c: Lake): Record<string, { away: () => Promise<unknown>; back: () => Promise<unknown> }> => {
  const of = (lake: Lake, wish: Parameters<typeof grant>[1]) => ({
    away: () => revoke(lake, wish),
    back: () => grant(lake, wish),
  });
  return {
    'no DESCRIBE on link': of(c, { to: analyst, on: link, permissions: ['DESCRIBE'] }),
    'no SELECT on sales.orders': of(g, { to: analyst, on: table(), permissions: SELECT }),
    'is not registered': {
      away: () => g.lf.send(new DeregisterResourceCommand({ ResourceArn: 'arn:aws:s3:::lake/sales' })),
      back: async () => undefined,
    },
  };
};

test('a read through a link needs DESCRIBE on local database and link, SELECT on the target and a location, and not DESCRIBE on its database (resource-links-glue-apis)', async () => {
  const sandbox = await sandboxOfTest({ ramSharing: true });
  const { g, c } = await meshOf(sandbox);
  const asked = () => mayRead(sandbox, analyst);
  expect((await asked()).reason).toContain('no DESCRIBE on database data_products');
  // A permission on the link implies DESCRIBE on the database that it is in.
  await grant(c, { to: analyst, on: link, permissions: ['DROP'] });
  const links = chain(g, c);
  for (const each of Object.values(links)) await each.back();
  expect((await asked()).allowed).toBe(true);
  for (const [missing, each] of Object.entries(links)) {
    await each.away();
    expect(await asked()).toMatchObject({ allowed: false, reason: expect.stringContaining(missing) });
    await each.back();
  }
});

test('nothing is read before the share is accepted that names the principal or his account (cross-account-read-data)', async () => {
  const sandbox = await sandboxOfTest({ ramSharing: false });
  const { g, c } = await meshOf(sandbox);
  const asked = (principal: string) => mayRead(sandbox, principal, { account: G, database: 'sales', table: 'orders' });
  await grant(g, { to: analyst, on: table(), permissions: SELECT });
  expect((await asked(analyst)).reason).toBe(`the share of account ${G} with ${analyst} is not accepted`);
  await acceptAll(c);
  expect((await asked(analyst)).allowed).toBe(true);
  // The share that was accepted for one principal is none for another.
  await grant(g, { to: intern, on: table(), permissions: SELECT });
  expect((await asked(intern)).reason).toBe(`the share of account ${G} with ${intern} is not accepted`);
  await acceptAll(c);
  expect((await asked(intern)).allowed).toBe(true);
});

test("revoking the account's grant cuts those made from it, and what others were granted stays (data sharing best practices, upgrading versions)", async () => {
  const sandbox = await sandboxOfTest({ ramSharing: true });
  const { g, c } = await meshOf(sandbox);
  const asked = async (principal: string) =>
    (await mayRead(sandbox, principal, { account: G, database: 'sales', table: 'orders' })).allowed;
  const toAccount = { to: C, on: table(), permissions: SELECT, grantable: SELECT };
  await grant(g, toAccount);
  await grant(c, { to: analyst, on: table(), permissions: SELECT });
  await grant(g, { to: intern, on: table(), permissions: SELECT });
  expect([await asked(analyst), await asked(intern)]).toEqual([true, true]);
  await revoke(g, toAccount);
  expect([await asked(analyst), await asked(intern)]).toEqual([false, true]);
  await grant(g, toAccount);
  // What was cut does not come back by itself.
  expect(await asked(analyst)).toBe(false);
});

test('an account passes on what it was granted with the grant option, to its own principals alone (cross-account-cascading-permissions)', async () => {
  const { g, c } = await meshOf(await sandboxOfTest({ ramSharing: true }));
  const pass = (permission: 'SELECT' | 'DESCRIBE' | 'INSERT', to = analyst) =>
    outcome(grant(c, { to, on: table(), permissions: [permission] }));
  await grant(g, { to: C, on: table(), permissions: ['SELECT', 'DESCRIBE'], grantable: SELECT });
  expect([await pass('SELECT'), await pass('DESCRIBE'), await pass('INSERT')]).toEqual([
    'none',
    'AccessDeniedException',
    'AccessDeniedException',
  ]);
  for (const third of [P, `arn:aws:iam::${P}:role/x`, G])
    expect(await pass('SELECT', third)).toBe('InvalidInputException');
});

test('who was passed every column by an account that has some is shown those (column-filtering-intro)', async () => {
  const sandbox = await sandboxOfTest({ ramSharing: true });
  const { g, c } = await meshOf(sandbox);
  await grant(c, { to: analyst, on: link, permissions: ['DESCRIBE'] });
  await grant(g, { to: C, on: columns('id'), permissions: SELECT, grantable: SELECT });
  await grant(c, { to: analyst, on: table(), permissions: SELECT });
  const reads = async () =>
    Promise.all(['id', 'amount', 'email'].map(async (column) => (await mayRead(sandbox, analyst, { column })).allowed));
  expect(await reads()).toEqual([true, false, false]);
  await grant(g, { to: C, on: columns('amount'), permissions: SELECT, grantable: SELECT });
  expect(await reads()).toEqual([true, true, false]);
  await revoke(g, { to: C, on: columns('id'), permissions: SELECT, grantable: SELECT });
  expect(await reads()).toEqual([false, true, false]);
});

test('INSERT, DELETE, ALTER and DROP are permissions on whole tables that SELECT does not bring (lf-permissions-reference)', async () => {
  const sandbox = await sandboxOfTest({ ramSharing: true });
  const { g, c } = await meshOf(sandbox);
  await grant(c, { to: analyst, on: link, permissions: ['DESCRIBE'] });
  await grant(g, { to: analyst, on: table(), permissions: SELECT });
  const may = (permission: string) => mayRead(sandbox, analyst, { permission });
  const allowed = async () => {
    const held: string[] = [];
    for (const permission of ['SELECT', 'INSERT', 'DELETE', 'ALTER', 'DROP', 'DESCRIBE'])
      if ((await may(permission)).allowed) held.push(permission);
    return held.join(' ');
  };
  expect(await allowed()).toBe('SELECT DESCRIBE');
  expect((await may('INSERT')).reason).toBe(`no INSERT on sales.orders of account ${G} for ${analyst}`);
  await grant(g, { to: analyst, on: table(), permissions: ['INSERT', 'ALTER'] });
  expect(await may('INSERT')).toMatchObject({
    allowed: true,
    reason: expect.stringContaining(`INSERT granted by ${G}`),
  });
  // ALTER at a registered path takes DATA_LOCATION_ACCESS as well.
  expect((await may('ALTER')).reason).toBe(`no DATA_LOCATION_ACCESS on s3://lake/sales/orders for ${analyst}`);
  const on = { DataLocation: { CatalogId: G, ResourceArn: 'arn:aws:s3:::lake/sales' } };
  await grant(g, { to: analyst, on, permissions: ['DATA_LOCATION_ACCESS'] });
  expect(await allowed()).toBe('SELECT INSERT ALTER DESCRIBE');
  await revoke(g, { to: analyst, on: table(), permissions: ['INSERT'] });
  expect(await allowed()).toBe('SELECT ALTER DESCRIBE');
  expect(await mayRead(sandbox, analyst, { permission: 'INSERT', column: 'id' })).toMatchObject({ allowed: false });
  expect((await may('CREATE_TABLE')).reason).toBe('CREATE_TABLE is no permission on a table');
});

test('data cannot be written where it cannot be vended: INSERT needs a registered location, DROP does not (register-cross-account)', async () => {
  const sandbox = await sandboxOfTest({ ramSharing: true });
  const { g } = await meshOf(sandbox);
  const may = async (permission: string) =>
    (await mayRead(sandbox, analyst, { account: G, database: 'sales', table: 'orders', permission })).allowed;
  await grant(g, { to: analyst, on: table(), permissions: ['INSERT', 'DROP'] });
  expect([await may('INSERT'), await may('DROP')]).toEqual([true, true]);
  await g.lf.send(new DeregisterResourceCommand({ ResourceArn: 'arn:aws:s3:::lake/sales' }));
  expect([await may('INSERT'), await may('DROP')]).toEqual([false, true]);
});

test('a permission on every table of a database is one on those that come later, within that database (granting-catalog-permissions)', async () => {
  const sandbox = await sandboxOfTest({ ramSharing: true });
  await meshOf(sandbox);
  const g = lakeOf(sandbox, G);
  await grant(g, {
    to: analyst,
    on: { Table: { CatalogId: G, DatabaseName: 'sales', TableWildcard: {} } },
    permissions: SELECT,
  });
  const asked = await mayRead(sandbox, analyst, { account: G, database: 'sales', table: 'orders' });
  expect(asked).toEqual({ allowed: true, reason: `SELECT on every table of sales granted by ${G} to ${analyst}` });
  expect(await outcome(grant(g, { to: analyst, on: database(), permissions: SELECT }))).toBe('InvalidInputException');
});
