import fc from 'fast-check';
import { ODCS_VERSIONS } from '../../src/governance/odcs/version.js';
import { fullSeed, seedParts } from './seed-contract.js';

/** One change of a document at a place that is chosen among all its places. */
interface Mutation {
  place: number;
  kind: 'delete' | 'replace' | 'rename' | 'add' | 'copy' | 'empty';
  key: string;
  value: unknown;
  from: number;
}

type Holder = Record<string | number, unknown>;
interface Place {
  holder: Holder;
  key: string | number;
}

function placesOf(value: unknown, found: Place[] = []): Place[] {
  if (typeof value !== 'object' || value === null) return found;
  const holder = value as Holder;
  for (const key of Array.isArray(value) ? value.keys() : Object.keys(value)) {
    found.push({ holder, key });
    placesOf(holder[key], found);
  }
  return found;
}

function namesIn(value: unknown): string[] {
  return placesOf(value).flatMap(({ key }) => (typeof key === 'string' ? key : []));
}

const NAMES = [
  ...new Set(ODCS_VERSIONS.flatMap((version) => namesIn(fullSeed(version)))),
  'stagingDir',
  'staging_dir',
  'unknown',
];
const VALUES: unknown[] = [
  ...[
    null,
    true,
    false,
    0,
    1,
    -1,
    1.5,
    2 ** 60,
    1e21,
    '',
    'x',
    'a.b',
    'a b',
    [],
    {},
    [1],
    ['x'],
    [1, 1],
    [1, 2],
    ['a', 'a'],
    [[]],
    [{}],
  ],
  ...[
    '2024-02-30',
    '2023-02-29',
    '2024-02-29',
    '2024-01-01T23:59:60Z',
    '2024-01-01 10:00:00+01',
    '2024-01-01T10:00:00',
    '9999-12-31t00:00:00z',
  ],
  ...[
    's3://b/{m}/*.json',
    's3://b/x',
    'sftp://x',
    'foo:',
    'foo:/',
    'foo:///',
    'http://[::1]/x',
    'http://h:x/',
    'http://h/%zz',
    '/rel',
    'a:b?c#d',
  ],
  ...[
    'string',
    'date',
    'timestamp',
    'time',
    'number',
    'integer',
    'object',
    'array',
    'boolean',
    'text',
    'library',
    'sql',
    'custom',
  ],
  ...[
    'rowCount',
    'accuracy',
    'i32',
    'f32',
    'foreignKey',
    'parquet',
    'avro',
    'array',
    's3',
    'kafka',
    'zen',
    'hive',
    'DataContract',
  ],
  ...['v3.0.0', 'v3.0.1', 'v3.0.2', 'v3.1.0', 'v2.2.2', 'v4', 'schema/a/properties/b', 'x.yaml#/schema/a', 'a/b/c'],
  ...[
    { property: 'p', value: 1 },
    { property: 'p' },
    { name: 'c', logicalType: 'string' },
    { url: 'u', type: 't' },
    { username: 'u' },
  ],
];

const mutation: fc.Arbitrary<Mutation> = fc.record({
  place: fc.nat(),
  kind: fc.constantFrom('delete', 'replace', 'rename', 'add', 'copy', 'empty'),
  key: fc.constantFrom(...NAMES),
  value: fc.constantFrom(...VALUES),
  from: fc.nat(),
});

function mutate(document: object, { place, kind, key, value, from }: Mutation): void {
  const places = placesOf(document);
  const at = places[place % places.length];
  if (at === undefined) return;
  const here = at.holder[at.key];
  const inside = typeof here === 'object' && here !== null ? (here as Holder) : at.holder;
  const copied = (holder: Place | undefined): unknown => structuredClone(holder?.holder[holder.key]);
  switch (kind) {
    case 'delete':
      if (Array.isArray(at.holder)) at.holder.splice(Number(at.key), 1);
      else delete at.holder[at.key];
      break;
    case 'replace':
      at.holder[at.key] = structuredClone(value);
      break;
    case 'rename':
      if (Array.isArray(at.holder)) break;
      delete at.holder[at.key];
      at.holder[key] = here;
      break;
    case 'add':
      if (Array.isArray(inside)) inside.push(structuredClone(value));
      else inside[key] = structuredClone(value);
      break;
    case 'copy':
      at.holder[at.key] = copied(places[from % places.length]);
      break;
    case 'empty':
      at.holder[at.key] = Array.isArray(here) ? [] : typeof here === 'object' ? {} : '';
  }
}

/** A valid contract of the version from some of the seed's parts. */
function validContract(version: string): fc.Arbitrary<object> {
  const { fundamentals, lists, objects } = seedParts(version);
  const some = Object.fromEntries(
    Object.entries(lists).map(([section, parts]) => [
      section,
      fc.option(fc.subarray(parts, { maxLength: Math.min(3, parts.length) }), { freq: 1 }),
    ]),
  );
  return fc.tuple(fc.record(some), fc.subarray(Object.entries(objects))).map(([chosen, more]) => {
    const sections = Object.entries(chosen).filter(([, parts]) => parts !== null);
    return structuredClone({ ...fundamentals, ...Object.fromEntries(sections), ...Object.fromEntries(more) });
  });
}

/** Contracts of every version, most of them broken in one to four places. */
export const mutatedContract: fc.Arbitrary<object> = fc
  .tuple(fc.constantFrom(...ODCS_VERSIONS).chain(validContract), fc.array(mutation, { maxLength: 4 }))
  .map(([document, mutations]) => {
    for (const each of mutations) mutate(document, each);
    return document;
  });

/** A given document, broken in one to three places. */
export function mutationsOf(document: object): fc.Arbitrary<object> {
  return fc.array(mutation, { minLength: 1, maxLength: 3 }).map((mutations) => {
    const copy = structuredClone(document);
    for (const each of mutations) mutate(copy, each);
    return copy;
  });
}

const EVERY_KIND: unknown[] = [null, true, 0, 1.5, -1, 'x', [], {}, ['x'], [1, 1], [1, 2]];

function* changesOf(document: object): Generator<object> {
  const count = placesOf(document).length;
  for (let place = 0; place < count; place += 1) {
    for (const value of [...EVERY_KIND, undefined]) {
      const copy = structuredClone(document);
      const { holder, key } = placesOf(copy)[place] as Place;
      if (value !== undefined) holder[key] = value;
      else if (Array.isArray(holder)) holder.splice(Number(key), 1);
      else delete holder[key];
      yield copy;
    }
    const copy = structuredClone(document);
    const { holder, key } = placesOf(copy)[place] as Place;
    const value = holder[key];
    if (typeof value !== 'object' || value === null || Array.isArray(value)) continue;
    (value as Holder).unknown = 1;
    yield copy;
  }
}

/**
 * Each part of the seed, alone in a contract that declares `version`, with each of its members removed, replaced by every kind of
 * value, and joined by an unknown one: what chance would rarely meet.
 */
export function* systematicMutations(seed: string, version: string): Generator<object> {
  const { fundamentals, lists, objects } = seedParts(seed);
  const declared = { ...fundamentals, apiVersion: version };
  yield* [...changesOf(declared)].filter((document) => 'apiVersion' in document && document.apiVersion === version);
  const sections = [
    ...Object.entries(lists).flatMap(([section, parts]) => parts.map((part) => ({ [section]: [part] }))),
    ...Object.entries(objects).map(([section, part]) => ({ [section]: part })),
  ].flatMap(columnsApart);
  for (const section of sections) {
    for (const changed of changesOf(section)) yield { ...declared, ...changed };
  }
}

/** A table with many columns and checks as tables of one, so that every change is of a small document that is else valid. */
function columnsApart(section: Record<string, unknown>): Record<string, unknown>[] {
  const table = Array.isArray(section.schema) ? (section.schema[0] as Record<string, unknown>) : {};
  const { properties = [], quality = [], ...rest } = table as { properties?: unknown[]; quality?: unknown[] };
  if (properties.length + quality.length === 0) return [section];
  return [
    { schema: [rest] },
    ...properties.map((property) => ({ schema: [{ name: 't', properties: [property] }] })),
    ...quality.map((check) => ({ schema: [{ name: 't', quality: [check] }] })),
  ];
}
