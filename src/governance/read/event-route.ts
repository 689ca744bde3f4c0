import type { ConnectionList, Order } from './connection.js';
import { domainShape } from './domain.js';
import { routeHealth } from './health.js';
import { resourceShape } from './resource.js';
import { plain, raw, type Shape, sql } from './select.js';
import { isMember } from './visible.js';

export const eventRouteShape: Shape = {
  type: 'EventRoute',
  from: raw('"EventRoute"'),
  always: ['id', 'domainId', 'domainName', 'pattern', 'targets'],
  columns: {
    ...plain('id', 'domainId', 'name', 'description', 'pattern', 'targets', 'createdAt', 'createdBy', 'updatedAt'),
    domainName: (t) => sql`(SELECT d."name" FROM "Domain" d WHERE d."id" = ${t}."domainId")`,
  },
  relations: {
    domain: { kind: 'one', shape: () => domainShape, where: (t, r) => sql`${r}."id" = ${t}."domainId"` },
    health: routeHealth(),
    rule: { kind: 'one', shape: () => resourceShape, where: (t, r) => sql`${r}."id" = ${t}."ruleId"` },
  },
  documents: ['pattern'],
  scope: 'CATALOGUE_READ',
  visible: (t, viewer) => isMember(sql`${t}."domainId"`, viewer),
};

const byName: Order = {
  name: 'name',
  descending: false,
  keys: [
    { sql: (r) => sql`${r}."name"`, cast: 'text' },
    { sql: (r) => sql`${r}."id"`, cast: 'uuid' },
  ],
};

export const eventRouteList: ConnectionList = { shape: () => eventRouteShape, order: () => byName, filter: () => [] };
