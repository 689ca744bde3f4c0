import fc from 'fast-check';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { type Anchor, BadRange, verifyChain, verifyPart } from '../../src/events/verify.js';
import { type VerifyFlags, verifyAuditTrail } from '../../src/server/audit-commands.js';
import { headReaches, openTestLog, someEvent, someEvents, type TestLog, write } from './log.js';

let log: TestLog;
beforeEach(async ({ onTestFinished }) => {
  const opened = await openTestLog();
  log = opened;
  onTestFinished(opened.close);
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

test('an anchor counts as compared by the part alone that it lies in', async () => {
  await fill();
  const hash = Buffer.alloc(32, 1);
  for (const [from, to] of [
    [5n, 20n],
    [1n, 3n],
  ] as const) {
    const anchors = [{ seq: 4n, hash }];
    expect(await verifyPart(log.pool, { from, to, anchors })).toMatchObject({ verdict: { ok: true }, compared: [] });
  }
  const { rows } = await log.pool.query<{ hash: Buffer }>('SELECT "hash" FROM "Event" WHERE "seq" = 4');
  const anchors = [{ seq: 4n, hash: rows[0]?.hash ?? hash }];
  expect(await verifyPart(log.pool, { anchors, to: 9n })).toMatchObject({ verdict: { ok: true }, compared: [4n] });
});

test('the command says which anchors it held the log to, and fails where it could not hold it to all', async () => {
  await fill();
  const { rows } = await log.pool.query<{ seq: string; hash: Buffer }>(
    'SELECT "seq", "hash" FROM "Event" ORDER BY "seq"',
  );
  const anchor = rows
    .map(({ seq, hash }) => ({ seq: BigInt(seq), hash }))
    .filter(({ seq }) => seq === 4n || seq === 9n);
  const lost = { seq: 4n, hash: Buffer.alloc(32, 1) };
  vi.stubEnv('DATABASE_URL', log.urls.serverUrl);
  const told: string[] = [];
  const verified = (flags: Partial<VerifyFlags>) =>
    verifyAuditTrail({ anchor, ...flags }, (line) => told.push(line)).then((intact) => [
      intact,
      told.splice(0).join(' '),
    ]);
  try {
    expect(await verified({})).toEqual([
      true,
      'The audit trail is as it was written, up to number 40, and as it was anchored.',
    ]);
    expect(await verified({ from: 5n })).toEqual([
      false,
      expect.stringMatching(/, and as it was anchored\. Not compared is what was anchored at 4: 5 to 40/),
    ]);
    for (const flags of [
      { from: 5n, anchor: [lost] },
      { to: 3n, anchor: [lost] },
    ]) {
      const [intact, text] = await verified(flags);
      expect(intact).toBe(false);
      expect(text).not.toContain('as it was anchored');
    }
    expect(await verified({ anchor: [lost] })).toEqual([false, expect.stringContaining('(ANCHOR)')]);
  } finally {
    vi.unstubAllEnvs();
  }
});

test('a part in which nothing can be verified is refused, by the command too, and a cut log is told in spite of that', async () => {
  await fill();
  await expect(verifyPart(log.pool, { from: 30n, to: 10n })).rejects.toThrow('Nothing lies from 30 to 10');
  await expect(verifyPart(log.pool, { from: 42n })).rejects.toThrow('ends at number 40: nothing is there from 42 on');
  const anchors = [{ seq: 50n, hash: Buffer.alloc(32, 1) }];
  expect((await verifyPart(log.pool, { from: 45n, anchors })).verdict).toMatchObject({ ok: false, firstBad: 41n });
  vi.stubEnv('DATABASE_URL', log.urls.serverUrl);
  try {
    const verified = (flags: Partial<VerifyFlags>) => verifyAuditTrail({ anchor: [], ...flags }, () => undefined);
    await expect(verified({ from: 30n, to: 10n })).rejects.toThrow(BadRange);
    await expect(verified({ from: 42n })).rejects.toThrow(BadRange);
    expect(await verified({ from: 45n, anchor: anchors })).toBe(false);
  } finally {
    vi.unstubAllEnvs();
  }
  // What stands beyond a counter that was turned back is no end.
  await tamper(`UPDATE "EventHead" SET "seq" = 33, "hash" = (SELECT "hash" FROM "Event" WHERE "seq" = 33)`);
  expect((await verifyPart(log.pool, { from: 38n })).verdict).toMatchObject({ ok: false, reason: 'HEAD' });
});

test('a log is verified part by part, each going on where the one before has left off', async () => {
  await fill();
  const parts = [];
  for (let from: bigint | null | undefined; from !== null; from = parts.at(-1)?.next) {
    parts.push(await verifyPart(log.pool, { from }, 15n));
  }
  expect(parts).toEqual([
    { verdict: { ok: true, head: 15n }, compared: [], next: 16n },
    { verdict: { ok: true, head: 30n }, compared: [], next: 31n },
    { verdict: { ok: true, head: 40n }, compared: [], next: null },
  ]);
  expect(await verifyPart(log.pool, { from: 16n, to: 30n }, 15n)).toEqual({
    verdict: { ok: true, head: 30n },
    compared: [],
    next: null,
  });
  await tamper('DELETE FROM "Event" WHERE "seq" = 31');
  expect((await verifyPart(log.pool, { from: 16n }, 15n)).next).toBe(31n);
  expect((await verifyPart(log.pool, { from: 31n }, 15n)).verdict).toMatchObject({ ok: false, firstBad: 31n });
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
  [
    'it to another number',
    `DELETE FROM "Event" WHERE "seq" = 18; UPDATE "Event" SET "seq" = 18 WHERE "seq" = 17`,
    17n,
    'MISSING',
  ],
  ['it away', `DELETE FROM "Event" WHERE "seq" = 17`, 17n, 'MISSING'],
])('a superuser who changes %s is found out', async (_what, sql, firstBad = 17n, reason = 'CHANGED') => {
  await fill();
  await tamper(sql);
  expect(await verifyChain(log.pool)).toEqual({ ok: false, head: firstBad - 1n, firstBad, reason });
});

test('a log cut short at either end is found out', async () => {
  await fill();
  await tamper('DELETE FROM "Event" WHERE "seq" > 35');
  expect(await verifyChain(log.pool)).toEqual({ ok: false, head: 35n, firstBad: 36n, reason: 'MISSING' });
  await tamper('DELETE FROM "Event" WHERE "seq" <= 5');
  expect(await verifyChain(log.pool)).toEqual({ ok: false, head: 0n, firstBad: 1n, reason: 'MISSING' });
});

test('a last event that was replaced along with its hash does not match the counter', async () => {
  await fill();
  await tamper(
    `UPDATE "Event" SET "data" = '{}', "canonical" = replace("canonical", '"data":{"n":39}', '"data":{}') WHERE "seq" = 40;
     UPDATE "Event" SET "hash" = sha256((SELECT "hash" FROM "Event" WHERE "seq" = 39) || convert_to(E'40\\n' || "canonical", 'UTF8')) WHERE "seq" = 40`,
  );
  expect(await verifyChain(log.pool)).toEqual({ ok: false, head: 39n, firstBad: 40n, reason: 'HEAD' });
});

/** Every way to falsify the log, at any place, with the number that must be named; `a` and `b` are numbers of it, `a` the lower. */
const FALSIFICATIONS: Record<
  string,
  (at: { a: number; b: number }) => { sql: string; firstBad: number; reason: string }
> = {
  flipped: ({ a }) => ({
    sql: `UPDATE "Event" SET "data" = jsonb_set("data", '{n}', '-1') WHERE "seq" = ${a}`,
    firstBad: a,
    reason: 'CHANGED',
  }),
  'flipped in its hash': ({ a }) => ({
    sql: `UPDATE "Event" SET "hash" = set_byte("hash", 7, get_byte("hash", 7) # 1) WHERE "seq" = ${a}`,
    firstBad: a,
    reason: 'CHANGED',
  }),
  deleted: ({ a }) => ({ sql: `DELETE FROM "Event" WHERE "seq" = ${a}`, firstBad: a, reason: 'MISSING' }),
  swapped: ({ a, b }) => ({
    sql: `UPDATE "Event" SET "seq" = 999 WHERE "seq" = ${a}; UPDATE "Event" SET "seq" = ${a} WHERE "seq" = ${b};
          UPDATE "Event" SET "seq" = ${b} WHERE "seq" = 999`,
    firstBad: a,
    reason: 'CHANGED',
  }),
  truncated: ({ a }) => ({ sql: `DELETE FROM "Event" WHERE "seq" >= ${a}`, firstBad: a, reason: 'MISSING' }),
};

test('an event that was flipped, deleted, swapped or truncated is named by its number, whichever it is', async () => {
  await fill();
  await log.owner.pool.query('CREATE TABLE "saved" AS TABLE "Event"');
  const places = fc
    .tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 40 }))
    .filter(([a, b]) => a !== b)
    .map(([a, b]) => ({ a: Math.min(a, b), b: Math.max(a, b) }));
  const property = fc.asyncProperty(fc.constantFrom(...Object.keys(FALSIFICATIONS)), places, async (how, at) => {
    const { sql, firstBad, reason } = FALSIFICATIONS[how]!(at);
    await tamper(sql);
    const verdict = await verifyChain(log.pool);
    await tamper('DELETE FROM "Event"; INSERT INTO "Event" TABLE "saved"');
    expect(verdict).toEqual({ ok: false, head: BigInt(firstBad - 1), firstBad: BigInt(firstBad), reason });
  });
  await fc.assert(property, { numRuns: 60 });
  expect(await verifyChain(log.pool)).toEqual({ ok: true, head: 40n });
});

describe('what is sound in itself is held to what was anchored outside', () => {
  /** What an owner of the database who knows how the chain is made can write: from this number on, another history. */
  const rewrite = (from: number): Promise<void> =>
    tamper(`
      DO $$ DECLARE e record; previous bytea; text text; BEGIN
        SELECT "hash" INTO previous FROM "Event" WHERE "seq" = ${from} - 1;
        FOR e IN SELECT * FROM "Event" WHERE "seq" >= ${from} ORDER BY "seq" LOOP
          text := replace(e."canonical", '"correlationId":"' || e."correlationId" || '"', '"correlationId":"forged"');
          previous := sha256(previous || convert_to(e."seq"::text || E'\\n' || text, 'UTF8'));
          UPDATE "Event" SET "correlationId" = 'forged', "canonical" = text, "hash" = previous WHERE "seq" = e."seq";
        END LOOP;
        UPDATE "EventHead" SET "hash" = previous;
      END $$`);
  const anchorAt = async (seq: number): Promise<Anchor> => {
    const { rows } = await log.pool.query<{ hash: Buffer }>('SELECT "hash" FROM "Event" WHERE "seq" = $1', [seq]);
    return { seq: BigInt(seq), hash: rows[0]!.hash };
  };

  test('a history that was written anew is found between two anchors', async () => {
    await fill();
    const anchors = [await anchorAt(30), await anchorAt(10), await anchorAt(20)];
    expect(await verifyChain(log.pool, { anchors })).toEqual({ ok: true, head: 40n });
    await rewrite(15);
    expect(await verifyChain(log.pool)).toEqual({ ok: true, head: 40n });
    expect(await verifyChain(log.pool, { anchors })).toEqual({ ok: false, head: 19n, firstBad: 20n, reason: 'ANCHOR' });
  });

  test('a log that was cut together with its counter ends before its anchor', async () => {
    await fill();
    const anchors = [await anchorAt(40)];
    await tamper(
      `DELETE FROM "Event" WHERE "seq" > 33; UPDATE "EventHead" SET "seq" = 33, "hash" = (SELECT "hash" FROM "Event" WHERE "seq" = 33)`,
    );
    expect(await verifyChain(log.pool)).toEqual({ ok: true, head: 33n });
    expect(await verifyChain(log.pool, { anchors })).toEqual({
      ok: false,
      head: 33n,
      firstBad: 34n,
      reason: 'MISSING',
    });
  });

  test('a counter that was turned back leaves events beyond it', async () => {
    await fill();
    await tamper(`UPDATE "EventHead" SET "seq" = 33, "hash" = (SELECT "hash" FROM "Event" WHERE "seq" = 33)`);
    expect(await verifyChain(log.pool)).toEqual({ ok: false, head: 33n, firstBad: 34n, reason: 'HEAD' });
  });

  test('a part whose predecessor is gone has nothing to stand on', async () => {
    await fill();
    await tamper('DELETE FROM "Event" WHERE "seq" = 10');
    expect(await verifyChain(log.pool, { from: 11n })).toEqual({
      ok: false,
      head: 9n,
      firstBad: 10n,
      reason: 'MISSING',
    });
  });
});
