import { GovernanceError, invalid } from './error.js';

/**
 * Row filters in the part of PartiQL that Lake Formation takes (developer guide, partiql-support): columns compared with constants of
 * their type by = <> < <= > >= [NOT] BETWEEN, IN and LIKE, IS [NOT] NULL except on partition columns, joined by AND, OR, NOT and
 * parentheses; no functions, no column beside a column, fewer than 2,048 characters.
 */

/** A column that a filter may name. `type` is a Hive type. */
export interface FilterColumn {
  name: string;
  type: string;
  partition: boolean;
}

/** A filter that fits its table. */
export interface RowFilter {
  /** The one text of all filters that say the same in the same order: words in capitals, columns in double quotes. */
  text: string;
  /** The columns that it names, sorted. */
  columns: string[];
}

const LIMIT = 2_048;

type Family = 'TEXT' | 'NUMBER' | 'BOOLEAN';
type Token = { kind: 'NAME' | 'QUOTED' | 'TEXT' | 'NUMBER' | 'SIGN' | 'END'; text: string; at: number };

const TOKEN =
  /\s+|(?<TEXT>'(?:[^']|'')*')|(?<QUOTED>"(?:[^"]|"")+")|(?<NUMBER>[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)|(?<NAME>[A-Za-z_]\w*)|(?<SIGN><>|!=|<=|>=|[=<>(),.])/y;
const WORDS = new Set(['AND', 'OR', 'NOT', 'BETWEEN', 'IN', 'LIKE', 'IS', 'NULL', 'TRUE', 'FALSE']);
const COMPARISONS = ['=', '<>', '!=', '<', '<=', '>', '>='];

const refuse = (at: number, what: string) => invalid('rowFilter', `rowFilter: at character ${at + 1}: ${what}`);

/** Reads a filter for a table of these columns; throws VALIDATION with the place and what to give there. */
export function readRowFilter(text: string, columns: readonly FilterColumn[]): RowFilter {
  checkLength(text);
  const reader = new FilterReader(text, columns);
  const written = reader.readAll();
  checkLength(written);
  return { text: written, columns: [...reader.named].sort() };
}

function checkLength(text: string): void {
  if (text.length >= LIMIT)
    throw invalid('rowFilter', `rowFilter: Lake Formation takes fewer than ${LIMIT} characters.`);
}

/** Why a stored filter does not fit a table as it is now; null where it does. */
export function misfitOf(text: string, columns: readonly FilterColumn[]): string | null {
  try {
    readRowFilter(text, columns);
    return null;
  } catch (error) {
    if (error instanceof GovernanceError) return error.message;
    throw error;
  }
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  const pattern = new RegExp(TOKEN);
  for (let at = 0; at < text.length; at = pattern.lastIndex) {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match === null && text[at] === "'") throw refuse(at, 'the text that begins here has no closing quote.');
    if (match === null) throw refuse(at, `${text[at]} is not understood; texts stand in single quotes.`);
    for (const [kind, found] of Object.entries(match.groups ?? {})) {
      if (found !== undefined) tokens.push({ kind: kind as Token['kind'], text: found, at });
    }
  }
  tokens.push({ kind: 'END', text: 'the end', at: text.length });
  return tokens;
}

const nameIn = ({ kind, text }: Token) =>
  (kind === 'QUOTED' ? text.slice(1, -1).replaceAll('""', '"') : text).toLowerCase();

const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;

/** One pass over a filter, from left to right; each method reads a part and answers its text. */
class FilterReader {
  readonly named = new Set<string>();
  private readonly tokens: Token[];
  private next = 0;

  constructor(
    text: string,
    private readonly columns: readonly FilterColumn[],
  ) {
    this.tokens = tokensOf(text);
  }

  readAll(): string {
    const text = this.either();
    if (this.token.kind !== 'END')
      throw refuse(this.token.at, `expected AND, OR or the end, found ${this.token.text}.`);
    return text;
  }

  /** `a OR b`; AND binds closer. */
  private either(): string {
    const parts = [this.both()];
    while (this.takes('OR')) parts.push(this.both());
    return parts.length === 1 ? (parts[0] as string) : `(${parts.join(' OR ')})`;
  }

  private both(): string {
    const parts = [this.one()];
    while (this.takes('AND')) parts.push(this.one());
    return parts.length === 1 ? (parts[0] as string) : `(${parts.join(' AND ')})`;
  }

  private one(): string {
    if (this.takes('NOT')) return `NOT (${bare(this.one())})`;
    if (!this.takes('(')) return this.comparison();
    const text = this.either();
    this.require(')');
    return text;
  }

  private comparison(): string {
    const { name, family, partition, at } = this.column();
    const sign = COMPARISONS.find((candidate) => this.takes(candidate));
    if (sign !== undefined) return `${name} ${sign === '!=' ? '<>' : sign} ${this.constant(family)}`;
    if (this.takes('IS')) {
      if (partition) throw refuse(at, `${name} is a partition column: Lake Formation does not take IS NULL there.`);
      const not = this.takes('NOT') ? 'NOT ' : '';
      this.require('NULL');
      return `${name} IS ${not}NULL`;
    }
    const not = this.takes('NOT') ? 'NOT ' : '';
    if (this.takes('BETWEEN')) {
      const from = this.constant(family);
      this.require('AND');
      return `${name} ${not}BETWEEN ${from} AND ${this.constant(family)}`;
    }
    if (this.takes('LIKE')) {
      if (family !== 'TEXT') throw refuse(at, `${name} is no text: LIKE is for texts.`);
      return `${name} ${not}LIKE ${this.constant(family)}`;
    }
    if (!this.takes('IN')) throw refuse(this.token.at, `expected a comparison, found ${this.token.text}.`);
    this.require('(');
    const values = [this.constant(family)];
    while (this.takes(',')) values.push(this.constant(family));
    this.require(')');
    return `${name} ${not}IN (${values.join(', ')})`;
  }

  /** A column of the table, or a field in a struct: `address.city`. */
  private column() {
    const { at } = this.token;
    const first = this.name();
    const column = this.columns.find(({ name }) => name === first);
    if (this.token.text === '(')
      throw refuse(at, `${first}(...) is not possible: filters take no functions, only columns and constants.`);
    if (column === undefined) {
      throw refuse(at, `the table has no column ${first}; it has ${this.columns.map(({ name }) => name).join(', ')}.`);
    }
    const path = [first];
    let { type } = column;
    while (this.takes('.')) {
      if (column.partition) throw refuse(at, `${first} is a partition column: it has no fields.`);
      const field = this.name();
      const inside = fieldsOf(type).get(field);
      if (inside === undefined) throw refuse(at, `${path.join('.')} is ${type} and has no field ${field}.`);
      path.push(field);
      type = inside;
    }
    const family = familyOf(type);
    if (family === undefined) {
      throw refuse(
        at,
        `${path.join('.')} is ${type}: filters take texts, numbers and booleans; choose another column, or offer one such as a year or a text of the date.`,
      );
    }
    this.named.add(first);
    return { name: path.map(quoted).join('.'), family, partition: column.partition, at };
  }

  private name(): string {
    const { token } = this;
    const word = token.kind === 'NAME' && WORDS.has(token.text.toUpperCase());
    if (word || (token.kind !== 'NAME' && token.kind !== 'QUOTED')) {
      throw refuse(token.at, `expected a column, found ${token.text}.`);
    }
    this.next += 1;
    return nameIn(token);
  }

  private constant(family: Family): string {
    const { token } = this;
    const boolean = token.kind === 'NAME' && /^(true|false)$/i.test(token.text);
    const given = boolean ? 'BOOLEAN' : token.kind;
    if (given !== 'TEXT' && given !== 'NUMBER' && given !== 'BOOLEAN') {
      throw refuse(
        token.at,
        `expected ${EXAMPLES[family]}, found ${token.text}; columns are compared with constants alone.`,
      );
    }
    if (given !== family) throw refuse(token.at, `expected ${EXAMPLES[family]}, found ${token.text}.`);
    this.next += 1;
    return boolean ? token.text.toUpperCase() : token.text;
  }

  private get token(): Token {
    return this.tokens[this.next] as Token;
  }

  /** Passes the word or sign where it is the next. */
  private takes(text: string): boolean {
    const { kind, text: found } = this.token;
    if ((kind !== 'NAME' && kind !== 'SIGN') || found.toUpperCase() !== text) return false;
    this.next += 1;
    return true;
  }

  private require(text: string): void {
    if (!this.takes(text)) throw refuse(this.token.at, `expected ${text}, found ${this.token.text}.`);
  }
}

const EXAMPLES: Record<Family, string> = {
  TEXT: "a text in single quotes ('US')",
  NUMBER: 'a number (2010)',
  BOOLEAN: 'TRUE or FALSE',
};

/** Without the parentheses around it: NOT brings its own. */
function bare(text: string): string {
  return text.startsWith('(') ? text.slice(1, -1) : text;
}

/** What constants a column of a Hive type is compared with; undefined where Lake Formation takes none. */
function familyOf(type: string): Family | undefined {
  const name = /^[a-z]+/.exec(type.trim().toLowerCase())?.[0] ?? '';
  if (['string', 'char', 'varchar'].includes(name)) return 'TEXT';
  if (['tinyint', 'smallint', 'int', 'integer', 'bigint', 'float', 'real', 'double', 'decimal'].includes(name)) {
    return 'NUMBER';
  }
  return name === 'boolean' ? 'BOOLEAN' : undefined;
}

/** The fields of `struct<name:type,...>`; none for another type. */
function fieldsOf(type: string): Map<string, string> {
  const inside = /^\s*struct\s*<(.*)>\s*$/is.exec(type)?.[1];
  if (inside === undefined) return new Map();
  const fields: string[] = [''];
  let depth = 0;
  for (const character of inside) {
    if (character === '<' || character === '(') depth += 1;
    if (character === '>' || character === ')') depth -= 1;
    if (character === ',' && depth === 0) fields.push('');
    else fields[fields.length - 1] += character;
  }
  return new Map(
    fields.map((field) => {
      const colon = field.indexOf(':');
      return [field.slice(0, colon).trim().toLowerCase(), field.slice(colon + 1).trim()];
    }),
  );
}
