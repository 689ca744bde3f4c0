import pg from 'pg';
import { verifyChain } from '../../src/events/verify.js';
import { parseGlobalId } from '../../src/governance/global-id.js';
import type { ProcessMesh } from './process-mesh.js';

interface EventRow {
  seq: string;
  id: string;
  type: string;
  subjectId: string;
  before: string | null;
  after: string | null;
  /** Of a grant's later end: the request that it was given by. */
  request: string | null;
}

/** The log: numbered without a gap, its chain whole, each event once, and each subject's steps one after the other to where it is now. */
export async function logProblems(mesh: ProcessMesh): Promise<string[]> {
  const events = await mesh.query<EventRow>(`
    SELECT "seq"::text, "id", "type", "subjectId", "data" #>> '{before,status}' AS before, "data" #>> '{after,status}' AS after,
      "data" ->> 'accessRequest' AS request FROM "Event" ORDER BY "Event"."seq"`);
  const status = await mesh.query<{ id: string; status: string }>(`
    SELECT "id", "status"::text FROM "AccessGrant" WHERE "status" <> 'PROVISIONING'
    UNION ALL SELECT "id", "status"::text FROM "AccessRequest" UNION ALL SELECT "id", "status"::text FROM "DataProduct"`);
  const problems: string[] = [];
  events.forEach(({ seq }, index) => {
    if (Number(seq) !== index + 1) problems.push(`the log has ${seq} in the place of ${index + 1}`);
  });
  if (new Set(events.map(({ id }) => id)).size < events.length) problems.push('an event is in the log twice');
  const reached = new Map<string, string>();
  for (const { seq, type, subjectId, before, after, request } of events) {
    // A later end that needs nobody's approval is told of the grant alone.
    if (type === 'AccessExtended' && request !== null) reached.set(parseGlobalId(request)!.id, 'APPROVED');
    if (after === null || before === after) continue;
    const last = reached.get(subjectId);
    // That a revoke began is told by no event of its own.
    if (last !== undefined && before !== last && before !== 'REVOKING')
      problems.push(`${seq} ${type} of ${subjectId} goes from ${before}, but ${last} was before`);
    if (last === 'REVOKED' || last === 'EXPIRED') problems.push(`${seq} ${type} of ${subjectId} comes after its end`);
    reached.set(subjectId, after);
  }
  for (const { id, status: is } of status) {
    if (reached.get(id) !== is && reached.has(id)) problems.push(`${id} is ${is}, but the log says ${reached.get(id)}`);
    if (!reached.has(id) && is !== 'DRAFT') problems.push(`${id} is ${is}, and the log does not say so`);
  }
  return [...problems, ...(await chainProblems(mesh))];
}

async function chainProblems(mesh: ProcessMesh): Promise<string[]> {
  const pool = new pg.Pool({ connectionString: mesh.ownerUrl, max: 1 });
  try {
    const verdict = await verifyChain(pool);
    return verdict.ok ? [] : [`the chain of the log breaks at ${verdict.firstBad}`];
  } finally {
    await pool.end();
  }
}
