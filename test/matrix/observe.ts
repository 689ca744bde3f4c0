import type { GraphQLSchema } from 'graphql';
import { expect } from 'vitest';
import { EVENT_TYPES, upperCase } from '../../src/events/types.js';
import { type Answer, ROLES, type Role, type Scene } from './cast.js';
import { answered, askingOf } from './documents.js';
import { APART, ENTRIES } from './entries.js';
import type { Readers } from './list.js';

/** Whom to ask for what; what each is answered is added to `texts`. */
interface Asked {
  scene: Scene;
  schema: GraphQLSchema;
  texts: Map<Role, string[]>;
}

/** Asks for every field as everybody. */
export async function observe({ scene, schema, texts }: Asked): Promise<Readers> {
  const found: Readers = new Map();
  for (const { type, label, document, at } of ENTRIES) {
    const { text, paths } = askingOf({ schema, type, label, apart: APART });
    for (const path of paths) found.set(path, found.get(path) ?? new Set());
    const query = document(scene.ids).replace('*', text);
    for (const role of ROLES) {
      const answer = await scene.ask(role, query);
      expectExpected(role, label, answer);
      texts.set(role, [...(texts.get(role) ?? []), JSON.stringify(answer)]);
      for (const path of answered(label, valueAt(answer.data, ['it', ...at]))) found.get(path)?.add(role);
    }
  }
  await observeEvents({ scene, schema }, found);
  return found;
}

/** One event of each type, several types a request. */
async function observeEvents({ scene, schema }: Omit<Asked, 'texts'>, found: Readers): Promise<void> {
  const types = Object.keys(EVENT_TYPES);
  for (let from = 0; from < types.length; from += 5) {
    const asked = types.slice(from, from + 5).map((type) => ({ type, ...askingOf({ schema, type, apart: APART }) }));
    for (const path of asked.flatMap(({ paths }) => paths)) found.set(path, new Set());
    const fragments = asked.map(({ type, text }) => `... on ${type} { ${text} }`).join(' ');
    const filter = `{ types: [${asked.map(({ type }) => upperCase(type)).join(' ')}] }`;
    const query = `{ it: events(first: 5, after: "${scene.ids.beforeExamples}", filter: ${filter}) {
      nodes { __typename ${fragments} } } }`;
    for (const role of ROLES) {
      const answer = await scene.ask(role, query);
      expectExpected(role, filter, answer);
      for (const node of (valueAt(answer.data, ['it', 'nodes']) ?? []) as { __typename: string }[])
        for (const path of answered(node.__typename, node)) found.get(path)?.add(role);
    }
  }
}

/** What stands under these names. */
const valueAt = (data: unknown, names: string[]): unknown =>
  names.reduce((found, name) => (found as Record<string, unknown> | null)?.[name], data);

/** A denial is told as such: what else goes wrong is a fault of the scene, or a bug. */
function expectExpected(role: Role, what: string, { errors }: Answer): void {
  const others = errors.filter(({ extensions }) => !['FORBIDDEN', 'NOT_FOUND'].includes(extensions.code));
  expect(others, `${role} asks for ${what}`).toEqual([]);
}
