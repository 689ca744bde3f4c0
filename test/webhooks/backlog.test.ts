import { randomUUID } from 'node:crypto';
import { beforeEach, expect, test } from 'vitest';
import { makeDeliveries } from '../../src/events/webhook-deliveries.js';
import { createWebhookRoom, MOST_WAITING } from '../../src/events/webhook-room.js';
import type { WebhookLanes } from '../../src/events/webhook-sender.js';
import { tellWebhook } from '../../src/server/webhooks.js';
import { headReaches, openTestLog, someEvent, someEvents, type TestLog, until, write } from '../events/log.js';
import { atScale } from '../faults/scale.js';
import { type Receiver, receiverOfTest } from '../testkit/receiver.js';
import { addWebhook, startSender } from './sending.js';

/** What waits for one webhook is no affair of the others, nor of the time that its own next delivery takes. */
let log: TestLog;
beforeEach(async ({ onTestFinished }) => {
  log = await openTestLog();
  onTestFinished(log.close);
});

const send = (times: { turnMs?: number; retriesMs?: number[] } = {}, more: { lanes?: WebhookLanes } = {}) =>
  startSender(log, { times, ...more });

const SUBJECT = randomUUID();
/** As many deliveries of a webhook: a third of one subject, the others each of its own, half of them not due for a day. */
async function pile(webhook: string, count: number): Promise<void> {
  for (let first = 1; first <= count; first += 10_000) {
    await log.owner.pool.query(
      `INSERT INTO "WebhookDelivery" ("id", "webhookId", "messageId", "seq", "eventType", "subjectId", "nextAttemptAt")
       SELECT gen_random_uuid(), $1, gen_random_uuid(), n, 'DataProductUpdated', CASE n % 3 WHEN 0 THEN $4::uuid ELSE gen_random_uuid() END,
         CASE WHEN n % 3 = 1 THEN now() WHEN n % 3 = 2 THEN now() + interval '1 day' WHEN n = 3 THEN now() END
       FROM generate_series($2::int, $3::int) n`,
      [webhook, first, Math.min(first + 9_999, count), SUBJECT],
    );
  }
}

/** How many rows of deliveries were read, in the table or an index, by connections that ended. */
async function rowsRead(): Promise<number> {
  await log.owner.pool.query('SELECT pg_stat_force_next_flush()');
  const { rows } = await log.owner.pool.query<{ rows: number }>(
    `SELECT (t.seq_tup_read + (SELECT sum(i.idx_tup_read) FROM pg_stat_user_indexes i WHERE i.relid = t.relid))::int AS "rows"
     FROM pg_stat_user_tables t WHERE t.relname = 'WebhookDelivery'`,
  );
  return rows[0]!.rows;
}

test('tens of thousands of deliveries that wait for one webhook: few rows are read, another waits for none of them, and a ping is first', async () => {
  await write(log, someEvents(200));
  await headReaches(log, 200);
  const [busy, other] = [await receiverOfTest(), await receiverOfTest()];
  busy.answer(() => (response) => setTimeout(() => response.writeHead(204).end(), 20));
  const behind = await addWebhook(log, busy.url, { filter: { types: ['DomainUpdated'] } });
  await addWebhook(log, other.url);
  await pile(behind, atScale({ quick: 50_000, soak: 100_000 }));
  await log.owner.pool.query('ANALYZE "WebhookDelivery"');
  const [before, began] = [await rowsRead(), performance.now()];

  const sender = send();
  await until(() => busy.received.length > 5);
  const waits: number[] = [];
  for (let n = 0; n < 10; n += 1) {
    const happened = performance.now();
    await write(log, [someEvent({ type: 'DomainReady' })]);
    await until(() => other.received.length === n + 1);
    waits.push(performance.now() - happened);
  }
  await log.owner.pool.query(
    `INSERT INTO "WebhookDelivery" ("id", "webhookId", "kind", "messageId", "subjectId") VALUES ($1, $2, 'PING', $3, $2)`,
    [randomUUID(), behind, randomUUID()],
  );
  await until(() => busy.received.some(({ message }) => message.type === 'Ping'));
  await sender.stop();

  const seconds = (performance.now() - began) / 1_000;
  const sent = busy.received.length + other.received.length;
  await new Promise((resolve) => setTimeout(resolve, 200));
  const rows = (await rowsRead()) - before;
  expect(waits.toSorted((a, b) => a - b)[5]).toBeLessThan(1_000);
  // Once a second what waits is counted, as far as it matters.
  expect(rows - MOST_WAITING * Math.ceil(seconds)).toBeLessThan(30 * sent);
}, 60_000);

const waiting = async (webhook: string) => {
  const { rows } = await log.owner.pool.query<{ seq: number; due: boolean }>(
    `SELECT "seq"::int, "nextAttemptAt" IS NOT NULL AS "due" FROM "WebhookDelivery" WHERE "webhookId" = $1 AND "status" = 'PENDING' ORDER BY "seq"`,
    [webhook],
  );
  return rows;
};
const placeOf = async (webhook: string) => {
  const { rows } = await log.owner.pool.query<{ position: number }>(
    'SELECT "position"::int FROM "WebhookProgress" WHERE "webhookId" = $1',
    [webhook],
  );
  return rows[0]!.position;
};
const sequences = ({ received }: Receiver) => received.map(({ message }) => Number(message.data.sequence));

test('a webhook piles up so much and no more: the rest stays in the log until there is room, and is sent then', async () => {
  const [full, other] = [await receiverOfTest(), await receiverOfTest()];
  const behind = await addWebhook(log, full.url);
  await addWebhook(log, other.url);
  await log.owner.pool.query(
    `INSERT INTO "WebhookDelivery" ("id", "webhookId", "messageId", "seq", "eventType", "subjectId", "nextAttemptAt")
     SELECT gen_random_uuid(), $1, gen_random_uuid(), 1000000 + n, 'DataProductUpdated', $1, CASE n WHEN 1 THEN now() + interval '1 day' END
     FROM generate_series(1, $2::int) n`,
    [behind, MOST_WAITING],
  );
  send();
  await write(log, someEvents(20));
  await until(() => other.received.length === 20);
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect([await placeOf(behind), full.received.length]).toEqual([0, 0]);
  await log.owner.pool.query(
    `UPDATE "WebhookDelivery" SET "status" = 'FAILED', "nextAttemptAt" = NULL WHERE "webhookId" = $1 AND "seq" > 1000001`,
    [behind],
  );
  await until(() => full.received.length === 20);
  expect(await placeOf(behind)).toBe(20);
}, 30_000);

test('of each subject the earliest alone is due, and as it is over the next: none stays behind', async () => {
  const receiver = await receiverOfTest();
  receiver.answer(() => 500);
  const id = await addWebhook(log, receiver.url);
  const subjects = [randomUUID(), randomUUID(), randomUUID()];
  const happen = () =>
    write(
      log,
      Array.from({ length: 9 }, (_, n) => someEvent({ subjectId: subjects[n % 3]! })),
    );
  const sender = send({ retriesMs: [60_000] });
  await happen();
  await until(async () => (await waiting(id)).length === 9);
  await happen();
  await until(async () => (await waiting(id)).length === 18);
  await sender.stop();
  expect((await waiting(id)).filter(({ due }) => due).map(({ seq }) => seq)).toEqual([1, 2, 3]);

  await log.owner.pool.query(`UPDATE "WebhookDelivery" SET "nextAttemptAt" = now() WHERE "nextAttemptAt" IS NOT NULL`);
  await log.owner.pool.query('UPDATE "WebhookProgress" SET "pausedUntil" = NULL');
  let answers = 0;
  receiver.answer(() => {
    answers += 1;
    return answers % 2 === 0 ? 500 : 200;
  });
  send();
  await until(async () => (await waiting(id)).length === 0, 20_000);
  const firsts = [...new Set(sequences(receiver))];
  for (const subject of [0, 1, 2]) {
    const of = firsts.filter((seq) => (seq - 1) % 3 === subject);
    expect(of).toEqual([...of].sort((a, b) => a - b));
    expect(of).toHaveLength(6);
  }
}, 30_000);

test('what is sent once more goes before what waits of its subject, and holds nothing up for ever', async () => {
  const receiver = await receiverOfTest();
  receiver.answer(({ message }) => (message.data.sequence === '1' ? 500 : 200));
  const id = await addWebhook(log, receiver.url);
  const subjectId = randomUUID();
  send({ retriesMs: [] });
  await write(log, someEvents(2, { subjectId }));
  await until(async () => receiver.received.length === 2 && (await waiting(id)).length === 0);
  receiver.answer(() => 200);
  const pauseUntil = (when: string) => log.owner.pool.query(`UPDATE "WebhookProgress" SET "pausedUntil" = ${when}`);
  await pauseUntil(`now() + interval '1 hour'`);
  await write(log, someEvents(1, { subjectId }));
  await until(async () => (await waiting(id)).length === 1);
  await log.owner.pool.query(
    `UPDATE "WebhookDelivery" SET "status" = 'PENDING', "attempts" = 0, "nextAttemptAt" = now() WHERE "seq" = 1`,
  );
  await write(log, someEvents(2, { subjectId }));
  await until(async () => (await waiting(id)).length === 4);
  await pauseUntil('NULL');
  await until(async () => receiver.received.length === 6 && (await waiting(id)).length === 0);
  expect(sequences(receiver)).toEqual([1, 2, 1, 3, 4, 5]);
});

test('no delivery is made of what a webhook skips meanwhile', async () => {
  const id = await addWebhook(log, 'https://crm.example/');
  await write(log, someEvents(3));
  await headReaches(log, 3);
  const [skipping, making] = [await log.owner.pool.connect(), await log.pool.connect()];
  try {
    await skipping.query('BEGIN');
    await skipping.query('UPDATE "WebhookProgress" SET "position" = 3 WHERE "webhookId" = $1', [id]);
    const made = makeDeliveries(making, { tell: tellWebhook, room: createWebhookRoom() });
    await until(async () => {
      const { rows } = await log.pool.query(
        `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%WebhookProgress%'`,
      );
      return rows.length === 1;
    });
    await skipping.query('COMMIT');
    await made;
  } finally {
    skipping.release();
    making.release();
  }
  expect(await waiting(id)).toEqual([]);
});

test('a subject that its receiver is slow to take holds up no other', async () => {
  const receiver = await receiverOfTest();
  receiver.answer(({ message }) => {
    if (message.data.sequence !== '1') return 204;
    return (response) => void until(() => receiver.received.length === 11).then(() => response.writeHead(204).end());
  });
  const id = await addWebhook(log, receiver.url);
  await write(log, [someEvent(), ...someEvents(10, { subjectId: randomUUID() })]);
  await headReaches(log, 11);
  send();
  await until(async () => receiver.received.length >= 11 && (await waiting(id)).length === 0);
  expect(sequences(receiver)).toHaveLength(11);
});

test('a slow receiver for which there is much to do takes the place of no other for long', async () => {
  const [slow, other] = [await receiverOfTest(), await receiverOfTest()];
  slow.answer(() => (response) => setTimeout(() => response.writeHead(204).end(), 100));
  await addWebhook(log, slow.url, { filter: { types: ['DataProductUpdated'] } });
  await addWebhook(log, other.url, { filter: { types: ['DomainReady'] } });
  await write(log, someEvents(30, { subjectId: randomUUID() }));
  await headReaches(log, 30);
  send({ turnMs: 300 }, { lanes: { well: 1, failing: 1 } });
  await until(() => slow.received.length > 0);
  await write(log, [someEvent({ type: 'DomainReady' })]);
  await until(() => other.received.length === 1);
  expect(slow.received.length).toBeLessThan(15);
});
