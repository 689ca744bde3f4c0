import { accessGrantShape } from './access-grant.js';
import { accessRequestShape } from './access-request.js';
import type { ConnectionList, Cursor, Order } from './connection.js';
import { dataContractShape } from './data-contract.js';
import { dataProductShape } from './data-product.js';
import { deputyShape } from './deputy.js';
import { domainShape } from './domain.js';
import { domainEventTypeShape } from './domain-event-type.js';
import { eventRouteShape } from './event-route.js';
import { foreignGrantShape } from './foreign-grant.js';
import { personalAccessTokenShape } from './personal-access-token.js';
import { policyShape } from './policy.js';
import { deadLetterShape, publisherShape } from './publisher.js';
import { quarantinedEventShape } from './quarantined-event.js';
import { resourceShape } from './resource.js';
import { plain, raw, type Shape, type Sql, sql } from './select.js';
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

export const eventShape: Shape = {
  type: 'MeshEvent',
  from: raw('"Event"'),
  always: ['id', 'sequence', 'type'],
  columns: {
    ...plain('id', 'type', 'version', 'occurredAt', 'actor', 'correlationId', 'data'),
    sequence: (t) => sql`${t}."seq"::text`,
  },
  relations: {
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
  types?: string[] | null;
  domains?: string[] | null;
  dataProducts?: string[] | null;
  tags?: string[] | null;
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
      if (filter.mine)
        conditions.push(
          sql`(${r}."actor"->>'subject' = ${viewer.subject} OR ${viewer.subject} = ANY(${r}."audienceSubjects"))`,
        );
      return conditions;
    },
  };
}
