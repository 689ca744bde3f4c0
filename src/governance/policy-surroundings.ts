import type { Domain, DomainRole } from '../generated/prisma/client.js';
import type { Context } from './context.js';
import type { PersonFacts } from './policy-facts.js';
import { type ActiveVersion, activeVersions } from './policy-slice.js';
import type { Tx } from './transaction.js';

/** Whose requests are judged: the viewer, or nobody where Meshgate acts by itself. */
export type JudgingContext = Pick<Context, 'policies'> & Partial<Pick<Context, 'viewer'>>;

/** Whose request it is, of which product and for which domain: all that says who is concerned. */
export interface Concerned {
  /** `id` null: it is not made yet. */
  request: { id: string | null; requestedBy: string; extendsId?: string | null };
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
  /** Service accounts among those who ask and decide, also removed ones, with those who registered them or made secrets of theirs. */
  machines: { subject: string; makers: string[] }[];
  /** Who asked for the grants that other ends are asked of, and their ends. */
  extended: { grantId: string; requestedBy: string; expiresAt: string | null }[];
}

/** Who made these, where they are machines: whoever knows a secret may be who asks. */
export const madeBy = ({ machines }: Surroundings, subjects: string[]): string[] =>
  machines.flatMap(({ subject, makers }) => (subjects.includes(subject) ? makers : []));

/** Who asks; machines; who made the one that asks; and of another end, the same of who asked for the grant. */
export function barredFrom(read: Surroundings, request: Concerned['request']): ReadonlySet<string> {
  const askers = [
    request.requestedBy,
    ...read.extended.flatMap(({ grantId, requestedBy }) => (grantId === request.extendsId ? [requestedBy] : [])),
  ];
  return new Set([...askers, ...read.machines.map(({ subject }) => subject), ...madeBy(read, askers)]);
}

/** Reads what judging takes besides the requests: one statement, however many they are. */
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
      SELECT DISTINCT s."subject", makers_of(s."subject") AS "makers" FROM "ServiceAccount" s
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

/** Somebody with the roles that he has where the request is concerned. */
export function personOf(
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
