import { readdirSync, readFileSync } from 'node:fs';
import { buildSchema, Kind, parse, specifiedRules, validate } from 'graphql';
import { describe, expect, it } from 'vitest';
import { commands } from '../src/main.js';

const schema = buildSchema(readFileSync('src/schema/schema.graphql', 'utf8'));
const pages = ['README.md', ...readdirSync('docs').flatMap((name) => (name.endsWith('.md') ? [`docs/${name}`] : []))];

/** Every document of GraphQL that a page shows; several may stand in one block, each to be sent alone. */
const shown = pages.flatMap((page) =>
  [...readFileSync(page, 'utf8').matchAll(/^```graphql\n([\s\S]*?)^```/gm)].flatMap(([, text = ''], block) =>
    parse(text).definitions.map((definition, index) => ({ page, place: `${block + 1}.${index + 1}`, definition })),
  ),
);

describe('what the documentation shows to ask', () => {
  it('is there to be looked at', () => {
    expect(shown.filter(({ page }) => page === 'README.md').length).toBeGreaterThan(4);
  });

  it.each(shown)('is of this API: $page, $place', ({ definition }) => {
    const document = { kind: Kind.DOCUMENT, definitions: [definition] } as const;
    expect(validate(schema, document, specifiedRules).map(({ message }) => message)).toEqual([]);
  });
});

describe('what the documentation shows to run', () => {
  /** Every command by its words, with the flags that it takes. */
  const flags = new Map(
    commands().commands.flatMap((one) => {
      const leaves = one.commands.length === 0 ? [{ words: one.name(), leaf: one }] : [];
      const below = one.commands.map((leaf) => ({ words: `${one.name()} ${leaf.name()}`, leaf }));
      return [...leaves, ...below].map(({ words, leaf }): [string, string[]] => [
        words,
        ['--help', ...leaf.options.flatMap(({ long }) => long ?? [])],
      ]);
    }),
  );

  it('is every command, in the table of the README', () => {
    const rows = readFileSync('README.md', 'utf8').matchAll(/^\| `npm (?:run meshgate -- )?([a-z -]+)` \|/gm);
    expect([...rows].map(([, words]) => words).sort()).toEqual([...flags.keys()].sort());
  });

  const lines = pages.flatMap((page) =>
    [...readFileSync(page, 'utf8').matchAll(/npm run meshgate -- ([^`#|\n]+)/g)].map(([, line = '']) => ({
      page,
      line,
    })),
  );
  it.each(lines)('is of this command line: $page, $line', ({ line }) => {
    const known = [...flags].find(([words]) => `${line.trim()} `.startsWith(`${words} `));
    const group = line.trim() === '--help';
    expect(group || known, 'the command').toBeTruthy();
    if (known) expect(known[1]).toEqual(expect.arrayContaining(line.match(/--[a-z-]+/g) ?? []));
  });
});
