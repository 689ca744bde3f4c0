import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { z } from 'zod';
import type { Domain } from '../generated/prisma/client.js';
import { decidersFrom } from './approver.js';
import { assertCan } from './authorization.js';
import type { PolicySlice } from './cedar/engine.js';
import { readSource } from './cedar/source.js';
import type { Context } from './context.js';
import { invalid, notFound } from './error.js';
import { readOnly } from './planned.js';
import type { Approver } from './policy-approvals.js';
import { type Decision, decideAccess } from './policy-decision.js';
import type { AccessFacts } from './policy-facts.js';
import { type ActiveVersion, activeVersions, sliceOf } from './policy-slice.js';
import { barredFrom, type Concerned, readSurroundings, type Surroundings } from './policy-surroundings.js';
import { keysetCursor } from './read/connection.js';
import { readDomain } from './rows.js';
import type { Tx } from './transaction.js';
import { read, uuid } from './validation.js';

const tryPolicyInput = z
  .object({
    policy: uuid.nullish(),
    version: z.int().min(1).nullish(),
    source: z.string().nullish(),
    domain: uuid.nullish(),
    from: z.date().nullish(),
    to: z.date().nullish(),
  })
  .refine(({ policy, source }) => policy || source, { path: ['source'], message: 'Give a policy, a source, or both.' })
  .refine(({ source, version }) => !(source && version), {
    path: ['version'],
    message: 'Give a version or a source, not both.',
  })
  .refine(({ policy, domain }) => !(policy && domain), {
    path: ['domain'],
    message: 'A policy keeps its domain: leave it out.',
  });
export type TryPolicyInput = z.input<typeof tryPolicyInput>;

/** A past request on which the tried policy decides otherwise than the active ones. */
export interface TrialChange {
  requestId: string;
  /** By the policies that are active now. */
  before: Decision;
  /** With the tried one in place. */
  after: Decision;
}

/** One page of a trial: so many past requests looked at, newest first, and those that would be decided otherwise. */
export interface PolicyTrial {
  examined: number;
  changes: TrialChange[];
  endCursor: string | null;
  hasNextPage: boolean;
}

interface Page {
  first: number;
  after?: string | null | undefined;
}

/**
 * Judges past requests again, by the facts of when they were asked and the approvals that they were given: by the policies that are
 * active now, and by those with the tried one in place. Writes nothing.
 */
export async function tryPolicy(ctx: Context, input: TryPolicyInput, page: Page): Promise<PolicyTrial> {
  const asked = read(tryPolicyInput, input);
  const { rows, candidate, active, people } = await readOnly(ctx.db, async (tx) => {
    const tried = await readCandidate(ctx, tx, asked);
    const found = await readPast(tx, {
      ...page,
      from: asked.from ?? null,
      to: asked.to ?? null,
      domain: tried.domainId,
    });
    const surroundings = await readSurroundings(ctx, tx, found.map(concernedOf));
    return { rows: found, candidate: tried, active: await readActive(tx, found), people: surroundings };
  });
  const shown = rows.slice(0, page.first);
  const changes: TrialChange[] = [];
  for (const row of shown) {
    const slices = slicesOf(ctx, { active, candidate, domainId: row.domainId });
    const change = await judgeAgain(ctx, { past: row, people, slices });
    if (change !== null) changes.push(change);
    // A trial takes its time, and others' requests come in between.
    await setImmediate();
  }
  const last = shown.at(-1);
  return {
    examined: shown.length,
    changes,
    endCursor: last ? keysetCursor.encode(ORDER, [last.createdAt.toISOString(), last.requestId]) : null,
    hasNextPage: rows.length > page.first,
  };
}

/** What is tried, as if it were active. */
async function readCandidate(ctx: Context, tx: Tx, asked: z.output<typeof tryPolicyInput>): Promise<ActiveVersion> {
  const policy = asked.policy
    ? await tx.policy.findUnique({ where: { id: asked.policy }, include: { domain: true } })
    : null;
  if (asked.policy && policy === null) throw notFound('The policy');
  const domain: Domain | null = policy?.domain ?? (asked.domain ? await readDomain(tx, asked.domain) : null);
  assertCan(ctx.viewer, 'policy:try', { type: 'Policy', domainId: domain?.id ?? null });
  const source = asked.source ?? (await storedSource(tx, asked));
  readSource(source, domain?.name ?? null);
  return {
    ...{ policyId: policy?.id ?? '', name: policy?.name ?? 'tried', number: 0 },
    ...{ domain: domain?.name ?? null, domainId: domain?.id ?? null },
    // As if the viewer had drafted and activated it.
    authors: [ctx.viewer.subject],
    ...{ source, digest: createHash('sha256').update(source).digest('hex') },
  };
}

async function storedSource(tx: Tx, { policy, version }: z.output<typeof tryPolicyInput>): Promise<string> {
  const where = { policyId: policy as string, ...(version ? { number: version } : {}) };
  const found = await tx.policyVersion.findFirst({ where, orderBy: { number: 'desc' } });
  if (found === null) throw notFound(`Version ${version ?? ''} of the policy`);
  return found.source;
}

interface PastRequest {
  requestId: string;
  createdAt: Date;
  productId: string;
  domainId: string;
  consumerDomainId: string;
  extendsId: string | null;
  facts: AccessFacts;
  approvals: { approvedBy: string; approvedFor: string | null; role: Approver['role']; asAdmin: boolean }[];
}

const ORDER = 'tried';

/** One more than the page holds. Of a domain's policy, requests for its products alone. */
function readPast(
  tx: Tx,
  { first, after, from, to, domain }: Page & { from: Date | null; to: Date | null; domain: string | null },
): Promise<PastRequest[]> {
  const [createdAt = null, id = null] = after ? keysetCursor.decode(ORDER, after) : [];
  if (createdAt !== null && Number.isNaN(Date.parse(createdAt))) throw invalid('after', 'This cursor is damaged.');
  return tx.$queryRaw<PastRequest[]>`
    SELECT d."requestId"::text, d."createdAt", p."id"::text AS "productId", p."domainId"::text,
      q."consumerDomainId"::text, q."extendsId"::text, d."facts",
      (SELECT coalesce(jsonb_agg(jsonb_build_object('approvedBy', a."approvedBy", 'approvedFor', a."approvedFor", 'role', a."role", 'asAdmin', a."asAdmin")
        ORDER BY a."createdAt"), '[]') FROM "AccessApproval" a
        WHERE a."requestId" = d."requestId" AND a."factsDigest" = d."factsDigest") AS "approvals"
    FROM "AccessDecision" d JOIN "AccessRequest" q ON q."id" = d."requestId" JOIN "DataProduct" p ON p."id" = q."productId"
    WHERE (${domain}::uuid IS NULL OR p."domainId" = ${domain}::uuid)
      AND (${from}::timestamptz IS NULL OR d."createdAt" >= ${from}::timestamptz)
      AND (${to}::timestamptz IS NULL OR d."createdAt" < ${to}::timestamptz)
      AND (${createdAt}::timestamptz IS NULL OR (d."createdAt", d."requestId") < (${createdAt}::timestamptz, ${id}::uuid))
    ORDER BY d."createdAt" DESC, d."requestId" DESC LIMIT ${first + 1}::int`;
}

async function readActive(tx: Tx, rows: PastRequest[]): Promise<ActiveVersion[]> {
  const domains = [...new Set(rows.map(({ domainId }) => domainId))];
  const [read] = await tx.$queryRaw<{ policies: ActiveVersion[] }[]>`SELECT ${activeVersions(domains)} AS "policies"`;
  return read?.policies ?? [];
}

function slicesOf(
  ctx: Context,
  { active, candidate, domainId }: { active: ActiveVersion[]; candidate: ActiveVersion; domainId: string },
): [PolicySlice, PolicySlice] {
  const others = active.filter(({ policyId }) => policyId !== candidate.policyId);
  return [sliceOf(ctx, active, domainId), sliceOf(ctx, [...others, candidate], domainId)];
}

function concernedOf({ requestId, facts, extendsId, productId, domainId, consumerDomainId }: PastRequest): Concerned {
  return {
    request: { id: requestId, requestedBy: facts.requester.subject, extendsId },
    product: { id: productId, domainId, domain: { id: domainId, name: facts.product.domain } },
    consumer: { id: consumerDomainId, name: facts.consumer },
  };
}

interface Again {
  past: PastRequest;
  people: Surroundings;
  /** The policies that are active now, and with the tried one. */
  slices: [PolicySlice, PolicySlice];
}

/** Who could approve, and whose approval counts for nothing, is as it is now. */
async function judgeAgain({ policies: engine }: Context, { past, people, slices }: Again): Promise<TrialChange | null> {
  const { requestId, facts, approvals } = past;
  const concerned = concernedOf(past);
  const barred = barredFrom(people, concerned.request);
  const roles = (role: Approver['role']) => ({ roles: { [facts.product.domain]: role } });
  const approvers = approvals.map(({ approvedBy, approvedFor, role, asAdmin }) => ({
    ...{ subject: approvedBy, admin: asAdmin, role, ...roles(role) },
    ...(approvedFor === null ? {} : { standsInFor: { subject: approvedFor, admin: false, ...roles(role) } }),
  }));
  const decidedBy = (slice: PolicySlice) =>
    decideAccess({ engine, slice, facts, barred, deciders: decidersFrom(people, concerned, slice) }, approvers);
  const before = await decidedBy(slices[0]);
  const after = await decidedBy(slices[1]);
  const same = before.outcome === after.outcome && JSON.stringify(before.required) === JSON.stringify(after.required);
  return same ? null : { requestId, before, after };
}
