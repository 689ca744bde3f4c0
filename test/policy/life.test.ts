import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { graphql } from '../../src/generated/graphql/gql.js';
import type { UpdateDataProductInput } from '../../src/generated/graphql/graphql.js';
import { parseGlobalId } from '../../src/governance/global-id.js';
import { ADMIN, inDays, memberOf, OUTSIDER, openPolicyMesh, ownerOf, type PolicyMesh, stewardOf } from './mesh.js';

let mesh: PolicyMesh;
beforeAll(async () => {
  mesh = await openPolicyMesh();
});
afterAll(() => mesh.close());

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
const Waiting = graphql(`
  query LifeWaiting {
    accessRequests(first: 50, filter: { awaitingMyDecision: true }) { nodes { id } }
  }
`);
const Plans = graphql(`
  query LifePlans($id: ID!) {
    node(id: $id) {
      ... on AccessRequest { plan { digest policy { outcome viewerMayDecide whoMayDecide required { owners stewards } } } }
      ... on DataProduct { publishPlan { digest refusals } }
    }
  }
`);
const Publish = graphql(`
  mutation LifePublish($input: PublishDataProductInput!) {
    publishDataProduct(input: $input) {
      __typename
      ... on PolicyDeniedError { policies }
      ... on UserError { code message }
    }
  }
`);
const Update = graphql(`
  mutation LifeUpdate($input: UpdateDataProductInput!) {
    updateDataProduct(input: $input) {
      __typename
      ... on UserError { code message }
    }
  }
`);
const Preview = graphql(`
  query LifePreview($input: PreviewTagChangeInput!) {
    previewTagChange(input: $input) { plan { digest refusals warnings } }
  }
`);
const Reject = graphql(`
  mutation LifeReject($input: DecideAccessRequestInput!) {
    rejectAccessRequest(input: $input) {
      __typename
      ... on UserError { code message }
    }
  }
`);
const Extend = graphql(`
  mutation LifeExtend($input: ExtendAccessInput!) {
    extendAccess(input: $input) {
      __typename
      ... on ExtendAccessPayload {
        accessGrant { expiresAt }
        accessRequest { id status extension decision { outcome } approvals { required { owners stewards } } }
      }
      ... on PolicyDeniedError { policies }
      ... on UserError { code message }
    }
  }
`);

const FORBID = 'forbid (principal, action == Action::"submit", resource);';
const OF_SALES = `@reason("Sales gives nothing to finance.")
forbid (principal, action == Action::"submit", resource in Domain::"sales") when { context.consumer == Domain::"finance" };`;

const FORBIDDEN = 'forbid (principal, action == Action::"submit", resource in Domain::"sales");';
const digestOf = (source: string): string => createHash('sha256').update(source).digest('hex');

/** The uuid in a global id. */
const uuidOf = (id: string): string => parseGlobalId(id)?.id ?? '';

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

  test('no more statements can decide together than are quick to evaluate', async () => {
    const many = Array.from({ length: 40 }, () => 'permit (principal, action == Action::"publish", resource);').join(
      '\n',
    );
    const id = idOf(await mesh.create(ADMIN, many));
    expect(await mesh.activate(ADMIN, id)).toMatchObject({ code: 'CONFLICT', message: expect.stringContaining('50') });
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

describe('other actions', () => {
  test('publishing is asked too, and its plan says why not', async () => {
    const draft = await mesh.product('INTERNAL', { status: 'DRAFT' });
    const policy = await mesh.inForce(
      '@reason("No contract, no publication.") forbid (principal, action == Action::"publish", resource in Domain::"sales") unless { resource has contract };',
      mesh.sales,
    );
    const publish = async (planDigest?: string) =>
      (await mesh.as(OWNER)(Publish, { input: { dataProduct: draft, ...(planDigest ? { planDigest } : {}) } }))
        .publishDataProduct;
    const plan = async () => {
      const { node } = await mesh.as(OWNER)(Plans, { id: draft });
      return node && 'publishPlan' in node ? node.publishPlan : null;
    };
    expect(await plan()).toMatchObject({ refusals: [expect.stringContaining('No contract, no publication.')] });
    expect(await publish()).toMatchObject({ __typename: 'PolicyDeniedError' });
    await mesh.deactivate(OWNER, policy);
    expect(await publish((await plan())?.digest)).toMatchObject({ __typename: 'PublishDataProductPayload' });
  });

  test('another end is asked like new access: at once, by who may approve it alone, or by a request', async () => {
    const grantOn = async (level: 'PUBLIC' | 'INTERNAL' | 'RESTRICTED', deciders: (typeof OWNER)[]) => {
      const request = await mesh.asked(await mesh.product(level), { expiresAt: inDays(5) });
      if (request.accessGrant) return request.accessGrant.id;
      let answer = null;
      for (const person of deciders) answer = await mesh.approve(person, request.id);
      if (answer?.__typename !== 'ApproveAccessRequestPayload' || !answer.accessGrant) throw new Error('Not granted.');
      return answer.accessGrant.id;
    };
    const extend = async (person: typeof OWNER, accessGrant: string, days: number) =>
      (await mesh.as(person)(Extend, { input: { accessGrant, expiresAt: inDays(days) } })).extendAccess;
    const asker = memberOf('finance');
    const open = await grantOn('PUBLIC', []);
    expect(await extend(asker, open, 60)).toMatchObject({ accessRequest: null });
    expect(await extend(asker, open, 100)).toMatchObject({ accessRequest: { status: 'PENDING', extension: true } });
    const internal = await grantOn('INTERNAL', [STEWARD]);
    expect(await extend(OWNER, internal, 60)).toMatchObject({ accessRequest: null });
    expect(await extend(asker, internal, 90)).toMatchObject({
      accessRequest: {
        decision: { outcome: 'NEEDS_APPROVAL' },
        approvals: { required: [{ owners: 1 }, { stewards: 1 }] },
      },
    });
    const restricted = await grantOn('RESTRICTED', [OWNER, STEWARD]);
    // One owner alone could not have granted it either.
    expect(await extend(OWNER, restricted, 60)).toMatchObject({ accessRequest: { status: 'PENDING' } });
    expect(await extend(asker, restricted, 2)).toMatchObject({ accessRequest: null });
  });

  describe('another end', () => {
    const PRODUCER = `arn:aws:iam::${'2'.repeat(12)}:role/own`;
    const extend = async (person: typeof OWNER, accessGrant: string, days: number) =>
      (await mesh.as(person)(Extend, { input: { accessGrant, expiresAt: inDays(days) } })).extendAccess;
    const granted = async (asker: typeof OWNER, decider: typeof OWNER) => {
      const own = { consumerDomain: mesh.sales, principals: [PRODUCER], expiresAt: inDays(5) };
      const { id } = await mesh.asked(await mesh.product('INTERNAL'), own, asker);
      const answer = await mesh.approve(decider, id);
      if (answer.__typename !== 'ApproveAccessRequestPayload' || !answer.accessGrant) throw new Error('Not granted.');
      return answer.accessGrant.id;
    };
    const endsIn = async (id: string) => {
      const [row] = await mesh.query<{ days: number }>(
        `SELECT round(extract(epoch FROM "expiresAt" - now()) / 86400)::int AS days FROM "AccessGrant" WHERE "id" = $1::uuid`,
        [uuidOf(id)],
      );
      return row?.days;
    };
    const decisions = (id: string) =>
      mesh.query(
        `SELECT r."status"::text, r."requestedBy", d."outcome"::text, a."approvedBy" FROM "AccessRequest" r
         JOIN "AccessDecision" d ON d."requestId" = r."id" LEFT JOIN "AccessApproval" a ON a."requestId" = r."id"
         WHERE r."extendsId" = $1::uuid ORDER BY r."createdAt"`,
        [uuidOf(id)],
      );

    test('of what he asked for himself needs somebody else, whoever asks for it', async () => {
      const own = await granted(OWNER, STEWARD);
      expect(await extend(OWNER, own, 900)).toMatchObject({ accessRequest: { status: 'PENDING' } });
      expect(await endsIn(own)).toBe(5);
      const other = await granted(OWNER, STEWARD);
      const asked = await extend(memberOf('sales'), other, 900);
      if (asked.__typename !== 'ExtendAccessPayload' || !asked.accessRequest) throw new Error(JSON.stringify(asked));
      const { id } = asked.accessRequest;
      expect(await mesh.approve(OWNER, id)).toMatchObject({ code: 'FORBIDDEN' });
      const { rejectAccessRequest } = await mesh.as(OWNER)(Reject, { input: { accessRequest: id } });
      expect(rejectAccessRequest).toMatchObject({ code: 'FORBIDDEN' });
      const waits = async (person: typeof OWNER) =>
        (await mesh.as(person)(Waiting)).accessRequests.nodes.some((one) => one.id === id);
      expect([await waits(OWNER), await waits(STEWARD)]).toEqual([false, true]);
      const { node } = await mesh.as(OWNER)(Plans, { id });
      expect(node).toMatchObject({ plan: { policy: { viewerMayDecide: false } } });
      await expect(
        mesh.query(
          `INSERT INTO "AccessApproval" ("id", "requestId", "requestedBy", "approvedBy", "role", "factsDigest")
           VALUES (gen_random_uuid(), $1::uuid, 'member-sales', $2, 'OWNER', repeat('a', 64))`,
          [uuidOf(id), OWNER.subject],
        ),
      ).rejects.toThrow(/no other end/);
      expect(await mesh.approve(STEWARD, id)).toMatchObject({ accessRequest: { status: 'APPROVED' } });
      expect(await endsIn(other)).toBe(900);
    });

    test('that is later leaves a request, a decision and the approval, also where it is granted at once', async () => {
      const others = await granted(memberOf('sales'), STEWARD);
      expect(await extend(OWNER, others, 60)).toMatchObject({ accessRequest: null });
      expect(await endsIn(others)).toBe(60);
      expect(await decisions(others)).toEqual([
        { status: 'APPROVED', requestedBy: 'member-sales', outcome: 'APPROVED', approvedBy: OWNER.subject },
      ]);
      const open = await mesh.asked(await mesh.product('PUBLIC'), { expiresAt: inDays(5) });
      const id = open.accessGrant?.id as string;
      await extend(memberOf('finance'), id, 60);
      expect(await decisions(id)).toEqual([
        { status: 'APPROVED', requestedBy: 'member-finance', outcome: 'AUTO_APPROVED', approvedBy: null },
      ]);
    });

    test('that is earlier is for who asked, and for who may revoke', async () => {
      const open = await mesh.asked(await mesh.product('PUBLIC'), { expiresAt: inDays(50) }, ownerOf('finance'));
      const id = open.accessGrant?.id as string;
      expect(await extend(memberOf('finance'), id, 1)).toMatchObject({ code: 'FORBIDDEN' });
      expect(await endsIn(id)).toBe(50);
      expect(await extend(ownerOf('finance'), id, 2)).toMatchObject({ __typename: 'ExtendAccessPayload' });
    });

    test('is judged for the purpose that is stored', async () => {
      const policy = await mesh.inForce(
        `forbid (principal, action == Action::"submit", resource in Domain::"sales") when { context.purpose like "*resale*" };`,
        mesh.sales,
      );
      const id = await granted(memberOf('sales'), STEWARD);
      const input = { accessGrant: id, expiresAt: inDays(60), reason: 'For resale' };
      expect((await mesh.as(memberOf('sales'))(Extend, { input })).extendAccess).toMatchObject({
        __typename: 'PolicyDeniedError',
      });
      await mesh.deactivate(ADMIN, policy);
    });
  });

  describe('a product that is published', () => {
    const change = async (person: typeof OWNER, input: object) =>
      (await mesh.as(person)(Update, { input: input as UpdateDataProductInput })).updateDataProduct;
    const NO_PUBLIC = `@reason("No personal data in PUBLIC.") forbid (principal, action == Action::"publish", resource)
      when { resource.classification == Classification::"PUBLIC" && context.personalData };`;

    test('changes to what the policies let be published, and its plan says so', async () => {
      const dataProduct = await mesh.product('INTERNAL');
      const policy = await mesh.inForce(NO_PUBLIC);
      try {
        const { previewTagChange } = await mesh.as(OWNER)(Preview, {
          input: { dataProduct, classification: 'PUBLIC' },
        });
        expect(previewTagChange.plan.refusals).toEqual([expect.stringContaining('No personal data in PUBLIC.')]);
        expect(await change(OWNER, { dataProduct, classification: 'PUBLIC' })).toMatchObject({
          __typename: 'PolicyDeniedError',
        });
        expect(await change(OWNER, { dataProduct, classification: 'CONFIDENTIAL' })).toMatchObject({
          __typename: 'UpdateDataProductPayload',
        });
      } finally {
        await mesh.deactivate(ADMIN, policy);
      }
    });

    test('is made less sensitive by its owner alone, and ends what was approved for less when it is made more', async () => {
      const dataProduct = await mesh.product('RESTRICTED');
      const input = { dataProduct, classification: 'INTERNAL' as const };
      const { previewTagChange } = await mesh.as(STEWARD)(Preview, { input });
      expect(previewTagChange.plan.refusals).toEqual([expect.stringContaining('only owners')]);
      expect(await change(STEWARD, input)).toMatchObject({ code: 'FORBIDDEN' });
      expect(await change(OWNER, input)).toMatchObject({ __typename: 'UpdateDataProductPayload' });
      const { id } = await mesh.asked(dataProduct);
      const approved = await mesh.approve(STEWARD, id);
      expect(approved).toMatchObject({ accessGrant: { status: 'PROVISIONING' } });
      await change(STEWARD, { dataProduct, classification: 'RESTRICTED' });
      expect(
        await mesh.query(`SELECT "status"::text, "reason" FROM "AccessGrant" WHERE "requestId" = $1::uuid`, [
          uuidOf(id),
        ]),
      ).toEqual([{ status: expect.stringMatching(/REVOK/), reason: expect.stringContaining('RESTRICTED now') }]);
    });
  });
});
