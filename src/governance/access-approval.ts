import { planAlternatives } from '../provisioning/plan.js';
import { approveExtension } from './access-extension.js';
import {
  type ApproveAccessRequestInput,
  approveAccessRequest as approveAccessRequestInput,
} from './access-request.input.js';
import { decide, decision } from './access-request.js';
import { accountsCutOff, unlessCutOff } from './account-revocation.js';
import { announceAccess } from './announce.js';
import { refuseVanished } from './asked-scope.js';
import { assertCan } from './authorization.js';
import { grantOwner } from './claims.js';
import type { Context } from './context.js';
import { capacitiesOf, requestersOf } from './deputyship.js';
import { desiredAccess } from './desired-access.js';
import { conflict } from './error.js';
import { type Given, giveApproval } from './give-approval.js';
import { globalId } from './global-id.js';
import { grantAccess, settleGrant } from './grant-access.js';
import { assertOutcomes, assertPlanned } from './planned.js';
import { decisionNews } from './policy-judging.js';
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

interface Approval extends Given {
  request: RequestRow;
  extended: GrantRow | null;
  product: ProductWithTables;
  comment: string | null | undefined;
  looked: { planDigest?: string | null | undefined; acceptChangedPlan?: boolean | null | undefined };
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
