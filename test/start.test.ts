import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Ready, readReadyFile } from '../src/local/ready-file.js';

const scratch = mkdtempSync(join(tmpdir(), 'meshgate-start-'));
const dataDir = join(scratch, 'data');
const readyFile = join(scratch, 'ready');
const running = new Set<ChildProcess>();
let port: number;

/** A process of the command line, with what it printed and, once it has ended, its exit code. */
interface Run {
  child: ChildProcess;
  output: () => string;
  ended: Promise<number | null>;
}

function run(...args: string[]): Run {
  const env = { ...process.env, MESHGATE_WEBHOOK_NETWORKS: '10.2.0.0/16' };
  const child = spawn(process.execPath, ['scripts/start.mjs', ...args], { stdio: ['ignore', 'pipe', 'pipe'], env });
  running.add(child);
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const ended = new Promise<number | null>((done) => child.on('close', (code) => done(code)));
  child.on('exit', () => running.delete(child));
  return { child, output: () => text, ended };
}

const start = (...args: string[]) =>
  run('start', '--port', String(port), '--data-dir', dataDir, '--ready-file', readyFile, ...args);

async function readiness(one: Run): Promise<Ready> {
  for (let attempt = 0; attempt < 1_200; attempt += 1) {
    const ready = readReadyFile(readyFile);
    if (ready && ready.pid === one.child.pid) return ready;
    if (one.child.exitCode !== null) throw new Error(`ended with ${one.child.exitCode}: ${one.output()}`);
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`not ready: ${one.output()}`);
}

async function stop(one: Run, signal: NodeJS.Signals = 'SIGINT'): Promise<number | null> {
  one.child.kill(signal);
  return one.ended;
}

function freePort(): Promise<number> {
  return new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => done(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

async function count(url: string, table: string): Promise<number> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query<{ count: number }>(`SELECT count(*)::int AS count FROM "${table}"`);
  await client.end();
  return rows[0]?.count ?? 0;
}

/** The owner's URL, got as docs/audit.md says. */
function ownerUrlByTheDocs(): string {
  const lines = readFileSync('docs/audit.md', 'utf8').match(/^export DATABASE_\w+=.*$/gm) ?? [];
  const script = [...lines, 'echo $DATABASE_OWNER_URL'].join('\n');
  return execFileSync('sh', ['-c', script], { env: { ...process.env, DATA: dataDir }, encoding: 'utf8' }).trim();
}

async function loginOf(url: string): Promise<string | undefined> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query<{ login: string }>('SELECT current_user AS login');
  await client.end();
  return rows[0]?.login;
}

async function ask(ready: Ready, role: string | null, query: string): Promise<Record<string, unknown>> {
  const token = ready.users.find((user) => user.role === role)?.token;
  const response = await fetch(ready.graphql, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query }),
  });
  return (await response.json()) as Record<string, unknown>;
}

interface Member {
  domain: string;
  subject: string;
}

/** Who belongs to which domain, by the domain's id. */
async function membersOf(ready: Ready): Promise<Member[]> {
  const names = new Set(ready.users.flatMap(({ domain }) => domain ?? []));
  const fields = [...names].map((name, i) => `d${i}: domain(by: { name: "${name}" }) { id members { subject } }`);
  const { data } = (await ask(ready, 'admin', `{ ${fields.join(' ')} }`)) as {
    data: Record<string, { id: string; members: { subject: string }[] }>;
  };
  return Object.values(data).flatMap(({ id, members }) => members.map(({ subject }) => ({ domain: id, subject })));
}

beforeAll(async () => {
  port = await freePort();
});
afterAll(() => {
  for (const child of running) child.kill('SIGKILL');
  rmSync(scratch, { recursive: true, force: true });
});

describe('meshgate start', () => {
  let domains = 0;
  let members: Member[] = [];

  it('brings up everything, says where it is, and stops all of it', { timeout: 90_000 }, async () => {
    const one = start();
    const ready = await readiness(one);
    expect(ready.graphql).toBe(`http://127.0.0.1:${port}/graphql`);
    expect(statSync(readyFile).mode & 0o777).toBe(0o600);
    expect(ready.users.filter(({ domain }) => domain === null).map(({ role }) => role)).toEqual(['admin', null]);
    for (const role of ['owner', 'steward', 'member']) {
      expect(
        ready.users.filter((user) => user.role === role && user.domain),
        role,
      ).toHaveLength(4);
    }
    expect(await ask(ready, 'admin', '{ viewer { admin } }')).toEqual({ data: { viewer: { admin: true } } });
    expect(await ask(ready, null, '{ viewer { admin } }')).toEqual({ data: { viewer: { admin: false } } });
    expect((await fetch(ready.graphql.replace('/graphql', '/readyz'))).status).toBe(200);
    expect(one.output()).toContain(`${ready.graphql}#token=`);
    expect(one.output()).toContain(`npm run meshgate -- tour --ready-file ${readyFile}\n`);
    domains = await count(ready.database, 'Domain');
    expect(domains).toBe(4);
    expect(await stop(one)).toBe(0);
    expect(one.output()).toMatch(/Stopped\.\n$/);
    expect(existsSync(readyFile)).toBe(false);
    await expect(fetch(ready.graphql)).rejects.toThrow();
    await expect(fetch(ready.sandbox)).rejects.toThrow();
    await expect(count(ready.database, 'Domain')).rejects.toThrow('ECONNREFUSED');
  });

  it('is ready the second time with its data, and lets no other process take them', async () => {
    const one = start();
    const ready = await readiness(one);
    expect(await count(ready.database, 'Domain')).toBe(domains);
    const subject = ready.users.find(({ role }) => role === 'member')?.subject ?? '';
    const member = (await membersOf(ready)).find((one) => one.subject === subject);
    const input = `{ domain: "${member?.domain}", subject: "${subject}" }`;
    const removal = await ask(ready, 'admin', `mutation { removeDomainMember(input: ${input}) { __typename } }`);
    expect(removal).toEqual({ data: { removeDomainMember: { __typename: 'RemoveDomainMemberPayload' } } });
    members = await membersOf(ready);
    expect(members.map((one) => one.subject)).not.toContain(subject);

    const second = run('start', '--port', String(await freePort()), '--data-dir', dataDir);
    expect(await second.ended).toBe(1);
    expect(second.output()).toContain(`runs over the data folder ${dataDir} already (process ${one.child.pid}`);
    expect(await stop(one, 'SIGKILL')).toBe(null);
  });

  it('takes over what kill -9 left, Postgres included', async () => {
    const one = start();
    const ready = await readiness(one);
    expect(await count(ready.database, 'Domain')).toBe(domains);
    expect(await membersOf(ready), 'the seed would have brought the member back').toEqual(members);
    expect(one.output()).not.toContain('Demo mesh');
    expect(await stop(one, 'SIGTERM')).toBe(0);
  });

  it('starts over with --fresh, and leaves the mesh empty with --no-demo', async () => {
    const one = start('--fresh', '--no-demo');
    const ready = await readiness(one);
    expect(await count(ready.database, 'Domain')).toBe(0);
    expect(ready.users.map(({ role }) => role)).toEqual(['admin', null]);
    expect(existsSync(join(dataDir, 'demo-seeded'))).toBe(false);
    const webhook = async (name: string, url: string) => {
      const input = `{ name: "${name}", url: "${url}", filter: { types: [ACCESS_GRANTED] } }`;
      const answer = await ask(ready, 'admin', `mutation { registerWebhook(input: ${input}) { __typename } }`);
      return (answer as { data: { registerWebhook: { __typename: string } } }).data.registerWebhook.__typename;
    };
    expect(await webhook('mine', 'http://127.0.0.1:9999/'), 'loopback is reached').toBe('RegisterWebhookPayload');
    expect(await webhook('near', 'https://10.2.0.7/'), 'MESHGATE_WEBHOOK_NETWORKS').toBe('RegisterWebhookPayload');
    expect(await webhook('far', 'https://10.3.0.7/')).toBe('ValidationError');
    expect(await loginOf(ownerUrlByTheDocs())).toBe('meshgate_owner');
    expect(await stop(one)).toBe(0);
  });

  it('stops while it is still starting', async () => {
    const one = start('--fresh', '--no-demo');
    while (!one.output().includes('✓ Postgres')) await new Promise((done) => setTimeout(done, 20));
    expect(await stop(one)).toBe(0);
    expect(existsSync(join(dataDir, 'postgres/data/postmaster.pid'))).toBe(false);
    expect(existsSync(join(dataDir, 'meshgate.lock'))).toBe(false);
  });
});

describe('meshgate start says what is wrong, in a paragraph, and ends with 1', () => {
  let taken: Server;
  let takenPort: number;
  beforeAll(async () => {
    taken = createServer();
    await new Promise<void>((done) => taken.listen(0, '127.0.0.1', done));
    const address = taken.address();
    takenPort = typeof address === 'object' && address ? address.port : 0;
    mkdirSync(join(scratch, 'broken/postgres/data'), { recursive: true });
    writeFileSync(join(scratch, 'broken/postgres-credentials.json'), '{"admin":"a","owner":"b","server":"c"}');
    writeFileSync(join(scratch, 'file'), '');
  });
  afterAll(() => new Promise((done) => taken.close(done)));

  it.each([
    [
      'a ready file in no folder',
      () => ['--ready-file', join(scratch, 'none/ready.json')],
      /ready file .*none\/ready\.json cannot be written .* Make its folder/,
    ],
    [
      'a busy port',
      () => ['--port', String(takenPort)],
      /Port \d+ on 127.0.0.1 is taken .* Choose another one with --port/,
    ],
    ['an address on the network', () => ['--host', '0.0.0.0'], /listens on loopback alone, not on 0\.0\.0\.0/],
    ['a folder that cannot be made', () => ['--data-dir', '/dev/null/mesh'], /data folder .* cannot be written/],
    ['a file in the place of the folder', () => ['--data-dir', join(scratch, 'file')], /is not a folder/],
    ['a broken data folder', () => ['--data-dir', join(scratch, 'broken')], /data folder is broken: .* --fresh/],
  ])('%s', async (_, args, message) => {
    const one = run('start', '--port', String(port), '--data-dir', join(scratch, 'other'), ...args());
    expect(await one.ended).toBe(1);
    expect(one.output()).toMatch(message);
    expect(one.output()).not.toMatch(/\n\s+at /);
  });
});

describe('meshgate start --fresh', () => {
  it("deletes nothing in a folder that is not Meshgate's", async () => {
    const project = join(scratch, 'project');
    mkdirSync(join(project, 'postgres'), { recursive: true });
    writeFileSync(join(project, 'postgres/init.sql'), '');
    writeFileSync(join(project, 'ready.json'), '');
    const one = run('start', '--port', String(port), '--data-dir', project, '--fresh');
    expect(await one.ended).toBe(1);
    expect(one.output()).toContain(`deletes nothing in ${project}: it holds ${join(project, 'postgres')}, but not`);
    expect(readdirSync(project, { recursive: true }).sort()).toEqual(['postgres', 'postgres/init.sql', 'ready.json']);
  });
});

describe.skipIf(process.platform === 'win32')('meshgate start under npm', () => {
  it('ends, Postgres included, when the shell that npm put above it is gone', { timeout: 30_000 }, async () => {
    const folder = join(scratch, 'npm');
    const command = `${process.execPath} scripts/start.mjs start --port 0 --no-demo --data-dir ${folder}; true`;
    const env = { ...process.env, npm_lifecycle_event: 'start' };
    const shell = spawn('sh', ['-c', command], { stdio: ['ignore', 'pipe', 'pipe'], env });
    let output = '';
    for (const stream of [shell.stdout, shell.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk));
    const closed = new Promise((done) => shell.on('close', done));
    const ready = () => readReadyFile(join(folder, 'ready.json'));
    await expect.poll(ready, { timeout: 15_000 }).toBeDefined();
    const { database = '' } = ready() ?? {};
    shell.kill('SIGTERM');
    await closed;
    expect(output).toContain('Stopped.');
    expect(ready()).toBeUndefined();
    await expect(count(database, 'Domain')).rejects.toThrow('ECONNREFUSED');
  });
});

describe('meshgate tour says what it lacks', () => {
  const written = (name: string, content: unknown): string => {
    writeFileSync(join(scratch, name), JSON.stringify(content));
    return join(scratch, name);
  };
  const user = { name: 'x', subject: 'x', groups: [], token: 'x' };
  const ready = async (roles: (string | null)[]) => ({
    graphql: `http://127.0.0.1:${await freePort()}/graphql`,
    sandbox: 'http://127.0.0.1:1',
    database: '',
    pid: 1,
    users: roles.map((role) => ({ ...user, role, domain: role === 'admin' || !role ? null : role })),
  });

  it.each([
    [
      'a ready file',
      async () => ['--ready-file', join(scratch, 'none')],
      /There is no ready file .*none, so no server/,
    ],
    ['a true one', async () => ['--ready-file', written('odd.json', {})], /odd\.json is no ready file/],
    [
      'demo users',
      async () => ['--ready-file', written('empty.json', await ready(['admin', null]))],
      /has no demo users: it was started with --no-demo/,
    ],
    [
      'a server that answers',
      async () => ['--ready-file', written('gone.json', await ready(['admin', 'steward', 'member']))],
      /The server that the ready file names does not answer .*ECONNREFUSED/,
    ],
    ['tokens for --url', async () => ['--url', 'http://127.0.0.1:1/graphql'], /--url needs --admin-token, --requester/],
  ])('%s', async (_, args, message) => {
    const one = run('tour', ...(await args()));
    expect(await one.ended).toBe(1);
    expect(one.output()).toMatch(message);
    expect(one.output()).not.toMatch(/\n\s+at /);
  });
});

describe('the command line', () => {
  it('explains its commands', async () => {
    const help = run('--help');
    expect(await help.ended).toBe(0);
    for (const command of ['start', 'serve', 'work', 'migrate', 'tour'])
      expect(help.output()).toContain(`  ${command} `);
    const version = run('--version');
    expect(await version.ended).toBe(0);
    const { version: stated } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect(version.output().trim()).toBe(stated);
  });

  it('lists the variables that serve needs', async () => {
    const one = run('serve');
    expect(await one.ended).toBe(2);
    expect(one.output()).toContain('DATABASE_URL: is missing');
    expect(one.output()).toContain('MESHGATE_ISSUERS: is missing');
  });
});
