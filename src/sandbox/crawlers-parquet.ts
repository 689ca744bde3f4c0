/** The schema of a Parquet file's footer in Glue's types (apache/parquet-format, LogicalTypes.md). */
import { parquetMetadata, parquetSchema, type SchemaTree } from 'hyparquet';
import { type FoundColumn, structOf } from './crawlers-types.js';

/** What a footer tells. */
export interface ParquetSchema {
  columns: FoundColumn[];
  records: number;
}

/** Reads the footer; throws where it is damaged. */
export function parquetColumns(body: Buffer): ParquetSchema {
  const bytes = body.buffer.slice(body.byteOffset, body.byteOffset + body.byteLength) as ArrayBuffer;
  const metadata = parquetMetadata(bytes);
  const columns = parquetSchema(metadata).children.map((child) => ({
    Name: child.element.name.toLowerCase(),
    Type: repeatedType(child),
  }));
  return { columns, records: Number(metadata.num_rows) };
}

/** A repeated field without a LIST around it is a list of its own. */
function repeatedType(node: SchemaTree): string {
  const type = typeOf(node);
  return node.element.repetition_type === 'REPEATED' ? `array<${type}>` : type;
}

function typeOf(node: SchemaTree): string {
  const { element, children } = node;
  if (children.length === 0) return simpleType(element);
  const kind = element.logical_type?.type ?? element.converted_type;
  if (kind === 'LIST') return `array<${listElement(node)}>`;
  if (kind === 'MAP' || kind === 'MAP_KEY_VALUE') {
    const [key, value] = children[0]?.children ?? [];
    return `map<${key ? typeOf(key) : 'string'},${value ? typeOf(value) : 'string'}>`;
  }
  return structOf(children.map((child) => ({ Name: child.element.name.toLowerCase(), Type: repeatedType(child) })));
}

/** Lists have three levels, except old ones whose repeated level is the element itself. */
function listElement({ children }: SchemaTree): string {
  const [repeated] = children;
  if (!repeated) return 'string';
  const [only, ...others] = repeated.children;
  const isElement = !only || others.length > 0 || repeated.element.name === 'array';
  return isElement ? typeOf(repeated) : typeOf(only);
}

function simpleType({
  type,
  logical_type: logical,
  converted_type: converted,
  ...element
}: SchemaTree['element']): string {
  if (logical?.type === 'DECIMAL') return `decimal(${logical.precision},${logical.scale})`;
  if (converted === 'DECIMAL') return `decimal(${element.precision ?? 10},${element.scale ?? 0})`;
  if (logical?.type === 'INTEGER') return integerType(logical.bitWidth, logical.isSigned);
  const named = BY_NAME[logical?.type ?? ''] ?? BY_NAME[converted ?? ''];
  return named ?? BY_PHYSICAL_TYPE[type ?? ''] ?? 'binary';
}

/** An unsigned number takes the next wider type, as Hive has none without sign. */
function integerType(bits: number, isSigned: boolean): string {
  const width = isSigned ? bits : bits * 2;
  if (width <= 8) return 'tinyint';
  if (width <= 16) return 'smallint';
  return width <= 32 ? 'int' : 'bigint';
}

const BY_NAME: Record<string, string> = {
  STRING: 'string',
  UTF8: 'string',
  ENUM: 'string',
  JSON: 'string',
  UUID: 'string',
  DATE: 'date',
  TIMESTAMP: 'timestamp',
  TIMESTAMP_MILLIS: 'timestamp',
  TIMESTAMP_MICROS: 'timestamp',
  INT_8: 'tinyint',
  INT_16: 'smallint',
  INT_32: 'int',
  INT_64: 'bigint',
  UINT_8: 'smallint',
  UINT_16: 'int',
  UINT_32: 'bigint',
  UINT_64: 'bigint',
};

const BY_PHYSICAL_TYPE: Record<string, string> = {
  BOOLEAN: 'boolean',
  INT32: 'int',
  INT64: 'bigint',
  INT96: 'timestamp',
  FLOAT: 'float',
  DOUBLE: 'double',
  BYTE_ARRAY: 'binary',
  FIXED_LEN_BYTE_ARRAY: 'binary',
};
