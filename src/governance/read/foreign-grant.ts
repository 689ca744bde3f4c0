import { CLAIMED_FOR } from '../rows.js';
import type { ConnectionList, Order } from './connection.js';
import { resourceShape } from './resource.js';
import { plain, raw, type Shape, type Sql, sql } from './select.js';
import { seesForeignGrant } from './visible.js';

export const foreignGrantShape: Shape = {
  type: 'ForeignGrant',
  from: raw('"ForeignGrant"'),
  always: ['id'],
  columns: {
    ...plain('id', 'account', 'region', 'principal', 'resource', 'status', 'firstSeenAt', 'lastSeenAt'),
    ...plain('acknowledgedBy', 'acknowledgedAt', 'reason', 'lastError', 'tries'),
    permissions: (t) => sql`${t}."permissions" -> 'permissions'`,
    grantable: (t) => sql`${t}."permissions" -> 'grantable'`,
  },
  relations: {
    object: { kind: 'one', shape: () => resourceShape, where: (t, r) => sql`${r}."id" = ${t}."resourceId"` },
  },
  scope: 'RESOURCE_READ',
  visible: seesForeignGrant,
};

const newestFirst: Order = {
  name: 'newest',
  descending: true,
  keys: [
    { sql: (r) => sql`${r}."firstSeenAt"`, cast: 'timestamptz' },
    { sql: (r) => sql`${r}."id"`, cast: 'uuid' },
  ],
};

/** ForeignGrantFilter, decoded: the domain is a uuid. */
interface ForeignGrantFilter {
  status?: string[] | null;
  domain?: string | null;
  principal?: string | null;
}

export const foreignGrantList: ConnectionList = {
  shape: () => foreignGrantShape,
  order: () => newestFirst,
  filter: (r, args) => {
    const { status, domain, principal } = (args.filter ?? {}) as ForeignGrantFilter;
    const conditions: Sql[] = [];
    if (status) conditions.push(sql`${r}."status"::text = ANY(${status}::text[])`);
    else conditions.push(sql`${r}."status" <> 'GONE'`);
    if (principal) conditions.push(sql`${r}."principal" = ${principal}`);
    if (domain) conditions.push(onObjectOf(r, domain));
    return conditions;
  },
};

/** The object is in the domain's account, or claimed by it, by a product of its, or by a grant to one. */
function onObjectOf(r: Sql, domain: string): Sql {
  return sql`(EXISTS (SELECT 1 FROM "Domain" d WHERE d."id" = ${domain}::uuid AND d."awsAccountId" = ${r}."account")
    OR EXISTS (SELECT 1 FROM "ResourceClaim" c ${CLAIMED_FOR}
      WHERE c."resourceId" = ${r}."resourceId" AND coalesce(p."domainId", c."ownerId") = ${domain}::uuid))`;
}
