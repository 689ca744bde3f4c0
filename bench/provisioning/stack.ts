import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { startPostgres } from '../../src/sandbox/postgres.js';
import { startSandbox } from '../../src/sandbox/server.js';
import { governanceCredentials } from '../../src/sandbox/sts.js';
import { sandboxIssuer } from '../../src/server/config.js';

export const GOVERNANCE = '111122223333';
export const PRODUCER = '222233334444';
export const CONSUMER = '333344445555';
export const REGION = 'eu-west-1';

/** One AWS call as the sandbox logged it. */
export interface LoggedCall {
  n: number;
  /** When it was answered, ISO 8601. */
  at: string;
  account: string;
  service: string;
  operation: string;
  parameters: Record<string, unknown>;
  status: number;
  error: string | null;
}

/** The product as in production, on one machine: Postgres, sandbox AWS, API and worker, a process each. */
export interface Stack {
  graphql: string;
  /** The process of the API. */
  apiPid: number;
  /** Of the server's role. */
  databaseUrl: string;
  /** The sandbox's URL. */
  sandbox: string;
  startWorker(): Promise<void>;
  stopWorker(): Promise<void>;
  tokenOf(subject: string, groups?: string[]): Promise<string>;
  query<Row extends object>(text: string, values?: unknown[]): Promise<Row[]>;
  /** The number of the last call so far. */
  lastCall(): Promise<number>;
  /** The calls after that number; the sandbox keeps at least the last 20,000. */
  callsAfter(n: number): Promise<LoggedCall[]>;
  setFaults(faults: object[]): Promise<void>;
  clearFaults(): Promise<void>;
  close(): Promise<void>;
}

/** Starts all but the worker, over an empty data folder. */
export async function startStack(): Promise<Stack> {
  const folder = mkdtempSync(join(tmpdir(), 'meshgate-bench-'));
  const closing: (() => unknown)[] = [() => rmSync(folder, { recursive: true, force: true })];
  const close = async (): Promise<void> => {
    for (const step of closing.splice(0).reverse()) await step();
  };
  try {
    return await assemble(folder, { closing, close });
  } catch (error) {
    await close();
    throw error;
  }
}

async function assemble(
  folder: string,
  { closing, close }: { closing: (() => unknown)[]; close: () => Promise<void> },
): Promise<Stack> {
  const postgres = await startPostgres({ dataDir: join(folder, 'postgres') });
  closing.push(() => postgres.stop());
  const aws = await startChild([fileURLToPath(import.meta.url), 'sandbox', join(folder, 'sandbox')], {});
  closing.push(() => aws.stop());
  const sandbox = String(aws.ready.url);
  const environment = environmentOf(postgres.serverUrl, sandbox);
  await runToEnd(['scripts/start.mjs', 'migrate'], { DATABASE_OWNER_URL: postgres.ownerUrl });
  const api = await startChild(['scripts/start.mjs', 'serve'], environment);
  closing.push(() => api.stop());
  const pool = new pg.Pool({ connectionString: postgres.ownerUrl, max: 2 });
  closing.push(() => pool.end());
  let worker: Child | undefined;
  const stopWorker = async (): Promise<void> => {
    await worker?.stop();
    worker = undefined;
  };
  closing.push(stopWorker);
  return {
    graphql: `http://127.0.0.1:${api.ready.port}/graphql`,
    apiPid: api.pid,
    databaseUrl: postgres.serverUrl,
    sandbox,
    startWorker: async () => {
      worker = await startChild(['scripts/start.mjs', 'work'], environment);
    },
    stopWorker,
    tokenOf: async (subject, groups = []) => {
      const body = { subject, groups, ttlSeconds: 7_200 };
      return (await control<{ access_token: string }>(sandbox, '/issuer/token', body)).access_token;
    },
    query: async (text, values = []) => (await pool.query(text, values)).rows,
    ...callLog(sandbox),
    setFaults: async (faults) => void (await control(sandbox, '/faults', faults)),
    clearFaults: async () => {
      await fetch(`${sandbox}/_sandbox/faults`, { method: 'DELETE' });
    },
    close,
  };
}

function callLog(sandbox: string): Pick<Stack, 'lastCall' | 'callsAfter'> {
  const page = (after: number) => control<LoggedCall[]>(sandbox, `/calls?after=${after}`);
  async function callsAfter(n: number): Promise<LoggedCall[]> {
    const calls: LoggedCall[] = [];
    for (let more = await page(n); more.length > 0; more = await page(calls.at(-1)!.n)) calls.push(...more);
    return calls;
  }
  // Calls are numbered from 1, and old ones are dropped: the last is found from the end of what is kept.
  return { callsAfter, lastCall: async () => (await callsAfter(0)).at(-1)?.n ?? 0 };
}

async function control<Answer>(sandbox: string, path: string, body?: object): Promise<Answer> {
  const sent = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
  const response = await fetch(`${sandbox}/_sandbox${path}`, sent);
  if (!response.ok) throw new Error(`The sandbox answered ${response.status} to ${path}: ${await response.text()}`);
  return (await response.json()) as Answer;
}

/** What the process that this one starts as `sandbox` does: the embedded AWS over a folder of its own. */
export async function serveSandbox(dataDir: string): Promise<void> {
  const accounts = [PRODUCER, CONSUMER];
  const { url, close } = await startSandbox({ dataDir, governanceAccount: GOVERNANCE, accounts, region: REGION });
  process.once('SIGTERM', () => void close());
  process.stdout.write(`${JSON.stringify({ msg: 'ready', url })}\n`);
}

interface Child {
  /** The line by which it said that it is ready. */
  ready: Record<string, unknown>;
  pid: number;
  stop(): Promise<void>;
}

async function startChild(args: string[], environment: Record<string, string>): Promise<Child> {
  const child = spawnNode(args, environment);
  let tail = '';
  const ready = await new Promise<Record<string, unknown>>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream! }).on('line', (line) => {
        tail = `${tail}${line}\n`.slice(-8_000);
        if (line.includes('"msg":"ready"')) resolve(JSON.parse(line));
      });
    }
    child.once('exit', (code) => reject(new Error(`${args.join(' ')} ended with ${code}:\n${tail}`)));
    child.once('error', reject);
  });
  return { ready, pid: child.pid!, stop: () => end(child) };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGTERM');
  await exit;
}

async function runToEnd(args: string[], environment: Record<string, string>): Promise<void> {
  const child = spawnNode(args, environment);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (text: Buffer) => (output += text));
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}:\n${output}`);
}

function spawnNode(args: string[], environment: Record<string, string>): ChildProcess {
  const { PATH = '', HOME = '', TMPDIR } = process.env;
  const env = { PATH, HOME, ...(TMPDIR ? { TMPDIR } : {}), ...environment };
  return spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
}

function environmentOf(databaseUrl: string, sandbox: string): Record<string, string> {
  const { accessKeyId, secretAccessKey } = governanceCredentials(GOVERNANCE);
  const role = (name: string): string => `arn:aws:iam::${GOVERNANCE}:role/${name}`;
  const jwksUri = `${sandbox}/_sandbox/issuer/jwks.json`;
  const issuer = { issuer: sandboxIssuer, jwksUri, audience: 'meshgate', typ: 'at+jwt', adminGroups: ['admins'] };
  return {
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    DATABASE_URL: databaseUrl,
    PORT: '0',
    MESHGATE_ISSUERS: JSON.stringify([issuer]),
    MESHGATE_GOVERNANCE_ACCOUNT: GOVERNANCE,
    MESHGATE_REGION: REGION,
    MESHGATE_GOVERNANCE_ROLE_ARN: role('meshgate'),
    MESHGATE_DATA_ACCESS_ROLE_ARN: role('meshgate-data-access'),
    MESHGATE_EVENT_TARGET_ROLE_ARN: role('meshgate-events'),
    MESHGATE_MANAGE_SETTINGS: 'true',
    MESHGATE_AWS_ENDPOINT: sandbox,
    // All load comes from this machine.
    MESHGATE_ADDRESS_RATE: '1000000',
  };
}
