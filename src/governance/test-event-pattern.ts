import { toEntry } from '../events/entries.js';
import { readPattern } from '../events/event-pattern.js';
import { matchesPattern } from '../events/event-pattern-match.js';
import { EVENT_COLUMNS, type EventRow, toLogEvent } from '../events/read.js';
import type { LogEvent } from '../events/types.js';
import { Prisma } from '../generated/prisma/client.js';
import { assertCan } from './authorization.js';
import type { Context } from './context.js';
import { effectivePattern } from './desired-event-route.js';
import { invalid, notFound } from './error.js';
import { checkPattern } from './event-route.input.js';
import { readsEventsOf } from './token-scope.js';

/** How many numbers of the log one call looks at. */
const LOOKED_AT = 5_000;
/** Events read at a time: one may have a hundred kilobytes of data. */
const PAGE = 200;

/** Which past events of the log a pattern would have matched, newest first. */
export interface PatternTest {
  /** How many events of the domain were held against the pattern. */
  examined: number;
  /** The pattern as the route's rule would have it. */
  effectivePattern: Record<string, unknown>;
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
  assertCan(ctx.viewer, 'domain:change-routes', { type: 'Domain', id: domainId });
  const { domain, end, first } = await readBounds(ctx, domainId, beforeOf(page.after));
  checkPattern(ctx.mesh, domain, pattern as Record<string, unknown>);
  const ofRule = effectivePattern(ctx.mesh, domain, pattern);
  const wanted = readPattern(ofRule);
  const lowest = end > LOOKED_AT ? end - BigInt(LOOKED_AT) : 1n;
  const found: LogEvent[] = [];
  let examined = 0;
  let last = lowest;
  for await (const event of eventsBelow(ctx, { domainId, end, lowest })) {
    examined += 1;
    if (!readsEventsOf(ctx.viewer, event.subject.type)) continue;
    if (!matchesPattern(wanted, envelopeOf(ctx, domain, event))) continue;
    found.push(event);
    last = event.seq;
    if (found.length === page.first) break;
  }
  if (found.length < page.first) last = lowest;
  const hasNextPage = first !== null && last > first;
  return {
    ...{ examined, effectivePattern: ofRule, ids: found.map(({ id }) => id) },
    ...{ hasNextPage, endCursor: hasNextPage ? String(last) : null },
  };
}

function beforeOf(after: string | null | undefined): bigint | null {
  if (after === undefined || after === null) return null;
  if (!/^[1-9]\d{0,17}$/.test(after)) throw invalid('after', '`after` is `endCursor` of an earlier page.');
  return BigInt(after);
}

/** The domain's name, and between which numbers of the log there is something to look at; those looked at are below `end`. */
async function readBounds({ db }: Context, domainId: string, before: bigint | null) {
  const rows = await db.$queryRaw<{ name: string; first: bigint | null; end: bigint }[]>`
    SELECT d."name", (SELECT min("seq") FROM "Event") AS "first", least(coalesce(${before}::bigint, h."seq" + 1), h."seq" + 1) AS "end"
    FROM "EventHead" h, "Domain" d WHERE d."id" = ${domainId}::uuid`;
  const [row] = rows;
  if (row === undefined) throw notFound('The domain');
  const { name, first, end } = row;
  return { domain: { id: domainId, name }, first, end };
}

/** The domain's events from `lowest` to below `end`, newest first; reads on only while they are asked for, a page by one statement. */
async function* eventsBelow(
  { db }: Context,
  { domainId, end, lowest }: { domainId: string; end: bigint; lowest: bigint },
): AsyncGenerator<LogEvent, void> {
  for (let before = end; ; ) {
    const rows = await db.$queryRaw<EventRow[]>`
      SELECT ${Prisma.raw(EVENT_COLUMNS)} FROM "Event" WHERE "seq" < ${before} AND "seq" >= ${lowest}
        AND ("audiencePublic" OR ${domainId}::uuid = ANY ("audienceDomains")) ORDER BY "seq" DESC LIMIT ${PAGE}`;
    yield* rows.map(toLogEvent);
    if (rows.length < PAGE) return;
    before = BigInt(rows.at(-1)!.seq);
  }
}

/** The event as it stands on the central bus (EventBridge user guide, event structure). */
function envelopeOf({ mesh }: Context, domain: { id: string; name: string }, event: LogEvent): Record<string, unknown> {
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
