import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import { SYSTEM_ACTOR } from '../events/types.js';
import type { DomainRole, Prisma, PrismaClient } from '../generated/prisma/client.js';
import type { LaneKey } from '../provisioning/lane.js';
import { isPerson } from './authorization.js';
import type { Context, Deputyship } from './context.js';
import { deputyshipsOf } from './deputyship.js';
import { conflict } from './error.js';

/** A transaction of the business: what every rule is given to read and write with. */
export type Tx = Prisma.TransactionClient;

/** What an action answers with: the ids that the resolver reads the objects by, and the lanes to wake. */
export interface Outcome<Ids> {
  ids: Ids;
  /** Those whose desired state changed: woken after the commit. */
  lanes?: LaneKey[];
}

interface Mutation {
  /** The mutation's name in the API: part of the idempotency key's scope. */
  mutation: string;
  idempotencyKey?: string | null | undefined;
  /** Without the key itself; another input under the same key is refused. */
  input: unknown;
  /** A membership that it changes or ends: locked in turn with the viewer's own. */
  member?: MemberKey | undefined;
}

const LIMITS = { timeout: 15_000, maxWait: 10_000 };

/**
 * Runs one action in one transaction (READ COMMITTED; rules lock the rows they judge), under the caller's idempotency key where
 * he gave one, and wakes the lanes after the commit. A deadlock or serialization failure is tried once more.
 */
export async function mutate<Ids extends Record<string, string>>(
  ctx: Context,
  { mutation, idempotencyKey, input, member }: Mutation,
  action: (tx: Tx) => Promise<Outcome<Ids>>,
): Promise<Ids> {
  if (idempotencyKey === undefined || idempotencyKey === null) {
    const { ids, lanes } = await transact(ctx.db, (tx) => act(ctx, tx, { member, action }));
    ctx.committed(lanes ?? []);
    return ids;
  }
  const key = { subject: ctx.viewer.subject, mutation, key: idempotencyKey, inputHash: hashOf(input) };
  const { ids, lanes } = await transact(ctx.db, async (tx) => {
    const earlier = await takeKey<Ids>(tx, key);
    if (earlier !== null) return { ids: earlier, lanes: [] };
    const outcome = await act(ctx, tx, { member, action });
    await tx.idempotencyKey.update({
      where: { subject_mutation_key: { subject: key.subject, mutation, key: idempotencyKey } },
      data: { resultId: JSON.stringify(outcome.ids) },
      select: { key: true },
    });
    return outcome;
  });
  ctx.committed(lanes ?? []);
  return ids;
}

/**
 * Acts for the viewer as he is now: what was read of his memberships before may be a second old, and a removal that was answered
 * must hold in every process. So they are held until the transaction ends: who removes him comes before, or waits for what he does. A
 * machine is a member as a service account, or not at all. Postgres is told in the same statement for whom is written: its own rules
 * refuse what ours forget. Memberships are locked in order of subject: of two who remove one another, one waits while he holds nothing.
 */
async function act<T>(ctx: Context, tx: Tx, { member, action }: Acting<T>): Promise<T> {
  const { subject, admin, signIn } = ctx.viewer;
  if (member && member.subject <= subject) await lockMember(tx, member);
  const [read] = await tx.$queryRaw<Read[]>`
    WITH held AS MATERIALIZED (
      SELECT "domainId", "role" FROM "DomainMember" WHERE "subject" = ${subject} AND NOT is_removed_machine(${subject})
        AND (${signIn.kind !== 'MACHINE'} OR EXISTS (SELECT FROM "ServiceAccount" s WHERE s."subject" = ${subject}))
      FOR SHARE)
    SELECT set_config('meshgate.subject', ${subject}, true), set_config('meshgate.authority', ${admin ? 'ADMIN' : 'MEMBER'}, true),
      (SELECT coalesce(json_agg(json_build_object('domainId', "domainId", 'role', "role")), '[]') FROM held) AS "memberships",
      ${deputyshipsOf(subject)} AS "deputyships"`;
  const rows = read?.memberships ?? [];
  const memberships = new Map(rows.map(({ domainId, role }) => [domainId, role]));
  const deputyships = isPerson(signIn) ? (read?.deputyships ?? []) : [];
  ctx.viewer = { ...ctx.viewer, memberships, deputyships };
  if (member && member.subject > subject) await lockMember(tx, member);
  return action(tx);
}

interface Acting<T> {
  member: MemberKey | undefined;
  action: (tx: Tx) => Promise<T>;
}

/** A membership: whose it is, and in which domain. */
interface MemberKey {
  domainId: string;
  subject: string;
}

/**
 * Nobody acts by this membership until the transaction ends. Before any domain is locked: what the member does is held by his memberships
 * and may wait for the domain, so the other order would be a deadlock.
 */
async function lockMember(tx: Tx, { domainId, subject }: MemberKey): Promise<void> {
  await tx.$queryRaw`
    SELECT 1 FROM "DomainMember" WHERE "domainId" = ${domainId}::uuid AND "subject" = ${subject} FOR NO KEY UPDATE`;
}

interface Read {
  memberships: { domainId: string; role: DomainRole }[];
  deputyships: Deputyship[];
}

/** Runs work of Meshgate itself in a transaction with the same limits and the same second try. */
export function inTransaction<T>(db: PrismaClient, work: (tx: Tx) => Promise<T>): Promise<T> {
  return transact(db, async (tx) => {
    await actAsSystem(tx);
    return work(tx);
  });
}

/**
 * Writes on in the name of Meshgate itself until the transaction ends: what the clock, AWS's answer or a policy decides. Without it, or
 * a viewer's name, Postgres takes no request and no grant.
 */
export async function actAsSystem(tx: Tx): Promise<void> {
  await tx.$queryRaw`SELECT set_config('meshgate.subject', ${SYSTEM_ACTOR.subject}, true), set_config('meshgate.authority', 'SYSTEM', true)`;
}

async function transact<T>(db: PrismaClient, work: (tx: Tx) => Promise<T>): Promise<T> {
  try {
    return await db.$transaction(work, LIMITS);
  } catch (error) {
    if (failureOf(error) !== 'TransactionWriteConflict') throw translated(error);
  }
  try {
    return await db.$transaction(work, LIMITS);
  } catch (error) {
    throw translated(error);
  }
}

/** Forgets the keys that are older than a day, by the database's clock. Returns how many. */
export function forgetIdempotencyKeys(db: PrismaClient): Promise<number> {
  return db.$executeRaw`DELETE FROM "IdempotencyKey" WHERE "createdAt" < now() - interval '24 hours'`;
}

/**
 * Takes the key, or returns what it led to. The insert waits for a concurrent twin's transaction: if that commits, its result is
 * read; if it fails, the key is free. A key older than a day counts as free.
 */
async function takeKey<Ids>(
  tx: Tx,
  key: { subject: string; mutation: string; key: string; inputHash: string },
): Promise<Ids | null> {
  const taken = await tx.$executeRaw`
    INSERT INTO "IdempotencyKey" AS held ("subject", "mutation", "key", "inputHash")
    VALUES (${key.subject}, ${key.mutation}, ${key.key}, ${key.inputHash})
    ON CONFLICT ("subject", "mutation", "key") DO UPDATE
      SET "inputHash" = excluded."inputHash", "resultId" = NULL, "createdAt" = now()
      WHERE held."createdAt" < now() - interval '24 hours'`;
  if (taken === 1) return null;
  const held = await tx.idempotencyKey.findUniqueOrThrow({
    where: { subject_mutation_key: { subject: key.subject, mutation: key.mutation, key: key.key } },
  });
  if (held.inputHash !== key.inputHash) {
    throw conflict(
      `The idempotency key was used for another input of ${key.mutation}: take a new key, or repeat the input.`,
    );
  }
  return JSON.parse(held.resultId as string) as Ids;
}

function hashOf(input: unknown): string {
  const plain: unknown = JSON.parse(JSON.stringify(input));
  if (plain !== null && typeof plain === 'object') delete (plain as { idempotencyKey?: unknown }).idempotencyKey;
  return createHash('sha256')
    .update(canonicalize(plain) as string)
    .digest('hex');
}

interface AdapterError {
  cause?: { kind?: string };
}

/** The driver adapter's name for what went wrong; Prisma carries it in `meta` for model calls and raw SQL, and not at all for the commit. */
function failureOf(error: unknown): string | null {
  if (!(error instanceof Error)) return null;
  const { code, meta, cause } = error as Error &
    AdapterError & { code?: string; meta?: { driverAdapterError?: AdapterError } };
  if (code === 'P2034') return 'TransactionWriteConflict';
  if (code === 'P2002') return 'UniqueConstraintViolation';
  return (meta?.driverAdapterError?.cause ?? cause)?.kind ?? null;
}

function translated(error: unknown): unknown {
  if (failureOf(error) !== 'UniqueConstraintViolation') return error;
  return conflict(
    'Somebody else made an object of that name, or took that place, at the same moment: read it, or choose another.',
  );
}

/** Whoever takes the lock of this name waits for the one before him to end his transaction: for what no row stands for. */
export async function lockName(tx: Tx, name: string): Promise<void> {
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(${`meshgate.${name}`}, 0))`;
}
