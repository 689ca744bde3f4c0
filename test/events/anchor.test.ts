import { CreateEventBusCommand, EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createPutEvents } from '../../src/aws/event-bridge.js';
import { startAnchors } from '../../src/events/anchor.js';
import { verifyChain } from '../../src/events/verify.js';
import { clientOf, control, G, sandboxOfTest } from '../sandbox/testkit.js';
import { headReaches, openTestLog, silent, someEvents, type TestLog, until, write } from './log.js';

interface Delivery {
  event: { source: string; 'detail-type': string; detail: { anchor: { sequence: string; hash: string } } };
}

const sandbox = await sandboxOfTest();
const client = clientOf(EventBridgeClient, sandbox);
const BUS = 'central-mesh-bus';
let log: TestLog;
beforeAll(async () => {
  await client.send(new CreateEventBusCommand({ Name: BUS }));
  log = await openTestLog();
});
afterAll(() => log.close());

async function anchored(): Promise<Delivery['event'][]> {
  const deliveries: Delivery[] = await control(sandbox, `/deliveries?bus=${BUS}&account=${G}`);
  return deliveries.map(({ event }) => event);
}

test('the head is told to EventBridge while it moves, by one of several processes, and again where AWS did not take it, and once the bus is there', async () => {
  let stands = true;
  const start = () =>
    startAnchors({
      ...{ pool: log.pool, put: createPutEvents(client), bus: BUS, log: silent, everyMs: 20 },
      busStands: async () => stands,
    });
  const processes = [start(), start(), start()];
  try {
    await write(log, someEvents(5));
    await headReaches(log, 5);
    await until(async () => (await anchored()).some(({ detail }) => detail.anchor.sequence === '5'));
    const told = (await anchored()).length;
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await anchored()).toHaveLength(told);
    await control(sandbox, '/faults', [
      { service: 'events', operation: 'PutEvents', kind: 'throttle', count: 2, rate: 1 },
    ]);
    await write(log, someEvents(3));
    await headReaches(log, 8);
    await until(async () => (await anchored()).some(({ detail }) => detail.anchor.sequence === '8'), 20_000);
    stands = false;
    await write(log, someEvents(1));
    await headReaches(log, 9);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const cursor = await log.owner.prisma.eventCursor.findUniqueOrThrow({ where: { reader: 'audit-anchor' } });
    expect(cursor.seq).toBe(8n);
    stands = true;
    await until(async () => (await anchored()).some(({ detail }) => detail.anchor.sequence === '9'));
  } finally {
    await Promise.all(processes.map((one) => one.stop()));
  }
  const events = await anchored();
  expect(events.every((event) => event.source === 'meshgate' && event['detail-type'] === 'AuditAnchored')).toBe(true);
  const numbers = events.map(({ detail }) => Number(detail.anchor.sequence));
  expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
  const anchors = events.map(({ detail }) => ({
    seq: BigInt(detail.anchor.sequence),
    hash: Buffer.from(detail.anchor.hash, 'hex'),
  }));
  expect(await verifyChain(log.pool, { anchors })).toEqual({ ok: true, head: 9n });
});
