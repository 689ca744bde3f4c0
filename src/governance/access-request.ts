import type { Classification } from '../generated/prisma/client.js';
import { approveExtension } from './access-extension.js';
import {
  type ApproveAccessRequestInput,
  type AskedInput,
  approveAccessRequest as approveAccessRequestInput,
  type CancelAccessRequestInput,
  cancelAccessRequest as cancelAccessRequestInput,
  checkFuture,
  checkPrincipals,
  type RejectAccessRequestInput,
  type RequestAccessInput,
  rejectAccessRequest as rejectAccessRequestInput,
  requestAccess as requestAccessInput,
} from './access-request.input.js';
import { accountsCutOff, CUT_OFF, unlessCutOff } from './account-revocation.js';
import { announceAccess } from './announce.js';
import { filterFor, judgeScope, refuseWrites } from './asked-scope.js';
import { assertCan } from './authorization.js';
import { claim, grantOwner } from './claims.js';
import type { Context } from './context.js';
import { askedTables, desiredAccess, givenByNameAlone } from './desired-access.js';
import { conflict, invalid, wrongState } from './error.js';
import { globalId } from './global-id.js';
import { assertPlanned, type Declarations } from './planned.js';
import { judgeAnswers } from './request-template.js';
import {
  accessSubject,
  databaseNow,
  domainSubject,
  type GrantRow,
  lockGrant,
  lockProduct,
  lockRequest,
  type ProductRow,
  type ProductWithTables,
  productSubject,
  type RequestRow,
  readDomain,
  readTables,
} from './rows.js';
import { settled } from './settled.js';
import { mutate, type Tx } from './transaction.js';
import { ACCESS_REQUEST, DATA_PRODUCT, step } from './transitions.js';
import { read } from './validation.js';

/** Asks, for a domain, that principals of its account may read a published product. */
export async function requestAccess(ctx: Context, input: RequestAccessInput): Promise<{ accessRequestId: string }> {
  const asked = read(requestAccessInput, input);
  return mutate(ctx, { mutation: 'requestAccess', idempotencyKey: input.idempotencyKey, input }, async (tx) => {
    const product = await lockProduct(tx, asked.dataProduct);
    const { consumer, data } = await judgeRequest(ctx, tx, { asked, product });
    const answered = await judgeAnswers(tx, { productId: product.id, given: asked.answers });
    const row = await tx.accessRequest.create({ data: { ...data, ...answered } });
    const { principals, permissions, tables, columns, rowFilter, accessMode, grantTo } = row;
    const { purpose, expiresAt, status, requestedBy } = row;
    await announceAccess(tx, ctx, {
      type: 'AccessRequested',
      access: { ...row, product, consumerDomain: consumer },
      data: {
        ...{
          requestedBy,
          principals,
          permissions,
          tables,
          columns,
          rowFilter,
          accessMode,
          grantTo,
          purpose,
          expiresAt,
        },
        after: { status },
      },
    });
    return { ids: { accessRequestId: row.id } };
  });
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
    expiresAt: asked.expiresAt ?? null,
    approvedAs: null,
  };
  return { product: full, consumer, data };
}

/** Approves: the grant comes to be and what it needs of AWS is declared. Nobody approves his own request. */
export async function approveAccessRequest(
  ctx: Context,
  input: ApproveAccessRequestInput,
): Promise<{ accessRequestId: string; accessGrantId: string }> {
  const { accessRequest: id, comment, expiresAt, ...looked } = read(approveAccessRequestInput, input);
  return mutate(ctx, { mutation: 'approveAccessRequest', idempotencyKey: input.idempotencyKey, input }, async (tx) => {
    const extended = await lockExtended(tx, id);
    const request = await lockRequest(tx, id);
    assertCan(ctx.viewer, 'access-request:approve', accessSubject(request));
    const status = step(ACCESS_REQUEST, request.status, 'approve');
    if (extended !== null) {
      assertPlanned([], looked, request.status);
      const end = grantedUntil(request, { expiresAt: expiresAt ?? null, now: await databaseNow(tx) });
      await decide(ctx, tx, { request, status, comment });
      const accessGrant = globalId('AccessGrant', extended.id);
      const data = { ...decision(ctx, { request, status, comment }), accessGrant, expiresAt: end };
      await announceAccess(tx, ctx, { type: 'AccessApproved', access: request, data });
      await approveExtension(ctx, tx, extended, end);
      return { ids: { accessRequestId: id, accessGrantId: extended.id } };
    }
    const locked = await lockProduct(tx, request.productId);
    step(DATA_PRODUCT, locked.status, 'approve');
    const product = await readTables(tx, locked);
    refuseVanished(request, product);
    const end = grantedUntil(request, { expiresAt: expiresAt ?? null, now: await databaseNow(tx) });
    await decide(ctx, tx, { request, status, comment, approvedAs: product.classification });
    const consumer = request.consumerDomain;
    const needed = desiredAccess(ctx.mesh, { request, product, consumer });
    const cutOff = await accountsCutOff(ctx, tx, [product.id]);
    const resources = unlessCutOff(ctx, needed, { cutOff, product, consumer });
    const waits = resources === needed ? {} : { accountCutAt: new Date(), reason: CUT_OFF };
    const grant = await tx.accessGrant.create({
      data: { requestId: id, productId: product.id, consumerDomainId: consumer.id, expiresAt: end, ...waits },
    });
    const owner = grantOwner(grant);
    const declared: Declarations = [];
    const lanes = await claim(tx, { owner, resources, correlationId: ctx.correlationId, declared });
    assertPlanned(declared, looked, request.status);
    await announceAccess(tx, ctx, {
      type: 'AccessApproved',
      access: request,
      data: {
        ...decision(ctx, { request, status, comment }),
        accessGrant: globalId('AccessGrant', grant.id),
        expiresAt: end,
      },
    });
    await settled(ctx.mesh, tx, owner);
    return { ids: { accessRequestId: id, accessGrantId: grant.id }, lanes };
  });
}

/** The grant that a request wants to extend. It is locked before the request: what ends a grant closes its requests too. */
async function lockExtended(tx: Tx, id: string): Promise<GrantRow | null> {
  const request = await tx.accessRequest.findUnique({ where: { id }, select: { extendsId: true } });
  return request?.extendsId ? lockGrant(tx, request.extendsId) : null;
}

/** The product may have changed since it was asked for: what is not there any more cannot be granted. */
export function refuseVanished(request: Omit<RequestRow, 'product'>, product: ProductWithTables): void {
  const there = askedTables(request, product);
  const tables = request.tables.filter((name) => !there.some((table) => table.name === name));
  const columns = request.columns.filter(
    (column) => !there.some(({ name, columns }) => columns?.some((one) => `${name}.${one}` === column)),
  );
  const missing = [...tables, ...columns];
  if (missing.length > 0) {
    throw conflict(
      `The product has no ${missing.join(', ')} any more: reject the request, and let him ask for what there is.`,
    );
  }
  // A grant that opens nothing would wait for AWS for ever.
  if (there.length === 0) {
    throw conflict(
      `A ${product.classification} product opens no sensitive column by tag, and it has no others: reject the request.`,
    );
  }
  if (request.rowFilter !== null) filterFor(request.rowFilter, request.tables, product);
  refuseWrites(request, product, request.consumerDomain);
  if (product.accessMode === 'LF_TBAC' && givenByNameAlone(request, product)) {
    throw conflict('The product is given by tag now, as a whole: reject the request, and let him ask anew.');
  }
}

/** An approval may shorten what was asked, never lengthen it. */
function grantedUntil(
  { expiresAt: asked }: RequestRow,
  { expiresAt, now }: { expiresAt: Date | null; now: Date },
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
  return expiresAt ?? asked;
}

/** Rejects. Nobody rejects his own request: he cancels it. */
export async function rejectAccessRequest(
  ctx: Context,
  input: RejectAccessRequestInput,
): Promise<{ accessRequestId: string }> {
  const { accessRequest: id, comment } = read(rejectAccessRequestInput, input);
  return mutate(ctx, { mutation: 'rejectAccessRequest', idempotencyKey: input.idempotencyKey, input }, async (tx) => {
    const request = await lockRequest(tx, id);
    assertCan(ctx.viewer, 'access-request:reject', accessSubject(request));
    const status = step(ACCESS_REQUEST, request.status, 'reject');
    await decide(ctx, tx, { request, status, comment });
    const data = decision(ctx, { request, status, comment });
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

interface Decision {
  request: RequestRow;
  status: RequestRow['status'];
  comment: string | null | undefined;
}

async function decide(ctx: Context, tx: Tx, decided: Decision & { approvedAs?: Classification }): Promise<void> {
  const { request, status, comment, approvedAs } = decided;
  const decidedBy = ctx.viewer.subject;
  await tx.accessRequest.update({
    where: { id: request.id },
    data: { status, decidedBy, decidedAt: new Date(), comment: comment ?? null, approvedAs: approvedAs ?? null },
  });
}

const decision = (ctx: Context, { request, status, comment }: Decision) => ({
  before: { status: request.status },
  after: { status },
  decidedBy: ctx.viewer.subject,
  comment: comment ?? null,
});
