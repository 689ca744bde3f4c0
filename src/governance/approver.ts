import { type PolicySlice, tellPeopleApart } from './cedar/engine.js';
import type { Context } from './context.js';
import type { Capacity } from './deputyship.js';
import type { Approver } from './policy-approvals.js';
import type { PersonFacts } from './policy-facts.js';
import { barredFrom, type Concerned, personOf, type Surroundings } from './policy-surroundings.js';

type Parties = Omit<Concerned, 'request'>;

/** The viewer as one who approves; null where he has no role that decides. His memberships were read in this transaction. */
export function viewerAsApprover({ viewer }: Context, { product, consumer }: Parties): Approver | null {
  const roles: PersonFacts['roles'] = {};
  for (const { id, name } of [product.domain, consumer]) {
    const role = viewer.memberships.get(id);
    if (role !== undefined) roles[name] = role;
  }
  return approverOf({ subject: viewer.subject, admin: viewer.admin, roles }, product.domain.name);
}

/** The viewer as one who approves in one of his roles: his own, or that of whom he stands in for. */
export function viewerIn(
  ctx: Context,
  {
    judged,
    capacity,
    ...parties
  }: Parties & { judged: { person: (subject: string) => PersonFacts }; capacity: Capacity },
): Approver | null {
  if (capacity === null) return viewerAsApprover(ctx, parties);
  const { person } = judged;
  return deputyOf(person(ctx.viewer.subject), person(capacity.standsInFor), parties.product);
}

/** Who approved, as what he is now, or the one for whom he stood; null where that decides no more. */
export function approvedIn(
  read: Surroundings,
  each: Concerned,
  { approvedBy, approvedFor, asAdmin }: Surroundings['approvals'][number],
): Approver | null {
  if (approvedFor === null) return approverIn(read, each, { subject: approvedBy, admin: asAdmin });
  const person = (subject: string, admin: boolean) => personOf(read, { subject, admin }, each);
  return deputyOf(person(approvedBy, asAdmin), person(approvedFor, false), each.product);
}

/** Owners and stewards of the product's domain, and whom policies name though he has no role there: he can be nobody but a platform admin. */
export function decidersFrom(read: Surroundings, each: Concerned, slice: PolicySlice): Approver[] {
  const { apart, named } = tellPeopleApart(slice);
  if (!apart) return [];
  const barred = barredFrom(read, each.request);
  const subjects = read.members.flatMap(({ subject, domainId }) =>
    domainId === each.product.domainId ? [subject] : [],
  );
  return [...new Set([...subjects, ...named])]
    .filter((subject) => !barred.has(subject))
    .flatMap((subject) => approverIn(read, each, { subject, admin: !subjects.includes(subject) }) ?? []);
}

const approverIn = (
  read: Surroundings,
  each: Concerned,
  person: { subject: string; admin: boolean },
): Approver | null => approverOf(personOf(read, person, each), each.product.domain.name);

/** A deputy with the role of whom he stands in for; null where that one decides no more. */
function deputyOf(deputy: PersonFacts, standsInFor: PersonFacts, { domain }: Parties['product']): Approver | null {
  const role = standsInFor.roles[domain.name];
  if (role !== 'OWNER' && role !== 'STEWARD') return null;
  return { ...deputy, roles: { ...deputy.roles, [domain.name]: role }, role, standsInFor };
}

/** Somebody as one who approves; null where he has no role that decides. */
function approverOf(person: PersonFacts, domain: string): Approver | null {
  const role = person.admin ? 'OWNER' : person.roles[domain];
  return role === 'OWNER' || role === 'STEWARD' ? { ...person, role } : null;
}
