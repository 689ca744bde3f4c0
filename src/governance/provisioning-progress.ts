import { can } from './authorization.js';
import type { Viewer } from './context.js';
import { forbidden, invalid, notFound } from './error.js';
import { parseGlobalId } from './global-id.js';
import { accessGrantShape } from './read/access-grant.js';
import { dataProductShape } from './read/data-product.js';
import { domainShape } from './read/domain.js';
import { resourceShape } from './read/resource.js';
import {
  byId,
  NOTHING,
  type ReadContext,
  type ReadObject,
  type RunStatement,
  readAll,
  readOne,
  type Selection,
  sql,
} from './read/select.js';
import { refusalOf, tokenAllows } from './token-scope.js';

/** An owner of AWS objects: the domain, product or grant that claims them, by its row's id. */
export interface ProvisioningOwner {
  type: 'DOMAIN' | 'DATA_PRODUCT' | 'ACCESS_GRANT';
  id: string;
}

/** How far an owner's AWS objects are; counts of objects. */
export interface ProvisioningStep {
  /** PROGRESSING while anything is to be done; SETTLED when AWS agrees with all; FAILED when all is done but for what failed for good. */
  state: 'PROGRESSING' | 'SETTLED' | 'FAILED';
  total: number;
  ready: number;
  failed: number;
  leaving: number;
}

const OWNERS = {
  Domain: { type: 'DOMAIN', shape: domainShape },
  DataProduct: { type: 'DATA_PRODUCT', shape: dataProductShape },
  AccessGrant: { type: 'ACCESS_GRANT', shape: accessGrantShape },
} as const;

/** How an owner is read and found among claims. */
export interface WatchedOwner {
  owner: ProvisioningOwner;
  /** The domains whose owners and stewards may see the AWS objects. */
  domainIds: string[];
  /** Reads it as this viewer; null where he may not see it. */
  read(ctx: ReadContext, selection: Selection): Promise<ReadObject | null>;
}

/**
 * The owner that a client names, and who may watch it. Throws VALIDATION for the id of anything else, NOT_FOUND for what the viewer may
 * not see, FORBIDDEN for who may see it and not its AWS objects. Two statements.
 */
export async function watchedOwner(ctx: ReadContext, id: string): Promise<WatchedOwner> {
  const parsed = parseGlobalId(id);
  const known = Object.entries(OWNERS).find(([type]) => type === parsed?.type)?.[1];
  if (!parsed || !known) throw invalid('owner', '`owner` is the id of a domain, a data product or an access grant.');
  const owner = { type: known.type, id: parsed.id };
  const read = (as: ReadContext, selection: Selection) =>
    readOne(as, known.shape, (r) => byId(known.shape, r, owner.id), selection);
  if ((await read(ctx, NOTHING)) === null) throw notFound('The owner');
  const watched = { owner, domainIds: await domainsOf(ctx.run, owner), read };
  assertMayWatch(ctx.viewer, watched);
  return watched;
}

/** Asked at every step: the viewer may have lost the right meanwhile. */
export function assertMayWatch(viewer: Viewer, { domainIds }: WatchedOwner): void {
  if (!tokenAllows(viewer, 'resource:read')) throw forbidden(refusalOf('resource:read'));
  if (!can(viewer, 'resource:read', { type: 'Resource', domainIds })) {
    throw forbidden('AWS objects are shown to owners and stewards of the domains that they belong to.');
  }
}

async function domainsOf(run: RunStatement, { type, id }: ProvisioningOwner): Promise<string[]> {
  if (type === 'DOMAIN') return [id];
  const domains =
    type === 'DATA_PRODUCT'
      ? sql`SELECT "domainId" AS "id" FROM "DataProduct" WHERE "id" = ${id}::uuid`
      : sql`SELECT unnest(ARRAY[p."domainId", g."consumerDomainId"]) AS "id"
          FROM "AccessGrant" g JOIN "DataProduct" p ON p."id" = g."productId" WHERE g."id" = ${id}::uuid`;
  const { text, values } = sql`SELECT coalesce(json_agg(d."id"), '[]') AS answer FROM (${domains}) d`;
  const [row] = await run({ text, values });
  return row?.answer as string[];
}

/** How far these owners are, in one statement; by `ownerKey`. */
export async function provisioningSteps(
  run: RunStatement,
  owners: ProvisioningOwner[],
): Promise<Map<string, ProvisioningStep>> {
  const { text, values } = sql`
    SELECT json_build_object('type', o."type", 'id', o."id", 'total', count(*) FILTER (WHERE ${HELD}),
      'ready', count(*) FILTER (WHERE ${HELD} AND x."status" = 'READY'),
      'failed', count(*) FILTER (WHERE ${HELD} AND x."status" IN ('FAILED', 'STUCK')),
      'leaving', count(*) FILTER (WHERE c."releasedAtGeneration" IS NOT NULL),
      'busy', count(*) FILTER (WHERE c."releasedAtGeneration" IS NOT NULL OR x."status" NOT IN ('READY', 'FAILED'))) AS answer
    FROM json_to_recordset(${JSON.stringify(owners)}::json) AS o("type" text, "id" uuid)
    LEFT JOIN "ResourceClaim" c ON c."ownerType" = o."type"::"ClaimOwner" AND c."ownerId" = o."id"
    LEFT JOIN "Resource" x ON x."id" = c."resourceId"
    GROUP BY o."type", o."id"`;
  const rows = (await run({ text, values })).map(({ answer }) => answer as ProvisioningOwner & Counts);
  return new Map(
    rows.map(({ type, id, busy, ...counts }) => [ownerKey({ type, id }), { ...counts, state: stateOf(busy, counts) }]),
  );
}

const HELD = sql`c."resourceId" IS NOT NULL AND c."releasedAtGeneration" IS NULL`;

interface Counts extends Omit<ProvisioningStep, 'state'> {
  busy: number;
}

const stateOf = (busy: number, { failed }: Omit<ProvisioningStep, 'state'>): ProvisioningStep['state'] =>
  busy > 0 ? 'PROGRESSING' : failed > 0 ? 'FAILED' : 'SETTLED';

/** Names an owner among others. */
export const ownerKey = ({ type, id }: ProvisioningOwner): string => `${type} ${id}`;

/** The AWS objects of an owner that failed or are stuck, as far as the viewer may see them; the first 100. */
export function failuresOf(
  ctx: ReadContext,
  { type, id }: ProvisioningOwner,
  selection: Selection,
): Promise<ReadObject[]> {
  return readAll(ctx, selection, {
    kind: 'many',
    limit: 100,
    shape: () => resourceShape,
    where: (_, r) => sql`${r}."status" IN ('FAILED', 'STUCK') AND EXISTS (SELECT 1 FROM "ResourceClaim" o
      WHERE o."resourceId" = ${r}."id" AND o."ownerType" = ${type}::"ClaimOwner" AND o."ownerId" = ${id}::uuid
      AND o."releasedAtGeneration" IS NULL)`,
    order: (r) => sql`${r}."kind", ${r}."key"`,
  });
}
