import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { Mesh } from '../governance/context.js';
import {
  classifications,
  databaseName,
  days,
  duration,
  flag,
  iamRole,
  isLoopback,
  isLoopbackHost,
  issuers,
  logLevel,
  origins,
  postgresUrl,
  proxies,
  webhookKeys,
  wholeNumber,
} from './config-value.js';
import type { logLevels } from './log.js';
import { isReservedSubject } from './reserved-subject.js';

/** Configuration that cannot be used; the message lists every mistake. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** A token issuer that is trusted, and what its tokens must look like (RFC 8725, RFC 9068). */
export interface Issuer {
  issuer: string;
  jwksUri: string;
  audience: string[];
  /** The `typ` header that its access tokens carry, for example `at+jwt`; null where it sets none. */
  typ: string | null;
  /** Put before each subject, so that two issuers' subjects are never taken for one another. */
  subjectPrefix: string;
  /** Groups whose members are platform admins. */
  adminGroups: string[];
  /** Whose tokens they are: people's, or machines' (client credentials, workload identity), which may be service accounts. */
  kind: 'PERSON' | 'MACHINE';
  /** Tokens issued longer ago are refused, whatever they say of themselves. */
  maxTokenAgeSeconds: number;
}

/** Everything that a server or worker is told from outside, validated. */
export interface Config {
  databaseUrl: string;
  poolSize: number;
  host: string;
  /** 0 takes a free port. */
  port: number;
  /** Origins of web pages that may use the API, besides the server's own. */
  allowedOrigins: string[];
  /** Where clients reach the API, behind whatever stands in front; null: where it listens. */
  publicUrl: string | null;
  /** Documents that clients may name by their hash: the manifest's path, null where there is none, and whether nothing else is run. */
  trustedDocuments: { path: string | null; only: boolean };
  /** Addresses and networks whose X-Forwarded-For is believed. */
  trustedProxies: string[];
  /** Sockets and streams that one viewer may hold open in a process. */
  connectionsPerViewer: number;
  /** What all who share an address may cost a second in a process, in points as for viewers. */
  addressRate: number;
  issuers: Issuer[];
  mesh: Mesh;
  /** Endpoint and credentials null: real AWS, by the SDK's default credential chain. */
  aws: {
    endpoint: string | null;
    credentials: { accessKeyId: string; secretAccessKey: string } | null;
    /** Whether to assume the governance role; else the credentials found are its own already. */
    assumeGovernanceRole: boolean;
  };
  /** The keys that webhooks' secrets are derived from, the one in force first; none: there are no webhooks. */
  webhookKeys: Buffer[];
  /** Networks that webhooks may reach although they are not public. */
  webhookNetworks: string[];
  driftPeriodSeconds: number;
  /** How many days before its end a grant's end is announced. */
  reminderDays: number[];
  logLevel: (typeof logLevels)[number];
  production: boolean;
  introspection: boolean;
  graphiql: boolean;
}

/** What `migrate` is told. */
export interface MigrateConfig {
  ownerUrl: string;
  logLevel: Config['logLevel'];
}

/** What `archive` is told. */
export interface ArchiveConfig {
  ownerUrl: string;
  /** null: nothing is too old. */
  retentionDays: number | null;
}

/** The issuer of the embedded sandbox: everybody on this machine can read its key, so it never serves a network. */
export const sandboxIssuer = 'urn:meshgate:sandbox';

const variables = {
  DATABASE_URL: postgresUrl.describe(
    "The server's login on its Postgres: a member of the role meshgate_server, not the owner.",
  ),
  DATABASE_POOL_SIZE: wholeNumber(1, 200).default(10).describe('Connections to Postgres at most; a worker needs 5.'),
  HOST: z.string().default('127.0.0.1').describe('Address to listen on; 0.0.0.0 in a container.'),
  PORT: wholeNumber(0, 65_535).default(4000).describe('Port to listen on.'),
  MESHGATE_ISSUERS: issuers.describe(
    'Token issuers as JSON: [{"issuer","jwksUri","audience","typ","adminGroups","subjectPrefix","maxTokenAgeSeconds","kind"}], kind PERSON or MACHINE.',
  ),
  MESHGATE_ALLOWED_ORIGINS: origins
    .default([])
    .describe('Origins of web pages that may use the API, such as https://portal.example, separated by commas.'),
  MESHGATE_PUBLIC_URL: z
    .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
    .optional()
    .describe('Where clients reach the API through a proxy; with https, answers tell browsers to stay with it (HSTS).'),
  MESHGATE_TRUSTED_DOCUMENTS: z
    .string()
    .optional()
    .describe('Path of a JSON file { "sha256:...": "query ..." }: documents that clients may name by `documentId`.'),
  MESHGATE_TRUSTED_DOCUMENTS_ONLY: flag.default(false).describe('Whether to run nothing but these.'),
  MESHGATE_GOVERNANCE_ACCOUNT: z
    .string()
    .regex(/^\d{12}$/, 'must be an AWS account id of 12 digits')
    .describe('The AWS account that owns the central catalogue.'),
  MESHGATE_REGION: z
    .string()
    .regex(/^[a-z]{2}(-[a-z]+)+-\d$/, 'must be an AWS region such as eu-central-1')
    .describe('The region of the mesh.'),
  MESHGATE_GOVERNANCE_ROLE_ARN: iamRole.describe('The IAM role that Meshgate runs as in the governance account.'),
  MESHGATE_ASSUME_GOVERNANCE_ROLE: flag
    .default(false)
    .describe('Whether to assume that role; not needed where the process runs as it already.'),
  MESHGATE_DATA_ACCESS_ROLE_ARN: iamRole.describe(
    'The role in the governance account that Lake Formation reads registered locations with.',
  ),
  MESHGATE_EVENT_TARGET_ROLE_ARN: iamRole.describe(
    "The role in the governance account that EventBridge reaches the domains' buses with.",
  ),
  MESHGATE_CENTRAL_BUS: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,256}$/, 'must be a name of an event bus')
    .default('central-mesh-bus')
    .describe('The event bus in the governance account.'),
  MESHGATE_MANAGE_SETTINGS: flag
    .default(false)
    .describe("Whether Meshgate writes the governance account's data lake settings, or only checks them."),
  MESHGATE_NRAC_DATABASE: databaseName
    .default('{domain}_nrac')
    .describe("Name of a domain's database for access by name."),
  MESHGATE_TBAC_DATABASE: databaseName
    .default('{domain}_tbac')
    .describe("Name of a domain's database for access by tag."),
  MESHGATE_AUDIT_READS: classifications
    .default(['RESTRICTED'])
    .describe(
      'Products of these classifications, separated by commas: whoever reads the principals, row filters, ways to query or explanations of access to one is named in the audit trail. "none" for none.',
    ),
  MESHGATE_TRUSTED_PROXIES: proxies
    .default([])
    .describe(
      'Addresses or networks (10.0.0.0/8) of the proxies before this server, separated by commas: what they say in X-Forwarded-For is taken for the address of a client. Without them the header is not read.',
    ),
  MESHGATE_CONNECTIONS_PER_VIEWER: wholeNumber(1, 1_000_000)
    .default(2_000)
    .describe('WebSockets and streams of server-sent events that one viewer may hold open in a process at most.'),
  MESHGATE_ADDRESS_RATE: wholeNumber(1, 1_000_000)
    .default(1_000)
    .describe(
      'What all who come from one address (in IPv6 a network of 64 bits) may cost a second together, counted as for a viewer, who has 100; ten times as much beyond that within a minute. Behind a proxy name it in MESHGATE_TRUSTED_PROXIES, or all clients share its address.',
    ),
  MESHGATE_AWS_ENDPOINT: z
    .url('must be a URL')
    .refine(isLoopback, 'must be on loopback: it is for the sandbox')
    .optional()
    .describe('Where the sandbox answers in place of AWS. Never set it for real AWS.'),
  MESHGATE_WEBHOOK_KEYS: webhookKeys
    .default([])
    .describe(
      "Keys that webhooks' secrets are derived from: base64 of 32 bytes or more (`openssl rand -base64 32`), separated by commas; the first makes new secrets, all of them sign. Without one there are no webhooks.",
    ),
  MESHGATE_WEBHOOK_NETWORKS: proxies
    .default([])
    .describe(
      'Addresses or networks (10.2.0.0/16) that webhooks may reach although they are not public, separated by commas; loopback among them also without TLS.',
    ),
  MESHGATE_DRIFT_PERIOD: duration
    .default(900)
    .describe('How often each AWS object is looked at again (ISO 8601 duration).'),
  MESHGATE_REMINDER_DAYS: days
    .default([14, 7, 1])
    .describe('How many days before its end a grant is announced to end, separated by commas.'),
  MESHGATE_LOG_LEVEL: logLevel.describe('The least level that is logged.'),
  MESHGATE_PRODUCTION: flag.default(true).describe('Switches introspection and GraphiQL off unless they are set.'),
  MESHGATE_INTROSPECTION: flag.optional().describe('Whether clients may read the schema.'),
  MESHGATE_GRAPHIQL: flag.optional().describe('Whether browsers get GraphiQL at /graphql.'),
};

const environment = z.object(variables).superRefine((value, context) => {
  const mistake = (name: keyof typeof variables, message: string): void =>
    context.addIssue({ code: 'custom', path: [name], message });
  const roles = [
    'MESHGATE_GOVERNANCE_ROLE_ARN',
    'MESHGATE_DATA_ACCESS_ROLE_ARN',
    'MESHGATE_EVENT_TARGET_ROLE_ARN',
  ] as const;
  for (const name of roles) {
    if (!value[name].includes(`::${value.MESHGATE_GOVERNANCE_ACCOUNT}:`))
      mistake(name, 'must be in the governance account');
  }
  if (value.MESHGATE_ISSUERS.some((one) => one.issuer === sandboxIssuer) && !isLoopbackHost(value.HOST)) {
    mistake('HOST', `must be on loopback (127.0.0.1) while the sandbox's issuer ${sandboxIssuer} is trusted`);
  }
  if (value.MESHGATE_TRUSTED_DOCUMENTS_ONLY && !value.MESHGATE_TRUSTED_DOCUMENTS) {
    mistake('MESHGATE_TRUSTED_DOCUMENTS_ONLY', 'needs MESHGATE_TRUSTED_DOCUMENTS: else nothing at all could be run');
  }
  const seen = new Set(value.MESHGATE_ISSUERS.map((one) => one.issuer));
  if (seen.size < value.MESHGATE_ISSUERS.length) mistake('MESHGATE_ISSUERS', 'names an issuer twice');
  if (value.MESHGATE_ISSUERS.some((one) => isReservedSubject(one.subjectPrefix)))
    mistake('MESHGATE_ISSUERS', 'has a subjectPrefix that is reserved for subjects of Meshgate itself');
  const prefixes = value.MESHGATE_ISSUERS.map((one) => one.subjectPrefix);
  if (prefixes.some((prefix, index) => prefixes.some((other, at) => at !== index && other.startsWith(prefix)))) {
    mistake('MESHGATE_ISSUERS', 'several issuers need a subjectPrefix each, none of which begins another');
  }
});

/** A worker keeps two connections for itself as long as it publishes and sends; lanes, clocks and probes need some beside these. */
const WORKER_CONNECTIONS = 5;
const workerEnvironment = environment.superRefine(({ DATABASE_POOL_SIZE }, context) => {
  if (DATABASE_POOL_SIZE >= WORKER_CONNECTIONS) return;
  const message = `must be ${WORKER_CONNECTIONS} at least where \`work\` runs`;
  context.addIssue({ code: 'custom', path: ['DATABASE_POOL_SIZE'], message });
});

const migrateVariables = {
  DATABASE_OWNER_URL: postgresUrl.describe(
    "The owner's login on the database: `meshgate migrate` and `meshgate archive` alone use it.",
  ),
  MESHGATE_LOG_LEVEL: variables.MESHGATE_LOG_LEVEL,
};

const archiveVariables = {
  DATABASE_OWNER_URL: migrateVariables.DATABASE_OWNER_URL,
  MESHGATE_RETENTION_DAYS: wholeNumber(1, 36_500)
    .optional()
    .describe('How many days events stay in the database, where `archive` is given no --before.'),
};

/** Variables that other commands read, and which are no mistake here. */
const known = new Set([
  ...Object.keys(variables),
  ...Object.keys(migrateVariables),
  ...Object.keys(archiveVariables),
  'MESHGATE_DATA_DIR',
  'MESHGATE_SHARED',
]);

type Environment = Readonly<Record<string, string | undefined>>;

/** Reads what `serve`, or with `work` a worker, needs. Throws one ConfigError that lists every mistake. */
export function readConfig(source: Environment = process.env, { work = false } = {}): Config {
  const value = validate(work ? workerEnvironment : environment, source);
  return {
    databaseUrl: value.DATABASE_URL,
    poolSize: value.DATABASE_POOL_SIZE,
    host: value.HOST,
    port: value.PORT,
    allowedOrigins: value.MESHGATE_ALLOWED_ORIGINS,
    publicUrl: value.MESHGATE_PUBLIC_URL ?? null,
    trustedDocuments: { path: value.MESHGATE_TRUSTED_DOCUMENTS ?? null, only: value.MESHGATE_TRUSTED_DOCUMENTS_ONLY },
    trustedProxies: value.MESHGATE_TRUSTED_PROXIES,
    connectionsPerViewer: value.MESHGATE_CONNECTIONS_PER_VIEWER,
    addressRate: value.MESHGATE_ADDRESS_RATE,
    issuers: value.MESHGATE_ISSUERS,
    mesh: {
      governanceAccount: value.MESHGATE_GOVERNANCE_ACCOUNT,
      region: value.MESHGATE_REGION,
      governanceRoleArn: value.MESHGATE_GOVERNANCE_ROLE_ARN,
      dataAccessRoleArn: value.MESHGATE_DATA_ACCESS_ROLE_ARN,
      eventTargetRoleArn: value.MESHGATE_EVENT_TARGET_ROLE_ARN,
      centralBusName: value.MESHGATE_CENTRAL_BUS,
      manageSettings: value.MESHGATE_MANAGE_SETTINGS,
      auditedReads: value.MESHGATE_AUDIT_READS,
      databaseNames: { nrac: value.MESHGATE_NRAC_DATABASE, tbac: value.MESHGATE_TBAC_DATABASE },
    },
    aws: {
      endpoint: value.MESHGATE_AWS_ENDPOINT ?? null,
      credentials: null,
      assumeGovernanceRole: value.MESHGATE_ASSUME_GOVERNANCE_ROLE,
    },
    webhookKeys: value.MESHGATE_WEBHOOK_KEYS,
    webhookNetworks: value.MESHGATE_WEBHOOK_NETWORKS,
    driftPeriodSeconds: value.MESHGATE_DRIFT_PERIOD,
    reminderDays: value.MESHGATE_REMINDER_DAYS,
    logLevel: value.MESHGATE_LOG_LEVEL,
    production: value.MESHGATE_PRODUCTION,
    introspection: value.MESHGATE_INTROSPECTION ?? !value.MESHGATE_PRODUCTION,
    graphiql: value.MESHGATE_GRAPHIQL ?? !value.MESHGATE_PRODUCTION,
  };
}

/** Reads what `migrate` needs. */
export function readMigrateConfig(source: Environment = process.env): MigrateConfig {
  const value = validate(z.object(migrateVariables), source);
  return { ownerUrl: value.DATABASE_OWNER_URL, logLevel: value.MESHGATE_LOG_LEVEL };
}

/** Reads what `archive` needs. */
export function readArchiveConfig(source: Environment = process.env): ArchiveConfig {
  const value = validate(z.object(archiveVariables), source);
  return { ownerUrl: value.DATABASE_OWNER_URL, retentionDays: value.MESHGATE_RETENTION_DAYS ?? null };
}

/** The database that commands over the log alone need. */
export function readDatabaseUrl(source: Environment = process.env): string {
  return validate(z.object({ DATABASE_URL: variables.DATABASE_URL }), source).DATABASE_URL;
}

/** The data folder that `start` uses where no flag names one. */
export function defaultDataDir(source: Environment = process.env): string {
  return source.MESHGATE_DATA_DIR || '.meshgate';
}

/** The variables that `start` takes from outside too: how much may be asked, how often things are looked at and told, which documents are trusted and where webhooks may go; not where things are. */
export function givenToStart(source: Environment = process.env): Record<string, string> {
  const names = [
    'MESHGATE_ADDRESS_RATE',
    'MESHGATE_DRIFT_PERIOD',
    'MESHGATE_REMINDER_DAYS',
    'MESHGATE_TRUSTED_DOCUMENTS',
    'MESHGATE_TRUSTED_DOCUMENTS_ONLY',
    'MESHGATE_WEBHOOK_NETWORKS',
  ];
  return Object.fromEntries(names.flatMap((name) => (source[name] ? [[name, source[name]]] : [])));
}

/** Every variable of `serve` and `work`, of `migrate`, or of `archive`, with its default and its meaning, one a line. */
export function describeVariables(command: 'server' | 'migrate' | 'archive'): string {
  const sets = { server: variables, migrate: migrateVariables, archive: archiveVariables };
  const all: [string, z.ZodType][] = Object.entries(sets[command]);
  const lines = all.map(([name, schema]) => {
    const need = schema instanceof z.ZodDefault ? ` (default ${String(schema.def.defaultValue) || 'none'})` : '';
    const required = schema.safeParse(undefined).success ? '' : ' (required)';
    return `  ${name}${need}${required}\n      ${schema.description ?? ''}`;
  });
  return `Environment variables; each may be given as NAME_FILE, the path of a file that holds it:\n${lines.join('\n')}\n`;
}

function validate<S extends z.ZodType>(schema: S, source: Environment): z.output<S> {
  const mistakes: string[] = [];
  const values: Record<string, string> = {};
  for (const name of known) {
    const value = source[name] || readSecretFile(name, source[`${name}_FILE`], mistakes);
    if (value) values[name] = value;
    if (source[name] && source[`${name}_FILE`]) mistakes.push(`${name}: is given twice, also as ${name}_FILE`);
  }
  for (const name of Object.keys(source)) {
    if (name.startsWith('MESHGATE_') && !known.has(name.replace(/_FILE$/, '')))
      mistakes.push(`${name}: there is no such variable`);
  }
  const result = schema.safeParse(values);
  if (!result.success) mistakes.push(...result.error.issues.map((issue) => describeIssue(issue, values)));
  if (mistakes.length > 0 || !result.success) {
    throw new ConfigError(
      `The configuration has ${mistakes.length} mistake(s):\n${mistakes.map((line) => `  ${line}`).join('\n')}`,
    );
  }
  return result.data;
}

function describeIssue(issue: z.core.$ZodIssue, values: Record<string, string>): string {
  const [name = '', ...inner] = issue.path.map(String);
  const message = values[name] === undefined && inner.length === 0 ? 'is missing' : issue.message;
  return `${[name, ...inner].join('.')}: ${message}`;
}

function readSecretFile(name: string, path: string | undefined, mistakes: string[]): string | undefined {
  if (!path) return undefined;
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    mistakes.push(`${name}_FILE: cannot be read: ${(error as Error).message}`);
    return undefined;
  }
}
