import {
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputField,
  type GraphQLNamedType,
  type GraphQLSchema,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isObjectType,
} from 'graphql';
import { beforeAll, describe, expect, it } from 'vitest';
import { EVENT_TYPES, upperCase } from '../src/events/types.js';
import { buildSchema } from '../src/resolvers/schema.js';

/** Everything of a type that a reader meets, with what is said about it. */
function described(type: GraphQLNamedType): [string, string | null | undefined][] {
  const own: [string, string | null | undefined] = [type.name, type.description];
  if (isEnumType(type))
    return [
      own,
      ...type
        .getValues()
        .map((value): [string, typeof value.description] => [`${type.name}.${value.name}`, value.description]),
    ];
  if (!isObjectType(type) && !isInterfaceType(type) && !isInputObjectType(type)) return [own];
  return [
    own,
    ...Object.values(type.getFields()).flatMap((field): [string, string | null | undefined][] => [
      [`${type.name}.${field.name}`, field.description],
      ...argsOf(field).map(({ name, description }): [string, typeof description] => [
        `${type.name}.${field.name}(${name})`,
        description,
      ]),
    ]),
  ];
}

function argsOf(field: GraphQLField<unknown, unknown> | GraphQLInputField): readonly GraphQLArgument[] {
  return 'args' in field ? field.args : [];
}

describe('the schema', () => {
  let schema: GraphQLSchema;
  beforeAll(async () => {
    schema = await buildSchema();
  });

  it('describes every type, field, argument and value', () => {
    const roots = new Set(['Query', 'Mutation', 'Subscription']);
    const bare = Object.values(schema.getTypeMap())
      .filter(({ name }) => !name.startsWith('__'))
      .flatMap(described)
      .filter(([name, says]) => !roots.has(name) && !says)
      .map(([name]) => name);
    expect(bare).toEqual([]);
  });

  it('has a concrete type and an enum value for each event type', () => {
    const values = schema.getType('MeshEventType');
    const names = isEnumType(values) ? values.getValues().map(({ name }) => name) : [];
    expect(names.sort()).toEqual(Object.keys(EVENT_TYPES).map(upperCase).sort());
    const event = schema.getType('MeshEvent');
    const concrete = isInterfaceType(event) ? schema.getPossibleTypes(event).map(({ name }) => name) : [];
    expect([...concrete].sort()).toEqual(Object.keys(EVENT_TYPES).sort());
  });

  it('gives every mutation one non-null input with an idempotency key, and a result with typed errors', () => {
    for (const mutation of Object.values(schema.getMutationType()?.getFields() ?? {})) {
      expect(mutation.args.map(({ name, type }) => `${name}: ${type}`)).toEqual([
        expect.stringMatching(/^input: \w+Input!$/),
      ]);
      const input = schema.getType(String(mutation.args[0]?.type).replace('!', ''));
      expect(isInputObjectType(input) && Object.keys(input.getFields())).toContain('idempotencyKey');
      const result = schema.getType(String(mutation.type).replace('!', ''));
      expect(String(result)).toBe(`${mutation.name.charAt(0).toUpperCase()}${mutation.name.slice(1)}Result`);
    }
  });

  it('takes a look-up input of exactly one field', () => {
    for (const name of ['DomainBy', 'DataProductBy']) {
      const input = schema.getType(name);
      expect(isInputObjectType(input) && input.isOneOf).toBe(true);
    }
  });
});
