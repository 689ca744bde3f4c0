import type { GraphQLError } from 'graphql';
import { createClient } from 'graphql-ws';
import { describe, expect, it, vi } from 'vitest';
import WebSocket from 'ws';
import { createAuthenticate, type Identity } from '../src/server/authenticate.js';
import { unauthenticated } from '../src/server/error.js';
import type { OwnTokens } from '../src/server/own-token.js';
import { callerOf, createRateLimit, pointsOf } from '../src/server/rates.js';
import { createSignIn } from '../src/server/sign-in.js';
import { startFront } from './testkit/front.js';
import { openSocket } from './testkit/socket.js';

const admitted = async (attempts: number, admit: () => Promise<void>): Promise<number> => {
  const outcomes = await Promise.allSettled(Array.from({ length: attempts }, admit));
  return outcomes.filter(({ status }) => status === 'fulfilled').length;
};

describe('the allowance of a viewer', () => {
  it('is a hundred a second, and a thousand beyond that within a minute', async () => {
    vi.useFakeTimers();
    try {
      const admit = createRateLimit();
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
    expect(next.filter((one) => (one as { code?: number }).code === 4403).length).toBeGreaterThanOrEqual(1);
    await client.dispose();
  });
});

describe('failures to sign in', () => {
  const identity = { subject: 'alice' } as Identity;
  const lookedUp: string[] = [];
  const ownTokens: Pick<OwnTokens, 'identify'> = {
    identify: async (token) => {
      lookedUp.push(token);
      if (token.startsWith('mgpat_good')) return identity;
      throw unauthenticated('The token is not valid here.');
    },
  };
  const signIn = createSignIn({
    authenticate: createAuthenticate({ issuers: [] }, { ownTokens }),
    addressOf: ({ peer }) => peer,
    rate: { perSecond: 1, burst: 4 },
  });
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
    expect(await connect().outcome).toBe(4403);
    expect((await stream('bob', leaving.signal)).status).toBe(200);
    leaving.abort();
    await expect.poll(() => connect().outcome, { timeout: 10_000 }).toBe('acknowledged');
    expect(await connect().outcome).toBe(4403);
  });
});
