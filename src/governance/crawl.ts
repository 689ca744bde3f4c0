import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { LaneKey } from '../provisioning/lane.js';
import { resourceId } from '../provisioning/resource.js';
import { announceProduct } from './announce.js';
import { type ActingContext, asSystem, type Context, type SystemContext } from './context.js';
import { readContract } from './contract-document.js';
import { inCatalogue } from './contract-store.js';
import { crawlRunOf } from './desired-crawl.js';
import { invalid } from './error.js';
import { withholdUnopened } from './grant-growth.js';
import { withKnownMarks } from './known-marks.js';
import { CHANGE_KINDS, type ContractChangeKind } from './odcs/change-kind.js';
import { typeChangeOf } from './odcs/diff-tables.js';
import { oneByOne } from './one-by-one.js';
import { claimAnew, claimProduct } from './product-claims.js';
import { lockLiveGrants, lockProduct, type ProductWithTables, readTables } from './rows.js';
import {
  type ColumnShape,
  columnProblems,
  keepSchemaVersion,
  schemaChanges,
  shapesOf,
  type TableShape,
} from './tables.js';
import { inTransaction, type Tx } from './transaction.js';

/** What a crawler left behind on the table: columns and partition keys with their Hive types. */
const crawled = z.object({
  columns: z.array(z.object({ name: z.string(), type: z.string() })),
  partitionKeys: z.array(z.object({ name: z.string(), type: z.string() })).default([]),
});

/**
 * How what a crawler found breaks the contract in force, or is what a product cannot have; `path` is written as ODCS writes references.
 */
export interface ContractViolation {
  path: string;
  kind: ContractChangeKind | 'COLUMN_REFUSED';
  message: string;
}

const crawls = ({ crawlerRoleArn, provisioning }: ProductWithTables['domain']) =>
  crawlerRoleArn !== null && provisioning === 'DIRECT';

/**
 * The product with its due crawls: of the tables that nobody gave columns, or of all of them where that is asked for. Without a crawler's
 * role there is none. A crawl under way stays as it is; each other is a run of its own. Of a draft no table was ever crawled: its runs
 * are named after the tables' rows, so that a plan names the same.
 */
export function withCrawls(product: ProductWithTables, { all }: { all: boolean }): ProductWithTables {
  const able = crawls(product.domain);
  if (all && !able) {
    throw invalid('crawl', "crawl: the product's domain has no crawlerRoleArn, or runs its crawlers itself.");
  }
  if (!able) return product;
  const due = (table: ProductWithTables['tables'][number]) => all || table.columns.length === 0;
  const run = ({ id }: { id: string }) => (product.status === 'DRAFT' ? id : randomUUID());
  return {
    ...product,
    tables: product.tables.map((table) => (due(table) ? { ...table, crawlRun: table.crawlRun ?? run(table) } : table)),
  };
}

/** The product with the crawls alone that are under way: one that failed, or has no role any more, ends. */
export async function withCrawlsUnderWay(
  { mesh }: Pick<ActingContext, 'mesh'>,
  tx: Tx,
  product: ProductWithTables,
): Promise<ProductWithTables> {
  const ids = product.tables.flatMap((table) => crawlRunOf(mesh, product, table) ?? []).map(resourceId);
  const found = await tx.resource.findMany({
    where: { id: { in: ids }, desired: 'PRESENT', status: { not: 'FAILED' } },
    select: { id: true },
  });
  const underWay = new Set(found.map(({ id }) => id));
  const tables = product.tables.map((table) => {
    const run = crawlRunOf(mesh, product, table);
    return run !== undefined && underWay.has(resourceId(run)) ? table : { ...table, crawlRun: null };
  });
  return { ...product, tables };
}

/** Keeps which crawls are due. The product's row is locked. */
export async function keepCrawls(tx: Tx, { tables }: ProductWithTables): Promise<void> {
  const runs = tables.map(({ id, crawlRun }) => ({ id, crawlRun }));
  await tx.$executeRaw`
    UPDATE "ProductTable" x SET "crawlRun" = run."crawlRun"
    FROM jsonb_to_recordset(${JSON.stringify(runs)}::jsonb) AS run("id" uuid, "crawlRun" text)
    WHERE x."id" = run."id" AND x."crawlRun" IS DISTINCT FROM run."crawlRun"`;
}

/** Begins a crawl anew whose run failed, as a failed run never ends otherwise; null where the resource is none. */
export async function crawlAgain(ctx: ActingContext, tx: Tx, id: string): Promise<LaneKey[] | null> {
  const [failed] = await tx.$queryRaw<{ productId: string }[]>`
    SELECT claim."ownerId"::text AS "productId" FROM "Resource" run JOIN "ResourceClaim" claim ON claim."resourceId" = run."id"
    WHERE run."id" = ${id} AND run."kind" = 'CrawlerRun' AND run."status" = 'FAILED'
      AND claim."ownerType" = 'DATA_PRODUCT' AND claim."releasedAtGeneration" IS NULL`;
  if (failed === undefined) return null;
  const product = await readTables(tx, await lockProduct(tx, failed.productId));
  const tables = product.tables.map((table) => {
    const run = crawlRunOf(ctx.mesh, product, table);
    return run !== undefined && resourceId(run) === id ? { ...table, crawlRun: randomUUID() } : table;
  });
  const again = { ...product, tables };
  await keepCrawls(tx, again);
  return claimProduct(ctx, tx, again);
}

/** Policies say which of the columns that were found live grants grow by. */
export type CrawlContext = SystemContext & Pick<Context, 'policies'>;

/** Takes over what crawlers found that are done, and ends crawls that have no role any more; returns of how many products. */
export async function finishCrawls(ctx: CrawlContext): Promise<number> {
  const ended = await ctx.db.$queryRaw<{ id: string }[]>`
    SELECT product."id"::text FROM "DataProduct" product JOIN "Domain" home ON home."id" = product."domainId"
    WHERE product."status" IN ('PUBLISHING', 'PUBLISHED', 'DEPRECATED')
      AND EXISTS (SELECT FROM "ProductTable" x WHERE x."productId" = product."id" AND x."crawlRun" IS NOT NULL)
      AND (home."crawlerRoleArn" IS NULL OR home."provisioning" = 'DELEGATED' OR EXISTS (
        SELECT FROM "ResourceClaim" claim JOIN "Resource" run ON run."id" = claim."resourceId"
        WHERE claim."ownerType" = 'DATA_PRODUCT' AND claim."ownerId" = product."id" AND claim."releasedAtGeneration" IS NULL
          AND run."kind" = 'CrawlerRun' AND run."status" = 'READY' AND run."desired" = 'PRESENT'
          AND run."observedGeneration" = run."generation"))
    ORDER BY random() LIMIT 50`;
  return oneByOne(ended, async ({ id }) => {
    const lanes = await inTransaction(ctx.db, (tx) => finish(ctx, tx, id));
    if (lanes !== null) ctx.committed(lanes);
    return lanes !== null;
  });
}

async function finish(ctx: CrawlContext, tx: Tx, id: string) {
  await lockLiveGrants(tx, id);
  const product = await readTables(tx, await lockProduct(tx, id));
  // Read again: an approval that held the product until now has added its grant.
  const grants = await lockLiveGrants(tx, id);
  if (!crawls(product.domain)) {
    await tx.productTable.updateMany({ where: { productId: id }, data: { crawlRun: null } });
    return [];
  }
  const found = await withKnownMarks(tx, product, await foundTables(ctx, tx, product));
  if (found.size === 0) return null;
  const system = { ...asSystem(ctx), policies: ctx.policies };
  await takeOver(system, tx, product, found);
  const after = await readTables(tx, product);
  const grown = await withholdUnopened(system, tx, { before: product, product: after, grants });
  return claimAnew(system, tx, { product: after, grants: grown });
}

/** The columns of the tables whose crawl is done, by name. */
async function foundTables(
  { mesh }: SystemContext,
  tx: Tx,
  product: ProductWithTables,
): Promise<Map<string, ColumnShape[]>> {
  const found = new Map<string, ColumnShape[]>();
  for (const table of product.tables) {
    const run = crawlRunOf(mesh, product, table);
    if (run === undefined) continue;
    const row = await tx.resource.findUnique({ where: { id: resourceId(run) } });
    if (row?.status !== 'READY' || row.desired !== 'PRESENT' || row.observedGeneration !== row.generation) continue;
    const read = crawled.safeParse(row.observed);
    if (read.success) found.set(table.name, columnsFrom(read.data));
  }
  return found;
}

function columnsFrom({ columns, partitionKeys }: z.output<typeof crawled>): ColumnShape[] {
  const column = (partition: boolean) => (one: { name: string; type: string }) => ({
    ...{ name: one.name, type: one.type, partition },
    ...{ description: null, required: false, primaryKey: false, pii: false, classification: null },
  });
  return [...columns.map(column(false)), ...partitionKeys.map(column(true))];
}

/**
 * What was found becomes a schema version where it is another schema than is known, and the columns of tables that had none; what
 * breaks the contract in force is told, and what a product cannot have: its table stays without columns, as files are read by the place
 * of each column.
 */
async function takeOver(
  ctx: ActingContext,
  tx: Tx,
  product: ProductWithTables,
  found: Map<string, ColumnShape[]>,
): Promise<void> {
  const before = shapesOf(product.tables);
  const known = await knownColumns(tx, product);
  const refused = before.flatMap(({ name, columns }) =>
    columns.length > 0 ? [] : refusedColumns(name, found.get(name) ?? []),
  );
  const fills = ({ name, columns }: { name: string; columns: unknown[] }) =>
    columns.length === 0 && found.has(name) && !refused.some(({ table }) => table === name);
  const seen = before.map((table) => ({
    ...table,
    columns: found.get(table.name) ?? known.get(table.name) ?? table.columns,
  }));
  const after = before.map((table, index) => (fills(table) ? (seen[index] as TableShape) : table));
  const contract = await tx.dataContract.findFirst({ where: { productId: product.id, status: 'ACTIVE' } });
  const promised =
    contract === null ? [] : readContract({ text: contract.document, path: 'dataContract', lenient: true }).tables;
  const violations = [...refused.map(({ table: _, ...one }) => one), ...brokenBy(promised, found)];
  const published = inCatalogue(product);
  if ([...found].some(([name, columns]) => textOf(columns) !== textOf(known.get(name) ?? []))) {
    await keepSchemaVersion(tx, { productId: product.id, tables: seen, source: 'CRAWLER', violations });
  }
  for (const table of product.tables) {
    const filled = found.get(table.name);
    if (filled === undefined) continue;
    await tx.productTable.update({ where: { id: table.id }, data: { crawlRun: null } });
    if (!fills(table)) continue;
    await tx.productColumn.createMany({
      data: filled.map((column, position) => ({ ...column, tableId: table.id, position })),
    });
  }
  if (JSON.stringify(before) !== JSON.stringify(after)) {
    const data = { source: 'CRAWLER', ...schemaChanges(before, after) };
    await announceProduct(tx, ctx, { type: 'SchemaChanged', product, published, data });
  }
  if (violations.length === 0) return;
  const data = { contractVersion: contract?.version ?? null, violations };
  await announceProduct(tx, ctx, { type: 'ContractViolated', product, published, data });
}

/** The columns of the newest schema version, by table: those that the crawls before this one found, or that were stated since. */
async function knownColumns(tx: Tx, { id }: ProductWithTables): Promise<Map<string, ColumnShape[]>> {
  const newest = await tx.schemaVersion.findFirst({ where: { productId: id }, orderBy: { number: 'desc' } });
  const tables = (newest?.tables ?? []) as unknown as TableShape[];
  return new Map(tables.map(({ name, columns }) => [name, columns]));
}

/** What a crawler can tell of columns. */
const textOf = (columns: ColumnShape[]) =>
  JSON.stringify(columns.map(({ name, type, partition }) => [name, type, partition]));

/** What of the columns that were found a product cannot have. */
function refusedColumns(table: string, columns: ColumnShape[]): (ContractViolation & { table: string })[] {
  return columnProblems(columns).map(({ column, reason }) => ({
    table,
    path: column === null ? `schema/${table}` : `schema/${table}/properties/${column}`,
    kind: 'COLUMN_REFUSED',
    message: `${column === null ? `The columns of ${table}` : `Column ${column} of ${table}`} cannot be taken over. ${reason}`,
  }));
}

/** What of the promised tables is not as promised in those that were found: columns that are gone, and types that cannot be read as before. */
export function brokenBy(promised: TableShape[], found: Map<string, ColumnShape[]>): ContractViolation[] {
  return promised.flatMap((table) => {
    const columns = found.get(table.name);
    return columns === undefined ? [] : table.columns.flatMap((column) => brokenColumn(table.name, column, columns));
  });
}

function brokenColumn(table: string, promised: ColumnShape, found: ColumnShape[]): ContractViolation[] {
  const path = `schema/${table}/properties/${promised.name}`;
  const column = found.find(({ name }) => name === promised.name);
  if (column === undefined) {
    return [
      { path, kind: 'COLUMN_REMOVED', message: `Column ${promised.name} was not found in the files of ${table}` },
    ];
  }
  const kind = typeChangeOf(promised.type, column.type);
  if (kind === undefined || !CHANGE_KINDS[kind].breaking) return [];
  const message = `Column ${promised.name} of ${table} is promised as ${promised.type} and was found as ${column.type}`;
  return [{ path, kind, message }];
}
