import type { Viewer } from '../context.js';
import { accessGrantShape } from './access-grant.js';
import type { ConnectionList, Order } from './connection.js';
import { dataProductShape } from './data-product.js';
import { domainShape } from './domain.js';
import { requestTemplateShape } from './request-template.js';
import { plain, raw, type Shape, type Sql, sql } from './select.js';
import { everybody, governedIds, readsDetails, readsDetailsOfRequest, seesRequest } from './visible.js';

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
      'namedPurpose',
      'accessMode',
    ),
    ...plain(
      'grantTo',
      'expiresAt',
      'status',
      'decidedBy',
      'decidedFor',
      'escalatedTo',
      'escalatedAt',
      'decidedAt',
      'comment',
      'createdAt',
      'updatedAt',
      'consumerDomainId',
    ),
    answers: (t) => sql`${t}."answers"`,
    waitingSince: (t) => sql`CASE ${t}."status" WHEN 'PENDING' THEN ${t}."createdAt" END`,
    extension: (t) => sql`${t}."extendsId" IS NOT NULL`,
    productDomainId: (t) => sql`(SELECT p."domainId" FROM "DataProduct" p WHERE p."id" = ${t}."productId")`,
  },
  relations: {
    decision: {
      kind: 'one',
      shape: () => accessDecisionShape,
      where: (t, r) => sql`${r}."requestId" = ${t}."id"`,
    },
    approvals: {
      kind: 'computed',
      type: 'AccessApprovals',
      from: (t) => sql`SELECT coalesce((SELECT CASE ${t}."status" WHEN 'PENDING' THEN d."required" END
        FROM "AccessDecision" d WHERE d."requestId" = ${t}."id"), '[]') AS "required"`,
      columns: { required: (c) => sql`${c}."required"` },
      relations: {
        given: {
          kind: 'many',
          limit: 100,
          shape: () => accessApprovalShape,
          where: (t, r) => sql`${r}."requestId" = ${t}."id"`,
          order: (r) => sql`${r}."createdAt", ${r}."id"`,
        },
      },
    },
    dataProduct: { kind: 'one', shape: () => dataProductShape, where: (t, r) => sql`${r}."id" = ${t}."productId"` },
    consumerDomain: {
      kind: 'one',
      shape: () => domainShape,
      where: (t, r) => sql`${r}."id" = ${t}."consumerDomainId"`,
    },
    accessGrant: {
      kind: 'one',
      shape: () => accessGrantShape,
      where: (t, r) => sql`(${r}."requestId" = ${t}."id" OR ${r}."id" = ${t}."extendsId")`,
    },
    requestTemplate: {
      kind: 'one',
      shape: () => requestTemplateShape,
      where: (t, r) => sql`${r}."id" = ${t}."templateId"`,
    },
    comments: {
      kind: 'connection',
      list: () => accessRequestCommentList,
      where: (t, r) => sql`${r}."requestId" = ${t}."id"`,
    },
  },
  scope: 'ACCESS_READ',
  visible: seesRequest,
  documents: ['principals', 'tables', 'columns', 'rowFilter', 'answers'],
  guards: { DETAILS: readsDetails },
  lists: ['principals'],
  sensitive: { columns: ['principals', 'rowFilter'], productId: (t) => sql`${t}."productId"` },
};

/** Seen with its request. */
const accessDecisionShape: Shape = {
  type: 'AccessDecision',
  from: raw('"AccessDecision"'),
  always: [],
  columns: {
    ...plain('outcome', 'policies', 'reasons'),
    version: (t) => sql`${t}."policyVersion"`,
    decidedAt: (t) => sql`${t}."updatedAt"`,
  },
  documents: ['policies', 'reasons'],
  relations: {},
  scope: 'ACCESS_READ',
  visible: everybody,
};

/** The digest of the facts that were judged last. */
const lastJudged = (t: Sql): Sql =>
  sql`(SELECT d."factsDigest" FROM "AccessDecision" d WHERE d."requestId" = ${t}."requestId")`;

/** Seen with its request. */
const accessApprovalShape: Shape = {
  type: 'AccessApproval',
  from: raw('"AccessApproval"'),
  always: [],
  columns: {
    ...plain('id', 'approvedBy', 'approvedFor', 'role', 'comment', 'expiresAt', 'createdAt'),
    standing: (t) => sql`${t}."factsDigest" = ${lastJudged(t)}`,
  },
  relations: {},
  scope: 'ACCESS_READ',
  visible: everybody,
  guards: { DETAILS: readsDetailsOfRequest },
};

/** Who reads a request's details reads what was said about it; comments are read below their request alone. */
const accessRequestComment: Shape = {
  type: 'AccessRequestComment',
  from: raw('"AccessRequestComment"'),
  always: [],
  columns: { ...plain('author', 'text'), at: (t) => sql`${t}."createdAt"` },
  relations: {},
  scope: 'ACCESS_READ',
  visible: everybody,
};

/** As a talk is read: oldest first. */
export const accessRequestCommentList: ConnectionList = {
  shape: () => accessRequestComment,
  filter: () => [],
  order: () => ({
    name: 'createdAt',
    descending: false,
    keys: [
      { sql: (r) => sql`${r}."createdAt"`, cast: 'timestamptz' },
      { sql: (r) => sql`${r}."id"`, cast: 'uuid' },
    ],
  }),
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

/** What the filters of requests and of grants have in common, decoded: ids are uuids. */
export interface AccessFilter {
  status?: string[] | null;
  mine?: boolean | null;
  dataProduct?: string | null;
  consumerDomain?: string | null;
}

/** The conditions that the columns of requests and of grants have in common; what `mine` means differs. */
export function accessConditions(r: Sql, { status, dataProduct, consumerDomain }: AccessFilter): Sql[] {
  const conditions: Sql[] = [];
  if (status) conditions.push(sql`${r}."status"::text = ANY(${status}::text[])`);
  if (dataProduct) conditions.push(sql`${r}."productId" = ${dataProduct}::uuid`);
  if (consumerDomain) conditions.push(sql`${r}."consumerDomainId" = ${consumerDomain}::uuid`);
  return conditions;
}

export const accessRequestList: ConnectionList = {
  shape: () => accessRequestShape,
  order: () => newestFirst,
  filter: (r, args, viewer) => {
    const filter = (args.filter ?? {}) as AccessFilter & {
      awaitingMyDecision?: boolean | null;
      escalated?: boolean | null;
    };
    const conditions = accessConditions(r, filter);
    if (filter.mine) conditions.push(sql`${r}."requestedBy" = ${viewer.subject}`);
    if (filter.awaitingMyDecision) {
      conditions.push(sql`${r}."status" = 'PENDING' AND ${r}."requestedBy" <> ${viewer.subject} AND ${mayDecide(r, viewer)}
        AND requester_of_grant(${r}."extendsId") IS DISTINCT FROM ${viewer.subject}
        AND NOT EXISTS (SELECT 1 FROM "AccessApproval" a WHERE a."requestId" = ${r}."id" AND a."approvedBy" = ${viewer.subject}
          AND a."factsDigest" = ${lastJudged(sql`a`)})`);
    }
    if (typeof filter.escalated === 'boolean') {
      conditions.push(filter.escalated ? sql`${r}."escalatedAt" IS NOT NULL` : sql`${r}."escalatedAt" IS NULL`);
    }
    return conditions;
  },
};

/** By the viewer's own role, or in the place of one who neither asked nor approved; an approval that his deputy gave is his. */
function mayDecide(r: Sql, viewer: Viewer): Sql {
  if (viewer.admin) return sql`true`;
  const deputyships = viewer.deputyships ?? [];
  const domains = deputyships.map(({ domainId }) => domainId);
  const people = deputyships.map(({ standsInFor }) => standsInFor);
  return sql`EXISTS (SELECT 1 FROM "DataProduct" p WHERE p."id" = ${r}."productId" AND (
    p."domainId" = ANY(${governedIds(viewer)}::uuid[])
      AND NOT EXISTS (SELECT 1 FROM "AccessApproval" a WHERE a."requestId" = ${r}."id" AND a."approvedFor" = ${viewer.subject})
    OR EXISTS (SELECT 1 FROM unnest(${domains}::uuid[], ${people}::text[]) AS place ("domainId", "person")
      WHERE place."domainId" = p."domainId" AND place."person" <> ${r}."requestedBy"
        AND place."person" IS DISTINCT FROM requester_of_grant(${r}."extendsId") AND NOT EXISTS (
        SELECT 1 FROM "AccessApproval" a WHERE a."requestId" = ${r}."id" AND place."person" IN (a."approvedBy", a."approvedFor")))))`;
}
