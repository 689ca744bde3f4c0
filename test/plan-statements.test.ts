import pg from 'pg';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { RequestAccessInput } from '../src/governance/access-request.input.js';
import { requestAccess } from '../src/governance/access-request.js';
import { explainAccess, whoCanAccess } from '../src/governance/explain-access.js';
import { planAccess, planRequests } from '../src/governance/plan-access.js';
import { accessInput, openMesh, seedDomain, seedProduct, type TestMesh } from './governance/mesh.js';

let mesh: TestMesh;
let input: RequestAccessInput;
beforeAll(async () => {
  mesh = await openMesh();
  const producer = await seedDomain(mesh, 'sales', 1);
  const consumerDomain = await seedDomain(mesh, 'finance', 2);
  const dataProduct = await seedProduct(mesh, { id: producer, name: 'sales' }, 'orders');
  input = accessInput({ dataProduct, consumerDomain, account: 2 });
});
afterAll(() => mesh.close());

/** The statements that reach Postgres while `work` runs, those that open and end a transaction included. */
async function statementsOf(work: () => Promise<unknown>): Promise<number> {
  const sent: string[] = [];
  const { query } = pg.Client.prototype as unknown as { query: (...args: unknown[]) => unknown };
  const spy = vi.spyOn(pg.Client.prototype, 'query').mockImplementation(function (this: pg.Client, ...args: unknown[]) {
    sent.push(typeof args[0] === 'string' ? args[0] : ((args[0] as { text?: string }).text ?? ''));
    return query.apply(this, args);
  } as never);
  await work();
  spy.mockRestore();
  return sent.length;
}

test('plans and explanations cost a fixed number of statements, however many requests, grants and principals there are', async () => {
  const requester = await mesh.as('finance-member');
  const ids: string[] = [];
  for (const name of ['a', 'b', 'c']) {
    const principals = [`arn:aws:iam::${'2'.repeat(12)}:role/${name}`];
    ids.push((await requestAccess(requester, { ...input, principals })).accessRequestId);
  }
  const owner = await mesh.as('sales-owner');
  const one = await statementsOf(() => planRequests(owner, ids.slice(0, 1)));
  expect(one).toBe(14);
  expect(await statementsOf(() => planRequests(owner, ids))).toBe(one);
  expect(await statementsOf(() => planAccess(requester, input))).toBe(14);
  const [principal] = input.principals as [string];
  const product = input.dataProduct;
  expect(await statementsOf(() => explainAccess(owner, principal, product))).toBe(2);
  expect(await statementsOf(() => explainAccess(requester, principal, product))).toBe(3);
  expect(await statementsOf(() => whoCanAccess(owner, product, { first: 100, after: null }))).toBe(3);
});
