import { domainShape } from './domain.js';
import { plain, raw, type Shape, sql } from './select.js';
import { everybody, seesEventType } from './visible.js';

/** Read below its type alone. */
const domainEventTypeVersion: Shape = {
  type: 'DomainEventTypeVersion',
  from: raw('"DomainEventTypeVersion"'),
  always: [],
  columns: plain('number', 'schema', 'createdAt', 'createdBy'),
  relations: {},
  documents: ['schema'],
  scope: 'ANY',
  visible: everybody,
};

export const domainEventTypeShape: Shape = {
  type: 'DomainEventType',
  from: raw('"DomainEventType"'),
  always: ['id'],
  columns: {
    ...plain(
      'id',
      'detailType',
      'description',
      'visibility',
      'version',
      'createdAt',
      'createdBy',
      'removedAt',
      'removedBy',
    ),
    schema: (t) =>
      sql`(SELECT v."schema" FROM "DomainEventTypeVersion" v WHERE v."typeId" = ${t}."id" AND v."number" = ${t}."version")`,
  },
  relations: {
    domain: { kind: 'one', shape: () => domainShape, where: (t, r) => sql`${r}."id" = ${t}."domainId"` },
    versions: {
      kind: 'many',
      limit: 100,
      shape: () => domainEventTypeVersion,
      where: (t, r) => sql`${r}."typeId" = ${t}."id"`,
      order: (r) => sql`${r}."number" DESC`,
    },
  },
  documents: ['schema'],
  scope: 'CATALOGUE_READ',
  visible: seesEventType,
};
