import type { PrismaClient } from '../generated/prisma/client.js';
import { IS_MISSING } from '../provisioning/drift.js';
import { desire } from '../provisioning/kinds.js';
import { type DesiredResource, resourceId } from '../provisioning/resource.js';
import type { Mesh } from './context.js';
import { inGovernance } from './desired-grants.js';

/** The event bus in the governance account that every domain needs; Meshgate makes it with the first one. */
export const centralBus = (mesh: Mesh): DesiredResource<'EventBus'> =>
  desire('EventBus', inGovernance(mesh), { name: mesh.centralBusName });

/**
 * Whether the central bus was there when it was last looked at: made, and not found missing since. PutEvents does not say so: AWS answers
 * success for a bus that is not there, and drops the events.
 */
export async function centralBusStands(db: PrismaClient, mesh: Mesh): Promise<boolean> {
  const [row] = await db.$queryRaw<{ stands: boolean }[]>`
    SELECT EXISTS (SELECT FROM "Resource" WHERE "id" = ${resourceId(centralBus(mesh))} AND "desired" = 'PRESENT' AND "status" = 'READY'
      AND NOT coalesce("drift" -> 'differences' ? ${IS_MISSING}, false)) AS stands`;
  return row?.stands ?? false;
}
