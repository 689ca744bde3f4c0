import { SYSTEM_ACTOR } from '../events/types.js';
import type { Deputy, Domain } from '../generated/prisma/client.js';
import { type Author, announceDomain } from './announce.js';
import { assertCan } from './authorization.js';
import { bySystem, type Context, type SystemContext } from './context.js';
import {
  type EndDeputyInput,
  endDeputy as endDeputyInput,
  type NameDeputyInput,
  nameDeputy as nameDeputyInput,
} from './deputy.input.js';
import { conflict, invalid, notFound } from './error.js';
import { globalId } from './global-id.js';
import { isOfMachines } from './machine.js';
import { databaseNow, domainSubject, lockDomain, readDomain } from './rows.js';
import { inTransaction, mutate, type Tx } from './transaction.js';
import { read } from './validation.js';

const DAY = 86_400_000;
const LONGEST_DAYS = 366;
/** Of one member in one domain, that have not ended. */
const MOST = 10;

/** Lets somebody decide requests for the viewer, in one domain and for a while, by the database's clock. */
export async function nameDeputy(ctx: Context, input: NameDeputyInput): Promise<{ deputyId: string }> {
  const given = read(nameDeputyInput, input);
  return mutate(ctx, { mutation: 'nameDeputy', idempotencyKey: input.idempotencyKey, input }, async (tx) => {
    const domain = await lockDomain(tx, given.domain);
    assertCan(ctx.viewer, 'deputy:name', domainSubject(domain));
    const standsInFor = ctx.viewer.subject;
    const { deputy } = given;
    const span = spanOf(given, await databaseNow(tx));
    if (deputy === standsInFor) throw invalid('deputy', 'deputy: name somebody else.');
    await refuseMachine(ctx, tx, deputy);
    await refuseTaken(tx, { domainId: domain.id, standsInFor, deputy, ...span });
    const row = await tx.deputy.create({ data: { domainId: domain.id, standsInFor, deputy, ...span } });
    await announceDeputy(tx, ctx, { type: 'DeputyNamed', domain, row });
    return { ids: { deputyId: row.id } };
  });
}

function spanOf({ from, until }: { from?: Date | null | undefined; until: Date }, now: Date) {
  const begins = from && from > now ? from : now;
  if (until <= now) throw invalid('until', 'until: give a time in the future.');
  if (until <= begins) throw invalid('until', 'until: give a time after `from`.');
  if (until.getTime() - begins.getTime() > LONGEST_DAYS * DAY) {
    throw invalid('until', `until: a deputy is named for at most ${LONGEST_DAYS} days: name him again later.`);
  }
  return { from: begins, until };
}

/** Machines decide nothing; the database refuses those that it knows too. */
async function refuseMachine(ctx: Context, tx: Tx, deputy: string): Promise<void> {
  const isMachine =
    deputy === SYSTEM_ACTOR.subject ||
    isOfMachines(ctx, deputy) ||
    (await tx.serviceAccount.findFirst({ where: { subject: deputy }, select: { id: true } })) !== null;
  if (isMachine) throw invalid('deputy', 'deputy: people alone decide requests: name a person.');
}

/** The domain's row is locked: nobody names others meanwhile. */
async function refuseTaken(
  tx: Tx,
  {
    domainId,
    standsInFor,
    deputy,
    from,
    until,
  }: Pick<Deputy, 'domainId' | 'standsInFor' | 'deputy' | 'from' | 'until'>,
): Promise<void> {
  const named = await tx.deputy.findMany({ where: { domainId, standsInFor, endedAt: null, until: { gt: from } } });
  const overlapping = named.find((one) => one.deputy === deputy && one.from < until);
  if (overlapping) {
    const span = `from ${overlapping.from.toISOString()} until ${overlapping.until.toISOString()}`;
    throw conflict(`${deputy} is your deputy ${span} already: end that first, or choose another time.`);
  }
  if (named.length >= MOST) throw conflict(`You have named ${named.length} deputies here: end one of them first.`);
}

/** Ends it at once, for everybody and in every process; what has ended before stays as it is. */
export async function endDeputy(ctx: Context, input: EndDeputyInput): Promise<{ deputyId: string }> {
  const { deputy: id } = read(endDeputyInput, input);
  return mutate(ctx, { mutation: 'endDeputy', idempotencyKey: input.idempotencyKey, input }, async (tx) => {
    const row = await lockDeputy(tx, id);
    if (row === null) throw notFound('The deputy');
    assertCan(ctx.viewer, 'deputy:end', { type: 'Deputy', ...row });
    const endedAt = await databaseNow(tx);
    if (row.endedAt === null && row.until > endedAt) await end(tx, ctx, row, endedAt);
    return { ids: { deputyId: id } };
  });
}

async function lockDeputy(tx: Tx, id: string): Promise<Deputy | null> {
  await tx.$queryRaw`SELECT 1 FROM "Deputy" WHERE "id" = ${id}::uuid FOR NO KEY UPDATE`;
  return tx.deputy.findUnique({ where: { id } });
}

async function end(tx: Tx, author: Author, row: Deputy, endedAt: Date): Promise<void> {
  const ended = { endedAt, endedBy: author.actor.subject };
  await tx.deputy.update({ where: { id: row.id }, data: ended, select: { id: true } });
  const domain = await readDomain(tx, row.domainId);
  await announceDeputy(tx, author, { type: 'DeputyEnded', domain, row: { ...row, ...ended } });
}

/** Says of deputies whose time is over that they are none any more: since then they could do nothing. Each once, whoever works. Returns how many. */
export async function endLapsedDeputies({ db, committed }: SystemContext): Promise<number> {
  const lapsed = await db.$queryRaw<{ id: string }[]>`
    SELECT "id"::text FROM "Deputy" WHERE "endedAt" IS NULL AND "until" <= now() ORDER BY "until" LIMIT 100`;
  let ended = 0;
  for (const { id } of lapsed) {
    const done = await inTransaction(db, async (tx) => {
      const [due] = await tx.$queryRaw<{ id: string }[]>`
        SELECT "id"::text FROM "Deputy" WHERE "id" = ${id}::uuid AND "endedAt" IS NULL AND "until" <= now()
        FOR NO KEY UPDATE SKIP LOCKED`;
      if (due === undefined) return false;
      const row = await tx.deputy.findUniqueOrThrow({ where: { id } });
      await end(tx, bySystem(), row, row.until);
      return true;
    });
    if (!done) continue;
    committed([]);
    ended += 1;
  }
  return ended;
}

interface DeputyNews {
  type: 'DeputyNamed' | 'DeputyEnded';
  domain: Domain;
  row: Deputy;
}

/** Members of the domain hear of it, and the deputy. */
async function announceDeputy(tx: Tx, author: Author, { type, domain, row }: DeputyNews): Promise<void> {
  const { id, deputy, standsInFor, from, until, endedAt } = row;
  const ended = endedAt === null ? {} : { endedAt };
  const data = { deputyship: globalId('Deputy', id), deputy, standsInFor, from, until, ...ended };
  await announceDomain(tx, author, { type, domain, subjects: [deputy, standsInFor], data });
}
