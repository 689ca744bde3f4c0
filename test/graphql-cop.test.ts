import { beforeAll, describe, expect, it } from 'vitest';
import { productOfTest } from './testkit/product.js';

/** As in production, and asked by somebody who may: only so does a refusal say anything. */
const product = await productOfTest({ demo: false, environment: { MESHGATE_PRODUCTION: 'true' } });
let token: string;

beforeAll(async () => {
  token = await product.tokenOf('ada.admin');
});

interface Sent {
  method?: 'GET' | 'POST';
  path?: string;
  body?: string;
  headers?: Record<string, string>;
}

async function send({
  method = 'POST',
  path = '',
  body,
  headers = {},
}: Sent): Promise<{ status: number; text: string }> {
  const sent = { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers };
  if (method === 'GET') Reflect.deleteProperty(sent, 'content-type');
  const response = await fetch(new URL(path, product.graphql), { method, headers: sent, ...(body ? { body } : {}) });
  return { status: response.status, text: await response.text() };
}

const ask = (query: string) => send({ body: JSON.stringify({ query }) });
const times = (count: number, text: (n: number) => string) =>
  Array.from({ length: count }, (_, n) => text(n)).join(' ');
const byGet = (query: string) => send({ method: 'GET', path: `/graphql?query=${encodeURIComponent(query)}` });

/** What a scan for holes of GraphQL servers tries (the checks of graphql-cop 1.15), and what must not come back. */
const scans: [name: string, scan: () => Promise<{ status: number; text: string }>, found: RegExp][] = [
  ['alias overloading', () => ask(`query cop { ${times(101, (n) => `alias${n}: __typename`)} }`), /"alias100"/],
  [
    'batches of queries in an array',
    () => send({ body: JSON.stringify(Array(10).fill({ query: 'query cop { __typename }' })) }),
    /"data"/,
  ],
  [
    'directive overloading',
    () => ask(`query cop { __typename ${'@aa'.repeat(10)} }`),
    /(Unknown directive.*){10}|"data"/,
  ],
  ['duplication of fields', () => ask(`query cop { ${'__typename '.repeat(500)} }`), /"data"/],
  [
    'circular introspection',
    () => ask(`query cop { __schema { types { ${'fields { type { '.repeat(5)} name ${'} }'.repeat(5)} } } }`),
    /"data"/,
  ],
  ['field suggestions', () => ask('query cop { __schema { directive } }'), /[Dd]id you mean/],
  ['suggestions of our own fields', () => ask('query cop { viewe { subject } }'), /[Dd]id you mean|viewer/],
  ['queries by GET', () => byGet('query cop { __typename }'), /"data"/],
  ['mutations by GET', () => byGet('mutation cop { __typename }'), /"data"/],
  [
    'queries by form',
    () =>
      send({
        body: new URLSearchParams({ query: 'query cop { __typename }' }).toString(),
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
      }),
    /"data"/,
  ],
  ['introspection', () => ask('query cop { __schema { types { name } } }'), /"__schema"|"types"/],
  ['tracing', () => ask('query cop { __typename }'), /tracing|"extensions"/],
  ['errors that say too much', () => ask('qwerty cop { abc }'), /exception|stacktrace|node_modules|\.js/i],
];

describe('a scan for holes', () => {
  it('reaches the API: an honest query is answered', async () => {
    const { status, text } = await ask('query canary { viewer { subject } }');
    expect([status, text.trim()]).toEqual([200, '{"data":{"viewer":{"subject":"ada.admin"}}}']);
  });

  it.each(scans)('finds no %s', async (name, scan, found) => {
    const { status, text } = await scan();
    expect(text).not.toMatch(found);
    expect(status).toBe(name === 'tracing' ? 200 : name === 'queries by form' ? 415 : 400);
  });

  it.each(['/', '/graphiql', '/playground', '/console', '/altair', '/graphql'])('finds no page at %s', async (path) => {
    const { status, text } = await send({ method: 'GET', path, headers: { accept: 'text/html' } });
    expect(status).toBe(404);
    expect(text).not.toMatch(/graphql-playground|react-dom|<html/i);
  });
});
