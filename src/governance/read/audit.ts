import type { Viewer } from '../context.js';
import { parseGlobalId, resourceSubjectId } from '../global-id.js';
import { INTERACTIVE } from '../token-scope.js';
import type { ConnectionList, Order } from './connection.js';
import { eventShape } from './event.js';
import { plain, type Shape, type Sql, sql } from './select.js';
import { governedAudience, governsEvent } from './visible.js';

/** An event as the audit trail shows it: with all that is kept of who did it, and with its hash. */
const auditEntryShape: Shape = {
  ...eventShape,
  type: 'AuditEntry',
  scope: INTERACTIVE,
  always: ['id', 'sequence'],
  columns: {
    ...plain('id', 'occurredAt', 'correlationId', 'causationId', 'data'),
    // Of what two domains share, the other's auditors learn who did it, not with which token and from where.
    actor: (t, viewer) =>
      sql`CASE WHEN ${governsEvent(t, viewer)} THEN ${t}."actor" ELSE ${t}."actor" - 'tokenId' - 'address' END`,
    sequence: (t) => sql`${t}."seq"::text`,
    action: (t) => sql`${t}."type"`,
    about: (t) => sql`${t}."subject"`,
    before: (t) => sql`${t}."data" -> 'before'`,
    after: (t) => sql`${t}."data" -> 'after'`,
    decision: (t) => sql`${t}."data" -> 'policy'`,
    hash: (t) => sql`encode(${t}."hash", 'hex')`,
  },
  documents: ['data', 'before', 'after', 'decision'],
  visible: governedAudience,
};

const latestFirst: Order = {
  name: 'seq DESC',
  descending: true,
  keys: [{ sql: (r) => sql`${r}."seq"`, cast: 'bigint' }],
};

/** AuditFilter, decoded: the domain is a uuid, actions are PascalCase. */
interface AuditFilter {
  actor?: string | null;
  actions?: string[] | null;
  /** A global id. */
  subject?: string | null;
  subjectType?: string | null;
  domain?: string | null;
  from?: Date | null;
  until?: Date | null;
  correlationId?: string | null;
  tokenId?: string | null;
}

export const auditTrail: ConnectionList = {
  shape: () => auditEntryShape,
  order: () => latestFirst,
  filter: (r, args, viewer) => conditionsOf(r, (args.filter ?? {}) as AuditFilter, viewer),
};

function conditionsOf(r: Sql, filter: AuditFilter, viewer: Viewer): Sql[] {
  const conditions: Sql[] = [];
  if (filter.actor) conditions.push(sql`${r}."actor" ->> 'subject' = ${filter.actor}`);
  if (filter.actions) conditions.push(sql`${r}."type" = ANY(${filter.actions}::text[])`);
  if (filter.subject) conditions.push(isAbout(r, filter.subject));
  if (filter.subjectType) conditions.push(sql`${r}."subjectType" = ${filter.subjectType}`);
  if (filter.domain) conditions.push(sql`${r}."domainId" = ${filter.domain}::uuid`);
  if (filter.from) conditions.push(sql`${r}."occurredAt" >= ${filter.from}`);
  if (filter.until) conditions.push(sql`${r}."occurredAt" < ${filter.until}`);
  if (filter.correlationId) conditions.push(sql`${r}."correlationId" = ${filter.correlationId}`);
  if (filter.tokenId)
    conditions.push(sql`${r}."actor" ->> 'tokenId' = ${filter.tokenId} AND ${governsEvent(r, viewer)}`);
  return conditions;
}

/** An id that can name nothing finds nothing. */
function isAbout(r: Sql, id: string): Sql {
  const parsed = parseGlobalId(id);
  if (parsed === null) return sql`false`;
  const subjectId = parsed.type === 'Resource' ? resourceSubjectId(parsed.id) : parsed.id;
  return sql`(${r}."subjectId" = ${subjectId}::uuid AND ${r}."subjectType" = ${parsed.type})`;
}
