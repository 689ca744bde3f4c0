import type { AccessOutcome, DomainRole } from '../generated/prisma/client.js';
import { type Answer, type PolicyEngine, type PolicySlice, tellsColumnsApart } from './cedar/engine.js';
import { GovernanceError } from './error.js';
import {
  type AccessFacts,
  type Approvals,
  askApproval,
  askColumn,
  askRequest,
  type PersonFacts,
} from './policy-facts.js';

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

/** Somebody who approved. A platform admin counts as owner. */
export interface Approver extends PersonFacts {
  role: Extract<DomainRole, 'OWNER' | 'STEWARD'>;
}

interface Judging {
  engine: PolicyEngine;
  slice: PolicySlice;
  facts: AccessFacts;
}

/** Policies that want more people than this to approve one request want what nobody can do. */
const MOST_APPROVALS = 4;

/**
 * Decides by policies alone, from facts alone: the same everywhere it is asked. Denied where it may not be submitted, or not without an
 * end, or not with all of its columns; else granted at once, or by the approvals given, or in need of more; denied where none would do.
 */
export function decideAccess(judging: Judging, approvers: Approver[]): Decision {
  const { engine, slice, facts } = judging;
  const refused = refusals(judging);
  if (refused.length > 0) return decision(slice, 'DENIED', refused);
  const atOnce = engine.ask(slice, askRequest(facts, 'autoApprove'));
  if (atOnce.allowed) return decision(slice, 'AUTO_APPROVED', [{ answer: atOnce, says: null }]);
  const possible = approvalsThatDo(judging);
  const counted = approvers.filter((approver) => mayApprove(judging, { approver, possible }).allowed);
  const given = tally(counted);
  const approvals = counted.map((approver) => engine.ask(slice, askApproval(facts, approver, given)));
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
  const enough = possible.map((totals) => engine.ask(slice, askApproval(facts, hypothetical(facts, totals), totals)));
  const why = [unapproved, ...enough].map((answer) => ({ answer, says: null }));
  return { ...decision(slice, 'NEEDS_APPROVAL', why), required: possible };
}

/** Whether an approver's word can count at all, once there are enough. */
export function mayApprove(
  { engine, slice, facts }: Judging,
  { approver, possible }: { approver: Approver; possible: Approvals[] },
): Answer {
  const own = tally([approver]);
  const answers = possible.map((totals) => {
    const owners = Math.max(totals.owners, own.owners);
    const stewards = Math.max(totals.stewards, own.stewards);
    return engine.ask(slice, askApproval(facts, approver, { owners, stewards }));
  });
  return answers.find(({ allowed }) => allowed) ?? answers[0] ?? { allowed: false, determining: [], errors: [] };
}

interface Why {
  answer: Answer;
  /** What is said before the policies' own reasons. */
  says: string | null;
}

function refusals({ engine, slice, facts }: Judging): Why[] {
  const submit = engine.ask(slice, askRequest(facts, 'submit'));
  const denied: Why[] = submit.allowed ? [] : [{ answer: submit, says: 'The policies do not allow this request.' }];
  if (facts.days === null) {
    const answer = engine.ask(slice, askRequest(facts, 'withoutExpiry'));
    if (!answer.allowed) denied.push({ answer, says: 'Access without an end is not allowed here: give expiresAt.' });
  }
  return [...denied, ...columnRefusals({ engine, slice, facts })];
}

/** Columns that are alike are asked for once, unless a policy can tell them apart. */
function columnRefusals({ engine, slice, facts }: Judging): Why[] {
  const apart = tellsColumnsApart(slice);
  const byReason = new Map<string, { answer: Answer; columns: string[] }>();
  for (const { names, ...alike } of facts.columns) {
    for (const name of apart ? names : names.slice(0, 1)) {
      const answer = engine.ask(slice, askColumn(facts, { ...alike, name }));
      if (answer.allowed) continue;
      const key = JSON.stringify(answer);
      const columns = (apart ? [name] : names).map((column) => `${alike.table}.${column}`);
      const found = byReason.get(key) ?? { answer, columns: [] };
      byReason.set(key, { answer, columns: [...found.columns, ...columns] });
    }
  }
  return [...byReason.values()].map(({ answer, columns }) => ({
    answer,
    says: `Not to be read by this request: ${shortened(columns)}.`,
  }));
}

const shortened = (names: string[]): string =>
  names.length <= 10 ? names.join(', ') : `${names.slice(0, 10).join(', ')} and ${names.length - 10} more`;

/** The fewest approvals that do, of every sort: by one more owner or steward at a time. */
export function approvalsThatDo({ engine, slice, facts }: Judging): Approvals[] {
  const found: Approvals[] = [];
  for (let total = 1; total <= MOST_APPROVALS; total += 1) {
    for (let owners = total; owners >= 0; owners -= 1) {
      const totals = { owners, stewards: total - owners };
      if (found.some((fewer) => fewer.owners <= owners && fewer.stewards <= totals.stewards)) continue;
      if (engine.ask(slice, askApproval(facts, hypothetical(facts, totals), totals)).allowed) found.push(totals);
    }
  }
  return found;
}

const hypothetical = (facts: AccessFacts, { owners }: Approvals) => somebody(facts, owners > 0 ? 'OWNER' : 'STEWARD');

/** Some owner or steward of the product's domain, who has nothing else to do with the request. */
const somebody = ({ product }: AccessFacts, role: Approver['role']): PersonFacts => ({
  subject: '',
  admin: false,
  roles: { [product.domain]: role },
});

const tally = (approvers: Approver[]): Approvals => ({
  owners: approvers.filter(({ role }) => role === 'OWNER').length,
  stewards: approvers.filter(({ role }) => role === 'STEWARD').length,
});

const NOTHING_PERMITS = 'No policy permits it.';

function decision(slice: PolicySlice, outcome: AccessOutcome, why: Why[]): Decision {
  const policies = determined(
    slice,
    why.map(({ answer }) => answer),
  );
  const reasons = why.flatMap(({ answer, says }) => {
    const own = determined(slice, [answer]).flatMap(({ reasons: said }) => said);
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

/** In words: `the approval of 1 owner and 1 steward`. */
export function approvalsText(required: Approvals[]): string {
  const some = (count: number, noun: string) => (count === 0 ? [] : [`${count} ${noun}${count > 1 ? 's' : ''}`]);
  const each = required.map(({ owners, stewards }) => [...some(owners, 'owner'), ...some(stewards, 'steward')]);
  return `the approval of ${each.map((roles) => roles.join(' and ')).join(', or of ')}`;
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
