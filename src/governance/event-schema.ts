import { createHash } from 'node:crypto';
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import canonicalize from 'canonicalize';
import { invalid } from './error.js';
import { jsonProblem } from './json-value.js';

/**
 * What a domain says its events look like: a JSON Schema (2020-12, or draft 7 where `$schema` says so), of which a safe part is taken. No
 * patterns, as a regular expression of somebody's can be made to run for minutes; references within the schema alone, and none to itself;
 * bounded in size and in what an event is held against.
 */

const MOST_BYTES = 32_768;
/** Schemas that an event is held against, with each reference counted as what it names: references of references would grow without bound. */
const MOST_SCHEMAS = 1_000;
/** Every two items are compared. */
const MOST_UNIQUE_ITEMS = 1_000;
const FORMATS = ['date', 'date-time', 'email', 'time', 'uri', 'uuid', 'ipv4', 'ipv6'] as const;
const DRAFT_7 = /^http:\/\/json-schema\.org\/draft-07\/schema#?$/;
const DRAFT_2020 = /^https:\/\/json-schema\.org\/draft\/2020-12\/schema#?$/;

const SINGLE = ['additionalItems', 'additionalProperties', 'contains', 'else', 'if', 'items', 'not', 'propertyNames'];
const MORE_SINGLE = ['then', 'unevaluatedItems', 'unevaluatedProperties'];
const LISTS = ['allOf', 'anyOf', 'items', 'oneOf', 'prefixItems'];
const MAPS = ['dependentSchemas', 'properties'];
/** Schemas that count only where something refers to them. */
const DEFINITIONS = ['$defs', 'definitions'];
const REFUSED: Record<string, string> = {
  pattern: 'regular expressions are not taken, as some run for minutes: give enum, format, minLength and maxLength.',
  patternProperties: 'regular expressions are not taken: name the properties, or use propertyNames with enum.',
  $id: 'a schema has no address of its own here.',
  $anchor: 'refer to #/$defs/name instead.',
  $dynamicRef: 'refer to #/$defs/name instead.',
  $dynamicAnchor: 'refer to #/$defs/name instead.',
  $recursiveRef: 'refer to #/$defs/name instead.',
  dependencies: 'give dependentRequired or dependentSchemas.',
};

type Node = Record<string, unknown>;
const isObject = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Reads a schema that somebody gave. Throws VALIDATION with what is wrong where. */
export function readEventSchema(given: unknown): Node {
  const problem = jsonProblem(given, MOST_BYTES);
  if (problem !== null) throw invalid('schema', `schema: ${problem}`);
  if (!isObject(given)) throw invalid('schema', 'schema: give a JSON Schema of the event, an object.');
  const { $schema } = given;
  if ($schema !== undefined && !(typeof $schema === 'string' && (DRAFT_7.test($schema) || DRAFT_2020.test($schema)))) {
    throw invalid(
      'schema',
      'schema.$schema: JSON Schema 2020-12 is taken, and draft 7; without $schema it is 2020-12.',
    );
  }
  createMeasure(given)(given, 'schema', []);
  try {
    compile(given);
  } catch (error) {
    throw invalid('schema', `schema: ${error instanceof Error ? error.message : String(error)}`);
  }
  return given;
}

/** Counts the schemas below one, every reference as what it names, and refuses what is not taken. */
function createMeasure(root: Node) {
  const known = new Map<Node, number>();
  return function measure(schema: unknown, path: string, within: Node[]): number {
    if (!isObject(schema)) return 1;
    const before = known.get(schema);
    if (before !== undefined) return before;
    if (within.includes(schema)) throw invalid('schema', `${path}: a schema must not refer to itself.`);
    refuseKeywords(schema, path);
    let count = 1;
    for (const [child, at] of childrenOf(schema, path, root)) {
      count += measure(child, at, [...within, schema]);
      if (count > MOST_SCHEMAS) {
        throw invalid('schema', `schema: an event would be held against more than ${MOST_SCHEMAS} schemas.`);
      }
    }
    known.set(schema, count);
    return count;
  };
}

function refuseKeywords(schema: Node, path: string): void {
  for (const [keyword, why] of Object.entries(REFUSED)) {
    if (Object.hasOwn(schema, keyword)) throw invalid('schema', `${path}.${keyword}: ${why}`);
  }
  const { maxItems } = schema;
  if (schema.uniqueItems === true && !(typeof maxItems === 'number' && maxItems <= MOST_UNIQUE_ITEMS)) {
    throw invalid('schema', `${path}.uniqueItems: needs maxItems of ${MOST_UNIQUE_ITEMS} at most.`);
  }
}

function childrenOf(schema: Node, path: string, root: Node): [unknown, string][] {
  const members = (keyword: string): [unknown, string][] =>
    isObject(schema[keyword])
      ? Object.entries(schema[keyword]).map(([name, child]) => [child, `${path}.${keyword}.${name}`])
      : [];
  return [
    ...[...SINGLE, ...MORE_SINGLE].flatMap((keyword): [unknown, string][] =>
      isObject(schema[keyword]) ? [[schema[keyword], `${path}.${keyword}`]] : [],
    ),
    ...LISTS.flatMap((keyword) =>
      Array.isArray(schema[keyword])
        ? schema[keyword].map((child, index): [unknown, string] => [child, `${path}.${keyword}.${index}`])
        : [],
    ),
    ...[...MAPS, ...DEFINITIONS].flatMap(members),
    ...(Object.hasOwn(schema, '$ref')
      ? [[referred(schema.$ref, path, root), `${path}.$ref`] as [unknown, string]]
      : []),
  ];
}

/** What a reference names: a definition of the same schema. */
function referred(reference: unknown, path: string, root: Node): unknown {
  const [, keyword = '', name = ''] = /^#\/(\$defs|definitions)\/([\w.-]{1,128})$/.exec(String(reference)) ?? [];
  const definitions = root[keyword];
  if (isObject(definitions) && Object.hasOwn(definitions, name)) return definitions[name];
  throw invalid('schema', `${path}.$ref: refer to a definition of this schema, #/$defs/name; others are not fetched.`);
}

function compile(schema: Node): ValidateFunction {
  const options = { ownProperties: true, strictTypes: false, strictRequired: false, strictTuples: false };
  const ajv = DRAFT_7.test(String(schema.$schema)) ? new Ajv(options) : new Ajv2020(options);
  addFormats.default(ajv, [...FORMATS]);
  return ajv.compile(schema);
}

/** Compiling takes milliseconds, an event a fraction of one. */
const MOST_COMPILED = 500;
const compiled = new Map<string, ValidateFunction>();

/** How the detail of an event breaks the schema of its type, the first point of it; null where it does not. */
export function schemaProblem(schema: Node, detail: unknown): string | null {
  const digest = createHash('sha256')
    .update(canonicalize(schema) as string)
    .digest('hex');
  const check = compiled.get(digest) ?? compile(schema);
  // The ones used last stay.
  compiled.delete(digest);
  compiled.set(digest, check);
  for (const [oldest] of compiled) {
    if (compiled.size <= MOST_COMPILED) break;
    compiled.delete(oldest);
  }
  return check(detail) ? null : problemOf(check.errors?.[0]);
}

function problemOf(error: ErrorObject | undefined): string {
  const { instancePath = '', message = 'is not as registered', params = {} } = error ?? {};
  const extra = params.additionalProperty ?? params.unevaluatedProperty;
  return `detail${instancePath.replaceAll('/', '.')} ${message}${extra === undefined ? '' : `: ${String(extra)}`}`;
}
