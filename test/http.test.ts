import { request as httpRequest } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { serverAudits } from 'graphql-http';
import { type Client, createClient } from 'graphql-ws';
import { describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { startFront } from './testkit/front.js';

const { url, database } = await startFront();

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
    database.up = false;
    expect(await probe('/healthz')).toMatchObject({ status: 200 });
    await expect
      .poll(() => probe('/readyz'), { timeout: 5_000 })
      .toEqual({
        status: 503,
        body: { ready: false, checks: { database: 'failed' } },
      });
    database.up = true;
  });

  it('looks at most once a second whether it is ready, however often anybody asks', async () => {
    const before = database.asked;
    const began = performance.now();
    for (let round = 0; round < 10; round += 1) {
      await Promise.all(Array.from({ length: 10 }, () => fetch(url.replace('/graphql', '/readyz'))));
    }
    const seconds = (performance.now() - began) / 1_000;
    expect(database.asked - before).toBeLessThanOrEqual(1 + Math.ceil(seconds));
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
