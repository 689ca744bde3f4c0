import { z } from 'zod';
import { outcomesOf, planDigest } from '../provisioning/plan.js';
import type { Reckoning } from '../provisioning/reckon.js';
import { wrongState } from './error.js';

/** The version of the rules by which requests are decided: part of a plan's digest, so that a decision holds for the rules it was made under. */
export const POLICY_VERSION = 'built-in/1';

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
}

/**
 * Refuses as STATE what comes to something else than the plan that was looked at. Called in the mutation's transaction with what was
 * declared in it: nothing can come between the plan's check and its effect, and a refusal takes everything back.
 */
export function assertPlanned(
  declared: Declarations,
  { planDigest: looked, acceptChangedPlan }: Looked,
  state: string,
): void {
  if (!looked || acceptChangedPlan) return;
  const now = planDigest(outcomesOf(declared), POLICY_VERSION);
  if (now === looked) return;
  throw wrongState(
    state,
    `The plan has changed since: it is now ${now}. Look at it again, or say acceptChangedPlan: true.`,
  );
}
