import { beforeAll, describe, expect, test } from 'vitest';
import { until } from '../src/demo/client.js';
import { type Flows, type Link, openFlows, roleOf } from './testkit/flows.js';
import { productOfTest } from './testkit/product.js';

const product = productOfTest({ demo: false });
let flows: Flows;
let named: string;
let tagged: string;

const CRAWLER = roleOf('222233334444', 'crawler');

beforeAll(async () => {
  flows = await openFlows(await product, { alpha: { crawlerRoleArn: CRAWLER } });
  named = await flows.register({});
  tagged = await flows.register({
    name: 'visits',
    accessMode: 'LF_TBAC',
    tables: [
      {
        name: 'visits',
        location: 's3://alpha-lake/data/visits/',
        format: 'PARQUET',
        columns: [
          { name: 'page', type: 'string' },
          { name: 'visitor', type: 'string', pii: true },
        ],
      },
    ],
  });
  await flows.published(named);
  await flows.published(tagged);
}, 120_000);

const reader = (name: string) => roleOf(flows.beta.account, name);
const ORDERS: Link = { database: 'data_products', table: 'alpha__sales__orders' };
const ITEMS: Link = { database: 'data_products', table: 'alpha__sales__items' };
const VISITS: Link = { database: 'alpha__tbac', table: 'visits' };
const allowed = async (question: Parameters<Flows['reads']>[0]) => (await flows.reads(question)).allowed;

describe('access by tag', () => {
  test('opens the product to every principal, and not the columns with personal data of a product for all', async () => {
    const [ann, bob] = [reader('ann'), reader('bob')];
    const grant = await flows.grant({ dataProduct: tagged, principals: [ann, bob] });
    for (const principal of [ann, bob]) {
      expect(await allowed({ principal, link: VISITS, column: 'page' })).toBe(true);
      expect(await allowed({ principal, link: VISITS, column: 'visitor' })).toBe(false);
    }
    expect(await allowed({ principal: reader('eve'), link: VISITS, column: 'page' })).toBe(false);
    const { howToQuery } = await flows.reached(grant, 'ACTIVE');
    expect(howToQuery).toMatchObject({ ...VISITS, tables: [{ table: 'visits', columns: ['page'] }] });
    await flows.revoke(grant);
    await flows.reached(grant, 'REVOKED');
    expect(await allowed({ principal: ann, link: VISITS, column: 'page' })).toBe(false);
  });

  test.each([
    ['columns', { columns: ['visits.page'] }],
    ['tables', { tables: ['visits'] }],
    ['rowFilter', { rowFilter: "page = 'x'" }],
    ['grantTo', { grantTo: 'PRINCIPALS' as const }],
    ['permissions', { permissions: ['INSERT' as const] }],
  ])('is to all of the product: %s is refused', async (path, more) => {
    await expect(flows.request({ dataProduct: tagged, ...more })).rejects.toThrow(`VALIDATION: ${path}:`);
  });
});

describe('a row filter', () => {
  test('opens the chosen columns in the chosen rows alone, and goes with its grant', async () => {
    const principal = reader('filtered');
    const grant = await flows.grant({
      dataProduct: named,
      principals: [principal],
      columns: ['orders.id', 'orders.country'],
      rowFilter: "country in ('DE','FR') and id > 7",
    });
    const answer = await flows.reads({ principal, link: ORDERS, column: 'country' });
    expect(answer).toMatchObject({ allowed: true, rowFilter: `("country" IN ('DE', 'FR') AND "id" > 7)` });
    expect(await allowed({ principal, link: ORDERS, column: 'mail' })).toBe(false);
    expect(await allowed({ principal, link: ITEMS, column: 'id' })).toBe(false);
    await flows.revoke(grant);
    await flows.reached(grant, 'REVOKED');
    expect(await allowed({ principal, link: ORDERS, column: 'country' })).toBe(false);
  });

  test('on every table asked for is for each principal', async () => {
    const principals = [reader('rows-one'), reader('rows-two')];
    await flows.grant({ dataProduct: named, principals, rowFilter: "country = 'IT'" });
    for (const principal of principals) {
      for (const link of [ORDERS, ITEMS]) {
        expect(await flows.reads({ principal, link, column: 'id' })).toMatchObject({ rowFilter: `"country" = 'IT'` });
      }
    }
  });
});

describe('permission to write', () => {
  test("is given to principals of the product's own domain, and to nobody else", async () => {
    const permissions = ['SELECT', 'DESCRIBE', 'INSERT', 'DELETE', 'ALTER'] as const;
    const asked = { dataProduct: named, permissions: [...permissions] };
    await expect(flows.request(asked)).rejects.toThrow('POLICY_DENIED');
    const principal = roleOf(flows.alpha.account, 'loader');
    await flows.grant({ ...asked, consumerDomain: flows.alpha.id, principals: [principal] });
    const link = { ...ORDERS, account: flows.alpha.account };
    for (const permission of permissions) {
      expect(await flows.reads({ principal, link, permission })).toMatchObject({ allowed: true });
    }
    expect(await allowed({ principal, link, permission: 'DROP' })).toBe(false);
  });
});

describe('a grant to the account', () => {
  test('reaches each principal, and ends for one while another keeps his', async () => {
    const [cat, dan] = [reader('cat'), reader('dan')];
    const asked = { dataProduct: named, tables: ['items'], grantTo: 'ACCOUNT' as const };
    const first = await flows.grant({ ...asked, principals: [cat] });
    await flows.grant({ ...asked, principals: [dan] });
    for (const principal of [cat, dan]) expect(await allowed({ principal, link: ITEMS, column: 'id' })).toBe(true);
    expect(await allowed({ principal: cat, link: ORDERS, column: 'id' })).toBe(false);
    await flows.revoke(first);
    await flows.reached(first, 'REVOKED');
    expect(await allowed({ principal: cat, link: ITEMS, column: 'id' })).toBe(false);
    expect(await allowed({ principal: dan, link: ITEMS, column: 'id' })).toBe(true);
  });
});

describe('a change of access mode', () => {
  test('takes nobody an instant of access, one way and back', async () => {
    const id = await flows.register({
      name: 'stock',
      tables: [
        {
          name: 'stock',
          location: 's3://alpha-lake/data/stock/',
          format: 'PARQUET',
          columns: [{ name: 'sku', type: 'string' }],
        },
      ],
    });
    await flows.published(id);
    const principal = reader('all-the-time');
    await flows.grant({ dataProduct: id, principals: [principal] });
    const byName: Link = { database: 'data_products', table: 'alpha__stock__stock' };
    const byTag: Link = { database: 'alpha__tbac', table: 'stock' };
    let polls = 0;
    let done = false;
    const watch = (async () => {
      while (!done) {
        const found = await Promise.all([byName, byTag].map((link) => allowed({ principal, link, column: 'sku' })));
        if (!found.includes(true)) throw new Error(`No access after ${polls} looks`);
        polls += 1;
      }
    })();
    for (const [mode, now, before] of [
      ['LF_TBAC', byTag, byName],
      ['NRAC', byName, byTag],
    ] as const) {
      await flows.update({ dataProduct: id, accessMode: mode });
      await until(`the change to ${mode}`, async () => {
        const { previousAccessMode } = await flows.state(id);
        return previousAccessMode === null ? mode : undefined;
      });
      expect(await allowed({ principal, link: now, column: 'sku' })).toBe(true);
      await until('the end of the old way', async () =>
        (await allowed({ principal, link: before, column: 'sku' })) ? undefined : mode,
      );
    }
    done = true;
    await watch;
    expect(polls).toBeGreaterThan(10);
  });

  test('to tags is refused while somebody has less than the product', async () => {
    const principals = ['a', 'b', 'c', 'd'].map((which) => reader(`one-table-${which}`));
    await flows.grant({ dataProduct: named, principals, tables: ['items'] });
    await expect(flows.update({ dataProduct: named, accessMode: 'LF_TBAC' })).rejects.toThrow(
      new RegExp(`^CONFLICT: .* of [a-z-]+ to ${principals.slice(0, 3).join(', ')} and 1 more\\. Revoke`),
    );
  });
});

describe('a crawl', () => {
  const put = async (key: string, body: string) => {
    const { sandbox } = await product;
    const answer = await fetch(`${sandbox}/_sandbox/s3/alpha-lake/${key}`, { method: 'PUT', body });
    expect(answer.ok).toBe(true);
  };

  test('fills the columns that nobody gave, and its crawler goes', async () => {
    await put('data/events/one.csv', 'id,kind,amount\n1,click,2.5\n2,buy,3.5\n');
    const id = await flows.register({
      name: 'events',
      tables: [{ name: 'events', location: 's3://alpha-lake/data/events/', format: 'CSV' }],
    });
    const found = await until('columns', async () => {
      const state = await flows.state(id);
      return state.tables[0]?.columns.length ? state : undefined;
    });
    expect(found.tables[0]?.columns.map(({ name }) => name)).toEqual(['id', 'kind', 'amount']);
    expect(found.schemaVersions[0]).toMatchObject({ source: 'CRAWLER', violations: [] });
    await until('the end of the crawler', async () => {
      const { resources } = await flows.state(id);
      return resources.nodes.some(({ kind }) => kind === 'CrawlerRun') ? undefined : id;
    });
    await flows.published(id);
  });

  test('that finds other than the contract promises says what it breaks, and the contract stays', async () => {
    await put('data/returns/one.csv', 'id,reason,weight\nA1,broken,2.5\n');
    const property = (name: string, logicalType: string, physicalType: string) => ({ name, logicalType, physicalType });
    const contract = JSON.stringify({
      apiVersion: 'v3.0.2',
      kind: 'DataContract',
      id: 'urn:alpha:returns',
      version: '1.0.0',
      status: 'active',
      name: 'returns',
      schema: [
        {
          name: 'returns',
          properties: [
            property('id', 'integer', 'bigint'),
            property('reason', 'string', 'string'),
            property('order_id', 'integer', 'bigint'),
          ],
        },
      ],
    });
    const id = await flows.register(
      {
        name: 'returns',
        contract,
        tables: [{ name: 'returns', location: 's3://alpha-lake/data/returns/', format: 'CSV' }],
      },
      { crawl: true },
    );
    const found = await until('what the crawler found', async () => {
      const state = await flows.state(id);
      return state.schemaVersions[0]?.source === 'CRAWLER' ? state : undefined;
    });
    expect(found.schemaVersions[0]?.violations.map(({ path, kind }) => `${path} ${kind}`)).toEqual([
      'schema/returns/properties/id COLUMN_TYPE_CHANGED',
      'schema/returns/properties/order_id COLUMN_REMOVED',
    ]);
    expect(found.tables[0]?.columns.map(({ name }) => name)).toEqual(['id', 'reason', 'order_id']);
  });

  test('is refused where the domain has no crawler', async () => {
    const mine = { domain: flows.beta.id, name: 'mine', tables: [] };
    await expect(flows.register(mine, { crawl: true })).rejects.toThrow('VALIDATION: crawl:');
  });
});
