import { z } from 'zod';
import { retryResource as retry } from '../provisioning/declare.js';
import { assertCan } from './authorization.js';
import type { Context } from './context.js';
import { notFound, wrongState } from './error.js';
import { mutate, type Tx } from './transaction.js';
import { idempotencyKey, read } from './validation.js';

/** The identity hash by which a resource's row is named. */
export const resourceKey = z.string().regex(/^[0-9a-f]{64}$/);

const retryResourceInput = z.object({ resource: resourceKey, takeOver: z.boolean().nullish(), idempotencyKey });
export type RetryResourceInput = z.input<typeof retryResourceInput>;

/**
 * Makes a resource due at once: it is observed again and applied. A change out of band that was told and left alone is repaired; with
 * `takeOver`, what somebody else made under its name is changed.
 */
export async function retryResource(ctx: Context, input: RetryResourceInput): Promise<{ resourceId: string }> {
  const { resource: id, takeOver } = read(retryResourceInput, input);
  return mutate(ctx, { mutation: 'retryResource', idempotencyKey: input.idempotencyKey, input }, async (tx) => {
    const [resource] = await tx.$queryRaw<{ status: string }[]>`
      SELECT "status"::text FROM "Resource" WHERE "id" = ${id} FOR UPDATE`;
    if (resource === undefined) throw notFound('The resource');
    assertCan(ctx.viewer, 'resource:retry', { type: 'Resource', domainIds: await domainsOf(tx, id) });
    const lane = await retry(tx, id, { takeOver: takeOver === true });
    if (lane === null) throw wrongState(resource.status, 'The resource is REMOVED: there is nothing to look at again.');
    return { ids: { resourceId: id }, lanes: [lane] };
  });
}

/** The domains that a resource belongs to: who claims it, by itself, by a product, or by a grant that it gives or has. */
export async function domainsOf(tx: Tx, resourceId: string): Promise<string[]> {
  const rows = await tx.$queryRaw<{ domainId: string }[]>`
    WITH claimed AS (SELECT "ownerType", "ownerId" FROM "ResourceClaim" WHERE "resourceId" = ${resourceId})
    SELECT "ownerId"::text AS "domainId" FROM claimed WHERE "ownerType" = 'DOMAIN'
    UNION SELECT product."domainId"::text FROM claimed JOIN "DataProduct" product ON product."id" = "ownerId"
    WHERE "ownerType" = 'DATA_PRODUCT'
    UNION SELECT unnest(ARRAY[product."domainId", access."consumerDomainId"])::text
    FROM claimed JOIN "AccessGrant" access ON access."id" = "ownerId" JOIN "DataProduct" product ON product."id" = access."productId"
    WHERE "ownerType" = 'ACCESS_GRANT'`;
  return rows.map(({ domainId }) => domainId);
}
