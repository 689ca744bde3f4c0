import { announceAccess } from './announce.js';
import { isStricter } from './confidentiality.js';
import type { ActingContext } from './context.js';
import { approvalsThatDo, type Judging } from './policy-approvals.js';
import { eachColumn, refusedColumns } from './policy-columns.js';
import { grantedAtOnce } from './policy-decision.js';
import { type AccessFacts, askRequest, type ColumnFacts, classificationOf, personal } from './policy-facts.js';
import { type Judged, readJudged } from './policy-judging.js';
import { holdPolicies } from './policy-slice.js';
import type { JudgingContext } from './policy-surroundings.js';
import { whyItEnds } from './product-claims.js';
import { openedColumns } from './product-facts.js';
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

/**
 * The grants with what is withheld from them once the product has changed; writes that down, and tells both domains where the grant goes on.
 * Their rows are locked.
 */
export async function withholdUnopened(
  ctx: JudgingContext & ActingContext,
  tx: Tx,
  growth: Growth,
): Promise<GrantRow[]> {
  await holdPolicies(tx, 'SHARED');
  const grown = await grownGrants(ctx, tx, growth);
  for (const [index, grant] of grown.entries()) {
    const { id, withheld } = grant;
    if (withheld.join() === growth.grants[index]?.withheld.join()) continue;
    await tx.accessGrant.update({ where: { id }, data: { withheld }, select: { id: true } });
    if (grant.status === 'ACTIVE' && whyItEnds(grant, growth.product) === null) await tellWithheld(ctx, tx, grant);
  }
  return grown;
}

/** What is on its way, and what comes to its end, tell of it themselves. */
async function tellWithheld(ctx: ActingContext, tx: Tx, grant: GrantRow): Promise<void> {
  const { status, expiresAt, withheld: withheldColumns } = grant;
  const { principals, permissions } = grant.request;
  const said = { before: { status }, after: { status }, principals, permissions, expiresAt };
  const data = { ...said, withheldColumns, createResourceLinks: [] };
  await announceAccess(tx, ctx, { type: 'AccessGranted', access: grant, data });
}

/** The same, and writes nothing. One statement where a grant would grow, else none. */
export async function grownGrants(
  ctx: JudgingContext,
  tx: Tx,
  { before, product, grants }: Growth,
): Promise<GrantRow[]> {
  const growths = new Map(grants.map((grant) => [grant.id, growthOf(grant, { before, product })]));
  const growing = grants.filter(({ id }) => (growths.get(id) ?? []).length > 0);
  const judged = growing.length === 0 ? [] : await readJudged(ctx, tx, growing.map(keeping(product, growths)));
  const withheld = new Map<string, string[]>();
  for (const [index, { id }] of growing.entries())
    withheld.set(id, await unopenedColumns(judged[index] as Judged, growths.get(id) ?? []));
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

/**
 * Which of the columns that a grant would grow by the policies do not open to it, as `table.column`: those that may not be read, and those
 * with which it would have needed other approvals. The facts are of the columns that it keeps.
 */
async function unopenedColumns(judging: Judging, grown: ColumnFacts[]): Promise<string[]> {
  const withheld: string[] = [];
  let { facts } = judging;
  for (const group of grown) {
    const wider = { ...facts, columns: [...facts.columns, group] };
    const names = eachColumn(group).flatMap(({ columns }) => columns);
    const refused = (await needsTheSame(judging, facts, wider))
      ? (await refusedColumns({ ...judging, facts: wider }, [group])).flatMap(({ columns }) => columns)
      : names;
    withheld.push(...refused);
    const opened = group.names.filter((name) => !refused.includes(`${group.table}.${name}`));
    if (opened.length > 0) facts = { ...facts, columns: [...facts.columns, { ...group, names: opened }] };
  }
  return withheld.sort();
}

/** Whether a request for more columns would be taken and approved as one for fewer. Policies see of columns how strict all of them are. */
async function needsTheSame(judging: Judging, fewer: AccessFacts, more: AccessFacts): Promise<boolean> {
  if (classificationOf(fewer) === classificationOf(more) && personal(fewer.columns) === personal(more.columns))
    return true;
  const needs = async (facts: AccessFacts) => {
    const { engine, slice } = judging;
    const taken = (['submit', 'withoutExpiry'] as const).map(
      (action) => engine.ask(slice, askRequest(facts, action)).allowed,
    );
    const asked = { ...judging, facts };
    return JSON.stringify([taken, grantedAtOnce(asked).allowed, await approvalsThatDo(asked)]);
  };
  return (await needs(fewer)) === (await needs(more));
}
