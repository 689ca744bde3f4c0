import { request as httpRequest } from 'node:http';
import { gunzipSync } from 'node:zlib';
import {
  GraphQLError,
  GraphQLInt,
  GraphQLList,
  GraphQLNonNull,
  GraphQLObjectType,
  GraphQLSchema,
  GraphQLString,
  getIntrospectionQuery,
} from 'graphql';
import { serverAudits } from 'graphql-http';
import { type Client, createClient } from 'graphql-ws';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { createHealth, type Health } from '../src/server/health.js';
import { createHttp, type Http, type IncomingRequest } from '../src/server/http.js';
import { createLog } from '../src/server/log.js';
import { serveWebSockets, type WebSockets } from '../src/server/websocket.js';

interface Ran {
  resolvers: number;
}
const ran: Ran = { resolvers: 0 };

const item: GraphQLObjectType = new GraphQLObjectType({
  name: 'Item',
  fields: () => ({
    name: { type: GraphQLString, resolve: () => 'one' },
    parent: { type: item, resolve: () => ({}) },
    items: {
      type: connection,
      args: { first: { type: new GraphQLNonNull(GraphQLInt) } },
      resolve: () => ({ nodes: [{}] }),
    },
    tags: { type: new GraphQLList(item), resolve: () => [] },
  }),
});
const connection = new GraphQLObjectType({
  name: 'ItemConnection',
  fields: { nodes: { type: new GraphQLList(item) } },
});
const schema = new GraphQLSchema({
  query: new GraphQLObjectType({
    name: 'Query',
    fields: {
      item: {
        type: item,
        resolve: () => {
          ran.resolvers += 1;
          return {};
        },
      },
      whoami: { type: GraphQLString, resolve: (_, __, context: { subject: string }) => context.subject },
      secret: {
        type: GraphQLString,
        resolve: () => {
          throw new Error('password=hunter2');
        },
      },
    },
  }),
  mutation: new GraphQLObjectType({
    name: 'Mutation',
    fields: { change: { type: GraphQLString, resolve: () => 'changed' } },
  }),
  subscription: new GraphQLObjectType({
    name: 'Subscription',
    fields: {
      count: {
        type: GraphQLInt,
        args: { to: { type: GraphQLInt } },
        subscribe: async function* (_, { to }: { to: number }, context: { signal: AbortSignal }) {
          for (let count = 1; count <= to; count += 1) yield { count };
          if (to === 0) await new Promise((done) => context.signal.addEventListener('abort', done));
        },
      },
      leak: {
        type: GraphQLInt,
        subscribe: () => {
          throw new Error('password=hunter2');
        },
      },
    },
  }),
});

const log = createLog({ level: 'silent' });
let health: Health;
let http: Http;
let sockets: WebSockets;
let url: string;
let databaseUp = true;
/** `Bearer <name>` is who asks; `Bearer <name> <milliseconds>` expires. */
function subjectOf({ authorization }: IncomingRequest): { subject: string; expiresAt: Date } {
  const [, subject, lives] = /^Bearer (\w+) ?(\d+)?$/.exec(authorization ?? '') ?? [];
  if (!subject) {
    throw new GraphQLError('Send a token.', { extensions: { code: 'UNAUTHENTICATED', http: { status: 401 } } });
  }
  return { subject, expiresAt: new Date(Date.now() + Number(lives ?? 60_000)) };
}

beforeAll(async () => {
  health = createHealth({
    database: async () => {
      if (!databaseUp) throw new Error('no connection');
    },
  });
  const config = {
    host: '127.0.0.1',
    port: 0,
    introspection: true,
    graphiql: true,
    allowedOrigins: ['https://portal.test'],
  };
  const api = { schema, contextOf: async (request: IncomingRequest) => subjectOf(request) };
  http = await createHttp({ config, log, health, api });
  sockets = serveWebSockets({
    server: http.app.server,
    schema,
    config,
    log,
    open: async (request) => {
      const { subject, expiresAt } = subjectOf(request);
      return { expiresAt, admit: () => true, contextOf: (signal) => ({ subject, signal }), close: () => undefined };
    },
  });
  url = `http://127.0.0.1:${await http.listen()}/graphql`;
});
afterAll(async () => {
  await sockets.drain(500);
  await http.close();
});

interface Answer {
  data?: Record<string, unknown> | null;
  errors?: { message: string; extensions: { code: string; errorId?: string } }[];
}

async function post(
  body: unknown,
  headers: Record<string, string> = {},
): Promise<{ status: number; answer: Answer; headers: Headers }> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer alice', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status: response.status, answer: (await response.json()) as Answer, headers: response.headers };
}
const query = (text: string, variables = {}) => post({ query: text, variables });
const codeOf = ({ answer }: { answer: Answer }) => answer.errors?.[0]?.extensions.code;

describe('the API over HTTP', () => {
  it('answers whoever brings a token', async () => {
    expect((await query('{ whoami }')).answer).toEqual({ data: { whoami: 'alice' } });
  });

  it('answers 401 before it parses anything for a stranger', async () => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query: '{ nonsense' }),
    });
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toContain('Bearer');
    expect(((await response.json()) as Answer).errors?.[0]?.extensions.code).toBe('UNAUTHENTICATED');
  });

  it('masks what went wrong inside, with an id that the log has', async () => {
    const { answer } = await query('{ secret }');
    expect(JSON.stringify(answer)).not.toContain('hunter2');
    expect(answer.errors?.[0]).toMatchObject({
      extensions: { code: 'INTERNAL_SERVER_ERROR', errorId: expect.stringMatching(/^[0-9a-f-]{36}$/) },
    });
    expect(answer.errors?.[0]?.message).toContain(answer.errors?.[0]?.extensions.errorId);
  });

  it("takes over a client's correlation id if it is a plain one", async () => {
    expect(
      (await post({ query: '{ whoami }' }, { 'x-correlation-id': 'order-7' })).headers.get('x-correlation-id'),
    ).toBe('order-7');
    expect((await post({ query: '{ whoami }' }, { 'x-request-id': 'a b' })).headers.get('x-request-id')).toMatch(
      /^[0-9a-f-]{36}$/,
    );
  });

  it.each([
    ['an array of operations', JSON.stringify([{ query: '{ whoami }' }, { query: '{ whoami }' }]), {}, 400],
    ['a body that is no JSON', '{"query":', {}, 400],
    ['a JSON text that is no object', '"{ whoami }"', {}, 400],
    ['plain text', '{ whoami }', { 'content-type': 'text/plain' }, 415],
    ['a form', 'query={whoami}', { 'content-type': 'application/x-www-form-urlencoded' }, 415],
    ['a body of more than 1 MB', JSON.stringify({ query: `{ whoami } #${'x'.repeat(1_100_000)}` }), {}, 413],
  ])('refuses %s', async (_, body, headers, status) => {
    const refusal = await post(body, headers);
    expect(refusal.status).toBe(status);
    expect(refusal.answer.errors?.[0]?.message).toBeTruthy();
    expect(JSON.stringify(refusal.answer)).not.toMatch(/node_modules|at \w+ \(/);
  });

  it('changes nothing on GET', async () => {
    const headers = { authorization: 'Bearer alice', 'apollo-require-preflight': '1', accept: 'application/json' };
    const response = await fetch(`${url}?query=${encodeURIComponent('mutation { change }')}`, { headers });
    expect(response.status).toBe(405);
  });

  it('answers only to its own machine’s names', async () => {
    const status = await new Promise((done) => {
      httpRequest(url.replace('graphql', 'healthz'), { headers: { host: 'evil.test' } }, (answer) =>
        done(answer.statusCode),
      ).end();
    });
    expect(status).toBe(421);
    expect((await fetch(url.replace('127.0.0.1', 'localhost').replace('graphql', 'healthz'))).status).toBe(200);
  });

  it('passes the GraphQL-over-HTTP audits that are a MUST', async () => {
    const audits = serverAudits({
      url,
      fetchFn: (target: string, init: RequestInit = {}) => {
        return fetch(target, {
          ...init,
          headers: { ...(init.headers as Record<string, string>), authorization: 'Bearer alice' },
        });
      },
    });
    const must = audits.filter((audit) => audit.name.startsWith('MUST'));
    expect(must.length).toBeGreaterThanOrEqual(13);
    for (const audit of must) expect(await audit.fn(), audit.name).toMatchObject({ status: 'ok' });
  });
});

describe('query limits', () => {
  const nested = (depth: number) =>
    `${'{ item '.repeat(1)}${'{ parent '.repeat(depth - 2)}{ name }${' }'.repeat(depth - 1)}`;
  const fragments = (count: number) =>
    `{ item { ...F0 } } ${Array.from({ length: count }, (_, i) => `fragment F${i} on Item { parent { ...F${i + 1} } tags { ...F${i + 1} } }`).join(' ')} fragment F${count} on Item { name }`;
  const cases: [string, string][] = [
    ['more than 1,000 tokens', `{ ${'whoami '.repeat(1_001)} }`],
    ['11 levels', nested(11)],
    ['16 aliases', `{ ${Array.from({ length: 16 }, (_, i) => `a${i}: whoami`).join(' ')} }`],
    ['16 aliases of __typename', `{ ${Array.from({ length: 16 }, (_, i) => `a${i}: __typename`).join(' ')} }`],
    ['9 directives', `{ ${'whoami @skip(if: false) '.repeat(9)} }`],
    ['301 fields', `{ ${'whoami '.repeat(301)} }`],
    ['two operations', 'query A { whoami } query B { whoami }'],
    [
      'a cycle of fragments',
      '{ item { ...A } } fragment A on Item { parent { ...B } } fragment B on Item { parent { ...A } }',
    ],
    ['fragments that double', fragments(9)],
    ['pages of pages', '{ item { items(first: 100) { nodes { items(first: 100) { nodes { name } } } } } }'],
    ['a page of 0', '{ item { items(first: 0) { nodes { name } } } }'],
    ['a page of 101', '{ item { items(first: 101) { nodes { name } } } }'],
    ['a page of -1', '{ item { items(first: -1) { nodes { name } } } }'],
  ];

  it.each(cases)('refuse %s with HTTP 400 before any resolver, in under 50 ms', async (_, text) => {
    await query('{ whoami }');
    ran.resolvers = 0;
    const started = performance.now();
    const refusal = await post({ query: text, operationName: text.startsWith('query A') ? 'A' : undefined });
    expect(refusal.status).toBe(400);
    expect(performance.now() - started).toBeLessThan(50);
    expect(codeOf(refusal)).toMatch(/^(GRAPHQL_PARSE_FAILED|GRAPHQL_VALIDATION_FAILED|QUERY_TOO_COSTLY)$/);
    expect(ran.resolvers).toBe(0);
  });

  it('see through variables', async () => {
    const pages = 'query ($n: Int!) { item { items(first: $n) { nodes { items(first: $n) { nodes { name } } } } } }';
    expect(codeOf(await query(pages, { n: 100 }))).toBe('QUERY_TOO_COSTLY');
    expect((await query(pages, { n: 90 })).status).toBe(200);
    expect(codeOf(await query(pages, { n: 1_000 }))).toBe('QUERY_TOO_COSTLY');
  });

  it('let an ordinary document pass: 10 levels, pages, aliases, fragments', async () => {
    expect((await query(nested(10))).status).toBe(200);
    const text = `{ a: item { items(first: 100) { nodes { ...N } } } b: item { ...N } } fragment N on Item { name parent { name } }`;
    expect((await query(text)).answer.errors).toBeUndefined();
  });

  it('let the standard introspection pass', async () => {
    const { status, answer } = await query(
      getIntrospectionQuery({ inputValueDeprecation: true, specifiedByUrl: true, oneOf: true }),
    );
    expect(status).toBe(200);
    expect(answer.errors).toBeUndefined();
  });

  it('refuse an introspection that goes round in circles', async () => {
    const circle = `{ __schema { types { ${'fields { type { '.repeat(5)} name ${'} }'.repeat(5)} } } }`;
    expect(codeOf(await query(circle))).toBe('GRAPHQL_VALIDATION_FAILED');
  });
});

describe('GraphiQL', () => {
  it('is where a browser lands that asks for no page in particular', async () => {
    const root = new URL('/', url);
    const response = await fetch(root, { headers: { accept: 'text/html' }, redirect: 'manual' });
    expect([response.status, response.headers.get('location')]).toEqual([302, '/graphql']);
    expect((await fetch(root, { headers: { accept: 'application/json' } })).status).toBe(404);
  });

  it('comes compressed, loads nothing from elsewhere, and holds no token', async () => {
    const response = await fetch(url, { headers: { accept: 'text/html', 'accept-encoding': 'identity' } });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-security-policy')).toContain("default-src 'none'");
    const html = await response.text();
    expect(html).toContain('Object.assign({"title":"Meshgate"');
    expect(html).toContain('window.meshgate)');
    expect(html).not.toMatch(/<(script|link)[^>]+(src|href)="https?:/);
    const raw = await new Promise<Buffer>((done) => {
      const options = { headers: { accept: 'text/html', 'accept-encoding': 'gzip' } };
      httpRequest(url, options, async (answer) => done(Buffer.concat(await answer.toArray()))).end();
    });
    expect(raw.length).toBeLessThan(4_000_000);
    expect(gunzipSync(raw).toString()).toBe(html);
  });
});

describe('health', () => {
  it('tells alive from ready', async () => {
    const probe = async (path: string) => {
      const response = await fetch(url.replace('/graphql', path));
      return { status: response.status, body: await response.json() };
    };
    expect(await probe('/healthz')).toEqual({ status: 200, body: { status: 'ok' } });
    expect(await probe('/readyz')).toEqual({ status: 200, body: { ready: true, checks: { database: 'ok' } } });
    databaseUp = false;
    expect(await probe('/healthz')).toMatchObject({ status: 200 });
    expect(await probe('/readyz')).toEqual({
      status: 503,
      body: { ready: false, checks: { database: 'no connection' } },
    });
    databaseUp = true;
  });
});

describe('subscriptions over WebSocket', () => {
  const wsUrl = () => url.replace('http', 'ws');
  const client = (authorization: string | undefined, options = {}): Client =>
    createClient({
      url: wsUrl(),
      webSocketImpl: WebSocket,
      retryAttempts: 0,
      connectionParams: authorization ? { authorization } : {},
      ...options,
    });

  async function collect(one: Client, text: string): Promise<unknown[]> {
    const results: unknown[] = [];
    for await (const result of one.iterate({ query: text })) results.push(result);
    return results;
  }

  function closeCode(authorization: string | undefined, text = 'subscription { count(to: 0) }'): Promise<number> {
    return new Promise((done) => {
      const on = { closed: (event: unknown) => done((event as { code: number }).code) };
      client(authorization, { on }).subscribe(
        { query: text },
        { next: () => undefined, error: () => undefined, complete: () => undefined },
      );
    });
  }

  function upgradeStatus(headers: Record<string, string>, path = '/graphql'): Promise<number | undefined> {
    return new Promise((done) => {
      const socket = new WebSocket(wsUrl().replace('/graphql', path), 'graphql-transport-ws', { headers });
      socket.on('unexpected-response', (_, answer) => done(answer.statusCode));
      socket.on('open', () => {
        socket.close();
        done(101);
      });
      socket.on('error', () => undefined);
    });
  }

  it('stream, each event once and in order', async () => {
    const results = await collect(client('Bearer alice'), 'subscription { count(to: 50) }');
    expect(results).toEqual(Array.from({ length: 50 }, (_, index) => ({ data: { count: index + 1 } })));
  });

  it('are refused without a token', async () => {
    expect(await closeCode(undefined)).toBe(4401);
    expect(await closeCode('Bearer')).toBe(4401);
  });

  it('end when the token expires', async () => {
    const started = Date.now();
    expect(await closeCode('Bearer alice 300')).toBe(4403);
    expect(Date.now() - started).toBeLessThan(5_000);
  });

  it.each([
    ['queries', '{ whoami }', 'BAD_REQUEST'],
    ['mutations', 'mutation { change }', 'BAD_REQUEST'],
    ['what is no GraphQL', 'subscription {', 'GRAPHQL_PARSE_FAILED'],
    ['what the schema lacks', 'subscription { nothing }', 'GRAPHQL_VALIDATION_FAILED'],
    [
      'too many aliases',
      `subscription { count(to: 1) ...F } fragment F on Subscription { ${Array.from({ length: 16 }, (_, i) => `a${i}: __typename`).join(' ')} }`,
      'GRAPHQL_VALIDATION_FAILED',
    ],
    ['what fails inside, without saying how', 'subscription { leak }', 'INTERNAL_SERVER_ERROR'],
  ])('refuse %s', async (_, text, code) => {
    const answer = await collect(client('Bearer alice'), text).catch((reason: unknown) => reason);
    const [first] = answer as { errors?: unknown[] }[];
    expect(first?.errors?.[0] ?? first).toMatchObject({ extensions: { code } });
    expect(JSON.stringify(answer)).not.toContain('hunter2');
  });

  it('number 20 on a socket at most', async () => {
    const one = client('Bearer alice', { lazy: false });
    const endless = Array.from({ length: 20 }, () => {
      return one.subscribe(
        { query: 'subscription { count(to: 0) }' },
        { next: () => undefined, error: () => undefined, complete: () => undefined },
      );
    });
    const error = await collect(one, 'subscription { count(to: 1) }').catch((reason: unknown) => reason);
    expect(error).toMatchObject([{ extensions: { code: 'TOO_MANY_SUBSCRIPTIONS' } }]);
    for (const stop of endless) stop();
    await one.dispose();
  });

  it('come from our own pages, from allowed ones, and from programs', async () => {
    expect(await upgradeStatus({})).toBe(101);
    expect(await upgradeStatus({ origin: new URL(url).origin })).toBe(101);
    expect(await upgradeStatus({ origin: 'https://portal.test' })).toBe(101);
    expect(await upgradeStatus({ origin: 'https://evil.test' })).toBe(403);
    expect(await upgradeStatus({ origin: 'null' })).toBe(403);
    expect(await upgradeStatus({ host: 'evil.test' })).toBe(421);
    expect(await upgradeStatus({}, '/elsewhere')).toBe(404);
  });

  it('close on a message of more than 64 KB', async () => {
    const code = await new Promise((done) => {
      const socket = new WebSocket(wsUrl(), 'graphql-transport-ws');
      socket.on('open', () =>
        socket.send(JSON.stringify({ type: 'connection_init', payload: { padding: 'x'.repeat(70_000) } })),
      );
      socket.on('close', done);
    });
    expect(code).toBe(1009);
  });
});
