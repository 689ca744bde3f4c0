/** The form of a DQDL document. AWS page: Glue developer guide, "Data Quality Definition Language (DQDL) reference". */

/** Why a text is no DQDL. */
export class DqdlError extends Error {}

/** Rule types are told apart by case (DQDL rule type reference). */
const RULE_TYPES = new Set([
  'AggregateMatch',
  'ColumnCorrelation',
  'ColumnCount',
  'ColumnDataType',
  'ColumnExists',
  'ColumnLength',
  'ColumnNamesMatchPattern',
  'ColumnValues',
  'Completeness',
  'CustomSql',
  'DataFreshness',
  'DatasetMatch',
  'DetectAnomalies',
  'DistinctValuesCount',
  'Entropy',
  'FileFreshness',
  'FileMatch',
  'FileSize',
  'FileUniqueness',
  'IsComplete',
  'IsPrimaryKey',
  'IsUnique',
  'Mean',
  'ReferentialIntegrity',
  'RowCount',
  'RowCountMatch',
  'SchemaMatch',
  'StandardDeviation',
  'Sum',
  'UniqueValueRatio',
  'Uniqueness',
]);

/** Types that need no column, and those that need a comparison, are what a rule is wrong in most often. */
const NEED_COLUMN = new Set([
  'IsComplete',
  'IsUnique',
  'IsPrimaryKey',
  'ColumnExists',
  'ColumnValues',
  'Completeness',
  'Uniqueness',
]);
const NEED_EXPRESSION = new Set([
  'ColumnCount',
  'ColumnValues',
  'Completeness',
  'Mean',
  'RowCount',
  'Sum',
  'Uniqueness',
]);
const EXPRESSION = /^(=|!=|>|<|>=|<=|in|not|between|matches)$/;

const TOKEN = /\s+|#[^\n]*|("(?:[^"\\]|\\.)*")|([A-Za-z_][\w.]*)|(\d+(?:\.\d+)?)|(<=|>=|!=|[=<>[\](),+\-*/])/y;

/** Counts the rules of a document; throws DqdlError where it is none. */
export function countRules(text: string): number {
  const reader = new Reader(tokensOf(text));
  let rules: number | undefined;
  while (!reader.isAtEnd()) {
    const section = reader.next();
    reader.expect('=');
    if (section === 'Rules') rules = rulesIn(reader);
    else if (section === 'Analyzers' || section === 'DEFAULT_LABELS') reader.skipBrackets();
    else
      throw new DqdlError(`${section} is no section; a document has Rules, and may have Analyzers and DEFAULT_LABELS`);
  }
  if (rules === undefined) throw new DqdlError('there is no list Rules = [ ... ]');
  return rules;
}

function tokensOf(text: string): string[] {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (!match) throw new DqdlError(`unexpected ${JSON.stringify(text.slice(at, at + 10))} at character ${at + 1}`);
    const token = match.slice(1).find((group) => group !== undefined);
    if (token !== undefined) tokens.push(token);
  }
  return tokens;
}

function rulesIn(reader: Reader): number {
  reader.expect('[');
  let count = 0;
  do {
    readRule(reader);
    count += 1;
  } while (reader.take(','));
  reader.expect(']');
  return count;
}

/** `RuleType "column" expression`, or rules in brackets joined by and / or. */
function readRule(reader: Reader): void {
  if (reader.peek() === '(') {
    do {
      reader.expect('(');
      readRule(reader);
      reader.expect(')');
    } while (reader.take('and') || reader.take('or'));
    return;
  }
  const type = reader.next();
  if (!RULE_TYPES.has(type)) throw new DqdlError(`${type} is no rule type`);
  const parts: string[] = [];
  for (let depth = 0; !reader.isAtEnd(); ) {
    const token = reader.peek();
    if (depth === 0 && [',', ')', ']'].includes(token)) break;
    if (token === '(' || token === '[') depth += 1;
    if (token === ')' || token === ']') depth -= 1;
    parts.push(reader.next());
  }
  if (NEED_COLUMN.has(type) && !parts[0]?.startsWith('"'))
    throw new DqdlError(`${type} needs the name of a column in quotes`);
  if (NEED_EXPRESSION.has(type) && !parts.some((part) => EXPRESSION.test(part))) {
    throw new DqdlError(`${type} needs an expression, for example > 0`);
  }
}

class Reader {
  private at = 0;

  constructor(private readonly tokens: string[]) {}

  isAtEnd(): boolean {
    return this.at >= this.tokens.length;
  }

  peek(): string {
    return this.tokens[this.at] ?? '';
  }

  next(): string {
    const token = this.tokens[this.at];
    if (token === undefined) throw new DqdlError('the document ends too early');
    this.at += 1;
    return token;
  }

  take(token: string): boolean {
    if (this.peek() !== token) return false;
    this.at += 1;
    return true;
  }

  expect(token: string): void {
    if (!this.take(token)) throw new DqdlError(`${token} is expected, not ${this.peek() || 'the end'}`);
  }

  skipBrackets(): void {
    this.expect('[');
    for (let depth = 1; depth > 0; ) {
      const token = this.next();
      if (token === '[') depth += 1;
      if (token === ']') depth -= 1;
    }
  }
}
