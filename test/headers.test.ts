import { createHash } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { describe, expect, it } from 'vitest';
import { startFront } from './testkit/front.js';

const front = await startFront();
const behindTls = await startFront({ config: { publicUrl: 'https://mesh.example/graphql', allowedOrigins: [] } });

const whoami = (url: string, headers: Record<string, string> = {}) =>
  fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer alice', ...headers },
    body: '{"query":"{ whoami }"}',
  });

/** With a Host header of our choice, which fetch does not let us set. */
function statusFor(url: string, headers: Record<string, string>): Promise<number | undefined> {
  return new Promise((done) => {
    httpRequest(url, { headers }, (answer) => {
      answer.resume();
      done(answer.statusCode);
    }).end();
  });
}

describe('every answer', () => {
  const root = new URL('/', front.url);
  it.each<[string, () => Promise<Response>, number]>([
    ['of the API', () => whoami(front.url), 200],
    ['to a stranger', () => whoami(front.url, { authorization: '' }), 401],
    [
      'to a malformed body',
      () => fetch(front.url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{' }),
      400,
    ],
    ['of health', () => fetch(new URL('/healthz', root)), 200],
    ['where there is nothing', () => fetch(new URL('/nothing', root)), 404],
    ['of a stream', () => whoami(`${front.url}/stream`), 406],
    ['of GraphiQL', () => fetch(front.url, { headers: { accept: 'text/html' } }), 200],
  ])(
    '%s carries the headers that keep browsers careful, no cookie, and no name of the server',
    async (_, ask, status) => {
      const { headers, status: answered } = await ask();
      expect(answered).toBe(status);
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('referrer-policy')).toBe('no-referrer');
      expect(headers.get('x-frame-options')).toBe('DENY');
      expect(headers.get('content-security-policy')).toMatch(/default-src 'none'.*frame-ancestors 'none'/);
      expect(headers.get('content-security-policy')).not.toMatch(/script-src[^;]*'unsafe-/);
      expect(headers.get('cache-control')).toMatch(/^no-(store|cache)$/);
      for (const name of ['set-cookie', 'server', 'x-powered-by', 'strict-transport-security']) {
        expect(headers.get(name), name).toBeNull();
      }
    },
  );

  it('tells browsers to stay with https where clients come by https', async () => {
    const { headers } = await whoami(behindTls.url);
    expect(headers.get('strict-transport-security')).toMatch(/^max-age=31536000/);
  });

  it('of GraphiQL names its scripts by their hashes, and these alone may run', async () => {
    const response = await fetch(front.url, { headers: { accept: 'text/html' } });
    const policy = response.headers.get('content-security-policy') ?? '';
    const html = await response.text();
    const scripts = html.match(/<script>[\s\S]*?<\/script>/g) ?? [];
    expect(scripts).toHaveLength(2);
    for (const script of scripts) {
      const text = script.slice('<script>'.length, -'</script>'.length);
      expect(policy).toContain(`'sha256-${createHash('sha256').update(text).digest('base64')}'`);
    }
    expect(policy.match(/sha256-/g)).toHaveLength(2);
  });
});

describe('pages of other origins', () => {
  const preflight = (url: string, origin: string) =>
    fetch(url, {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,content-type',
      },
    });

  it('may use the API where they are allowed, without credentials', async () => {
    const asked = await preflight(front.url, 'https://portal.test');
    expect(asked.status).toBe(204);
    expect(asked.headers.get('access-control-allow-origin')).toBe('https://portal.test');
    expect(asked.headers.get('access-control-allow-headers')).toContain('authorization');
    expect(asked.headers.get('access-control-allow-methods')).toBe('GET, POST');
    expect(asked.headers.get('access-control-allow-credentials')).toBeNull();
    const answer = await whoami(front.url, { origin: 'https://portal.test' });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('access-control-allow-origin')).toBe('https://portal.test');
    expect(answer.headers.get('vary')).toContain('Origin');
  });

  it.each(['https://evil.test', 'http://portal.test', 'https://portal.test.evil.test', 'null'])(
    'may not where they are %s, and nothing is answered to them',
    async (origin) => {
      expect((await preflight(front.url, origin)).headers.get('access-control-allow-origin')).toBeNull();
      front.ran.resolvers = 0;
      const answer = await whoami(front.url, { origin });
      expect(answer.status).toBe(403);
      expect(answer.headers.get('access-control-allow-origin')).toBeNull();
      expect(await answer.json()).toMatchObject({ errors: [{ extensions: { code: 'FORBIDDEN_ORIGIN' } }] });
      expect(front.ran.resolvers).toBe(0);
    },
  );

  it('may not where nobody is allowed, and our own may', async () => {
    expect(
      (await preflight(behindTls.url, 'https://portal.test')).headers.get('access-control-allow-origin'),
    ).toBeNull();
    expect((await whoami(behindTls.url, { origin: 'https://portal.test' })).status).toBe(403);
    expect((await whoami(behindTls.url, { origin: new URL(behindTls.url).origin })).status).toBe(200);
    expect((await whoami(behindTls.url, { origin: 'https://mesh.example' })).status).toBe(200);
  });
});

it('a server on loopback answers to its own names and to its public one, and to no other', async () => {
  const health = (url: string) => url.replace('graphql', 'healthz');
  expect(await statusFor(health(front.url), { host: 'evil.test' })).toBe(421);
  expect(await statusFor(health(front.url), { host: 'mesh.example' })).toBe(421);
  expect(await statusFor(health(behindTls.url), { host: 'mesh.example' })).toBe(200);
  expect(await statusFor(health(behindTls.url), { host: 'evil.test' })).toBe(421);
});
