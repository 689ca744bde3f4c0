import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cutIntoRequests, sizeOf, toEntry } from '../../src/events/entries.js';
import type { LogEvent } from '../../src/events/types.js';
import { someEvent } from './log.js';

const COMMERCE = 'd0000000-0000-4000-8000-000000000001';

function event(change: Partial<LogEvent> = {}): LogEvent {
  const { type, subject, subjectId, domainId, audience, actor, correlationId, data } = someEvent();
  const subjectOf = { type, subject, subjectId, domainId, audience, actor, correlationId, data };
  const rest = {
    id: randomUUID(),
    version: 1,
    productId: null,
    causationId: null,
    occurredAt: new Date('2026-11-21T08:00:00.123Z'),
  };
  return { seq: 1n, ...subjectOf, ...rest, ...change };
}

function outgoing(change: Partial<LogEvent>) {
  const one = event(change);
  return { event: one, part: 0, entry: toEntry(one, { bus: 'central', names: new Map() }) };
}

test('an entry says what happened, to whom it matters, and nothing of the token or the address', () => {
  const arn = 'arn:aws:glue:eu-west-1:111111111111:table/commerce/orders';
  const told = event({
    seq: 42n,
    type: 'AccessGranted',
    audience: { public: false, domains: [COMMERCE, randomUUID()], subjects: ['ana'] },
    actor: { kind: 'USER', subject: 'ana', name: 'Ana', tokenId: 'jti-1', address: '10.0.0.1' },
    data: { resources: [arn], purpose: 'churn' },
  });
  const { detail, ...entry } = toEntry(told, { bus: 'central', names: new Map([[COMMERCE, 'commerce']]) });
  expect(entry).toEqual({
    bus: 'central',
    source: 'meshgate',
    detailType: 'AccessGranted',
    resources: [arn],
    time: told.occurredAt,
  });
  expect(JSON.parse(detail)).toEqual({
    version: 1,
    id: told.id,
    sequence: '42',
    occurredAt: '2026-11-21T08:00:00.123Z',
    actor: { kind: 'USER', subject: 'ana', name: 'Ana' },
    correlationId: told.correlationId,
    subject: told.subject,
    audience: ['commerce'],
    data: { resources: [arn], purpose: 'churn' },
  });
});

test('what everybody may know is for every domain, whatever its name', () => {
  const told = event({ audience: { public: true, domains: [COMMERCE], subjects: [] } });
  const { detail } = toEntry(told, { bus: 'central', names: new Map([[COMMERCE, 'commerce']]) });
  expect(JSON.parse(detail).audience).toEqual(['*', 'commerce']);
});

test('bytes are counted as AWS counts them', () => {
  const entry = {
    bus: 'central',
    source: 'é',
    detailType: 'ab',
    detail: '{"a":"€"}',
    resources: ['arn', 'x'],
    time: new Date(),
  };
  expect(sizeOf(entry)).toBe(14 + 2 + 2 + 11 + 4);
});

/** Requests cut from pages of the log, each event with its entries. */
async function cut(
  events: ReturnType<typeof outgoing>[],
  page = events.length,
): Promise<ReturnType<typeof outgoing>[][]> {
  const pages = Array.from({ length: Math.ceil(events.length / page) }, (_, n) =>
    events.slice(n * page, (n + 1) * page).map((one) => [one]),
  );
  const requests = [];
  for await (const request of cutIntoRequests(pages)) requests.push(request);
  return requests;
}

test('requests are runs of the log within both limits, without two events of one subject, whatever the pages', async () => {
  const some = fc.array(
    fc.record({ subject: fc.nat(30), bytes: fc.oneof(fc.nat(2_000), fc.integer({ min: 50_000, max: 300_000 })) }),
    {
      maxLength: 60,
    },
  );
  await fc.assert(
    fc.asyncProperty(some, fc.integer({ min: 1, max: 60 }), async (wanted, page) => {
      const all = wanted.map(({ subject, bytes }) =>
        outgoing({ subjectId: `s${subject}`, data: { text: 'x'.repeat(bytes) } }),
      );
      const requests = await cut(all, page);
      expect(requests.flat()).toEqual(all);
      for (const request of requests) {
        expect(request.length).toBeGreaterThan(0);
        expect(request.length).toBeLessThanOrEqual(10);
        expect(new Set(request.map((one) => one.event.subjectId)).size).toBe(request.length);
        const bytes = request.reduce((sum, one) => sum + sizeOf(one.entry), 0);
        expect(bytes < 256 * 1024 || request.length === 1).toBe(true);
      }
    }),
    { numRuns: 40 },
  );
});

test('the entries of a request are fewer bytes than 256 KB in all: one byte less fits, as many do not', async () => {
  const first = outgoing({ subjectId: 'first', data: { text: 'x'.repeat(100_000) } });
  const empty = outgoing({ subjectId: 'second', data: { text: '' } });
  const left = 256 * 1024 - sizeOf(first.entry) - sizeOf(empty.entry);
  const second = (length: number) => outgoing({ subjectId: 'second', data: { text: 'x'.repeat(length) } });
  expect(await cut([first, second(left - 1)])).toHaveLength(1);
  expect(await cut([first, second(left)])).toHaveLength(2);
});

test('what the systems of one domain tell shares requests, beside the one event of any subject that keeps its order', async () => {
  const told = (type: LogEvent['type']) => outgoing({ type, subjectId: COMMERCE });
  const heard = Array.from({ length: 100 }, () => told('DomainEventReceived'));
  expect((await cut(heard)).map((request) => request.length)).toEqual(Array(10).fill(10));
  const mixed = [heard[0]!, told('DomainUpdated'), heard[1]!, told('DomainUpdated'), heard[2]!];
  expect((await cut(mixed)).map((request) => request.length)).toEqual([3, 2]);
});

test('requests are as large as they may be, over the ends of pages', async () => {
  const all = Array.from({ length: 95 }, (_, n) => outgoing({ subjectId: `s${n}` }));
  expect((await cut(all, 13)).map((request) => request.length)).toEqual([...Array(9).fill(10), 5]);
});
