import type { Viewer } from '../context.js';
import { subjectsRead, tokenAllows } from '../token-scope.js';
import { type Sql, sql } from './select.js';

/**
 * Who sees which rows, as SQL: part of every statement that reads (design: security.md, Authorization).
 * Domains: everybody signed in. Products and their contracts: the published catalogue is for everybody signed in, the rest for
 * members of the domain. Requests and grants: the requester and members of both domains. Resources: owner and steward of an
 * owning domain. Events: their audience. Admins see everything.
 */

export const memberIds = (viewer: Viewer): string[] => [...viewer.memberships.keys()];

/** The domains in which the viewer decides: as owner or steward. */
export const governedIds = (viewer: Viewer): string[] =>
  [...viewer.memberships].filter(([, role]) => role !== 'MEMBER').map(([id]) => id);

/** The domains in which the viewer decides requests for somebody else now. */
export const deputizedIds = ({ deputyships = [] }: Viewer): string[] => [
  ...new Set(deputyships.map(({ domainId }) => domainId)),
];

const ownedIds = (viewer: Viewer): string[] =>
  [...viewer.memberships].filter(([, role]) => role === 'OWNER').map(([id]) => id);

const among = (column: Sql, ids: string[]): Sql => sql`${column} = ANY(${ids}::uuid[])`;

/** An account is for its domain's owners, and for itself. */
export function seesServiceAccount(t: Sql, viewer: Viewer): Sql {
  const owned = tokenAllows(viewer, 'domain:read-service-accounts') ? ownedIds(viewer) : [];
  if (viewer.admin) return sql`true`;
  return sql`(${t}."subject" = ${viewer.subject} OR ${among(sql`${t}."domainId"`, owned)})`;
}

/** Where a domain's events go is for those who steer it; where the mesh's go, for admins. */
export function seesWebhook(t: Sql, viewer: Viewer): Sql {
  return viewer.admin ? sql`true` : among(sql`${t}."domainId"`, governedIds(viewer));
}

/** A token is its holder's affair. */
export function seesToken(t: Sql, viewer: Viewer): Sql {
  return viewer.admin ? sql`true` : sql`${t}."subject" = ${viewer.subject}`;
}

export function everybody(): Sql {
  return sql`true`;
}

export function isMember(domainId: Sql, viewer: Viewer): Sql {
  return viewer.admin ? sql`true` : among(domainId, memberIds(viewer));
}

/** How many events of a domain's account are held is for those who see them. */
export function countsQuarantined(domainId: Sql, viewer: Viewer): Sql {
  if (!tokenAllows(viewer, 'quarantined-event:read')) return sql`false`;
  return viewer.admin ? sql`true` : among(domainId, governedIds(viewer));
}

/** The external id is for those who set up the account's role. */
export function owns(domainId: Sql, viewer: Viewer): Sql {
  if (!tokenAllows(viewer, 'domain:read-setup')) return sql`false`;
  return viewer.admin ? sql`true` : among(domainId, ownedIds(viewer));
}

export function seesProduct(t: Sql, viewer: Viewer): Sql {
  if (viewer.admin) return sql`true`;
  return sql`(${t}."status" IN ('PUBLISHED', 'DEPRECATED') OR ${among(sql`${t}."domainId"`, memberIds(viewer))})`;
}

export function seesContract(t: Sql, viewer: Viewer): Sql {
  if (viewer.admin) return sql`true`;
  return sql`EXISTS (SELECT 1 FROM "DataProduct" p WHERE p."id" = ${t}."productId" AND ${seesProduct(sql`p`, viewer)})`;
}

export function seesRequest(t: Sql, viewer: Viewer): Sql {
  if (viewer.admin) return sql`true`;
  const ids = memberIds(viewer);
  return sql`(${t}."requestedBy" = ${viewer.subject} OR ${among(sql`${t}."consumerDomainId"`, ids)} OR
    EXISTS (SELECT 1 FROM "DataProduct" p WHERE p."id" = ${t}."productId"
      AND ${among(sql`p."domainId"`, [...ids, ...deputizedIds(viewer)])}))`;
}

/** Members of the domain, and who is part of it. */
export function seesDeputy(t: Sql, viewer: Viewer): Sql {
  return sql`(${isMember(sql`${t}."domainId"`, viewer)} OR ${viewer.subject} IN (${t}."deputy", ${t}."standsInFor"))`;
}

/** The domains in which the viewer decides, for himself or as a deputy. */
const decidedIds = (viewer: Viewer): string[] => [...governedIds(viewer), ...deputizedIds(viewer)];

/** Of a request: who asked, who is to read, and who decides (`access-request:read-details`). */
export function readsDetails(t: Sql, viewer: Viewer): Sql {
  if (!tokenAllows(viewer, 'access-request:read-details')) return sql`false`;
  if (viewer.admin) return sql`true`;
  return sql`(${t}."requestedBy" = ${viewer.subject} OR ${among(sql`${t}."consumerDomainId"`, memberIds(viewer))} OR
    EXISTS (SELECT 1 FROM "DataProduct" p WHERE p."id" = ${t}."productId" AND ${among(sql`p."domainId"`, decidedIds(viewer))}))`;
}

/** The same of what hangs on a request by its `requestId`: a grant, an approval. */
export function readsDetailsOfRequest(t: Sql, viewer: Viewer): Sql {
  if (viewer.admin) return readsDetails(t, viewer);
  return sql`EXISTS (SELECT 1 FROM "AccessRequest" q WHERE q."id" = ${t}."requestId" AND ${readsDetails(sql`q`, viewer)})`;
}

/** The same of an event about access, which its audience tells: the product's domain, and another that reads. */
export function readsDetailsOfEvent(t: Sql, viewer: Viewer): Sql {
  if (viewer.admin) return sql`true`;
  const own = memberIds(viewer);
  return sql`(${among(sql`${t}."domainId"`, decidedIds(viewer))} OR CASE WHEN cardinality(${t}."audienceDomains") > 1
    THEN array_remove(${t}."audienceDomains", ${t}."domainId") ELSE ${t}."audienceDomains" END && ${own}::uuid[])`;
}

/** Of an event about an AWS object, or about an event that was held: who may see that. */
export function steersEvent(t: Sql, viewer: Viewer): Sql {
  return viewer.admin ? sql`true` : sql`${t}."audienceDomains" && ${governedIds(viewer)}::uuid[]`;
}

export function seesGrant(t: Sql, viewer: Viewer): Sql {
  if (viewer.admin) return sql`true`;
  return sql`EXISTS (SELECT 1 FROM "AccessRequest" q WHERE q."id" = ${t}."requestId" AND ${seesRequest(sql`q`, viewer)})`;
}

export function seesResource(t: Sql, viewer: Viewer): Sql {
  if (viewer.admin) return sql`true`;
  return sql`EXISTS (SELECT 1 FROM "ResourceClaim" c WHERE c."resourceId" = ${t}."id" AND ${seesClaim(sql`c`, viewer)})`;
}

/** A claim is of the domain that its owner belongs to: for a grant, the product's and the consumer's. */
export function seesClaim(t: Sql, viewer: Viewer): Sql {
  if (viewer.admin) return sql`true`;
  const ids = governedIds(viewer);
  return sql`((${t}."ownerType" = 'DOMAIN' AND ${among(sql`${t}."ownerId"`, ids)})
    OR (${t}."ownerType" = 'DATA_PRODUCT' AND EXISTS (
      SELECT 1 FROM "DataProduct" p WHERE p."id" = ${t}."ownerId" AND ${among(sql`p."domainId"`, ids)}))
    OR (${t}."ownerType" = 'ACCESS_GRANT' AND EXISTS (
      SELECT 1 FROM "AccessGrant" g JOIN "DataProduct" p ON p."id" = g."productId"
      WHERE g."id" = ${t}."ownerId" AND (${among(sql`p."domainId"`, ids)} OR ${among(sql`g."consumerDomainId"`, ids)}))))`;
}

export function seesEvent(t: Sql, viewer: Viewer): Sql {
  if (viewer.signIn.scopes === null) return inAudience(t, viewer);
  return sql`(${t}."subjectType" = ANY(${subjectsRead(viewer)}::text[]) AND ${inAudience(t, viewer)})`;
}

function inAudience(t: Sql, viewer: Viewer): Sql {
  if (viewer.admin) return sql`true`;
  return sql`(${t}."audiencePublic" OR ${t}."audienceDomains" && ${memberIds(viewer)}::uuid[]
    OR ${viewer.subject} = ANY(${t}."audienceSubjects") OR ${forDeputies(t, viewer)})`;
}

/** What the domain's own people hear of requests and grants, those hear who decide for one of them. */
function forDeputies(t: Sql, viewer: Viewer): Sql {
  const domains = deputizedIds(viewer);
  if (domains.length === 0) return sql`false`;
  return sql`(${t}."subjectType" IN ('AccessRequest', 'AccessGrant') AND ${among(sql`${t}."domainId"`, domains)}
    AND ${t}."domainId" = ANY(${t}."audienceDomains"))`;
}

/** Who may hear its events: the domain's members, or everybody signed in. */
export function seesEventType(t: Sql, viewer: Viewer): Sql {
  if (viewer.admin) return sql`true`;
  return sql`(${t}."visibility" = 'MESH' OR ${among(sql`${t}."domainId"`, memberIds(viewer))})`;
}

/** The account alone says whose it is. */
export function seesQuarantined(t: Sql, viewer: Viewer): Sql {
  if (viewer.admin) return sql`true`;
  return sql`EXISTS (SELECT 1 FROM "Domain" d WHERE d."awsAccountId" = ${t}."account" AND ${among(sql`d."id"`, governedIds(viewer))})`;
}

/** Those who may change a policy: of the whole mesh, admins; of a domain, who steers it. */
export function steersPolicy(t: Sql, viewer: Viewer): Sql {
  return viewer.admin ? sql`true` : among(sql`${t}."domainId"`, governedIds(viewer));
}

/** What decides or decided is for everybody to know. */
export function seesPolicy(t: Sql, viewer: Viewer): Sql {
  return sql`(${steersPolicy(t, viewer)} OR EXISTS (
    SELECT 1 FROM "PolicyVersion" v WHERE v."policyId" = ${t}."id" AND v."status" <> 'DRAFT'))`;
}

export function seesPolicyVersion(t: Sql, viewer: Viewer): Sql {
  return sql`(${t}."status" <> 'DRAFT' OR EXISTS (
    SELECT 1 FROM "Policy" p WHERE p."id" = ${t}."policyId" AND ${steersPolicy(sql`p`, viewer)}))`;
}

/**
 * What concerns a domain that the viewer steers, as an auditor reads it: what is about an object of it, whomever that was addressed to, and
 * what else it was told. What everybody may hear of others is no affair of his, nor is what belongs to no domain: tokens, the publisher.
 */
export function governedAudience(t: Sql, viewer: Viewer): Sql {
  if (viewer.admin) return sql`true`;
  return sql`(${governsEvent(t, viewer)} OR ${t}."audienceDomains" && ${governedIds(viewer)}::uuid[])`;
}

/** Whose affair an event is: it is about an object of a domain that the viewer steers. */
export function governsEvent(t: Sql, viewer: Viewer): Sql {
  return viewer.admin ? sql`true` : among(sql`${t}."domainId"`, governedIds(viewer));
}

/** As the object that it is on. */
export function seesForeignGrant(t: Sql, viewer: Viewer): Sql {
  if (viewer.admin) return sql`true`;
  return sql`EXISTS (SELECT 1 FROM "Resource" r WHERE r."id" = ${t}."resourceId" AND ${seesResource(sql`r`, viewer)})`;
}

/** What is the platform's own. */
export function adminsOnly(viewer: Viewer): Sql {
  return viewer.admin ? sql`true` : sql`false`;
}
