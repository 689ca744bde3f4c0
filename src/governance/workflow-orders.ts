import { z } from 'zod';
import type { ActingContext } from './context.js';
import { askedTables } from './desired-access.js';
import { centralDatabase, MODE_NAME, workflowDatabase } from './names.js';
import type { GrantRow, ProductWithTables } from './rows.js';
import { lockName, type Tx } from './transaction.js';

/**
 * Domains that provision for themselves (DELEGATED): nothing is called in their accounts. Their workflows are told what to link by events in
 * the form of the AWS Analytics Reference Architecture (design: events.md, `ara` compatibility), once for each table, as their link step
 * fails on what exists. A producer answers by `reportProvisioning`; consumers never answer.
 */
export interface WorkflowOrder {
  /** The account whose workflow it is for. */
  account: string;
  detail: Record<string, unknown>;
}

/** What a domain's workflow answered about one table. */
const workflowAnswer = z.object({
  status: z.enum(['SUCCEEDED', 'FAILED']),
  message: z.string().nullable(),
  /** When it was sent, and by which event. */
  at: z.string(),
  id: z.string(),
});
export type WorkflowAnswer = z.output<typeof workflowAnswer>;
const answersByTable = z.record(z.string(), workflowAnswer);

/** What a domain reported last, and the tables that it was told of. */
const report = z.object({
  status: z.enum(['AWAITED', 'SUCCEEDED', 'FAILED']),
  message: z.string().nullable(),
  tables: z.array(z.string()),
  /** By access mode: where a mode is told of again after a change, its links are there. */
  told: z.object({ NRAC: z.array(z.string()).optional(), LF_TBAC: z.array(z.string()).optional() }).optional(),
  /** What its workflow answered, by access mode and table. */
  answers: z.object({ NRAC: answersByTable.optional(), LF_TBAC: answersByTable.optional() }).optional(),
  reportedBy: z.string().nullable(),
  reportedAt: z.string().nullable(),
});
export type ProvisioningReport = z.output<typeof report>;

/** What the domain of a product answered; null before anything was told. */
export function reportOf({ provisioningReport }: { provisioningReport: unknown }): ProvisioningReport | null {
  return provisioningReport === null ? null : report.parse(provisioningReport);
}

/** The tables that a product's domain was told of in the product's access mode. */
export function toldTables(
  product: Pick<ProductWithTables, 'accessMode' | 'previousAccessMode' | 'provisioningReport'>,
): string[] {
  const report = reportOf(product);
  if (report?.told !== undefined) return report.told[product.accessMode] ?? [];
  return product.previousAccessMode === null ? (report?.tables ?? []) : [];
}

/** What the workflow of a product's own domain has to link. */
export function producerOrder(
  { mesh }: Pick<ActingContext, 'mesh'>,
  product: ProductWithTables,
  tables: string[],
): WorkflowOrder {
  const { domain, accessMode } = product;
  return {
    account: domain.awsAccountId,
    detail: {
      central_database_name: centralDatabase(mesh, domain, MODE_NAME[accessMode]),
      central_account_id: mesh.governanceAccount,
      producer_acc_id: domain.awsAccountId,
      database_name: workflowDatabase('producer', accessMode),
      table_names: tables,
      lf_access_mode: MODE_NAME[accessMode],
    },
  };
}

interface Told {
  /** Grants of one consuming domain to the product. */
  grants: [GrantRow, ...GrantRow[]];
  product: ProductWithTables;
}

/**
 * What a consuming domain's workflow has to link in the product's access mode for grants that came to stand in it; none where it links for
 * itself already, or Meshgate does. Waits for whoever tells the domain of the same domain's products, so that each is told once. While a product changes its mode, its workflow was told of that mode only for what was asked in it.
 */
export async function consumerOrders(
  { mesh }: Pick<ActingContext, 'mesh'>,
  tx: Tx,
  { grants, product }: Told,
): Promise<WorkflowOrder[]> {
  const [{ consumerDomain: consumer }] = grants;
  if (consumer.provisioning !== 'DELEGATED') return [];
  await lockOrders(tx, { consumerId: consumer.id, producerId: product.domainId });
  const { accessMode: mode } = product;
  const others = { consumerDomainId: consumer.id, grantedAt: { not: null }, id: { notIn: grants.map(({ id }) => id) } };
  const earlier = await tx.accessGrant.findMany({
    where: {
      ...others,
      ...(mode === 'NRAC' ? { productId: product.id } : { product: { domainId: product.domainId } }),
      OR: [{ request: { accessMode: mode } }, { product: { accessMode: mode, previousAccessMode: null } }],
    },
    include: { request: true },
  });
  const linked = ({ request, withheld }: { request: Parameters<typeof askedTables>[0]; withheld: string[] }) =>
    askedTables({ ...request, withheld }, product).map(({ name }) => name);
  const told = earlier.flatMap(linked);
  const tables = [...new Set(grants.flatMap(linked))].filter((name) => !told.includes(name));
  // The link to the domain's database serves all its products by tag.
  if (mode === 'LF_TBAC' ? earlier.length > 0 : tables.length === 0) return [];
  const central = {
    central_database_name: centralDatabase(mesh, product.domain, MODE_NAME[mode]),
    producer_acc_id: product.domain.awsAccountId,
    database_name: workflowDatabase('consumer', mode),
    lf_access_mode: MODE_NAME[mode],
  };
  const detail =
    mode === 'NRAC' ? { ...central, table_names: tables } : { ...central, central_account_id: mesh.governanceAccount };
  return [{ account: consumer.awsAccountId, detail }];
}

/** One tells a consuming domain of a domain's products after another, until the transaction ends: so each sees what was told before. */
async function lockOrders(
  tx: Tx,
  { consumerId, producerId }: { consumerId: string; producerId: string },
): Promise<void> {
  await lockName(tx, `orders ${consumerId} ${producerId}`);
}
