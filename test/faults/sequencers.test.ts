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

/** One sequencer after the other, each killed after 400 ms and counted. */
async function killOver(over: () => boolean, kills: { count: number }): Promise<void> {
  while (!over()) {
    const child: Child | undefined = await startChild({ run: 'sequence', databaseUrl: postgres.serverUrl }).catch(
      () => undefined,
    );
    await sleep(400);
    await child?.end('SIGKILL');
    kills.count += 1;
  }
}

test('two sequencers killed all the time, and Postgres stopped at once: nothing is lost, nothing twice, no number left out', {
  timeout: 180_000,
}, async () => {
  const lasts = atScale({ quick: 6_000, soak: 30_000 });
  const restarts = atScale({ quick: 1, soak: 2 });
  const began = Date.now();
  const committed: string[] = [];
  const [unsure, kills] = [{ count: 0 }, { count: 0 }];
  // On a busy machine it takes longer until enough has happened.
  const over = (): boolean => Date.now() - began > lasts && committed.length > 20 && kills.count > 2;
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
  const killing = Promise.all([killOver(over, kills), sleep(200).then(() => killOver(over, kills))]);
  const writing = Promise.all(Array.from({ length: 6 }, write));
  for (let n = 1; n <= restarts; n += 1) {
    await sleep((lasts * n) / (restarts + 1) - (Date.now() - began));
    await stopPostgres(dataDir);
    await startPostgres({ dataDir, port: postgres.port });
  }
  await Promise.all([writing, killing]);
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
});

/**
 * What others' events took, sorted, from the start of their transaction to their delivery while one transaction stayed open for so long;
 * and how many of them came before the event of that one.
 */
async function delaysWhileOpen(seconds: number): Promise<{ delays: number[]; ahead: number }> {
  const sequencer = startSequencer({ pool: database.pool, log: silent });
  const listener = startListener({ databaseUrl: postgres.serverUrl, log: silent });
  const tail = await startTail({ pool: database.pool, listener, log: silent });
  let holding = true;
  const slow = database.prisma
    .$transaction(
      async (tx) => {
        const id = await append(tx, someEvent());
        for (let second = 0; second < seconds; second += 1) await tx.$queryRaw`SELECT pg_sleep(1)::text`;
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
    const reader = await readFrom(tail);
    const began = performance.now();
    const id = await appendOne();
    if (!id) throw new Error('An event could not be written.');
    sequencer.poke();
    for await (const event of reader) if (event.id === id) break;
    took.push(performance.now() - began);
  }
  const slowId = await slow;
  sequencer.poke();
  const all = await take(events, took.length + 1);
  await Promise.all([tail.stop(), sequencer.stop(), listener.stop()]);
  return { delays: took.sort((one, other) => one - other), ahead: all.findIndex(({ id }) => id === slowId) };
}

/** Of a minute's events the 99th of a hundred; of a few, where one commit that waits for a busy disk would decide it, the middle one. */
const SHARE = atScale({ quick: 0.5, soak: 0.99 });
const most = (sorted: number[]): number => sorted[Math.ceil(sorted.length * SHARE) - 1] as number;

test('a write transaction that stays open delays nobody else', { timeout: 180_000 }, async () => {
  const held = atScale({ quick: 3, soak: 60 });
  const { delays, ahead } = await delaysWhileOpen(held);
  expect(delays.length).toBeGreaterThan(held);
  expect(most(delays)).toBeLessThan(1_000);
  // It comes with its commit, behind what overtook it; the last of them may have begun before and ended after.
  expect(ahead).toBeGreaterThanOrEqual(delays.length - 1);
});

test('were events numbered as they are written, everybody would wait for who has the last number', {
  timeout: 60_000,
}, async () => {
  const owner = openDatabase(postgres.ownerUrl, { poolSize: 1, log: silent });
  // Numbers without gaps in the order of the commits can be had this way too: by the head's lock, until the end of the transaction.
  await owner.pool.query(`
    CREATE FUNCTION number_at_once() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN PERFORM FROM "EventHead" FOR UPDATE; RETURN NEW; END $$;
    CREATE TRIGGER number_at_once BEFORE INSERT ON "EventPending" FOR EACH ROW EXECUTE FUNCTION number_at_once()`);
  const { delays, ahead } = await delaysWhileOpen(2).finally(() =>
    owner.pool.query('DROP FUNCTION number_at_once CASCADE'),
  );
  await owner.close();
  expect(most(delays)).toBeGreaterThan(1_000);
  expect(ahead).toBe(0);
});
