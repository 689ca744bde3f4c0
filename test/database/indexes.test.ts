import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../testkit/database.js';

let database: TestDatabase;
let owner: pg.Client;
beforeAll(async () => {
  database = await createTestDatabase();
  owner = new pg.Client({ connectionString: database.ownerUrl });
  await owner.connect();
});
afterAll(async () => {
  await owner?.end();
  await database?.leave();
});

test('looking up what stands on a resource, and searching, goes through no list of what the index was given last', async () => {
  const { rows } = await owner.query<{ name: string; options: string[] | null }>(`
    SELECT class.relname AS name, class.reloptions AS options FROM pg_class class
    JOIN pg_am method ON method.oid = class.relam AND method.amname = 'gin'
    WHERE class.relname IN ('Resource_dependsOn_idx', 'DataProduct_search_idx')`);
  expect(rows).toHaveLength(2);
  for (const { name, options } of rows) expect([name, options]).toEqual([name, ['fastupdate=off']]);
});
