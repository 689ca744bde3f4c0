import { SYSTEM_ACTOR } from '../events/types.js';
import type { Classification, Prisma } from '../generated/prisma/client.js';
import type { LaneKey } from '../provisioning/lane.js';
import {
  type AskedInput,
  type CancelAccessRequestInput,
  cancelAccessRequest as cancelAccessRequestInput,
  checkFuture,
  checkPrincipals,
  type RejectAccessRequestInput,
  type RequestAccessInput,
  rejectAccessRequest as rejectAccessRequestInput,
  requestAccess as requestAccessInput,
} from './access-request.input.js';
import { announceAccess } from './announce.js';
import { judgeScope, refuseVanished } from './asked-scope.js';
import { assertCan } from './authorization.js';
import type { Context } from './context.js';
import { capacitiesOf, holdCapacity, requestersOf } from './deputyship.js';
import { globalId } from './global-id.js';
import { grantAccess, settleGrant } from './grant-access.js';
import { type Decision, decideAccess, refuseDenied } from './policy-decision.js';
import { decisionNews, holdJudged, recordDecision } from './policy-judging.js';
import { judgeAnswers } from './request-template.js';
import {
  accessSubject,
  databaseNow,
  domainSubject,
  lockProduct,
  lockRequest,
  type ProductRow,
  type ProductWithTables,
  productSubject,
  type RequestRow,
  readDomain,
  readGrant,
  readTables,
} from './rows.js';
import { actAsSystem, mutate, type Tx } from './transaction.js';
import { ACCESS_REQUEST, DATA_PRODUCT, step } from './transitions.js';
import { read } from './validation.js';

/**
 * Asks, for a domain, that principals of its account may read a published product. The policies refuse it, grant it at once, or want
 * approvals.
 */
export async function requestAccess(ctx: Context, input: RequestAccessInput): Promise<{ accessRequestId: string }> {
  const asked = read(requestAccessInput, input);
  return mutate(ctx, { mutation: 'requestAccess', idempotencyKey: input.idempotencyKey, input }, async (tx) => {
    const locked = await lockProduct(tx, asked.dataProduct);
    const { product, consumer, data } = await judgeRequest(ctx, tx, { asked, product: locked });
    const judged = await holdJudged(ctx, tx, { request: { ...data, id: null }, product, consumer });
    const decided = await decideAccess(judged, []);
    refuseDenied(decided);
    const answered = await judgeAnswers(tx, { productId: product.id, given: asked.answers });
    const row = await tx.accessRequest.create({ data: { ...data, ...answered } });
    await recordDecision(tx, row.id, { ...judged, decision: decided });
    const request = { ...row, product, consumerDomain: consumer };
    await announceAccess(tx, ctx, { type: 'AccessRequested', access: request, data: askedNews(row, decided) });
    const lanes = decided.outcome === 'AUTO_APPROVED' ? await grantAtOnce(ctx, tx, { request, product, decided }) : [];
    return { ids: { accessRequestId: row.id }, lanes };
  });
}

/** What is told of a new request. */
function askedNews(row: Prisma.AccessRequestGetPayload<object>, decided: Decision) {
  const { requestedBy, principals, permissions, tables, columns, rowFilter, accessMode, grantTo } = row;
  const { purpose, namedPurpose, expiresAt, status } = row;
  return {
    ...{ requestedBy, principals, permissions, tables, columns, accessMode, grantTo },
    ...{ purpose, namedPurpose, expiresAt },
    rowFiltered: rowFilter !== null,
    ...decisionNews(decided),
    after: { status },
  };
}

/** Grants what the policies need nobody for: Meshgate itself approves. */
async function grantAtOnce(
  ctx: Context,
  tx: Tx,
  { request, product, decided }: { request: RequestRow; product: ProductWithTables; decided: Decision },
): Promise<LaneKey[]> {
  refuseVanished(request, product);
  await actAsSystem(tx);
  const author = { ...ctx, actor: SYSTEM_ACTOR };
  const status = step(ACCESS_REQUEST, request.status, 'approve');
  const approved = { request, status, comment: null, approvedAs: product.classification };
  await decide(author, tx, approved);
  const granted = await grantAccess(ctx, tx, {
    ...{ request, product, consumer: request.consumerDomain },
    until: request.expiresAt,
  });
  await announceAccess(tx, author, {
    type: 'AccessApproved',
    access: request,
    data: {
      ...decision(author, approved),
      ...decisionNews(decided),
      accessGrant: globalId('AccessGrant', granted.grantId),
      expiresAt: request.expiresAt,
    },
  });
  await settleGrant(ctx, tx, granted);
  return granted.lanes;
}

/**
 * Whether the viewer may ask for this, and what the request comes to; throws why not. The product's row is locked, or nothing is to
 * be written.
 */
export async function judgeRequest(
  ctx: Context,
  tx: Tx,
  { asked, product }: { asked: AskedInput; product: ProductRow },
) {
  assertCan(ctx.viewer, 'data-product:read', productSubject(product));
  const consumer = await readDomain(tx, asked.consumerDomain);
  assertCan(ctx.viewer, 'access-request:create', domainSubject(consumer));
  step(DATA_PRODUCT, product.status, 'request');
  checkPrincipals(asked.principals, consumer.awsAccountId);
  checkFuture(asked.expiresAt, await databaseNow(tx));
  const full = await readTables(tx, product);
  const data = {
    productId: product.id,
    consumerDomainId: consumer.id,
    requestedBy: ctx.viewer.subject,
    principals: asked.principals.sort(),
    ...judgeScope(asked, full, consumer),
    purpose: asked.purpose,
    namedPurpose: asked.namedPurpose ?? null,
    expiresAt: asked.expiresAt ?? null,
    approvedAs: null,
  };
  return { product: full, consumer, data };
}

/** Rejects. Nobody rejects his own request, which he cancels, nor another end of what he asked for. */
export async function rejectAccessRequest(
  ctx: Context,
  input: RejectAccessRequestInput,
): Promise<{ accessRequestId: string }> {
  const { accessRequest: id, comment, onBehalfOf } = read(rejectAccessRequestInput, input);
  return mutate(ctx, { mutation: 'rejectAccessRequest', idempotencyKey: input.idempotencyKey, input }, async (tx) => {
    const request = await lockRequest(tx, id);
    const subject = accessSubject(request);
    assertCan(ctx.viewer, 'access-request:reject', subject);
    const extended = request.extendsId === null ? null : await readGrant(tx, request.extendsId);
    if (extended !== null) assertCan(ctx.viewer, 'access-request:reject', accessSubject(extended));
    const status = step(ACCESS_REQUEST, request.status, 'reject');
    const [capacity = null] = capacitiesOf(ctx, subject, { requesters: requestersOf(request, extended), onBehalfOf });
    await holdCapacity(tx, capacity);
    const rejected = { request, status, comment, decidedFor: capacity?.standsInFor };
    await decide(ctx, tx, rejected);
    const data = decision(ctx, rejected);
    await announceAccess(tx, ctx, { type: 'AccessRejected', access: request, data });
    return { ids: { accessRequestId: id } };
  });
}

/** The requester takes his request back while nobody has decided it. */
export async function cancelAccessRequest(
  ctx: Context,
  input: CancelAccessRequestInput,
): Promise<{ accessRequestId: string }> {
  const { accessRequest: id, comment } = read(cancelAccessRequestInput, input);
  return mutate(ctx, { mutation: 'cancelAccessRequest', idempotencyKey: input.idempotencyKey, input }, async (tx) => {
    const request = await lockRequest(tx, id);
    assertCan(ctx.viewer, 'access-request:cancel', accessSubject(request));
    const status = step(ACCESS_REQUEST, request.status, 'cancel');
    await decide(ctx, tx, { request, status, comment });
    const data = decision(ctx, { request, status, comment });
    await announceAccess(tx, ctx, { type: 'AccessCancelled', access: request, data });
    return { ids: { accessRequestId: id } };
  });
}

interface Closing {
  request: RequestRow;
  status: RequestRow['status'];
  comment: string | null | undefined;
  /** In whose place, where a deputy decides. */
  decidedFor?: string | undefined;
}

/** Closes a request as decided; `approvedAs` of one that is approved. Its row is locked. */
export async function decide(
  { actor }: Pick<Context, 'actor'>,
  tx: Tx,
  decided: Closing & { approvedAs?: Classification },
): Promise<void> {
  const { request, status, comment, approvedAs, decidedFor = null } = decided;
  const decidedBy = actor.subject;
  await tx.accessRequest.update({
    where: { id: request.id },
    data: {
      ...{ status, decidedBy, decidedFor, decidedAt: new Date() },
      ...{ comment: comment ?? null, approvedAs: approvedAs ?? null },
    },
  });
}

/** What is told of a decision. */
export const decision = ({ actor }: Pick<Context, 'actor'>, { request, status, comment, decidedFor }: Closing) => ({
  before: { status: request.status },
  after: { status },
  decidedBy: actor.subject,
  ...(decidedFor === undefined ? {} : { decidedFor }),
  comment: comment ?? null,
});
