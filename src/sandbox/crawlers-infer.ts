/** What the crawler's built-in classifiers find in a file. AWS page: Glue developer guide, add-classifier. */
import { gunzipSync } from 'node:zlib';
import { type ParquetSchema, parquetColumns } from './crawlers-parquet.js';
import { commonColumns, commonType, type FoundColumn, structOf } from './crawlers-types.js';

/** A file's format, its columns, and how many rows were read for them. */
export interface FoundFile {
  classification: 'csv' | 'json' | 'parquet';
  columns: FoundColumn[];
  records: number;
  /** Of CSV. */
  delimiter?: string;
  hasHeader?: boolean;
}

/** As much of a text as is read to classify it: the crawler reads its beginning too. */
const SAMPLE_BYTES = 1024 * 1024;
const DELIMITERS = [',', '|', '\t', ';', '\u0001'];
const COLUMN_NAME = /^[\w .:#%@/()-]{1,150}$/;

/** Reads the columns of a file; undefined where it is none of the formats. Gzip is unpacked. */
export function inferFile(key: string, body: Buffer): FoundFile | undefined {
  if (body.subarray(0, 4).toString('latin1') === 'PAR1') return ofParquet(parquetColumns(body));
  const text = textOf(key, body);
  if (text === undefined || text.trim() === '') return undefined;
  return ofJsonLines(text) ?? ofCsv(text);
}

function ofParquet({ columns, records }: ParquetSchema): FoundFile {
  return { classification: 'parquet', columns, records };
}

/** The whole lines at the beginning of a text; undefined for bytes that are none. */
function textOf(key: string, body: Buffer): string | undefined {
  const unpacked = key.endsWith('.gz') ? gunzipSync(body) : body;
  const sample = unpacked.subarray(0, SAMPLE_BYTES);
  if (sample.includes(0)) return undefined;
  const text = sample.toString('utf8').replace(/^\uFEFF/, '');
  return unpacked.length > SAMPLE_BYTES ? text.slice(0, text.lastIndexOf('\n')) : text;
}

function ofJsonLines(text: string): FoundFile | undefined {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const records: FoundColumn[][] = [];
  for (const line of lines) {
    const record = parseObject(line);
    if (!record) return undefined;
    records.push(membersOf(record));
  }
  return { classification: 'json', columns: commonColumns(records), records: records.length };
}

function parseObject(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

function membersOf(record: Record<string, unknown>): FoundColumn[] {
  return Object.entries(record).map(([Name, value]) => ({ Name, Type: typeOfJson(value) }));
}

/** Nothing is known of a null: it takes the type of the other rows. */
function typeOfJson(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'boolean') return 'boolean';
  if (typeof value === 'number') return Number.isInteger(value) ? integerType(value) : 'double';
  if (Array.isArray(value)) return `array<${value.map(typeOfJson).reduce(commonType, '') || 'string'}>`;
  if (typeof value === 'object') return structOf(commonColumns([membersOf(value as Record<string, unknown>)]));
  return 'string';
}

function integerType(value: number): string {
  return Math.abs(value) < 2 ** 31 ? 'int' : 'bigint';
}

/**
 * CSV has two columns and two rows at least. Its first row is a header where every cell of it is text that can be a name,
 * and the rows below parse as something else in some column; without one the columns are col0, col1 and so on.
 */
function ofCsv(text: string): FoundFile | undefined {
  const delimiter = DELIMITERS.map((each) => ({ each, widths: widthsOf(text, each) })).find(
    ({ widths }) => widths.length >= 2 && widths[0]! >= 2 && widths.every((width) => width === widths[0]),
  )?.each;
  if (delimiter === undefined) return undefined;
  const rows = rowsOf(text, delimiter);
  const [first = [], ...others] = rows;
  const hasHeader = first.every(isName) && typesOf(others).some((type) => type !== 'string');
  const types = typesOf(hasHeader ? others : rows);
  const columns = first.map((cell, index) => ({
    Name: hasHeader ? cell.trim().toLowerCase() : `col${index}`,
    Type: types[index] ?? 'string',
  }));
  return { classification: 'csv', columns, records: rows.length - (hasHeader ? 1 : 0), delimiter, hasHeader };
}

function isName(cell: string): boolean {
  return COLUMN_NAME.test(cell.trim()) && typeOfCell(cell) === 'string';
}

function typesOf(rows: string[][]): string[] {
  const width = rows[0]?.length ?? 0;
  return Array.from({ length: width }, (_, column) => {
    const type = rows.map((row) => typeOfCell(row[column] ?? '')).reduce(commonType, '');
    return type === '' ? 'string' : type;
  });
}

/** An empty cell says nothing of its column. Dates and times stay text. */
function typeOfCell(cell: string): string {
  const text = cell.trim();
  if (text === '') return '';
  if (/^[+-]?\d{1,18}$/.test(text)) return 'bigint';
  if (/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text)) return 'double';
  return /^(true|false)$/i.test(text) ? 'boolean' : 'string';
}

function widthsOf(text: string, delimiter: string): number[] {
  return rowsOf(text, delimiter).map((row) => row.length);
}

/** Rows of cells; a quoted cell may hold the delimiter, doubled quotes and line ends (RFC 4180). */
function rowsOf(text: string, delimiter: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let cell = '';
  let quoted = false;
  const endRow = (): void => {
    if (row.length > 0 || cell.trim() !== '') rows.push([...row, cell]);
    row = [];
    cell = '';
  };
  for (let i = 0; i < text.length; i += 1) {
    const character = text[i]!;
    if (quoted && character === '"' && text[i + 1] === '"') {
      cell += '"';
      i += 1;
    } else if (character === '"' && (quoted || cell === '')) quoted = !quoted;
    else if (quoted) cell += character;
    else if (character === delimiter) {
      row.push(cell);
      cell = '';
    } else if (character === '\n') endRow();
    else if (character !== '\r') cell += character;
  }
  endRow();
  return rows;
}
