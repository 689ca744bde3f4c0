import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createClient, type Execute, payload, until } from '../../src/demo/client.js';
import { graphql } from '../../src/generated/graphql/gql.js';
import { type MeshProcess, processMeshOfTest } from '../testkit/process-mesh.js';
import { followByApollo } from './apollo.js';
import { followByCurl } from './curl.js';
import { codeOf, type Follower, type Target } from './follow.js';
import { followByGraphqlSse } from './graphql-sse.js';
import { followByGraphqlWs } from './graphql-ws.js';
import { followByUrql } from './urql.js';

const Register = graphql(`
  mutation ClientsRegister($input: RegisterDomainInput!) {
    registerDomain(input: $input) {
      __typename
      ... on RegisterDomainPayload { domain { id } }
      ... on UserError { code message }
    }
  }
`);
const Rename = graphql(`
  mutation ClientsRename($input: UpdateDomainInput!) {
    updateDomain(input: $input) { __typename ... on UserError { code message } }
  }
`);

const ACCOUNT = '222233334444';
const mesh = await processMeshOfTest({ accounts: [ACCOUNT] });
/** The one that is killed and started again, on its own port; and another process over the same log, which stays. */
let mortal: MeshProcess;
let other: MeshProcess;
let token: string;
let admin: Execute;
let domain: string;
/** Where a balancer sends new connections. */
let balanced: () => string;

beforeAll(async () => {
  mortal = await mesh.api({ environment: { PORT: String(await freePort()) } });
  other = await mesh.api();
  await Promise.all([mortal.start(), other.start()]);
  balanced = mortal.url;
  token = await mesh.tokenOf('admin');
  admin = createClient(`${other.url()}/graphql`, token);
  const { registerDomain } = await admin(Register, {
    input: {
      ...{ name: 'commerce', displayName: 'Commerce', awsAccountId: ACCOUNT, awsRegion: 'eu-west-1', owners: ['anna'] },
      ...{ roleArn: `arn:aws:iam::${ACCOUNT}:role/meshgate`, dataLocation: 's3://commerce/data' },
    },
  });
  const registered = payload(registerDomain);
  domain = ('domain' in registered && registered.domain?.id) || '';
}, 120_000);

const followers: Follower[] = [];
afterAll(() => Promise.all(followers.map((one) => one.stop())));

function freePort(): Promise<number> {
  return new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => done(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

let written = 0;
/** Changes the mesh so many times. */
async function write(count: number): Promise<void> {
  for (let n = 0; n < count; n += 1) {
    written += 1;
    payload((await admin(Rename, { input: { domain, displayName: `Commerce ${written}` } })).updateDomain);
  }
}

/** Every number of the log. */
async function numbers(): Promise<string[]> {
  const settled = async () => {
    const [row] = await mesh.query<{ waiting: number }>('SELECT count(*)::int AS waiting FROM "EventPending"');
    return row?.waiting === 0 ? true : undefined;
  };
  await until('all events are numbered', settled);
  return (await mesh.query<{ seq: string }>('SELECT "seq"::text FROM "Event" ORDER BY "Event"."seq"')).map(
    ({ seq }) => seq,
  );
}

const BEGINNING = Buffer.from('event:0').toString('base64url');
const CLIENTS: Record<string, (target: Target, from: string) => Follower> = {
  'Apollo Client': followByApollo,
  urql: followByUrql,
  'graphql-ws': followByGraphqlWs,
  'graphql-sse': followByGraphqlSse,
  'curl -N': followByCurl,
};

const cursorOf = (sequence: string) => Buffer.from(`event:${sequence}`).toString('base64url');

/** The code of the error that ends a client's first connection behind a cursor, and what it had heard by then. */
async function endOf(open: (target: Target, from: string) => Follower, from: string) {
  const follower = open({ url: () => `${other.url()}/graphql`, token }, from);
  await expect.poll(() => follower.failures.length, { timeout: 10_000 }).toBeGreaterThan(0);
  await follower.stop();
  return { code: codeOf(follower.failures[0]), heard: follower.heard };
}

test.each(Object.entries(CLIENTS))('%s is told that a cursor is none to go on from', async (_, open) => {
  expect(await endOf(open, cursorOf('999999'))).toEqual({ code: 'INVALID_CURSOR', heard: [] });
});

test('Apollo Client, urql, graphql-ws, graphql-sse and curl hear every event once, in order, over a kill, a restart and a move to another process', async () => {
  const target: Target = { url: () => `${balanced()}/graphql`, token };
  for (const open of Object.values(CLIENTS)) followers.push(open(target, BEGINNING));
  const allHear = async (last: string | undefined) => {
    const behind = () => followers.filter(({ heard }) => Number(heard.at(-1)?.sequence ?? 0) < Number(last));
    await until('every client has heard everything', async () => (behind().length === 0 ? true : undefined), 30_000);
  };
  await write(5);
  await allHear((await numbers()).at(-1));

  // Killed in the midst of things, and back on the same port.
  const writing = write(20);
  await sleep(100);
  await mortal.kill();
  await write(5);
  await mortal.start();
  await writing;
  await write(5);
  await allHear((await numbers()).at(-1));

  // Killed again, and new connections come to the other process.
  const going = write(20);
  balanced = other.url;
  await mortal.kill();
  await going;
  await write(5);
  const all = await numbers();
  await allHear(all.at(-1));

  expect(all.length).toBeGreaterThanOrEqual(61);
  for (const [index, name] of Object.keys(CLIENTS).entries()) {
    const { heard, reconnects } = followers[index] as Follower;
    expect(
      heard.map(({ sequence }) => sequence),
      name,
    ).toEqual(all);
    expect(reconnects, name).toBeGreaterThanOrEqual(2);
  }
}, 120_000);

test.each(Object.entries(CLIENTS))(
  '%s is told to resync where what follows its cursor is no longer stored',
  async (_, open) => {
    // Stands for an archived partition.
    await mesh.query('ALTER TABLE "Event" DISABLE TRIGGER USER');
    await mesh.query('DELETE FROM "Event" WHERE "seq" <= 10');
    expect(await endOf(open, BEGINNING)).toEqual({ code: 'RESYNC_REQUIRED', heard: [] });
  },
);

test('each of them is told to resync in mid-stream where events are lost, and hears nothing behind the gap', async () => {
  const from = (await numbers()).at(-1) ?? '';
  const following = Object.values(CLIENTS).map((open) =>
    open({ url: () => `${other.url()}/graphql`, token }, cursorOf(from)),
  );
  followers.push(...following);
  await write(1);
  const last = (await numbers()).at(-1);
  await until('all are live', async () =>
    following.every(({ heard }) => heard.at(-1)?.sequence === last) ? true : undefined,
  );
  // The next number is never given.
  await mesh.query('UPDATE "EventHead" SET "seq" = "seq" + 1');
  await write(1);
  await until('all are told', async () => (following.every(({ failures }) => failures.length > 0) ? true : undefined));
  await Promise.all(following.map((one) => one.stop()));
  for (const [index, name] of Object.keys(CLIENTS).entries()) {
    const { heard, failures } = following[index] as Follower;
    expect(codeOf(failures[0]), name).toBe('RESYNC_REQUIRED');
    expect({ name, heard: heard.at(-1)?.sequence }).toEqual({ name, heard: last });
  }
});
