import type { AboutResource } from '../provisioning/resource-event.js';
import { globalId, resourceSubjectId } from './global-id.js';
import { CLAIMED_FOR } from './rows.js';

/**
 * Events about a resource are about the domains that answer for it: those that claim it by themselves, by a product, or by a grant to
 * one of their products. They reach these and, of a grant, the domain that reads.
 */
export const aboutResource: AboutResource = async (tx, resource) => {
  const owners = await tx.$queryRaw<
    { domainId: string; domain: string; productId: string | null; readerId: string | null }[]
  >`
    SELECT DISTINCT d."id"::text AS "domainId", d."name" AS "domain", p."id"::text AS "productId",
      g."consumerDomainId"::text AS "readerId"
    FROM "ResourceClaim" c ${CLAIMED_FOR}
    JOIN "Domain" d ON d."id" = coalesce(p."domainId", c."ownerId")
    WHERE c."resourceId" = ${resource.id}
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
