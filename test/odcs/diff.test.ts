import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CHANGE_KINDS, type ContractChangeKind } from '../../src/governance/odcs/change-kind.js';
import { diffDataContracts } from '../../src/governance/odcs/diff.js';
import { parseDataContract } from '../../src/governance/odcs/parse.js';
import { mutatedContract } from './mutate.js';
import { realContract, standardIsHere, whySkipped } from './standard.js';

type Json = Record<string, unknown>;

const column = { name: 'total', logicalType: 'integer' };

function contract(more: Json = {}, about: Json = {}): Json {
  return { id: 'orders', schema: [{ name: 'orders', properties: [{ ...column, ...more }] }], ...about };
}

function kindsOf(from: unknown, to: unknown): string[] {
  return diffDataContracts(from, to).changes.map(({ kind }) => kind);
}

describe('the difference of two contracts', () => {
  it('says where, what kind, whether it breaks, and why in words', () => {
    const to = { id: 'orders', schema: [{ name: 'orders', properties: [{ name: 'amount', logicalType: 'number' }] }] };
    expect(diffDataContracts(contract(), to)).toEqual({
      compatible: false,
      changes: [
        {
          path: 'schema/orders/properties/total',
          kind: 'COLUMN_REMOVED',
          breaking: true,
          message: 'Column total is gone',
        },
        {
          path: 'schema/orders/properties/amount',
          kind: 'COLUMN_ADDED',
          breaking: false,
          message: 'Column amount of type double is new',
        },
      ],
    });
  });

  const address = (...names: string[]): Json => ({
    logicalType: 'object',
    properties: names.map((name) => ({ name, logicalType: 'string' })),
  });
  const list = (items: Json): Json => ({ logicalType: 'array', items });

  it.each<[string, Json, Json, ContractChangeKind]>([
    ['int to bigint', { physicalType: 'int' }, { physicalType: 'bigint' }, 'COLUMN_TYPE_WIDENED'],
    ['bigint to int', { physicalType: 'bigint' }, { physicalType: 'int' }, 'COLUMN_TYPE_NARROWED'],
    ['float to double', { physicalType: 'float' }, { physicalType: 'double' }, 'COLUMN_TYPE_WIDENED'],
    ['a longer varchar', { physicalType: 'varchar(2)' }, { physicalType: 'varchar(3)' }, 'COLUMN_TYPE_WIDENED'],
    ['more precision', { physicalType: 'decimal(9,2)' }, { physicalType: 'decimal(12,2)' }, 'COLUMN_TYPE_WIDENED'],
    ['another scale', { physicalType: 'decimal(9,2)' }, { physicalType: 'decimal(12,3)' }, 'COLUMN_TYPE_CHANGED'],
    ['int to text', { physicalType: 'int' }, { physicalType: 'text' }, 'COLUMN_TYPE_CHANGED'],
    ['a further field', address('a'), address('a', 'b'), 'COLUMN_TYPE_WIDENED'],
    ['a field gone', address('a', 'b'), address('a'), 'COLUMN_TYPE_NARROWED'],
    ['a field renamed', address('a', 'b'), address('a', 'c'), 'COLUMN_TYPE_CHANGED'],
    ['a field gone inside of a list', list(address('a', 'b')), list(address('a')), 'COLUMN_TYPE_NARROWED'],
    ['required to optional', { required: true }, { required: false }, 'COLUMN_REQUIRED_DROPPED'],
    ['optional to required', {}, { required: true }, 'COLUMN_REQUIRED_ADDED'],
    ['uniqueness dropped', { unique: true }, {}, 'COLUMN_UNIQUE_DROPPED'],
    ['a primary key', {}, { primaryKey: true }, 'PRIMARY_KEY_CHANGED'],
    ['a partition key', {}, { partitioned: true }, 'PARTITION_KEYS_CHANGED'],
    [
      'a stricter class',
      { classification: 'internal' },
      { classification: 'restricted' },
      'COLUMN_CLASSIFICATION_RAISED',
    ],
    [
      'a milder class',
      { classification: 'confidential' },
      { classification: 'public' },
      'COLUMN_CLASSIFICATION_LOWERED',
    ],
    ['a mark as personal', {}, { tags: ['pii'] }, 'COLUMN_PII_ADDED'],
    ['a new description', { description: 'a' }, { description: 'b' }, 'COLUMN_METADATA_CHANGED'],
  ])('is, for %s, what the table of kinds says', (_, from, to, kind) => {
    const { changes, compatible } = diffDataContracts(contract(from), contract(to));
    expect(changes.map((each) => each.kind)).toContain(kind);
    expect(compatible).toBe(changes.every((each) => !CHANGE_KINDS[each.kind].breaking));
    expect(changes.find((each) => each.kind === kind)?.breaking).toBe(CHANGE_KINDS[kind].breaking);
  });

  const sla = (property: string, value: unknown, unit?: string): Json =>
    contract({}, { slaProperties: [{ property, value, ...(unit === undefined ? {} : { unit }) }] });

  it.each([
    ['retention 3 y to 1 y', sla('retention', 3, 'y'), sla('retention', 1, 'y'), ['SLA_WEAKENED']],
    ['retention P1Y to P2Y', sla('retention', 'P1Y'), sla('retention', 'P2Y'), ['SLA_STRENGTHENED']],
    ['freshness 24 h to 2 d', sla('freshness', 24, 'h'), sla('freshness', 2, 'd'), ['SLA_WEAKENED']],
    ['freshness 24 h to 1 d', sla('freshness', 24, 'h'), sla('freshness', 1, 'day'), []],
    ['freshness 24 h to PT6H', sla('freshness', 24, 'h'), sla('freshness', 'PT6H'), ['SLA_STRENGTHENED']],
    ['availability 99.9% to 99%', sla('availability', '99.9%'), sla('availability', 99, '%'), ['SLA_WEAKENED']],
    ['a later end of life', sla('endOfLife', '2030-01-01'), sla('endOfLife', '2031-01-01'), ['SLA_STRENGTHENED']],
    [
      'an earlier end of support',
      sla('endOfSupport', '2030-01-01'),
      sla('endOfSupport', '2029-01-01'),
      ['SLA_WEAKENED'],
    ],
    ['a property without direction', sla('constructor', 1), sla('constructor', 2), ['SLA_CHANGED']],
    ['words', sla('latency', 'soon'), sla('latency', 'later'), ['SLA_CHANGED']],
    ['a promise gone', sla('latency', 1), contract(), ['SLA_REMOVED']],
  ])('judges the promise: %s', (_, from, to, kinds) => {
    expect(kindsOf(from, to).filter((kind) => kind.startsWith('SLA'))).toEqual(kinds);
  });

  const check = (more: Json): Json => contract({ quality: [{ type: 'sql', query: 'q', ...more }] });

  it.each([
    ['a milder bound', { mustBeLessThan: 5 }, { mustBeLessThan: 9 }, ['QUALITY_LOOSENED']],
    ['the bound itself allowed', { mustBeGreaterThan: 5 }, { mustBeGreaterOrEqualTo: 5 }, ['QUALITY_LOOSENED']],
    ['a stricter bound', { mustBeBetween: [0, 9] }, { mustBeBetween: [1, 8] }, ['QUALITY_TIGHTENED']],
    ['an overlapping range', { mustBeBetween: [0, 9] }, { mustBeBetween: [5, 12] }, ['QUALITY_CHANGED']],
    ['a range for a value', { mustBe: 5 }, { mustBeBetween: [1, 8] }, ['QUALITY_LOOSENED']],
    ['the same in other words', { mustBe: 5 }, { mustBeGreaterOrEqualTo: 5, mustBeLessOrEqualTo: 5 }, []],
    ['a milder severity', { severity: 'error' }, { severity: 'warning' }, ['QUALITY_LOOSENED']],
    ['another dimension alone', { dimension: 'accuracy' }, { dimension: 'coverage' }, []],
    ['another query', { query: 'a' }, { query: 'b' }, ['QUALITY_REMOVED', 'QUALITY_ADDED']],
    ['another query of a named check', { name: 'n', query: 'a' }, { name: 'n', query: 'b' }, ['QUALITY_CHANGED']],
  ])('judges the quality check: %s', (_, from, to, kinds) => {
    expect(kindsOf(check(from), check(to))).toEqual(kinds);
  });

  it('does not mind a new version, another layout, support or price', () => {
    const to = contract({}, { version: '2.0.0', price: { priceAmount: 1 }, support: [] });
    expect(diffDataContracts(contract({}, { version: '1.0.0' }), to)).toMatchObject({
      compatible: true,
      changes: [{ path: 'price', kind: 'METADATA_CHANGED' }, { path: 'support' }],
    });
  });
});

const names = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { maxLength: 4 });
const columnArbitrary = fc.record({
  physicalType: fc.constantFrom(
    'int',
    'bigint',
    'string',
    'varchar(3)',
    'decimal(9,2)',
    'struct<a:int,b:string>',
    'struct<a:bigint>',
  ),
  required: fc.boolean(),
  unique: fc.boolean(),
  primaryKey: fc.boolean(),
  partitioned: fc.boolean(),
  classification: fc.constantFrom('public', 'internal', 'secret'),
  tags: fc.constantFrom([], ['pii']),
  quality: fc.array(
    fc.record({
      name: fc.constantFrom('x', 'y'),
      severity: fc.constantFrom('error', 'warning', 'odd'),
      mustBeLessThan: fc.integer({ max: 3, min: 0 }),
    }),
    { maxLength: 2 },
  ),
});

function named<T extends object>(item: fc.Arbitrary<T>): fc.Arbitrary<(T & { name: string })[]> {
  return names.chain((some) =>
    fc
      .tuple(...some.map(() => item))
      .map((items) => items.map((each, index) => ({ ...each, name: some[index] ?? '' }))),
  );
}

const contractArbitrary = fc.record({
  description: fc.constantFrom({ purpose: 'p' }, { purpose: 'q' }),
  schema: named(fc.record({ properties: named(columnArbitrary) })),
  slaProperties: fc.array(
    fc.record({
      property: fc.constantFrom('latency', 'retention', 'odd'),
      value: fc.integer({ min: 0, max: 3 }),
      unit: fc.constantFrom('h', 'd'),
    }),
    { maxLength: 2 },
  ),
});

describe('the algebra of differences', () => {
  it('nothing differs from itself', () => {
    fc.assert(
      fc.property(fc.oneof(contractArbitrary, mutatedContract), (one) => {
        expect(diffDataContracts(one, structuredClone(one))).toEqual({ compatible: true, changes: [] });
      }),
    );
  });

  it('read backwards each change is its mirror', () => {
    fc.assert(
      fc.property(contractArbitrary, contractArbitrary, (from, to) => {
        const forward = diffDataContracts(from, to).changes.map(({ kind }) => CHANGE_KINDS[kind].mirror);
        expect(forward.sort()).toEqual(kindsOf(to, from).sort());
      }),
      { numRuns: 1000 },
    );
  });

  it('mirrors are mutual', () => {
    for (const [kind, { mirror }] of Object.entries(CHANGE_KINDS)) {
      expect(CHANGE_KINDS[mirror as ContractChangeKind].mirror, kind).toBe(kind);
    }
  });

  it('every table and column taken away breaks, and added again does not', () => {
    fc.assert(
      fc.property(contractArbitrary, (whole) => {
        for (const [index, table] of whole.schema.entries()) {
          const without = { ...whole, schema: whole.schema.filter((each) => each !== table) };
          expect(diffDataContracts(whole, without).compatible).toBe(false);
          expect(diffDataContracts(without, whole).compatible).toBe(true);
          for (const gone of table.properties) {
            const properties = table.properties.filter((each) => each !== gone);
            const narrower = { ...whole, schema: whole.schema.with(index, { ...table, properties }) };
            expect(kindsOf(whole, narrower)).toContain('COLUMN_REMOVED');
            expect(diffDataContracts(whole, narrower).compatible).toBe(false);
            if (!gone.primaryKey && !gone.partitioned) expect(diffDataContracts(narrower, whole).compatible).toBe(true);
          }
        }
      }),
    );
  });

  it('no two documents make it throw', () => {
    fc.assert(fc.property(mutatedContract, mutatedContract, (from, to) => void diffDataContracts(from, to)));
    fc.assert(fc.property(fc.jsonValue(), mutatedContract, (from, to) => void diffDataContracts(from, to)));
  });
});

describe.skipIf(!standardIsHere)(`the difference of real contracts${standardIsHere ? '' : ` (${whySkipped})`}`, () => {
  it('follows the cities from version to version', () => {
    const [first, second, third] = ['cities-v1', 'cities-v2', 'cities-v3'].map(
      (name) => parseDataContract(realContract(name)).document,
    );
    expect(diffDataContracts(first, second)).toMatchObject({ compatible: true });
    expect(kindsOf(first, second)).toEqual(['COLUMN_ADDED', 'METADATA_CHANGED']);
    expect(kindsOf(second, first)).toContain('COLUMN_REMOVED');
    expect(diffDataContracts(second, third).changes).toMatchInlineSnapshot(`
      [
        {
          "breaking": false,
          "kind": "COLUMN_REQUIRED_ADDED",
          "message": "Column population may no longer be null",
          "path": "schema/cities/properties/population",
        },
        {
          "breaking": false,
          "kind": "METADATA_CHANGED",
          "message": "servers changed",
          "path": "servers",
        },
      ]
    `);
  });
});
