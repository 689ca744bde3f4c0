import { afterAll, beforeAll, expect, test } from 'vitest';
import { approveAccessRequest } from '../../src/governance/access-approval.js';
import { revokeAccess } from '../../src/governance/access-grant.js';
import { cancelAccessRequest, rejectAccessRequest, requestAccess } from '../../src/governance/access-request.js';
import { deprecateDataProduct } from '../../src/governance/data-product.js';
import { expireDueGrants } from '../../src/governance/expire.js';
import { globalId } from '../../src/governance/global-id.js';
import { settled } from '../../src/governance/settled.js';
import { inTransaction } from '../../src/governance/transaction.js';
import { atScale } from '../faults/scale.js';
import { changeAsOwner } from '../testkit/database.js';
import { accessInput, MESH, openMesh, refusal, seedDomain, seedGrant, seedProduct, type TestMesh } from './mesh.js';

const PAIRS = atScale({ quick: 40, soak: 1_000 });

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

const input = () => accessInput({ dataProduct: orders, consumerDomain: finance, account: 2 });
const grantOf = (id: string) => mesh.database.prisma.accessGrant.findUniqueOrThrow({ where: { id } });
const requestOf = (id: string) => mesh.database.prisma.accessRequest.findUniqueOrThrow({ where: { id } });
const eventsOf = async (type: 'AccessRequest' | 'AccessGrant', id: string) =>
  (await mesh.events()).filter(({ subject }) => subject.id === globalId(type, id));
const grant = (more: object = {}) =>
  seedGrant(mesh, { requester: 'finance-member', decider: 'commerce-steward', input: { ...input(), ...more } });

test('a request that is approved becomes a grant, which is active once AWS agrees, and gone once AWS let go', async () => {
  const { accessRequestId, accessGrantId } = await grant({ columns: ['orders_heads.total', 'orders_heads.id'] });
  expect(await grantOf(accessGrantId)).toMatchObject({ status: 'PROVISIONING' });
  await mesh.agree();
  expect(await grantOf(accessGrantId)).toMatchObject({ status: 'ACTIVE' });
  await revokeAccess(await mesh.as('commerce-owner'), { accessGrant: accessGrantId, reason: 'Project ended' });
  expect(await grantOf(accessGrantId)).toMatchObject({ status: 'REVOKING', revokedBy: 'commerce-owner' });
  await mesh.agree();
  expect(await grantOf(accessGrantId)).toMatchObject({ status: 'REVOKED', reason: 'Project ended' });

  const about = [
    ...(await eventsOf('AccessRequest', accessRequestId)),
    ...(await eventsOf('AccessGrant', accessGrantId)),
  ];
  expect(about.map(({ type }) => type)).toEqual([
    'AccessRequested',
    'AccessApproved',
    'AccessGranted',
    'AccessRevoking',
    'AccessRevoked',
  ]);
  // Who ended it is told of with his own name, before AWS has answered.
  expect(about[3]?.actor.subject).toBe('commerce-owner');
  for (const event of about) {
    expect(event.audiencePublic).toBe(false);
    expect(event.audienceDomains).toEqual([commerce, finance].sort());
    expect(event.audienceSubjects).toEqual(['finance-member']);
    expect(event.subject.domain).toBe('commerce');
  }
  expect(about[1]?.data).toMatchObject({
    before: { status: 'PENDING' },
    after: { status: 'APPROVED' },
    accessGrant: globalId('AccessGrant', accessGrantId),
    decidedBy: 'commerce-steward',
  });
  expect(about[2]?.data).toMatchObject({
    database: 'data_products',
    tables: ['commerce__orders__orders_heads'],
    columns: ['orders_heads.id', 'orders_heads.total'],
    athenaSql: 'SELECT "id", "total" FROM "data_products"."commerce__orders__orders_heads" LIMIT 10',
    iam: { Version: '2012-10-17' },
  });
  expect(about[2]?.correlationId).toBe(about[1]?.correlationId);
  expect(about[4]?.data).toMatchObject({ revokedBy: 'commerce-owner', reason: 'Project ended' });
});

test('a second grant of what others need is active at once, and its revoke leaves theirs alone', async () => {
  const first = await grant();
  await mesh.agree();
  const second = await grant();
  expect(await grantOf(second.accessGrantId)).toMatchObject({ status: 'ACTIVE' });
  await revokeAccess(await mesh.as('commerce-owner'), { accessGrant: second.accessGrantId, reason: 'Twice' });
  expect(await grantOf(second.accessGrantId)).toMatchObject({ status: 'REVOKED' });
  expect(await grantOf(first.accessGrantId)).toMatchObject({ status: 'ACTIVE' });
  expect(await mesh.database.prisma.resource.count({ where: { desired: 'ABSENT', status: { not: 'REMOVED' } } })).toBe(
    0,
  );
  await revokeAccess(await mesh.as('finance-owner'), { accessGrant: first.accessGrantId, reason: 'Given up' });
  await mesh.agree();
  expect(await grantOf(first.accessGrantId)).toMatchObject({ status: 'REVOKED' });
});

test('nobody decides his own request, admins included', async () => {
  for (const requester of ['commerce-owner', 'commerce-steward']) {
    const own = accessInput({ dataProduct: orders, consumerDomain: commerce, account: 1 });
    const { accessRequestId: accessRequest } = await requestAccess(await mesh.as(requester), own);
    for (const decide of [approveAccessRequest, rejectAccessRequest]) {
      const { code, message } = await refusal(decide(await mesh.as(requester), { accessRequest }));
      expect(code).toBe('FORBIDDEN');
      expect(message).toContain('Nobody decides his own request');
    }
  }
  const admin = await mesh.admin();
  const { accessRequestId: accessRequest } = await requestAccess(admin, input());
  expect((await refusal(approveAccessRequest(admin, { accessRequest }))).code).toBe('FORBIDDEN');
  await cancelAccessRequest(admin, { accessRequest });
  expect(await requestOf(accessRequest)).toMatchObject({ status: 'CANCELLED', decidedBy: 'admin' });
});

test('a request is decided once: of twenty deciders one succeeds', async () => {
  const { accessRequestId: accessRequest } = await requestAccess(await mesh.as('finance-member'), input());
  const deciders = await Promise.all(
    Array.from({ length: 20 }, (_, index) => mesh.as(index % 2 === 0 ? 'commerce-owner' : 'commerce-steward')),
  );
  const outcomes = await Promise.allSettled(
    deciders.map((ctx, index) =>
      index % 3 === 0 ? rejectAccessRequest(ctx, { accessRequest }) : approveAccessRequest(ctx, { accessRequest }),
    ),
  );
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  for (const outcome of outcomes) if (outcome.status === 'rejected') expect(outcome.reason.code).toBe('STATE');
  const decided = (await eventsOf('AccessRequest', accessRequest)).filter(({ type }) => type !== 'AccessRequested');
  expect(decided).toHaveLength(1);
});

test(`revoke racing the answer of AWS, ${PAIRS} pairs: nothing is granted after a committed revoke`, async () => {
  const grants = [];
  for (let number = 0; number < PAIRS; number += 1) grants.push((await grant()).accessGrantId);
  await mesh.database.pool.query(`UPDATE "Resource" SET "status" = 'READY', "observedGeneration" = "generation"`);
  // The grants above are ACTIVE as soon as AWS has them; put them back to where a reconciler's answer still matters.
  const back = `UPDATE "AccessGrant" SET "status" = 'PROVISIONING', "grantedAt" = NULL WHERE "id" = ANY ($1)`;
  await changeAsOwner(mesh.ownerUrl, back, [grants]);
  const before = (await mesh.events()).length;
  const ctx = await mesh.as('commerce-owner');
  // As many at once as there are connections: more would only wait for one.
  for (let start = 0; start < grants.length; start += 10) {
    await Promise.all(
      grants.slice(start, start + 10).flatMap((id, index) => {
        const answer = () =>
          inTransaction(mesh.database.prisma, (tx) => settled(MESH, tx, { type: 'ACCESS_GRANT', id }));
        const revoke = () => revokeAccess(ctx, { accessGrant: id, reason: 'Race' });
        return index % 2 === 0 ? [answer(), revoke()] : [revoke(), answer()];
      }),
    );
  }
  await mesh.agree();
  const after = (await mesh.events()).slice(before);
  for (const id of grants) {
    expect(await grantOf(id)).toMatchObject({ status: 'REVOKED' });
    const types = after.filter(({ subject }) => subject.id === globalId('AccessGrant', id)).map(({ type }) => type);
    expect(types.filter((type) => type !== 'AccessRevoking')).toHaveLength(types.length - 1);
    const answered = types.filter((type) => type !== 'AccessRevoking');
    expect([['AccessRevoked'], ['AccessGranted', 'AccessRevoked']]).toContainEqual(answered);
    expect(types.indexOf('AccessGranted')).toBeLessThanOrEqual(types.indexOf('AccessRevoking'));
  }
  expect(await mesh.database.prisma.resourceClaim.count({ where: { ownerId: { in: grants } } })).toBe(0);
}, 600_000);

test('a grant that AWS refuses fails with the reason, and comes back when the cause is cured', async () => {
  const { accessGrantId: id } = await grant({ principals: ['arn:aws:iam::222222222222:role/broken'] });
  const error = { code: 'InvalidInputException', message: 'Invalid principal', awsRequestId: null };
  await mesh.database.pool.query(
    `UPDATE "Resource" SET "status" = 'FAILED', "lastError" = $1 WHERE "kind" = 'LfGrant' AND "key" LIKE '%role/broken on table 9%'`,
    [JSON.stringify(error)],
  );
  await inTransaction(mesh.database.prisma, (tx) => settled(MESH, tx, { type: 'ACCESS_GRANT', id }));
  expect(await grantOf(id)).toMatchObject({ status: 'FAILED', reason: expect.stringContaining('Invalid principal') });
  const [failed] = await eventsOf('AccessGrant', id);
  expect(failed).toMatchObject({ type: 'AccessFailed', actor: { kind: 'SYSTEM' } });
  await mesh.agree();
  expect(await grantOf(id)).toMatchObject({ status: 'ACTIVE', reason: null });
});

test('a grant ends when its time has come by the database clock, and an end that passed cannot be approved', async () => {
  const soon = new Date(Date.now() + 60_000);
  const { accessGrantId: id } = await grant({
    expiresAt: soon,
    principals: ['arn:aws:iam::222222222222:role/temporary'],
  });
  const { accessRequestId: accessRequest } = await requestAccess(await mesh.as('finance-member'), {
    ...input(),
    expiresAt: soon,
  });
  await mesh.agree();
  const system = { db: mesh.database.prisma, mesh: MESH, committed: () => {} };
  expect(await expireDueGrants(system, nobodyFails)).toBe(0);
  await mesh.change(`UPDATE "AccessGrant" SET "expiresAt" = now() - interval '1 second' WHERE "id" = $1`, [id]);
  const past = `UPDATE "AccessRequest" SET "expiresAt" = now() - interval '1 second' WHERE "id" = $1`;
  await changeAsOwner(mesh.ownerUrl, past, [accessRequest]);
  const both = await Promise.all([expireDueGrants(system, nobodyFails), expireDueGrants(system, nobodyFails)]);
  expect(both).toEqual(expect.arrayContaining([0, 1]));
  expect(await grantOf(id)).toMatchObject({ status: 'REVOKING', endsAs: 'EXPIRED' });
  await mesh.agree();
  expect(await grantOf(id)).toMatchObject({ status: 'EXPIRED' });
  expect((await eventsOf('AccessGrant', id)).map(({ type }) => type)).toEqual(['AccessGranted', 'AccessExpired']);
  expect((await refusal(approveAccessRequest(await mesh.as('commerce-owner'), { accessRequest }))).code).toBe('STATE');
});

test('an approval may shorten or set the end, never lengthen it', async () => {
  const owner = await mesh.as('commerce-owner');
  const day = (number: number) => new Date(Date.now() + number * 86_400_000);
  const ask = async (expiresAt: Date | null) =>
    (await requestAccess(await mesh.as('finance-member'), { ...input(), expiresAt })).accessRequestId;
  const long = await ask(day(2));
  expect(await refusal(approveAccessRequest(owner, { accessRequest: long, expiresAt: day(3) }))).toMatchObject({
    code: 'VALIDATION',
    path: 'expiresAt',
  });
  const [shorter, set] = [day(1), day(5)];
  const shortened = await approveAccessRequest(owner, { accessRequest: long, expiresAt: shorter });
  expect((await grantOf(shortened.accessGrantId)).expiresAt).toEqual(shorter);
  const ended = await approveAccessRequest(owner, { accessRequest: await ask(null), expiresAt: set });
  expect((await grantOf(ended.accessGrantId)).expiresAt).toEqual(set);
  expect((await refusal(ask(new Date(Date.now() - 1_000)))).path).toBe('expiresAt');
});

const refused: [string, object, string, string][] = [
  [
    'a session of a role',
    { principals: ['arn:aws:sts::222222222222:assumed-role/analyst/me'] },
    'principals.0',
    'arn:aws:iam::222222222222:role/analyst',
  ],
  ['a whole account', { principals: ['arn:aws:iam::222222222222:root'] }, 'principals.0', 'IAM roles or users'],
  ['a wildcard', { principals: ['arn:aws:iam::222222222222:role/*'] }, 'principals.0', 'wildcard'],
  [
    'a principal of another account',
    { principals: ['arn:aws:iam::111111111111:role/x'] },
    'principals.0',
    "consumer domain's account 222222222222",
  ],
  ['no ARN', { principals: ['analyst'] }, 'principals.0', 'is not the ARN of an IAM role or user'],
  ['no principal', { principals: [] }, 'principals', 'at least one'],
  ['a table that is not there', { tables: ['orders'] }, 'tables.0', 'it has orders_heads, orders_lines'],
  ['a column that is not there', { columns: ['orders_heads.sku'] }, 'columns.0', 'no column orders_heads.sku'],
  ['a bare column of several tables', { columns: ['id'] }, 'columns.0', '`table.column`'],
  [
    'a column outside the tables',
    { tables: ['orders_lines'], columns: ['orders_heads.id'] },
    'columns.0',
    'not among the tables',
  ],
  ['a row filter on what one of the tables has not', { rowFilter: "total > '1'" }, 'rowFilter', 'no column total'],
  [
    'a row filter of the wrong type',
    { tables: ['orders_heads'], rowFilter: 'total > 5' },
    'rowFilter',
    'at character 9: expected a text',
  ],
  [
    'writing to columns',
    { permissions: ['SELECT', 'INSERT'], columns: ['orders_heads.id'] },
    'permissions',
    'INSERT is given on whole tables only',
  ],
  ['access by tag to what is given by name', { accessMode: 'LF_TBAC' }, 'accessMode', 'given by NRAC'],
  ['columns without SELECT', { permissions: ['DESCRIBE'], columns: ['orders_heads.id'] }, 'permissions', 'SELECT only'],
  ['no purpose', { purpose: '  ' }, 'purpose', 'empty'],
];
test.each(refused)('refuses %s and says what to give', async (_, more, path, says) => {
  const answer = await refusal(requestAccess(await mesh.as('finance-member'), { ...input(), ...more }));
  expect(answer).toMatchObject({ code: 'VALIDATION', path });
  expect(answer.message).toContain(says);
});

test('a bare column name means the one table asked for, a user with a path is a principal, tables asked are kept by name', async () => {
  const { accessRequestId } = await requestAccess(await mesh.as('finance-member'), {
    ...input(),
    principals: ['arn:aws:iam::222222222222:user/teams/bi/ann', 'arn:aws:iam::222222222222:user/teams/bi/ann'],
    tables: ['orders_lines'],
    columns: ['sku'],
  });
  expect(await requestOf(accessRequestId)).toMatchObject({
    principals: ['arn:aws:iam::222222222222:user/teams/bi/ann'],
    tables: ['orders_lines'],
    columns: ['orders_lines.sku'],
    permissions: ['SELECT', 'DESCRIBE'],
  });
  const all = await requestAccess(await mesh.as('finance-member'), input());
  expect(await requestOf(all.accessRequestId)).toMatchObject({ tables: ['orders_heads', 'orders_lines'], columns: [] });
});

test('an outsider can ask for no domain, and sees no request; who sees it and may not decide is told so', async () => {
  expect((await refusal(requestAccess(await mesh.as('nobody'), input()))).code).toBe('FORBIDDEN');
  const { accessRequestId: accessRequest } = await requestAccess(await mesh.as('finance-member'), input());
  expect((await refusal(approveAccessRequest(await mesh.as('nobody'), { accessRequest }))).code).toBe('NOT_FOUND');
  expect((await refusal(approveAccessRequest(await mesh.as('finance-owner'), { accessRequest }))).code).toBe(
    'FORBIDDEN',
  );
  expect((await refusal(approveAccessRequest(await mesh.as('commerce-member'), { accessRequest }))).code).toBe(
    'FORBIDDEN',
  );
  expect((await refusal(cancelAccessRequest(await mesh.as('commerce-owner'), { accessRequest }))).code).toBe(
    'FORBIDDEN',
  );
  await cancelAccessRequest(await mesh.as('finance-member'), { accessRequest });
  const again = await refusal(approveAccessRequest(await mesh.as('commerce-owner'), { accessRequest }));
  expect(again).toMatchObject({ code: 'STATE', message: expect.stringContaining('CANCELLED') });
});

test('a deprecated product takes no new requests, but those that wait may still be approved', async () => {
  const product = await seedProduct(mesh, { id: commerce, name: 'commerce' }, 'returns');
  const asked = { ...input(), dataProduct: product };
  const { accessRequestId: accessRequest } = await requestAccess(await mesh.as('finance-member'), asked);
  await deprecateDataProduct(await mesh.as('commerce-owner'), { dataProduct: product, reason: 'Use orders' });
  expect((await refusal(requestAccess(await mesh.as('finance-member'), asked))).code).toBe('STATE');
  await approveAccessRequest(await mesh.as('commerce-owner'), { accessRequest });
  expect(await requestOf(accessRequest)).toMatchObject({ status: 'APPROVED' });
});

const nobodyFails = {
  failed: (_id: string, error: unknown) => {
    throw error;
  },
};

/** A database whose next transactions are lost with their connection. */
function failing<T extends object>(db: T, times: number): T {
  let left = times;
  return new Proxy(db, {
    get: (target, key) => {
      if (key !== '$transaction' || left === 0) return Reflect.get(target, key);
      left -= 1;
      return () => Promise.reject(new Error('Connection terminated unexpectedly'));
    },
  });
}

test('a grant that cannot be ended holds back no other, and is told', async () => {
  const ids = [await grant(), await grant()].map(({ accessGrantId }) => accessGrantId);
  await mesh.agree();
  await mesh.change(`UPDATE "AccessGrant" SET "expiresAt" = now() - interval '1 second' WHERE "id" = ANY ($1)`, [ids]);
  // That of both together, and that of the first alone.
  const db = failing(mesh.database.prisma, 2);
  const system = { db, mesh: MESH, committed: () => undefined };
  const told: string[] = [];
  expect(await expireDueGrants(system, { failed: (id) => told.push(id) })).toBe(1);
  expect(ids).toContain(told[0]);
  const ended = ids.filter((id) => !told.includes(id));
  for (const id of ended) expect(await grantOf(id)).toMatchObject({ endsAs: 'EXPIRED' });
  expect(await expireDueGrants(system, { failed: (id) => told.push(id) })).toBe(1);
  for (const id of ids) expect(await grantOf(id)).toMatchObject({ endsAs: 'EXPIRED' });
});

test('an empty list of tables or columns is refused: it must not mean all of them', async () => {
  for (const field of ['tables', 'columns']) {
    const asked = requestAccess(await mesh.as('finance-member'), { ...input(), [field]: [] });
    expect(await refusal(asked)).toMatchObject({
      code: 'VALIDATION',
      message: expect.stringContaining('leave it out'),
    });
  }
});
