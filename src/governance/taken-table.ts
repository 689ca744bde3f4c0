import { Prisma } from '../generated/prisma/client.js';
import type { DesiredResource } from '../provisioning/resource.js';
import type { ActingContext } from './context.js';
import { conflict } from './error.js';
import { placeIn, placeOf, placesMeet } from './place.js';
import type { ProductWithTables } from './rows.js';
import type { Tx } from './transaction.js';

interface Taken {
  /** The table that cannot be had, and its place. */
  own: string;
  place: string | null;
  /** Whose it is, and what it is called there. */
  product: string;
  table: string;
  location: string | null;
}

/**
 * Refuses tables that another product of the domain publishes: under the same name, as a domain's tables share one database, or from the
 * same files. One place belongs to one product: else who is approved for the laxer of two reads what the stricter one keeps. Two
 * at the same moment: the places are locked where a table is claimed.
 */
export async function refuseTakenTables(tx: Tx, { id, domainId, tables }: ProductWithTables): Promise<void> {
  const own = tables.map((table) => ({ name: table.name, place: placeOf(table) }));
  const meet = placesMeet(Prisma.sql`own."place"`, placeIn(Prisma.sql`x."location"`));
  const [taken] = await tx.$queryRaw<Taken[]>`
    SELECT own."name" AS "own", own."place", p."name" AS "product", x."name" AS "table", x."location"
    FROM jsonb_to_recordset(${JSON.stringify(own)}::jsonb) AS own("name" text, "place" text)
    JOIN "DataProduct" p ON p."domainId" = ${domainId}::uuid AND p."id" <> ${id}::uuid
      AND p."status" IN ('PUBLISHING', 'PUBLISHED', 'DEPRECATED')
    JOIN "ProductTable" x ON x."productId" = p."id" AND (x."name" = own."name" OR ${meet})
    ORDER BY x."name" = own."name" DESC, own."name", p."name" LIMIT 1`;
  if (taken === undefined) return;
  if (taken.own === taken.table) {
    throw conflict(
      `The table ${taken.own} is published by the product ${taken.product} already: a domain's tables share one database.`,
    );
  }
  throw conflict(
    `The files of the table ${taken.own} (${taken.place}) are those of the product ${taken.product} already, which has its table ${taken.table} at ${taken.location}: give it a place of its own, or retire that product first.`,
  );
}

/** A table of that name that was another product's: whoever could read it must be out of AWS before other data stands under its name. */
export async function refuseTablesBeingCleared(
  { mesh }: Pick<ActingContext, 'mesh'>,
  tx: Tx,
  { productId, resources }: { productId: string; resources: DesiredResource[] },
): Promise<void> {
  const keys = resources.filter(({ kind }) => kind === 'GlueTable').map(({ key }) => key);
  const texts = keys.map((key) => `table ${mesh.governanceAccount}/${key}`);
  const [cleared] = await tx.$queryRaw<{ key: string }[]>`
    SELECT r."key" FROM "ResourceClaim" c JOIN "Resource" r ON r."id" = c."resourceId"
    LEFT JOIN "AccessGrant" g ON c."ownerType" = 'ACCESS_GRANT' AND g."id" = c."ownerId"
    WHERE c."releasedAtGeneration" IS NOT NULL AND c."ownerId" <> ${productId}::uuid
      AND g."productId" IS DISTINCT FROM ${productId}::uuid AND r."account" = ${mesh.governanceAccount}
      AND ((r."kind" = 'GlueTable' AND r."key" = ANY (${keys}::text[]))
        OR (r."kind" = 'LfGrant' AND split_part(r."key", ' on ', 2) = ANY (${texts}::text[])))
    LIMIT 1`;
  if (cleared === undefined) return;
  throw conflict(
    `A table of that name was another product's, and AWS has not let go of it yet (${cleared.key}): try again in a moment, or look at its resources.`,
  );
}
