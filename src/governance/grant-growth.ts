import { isStricter } from './confidentiality.js';
import type { Context } from './context.js';
import { unopenedColumns } from './policy-decision.js';
import type { ColumnFacts } from './policy-facts.js';
import { type Judged, openedColumns, readJudged } from './policy-judging.js';
import { holdPolicies } from './policy-slice.js';
import { whyItEnds } from './product-claims.js';
import type { GrantRow, ProductWithTables } from './rows.js';
import type { Tx } from './transaction.js';

/**
 * A grant to a whole table opens the columns that the table gets later, and those that are marked later as personal or classified higher.
 * Nobody approved them: the policies are asked as for new access, and what they do not open is withheld from the grant until somebody asks
 * anew. Where less than the table cannot be given (by tag, to write), the grant ends (product-claims.ts, whyItEnds).
 */
interface Growth {
  /** As it was. */
  before: ProductWithTables;
  /** As it becomes. */
  product: ProductWithTables;
  /** Its live grants. */
  grants: GrantRow[];
}

type Judging = Pick<Context, 'policies'> & Partial<Pick<Context, 'viewer'>>;

/** The grants with what is withheld from them once the product has changed, and writes that down. Their rows are locked. */
export async function withholdUnopened(ctx: Judging, tx: Tx, growth: Growth): Promise<GrantRow[]> {
  await holdPolicies(tx, 'SHARED');
  const grown = await grownGrants(ctx, tx, growth);
  for (const [index, { id, withheld }] of grown.entries()) {
    if (withheld.join() === growth.grants[index]?.withheld.join()) continue;
    await tx.accessGrant.update({ where: { id }, data: { withheld }, select: { id: true } });
  }
  return grown;
}

/** The same, and writes nothing. One statement where a grant would grow, else none. */
export async function grownGrants(ctx: Judging, tx: Tx, { before, product, grants }: Growth): Promise<GrantRow[]> {
  const growths = new Map(grants.map((grant) => [grant.id, growthOf(grant, { before, product })]));
  const growing = grants.filter(({ id }) => (growths.get(id) ?? []).length > 0);
  const judged = growing.length === 0 ? [] : await readJudged(ctx, tx, growing.map(keeping(product, growths)));
  const withheld = new Map(
    growing.map(({ id }, index) => [id, unopenedColumns(judged[index] as Judged, growths.get(id) ?? [])]),
  );
  return grants.map((grant) => withheldFrom(grant, withheld.get(grant.id) ?? []));
}

const withheldFrom = (grant: GrantRow, withheld: string[]): GrantRow => ({
  ...grant,
  withheld,
  request: { ...grant.request, withheld },
});

/** The columns that a grant would come to and does not come to as they are then: new ones, withheld ones, and those with stricter marks. */
function growthOf(grant: GrantRow, { before, product }: Pick<Growth, 'before' | 'product'>): ColumnFacts[] {
  const { request } = grant;
  if (whyItEnds(withheldFrom(grant, []), product) !== null) return [];
  const open = new Map(
    openedColumns(request, before).flatMap((alike) =>
      alike.names.map((name) => [`${alike.table}.${name}`, alike] as const),
    ),
  );
  const isNew = (name: string, { table, pii, classification }: ColumnFacts): boolean => {
    const was = open.get(`${table}.${name}`);
    return was === undefined || (pii && !was.pii) || isStricter(classification, was.classification);
  };
  return openedColumns({ ...request, withheld: [] }, product)
    .map((alike) => ({ ...alike, names: alike.names.filter((name) => isNew(name, alike)) }))
    .filter(({ names }) => names.length > 0);
}

/** A grant's request as it would be judged now for the columns that the grant keeps. */
const keeping = (product: ProductWithTables, growths: Map<string, ColumnFacts[]>) => (grant: GrantRow) => {
  const { id, request, requestId, expiresAt, consumerDomain: consumer } = grant;
  const withheld = (growths.get(id) ?? []).flatMap(({ table, names }) => names.map((name) => `${table}.${name}`));
  return { request: { ...request, id: requestId, expiresAt, withheld }, product, consumer };
};
