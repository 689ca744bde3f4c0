/** Rules of RAM shares, of the catalog's policy and of data locations, each with its page. */
import { CreateTableCommand, PutResourcePolicyCommand, UpdateTableCommand } from '@aws-sdk/client-glue';
import { DescribeResourceCommand, RegisterResourceCommand, UpdateResourceCommand } from '@aws-sdk/client-lakeformation';
import {
  AcceptResourceShareInvitationCommand,
  GetResourceShareInvitationsCommand,
  GetResourceSharesCommand,
  RejectResourceShareInvitationCommand,
} from '@aws-sdk/client-ram';
import { expect, test } from 'vitest';
import { canRead } from '../../../src/sandbox/can-read.js';
import { glue } from '../../../src/sandbox/glue.js';
import { lakeformation } from '../../../src/sandbox/lakeformation.js';
import { ram } from '../../../src/sandbox/ram.js';
import { changeSandboxSettings } from '../../../src/sandbox/settings.js';
import {
  acceptAll,
  admin,
  analyst,
  C,
  database,
  G,
  grant,
  intern,
  type Lake,
  lakeAs,
  lakeInMemory,
  mayRead,
  meshOf,
  orders,
  outcome,
  revoke,
  table,
} from '../lake-testkit.js';
import { control, sandboxOfTest } from '../testkit.js';

const SELECT = ['SELECT' as const];

const invitationsOf = async (lake: Lake) =>
  (await lake.ram.send(new GetResourceShareInvitationsCommand({}))).resourceShareInvitations ?? [];

test('beside RAM shares a resource policy is put with EnableHybrid alone (Glue and Lake Formation: hybrid-cross-account)', async () => {
  const { g } = await meshOf(await sandboxOfTest({ ramSharing: true }));
  const policy = JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: { AWS: C }, Action: 'glue:GetTable', Resource: '*' }],
  });
  const put = (EnableHybrid?: 'TRUE' | 'FALSE') =>
    outcome(g.glue.send(new PutResourcePolicyCommand({ PolicyInJson: policy, ...(EnableHybrid && { EnableHybrid }) })));
  expect(await put()).toBe('none');
  await grant(g, { to: analyst, on: table(), permissions: SELECT });
  expect([await put(), await put('FALSE'), await put('TRUE')]).toEqual([
    'InvalidInputException',
    'InvalidInputException',
    'none',
  ]);
});

test('a first share sends two invitations, each is answered once, and a rejected one needs a new grant (RAM API: ResourceShareInvitation)', async () => {
  const sandbox = await sandboxOfTest({ ramSharing: false });
  const { g, c } = await meshOf(sandbox);
  const wish = { to: analyst, on: table(), permissions: SELECT };
  await grant(g, wish);
  const pending = await invitationsOf(c);
  expect(pending.map(({ status }) => status)).toEqual(['PENDING', 'PENDING']);
  const resourceShareInvitationArn = pending[0]?.resourceShareInvitationArn;
  const reject = () => outcome(c.ram.send(new RejectResourceShareInvitationCommand({ resourceShareInvitationArn })));
  const accept = () => outcome(c.ram.send(new AcceptResourceShareInvitationCommand({ resourceShareInvitationArn })));
  expect([await reject(), await reject(), await accept()]).toEqual([
    'none',
    'ResourceShareInvitationAlreadyRejectedException',
    'ResourceShareInvitationAlreadyRejectedException',
  ]);
  expect((await invitationsOf(c)).map(({ status }) => status).sort()).toEqual(['PENDING', 'REJECTED']);
  await revoke(g, wish);
  await grant(g, wish);
  expect(await acceptAll(c)).toBe(2);
  const asked = await mayRead(sandbox, analyst, { account: G, database: 'sales', table: 'orders' });
  expect(asked.allowed).toBe(true);
});

test('within an organization that shares through RAM nobody is invited (RAM user guide: getting-started-sharing)', async () => {
  const { g, c } = await meshOf(await sandboxOfTest({ ramSharing: true }));
  await grant(g, { to: analyst, on: table(), permissions: SELECT });
  expect(await invitationsOf(c)).toEqual([]);
  const { resourceShares = [] } = await c.ram.send(new GetResourceSharesCommand({ resourceOwner: 'OTHER-ACCOUNTS' }));
  expect(resourceShares.map(({ status }) => status)).toEqual(['ACTIVE', 'ACTIVE']);
});

test('grants between two accounts never make more than five shares (optimize-ram)', async () => {
  const { g } = await meshOf(await sandboxOfTest({ ramSharing: true }));
  const everyTable = { Table: { CatalogId: G, DatabaseName: 'sales', TableWildcard: {} } };
  for (const to of [analyst, intern, C])
    for (const on of [table(), database(), everyTable]) await grant(g, { to, on, permissions: ['DESCRIBE'] });
  const { resourceShares = [] } = await g.ram.send(new GetResourceSharesCommand({ resourceOwner: 'SELF' }));
  expect(resourceShares.length).toBeLessThanOrEqual(5);
});

test('an invitation that nobody answers runs out (RAM user guide: working-with-shared-invitations)', () => {
  const { call, pass } = lakeInMemory('2026-01-01T00:00:00Z');
  const DataLakeSettings = {
    DataLakeAdmins: [{ DataLakePrincipalIdentifier: admin(G) }],
    Parameters: { CROSS_ACCOUNT_VERSION: '3' },
  };
  call(lakeformation, 'PutDataLakeSettings', G, { DataLakeSettings });
  call(glue, 'CreateDatabase', G, { DatabaseInput: { Name: 'sales' } });
  const Principal = { DataLakePrincipalIdentifier: C };
  call(lakeformation, 'GrantPermissions', G, { Principal, Resource: database(), Permissions: ['DESCRIBE'] });
  const invitation = () =>
    (
      call(ram, 'GetResourceShareInvitations', C, {}) as {
        resourceShareInvitations: { status: string; resourceShareInvitationArn: string }[];
      }
    ).resourceShareInvitations[0];
  pass(11.9);
  expect(invitation()?.status).toBe('PENDING');
  pass(0.2);
  expect(invitation()?.status).toBe('EXPIRED');
  const { resourceShareInvitationArn } = invitation() ?? {};
  expect(() => call(ram, 'AcceptResourceShareInvitation', C, { resourceShareInvitationArn })).toThrow(/is expired/);
});

test('to create or alter a table at a registered path takes DATA_LOCATION_ACCESS, which travels to an account without RAM (troubleshooting, granting-location-permissions)', async () => {
  const sandbox = await sandboxOfTest({ ramSharing: false });
  const { g, c } = await meshOf(sandbox);
  const etl = `arn:aws:iam::${C}:role/etl`;
  await grant(g, { to: C, on: database(), permissions: ['CREATE_TABLE'], grantable: ['CREATE_TABLE'] });
  await acceptAll(c);
  await grant(c, { to: etl, on: database(), permissions: ['CREATE_TABLE'] });
  const lake = await lakeAs(sandbox, etl);
  const at = (Name: string, Location: string) => ({
    CatalogId: G,
    DatabaseName: 'sales',
    TableInput: { Name, StorageDescriptor: { Location } },
  });
  const make = (name: string) => outcome(lake.glue.send(new CreateTableCommand(at(name, `s3://lake/sales/${name}`))));
  const move = (to: string) => outcome(lake.glue.send(new UpdateTableCommand(at('elsewhere', to))));
  // Where no path is registered nothing is asked.
  await lake.glue.send(new CreateTableCommand(at('elsewhere', 's3://other/path')));
  await grant(g, { to: etl, on: table('elsewhere'), permissions: ['ALTER'] });
  await acceptAll(c);
  expect([await make('new'), await move('s3://lake/sales/moved')]).toEqual([
    'AccessDeniedException',
    'AccessDeniedException',
  ]);
  const on = { DataLocation: { CatalogId: G, ResourceArn: 'arn:aws:s3:::lake/sales' } };
  const ACCESS = ['DATA_LOCATION_ACCESS' as const];
  await grant(g, { to: C, on, permissions: ACCESS, grantable: ACCESS });
  expect((await invitationsOf(c)).filter(({ status }) => status === 'PENDING')).toEqual([]);
  expect(await make('new')).toBe('AccessDeniedException');
  await grant(c, { to: etl, on, permissions: ACCESS });
  expect([await make('new'), await move('s3://lake/sales/moved')]).toEqual(['none', 'none']);
  await revoke(g, { to: C, on, permissions: ACCESS, grantable: ACCESS });
  expect([await make('newer'), await move('s3://lake/sales/again')]).toEqual([
    'AccessDeniedException',
    'AccessDeniedException',
  ]);
});

test('no data is vended before the location is verified (register-cross-account; API reference: ResourceInfo)', () => {
  const { world, call, pass } = lakeInMemory('2026-01-01T00:00:00Z');
  const DataLakeSettings = { DataLakeAdmins: [{ DataLakePrincipalIdentifier: admin(G) }] };
  call(lakeformation, 'PutDataLakeSettings', G, { DataLakeSettings });
  call(glue, 'CreateDatabase', G, { DatabaseInput: { Name: 'sales' } });
  call(glue, 'CreateTable', G, { DatabaseName: 'sales', TableInput: orders });
  changeSandboxSettings(world, { locationVerificationMs: 3_600_000 });
  const where = { ResourceArn: 'arn:aws:s3:::lake/sales', RoleArn: `arn:aws:iam::${G}:role/lake-reader` };
  call(lakeformation, 'RegisterResource', G, where);
  const asked = () => canRead(world, { principal: admin(G), account: G, database: 'sales', table: 'orders' });
  const status = () =>
    (call(lakeformation, 'DescribeResource', G, where) as { ResourceInfo: { VerificationStatus: string } }).ResourceInfo
      .VerificationStatus;
  expect([status(), asked().reason]).toEqual(['NOT_VERIFIED', 'location s3://lake/sales/orders is NOT_VERIFIED']);
  pass(1);
  expect([status(), asked().allowed]).toEqual(['VERIFIED', true]);
  // The role that an update names is tried anew.
  call(lakeformation, 'UpdateResource', G, where);
  expect([status(), asked().allowed]).toEqual(['NOT_VERIFIED', false]);
  pass(1);
  expect(status()).toBe('VERIFIED');
});

test('a location whose role cannot be used ends as VERIFICATION_FAILED until it is registered or updated anew (API reference: ResourceInfo)', async () => {
  const sandbox = await sandboxOfTest({ ramSharing: true });
  const { g } = await meshOf(sandbox);
  const ResourceArn = 'arn:aws:s3:::lake/hr';
  const RoleArn = `arn:aws:iam::${G}:role/hr`;
  expect(await control(sandbox, '/settings', { verificationFails: [ResourceArn] })).toMatchObject({
    verificationFails: [ResourceArn],
  });
  await g.lf.send(new RegisterResourceCommand({ ResourceArn, RoleArn }));
  const status = async () =>
    (await g.lf.send(new DescribeResourceCommand({ ResourceArn }))).ResourceInfo?.VerificationStatus;
  expect(await status()).toBe('VERIFICATION_FAILED');
  await control(sandbox, '/settings', { verificationFails: [] });
  expect(await status()).toBe('VERIFICATION_FAILED');
  await g.lf.send(new UpdateResourceCommand({ ResourceArn, RoleArn }));
  expect(await status()).toBe('VERIFIED');
});
