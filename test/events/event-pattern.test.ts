import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InvalidPattern, readPattern } from '../../src/events/event-pattern.js';
import { matchesPattern } from '../../src/events/event-pattern-match.js';
import { compileEventPattern, PatternError } from '../../src/sandbox/events-pattern.js';

const matches = (pattern: unknown, event: object): boolean =>
  matchesPattern(readPattern(pattern), event as Record<string, unknown>);

/** Cases of the EventBridge user guide, "Comparison operators" and "Event patterns": pattern, what matches, what does not. */
const DOCUMENTED: [string, object, object[], object[]][] = [
  ['And', { a: ['x'], b: ['y'] }, [{ a: 'x', b: 'y', c: 1 }], [{ a: 'x' }, { a: 'x', b: 'z' }]],
  ['Or within a field', { a: ['x', 'y'] }, [{ a: 'x' }, { a: 'y' }, { a: ['z', 'y'] }], [{ a: 'z' }, {}]],
  ['$or of fields', { $or: [{ a: ['x'] }, { b: ['y'] }] }, [{ a: 'x' }, { b: 'y' }], [{ a: 'y', b: 'x' }]],
  ['$or beside a field', { c: [1], $or: [{ a: ['x'] }, { b: ['y'] }] }, [{ c: 1, b: 'y' }], [{ b: 'y' }, { c: 1 }]],
  ['Null', { a: [null] }, [{ a: null }], [{ a: 'null' }, { a: '' }, {}]],
  ['Empty', { a: [''] }, [{ a: '' }], [{ a: null }, {}]],
  ['Equals a number', { a: [300] }, [{ a: 300 }, { a: 3.0e2 }], [{ a: '300' }, { a: 301 }]],
  ['Equals true', { a: [true] }, [{ a: true }], [{ a: 'true' }, { a: 1 }]],
  ['Begins with', { a: [{ prefix: 'us-' }] }, [{ a: 'us-east-1' }], [{ a: 'eu-us-1' }, { a: 'US-east' }, { a: 1 }]],
  [
    'Begins with, ignoring case',
    { a: [{ prefix: { 'equals-ignore-case': 'EventB' } }] },
    [{ a: 'eventbridge' }],
    [{ a: 'x' }],
  ],
  ['Ends with', { a: [{ suffix: '.png' }] }, [{ a: 'x.png' }], [{ a: 'x.PNG' }, { a: 'png' }]],
  [
    'Ends with, ignoring case',
    { a: [{ suffix: { 'equals-ignore-case': '.Png' } }] },
    [{ a: 'x.pNG' }],
    [{ a: 'x.gif' }],
  ],
  ['Equals, ignoring case', { a: [{ 'equals-ignore-case': 'alice' }] }, [{ a: 'AliCe' }], [{ a: 'alicia' }]],
  [
    'Wildcard',
    { a: [{ wildcard: '*/lib/*.js' }] },
    [{ a: '/x/lib/y.js' }, { a: '/lib/.js' }],
    [{ a: '/x/lib/y.ts' }, { a: 'lib/a.js.' }],
  ],
  ['Wildcard with escapes', { a: [{ wildcard: 'a\\*b\\\\*' }] }, [{ a: 'a*b\\c' }], [{ a: 'axb\\c' }, { a: 'a*bc' }]],
  ['Wildcard whose parts overlap', { a: [{ wildcard: 'ab*ba' }] }, [{ a: 'abba' }, { a: 'abxba' }], [{ a: 'aba' }]],
  ['Anything but', { a: [{ 'anything-but': 'x' }] }, [{ a: 'y' }, { a: 1 }], [{ a: 'x' }, {}]],
  ['Anything but a list', { a: [{ 'anything-but': [1, 2] }] }, [{ a: 3 }], [{ a: 1 }, { a: 2 }]],
  ['Anything but a prefix', { a: [{ 'anything-but': { prefix: 'us-' } }] }, [{ a: 'eu-1' }], [{ a: 'us-1' }]],
  [
    'Anything but suffixes',
    { a: [{ 'anything-but': { suffix: ['.a', '.b'] } }] },
    [{ a: 'x.c' }],
    [{ a: 'x.a' }, { a: 'x.b' }],
  ],
  [
    'Anything but, ignoring case',
    { a: [{ 'anything-but': { 'equals-ignore-case': 'x' } }] },
    [{ a: 'y' }],
    [{ a: 'X' }],
  ],
  [
    'Anything but a wildcard',
    { a: [{ 'anything-but': { wildcard: '*/lib/*' } }] },
    [{ a: '/src/x' }],
    [{ a: '/lib/x' }],
  ],
  ['Numeric', { a: [{ numeric: ['>', 0, '<=', 5] }] }, [{ a: 5 }, { a: 0.1 }], [{ a: 0 }, { a: 5.1 }, { a: '3' }]],
  ['Numeric equals', { a: [{ numeric: ['=', 100] }] }, [{ a: 100 }], [{ a: 99 }]],
  [
    'Exists',
    { a: { b: [{ exists: true }] } },
    [{ a: { b: 1 } }, { a: { b: null } }],
    [{ a: {} }, {}, { a: { b: {} } }],
  ],
  ['Does not exist', { a: { b: [{ exists: false }] } }, [{ a: {} }, {}, { a: { c: 1 } }], [{ a: { b: 1 } }]],
  ['IP address', { a: [{ cidr: '10.0.0.0/24' }] }, [{ a: '10.0.0.255' }], [{ a: '10.0.1.0' }, { a: 'x' }]],
  [
    'IPv6 address',
    { a: [{ cidr: '2001:db8::/32' }] },
    [{ a: '2001:db8::1' }],
    [{ a: '2001:db9::1' }, { a: '10.0.0.1' }],
  ],
  [
    'Below one and the same element',
    { a: { b: [1], c: [2] } },
    [{ a: [{ b: 1, c: 2 }] }],
    [{ a: [{ b: 1 }, { c: 2 }] }],
  ],
];

test.each(DOCUMENTED)('%s', (_, pattern, yes, no) => {
  for (const event of yes) expect(matches(pattern, event), JSON.stringify(event)).toBe(true);
  for (const event of no) expect(matches(pattern, event), JSON.stringify(event)).toBe(false);
  const other = compileEventPattern(JSON.stringify(pattern));
  for (const event of [...yes, ...no]) expect(other(event)).toBe(yes.includes(event));
});

/** What Meshgate refuses and EventBridge takes, or takes in its own way. */
const REFUSED_HERE_ALONE = new Set([
  'a dot in a name',
  'a field beside $or and within it',
  'more than a thousand combinations',
  // A field may have the name: so it was before there was $or.
  '$or of values',
]);

const many = Array.from({ length: 32 }, (_, n) => ({ a: [n] }));
/** What EventBridge does not take: what it is, the pattern, where it is wrong. */
const REFUSED: [string, unknown, string][] = [
  ['a text', '{}', ''],
  ['nothing', {}, ''],
  ['an empty object', { a: {} }, 'a'],
  ['an empty list', { a: [] }, 'a'],
  ['a bare value', { a: 'x' }, 'a'],
  ['a list within a list', { a: [['x']] }, 'a.0'],
  ['an operator that there is not', { a: [{ regex: '.*' }] }, 'a.0'],
  ['two operators at once', { a: [{ prefix: 'a', suffix: 'b' }] }, 'a.0'],
  ['no operator', { a: [{}] }, 'a.0'],
  ['exists of a text', { a: [{ exists: 'true' }] }, 'a.0'],
  ['prefix of a number', { a: [{ prefix: 1 }] }, 'a.0'],
  ['anything-but of nothing', { a: [{ 'anything-but': [] }] }, 'a.0'],
  ['anything-but of texts and numbers', { a: [{ 'anything-but': ['a', 1] }] }, 'a.0'],
  ['anything-but of a network', { a: [{ 'anything-but': { cidr: '10.0.0.0/8' } }] }, 'a.0'],
  ['numeric of one', { a: [{ numeric: ['>'] }] }, 'a.0'],
  ['numeric by !=', { a: [{ numeric: ['!=', 1] }] }, 'a.0'],
  ['numeric beyond the bounds', { a: [{ numeric: ['>', 5_000_000_001] }] }, 'a.0'],
  ['numeric upper bound first', { a: [{ numeric: ['<', 5, '>', 0] }] }, 'a.0'],
  ['cidr without a length', { a: [{ cidr: '10.0.0.0' }] }, 'a.0'],
  ['cidr too long', { a: [{ cidr: '10.0.0.0/33' }] }, 'a.0'],
  ['two stars', { a: [{ wildcard: 'a**b' }] }, 'a.0'],
  ['another escape', { a: [{ wildcard: 'a\\n' }] }, 'a.0'],
  ['an escape at the end', { a: [{ wildcard: 'a\\' }] }, 'a.0'],
  ['anything-but of an empty prefix', { a: [{ 'anything-but': { prefix: '' } }] }, 'a.0'],
  ['anything-but of an empty suffix among others', { a: [{ 'anything-but': { suffix: ['.a', ''] } }] }, 'a.0'],
  [
    'anything-but of an operator in an operator',
    { a: [{ 'anything-but': { prefix: { 'equals-ignore-case': 'x' } } }] },
    'a.0',
  ],
  ['anything-but of a number beyond the bounds', { a: [{ 'anything-but': 5_000_000_001 }] }, 'a.0'],
  ['anything-but of such a number among others', { a: [{ 'anything-but': [1, -5_000_000_001] }] }, 'a.0'],
  ['numeric between a bound and itself', { a: [{ numeric: ['>=', 5, '<=', 5] }] }, 'a.0'],
  ['cidr of one address', { a: [{ cidr: '10.0.0.1/32' }] }, 'a.0'],
  ['cidr of one address of IPv6', { a: [{ cidr: '2001:db8::1/128' }] }, 'a.0'],
  ["an operator's name within $or", { $or: [{ prefix: ['x'] }, { a: [1] }] }, '$or.0.prefix'],
  ['such a name deep within $or', { $or: [{ a: { regex: ['x'] } }, { a: [1] }] }, '$or.0.a.regex'],
  ['$or of one', { $or: [{ a: [1] }] }, '$or'],
  ['$or of values', { $or: ['a', 'b'] }, '$or'],
  ['a dot in a name', { 'detail.audience': ['x'] }, 'detail.audience'],
  ['a field beside $or and within it', { a: { b: [1] }, $or: [{ a: { b: [2] } }, { c: [3] }] }, 'a.b'],
  ['more than a thousand combinations', { $or: many, b: { $or: many } }, ''],
];

test.each(REFUSED)('%s is refused', (_, pattern, path) => {
  try {
    readPattern(pattern);
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidPattern);
    return expect((error as InvalidPattern).path).toBe(path);
  }
  throw new Error('It was taken.');
});

test.each(REFUSED.filter(([name, pattern]) => typeof pattern === 'object' && !REFUSED_HERE_ALONE.has(name)))(
  'the embedded AWS refuses %s too',
  (_, pattern) => {
    expect(() => compileEventPattern(JSON.stringify(pattern))).toThrow(PatternError);
  },
);

test('operators may be names of fields outside of $or', () => {
  expect(matches({ prefix: ['x'] }, { prefix: 'x' })).toBe(true);
  expect(compileEventPattern('{"prefix":["x"]}')({ prefix: 'x' })).toBe(true);
});

test('the embedded AWS takes 2,048 characters, the default quota', () => {
  const of = (length: number) => `{"a":["${'x'.repeat(length - 10)}"]}`;
  expect(of(2_048)).toHaveLength(2_048);
  expect(() => compileEventPattern(of(2_048))).not.toThrow();
  expect(() => compileEventPattern(of(2_049))).toThrow(PatternError);
});

test('a wildcard of many stars takes no time', () => {
  const pattern = readPattern({ a: [{ wildcard: `${'a*'.repeat(200)}b` }] });
  const began = performance.now();
  expect(matchesPattern(pattern, { a: 'a'.repeat(100_000) })).toBe(false);
  expect(performance.now() - began).toBeLessThan(500);
});

describe('against an implementation of others', () => {
  const text = fc.constantFrom('', 'a', 'A', 'ab', 'aB', 'b', 'bab', '10.0.0.1', '10.0.0.9', '*', '\\');
  const number = fc.constantFrom(0, 1, -1, 2.5, 300);
  const value = fc.oneof(text, number, fc.boolean(), fc.constant(null));
  const wildcard = fc
    .array(fc.constantFrom('a', 'b', '*', '\\*', '\\\\', '**', 'A'), { maxLength: 5 })
    .map((parts) => parts.join(''));
  const onText = fc.oneof(
    text.map((prefix) => ({ prefix })),
    text.map((suffix) => ({ suffix })),
    text.map((one) => ({ 'equals-ignore-case': one })),
    wildcard.map((one) => ({ wildcard: one })),
  );
  const condition = fc.oneof(
    { weight: 3, arbitrary: value },
    { weight: 3, arbitrary: onText },
    text.map((one) => ({ prefix: { 'equals-ignore-case': one } })),
    fc.boolean().map((exists) => ({ exists })),
    fc.constant({ cidr: '10.0.0.0/29' }),
    fc.tuple(fc.constantFrom('<', '<=', '=', '>', '>='), number).map((numeric) => ({ numeric })),
    fc.tuple(number, number).map(([low, high]) => ({ numeric: ['>=', low, '<', high] })),
    fc
      .oneof(text, number, fc.array(text, { minLength: 1, maxLength: 3 }), onText)
      .map((one) => ({ 'anything-but': one })),
  );
  const name = fc.constantFrom('a', 'b', 'c');
  const { pattern } = fc.letrec<{ pattern: object }>((tie) => {
    const leaf = fc.array(condition, { minLength: 1, maxLength: 3 });
    const fields = fc.dictionary(name, fc.oneof({ depthSize: 'xsmall' }, leaf, tie('pattern')), {
      minKeys: 1,
      maxKeys: 3,
      noNullPrototype: true,
    });
    const either = fc.array(tie('pattern'), { minLength: 2, maxLength: 3 });
    return {
      pattern: fc.oneof(
        { depthSize: 'xsmall' },
        fields,
        fc.tuple(fields, either).map(([all, $or]) => ({ ...all, $or })),
      ),
    };
  });
  const { event } = fc.letrec<{ event: object }>((tie) => ({
    event: fc.dictionary(
      name,
      fc.oneof({ depthSize: 'xsmall' }, value, fc.array(fc.oneof(value, tie('event')), { maxLength: 3 }), tie('event')),
      { maxKeys: 3, noNullPrototype: true },
    ),
  }));

  test('every pattern that both take matches the same events, and what is taken here is taken there', () => {
    let matched = 0;
    let taken = 0;
    fc.assert(
      fc.property(pattern, fc.array(event, { minLength: 3, maxLength: 8 }), (one, events) => {
        fc.pre(JSON.stringify(one).length <= 2_048);
        let ours: ReturnType<typeof readPattern>;
        try {
          ours = readPattern(one);
        } catch (error) {
          if (error instanceof InvalidPattern) return;
          throw error;
        }
        taken += 1;
        let theirs: ReturnType<typeof compileEventPattern>;
        try {
          theirs = compileEventPattern(JSON.stringify(one));
        } catch (error) {
          throw new Error(`Taken here alone: ${error instanceof PatternError ? error.message : String(error)}`);
        }
        for (const each of events) {
          const answer = matchesPattern(ours, each as Record<string, unknown>);
          matched += Number(answer);
          expect(answer).toBe(theirs(each));
        }
      }),
      { numRuns: 2_500, maxSkipsPerRun: 10 },
    );
    // Neither by never taking nor by never matching.
    expect(taken).toBeGreaterThan(500);
    expect(matched).toBeGreaterThan(50);
  });
});
