import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type Execute, payload, until } from '../src/demo/client.js';
import { runTour } from '../src/demo/tour.js';
import { append } from '../src/events/append.js';
import { SYSTEM_ACTOR } from '../src/events/types.js';
import { graphql } from '../src/generated/graphql/gql.js';
import { globalId } from '../src/governance/global-id.js';
import { openDatabase } from '../src/server/database.js';
import { type MainJob, mainJob, reader } from './testkit/access.js';
import { type EventStream, openEventStream } from './testkit/event-stream.js';
import { productOfTest } from './testkit/product.js';
import { openSocket } from './testkit/socket.js';
import { openSseStream } from './testkit/sse-stream.js';
import { subscribeTo } from './testkit/subscribe.js';

const product = await productOfTest();
let database: pg.Client;
let admin: Execute;
let job: MainJob;
const streams: EventStream[] = [];

beforeAll(async () => {
  database = new pg.Client({ connectionString: product.databaseUrl });
  await database.connect();
  admin = await product.as('ada.admin');
  job = mainJob({ requester: await product.as('oskar.lind'), decider: await product.as('tomasz.nowak') });
  // The demo's own grant goes on after its approval.
  await until('the demo is at rest', async () =>
    (await events()).some(({ type }) => type === 'AccessGranted') ? true : undefined,
  );
});
afterAll(async () => {
  for (const stream of streams) stream.drop();
  await database.end();
});

interface StoredEvent {
  seq: string;
  type: string;
  audiencePublic: boolean;
  audienceDomains: string[];
  audienceSubjects: string[];
}

/** The log as it is stored. */
async function events(): Promise<StoredEvent[]> {
  const { rows } = await database.query<StoredEvent>(
    'SELECT "seq"::text, "type", "audiencePublic", "audienceDomains", "audienceSubjects" FROM "Event" ORDER BY "Event"."seq"',
  );
  return rows;
}

async function streamOf(subject: string, options: { after: string | null; ttlSeconds?: number }): Promise<EventStream> {
  const token = await product.tokenOf(subject, options.ttlSeconds);
  const stream = openEventStream({ graphql: product.graphql, token, after: options.after });
  streams.push(stream);
  return stream;
}

const LastEvents = graphql(`
  query SubscriptionsLog($after: EventCursor) {
    events(first: 100, after: $after) { nodes { cursor } pageInfo { hasNextPage endCursor } }
  }
`);

async function lastCursor(): Promise<string> {
  for (let after: string | null = null; ; ) {
    const { nodes, pageInfo }: { nodes: { cursor: string }[]; pageInfo: { hasNextPage: boolean } } = (
      await admin(LastEvents, { after })
    ).events;
    after = nodes.at(-1)?.cursor ?? after;
    if (!pageInfo.hasNextPage && after) return after;
  }
}

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, n) => String(from + n));

async function tour(): Promise<boolean> {
  const tokens = {
    adminToken: await product.tokenOf('ada.admin'),
    requesterToken: await product.tokenOf('oskar.lind'),
    deciderToken: await product.tokenOf('tomasz.nowak'),
  };
  return runTour({ graphql: product.graphql, sandbox: product.sandbox, ...tokens }, () => undefined);
}

test('an admin whose socket drops at any moment of a tour receives every event once, in order, without a gap', async () => {
  const before = (await events()).length;
  const stream = await streamOf('ada.admin', { after: await lastCursor() });
  let touring = true;
  const tours = Promise.all([tour(), tour(), job.grant({ principals: [reader('meanwhile')] })]).finally(() => {
    touring = false;
  });
  let drops = 0;
  while (touring) {
    await sleep(Math.random() * 60);
    stream.dropAndResume();
    drops += 1;
  }
  expect((await tours).slice(0, 2)).toEqual([true, true]);
  const last = (await events()).length;
  expect(last).toBeGreaterThanOrEqual(before + 11);
  await stream.heardUpTo(last);
  expect(stream.heard.map(({ sequence }) => sequence)).toEqual(numbers(before + 1, last));
  expect(drops).toBeGreaterThan(5);
});

test('a stream from the beginning replays the whole log, then goes on live', async () => {
  const stream = await streamOf('ada.admin', { after: await firstCursor() });
  const stored = (await events()).length;
  await stream.heardUpTo(stored);
  await job.request({ principals: [reader('live')] });
  await stream.heardUpTo(stored + 1);
  expect(stream.heard.map(({ sequence }) => sequence)).toEqual(numbers(2, stored + 1));
});

test('a member receives what is public or meant for his domains or himself, and nothing else', async () => {
  const { rows } = await database.query<{ subject: string; domainId: string }>(
    'SELECT "subject", "domainId" FROM "DomainMember"',
  );
  const people = ['oskar.lind', 'nina.sommer', 'otto.outsider'];
  const from = await firstCursor();
  const listening = await Promise.all(people.map((subject) => streamOf(subject, { after: from })));
  const grant = await job.grant({ principals: [reader('seen-by-some')] });
  await job.revoke(grant);
  await job.reached(grant, 'REVOKED');
  await updateOrders();
  const stored = (await events()).slice(1);
  for (const [index, stream] of listening.entries()) {
    const subject = people[index] ?? '';
    const own = rows.filter((row) => row.subject === subject).map(({ domainId }) => domainId);
    const visible = stored.filter(
      (event) =>
        event.audiencePublic ||
        event.audienceDomains.some((id) => own.includes(id)) ||
        event.audienceSubjects.includes(subject),
    );
    await stream.heardUpTo(Number(visible.at(-1)?.seq));
    expect(
      stream.heard.map(({ sequence }) => sequence),
      subject,
    ).toEqual(visible.map(({ seq }) => seq));
    const kinds = new Set(stream.heard.map(({ type }) => type));
    expect(kinds.has('DATA_PRODUCT_READY'), subject).toBe(true);
    expect(kinds.has('DATA_PRODUCT_REGISTERED'), subject).toBe(subject !== 'otto.outsider');
    expect(kinds.has('ACCESS_GRANTED'), subject).toBe(subject === 'oskar.lind');
  }
});

const OrdersId = graphql(`
  query SubscriptionsOrders {
    dataProduct(by: { path: "commerce/orders" }) { id }
    domain(by: { name: "logistics" }) { id }
  }
`);
const Update = graphql(`
  mutation SubscriptionsUpdate($input: UpdateDataProductInput!) {
    updateDataProduct(input: $input) { __typename ... on UserError { code message } }
  }
`);
const Remove = graphql(`
  mutation SubscriptionsRemove($input: RemoveDomainMemberInput!) {
    removeDomainMember(input: $input) { __typename ... on UserError { code message } }
  }
`);
const Add = graphql(`
  mutation SubscriptionsAdd($input: AddDomainMemberInput!) {
    addDomainMember(input: $input) { __typename ... on UserError { code message } }
  }
`);

/** An event that everybody hears. */
async function updateOrders(): Promise<void> {
  const { dataProduct } = await admin(OrdersId);
  const told = async () => (await events()).filter(({ type }) => type === 'DataProductUpdated').length;
  const before = await told();
  const input = { dataProduct: dataProduct?.id ?? '', tags: ['orders', `update-${before}`] };
  payload((await admin(Update, { input })).updateDataProduct);
  await until('the update is in the log', async () => ((await told()) > before ? true : undefined));
}

async function firstCursor(): Promise<string> {
  const { events } = await admin(LastEvents, { after: null });
  return events.nodes[0]?.cursor ?? '';
}

test('what is no cursor is called the same by a page of events and by a stream of them', async () => {
  const token = await product.tokenOf('oskar.lind');
  const asked = (path: string, accept: string, query: string) =>
    fetch(`${product.graphql}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept, authorization: `Bearer ${token}` },
      body: JSON.stringify({ query }),
    }).then((response) => response.text());
  const page = await asked('', 'application/json', '{ events(first: 1, after: "nonsense") { nodes { id } } }');
  const stream = await asked('/stream', 'text/event-stream', 'subscription { meshEvents(after: "nonsense") { id } }');
  for (const answer of [page, stream]) expect(answer).toContain('"code":"INVALID_CURSOR"');
});

const WhatIMay =
  'subscription { meshEvents(filter: { types: [ACCESS_REQUESTED] }) { subject { ... on AccessRequest { viewerCanCancel } } } }';

test('what each sees in his own way is not shared, though both are of one class', async () => {
  const { rows } = await database.query<{ domainId: string; role: string }>(
    `SELECT "domainId", "role"::text FROM "DomainMember" WHERE "subject" = 'oskar.lind'`,
  );
  for (const { domainId, role } of rows) {
    const input = { domain: globalId('Domain', domainId), subject: 'otto.twin', role: role as 'MEMBER' };
    payload((await admin(Add, { input })).addDomainMember);
  }
  const sockets = await Promise.all(
    ['oskar.lind', 'otto.twin'].map(async (subject) => openSocket(product.graphql, await product.tokenOf(subject))),
  );
  for (const socket of sockets) {
    expect(await socket.outcome).toBe('acknowledged');
    socket.subscribe(WhatIMay);
  }
  await sleep(300);
  await job.request({ principals: [reader('whose')] });
  const told = sockets.map(async ({ heard }) =>
    until('he hears of the request', async () => (heard[0] ? JSON.stringify(heard[0].payload) : undefined)),
  );
  expect(await Promise.all(told)).toEqual([
    '{"data":{"meshEvents":{"subject":{"viewerCanCancel":true}}}}',
    '{"data":{"meshEvents":{"subject":{"viewerCanCancel":false}}}}',
  ]);
  for (const socket of sockets) socket.end();
});

test('the stream of a member who is removed closes; he hears nothing more of the domain, and again once he is back', async () => {
  const { domain } = await admin(OrdersId);
  const member = { domain: domain?.id ?? '', subject: 'elif.kaya' };
  const stream = await streamOf('elif.kaya', { after: await lastCursor() });
  const heardRequest = () => stream.heard.filter(({ type }) => type === 'ACCESS_REQUESTED').length;

  await job.request({ principals: [reader('as-a-member')] });
  await stream.hear(({ type }) => type === 'ACCESS_REQUESTED');

  const events = openSseStream({ graphql: product.graphql, token: await product.tokenOf('elif.kaya'), after: null });
  await sleep(500);
  const removed = Date.now();
  payload((await admin(Remove, { input: member })).removeDomainMember);
  expect(await stream.closed()).toMatchObject({ code: 4403, reason: 'Removed from a domain' });
  await events.ended();
  expect(events.errors).toEqual(['Removed from a domain']);
  expect(Date.now() - removed).toBeLessThan(5_000);
  stream.dropAndResume();
  const before = stream.heard.length;
  await job.request({ principals: [reader('after-the-removal')] });
  // Events come in order: who hears this one has been passed over before.
  await updateOrders();
  await stream.hear((event, index) => index >= before && event.type === 'DATA_PRODUCT_UPDATED');
  expect(heardRequest()).toBe(1);

  payload((await admin(Add, { input: { ...member, role: 'MEMBER' } })).addDomainMember);
  await job.request({ principals: [reader('back-again')] });
  await stream.hear(() => heardRequest() === 2);
});

test('a socket closes when its token expires, and takes no other with it', async () => {
  const other = await streamOf('oskar.lind', { after: null });
  const began = Date.now();
  const stream = await streamOf('oskar.lind', { after: null, ttlSeconds: 2 });
  expect(await stream.closed()).toMatchObject({ code: 4403, reason: 'Token expired' });
  const lived = Date.now() - began;
  expect(lived).toBeGreaterThan(500);
  expect(lived).toBeLessThan(2_000 + 5_000);
  await job.request({ principals: [reader('after-the-expiry')] });
  await other.hear(({ type }) => type === 'ACCESS_REQUESTED');
});

test('an admin whose server-sent events break off at any moment receives every event once, by Last-Event-ID', async () => {
  const before = (await events()).length;
  const token = await product.tokenOf('ada.admin');
  const stream = openSseStream({ graphql: product.graphql, token, after: await lastCursor() });
  let touring = true;
  const toured = tour().finally(() => {
    touring = false;
  });
  while (touring) {
    await sleep(Math.random() * 100);
    stream.dropAndResume();
  }
  expect(await toured).toBe(true);
  const last = (await events()).length;
  await stream.heardUpTo(last);
  stream.drop();
  expect(stream.heard.slice(0, last - before).map(({ sequence }) => sequence)).toEqual(numbers(before + 1, last));
});

test('the rights of all subscribers are read once for what is read of the log at a time, and not for each event', async () => {
  const heard = await Promise.all(
    Array.from({ length: 25 }, async (_, n) => {
      const token = await product.tokenOf(`subscriber-${n}`);
      return subscribeTo<{ meshEvents: { sequence: string } }>(
        { ...product, token },
        'subscription { meshEvents(filter: { types: [DOMAIN_UPDATED] }) { sequence } }',
      );
    }),
  );
  const { rows } = await database.query<{ id: string; name: string }>('SELECT "id", "name" FROM "Domain" LIMIT 1');
  const { id, name } = rows[0]!;
  const writer = openDatabase(product.databaseUrl, { poolSize: 1 });
  /** So many events that may change who may see what, in one transaction: they are numbered, and read, together. */
  const tell = (count: number) =>
    writer.prisma.$transaction(async (tx) => {
      for (let n = 0; n < count; n += 1) {
        await append(tx, {
          ...{ type: 'DomainUpdated', subject: { type: 'Domain', id: globalId('Domain', id), name, domain: name } },
          ...{
            subjectId: id,
            domainId: id,
            audience: { public: true, domains: [], subjects: [] },
            actor: SYSTEM_ACTOR,
          },
          ...{ correlationId: 'rights', data: { changed: ['description'], before: {}, after: {} } },
        });
      }
    });
  // Until all are live: who subscribes hears what comes from then on.
  await until('all hear', async () => {
    await tell(1);
    return heard.every((one) => one.heard.length > 0) ? true : undefined;
  });
  const settled = heard.map((one) => one.heard.length);
  const query = vi.spyOn(pg.Pool.prototype, 'query');
  await tell(60);
  await Promise.all(heard.map((one, n) => one.hears((events) => events.length >= (settled[n] ?? 0) + 60)));
  const looks = query.mock.calls.flatMap(([asked]) => {
    const { name: statement, values } = asked as unknown as { name?: string; values?: string[][] };
    return statement === 'standing' ? [values?.[0]?.length ?? 0] : [];
  });
  query.mockRestore();
  // What came before may still have been under way, and the sixty read in two parts; each alone would have been sixty.
  expect(looks.length).toBeLessThanOrEqual(3);
  expect(Math.max(...looks)).toBeGreaterThanOrEqual(heard.length);
  for (const one of heard) one.stop();
  await writer.close();
});
