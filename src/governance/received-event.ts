import { z } from 'zod';
import type { InboxMessage, Reception } from '../events/inbox-queue.js';
import type { LaneKey } from '../provisioning/lane.js';
import { type ActingContext, bySystem, type SystemContext } from './context.js';
import { takeCrawlerState } from './crawler-state.js';
import { takeDomainEvent } from './domain-event.js';
import { inWords, readFaults } from './event-fault.js';
import { jsonProblem } from './json-value.js';
import { takeQualityResult } from './quality-result.js';
import { hold, QuarantineFull, withoutRoom } from './quarantine.js';
import { inTransaction, type Tx } from './transaction.js';
import { MOST_DETAIL_BYTES, RESERVED_SOURCES, type ReceivedEvent, Untaken } from './untaken.js';
import { takeWorkflowAnswer } from './workflow-answer.js';

/**
 * What the accounts of the mesh tell over EventBridge (design: events.md, the inbox). `account` of the envelope is set by the service
 * and the only thing that says who sent it: what the detail names must belong to the domain of that account.
 */

/** Takes one event in the caller's transaction; throws Untaken before it writes anything. Answers the lanes to wake. */
type Take = (ctx: ActingContext, tx: Tx, event: ReceivedEvent) => Promise<LaneKey[]>;

/** What Meshgate knows by source and detail-type; everything else is a domain's own. */
const KNOWN: Record<string, Take> = {
  'aws.glue Glue Crawler State Change': takeCrawlerState,
  'aws.glue-dataquality Data Quality Evaluation Results Available': takeQualityResult,
  'data-domain-state-change data-domain-crawler-update': takeWorkflowAnswer,
};

/** The envelope of EventBridge (user guide, "Events in Amazon EventBridge"), as far as it is read. */
const envelope = z.object({
  id: z.string().regex(/^[\w-]{1,100}$/),
  account: z.string().regex(/^\d{12}$/),
  source: z.string().min(1).max(256),
  'detail-type': z.string().min(1).max(128),
  time: z.iso.datetime({ offset: true }),
  detail: z.record(z.string(), z.unknown()),
});

/** Whose share of the inbox's work a message takes up: its account's; what AWS tells of an account does not wait behind what the account does. */
export function laneOf(body: string): string {
  const { account, source } = readNames(body);
  if (account === null) return 'unknown';
  return source?.startsWith('aws.') ? `${account}/aws` : account;
}

/**
 * Which messages of one account, by their ids, are sure to be LEFT: those of types that nobody registered, once the account has no room
 * left. So what floods an account without room costs a statement for many.
 */
export async function leftAtOnce(
  { db }: SystemContext,
  messages: Pick<InboxMessage, 'id' | 'body'>[],
): Promise<Set<string>> {
  const read = messages.map(({ id, body }) => ({ id, named: readNames(body) }));
  const account = read[0]?.named.account ?? null;
  if (account === null || read.some(({ named }) => named.account !== account)) return new Set();
  const unheard = read
    .filter(({ named }) => KNOWN[`${named.source} ${named.detailType}`] === undefined)
    .map(({ id, named }) => ({ id, key: keyOf(id, named), detailType: named.detailType }));
  const places = await withoutRoom(db, { account, events: unheard });
  return new Set(unheard.flatMap(({ id }, place) => (places.has(place) ? [id] : [])));
}

/** What an event is known by. */
function keyOf(messageId: string, { account, eventId }: ReturnType<typeof readNames>): string {
  return account && eventId ? `${account}/${eventId}` : `message/${messageId}`;
}

/** Takes one message of the inbox in one transaction: what comes again is known, and what cannot be taken is held with the reason. */
export async function takeMessage(
  ctx: SystemContext,
  { id, body }: Pick<InboxMessage, 'id' | 'body'>,
): Promise<Reception> {
  const named = readNames(body);
  const key = keyOf(id, named);
  try {
    const { reception, lanes } = await inTransaction(ctx.db, async (tx) => {
      const noted = await tx.$executeRaw`INSERT INTO "ReceivedEvent" ("key") VALUES (${key}) ON CONFLICT DO NOTHING`;
      if (noted === 0) return { reception: 'KNOWN' as const, lanes: [] };
      try {
        const acting = { mesh: ctx.mesh, ...bySystem(named.eventId) };
        return { reception: 'TAKEN' as const, lanes: await judge(acting, tx, body) };
      } catch (error) {
        if (!(error instanceof Untaken)) throw error;
        await hold(tx, { key, body, ...named, reason: error.reason, explanation: error.message });
        return { reception: 'QUARANTINED' as const, lanes: [] };
      }
    });
    if (reception === 'TAKEN') ctx.committed(lanes);
    return reception;
  } catch (error) {
    if (error instanceof QuarantineFull) return 'LEFT';
    throw error;
  }
}

/** Judges the text of an event and takes it in the caller's transaction. Throws Untaken, before anything is written. */
export async function judge(ctx: ActingContext, tx: Tx, text: string): Promise<LaneKey[]> {
  const event = readEvent(text);
  const { account, source, detailType } = event;
  if (RESERVED_SOURCES.has(source) && account !== ctx.mesh.governanceAccount) {
    throw new Untaken('FORGED_SOURCE', `${source} is what Meshgate itself tells; ${account} is another account.`);
  }
  const take = KNOWN[`${source} ${detailType}`] ?? takeDomainEvent;
  return take(ctx, tx, event);
}

function readEvent(text: string): ReceivedEvent {
  const given = parsed(text);
  if (given === undefined) throw new Untaken('NOT_JSON', 'The message is not JSON.');
  const shallow = jsonProblem(given, Number.POSITIVE_INFINITY);
  if (shallow !== null) throw new Untaken('NOT_STORABLE', `The event ${shallow}`);
  const { success, data, error } = envelope.safeParse(given);
  if (!success) {
    throw new Untaken('NOT_AN_EVENT', `The message is no event: ${inWords(readFaults(error, ''))}`);
  }
  const problem = jsonProblem(data.detail, MOST_DETAIL_BYTES);
  if (problem !== null) throw new Untaken('TOO_LARGE', `detail ${problem}`);
  const { id, account, source, time, detail, 'detail-type': detailType } = data;
  return { id, account, source, detailType, time: new Date(time), detail };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Who sent what, as far as it can be read: of what is no event, too. */
function readNames(text: string) {
  const given = parsed(text);
  const of = (name: string, pattern: RegExp): string | null => {
    const value = typeof given === 'object' && given !== null ? (given as Record<string, unknown>)[name] : undefined;
    return typeof value === 'string' && pattern.test(value) && jsonProblem(value, 1_024) === null ? value : null;
  };
  return {
    account: of('account', /^\d{12}$/),
    eventId: of('id', /^[\w-]{1,100}$/),
    source: of('source', /^.{1,256}$/s),
    detailType: of('detail-type', /^.{1,128}$/s),
  };
}
