import { createHash } from 'node:crypto';
import type { AccessRequest, Domain, Prisma } from '../generated/prisma/client.js';
import { approvedIn, decidersFrom } from './approver.js';
import type { PolicyEngine, PolicySlice } from './cedar/engine.js';
import type { Context } from './context.js';
import { type AskedAccess, givenNow } from './desired-access.js';
import { type Approver, approvalsThatDo, areSame } from './policy-approvals.js';
import type { Decision } from './policy-decision.js';
import { type AccessFacts, daysUntil, factsDigest, type PersonFacts } from './policy-facts.js';
import { holdPolicies, sliceOf } from './policy-slice.js';
import {
  barredFrom,
  type JudgingContext,
  madeBy,
  personOf,
  readSurroundings,
  type Surroundings,
} from './policy-surroundings.js';
import { openedColumns, productFacts } from './product-facts.js';
import type { ProductWithTables } from './rows.js';
import type { Tx } from './transaction.js';

/** A request, or what would be one, as policies judge it. */
export interface ToJudge {
  request: AskedAccess &
    Pick<AccessRequest, 'requestedBy' | 'purpose' | 'namedPurpose' | 'expiresAt'> & {
      /** null: it is not made yet. */
      id: string | null;
      extendsId?: string | null;
    };
  product: ProductWithTables;
  consumer: Pick<Domain, 'id' | 'name' | 'awsAccountId'>;
}

/** What a decision needs: who is asked, what is judged, and who has approved until now. */
export interface Judged {
  engine: PolicyEngine;
  slice: PolicySlice;
  facts: AccessFacts;
  /** sha256 of the facts, hex: what an approval is of. */
  factsDigest: string;
  /** Those whose approval of these facts was given, and who still have a role that decides. */
  approvers: Approver[];
  /** Those who approved other facts than these, and not these. */
  lapsed: Approver[];
  /** Those who could approve it, as far as is known: platform admins are where a policy names them. */
  deciders: Approver[];
  /** Whose approval counts for nothing: who asks, or asked for the access that would be extended; machines, and who made the one that asks. */
  barred: ReadonlySet<string>;
  /** The earliest end that an approval set. */
  approvedUntil: Date | null;
  /** The end of the grant that it asks another end of, null: none; left out where it asks for no other end. */
  extendedUntil?: Date | null;
  now: Date;
  /** Somebody of whom this was read: the viewer, those for whom he decides, and those who asked and approved. */
  person: (subject: string) => PersonFacts;
}

/** Reads what judging one request needs; the policies are held until the transaction ends. */
export async function holdJudged(ctx: Context, tx: Tx, each: ToJudge): Promise<Judged> {
  await holdPolicies(tx, 'SHARED');
  const [judged] = await readJudged(ctx, tx, [each]);
  return judged as Judged;
}

/** The same for many, in one statement, holding nothing. */
export async function readJudged(ctx: JudgingContext, tx: Tx, all: ToJudge[]): Promise<Judged[]> {
  const read = await readSurroundings(ctx, tx, all);
  return all.map((each) => {
    const { request, product } = each;
    const slice = sliceOf(ctx, read.policies, product.domainId);
    const facts = factsOf(ctx, read, each);
    const barred = barredFrom(read, request);
    const digest = factsDigest(facts, request.expiresAt);
    const given = read.approvals.filter(
      ({ requestId, approvedBy }) => requestId === request.id && !barred.has(approvedBy),
    );
    const standing = given.filter((one) => one.factsDigest === digest);
    const ends = standing.flatMap(({ expiresAt }) => (expiresAt === null ? [] : [Date.parse(expiresAt)]));
    const approversOf = (approvals: typeof given) => approvals.flatMap((one) => approvedIn(read, each, one) ?? []);
    const approvers = approversOf(standing);
    const lapsed = approversOf(given).filter((one) => !approvers.some((other) => areSame(one, other)));
    return {
      ...{ engine: ctx.policies, slice, facts, factsDigest: digest, barred, approvers, lapsed },
      deciders: decidersFrom(read, each, slice),
      approvedUntil: ends.length === 0 ? null : new Date(Math.min(...ends)),
      ...endOf(read, request),
      now: new Date(read.now),
      person: (subject) => personOf(read, { subject, admin: false }, each),
    };
  });
}

function factsOf(ctx: JudgingContext, read: Surroundings, each: ToJudge): AccessFacts {
  const { request, product, consumer } = each;
  const ownAdmin = request.id === null && request.requestedBy === ctx.viewer?.subject && ctx.viewer.admin;
  const admin = ownAdmin || (request.id !== null && read.admins.includes(request.id));
  return {
    requester: personOf(read, { subject: request.requestedBy, admin }, each),
    makers: madeBy(read, [request.requestedBy]),
    product: productFacts(product, read.contracts[product.id] ?? null),
    consumer: consumer.name,
    ...{ purpose: request.purpose, namedPurpose: request.namedPurpose },
    days: daysUntil(request.expiresAt, new Date(read.now)),
    ...{ principals: request.principals, accounts: [consumer.awsAccountId], permissions: request.permissions },
    ...givenNow(request, product),
    rowFilter: request.rowFilter !== null,
    extension: (request.extendsId ?? null) !== null,
    columns: openedColumns(request, product),
  };
}

function endOf({ extended }: Surroundings, { extendsId }: ToJudge['request']): Pick<Judged, 'extendedUntil'> {
  const grant = extended.find(({ grantId }) => grantId === extendsId);
  if (grant === undefined) return {};
  return { extendedUntil: grant.expiresAt === null ? null : new Date(grant.expiresAt) };
}

/** What the plan of a request is held to besides what it does in AWS: what was judged, and the approvals that it needs. Hex. */
export async function judgedDigest(judged: Judged): Promise<string> {
  const required = JSON.stringify(await approvalsThatDo(judged));
  return createHash('sha256').update(`${judged.factsDigest}\n${required}`).digest('hex');
}

/** Says whose approvals a request needs again, where it needs any. */
export function withLapsed(decided: Decision, lapsed: readonly Approver[]): Decision {
  const says = lapsedText(lapsed);
  if (says === null || decided.outcome !== 'NEEDS_APPROVAL') return decided;
  return { ...decided, reasons: [says, ...decided.reasons] };
}

/** In words; null where no approval has lapsed. */
export function lapsedText(lapsed: readonly Approver[]): string | null {
  if (lapsed.length === 0) return null;
  const names = [...new Set(lapsed.map(({ subject }) => subject))].join(', ');
  return `What is decided about has changed since ${names} approved it: look at it and approve it again.`;
}

/**
 * Keeps what was decided last with the request, and of which facts; those kept for trials stay as they were when it was asked. Postgres
 * takes it of the requester, and of who has approved: his approval is written before.
 */
export async function recordDecision(
  tx: Tx,
  requestId: string,
  { decision, facts, factsDigest: digest }: { decision: Decision; facts: AccessFacts; factsDigest: string },
): Promise<void> {
  const { outcome, version: policyVersion, reasons } = decision;
  const policies = decision.policies as unknown as Prisma.InputJsonArray;
  const required = decision.required as unknown as Prisma.InputJsonArray;
  const decided = { outcome, policyVersion, policies, reasons, required, factsDigest: digest };
  await tx.accessDecision.upsert({
    where: { requestId },
    create: { requestId, ...decided, facts: facts as unknown as Prisma.InputJsonObject },
    update: decided,
    select: { requestId: true },
  });
}

/** What events tell of a decision. */
export const decisionNews = ({ outcome, version, policies, reasons }: Decision) => ({
  policy: {
    outcome,
    version,
    reasons,
    policies: policies.map(({ name, version: number, domain }) => ({ name, version: number, domain })),
  },
});
