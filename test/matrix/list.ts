import { ROLES, type Role } from './cast.js';

/** Who is answered which field, by the field's path: "AccessRequest.decision.reasons". */
export type Readers = Map<string, Set<Role>>;

/** A letter for each who asks, in their order; a dot stands in its place where he is not answered. */
const LETTERS: Record<Role, string> = {
  admin: 'A',
  'producer-owner': 'O',
  'producer-steward': 'S',
  'producer-member': 'M',
  'producer-machine': 'K',
  deputy: 'D',
  'narrow-token': 'T',
  requester: 'R',
  'consumer-owner': 'o',
  'consumer-steward': 's',
  'consumer-member': 'm',
  'other-owner': 'x',
  outsider: 'z',
};

const HEAD = `# Who is answered which field: a line for each object and each circle of readers. Written by: MATRIX_WRITE=1 npx vitest run test/matrix
# ${ROLES.map((role) => `${LETTERS[role]} ${role}`).join(', ')}
`;

/** The list as it is committed: objects in the order in which they were asked for, fields in that of the schema. */
export function writeList(readers: Readers): string {
  const lines = new Map<string, string[]>();
  for (const [path, roles] of readers) {
    const dot = path.lastIndexOf('.');
    const circle = ROLES.map((role) => (roles.has(role) ? LETTERS[role] : '.')).join('');
    const line = `${circle} ${path.slice(0, dot)}`;
    lines.set(line, [...(lines.get(line) ?? []), path.slice(dot + 1)]);
  }
  return `${HEAD}${[...lines].map(([line, fields]) => `${line}: ${fields.join(' ')}\n`).join('')}`;
}

export function readList(text: string): Readers {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.flatMap((line) => {
      const [, circle = '', object, fields = ''] = /^(\S+) (\S+): (.+)$/.exec(line) ?? [];
      const roles = ROLES.filter((role) => circle.includes(LETTERS[role]));
      return fields.split(' ').map((field): [string, Set<Role>] => [`${object}.${field}`, new Set(roles)]);
    }),
  );
}
