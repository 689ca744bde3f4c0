import { afterEach, beforeEach, expect, test } from 'vitest';
import { startPublisher } from '../../src/events/publisher.js';
import { centralBus, followCentralBus } from '../../src/governance/central-bus.js';
import { resourceId } from '../../src/provisioning/resource.js';
import { MESH } from '../governance/mesh.js';
import { headReaches, openTestLog, silent, someEvents, type TestLog, until, write } from './log.js';

let log: TestLog;
let stopping: (() => Promise<void>)[];
beforeEach(async () => {
  log = await openTestLog();
  stopping = [];
  await log.prisma.eventCursor.create({ data: { reader: 'eventbridge' } });
  await write(log, someEvents(30));
  await headReaches(log, 30);
});
afterEach(async () => {
  await Promise.all(stopping.map((stop) => stop()));
  await log.close();
});

/** The reconciler saw that AWS has the bus; `anew`: as it made it again. */
const seen = ({ anew = false, id = resourceId(centralBus(MESH)) } = {}) =>
  log.prisma.$transaction((tx) => followCentralBus(tx, MESH, [{ id, anew }]));

const sentUpTo = (seq: bigint) => log.prisma.eventCursor.update({ where: { reader: 'eventbridge' }, data: { seq } });

const position = async (): Promise<bigint> =>
  (await log.prisma.eventCursor.findUniqueOrThrow({ where: { reader: 'eventbridge' } })).seq;

/** The last look began after the one before it was recorded, and may have ended before it was recorded itself. */
async function lookAt(...positions: bigint[]): Promise<void> {
  for (const at of positions) {
    await sentUpTo(at);
    expect(await seen()).toBeNull();
  }
}

test('what was sent since the look before the last is sent again, and what comes is noted anew from there', async () => {
  await lookAt(10n, 20n);
  await sentUpTo(25n);
  expect(await seen({ id: 'another', anew: true })).toBeNull();
  expect(await position()).toBe(25n);
  expect(await seen({ anew: true })).toEqual({ after: 10n, upTo: 25n });
  expect(await position()).toBe(10n);
  await lookAt(26n);
  await sentUpTo(30n);
  expect(await seen({ anew: true })).toEqual({ after: 10n, upTo: 30n });
});

test('a publisher that was set further back meanwhile is not moved on', async () => {
  await lookAt(20n, 20n);
  await sentUpTo(3n);
  expect(await seen({ anew: true })).toBeNull();
  expect(await position()).toBe(3n);
});

test('what the log no longer holds is not sent again', async () => {
  await lookAt(10n, 20n);
  await sentUpTo(25n);
  const forget = (upTo: number) =>
    log.owner.pool.query(`ALTER TABLE "Event" DISABLE TRIGGER USER; DELETE FROM "Event" WHERE "seq" <= ${upTo}`);
  await forget(15);
  expect(await seen({ anew: true })).toEqual({ after: 15n, upTo: 25n });
  await forget(30);
  await sentUpTo(30n);
  expect(await seen({ anew: true })).toBeNull();
  expect(await position()).toBe(30n);
});

/** Publishes to a bus of ours, which may hold requests up; `stands`: whether Meshgate knows of a bus. */
function publish({
  stands,
  arrives = async () => undefined,
}: {
  stands: () => boolean;
  arrives?: () => Promise<void>;
}) {
  const arrived: number[] = [];
  const publisher = startPublisher({
    ...{ pool: log.pool, listener: log.listener, bus: 'central', log: silent },
    busStands: async () => stands(),
    put: (entries) => ({
      send: async () => {
        arrived.push(...entries.map(({ detail }) => Number(JSON.parse(detail).sequence)));
        await arrives();
        return entries.map(() => ({ ok: true }));
      },
    }),
  });
  stopping.push(publisher.stop);
  return arrived;
}

test('nothing of it is sent before the bus is known to stand, though it was known to a moment ago', async () => {
  let stands = true;
  const arrived = publish({ stands: () => stands });
  await until(async () => (await position()) === 30n);
  stands = false;
  await log.pool.query(`UPDATE "EventCursor" SET "arrivedSeq" = 20`);
  expect(await seen({ anew: true })).toEqual({ after: 20n, upTo: 30n });
  await write(log, someEvents(1));
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(arrived).toHaveLength(30);
  stands = true;
  await until(async () => (await position()) === 31n);
  expect(arrived.slice(30)).toEqual([21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31]);
});

test('a request that was under way when the bus was made anew is sent again, though nothing before it is', async () => {
  let goOn: () => void = () => undefined;
  const heldUp = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  await sentUpTo(30n);
  await lookAt(30n, 30n);
  const arrived = publish({ stands: () => true, arrives: () => heldUp });
  await write(log, someEvents(1));
  await until(() => arrived.length === 1);
  expect(await seen({ anew: true })).toBeNull();
  goOn();
  await until(async () => (await position()) === 31n);
  expect(arrived).toEqual([31, 31]);
});
