import { z } from 'zod';
import { checkFuture } from './access-request.input.js';
import { announceAccess } from './announce.js';
import { assertCan, can } from './authorization.js';
import type { Context } from './context.js';
import { conflict, invalid, wrongState } from './error.js';
import { globalId } from './global-id.js';
import { type Decision, decideAccess, refuseDenied } from './policy-decision.js';
import { decisionNews, holdJudged, recordDecision, viewerAsApprover } from './policy-judging.js';
import { accessSubject, databaseNow, type GrantRow, lockGrant, type RequestRow, readTables } from './rows.js';
import { actAsSystem, mutate, type Tx } from './transaction.js';
import { ACCESS_GRANT, step } from './transitions.js';
import { idempotencyKey, read, text, uuid } from './validation.js';

const extendAccessInput = z.object({
  accessGrant: uuid,
  expiresAt: z.date(),
  reason: text(2_000).nullish(),
  idempotencyKey,
});
export type ExtendAccessInput = z.input<typeof extendAccessInput>;

/**
 * Moves the end of a grant that still lasts. Where the policies need nobody else, at once; who asked for the access or may revoke it
 * brings an end nearer; else a request is made, and the grant ends as before until that is approved.
 */
export async function extendAccess(
  ctx: Context,
  input: ExtendAccessInput,
): Promise<{ accessGrantId: string; accessRequestId: string }> {
  const { accessGrant: id, expiresAt: until, reason } = read(extendAccessInput, input);
  return mutate(ctx, { mutation: 'extendAccess', idempotencyKey: input.idempotencyKey, input }, async (tx) => {
    const grant = await lockGrant(tx, id);
    assertCan(ctx.viewer, 'access-grant:extend', accessSubject(grant));
    const now = await databaseNow(tx);
    checkFuture(until, now);
    assertLasts(grant, now);
    if (until.getTime() === grant.expiresAt?.getTime()) {
      throw invalid('expiresAt', `expiresAt: the grant ends ${endText(until)} already.`);
    }
    if (!isLater(until, grant.expiresAt) && mayShorten(ctx, grant)) {
      await moveEnd(ctx, tx, { grant, until, reason: reason ?? null });
      return { ids: { accessGrantId: id, accessRequestId: '' } };
    }
    return { ids: { accessGrantId: id, accessRequestId: await lengthen(ctx, tx, { grant, until, reason }) } };
  });
}

/** An earlier end takes access away: for who could grant it, who may revoke it, and who asked for it. No policy stands against it. */
function mayShorten({ viewer }: Context, grant: GrantRow): boolean {
  const subject = accessSubject(grant);
  if (can(viewer, 'access-request:approve', subject)) return true;
  return viewer.subject === grant.request.requestedBy || can(viewer, 'access-grant:revoke', subject);
}

/**
 * What another end comes to by the policies, asked as if for new access from now on: refused; moved at once, where they need nobody, or
 * nobody but who asks; else a request, whose id is answered.
 */
async function lengthen(ctx: Context, tx: Tx, { grant, until, reason }: NewEnd): Promise<string> {
  const product = await readTables(tx, grant.product);
  const consumer = grant.consumerDomain;
  const asked = { ...grant.request, id: null, extendsId: grant.id, requestedBy: ctx.viewer.subject, expiresAt: until };
  const judged = await holdJudged(ctx, tx, { request: asked, product, consumer });
  const approver = can(ctx.viewer, 'access-request:approve', accessSubject(grant))
    ? viewerAsApprover(ctx, { product, consumer })
    : null;
  const decided = decideAccess(judged, approver === null ? [] : [approver]);
  refuseDenied(decided);
  if (decided.outcome !== 'NEEDS_APPROVAL') {
    if (decided.outcome === 'AUTO_APPROVED') await actAsSystem(tx);
    await moveEnd(ctx, tx, { grant, until, reason: reason ?? null, decided });
    return '';
  }
  const id = await askForEnd(ctx, tx, { grant, until, reason, decided });
  await recordDecision(tx, id, { decision: decided, facts: judged.facts });
  return id;
}

interface NewEnd {
  /** What the policies said to it, where they were asked. */
  decided?: Decision;
  /** Its row is locked. */
  grant: GrantRow;
  until: Date | null;
  reason?: string | null | undefined;
}

/** Asks for a later end: a request like the grant's own, which the same people decide. */
async function askForEnd(ctx: Context, tx: Tx, { grant, until, reason, decided }: NewEnd): Promise<string> {
  const open = await tx.accessRequest.findFirst({ where: { extendsId: grant.id, status: 'PENDING' } });
  if (open !== null) {
    throw conflict(
      `${open.requestedBy} has asked for another end already (${endText(open.expiresAt)}): wait for the decision, or have that request cancelled.`,
    );
  }
  const { principals, permissions, tables, columns, rowFilter, accessMode, grantTo } = grant.request;
  const { purpose, namedPurpose } = grant.request;
  const row = await tx.accessRequest.create({
    data: {
      ...{ principals, permissions, tables, columns, rowFilter, accessMode, grantTo },
      productId: grant.productId,
      consumerDomainId: grant.consumerDomainId,
      extendsId: grant.id,
      requestedBy: ctx.viewer.subject,
      purpose: reason ?? purpose,
      namedPurpose,
      expiresAt: until,
    },
  });
  await announceAccess(tx, ctx, {
    type: 'AccessRequested',
    access: { ...row, product: grant.product, consumerDomain: grant.consumerDomain },
    data: {
      ...{ requestedBy: row.requestedBy, principals, permissions, tables, columns, purpose: row.purpose },
      ...(decided ? decisionNews(decided) : {}),
      expiresAt: until,
      extends: globalId('AccessGrant', grant.id),
      after: { status: row.status },
    },
  });
  return row.id;
}

/** Carries out an approved request for another end. The grant's row is locked. */
export async function approveExtension(ctx: Context, tx: Tx, grant: GrantRow, until: Date | null): Promise<void> {
  assertLasts(grant, await databaseNow(tx));
  await moveEnd(ctx, tx, { grant, until });
}

/** Moves the end, and forgets the reminders of the old one. */
async function moveEnd(ctx: Context, tx: Tx, { grant, until, reason, decided }: NewEnd): Promise<void> {
  await tx.accessGrant.update({ where: { id: grant.id }, data: { expiresAt: until, remindedDays: null } });
  await announceAccess(tx, ctx, {
    type: 'AccessExtended',
    access: { ...grant, expiresAt: until },
    data: {
      before: { expiresAt: grant.expiresAt },
      after: { expiresAt: until },
      principals: grant.request.principals,
      extendedBy: ctx.viewer.subject,
      reason: reason ?? null,
      ...(decided ? decisionNews(decided) : {}),
    },
  });
}

/** A grant whose end has passed is over, also before the clock has come to it. */
function assertLasts(grant: GrantRow, now: Date): void {
  step(ACCESS_GRANT, grant.status, 'extend');
  if (grant.expiresAt !== null && grant.expiresAt <= now) {
    throw wrongState(grant.status, `The grant ended ${endText(grant.expiresAt)}: ask for access anew.`);
  }
}

const isLater = (until: Date, than: Date | null) => than !== null && until > than;
const endText = (end: Date | null) => (end === null ? 'without an end' : `at ${end.toISOString()}`);

/** Takes back what was asked of a grant that has ended meanwhile. The grant's row is locked. */
export async function cancelExtensions(
  ctx: { actor: Context['actor']; correlationId: string },
  tx: Tx,
  grant: GrantRow,
): Promise<void> {
  // Whoever decides one of them holds its row: what he decided stays as he decided it.
  await tx.$queryRaw`
    SELECT 1 FROM "AccessRequest" WHERE "extendsId" = ${grant.id}::uuid AND "status" = 'PENDING' FOR NO KEY UPDATE`;
  const open = await tx.accessRequest.findMany({ where: { extendsId: grant.id, status: 'PENDING' } });
  for (const request of open) {
    const { product, consumerDomain } = grant;
    await closeRequest(ctx, tx, { ...request, product, consumerDomain }, 'The grant has ended.');
  }
}

/** Closes a request that nobody needs to decide any more. Its row is locked. */
export async function closeRequest(
  ctx: { actor: Context['actor']; correlationId: string },
  tx: Tx,
  request: RequestRow,
  comment: string,
): Promise<void> {
  const status = 'CANCELLED' as const;
  const decidedBy = ctx.actor.subject;
  await tx.accessRequest.update({
    where: { id: request.id },
    data: { status, decidedBy, decidedAt: new Date(), comment },
  });
  const data = { before: { status: request.status }, after: { status }, decidedBy, comment };
  await announceAccess(tx, ctx, { type: 'AccessCancelled', access: request, data });
}
