import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createPutEvents } from '../../src/aws/event-bridge.js';
import { appendAll } from '../../src/events/append.js';
import { startPublisher } from '../../src/events/publisher.js';
import { desire } from '../../src/provisioning/kinds.js';
import { resourceId } from '../../src/provisioning/resource.js';
import { governanceCredentials } from '../../src/sandbox/sts.js';
import { type Database, openDatabase } from '../../src/server/database.js';
import { openTestLog, silent, someEvents, until, write } from '../events/log.js';
import { createTestDatabase } from '../testkit/database.js';
import { openEventSink } from '../testkit/event-sink.js';
import { GOVERNANCE, type MeshProcess, processMeshOfTest, REGION } from '../testkit/process-mesh.js';
import { atScale } from './scale.js';

const BUS = 'central-mesh-bus';
// Its events are numbers, to be counted.
const urls = await createTestDatabase({ madeUp: true });
const mesh = await processMeshOfTest({ accounts: ['222233334444'], database: urls });
let database: Database;
beforeAll(async () => {
  database = openDatabase(mesh.ownerUrl, { poolSize: 2 });
  await mesh.sandbox.asAdministrator(GOVERNANCE, 'events:CreateEventBus', { Name: BUS });
  // As the first domain's registration leaves it: nothing is sent to a bus that is not known to be there.
  const { kind, account, region, key, spec } = desire(
    'EventBus',
    { account: GOVERNANCE, region: REGION },
    { name: BUS },
  );
  const id = resourceId({ kind, account, region, key });
  const nextAttemptAt = new Date(Date.now() + 86_400_000);
  const dates = { nextAttemptAt, observedAt: new Date(), freshUntil: nextAttemptAt };
  await database.prisma.resource.create({
    data: {
      id,
      kind,
      account,
      region,
      key,
      spec,
      ...dates,
      status: 'READY',
      observedGeneration: 1,
      ours: true,
      correlationId: id,
    },
  });
});
afterAll(async () => {
  await database.close();
  await urls.leave();
});

/** The numbers of the events that came to the central bus, in the order of their arrival, and the ids that they came with. */
async function arrived(): Promise<{ sequence: number; id: string }[]> {
  const deliveries = (await mesh.sandbox.deliveries(GOVERNANCE)).filter(
    ({ kind, bus }) => kind === 'arrival' && bus === BUS,
  );
  return deliveries
    .map(({ event }) => event.detail as unknown as { sequence?: string; id: string })
    .filter(({ sequence }) => sequence !== undefined)
    .map(({ sequence, id }) => ({ sequence: Number(sequence), id }));
}

async function numbered(): Promise<{ head: number; sent: number }> {
  const [row] = await mesh.query<{ head: string; sent: string }>(
    `SELECT (SELECT "seq" FROM "EventHead") AS head, coalesce((SELECT "seq" FROM "EventCursor" WHERE "reader" = 'eventbridge'), 0) AS sent`,
  );
  return { head: Number(row?.head), sent: Number(row?.sent) };
}

/** Kills the worker at its next request to EventBridge, before or after EventBridge has taken it. */
async function killAtSend(worker: MeshProcess, when: 'before' | 'after'): Promise<void> {
  const held = worker.aws.hold({ when, operation: 'PutEvents', nth: 3 });
  await worker.start();
  await held;
  await worker.kill();
  worker.aws.disarm();
}

test('a publisher killed between send and cursor, again and again, loses nothing and repeats one request at most, with the same ids', async () => {
  const kills = atScale({ quick: 1, soak: 20 });
  const worker = await mesh.worker();
  const total = kills * 2 * 60;
  await appendAll(database.prisma, someEvents(total));
  for (let n = 0; n < kills; n += 1) {
    await killAtSend(worker, 'before');
    const before = (await arrived()).length;
    await killAtSend(worker, 'after');
    // Two requests that were noted, and one that was taken and not noted.
    expect((await arrived()).length - before).toBeLessThanOrEqual(30);
  }
  await worker.start();
  await until(async () => {
    const { head, sent } = await numbered();
    return head >= total && sent === head;
  }, 60_000);
  const all = await arrived();
  const { head } = await numbered();
  expect(new Set(all.map(({ sequence }) => sequence)).size).toBe(head);
  expect(new Set(all.map(({ id }) => id)).size).toBe(head);
  const repeated = all.length - head;
  expect(repeated).toBeGreaterThan(0);
  expect(repeated).toBeLessThanOrEqual(10 * kills);
  // First arrivals are in the order of the log.
  const firsts = [...new Set(all.map(({ sequence }) => sequence))];
  expect(firsts).toEqual([...firsts].sort((a, b) => a - b));
}, 1_200_000);

test('with 1 to 10 of the 10 entries of a request failing, every failed one is sent again and none of the others', async () => {
  const log = await openTestLog();
  await write(log, someEvents(100));
  const attempts = new Map<string, number>();
  /** Of the nth ten of the log, n entries fail, each one to three times, in varying places. */
  const failures = (sequence: number): number => {
    const [ten, index] = [Math.ceil(sequence / 10), (sequence - 1) % 10];
    return (index * 3 + ten) % 10 < ten ? 1 + (index % 3) : 0;
  };
  const sink = await openEventSink(({ Detail }) => {
    const { sequence } = JSON.parse(Detail) as { sequence: string };
    const attempt = (attempts.get(sequence) ?? 0) + 1;
    attempts.set(sequence, attempt);
    if (attempt > failures(Number(sequence))) return null;
    return { ErrorCode: 'ThrottlingException', ErrorMessage: 'Rate exceeded' };
  });
  const client = new EventBridgeClient({
    ...{ endpoint: sink.url, region: REGION, credentials: governanceCredentials(GOVERNANCE), maxAttempts: 1 },
  });
  const { pool, listener } = log;
  const retry = { baseMs: 1, capMs: 5, unknownTries: 50 };
  const publisher = startPublisher({
    ...{ pool, listener, put: createPutEvents(client), bus: BUS, busStands: async () => true, log: silent, retry },
  });
  try {
    await until(() => publisher.position === 100n, 20_000);
  } finally {
    await publisher.stop();
    await sink.close();
    await log.close();
  }
  const wanted = Array.from({ length: 100 }, (_, index) => [String(index + 1), 1 + failures(index + 1)]);
  expect([...attempts].sort(([a], [b]) => Number(a) - Number(b))).toEqual(wanted);
  const failing = Array.from(
    { length: 10 },
    (_, ten) => wanted.slice(ten * 10, ten * 10 + 10).filter(([, n]) => Number(n) > 1).length,
  );
  expect(failing).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  expect(sink.requests.every((entries) => entries.length <= 10)).toBe(true);
}, 60_000);
