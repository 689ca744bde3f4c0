import fc from 'fast-check';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { verifyChain } from '../../src/events/verify.js';
import { headReaches, openTestLog, someEvent, someEvents, type TestLog, write } from './log.js';

const logs: TestLog[] = [];
let log: TestLog;
beforeEach(async () => {
  log = await openTestLog();
  logs.push(log);
});
afterAll(async () => {
  for (const opened of logs) await opened.close();
});

/** What only somebody with the owner's or a superuser's rights can do. */
async function tamper(sql: string): Promise<void> {
  await log.owner.pool.query(
    `ALTER TABLE "Event" DISABLE TRIGGER USER; ${sql}; ALTER TABLE "Event" ENABLE TRIGGER USER`,
  );
}

async function fill(): Promise<void> {
  await write(log, someEvents(40), 7);
  await headReaches(log, 40);
}

test('an empty log is intact', async () => {
  expect(await verifyChain(log.pool)).toEqual({ ok: true, head: 0n });
});

test('a log that nobody touched is intact, as a whole and in part', async () => {
  await fill();
  expect(await verifyChain(log.pool)).toEqual({ ok: true, head: 40n });
  expect(await verifyChain(log.pool, { from: 11n, to: 30n })).toEqual({ ok: true, head: 30n });
});

test('whatever an event says, its hash can be recomputed', async () => {
  const storable = fc
    .dictionary(fc.string(), fc.jsonValue({ stringUnit: 'grapheme' }))
    .filter((data) => !/\\u0000|\\u[dD][89a-fA-F]|__proto__/.test(JSON.stringify(data)));
  const events = fc.sample(storable, { numRuns: 200, seed: 11 }).map((data) => someEvent({ data }));
  await write(log, events);
  await headReaches(log, 200);
  expect(await verifyChain(log.pool)).toEqual({ ok: true, head: 200n });
});

test.each([
  ['its data', `UPDATE "Event" SET "data" = '{"n": 99}' WHERE "seq" = 17`],
  ['its actor', `UPDATE "Event" SET "actor" = jsonb_set("actor", '{subject}', '"mallory"') WHERE "seq" = 17`],
  ['its audience', `UPDATE "Event" SET "audiencePublic" = false WHERE "seq" = 17`],
  ['its time', `UPDATE "Event" SET "occurredAt" = "occurredAt" + interval '1 ms' WHERE "seq" = 17`],
  ['its text', `UPDATE "Event" SET "canonical" = "canonical" || ' ' WHERE "seq" = 17`],
  ['its hash', `UPDATE "Event" SET "hash" = sha256("hash") WHERE "seq" = 17`],
  [
    'its data and text and hash',
    `UPDATE "Event" AS e SET "data" = '{"n": 99}', "canonical" = c, "hash" = sha256((SELECT "hash" FROM "Event" WHERE "seq" = 16) || convert_to(E'17\\n' || c, 'UTF8'))
     FROM (SELECT replace("canonical", '"data":{"n":16}', '"data":{"n":99}') AS c FROM "Event" WHERE "seq" = 17) AS t WHERE "seq" = 17`,
    18n,
  ],
  ['it to another number', `DELETE FROM "Event" WHERE "seq" = 18; UPDATE "Event" SET "seq" = 18 WHERE "seq" = 17`],
  ['it away', `DELETE FROM "Event" WHERE "seq" = 17`],
])('a superuser who changes %s is found out', async (_what, sql, firstBad = 17n) => {
  await fill();
  await tamper(sql);
  expect(await verifyChain(log.pool)).toEqual({ ok: false, head: firstBad - 1n, firstBad });
});

test('a log cut short at either end is found out', async () => {
  await fill();
  await tamper('DELETE FROM "Event" WHERE "seq" > 35');
  expect(await verifyChain(log.pool)).toEqual({ ok: false, head: 35n, firstBad: 36n });
  await tamper('DELETE FROM "Event" WHERE "seq" <= 5');
  expect(await verifyChain(log.pool)).toEqual({ ok: false, head: 0n, firstBad: 1n });
});

test('a last event that was replaced along with its hash does not match the counter', async () => {
  await fill();
  await tamper(
    `UPDATE "Event" SET "data" = '{}', "canonical" = replace("canonical", '"data":{"n":39}', '"data":{}') WHERE "seq" = 40;
     UPDATE "Event" SET "hash" = sha256((SELECT "hash" FROM "Event" WHERE "seq" = 39) || convert_to(E'40\\n' || "canonical", 'UTF8')) WHERE "seq" = 40`,
  );
  expect(await verifyChain(log.pool)).toEqual({ ok: false, head: 39n, firstBad: 40n });
});
