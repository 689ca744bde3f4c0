import type { LaneKey } from '../provisioning/lane.js';
import type { DesiredResource } from '../provisioning/resource.js';
import { WRITE_RULE, writePermissionsAllowed } from './asked-scope.js';
import { claim, grantOwner, lockClaims, productOwner } from './claims.js';
import { isStricter } from './confidentiality.js';
import type { ActingContext, Mesh } from './context.js';
import { askedTables, desiredAccess, givenByNameAlone } from './desired-access.js';
import { desiredInForce } from './desired-data-product.js';
import { lockPlaces } from './place.js';
import type { Declarations } from './planned.js';
import { shortened } from './policy-columns.js';
import { beginRevoke } from './revoke.js';
import { misfitOf, readRowFilter } from './row-filter.js';
import { type GrantRow, type ProductInForce, type ProductWithTables, withContract } from './rows.js';
import { settled } from './settled.js';
import { assertPublishable } from './tables.js';
import { refuseTablesBeingCleared, refuseTakenTables } from './taken-table.js';
import type { Tx } from './transaction.js';

/** What a product needs of AWS, after a check that AWS could hold it and no other product of the domain has its tables or their files. */
export async function productResources(
  ctx: Pick<ActingContext, 'mesh'>,
  tx: Tx,
  product: ProductWithTables | ProductInForce,
): Promise<DesiredResource[]> {
  assertPublishable(ctx.mesh, product);
  await refuseTakenTables(tx, product);
  const resources = desiredInForce(ctx.mesh, await withContract(tx, product));
  await refuseTablesBeingCleared(ctx, tx, { productId: product.id, resources });
  return resources;
}

/** Declares a published product's tables. */
export async function claimProduct(
  ctx: ActingContext,
  tx: Tx,
  product: ProductWithTables,
  declared?: Declarations,
): Promise<LaneKey[]> {
  await lockPlaces(tx, product);
  const resources = await productResources(ctx, tx, product);
  return claim(tx, { owner: productOwner(product), resources, correlationId: ctx.correlationId, declared });
}

interface Changed {
  product: ProductWithTables;
  /** The product's live grants; their rows are locked. */
  grants: GrantRow[];
  /** Gets what the declarations come to. */
  declared?: Declarations;
}

/** After a published product's tables changed: declares them and what its grants need anew. A grant of which nothing is left ends. */
export async function claimAnew(
  ctx: ActingContext,
  tx: Tx,
  { product, grants, declared }: Changed,
): Promise<LaneKey[]> {
  const owners = [productOwner(product), ...grants.map(grantOwner)];
  await lockPlaces(tx, product);
  await lockClaims(tx, owners);
  const lanes = await claimProduct(ctx, tx, product, declared);
  for (const grant of grants) {
    const reason = whyItEnds(grant, product);
    if (reason !== null) {
      lanes.push(...(await beginRevoke(ctx, tx, { grant, reason, endsAs: 'REVOKED', declared })));
      continue;
    }
    const resources = grantResources(ctx.mesh, grant, product);
    const { correlationId } = ctx;
    lanes.push(...(await claim(tx, { owner: grantOwner(grant), resources, correlationId, declared })));
    await settled(ctx.mesh, tx, grantOwner(grant));
  }
  return lanes;
}

/** What a live grant needs with the product as given: nothing where it ends with that, or is cut off until its account has confirmed. */
export function grantResources(mesh: Mesh, grant: GrantRow, product: ProductWithTables): DesiredResource[] {
  if (grant.accountCutAt !== null || whyItEnds(grant, product) !== null) return [];
  return desiredAccess(mesh, { request: grant.request, product, consumer: grant.consumerDomain });
}

/** Why a grant cannot go on with the product as given; null where it can. */
export function whyItEnds({ request, consumerDomain }: GrantRow, product: ProductWithTables): string | null {
  // Whoever approved less approved nothing of what the product is now, however the grant is carried out.
  if (request.approvedAs !== null && isStricter(product.classification, request.approvedAs)) {
    return `The product is ${product.classification} now, and access was approved while it was ${request.approvedAs}: ask anew.`;
  }
  if (!writePermissionsAllowed(request, product, consumerDomain)) return `Permissions to write are ${WRITE_RULE}.`;
  const withheld = indispensable(request, product);
  if (withheld.length > 0) {
    return `The policies do not open ${shortened(withheld)} to this access, and it cannot be given without: ask anew.`;
  }
  if (product.accessMode === 'LF_TBAC' && givenByNameAlone(request, product)) {
    return 'The product is given by tag, as a whole, and has more now than was granted by name: ask anew.';
  }
  if (askedTables(request, product).length > 0) return null;
  const misfit = misfitIn(request, product);
  if (misfit !== null) return `The row filter does not fit the product any more: ${misfit}`;
  return 'The contract in force has nothing left of what was granted.';
}

/** Which of the withheld columns cannot be left out: by tag and to write a table is given as a whole, and its filter says which rows. */
function indispensable(
  { withheld, permissions, rowFilter }: GrantRow['request'],
  product: ProductWithTables,
): string[] {
  const whole = product.accessMode === 'LF_TBAC' || permissions.some((one) => one !== 'SELECT' && one !== 'DESCRIBE');
  if (whole || rowFilter === null) return whole ? withheld : [];
  return product.tables.flatMap(({ name, columns }) => {
    if (misfitOf(rowFilter, columns) !== null) return [];
    const compared = readRowFilter(rowFilter, columns).columns.map((column) => `${name}.${column}`);
    return compared.filter((column) => withheld.includes(column));
  });
}

function misfitIn({ rowFilter, tables }: GrantRow['request'], product: ProductWithTables): string | null {
  if (rowFilter === null) return null;
  const table = product.tables.find(({ name }) => tables.includes(name));
  return table === undefined ? null : misfitOf(rowFilter, table.columns);
}
