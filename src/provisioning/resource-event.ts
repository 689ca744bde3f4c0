import { append, type NewEvent } from '../events/append.js';
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
) => Promise<Pick<NewEvent, 'subject' | 'subjectId' | 'domainId' | 'productId' | 'audience'>>;

interface ResourceNews extends Pick<NewEvent, 'type' | 'actor' | 'correlationId'> {
  resource: Place;
  data: Record<string, unknown>;
}

/** Appends an event about a resource: its data says which AWS object it is. */
export async function announceResource(
  tx: Tx,
  aboutResource: AboutResource,
  { resource, data, ...news }: ResourceNews,
): Promise<void> {
  const { kind, account, region, key } = resource;
  await append(tx, {
    ...(await aboutResource(tx, resource)),
    ...news,
    data: { kind, account, region, key, ...data },
  });
}

/** A resource's place, by the id of its row. */
export function placeOf(tx: Tx, id: string): Promise<Place> {
  return tx.resource.findUniqueOrThrow({
    where: { id },
    select: { id: true, kind: true, account: true, region: true, key: true },
  });
}
