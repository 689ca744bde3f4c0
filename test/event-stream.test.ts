import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from 'graphql-sse';
import { describe, expect, it } from 'vitest';
import { startFront } from './testkit/front.js';

const front = await startFront();
const url = `${front.url}/stream`;

interface Opening {
  query: string;
  variables?: unknown;
  token?: string;
  method?: 'GET' | 'POST';
  headers?: Record<string, string>;
}

function open({ query, variables, token = 'alice', method = 'POST', headers = {} }: Opening): Promise<Response> {
  const sent = { accept: 'text/event-stream', ...(token ? { authorization: `Bearer ${token}` } : {}), ...headers };
  if (method === 'GET') {
    const search = new URLSearchParams({ query, ...(variables ? { variables: JSON.stringify(variables) } : {}) });
    return fetch(`${url}?${search}`, { headers: sent });
  }
  const body = JSON.stringify({ query, variables });
  return fetch(url, { method, headers: { 'content-type': 'application/json', ...sent }, body });
}

const codeOf = async (response: Response): Promise<string> => {
  const { errors } = (await response.json()) as { errors: { extensions: { code: string } }[] };
  return errors[0]?.extensions.code ?? '';
};
const counted = (from: number, to: number): string =>
  Array.from(
    { length: to - from + 1 },
    (_, n) => `id: c${from + n}\nevent: next\ndata: {"data":{"count":${from + n}}}\n\n`,
  ).join('');
const complete = 'event: complete\ndata:\n\n';

describe('subscriptions over server-sent events', () => {
  it.each(['POST', 'GET'] as const)('stream by %s, each event once with its cursor, and complete', async (method) => {
    const query = 'subscription ($to: Int) { count(to: $to) }';
    const response = await open({ query, variables: { to: 5 }, method });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(await response.text()).toBe(`:\n\n${counted(1, 5)}${complete}`);
  });

  it('are understood by the client of graphql-sse', async () => {
    const client = createClient({ url, headers: { authorization: 'Bearer alice' }, retryAttempts: 0 });
    const results: unknown[] = [];
    for await (const result of client.iterate({ query: 'subscription { count(to: 50) }' })) results.push(result);
    expect(results).toEqual(Array.from({ length: 50 }, (_, index) => ({ data: { count: index + 1 } })));
    client.dispose();
  });

  it('go on after the event that Last-Event-ID names', async () => {
    const response = await open({ query: 'subscription { count(to: 5) }', headers: { 'last-event-id': 'c3' } });
    expect(await response.text()).toBe(`:\n\n${counted(4, 5)}${complete}`);
  });

  it.each<[string, Partial<Opening>, number, string]>([
    ['strangers', { token: '' }, 401, 'UNAUTHENTICATED'],
    ['queries', { query: '{ whoami }' }, 400, 'BAD_REQUEST'],
    ['queries by GET', { query: '{ whoami }', method: 'GET' }, 400, 'BAD_REQUEST'],
    ['mutations', { query: 'mutation { change }' }, 400, 'BAD_REQUEST'],
    ['mutations by GET', { query: 'mutation { change }', method: 'GET' }, 400, 'BAD_REQUEST'],
    ['what is no GraphQL', { query: 'subscription {' }, 400, 'GRAPHQL_PARSE_FAILED'],
    ['what the schema lacks', { query: 'subscription { nothing }' }, 400, 'GRAPHQL_VALIDATION_FAILED'],
    ['variables that are no object', { variables: [1] }, 400, 'BAD_REQUEST'],
    ['a form', { headers: { 'content-type': 'application/x-www-form-urlencoded' } }, 415, 'BAD_REQUEST'],
    ['plain text', { headers: { 'content-type': 'text/plain' } }, 415, 'BAD_REQUEST'],
    ['who cannot read a stream', { headers: { accept: 'application/json' } }, 406, 'BAD_REQUEST'],
    ['pages of other origins', { headers: { origin: 'https://evil.test' } }, 403, 'FORBIDDEN_ORIGIN'],
    ['what fails inside, without saying how', { query: 'subscription { leak }' }, 500, 'INTERNAL_SERVER_ERROR'],
  ])('refuse %s', async (_, opening, status, code) => {
    const response = await open({ query: 'subscription { count(to: 1) }', ...opening });
    expect(response.status).toBe(status);
    const text = await response.clone().text();
    expect(text).not.toContain('hunter2');
    expect(await codeOf(response)).toBe(code);
  });

  it.each(['PUT', 'DELETE'])('have no %s: each is a request of its own', async (method) => {
    expect((await fetch(url, { method, headers: { authorization: 'Bearer alice' } })).status).toBe(404);
  });

  it('end when the token expires, and say so without completing', async () => {
    const started = Date.now();
    const text = await (await open({ query: 'subscription { count(to: 0) }', token: 'alice 300' })).text();
    expect(text).toContain('"code":"UNAUTHENTICATED"');
    expect(text).not.toContain('event: complete');
    expect(Date.now() - started).toBeGreaterThan(250);
    expect(Date.now() - started).toBeLessThan(5_000);
  });

  it('end when the viewer is removed, and those of others go on', async () => {
    const ends = async (token: string) => (await open({ query: 'subscription { count(to: 0) }', token })).text();
    const [removed, other] = [ends('mallory'), ends('bob 1500')];
    await expect.poll(() => front.streams.size).toBe(2);
    const started = Date.now();
    front.remove('mallory');
    expect(await removed).toContain('Removed from a domain');
    expect(Date.now() - started).toBeLessThan(5_000);
    expect(front.streams.size).toBe(1);
    await other;
  });

  it('leave nothing behind of clients who go while they are signed in', async () => {
    const slow = await startFront({ signInMs: 200 });
    const { host, port } = new URL(slow.url);
    const body = JSON.stringify({ query: 'subscription { count(to: 0) }' });
    const headers = { accept: 'text/event-stream', 'content-type': 'application/json', authorization: 'Bearer alice' };
    const head = Object.entries({ host, 'content-length': body.length, ...headers });
    const sent = `POST /graphql/stream HTTP/1.1\r\n${head.map(([name, value]) => `${name}: ${value}`).join('\r\n')}`;
    const sockets = Array.from({ length: 10 }, () => {
      const socket = connect(Number(port), '127.0.0.1');
      socket.on('error', () => undefined);
      socket.write(`${sent}\r\n\r\n${body}`);
      return socket;
    });
    const [stays, ...go] = sockets;
    await sleep(100);
    for (const socket of go) socket.destroy();
    await once(stays!, 'data');
    await expect.poll(() => [slow.sessions, slow.streams.size]).toEqual([1, 1]);
    stays?.destroy();
    await expect.poll(() => [slow.sessions, slow.streams.size]).toEqual([0, 0]);
  });

  it('stop reading the source when the client goes', async () => {
    const before = front.streams.size;
    const leaving = new AbortController();
    await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream', authorization: 'Bearer alice' },
      body: JSON.stringify({ query: 'subscription { count(to: 0) }' }),
      signal: leaving.signal,
    });
    expect(front.streams.size).toBe(before + 1);
    leaving.abort();
    await expect.poll(() => front.streams.size).toBe(before);
  });

  it('wait for a client that does not read, and cut him off at the end of his token', async () => {
    const { hostname, port } = new URL(url);
    const client = connect(Number(port), hostname);
    client.on('error', () => undefined);
    client.pause();
    const body = JSON.stringify({ query: 'subscription { large }' });
    client.write(
      `POST /graphql/stream HTTP/1.1\r\nhost: ${hostname}\r\naccept: text/event-stream\r\ncontent-type: application/json\r\nauthorization: Bearer slow 1500\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    await expect.poll(() => front.streams.size).toBe(1);
    const settled = async (): Promise<number> => {
      for (let before = -1; before !== front.ran.resolvers; ) {
        before = front.ran.resolvers;
        await new Promise((done) => setTimeout(done, 200));
      }
      return front.ran.resolvers;
    };
    // What the sockets of both sides hold, and no more: 100 KB each.
    expect(await settled()).toBeLessThan(200);
    await expect.poll(() => front.streams.size, { timeout: 1_500 + 5_000 }).toBe(0);
    client.destroy();
  });
});
