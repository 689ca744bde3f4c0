import { groupBy } from '../provisioning/group.js';
import type { Declaring } from '../provisioning/plan.js';
import { can } from './authorization.js';
import { grantOwner, productOwner } from './claims.js';
import type { Context } from './context.js';
import { withCrawls } from './crawl.js';
import { declassifyingRefusals } from './declassify.js';
import { desiredContract } from './desired-contract.js';
import { GovernanceError } from './error.js';
import { grownGrants } from './grant-growth.js';
import { asKnown } from './known-marks.js';
import { type Change, readOnly, type ShownPlan, showPlans } from './planned.js';
import { shortened } from './policy-columns.js';
import { asWas, readPublications } from './policy-publication.js';
import { grantResources, productResources, whyItEnds } from './product-claims.js';
import {
  type GrantRow,
  type ProductWithTables,
  productSubject,
  readLiveGrantIds,
  readProducts,
  withContract,
} from './rows.js';
import type { Tx } from './transaction.js';
import { canStep, DATA_PRODUCT } from './transitions.js';

/** A change, and the product that it is of. */
export interface ProductChange extends Change {
  product: ProductWithTables;
}

/**
 * What publishing would do, by product: for those that are drafts and that the viewer may publish. One read-only transaction.
 */
export function planPublish(ctx: Context, ids: string[]): Promise<Map<string, ShownPlan>> {
  return planProducts(ctx, ids, async (tx) => async (product) => {
    if (!mayPublish(ctx, product)) return null;
    const { refusals, policyVersion } = await judgeChange(ctx, tx, { product, was: null });
    const full = await withContract(tx, product);
    const change = await publishing(ctx, tx, withCrawls(full, { all: false }));
    if (refusals.length > 0) {
      return { declarations: [], refusals: [...refusals, ...change.refusals], policyVersion };
    }
    return { ...change, warnings: desiredContract(ctx.mesh, full).leftOut, policyVersion };
  });
}

const mayPublish = ({ viewer }: Context, product: ProductWithTables): boolean =>
  canStep(DATA_PRODUCT, product.status, 'publish') && can(viewer, 'data-product:publish', productSubject(product));

/** What retiring would do, live grants revoked, by product: for those that the viewer may retire. */
export function planRetire(ctx: Context, ids: string[]): Promise<Map<string, ShownPlan>> {
  return planProducts(ctx, ids, async (tx) => {
    const live = groupBy(await readLiveGrantIds(tx, ids), ({ productId }) => productId);
    return (product) => {
      if (!canStep(DATA_PRODUCT, product.status, 'retire')) return null;
      if (!can(ctx.viewer, 'data-product:retire', productSubject(product))) return null;
      const grants = live.get(product.id) ?? [];
      const warnings =
        grants.length > 0 ? [`${grants.length} live grants would be revoked: retire it with revokeGrants: true.`] : [];
      const owners: Declaring['owner'][] = [...grants.map(grantOwner), productOwner(product)];
      return { declarations: owners.map((owner) => ({ owner, resources: [] })), refusals: [], warnings };
    };
  });
}

interface Changing {
  product: ProductWithTables;
  /** Its live grants. */
  grants: GrantRow[];
  /** As it was. */
  was: ProductWithTables;
  /** The version of the contract that would be in force; left out where it stays. */
  contract?: string;
}

/**
 * What it takes for a published product, and for its live grants, to be as given here; a grant of which nothing is left lets go. The
 * policies are asked whether it may be published so, and what the grants may grow by; those are answered too, as they would be.
 */
export async function changing(
  ctx: Context,
  tx: Tx,
  { product, grants: live, was, contract }: Changing,
): Promise<Change & { grants: GrantRow[] }> {
  const { policyVersion, refusals: denied } = await judgeChange(ctx, tx, { product, was, contract });
  const { declarations, refusals } = await publishing(ctx, tx, product);
  const grants = await grownGrants(ctx, tx, { before: was, product, grants: live });
  if (refusals.length > 0) return { declarations, refusals: [...denied, ...refusals], policyVersion, grants };
  const given = grants.map((grant) => ({
    owner: grantOwner(grant),
    resources: grantResources(ctx.mesh, grant, product),
  }));
  const warnings = [...endings(product, grants), ...withholdings(product, { live, grants })];
  return { declarations: [...declarations, ...given], refusals: denied, warnings, policyVersion, grants };
}

/** `was` null: it would be published for the first time. */
async function judgeChange(
  ctx: Context,
  tx: Tx,
  {
    product,
    was,
    contract,
  }: { product: ProductWithTables; was: ProductWithTables | null; contract?: string | undefined },
): Promise<{ policyVersion: string; refusals: string[] }> {
  const known = await asKnown(tx, { was, product });
  const refusals = declassifyingRefusals(ctx, { was: known, product });
  let policyVersion = '';
  for (const each of [product, ...asWas({ was: known, product })]) {
    const found = (await readPublications(ctx, tx, { products: [each], coming: contract })).get(product.id);
    if (found?.refusal) refusals.push(found.refusal.message);
    policyVersion = found?.policyVersion ?? policyVersion;
  }
  return { policyVersion, refusals: [...new Set(refusals)] };
}

/** Which grants would end, by reason. */
function endings(product: ProductWithTables, grants: GrantRow[]): string[] {
  const ending = grants.flatMap((grant) => whyItEnds(grant, product) ?? []);
  return [...groupBy(ending, (reason) => reason)].map(([reason, { length }]) =>
    length === 1 ? `One grant would end: ${reason}` : `${length} grants would end: ${reason}`,
  );
}

/** What would be withheld from which grants that go on, and is not yet. */
function withholdings(
  product: ProductWithTables,
  { live, grants }: { live: GrantRow[]; grants: GrantRow[] },
): string[] {
  const had = new Map(live.map(({ id, withheld }) => [id, withheld]));
  const narrowed = grants.flatMap((grant) => {
    const more = grant.withheld.filter((column) => !had.get(grant.id)?.includes(column));
    return more.length === 0 || whyItEnds(grant, product) !== null ? [] : [shortened(more)];
  });
  return [...groupBy(narrowed, (columns) => columns)].map(([columns, { length }]) => {
    const who = length === 1 ? 'One grant goes on' : `${length} grants go on`;
    return `${who} without ${columns}, which the policies do not open to it: who needs that asks anew.`;
  });
}

async function publishing(ctx: Context, tx: Tx, product: ProductWithTables): Promise<Change> {
  try {
    const resources = await productResources(ctx, tx, product);
    return { declarations: [{ owner: productOwner(product), resources }], refusals: [] };
  } catch (error) {
    if (error instanceof GovernanceError) return { declarations: [], refusals: [error.message] };
    throw error;
  }
}

/** `prepare` reads what concerns all of the products, and says of each what would become of it. */
async function planProducts(
  ctx: Context,
  ids: string[],
  prepare: (tx: Tx) => Promise<(product: ProductWithTables) => Change | null | Promise<Change | null>>,
): Promise<Map<string, ShownPlan>> {
  return readOnly(ctx.db, async (tx) => {
    const changes: ProductChange[] = [];
    const products = [...(await readProducts(tx, ids)).values()];
    const changeOf = await prepare(tx);
    for (const product of products) {
      const found = await changeOf(product);
      if (found) changes.push({ ...found, product });
    }
    const plans = await showChanges(ctx, tx, changes);
    return new Map(changes.map(({ product }, index) => [product.id, plans[index] as ShownPlan]));
  });
}

/** Plans changes, each as if it alone were to come. Three statements however many. */
export function showChanges(ctx: Context, tx: Tx, changes: ProductChange[]): Promise<ShownPlan[]> {
  return showPlans(
    ctx,
    tx,
    changes.map(({ product, ...change }) => ({ ...change, domainIds: [product.domainId] })),
  );
}
