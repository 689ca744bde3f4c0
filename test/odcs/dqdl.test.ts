import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { qualityRulesOf } from '../../src/governance/odcs/dqdl.js';
import { parseDataContract } from '../../src/governance/odcs/parse.js';
import { readDataContract } from '../../src/governance/odcs/read.js';
import type { ContractQuality } from '../../src/governance/odcs/read-quality.js';
import { countRules } from '../../src/sandbox/data-quality-dqdl.js';
import { mutatedContract } from './mutate.js';
import { realContracts, standardIsHere, whySkipped } from './standard.js';

const TABLE = {
  name: 'orders',
  columns: [
    { name: 'id', type: 'bigint' },
    { name: 'status', type: 'string' },
    { name: 'order date', type: 'date' },
    { name: 'lines', type: 'array<struct<sku:string>>' },
  ],
};

const check = (more: Partial<ContractQuality>): ContractQuality => ({
  table: 'orders',
  type: 'library',
  thresholds: {},
  ...more,
});
const said = (...checks: Partial<ContractQuality>[]) => qualityRulesOf(checks.map(check), TABLE);
const of = (rule: string, thresholds: object, more: Partial<ContractQuality> = {}): Partial<ContractQuality> => ({
  column: 'status',
  rule,
  thresholds: thresholds as ContractQuality['thresholds'],
  ...more,
});
const custom = (implementation: unknown, engine = 'dqdl') => ({ type: 'custom', engine, implementation });

describe('a metric of the library', () => {
  test.each([
    ['no nulls', of('nullValues', { mustBe: 0 }), 'IsComplete "status"'],
    ['less than one null', of('nullValues', { mustBeLessThan: 1 }), 'IsComplete "status"'],
    ['no nulls in percent', of('nullValues', { mustBe: 0 }, { unit: 'percent' }), 'IsComplete "status"'],
    ['few nulls in percent', of('nullValues', { mustBeLessThan: 1 }, { unit: '%' }), 'Completeness "status" > 0.99'],
    [
      'a range of nulls in percent',
      of('nullValues', { mustBeBetween: [0.7, 7] }, { unit: 'percent' }),
      '(Completeness "status" <= 0.993) and (Completeness "status" >= 0.93)',
    ],
    [
      'few nulls',
      of('nullValues', { mustBeLessOrEqualTo: 5 }, { unit: 'rows' }),
      'CustomSql "SELECT COUNT(*) FROM primary WHERE `status` IS NULL" <= 5',
    ],
    [
      'missing values',
      of('missingValues', { mustBeLessThan: 100 }, { arguments: { missingValues: [null, '', 'N/A'] } }),
      `CustomSql "SELECT COUNT(*) FROM primary WHERE \`status\` IS NULL OR \`status\` IN ('', 'N/A')" < 100`,
    ],
    [
      'invalid values by a list',
      of('invalidValues', { mustBe: 0 }, { arguments: { validValues: ['open', 'shut', null] } }),
      `CustomSql "SELECT COUNT(*) FROM primary WHERE \`status\` IS NOT NULL AND NOT (\`status\` IN ('open', 'shut'))" = 0`,
    ],
    [
      'invalid values by a pattern, its classes spelled out',
      of('invalidValues', { mustBe: 0 }, { arguments: { pattern: '^\\d{2}\\.[\\w-]+$' } }),
      `CustomSql "SELECT COUNT(*) FROM primary WHERE \`status\` IS NOT NULL AND NOT (\`status\` RLIKE '^[0-9]{2}[.][A-Za-z0-9_-]+$')" = 0`,
    ],
    [
      'invalid values in percent',
      of('invalidValues', { mustBeLessThan: 0.5 }, { unit: 'percent', arguments: { validValues: [1, true] } }),
      'CustomSql "SELECT COALESCE(AVG(CASE WHEN `status` IS NOT NULL AND NOT (`status` IN (1, TRUE)) THEN 100.0 ELSE 0.0 END), 0.0) FROM primary" < 0.5',
    ],
    ['no duplicates', of('duplicateValues', { mustBe: 0 }), 'IsUnique "status"'],
    [
      'few duplicates',
      of('duplicateValues', { mustBeLessThan: 10 }),
      'CustomSql "SELECT COUNT(`status`) - COUNT(DISTINCT `status`) FROM primary" < 10',
    ],
    [
      'no duplicates of several columns',
      of(
        'duplicateValues',
        { mustBe: 0 },
        { column: undefined as never, arguments: { properties: ['id', 'order date'] } },
      ),
      'CustomSql "SELECT COUNT(`id`, `order date`) - COUNT(DISTINCT `id`, `order date`) FROM primary" = 0',
    ],
    [
      'a range of rows, its ends within it',
      of('rowCount', { mustBeBetween: [100, 120] }, { column: undefined as never }),
      '(RowCount >= 100) and (RowCount <= 120)',
    ],
    [
      'not so many rows',
      of('rowCount', { mustNotBe: 0 }, { column: undefined as never }),
      '(RowCount < 0) or (RowCount > 0)',
    ],
    [
      'rows out of a range',
      of('rowCount', { mustNotBeBetween: [1, 9] }, { column: undefined as never }),
      '(RowCount < 1) or (RowCount > 9)',
    ],
  ] as [string, Partial<ContractQuality>, string][])('that says %s is a rule', (_name, given, rule) => {
    expect(said(given)).toEqual({ rules: [rule], leftOut: [] });
  });

  test('with several operators is a rule for each, as all of them must hold', () => {
    expect(
      said(of('rowCount', { mustBeGreaterThan: 1, mustBeLessThan: 9 }, { column: undefined as never })).rules,
    ).toEqual(['RowCount > 1', 'RowCount < 9']);
  });

  test.each([
    ['words', { type: 'text', description: 'Every order\nis paid' }, /"Every order is paid" of orders .* words alone/],
    ['SQL', { type: 'sql', query: 'SELECT 1', thresholds: { mustBe: 1 } }, /SQL for the producer/],
    ['another engine', custom('anything', 'soda'), /another engine \(soda\)/],
    ['an unknown metric', of('freshness', { mustBe: 0 }), /the metric freshness is unknown/],
    ['no metric', { thresholds: { mustBe: 0 } }, /names no metric/],
    ['a strange unit', of('nullValues', { mustBe: 0 }, { unit: 'miles' }), /unit miles/],
    ['a strange operator', of('nullValues', { mustBeOdd: 0 }), /operator mustBeOdd is unknown/],
    ['no operator', of('nullValues', {}), /demands no number/],
    ['a text as limit', of('nullValues', { mustBe: '0 OR 1' }), /no plain number/],
    ['half a range', of('nullValues', { mustBeBetween: [1] }), /no plain number/],
    [
      'rows in percent',
      of('rowCount', { mustBe: 1 }, { column: undefined as never, unit: 'percent' }),
      /no percentage/,
    ],
    ['rows of a column', of('rowCount', { mustBe: 1 }), /of a table, not of a column/],
    ['nulls of a table', of('nullValues', { mustBe: 0 }, { column: undefined as never }), /of a column/],
    ['no such column', of('nullValues', { mustBe: 0 }, { column: 'gone' }), /no column gone/],
    ['a nested column', of('nullValues', { mustBe: 0 }, { column: 'lines' }), /nested/],
    ['nothing missing', of('missingValues', { mustBe: 0 }), /what counts as missing/],
    ['nothing valid', of('invalidValues', { mustBe: 0 }, { arguments: {} }), /what is valid/],
    ['a quote', of('invalidValues', { mustBe: 0 }, { arguments: { validValues: [`a' OR 'b`] } }), /a quote/],
    ['a double quote', of('missingValues', { mustBe: 0 }, { arguments: { missingValues: ['"'] } }), /a quote/],
    ['a backslash', of('invalidValues', { mustBe: 0 }, { arguments: { pattern: '^\\p{L}+$' } }), /a backslash/],
    ['no columns', of('duplicateValues', { mustBe: 0 }, { column: undefined as never }), /names no columns/],
  ] as [string, Partial<ContractQuality>, RegExp][])('that says %s is left out, and why', (_name, given, reason) => {
    expect(said(given)).toEqual({ rules: [], leftOut: [expect.stringMatching(reason)] });
  });

  test('of another table is none of this one', () => {
    expect(said({ ...of('nullValues', { mustBe: 0 }), table: 'lines' })).toEqual({ rules: [], leftOut: [] });
  });

  test('that Glue has no more room for is left out, and what is there stays', () => {
    const many = Array.from({ length: 20 }, (_, n) =>
      of('missingValues', { mustBe: 0 }, { arguments: { missingValues: [`${n}${'x'.repeat(5_000)}`] } }),
    );
    const { rules, leftOut } = said(...many);
    expect(rules.length + leftOut.length).toBe(20);
    expect(leftOut[0]).toMatch(/no room/);
    expect(documentOf(rules).length).toBeLessThanOrEqual(65_536);
  });
});

describe('a check that is DQDL itself', () => {
  test.each([
    ['IsComplete "id"', ['IsComplete "id"']],
    [
      'Rules = [ IsComplete "id", # the key\n RowCount between 1 and 9 ]',
      ['IsComplete "id"', 'RowCount between 1 and 9'],
    ],
    [
      '(IsUnique "id") or ((RowCount = 0) and (IsComplete "id"))',
      ['(IsUnique "id") or ((RowCount = 0) and (IsComplete "id"))'],
    ],
    [
      'ColumnValues "status" in ["a", "b"] with threshold > 0.9',
      ['ColumnValues "status" in [ "a" , "b" ] with threshold > 0.9'],
    ],
    ['DataFreshness "order date" <= 24 hours', ['DataFreshness "order date" <= 24 hours']],
    ['ColumnValues "status" not matches "x.*"', ['ColumnValues "status" not matches "x.*"']],
    ['IsPrimaryKey "id" "status"', ['IsPrimaryKey "id" "status"']],
  ])('is taken as it is: %s', (implementation, rules) => {
    expect(said(custom(implementation, 'AWS Glue Data Quality'))).toEqual({ rules, leftOut: [] });
  });

  test.each([
    ['CustomSql "SELECT COUNT(*) FROM other.table" = 0', /CustomSql is no rule that a contract may state/],
    ['ReferentialIntegrity "id" "reference.id" = 1', /ReferentialIntegrity is no rule/],
    ['IsComplete', /names 1 columns, not 0/],
    ['RowCount "id" > 1', /names 0 columns/],
    ['RowCount', /needs an expression/],
    ['IsUnique "id" > 0.5', /takes no expression/],
    ['IsComplete "id", IsUnique "id"', /its end is expected, not ,/],
    ['Rules = [ ]', /is no rule/],
    ['Rules = [ IsComplete "id"', /\] is expected/],
    ['IsComplete "id\\"', /not read/],
    ['RowCount > many', /a value is expected/],
    ['', /nothing is no rule/],
  ])('that Glue, or we, would not take is left out: %s', (implementation, reason) => {
    expect(said(custom(implementation))).toEqual({ rules: [], leftOut: [expect.stringMatching(reason)] });
  });

  test('that nests without end is left out', () => {
    expect(said(custom(`${'('.repeat(100_000)}RowCount > 1`)).leftOut).toEqual([expect.stringMatching(/nests deeper/)]);
  });

  test('that is no text is left out', () => {
    expect(said(custom({ a: 1 })).leftOut).toEqual([expect.stringMatching(/no text/)]);
  });
});

const documentOf = (rules: string[]) => `Rules = [\n    ${rules.join(',\n    ')}\n]`;

/**
 * The grammar of a rule on the DQDL page (AWS Glue developer guide, "DQDL syntax" and "DQDL rule type reference"), as far as Meshgate's
 * rules use it; without the operators that came later.
 */
const TEXT = String.raw`"[^"\\\n]*"`;
const NUMBER = String.raw`-?\d+(?:\.\d+)?`;
const VALUE = `(?:${TEXT}|${NUMBER}(?: (?:days|hours|minutes))?)`;
const COMPARISON = `(?:(?:=|!=|>=|<=|>|<) ${VALUE}|between ${VALUE} and ${VALUE})`;
const EXPRESSION = `(?:${COMPARISON}|(?:not )?matches ${TEXT}|(?:not )?in \\[ ${VALUE}(?: , ${VALUE})* \\]|not between ${VALUE} and ${VALUE})`;
const RULE = new RegExp(`^[A-Z][A-Za-z]+(?: ${TEXT})*(?: ${EXPRESSION})?(?: with threshold ${COMPARISON})?$`);

/** Whether a text is a rule, or rules in brackets joined by one and the same `and` or `or`. */
function isRule(text: string): boolean {
  if (!text.startsWith('(')) return RULE.test(text);
  const parts: string[] = [];
  const joins = new Set<string>();
  let rest = text;
  for (;;) {
    const end = closingOf(rest);
    if (end < 0) return false;
    parts.push(rest.slice(1, end));
    rest = rest.slice(end + 1);
    if (rest === '') return joins.size <= 1 && parts.every(isRule);
    const [, join = '', next = ''] = /^ (and|or) (\(.*)$/s.exec(rest) ?? [];
    if (join === '') return false;
    joins.add(join);
    rest = next;
  }
}

function closingOf(text: string): number {
  let [depth, quoted] = [0, false];
  for (const [at, char] of [...text].entries()) {
    if (char === '"') quoted = !quoted;
    if (quoted) continue;
    if (char === '(') depth += 1;
    if (char === ')') depth -= 1;
    if (depth === 0) return at;
  }
  return -1;
}

const word = fc.constantFrom('a', 'N/A', '', "it's", '"', '\\d', 'x\ny', '^[a-z]+$', 'é', '`', '#', ']', '1');
const scalar = fc.oneof(word, fc.double(), fc.integer(), fc.boolean(), fc.constant(null), fc.object({ maxDepth: 1 }));
const operand = fc.oneof(
  fc.integer(),
  fc.double(),
  fc.array(fc.oneof(fc.integer(), fc.double()), { maxLength: 3 }),
  word,
);
const token = fc.constantFrom(
  ...['IsComplete', 'RowCount', 'ColumnValues', 'CustomSql', 'Uniqueness', 'Rules', '(', ')', '[', ']', ',', '=', '!='],
  ...[
    '"id"',
    '"a b"',
    '1',
    '-2.5',
    'between',
    'and',
    'or',
    'in',
    'not',
    'matches',
    'with',
    'threshold',
    'hours',
    '#',
    '"',
  ],
);
const anyCheck: fc.Arbitrary<ContractQuality> = fc.record({
  table: fc.constant('orders'),
  column: fc.constantFrom('id', 'status', 'order date', 'lines', 'gone', undefined) as fc.Arbitrary<string>,
  type: fc.constantFrom('library', 'library', 'library', 'custom', 'sql', 'text', 'odd'),
  rule: fc.constantFrom('nullValues', 'missingValues', 'invalidValues', 'duplicateValues', 'rowCount', 'odd'),
  unit: fc.constantFrom('rows', 'percent', '%', 'odd', undefined) as fc.Arbitrary<string>,
  engine: fc.constantFrom('dqdl', 'soda'),
  implementation: fc.array(token, { maxLength: 14 }).map((tokens) => tokens.join(' ')),
  thresholds: fc.dictionary(
    fc.constantFrom(
      'mustBe',
      'mustNotBe',
      'mustBeLessThan',
      'mustBeGreaterOrEqualTo',
      'mustBeBetween',
      'mustNotBeBetween',
    ),
    operand,
    { maxKeys: 2 },
  ),
  arguments: fc.record({
    missingValues: fc.array(scalar, { maxLength: 3 }),
    validValues: fc.array(scalar, { maxLength: 3 }),
    pattern: word,
    properties: fc.subarray(['id', 'status', 'gone']),
  }),
});

describe('whatever a contract says', () => {
  test('comes to a document that Glue reads, and each check is a rule or is told', () => {
    fc.assert(
      fc.property(fc.array(anyCheck, { maxLength: 6 }), (checks) => {
        const { rules, leftOut } = qualityRulesOf(checks, TABLE);
        expect(rules.filter((rule) => !isRule(rule))).toEqual([]);
        if (rules.length > 0) expect(countRules(documentOf(rules))).toBe(rules.length);
        const silent = checks.filter((one) => {
          const alone = qualityRulesOf([one], TABLE);
          return alone.rules.length === 0 && alone.leftOut.length !== 1;
        });
        expect(silent).toEqual([]);
        expect(leftOut.length).toBeLessThanOrEqual(checks.length);
      }),
      { numRuns: 2_000 },
    );
  });

  test('in any document is read without an error', () => {
    fc.assert(
      fc.property(mutatedContract, (document) => {
        const { tables, quality } = readDataContract(document);
        for (const table of tables) {
          const { rules } = qualityRulesOf(quality, table);
          if (rules.length > 0) expect(countRules(documentOf(rules))).toBe(rules.length);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe.skipIf(!standardIsHere)(`the checks of real contracts${standardIsHere ? '' : ` (${whySkipped})`}`, () => {
  test('are rules or are told', () => {
    const all = realContracts().flatMap(({ text }) => {
      const { tables, quality } = readDataContract(parseDataContract(text).document);
      return tables.map((table) => ({
        checks: quality.filter((one) => one.table === table.name),
        ...qualityRulesOf(quality, table),
      }));
    });
    for (const { checks, rules, leftOut } of all) {
      expect(rules.length + leftOut.length).toBe(checks.length);
      if (rules.length > 0) expect(countRules(documentOf(rules))).toBe(rules.length);
    }
    expect(all.flatMap(({ rules }) => rules).sort()).toMatchInlineSnapshot(`
      [
        "IsComplete "rcvr_cntry_code"",
        "RowCount > 1000000",
      ]
    `);
  });
});
