import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { GraphQLObjectType, isInterfaceType, isObjectType } from 'graphql';
import { describe, expect, it, test } from 'vitest';
import { bounded } from '../../src/events/bounded.js';
import { toEntry } from '../../src/events/entries.js';
import type { Field, Fields } from '../../src/events/fields.js';
import { detailSchema, eventDocuments, incompatibilities } from '../../src/events/json-schema.js';
import { EVENT_TYPES, type EventType, type LogEvent, SYSTEM_ACTOR } from '../../src/events/types.js';
import { buildSchema } from '../../src/resolvers/schema.js';
import { faultsOf, schemaValidator } from '../testkit/event-schemas.js';

const folder = new URL('../../docs/events/', import.meta.url);
const types = Object.keys(EVENT_TYPES) as EventType[];
const schema = await buildSchema();

const text = fc.string({ unit: 'grapheme', maxLength: 12 });
/** Any value that a field takes. */
function valuesOf(field: Field): fc.Arbitrary<unknown> {
  const arbitraries: Record<Field['kind'], () => fc.Arbitrary<unknown>> = {
    TEXT: () => (field.values ? fc.constantFrom(...Object.keys(field.values)) : text),
    ID: () => fc.base64String({ minLength: 4 }),
    INTEGER: () => fc.integer(),
    NUMBER: () => fc.double({ noNaN: true, noDefaultInfinity: true }),
    FLAG: () => fc.boolean(),
    TIME: () => fc.date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) }),
    FREE: () => (field.members ? fc.dictionary(text, fc.jsonValue({ maxDepth: 2 })) : fc.jsonValue({ maxDepth: 2 })),
    LIST: () => fc.array(valuesOf(field.item as Field), { maxLength: 4 }),
    OBJECT: () => dataOf(field.fields ?? {}),
  };
  const value = arbitraries[field.kind]();
  return field.nullable ? fc.option(value) : value;
}

function dataOf(fields: Fields): fc.Arbitrary<Record<string, unknown>> {
  const values = Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, valuesOf(field)]));
  const requiredKeys = Object.entries(fields).flatMap(([name, { optional }]) => (optional ? [] : [name]));
  return fc.record(values, { requiredKeys });
}

const anyEvent = fc
  .constantFrom(...types)
  .chain((type) => dataOf(EVENT_TYPES[type].data).map((data) => ({ type, data: data as Record<string, unknown> })));

describe('the documents of the event types', () => {
  it('are what the definitions say', () => {
    const documents = eventDocuments();
    const written = readdirSync(folder).filter((name) => !/\.v\d+\.schema\.json$/.test(name) || documents.has(name));
    expect(written.sort()).toEqual([...documents.keys()].sort());
    for (const [name, document] of documents) {
      expect(readFileSync(new URL(name, folder), 'utf8'), `${name}: run npm run events:docs`).toBe(document);
    }
  });

  it('keep every version that was published', () => {
    const latest = new Map(types.map((type): [string, number] => [type, EVENT_TYPES[type].version]));
    const versions = readdirSync(folder).flatMap((name) => {
      const [, type, version] = /^(\w+)\.v(\d+)\.schema\.json$/.exec(name) ?? [];
      return type && version ? [[type, Number(version)] as const] : [];
    });
    for (const [type, version] of latest) {
      const kept = versions.filter(([name]) => name === type).map(([, one]) => one);
      expect(
        kept.sort((a, b) => a - b),
        type,
      ).toEqual(Array.from({ length: version }, (_, index) => index + 1));
    }
  });

  it.each(types)('%s has an example that is valid', (type) => {
    const ajv = schemaValidator();
    const document = JSON.parse(
      readFileSync(new URL(`${type}.v${EVENT_TYPES[type].version}.schema.json`, folder), 'utf8'),
    );
    const validate = ajv.compile(document);
    const [example] = document.examples;
    expect(validate(example), JSON.stringify(validate.errors)).toBe(true);
    expect(faultsOf(type, example.data)).toEqual([]);
    expect(validate({ ...example, data: { ...example.data, added: 'later' } })).toBe(true);
    expect(validate({ ...example, version: 0 })).toBe(false);
  });

  it('have changed since the commit before by optional fields at most', () => {
    const { published, at } = publishedSchemas();
    for (const [name, before] of published) {
      const [, type, version] = /^(\w+)\.v(\d+)\.schema\.json$/.exec(name) ?? [];
      if (!(type && type in EVENT_TYPES) || EVENT_TYPES[type as EventType].version !== Number(version)) continue;
      expect(
        incompatibilities(before, JSON.parse(JSON.stringify(detailSchema(type as EventType)))),
        `${name} at ${at}`,
      ).toEqual([]);
    }
  });
});

/** The committed schemas: where this branch left main, or of the commit before where it is main; none outside of a repository. */
function publishedSchemas(): { published: [string, unknown][]; at: string } {
  const git = (...args: string[]): string => {
    try {
      return execFileSync('git', args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
    } catch {
      return '';
    }
  };
  const head = git('rev-parse', 'HEAD');
  const fork = git('merge-base', 'HEAD', 'origin/main');
  const at = fork && fork !== head ? fork : git('rev-parse', 'HEAD~1');
  const names =
    at === ''
      ? []
      : git('ls-tree', '--name-only', at, './')
          .split('\n')
          .filter((name) => name.endsWith('.json'));
  return { at, published: names.map((name) => [name, JSON.parse(git('show', `${at}:./${name}`))]) };
}

describe('a published schema', () => {
  const before = JSON.parse(JSON.stringify(detailSchema('AccessRevoked')));
  type Loose = { properties: { data: { required: string[]; properties: Record<string, { type?: unknown }> } } };
  const changed = (change: (data: Loose['properties']['data']) => void): string[] => {
    const after = structuredClone(before) as Loose;
    change(after.properties.data);
    return incompatibilities(before, after);
  };

  it('takes a new optional field, and other words', () => {
    expect(
      changed((data) => {
        data.properties.ticket = { type: 'string' };
        Object.assign(data.properties.reason ?? {}, { description: 'Because.' });
      }),
    ).toEqual([]);
  });

  it.each<[string, (data: Loose['properties']['data']) => void, string]>([
    ['loses no field', (data) => delete data.properties.principals, '/data/principals is gone'],
    [
      'keeps the type of a field',
      (data) => Object.assign(data.properties.principals ?? {}, { type: 'string' }),
      '/data/principals/type is another',
    ],
    [
      'keeps the type within a list',
      (data) => Object.assign(data.properties.tags ?? {}, { items: { type: 'integer' } }),
      '/data/tags/items/type is another',
    ],
    ['keeps what is always there', (data) => data.required.splice(0, 1), 'may be missing'],
    [
      'demands nothing that was not always there',
      (data) => data.required.push('ticket'),
      '/data/ticket was not always there',
    ],
    [
      'closes no object',
      (data) => Object.assign(data, { additionalProperties: false }),
      '/data/additionalProperties is another',
    ],
  ])('%s', (_, change, fault) => {
    expect(changed(change)).toEqual([expect.stringContaining(fault)]);
  });
});

test('a field of one name has one type in all events, so that one document can ask several types', () => {
  const event = schema.getType('MeshEvent');
  const concrete = isInterfaceType(event) ? schema.getPossibleTypes(event) : [];
  const seen = new Map<string, string>();
  for (const type of concrete) {
    for (const { name, type: fieldType } of Object.values(type.getFields())) {
      expect(`${name}: ${fieldType}`).toBe(`${name}: ${seen.get(name) ?? fieldType}`);
      seen.set(name, String(fieldType));
    }
  }
});

test('a GraphQL type has a field for each value of its data, and no value has the name of what every event has', () => {
  const event = schema.getType('MeshEvent');
  const common = isInterfaceType(event) ? Object.keys(event.getFields()) : [];
  const carried: (keyof LogEvent)[] = ['seq', 'subjectId', 'domainId', 'productId', 'audience', 'causationId'];
  for (const type of types) {
    const concrete = schema.getType(type) as GraphQLObjectType;
    const own = Object.keys(EVENT_TYPES[type].data);
    expect(
      own.filter((name) => [...common, ...carried].includes(name)),
      type,
    ).toEqual([]);
    expect(Object.keys(concrete.getFields()).sort()).toEqual([...common, ...own].sort());
    expect(isObjectType(concrete)).toBe(true);
  }
});

test('what goes out to EventBridge is valid, whatever the event', () => {
  const ajv = schemaValidator();
  const validators = new Map(types.map((type) => [type, ajv.compile(detailSchema(type))]));
  fc.assert(
    fc.property(anyEvent, ({ type, data }) => {
      const entry = toEntry(logEvent(type, bounded(data)), { bus: 'meshgate', names: new Map() });
      const validate = validators.get(type);
      expect(validate?.(JSON.parse(entry.detail)), JSON.stringify(validate?.errors)).toBe(true);
    }),
    { numRuns: 300 },
  );
});

test('data that is cut to fit stays valid', () => {
  const grown = fc.tuple(anyEvent, fc.constantFrom(2_000, 20_000));
  fc.assert(
    fc.property(grown, ([{ type, data }, size]) => {
      const large = grow(JSON.parse(JSON.stringify(data)), size) as Record<string, unknown>;
      const cut = bounded(large);
      expect(Buffer.byteLength(JSON.stringify(cut))).toBeLessThanOrEqual(96 * 1024);
      expect(faultsOf(type, cut)).toEqual([]);
    }),
    { numRuns: 40 },
  );
});

/** The same with lists of so many elements and long texts, but for moments and words. */
function grow(value: unknown, size: number): unknown {
  if (Array.isArray(value)) return value.length === 0 ? [] : Array.from({ length: size }, () => value[0]);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, grow(member, size)]));
}

function logEvent(type: EventType, data: Record<string, unknown>): LogEvent {
  const id = '0198c2f0-7a10-7b3e-8d3c-2f6f0f5d1c11';
  return {
    ...{ seq: 7n, id, type, version: EVENT_TYPES[type].version, subjectId: id, domainId: id, productId: null },
    subject: { type: EVENT_TYPES[type].subject, id: 'x', name: null, domain: 'commerce' },
    audience: { public: true, domains: [], subjects: [] },
    actor: SYSTEM_ACTOR,
    ...{ correlationId: 'c', causationId: null, occurredAt: new Date('2026-03-01T09:30:00Z'), data },
  };
}
