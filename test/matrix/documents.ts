import {
  type GraphQLField,
  type GraphQLNamedType,
  GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  isAbstractType,
  isInterfaceType,
  isObjectType,
} from 'graphql';

/** A selection that asks for every field of a type, and the paths under which the answers are noted. */
export interface Asking {
  text: string;
  /** "AccessRequest.decision.reasons", parents before children. */
  paths: string[];
}

/** A type, the name under which its fields are noted, and the types that are asked for in their own name. */
interface Asked {
  schema: GraphQLSchema;
  type: string;
  label?: string;
  apart: ReadonlySet<string>;
}

const MOST_LEVELS = 5;

/**
 * Everything of a type: values in full, and of objects with an id of their own only which they are, as these are asked in their own
 * name; so are those that are `apart`. Lists that page are asked for five.
 */
export function askingOf({ schema, type: name, label = name, apart }: Asked): Asking {
  const paths: string[] = [];
  const text = fieldsOf(schema.getType(name), label, [name]);
  return { text, paths };

  function fieldsOf(type: GraphQLNamedType | undefined, path: string, above: string[]): string {
    if (!isObjectType(type) && !isInterfaceType(type)) return '__typename';
    const asked = Object.values(type.getFields()).map((field) => fieldOf(field, path, above));
    return asked.join(' ');
  }

  function fieldOf(field: GraphQLField<unknown, unknown>, parent: string, above: string[]): string {
    const path = `${parent}.${field.name}`;
    paths.push(path);
    const type = getNamedType(field.type);
    const args = field.args.some((arg) => arg.name === 'first') ? '(first: 5)' : '';
    if (!isObjectType(type) && !isAbstractType(type)) return `${field.name}${args}`;
    const stops =
      isAbstractType(type) ||
      hasId(type) ||
      apart.has(type.name) ||
      above.includes(type.name) ||
      above.length > MOST_LEVELS;
    const below = stops ? '__typename' : fieldsOf(type, path, [...above, type.name]);
    return `${field.name}${args} { ${below} }`;
  }
}

const hasId = (type: GraphQLNamedType): boolean =>
  type instanceof GraphQLObjectType && type.getInterfaces().some(({ name }) => name === 'Node');

/** The paths that hold something in an answer: not null, and in a list at least once. */
export function answered(root: string, value: unknown): Set<string> {
  const found = new Set<string>();
  note(root, value);
  return found;

  function note(path: string, at: unknown): void {
    if (at === null || at === undefined) return;
    if (Array.isArray(at)) {
      for (const one of at) note(path, one);
      return;
    }
    found.add(path);
    // What is JSON to the schema has no paths of its own; they are not in the list of what was asked.
    if (typeof at === 'object') for (const [name, below] of Object.entries(at)) note(`${path}.${name}`, below);
  }
}
