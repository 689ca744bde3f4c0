import { afterAll, beforeAll, expect, test } from 'vitest';
import { graphql } from '../src/generated/graphql/gql.js';
import { followUpWaiting } from '../src/governance/escalation.js';
import { ADMIN, ownerOf, registerDomain, registerProduct, requestAccess } from './testkit/catalogue.js';
import { type ApiOfTest, openApi } from './testkit/execute.js';

let api: ApiOfTest;
let sales: string;
let ids: string[];

const Requests = graphql(`
  query WaitingRequests($filter: AccessRequestFilter) {
    accessRequests(first: 10, filter: $filter) { nodes { id createdAt waitingSince escalatedAt escalatedTo } }
  }
`);
const Reject = graphql(`
  mutation WaitingReject($id: ID!) {
    rejectAccessRequest(input: { accessRequest: $id }) {
      __typename
      ... on RejectAccessRequestPayload { accessRequest { waitingSince escalatedAt } }
    }
  }
`);
const Settings = graphql(`
  mutation WaitingSettings($input: UpdateDomainInput!) {
    updateDomain(input: $input) {
      __typename
      ... on UpdateDomainPayload { domain { remindAfter escalateAfter } }
      ... on ValidationError { path }
      ... on UserError { message }
    }
  }
`);

beforeAll(async () => {
  api = await openApi();
  sales = await registerDomain(api, 'sales', '2');
  const finance = await registerDomain(api, 'finance', '3');
  const dataProduct = await registerProduct(api, {
    domain: 'sales',
    domainId: sales,
    name: 'orders',
    status: 'PUBLISHED',
  });
  const ask = (role: string) =>
    requestAccess(api, ownerOf('finance'), {
      ...{ dataProduct, consumerDomain: finance, purpose: 'Audit' },
      principals: [`arn:aws:iam::${'3'.repeat(12)}:role/${role}`],
    });
  ids = [await ask('one'), await ask('two')];
});
afterAll(() => api.close());

const listed = async (filter: object) => (await api.as(ownerOf('sales'))(Requests, { filter })).accessRequests.nodes;

test('a request says since when it waits and whether others were asked, and is found by that', async () => {
  const [waits] = await listed({});
  expect(waits).toMatchObject({ waitingSince: waits?.createdAt, escalatedAt: null, escalatedTo: null });
  await api.asOwner(
    `UPDATE "AccessRequest" SET "createdAt" = now() - interval '6 days' WHERE "principals" = '{arn:aws:iam::333333333333:role/one}'`,
  );
  const ctx = await api.contextOf(ADMIN);
  await followUpWaiting(ctx);
  expect(await listed({ escalated: true })).toMatchObject([
    { id: ids[0], escalatedTo: 'ADMINS', escalatedAt: expect.anything() },
  ]);
  expect((await listed({ escalated: false })).map(({ id }) => id)).toEqual([ids[1]]);
  const rejected = (await api.as(ADMIN)(Reject, { id: ids[0] as string })).rejectAccessRequest;
  expect(rejected).toMatchObject({ accessRequest: { waitingSince: null, escalatedAt: expect.anything() } });
  expect(await listed({ escalated: true, status: ['PENDING'] })).toEqual([]);
});

test('a domain says how long is too long, and null is never', async () => {
  const set = async (settings: object) =>
    (await api.as(ownerOf('sales'))(Settings, { input: { domain: sales, ...settings } })).updateDomain;
  expect(await set({ description: 'Sells' })).toMatchObject({ domain: { remindAfter: 'P2D', escalateAfter: 'P5D' } });
  expect(await set({ remindAfter: 'PT36H', escalateAfter: null })).toMatchObject({
    domain: { remindAfter: 'PT36H', escalateAfter: null },
  });
  expect(await set({ remindAfter: 'P400D' })).toMatchObject({ __typename: 'ValidationError', path: 'remindAfter' });
  await expect(set({ remindAfter: '2 days' })).rejects.toThrow(/ISO 8601/);
});
