import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { GovernanceError, invalid } from './error.js';
import { jsonProblem } from './json-value.js';

/**
 * What a domain says its events look like: a JSON Schema (2020-12, or draft 7 where `$schema` says so), of which a safe part is taken. No
 * patterns, as a regular expression of somebody's can be made to run for minutes; references within the schema alone, and none to itself;
 * bounded in size and in what an event is held against.
 */

const MOST_BYTES = 32_768;
/** Schemas that an event is held against, with each reference counted as what it names: references of references would grow without bound. */
const MOST_SCHEMAS = 1_000;
/** And those that any one value of the event is held against: what an event costs is this times its values. */
const MOST_AT_ONE_VALUE = 250;
/** So many values of `enum` or names that are required cost what a schema does. */
const VALUES_A_SCHEMA = 10;
/** Items of these types are told apart by looking them up; others are compared, each with each. */
const SCALARS = ['string', 'number', 'integer', 'boolean', 'null'];
const FORMATS = ['date', 'date-time', 'email', 'time', 'uri', 'uuid', 'ipv4', 'ipv6'] as const;
const DRAFT_7 = /^http:\/\/json-schema\.org\/draft-07\/schema#?$/;
const DRAFT_2020 = /^https:\/\/json-schema\.org\/draft\/2020-12\/schema#?$/;

/** Schemas for the value itself; for each member or item of it; and for one of them. */
const OF_THE_VALUE = ['allOf', 'anyOf', 'oneOf', 'else', 'if', 'not', 'then', 'dependentSchemas'];
const OF_EACH_PART = [
  ...['additionalItems', 'additionalProperties', 'contains', 'items', 'propertyNames'],
  ...['unevaluatedItems', 'unevaluatedProperties'],
];
const OF_ONE_PART = ['prefixItems', 'properties'];
/** Keywords whose members are schemas by name. */
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

const TAKEN = `Taken is JSON Schema 2020-12, or draft 7 where $schema says so, with the formats ${FORMATS.join(', ')}, with references to its own definitions alone and without regular expressions.`;
/** A schema may break the rules of schemas in very many places: nobody reads more than the first. */
const MOST_TOLD = 10;

type Node = Record<string, unknown>;
const isObject = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A place in a schema that is refused, as a JSON pointer (RFC 6901) into it, and why. */
interface Refusal {
  path: string;
  reason: string;
}

function refused(refusals: Refusal[]): GovernanceError {
  const told = refusals.map(({ path, reason }) => (path === '' ? reason : `at ${path}: ${reason}`));
  return new GovernanceError('VALIDATION', `schema: ${told.join('; ')} ${TAKEN}`, {
    path: 'schema',
    violations: refusals,
  });
}

const refusedAt = (path: string, reason: string) => refused([{ path, reason }]);

/** Reads a schema that somebody gave. Throws VALIDATION with what is wrong, where it is, and what is taken. */
export function readEventSchema(given: unknown): Node {
  const problem = jsonProblem(given, MOST_BYTES);
  if (problem !== null) throw invalid('schema', `schema: ${problem}`);
  if (!isObject(given)) throw invalid('schema', 'schema: give a JSON Schema of the event, an object.');
  const { $schema } = given;
  if ($schema !== undefined && !(typeof $schema === 'string' && (DRAFT_7.test($schema) || DRAFT_2020.test($schema)))) {
    throw refusedAt('/$schema', 'this dialect is not taken.');
  }
  const ajv = ajvFor(given, { allErrors: true });
  createMeasure(given, ajv)(given, '', []);
  if (ajv.validateSchema(given) !== true) throw refused(refusalsOf(ajv.errors ?? []));
  try {
    ajv.compile(given);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw refusedAt('', `${why.replace(/^strict mode: /, '')}.`);
  }
  return given;
}

/** What breaks the schema of schemas; the same keyword is looked at by several of its parts. */
function refusalsOf(errors: ErrorObject[]): Refusal[] {
  const told = errors.map(({ instancePath, keyword, params, message = 'is wrong' }): [string, string] => {
    const values = keyword === 'enum' ? `: ${(params.allowedValues as unknown[]).join(', ')}` : '';
    return [instancePath, `${message}${values}`];
  });
  const each = new Map(told.map(([path, why]) => [`${path} ${why}`, { path, reason: `${why}.` }]));
  return [...each.values()].slice(0, MOST_TOLD);
}

/** How many schemas stand below one in all, and the most that one value is held against, by the levels that values stand below its own. */
interface Weight {
  all: number;
  levels: number[];
}

/** The most schemas that any one value is held against by a schema that was taken. */
export function heaviest(schema: Node): number {
  return Math.max(...createMeasure(schema, ajvFor(schema))(schema, '', []).levels);
}

/** Counts the schemas below one, every reference as what it names, and refuses what is not taken. */
function createMeasure(root: Node, ajv: Ajv) {
  const known = new Map<Node, Weight>();
  return function measure(schema: unknown, path: string, within: Node[]): Weight {
    if (!isObject(schema)) return { all: 1, levels: [1] };
    const before = known.get(schema);
    if (before !== undefined) return before;
    if (within.includes(schema)) throw refusedAt(path, 'a schema must not refer to itself.');
    refuseKeywords(schema, path, ajv);
    const weight: Weight = { all: 1, levels: [1 + valuesIn(schema) / VALUES_A_SCHEMA] };
    const onePart: number[] = [];
    for (const { child, at, of } of childrenOf(schema, path, root)) {
      const { all, levels } = measure(child, at, [...within, schema]);
      weight.all += all;
      levels.forEach((count, level) => {
        if (of === 'VALUE') weight.levels[level] = (weight.levels[level] ?? 0) + count;
        else if (of === 'EACH_PART') weight.levels[level + 1] = (weight.levels[level + 1] ?? 0) + count;
        else if (of === 'ONE_PART') onePart[level + 1] = Math.max(onePart[level + 1] ?? 0, count);
      });
      refuseWeight(weight);
    }
    onePart.forEach((count, level) => {
      weight.levels[level] = (weight.levels[level] ?? 0) + count;
    });
    refuseWeight(weight);
    known.set(schema, weight);
    return weight;
  };
}

function refuseWeight({ all, levels }: Weight): void {
  if (all > MOST_SCHEMAS) {
    throw refusedAt('', `an event would be held against more than ${MOST_SCHEMAS} schemas.`);
  }
  if (levels.some((count) => count > MOST_AT_ONE_VALUE)) {
    throw refusedAt(
      '',
      `one value of an event would be held against more than ${MOST_AT_ONE_VALUE} schemas, where ${VALUES_A_SCHEMA} values of enum or required count as one.`,
    );
  }
}

/** What a value is compared with one by one. */
function valuesIn({ enum: values, required, dependentRequired }: Node): number {
  const lists = [values, required, ...(isObject(dependentRequired) ? Object.values(dependentRequired) : [])];
  return lists.reduce<number>((sum, list) => sum + (Array.isArray(list) ? list.length : 0), 0);
}

function refuseKeywords(schema: Node, path: string, ajv: Ajv): void {
  for (const keyword of Object.keys(schema)) {
    const why = Object.hasOwn(REFUSED, keyword) ? REFUSED[keyword] : undefined;
    if (why !== undefined) throw refusedAt(below(path, keyword), why);
    if (!ajv.RULES.keywords[keyword]) throw refusedAt(below(path, keyword), 'unknown keyword.');
  }
  const { format } = schema;
  if (typeof format === 'string' && !FORMATS.some((taken) => taken === format)) {
    throw refusedAt(below(path, 'format'), 'this format is not taken.');
  }
  if (schema.uniqueItems === true && !typesOf(schema.items).some((type) => SCALARS.includes(type))) {
    throw refusedAt(
      below(path, 'uniqueItems'),
      `needs items with a type beside it, of ${SCALARS.join(', ')}: others are compared each with each.`,
    );
  }
}

/** The pointer to a member (RFC 6901, section 3). */
const below = (path: string, name: string) => `${path}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;

/** None where one of them is no scalar. */
function typesOf(items: unknown): string[] {
  const { type } = isObject(items) ? items : {};
  const types = [type].flat().map(String);
  return types.every((one) => SCALARS.includes(one)) ? types : [];
}

interface Child {
  child: unknown;
  at: string;
  /** What of the value it is held against; nothing: it counts where something refers to it. */
  of: 'VALUE' | 'EACH_PART' | 'ONE_PART' | 'NOTHING';
}

function childrenOf(schema: Node, path: string, root: Node): Child[] {
  const under = (keywords: string[], of: Child['of']): Child[] =>
    keywords.flatMap((keyword) => {
      const value = schema[keyword];
      const at = below(path, keyword);
      if (Array.isArray(value)) return value.map((child, index) => ({ child, at: `${at}/${index}`, of }));
      if (!isObject(value)) return [];
      if (![...MAPS, ...DEFINITIONS].includes(keyword)) return [{ child: value, at, of }];
      return Object.entries(value).map(([name, child]) => ({ child, at: below(at, name), of }));
    });
  return [
    ...under(OF_THE_VALUE, 'VALUE'),
    ...under(OF_EACH_PART, 'EACH_PART'),
    ...under(OF_ONE_PART, 'ONE_PART'),
    ...under(DEFINITIONS, 'NOTHING'),
    ...(Object.hasOwn(schema, '$ref') ? [{ ...referred(schema.$ref, path, root), of: 'VALUE' as const }] : []),
  ];
}

/** What a reference names: a definition of the same schema. */
function referred(reference: unknown, path: string, root: Node): Pick<Child, 'child' | 'at'> {
  const [, keyword = '', name = ''] = /^#\/(\$defs|definitions)\/([\w.-]{1,128})$/.exec(String(reference)) ?? [];
  const definitions = root[keyword];
  if (isObject(definitions) && Object.hasOwn(definitions, name)) {
    return { child: definitions[name], at: `/${keyword}/${name}` };
  }
  throw refusedAt(below(path, '$ref'), 'refer to a definition of this schema, #/$defs/name; others are not fetched.');
}

function ajvFor(schema: Node, { allErrors = false } = {}): Ajv {
  const options = { allErrors, ownProperties: true, strictTypes: false, strictRequired: false, strictTuples: false };
  const ajv = DRAFT_7.test(String(schema.$schema)) ? new Ajv(options) : new Ajv2020(options);
  addFormats.default(ajv, [...FORMATS]);
  return ajv;
}

/** A schema that was taken, as a function that ends with the first fault of a value, or names all of them. */
export function compileSchema(schema: Node, { allErrors }: { allErrors: boolean }): ValidateFunction {
  return ajvFor(schema, { allErrors }).compile(schema);
}
