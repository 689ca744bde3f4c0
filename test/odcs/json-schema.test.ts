import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type HiveType, primitive, spellType } from '../../src/governance/odcs/hive-type.js';
import { jsonSchemaOf } from '../../src/governance/odcs/json-schema.js';
import { schemaError } from '../../src/sandbox/schema-registry-json.js';

const column = (name: string, type: string, required = false) => ({ name, type, required });

test('a row is an object whose columns may be null unless they are required', () => {
  const columns = [
    column('id', 'bigint', true),
    column('code', 'varchar(3)'),
    column('amount', 'decimal(10,2)'),
    column('day', 'date'),
    column('at', 'timestamp'),
    column('lines', 'array<struct<sku:string,n:int>>'),
    column('labels', 'map<string,boolean>', true),
    column('odd', 'uniontype<int,string>'),
  ];
  expect(jsonSchemaOf(columns)).toEqual({
    $schema: 'http://json-schema.org/draft-07/schema#',
    type: 'object',
    properties: {
      id: { type: 'integer' },
      code: { type: ['string', 'null'], maxLength: 3 },
      amount: { type: ['number', 'null'] },
      day: { type: ['string', 'null'], format: 'date' },
      at: { type: ['string', 'null'] },
      lines: {
        type: ['array', 'null'],
        items: {
          type: ['object', 'null'],
          properties: { sku: { type: ['string', 'null'] }, n: { type: ['integer', 'null'] } },
        },
      },
      labels: { type: 'object', additionalProperties: { type: ['boolean', 'null'] } },
      odd: {},
    },
    required: ['id', 'labels'],
  });
});

test('without columns that are required nothing is demanded', () => {
  expect(jsonSchemaOf([column('a', 'string')])).not.toHaveProperty('required');
});

const name = fc.stringMatching(/^[a-z][a-z0-9_]{0,5}$/);
const leaf = fc
  .constantFrom('string', 'int', 'bigint', 'double', 'boolean', 'date', 'timestamp', 'binary')
  .map((one) => primitive(one));
const { type: anyType } = fc.letrec<{ type: HiveType }>((tie) => ({
  type: fc.oneof(
    { maxDepth: 3 },
    leaf,
    tie('type').map((of): HiveType => ({ kind: 'array', of })),
    tie('type').map((of): HiveType => ({ kind: 'map', key: primitive('string'), of })),
    fc
      .uniqueArray(fc.record({ name, type: tie('type') }), {
        minLength: 1,
        maxLength: 3,
        selector: (field) => field.name,
      })
      .map((fields): HiveType => ({ kind: 'struct', fields })),
  ),
}));

/** A value as a JSON reader of a row of the type would meet it. */
function exampleOf(type: HiveType): unknown {
  switch (type.kind) {
    case 'array':
      return [exampleOf(type.of), null];
    case 'map':
      return { key: exampleOf(type.of) };
    case 'struct':
      return Object.fromEntries(type.fields.map((field) => [field.name, exampleOf(field.type)]));
    case 'primitive':
      if (['int', 'bigint'].includes(type.name)) return 7;
      if (type.name === 'double') return 1.5;
      if (type.name === 'boolean') return true;
      return type.name === 'date' ? '2026-01-31' : 'text';
  }
}

test('whatever its columns are, a row fits its schema, which is one that the registry takes', () => {
  const ajv = new Ajv({ allowUnionTypes: true });
  addFormats.default(ajv);
  const columns = fc.uniqueArray(fc.record({ name, type: anyType, required: fc.boolean() }), {
    minLength: 1,
    maxLength: 5,
    selector: (one) => one.name,
  });
  fc.assert(
    fc.property(columns, (given) => {
      const schema = jsonSchemaOf(given.map((one) => ({ ...one, type: spellType(one.type) })));
      expect(schemaError(JSON.stringify(schema))).toBeUndefined();
      const row = Object.fromEntries(given.map((one) => [one.name, exampleOf(one.type)]));
      const holds = ajv.compile(schema);
      expect([holds(row), holds.errors]).toEqual([true, null]);
      const empty = Object.fromEntries(
        given.filter((one) => one.required).map((one) => [one.name, exampleOf(one.type)]),
      );
      expect(holds(empty)).toBe(true);
      for (const one of given) expect(holds({ ...row, [one.name]: null })).toBe(!one.required);
    }),
    { numRuns: 200 },
  );
});
