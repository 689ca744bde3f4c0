import type { AccessOutcome, DomainRole, Permission } from '../generated/prisma/client.js';
import { type Answer, type PolicyEngine, type PolicySlice, tellColumnsApart, tellPeopleApart } from './cedar/engine.js';
import { GovernanceError } from './error.js';
import {
  type AccessFacts,
  type Approvals,
  askApproval,
  askColumn,
  askRequest,
  type ColumnFacts,
  classificationOf,
  type PersonFacts,
  personal,
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
  /** In whose place, where a deputy approved: the role is that one's, and what the policies refuse either of them they refuse. */
  standsInFor?: PersonFacts;
}

/** The people behind an approval. */
const behind = (approver: Approver): PersonFacts[] =>
  approver.standsInFor === undefined ? [approver] : [approver, approver.standsInFor];

/** Whether an approval counts for nothing, whatever the policies say. */
export const isBarred = ({ barred }: { barred?: ReadonlySet<string> }, approver: Approver): boolean =>
  behind(approver).some(({ subject }) => barred?.has(subject));

/** Whether one person stands behind both: somebody and his deputy approve once. */
export const areSame = (one: Approver, other: Approver): boolean =>
  behind(one).some(({ subject }) => behind(other).some((person) => person.subject === subject));

interface Judging {
  engine: PolicyEngine;
  slice: PolicySlice;
  facts: AccessFacts;
  /** Whose approval counts for nothing, whatever his role: machines, and who registered the one that asks. */
  barred?: ReadonlySet<string>;
  /** Who could approve it: those alone whom policies may name, which invented people are not. */
  deciders?: readonly Approver[];
}

/** Policies that want more people than this to approve one request want what nobody can do. */
const MOST_APPROVALS = 4;
/** Where policies name columns, each is asked about: about 1 ms of CPU. */
const MOST_COLUMNS = 500;

/**
 * Decides by policies alone, from facts alone: the same everywhere it is asked. Denied where it may not be submitted, or not without an
 * end, or not with all of its columns; else granted at once, or by the approvals given, or in need of more; denied where none would do.
 */
export function decideAccess(judging: Judging, approvers: Approver[]): Decision {
  const { engine, slice, facts } = judging;
  const refused = refusals(judging);
  if (refused.length > 0) return decision(slice, 'DENIED', refused);
  const atOnce = grantedAtOnce(judging);
  if (atOnce.allowed) return decision(slice, 'AUTO_APPROVED', [{ answer: atOnce, says: null }]);
  const ways = waysToApprove(judging);
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

/** Whether an approver's word can count at all, once there are enough. */
export function mayApprove(
  judging: Judging,
  { approver, possible }: { approver: Approver; possible: Approvals[] },
): Answer {
  const { engine, slice, facts } = judging;
  if (isBarred(judging, approver)) return UNANSWERED;
  const own = tally([approver]);
  const answers = possible.map((totals) => {
    const owners = Math.max(totals.owners, own.owners);
    const stewards = Math.max(totals.stewards, own.stewards);
    const asked = behind(approver).map((person) => engine.ask(slice, askApproval(facts, person, { owners, stewards })));
    return asked.find(({ allowed }) => !allowed) ?? asked[0] ?? UNANSWERED;
  });
  return answers.find(({ allowed }) => allowed) ?? answers[0] ?? UNANSWERED;
}

const UNANSWERED: Answer = { allowed: false, determining: [], errors: [] };

const READS: readonly Permission[] = ['SELECT', 'DESCRIBE'];

/**
 * Whether it is granted without an approval. That is for reading by named principals alone, whatever is permitted; and a domain's own
 * policy permits it for PUBLIC data alone, and to nobody who drafted or activated it: else who steers a domain could grant himself.
 */
function grantedAtOnce({ engine, slice, facts }: Judging): Answer {
  const { permissions, grantTo, requester, registrant } = facts;
  if (grantTo !== 'PRINCIPALS' || !permissions.every((permission) => READS.includes(permission))) return UNANSWERED;
  const answer = engine.ask(slice, askRequest(facts, 'autoApprove'));
  if (!answer.allowed) return answer;
  const open = classificationOf(facts) === 'PUBLIC';
  const counted = answer.determining.filter((name) => {
    const policy = slice.statements.get(name)?.policy;
    if (policy === undefined || policy.domain === null) return policy !== undefined;
    return open && !policy.authors.some((author) => author === requester.subject || author === registrant);
  });
  return { ...answer, allowed: counted.length > 0, determining: counted };
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

function columnRefusals(judging: Judging): Why[] {
  return refusedColumns(judging, judging.facts.columns).map(({ answer, says, columns }) => ({
    answer,
    says: says ?? `Not to be read by this request: ${shortened(columns)}.`,
  }));
}

interface RefusedColumns {
  answer: Answer;
  /** As `table.column`. */
  columns: string[];
  /** Where it is not for what the columns are. */
  says?: string;
}

/** Those of the columns that may not be read. Columns that are alike are asked about once, unless a policy can tell them apart. */
function refusedColumns({ engine, slice, facts }: Judging, columns: ColumnFacts[]): RefusedColumns[] {
  const apart = tellColumnsApart(slice);
  const groups = apart.length > 0 ? columns.flatMap(oneByOne) : alikeColumns(columns);
  if (apart.length > 0 && groups.length > MOST_COLUMNS) {
    const says = `It would open ${groups.length} columns; where policies name columns, at most ${MOST_COLUMNS} can be judged: ask for fewer tables or columns.`;
    const all = groups.flatMap((group) => group.columns);
    return [{ answer: { allowed: false, determining: apart, errors: [] }, columns: all, says }];
  }
  const byReason = new Map<string, { answer: Answer; columns: string[] }>();
  for (const { columns: alike, ...column } of groups) {
    const answer = engine.ask(slice, askColumn(facts, column));
    if (answer.allowed) continue;
    const key = JSON.stringify(answer);
    const found = byReason.get(key) ?? { answer, columns: [] };
    found.columns.push(...alike);
    byReason.set(key, found);
  }
  return [...byReason.values()];
}

/**
 * Which of the columns that a grant would grow by the policies do not open to it, as `table.column`: those that may not be read, and those
 * with which it would have needed other approvals. The facts are of the columns that it keeps.
 */
export function unopenedColumns(judging: Judging, grown: ColumnFacts[]): string[] {
  const withheld: string[] = [];
  let { facts } = judging;
  for (const group of grown) {
    const wider = { ...facts, columns: [...facts.columns, group] };
    const names = oneByOne(group).flatMap(({ columns }) => columns);
    const refused = needsTheSame(judging, facts, wider)
      ? refusedColumns({ ...judging, facts: wider }, [group]).flatMap(({ columns }) => columns)
      : names;
    withheld.push(...refused);
    const opened = group.names.filter((name) => !refused.includes(`${group.table}.${name}`));
    if (opened.length > 0) facts = { ...facts, columns: [...facts.columns, { ...group, names: opened }] };
  }
  return withheld.sort();
}

/** Whether a request for more columns would be taken and approved as one for fewer. Policies see of columns how strict all of them are. */
function needsTheSame(judging: Judging, fewer: AccessFacts, more: AccessFacts): boolean {
  if (classificationOf(fewer) === classificationOf(more) && personal(fewer.columns) === personal(more.columns))
    return true;
  const needs = (facts: AccessFacts) => {
    const { engine, slice } = judging;
    const taken = (['submit', 'withoutExpiry'] as const).map(
      (action) => engine.ask(slice, askRequest(facts, action)).allowed,
    );
    const asked = { ...judging, facts };
    return JSON.stringify([taken, grantedAtOnce(asked).allowed, approvalsThatDo(asked)]);
  };
  return needs(fewer) === needs(more);
}

/** A column to ask about, and those that its answer is about, as `table.column`. */
interface AskedColumn extends Omit<ColumnFacts, 'names'> {
  name: string;
  columns: string[];
}

const oneByOne = ({ names, ...alike }: ColumnFacts): AskedColumn[] =>
  names.map((name) => ({ ...alike, name, columns: [`${alike.table}.${name}`] }));

/** One for all columns of any table that have the same classification and personal data. */
function alikeColumns(columns: ColumnFacts[]): AskedColumn[] {
  const groups = new Map<string, AskedColumn>();
  for (const column of columns.flatMap(oneByOne)) {
    const key = `${column.pii} ${column.classification}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, column);
    else group.columns.push(...column.columns);
  }
  return [...groups.values()];
}

/** At most ten of them. */
export const shortened = (names: readonly string[]): string =>
  names.length <= 10 ? names.join(', ') : `${names.slice(0, 10).join(', ')} and ${names.length - 10} more`;

/** The fewest approvals that do, of every sort. */
export const approvalsThatDo = (judging: Judging): Approvals[] => waysToApprove(judging).map(({ totals }) => totals);

interface WayToApprove {
  totals: Approvals;
  /** What the policies say to those who would approve, one of each role. */
  answers: Answer[];
}

/** By one more owner or steward at a time. */
function waysToApprove(judging: Judging): WayToApprove[] {
  const found: WayToApprove[] = [];
  for (let total = 1; total <= MOST_APPROVALS; total += 1) {
    for (let owners = total; owners >= 0; owners -= 1) {
      const totals = { owners, stewards: total - owners };
      if (found.some(({ totals: fewer }) => fewer.owners <= owners && fewer.stewards <= totals.stewards)) continue;
      const answers = enough(judging, totals);
      if (answers !== null) found.push({ totals, answers });
    }
  }
  return found;
}

/**
 * What the policies say to people whose approvals, so many in all, would be enough; null where there are none. Some owner and some steward
 * stand for all of them; where policies tell people apart, those count besides who really could approve.
 */
function enough({ engine, slice, facts, deciders = [] }: Judging, totals: Approvals): Answer[] | null {
  const { apart } = tellPeopleApart(slice);
  const allowed = (people: readonly PersonFacts[]) =>
    people.map((person) => engine.ask(slice, askApproval(facts, person, totals))).filter((answer) => answer.allowed);
  const answers: Answer[] = [];
  for (const [role, needed] of [
    ['OWNER', totals.owners],
    ['STEWARD', totals.stewards],
  ] as const) {
    if (needed === 0) continue;
    const admin = { ...somebody(facts, role), admin: true, roles: {} };
    const [anybody] = allowed([somebody(facts, role), ...(apart && role === 'OWNER' ? [admin] : [])]);
    const real = apart && anybody === undefined ? allowed(deciders.filter((one) => one.role === role)) : [];
    const [first] = anybody === undefined ? real : [anybody];
    if (first === undefined || (anybody === undefined && real.length < needed)) return null;
    answers.push(first);
  }
  return answers;
}

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
