import type { ConnectionList, Order } from './connection.js';
import { dataProductList } from './data-product.js';
import { deputyShape, isNotOver } from './deputy.js';
import { domainEventTypeShape } from './domain-event-type.js';
import { eventRouteList } from './event-route.js';
import { health } from './health.js';
import { policyList } from './policy.js';
import { progress, resourceList } from './resource.js';
import { plain, raw, type Shape, type Sql, sql } from './select.js';
import { serviceAccountShape } from './service-account.js';
import { countsQuarantined, everybody, isMember, memberIds, owns } from './visible.js';
import { webhookList } from './webhook.js';

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
    ...plain('roleArn', 'dataLocation', 'dataAccessRoleArn', 'workflowRoleArn', 'crawlerRoleArn'),
    ...plain('eventTargetRoleArn', 'kmsKeyArn', 'externalId'),
    heldEventCount: (t) =>
      sql`(SELECT count(*)::int FROM "QuarantinedEvent" q WHERE q."account" = ${t}."awsAccountId" AND q."status" = 'HELD')`,
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
  guards: {
    MEMBERS: (t, viewer) => isMember(sql`${t}."id"`, viewer),
    SETUP: (t, viewer) => owns(sql`${t}."id"`, viewer),
    HELD: (t, viewer) => countsQuarantined(sql`${t}."id"`, viewer),
  },
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
