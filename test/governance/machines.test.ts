import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { approveAccessRequest } from '../../src/governance/access-approval.js';
import { extendAccess } from '../../src/governance/access-extension.js';
import { rejectAccessRequest, requestAccess } from '../../src/governance/access-request.js';
import type { Context } from '../../src/governance/context.js';
import { publishDataProduct, registerDataProduct } from '../../src/governance/data-product.js';
import { addDomainMember, registerDomain } from '../../src/governance/domain.js';
import { activatePolicy, createPolicy } from '../../src/governance/policy.js';
import {
  registerServiceAccount,
  removeServiceAccount,
  rotateServiceAccountSecret,
} from '../../src/governance/service-account.js';
import {
  accessInput,
  domainInput,
  openMesh,
  productInput,
  refusal,
  seedDomain,
  seedProduct,
  type TestMesh,
} from './mesh.js';

/** Sales has three owners; machines sign in at an issuer of their own, with `m:` before their subjects. */
let mesh: TestMesh;
let sales: string;
let finance: string;
let orders: string;
vi.setConfig({ testTimeout: 60_000 });
const ISSUER = 'https://machines.test';

beforeAll(async () => {
  mesh = await openMesh();
  sales = await seedDomain(mesh, 'sales', 1);
  finance = await seedDomain(mesh, 'finance', 2);
  orders = await seedProduct(mesh, { id: sales, name: 'sales' }, 'orders');
  for (const subject of ['sales-two', 'sales-three']) await plainMember(sales, subject, 'OWNER');
});
afterAll(() => mesh.close());

const plainMember = (domainId: string, subject: string, role: 'OWNER' | 'STEWARD' | 'MEMBER') =>
  mesh.database.prisma.domainMember.create({ data: { domainId, subject, role, createdBy: 'admin' } });

async function as(subject: string): Promise<Context> {
  const ctx = await mesh.as(subject);
  const kind = subject.startsWith('m:')
    ? ('MACHINE' as const)
    : subject.startsWith('service-account:')
      ? ('SERVICE_ACCOUNT_SECRET' as const)
      : ('PERSON' as const);
  const viewer = { ...ctx.viewer, signIn: { ...ctx.viewer.signIn, kind } };
  return { ...ctx, viewer, machineIssuers: new Map([[ISSUER, 'm:']]) };
}

/** A request for the product by somebody, for his own domain. */
const ask = async (subject: string, domain = sales): Promise<string> => {
  const input = accessInput({ dataProduct: orders, consumerDomain: domain, account: domain === sales ? 1 : 2 });
  return (await requestAccess(await as(subject), input)).accessRequestId;
};
const approve = async (subject: string, accessRequest: string) =>
  approveAccessRequest(await as(subject), { accessRequest });
const register = async (owner: string, name: string, more: { role?: 'OWNER' | 'STEWARD'; bound?: boolean } = {}) => {
  const { role = null, bound = false } = more;
  const identity = bound ? { issuer: ISSUER, subject: name } : null;
  const domain = owner.startsWith('finance') ? finance : sales;
  return (await registerServiceAccount(await as(owner), { domain, name, role, identity })).serviceAccountId;
};

/** Writes an approval past the rules, and takes it back; answers what Postgres says. */
async function approvedInSql(approver: string, accessRequest: string): Promise<string> {
  const client = await mesh.database.pool.connect();
  try {
    await client.query('BEGIN');
    await client.query(
      `SELECT set_config('meshgate.subject', $1, true), set_config('meshgate.authority', 'MEMBER', true)`,
      [approver],
    );
    await client.query(
      `INSERT INTO "AccessApproval" ("id", "requestId", "requestedBy", "approvedBy", "role", "factsDigest")
       SELECT gen_random_uuid(), "id", "requestedBy", $1, 'OWNER', repeat('a', 64) FROM "AccessRequest" WHERE "id" = $2`,
      [approver, accessRequest],
    );
    return 'written';
  } catch (error) {
    return (error as Error).message;
  } finally {
    await client.query('ROLLBACK');
    client.release();
  }
}

const WALL = expect.stringMatching(/row-level security policy/);

describe('who made a machine approves nothing that it asks for', () => {
  test('neither who registered it, nor who made another secret of it, also once that is revoked', async () => {
    const account = await register('sales-owner', 'loader');
    await rotateServiceAccountSecret(await as('sales-two'), { serviceAccount: account });
    await mesh.database.pool.query(
      `UPDATE "ServiceAccountSecret" SET "slot" = NULL, "revokedAt" = now(), "revokedBy" = 'sales-two' WHERE "createdBy" = 'sales-two'`,
    );
    const asked = await ask('service-account:sales/loader');
    for (const maker of ['sales-owner', 'sales-two']) {
      expect(await refusal(approve(maker, asked)), maker).toMatchObject({ code: 'FORBIDDEN' });
      expect(await approvedInSql(maker, asked), maker).toEqual(WALL);
    }
    expect(await approvedInSql('sales-three', asked)).toBe('written');
    expect(await approve('sales-three', asked)).toMatchObject({ accessGrantId: expect.stringMatching(/./) });
  });

  test('nor another end of what it asked for', async () => {
    const account = await register('sales-owner', 'reader');
    const asked = await ask('service-account:sales/reader');
    const { accessGrantId } = await approve('sales-three', asked);
    await mesh.agree();
    await rotateServiceAccountSecret(await as('sales-two'), { serviceAccount: account });
    const until = (days: number) => new Date(Date.now() + days * 86_400_000);
    await extendAccess(await as('sales-three'), { accessGrant: accessGrantId, expiresAt: until(10) });
    const more = await extendAccess(await as('sales-two'), { accessGrant: accessGrantId, expiresAt: until(20) });
    expect(more.accessRequestId).not.toBe('');
    expect(await approvedInSql('sales-two', more.accessRequestId)).not.toBe('written');
    expect(await refusal(approve('sales-owner', more.accessRequestId))).toMatchObject({ code: 'FORBIDDEN' });
    expect(await approvedInSql('sales-owner', more.accessRequestId)).toMatch(/who asked for access/);
  });

  test('nor who made the machine that made it', async () => {
    await register('sales-owner', 'first', { role: 'OWNER', bound: true });
    await register('m:first', 'second');
    const asked = await ask('service-account:sales/second');
    expect(await refusal(approve('sales-owner', asked))).toMatchObject({ code: 'FORBIDDEN' });
    expect(await approvedInSql('sales-owner', asked)).toEqual(WALL);
    expect(await approve('sales-three', asked)).toMatchObject({ accessGrantId: expect.stringMatching(/./) });
  });

  test('and it is granted nothing at once by a policy that one of them wrote', async () => {
    const account = await register('sales-owner', 'writer');
    await rotateServiceAccountSecret(await as('sales-two'), { serviceAccount: account });
    const source = 'permit (principal, action == Action::"autoApprove", resource in Domain::"sales");';
    const { policyId } = await createPolicy(await as('sales-two'), {
      ...{ domain: sales, name: 'at-once', description: 'At once.', source },
    });
    await activatePolicy(await as('sales-three'), { policy: policyId, version: 1 });
    const owner = await as('sales-owner');
    const product = { ...productInput({ id: sales, name: 'sales' }, 'open'), classification: 'PUBLIC' as const };
    const { dataProductId } = await registerDataProduct(owner, product);
    await publishDataProduct(owner, { dataProduct: dataProductId });
    await mesh.agree();
    const input = accessInput({ dataProduct: dataProductId, consumerDomain: sales, account: 1 });
    const statusOf = async (subject: string) => {
      const { accessRequestId: id } = await requestAccess(await as(subject), input);
      return (await mesh.database.prisma.accessRequest.findUniqueOrThrow({ where: { id } })).status;
    };
    expect(await statusOf('service-account:sales/writer')).toBe('PENDING');
    expect(await statusOf('sales-member')).toBe('APPROVED');
  });
});

describe('a machine decides nothing', () => {
  test('by whatever it signs in with, and whatever its role', async () => {
    await register('sales-owner', 'bound', { role: 'OWNER', bound: true });
    await register('sales-owner', 'secret', { role: 'OWNER' });
    const asked = await ask('finance-member', finance);
    const source = 'permit (principal, action == Action::"autoApprove", resource in Domain::"sales");';
    for (const machine of ['m:bound', 'service-account:sales/secret']) {
      const refused = { code: 'FORBIDDEN', message: expect.stringContaining('People decide') };
      const ctx = await as(machine);
      expect(await refusal(approve(machine, asked)), machine).toMatchObject(refused);
      expect(await refusal(rejectAccessRequest(ctx, { accessRequest: asked, comment: 'no' }))).toMatchObject(refused);
      const policy = { domain: sales, name: 'machine', description: 'By a machine.', source };
      expect(await refusal(createPolicy(ctx, policy)), machine).toMatchObject(refused);
      expect(await approvedInSql(machine, asked), machine).toEqual(WALL);
    }
  });

  test('nor once it is removed, where another domain made it a member', async () => {
    const account = await register('finance-owner', 'gone', { bound: true });
    await addDomainMember(await as('sales-owner'), { domain: sales, subject: 'm:gone', role: 'STEWARD' });
    await removeServiceAccount(await as('finance-owner'), { serviceAccount: account });
    const asked = await ask('finance-member', finance);
    expect(await refusal(approve('m:gone', asked))).toMatchObject({ code: 'NOT_FOUND' });
    expect(await approvedInSql('m:gone', asked)).toEqual(WALL);
    expect(await refusal(ask('m:gone'))).toMatchObject({ code: 'FORBIDDEN' });
  });
});

describe('a machine is a member as a service account, or not at all', () => {
  test('it is neither added nor registered as an owner by its subject', async () => {
    for (const subject of ['m:bot', 'service-account:sales/unknown']) {
      const added = addDomainMember(await as('sales-owner'), { domain: sales, subject, role: 'STEWARD' });
      expect(await refusal(added), subject).toMatchObject({ code: 'VALIDATION', path: 'subject' });
    }
    const admin = { ...(await as('admin')), viewer: (await mesh.admin()).viewer };
    const registered = registerDomain(admin, { ...domainInput('robots', 7), owners: ['robots-owner', 'm:bot'] });
    expect(await refusal(registered)).toMatchObject({ code: 'VALIDATION', path: 'owners' });
  });

  test('one that became a member before that writes nothing', async () => {
    await plainMember(sales, 'm:old', 'STEWARD');
    expect(await refusal(ask('m:old'))).toMatchObject({ code: 'FORBIDDEN' });
    expect(await refusal(approve('m:old', await ask('finance-member', finance)))).toMatchObject({ code: 'NOT_FOUND' });
  });
});
