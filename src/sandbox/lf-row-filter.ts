/**
 * Row filter expressions: the subset of PartiQL that Lake Formation takes.
 * AWS page: Lake Formation developer guide, partiql-support.
 */
import type { TableRecord } from './glue-store.js';
import { foldName, invalidInput } from './lf-input.js';
import type { AwsError } from './service.js';

const MOST_CHARACTERS = 2048;

interface Token {
  kind: 'NAME' | 'TEXT' | 'NUMBER' | 'SIGN';
  text: string;
  at: number;
}

const TOKENS =
  /\s+|(?<TEXT>'(?:[^']|'')*')|(?<NAME>(?:[A-Za-z_]\w*|"(?:[^"]|"")+")(?:\.(?:[A-Za-z_]\w*|"(?:[^"]|"")+"))*)|(?<NUMBER>[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)|(?<SIGN><>|!=|<=|>=|[=<>(),])/y;

const WORDS = new Set(['AND', 'OR', 'NOT', 'BETWEEN', 'IN', 'LIKE', 'IS', 'NULL', 'TRUE', 'FALSE']);

/** What a column may be compared with; a struct with nothing, but it may be NULL. */
type Family = 'TEXT' | 'NUMBER' | 'BOOLEAN' | 'STRUCT';

const FAMILIES: [RegExp, Family][] = [
  [/^(string|char|varchar)\b/, 'TEXT'],
  [/^(tinyint|smallint|int|integer|long|bigint|float|real|double|decimal)\b/, 'NUMBER'],
  [/^boolean$/, 'BOOLEAN'],
  [/^struct\b/, 'STRUCT'],
];

function invalid(reason: string): AwsError {
  return invalidInput(`Invalid row filter expression: ${reason}`);
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  TOKENS.lastIndex = 0;
  for (let at = 0; at < text.length; at = TOKENS.lastIndex) {
    const match = TOKENS.exec(text);
    if (!match) throw invalid(`unexpected "${text.slice(at, at + 20)}" at position ${at + 1}`);
    const [kind, token] = Object.entries(match.groups ?? {}).find(([, found]) => found !== undefined) ?? [];
    if (kind && token !== undefined) tokens.push({ kind: kind as Token['kind'], text: token, at });
  }
  return tokens;
}

/** Throws InvalidInputException where Lake Formation would not take the expression for a filter on this table. */
export function requireRowFilter(expression: string, table: TableRecord): void {
  if (expression.length >= MOST_CHARACTERS) throw invalid(`it must be shorter than ${MOST_CHARACTERS} characters`);
  const reader = readerOf(tokenize(expression));
  readComposite(reader, table);
  const rest = reader.peek();
  if (rest) throw invalid(`unexpected "${rest.text}" at position ${rest.at + 1}`);
}

/** Goes over the tokens once. */
interface Reader {
  peek(): Token | undefined;
  skip(): void;
  /** Passes the word or sign where it comes next. */
  takes(text: string): boolean;
  /** Passes it, or refuses the expression. */
  require(text: string): void;
}

function readerOf(tokens: Token[]): Reader {
  let next = 0;
  const reader: Reader = {
    peek: () => tokens[next],
    skip() {
      next += 1;
    },
    takes(text) {
      const token = tokens[next];
      if (token?.kind === 'TEXT' || token?.text.toUpperCase() !== text) return false;
      next += 1;
      return true;
    },
    require(text) {
      if (!reader.takes(text)) throw invalid(`${text} is expected ${whereIs(tokens[next])}`);
    },
  };
  return reader;
}

/** Simple expressions joined by AND and OR, in parentheses or not. */
function readComposite(reader: Reader, table: TableRecord): void {
  do {
    while (reader.takes('NOT'));
    if (reader.takes('(')) {
      readComposite(reader, table);
      reader.require(')');
    } else if (!reader.takes('TRUE') && !reader.takes('FALSE')) readComparison(reader, table);
  } while (reader.takes('AND') || reader.takes('OR'));
}

const SIGNS = ['=', '<>', '!=', '<', '<=', '>', '>='];

/** `column operator value`. */
function readComparison(reader: Reader, table: TableRecord): void {
  const column = readColumnName(reader, table);
  if (reader.takes('IS')) {
    reader.takes('NOT');
    reader.require('NULL');
    if (column.partition) throw invalid(`IS NULL is not supported on partition column ${column.name}`);
  } else if (SIGNS.some((sign) => reader.takes(sign))) readValue(reader, column);
  else {
    reader.takes('NOT');
    readRange(reader, column);
  }
}

/** LIKE, BETWEEN or IN with what follows it. */
function readRange(reader: Reader, column: Column): void {
  if (reader.takes('LIKE')) {
    if (column.family && column.family !== 'TEXT') throw invalid(`LIKE needs a string column, not ${column.name}`);
    readValue(reader, { ...column, family: 'TEXT' });
  } else if (reader.takes('BETWEEN')) {
    readValue(reader, column);
    reader.require('AND');
    readValue(reader, column);
  } else {
    reader.require('IN');
    reader.require('(');
    do readValue(reader, column);
    while (reader.takes(','));
    reader.require(')');
  }
}

interface Column {
  name: string;
  /** Undefined where the table does not tell the type. */
  family: Family | undefined;
  partition: boolean;
}

function readColumnName(reader: Reader, table: TableRecord): Column {
  const token = reader.peek();
  if (token?.kind !== 'NAME' || isWord(token)) throw invalid(`a column name is expected ${whereIs(token)}`);
  reader.skip();
  return columnOf(table, token.text);
}

/** A constant of the column's type: columns are not compared with columns, and there are no functions. */
function readValue(reader: Reader, { name, family }: Column): void {
  const token = reader.peek();
  const given = token && familyOf(token);
  if (!given) throw invalid(`a constant is expected ${whereIs(token)}`);
  if (family && given !== family) throw invalid(`${token.text} does not match the type of column ${name}`);
  reader.skip();
}

function isWord({ kind, text }: Token): boolean {
  return kind === 'NAME' && WORDS.has(text.toUpperCase());
}

function whereIs(token: Token | undefined): string {
  return token ? `at position ${token.at + 1}, not "${token.text}"` : 'at the end';
}

function familyOf({ kind, text }: Token): Family | undefined {
  if (kind === 'TEXT' || kind === 'NUMBER') return kind;
  return kind === 'NAME' && /^(true|false)$/i.test(text) ? 'BOOLEAN' : undefined;
}

/** A column of the table, or a field of a struct by its path; what has no type is compared with anything. */
function columnOf(table: TableRecord, path: string): Column {
  const [first = '', ...fields] = [...path.matchAll(/"((?:[^"]|"")+)"|[^.]+/g)].map(([part, quoted]) =>
    foldName(quoted?.replaceAll('""', '"') ?? part),
  );
  const among = (columns: { Name: string; Type?: string }[] = []) =>
    columns.find(({ Name }) => foldName(Name) === first);
  const partition = among(table.PartitionKeys);
  const column = partition ?? among(table.StorageDescriptor?.Columns);
  if (!column) throw invalid(`column ${first} not found in table ${table.Name}`);
  if (partition && fields.length > 0) throw invalid(`fields of partition column ${first} cannot be used`);
  const type = fields.reduce<string | undefined>((outer, field) => fieldType(outer, field, path), column.Type);
  if (type === undefined) return { name: path, family: undefined, partition: partition !== undefined };
  const family = FAMILIES.find(([pattern]) => pattern.test(type.trim().toLowerCase()))?.[1];
  if (!family) throw invalid(`the type ${type} of column ${path} is not supported`);
  return { name: path, family, partition: partition !== undefined };
}

/** The type of a field of `struct<name:type,...>`. */
function fieldType(outer: string | undefined, field: string, path: string): string | undefined {
  if (outer === undefined) return undefined;
  const inside = /^\s*struct\s*<(.*)>\s*$/is.exec(outer)?.[1];
  if (inside === undefined) throw invalid(`${path} names a field of a column that is no struct`);
  const found = splitFields(inside).find((part) => foldName(part.slice(0, part.indexOf(':')).trim()) === field);
  if (found === undefined) throw invalid(`field ${path} not found`);
  return found.slice(found.indexOf(':') + 1);
}

/** Splits at the commas that are inside no brackets. */
function splitFields(text: string): string[] {
  const parts: string[] = [''];
  let depth = 0;
  for (const character of text) {
    if ('<('.includes(character)) depth += 1;
    if ('>)'.includes(character)) depth -= 1;
    if (character === ',' && depth === 0) parts.push('');
    else parts[parts.length - 1] += character;
  }
  return parts;
}
