import { z } from 'zod';
import {
  classifications,
  databaseName,
  days,
  duration,
  flag,
  iamRole,
  isLoopback,
  issuers,
  logLevel,
  origins,
  postgresUrl,
  proxies,
  webhookKeys,
  wholeNumber,
} from './config-value.js';

/** The variables of the environment, by who reads them; each with its form, its default and what it means. */

/** What the API and the worker read. */
const shared = {
  DATABASE_URL: postgresUrl.describe(
    "The server's login on its Postgres: a member of the role meshgate_server, not the owner.",
  ),
  DATABASE_POOL_SIZE: wholeNumber(1, 200).default(10).describe('Connections to Postgres at most; a worker needs 5.'),
  HOST: z.string().default('127.0.0.1').describe('Address to listen on; 0.0.0.0 in a container.'),
  PORT: wholeNumber(0, 65_535).default(4000).describe('Port to listen on.'),
  MESHGATE_GOVERNANCE_ACCOUNT: z
    .string()
    .regex(/^\d{12}$/, 'must be an AWS account id of 12 digits')
    .describe('The AWS account that owns the central catalogue.'),
  MESHGATE_REGION: z
    .string()
    .regex(/^[a-z]{2}(-[a-z]+)+-\d$/, 'must be an AWS region such as eu-central-1')
    .describe('The region of the mesh.'),
  MESHGATE_GOVERNANCE_ROLE_ARN: iamRole.describe('The IAM role that Meshgate runs as in the governance account.'),
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
  MESHGATE_LOG_LEVEL: logLevel.describe('The least level that is logged.'),
};

/** What the API alone reads. */
const ofApi = {
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
  MESHGATE_PRODUCTION: flag.default(true).describe('Switches introspection and GraphiQL off unless they are set.'),
  MESHGATE_INTROSPECTION: flag.optional().describe('Whether clients may read the schema.'),
  MESHGATE_GRAPHIQL: flag.optional().describe('Whether browsers get GraphiQL at /graphql.'),
};

/** What the worker alone reads. */
const ofWorker = {
  MESHGATE_ASSUME_GOVERNANCE_ROLE: flag
    .default(false)
    .describe('Whether to assume that role; not needed where the process runs as it already.'),
  MESHGATE_AWS_ENDPOINT: z
    .url('must be a URL')
    .refine(isLoopback, 'must be on loopback: it is for the sandbox')
    .optional()
    .describe('Where the sandbox answers in place of AWS. Never set it for real AWS.'),
  MESHGATE_DRIFT_PERIOD: duration
    .prefault('PT15M')
    .describe('How often each AWS object is looked at again: an ISO 8601 duration of hours, minutes and seconds.'),
  MESHGATE_REMINDER_DAYS: days
    .default([14, 7, 1])
    .describe('How many days before its end a grant is announced to end, separated by commas.'),
};

/** What a process of the API, of the worker, or of both reads. */
export const serverVariables = { ...shared, ...ofApi, ...ofWorker };

/** What `migrate` reads. */
export const migrateVariables = {
  DATABASE_OWNER_URL: postgresUrl.describe(
    "The owner's login on the database: `meshgate migrate` and `meshgate archive` alone use it.",
  ),
  MESHGATE_LOG_LEVEL: shared.MESHGATE_LOG_LEVEL,
};

/** What `archive` reads. */
export const archiveVariables = {
  DATABASE_OWNER_URL: migrateVariables.DATABASE_OWNER_URL,
  MESHGATE_RETENTION_DAYS: wholeNumber(1, 36_500)
    .optional()
    .describe('How many days events stay in the database, where `archive` is given no --before.'),
};

/** What commands read that look at the log alone. */
export const auditVariables = { DATABASE_URL: shared.DATABASE_URL };

/** What `start` takes from outside of what its server and worker read: how much may be asked, how often things are looked at and told, which documents are trusted and where webhooks may go; not where things are. */
export const givenVariables = {
  MESHGATE_TRUSTED_DOCUMENTS: ofApi.MESHGATE_TRUSTED_DOCUMENTS,
  MESHGATE_TRUSTED_DOCUMENTS_ONLY: ofApi.MESHGATE_TRUSTED_DOCUMENTS_ONLY,
  MESHGATE_ADDRESS_RATE: ofApi.MESHGATE_ADDRESS_RATE,
  MESHGATE_WEBHOOK_NETWORKS: shared.MESHGATE_WEBHOOK_NETWORKS,
  MESHGATE_DRIFT_PERIOD: ofWorker.MESHGATE_DRIFT_PERIOD,
  MESHGATE_REMINDER_DAYS: ofWorker.MESHGATE_REMINDER_DAYS,
};

const DATA_DIR = {
  MESHGATE_DATA_DIR: z.string().default('.meshgate').describe('The data folder, where --data-dir names none.'),
};

const read = {
  start: { ...DATA_DIR, ...givenVariables },
  serve: { ...shared, ...ofApi },
  work: { ...shared, ...ofWorker },
  migrate: migrateVariables,
  archive: archiveVariables,
  audit: auditVariables,
};

/** Every name that some command reads: no mistake where another one is given it. */
export const knownVariables: ReadonlySet<string> = new Set([
  ...Object.values(read).flatMap((variables) => Object.keys(variables)),
  'MESHGATE_SHARED',
]);

/** The names that a process with these parts reads. */
export function namesRead({ serve, work }: { serve: boolean; work: boolean }): string[] {
  return Object.keys({ ...(serve ? read.serve : {}), ...(work ? read.work : {}) });
}

/** Every variable that a command reads (`audit`: `verify` too), with its default as it would be given, and its meaning, one a line. */
export function describeVariables(command: keyof typeof read): string {
  const all: [string, z.ZodType][] = Object.entries(read[command]);
  const lines = all.map(([name, schema]) => {
    const given = schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault ? schema.def.defaultValue : '';
    const need = String(given) === '' ? '' : ` (default ${String(given)})`;
    const required = schema.safeParse(undefined).success ? '' : ' (required)';
    return `  ${name}${need}${required}\n      ${schema.description ?? ''}`;
  });
  const files = command === 'start' ? '' : '; each may be given as NAME_FILE, the path of a file that holds it';
  return `Environment variables${files}:\n${lines.join('\n')}\n`;
}
