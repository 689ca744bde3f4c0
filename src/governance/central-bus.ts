import { PUBLISHER } from '../events/read.js';
import type { Prisma, PrismaClient } from '../generated/prisma/client.js';
import { IS_MISSING } from '../provisioning/drift.js';
import { desire } from '../provisioning/kinds.js';
import type { Standing } from '../provisioning/record.js';
import { type DesiredResource, resourceId } from '../provisioning/resource.js';
import type { Mesh } from './context.js';
import { inGovernance } from './desired-grants.js';

/** The event bus in the governance account that every domain needs; Meshgate makes it with the first one. */
export const centralBus = (mesh: Mesh): DesiredResource<'EventBus'> =>
  desire('EventBus', inGovernance(mesh), { name: mesh.centralBusName });

/**
 * Whether the central bus was there when it was last looked at: made, and not found missing since. PutEvents does not say so: AWS answers
 * success for a bus that is not there, and drops the events. A bus that was lost passes nothing on before what stands on it (rules, policies)
 * was made anew too; that is waited for, two minutes at most.
 */
export async function centralBusStands(db: PrismaClient, mesh: Mesh): Promise<boolean> {
  const bus = resourceId(centralBus(mesh));
  const [row] = await db.$queryRaw<{ stands: boolean }[]>`
    SELECT EXISTS (SELECT FROM "Resource" WHERE "id" = ${bus} AND "desired" = 'PRESENT' AND "status" = 'READY'
      AND NOT coalesce("drift" -> 'differences' ? ${IS_MISSING}, false))
      AND NOT EXISTS (SELECT FROM "EventCursor" c, "Resource" above WHERE c."reader" = ${PUBLISHER}
        AND c."setBackAt" > now() - interval '2 minutes' AND above."dependsOn" @> ARRAY[${bus}] AND above."desired" = 'PRESENT'
        AND above."status" IN ('PENDING', 'APPLYING')) AS stands`;
  return row?.stands ?? false;
}

/**
 * Has all sent again that may have been put on the central bus while nobody knew that it was missing; answers where that begins, null where
 * nothing is. Whenever AWS is seen to have the bus, the publisher's place is noted: a look begins after the record of the one before it, so
 * once the bus was seen, all up to the place noted before had been put on a bus that stood. Bounded by what the log still holds.
 */
export async function followCentralBus(
  tx: Prisma.TransactionClient,
  mesh: Mesh,
  standing: Standing[],
): Promise<{ after: bigint; upTo: bigint } | null> {
  const id = resourceId(centralBus(mesh));
  const bus = standing.find((one) => one.id === id);
  if (!bus) return null;
  if (!bus.anew) {
    await tx.$executeRaw`UPDATE "EventCursor" SET "arrivedSeq" = coalesce("seqWhenSeen", "seq"), "seqWhenSeen" = "seq" WHERE "reader" = ${PUBLISHER}`;
    return null;
  }
  const [row] = await tx.$queryRaw<{ after: bigint; upTo: bigint }[]>`
    UPDATE "EventCursor" c SET "seq" = back."to", "seqWhenSeen" = back."to", "setBacks" = c."setBacks" + 1, "setBackAt" = now(), "updatedAt" = now()
    FROM (SELECT "reader", "seq", least("seq", greatest(coalesce("arrivedSeq", "seq"),
        coalesce((SELECT min("seq") - 1 FROM "Event"), "seq"))) AS "to"
      FROM "EventCursor" WHERE "reader" = ${PUBLISHER} FOR NO KEY UPDATE) back
    WHERE c."reader" = back."reader" RETURNING back."to" AS "after", back."seq" AS "upTo"`;
  return row && row.after < row.upTo ? row : null;
}
