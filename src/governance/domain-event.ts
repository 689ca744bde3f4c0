import { z } from 'zod';
import { append } from '../events/append.js';
import type { Domain, DomainEventType } from '../generated/prisma/client.js';
import type { LaneKey } from '../provisioning/lane.js';
import { assertCan } from './authorization.js';
import type { ActingContext, Context } from './context.js';
import { GovernanceError, invalid } from './error.js';
import { inWords, schemaFaults } from './event-fault.js';
import { globalId } from './global-id.js';
import { jsonProblem } from './json-value.js';
import { domainSubject, readDomain } from './rows.js';
import { mutate, type Tx } from './transaction.js';
import { MOST_DETAIL_BYTES, RESERVED_SOURCES, type ReceivedEvent, Untaken } from './untaken.js';
import { idempotencyKey, read, text, uuid } from './validation.js';

/** Keeps what a domain tells of its own business, as the type that it registered. Throws Untaken before anything is written. */
export async function takeDomainEvent(ctx: ActingContext, tx: Tx, event: ReceivedEvent): Promise<LaneKey[]> {
  const { account, source, detailType, detail } = event;
  const domain = await tx.domain.findUnique({ where: { awsAccountId: account } });
  if (domain === null) throw new Untaken('UNKNOWN_ACCOUNT', `${account} is no account of a domain.`);
  if (source.startsWith('aws.')) {
    throw new Untaken('UNKNOWN_TYPE', `Meshgate does not know what ${source} tells by ${detailType}.`);
  }
  await tell(ctx, tx, { domain, told: { account, source, detailType, detail } });
  return [];
}

/** What a domain tells. */
interface Told {
  account: string;
  source: string;
  detailType: string;
  detail: Record<string, unknown>;
}

async function tell(ctx: ActingContext, tx: Tx, { domain, told }: { domain: Domain; told: Told }): Promise<string> {
  const { type, version, schema } = await registered(tx, domain, told.detailType);
  const faults = schemaFaults(schema, told.detail);
  if (faults.length > 0) {
    throw new Untaken('INVALID_DETAIL', `${told.detailType}, version ${version}: ${inWords(faults)}.`, faults);
  }
  return append(tx, {
    type: 'DomainEventReceived',
    subject: { type: 'Domain', id: globalId('Domain', domain.id), name: domain.name, domain: domain.name },
    subjectId: domain.id,
    domainId: domain.id,
    audience: { public: type.visibility === 'MESH', domains: [domain.id], subjects: [] },
    actor: ctx.actor,
    correlationId: ctx.correlationId,
    data: { ...told, schemaVersion: version },
  });
}

interface Registered {
  type: DomainEventType;
  version: number;
  schema: Record<string, unknown>;
}

/** The type as the domain registered it, with the newest schema. */
async function registered(tx: Tx, domain: Domain, detailType: string): Promise<Registered> {
  const where = { domainId_detailType: { domainId: domain.id, detailType } };
  const versions = { orderBy: { number: 'desc' }, take: 1 } as const;
  const type = await tx.domainEventType.findUnique({ where, include: { versions } });
  const [newest] = type?.versions ?? [];
  if (type === null || type.removedAt !== null || newest === undefined) {
    throw new Untaken('UNKNOWN_TYPE', `${domain.name} registered no events of the type ${detailType}.`);
  }
  return { type, version: newest.number, schema: newest.schema as Record<string, unknown> };
}

const publishInput = z.object({
  domain: uuid,
  detailType: text(128),
  source: text(256).nullish(),
  detail: z.record(z.string(), z.unknown(), 'Give an object.'),
  idempotencyKey,
});
export type PublishDomainEventInput = z.input<typeof publishInput>;

/** Tells the mesh of something in a domain's business, as over EventBridge, by the same rules. */
export async function publishDomainEvent(
  ctx: Context,
  input: PublishDomainEventInput,
): Promise<{ domainId: string; eventId: string }> {
  const { domain: id, detailType, source, detail } = read(publishInput, input);
  return mutate(ctx, { mutation: 'publishDomainEvent', idempotencyKey: input.idempotencyKey, input }, async (tx) => {
    const domain = await readDomain(tx, id);
    assertCan(ctx.viewer, 'domain:publish-event', domainSubject(domain));
    const told = { account: domain.awsAccountId, source: source ?? domain.name, detailType, detail };
    refuseSource(told.source);
    const problem = jsonProblem(detail, MOST_DETAIL_BYTES);
    if (problem !== null) throw invalid('detail', `detail: ${problem}`);
    const eventId = await tell(ctx, tx, { domain, told }).catch((error: unknown) => {
      if (!(error instanceof Untaken)) throw error;
      if (error.reason === 'UNKNOWN_TYPE') {
        throw invalid('detailType', `${error.message} Register it first: registerDomainEventType.`);
      }
      throw new GovernanceError('VALIDATION', error.message, { path: 'detail', violations: error.faults });
    });
    return { ids: { domainId: id, eventId } };
  });
}

function refuseSource(source: string): void {
  if (source.startsWith('aws.') || RESERVED_SOURCES.has(source)) {
    throw invalid('source', `source: ${source} is not a domain's; give a name of your own, like com.example.sales.`);
  }
}
