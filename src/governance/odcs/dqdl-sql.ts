import { NotSayable } from './not-sayable.js';

/** What a metric counts: rows whose value is bad in some way, or values that are there more than once. */
export type Measure =
  | { kind: 'nullValues' | 'missingValues' | 'invalidValues'; column: string; arguments: unknown }
  | { kind: 'duplicateValues'; columns: string[] };

/**
 * The Spark SQL that counts what is measured, in rows or in percent of all rows; `primary` is the table of the ruleset (AWS Glue developer
 * guide, DQDL, CustomSql). It holds neither double quotes nor backslashes.
 */
export function countOf(measure: Measure, percent: boolean): string {
  if (measure.kind === 'duplicateValues') {
    const columns = measure.columns.map(identifier).join(', ');
    const count = `COUNT(${columns}) - COUNT(DISTINCT ${columns})`;
    // Of an empty table nothing is twice, and not null percent of it.
    return percent
      ? `SELECT COALESCE(100.0 * (${count}) / NULLIF(COUNT(*), 0), 0.0) FROM primary`
      : `SELECT ${count} FROM primary`;
  }
  const bad = BAD[measure.kind](identifier(measure.column), measure.arguments);
  return percent
    ? `SELECT COALESCE(AVG(CASE WHEN ${bad} THEN 100.0 ELSE 0.0 END), 0.0) FROM primary`
    : `SELECT COUNT(*) FROM primary WHERE ${bad}`;
}

const identifier = (column: string) => `\`${column}\``;

/** ODCS "Data quality", Metrics: a value that is null is missing where it is listed, and neither valid nor invalid. */
const BAD = {
  nullValues: (column: string) => `${column} IS NULL`,
  missingValues(column: string, given: unknown) {
    const { missingValues } = (given ?? {}) as { missingValues?: unknown };
    if (!Array.isArray(missingValues) || missingValues.length === 0)
      throw new NotSayable('it does not say what counts as missing (arguments.missingValues)');
    const values = missingValues.filter((value) => value !== null);
    const among = values.length > 0 ? [`${column} IN (${values.map(literal).join(', ')})`] : [];
    const none = values.length < missingValues.length ? [`${column} IS NULL`] : [];
    return [...none, ...among].join(' OR ');
  },
  invalidValues(column: string, given: unknown) {
    const { validValues, pattern } = (given ?? {}) as { validValues?: unknown; pattern?: unknown };
    const values = Array.isArray(validValues) ? validValues.filter((value) => value !== null) : [];
    const valid = [
      ...(values.length > 0 ? [`${column} IN (${values.map(literal).join(', ')})`] : []),
      ...(typeof pattern === 'string' ? [`${column} RLIKE ${literal(plainPattern(pattern))}`] : []),
    ];
    if (valid.length === 0)
      throw new NotSayable('it does not say what is valid (arguments.validValues or arguments.pattern)');
    return `${column} IS NOT NULL AND NOT (${valid.join(' AND ')})`;
  },
};

function literal(value: unknown): string {
  if (typeof value === 'boolean') return value ? 'TRUE' : 'FALSE';
  if (typeof value === 'number' && /^-?\d+(\.\d+)?$/.test(String(value))) return String(value);
  if (typeof value !== 'string') throw new NotSayable(`it lists ${JSON.stringify(value)}, which is no plain value`);
  // How quotes and backslashes are read within SQL within DQDL differs between versions of both.
  if (/["'\\\p{Cc}]/u.test(value)) throw new NotSayable('a text of it holds a quote, a backslash or a line break');
  return `'${value}'`;
}

const CLASSES: Record<string, string> = { d: '0-9', w: 'A-Za-z0-9_' };

/** The same pattern without backslashes, where there is one. */
function plainPattern(pattern: string): string {
  let inClass = false;
  return pattern.replace(/\\(.)|[[\]]/gs, (found, escaped: string | undefined) => {
    if (escaped === undefined) {
      inClass = found === '[';
      return found;
    }
    const members = Object.hasOwn(CLASSES, escaped) ? CLASSES[escaped] : undefined;
    if (members !== undefined) return inClass ? members : `[${members}]`;
    if (!inClass && /[.$*+?(){}|/-]/.test(escaped)) return `[${escaped}]`;
    return found;
  });
}
