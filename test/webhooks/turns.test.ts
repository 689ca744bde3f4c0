import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createTurns } from '../../src/events/webhook-turns.js';

const waiting = (...ids: string[]) => ids.map((id) => ({ id }));

test('whoever was served longest ago is next, and whoever never was before him', async () => {
  const turns = createTurns();
  for (const id of ['a', 'b', 'c', 'a']) {
    turns.serve(id);
    await sleep(2);
  }
  expect(turns.inOrder(waiting('a', 'b', 'c', 'new'))).toEqual(waiting('new', 'b', 'c', 'a'));
});

test('webhooks that are gone are forgotten', async () => {
  const turns = createTurns(50);
  for (let n = 0; n < 1_000; n += 1) turns.serve(`gone-${n}`);
  await sleep(60);
  turns.serve('here');
  expect(turns.inOrder(waiting('here'))).toEqual(waiting('here'));
  expect(turns.size).toBe(1);
});
