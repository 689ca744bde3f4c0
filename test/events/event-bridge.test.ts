import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CreateEventBusCommand, EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createPutEvents, MADE_ONCE } from '../../src/aws/event-bridge.js';
import type { NewEvent } from '../../src/events/append.js';
import { RETRY } from '../../src/events/deliver.js';
import { startPublisher } from '../../src/events/publisher.js';
import { governanceCredentials } from '../../src/sandbox/sts.js';
import { control, G, P, REGION, sandboxOfTest } from '../sandbox/testkit.js';
import { createDomain, headOf, openTestLog, silent, someEvent, someEvents, type TestLog, until, write } from './log.js';

interface Arrival {
  event: {
    id: string;
    source: string;
    account: string;
    time: string;
    'detail-type': string;
    detail: { sequence: string; audience: string[] };
  };
}

const sandbox = await sandboxOfTest();
const settings = { endpoint: sandbox.url, region: REGION, credentials: governanceCredentials(G), maxAttempts: 1 };
const client = new EventBridgeClient({ ...settings, ...MADE_ONCE });
const BUS = 'central-mesh-bus';
let log: TestLog;
beforeAll(async () => {
  await client.send(new CreateEventBusCommand({ Name: BUS }));
  log = await openTestLog();
});
afterAll(() => log.close());
beforeEach(async () => {
  await control(sandbox, '/faults', undefined, 'DELETE');
});

async function arrivals(after = 0): Promise<Arrival[]> {
  const deliveries: (Arrival & { kind: string })[] = await control(sandbox, `/deliveries?bus=${BUS}&account=${G}`);
  return deliveries.filter(({ event }) => Number(event.detail.sequence) > after);
}

/** Writes events, publishes them with the real client, and answers what arrived at the bus. */
async function published(events: NewEvent[]): Promise<Arrival[]> {
  const head = await headOf(log);
  await write(log, events);
  const publisher = startPublisher({
    pool: log.pool,
    listener: log.listener,
    put: createPutEvents(client),
    bus: BUS,
    busStands: async () => true,
    log: silent,
    retry: { ...RETRY, baseMs: 5, capMs: 50 },
  });
  await until(() => publisher.position === BigInt(head + events.length), 15_000);
  await publisher.stop();
  return arrivals(head);
}

test('events reach the central bus as EventBridge events', async () => {
  const commerce = await createDomain(log, 'commerce');
  const occurred = someEvent({
    type: 'DataProductReady',
    audience: { public: false, domains: [commerce], subjects: [] },
  });
  const events = await published([occurred, ...someEvents(24)]);
  expect(events).toHaveLength(25);
  expect(events[0]!.event).toMatchObject({
    source: 'meshgate',
    account: G,
    'detail-type': 'DataProductReady',
    detail: { sequence: '1', version: 1, audience: ['commerce'], subject: occurred.subject },
  });
});

test('requests that fail in part arrive in full, every entry once', async () => {
  await control(sandbox, '/faults', [
    { service: 'events', operation: 'PutEvents', kind: 'partial', rate: 0.5, seed: 3 },
  ]);
  const head = await headOf(log);
  const events = await published(someEvents(60));
  const sequences = events.map(({ event }) => Number(event.detail.sequence)).sort((a, b) => a - b);
  expect(sequences).toEqual(Array.from({ length: 60 }, (_, n) => head + n + 1));
});

test('throttled and failing calls are outlasted', async () => {
  await control(sandbox, '/faults', [
    { service: 'events', operation: 'PutEvents', kind: 'throttle', count: 2 },
    { service: 'events', operation: 'PutEvents', kind: 'timeout-not-applied', latencyMs: 20, count: 1 },
    { service: 'events', operation: 'PutEvents', kind: 'internal', count: 1 },
  ]);
  expect(await published(someEvents(15))).toHaveLength(15);
});

test('a request that is made leaves when it is sent, and one that is not sent never', async () => {
  const detailType = 'DomainSuspended';
  const entry = { bus: BUS, source: 'meshgate', detailType, detail: '{}', resources: [], time: new Date() };
  const put = createPutEvents(client);
  const first = put([entry]);
  put([entry]);
  const third = put([entry]);
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(await arrivalsOf(detailType)).toHaveLength(0);
  expect(await third.send()).toEqual([{ ok: true }]);
  expect(await arrivalsOf(detailType)).toHaveLength(1);
  expect(await first.send()).toEqual([{ ok: true }]);
  expect(await arrivalsOf(detailType)).toHaveLength(2);
});

test('a refusal is told apart from a failure that passes', async () => {
  const entry = {
    bus: BUS,
    source: 'meshgate',
    detailType: 'DomainReady',
    detail: '{}',
    resources: [],
    time: new Date(),
  };
  const put = createPutEvents(client);
  expect(await put([{ ...entry, detail: 'not JSON' }, entry]).send()).toEqual([
    { ok: false, code: 'MalformedDetail', message: expect.any(String), kind: 'REFUSED' },
    { ok: true },
  ]);
  const foreign = await put([{ ...entry, bus: `arn:aws:events:us-east-1:${P}:event-bus/default` }]).send();
  expect(foreign).toMatchObject([{ ok: false, kind: 'DENIED' }]);
});

test.each([
  ['access-denied', 'AccessDeniedException'],
  ['throttle', 'ThrottlingException'],
  ['internal', 'InternalException'],
])('a whole call that fails (%s) says nothing of its entries: it is thrown', async (kind, name) => {
  await control(sandbox, '/faults', [{ service: 'events', operation: 'PutEvents', kind }]);
  const entry = {
    bus: BUS,
    source: 'meshgate',
    detailType: 'DomainReady',
    detail: '{}',
    resources: [],
    time: new Date(),
  };
  for (const entries of [[entry, entry], [entry]]) {
    await expect(createPutEvents(client)(entries).send()).rejects.toMatchObject({ name });
  }
});

test('a request that is not valid as a whole is sent entry by entry, and what is wrong is refused alone', async () => {
  const sound = {
    bus: BUS,
    source: 'meshgate',
    detailType: 'DomainReady',
    detail: '{}',
    resources: [],
    time: new Date(),
  };
  const tooLarge = { ...sound, detail: JSON.stringify({ text: 'x'.repeat(1_100_000) }) };
  const before = (await arrivalsOf('DomainReady')).length;
  expect(await createPutEvents(client)([sound, tooLarge, sound]).send()).toMatchObject([
    { ok: true },
    { ok: false, code: 'ValidationException', kind: 'REFUSED' },
    { ok: true },
  ]);
  expect((await arrivalsOf('DomainReady')).length).toBe(before + 2);
});

/** An EventBridge that answers for each entry with the code that its detail-type names. */
async function answering(): Promise<{ endpoint: string; close: () => void }> {
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const Entries = (JSON.parse(body) as { Entries: { DetailType: string }[] }).Entries.map(({ DetailType }) => ({
      ...{ ErrorCode: DetailType, ErrorMessage: 'As was asked for.' },
    }));
    response.setHeader('content-type', 'application/x-amz-json-1.1');
    response.end(JSON.stringify({ FailedEntryCount: Entries.length, Entries }));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  return { endpoint: `http://127.0.0.1:${port}`, close: () => server.close() };
}

test('by its code an entry is refused, denied, to be sent again, or of no known kind', async () => {
  const { endpoint, close } = await answering();
  const codes = {
    ...{ AccessDeniedException: 'DENIED', NotAuthorizedForSourceException: 'REFUSED', RedactionFailure: 'REFUSED' },
    ...{ InvalidAccountIdException: 'REFUSED', InvalidArgument: 'REFUSED', MalformedDetail: 'REFUSED' },
    ...{ ThrottlingException: 'PASSING', InternalFailure: 'PASSING', NobodyKnows: 'UNKNOWN' },
  };
  const entries = Object.keys(codes).map((detailType) => ({
    ...{ bus: BUS, source: 'meshgate', detailType, detail: '{}', resources: [], time: new Date() },
  }));
  const stub = new EventBridgeClient({ ...settings, ...MADE_ONCE, endpoint });
  const outcomes = await createPutEvents(stub)(entries).send();
  close();
  expect(outcomes.map((outcome) => (outcome.ok ? null : [outcome.code, outcome.kind]))).toEqual(Object.entries(codes));
});

const arrivalsOf = async (type: string): Promise<Arrival[]> =>
  (await control(sandbox, `/deliveries?bus=${BUS}&account=${G}`)).filter(
    ({ event }: Arrival) => event['detail-type'] === type,
  );
