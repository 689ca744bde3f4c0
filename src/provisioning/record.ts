import { SYSTEM_ACTOR } from '../events/types.js';
import { Prisma, type PrismaClient } from '../generated/prisma/client.js';
import { BEING_REPAIRED, IS_MISSING } from './drift.js';
import type { DueRow } from './due.js';
import type { Kind, SpecOf } from './kinds.js';
import { type LaneKey, type Lease, underFence } from './lane.js';
import { united } from './merge.js';
import type { Owner } from './reckon.js';
import { type AboutResource, announceResource } from './resource-event.js';
import type { Verdict } from './verdict.js';

type Tx = Prisma.TransactionClient;

/** What followed from recording: owners to settle and lanes to wake. */
export interface Recorded {
  owners: Owner[];
  dependents: LaneKey[];
}

/** That AWS agrees with a resource: `anew` where its object was made or changed since it last did, or had been missing meanwhile. */
export interface Standing {
  id: string;
  anew: boolean;
}

/** What others keep of resources, written in the same transaction. */
export type KeepStanding = (tx: Tx, standing: Standing[]) => Promise<void>;

/**
 * Marks rows as in flight before their call; what a wanted row asks for counts as unconfirmed until AWS is seen to agree. Returns
 * those that still are what was read; a newer generation waits for the next pass.
 */
export async function markInFlight(db: PrismaClient, lease: Lease, rows: DueRow[]): Promise<DueRow[]> {
  const values = JSON.stringify(rows.map((row) => ({ id: row.id, generation: row.generation, sent: sentSince(row) })));
  const marked = await underFence(
    db,
    lease,
    (tx) => tx.$queryRaw<{ id: string }[]>`
      UPDATE "Resource" r
      SET "status" = CASE WHEN r."status" = 'STUCK' THEN r."status" WHEN r."desired" = 'PRESENT' THEN 'APPLYING' ELSE 'REMOVING' END
            ::"ResourceStatus", "updatedAt" = now(),
        "unconfirmedSpec" = CASE WHEN r."desired" = 'PRESENT' THEN locked."sent" ELSE r."unconfirmedSpec" END,
        "unconfirmedAt" = CASE WHEN r."desired" = 'PRESENT' THEN clock_timestamp() ELSE r."unconfirmedAt" END,
        "takenAwayAt" = CASE WHEN r."desired" = 'PRESENT' THEN NULL ELSE r."takenAwayAt" END
      FROM (
        SELECT r."id", due."sent" FROM "Resource" r
        JOIN jsonb_to_recordset(${values}::jsonb) AS due("id" text, "generation" int, "sent" jsonb) USING ("id")
        WHERE r."generation" = due."generation" ORDER BY r."id" FOR UPDATE OF r
      ) locked
      WHERE r."id" = locked."id"
      RETURNING r."id"`,
  );
  const ids = new Set(marked.map(({ id }) => id));
  return rows.filter((row) => ids.has(row.id));
}

/** What may have reached AWS once the row's spec was sent too. */
export function sentSince({
  kind,
  spec,
  unconfirmedSpec,
}: Pick<DueRow, 'kind' | 'spec' | 'unconfirmedSpec'>): SpecOf<Kind> {
  return unconfirmedSpec === null ? spec : united(kind, unconfirmedSpec, spec);
}

interface Records {
  verdicts: Verdict[];
  aboutResource: AboutResource;
  /** What was seen counts for twice as long. */
  driftPeriodMs: number;
  keepStanding: KeepStanding;
}

/**
 * Records verdicts under the fence, with their events, in one transaction; a row whose generation moved on is left as `declare` put
 * it. Claims that AWS now agrees to be gone are deleted. Owners are settled afterwards, by the caller, each in a transaction of its
 * own: they are locked before resources, and a crash in between is healed by the sweep.
 */
export async function record(
  db: PrismaClient,
  lease: Lease,
  { verdicts, aboutResource, driftPeriodMs, keepStanding }: Records,
): Promise<Recorded> {
  return underFence(db, lease, async (tx) => {
    const changes = verdicts.filter(replaced).map(({ row }) => row.id);
    const reissuers = verdicts.filter(({ reissue }) => reissue).map(({ row }) => row.id);
    await lockRows(tx, { ids: verdicts.map(({ row }) => row.id), changes, reissuers });
    const written = new Set(await writeVerdicts(tx, verdicts, driftPeriodMs));
    const kept = verdicts.filter(({ row }) => written.has(row.id));
    const changed = kept.filter(({ row, status }) => status !== 'PENDING' && status !== row.status);
    const owners = changed.length > 0 ? await settleClaims(tx, changed) : [];
    await doubtAbove(
      tx,
      changes.filter((id) => written.has(id)),
    );
    const dependents = await lanesAbove(
      tx,
      lease,
      changed.filter(({ status }) => status === 'READY'),
    );
    const reissued = await reissueBelow(
      tx,
      reissuers.filter((id) => written.has(id)),
    );
    await keepStanding(tx, kept.filter(({ status, agrees }) => agrees && status === 'READY').map(standingOf));
    for (const { row, event } of kept) {
      if (!event) continue;
      const { correlationId } = row;
      await announceResource(tx, aboutResource, { ...event, resource: row, actor: SYSTEM_ACTOR, correlationId });
    }
    return { owners, dependents: [...dependents, ...reissued] };
  });
}

/**
 * An object that had stood before was changed, or may have been: by this run, or by a call whose end nobody saw. What stands on it
 * may have gone with it: a grant that is made anew travels in a new share, which has to be accepted anew.
 */
function replaced({ row, status, sent }: Verdict): boolean {
  const touched = sent || row.status === 'APPLYING' || row.lastError !== null;
  return status === 'READY' && row.status !== 'READY' && row.observedGeneration > 0 && touched;
}

const standingOf = (verdict: Verdict): Standing => ({
  id: verdict.row.id,
  anew: replaced(verdict) || (verdict.row.drift?.differences.includes(IS_MISSING) ?? false),
});

/** All rows that the transaction will write, in order of identity. */
async function lockRows(
  tx: Tx,
  { ids, changes, reissuers }: { ids: string[]; changes: string[]; reissuers: string[] },
): Promise<void> {
  await tx.$queryRaw`
    SELECT 1 FROM "Resource" WHERE "id" = ANY (${ids}::text[]) OR ${standsOn(changes)}
      OR "id" IN (SELECT unnest("dependsOn") FROM "Resource" WHERE "id" = ANY (${reissuers}::text[]))
    ORDER BY "id" FOR UPDATE`;
}

/** Marks the grants below as to be taken away and given anew; the lanes in which they are. */
async function reissueBelow(tx: Tx, reissuers: string[]): Promise<LaneKey[]> {
  if (reissuers.length === 0) return [];
  return tx.$queryRaw<LaneKey[]>`
    UPDATE "Resource" SET "reissue" = true, "generation" = "generation" + 1, "attempts" = 0, "lastError" = NULL,
      "nextAttemptAt" = now(), "updatedAt" = now(), "status" = CASE WHEN "status" = 'STUCK' THEN "status" ELSE 'PENDING' END
    WHERE "id" IN (SELECT unnest("dependsOn") FROM "Resource" WHERE "id" = ANY (${reissuers}::text[]))
      AND "kind" = 'LfGrant' AND "desired" = 'PRESENT'
    RETURNING "account", "region"`;
}

/**
 * Rows that stand on a changed object have to be observed anew; the new generation voids what a worker saw of them before. One that
 * had FAILED may have done so for what was changed now: it is tried anew, with all its tries. What had drifted still counts as such.
 * What was told and left alone stays so, but for a share: it was replaced together with its grant. A crawl that has succeeded is over.
 */
async function doubtAbove(tx: Tx, changes: string[]): Promise<void> {
  if (changes.length === 0) return;
  await tx.$executeRaw`
    UPDATE "Resource" SET "generation" = "generation" + 1, "nextAttemptAt" = now(), "updatedAt" = now(), "attempts" = 0,
      "lastError" = CASE WHEN "kind" = 'ShareAcceptance' AND "drift" IS NOT NULL THEN ${BEING_REPAIRED}
        WHEN "lastError" -> 'drifted' IS NOT NULL THEN jsonb_set("lastError", '{tries}', '0') END,
      "drift" = CASE WHEN "kind" <> 'ShareAcceptance' THEN "drift" END,
      "status" = CASE WHEN "status" = 'STUCK' THEN "status" ELSE 'PENDING' END
    WHERE ${standsOn(changes)} AND "desired" = 'PRESENT' AND NOT ("kind" = 'CrawlerRun' AND "status" = 'READY')`;
}

/** What stands on changed objects, and on a share of theirs: a grant to an account that is made anew cuts what the account had granted on. */
const standsOn = (
  changes: string[],
): Prisma.Sql => Prisma.sql`("dependsOn" && ${changes}::text[] OR "dependsOn" && ARRAY(
  SELECT share."id" FROM "Resource" share WHERE share."kind" = 'ShareAcceptance' AND share."dependsOn" && ${changes}::text[]))`;

async function writeVerdicts(tx: Tx, verdicts: Verdict[], driftPeriodMs: number): Promise<string[]> {
  const values = JSON.stringify(
    verdicts.map(({ row, event: _, drift, ...verdict }) => ({
      ...verdict,
      id: row.id,
      generation: row.generation,
      drift,
      keepsDrift: drift === undefined,
      seen: verdict.agrees || verdict.observed !== null,
      confirmed: (verdict.agrees && !verdict.keepsUnconfirmed) || verdict.untouched === true,
      unhealthy: isUnhealthy({ ...verdict, drift: drift === undefined ? row.drift : drift }),
    })),
  );
  const written = await tx.$queryRaw<{ id: string }[]>`
    UPDATE "Resource" r
    SET "status" = verdict."status"::"ResourceStatus", "attempts" = verdict."attempts", "lastError" = verdict."lastError",
      "nextAttemptAt" = clock_timestamp() + verdict."delayMs" * interval '1 millisecond',
      "observedGeneration" = CASE WHEN verdict."agrees" THEN r."generation" WHEN verdict."narrows" THEN r."generation" - 1
        ELSE r."observedGeneration" END,
      "narrowedAtGeneration" = CASE WHEN verdict."narrows" THEN r."generation" ELSE r."narrowedAtGeneration" END,
      "observed" = coalesce(verdict."observed", r."observed"),
      "observedAt" = CASE WHEN verdict."seen" THEN clock_timestamp() ELSE r."observedAt" END,
      "freshUntil" = CASE WHEN verdict."seen" THEN clock_timestamp() + ${2 * driftPeriodMs} * interval '1 millisecond'
        ELSE r."freshUntil" END,
      "ours" = CASE WHEN verdict."agrees" THEN r."desired" = 'PRESENT' ELSE r."ours" OR verdict."sent" END,
      "drift" = CASE WHEN verdict."keepsDrift" THEN r."drift" ELSE verdict."drift" END,
      "unhealthySince" = CASE WHEN verdict."unhealthy" THEN coalesce(r."unhealthySince", clock_timestamp())
        WHEN verdict."agrees" THEN NULL ELSE r."unhealthySince" END,
      "unconfirmedSpec" = CASE WHEN verdict."confirmed" THEN NULL ELSE r."unconfirmedSpec" END,
      "unconfirmedAt" = CASE WHEN verdict."confirmed" THEN NULL ELSE r."unconfirmedAt" END,
      "takenAwayAt" = CASE WHEN verdict."agrees" THEN NULL WHEN verdict."takenAway" THEN clock_timestamp()
        ELSE r."takenAwayAt" END,
      "reissue" = r."reissue" AND NOT (verdict."sent" OR verdict."agrees" OR verdict."status" = 'FAILED'),
      "reissuedAt" = CASE WHEN verdict."agrees" THEN NULL WHEN verdict."reissue" THEN clock_timestamp()
        ELSE r."reissuedAt" END,
      "updatedAt" = now()
    FROM jsonb_to_recordset(${values}::jsonb) AS verdict("id" text, "generation" int, "status" text, "attempts" int,
      "delayMs" float8, "lastError" jsonb, "observed" jsonb, "sent" boolean, "agrees" boolean, "takenAway" boolean,
      "reissue" boolean, "narrows" boolean, "seen" boolean, "confirmed" boolean, "drift" jsonb, "keepsDrift" boolean,
      "unhealthy" boolean)
    WHERE r."id" = verdict."id" AND r."generation" = verdict."generation"
    RETURNING r."id"`;
  return written.map(({ id }) => id);
}

/** It does not agree although it had, or cannot be made to agree. */
function isUnhealthy({ status, lastError, drift }: Pick<Verdict, 'status' | 'lastError' | 'drift'>): boolean {
  return status === 'FAILED' || status === 'STUCK' || Boolean(drift) || lastError?.drifted === true;
}

/** Every owner of the changed rows, those included whose released claims end here. One statement: the select sees them before they go. */
async function settleClaims(tx: Tx, changed: Verdict[]): Promise<Owner[]> {
  const ids = changed.map(({ row }) => row.id);
  return tx.$queryRaw<Owner[]>`
    WITH gone AS (
      DELETE FROM "ResourceClaim" c USING "Resource" r
      WHERE r."id" = c."resourceId" AND c."resourceId" = ANY (${ids}::text[]) AND r."status" IN ('READY', 'REMOVED')
        AND c."releasedAtGeneration" <= r."observedGeneration"
    )
    SELECT DISTINCT "ownerType" AS "type", "ownerId"::text AS "id" FROM "ResourceClaim" WHERE "resourceId" = ANY (${ids}::text[])
    ORDER BY 1, 2`;
}

/** Other lanes in which something stands on what became READY; the run's own looks again by itself. */
async function lanesAbove(tx: Tx, lease: Lease, ready: Verdict[]): Promise<LaneKey[]> {
  if (ready.length === 0) return [];
  return tx.$queryRaw<LaneKey[]>`
    SELECT DISTINCT "account", "region" FROM "Resource"
    WHERE "dependsOn" && ${ready.map(({ row }) => row.id)}::text[] AND "status" NOT IN ('REMOVED', 'FAILED')
      AND NOT ("account" = ${lease.account} AND "region" = ${lease.region})`;
}

/**
 * For a worker that finds its fence lost with calls in flight: what they did is unknown, so the rows are due for observation, also
 * one that another worker found REMOVED. Not under the fence, but it records nothing; the new generation voids what the present
 * holder saw before.
 */
export async function observeAgain(db: PrismaClient, rows: DueRow[]): Promise<void> {
  if (rows.length === 0) return;
  const flown = new Map(rows.map((row) => [row.id, row]));
  await db.$transaction(async (tx) => {
    const present = await tx.$queryRaw<Pick<DueRow, 'id' | 'kind' | 'unconfirmedSpec'>[]>`
      SELECT "id", "kind", "unconfirmedSpec" FROM "Resource" WHERE "id" = ANY (${[...flown.keys()]}::text[])
      ORDER BY "id" FOR UPDATE`;
    const sent = present.map(({ id, kind, unconfirmedSpec }) => {
      const row = flown.get(id)!;
      if (row.desired === 'ABSENT') return { id, sent: null };
      return { id, sent: sentSince({ kind, spec: sentSince(row), unconfirmedSpec }) };
    });
    await tx.$executeRaw`
      UPDATE "Resource" r
      SET "generation" = r."generation" + 1, "nextAttemptAt" = now(), "updatedAt" = now(),
        "status" = CASE WHEN r."status" = 'STUCK' THEN r."status" ELSE 'PENDING' END,
        "unconfirmedSpec" = coalesce(flown."sent", r."unconfirmedSpec"),
        "unconfirmedAt" = CASE WHEN flown."sent" IS NULL THEN r."unconfirmedAt" ELSE clock_timestamp() END,
        "takenAwayAt" = CASE WHEN flown."sent" IS NULL THEN r."takenAwayAt" END
      FROM jsonb_to_recordset(${JSON.stringify(sent)}::jsonb) AS flown("id" text, "sent" jsonb)
      WHERE r."id" = flown."id"`;
  });
}

/**
 * AWS answered everything that was asked last: rows of the lane that were put off because it did not answer are due now, as the outage
 * that their backoff was for is over. What fails once more begins with a short backoff again. Returns how many.
 */
export function endBackoff(db: PrismaClient, lease: Lease): Promise<number> {
  return underFence(
    db,
    lease,
    (tx) => tx.$executeRaw`
      UPDATE "Resource" r SET "nextAttemptAt" = now(), "updatedAt" = now(),
        "lastError" = jsonb_set(r."lastError", '{tries}', '0')
      FROM (
        SELECT "id" FROM "Resource"
        WHERE "account" = ${lease.account} AND "region" = ${lease.region} AND "status" IN ('PENDING', 'STUCK', 'READY')
          AND "lastError" ->> 'treatment' IN ('RETRY', 'OBSERVE') AND "nextAttemptAt" > now()
        ORDER BY "id" FOR UPDATE
      ) locked
      WHERE r."id" = locked."id"`,
  );
}

/** The account cannot be opened: nothing of the lane is due before the next try, `delayMs` from now. */
export async function postponeLane(db: PrismaClient, lease: Lease, delayMs: number): Promise<void> {
  await underFence(
    db,
    lease,
    (tx) => tx.$executeRaw`
      UPDATE "Resource" r SET "nextAttemptAt" = locked."until", "updatedAt" = now()
      FROM (
        SELECT "id", now() + ${delayMs} * interval '1 millisecond' AS "until" FROM "Resource"
        WHERE "account" = ${lease.account} AND "region" = ${lease.region} AND "status" NOT IN ('REMOVED', 'FAILED')
          AND "nextAttemptAt" < now() + ${delayMs} * interval '1 millisecond'
        ORDER BY "id" FOR UPDATE
      ) locked
      WHERE r."id" = locked."id"`,
  );
}
