import { z } from 'zod';
import { SYSTEM_ACTOR } from '../events/types.js';
import { checkFuture } from './access-request.input.js';
import { announceAccess } from './announce.js';
import { viewerAsApprover } from './approver.js';
import { assertCan, can } from './authorization.js';
import type { Context } from './context.js';
import { conflict, forbidden, invalid, wrongState } from './error.js';
import { globalId } from './global-id.js';
import type { Approver } from './policy-approvals.js';
import { type Decision, decideAccess, refuseDenied } from './policy-decision.js';
import type { AccessFacts } from './policy-facts.js';
import { decisionNews, holdJudged, recordDecision } from './policy-judging.js';
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
 * Moves the end of a grant that still lasts. Who asked for the access, could grant it or may revoke it brings an end nearer at once. A
 * later end is a request with a decision: granted at once where the policies need nobody, or nobody but the viewer, who did not ask for the
 * access; else the grant ends as before until others approve. `accessRequestId` is empty where the end moved.
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
    if (isLater(until, grant.expiresAt)) {
      return { ids: { accessGrantId: id, accessRequestId: await lengthen(ctx, tx, { grant, until, reason }) } };
    }
    refuseShortening(ctx, grant);
    await moveEnd(ctx, tx, { grant, until, reason: reason ?? null });
    return { ids: { accessGrantId: id, accessRequestId: '' } };
  });
}

/** An earlier end takes access away: that is for who could grant it, who may revoke it, and who asked for it. No policy stands against it. */
function refuseShortening({ viewer }: Context, grant: GrantRow): void {
  const subject = accessSubject(grant);
  if (can(viewer, 'access-request:approve', subject) || can(viewer, 'access-grant:revoke', subject)) return;
  if (viewer.subject === grant.request.requestedBy) return;
  throw forbidden(
    `You may not bring the end nearer: only ${grant.request.requestedBy}, who asked for the access, and those who may revoke it may.`,
  );
}

/** What a later end comes to by the policies, asked as if for new access from now on; the id of the request, empty where it is granted. */
async function lengthen(ctx: Context, tx: Tx, end: Later): Promise<string> {
  const judged = await judgeEnd(ctx, tx, end);
  refuseDenied(judged.decided);
  const request = await askForEnd(ctx, tx, { ...end, ...judged });
  if (judged.approver !== null) {
    const { subject: approvedBy, role, admin: asAdmin } = judged.approver;
    const { requestedBy, factsDigest } = judged;
    await tx.accessApproval.create({
      data: { requestId: request.id, requestedBy, approvedBy, role, asAdmin, factsDigest },
    });
  }
  await recordDecision(tx, request.id, { ...judged, decision: judged.decided });
  if (judged.decided.outcome === 'NEEDS_APPROVAL') return request.id;
  await grantEnd(ctx, tx, { ...end, ...judged, request });
  return '';
}

interface Later {
  /** Its row is locked. */
  grant: GrantRow;
  until: Date;
  reason?: string | null | undefined;
}

interface JudgedEnd {
  decided: Decision;
  facts: AccessFacts;
  factsDigest: string;
  /** For whom it is asked: who asked for the access where the viewer grants it, else the viewer. */
  requestedBy: string;
  /** The viewer where his word alone is enough. */
  approver: Approver | null;
}

/** Who did not ask for the access may grant a later end where one approval of his is enough; else he asks like others, and never counts. */
async function judgeEnd(ctx: Context, tx: Tx, { grant, until, reason }: Later): Promise<JudgedEnd> {
  const product = await readTables(tx, grant.product);
  const consumer = grant.consumerDomain;
  const judge = async (requestedBy: string, approver: Approver | null) => {
    const purpose = reason ?? grant.request.purpose;
    const request = { ...grant.request, id: null, extendsId: grant.id, requestedBy, purpose, expiresAt: until };
    const judged = await holdJudged(ctx, tx, { request, product, consumer });
    const decided = await decideAccess(judged, approver === null ? [] : [approver]);
    const { facts, factsDigest } = judged;
    return { decided, facts, factsDigest, requestedBy, approver };
  };
  if (can(ctx.viewer, 'access-request:approve', accessSubject(grant))) {
    const alone = await judge(grant.request.requestedBy, viewerAsApprover(ctx, { product, consumer }));
    if (alone.decided.outcome === 'APPROVED') return alone;
  }
  return judge(ctx.viewer.subject, null);
}

/** Grants a later end in the transaction that asks for it: with the viewer's approval, or where none is needed by Meshgate itself. */
async function grantEnd(ctx: Context, tx: Tx, end: Later & JudgedEnd & { request: { id: string } }): Promise<void> {
  const { grant, until, reason, decided, approver, request } = end;
  if (approver === null) await actAsSystem(tx);
  const decidedBy = approver === null ? SYSTEM_ACTOR.subject : ctx.viewer.subject;
  const closed = { status: 'APPROVED' as const, decidedBy, decidedAt: new Date() };
  await tx.accessRequest.update({ where: { id: request.id }, data: closed });
  await moveEnd(ctx, tx, { grant, until, reason: reason ?? null, decided, requestId: request.id });
}

interface NewEnd {
  /** What the policies said to it, where they were asked. */
  decided?: Decision;
  /** The request that it was granted by, where there is one. */
  requestId?: string;
  /** Its row is locked. */
  grant: GrantRow;
  until: Date | null;
  reason?: string | null | undefined;
}

/** Writes what is asked: a request like the grant's own, for a later end; it is told where others have to decide it. */
async function askForEnd(
  ctx: Context,
  tx: Tx,
  { grant, until, decided, facts, requestedBy }: Later & JudgedEnd,
): Promise<{ id: string }> {
  const waits = decided.outcome === 'NEEDS_APPROVAL';
  await settleOpen(ctx, tx, { grant, until, waits });
  const { principals, permissions, tables, columns, rowFilter, accessMode, grantTo } = grant.request;
  const { purpose, namedPurpose } = facts;
  const { productId, consumerDomainId, id: extendsId } = grant;
  const row = await tx.accessRequest.create({
    data: {
      ...{ principals, permissions, tables, columns, rowFilter, accessMode, grantTo },
      ...{ productId, consumerDomainId, extendsId, requestedBy, purpose, namedPurpose, expiresAt: until },
    },
  });
  if (!waits) return row;
  await announceAccess(tx, ctx, {
    type: 'AccessRequested',
    access: { ...row, product: grant.product, consumerDomain: grant.consumerDomain },
    data: {
      ...{ requestedBy: row.requestedBy, principals, permissions, tables, columns, accessMode, grantTo },
      ...{ purpose: row.purpose, namedPurpose, rowFiltered: rowFilter !== null },
      ...decisionNews(decided),
      expiresAt: until,
      extends: globalId('AccessGrant', grant.id),
      after: { status: row.status },
    },
  });
  return row;
}

/** Of another end one request is open at a time: one that asks for no more than is granted now has nothing left to be decided. */
async function settleOpen(
  ctx: Context,
  tx: Tx,
  { grant, until, waits }: { grant: GrantRow; until: Date; waits: boolean },
): Promise<void> {
  const [open] = await lockExtensions(tx, [grant]);
  if (open === undefined) return;
  if (!waits && open.expiresAt !== null && open.expiresAt <= until) {
    return closeRequest(ctx, tx, open, `The grant ends ${endText(until)} by now, no sooner than was asked for.`);
  }
  throw conflict(
    `${open.requestedBy} has asked for another end already (${endText(open.expiresAt)}): have that request decided or cancelled.`,
  );
}

/** The open requests for another end of grants, locked: whoever decides one of them holds its row. The grants' rows are locked. */
async function lockExtensions(tx: Tx, grants: GrantRow[]): Promise<RequestRow[]> {
  const ids = grants.map(({ id }) => id);
  await tx.$queryRaw`
    SELECT 1 FROM "AccessRequest" WHERE "extendsId" = ANY (${ids}::uuid[]) AND "status" = 'PENDING'
    ORDER BY "id" FOR NO KEY UPDATE`;
  const open = await tx.accessRequest.findMany({ where: { extendsId: { in: ids }, status: 'PENDING' } });
  return grants.flatMap(({ id, product, consumerDomain }) =>
    open.flatMap((request) => (request.extendsId === id ? [{ ...request, product, consumerDomain }] : [])),
  );
}

/** What stands against an end that was asked for or set by an approval and is no later one; null where it is later. The grant may have been extended meanwhile. */
export function overtaken(until: Date | null, extendedUntil: Date | null | undefined): string | null {
  if (extendedUntil === undefined || until === null) return null;
  if (isLater(until, extendedUntil)) return null;
  return `The grant ends ${endText(extendedUntil)} by now, which ${until.toISOString()} would bring nearer`;
}

/** Carries out an approved request for another end. The grant's row is locked. */
export async function approveExtension(ctx: Context, tx: Tx, grant: GrantRow, until: Date | null): Promise<void> {
  assertLasts(grant, await databaseNow(tx));
  await moveEnd(ctx, tx, { grant, until });
}

/** Moves the end, and forgets the reminders of the old one. */
async function moveEnd(ctx: Context, tx: Tx, { grant, until, reason, decided, requestId }: NewEnd): Promise<void> {
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
      ...(requestId ? { accessRequest: globalId('AccessRequest', requestId) } : {}),
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
  grants: GrantRow[],
): Promise<void> {
  for (const request of await lockExtensions(tx, grants)) await closeRequest(ctx, tx, request, 'The grant has ended.');
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
