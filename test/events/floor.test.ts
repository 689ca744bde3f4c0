import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { startSequencer } from '../../src/events/sequencer.js';
import { diceOf } from '../faults/dice.js';
import { atScale } from '../faults/scale.js';
import { headOf, openTestLog, silent, type TestLog } from './log.js';

/** Nobody numbers but these tests. */
let log: TestLog;
const clients: pg.Client[] = [];
beforeAll(async () => {
  log = await openTestLog();
  await log.sequencer.stop();
});
beforeEach(numberAll);
afterAll(async () => {
  await Promise.all(clients.map((client) => client.end()));
  await log.close();
});

async function connect(connectionString = log.urls.serverUrl): Promise<pg.Client> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  clients.push(client);
  return client;
}

type Queryable = pg.Pool | pg.Client;

/** Writes so many events in the connection's transaction; answers their ids in order. */
async function insert(client: Queryable, count: number): Promise<string[]> {
  const { rows } = await client.query<{ id: string }>(
    `INSERT INTO "EventPending" ("id", "type", "version", "subjectType", "subjectId", "subject", "audiencePublic", "audienceDomains",
       "audienceSubjects", "actor", "correlationId", "occurredAt", "data", "canonical")
     SELECT gen_random_uuid(), 'DataProductUpdated', 1, 'DataProduct', gen_random_uuid(), '{}', true, '{}', '{}', '{}', 'c', now(), '{}',
       repeat('a', 600) FROM generate_series(1, $1::int) RETURNING "id"`,
    [count],
  );
  return rows.map(({ id }) => id);
}

async function number(client: Queryable = log.pool, batch: number | null = 2_000): Promise<number> {
  const { rows } = await client.query<{ moved: number }>('SELECT sequence_events($1) AS "moved"', [batch]);
  return rows[0]!.moved;
}

/** Until nothing is left to number, and to note. */
async function numberAll(): Promise<void> {
  let moved = 1;
  while (moved > 0) moved = await number();
}

const floorOf = async (): Promise<number> =>
  Number((await log.owner.prisma.eventHead.findUniqueOrThrow({ where: { id: 1 } })).floor);

/** Ids in the order of the log, after a number. */
async function logged(after: number): Promise<string[]> {
  const { rows } = await log.pool.query<{ seq: string; id: string }>(
    'SELECT "seq", "id" FROM "Event" WHERE "seq" > $1 ORDER BY "seq"',
    [after],
  );
  expect(rows.map(({ seq }) => Number(seq))).toEqual(rows.map((_, index) => after + index + 1));
  return rows.map(({ id }) => id);
}

/** Others' events are numbered again and again, so that the floor is raised wherever it may be. */
async function goOn(): Promise<void> {
  for (let round = 0; round < 4; round += 1) {
    await insert(log.pool, 250);
    await number();
  }
}

/** One writes an event and commits it long after, in two phases where asked for; answers whether the log has it then. */
async function commitsLate({ prepared = false } = {}): Promise<boolean> {
  const after = await headOf(log);
  const slow = await connect();
  await slow.query('BEGIN');
  const [id] = await insert(slow, 1);
  await goOn();
  if (prepared) {
    await slow.query(`PREPARE TRANSACTION 'late'`);
    // The session is another transaction's by now.
    await insert(slow, 1);
    await goOn();
  }
  await slow.query(prepared ? `COMMIT PREPARED 'late'` : 'COMMIT');
  await goOn();
  return (await logged(after)).includes(id!);
}

/** With a function of the database as it would be if part of its text were another. */
async function withChanged(name: string, [from, to]: [RegExp, string], work: () => Promise<void>): Promise<void> {
  const owner = await connect(log.urls.ownerUrl);
  const { rows } = await owner.query('SELECT pg_get_functiondef($1::regproc) AS "text"', [name]);
  const text = String(rows[0].text);
  expect(text).toMatch(from);
  await owner.query(text.replace(from, to));
  try {
    await work();
  } finally {
    await owner.query(text);
  }
}

/** With a floor that rises with every event, not every 200. */
const withEagerFloor = (work: () => Promise<void>): Promise<void> =>
  withChanged('sequence_events', [/(step CONSTANT bigint :=) 200/, '$1 1'], work);

test('an event whose transaction stays open comes however far the log has gone on, and lets the floor rise then', async () => {
  expect(await commitsLate()).toBe(true);
  await numberAll();
  const before = await floorOf();
  await goOn();
  expect(await floorOf()).toBeGreaterThan(before + 500);
});

test('an event comes though its transaction was prepared, and committed by whoever came later', async () => {
  expect(await commitsLate({ prepared: true })).toBe(true);
});

test('that is the work of the look at who writes: without it the same event is lost, until somebody looks afresh', async () => {
  await withChanged('writes_pending_events', [/SELECT EXISTS/, 'SELECT false AND EXISTS'], async () => {
    expect(await commitsLate()).toBe(false);
  });
  await numberAll();
  expect(await log.owner.prisma.eventPending.count()).toBe(1);
  const sequencer = startSequencer({ pool: log.pool, log: silent });
  await expect.poll(() => log.owner.prisma.eventPending.count()).toBe(0);
  await sequencer.stop();
});

test('whoever numbers with an old snapshot does not raise the floor over what he cannot see', async () => {
  const after = await headOf(log);
  const [slow, old] = [await connect(), await connect()];
  await slow.query('BEGIN');
  const [id] = await insert(slow, 1);
  await insert(log.pool, 250);
  await number();
  await old.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM "Domain"');
  await slow.query('COMMIT');
  await number(old);
  await old.query('COMMIT');
  await goOn();
  expect(await logged(after)).toContain(id);
});

test('where positions begin anew, as behind logical replication, the floor does too', async () => {
  const after = await headOf(log);
  await goOn();
  await numberAll();
  await log.owner.pool.query('ALTER TABLE "EventPending" ALTER COLUMN "position" RESTART WITH 1');
  const ids = await insert(log.pool, 3);
  await numberAll();
  expect((await logged(after)).slice(-3)).toEqual(ids);
  await goOn();
  expect(await log.owner.prisma.eventPending.count()).toBe(0);
});

test('where positions begin anew, a floor that was only noted is not kept either', async () => {
  const after = await headOf(log);
  await insert(log.pool, 250);
  await number();
  await log.owner.pool.query(
    `ALTER TABLE "EventPending" ALTER COLUMN "position" RESTART WITH ${(await floorOf()) + 1}`,
  );
  const late = await connect();
  await late.query('BEGIN');
  const [id] = await insert(late, 1);
  await number();
  await insert(log.pool, 400);
  await late.query('COMMIT');
  await numberAll();
  expect(await logged(after)).toContain(id);
});

test('where nobody looked until they had passed the floor, whoever looks first does so afresh', async () => {
  const after = await headOf(log);
  await goOn();
  await numberAll();
  await log.owner.pool.query('ALTER TABLE "EventPending" ALTER COLUMN "position" RESTART WITH 1');
  const ids = await insert(log.pool, (await floorOf()) + 10);
  await log.pool.query('SELECT sequence_events(100000, true)');
  expect((await logged(after)).slice(-ids.length)).toEqual(ids);
});

/** Expects all of what these committed in the log, each one's in his order, and nothing else. */
async function expectLogged(after: number, committed: string[][]): Promise<void> {
  await numberAll();
  const ids = await logged(after);
  expect([...ids].sort()).toEqual(committed.flat().sort());
  for (const one of committed) {
    const mine = new Set(one);
    expect(ids.filter((id) => mine.has(id))).toEqual(one);
  }
  expect(await log.owner.prisma.eventPending.count()).toBe(0);
}

/** What may happen, in any order; `who` of three writers. */
type Step =
  | { kind: 'insert' | 'undo'; who: number; count: number }
  | { kind: 'commit' | 'rollback'; who: number }
  | { kind: 'number'; batch: number | null; undone: boolean };

const who = fc.nat(2);
const count = fc.constantFrom(1, 3, 230);
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom('insert' as const, 'undo' as const), who, count }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('commit' as const), who }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('rollback' as const), who }) },
  {
    weight: 7,
    arbitrary: fc.record({
      kind: fc.constant('number' as const),
      batch: fc.constantFrom(2_000, 2_000, 2_000, 100, 7, 0, null),
      undone: fc.boolean(),
    }),
  },
);

/** One who writes transactions one after another. */
interface Writer {
  client: pg.Client;
  open: string[] | undefined;
  committed: string[];
}

async function take(step: Exclude<Step, { kind: 'number' }>, writer: Writer): Promise<void> {
  const { client } = writer;
  if (!('count' in step)) {
    await client.query(step.kind);
    if (step.kind === 'commit') writer.committed.push(...(writer.open ?? []));
    writer.open = undefined;
    return;
  }
  if (!writer.open) await client.query('BEGIN');
  writer.open ??= [];
  if (step.kind === 'undo') await client.query('SAVEPOINT before');
  const ids = await insert(client, step.count);
  if (step.kind === 'undo') await client.query('ROLLBACK TO before');
  else writer.open.push(...ids);
}

test('whoever begins, writes, undoes, commits and numbers in whatever order: nothing is lost, nothing twice, no number left out', async () => {
  const three = await Promise.all([0, 1, 2].map(() => connect()));
  const numberer = await connect();
  let raised = 0;
  const everyOrder = () =>
    fc.assert(
      fc.asyncProperty(fc.array(anyStep, { minLength: 30, maxLength: 80, size: 'max' }), async (steps) => {
        const after = await headOf(log);
        const writers = three.map((client): Writer => ({ client, open: undefined, committed: [] }));
        let floor = await floorOf();
        for (const step of steps) {
          if (step.kind !== 'number') await take(step, writers[step.who]!);
          else {
            await numberer.query('BEGIN');
            await number(numberer, step.batch);
            await numberer.query(step.undone ? 'ROLLBACK' : 'COMMIT');
            const now = await floorOf();
            if (now > floor && writers.some(({ open }) => open)) raised += 1;
            floor = now;
          }
        }
        for (const writer of writers) await take({ kind: 'commit', who: 0 }, writer);
        await expectLogged(
          after,
          writers.map(({ committed }) => committed),
        );
      }),
      { numRuns: 15 },
    );
  await everyOrder();
  await withEagerFloor(everyOrder);
  // The floor did rise, also while somebody wrote.
  expect(raised).toBeGreaterThan(8);
}, 120_000);

/** Writes transactions until it is over; answers what was committed, in order. */
async function writeUntil(over: () => boolean, seed: number): Promise<string[]> {
  const dice = diceOf(seed);
  const client = await connect();
  const committed: string[] = [];
  while (!over()) {
    const ids: string[] = [];
    await client.query('BEGIN');
    for (let left = 1 + dice.upTo(3); left > 0; left -= 1) {
      const undone = dice.chance(0.2);
      if (undone) await client.query('SAVEPOINT before');
      const some = await insert(client, 1 + dice.upTo(5));
      if (undone) await client.query('ROLLBACK TO before');
      else ids.push(...some);
      await sleep(dice.one([0, 0, 0, 5, 50]));
    }
    if (dice.chance(0.02)) await sleep(1_000);
    if (dice.chance(0.2)) await client.query('ROLLBACK');
    else {
      await client.query('COMMIT');
      committed.push(...ids);
    }
  }
  return committed;
}

/** Numbers until it is over; answers the floors that there were. */
async function numberUntil(over: () => boolean, seed: number): Promise<number[]> {
  const dice = diceOf(seed);
  const client = await connect();
  const floors: number[] = [];
  while (!over()) {
    await client.query('BEGIN');
    await number(client, dice.one([1, 5, 50, 2_000]));
    await client.query(dice.chance(0.2) ? 'ROLLBACK' : 'COMMIT');
    floors.push(await floorOf());
  }
  return floors;
}

test('eight write at once, late, in part or not at all, and three number: nothing is lost, nothing twice, no number left out', async () => {
  await withEagerFloor(async () => {
    const after = await headOf(log);
    const ends = Date.now() + atScale({ quick: 5_000, soak: 120_000 });
    const over = () => Date.now() > ends;
    const numbering = Promise.all([101, 102, 103].map((seed) => numberUntil(over, seed)));
    const committed = await Promise.all(Array.from({ length: 8 }, (_, seed) => writeUntil(over, seed)));
    const floors = new Set((await numbering).flat());
    await expectLogged(after, committed);
    expect(floors.size).toBeGreaterThan(3);
  });
}, 180_000);

interface Explained {
  'QUERY PLAN': [{ Plan: { 'Shared Hit Blocks': number; 'Shared Read Blocks': number } }];
}

/** Pages that the database touches to number what waits, as the median of nine; `writes` events before each. */
async function pagesTouched(writes: number): Promise<number> {
  const pages: number[] = [];
  for (let round = 0; round < 9; round += 1) {
    if (writes > 0) await insert(log.pool, writes);
    const { rows } = await log.owner.pool.query<Explained>(
      'EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT sequence_events(2000)',
    );
    const { Plan } = rows[0]!['QUERY PLAN'][0];
    pages.push(Plan['Shared Hit Blocks'] + Plan['Shared Read Blocks']);
  }
  return pages.sort((a, b) => a - b)[4]!;
}

test('while a backup has an old snapshot, an event costs no more after twenty thousand others, nor does the look for one', async () => {
  const [one, none] = [await pagesTouched(1), await pagesTouched(0)];
  const backup = await connect(log.urls.ownerUrl);
  await backup.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM "Domain"');
  for (let round = 0; round < 10; round += 1) {
    await insert(log.pool, 2_000);
    await number();
  }
  expect(await pagesTouched(1)).toBeLessThan(one + 200);
  expect(await pagesTouched(0)).toBeLessThan(none + 200);
  await backup.query('COMMIT');
}, 60_000);
