import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { appendAll } from '../../src/events/append.js';
import { createWebhookSecrets } from '../../src/events/webhook-secret.js';
import { type Database, openDatabase } from '../../src/server/database.js';
import { someEvent, until } from '../events/log.js';
import { createTestDatabase } from '../testkit/database.js';
import { type MeshProcess, processMeshOfTest } from '../testkit/process-mesh.js';
import { isSigned, receiverOfTest } from '../testkit/receiver.js';

/** The worker that sends webhooks is killed by the kernel at each step of a delivery: every event arrives, under its own id. */
const KEY = Buffer.alloc(32, 5);
// Its events are made up, and about nothing.
const urls = await createTestDatabase({ madeUp: true });
const mesh = await processMeshOfTest({ accounts: ['222233334444'], database: urls });
const receiver = await receiverOfTest();
const webhook = randomUUID();
const subjects = Array.from({ length: 6 }, () => randomUUID());
let database: Database;
let worker: MeshProcess;

beforeAll(async () => {
  database = openDatabase(mesh.ownerUrl, { poolSize: 2 });
  const environment = { MESHGATE_WEBHOOK_KEYS: KEY.toString('base64'), MESHGATE_WEBHOOK_NETWORKS: '127.0.0.1' };
  worker = await mesh.worker({ environment });
  await mesh.query(
    `INSERT INTO "Webhook" ("id", "name", "url", "filter", "createdBy") VALUES ($1, 'killed', $2, '{}', 'ada')`,
    [webhook, receiver.url],
  );
  await mesh.query('INSERT INTO "WebhookProgress" ("webhookId", "position") VALUES ($1, 0)', [webhook]);
  await worker.start();
}, 60_000);
afterAll(async () => {
  await database.close();
  await urls.leave();
});

/** Two events of each subject. */
const happen = () =>
  appendAll(
    database.prisma,
    [...subjects, ...subjects].map((subjectId) => someEvent({ subjectId })),
  );
const idsOf = (from = 0) => receiver.received.slice(from).map(({ headers }) => String(headers['webhook-id']));

const statement = (when: 'before' | 'after', part: string) => () =>
  worker.postgres.hold({ when, matches: ({ sql }) => sql.includes(part) });
const MADE = 'INSERT INTO "WebhookDelivery"';
const NOTED = 'INSERT INTO "WebhookAttempt"';
/** The receiver has it, and what it answers comes too late. */
const received = () =>
  new Promise<void>((reached) => {
    receiver.answer(() => () => reached());
  });
const POINTS: [string, () => Promise<unknown>][] = [
  ['before its deliveries are made', statement('before', MADE)],
  ['after its deliveries were made', statement('after', MADE)],
  ['while the receiver has it', received],
  ['when it has arrived, before that is noted', statement('before', NOTED)],
  ['after it was noted', statement('after', NOTED)],
];

test('a sender killed in mid-delivery loses nothing: what it had under way comes again, under the same id', async () => {
  let repeated = 0;
  for (const [name, hold] of POINTS) {
    const before = receiver.received.length;
    const reached = hold();
    await happen();
    const late = new Promise((_, fail) =>
      setTimeout(() => fail(new Error(`Nothing came to the point ${name}.`)), 20_000),
    );
    await Promise.race([reached, late]);
    await worker.kill();
    const underWay = idsOf(before);
    receiver.answer(() => 204);
    const from = receiver.received.length;
    await worker.start();
    const all = (await mesh.query<{ id: string }>('SELECT "id"::text FROM "Event" ORDER BY "seq"')).map(({ id }) => id);
    await until(() => all.every((id) => idsOf().includes(id)), 30_000);
    if (hold === received) await until(() => underWay.every((id) => idsOf(from).includes(id)), 30_000);
    repeated += underWay.filter((id) => idsOf(from).includes(id)).length;
  }
  const events = await mesh.query<{ id: string; subjectId: string }>(
    'SELECT "id"::text, "subjectId"::text FROM "Event" ORDER BY "seq"',
  );
  expect(events).toHaveLength(POINTS.length * 12);
  await until(async () => {
    const left = await mesh.query(`SELECT FROM "WebhookDelivery" WHERE "status" <> 'SUCCEEDED'`);
    return left.length === 0;
  }, 20_000);
  expect(new Set(idsOf())).toEqual(new Set(events.map(({ id }) => id)));
  expect(repeated).toBeGreaterThan(0);
  // No more comes twice than was under way: four at once.
  expect(receiver.received.length - events.length).toBeLessThanOrEqual(4 * POINTS.length);
  const secret = createWebhookSecrets([KEY]).secretOf({ webhookId: webhook, version: 1 });
  expect(receiver.received.every((one) => isSigned(one, secret))).toBe(true);
  const bodies = new Map(receiver.received.map(({ headers, body }) => [headers['webhook-id'], body]));
  expect(receiver.received.filter(({ headers, body }) => bodies.get(headers['webhook-id']) !== body)).toEqual([]);
  // Of each subject they came in their order, as far as they came for the first time.
  const firsts = [...new Set(idsOf())];
  for (const subject of subjects) {
    const wanted = events.filter(({ subjectId }) => subjectId === subject).map(({ id }) => id);
    expect(firsts.filter((id) => wanted.includes(id))).toEqual(wanted);
  }
}, 120_000);
