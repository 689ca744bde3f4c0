import type { ConnectionList, Order } from './connection.js';
import { domainShape } from './domain.js';
import { plain, raw, type Shape, type Sql, sql } from './select.js';
import { everybody, seesWebhook } from './visible.js';

/** Read below its delivery alone. */
const webhookAttemptShape: Shape = {
  type: 'WebhookAttempt',
  from: raw('"WebhookAttempt"'),
  always: [],
  columns: plain('number', 'startedAt', 'milliseconds', 'statusCode', 'error'),
  relations: {},
  scope: 'ANY',
  visible: everybody,
};

export const webhookDeliveryShape: Shape = {
  type: 'WebhookDelivery',
  from: raw('"WebhookDelivery"'),
  always: ['id'],
  columns: {
    ...plain('id', 'kind', 'status', 'eventType', 'createdAt', 'nextAttemptAt'),
    messageId: (t) => sql`${t}."messageId"`,
    sequence: (t) => sql`${t}."seq"::text`,
  },
  relations: {
    attempts: {
      kind: 'many',
      limit: 50,
      shape: () => webhookAttemptShape,
      where: (t, r) => sql`${r}."deliveryId" = ${t}."id"`,
      order: (r) => sql`${r}."startedAt" DESC, ${r}."id" DESC`,
    },
  },
  scope: 'DOMAIN_WRITE',
  visible: (t, viewer) =>
    sql`EXISTS (SELECT 1 FROM "Webhook" w WHERE w."id" = ${t}."webhookId" AND ${seesWebhook(sql`w`, viewer)})`,
};

const latestFirst: Order = {
  name: 'createdAt DESC',
  descending: true,
  keys: [
    { sql: (r) => sql`${r}."createdAt"`, cast: 'timestamptz' },
    { sql: (r) => sql`${r}."id"`, cast: 'uuid' },
  ],
};

export const webhookDeliveryList: ConnectionList = {
  shape: () => webhookDeliveryShape,
  order: () => latestFirst,
  filter: (r, { status }) => (typeof status === 'string' ? [sql`${r}."status"::text = ${status}`] : []),
};

/** What the sender notes of it. */
const progress = (t: Sql, column: Sql): Sql =>
  sql`(SELECT p.${column} FROM "WebhookProgress" p WHERE p."webhookId" = ${t}."id")`;

export const webhookShape: Shape = {
  type: 'Webhook',
  from: raw('"Webhook"'),
  always: ['id'],
  columns: {
    ...plain('id', 'name', 'url', 'filter', 'status', 'disabledReason', 'disabledAt', 'previousSecretEndsAt'),
    ...plain('createdAt', 'createdBy', 'removedAt', 'removedBy'),
    failingSince: (t) => progress(t, raw('"failingSince"')),
    pausedUntil: (t) => progress(t, raw('"pausedUntil"')),
  },
  relations: {
    domain: { kind: 'one', shape: () => domainShape, where: (t, r) => sql`${r}."id" = ${t}."domainId"` },
    deliveries: {
      kind: 'connection',
      list: () => webhookDeliveryList,
      where: (t, r) => sql`${r}."webhookId" = ${t}."id"`,
    },
  },
  documents: ['filter'],
  scope: 'DOMAIN_WRITE',
  visible: seesWebhook,
};

const byName: Order = {
  name: 'name',
  descending: false,
  keys: [
    { sql: (r) => sql`${r}."name"`, cast: 'text' },
    { sql: (r) => sql`${r}."id"`, cast: 'uuid' },
  ],
};

/** WebhookFilter, decoded. */
interface WebhookFilter {
  domain?: string | null;
  status?: string | null;
}

export const webhookList: ConnectionList = {
  shape: () => webhookShape,
  order: () => byName,
  filter: (r, args) => {
    const { domain, status } = (args.filter ?? {}) as WebhookFilter;
    const conditions: Sql[] = [sql`${r}."removedAt" IS NULL`];
    if (domain) conditions.push(sql`${r}."domainId" = ${domain}::uuid`);
    if (status) conditions.push(sql`${r}."status"::text = ${status}`);
    return conditions;
  },
};
