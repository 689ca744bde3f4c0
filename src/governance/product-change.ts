import type { LaneKey } from '../provisioning/lane.js';
import type { Context } from './context.js';
import { refuseDeclassifying } from './declassify.js';
import { withholdUnopened } from './grant-growth.js';
import { asKnown } from './known-marks.js';
import type { Declarations } from './planned.js';
import { assertStillPublishable } from './policy-publication.js';
import { claimAnew } from './product-claims.js';
import type { GrantRow, ProductWithTables } from './rows.js';
import type { Tx } from './transaction.js';

/** A product that is in AWS and changes. */
interface ProductChange {
  /** As it was. */
  was: ProductWithTables;
  /** As it becomes. Its row is locked. */
  product: ProductWithTables;
  /** Its live grants, locked. */
  grants: GrantRow[];
  /** Whether the policies say if it may be in the catalogue so. */
  judged: boolean;
  /** Whether a grant may come to other columns by it. */
  grows: boolean;
  /** Gets what the declarations come to. */
  declared: Declarations;
}

/** Declares a product anew that changed, and what its grants need then, as far as its publisher may and the policies let him. */
export async function declareChange(
  ctx: Context,
  tx: Tx,
  { was, product, grants, judged, grows, declared }: ProductChange,
): Promise<{ lanes: LaneKey[]; policyVersion: string | undefined }> {
  const policyVersion = judged ? await assertContentPublishable(ctx, tx, { was, product }) : undefined;
  const grown = grows ? await withholdUnopened(ctx, tx, { before: was, product, grants }) : grants;
  const lanes = await claimAnew(ctx, tx, { product, grants: grown, declared });
  return { lanes, policyVersion };
}

/**
 * Throws unless the viewer may publish it: FORBIDDEN where something sensitive becomes less by another than an owner, POLICY_DENIED where the
 * policies stand against it. Answers their version; they are held until the transaction ends. `was` null: it is published for the first time.
 */
export async function assertContentPublishable(
  ctx: Context,
  tx: Tx,
  { was, product }: { was: ProductWithTables | null; product: ProductWithTables },
): Promise<string> {
  const known = await asKnown(tx, { was, product });
  refuseDeclassifying(ctx, { was: known, product });
  return assertStillPublishable(ctx, tx, { was: known, product });
}
