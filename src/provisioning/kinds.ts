import { z } from 'zod';
import type { DesiredResource, ResourceIdentity } from './resource.js';

/**
 * The closed list of resource kinds: spec, key, what each stands on, and how claims merge. AWS calls are in src/aws, one file a kind.
 * Dependencies follow from kind, key and spec alone, so that claims of many owners on one resource never disagree about them.
 */

const account = z.string().regex(/^\d{12}$/);
const parameters = z.record(z.string(), z.string());
const column = z.object({ name: z.string(), type: z.string(), comment: z.string().optional() });

/** The Lake Formation resource that a grant or a tag is on; `catalogId` is the account that owns it. */
const lfResource = z.discriminatedUnion('type', [
  z.object({ type: z.literal('CATALOG'), catalogId: account }),
  z.object({ type: z.literal('DATABASE'), catalogId: account, database: z.string() }),
  z.object({ type: z.literal('TABLE'), catalogId: account, database: z.string(), table: z.string() }),
]);
export type LfResource = z.infer<typeof lfResource>;

/** Permission name (SELECT, DESCRIBE, ALL ...) -> every column, or a sorted list of columns (tables only). */
const permissionMap = z.record(z.string(), z.union([z.literal('ALL_COLUMNS'), z.array(z.string()).min(1)]));
export type PermissionMap = z.infer<typeof permissionMap>;

const specs = {
  /** key `settings`. `manage` false: observe only. */
  DataLakeSettings: z.object({
    admins: z.array(z.string()),
    crossAccountVersion: z.number().optional(),
    manage: z.boolean(),
  }),
  /** key `policy`. Statements of the Glue catalogue's resource policy, by Sid. */
  CatalogPolicy: z.object({ statements: z.record(z.string(), z.record(z.string(), z.unknown())) }),
  /** key: the S3 ARN, arn:aws:s3:::bucket/prefix. */
  DataLocation: z.object({ arn: z.string(), roleArn: z.string() }),
  /** key: the database's name. `dataLocation` is the S3 ARN it stands on, where there is one. */
  GlueDatabase: z.object({
    name: z.string(),
    description: z.string().optional(),
    locationUri: z.string().optional(),
    dataLocation: z.string().optional(),
    parameters,
  }),
  /** key `database/table`. */
  GlueTable: z.object({
    database: z.string(),
    name: z.string(),
    description: z.string().optional(),
    location: z.string(),
    dataLocation: z.string(),
    format: z.enum(['PARQUET', 'ORC', 'AVRO', 'JSON', 'CSV', 'ICEBERG']),
    columns: z.array(column),
    partitionKeys: z.array(column),
    parameters,
  }),
  /** key `database/link`. A resource link to a table of another account's catalogue. */
  TableLink: z.object({
    database: z.string(),
    name: z.string(),
    target: z.object({ catalogId: account, database: z.string(), table: z.string() }),
  }),
  /** key: the tag's key. Values of many claims are united. */
  LfTag: z.object({ key: z.string(), values: z.array(z.string()).min(1) }),
  /** key `<lf resource>#<tag key>`, with `#columns` where it is on columns. One value per tag key and resource. */
  LfTagAttachment: z.object({
    resource: lfResource,
    key: z.string(),
    value: z.string(),
    columns: z.array(z.string()).optional(),
  }),
  /** key `<principal> on <lf resource>`. Permissions of many claims are united. */
  LfGrant: z.object({
    principal: z.string(),
    resource: lfResource,
    permissions: permissionMap,
    grantable: permissionMap,
  }),
  /** key `<principal> from <lf resource>`. READY when the RAM share that Lake Formation made is active for the principal (an ARN or an account). */
  ShareAcceptance: z.object({ resource: lfResource, principal: z.string() }),
  /** key: the bus's name. */
  EventBus: z.object({ name: z.string() }),
  /** key `bus/statement id`. Who may put on a bus: one statement for all accounts, as the policy has room for 10,240 bytes. Accounts of many claims are united. */
  BusPermission: z.object({
    bus: z.string(),
    statementId: z.string(),
    principalAccounts: z.array(account).min(1),
    /** Sources that only the bus's own account may put: anyone else's would be forged commands. */
    deniedSources: z.array(z.string()),
  }),
  /** key `bus/rule`. */
  EventRule: z.object({
    bus: z.string(),
    name: z.string(),
    description: z.string().optional(),
    pattern: z.record(z.string(), z.unknown()),
    targets: z.array(z.object({ id: z.string(), arn: z.string(), roleArn: z.string().optional() })).max(5),
  }),
} as const;

export type Kind = keyof typeof specs;
export type SpecOf<K extends Kind> = K extends Kind ? z.infer<(typeof specs)[K]> : never;
export const KINDS = Object.keys(specs) as Kind[];

/** The zod schema of a kind's spec: what `declare` validates before it writes. */
export function specSchema<K extends Kind>(kind: K): (typeof specs)[K] {
  return specs[kind];
}

/** The one-line text of a Lake Formation resource in keys and messages: `table 111122223333/db/t`. */
export function lfResourceText(resource: LfResource): string {
  switch (resource.type) {
    case 'CATALOG':
      return `catalog ${resource.catalogId}`;
    case 'DATABASE':
      return `database ${resource.catalogId}/${resource.database}`;
    case 'TABLE':
      return `table ${resource.catalogId}/${resource.database}/${resource.table}`;
  }
}

const keys: { [K in Kind]: (spec: SpecOf<K>) => string } = {
  DataLakeSettings: () => 'settings',
  CatalogPolicy: () => 'policy',
  DataLocation: (spec) => spec.arn,
  GlueDatabase: (spec) => spec.name,
  GlueTable: (spec) => `${spec.database}/${spec.name}`,
  TableLink: (spec) => `${spec.database}/${spec.name}`,
  LfTag: (spec) => spec.key,
  LfTagAttachment: (spec) =>
    `${lfResourceText(spec.resource)}#${spec.key}${spec.columns === undefined ? '' : '#columns'}`,
  LfGrant: (spec) => `${spec.principal} on ${lfResourceText(spec.resource)}`,
  ShareAcceptance: (spec) => `${spec.principal} from ${lfResourceText(spec.resource)}`,
  EventBus: (spec) => spec.name,
  BusPermission: (spec) => `${spec.bus}/${spec.statementId}`,
  EventRule: (spec) => `${spec.bus}/${spec.name}`,
};

/** States one desired resource: the key is derived from the spec. */
export function desire<K extends Kind>(
  kind: K,
  at: { account: string; region: string },
  spec: SpecOf<K>,
): DesiredResource<K> {
  return { kind, account: at.account, region: at.region, key: keys[kind](spec), spec };
}

type At = { account: string; region: string };
const on = (kind: Kind, at: At, key: string): ResourceIdentity => ({
  kind,
  account: at.account,
  region: at.region,
  key,
});

/** What a Lake Formation resource stands on, seen from the account that is called: a table of another account is there once its share is. */
function ground(at: At, resource: LfResource, principal?: string): ResourceIdentity[] {
  if (resource.type === 'CATALOG') return [on('DataLakeSettings', at, 'settings')];
  const owner = { account: resource.catalogId, region: at.region };
  if (resource.type === 'DATABASE') return [on('GlueDatabase', owner, resource.database)];
  if (resource.catalogId === at.account) {
    const key = `${resource.database}/${resource.table}`;
    return [on('GlueTable', at, key), on('TableLink', at, key)];
  }
  const text = lfResourceText(resource);
  return [
    on('ShareAcceptance', at, `${at.account} from ${text}`),
    ...(principal ? [on('ShareAcceptance', at, `${principal} from ${text}`)] : []),
  ];
}

const dependencies: { [K in Kind]: (at: At, spec: SpecOf<K>) => ResourceIdentity[] } = {
  DataLakeSettings: () => [],
  CatalogPolicy: (at) => [on('DataLakeSettings', at, 'settings')],
  DataLocation: (at) => [on('DataLakeSettings', at, 'settings')],
  GlueDatabase: (at, spec) => [
    on('DataLakeSettings', at, 'settings'),
    ...(spec.dataLocation ? [on('DataLocation', at, spec.dataLocation)] : []),
  ],
  GlueTable: (at, spec) => [
    on('GlueDatabase', at, spec.database),
    on('DataLocation', at, spec.dataLocation),
    on('CatalogPolicy', at, 'policy'),
  ],
  TableLink: (at, spec) => [on('GlueDatabase', at, spec.database)],
  LfTag: (at) => [on('DataLakeSettings', at, 'settings')],
  // A table's tag gives access to every column that has none of its own: those of its columns come before it.
  LfTagAttachment: (at, spec) => [
    on('LfTag', at, spec.key),
    ...ground(at, spec.resource),
    ...(spec.resource.type === 'TABLE' && spec.columns === undefined
      ? [on('LfTagAttachment', at, `${lfResourceText(spec.resource)}#${spec.key}#columns`)]
      : []),
  ],
  LfGrant: (at, spec) => ground(at, spec.resource, spec.principal),
  ShareAcceptance: (at, spec) =>
    spec.resource.type === 'CATALOG'
      ? []
      : [
          on(
            'LfGrant',
            { account: spec.resource.catalogId, region: at.region },
            `${spec.principal} on ${lfResourceText(spec.resource)}`,
          ),
        ],
  EventBus: () => [],
  BusPermission: (at, spec) => [on('EventBus', at, spec.bus)],
  EventRule: (at, spec) => [on('EventBus', at, spec.bus)],
};

/** The identities a resource stands on. One that has no row does not block: not every mesh declares every kind. */
export function dependenciesOf(resource: DesiredResource): ResourceIdentity[] {
  const of = dependencies[resource.kind] as (at: At, spec: unknown) => ResourceIdentity[];
  return of(resource, resource.spec);
}

/**
 * Kinds whose removal makes no call, so that nothing is to be seen of it: a share goes with the grant that it carries, and an
 * account's settings stay, as what they were before is not known.
 */
export const REMOVED_WITHOUT_CALL: ReadonlySet<Kind> = new Set(['ShareAcceptance', 'DataLakeSettings']);
