import { SYSTEM_ACTOR } from '../events/types.js';
import type { ForeignGrantPolicy, ForeignGrantStatus, Prisma } from '../generated/prisma/client.js';
import { chunksOf } from './group.js';
import type { SpecOf } from './kinds.js';
import { lfResourceText } from './lake-resource.js';
import { underFence } from './lane.js';
import { specText } from './merge.js';
import { objectsOf } from './objects-of.js';
import type { Item, ListedGrant, ProviderError } from './provider.js';
import { resourceId } from './resource.js';
import { announceResource, placeOf, type ResourceNews } from './resource-event.js';
import { attempt, type Run } from './run-calls.js';

type Tx = Prisma.TransactionClient;

/** What governance knows of foreign grants and provisioning does not. */
export interface ForeignPolicies {
  /** What is done about foreign grants on catalogue objects, by the objects' ids. */
  policies: (objectIds: string[]) => Promise<Map<string, ForeignGrantPolicy>>;
  /** The id by which the API names a foreign grant. */
  publicId: (id: string) => string;
  /** How much of the mesh a tag is on: a grant on several tags counts as one on the tag that is on least. Default: all are alike. */
  breadthOf?: (tag: string) => number;
}

/** A grant on an object of the mesh that no claim explains. */
interface Foreign extends ListedGrant {
  /** The Resource row of the object. */
  objectId: string;
}

/** A foreign grant's row, as far as treating it needs it. */
interface ForeignRow {
  id: string;
  principal: string;
  resource: string;
  resourceId: string;
  permissions: { permissions: Record<string, unknown>; grantable: Record<string, unknown> };
  status: ForeignGrantStatus;
}

/**
 * Treats the grants of a complete listing that nobody asked for: told once for each distinct content, revoked where the policy of the
 * object's domain says so, and told again when they are gone.
 */
export async function reconcileForeign<Session>(run: Run<Session>, listing: ListedGrant[]): Promise<void> {
  const found = await findForeign(run, listing);
  const policies = await run.foreign.policies([...new Set(found.map(({ objectId }) => objectId))]);
  const revoked: ForeignRow[] = [];
  for (const some of chunksOf(found, TOGETHER)) {
    revoked.push(...(await underFence(run.db, run.lease, (tx) => keepForeign(run, tx, { found: some, policies }))));
  }
  const { gone, refused } = await revoke(run, found, revoked);
  for (const some of chunksOf(refused, TOGETHER))
    await underFence(run.db, run.lease, (tx) => keepRefusals(run, tx, some));
  const listed = new Set(found.map(keyOf));
  const { account, region } = run.lease;
  const standing = await run.db.$queryRaw<ForeignRow[]>`
    SELECT "id"::text, "principal", "resource", "resourceId", "permissions", "status" FROM "ForeignGrant"
    WHERE "account" = ${account} AND "region" = ${region} AND "status" <> 'GONE' ORDER BY "id"`;
  gone.push(...standing.filter((row) => !listed.has(rowKey(row))));
  for (const some of chunksOf(gone, TOGETHER)) await underFence(run.db, run.lease, (tx) => letGo(run, tx, some));
}

const rowKey = ({ principal, resource }: ForeignRow): string => `${principal} on ${resource}`;

/** So many are written and told in one transaction: each may be an event. */
const TOGETHER = 50;

/** What the listing holds on objects of the mesh beyond claims, Meshgate's own role, and what it took away a moment ago. */
async function findForeign<Session>(run: Run<Session>, listing: ListedGrant[]): Promise<Foreign[]> {
  const { account, region } = run.lease;
  const candidates = listing.map((grant) => ({
    grant,
    objects: objectsOf(grant.resource, region, run.foreign.breadthOf),
  }));
  const ids = [...new Set(candidates.flatMap(({ objects }) => objects))];
  const objects = await run.db.$queryRaw<{ id: string }[]>`
    SELECT "id" FROM "Resource" WHERE "id" = ANY (${ids}::text[]) AND "desired" = 'PRESENT'`;
  const present = new Set(objects.map(({ id }) => id));
  const onMesh = candidates.flatMap(({ grant, objects: of }) => {
    const objectId = of.find((id) => present.has(id));
    return objectId === undefined ? [] : [{ ...grant, objectId }];
  });
  // What the owner of an object granted may be listed in the grantee's account too.
  const grants = onMesh.map((grant) => {
    const accounts = [...new Set([account, grant.resource.catalogId])];
    const ids = accounts.map((each) => resourceId({ kind: 'LfGrant', account: each, region, key: keyOf(grant) }));
    return { grant, ids };
  });
  // Listings lag: what was removed within the last minutes may still show.
  const explained = await run.db.$queryRaw<{ id: string }[]>`
    SELECT "id" FROM "Resource" WHERE "id" = ANY (${grants.flatMap(({ ids: each }) => each)}::text[])
      AND ("status" <> 'REMOVED' OR "observedAt" > clock_timestamp() - interval '5 minutes')`;
  const admins = await run.db.$queryRaw<{ admin: string }[]>`
    SELECT jsonb_array_elements_text("spec" -> 'admins') AS admin FROM "Resource"
    WHERE "kind" = 'DataLakeSettings' AND "account" = ${account} AND "region" = ${region}`;
  const known = new Set(explained.map(({ id }) => id));
  // The role that makes databases, tables and links holds everything on them.
  const own = new Set(admins.map(({ admin }) => admin));
  const foreign = grants.filter(
    ({ grant, ids: each }) => !each.some((id) => known.has(id)) && !own.has(grant.principal),
  );
  return foreign.map(({ grant }) => grant);
}

/** The key that a listed grant has as a resource. */
export function keyOf({ principal, resource }: Pick<ListedGrant, 'principal' | 'resource'>): string {
  return `${principal} on ${lfResourceText(resource)}`;
}

interface Finding {
  found: Foreign[];
  policies: Map<string, ForeignGrantPolicy>;
}

/** Writes what was found, with its events; returns the rows that are to be revoked now. */
async function keepForeign<Session>(run: Run<Session>, tx: Tx, { found, policies }: Finding): Promise<ForeignRow[]> {
  const { account, region } = run.lease;
  const rows = await tx.$queryRaw<ForeignRow[]>`
    SELECT "id"::text, "principal", "resource", "resourceId", "permissions", "status" FROM "ForeignGrant"
    WHERE "account" = ${account} AND "region" = ${region} AND "principal" || ' on ' || "resource" = ANY (${found.map(keyOf)}::text[])
    ORDER BY "id" FOR UPDATE`;
  const known = new Map(rows.map((row) => [rowKey(row), row]));
  const revoked: ForeignRow[] = [];
  for (const grant of found) {
    const policy = policies.get(grant.objectId) ?? 'REPORT';
    const row = await keepOne(run, tx, { grant, before: known.get(keyOf(grant)), policy });
    if (row.status === 'REVOKING') revoked.push(row);
  }
  return revoked;
}

interface Kept {
  grant: Foreign;
  before: ForeignRow | undefined;
  policy: ForeignGrantPolicy;
}

/** One foreign grant: told where it is new, came back, or holds something else than before; accepted ones are left alone. */
async function keepOne<Session>(run: Run<Session>, tx: Tx, { grant, before, policy }: Kept): Promise<ForeignRow> {
  const { resource: granted } = grant;
  // The text of the resource has the name alone, and what goes by it can change.
  const named = granted.type === 'LF_TAG_POLICY' && granted.expressionName !== undefined;
  const permissions = {
    permissions: grant.permissions,
    grantable: grant.grantable,
    ...(named && granted.expression.length > 0 ? { expression: granted.expression } : {}),
  };
  const same = before !== undefined && specText(before.permissions) === specText(permissions);
  const news = !same || before.status === 'GONE';
  const accepted = same && before.status === 'ACKNOWLEDGED';
  const status: ForeignGrantStatus = accepted ? 'ACKNOWLEDGED' : policy === 'REVOKE' ? 'REVOKING' : 'OPEN';
  const place = { account: run.lease.account, region: run.lease.region, principal: grant.principal };
  const resource = lfResourceText(grant.resource);
  const [row] = await tx.$queryRaw<ForeignRow[]>`
    INSERT INTO "ForeignGrant" AS f ("id", "account", "region", "principal", "resource", "permissions", "resourceId", "status")
    VALUES (gen_random_uuid(), ${place.account}, ${place.region}, ${place.principal}, ${resource},
      ${JSON.stringify(permissions)}::jsonb, ${grant.objectId}, ${accepted ? 'OPEN' : status}::"ForeignGrantStatus")
    ON CONFLICT ("account", "region", "principal", "resource") DO UPDATE SET "permissions" = excluded."permissions",
      "resourceId" = excluded."resourceId", "status" = ${status}::"ForeignGrantStatus", "lastSeenAt" = clock_timestamp(),
      "firstSeenAt" = CASE WHEN f."status" = 'GONE' THEN clock_timestamp() ELSE f."firstSeenAt" END,
      "acknowledgedBy" = CASE WHEN ${accepted} THEN f."acknowledgedBy" END,
      "acknowledgedAt" = CASE WHEN ${accepted} THEN f."acknowledgedAt" END,
      "reason" = CASE WHEN ${accepted} THEN f."reason" END,
      "lastError" = CASE WHEN ${status} = 'REVOKING' THEN f."lastError" END,
      "tries" = CASE WHEN ${status} = 'REVOKING' THEN f."tries" ELSE 0 END
    RETURNING "id"::text, "principal", "resource", "resourceId", "permissions", "status"`;
  if (news) {
    const evidence = { driftPolicy: policy, before: before && !same ? before.permissions : null, after: permissions };
    await announce(run, tx, { type: 'ResourceDrifted', row: row as ForeignRow, data: evidence });
  }
  return row as ForeignRow;
}

/** A foreign grant that could not be revoked, and why. */
interface Refusal {
  row: ForeignRow;
  error: ProviderError;
}

/** Takes away what the policy says; `gone` are the rows of which AWS then shows nothing. What fails is tried again by the next pass. */
async function revoke<Session>(
  run: Run<Session>,
  found: Foreign[],
  rows: ForeignRow[],
): Promise<{ gone: ForeignRow[]; refused: Refusal[] }> {
  const provider = run.aws.providers.LfGrant;
  const grants = new Map(found.map((grant) => [keyOf(grant), grant]));
  const items = rows.flatMap((row): (Item<'LfGrant'> & { row: ForeignRow })[] => {
    const key = rowKey(row);
    const grant = grants.get(key);
    if (!grant) return [];
    const { principal, resource, permissions, grantable } = grant;
    const spec: SpecOf<'LfGrant'> = { principal, resource, permissions, grantable };
    return [
      {
        id: resourceId({ kind: 'LfGrant', account: run.lease.account, region: run.lease.region, key }),
        key,
        spec,
        row,
      },
    ];
  });
  const gone: ForeignRow[] = [];
  const refused: Refusal[] = [];
  for (const batch of chunksOf(items, provider.batchSize)) {
    run.log.info({ kind: 'LfGrant', foreign: batch.map(({ key }) => key) }, 'revoking foreign grants');
    const removed = await attempt(run, () => provider.remove(run.session, batch));
    if (!removed.ok) {
      refused.push(...batch.map(({ row }) => ({ row, error: removed.error })));
      continue;
    }
    const observed = await attempt(run, () => provider.observe(run.session, batch));
    batch.forEach(({ row }, index) => {
      const outcome = removed.value[index];
      if (outcome?.ok === false) refused.push({ row, error: outcome.error });
      else if (observed.ok && observed.value[index]?.state === 'MISSING') gone.push(row);
    });
  }
  return { gone, refused };
}

/** So many refused revokes in a row, and its domain is told that the grant stays. */
const STUCK_TRIES = 6;

/** Keeps why they stay; told once, and seen in the health of those who need the object (governance/read/health.ts). */
async function keepRefusals<Session>(run: Run<Session>, tx: Tx, refused: Refusal[]): Promise<void> {
  for (const { row, error } of refused) {
    const { code, message, awsRequestId } = error;
    run.log.warn({ foreign: row.id, error: code }, 'foreign grant stays');
    const since = JSON.stringify({ code, message, awsRequestId, since: new Date().toISOString() });
    const [kept] = await tx.$queryRaw<{ tries: number }[]>`
      UPDATE "ForeignGrant" SET "tries" = "tries" + 1, "lastError" = ${since}::jsonb ||
        CASE WHEN "lastError" IS NULL THEN '{}' ELSE jsonb_build_object('since', "lastError" -> 'since') END
      WHERE "id" = ${row.id}::uuid RETURNING "tries"`;
    if (kept?.tries !== STUCK_TRIES) continue;
    await announce(run, tx, { type: 'ResourceStuck', row, data: { status: 'STUCK', code, message } });
  }
}

/** They are gone from AWS. */
async function letGo<Session>(run: Run<Session>, tx: Tx, rows: ForeignRow[]): Promise<void> {
  await tx.$executeRaw`
    UPDATE "ForeignGrant" SET "status" = 'GONE', "lastError" = NULL, "tries" = 0, "acknowledgedBy" = NULL, "acknowledgedAt" = NULL, "reason" = NULL
    WHERE "id" = ANY (${rows.map(({ id }) => id)}::uuid[])`;
  for (const row of rows) {
    const data = { by: row.status === 'REVOKING' ? 'MESHGATE' : 'OTHERS', before: row.permissions, after: null };
    await announce(run, tx, { type: 'ResourceRepaired', row, data });
  }
}

type News = Extract<ResourceNews, { type: 'ResourceDrifted' | 'ResourceRepaired' | 'ResourceStuck' }> & {
  row: ForeignRow;
};

/** The event is about the catalogue object: its domain hears of it. */
async function announce<Session>(run: Run<Session>, tx: Tx, { type, row, data }: News): Promise<void> {
  const { principal, resource } = row;
  const foreignGrant = { id: run.foreign.publicId(row.id), account: run.lease.account, principal, resource };
  await announceResource(tx, run.aboutResource, {
    type,
    resource: await placeOf(tx, row.resourceId),
    actor: SYSTEM_ACTOR,
    correlationId: run.lease.holder,
    data: { foreignGrant, ...data },
  } as Parameters<typeof announceResource>[2]);
}
