import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { decodeCursor } from '../../src/events/cursor.js';
import { InvalidCursor, ResyncRequired, SlowSubscriber } from '../../src/events/errors.js';
import { startListener } from '../../src/events/listen.js';
import { startTail, type Tail } from '../../src/events/tail.js';
import type { LogEvent } from '../../src/events/types.js';
import {
  cutConnections,
  headOf,
  headReaches,
  numbers,
  openTestLog,
  silent,
  someEvent,
  someEvents,
  type TestLog,
  take,
  until,
  write,
} from './log.js';
import { type ReadEvent, readFrom } from './reader.js';

let log: TestLog;
let tail: Tail;
let changing: (events: readonly LogEvent[]) => Promise<void> | undefined = () => undefined;
beforeAll(async () => {
  log = await openTestLog();
  await write(log, someEvents(1_500), 500);
  await headReaches(log, 1_500);
  tail = await startTail({
    pool: log.pool,
    listener: log.listener,
    log: silent,
    beforeDelivery: (events) => changing(events),
  });
});
afterAll(async () => {
  await tail.stop();
  await log.close();
});
let head: number;
beforeEach(async () => {
  head = await headOf(log);
  await until(() => tail.position === BigInt(head));
});

const seqs = (events: ReadEvent[]) => events.map((event) => event.seq);

test('subscribers that come at any cursor while writers write get every later event once, in order', async () => {
  const last = head + 1_200;
  const readers = Array.from({ length: 12 }, async (_, n) => {
    await delay(n * 20);
    const after = Math.floor((n / 12) * (await headOf(log)));
    return { after, events: await take(await readFrom(tail, { after: BigInt(after) }), last - after) };
  });
  await Promise.all([0, 1, 2].map(() => write(log, someEvents(400), 20)));
  for (const { after, events } of await Promise.all(readers)) expect(seqs(events)).toEqual(numbers(after + 1, last));
});

test('a subscriber without a cursor gets what comes from now on, though it reads later', async () => {
  const events = await readFrom(tail);
  await write(log, someEvents(3));
  await until(() => tail.position === BigInt(head + 3));
  expect(seqs(await take(events, 3))).toEqual(numbers(head + 1, head + 3));
});

test('a subscriber that drops goes on at its cursor in another process', async () => {
  const listener = startListener({ databaseUrl: log.urls.serverUrl, log: silent });
  const other = await startTail({ pool: log.pool, listener, log: silent });
  const before = await take(await readFrom(tail, { after: BigInt(head - 700) }), 100);
  const writing = write(log, someEvents(200), 10);
  const after = await take(await readFrom(other, { after: before.at(-1)!.seq }), 800);
  await writing;
  expect(seqs([...before, ...after])).toEqual(numbers(head - 699, head + 200));
  await other.stop();
  await listener.stop();
});

test('a cursor ahead of this process gets neither what is before it nor anything twice', async () => {
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const late = await startTail({ pool: log.pool, listener: log.listener, log: silent, beforeDelivery: () => held });
  await write(log, someEvents(20));
  await headReaches(log, head + 20);
  const ahead = take(await readFrom(late, { after: BigInt(head + 10) }), 15);
  const live = take(await readFrom(late, { after: BigInt(head + 20) }), 5);
  release();
  await write(log, someEvents(5));
  expect(seqs(await ahead)).toEqual(numbers(head + 11, head + 25));
  expect(seqs(await live)).toEqual(numbers(head + 21, head + 25));
  await late.stop();
});

test('cursors beyond the head are invalid', async () => {
  await expect(readFrom(tail, { after: BigInt(head + 1) })).rejects.toThrow(InvalidCursor);
  await expect(readFrom(tail, { after: -1n })).rejects.toThrow(InvalidCursor);
});

test('a subscriber that never reads is cut with the cursor to go on from, and others do not notice', async () => {
  const slow = await readFrom(tail);
  const [first] = await Promise.all([slow.next(), write(log, someEvents(1))]);
  const others = take(await readFrom(tail, { after: BigInt(head) }), 1_102);
  await write(log, someEvents(1_101), 300);
  expect(seqs(await others)).toEqual(numbers(head + 1, head + 1_102));
  const error = await slow.next().catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(SlowSubscriber);
  expect(decodeCursor((error as SlowSubscriber).cursor)).toBe(first.value.seq);
  expect(await slow.next()).toEqual({ done: true, value: undefined });
});

test('what a subscriber does not accept never fills its queue', async () => {
  const events = await readFrom(tail, { accepts: (event) => event.type === 'DomainReady' });
  await write(log, someEvents(1_100), 300);
  await write(log, [someEvent({ type: 'DomainReady' })]);
  expect(seqs(await take(events, 1))).toEqual([BigInt(head + 1_101)]);
});

test('an event that waited is not delivered to one who lost the right meanwhile', async () => {
  let member = true;
  changing = (events) => {
    if (events.some(({ type }) => type === 'DomainUpdated')) member = false;
    return undefined;
  };
  const events = await readFrom(tail, {
    accepts: (event) => member || event.audience.public,
    viewerClass: () => (member ? 'member' : 'stranger'),
  });
  const secret = { audience: { public: false, domains: [], subjects: [] } };
  await write(log, [someEvent(secret), someEvent({ type: 'DomainUpdated' }), someEvent(secret), someEvent()]);
  await until(() => tail.position === BigInt(head + 4));
  expect(seqs(await take(events, 2))).toEqual([BigInt(head + 2), BigInt(head + 4)]);
});

test('who loses a right hears nothing more by it from the event on that says so, however long it takes to read what he may', async () => {
  let member = true;
  changing = (events) => {
    if (!events.some(({ type }) => type === 'DomainUpdated')) return undefined;
    return delay(100).then(() => {
      member = false;
    });
  };
  const events = await readFrom(tail, {
    accepts: (event) => member || event.audience.public,
    viewerClass: () => (member ? 'member' : 'stranger'),
  });
  const secret = { audience: { public: false, domains: [], subjects: [] } };
  await write(log, [someEvent({ type: 'DomainUpdated' }), someEvent(secret), someEvent()]);
  await until(() => tail.position === BigInt(head + 3));
  expect(seqs(await take(events, 2))).toEqual([BigInt(head + 1), BigInt(head + 3)]);
});

test('a predicate that throws ends its own subscriber alone', async () => {
  const broken = await readFrom(tail, {
    accepts: () => {
      throw new Error('no such domain');
    },
  });
  const sound = take(await readFrom(tail), 2);
  await write(log, someEvents(2));
  expect(seqs(await sound)).toEqual(numbers(head + 1, head + 2));
  await expect(broken.next()).rejects.toThrow('no such domain');
});

test('leaving ends at once, though no event comes', async () => {
  const left = await readFrom(tail);
  const waiting = left.next();
  await left.return?.();
  expect(await waiting).toEqual({ done: true, value: undefined });

  const aborting = new AbortController();
  const aborted = await readFrom(tail, { after: BigInt(head), signal: aborting.signal });
  const next = aborted.next();
  aborting.abort();
  expect(await next).toEqual({ done: true, value: undefined });
  expect(await (await readFrom(tail, { signal: aborting.signal })).next()).toEqual({ done: true, value: undefined });
});

test('events arrive by NOTIFY long before the poll', async () => {
  const delays: number[] = [];
  for (let round = 0; round < 15; round += 1) {
    const arrives = take(await readFrom(tail), 1);
    await write(log, someEvents(1));
    const committedAt = performance.now();
    await arrives;
    delays.push(performance.now() - committedAt);
  }
  expect(delays.sort((a, b) => a - b)[7]).toBeLessThan(60);
});

test('an event is delivered within a second though every connection was just cut', async () => {
  for (let round = 1; round <= 3; round += 1) {
    const arrives = take(await readFrom(tail), 1);
    await cutConnections(log);
    await until(() =>
      write(log, someEvents(1))
        .then(() => true)
        .catch(() => false),
    );
    const committedAt = performance.now();
    await arrives;
    expect(performance.now() - committedAt).toBeLessThan(1_000);
  }
});

test('an event is delivered within a second by polling alone', async () => {
  const deaf = { onWake: () => () => undefined, stop: async () => undefined };
  const polling = await startTail({ pool: log.pool, listener: deaf, log: silent });
  const arrives = take(await readFrom(polling), 1);
  await write(log, someEvents(1));
  const committedAt = performance.now();
  await arrives;
  expect(performance.now() - committedAt).toBeLessThan(1_000);
  await polling.stop();
});

test('a tail that stops ends its subscribers', async () => {
  const stopping = await startTail({ pool: log.pool, listener: log.listener, log: silent });
  const events = await readFrom(stopping);
  const next = events.next();
  await stopping.stop();
  expect(await next).toEqual({ done: true, value: undefined });
});

test('after retention a cursor from before it must resync, and later ones go on', async () => {
  // Stands for a detached partition: the owner takes away the first hundred events.
  await log.owner.pool.query('ALTER TABLE "Event" DISABLE TRIGGER USER');
  await log.owner.pool.query('DELETE FROM "Event" WHERE "seq" <= 100');
  await expect(readFrom(tail, { after: 99n })).rejects.toThrow(ResyncRequired);
  expect(seqs(await take(await readFrom(tail, { after: 100n }), 2))).toEqual([101n, 102n]);
  const reading = await readFrom(tail, { after: 100n });
  await reading.next();
  await log.owner.pool.query('DELETE FROM "Event" WHERE "seq" <= 1400');
  await expect(take(reading, 1_400)).rejects.toThrow(ResyncRequired);
});

test('a gap in the log sends live subscribers to resync instead of passing over it', async () => {
  const reading = await readFrom(tail);
  await log.sequencer.stop();
  await write(log, someEvents(2));
  await log.owner.pool.query(
    'ALTER TABLE "Event" DISABLE TRIGGER USER; BEGIN; SELECT sequence_events(); DELETE FROM "Event" WHERE "seq" = (SELECT "seq" - 1 FROM "EventHead"); COMMIT',
  );
  await expect(reading.next()).rejects.toThrow(ResyncRequired);
});
