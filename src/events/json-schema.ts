import { EXAMPLE_UUID, exampleOf, type Field, type Fields } from './fields.js';
import { EVENT_TYPES, type EventType, OF_EVERY_EVENT } from './types.js';

/** A JSON Schema (2020-12), or a part of one. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** `closed`: what the definition does not name is refused, as a test of what is appended wants it; a reader must take what is new. */
interface Strictness {
  closed?: boolean;
}

/** The schema of an event's data. */
export function dataSchema(type: EventType, strictness: Strictness = {}): JsonSchema {
  return objectSchema({ ...EVENT_TYPES[type].data, ...OF_EVERY_EVENT }, strictness);
}

function objectSchema(fields: Fields, strictness: Strictness): JsonSchema {
  const required = Object.entries(fields).flatMap(([name, { optional }]) => (optional ? [] : [name]));
  const properties = Object.entries(fields).map(([name, field]) => [name, valueSchema(field, strictness)]);
  return {
    type: 'object',
    required: required.sort(),
    properties: Object.fromEntries(properties),
    ...(strictness.closed ? { additionalProperties: false } : {}),
  };
}

function valueSchema(field: Field, strictness: Strictness): JsonSchema {
  const { type, ...rest } = bareSchema(field, strictness);
  const words = field.values && ` Today one of ${Object.keys(field.values).join(', ')}.`;
  return {
    description: `${field.says}${words ?? ''}`,
    ...(type === undefined ? {} : { type: field.nullable ? [type, 'null'] : type }),
    ...rest,
  };
}

function bareSchema(field: Field, strictness: Strictness): JsonSchema {
  switch (field.kind) {
    case 'TEXT':
    case 'ID':
      return { type: 'string' };
    case 'INTEGER':
      return { type: 'integer' };
    case 'NUMBER':
      return { type: 'number' };
    case 'FLAG':
      return { type: 'boolean' };
    case 'TIME':
      return { type: 'string', format: 'date-time' };
    case 'FREE':
      return field.members ? { type: 'object' } : {};
    case 'LIST':
      return { type: 'array', items: valueSchema(field.item as Field, strictness) };
    case 'OBJECT':
      return objectSchema(field.fields ?? {}, strictness);
  }
}

const orNull = (type: string) => ({ type: [type, 'null'] });

/** The schema of the `detail` that EventBridge carries for an event (see toEntry), with an example. */
export function detailSchema(type: EventType): JsonSchema {
  const { says, subject, version } = EVENT_TYPES[type];
  const object = (description: string, properties: Record<string, JsonSchema>) => ({
    description,
    type: 'object',
    required: Object.keys(properties).sort(),
    properties,
  });
  const properties = {
    version: { description: 'Version of this schema.', const: version },
    id: { description: 'Unique: the same event may come more than once.', type: 'string', format: 'uuid' },
    sequence: { description: 'Its number in the log, from 1.', type: 'string', pattern: '^[1-9][0-9]*$' },
    occurredAt: { description: 'When.', type: 'string', format: 'date-time' },
    actor: object('Who did it.', {
      kind: { description: 'USER, or SYSTEM for Meshgate itself.', type: 'string' },
      subject: { description: "The `sub` of the actor's token.", type: 'string' },
      name: { description: 'His name.', ...orNull('string') },
    }),
    correlationId: { description: 'The request that brought it about.', type: 'string' },
    subject: object('What it is about.', {
      type: { description: 'Its type in the API.', const: subject },
      id: { description: 'Its id in the API.', type: 'string' },
      name: { description: 'Its name.', ...orNull('string') },
      domain: { description: 'The domain that it belongs to, by name.', ...orNull('string') },
    }),
    audience: {
      description: 'The domains whose buses get it, by name; `*`: all.',
      type: 'array',
      items: { type: 'string' },
    },
    data: { description: 'What else is to be known; ids are ids of the API.', ...dataSchema(type) },
  };
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: `urn:meshgate:event:${type}:v${version}`,
    title: type,
    description: `${says} The detail of an EventBridge event of source meshgate and this detail-type.`,
    type: 'object',
    required: Object.keys(properties).sort(),
    properties,
    examples: [exampleDetail(type)],
  };
}

/** An event of the type, as EventBridge carries it. */
function exampleDetail(type: EventType): Record<string, unknown> {
  const { subject, version, data } = EVENT_TYPES[type];
  const given = Object.entries(data).filter(([, { optional }]) => !optional);
  return {
    version,
    id: EXAMPLE_UUID,
    sequence: '42',
    occurredAt: '2026-03-01T09:30:00.000Z',
    actor: { kind: 'USER', subject: 'nina.sommer', name: 'Nina Sommer' },
    correlationId: '5f0c6c0e-6f0e-4d4a-9d0e-0c6a3f5b7a10',
    subject: {
      type: subject,
      id: Buffer.from(`${subject}:${EXAMPLE_UUID}`).toString('base64url'),
      name: 'orders',
      domain: 'commerce',
    },
    audience: ['commerce', 'logistics'],
    data: exampleOf(Object.fromEntries(given)),
  };
}

/**
 * Why a schema may not follow another under the same version: readers hold events of any age against the schema that they have, so
 * nothing but optional fields may be added. Empty where it may.
 */
export function incompatibilities(before: unknown, after: unknown, path = ''): string[] {
  if (!isObject(before) || !isObject(after)) return same(before, after) ? [] : [`${path || 'the schema'} is another`];
  const was = objectOf(before.properties);
  const is = objectOf(after.properties);
  const [needed, needs] = [listOf(before.required), listOf(after.required)];
  const keywords = new Set([...Object.keys(before), ...Object.keys(after)]);
  for (const told of ['description', 'examples', 'title', 'properties', 'required', 'items']) keywords.delete(told);
  return [
    ...[...keywords].filter((word) => !same(before[word], after[word])).map((word) => `${path}/${word} is another`),
    ...Object.keys(was).flatMap((name) => {
      if (!(name in is)) return [`${path}/${name} is gone`];
      return incompatibilities(was[name], is[name], `${path}/${name}`);
    }),
    ...needed.filter((name) => !needs.includes(name)).map((name) => `${path}/${name} may be missing`),
    ...needs.filter((name) => !needed.includes(name)).map((name) => `${path}/${name} was not always there`),
    ...(before.items === undefined && after.items === undefined
      ? []
      : incompatibilities(before.items, after.items, `${path}/items`)),
  ];
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const objectOf = (value: unknown): Record<string, unknown> => (isObject(value) ? value : {});
const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
const same = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);

/** The files of docs/events that come from the definitions, by name. */
export function eventDocuments(): Map<string, string> {
  const types = (Object.keys(EVENT_TYPES) as EventType[]).sort();
  const files = types.map((type): [string, string] => [
    schemaFile(type),
    `${JSON.stringify(detailSchema(type), null, 2)}\n`,
  ]);
  return new Map([...files, ['README.md', index(types)]]);
}

const schemaFile = (type: EventType) => `${type}.v${EVENT_TYPES[type].version}.schema.json`;

function index(types: EventType[]): string {
  const rows = types.map((type) => {
    const { says, subject, version } = EVENT_TYPES[type];
    return `| [${type}](${schemaFile(type)}) | ${version} | ${subject} | ${says} |`;
  });
  return `# Event types

Written by \`npm run events:docs\` from \`src/events/definitions\`. Each schema (JSON Schema 2020-12) is of the \`detail\` that EventBridge
carries, with an example; \`data\` in it is also \`data\` of the GraphQL type of that name, which has a field for each of its values.
[../events.md](../events.md) says how to read the stream, and how versions come.

| type | version | about | what happened |
| --- | --- | --- | --- |
${rows.join('\n')}
`;
}
