import { Prisma } from '../generated/prisma/client.js';
import { BEING_REPAIRED } from './drift.js';
import type { Kind } from './kinds.js';
import type { LaneKey } from './lane.js';
import {
  type Action,
  type ClaimRow,
  type Owner,
  type Reckoning,
  type ResourceRow,
  reckon,
  type Wish,
  wishesOf,
} from './reckon.js';
import type { DesiredResource } from './resource.js';

export { ClaimConflict } from './reckon.js';

/** Transaction of the caller; the owner's own row is locked in it (lock order: request, grant, product, then resources). */
export type Tx = Prisma.TransactionClient;

/** What a declaration did: lanes to wake after the commit, and each resource of the owner with what becomes of it. */
export interface Declared {
  /** Empty: nothing changes in AWS, so no worker will call `settled` for this owner. */
  changedLanes: LaneKey[];
  resources: { id: string; action: Action }[];
  /** The reckoning that was written: what a plan of it is compared with. */
  reckonings: Reckoning[];
}

export interface Declaration {
  owner: Owner;
  resources: DesiredResource[];
  correlationId: string;
}

/**
 * Replaces everything that an owner claims. Locks the rows in ascending identity order, reads all their claims anew, merges, and
 * bumps a generation only where spec or desire changed. Throws ClaimConflict where a kind has room for one spec and another owner
 * claims another. Six statements however many resources. Call it once a transaction, or rows are locked out of order.
 */
export async function declare(tx: Tx, { owner, resources, correlationId }: Declaration): Promise<Declared> {
  const wishes = wishesOf(resources);
  const inserted = await insertMissing(tx, wishes, correlationId);
  const rows = await readRows(tx, { owners: [owner], wishes, lock: true });
  // A statement of its own: it sees what committed while the locks were waited for.
  const claims = await readClaims(tx, rows, [owner]);
  const reckonings = reckon({ owner, wishes, rows: rows.filter((row) => !inserted.has(row.id)), claims });
  await writeClaims(tx, owner, reckonings);
  await writeResources(
    tx,
    reckonings.filter((reckoning) => !inserted.has(reckoning.id)),
    correlationId,
  );
  const revived = reckonings.filter(({ repair }) => repair !== null);
  await tryAnew(tx, revived);
  const changed = reckonings.filter(({ action }) => action !== 'NOOP');
  return {
    changedLanes: lanesOf([...changed, ...revived].map(({ resource }) => resource)),
    resources: reckonings.map(({ id, action }) => ({ id, action })),
    reckonings,
  };
}

/** What letting go of all claims of several owners did: of each whether AWS has something to do for him. */
export interface Released {
  changedLanes: LaneKey[];
  /** The ids of those whom nobody has to wait for: what they let go of made no difference. */
  gone: string[];
}

/**
 * Takes away everything that several owners of one type claim, as `declare` would with no resources, all at once: what they share
 * changes once. Four statements however many they are. Their own rows are locked; call it once a transaction.
 */
export async function release(
  tx: Tx,
  { type, ids, correlationId }: { type: Owner['type']; ids: string[]; correlationId: string },
): Promise<Released> {
  const owners = ids.map((id): Owner => ({ type, id }));
  const rows = await readRows(tx, { owners, wishes: [], lock: true });
  const claims = await readClaims(tx, rows, owners);
  const isTheirs = ({ ownerType, ownerId }: ClaimRow) => ownerType === type && ids.includes(ownerId);
  const held = claims.filter((claim) => isTheirs(claim) && claim.releasedAtGeneration === null);
  // Nobody's wish: what is left is what all others hold.
  const rest = claims.filter((claim) => !isTheirs(claim));
  const reckonings = reckon({ owner: NOBODY, wishes: [], rows, claims: rest });
  const changed = new Map(reckonings.flatMap((one) => (one.action === 'NOOP' ? [] : [[one.id, one] as const])));
  const withdrawn = held.map(({ resourceId: id, ...owner }) => {
    const change = changed.get(id);
    return { ...owner, id, generation: change?.generation ?? 0, gone: !change };
  });
  await withdrawClaims(tx, withdrawn);
  await writeResources(tx, reckonings, correlationId);
  const waiting = new Set(withdrawn.flatMap(({ gone, ownerId }) => (gone ? [] : [ownerId])));
  return {
    changedLanes: lanesOf([...changed.values()].map(({ resource }) => resource)),
    gone: ids.filter((id) => !waiting.has(id)),
  };
}

/** The `lastError` of what stands and is to be looked at: somebody asked, so whatever is found is put right. */
const ASKED = Prisma.sql`'{"code": "LookedAtAgain", "message": "It is looked at again, as somebody asked.", "awsRequestId": null,
  "treatment": "WAITING", "tries": 0, "asked": true}'::jsonb`;

/**
 * Makes a resource due at once. One that failed or is stuck has its tries forgotten, one with a change out of band that was told and left
 * alone is repaired, any other is looked at, and repaired where it differs. `takeOver`: an object that somebody else made under the name
 * is changed. The new generation voids what a worker, right now, still judges as before. Returns the lane to wake, null where the
 * resource is gone for good.
 */
export async function retryResource(tx: Tx, id: string, { takeOver = false } = {}): Promise<LaneKey | null> {
  const [lane] = await tx.$queryRaw<LaneKey[]>`
    UPDATE "Resource" SET "generation" = "generation" + 1, "nextAttemptAt" = now(), "updatedAt" = now(),
      "ours" = "ours" OR ${takeOver}, "drift" = NULL,
      "status" = CASE WHEN "status" IN ('FAILED', 'STUCK') OR "drift" IS NOT NULL THEN 'PENDING' ELSE "status" END
        ::"ResourceStatus",
      "attempts" = CASE WHEN "status" IN ('FAILED', 'STUCK') THEN 0 ELSE "attempts" END,
      "lastError" = CASE WHEN "drift" IS NOT NULL THEN ${BEING_REPAIRED}
        WHEN "status" IN ('FAILED', 'STUCK') THEN NULL WHEN "status" = 'READY' THEN ${ASKED} ELSE "lastError" END
    WHERE "id" = ${id} AND "status" <> 'REMOVED'
    RETURNING "account", "region"`;
  return lane ?? null;
}

/** Has an object that is not there yet looked at now rather than when its time comes. Returns the lanes to wake. */
export function observeSoon(
  tx: Tx,
  { kind, account, key }: { kind: Kind; account: string; key: string },
): Promise<LaneKey[]> {
  return tx.$queryRaw<LaneKey[]>`
    UPDATE "Resource" SET "nextAttemptAt" = now(), "updatedAt" = now()
    WHERE "kind" = ${kind} AND "account" = ${account} AND "key" = ${key} AND "status" NOT IN ('READY', 'REMOVED', 'FAILED')
    RETURNING "account", "region"`;
}

/** Makes everything due that failed or is stuck in an account, its tries forgotten, as the way into it changed. Returns the lanes. */
export function retryAccount(tx: Tx, account: string): Promise<LaneKey[]> {
  return tx.$queryRaw<LaneKey[]>`
    WITH locked AS (
      SELECT "id" FROM "Resource" WHERE "account" = ${account} AND "status" NOT IN ('READY', 'REMOVED') ORDER BY "id" FOR UPDATE
    ), due AS (
      UPDATE "Resource" r SET "generation" = r."generation" + 1, "nextAttemptAt" = now(), "updatedAt" = now(), "attempts" = 0,
        "lastError" = CASE WHEN r."lastError" -> 'drifted' IS NOT NULL THEN jsonb_set(r."lastError", '{tries}', '0') END,
        "status" = CASE WHEN r."status" = 'FAILED' THEN 'PENDING' ELSE r."status" END::"ResourceStatus"
      FROM locked WHERE r."id" = locked."id" RETURNING r."account", r."region"
    )
    SELECT DISTINCT "account", "region" FROM due`;
}

/** What had FAILED for one owner, or was left as somebody changed it, is tried for another: he has nothing to do with the reason. */
async function tryAnew(tx: Tx, revived: Reckoning[]): Promise<void> {
  if (revived.length === 0) return;
  await tx.$executeRaw`
    UPDATE "Resource"
    SET "generation" = "generation" + 1, "status" = 'PENDING', "attempts" = 0, "nextAttemptAt" = now(), "updatedAt" = now(),
      "drift" = NULL,
      "lastError" = CASE WHEN "drift" IS NOT NULL THEN ${BEING_REPAIRED} END
    WHERE "id" = ANY (${revived.map(({ id }) => id)}::text[]) AND ("status" = 'FAILED' OR "drift" IS NOT NULL)`;
}

/** Each lane once. */
function lanesOf(lanes: LaneKey[]): LaneKey[] {
  return [...new Map(lanes.map(({ account, region }) => [`${account}/${region}`, { account, region }])).values()];
}

async function insertMissing(tx: Tx, wishes: Wish[], correlationId: string): Promise<Set<string>> {
  if (wishes.length === 0) return new Set();
  const values = JSON.stringify(reckonAlone(wishes));
  const inserted = await tx.$queryRaw<{ id: string }[]>`
    INSERT INTO "Resource" ("id", "kind", "account", "region", "key", "spec", "dependsOn", "correlationId")
    SELECT "id", "kind", "account", "region", "key", "spec", "dependsOn", ${correlationId}
    FROM jsonb_to_recordset(${values}::jsonb)
      AS wish("id" text, "kind" text, "account" text, "region" text, "key" text, "spec" jsonb, "dependsOn" text[])
    ORDER BY "id"
    ON CONFLICT DO NOTHING
    RETURNING "id"`;
  return new Set(inserted.map(({ id }) => id));
}

const NOBODY: Owner = { type: 'DOMAIN', id: '' };

/** Wishes as rows that do not exist yet. */
function reckonAlone(wishes: Wish[]) {
  return reckon({ owner: NOBODY, wishes, rows: [], claims: [] }).map(({ id, resource, dependsOn }) => ({
    ...resource,
    id,
    dependsOn,
  }));
}

interface Reading {
  /** Of one type. */
  owners: Owner[];
  wishes: Wish[];
  lock: boolean;
}

/** The rows of the wishes and of all that the owners claim so far, in order of identity. */
function readRows(tx: Tx, { owners, wishes, lock }: Reading): Promise<ResourceRow[]> {
  const ids = wishes.map((wish) => wish.id);
  return tx.$queryRaw<ResourceRow[]>`
    SELECT "id", "kind", "account", "region", "key", "spec", "desired", "generation", "status", "drift" FROM "Resource"
    WHERE "id" = ANY (${ids}::text[]) OR "id" IN (
      SELECT "resourceId" FROM "ResourceClaim"
      WHERE "ownerType" = ${owners[0]?.type}::"ClaimOwner" AND "ownerId" = ANY (${owners.map(({ id }) => id)}::uuid[])
    )
    ORDER BY "id" ${lock ? Prisma.sql`FOR UPDATE` : Prisma.empty}`;
}

/**
 * The claims of these owners on the rows, and what all others hold together: each spec once, under one of those who claim it. A
 * table that thousands may read has thousands of claims with one spec, and claims alike merge into what one of them is.
 */
export function readClaims(tx: Tx, rows: ResourceRow[], owners: Owner[]): Promise<ClaimRow[]> {
  const ids = rows.map((row) => row.id);
  const isTheirs = Prisma.sql`"ownerId" = ANY (${owners.map(({ id }) => id)}::uuid[])`;
  return tx.$queryRaw<ClaimRow[]>`
    SELECT "resourceId", "ownerType"::text, "ownerId"::text, "spec", "releasedAtGeneration" FROM "ResourceClaim"
    WHERE "resourceId" = ANY (${ids}::text[]) AND ${isTheirs}
    UNION ALL
    SELECT "resourceId", split_part(min("ownerType" || '/' || "ownerId"), '/', 1), split_part(min("ownerType" || '/' || "ownerId"), '/', 2),
      "spec", NULL FROM "ResourceClaim"
    WHERE "resourceId" = ANY (${ids}::text[]) AND NOT ${isTheirs} AND "releasedAtGeneration" IS NULL
    GROUP BY "resourceId", "spec"`;
}

async function writeClaims(tx: Tx, owner: Owner, reckonings: Reckoning[]): Promise<void> {
  const held = reckonings.flatMap(({ id, claim }) => (claim.state === 'HELD' ? [{ id, spec: claim.spec }] : []));
  if (held.length > 0) {
    await tx.$executeRaw`
      INSERT INTO "ResourceClaim" ("resourceId", "ownerType", "ownerId", "spec")
      SELECT "id", ${owner.type}::"ClaimOwner", ${owner.id}::uuid, "spec"
      FROM jsonb_to_recordset(${JSON.stringify(held)}::jsonb) AS held("id" text, "spec" jsonb)
      ON CONFLICT ("resourceId", "ownerType", "ownerId")
      DO UPDATE SET "spec" = excluded."spec", "releasedAtGeneration" = NULL`;
  }
  const released = reckonings.filter(({ claim }) => claim.state === 'RELEASED' || claim.state === 'GONE');
  await withdrawClaims(
    tx,
    released.map(({ id, generation, claim }) => ({
      id,
      generation,
      gone: claim.state === 'GONE',
      ownerType: owner.type,
      ownerId: owner.id,
    })),
  );
}

interface Withdrawn {
  /** Of the resource. */
  id: string;
  /** The one that no longer carries the claim. */
  generation: number;
  /** It made no difference. */
  gone: boolean;
  ownerType: Owner['type'];
  ownerId: string;
}

/** One statement: what made no difference goes, the rest waits for AWS. */
async function withdrawClaims(tx: Tx, withdrawn: Withdrawn[]): Promise<void> {
  if (withdrawn.length === 0) return;
  await tx.$executeRaw`
    WITH withdrawn AS (
      SELECT * FROM jsonb_to_recordset(${JSON.stringify(withdrawn)}::jsonb)
        AS withdrawn("id" text, "generation" int, "gone" boolean, "ownerType" "ClaimOwner", "ownerId" uuid)
    ), gone AS (
      DELETE FROM "ResourceClaim" claim USING withdrawn
      WHERE withdrawn."gone" AND claim."resourceId" = withdrawn."id"
        AND claim."ownerType" = withdrawn."ownerType" AND claim."ownerId" = withdrawn."ownerId"
    )
    UPDATE "ResourceClaim" claim SET "releasedAtGeneration" = withdrawn."generation" FROM withdrawn
    WHERE NOT withdrawn."gone" AND claim."resourceId" = withdrawn."id"
      AND claim."ownerType" = withdrawn."ownerType" AND claim."ownerId" = withdrawn."ownerId"`;
}

async function writeResources(tx: Tx, reckonings: Reckoning[], correlationId: string): Promise<void> {
  const changed = reckonings.filter(({ action }) => action !== 'NOOP');
  if (changed.length === 0) return;
  const values = JSON.stringify(
    changed.map(({ id, resource, after, dependsOn, generation, narrows }) => ({
      id,
      spec: resource.spec,
      desired: after === null ? 'ABSENT' : 'PRESENT',
      dependsOn,
      generation,
      narrows,
    })),
  );
  await tx.$executeRaw`
    UPDATE "Resource" resource
    SET "spec" = change."spec", "desired" = change."desired"::"Desired", "dependsOn" = change."dependsOn",
      "generation" = change."generation",
      "narrowedAtGeneration" = CASE WHEN change."narrows" THEN change."generation" ELSE resource."narrowedAtGeneration" END,
      "status" = 'PENDING', "attempts" = 0, "nextAttemptAt" = now(),
      "lastError" = CASE WHEN resource."drift" IS NOT NULL THEN ${BEING_REPAIRED}
        WHEN resource."lastError" -> 'drifted' IS NOT NULL THEN jsonb_set(resource."lastError", '{tries}', '0') END,
      "drift" = NULL,
      "correlationId" = ${correlationId}, "updatedAt" = now()
    FROM jsonb_to_recordset(${values}::jsonb)
      AS change("id" text, "spec" jsonb, "desired" text, "dependsOn" text[], "generation" int, "narrows" boolean)
    WHERE resource."id" = change."id"`;
}
