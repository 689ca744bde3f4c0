import type { AccessApproval } from '../generated/prisma/client.js';
import { overtaken } from './access-extension.js';
import { checkFuture } from './access-request.input.js';
import { viewerIn } from './approver.js';
import type { Context } from './context.js';
import { type Capacity, holdCapacity } from './deputyship.js';
import { conflict, forbidden, invalid, wrongState } from './error.js';
import {
  type Approver,
  approvalsMissing,
  approvalsText,
  approvalsThatDo,
  areSame,
  isBarred,
  mayApprove,
} from './policy-approvals.js';
import { type Decision, decideAccess, refuseAnswer, refuseDenied } from './policy-decision.js';
import { type Approvals, daysUntil } from './policy-facts.js';
import { holdJudged, type Judged, judgedDigest, recordDecision, withLapsed } from './policy-judging.js';
import type { ProductWithTables, RequestRow } from './rows.js';
import type { Tx } from './transaction.js';

/** What one approval comes to, with those before it. */
export interface Given {
  decided: Decision;
  /** The digest of what was judged: part of what a plan is held to. */
  judged: string;
  /** Until when it would be granted, by all approvals so far. */
  until: Date | null;
  /** In whose place, where a deputy approves. */
  decidedFor: string | undefined;
}

/** A request and its product as it is now, with what the viewer says to it and in which of his roles he may. */
interface Giving {
  request: RequestRow;
  product: ProductWithTables;
  comment: string | null;
  /** An earlier end than was asked for. */
  expiresAt: Date | null;
  capacities: Capacity[];
}

/** Writes the viewer's approval down, unless the policies say that it cannot count, and asks them what all approvals come to. */
export async function giveApproval(ctx: Context, tx: Tx, giving: Giving): Promise<Given> {
  const { request, product, comment, expiresAt, capacities } = giving;
  const consumer = request.consumerDomain;
  const asAsked = await holdJudged(ctx, tx, { request, product, consumer });
  const { approvedUntil, now, facts, factsDigest, extendedUntil } = asAsked;
  const until = grantedUntil(request, { expiresAt, approvedUntil, now });
  refuseNearer(request, { expiresAt, until, extendedUntil });
  const judged = { ...asAsked, facts: { ...facts, days: daysUntil(until, now) } };
  const approver = await approverAmong(ctx, { judged, product, consumer, capacities });
  const capacity = capacities.find((one) => one?.standsInFor === approver.standsInFor?.subject) ?? null;
  await holdCapacity(tx, capacity);
  const lapsed = asAsked.lapsed.filter((other) => !areSame(other, approver));
  const approvers = [...judged.approvers.filter((other) => !areSame(other, approver)), approver];
  const decided = withLapsed(await decideAccess(judged, approvers), lapsed);
  refuseDenied(decided);
  if (decided.outcome !== 'AUTO_APPROVED') await refuseIneligible(judged, approver);
  const { subject: approvedBy, role, admin: asAdmin } = approver;
  const decidedFor = approver.standsInFor?.subject;
  const missing = approvalsMissing(decided.required, approvers);
  const isNew = await refuseSecond(tx, { request, decided, missing, approvedBy, decidedFor, factsDigest });
  if (isNew) {
    const { requestedBy, id: requestId } = request;
    const given = { approvedBy, approvedFor: decidedFor ?? null, role, asAdmin, comment, expiresAt, factsDigest };
    await tx.accessApproval.create({ data: { requestId, requestedBy, ...given } });
  }
  await recordDecision(tx, request.id, { decision: decided, facts: judged.facts, factsDigest });
  return { decided, until, decidedFor, judged: await judgedDigest(asAsked) };
}

interface Second {
  request: RequestRow;
  decided: Decision;
  /** What it needs besides the approvals that it has. */
  missing: Approvals[];
  approvedBy: string;
  decidedFor: string | undefined;
  /** What is approved: an approval of other facts is none of these. */
  factsDigest: string;
}

/**
 * Somebody and his deputy approve once, whichever of them comes first. Where the same one's approval stands and is enough by now, it is
 * carried out: false, as there is nothing to write down.
 */
async function refuseSecond(
  tx: Tx,
  { request, decided, missing, approvedBy, decidedFor, factsDigest }: Second,
): Promise<boolean> {
  const people = [approvedBy, ...(decidedFor === undefined ? [] : [decidedFor])];
  const known = await tx.accessApproval.findMany({
    where: {
      requestId: request.id,
      factsDigest,
      OR: [{ approvedBy: { in: people } }, { approvedFor: { in: people } }],
    },
  });
  const another = known.find((one) => (one.approvedFor ?? one.approvedBy) !== (decidedFor ?? approvedBy));
  const refused = another ?? (decided.outcome === 'NEEDS_APPROVAL' ? known[0] : undefined);
  if (refused !== undefined) {
    const needed = missing.length > 0 ? `; it still needs ${approvalsText(missing)}` : '';
    throw wrongState(request.status, `${approvedAlready(refused, approvedBy)}${needed}.`);
  }
  return known.length === 0;
}

function approvedAlready({ approvedBy, approvedFor }: Pick<AccessApproval, 'approvedBy' | 'approvedFor'>, by: string) {
  const who = approvedBy === by ? 'You have' : `${approvedBy} has`;
  const inPlace = approvedFor === null ? '' : ` for ${approvedFor === by ? 'you' : approvedFor}`;
  return `${who} approved it${inPlace} already`;
}

interface Choice {
  judged: Judged;
  product: ProductWithTables;
  consumer: RequestRow['consumerDomain'];
  capacities: Capacity[];
}

/** What the policies say to all approvals and this one; whoever stands behind it approved nothing else. */
const decidedWith = (judged: Judged, approver: Approver): Promise<Decision> =>
  decideAccess(judged, [...judged.approvers.filter((other) => !areSame(other, approver)), approver]);

/**
 * The viewer in the first of his roles in which no more is needed; else in the first in which his word counts, or for the policies to say
 * why it does not.
 */
async function approverAmong(ctx: Context, { judged, product, consumer, capacities }: Choice): Promise<Approver> {
  const approvers = capacities.flatMap((capacity) => viewerIn(ctx, { judged, capacity, product, consumer }) ?? []);
  const allowed = approvers.filter((approver) => !isBarred(judged, approver));
  const [first] = allowed;
  if (first === undefined) {
    throw forbidden(
      'People decide: neither a service account, nor who made the one that asks or a secret of it, nor a deputy for either.',
    );
  }
  if (allowed.length === 1) return first;
  const possible = await approvalsThatDo(judged);
  for (const approver of allowed) if ((await decidedWith(judged, approver)).outcome === 'APPROVED') return approver;
  return allowed.find((approver) => mayApprove(judged, { approver, possible }).allowed) ?? first;
}

async function refuseIneligible(judged: Judged, approver: Approver): Promise<void> {
  const answer = mayApprove(judged, { approver, possible: await approvalsThatDo(judged) });
  refuseAnswer(judged.slice, answer, 'The policies do not let you approve this request.');
}

/** An approval may shorten what was asked, never lengthen it; of several, the earliest end holds. */
function grantedUntil(
  { expiresAt: asked }: RequestRow,
  { expiresAt, approvedUntil, now }: { expiresAt: Date | null; approvedUntil: Date | null; now: Date },
): Date | null {
  checkFuture(expiresAt, now);
  if (asked !== null && asked <= now) {
    throw wrongState(
      'PENDING',
      `Access was asked for until ${asked.toISOString()}, which has passed: reject the request.`,
    );
  }
  if (asked !== null && expiresAt !== null && expiresAt > asked) {
    throw invalid(
      'expiresAt',
      `expiresAt: access was asked for until ${asked.toISOString()}; an approval may only shorten that.`,
    );
  }
  if (approvedUntil !== null && approvedUntil <= now) {
    throw conflict(`It was approved until ${approvedUntil.toISOString()}, which has passed: reject the request.`);
  }
  const ends = [asked, expiresAt, approvedUntil].flatMap((end) => (end === null ? [] : [end.getTime()]));
  return ends.length === 0 ? null : new Date(Math.min(...ends));
}

/** Another end is asked for to have the access longer: no approval brings the end nearer than it is by now. */
function refuseNearer(
  { status }: RequestRow,
  ends: { expiresAt: Date | null; until: Date | null; extendedUntil: Date | null | undefined },
): void {
  const own = overtaken(ends.expiresAt, ends.extendedUntil);
  if (own !== null) throw invalid('expiresAt', `expiresAt: ${own}: choose a later end, or reject the request.`);
  const text = overtaken(ends.until, ends.extendedUntil);
  if (text !== null) throw wrongState(status, `${text}: reject the request.`);
}
