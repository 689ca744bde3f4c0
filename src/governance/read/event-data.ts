import type { LogEvent } from '../../events/types.js';
import type { Viewer } from '../context.js';
import { join, type Sql, sql } from './select.js';
import { readsDetailsOfEvent, steersEvent } from './visible.js';

/** What an event about access tells those who may not read the details: who asked for what, when, for whom, and what became of it. */
const OPEN =
  `tags classification dataProduct accessRequest accessGrant consumerDomain extends before after requestedBy permissions tables
  columns withheldColumns purpose namedPurpose accessMode grantTo expiresAt days approvedBy approvedFor required decidedBy decidedFor commentedBy extendedBy
  revokedBy waitingSince escalatedTo`.split(/\s+/);
/** All that an event about an AWS object, or about an event that was held, tells those who may not see that. */
const OUTLINES: Record<string, string[]> = { Resource: ['kind'], QuarantinedEvent: ['detailType', 'reason'] };

/** The data of an event as the viewer may read it, over its row. */
export function eventDataSql(t: Sql, viewer: Viewer): Sql {
  if (viewer.admin) return sql`${t}."data"`;
  const outlined = Object.entries(OUTLINES).map(
    ([type, told]) =>
      sql`WHEN ${t}."subjectType" = ${type} AND (${steersEvent(t, viewer)}) IS NOT TRUE THEN ${only(t, told)}`,
  );
  return sql`CASE WHEN ${t}."subjectType" IN ('AccessRequest', 'AccessGrant') AND ${readsDetailsOfEvent(t, viewer)} IS NOT TRUE THEN ${only(t, OPEN)}
    ${join(outlined, ' ')} ELSE ${t}."data" END`;
}

const only = (t: Sql, names: string[]): Sql =>
  sql`(SELECT coalesce(jsonb_object_agg(k, v), '{}') FROM jsonb_each(${t}."data") AS told (k, v) WHERE k = ANY(${names}::text[]))`;

/** The same for an event that was read already. Roles alone decide, so that those who have the same share it. */
export function eventDataFor(
  { admin, memberships, deputyships = [] }: Pick<Viewer, 'admin' | 'memberships' | 'deputyships'>,
  { subject, domainId, audience, data }: LogEvent,
): LogEvent['data'] {
  if (admin) return data;
  const steers = (id: string | null) => id !== null && (memberships.get(id) ?? 'MEMBER') !== 'MEMBER';
  const outline = OUTLINES[subject.type];
  if (outline) return audience.domains.some(steers) ? data : pick(data, outline);
  if (subject.type !== 'AccessRequest' && subject.type !== 'AccessGrant') return data;
  const others = audience.domains.filter((id) => id !== domainId);
  const readers = others.length > 0 ? others : audience.domains;
  const deputizes = deputyships.some((one) => one.domainId === domainId);
  const told = steers(domainId) || deputizes || readers.some((id) => memberships.has(id));
  return told ? data : pick(data, OPEN);
}

function pick(data: LogEvent['data'], names: string[]): LogEvent['data'] {
  return Object.fromEntries(Object.entries(data).filter(([name]) => names.includes(name)));
}
