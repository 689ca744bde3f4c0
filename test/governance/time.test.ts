import { afterAll, beforeAll, expect, test } from 'vitest';
import { approveAccessRequest } from '../../src/governance/access-approval.js';
import { extendAccess } from '../../src/governance/access-extension.js';
import { revokeAccess } from '../../src/governance/access-grant.js';
import { cancelAccessRequest, rejectAccessRequest } from '../../src/governance/access-request.js';
import { expireDueGrants } from '../../src/governance/expire.js';
import { globalId } from '../../src/governance/global-id.js';
import { remindOfEnds } from '../../src/governance/remind.js';
import { accessInput, MESH, openMesh, refusal, seedDomain, seedGrant, seedProduct, type TestMesh } from './mesh.js';

let mesh: TestMesh;
let finance: string;
let orders: string;

beforeAll(async () => {
  mesh = await openMesh();
  const commerce = await seedDomain(mesh, 'commerce', 1);
  finance = await seedDomain(mesh, 'finance', 2);
  await mesh.agree();
  orders = await seedProduct(mesh, { id: commerce, name: 'commerce' }, 'orders');
});
afterAll(() => mesh.close());

const DAY = 86_400_000;
const inDays = (days: number) => new Date(Date.now() + days * DAY);
const grantOf = (id: string) => mesh.database.prisma.accessGrant.findUniqueOrThrow({ where: { id } });
const requestOf = (id: string) => mesh.database.prisma.accessRequest.findUniqueOrThrow({ where: { id } });
const typesAbout = async (id: string) =>
  (await mesh.events())
    .filter(({ subject }) => [globalId('AccessGrant', id), globalId('AccessRequest', id)].includes(subject.id))
    .map(({ type }) => type);

/** An active grant to the finance domain, asked by its member. */
async function granted(days: number): Promise<string> {
  const input = {
    ...accessInput({ dataProduct: orders, consumerDomain: finance, account: 2 }),
    expiresAt: inDays(days),
  };
  const { accessGrantId } = await seedGrant(mesh, { requester: 'finance-member', decider: 'commerce-steward', input });
  await mesh.agree();
  return accessGrantId;
}

test('who could approve it moves the end at once, and the event says from when to when', async () => {
  const id = await granted(10);
  const [before, until] = [(await grantOf(id)).expiresAt, inDays(40)];
  const extension = { accessGrant: id, expiresAt: until, reason: 'The project goes on' };
  const { accessRequestId } = await extendAccess(await mesh.as('commerce-owner'), extension);
  expect(accessRequestId).toBe('');
  expect(await grantOf(id)).toMatchObject({ status: 'ACTIVE', expiresAt: until });
  const event = (await mesh.events()).at(-1);
  expect(event).toMatchObject({
    type: 'AccessExtended',
    subject: { type: 'AccessGrant', id: globalId('AccessGrant', id) },
    data: { before: { expiresAt: before?.toISOString() }, after: { expiresAt: until.toISOString() } },
  });
});

test('anybody else asks: the end stays until the request is approved, and his own request he never approves', async () => {
  const id = await granted(10);
  const [before, until] = [(await grantOf(id)).expiresAt, inDays(40)];
  const member = await mesh.as('finance-member');
  const { accessRequestId } = await extendAccess(member, { accessGrant: id, expiresAt: until });
  expect(await grantOf(id)).toMatchObject({ expiresAt: before });
  expect(await requestOf(accessRequestId)).toMatchObject({ status: 'PENDING', extendsId: id, expiresAt: until });
  const again = await refusal(extendAccess(member, { accessGrant: id, expiresAt: inDays(50) }));
  expect(again).toMatchObject({ code: 'CONFLICT', message: expect.stringContaining('finance-member has asked') });
  expect(await refusal(approveAccessRequest(member, { accessRequest: accessRequestId }))).toMatchObject({
    code: 'FORBIDDEN',
  });
  const answer = await approveAccessRequest(await mesh.as('commerce-steward'), { accessRequest: accessRequestId });
  expect(answer.accessGrantId).toBe(id);
  expect(await grantOf(id)).toMatchObject({ status: 'ACTIVE', expiresAt: until });
  expect(await typesAbout(accessRequestId)).toEqual(['AccessRequested', 'AccessApproved']);
  expect((await typesAbout(id)).at(-1)).toBe('AccessExtended');
  expect(await mesh.database.prisma.accessGrant.count({ where: { requestId: accessRequestId } })).toBe(0);
});

test('an approval may shorten what an extension asks; a rejected or cancelled one leaves the end', async () => {
  const id = await granted(10);
  const member = await mesh.as('finance-member');
  const steward = await mesh.as('commerce-steward');
  const ask = async () => (await extendAccess(member, { accessGrant: id, expiresAt: inDays(90) })).accessRequestId;
  const before = (await grantOf(id)).expiresAt;
  await rejectAccessRequest(steward, { accessRequest: await ask(), comment: 'No' });
  await cancelAccessRequest(member, { accessRequest: await ask() });
  expect(await grantOf(id)).toMatchObject({ expiresAt: before });
  const end = inDays(30);
  await approveAccessRequest(steward, { accessRequest: await ask(), expiresAt: end });
  expect(await grantOf(id)).toMatchObject({ expiresAt: end });
});

test('an earlier end needs nobody where it is who asked for the access, or who may revoke it, and nobody else', async () => {
  const id = await granted(10);
  const end = inDays(2);
  const { accessRequestId } = await extendAccess(await mesh.as('finance-member'), { accessGrant: id, expiresAt: end });
  expect(accessRequestId).toBe('');
  expect(await grantOf(id)).toMatchObject({ expiresAt: end });
  await mesh.database.prisma.domainMember.create({
    data: { domainId: finance, subject: 'finance-other', role: 'MEMBER', createdBy: 'admin' },
  });
  const sooner = { accessGrant: id, expiresAt: inDays(1) };
  expect(await refusal(extendAccess(await mesh.as('finance-other'), sooner))).toMatchObject({ code: 'FORBIDDEN' });
  expect(await grantOf(id)).toMatchObject({ expiresAt: end });
});

test('who asked for access and has left the domain since extends nothing', async () => {
  const id = await granted(10);
  const left = await mesh.as('finance-member');
  await mesh.database.pool.query(`DELETE FROM "DomainMember" WHERE "subject" = 'finance-member'`);
  try {
    expect(await refusal(extendAccess(left, { accessGrant: id, expiresAt: inDays(40) }))).toMatchObject({
      code: 'FORBIDDEN',
    });
  } finally {
    await mesh.database.prisma.domainMember.create({
      data: { domainId: finance, subject: 'finance-member', role: 'MEMBER', createdBy: 'admin' },
    });
  }
});

test('a decision that races the end of its grant stays as it was made, 20 pairs', async () => {
  const steward = await mesh.as('commerce-steward');
  for (let pair = 0; pair < 20; pair += 1) {
    const id = await granted(10);
    const member = await mesh.as('finance-member');
    const { accessRequestId } = await extendAccess(member, { accessGrant: id, expiresAt: inDays(40) });
    const [rejected] = await Promise.allSettled([
      rejectAccessRequest(steward, { accessRequest: accessRequestId, comment: 'No' }),
      revokeAccess(steward, { accessGrant: id, reason: 'Race' }),
    ]);
    const { status } = await requestOf(accessRequestId);
    expect(status).toBe(rejected.status === 'fulfilled' ? 'REJECTED' : 'CANCELLED');
    const last = rejected.status === 'fulfilled' ? 'AccessRejected' : 'AccessCancelled';
    expect(await typesAbout(accessRequestId)).toEqual(['AccessRequested', last]);
  }
});

test('what has ended cannot be extended, also where the clock has not come to it, and its open requests are closed', async () => {
  const id = await granted(10);
  const member = await mesh.as('finance-member');
  const owner = await mesh.as('commerce-owner');
  const { accessRequestId } = await extendAccess(member, { accessGrant: id, expiresAt: inDays(40) });
  await mesh.change(`UPDATE "AccessGrant" SET "expiresAt" = now() - interval '1 second' WHERE "id" = $1`, [id]);
  for (const late of [
    () => extendAccess(owner, { accessGrant: id, expiresAt: inDays(40) }),
    () => approveAccessRequest(owner, { accessRequest: accessRequestId }),
  ]) {
    expect(await refusal(late())).toMatchObject({
      code: 'STATE',
      message: expect.stringContaining('The grant ended at'),
    });
  }
  const system = { db: mesh.database.prisma, mesh: MESH, committed: () => undefined };
  expect(await expireDueGrants(system, { failed: () => undefined })).toBe(1);
  expect(await requestOf(accessRequestId)).toMatchObject({ status: 'CANCELLED', comment: 'The grant has ended.' });
  expect(await refusal(extendAccess(owner, { accessGrant: id, expiresAt: inDays(40) }))).toMatchObject({
    code: 'STATE',
  });
});

test('an end in the past, the same end, and somebody who has nothing to do with it are refused', async () => {
  const id = await granted(10);
  const owner = await mesh.as('commerce-owner');
  const end = (await grantOf(id)).expiresAt as Date;
  for (const expiresAt of [inDays(-1), end]) {
    expect(await refusal(extendAccess(owner, { accessGrant: id, expiresAt }))).toMatchObject({
      code: 'VALIDATION',
      path: 'expiresAt',
    });
  }
  const outsider = extendAccess(await mesh.as('nobody'), { accessGrant: id, expiresAt: inDays(20) });
  expect(await refusal(outsider)).toMatchObject({ code: 'NOT_FOUND' });
});

test('extend racing revoke, 25 times from two sides: what was revoked stays revoked', async () => {
  const owner = await mesh.as('commerce-owner');
  const ids: string[] = [];
  for (let round = 0; round < 25; round += 1) {
    const id = await granted(10);
    ids.push(id);
    const until = inDays(60);
    const [, revoked] = await Promise.allSettled([
      extendAccess(owner, { accessGrant: id, expiresAt: until }),
      revokeAccess(owner, { accessGrant: id, reason: 'Race' }),
      extendAccess(owner, { accessGrant: id, expiresAt: inDays(30) }),
    ]);
    expect(revoked.status).toBe('fulfilled');
    expect(['REVOKING', 'REVOKED']).toContain((await grantOf(id)).status);
  }
  await mesh.agree();
  for (const id of ids) expect((await grantOf(id)).status).toBe('REVOKED');
}, 60_000);

test('reminders come once for each number of days, the nearest alone, and anew after an extension', async () => {
  const id = await granted(30);
  const reminders = { db: mesh.database.prisma, committed: () => undefined };
  const remind = () => Promise.all([remindOfEnds(reminders, [14, 7, 1]), remindOfEnds(reminders, [14, 7, 1])]);
  const endsIn = (days: number) =>
    mesh.change(`UPDATE "AccessGrant" SET "expiresAt" = now() + $2 * interval '1 day' WHERE "id" = $1`, [id, days]);
  const told = async () =>
    (await mesh.events())
      .filter(({ type, subject }) => type === 'AccessExpiring' && subject.id === globalId('AccessGrant', id))
      .map(({ data }) => data.days);
  await remind();
  expect(await told()).toEqual([]);
  // The grant is thirty days old in what follows, so that every reminder lies within its time.
  await mesh.change(`UPDATE "AccessGrant" SET "createdAt" = now() - interval '30 days' WHERE "id" = $1`, [id]);
  await endsIn(6.5);
  await remind();
  await remind();
  expect(await told()).toEqual([7]);
  await endsIn(0.5);
  await remind();
  expect(await told()).toEqual([7, 1]);
  await extendAccess(await mesh.as('commerce-owner'), { accessGrant: id, expiresAt: inDays(13) });
  await remind();
  expect(await told()).toEqual([7, 1, 14]);
});

test('who was granted two days only is not told at once that two weeks are over', async () => {
  const id = await granted(2);
  await remindOfEnds({ db: mesh.database.prisma, committed: () => undefined }, [14, 7, 1]);
  expect(await typesAbout(id)).not.toContain('AccessExpiring');
});
