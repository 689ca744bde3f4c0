import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { headOf, headReaches, openTestLog, someEvents, type TestLog, write } from './log.js';

let log: TestLog;
beforeAll(async () => {
  log = await openTestLog();
});
afterAll(() => log.close());

const SECOND = 'Event_000000001';
/** What the log is made of on one partition: the definitions of its indexes, triggers and checks, without names. */
const madeOf = async (partition: string): Promise<unknown[]> => {
  const { rows } = await log.owner.pool.query(
    `SELECT regexp_replace(pg_get_indexdef(indexrelid), '^.* USING ', '') AS "of" FROM pg_index WHERE indrelid = $1::regclass
     UNION ALL SELECT tgname FROM pg_trigger WHERE tgrelid = $1::regclass
     UNION ALL SELECT conname || pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = $1::regclass AND contype = 'c'
     UNION ALL SELECT attname || atttypid::regtype || attnotnull FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0
     ORDER BY 1`,
    [`"${partition}"`],
  );
  return rows;
};

test('the next partition is made while a backup reads the log, and holds nobody up', async () => {
  await write(log, someEvents(3));
  await headReaches(log, 3);
  // With so many numbers given, the next partition is due.
  await log.owner.pool.query('UPDATE "EventHead" SET "seq" = 499995');
  const backup = new pg.Client({ connectionString: log.urls.ownerUrl });
  await backup.connect();
  // As pg_dump holds it from its beginning to its end.
  await backup.query('BEGIN ISOLATION LEVEL REPEATABLE READ; LOCK TABLE "Event" IN ACCESS SHARE MODE');
  try {
    await write(log, someEvents(10));
    await headReaches(log, 500_005);
    const { rows } = await log.pool.query('SELECT count(*)::int AS "count" FROM "Event" WHERE "seq" >= 499996');
    expect(rows).toEqual([{ count: 10 }]);
    expect((await backup.query('SELECT to_regclass($1) AS "made"', [`"${SECOND}"`])).rows[0]?.made).not.toBeNull();
  } finally {
    await backup.query('COMMIT');
    await backup.end();
  }
});

test('the next partition has what the first has: indexes, checks, and that nothing in it is changed', async () => {
  expect(await madeOf(SECOND)).toEqual(await madeOf('Event_000000000'));
  await log.owner.pool.query('UPDATE "EventHead" SET "seq" = 999995');
  await write(log, someEvents(10));
  await headReaches(log, 1_000_005);
  const { rows } = await log.owner.pool.query(`SELECT count(*)::int AS "count" FROM "${SECOND}"`);
  expect(rows).toEqual([{ count: 6 }]);
  for (const change of ['UPDATE "Event" SET "type" = "type" WHERE "seq" = 1000001', `DELETE FROM "${SECOND}"`]) {
    await expect(log.owner.pool.query(change)).rejects.toThrow('append only');
  }
  for (const reading of ['SELECT * FROM', 'DELETE FROM']) {
    await expect(log.pool.query(`${reading} "${SECOND}"`)).rejects.toThrow('permission denied');
  }
});

test('while somebody analyses the log the next partition waits and the events do not; it is tried again, and waited for once it must be', async () => {
  const made = async (name: string) =>
    (await log.owner.pool.query('SELECT to_regclass($1) IS NOT NULL AS "made"', [`"${name}"`])).rows[0].made;
  const analyst = new pg.Client({ connectionString: log.urls.ownerUrl });
  await analyst.connect();
  await analyst.query('BEGIN; ANALYZE "Event"');
  try {
    await log.owner.pool.query('UPDATE "EventHead" SET "seq" = 1499995');
    const began = performance.now();
    await write(log, someEvents(10));
    await headReaches(log, 1_500_005);
    expect(performance.now() - began).toBeLessThan(2_000);
    expect(await made('Event_000000002')).toBe(false);
    await analyst.query('COMMIT');
    await write(log, someEvents(1));
    await headReaches(log, 1_500_006);
    expect(await made('Event_000000002')).toBe(true);
    await analyst.query('BEGIN; ANALYZE "Event"');
    await log.owner.pool.query('UPDATE "EventHead" SET "seq" = 2999995');
    await write(log, someEvents(10));
    const waits = log.pool.query('SELECT sequence_events(10)');
    await Promise.race([waits, new Promise((resolve) => setTimeout(resolve, 500))]);
    expect(await headOf(log)).toBe(2_999_995);
    await analyst.query('COMMIT');
    await waits;
    await headReaches(log, 3_000_005);
    expect(await made('Event_000000003')).toBe(true);
  } finally {
    await analyst.end();
  }
});
