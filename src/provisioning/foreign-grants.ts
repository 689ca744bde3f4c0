import { append } from '../events/append.js';
import { SYSTEM_ACTOR } from '../events/types.js';
import type { ForeignGrantPolicy, ForeignGrantStatus, Prisma } from '../generated/prisma/client.js';
import type { Kind, SpecOf } from './kinds.js';
import { type LfResource, lfResourceText } from './lake-resource.js';
import { underFence } from './lane.js';
import { specText } from './merge.js';
import type { Item, ListedGrant } from './provider.js';
import { resourceId } from './resource.js';
import { attempt, type Run } from './run-calls.js';

type Tx = Prisma.TransactionClient;

/** What governance knows of foreign grants and provisioning does not. */
export interface ForeignPolicies {
  /** What is done about foreign grants on catalogue objects, by the objects' ids. */
  policies: (objectIds: string[]) => Promise<Map<string, ForeignGrantPolicy>>;
  /** The id by which the API names a foreign grant. */
  publicId: (id: string) => string;
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
  const revoked = await underFence(run.db, run.lease, (tx) => keepForeign(run, tx, { found, policies }));
  if (revoked.length === 0) return;
  const gone = await revoke(run, found, revoked);
  await underFence(run.db, run.lease, (tx) => letGo(run, tx, gone));
}

/** What the listing holds on objects of the mesh beyond claims, Meshgate's own role, and what it took away a moment ago. */
async function findForeign<Session>(run: Run<Session>, listing: ListedGrant[]): Promise<Foreign[]> {
  const { account, region } = run.lease;
  const candidates = listing.map((grant) => ({ grant, objects: objectsOf(grant.resource, region) }));
  const ids = [...new Set(candidates.flatMap(({ objects }) => objects))];
  const objects = await run.db.$queryRaw<{ id: string }[]>`
    SELECT "id" FROM "Resource" WHERE "id" = ANY (${ids}::text[]) AND "desired" = 'PRESENT'`;
  const present = new Set(objects.map(({ id }) => id));
  const onMesh = candidates.flatMap(({ grant, objects: of }) => {
    const objectId = of.find((id) => present.has(id));
    return objectId === undefined ? [] : [{ ...grant, objectId }];
  });
  const keys = onMesh.map(keyOf);
  // Listings lag: what was removed within the last minutes may still show.
  const explained = await run.db.$queryRaw<{ key: string }[]>`
    SELECT "key" FROM "Resource" WHERE "kind" = 'LfGrant' AND "key" = ANY (${keys}::text[])
      AND ("status" <> 'REMOVED' OR "observedAt" > clock_timestamp() - interval '5 minutes')`;
  const admins = await run.db.$queryRaw<{ admin: string }[]>`
    SELECT jsonb_array_elements_text("spec" -> 'admins') AS admin FROM "Resource"
    WHERE "kind" = 'DataLakeSettings' AND "account" = ${account} AND "region" = ${region}`;
  const known = new Set(explained.map(({ key }) => key));
  // The role that makes databases, tables and links holds everything on them.
  const own = new Set(admins.map(({ admin }) => admin));
  return onMesh.filter((grant) => !known.has(keyOf(grant)) && !own.has(grant.principal));
}

/** The key that a listed grant has as a resource. */
export function keyOf({ principal, resource }: Pick<ListedGrant, 'principal' | 'resource'>): string {
  return `${principal} on ${lfResourceText(resource)}`;
}

/** The rows that may stand for what a grant is on, nearest first. A filter and a wildcard are of their table and database. */
function objectsOf(resource: LfResource, region: string): string[] {
  const at = (kind: Kind, key: string) => resourceId({ kind, account: resource.catalogId, region, key });
  switch (resource.type) {
    case 'CATALOG':
      return [];
    case 'DATABASE':
      return [at('GlueDatabase', resource.database), at('DatabaseLink', resource.database)];
    case 'TABLE': {
      const key = `${resource.database}/${resource.table}`;
      const database = [at('GlueDatabase', resource.database), at('DatabaseLink', resource.database)];
      return resource.table === '*' ? database : [at('GlueTable', key), at('TableLink', key)];
    }
    case 'DATA_FILTER': {
      const key = `${resource.database}/${resource.table}`;
      return [at('DataFilter', `${key}/${resource.filter}`), at('GlueTable', key)];
    }
    case 'DATA_LOCATION':
      return [at('DataLocation', resource.arn)];
    case 'LF_TAG':
      return [at('LfTag', resource.key)];
    case 'LF_TAG_POLICY':
      return resource.expression.map(({ key }) => at('LfTag', key));
  }
}

interface Finding {
  found: Foreign[];
  policies: Map<string, ForeignGrantPolicy>;
}

/** Writes what was found and what is gone, with their events; returns the rows that are to be revoked now. */
async function keepForeign<Session>(run: Run<Session>, tx: Tx, { found, policies }: Finding): Promise<ForeignRow[]> {
  const { account, region } = run.lease;
  const rows = await tx.$queryRaw<ForeignRow[]>`
    SELECT "id"::text, "principal", "resource", "resourceId", "permissions", "status" FROM "ForeignGrant"
    WHERE "account" = ${account} AND "region" = ${region} ORDER BY "id" FOR UPDATE`;
  const known = new Map(rows.map((row) => [`${row.principal} on ${row.resource}`, row]));
  const revoked: ForeignRow[] = [];
  for (const grant of found) {
    const before = known.get(keyOf(grant));
    known.delete(keyOf(grant));
    const policy = policies.get(grant.objectId) ?? 'REPORT';
    const row = await keepOne(run, tx, { grant, before, policy });
    if (row.status === 'REVOKING') revoked.push(row);
  }
  const missing = [...known.values()].filter(({ status }) => status !== 'GONE');
  await letGo(run, tx, missing);
  return revoked;
}

interface Kept {
  grant: Foreign;
  before: ForeignRow | undefined;
  policy: ForeignGrantPolicy;
}

/** One foreign grant: told where it is new, came back, or holds something else than before; accepted ones are left alone. */
async function keepOne<Session>(run: Run<Session>, tx: Tx, { grant, before, policy }: Kept): Promise<ForeignRow> {
  const permissions = { permissions: grant.permissions, grantable: grant.grantable };
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
      "reason" = CASE WHEN ${accepted} THEN f."reason" END
    RETURNING "id"::text, "principal", "resource", "resourceId", "permissions", "status"`;
  if (news) {
    const evidence = { policy, before: before && !same ? before.permissions : null, after: permissions };
    await announce(run, tx, { type: 'ResourceDrifted', row: row as ForeignRow, data: evidence });
  }
  return row as ForeignRow;
}

/** Takes away what the policy says; returns the rows of which AWS then shows nothing. What fails is tried again by the next pass. */
async function revoke<Session>(run: Run<Session>, found: Foreign[], rows: ForeignRow[]): Promise<ForeignRow[]> {
  const provider = run.aws.providers.LfGrant;
  const grants = new Map(found.map((grant) => [keyOf(grant), grant]));
  const items = rows.flatMap((row): (Item<'LfGrant'> & { row: ForeignRow })[] => {
    const key = `${row.principal} on ${row.resource}`;
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
  for (let start = 0; start < items.length; start += provider.batchSize) {
    const batch = items.slice(start, start + provider.batchSize);
    run.log.info({ kind: 'LfGrant', foreign: batch.map(({ key }) => key) }, 'revoking foreign grants');
    const removed = await attempt(run, () => provider.remove(run.session, batch));
    if (!removed.ok) break;
    const observed = await attempt(run, () => provider.observe(run.session, batch));
    batch.forEach(({ row }, index) => {
      const outcome = removed.value[index];
      if (outcome?.ok === false) run.log.warn({ foreign: row.id, error: outcome.error.code }, 'foreign grant stays');
      else if (observed.ok && observed.value[index]?.state === 'MISSING') gone.push(row);
    });
  }
  return gone;
}

/** They are gone from AWS. */
async function letGo<Session>(run: Run<Session>, tx: Tx, rows: ForeignRow[]): Promise<void> {
  if (rows.length === 0) return;
  await tx.$executeRaw`
    UPDATE "ForeignGrant" SET "status" = 'GONE', "acknowledgedBy" = NULL, "acknowledgedAt" = NULL, "reason" = NULL
    WHERE "id" = ANY (${rows.map(({ id }) => id)}::uuid[])`;
  for (const row of rows) {
    const data = { by: row.status === 'REVOKING' ? 'MESHGATE' : 'OTHERS', before: row.permissions, after: null };
    await announce(run, tx, { type: 'ResourceRepaired', row, data });
  }
}

interface News {
  type: 'ResourceDrifted' | 'ResourceRepaired';
  row: ForeignRow;
  data: Record<string, unknown>;
}

/** The event is about the catalogue object: its domain hears of it. */
async function announce<Session>(run: Run<Session>, tx: Tx, { type, row, data }: News): Promise<void> {
  const object = await tx.resource.findUniqueOrThrow({
    where: { id: row.resourceId },
    select: { id: true, kind: true, account: true, region: true, key: true },
  });
  const { kind, account, region, key } = object;
  const { principal, resource } = row;
  const foreignGrant = { id: run.foreign.publicId(row.id), account: run.lease.account, principal, resource };
  await append(tx, {
    ...(await run.aboutResource(tx, object)),
    type,
    actor: SYSTEM_ACTOR,
    correlationId: run.lease.holder,
    data: { kind, account, region, key, foreignGrant, ...data },
  });
}
