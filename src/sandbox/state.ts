import { mkdirSync } from 'node:fs';
import { type Change, openJournal } from './journal.js';
import type { Table } from './service.js';

/** The durable tables of one sandbox. */
export interface State {
  table<T>(name: string): Table<T>;
  tableNames(): string[];
  /** Writes every change made so far to the journal in one write; called before each answer; nothing is written once it is closed. */
  flush(): void;
  close(): void;
}

/** Opens the state kept in a folder, creating the folder (0700) when it is missing. */
export function openState(dataDir: string): State {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const tables = new Map<string, Map<string, string>>();
  let pending: Change[] = [];
  let closed = false;
  const rows = (name: string): Map<string, string> => {
    const found = tables.get(name) ?? new Map<string, string>();
    tables.set(name, found);
    return found;
  };
  const journal = openJournal(dataDir, ({ t, k, v }) => {
    if (v === undefined) rows(t).delete(k);
    else rows(t).set(k, v);
  });
  const live = () => [...tables.values()].reduce((sum, table) => sum + table.size, 0);
  const compactIfBloated = (): void => {
    if (journal.isBloated(live())) journal.compact(everyEntry(tables));
  };
  compactIfBloated();
  return {
    table: (name) => openTable(name, rows(name), (change) => pending.push(change)),
    tableNames: () => [...tables.keys()].sort(),
    flush() {
      if (closed) return;
      journal.append(pending);
      pending = [];
      compactIfBloated();
    },
    close() {
      journal.append(pending);
      journal.close();
      closed = true;
    },
  };
}

/** What JSON text was parsed to, frozen; kept as long as the text is that of a row. */
type Parsed = Map<string, { text: string; value: unknown }>;

const parsedOf = new WeakMap<Map<string, string>, Parsed>();

function* frozenValues<T>(rows: Map<string, string>): Iterable<T> {
  const parsed: Parsed = parsedOf.get(rows) ?? new Map();
  parsedOf.set(rows, parsed);
  if (parsed.size > 2 * rows.size) for (const key of parsed.keys()) if (!rows.has(key)) parsed.delete(key);
  for (const [key, text] of rows) {
    const known = parsed.get(key);
    const value = known?.text === text ? known.value : freeze(JSON.parse(text));
    if (known?.value !== value) parsed.set(key, { text, value });
    yield value as T;
  }
}

function freeze(value: unknown): unknown {
  if (typeof value === 'object' && value !== null) for (const member of Object.values(value)) freeze(member);
  return Object.freeze(value);
}

/** Rows are kept as JSON text: a caller always gets a copy, and the journal needs no second serialization. */
function openTable<T>(name: string, rows: Map<string, string>, record: (change: Change) => void): Table<T> {
  return {
    shared: () => frozenValues<T>(rows),
    get(key) {
      const text = rows.get(key);
      return text === undefined ? undefined : (JSON.parse(text) as T);
    },
    put(key, value) {
      const text = JSON.stringify(value);
      rows.set(key, text);
      record({ t: name, k: key, v: text });
    },
    delete(key) {
      const existed = rows.delete(key);
      if (existed) record({ t: name, k: key });
      return existed;
    },
    *entries() {
      for (const [key, text] of rows) yield [key, JSON.parse(text) as T];
    },
    *values() {
      for (const text of rows.values()) yield JSON.parse(text) as T;
    },
  };
}

function* everyEntry(tables: Map<string, Map<string, string>>): Iterable<Change> {
  for (const [t, rows] of tables) for (const [k, v] of rows) yield { t, k, v };
}
