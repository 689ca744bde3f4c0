import { z } from 'zod';
import type { DesiredResource } from '../provisioning/resource.js';
import { tablesOfWorld } from './access-facts.js';
import { assertCan } from './authorization.js';
import type { Context } from './context.js';
import { desiredDataProduct } from './desired-data-product.js';
import { desiredDomain } from './desired-domain.js';
import { invalid } from './error.js';
import { type AccessWorld, accessOf, type HeldClaim, worldOf } from './explain.js';
import { changing, showChanges } from './plan-product.js';
import { readOnly, type ShownPlan } from './planned.js';
import { grantResources } from './product-claims.js';
import {
  type GrantRow,
  type ProductWithTables,
  productSubject,
  readLiveGrants,
  readProduct,
  readTables,
} from './rows.js';
import { DATA_PRODUCT, step } from './transitions.js';
import { read, uuid } from './validation.js';

const level = z.enum(['PUBLIC', 'INTERNAL', 'CONFIDENTIAL', 'RESTRICTED']);
const previewTagChangeInput = z.object({
  dataProduct: uuid,
  classification: level.nullish(),
  columns: z
    .array(z.object({ column: z.string(), classification: level.nullish(), pii: z.boolean().nullish() }))
    .max(2_000, 'Give at most 2,000 columns.')
    .nullish(),
});
export type PreviewTagChangeInput = z.input<typeof previewTagChangeInput>;

/** Columns of one table that a principal can read before and not after, or the other way round, and the grants through which. */
export interface AccessChange {
  principal: string;
  table: string;
  columns: string[];
  grantIds: string[];
}

/** What another classification would do: in AWS, and to whom. */
export interface TagChangePreview {
  plan: ShownPlan;
  gains: AccessChange[];
  losses: AccessChange[];
}

/** Says what another classification of a product or of its columns would do, and writes nothing. For whom updateDataProduct is. */
export async function previewTagChange(ctx: Context, input: PreviewTagChangeInput): Promise<TagChangePreview> {
  const { dataProduct, classification, columns } = read(previewTagChangeInput, input);
  return readOnly(ctx.db, async (tx) => {
    const row = await readProduct(tx, dataProduct);
    assertCan(ctx.viewer, 'data-product:update', productSubject(row));
    step(DATA_PRODUCT, row.status, 'change');
    const product = await readTables(tx, row);
    const changed = reclassified(product, classification ?? product.classification, columns ?? []);
    const grants = await readLiveGrants(tx, product.id);
    // A draft has nothing in AWS yet.
    const change =
      product.status === 'DRAFT'
        ? { declarations: [], refusals: [], grants }
        : await changing(ctx, tx, { product: changed, grants, was: product });
    const [plan] = await showChanges(ctx, tx, [{ ...change, product }]);
    return { plan: plan as ShownPlan, ...whoIsTouched(ctx, { product, changed, grants, after: change.grants }) };
  });
}

type ColumnChange = NonNullable<z.output<typeof previewTagChangeInput>['columns']>[number];

function reclassified(
  product: ProductWithTables,
  classification: ProductWithTables['classification'],
  changes: ColumnChange[],
): ProductWithTables {
  const byName = new Map(changes.map((change) => [change.column, change]));
  const tables = product.tables.map((table) => ({
    ...table,
    columns: table.columns.map((column) => {
      const name = `${table.name}.${column.name}`;
      const change = byName.get(name);
      byName.delete(name);
      return {
        ...column,
        pii: change?.pii ?? column.pii,
        classification: change?.classification ?? column.classification,
      };
    }),
  }));
  const [unknown] = byName.keys();
  if (unknown === undefined) return { ...product, classification, tables };
  const index = changes.findIndex(({ column }) => column === unknown);
  throw invalid(
    `columns.${index}.column`,
    `columns.${index}.column: the product has no column ${unknown}; give \`table.column\`.`,
  );
}

interface Retagged {
  product: ProductWithTables;
  changed: ProductWithTables;
  grants: GrantRow[];
  /** The grants as they would be. */
  after: GrantRow[];
}

/** Compares what is wanted now with what would be wanted, both as if AWS agreed: what is on its way counts as there. */
function whoIsTouched(ctx: Context, { product, changed, grants, after: granted }: Retagged) {
  const before = wantedWorld(ctx, product, grants);
  const after = wantedWorld(ctx, changed, granted);
  const roles = [product.domain.workflowRoleArn, product.domain.crawlerRoleArn].filter((role) => role !== null);
  const principals = [...new Set([...grants.flatMap(({ request }) => request.principals), ...roles])].sort();
  return {
    gains: principals.flatMap((principal) => opened(principal, after, before)),
    losses: principals.flatMap((principal) => opened(principal, before, after)),
  };
}

/** What a principal can read in one world and not in the other. */
function opened(principal: string, here: AccessWorld, there: AccessWorld): AccessChange[] {
  const other = accessOf(there, principal);
  return accessOf(here, principal).flatMap(({ name, ways }, index) => {
    const elsewhere = new Set(other[index]?.ways.flatMap(({ columns }) => columns));
    const columns = [...new Set(ways.flatMap((way) => way.columns))].filter((column) => !elsewhere.has(column));
    if (columns.length === 0) return [];
    const through = ways.filter((way) => way.columns.some((column) => columns.includes(column)));
    const grantIds = through.flatMap(({ owner }) => (owner.type === 'ACCESS_GRANT' ? [owner.id] : []));
    return [{ principal, table: name, columns, grantIds: [...new Set(grantIds)] }];
  });
}

function wantedWorld({ mesh }: Context, product: ProductWithTables, grants: GrantRow[]): AccessWorld {
  const claimed = (type: HeldClaim['owner']['type'], id: string, resources: DesiredResource[]): HeldClaim[] =>
    resources.map(({ kind, account, spec }) => ({ kind, account, spec, owner: { type, id } }));
  return worldOf({
    governanceAccount: mesh.governanceAccount,
    tables: tablesOfWorld(mesh, {
      domain: product.domain.name,
      domainAccount: product.domain.awsAccountId,
      tables: product.tables.map(({ name, columns }) => ({ name, columns: columns.map((column) => column.name) })),
    }),
    claims: [
      ...claimed('DOMAIN', product.domainId, desiredDomain(mesh, product.domain)),
      ...claimed('DATA_PRODUCT', product.id, desiredDataProduct(mesh, product)),
      ...grants.flatMap((grant) => claimed('ACCESS_GRANT', grant.id, grantResources(mesh, grant, product))),
    ],
    closedShares: new Set(),
    delegated: {
      accounts: new Set(
        grants.flatMap(({ consumerDomain: { provisioning, awsAccountId } }) =>
          provisioning === 'DELEGATED' ? [awsAccountId] : [],
        ),
      ),
      principalsOf: new Map(grants.map(({ id, request }) => [id, request.principals])),
    },
  });
}
