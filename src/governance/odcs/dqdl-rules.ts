import { NotSayable } from './not-sayable.js';
import type { ContractQuality } from './read-quality.js';

/** How contracts name AWS Glue Data Quality, without case and punctuation. */
const ENGINES = new Set(['dqdl', 'glue', 'awsglue', 'gluedataquality', 'awsgluedataquality']);

/**
 * Rule types that read the ruleset's own table alone, with the number of columns that they name (AWS Glue developer guide, DQDL rule types).
 * CustomSql and what compares with other tables run with the rights of whoever evaluates the ruleset: a contract must not choose them.
 */
const TYPES: Record<string, { columns: [least: number, most: number]; expression: 'NEEDED' | 'OPTIONAL' | 'NONE' }> = {
  ColumnCorrelation: { columns: [2, 2], expression: 'NEEDED' },
  ColumnCount: { columns: [0, 0], expression: 'NEEDED' },
  ColumnDataType: { columns: [1, 1], expression: 'NEEDED' },
  ColumnExists: { columns: [1, 1], expression: 'NONE' },
  ColumnLength: { columns: [1, 1], expression: 'NEEDED' },
  ColumnValues: { columns: [1, 1], expression: 'NEEDED' },
  Completeness: { columns: [1, 1], expression: 'NEEDED' },
  DataFreshness: { columns: [1, 1], expression: 'NEEDED' },
  DistinctValuesCount: { columns: [1, 1], expression: 'NEEDED' },
  Entropy: { columns: [1, 1], expression: 'NEEDED' },
  IsComplete: { columns: [1, 1], expression: 'NONE' },
  IsPrimaryKey: { columns: [1, 8], expression: 'NONE' },
  IsUnique: { columns: [1, 1], expression: 'NONE' },
  Mean: { columns: [1, 1], expression: 'NEEDED' },
  RowCount: { columns: [0, 0], expression: 'NEEDED' },
  StandardDeviation: { columns: [1, 1], expression: 'NEEDED' },
  Sum: { columns: [1, 1], expression: 'NEEDED' },
  UniqueValueRatio: { columns: [1, 1], expression: 'NEEDED' },
  Uniqueness: { columns: [1, 8], expression: 'NEEDED' },
};

/** The rules of a check that is DQDL itself: one rule, or a document `Rules = [ ... ]`. Throws NotSayable for anything else. */
export function dqdlRulesIn({ engine, implementation }: ContractQuality): string[] {
  if (!ENGINES.has((engine ?? '').toLowerCase().replace(/[^a-z]/g, '')))
    throw new NotSayable(`it is for another engine (${engine ?? 'none is named'})`);
  if (typeof implementation !== 'string') throw new NotSayable('its implementation is no text');
  const reader = new Reader(tokensOf(implementation));
  const isDocument = reader.take('Rules');
  if (isDocument) for (const token of ['=', '[']) reader.expect(token);
  const rules = [readRule(reader)];
  while (isDocument && reader.take(',')) rules.push(readRule(reader));
  if (isDocument) reader.expect(']');
  reader.expectEnd();
  return rules;
}

const DEEPEST = 10;

const TOKEN = /\s+|#[^\n]*|("[^"\\\p{Cc}]*")|([A-Za-z_]\w*)|(-?\d+(?:\.\d+)?)|(<=|>=|!=|[=<>[\](),])/uy;

function tokensOf(text: string): string[] {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (match === null) throw new NotSayable(`it is not read from ${JSON.stringify(text.slice(at, at + 20))} on`);
    const token = match.slice(1).find((group) => group !== undefined);
    if (token !== undefined) tokens.push(token);
  }
  return tokens;
}

function readRule(reader: Reader, depth = 0): string {
  if (!reader.take('(')) return readSingle(reader);
  if (depth > DEEPEST) throw new NotSayable(`it nests deeper than ${DEEPEST} brackets`);
  const parts = [`(${readRule(reader, depth + 1)})`];
  reader.expect(')');
  const join = ['and', 'or'].find((word) => reader.next() === word);
  while (join !== undefined && reader.take(join)) {
    reader.expect('(');
    parts.push(`(${readRule(reader, depth + 1)})`);
    reader.expect(')');
  }
  return parts.join(` ${join} `);
}

function readSingle(reader: Reader): string {
  const name = reader.read();
  const type = Object.hasOwn(TYPES, name) ? TYPES[name] : undefined;
  if (type === undefined) throw new NotSayable(`${name || 'nothing'} is no rule that a contract may state`);
  const columns = reader.readWhile(isText);
  const [least, most] = type.columns;
  if (columns.length < least || columns.length > most)
    throw new NotSayable(
      `${name} names ${least === most ? least : `${least} to ${most}`} columns, not ${columns.length}`,
    );
  const expression = readExpression(reader);
  if (expression.length === 0 && type.expression === 'NEEDED') throw new NotSayable(`${name} needs an expression`);
  if (expression.length > 0 && type.expression === 'NONE') throw new NotSayable(`${name} takes no expression`);
  const threshold = reader.take('with') ? ['with', reader.expect('threshold'), ...readComparison(reader)] : [];
  return [name, ...columns, ...expression, ...threshold].join(' ');
}

const COMPARE = new Set(['=', '!=', '<', '<=', '>', '>=']);
const isText = (token: string) => token.startsWith('"');
const isNumber = (token: string) => /^-?\d/.test(token);
const isValue = (token: string) => isText(token) || isNumber(token);

function readExpression(reader: Reader): string[] {
  const word = reader.next();
  if (word === 'matches') return [reader.read(), readValue(reader, isText)];
  if (word === 'not' || word === 'in') {
    const not = reader.take('not') ? ['not'] : [];
    if (reader.next() === 'matches') return [...not, reader.read(), readValue(reader, isText)];
    if (reader.next() === 'between') return [...not, ...readComparison(reader)];
    return [...not, ...readList(reader)];
  }
  return COMPARE.has(word) || word === 'between' ? readComparison(reader) : [];
}

function readList(reader: Reader): string[] {
  const list = [reader.expect('in'), reader.expect('['), readValue(reader, isValue)];
  while (reader.take(',')) list.push(',', readValue(reader, isValue));
  return [...list, reader.expect(']')];
}

function readComparison(reader: Reader): string[] {
  if (reader.take('between'))
    return ['between', ...readQuantity(reader), reader.expect('and'), ...readQuantity(reader)];
  const operator = reader.read();
  if (!COMPARE.has(operator)) throw new NotSayable(`a comparison is expected, not ${operator || 'its end'}`);
  return [operator, ...readQuantity(reader)];
}

function readQuantity(reader: Reader): string[] {
  const value = readValue(reader, isValue);
  const unit = ['days', 'hours', 'minutes'].filter((word) => isNumber(value) && reader.take(word));
  return [value, ...unit];
}

function readValue(reader: Reader, fits: (token: string) => boolean): string {
  const token = reader.read();
  if (!fits(token)) throw new NotSayable(`a value is expected, not ${token || 'its end'}`);
  return token;
}

/** Reads tokens one by one; past the end they are empty. */
class Reader {
  #at = 0;
  readonly #tokens: string[];

  constructor(tokens: string[]) {
    this.#tokens = tokens;
  }

  next(): string {
    return this.#tokens[this.#at] ?? '';
  }

  read(): string {
    const token = this.next();
    this.#at += 1;
    return token;
  }

  readWhile(fits: (token: string) => boolean): string[] {
    const read: string[] = [];
    while (fits(this.next())) read.push(this.read());
    return read;
  }

  take(token: string): boolean {
    if (this.next() !== token) return false;
    this.#at += 1;
    return true;
  }

  expect(token: string): string {
    if (!this.take(token)) throw new NotSayable(`${token} is expected, not ${this.next() || 'its end'}`);
    return token;
  }

  expectEnd(): void {
    if (this.next() !== '') throw new NotSayable(`its end is expected, not ${this.next()}`);
  }
}
