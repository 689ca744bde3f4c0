import { beforeAll, expect, test } from 'vitest';
import { payload, until } from '../src/demo/client.js';
import { GOVERNANCE_ACCOUNT } from '../src/demo/mesh.js';
import { graphql } from '../src/generated/graphql/gql.js';
import { type Flows, openFlows } from './testkit/flows.js';
import { productOfTest } from './testkit/product.js';

const Report = graphql(`
  mutation DelegatedReport($input: ReportProvisioningInput!) {
    reportProvisioning(input: $input) {
      __typename
      ... on ReportProvisioningPayload { dataProduct { status provisioningReport { status tables } } }
      ... on UserError { code message }
    }
  }
`);

const BUS = 'data-mesh-bus';
const product = productOfTest({ demo: false });
let flows: Flows;

beforeAll(async () => {
  flows = await openFlows(await product, {
    alpha: { provisioning: 'DELEGATED', eventBusName: BUS },
    beta: { provisioning: 'DELEGATED', eventBusName: BUS },
  });
  for (const { account } of [flows.alpha, flows.beta]) {
    await flows.sandbox.asAdministrator(account, 'events:CreateEventBus', { Name: BUS });
    const grant = {
      EventBusName: BUS,
      StatementId: 'central',
      Action: 'events:PutEvents',
      Principal: GOVERNANCE_ACCOUNT,
    };
    await flows.sandbox.asAdministrator(account, 'events:PutPermission', grant);
  }
}, 120_000);

/** What the workflow of an account was told to link, as it arrived on the account's own bus. */
const told = (account: string) =>
  until('what to link', async () => {
    const found = (await flows.sandbox.deliveries(account)).filter(
      ({ kind, event }) => kind === 'arrival' && event['detail-type'] === `${account}_createResourceLinks`,
    );
    return found.length > 0 ? found.map(({ event }) => ({ source: event.source, detail: event.detail })) : undefined;
  });

test('domains with workflows of their own are told on their buses what to link, and nothing is called in their accounts', async () => {
  const id = await flows.register({});
  const source = 'com.central.stepfunction';
  const central = { central_database_name: 'alpha_nrac', producer_acc_id: flows.alpha.account, lf_access_mode: 'nrac' };
  expect(await told(flows.alpha.account)).toEqual([
    {
      source,
      detail: {
        ...central,
        central_account_id: GOVERNANCE_ACCOUNT,
        database_name: 'nrac-data-domain',
        table_names: ['orders', 'items'],
      },
    },
  ]);
  expect((await flows.state(id)).status).toBe('PUBLISHING');
  const input = { dataProduct: id, status: 'SUCCEEDED' as const };
  const owner = await (await product).as('alpha-owner');
  expect(payload((await owner(Report, { input })).reportProvisioning)).toMatchObject({
    dataProduct: { status: 'PUBLISHED' },
  });
  const grant = await flows.grant({ dataProduct: id, tables: ['items'] });
  expect(await told(flows.beta.account)).toEqual([
    { source, detail: { ...central, database_name: 'data-products', table_names: ['items'] } },
  ]);
  const { howToQuery } = await flows.reached(grant, 'ACTIVE');
  expect(howToQuery).toMatchObject({ database: 'data-products', table: 'rl-items' });
  const called = (await flows.sandbox.calls()).filter(({ session }) => session !== null);
  const accounts = new Set(called.map(({ account }) => account));
  expect([...accounts].filter((account) => account !== GOVERNANCE_ACCOUNT)).toEqual([]);
});
