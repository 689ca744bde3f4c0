import { until } from '../../src/demo/client.js';
import { logProblems } from './mesh-log.js';
import { differentObjects, type WantedRow } from './mesh-objects.js';
import { type Explain, type GrantRow, readGrants, wrongReads } from './mesh-reads.js';
import type { ProcessMesh } from './process-mesh.js';

interface ResourceRow extends WantedRow {
  id: string;
  desired: string;
  claims: number;
  released: number;
  /** Why it waits, and for how long. */
  waits: string | null;
}

/**
 * Everything in which Postgres, the event log, AWS, and where it is given Meshgate's own explanation do not say the same of a mesh that
 * has come to rest: nothing lost, nothing double, nothing left over. Empty: they agree.
 */
export async function disagreements(mesh: ProcessMesh, explain?: Explain): Promise<string[]> {
  const [grants, resources] = await Promise.all([readGrants(mesh), readResources(mesh)]);
  const found = await Promise.all([
    unsettledRows(grants, resources),
    lostClaims(mesh),
    differentObjects(mesh, resources),
    wrongReads(mesh, grants, explain),
    logProblems(mesh),
  ]);
  return found.flat();
}

/** Whether every grant and resource has come to rest. */
export async function isAtRest(mesh: ProcessMesh): Promise<boolean> {
  const [row] = await mesh.query<{ moving: number }>(`
    SELECT (SELECT count(*) FROM "Resource" WHERE "status" NOT IN ('READY', 'REMOVED', 'FAILED'))
      + (SELECT count(*) FROM "AccessGrant" WHERE "status" IN ('PROVISIONING', 'REVOKING'))
      + (SELECT count(*) FROM "DataProduct" WHERE "status" = 'PUBLISHING' OR ("previousAccessMode" IS NOT NULL AND "status" <> 'RETIRED'))
      + (SELECT count(*) FROM "EventPending") AS moving`);
  return Number(row?.moving) === 0;
}

/**
 * Has everything in AWS looked at again, as if a drift period were over, and what was removed be long removed: what changed out of band
 * is found now. Resolves once it was.
 */
export async function lookAgain(mesh: ProcessMesh, ms = 30_000): Promise<void> {
  const [{ now } = { now: '' }] = await mesh.query<{ now: string }>('SELECT clock_timestamp()::text AS now');
  await mesh.query(`UPDATE "Resource" SET "observedAt" = "observedAt" - interval '1 hour' WHERE "status" = 'REMOVED'`);
  await mesh.query(`UPDATE "Resource" SET "nextAttemptAt" = now() WHERE "status" = 'READY'`);
  const seen = async (): Promise<true | undefined> => {
    const old = await mesh.query(
      `SELECT 1 FROM "Resource" WHERE "status" = 'READY' AND "observedAt" < $1::timestamptz LIMIT 1`,
      [now],
    );
    return old.length === 0 && (await isAtRest(mesh)) ? true : undefined;
  };
  await until('all was looked at again', seen, ms);
}

const readResources = (mesh: ProcessMesh): Promise<ResourceRow[]> =>
  mesh.query<ResourceRow>(`
    SELECT r."id", r."kind", r."account", r."key", r."spec", r."desired"::text AS desired, r."status"::text AS status,
      concat_ws(' ', r."lastError" ->> 'code', r."lastError" ->> 'treatment', 'try', r."lastError" ->> 'tries', 'in',
        extract(epoch FROM r."nextAttemptAt" - clock_timestamp())::int, 's') AS waits,
      count(c."ownerId") FILTER (WHERE c."releasedAtGeneration" IS NULL)::int AS claims,
      count(c."releasedAtGeneration")::int AS released
    FROM "Resource" r LEFT JOIN "ResourceClaim" c ON c."resourceId" = r."id" GROUP BY r."id"`);

function unsettledRows(grants: GrantRow[], resources: ResourceRow[]): string[] {
  const moving = grants.filter(({ status }) => !['ACTIVE', 'REVOKED', 'EXPIRED'].includes(status));
  const wrong = resources.filter(
    ({ desired, status, claims, released }) =>
      released > 0 || (desired === 'PRESENT' ? status !== 'READY' || claims === 0 : status !== 'REMOVED' || claims > 0),
  );
  return [
    ...moving.map(({ id, status }) => `grant ${id} is ${status}`),
    ...wrong.map(
      ({ kind, key, desired, status, claims, released, waits }) =>
        `${kind} ${key} is ${desired} ${status} with ${claims} claims and ${released} released: ${waits}`,
    ),
  ];
}

/** Claims of grants that ended, and grants that claim nothing. */
async function lostClaims(mesh: ProcessMesh): Promise<string[]> {
  const rows = await mesh.query<{ id: string; status: string; claims: number }>(`
    SELECT g."id", g."status"::text AS status, count(c."resourceId")::int AS claims FROM "AccessGrant" g
    LEFT JOIN "ResourceClaim" c ON c."ownerType" = 'ACCESS_GRANT' AND c."ownerId" = g."id" GROUP BY g."id"
    HAVING (g."status" = 'ACTIVE') <> (count(c."resourceId") > 0)`);
  return rows.map(({ id, status, claims }) => `grant ${id} is ${status} with ${claims} claims`);
}
