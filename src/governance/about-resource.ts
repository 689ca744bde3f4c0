import type { AboutResource } from '../provisioning/resource-event.js';
import { globalId, resourceSubjectId } from './global-id.js';

/**
 * Events about a resource are about the domains that answer for it: those that claim it by themselves, by a product, or by a grant to
 * one of their products. They reach these and, of a grant, the domain that reads.
 */
export const aboutResource: AboutResource = async (tx, resource) => {
  const owners = await tx.$queryRaw<
    { domainId: string; domain: string; productId: string | null; readerId: string | null }[]
  >`
    SELECT DISTINCT domain."id"::text AS "domainId", domain."name" AS "domain", product."id"::text AS "productId",
      access."consumerDomainId"::text AS "readerId"
    FROM "ResourceClaim" claim
    LEFT JOIN "AccessGrant" access ON claim."ownerType" = 'ACCESS_GRANT' AND access."id" = claim."ownerId"
    LEFT JOIN "DataProduct" product
      ON claim."ownerType" <> 'DOMAIN' AND product."id" = coalesce(access."productId", claim."ownerId")
    JOIN "Domain" domain ON domain."id" = coalesce(product."domainId", claim."ownerId")
    WHERE claim."resourceId" = ${resource.id}
    ORDER BY 1, 3`;
  const domains = [...new Set(owners.map(({ domainId }) => domainId))];
  const readers = owners.flatMap(({ readerId }) => readerId ?? []);
  const products = new Set(owners.map(({ productId }) => productId));
  const [first] = owners;
  return {
    subject: {
      type: 'Resource',
      id: globalId('Resource', resource.id),
      name: `${resource.kind} ${resource.key}`,
      domain: domains.length === 1 ? (first?.domain ?? null) : null,
    },
    subjectId: resourceSubjectId(resource.id),
    domainId: domains.length === 1 ? (first?.domainId ?? null) : null,
    productId: products.size === 1 ? (first?.productId ?? null) : null,
    audience: { public: false, domains: [...new Set([...domains, ...readers])], subjects: [] },
  };
};
