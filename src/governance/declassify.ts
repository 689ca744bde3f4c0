import { can, REFUSALS } from './authorization.js';
import { confidentiality, isStricter } from './confidentiality.js';
import type { Context } from './context.js';
import { forbidden } from './error.js';
import { shortened } from './policy-columns.js';
import { type ProductWithTables, productSubject } from './rows.js';

/** A product that is published or changes while it is: as it was, with what is known of what comes to it (known-marks.ts), and as it becomes. */
interface Declassifying {
  was: ProductWithTables;
  product: ProductWithTables;
}

type Marks = Pick<ProductWithTables['tables'][number]['columns'][number], 'pii' | 'classification'>;

/**
 * What of the product becomes less sensitive: the product itself where it is classified lower, and columns that are, or that are not marked as
 * personal any more. `sensitive` alone counts what was CONFIDENTIAL, RESTRICTED or personal.
 */
function lessened({ was, product }: Declassifying, { sensitive }: { sensitive: boolean }): string[] {
  const lower = (from: ProductWithTables['classification'], to: ProductWithTables['classification']) =>
    isStricter(from, to) && (!sensitive || confidentiality(from) === 'sensitive');
  const before = new Map<string, Marks>(
    was.tables.flatMap(({ name, columns }) => columns.map((column) => [`${name}.${column.name}`, column] as const)),
  );
  const columns = product.tables.flatMap(({ name, columns: all }) =>
    all.flatMap((column) => {
      const full = `${name}.${column.name}`;
      const known = before.get(full);
      if (known === undefined) return [];
      const [from, to] = [known.classification ?? was.classification, column.classification ?? product.classification];
      return (known.pii && !column.pii) || lower(from, to) ? [full] : [];
    }),
  );
  return lower(was.classification, product.classification)
    ? [`the product, known as ${was.classification}`, ...columns]
    : columns;
}

/** Whether anything of the product becomes less sensitive, from whatever it was. */
export const becomesLess = (change: Declassifying): boolean => lessened(change, { sensitive: false }).length > 0;

/** What is sensitive becomes less by an owner's hand alone, once it is published. */
export function refuseDeclassifying(ctx: Context, change: Declassifying): void {
  const [refusal] = declassifyingRefusals(ctx, change);
  if (refusal !== undefined) throw forbidden(refusal);
}

/** The same as a plan says it. */
export function declassifyingRefusals({ viewer }: Context, change: Declassifying): string[] {
  const names = lessened(change, { sensitive: true });
  if (names.length === 0 || can(viewer, 'data-product:declassify', productSubject(change.product))) return [];
  return [`${REFUSALS['data-product:declassify']} It is about ${shortened(names)}.`];
}
