import { z } from 'zod';
import { SYSTEM_ACTOR } from '../events/types.js';
import { resourceId } from '../provisioning/resource.js';
import { announceProduct } from './announce.js';
import type { ActingContext, SystemContext } from './context.js';
import { readContract } from './contract-document.js';
import { inCatalogue } from './contract-store.js';
import { crawlRunOf } from './desired-crawl.js';
import { invalid } from './error.js';
import { CHANGE_KINDS, type ContractChangeKind } from './odcs/change-kind.js';
import { typeChangeOf } from './odcs/diff-tables.js';
import { oneByOne } from './one-by-one.js';
import { claimAnew } from './product-claims.js';
import { lockLiveGrants, lockProduct, type ProductWithTables, readTables } from './rows.js';
import { type ColumnShape, keepSchemaVersion, schemaChanges, shapesOf, type TableShape } from './tables.js';
import { inTransaction, type Tx } from './transaction.js';

/** What a crawler left behind on the table: columns and partition keys with their Hive types. */
const crawled = z.object({
  columns: z.array(z.object({ name: z.string(), type: z.string() })),
  partitionKeys: z.array(z.object({ name: z.string(), type: z.string() })).default([]),
});

/** How what a crawler found breaks the contract in force; `path` is written as ODCS writes references. */
export interface ContractViolation {
  path: string;
  kind: ContractChangeKind;
  message: string;
}

/**
 * The product with its due crawls: of the tables that nobody gave columns, or of all of them where that is asked for. Without a crawler's
 * role there is none. A crawl is named after its table's row: asking again while it runs changes nothing.
 */
export function withCrawls(product: ProductWithTables, { all }: { all: boolean }): ProductWithTables {
  const able = product.domain.crawlerRoleArn !== null && product.domain.provisioning === 'DIRECT';
  if (all && !able) {
    throw invalid('crawl', "crawl: the product's domain has no crawlerRoleArn, or runs its crawlers itself.");
  }
  if (!able) return product;
  const due = (table: ProductWithTables['tables'][number]) => all || table.columns.length === 0;
  return {
    ...product,
    tables: product.tables.map((table) => (due(table) ? { ...table, crawlRun: table.crawlRun ?? table.id } : table)),
  };
}

/** Keeps which crawls are due. The product's row is locked. */
export async function keepCrawls(tx: Tx, { tables }: ProductWithTables): Promise<void> {
  for (const { id, crawlRun } of tables) {
    if (crawlRun !== null) await tx.productTable.update({ where: { id }, data: { crawlRun } });
  }
}

/** Takes over what crawlers found that are done; returns of how many products. */
export async function finishCrawls(ctx: SystemContext): Promise<number> {
  const crawling = await ctx.db.dataProduct.findMany({
    where: { tables: { some: { crawlRun: { not: null } } }, status: { in: ['PUBLISHING', 'PUBLISHED', 'DEPRECATED'] } },
    select: { id: true },
  });
  return oneByOne(crawling, async ({ id }) => {
    const lanes = await inTransaction(ctx.db, (tx) => finish(ctx, tx, id));
    if (lanes !== null) ctx.committed(lanes);
    return lanes !== null;
  });
}

async function finish(ctx: SystemContext, tx: Tx, id: string) {
  await lockLiveGrants(tx, id);
  const product = await readTables(tx, await lockProduct(tx, id));
  // Read again: an approval that held the product until now has added its grant.
  const grants = await lockLiveGrants(tx, id);
  const found = await foundTables(ctx, tx, product);
  if (found.size === 0) return null;
  const system = { mesh: ctx.mesh, actor: SYSTEM_ACTOR, correlationId: crypto.randomUUID() };
  await takeOver(system, tx, product, found);
  return claimAnew(system, tx, { product: await readTables(tx, product), grants });
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
 * breaks the contract in force is told.
 */
async function takeOver(
  ctx: ActingContext,
  tx: Tx,
  product: ProductWithTables,
  found: Map<string, ColumnShape[]>,
): Promise<void> {
  const before = shapesOf(product.tables);
  const known = await knownColumns(tx, product);
  const seen = before.map((table) => ({
    ...table,
    columns: found.get(table.name) ?? known.get(table.name) ?? table.columns,
  }));
  const after = before.map((table, index) => (table.columns.length === 0 ? (seen[index] as TableShape) : table));
  const contract = await tx.dataContract.findFirst({ where: { productId: product.id, status: 'ACTIVE' } });
  const promised =
    contract === null ? [] : readContract({ text: contract.document, path: 'dataContract', lenient: true }).tables;
  const violations = brokenBy(promised, found);
  const published = inCatalogue(product);
  if ([...found].some(([name, columns]) => textOf(columns) !== textOf(known.get(name) ?? []))) {
    await keepSchemaVersion(tx, { productId: product.id, tables: seen, source: 'CRAWLER', violations });
  }
  for (const { id, name, columns } of product.tables) {
    const filled = found.get(name);
    if (filled === undefined) continue;
    await tx.productTable.update({ where: { id }, data: { crawlRun: null } });
    if (columns.length > 0) continue;
    await tx.productColumn.createMany({
      data: filled.map((column, position) => ({ ...column, tableId: id, position })),
    });
  }
  if (JSON.stringify(before) !== JSON.stringify(after)) {
    const data = { source: 'CRAWLER', ...schemaChanges(before, after) };
    await announceProduct(tx, ctx, { type: 'SchemaChanged', product, published, data });
  }
  if (violations.length === 0 || contract === null) return;
  const data = { version: contract.version, violations };
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
