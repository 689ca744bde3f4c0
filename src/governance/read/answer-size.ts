import { Prisma } from '../../generated/prisma/client.js';

const { sql, raw } = Prisma;

/**
 * Entries that all lists without pages have at most in one answer. What a query says of `tables { columns }` tells nothing of their number:
 * a product may have 200 tables of 2,000 columns, and a page a hundred products.
 */
const MOST_ENTRIES = 20_000;

/** Bytes that all documents have at most in one answer: a contract may be of 1 MiB, and a product has a hundred. */
const MOST_BYTES = 10_000_000;

/** Of the root and of the logarithm of a negative number (PostgreSQL error codes, 2201F, 2201E): nothing else that is read takes either. */
const TOO_MANY_ENTRIES = '2201F';
const TOO_MANY_BYTES = '2201E';

/**
 * Whether the statement has come to no more than `most` of `what` by these. The count is a setting of the transaction, which the statement
 * is by itself: so it takes no statement more, and begins anew with the next.
 */
function isWithin(what: 'entries' | 'bytes', these: Prisma.Sql, most: number): Prisma.Sql {
  const name = raw(`'meshgate.${what}'`);
  const before = sql`coalesce(nullif(current_setting(${name}, true), ''), '0')::bigint`;
  return sql`set_config(${name}, (${before} + ${these})::text, true)::bigint <= ${raw(String(most))}`;
}

/** An aggregate over entries, where the statement has not come to too many by them; else it fails, before the rest of them is read. */
export function countingEntries(list: Prisma.Sql): Prisma.Sql {
  return sql`CASE WHEN ${isWithin('entries', sql`count(*)`, MOST_ENTRIES)} THEN ${list} ELSE to_json(sqrt(-1 - count(*))) END`;
}

/** A document as JSON, where the statement has not come to too many bytes by it; else it fails, before the next is read. */
export function countingBytes(document: Prisma.Sql): Prisma.Sql {
  // OFFSET keeps Postgres from reading it once for its size and once more for itself.
  const bytes = sql`coalesce(octet_length(one.document::text), 0)`;
  return sql`(SELECT CASE WHEN ${isWithin('bytes', bytes, MOST_BYTES)} THEN to_json(one.document) ELSE to_json(ln(-1 - ${bytes})) END
    FROM (SELECT ${document} AS document OFFSET 0) one)`;
}

/** An answer came to more entries than it may hold, where it is not one statement that reads them. */
class TooManyEntries extends Error {
  override readonly name = 'TooManyEntries';
}

/** Counts the entries of one answer, as many as are given each time; throws beyond MOST_ENTRIES. */
export function entryCounter(): (entries: number) => void {
  let total = 0;
  return (entries) => {
    total += entries;
    if (total > MOST_ENTRIES) throw new TooManyEntries(`${total} entries are more than ${MOST_ENTRIES}.`);
  };
}

const entries = `${MOST_ENTRIES} entries of lists without pages, such as columns of tables`;
const bytes = `${MOST_BYTES} bytes of documents, such as contracts and versions of schemas`;

/** What there was too much of for one answer, in words; undefined where it failed for anything else. */
export function tooMuchIn(error: unknown): string | undefined {
  if (error instanceof TooManyEntries) return entries;
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === TOO_MANY_ENTRIES ? entries : code === TOO_MANY_BYTES ? bytes : undefined;
}
