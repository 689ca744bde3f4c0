import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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
import { createTestDatabase, oneAtATime, type TestDatabase } from './database.js';

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

/** How a product of a test is started. */
interface ProductOptions {
  /** With the demo mesh, or with accounts and users alone. */
  demo?: boolean;
  /** The URL by which the product is to reach the sandbox, such as that of a proxy; the demo mesh is then made through it, too. */
  awsThrough?: (sandbox: string) => Promise<string>;
  /** Comes before what a test has. */
  environment?: Record<string, string>;
  /** How often the worker looks for what no wake-up tells of; else it is as shipped. */
  sweepMs?: number;
}

/** Starts it; all of it goes away after the file's tests. */
export async function productOfTest({ demo = true, ...options }: ProductOptions = {}): Promise<Product> {
  const closing: Closing = [];
  afterAll(() => closeAll(closing), 120_000);
  if (!demo || options.awsThrough) {
    const product = await startProduct(await newPlace(closing), options, closing);
    if (demo) await seed(product);
    return product;
  }
  const { database, folder } = await demoMesh();
  const place = await newPlace(closing, database);
  cpSync(folder, place.dataDir, { recursive: true });
  return startProduct(place, options, closing);
}

type Closing = (() => unknown)[];

async function closeAll(closing: Closing): Promise<void> {
  for (const close of closing.reverse()) await close();
}

const seed = ({ graphql, tokenOf }: Product): Promise<void> =>
  seedDemo({ graphql, tokenOf, progress: () => undefined });

/** The name of a database with the demo mesh, and the folder of its sandbox, that nobody uses: made by the first file of a run that asks. */
async function demoMesh(): Promise<{ database: string; folder: string }> {
  const made = join(tmpdir(), 'demo-mesh.json');
  return oneAtATime('the demo mesh', async () => {
    if (existsSync(made)) return JSON.parse(readFileSync(made, 'utf8'));
    const closing: Closing = [];
    try {
      const database = await createTestDatabase();
      const folder = mkdtempSync(join(tmpdir(), 'meshgate-demo-'));
      await seed(await startProduct({ database, dataDir: folder }, {}, closing));
      writeFileSync(made, JSON.stringify({ database: database.name, folder }));
      return { database: database.name, folder };
    } finally {
      await closeAll(closing);
    }
  });
}

/** What a product keeps its data in. */
interface Place {
  database: TestDatabase;
  dataDir: string;
}

async function newPlace(closing: Closing, from = 'meshgate'): Promise<Place> {
  const dataDir = mkdtempSync(join(tmpdir(), 'meshgate-product-'));
  closing.push(() => rmSync(dataDir, { recursive: true, force: true }));
  const database = await createTestDatabase({ from });
  closing.push(() => database.leave());
  return { database, dataDir };
}

async function startProduct(
  { database, dataDir }: Place,
  { awsThrough = async (sandbox) => sandbox, environment = {}, sweepMs = DEFAULT_TIMES.sweepMs }: ProductOptions,
  closing: Closing,
): Promise<Product> {
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
