import { Prisma } from '../generated/prisma/client.js';
import { decidesHimself, deputyshipsFor, type Subjects } from './authorization.js';
import type { Context, Deputyship } from './context.js';
import { forbidden } from './error.js';
import type { Tx } from './transaction.js';

/**
 * Deciding for somebody else. Who may do so now says the view `Deputyship`, by the database's clock and by what the other is now; it is
 * read with memberships, in the same statement.
 */

/** For whom a subject may decide now, as a JSON list of `Deputyship`: an expression of a statement. */
export function deputyshipsOf(subject: string): Prisma.Sql {
  return Prisma.sql`(SELECT coalesce(json_agg(json_build_object('id', v."id", 'domainId', v."domainId", 'standsInFor', v."standsInFor",
    'role', v."role")), '[]') FROM "Deputyship" v WHERE v."deputy" = ${subject} AND v."startsIn" <= 0)`;
}

/** A role in which the viewer may decide: his own (null), or that of one for whom he stands. */
export type Capacity = Deputyship | null;

/**
 * In which roles the viewer may decide, his own first; `onBehalfOf` leaves that one alone. Throws FORBIDDEN where there is none. None of the
 * `requesters` decides, himself or through a deputy.
 */
export function capacitiesOf(
  { viewer }: Pick<Context, 'viewer'>,
  subject: Subjects['Access'],
  { requesters, onBehalfOf }: { requesters: string[]; onBehalfOf: string | null | undefined },
): Capacity[] {
  const standing = deputyshipsFor(viewer, subject).filter(({ standsInFor }) => !requesters.includes(standsInFor));
  const own: Capacity[] = decidesHimself(viewer, subject) ? [null] : [];
  const all = [...own, ...standing];
  const place = onBehalfOf ?? null;
  const found = place === null ? all : all.filter((capacity) => (capacity?.standsInFor ?? viewer.subject) === place);
  if (found.length === 0) throw forbidden(`You do not decide this request${place === null ? '' : ` for ${place}`}.`);
  return found;
}

/** Those who asked: for this, and of another end of a grant for the access itself. */
export const requestersOf = (
  { requestedBy }: { requestedBy: string },
  extended: { request: { requestedBy: string } } | null,
): string[] => [requestedBy, ...(extended === null ? [] : [extended.request.requestedBy])];

/**
 * Holds what lets the viewer decide for another until the transaction ends: whoever ends it, or the other's role, comes before or after.
 * Throws FORBIDDEN where that came before, or the time is over.
 */
export async function holdCapacity(tx: Tx, capacity: Capacity): Promise<void> {
  if (capacity === null) return;
  const held = await tx.$queryRaw<unknown[]>`
    SELECT 1 FROM "Deputy" d JOIN "DomainMember" m ON m."domainId" = d."domainId" AND m."subject" = d."standsInFor"
    WHERE d."id" = ${capacity.id}::uuid AND d."endedAt" IS NULL AND clock_timestamp() < d."until" AND m."role"::text = ${capacity.role}
    FOR SHARE`;
  if (held.length === 0) throw forbidden(`You do not stand in for ${capacity.standsInFor} any more.`);
}
