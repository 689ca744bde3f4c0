/**
 * The words in which the data of an event type is defined, once: from a definition come the TypeScript type of what is appended, the
 * fields of the GraphQL type and the JSON Schema of what EventBridge carries.
 */

/** The objects that an id in an event's data can name, so that the API reads the object behind it. */
export type ReferredType = 'Domain' | 'DataProduct' | 'DataContract' | 'AccessRequest' | 'AccessGrant';

/** One value of an event's data; `T` is its TypeScript type, `example` one that the schema shows. */
export interface Field<T = unknown> {
  readonly kind: 'TEXT' | 'INTEGER' | 'NUMBER' | 'FLAG' | 'TIME' | 'ID' | 'FREE' | 'LIST' | 'OBJECT';
  readonly says: string;
  readonly example: unknown;
  readonly nullable: boolean;
  readonly optional: boolean;
  /** TEXT: the words that it takes today, as an enum of the API where it has one. */
  readonly values?: Readonly<Record<string, string>>;
  /** ID: what it names; any object of the API where it is left out. */
  readonly node?: ReferredType;
  /** FREE: an object in any case. */
  readonly members?: true;
  /** LIST: each of it. */
  readonly item?: Field;
  /** It shows an AWS object, of which nobody is told which rows it lets through (row-filters.ts). */
  readonly showsAws?: true;
  /** OBJECT: its fields, and its name in the API; without a name it is JSON there. */
  readonly fields?: Fields;
  readonly name?: string;
  /** Never set: carries the type alone. */
  readonly valued?: T;
}

/** Named values. */
export type Fields = Readonly<Record<string, Field>>;

/** The TypeScript type of one value. */
type ValueOf<F> = F extends Field<infer T> ? T : never;
type Optional = { readonly optional: true };

/** The TypeScript type of values by name. */
export type DataOf<F> = {
  [K in keyof F as F[K] extends Optional ? never : K]: ValueOf<F[K]>;
} & {
  [K in keyof F as F[K] extends Optional ? K : never]?: ValueOf<F[K]> | undefined;
};

type Required<T> = Field<T> & { readonly optional: false };

const field = <T>(kind: Field['kind'], says: string, example: unknown): Required<T> => ({
  ...{ kind, says, example },
  ...{ nullable: false, optional: false },
});

/** A text. */
export const text = (says: string, example: string): Required<string> => field('TEXT', says, example);

/** One of several words; more may be added, so readers must not fail on one that they do not know. */
export const choice = <V extends Record<string, string>>(
  values: V,
  says: string,
  example: V[keyof V],
): Required<V[keyof V]> => ({ ...field<V[keyof V]>('TEXT', says, example), values });

/** A whole number. */
export const integer = (says: string, example: number): Required<number> => field('INTEGER', says, example);

/** A number. */
export const number = (says: string, example: number): Required<number> => field('NUMBER', says, example);

/** Yes or no. */
export const flag = (says: string, example: boolean): Required<boolean> => field('FLAG', says, example);

/** A moment; written as ISO 8601 in UTC. */
export const time = (says: string, example = '2026-03-01T09:30:00.000Z'): Required<Date | string> =>
  field('TIME', says, example);

/** The global id of an object of this type; without one, of any. */
export const id = (says: string, node?: ReferredType): Required<string> => ({
  ...field<string>('ID', says, Buffer.from(`${node ?? 'Resource'}:${EXAMPLE_UUID}`).toString('base64url')),
  ...(node ? { node } : {}),
});
export const EXAMPLE_UUID = '0198c2f0-7a10-7b3e-8d3c-2f6f0f5d1c11';

/** An object whose members are not fixed. */
export const free = (says: string, example: Record<string, unknown>): Required<Readonly<Record<string, unknown>>> => ({
  ...field<Readonly<Record<string, unknown>>>('FREE', says, example),
  members: true,
});

/** Anything that JSON can say. */
export const anything = (says: string, example: unknown): Required<unknown> => field('FREE', says, example);

/** A list. */
export const list = <T>(item: Field<T>, says: string): Required<readonly T[]> => ({
  ...field<readonly T[]>('LIST', says, [item.example]),
  item,
});

/** An object with a type of its own in the API. */
export const object = <const F extends Fields>(name: string, says: string, fields: F): Required<DataOf<F>> => ({
  ...record(says, fields),
  name,
});

/** An object that is JSON in the API. */
export const record = <const F extends Fields>(says: string, fields: F): Required<DataOf<F>> => ({
  ...field<DataOf<F>>('OBJECT', says, exampleOf(fields)),
  fields,
});

/** A value that may be null. */
export const nullable = <T>(one: Required<T>): Required<T | null> => ({ ...one, nullable: true }) as Required<T | null>;

/** A value that may be left out. */
export const optional = <T>(one: Required<T>): Field<T> & Optional => ({ ...one, optional: true });

/** A value that shows what an AWS object is or should be: never with the rows that it lets through. */
export const showingAws = <F extends Field>(one: F): F => ({ ...one, showsAws: true });

/** What changed: the fields as they were and as they are. */
export const change = <const F extends Fields>(fields: F) => ({
  before: record('What changed, as it was.', fields),
  after: record('What changed, as it is now.', fields),
});

/** The example of every value, by name. */
export function exampleOf(fields: Fields): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([name, { example }]) => [name, example]));
}
