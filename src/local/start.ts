import { randomBytes } from 'node:crypto';
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { DEMO_ACCOUNTS, DEMO_REGION, DEMO_USERS, GOVERNANCE_ACCOUNT } from '../demo/mesh.js';
import { seedDemo } from '../demo/seed.js';
import { startPostgres, stopPostgres } from '../sandbox/postgres.js';
import { type Sandbox, startSandbox } from '../sandbox/server.js';
import { governanceCredentials } from '../sandbox/sts.js';
import { type Config, defaultDataDir, givenToStart, readConfig, sandboxIssuer } from '../server/config.js';
import { isLoopbackHost } from '../server/config-value.js';
import { endOnSignal } from '../server/lifecycle.js';
import { createLog, type Log } from '../server/log.js';
import { migrate } from '../server/migrate.js';
import { lockInstance } from './instance-lock.js';
import { type Ready, type ReadyUser, readyFileIn, removeReadyFile, writeReadyFile } from './ready-file.js';
import { StartError } from './start-error.js';
import { styled, welcome } from './welcome.js';

/** The flags of `meshgate start`. */
export interface StartOptions {
  host: string;
  port: number;
  dataDir: string;
  readyFile?: string;
  fresh: boolean;
  demo: boolean;
}

const tokenSeconds = 86_400;

/** File in the data folder that says that the demo was seeded to its end. */
const seededMarker = 'demo-seeded';

/** Postgres's passwords: the file that tells a data folder of Meshgate's from any other. */
const credentialsFile = 'postgres-credentials.json';

/** What webhooks' secrets are derived from. */
const webhookKeyFile = 'webhook-key';

const dataFolders = ['postgres', 'sandbox'];

/** Runs everything in this process: Postgres, the sandbox AWS, migrations, server and worker, demo. Resolves when all is up. */
export async function start(options: StartOptions): Promise<void> {
  const dataDir = resolve(options.dataDir);
  const seconds = stopwatch();
  const closing: (() => Promise<void>)[] = [];
  const logFile = join(dataDir, 'meshgate.log');
  takeFolder(dataDir, options, closing);
  const log = createLog({ level: 'info', file: logFile });
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closed ??= closeAll(closing, log);
    return closed;
  };
  const tellEnd = (line: string): boolean => process.stderr.write(`\n${line}\n`);
  endOnSignal({ close: () => close().then(() => void tellEnd('Stopped.')), log, tell: tellEnd });
  try {
    await assertPortFree(options);
    const ready = await startParts({ ...options, dataDir }, { closing, log });
    const readyFile = options.readyFile ? resolve(options.readyFile) : readyFileIn(dataDir);
    process.stdout.write(welcome(ready, { seconds: seconds(), logFile, tour: tourCommand(readyFile) }));
  } catch (error) {
    // Whoever stops it half-way wants no report of what that broke off.
    const interrupted = closed !== undefined;
    await close();
    if (!interrupted) throw damaged(error, dataDir) ?? error;
  }
}

/** With its flag where the tour would look elsewhere by itself. */
function tourCommand(readyFile: string): string {
  const command = 'npm run meshgate -- tour';
  if (readyFile === readyFileIn(defaultDataDir({}))) return command;
  return `${command} --ready-file ${/\s/.test(readyFile) ? `"${readyFile}"` : readyFile}`;
}

/** A file where a folder should be, a folder that cannot be read: the data folder is not as a start left it. */
function damaged(error: unknown, dataDir: string): StartError | undefined {
  const { code, path, message } = error as NodeJS.ErrnoException;
  if (!code || !path?.startsWith(dataDir)) return undefined;
  const startOver = existsSync(join(dataDir, credentialsFile)) ? ', or start over in it with --fresh' : '';
  return new StartError(
    `The data folder ${dataDir} is damaged, or not Meshgate's (${message}). Name another one with --data-dir${startOver}.`,
  );
}

async function closeAll(closing: (() => Promise<void>)[], log: Log): Promise<void> {
  for (let step = closing.pop(); step; step = closing.pop()) {
    await step().catch((error: unknown) => log.error({ err: error }, 'a part did not stop in order'));
  }
}

/** Makes the folder, takes it for this process, and empties it where that was asked for. */
function takeFolder(dataDir: string, options: StartOptions, closing: (() => Promise<void>)[]): void {
  try {
    makeFolder(dataDir);
    accessSync(dataDir, constants.W_OK);
  } catch (error) {
    throw new StartError(
      `The data folder ${dataDir} cannot be written (${(error as Error).message}). Name another one with --data-dir.`,
    );
  }
  const { host, port, readyFile, fresh } = options;
  if (readyFile) assertReadyFileWritable(resolve(readyFile));
  if (fresh) assertOwnData(dataDir);
  const release = lockInstance(dataDir, `http://${host}:${port}`);
  closing.push(async () => release());
  for (const path of [readyFileIn(dataDir), ...(readyFile ? [resolve(readyFile)] : [])]) {
    removeReadyFile(path);
    closing.push(async () => removeReadyFile(path));
  }
}

/** What is deleted must be Meshgate's: `postgres` and `sandbox` are names that others give their folders, too. */
function assertOwnData(dataDir: string): void {
  if (existsSync(join(dataDir, credentialsFile))) return;
  const foreign = dataFolders.map((name) => join(dataDir, name)).filter((path) => existsSync(path) && !isEmpty(path));
  if (foreign.length === 0) return;
  throw new StartError(
    `--fresh deletes nothing in ${dataDir}: it holds ${foreign.join(' and ')}, but not Meshgate's ${credentialsFile}, so that these may be another program's. Name another folder with --data-dir, or delete them yourself.`,
  );
}

function isEmpty(path: string): boolean {
  return statSync(path).isDirectory() && readdirSync(path).length === 0;
}

function assertReadyFileWritable(path: string): void {
  try {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found?.isDirectory()) throw new Error(`${path} is a folder`);
    accessSync(dirname(path), constants.W_OK);
    if (!statSync(dirname(path)).isDirectory()) throw new Error(`${dirname(path)} is not a folder`);
  } catch (error) {
    throw new StartError(
      `The ready file ${path} cannot be written (${(error as Error).message}). Make its folder, or name another file with --ready-file.`,
    );
  }
}

/** Level by level: mkdir's own recursion never ends below a folder that takes none, such as /proc. */
function makeFolder(path: string): void {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found && !found.isDirectory()) throw new Error(`${path} is not a folder`);
  if (found) return;
  makeFolder(dirname(path));
  mkdirSync(path);
}

interface Running {
  closing: (() => Promise<void>)[];
  log: Log;
}

async function startParts(options: StartOptions, { closing, log }: Running): Promise<Ready> {
  const { dataDir, host, port } = options;
  // Loaded while Postgres starts; what was said to be wrong by then is said without it.
  const server = import('../server/app.js');
  if (options.fresh) await step('Starting over', () => emptyFolder(dataDir));
  const postgres = await step('Postgres', () => startPostgres({ dataDir }));
  closing.push(() => postgres.stop());
  await step('Migrations', () => migrate(postgres.ownerUrl, log));
  const sandbox = await step('Sandbox AWS', () => openSandbox(dataDir, log));
  closing.push(() => sandbox.close());
  const config = localConfig({ host, port, dataDir, databaseUrl: postgres.serverUrl, sandbox });
  if (options.demo && config.trustedDocuments.only && !isSeeded(dataDir)) throw new StartError(SEEDING_UNTRUSTED);
  const app = await step('Server and worker', async () => {
    const { createApp } = await server;
    const created = await createApp({ config, roles: { serve: true, work: true }, log, alone: true });
    closing.push(() => created.close());
    return { port: await created.listen() };
  });
  const address = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
  const graphql = `http://${address}:${app.port}/graphql`;
  if (options.demo) await seedOnce(dataDir, graphql, sandbox);
  const users = await demoUsers(sandbox, options.demo);
  const ready = { graphql, sandbox: sandbox.url, database: postgres.serverUrl, pid: process.pid, users };
  writeReadyFile(readyFileIn(dataDir), ready);
  if (options.readyFile) writeReadyFile(resolve(options.readyFile), ready);
  return ready;
}

async function openSandbox(dataDir: string, log: Log): Promise<Sandbox> {
  const folder = join(dataDir, 'sandbox');
  mkdirSync(folder, { recursive: true });
  return startSandbox({
    dataDir: folder,
    governanceAccount: GOVERNANCE_ACCOUNT,
    accounts: [...DEMO_ACCOUNTS],
    region: DEMO_REGION,
    log: (message, detail) => log.warn(detail, `sandbox: ${message}`),
  });
}

interface Local {
  dataDir: string;
  host: string;
  port: number;
  databaseUrl: string;
  sandbox: Sandbox;
}

/** Made once for a data folder: webhooks' secrets hang on it. */
function webhookKey(dataDir: string): string {
  const path = join(dataDir, webhookKeyFile);
  if (!existsSync(path)) writeFileSync(path, `${randomBytes(32).toString('base64')}\n`, { mode: 0o600 });
  return readFileSync(path, 'utf8').trim();
}

/** The same configuration as in production, through the same checks, with the sandbox in the place of AWS. */
function localConfig({ host, port, dataDir, databaseUrl, sandbox }: Local): Config {
  const role = (name: string): string => `arn:aws:iam::${GOVERNANCE_ACCOUNT}:role/${name}`;
  const issuer = {
    issuer: sandboxIssuer,
    jwksUri: `${sandbox.url}/_sandbox/issuer/jwks.json`,
    audience: 'meshgate',
    typ: 'at+jwt',
    adminGroups: DEMO_USERS.filter((user) => user.role === 'admin').flatMap(({ groups }) => groups),
  };
  const given = givenToStart();
  const { MESHGATE_WEBHOOK_NETWORKS: networks } = given;
  const config = readConfig({
    DATABASE_URL: databaseUrl,
    DATABASE_POOL_SIZE: '20',
    HOST: host,
    PORT: String(port),
    MESHGATE_ISSUERS: JSON.stringify([issuer]),
    MESHGATE_GOVERNANCE_ACCOUNT: GOVERNANCE_ACCOUNT,
    MESHGATE_REGION: DEMO_REGION,
    MESHGATE_GOVERNANCE_ROLE_ARN: role('meshgate'),
    MESHGATE_DATA_ACCESS_ROLE_ARN: role('meshgate-data-access'),
    MESHGATE_EVENT_TARGET_ROLE_ARN: role('meshgate-events'),
    MESHGATE_MANAGE_SETTINGS: 'true',
    MESHGATE_AWS_ENDPOINT: sandbox.url,
    MESHGATE_WEBHOOK_KEYS: webhookKey(dataDir),
    MESHGATE_PRODUCTION: 'false',
    ...given,
    MESHGATE_WEBHOOK_NETWORKS: ['127.0.0.0/8,::1', ...(networks ? [networks] : [])].join(),
  });
  return { ...config, aws: { ...config.aws, credentials: governanceCredentials(GOVERNANCE_ACCOUNT) } };
}

const SEEDING_UNTRUSTED =
  'MESHGATE_TRUSTED_DOCUMENTS_ONLY refuses the documents that make the demo mesh: start once without it, or with --no-demo.';

const isSeeded = (dataDir: string): boolean => existsSync(join(dataDir, seededMarker));

/** Once for a data folder: a second time would undo what people decided since. What a kill broke off goes on at the next start. */
async function seedOnce(dataDir: string, graphql: string, sandbox: Sandbox): Promise<void> {
  if (isSeeded(dataDir)) return;
  await seed(graphql, sandbox);
  writeFileSync(join(dataDir, seededMarker), `${new Date().toISOString()}\n`);
}

async function seed(graphql: string, { issuer }: Sandbox): Promise<void> {
  const tokenOf = async (subject: string): Promise<string> => {
    const user = DEMO_USERS.find((one) => one.subject === subject);
    if (!user) throw new Error(`The demo has no user ${subject}.`);
    return issuer.issueToken({ subject, name: user.name, groups: user.groups });
  };
  await step('Demo mesh', () =>
    seedDemo({ graphql, tokenOf, progress: (line) => tell(`  ${styled('dim', `… ${line}`)}`) }),
  );
}

/** Every demo user with a token; without the demo, those alone who belong to no domain. */
function demoUsers({ issuer }: Sandbox, demo: boolean): Promise<ReadyUser[]> {
  const users = DEMO_USERS.filter(({ domain }) => demo || domain === null);
  return Promise.all(
    users.map(async ({ name, subject, groups, domain, role }) => {
      const token = await issuer.issueToken({ subject, name, groups, ttlSeconds: tokenSeconds });
      return { name, subject, groups, domain, role, token };
    }),
  );
}

/** Everything that earlier starts left, but the lock that this one holds. */
async function emptyFolder(dataDir: string): Promise<void> {
  await stopPostgres(dataDir);
  // The credentials last: with them a start over that was broken off is known as Meshgate's.
  for (const name of [seededMarker, webhookKeyFile, ...dataFolders, credentialsFile]) {
    rmSync(join(dataDir, name), { recursive: true, force: true });
  }
}

/** Looked at before anything is started; whoever takes the port later is found by listen. */
function assertPortFree({ host, port }: StartOptions): Promise<void> {
  if (!isLoopbackHost(host)) {
    const message = `"meshgate start" trusts tokens that anybody on this machine can make, so it listens on loopback alone, not on ${host}. For a network, run "meshgate serve".`;
    return Promise.reject(new StartError(message));
  }
  return new Promise((done, fail) => {
    const probe = createServer();
    probe.once('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'EADDRINUSE' ? 'is taken by another program' : `cannot be used (${error.message})`;
      fail(
        new StartError(
          `Port ${port} on ${host} ${why}. Choose another one with --port, for example --port ${port + 1}.`,
        ),
      );
    });
    probe.listen(port, host, () => probe.close(() => done()));
  });
}

async function step<T>(name: string, work: () => Promise<T>): Promise<T> {
  const seconds = stopwatch();
  tell(`  ${name} ...`);
  const result = await work();
  tell(`  ${styled('green', '✓')} ${name} (${seconds()} s)`);
  return result;
}

function tell(line: string): void {
  process.stdout.write(`${line}\n`);
}

function stopwatch(): () => string {
  const began = performance.now();
  return () => ((performance.now() - began) / 1_000).toFixed(1);
}
