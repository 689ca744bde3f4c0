import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { Mesh } from '../governance/context.js';
import { isLoopbackHost } from './config-value.js';
import {
  archiveVariables,
  auditVariables,
  givenVariables,
  knownVariables,
  migrateVariables,
  namesRead,
  serverVariables,
} from './config-variables.js';
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

/** Which parts run in the process. */
interface Parts {
  serve: boolean;
  work: boolean;
}

/** A worker keeps two connections for itself as long as it publishes and sends; lanes, clocks and probes need some beside these. */
const WORKER_CONNECTIONS = 5;

/** The form of what these parts read; a worker asks nobody for a token. */
function environment({ serve, work }: Parts) {
  const { MESHGATE_ISSUERS: issuers } = serverVariables;
  const variables = { ...serverVariables, MESHGATE_ISSUERS: serve ? issuers : issuers.default([]) };
  return z.object(variables).superRefine((value, context) => {
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
    for (const message of issuerMistakes(value.MESHGATE_ISSUERS)) mistake('MESHGATE_ISSUERS', message);
    if (work && value.DATABASE_POOL_SIZE < WORKER_CONNECTIONS)
      mistake('DATABASE_POOL_SIZE', `must be ${WORKER_CONNECTIONS} at least where \`work\` runs`);
  });
}

/** Subjects of one issuer must never be taken for those of another, or of Meshgate itself. */
function issuerMistakes(issuers: Issuer[]): string[] {
  const mistakes: string[] = [];
  const prefixes = issuers.map(({ subjectPrefix }) => subjectPrefix);
  if (new Set(issuers.map(({ issuer }) => issuer)).size < issuers.length) mistakes.push('names an issuer twice');
  if (prefixes.some(isReservedSubject))
    mistakes.push('has a subjectPrefix that is reserved for subjects of Meshgate itself');
  if (prefixes.some((prefix, index) => prefixes.some((other, at) => at !== index && other.startsWith(prefix))))
    mistakes.push('several issuers need a subjectPrefix each, none of which begins another');
  return mistakes;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads what a process with these parts needs; the rest is as it is where nothing is given. Throws one ConfigError that lists every
 * mistake.
 */
export function readConfig(source: Environment = process.env, parts: Parts = { serve: true, work: true }): Config {
  const value = validate(environment(parts), { names: namesRead(parts), source });
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
    introspection: value.MESHGATE_INTROSPECTION ?? !value.MESHGATE_PRODUCTION,
    graphiql: value.MESHGATE_GRAPHIQL ?? !value.MESHGATE_PRODUCTION,
  };
}

/** Reads what `migrate` needs. */
export function readMigrateConfig(source: Environment = process.env): MigrateConfig {
  const value = readAll(migrateVariables, source);
  return { ownerUrl: value.DATABASE_OWNER_URL, logLevel: value.MESHGATE_LOG_LEVEL };
}

/** Reads what `archive` needs. */
export function readArchiveConfig(source: Environment = process.env): ArchiveConfig {
  const value = readAll(archiveVariables, source);
  return { ownerUrl: value.DATABASE_OWNER_URL, retentionDays: value.MESHGATE_RETENTION_DAYS ?? null };
}

/** The database that commands over the log alone need. */
export function readDatabaseUrl(source: Environment = process.env): string {
  return readAll(auditVariables, source).DATABASE_URL;
}

/** The data folder that `start` uses where no flag names one. */
export function defaultDataDir(source: Environment = process.env): string {
  return source.MESHGATE_DATA_DIR || '.meshgate';
}

/** What of the environment `start` hands on to its server and worker. */
export function givenToStart(source: Environment = process.env): Record<string, string> {
  return Object.fromEntries(
    Object.keys(givenVariables).flatMap((name) => (source[name] ? [[name, source[name]]] : [])),
  );
}

function readAll<V extends z.ZodRawShape>(variables: V, source: Environment) {
  return validate(z.object(variables), { names: Object.keys(variables), source });
}

function validate<S extends z.ZodType>(
  schema: S,
  { names, source }: { names: string[]; source: Environment },
): z.output<S> {
  const mistakes: string[] = [];
  const values: Record<string, string> = {};
  for (const name of names) {
    const value = source[name] || readSecretFile(name, source[`${name}_FILE`], mistakes);
    if (value) values[name] = value;
    if (source[name] && source[`${name}_FILE`]) mistakes.push(`${name}: is given twice, also as ${name}_FILE`);
  }
  for (const name of Object.keys(source)) {
    if (name.startsWith('MESHGATE_') && !knownVariables.has(name.replace(/_FILE$/, '')))
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
