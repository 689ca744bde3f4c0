import { expect, test } from 'vitest';
import { openHistory } from '../../src/events/history.js';
import type { LogEvent } from '../../src/events/types.js';

const KB = 1_024;

/** A log of events that each have so many bytes of data, and how often it was read. */
function openStage({ head, bytes, keptBytes }: { head: number; bytes: number; keptBytes: number }) {
  const eventOf = (n: number): LogEvent =>
    ({ seq: BigInt(n), data: { text: 'x'.repeat(bytes) } }) as Partial<LogEvent> as LogEvent;
  const stage = { reads: 0 };
  const history = openHistory({
    head: BigInt(head),
    keptBytes,
    read: async ({ after, upTo, limit }) => {
      stage.reads += 1;
      const last = Number(upTo ?? head);
      const count = Math.min(limit, last - Number(after));
      return Array.from({ length: count }, (_, n) => eventOf(Number(after) + 1 + n));
    },
  });
  return { eventOf, history, reads: () => stage.reads };
}

test('recent events stay in memory only as far as their bytes allow, and what went before is read', async () => {
  const { history, eventOf, reads } = openStage({ head: 0, bytes: 64 * KB, keptBytes: KB * KB });
  for (let n = 1; n <= 100; n += 1) history.add(eventOf(n));
  const last = history.after(95n);
  expect(Array.isArray(last) && last.map(({ seq }) => seq)).toEqual([96n, 97n, 98n, 99n, 100n]);
  expect(reads()).toBe(0);
  const old = await history.after(10n);
  expect(reads()).toBe(1);
  expect(old.map(({ seq }) => seq)).toEqual(Array.from({ length: 90 }, (_, n) => BigInt(n + 11)));
});

test('small events stay in memory by their number', () => {
  const { history, eventOf, reads } = openStage({ head: 0, bytes: 10, keptBytes: KB * KB });
  for (let n = 1; n <= 3_999; n += 1) history.add(eventOf(n));
  expect(history.after(0n)).toHaveLength(200);
  history.add(eventOf(4_000));
  expect(history.after(2_000n)).toHaveLength(200);
  expect(reads()).toBe(0);
});

test('an event larger than all that may be kept is handed out all the same', async () => {
  const { history, eventOf } = openStage({ head: 0, bytes: 64 * KB, keptBytes: KB });
  history.add(eventOf(1));
  history.add(eventOf(2));
  expect((await history.after(1n)).map(({ seq }) => seq)).toEqual([2n]);
});

test('pages are shared only as far as their bytes allow', async () => {
  const pages = async (bytes: number): Promise<number> => {
    const { history, reads } = openStage({ head: 1_000, bytes, keptBytes: KB * KB });
    for (let round = 0; round < 2; round += 1) {
      for (let cursor = 0n; cursor < 1_000n; cursor += 200n) expect(await history.after(cursor)).toHaveLength(200);
    }
    return reads();
  };
  expect(await pages(10)).toBe(5);
  expect(await pages(8 * KB)).toBe(10);
});
