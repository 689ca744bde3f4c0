import { createHash, randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { PgBoss } from 'pg-boss';
import { jobSchema, queues } from './jobs.js';
import type { Log } from './log.js';

/** The database cannot be brought to this version; the message says which migration and what to do. */
export class MigrationError extends Error {
  override readonly name = 'MigrationError';
}

interface Migration {
  name: string;
  sql: string;
  checksum: string;
}

interface AppliedMigration {
  migration_name: string;
  checksum: string;
  finished_at: Date | null;
}

/** The lock that Prisma's own migrate takes, so that the two exclude each other. */
const lockNumber = 72_707_369;

/** As the Prisma schema engine creates it: `prisma migrate deploy` finds nothing to do afterwards. */
const migrationsTable = `
  CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
    "id"                  VARCHAR(36) PRIMARY KEY NOT NULL,
    "checksum"            VARCHAR(64) NOT NULL,
    "finished_at"         TIMESTAMPTZ,
    "migration_name"      VARCHAR(255) NOT NULL,
    "logs"                TEXT,
    "rolled_back_at"      TIMESTAMPTZ,
    "started_at"          TIMESTAMPTZ NOT NULL DEFAULT now(),
    "applied_steps_count" INTEGER NOT NULL DEFAULT 0
  )`;

/** prisma/migrations, at the same distance from src/server and dist/server. */
const defaultFolder = fileURLToPath(new URL('../../prisma/migrations/', import.meta.url));

/**
 * Brings the database to this version as its owner: the migrations that are due, each in a transaction of its own, then the
 * job queue's tables and the server role's rights on them. Answers the names applied now. Any number may call it at once.
 */
export async function migrate(ownerUrl: string, log: Log, folder = defaultFolder): Promise<string[]> {
  const client = new pg.Client({ connectionString: ownerUrl, application_name: 'meshgate-migrate' });
  await client.connect();
  try {
    await client.query(`SET lock_timeout = '60s'; SELECT pg_advisory_lock(${lockNumber})`);
    await client.query(`SET client_min_messages = warning; ${migrationsTable}`);
    const due = dueMigrations(readMigrations(folder), await appliedMigrations(client));
    for (const migration of due) {
      await apply(client, migration);
      log.info({ migration: migration.name }, 'migration applied');
    }
    await createQueues(client, ownerUrl);
    return due.map(({ name }) => name);
  } finally {
    await client.end();
  }
}

/** Names of migrations that the database still lacks: empty when the server may start over it. */
export async function pendingMigrations(pool: pg.Pool, folder = defaultFolder): Promise<string[]> {
  const { rows } = await pool.query<{ there: boolean }>(
    `SELECT to_regclass('_prisma_migrations') IS NOT NULL AS there`,
  );
  const applied = rows[0]?.there ? await appliedMigrations(pool) : [];
  const done = new Set(applied.filter((row) => row.finished_at).map((row) => row.migration_name));
  return migrationNames(folder).filter((name) => !done.has(name));
}

async function appliedMigrations(db: pg.Client | pg.Pool): Promise<AppliedMigration[]> {
  const { rows } = await db.query<AppliedMigration>(
    `SELECT migration_name, checksum, finished_at FROM "_prisma_migrations" WHERE rolled_back_at IS NULL ORDER BY started_at`,
  );
  return rows;
}

function migrationNames(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
}

function readMigrations(folder: string): Migration[] {
  return migrationNames(folder).map((name) => {
    const sql = readFileSync(`${folder}/${name}/migration.sql`, 'utf8');
    return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') };
  });
}

function dueMigrations(all: Migration[], applied: AppliedMigration[]): Migration[] {
  const known = new Map(all.map((migration) => [migration.name, migration]));
  for (const row of applied) {
    const migration = known.get(row.migration_name);
    if (!migration) {
      throw new MigrationError(
        `The database has the migration ${row.migration_name}, which this version does not know: it was migrated by a newer version. Run that version, or restore a copy of the database from before.`,
      );
    }
    if (!row.finished_at) {
      throw new MigrationError(
        `The migration ${row.migration_name} was begun by another tool and did not finish. Repair what it left, then mark it with "prisma migrate resolve".`,
      );
    }
    if (migration.checksum !== row.checksum) {
      throw new MigrationError(
        `The migration ${row.migration_name} was edited after it was applied (its checksum is ${migration.checksum}, the database has ${row.checksum}). Put the file back as it was and write the change as a new migration.`,
      );
    }
  }
  const done = new Set(applied.map((row) => row.migration_name));
  return all.filter(({ name }) => !done.has(name));
}

async function apply(client: pg.Client, { name, sql, checksum }: Migration): Promise<void> {
  await client.query('BEGIN');
  try {
    const started = new Date();
    await client.query(sql);
    await client.query(
      `INSERT INTO "_prisma_migrations" (id, checksum, migration_name, started_at, finished_at, applied_steps_count)
       VALUES ($1, $2, $3, $4, clock_timestamp(), 1)`,
      [randomUUID(), checksum, name, started],
    );
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    const { message, position } = error as pg.DatabaseError;
    const line = position ? ` in line ${sql.slice(0, Number(position)).split('\n').length}` : '';
    throw new MigrationError(`The migration ${name} failed${line} and was rolled back: ${message}`, { cause: error });
  }
}

/** pg-boss creates or upgrades its tables itself; the server's role may then use them and change no definition. */
async function createQueues(client: pg.Client, ownerUrl: string): Promise<void> {
  const boss = new PgBoss({ connectionString: ownerUrl, schema: jobSchema, supervise: false, schedule: false, max: 1 });
  boss.on('error', () => undefined); // start, createQueue and updateQueue reject with the same error
  await boss.start();
  try {
    for (const [name, { policy, ...settings }] of Object.entries(queues)) {
      await boss.createQueue(name, { policy, ...settings } as Parameters<typeof boss.createQueue>[1]);
      await boss.updateQueue(name, settings);
    }
  } finally {
    await boss.stop({ graceful: false });
  }
  await client.query(`
    GRANT USAGE ON SCHEMA ${jobSchema} TO meshgate_server;
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${jobSchema} TO meshgate_server;
    GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ${jobSchema} TO meshgate_server;
    GRANT SELECT ON "_prisma_migrations" TO meshgate_server`);
}
