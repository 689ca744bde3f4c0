import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { graphql } from '../../src/generated/graphql/gql.js';
import { ADMIN, ownerOf, registerDomain, registerProduct, requestAccess } from '../testkit/catalogue.js';
import { type ApiOfTest, openApi, type Person } from '../testkit/execute.js';

const Requests = graphql(`
  query RestrictedRequests($product: ID!) {
    accessRequests(first: 10, filter: { dataProduct: $product }) { nodes { id principals rowFilter } }
  }
`);
const Plain = graphql(`
  query RestrictedPlain($product: ID!) {
    accessRequests(first: 10, filter: { dataProduct: $product }) { nodes { id status purpose dataProduct { name } } }
  }
`);
const Nested = graphql(`
  query RestrictedNested {
    dataProducts(first: 10) { nodes { accessRequests(first: 10) { nodes { principals } } } }
  }
`);
const Explain = graphql(`
  query RestrictedExplain($product: ID!, $principal: Arn!) {
    explainAccess(principal: $principal, dataProduct: $product) { allowed }
    whoCanAccess(dataProduct: $product, first: 5) { nodes { principal } }
  }
`);

let api: ApiOfTest;
let secret: string;
let open: string;
let asked: string;
const owner: Person = ownerOf('commerce');
const principal = `arn:aws:iam::${'3'.repeat(12)}:role/reader`;

beforeAll(async () => {
  api = await openApi();
  const commerce = await registerDomain(api, 'commerce', '2');
  const finance = await registerDomain(api, 'finance', '3');
  const product = (name: string, classification: 'RESTRICTED' | 'INTERNAL') =>
    registerProduct(api, { domain: 'commerce', domainId: commerce, name, classification, status: 'PUBLISHED' });
  secret = await product('salaries', 'RESTRICTED');
  open = await product('orders', 'INTERNAL');
  const ask = (dataProduct: string) =>
    requestAccess(api, ownerOf('finance'), {
      dataProduct,
      consumerDomain: finance,
      principals: [principal],
      purpose: 'A look',
      expiresAt: new Date(Date.now() + 86_400_000).toISOString(),
    });
  asked = await ask(secret);
  await ask(open);
}, 60_000);
afterAll(() => api.close());

interface Told {
  actor: { subject: string };
  data: Record<string, unknown>;
  subject: { id: string };
  audiencePublic: boolean;
}
const told = () =>
  api.query<Told>(`SELECT * FROM "EventPending" WHERE "type" = 'RestrictedDetailsRead' ORDER BY "position"`);
let before = 0;
beforeEach(async () => {
  before = (await told()).length;
});
const toldSince = async () => (await told()).slice(before);

describe('reading who may read a restricted product', () => {
  test('is told, with who read what of which objects', async () => {
    await api.as(owner)(Requests, { product: secret });
    expect(await toldSince()).toEqual([
      expect.objectContaining({
        actor: expect.objectContaining({ subject: owner.subject }),
        subject: expect.objectContaining({ id: secret }),
        audiencePublic: false,
        data: {
          classification: 'RESTRICTED',
          fields: ['AccessRequest.principals', 'AccessRequest.rowFilter'],
          objects: [asked],
          count: 1,
        },
      }),
    ]);
  });

  test('is told also deep within an answer, and there of restricted products alone', async () => {
    await api.as(ADMIN)(Nested);
    const events = await toldSince();
    expect(events.map(({ subject, data }) => [subject.id, data.objects])).toEqual([[secret, [asked]]]);
  });

  test('is told of explanations', async () => {
    await api.as(owner)(Explain, { product: secret, principal });
    expect((await toldSince()).map(({ data }) => data.fields).sort()).toEqual([
      ['DataProduct.explainAccess'],
      ['DataProduct.whoCanAccess'],
    ]);
  });

  test('costs one statement to read and one to tell', async () => {
    api.statements();
    await api.as(owner)(Requests, { product: secret });
    expect(api.statements()).toHaveLength(1);
    expect(await toldSince()).toHaveLength(1);
  });

  test.each([
    ['of what says nothing about access', () => api.as(owner)(Plain, { product: secret })],
    ['of products that are not restricted', () => api.as(owner)(Requests, { product: open })],
    ['of explanations of such products', () => api.as(owner)(Explain, { product: open, principal })],
    ['where nothing was to be seen', () => api.as({ subject: 'outsider' })(Requests, { product: secret })],
  ])('is not told %s', async (_of, read) => {
    await read();
    expect(await toldSince()).toEqual([]);
  });

  test('is refused where it cannot be told', async () => {
    await api.asOwner(`CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'disk full'; END $$;
      CREATE TRIGGER full_disk BEFORE INSERT ON "EventPending" FOR EACH ROW EXECUTE FUNCTION full_disk()`);
    try {
      await expect(api.as(owner)(Requests, { product: secret })).rejects.toThrow();
      await expect(api.as(owner)(Explain, { product: secret, principal })).rejects.toThrow();
      expect((await api.as(owner)(Requests, { product: open })).accessRequests.nodes).toHaveLength(1);
    } finally {
      await api.asOwner('DROP TRIGGER full_disk ON "EventPending"');
    }
  });
});
