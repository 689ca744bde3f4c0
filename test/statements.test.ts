import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { productOfTest } from './testkit/product.js';
import { mark, statementsOfTest } from './testkit/statements.js';

const statements = statementsOfTest();
const product = await productOfTest();

async function ask(subject: string, query: string, variables: object = {}): Promise<Record<string, unknown>> {
  const response = await fetch(product.graphql, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      authorization: `Bearer ${await product.tokenOf(subject)}`,
      ...mark,
    },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = (await response.json()) as { data: Record<string, unknown>; errors?: unknown };
  expect(errors).toBeUndefined();
  return data;
}

const QUERIES: Record<string, string> = {
  viewer:
    '{ viewer { subject name groups admin actions memberships { role domain { id name members { subject } } } } }',
  node: 'query ($product: ID!) { node(id: $product) { ... on DataProduct { path domain { name } tables { name columns { name } } } } }',
  domain:
    '{ domain(by: { name: "logistics" }) { status progress { ready } members { subject } resources(first: 50) { nodes { kind dependsOn { key } claims { owner { id } } } } dataProducts(first: 10) { totalCount nodes { path contract { version } } } } }',
  domains:
    '{ domains(first: 5) { totalCount nodes { name viewerRole members { subject role } dataProducts(first: 10) { nodes { path tables { name columns { name } } } } } pageInfo { endCursor } } }',
  dataProduct:
    '{ dataProduct(by: { path: "logistics/shipments" }) { path domain { name } contract { version sla { property } quality { description } } contracts { version } tables { name columns { name type } } schemaVersions { createdAt } progress { ready } viewerAccess { status } accessRequests(first: 10) { nodes { status requestedBy } } accessGrants(first: 10) { nodes { status } } resources(first: 20) { nodes { kind } } } }',
  dataProducts:
    '{ dataProducts(first: 20, search: "stock or shipments", filter: { status: [PUBLISHED] }) { totalCount facets { field values { value count } } nodes { path domain { name members { subject } } contract { version dataProduct { path } } tables { name columns { name } } viewerAccess { status } } } }',
  diffDataContracts:
    'query ($from: ID!, $to: ID!) { diffDataContracts(from: $from, to: $to) { compatible changes { path kind breaking message } affectedGrants { id status } } }',
  dataContract:
    '{ dataContract(by: { path: "logistics/shipments", version: "1.4.1" }) { version document warnings { path reason } sla { property } quality { description } dataProduct { path domain { name } } } }',
  accessRequests:
    '{ accessRequests(first: 10) { totalCount nodes { status principals dataProduct { path domain { name } } consumerDomain { name } accessGrant { status resources { kind } } viewerCanApprove } } }',
  accessGrants:
    '{ accessGrants(first: 10) { totalCount nodes { status howToQuery { tables { table athenaSql } } progress { ready } accessRequest { purpose requestedBy } dataProduct { path } consumerDomain { name } resources { kind lastError { message } } } } }',
  resources:
    '{ resources(first: 100) { totalCount nodes { kind key status dependsOn { key } claims { released owner { id } } } } }',
  auditTrail:
    '{ auditTrail(first: 100, filter: { subjectType: "AccessGrant" }) { totalCount nodes { sequence action hash actor { subject tokenId address } about { id name } before after } } }',
  testEventPattern:
    'query ($domain: ID!, $pattern: JSON!) { testEventPattern(domain: $domain, pattern: $pattern, first: 10) { examined events { id type subject { id } } } }',
  events:
    '{ events(first: 100) { totalCount nodes { sequence type domain { name } subject { id ... on DataProduct { path } ... on AccessGrant { status dataProduct { path } } } } } }',
};

/** What only admins ask. */
const ADMINS_QUERIES: Record<string, string> = {
  publisher: '{ publisher { paused eventsBehind secondsBehind oldestUnsentAt deadLetterCount } }',
  deadLetters: '{ deadLetters(first: 10) { totalCount nodes { sequence code event { id type subject { id } } } } }',
};

let logistics: string;
let shipments: { id: string; contract: { id: string; document: string } };
let imported: string;

beforeAll(async () => {
  const found =
    '{ dataProduct(by: { path: "logistics/shipments" }) { id contract { id document } } domain(by: { name: "logistics" }) { id } }';
  const { dataProduct, domain } = await ask('ada.admin', found);
  shipments = dataProduct as typeof shipments;
  logistics = (domain as { id: string }).id;
  const { importDataContract } = await ask(
    'lena.fischer',
    'mutation ($input: ImportDataContractInput!) { importDataContract(input: $input) { ... on ImportDataContractPayload { dataContract { id } } ... on UserError { message } } }',
    {
      input: {
        dataProduct: shipments.id,
        document: shipments.contract.document.replace('version: 1.4.1', 'version: 1.5.0'),
      },
    },
  );
  imported = (importDataContract as { dataContract: { id: string } }).dataContract.id;
});

/** Statements of a query that takes more than one: both contracts, and the grants that read what changed; where the past begins and ends, a page of it, and what matches. */
const MORE: Record<string, number> = { diffDataContracts: 3, testEventPattern: 3 };

/** Asks as somebody and answers the request's statements, those that read memberships apart. */
async function costOf(subject: string, name: string): Promise<{ own: number; memberships: number }> {
  let data: Record<string, unknown> = {};
  const query = QUERIES[name] ?? ADMINS_QUERIES[name] ?? '';
  const known: Record<string, unknown> = {
    ...{ product: shipments.id, from: shipments.contract.id, to: imported, domain: logistics },
    pattern: { 'detail-type': [{ prefix: 'D' }] },
  };
  const variables = Object.fromEntries(Object.entries(known).filter(([variable]) => query.includes(`$${variable}:`)));
  const ran = await statements.of(async () => {
    data = await ask(subject, query, variables);
  });
  expect(data[name]).toBeTruthy();
  const own = ran.filter((text) => !text.includes('FROM "DomainMember" WHERE "subject" = ANY'));
  return { own: own.length, memberships: ran.length - own.length };
}

describe('every query is one SQL statement, and one for the memberships where they are not known', () => {
  test.each(Object.keys(QUERIES))('%s', async (name) => {
    const member = await costOf('lena.fischer', name);
    const own = MORE[name] ?? 1;
    expect(member).toEqual({ own, memberships: expect.any(Number) });
    expect(member.memberships).toBeLessThanOrEqual(1);
    // The admin sees everything; but he belongs to no domain that his `viewer` would have to read.
    expect((await costOf('ada.admin', name)).own).toBe(name === 'viewer' ? 0 : own);
  });

  test.each(Object.keys(ADMINS_QUERIES))('%s, which only admins ask', async (name) => {
    expect((await costOf('ada.admin', name)).own).toBe(1);
  });

  test('memberships are read for whoever was not seen lately, and then known', async () => {
    expect(await costOf('sofia.rossi', 'domains')).toEqual({ own: 1, memberships: 1 });
    expect(await costOf('sofia.rossi', 'domains')).toEqual({ own: 1, memberships: 0 });
  });
});

interface Answer {
  data?: { dataProduct?: { tables: { columns: unknown[] }[]; contracts: unknown[] } } | null;
  errors?: { message: string; extensions: { code: string } }[];
}

/** As an admin, who sees all of it. */
async function answerTo(query: string): Promise<{ answer: Answer; own: string[] }> {
  let answer: Answer = {};
  const headers = {
    ...{ 'content-type': 'application/json', authorization: `Bearer ${await product.tokenOf('ada.admin')}` },
    ...mark,
  };
  const ran = await statements.of(async () => {
    const response = await fetch(product.graphql, { method: 'POST', headers, body: JSON.stringify({ query }) });
    answer = (await response.json()) as Answer;
  });
  return { answer, own: ran.filter((text) => !text.includes('FROM "DomainMember" WHERE "subject" = ANY')) };
}

async function openOwner(): Promise<pg.Client> {
  const { pathname } = new URL(product.databaseUrl);
  const owner = new pg.Client({ connectionString: inject('postgresOwnerUrl').replace(/\/meshgate$/, pathname) });
  await owner.connect();
  return owner;
}

const ofStock = (inside: string) => `{ dataProduct(by: { path: "logistics/warehouse-stock" }) { ${inside} } }`;

describe('more than 20,000 entries of lists without pages are no answer', () => {
  let owner: pg.Client;
  beforeAll(async () => {
    owner = await openOwner();
    await owner.query(
      `INSERT INTO "ProductTable" ("id", "productId", "position", "name")
       SELECT gen_random_uuid(), p."id", 1000 + n, 'wide_' || n FROM "DataProduct" p JOIN "Domain" d ON d."id" = p."domainId",
         generate_series(1, 11) n WHERE d."name" = 'logistics' AND p."name" = 'warehouse-stock'`,
    );
    await owner.query(
      `INSERT INTO "ProductColumn" ("id", "tableId", "position", "name", "type")
       SELECT gen_random_uuid(), t."id", n, 'c' || n, 'string' FROM "ProductTable" t, generate_series(1, 2000) n WHERE t."name" LIKE 'wide\\_%'`,
    );
  });
  afterAll(async () => {
    await owner.query(`DELETE FROM "ProductTable" WHERE "name" LIKE 'wide\\_%'`);
    await owner.end();
  });

  const ONE = ofStock('tables { name columns { name } }');

  test.each([
    ['of one product', ONE],
    ['of a page', '{ dataProducts(first: 50) { nodes { path tables { columns { name } } } } }'],
    ['below other objects', '{ accessGrants(first: 50) { nodes { dataProduct { tables { columns { name } } } } } }'],
    ['that a query is made from', '{ accessGrants(first: 50) { nodes { howToQuery { athenaSql } } } }'],
  ])('%s: they are refused by the one statement that counts them', async (_, query) => {
    const { answer, own } = await answerTo(query);
    expect(answer.errors).toMatchObject([{ extensions: { code: 'QUERY_TOO_COSTLY' } }]);
    expect(answer.errors?.[0]?.message).toContain('more than 20000 entries');
    expect(own.length).toBe(1);
  });

  test('and the tables without them are one, as are the columns of fewer tables, again and again', async () => {
    expect((await answerTo(ONE.replace('columns { name }', ''))).answer.errors).toBeUndefined();
    await owner.query(`DELETE FROM "ProductTable" WHERE "name" IN ('wide_1', 'wide_2')`);
    for (let again = 0; again < 3; again += 1) {
      const { answer } = await answerTo(ONE);
      expect(answer.errors).toBeUndefined();
      expect(answer.data?.dataProduct?.tables.flatMap(({ columns }) => columns).length).toBeGreaterThan(18_000);
    }
  });
});

describe('more than 10,000,000 bytes of documents are no answer', () => {
  let owner: pg.Client;
  beforeAll(async () => {
    owner = await openOwner();
    const stock = `(SELECT p."id" FROM "DataProduct" p JOIN "Domain" d ON d."id" = p."domainId"
      WHERE d."name" = 'logistics' AND p."name" = 'warehouse-stock')`;
    await owner.query(
      `INSERT INTO "DataContract" ("id", "productId", "odcsId", "version", "apiVersion", "document", "format", "digest", "parsed", "sla",
         "quality", "warnings", "createdBy")
       SELECT gen_random_uuid(), ${stock}, 'long', '0.0.' || n, 'v3.1.0', repeat('x', 1000000), 'YAML', '', '{}', '[]', '[]', '[]', 'test'
       FROM generate_series(1, 11) n`,
    );
    await owner.query(
      `INSERT INTO "SchemaVersion" ("id", "productId", "number", "source", "tables")
       SELECT gen_random_uuid(), ${stock}, 1000 + n, 'FIELDS', jsonb_build_array(jsonb_build_object('name', repeat('x', 1000000)))
       FROM generate_series(1, 11) n`,
    );
    await owner.query(
      `INSERT INTO "ProductTable" ("id", "productId", "position", "name") SELECT gen_random_uuid(), ${stock}, 2000, 'told_at_length'`,
    );
    await owner.query(
      `INSERT INTO "ProductColumn" ("id", "tableId", "position", "name", "type", "description")
       SELECT gen_random_uuid(), t."id", n, 'c' || n, 'string', repeat('x', 10000) FROM "ProductTable" t, generate_series(1, 1100) n
       WHERE t."name" = 'told_at_length'`,
    );
  });
  afterAll(async () => {
    await owner.query(`DELETE FROM "DataContract" WHERE "odcsId" = 'long'`);
    await owner.query(`DELETE FROM "SchemaVersion" WHERE "number" > 1000`);
    await owner.query(`DELETE FROM "ProductTable" WHERE "name" = 'told_at_length'`);
    await owner.end();
  });

  test.each([
    ['contracts', ofStock('contracts { document }')],
    ['versions of schemas', ofStock('schemaVersions { tables }')],
    ['descriptions of columns', ofStock('tables { columns { description } }')],
    ['contracts of a page', '{ dataProducts(first: 50) { nodes { contracts { document } } } }'],
  ])('%s: they are refused by the one statement that counts them', async (_, query) => {
    const { answer, own } = await answerTo(query);
    expect(answer.errors).toMatchObject([{ extensions: { code: 'QUERY_TOO_COSTLY' } }]);
    expect(answer.errors?.[0]?.message).toContain('more than 10000000 bytes of documents');
    expect(own.length).toBe(1);
  });

  test('and the contracts without them are one, as are fewer documents, again and again', async () => {
    const bare = ofStock('contracts { version }');
    expect((await answerTo(bare)).answer.data?.dataProduct?.contracts.length).toBeGreaterThanOrEqual(11);
    await owner.query(`DELETE FROM "DataContract" WHERE "odcsId" = 'long' AND "version" IN ('0.0.1', '0.0.2')`);
    for (let again = 0; again < 3; again += 1) {
      const { answer } = await answerTo(bare.replace('version', 'document'));
      expect(answer.errors).toBeUndefined();
      expect(JSON.stringify(answer).length).toBeGreaterThan(9_000_000);
    }
  });
});
