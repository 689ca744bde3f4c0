import type { PutEventsEntry } from './put-events.js';
import type { Queryable } from './read.js';
import type { LogEvent } from './types.js';

/** Entries that one PutEvents request may hold (AWS: EventBridge quotas). */
const ENTRIES_LIMIT = 10;
/** Their bytes in all are fewer than this (AWS: EventBridge user guide, Calculating PutEvents event entry size). */
const BYTES_LIMIT = 256 * 1024;

/** An event with an entry that tells of it; `part` 0 is the event's own, the others are for workflows. */
export interface Outgoing {
  event: LogEvent;
  part: number;
  entry: PutEventsEntry;
}

/** Domain uuid -> slug. Slugs never change, so the answers are kept. */
export type DomainNames = (db: Queryable, ids: Iterable<string>) => Promise<ReadonlyMap<string, string>>;

/** Makes a look-up of domain slugs that asks the database once for each domain. */
export function createDomainNames(): DomainNames {
  const known = new Map<string, string>();
  return async (db, ids) => {
    const missing = [...new Set(ids)].filter((id) => !known.has(id));
    if (missing.length > 0) {
      const { rows } = await db.query<{ id: string; name: string }>(
        'SELECT "id", "name" FROM "Domain" WHERE "id" = ANY ($1::uuid[])',
        [missing],
      );
      for (const { id, name } of rows) known.set(id, name);
    }
    return known;
  };
}

/**
 * The entry for an event (design: events.md, Out). The actor's token and address stay behind: they are for the audit
 * trail, and the entry leaves for other accounts.
 */
export function toEntry(
  event: LogEvent,
  { bus, names }: { bus: string; names: ReadonlyMap<string, string> },
): PutEventsEntry {
  const { kind, subject, name } = event.actor;
  const { resources } = event.data;
  return {
    bus,
    source: 'meshgate',
    detailType: event.type,
    resources: Array.isArray(resources)
      ? resources.filter((arn): arn is string => typeof arn === 'string' && arn.startsWith('arn:'))
      : [],
    time: event.occurredAt,
    detail: JSON.stringify({
      version: event.version,
      id: event.id,
      sequence: String(event.seq),
      occurredAt: event.occurredAt.toISOString(),
      actor: { kind, subject, name },
      correlationId: event.correlationId,
      subject: event.subject,
      // `*` is no domain's name: what everybody may know reaches every domain's bus.
      audience: [
        ...(event.audience.public ? ['*'] : []),
        ...event.audience.domains.flatMap((id) => names.get(id) ?? []),
      ],
      data: event.data,
    }),
  };
}

/**
 * An event's own entry, and one for each workflow that it tells what to link, in the form of the AWS Analytics Reference Architecture
 * (design: events.md, `ara` compatibility).
 */
export function toEntries(
  event: LogEvent,
  { bus, names }: { bus: string; names: ReadonlyMap<string, string> },
): PutEventsEntry[] {
  const own = toEntry(event, { bus, names });
  const orders = Array.isArray(event.data.createResourceLinks) ? event.data.createResourceLinks : [];
  return [own, ...orders.filter(isOrder).map(({ account, detail }) => workflowEntry(own, account, detail))];
}

function isOrder(order: unknown): order is { account: string; detail: object } {
  const { account, detail } = (order ?? {}) as { account?: unknown; detail?: unknown };
  return typeof account === 'string' && typeof detail === 'object' && detail !== null;
}

function workflowEntry({ bus, time }: PutEventsEntry, account: string, detail: object): PutEventsEntry {
  const detailType = `${account}_createResourceLinks`;
  return { bus, time, source: 'com.central.stepfunction', detailType, resources: [], detail: JSON.stringify(detail) };
}

/** Bytes that AWS counts for an entry (EventBridge user guide: Calculating PutEvents event entry size). */
export function sizeOf(entry: PutEventsEntry): number {
  const texts = [entry.source, entry.detailType, entry.detail, ...entry.resources];
  return texts.reduce((bytes, text) => bytes + Buffer.byteLength(text), 14);
}

/**
 * Cuts events into requests: runs of the log within both limits, all entries of an event in one, and no two events of one subject in a
 * request. For where the first of two failed and the second did not, their order would be lost. What domains tell is exempt: their
 * systems tell much, of many things, all under the domain as subject, and each would be a request of its own. An entry too large for
 * any request goes alone, and AWS says so. Takes pages of events, each with its entries.
 */
export async function* cutIntoRequests(
  pages: AsyncIterable<Iterable<Outgoing[]>> | Iterable<Iterable<Outgoing[]>>,
): AsyncGenerator<Outgoing[], undefined> {
  let current: Outgoing[] = [];
  let bytes = 0;
  let subjects = new Set<string>();
  for await (const page of pages) {
    for (const told of page) {
      const subject = orderedSubject(told[0]!.event);
      const size = told.reduce((sum, { entry }) => sum + sizeOf(entry), 0);
      const isTold = subject !== null && subjects.has(subject);
      const full = current.length + told.length > ENTRIES_LIMIT || bytes + size >= BYTES_LIMIT || isTold;
      if (full && current.length > 0) {
        yield current;
        current = [];
        bytes = 0;
        subjects = new Set();
      }
      current.push(...told);
      bytes += size;
      if (subject !== null) subjects.add(subject);
    }
  }
  if (current.length > 0) yield current;
  return undefined;
}

/** What an event keeps its order with; null where it may come after later ones when EventBridge fails to take it at first. */
const orderedSubject = ({ type, subjectId }: LogEvent): string | null =>
  type === 'DomainEventReceived' ? null : subjectId;
