import { type AccessFilter, accessConditions, accessRequestShape, newestFirst } from './access-request.js';
import { countingEntries } from './answer-size.js';
import type { ConnectionList } from './connection.js';
import { dataProductShape } from './data-product.js';
import { domainShape } from './domain.js';
import { health } from './health.js';
import { progress, resourceShape } from './resource.js';
import { plain, raw, type Shape, sql } from './select.js';
import { memberIds, readsDetailsOfRequest, seesGrant } from './visible.js';

/** What a query is made from. */
const askedColumns = sql`coalesce(json_agg(json_build_object('name', c."name", 'type', c."type", 'partition', c."partition",
  'pii', c."pii", 'classification', c."classification") ORDER BY c."position"), '[]')`;

export const accessGrantShape: Shape = {
  type: 'AccessGrant',
  from: raw('"AccessGrant"'),
  always: ['id', 'status', 'requestedBy', 'productDomainId', 'consumerDomainId'],
  columns: {
    ...plain(
      'id',
      'status',
      'expiresAt',
      'grantedAt',
      'revokedAt',
      'revokedBy',
      'reason',
      'createdAt',
      'updatedAt',
      'consumerDomainId',
    ),
    withheldColumns: (t) => sql`${t}."withheld"`,
    requestedBy: (t) => sql`(SELECT q."requestedBy" FROM "AccessRequest" q WHERE q."id" = ${t}."requestId")`,
    productDomainId: (t) => sql`(SELECT p."domainId" FROM "DataProduct" p WHERE p."id" = ${t}."productId")`,
    progress: progress('ACCESS_GRANT'),
    howToQuery: (
      t,
    ) => sql`(SELECT json_build_object('domain', json_build_object('name', d."name", 'awsAccountId', d."awsAccountId"),
        'consumer', (SELECT json_build_object('awsAccountId', c."awsAccountId", 'provisioning', c."provisioning")
          FROM "Domain" c WHERE c."id" = q."consumerDomainId"),
        'request', json_build_object('tables', q."tables", 'columns', q."columns", 'rowFilter', q."rowFilter",
          'accessMode', q."accessMode", 'approvedAs', q."approvedAs", 'withheld', ${t}."withheld"),
        'product', json_build_object('name', p."name", 'classification', p."classification", 'accessMode', p."accessMode",
          'previousAccessMode', p."previousAccessMode", 'tables', (
          SELECT coalesce(json_agg(json_build_object('name', x."name", 'columns', (
            SELECT ${countingEntries(askedColumns)} FROM "ProductColumn" c WHERE c."tableId" = x."id"
          )) ORDER BY x."position"), '[]') FROM "ProductTable" x WHERE x."productId" = p."id")))
      FROM "AccessRequest" q JOIN "DataProduct" p ON p."id" = q."productId" JOIN "Domain" d ON d."id" = p."domainId"
      WHERE q."id" = ${t}."requestId")`,
  },
  relations: {
    health: health('ACCESS_GRANT'),
    dataProduct: { kind: 'one', shape: () => dataProductShape, where: (t, r) => sql`${r}."id" = ${t}."productId"` },
    consumerDomain: {
      kind: 'one',
      shape: () => domainShape,
      where: (t, r) => sql`${r}."id" = ${t}."consumerDomainId"`,
    },
    accessRequest: { kind: 'one', shape: () => accessRequestShape, where: (t, r) => sql`${r}."id" = ${t}."requestId"` },
    pendingExtension: {
      kind: 'one',
      shape: () => accessRequestShape,
      where: (t, r) => sql`${r}."extendsId" = ${t}."id" AND ${r}."status" = 'PENDING'`,
    },
    resources: {
      kind: 'many',
      limit: 500,
      shape: () => resourceShape,
      where: (t, r) =>
        sql`EXISTS (SELECT 1 FROM "ResourceClaim" c WHERE c."resourceId" = ${r}."id" AND c."ownerType" = 'ACCESS_GRANT' AND c."ownerId" = ${t}."id")`,
      order: (r) => sql`${r}."kind", ${r}."account", ${r}."key"`,
    },
  },
  scope: 'ACCESS_READ',
  visible: seesGrant,
  documents: ['withheldColumns', 'howToQuery'],
  guards: { DETAILS: readsDetailsOfRequest },
  sensitive: { columns: ['howToQuery'], productId: (t) => sql`${t}."productId"` },
};

export const accessGrantList: ConnectionList = {
  shape: () => accessGrantShape,
  order: () => newestFirst,
  filter: (r, args, viewer) => {
    const filter = (args.filter ?? {}) as AccessFilter;
    const conditions = accessConditions(r, filter);
    if (filter.mine) conditions.push(sql`${r}."consumerDomainId" = ANY(${memberIds(viewer)}::uuid[])`);
    return conditions;
  },
};
