import { randomUUID } from 'node:crypto';
import type { Classification, SchemaSource, TableFormat } from '../generated/prisma/client.js';
import type { Mesh } from './context.js';
import { GovernanceError } from './error.js';
import { centralDatabase, GLUE_NAME_LIMIT, linkName } from './names.js';
import type { ProductWithTables, TableRow } from './rows.js';
import type { Tx } from './transaction.js';
import { columnName, glueType, liesUnder, s3Location, tableName } from './validation.js';

/** A column as fields or a contract state it. `type` is a Hive type. */
export interface ColumnShape {
  name: string;
  type: string;
  description: string | null;
  required: boolean;
  primaryKey: boolean;
  partition: boolean;
  pii: boolean;
  classification: Classification | null;
}

/** A table as fields or a contract state it; location and format may come later, at the latest before publishing. */
export interface TableShape {
  name: string;
  description: string | null;
  location: string | null;
  format: TableFormat | null;
  columns: ColumnShape[];
}

export const MAX_TABLES = 200;
export const MAX_COLUMNS = 2_000;

/** The shapes of tables read from the database. */
export function shapesOf(tables: TableRow[]): TableShape[] {
  return tables.map(({ name, description, location, format, columns }) => ({
    name,
    description,
    location,
    format,
    columns: columns.map(({ id: _id, tableId: _table, position: _position, ...column }) => column),
  }));
}

/** What of a schema changed, by name and in bounds: a column as `table.column`, its type where that changed. */
export function schemaChanges(before: TableShape[], after: TableShape[]) {
  const [was, is] = [typesByName(before), typesByName(after)];
  const [names, others] = [new Set(before.map(({ name }) => name)), new Set(after.map(({ name }) => name))];
  return {
    tableChanges: {
      added: [...others].filter((name) => !names.has(name)),
      removed: [...names].filter((name) => !others.has(name)),
    },
    columnChanges: {
      added: [...is.keys()].filter((column) => !was.has(column)),
      removed: [...was.keys()].filter((column) => !is.has(column)),
      changed: [...is]
        .filter(([column, type]) => was.has(column) && was.get(column) !== type)
        .map(([column, type]) => ({ column, before: was.get(column) ?? type, after: type })),
    },
  };
}

function typesByName(tables: TableShape[]): Map<string, string> {
  return new Map(tables.flatMap((table) => table.columns.map(({ name, type }) => [`${table.name}.${name}`, type])));
}

interface NewTables {
  productId: string;
  tables: TableShape[];
  source: SchemaSource;
  /** What of it breaks the contract in force. */
  violations?: object[];
}

/**
 * Replaces a product's tables and columns, and keeps what they look like from now on as a schema version. Three statements, however
 * many columns. The product's row is locked or new.
 */
export async function replaceTables(tx: Tx, { productId, tables, source }: NewTables): Promise<void> {
  const rows = tables.map((table, position) => ({ ...table, id: randomUUID(), productId, position }));
  const columns = rows.flatMap(({ id: tableId, columns }) =>
    columns.map((column, position) => ({ ...column, id: randomUUID(), tableId, position })),
  );
  await tx.productTable.deleteMany({ where: { productId } });
  await tx.$executeRaw`
    INSERT INTO "ProductTable" ("id", "productId", "position", "name", "description", "location", "format")
    SELECT "id", "productId", "position", "name", "description", "location", "format"
    FROM jsonb_to_recordset(${JSON.stringify(rows.map(({ columns: _, ...row }) => row))}::jsonb)
      AS rows("id" uuid, "productId" uuid, "position" int, "name" text, "description" text, "location" text, "format" "TableFormat")`;
  await tx.$executeRaw`
    INSERT INTO "ProductColumn" ("id", "tableId", "position", "name", "type", "description", "required", "primaryKey", "partition",
      "pii", "classification")
    SELECT "id", "tableId", "position", "name", "type", "description", "required", "primaryKey", "partition", "pii", "classification"
    FROM jsonb_to_recordset(${JSON.stringify(columns)}::jsonb)
      AS rows("id" uuid, "tableId" uuid, "position" int, "name" text, "type" text, "description" text, "required" bool,
        "primaryKey" bool, "partition" bool, "pii" bool, "classification" "Classification")`;
  await keepSchemaVersion(tx, { productId, tables, source });
}

/** Keeps what a product's tables look like from now on. The product's row is locked or new. */
export async function keepSchemaVersion(tx: Tx, { productId, tables, source, violations }: NewTables): Promise<void> {
  const broken = violations === undefined ? null : JSON.stringify(violations);
  await tx.$executeRaw`
    INSERT INTO "SchemaVersion" ("id", "productId", "number", "source", "tables", "violations")
    SELECT ${randomUUID()}::uuid, ${productId}::uuid, coalesce(max("number"), 0) + 1, ${source}::"SchemaSource",
      ${JSON.stringify(tables)}::jsonb, ${broken}::jsonb
    FROM "SchemaVersion" WHERE "productId" = ${productId}::uuid`;
}

/** Refuses to publish what AWS could not hold: every reason at once. */
export function assertPublishable(mesh: Mesh, product: ProductWithTables): void {
  const violations = product.tables.flatMap((table) => tableProblems(mesh, product, table));
  if (product.tables.length === 0) {
    violations.push({
      path: 'tables',
      reason: 'The product has no tables: register some, or activate a contract that has.',
    });
  }
  if (product.tables.length > MAX_TABLES) {
    violations.push({ path: 'tables', reason: `The product has more than ${MAX_TABLES} tables.` });
  }
  if (violations.length === 0) return;
  const message = violations.map(({ path, reason }) => `${path}: ${reason}`).join(' ');
  throw new GovernanceError('VALIDATION', message, { path: violations[0]?.path ?? '', violations });
}

type Violation = { path: string; reason: string };

function tableProblems(mesh: Mesh, { name: product, domain }: ProductWithTables, table: TableRow): Violation[] {
  const path = `tables.${table.name}`;
  const at = (field: string, reason: string | null): Violation[] =>
    reason ? [{ path: `${path}.${field}`, reason }] : [];
  const longest = Math.max(
    linkName(domain.name, product, table.name).length,
    centralDatabase(mesh, domain, 'tbac').length,
  );
  return [
    ...at(
      'name',
      longest > GLUE_NAME_LIMIT
        ? `Its link's name would exceed ${GLUE_NAME_LIMIT} characters: choose shorter names.`
        : null,
    ),
    ...at('name', firstIssue(tableName, table.name)),
    ...at('location', locationProblem(table.location, domain.dataLocation)),
    ...at('format', table.format === null ? 'Say in which format its files are: the contract names none.' : null),
    ...columnProblems(table.columns).map(({ column, reason }) => ({
      path: `${path}.columns${column === null ? '' : `.${column}`}`,
      reason,
    })),
  ];
}

/** Why a product's table cannot have these columns; `column` null where it is about all of them. */
export function columnProblems(
  columns: readonly Pick<ColumnShape, 'name' | 'type'>[],
): { column: string | null; reason: string }[] {
  const seen = new Set<string>();
  const each = columns.flatMap(({ name, type }) => {
    const twice = seen.has(name) ? 'There is another column of that name.' : null;
    seen.add(name);
    return [firstIssue(columnName, name), firstIssue(glueType, type), twice].flatMap((reason) =>
      reason === null ? [] : [{ column: name, reason }],
    );
  });
  const many =
    columns.length > MAX_COLUMNS ? [{ column: null, reason: `There are more than ${MAX_COLUMNS} columns.` }] : [];
  return [...many, ...each];
}

/** Why a table cannot be at the location: it must be in S3, under what the domain registered with Lake Formation. */
export function locationProblem(location: string | null, dataLocation: string): string | null {
  if (location === null) return 'Say where its files are: the contract names no S3 server.';
  const issue = firstIssue(s3Location, location);
  if (issue !== null) return issue;
  return liesUnder(location.replace(/\/$/, ''), dataLocation)
    ? null
    : `${location} is not under the domain's data location ${dataLocation}.`;
}

type Schema = {
  safeParse(value: unknown): { success: boolean; error?: { issues: { message: string }[] } | undefined };
};

function firstIssue(schema: Schema, value: string): string | null {
  const result = schema.safeParse(value);
  return result.success ? null : (result.error?.issues[0]?.message ?? 'Is not valid.');
}
