import { describe, expect, test } from 'vitest';
import { graphql } from '../../src/generated/graphql/gql.js';
import type { UpdateDataProductInput } from '../../src/generated/graphql/graphql.js';
import { parseGlobalId } from '../../src/governance/global-id.js';
import type { Person } from '../testkit/execute.js';
import { forFile } from '../testkit/for-file.js';
import { Update, Waiting } from './documents.js';
import { ADMIN, inDays, memberOf, openPolicyMesh, ownerOf, stewardOf } from './mesh.js';

const Plan = graphql(`
  query DecidingPlan($id: ID!) {
    node(id: $id) {
      ... on AccessRequest {
        plan { digest warnings refusals policy { outcome required { owners stewards } viewerMayDecide } }
        decision { reasons }
        approvals { given { approvedBy standing } }
      }
    }
  }
`);
const Extend = graphql(`
  mutation DecidingExtend($input: ExtendAccessInput!) {
    extendAccess(input: $input) {
      __typename
      ... on ExtendAccessPayload { accessRequest { id } }
      ... on UserError { code message }
    }
  }
`);

const mesh = await forFile(openPolicyMesh());

const OWNER = ownerOf('sales');
const STEWARD = stewardOf('sales');

const seen = async (id: string, person: Person = STEWARD) => {
  const { node } = await mesh.as(person)(Plan, { id });
  if (!node || !('plan' in node)) throw new Error('There is no such request.');
  return node;
};
const planOf = async (id: string, person?: Person) => {
  const { plan } = await seen(id, person);
  if (!plan) throw new Error('There is no plan.');
  return plan;
};
const change = async (input: UpdateDataProductInput, person: Person = OWNER) => {
  const { updateDataProduct } = await mesh.as(person)(Update, { input });
  expect(updateDataProduct).toMatchObject({ __typename: 'UpdateDataProductPayload' });
};
/** Lets a policy of sales decide while something is tried. */
async function during(source: string, work: () => Promise<void>): Promise<void> {
  const policy = await mesh.inForce(source, mesh.sales);
  try {
    await work();
  } finally {
    await mesh.deactivate(ADMIN, policy);
  }
}
const uuidOf = (id: string): string => parseGlobalId(id)?.id ?? '';
/** Marks the ordinary column as its producer would, past the rules that hold a published product. */
const mark = (product: string, set: string) =>
  mesh.asOwner(`UPDATE "ProductColumn" SET ${set} WHERE "name" = 'id' AND "tableId" IN (
    SELECT "id" FROM "ProductTable" WHERE "productId" = '${uuidOf(product)}')`);

describe("a plan's digest", () => {
  test.each<[string, (product: string) => Promise<unknown>]>([
    ['the classification', (dataProduct) => change({ dataProduct, classification: 'PUBLIC' })],
    ['the tags', (dataProduct) => change({ dataProduct, tags: ['other'] })],
    ["a column's personal data", (product) => mark(product, '"pii" = true')],
    [
      "a column's classification",
      (product) =>
        mark(product, `"classification" = 'INTERNAL'`).then(() => mark(product, `"classification" = 'PUBLIC'`)),
    ],
    [
      'the contract in force',
      (product) =>
        mesh.asOwner(`INSERT INTO "DataContract" ("id", "productId", "odcsId", "version", "apiVersion", "document", "format", "digest", "parsed",
          "sla", "quality", "warnings", "notes", "status", "activatedAt", "createdBy")
          VALUES (gen_random_uuid(), '${uuidOf(product)}', 'x', '7.0.0', 'v3.0.2', '{}', 'JSON', repeat('0', 64), '{}', '[]', '[]', '{}', '{}',
          'ACTIVE', now(), 'owner')`),
    ],
  ])('is another when %s is, and an approval by the one that was looked at is refused', async (_what, work) => {
    const product = await mesh.product('INTERNAL');
    const { id } = await mesh.asked(product, { namedPurpose: 'testing' });
    const { digest: planDigest } = await planOf(id);
    expect((await planOf(id, OWNER)).digest).toBe(planDigest);
    await work(product);
    expect((await planOf(id)).digest).not.toBe(planDigest);
    expect(await mesh.approve(STEWARD, id, { planDigest })).toMatchObject({ code: 'STATE' });
    expect(await mesh.approve(STEWARD, id, { planDigest: (await planOf(id)).digest })).toMatchObject({
      accessRequest: { status: 'APPROVED' },
    });
  });

  test('is another when other approvals are needed', async () => {
    await mesh.asOwner(`INSERT INTO "DomainMember" ("id", "domainId", "subject", "role", "createdBy")
      SELECT gen_random_uuid(), "id", 'nora', 'STEWARD', 'admin' FROM "Domain" WHERE "name" = 'sales'`);
    const source = `forbid (principal, action == Action::"approve", resource in Domain::"sales") unless { principal == User::"nora" };`;
    await during(source, async () => {
      const { id, approvals } = await mesh.asked(await mesh.product('INTERNAL'));
      expect(approvals.required).toEqual([{ owners: 0, stewards: 1 }]);
      const { digest: planDigest } = await planOf(id);
      await mesh.asOwner(`UPDATE "DomainMember" SET "role" = 'OWNER' WHERE "subject" = 'nora'`);
      expect((await planOf(id)).digest).not.toBe(planDigest);
      expect(await mesh.approve({ subject: 'nora' }, id, { planDigest })).toMatchObject({ code: 'STATE' });
      expect(await mesh.approve({ subject: 'nora' }, id)).toMatchObject({ accessRequest: { status: 'APPROVED' } });
    });
  });

  test('is another for another end, and the same an hour later', async () => {
    const product = await mesh.product('INTERNAL');
    const principals = [`arn:aws:iam::${'3'.repeat(12)}:role/same`];
    const [one, other] = [inDays(10), inDays(20)];
    const ask = async (expiresAt: string) => (await mesh.asked(product, { principals, expiresAt })).id;
    const [first, second, again] = [await ask(one), await ask(other), await ask(one)];
    const digests = [];
    for (const id of [first, second, again]) digests.push((await planOf(id)).digest);
    expect(digests[1]).not.toBe(digests[0]);
    expect(digests[2]).toBe(digests[0]);
  });
});

test('a request whose facts change between two approvals needs the first again, and says so', async () => {
  const product = await mesh.product('RESTRICTED');
  const { id } = await mesh.asked(product, { expiresAt: inDays(10) });
  expect(await mesh.approve(OWNER, id)).toMatchObject({ accessRequest: { status: 'PENDING' } });
  await change({ dataProduct: product, tags: ['changed'] });
  expect((await planOf(id)).warnings).toEqual([expect.stringMatching(/changed since owner-sales approved/)]);
  expect(await mesh.approve(STEWARD, id)).toMatchObject({ accessRequest: { status: 'PENDING' }, accessGrant: null });
  const { decision, approvals } = await seen(id);
  expect(decision?.reasons[0]).toMatch(/changed since owner-sales approved it: look at it and approve it again/);
  expect(approvals.given).toEqual([
    { approvedBy: OWNER.subject, standing: false },
    { approvedBy: STEWARD.subject, standing: true },
  ]);
  const waits = async (person: Person) =>
    (await mesh.as(person)(Waiting)).accessRequests.nodes.some((one) => one.id === id);
  expect([await waits(OWNER), await waits(STEWARD)]).toEqual([true, false]);
  expect(await mesh.approve(OWNER, id)).toMatchObject({ accessRequest: { status: 'APPROVED' } });
});

test('an approval judges by the mode that the product has now: by tag it goes to the account, with all of its tables', async () => {
  const product = await mesh.product('INTERNAL');
  const { id } = await mesh.asked(product, { columns: null, namedPurpose: 'testing' });
  await change({ dataProduct: product, accessMode: 'LF_TBAC' });
  const account = `@reason("Not to accounts.") forbid (principal, action == Action::"approve", resource in Domain::"sales")
    when { context.grantTo == GrantTarget::"ACCOUNT" };`;
  const tables = `@reason("Not as a whole.") forbid (principal, action == Action::"approve", resource in Domain::"sales")
    when { context.tables.isEmpty() };`;
  for (const [source, reason] of [
    [account, 'Not to accounts.'],
    [tables, 'Not as a whole.'],
  ] as const) {
    await during(source, async () => {
      expect(await mesh.approve(STEWARD, id)).toMatchObject({
        __typename: 'PolicyDeniedError',
        message: expect.stringContaining(reason),
      });
    });
  }
  expect((await planOf(id)).warnings).toContainEqual(expect.stringContaining("consumer's account"));
});

describe('policies that name a person', () => {
  const only = (who: string) =>
    `@reason("Only one decides.") forbid (principal, action == Action::"approve", resource in Domain::"sales") unless { ${who} };`;

  test.each([
    ['by his entity', `principal == User::"${STEWARD.subject}"`, STEWARD],
    ['by his subject', `principal.subject == "${STEWARD.subject}"`, STEWARD],
    ['as an admin', 'principal.admin', ADMIN],
    ['an admin by his entity', `principal == User::"${ADMIN.subject}"`, ADMIN],
  ])('%s are decided by him, and by nobody else', async (_how, who, decider) => {
    await during(only(who), async () => {
      const { id, approvals } = await mesh.asked(await mesh.product('INTERNAL'));
      const role = decider === STEWARD ? { owners: 0, stewards: 1 } : { owners: 1, stewards: 0 };
      expect(approvals.required).toEqual([role]);
      expect((await planOf(id, OWNER)).policy.viewerMayDecide).toBe(false);
      expect(await mesh.approve(OWNER, id)).toMatchObject({
        __typename: 'PolicyDeniedError',
        message: expect.stringContaining('Only one decides.'),
      });
      expect(await mesh.approve(decider, id)).toMatchObject({ accessRequest: { status: 'APPROVED' } });
    });
  });

  test('who may never approve it make that nobody can', async () => {
    const asSales = { consumerDomain: mesh.sales, principals: [`arn:aws:iam::${'2'.repeat(12)}:role/own`] };
    await during(only(`principal == User::"${STEWARD.subject}"`), async () => {
      expect(await mesh.ask(await mesh.product('INTERNAL'), asSales, STEWARD)).toMatchObject({
        __typename: 'PolicyDeniedError',
        message: expect.stringContaining('No policy lets anybody approve it.'),
      });
    });
  });

  test('against one leave the others', async () => {
    await during(
      `forbid (principal == User::"${OWNER.subject}", action == Action::"approve", resource in Domain::"sales");`,
      async () => {
        const { id } = await mesh.asked(await mesh.product('INTERNAL'));
        expect(await mesh.approve(OWNER, id)).toMatchObject({ __typename: 'PolicyDeniedError' });
        expect(await mesh.approve(STEWARD, id)).toMatchObject({ accessRequest: { status: 'APPROVED' } });
      },
    );
  });
});

test('an extension that was overtaken brings no end nearer, whoever approves it and however short', async () => {
  const { id } = await mesh.asked(await mesh.product('INTERNAL'), { expiresAt: inDays(5) });
  const approved = await mesh.approve(STEWARD, id);
  if (approved.__typename !== 'ApproveAccessRequestPayload' || !approved.accessGrant) throw new Error('Not granted.');
  const accessGrant = approved.accessGrant.id;
  const extend = async (person: Person, days: number) => {
    const { extendAccess } = await mesh.as(person)(Extend, { input: { accessGrant, expiresAt: inDays(days) } });
    if (extendAccess.__typename !== 'ExtendAccessPayload') throw new Error(JSON.stringify(extendAccess));
    return extendAccess.accessRequest?.id ?? null;
  };
  const asked = (await extend(memberOf('finance'), 20)) as string;
  expect(await mesh.approve(STEWARD, asked, { expiresAt: inDays(2) })).toMatchObject({
    code: 'VALIDATION',
    message: expect.stringContaining('nearer'),
  });
  expect(await extend(OWNER, 10).catch((error: Error) => error.message)).toMatch(/CONFLICT.*have that request decided/);
  // As if it had been extended in the meantime, however that came.
  await mesh.asOwner(
    `UPDATE "AccessGrant" SET "expiresAt" = now() + interval '90 days' WHERE "id" = '${uuidOf(accessGrant)}'`,
  );
  expect((await planOf(asked)).refusals).toEqual([expect.stringContaining('nearer')]);
  expect(await mesh.approve(STEWARD, asked)).toMatchObject({
    code: 'STATE',
    message: expect.stringContaining('nearer'),
  });
  const [row] = await mesh.query<{ days: number }>(
    `SELECT round(extract(epoch FROM "expiresAt" - now()) / 86400)::int AS days FROM "AccessGrant" WHERE "id" = $1::uuid`,
    [uuidOf(accessGrant)],
  );
  expect(row?.days).toBe(90);
  // What asks for no more than is granted has nothing left to be decided.
  expect(await extend(OWNER, 100)).toBeNull();
  expect(
    await mesh.query(`SELECT "status"::text, "comment" FROM "AccessRequest" WHERE "id" = $1::uuid`, [uuidOf(asked)]),
  ).toEqual([{ status: 'CANCELLED', comment: expect.stringContaining('no sooner than was asked') }]);
});
