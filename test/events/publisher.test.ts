import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { RETRY } from '../../src/events/deliver.js';
import { readPublisherLag } from '../../src/events/lag.js';
import { type Publisher, startPublisher } from '../../src/events/publisher.js';
import type { PutEvents, PutEventsEntry, PutEventsOutcome } from '../../src/events/put-events.js';
import {
  createDomain,
  headReaches,
  openTestLog,
  silent,
  someEvent,
  someEvents,
  type TestLog,
  until,
  write,
} from './log.js';

const ok: PutEventsOutcome = { ok: true };
const throttled: PutEventsOutcome = { ok: false, code: 'ThrottlingException', message: 'slow down', kind: 'PASSING' };
const refused: PutEventsOutcome = { ok: false, code: 'MalformedDetail', message: 'not JSON', kind: 'REFUSED' };
const denied: PutEventsOutcome = { ok: false, code: 'AccessDeniedException', message: 'may not', kind: 'DENIED' };
const unheardOf: PutEventsOutcome = { ok: false, code: 'NobodyKnows', message: 'what', kind: 'UNKNOWN' };
const retry = { baseMs: 1, capMs: 5, unknownTries: 5 };

interface Sent {
  id: string;
  sequence: number;
  subject: string;
  audience: string[];
}

let log: TestLog;
let publishers: Publisher[];
let requests: Sent[][];
let arrived: Sent[];
let busThere: boolean;
beforeEach(async () => {
  busThere = true;
  log = await openTestLog();
  publishers = [];
  requests = [];
  arrived = [];
});
afterEach(async () => {
  await Promise.all(publishers.map((publisher) => publisher.stop()));
  await log.close();
});

/** A bus of ours that notes what arrives; `judge` decides what becomes of each entry, by its index. */
function bus(judge: (sent: Sent, index: number) => PutEventsOutcome | Promise<PutEventsOutcome> = () => ok): PutEvents {
  return onceSent(async (entries) => {
    const sent = entries.map(({ detail }) => {
      const { id, sequence, subject, audience } = JSON.parse(detail);
      return { id, sequence: Number(sequence), subject: subject.id, audience };
    });
    requests.push(sent);
    const outcomes: PutEventsOutcome[] = [];
    for (const [index, one] of sent.entries()) {
      const outcome = await judge(one, index);
      if (outcome.ok) arrived.push(one);
      outcomes.push(outcome);
    }
    return outcomes;
  });
}

const onceSent =
  (take: (entries: PutEventsEntry[]) => Promise<PutEventsOutcome[]>): PutEvents =>
  (entries) => ({ send: () => take(entries) });

function publish(put: PutEvents): Publisher {
  const publisher = startPublisher({
    pool: log.pool,
    listener: log.listener,
    put,
    bus: 'central',
    busStands: async () => busThere,
    log: silent,
    retry,
  });
  publishers.push(publisher);
  return publisher;
}

async function cursor(): Promise<number> {
  const row = await log.owner.prisma.eventCursor.findUnique({ where: { reader: 'eventbridge' } });
  return Number(row?.seq ?? 0);
}

async function fill(count: number): Promise<void> {
  await write(log, someEvents(count));
  await headReaches(log, count);
}

const sequences = (sent: Sent[]) => sent.map(({ sequence }) => sequence);
const upTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1);

test('everything in the log and everything that comes is sent once, in order, ten at a time', async () => {
  await fill(45);
  const publisher = publish(bus());
  await until(async () => (await cursor()) === 45);
  expect(requests.map((request) => request.length)).toEqual([10, 10, 10, 10, 5]);
  await write(log, someEvents(3));
  await until(async () => (await cursor()) === 48);
  expect(sequences(arrived)).toEqual(upTo(48));
  expect(publisher).toMatchObject({ publishing: true, position: 48n });
});

test('audiences are told by the names of the domains', async () => {
  const domains = [await createDomain(log, 'commerce'), await createDomain(log, 'finance')];
  await write(log, [someEvent({ audience: { public: false, domains, subjects: [] } })]);
  publish(bus());
  await until(() => arrived.length === 1);
  expect(arrived[0]!.audience.sort()).toEqual(['commerce', 'finance']);
});

test('whichever entries of a request fail, exactly they are sent again', async () => {
  await fill(100);
  const failing = new Map<number, number>();
  for (let n = 1; n <= 10; n += 1) {
    for (let index = 0; index < n; index += 1) failing.set((n - 1) * 10 + 1 + ((index * 3) % 10), 1 + (index % 3));
  }
  const left = new Map(failing);
  publish(
    bus(({ sequence }) => {
      const failures = left.get(sequence) ?? 0;
      left.set(sequence, failures - 1);
      return failures > 0 ? throttled : ok;
    }),
  );
  await until(async () => (await cursor()) === 100);
  expect(sequences(arrived).sort((a, b) => a - b)).toEqual(upTo(100));
  const attempts = sequences(requests.flat());
  for (const sequence of upTo(100)) {
    expect(attempts.filter((other) => other === sequence).length).toBe(1 + (failing.get(sequence) ?? 0));
  }
});

test('events of one subject arrive in their order though entries keep failing', async () => {
  const subjects = [randomUUID(), randomUUID(), randomUUID()];
  await write(
    log,
    Array.from({ length: 60 }, (_, n) => someEvent({ subjectId: subjects[n % 3]! })),
  );
  await headReaches(log, 60);
  let calls = 0;
  publish(bus(() => (++calls % 3 === 0 ? throttled : ok)));
  await until(async () => (await cursor()) === 60);
  for (const subject of subjects) {
    const order = sequences(arrived.filter((one) => one.subject === `product:${subject}`));
    expect(order).toHaveLength(20);
    expect(order).toEqual([...order].sort((a, b) => a - b));
  }
});

test('a call that fails as a whole, or answers too little, is sent again as a whole', async () => {
  await fill(10);
  let calls = 0;
  const sound = bus();
  publish(
    onceSent(async (entries) => {
      calls += 1;
      if (calls === 1) throw new Error('socket hang up');
      return calls === 2 ? [] : sound(entries).send();
    }),
  );
  await until(async () => (await cursor()) === 10);
  expect(calls).toBe(3);
  expect(sequences(arrived)).toEqual(upTo(10));
});

test('while EventBridge takes nothing at all, nothing is given up, and the cursor says since when and why', async () => {
  await fill(25);
  let denied = true;
  let calls = 0;
  const sound = bus();
  const put = onceSent(async (entries) => {
    if (!denied) return sound(entries).send();
    calls += 1;
    throw Object.assign(new Error('User is not authorized'), { name: 'AccessDeniedException' });
  });
  const first = publish(put);
  await until(() => calls >= 4);
  const row = () => log.owner.prisma.eventCursor.findUniqueOrThrow({ where: { reader: 'eventbridge' } });
  const failed = await row();
  expect(failed).toMatchObject({
    ...{ seq: 0n, failureCode: 'AccessDeniedException', failureMessage: 'User is not authorized' },
    ...{ failingSince: expect.any(Date), failedTries: expect.any(Number) },
  });
  // Another process finds the same, and goes on where the first one stood.
  await first.stop();
  publish(put);
  const before = calls;
  await until(() => calls > before + 1);
  expect((await row()).failingSince).toEqual(failed.failingSince);
  expect(await readPublisherLag(log.pool)).toMatchObject({
    failure: { code: 'AccessDeniedException' },
    deadLetters: 0,
  });
  denied = false;
  await until(async () => (await cursor()) === 25);
  expect(sequences(arrived)).toEqual(upTo(25));
  expect(await deadLetters()).toEqual([]);
  expect(await row()).toMatchObject({ failingSince: null, failureCode: null, failureMessage: null, failedTries: null });
  expect(await readPublisherLag(log.pool)).toMatchObject({ failure: null });
});

const failureCode = async () => (await readPublisherLag(log.pool)).failure?.code;

test('entries that are denied one and all wait for the permission: none is given up', async () => {
  await fill(25);
  let may = false;
  let calls = 0;
  publish(
    bus(({ sequence }) => {
      calls += 1;
      // Some are throttled, one is refused for itself: no other arrives, so nothing says that anybody may send.
      if (sequence === 3) return refused;
      if (sequence % 4 === 0 && !may) return throttled;
      return may ? ok : denied;
    }),
  );
  await until(() => calls >= 40);
  expect(await failureCode()).toBe('AccessDeniedException');
  expect(await cursor()).toBe(0);
  may = true;
  await until(async () => (await cursor()) === 25);
  expect((await deadLetters()).map(({ seq, code }) => [seq, code])).toEqual([[3n, 'MalformedDetail']]);
  expect(sequences(arrived).toSorted((a, b) => a - b)).toEqual(upTo(25).filter((n) => n !== 3));
  expect(await failureCode()).toBeUndefined();
});

test('an entry that alone is denied, while others of its request arrive, is a dead letter, and so it is again when it is redriven in vain', async () => {
  await fill(10);
  publish(bus(({ sequence }) => (sequence === 4 ? denied : ok)));
  await until(async () => (await cursor()) === 10);
  const [letter] = await deadLetters();
  expect(letter).toMatchObject({ seq: 4n, code: 'AccessDeniedException', status: 'DEAD', attempts: 1 });
  await redrive([letter!.id]);
  await until(async () => (await deadLetters())[0]!.attempts === 2);
  expect((await deadLetters())[0]).toMatchObject({ status: 'DEAD' });
  await write(log, someEvents(5));
  await until(async () => (await cursor()) === 15);
});

test('an entry that fails with a code nobody knows is tried a number of times, and then the log goes on without it', async () => {
  await fill(20);
  const sound = bus(({ sequence }) => (sequence === 12 ? unheardOf : ok));
  let breaks = 3;
  const put = onceSent(async (entries) => {
    const is = (n: number) => entries.some(({ detail }) => JSON.parse(detail).sequence === String(n));
    // Calls that fail as a whole say nothing of it, and do not count.
    if (is(12) && !is(13) && breaks-- > 0) throw new Error('socket hang up');
    return sound(entries).send();
  });
  publish(put);
  await until(async () => (await cursor()) === 20);
  expect(sequences(requests.flat()).filter((n) => n === 12)).toHaveLength(retry.unknownTries);
  expect(await deadLetters()).toMatchObject([{ seq: 12n, code: 'NobodyKnows', status: 'DEAD', attempts: 8 }]);
  expect(sequences(arrived)).toEqual(upTo(20).filter((n) => n !== 12));
});

/** Part of the log is archived. */
const forget = (upTo: number) =>
  log.owner.pool.query(`ALTER TABLE "Event" DISABLE TRIGGER USER; DELETE FROM "Event" WHERE "seq" <= ${upTo};
    ALTER TABLE "Event" ENABLE TRIGGER USER`);

test('a publisher that begins after the log was archived begins at the first event that is stored, and says what is left out', async () => {
  await fill(30);
  await forget(12);
  const said = vi.spyOn(silent, 'error');
  publish(bus());
  await until(async () => (await cursor()) === 30);
  expect(sequences(arrived)).toEqual(upTo(30).slice(12));
  expect(said).toHaveBeenCalledWith({ leftOut: { first: '1', last: '12' } }, expect.stringContaining('never told'));
  said.mockRestore();
});

test('what comes next and is not stored is never passed over by itself: the cursor says what is missing and how to go on', async () => {
  await fill(30);
  await log.owner.prisma.eventCursor.create({ data: { reader: 'eventbridge', seq: 4 } });
  await forget(12);
  publish(bus());
  await until(async () => (await failureCode()) === 'EventsNotStored');
  const row = await log.owner.prisma.eventCursor.findUniqueOrThrow({ where: { reader: 'eventbridge' } });
  expect(row).toMatchObject({ seq: 4n, failureMessage: expect.stringContaining('Events 5 to 12') });
  expect(arrived).toEqual([]);
  await log.owner.prisma.eventCursor.update({ where: { reader: 'eventbridge' }, data: { seq: 12 } });
  await until(async () => (await cursor()) === 30);
  expect(sequences(arrived)).toEqual(upTo(30).slice(12));
  expect(await failureCode()).toBeUndefined();
});

test('while the bus is not there nothing is sent, and the cursor says so; once it is, all follows in order', async () => {
  busThere = false;
  await fill(12);
  publish(bus());
  await until(async () => (await failureCode()) === 'NoEventBus');
  expect(requests).toEqual([]);
  busThere = true;
  await until(async () => (await cursor()) === 12);
  expect(sequences(arrived)).toEqual(upTo(12));
  expect(await failureCode()).toBeUndefined();
});

test('a bus that goes away while events are sent is noticed, and those that fail meanwhile wait', async () => {
  await fill(200);
  publish(
    bus(async ({ sequence }, index) => {
      if (sequence === 20) busThere = false;
      if (index === 9) await new Promise((resolve) => setTimeout(resolve, 300));
      return ok;
    }),
  );
  await until(async () => (await readPublisherLag(log.pool)).failure?.code === 'NoEventBus');
  const sent = arrived.length;
  expect(sent).toBeLessThan(150);
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(arrived).toHaveLength(sent);
  busThere = true;
  await until(async () => (await cursor()) === 200, 20_000);
  expect(sequences(arrived)).toEqual(upTo(200));
});

test('a cursor that is set back while the publisher rests or sends is followed: everything from there comes again', async () => {
  await fill(30);
  publish(bus());
  await until(async () => (await cursor()) === 30);
  const setBack = (to: number) =>
    log.owner.pool.query(`UPDATE "EventCursor" SET "seq" = $1 WHERE "reader" = 'eventbridge'`, [to]);
  await setBack(10);
  await until(() => arrived.length === 50);
  await until(async () => (await cursor()) === 30);
  expect(sequences(arrived)).toEqual([...upTo(30), ...upTo(30).slice(10)]);
});

const deadLetters = () => log.owner.prisma.deadLetter.findMany({ orderBy: [{ seq: 'asc' }, { part: 'asc' }] });

/** What an admin's redrive does: marks them, in an admin's name. */
async function redrive(ids: string[]): Promise<void> {
  const client = await log.pool.connect();
  try {
    await client.query(`BEGIN; SET LOCAL meshgate.authority = 'ADMIN'`);
    await client.query(
      `UPDATE "DeadLetter" SET "status" = 'REDRIVING', "redriveId" = gen_random_uuid(), "redrivenBy" = 'ada' WHERE "id" = ANY ($1::uuid[])`,
      [ids],
    );
    await client.query('COMMIT');
  } finally {
    client.release();
  }
}

async function pausePublishing(reason: string | null): Promise<void> {
  const client = await log.pool.connect();
  try {
    await client.query(`BEGIN; SET LOCAL meshgate.authority = 'ADMIN'`);
    await client.query(
      `UPDATE "EventCursor" SET "pausedAt" = CASE WHEN $1::text IS NOT NULL THEN now() END,
         "pausedBy" = CASE WHEN $1::text IS NOT NULL THEN 'ada' END, "pauseReason" = $1 WHERE "reader" = 'eventbridge'`,
      [reason],
    );
    await client.query('COMMIT');
  } finally {
    client.release();
  }
}

test('what EventBridge refuses for good becomes a dead letter with its reason, and everything after it goes on', async () => {
  const subject = randomUUID();
  await fill(10);
  await write(log, [someEvent({ subjectId: subject, data: { n: 11 } }), ...someEvents(9)]);
  await write(log, [someEvent({ subjectId: subject })]);
  await headReaches(log, 21);
  let throttles = 2;
  publish(
    bus(({ sequence }) => {
      if (sequence === 11) return refused;
      // The rest of the request is sent again: the refused one is not.
      return sequence === 15 && throttles-- > 0 ? throttled : ok;
    }),
  );
  await until(async () => (await cursor()) === 21);
  expect(sequences(arrived).sort((a, b) => a - b)).toEqual(upTo(21).filter((n) => n !== 11));
  expect(sequences(requests.flat()).filter((n) => n === 11)).toHaveLength(1);
  const [letter, ...others] = await deadLetters();
  expect(others).toEqual([]);
  expect(letter).toMatchObject({
    ...{ seq: 11n, part: 0, type: 'DataProductUpdated', code: 'MalformedDetail', message: 'not JSON', attempts: 1 },
    ...{ status: 'DEAD', sentAt: null },
  });
  expect(JSON.parse((letter!.entry as { detail: string }).detail)).toMatchObject({ sequence: '11', data: { n: 11 } });
});

test('a redrive sends exactly the dead letters that were named, with the same ids, and each ends as SENT or DEAD', async () => {
  await fill(40);
  let cured = new Set<number>();
  publish(bus(({ sequence }) => (sequence % 10 === 0 && !cured.has(sequence) ? refused : ok)));
  await until(async () => (await cursor()) === 40);
  const letters = await deadLetters();
  expect(letters.map(({ seq }) => Number(seq))).toEqual([10, 20, 30, 40]);
  const before = requests.length;
  cured = new Set([10, 30, 40]);
  await redrive([letters[0]!.id, letters[1]!.id, letters[2]!.id]);
  await until(async () => (await deadLetters()).every(({ status }) => status !== 'REDRIVING'));
  expect(
    requests
      .slice(before)
      .flat()
      .map(({ sequence }) => sequence),
  ).toEqual([10, 20, 30]);
  expect((await deadLetters()).map(({ status, attempts }) => [status, attempts])).toEqual([
    ['SENT', 2],
    ['DEAD', 2],
    ['SENT', 2],
    ['DEAD', 1],
  ]);
  const events = await log.owner.prisma.event.findMany({ where: { seq: { in: [10, 30] } }, orderBy: { seq: 'asc' } });
  expect(arrived.slice(-2).map(({ id }) => id)).toEqual(events.map(({ id }) => id));
});

test('a redrive that EventBridge throttles is sent again until it arrives', async () => {
  await fill(1);
  let answers: PutEventsOutcome[] = [refused];
  publish(bus(() => answers.shift() ?? ok));
  await until(async () => (await cursor()) === 1);
  answers = [throttled, throttled];
  await redrive((await deadLetters()).map(({ id }) => id));
  await until(async () => (await deadLetters())[0]?.status === 'SENT');
  expect((await deadLetters())[0]).toMatchObject({ code: 'MalformedDetail' });
  expect(arrived).toHaveLength(1);
});

test('paused, nothing more is sent by any process, also after a restart; resumed, all of it follows in order', async () => {
  await fill(30);
  const first = publish(bus());
  publish(bus());
  await until(async () => (await cursor()) === 30);
  await pausePublishing('EventBridge is being moved');
  await write(log, someEvents(25));
  await headReaches(log, 55);
  await first.stop();
  publish(bus());
  await new Promise((resolve) => setTimeout(resolve, 700));
  expect(arrived).toHaveLength(30);
  await pausePublishing(null);
  await until(async () => (await cursor()) === 55);
  expect(sequences(arrived)).toEqual(upTo(55));
});

test('paused while a request is under way, that one arrives and no other follows', async () => {
  await fill(30);
  publish(
    bus(async ({ sequence }) => {
      if (sequence === 5) await pausePublishing('wait');
      return ok;
    }),
  );
  await until(async () => (await cursor()) === 10);
  await new Promise((resolve) => setTimeout(resolve, 400));
  expect(sequences(arrived)).toEqual(upTo(10));
  await pausePublishing(null);
  await until(async () => (await cursor()) === 30);
  expect(sequences(arrived)).toEqual(upTo(30));
});

test('paused between tries, what is left waits, and what had arrived is not sent again', async () => {
  await fill(30);
  let tries = 0;
  publish(
    bus(async ({ sequence }) => {
      if (sequence !== 12 || ++tries > 2) return ok;
      if (tries === 2) await pausePublishing('wait');
      return throttled;
    }),
  );
  await until(() => tries === 2);
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(arrived).toHaveLength(19);
  expect(await cursor()).toBe(10);
  await pausePublishing(null);
  await until(async () => (await cursor()) === 30);
  expect(sequences(arrived).sort((a, b) => a - b)).toEqual(upTo(30));
});

test('a cursor that is moved while the publisher reads is followed before anything is sent', async () => {
  await fill(30);
  const client = await log.owner.pool.connect();
  try {
    await client.query('BEGIN; LOCK TABLE "Event" IN ACCESS EXCLUSIVE MODE');
    publish(bus());
    await until(async () => {
      const { rows } = await client.query(`SELECT FROM pg_locks WHERE NOT granted AND relation = '"Event"'::regclass`);
      return rows.length > 0;
    });
    await log.owner.pool.query(`UPDATE "EventCursor" SET "seq" = 10 WHERE "reader" = 'eventbridge'`);
  } finally {
    await client.query('ROLLBACK');
    client.release();
  }
  await until(async () => (await cursor()) === 30);
  expect(sequences(arrived)).toEqual(upTo(30).slice(10));
});

/** Holds the cursor's row, so that it cannot move, until the function returned is called. */
async function holdCursor(): Promise<() => Promise<void>> {
  const client = await log.owner.pool.connect();
  await client.query(`BEGIN; SELECT FROM "EventCursor" WHERE "reader" = 'eventbridge' FOR UPDATE`);
  return async () => {
    await client.query('ROLLBACK');
    client.release();
  };
}

/** A bus that also notes which requests were made, by their first number, whether they were sent or not. */
function making(made: number[], judge?: Parameters<typeof bus>[0]): PutEvents {
  const put = bus(judge);
  return (entries) => {
    made.push(Number(JSON.parse(entries[0]!.detail).sequence));
    return put(entries);
  };
}

test('while the cursor moves, the next request is made, and it leaves when the cursor has moved, not before', async () => {
  await fill(30);
  const made: number[] = [];
  let release: (() => Promise<void>) | undefined;
  publish(
    making(made, async ({ sequence }) => {
      if (sequence === 10) release = await holdCursor();
      return ok;
    }),
  );
  try {
    await until(() => made.length === 2);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(sequences(arrived)).toEqual(upTo(10));
    expect(made).toEqual([1, 11]);
  } finally {
    await release?.();
  }
  await until(async () => (await cursor()) === 30);
  expect(sequences(arrived)).toEqual(upTo(30));
});

test('at every request the cursor stands right before it', async () => {
  await fill(60);
  const stood: number[] = [];
  publish(
    bus(async (_, index) => {
      if (index === 0) stood.push(await cursor());
      return ok;
    }),
  );
  await until(async () => (await cursor()) === 60);
  expect(stood).toEqual([0, 10, 20, 30, 40, 50]);
});

test('a request that fails as a whole is sent until it arrives, and only then the next', async () => {
  await fill(30);
  const sent: number[] = [];
  let failures = 3;
  const sound = bus();
  publish((entries) => ({
    send: async () => {
      const { sequence } = JSON.parse(entries[0]!.detail);
      sent.push(Number(sequence));
      if (Number(sequence) === 1 && failures-- > 0) throw new Error('socket hang up');
      return sound(entries).send();
    },
  }));
  await until(async () => (await cursor()) === 30);
  expect(sent).toEqual([1, 1, 1, 1, 11, 21]);
  expect(sequences(arrived)).toEqual(upTo(30));
});

test('where the bus vanishes after a request, the next one stays, though its entries were made', async () => {
  await fill(30);
  publish(
    bus(async ({ sequence }) => {
      if (sequence === 10) {
        // Longer than it is taken for granted that the bus is there.
        await new Promise((resolve) => setTimeout(resolve, 1_100));
        busThere = false;
      }
      return ok;
    }),
  );
  await until(async () => (await readPublisherLag(log.pool)).failure?.code === 'NoEventBus');
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(sequences(arrived)).toEqual(upTo(10));
  expect(await cursor()).toBe(10);
  busThere = true;
  await until(async () => (await cursor()) === 30);
  expect(sequences(arrived)).toEqual(upTo(30));
});

test('a cursor that is set back while a request is under way is followed at once: what was made after it is not sent', async () => {
  await fill(30);
  let back = 1;
  publish(
    bus(async ({ sequence }) => {
      if (sequence === 20 && back-- > 0)
        await log.owner.pool.query(`UPDATE "EventCursor" SET "seq" = 5 WHERE "reader" = 'eventbridge'`);
      return ok;
    }),
  );
  await until(async () => (await cursor()) === 30);
  expect(sequences(arrived)).toEqual([...upTo(20), ...upTo(30).slice(5)]);
});

test('a publisher that dies between sending and its cursor repeats one request at most, with the same ids', async () => {
  await fill(60);
  let cut = false;
  publish(
    bus(async ({ sequence }, index) => {
      if (index === 9 && sequence === 20 && !cut) {
        cut = true;
        await cutPublisher();
      }
      return ok;
    }),
  );
  await until(async () => (await cursor()) === 60);
  expect(new Set(sequences(arrived))).toEqual(new Set(upTo(60)));
  expect(arrived.length).toBeGreaterThan(60);
  expect(arrived.length).toBeLessThanOrEqual(70);
  expect(new Set(arrived.map(({ id }) => id)).size).toBe(60);
});

test('one process publishes at a time, and another takes over when it dies', async () => {
  let under = 0;
  let most = 0;
  const put = bus(async () => {
    most = Math.max(most, ++under);
    await new Promise((resolve) => setTimeout(resolve, 1));
    under -= 1;
    return ok;
  });
  const [first, second] = [publish(put), publish(put)];
  await until(() => first.publishing || second.publishing);
  const [leader, standby] = first.publishing ? [first, second] : [second, first];
  await fill(40);
  await until(async () => (await cursor()) === 40);
  expect(standby).toMatchObject({ publishing: false, position: null });
  expect(standby.lastRunAt).not.toBeNull();
  await leader.stop();
  await write(log, someEvents(20));
  await until(async () => (await cursor()) === 60);
  expect(standby.publishing).toBe(true);
  expect(sequences(arrived)).toEqual(upTo(60));
  expect(most).toBe(1);
});

test('stopping does not wait for an entry that keeps failing', async () => {
  await fill(1);
  const publisher = startPublisher({
    pool: log.pool,
    listener: log.listener,
    put: bus(() => throttled),
    bus: 'central',
    busStands: async () => busThere,
    log: silent,
    retry: { ...RETRY, baseMs: 60_000, capMs: 60_000 },
  });
  await until(() => requests.length === 1);
  const began = performance.now();
  await publisher.stop();
  expect(performance.now() - began).toBeLessThan(1_000);
  expect(await cursor()).toBe(0);
});

/** Ends the session that holds the publisher's lock: what Postgres sees when its process is killed. */
async function cutPublisher(): Promise<void> {
  await log.pool.query(
    `SELECT pg_terminate_backend(pid) FROM pg_locks
     WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
  );
}
