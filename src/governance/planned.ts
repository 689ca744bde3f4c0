import { z } from 'zod';
import { Prisma, type PrismaClient } from '../generated/prisma/client.js';
import { type Headroom, headroomOf, readUsed, type Used } from '../provisioning/headroom.js';
import {
  callsFor,
  type Declaring,
  type Outcome,
  outcomesOf,
  planAlternatives,
  planDigest,
} from '../provisioning/plan.js';
import { quotasOf } from '../provisioning/quotas.js';
import type { Reckoning } from '../provisioning/reckon.js';
import { can } from './authorization.js';
import type { Context } from './context.js';
import { wrongState } from './error.js';
import type { Tx } from './transaction.js';

/** In the digest of what no policy decides about; else the version of the policies, so that a decision holds for those it was made under. */
const NO_POLICY = 'no-policy';

/** Collects what the declarations of one mutation come to, one entry each. */
export type Declarations = Reckoning[][];

/** What a mutation takes to be held to a plan that somebody looked at. */
export const heldToPlan = {
  planDigest: z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'Give the digest of a plan, 64 hexadecimal digits.')
    .nullish(),
  acceptChangedPlan: z.boolean().nullish(),
};

interface Looked {
  planDigest?: string | null | undefined;
  acceptChangedPlan?: boolean | null | undefined;
  /** The version of the policies that decided. */
  policyVersion?: string | undefined;
  /** Of a request: the digest of what they judged. */
  judged?: string | undefined;
}

/**
 * Refuses as STATE what comes to something else than the plan that was looked at. Called in the mutation's transaction with what was
 * declared in it: nothing can come between the plan's check and its effect, and a refusal takes everything back.
 */
export function assertPlanned(declared: Declarations, looked: Looked, state: string): void {
  assertOutcomes(outcomesOf(declared), looked, state);
}

/** The same where nothing is to be declared yet: with what it would come to. */
export function assertOutcomes(
  outcomes: Outcome[],
  { planDigest: looked, acceptChangedPlan, policyVersion = NO_POLICY, judged }: Looked,
  state: string,
): void {
  if (!looked || acceptChangedPlan) return;
  const now = planDigest(outcomes, { policyVersion, judged });
  if (now === looked) return;
  throw wrongState(
    state,
    `The plan has changed since: it is now ${now}. Look at it again, or say acceptChangedPlan: true.`,
  );
}

/** A plan as it is shown. */
export interface ShownPlan {
  digest: string;
  resources: Outcome[];
  quotas: Headroom[];
  /** Why it would be refused now; empty where it would be done. */
  refusals: string[];
  warnings: string[];
  /** Whether the viewer may see the AWS objects themselves, or only which kinds and how many. */
  seesResources: boolean;
}

interface Planning {
  outcomes: Outcome[];
  used: Used;
  refusals: string[];
  warnings: string[];
  seesResources: boolean;
  policyVersion?: string | undefined;
  judged?: string | undefined;
}

/** Puts a plan together: its digest is that of the mutation which brings it about. */
export function shownPlan(planning: Planning): ShownPlan {
  const { outcomes, used, refusals, warnings, seesResources, policyVersion = NO_POLICY, judged } = planning;
  const quotas = headroomOf(outcomes, used);
  const full = quotas
    .filter(({ headroom, planned }) => headroom < 0 && planned > 0)
    .map(
      ({ name, account, limit, headroom }) =>
        `${name} in account ${account}: ${-headroom} more than AWS's default limit of ${limit}.`,
    );
  const idle = outcomes.length > 0 && outcomes.every(({ action, repair }) => action === 'NOOP' && repair === null);
  return {
    digest: planDigest(outcomes, { policyVersion, judged }),
    resources: outcomes,
    quotas,
    refusals,
    warnings: [...warnings, ...full, ...(idle ? ['Nothing changes in AWS: all of it is there for others.'] : [])],
    seesResources,
  };
}

/** What would be declared, or why it would be refused. */
export interface Change {
  declarations: Declaring[];
  refusals: string[];
  warnings?: string[];
  /** The version of the policies that decide about it. */
  policyVersion?: string;
  /** Of a request: the digest of what they judge. */
  judged?: string;
}

/** Plans changes, each as if it alone were to come, for who may see what those domains have in AWS. Three statements however many. */
export async function showPlans(
  ctx: Context,
  tx: Tx,
  changes: (Change & { domainIds: string[] })[],
): Promise<ShownPlan[]> {
  const found = await planAlternatives(
    tx,
    changes.map(({ declarations }) => declarations),
  );
  const outcomes = found.map((each) => (each instanceof Error ? [] : each));
  const used = await readUsed(tx, outcomes.flat());
  return changes.map(({ refusals, warnings = [], domainIds, policyVersion, judged }, index) => {
    const conflict = found[index];
    return shownPlan({
      outcomes: outcomes[index] ?? [],
      used,
      refusals: [...refusals, ...(conflict instanceof Error ? [conflict.message] : [])],
      warnings,
      policyVersion,
      judged,
      seesResources: can(ctx.viewer, 'resource:read', { type: 'Resource', domainIds }),
    });
  });
}

const LIMITS = { timeout: 15_000, maxWait: 10_000, isolationLevel: Prisma.TransactionIsolationLevel.RepeatableRead };

/** Runs what may only read, over one state of the database: Postgres itself refuses a write. */
export function readOnly<T>(db: PrismaClient, work: (tx: Tx) => Promise<T>): Promise<T> {
  return db.$transaction(async (tx) => {
    await tx.$executeRaw`SET TRANSACTION READ ONLY`;
    return work(tx);
  }, LIMITS);
}

/** The calls of one planned resource, each with the quotas that it eats into or frees. */
export function plannedCalls({ callsOf }: Pick<Context, 'callsOf'>, outcome: Outcome) {
  const counts = outcome.action === 'CREATE' || outcome.action === 'DELETE';
  const quota = counts ? quotasOf(outcome).map(({ quota: { name } }) => name) : [];
  return callsFor(outcome, callsOf).map((call) => ({ ...call, quota }));
}

export { diffLines } from '../provisioning/plan.js';
