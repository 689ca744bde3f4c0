/** The algebra of column scopes: which columns of a table a SELECT permission reaches. */

/** Chosen columns, or all columns but some; all columns are `{ excluded: [] }`. Names are folded, sorted and unique. */
export type ColumnScope = { names: string[] } | { excluded: string[] };

/** Every column, those added later too. */
export const EVERY_COLUMN: ColumnScope = { excluded: [] };

function tidy(names: Iterable<string>): string[] {
  return [...new Set(names)].sort();
}

/** The scope of these columns alone. */
export function onlyColumns(names: Iterable<string>): ColumnScope {
  return { names: tidy(names) };
}

/** The scope of all columns but these. */
export function allColumnsBut(names: Iterable<string>): ColumnScope {
  return { excluded: tidy(names) };
}

/** Whether the scope reaches the column. */
export function reaches(scope: ColumnScope, column: string): boolean {
  return 'names' in scope ? scope.names.includes(column) : !scope.excluded.includes(column);
}

/** Whether the scope reaches no column at all. */
export function isNoColumn(scope: ColumnScope): boolean {
  return 'names' in scope && scope.names.length === 0;
}

function complement(scope: ColumnScope): ColumnScope {
  return 'names' in scope ? { excluded: scope.names } : { names: scope.excluded };
}

/** The columns of either scope. */
export function unite(a: ColumnScope, b: ColumnScope): ColumnScope {
  return complement(intersect(complement(a), complement(b)));
}

/** The columns of both scopes. */
export function intersect(a: ColumnScope, b: ColumnScope): ColumnScope {
  if ('names' in a) return onlyColumns(a.names.filter((name) => reaches(b, name)));
  if ('names' in b) return onlyColumns(b.names.filter((name) => reaches(a, name)));
  return allColumnsBut([...a.excluded, ...b.excluded]);
}

/** Whether every column of `inner` is one of `outer`. */
export function contains(outer: ColumnScope, inner: ColumnScope): boolean {
  return sameScope(intersect(outer, inner), inner);
}

/** Whether two scopes reach the same columns. */
export function sameScope(a: ColumnScope, b: ColumnScope): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/**
 * What is left of `held` once `revoked` is taken; undefined where `held` does not carry it. Column names can be taken from
 * column names alone: a permission on all columns is revoked as it was granted, whole.
 */
export function withoutColumns(held: ColumnScope, revoked: ColumnScope): ColumnScope | undefined {
  if (sameScope(held, revoked)) return onlyColumns([]);
  if (!('names' in held) || !('names' in revoked)) return undefined;
  const left = held.names.filter((name) => !revoked.names.includes(name));
  return left.length === held.names.length ? undefined : onlyColumns(left);
}
