import { Prisma } from '../generated/prisma/client.js';
import { lockName, type Tx } from './transaction.js';

/** Where a table's files are: its location without the last slash; null where none is given yet. */
export const placeOf = ({ location }: { location: string | null }): string | null =>
  location === null ? null : location.replace(/\/$/, '');

/** The same as SQL, of a column that holds a location. */
export const placeIn = (location: Prisma.Sql): Prisma.Sql => Prisma.sql`rtrim(${location}, '/')`;

/** Whether two places share files, as SQL: they are the same, or one lies within the other. */
export const placesMeet = (one: Prisma.Sql, other: Prisma.Sql): Prisma.Sql =>
  Prisma.sql`(${one} = ${other} OR starts_with(${one}, ${other} || '/') OR starts_with(${other}, ${one} || '/'))`;

/** A domain's places are taken by one product after another, until the transaction ends. Before any resource row is locked. */
export async function lockPlaces(tx: Tx, { domainId }: { domainId: string }): Promise<void> {
  await lockName(tx, `places ${domainId}`);
}
