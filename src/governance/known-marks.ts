import { type Classification, Prisma } from '../generated/prisma/client.js';
import { isStricter, strictest } from './confidentiality.js';
import { placeIn, placeOf, placesMeet } from './place.js';
import type { ProductWithTables } from './rows.js';
import type { Tx } from './transaction.js';

/**
 * What was known of data before it came into a product. Marks stand on columns and products, and files stay where they are: whoever drops a
 * column and takes it in again, gives a table another name, or publishes another product where one was, has the same data. So what comes
 * is held against the strictest marks that it ever had in the domain: by the names of table and column in the product itself, and in any of
 * its products by the table's place. Files that were copied, and columns that were renamed, are other data to Meshgate.
 */
interface Coming {
  /** The product as it was; null: it was never published, and what its drafts said binds nobody. */
  was: ProductWithTables | null;
  /** As it becomes. */
  product: ProductWithTables;
}

type Table = ProductWithTables['tables'][number];
type Column = Table['columns'][number];
/** What is known of a column: the strictest of what it was. */
type Marks = Pick<Column, 'pii' | 'classification'>;

/** What was known by now, by `table.column`; `classification`: of products that had tables where new or moved tables are. */
interface Known {
  classification: Classification | null;
  marks: Map<string, Marks>;
}

/**
 * The product as it was, and with it what comes to it now as it was known before: what a change is held against. Where nothing comes that was
 * known, it is as it was. One statement where something comes, else none.
 */
export async function asKnown(tx: Tx, { was, product }: Coming): Promise<ProductWithTables> {
  const before = was ?? product;
  const known = await readKnown(tx, { was, product });
  if (known.marks.size === 0 && known.classification === null) return before;
  const classification = strictest([before.classification, ...(known.classification ? [known.classification] : [])]);
  const names = new Set(before.tables.flatMap((table) => table.columns.map(nameIn(table))));
  const marked = (table: Table, of: { classification: Classification }) => (column: Column) =>
    stricter(column, { known: known.marks.get(nameIn(table)(column)), of });
  const there = before.tables.map((table) => ({ ...table, columns: table.columns.map(marked(table, before)) }));
  const back = product.tables.map((table) => {
    const columns = table.columns.filter((column) => !names.has(nameIn(table)(column)));
    return { ...table, columns: columns.map(marked(table, product)) };
  });
  return { ...before, classification, tables: [...there, ...back.filter(({ columns }) => columns.length > 0)] };
}

/** Columns that come to tables of a published product from elsewhere, with the marks that they had: a crawler knows none. */
export async function withKnownMarks<T extends Marks & { name: string }>(
  tx: Tx,
  product: ProductWithTables,
  found: Map<string, T[]>,
): Promise<Map<string, T[]>> {
  const come = product.tables.flatMap((table) => {
    const columns = found.get(table.name) ?? [];
    return columns.length === 0 ? [] : [coming(table, { columns, fresh: false })];
  });
  const { marks } = await readMarks(tx, product, come);
  const kept = (table: string, columns: T[]) =>
    columns.map((column) => stricter(column, { known: marks.get(`${table}.${column.name}`), of: product }));
  return new Map([...found].map(([table, columns]) => [table, kept(table, columns)]));
}

const nameIn =
  ({ name }: { name: string }) =>
  (column: { name: string }): string =>
    `${name}.${column.name}`;

/** The column as strict as it is known; its own classification stays where what is known is no stricter. */
function stricter<T extends Marks>(
  column: T,
  { known, of }: { known: Marks | undefined; of: { classification: Classification } },
): T {
  if (known === undefined) return column;
  const above =
    known.classification !== null && isStricter(known.classification, column.classification ?? of.classification);
  return { ...column, pii: column.pii || known.pii, ...(above ? { classification: known.classification } : {}) };
}

/** What comes to a table: columns that it did not have, or all of them where the table is new or moved (`fresh`). */
interface ComingTable {
  table: string;
  place: string | null;
  fresh: boolean;
  columns: string[];
}

const coming = (table: Table, { columns, fresh }: { columns: { name: string }[]; fresh: boolean }): ComingTable => ({
  ...{ table: table.name, place: placeOf(table), fresh },
  columns: columns.map(({ name }) => name),
});

function readKnown(tx: Tx, { was, product }: Coming): Promise<Known> {
  const earlier = new Map(was?.tables.map((table) => [table.name, table]));
  const come = product.tables.flatMap((table) => {
    const before = earlier.get(table.name);
    if (before === undefined || placeOf(before) !== placeOf(table)) {
      return [coming(table, { columns: table.columns, fresh: true })];
    }
    const had = new Set(before.columns.map(({ name }) => name));
    const columns = table.columns.filter(({ name }) => !had.has(name));
    return columns.length === 0 ? [] : [coming(table, { columns, fresh: false })];
  });
  return readMarks(tx, product, come);
}

/** What was never published binds nobody, and what a crawler found has no marks. */
async function readMarks(tx: Tx, product: ProductWithTables, come: ComingTable[]): Promise<Known> {
  if (come.length === 0) return { classification: null, marks: new Map() };
  const meet = placesMeet(Prisma.sql`come."place"`, Prisma.sql`earlier."place"`);
  const [read] = await tx.$queryRaw<{ classification: Classification | null; marks: (Marks & { column: string })[] }[]>`
    WITH come AS (
      SELECT * FROM jsonb_to_recordset(${JSON.stringify(come)}::jsonb) AS come("table" text, "place" text, "fresh" bool, "columns" text[])
    ), earlier AS (
      SELECT p."id" = ${product.id}::uuid AS "own", p."classification", x."name" AS "table", ${placeIn(Prisma.sql`x."location"`)} AS "place",
        x."columns" AS "known"
      FROM "DataProduct" p JOIN "SchemaVersion" v ON v."productId" = p."id" AND v."source" <> 'CRAWLER'
      CROSS JOIN LATERAL jsonb_to_recordset(v."tables") AS x("name" text, "location" text, "columns" jsonb)
      WHERE p."domainId" = ${product.domainId}::uuid
        AND (p."status" IN ('PUBLISHING', 'PUBLISHED', 'DEPRECATED') OR p."publishedAt" IS NOT NULL)
    ), met AS (
      SELECT come."table", come."fresh", come."columns", earlier."own", earlier."classification", earlier."known"
      FROM come JOIN earlier ON (earlier."own" AND earlier."table" = come."table") OR ${meet}
    ), marks AS (
      SELECT met."table" || '.' || c."name" AS "column", coalesce(bool_or(c."pii"), false) AS "pii",
        max(coalesce(c."classification", CASE WHEN met."own" THEN NULL ELSE met."classification" END)) AS "classification"
      FROM met CROSS JOIN LATERAL jsonb_to_recordset(met."known") AS c("name" text, "pii" bool, "classification" "Classification")
      WHERE c."name" = ANY (met."columns") GROUP BY met."table", c."name"
    )
    SELECT (SELECT max(met."classification") FROM met WHERE met."fresh" AND NOT met."own") AS "classification",
      (SELECT coalesce(jsonb_agg(to_jsonb(marks)), '[]') FROM marks) AS "marks"`;
  const { classification, marks } = read as NonNullable<typeof read>;
  return { classification, marks: new Map(marks.map(({ column, ...known }) => [column, known])) };
}
