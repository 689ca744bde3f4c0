import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { graphql } from '../src/generated/graphql/gql.js';
import { CONSUMER, type ExplainedMesh, openExplainedMesh, PRODUCER, readerRole } from './explain/mesh.js';
import { productOfTest } from './testkit/product.js';
import { sandboxControl } from './testkit/sandbox-control.js';

const product = await productOfTest();
const sandbox = sandboxControl(product.sandbox);
let mesh: ExplainedMesh;
beforeAll(async () => {
  mesh = await openExplainedMesh(product);
});
afterAll(() => mesh.close());

const Scene = graphql(`
  query PlanScene($consumer: String!) {
    domain(by: { name: $consumer }) { id }
  }
`);
const PlanAccess = graphql(`
  query PlanAccess($input: RequestAccessInput!) {
    planAccess(input: $input) {
      digest
      refusals
      warnings
      policy { decision version whoMayDecide viewerMayDecide reasons }
      counts { kind action count }
      quotas { name account scope used planned limit headroom }
      resources {
        kind
        action
        repairs
        account
        region
        key
        before
        after
        diff
        awsCalls { service operation parameters quota }
      }
    }
  }
`);
const RequestPlans = graphql(`
  query PlanOfRequests($first: Int!, $product: ID!) {
    accessRequests(first: $first, filter: { status: [PENDING], dataProduct: $product }) {
      nodes { id plan { digest refusals counts { kind action count } resources { kind account key } } }
    }
  }
`);
const ProductPlans = graphql(`
  query PlanOfProduct($id: ID!) {
    dataProduct(by: { id: $id }) {
      status
      publishPlan { digest refusals counts { kind action count } }
      retirePlan { digest warnings counts { kind action count } }
    }
  }
`);
const Retire = graphql(`
  mutation PlanRetire($input: RetireDataProductInput!) {
    retireDataProduct(input: $input) {
      __typename
      ... on RetireDataProductPayload { dataProduct { status } }
      ... on StateError { code message state }
      ... on UserError { code message }
    }
  }
`);
const Preview = graphql(`
  query PlanPreview($input: PreviewTagChangeInput!) {
    previewTagChange(input: $input) {
      plan { digest refusals warnings counts { kind action count } }
      gains { principal table columns through { id } }
      losses { principal table columns through { id } }
    }
  }
`);
const Reclassify = graphql(`
  mutation PlanReclassify($input: UpdateDataProductInput!) {
    updateDataProduct(input: $input) {
      __typename
      ... on UpdateDataProductPayload { dataProduct { classification } }
      ... on UserError { code message }
    }
  }
`);
const Approve = graphql(`
  mutation PlanApprove($input: DecideAccessRequestInput!) {
    approveAccessRequest(input: $input) {
      __typename
      ... on ApproveAccessRequestPayload { accessGrant { id status } }
      ... on StateError { code message state }
      ... on UserError { code message }
    }
  }
`);

const TABLES = [
  {
    name: 'heads',
    columns: [
      { name: 'id', pii: false },
      { name: 'total', pii: false },
    ],
  },
  { name: 'lines', columns: [{ name: 'id', pii: false }] },
];
const publish = () => mesh.publish({ accessMode: 'NRAC', classification: 'INTERNAL', tables: TABLES });

async function inputFor(dataProduct: string, principals: string[], more: object = {}) {
  const { domain } = await (await mesh.as(CONSUMER.requester))(Scene, { consumer: CONSUMER.domain });
  return {
    dataProduct,
    consumerDomain: domain?.id as string,
    principals,
    purpose: 'To see what is explained',
    ...more,
  };
}

/** Every row of the database with its version, so that any write shows; what the loops keep for themselves is left out. */
async function everyRow(): Promise<unknown[]> {
  const tables = await mesh.query<{ name: string }>(
    `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND table_name NOT IN ('Lane') ORDER BY 1`,
  );
  return Promise.all(
    tables.map(({ name }) =>
      mesh.query(
        `SELECT '${name}' AS "table", count(*)::int, coalesce(max(xmin::text::bigint), 0)::text AS last FROM "${name}"`,
      ),
    ),
  );
}

/** The rows once loops and publisher have nothing more to do. */
async function settledRows(): Promise<unknown[]> {
  await mesh.quiet();
  for (;;) {
    const before = JSON.stringify(await everyRow());
    await new Promise((resolve) => setTimeout(resolve, 500));
    const after = await everyRow();
    if (JSON.stringify(after) === before) return after;
  }
}

describe('planAccess', () => {
  test('says the objects, the exact calls, the quotas and who decides', async () => {
    const published = await publish();
    const requester = await mesh.as('pierre.laurent');
    const { planAccess } = await requester(PlanAccess, {
      input: await inputFor(published.id, [readerRole('planned')], { tables: [`${published.name}_heads`] }),
    });
    expect(planAccess).toMatchObject({
      refusals: [],
      policy: { decision: 'REQUIRED', viewerMayDecide: false, whoMayDecide: expect.stringContaining('logistics') },
    });
    expect(planAccess.counts).toContainEqual({ kind: 'TableLink', action: 'CREATE', count: 1 });
    const grant = planAccess.resources.find(({ kind, account }) => kind === 'LfGrant' && account === '111122223333');
    expect(grant).toMatchObject({
      action: 'CREATE',
      before: null,
      after: { principal: readerRole('planned'), permissions: { SELECT: 'ALL_COLUMNS', DESCRIBE: 'ALL_COLUMNS' } },
      awsCalls: [{ service: 'lakeformation', operation: 'BatchGrantPermissions' }],
    });
    expect(planAccess.quotas).toContainEqual(
      expect.objectContaining({ name: 'Tables per database', account: CONSUMER.account, planned: 1, limit: 200_000 }),
    );
  });

  test('makes the calls that it names, once the request is approved', async () => {
    const published = await publish();
    const principals = [readerRole('called')];
    const requester = await mesh.as('pierre.laurent');
    const { planAccess } = await requester(PlanAccess, { input: await inputFor(published.id, principals) });
    const planned = planAccess.resources.flatMap(({ account, awsCalls }) =>
      (awsCalls ?? []).map(({ operation }) => `${account} ${operation}`),
    );
    const request = await mesh.request(published, { principals });
    const calls = await sandbox.callsDuring(async () => {
      await mesh.approve(request, { planDigest: planAccess.digest });
      await mesh.quiet();
    });
    const WRITES = /^(BatchGrant|Create|Add|Register)/;
    const made = new Set(
      calls
        .filter(({ operation }) => WRITES.test(operation))
        .map(({ account, operation }) => `${account} ${operation}`),
    );
    expect(made).toEqual(new Set(planned.filter((call) => WRITES.test(call.split(' ')[1] as string))));
    expect(made.size).toBeGreaterThan(2);
  });

  test('names the very parameters, also where a grant that stands is widened', async () => {
    const published = await publish();
    const principals = [readerRole('widened')];
    await mesh.approve(await mesh.request(published, { principals, columns: ['heads.id'] }));
    await mesh.quiet();
    const requester = await mesh.as('pierre.laurent');
    const columns = [`${published.name}_heads.total`];
    const { planAccess } = await requester(PlanAccess, {
      input: await inputFor(published.id, principals, { columns }),
    });
    const update = planAccess.resources.find(({ action }) => action === 'UPDATE');
    expect(update).toMatchObject({ kind: 'LfGrant', diff: ['~ permissions.SELECT: ["id"] -> ["id","total"]'] });
    const request = await mesh.request(published, { principals, columns: ['heads.total'] });
    const calls = await sandbox.callsDuring(async () => {
      await mesh.approve(request);
      await mesh.quiet();
    });
    const made = calls.filter(({ operation }) => /^Batch(Grant|Revoke)/.test(operation));
    expect(made.map(({ operation, parameters }) => ({ operation, parameters }))).toEqual(
      update?.awsCalls?.map(({ operation, parameters }) => ({ operation, parameters })),
    );
  });

  test('shows what is wanted already and does not stand: it is tried anew for whoever asks', async () => {
    const published = await publish();
    await mesh.approve(await mesh.request(published, { principals: [readerRole('first')] }));
    await mesh.quiet();
    const become = (status: string) =>
      mesh.query(
        `UPDATE "Resource" SET "status" = '${status}' WHERE "kind" = 'TableLink' AND "account" = '${CONSUMER.account}'
         AND "key" LIKE '%__${published.name}_heads'`,
      );
    const requester = await mesh.as('pierre.laurent');
    const input = await inputFor(published.id, [readerRole('second')]);
    const links = async () => {
      const { planAccess } = await requester(PlanAccess, { input });
      const shown = planAccess.resources.filter(({ kind }) => kind === 'TableLink');
      const calls = shown.map(({ action, repairs, awsCalls }) => [action, repairs, awsCalls?.map((x) => x.operation)]);
      return { digest: planAccess.digest, calls: calls.sort() };
    };
    const standing = await links();
    expect(standing.calls).toEqual([
      ['NOOP', false, []],
      ['NOOP', false, []],
    ]);
    await become('FAILED');
    expect(await links()).toEqual({
      digest: standing.digest,
      calls: [
        ['NOOP', false, []],
        ['NOOP', true, ['CreateTable']],
      ],
    });
    await become('READY');
  });

  test('writes nothing, and calls nothing', async () => {
    const published = await publish();
    const input = await inputFor(published.id, [readerRole('nobody')]);
    const requester = await mesh.as(CONSUMER.requester);
    const before = await settledRows();
    const calls = await sandbox.callsDuring(() => requester(PlanAccess, { input }));
    expect(calls).toEqual([]);
    expect(await everyRow()).toEqual(before);
    // What a write would have looked like.
    await mesh.request(published, { principals: [readerRole('nobody')] });
    expect(await everyRow()).not.toEqual(before);
  });

  test('shows kinds and counts alone to those who may not see AWS objects', async () => {
    const published = await publish();
    const input = await inputFor(published.id, [readerRole('shy')]);
    const { planAccess } = await (await mesh.as('oskar.lind'))(PlanAccess, { input });
    expect(planAccess.quotas).toBeNull();
    expect(planAccess.resources.length).toBeGreaterThan(3);
    for (const resource of planAccess.resources) {
      expect(resource).toMatchObject({ account: null, key: null, after: null, diff: null, awsCalls: null });
    }
    const steward = await (await mesh.as('pierre.laurent'))(PlanAccess, { input });
    expect(steward.planAccess.digest).toBe(planAccess.digest);
  });

  test('is for whom requestAccess is', async () => {
    const published = await publish();
    const input = await inputFor(published.id, [readerRole('x')]);
    await expect((await mesh.as('yuki.tanaka'))(PlanAccess, { input })).rejects.toThrow(/may not request access/);
    await expect(
      (await mesh.as('oskar.lind'))(PlanAccess, {
        input: { ...input, principals: ['arn:aws:iam::999999999999:role/x'] },
      }),
    ).rejects.toThrow(/must be of the consumer domain's account/);
  });
});

describe('the digest', () => {
  test('of planAccess and of the request is the same, and an approval with it goes through', async () => {
    const published = await publish();
    const principals = [readerRole('same')];
    const requester = await mesh.as(CONSUMER.requester);
    const { planAccess } = await requester(PlanAccess, { input: await inputFor(published.id, principals) });
    const request = await mesh.request(published, { principals });
    const owner = await mesh.as(PRODUCER.owner);
    const { accessRequests } = await owner(RequestPlans, { first: 1, product: published.id });
    expect(accessRequests.nodes[0]).toMatchObject({ id: request, plan: { digest: planAccess.digest, refusals: [] } });
    await mesh.approve(request, { planDigest: planAccess.digest });
  });

  test('keeps an approval from going through once the world has changed, unless told otherwise', async () => {
    const published = await publish();
    const principals = [readerRole('changed')];
    const [first, second] = [
      await mesh.request(published, { principals, columns: ['heads.id'] }),
      await mesh.request(published, { principals, columns: ['heads.total'] }),
    ];
    const owner = await mesh.as(PRODUCER.owner);
    const { accessRequests } = await owner(RequestPlans, { first: 2, product: published.id });
    const planDigest = accessRequests.nodes.find(({ id }) => id === second)?.plan?.digest as string;
    await mesh.approve(first);
    const { approveAccessRequest } = await owner(Approve, { input: { accessRequest: second, planDigest } });
    expect(approveAccessRequest).toMatchObject({
      __typename: 'StateError',
      state: 'PENDING',
      message: expect.stringContaining('plan has changed'),
    });
    expect(
      await mesh.query(
        `SELECT 1 FROM "AccessGrant" g JOIN "AccessRequest" q ON q."id" = g."requestId" WHERE q."status" = 'PENDING'`,
      ),
    ).toEqual([]);
    const accepted = await owner(Approve, { input: { accessRequest: second, planDigest, acceptChangedPlan: true } });
    expect(accepted.approveAccessRequest).toMatchObject({ accessGrant: { status: 'PROVISIONING' } });
  });

  test('does not change by the status of what it names: before AWS has agreed and after', async () => {
    const published = await publish();
    const principals = [readerRole('steady')];
    await mesh.approve(await mesh.request(published, { principals, tables: ['heads'] }));
    const requester = await mesh.as(CONSUMER.requester);
    const plan = async () =>
      (await requester(PlanAccess, { input: await inputFor(published.id, principals) })).planAccess.digest;
    const underway = await plan();
    await mesh.quiet();
    expect(await plan()).toBe(underway);
  });

  test('comes with the reason why an approval would be refused', async () => {
    const tables = [{ name: 'people', columns: [{ name: 'email', pii: true }] }];
    const published = await mesh.publish({ accessMode: 'LF_TBAC', classification: 'INTERNAL', tables });
    const request = await mesh.request(published, { principals: [readerRole('nothing-left')] });
    const owner = await mesh.as(PRODUCER.owner);
    const { accessRequests } = await owner(RequestPlans, { first: 1, product: published.id });
    expect(accessRequests.nodes[0]?.plan?.refusals).toEqual([expect.stringContaining('opens no sensitive column')]);
    await expect(mesh.approve(request)).rejects.toThrow(/opens no sensitive column/);
  });

  test('of a retirement covers the grants that it revokes', async () => {
    const published = await publish();
    const grant = await mesh.approve(await mesh.request(published, { principals: [readerRole('retired')] }));
    await mesh.quiet();
    const owner = await mesh.as(PRODUCER.owner);
    const seen = (await owner(ProductPlans, { id: published.id })).dataProduct;
    expect(seen?.publishPlan).toBeNull();
    expect(seen?.retirePlan?.counts).toContainEqual({ kind: 'GlueTable', action: 'DELETE', count: 2 });
    expect(seen?.retirePlan?.warnings).toEqual([expect.stringContaining('1 live grants would be revoked')]);
    const planDigest = seen?.retirePlan?.digest as string;
    await mesh.revoke(grant);
    const input = { dataProduct: published.id, revokeGrants: true };
    expect((await owner(Retire, { input: { ...input, planDigest } })).retireDataProduct).toMatchObject({
      __typename: 'StateError',
      state: 'PUBLISHED',
    });
    const now = (await owner(ProductPlans, { id: published.id })).dataProduct?.retirePlan?.digest as string;
    expect((await owner(Retire, { input: { ...input, planDigest: now } })).retireDataProduct).toMatchObject({
      dataProduct: { status: 'RETIRED' },
    });
    expect((await (await mesh.as('nina.sommer'))(ProductPlans, { id: published.id })).dataProduct).toBeNull();
  });
});

describe('previewTagChange', () => {
  test('says what a classification does to the tags, and which grants end with it', async () => {
    const published = await publish();
    await mesh.approve(await mesh.request(published, { principals: [readerRole('tagged')] }));
    await mesh.quiet();
    const owner = await mesh.as(PRODUCER.owner);
    const preview = async (input: object) =>
      (await owner(Preview, { input: { dataProduct: published.id, ...input } })).previewTagChange;
    const stricter = await preview({ classification: 'CONFIDENTIAL' });
    expect(stricter).toMatchObject({
      gains: [],
      losses: [{}, {}],
      plan: { refusals: [], warnings: [expect.stringMatching(/One grant would end: .*CONFIDENTIAL now.*INTERNAL/)] },
    });
    expect(stricter.plan.counts).toContainEqual({ kind: 'LfTagAttachment', action: 'UPDATE', count: 2 });
    const column = { column: `${published.name}_heads.id`, pii: true };
    expect((await preview({ columns: [column] })).plan.counts).toContainEqual({
      kind: 'LfTagAttachment',
      action: 'CREATE',
      count: 1,
    });
    await expect(preview({ columns: [{ column: 'nothing', pii: true }] })).rejects.toThrow(/no column nothing/);
    const input = { dataProduct: published.id, classification: 'CONFIDENTIAL' as const };
    const update = async (planDigest: string) =>
      (await owner(Reclassify, { input: { ...input, planDigest } })).updateDataProduct;
    expect(await update('0'.repeat(64))).toMatchObject({ __typename: 'StateError' });
    expect(await update(stricter.plan.digest)).toMatchObject({ dataProduct: { classification: 'CONFIDENTIAL' } });
  });

  test('says who gains and who loses by tag, through which grant, as AWS then has it', async () => {
    const tables = [
      {
        name: 'people',
        columns: [
          { name: 'id', pii: false },
          { name: 'email', pii: true },
        ],
      },
    ];
    const published = await mesh.publish({ accessMode: 'LF_TBAC', classification: 'INTERNAL', tables });
    const principal = readerRole('touched');
    const grant = await mesh.approve(await mesh.request(published, { principals: [principal] }));
    await mesh.quiet();
    const owner = await mesh.as(PRODUCER.owner);
    const preview = async (input: object) =>
      (await owner(Preview, { input: { dataProduct: published.id, ...input } })).previewTagChange;
    const table = `${published.name}_people`;
    const through = [{ id: grant }];
    expect(await preview({ columns: [{ column: `${table}.email`, pii: false }] })).toMatchObject({
      gains: [{ principal, table, columns: ['email'], through }],
      losses: [],
    });
    const stricter = await preview({ classification: 'RESTRICTED' });
    expect(stricter).toMatchObject({ gains: [], losses: [{ principal, table, columns: ['id'], through }] });
    expect(await mesh.readable(published, tables, [principal])).toEqual(['touched people.id']);
    await mesh.update(published, { classification: 'RESTRICTED' });
    await mesh.quiet();
    expect(await mesh.readable(published, tables, [principal])).toEqual([]);
  });

  test('is for whom updateDataProduct is', async () => {
    const published = await publish();
    const member = await mesh.as('elif.kaya');
    await expect(member(Preview, { input: { dataProduct: published.id } })).rejects.toThrow(/may not change/);
  });
});
