import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { startInbox } from '../../src/events/inbox.js';
import type { InboxMessage, InboxQueue, Reception } from '../../src/events/inbox-queue.js';
import { silent, until } from './log.js';

/** Queues of ours in place of those of SQS, as the adapter gives them. */
function openQueue({ accepts = () => true }: { accepts?: (body: string) => boolean } = {}) {
  const waiting: InboxMessage[] = [];
  const sent: string[] = [];
  const removed: string[] = [];
  const queue: InboxQueue = {
    receive: async (signal) => {
      if (waiting.length === 0) await delay(20, undefined, { signal });
      return waiting.splice(0, 10);
    },
    remove: async (receipts) => void removed.push(...receipts),
    send: async (messages) => {
      const accepted = messages.filter(({ body }) => accepts(body));
      sent.push(...accepted.map(({ body }) => body));
      return accepted;
    },
  };
  const put = (body: string, freshUntil = Date.now() + 60_000) =>
    waiting.push({ id: body, body, receipt: body, freshUntil });
  return { queue, put, waiting, sent, removed };
}

/** A message's lane stands before its first dash. */
const laneOf = (body: string): string => body.split('-')[0] ?? '';

function start(take: (body: string) => Promise<Reception>, overflow = openQueue()) {
  const [inbox, undelivered] = [openQueue(), openQueue()];
  const asked: number[] = [];
  const loop = startInbox({
    queues: { inbox: inbox.queue, overflow: overflow.queue, undelivered: undelivered.queue },
    laneOf,
    take: ({ body }) => take(body),
    leftAtOnce: async (messages) => {
      asked.push(messages.length);
      return new Set(messages.flatMap(({ id }) => (id.endsWith('full') ? [id] : [])));
    },
    ready: async () => undefined,
    log: silent,
  });
  return { inbox, overflow, undelivered, asked, [Symbol.asyncDispose]: () => loop.stop() };
}

/** Holds up whoever waits until it is opened. */
function openGate() {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

const quick = async (): Promise<Reception> => 'TAKEN';

test('what is beyond the share of a lane is deleted only where the overflow has it', async () => {
  const gate = openGate();
  const overflow = openQueue({ accepts: (body) => Number(body.split('-')[1]) % 2 === 0 });
  await using running = start(async (body) => {
    if (laneOf(body) === 'loud') await gate.opened;
    return 'TAKEN';
  }, overflow);
  const { inbox } = running;
  for (let n = 0; n < 200; n += 1) inbox.put(`loud-${n}`);
  inbox.put('quiet-1');
  await until(() => inbox.removed.includes('quiet-1'));
  expect(overflow.sent.length).toBeGreaterThan(50);
  expect(inbox.removed.filter((receipt) => receipt !== 'quiet-1').sort()).toEqual([...overflow.sent].sort());
  gate.open();
});

test('messages that are large fill a share by their size', async () => {
  const gate = openGate();
  await using running = start(async () => {
    await gate.opened;
    return 'TAKEN';
  });
  // The turn takes the first; of those that wait five fit.
  for (let n = 0; n < 12; n += 1) running.inbox.put(`loud-${n}-${'x'.repeat(800_000)}`);
  await until(() => running.overflow.sent.length >= 6);
  expect(running.overflow.sent).toHaveLength(6);
  gate.open();
});

test('what is in the overflow is taken as its lane has room, and a message of any size is', async () => {
  await using running = start(quick);
  for (let n = 0; n < 300; n += 1) running.overflow.put(`loud-${n}`);
  running.overflow.put(`huge-${'x'.repeat(40_000_000)}`);
  await until(() => running.overflow.removed.length === 301);
});

test('what waited until somebody else may have it is not begun, and not deleted', async () => {
  const taken: string[] = [];
  await using running = start(async (body) => {
    taken.push(body);
    return 'TAKEN';
  });
  running.inbox.put('a-late', Date.now() - 1);
  running.inbox.put('a-fresh');
  await until(() => running.inbox.removed.length > 0);
  expect([taken, running.inbox.removed]).toEqual([['a-fresh'], ['a-fresh']]);
});

test('what nobody has room for is deleted only where the undelivered have it', async () => {
  await using running = start(async (body) => (body.endsWith('full') ? 'LEFT' : 'QUARANTINED'));
  running.undelivered.queue.send = async (messages) => messages.filter(({ body }) => body !== 'a-2-full');
  for (const body of ['a-1-full', 'a-2-full', 'a-3-held']) running.inbox.put(body);
  await until(() => running.inbox.removed.length === 2);
  expect(running.inbox.removed.sort()).toEqual(['a-1-full', 'a-3-held']);
});

test('a lane without room is judged many at a time, until it has room again', async () => {
  const taken: string[] = [];
  await using running = start(async (body) => {
    taken.push(body);
    return body.endsWith('full') ? 'LEFT' : 'TAKEN';
  });
  for (let n = 0; n < 40; n += 1) running.overflow.put(`loud-${n}-full`);
  await until(() => running.overflow.removed.length === 40);
  // The first turn finds out; the others ask once each.
  expect(taken.length).toBeLessThanOrEqual(10);
  expect(running.asked.reduce((sum, count) => sum + count, 0)).toBe(40 - taken.length);
  expect(running.undelivered.sent).toHaveLength(40);
  for (const n of [1, 2, 3]) {
    running.inbox.put(`loud-${n}-fits`);
    await until(() => running.inbox.removed.length === n);
  }
  expect(running.asked.filter((count) => count === 1)).toHaveLength(1);
});
