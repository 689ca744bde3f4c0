import { toEntry } from '../events/entries.js';
import { readPattern } from '../events/event-pattern.js';
import { matchesPattern } from '../events/event-pattern-match.js';
import { EVENT_COLUMNS, type EventRow, toLogEvent } from '../events/read.js';
import type { LogEvent } from '../events/types.js';
import { type Domain, Prisma } from '../generated/prisma/client.js';
import { assertCan } from './authorization.js';
import type { Context } from './context.js';
import { effectivePattern } from './desired-event-route.js';
import { invalid } from './error.js';
import { checkPattern } from './event-route.input.js';
import { domainSubject, readDomain } from './rows.js';
import { readsEventsOf } from './token-scope.js';

/** How many numbers of the log one call looks at. */
const LOOKED_AT = 5_000;

/** Which past events of the log a pattern would have matched, newest first. */
export interface PatternTest {
  /** How many events of the domain were held against the pattern. */
  examined: number;
  ids: string[];
  hasNextPage: boolean;
  endCursor: string | null;
}

/** Holds a pattern against the past events that a domain may see, as its route would: evaluated here, nothing is called. */
export async function testEventPattern(
  ctx: Context,
  { domain: domainId, pattern }: { domain: string; pattern: unknown },
  page: { first: number; after?: string | null | undefined },
): Promise<PatternTest> {
  const domain = await readDomain(ctx.db, domainId);
  assertCan(ctx.viewer, 'domain:change-routes', domainSubject(domain));
  checkPattern(ctx.mesh, domain, pattern as Record<string, unknown>);
  const wanted = readPattern(effectivePattern(ctx.mesh, domain, pattern));
  const { events, lowest, first } = await readPast(ctx, domain, beforeOf(page.after));
  const found: LogEvent[] = [];
  let examined = 0;
  let last = lowest;
  for (const event of events) {
    examined += 1;
    if (!readsEventsOf(ctx.viewer, event.subject.type)) continue;
    if (!matchesPattern(wanted, envelopeOf(ctx, domain, event))) continue;
    found.push(event);
    last = event.seq;
    if (found.length === page.first) break;
  }
  if (found.length < page.first) last = lowest;
  const hasNextPage = first !== null && last > first;
  return { examined, ids: found.map(({ id }) => id), hasNextPage, endCursor: hasNextPage ? String(last) : null };
}

function beforeOf(after: string | null | undefined): bigint | null {
  if (after === undefined || after === null) return null;
  if (!/^[1-9]\d{0,17}$/.test(after)) throw invalid('after', '`after` is `endCursor` of an earlier page.');
  return BigInt(after);
}

/** The domain's events among the numbers below `before`, newest first; `lowest` is where the look ended. */
async function readPast({ db }: Context, domain: Domain, before: bigint | null) {
  const [bounds] = await db.$queryRaw<{ head: bigint; first: bigint | null }[]>`
    SELECT (SELECT "seq" FROM "EventHead") AS head, (SELECT min("seq") FROM "Event") AS first`;
  const { head, first } = bounds as { head: bigint; first: bigint | null };
  const end = before !== null && before <= head ? before : head + 1n;
  const lowest = end > BigInt(LOOKED_AT) ? end - BigInt(LOOKED_AT) : 1n;
  const rows = await db.$queryRaw<EventRow[]>`
    SELECT ${Prisma.raw(EVENT_COLUMNS)} FROM "Event" WHERE "seq" < ${end} AND "seq" >= ${lowest}
      AND ("audiencePublic" OR ${domain.id}::uuid = ANY ("audienceDomains")) ORDER BY "seq" DESC`;
  return { events: rows.map(toLogEvent), lowest, first };
}

/** The event as it stands on the central bus (EventBridge user guide, event structure). */
function envelopeOf({ mesh }: Context, domain: Domain, event: LogEvent): Record<string, unknown> {
  const { source, detailType, resources, time, detail } = toEntry(event, {
    bus: mesh.centralBusName,
    names: new Map([[domain.id, domain.name]]),
  });
  return {
    ...{
      version: '0',
      source,
      'detail-type': detailType,
      account: mesh.governanceAccount,
      region: mesh.region,
      resources,
    },
    time: `${time.toISOString().slice(0, 19)}Z`,
    detail: JSON.parse(detail),
  };
}
