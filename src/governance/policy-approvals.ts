import type { DomainRole } from '../generated/prisma/client.js';
import { type Answer, type PolicyEngine, type PolicySlice, tellPeopleApart } from './cedar/engine.js';
import { askEach } from './policy-asking.js';
import { type AccessFacts, type Approvals, askApproval, type PersonFacts } from './policy-facts.js';

/** Somebody who approved. A platform admin counts as owner. */
export interface Approver extends PersonFacts {
  role: Extract<DomainRole, 'OWNER' | 'STEWARD'>;
  /** In whose place, where a deputy approved: the role is that one's, and what the policies refuse either of them they refuse. */
  standsInFor?: PersonFacts;
}

/** The people behind an approval. */
export const behind = (approver: Approver): PersonFacts[] =>
  approver.standsInFor === undefined ? [approver] : [approver, approver.standsInFor];

/** Whether an approval counts for nothing, whatever the policies say. */
export const isBarred = ({ barred }: { barred?: ReadonlySet<string> }, approver: Approver): boolean =>
  behind(approver).some(({ subject }) => barred?.has(subject));

/** Whether one person stands behind both: somebody and his deputy approve once. */
export const areSame = (one: Approver, other: Approver): boolean =>
  behind(one).some(({ subject }) => behind(other).some((person) => person.subject === subject));

/** What is judged, by which policies, and whose word may count. */
export interface Judging {
  engine: PolicyEngine;
  slice: PolicySlice;
  facts: AccessFacts;
  /** Whose approval counts for nothing, whatever his role: machines, and who made the one that asks. */
  barred?: ReadonlySet<string>;
  /** Who could approve it: those alone whom policies may name, which invented people are not. */
  deciders?: readonly Approver[];
}

/** Policies that want more people than this to approve one request want what nobody can do. */
const MOST_APPROVALS = 4;

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

/** The answer where nobody was asked. */
export const UNANSWERED: Answer = { allowed: false, determining: [], errors: [] };

/** The fewest approvals that do, of every sort. */
export async function approvalsThatDo(judging: Judging): Promise<Approvals[]> {
  return (await waysToApprove(judging)).map(({ totals }) => totals);
}

/** Approvals that are enough. */
interface WayToApprove {
  totals: Approvals;
  /** What the policies say to those who would approve, one of each role. */
  answers: Answer[];
}

/** All of them, by one more owner or steward at a time. */
export async function waysToApprove(judging: Judging): Promise<WayToApprove[]> {
  const found: WayToApprove[] = [];
  for (let total = 1; total <= MOST_APPROVALS; total += 1) {
    for (let owners = total; owners >= 0; owners -= 1) {
      const totals = { owners, stewards: total - owners };
      if (found.some(({ totals: fewer }) => fewer.owners <= owners && fewer.stewards <= totals.stewards)) continue;
      const answers = await enough(judging, totals);
      if (answers !== null) found.push({ totals, answers });
    }
  }
  return found;
}

/**
 * What the policies say to people whose approvals, so many in all, would be enough; null where there are none. Some owner and some steward
 * stand for all of them; where policies tell people apart, those count besides who really could approve.
 */
async function enough({ engine, slice, facts, deciders = [] }: Judging, totals: Approvals): Promise<Answer[] | null> {
  const { apart } = tellPeopleApart(slice);
  const allowed = async (people: readonly PersonFacts[]) => {
    const questions = people.map((person) => askApproval(facts, person, totals));
    return (await askEach({ engine, slice }, questions)).filter((answer) => answer.allowed);
  };
  const answers: Answer[] = [];
  for (const [role, needed] of [
    ['OWNER', totals.owners],
    ['STEWARD', totals.stewards],
  ] as const) {
    if (needed === 0) continue;
    const admin = { ...somebody(facts, role), admin: true, roles: {} };
    const [anybody] = await allowed([somebody(facts, role), ...(apart && role === 'OWNER' ? [admin] : [])]);
    const real = apart && anybody === undefined ? await allowed(deciders.filter((one) => one.role === role)) : [];
    const [first] = anybody === undefined ? real : [anybody];
    if (first === undefined || (anybody === undefined && real.length < needed)) return null;
    answers.push(first);
  }
  return answers;
}

/** Some owner or steward of the product's domain, who has nothing else to do with the request. */
export const somebody = ({ product }: AccessFacts, role: Approver['role']): PersonFacts => ({
  subject: '',
  admin: false,
  roles: { [product.domain]: role },
});

/** How many of them in which role. */
export const tally = (approvers: Approver[]): Approvals => ({
  owners: approvers.filter(({ role }) => role === 'OWNER').length,
  stewards: approvers.filter(({ role }) => role === 'STEWARD').length,
});

/** What each way that does still needs besides these; none where one needs nothing more. */
export function approvalsMissing(required: Approvals[], approvers: Approver[]): Approvals[] {
  const given = tally(approvers);
  const missing = required.map(({ owners, stewards }) => ({
    owners: Math.max(0, owners - given.owners),
    stewards: Math.max(0, stewards - given.stewards),
  }));
  return missing.some(({ owners, stewards }) => owners + stewards === 0) ? [] : missing;
}

/** In words: `the approval of 1 owner and 1 steward`. */
export function approvalsText(required: Approvals[]): string {
  const some = (count: number, noun: string) => (count === 0 ? [] : [`${count} ${noun}${count > 1 ? 's' : ''}`]);
  const each = required.map(({ owners, stewards }) => [...some(owners, 'owner'), ...some(stewards, 'steward')]);
  return `the approval of ${each.map((roles) => roles.join(' and ')).join(', or of ')}`;
}
