import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from 'graphql-ws';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import { databaseBusy } from '../src/governance/database-busy.js';
import { createTestDatabase } from './testkit/database.js';
import { issuerOfTest } from './testkit/issuer.js';
import { openPostgresProxy } from './testkit/postgres-proxy.js';
import { serverOfTest } from './testkit/server.js';

/** A server with three connections, all of which wait for a lock while something is asked of it. */
const issuer = await issuerOfTest('https://id.test');
const issuers = [
  { issuer: issuer.issuer, jwksUri: issuer.jwksUri, audience: 'meshgate', typ: 'at+jwt', adminGroups: ['admins'] },
];
const database = await createTestDatabase();
const { ownerUrl, serverUrl } = database;
const { graphql } = await serverOfTest({ issuers, databaseUrl: serverUrl, environment: { DATABASE_POOL_SIZE: '3' } });
/** Another server over the same, behind a door that can be cut. */
const door = await openPostgresProxy(Number(new URL(serverUrl).port));
const behind = await serverOfTest({ issuers, databaseUrl: door.through(serverUrl) });
/** And one whose statements end after a second and a half, in place of 20. */
const hurried = await serverOfTest({ issuers, databaseUrl: `${serverUrl}?statement_timeout=1500` });
const owner = new pg.Client({ connectionString: ownerUrl });

async function post(body: object, { path = '', accept = 'application/json', as = 'ada', at = graphql } = {}) {
  const response = await fetch(`${at}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept, authorization: await bearer(as) },
    body: JSON.stringify(body),
  });
  const { status, headers } = response;
  const { errors } = (await response.json()) as { errors?: { message: string; extensions: { code: string } }[] };
  return {
    status,
    retryAfter: headers.get('retry-after'),
    code: errors?.[0]?.extensions.code,
    text: JSON.stringify(errors),
  };
}
const bearer = async (sub: string) => `Bearer ${await issuer.token({ sub, groups: ['admins'] })}`;

const READ = { query: '{ domains(first: 1) { nodes { name } } }' };
const register = (name: string, account: string) => ({
  query: `mutation { registerDomain(input: { name: "${name}", displayName: "${name}", awsAccountId: "${account}", awsRegion: "eu-west-1",
    roleArn: "arn:aws:iam::${account}:role/meshgate", dataLocation: "s3://${name}-data/mesh", owners: ["ada"],
    idempotencyKey: "${name}" }) { __typename } }`,
});
const WRITE = register('one', '222233334444');
const countOf = async (name: string) => (await owner.query('SELECT FROM "Domain" WHERE "name" = $1', [name])).rowCount;
const PRODUCT = Buffer.from('DataProduct:00000000-0000-4000-8000-000000000000').toString('base64url');
const SUBSCRIBE = { query: `subscription { dataProductChanged(id: "${PRODUCT}") { type } }` };
const busy = { status: 503, retryAfter: '1', code: 'SERVICE_UNAVAILABLE' };

/** What comes first over a WebSocket: the answer to the subscription, or the code that the socket closes with. */
async function overSocket(as: string, at = graphql): Promise<unknown> {
  const authorization = await bearer(as);
  return new Promise((done) => {
    const socket = new WebSocket(at.replace('http', 'ws'), 'graphql-transport-ws');
    const send = (message: object) => socket.send(JSON.stringify(message));
    socket.on('open', () => send({ type: 'connection_init', payload: { authorization } }));
    socket.on('message', (data) => {
      const { type, payload } = JSON.parse(data.toString());
      if (type === 'connection_ack') return send({ id: '1', type: 'subscribe', payload: SUBSCRIBE });
      done((payload?.errors ?? payload)?.[0]?.extensions?.code ?? type);
      return socket.close();
    });
    socket.on('close', (code) => done(code));
  });
}

beforeAll(() => owner.connect());
afterAll(async () => {
  await owner.end();
  await door.close();
  await database.leave();
});

describe('while every connection to the database is taken', () => {
  test('reads, mutations and subscriptions are told so, and when to come again; afterwards they go through', async () => {
    expect((await post(READ)).status).toBe(200);
    await owner.query('BEGIN; LOCK TABLE "Domain" IN ACCESS EXCLUSIVE MODE');
    // Those who ask first, and the loops of the server itself, take the connections and wait in them.
    const held = Array.from({ length: 6 }, () => post(READ).catch(() => undefined));
    await new Promise((resolve) => setTimeout(resolve, 100));
    // Who was just seen gets as far as what he asks for; of others nobody can say who they are.
    for (const as of ['ada', 'bea']) {
      const stream = { path: '/stream', accept: 'text/event-stream', as };
      const [read, ...others] = await Promise.all([post(READ, { as }), post(WRITE, { as }), post(SUBSCRIBE, stream)]);
      expect([read, ...others]).toMatchObject([busy, busy, busy]);
      expect(read.text).toContain('no free connection');
    }
    expect(await overSocket('cem')).toBe(1013);
    await owner.query('ROLLBACK');
    await Promise.all(held);
    expect(await post(WRITE)).toMatchObject({ status: 200, retryAfter: null });
    expect(await overSocket('cem')).toBe('NOT_FOUND');
  }, 60_000);
});

describe('whose connection to the database is lost', () => {
  const at = { at: behind.graphql };

  test.each(['INSERT INTO "public"."Domain"', 'COMMIT'])(
    'in a mutation at %s, is told to come again, and then it is done once',
    async (statement) => {
      const name = statement === 'COMMIT' ? 'cut-at-commit' : 'cut-before';
      const write = register(name, statement === 'COMMIT' ? '333344445555' : '444455556666');
      // The server has seen the viewer: what is cut is the mutation's own transaction.
      expect((await post(READ, at)).status).toBe(200);
      const when = statement === 'COMMIT' ? 'after' : 'before';
      const isOfDomain = (sql: string) => sql.startsWith('INSERT INTO "public"."Domain"');
      const reached = door.hold({
        when,
        matches: ({ sql, transaction }) => sql.startsWith(statement) && [sql, ...transaction].some(isOfDomain),
      });
      const answer = post(write, at);
      (await reached).cut();
      expect(await answer).toMatchObject({ ...busy, text: expect.stringContaining('was lost') });
      expect(await post(write, at)).toMatchObject({ status: 200, retryAfter: null });
      expect(await countOf(name)).toBe(1);
    },
    60_000,
  );

  test('while nothing can be asked is told so', async () => {
    door.shut();
    expect(await post(READ, at)).toMatchObject(busy);
    expect(await post(register('shut', '555566667777'), at)).toMatchObject(busy);
    door.open();
    expect(await post(READ, at)).toMatchObject({ status: 200 });
    expect(await countOf('shut')).toBe(0);
  }, 60_000);
});

describe('a subscriber', () => {
  const at = hurried.graphql;
  async function whileLocked<Answer>(table: string, ask: () => Promise<Answer>): Promise<Answer> {
    await owner.query(`BEGIN; LOCK TABLE "${table}" IN ACCESS EXCLUSIVE MODE`);
    try {
      return await ask();
    } finally {
      await owner.query('ROLLBACK');
    }
  }
  const stream = (as: string, at = graphql) =>
    post(SUBSCRIBE, { path: '/stream', accept: 'text/event-stream', as, at });

  test('whose sign-in takes the database too long is told to come again', async () => {
    expect(await whileLocked('DomainMember', () => overSocket('dora', at))).toBe(1013);
    expect(await whileLocked('DomainMember', () => stream('emil', at))).toMatchObject(busy);
  }, 60_000);

  test('whose subscription takes the database too long to begin is told to come again', async () => {
    expect(await whileLocked('DataProduct', () => overSocket('ada', at))).toBe(1013);
    expect(await whileLocked('DataProduct', () => stream('ada', at))).toMatchObject(busy);
    // What he asks for in vain ends it, on both.
    expect(await overSocket('ada', at)).toBe('NOT_FOUND');
    expect(await stream('ada', at)).toMatchObject({ status: 400, code: 'NOT_FOUND' });
  }, 60_000);

  test('who resumes while the database is away is closed with 1013, and a client that tries again hears what he missed', async () => {
    const answer = await post(register('missed', '777788889999'));
    expect(answer.status).toBe(200);
    const numbered = async () => (await owner.query('SELECT FROM "Event"')).rowCount;
    await expect.poll(numbered, { timeout: 5_000 }).toBeGreaterThan(0);
    const closes: unknown[] = [];
    const client = createClient({
      url: behind.graphql.replace('http', 'ws'),
      webSocketImpl: WebSocket,
      connectionParams: { authorization: await bearer('ada') },
      retryAttempts: 50,
      retryWait: () => sleep(100),
      on: {
        // He is let in, and what he resumes from cannot be read.
        connected: () => void (closes.length === 0 && door.shut()),
        closed: (event) => {
          closes.push(event);
          door.open();
        },
      },
    });
    const query = 'subscription ($after: EventCursor) { meshEvents(after: $after) { sequence } }';
    const variables = { after: Buffer.from('event:0').toString('base64url') };
    const { value: first } = await client.iterate({ query, variables }).next();
    expect(first).toEqual({ data: { meshEvents: { sequence: '1' } } });
    expect(closes[0]).toMatchObject({ code: 1013, reason: expect.stringMatching(/^SERVICE_UNAVAILABLE: /) });
    await client.dispose();
  }, 60_000);

  test.each([
    ['nonsense', 'INVALID_CURSOR'],
    [Buffer.from('event:999999').toString('base64url'), 'INVALID_CURSOR'],
  ])(
    'whose cursor is %s hears by an error that he cannot go on, and not that there is no more',
    async (after, code) => {
      const client = createClient({
        url: graphql.replace('http', 'ws'),
        webSocketImpl: WebSocket,
        connectionParams: { authorization: await bearer('ada') },
      });
      const told: unknown[] = [];
      await new Promise<void>((done) => {
        client.subscribe(
          { query: 'subscription ($after: EventCursor) { meshEvents(after: $after) { type } }', variables: { after } },
          {
            next: (result) => told.push(['next', result]),
            error: (errors) => done(void told.push(['error', errors])),
            complete: () => done(void told.push(['complete'])),
          },
        );
      });
      expect(told).toMatchObject([['error', [{ path: ['meshEvents'], extensions: { code } }]]]);
      await client.dispose();
    },
  );
});

test('a database whose name nobody can resolve just now may be there at the next try', async () => {
  const failure = await new pg.Client({ host: 'database.invalid' }).connect().catch((error: unknown) => error);
  expect(databaseBusy(failure)).toContain('try again');
});

test('a mutation whose transaction takes too long changed nothing, and is told to come again', async () => {
  expect((await post(READ)).status).toBe(200);
  await owner.query('BEGIN; LOCK TABLE "Domain" IN ACCESS EXCLUSIVE MODE');
  const answer = post(register('late', '666677778888'));
  // Past the transaction's 15 s, and before the statement's 20 s.
  await new Promise((resolve) => setTimeout(resolve, 16_500));
  await owner.query('ROLLBACK');
  expect(await answer).toMatchObject({ ...busy, text: expect.stringContaining('nothing was changed') });
  expect(await countOf('late')).toBe(0);
  expect(await post(register('late', '666677778888'))).toMatchObject({ status: 200, retryAfter: null });
}, 60_000);
