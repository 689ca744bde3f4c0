import { createHash } from 'node:crypto';
import type { AccessRequest, Domain, DomainRole, Permission, Prisma } from '../generated/prisma/client.js';
import { type PolicyEngine, type PolicySlice, tellPeopleApart } from './cedar/engine.js';
import type { Context } from './context.js';
import type { Capacity } from './deputyship.js';
import { type AskedAccess, askedTables, givenNow } from './desired-access.js';
import { type Approver, approvalsThatDo, areSame, type Decision } from './policy-decision.js';
import {
  type AccessFacts,
  type ColumnFacts,
  daysUntil,
  factsDigest,
  type PersonFacts,
  type ProductFacts,
} from './policy-facts.js';
import { type ActiveVersion, activeVersions, holdPolicies, sliceOf } from './policy-slice.js';
import { readRowFilter } from './row-filter.js';
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
  /** Whose approval counts for nothing: who asks, or asked for the access that would be extended; machines, and who registered the one that asks. */
  barred: ReadonlySet<string>;
  /** The earliest end that an approval set. */
  approvedUntil: Date | null;
  /** The end of the grant that it asks another end of, null: none; left out where it asks for no other end. */
  extendedUntil?: Date | null;
  now: Date;
  /** Somebody of whom this was read: the viewer, those for whom he decides, and those who asked and approved. */
  person: (subject: string) => PersonFacts;
}

/** Whose requests are judged: the viewer, or nobody where Meshgate acts by itself. */
type JudgingContext = Pick<Context, 'policies'> & Partial<Pick<Context, 'viewer'>>;

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
    registrant: read.machines.find(({ subject }) => subject === request.requestedBy)?.registrant ?? null,
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
export function judgedDigest(judged: Judged): string {
  const required = JSON.stringify(approvalsThatDo(judged));
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

/** The viewer as one who approves; null where he has no role that decides. His memberships were read in this transaction. */
export function viewerAsApprover(
  { viewer }: Context,
  { product, consumer }: Omit<ToJudge, 'request'>,
): Approver | null {
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
  { judged, capacity, ...parties }: { judged: Judged; capacity: Capacity } & Omit<ToJudge, 'request'>,
): Approver | null {
  if (capacity === null) return viewerAsApprover(ctx, parties);
  const { person } = judged;
  return deputyOf(person(ctx.viewer.subject), person(capacity.standsInFor), parties.product);
}

/** A deputy with the role of whom he stands in for; null where that one decides no more. */
function deputyOf(deputy: PersonFacts, standsInFor: PersonFacts, { domain }: ProductWithTables): Approver | null {
  const role = standsInFor.roles[domain.name];
  if (role !== 'OWNER' && role !== 'STEWARD') return null;
  return { ...deputy, roles: { ...deputy.roles, [domain.name]: role }, role, standsInFor };
}

function approverOf(person: PersonFacts, domain: string): Approver | null {
  const role = person.admin ? 'OWNER' : person.roles[domain];
  return role === 'OWNER' || role === 'STEWARD' ? { ...person, role } : null;
}

/** A product as policies see it. */
export function productFacts(product: ProductWithTables, contract: string | null): ProductFacts {
  const { name, classification, tags, accessMode } = product;
  return { domain: product.domain.name, name, classification, tags, accessMode, contract };
}

/** Every column of a product, those of a table that are alike together. */
export const columnFacts = (product: ProductWithTables): ColumnFacts[] =>
  product.tables.flatMap(({ name, columns }) => alike(product, name, columns));

/** Whoever may alter a table gets its location too, and with it all that lies there. */
const OPENING: readonly Permission[] = ['SELECT', 'ALTER'];

/** The columns that a request comes to. What the filter of rows compares is opened too: which rows there are tells what is in it. */
export function openedColumns(request: AskedAccess, product: ProductWithTables): ColumnFacts[] {
  if (!request.permissions.some((permission) => OPENING.includes(permission))) return [];
  return askedTables(request, product).flatMap(({ name, columns, rowFilter }) => {
    const table = product.tables.find((one) => one.name === name);
    const all = table?.columns ?? [];
    const compared = rowFilter === null ? [] : readRowFilter(rowFilter, all).columns;
    const opened = all.filter(
      (column) => columns === null || columns.includes(column.name) || compared.includes(column.name),
    );
    return alike(product, name, opened);
  });
}

function alike(
  { classification: ofProduct }: ProductWithTables,
  table: string,
  columns: ProductWithTables['tables'][number]['columns'],
): ColumnFacts[] {
  const groups = new Map<string, ColumnFacts>();
  for (const { name, pii, classification: own } of columns) {
    const classification = own ?? ofProduct;
    const key = `${pii} ${classification}`;
    const group = groups.get(key) ?? { table, names: [], pii, classification };
    group.names.push(name);
    groups.set(key, group);
  }
  return [...groups.values()];
}

/** Whose request it is, of which product and for which domain: all that says who is concerned. */
export interface Concerned {
  request: Pick<ToJudge['request'], 'id' | 'requestedBy' | 'extendsId'>;
  product: { id: string; domainId: string; domain: { id: string; name: string } };
  consumer: Pick<Domain, 'id' | 'name'>;
}

/** What is read besides the requests. */
export interface Surroundings {
  now: string;
  policies: ActiveVersion[];
  /** The version in force, by product. */
  contracts: Record<string, string>;
  approvals: {
    requestId: string;
    approvedBy: string;
    approvedFor: string | null;
    asAdmin: boolean;
    expiresAt: string | null;
    factsDigest: string;
  }[];
  /** Requests that were asked by platform admins. */
  admins: string[];
  members: { subject: string; domainId: string; role: DomainRole }[];
  /** Service accounts among those who ask and decide; `removed` ones are no members any more. */
  machines: { subject: string; registrant: string; removed: boolean }[];
  /** Who asked for the grants that other ends are asked of, and their ends. */
  extended: { grantId: string; requestedBy: string; expiresAt: string | null }[];
}

/** Who asks; machines; who registered the one that asks; and of another end, the same of who asked for the grant. */
export function barredFrom({ machines, extended }: Surroundings, request: Concerned['request']): ReadonlySet<string> {
  const askers = [
    request.requestedBy,
    ...extended.flatMap(({ grantId, requestedBy }) => (grantId === request.extendsId ? [requestedBy] : [])),
  ];
  return new Set([
    ...askers,
    ...machines.filter(({ removed }) => !removed).map(({ subject }) => subject),
    ...machines.filter(({ subject }) => askers.includes(subject)).map(({ registrant }) => registrant),
  ]);
}

/** Who approved, as what he is now, or the one for whom he stood; null where that decides no more. */
function approvedIn(read: Surroundings, each: ToJudge, approval: Surroundings['approvals'][number]): Approver | null {
  const { approvedBy, approvedFor, asAdmin } = approval;
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

/** One statement, however many requests. */
export async function readSurroundings(ctx: JudgingContext, tx: Tx, all: Concerned[]): Promise<Surroundings> {
  const ids = all.flatMap(({ request }) => request.id ?? []);
  const products = all.map(({ product }) => product.id);
  const owning = all.map(({ product }) => product.domainId);
  const domains = [...owning, ...all.map(({ consumer }) => consumer.id)];
  const { viewer } = ctx;
  const represented = (viewer?.deputyships ?? []).map(({ standsInFor }) => standsInFor);
  const subjects = [
    ...(viewer ? [viewer.subject] : []),
    ...represented,
    ...all.map(({ request }) => request.requestedBy),
  ];
  const grants = all.flatMap(({ request }) => request.extendsId ?? []);
  const [read] = await tx.$queryRaw<Surroundings[]>`
    WITH approvals AS (
      SELECT "requestId", "approvedBy", "approvedFor", "asAdmin", "expiresAt", "factsDigest" FROM "AccessApproval"
      WHERE "requestId" = ANY (${ids}::uuid[])
    ), behind AS (
      SELECT "approvedBy" AS "subject" FROM approvals UNION SELECT "approvedFor" FROM approvals
    ), extended AS (
      SELECT g."id" AS "grantId", q."requestedBy", g."expiresAt" FROM "AccessGrant" g JOIN "AccessRequest" q ON q."id" = g."requestId"
      WHERE g."id" = ANY (${grants}::uuid[])
    ), deciders AS (
      SELECT "subject" FROM "DomainMember" WHERE "domainId" = ANY (${owning}::uuid[]) AND "role" IN ('OWNER', 'STEWARD')
    ), machines AS (
      SELECT s."subject", s."createdBy" AS "registrant", s."removedAt" IS NOT NULL AS "removed" FROM "ServiceAccount" s
      WHERE s."subject" = ANY (${subjects}::text[]) OR s."subject" IN (SELECT "subject" FROM behind)
        OR s."subject" IN (SELECT "requestedBy" FROM extended) OR s."subject" IN (SELECT "subject" FROM deciders)
    )
    SELECT now()::text AS "now", ${activeVersions(owning)} AS "policies",
      (SELECT coalesce(jsonb_object_agg(c."productId", c."version"), '{}') FROM "DataContract" c
        WHERE c."status" = 'ACTIVE' AND c."productId" = ANY (${products}::uuid[])) AS "contracts",
      (SELECT coalesce(jsonb_agg(to_jsonb(approvals)), '[]') FROM approvals) AS "approvals",
      (SELECT coalesce(jsonb_agg(d."requestId"), '[]') FROM "AccessDecision" d
        WHERE d."requestId" = ANY (${ids}::uuid[]) AND (d."facts" #> '{requester,admin}')::boolean) AS "admins",
      (SELECT coalesce(jsonb_agg(jsonb_build_object('subject', m."subject", 'domainId', m."domainId", 'role', m."role")), '[]')
        FROM "DomainMember" m WHERE m."domainId" = ANY (${domains}::uuid[])
        AND (m."subject" = ANY (${subjects}::text[]) OR m."subject" IN (SELECT "subject" FROM behind)
          OR m."subject" IN (SELECT "subject" FROM deciders))) AS "members",
      (SELECT coalesce(jsonb_agg(to_jsonb(machines)), '[]') FROM machines) AS "machines",
      (SELECT coalesce(jsonb_agg(to_jsonb(extended)), '[]') FROM extended) AS "extended"`;
  return read as Surroundings;
}

function personOf(
  { members }: Surroundings,
  { subject, admin }: { subject: string; admin: boolean },
  { product, consumer }: Concerned,
): PersonFacts {
  const roles: PersonFacts['roles'] = {};
  for (const { id, name } of [product.domain, consumer]) {
    const member = members.find((one) => one.subject === subject && one.domainId === id);
    if (member !== undefined) roles[name] = member.role;
  }
  return { subject, admin, roles };
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
