import { append, type EventHead, type NewEvent } from '../events/append.js';
import type { EventData, EventType } from '../events/types.js';
import type { Prisma } from '../generated/prisma/client.js';

type Tx = Prisma.TransactionClient;

/** An AWS object as events name it. */
interface Place {
  id: string;
  kind: string;
  account: string;
  region: string;
  key: string;
}

/** Whom events about a resource name and reach: governance knows domains and global ids, provisioning does not. */
export type AboutResource = (
  tx: Tx,
  resource: Place,
) => Promise<Pick<EventHead, 'subject' | 'subjectId' | 'domainId' | 'productId' | 'audience'>>;

/** What there is to say of a resource: a type of event and its data, beside which object it is. */
export type ResourceNews = {
  [T in Extract<EventType, `Resource${string}`>]: {
    type: T;
    data: Omit<EventData<T>, 'kind' | 'account' | 'region' | 'key'>;
  };
}[Extract<EventType, `Resource${string}`>];

/** Appends an event about a resource: its data says which AWS object it is. */
export async function announceResource(
  tx: Tx,
  aboutResource: AboutResource,
  { resource, data, ...news }: ResourceNews & Pick<EventHead, 'actor' | 'correlationId'> & { resource: Place },
): Promise<void> {
  const { kind, account, region, key } = resource;
  await append(tx, {
    ...(await aboutResource(tx, resource)),
    ...news,
    data: { kind, account, region, key, ...data },
  } as NewEvent);
}

/** A resource's place, by the id of its row. */
export function placeOf(tx: Tx, id: string): Promise<Place> {
  return tx.resource.findUniqueOrThrow({
    where: { id },
    select: { id: true, kind: true, account: true, region: true, key: true },
  });
}
