import type { GraphQLError } from 'graphql';
import { createClient } from 'graphql-ws';
import { describe, expect, it, vi } from 'vitest';
import WebSocket from 'ws';
import { createAuthenticate, type Identity } from '../src/server/authenticate.js';
import { unauthenticated } from '../src/server/error.js';
import type { OwnTokens } from '../src/server/own-token.js';
import { callerOf, createAdmission, createAllowance, pointsOf } from '../src/server/rates.js';
import { createSignIn } from '../src/server/sign-in.js';
import { startFront } from './testkit/front.js';
import { issuerOfTest } from './testkit/issuer.js';
import { serverOfTest } from './testkit/server.js';
import { openSocket } from './testkit/socket.js';

const issuer = await issuerOfTest('https://issuer.test');
/** Gives an address one point a second and ten beyond that; each test comes from an address of its own. */
const { graphql } = await serverOfTest({
  issuers: [{ issuer: issuer.issuer, jwksUri: issuer.jwksUri, audience: 'meshgate', typ: 'at+jwt' }],
  environment: { MESHGATE_ADDRESS_RATE: '1', MESHGATE_TRUSTED_PROXIES: '127.0.0.1' },
});

const admitted = async (attempts: number, admit: () => Promise<void>): Promise<number> => {
  const outcomes = await Promise.allSettled(Array.from({ length: attempts }, admit));
  return outcomes.filter(({ status }) => status === 'fulfilled').length;
};

describe('the allowance of a viewer', () => {
  it('is a hundred a second, and a thousand beyond that within a minute', async () => {
    vi.useFakeTimers();
    try {
      const { admit } = createAllowance();
      expect(await admitted(1_500, () => admit('alice'))).toBe(1_100);
      for (let second = 0; second < 5; second += 1) {
        vi.advanceTimersByTime(1_000);
        expect(await admitted(500, () => admit('alice'))).toBe(100);
      }
      expect(await admitted(500, () => admit('bob'))).toBe(500);
      vi.advanceTimersByTime(60_000);
      expect(await admitted(1_500, () => admit('alice'))).toBe(1_100);
    } finally {
      vi.useRealTimers();
    }
  });

  it('counts an answer of 10,000 objects like ten requests', () => {
    expect([0, 1, 1_000, 1_001, 2_001, 10_000].map((nodes) => 1 + pointsOf(nodes))).toEqual([1, 1, 1, 2, 3, 10]);
  });

  it.each([
    ['10.1.2.3', '10.1.2.3'],
    ['::ffff:10.1.2.3', '::ffff:10.1.2.3'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8:1:2::9', '2001:db8:1:2'],
    ['2001:db8::9', '2001:db8:0:0'],
    ['::1', '0:0:0:0'],
    [null, 'unknown'],
  ])('counts the address %s as %s', (address, caller) => {
    expect(callerOf(address)).toBe(caller);
  });
});

describe('more requests than are allowed', () => {
  const small = { perSecond: 1, burst: 4 };

  const ask = (url: string, query: string, accept = 'application/json') =>
    fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: 'Bearer alice', accept },
      body: JSON.stringify({ query }),
    });
  const refusals = async (answers: Response[]): Promise<Response[]> => answers.filter(({ status }) => status === 429);

  it('get 429 over HTTP, with the time to wait', async () => {
    const { url } = await startFront({ rate: small });
    const refused = await refusals(await Promise.all(Array.from({ length: 12 }, () => ask(url, '{ whoami }'))));
    expect(refused.length).toBeGreaterThanOrEqual(5);
    for (const answer of refused) {
      expect(answer.headers.get('retry-after')).toBe('1');
      expect(await answer.json()).toMatchObject({ errors: [{ extensions: { code: 'RATE_LIMITED' } }] });
    }
  });

  it('are fewer where each may be answered by many objects', async () => {
    const { url, ran } = await startFront({ rate: { perSecond: 1, burst: 20 } });
    const costly = '{ item { items(first: 100) { nodes { items(first: 90) { nodes { name } } } } } }';
    const answers = await Promise.all(Array.from({ length: 5 }, () => ask(url, costly)));
    expect((await refusals(answers)).length).toBeGreaterThanOrEqual(3);
    expect(ran.resolvers).toBeLessThanOrEqual(2);
  });

  it('get 429 as server-sent events', async () => {
    const { url } = await startFront({ rate: small });
    const subscription = 'subscription { count(to: 1) }';
    const opening = Array.from({ length: 8 }, () => ask(`${url}/stream`, subscription, 'text/event-stream'));
    const refused = await refusals(await Promise.all(opening));
    expect(refused.length).toBeGreaterThanOrEqual(4);
    expect(refused[0]?.headers.get('retry-after')).toBe('1');
  });

  it('are refused on a WebSocket, and sockets with them', async () => {
    const { url } = await startFront({ rate: small });
    const connect = () =>
      createClient({
        url: url.replace('http', 'ws'),
        webSocketImpl: WebSocket,
        retryAttempts: 0,
        connectionParams: { authorization: 'Bearer alice' },
      });
    const client = connect();
    const outcome = (one: typeof client) =>
      new Promise<unknown>((done) => {
        one.subscribe(
          { query: 'subscription { count(to: 1) }' },
          { next: () => done('ok'), error: done, complete: () => done('ok') },
        );
      });
    const outcomes = await Promise.all(Array.from({ length: 10 }, () => outcome(client)));
    const refused = outcomes.filter((one) => one !== 'ok');
    expect(refused.length).toBeGreaterThanOrEqual(3);
    expect(refused[0]).toMatchObject([{ extensions: { code: 'RATE_LIMITED' } }]);
    const next = await Promise.all(Array.from({ length: 4 }, () => outcome(connect())));
    expect(next.filter((one) => (one as { code?: number }).code === 1013).length).toBeGreaterThanOrEqual(1);
    await client.dispose();
  });
});

describe('failures to sign in', () => {
  const identity = { subject: 'alice' } as Identity;
  const lookedUp: string[] = [];
  const revoked = new Set<string>();
  const ownTokens: Pick<OwnTokens, 'identify'> = {
    identify: async (token) => {
      lookedUp.push(token);
      if (token.startsWith('mgpat_good') && !revoked.has(token)) return identity;
      throw unauthenticated('The token is not valid here.');
    },
  };
  const authenticate = createAuthenticate({ issuers: [] }, { ownTokens });
  const addressOf = ({ peer }: { peer: string | null }) => peer;
  const { addresses } = createAdmission(1_000);
  const signIn = createSignIn({ authenticate, addressOf, addresses, rate: { perSecond: 1, burst: 4 } });
  const ask = (token: string, peer = '10.0.0.1'): Promise<string> =>
    signIn({ authorization: `Bearer ${token}`, peer, forwardedFor: undefined }).then(
      ({ subject }) => subject,
      (error: GraphQLError) => String(error.extensions.code),
    );

  it('cost nothing more once the address has used up its allowance, and lock out nobody who was in', async () => {
    expect(await ask('mgpat_good1')).toBe('alice');
    for (let n = 0; n < 30; n += 1) await ask(`mgpat_bad${n}`);
    const before = lookedUp.length;
    expect(before).toBeLessThan(15);
    const refused = await Promise.all(Array.from({ length: 50 }, (_, n) => ask(`mgpat_worse${n}`)));
    expect(refused.filter((code) => code === 'RATE_LIMITED').length).toBeGreaterThan(45);
    expect(lookedUp.length - before).toBeLessThan(5);
    expect(await ask('mgpat_good1')).toBe('alice');
    expect(await ask('mgpat_good2', '10.0.0.2')).toBe('alice');
  });

  it('count as a stranger’s with a token that was good once', async () => {
    const peer = '10.0.0.4';
    expect(await ask('mgpat_good4', peer)).toBe('alice');
    revoked.add('mgpat_good4');
    for (let n = 0; n < 30; n += 1) await ask('mgpat_good4', peer);
    const before = lookedUp.length;
    for (let n = 0; n < 20; n += 1) await ask('mgpat_good4', peer);
    expect(lookedUp.length - before).toBeLessThan(5);
  });

  it('lock out whoever was in before the latest ten thousand', async () => {
    const peer = '10.0.0.5';
    for (let n = 0; n <= 10_000; n += 1) await ask(`mgpat_good_${n}_`, peer);
    for (let n = 0; n < 30; n += 1) await ask(`mgpat_bad${n}`, peer);
    expect(await ask('mgpat_good_0_', peer)).toBe('RATE_LIMITED');
    expect(await ask('mgpat_good_10000_', peer)).toBe('alice');
  });

  it('are not even looked at from an address that has spent what it may cost, whoever spent it', async () => {
    const spent = createAdmission(1).addresses;
    const signInThere = createSignIn({ authenticate, addressOf, addresses: spent });
    const asked = { authorization: 'Bearer mgpat_good3', peer: '10.0.0.3', forwardedFor: undefined };
    expect((await signInThere(asked)).subject).toBe('alice');
    await admitted(30, () => spent.admit('10.0.0.3'));
    const before = lookedUp.length;
    for (const token of ['mgpat_bad', 'mgpat_good3'])
      await expect(signInThere({ ...asked, authorization: `Bearer ${token}` })).rejects.toThrow('from your address');
    expect(lookedUp.length).toBe(before);
  });

  it('take a tenth at most of what their address may cost, so that others there are let in', async () => {
    vi.useFakeTimers();
    try {
      const allowance = createAdmission(1_000).addresses;
      const failing = createSignIn({ authenticate, addressOf, addresses: allowance });
      const stranger = { authorization: 'Bearer mgpat_bad', peer: '10.0.0.1', forwardedFor: undefined };
      const outcomes = await Promise.allSettled(Array.from({ length: 3_000 }, () => failing(stranger)));
      expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true);
      expect(await admitted(12_000, () => allowance.admit('10.0.0.1'))).toBe(11_000 - 1_100);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe('what all who share an address may cost', () => {
  it('is ten times what a viewer may, on all transports together; what he asks beyond his own takes nothing of it', async () => {
    vi.useFakeTimers();
    try {
      const { admitRequest, admitStream } = createAdmission(1_000);
      const asked = (subject: string, attempts: number, address = '10.0.0.1') =>
        admitted(attempts, () => admitRequest({ subject, address }));
      expect(await asked('alice', 5_000)).toBe(1_100);
      for (let other = 0; other < 9; other += 1) expect(await asked(`viewer-${other}`, 1_100)).toBe(1_100);
      expect(await asked('late', 10)).toBe(0);
      expect(await admitted(10, () => admitStream({ subject: 'late', address: '10.0.0.1' }))).toBe(0);
      expect(await asked('late', 10, '10.0.0.2')).toBe(10);
      vi.advanceTimersByTime(1_000);
      expect(await asked('later', 1_100)).toBe(1_000);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe('more than an address may cost', () => {
  const tokenOf = (n: number) => issuer.token({ sub: `viewer-${n}` });
  /** One viewer each. */
  const viewers = (count: number) => Promise.all(Array.from({ length: count }, (_, n) => tokenOf(n)));
  const VIEWER = '{ viewer { subject } }';
  const EVENTS = 'subscription { meshEvents { type } }';

  interface Asking {
    token: string;
    query?: string;
    path?: string;
    accept?: string;
    signal?: AbortSignal;
  }
  const askFrom = (address: string, { token, query = VIEWER, path = '', accept = '*/*', signal }: Asking) =>
    fetch(`${graphql}${path}`, {
      method: 'POST',
      headers: {
        ...{ 'content-type': 'application/json', authorization: `Bearer ${token}`, accept },
        'x-forwarded-for': address,
      },
      body: JSON.stringify({ query }),
      ...(signal ? { signal } : {}),
    });
  const refusedOf = async (answers: Response[]): Promise<number> => {
    const refused = answers.filter(({ status }) => status === 429);
    for (const answer of refused) {
      expect(answer.headers.get('retry-after')).toBe('1');
      expect(await answer.json()).toMatchObject({ errors: [{ extensions: { code: 'RATE_LIMITED' } }] });
    }
    return refused.length;
  };

  it('gets 429 over HTTP whoever asks, and nobody elsewhere notices', async () => {
    const tokens = await viewers(40);
    const answers = await Promise.all(tokens.map((token) => askFrom('203.0.113.1', { token })));
    expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThanOrEqual(11);
    expect(await refusedOf(answers)).toBeGreaterThanOrEqual(15);
    expect((await askFrom('203.0.113.2', { token: await tokenOf(0) })).status).toBe(200);
  });

  it('is counted by cost, as for viewers', async () => {
    const [one = '', other = ''] = await viewers(2);
    const query = '{ dataProducts(first: 90) { nodes { accessRequests(first: 100) { nodes { id } } } } }';
    expect((await askFrom('203.0.113.3', { token: one, query })).status).toBe(200);
    expect(await refusedOf([await askFrom('203.0.113.3', { token: other, query })])).toBe(1);
    for (let cheap = 0; cheap < 5; cheap += 1)
      expect((await askFrom('203.0.113.4', { token: other })).status).toBe(200);
  });

  it('gets 429 as server-sent events', async () => {
    const leaving = new AbortController();
    const asking = { query: EVENTS, path: '/stream', accept: 'text/event-stream', signal: leaving.signal };
    const [first = '', ...tokens] = await viewers(26);
    expect((await askFrom('203.0.113.5', { token: first, ...asking })).status).toBe(200);
    const answers = await Promise.all(tokens.map((token) => askFrom('203.0.113.5', { token, ...asking })));
    expect(await refusedOf(answers)).toBeGreaterThanOrEqual(10);
    leaving.abort();
  });

  it('is refused on a WebSocket, subscriptions by an error and sockets by a close', async () => {
    const headers = { 'x-forwarded-for': '203.0.113.6' };
    const tokens = await viewers(10);
    const sockets = tokens.map((token) => openSocket(graphql, token, headers));
    expect(new Set(await Promise.all(sockets.map(({ outcome }) => outcome)))).toEqual(new Set(['acknowledged']));
    for (const socket of sockets) socket.subscribe(EVENTS);
    const refused = () => JSON.stringify(sockets.flatMap(({ heard }) => heard)).split('"RATE_LIMITED"').length - 1;
    await expect.poll(refused, { timeout: 5_000 }).toBeGreaterThanOrEqual(2);
    const more = tokens.map((token) => openSocket(graphql, token, headers));
    expect(await Promise.all(more.map(({ outcome }) => outcome))).toContain(1013);
    for (const socket of [...sockets, ...more]) socket.end();
  });

  it('is refused to who does not sign in at all', async () => {
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, n) => askFrom('203.0.113.7', { token: `made-up-${n}` })),
    );
    expect(answers.filter(({ status }) => status === 401).length).toBeGreaterThanOrEqual(11);
    expect(await refusedOf(answers)).toBeGreaterThanOrEqual(15);
  });
});

describe('sockets and streams that a viewer holds open', () => {
  const forever = 'subscription { count(to: 1000000) }';

  it('are so many at most, on both transports together, and others take the place of those that close', async () => {
    const { url } = await startFront({ most: 2 });
    const stream = (subject: string, signal?: AbortSignal) =>
      fetch(`${url}/stream`, {
        method: 'POST',
        headers: {
          ...{ 'content-type': 'application/json', accept: 'text/event-stream', authorization: `Bearer ${subject}` },
        },
        body: JSON.stringify({ query: forever }),
        ...(signal ? { signal } : {}),
      });
    const connect = () => openSocket(url, 'alice');
    const first = connect();
    expect(await first.outcome).toBe('acknowledged');
    const leaving = new AbortController();
    expect((await stream('alice', leaving.signal)).status).toBe(200);
    const refused = await stream('alice');
    expect(refused.status).toBe(429);
    expect(await refused.json()).toMatchObject({ errors: [{ extensions: { code: 'TOO_MANY_CONNECTIONS' } }] });
    expect(await connect().outcome).toBe(1013);
    expect((await stream('bob', leaving.signal)).status).toBe(200);
    leaving.abort();
    await expect.poll(() => connect().outcome, { timeout: 10_000 }).toBe('acknowledged');
    expect(await connect().outcome).toBe(1013);
  });
});
