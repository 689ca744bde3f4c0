import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { createClient, type Execute } from '../../src/demo/client.js';
import { DEMO_ACCOUNTS, DEMO_REGION, DEMO_USERS, GOVERNANCE_ACCOUNT } from '../../src/demo/mesh.js';
import { seedDemo } from '../../src/demo/seed.js';
import { DEFAULT_TIMES } from '../../src/provisioning/reconcile.js';
import { startSandbox } from '../../src/sandbox/server.js';
import { governanceCredentials } from '../../src/sandbox/sts.js';
import { createApp } from '../../src/server/app.js';
import { type Config, readConfig, sandboxIssuer } from '../../src/server/config.js';
import { createLog } from '../../src/server/log.js';
import { createTestDatabase } from './database.js';

/** The whole product over the wire: API and worker in this process, a database and a sandbox AWS of its own. */
export interface Product {
  graphql: string;
  /** The sandbox's URL. */
  sandbox: string;
  /** Of the server's role. */
  databaseUrl: string;
  ownerUrl: string;
  /** A token of a demo user, or of anybody by that subject. */
  tokenOf(subject: string, ttlSeconds?: number): Promise<string>;
  as(subject: string): Promise<Execute>;
}

/**
 * Starts it with the demo mesh, or with accounts and users alone; all of it goes away after the file's tests. `awsThrough` names
 * the URL by which the product is to reach the sandbox, such as that of a proxy; `environment` comes before what a test has. Where a
 * test waits for what no wake-up tells of, `sweepMs` is how often the worker looks for it; else it is as shipped.
 */
export async function productOfTest({
  demo = true,
  awsThrough = async (sandbox) => sandbox,
  environment = {},
  sweepMs = DEFAULT_TIMES.sweepMs,
}: {
  demo?: boolean;
  awsThrough?: (sandbox: string) => Promise<string>;
  environment?: Record<string, string>;
  sweepMs?: number;
} = {}): Promise<Product> {
  const closing: (() => unknown)[] = [];
  afterAll(async () => {
    for (const close of closing.reverse()) await close();
  }, 120_000);
  const dataDir = mkdtempSync(join(tmpdir(), 'meshgate-product-'));
  closing.push(() => rmSync(dataDir, { recursive: true, force: true }));
  const database = await createTestDatabase();
  closing.push(() => database.drop());
  const sandbox = await startSandbox({
    dataDir,
    governanceAccount: GOVERNANCE_ACCOUNT,
    accounts: [...DEMO_ACCOUNTS],
    region: DEMO_REGION,
  });
  closing.push(() => sandbox.close());
  const config = configOf(database.serverUrl, await awsThrough(sandbox.url), environment);
  const shipped = { ...DEFAULT_TIMES };
  Object.assign(DEFAULT_TIMES, { sweepMs });
  const app = await createApp({ config, roles: { serve: true, work: true }, log: createLog({ level: 'silent' }) });
  Object.assign(DEFAULT_TIMES, shipped);
  closing.push(() => app.close());
  const graphql = `http://127.0.0.1:${await app.listen()}/graphql`;
  const tokenOf = (subject: string, ttlSeconds = 3_600): Promise<string> => {
    const { name, groups } = DEMO_USERS.find((user) => user.subject === subject) ?? { name: subject, groups: [] };
    return sandbox.issuer.issueToken({ subject, name, groups, ttlSeconds });
  };
  if (demo) await seedDemo({ graphql, tokenOf, progress: () => undefined });
  const as = async (subject: string): Promise<Execute> => createClient(graphql, await tokenOf(subject));
  return { graphql, sandbox: sandbox.url, databaseUrl: database.serverUrl, ownerUrl: database.ownerUrl, tokenOf, as };
}

function configOf(databaseUrl: string, sandboxUrl: string, environment: Record<string, string>): Config {
  const role = (name: string): string => `arn:aws:iam::${GOVERNANCE_ACCOUNT}:role/${name}`;
  const config = readConfig({
    DATABASE_URL: databaseUrl,
    DATABASE_POOL_SIZE: '10',
    PORT: '0',
    MESHGATE_ISSUERS: JSON.stringify([
      {
        issuer: sandboxIssuer,
        jwksUri: `${sandboxUrl}/_sandbox/issuer/jwks.json`,
        audience: 'meshgate',
        typ: 'at+jwt',
        adminGroups: ['meshgate-admins'],
      },
    ]),
    MESHGATE_GOVERNANCE_ACCOUNT: GOVERNANCE_ACCOUNT,
    MESHGATE_REGION: DEMO_REGION,
    MESHGATE_GOVERNANCE_ROLE_ARN: role('meshgate'),
    MESHGATE_DATA_ACCESS_ROLE_ARN: role('meshgate-data-access'),
    MESHGATE_EVENT_TARGET_ROLE_ARN: role('meshgate-events'),
    MESHGATE_MANAGE_SETTINGS: 'true',
    MESHGATE_AWS_ENDPOINT: sandboxUrl,
    MESHGATE_WEBHOOK_KEYS: Buffer.alloc(32, 7).toString('base64'),
    MESHGATE_WEBHOOK_NETWORKS: '127.0.0.1',
    MESHGATE_PRODUCTION: 'false',
    ...environment,
  });
  return { ...config, aws: { ...config.aws, credentials: governanceCredentials(GOVERNANCE_ACCOUNT) } };
}
