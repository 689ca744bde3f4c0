import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeCursor, encodeCursor } from '../../src/events/cursor.js';
import { InvalidCursor } from '../../src/events/errors.js';

test('a cursor names the number it was made of', () => {
  fc.assert(fc.property(fc.bigInt(0n, 2n ** 63n - 1n), (seq) => decodeCursor(encodeCursor(seq)) === seq));
});

test('anything that was not given out is refused', () => {
  const given = encodeCursor(7n);
  const wrong = (text: string) => Buffer.from(text).toString('base64url');
  const rubbish = [
    '',
    '7',
    given.slice(1),
    `${given}=`,
    ` ${given}`,
    `${given}!`,
    wrong('event:07'),
    wrong('event:-1'),
    wrong('event:'),
  ];
  rubbish.push(wrong(`event:${2n ** 63n}`), wrong('event:1e3'), wrong('domain:7'), wrong('event:7\n'));
  for (const text of rubbish) expect(() => decodeCursor(text), text).toThrow(InvalidCursor);
  fc.assert(
    fc.property(fc.string(), (text) => {
      try {
        return encodeCursor(decodeCursor(text)) === text;
      } catch (error) {
        return error instanceof InvalidCursor;
      }
    }),
  );
});
