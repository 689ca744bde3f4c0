import { append } from '../../src/events/append.js';
import { encodeCursor } from '../../src/events/cursor.js';
import type { EventDefinition } from '../../src/events/definitions/definition.js';
import { exampleOf, type ReferredType } from '../../src/events/fields.js';
import { EVENT_TYPES, type EventType, SYSTEM_ACTOR } from '../../src/events/types.js';
import { resourceSubjectId } from '../../src/governance/global-id.js';
import { openDatabase } from '../../src/server/database.js';
import type { Product } from '../testkit/product.js';

const REFERRED: Record<ReferredType, string> = {
  Domain: 'logistics',
  DataProduct: 'shipments',
  DataContract: 'contract',
  AccessRequest: 'decided',
  AccessGrant: 'grant',
};
const SUBJECTS: Record<string, string> = {
  ...REFERRED,
  Policy: 'policy',
  Resource: 'resource',
  ServiceAccount: 'machine',
  PersonalAccessToken: 'token',
  Publisher: 'publisher',
  Webhook: 'webhook',
  QuarantinedEvent: 'quarantined',
};
/** The domains that each reaches: one that gives, and one that reads. */
const AUDIENCE = ['logistics', 'finance'];

const rowOf = (id: string | undefined): string =>
  Buffer.from(id ?? '', 'base64url')
    .toString()
    .split(':')[1] ?? '';

/** Appends one event of each type, with the data of its definition's example; answers the cursor before them. */
export async function appendExamples(product: Product, ids: Record<string, string>): Promise<string> {
  const { prisma, pool, close } = openDatabase(product.databaseUrl, { poolSize: 1 });
  try {
    const { rows } = await pool.query<{ seq: string }>('SELECT "seq"::text FROM "EventHead"');
    for (const [type, { subject, data }] of Object.entries<EventDefinition>(EVENT_TYPES)) {
      const named = Object.entries(data).flatMap(([name, { node }]) => (node ? [[name, ids[REFERRED[node]]]] : []));
      const id = ids[SUBJECTS[subject] ?? ''] ?? ids.logistics ?? '';
      await prisma.$transaction((tx) =>
        append(tx, {
          ...{ type: type as EventType, actor: SYSTEM_ACTOR, correlationId: 'matrix', domainId: rowOf(ids.logistics) },
          subject: { type: subject, id, name: type, domain: 'logistics' },
          subjectId: subject === 'Resource' ? resourceSubjectId(rowOf(id)) : rowOf(id),
          audience: { public: false, domains: AUDIENCE.map((domain) => rowOf(ids[domain])), subjects: [] },
          data: { ...exampleOf(data), ...Object.fromEntries(named) } as never,
        } as never),
      );
    }
    return encodeCursor(BigInt(rows[0]?.seq ?? 0));
  } finally {
    await close();
  }
}
