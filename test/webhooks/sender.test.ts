import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Tell } from '../../src/events/webhook-deliveries.js';
import type { WebhookTimes } from '../../src/events/webhook-lane.js';
import { createWebhookSecrets } from '../../src/events/webhook-secret.js';
import type { WebhookLanes } from '../../src/events/webhook-sender.js';
import {
  createDomain,
  cutConnections,
  headReaches,
  openTestLog,
  someEvent,
  someEvents,
  type TestLog,
  until,
  write,
} from '../events/log.js';
import { changeAsSystem } from '../testkit/database.js';
import { isSigned, type Received, receiverOfTest } from '../testkit/receiver.js';
import { addWebhook, secrets, startSender } from './sending.js';

let log: TestLog;
beforeEach(async ({ onTestFinished }) => {
  log = await openTestLog();
  onTestFinished(log.close);
});

const send = (times: Partial<WebhookTimes> = {}, more: { tell?: Tell; lanes?: WebhookLanes } = {}) =>
  startSender(log, { times, ...more });

const webhook = (url: string, more: { domainId?: string; filter?: object } = {}) => addWebhook(log, url, more);

const seqs = (received: readonly Received[]) => received.map(({ message }) => Number(message.data.sequence));
const rowOf = async (id: string) => {
  const { rows } = await log.pool.query(
    `SELECT w."status", w."disabledReason", p."failures", p."failingSince" IS NOT NULL AS "failing", p."position"::int
     FROM "Webhook" w JOIN "WebhookProgress" p ON p."webhookId" = w."id" WHERE w."id" = $1`,
    [id],
  );
  return rows[0];
};
const deliveries = async (id: string) =>
  (
    await log.pool.query<{ status: string; attempts: number; codes: (number | null)[] }>(
      `SELECT d."status", d."attempts", (SELECT array_agg(a."statusCode" ORDER BY a."number") FROM "WebhookAttempt" a WHERE a."deliveryId" = d."id") AS "codes"
       FROM "WebhookDelivery" d WHERE d."webhookId" = $1 ORDER BY d."seq"`,
      [id],
    )
  ).rows;
const allTold = (id: string, count: number) =>
  until(async () => (await deliveries(id)).filter(({ status }) => status !== 'PENDING').length === count, 20_000);

test('every event arrives once, signed as Standard Webhooks say, with its own id, in the order of its subject', async () => {
  const receiver = await receiverOfTest();
  const id = await webhook(receiver.url);
  send();
  const subjects = [randomUUID(), randomUUID(), randomUUID()];
  const ids = await write(
    log,
    Array.from({ length: 60 }, (_, n) => someEvent({ subjectId: subjects[n % 3]!, data: { n } })),
  );
  await allTold(id, 60);
  expect(receiver.received.map(({ headers }) => headers['webhook-id']).sort()).toEqual([...ids].sort());
  const secret = secrets.secretOf({ webhookId: id, version: 1 });
  expect(receiver.received.every((one) => isSigned(one, secret))).toBe(true);
  for (const one of receiver.received) {
    expect(one.message).toMatchObject({ type: 'DataProductUpdated', data: { id: one.headers['webhook-id'] } });
    expect(one.headers['content-type']).toBe('application/json');
  }
  for (const subject of [0, 1, 2]) {
    const of = seqs(receiver.received).filter((seq) => (seq - 1) % 3 === subject);
    expect(of).toEqual([...of].sort((a, b) => a - b));
  }
  expect(isSigned({ ...receiver.received[0]!, body: `${receiver.received[0]!.body} ` }, secret)).toBe(false);
});

test('a webhook of a domain is told what its members may hear, one of the mesh everything, and a filter narrows', async () => {
  const [commerce, finance] = [await createDomain(log, 'commerce'), await createDomain(log, 'finance')];
  const receivers = [await receiverOfTest(), await receiverOfTest(), await receiverOfTest()];
  const [own, mesh, filtered] = [
    await webhook(receivers[0]!.url, { domainId: commerce }),
    await webhook(receivers[1]!.url),
    await webhook(receivers[2]!.url, { filter: { types: ['DomainReady'] } }),
  ];
  send();
  const audience = (domains: string[], subjects: string[] = []) => ({ public: false, domains, subjects });
  await write(log, [
    someEvent({ audience: audience([commerce]) }),
    someEvent({ audience: audience([finance]) }),
    someEvent({ audience: audience([], ['ada', `webhook:${own}`, '']) }),
    someEvent({ audience: audience([finance, commerce]) }),
    someEvent({ type: 'DomainReady' }),
  ]);
  await Promise.all([allTold(own, 3), allTold(mesh, 5), allTold(filtered, 1)]);
  expect((await deliveries(own)).map(({ status }) => status)).toEqual(['SUCCEEDED', 'SUCCEEDED', 'SUCCEEDED']);
  expect(receivers.map(({ received }) => seqs(received).sort())).toEqual([[1, 4, 5], [1, 2, 3, 4, 5], [5]]);
});

test('who may no longer hear of an event when it is sent is not told', async () => {
  const receiver = await receiverOfTest();
  let may = true;
  receiver.answer(() => {
    may = false;
    return 500;
  });
  const id = await webhook(receiver.url);
  send({}, { tell: (_, event) => (may ? event : undefined) });
  await write(log, someEvents(1));
  await allTold(id, 1);
  expect(receiver.received).toHaveLength(1);
  expect(await deliveries(id)).toEqual([{ status: 'FAILED', attempts: 2, codes: [500, null] }]);
});

describe('a receiver that fails', () => {
  test('is tried again with the same bytes and id, until it takes it', async () => {
    const receiver = await receiverOfTest();
    receiver.answer((_, before) => (before < 3 ? [500, 503, 302][before]! : 200));
    const id = await webhook(receiver.url);
    send();
    await write(log, someEvents(1));
    await allTold(id, 1);
    expect(await deliveries(id)).toEqual([{ status: 'SUCCEEDED', attempts: 4, codes: [500, 503, 302, 200] }]);
    expect(new Set(receiver.received.map(({ body }) => body)).size).toBe(1);
    expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    expect(await rowOf(id)).toMatchObject({ status: 'ENABLED', failures: 0, failing: false });
  });

  test('is given up after the last try, and the next event of the subject follows', async () => {
    const receiver = await receiverOfTest();
    receiver.answer(({ message }) => (message.data.sequence === '1' ? 500 : 200));
    const id = await webhook(receiver.url);
    send();
    const subjectId = randomUUID();
    await write(log, [someEvent({ subjectId }), someEvent({ subjectId }), someEvent()]);
    await allTold(id, 3);
    expect((await deliveries(id)).map(({ status, attempts }) => [status, attempts])).toEqual([
      ['FAILED', 5],
      ['SUCCEEDED', 1],
      ['SUCCEEDED', 1],
    ]);
    const order = seqs(receiver.received);
    expect(order.indexOf(2)).toBeGreaterThan(order.lastIndexOf(1));
    expect(order.indexOf(3)).toBeLessThan(order.lastIndexOf(1));
  });

  test('and asks to wait is left alone for so long, with all that there is for it', async () => {
    const receiver = await receiverOfTest();
    receiver.answer((_, before) =>
      before === 0 ? (response) => response.writeHead(429, { 'retry-after': '2' }).end() : 200,
    );
    const id = await webhook(receiver.url);
    send();
    await write(log, someEvents(1));
    await until(() => receiver.received.length === 1);
    await write(log, someEvents(1));
    await allTold(id, 2);
    const [first, ...later] = receiver.received.map(({ at }) => at);
    for (const at of later) expect(at - first!).toBeGreaterThanOrEqual(1_900);
  });

  test('for too long is turned off, and the log says so; turned on, it goes on where it was', async () => {
    const receiver = await receiverOfTest();
    receiver.answer(() => 500);
    const domainId = await createDomain(log, 'commerce');
    const id = await webhook(receiver.url, { domainId, filter: { types: ['DataProductUpdated'] } });
    send({ disableAfterMs: 200, retriesMs: Array.from({ length: 100 }, () => 30) });
    await write(log, someEvents(2));
    await until(async () => (await rowOf(id))?.status === 'DISABLED', 20_000);
    expect(await rowOf(id)).toMatchObject({ disabledReason: 'FAILING' });
    const { rows } = await log.pool.query(
      `SELECT "type", "data", "audienceDomains", "actor" ->> 'kind' AS "by" FROM (SELECT * FROM "Event" UNION ALL SELECT 0, "id", "type", "version", "subjectType",
        "subjectId", "subject", "domainId", "productId", "audiencePublic", "audienceDomains", "audienceSubjects", "actor", "correlationId", "causationId",
        "occurredAt", "data", "canonical", '' FROM "EventPending") e WHERE "type" = 'WebhookDisabled'`,
    );
    expect(rows).toEqual([
      {
        type: 'WebhookDisabled',
        by: 'SYSTEM',
        audienceDomains: [domainId],
        data: { reason: 'FAILING', receiver: new URL(receiver.url).host },
      },
    ]);
    const before = receiver.received.length;
    await write(log, someEvents(3));
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(receiver.received).toHaveLength(before);
    receiver.answer(() => 200);
    await changeAsSystem(log.owner.pool, `UPDATE "Webhook" SET "status" = 'ENABLED', "disabledAt" = NULL`);
    await log.owner.pool.query(
      'UPDATE "WebhookProgress" SET "failures" = 0, "failingSince" = NULL, "pausedUntil" = NULL',
    );
    await allTold(id, 5);
    expect((await deliveries(id)).map(({ status }) => status)).toEqual(Array.from({ length: 5 }, () => 'SUCCEEDED'));
  });

  test('and says 410 is turned off at once', async () => {
    const receiver = await receiverOfTest();
    receiver.answer(() => 410);
    const id = await webhook(receiver.url);
    send();
    await write(log, someEvents(1));
    await until(async () => (await rowOf(id))?.status === 'DISABLED');
    expect(await rowOf(id)).toMatchObject({ disabledReason: 'GONE' });
    expect(receiver.received).toHaveLength(1);
  });
});

test('receivers that never answer hold back no other', async () => {
  const [slow, well] = [await receiverOfTest(), await receiverOfTest()];
  slow.answer(() => () => undefined);
  for (let n = 0; n < 5; n += 1) await webhook(slow.url);
  const id = await webhook(well.url);
  send({ retriesMs: [5_000] });
  await write(log, someEvents(100));
  const began = Date.now();
  await allTold(id, 100);
  expect(well.received).toHaveLength(100);
  expect(Math.max(...well.received.map(({ at }) => at)) - began).toBeLessThan(8_000);
  expect(slow.received.length).toBeGreaterThan(0);
});

test('receivers for which there is much to do take the places of no other for long', async () => {
  const [busy, other] = [await receiverOfTest(), await receiverOfTest()];
  busy.answer(() => (response) => setTimeout(() => response.writeHead(204).end(), 10));
  for (let n = 0; n < 2; n += 1) await webhook(busy.url);
  await webhook(other.url, { filter: { types: ['DomainReady'] } });
  const count = 200;
  await write(log, someEvents(count));
  await write(log, [someEvent({ type: 'DomainReady' })]);
  await headReaches(log, count + 1);
  send({}, { lanes: { well: 2, failing: 1 } });
  await until(() => other.received.length === 1, 60_000);
  expect(busy.received.length).toBeLessThan(count);
});

test('deliveries that are over are forgotten after a month, by an index, and no others', async () => {
  const id = await webhook((await receiverOfTest()).url);
  const fill = (count: number, { status, days }: { status: string; days: number }) =>
    log.owner.pool.query(
      `INSERT INTO "WebhookDelivery" ("id", "webhookId", "messageId", "seq", "eventType", "subjectId", "status", "nextAttemptAt", "createdAt")
       SELECT gen_random_uuid(), $1, gen_random_uuid(), n, 'DataProductUpdated', gen_random_uuid(), $3::"WebhookDeliveryStatus",
         CASE WHEN $3 = 'PENDING' THEN now() + interval '1 day' END, now() - $4 * interval '1 day' FROM generate_series(1, $2::int) n`,
      [id, count, status, days],
    );
  await fill(2_500, { status: 'SUCCEEDED', days: 31 });
  await fill(5, { status: 'FAILED', days: 31 });
  await fill(7, { status: 'PENDING', days: 31 });
  await fill(9_000, { status: 'SUCCEEDED', days: 29 });
  await log.owner.pool.query('ANALYZE "WebhookDelivery"');
  const { rows } = await log.owner.pool.query<{ 'QUERY PLAN': string }>(
    `EXPLAIN SELECT "id" FROM "WebhookDelivery" WHERE "status" <> 'PENDING' AND "createdAt" < now() - interval '30 days' ORDER BY "createdAt" LIMIT 1000`,
  );
  expect(rows.map((row) => row['QUERY PLAN']).join()).toContain('WebhookDelivery_over');
  send();
  await until(async () => (await deliveries(id)).length === 9_007, 20_000);
  expect((await deliveries(id)).filter(({ status }) => status === 'PENDING')).toHaveLength(7);
});

test('of several processes one sends; when it ends another goes on, and nothing is lost', async () => {
  const receiver = await receiverOfTest();
  const id = await webhook(receiver.url);
  const first = send();
  await until(() => first.lastRunAt !== null);
  send();
  await write(log, someEvents(50));
  await until(() => receiver.received.length >= 20, 20_000);
  await first.stop();
  await write(log, someEvents(50));
  await allTold(id, 100);
  const ids = receiver.received.map(({ headers }) => headers['webhook-id']);
  expect(new Set(ids).size).toBe(100);
  expect(ids).toHaveLength(100);
});

test('a sender whose connections are cut goes on: what it had in flight comes again under its id', async () => {
  const receiver = await receiverOfTest();
  const id = await webhook(receiver.url);
  send();
  await write(log, someEvents(200));
  for (let cut = 0; cut < 5; cut += 1) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    await cutConnections(log);
  }
  await until(async () => (await deliveries(id)).filter(({ status }) => status === 'SUCCEEDED').length === 200, 30_000);
  expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(200);
}, 60_000);

test('a webhook whose next events are no longer stored is turned off rather than passed over', async () => {
  const receiver = await receiverOfTest();
  await write(log, someEvents(20));
  await headReaches(log, 20);
  const id = await webhook(receiver.url);
  await log.owner.pool.query('UPDATE "WebhookProgress" SET "position" = 5');
  await log.owner.pool.query(
    'ALTER TABLE "Event" DISABLE TRIGGER USER; DELETE FROM "Event" WHERE "seq" < 10; ALTER TABLE "Event" ENABLE TRIGGER USER',
  );
  send();
  await until(async () => (await rowOf(id))?.status === 'DISABLED');
  expect(await rowOf(id)).toMatchObject({ disabledReason: 'MISSED_EVENTS', position: 5 });
  expect(receiver.received).toEqual([]);
});

describe('secrets', () => {
  test('while two are good, both verify; then the new one alone; another webhook has another', async () => {
    const receiver = await receiverOfTest();
    const id = await webhook(receiver.url);
    const secretOf = (version: number) => secrets.secretOf({ webhookId: id, version });
    const verifying = async () => {
      const before = receiver.received.length;
      await write(log, someEvents(1));
      await until(() => receiver.received.length > before);
      return [1, 2].filter((version) => isSigned(receiver.received.at(-1)!, secretOf(version)));
    };
    send();
    expect(await verifying()).toEqual([1]);
    const rotate = (ends: string) =>
      changeAsSystem(log.owner.pool, `UPDATE "Webhook" SET "secretVersion" = 2, "previousSecretEndsAt" = ${ends}`);
    await rotate(`now() + interval '1 hour'`);
    expect(await verifying()).toEqual([1, 2]);
    await rotate('now()');
    expect(await verifying()).toEqual([2]);
    expect(isSigned(receiver.received.at(-1)!, secrets.secretOf({ webhookId: randomUUID(), version: 2 }))).toBe(false);
  });

  test('hang on the key, and what two keys sign verifies with either', () => {
    const [one, other] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
    const name = { webhookId: randomUUID(), version: 1 };
    const [alone, moved] = [createWebhookSecrets([one]), createWebhookSecrets([other, one])];
    expect(alone.secretOf(name)).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(moved.secretOf(name)).not.toBe(alone.secretOf(name));
    expect(createWebhookSecrets([one]).secretOf(name)).toBe(alone.secretOf(name));
    const at = new Date();
    const message = { id: randomUUID(), at, body: '{}' };
    const headers = {
      'webhook-id': message.id,
      'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
      'webhook-signature': moved.sign([name], message),
    } as never;
    const received = { headers, body: '{}', at: 0, message: {} as never };
    expect([alone, moved].map((keys) => isSigned(received, keys.secretOf(name)))).toEqual([true, true]);
  });
});
