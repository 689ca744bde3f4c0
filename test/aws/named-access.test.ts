import { beforeAll, describe, expect, test } from 'vitest';
import { sandboxOfTest } from '../sandbox/testkit.js';
import * as mesh from './mesh.js';
import { awsOver, C, callsOf, canRead, changing, driver, G } from './testkit.js';

/** Access by name from G's table to one role of C, through a link: the whole chain, judged by the oracle. */
describe.each([
  { name: 'by invitation', ramSharing: false },
  { name: 'within an organization that shares', ramSharing: true },
])('access by name, $name', async ({ ramSharing }) => {
  const sandbox = await sandboxOfTest({ ramSharing });
  const aws = awsOver(sandbox);
  const grants = driver(aws, 'LfGrant', G);
  const localGrants = driver(aws, 'LfGrant', C);
  const shares = driver(aws, 'ShareAcceptance', C);
  const links = driver(aws, 'TableLink', C);
  const select = (principal: string, columns: 'ALL_COLUMNS' | string[]) => ({
    principal,
    resource: mesh.orders,
    permissions: { SELECT: columns },
    grantable: {},
  });
  const share = { resource: mesh.orders, principal: mesh.analyst };
  const reads = (column: string, principal = mesh.analyst) =>
    canRead(sandbox, { principal, account: C, database: 'data_products', table: mesh.ordersLink.name, column });
  const readable = async (principal = mesh.analyst) => {
    const columns = ['id', 'amount', 'email', 'day'];
    const allowed = await Promise.all(columns.map((column) => reads(column, principal)));
    return columns.filter((_, index) => allowed[index]);
  };

  beforeAll(async () => {
    await mesh.govern(aws);
    await mesh.publish(aws);
    await driver(aws, 'GlueDatabase', C).apply(mesh.localDatabase);
  });

  test('nothing is readable, and the share waits, before the grant', async () => {
    expect(await shares.observe(share)).toMatchObject([
      { state: 'WAITING', waitingFor: expect.stringMatching(/to arrive/) },
    ]);
    expect(await readable()).toEqual([]);
  });

  test('the grant, the share, the link and its DESCRIBE open exactly the columns asked for', async () => {
    const granting = await callsOf(sandbox, async () =>
      expect(await grants.apply(select(mesh.analyst, ['amount', 'id']))).toEqual([{ ok: true }]),
    );
    expect(granting.at(-1)?.parameters.Entries).toEqual([
      expect.objectContaining({
        Principal: { DataLakePrincipalIdentifier: mesh.analyst },
        Resource: {
          TableWithColumns: { CatalogId: G, DatabaseName: 'sales_nrac', Name: 'orders', ColumnNames: ['amount', 'id'] },
        },
        Permissions: ['SELECT'],
      }),
    ]);
    const accepting = await callsOf(sandbox, () => shares.apply(share));
    // The first share of an account pair comes with two invitations.
    expect(changing(accepting)).toEqual(
      ramSharing ? [] : ['AcceptResourceShareInvitation', 'AcceptResourceShareInvitation'],
    );
    expect(await shares.observe(share)).toMatchObject([{ state: 'AGREES' }]);
    expect(await links.apply(mesh.ordersLink)).toEqual([{ ok: true }]);
    expect(await readable()).toEqual([]);
    const describes = [mesh.localResource, mesh.linkResource].map((resource) => ({
      principal: mesh.analyst,
      resource,
      permissions: { DESCRIBE: 'ALL_COLUMNS' as const },
      grantable: {},
    }));
    expect(await localGrants.apply(...describes)).toEqual([{ ok: true }, { ok: true }]);
    expect(await readable()).toEqual(['id', 'amount']);
    expect(await readable(mesh.intern)).toEqual([]);
    expect(await grants.observe(select(mesh.analyst, ['id', 'amount']))).toMatchObject([
      {
        state: 'AGREES',
        observed: {
          permissions: { SELECT: ['amount', 'id'] },
          resourceShares: [expect.stringMatching(/^arn:aws:ram:/)],
        },
      },
    ]);
  });

  test('calls in C are made under the assumed role, with the run as session name', async () => {
    const calls = await callsOf(sandbox, () => links.observe(mesh.ordersLink));
    expect(calls).toEqual([
      expect.objectContaining({
        account: C,
        principal: `arn:aws:iam::${C}:role/mesh/meshgate-domain`,
        session: `run-${C}`,
      }),
    ]);
  });

  test('fewer columns revoke what is gone and grant nothing new', async () => {
    const calls = await callsOf(sandbox, () => grants.apply(select(mesh.analyst, ['id'])));
    expect(changing(calls)).toEqual(['BatchRevokePermissions']);
    expect(await readable()).toEqual(['id']);
  });

  test('other columns are revoked before the new ones are granted', async () => {
    const calls = await callsOf(sandbox, () => grants.apply(select(mesh.analyst, ['email'])));
    expect(changing(calls)).toEqual(['BatchRevokePermissions', 'BatchGrantPermissions']);
    await shares.apply(share);
    expect(await readable()).toEqual(['email']);
  });

  test('the whole table and back to one column leave exactly that column', async () => {
    await grants.apply(select(mesh.analyst, 'ALL_COLUMNS'));
    expect(await readable()).toEqual(['id', 'amount', 'email', 'day']);
    await grants.apply(select(mesh.analyst, ['id']));
    await shares.apply(share);
    expect(await readable()).toEqual(['id']);
    expect(await grants.observe(select(mesh.analyst, ['id']))).toMatchObject([{ state: 'AGREES' }]);
  });

  test('a second principal waits for his own place in the share', async () => {
    await grants.apply(select(mesh.intern, ['id']));
    const own = { resource: mesh.orders, principal: mesh.intern };
    expect(await shares.observe(own)).toMatchObject([{ state: ramSharing ? 'AGREES' : 'WAITING' }]);
    await shares.apply(own);
    expect(await shares.observe(own, share)).toMatchObject([{ state: 'AGREES' }, { state: 'AGREES' }]);
  });

  test('after the revoke in G nothing is readable, whatever C still holds', async () => {
    expect(await grants.remove(select(mesh.analyst, ['id']))).toEqual([{ ok: true }]);
    expect(await readable()).toEqual([]);
    expect(await grants.observe(select(mesh.analyst, ['id']))).toEqual([{ state: 'MISSING' }]);
    expect(await grants.remove(select(mesh.analyst, ['id']))).toEqual([{ ok: true }]);
    expect(await links.remove(mesh.ordersLink)).toEqual([{ ok: true }]);
  });
});
