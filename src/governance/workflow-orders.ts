import { z } from 'zod';
import type { ActingContext } from './context.js';
import { askedTables } from './desired-access.js';
import { centralDatabase, MODE_NAME, workflowDatabase } from './names.js';
import type { GrantRow, ProductWithTables } from './rows.js';
import type { Tx } from './transaction.js';

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

/** What a domain reported last, and the tables that it was told of. */
const report = z.object({
  status: z.enum(['AWAITED', 'SUCCEEDED', 'FAILED']),
  message: z.string().nullable(),
  tables: z.array(z.string()),
  reportedBy: z.string().nullable(),
  reportedAt: z.string().nullable(),
});
export type ProvisioningReport = z.output<typeof report>;

/** What the domain of a product answered; null before anything was told. */
export function reportOf({ provisioningReport }: { provisioningReport: unknown }): ProvisioningReport | null {
  return provisioningReport === null ? null : report.parse(provisioningReport);
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

/** What a consuming domain's workflow has to link for a grant that came to stand; none where it links for itself already, or Meshgate does. */
export async function consumerOrders(
  { mesh }: Pick<ActingContext, 'mesh'>,
  tx: Tx,
  { grant, product }: { grant: GrantRow; product: ProductWithTables },
): Promise<WorkflowOrder[]> {
  const { consumerDomain: consumer, request } = grant;
  if (consumer.provisioning !== 'DELEGATED') return [];
  const earlier = await tx.accessGrant.findMany({
    where: {
      consumerDomainId: consumer.id,
      grantedAt: { not: null },
      id: { not: grant.id },
      ...(product.accessMode === 'NRAC'
        ? { productId: product.id }
        : { product: { domainId: product.domainId, accessMode: 'LF_TBAC' } }),
    },
    include: { request: true },
  });
  const mode = product.accessMode;
  const told = earlier.flatMap((one) => askedTables(one.request, product).map(({ name }) => name));
  const tables = askedTables(request, product)
    .map(({ name }) => name)
    .filter((name) => !told.includes(name));
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
