import { type Domain, Prisma } from '../generated/prisma/client.js';
import type { LaneKey } from '../provisioning/lane.js';
import type { DesiredResource } from '../provisioning/resource.js';
import { announceResource } from '../provisioning/resource-event.js';
import { aboutResource } from './about-resource.js';
import { announceAccess } from './announce.js';
import { claim, grantOwner, lockClaims } from './claims.js';
import { type ActingContext, asSystem, type SystemContext } from './context.js';
import { desiredAccess } from './desired-access.js';
import { oneByOne } from './one-by-one.js';
import { type GrantRow, isLive, lockLiveGrants, lockProduct, readTables } from './rows.js';
import { inTransaction, type Tx } from './transaction.js';
import { ACCESS_GRANT, canStep, step } from './transitions.js';

/**
 * What was granted through a consumer's account ends in that account, where others still need G's grant to it. Where the account does not
 * confirm in time, the policy of the product's domain decides: tell of it (ALARM), or cut the whole account off (CUT_ACCOUNT) until it
 * has confirmed (design: provisioning.md, Revoke, expire).
 */
const CONFIRM_WITHIN_MS = 300_000;

/** Grants on tables and their data: on all else that a consumer's account is given there is no access. */
const ON_TABLES = Prisma.sql`(resource."spec"->'resource'->>'type' IN ('TABLE', 'DATA_FILTER') OR resource."spec"->'resource'->>'on' = 'TABLE')`;

/**
 * Claims on grants in a consumer's account on data of G that are released there and not gone yet, while G's grant to the account still
 * stands: as long as there is one, access is left. A look-up of one row for each, which no plan turns into a pass over all grants.
 */
export function leavingInAccount(governanceAccount: string): Prisma.Sql {
  return Prisma.sql`(claim."releasedAtGeneration" IS NOT NULL AND resource."kind" = 'LfGrant'
    AND resource."account" <> ${governanceAccount} AND resource."spec"->'resource'->>'catalogId' = ${governanceAccount}
    AND ${ON_TABLES}
    AND coalesce((SELECT above."desired" = 'PRESENT' OR above."status" <> 'REMOVED' FROM "Resource" above
      WHERE above."kind" = 'LfGrant' AND above."account" = ${governanceAccount} AND above."region" = resource."region"
        AND above."key" = resource."account" || ' on ' || split_part(resource."key", ' on ', 2)), false))`;
}

/** The generation of a claim that no generation lets go of: it ends with the resource itself. */
const NEVER = 2_147_483_647;

/**
 * Claims of ended grants on G's grants to the account of a domain that provisions for itself, while others keep those up: nobody can see
 * what that account granted on, so that access is left until G's grant goes.
 */
const leftWithAccount = Prisma.sql`(claim."releasedAtGeneration" = ${NEVER}
  AND (resource."desired" = 'PRESENT' OR resource."status" <> 'REMOVED'))`;

/** Claims that were released and still give access, as G's grant to the account keeps them up. */
const keptUp = (governanceAccount: string): Prisma.Sql =>
  Prisma.sql`(${leftWithAccount} OR ${leavingInAccount(governanceAccount)})`;

/** Claims that were released and still give access: those of G, and those that G's grant to an account keeps up. */
export const leaving = (governanceAccount: string): Prisma.Sql =>
  Prisma.sql`((claim."releasedAtGeneration" < ${NEVER} AND resource."account" = ${governanceAccount})
    OR ${keptUp(governanceAccount)})`;

/**
 * Lets the claims of grants go by `release`, and keeps those of them released on which others keep the account of a domain that provisions
 * for itself. In its own product's domain the account has the data anyway.
 */
export async function releasingAccount<T>(
  { mesh }: Pick<ActingContext, 'mesh'>,
  tx: Tx,
  grants: GrantRow[],
  release: () => Promise<T>,
): Promise<T> {
  const delegated = grants.flatMap(({ id, consumerDomain: consumer, product }) =>
    consumer.provisioning === 'DIRECT' || consumer.id === product.domainId
      ? []
      : [{ id, account: consumer.awsAccountId }],
  );
  if (delegated.length === 0) return release();
  const held = await tx.$queryRaw<{ id: string; grant: string; spec: unknown }[]>`
    SELECT resource."id", delegated."id" AS "grant", claim."spec"
    FROM jsonb_to_recordset(${JSON.stringify(delegated)}::jsonb) AS delegated("id" uuid, "account" text)
    JOIN "ResourceClaim" claim ON claim."ownerType" = 'ACCESS_GRANT' AND claim."ownerId" = delegated."id"
    JOIN "Resource" resource ON resource."id" = claim."resourceId"
    WHERE claim."releasedAtGeneration" IS NULL
      AND resource."kind" = 'LfGrant' AND resource."account" = ${mesh.governanceAccount}
      AND resource."spec"->>'principal' = delegated."account"
      AND ${ON_TABLES}`;
  const released = await release();
  if (held.length === 0) return released;
  await tx.$executeRaw`
    INSERT INTO "ResourceClaim" ("resourceId", "ownerType", "ownerId", "spec", "releasedAtGeneration")
    SELECT resource."id", 'ACCESS_GRANT', held."grant", held."spec", ${NEVER}
    FROM jsonb_to_recordset(${JSON.stringify(held)}::jsonb) AS held("id" text, "grant" uuid, "spec" jsonb)
    JOIN "Resource" resource ON resource."id" = held."id" AND resource."desired" = 'PRESENT'
    ON CONFLICT ("resourceId", "ownerType", "ownerId") DO UPDATE SET "releasedAtGeneration" = ${NEVER}`;
  return released;
}

/** Forgets what kept an ended grant, once that is gone too. */
export async function forgetLeft(tx: Tx, id: string): Promise<void> {
  await tx.resourceClaim.deleteMany({
    where: { ownerType: 'ACCESS_GRANT', ownerId: id, releasedAtGeneration: NEVER },
  });
}

interface Unconfirmed {
  id: string;
  productId: string;
}

/**
 * Acts upon ends that the consumer's account has not confirmed in time, by the database's clock, and at once where it never confirms
 * anything; returns how many.
 */
export async function alarmUnconfirmed(ctx: SystemContext, withinMs = CONFIRM_WITHIN_MS): Promise<number> {
  const overdue = await ctx.db.$queryRaw<Unconfirmed[]>`
    SELECT "id"::text, "productId"::text FROM "AccessGrant" access
    WHERE "status" = 'REVOKING' AND "alarmedAt" IS NULL
      AND EXISTS (SELECT FROM "ResourceClaim" claim JOIN "Resource" resource ON resource."id" = claim."resourceId"
        WHERE claim."ownerType" = 'ACCESS_GRANT' AND claim."ownerId" = access."id"
          AND (${leftWithAccount} OR ("endingSince" <= now() - ${withinMs} * interval '1 millisecond'
            AND ${leavingInAccount(ctx.mesh.governanceAccount)})))
    LIMIT 50`;
  return oneByOne(overdue, async (one) => {
    ctx.committed(await inTransaction(ctx.db, (tx) => alarm(asSystem(ctx), tx, one)));
    return true;
  });
}

async function alarm(ctx: ActingContext, tx: Tx, { id, productId }: Unconfirmed): Promise<LaneKey[]> {
  // All grants of the product, in order of id: those that live may be cut.
  await tx.$queryRaw`SELECT 1 FROM "AccessGrant" WHERE "productId" = ${productId}::uuid
    AND "status" NOT IN ('REVOKED', 'EXPIRED') ORDER BY "id" FOR NO KEY UPDATE`;
  const ending = await tx.accessGrant.findUniqueOrThrow({ where: { id } });
  if (ending.status !== 'REVOKING' || ending.alarmedAt !== null) return [];
  const product = await lockProduct(tx, productId);
  // In its own product's domain the product itself needs the grant to the account: it cannot be cut.
  const cuts = product.domain.accountRevocation === 'CUT_ACCOUNT' && ending.consumerDomainId !== product.domainId;
  const now = new Date();
  await tx.accessGrant.update({ where: { id }, data: { alarmedAt: now, ...(cuts ? { accountCutAt: now } : {}) } });
  await tellUnconfirmed(ctx, tx, { id, cuts });
  if (!cuts) return [];
  const sharing = await sharingAccount(ctx, tx, { id, live: await lockLiveGrants(tx, productId) });
  await lockClaims(tx, sharing.map(grantOwner));
  const lanes: LaneKey[] = [];
  for (const grant of sharing) lanes.push(...(await cut(ctx, tx, grant)));
  return lanes;
}

async function tellUnconfirmed(ctx: ActingContext, tx: Tx, { id, cuts }: { id: string; cuts: boolean }): Promise<void> {
  const left = await tx.$queryRaw<{ id: string }[]>`
    SELECT resource."id" FROM "ResourceClaim" claim JOIN "Resource" resource ON resource."id" = claim."resourceId"
    WHERE claim."ownerType" = 'ACCESS_GRANT' AND claim."ownerId" = ${id}::uuid
      AND ${keptUp(ctx.mesh.governanceAccount)} ORDER BY resource."id"`;
  for (const { id: resourceId } of left) {
    const resource = await tx.resource.findUniqueOrThrow({ where: { id: resourceId } });
    await announceResource(tx, aboutResource, {
      type: 'ResourceStuck',
      resource,
      actor: ctx.actor,
      correlationId: ctx.correlationId,
      data: {
        status: resource.status,
        code: 'NotConfirmed',
        message: `The consumer's account has not confirmed that it ended this; ${cuts ? 'it is cut off until it has' : 'others still need the grant to the account'}.`,
      },
    });
  }
}

/** The live grants whose access comes through the same grants of G to the account as that of the one that ends. */
async function sharingAccount(
  { mesh }: ActingContext,
  tx: Tx,
  { id, live }: { id: string; live: GrantRow[] },
): Promise<GrantRow[]> {
  const rows = await tx.$queryRaw<{ id: string }[]>`
    SELECT DISTINCT other."ownerId"::text AS "id"
    FROM "ResourceClaim" claim JOIN "Resource" resource ON resource."id" = claim."resourceId"
    JOIN "Resource" above ON above."kind" = 'LfGrant' AND above."account" = ${mesh.governanceAccount}
      AND above."region" = resource."region"
      AND (above."id" = resource."id" OR above."key" = resource."account" || ' on ' || split_part(resource."key", ' on ', 2))
    JOIN "ResourceClaim" other ON other."resourceId" = above."id" AND other."ownerType" = 'ACCESS_GRANT'
      AND other."releasedAtGeneration" IS NULL
    WHERE claim."ownerType" = 'ACCESS_GRANT' AND claim."ownerId" = ${id}::uuid
      AND ${keptUp(mesh.governanceAccount)}`;
  const ids = new Set(rows.map((row) => row.id));
  return live.filter((grant) => ids.has(grant.id));
}

async function cut(ctx: ActingContext, tx: Tx, grant: GrantRow): Promise<LaneKey[]> {
  const { id } = grant;
  const lanes = await claim(tx, { owner: grantOwner(grant), resources: [], correlationId: ctx.correlationId });
  const status = canStep(ACCESS_GRANT, grant.status, 'fail') ? step(ACCESS_GRANT, grant.status, 'fail') : grant.status;
  await tx.accessGrant.update({ where: { id }, data: { accountCutAt: new Date(), status, reason: CUT_OFF } });
  const data = { before: { status: grant.status }, after: { status }, reason: CUT_OFF, failures: [] };
  await announceAccess(tx, ctx, { type: 'AccessFailed', access: grant, data });
  return lanes;
}

/** Claims that were released on grants on data of G and have not ended yet, in whichever account. */
const releasedOnData = (governanceAccount: string): Prisma.Sql =>
  Prisma.sql`(claim."releasedAtGeneration" IS NOT NULL AND resource."kind" = 'LfGrant'
    AND resource."spec"->'resource'->>'catalogId' = ${governanceAccount})`;

/** The reason of a grant that waits for its consumer's account. */
export const CUT_OFF = "The consumer's account is cut off until it has confirmed the end of another grant.";

/**
 * Of these products, those with a consuming domain whose account is cut off, as `product/domain`: what goes through that account waits
 * until it has confirmed.
 */
export async function accountsCutOff(
  { mesh }: Pick<ActingContext, 'mesh'>,
  tx: Tx,
  productIds: string[],
): Promise<Set<string>> {
  const rows = await tx.$queryRaw<{ pair: string }[]>`
    SELECT DISTINCT access."productId"::text || '/' || access."consumerDomainId"::text AS "pair" FROM "AccessGrant" access
    WHERE access."productId" = ANY (${productIds}::uuid[]) AND access."accountCutAt" IS NOT NULL
      AND (access.${isLive} OR EXISTS (
        SELECT FROM "ResourceClaim" claim JOIN "Resource" resource ON resource."id" = claim."resourceId"
        WHERE claim."ownerType" = 'ACCESS_GRANT' AND claim."ownerId" = access."id" AND ${releasedOnData(mesh.governanceAccount)}))`;
  return new Set(rows.map(({ pair }) => pair));
}

/** What a new grant claims at once: nothing where it goes through an account that is cut off. */
export function unlessCutOff(
  { mesh }: Pick<ActingContext, 'mesh'>,
  resources: DesiredResource[],
  { cutOff, product, consumer }: { cutOff: Set<string>; product: { id: string }; consumer: Domain },
): DesiredResource[] {
  if (!cutOff.has(`${product.id}/${consumer.id}`)) return resources;
  const through = resources.some(
    ({ kind, account, key }) =>
      kind === 'LfGrant' && account === mesh.governanceAccount && key.startsWith(`${consumer.awsAccountId} on `),
  );
  return through ? [] : resources;
}

/** Gives back what was cut, once the account has confirmed all ends; returns for how many products. */
export async function restoreCutAccounts(ctx: SystemContext): Promise<number> {
  const confirmed = await ctx.db.$queryRaw<{ productId: string; consumerDomainId: string }[]>`
    SELECT DISTINCT access."productId"::text, access."consumerDomainId"::text FROM "AccessGrant" access
    JOIN "Domain" consumer ON consumer."id" = access."consumerDomainId"
    WHERE access."accountCutAt" IS NOT NULL AND access.${isLive}
      AND NOT EXISTS (SELECT FROM "AccessGrant" ended
        JOIN "ResourceClaim" claim ON claim."ownerType" = 'ACCESS_GRANT' AND claim."ownerId" = ended."id"
        JOIN "Resource" resource ON resource."id" = claim."resourceId"
        WHERE ended."productId" = access."productId" AND ended."consumerDomainId" = access."consumerDomainId"
          AND ${releasedOnData(ctx.mesh.governanceAccount)})
    LIMIT 50`;
  return oneByOne(confirmed, async (one) => {
    ctx.committed(await inTransaction(ctx.db, (tx) => restore(asSystem(ctx), tx, one)));
    return true;
  });
}

async function restore(
  ctx: ActingContext,
  tx: Tx,
  { productId, consumerDomainId }: { productId: string; consumerDomainId: string },
): Promise<LaneKey[]> {
  await lockLiveGrants(tx, productId);
  const product = await readTables(tx, await lockProduct(tx, productId));
  const live = await lockLiveGrants(tx, productId);
  const cutOff = live.filter((grant) => grant.accountCutAt !== null && grant.consumerDomainId === consumerDomainId);
  const lanes: LaneKey[] = [];
  for (const grant of cutOff) {
    await tx.accessGrant.update({ where: { id: grant.id }, data: { accountCutAt: null } });
    const resources = desiredAccess(ctx.mesh, { request: grant.request, product, consumer: grant.consumerDomain });
    lanes.push(...(await claim(tx, { owner: grantOwner(grant), resources, correlationId: ctx.correlationId })));
  }
  return lanes;
}
