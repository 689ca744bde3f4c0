import { z } from 'zod';
import { Prisma } from '../generated/prisma/client.js';
import { retryResource as retry } from '../provisioning/declare.js';
import { announceResource, placeOf } from '../provisioning/resource-event.js';
import { aboutResource } from './about-resource.js';
import { assertCan, type Subjects } from './authorization.js';
import { CONFIDENTIALITY } from './confidentiality.js';
import type { Context } from './context.js';
import { crawlAgain } from './crawl.js';
import { LOB } from './desired-grants.js';
import { notFound, wrongState } from './error.js';
import { CLAIMED_FOR } from './rows.js';
import { mutate, type Tx } from './transaction.js';
import { idempotencyKey, read } from './validation.js';

/** The identity hash by which a resource's row is named. */
export const resourceKey = z.string().regex(/^[0-9a-f]{64}$/);

const retryResourceInput = z.object({ resource: resourceKey, takeOver: z.boolean().nullish(), idempotencyKey });
export type RetryResourceInput = z.input<typeof retryResourceInput>;

/**
 * Makes a resource due at once: it is observed again and applied. A change out of band that was told and left alone is repaired; with
 * `takeOver`, what somebody else made under its name is changed. A crawl that failed runs again.
 */
export async function retryResource(ctx: Context, input: RetryResourceInput): Promise<{ resourceId: string }> {
  const { resource: id, takeOver } = read(retryResourceInput, input);
  return mutate(ctx, { mutation: 'retryResource', idempotencyKey: input.idempotencyKey, input }, async (tx) => {
    const resource = await tx.resource.findUnique({ where: { id }, select: { status: true } });
    if (resource === null) throw notFound('The resource');
    assertCan(ctx.viewer, takeOver ? 'resource:take-over' : 'resource:retry', await subjectOf(tx, id));
    const { actor, correlationId } = ctx;
    const data = { status: resource.status, takeOver: takeOver === true };
    const retried = { type: 'ResourceRetried' as const, resource: await placeOf(tx, id), actor, correlationId, data };
    await announceResource(tx, aboutResource, retried);
    const crawled = takeOver ? null : await crawlAgain(ctx, tx, id);
    if (crawled !== null) return { ids: { resourceId: id }, lanes: crawled };
    const lane = await retry(tx, id, { takeOver: takeOver === true });
    if (lane === null) throw wrongState(resource.status, 'The resource is REMOVED: there is nothing to look at again.');
    return { ids: { resourceId: id }, lanes: [lane] };
  });
}

/** A resource as what something is done to. */
export async function subjectOf(tx: Tx, resourceId: string): Promise<Subjects['Resource']> {
  const [domainIds, deciderIds] = [await domainsOf(tx, resourceId), await decidersOf(tx, resourceId)];
  return { type: 'Resource', domainIds, deciderIds };
}

/**
 * Whose policy counts for resources `r`, as `d`: an object in a domain's account is that domain's; one in the governance account is of
 * the domains that claim it, by themselves, by a product or by a grant to it, and never of who reads.
 */
export const WHOSE_POLICY = Prisma.sql`"Resource" r
  LEFT JOIN "Domain" own ON own."awsAccountId" = r."account"
  LEFT JOIN "ResourceClaim" c ON own."id" IS NULL AND c."resourceId" = r."id" AND c."releasedAtGeneration" IS NULL
  ${CLAIMED_FOR}
  LEFT JOIN "Domain" d ON d."id" = coalesce(own."id", p."domainId", c."ownerId")`;

/** What is the whole mesh's in the governance account, whoever claims it so far. */
const THE_MESHS = Prisma.sql`(r."kind" IN ('DataLakeSettings', 'CatalogPolicy', 'EventBus', 'BusPermission')
  OR r."kind" = 'LfTag' AND r."key" = ANY (${[CONFIDENTIALITY, LOB]}::text[])
  OR r."kind" = 'LfGrant' AND r."spec" #>> '{resource,type}' = 'LF_TAG'
    AND r."spec" #>> '{resource,key}' = ANY (${[CONFIDENTIALITY, LOB]}::text[]))`;

/** The domain that decides what is done about a difference of a resource; none where it is the mesh's or several domains', thus for admins. */
async function decidersOf(tx: Tx, resourceId: string): Promise<string[]> {
  const rows = await tx.$queryRaw<{ domainId: string }[]>`
    SELECT DISTINCT d."id"::text AS "domainId" FROM ${WHOSE_POLICY}
    WHERE r."id" = ${resourceId} AND d."id" IS NOT NULL AND (own."id" IS NOT NULL OR NOT ${THE_MESHS})`;
  return rows.length === 1 ? rows.map(({ domainId }) => domainId) : [];
}

/** The domains that a resource belongs to: who claims it, by itself, by a product, or by a grant that it gives or has. */
async function domainsOf(tx: Tx, resourceId: string): Promise<string[]> {
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
