import { execute, parse } from 'graphql';
import pg from 'pg';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { RequestAccessInput } from '../src/governance/access-request.input.js';
import { requestAccess } from '../src/governance/access-request.js';
import type { Context } from '../src/governance/context.js';
import { updateDomain } from '../src/governance/domain.js';
import { explainAccess, whoCanAccess } from '../src/governance/explain-access.js';
import { globalId } from '../src/governance/global-id.js';
import { planAccess, planRequests } from '../src/governance/plan-access.js';
import { planRetire } from '../src/governance/plan-product.js';
import { expectedError } from '../src/resolvers/result.js';
import { buildSchema } from '../src/resolvers/schema.js';
import { accessInput, openMesh, seedDomain, seedGrant, seedProduct, type TestMesh } from './governance/mesh.js';

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

/** A domain with a product to which there is a grant, and after it with five more of them. */
async function growing(number: number): Promise<{ id: string; products: string[]; grow(): Promise<void> }> {
  const name = `shop-${number}`;
  const id = await seedDomain(mesh, name, number);
  const products: string[] = [];
  const add = async () => {
    const dataProduct = await seedProduct(mesh, { id, name }, `product-${products.length}`);
    const asked = accessInput({ dataProduct, consumerDomain: input.consumerDomain, account: 2 });
    await seedGrant(mesh, { requester: 'finance-member', decider: `${name}-owner`, input: asked });
    products.push(dataProduct);
  };
  await add();
  const grow = async () => {
    for (let more = 0; more < 5; more += 1) await add();
    await mesh.agree();
  };
  return { id, products, grow };
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
  expect(one).toBeLessThanOrEqual(19);
  expect(await statementsOf(() => planRequests(owner, ids))).toBe(one);
  expect(await statementsOf(() => planAccess(requester, input))).toBeLessThanOrEqual(20);
  const [principal] = input.principals as [string];
  const product = input.dataProduct;
  expect(await statementsOf(() => explainAccess(owner, principal, product))).toBe(2);
  expect(await statementsOf(() => explainAccess(requester, principal, product))).toBe(3);
  expect(await statementsOf(() => whoCanAccess(owner, product, { first: 100, after: null }))).toBe(4);
});

test('plans ask the policies while no transaction is open, and let others in after each request', async () => {
  const requester = await mesh.as('finance-member');
  const ids: string[] = [];
  for (const name of ['d', 'e', 'f']) {
    const principals = [`arn:aws:iam::${'2'.repeat(12)}:role/${name}`];
    ids.push((await requestAccess(requester, { ...input, principals })).accessRequestId);
  }
  const ctx = await mesh.as('sales-owner');
  let open = 0;
  const { query } = pg.Client.prototype as unknown as { query: (...args: unknown[]) => unknown };
  const spy = vi.spyOn(pg.Client.prototype, 'query').mockImplementation(function (this: pg.Client, ...args: unknown[]) {
    const text = typeof args[0] === 'string' ? args[0] : ((args[0] as { text?: string }).text ?? '');
    if (/^begin/i.test(text)) open += 1;
    if (/^(commit|rollback)/i.test(text)) open -= 1;
    return query.apply(this, args);
  } as never);
  let turn = 0;
  let next = setImmediate(function count() {
    turn += 1;
    next = setImmediate(count);
  });
  const asked: { open: number; turn: number }[] = [];
  const ask: typeof ctx.policies.ask = (slice, question) => {
    asked.push({ open, turn });
    return ctx.policies.ask(slice, question);
  };
  const plans = await planRequests({ ...ctx, policies: { ...ctx.policies, ask } }, ids);
  clearImmediate(next);
  spy.mockRestore();
  expect(plans.size).toBe(3);
  expect(asked.length).toBeGreaterThan(3);
  expect(asked.filter((one) => one.open > 0)).toEqual([]);
  expect(new Set(asked.map((one) => one.turn)).size).toBeGreaterThanOrEqual(3);
});

interface ReadRow {
  tables?: { columns: string[] }[];
  rows?: { claims: unknown[] }[];
}
interface MadeUp {
  more?: string[];
  ways?: number;
}

/** The same with a count of how often a column of a product that was read for an explanation is looked at; `more` makes up further ones, and `ways` as many claims in place of each. */
function countingColumns(ctx: Context, { more = [], ways = 1 }: MadeUp = {}): { ctx: Context; looked: () => number } {
  let looked = 0;
  const counted = (columns: string[]) =>
    new Proxy(columns, {
      get: (names, key) => {
        if (typeof key === 'string' && /^\d+$/.test(key)) looked += 1;
        return Reflect.get(names, key);
      },
    });
  const read = async (...query: Parameters<typeof ctx.db.$queryRaw>) => {
    const rows = await ctx.db.$queryRaw<ReadRow[]>(...query);
    for (const row of rows) for (const table of row.tables ?? []) table.columns = counted([...table.columns, ...more]);
    for (const fact of rows.flatMap((row) => row.rows ?? [])) fact.claims = Array(ways).fill(fact.claims).flat();
    return rows;
  };
  const db = new Proxy(ctx.db, { get: (client, key) => (key === '$queryRaw' ? read : Reflect.get(client, key)) });
  return { ctx: { ...ctx, db }, looked: () => looked };
}

test('who can access a product is told without going through the columns for each, unless they are asked for and not too many', async () => {
  const asked = { ...input, principals: ['one', 'two'].map((name) => `arn:aws:iam::${'2'.repeat(12)}:role/${name}`) };
  await seedGrant(mesh, { requester: 'finance-member', decider: 'sales-owner', input: asked });
  await mesh.agree();
  const schema = await buildSchema();
  const owner = await mesh.as('sales-owner');
  const ask = async (inside: string, madeUp: MadeUp = {}) => {
    const { ctx, looked } = countingColumns(owner, madeUp);
    const document = parse(
      `query ($product: ID!) { whoCanAccess(dataProduct: $product, first: 100) { nodes { principal tables ${inside} } } }`,
    );
    const variableValues = { product: globalId('DataProduct', asked.dataProduct) };
    const { data, errors } = await execute({ schema, document, contextValue: { ctx }, variableValues });
    const nodes = (data as { whoCanAccess: { nodes: Node[] } } | null)?.whoCanAccess.nodes ?? [];
    return { looked: looked(), nodes, code: errors?.[0] && expectedError(errors[0])?.extensions.code };
  };
  interface Node {
    principal: string;
    explanation?: { tables: { columns: { allowed: boolean }[] }[] };
  }
  const bare = await ask('');
  const columns = 'explanation { tables { columns { name allowed } } }';
  const full = await ask(columns);
  expect([bare.code, full.code]).toEqual([undefined, undefined]);
  const told = full.nodes.flatMap(({ explanation }) => explanation?.tables.flatMap(({ columns }) => columns) ?? []);
  expect(full.nodes.map(({ principal }) => principal)).toEqual(expect.arrayContaining(asked.principals));
  expect(told.filter(({ allowed }) => allowed).length).toBeGreaterThanOrEqual(10);
  expect(full.looked - bare.looked).toBeGreaterThanOrEqual(told.length);
  const columnsOf = (count: number) => Array.from({ length: count }, (_, n) => `column_${n}`);
  const [few, many] = [columnsOf(3_000), columnsOf(5_000)];
  const codeOf = async (inside: string, madeUp: MadeUp) =>
    (await ask(inside && `explanation { tables { ${inside} } }`, madeUp)).code;
  const enough: [string, MadeUp][] = [
    ['', { more: many }],
    ['columns { name allowed }', { more: few }],
    ['through { kind }', { more: many }],
    ['name', { ways: 12_000 }],
  ];
  for (const [inside, madeUp] of enough) expect(await codeOf(inside, madeUp), inside).toBeUndefined();
  const tooMuch: [string, MadeUp][] = [
    ['columns { name allowed }', { more: many }],
    ['columns { through { kind } }', { more: few }],
    ['through { columns }', { more: many }],
    ['through { kind }', { ways: 12_000 }],
  ];
  for (const [inside, madeUp] of tooMuch) expect(await codeOf(inside, madeUp), inside).toBe('QUERY_TOO_COSTLY');
});

test('a plan to retire costs a fixed number of statements, however many products and grants there are', async () => {
  const { products, grow } = await growing(3);
  const owner = await mesh.as('shop-3-owner');
  const one = await statementsOf(() => planRetire(owner, products));
  await grow();
  const plans = planRetire(owner, products);
  expect([...(await plans).values()].map(({ warnings }) => warnings)).toEqual(
    products.map(() => [expect.stringContaining('1 live grants would be revoked')]),
  );
  expect(await statementsOf(() => planRetire(owner, products))).toBe(one);
});

test("a domain's new roles cost at most six statements a product, and none where products have nothing of them", async () => {
  const { id, grow } = await growing(4);
  const admin = await mesh.admin();
  const roleArn = (name: string) => `arn:aws:iam::${'4'.repeat(12)}:role/${name}`;
  const change = (name: string) => ({
    ours: () => statementsOf(() => updateDomain(admin, { domain: id, roleArn: roleArn(`ours-${name}`) })),
    workflow: () => statementsOf(() => updateDomain(admin, { domain: id, workflowRoleArn: roleArn(name) })),
  });
  const first = change('first');
  await first.workflow();
  const [ours, workflow] = [await change('second').ours(), await change('second').workflow()];
  await grow();
  expect(await change('third').ours()).toBe(ours);
  expect(await change('third').workflow()).toBeLessThanOrEqual(workflow + 5 * 6);
});
