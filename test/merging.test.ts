import fc from 'fast-check';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { payload, until } from '../src/demo/client.js';
import { GOVERNANCE_ACCOUNT } from '../src/demo/mesh.js';
import { graphql } from '../src/generated/graphql/gql.js';
import type { RequestAccessInput } from '../src/generated/graphql/graphql.js';
import { atScale } from './faults/scale.js';
import { type Flows, openFlows, roleOf } from './testkit/flows.js';
import { productOfTest } from './testkit/product.js';

const Extend = graphql(`
  mutation MergingExtend($accessGrant: ID!, $expiresAt: DateTime!) {
    extendAccess(input: { accessGrant: $accessGrant, expiresAt: $expiresAt }) {
      __typename
      ... on UserError { code message }
    }
  }
`);

const product = productOfTest({ demo: false });
let flows: Flows;
let database: Client;
/** What can be asked for: principals, tables, columns, filters, links, tags and account grants overlap. */
let asks: (Partial<RequestAccessInput> & { dataProduct: string })[];

beforeAll(async () => {
  flows = await openFlows(await product);
  database = new Client({ connectionString: (await product).databaseUrl });
  await database.connect();
  const named = await flows.register({});
  const tagged = await flows.register({
    name: 'visits',
    accessMode: 'LF_TBAC',
    tables: [
      {
        name: 'visits',
        location: 's3://alpha-lake/data/visits/',
        format: 'PARQUET',
        columns: [{ name: 'page', type: 'string' }],
      },
    ],
  });
  await flows.published(named);
  await flows.published(tagged);
  const [ann, bob] = ['ann', 'bob'].map((name) => roleOf(flows.beta.account, name)) as [string, string];
  asks = [
    { dataProduct: named, principals: [ann] },
    { dataProduct: named, principals: [ann, bob], tables: ['orders'], permissions: ['SELECT'] },
    { dataProduct: named, principals: [ann], columns: ['orders.id', 'orders.mail'] },
    { dataProduct: named, principals: [ann, bob], columns: ['orders.id', 'orders.country'] },
    { dataProduct: named, principals: [bob], tables: ['items'], rowFilter: "country = 'DE'" },
    { dataProduct: named, principals: [ann, bob], tables: ['items'], rowFilter: "country = 'DE'" },
    { dataProduct: named, principals: [ann], columns: ['items.id'], rowFilter: 'id > 5' },
    { dataProduct: named, principals: [ann], tables: ['items'], grantTo: 'ACCOUNT' },
    { dataProduct: named, principals: [bob], grantTo: 'ACCOUNT', permissions: ['SELECT'] },
    { dataProduct: tagged, principals: [ann] },
    { dataProduct: tagged, principals: [ann, bob], permissions: ['DESCRIBE'] },
  ];
}, 120_000);
afterAll(() => database.end());

type Step = { do: 'approve'; ask: number } | { do: 'revoke' | 'expire' | 'extend'; grant: number };

const steps = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.record({ do: fc.constant('approve' as const), ask: fc.nat({ max: 10 }) }) },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constantFrom('revoke' as const, 'expire' as const, 'extend' as const),
        grant: fc.nat({ max: 50 }),
      }),
    },
  ),
  { minLength: 6, maxLength: 14 },
);

interface Live {
  grant: string;
  ask: number;
}

const extend = async (grant: string, inMs: number) => {
  const expiresAt = new Date(Date.now() + inMs).toISOString();
  payload((await flows.decider(Extend, { accessGrant: grant, expiresAt })).extendAccess);
};

const approve = async (ask: number): Promise<Live> => {
  const asked = asks[ask];
  if (!asked) throw new Error('Nobody asks for that.');
  return { grant: await flows.approve(await flows.request(asked)), ask };
};

/** Takes the steps one after another, without a look at AWS in between; answers who survives. */
async function take(all: Step[]): Promise<Live[]> {
  const live: Live[] = [];
  for (const step of all) {
    if (step.do === 'approve') {
      live.push(await approve(step.ask));
      continue;
    }
    const [chosen] = live.slice(step.grant % (live.length || 1));
    if (!chosen) continue;
    if (step.do === 'extend') {
      await extend(chosen.grant, 3_600_000);
      continue;
    }
    live.splice(live.indexOf(chosen), 1);
    if (step.do === 'revoke') await flows.revoke(chosen.grant);
    else await extend(chosen.grant, 250);
  }
  return live;
}

/** Waits until no grant is on its way in or out, and AWS agrees with every row. */
async function quiet(): Promise<void> {
  await until(
    'AWS agrees',
    async () => {
      const { rows } = await database.query<{ open: number }>(`SELECT
        (SELECT count(*) FROM "Resource" WHERE NOT ("observedGeneration" = "generation" AND
          (("status" = 'READY' AND "desired" = 'PRESENT') OR ("status" = 'REMOVED' AND "desired" = 'ABSENT'))))::int
        + (SELECT count(*) FROM "AccessGrant" WHERE "status" NOT IN ('ACTIVE', 'REVOKED', 'EXPIRED')
            OR ("status" = 'ACTIVE' AND "expiresAt" < now() + interval '1 minute'))::int AS open`);
      return rows[0]?.open === 0 ? true : undefined;
    },
    90_000,
  );
}

/** Everything that grants can change in AWS, in both accounts, as sorted lines. */
async function stateOfAws(): Promise<string[]> {
  const { sandbox, beta } = flows;
  const lines: string[] = [];
  for (const account of [GOVERNANCE_ACCOUNT, beta.account]) {
    const { PrincipalResourcePermissions: rows } = await sandbox.asAdministrator<{
      PrincipalResourcePermissions: Record<string, unknown>[];
    }>(account, 'lakeformation:ListPermissions', { MaxResults: 1000 });
    for (const { Principal, Resource, Permissions, PermissionsWithGrantOption } of rows) {
      const row = { Principal, Resource, Permissions, PermissionsWithGrantOption };
      lines.push(`${account} permission ${JSON.stringify(row)}`);
    }
  }
  const { TableList } = await sandbox.asAdministrator<{ TableList: Record<string, unknown>[] }>(
    beta.account,
    'glue:GetTables',
    { DatabaseName: 'data_products' },
  );
  for (const { Name, TargetTable } of TableList) lines.push(`link ${Name} ${JSON.stringify(TargetTable)}`);
  const { DatabaseList } = await sandbox.asAdministrator<{ DatabaseList: Record<string, unknown>[] }>(
    beta.account,
    'glue:GetDatabases',
    {},
  );
  for (const { Name, TargetDatabase } of DatabaseList) lines.push(`link ${Name} ${JSON.stringify(TargetDatabase)}`);
  const { DataCellsFilters } = await sandbox.asAdministrator<{ DataCellsFilters: Record<string, unknown>[] }>(
    GOVERNANCE_ACCOUNT,
    'lakeformation:ListDataCellsFilter',
    {},
  );
  for (const { VersionId: _, ...filter } of DataCellsFilters) lines.push(`filter ${JSON.stringify(filter)}`);
  return lines.sort();
}

test('whatever the order of approve, extend, revoke and expire, AWS ends as if only the survivors had been approved', async () => {
  await quiet();
  const before = await stateOfAws();
  await fc.assert(
    fc.asyncProperty(steps, async (all) => {
      const survivors = await take(all);
      await quiet();
      const ended = await stateOfAws();
      for (const { grant } of survivors) await flows.revoke(grant);
      await quiet();
      expect(await stateOfAws()).toEqual(before);
      const alone: Live[] = [];
      for (const { ask } of survivors) alone.push(await approve(ask));
      await quiet();
      expect(await stateOfAws()).toEqual(ended);
      for (const { grant } of alone) await flows.revoke(grant);
      await quiet();
    }),
    { numRuns: atScale({ quick: 2, soak: 30 }), endOnFailure: true },
  );
}, 1_200_000);
