import { createServer } from 'node:https';
import { type AddressInfo, createServer as createPlainServer } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseNetworks } from '../../src/events/webhook-address.js';
import type { LookUp } from '../../src/events/webhook-lookup.js';
import { type PostLimits, post } from '../../src/events/webhook-post.js';

/** Of receiver.test, for a hundred years, good for nothing else; made by openssl req -x509 -newkey ec. */
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBojCCAUegAwIBAgIUJ9iBu/Uefuipx4ZnkxCKW2xsikowCgYIKoZIzj0EAwIw
GDEWMBQGA1UEAwwNcmVjZWl2ZXIudGVzdDAgFw0yNjExMjExNDMzMjJaGA8yMTI2
MTAyODE0MzMyMlowGDEWMBQGA1UEAwwNcmVjZWl2ZXIudGVzdDBZMBMGByqGSM49
AgEGCCqGSM49AwEHA0IABG5lxnd71iZt/ZVEAJnlwjFMkGg4zTk1+AzHYYI+tf8m
tBv6EbEHm+Po/SirvwQgHAsUj4CkGx3B9wk9Kiz/jGWjbTBrMB0GA1UdDgQWBBTI
bJX8ILfXQ/WG6U1DteocYeqZVjAfBgNVHSMEGDAWgBTIbJX8ILfXQ/WG6U1Dteoc
YeqZVjAPBgNVHRMBAf8EBTADAQH/MBgGA1UdEQQRMA+CDXJlY2VpdmVyLnRlc3Qw
CgYIKoZIzj0EAwIDSQAwRgIhAOoBt/kS8gl429dzFpaceSIN77sbwHtwlDy2QNxl
kiTOAiEAuBVmz1BdZdwFBLIQ4OALzw2yRU640KLKX3Bvu/Rfm9Y=
-----END CERTIFICATE-----`;
const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgx0HFVkv3LzqoJClC
wJ7igp3oTy0EyquBr6hnPebzK4uhRANCAARuZcZ3e9Ymbf2VRACZ5cIxTJBoOM05
NfgMx2GCPrX/JrQb+hGxB5vj6P0oq78EIBwLFI+ApBsdwfcJPSos/4xl
-----END PRIVATE KEY-----`;

let received = 0;
const server = createServer({ cert: CERTIFICATE, key: KEY }, (request, response) => {
  received += 1;
  request.resume();
  request.on('end', () => response.writeHead(204).end());
});
beforeAll(() => new Promise<void>((done) => server.listen(0, '127.0.0.1', done)));
afterAll(() => server.close());

/** Every name leads to the receiver. */
const lookUp = async () => [{ address: '127.0.0.1', family: 4 }];
const limits: PostLimits = { allowed: parseNetworks(['127.0.0.1']), timeoutMs: 5_000, lookUp };

async function send(host: string, more: Partial<PostLimits> = {}) {
  const { port } = server.address() as AddressInfo;
  return post({ url: `https://${host}:${port}/`, headers: {}, body: '{}' }, { ...limits, ...more });
}

test('a receiver is held to its certificate: of an issuer that is trusted, and of its own name', async () => {
  expect(await send('receiver.test')).toEqual({
    statusCode: null,
    error: 'DEPTH_ZERO_SELF_SIGNED_CERT',
    retryAfterMs: null,
  });
  expect(await send('other.test', { ca: CERTIFICATE })).toMatchObject({ error: 'ERR_TLS_CERT_ALTNAME_INVALID' });
  expect(received).toBe(0);
  expect(await send('receiver.test', { ca: CERTIFICATE })).toEqual({
    statusCode: 204,
    error: null,
    retryAfterMs: null,
  });
  expect(received).toBe(1);
});

test('nor does TLS make an address good that is not public', async () => {
  const outcome = await send('receiver.test', { ca: CERTIFICATE, allowed: [] });
  expect(outcome.error).toBe('The name leads to an address that is not public (loopback, the machine itself).');
  expect(received).toBe(1);
});

test('what was judged is what is connected to: a name that leads into the network when asked again leads nowhere', async () => {
  const { port } = server.address() as AddressInfo;
  let entered = 0;
  const inside = createPlainServer((socket) => {
    entered += 1;
    socket.destroy();
  });
  await new Promise<void>((done) => inside.listen(port, '127.0.0.2', done));
  const before = received;
  let asked = 0;
  // 127.0.0.1 alone may be reached.
  const rebinding: LookUp = async () => {
    asked += 1;
    return [{ address: asked === 1 ? '127.0.0.1' : '127.0.0.2', family: 4 }];
  };
  const outcomes = [];
  for (const _ of [1, 2]) outcomes.push(await send('receiver.test', { ca: CERTIFICATE, lookUp: rebinding }));
  inside.close();
  expect(outcomes.map(({ statusCode, error }) => statusCode ?? error)).toEqual([
    204,
    'The name leads to an address that is not public (loopback, the machine itself).',
  ]);
  expect([received - before, entered, asked]).toEqual([1, 0, 2]);
});
