import { afterAll, beforeAll, expect, test } from 'vitest';
import { append } from '../../src/events/append.js';
import { readEvents } from '../../src/events/read.js';
import { startSequencer } from '../../src/events/sequencer.js';
import { openDatabase } from '../../src/server/database.js';
import {
  createDomain,
  cutConnections,
  headOf,
  headReaches,
  numbers,
  openTestLog,
  silent,
  someEvent,
  someEvents,
  type TestLog,
  until,
  write,
} from './log.js';

let log: TestLog;
beforeAll(async () => {
  log = await openTestLog({ poolSize: 34 });
});
afterAll(() => log.close());

const AGGREGATES = 8;

test('32 writers and two sequencers leave a dense log: nothing lost, nothing twice, every aggregate in its order', async () => {
  const second = openDatabase(log.urls.serverUrl, { poolSize: 2 });
  const other = startSequencer({ pool: second.pool, log: silent });
  const domains = await Promise.all(Array.from({ length: AGGREGATES }, (_, n) => createDomain(log, `domain-${n}`)));
  const counters = new Map(domains.map((id) => [id, 0]));
  const committed: string[] = [];

  async function write25(writer: number): Promise<void> {
    for (let round = 0; round < 25; round += 1) {
      const subjectId = domains[(writer * 7 + round * 3) % AGGREGATES]!;
      const rollsBack = (writer + round) % 9 === 0;
      const id = await log.prisma
        .$transaction(
          async (tx) => {
            await tx.$queryRaw`SELECT "id" FROM "Domain" WHERE "id" = ${subjectId}::uuid FOR UPDATE`;
            const n = counters.get(subjectId)! + 1;
            const appended = await append(tx, someEvent({ subjectId, data: { n } }));
            if (rollsBack) throw new Error('rolled back');
            counters.set(subjectId, n);
            return appended;
          },
          { maxWait: 20_000, timeout: 20_000 },
        )
        .catch((error: Error) => {
          if (error.message !== 'rolled back') throw error;
        });
      if (id) committed.push(id);
      (writer % 2 ? log.sequencer : other).poke();
    }
  }

  await Promise.all(Array.from({ length: 32 }, (_, writer) => write25(writer)));
  await headReaches(log, committed.length);
  await other.stop();
  await second.close();

  const events = await readEvents(log.pool, { after: 0n, limit: 10_000 });
  expect(events.map((event) => event.seq)).toEqual(numbers(1, committed.length));
  expect(events.map((event) => event.id).sort()).toEqual(committed.sort());
  for (const domain of domains) {
    const order = events.filter((event) => event.subjectId === domain).map((event) => event.data.n);
    expect(order).toEqual(order.map((_, index) => index + 1));
  }
  expect(await log.prisma.eventPending.count()).toBe(0);
}, 60_000);

test('a poke numbers an event well before the next poll', async () => {
  const delays: number[] = [];
  for (let round = 0; round < 15; round += 1) {
    const head = await headOf(log);
    await write(log, someEvents(1));
    const committedAt = performance.now();
    await headReaches(log, head + 1);
    delays.push(performance.now() - committedAt);
  }
  expect(delays.sort((a, b) => a - b)[7]).toBeLessThan(50);
});

test('an event that nobody pokes for is numbered by the next poll', async () => {
  const head = await headOf(log);
  await log.prisma.$transaction((tx) => append(tx, someEvent()));
  await headReaches(log, head + 1);
});

test('a transaction that stays open holds up nobody else, and its event follows when it commits', async () => {
  const head = await headOf(log);
  let commit: () => void = () => undefined;
  const waits = new Promise<void>((resolve) => {
    commit = resolve;
  });
  const slow = log.prisma.$transaction(
    async (tx) => {
      const id = await append(tx, someEvent());
      await waits;
      return id;
    },
    { timeout: 20_000 },
  );
  const others = await write(log, someEvents(5), 1);
  await headReaches(log, head + 5);
  commit();
  const slowId = await slow;
  await headReaches(log, head + 6);
  const events = await readEvents(log.pool, { after: BigInt(head), limit: 10 });
  expect(events.map((event) => event.id)).toEqual([...others, slowId]);
});

test.each([
  ['UPDATE "Event" SET "type" = "type"'],
  ['DELETE FROM "Event"'],
  ['TRUNCATE "Event"'],
  ['INSERT INTO "Event" SELECT * FROM "Event" LIMIT 0'],
  ['DELETE FROM "Event_000000000"'],
  ['UPDATE "EventPending" SET "type" = "type"'],
  ['DELETE FROM "EventPending"'],
  ['UPDATE "EventHead" SET "seq" = 0'],
  ['SELECT ensure_event_partition(7)'],
])("the server's role may not: %s", async (sql) => {
  await expect(log.pool.query(sql)).rejects.toThrow(/permission denied|must be owner/);
});

test('not even the owner changes what is in the log', async () => {
  await expect(log.owner.pool.query('UPDATE "Event" SET "type" = "type" WHERE "seq" = 1')).rejects.toThrow(
    'append only',
  );
  await expect(log.owner.pool.query('DELETE FROM "Event" WHERE "seq" = 1')).rejects.toThrow('append only');
  await expect(log.owner.pool.query('TRUNCATE "Event"')).rejects.toThrow('append only');
});

// Last: what it cut may still lie in the pool of whoever asks next.
test('a sequencer whose connections are cut goes on with new ones', async () => {
  const head = await headOf(log);
  for (let round = 1; round <= 5; round += 1) {
    await cutConnections(log);
    await until(() =>
      write(log, someEvents(1))
        .then(() => true)
        .catch(() => false),
    );
    await headReaches(log, head + round);
  }
});
