import type { Viewer } from '../context.js';
import type { ConnectionList, Order } from './connection.js';
import { dataProductList } from './data-product.js';
import { deputyShape, isNotOver } from './deputy.js';
import { domainEventTypeShape } from './domain-event-type.js';
import { eventRouteList } from './event-route.js';
import { health } from './health.js';
import { policyList } from './policy.js';
import { progress, resourceList } from './resource.js';
import { type Column, plain, raw, type Shape, type Sql, sql } from './select.js';
import { serviceAccountShape } from './service-account.js';
import { countsQuarantined, everybody, isMember, memberIds, owns } from './visible.js';
import { webhookList } from './webhook.js';

/** Columns that only members of the domain and admins get; null for others. */
function forMembers(...names: string[]): Record<string, Column> {
  return Object.fromEntries(
    names.map((name) => [
      name,
      (t: Sql, viewer: Viewer) => sql`CASE WHEN ${isMember(sql`${t}."id"`, viewer)} THEN ${t}.${raw(`"${name}"`)} END`,
    ]),
  );
}

const domainMember: Shape = {
  type: 'DomainMember',
  from: raw('"DomainMember"'),
  always: [],
  columns: plain('id', 'subject', 'role', 'createdAt', 'createdBy'),
  relations: {},
  scope: 'CATALOGUE_READ',
  visible: (t, viewer) => isMember(sql`${t}."domainId"`, viewer),
};

export const domainShape: Shape = {
  type: 'Domain',
  from: raw('"Domain"'),
  always: ['id'],
  columns: {
    ...plain('id', 'name', 'displayName', 'description', 'awsAccountId', 'awsRegion', 'eventBusName', 'manageSettings'),
    ...plain(
      'provisioning',
      'driftPolicy',
      'foreignGrantPolicy',
      'accountRevocation',
      'remindAfter',
      'escalateAfter',
      'status',
      'readyAt',
      'createdAt',
      'updatedAt',
    ),
    ...forMembers('roleArn', 'dataLocation', 'dataAccessRoleArn', 'workflowRoleArn', 'crawlerRoleArn'),
    ...forMembers('eventTargetRoleArn', 'kmsKeyArn'),
    externalId: (t, viewer) => sql`CASE WHEN ${owns(sql`${t}."id"`, viewer)} THEN ${t}."externalId" END`,
    heldEventCount: (t, viewer) => sql`CASE WHEN ${countsQuarantined(sql`${t}."id"`, viewer)} THEN (
      SELECT count(*)::int FROM "QuarantinedEvent" q WHERE q."account" = ${t}."awsAccountId" AND q."status" = 'HELD') END`,
    progress: progress('DOMAIN'),
  },
  relations: {
    health: health('DOMAIN'),
    members: {
      kind: 'many',
      limit: 1000,
      shape: () => domainMember,
      where: (t, r) => sql`${r}."domainId" = ${t}."id"`,
      order: (r) => sql`${r}."createdAt", ${r}."id"`,
    },
    deputies: {
      kind: 'many',
      limit: 1000,
      shape: () => deputyShape,
      where: (t, r) => sql`${r}."domainId" = ${t}."id" AND ${isNotOver(r)}`,
      order: (r) => sql`${r}."from", ${r}."id"`,
    },
    serviceAccounts: {
      kind: 'many',
      limit: 1000,
      shape: () => serviceAccountShape,
      where: (t, r) => sql`${r}."domainId" = ${t}."id" AND ${r}."removedAt" IS NULL`,
      order: (r) => sql`${r}."name"`,
    },
    eventTypes: {
      kind: 'many',
      limit: 200,
      shape: () => domainEventTypeShape,
      where: (t, r) => sql`${r}."domainId" = ${t}."id" AND ${r}."removedAt" IS NULL`,
      order: (r) => sql`${r}."detailType"`,
    },
    dataProducts: {
      kind: 'connection',
      list: () => dataProductList,
      where: (t, r) => sql`${r}."domainId" = ${t}."id"`,
    },
    eventRoutes: {
      kind: 'connection',
      list: () => eventRouteList,
      where: (t, r) => sql`${r}."domainId" = ${t}."id"`,
    },
    webhooks: {
      kind: 'connection',
      list: () => webhookList,
      where: (t, r) => sql`${r}."domainId" = ${t}."id"`,
    },
    policies: {
      kind: 'connection',
      list: () => policyList,
      where: (t, r) => sql`${r}."domainId" = ${t}."id"`,
    },
    resources: {
      kind: 'connection',
      list: () => resourceList,
      where: (t, r) =>
        sql`EXISTS (SELECT 1 FROM "ResourceClaim" c WHERE c."resourceId" = ${r}."id" AND c."ownerType" = 'DOMAIN' AND c."ownerId" = ${t}."id")`,
    },
  },
  scope: 'CATALOGUE_READ',
  visible: everybody,
};

const byName: Order = {
  name: 'name',
  descending: false,
  keys: [
    { sql: (r) => sql`${r}."name"`, cast: 'text' },
    { sql: (r) => sql`${r}."id"`, cast: 'uuid' },
  ],
};

/** DomainFilter, decoded. */
interface DomainFilter {
  search?: string | null;
  status?: string[] | null;
  mine?: boolean | null;
}

export const domainList: ConnectionList = {
  shape: () => domainShape,
  order: () => byName,
  filter: (r, args, viewer) => {
    const filter = (args.filter ?? {}) as DomainFilter;
    const conditions: Sql[] = [];
    if (filter.search)
      conditions.push(
        sql`(position(lower(${filter.search}) in lower(${r}."name" || ' ' || ${r}."displayName" || ' ' || coalesce(${r}."description", ''))) > 0)`,
      );
    if (filter.status) conditions.push(sql`${r}."status"::text = ANY(${filter.status}::text[])`);
    if (filter.mine) conditions.push(sql`${r}."id" = ANY(${memberIds(viewer)}::uuid[])`);
    return conditions;
  },
};
