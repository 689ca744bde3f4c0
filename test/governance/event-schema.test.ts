import { describe, expect, test } from 'vitest';
import type { GovernanceError } from '../../src/governance/error.js';
import { inWords, schemaFaults } from '../../src/governance/event-fault.js';
import { readEventSchema } from '../../src/governance/event-schema.js';

/** In words; null where there are none. */
const schemaProblem = (schema: Record<string, unknown>, detail: unknown): string | null =>
  inWords(schemaFaults(schema, detail)) || null;

const refusalOf = (schema: unknown): string => {
  try {
    readEventSchema(schema);
    return 'taken';
  } catch (error) {
    return (error as Error).message;
  }
};

/** Definitions of which each refers to the next one twice: 2^depth schemas. */
const doubling = (depth: number): Record<string, unknown> =>
  Object.fromEntries(
    Array.from({ length: depth }, (_, n) => {
      const next = { $ref: `#/$defs/d${n + 1}` };
      return [`d${n}`, n === depth - 1 ? { type: 'string' } : { allOf: [next, next] }];
    }),
  );

describe('a schema of events', () => {
  test('of 2020-12, or of draft 7 where it says so, is taken with references to its own definitions', () => {
    const money = { type: 'object', required: ['amount'], properties: { amount: { type: 'number' } } };
    const schema = { type: 'object', properties: { total: { $ref: '#/$defs/money' } }, $defs: { money } };
    expect(schemaProblem(readEventSchema(schema), { total: { amount: 1 } })).toBeNull();
    expect(schemaProblem(readEventSchema(schema), { total: {} })).toBe('detail.total.amount is missing');
    const tuple = { properties: { pair: { prefixItems: [{ type: 'string' }], items: false } } };
    expect(schemaProblem(readEventSchema(tuple), { pair: ['a', 'b'] })).toContain('detail.pair');
    const draft7 = {
      $schema: 'http://json-schema.org/draft-07/schema#',
      properties: { pair: { items: [{ type: 'string' }], additionalItems: false } },
    };
    expect(schemaProblem(readEventSchema(draft7), { pair: ['a', 'b'] })).toContain('detail.pair');
    expect(schemaProblem(readEventSchema({ properties: { at: { format: 'date-time' } } }), { at: 'x' })).toContain(
      'at',
    );
  });

  test.each<[string, unknown, string]>([
    ['a text', 'schema', 'an object'],
    ['an unknown keyword', { properties: { a: { typo: true } } }, 'at /properties/a/typo: unknown keyword'],
    [
      'a wrong keyword',
      { properties: { a: { type: 'strin' } } },
      'at /properties/a/type: must be equal to one of the allowed values: array, boolean',
    ],
    [
      'two wrong keywords',
      { type: 'object', properties: { a: { maxLength: -1 } }, required: 'a' },
      'at /properties/a/maxLength: must be >= 0.; at /required: must be array. Taken is JSON Schema 2020-12, or draft 7',
    ],
    [
      'an unknown format',
      { properties: { a: { format: 'phone' } } },
      'at /properties/a/format: this format is not taken',
    ],
    ['a condition without what follows', { if: { required: ['a'] } }, 'if'],
    ['another draft', { $schema: 'http://json-schema.org/draft-04/schema#' }, 'at /$schema: this dialect is not taken'],
    [
      'a pattern',
      { properties: { 'a/b': { pattern: '^(a+)+$' } } },
      'at /properties/a~1b/pattern: regular expressions',
    ],
    [
      'a pattern behind a reference',
      { properties: { a: { $ref: '#/$defs/b' } }, $defs: { b: { pattern: 'x' } } },
      'at /$defs/b/pattern',
    ],
    ['patternProperties', { patternProperties: { '^a': {} } }, 'regular expressions'],
    ['a remote reference', { $ref: 'https://example.com/schema.json' }, 'others are not fetched'],
    ['a file', { $ref: 'file:///etc/passwd' }, 'others are not fetched'],
    ['a reference to nothing', { $ref: '#/$defs/x' }, 'refer to a definition'],
    ['an address of its own', { $id: 'https://example.com' }, '$id'],
    ['a circle', { $defs: { a: { $ref: '#/$defs/b' }, b: { $ref: '#/$defs/a' } }, $ref: '#/$defs/a' }, 'to itself'],
    ['references that multiply', { $defs: doubling(30), $ref: '#/$defs/d0' }, 'more than 250 schemas'],
    [
      'very many properties',
      { properties: Object.fromEntries(Array.from({ length: 1_100 }, (_, n) => [`p${n}`, {}])) },
      'more than 1000',
    ],
    ['unique items of any type', { properties: { a: { uniqueItems: true, maxItems: 10 } } }, 'compared each with each'],
    [
      'unique items of one type or another',
      { uniqueItems: true, items: { type: ['string', 'object'] } },
      'uniqueItems',
    ],
    [
      'unique items of a type beside them',
      { uniqueItems: true, allOf: [{ items: { type: 'string' } }] },
      'uniqueItems',
    ],
    [
      'unique items of draft 7, by place',
      { $schema: 'http://json-schema.org/draft-07/schema#', uniqueItems: true, items: [{ type: 'string' }] },
      'uniqueItems',
    ],
    ['many schemas for each item', { items: { anyOf: Array(260).fill({ type: 'string' }) } }, 'more than 250 schemas'],
    ['a long enum for each item', { items: { enum: Array.from({ length: 3_000 }, (_, n) => n) } }, 'more than 250'],
    [
      'many references for each item',
      { $defs: { u: { maxLength: 9 } }, allOf: Array(130).fill({ items: { $ref: '#/$defs/u' } }) },
      'more than 250 schemas',
    ],
    [
      'many references for one property',
      { $defs: { u: { maxLength: 9 } }, allOf: Array(130).fill({ properties: { a: { $ref: '#/$defs/u' } } }) },
      'more than 250 schemas',
    ],
    ['too much', { description: 'x'.repeat(40_000) }, '32768 bytes'],
    ['too deep', JSON.parse(`${'{"not":'.repeat(50)}{}${'}'.repeat(50)}`), 'deeper'],
    ['a character that cannot be stored', { description: 'a\u0000' }, 'U+0000'],
  ])('with %s is refused, and says why', (_, schema, why) => {
    expect(refusalOf(schema)).toContain(why);
  });

  test('takes unique items of plain types, many properties and long lists of values', () => {
    const unique = readEventSchema({ properties: { a: { uniqueItems: true, items: { type: ['string', 'null'] } } } });
    expect(schemaProblem(unique, { a: ['x', 'y', null] })).toBeNull();
    expect(schemaProblem(unique, { a: ['x', 'y', 'x'] })).toContain('detail.a');
    const properties = Object.fromEntries(
      Array.from({ length: 400 }, (_, n) => [`p${n}`, { enum: [`a${n}`, `b${n}`], type: 'string' }]),
    );
    expect(refusalOf({ properties, required: Object.keys(properties) })).toBe('taken');
  });

  test('that refuses a place says it by a pointer, and every place where it is no schema', () => {
    let thrown: unknown;
    try {
      readEventSchema({ type: 'object', properties: { a: { maxLength: -1 } }, required: 'a' });
    } catch (error) {
      thrown = error;
    }
    expect((thrown as GovernanceError).details).toEqual({
      path: 'schema',
      violations: [
        { path: '/properties/a/maxLength', reason: 'must be >= 0.' },
        { path: '/required', reason: 'must be array.' },
      ],
    });
  });

  test('names every fault of an event with its place, ten at most', () => {
    const schema = readEventSchema({
      type: 'object',
      required: ['sale', 'shop'],
      properties: {
        sale: {
          type: 'object',
          required: ['at'],
          properties: { at: { format: 'date-time' }, 'in/out': { const: 'in' } },
        },
        kind: { enum: ['CASH', 'CARD'] },
        lines: { items: { type: 'number', minimum: 0 } },
      },
      additionalProperties: false,
    });
    expect(schemaFaults(schema, { sale: { 'in/out': 'out' }, kind: 'GOLD', lines: [1, -1, 'x'], extra: 1 })).toEqual([
      { path: 'detail.shop', reason: 'is missing' },
      { path: 'detail.extra', reason: 'is not in the schema' },
      { path: 'detail.sale.at', reason: 'is missing' },
      { path: 'detail.sale.in/out', reason: 'must be "in"' },
      { path: 'detail.kind', reason: 'must be one of "CASH", "CARD"' },
      { path: 'detail.lines.1', reason: 'must be >= 0' },
      { path: 'detail.lines.2', reason: 'must be number' },
    ]);
    const lines = schemaFaults(schema, { sale: { at: '2026-03-01T10:00:00Z' }, shop: 1, lines: Array(50).fill(-1) });
    expect(lines).toHaveLength(11);
    expect(lines.at(-1)).toEqual({ path: 'detail', reason: 'and 41 more' });
  });

  test('names the first fault alone of an event so large that all would take much memory', () => {
    const names = Array.from({ length: 2_000 }, (_, n) => `n${n}`);
    const schema = readEventSchema({ properties: { a: { items: { required: names } } } });
    expect(schemaFaults(schema, { a: Array(300).fill({}) })).toEqual([{ path: 'detail.a.0.n0', reason: 'is missing' }]);
  });

  const many = 120;
  const each = (schema: object) => ({ properties: { a: { items: { allOf: Array(many).fill(schema) } } } });
  const worst: [string, Record<string, unknown>, unknown][] = [
    [
      'unique items',
      { $defs: { u: { uniqueItems: true, items: { type: 'number' } } }, ...each({ $ref: '#/$defs/u' }) },
      { a: [Array.from({ length: 12_000 }, (_, n) => n)] },
    ],
    [
      'alternatives that fail',
      {
        properties: {
          a: { items: { anyOf: Array.from({ length: 240 }, () => ({ type: 'string' })).concat({} as never) } },
        },
      },
      { a: Array(30_000).fill(1) },
    ],
    [
      'long enums',
      { properties: { a: { items: { enum: Array.from({ length: 2_400 }, (_, n) => n) } } } },
      { a: Array(12_000).fill(2_399) },
    ],
    ['lengths', each({ maxLength: 100_000 }), { a: ['x'.repeat(64_000)] }],
    ['formats', each({ not: { format: 'email' } }), { a: [`a@${'a'.repeat(60_000)}`] }],
    ['addresses', each({ not: { format: 'uri' } }), { a: [`http://${'a%20'.repeat(15_000)} `] }],
    ['contains', each({ contains: { const: 2 } }), { a: [[...Array(30_000).fill(1), 2]] }],
  ];
  test.each(worst)('is held against 64 KB of %s in no time', (_, given, detail) => {
    const schema = readEventSchema(given);
    schemaProblem(schema, {});
    const { user } = process.cpuUsage();
    expect(schemaProblem(schema, detail)).toBeNull();
    expect((process.cpuUsage().user - user) / 1_000).toBeLessThan(2_000);
  });
});
