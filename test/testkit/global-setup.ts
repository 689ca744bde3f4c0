import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { startPostgres } from '../../src/sandbox/postgres.js';
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
  const dataDir = mkdtempSync(join(scratch, 'postgres-'));
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
    rmSync(scratch, { recursive: true, force: true });
  };
}
