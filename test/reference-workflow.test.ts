import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { payload, until } from '../src/demo/client.js';
import { GOVERNANCE_ACCOUNT } from '../src/demo/mesh.js';
import { graphql } from '../src/generated/graphql/gql.js';
import { type Flows, openFlows, roleOf } from './testkit/flows.js';
import { productOfTest } from './testkit/product.js';
import { type ReferenceDomain, startReferenceDomain } from './testkit/reference-workflow.js';

const Report = graphql(`
  mutation WorkflowReport($input: ReportProvisioningInput!) {
    reportProvisioning(input: $input) {
      __typename
      ... on ReportProvisioningPayload { dataProduct { status } }
      ... on UserError { code message }
    }
  }
`);

const product = await productOfTest({ demo: false });
let flows: Flows;
let producer: ReferenceDomain;
let consumer: ReferenceDomain;

beforeAll(async () => {
  const delegated = { provisioning: 'DELEGATED' as const, eventBusName: 'data-mesh-bus' };
  flows = await openFlows(product, { alpha: delegated, beta: delegated });
  producer = await startReferenceDomain(product.sandbox, flows.alpha.account);
  consumer = await startReferenceDomain(product.sandbox, flows.beta.account);
}, 120_000);
afterAll(() => Promise.all([producer?.stop(), consumer?.stop()]));

const executed = (domain: ReferenceDomain, count: number) =>
  until('the workflow ran', async () => (domain.executions.length >= count ? domain.executions : undefined));

/** A product whose producer's workflow has linked its tables and reported. */
async function published(more: object): Promise<string> {
  const before = producer.executions.length;
  const id = await flows.register(more);
  await executed(producer, before + 1);
  expect((await flows.state(id)).status).toBe('PUBLISHING');
  const owner = await product.as('alpha-owner');
  payload((await owner(Report, { input: { dataProduct: id, status: 'SUCCEEDED' } })).reportProvisioning);
  await flows.published(id);
  return id;
}

const tables = (...names: string[]) =>
  names.map((name) => ({
    ...{ name, location: `s3://alpha-lake/data/${name}/`, format: 'PARQUET' as const },
    columns: [{ name: 'id', type: 'bigint' }],
  }));

describe('a domain that only runs the workflows of the reference architecture', () => {
  test('produces by name: it is told each new table once, accepts, links, and its product is published', async () => {
    const id = await published({ name: 'named', tables: tables('orders', 'items') });
    expect(producer.executions).toEqual([
      {
        status: 'SUCCEEDED',
        error: null,
        detail: {
          central_database_name: 'alpha_nrac',
          central_account_id: GOVERNANCE_ACCOUNT,
          producer_acc_id: flows.alpha.account,
          database_name: 'nrac-data-domain',
          table_names: ['orders', 'items'],
          lf_access_mode: 'nrac',
        },
      },
    ]);
    // Nothing that is changed of the product tells of tables that are linked.
    await flows.update({ dataProduct: id, description: 'What was ordered' });
    const another = await published({ name: 'other', tables: tables('stock') });
    expect(producer.executions.map(({ detail }) => detail.table_names)).toEqual([['orders', 'items'], ['stock']]);
    expect(another).not.toBe(id);
  }, 60_000);

  test('consumes by name: it is told each table once over several grants, and its reader reads through its link', async () => {
    const id = await published({ name: 'read', tables: tables('sales', 'refunds') });
    const principal = roleOf(flows.beta.account, 'reader');
    const link = { database: 'data-products', table: 'rl-sales' };
    const ask = (wanted: string[], name = 'reader') =>
      flows.grant({ dataProduct: id, tables: wanted, principals: [roleOf(flows.beta.account, name)] });
    const grant = await ask(['sales']);
    expect((await flows.reached(grant, 'ACTIVE')).howToQuery).toMatchObject(link);
    await executed(consumer, 1);
    await ask(['sales', 'refunds'], 'second');
    await executed(consumer, 2);
    await ask(['sales', 'refunds'], 'third');
    const central = { central_database_name: 'alpha_nrac', producer_acc_id: flows.alpha.account };
    const told = (name: string) => ({
      ...{ status: 'SUCCEEDED', error: null },
      detail: { ...central, database_name: 'data-products', table_names: [name], lf_access_mode: 'nrac' },
    });
    expect(consumer.executions).toEqual([told('sales'), told('refunds')]);
    // What a domain's own people grant on its own links is its own affair.
    for (const Resource of [
      { Database: { Name: link.database } },
      { Table: { DatabaseName: link.database, Name: link.table } },
    ]) {
      const Principal = { DataLakePrincipalIdentifier: principal };
      const grant = { Principal, Resource, Permissions: ['DESCRIBE'] };
      await flows.sandbox.asAdministrator(flows.beta.account, 'lakeformation:GrantPermissions', grant);
    }
    expect(await flows.reads({ principal, link, column: 'id' })).toMatchObject({ allowed: true });
    const stranger = roleOf(flows.beta.account, 'stranger');
    expect(await flows.reads({ principal: stranger, link, column: 'id' })).toMatchObject({ allowed: false });
  }, 60_000);

  test('produces and consumes by tag: sensitive is what is above INTERNAL, and the link to the database is told once to each reader', async () => {
    const before = { of: producer.executions.length, to: consumer.executions.length };
    const one = await published({ name: 'tagged', accessMode: 'LF_TBAC', tables: tables('visits') });
    const other = await published({
      ...{ name: 'secret', accessMode: 'LF_TBAC', classification: 'CONFIDENTIAL', tables: tables('salaries') },
    });
    await flows.grant({ dataProduct: one });
    await executed(consumer, before.to + 1);
    await flows.grant({ dataProduct: other });
    const central = {
      ...{ central_database_name: 'alpha_tbac', central_account_id: GOVERNANCE_ACCOUNT },
      ...{ producer_acc_id: flows.alpha.account, database_name: 'tbac-data-domain', lf_access_mode: 'tbac' },
    };
    const went = { status: 'SUCCEEDED', error: null };
    expect(producer.executions.slice(before.of)).toEqual([
      { ...went, detail: { ...central, table_names: ['visits'] } },
      { ...went, detail: { ...central, table_names: ['salaries'] } },
    ]);
    expect(consumer.executions.slice(before.to)).toEqual([{ ...went, detail: central }]);
    for (const [table, value] of [
      ['visits', 'non-sensitive'],
      ['salaries', 'sensitive'],
    ]) {
      const Resource = { Table: { DatabaseName: 'alpha_tbac', Name: table } };
      const { LFTagsOnTable } = await flows.sandbox.asAdministrator<{ LFTagsOnTable: object[] }>(
        GOVERNANCE_ACCOUNT,
        'lakeformation:GetResourceLFTags',
        { Resource },
      );
      expect(LFTagsOnTable).toContainEqual(expect.objectContaining({ TagKey: 'confidentiality', TagValues: [value] }));
    }
  }, 60_000);

  test('hears nothing that another domain is told, and nothing was called in its account by Meshgate', async () => {
    for (const { account } of [flows.alpha, flows.beta]) {
      const types = (await flows.sandbox.deliveries(account)).map(({ event }) => event['detail-type']);
      const orders = types.filter((type) => type.endsWith('_createResourceLinks'));
      expect(new Set(orders)).toEqual(new Set([`${account}_createResourceLinks`]));
    }
    const calls = (await flows.sandbox.calls()).filter(
      ({ session }) => session !== null && session !== 'state-machine',
    );
    expect(calls.filter(({ account }) => account !== GOVERNANCE_ACCOUNT)).toEqual([]);
  });
});
