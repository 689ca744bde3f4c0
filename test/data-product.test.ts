import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { graphql } from '../src/generated/graphql/gql.js';
import type { ProductsPageQuery } from '../src/generated/graphql/graphql.js';
import { ADMIN, OUTSIDER, ownerOf, registerDomain, registerProduct, requestAccess } from './testkit/catalogue.js';
import { type ApiOfTest, openApi, type Person } from './testkit/execute.js';

const Page = graphql(`
  query ProductsPage($first: Int!, $after: String, $search: String, $filter: DataProductFilter, $orderBy: DataProductOrder) {
    dataProducts(first: $first, after: $after, search: $search, filter: $filter, orderBy: $orderBy) {
      edges { cursor node { id name } }
      nodes { path status domain { name } }
      pageInfo { hasNextPage hasPreviousPage endCursor }
      totalCount
      facets { field values { value count } }
    }
  }
`);

const Detail = graphql(`
  query ProductDetail($path: String!) {
    dataProduct(by: { path: $path }) {
      id
      name
      owner
      tags
      domain { name displayName members { subject role } }
      contract { version sla { property } }
      tables { name location format columns { name type required primaryKey } }
      schemaVersions { number source }
      schemaChangesPerMonth
      progress { total ready failed }
      viewerCanRequestAccess
      viewerCanUpdate
      viewerAccess { status }
      accessRequests(first: 5) { nodes { requestedBy status viewerCanApprove dataProduct { path } } }
      mine: accessRequests(first: 5, filter: { mine: true }) { nodes { requestedBy } }
    }
  }
`);

const Shared = graphql(`
  query SharedResource { resources(first: 100, filter: { kinds: ["CatalogPolicy"] }) { nodes { kind claims { owner { id } } } } }
`);

const ById = graphql(`
  query ProductById($id: ID!) {
    dataProduct(by: { id: $id }) { name }
    node(id: $id) { __typename id ... on DataProduct { name } }
  }
`);

describe('the catalogue', () => {
  let api: ApiOfTest;
  let orders: string;
  let draft: string;
  let logistics: string;

  beforeAll(async () => {
    api = await openApi();
    const commerce = await registerDomain(api, 'commerce', '2');
    logistics = await registerDomain(api, 'logistics', '3');
    const of = { domain: 'commerce', domainId: commerce };
    orders = await registerProduct(api, { ...of, name: 'orders', tags: ['sales', 'core'], status: 'PUBLISHED' });
    draft = await registerProduct(api, { ...of, name: 'secret-plan' });
    for (let i = 0; i < 23; i += 1) {
      const name = `report-${String(i).padStart(2, '0')}`;
      await registerProduct(api, { ...of, name, description: `Quarterly figures of branch ${i}`, status: 'PUBLISHED' });
    }
    await requestAccess(api, ownerOf('logistics'), {
      dataProduct: orders,
      consumerDomain: logistics,
      principals: ['arn:aws:iam::333333333333:role/analysts'],
      purpose: 'Delivery promises',
    });
    api.statements();
  });
  afterAll(() => api.close());

  it('answers a page with totals and facets in one statement', async () => {
    const { dataProducts } = await api.as(OUTSIDER)(Page, { first: 10 });
    expect(api.statements()).toHaveLength(1);
    expect(dataProducts.nodes).toHaveLength(10);
    expect(dataProducts.nodes[0]).toEqual({
      path: 'commerce/orders',
      status: 'PUBLISHED',
      domain: { name: 'commerce' },
    });
    expect(dataProducts.totalCount).toBe(24);
    expect(dataProducts.facets).toContainEqual({ field: 'domain', values: [{ value: 'commerce', count: 24 }] });
    expect(dataProducts.facets.find(({ field }) => field === 'tag')?.values).toContainEqual({
      value: 'sales',
      count: 1,
    });
  });

  it('answers a product with all that hangs on it in one statement', async () => {
    const { dataProduct } = await api.as(ownerOf('commerce'))(Detail, { path: 'commerce/orders' });
    expect(api.statements()).toHaveLength(1);
    expect(dataProduct).toMatchObject({
      name: 'orders',
      owner: 'owner-commerce',
      domain: { name: 'commerce', members: [{ subject: 'owner-commerce', role: 'OWNER' }] },
      contract: null,
      tables: [
        {
          name: 'orders_events',
          format: 'PARQUET',
          columns: [{ name: 'id', primaryKey: true }, { name: 'happened_at' }, { name: 'amount' }],
        },
      ],
      schemaVersions: [{ number: 1, source: 'FIELDS' }],
      schemaChangesPerMonth: 0,
      viewerCanUpdate: true,
      accessRequests: {
        nodes: [
          {
            requestedBy: 'owner-logistics',
            status: 'PENDING',
            viewerCanApprove: true,
            dataProduct: { path: 'commerce/orders' },
          },
        ],
      },
      mine: { nodes: [] },
    });
  });

  it('walks through all pages without a gap or a repetition, while products are added behind and before', async () => {
    const seen: string[] = [];
    let after: string | null = null;
    for (let page = 0; page < 20; page += 1) {
      const { dataProducts }: ProductsPageQuery = await api.as(OUTSIDER)(Page, {
        first: 5,
        after,
        orderBy: { field: 'NAME', direction: 'DESC' },
      });
      seen.push(...dataProducts.edges.map(({ node }) => node.name));
      after = dataProducts.pageInfo.endCursor ?? null;
      if (!dataProducts.pageInfo.hasNextPage) break;
    }
    expect(seen).toHaveLength(24);
    expect(new Set(seen).size).toBe(24);
    expect(seen).toEqual([...seen].sort().reverse());
  });

  it('refuses a cursor of another order, rubbish, and a page larger than 100', async () => {
    const { dataProducts } = await api.as(OUTSIDER)(Page, { first: 1 });
    const after = dataProducts.pageInfo.endCursor ?? null;
    await expect(api.as(OUTSIDER)(Page, { first: 1, after, orderBy: { field: 'CREATED_AT' } })).rejects.toThrow(
      /cursor/,
    );
    await expect(api.as(OUTSIDER)(Page, { first: 1, after: 'rubbish' })).rejects.toThrow(/cursor/);
    const edited = Buffer.from(JSON.stringify(['NAME ASC', 'x', 'no-uuid'])).toString('base64url');
    await expect(api.as(OUTSIDER)(Page, { first: 1, after: edited })).rejects.toThrow(/cursor/);
    await expect(api.as(OUTSIDER)(Page, { first: 101 })).rejects.toThrow(/1 to 100/);
    await expect(api.as(OUTSIDER)(Page, { first: 0 })).rejects.toThrow(/1 to 100/);
  });

  it('finds by full text over names, tags and descriptions, best first', async () => {
    const search = async (text: string) =>
      (await api.as(OUTSIDER)(Page, { first: 30, search: text })).dataProducts.nodes.map(({ path }) => path);
    expect(await search('order')).toEqual(['commerce/orders']);
    expect(await search('sales')).toEqual(['commerce/orders']);
    expect(await search('"quarterly figures" branch')).toHaveLength(23);
    expect(await search('plan')).toEqual([]);
    expect(await search('%')).toHaveLength(0);
    const paged = await api.as(OUTSIDER)(Page, { first: 20, search: 'figures' });
    const rest = await api.as(OUTSIDER)(Page, {
      first: 20,
      search: 'figures',
      after: paged.dataProducts.pageInfo.endCursor ?? null,
    });
    expect(rest.dataProducts.nodes).toHaveLength(3);
  });

  it('filters by domain, status, classification and tag', async () => {
    const count = async (filter: object) => (await api.as(ADMIN)(Page, { first: 100, filter })).dataProducts.totalCount;
    expect(await count({ status: ['DRAFT'] })).toBe(1);
    expect(await count({ tags: ['sales', 'core'] })).toBe(1);
    expect(await count({ tags: ['sales', 'nothing'] })).toBe(0);
    expect(await count({ classification: ['RESTRICTED'] })).toBe(0);
    expect(await count({ domains: [logistics] })).toBe(0);
    expect(await count({ domains: ['not-an-id'] })).toBe(0);
    expect(await count({ owner: 'owner-commerce' })).toBe(25);
  });

  it('hides drafts from everybody outside the domain, in lists, totals, facets, by path and by id', async () => {
    for (const person of [OUTSIDER, ownerOf('logistics')]) {
      const { dataProducts } = await api.as(person)(Page, { first: 100 });
      expect(dataProducts.totalCount).toBe(24);
      expect(dataProducts.facets.find(({ field }) => field === 'status')?.values).toEqual([
        { value: 'PUBLISHED', count: 24 },
      ]);
      expect((await api.as(person)(Detail, { path: 'commerce/secret-plan' })).dataProduct).toBeNull();
      expect(await api.as(person)(ById, { id: draft })).toEqual({ dataProduct: null, node: null });
    }
    expect((await api.as(ownerOf('commerce'))(Page, { first: 100 })).dataProducts.totalCount).toBe(25);
    expect((await api.as(ADMIN)(ById, { id: draft })).node).toMatchObject({
      __typename: 'DataProduct',
      id: draft,
      name: 'secret-plan',
    });
  });

  it('shows of what several domains claim only the claims that concern the viewer', async () => {
    const owners = async (person: Person) => {
      const { resources } = await api.as(person)(Shared);
      return resources.nodes.flatMap(({ claims }) => claims.map(({ owner }) => owner?.id)).sort();
    };
    expect(await owners(ownerOf('logistics'))).toEqual([logistics]);
    expect(await owners(ADMIN)).toHaveLength(2);
    expect(await owners(OUTSIDER)).toEqual([]);
  });

  it('refuses a cursor of one search in another', async () => {
    const { dataProducts } = await api.as(OUTSIDER)(Page, { first: 1, search: 'orders' });
    const after = dataProducts.edges[0]?.cursor ?? null;
    expect(after).not.toBeNull();
    await expect(api.as(OUTSIDER)(Page, { first: 1, after, search: 'sales' })).rejects.toThrow(/cursor/);
  });

  it('shows members and requests only to those whom they concern', async () => {
    const { dataProduct } = await api.as(OUTSIDER)(Detail, { path: 'commerce/orders' });
    expect(dataProduct?.domain?.members).toEqual([]);
    expect(dataProduct?.accessRequests.nodes).toEqual([]);
    expect(dataProduct).toMatchObject({ viewerCanRequestAccess: false, viewerCanUpdate: false });
    const asked = (await api.as(ownerOf('logistics'))(Detail, { path: 'commerce/orders' })).dataProduct;
    expect(asked).toMatchObject({
      viewerCanRequestAccess: true,
      mine: { nodes: [{ requestedBy: 'owner-logistics' }] },
    });
    expect(asked?.accessRequests.nodes[0]?.viewerCanApprove).toBe(false);
  });
});
