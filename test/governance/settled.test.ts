import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { unsettledOwners } from '../../src/governance/settled.js';
import { MESH, openMesh, type TestMesh } from './mesh.js';

let mesh: TestMesh;
beforeAll(async () => {
  mesh = await openMesh();
});
afterAll(() => mesh.close());

test('of more unsettled owners than one sweep takes, none waits for the others for ever', async () => {
  const { pool, prisma } = mesh.database;
  const resource = randomUUID();
  await pool.query(
    `INSERT INTO "Resource" ("id", "kind", "account", "region", "key", "spec", "dependsOn", "status", "correlationId", "updatedAt")
     VALUES ($1, 'EventBus', '111111111111', 'eu-west-1', 'bus', '{}', '{}', 'READY', 'c', now())`,
    [resource],
  );
  await pool.query(
    `WITH claimed AS (
       INSERT INTO "ResourceClaim" ("resourceId", "ownerType", "ownerId", "spec")
       SELECT $1, 'DOMAIN', gen_random_uuid(), '{}' FROM generate_series(1, 600) RETURNING "ownerId"
     )
     INSERT INTO "Domain" ("id", "name", "displayName", "awsAccountId", "awsRegion", "roleArn", "externalId", "dataLocation",
       "eventBusName", "status", "updatedAt")
     SELECT "ownerId", 'd-' || n, 'd', lpad(n::text, 12, '0'), 'eu-west-1',
       'arn:aws:iam::' || lpad(n::text, 12, '0') || ':role/meshgate', 'x' || n, 's3://b/' || n, 'bus', 'REGISTERING', now()
     FROM (SELECT "ownerId", row_number() OVER () AS n FROM claimed) numbered`,
    [resource],
  );
  const found = new Set<string>();
  for (let sweep = 0; sweep < 30; sweep++) {
    const owners = await unsettledOwners(MESH, prisma);
    expect(owners).toHaveLength(500);
    for (const { id } of owners) found.add(id);
  }
  expect(found.size).toBe(600);
});
