import canonicalize from 'canonicalize';
import type { Prisma } from '../generated/prisma/client.js';
import { bounded } from './bounded.js';
import { withoutRowFilters } from './row-filters.js';
import { type Actor, type Audience, EVENT_TYPES, type EventData, type EventSubject, type EventType } from './types.js';
import { uuidv7 } from './uuid.js';

/** What a business transaction says happened, and its data as its type defines it (events/definitions). */
export type NewEvent = { [T in EventType]: EventHead & { type: T; data: EventData<T> } }[EventType];

/** What every event says. Append after the subject's row is locked: the position drawn then keeps its order. */
export interface EventHead {
  subject: EventSubject;
  subjectId: string;
  domainId: string | null;
  productId?: string | null;
  audience: Audience;
  actor: Actor;
  correlationId: string;
  causationId?: string | null;
}

/** Appends one event in the caller's transaction and returns its id. Data beyond what one event may carry is cut. The sequencer numbers it after the commit. */
export async function append(tx: Prisma.TransactionClient, event: NewEvent): Promise<string> {
  const data = pendingRow(event);
  await tx.eventPending.create({ data, select: { position: true } });
  return data.id;
}

/** Appends events by one statement, outside of a transaction too: all or none. */
export async function appendAll(db: Pick<Prisma.TransactionClient, 'eventPending'>, events: NewEvent[]): Promise<void> {
  await db.eventPending.createMany({ data: events.map(pendingRow) });
}

function pendingRow(event: NewEvent) {
  const id = uuidv7();
  const { version } = EVENT_TYPES[event.type];
  const occurredAt = new Date();
  const audience = {
    public: event.audience.public,
    domains: [...new Set(event.audience.domains)].sort(),
    subjects: [...new Set(event.audience.subjects)].sort(),
  };
  const stated = {
    id,
    type: event.type,
    version,
    subject: event.subject,
    subjectId: event.subjectId,
    domainId: event.domainId,
    productId: event.productId ?? null,
    audience,
    actor: event.actor,
    correlationId: event.correlationId,
    causationId: event.causationId ?? null,
    occurredAt: occurredAt.toISOString(),
    data: bounded(withoutRowFilters(event.type, event.data)) as Prisma.InputJsonObject,
  };
  return {
    id,
    type: stated.type,
    version,
    subjectType: event.subject.type,
    subjectId: stated.subjectId,
    subject: { ...event.subject },
    domainId: stated.domainId,
    productId: stated.productId,
    audiencePublic: audience.public,
    audienceDomains: audience.domains,
    audienceSubjects: audience.subjects,
    actor: { ...event.actor },
    correlationId: stated.correlationId,
    causationId: stated.causationId,
    occurredAt,
    data: stated.data,
    canonical: canonicalize(stated) as string,
  };
}
