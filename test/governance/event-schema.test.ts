import { describe, expect, test } from 'vitest';
import { readEventSchema, schemaProblem } from '../../src/governance/event-schema.js';

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
    expect(schemaProblem(readEventSchema(schema), { total: {} })).toBe(
      "detail.total must have required property 'amount'",
    );
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
    ['an unknown keyword', { typo: true }, 'unknown keyword'],
    ['a wrong keyword', { type: 'strin' }, 'must be'],
    ['another draft', { $schema: 'http://json-schema.org/draft-04/schema#' }, '2020-12'],
    ['a pattern', { properties: { a: { pattern: '^(a+)+$' } } }, 'schema.properties.a.pattern'],
    ['patternProperties', { patternProperties: { '^a': {} } }, 'regular expressions'],
    ['a remote reference', { $ref: 'https://example.com/schema.json' }, 'others are not fetched'],
    ['a file', { $ref: 'file:///etc/passwd' }, 'others are not fetched'],
    ['a reference to nothing', { $ref: '#/$defs/x' }, 'refer to a definition'],
    ['an address of its own', { $id: 'https://example.com' }, '$id'],
    ['a circle', { $defs: { a: { $ref: '#/$defs/b' }, b: { $ref: '#/$defs/a' } }, $ref: '#/$defs/a' }, 'to itself'],
    ['references that multiply', { $defs: doubling(30), $ref: '#/$defs/d0' }, 'more than 1000 schemas'],
    ['unique items without end', { properties: { a: { uniqueItems: true } } }, 'maxItems'],
    ['too much', { description: 'x'.repeat(40_000) }, '32768 bytes'],
    ['too deep', JSON.parse(`${'{"not":'.repeat(50)}{}${'}'.repeat(50)}`), 'deeper'],
    ['a character that cannot be stored', { description: 'a\u0000' }, 'U+0000'],
  ])('with %s is refused, and says why', (_, schema, why) => {
    expect(refusalOf(schema)).toContain(why);
  });

  test('holds an event of 64 KB against a thousand schemas in no time', () => {
    const any = Array.from({ length: 400 }, (_, n) => ({
      properties: { [`p${n}`]: { type: 'string' } },
      required: [`q${n}`],
    }));
    const schema = readEventSchema({ properties: { items: { items: { anyOf: any } } } });
    const detail = { items: Array.from({ length: 8_000 }, () => ({ a: 1 })) };
    schemaProblem(schema, {});
    const began = performance.now();
    expect(schemaProblem(schema, detail)).toContain('items');
    expect(performance.now() - began).toBeLessThan(2_000);
  });
});
