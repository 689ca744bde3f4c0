import { type ClaimOwner, Prisma } from '../generated/prisma/client.js';
import { ClaimConflict, declare } from '../provisioning/declare.js';
import type { LaneKey } from '../provisioning/lane.js';
import type { DesiredResource } from '../provisioning/resource.js';
import { conflict } from './error.js';
import type { Declarations } from './planned.js';
import type { Tx } from './transaction.js';

interface Owner {
  type: ClaimOwner;
  id: string;
}

/** Of resources named `resource`: whether access waits for it. Schemas and checks of quality in Glue are shown where they fail, and hold nobody up. */
export const isWaitedFor = Prisma.sql`resource."kind" NOT IN ('SchemaRegistry', 'SchemaRegistration', 'QualityRuleset')`;

/** A grant as the owner of claims. */
export const grantOwner = ({ id }: { id: string }) => ({ type: 'ACCESS_GRANT' as const, id });

/** A product as the owner of claims. */
export const productOwner = ({ id }: { id: string }) => ({ type: 'DATA_PRODUCT' as const, id });

interface Claims {
  owner: Owner;
  /** Everything that the owner needs; what he claimed before and is not here is released. */
  resources: DesiredResource[];
  correlationId: string;
  /** Gets what this declaration comes to. */
  declared?: Declarations | undefined;
}

/** Declares what an owner needs of AWS; a claim that contradicts another's is a CONFLICT. Returns the lanes to wake. */
export async function claim(tx: Tx, claims: Claims): Promise<LaneKey[]> {
  try {
    const { changedLanes, reckonings } = await declare(tx, claims);
    claims.declared?.push(reckonings);
    return changedLanes;
  } catch (error) {
    if (error instanceof ClaimConflict) throw conflict(error.message);
    throw error;
  }
}

/** Locks all that several owners claim, in order of identity, before their claims change one after another. */
export async function lockClaims(tx: Tx, owners: Owner[]): Promise<void> {
  const ids = owners.map(({ id }) => id);
  await tx.$queryRaw`
    SELECT 1 FROM "Resource" WHERE "id" IN (SELECT "resourceId" FROM "ResourceClaim" WHERE "ownerId" = ANY (${ids}::uuid[]))
    ORDER BY "id" FOR UPDATE`;
}
