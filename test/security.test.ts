import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

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
      const text = existsSync(file) ? readFileSync(file, 'utf8').replaceAll('\\', '').replaceAll('’', "'") : '';
      expect(text.includes(words), `${file} has no "${words}"`).toBe(true);
    }
  });
});
