import type { PolicySlice } from './cedar/engine.js';
import type { Context } from './context.js';
import { becomesLess } from './declassify.js';
import { GovernanceError } from './error.js';
import { refuseAnswer } from './policy-decision.js';
import { askPublication, type PersonFacts } from './policy-facts.js';
import { type ActiveVersion, activeVersions, holdPolicies, sliceOf } from './policy-slice.js';
import { columnFacts, productFacts } from './product-facts.js';
import type { ProductWithTables } from './rows.js';
import type { Tx } from './transaction.js';

/** What the policies say to a publication: their version, and why not. */
interface Publication {
  policyVersion: string;
  refusal: GovernanceError | null;
}

/** Throws POLICY_DENIED unless the policies let the viewer publish it; answers their version. They are held until the transaction ends. */
async function assertPublishable(ctx: Context, tx: Tx, product: ProductWithTables): Promise<string> {
  await holdPolicies(tx, 'SHARED');
  const found = (await readPublications(ctx, tx, { products: [product] })).get(product.id) as Publication;
  if (found.refusal !== null) throw found.refusal;
  return found.policyVersion;
}

/**
 * The same for what was known before (known-marks.ts): as it becomes, and as what it was where something of it becomes less sensitive, as
 * nobody takes data out of a policy's reach who could not publish it within.
 */
export async function assertStillPublishable(
  ctx: Context,
  tx: Tx,
  { product, was }: { product: ProductWithTables; was: ProductWithTables },
): Promise<string> {
  const policyVersion = await assertPublishable(ctx, tx, product);
  for (const each of asWas({ product, was })) await assertPublishable(ctx, tx, each);
  return policyVersion;
}

/** The product with what it was, where that was more sensitive. */
export function asWas(change: { product: ProductWithTables; was: ProductWithTables }): ProductWithTables[] {
  const { product, was } = change;
  if (!becomesLess(change)) return [];
  return [{ ...product, classification: was.classification, tables: was.tables }];
}

/** The same for several products, holding nothing; `coming`: the version of a contract that would be in force. One statement. */
export async function readPublications(
  ctx: Context,
  tx: Tx,
  { products, coming }: { products: ProductWithTables[]; coming?: string | undefined },
): Promise<Map<string, Publication>> {
  const [read] = await tx.$queryRaw<{ policies: ActiveVersion[]; contracts: Record<string, string> }[]>`
    SELECT ${activeVersions(products.map(({ domainId }) => domainId))} AS "policies",
      (SELECT coalesce(jsonb_object_agg(c."productId", c."version"), '{}') FROM "DataContract" c
        WHERE c."status" = 'ACTIVE' AND c."productId" = ANY (${products.map(({ id }) => id)}::uuid[])) AS "contracts"`;
  const { policies, contracts } = read as { policies: ActiveVersion[]; contracts: Record<string, string> };
  return new Map(
    products.map((product) => {
      const slice = sliceOf(ctx, policies, product.domainId);
      const refusal = refusalOf(ctx, slice, { product, contract: coming ?? contracts[product.id] ?? null });
      return [product.id, { policyVersion: slice.version, refusal }];
    }),
  );
}

function refusalOf(
  { policies, viewer }: Context,
  slice: PolicySlice,
  { product, contract }: { product: ProductWithTables; contract: string | null },
): GovernanceError | null {
  const role = viewer.memberships.get(product.domainId);
  const roles: PersonFacts['roles'] = role === undefined ? {} : { [product.domain.name]: role };
  const publisher = { subject: viewer.subject, admin: viewer.admin, roles };
  const question = askPublication(publisher, productFacts(product, contract), columnFacts(product));
  try {
    refuseAnswer(slice, policies.ask(slice, question), 'The policies do not allow this publication.');
    return null;
  } catch (error) {
    if (error instanceof GovernanceError) return error;
    throw error;
  }
}
