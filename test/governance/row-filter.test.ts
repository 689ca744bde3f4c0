import fc from 'fast-check';
import { expect, test } from 'vitest';
import { GovernanceError } from '../../src/governance/error.js';
import { misfitOf, readRowFilter } from '../../src/governance/row-filter.js';

const columns = [
  { name: 'country', type: 'string', partition: false },
  { name: 'id', type: 'bigint', partition: false },
  { name: 'year', type: 'int', partition: true },
  { name: 'vip', type: 'boolean', partition: false },
  { name: 'at', type: 'timestamp', partition: false },
  { name: 'order', type: 'decimal(12,2)', partition: false },
  { name: 'address', type: 'struct<city:string,geo:struct<lat:double,lon:double>>', partition: false },
];

const written = (text: string) => readRowFilter(text, columns).text;

function refusal(text: string): string {
  try {
    readRowFilter(text, columns);
  } catch (error) {
    if (error instanceof GovernanceError && error.code === 'VALIDATION' && error.details.path === 'rowFilter') {
      return error.message;
    }
    throw error;
  }
  throw new Error(`${text} was taken`);
}

test('the examples of the AWS page are taken and written in one way', () => {
  expect(written("year > 2010 and country != 'US'")).toBe(`("year" > 2010 AND "country" <> 'US')`);
  expect(written("(year > 2010 and country = 'US') or (year < 8 and id > 23)")).toBe(
    `(("year" > 2010 AND "country" = 'US') OR ("year" < 8 AND "id" > 23))`,
  );
  expect(written("(country between 'Z' and 'U') and (year = 2018)")).toBe(
    `("country" BETWEEN 'Z' AND 'U' AND "year" = 2018)`,
  );
  expect(written("(country like '%ited%') and (year > 2000)")).toBe(`("country" LIKE '%ited%' AND "year" > 2000)`);
  expect(written("country in ('DE', 'it''s') AND id NOT IN (1,-2.5)")).toBe(
    `("country" IN ('DE', 'it''s') AND "id" NOT IN (1, -2.5))`,
  );
  expect(written('id is not null and not (vip = true or id is null)')).toBe(
    `("id" IS NOT NULL AND NOT ("vip" = TRUE OR "id" IS NULL))`,
  );
  expect(written("address.city = 'Bonn' and address.geo.lat >= 50.7")).toBe(
    `("address"."city" = 'Bonn' AND "address"."geo"."lat" >= 50.7)`,
  );
});

test('a column that is called like a word of SQL is named in double quotes', () => {
  expect(written('"order" > 1')).toBe('"order" > 1');
  expect(readRowFilter('"Order" > 1 or COUNTRY = \'X\'', columns).columns).toEqual(['country', 'order']);
});

test.each([
  ['', 'at character 1: expected a column, found the end'],
  ['nation = 1', 'at character 1: the table has no column nation'],
  ["id = 'x'", 'at character 6: expected a number'],
  ['country = 5', 'at character 11: expected a text in single quotes'],
  ['country = "US"', 'columns are compared with constants alone'],
  ['id = year', 'columns are compared with constants alone'],
  ['id = 1 id = 2', 'at character 8: expected AND, OR or the end, found id'],
  ['(id = 1', 'expected ), found the end'],
  ['id == 1', 'at character 5'],
  ['year is null', 'is a partition column'],
  ["at > '2026-01-01'", 'filters take texts, numbers and booleans'],
  ["upper(country) = 'X'", 'upper(...) is not possible: filters take no functions'],
  ["country = 'DE", 'has no closing quote'],
  ['id like 1', 'LIKE is for texts'],
  ['id = 1; drop table x', 'at character 7: ; is not understood'],
  ["country = 'open", 'at character 11'],
  ['address = 1', 'filters take texts, numbers and booleans'],
  ["address.street = 'x'", 'has no field street'],
  [`country in (${Array.from({ length: 700 }, () => "'x'").join(',')})`, 'fewer than 2048 characters'],
])('%s is refused with place and reason', (text, reason) => {
  expect(refusal(text)).toContain(reason);
});

test('a field of a struct is of its column', () => {
  expect(readRowFilter("address.city = 'Bonn' or id = 1", columns).columns).toEqual(['address', 'id']);
});

const column = fc.constantFrom('country', 'id', 'vip', 'order');
const values = {
  country: fc.string({ maxLength: 8 }).map((text) => `'${text.replaceAll("'", "''")}'`),
  id: fc.integer().map(String),
  vip: fc.constantFrom('true', 'FALSE'),
  order: fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e9, max: 1e9 }).map(String),
};
const comparison = column.chain((name) =>
  fc.oneof(
    fc
      .tuple(fc.constantFrom('=', '<>', '!=', '<', '>='), values[name])
      .map(([sign, value]) => `"${name}" ${sign} ${value}`),
    fc.tuple(values[name], values[name]).map(([a, b]) => `"${name}" not in (${a},${b})`),
    fc.tuple(values[name], values[name]).map(([a, b]) => `"${name}" between ${a} and ${b}`),
    fc.constant(`"${name}" is not null`),
  ),
);
const { filter } = fc.letrec<{ filter: string }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 4 },
    comparison,
    fc.tuple(tie('filter'), tie('filter')).map(([a, b]) => `(${a}) and ${b}`),
    fc.tuple(tie('filter'), tie('filter')).map(([a, b]) => `${a} or (${b})`),
    tie('filter').map((one) => `not (${one})`),
  ),
}));

test('what was written is read as itself, with the same columns', () => {
  fc.assert(
    fc.property(filter, (text) => {
      fc.pre(text.length < 1_000);
      const read = readRowFilter(text, columns);
      expect(readRowFilter(read.text, columns)).toEqual(read);
      expect(misfitOf(read.text, columns)).toBeNull();
    }),
    { numRuns: 300 },
  );
});

test('no text whatever is anything but a filter or a refusal with its place', () => {
  const pieces = fc.array(
    fc.constantFrom(
      'id',
      '"id"',
      "'x'",
      '1',
      '=',
      '(',
      ')',
      'and',
      'or',
      'not',
      'in',
      ',',
      'is',
      'null',
      '.',
      '"',
      "'",
      ';',
    ),
    { maxLength: 12 },
  );
  fc.assert(
    fc.property(pieces, (parts) => {
      try {
        readRowFilter(parts.join(' '), columns);
      } catch (error) {
        expect(error).toBeInstanceOf(GovernanceError);
      }
    }),
  );
});
