import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createClient, payload, until } from '../../src/demo/client.js';
import { appendAll } from '../../src/events/append.js';
import { decodeCursor, encodeCursor } from '../../src/events/cursor.js';
import { graphql } from '../../src/generated/graphql/gql.js';
import { globalId } from '../../src/governance/global-id.js';
import { type Database, openDatabase } from '../../src/server/database.js';
import { createDomain, headOf, someEvent } from '../events/log.js';
import { createTestDatabase } from '../testkit/database.js';
import { type MeshProcess, processMeshOfTest } from '../testkit/process-mesh.js';
import { openSocket, type RawSocket } from '../testkit/socket.js';
import { range, together } from './market.js';
import { atScale } from './scale.js';

const urls = await createTestDatabase({ madeUp: true });
const mesh = await processMeshOfTest({ accounts: [], database: urls });
const database = openDatabase(urls.serverUrl, { poolSize: 6 });
const owner = openDatabase(urls.ownerUrl, { poolSize: 2 });
const log = { ...database, owner } as Database & { owner: Database };
let apis: [MeshProcess, MeshProcess];
let domain: string;

beforeAll(async () => {
  apis = [await mesh.api(), await mesh.api()];
  await Promise.all(apis.map((api) => api.start()));
  domain = await createDomain(log as never, 'sales');
});
afterAll(async () => {
  await Promise.all([database.close(), owner.close()]);
  await urls.leave();
});

const EVENTS = 'subscription ($after: EventCursor) { meshEvents(after: $after) { sequence type data } }';
const url = (api: MeshProcess): string => `${api.url()}/graphql`;
const head = (): Promise<number> => headOf(log as never);

async function write(count: number, change: Parameters<typeof someEvent>[0] = {}): Promise<void> {
  await appendAll(
    database.prisma,
    range(count).map(() => someEvent(change)),
  );
}

const tokens = new Map<string, Promise<string>>();
const tokenOf = (subject: string): Promise<string> => {
  const token = tokens.get(subject) ?? mesh.tokenOf(subject);
  tokens.set(subject, token);
  return token;
};

interface Heard {
  sequence: number;
  type: string;
}

const eventsOf = ({ heard }: RawSocket): Heard[] =>
  heard.flatMap(({ type, payload: told }) => {
    const event = (told as { data?: { meshEvents?: { sequence: string; type: string } } } | undefined)?.data
      ?.meshEvents;
    return type === 'next' && event ? [{ sequence: Number(event.sequence), type: event.type }] : [];
  });

/** The same, and they are forgotten. */
function take(socket: RawSocket): Heard[] {
  const events = eventsOf(socket);
  socket.heard.length = 0;
  return events;
}

/** Signs in and subscribes; undefined where the server is gone, or tells to come again. */
async function follow(api: MeshProcess, subject: string, after: number | null): Promise<RawSocket | undefined> {
  const socket = openSocket(url(api), await tokenOf(subject));
  if ((await socket.outcome) !== 'acknowledged') return undefined;
  socket.subscribe(EVENTS, { after: after === null ? null : encodeCursor(BigInt(after)) });
  return socket;
}

test('clients that come back at once with their cursors, while one writes and a server dies, get each event once', {
  timeout: 600_000,
}, async () => {
  const clients = atScale({ quick: 200, soak: 10_000 });
  const past = atScale({ quick: 400, soak: 1_000 });
  const looksEvery = atScale({ quick: 25, soak: 250 });
  const before = await head();
  await write(past);
  await until('the past is numbered', async () => ((await head()) >= before + past ? true : undefined));
  const last = before + past + 60;
  let dead: MeshProcess | undefined;
  let following = 0;
  let interrupted = 0;

  async function readToTheEnd(n: number): Promise<number> {
    let cursor = before + (n % past);
    for (let turn = n; cursor < last; turn += 1) {
      const api = apis[turn % 2]!;
      if (api === dead) continue;
      const socket = await follow(api, `reader-${n % 100}`, cursor);
      if (!socket) {
        await sleep(20 + (n % 50));
        continue;
      }
      let over = false;
      void socket.closed.then(() => {
        over = true;
      });
      if (api === apis[0]) following += 1;
      for (let ended = false; !ended && cursor < last; ) {
        await sleep(looksEvery);
        ended = over;
        for (const { sequence } of take(socket)) {
          if (sequence !== cursor + 1) throw new Error(`${sequence} came after ${cursor}`);
          cursor = sequence;
        }
      }
      if (over) interrupted += 1;
      socket.end();
    }
    return cursor;
  }

  const reading = Promise.all(range(clients).map(readToTheEnd));
  for (const n of range(20)) {
    await write(2);
    await sleep(25);
    if (n === 10) {
      await until('clients follow the server that dies', async () => (following > 0 ? true : undefined));
      dead = apis[0];
      await apis[0].kill();
    }
  }
  await write(20);
  expect(new Set(await reading)).toEqual(new Set([last]));
  expect(interrupted).toBeGreaterThan(0);
  await apis[0].start();
});

test('a thousand may knock at once on a server that is busy for the moment', async () => {
  const { hostname, port } = new URL(url(apis[0]));
  apis[0].signal('SIGSTOP');
  const sockets = range(1_000).map(() => connect(Number(port), hostname));
  try {
    await Promise.all(sockets.map((socket) => once(socket, 'connect', { signal: AbortSignal.timeout(10_000) })));
  } finally {
    apis[0].signal('SIGCONT');
    for (const socket of sockets) socket.destroy();
  }
});

const Remove = graphql(`
  mutation StreamFaultsRemove($input: RemoveDomainMemberInput!) {
    removeDomainMember(input: $input) { __typename ... on UserError { code message } }
  }
`);

test('who is removed in the middle of a stream hears nothing that comes after his removal', {
  timeout: 600_000,
}, async () => {
  const rounds = atScale({ quick: 3, soak: 50 });
  const admin = createClient(url(apis[1]), await tokenOf('admin'));
  const secret = { audience: { public: false, domains: [domain], subjects: [] }, domainId: domain };
  let heard = 0;
  for (const round of range(rounds)) {
    const subjects = range(20).map((n) => `leaving-${round}-${n}`);
    await mesh.query(
      `INSERT INTO "DomainMember" ("id", "domainId", "subject", "role", "createdBy")
       SELECT gen_random_uuid(), $1, unnest($2::text[]), 'MEMBER', 'test'`,
      [domain, [...subjects, `staying-${round}`]],
    );
    const from = await head();
    const staying = (await follow(apis[0], `staying-${round}`, from))!;
    const leaving = await Promise.all(subjects.map(async (subject) => (await follow(apis[0], subject, from))!));
    let removing = true;
    const writing = (async () => {
      while (removing) await write(3, secret);
    })();
    await together(subjects, async (subject) => {
      await sleep(Math.random() * 30);
      payload((await admin(Remove, { input: { domain: globalId('Domain', domain), subject } })).removeDomainMember);
    });
    removing = false;
    await writing;
    await write(1, secret);
    const end = await until('all is numbered', async () => {
      const [row] = await mesh.query<{ pending: boolean }>('SELECT EXISTS (SELECT FROM "EventPending") AS "pending"');
      return row?.pending ? undefined : head();
    });
    expect(await Promise.all(leaving.map(({ closed }) => closed))).toEqual(subjects.map(() => 4403));
    await until('who stays hears all', async () =>
      (eventsOf(staying).at(-1)?.sequence ?? 0) >= end ? true : undefined,
    );
    expect(eventsOf(staying).map(({ sequence }) => sequence)).toEqual(range(end - from).map((n) => from + 1 + n));
    const removals = await mesh.query<{ seq: string; data: unknown }>(
      `SELECT "seq", "data" FROM "Event" WHERE "type" = 'DomainUpdated' AND "seq" > $1`,
      [from],
    );
    for (const [n, socket] of leaving.entries()) {
      const removal = removals.find(({ data }) => JSON.stringify(data).includes(`"${subjects[n]}"`));
      const sequences = eventsOf(socket).map(({ sequence }) => sequence);
      expect(sequences.filter((sequence) => sequence > Number(removal!.seq))).toEqual([]);
      heard += sequences.length;
      socket.end();
    }
    staying.end();
  }
  expect(heard).toBeGreaterThan(0);
});

test('who never reads is closed with the place to go on from, and nobody else notices', {
  timeout: 120_000,
}, async () => {
  const before = await head();
  const [slow, quick] = [(await follow(apis[0], 'slow', before))!, (await follow(apis[0], 'quick', before))!];
  await write(1);
  await until('both hear', async () => (eventsOf(slow).length > 0 && eventsOf(quick).length > 0 ? true : undefined));
  slow.pause();
  const large = { data: { text: 'x'.repeat(8_000) } };
  const count = 3_000;
  for (const _ of range(count / 100)) await write(100, large);
  await until('the other hears all', async () => (eventsOf(quick).length === count + 1 ? true : undefined), 60_000);
  slow.resume();
  expect(await slow.closed).toBe(4410);
  const heard = eventsOf(slow).map(({ sequence }) => sequence);
  expect(heard.length).toBeLessThan(count);
  expect(heard).toEqual(range(heard.length).map((n) => before + 1 + n));
  const cursor = /^SLOW_SUBSCRIBER (\S+)$/.exec(slow.reason())?.[1] ?? '';
  expect(Number(decodeCursor(cursor))).toBe(heard.at(-1));
  const again = (await follow(apis[1], 'slow', heard.at(-1)!))!;
  await until(
    'he has the rest',
    async () => (eventsOf(again).at(-1)?.sequence === before + 1 + count ? true : undefined),
    60_000,
  );
  expect(eventsOf(again)[0]?.sequence).toBe(heard.at(-1)! + 1);
  for (const socket of [quick, again]) socket.end();
});
