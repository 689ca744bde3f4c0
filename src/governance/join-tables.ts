import { invalid } from './error.js';
import type { ColumnShape, TableShape } from './tables.js';

/**
 * The tables of a contract, completed by fields: location and format come from the fields where they are given there, as does what
 * the contract leaves out. What both state must agree. A contract without tables leaves the fields as they are.
 */
export function joinTables(contract: TableShape[], fields: TableShape[]): TableShape[] {
  if (contract.length === 0) return fields;
  const stated = new Set(contract.map(({ name }) => name));
  fields.forEach(({ name }, index) => {
    if (!stated.has(name)) {
      const path = `tables.${index}.name`;
      throw invalid(
        path,
        `${path}: the contract has no table ${name}; it has ${contract.map((table) => table.name).join(', ')}.`,
      );
    }
  });
  const given = new Map(fields.map((field, index) => [field.name, { field, index }]));
  return contract.map((table) => {
    const { field, index } = given.get(table.name) ?? {};
    return field === undefined ? table : joinTable(table, field, `tables.${index}`);
  });
}

function joinTable(table: TableShape, field: TableShape, path: string): TableShape {
  const given = (key: string, name: string) =>
    `${path}.${key}: the contract states ${name} otherwise: let them agree, or leave it out.`;
  if (field.columns.length > 0 && !sameColumns(table.columns, field.columns)) {
    throw invalid(`${path}.columns`, given('columns', 'the columns'));
  }
  return {
    name: table.name,
    description: table.description ?? field.description,
    location: field.location ?? table.location,
    format: field.format ?? table.format,
    columns: table.columns.length > 0 ? table.columns : field.columns,
  };
}

/** A contract without columns leaves them to the fields. Order is the contract's. */
function sameColumns(contract: ColumnShape[], fields: ColumnShape[]): boolean {
  if (contract.length === 0) return true;
  const texts = (columns: ColumnShape[]) =>
    columns.map(({ name, type }) => `${name} ${type.replaceAll(' ', '').toLowerCase()}`).sort();
  return JSON.stringify(texts(contract)) === JSON.stringify(texts(fields));
}

/** An activated contract's tables, with the location and format that a table of that name had before where the contract has none. */
export function inheritStorage(contract: TableShape[], before: TableShape[]): TableShape[] {
  const known = new Map(before.map((table) => [table.name, table]));
  return contract.map((table) => {
    const earlier = known.get(table.name);
    return {
      ...table,
      location: table.location ?? earlier?.location ?? null,
      format: table.format ?? earlier?.format ?? null,
    };
  });
}
