import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { openState } from '../../src/sandbox/state.js';

const folder = mkdtempSync(join(tmpdir(), 'state-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const changes = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.option(fc.nat(5))));

test('values that are shared are those of the rows after any changes, frozen, and copies are free', () => {
  const state = openState(folder);
  let table = 0;
  fc.assert(
    fc.property(changes, (made) => {
      const rows = state.table<{ list: number[] }>(`t${table++}`);
      for (const [key, value] of made) {
        if (value === null) rows.delete(key);
        else rows.put(key, { list: [value] });
        expect([...rows.shared()]).toEqual([...rows.values()]);
      }
    }),
  );
  const rows = state.table<{ list: number[] }>('t');
  rows.put('a', { list: [1] });
  expect(() => [...rows.shared()][0]?.list.push(2)).toThrow(TypeError);
  rows.get('a')?.list.push(2);
  expect([...rows.shared()]).toEqual([{ list: [1] }]);
  state.close();
});
