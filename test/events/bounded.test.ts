import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bounded } from '../../src/events/bounded.js';

const bytes = (data: unknown) => Buffer.byteLength(JSON.stringify(data));

test('small data stays as it is', () => {
  const small = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 }), { maxKeys: 10 });
  fc.assert(
    fc.property(small, (data) => {
      const plain = JSON.parse(JSON.stringify(data), (key, value) => (key === '__proto__' ? undefined : value));
      expect(bounded(data)).toEqual(plain);
    }),
  );
});

test('a long list that fits stays whole', () => {
  const data = { detail: { readings: Array.from({ length: 9_000 }, (_, n) => n) } };
  expect(bounded(data)).toEqual(data);
});

test('data of any size and shape fits into one EventBridge entry, and says what was left out', () => {
  const large = fc.record({
    list: fc.integer({ min: 0, max: 40_000 }),
    width: fc.integer({ min: 0, max: 400 }),
    text: fc.integer({ min: 0, max: 400_000 }),
    keys: fc.integer({ min: 0, max: 5_000 }),
  });
  fc.assert(
    fc.property(large, ({ list, width, text, keys }) => {
      const data = {
        list: Array.from({ length: list }, () => '\u00e9'.repeat(width)),
        text: 'x'.repeat(text),
        map: Object.fromEntries(Array.from({ length: keys }, (_, n) => [`key ${n}`, 'y'.repeat(width)])),
      };
      const cut = bounded(data);
      expect(bytes(cut)).toBeLessThanOrEqual(96 * 1024);
      if (bytes(data) > 96 * 1024) expect(cut.truncated).toMatch(/^Cut to fit: /);
    }),
    { numRuns: 30 },
  );
});
