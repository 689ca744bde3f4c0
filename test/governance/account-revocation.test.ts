import { afterAll, beforeAll, expect, test } from 'vitest';
import { revokeAccess } from '../../src/governance/access-grant.js';
import { alarmUnconfirmed, restoreCutAccounts } from '../../src/governance/account-revocation.js';
import { registerDomain } from '../../src/governance/domain.js';
import { explainAccess } from '../../src/governance/explain-access.js';
import { settled, unsettledOwners } from '../../src/governance/settled.js';
import { inTransaction } from '../../src/governance/transaction.js';
import { domainInput, MESH, openMesh, seedDomain, seedGrant, seedProduct, type TestMesh } from './mesh.js';

const CONSUMER = '222222222222';

let mesh: TestMesh;
let commerce: string;
let finance: string;
let orders: string;

beforeAll(async () => {
  mesh = await openMesh();
  commerce = await seedDomain(mesh, 'commerce', 1);
  finance = await seedDomain(mesh, 'finance', 2);
  await mesh.agree();
  orders = await seedProduct(mesh, { id: commerce, name: 'commerce' }, 'orders');
});
afterAll(() => mesh.close());

const system = () => ({ db: mesh.database.prisma, mesh: MESH, committed: () => undefined });
const statusOf = async (id: string) =>
  (await mesh.database.prisma.accessGrant.findUniqueOrThrow({ where: { id } })).status;
const eventsOf = async (type: string) => (await mesh.events()).filter((event) => event.type === type);

async function approve(role: string, account = CONSUMER, consumer = { id: finance, name: 'finance' }): Promise<string> {
  const { accessGrantId } = await seedGrant(mesh, {
    requester: `${consumer.name}-owner`,
    decider: 'commerce-steward',
    input: {
      dataProduct: orders,
      consumerDomain: consumer.id,
      principals: [`arn:aws:iam::${account}:role/${role}`],
      purpose: 'x',
      grantTo: 'ACCOUNT',
    },
  });
  return accessGrantId;
}

async function grantTo(...asked: Parameters<typeof approve>): Promise<string> {
  const accessGrantId = await approve(...asked);
  await mesh.agree();
  return accessGrantId;
}

/** Plays G alone: the consumer's account cannot be reached. */
async function governanceAgrees(): Promise<void> {
  const { pool, prisma: db } = mesh.database;
  await pool.query(
    `DELETE FROM "ResourceClaim" c USING "Resource" r WHERE r."id" = c."resourceId" AND r."account" <> $1
     AND c."releasedAtGeneration" <= r."generation"`,
    [CONSUMER],
  );
  await pool.query(
    `UPDATE "Resource" SET "observedGeneration" = "generation",
     "status" = (CASE "desired" WHEN 'PRESENT' THEN 'READY' ELSE 'REMOVED' END)::"ResourceStatus" WHERE "account" <> $1`,
    [CONSUMER],
  );
  for (const owner of await unsettledOwners(MESH, db)) await inTransaction(db, (tx) => settled(MESH, tx, owner));
}

const revoke = async (grant: string) =>
  revokeAccess(await mesh.as('commerce-owner'), { accessGrant: grant, reason: 'Over' });

test('the last grant through an account is REVOKED by G alone', async () => {
  const only = await grantTo('only');
  await revoke(only);
  await governanceAgrees();
  expect(await statusOf(only)).toBe('REVOKED');
  await mesh.agree();
});

test('while others need the grant to the account, a revoke waits for the account, and is told when it does not answer', async () => {
  const [ended, kept] = [await grantTo('ended'), await grantTo('kept')];
  await revoke(ended);
  await governanceAgrees();
  expect(await statusOf(ended)).toBe('REVOKING');
  const explained = async () =>
    explainAccess(await mesh.as('commerce-owner'), `arn:aws:iam::${CONSUMER}:role/ended`, orders);
  expect((await explained()).reason).toContain('may still be able to read');
  expect(await alarmUnconfirmed(system())).toBe(0);
  expect(await alarmUnconfirmed(system(), 0)).toBe(1);
  expect(await alarmUnconfirmed(system(), 0)).toBe(0);
  const told = await eventsOf('ResourceStuck');
  expect(told).toHaveLength(2);
  expect(told[0]?.data).toMatchObject({ code: 'NotConfirmed' });
  expect(await statusOf(kept)).toBe('ACTIVE');
  await mesh.agree();
  expect(await statusOf(ended)).toBe('REVOKED');
  expect((await explained()).reason).toMatch(/^A grant was revoked by commerce-owner/);
  await revoke(kept);
  await mesh.agree();
});

test('where the policy says so the account is cut off for all, and comes back once it has confirmed', async () => {
  await mesh.database.prisma.domain.update({ where: { id: commerce }, data: { accountRevocation: 'CUT_ACCOUNT' } });
  const [ended, kept] = [await grantTo('gone'), await grantTo('stays')];
  const toAccount = () =>
    mesh.database.prisma.resource.findMany({
      where: { kind: 'LfGrant', account: MESH.governanceAccount, key: { startsWith: `${CONSUMER} on table ` } },
      select: { desired: true },
    });
  await revoke(ended);
  await governanceAgrees();
  expect(await alarmUnconfirmed(system(), 0)).toBe(1);
  expect(await statusOf(kept)).toBe('FAILED');
  expect(await toAccount()).toEqual([{ desired: 'ABSENT' }, { desired: 'ABSENT' }]);
  expect(await statusOf(ended)).toBe('REVOKING');
  const approved = await approve('new');
  await governanceAgrees();
  expect(await toAccount()).toEqual([{ desired: 'ABSENT' }, { desired: 'ABSENT' }]);
  expect(await mesh.database.prisma.accessGrant.findUnique({ where: { id: approved } })).toMatchObject({
    status: 'PROVISIONING',
    reason: expect.stringContaining('cut off until it has confirmed'),
  });
  expect(await statusOf(ended)).toBe('REVOKED');
  expect(await restoreCutAccounts(system())).toBe(0);
  await mesh.agree();
  expect(await restoreCutAccounts(system())).toBe(1);
  expect(await toAccount()).toEqual([{ desired: 'PRESENT' }, { desired: 'PRESENT' }]);
  await mesh.agree();
  expect(await statusOf(kept)).toBe('ACTIVE');
  expect(await statusOf(approved)).toBe('ACTIVE');
  expect((await eventsOf('AccessFailed')).map(({ data }) => data.reason)).toEqual([
    expect.stringContaining('cut off until it has confirmed'),
  ]);
});

test("in the product's own domain nothing is cut off, and nothing is said to be", async () => {
  const own = { id: commerce, name: 'commerce' };
  const [ended, kept] = [await grantTo('a', '111111111111', own), await grantTo('b', '111111111111', own)];
  await revoke(ended);
  const { pool, prisma } = mesh.database;
  await pool.query(`DELETE FROM "ResourceClaim" c USING "Resource" r WHERE r."id" = c."resourceId"
    AND r."account" <> '111111111111' AND c."releasedAtGeneration" IS NOT NULL`);
  const before = (await eventsOf('ResourceStuck')).length;
  expect(await alarmUnconfirmed(system(), 0)).toBe(1);
  const told = (await eventsOf('ResourceStuck')).slice(before);
  expect(told.map(({ data }) => data.message).join()).not.toContain('cut off');
  expect(told).not.toHaveLength(0);
  expect(await statusOf(kept)).toBe('ACTIVE');
  expect((await prisma.accessGrant.findUniqueOrThrow({ where: { id: ended } })).accountCutAt).toBeNull();
  await mesh.agree();
});

test('an account that provisions for itself never confirms: its end is told at once, and waits for the grant to the account', async () => {
  const account = '333333333333';
  const input = { ...domainInput('own', 3), provisioning: 'DELEGATED' as const };
  const { domainId: id } = await registerDomain(await mesh.admin(), input);
  await mesh.agree();
  const consumer = { id, name: 'own' };
  for (const policy of ['ALARM', 'CUT_ACCOUNT'] as const) {
    await mesh.database.prisma.domain.update({ where: { id: commerce }, data: { accountRevocation: policy } });
    const [ended, kept] = [await grantTo('a', account, consumer), await grantTo('b', account, consumer)];
    await revoke(ended);
    await governanceAgrees();
    expect(await statusOf(ended)).toBe('REVOKING');
    expect(await alarmUnconfirmed(system())).toBe(1);
    expect(await alarmUnconfirmed(system())).toBe(0);
    if (policy === 'ALARM') await revoke(kept);
    else expect(await statusOf(kept)).toBe('FAILED');
    expect(await statusOf(ended)).toBe('REVOKING');
    await governanceAgrees();
    expect(await statusOf(ended)).toBe('REVOKED');
    expect(await restoreCutAccounts(system())).toBe(policy === 'ALARM' ? 0 : 1);
    await governanceAgrees();
    expect(await statusOf(kept)).toBe(policy === 'ALARM' ? 'REVOKED' : 'ACTIVE');
  }
});
