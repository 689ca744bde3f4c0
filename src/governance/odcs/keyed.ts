/** Items by key in their order; a further item of a key that is taken counts on (`key 2`), so that none is lost. */
export function keyedInOrder<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T> {
  const keyed = new Map<string, T>();
  const taken = new Map<string, number>();
  for (const item of items) {
    const key = keyOf(item);
    const count = (taken.get(key) ?? 0) + 1;
    taken.set(key, count);
    keyed.set(`${key} ${count}`, item);
  }
  return keyed;
}
