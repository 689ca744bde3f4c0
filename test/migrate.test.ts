import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openJobs } from '../src/server/jobs.js';
import { createLog } from '../src/server/log.js';
import { migrate, pendingMigrations } from '../src/server/migrate.js';
import { createEmptyDatabase, createTestDatabase, type TestDatabase } from './testkit/database.js';

const log = createLog({ level: 'silent' });
const scratch = mkdtempSync(join(tmpdir(), 'meshgate-migrations-'));
let database: TestDatabase;

beforeAll(async () => {
  database = await createEmptyDatabase();
});
afterAll(async () => {
  await database.leave();
  rmSync(scratch, { recursive: true });
});

async function query<R extends pg.QueryResultRow>(url: string, sql: string): Promise<R[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<R>(sql)).rows;
  } finally {
    await client.end();
  }
}

describe('migrations', () => {
  it('are applied once, by whichever of several processes comes first', async () => {
    const applied = await Promise.all([1, 2, 3].map(() => migrate(database.ownerUrl, log)));
    expect(applied.filter((names) => names.length > 0)).toHaveLength(1);
    expect(await migrate(database.ownerUrl, log)).toEqual([]);
  });

  it('leave the rows that the Prisma CLI would have written', async () => {
    const rows = await query<{ migration_name: string; checksum: string; done: boolean; applied_steps_count: number }>(
      database.ownerUrl,
      `SELECT migration_name, checksum, applied_steps_count, finished_at >= started_at AS done FROM _prisma_migrations ORDER BY 1`,
    );
    expect(rows.length).toBeGreaterThanOrEqual(2);
    expect(rows[0]?.migration_name).toMatch(/_init$/);
    for (const row of rows) {
      expect(row.checksum).toMatch(/^[0-9a-f]{64}$/);
      expect(row).toMatchObject({ done: true, applied_steps_count: 1 });
    }
  });

  it('refuse a migration that was edited after it was applied, naming it', async () => {
    const folder = join(scratch, 'edited');
    cpSync('prisma/migrations', folder, { recursive: true });
    const [first] = await query<{ migration_name: string }>(
      database.ownerUrl,
      'SELECT migration_name FROM _prisma_migrations ORDER BY 1 LIMIT 1',
    );
    const file = join(folder, first?.migration_name ?? '', 'migration.sql');
    writeFileSync(file, `${readFileSync(file, 'utf8')}-- later thought\n`);
    await expect(migrate(database.ownerUrl, log, folder)).rejects.toThrow(
      `The migration ${first?.migration_name} was edited after it was applied`,
    );
  });

  it('roll back a migration that fails, and say in which line', async () => {
    const folder = join(scratch, 'failing');
    cpSync('prisma/migrations', folder, { recursive: true });
    mkdirSync(join(folder, '99990101000000_wrong'));
    writeFileSync(
      join(folder, '99990101000000_wrong/migration.sql'),
      'CREATE TABLE half (id int);\nSELECT nonsense;\n',
    );
    await expect(migrate(database.ownerUrl, log, folder)).rejects.toThrow(
      /99990101000000_wrong failed in line 2.*nonsense/,
    );
    expect(await query(database.ownerUrl, `SELECT 1 WHERE to_regclass('half') IS NOT NULL`)).toEqual([]);
    const pool = new pg.Pool({ connectionString: database.serverUrl });
    expect(await pendingMigrations(pool, folder)).toEqual(['99990101000000_wrong']);
    expect(await pendingMigrations(pool)).toEqual([]);
    await pool.end();
  });

  it('refuse a database that a newer version has migrated', async () => {
    const folder = join(scratch, 'older');
    cpSync('prisma/migrations', folder, { recursive: true });
    const [last] = await query<{ migration_name: string }>(
      database.ownerUrl,
      'SELECT migration_name FROM _prisma_migrations ORDER BY 1 DESC LIMIT 1',
    );
    rmSync(join(folder, last?.migration_name ?? ''), { recursive: true });
    await expect(migrate(database.ownerUrl, log, folder)).rejects.toThrow('migrated by a newer version');
  });
});

describe("the server's role", () => {
  it('can neither change the log nor any table', async () => {
    const attempts = [
      'DELETE FROM "Event"',
      'DROP TABLE "Domain"',
      'DELETE FROM "EventPending"',
      'CREATE TABLE mine (id int)',
    ];
    for (const sql of attempts) {
      await expect(query(database.serverUrl, sql), sql).rejects.toThrow(/permission denied|must be owner/);
    }
  });

  it('can wake a lane and run it', async () => {
    const clone = await createTestDatabase();
    const jobs = await openJobs({ serverUrl: clone.serverUrl, log });
    const woken = new Promise((done) => {
      void jobs.runLanes(async (lane) => done(lane), 2);
    });
    await jobs.wakeLane({ account: '111122223333', region: 'eu-central-1' });
    expect(await woken).toEqual({ account: '111122223333', region: 'eu-central-1' });
    await jobs.close(1);
    await clone.leave();
  });
});
