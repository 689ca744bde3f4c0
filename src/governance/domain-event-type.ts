import canonicalize from 'canonicalize';
import { z } from 'zod';
import { EVENT_TYPES } from '../events/types.js';
import { type Domain, type DomainEventType, EventVisibility, type Prisma } from '../generated/prisma/client.js';
import { announceDomain } from './announce.js';
import { assertCan } from './authorization.js';
import type { Context } from './context.js';
import { conflict, notFound } from './error.js';
import { readEventSchema } from './event-schema.js';
import { domainSubject, lockDomain } from './rows.js';
import { mutate, type Tx } from './transaction.js';
import { description, idempotencyKey, read, text, uuid } from './validation.js';

/** A domain has no more types, and a type no more versions: every event of the domain is looked up among them. */
const MOST_TYPES = 200;
const MOST_VERSIONS = 100;

const registerInput = z.object({
  domain: uuid,
  detailType: text(128).refine(
    (name) => !Object.hasOwn(EVENT_TYPES, name),
    "This is the name of one of Meshgate's own event types: choose another.",
  ),
  schema: z.unknown(),
  description: description.nullish(),
  visibility: z.enum(EventVisibility).nullish(),
  idempotencyKey,
});
export type RegisterDomainEventTypeInput = z.input<typeof registerInput>;

/**
 * Says what the events of a detail-type look like of which a domain tells the mesh. Another schema is another version; from then on events
 * are held against that one. What is left out stays as it was.
 */
export async function registerDomainEventType(
  ctx: Context,
  input: RegisterDomainEventTypeInput,
): Promise<{ domainEventTypeId: string }> {
  const given = read(registerInput, input);
  const schema = readEventSchema(given.schema);
  const mutation = { mutation: 'registerDomainEventType', idempotencyKey: input.idempotencyKey, input };
  return mutate(ctx, mutation, async (tx) => {
    const domain = await lockDomain(tx, given.domain);
    assertCan(ctx.viewer, 'domain:change-event-types', domainSubject(domain));
    const where = { domainId_detailType: { domainId: domain.id, detailType: given.detailType } };
    const versions = { orderBy: { number: 'desc' }, take: 1 } as const;
    const before = await tx.domainEventType.findUnique({ where, include: { versions } });
    const isNew = canonicalize(before?.versions[0]?.schema) !== canonicalize(schema);
    const wanted = {
      description: given.description ?? before?.description ?? null,
      visibility: given.visibility ?? before?.visibility ?? 'DOMAIN',
      version: (before?.version ?? 0) + (isNew ? 1 : 0),
    };
    if (before !== null && !isNew && isAsWanted(before, wanted)) return { ids: { domainEventTypeId: before.id } };
    await refuseTooMany(tx, { domain, isFirst: before === null || before.removedAt !== null, version: wanted.version });
    const live = { ...wanted, removedAt: null, removedBy: null };
    const createdBy = ctx.viewer.subject;
    const after = before
      ? await tx.domainEventType.update({ where: { id: before.id }, data: live })
      : await tx.domainEventType.create({
          data: { domainId: domain.id, detailType: given.detailType, createdBy, ...live },
        });
    if (isNew) {
      const version = { typeId: after.id, number: after.version, schema: schema as Prisma.InputJsonObject, createdBy };
      await tx.domainEventTypeVersion.create({ data: version, select: { id: true } });
    }
    await announceChange(ctx, tx, { domain, before: before?.removedAt === null ? before : null, after });
    return { ids: { domainEventTypeId: after.id } };
  });
}

function isAsWanted(type: DomainEventType, wanted: Pick<DomainEventType, 'description' | 'visibility'>): boolean {
  return type.removedAt === null && type.description === wanted.description && type.visibility === wanted.visibility;
}

/** The domain's row is locked: types are registered one after the other. */
async function refuseTooMany(
  tx: Tx,
  { domain, isFirst, version }: { domain: Domain; isFirst: boolean; version: number },
): Promise<void> {
  if (version > MOST_VERSIONS) throw conflict(`A type has ${MOST_VERSIONS} versions at most: give it another name.`);
  if (!isFirst) return;
  const live = await tx.domainEventType.count({ where: { domainId: domain.id, removedAt: null } });
  if (live >= MOST_TYPES) throw conflict(`${domain.name} has ${MOST_TYPES} types of events: remove one first.`);
}

const removeInput = z.object({ domainEventType: uuid, idempotencyKey });
export type RemoveDomainEventTypeInput = z.input<typeof removeInput>;

/** Ends a type: what comes of it from now on is held. What was told stays in the log, and its versions where they are. */
export async function removeDomainEventType(
  ctx: Context,
  input: RemoveDomainEventTypeInput,
): Promise<{ domainEventTypeId: string }> {
  const { domainEventType: id } = read(removeInput, input);
  return mutate(ctx, { mutation: 'removeDomainEventType', idempotencyKey: input.idempotencyKey, input }, async (tx) => {
    const named = await tx.domainEventType.findUnique({ where: { id } });
    if (named === null) throw notFound('The event type');
    const domain = await lockDomain(tx, named.domainId);
    assertCan(ctx.viewer, 'domain:change-event-types', domainSubject(domain));
    const before = await tx.domainEventType.findUniqueOrThrow({ where: { id } });
    const ids = { domainEventTypeId: id };
    if (before.removedAt !== null) return { ids };
    const removed = { removedAt: new Date(), removedBy: ctx.viewer.subject };
    await tx.domainEventType.update({ where: { id }, data: removed });
    await announceChange(ctx, tx, { domain, before, after: null });
    return { ids };
  });
}

interface Change {
  domain: Domain;
  before: DomainEventType | null;
  after: DomainEventType | null;
}

/** Those hear of a type who hear its events. */
async function announceChange(ctx: Context, tx: Tx, { domain, before, after }: Change): Promise<void> {
  const shown = (type: DomainEventType | null) => ({
    eventType: type && { detailType: type.detailType, version: type.version, visibility: type.visibility },
  });
  const isPublic = [before, after].some((type) => type?.visibility === 'MESH');
  await announceDomain(tx, ctx, {
    type: 'DomainUpdated',
    domain,
    ...(isPublic ? {} : { subjects: [] }),
    data: { changed: ['eventTypes'], before: shown(before), after: shown(after) },
  });
}
