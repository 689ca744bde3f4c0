import { chmodSync, mkdtempSync, readdirSync, rmSync, statfsSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { startPostgres, stopPostgres } from '../../src/sandbox/postgres.js';
import { createLog } from '../../src/server/log.js';
import { migrate } from '../../src/server/migrate.js';

declare module 'vitest' {
  interface ProvidedContext {
    /** Superuser's URL of the run's Postgres. */
    postgresAdminUrl: string;
    /** URLs of the migrated database, which test databases are cloned from. */
    postgresOwnerUrl: string;
    postgresServerUrl: string;
  }
}

/** The part of vitest's project that a global setup needs. */
interface TestRun {
  provide(key: 'postgresAdminUrl' | 'postgresOwnerUrl' | 'postgresServerUrl', value: string): void;
}

/** One real Postgres for the run, with a migrated database; no test connects to that one, so that it can be cloned. */
export async function setup(run: TestRun): Promise<() => Promise<void>> {
  // Whatever a test leaves in the temporary folder goes with this one. Others may pass through it: Postgres is not run as root.
  const scratch = mkdtempSync(join(tmpdir(), 'meshgate-test-'));
  chmodSync(scratch, 0o755);
  process.env.TMPDIR = scratch;
  const dataDir = await postgresFolder(scratch);
  const quick = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' };
  // It would come round to every database of the run, however long nobody has been there.
  const settings = { ...quick, autovacuum: 'off', max_prepared_transactions: '2' };
  const postgres = await startPostgres({ dataDir, settings });
  await migrate(postgres.ownerUrl, createLog({ level: 'silent' }));
  const admin = new pg.Client({ connectionString: postgres.adminUrl });
  await admin.connect();
  await admin.query('ALTER DATABASE meshgate IS_TEMPLATE true');
  await admin.end();
  run.provide('postgresAdminUrl', postgres.adminUrl);
  run.provide('postgresOwnerUrl', postgres.ownerUrl);
  run.provide('postgresServerUrl', postgres.serverUrl);
  return async () => {
    await postgres.stop();
    for (const folder of [dataDir, scratch]) rmSync(folder, { recursive: true, force: true });
  };
}

const MEMORY = '/dev/shm';
/** Bytes: a run makes some three hundred databases of twelve megabytes each. */
const ROOM = 8_000_000_000;

/** In memory where there is room: to make a database is to make six hundred files, for which some file systems take long. */
async function postgresFolder(scratch: string): Promise<string> {
  if (!hasRoom()) return mkdtempSync(join(scratch, 'postgres-'));
  for (const name of readdirSync(MEMORY)) await removeLeft(name);
  const folder = mkdtempSync(join(MEMORY, `meshgate-test-${process.pid}-`));
  chmodSync(folder, 0o755);
  return folder;
}

function hasRoom(): boolean {
  try {
    const { bavail, bsize } = statfsSync(MEMORY);
    return bavail * bsize > ROOM;
  } catch {
    return false;
  }
}

/** What a run left that was killed; memory is not emptied by itself. What another user's runs have there is his. */
async function removeLeft(name: string): Promise<void> {
  const [, pid] = /^meshgate-test-(\d+)-/.exec(name) ?? [];
  if (pid === undefined || isRunning(Number(pid))) return;
  const folder = join(MEMORY, name);
  if (statSync(folder, { throwIfNoEntry: false })?.uid !== process.getuid?.()) return;
  await stopPostgres(folder);
  rmSync(folder, { recursive: true, force: true });
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
