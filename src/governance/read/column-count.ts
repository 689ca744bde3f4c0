import { Prisma } from '../../generated/prisma/client.js';

/**
 * Columns of tables that one answer holds at most. What a query says of `tables { columns }` tells nothing of their number: a product may
 * have 200 tables of 2,000 columns, and a page a hundred products.
 */
export const MOST_COLUMNS = 20_000;

/** Of the root of a negative number (PostgreSQL error codes, 2201F): nothing else that is read takes a root. */
const TOO_MANY = '2201F';

/**
 * An aggregate over columns, where the statement has not come to too many by them; else it fails, before the rest of them is read. The
 * count is a setting of the transaction, which the statement is by itself: so it takes no statement more, and begins anew with the next.
 */
export function countingColumns(list: Prisma.Sql): Prisma.Sql {
  const before = Prisma.sql`coalesce(nullif(current_setting('meshgate.columns', true), ''), '0')::bigint`;
  const now = Prisma.sql`set_config('meshgate.columns', (${before} + count(*))::text, true)::bigint`;
  return Prisma.sql`CASE WHEN ${now} <= ${Prisma.raw(String(MOST_COLUMNS))} THEN ${list} ELSE to_json(sqrt(-1 - count(*))) END`;
}

/** An answer came to more columns than it may hold, where it is not one statement that reads them. */
class TooManyColumns extends Error {
  override readonly name = 'TooManyColumns';
}

/** Counts the columns of one answer, as many as are given each time; throws beyond MOST_COLUMNS. */
export function columnCounter(): (columns: number) => void {
  let total = 0;
  return (columns) => {
    total += columns;
    if (total > MOST_COLUMNS) throw new TooManyColumns(`${total} columns are more than ${MOST_COLUMNS}.`);
  };
}

/** Whether it was for their columns that they could not be answered. */
export function isTooManyColumns(error: unknown): boolean {
  return error instanceof TooManyColumns || (error instanceof Error && 'code' in error && error.code === TOO_MANY);
}
