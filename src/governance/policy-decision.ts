import type { AccessOutcome, Permission } from '../generated/prisma/client.js';
import type { Answer, PolicySlice } from './cedar/engine.js';
import { GovernanceError } from './error.js';
import {
  type Approver,
  behind,
  type Judging,
  mayApprove,
  somebody,
  tally,
  UNANSWERED,
  waysToApprove,
} from './policy-approvals.js';
import { refusedColumns, shortened } from './policy-columns.js';
import { type Approvals, askApproval, askRequest, classificationOf } from './policy-facts.js';

/** A policy that determined a decision, with what its statements say. */
export interface DecidingPolicy {
  /** uuid of its row. */
  id: string;
  name: string;
  version: number;
  /** Slug of the domain that it is of; null: of the whole mesh. */
  domain: string | null;
  reasons: string[];
}

/** What the policies say to a request. */
export interface Decision {
  outcome: AccessOutcome;
  /** The version of all policies that decide about the product, hex. */
  version: string;
  policies: DecidingPolicy[];
  /** In words, for people. */
  reasons: string[];
  /** The approvals that would do, each the fewest of its sort; empty where none is needed, or none helps. */
  required: Approvals[];
}

/**
 * Decides by policies alone, from facts alone: the same everywhere it is asked. Denied where it may not be submitted, or not without an
 * end, or not with all of its columns; else granted at once, or by the approvals given, or in need of more; denied where none would do.
 * Others' requests come in between where many columns are asked about.
 */
export async function decideAccess(judging: Judging, approvers: Approver[]): Promise<Decision> {
  const { engine, slice, facts } = judging;
  const refused = await refusals(judging);
  if (refused.length > 0) return decision(slice, 'DENIED', refused);
  const atOnce = grantedAtOnce(judging);
  if (atOnce.allowed) return decision(slice, 'AUTO_APPROVED', [{ answer: atOnce, says: null }]);
  const ways = await waysToApprove(judging);
  const possible = ways.map(({ totals }) => totals);
  const counted = approvers.filter((approver) => mayApprove(judging, { approver, possible }).allowed);
  const given = tally(counted);
  const approvals = counted.flatMap(behind).map((person) => engine.ask(slice, askApproval(facts, person, given)));
  if (approvals.length > 0 && approvals.every(({ allowed }) => allowed)) {
    return decision(
      slice,
      'APPROVED',
      approvals.map((answer) => ({ answer, says: null })),
    );
  }
  // What stands against approval by nobody says why approvals are needed.
  const unapproved = engine.ask(slice, askApproval(facts, somebody(facts, 'OWNER'), { owners: 0, stewards: 0 }));
  if (possible.length === 0) {
    return decision(slice, 'DENIED', [{ answer: unapproved, says: 'No policy lets anybody approve it.' }]);
  }
  const why = [unapproved, ...ways.flatMap(({ answers }) => answers)].map((answer) => ({ answer, says: null }));
  return { ...decision(slice, 'NEEDS_APPROVAL', why), required: possible };
}

const READS: readonly Permission[] = ['SELECT', 'DESCRIBE'];

/**
 * Whether it is granted without an approval. That is for reading by named principals alone, whatever is permitted; and a domain's own
 * policy permits it for PUBLIC data alone, and to nobody who drafted or activated it: else who steers a domain could grant himself.
 */
export function grantedAtOnce({ engine, slice, facts }: Judging): Answer {
  const { permissions, grantTo, requester, makers = [] } = facts;
  const askers = [requester.subject, ...makers];
  if (grantTo !== 'PRINCIPALS' || !permissions.every((permission) => READS.includes(permission))) return UNANSWERED;
  const answer = engine.ask(slice, askRequest(facts, 'autoApprove'));
  if (!answer.allowed) return answer;
  const open = classificationOf(facts) === 'PUBLIC';
  const counted = answer.determining.filter((name) => {
    const policy = slice.statements.get(name)?.policy;
    if (policy === undefined || policy.domain === null) return policy !== undefined;
    return open && !policy.authors.some((author) => askers.includes(author));
  });
  return { ...answer, allowed: counted.length > 0, determining: counted };
}

interface Why {
  answer: Answer;
  /** What is said before the policies' own reasons. */
  says: string | null;
}

async function refusals({ engine, slice, facts }: Judging): Promise<Why[]> {
  const submit = engine.ask(slice, askRequest(facts, 'submit'));
  const denied: Why[] = submit.allowed ? [] : [{ answer: submit, says: 'The policies do not allow this request.' }];
  if (facts.days === null) {
    const answer = engine.ask(slice, askRequest(facts, 'withoutExpiry'));
    if (!answer.allowed) denied.push({ answer, says: 'Access without an end is not allowed here: give expiresAt.' });
  }
  return [...denied, ...(await columnRefusals({ engine, slice, facts }))];
}

async function columnRefusals(judging: Judging): Promise<Why[]> {
  const refused = await refusedColumns(judging, judging.facts.columns);
  return refused.map(({ answer, says, columns }) => ({
    answer,
    says: says ?? `Not to be read by this request: ${shortened(columns)}.`,
  }));
}

const NOTHING_PERMITS = 'No policy permits it.';

function decision(slice: PolicySlice, outcome: AccessOutcome, why: Why[]): Decision {
  const policies = determined(
    slice,
    why.map(({ answer }) => answer),
  );
  const reasons = why.flatMap(({ answer, says }) => {
    const by = determined(slice, [answer]);
    // A forbid that gives no reason is told by the name of its policy.
    const unsaid = by.filter((policy) => says !== null && !answer.allowed && policy.reasons.length === 0);
    const named = answer.errors.length > 0 ? [] : unsaid.map((policy) => `The policy ${labelOf(policy)} forbids it.`);
    const own = [...by.flatMap(({ reasons: said }) => said), ...named];
    const failed = answer.errors.length > 0 ? ['A policy could not be evaluated, which denies.'] : [];
    const silent = !answer.allowed && own.length === 0 && failed.length === 0 ? [NOTHING_PERMITS] : [];
    return [...(says === null ? [] : [says]), ...own, ...failed, ...(says === null ? [] : silent)];
  });
  return { outcome, version: slice.version, policies, reasons: [...new Set(reasons)], required: [] };
}

/** The policies that answers were determined by, each once, with the reasons of the statements that did. */
function determined({ statements }: PolicySlice, answers: Answer[]): DecidingPolicy[] {
  const found = new Map<string, DecidingPolicy>();
  for (const name of answers.flatMap(({ determining }) => determining)) {
    const entry = statements.get(name);
    if (entry === undefined) continue;
    const { policyId: id, name: called, number: version, domain } = entry.policy;
    const policy = found.get(id) ?? { id, name: called, version, domain, reasons: [] };
    const { reason } = entry.statement;
    if (reason !== null && !policy.reasons.includes(reason)) policy.reasons.push(reason);
    found.set(id, policy);
  }
  return [...found.values()].sort((a, b) => (labelOf(a) < labelOf(b) ? -1 : 1));
}

/** How errors name a policy: `restricted-data/1`, of a domain `commerce/partners/2`. */
export const labelOf = ({ domain, name, version }: Pick<DecidingPolicy, 'domain' | 'name' | 'version'>): string =>
  `${domain === null ? '' : `${domain}/`}${name}/${version}`;

/** Throws POLICY_DENIED where the policies deny. */
export function refuseDenied({ outcome, reasons, policies }: Pick<Decision, 'outcome' | 'reasons' | 'policies'>): void {
  if (outcome === 'DENIED') throw denied(reasons, policies);
}

/** The refusal by policies, which names them. */
export const denied = (reasons: string[], policies: DecidingPolicy[]): GovernanceError =>
  new GovernanceError('POLICY_DENIED', reasons.join(' '), { policies: policies.map(labelOf) });

/** What an answer of one question comes to: for actions without approvals. */
export function refuseAnswer(slice: PolicySlice, answer: Answer, says: string): void {
  if (!answer.allowed) refuseDenied(decision(slice, 'DENIED', [{ answer, says }]));
}
