import { type HiveType, readType } from './hive-type.js';

/** A column as its type in the catalogue and whether it is never null. */
interface SchemaColumn {
  name: string;
  type: string;
  required: boolean;
}

/** A JSON Schema as a JSON object. */
export type JsonSchema = Record<string, unknown>;

/** What the Glue schema registry takes of one definition, in characters (AWS Glue API reference, CreateSchema). */
export const LONGEST_DEFINITION = 170_000;

/**
 * The JSON Schema (draft-07, the newest that the Glue schema registry takes) of a row of a table. Only what a reader of the rows has to
 * know is part of it, so that another wording of a description is no new version.
 */
export function jsonSchemaOf(columns: SchemaColumn[]): JsonSchema {
  const required = columns.filter((column) => column.required).map(({ name }) => name);
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    type: 'object',
    properties: Object.fromEntries(columns.map((column) => [column.name, schemaOfColumn(column)])),
    ...(required.length > 0 ? { required } : {}),
  };
}

function schemaOfColumn({ type, required }: SchemaColumn): JsonSchema {
  const schema = schemaOfType(readType(type));
  if (required || schema.type === undefined) return schema;
  return { ...schema, type: [schema.type, 'null'] };
}

const NUMBERS = new Set(['float', 'double', 'real', 'decimal']);
const INTEGERS = new Set(['tinyint', 'smallint', 'int', 'integer', 'bigint']);
const BOUNDED = new Set(['varchar', 'char']);

/** A type that nobody here knows says nothing of its values; fields within a struct may always be null. */
function schemaOfType(type: HiveType | undefined): JsonSchema {
  switch (type?.kind) {
    case undefined:
      return {};
    case 'array':
      return { type: 'array', items: nullable(type.of) };
    case 'map':
      return { type: 'object', additionalProperties: nullable(type.of) };
    case 'struct':
      return {
        type: 'object',
        properties: Object.fromEntries(type.fields.map((field) => [field.name, nullable(field.type)])),
      };
    case 'primitive':
      return schemaOfPrimitive(type);
  }
}

function schemaOfPrimitive({ name, parameters: [length] }: HiveType & { kind: 'primitive' }): JsonSchema {
  if (INTEGERS.has(name)) return { type: 'integer' };
  if (NUMBERS.has(name)) return { type: 'number' };
  if (name === 'boolean') return { type: 'boolean' };
  if (name === 'date') return { type: 'string', format: 'date' };
  return { type: 'string', ...(BOUNDED.has(name) && length !== undefined ? { maxLength: length } : {}) };
}

function nullable(type: HiveType): JsonSchema {
  const schema = schemaOfType(type);
  return schema.type === undefined ? schema : { ...schema, type: [schema.type, 'null'] };
}
