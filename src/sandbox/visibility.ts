/** Eventual visibility: what each table held a while ago, for listings that lag behind the writes. Kept in memory alone. */
import type { Table, World } from './service.js';

/** One change of one row, undone by putting `before` back. */
interface Change {
  at: number;
  table: string;
  key: string;
  before: unknown;
}

interface Watched<T> {
  name: string;
  rows: Table<T>;
  visibilityMs: number;
}

const histories = new WeakMap<World, Change[]>();

function historyOf(world: World): Change[] {
  const found = histories.get(world) ?? [];
  histories.set(world, found);
  return found;
}

/** The table, noting what each change replaces; what every listing shows by now is forgotten. */
export function recorded<T>(world: World, { name, rows, visibilityMs }: Watched<T>): Table<T> {
  const history = historyOf(world);
  const note = (key: string): void => {
    const now = world.now().getTime();
    const shown = history.findIndex(({ at }) => at > now - visibilityMs);
    history.splice(0, shown === -1 ? history.length : shown);
    history.push({ at: now, table: name, key, before: rows.get(key) });
  };
  return {
    get: (key) => rows.get(key),
    entries: () => rows.entries(),
    values: () => rows.values(),
    shared: () => rows.shared(),
    put(key, value) {
      note(key);
      rows.put(key, value);
    },
    delete(key) {
      note(key);
      return rows.delete(key);
    },
  };
}

/** The table as it was `visibilityMs` ago; what a listing would write is dropped, as it was seen too late. */
export function asOf<T>(world: World, { name, rows, visibilityMs }: Watched<T>): Table<T> {
  const since = world.now().getTime() - visibilityMs;
  const past = new Map<string, T>(rows.entries());
  for (const change of historyOf(world).toReversed()) {
    if (change.table !== name || change.at <= since) continue;
    if (change.before === undefined) past.delete(change.key);
    else past.set(change.key, change.before as T);
  }
  return {
    get: (key) => structuredClone(past.get(key)),
    entries: () => past.entries(),
    values: () => past.values(),
    shared: () => past.values(),
    put: () => undefined,
    delete: () => false,
  };
}
