import { z } from 'zod';
import { account, lfResource, lfResourceText } from './lake-resource.js';
import type { DesiredResource } from './resource.js';

/**
 * The closed list of resource kinds: spec and key. What each stands on is in depends-on.ts, how claims merge in merge.ts; AWS calls
 * are in src/aws, one file a kind.
 */

const parameters = z.record(z.string(), z.string());
const column = z.object({ name: z.string(), type: z.string(), comment: z.string().optional() });

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
  /** key: the link's name. A resource link to a database of another account's catalogue. */
  DatabaseLink: z.object({
    name: z.string(),
    target: z.object({ catalogId: account, database: z.string() }),
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
  /** key `database/table/name`. Rows and columns of a table; `rowFilter` null means every row (Lake Formation, data filters). */
  DataFilter: z.object({
    database: z.string(),
    table: z.string(),
    name: z.string(),
    columns: z.union([z.literal('ALL_COLUMNS'), z.array(z.string()).min(1)]),
    rowFilter: z.string().nullable(),
  }),
  /** key: the crawler's name. One run of a crawler over a table's location; another `run` is another run. READY once it has succeeded. */
  CrawlerRun: z.object({
    name: z.string(),
    run: z.string(),
    roleArn: z.string(),
    /** The table in the catalogue of the account that is called: the link. */
    link: z.object({ database: z.string(), table: z.string() }),
    target: z.object({ catalogId: account, database: z.string(), table: z.string() }),
  }),
  /** key: the registry's name. Of the whole mesh, as an account has room for few: domains claim it, and it is never removed. */
  SchemaRegistry: z.object({ name: z.string() }),
  /** key `registry/name`. A JSON Schema (draft-07) of the Glue schema registry, whose versions are what it was at times. */
  SchemaRegistration: z.object({
    registry: z.string(),
    name: z.string(),
    definition: z.record(z.string(), z.unknown()),
  }),
  /** key: the ruleset's name. DQDL rules, each as a text, on a table of the account that is called. */
  QualityRuleset: z.object({
    name: z.string(),
    database: z.string(),
    table: z.string(),
    rules: z.array(z.string()).min(1),
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
    targets: z
      .array(
        z.object({
          id: z.string(),
          arn: z.string(),
          roleArn: z.string().optional(),
          /** ARN of the queue that keeps what the target does not take; without it such an event is lost. */
          deadLetterArn: z.string().optional(),
        }),
      )
      .max(5),
  }),
  /** key: the queue's name. A standard queue encrypted with SQS's own key. Senders of many claims are united. */
  Queue: z.object({
    name: z.string(),
    /** How long a message is kept, in seconds: 60 to 1,209,600 (SQS API reference, SetQueueAttributes). */
    retentionSeconds: z.number().int(),
    /** ARNs of the rules from which EventBridge may send to it. */
    senders: z.array(z.string()),
    /** Where a message goes that was received so often and never deleted; without it, it comes again until its retention is over. */
    redrive: z.object({ deadLetterArn: z.string(), maxReceives: z.number().int().min(1).max(1_000) }).optional(),
  }),
} as const;

export type Kind = keyof typeof specs;
export type SpecOf<K extends Kind> = K extends Kind ? z.infer<(typeof specs)[K]> : never;
export const KINDS = Object.keys(specs) as Kind[];

/** The zod schema of a kind's spec: what `declare` validates before it writes. */
export function specSchema<K extends Kind>(kind: K): (typeof specs)[K] {
  return specs[kind];
}

const keys: { [K in Kind]: (spec: SpecOf<K>) => string } = {
  DataLakeSettings: () => 'settings',
  CatalogPolicy: () => 'policy',
  DataLocation: (spec) => spec.arn,
  GlueDatabase: (spec) => spec.name,
  GlueTable: (spec) => `${spec.database}/${spec.name}`,
  TableLink: (spec) => `${spec.database}/${spec.name}`,
  DatabaseLink: (spec) => spec.name,
  LfTag: (spec) => spec.key,
  LfTagAttachment: (spec) =>
    `${lfResourceText(spec.resource)}#${spec.key}${spec.columns === undefined ? '' : '#columns'}`,
  LfGrant: (spec) => `${spec.principal} on ${lfResourceText(spec.resource)}`,
  DataFilter: (spec) => `${spec.database}/${spec.table}/${spec.name}`,
  CrawlerRun: (spec) => spec.name,
  SchemaRegistry: (spec) => spec.name,
  SchemaRegistration: (spec) => `${spec.registry}/${spec.name}`,
  QualityRuleset: (spec) => spec.name,
  ShareAcceptance: (spec) => `${spec.principal} from ${lfResourceText(spec.resource)}`,
  EventBus: (spec) => spec.name,
  BusPermission: (spec) => `${spec.bus}/${spec.statementId}`,
  EventRule: (spec) => `${spec.bus}/${spec.name}`,
  Queue: (spec) => spec.name,
};

/** States one desired resource: the key is derived from the spec. */
export function desire<K extends Kind>(
  kind: K,
  at: { account: string; region: string },
  spec: SpecOf<K>,
): DesiredResource<K> {
  return { kind, account: at.account, region: at.region, key: keys[kind](spec), spec };
}

/**
 * Kinds whose removal makes no call, so that nothing is to be seen of it: a share goes with the grant that it carries, an
 * account's settings stay, as what they were before is not known, and a registry would take others' schemas along.
 */
export const REMOVED_WITHOUT_CALL: ReadonlySet<Kind> = new Set([
  'ShareAcceptance',
  'DataLakeSettings',
  'SchemaRegistry',
]);
