import { isLive } from '../rows.js';
import { accessGrantList, accessGrantShape } from './access-grant.js';
import { accessRequestList } from './access-request.js';
import type { ConnectionList, Order } from './connection.js';
import { dataContractShape } from './data-contract.js';
import { domainShape } from './domain.js';
import { health } from './health.js';
import { requestTemplateShape } from './request-template.js';
import { progress, resourceList } from './resource.js';
import { empty, plain, raw, type Shape, type Sql, sql } from './select.js';
import { everybody, isMember, memberIds, seesProduct } from './visible.js';

const productColumn: Shape = {
  type: 'ProductColumn',
  from: raw('"ProductColumn"'),
  always: [],
  columns: plain('name', 'type', 'description', 'required', 'primaryKey', 'partition', 'pii', 'classification'),
  relations: {},
  scope: 'CATALOGUE_READ',
  visible: everybody,
};

const productTable: Shape = {
  type: 'ProductTable',
  from: raw('"ProductTable"'),
  always: [],
  columns: plain('name', 'description', 'location', 'format'),
  documents: ['description'],
  relations: {
    columns: {
      kind: 'many',
      limit: 2000,
      document: true,
      shape: () => productColumn,
      where: (t, r) => sql`${r}."tableId" = ${t}."id"`,
      order: (r) => sql`${r}."position"`,
    },
  },
  scope: 'CATALOGUE_READ',
  visible: everybody,
};

const schemaVersion: Shape = {
  type: 'SchemaVersion',
  from: raw('"SchemaVersion"'),
  always: [],
  columns: {
    ...plain('number', 'source', 'tables', 'createdAt'),
    violations: (t) => sql`coalesce(${t}."violations", '[]'::jsonb)`,
  },
  documents: ['tables', 'violations'],
  relations: {},
  scope: 'CATALOGUE_READ',
  visible: everybody,
};

const qualityResult: Shape = {
  type: 'QualityResult',
  from: raw('"QualityResult"'),
  always: [],
  columns: {
    ...plain('table', 'score', 'state', 'resultId', 'rulesSucceeded', 'rulesFailed', 'rulesSkipped', 'evaluatedAt'),
  },
  relations: {},
  scope: 'CATALOGUE_READ',
  visible: everybody,
};

export const dataProductShape: Shape = {
  type: 'DataProduct',
  from: raw('"DataProduct"'),
  always: ['id', 'domainId', 'status'],
  columns: {
    ...plain('id', 'domainId', 'name', 'displayName', 'description', 'owner', 'accessMode', 'classification', 'status'),
    ...plain('previousAccessMode', 'provisioningReport'),
    ...plain('tags', 'odcsId', 'publishedAt', 'deprecatedAt', 'retiredAt', 'createdAt', 'updatedAt'),
    path: (t) => sql`(SELECT d."name" FROM "Domain" d WHERE d."id" = ${t}."domainId") || '/' || ${t}."name"`,
    schemaChangesPerMonth: (t) => sql`(SELECT round(greatest(count(*) - 1, 0) /
      greatest(extract(epoch FROM now() - min(v."createdAt")) / 2629800.0, 1.0), 2)::float8
      FROM "SchemaVersion" v WHERE v."productId" = ${t}."id")`,
    qualityScore: (t) => sql`(SELECT avg(q."score") FROM "QualityResult" q JOIN "ProductTable" x
      ON x."productId" = q."productId" AND x."name" = q."table" WHERE q."productId" = ${t}."id")`,
    progress: progress('DATA_PRODUCT'),
  },
  relations: {
    health: health('DATA_PRODUCT'),
    domain: { kind: 'one', shape: () => domainShape, where: (t, r) => sql`${r}."id" = ${t}."domainId"` },
    contract: {
      kind: 'one',
      shape: () => dataContractShape,
      where: (t, r) => sql`${r}."productId" = ${t}."id" AND ${r}."status" = 'ACTIVE'`,
    },
    contracts: {
      kind: 'many',
      limit: 100,
      shape: () => dataContractShape,
      where: (t, r) => sql`${r}."productId" = ${t}."id"`,
      order: (r) => sql`${r}."createdAt" DESC, ${r}."id" DESC`,
    },
    tables: {
      kind: 'many',
      limit: 1000,
      shape: () => productTable,
      where: (t, r) => sql`${r}."productId" = ${t}."id"`,
      order: (r) => sql`${r}."position"`,
    },
    qualityResults: {
      kind: 'many',
      limit: 1000,
      shape: () => qualityResult,
      where: (t, r) => sql`${r}."productId" = ${t}."id"`,
      order: (r) => sql`${r}."table"`,
    },
    schemaVersions: {
      kind: 'many',
      limit: 100,
      shape: () => schemaVersion,
      where: (t, r) => sql`${r}."productId" = ${t}."id"`,
      order: (r) => sql`${r}."number" DESC`,
    },
    requestTemplate: {
      kind: 'one',
      shape: () => requestTemplateShape,
      where: (t, r) => sql`${r}."questions"::text <> '{}' AND ${r}."version" =
        (SELECT max(q."version") FROM "RequestTemplate" q WHERE q."productId" = ${t}."id") AND ${r}."productId" = ${t}."id"`,
    },
    viewerAccess: {
      kind: 'many',
      limit: 100,
      shape: () => accessGrantShape,
      where: (t, r, viewer) =>
        sql`${r}."productId" = ${t}."id" AND ${r}.${isLive} AND ${r}."consumerDomainId" = ANY(${memberIds(viewer)}::uuid[])`,
      order: (r) => sql`${r}."createdAt" DESC, ${r}."id" DESC`,
    },
    accessRequests: {
      kind: 'connection',
      list: () => accessRequestList,
      where: (t, r) => sql`${r}."productId" = ${t}."id"`,
    },
    accessGrants: {
      kind: 'connection',
      list: () => accessGrantList,
      where: (t, r) => sql`${r}."productId" = ${t}."id"`,
    },
    resources: {
      kind: 'connection',
      list: () => resourceList,
      where: (t, r) =>
        sql`EXISTS (SELECT 1 FROM "ResourceClaim" c WHERE c."resourceId" = ${r}."id" AND c."ownerType" = 'DATA_PRODUCT' AND c."ownerId" = ${t}."id")`,
    },
  },
  scope: 'CATALOGUE_READ',
  visible: seesProduct,
  documents: ['provisioningReport'],
  guards: { MEMBERS: (t, viewer) => isMember(sql`${t}."domainId"`, viewer) },
};

/** Arguments of `dataProducts`, decoded: ids are uuids. */
interface DataProductArgs {
  search?: string | null;
  filter?: {
    domains?: string[] | null;
    status?: string[] | null;
    accessMode?: string[] | null;
    classification?: string[] | null;
    tags?: string[] | null;
    owner?: string | null;
    mine?: boolean | null;
  } | null;
  orderBy?: { field: 'NAME' | 'CREATED_AT' | 'UPDATED_AT'; direction?: 'ASC' | 'DESC' | null } | null;
}

/** The query of a search: computed once a statement, as an uncorrelated subquery. */
const query = (search: string): Sql =>
  sql`(SELECT websearch_to_tsquery('english', translate(${search}::text, '_/', '  ')))`;

const ORDER_COLUMNS = {
  NAME: { column: raw('"name"'), cast: 'text' },
  CREATED_AT: { column: raw('"createdAt"'), cast: 'timestamptz' },
  UPDATED_AT: { column: raw('"updatedAt"'), cast: 'timestamptz' },
} as const;

function order(args: DataProductArgs): Order {
  const id = { sql: (r: Sql) => sql`${r}."id"`, cast: 'uuid' };
  const search = args.search?.trim();
  if (search && !args.orderBy) {
    const rank = { sql: (r: Sql) => sql`ts_rank(${r}."search", ${query(search)})`, cast: 'real' };
    // The rank is of this search alone, so its cursor is of no use to another.
    return { name: `relevance to ${search}`, descending: true, keys: [rank, id] };
  }
  const { field, direction } = args.orderBy ?? { field: 'NAME' as const, direction: 'ASC' as const };
  const { column, cast } = ORDER_COLUMNS[field];
  return {
    name: `${field} ${direction ?? 'ASC'}`,
    descending: direction === 'DESC',
    keys: [{ sql: (r) => sql`${r}.${column}`, cast }, id],
  };
}

function filter(r: Sql, args: DataProductArgs, domainIds: string[]): Sql[] {
  const wanted = args.filter ?? {};
  const conditions: Sql[] = [];
  const oneOf = (column: string, values: string[] | null | undefined) => {
    if (values) conditions.push(sql`${r}.${raw(`"${column}"`)}::text = ANY(${values}::text[])`);
  };
  const search = args.search?.trim();
  if (search) conditions.push(sql`${r}."search" @@ ${query(search)}`);
  if (wanted.domains) conditions.push(sql`${r}."domainId" = ANY(${wanted.domains}::uuid[])`);
  oneOf('status', wanted.status);
  oneOf('accessMode', wanted.accessMode);
  oneOf('classification', wanted.classification);
  if (wanted.tags) conditions.push(sql`${r}."tags" @> ${wanted.tags}::text[]`);
  if (wanted.owner) conditions.push(sql`${r}."owner" = ${wanted.owner}`);
  if (wanted.mine) conditions.push(sql`${r}."domainId" = ANY(${domainIds}::uuid[])`);
  return conditions;
}

const facet = (column: string) => (row: Sql) => ({ value: sql`${row}.${raw(`"${column}"`)}`, from: empty });

export const dataProductList: ConnectionList = {
  shape: () => dataProductShape,
  order: (args) => order(args as DataProductArgs),
  filter: (r, args, viewer) => filter(r, args as DataProductArgs, memberIds(viewer)),
  facets: {
    domain: (row) => ({ value: sql`d."name"`, from: sql`JOIN "Domain" d ON d."id" = ${row}."domainId"` }),
    status: facet('status'),
    accessMode: facet('accessMode'),
    classification: facet('classification'),
    tag: (row) => ({ value: sql`tag`, from: sql`CROSS JOIN LATERAL unnest(${row}."tags") AS tag` }),
  },
};
