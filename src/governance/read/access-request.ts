import { accessGrantShape } from './access-grant.js';
import type { ConnectionList, Order } from './connection.js';
import { dataProductShape } from './data-product.js';
import { domainShape } from './domain.js';
import { plain, raw, type Shape, type Sql, sql } from './select.js';
import { seesRequest } from './visible.js';

export const accessRequestShape: Shape = {
  type: 'AccessRequest',
  from: raw('"AccessRequest"'),
  always: ['id', 'status', 'requestedBy', 'productDomainId', 'consumerDomainId'],
  columns: {
    ...plain(
      'id',
      'requestedBy',
      'principals',
      'permissions',
      'tables',
      'columns',
      'rowFilter',
      'purpose',
      'accessMode',
    ),
    ...plain(
      'grantTo',
      'expiresAt',
      'status',
      'decidedBy',
      'decidedAt',
      'comment',
      'createdAt',
      'updatedAt',
      'consumerDomainId',
    ),
    productDomainId: (t) => sql`(SELECT p."domainId" FROM "DataProduct" p WHERE p."id" = ${t}."productId")`,
  },
  relations: {
    dataProduct: { kind: 'one', shape: () => dataProductShape, where: (t, r) => sql`${r}."id" = ${t}."productId"` },
    consumerDomain: {
      kind: 'one',
      shape: () => domainShape,
      where: (t, r) => sql`${r}."id" = ${t}."consumerDomainId"`,
    },
    accessGrant: { kind: 'one', shape: () => accessGrantShape, where: (t, r) => sql`${r}."requestId" = ${t}."id"` },
  },
  visible: seesRequest,
};

/** Newest first. */
export const newestFirst: Order = {
  name: 'createdAt DESC',
  descending: true,
  keys: [
    { sql: (r) => sql`${r}."createdAt"`, cast: 'timestamptz' },
    { sql: (r) => sql`${r}."id"`, cast: 'uuid' },
  ],
};

/** AccessRequestFilter, decoded: ids are uuids. */
interface AccessRequestFilter {
  status?: string[] | null;
  mine?: boolean | null;
  awaitingMyDecision?: boolean | null;
  dataProduct?: string | null;
  consumerDomain?: string | null;
}

export const accessRequestList: ConnectionList = {
  shape: () => accessRequestShape,
  order: () => newestFirst,
  filter: (r, args, viewer) => {
    const filter = (args.filter ?? {}) as AccessRequestFilter;
    const conditions: Sql[] = [];
    if (filter.status) conditions.push(sql`${r}."status"::text = ANY(${filter.status}::text[])`);
    if (filter.mine) conditions.push(sql`${r}."requestedBy" = ${viewer.subject}`);
    if (filter.dataProduct) conditions.push(sql`${r}."productId" = ${filter.dataProduct}::uuid`);
    if (filter.consumerDomain) conditions.push(sql`${r}."consumerDomainId" = ${filter.consumerDomain}::uuid`);
    if (filter.awaitingMyDecision) {
      const decides = [...viewer.memberships].filter(([, role]) => role !== 'MEMBER').map(([id]) => id);
      const mayDecide = viewer.admin
        ? sql`true`
        : sql`EXISTS (SELECT 1 FROM "DataProduct" p WHERE p."id" = ${r}."productId" AND p."domainId" = ANY(${decides}::uuid[]))`;
      conditions.push(sql`${r}."status" = 'PENDING' AND ${r}."requestedBy" <> ${viewer.subject} AND ${mayDecide}`);
    }
    return conditions;
  },
};
