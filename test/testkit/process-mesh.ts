import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll } from 'vitest';
import type { ReconcilerTimes } from '../../src/provisioning/reconcile.js';
import { governanceCredentials } from '../../src/sandbox/sts.js';
import { sandboxIssuer } from '../../src/server/config.js';
import { type AwsProxy, openAwsProxy } from './aws-proxy.js';
import { type Child, startChild } from './child.js';
import { createTestDatabase } from './database.js';
import { openPostgresProxy, type PostgresProxy } from './postgres-proxy.js';
import { type SandboxControl, sandboxControl } from './sandbox-control.js';

export const GOVERNANCE = '111122223333';
export const REGION = 'eu-west-1';
/** As in production, only five times as fast: a dead worker's lane is had again within three seconds. */
export const QUICK: Partial<ReconcilerTimes> = { leaseMs: 1_800, requestTimeoutMs: 900, sweepMs: 500 };

/** One API or worker: a process of its own behind doors of its own to Postgres and AWS. */
export interface MeshProcess {
  postgres: PostgresProxy;
  aws: AwsProxy;
  /** Where its API answers; where it is a worker, its health. */
  url(): string;
  start(): Promise<void>;
  /** kill -9, and what it had under way at its doors is cut. */
  kill(): Promise<void>;
  signal(signal: NodeJS.Signals): void;
  running(): boolean;
  /** The last lines of its log. */
  log(): string;
}

/** The product as separate processes: sandbox AWS, APIs and workers over one real Postgres. */
export interface ProcessMesh {
  sandbox: SandboxControl;
  sandboxUrl: string;
  /** A process that is not started yet; all end with the file's tests. */
  api(options?: ProcessOptions): Promise<MeshProcess>;
  worker(options?: ProcessOptions): Promise<MeshProcess>;
  tokenOf(subject: string): Promise<string>;
  ownerUrl: string;
  /** Asks the database itself, as its owner and past every door. */
  query<Row extends object>(text: string, values?: unknown[]): Promise<Row[]>;
}

/** `times` other than QUICK, and further variables of the environment. */
export interface ProcessOptions {
  times?: Partial<ReconcilerTimes>;
  environment?: Record<string, string>;
}

/** What the mesh is made over: accounts of domains, and a Postgres other than the run's own. */
export interface MeshOptions {
  accounts: string[];
  ramSharing?: boolean;
  database?: { ownerUrl: string; serverUrl: string };
}

/** Starts the sandbox over a database of the test file's own. Call it where the file begins: within a hook nothing would be cleaned up. */
export async function processMeshOfTest({ accounts, ramSharing = false, database }: MeshOptions): Promise<ProcessMesh> {
  const closing: (() => unknown)[] = [];
  afterAll(async () => {
    for (const close of closing.reverse()) await close();
  });
  const dataDir = mkdtempSync(join(tmpdir(), 'meshgate-aws-'));
  closing.push(() => rmSync(dataDir, { recursive: true, force: true }));
  const { ownerUrl, serverUrl } = database ?? (await ownDatabase(closing));
  const settings = { dataDir, governanceAccount: GOVERNANCE, accounts, ramSharing, region: REGION };
  const aws = await startChild({ run: 'sandbox', sandbox: settings });
  closing.push(() => aws.end('SIGKILL'));
  const sandboxUrl = String(aws.ready.url);
  const asked = new pg.Pool({ connectionString: ownerUrl, max: 4 });
  asked.on('error', () => undefined);
  closing.push(() => asked.end());

  async function processOf(run: 'serve' | 'work', { times = QUICK, environment = {} }: ProcessOptions = {}) {
    const postgres = await openPostgresProxy(Number(new URL(serverUrl).port));
    const aws = await openAwsProxy(sandboxUrl);
    const given = {
      ...environmentOf(postgres.through(serverUrl), { aws: aws.url, sandbox: sandboxUrl }),
      ...environment,
    };
    const made = meshProcess({ run, times, environment: given }, { postgres, aws });
    closing.push(async () => {
      await made.kill();
      await Promise.all([postgres.close(), aws.close()]);
    });
    return made;
  }

  return {
    sandbox: sandboxControl(sandboxUrl),
    sandboxUrl,
    ownerUrl,
    api: (options) => processOf('serve', options),
    worker: (options) => processOf('work', options),
    tokenOf: async (subject) => {
      const groups = subject === 'admin' ? ['meshgate-admins'] : [];
      const body = JSON.stringify({ subject, groups, ttlSeconds: 7_200 });
      const answer = await fetch(`${sandboxUrl}/_sandbox/issuer/token`, { method: 'POST', body });
      return ((await answer.json()) as { access_token: string }).access_token;
    },
    query: async (text, values = []) => (await asked.query(text, values)).rows,
  };
}

async function ownDatabase(closing: (() => unknown)[]): Promise<{ ownerUrl: string; serverUrl: string }> {
  const database = await createTestDatabase();
  closing.push(() => database.leave());
  return database;
}

type Doors = Pick<MeshProcess, 'postgres' | 'aws'>;
type Started = { run: 'serve' | 'work'; times: Partial<ReconcilerTimes>; environment: Record<string, string> };

function meshProcess({ run, times, environment }: Started, doors: Doors): MeshProcess {
  let child: Child | undefined;
  const shut = (): void => [doors.postgres, doors.aws].forEach((door) => void door.shut());
  return {
    ...doors,
    url: () => `http://127.0.0.1:${child?.ready.port}`,
    start: async () => {
      for (const door of [doors.postgres, doors.aws]) door.open();
      child = await startChild({ run, times }, environment);
    },
    kill: async () => {
      await child?.end('SIGKILL');
      shut();
    },
    signal: (signal) => child?.signal(signal),
    running: () => child?.running() ?? false,
    log: () => child?.tail() ?? '',
  };
}

function environmentOf(databaseUrl: string, urls: { aws: string; sandbox: string }): Record<string, string> {
  const { accessKeyId, secretAccessKey } = governanceCredentials(GOVERNANCE);
  const role = (name: string): string => `arn:aws:iam::${GOVERNANCE}:role/${name}`;
  const issuer = {
    issuer: sandboxIssuer,
    jwksUri: `${urls.sandbox}/_sandbox/issuer/jwks.json`,
    audience: 'meshgate',
    typ: 'at+jwt',
    adminGroups: ['meshgate-admins'],
  };
  return {
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    DATABASE_URL: databaseUrl,
    DATABASE_POOL_SIZE: '10',
    PORT: '0',
    MESHGATE_ISSUERS: JSON.stringify([issuer]),
    MESHGATE_GOVERNANCE_ACCOUNT: GOVERNANCE,
    MESHGATE_REGION: REGION,
    MESHGATE_GOVERNANCE_ROLE_ARN: role('meshgate'),
    MESHGATE_DATA_ACCESS_ROLE_ARN: role('meshgate-data-access'),
    MESHGATE_EVENT_TARGET_ROLE_ARN: role('meshgate-events'),
    MESHGATE_MANAGE_SETTINGS: 'true',
    MESHGATE_AWS_ENDPOINT: urls.aws,
    MESHGATE_PRODUCTION: 'true',
    // Ten thousand clients come from this machine alone.
    MESHGATE_ADDRESS_RATE: '1000000',
  };
}
