import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Detail, openMeshState } from '../../docs/reference-consumer.mjs';
import { toEntry } from '../../src/events/entries.js';
import { readEvents } from '../../src/events/read.js';
import { headReaches, openTestLog, someEvent, type TestLog, write } from './log.js';

let log: TestLog;
beforeAll(async () => {
  log = await openTestLog();
});
afterAll(() => log.close());

const STATUSES = ['PENDING', 'APPROVED', 'PROVISIONING', 'ACTIVE', 'REVOKING', 'REVOKED'];

test('a consumer who gets everything three times and shuffled ends in the same state', async () => {
  const subjects = Array.from({ length: 12 }, () => crypto.randomUUID());
  const events = Array.from({ length: 150 }, (_, n) => {
    const status = STATUSES[Math.floor(n / 25)];
    const after = n % 3 === 0 ? { status, purpose: `purpose ${n}` } : { status };
    return someEvent({ subjectId: subjects[(n * 7) % subjects.length]!, data: { before: null, after } });
  });
  await write(log, events);
  await headReaches(log, events.length);
  // As they leave: the detail of each entry for EventBridge.
  const sent = (await readEvents(log.pool, { after: 0n, limit: 1_000 })).map(
    (event) => JSON.parse(toEntry(event, { bus: 'bus', names: new Map() }).detail) as Detail,
  );
  const stateAfter = (details: Detail[]): Record<string, unknown>[] => {
    const mesh = openMeshState();
    for (const detail of details) mesh.take(detail);
    return mesh.state();
  };
  const once = stateAfter(sent);
  expect(once).toHaveLength(subjects.length);
  for (const { id, status } of once) {
    const last = sent.findLast(({ subject }) => subject.id === id);
    expect(status).toBe(last?.data.after?.status);
  }
  const thrice = [...sent, ...sent, ...sent];
  fc.assert(
    fc.property(fc.shuffledSubarray(thrice, { minLength: thrice.length }), (shuffled) => {
      expect(stateAfter(shuffled)).toEqual(once);
    }),
    { numRuns: 100 },
  );
});
