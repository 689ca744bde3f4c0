import { afterAll, beforeAll, expect, test } from 'vitest';
import { graphql } from '../src/generated/graphql/gql.js';
import { OUTSIDER, ownerOf, registerDomain, registerProduct } from './testkit/catalogue.js';
import { type ApiOfTest, openApi, type Person } from './testkit/execute.js';

const Update = graphql(`
  mutation TemplateUpdate($dataProduct: ID!, $requestTemplate: JSON) {
    updateDataProduct(input: { dataProduct: $dataProduct, requestTemplate: $requestTemplate }) {
      __typename
      ... on UpdateDataProductPayload { dataProduct { requestTemplate { version questions } } }
      ... on ValidationError { violations { path reason } }
      ... on UserError { code message }
    }
  }
`);
const Ask = graphql(`
  mutation TemplateAsk($input: RequestAccessInput!) {
    requestAccess(input: $input) {
      __typename
      ... on RequestAccessPayload { accessRequest { id answers requestTemplate { version questions } } }
      ... on ValidationError { path violations { path reason } }
      ... on UserError { code message }
    }
  }
`);
const Asked = graphql(`
  query TemplateAsked($id: ID!) {
    node(id: $id) { ... on AccessRequest { answers requestTemplate { version questions } } }
  }
`);

const steward: Person = ownerOf('commerce');
const asker: Person = ownerOf('finance');
let api: ApiOfTest;
let commerce: string;
let finance: string;
let product: string;
let number = 0;

const QUESTIONS = {
  type: 'object',
  properties: {
    system: { type: 'string', title: 'Where will the data live?', enum: ['warehouse', 'laptop'] },
    until: { type: 'string', format: 'date' },
    people: { type: 'integer', minimum: 1, maximum: 500 },
    exports: { type: 'array', items: { type: 'string', enum: ['csv', 'pdf'] }, uniqueItems: true },
    agreed: { type: 'boolean', const: true },
    contact: { type: 'string', format: 'email', maxLength: 100 },
  },
  required: ['system', 'agreed'],
};
const ANSWERS = {
  system: 'warehouse',
  until: '2027-01-31',
  people: 12,
  exports: ['csv'],
  agreed: true,
  contact: 'a@example.com',
};

beforeAll(async () => {
  api = await openApi();
  commerce = await registerDomain(api, 'commerce', '2');
  finance = await registerDomain(api, 'finance', '3');
});
afterAll(() => api.close());

async function freshProduct(): Promise<string> {
  number += 1;
  product = await registerProduct(api, {
    domain: 'commerce',
    domainId: commerce,
    name: `orders-${number}`,
    status: 'PUBLISHED',
  });
  return product;
}
const set = async (requestTemplate: unknown, person = steward) =>
  (await api.as(person)(Update, { dataProduct: product, requestTemplate })).updateDataProduct;
const ask = async (answers?: unknown) => {
  const principals = ['arn:aws:iam::333333333333:role/analysts'];
  const input = { dataProduct: product, consumerDomain: finance, principals, purpose: 'Audit', answers };
  return (await api.as(asker)(Ask, { input })).requestAccess;
};
/** The places that an answer of the API names, in order. */
const places = (answer: { __typename: string }) =>
  'violations' in answer ? (answer.violations as { path: string }[]).map(({ path }) => path).sort() : answer;

test('a product asks, in the order it was given, and a request keeps answers and questions of its day', async () => {
  await freshProduct();
  expect(await set(QUESTIONS)).toMatchObject({ dataProduct: { requestTemplate: { version: 1 } } });
  const first = await ask(ANSWERS);
  if (!('accessRequest' in first) || !first.accessRequest) throw new Error(JSON.stringify(first));
  expect(first.accessRequest).toMatchObject({
    answers: ANSWERS,
    requestTemplate: { version: 1, questions: QUESTIONS },
  });
  const properties = { why: { type: 'string' } };
  expect(await set({ type: 'object', properties, required: ['why'] })).toMatchObject({
    dataProduct: { requestTemplate: { version: 2 } },
  });
  const { node } = await api.as(steward)(Asked, { id: first.accessRequest.id });
  expect(node).toMatchObject({ answers: ANSWERS, requestTemplate: { version: 1 } });
  const { questions } = (node as { requestTemplate: { questions: typeof QUESTIONS } }).requestTemplate;
  expect(Object.keys(questions.properties)).toEqual(Object.keys(QUESTIONS.properties));
  expect(places(await ask(ANSWERS))).toEqual([
    'answers.agreed',
    'answers.contact',
    'answers.exports',
    'answers.people',
    'answers.system',
    'answers.until',
    'answers.why',
  ]);
  expect(await ask({ why: 'Because' })).toMatchObject({
    accessRequest: { answers: { why: 'Because' }, requestTemplate: { version: 2 } },
  });
});

test('wrong answers are named one by one, with what to give', async () => {
  await freshProduct();
  await set(QUESTIONS);
  const wrong = {
    system: 'cloud',
    until: '31.1.2027',
    people: 0,
    exports: ['csv', 'doc'],
    agreed: false,
    contact: 'nobody',
  };
  expect(places(await ask(wrong))).toEqual([
    'answers.agreed',
    'answers.contact',
    'answers.exports.1',
    'answers.people',
    'answers.system',
    'answers.until',
  ]);
  expect(await ask({ system: 'cloud', agreed: true })).toMatchObject({
    __typename: 'ValidationError',
    path: 'answers.system',
    message: 'answers.system: The answer must be equal to one of the allowed values: warehouse, laptop.',
  });
  for (const nothing of [undefined, null, {}])
    expect(places(await ask(nothing))).toEqual(['answers.agreed', 'answers.system']);
  for (const other of [[], 'yes', 7]) expect(places(await ask(other))).toEqual(['answers']);
});

test('texts are bounded where the question says nothing, and answers as a whole too', async () => {
  await freshProduct();
  await set({
    type: 'object',
    properties: { why: { type: 'string' }, more: { type: 'array', items: { type: 'string' } } },
  });
  expect(places(await ask({ why: 'x'.repeat(2_001) }))).toEqual(['answers.why']);
  expect(places(await ask({ more: Array(101).fill('x') }))).toEqual(['answers.more']);
  expect(await ask({ more: Array(100).fill('x'.repeat(200)) })).toMatchObject({
    path: 'answers',
    message: expect.stringContaining('16384 bytes'),
  });
  for (const text of ['\u0000', 'a\u0007b', '\ud800'])
    expect(await ask({ why: text })).toMatchObject({
      path: 'answers',
      message: expect.stringContaining('control characters'),
    });
  for (const text of ['é 漢 😀', 'line\n\ttab \\u0000 as text', '"quoted"'])
    expect(await ask({ why: text })).toMatchObject({ accessRequest: { answers: { why: text } } });
});

test('an object without questions asks nothing any more; answers that nobody asked for are refused', async () => {
  await freshProduct();
  expect(await ask({ system: 'warehouse' })).toMatchObject({ __typename: 'ValidationError', path: 'answers' });
  await set(QUESTIONS);
  expect(await set({})).toMatchObject({ dataProduct: { requestTemplate: null } });
  expect(await ask()).toMatchObject({ accessRequest: { answers: null, requestTemplate: null } });
});

test('the same questions again are no new version, and leaving them out changes nothing', async () => {
  await freshProduct();
  await set(QUESTIONS);
  expect(await set(QUESTIONS)).toMatchObject({ dataProduct: { requestTemplate: { version: 1 } } });
  expect(await set(undefined)).toMatchObject({ dataProduct: { requestTemplate: { version: 1 } } });
  expect(await set(null)).toMatchObject({ dataProduct: { requestTemplate: { version: 1 } } });
  const told = await api.query<{ data: object }>(
    `SELECT "data" FROM "EventPending" WHERE "type" = 'DataProductUpdated' ORDER BY "position" DESC LIMIT 1`,
  );
  expect(told[0]?.data).toMatchObject({ before: { requestTemplateVersion: 0 }, after: { requestTemplateVersion: 1 } });
});

const one = (question: object) => ({ type: 'object', properties: { a: question } });
test.each<[string, unknown, string]>([
  [
    'a reference to somewhere else',
    one({ $ref: 'https://example.com/schema.json' }),
    'requestTemplate.properties.a.type',
  ],
  ['a reference within', { ...one({ type: 'string' }), $ref: '#/definitions/a' }, 'requestTemplate'],
  ['a pattern, which can run for minutes', one({ type: 'string', pattern: '^(a+)+$' }), 'requestTemplate.properties.a'],
  ['a format of no standard', one({ type: 'string', format: 'regex' }), 'requestTemplate.properties.a.format'],
  ['an object within', one({ type: 'object', properties: {} }), 'requestTemplate.properties.a.type'],
  ['a combination', { ...one({ type: 'string' }), allOf: [{}] }, 'requestTemplate'],
  [
    'additional answers',
    { ...one({ type: 'string' }), additionalProperties: true },
    'requestTemplate.additionalProperties',
  ],
  ['a requirement of no question', { ...one({ type: 'string' }), required: ['b'] }, 'requestTemplate.required.0'],
  [
    'a name that is none',
    { type: 'object', properties: { 'a b': { type: 'string' } } },
    'requestTemplate.properties.a b',
  ],
  ['no object', [], 'requestTemplate'],
  ['a text', 'questions', 'requestTemplate'],
  ['false', false, 'requestTemplate'],
  [
    'too many questions',
    {
      type: 'object',
      properties: Object.fromEntries(Array.from({ length: 51 }, (_, i) => [`q${i}`, { type: 'boolean' }])),
    },
    'requestTemplate.properties',
  ],
])('%s is refused', async (_what, requestTemplate, path) => {
  if (!product) await freshProduct();
  const answer = await set(requestTemplate);
  expect(answer).toMatchObject({ __typename: 'ValidationError' });
  expect(places(answer)).toContain(path);
});

test('a schema that is too large, and names that objects have from birth, do no harm', async () => {
  await freshProduct();
  expect(await set(one({ type: 'string', enum: Array(100).fill('x'.repeat(190)) }))).toMatchObject({
    code: 'VALIDATION',
    message: expect.stringContaining('16384 bytes'),
  });
  expect(
    await set({
      type: 'object',
      properties: { constructor: { type: 'string' }, toString: { type: 'string' } },
      required: ['constructor'],
    }),
  ).toMatchObject({ dataProduct: { requestTemplate: { version: 1 } } });
  expect(await ask({})).toMatchObject({ message: 'answers.constructor: This question has to be answered.' });
  expect(await ask({ constructor: 'me' })).toMatchObject({ __typename: 'RequestAccessPayload' });
  expect(await ask(JSON.parse('{ "constructor": "me", "__proto__": 1 }'))).toMatchObject({
    __typename: 'ValidationError',
  });
});

test('only who may change a product sets its questions, and nobody changes them afterwards', async () => {
  await freshProduct();
  await set(QUESTIONS);
  for (const person of [asker, OUTSIDER]) expect(await set({}, person)).toMatchObject({ code: 'FORBIDDEN' });
  for (const sql of [`UPDATE "RequestTemplate" SET "questions" = '{}'`, 'DELETE FROM "RequestTemplate"'])
    await expect(api.query(sql)).rejects.toThrow('permission denied');
  await ask(ANSWERS);
  await expect(
    api.query(`WITH who AS MATERIALIZED (SELECT set_config('meshgate.authority', 'SYSTEM', true))
      UPDATE "AccessRequest" SET "answers" = '{}' FROM who WHERE "answers" IS NOT NULL`),
  ).rejects.toThrow('what a request or a grant is for does not change');
});

test('questions that no answer fits, and references, are refused with what is wrong', async () => {
  await freshProduct();
  const wrong = async (one: object) => {
    const refused = await set({ type: 'object', properties: { a: one }, required: ['a'] });
    return 'violations' in refused ? refused.violations[0] : refused;
  };
  const at = (keyword: string) => `requestTemplate.properties.a.${keyword}`;
  expect(await wrong({ type: 'string', minLength: 10, maxLength: 3 })).toEqual({
    path: at('minLength'),
    reason: 'No answer fits: minLength 10 is more than maxLength 3.',
  });
  expect(await wrong({ type: 'number', minimum: 1.5, maximum: 1 })).toMatchObject({ path: at('minimum') });
  expect(await wrong({ type: 'integer', minimum: 2, maximum: 1 })).toMatchObject({ path: at('minimum') });
  const texts = { type: 'array', items: { type: 'string' } };
  expect(await wrong({ ...texts, minItems: 2, maxItems: 1 })).toMatchObject({ path: at('minItems') });
  for (const one of [{ $ref: '#/definitions/a' }, { type: 'string', $ref: '#/definitions/a' }])
    expect(await wrong(one)).toMatchObject({ reason: expect.stringContaining('$ref') });
  for (const one of [
    { type: 'string', minLength: 3, maxLength: 3 },
    { type: 'number', minimum: 1, maximum: 1 },
  ])
    expect(await set({ type: 'object', properties: { a: one } })).toMatchObject({ dataProduct: {} });
});
