import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { append } from '../../src/events/append.js';
import { startListener } from '../../src/events/listen.js';
import { startSequencer } from '../../src/events/sequencer.js';
import { startTail } from '../../src/events/tail.js';
import { startPostgres, stopPostgres } from '../../src/sandbox/postgres.js';
import { openDatabase } from '../../src/server/database.js';
import { migrate } from '../../src/server/migrate.js';
import { numbers, silent, someEvent, take, until } from '../events/log.js';
import { readFrom } from '../events/reader.js';
import { type Child, startChild } from '../testkit/child.js';
import { atScale } from './scale.js';

/** A Postgres of the file's own, so that it can be stopped in the middle; commits are as durable as in production. */
const dataDir = mkdtempSync(join(tmpdir(), 'meshgate-sequencers-'));
const postgres = await startPostgres({ dataDir });
await migrate(postgres.ownerUrl, silent);
const database = openDatabase(postgres.serverUrl, { poolSize: 12, log: silent });
afterAll(async () => {
  await database.close();
  await stopPostgres(dataDir);
  rmSync(dataDir, { recursive: true, force: true });
});

/** Appends one event; undefined: the connection was lost, so that nobody knows whether it was committed. */
const appendOne = (): Promise<string | undefined> =>
  database.prisma.$transaction((tx) => append(tx, someEvent())).catch(() => undefined);

/** One sequencer after the other, each killed after so long. */
async function killOver(ms: number, until: () => boolean): Promise<number> {
  let kills = 0;
  while (!until()) {
    const child: Child | undefined = await startChild({ run: 'sequence', databaseUrl: postgres.serverUrl }).catch(
      () => undefined,
    );
    await sleep(ms);
    await child?.end('SIGKILL');
    kills += 1;
  }
  return kills;
}

test('two sequencers killed all the time, and Postgres stopped at once: nothing is lost, nothing twice, no number left out', {
  timeout: 180_000,
}, async () => {
  const lasts = atScale({ quick: 6_000, soak: 30_000 });
  const restarts = atScale({ quick: 1, soak: 2 });
  const began = Date.now();
  const over = (): boolean => Date.now() - began > lasts;
  const committed: string[] = [];
  const unsure = { count: 0 };
  const write = async (): Promise<void> => {
    while (!over()) {
      const id = await appendOne();
      if (id) committed.push(id);
      else {
        unsure.count += 1;
        await sleep(50);
      }
    }
  };
  const killing = Promise.all([killOver(400, over), sleep(200).then(() => killOver(400, over))]);
  const writing = Promise.all(Array.from({ length: 6 }, write));
  for (let n = 1; n <= restarts; n += 1) {
    await sleep((lasts * n) / (restarts + 1) - (Date.now() - began));
    await stopPostgres(dataDir);
    await startPostgres({ dataDir, port: postgres.port });
  }
  await writing;
  const kills = (await killing).reduce((all, some) => all + some, 0);
  const last = startSequencer({ pool: database.pool, log: silent });
  await until(async () => (await database.prisma.eventPending.count()) === 0, 30_000);
  await last.stop();
  const { rows } = await database.pool.query<{ seq: string; id: string }>(
    'SELECT "seq", "id" FROM "Event" ORDER BY "seq"',
  );
  expect(rows.map(({ seq }) => BigInt(seq))).toEqual(numbers(1, rows.length));
  const logged = new Set(rows.map(({ id }) => id));
  expect(logged.size).toBe(rows.length);
  expect(committed.filter((id) => !logged.has(id))).toEqual([]);
  expect(rows.length - committed.length).toBeLessThanOrEqual(unsure.count);
  expect(kills).toBeGreaterThan(4);
  expect(committed.length).toBeGreaterThan(50);
});

test('a write transaction that stays open delays nobody else', { timeout: 180_000 }, async () => {
  const held = atScale({ quick: 4, soak: 60 });
  const sequencer = startSequencer({ pool: database.pool, log: silent });
  const listener = startListener({ databaseUrl: postgres.serverUrl, log: silent });
  const tail = await startTail({ pool: database.pool, listener, log: silent });
  let holding = true;
  const slow = database.prisma
    .$transaction(
      async (tx) => {
        const id = await append(tx, someEvent());
        for (let second = 0; second < held; second += 1) await tx.$queryRaw`SELECT pg_sleep(1)::text`;
        return id;
      },
      { timeout: 120_000 },
    )
    .finally(() => {
      holding = false;
    });
  await sleep(200);
  const events = await readFrom(tail);
  const took: number[] = [];
  while (holding) {
    const next = take(await readFrom(tail), 1);
    const id = await appendOne();
    const committed = performance.now();
    sequencer.poke();
    const [event] = await next;
    if (event?.id === id) took.push(performance.now() - committed);
  }
  const sorted = took.sort((one, other) => one - other);
  expect(sorted.length).toBeGreaterThan(held);
  expect(sorted[Math.ceil(sorted.length * 0.99) - 1]).toBeLessThan(1_000);
  // It comes with its commit, behind what overtook it.
  const slowId = await slow;
  sequencer.poke();
  const all = await take(events, took.length + 1);
  expect(all.at(-1)?.id).toBe(slowId);
  await Promise.all([tail.stop(), sequencer.stop(), listener.stop()]);
});
