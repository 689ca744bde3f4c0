import { resourceShape, unhealthySince } from './resource.js';
import { type Relation, raw, type Shape, type Sql, sql } from './select.js';
import { everybody, seesResource } from './visible.js';

/** How an owner's AWS objects are, apart from the state that he is in. */

type OwnerType = 'DOMAIN' | 'DATA_PRODUCT' | 'ACCESS_GRANT';

/** What is known to be wrong, and what nobody knows: it is not done, or was not looked at for two drift periods. */
const degraded = (x: Sql): Sql => sql`${unhealthySince(x)} IS NOT NULL`;
const stale = (x: Sql): Sql => sql`(${x}."freshUntil" IS NULL OR ${x}."freshUntil" < now())`;
const unknown = (x: Sql): Sql => sql`(${x}."status" <> 'READY' OR ${stale(x)})`;

/** The claims that count: those that hold, and while a grant is on its way out those that it let go. */
function claims(ownerType: OwnerType, t: Sql, x: Sql): Sql {
  const leaving = ownerType === 'ACCESS_GRANT' ? sql` OR ${t}."status" = 'REVOKING'` : sql``;
  return sql`"ResourceClaim" c WHERE c."ownerType" = ${raw(`'${ownerType}'`)} AND c."ownerId" = ${t}."id"
    AND c."resourceId" = ${x}."id" AND (c."releasedAtGeneration" IS NULL${leaving})`;
}

/** Whose AWS objects are judged: which are his, and whether more must stand than is known here. */
interface Judged {
  isOf: (t: Sql, x: Sql) => Sql;
  unconfirmed: (t: Sql) => Sql;
}

/** The worst of an owner's objects; no row where he has none. */
function worst({ isOf, unconfirmed }: Judged, t: Sql): Sql {
  return sql`SELECT bool_or(${degraded(sql`x`)}) AS bad, bool_or(${unknown(sql`x`)}) AS dark, min(${unhealthySince(sql`x`)}) AS "badSince",
      min(${darkSince(sql`x`)}) FILTER (WHERE ${unknown(sql`x`)}) AS "darkSince", ${unconfirmed(t)} AS unconfirmed
    FROM "Resource" x WHERE ${isOf(t, sql`x`)} HAVING count(*) > 0`;
}

/** Since when nobody knows: when the last look ceased to count, or when the row last changed. */
const darkSince = (x: Sql): Sql =>
  sql`CASE WHEN ${x}."status" = 'READY' THEN coalesce(${x}."freshUntil", ${x}."updatedAt") ELSE ${x}."updatedAt" END`;

/** Nobody reports on what the consumer's own workflows do: what is there in the governance account says nothing of it. */
const unconfirmed = (ownerType: OwnerType, t: Sql): Sql =>
  ownerType === 'ACCESS_GRANT'
    ? sql`EXISTS (SELECT 1 FROM "Domain" d WHERE d."id" = ${t}."consumerDomainId" AND d."provisioning" = 'DELEGATED')`
    : sql`false`;

const reason: Shape = {
  type: 'HealthReason',
  from: raw('"Resource"'),
  always: [],
  columns: {
    code: (x) => sql`CASE WHEN ${x}."drift" ->> 'acknowledgedAt' IS NOT NULL THEN 'DriftAcknowledged'
      WHEN ${x}."drift" IS NOT NULL THEN 'Drifted' WHEN ${x}."lastError" IS NOT NULL THEN ${x}."lastError" ->> 'code'
      WHEN ${x}."status" = 'READY' AND ${degraded(x)} THEN 'ForeignGrantStays'
      WHEN ${x}."status" = 'READY' THEN 'NotObserved' ELSE ${x}."status"::text END`,
    // Keys and AWS's words name roles and principals.
    message: (
      x,
      viewer,
    ) => sql`${x}."kind" || CASE WHEN NOT ${seesResource(x, viewer)} THEN '' ELSE ' ' || ${x}."key" || ': ' || CASE
      WHEN ${x}."drift" IS NOT NULL THEN (SELECT string_agg(point, '; ') FROM jsonb_array_elements_text(${x}."drift" -> 'differences') point)
      WHEN ${x}."lastError" IS NOT NULL THEN ${x}."lastError" ->> 'message'
      WHEN ${x}."status" = 'READY' AND ${degraded(x)} THEN 'AWS does not let a foreign grant on it be revoked; see its foreignGrants.'
      WHEN ${x}."status" = 'READY' THEN 'AWS was last seen to agree at ' || coalesce(${x}."observedAt"::text, 'no time that is known') || '.'
      ELSE 'It is ' || ${x}."status"::text || '.' END END`,
    since: (x) => sql`coalesce(${unhealthySince(x)}, ${darkSince(x)})`,
  },
  relations: {
    resource: { kind: 'one', shape: () => resourceShape, where: (x, r) => sql`${r}."id" = ${x}."id"` },
  },
  scope: 'CATALOGUE_READ',
  visible: everybody,
};

/** The health of a domain, a product or a grant: null where it needs nothing of AWS. */
export const health = (ownerType: OwnerType): Relation =>
  healthOf({
    isOf: (t, x) => sql`EXISTS (SELECT 1 FROM ${claims(ownerType, t, x)})`,
    unconfirmed: (t) => unconfirmed(ownerType, t),
  });

/**
 * The health of a route: of its rule, and of the permission on each bus among its targets, which cannot be given where there is no such
 * bus. EventBridge takes the rule all the same. Of queues nothing is known: their policies are their owners'.
 */
export const routeHealth = (): Relation =>
  healthOf({
    isOf: (
      t,
      x,
    ) => sql`${x}."id" IN (SELECT ${t}."ruleId" UNION ALL SELECT b."id" FROM "Domain" d, unnest(${t}."targets") target, "Resource" b
      WHERE d."id" = ${t}."domainId" AND b."kind" = 'BusPermission' AND b."account" = d."awsAccountId" AND b."region" = d."awsRegion"
        AND b."key" = substring(target FROM ':event-bus/(.+)$') || '/meshgate' AND b."desired" = 'PRESENT')`,
    unconfirmed: () => sql`false`,
  });

function healthOf(judged: Judged): Relation {
  return {
    kind: 'computed',
    type: 'Health',
    from: (t) => worst(judged, t),
    columns: {
      status: (h) => sql`CASE WHEN ${h}.bad THEN 'DEGRADED' WHEN ${h}.dark THEN 'UNKNOWN'
        WHEN ${h}.unconfirmed THEN 'UNCONFIRMED' ELSE 'HEALTHY' END`,
      since: (h) => sql`CASE WHEN ${h}.bad THEN ${h}."badSince" WHEN ${h}.dark THEN ${h}."darkSince" END`,
    },
    relations: {
      reasons: {
        kind: 'many',
        shape: () => reason,
        where: (t, x) => sql`(${degraded(x)} OR ${unknown(x)}) AND ${judged.isOf(t, x)}`,
        order: (x) => sql`${unhealthySince(x)} NULLS LAST, ${x}."kind", ${x}."key"`,
        limit: 100,
      },
    },
  };
}
