/** Column types as Glue writes them (Hive's), and how those of several rows and files become one. */

/** A column as found in data. */
export interface FoundColumn {
  Name: string;
  Type: string;
}

const WIDENING = ['tinyint', 'smallint', 'int', 'bigint', 'float', 'double'];

/** The type that holds values of both: the wider number, the members of both structures, else text. */
export function commonType(a: string, b: string): string {
  if (a === b || b === '') return a;
  if (a === '') return b;
  const [from, to] = [WIDENING.indexOf(a), WIDENING.indexOf(b)];
  if (from >= 0 && to >= 0) return WIDENING[Math.max(from, to)]!;
  const [first, second] = [inside(a), inside(b)];
  if (first && second && first.kind === second.kind) {
    if (first.kind === 'array') return `array<${commonType(first.content, second.content)}>`;
    if (first.kind === 'struct') return structOf(commonColumns([membersOf(first.content), membersOf(second.content)]));
  }
  return 'string';
}

/** The columns of all in the order in which they first stand; names are folded to lower case. */
export function commonColumns(found: FoundColumn[][]): FoundColumn[] {
  const types = new Map<string, string>();
  for (const { Name, Type } of found.flat()) {
    const name = Name.toLowerCase();
    types.set(name, commonType(types.get(name) ?? '', Type));
  }
  return [...types].map(([Name, Type]) => ({ Name, Type }));
}

/** `struct<a:int,b:string>`. */
export function structOf(members: FoundColumn[]): string {
  return `struct<${members.map(({ Name, Type }) => `${Name}:${Type}`).join(',')}>`;
}

function inside(type: string): { kind: string; content: string } | undefined {
  const [, kind, content] = /^(array|struct|map)<(.*)>$/.exec(type) ?? [];
  return kind === undefined || content === undefined ? undefined : { kind, content };
}

/** The members of a structure's content; commas within brackets are no ends. */
function membersOf(content: string): FoundColumn[] {
  const members: string[] = [];
  let depth = 0;
  let current = '';
  for (const character of content) {
    if ('<('.includes(character)) depth += 1;
    if ('>)'.includes(character)) depth -= 1;
    if (character === ',' && depth === 0) {
      members.push(current);
      current = '';
    } else current += character;
  }
  return [...members, current].map((member) => {
    const colon = member.indexOf(':');
    return { Name: member.slice(0, colon), Type: member.slice(colon + 1) };
  });
}
