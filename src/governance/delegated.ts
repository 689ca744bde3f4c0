import { z } from 'zod';
import type { AccessMode } from '../generated/prisma/client.js';
import { resourceId } from '../provisioning/resource.js';
import { announceProduct } from './announce.js';
import { assertCan } from './authorization.js';
import { productOwner } from './claims.js';
import { type ActingContext, asSystem, type Context, type SystemContext } from './context.js';
import { desiredDataProduct } from './desired-data-product.js';
import { wrongState } from './error.js';
import { oneByOne } from './one-by-one.js';
import { lockProduct, productSubject, readTables } from './rows.js';
import { settled } from './settled.js';
import { inTransaction, mutate, type Tx } from './transaction.js';
import { idempotencyKey, read, text, uuid } from './validation.js';
import { type ProvisioningReport, producerOrder, reportOf, toldTables } from './workflow-orders.js';

/** Tells producing domains' workflows of tables that stand in the central catalogue and that they were not told of; returns of how many products. */
export async function tellWorkflows(ctx: SystemContext): Promise<number> {
  const delegated = await ctx.db.$queryRaw<{ id: string }[]>`
    SELECT product."id"::text FROM "DataProduct" product JOIN "Domain" domain ON domain."id" = product."domainId"
    WHERE domain."provisioning" = 'DELEGATED' AND product."status" IN ('PUBLISHING', 'PUBLISHED', 'DEPRECATED')
      AND EXISTS (SELECT FROM "ProductTable" x WHERE x."productId" = product."id"
        AND NOT coalesce(product."provisioningReport"->'told'->(product."accessMode"::text), CASE
          WHEN product."provisioningReport"->'told' IS NULL AND product."previousAccessMode" IS NULL
          THEN product."provisioningReport"->'tables' END, '[]') ? x."name")`;
  return oneByOne(delegated, async ({ id }) => {
    const told = await inTransaction(ctx.db, (tx) => tell(asSystem(ctx), tx, id));
    if (told) ctx.committed([]);
    return told;
  });
}

async function tell(ctx: ActingContext, tx: Tx, id: string): Promise<boolean> {
  const product = await readTables(tx, await lockProduct(tx, id));
  const ids = desiredDataProduct(ctx.mesh, product).map(resourceId);
  const ready = await tx.resource.count({ where: { id: { in: ids }, status: 'READY', desired: 'PRESENT' } });
  if (ready < new Set(ids).size) return false;
  const before = reportOf(product);
  const names = product.tables.map(({ name }) => name);
  const already = toldTables(product);
  const fresh = names.filter((name) => !already.includes(name));
  if (fresh.length === 0) return false;
  const { accessMode, previousAccessMode } = product;
  const until = before?.told ?? { [previousAccessMode ?? accessMode]: before?.tables ?? [] };
  const awaited: ProvisioningReport = {
    ...{ status: 'AWAITED', message: null, tables: names, told: { ...until, [accessMode]: names } },
    ...{ reportedBy: null, reportedAt: null, answers: answersKept(before, accessMode) },
  };
  await tx.dataProduct.update({ where: { id }, data: { provisioningReport: awaited } });
  const data = { before: { provisioning: before }, after: { provisioning: awaited } };
  // What a workflow is told and says names what is in its account: the domain's members alone hear it.
  const createResourceLinks = [producerOrder(ctx, product, fresh)];
  await announceProduct(tx, ctx, {
    type: 'DataProductUpdated',
    product,
    published: false,
    data: { ...data, createResourceLinks },
  });
  return true;
}

/** Who has said of the whole product that it went well need not say it again of the tables of then. */
function answersKept(before: ProvisioningReport | null, mode: AccessMode): NonNullable<ProvisioningReport['answers']> {
  const answers = before?.answers ?? {};
  if (before?.status !== 'SUCCEEDED') return answers;
  const said = { status: 'SUCCEEDED' as const, message: null, at: before.reportedAt ?? '', id: '' };
  const tables = before.told?.[mode] ?? [];
  return { ...answers, [mode]: { ...Object.fromEntries(tables.map((table) => [table, said])), ...answers[mode] } };
}

const reportInput = z.object({
  dataProduct: uuid,
  status: z.enum(['SUCCEEDED', 'FAILED']),
  message: text(2_000).nullish(),
  idempotencyKey,
});
export type ReportProvisioningInput = z.input<typeof reportInput>;

/** A domain that provisions for itself says how it went in its account: the product is READY only with its word. */
export async function reportProvisioning(
  ctx: Context,
  input: ReportProvisioningInput,
): Promise<{ dataProductId: string }> {
  const { dataProduct: id, status, message } = read(reportInput, input);
  return mutate(ctx, { mutation: 'reportProvisioning', idempotencyKey: input.idempotencyKey, input }, async (tx) => {
    const product = await lockProduct(tx, id);
    assertCan(ctx.viewer, 'data-product:report-provisioning', productSubject(product));
    const before = reportOf(product);
    if (before === null) {
      const why =
        product.domain.provisioning === 'DIRECT'
          ? 'Meshgate provisions for its domain'
          : 'its workflow was not told yet';
      throw wrongState(product.status, `Nothing is to be reported of this product: ${why}.`);
    }
    const now = new Date().toISOString();
    const after = { ...before, status, message: message ?? null, reportedBy: ctx.viewer.subject, reportedAt: now };
    await tx.dataProduct.update({ where: { id }, data: { provisioningReport: after } });
    const data = { before: { provisioning: before }, after: { provisioning: after } };
    await announceProduct(tx, ctx, { type: 'DataProductUpdated', product, published: false, data });
    await settled(ctx.mesh, tx, productOwner(product));
    return { ids: { dataProductId: id } };
  });
}
