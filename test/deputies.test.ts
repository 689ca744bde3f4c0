import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Execute, payload, until } from '../src/demo/client.js';
import { graphql } from '../src/generated/graphql/gql.js';
import { type Database, openDatabase } from '../src/server/database.js';
import { createViewers } from '../src/server/viewer.js';
import { type MainJob, mainJob, reader } from './testkit/access.js';
import { type EventStream, openEventStream } from './testkit/event-stream.js';
import { SIGNED_IN } from './testkit/execute.js';
import { productOfTest } from './testkit/product.js';

const product = await productOfTest();
/** A steward of logistics, and somebody who has no part in the mesh. */
const STEWARD = 'tomasz.nowak';
const DEPUTY = 'otto.outsider';
let steward: Execute;
let deputy: Execute;
let job: MainJob;
let logistics: string;
let database: Database;
const streams: EventStream[] = [];

const Domain = graphql(`
  query DeputiesDomain {
    domain(by: { name: "logistics" }) {
      id viewerCanNameDeputy
      deputies { id deputy standsInFor role inForce viewerCanEnd domain { name } }
    }
  }
`);
const Name = graphql(`
  mutation DeputiesName($input: NameDeputyInput!) {
    nameDeputy(input: $input) {
      __typename
      ... on NameDeputyPayload { deputy { id inForce role from until } }
      ... on UserError { code message }
    }
  }
`);
const End = graphql(`
  mutation DeputiesEnd($deputy: ID!) {
    endDeputy(input: { deputy: $deputy }) {
      __typename
      ... on EndDeputyPayload { deputy { inForce endedAt endedBy } }
      ... on UserError { code message }
    }
  }
`);
const Mine = graphql(`
  query DeputiesMine {
    viewer { deputyFor { standsInFor inForce domain { name } } deputies { deputy inForce } }
    accessRequests(first: 50, filter: { awaitingMyDecision: true }) {
      nodes { id viewerCanApprove viewerCanReject viewerCanCancel plan { policy { viewerMayDecide } resources { kind key } } }
    }
  }
`);
const Approve = graphql(`
  mutation DeputiesApprove($input: DecideAccessRequestInput!) {
    approveAccessRequest(input: $input) {
      __typename
      ... on ApproveAccessRequestPayload {
        accessRequest { status decidedBy decidedFor approvals { given { approvedBy approvedFor role } } }
        accessGrant { id status viewerCanRevoke }
      }
      ... on UserError { code message }
    }
  }
`);
const Explain = graphql(`
  query DeputiesExplain($principal: Arn!, $product: ID!) {
    explainAccess(principal: $principal, dataProduct: $product) { tables { through { decidedBy decidedFor } } }
  }
`);
const Shipments = graphql(`query DeputiesShipments { dataProduct(by: { path: "logistics/shipments" }) { id } }`);
const Token = graphql(`
  mutation DeputiesToken($input: CreatePersonalAccessTokenInput!) {
    createPersonalAccessToken(input: $input) { __typename ... on CreatePersonalAccessTokenPayload { secret } }
  }
`);

beforeAll(async () => {
  [steward, deputy] = [await product.as(STEWARD), await product.as(DEPUTY)];
  job = mainJob({ requester: await product.as('oskar.lind'), decider: await product.as('lena.fischer') });
  const found = (await steward(Domain)).domain;
  expect(found).toMatchObject({ viewerCanNameDeputy: true, deputies: [] });
  logistics = found?.id ?? '';
  database = openDatabase(product.databaseUrl, { poolSize: 2 });
});
afterAll(async () => {
  for (const stream of streams) stream.drop();
  await database.close();
});

async function named(ms: number, fromMs = 0): Promise<string> {
  const [from, end] = [fromMs, ms].map((after) => new Date(Date.now() + after).toISOString());
  const input = { domain: logistics, deputy: DEPUTY, from, until: end as string };
  const answer = payload((await steward(Name, { input })).nameDeputy);
  if (!('deputy' in answer) || !answer.deputy) throw new Error(JSON.stringify(answer));
  return answer.deputy.id;
}
const ended = async (id: string) => payload((await steward(End, { deputy: id })).endDeputy);
const waitingFor = async (who: Execute) => (await who(Mine)).accessRequests.nodes.map(({ id }) => id);

test('who is named sees and decides what waits for the other, and is nobody again as soon as it is ended', async () => {
  const [id, other] = [
    await job.request({ principals: [reader('by-deputy')] }),
    await job.request({ principals: [reader('after-deputy')] }),
  ];
  expect(await waitingFor(deputy)).toEqual([]);
  const named1 = await named(60_000);
  const mine = await deputy(Mine);
  expect(mine.viewer.deputyFor).toEqual([{ standsInFor: STEWARD, inForce: true, domain: { name: 'logistics' } }]);
  const seen = mine.accessRequests.nodes.find((request) => request.id === id);
  expect(seen).toMatchObject({
    ...{ viewerCanApprove: true, viewerCanReject: true, viewerCanCancel: false },
    plan: { policy: { viewerMayDecide: true } },
  });
  // AWS objects are for owners and stewards.
  expect(new Set(seen?.plan?.resources.map(({ key }) => key))).toEqual(new Set([null]));
  expect((await steward(Mine)).viewer.deputies).toEqual([{ deputy: DEPUTY, inForce: true }]);
  expect((await deputy(Domain)).domain).toMatchObject({
    viewerCanNameDeputy: false,
    deputies: [
      { id: named1, deputy: DEPUTY, standsInFor: STEWARD, role: 'STEWARD', inForce: true, viewerCanEnd: true },
    ],
  });
  expect((await (await product.as('nina.sommer'))(Domain)).domain?.deputies).toEqual([]);
  expect((await deputy(Approve, { input: { accessRequest: id } })).approveAccessRequest).toMatchObject({
    accessRequest: {
      ...{ status: 'APPROVED', decidedBy: DEPUTY, decidedFor: STEWARD },
      approvals: { given: [{ approvedBy: DEPUTY, approvedFor: STEWARD, role: 'STEWARD' }] },
    },
    accessGrant: { viewerCanRevoke: false },
  });
  const shipments = (await steward(Shipments)).dataProduct?.id ?? '';
  await until('the deputy is named by who explains', async () => {
    const { explainAccess } = await steward(Explain, { principal: reader('by-deputy'), product: shipments });
    const through = explainAccess.tables.flatMap((table) => table.through);
    return through.some(({ decidedBy, decidedFor }) => decidedBy === DEPUTY && decidedFor === STEWARD) || undefined;
  });
  expect(await ended(named1)).toMatchObject({ deputy: { inForce: false, endedBy: STEWARD } });
  expect(await deputy(Mine)).toMatchObject({ viewer: { deputyFor: [] }, accessRequests: { nodes: [] } });
  expect((await deputy(Approve, { input: { accessRequest: other } })).approveAccessRequest).toMatchObject({
    code: 'NOT_FOUND',
  });
});

test('a stream carries what the domain hears of requests while it lasts, and nothing before or after', async () => {
  const token = await product.tokenOf(DEPUTY);
  const stream = openEventStream({ graphql: product.graphql, token, after: null });
  streams.push(stream);
  const requests = () => stream.heard.filter(({ type }) => type === 'ACCESS_REQUESTED').length;
  const witness = openEventStream({ graphql: product.graphql, token: await product.tokenOf(STEWARD), after: null });
  streams.push(witness);
  await sleep(500);
  await job.request({ principals: [reader('too-early')] });
  await witness.hear(({ type }) => type === 'ACCESS_REQUESTED');
  await named(10_000);
  await stream.hear(({ type }) => type === 'DEPUTY_NAMED');
  // The end of who was named before may have come to it, too.
  const before = stream.heard.findLastIndex(({ type }) => type === 'DEPUTY_NAMED');
  const ends = () => stream.heard.slice(before).filter(({ type }) => type === 'DEPUTY_ENDED').length;
  expect(requests()).toBe(0);
  await job.request({ principals: [reader('in-time')] });
  await stream.hear(({ type }) => type === 'ACCESS_REQUESTED');
  // Its time is over, and the worker tells of it.
  await until('its end is heard', async () => (ends() === 1 ? true : undefined));
  await job.request({ principals: [reader('too-late')] });
  // Who is named again before it is delivered may hear it.
  await until('the witness has heard all three', async () =>
    witness.heard.filter(({ type }) => type === 'ACCESS_REQUESTED').length === 3 ? true : undefined,
  );
  await named(60_000).then(ended);
  await until('the next end is heard', async () => (ends() === 2 ? true : undefined));
  expect(requests()).toBe(1);
});

test('a token is good for it as far as its scopes go', async () => {
  const id = await job.request({ principals: [reader('by-token')] });
  const place = await named(60_000);
  const withScopes = async (...scopes: ('ACCESS_READ' | 'ACCESS_DECIDE')[]) => {
    const made = (await deputy(Token, { input: { name: 'script', scopes } })).createPersonalAccessToken;
    const { secret } = made as { secret: string };
    return async (query: string) => {
      const response = await fetch(product.graphql, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${secret}` },
        body: JSON.stringify({ query }),
      });
      return (await response.json()) as { data: Record<string, Record<string, unknown>> };
    };
  };
  const reject = `mutation { rejectAccessRequest(input: { accessRequest: "${id}" }) { __typename ... on UserError { message } } }`;
  const reads = await withScopes('ACCESS_READ');
  expect((await reads(`{ node(id: "${id}") { ... on AccessRequest { viewerCanReject } } }`)).data.node).toEqual({
    viewerCanReject: false,
  });
  expect((await reads(reject)).data.rejectAccessRequest).toMatchObject({ __typename: 'ForbiddenError' });
  const decides = await withScopes('ACCESS_READ', 'ACCESS_DECIDE');
  expect((await decides(reject)).data.rejectAccessRequest).toEqual({ __typename: 'RejectAccessRequestPayload' });
  await ended(place);
});

test('begins and ends for those who are watched by the clock alone, without being read again', async () => {
  const viewers = createViewers(database.pool, { ownTokens: { live: async () => new Set<string>() } });
  const identity = { subject: DEPUTY, name: null, groups: [], admin: false, signIn: SIGNED_IN };
  const place = await named(6_000, 4_000);
  const watched = await viewers.watch(identity);
  const machine = await viewers.watch({ ...identity, signIn: { ...SIGNED_IN, kind: 'MACHINE' } });
  const places = () => watched.current().deputyships?.length;
  expect(places()).toBe(0);
  const before = watched.viewerClass();
  await until('it begins', async () => (places() === 1 ? true : undefined), 8_000);
  expect(watched.viewerClass()).not.toBe(before);
  expect(machine.current().deputyships).toEqual([]);
  await until('it ends', async () => (places() === 0 ? true : undefined), 8_000);
  expect(watched.viewerClass()).toBe(before);
  await ended(place);
  watched.stop();
  machine.stop();
});
