import { randomUUID } from 'node:crypto';
import type { DataContract } from '../generated/prisma/client.js';
import { can } from './authorization.js';
import type { Context } from './context.js';
import { refuseBreaking, tablesUnder } from './data-contract.js';
import { desiredContract } from './desired-contract.js';
import { GovernanceError } from './error.js';
import { changing, type ProductChange, showChanges } from './plan-product.js';
import { readOnly, type ShownPlan } from './planned.js';
import { contractInForce, type ProductWithTables, productSubject, readLiveGrants, readProducts } from './rows.js';
import { shapesOf, type TableShape } from './tables.js';
import type { Tx } from './transaction.js';
import { canStep, DATA_CONTRACT, DATA_PRODUCT } from './transitions.js';

/** What putting a contract version in force would do, by contract: for those that the viewer may activate. One read-only transaction. */
export async function planActivation(ctx: Context, ids: string[]): Promise<Map<string, ShownPlan>> {
  return readOnly(ctx.db, async (tx) => {
    const asked = await tx.dataContract.findMany({ where: { id: { in: ids } } });
    const products = await readProducts(tx, [...new Set(asked.map(({ productId }) => productId))]);
    const contracts = asked.flatMap((contract) => {
      const product = products.get(contract.productId);
      return product && mayActivate(ctx, contract, product) ? [{ contract, product }] : [];
    });
    const changes: ProductChange[] = [];
    for (const each of contracts) changes.push(await activating(ctx, tx, each));
    const plans = await showChanges(ctx, tx, changes);
    return new Map(contracts.map(({ contract }, index) => [contract.id, plans[index] as ShownPlan]));
  });
}

function mayActivate({ viewer }: Context, { status }: DataContract, product: ProductWithTables): boolean {
  if (!canStep(DATA_CONTRACT, status, 'activate') || !canStep(DATA_PRODUCT, product.status, 'change')) return false;
  return can(viewer, 'data-contract:activate', productSubject(product));
}

interface Activation {
  contract: DataContract;
  product: ProductWithTables;
}

async function activating(ctx: Context, tx: Tx, { contract, product }: Activation) {
  const active = await tx.dataContract.findFirst({ where: { productId: product.id, status: 'ACTIVE' } });
  const warnings = active === null ? [] : breaking(active, contract);
  const tables = tablesUnder(contract, shapesOf(product.tables));
  // A draft has nothing in AWS yet.
  if (product.status === 'DRAFT') return { product, declarations: [], refusals: [], warnings };
  const grants = tables === null ? [] : await readLiveGrants(tx, product.id);
  const rows = tables?.map((table, position) => rowOf(product, { ...table, position })) ?? product.tables;
  const changed = { ...product, tables: rows, contract: contractInForce(contract) };
  const change = await changing(ctx, tx, { product: changed, grants, was: product, contract: contract.version });
  return {
    product,
    ...change,
    warnings: [...warnings, ...(change.warnings ?? []), ...desiredContract(ctx.mesh, changed).leftOut],
  };
}

function breaking(active: DataContract, contract: DataContract): string[] {
  try {
    refuseBreaking(active, contract);
    return [];
  } catch (error) {
    if (error instanceof GovernanceError) return [error.message];
    throw error;
  }
}

/** A table as it would be stored. */
function rowOf({ id: productId }: ProductWithTables, { columns, ...table }: TableShape & { position: number }) {
  const tableId = randomUUID();
  const rows = columns.map((column, position) => ({ ...column, id: randomUUID(), tableId, position }));
  return { ...table, id: tableId, productId, crawlRun: null, columns: rows };
}
