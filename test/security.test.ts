import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { testTitlesOf } from './testkit/test-titles.js';

/** The rows of SECURITY.md's tables of threats: those whose last column is `test`. */
function threats(): { threat: string; tests: string }[] {
  const found: { threat: string; tests: string }[] = [];
  let table = false;
  for (const line of readFileSync('SECURITY.md', 'utf8').split('\n')) {
    const cells = line.split(' | ').map((cell) => cell.replace(/^\| | \|$/g, ''));
    if (!line.startsWith('|')) table = false;
    else if (cells.length === 3 && cells[2] === 'test') table = true;
    else if (table && !line.startsWith('| ---'))
      found.push({ threat: cells[0] ?? '', tests: cells.slice(2).join(' | ') });
  }
  return found;
}

const titles = new Map<string, string[]>();

/** The titles of the tests in a file that run; none where there is no such file. */
function titlesIn(file: string): string[] {
  const known = titles.get(file);
  if (known) return known;
  const read = existsSync(file) ? [...testTitlesOf(readFileSync(file, 'utf8'))] : [];
  const plain = read.map((title) => title.replaceAll('’', "'"));
  titles.set(file, plain);
  return plain;
}

describe('a title of a test', () => {
  it('is none in a comment or another text, nor of a test that does not run', () => {
    const found = testTitlesOf(`
      // test('in a comment', () => {});
      const text = "test('in a text', () => {})";
      expect('in an expectation').toBe(1);
      test.skip('skipped', () => {});
      test.skipIf(here)('skipped here', () => {});
      test.todo('some day');
      test('skipped by a setting', { skip: true }, () => {});
      test('skipped by itself', (context) => context.skip());
      describe.skip('a skipped group', () => { test('within it', () => {}); });
      describe('an empty group', () => {});
      const ROWS = [['one', 1], ['two', 2]] as const;
      describe('a group', () => {
        test.each(ROWS)('of %s', (name) => { name.split('skip'); });
        it(\`with \${text}\`, { timeout: 1 }, () => {});
      });
      describe.each(['this', 'that'])('under %s', () => { it("isn't left out", () => {}); });
    `);
    expect([...found].sort()).toEqual(
      [
        ...['a group', 'of %s', 'of one', 'of two', `with \${text}`],
        ...['under %s', 'under this', 'under that', "isn't left out"],
      ].sort(),
    );
  });
});

describe('SECURITY.md', () => {
  it('names threats by every door', () => {
    expect(threats().length).toBeGreaterThan(40);
  });

  it('names no file that there is not', () => {
    const text = readFileSync('SECURITY.md', 'utf8');
    const named = [...text.matchAll(/`((?:test|src|docs|docker)\/[\w./-]+)`|\]\(([\w./-]+)(?:#[\w-]+)?\)/g)].map(
      ([, file, link]) => file ?? link ?? '',
    );
    expect(named.length).toBeGreaterThan(40);
    expect(named.filter((file) => !existsSync(file))).toEqual([]);
  });

  it.each(threats())('names tests that there are: $threat', ({ tests }) => {
    const named = [...tests.matchAll(/`(test\/[\w./-]+\.test\.ts)`: \*(.+?)\*(?=, `|$)/g)];
    expect(named.length).toBeGreaterThan(0);
    // Nothing else stands in the column: no file without what to look for in it.
    expect(named.map(([whole]) => whole).join(', ')).toBe(tests);
    for (const [, file = '', words = ''] of named) {
      expect(words.split(' ').length, `"${words}" may be anything`).toBeGreaterThanOrEqual(3);
      const found = titlesIn(file).some((title) => title.includes(words));
      expect(found, `${file} has no test "${words}" that runs`).toBe(true);
    }
  });
});
