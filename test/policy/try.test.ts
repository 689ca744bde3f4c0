import { describe, expect, test } from 'vitest';
import { graphql } from '../../src/generated/graphql/gql.js';
import type { TryPolicyInput } from '../../src/generated/graphql/graphql.js';
import { parseGlobalId } from '../../src/governance/global-id.js';
import { forFile } from '../testkit/for-file.js';
import { ADMIN, inDays, memberOf, openPolicyMesh, ownerOf, stewardOf } from './mesh.js';

const Try = graphql(`
  query TryPolicy($input: TryPolicyInput!, $first: Int!, $after: String) {
    tryPolicy(input: $input, first: $first, after: $after) {
      examined
      hasNextPage
      endCursor
      changes {
        accessRequest { id }
        before { outcome required { owners stewards } policies { name } }
        after { outcome required { owners stewards } policies { name version } reasons }
      }
    }
  }
`);

const mesh = await forFile(openPolicyMesh());
const product = await mesh.product('INTERNAL');
const internal = (await mesh.asked(product, { expiresAt: inDays(20) })).id;
const granted = (await mesh.asked(product, { expiresAt: inDays(200) })).id;
await mesh.approve(stewardOf('sales'), granted);
const open = (await mesh.asked(await mesh.product('PUBLIC'), { expiresAt: inDays(30) })).id;
const ofFinance = await mesh.product('INTERNAL', { domain: 'finance' });
const asSales = { consumerDomain: mesh.sales, principals: [`arn:aws:iam::${'2'.repeat(12)}:role/x`] };
await mesh.asked(ofFinance, asSales, memberOf('sales'));

const uuidOf = (id: string): string => parseGlobalId(id)?.id ?? '';
const tried = async (
  input: TryPolicyInput,
  { first = 50, after }: { first?: number; after?: string } = {},
  person = ADMIN,
) => (await mesh.as(person)(Try, { input, first, ...(after ? { after } : {}) })).tryPolicy;
const OWNER_ALONE =
  '@reason("An owner for every product of sales.") forbid (principal, action == Action::"approve", resource in Domain::"sales") when { context.approvals.owners < 1 };';

/** Every table's rows, so that any write shows. */
const rows = async () =>
  mesh.query(
    `SELECT (SELECT count(*) FROM "EventPending") AS events, (SELECT max(xmin::text::bigint) FROM "AccessDecision") AS decisions,
      (SELECT count(*) FROM "PolicyVersion") AS versions, (SELECT max(xmin::text::bigint) FROM "AccessRequest") AS requests`,
  );

test('a draft shows which past decisions would change, from what to what and by which policy, and changes nothing', async () => {
  const before = await rows();
  const { examined, changes } = await tried({ source: OWNER_ALONE, domain: mesh.sales });
  expect(examined).toBe(3);
  expect(changes.map(({ accessRequest }) => accessRequest?.id)).toEqual([granted, internal]);
  expect(changes[0]).toMatchObject({
    before: { outcome: 'APPROVED', required: [] },
    after: {
      outcome: 'NEEDS_APPROVAL',
      required: [{ owners: 1, stewards: 0 }],
      policies: expect.arrayContaining([{ name: 'tried', version: 0 }]),
      reasons: expect.arrayContaining(['An owner for every product of sales.']),
    },
  });
  expect(changes[1]).toMatchObject({
    before: { outcome: 'NEEDS_APPROVAL', required: [{ owners: 1 }, { stewards: 1 }] },
    after: { outcome: 'NEEDS_APPROVAL', required: [{ owners: 1, stewards: 0 }] },
  });
  expect(await rows()).toEqual(before);
});

test('another text of an active policy is tried in its place', async () => {
  const { policies } = await mesh.as(ADMIN)(
    graphql(`
      query TryShipped {
        policies(first: 50) { nodes { id name } }
      }
    `),
  );
  const policy = policies.nodes.find(({ name }) => name === 'public-data')?.id as string;
  const source =
    'permit (principal, action == Action::"autoApprove", resource) when { context has days && context.days <= 7 };';
  const { changes } = await tried({ policy, source });
  // What was granted at once would not be any more; and nothing would let anybody approve it.
  expect(changes.find(({ accessRequest }) => accessRequest?.id === open)).toMatchObject({
    before: { outcome: 'AUTO_APPROVED' },
    after: { outcome: 'DENIED' },
  });
  expect((await tried({ policy })).changes).toEqual([]);
});

test('pages and periods bound what is looked at', async () => {
  const input = { source: OWNER_ALONE };
  const one = await tried(input, { first: 2 });
  expect(one).toMatchObject({ examined: 2, hasNextPage: true });
  const two = await tried(input, { first: 2, after: one.endCursor as string });
  expect(two).toMatchObject({ examined: 2, hasNextPage: false });
  expect([...one.changes, ...two.changes]).toHaveLength(2);
  expect((await tried({ ...input, from: inDays(1) })).examined).toBe(0);
  expect((await tried({ ...input, to: inDays(-1) })).examined).toBe(0);
  await expect(tried(input, { first: 101 })).rejects.toThrow(/from 1 to 100/);
  await expect(tried(input, { after: 'nonsense' })).rejects.toThrow(/cursor/);
});

test('only who may change a policy may try it, and sees requests for its products alone', async () => {
  const source = OWNER_ALONE;
  await expect(tried({ source }, {}, ownerOf('sales'))).rejects.toThrow(/platform admins/);
  await expect(tried({ source, domain: mesh.sales }, {}, ownerOf('finance'))).rejects.toThrow(/owners' and stewards'/);
  await expect(tried({ source, domain: mesh.sales }, {}, memberOf('sales'))).rejects.toThrow(/owners' and stewards'/);
  expect((await tried({ source, domain: mesh.sales }, {}, stewardOf('sales'))).examined).toBe(3);
  await expect(tried({ source: 'permit (principal);' })).rejects.toThrow(/line 1/);
  await expect(tried({})).rejects.toThrow(/Give a policy, a source, or both/);
});

describe('people', () => {
  const STEWARD = stewardOf('sales');
  /** What a text of sales would change about a request. */
  const change = async (source: string, id: string) => {
    const { changes } = await tried({ source, domain: mesh.sales });
    return changes.find(({ accessRequest }) => accessRequest?.id === id);
  };
  const OF_SALES = 'forbid (principal, action == Action::"approve", resource in Domain::"sales")';

  test('are those who really could approve', async () => {
    const { id } = await mesh.asked(await mesh.product('INTERNAL'));
    expect(await change(`${OF_SALES} unless { principal == User::"${STEWARD.subject}" };`, id)).toMatchObject({
      before: { outcome: 'NEEDS_APPROVAL' },
      after: { outcome: 'NEEDS_APPROVAL', required: [{ owners: 0, stewards: 1 }] },
    });
  });

  test('whose approval counts are those who approved what was decided about last', async () => {
    const product = await mesh.product('RESTRICTED');
    const { id } = await mesh.asked(product, { expiresAt: inDays(10) });
    await mesh.approve(ownerOf('sales'), id);
    await mesh.query(`UPDATE "DataProduct" SET "tags" = '{other}' WHERE "id" = $1::uuid`, [uuidOf(product)]);
    expect(await mesh.approve(STEWARD, id)).toMatchObject({ accessRequest: { status: 'PENDING' } });
    expect(await change(`${OF_SALES} when { context.approvals.total < 3 };`, id)).toMatchObject({
      before: { outcome: 'NEEDS_APPROVAL' },
    });
  });

  test('whom a deputy stood in for are behind his approval', async () => {
    await mesh.asOwner(`INSERT INTO "Deputy" ("id", "domainId", "standsInFor", "deputy", "from", "until")
      SELECT gen_random_uuid(), "id", '${STEWARD.subject}', 'dora', now() - interval '1 hour', now() + interval '1 day'
      FROM "Domain" WHERE "name" = 'sales'`);
    const { id } = await mesh.asked(await mesh.product('INTERNAL'));
    expect(await mesh.approve({ subject: 'dora' }, id)).toMatchObject({ accessRequest: { status: 'APPROVED' } });
    expect(await change(`${OF_SALES} when { principal == User::"${STEWARD.subject}" };`, id)).toMatchObject({
      before: { outcome: 'APPROVED' },
      after: { outcome: 'NEEDS_APPROVAL' },
    });
  });

  test('are nobody who is a machine by now', async () => {
    const late = 'service-account:sales/late';
    const { id } = await mesh.asked(await mesh.product('INTERNAL'));
    await mesh.asOwner(`INSERT INTO "DomainMember" ("id", "domainId", "subject", "role", "createdBy")
      SELECT gen_random_uuid(), "id", '${late}', 'STEWARD', 'admin' FROM "Domain" WHERE "name" = 'sales'`);
    expect(await mesh.approve({ subject: late }, id)).toMatchObject({ accessRequest: { status: 'APPROVED' } });
    const outcome = async () => (await change(OWNER_ALONE, id))?.before.outcome;
    expect(await outcome()).toBe('APPROVED');
    await mesh.asOwner(`INSERT INTO "ServiceAccount" ("id", "domainId", "name", "subject", "createdBy")
      SELECT gen_random_uuid(), "id", 'late', '${late}', 'admin' FROM "Domain" WHERE "name" = 'sales'`);
    expect(await outcome()).toBe('NEEDS_APPROVAL');
  });
});
