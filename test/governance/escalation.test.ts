import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { approveAccessRequest } from '../../src/governance/access-approval.js';
import { rejectAccessRequest, requestAccess } from '../../src/governance/access-request.js';
import { nameDeputy } from '../../src/governance/deputy.js';
import { updateDomain } from '../../src/governance/domain.js';
import { followUpWaiting } from '../../src/governance/escalation.js';
import { globalId } from '../../src/governance/global-id.js';
import { openDatabase } from '../../src/server/database.js';
import { accessInput, openMesh, refusal, seedDomain, seedProduct, type TestMesh } from './mesh.js';

let mesh: TestMesh;
let sales: string;
let finance: string;
let orders: string;
let ledger: string;
let id: string;

beforeAll(async () => {
  mesh = await openMesh();
  sales = await seedDomain(mesh, 'sales', 1);
  finance = await seedDomain(mesh, 'finance', 2);
  orders = await seedProduct(mesh, { id: sales, name: 'sales' }, 'orders');
  ledger = await seedProduct(mesh, { id: sales, name: 'sales' }, 'ledger');
  await mesh.change(`UPDATE "DataProduct" SET "classification" = 'CONFIDENTIAL' WHERE "id" = $1`, [ledger]);
});
afterAll(() => mesh.close());
beforeEach(async () => {
  id = await ask(orders);
});
afterEach(async () => {
  vi.useRealTimers();
  await set({ remindAfter: 'P2D', escalateAfter: 'P5D' });
  await mesh.change(
    `UPDATE "AccessRequest" SET "status" = 'CANCELLED', "decidedAt" = now(), "decidedBy" = 'test'
    WHERE "status" = 'PENDING'`,
    [],
  );
});

async function ask(dataProduct: string): Promise<string> {
  const input = accessInput({ dataProduct, consumerDomain: finance, account: 2 });
  return (await requestAccess(await mesh.as('finance-member'), input)).accessRequestId;
}
/** As if it had been asked so long ago, and what was done since had been done so long before. */
const older = (interval: string) =>
  mesh.change(
    `UPDATE "AccessRequest" SET "createdAt" = "createdAt" - $2::interval, "remindedAt" = "remindedAt" - $2::interval,
       "escalatedAt" = "escalatedAt" - $2::interval WHERE "id" = $1`,
    [id, interval],
  );
const set = async (waiting: { remindAfter?: string | null; escalateAfter?: string | null }) =>
  updateDomain(await mesh.as('sales-owner'), { domain: sales, ...waiting });
const look = () => followUpWaiting({ db: mesh.database.prisma, committed: () => undefined });
const requestOf = () => mesh.database.prisma.accessRequest.findUniqueOrThrow({ where: { id } });
const told = async () =>
  (await mesh.events()).filter(
    ({ type, subject }) => subject.id === globalId('AccessRequest', id) && /Reminded|Escalated/.test(type),
  );
const types = async () => (await told()).map(({ type }) => type);

describe('a request that waits', () => {
  test('is reminded of after two days, and then once a day until it is decided', async () => {
    await older('47 hours');
    await look();
    expect(await types()).toEqual([]);
    await older('2 hours');
    await look();
    await look();
    expect(await types()).toEqual(['AccessRequestReminded']);
    await older('23 hours');
    await look();
    expect(await types()).toHaveLength(1);
    await older('2 hours');
    await look();
    expect(await types()).toEqual(['AccessRequestReminded', 'AccessRequestReminded']);
    const { updatedAt, createdAt } = await requestOf();
    expect(updatedAt.getTime()).toBeGreaterThan(createdAt.getTime() + 86_400_000);
    await rejectAccessRequest(await mesh.as('sales-steward'), { accessRequest: id });
    await older('3 days');
    await look();
    expect(await types()).toHaveLength(2);
  });

  test('reminds the requester and those whose word helps: stewards and deputies, not who asked nor who has approved', async () => {
    const until = new Date(Date.now() + 7 * 86_400_000);
    await nameDeputy(await mesh.as('sales-steward'), { domain: sales, deputy: 'dora', until });
    await older('2 days');
    await look();
    const [event] = await told();
    expect(event).toMatchObject({
      ...{ actor: { kind: 'SYSTEM' }, audiencePublic: false, audienceDomains: [] },
      audienceSubjects: ['dora', 'finance-member', 'sales-steward'],
      data: {
        waitingSince: (await requestOf()).createdAt.toISOString(),
        deciders: [
          { subject: 'dora', standsInFor: 'sales-steward' },
          { subject: 'sales-steward', standsInFor: null },
        ],
      },
    });
    id = await ask(ledger);
    await approveAccessRequest(await mesh.as('sales-steward'), { accessRequest: id });
    await older('2 days');
    await look();
    expect((await told())[0]?.audienceSubjects).toEqual(['finance-member', 'sales-owner']);
  });

  test('is escalated to owners after five days, where stewards were asked, and to admins after five more, each once', async () => {
    await older('5 days');
    await look();
    await look();
    expect(await types()).toEqual(['AccessRequestReminded', 'AccessRequestEscalated']);
    expect((await told())[1]).toMatchObject({
      audienceSubjects: expect.arrayContaining(['finance-member', 'sales-owner', 'sales-steward']),
      data: { escalatedTo: 'OWNERS' },
    });
    expect(await requestOf()).toMatchObject({ escalatedTo: 'OWNERS', escalatedAt: expect.any(Date) });
    await older('119 hours');
    await look();
    expect((await requestOf()).escalatedTo).toBe('OWNERS');
    await older('2 hours');
    await look();
    expect(await requestOf()).toMatchObject({ escalatedTo: 'ADMINS' });
    await older('60 days');
    await look();
    expect((await types()).filter((type) => type === 'AccessRequestEscalated')).toHaveLength(2);
  });

  test('that owners alone can grant goes to admins at once', async () => {
    id = await ask(ledger);
    await older('5 days');
    await look();
    expect(await requestOf()).toMatchObject({ escalatedTo: 'ADMINS' });
  });

  test('is decided by an admin, unless he asked for it himself', async () => {
    await older('11 days');
    await look();
    await approveAccessRequest(await mesh.admin(), { accessRequest: id });
    expect(await requestOf()).toMatchObject({ status: 'APPROVED', escalatedTo: 'OWNERS' });
    const admin = await mesh.as('finance-member', { admin: true });
    id = await ask(orders);
    expect(await refusal(approveAccessRequest(admin, { accessRequest: id }))).toMatchObject({ code: 'FORBIDDEN' });
  });
});

describe('how long it waits', () => {
  test("is the product's domain's to say, or never", async () => {
    await set({ remindAfter: null, escalateAfter: null });
    await older('80 days');
    await look();
    expect(await types()).toEqual([]);
    await set({ remindAfter: 'PT90M', escalateAfter: 'P1WT1M' });
    await look();
    expect(await types()).toEqual(['AccessRequestReminded', 'AccessRequestEscalated']);
    expect((await mesh.events()).filter(({ type }) => type === 'DomainUpdated').at(-1)).toMatchObject({
      data: { after: { remindAfter: 'PT90M', escalateAfter: 'P1WT1M' } },
    });
  });

  test.each(['PT1S', 'P91D', 'P', 'PT', '2 days', 'P1M', 'P-2D', 'PT0M'])('is not %s', async (remindAfter) => {
    expect(await refusal(set({ remindAfter }))).toMatchObject({ code: 'VALIDATION', path: 'remindAfter' });
  });

  test('is within these bounds in the database too', async () => {
    const past = mesh.database.prisma.domain.update({ where: { id: sales }, data: { escalateAfter: 'PT1S' } });
    await expect(past).rejects.toThrow(/Domain_escalate_after/);
  });

  test('is judged by the clock of the database, whatever time the worker believes it is', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 30 * 86_400_000 });
    await look();
    expect(await types()).toEqual([]);
    vi.useRealTimers();
    await older('3 days');
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() - 30 * 86_400_000 });
    await look();
    expect(await types()).toEqual(['AccessRequestReminded']);
  });
});

test('several workers tell each of many requests once, also where one is decided meanwhile', async () => {
  const ids = [id, await ask(orders), await ask(orders), await ask(orders), await ask(orders), await ask(orders)];
  await mesh.change(
    `UPDATE "AccessRequest" SET "createdAt" = now() - interval '6 days' WHERE "status" = 'PENDING'`,
    [],
  );
  const others = [1, 2].map(() => openDatabase(mesh.serverUrl, { poolSize: 4 }));
  try {
    const workers = [mesh.database, ...others].map(({ prisma: db }) =>
      followUpWaiting({ db, committed: () => undefined }),
    );
    const rejecting = rejectAccessRequest(await mesh.as('sales-steward'), { accessRequest: ids.at(-1) as string });
    const done = await Promise.all(workers);
    await rejecting;
    const about = new Set(ids.map((one) => globalId('AccessRequest', one)));
    const events = (await mesh.events()).filter(
      ({ subject, type }) => about.has(subject.id) && type === 'AccessRequestReminded',
    );
    const escalated = (await mesh.events()).filter(
      ({ subject, type }) => about.has(subject.id) && type === 'AccessRequestEscalated',
    );
    for (const list of [events, escalated]) {
      const subjects = list.map(({ subject }) => subject.id);
      expect(new Set(subjects).size).toBe(subjects.length);
      expect(subjects.length).toBeGreaterThanOrEqual(ids.length - 1);
    }
    expect(done.reduce((sum, count) => sum + count, 0)).toBe(events.length + escalated.length);
    await look();
    const told = (await mesh.events()).filter(
      ({ subject, type }) => about.has(subject.id) && /Reminded|Escalated/.test(type),
    );
    expect(told).toHaveLength(events.length + escalated.length);
  } finally {
    for (const other of others) await other.close();
  }
});
