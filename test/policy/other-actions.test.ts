import { describe, expect, test } from 'vitest';
import { graphql } from '../../src/generated/graphql/gql.js';
import type { UpdateDataProductInput } from '../../src/generated/graphql/graphql.js';
import { parseGlobalId } from '../../src/governance/global-id.js';
import { forFile } from '../testkit/for-file.js';
import { Update, Waiting } from './documents.js';
import { ADMIN, inDays, memberOf, openPolicyMesh, ownerOf, stewardOf } from './mesh.js';

const mesh = await forFile(openPolicyMesh());

const OWNER = ownerOf('sales');
const STEWARD = stewardOf('sales');

const Plans = graphql(`
  query ActingPlans($id: ID!) {
    node(id: $id) {
      ... on AccessRequest { plan { digest policy { outcome viewerMayDecide whoMayDecide required { owners stewards } } } }
      ... on DataProduct { publishPlan { digest refusals } }
    }
  }
`);
const Publish = graphql(`
  mutation ActingPublish($input: PublishDataProductInput!) {
    publishDataProduct(input: $input) {
      __typename
      ... on PolicyDeniedError { policies }
      ... on UserError { code message }
    }
  }
`);
const Preview = graphql(`
  query ActingPreview($input: PreviewTagChangeInput!) {
    previewTagChange(input: $input) { plan { digest refusals warnings } }
  }
`);
const Reject = graphql(`
  mutation ActingReject($input: DecideAccessRequestInput!) {
    rejectAccessRequest(input: $input) {
      __typename
      ... on UserError { code message }
    }
  }
`);
const Extend = graphql(`
  mutation ActingExtend($input: ExtendAccessInput!) {
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

/** The uuid in a global id. */
const uuidOf = (id: string): string => parseGlobalId(id)?.id ?? '';

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
