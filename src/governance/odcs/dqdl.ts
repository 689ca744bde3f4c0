import { dqdlRulesIn } from './dqdl-rules.js';
import { countOf, type Measure } from './dqdl-sql.js';
import { NotSayable } from './not-sayable.js';
import type { ContractQuality, QualityThresholds } from './read-quality.js';

/** What the rules of a table come to: DQDL rules, each as a text, and a sentence for each check that has none. */
export interface QualityRules {
  rules: string[];
  leftOut: string[];
}

/** A table with what its checks may name. */
interface CheckedTable {
  name: string;
  columns: readonly { name: string; type: string }[];
}

/** Glue takes a document of 65,536 characters (AWS Glue API reference, CreateDataQualityRuleset); each rule has a line of it. */
const LONGEST_RULES = 65_000;

/**
 * The checks of a contract on one table as rules of AWS Glue Data Quality (AWS Glue developer guide, DQDL reference). Whatever DQDL cannot
 * say just as the contract means it is left out, with the reason: a rule that checks something else is worse than none.
 */
export function qualityRulesOf(checks: readonly ContractQuality[], table: CheckedTable): QualityRules {
  const rules: string[] = [];
  const leftOut: string[] = [];
  let length = 0;
  for (const check of checks.filter((one) => one.table === table.name)) {
    try {
      const said = rulesOf(check, table);
      length += said.reduce((sum, rule) => sum + rule.length + 6, 0);
      if (length > LONGEST_RULES) throw new NotSayable('the ruleset has no room for it');
      rules.push(...said);
    } catch (error) {
      if (!(error instanceof NotSayable)) throw error;
      leftOut.push(`The check ${labelOf(check)} is not part of the Glue ruleset: ${error.message}.`);
    }
  }
  return { rules: [...new Set(rules)], leftOut };
}

function labelOf({ table, column, name, rule, description, type }: ContractQuality): string {
  const label = (name ?? rule ?? description ?? type).replace(/\s+/g, ' ').slice(0, 100);
  return `"${label}" of ${column === undefined ? table : `${table}.${column}`}`;
}

function rulesOf(check: ContractQuality, table: CheckedTable): string[] {
  if (check.type === 'custom') return dqdlRulesIn(check);
  if (check.type === 'text') throw new NotSayable('it is said in words alone');
  if (check.type === 'sql') throw new NotSayable('it is SQL for the producer’s own database');
  if (check.type !== 'library') throw new NotSayable(`its type ${check.type} is unknown`);
  const percent = isPercent(check.unit);
  const comparisons = comparisonsOf(check.thresholds);
  const subject = subjectOf(check, { table, percent });
  return comparisons.map((comparison) => subject(comparison));
}

function isPercent(unit: string | undefined): boolean {
  if (unit === undefined || unit === 'rows') return false;
  if (unit === 'percent' || unit === '%') return true;
  throw new NotSayable(`its unit ${unit} is neither rows nor percent`);
}

/** Limits that a measured number has to be within: all of them, or one of them. */
export interface Comparison {
  join: 'and' | 'or';
  limits: Limit[];
}
type Limit = { operator: '=' | '<' | '<=' | '>' | '>='; value: number };

const SINGLE: Record<string, Limit['operator']> = {
  mustBe: '=',
  mustBeGreaterThan: '>',
  mustBeGreaterOrEqualTo: '>=',
  mustBeLessThan: '<',
  mustBeLessOrEqualTo: '<=',
};

/** `between` of DQDL leaves out both ends and `!=` is not in all versions of it: ranges are said by their limits. */
function comparisonsOf(thresholds: QualityThresholds): Comparison[] {
  const found = Object.entries(thresholds).map(([operator, operand]) => comparisonOf(operator, operand));
  if (found.length === 0) throw new NotSayable('it demands no number');
  return found;
}

function comparisonOf(operator: string, operand: unknown): Comparison {
  const single = Object.hasOwn(SINGLE, operator) ? SINGLE[operator] : undefined;
  if (single) return { join: 'and', limits: [limit(single, numberIn(operand))] };
  switch (operator) {
    case 'mustNotBe':
      return outside(numberIn(operand), numberIn(operand));
    case 'mustBeBetween': {
      const [low, high] = rangeIn(operand);
      return { join: 'and', limits: [limit('>=', low), limit('<=', high)] };
    }
    case 'mustNotBeBetween':
      return outside(...rangeIn(operand));
    default:
      throw new NotSayable(`its operator ${operator} is unknown`);
  }
}

const outside = (low: number, high: number): Comparison => ({
  join: 'or',
  limits: [limit('<', low), limit('>', high)],
});

function rangeIn(operand: unknown): [low: number, high: number] {
  const [low, high, ...more] = Array.isArray(operand) ? (operand as unknown[]) : [];
  if (more.length > 0) throw new NotSayable('its range has more than two ends');
  return [numberIn(low), numberIn(high)];
}

const limit = (operator: Limit['operator'], value: number): Limit => ({ operator, value });

function numberIn(operand: unknown): number {
  if (typeof operand !== 'number' || !/^-?\d+(\.\d+)?$/.test(String(operand)))
    throw new NotSayable(`it compares with ${JSON.stringify(operand)}, which is no plain number`);
  return operand;
}

/** A composite rule has each of its parts in brackets (DQDL reference, Composite rules). */
function composite(subject: string, { join, limits }: Comparison, text: (value: number) => string = String): string {
  const rules = limits.map(({ operator, value }) => `${subject} ${operator} ${text(value)}`);
  return rules.length === 1 ? (rules[0] as string) : rules.map((rule) => `(${rule})`).join(` ${join} `);
}

type Subject = (comparison: Comparison) => string;

function subjectOf(check: ContractQuality, given: { table: CheckedTable; percent: boolean }): Subject {
  switch (check.rule) {
    case 'rowCount':
      if (given.percent) throw new NotSayable('the number of rows is no percentage');
      if (check.column !== undefined) throw new NotSayable('the number of rows is of a table, not of a column');
      return (comparison) => composite('RowCount', comparison);
    case 'nullValues':
      return nullValues(check, given);
    case 'missingValues':
    case 'invalidValues':
      return counted({ kind: check.rule, column: columnOf(check, given.table), arguments: check.arguments }, given);
    case 'duplicateValues':
      return duplicateValues(check, given);
    default:
      throw new NotSayable(check.rule === undefined ? 'it names no metric' : `the metric ${check.rule} is unknown`);
  }
}

const counted =
  (measure: Measure, { percent }: { percent: boolean }): Subject =>
  (comparison) =>
    composite(`CustomSql "${countOf(measure, percent)}"`, comparison);

/** Completeness is the part that is not null, from 0 to 1: the limits turn round. */
function nullValues(check: ContractQuality, given: { table: CheckedTable; percent: boolean }): Subject {
  const column = columnOf(check, given.table);
  const inRows = counted({ kind: 'nullValues', column, arguments: undefined }, given);
  return (comparison) => {
    if (isZero(comparison, given)) return `IsComplete "${column}"`;
    if (!given.percent) return inRows(comparison);
    const limits = comparison.limits.map((one) => ({ ...one, operator: TURNED[one.operator] }));
    return composite(`Completeness "${column}"`, { ...comparison, limits }, completeness);
  };
}

const TURNED = { '=': '=', '<': '>', '<=': '>=', '>': '<', '>=': '<=' } as const;

/** (100 - percent) / 100 in decimal digits: a quotient of doubles would be 0.9299999999999999. */
function completeness(percent: number): string {
  const [whole = '', fraction = ''] = String(Math.abs(percent)).split('.');
  const scale = 10n ** BigInt(fraction.length);
  const nulls = BigInt(whole + fraction) * (percent < 0 ? -1n : 1n);
  const rest = 100n * scale - nulls;
  const digits = (rest < 0n ? -rest : rest).toString().padStart(fraction.length + 3, '0');
  const cut = digits.length - fraction.length - 2;
  const text = `${digits.slice(0, cut)}.${digits.slice(cut)}`.replace(/0+$/, '').replace(/\.$/, '');
  return rest < 0n ? `-${text}` : text;
}

function duplicateValues(check: ContractQuality, given: { table: CheckedTable; percent: boolean }): Subject {
  const named = check.column === undefined ? propertiesOf(check.arguments) : [check.column];
  const columns = named.map((name) => knownColumn(name, given.table));
  const [first] = columns;
  if (first === undefined) throw new NotSayable('it names no columns (arguments.properties)');
  const inSql = counted({ kind: 'duplicateValues', columns }, given);
  return (comparison) =>
    columns.length === 1 && isZero(comparison, given) ? `IsUnique "${first}"` : inSql(comparison);
}

function propertiesOf(given: unknown): string[] {
  const { properties } = (given ?? {}) as { properties?: unknown };
  return Array.isArray(properties) ? properties.map(String) : [];
}

/** Whether a count, which is never below zero, must be zero. */
function isZero({ join, limits }: Comparison, { percent }: { percent: boolean }): boolean {
  const [only, ...more] = limits;
  if (only === undefined || more.length > 0 || join === 'or') return false;
  const { operator, value } = only;
  return value === 0 ? operator === '=' || operator === '<=' : operator === '<' && value > 0 && value <= 1 && !percent;
}

function columnOf({ column }: ContractQuality, table: CheckedTable): string {
  if (column === undefined) throw new NotSayable('it is of a column, and stands at the table');
  return knownColumn(column, table);
}

/** Names are quoted in DQDL and in SQL within it: what would need escaping is left out, as versions differ in how they read it. */
function knownColumn(name: string, table: CheckedTable): string {
  const column = table.columns.find((one) => one.name === name);
  if (column === undefined) throw new NotSayable(`the table has no column ${name}`);
  if (/["\\`\p{Cc}]/u.test(name)) throw new NotSayable('the name of its column holds a quote or a backslash');
  if (/^(array|map|struct|uniontype)</i.test(column.type))
    throw new NotSayable(`the column is nested (${column.type.slice(0, 40)})`);
  return name;
}
