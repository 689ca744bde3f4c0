import { type HiveType, primitive, readType } from './hive-type.js';
import { isObject, type JsonObject, memberOf, objectsOf, textOf } from './json.js';
import { nameOfElement } from './names.js';

/** A column's type for Glue, and what of it could not be mapped. */
export interface MappedType {
  type: HiveType;
  problems: string[];
}

const STRING = primitive('string');
const MAX_NESTING = 50;

// The names that databases and formats give to Hive's types. Hive has no time of day, no UUID and no JSON: they travel as text.
const SPELLINGS: Record<string, string> = {
  string:
    'string text clob nclob ntext longtext mediumtext tinytext citext uuid uniqueidentifier json jsonb variant xml super',
  varchar: 'varchar varchar2 nvarchar nvarchar2 character_varying',
  char: 'char nchar character bpchar',
  tinyint: 'tinyint byteint byte',
  smallint: 'smallint int2 short int16 uint8',
  int: 'int integer int4 int32 mediumint serial uint16',
  bigint: 'bigint int8 int64 long bigserial uint32',
  float: 'float float4 float32 real',
  double: 'double double_precision float8 float64',
  decimal: 'decimal numeric number dec bignumeric bigdecimal',
  boolean: 'boolean bool bit',
  date: 'date',
  timestamp:
    'timestamp datetime datetime2 smalldatetime datetimeoffset timestamptz timestamp_tz timestamp_ntz timestamp_ltz',
  binary: 'binary varbinary blob longblob bytea bytes raw image',
};

const BY_SPELLING = new Map(
  Object.entries(SPELLINGS).flatMap(([name, spellings]) =>
    spellings.split(' ').map((spelling) => [spelling, name] as const),
  ),
);

/** Hive's type for a database's name of a type; undefined where the name is unknown. */
function hiveTypeOf(spelling: string, parameters: number[]): HiveType | undefined {
  const words = spelling.replaceAll(' ', '_');
  if (/^time(tz|_.*)?$/.test(words)) return STRING;
  if (/^timestamp_with/.test(words)) return primitive('timestamp');
  if (words === 'money' || words === 'smallmoney') return primitive('decimal', 19, 4);
  const name = BY_SPELLING.get(words);
  const [first, second = 0] = parameters;
  if (name === 'varchar') return first !== undefined && first >= 1 && first <= 65_535 ? primitive(name, first) : STRING;
  if (name === 'char')
    return first === undefined || (first >= 1 && first <= 255) ? primitive(name, first ?? 1) : STRING;
  if (name === 'decimal') return decimal(first, second);
  return name === undefined ? undefined : primitive(name);
}

/** Without a precision Hive would take decimal(10,0) and cut the fraction, so it takes the widest with nine places. */
function decimal(precision = 38, scale = 9): HiveType {
  const bounded = Math.min(Math.max(precision, 1), 38);
  return primitive('decimal', bounded, Math.min(scale, bounded));
}

const INTEGER_FORMATS: Record<string, HiveType> = {
  i8: primitive('tinyint'),
  i16: primitive('smallint'),
  i32: primitive('int'),
  i64: primitive('bigint'),
  i128: primitive('decimal', 38, 0),
  u8: primitive('smallint'),
  u16: primitive('int'),
  u32: primitive('bigint'),
  u64: primitive('decimal', 20, 0),
  u128: primitive('decimal', 38, 0),
};

const LOGICAL: Record<string, HiveType> = {
  string: STRING,
  date: primitive('date'),
  timestamp: primitive('timestamp'),
  time: STRING,
  boolean: primitive('boolean'),
};

/**
 * Maps an ODCS property to a Hive type: nested columns first, then the physical type, then the logical type with its options.
 * What says nothing of use becomes `string`, with a problem.
 */
export function mapColumnType(property: JsonObject, depth = 0): MappedType {
  if (depth > MAX_NESTING) return mapped(STRING, `nests deeper than ${MAX_NESTING} levels and is taken as string`);
  const logicalType = textOf(memberOf(property, 'logicalType'));
  const fields = objectsOf(memberOf(property, 'properties'));
  if (fields.length > 0 && logicalType !== 'array') return structOf(fields, depth);
  const items = memberOf(property, 'items');
  if (isObject(items)) {
    const { type, problems } = mapColumnType(items, depth + 1);
    return { type: { kind: 'array', of: type }, problems };
  }
  return fromPhysical(property) ?? fromLogical(logicalType, property);
}

function mapped(type: HiveType, ...problems: string[]): MappedType {
  return { type, problems };
}

function structOf(properties: JsonObject[], depth: number): MappedType {
  const fields = new Map<string, HiveType>();
  const problems: string[] = [];
  for (const [index, property] of properties.entries()) {
    const name = nameOfElement(property) ?? `field_${index + 1}`;
    if (fields.has(name)) {
      problems.push(`holds the field ${name} twice; the first counts`);
      continue;
    }
    const field = mapColumnType(property, depth + 1);
    fields.set(name, field.type);
    problems.push(...field.problems.map((problem) => `field ${name}: ${problem}`));
  }
  return { type: { kind: 'struct', fields: [...fields].map(([name, type]) => ({ name, type })) }, problems };
}

function fromPhysical(property: JsonObject): MappedType | undefined {
  const physicalType = textOf(memberOf(property, 'physicalType'));
  if (physicalType === undefined) return undefined;
  const type = readType(physicalType, hiveTypeOf);
  if (type === undefined) return undefined;
  if (type.kind !== 'primitive' || type.name !== 'decimal' || /\d/.test(physicalType)) return mapped(type);
  if (memberOf(property, 'logicalType') === 'integer') return mapped(primitive('decimal', 38, 0));
  return /money/i.test(physicalType)
    ? mapped(type)
    : mapped(type, `${physicalType} states no precision and is taken as decimal(38,9)`);
}

function fromLogical(logicalType: string | undefined, property: JsonObject): MappedType {
  const physicalType = textOf(memberOf(property, 'physicalType'));
  const format = textOf(memberOf(memberOf(property, 'logicalTypeOptions'), 'format'));
  // The standard's default of an integer's format is i32.
  if (logicalType === 'integer') return mapped(lookUp(INTEGER_FORMATS, format ?? 'i32') ?? primitive('bigint'));
  if (logicalType === 'number') return mapped(primitive(format === 'f32' ? 'float' : 'double'));
  if (logicalType === 'array')
    return mapped({ kind: 'array', of: STRING }, 'does not say its items, which are taken as string');
  if (logicalType === 'object') return mapped(STRING, 'does not say its fields and is taken as string');
  const type = logicalType === undefined ? undefined : lookUp(LOGICAL, logicalType);
  if (type !== undefined) return mapped(type);
  const said = [physicalType, logicalType].filter((each) => each !== undefined);
  return mapped(
    STRING,
    said.length > 0
      ? `type ${said.join(', ')} is unknown and is taken as string`
      : 'states no type and is taken as string',
  );
}

function lookUp(table: Record<string, HiveType>, key: string): HiveType | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}
