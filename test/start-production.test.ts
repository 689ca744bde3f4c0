import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Sandbox, startSandbox } from '../src/sandbox/server.js';
import { governanceCredentials } from '../src/sandbox/sts.js';
import { createEmptyDatabase, createTestDatabase, type TestDatabase } from './testkit/database.js';

const governance = '111122223333';
const producer = '222233334444';
const folder = mkdtempSync(join(tmpdir(), 'meshgate-production-'));
const processes: ChildProcess[] = [];
let database: TestDatabase;
let sandbox: Sandbox;
let token: string;

/** `serve` or `work` as it runs in production: configuration from the environment, credentials from the SDK's default chain. */
async function launch(command: 'serve' | 'work', databaseUrl = database.serverUrl) {
  const port = await freePort();
  const keys = governanceCredentials(governance);
  const role = (name: string) => `arn:aws:iam::${governance}:role/${name}`;
  const jwksUri = `${sandbox.url}/_sandbox/issuer/jwks.json`;
  const audience = 'meshgate';
  const issuer = { issuer: 'urn:meshgate:sandbox', jwksUri, audience, typ: 'at+jwt', adminGroups: ['admins'] };
  const env = {
    PATH: process.env.PATH,
    DATABASE_URL: databaseUrl,
    PORT: String(port),
    AWS_ACCESS_KEY_ID: keys.accessKeyId,
    AWS_SECRET_ACCESS_KEY: keys.secretAccessKey,
    MESHGATE_GOVERNANCE_ACCOUNT: governance,
    MESHGATE_REGION: 'eu-west-1',
    MESHGATE_GOVERNANCE_ROLE_ARN: role('meshgate'),
    MESHGATE_DATA_ACCESS_ROLE_ARN: role('lake-access'),
    MESHGATE_EVENT_TARGET_ROLE_ARN: role('events'),
    MESHGATE_MANAGE_SETTINGS: 'true',
    // The API calls no AWS, the worker takes no tokens.
    ...(command === 'serve' ? { MESHGATE_ISSUERS: JSON.stringify([issuer]) } : { MESHGATE_AWS_ENDPOINT: sandbox.url }),
  };
  const child = spawn(process.execPath, ['dist/main.js', command], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  processes.push(child);
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = new Promise<number | null>((done) => child.on('close', done));
  return { child, ended, url: `http://127.0.0.1:${port}`, output: () => output };
}

function freePort(): Promise<number> {
  return new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => done(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

async function status(url: string): Promise<number> {
  return fetch(url).then(
    (answer) => answer.status,
    () => 0,
  );
}

async function ask(url: string, query: string, headers: Record<string, string> = {}) {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}`, ...headers },
    body: JSON.stringify({ query }),
  });
  return (await response.json()) as { data?: Record<string, unknown>; errors?: { message: string }[] };
}

const registerDomain = `mutation { registerDomain(input: { name: "sales", displayName: "Sales", awsAccountId: "${producer}",
  awsRegion: "eu-west-1", roleArn: "arn:aws:iam::${producer}:role/meshgate", dataLocation: "s3://sales-lake/data",
  manageSettings: true, owners: ["olga"] }) { __typename ... on UserError { code message } } }`;

beforeAll(async () => {
  database = await createTestDatabase();
  sandbox = await startSandbox({ dataDir: folder, governanceAccount: governance, accounts: [producer] });
  token = await sandbox.issuer.issueToken({ subject: 'ada', name: 'Ada', groups: ['admins'] });
});
afterAll(async () => {
  for (const child of processes) child.kill('SIGKILL');
  await sandbox.close();
  await database.leave();
  rmSync(folder, { recursive: true, force: true });
});

describe('serve and work as processes of their own', () => {
  it('carry a registration to AWS, tell when they are ready, leave no token in their logs, and drain', {
    timeout: 60_000,
  }, async () => {
    const [serve, work] = [await launch('serve'), await launch('work')];
    await expect.poll(() => status(`${serve.url}/readyz`), { timeout: 20_000 }).toBe(200);
    await expect.poll(() => status(`${work.url}/readyz`), { timeout: 20_000 }).toBe(200);
    expect(await status(`${work.url}/graphql`)).toBe(404);

    const answer = await ask(serve.url, registerDomain, { 'x-correlation-id': 'sales-1' });
    expect(answer).toEqual({ data: { registerDomain: { __typename: 'RegisterDomainPayload' } } });
    const readyDomain = async () => (await ask(serve.url, '{ domain(by: { name: "sales" }) { status } }')).data?.domain;
    await expect.poll(readyDomain, { timeout: 20_000 }).toEqual({ status: 'READY' });
    expect(work.output()).toContain('"correlationId":"sales-1"');
    const calls = work
      .output()
      .split('\n')
      .filter((line) => line.includes('"msg":"AWS call"') && line.includes('"operation":"CreateDatabase"'));
    expect(calls.length).toBeGreaterThan(0);
    for (const call of calls) expect(call).toContain('"correlationIds":["sales-1"]');
    expect(serve.output()).toContain('"correlationId":"sales-1"');
    expect(`${serve.output()}${work.output()}`).not.toContain(token);

    const introspection = await ask(serve.url, '{ __schema { types { name } } }');
    expect(introspection.errors?.[0]?.message).toContain('ntrospection');
    expect((await fetch(`${serve.url}/graphql`, { headers: { accept: 'text/html' } })).status).toBe(404);

    serve.child.kill('SIGTERM');
    work.child.kill('SIGTERM');
    expect(await Promise.all([serve.ended, work.ended])).toEqual([0, 0]);
  });

  it('refuse a database that was not migrated', async () => {
    const empty = await createEmptyDatabase();
    const serve = await launch('serve', empty.serverUrl);
    expect(await serve.ended).toBe(1);
    expect(serve.output()).toMatch(/The database lacks \d+ migration\(s\).*Run "meshgate migrate"/);
    await empty.leave();
  });
});
