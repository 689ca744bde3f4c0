import { assertCan, can, REFUSALS } from './authorization.js';
import { confidentiality, isStricter } from './confidentiality.js';
import type { Context } from './context.js';
import { type ProductWithTables, productSubject } from './rows.js';

/** A published product that changes, as it was and as it becomes. */
interface Declassifying {
  was: ProductWithTables;
  product: ProductWithTables;
}

/**
 * Whether something of the product becomes less sensitive: it is classified lower, or a column that it keeps is, or is not marked as
 * personal any more. `sensitive` alone counts what was CONFIDENTIAL, RESTRICTED or personal.
 */
export function becomesLess({ was, product }: Declassifying, { sensitive }: { sensitive: boolean }): boolean {
  const lower = (from: ProductWithTables['classification'], to: ProductWithTables['classification']) =>
    isStricter(from, to) && (!sensitive || confidentiality(from) === 'sensitive');
  if (lower(was.classification, product.classification)) return true;
  const columns = new Map(
    was.tables.flatMap(({ name, columns: all }) => all.map((column) => [`${name}.${column.name}`, column] as const)),
  );
  return product.tables.some(({ name, columns: all }) =>
    all.some((column) => {
      const before = columns.get(`${name}.${column.name}`);
      if (before === undefined) return false;
      if (before.pii && !column.pii) return true;
      return lower(before.classification ?? was.classification, column.classification ?? product.classification);
    }),
  );
}

/** What is sensitive becomes less by an owner's hand alone, once it is published. */
export function refuseDeclassifying({ viewer }: Context, change: Declassifying): void {
  if (becomesLess(change, { sensitive: true }))
    assertCan(viewer, 'data-product:declassify', productSubject(change.was));
}

/** The same as a plan says it. */
export function declassifyingRefusals({ viewer }: Context, change: Declassifying): string[] {
  if (!becomesLess(change, { sensitive: true })) return [];
  return can(viewer, 'data-product:declassify', productSubject(change.was))
    ? []
    : [REFUSALS['data-product:declassify']];
}
