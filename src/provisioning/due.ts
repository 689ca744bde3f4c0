import { Prisma, type PrismaClient } from '../generated/prisma/client.js';
import type { Kind, SpecOf } from './kinds.js';
import type { LaneKey } from './lane.js';
import type { ResourceRow } from './reckon.js';

/** Why a resource is not where it should be, as the API shows it. */
export interface LastError {
  code: string;
  message: string;
  awsRequestId: string | null;
  /** How it is treated; see ProviderError. WAITING: nothing is wrong, something else has to happen first. */
  treatment: 'RETRY' | 'OBSERVE' | 'PROPAGATION' | 'PERMANENT' | 'WAITING';
  /** Tries in a row that ended with this treatment. */
  tries: number;
  /** The resource had been READY and was changed out of band; READY again means repaired. */
  drifted?: boolean;
  /** Somebody asked for another look: whatever then differs is repaired, whatever the policy says. */
  asked?: boolean;
}

/** A row that a lane run works on. */
export interface DueRow extends ResourceRow {
  attempts: number;
  observedGeneration: number;
  observed: Record<string, unknown> | null;
  lastError: LastError | null;
  /** We made it, may have made it, or saw it as it must be. */
  ours: boolean;
  correlationId: string;
  /** All that was sent since AWS was last seen to agree; null: nothing, or it was seen. A listing may be older than it. */
  unconfirmedSpec: SpecOf<Kind> | null;
  /** Milliseconds since the last send of it, and since AWS accepted that all of it is taken away. */
  unconfirmedForMs: number | null;
  takenAwayForMs: number | null;
  /** To be taken away once before it is given anew. */
  reissue: boolean;
  reissuedAt: Date | null;
  /** Something is taken away from somebody: this never ends as FAILED. */
  revoking: boolean;
}

/** Something was taken away that AWS does not yet agree with: by a claim's release, or by one that now asks for less. */
const revoking = Prisma.sql`(r."desired" = 'ABSENT' OR coalesce(r."narrowedAtGeneration" > r."observedGeneration", false) OR EXISTS (
  SELECT 1 FROM "ResourceClaim" c WHERE c."resourceId" = r."id" AND c."releasedAtGeneration" > r."observedGeneration"))`;

/** REMOVED rests for good, FAILED until it is retried; READY is due when its drift period is over. */
const unfinished = Prisma.sql`r."status" NOT IN ('REMOVED', 'FAILED')`;

/**
 * What must be so before a row's turn comes. Wanted rows wait for everything wanted that they stand on. Unwanted rows wait, within
 * their lane, for unwanted rows that stand on them: across lanes no removal waits. What takes access away waits for nothing above it.
 */
const hasItsTurn = Prisma.sql`CASE
  WHEN r."status" = 'READY' THEN true
  WHEN r."desired" = 'ABSENT' THEN NOT EXISTS (
    SELECT 1 FROM "Resource" above WHERE above."dependsOn" @> ARRAY[r."id"] AND above."account" = r."account"
      AND above."region" = r."region" AND above."desired" = 'ABSENT' AND above."status" <> 'REMOVED')
  ELSE NOT EXISTS (
    SELECT 1 FROM "Resource" below WHERE below."id" = ANY (r."dependsOn") AND below."desired" = 'PRESENT'
      AND below."status" <> 'READY') OR ${revoking}
END`;

/** Timestamps are kept to the millisecond and rounded, so one written as now may lie a little ahead. */
const isDue = Prisma.sql`r."nextAttemptAt" <= clock_timestamp() + interval '1 millisecond'`;

/** What a lane run reads of a row. */
const dueColumns = Prisma.sql`r."id", r."kind", r."account", r."region", r."key", r."spec", r."desired", r."generation", r."status",
  r."attempts", r."observedGeneration", r."observed", r."lastError", r."drift", r."correlationId", r."unconfirmedSpec", r."reissue",
  r."reissuedAt", r."ours" OR r."unconfirmedSpec" IS NOT NULL AS "ours",
  (extract(epoch FROM clock_timestamp() - r."unconfirmedAt") * 1000)::float8 AS "unconfirmedForMs",
  (extract(epoch FROM clock_timestamp() - r."takenAwayAt") * 1000)::float8 AS "takenAwayForMs", ${revoking} AS "revoking"`;

/** The rows of a lane whose turn it is: revokes first, drift last, and within a kind by what they are on, as listings are shared. */
export function dueRows(db: PrismaClient, lane: LaneKey, limit: number): Promise<DueRow[]> {
  return db.$queryRaw<DueRow[]>`
    SELECT ${dueColumns}
    FROM "Resource" r
    WHERE r."account" = ${lane.account} AND r."region" = ${lane.region} AND ${unfinished} AND ${isDue} AND ${hasItsTurn}
    ORDER BY r."status" = 'READY', "revoking" DESC, r."kind", r."spec" ->> 'resource', r."id"
    LIMIT ${limit}`;
}

/** Every READY grant of a lane, due or not: what a listing of the whole account is held against. */
export function standingGrants(db: PrismaClient, lane: LaneKey): Promise<DueRow[]> {
  return db.$queryRaw<DueRow[]>`
    SELECT ${dueColumns} FROM "Resource" r
    WHERE r."account" = ${lane.account} AND r."region" = ${lane.region} AND r."kind" = 'LfGrant' AND r."status" = 'READY'
    ORDER BY r."id"`;
}

/** Lanes with due rows that nobody holds: what the sweep wakes. */
export function dueLanes(db: PrismaClient): Promise<LaneKey[]> {
  return db.$queryRaw<LaneKey[]>`
    SELECT DISTINCT r."account", r."region" FROM "Resource" r
    WHERE ${unfinished} AND ${isDue} AND ${hasItsTurn} AND NOT EXISTS (
      SELECT 1 FROM "Lane" l
      WHERE l."account" = r."account" AND l."region" = r."region" AND l."leaseUntil" > clock_timestamp())`;
}

/** Milliseconds until the lane's next row falls due (0: one is due), null where none does within `horizonMs`. */
export async function msUntilDue(db: PrismaClient, lane: LaneKey, horizonMs: number): Promise<number | null> {
  const [next] = await db.$queryRaw<{ ms: number | null }[]>`
    SELECT (extract(epoch FROM min(r."nextAttemptAt") - clock_timestamp()) * 1000)::float8 AS ms
    FROM "Resource" r
    WHERE r."account" = ${lane.account} AND r."region" = ${lane.region} AND ${unfinished} AND ${hasItsTurn}
      AND r."nextAttemptAt" <= clock_timestamp() + ${horizonMs} * interval '1 millisecond'`;
  // Not greatest(0, ...) in SQL: that passes over NULL, and a lane with nothing due would be looked at without end.
  return typeof next?.ms === 'number' ? Math.max(0, next.ms) : null;
}
