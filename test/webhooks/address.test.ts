import { type AddressInfo, createServer } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  addressProblem,
  isJudgedByName,
  nameProblem,
  parseNetworks,
  urlProblem,
} from '../../src/events/webhook-address.js';
import type { LookUp } from '../../src/events/webhook-lookup.js';
import { type PostLimits, post } from '../../src/events/webhook-post.js';
import { receiverOfTest } from '../testkit/receiver.js';

const NONE = parseNetworks([]);
const LOOPBACK = parseNetworks(['127.0.0.0/8', '::1']);

describe('an address that is not public is refused', () => {
  test.each([
    ...[
      '127.0.0.1',
      '127.255.255.254',
      '0.0.0.0',
      '0.1.2.3',
      '10.0.0.1',
      '172.16.0.1',
      '172.31.255.255',
      '192.168.1.1',
    ],
    ...['169.254.169.254', '100.64.0.1', '100.127.255.255', '192.0.0.8', '192.0.2.1', '198.18.0.1', '198.51.100.1'],
    ...['203.0.113.1', '224.0.0.1', '239.255.255.255', '240.0.0.1', '255.255.255.255', '192.88.99.1'],
    ...['::', '::1', '::ffff:127.0.0.1', '::ffff:10.0.0.1', '::ffff:a9fe:a9fe', '::127.0.0.1', '::ffff:0:127.0.0.1'],
    ...['64:ff9b::127.0.0.1', '64:ff9b::a00:1', '64:ff9b:1::a00:1', '2002:7f00:1::', '2001::1', '2001:db8::1'],
    ...['fc00::1', 'fd12:3456::1', 'fe80::1', 'fec0::1', 'ff02::1', '100::1', '3fff::1', '5f00::1', '4000::1'],
    ...['no address', '', '1.2.3'],
  ])('%s', (address) => {
    expect(addressProblem(address, NONE)).toMatch(/^is not/);
    // In the words of whoever runs a network, not of a library.
    expect(addressProblem(address, NONE)).not.toMatch(/rfc\d|[a-z][A-Z]/);
  });

  test.each([
    ['64:ff9b::a00:1', 'is not public (NAT64, 64:ff9b::/96: an IPv4 address inside an IPv6 one)'],
    ['100.64.0.1', "is not public (a carrier's NAT, 100.64.0.0/10)"],
    ['fd12:3456::1', 'is not public (a private network, fc00::/7)'],
    ['169.254.169.254', 'is not public (link-local, where clouds keep their metadata)'],
    ['203.0.113.1', 'is not public (reserved)'],
  ])('%s: %s', (address, problem) => {
    expect(addressProblem(address, NONE)).toBe(problem);
  });

  test('whatever private IPv4 it is, and however IPv6 says it', () => {
    const octet = fc.integer({ min: 0, max: 255 });
    const privates = fc.oneof(
      fc.tuple(fc.constantFrom(0, 10, 127), octet, octet, octet),
      fc.tuple(fc.constant(172), fc.integer({ min: 16, max: 31 }), octet, octet),
      fc.tuple(fc.constant(192), fc.constant(168), octet, octet),
      fc.tuple(fc.constant(169), fc.constant(254), octet, octet),
      fc.tuple(fc.constant(100), fc.integer({ min: 64, max: 127 }), octet, octet),
      fc.tuple(fc.integer({ min: 224, max: 255 }), octet, octet, octet),
    );
    fc.assert(
      fc.property(privates, ([a, b, c, d]) => {
        const hex = [a * 256 + b, c * 256 + d].map((part) => part.toString(16)).join(':');
        for (const text of [`${a}.${b}.${c}.${d}`, `::ffff:${hex}`, `64:ff9b::${hex}`, `::${hex}`, `2002:${hex}::1`])
          expect(addressProblem(text, NONE), text).not.toBeNull();
      }),
      { numRuns: 300 },
    );
  });
});

test('a public address is taken, and one that the configuration allows', () => {
  for (const address of ['1.1.1.1', '8.8.8.8', '::ffff:1.1.1.1', '2606:4700::1111', '2a00:1450::1'])
    expect(addressProblem(address, NONE), address).toBeNull();
  expect(addressProblem('10.2.3.4', parseNetworks(['10.2.0.0/16']))).toBeNull();
  expect(addressProblem('::ffff:10.2.3.4', parseNetworks(['10.2.0.0/16']))).toBeNull();
  expect(addressProblem('10.3.3.4', parseNetworks(['10.2.0.0/16']))).not.toBeNull();
  expect(addressProblem('127.0.0.1', LOOPBACK, { plain: true })).toBeNull();
});

test('without TLS nothing but this machine is reached, and only where it is allowed', () => {
  expect(addressProblem('127.0.0.1', NONE, { plain: true })).not.toBeNull();
  expect(addressProblem('1.1.1.1', LOOPBACK, { plain: true })).not.toBeNull();
  expect(addressProblem('10.2.3.4', parseNetworks(['10.0.0.0/8']), { plain: true })).not.toBeNull();
});

test.each([
  ['http://crm.example/', 'must have the port 443'],
  ['http://127.0.0.1/', 'must have the port'],
  ['http://10.0.0.1:8080/', 'is not of this machine'],
  ['ftp://crm.example/', 'must be an https URL'],
  ['file:///etc/passwd', 'must be an https URL'],
  ['crm.example', 'must be an https URL'],
  ['https://ada:secret@crm.example/', 'user name or password'],
  ['https://crm.example/#part', 'fragment'],
  ['https://crm.example:22/', 'port'],
  ['https://127.0.0.1.:8443/', null],
  ['https://0x7f000001/', null],
  ['https://2130706433/', null],
  ['https://[::ffff:169.254.169.254]/', 'is not public'],
  ['https://[fd00::1]/', 'is not public'],
  [`https://crm.example/${'x'.repeat(2_048)}`, 'longer'],
])('the URL %s is refused', (url, why) => {
  expect(urlProblem(url, why === null ? NONE : LOOPBACK)).toMatch(why ?? 'is not public');
});

describe('a URL without TLS that names a host', () => {
  const leadingTo =
    (...addresses: string[]): LookUp =>
    async () =>
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
  const url = 'http://receiver.test:8080/';
  const problemOf = (lookUp: LookUp, allowed = LOOPBACK) => nameProblem(url, { allowed, lookUp });

  test('is taken where all that its name leads to is loopback that is allowed', async () => {
    expect(urlProblem(url, LOOPBACK)).toBeNull();
    expect(isJudgedByName(url, LOOPBACK)).toBe(true);
    expect(await problemOf(leadingTo('127.0.0.1', '::1'))).toBeNull();
  });

  test('is refused with why where it leads anywhere else, even if allowed with TLS, or nowhere', async () => {
    const why = expect.stringMatching(/^must be an https URL: without TLS nothing but this machine is reached/);
    expect(await problemOf(leadingTo('127.0.0.1', '1.1.1.1'))).toEqual(why);
    expect(await problemOf(leadingTo('10.2.3.4'), parseNetworks(['127.0.0.0/8', '10.0.0.0/8']))).toEqual(why);
    expect(await problemOf(leadingTo('::1'), parseNetworks(['127.0.0.0/8']))).toEqual(why);
    expect(await problemOf(leadingTo())).toEqual(why);
    expect(await problemOf(() => Promise.reject(new Error('ENOTFOUND')))).toEqual(why);
  });

  test('is refused, and its name not even looked up, where no loopback is allowed', () => {
    expect(urlProblem(url, NONE)).toMatch(/^must be an https URL: without TLS nothing but this machine/);
    expect(isJudgedByName(url, NONE)).toBe(false);
    expect(isJudgedByName('https://receiver.test:8080/', LOOPBACK)).toBe(false);
    expect(isJudgedByName('http://127.0.0.1:8080/', LOOPBACK)).toBe(false);
  });

  test('is judged anew at each delivery: what the name leads to by then is refused, or connected to', async () => {
    const { url: there, received } = await receiverOfTest();
    const named = there.replace('127.0.0.1', 'receiver.test');
    const send = (lookUp: LookUp) =>
      post({ url: named, headers: {}, body: '{"type":"Ping"}' }, { allowed: LOOPBACK, timeoutMs: 2_000, lookUp });
    expect(await send(leadingTo('127.0.0.1'))).toMatchObject({ statusCode: 204, error: null });
    // As a rebinding name server does: good when it was asked first, and another address from then on.
    for (const address of ['10.0.0.1', '169.254.169.254', '1.1.1.1']) {
      expect(await send(leadingTo(address))).toEqual({
        statusCode: null,
        error: 'The name leads to an address that is not of this machine, and without TLS nothing else is reached.',
        retryAfterMs: null,
      });
    }
    let asked = 0;
    const rebinding: LookUp = async () => {
      asked += 1;
      return [{ address: asked === 1 ? '127.0.0.1' : '10.0.0.1', family: 4 }];
    };
    expect(await send(rebinding)).toMatchObject({ statusCode: 204 });
    expect(asked).toBe(1);
    expect(received).toHaveLength(2);
  });
});

test('an https URL by name is taken, with a path and a query', () => {
  expect(urlProblem('https://crm.example/hooks?tenant=1', NONE)).toBeNull();
  expect(urlProblem('https://crm.example:8443/', NONE)).toBeNull();
});

describe('a connection', () => {
  const message = { headers: {}, body: '{"type":"Ping"}' };
  const leading =
    (...addresses: string[]): LookUp =>
    async () =>
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
  const limits = (lookUp: LookUp | undefined, allowed = NONE): PostLimits => ({
    ...{ allowed, timeoutMs: 2_000 },
    ...(lookUp ? { lookUp } : {}),
  });

  test('to a name that leads to a private address is not made, though another of its addresses is public', async () => {
    const outcome = await post({ ...message, url: 'https://crm.example/' }, limits(leading('1.1.1.1', '10.0.0.1')));
    expect(outcome).toEqual({
      statusCode: null,
      error: 'The name leads to an address that is not public (a private network).',
      retryAfterMs: null,
    });
  });

  test('to an address in the URL itself is judged too, though no name is resolved', async () => {
    const { url, received } = await receiverOfTest();
    expect(await post({ ...message, url }, limits(undefined))).toMatchObject({ statusCode: null });
    expect(received).toEqual([]);
    expect(await post({ ...message, url }, limits(undefined, LOOPBACK))).toMatchObject({
      statusCode: 204,
      error: null,
    });
  });

  test('follows no redirect', async () => {
    const [first, second] = [await receiverOfTest(), await receiverOfTest()];
    first.answer(() => (response) => response.writeHead(307, { location: second.url }).end());
    expect(await post({ ...message, url: first.url }, limits(undefined, LOOPBACK))).toMatchObject({
      statusCode: 307,
      error: expect.stringContaining('Redirects are not followed'),
    });
    expect(second.received).toEqual([]);
  });

  test('ends in time where the receiver is silent, or answers without end', async () => {
    const receiver = await receiverOfTest();
    receiver.answer(() => () => undefined);
    const began = Date.now();
    expect(await post({ ...message, url: receiver.url }, { allowed: LOOPBACK, timeoutMs: 300 })).toEqual({
      statusCode: null,
      error: 'No answer in time.',
      retryAfterMs: null,
    });
    const endless = Date.now();
    receiver.answer(() => (response) => {
      const more = setInterval(() => response.write('x'.repeat(8_192)), 5);
      response.on('close', () => clearInterval(more));
    });
    expect(await post({ ...message, url: receiver.url }, { allowed: LOOPBACK, timeoutMs: 8_000 })).toMatchObject({
      statusCode: 200,
    });
    expect(Date.now() - endless).toBeLessThan(6_000);
    receiver.answer(() => (response) => response.writeHead(200, { 'x-long': 'x'.repeat(20_000) }).end());
    expect(await post({ ...message, url: receiver.url }, { allowed: LOOPBACK, timeoutMs: 2_000 })).toMatchObject({
      statusCode: null,
      error: 'HPE_HEADER_OVERFLOW',
    });
    expect(Date.now() - began).toBeLessThan(10_000);
  });

  test.each([
    [
      'switches protocols',
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
      'HTTP 101',
    ],
    ['says no more than that it goes on', 'HTTP/1.1 100 Continue\r\n\r\n', 'No answer in time.'],
    ['breaks off in its answer', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc', null],
    ['speaks no HTTP', 'hello\r\n\r\n', 'HPE_INVALID_CONSTANT'],
  ])(
    'to a receiver that %s ends, whether it closes or not',
    async (_, answer, error) => {
      for (const closes of [false, true]) {
        const server = createServer((socket) => {
          socket.on('error', () => undefined);
          socket.once('data', () => (closes ? socket.end(answer) : socket.write(answer)));
        });
        await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
        const { port } = server.address() as AddressInfo;
        const url = `http://127.0.0.1:${port}/`;
        const ended = await Promise.race([
          post({ ...message, url }, { allowed: LOOPBACK, timeoutMs: 500 }),
          new Promise<'never'>((late) => setTimeout(() => late('never'), 5_000)),
        ]);
        server.close();
        const hangUp = error === 'No answer in time.' && closes ? 'ECONNRESET' : error;
        expect(ended).toMatchObject({ error: hangUp });
      }
    },
    20_000,
  );

  test('that fails is told without what the system says of the network', async () => {
    expect(await post({ ...message, url: 'http://127.0.0.1:9999/' }, { allowed: LOOPBACK, timeoutMs: 2_000 })).toEqual({
      statusCode: null,
      error: 'ECONNREFUSED',
      retryAfterMs: null,
    });
  });
});
