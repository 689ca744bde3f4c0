import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { EmbeddedPostgresError, locatePrograms, type PostgresPrograms, runProgram } from './postgres-binaries.js';
import { findPostmaster, forgetPostmaster, isPostmaster } from './postgres-postmaster.js';

export { EmbeddedPostgresError } from './postgres-binaries.js';

/** Where the data live; `port` 0 or none takes a free one; `settings` are further postgresql.conf values. */
export interface PostgresOptions {
  dataDir: string;
  port?: number;
  settings?: Record<string, string>;
}

/** A running embedded Postgres; the URLs carry passwords and go into no log. */
export interface EmbeddedPostgres {
  /** Superuser on the database `postgres`: creates databases in tests. */
  adminUrl: string;
  /** Owner of the database `meshgate`: runs migrations. */
  ownerUrl: string;
  /** The server's login role on the database `meshgate`: owns nothing. */
  serverUrl: string;
  port: number;
  /** True where a Postgres that an earlier, killed process left behind was taken over. */
  adopted: boolean;
  stop(): Promise<void>;
}

interface Credentials {
  admin: string;
  owner: string;
  server: string;
}

interface Cluster {
  programs: PostgresPrograms;
  /** Postgres's own data directory. */
  data: string;
  log: string;
  settings: Record<string, string>;
  credentials: Credentials;
}

/**
 * Starts Postgres over `dataDir`, creates it at the first start, or adopts the one that a killed process left running.
 * Loopback TCP only, passwords by scram-sha-256. Throws EmbeddedPostgresError where a person has to act.
 */
export async function startPostgres(options: PostgresOptions): Promise<EmbeddedPostgres> {
  const cluster = prepareCluster(options);
  if (!existsSync(cluster.data)) await createCluster(cluster);
  assertWhole(cluster);
  const running = await adoptPostmaster(cluster);
  const port = running ?? (await launch(cluster, options.port ?? 0));
  await createRoles(cluster, port);
  const url = (user: string, password: string, database: string): string =>
    `postgres://${user}:${password}@127.0.0.1:${port}/${database}`;
  return {
    adminUrl: adminUrl(cluster, port),
    ownerUrl: url('meshgate_owner', cluster.credentials.owner, 'meshgate'),
    serverUrl: url('meshgate', cluster.credentials.server, 'meshgate'),
    port,
    adopted: running !== undefined,
    stop: () => stopCluster(cluster),
  };
}

/** Stops a Postgres that a killed process may have left over `dataDir`, at once and whatever becomes of its data. */
export async function stopPostgres(dataDir: string): Promise<void> {
  const data = join(resolve(dataDir), 'postgres', 'data');
  const postmaster = findPostmaster(data);
  if (!postmaster || !isPostmaster(postmaster.pid)) return;
  const programs = locatePrograms(join(resolve(dataDir), 'postgres'));
  await runProgram(programs, 'pg_ctl', ['stop', '-w', '-t', '20', '-m', 'immediate', '-D', data]);
}

function prepareCluster({ dataDir, settings = {} }: PostgresOptions): Cluster {
  const folder = join(resolve(dataDir), 'postgres');
  mkdirSync(folder, { recursive: true });
  const programs = locatePrograms(folder);
  const { account } = programs;
  if (account) chownSync(folder, account.uid, account.gid);
  chmodSync(folder, 0o700);
  const data = join(folder, 'data');
  const secrets = join(resolve(dataDir), 'postgres-credentials.json');
  return { programs, data, log: join(folder, 'server.log'), settings, credentials: readCredentials(secrets, data) };
}

/** The passwords are written before the cluster is made, so that a kill in between loses nothing. */
function readCredentials(file: string, data: string): Credentials {
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as Credentials;
  if (existsSync(data)) {
    throw new EmbeddedPostgresError(
      `The data folder is broken: ${data} holds a database, but its passwords (${file}) are gone. ` +
        'Put the file back from a copy, name another folder with --data-dir, or delete the whole data folder to start over.',
    );
  }
  const password = (): string => randomBytes(24).toString('base64url');
  const credentials = { admin: password(), owner: password(), server: password() };
  const draft = `${file}.new`;
  writeFileSync(draft, JSON.stringify(credentials), { mode: 0o600 });
  renameSync(draft, file);
  return credentials;
}

async function createCluster({ programs, data, credentials }: Cluster): Promise<void> {
  // Made under another name and renamed: a kill half-way leaves no half-made cluster behind.
  const draft = `${data}.new`;
  const passwordFile = `${data}.password`;
  rmSync(draft, { recursive: true, force: true });
  writeFileSync(passwordFile, credentials.admin, { mode: 0o600 });
  if (programs.account) chownSync(passwordFile, programs.account.uid, programs.account.gid);
  try {
    const { code, output } = await runProgram(programs, 'initdb', [
      ...['-D', draft, '-U', 'meshgate_admin', '--auth=scram-sha-256', `--pwfile=${passwordFile}`],
      ...['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'],
    ]);
    if (code !== 0) throw new EmbeddedPostgresError(`Postgres could not create its data folder ${draft}: ${output}`);
    renameSync(draft, data);
  } finally {
    rmSync(passwordFile, { force: true });
  }
}

function assertWhole({ data }: Cluster): void {
  const version = existsSync(join(data, 'PG_VERSION')) ? readFileSync(join(data, 'PG_VERSION'), 'utf8').trim() : '';
  if (version === '18' && existsSync(join(data, 'global', 'pg_control'))) return;
  const reason =
    version && version !== '18' ? `it was written by Postgres ${version}, this is 18` : 'files are missing';
  throw new EmbeddedPostgresError(
    `The data folder is broken: ${data} is not a database that can be opened (${reason}). ` +
      'Restore it from a copy, name another folder with --data-dir, or start over with --fresh, which deletes the data.',
  );
}

/** The port of a postmaster that survived its parent, once it takes connections; undefined where there is none. */
async function adoptPostmaster(cluster: Cluster): Promise<number | undefined> {
  const deadline = Date.now() + 60_000;
  while (Date.now() < deadline) {
    const postmaster = findPostmaster(cluster.data);
    if (!postmaster) return undefined;
    if (!isPostmaster(postmaster.pid)) {
      forgetPostmaster(cluster.data);
      return undefined;
    }
    const state = postmaster.port ? await connectionState(cluster, postmaster.port) : 'wait';
    if (state === 'ready') return postmaster.port;
    if (state === 'foreign') {
      throw new EmbeddedPostgresError(
        `A Postgres (process ${postmaster.pid}) runs over ${cluster.data} and refuses the password kept beside it. Stop it and try again.`,
      );
    }
    await sleep(50);
  }
  throw new EmbeddedPostgresError(
    `A Postgres runs over ${cluster.data}, but did not take connections within a minute. See ${cluster.log}.`,
  );
}

/** 57P03 is starting up or shutting down: either way the next look tells. */
async function connectionState(cluster: Cluster, port: number): Promise<'ready' | 'wait' | 'foreign'> {
  const client = new pg.Client({ connectionString: adminUrl(cluster, port), connectionTimeoutMillis: 2_000 });
  try {
    await client.connect();
    await client.query('SELECT 1');
    return 'ready';
  } catch (error) {
    return (error as { code?: string }).code === '28P01' ? 'foreign' : 'wait';
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function launch(cluster: Cluster, wanted: number): Promise<number> {
  for (let attempt = 1; ; attempt += 1) {
    const port = wanted || (await freePort());
    const settings = {
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
      port: String(port),
      max_connections: '200',
      shared_buffers: '64MB',
      ...cluster.settings,
    };
    const words = Object.entries(settings).map(([name, value]) => `-c ${name}=${value === '' ? "''" : value}`);
    const { code } = await runProgram(cluster.programs, 'pg_ctl', [
      ...['start', '-w', '-t', '60', '-D', cluster.data, '-l', cluster.log, '-o', words.join(' ')],
    ]);
    if (code === 0) return port;
    const tail = lastLines(cluster.log);
    const taken = tail.includes('could not bind') || tail.includes('Address already in use');
    if (!taken || wanted || attempt === 3) {
      throw new EmbeddedPostgresError(
        `Postgres does not start over ${cluster.data}. Its log says: ${tail} If the data cannot be restored, start over with --fresh, which deletes them.`,
      );
    }
  }
}

async function createRoles(cluster: Cluster, port: number): Promise<void> {
  const client = new pg.Client({ connectionString: adminUrl(cluster, port) });
  await client.connect();
  try {
    const { rows } = await client.query<{ datname: string }>(
      `SELECT datname FROM pg_database WHERE datname = 'meshgate'`,
    );
    if (rows.length > 0) return;
    await client.query(`
      DO $$ BEGIN
        IF to_regrole('meshgate_owner') IS NULL THEN CREATE ROLE meshgate_owner LOGIN CREATEROLE; END IF;
        IF to_regrole('meshgate_server') IS NULL THEN CREATE ROLE meshgate_server NOLOGIN; END IF;
        IF to_regrole('meshgate') IS NULL THEN CREATE ROLE meshgate LOGIN IN ROLE meshgate_server; END IF;
      END $$`);
    await client.query(`ALTER ROLE meshgate_owner PASSWORD ${client.escapeLiteral(cluster.credentials.owner)}`);
    await client.query(`ALTER ROLE meshgate PASSWORD ${client.escapeLiteral(cluster.credentials.server)}`);
    // The database comes last: where it exists, all the rest does.
    await client.query('CREATE DATABASE meshgate OWNER meshgate_owner');
  } finally {
    await client.end();
  }
}

async function stopCluster(cluster: Cluster): Promise<void> {
  const stop = (mode: string) =>
    runProgram(cluster.programs, 'pg_ctl', ['stop', '-w', '-t', '20', '-m', mode, '-D', cluster.data]);
  const { code } = await stop('fast');
  if (code !== 0 && findPostmaster(cluster.data)) await stop('immediate');
}

function adminUrl(cluster: Cluster, port: number): string {
  return `postgres://meshgate_admin:${cluster.credentials.admin}@127.0.0.1:${port}/postgres`;
}

function freePort(): Promise<number> {
  return new Promise((done, fail) => {
    const server = createServer();
    server.on('error', fail);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => done(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

function lastLines(file: string): string {
  if (!existsSync(file)) return '(no log)';
  return readFileSync(file, 'utf8').trim().split('\n').slice(-6).join(' | ');
}
