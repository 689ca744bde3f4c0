import type { Permission } from '../generated/prisma/client.js';
import { type AskedAccess, askedTables } from './desired-access.js';
import type { ColumnFacts, ProductFacts } from './policy-facts.js';
import { readRowFilter } from './row-filter.js';
import type { ProductWithTables } from './rows.js';

/** A product as policies see it. */
export function productFacts(product: ProductWithTables, contract: string | null): ProductFacts {
  const { name, classification, tags, accessMode } = product;
  return { domain: product.domain.name, name, classification, tags, accessMode, contract };
}

/** Every column of a product, those of a table that are alike together. */
export const columnFacts = (product: ProductWithTables): ColumnFacts[] =>
  product.tables.flatMap(({ name, columns }) => alike(product, name, columns));

/** Whoever may alter a table gets its location too, and with it all that lies there. */
const OPENING: readonly Permission[] = ['SELECT', 'ALTER'];

/** The columns that a request comes to. What the filter of rows compares is opened too: which rows there are tells what is in it. */
export function openedColumns(request: AskedAccess, product: ProductWithTables): ColumnFacts[] {
  if (!request.permissions.some((permission) => OPENING.includes(permission))) return [];
  return askedTables(request, product).flatMap(({ name, columns, rowFilter }) => {
    const table = product.tables.find((one) => one.name === name);
    const all = table?.columns ?? [];
    const compared = rowFilter === null ? [] : readRowFilter(rowFilter, all).columns;
    const opened = all.filter(
      (column) => columns === null || columns.includes(column.name) || compared.includes(column.name),
    );
    return alike(product, name, opened);
  });
}

function alike(
  { classification: ofProduct }: ProductWithTables,
  table: string,
  columns: ProductWithTables['tables'][number]['columns'],
): ColumnFacts[] {
  const groups = new Map<string, ColumnFacts>();
  for (const { name, pii, classification: own } of columns) {
    const classification = own ?? ofProduct;
    const key = `${pii} ${classification}`;
    const group = groups.get(key) ?? { table, names: [], pii, classification };
    group.names.push(name);
    groups.set(key, group);
  }
  return [...groups.values()];
}
