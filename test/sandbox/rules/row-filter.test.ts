/** Row filter expressions, by the page partiql-support of the Lake Formation developer guide. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readRowFilter } from '../../../src/governance/row-filter.js';
import type { TableRecord } from '../../../src/sandbox/glue-store.js';
import { requireRowFilter } from '../../../src/sandbox/lf-row-filter.js';
import { AwsError } from '../../../src/sandbox/service.js';

const people: TableRecord = {
  CatalogId: '111111111111',
  DatabaseName: 'hr',
  Name: 'people',
  VersionId: '0',
  CreateTime: '',
  UpdateTime: '',
  CreatedBy: '',
  StorageDescriptor: {
    Columns: [
      { Name: 'country', Type: 'string' },
      { Name: 'id', Type: 'bigint' },
      { Name: 'salary', Type: 'decimal(10,2)' },
      { Name: 'active', Type: 'boolean' },
      { Name: 'born', Type: 'date' },
      { Name: 'tags', Type: 'array<string>' },
      { Name: 'order', Type: 'varchar(10)' },
      { Name: 'home', Type: 'struct<city:string,at:struct<zip:int,rate:decimal(3,1)>>' },
    ],
  },
  PartitionKeys: [{ Name: 'year', Type: 'int' }],
};

function refusal(expression: string): string | undefined {
  try {
    requireRowFilter(expression, people);
    return undefined;
  } catch (error) {
    if (error instanceof AwsError && error.code === 'InvalidInputException') return error.message;
    throw error;
  }
}

test.each([
  "country = 'UK'",
  "COUNTRY <> 'O''Brien'",
  'id != -5',
  'salary >= 1.5e3',
  'year > 2020',
  'id BETWEEN 1 AND 5 AND active = true',
  "country NOT IN ('UK', 'US') OR id in (1,2,3)",
  "country like 'U%' and not (id < 5 or (active = FALSE))",
  'country IS NOT NULL',
  'home IS NULL',
  "home.city = 'Paris' AND home.at.zip > 75000 AND home.at.rate = 1",
  '"order" = \'x\'',
  'true',
])('%s is an expression (partiql-support)', (expression) => {
  expect(refusal(expression)).toBeUndefined();
});

test.each([
  ['', 'a column name is expected at the end'],
  ['country', 'IN is expected at the end'],
  ["country = 'UK", 'unexpected'],
  ["country = 'UK' AND", 'a column name is expected at the end'],
  ["(country = 'UK'", ') is expected at the end'],
  ["country = 'UK')", 'unexpected ")"'],
  ['id = salary', 'a constant is expected'],
  ["upper(country) = 'UK'", 'column upper not found'],
  ['5 = id', 'a column name is expected'],
  ["city = 'Paris'", 'column city not found in table people'],
  ["id = '5'", 'does not match the type of column id'],
  ['country = 5', 'does not match the type of column country'],
  ["active = 'true'", 'does not match the type of column active'],
  ["id LIKE '5%'", 'LIKE needs a string column'],
  ['country LIKE 5', 'does not match'],
  ["born > '2000-01-01'", 'the type date of column born is not supported'],
  ["tags = 'x'", 'the type array<string> of column tags is not supported'],
  ["home = 'x'", 'does not match the type of column home'],
  ['year IS NULL', 'IS NULL is not supported on partition column year'],
  ["home.street = 'x'", 'field home.street not found'],
  ["country.city = 'x'", 'no struct'],
  ['year.x = 1', 'fields of partition column year cannot be used'],
  ["country = 'UK'; DROP TABLE people", 'unexpected ";'],
  ["country == 'UK'", 'a constant is expected'],
  ["country = 'UK' country = 'US'", 'unexpected "country"'],
  ['country IN ()', 'a constant is expected'],
  ["country = 'UK' UNION SELECT", 'unexpected "UNION"'],
])('%s is refused: %s (partiql-support)', (expression, reason) => {
  expect(refusal(expression)).toContain(`Invalid row filter expression: `);
  expect(refusal(expression)).toContain(reason);
});

test('an expression is shorter than 2,048 characters (partiql-support)', () => {
  const of = (length: number) => `country = '${'x'.repeat(length - "country = ''".length)}'`;
  expect(refusal(of(2047))).toBeUndefined();
  expect(refusal(of(2048))).toContain('shorter than 2048');
});

const text = fc.string().map((value) => `'${value.replaceAll("'", "''")}'`);
const simple = fc.oneof(
  fc
    .tuple(fc.constantFrom('=', '<>', '!=', '<', '>', '<=', '>='), text)
    .map(([sign, value]) => `country ${sign} ${value}`),
  fc.tuple(fc.integer(), fc.integer()).map(([low, high]) => `id BETWEEN ${low} AND ${high}`),
  fc.array(fc.integer(), { minLength: 1 }).map((values) => `id IN (${values.join(', ')})`),
  text.map((value) => `home.city NOT LIKE ${value}`),
  fc.boolean().map((value) => `active = ${value}`),
  fc.constantFrom('country IS NULL', 'salary is not null'),
);
const { expression } = fc.letrec<{ expression: string }>((tie) => ({
  expression: fc.oneof(
    { maxDepth: 4 },
    simple,
    fc
      .tuple(tie('expression'), fc.constantFrom('AND', 'or'), tie('expression'))
      .map(([a, by, b]) => `(${a}) ${by} (${b})`),
    tie('expression').map((inner) => `NOT (${inner})`),
  ),
}));

test('whatever the grammar makes is taken, and any text is either taken or refused with a reason (partiql-support)', () => {
  const short = expression.filter(({ length }) => length < 2000);
  fc.assert(fc.property(short, (made) => void expect(refusal(made)).toBeUndefined()));
  fc.assert(fc.property(fc.string(), (given) => void refusal(given)));
  // A part of an expression is never more than what it was taken from: cutting one parenthesis off is always noticed.
  fc.assert(fc.property(short, (made) => void expect(refusal(`(${made}`)).toBeDefined()));
  fc.assert(fc.property(short, (made) => void expect(refusal(`${made})`)).toBeDefined()));
});

test('what a control plane writes of an expression is taken as well', () => {
  const { StorageDescriptor, PartitionKeys = [] } = people;
  const columnsOf = (given: { Name: string; Type?: string }[] = [], partition: boolean) =>
    given.map(({ Name, Type = '' }) => ({ name: Name, type: Type, partition }));
  const columns = [...columnsOf(StorageDescriptor?.Columns, false), ...columnsOf(PartitionKeys, true)];
  const short = expression.filter(({ length }) => length < 1000);
  fc.assert(fc.property(short, (made) => void expect(refusal(readRowFilter(made, columns).text)).toBeUndefined()));
});
