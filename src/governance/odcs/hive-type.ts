/** A column type as Glue's Data Catalog spells it (Hive DDL). */
export type HiveType =
  | { kind: 'primitive'; name: string; parameters: number[] }
  | { kind: 'array'; of: HiveType }
  | { kind: 'map'; key: HiveType; of: HiveType }
  | { kind: 'struct'; fields: { name: string; type: HiveType }[] };

/** A primitive type; `parameters` are the length, or precision and scale. */
export function primitive(name: string, ...parameters: number[]): HiveType {
  return { kind: 'primitive', name, parameters };
}

/** The type in Glue's spelling: `struct<city:string,geo:array<double>>`. */
export function spellType(type: HiveType): string {
  switch (type.kind) {
    case 'primitive':
      return type.parameters.length > 0 ? `${type.name}(${type.parameters.join(',')})` : type.name;
    case 'array':
      return `array<${spellType(type.of)}>`;
    case 'map':
      return `map<${spellType(type.key)},${spellType(type.of)}>`;
    case 'struct':
      return `struct<${type.fields.map(({ name, type }) => `${name}:${spellType(type)}`).join(',')}>`;
  }
}

interface Cursor {
  text: string;
  at: number;
  /** Reads a primitive's name in another dialect; undefined where it is unknown. */
  primitive: (name: string, parameters: number[]) => HiveType | undefined;
  depth: number;
}

/** Reads a spelled type; `known` translates its primitives. Undefined where the text is no type or holds an unknown one. */
export function readType(
  text: string,
  known: (name: string, parameters: number[]) => HiveType | undefined = (name, parameters) =>
    primitive(name, ...parameters),
): HiveType | undefined {
  const cursor: Cursor = { text: text.toLowerCase().trim(), at: 0, primitive: known, depth: 0 };
  const type = readAny(cursor);
  return type !== undefined && cursor.at === cursor.text.length ? type : undefined;
}

function take(cursor: Cursor, pattern: RegExp): string | undefined {
  pattern.lastIndex = cursor.at;
  const found = pattern.exec(cursor.text)?.[0];
  if (found !== undefined) cursor.at += found.length;
  return found?.trim();
}

function readAny(cursor: Cursor): HiveType | undefined {
  cursor.depth += 1;
  if (cursor.depth > 60) return undefined;
  const type = readNested(cursor);
  cursor.depth -= 1;
  return type;
}

function readNested(cursor: Cursor): HiveType | undefined {
  const name = take(cursor, /[a-z_][a-z0-9_]*(?: [a-z_][a-z0-9_]*)*\s*/y);
  if (name === undefined) return undefined;
  if (take(cursor, /<\s*/y) === undefined) return readPrimitive(cursor, name);
  const type = readInside(cursor, name);
  return type !== undefined && take(cursor, />\s*/y) !== undefined ? type : undefined;
}

function readInside(cursor: Cursor, name: string): HiveType | undefined {
  if (name === 'array') {
    const of = readAny(cursor);
    return of && { kind: 'array', of };
  }
  if (name === 'map') {
    const key = readAny(cursor);
    const of = take(cursor, /,\s*/y) === undefined ? undefined : readAny(cursor);
    return key && of && { kind: 'map', key, of };
  }
  return name === 'struct' ? readStruct(cursor) : undefined;
}

function readStruct(cursor: Cursor): HiveType | undefined {
  const fields: { name: string; type: HiveType }[] = [];
  do {
    const name = take(cursor, /[a-z0-9_]+\s*/y);
    const type = name === undefined || take(cursor, /:\s*/y) === undefined ? undefined : readAny(cursor);
    if (name === undefined || type === undefined) return undefined;
    fields.push({ name, type });
  } while (take(cursor, /,\s*/y) !== undefined);
  return { kind: 'struct', fields };
}

function readPrimitive(cursor: Cursor, name: string): HiveType | undefined {
  const listed = take(cursor, /\(\s*(?:\d+|max)\s*(?:,\s*\d+\s*)?(?: (?:char|byte))?\)\s*/y);
  const parameters = (listed?.match(/\d+/g) ?? []).map(Number);
  // "timestamp(6) with time zone": the words go on after the parameters.
  const rest = listed === undefined ? undefined : take(cursor, /[a-z]+(?: [a-z]+)*\s*/y);
  return cursor.primitive(rest === undefined ? name : `${name} ${rest}`, parameters);
}

/** How a consumer's queries take a change of type. */
export type TypeChange = 'SAME' | 'WIDENED' | 'NARROWED' | 'CHANGED';

const INTEGERS = ['tinyint', 'smallint', 'int', 'bigint'];

/**
 * Compares two types. WIDENED are Iceberg's promotions (int to bigint, float to double, a decimal of more precision and the same
 * scale; https://iceberg.apache.org/spec/#schema-evolution), longer texts, and structs with further fields; NARROWED is the reverse.
 */
export function compareTypes(from: HiveType, to: HiveType): TypeChange {
  if (from.kind === 'primitive' && to.kind === 'primitive') return comparePrimitives(from, to);
  if (from.kind === 'array' && to.kind === 'array') return compareTypes(from.of, to.of);
  if (from.kind === 'map' && to.kind === 'map') {
    return together([compareTypes(from.key, to.key) === 'SAME' ? 'SAME' : 'CHANGED', compareTypes(from.of, to.of)]);
  }
  if (from.kind === 'struct' && to.kind === 'struct') {
    const after = new Map(to.fields.map(({ name, type }) => [name, type]));
    const kept = from.fields.map(({ name, type }): TypeChange => {
      const other = after.get(name);
      after.delete(name);
      return other === undefined ? 'NARROWED' : compareTypes(type, other);
    });
    return together([...kept, after.size > 0 ? 'WIDENED' : 'SAME']);
  }
  return 'CHANGED';
}

function together(changes: TypeChange[]): TypeChange {
  const distinct = new Set(changes.filter((change) => change !== 'SAME'));
  if (distinct.size > 1) return 'CHANGED';
  return [...distinct][0] ?? 'SAME';
}

type Primitive = Extract<HiveType, { kind: 'primitive' }>;

function comparePrimitives(from: Primitive, to: Primitive): TypeChange {
  if (spellType(from) === spellType(to)) return 'SAME';
  if (widens(from, to)) return 'WIDENED';
  return widens(to, from) ? 'NARROWED' : 'CHANGED';
}

function widens(from: Primitive, to: Primitive): boolean {
  if (INTEGERS.includes(from.name)) return INTEGERS.indexOf(to.name) > INTEGERS.indexOf(from.name);
  if (from.name === 'float') return to.name === 'double';
  if (from.name === 'decimal' && to.name === 'decimal') {
    return from.parameters[1] === to.parameters[1] && (to.parameters[0] ?? 0) > (from.parameters[0] ?? 0);
  }
  if (from.name === 'varchar' || from.name === 'char') {
    if (to.name === 'string') return true;
    return to.name === from.name && (to.parameters[0] ?? 0) > (from.parameters[0] ?? 0);
  }
  return false;
}
