/**
 * Checks calls and answers of the sandbox against AWS's service models, as the SDK's packages carry them: members, types and
 * required members from the runtime schemas, enumerations from the declarations of the members. Lengths and patterns are in
 * neither. Nothing of them is copied.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import ts from 'typescript';
import type { Observed } from '../../src/sandbox/front.js';

/** A schema of @smithy/types: a number for a simple type, a list for a shape, a function that answers one; `unit` is nothing. */
type Schema = number | 'unit' | Shape | (() => Schema);
type Shape = [id: number, namespace: string, name: string, traits: unknown, ...rest: unknown[]];
type Member = Schema | [Schema, { jsonName?: string }];

/** One service's model: its shapes by name, and the values that a member of a structure may have. */
interface Model {
  operations: Map<string, Shape>;
  errors: Map<string, { error?: string; httpError?: number }>;
  valuesOf(structure: string, member: string): ReadonlySet<string> | undefined;
}

/** What a walk over a value needs to know. */
interface Walk {
  model: Model;
  protocol: Observed['protocol'];
  problems: string[];
}

const PACKAGES: Record<string, string> = {
  events: '@aws-sdk/client-eventbridge',
  glue: '@aws-sdk/client-glue',
  lakeformation: '@aws-sdk/client-lakeformation',
  ram: '@aws-sdk/client-ram',
  sqs: '@aws-sdk/client-sqs',
  sts: '@aws-sdk/client-sts',
};

/** Names that are in no model: the pages "Common errors" of the services, and SQS's and STS's words of the query protocol. */
const COMMON_ERRORS = new Set([
  'AccessDenied',
  'AccessDeniedException',
  'ConcurrentModificationException',
  'ExpiredToken',
  'ExpiredTokenException',
  'InternalError',
  'InternalFailure',
  'InternalServiceException',
  'InvalidClientTokenId',
  'InvalidParameterValue',
  'MissingParameter',
  'Throttling',
  'ThrottlingException',
  'UnknownOperationException',
  'UnrecognizedClientException',
  'ValidationError',
  'ValidationException',
]);

/** What the model says against a call and its answer; empty where it agrees. A request that was refused may be wrong. */
export async function problemsOf(call: Observed): Promise<string[]> {
  const model = await modelOf(call.service);
  const operation = model?.operations.get(call.operation);
  if (!model || !operation) return [`${call.service} has no operation ${call.operation}`];
  const [input, output] = operation.slice(4) as [Schema, Schema];
  const answered = answerOf(call);
  const walk: Walk = { model, protocol: call.protocol, problems: [] };
  const at = `${call.service}:${call.operation}`;
  if (call.answer.status >= 300) return errorProblems(model, call, answered).map((problem) => `${at} ${problem}`);
  check(walk, { schema: input, value: call.parameters, path: `${at} request` });
  check(walk, { schema: output, value: answered, path: `${at} answer` });
  return walk.problems;
}

/** Whether AWS's model of the service has the operation. */
export async function hasOperation(service: string, operation: string): Promise<boolean> {
  return (await modelOf(service))?.operations.has(operation) ?? false;
}

/** A witness of calls for `startSandbox`, and what the models say against those that it saw. */
export function modelWitness(): { observe: (call: Observed) => void; problems: () => Promise<string[]> } {
  const seen: Observed[] = [];
  return {
    observe: (call) => void seen.push(call),
    problems: async () => [...new Set((await Promise.all(seen.map(problemsOf))).flat())],
  };
}

const models = new Map<string, Promise<Model>>();

function modelOf(service: string): Promise<Model> | undefined {
  const name = PACKAGES[service];
  if (name && !models.has(service)) models.set(service, readModel(name));
  return models.get(service);
}

async function readModel(name: string): Promise<Model> {
  const client: Record<string, unknown> = await import(name);
  const shapes = Object.values(client).filter((value): value is Shape => Array.isArray(value) && value.length >= 4);
  const enums = memberEnums(name, client);
  return {
    operations: new Map(shapes.filter(([id]) => id === 9).map((shape) => [shape[2], shape])),
    errors: new Map(shapes.filter(([id]) => id === -3).map(([, , shape, traits]) => [shape, traits || {}])),
    valuesOf: (structure, member) => enums.get(`${structure}.${member}`),
  };
}

/** The values of every member whose declared type names an enumeration that the package exports. */
function memberEnums(name: string, client: Record<string, unknown>): Map<string, ReadonlySet<string>> {
  const root = dirname(createRequire(import.meta.url).resolve(`${name}/package.json`));
  const folder = join(root, 'dist-types/models');
  const found = new Map<string, ReadonlySet<string>>();
  for (const file of readdirSync(folder).filter((each) => each.startsWith('models_'))) {
    const source = ts.createSourceFile(file, readFileSync(join(folder, file), 'utf8'), ts.ScriptTarget.Latest);
    for (const shape of source.statements.filter(ts.isInterfaceDeclaration)) {
      for (const member of shape.members.filter(ts.isPropertySignature)) {
        const values = member.type && enumIn(member.type, client);
        if (values) found.set(`${shape.name.text}.${member.name.getText(source)}`, values);
      }
    }
  }
  return found;
}

/** The enumeration in a type such as `E | undefined` or `E[]`; those in maps are not taken. */
function enumIn(type: ts.TypeNode, client: Record<string, unknown>): ReadonlySet<string> | undefined {
  if (ts.isUnionTypeNode(type)) return type.types.map((each) => enumIn(each, client)).find(Boolean);
  if (ts.isArrayTypeNode(type)) return enumIn(type.elementType, client);
  if (!ts.isTypeReferenceNode(type) || !ts.isIdentifier(type.typeName)) return undefined;
  const values = client[type.typeName.text];
  if (typeof values !== 'object' || values === null || Array.isArray(values)) return undefined;
  return new Set(Object.values(values as Record<string, string>));
}

interface Place {
  schema: Member;
  value: unknown;
  path: string;
  values?: ReadonlySet<string> | undefined;
}

function check(walk: Walk, place: Place): void {
  const schema = resolved(place.schema);
  const { value, path } = place;
  if (value === undefined) return;
  if (!Array.isArray(schema)) checkSimple(walk, schema, place);
  else if (schema[0] === 0) check(walk, { ...place, schema: schema[4] as Schema });
  else if (schema[0] === 1) checkList(walk, schema[4] as Member, place);
  else if (schema[0] === 2) checkMap(walk, schema[5] as Member, place);
  else if (isObject(value)) checkStructure(walk, schema, { value, path });
  else walk.problems.push(`${path} is no structure`);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function checkStructure(walk: Walk, shape: Shape, { value, path }: { value: Record<string, unknown>; path: string }) {
  const [, , name, , ...rest] = shape;
  const [names, schemas, required = 0] = rest as [string[], Member[], number?];
  const wireNames = names.map((member, index) => jsonNameOf(schemas[index]) ?? member);
  for (const [index, wireName] of wireNames.entries()) {
    const member = value[wireName];
    const missing = member === undefined || member === null;
    if (missing && index < required) walk.problems.push(`${path} lacks ${wireName}`);
    if (member === null) walk.problems.push(`${path}.${wireName} is null`);
    if (missing) continue;
    const values = walk.model.valuesOf(name, names[index] ?? '');
    check(walk, { schema: schemas[index] ?? 0, value: member, path: `${path}.${wireName}`, values });
  }
  for (const other of Object.keys(value).filter((key) => !wireNames.includes(key))) {
    if (value[other] !== undefined) walk.problems.push(`${path} has the unknown member ${other}`);
  }
}

function checkList(walk: Walk, schema: Member, { value, path, values }: Place): void {
  if (Array.isArray(value)) {
    for (const each of value) check(walk, { schema, value: each, path: `${path}[]`, values });
  } else if (!(walk.protocol === 'query' && value === '')) walk.problems.push(`${path} is no list`);
}

function checkMap(walk: Walk, schema: Member, { value, path }: Place): void {
  if (!isObject(value)) walk.problems.push(`${path} is no map`);
  else for (const each of Object.values(value)) check(walk, { schema, value: each, path: `${path}{}` });
}

function checkSimple(walk: Walk, schema: number | 'unit', place: Place): void {
  const { value, path, values } = place;
  if (schema === 'unit') return;
  if (schema & LIST) checkList(walk, schema & ~LIST, place);
  else if (schema & MAP) checkMap(walk, schema & ~MAP, place);
  else {
    // In the query protocol everything is text.
    const expected = walk.protocol === 'query' ? ['string'] : TYPES[schema];
    if (expected && !expected.includes(typeof value)) {
      walk.problems.push(`${path} is ${typeof value}, not ${expected.join(' or ')}`);
    } else if (values && !values.has(String(value))) walk.problems.push(`${path} has the unknown value ${value}`);
  }
}

const LIST = 64;
const MAP = 128;

/** Of JSON: text, numbers, booleans; times as epoch seconds (4), as text (5 and 6); bytes as base64. */
const TYPES: Record<number, string[]> = {
  0: ['string'],
  1: ['number'],
  2: ['boolean'],
  4: ['number'],
  5: ['string'],
  6: ['string'],
  7: ['number'],
  17: ['number'],
  19: ['number'],
  21: ['string'],
};

function resolved(member: Member): number | 'unit' | Shape {
  let schema: unknown = member;
  for (;;) {
    if (typeof schema === 'function') schema = schema();
    else if (Array.isArray(schema) && schema.length < 4) schema = schema[0];
    else return schema as number | 'unit' | Shape;
  }
}

function jsonNameOf(member: Member | undefined): string | undefined {
  return Array.isArray(member) && member.length === 2 ? (member[1] as { jsonName?: string }).jsonName : undefined;
}

function errorProblems({ errors }: Model, { protocol, answer }: Observed, answered: unknown): string[] {
  const error = answered as { __type?: string; Error?: { Code?: string } };
  const code = error.__type ?? error.Error?.Code ?? '';
  const known = errors.get(code);
  if (!known) return COMMON_ERRORS.has(code) ? [] : [`answers the error ${code}, which no model has`];
  const byKind = known.error === 'server' ? 500 : 400;
  // awsJson answers 400 and 500 alone, whatever the trait says.
  const status = protocol === 'rest-json' ? (known.httpError ?? byKind) : byKind;
  return answer.status === status ? [] : [`answers ${code} with ${answer.status}, not ${status}`];
}

function answerOf({ protocol, operation, answer }: Observed): unknown {
  if (protocol !== 'query') return JSON.parse(answer.body);
  const document = treeOf(answer.body) as Record<string, Record<string, unknown>>;
  return answer.status < 300 ? document[`${operation}Response`]?.[`${operation}Result`] : document.ErrorResponse;
}

/** The elements of an XML text without attributes that matter; lists of members as lists. */
function treeOf(xml: string): unknown {
  const elements = [...xml.matchAll(/<(\w+)[^>]*>([\s\S]*?)<\/\1>/g)].map(([, name = '', inner = '']) => [
    name,
    treeOf(inner),
  ]);
  if (elements.length === 0) return xml;
  if (elements.every(([name]) => name === 'member')) return elements.map(([, inner]) => inner);
  return Object.fromEntries(elements);
}
