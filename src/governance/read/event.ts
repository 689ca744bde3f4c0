import type { Field, ReferredType } from '../../events/fields.js';
import { classificationsFrom, EVENT_TYPES, type EventType } from '../../events/types.js';
import type { Classification } from '../../generated/prisma/client.js';
import { accessGrantShape } from './access-grant.js';
import { accessRequestShape } from './access-request.js';
import type { ConnectionList, Cursor, Order } from './connection.js';
import { dataContractShape } from './data-contract.js';
import { dataProductShape } from './data-product.js';
import { deputyShape } from './deputy.js';
import { domainShape } from './domain.js';
import { domainEventTypeShape } from './domain-event-type.js';
import { eventDataSql } from './event-data.js';
import { eventRouteShape } from './event-route.js';
import { foreignGrantShape } from './foreign-grant.js';
import { personalAccessTokenShape } from './personal-access-token.js';
import { policyShape } from './policy.js';
import { deadLetterShape, publisherShape } from './publisher.js';
import { quarantinedEventShape } from './quarantined-event.js';
import { resourceShape } from './resource.js';
import { type Column, plain, type Relation, raw, type Shape, type Sql, sql } from './select.js';
import { serviceAccountShape } from './service-account.js';
import { seesEvent } from './visible.js';
import { webhookShape } from './webhook.js';

/** Every object that `node` finds. */
export const nodeShapes = (): Shape[] => [
  ...subjectShapes(),
  foreignGrantShape,
  deadLetterShape,
  eventRouteShape,
  deputyShape,
  domainEventTypeShape,
];

/** Every object that an event can be about. */
const subjectShapes = (): Shape[] => [
  domainShape,
  dataProductShape,
  dataContractShape,
  accessRequestShape,
  accessGrantShape,
  policyShape,
  resourceShape,
  serviceAccountShape,
  personalAccessTokenShape,
  publisherShape,
  webhookShape,
  quarantinedEventShape,
];

const referredShapes: Record<ReferredType, () => Shape> = {
  Domain: () => domainShape,
  DataProduct: () => dataProductShape,
  DataContract: () => dataContractShape,
  AccessRequest: () => accessRequestShape,
  AccessGrant: () => accessGrantShape,
};

/** Every field of any event's data: a name means the same in all of them. */
const dataFields: [string, Field][] = Object.values(EVENT_TYPES).flatMap(({ data }) => Object.entries(data));

/** The uuid in a global id (base64url of `Type:uuid`) of an event's data; null where it has none. */
const referredId = (t: Sql, name: string): Sql => {
  const id = sql`translate(${t}."data"->>${name}::text, '-_', '+/')`;
  return sql`split_part(convert_from(decode(rpad(${id}, (length(${id}) + 3) / 4 * 4, '='), 'base64'), 'UTF8'), ':', 2)::uuid`;
};

const dataColumns: Record<string, Column> = Object.fromEntries(
  dataFields
    .filter(([, { node }]) => node === undefined)
    .map(([name]): [string, Column] => [name, (t, viewer) => sql`(${eventDataSql(t, viewer)})->${name}::text`]),
);
/** Lists and objects of data: the rest is short. */
const largeData = dataFields
  .filter(([, { kind }]) => kind === 'FREE' || kind === 'LIST' || kind === 'OBJECT')
  .map(([name]) => name);
const referredObjects: Record<string, Relation> = Object.fromEntries(
  dataFields.flatMap(([name, { node }]): [string, Relation][] => {
    if (node === undefined) return [];
    return [
      [name, { kind: 'one', shape: referredShapes[node], where: (t, r) => sql`${r}."id" = ${referredId(t, name)}` }],
    ];
  }),
);

/** The fields of an event that name objects: they are read where they are asked for. */
export const EVENT_REFERENCES: ReadonlySet<string> = new Set(['subject', 'domain', ...Object.keys(referredObjects)]);

export const eventShape: Shape = {
  type: 'MeshEvent',
  from: raw('"Event"'),
  always: ['id', 'sequence', 'type'],
  columns: {
    ...dataColumns,
    ...plain('id', 'type', 'version', 'occurredAt', 'actor', 'correlationId'),
    data: eventDataSql,
    sequence: (t) => sql`${t}."seq"::text`,
  },
  documents: ['data', ...largeData],
  relations: {
    ...referredObjects,
    subject: {
      kind: 'node',
      discriminator: (t) => sql`${t}."subjectType"`,
      shapes: subjectShapes,
      // A resource's events name it by a uuid (version 8) of its identity hash: resourceSubjectId.
      where: (t, r, shape) =>
        shape.type === 'Resource'
          ? sql`(left(${r}."id", 12) || '8' || substr(${r}."id", 14, 3) || '8' || substr(${r}."id", 18, 15)) =
              replace(${t}."subjectId"::text, '-', '')`
          : sql`${r}."id" = ${t}."subjectId"`,
    },
    domain: { kind: 'one', shape: () => domainShape, where: (t, r) => sql`${r}."id" = ${t}."domainId"` },
  },
  // Each event as what it is about: see seesEvent.
  scope: 'ANY',
  visible: seesEvent,
};

const bySequence: Order = { name: 'seq', descending: false, keys: [{ sql: (r) => sql`${r}."seq"`, cast: 'bigint' }] };

/** MeshEventFilter, decoded: ids are uuids, types PascalCase. */
export interface EventFilter {
  types?: EventType[] | null;
  domains?: string[] | null;
  dataProducts?: string[] | null;
  tags?: string[] | null;
  minimumClassification?: Classification | null;
  mine?: boolean | null;
}

/** The list of events in log order; `cursor` is the same text as a subscription's. */
export function eventList(cursor: Cursor): ConnectionList {
  return {
    shape: () => eventShape,
    order: () => bySequence,
    cursor,
    filter: (r, args, viewer) => {
      const filter = (args.filter ?? {}) as EventFilter;
      const conditions: Sql[] = [];
      if (filter.types) conditions.push(sql`${r}."type" = ANY(${filter.types}::text[])`);
      if (filter.domains) conditions.push(sql`${r}."domainId" = ANY(${filter.domains}::uuid[])`);
      if (filter.dataProducts) conditions.push(sql`${r}."productId" = ANY(${filter.dataProducts}::uuid[])`);
      if (filter.tags)
        conditions.push(
          sql`(jsonb_typeof(${r}."data"->'tags') = 'array' AND ${r}."data"->'tags' ?| ${filter.tags}::text[])`,
        );
      if (filter.minimumClassification) {
        const wanted = classificationsFrom(filter.minimumClassification);
        conditions.push(sql`(${r}."data"->>'classification' = ANY(${wanted}::text[])
          OR ${r}."data"->'before'->>'classification' = ANY(${wanted}::text[]))`);
      }
      if (filter.mine)
        conditions.push(
          sql`(${r}."actor"->>'subject' = ${viewer.subject}
            OR (${r}."audienceSubjects" <> '{}' AND ${r}."audienceSubjects" @> ARRAY[${viewer.subject}]::text[]))`,
        );
      return conditions;
    },
  };
}
