import { readdirSync, readFileSync } from 'node:fs';
import { buildSchema, Kind, parse, specifiedRules, validate } from 'graphql';
import { describe, expect, it } from 'vitest';

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
