import type { AccessApproval } from '../generated/prisma/client.js';
import { planAlternatives } from '../provisioning/plan.js';
import { approveExtension, overtaken } from './access-extension.js';
import {
  type ApproveAccessRequestInput,
  approveAccessRequest as approveAccessRequestInput,
  checkFuture,
} from './access-request.input.js';
import { decide, decision } from './access-request.js';
import { accountsCutOff, unlessCutOff } from './account-revocation.js';
import { announceAccess } from './announce.js';
import { refuseVanished } from './asked-scope.js';
import { assertCan } from './authorization.js';
import { grantOwner } from './claims.js';
import type { Context } from './context.js';
import { type Capacity, capacitiesOf, holdCapacity, requestersOf } from './deputyship.js';
import { desiredAccess } from './desired-access.js';
import { conflict, forbidden, invalid, wrongState } from './error.js';
import { globalId } from './global-id.js';
import { grantAccess, settleGrant } from './grant-access.js';
import { assertOutcomes, assertPlanned } from './planned.js';
import {
  type Approver,
  approvalsText,
  approvalsThatDo,
  areSame,
  type Decision,
  decideAccess,
  isBarred,
  mayApprove,
  refuseAnswer,
  refuseDenied,
} from './policy-decision.js';
import { daysUntil } from './policy-facts.js';
import {
  decisionNews,
  holdJudged,
  type Judged,
  judgedDigest,
  recordDecision,
  viewerIn,
  withLapsed,
} from './policy-judging.js';
import {
  accessSubject,
  type GrantRow,
  lockGrant,
  lockProduct,
  lockRequest,
  type ProductWithTables,
  type RequestRow,
  readTables,
} from './rows.js';
import { mutate, type Outcome, type Tx } from './transaction.js';
import { ACCESS_REQUEST, DATA_PRODUCT, step } from './transitions.js';
import { read } from './validation.js';

type Ids = { accessRequestId: string; accessGrantId: string };

/** Claims as a grant does that is not made yet. */
export const NEW_GRANT = grantOwner({ id: '00000000-0000-0000-0000-000000000000' });

/**
 * Gives one approval. Where the policies want no more, the grant comes to be and what it needs of AWS is declared; else the request
 * waits, and `accessGrantId` is empty. Nobody approves his own request, nor another end of what he asked for.
 */
export async function approveAccessRequest(ctx: Context, input: ApproveAccessRequestInput): Promise<Ids> {
  const { accessRequest: id, comment, expiresAt, onBehalfOf, ...looked } = read(approveAccessRequestInput, input);
  return mutate(ctx, { mutation: 'approveAccessRequest', idempotencyKey: input.idempotencyKey, input }, async (tx) => {
    const extended = await lockExtended(tx, id);
    const request = await lockRequest(tx, id);
    assertCan(ctx.viewer, 'access-request:approve', accessSubject(request));
    if (extended !== null) assertCan(ctx.viewer, 'access-request:approve', accessSubject(extended));
    step(ACCESS_REQUEST, request.status, 'approve');
    const product = await approvable(tx, request);
    const given = await giveApproval(ctx, tx, {
      ...{ request, product, comment: comment ?? null, expiresAt: expiresAt ?? null },
      capacities: capacitiesOf(ctx, accessSubject(request), {
        ...{ requesters: requestersOf(request, extended), onBehalfOf },
      }),
    });
    const approval: Approval = { request, extended, product, comment, looked, ...given };
    if (given.decided.outcome === 'NEEDS_APPROVAL') return waitForMore(ctx, tx, approval);
    return extended === null ? approve(ctx, tx, approval) : approveEnd(ctx, tx, { ...approval, extended });
  });
}

/** The grant that a request wants to extend. It is locked before the request: what ends a grant closes its requests too. */
async function lockExtended(tx: Tx, id: string): Promise<GrantRow | null> {
  const request = await tx.accessRequest.findUnique({ where: { id }, select: { extendsId: true } });
  return request?.extendsId ? lockGrant(tx, request.extendsId) : null;
}

/** The product as it is now. It is locked where a grant may come of it, and must still have what was asked. */
async function approvable(tx: Tx, request: RequestRow): Promise<ProductWithTables> {
  if (request.extendsId !== null) return readTables(tx, request.product);
  const locked = await lockProduct(tx, request.productId);
  step(DATA_PRODUCT, locked.status, 'approve');
  const product = await readTables(tx, locked);
  refuseVanished(request, product);
  return product;
}

interface Given {
  decided: Decision;
  /** The digest of what was judged: part of what a plan is held to. */
  judged: string;
  /** Until when it would be granted, by all approvals so far. */
  until: Date | null;
  /** In whose place, where a deputy approves. */
  decidedFor: string | undefined;
}

interface Approval extends Given {
  request: RequestRow;
  extended: GrantRow | null;
  product: ProductWithTables;
  comment: string | null | undefined;
  looked: { planDigest?: string | null | undefined; acceptChangedPlan?: boolean | null | undefined };
}

/** Writes the viewer's approval down, unless the policies say that it cannot count, and asks them what all approvals come to. */
async function giveApproval(
  ctx: Context,
  tx: Tx,
  asked: Pick<Approval, 'request' | 'product'> & {
    comment: string | null;
    expiresAt: Date | null;
    capacities: Capacity[];
  },
): Promise<Given> {
  const { request, product, comment, expiresAt, capacities } = asked;
  const consumer = request.consumerDomain;
  const asAsked = await holdJudged(ctx, tx, { request, product, consumer });
  const { approvedUntil, now, facts, factsDigest, extendedUntil } = asAsked;
  const until = grantedUntil(request, { expiresAt, approvedUntil, now });
  refuseNearer(request, { expiresAt, until, extendedUntil });
  const judged = { ...asAsked, facts: { ...facts, days: daysUntil(until, now) } };
  const approver = approverAmong(ctx, { judged, product, consumer, capacities });
  const capacity = capacities.find((one) => one?.standsInFor === approver.standsInFor?.subject) ?? null;
  await holdCapacity(tx, capacity);
  const lapsed = asAsked.lapsed.filter((other) => !areSame(other, approver));
  const decided = withLapsed(decidedWith(judged, approver), lapsed);
  refuseDenied(decided);
  if (decided.outcome !== 'AUTO_APPROVED') refuseIneligible(judged, approver);
  const { subject: approvedBy, role, admin: asAdmin } = approver;
  const decidedFor = approver.standsInFor?.subject;
  const isNew = await refuseSecond(tx, { request, decided, approvedBy, decidedFor, factsDigest });
  if (isNew) {
    const { requestedBy, id: requestId } = request;
    const given = { approvedBy, approvedFor: decidedFor ?? null, role, asAdmin, comment, expiresAt, factsDigest };
    await tx.accessApproval.create({ data: { requestId, requestedBy, ...given } });
  }
  await recordDecision(tx, request.id, { decision: decided, facts: judged.facts, factsDigest });
  return { decided, until, decidedFor, judged: judgedDigest(asAsked) };
}

interface Second {
  request: RequestRow;
  decided: Decision;
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
  { request, decided, approvedBy, decidedFor, factsDigest }: Second,
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
    const needed = decided.required.length > 0 ? `; it needs ${approvalsText(decided.required)}` : '';
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
const decidedWith = (judged: Judged, approver: Approver): Decision =>
  decideAccess(judged, [...judged.approvers.filter((other) => !areSame(other, approver)), approver]);

/**
 * The viewer in the first of his roles in which no more is needed; else in the first in which his word counts, or for the policies to say
 * why it does not.
 */
function approverAmong(ctx: Context, { judged, product, consumer, capacities }: Choice): Approver {
  const approvers = capacities.flatMap((capacity) => viewerIn(ctx, { judged, capacity, product, consumer }) ?? []);
  const allowed = approvers.filter((approver) => !isBarred(judged, approver));
  const [first] = allowed;
  if (first === undefined) {
    throw forbidden(
      'People decide: neither a service account, nor who registered the one that asks, nor a deputy for either.',
    );
  }
  if (allowed.length === 1) return first;
  const possible = approvalsThatDo(judged);
  const completing = allowed.find((approver) => decidedWith(judged, approver).outcome === 'APPROVED');
  return completing ?? allowed.find((approver) => mayApprove(judged, { approver, possible }).allowed) ?? first;
}

function refuseIneligible(judged: Judged, approver: Approver): void {
  const answer = mayApprove(judged, { approver, possible: approvalsThatDo(judged) });
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

/** The approval stands; the request waits for others. What was looked at is what they will be shown. */
async function waitForMore(ctx: Context, tx: Tx, approval: Approval): Promise<Outcome<Ids>> {
  const { request, extended, product, decided, judged, comment, looked, until } = approval;
  if (looked.planDigest) {
    const outcomes = extended === null ? await plannedOutcomes(ctx, tx, { request, product }) : [];
    assertOutcomes(outcomes, { ...looked, policyVersion: decided.version, judged }, request.status);
  }
  const { decidedFor: approvedFor } = approval;
  const data = {
    ...{ approvedBy: ctx.viewer.subject, ...(approvedFor === undefined ? {} : { approvedFor }) },
    ...{ comment: comment ?? null, expiresAt: until, ...decisionNews(decided) },
  };
  await announceAccess(tx, ctx, {
    type: 'AccessApprovalGiven',
    access: request,
    data: { ...data, required: decided.required.map(({ owners, stewards }) => ({ owners, stewards })) },
  });
  return { ids: { accessRequestId: request.id, accessGrantId: '' } };
}

async function plannedOutcomes(
  ctx: Context,
  tx: Tx,
  { request, product }: { request: RequestRow; product: ProductWithTables },
) {
  const consumer = request.consumerDomain;
  const cutOff = await accountsCutOff(ctx, tx, [product.id]);
  const needed = desiredAccess(ctx.mesh, { request, product, consumer });
  const resources = unlessCutOff(ctx, needed, { cutOff, product, consumer });
  const [found] = await planAlternatives(tx, [[{ owner: NEW_GRANT, resources }]]);
  if (found instanceof Error) throw conflict(found.message);
  return found ?? [];
}

async function approve(ctx: Context, tx: Tx, approval: Approval): Promise<Outcome<Ids>> {
  const { request, product, comment, looked, decided, judged, until, decidedFor } = approval;
  const closing = { request, status: step(ACCESS_REQUEST, request.status, 'approve'), comment, decidedFor };
  await decide(ctx, tx, { ...closing, approvedAs: product.classification });
  const granted = await grantAccess(ctx, tx, { request, product, consumer: request.consumerDomain, until });
  assertPlanned(granted.declared, { ...looked, policyVersion: decided.version, judged }, request.status);
  const accessGrant = globalId('AccessGrant', granted.grantId);
  const data = { ...decision(ctx, closing), ...decisionNews(decided), accessGrant, expiresAt: until };
  await announceAccess(tx, ctx, { type: 'AccessApproved', access: request, data });
  await settleGrant(ctx, tx, granted);
  return { ids: { accessRequestId: request.id, accessGrantId: granted.grantId }, lanes: granted.lanes };
}

async function approveEnd(ctx: Context, tx: Tx, approval: Approval & { extended: GrantRow }): Promise<Outcome<Ids>> {
  const { request, extended, comment, looked, decided, judged, until, decidedFor } = approval;
  assertPlanned([], { ...looked, policyVersion: decided.version, judged }, request.status);
  const closing = { request, status: step(ACCESS_REQUEST, request.status, 'approve'), comment, decidedFor };
  await decide(ctx, tx, closing);
  const accessGrant = globalId('AccessGrant', extended.id);
  const data = { ...decision(ctx, closing), ...decisionNews(decided), accessGrant, expiresAt: until };
  await announceAccess(tx, ctx, { type: 'AccessApproved', access: request, data });
  await approveExtension(ctx, tx, extended, until);
  return { ids: { accessRequestId: request.id, accessGrantId: extended.id } };
}
