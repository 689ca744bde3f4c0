/** JSON Schema (drafts 04, 06 and 07) as the schema registry takes it: is a text one, and does one read what another wrote? */

type Schema = Record<string, unknown>;

const TYPES = ['array', 'boolean', 'integer', 'null', 'number', 'object', 'string'];
const DRAFTS = /^https?:\/\/json-schema\.org\/draft-0[467]\/schema#?$/;

/** Keywords that hold schemas: one, a list of them, or several by name. */
const SCHEMA_KEYWORDS = [
  'additionalProperties',
  'additionalItems',
  'not',
  'contains',
  'propertyNames',
  'if',
  'then',
  'else',
];
const LIST_KEYWORDS = ['allOf', 'anyOf', 'oneOf'];
const MAP_KEYWORDS = ['properties', 'patternProperties', 'definitions'];

/** Why a text is no JSON Schema; undefined where it is one. */
export function schemaError(text: string): string | undefined {
  let schema: unknown;
  try {
    schema = JSON.parse(text);
  } catch (error) {
    return `not JSON: ${(error as Error).message}`;
  }
  if (!isSchema(schema)) return 'a JSON Schema is an object';
  const draft = schema.$schema;
  if (draft !== undefined && !DRAFTS.test(String(draft)))
    return `$schema ${String(draft)} is none of the drafts 04, 06 and 07`;
  return errorIn(schema, '#');
}

function errorIn(schema: unknown, at: string): string | undefined {
  if (typeof schema === 'boolean') return undefined;
  if (!isSchema(schema)) return `${at} is no schema`;
  const types = listOf(schema.type);
  if (types.some((type) => !TYPES.includes(String(type)))) return `${at}/type ${String(schema.type)} is no type`;
  if (schema.required !== undefined && !isTexts(schema.required)) return `${at}/required is no list of names`;
  if (schema.enum !== undefined && !Array.isArray(schema.enum)) return `${at}/enum is no list`;
  for (const keyword of MAP_KEYWORDS) {
    const members = schema[keyword];
    if (members !== undefined && !isSchema(members)) return `${at}/${keyword} is no object`;
  }
  for (const [path, child] of childrenOf(schema)) {
    const error = errorIn(child, `${at}/${path}`);
    if (error) return error;
  }
  return undefined;
}

function childrenOf(schema: Schema): [path: string, child: unknown][] {
  const single = SCHEMA_KEYWORDS.filter((keyword) => keyword in schema).map((keyword) => [keyword, schema[keyword]]);
  const lists = [...LIST_KEYWORDS, 'items'].flatMap((keyword) =>
    listOf(schema[keyword]).map((child, index) => [`${keyword}/${index}`, child]),
  );
  const maps = MAP_KEYWORDS.flatMap((keyword) =>
    Object.entries((schema[keyword] ?? {}) as Schema).map(([name, child]) => [`${keyword}/${name}`, child]),
  );
  return [...single, ...lists, ...maps] as [string, unknown][];
}

/**
 * Why a reader of one schema cannot take everything that was written with another; empty where he can. An optional property
 * that is new counts as compatible even where the writer's objects were open, as BACKWARD allows it (Glue API, CreateSchema).
 */
export function readingProblems(reader: string, writer: string): string[] {
  const [readerRoot, writerRoot] = [JSON.parse(reader) as Schema, JSON.parse(writer) as Schema];
  return compare({ readerRoot, writerRoot, depth: 0 }, { reader: readerRoot, writer: writerRoot, at: '#' });
}

interface Roots {
  readerRoot: Schema;
  writerRoot: Schema;
  depth: number;
}

interface Pair {
  reader: unknown;
  writer: unknown;
  at: string;
}

/** A schema that leads to itself is not followed for ever. */
const MAX_DEPTH = 40;

function compare(roots: Roots, pair: Pair): string[] {
  const { at } = pair;
  const reader = resolved(pair.reader, roots.readerRoot);
  const writer = resolved(pair.writer, roots.writerRoot);
  if (roots.depth > MAX_DEPTH || writer === false || reader === true || isEqual(reader, writer)) return [];
  if (reader === false) return [`${at} is not allowed any more`];
  const deeper = { ...roots, depth: roots.depth + 1 };
  const written: Schema = writer === true ? {} : writer;
  const alternatives = alternativesOf(written);
  if (alternatives) return alternatives.flatMap((each) => compare(deeper, { reader, writer: each, at }));
  const choices = alternativesOf(reader);
  if (choices) {
    const found = choices.map((each) => compare(deeper, { reader: each, writer: written, at }));
    return found.some((problems) => problems.length === 0)
      ? []
      : [`${at} fits none of the alternatives`, ...(found[0] ?? [])];
  }
  return [
    ...listOf(reader.allOf).flatMap((each) => compare(deeper, { reader: each, writer: written, at })),
    ...typeProblems(reader, written, at),
    ...valueProblems(reader, written, at),
    ...boundProblems(reader, written, at),
    ...(mayBe(written, 'object') ? objectProblems(deeper, { reader, writer: written, at }) : []),
    ...(mayBe(written, 'array') ? itemProblems(deeper, { reader, writer: written, at }) : []),
  ];
}

/** A local reference stands for what it points to; others are taken as they are. */
function resolved(schema: unknown, root: Schema): boolean | Schema {
  let current = schema;
  for (let hops = 0; hops < MAX_DEPTH; hops += 1) {
    if (!isSchema(current) || typeof current.$ref !== 'string' || !current.$ref.startsWith('#')) break;
    const path = current.$ref
      .split('/')
      .slice(1)
      .map((part) => decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~'));
    current = path.reduce<unknown>((at, part) => (isSchema(at) ? at[part] : undefined), root);
  }
  return typeof current === 'boolean' || isSchema(current) ? current : true;
}

/** Each alternative together with what stands beside it. */
function alternativesOf({ anyOf, oneOf, ...rest }: Schema): Schema[] | undefined {
  const choices = (anyOf ?? oneOf) as unknown;
  if (!Array.isArray(choices) || choices.length === 0) return undefined;
  const other = anyOf && oneOf ? { oneOf } : {};
  return choices.map((choice) => (isSchema(choice) ? { ...rest, ...other, ...choice } : { ...rest, ...other }));
}

function mayBe({ type }: Schema, wanted: string): boolean {
  return type === undefined || listOf(type).includes(wanted);
}

function typeProblems(reader: Schema, writer: Schema, at: string): string[] {
  if (reader.type === undefined) return [];
  const readable = listOf(reader.type) as string[];
  const written = writer.type === undefined ? (typesOfValues(writer) ?? TYPES) : (listOf(writer.type) as string[]);
  const lost = written.filter(
    (type) => !readable.includes(type) && !(type === 'integer' && readable.includes('number')),
  );
  return lost.length > 0 ? [`${at} was ${lost.join(' or ')}, and must be ${readable.join(' or ')} now`] : [];
}

function typesOfValues(schema: Schema): string[] | undefined {
  return valuesOf(schema)?.map((value) => {
    if (value === null) return 'null';
    if (Array.isArray(value)) return 'array';
    return typeof value === 'number' && Number.isInteger(value) ? 'integer' : typeof value;
  });
}

function valuesOf(schema: Schema): unknown[] | undefined {
  if ('const' in schema) return [schema.const];
  return schema.enum as unknown[] | undefined;
}

function valueProblems(reader: Schema, writer: Schema, at: string): string[] {
  const allowed = valuesOf(reader);
  if (!allowed) return [];
  const written = valuesOf(writer);
  if (!written) return [`${at} was any value, and must be one of ${JSON.stringify(allowed)} now`];
  const lost = written.filter((value) => !allowed.some((each) => isEqual(each, value)));
  return lost.length > 0 ? [`${at} may not be ${lost.map((value) => JSON.stringify(value)).join(', ')} any more`] : [];
}

const AT_LEAST = ['minimum', 'exclusiveMinimum', 'minLength', 'minItems', 'minProperties'];
const AT_MOST = ['maximum', 'exclusiveMaximum', 'maxLength', 'maxItems', 'maxProperties'];
const SAME = [
  'pattern',
  'multipleOf',
  'format',
  'uniqueItems',
  'not',
  'if',
  'then',
  'else',
  'contains',
  'propertyNames',
  'dependencies',
];

function boundProblems(reader: Schema, writer: Schema, at: string): string[] {
  const narrower = (keyword: string, isWider: (now: number, before: number) => boolean): boolean => {
    const [now, before] = [reader[keyword], writer[keyword]];
    if (now === undefined || isEqual(now, before)) return false;
    return typeof now !== 'number' || typeof before !== 'number' || !isWider(now, before);
  };
  const found = [
    ...AT_LEAST.filter((keyword) => narrower(keyword, (now, before) => now <= before)),
    ...AT_MOST.filter((keyword) => narrower(keyword, (now, before) => now >= before)),
    ...SAME.filter((keyword) => reader[keyword] !== undefined && !isEqual(reader[keyword], writer[keyword])),
  ];
  return found.map((keyword) => `${at} has a narrower ${keyword} now`);
}

function objectProblems(
  roots: Roots,
  { reader, writer, at }: { reader: Schema; writer: Schema; at: string },
): string[] {
  const [now, before] = [propertiesOf(reader), propertiesOf(writer)];
  const wasRequired = listOf(writer.required);
  const required = listOf(reader.required)
    .filter((name) => !wasRequired.includes(name) && !hasDefault(now[String(name)], roots))
    .map((name) => `${at}/${String(name)} is required now`);
  const shared = Object.entries(before).flatMap(([name, written]) => {
    const read = now[name] ?? reader.additionalProperties ?? true;
    return compare(roots, { reader: read, writer: written, at: `${at}/${name}` });
  });
  const others = { reader: reader.additionalProperties ?? true, writer: writer.additionalProperties ?? true };
  return [
    ...required,
    ...shared,
    ...compare(roots, { ...others, at: `${at}/additionalProperties` }),
    ...SAME_BY_NAME.filter(
      (keyword) => reader[keyword] !== undefined && !isEqual(reader[keyword], writer[keyword]),
    ).map((keyword) => `${at} has other ${keyword} now`),
  ];
}

const SAME_BY_NAME = ['patternProperties'];

function propertiesOf(schema: Schema): Schema {
  return (schema.properties ?? {}) as Schema;
}

function hasDefault(schema: unknown, { readerRoot }: Roots): boolean {
  const found = resolved(schema, readerRoot);
  return isSchema(found) && 'default' in found;
}

/** A list of schemas for the places of an array is compared place by place. */
function itemProblems(roots: Roots, { reader, writer, at }: { reader: Schema; writer: Schema; at: string }): string[] {
  const length = Math.max(...[reader, writer].map(({ items }) => (Array.isArray(items) ? items.length : 0))) + 1;
  return Array.from({ length }, (_, index) =>
    compare(roots, { reader: itemAt(reader, index), writer: itemAt(writer, index), at: `${at}/items` }),
  ).flat();
}

function itemAt({ items = true, additionalItems = true }: Schema, index: number): unknown {
  return Array.isArray(items) ? (items[index] ?? additionalItems) : items;
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((each) => typeof each === 'string');
}

function listOf(value: unknown): unknown[] {
  return value === undefined ? [] : [value].flat();
}

/** Equal JSON, whatever the order of members. */
export function isEqual(a: unknown, b: unknown): boolean {
  return canonical(a) === canonical(b);
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, each: unknown) =>
    isSchema(each) ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1))) : each,
  );
}
