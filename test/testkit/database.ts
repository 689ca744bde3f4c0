import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';
import { assertEventsAreAsDefined } from './event-schemas.js';

/** A database of one test file's own, fully migrated. */
export interface TestDatabase {
  name: string;
  ownerUrl: string;
  serverUrl: string;
  /**
   * Cuts the connections that are still open; throws where an event in it is not as its type is defined. It stays until the run's Postgres
   * goes: a file system that is deleting many files takes long to make new ones.
   */
  leave(): Promise<void>;
}

/** Clones the migrated database, or another that nobody is connected to (about 50 ms). `madeUp`: its events say what the test likes, and nobody minds. */
export async function createTestDatabase({ madeUp = false, from = 'meshgate' } = {}): Promise<TestDatabase> {
  const database = await createDatabase(from);
  if (madeUp) return database;
  return {
    ...database,
    leave: () => assertEventsAreAsDefined(database.ownerUrl).finally(database.leave),
  };
}

/** An empty database, owned by the owner role, for tests of the migrations themselves. */
export async function createEmptyDatabase(): Promise<TestDatabase> {
  return createDatabase('template0');
}

/** Changes rows in the name of Meshgate itself, which row-level security takes from no other nameless connection. */
export async function changeAsSystem(pool: pg.Pool, text: string, values: unknown[] = []): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query(`BEGIN; SET LOCAL meshgate.authority = 'SYSTEM'`);
    await client.query(text, values);
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  } finally {
    client.release();
  }
}

/** Changes rows of requests and grants past every rule, as only the owner may: what time would have brought about, for one. */
export async function changeAsOwner(ownerUrl: string, text: string, values: unknown[] = []): Promise<void> {
  const client = new pg.Client({ connectionString: ownerUrl });
  await client.connect();
  try {
    await client.query(`BEGIN; ALTER TABLE "AccessRequest" DISABLE TRIGGER USER`);
    await client.query(text, values);
    await client.query(`ALTER TABLE "AccessRequest" ENABLE TRIGGER USER; COMMIT`);
  } finally {
    await client.end();
  }
}

async function createDatabase(template: string): Promise<TestDatabase> {
  const name = `test_${randomBytes(8).toString('hex')}`;
  await withAdmin((client) => client.query(`CREATE DATABASE ${name} TEMPLATE ${template} OWNER meshgate_owner`));
  const renamed = (url: string): string => url.replace(/\/meshgate$/, `/${name}`);
  return {
    name,
    ownerUrl: renamed(inject('postgresOwnerUrl')),
    serverUrl: renamed(inject('postgresServerUrl')),
    leave: () =>
      withAdmin(async (client) => {
        await client.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [name]);
      }),
  };
}

/** Runs it while no other process of the run runs what has the same name. */
export async function oneAtATime<T>(name: string, work: () => Promise<T>): Promise<T> {
  return withAdmin(async (client) => {
    await client.query('SELECT pg_advisory_lock(hashtext($1))', [name]);
    return work();
  });
}

async function withAdmin<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: inject('postgresAdminUrl') });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
