import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dataContractDigest } from '../../src/governance/odcs/digest.js';
import { MAX_CONTRACT_BYTES, parseDataContract } from '../../src/governance/odcs/parse.js';
import { mutatedContract } from './mutate.js';

describe('the text of a contract', () => {
  it('is read as YAML 1.2, in which dates, times and yes stay texts', () => {
    const parsed = parseDataContract(
      'a: 2022-10-03\nb: 2022-10-03T08:00:00Z\nc: yes\nd: 1.0\ne: 09:00-08:00\nf: 010\ng: null\nh:\n',
    );
    expect(parsed).toEqual({
      format: 'YAML',
      problems: [],
      document: {
        a: '2022-10-03',
        b: '2022-10-03T08:00:00Z',
        c: 'yes',
        d: 1,
        e: '09:00-08:00',
        f: 10,
        g: null,
        h: null,
      },
    });
  });

  it('is read as JSON where it is JSON, tabs, byte order mark and all', () => {
    expect(parseDataContract('\uFEFF{\n\t"a": {\n\t\t"b": [1, "\\u00e9"]\n\t}\n}')).toEqual({
      format: 'JSON',
      document: { a: { b: [1, 'é'] } },
      problems: [],
    });
    expect(parseDataContract('{a: 1}')).toMatchObject({ format: 'YAML', document: { a: 1 } });
  });

  it('writes aliases out, each as the nearest anchor before it', () => {
    const { document } = parseDataContract('a: &x 1\nb: &y [*x]\nc: &x 2\nd: *y\ne: *x\n');
    expect(document).toEqual({ a: 1, b: [1], c: 2, d: [1], e: 2 });
  });

  it('keeps a member named __proto__ an ordinary one', () => {
    for (const text of ['__proto__: {a: 1}\n', '{"__proto__": {"a": 1}}']) {
      const { document } = parseDataContract(text);
      expect(Object.keys(document as object)).toEqual(['__proto__']);
      expect(({} as { a?: number }).a).toBeUndefined();
    }
  });

  it('may use an anchor hundreds of times', () => {
    const text = `a: &x {b: 1}\nc:\n${'  - *x\n'.repeat(500)}`;
    expect(parseDataContract(text).problems).toEqual([]);
  });

  it.each([
    ['a duplicate key', 'a: 1\nb: 2\na: 3\n', /twice/, 3, 1],
    ['keys that JSON cannot tell apart', '1: a\n"1": b\n', /twice/, 2, 1],
    ['a duplicate key of JSON', '{"a": 1,\n "a": 2}', /twice/, 2, 2],
    ['a tab that indents', 'a:\n\tb: 1\n', /tab/i, 2, 1],
    ['several documents', 'a: 1\n---\nb: 1\n', /several documents/, 2, 1],
    ['a list', '- a\n', /must be an object/, 1, 1],
    ['a text', 'contract', /must be an object/, 1, 1],
    ['broken JSON', '{"a": [1, }', /./, 1, 11],
    ['an unknown alias', 'a: *b\n', /alias|anchor/i, 1, 4],
    ['an alias within itself', 'a: &a\n  b: *a\n', /inside/, 2, 6],
    ['a tag', 'a: !binary aGk=\n', /tag/i, 1, 4],
    ['a key that is a list', '? [a]\n: 1\n', /key must be a text/i, 1, 3],
    ['infinity', 'a: .inf\n', /no number that JSON has/, 1, 4],
    ['half a surrogate pair', 'a: "\\ud800"\n', /surrogate/, 1, 4],
    ['the character U\\+0000', 'a: "\\0"\n', /U\+0000/, 1, 4],
  ])('is refused with line and column for %s', (_, text, reason, line, column) => {
    const { document, problems } = parseDataContract(text);
    expect(document).toBeUndefined();
    expect(problems[0]).toMatchObject({ message: expect.stringMatching(reason), line, column });
  });

  it.each([
    ['nothing', '', /must be an object/],
    ['a JSON list', '[1]', /must be an object/],
    ['JSON with half a surrogate pair', '{"a": "\\ud800"}', /surrogate/],
    ['more than a megabyte', `a: ${'x'.repeat(MAX_CONTRACT_BYTES)}`, /bytes/],
    ['a thousand levels of YAML', `${'['.repeat(1000)}${']'.repeat(1000)}`.replace(/^/, 'a: '), /deeper/],
    ['a thousand levels of JSON', `{"a": ${'['.repeat(1000)}${']'.repeat(1000)}}`, /deeper/],
    ['levels beyond any stack', `a: ${'['.repeat(100_000)}`, /./],
  ])('is refused for %s', (_, text, reason) => {
    const { document, problems } = parseDataContract(text);
    expect(document).toBeUndefined();
    expect(problems[0]?.message).toMatch(reason);
  });

  it('is refused in seconds where aliases would explode it', () => {
    const bomb = Array.from({ length: 12 }, (_, level) => {
      const below = level === 0 ? '"x"' : `*l${level - 1}`;
      return `l${level}: &l${level} [${Array(10).fill(below).join(', ')}]`;
    }).join('\n');
    const start = performance.now();
    expect(parseDataContract(bomb).problems[0]?.message).toMatch(/aliases/);
    expect(performance.now() - start).toBeLessThan(10_000);
  });

  it('of tens of thousands of keys is read in seconds', () => {
    const text = Array.from({ length: 40_000 }, (_, index) => `k${index}: 1`).join('\n');
    const start = performance.now();
    expect(parseDataContract(text).problems).toEqual([]);
    expect(performance.now() - start).toBeLessThan(10_000);
  });

  it('gives the same document from JSON and from YAML', () => {
    fc.assert(
      fc.property(mutatedContract, (document) => {
        const text = JSON.stringify(document, null, 2);
        const asJson = parseDataContract(text);
        expect(asJson).toEqual({ format: 'JSON', document: JSON.parse(text), problems: [] });
        // Behind a comment the same text is YAML, of which JSON is a part.
        expect(parseDataContract(`# a contract\n${text}`)).toEqual({ ...asJson, format: 'YAML' });
      }),
      { numRuns: 200 },
    );
  });

  it('never makes the reader throw', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'ab:{}[]-#&*!|>\'"%@`?, \n\t\\01.~<') }), (text) => {
        const { document, problems } = parseDataContract(text);
        expect(document === undefined).toBe(problems.length > 0);
      }),
      { numRuns: 3000 },
    );
  });
});

describe('the digest of a contract', () => {
  it('is the SHA-256 of its canonical JSON', () => {
    // echo -n '{"a":[1,"é"],"b":2}' | sha256sum
    expect(dataContractDigest({ b: 2, a: [1.0, 'é'] })).toBe(
      'df9a461ade0c8810b77c66e46319e53600e5ff54762a78d8b3ec0c69d5c1ea64',
    );
  });

  it('is one for the same content in another layout, and another for other content', () => {
    const [yaml, json] = ['a: 1.0\nb: {c: [x]}\n', '{"b":{"c":["x"]},"a":1}'].map(
      (text) => parseDataContract(text).document,
    );
    expect(dataContractDigest(yaml)).toBe(dataContractDigest(json));
    expect(dataContractDigest({ a: 1, b: { c: ['x', 'y'] } })).not.toBe(dataContractDigest(json));
  });
});
