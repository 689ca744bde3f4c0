/** JSON nests no deeper than this: readers of it recurse. */
const DEEPEST = 32;

/** What keeps a JSON value that came from outside from being stored and read as it is, within a number of bytes; null: nothing. */
export function jsonProblem(value: unknown, mostBytes: number): string | null {
  return memberProblem(value, 0) ?? sizeProblem(value, mostBytes);
}

function sizeProblem(value: unknown, mostBytes: number): string | null {
  const bytes = Buffer.byteLength(JSON.stringify(value) ?? '');
  return bytes > mostBytes ? `must not be larger than ${mostBytes} bytes as JSON, and has ${bytes}.` : null;
}

function memberProblem(value: unknown, depth: number): string | null {
  if (depth > DEEPEST) return `must not be nested deeper than ${DEEPEST} levels.`;
  if (typeof value === 'string') return textProblem(value);
  if (Array.isArray(value)) return firstProblem(value, (item) => memberProblem(item, depth + 1));
  if (typeof value !== 'object' || value === null) return null;
  return firstProblem(Object.entries(value), ([name, member]) => nameProblem(name) ?? memberProblem(member, depth + 1));
}

function firstProblem<T>(items: T[], problemOf: (item: T) => string | null): string | null {
  for (const item of items) {
    const problem = problemOf(item);
    if (problem !== null) return problem;
  }
  return null;
}

/** The database's client would drop such a member in silence. */
const nameProblem = (name: string): string | null =>
  name === '__proto__' ? 'must not have a member `__proto__`.' : textProblem(name);

/** Postgres takes neither. */
function textProblem(text: string): string | null {
  return text.includes('\u0000') || /\p{Surrogate}/u.test(text)
    ? 'must not hold the character U+0000 or half a character.'
    : null;
}
