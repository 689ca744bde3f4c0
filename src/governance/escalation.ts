import { type EscalationStep, Prisma } from '../generated/prisma/client.js';
import { announceAccess } from './announce.js';
import { bySystem, type SystemContext } from './context.js';
import type { Approvals } from './policy-facts.js';
import { lockRequest, type RequestRow } from './rows.js';
import { inTransaction, type Tx } from './transaction.js';

/**
 * Requests that nobody decides: those who can are reminded, and after longer others are asked, one step at a time. Found by their rows
 * and the database's clock, one transaction each; several workers share the work, and what one has done the others find done.
 */
export async function followUpWaiting(ctx: Pick<SystemContext, 'db' | 'committed'>, limit = 200): Promise<number> {
  let done = 0;
  for (const act of [REMIND, ESCALATE]) {
    const due = await ctx.db.$queryRaw<{ id: string }[]>`
      SELECT q."id"::text ${WAITING} AND ${act.due} ORDER BY q."createdAt", q."id" LIMIT ${limit}`;
    for (const { id } of due) {
      if (!(await inTransaction(ctx.db, (tx) => take(tx, act, id)))) continue;
      ctx.committed([]);
      done += 1;
    }
  }
  return done;
}

interface Act {
  /** Over `q`, the request, and `d`, the product's domain. */
  due: Prisma.Sql;
  carryOut: (tx: Tx, request: RequestRow, deciders: Deciders) => Promise<void>;
}

const WAITING = Prisma.sql`FROM "AccessRequest" q JOIN "DataProduct" p ON p."id" = q."productId" JOIN "Domain" d ON d."id" = p."domainId"
  WHERE q."status" = 'PENDING'`;

/** Takes one that is due still and that no other worker has; false where there is none. */
async function take(tx: Tx, { due, carryOut }: Act, id: string): Promise<boolean> {
  const [taken] = await tx.$queryRaw<{ id: string }[]>`
    SELECT q."id"::text ${WAITING} AND q."id" = ${id}::uuid AND ${due} FOR NO KEY UPDATE OF q SKIP LOCKED`;
  if (taken === undefined) return false;
  const request = await lockRequest(tx, id);
  await carryOut(tx, request, await readDeciders(tx, request));
  return true;
}

/** At most once a day. When a request was last changed is no matter of the clock's, so that stays. */
const REMIND: Act = {
  due: Prisma.sql`now() - q."createdAt" >= d."remindAfter"::interval AND coalesce(now() - q."remindedAt" >= interval '1 day', true)`,
  carryOut: async (tx, request, deciders) => {
    await tx.$executeRaw`UPDATE "AccessRequest" SET "remindedAt" = now() WHERE "id" = ${request.id}::uuid`;
    await announceAccess(tx, bySystem(), {
      type: 'AccessRequestReminded',
      access: request,
      addressed: peopleOf(awaited(deciders, request.escalatedTo)),
      data: waiting(request, awaited(deciders, request.escalatedTo)),
    });
  },
};

/** Each step once; the next as long after as the first. */
const ESCALATE: Act = {
  due: Prisma.sql`now() - coalesce(q."escalatedAt", q."createdAt") >= d."escalateAfter"::interval AND q."escalatedTo" IS DISTINCT FROM 'ADMINS'`,
  carryOut: async (tx, request, deciders) => {
    const to = nextStep(request, deciders);
    await tx.$executeRaw`UPDATE "AccessRequest" SET "escalatedTo" = ${to}::"EscalationStep", "escalatedAt" = now()
      WHERE "id" = ${request.id}::uuid`;
    const asked = awaited(deciders, to);
    await announceAccess(tx, bySystem(), {
      type: 'AccessRequestEscalated',
      access: request,
      addressed: peopleOf(asked),
      data: { ...waiting(request, asked), escalatedTo: to },
    });
  },
};

const waiting = ({ createdAt, namedPurpose }: RequestRow, deciders: Decider[]) => ({
  waitingSince: createdAt,
  namedPurpose,
  deciders: deciders.map(({ subject, standsInFor }) => ({ subject, standsInFor })),
});

/** Somebody who could decide a request now, himself or in the place of another. */
interface Decider {
  subject: string;
  role: 'OWNER' | 'STEWARD';
  standsInFor: string | null;
}

interface Deciders {
  /** Who has not approved, whose deputy has not, and who did not ask. */
  open: Decider[];
  /** The approvals that the policies want, and those given. */
  required: Approvals[];
  given: Approvals;
}

/** One statement. */
async function readDeciders(tx: Tx, { id, requestedBy, product }: RequestRow): Promise<Deciders> {
  const [read] = await tx.$queryRaw<{ deciders: Decider[]; required: Approvals[]; given: Given[] }[]>`
    SELECT (SELECT coalesce(jsonb_agg(to_jsonb(one) ORDER BY one."subject", one."standsInFor"), '[]') FROM (
        SELECT m."subject", m."role", NULL AS "standsInFor" FROM "DomainMember" m
          WHERE m."domainId" = ${product.domainId}::uuid AND m."role" IN ('OWNER', 'STEWARD')
          AND NOT EXISTS (SELECT FROM "ServiceAccount" s WHERE s."subject" = m."subject" AND s."removedAt" IS NULL)
        UNION ALL SELECT v."deputy", v."role", v."standsInFor" FROM "Deputyship" v
          WHERE v."domainId" = ${product.domainId}::uuid AND v."startsIn" <= 0) one) AS "deciders",
      coalesce((SELECT d."required" FROM "AccessDecision" d WHERE d."requestId" = ${id}::uuid), '[]') AS "required",
      (SELECT coalesce(jsonb_agg(jsonb_build_object('approvedBy', a."approvedBy", 'approvedFor', a."approvedFor", 'role', a."role")), '[]')
        FROM "AccessApproval" a WHERE a."requestId" = ${id}::uuid) AS "given"`;
  const { deciders, required, given } = read as NonNullable<typeof read>;
  const done = new Set([requestedBy, ...given.flatMap(({ approvedBy, approvedFor }) => [approvedBy, approvedFor])]);
  const count = (role: Decider['role']) => given.filter((approval) => approval.role === role).length;
  return {
    open: deciders.filter(({ subject, standsInFor }) => !done.has(subject) && !(standsInFor && done.has(standsInFor))),
    required,
    given: { owners: count('OWNER'), stewards: count('STEWARD') },
  };
}

interface Given {
  approvedBy: string;
  approvedFor: string | null;
  role: Decider['role'];
}

/** Whom a request waits for: stewards where their word helps, owners where it does not do without them or they were asked besides. */
function awaited(deciders: Deciders, escalatedTo: EscalationStep | null): Decider[] {
  if (escalatedTo !== null) return deciders.open;
  const stewards = stewardsAwaited(deciders);
  return ownersAwaited(deciders) ? [...stewards, ...deciders.open.filter(({ role }) => role === 'OWNER')] : stewards;
}

function stewardsAwaited({ open, required, given }: Deciders): Decider[] {
  const help = required.length === 0 || required.some(({ stewards }) => stewards > given.stewards);
  return help ? open.filter(({ role }) => role === 'STEWARD') : [];
}

function ownersAwaited(deciders: Deciders): boolean {
  const { required, given } = deciders;
  const indispensable = required.length > 0 && required.every(({ owners }) => owners > given.owners);
  return indispensable || stewardsAwaited(deciders).length === 0;
}

/** Owners where only stewards were asked, then those who see everything. */
function nextStep({ escalatedTo }: RequestRow, deciders: Deciders): EscalationStep {
  return escalatedTo === null && !ownersAwaited(deciders) ? 'OWNERS' : 'ADMINS';
}

const peopleOf = (deciders: Decider[]): string[] => [...new Set(deciders.map(({ subject }) => subject))];
