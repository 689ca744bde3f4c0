import { ListPermissionsCommand } from '@aws-sdk/client-lakeformation';
import {
  AcceptResourceShareInvitationCommand,
  GetResourceShareAssociationsCommand,
  GetResourceShareInvitationsCommand,
  GetResourceSharesCommand,
  ListPrincipalsCommand,
  ListResourcesCommand,
  RejectResourceShareInvitationCommand,
} from '@aws-sdk/client-ram';
import { expect, test } from 'vitest';
import { glue } from '../../src/sandbox/glue.js';
import { lakeformation } from '../../src/sandbox/lakeformation.js';
import { ram } from '../../src/sandbox/ram.js';
import {
  acceptAll,
  admin,
  analyst,
  C,
  columns,
  database,
  G,
  grant,
  intern,
  type Lake,
  lakeInMemory,
  lakeOf,
  mayRead,
  P,
  revoke,
  table,
  withLink,
  withOrders,
} from './lake-testkit.js';
import { errorOf, REGION, sandboxOfTest } from './testkit.js';

const arnOf = (resource: string) => `arn:aws:glue:${REGION}:${G}:${resource}`;

async function mesh(options: { ramSharing?: boolean } = {}) {
  const sandbox = await sandboxOfTest(options);
  const g = lakeOf(sandbox, G);
  const c = lakeOf(sandbox, C);
  await withOrders(g);
  await withLink(c);
  return { sandbox, g, c };
}

const invitationsOf = async (lake: Lake) =>
  (await lake.ram.send(new GetResourceShareInvitationsCommand({}))).resourceShareInvitations ?? [];

const sharesOf = async (lake: Lake, resourceOwner: 'SELF' | 'OTHER-ACCOUNTS') =>
  (await lake.ram.send(new GetResourceSharesCommand({ resourceOwner }))).resourceShares ?? [];

const resourcesOf = async (lake: Lake, resourceOwner: 'SELF' | 'OTHER-ACCOUNTS', principal?: string) =>
  (
    (await lake.ram.send(new ListResourcesCommand({ resourceOwner, ...(principal ? { principal } : {}) }))).resources ??
    []
  )
    .map(({ arn }) => arn)
    .sort();

const associationsOf = async (lake: Lake, associationType: 'PRINCIPAL' | 'RESOURCE', resourceShareArns: string[]) =>
  (await lake.ram.send(new GetResourceShareAssociationsCommand({ associationType, resourceShareArns })))
    .resourceShareAssociations ?? [];

/** The share that ListPermissions names for a principal's grant on the table. */
async function shareOf(lake: Lake, principal: string): Promise<string> {
  const { PrincipalResourcePermissions: rows = [] } = await lake.lf.send(
    new ListPermissionsCommand({ Resource: table() }),
  );
  const row = rows.find(({ Principal }) => Principal?.DataLakePrincipalIdentifier === principal);
  return row?.AdditionalDetails?.ResourceShare?.[0] ?? 'none';
}

test('a first share sends two invitations, each named LakeFormation-V3, and is nothing to the receiver until accepted', async () => {
  const { g, c } = await mesh();
  await grant(g, { to: analyst, on: table(), permissions: ['SELECT'] });
  const invitations = await invitationsOf(c);
  expect(invitations).toHaveLength(2);
  for (const invitation of invitations) {
    expect(invitation).toMatchObject({
      status: 'PENDING',
      senderAccountId: G,
      receiverAccountId: C,
      receiverArn: analyst,
    });
    expect(invitation.resourceShareName).toMatch(/^LakeFormation-V3-[0-9A-Z]+$/);
  }
  expect(await sharesOf(c, 'OTHER-ACCOUNTS')).toEqual([]);
  expect(await invitationsOf(g)).toEqual([]);
  const share = await shareOf(g, analyst);
  expect(await associationsOf(g, 'PRINCIPAL', [share])).toMatchObject([
    { associatedEntity: analyst, status: 'ASSOCIATING', external: true },
  ]);
  expect(await acceptAll(c)).toBe(2);
  expect(await sharesOf(c, 'OTHER-ACCOUNTS')).toMatchObject([
    { status: 'ACTIVE', owningAccountId: G },
    { status: 'ACTIVE', owningAccountId: G },
  ]);
  expect(await associationsOf(g, 'PRINCIPAL', [share])).toMatchObject([
    { associatedEntity: analyst, status: 'ASSOCIATED' },
  ]);
  expect(await associationsOf(g, 'RESOURCE', [share])).toMatchObject([
    { associatedEntity: arnOf('table/sales/orders'), status: 'ASSOCIATED' },
  ]);
  expect(await resourcesOf(c, 'OTHER-ACCOUNTS', analyst)).toEqual([arnOf('catalog'), arnOf('table/sales/orders')]);
  expect(await resourcesOf(c, 'OTHER-ACCOUNTS', intern)).toEqual([]);
});

test('grants are consolidated: further tables join the share, further principals are invited to it', async () => {
  const { g, c } = await mesh();
  await grant(g, { to: analyst, on: table(), permissions: ['SELECT'] });
  await acceptAll(c);
  await grant(g, { to: analyst, on: table(), permissions: ['DESCRIBE'] });
  await grant(g, { to: analyst, on: database(), permissions: ['DESCRIBE'] });
  expect(await acceptAll(c)).toBe(1);
  await grant(g, { to: intern, on: columns('id'), permissions: ['SELECT'] });
  const pending = (await invitationsOf(c)).filter(({ status }) => status === 'PENDING');
  expect(pending).toMatchObject([{ receiverArn: intern, resourceShareArn: await shareOf(g, analyst) }]);
  await grant(g, {
    to: C,
    on: { Table: { CatalogId: G, DatabaseName: 'sales', TableWildcard: {} } },
    permissions: ['DESCRIBE'],
  });
  const shares = await sharesOf(g, 'SELF');
  expect(shares).toHaveLength(4);
  expect(await resourcesOf(g, 'SELF')).toEqual(
    [arnOf('catalog'), arnOf('database/sales'), arnOf('table/sales/*'), arnOf('table/sales/orders')].sort(),
  );
  const principals = await g.ram.send(new ListPrincipalsCommand({ resourceOwner: 'SELF' }));
  expect(new Set(principals.principals?.map(({ id }) => id))).toEqual(new Set([analyst]));
  const senders = await c.ram.send(new ListPrincipalsCommand({ resourceOwner: 'OTHER-ACCOUNTS' }));
  expect(new Set(senders.principals?.map(({ id }) => id))).toEqual(new Set([G]));
});

test('within the sharing of the organization shares are active at once and nobody is invited', async () => {
  const { g, c } = await mesh({ ramSharing: true });
  await grant(g, { to: C, on: table(), permissions: ['SELECT'] });
  expect(await invitationsOf(c)).toEqual([]);
  expect(await sharesOf(c, 'OTHER-ACCOUNTS')).toHaveLength(2);
  const share = await shareOf(g, C);
  expect(await associationsOf(g, 'PRINCIPAL', [share])).toMatchObject([
    { associatedEntity: C, status: 'ASSOCIATED', external: false },
  ]);
});

test('the last revoke dissociates and deletes the share, and a new grant makes a new one', async () => {
  const { g, c } = await mesh();
  const wish = { to: analyst, on: table(), permissions: ['SELECT' as const] };
  await grant(g, wish);
  await acceptAll(c);
  const first = await shareOf(g, analyst);
  await grant(g, { ...wish, to: intern });
  await revoke(g, wish);
  expect(await associationsOf(g, 'PRINCIPAL', [first])).toMatchObject([
    { associatedEntity: analyst, status: 'DISASSOCIATED' },
    { associatedEntity: intern, status: 'ASSOCIATING' },
  ]);
  await revoke(g, { ...wish, to: intern });
  expect((await sharesOf(g, 'SELF')).map(({ status }) => status)).toEqual(['DELETED', 'DELETED']);
  expect((await invitationsOf(c)).filter(({ status }) => status === 'PENDING')).toEqual([]);
  expect(await resourcesOf(g, 'SELF')).toEqual([]);
  await grant(g, wish);
  expect(await shareOf(g, analyst)).not.toBe(first);
  expect(await acceptAll(c)).toBe(2);
});

test('an invitation is answered once, by its receiver alone, and a rejected one needs a new grant', async () => {
  const { sandbox, g, c } = await mesh();
  const wish = { to: analyst, on: table(), permissions: ['SELECT' as const] };
  await grant(g, wish);
  const share = await shareOf(g, analyst);
  const mine = (await invitationsOf(c)).find(({ resourceShareArn }) => resourceShareArn === share);
  const resourceShareInvitationArn = mine?.resourceShareInvitationArn;
  const accept = (lake: Lake) =>
    lake.ram.send(new AcceptResourceShareInvitationCommand({ resourceShareInvitationArn }));
  const reject = () => c.ram.send(new RejectResourceShareInvitationCommand({ resourceShareInvitationArn }));
  expect((await errorOf(accept(lakeOf(sandbox, P)))).name).toBe('ResourceShareInvitationArnNotFoundException');
  expect((await reject()).resourceShareInvitation?.status).toBe('REJECTED');
  expect((await errorOf(reject())).name).toBe('ResourceShareInvitationAlreadyRejectedException');
  expect((await errorOf(accept(c))).name).toBe('ResourceShareInvitationAlreadyRejectedException');
  await acceptAll(c);
  await grant(g, { ...wish, permissions: ['DESCRIBE'] });
  expect(await acceptAll(c)).toBe(0);
  expect((await mayRead(sandbox, analyst, { account: G, database: 'sales', table: 'orders' })).allowed).toBe(false);
  await revoke(g, { ...wish, permissions: ['SELECT', 'DESCRIBE'] });
  await grant(g, wish);
  expect(await acceptAll(c)).toBe(2);
  expect((await mayRead(sandbox, analyst, { account: G, database: 'sales', table: 'orders' })).allowed).toBe(true);
  const [accepted] = (await invitationsOf(c)).filter(({ status }) => status === 'ACCEPTED');
  const again = new AcceptResourceShareInvitationCommand({
    resourceShareInvitationArn: accepted?.resourceShareInvitationArn,
  });
  expect((await errorOf(c.ram.send(again))).name).toBe('ResourceShareInvitationAlreadyAcceptedException');
});

test('pages hold every invitation once, and wrong parameters are told apart', async () => {
  const { g, c } = await mesh();
  for (const to of [analyst, intern, C]) await grant(g, { to, on: table(), permissions: ['SELECT'] });
  const whole = await invitationsOf(c);
  const first = await c.ram.send(new GetResourceShareInvitationsCommand({ maxResults: 3 }));
  const rest = await c.ram.send(new GetResourceShareInvitationsCommand({ maxResults: 3, nextToken: first.nextToken }));
  expect([...(first.resourceShareInvitations ?? []), ...(rest.resourceShareInvitations ?? [])]).toEqual(whole);
  expect(whole).toHaveLength(4);
  const wrong = {
    resourceOwner: 'SELF' as const,
    resourceShareArns: [`arn:aws:ram:${REGION}:${G}:resource-share/none`],
  };
  expect((await errorOf(g.ram.send(new GetResourceSharesCommand(wrong)))).name).toBe('UnknownResourceException');
  const malformed = new AcceptResourceShareInvitationCommand({ resourceShareInvitationArn: 'none' });
  expect((await errorOf(c.ram.send(malformed))).name).toBe('MalformedArnException');
});

test('an invitation runs out after twelve hours', async () => {
  const { call, pass } = lakeInMemory('2026-01-01T00:00:00Z');
  const settings = {
    DataLakeAdmins: [{ DataLakePrincipalIdentifier: admin(G) }],
    Parameters: { CROSS_ACCOUNT_VERSION: '3' },
  };
  call(lakeformation, 'PutDataLakeSettings', G, { DataLakeSettings: settings });
  call(glue, 'CreateDatabase', G, { DatabaseInput: { Name: 'sales' } });
  const Principal = { DataLakePrincipalIdentifier: C };
  call(lakeformation, 'GrantPermissions', G, { Principal, Resource: database(), Permissions: ['DESCRIBE'] });
  const invitations = () =>
    (
      call(ram, 'GetResourceShareInvitations', C, {}) as {
        resourceShareInvitations: { status: string; resourceShareInvitationArn: string }[];
      }
    ).resourceShareInvitations;
  pass(11.9);
  expect(invitations().map(({ status }) => status)).toEqual(['PENDING', 'PENDING']);
  pass(0.2);
  expect(invitations().map(({ status }) => status)).toEqual(['EXPIRED', 'EXPIRED']);
  const { resourceShareInvitationArn } = invitations()[0] ?? {};
  expect(() => call(ram, 'AcceptResourceShareInvitation', C, { resourceShareInvitationArn })).toThrow(/is expired/);
});
