import { createHash } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { graphql } from '../../src/generated/graphql/gql.js';
import { forFile } from '../testkit/for-file.js';
import { Waiting } from './documents.js';
import { ADMIN, inDays, memberOf, OUTSIDER, openPolicyMesh, ownerOf, type PolicyMesh, stewardOf } from './mesh.js';

const mesh = await forFile(openPolicyMesh());

const OWNER = ownerOf('sales');
const STEWARD = stewardOf('sales');

const Policies = graphql(`
  query LifePolicies($first: Int!, $filter: PolicyFilter) {
    policies(first: $first, filter: $filter) {
      totalCount
      nodes {
        id
        name
        scope
        createdBy
        viewerCanChange
        domain { name }
        active { number source digest statements activatedBy }
        versions { number status createdBy activatedBy supersededBy }
      }
    }
    domain(by: { name: "sales" }) { policies(first: 10) { nodes { name active { number } } } }
  }
`);
const ById = graphql(`
  query LifePolicy($id: ID!) {
    policy(id: $id) { name versions { number } }
    node(id: $id) { ... on Policy { name } }
  }
`);
const Plans = graphql(`
  query LifePlans($id: ID!) {
    node(id: $id) {
      ... on AccessRequest { plan { digest policy { outcome viewerMayDecide whoMayDecide required { owners stewards } } } }
    }
  }
`);

const FORBID = 'forbid (principal, action == Action::"submit", resource);';
const OF_SALES = `@reason("Sales gives nothing to finance.")
forbid (principal, action == Action::"submit", resource in Domain::"sales") when { context.consumer == Domain::"finance" };`;

const FORBIDDEN = 'forbid (principal, action == Action::"submit", resource in Domain::"sales");';
const digestOf = (source: string): string => createHash('sha256').update(source).digest('hex');

const idOf = (answer: Awaited<ReturnType<PolicyMesh['create']>>): string => {
  if (answer.__typename !== 'CreatePolicyPayload' || !answer.policy) throw new Error(JSON.stringify(answer));
  return answer.policy.id;
};

describe('who may write policies', () => {
  test('of the whole mesh admins, of a domain its owners and stewards, and nobody else', async () => {
    for (const person of [OWNER, STEWARD, memberOf('sales'), OUTSIDER]) {
      expect(await mesh.create(person, FORBID)).toMatchObject({ code: 'FORBIDDEN' });
    }
    for (const person of [memberOf('sales'), ownerOf('finance'), OUTSIDER]) {
      expect(await mesh.create(person, OF_SALES, mesh.sales)).toMatchObject({ code: 'FORBIDDEN' });
    }
    for (const person of [OWNER, STEWARD, ADMIN]) {
      const id = idOf(await mesh.create(person, OF_SALES, mesh.sales));
      for (const other of [ownerOf('finance'), memberOf('sales')]) {
        expect(await mesh.activate(other, id)).toMatchObject({ code: 'FORBIDDEN' });
        expect(await mesh.draft(other, id, OF_SALES)).toMatchObject({ code: 'FORBIDDEN' });
        expect(await mesh.deactivate(other, id)).toMatchObject({ code: 'FORBIDDEN' });
      }
    }
  });

  test('a domain writes for its own products alone, and is told where it does not', async () => {
    for (const source of [FORBID, OF_SALES.replaceAll('"sales"', '"finance"')]) {
      expect(await mesh.create(OWNER, source, mesh.sales)).toMatchObject({
        __typename: 'ValidationError',
        path: 'source',
        message: expect.stringContaining('resource in Domain::"sales"'),
      });
    }
    const misspelt = 'forbid (principal, action == Action::"submit", resource)\nwhen { resource.colour == "red" };';
    expect(await mesh.create(ADMIN, misspelt)).toMatchObject({
      violations: [{ path: 'source', reason: expect.stringContaining('line 2') }],
    });
  });
});

describe('the life of a policy', () => {
  let product: string;
  beforeEach(async () => {
    product = await mesh.product('INTERNAL');
  });

  test('a draft decides nothing; once active it decides at once, until another version or nothing does', async () => {
    const id = idOf(await mesh.create(STEWARD, OF_SALES, mesh.sales));
    expect(await mesh.ask(product)).toMatchObject({ accessRequest: { status: 'PENDING' } });
    expect(await mesh.activate(STEWARD, id)).toMatchObject({
      policy: { active: { number: 1 }, versions: [{ number: 1, status: 'ACTIVE' }] },
    });
    expect(await mesh.ask(product)).toMatchObject({
      __typename: 'PolicyDeniedError',
      message: 'The policies do not allow this request. Sales gives nothing to finance.',
      policies: [expect.stringMatching(/^sales\/thing-\d+\/1$/)],
    });
    await mesh.draft(STEWARD, id, OF_SALES.replace('"finance" }', '"sales" }'));
    expect(await mesh.ask(product)).toMatchObject({ __typename: 'PolicyDeniedError' });
    expect(await mesh.activate(OWNER, id, 2)).toMatchObject({
      policy: {
        active: { number: 2 },
        versions: [
          { number: 2, status: 'ACTIVE' },
          { number: 1, status: 'SUPERSEDED' },
        ],
      },
    });
    expect(await mesh.ask(product)).toMatchObject({ accessRequest: { status: 'PENDING' } });
    expect(await mesh.activate(OWNER, id, 1)).toMatchObject({ code: 'STATE' });
    expect(await mesh.activate(OWNER, id, 9)).toMatchObject({ code: 'NOT_FOUND' });
    await mesh.draft(STEWARD, id, FORBIDDEN);
    expect(await mesh.activate(OWNER, id, 3, digestOf(OF_SALES))).toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining(digestOf(FORBIDDEN)),
    });
    expect(await mesh.activate(OWNER, id, 3, 'looks good')).toMatchObject({ code: 'VALIDATION' });
    expect(await mesh.activate(OWNER, id, 3, digestOf(FORBIDDEN))).toMatchObject({ policy: { active: { number: 3 } } });
    expect(await mesh.ask(await mesh.product('PUBLIC'))).toMatchObject({
      __typename: 'PolicyDeniedError',
      message: expect.stringMatching(/The policy sales\/thing-\d+\/3 forbids it\./),
    });
    expect(await mesh.deactivate(OWNER, id)).toMatchObject({ policy: { active: null } });
    expect(await mesh.deactivate(OWNER, id)).toMatchObject({ code: 'STATE' });
  });

  test('every step is told with its digest, drafts to those alone who may change them', async () => {
    const id = idOf(await mesh.create(STEWARD, OF_SALES, mesh.sales));
    await mesh.activate(STEWARD, id);
    await mesh.deactivate(STEWARD, id);
    const events = await mesh.query<{ type: string; public: boolean; domains: string[]; data: { digest: string } }>(
      `SELECT "type", "audiencePublic" AS public, "audienceDomains" AS domains, "data" FROM "EventPending"
       WHERE "subject" ->> 'id' = $1 ORDER BY "position"`,
      [id],
    );
    expect(events.map(({ type, public: everybody }) => [type, everybody])).toEqual([
      ['PolicyDrafted', false],
      ['PolicyActivated', true],
      ['PolicyDeactivated', true],
    ]);
    expect(new Set(events.map(({ data }) => data.digest)).size).toBe(1);
  });

  test('what decides is for everybody to read, a draft for who may change it; one statement reads them', async () => {
    const id = idOf(await mesh.create(STEWARD, OF_SALES, mesh.sales));
    const seen = async (person: typeof OWNER) => (await mesh.as(person)(ById, { id })).policy;
    expect([await seen(OUTSIDER), await seen(ownerOf('finance'))]).toEqual([null, null]);
    expect(await seen(OWNER)).toMatchObject({ versions: [{ number: 1 }] });
    await mesh.activate(STEWARD, id);
    await mesh.draft(STEWARD, id, OF_SALES);
    expect(await seen(OUTSIDER)).toMatchObject({ versions: [{ number: 1 }] });
    expect(await seen(OWNER)).toMatchObject({ versions: [{ number: 2 }, { number: 1 }] });
    mesh.statements();
    const { policies, domain } = await mesh.as(OUTSIDER)(Policies, { first: 50, filter: { scope: 'GLOBAL' } });
    expect(mesh.statements()).toHaveLength(2);
    expect(policies.nodes.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['confidential-data', 'internal-data', 'personal-data', 'public-data', 'restricted-data']),
    );
    expect(policies.nodes.every(({ viewerCanChange }) => !viewerCanChange)).toBe(true);
    expect(domain?.policies.nodes).toContainEqual(expect.objectContaining({ active: { number: 1 } }));
    await mesh.deactivate(STEWARD, id);
  });

  test("a version of a policy cannot be rewritten, nor become another domain's", async () => {
    const id = idOf(await mesh.create(STEWARD, OF_SALES, mesh.sales));
    const [row] = await mesh.query<{ id: string }>(
      `SELECT "id" FROM "Policy" WHERE "name" = (SELECT "subject" ->> 'name' FROM "EventPending" WHERE "subject" ->> 'id' = $1 LIMIT 1)`,
      [id],
    );
    const asAdmin = (sql: string) =>
      mesh.query(`SELECT set_config('meshgate.authority', 'ADMIN', true); ${sql.replace('$1', `'${row?.id}'`)}`);
    for (const sql of [
      `UPDATE "PolicyVersion" SET "source" = 'x' WHERE "policyId" = $1`,
      `UPDATE "PolicyVersion" SET "createdBy" = 'other' WHERE "policyId" = $1`,
      `UPDATE "Policy" SET "scope" = 'GLOBAL', "domainId" = NULL WHERE "id" = $1`,
    ]) {
      await expect(asAdmin(sql)).rejects.toThrow(/does not change/);
    }
    for (const sql of [
      `UPDATE "PolicyVersion" SET "status" = 'ACTIVE', "activatedAt" = now() WHERE "policyId" = $1`,
      `UPDATE "Policy" SET "description" = 'other' WHERE "id" = $1`,
    ]) {
      // In nobody's name nothing is written.
      await expect(mesh.query(sql, [row?.id])).rejects.toThrow(/row-level security/);
    }
    await mesh.activate(STEWARD, id);
    const back = `UPDATE "PolicyVersion" SET "status" = 'DRAFT', "activatedAt" = NULL WHERE "policyId" = $1`;
    await expect(asAdmin(back)).rejects.toThrow(/does not change/);
    await mesh.deactivate(STEWARD, id);
  });

  test('no more statements can decide together than are quick to evaluate, and no domain takes the share of the mesh', async () => {
    const many = (count: number, scope: string) =>
      Array.from({ length: count }, () => `permit (principal, action == Action::"publish", resource${scope});`).join(
        '\n',
      );
    const inSales = ' in Domain::"sales"';
    const refused = (most: number) => ({ code: 'CONFLICT', message: expect.stringContaining(`at most ${most} `) });
    const tooMany = idOf(await mesh.create(OWNER, many(21, inSales), mesh.sales));
    expect(await mesh.activate(OWNER, tooMany)).toMatchObject(refused(20));
    const full = idOf(await mesh.create(OWNER, many(20, inSales), mesh.sales));
    expect(await mesh.activate(OWNER, full)).toMatchObject({ __typename: 'ActivatePolicyPayload' });
    const one = idOf(await mesh.create(OWNER, many(1, inSales), mesh.sales));
    expect(await mesh.activate(OWNER, one)).toMatchObject(refused(20));
    const whole = idOf(await mesh.create(ADMIN, many(10, '')));
    expect(await mesh.activate(ADMIN, whole)).toMatchObject({ __typename: 'ActivatePolicyPayload' });
    expect(await mesh.activate(ADMIN, idOf(await mesh.create(ADMIN, many(10, ''))))).toMatchObject(refused(30));
    await mesh.deactivate(OWNER, full);
    await mesh.deactivate(ADMIN, whole);
  });
});

describe('what a domain can and cannot do', () => {
  test('it loosens what the mesh leaves open, never what the mesh forbids', async () => {
    const permits = ['autoApprove', 'approve', 'withoutExpiry']
      .map((action) => `permit (principal, action == Action::"${action}", resource in Domain::"sales");`)
      .join('\n');
    const id = await mesh.inForce(permits, mesh.sales);
    expect(await mesh.ask(await mesh.product('PUBLIC'))).toMatchObject({ accessRequest: { status: 'APPROVED' } });
    expect(await mesh.ask(await mesh.product('INTERNAL'))).toMatchObject({ accessRequest: { status: 'PENDING' } });
    const confidential = await mesh.asked(await mesh.product('CONFIDENTIAL'));
    expect(confidential).toMatchObject({ status: 'PENDING', approvals: { required: [{ owners: 1, stewards: 0 }] } });
    expect(await mesh.approve(STEWARD, confidential.id)).toMatchObject({ accessRequest: { status: 'PENDING' } });
    expect(await mesh.ask(await mesh.product('RESTRICTED'))).toMatchObject({ policies: ['restricted-data/1'] });
    const elsewhere = await mesh.product('INTERNAL', { domain: 'finance' });
    const asked = { consumerDomain: mesh.sales, principals: [`arn:aws:iam::${'2'.repeat(12)}:role/x`] };
    expect(await mesh.ask(elsewhere, asked, memberOf('sales'))).toMatchObject({ accessRequest: { status: 'PENDING' } });
    await mesh.deactivate(OWNER, id);
  });

  test('it may want more people, and say who does not count', async () => {
    const two = await mesh.inForce(
      `forbid (principal, action == Action::"approve", resource in Domain::"sales") when { context.approvals.total < 3 };
       @reason("Members of the consumer decide nothing.")
       forbid (principal, action == Action::"approve", resource in Domain::"sales") when { principal.belongsTo.contains(context.consumer) };`,
      mesh.sales,
    );
    const { id, approvals } = await mesh.asked(await mesh.product('INTERNAL'));
    expect(approvals.required).toContainEqual({ owners: 1, stewards: 2 });
    await mesh.query(
      `INSERT INTO "DomainMember" ("id", "domainId", "subject", "role", "createdBy")
       SELECT gen_random_uuid(), "id", s, 'STEWARD'::"DomainRole", 'admin' FROM "Domain", unnest(ARRAY['both', 'third']) s WHERE "name" = 'sales'
       UNION ALL SELECT gen_random_uuid(), "id", 'both', 'MEMBER'::"DomainRole", 'admin' FROM "Domain" WHERE "name" = 'finance'`,
    );
    expect(await mesh.approve({ subject: 'both' }, id)).toMatchObject({
      __typename: 'PolicyDeniedError',
      message: expect.stringContaining('Members of the consumer decide nothing.'),
    });
    await mesh.approve(STEWARD, id);
    await mesh.approve({ subject: 'third' }, id);
    // Who lost his role does not count any more.
    await mesh.query(`DELETE FROM "DomainMember" WHERE "subject" = 'third'`);
    expect(await mesh.approve(OWNER, id)).toMatchObject({ accessRequest: { status: 'PENDING' } });
    expect(await mesh.approve(ADMIN, id)).toMatchObject({ accessRequest: { status: 'APPROVED' } });
    await mesh.deactivate(OWNER, two);
  });
});

describe('approvals by several', () => {
  test('each is held to the plan that was looked at, and a change of policies changes the plan', async () => {
    const { id } = await mesh.asked(await mesh.product('RESTRICTED'), { expiresAt: inDays(10) });
    const planOf = async () => {
      const { node } = await mesh.as(STEWARD)(Plans, { id });
      if (!node || !('plan' in node) || !node.plan) throw new Error('There is no plan.');
      return node.plan;
    };
    const plan = await planOf();
    expect(plan.policy).toMatchObject({ outcome: 'NEEDS_APPROVAL', viewerMayDecide: true });
    const planDigest = plan.digest;
    expect(await mesh.approve(OWNER, id, { planDigest: '0'.repeat(64) })).toMatchObject({ code: 'STATE' });
    const sooner = inDays(5);
    const given = await mesh.approve(OWNER, id, { planDigest, comment: 'Fine', expiresAt: sooner });
    expect(given).toMatchObject({
      accessRequest: {
        status: 'PENDING',
        approvals: { required: [{ owners: 1, stewards: 1 }], given: [{ approvedBy: OWNER.subject, comment: 'Fine' }] },
      },
    });
    expect(await mesh.approve(OWNER, id)).toMatchObject({
      code: 'STATE',
      message: expect.stringContaining('1 steward'),
    });
    const waits = async (person: typeof OWNER) => (await mesh.as(person)(Waiting)).accessRequests.nodes;
    expect(await waits(OWNER)).not.toContainEqual({ id });
    expect(await waits(STEWARD)).toContainEqual({ id });
    const policy = await mesh.inForce(
      'permit (principal, action == Action::"publish", resource in Domain::"sales");',
      mesh.sales,
    );
    expect(await mesh.approve(STEWARD, id, { planDigest })).toMatchObject({
      code: 'STATE',
      message: expect.stringContaining('plan has changed'),
    });
    const now = (await planOf()).digest;
    expect(await mesh.approve(STEWARD, id, { planDigest: now })).toMatchObject({
      accessRequest: { status: 'APPROVED' },
      // The earliest end of all approvals holds.
      accessGrant: { expiresAt: new Date(sooner) },
    });
    await mesh.deactivate(OWNER, policy);
  });

  test('what became forbidden since is refused at the approval', async () => {
    const { id } = await mesh.asked(await mesh.product('INTERNAL'));
    const policy = await mesh.inForce(OF_SALES, mesh.sales);
    expect(await mesh.approve(OWNER, id)).toMatchObject({
      __typename: 'PolicyDeniedError',
      message: expect.stringContaining('Sales gives nothing to finance.'),
    });
    await mesh.deactivate(OWNER, policy);
    expect(await mesh.approve(OWNER, id)).toMatchObject({ accessRequest: { status: 'APPROVED' } });
  });
});
