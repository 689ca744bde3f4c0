import { createHash } from 'node:crypto';
import type { PolicyVersion, Prisma } from '../generated/prisma/client.js';
import { announcePolicy } from './announce.js';
import { assertCan, type Subjects } from './authorization.js';
import { mostStatements, readSource } from './cedar/source.js';
import type { Context } from './context.js';
import { conflict, notFound, wrongState } from './error.js';
import {
  type ActivatePolicyInput,
  activatePolicy as activatePolicyInput,
  type CreatePolicyInput,
  createPolicy as createPolicyInput,
  type DeactivatePolicyInput,
  type DraftPolicyInput,
  deactivatePolicy as deactivatePolicyInput,
  draftPolicy as draftPolicyInput,
} from './policy.input.js';
import { holdPolicies } from './policy-slice.js';
import { readDomain } from './rows.js';
import { mutate, type Tx } from './transaction.js';
import { POLICY_VERSION, step } from './transitions.js';
import { read } from './validation.js';

type Answer = Promise<{ policyId: string }>;
type PolicyRow = Prisma.PolicyGetPayload<{ include: { domain: true } }>;

const policySubject = ({ domainId }: { domainId: string | null }): Subjects['Policy'] => ({ type: 'Policy', domainId });

/** Makes a policy with a first draft, of the whole mesh or of one domain for its own products. It decides nothing yet. */
export async function createPolicy(ctx: Context, input: CreatePolicyInput): Answer {
  const { name, description, domain: domainId, source } = read(createPolicyInput, input);
  return mutate(ctx, { mutation: 'createPolicy', idempotencyKey: input.idempotencyKey, input }, async (tx) => {
    const domain = domainId ? await readDomain(tx, domainId) : null;
    assertCan(ctx.viewer, 'policy:draft', policySubject({ domainId: domain?.id ?? null }));
    if ((await tx.policy.findFirst({ where: { name, domainId: domain?.id ?? null } })) !== null) {
      throw conflict(`There is a policy ${name} already: draft a version of it, or choose another name.`);
    }
    const policy = await tx.policy.create({
      data: {
        ...{ name, description, domainId: domain?.id ?? null, createdBy: ctx.viewer.subject },
        scope: domain === null ? 'GLOBAL' : 'DOMAIN',
      },
    });
    await insertDraft(ctx, tx, { policy: { ...policy, domain }, source, number: 1 });
    return { ids: { policyId: policy.id } };
  });
}

/** Drafts another version of a policy. */
export async function draftPolicy(ctx: Context, input: DraftPolicyInput): Answer {
  const { policy: id, description, source } = read(draftPolicyInput, input);
  return change(ctx, { name: 'draftPolicy', action: 'policy:draft', input, id }, async (tx, policy) => {
    const newest = await tx.policyVersion.aggregate({ where: { policyId: id }, _max: { number: true } });
    if (description) await tx.policy.update({ where: { id }, data: { description } });
    await insertDraft(ctx, tx, { policy, source, number: (newest._max.number ?? 0) + 1 });
  });
}

async function insertDraft(
  ctx: Context,
  tx: Tx,
  { policy, source, number }: { policy: PolicyRow; source: string; number: number },
): Promise<void> {
  const statements = readSource(source, policy.domain?.name ?? null).length;
  const digest = createHash('sha256').update(source).digest('hex');
  await tx.policyVersion.create({
    data: { policyId: policy.id, number, source, digest, statements, createdBy: ctx.viewer.subject },
  });
  await announcePolicy(tx, ctx, { type: 'PolicyDrafted', policy, data: { policyVersion: number, digest, statements } });
}

/** Lets the draft that was looked at decide from the commit on, in the place of the version that decided before. */
export async function activatePolicy(ctx: Context, input: ActivatePolicyInput): Answer {
  const { policy: id, version: number, digest } = read(activatePolicyInput, input);
  return change(ctx, { name: 'activatePolicy', action: 'policy:activate', input, id }, async (tx, policy) => {
    const versions = await tx.policyVersion.findMany({ where: { policyId: id }, orderBy: { number: 'desc' } });
    const version = versions.find((one) => one.number === number);
    if (version === undefined) throw notFound(`Version ${number} of the policy`);
    if (digest && digest !== version.digest) {
      throw conflict(`Version ${number} has the digest ${version.digest}: look at its source again.`);
    }
    const status = step(POLICY_VERSION, version.status, 'activate');
    // It was checked when it was drafted, by the product as it was then.
    readSource(version.source, policy.domain?.name ?? null);
    await holdPolicies(tx, 'EXCLUSIVE');
    const before = versions.find((one) => one.status === 'ACTIVE') ?? null;
    if (before !== null) await supersede(ctx, tx, before);
    await refuseTooMany(tx, { policy, statements: version.statements });
    await tx.policyVersion.update({
      where: { id: version.id },
      data: { status, activatedAt: new Date(), activatedBy: ctx.viewer.subject },
    });
    await announcePolicy(tx, ctx, {
      type: 'PolicyActivated',
      policy,
      data: { before: before && shown(before), after: shown(version), digest: version.digest },
    });
  });
}

/** Lets a policy decide nothing any more; its versions stay. */
export async function deactivatePolicy(ctx: Context, input: DeactivatePolicyInput): Answer {
  const { policy: id } = read(deactivatePolicyInput, input);
  return change(ctx, { name: 'deactivatePolicy', action: 'policy:activate', input, id }, async (tx, policy) => {
    const active = await tx.policyVersion.findFirst({ where: { policyId: id, status: 'ACTIVE' } });
    if (active === null) throw wrongState('INACTIVE', 'No version of the policy is active.');
    await holdPolicies(tx, 'EXCLUSIVE');
    await supersede(ctx, tx, active);
    const data = { before: shown(active), after: null, digest: active.digest };
    await announcePolicy(tx, ctx, { type: 'PolicyDeactivated', policy, data });
  });
}

const shown = ({ number: version, digest, createdBy }: PolicyVersion) => ({ version, digest, createdBy });

async function supersede(ctx: Context, tx: Tx, { id, status }: PolicyVersion): Promise<void> {
  await tx.policyVersion.update({
    where: { id },
    data: {
      status: step(POLICY_VERSION, status, 'deactivate'),
      supersededAt: new Date(),
      supersededBy: ctx.viewer.subject,
    },
  });
}

/** All policies are held, so that what is counted stays. The mesh and each domain have their own share: none can use up another's. */
async function refuseTooMany(tx: Tx, { policy, statements }: { policy: PolicyRow; statements: number }): Promise<void> {
  const { domainId, domain } = policy;
  const active = await tx.policyVersion.aggregate({
    where: { status: 'ACTIVE', policy: { domainId } },
    _sum: { statements: true },
  });
  const total = (active._sum.statements ?? 0) + statements;
  const most = mostStatements(domain?.name ?? null);
  if (total > most) {
    const whose = domain === null ? 'The policies of the mesh' : `The policies of ${domain.name}`;
    throw conflict(
      `${whose} would have ${total} statements together; at most ${most} can decide: join some, or deactivate a policy.`,
    );
  }
}

interface Change {
  /** The mutation's name in the API. */
  name: string;
  action: 'policy:draft' | 'policy:activate';
  input: { idempotencyKey?: string | null | undefined };
  id: string;
}

/** Locks the policy, authorizes once, then does the work. */
function change(
  ctx: Context,
  { name, action, input, id }: Change,
  work: (tx: Tx, policy: PolicyRow) => Promise<void>,
): Answer {
  return mutate(ctx, { mutation: name, idempotencyKey: input.idempotencyKey, input }, async (tx) => {
    await tx.$queryRaw`SELECT 1 FROM "Policy" WHERE "id" = ${id}::uuid FOR NO KEY UPDATE`;
    const policy = await tx.policy.findUnique({ where: { id }, include: { domain: true } });
    if (policy === null) throw notFound('The policy');
    assertCan(ctx.viewer, action, policySubject(policy));
    await work(tx, policy);
    return { ids: { policyId: id } };
  });
}
