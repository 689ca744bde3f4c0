import type { ConnectionList, Order } from './connection.js';
import { domainShape } from './domain.js';
import { plain, raw, type Shape, type Sql, sql } from './select.js';
import { seesPolicy, seesPolicyVersion } from './visible.js';

const policyVersionShape: Shape = {
  type: 'PolicyVersion',
  from: raw('"PolicyVersion"'),
  always: ['number'],
  columns: plain(
    'id',
    'number',
    'source',
    'digest',
    'statements',
    'status',
    'createdAt',
    'createdBy',
    'activatedAt',
    'activatedBy',
    'supersededAt',
    'supersededBy',
  ),
  relations: {},
  documents: ['source', 'statements'],
  scope: 'CATALOGUE_READ',
  visible: seesPolicyVersion,
};

export const policyShape: Shape = {
  type: 'Policy',
  from: raw('"Policy"'),
  always: ['id', 'domainId'],
  columns: plain('id', 'scope', 'domainId', 'name', 'description', 'createdAt', 'createdBy', 'updatedAt'),
  relations: {
    domain: { kind: 'one', shape: () => domainShape, where: (t, r) => sql`${r}."id" = ${t}."domainId"` },
    active: {
      kind: 'one',
      shape: () => policyVersionShape,
      where: (t, r) => sql`${r}."policyId" = ${t}."id" AND ${r}."status" = 'ACTIVE'`,
    },
    versions: {
      kind: 'many',
      limit: 100,
      shape: () => policyVersionShape,
      where: (t, r) => sql`${r}."policyId" = ${t}."id"`,
      order: (r) => sql`${r}."number" DESC`,
    },
  },
  scope: 'CATALOGUE_READ',
  visible: seesPolicy,
};

const byName: Order = {
  name: 'name',
  descending: false,
  keys: [
    { sql: (r) => sql`${r}."name"`, cast: 'text' },
    { sql: (r) => sql`${r}."id"`, cast: 'uuid' },
  ],
};

/** PolicyFilter, decoded. */
interface PolicyFilter {
  scope?: string | null;
  domain?: string | null;
  active?: boolean | null;
}

export const policyList: ConnectionList = {
  shape: () => policyShape,
  order: () => byName,
  filter: (r, args) => {
    const { scope, domain, active } = (args.filter ?? {}) as PolicyFilter;
    const conditions: Sql[] = [];
    if (scope) conditions.push(sql`${r}."scope"::text = ${scope}`);
    if (domain) conditions.push(sql`${r}."domainId" = ${domain}::uuid`);
    if (typeof active === 'boolean') {
      const has = sql`EXISTS (SELECT 1 FROM "PolicyVersion" v WHERE v."policyId" = ${r}."id" AND v."status" = 'ACTIVE')`;
      conditions.push(active ? has : sql`NOT ${has}`);
    }
    return conditions;
  },
};
