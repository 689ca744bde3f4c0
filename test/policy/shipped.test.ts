import { describe, expect, test } from 'vitest';
import { graphql } from '../../src/generated/graphql/gql.js';
import type { Classification } from '../../src/generated/graphql/graphql.js';
import type { Person } from '../testkit/execute.js';
import { forFile } from '../testkit/for-file.js';
import { ADMIN, inDays, memberOf, OUTSIDER, openPolicyMesh, ownerOf, stewardOf } from './mesh.js';

const mesh = await forFile(openPolicyMesh());
const LEVELS: Classification[] = ['PUBLIC', 'INTERNAL', 'CONFIDENTIAL', 'RESTRICTED'];
const products = new Map<Classification, string>();
for (const level of LEVELS) products.set(level, await mesh.product(level));

const of = (level: Classification): string => products.get(level) as string;
const OWNER = ownerOf('sales');
const STEWARD = stewardOf('sales');
const needs = (owners: number, stewards: number) => ({ owners, stewards });
const either = [needs(1, 0), needs(0, 1)];

/** Data, for how many days (null: without an end), what is answered, and the approvals that would do. */
const ASKED: [Classification, number | null, string, object[], string][] = [
  ['PUBLIC', 1, 'AUTO_APPROVED', [], 'public-data'],
  ['PUBLIC', 90, 'AUTO_APPROVED', [], 'public-data'],
  ['PUBLIC', 91, 'NEEDS_APPROVAL', either, 'public-data'],
  ['PUBLIC', null, 'NEEDS_APPROVAL', either, 'public-data'],
  ['INTERNAL', 1, 'NEEDS_APPROVAL', either, 'internal-data'],
  ['INTERNAL', 5_000, 'NEEDS_APPROVAL', either, 'internal-data'],
  ['INTERNAL', null, 'NEEDS_APPROVAL', either, 'internal-data'],
  ['CONFIDENTIAL', 1, 'NEEDS_APPROVAL', [needs(1, 0)], 'confidential-data'],
  ['CONFIDENTIAL', null, 'NEEDS_APPROVAL', [needs(1, 0)], 'confidential-data'],
  ['RESTRICTED', 1, 'NEEDS_APPROVAL', [needs(1, 1)], 'restricted-data'],
  ['RESTRICTED', null, 'DENIED', [], 'restricted-data'],
];

const Plan = graphql(`
  query ShippedPlan($input: RequestAccessInput!) {
    planAccess(input: $input) {
      refusals
      policy { outcome viewerMayDecide whoMayDecide required { owners stewards } policies { name version domain } }
    }
  }
`);

describe('what the shipped policies say to a request', () => {
  test.each(ASKED)('%s data for %s days: %s', async (level, days, outcome, required, policy) => {
    const expiresAt = days === null ? null : inDays(days);
    const input = {
      ...{ dataProduct: of(level), consumerDomain: mesh.finance, purpose: 'A test', columns: ['id'], expiresAt },
      principals: [`arn:aws:iam::${'3'.repeat(12)}:role/planner`],
    };
    const { planAccess } = await mesh.as(memberOf('finance'))(Plan, { input });
    expect(planAccess.policy).toMatchObject({ outcome, required, viewerMayDecide: false });
    expect(planAccess.policy.policies).toContainEqual({ name: policy, version: 1, domain: null });
    const answer = await mesh.ask(of(level), { expiresAt });
    if (outcome === 'DENIED') {
      expect(planAccess.refusals).not.toEqual([]);
      return expect(answer).toMatchObject({
        __typename: 'PolicyDeniedError',
        policies: [`${policy}/1`],
        message: expect.stringContaining('give expiresAt'),
      });
    }
    expect(answer).toMatchObject({
      accessRequest: {
        status: outcome === 'AUTO_APPROVED' ? 'APPROVED' : 'PENDING',
        decidedBy: outcome === 'AUTO_APPROVED' ? 'meshgate' : null,
        decision: {
          outcome,
          policies: expect.arrayContaining([expect.objectContaining({ name: policy, version: 1 })]),
        },
        approvals: { required, given: [] },
        accessGrant: outcome === 'AUTO_APPROVED' ? { status: 'PROVISIONING' } : null,
      },
    });
  });

  test.each(LEVELS)('columns with personal data of %s products need a named purpose', async (level) => {
    const expiresAt = inDays(1);
    const asked = { columns: ['email'], expiresAt };
    expect(await mesh.ask(of(level), asked)).toMatchObject({
      __typename: 'PolicyDeniedError',
      policies: ['personal-data/1'],
      message: expect.stringMatching(/thing_\d_events\.email/),
    });
    expect(await mesh.ask(of(level), { columns: null, expiresAt })).toMatchObject({ policies: ['personal-data/1'] });
    expect(await mesh.ask(of(level), { ...asked, namedPurpose: 'fraud-detection' })).toMatchObject({
      accessRequest: { status: level === 'PUBLIC' ? 'APPROVED' : 'PENDING' },
    });
  });
});

/** Who approves one after another, and after whom it is granted (null: never); what the last is answered where it is refused. */
const APPROVED: [Classification, Person[], number | null][] = [
  ['INTERNAL', [STEWARD], 1],
  ['INTERNAL', [OWNER], 1],
  ['INTERNAL', [ADMIN], 1],
  ['CONFIDENTIAL', [OWNER], 1],
  ['CONFIDENTIAL', [ADMIN], 1],
  ['CONFIDENTIAL', [STEWARD, OWNER], 2],
  ['RESTRICTED', [OWNER, STEWARD], 2],
  ['RESTRICTED', [STEWARD, OWNER], 2],
  ['RESTRICTED', [STEWARD, ADMIN], 2],
  ['RESTRICTED', [OWNER, ADMIN], null],
];

describe('who has to approve', () => {
  test.each(APPROVED)('%s data approved by %j', async (level, people, grantedAfter) => {
    const { id } = await mesh.asked(of(level), { expiresAt: inDays(30) });
    for (const [index, person] of people.entries()) {
      const granted = grantedAfter === index + 1;
      expect(await mesh.approve(person, id, { comment: `No. ${index}` })).toMatchObject({
        accessRequest: {
          status: granted ? 'APPROVED' : 'PENDING',
          decision: { outcome: granted ? 'APPROVED' : 'NEEDS_APPROVAL' },
          approvals: { given: people.slice(0, index + 1).map(({ subject }) => ({ approvedBy: subject })) },
        },
        accessGrant: granted ? { status: 'PROVISIONING' } : null,
      });
    }
  });

  test('nobody decides his own request, nor one of others where he has no say', async () => {
    const own = await mesh.asked(
      of('INTERNAL'),
      { consumerDomain: mesh.sales, principals: [`arn:aws:iam::${'2'.repeat(12)}:role/own`] },
      OWNER,
    );
    expect(await mesh.approve(OWNER, own.id)).toMatchObject({
      code: 'FORBIDDEN',
      message: expect.stringContaining('own request'),
    });
    const { id } = await mesh.asked(of('INTERNAL'));
    for (const person of [memberOf('sales'), OUTSIDER, ownerOf('finance')]) {
      expect(await mesh.approve(person, id)).toMatchObject({
        __typename: expect.stringMatching(/(Forbidden|NotFound)Error/),
      });
    }
  });
});
