import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Classification } from '../../src/generated/prisma/client.js';
import { approveAccessRequest } from '../../src/governance/access-approval.js';
import { extendAccess } from '../../src/governance/access-extension.js';
import { revokeAccess } from '../../src/governance/access-grant.js';
import { rejectAccessRequest, requestAccess } from '../../src/governance/access-request.js';
import { endDeputy, endLapsedDeputies, nameDeputy } from '../../src/governance/deputy.js';
import { addDomainMember, removeDomainMember } from '../../src/governance/domain.js';
import { activatePolicy, createPolicy, deactivatePolicy } from '../../src/governance/policy.js';
import { registerServiceAccount } from '../../src/governance/service-account.js';
import { atScale } from '../faults/scale.js';
import { accessInput, MESH, openMesh, refusal, seedDomain, seedProduct, type TestMesh } from './mesh.js';

let mesh: TestMesh;
let owner: pg.Client;
let sales: string;
let finance: string;
const products = {} as Record<Classification, string>;

const OWNER = 'sales-owner';
const STEWARD = 'sales-steward';
const DAY = 86_400_000;
const inDays = (days: number) => new Date(Date.now() + days * DAY);

beforeAll(async () => {
  mesh = await openMesh();
  owner = new pg.Client({ connectionString: mesh.ownerUrl });
  await owner.connect();
  sales = await seedDomain(mesh, 'sales', 1);
  finance = await seedDomain(mesh, 'finance', 2);
  for (const classification of ['INTERNAL', 'CONFIDENTIAL', 'RESTRICTED'] as const) {
    products[classification] = await seedProduct(mesh, { id: sales, name: 'sales' }, classification.toLowerCase());
    await mesh.change(`UPDATE "DataProduct" SET "classification" = $2::"Classification" WHERE "id" = $1`, [
      products[classification],
      classification,
    ]);
  }
});
afterAll(async () => {
  await owner.end();
  await mesh.close();
});
afterEach(async () => {
  vi.useRealTimers();
  // Each test names its own.
  await owner.query(`UPDATE "Deputy" SET "endedAt" = now(), "endedBy" = 'test' WHERE "endedAt" IS NULL`);
});

async function ask(classification: Classification = 'INTERNAL', requester = 'finance-member'): Promise<string> {
  const [consumerDomain, account] = requester.includes('sales') ? [sales, 1] : [finance, 2];
  const input = accessInput({ dataProduct: products[classification], consumerDomain, account });
  return (await requestAccess(await mesh.as(requester), { ...input, expiresAt: inDays(30) })).accessRequestId;
}
const named = async (standsInFor: string, deputy: string, until: Date = inDays(7), from?: Date): Promise<string> =>
  (await nameDeputy(await mesh.as(standsInFor), { domain: sales, deputy, until, from: from ?? null })).deputyId;
const approve = async (who: string, accessRequest: string, onBehalfOf?: string) =>
  approveAccessRequest(await mesh.as(who), { accessRequest, ...(onBehalfOf ? { onBehalfOf } : {}) });
const reject = async (who: string, accessRequest: string) => rejectAccessRequest(await mesh.as(who), { accessRequest });
const requestOf = (id: string) =>
  mesh.database.prisma.accessRequest.findUniqueOrThrow({ where: { id }, include: { approvals: true } });
const lastOf = async (type: string) => (await mesh.events()).filter((event) => event.type === type).at(-1);

describe('while it lasts, a deputy', () => {
  test('approves and rejects as the one whose place he takes, and all that is kept says who did it for whom', async () => {
    await named(OWNER, 'dora');
    const approved = await ask();
    await approve('dora', approved);
    expect(await requestOf(approved)).toMatchObject({
      ...{ status: 'APPROVED', decidedBy: 'dora', decidedFor: OWNER },
      approvals: [{ approvedBy: 'dora', approvedFor: OWNER, role: 'OWNER', asAdmin: false }],
    });
    expect(await lastOf('AccessApproved')).toMatchObject({
      actor: { subject: 'dora' },
      data: { decidedBy: 'dora', decidedFor: OWNER },
    });
    const rejected = await ask();
    await reject('dora', rejected);
    expect(await requestOf(rejected)).toMatchObject({ status: 'REJECTED', decidedBy: 'dora', decidedFor: OWNER });
  });

  test('approves another end of a grant, and neither revokes nor shortens', async () => {
    const { accessGrantId } = await approve(STEWARD, await ask());
    const member = await mesh.as('finance-member');
    const until = inDays(60);
    const { accessRequestId } = await extendAccess(member, { accessGrant: accessGrantId, expiresAt: until });
    await named(STEWARD, 'dora');
    const dora = await mesh.as('dora');
    expect(await refusal(revokeAccess(dora, { accessGrant: accessGrantId, reason: 'No' }))).toMatchObject({
      code: 'FORBIDDEN',
    });
    const shorter = { accessGrant: accessGrantId, expiresAt: inDays(2) };
    expect(await refusal(extendAccess(dora, shorter))).toMatchObject({ code: 'FORBIDDEN' });
    await approve('dora', accessRequestId);
    expect(await mesh.database.prisma.accessGrant.findUnique({ where: { id: accessGrantId } })).toMatchObject({
      expiresAt: until,
    });
  });

  test('decides nothing that he or the other asked for, nor another end of it', async () => {
    await named(OWNER, 'finance-member');
    const own = await ask('INTERNAL', 'finance-member');
    expect(await refusal(approve('finance-member', own))).toMatchObject({ code: 'FORBIDDEN' });
    expect(await refusal(reject('finance-member', own))).toMatchObject({ code: 'FORBIDDEN' });
    const others = await ask('INTERNAL', OWNER);
    expect(await refusal(approve('finance-member', others))).toMatchObject({ code: 'FORBIDDEN' });
    expect(await refusal(reject('finance-member', others))).toMatchObject({ code: 'FORBIDDEN' });
    const { accessGrantId } = await approve(STEWARD, others);
    const extension = { accessGrant: accessGrantId, expiresAt: inDays(60) };
    await addDomainMember(await mesh.as(OWNER), { domain: sales, subject: 'sales-second', role: 'MEMBER' });
    const { accessRequestId } = await extendAccess(await mesh.as('sales-second'), extension);
    expect(await refusal(approve('finance-member', accessRequestId))).toMatchObject({ code: 'FORBIDDEN' });
    expect(await refusal(reject('finance-member', accessRequestId))).toMatchObject({ code: 'FORBIDDEN' });
    // For another he does.
    await named(STEWARD, 'finance-member');
    const inPlace = { accessRequest: accessRequestId, onBehalfOf: OWNER };
    expect(await refusal(rejectAccessRequest(await mesh.as('finance-member'), inPlace))).toMatchObject({
      code: 'FORBIDDEN',
    });
    await reject('finance-member', accessRequestId);
    expect(await requestOf(accessRequestId)).toMatchObject({ status: 'REJECTED', decidedFor: STEWARD });
  });

  test('may what the other may at that moment, and nothing where that one has no role any more', async () => {
    const admin = await mesh.admin();
    await addDomainMember(admin, { domain: sales, subject: 'tom', role: 'OWNER' });
    await named('tom', 'dora');
    const [first, second, third] = [await ask('CONFIDENTIAL'), await ask('CONFIDENTIAL'), await ask()];
    await approve('dora', first);
    await addDomainMember(admin, { domain: sales, subject: 'tom', role: 'STEWARD' });
    await approve('dora', second);
    expect(await requestOf(second)).toMatchObject({ status: 'PENDING', approvals: [{ role: 'STEWARD' }] });
    await removeDomainMember(admin, { domain: sales, subject: 'tom' });
    expect(await refusal(approve('dora', third))).toMatchObject({ code: 'NOT_FOUND' });
  });

  test('hands on nothing: neither does he name a deputy, nor has one of his own any part in it', async () => {
    await named(OWNER, 'finance-owner');
    const own = { domain: finance, deputy: 'emil', until: inDays(7) };
    await nameDeputy(await mesh.as('finance-owner'), own);
    const id = await ask();
    expect(await refusal(approve('emil', id))).toMatchObject({ code: 'NOT_FOUND' });
    expect(await refusal(approve('emil', id, OWNER))).toMatchObject({ code: 'NOT_FOUND' });
    const again = nameDeputy(await mesh.as('finance-owner'), { ...own, domain: sales });
    expect(await refusal(again)).toMatchObject({ code: 'FORBIDDEN' });
  });
});

describe('somebody and his deputy', () => {
  test('approve once, whichever of them comes first', async () => {
    await named(OWNER, 'dora');
    const [first, second] = [await ask('RESTRICTED'), await ask('RESTRICTED')];
    await approve('dora', first);
    expect(await refusal(approve(OWNER, first))).toMatchObject({
      code: 'STATE',
      message: expect.stringMatching(
        /dora has approved it for you already; it still needs the approval of 1 steward\.$/,
      ),
    });
    await approve(OWNER, second);
    expect(await refusal(approve('dora', second))).toMatchObject({
      code: 'STATE',
      message: expect.stringContaining('sales-owner has approved it already'),
    });
    expect((await requestOf(second)).approvals).toHaveLength(1);
    await approve(STEWARD, first);
    expect(await requestOf(first)).toMatchObject({ status: 'APPROVED' });
  });

  test('are not two by the change of place: who approved for another has given his word', async () => {
    await named(OWNER, STEWARD);
    await addDomainMember(await mesh.admin(), { domain: sales, subject: 'second', role: 'OWNER' });
    const id = await ask('RESTRICTED');
    await approve(STEWARD, id, OWNER);
    await approve('second', id);
    expect(await refusal(approve(STEWARD, id, STEWARD))).toMatchObject({
      ...{ code: 'STATE', message: 'You have approved it for sales-owner already.' },
    });
    expect((await requestOf(id)).status).toBe('PENDING');
  });

  test('are not two owners where a policy wants two', async () => {
    const ctx = await mesh.as(OWNER);
    const source = `forbid (principal, action == Action::"approve", resource in Domain::"sales") unless { context.approvals.owners >= 2 };`;
    const { policyId } = await createPolicy(ctx, { domain: sales, name: 'two', description: 'Two owners', source });
    await activatePolicy(ctx, { policy: policyId, version: 1 });
    await addDomainMember(await mesh.admin(), { domain: sales, subject: 'second', role: 'OWNER' });
    await named(OWNER, 'dora');
    const [first, second] = [await ask(), await ask()];
    await approve(OWNER, first);
    expect(await refusal(approve('dora', first))).toMatchObject({ code: 'STATE' });
    await approve('dora', second);
    expect(await refusal(approve(OWNER, second))).toMatchObject({ code: 'STATE' });
    await approve('second', second);
    expect((await requestOf(second)).status).toBe('APPROVED');
    await deactivatePolicy(ctx, { policy: policyId });
  });

  test('are one also where he stands in for two: he approves for one of them', async () => {
    await named(OWNER, 'dora');
    await named(STEWARD, 'dora');
    const id = await ask('RESTRICTED');
    await approve('dora', id);
    expect(await refusal(approve('dora', id, STEWARD))).toMatchObject({ code: 'STATE' });
    expect((await requestOf(id)).status).toBe('PENDING');
  });

  test('who has a role himself chooses in whose place he approves; left to him, it is where his word is enough', async () => {
    await named(OWNER, STEWARD);
    const [own, other] = [await ask(), await ask('CONFIDENTIAL')];
    await approve(STEWARD, own);
    expect(await requestOf(own)).toMatchObject({
      decidedFor: null,
      approvals: [{ role: 'STEWARD', approvedFor: null }],
    });
    await approve(STEWARD, other);
    expect(await requestOf(other)).toMatchObject({ decidedFor: OWNER, approvals: [{ role: 'OWNER' }] });
    const third = await ask('CONFIDENTIAL');
    await approve(STEWARD, third, STEWARD);
    expect(await requestOf(third)).toMatchObject({
      status: 'PENDING',
      approvals: [{ role: 'STEWARD', approvedFor: null }],
    });
    expect(await refusal(approve(STEWARD, await ask(), 'somebody'))).toMatchObject({ code: 'FORBIDDEN' });
  });

  test('whoever approves in whatever place, nobody stands behind two approvals, and enough are of enough people', async () => {
    await named(OWNER, 'dora');
    await named(STEWARD, 'dora');
    await named(STEWARD, 'emil');
    await named(OWNER, STEWARD);
    await addDomainMember(await mesh.admin(), { domain: sales, subject: 'second', role: 'OWNER' });
    await named('second', OWNER);
    const people = [OWNER, STEWARD, 'second', 'dora', 'emil'];
    const acts = fc.array(
      fc.record({ who: fc.constantFrom(...people), place: fc.constantFrom(undefined, OWNER, STEWARD, 'second') }),
      { minLength: 2, maxLength: 6 },
    );
    await fc.assert(
      fc.asyncProperty(acts, async (list) => {
        const id = await ask('RESTRICTED');
        for (const { who, place } of list) await approve(who, id, place).catch(() => null);
        const { status, approvals } = await requestOf(id);
        const behind = approvals.flatMap(({ approvedBy, approvedFor }) => [approvedBy, approvedFor ?? []].flat());
        expect(new Set(behind).size).toBe(behind.length);
        const roles = approvals.map(({ role }) => role);
        expect(status === 'APPROVED').toBe(roles.includes('OWNER') && roles.includes('STEWARD'));
        if (status === 'PENDING') await reject(OWNER, id);
      }),
      { numRuns: atScale({ quick: 15, soak: 200 }) },
    );
  }, 120_000);
});

describe('people alone stand in, and for people', () => {
  test('a machine is neither named nor a deputy once it has become one', async () => {
    const machine = await registerServiceAccount(await mesh.as('finance-owner'), { domain: finance, name: 'loader' });
    expect(machine.secret).not.toBeNull();
    expect(await refusal(named(OWNER, 'service-account:finance/loader'))).toMatchObject({ code: 'VALIDATION' });
    expect(await refusal(named(OWNER, 'meshgate'))).toMatchObject({ code: 'VALIDATION' });
    await named(OWNER, 'late');
    await owner.query(
      `INSERT INTO "ServiceAccount" ("id", "domainId", "name", "subject", "issuer", "issuerSubject", "createdBy")
       VALUES (gen_random_uuid(), $1, 'late', 'late', 'https://machines.test', 'late', 'finance-owner')`,
      [finance],
    );
    expect(await refusal(approve('late', await ask()))).toMatchObject({ code: 'NOT_FOUND' });
  });

  test('a sign-in for machines has no place to take', async () => {
    await named(OWNER, 'dora');
    const dora = await mesh.as('dora');
    const machine = {
      ...dora,
      viewer: { ...dora.viewer, signIn: { ...dora.viewer.signIn, kind: 'MACHINE' as const } },
    };
    expect(await refusal(approveAccessRequest(machine, { accessRequest: await ask() }))).toMatchObject({
      code: 'NOT_FOUND',
    });
  });

  test('who registered the machine that asks does not approve through a deputy', async () => {
    await registerServiceAccount(await mesh.as(OWNER), { domain: sales, name: 'reader', role: 'MEMBER' });
    const asked = await ask('INTERNAL', 'service-account:sales/reader');
    await named(OWNER, 'dora');
    expect(await refusal(approve('dora', asked))).toMatchObject({ code: 'FORBIDDEN' });
    await approve(STEWARD, asked);
  });
});

describe('its time', () => {
  test('is judged by the clock of the database, whatever time the process believes it is', async () => {
    const later = await named(OWNER, 'later', inDays(2), inDays(1));
    const now = await named(OWNER, 'dora');
    const [first, second] = [await ask(), await ask()];
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 1.5 * DAY });
    expect(await refusal(approve('later', first))).toMatchObject({ code: 'NOT_FOUND' });
    vi.setSystemTime(Date.now() + 30 * DAY);
    await approve('dora', first);
    vi.useRealTimers();
    await owner.query(`UPDATE "Deputy" SET "from" = now() - interval '1 day' WHERE "id" = $1`, [later]);
    await approve('later', second);
    await owner.query(`UPDATE "Deputy" SET "from" = now() - interval '2 days', "until" = now() WHERE "id" = $1`, [now]);
    expect(await refusal(approve('dora', await ask()))).toMatchObject({ code: 'NOT_FOUND' });
  });

  test('may end between reading and deciding: then it is refused', async () => {
    for (const decide of [approve, reject]) {
      const id = await named(OWNER, 'dora');
      const asked = await ask();
      // Whoever reads the request holds it; meanwhile the time passes.
      await owner.query('BEGIN');
      await owner.query(`SELECT FROM "AccessRequest" WHERE "id" = $1 FOR UPDATE`, [asked]);
      const deciding = refusal(decide('dora', asked));
      await sleep(300);
      const other = new pg.Client({ connectionString: mesh.ownerUrl });
      await other.connect();
      await other.query(`UPDATE "Deputy" SET "from" = now() - interval '1 day', "until" = now() WHERE "id" = $1`, [id]);
      await other.end();
      await owner.query('COMMIT');
      expect(await deciding).toMatchObject({ code: 'FORBIDDEN', message: expect.stringContaining('any more') });
      expect(await requestOf(asked)).toMatchObject({ status: 'PENDING', approvals: [] });
    }
  });

  test('ended while he approves: what comes after the end is refused, what came before stands', async () => {
    const outcomes = { approved: 0, refused: 0 };
    for (let round = 0; round < atScale({ quick: 12, soak: 200 }); round += 1) {
      const deputy = await named(OWNER, 'dora');
      const id = await ask();
      const approving = approve('dora', id).then(
        () => 'approved' as const,
        () => 'refused' as const,
      );
      if (round % 3 > 0) await sleep(round % 7);
      const [outcome] = await Promise.all([approving, mesh.as(OWNER).then((ctx) => endDeputy(ctx, { deputy }))]);
      outcomes[outcome] += 1;
      const told = (await mesh.events()).map(({ type }) => type);
      const [approved, ended] = [told.lastIndexOf('AccessApproved'), told.lastIndexOf('DeputyEnded')];
      if (outcome === 'approved') expect(approved).toBeLessThan(ended);
      expect(await requestOf(id)).toMatchObject({ status: outcome === 'approved' ? 'APPROVED' : 'PENDING' });
    }
    expect(outcomes.approved + outcomes.refused).toBeGreaterThan(0);
  }, 120_000);

  test('over by the clock, it is told once, however many workers look', async () => {
    const id = await named(OWNER, 'dora');
    await owner.query(`UPDATE "Deputy" SET "from" = now() - interval '1 day', "until" = now() WHERE "id" = $1`, [id]);
    const system = { db: mesh.database.prisma, mesh: MESH, committed: () => undefined };
    const ended = await Promise.all([1, 2, 3, 4].map(() => endLapsedDeputies(system)));
    expect(ended.reduce((sum, count) => sum + count, 0)).toBe(1);
    expect(await endLapsedDeputies(system)).toBe(0);
    expect(await lastOf('DeputyEnded')).toMatchObject({ actor: { subject: 'meshgate' }, data: { deputy: 'dora' } });
  });
});

describe('naming', () => {
  test('is for oneself, as owner or steward, and tells the domain and the deputy', async () => {
    for (const who of ['sales-member', 'finance-owner']) {
      expect(await refusal(named(who, 'dora'))).toMatchObject({ code: 'FORBIDDEN' });
    }
    const admin = nameDeputy(await mesh.admin(), { domain: sales, deputy: 'dora', until: inDays(1) });
    expect(await refusal(admin)).toMatchObject({ code: 'FORBIDDEN' });
    await named(STEWARD, 'dora');
    expect(await lastOf('DeputyNamed')).toMatchObject({
      ...{ audiencePublic: false, audienceDomains: [sales] },
      audienceSubjects: ['dora', STEWARD],
      data: { deputy: 'dora', standsInFor: STEWARD },
    });
  });

  test.each([
    ['himself', OWNER, 7, undefined, 'deputy'],
    ['for a time that has passed', 'dora', -1, undefined, 'until'],
    ['for a time that ends before it begins', 'dora', 2, 3, 'until'],
    ['for longer than a year', 'dora', 400, undefined, 'until'],
  ])('refuses %s', async (_, deputy, until, from, path) => {
    const asked = named(OWNER, deputy, inDays(until), from === undefined ? undefined : inDays(from));
    expect(await refusal(asked)).toMatchObject({ code: 'VALIDATION', path });
  });

  test('refuses the same deputy twice at a time, and more than ten', async () => {
    await named(OWNER, 'dora', inDays(3));
    expect(await refusal(named(OWNER, 'dora', inDays(9), inDays(2)))).toMatchObject({ code: 'CONFLICT' });
    await named(OWNER, 'dora', inDays(9), inDays(4));
    for (let n = 0; n < 8; n += 1) await named(OWNER, `deputy-${n}`);
    expect(await refusal(named(OWNER, 'one-more'))).toMatchObject({ code: 'CONFLICT' });
  });

  test('ends early at the word of either, of an owner or an admin, and of nobody else', async () => {
    const id = await named(STEWARD, 'dora');
    for (const [who, code] of [
      ['sales-member', 'FORBIDDEN'],
      ['finance-owner', 'NOT_FOUND'],
    ] as const) {
      expect(await refusal(endDeputy(await mesh.as(who), { deputy: id }))).toMatchObject({ code });
    }
    await endDeputy(await mesh.as('dora'), { deputy: id });
    expect(await refusal(approve('dora', await ask()))).toMatchObject({ code: 'NOT_FOUND' });
    const before = (await mesh.events()).length;
    await endDeputy(await mesh.as(STEWARD), { deputy: id });
    expect((await mesh.events()).length).toBe(before);
    for (const ctx of [await mesh.as(STEWARD), await mesh.as(OWNER), await mesh.admin()]) {
      const deputy = await named(STEWARD, 'dora');
      await endDeputy(ctx, { deputy });
      expect(await lastOf('DeputyEnded')).toMatchObject({ actor: { subject: ctx.viewer.subject } });
    }
  });
});
