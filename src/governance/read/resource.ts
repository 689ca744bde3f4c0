import { accessGrantShape } from './access-grant.js';
import type { ConnectionList, Order } from './connection.js';
import { dataProductShape } from './data-product.js';
import { domainShape } from './domain.js';
import { foreignGrantShape } from './foreign-grant.js';
import { type Column, plain, raw, type Shape, type Sql, sql } from './select.js';
import { seesClaim, seesResource } from './visible.js';

/** Since when something is known to be wrong with a resource: with itself, or a grant on it that is to go stays. NULL: nothing is. */
export const unhealthySince = (x: Sql): Sql => sql`least(${x}."unhealthySince", (
  SELECT min((f."lastError" ->> 'since')::timestamptz) FROM "ForeignGrant" f
  WHERE f."resourceId" = ${x}."id" AND f."status" = 'REVOKING' AND f."tries" >= 6))`;

/** How far an owner's resources are: counts over its claims that hold. */
export function progress(ownerType: 'DOMAIN' | 'DATA_PRODUCT' | 'ACCESS_GRANT'): Column {
  return (
    t: Sql,
  ) => sql`(SELECT json_build_object('total', count(*), 'ready', count(*) FILTER (WHERE x."status" = 'READY'),
      'failed', count(*) FILTER (WHERE x."status" IN ('FAILED', 'STUCK')))
    FROM "ResourceClaim" c JOIN "Resource" x ON x."id" = c."resourceId"
    WHERE c."ownerType" = ${raw(`'${ownerType}'`)} AND c."ownerId" = ${t}."id" AND c."releasedAtGeneration" IS NULL)`;
}

const OWNER_TYPES: Record<string, string> = {
  Domain: 'DOMAIN',
  DataProduct: 'DATA_PRODUCT',
  AccessGrant: 'ACCESS_GRANT',
};

const resourceClaim: Shape = {
  type: 'ResourceClaim',
  from: raw('"ResourceClaim"'),
  always: [],
  columns: {
    ...plain('spec', 'createdAt'),
    released: (t) => sql`${t}."releasedAtGeneration" IS NOT NULL`,
  },
  documents: ['spec'],
  relations: {
    owner: {
      kind: 'node',
      discriminator: (t) =>
        sql`CASE ${t}."ownerType" WHEN 'DOMAIN' THEN 'Domain' WHEN 'DATA_PRODUCT' THEN 'DataProduct' ELSE 'AccessGrant' END`,
      shapes: () => [domainShape, dataProductShape, accessGrantShape],
      where: (t, r) => sql`${r}."id" = ${t}."ownerId"`,
    },
  },
  scope: 'RESOURCE_READ',
  visible: seesClaim,
};

export const resourceShape: Shape = {
  type: 'Resource',
  from: raw('"Resource"'),
  always: ['id'],
  columns: {
    ...plain('id', 'kind', 'account', 'region', 'key', 'spec', 'desired', 'generation', 'status', 'observedGeneration'),
    ...plain(
      'observed',
      'observedAt',
      'attempts',
      'nextAttemptAt',
      'lastError',
      'drift',
      'correlationId',
      'createdAt',
      'updatedAt',
    ),
    unhealthySince,
  },
  relations: {
    foreignGrants: {
      kind: 'many',
      shape: () => foreignGrantShape,
      where: (t, r) => sql`${r}."resourceId" = ${t}."id" AND ${r}."status" <> 'GONE'`,
      order: (r) => sql`${r}."firstSeenAt" DESC, ${r}."id"`,
      limit: 100,
    },
    dependsOn: {
      kind: 'many',
      limit: 100,
      shape: () => resourceShape,
      where: (t, r) => sql`${r}."id" = ANY(${t}."dependsOn")`,
      order: (r) => sql`${r}."kind", ${r}."key"`,
    },
    claims: {
      kind: 'many',
      limit: 100,
      shape: () => resourceClaim,
      where: (t, r) => sql`${r}."resourceId" = ${t}."id"`,
      order: (r) => sql`${r}."createdAt", ${r}."ownerId"`,
    },
  },
  documents: ['spec', 'observed', 'lastError', 'drift'],
  scope: 'RESOURCE_READ',
  visible: seesResource,
};

const byKind: Order = {
  name: 'kind',
  descending: false,
  keys: [
    { sql: (r) => sql`${r}."kind"`, cast: 'text' },
    { sql: (r) => sql`${r}."key"`, cast: 'text' },
    { sql: (r) => sql`${r}."id"`, cast: 'text' },
  ],
};

/** ResourceFilter, decoded: the owner is (type name, uuid). */
interface ResourceFilter {
  owner?: { type: string; id: string } | null;
  kinds?: string[] | null;
  status?: string[] | null;
  unhealthy?: boolean | null;
}

export const resourceList: ConnectionList = {
  shape: () => resourceShape,
  order: () => byKind,
  filter: (r, args) => {
    const filter = (args.filter ?? {}) as ResourceFilter;
    const conditions: Sql[] = [];
    if (filter.owner)
      conditions.push(sql`EXISTS (SELECT 1 FROM "ResourceClaim" o WHERE o."resourceId" = ${r}."id"
        AND o."ownerType"::text = ${OWNER_TYPES[filter.owner.type] ?? ''} AND o."ownerId" = ${filter.owner.id}::uuid)`);
    if (filter.kinds) conditions.push(sql`${r}."kind" = ANY(${filter.kinds}::text[])`);
    if (filter.status) conditions.push(sql`${r}."status"::text = ANY(${filter.status}::text[])`);
    if (filter.unhealthy !== undefined && filter.unhealthy !== null)
      conditions.push(filter.unhealthy ? sql`${unhealthySince(r)} IS NOT NULL` : sql`${unhealthySince(r)} IS NULL`);
    return conditions;
  },
};
