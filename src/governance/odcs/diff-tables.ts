import { type ContractChange, type ContractChangeKind, change } from './change-kind.js';
import { compareTypes, readType } from './hive-type.js';
import type { ContractColumn, ContractTable } from './read-tables.js';
import { CONTRACT_CLASSIFICATIONS } from './sensitivity.js';

/** Compares the tables of two contracts by name, and the columns of each. */
export function diffTables(from: ContractTable[], to: ContractTable[]): ContractChange[] {
  const after = new Map(to.map((table) => [table.name, table]));
  const before = new Set(from.map(({ name }) => name));
  const pathOf = (name: string): string => `schema/${name}`;
  const kept = from.flatMap((table) => {
    const other = after.get(table.name);
    if (other === undefined) return [change('TABLE_REMOVED', pathOf(table.name), `Table ${table.name} is gone`)];
    return diffTable(pathOf(table.name), table, other);
  });
  const added = to
    .filter(({ name }) => !before.has(name))
    .map(({ name }) => change('TABLE_ADDED', pathOf(name), `Table ${name} is new`));
  return [...kept, ...added];
}

function diffTable(path: string, from: ContractTable, to: ContractTable): ContractChange[] {
  const differs = (kind: ContractChangeKind, what: string, values: [unknown, unknown]): ContractChange[] =>
    same(...values)
      ? []
      : [change(kind, path, `${what} of table ${from.name} changed from ${show(values[0])} to ${show(values[1])}`)];
  const about = ({ logicalName, description, businessName, tags, pii }: ContractTable): unknown[] => [
    ...[logicalName, description, businessName],
    ...[tags, pii],
  ];
  return [
    ...differs('PRIMARY_KEY_CHANGED', 'The primary key', [from.primaryKey, to.primaryKey]),
    ...differs('PARTITION_KEYS_CHANGED', 'The partition keys', [from.partitionKeys, to.partitionKeys]),
    ...differs('TABLE_LOCATION_CHANGED', 'The location', [from.location, to.location]),
    ...differs('TABLE_FORMAT_CHANGED', 'The format', [from.format, to.format]),
    ...(same(about(from), about(to))
      ? []
      : [change('TABLE_METADATA_CHANGED', path, `The description, names or tags of table ${from.name} changed`)]),
    ...diffColumns(path, from.columns, to.columns),
  ];
}

function diffColumns(table: string, from: ContractColumn[], to: ContractColumn[]): ContractChange[] {
  const after = new Map(to.map((column) => [column.name, column]));
  const before = new Set(from.map(({ name }) => name));
  const pathOf = (name: string): string => `${table}/properties/${name}`;
  const kept = from.flatMap((column) => {
    const other = after.get(column.name);
    if (other === undefined) return [change('COLUMN_REMOVED', pathOf(column.name), `Column ${column.name} is gone`)];
    return diffColumn(pathOf(column.name), column, other);
  });
  const added = to
    .filter(({ name }) => !before.has(name))
    .map(({ name, type }) => change('COLUMN_ADDED', pathOf(name), `Column ${name} of type ${type} is new`));
  return [...kept, ...added];
}

function diffColumn(path: string, from: ContractColumn, to: ContractColumn): ContractChange[] {
  const changes: ContractChange[] = [];
  const add = (kind: ContractChangeKind, message: string): void => {
    changes.push(change(kind, path, `Column ${from.name} ${message}`));
  };
  const typeKind = typeChangeOf(from.type, to.type);
  if (typeKind !== undefined) add(typeKind, `changed its type from ${from.type} to ${to.type}`);
  if (!from.required && to.required) add('COLUMN_REQUIRED_ADDED', 'may no longer be null');
  if (from.required && !to.required) add('COLUMN_REQUIRED_DROPPED', 'may now be null');
  if (!from.unique && to.unique) add('COLUMN_UNIQUE_ADDED', 'is now unique');
  if (from.unique && !to.unique) add('COLUMN_UNIQUE_DROPPED', 'is no longer unique');
  if (!from.pii && to.pii) add('COLUMN_PII_ADDED', 'is now marked as personal data');
  if (from.pii && !to.pii) add('COLUMN_PII_DROPPED', 'is no longer marked as personal data');
  const [classBefore, classAfter] = [from, to].map(({ classification }) =>
    classification === undefined ? -1 : CONTRACT_CLASSIFICATIONS.indexOf(classification),
  ) as [number, number];
  const moved = `changed its classification from ${from.classification ?? 'none'} to ${to.classification ?? 'none'}`;
  if (classAfter > classBefore) add('COLUMN_CLASSIFICATION_RAISED', moved);
  if (classAfter < classBefore) add('COLUMN_CLASSIFICATION_LOWERED', moved);
  const about = (column: ContractColumn): unknown[] => [
    ...[column.description, column.businessName],
    ...[column.tags, column.criticalDataElement],
  ];
  if (!same(about(from), about(to))) add('COLUMN_METADATA_CHANGED', 'changed its description, name for people or tags');
  return changes;
}

/** What kind of change one Hive type is to another; undefined where they are the same. */
export function typeChangeOf(from: string, to: string): ContractChangeKind | undefined {
  if (from === to) return undefined;
  const [before, after] = [readType(from), readType(to)];
  const how = before === undefined || after === undefined ? 'CHANGED' : compareTypes(before, after);
  return how === 'SAME' ? undefined : `COLUMN_TYPE_${how}`;
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function show(value: unknown): string {
  if (Array.isArray(value)) return value.length > 0 ? value.join(', ') : 'none';
  return value === undefined ? 'none' : String(value);
}
