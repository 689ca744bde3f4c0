import type { AccessMode, Domain } from '../generated/prisma/client.js';
import type { Mesh } from './context.js';
import { centralDatabase, databaseLinkName, LOCAL_DATABASE, linkName, MODE_NAME } from './names.js';
import type { Tx } from './transaction.js';

/** A table as AWS names it. */
export interface NamedTable {
  /** The account whose catalogue it is in. */
  catalogId: string;
  database: string;
  table: string;
}

/** A table of a product that is in AWS. */
export interface ProductTableName {
  productId: string;
  table: string;
}

const MODES = Object.keys(MODE_NAME) as AccessMode[];

/** The table of one of the domain's products that a name in AWS means, through the domain's own links too; null: none of its own. */
export async function tableOf(
  mesh: Mesh,
  tx: Tx,
  { domain, named }: { domain: Domain; named: NamedTable },
): Promise<ProductTableName | null> {
  const { catalogId, database, table } = named;
  if (catalogId === mesh.governanceAccount) {
    const mode = MODES.find((each) => centralDatabase(mesh, domain, MODE_NAME[each]) === database);
    return mode ? tableInMode(tx, { domain, mode, table }) : null;
  }
  if (catalogId !== domain.awsAccountId) return null;
  if (database === databaseLinkName(domain.name)) return tableInMode(tx, { domain, mode: 'LF_TBAC', table });
  if (database !== LOCAL_DATABASE) return null;
  const all = await standingTables(tx, domain);
  return all.find((each) => linkName(domain.name, each.product, each.table) === table) ?? null;
}

/** The table of this name that a product of the domain has in an access mode; two products in AWS cannot have one of the same name. */
export async function tableInMode(
  tx: Tx,
  { domain, mode, table }: { domain: Domain; mode: AccessMode; table: string },
): Promise<ProductTableName | null> {
  const all = await standingTables(tx, domain);
  return all.find((each) => each.table === table && each.modes.includes(mode)) ?? null;
}

interface StandingTable extends ProductTableName {
  product: string;
  modes: (AccessMode | null)[];
}

function standingTables(tx: Tx, { id }: Domain): Promise<StandingTable[]> {
  return tx.$queryRaw<StandingTable[]>`
    SELECT product."id"::text AS "productId", product."name" AS "product", x."name" AS "table",
      ARRAY[product."accessMode"::text, product."previousAccessMode"::text] AS "modes"
    FROM "ProductTable" x JOIN "DataProduct" product ON product."id" = x."productId"
    WHERE product."domainId" = ${id}::uuid AND product."status" IN ('PUBLISHING', 'PUBLISHED', 'DEPRECATED')`;
}
