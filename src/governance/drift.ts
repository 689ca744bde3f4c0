import { z } from 'zod';
import type { DriftPolicy, ForeignGrantPolicy, PrismaClient } from '../generated/prisma/client.js';
import type { Drift } from '../provisioning/drift.js';
import type { ForeignPolicies } from '../provisioning/foreign-grants.js';
import { announceResource, placeOf, type ResourceNews } from '../provisioning/resource-event.js';
import { aboutResource } from './about-resource.js';
import { assertCan } from './authorization.js';
import { CONFIDENTIALITY } from './confidentiality.js';
import type { Context } from './context.js';
import { LOB } from './desired-grants.js';
import { notFound, wrongState } from './error.js';
import { globalId } from './global-id.js';
import { resourceKey, subjectOf, WHOSE_POLICY } from './resource.js';
import { mutate, type Tx } from './transaction.js';
import { idempotencyKey, read, text, uuid } from './validation.js';

/** What is done about changes out of band: each domain decides for what is its own, and accepts it. */

interface Policies {
  id: string;
  drift: DriftPolicy;
  foreign: ForeignGrantPolicy;
}

/**
 * The policies that count for resources. Of several, one that says REPAIR is enough, so that nobody has to live with another's broken
 * settings; grants of others are revoked only where all say REVOKE.
 */
function policiesOf(db: PrismaClient, ids: string[]): Promise<Policies[]> {
  return db.$queryRaw<Policies[]>`
    SELECT r."id",
      CASE WHEN bool_and(d."driftPolicy" = 'REPORT') THEN 'REPORT' ELSE 'REPAIR' END AS drift,
      CASE WHEN bool_and(d."foreignGrantPolicy" = 'REVOKE') THEN 'REVOKE' ELSE 'REPORT' END AS foreign
    FROM ${WHOSE_POLICY}
    WHERE r."id" = ANY (${ids}::text[]) GROUP BY r."id"`;
}

/** What is done about resources that were changed out of band, by id. */
export async function driftPolicies(db: PrismaClient, ids: string[]): Promise<Map<string, DriftPolicy>> {
  return new Map((await policiesOf(db, ids)).map(({ id, drift }) => [id, drift]));
}

/** What is done about grants that no claim explains, by the objects that they are on. */
export function foreignGrants(db: PrismaClient): ForeignPolicies {
  return {
    policies: async (ids) => new Map((await policiesOf(db, ids)).map(({ id, foreign }) => [id, foreign])),
    publicId: (id) => globalId('ForeignGrant', id),
    breadthOf: (tag) => [LOB, CONFIDENTIALITY].indexOf(tag),
  };
}

const reason = text(2_000);
const acknowledgeResource = z.object({ resource: resourceKey, reason, idempotencyKey });
const acknowledgeForeign = z.object({ foreignGrant: uuid, reason, idempotencyKey });
/** A resource or a foreign grant, by its row's id, and why its difference is accepted. */
export type AcknowledgeDriftInput = z.input<typeof acknowledgeResource> | z.input<typeof acknowledgeForeign>;

type Acknowledged = { resourceId: string; foreignGrantId?: string };

/** Accepts the difference that a resource has now, or a grant that no claim explains; another difference is told anew. */
export async function acknowledgeDrift(ctx: Context, input: AcknowledgeDriftInput): Promise<Acknowledged> {
  const options = { mutation: 'acknowledgeDrift', idempotencyKey: input.idempotencyKey, input };
  if ('foreignGrant' in input) {
    const given = read(acknowledgeForeign, input);
    return mutate<Required<Acknowledged>>(ctx, options, (tx) => acceptForeignGrant(ctx, tx, given));
  }
  const given = read(acknowledgeResource, input);
  return mutate<{ resourceId: string }>(ctx, options, (tx) => acceptDrift(ctx, tx, given));
}

async function acceptDrift(ctx: Context, tx: Tx, { resource: id, reason }: z.output<typeof acknowledgeResource>) {
  const [row] = await tx.$queryRaw<{ status: string; drift: Drift | null }[]>`
    SELECT "status"::text, "drift" FROM "Resource" WHERE "id" = ${id} FOR UPDATE`;
  if (row === undefined) throw notFound('The resource');
  assertCan(ctx.viewer, 'resource:acknowledge-drift', await subjectOf(tx, id));
  const { drift, status } = row;
  if (drift === null) {
    throw wrongState(status, `The resource is ${status} and has no difference that was told and left alone.`);
  }
  const ids = { resourceId: id };
  if (drift.acknowledgedAt !== null) return { ids };
  const accepted = { acknowledgedBy: ctx.viewer.subject, acknowledgedAt: new Date().toISOString(), reason };
  await tx.$executeRaw`
    UPDATE "Resource" SET "drift" = "drift" || ${JSON.stringify(accepted)}::jsonb, "updatedAt" = now() WHERE "id" = ${id}`;
  await announceAccepted(ctx, tx, { resourceId: id, data: { reason, differences: drift.differences } });
  return { ids };
}

async function acceptForeignGrant(ctx: Context, tx: Tx, given: z.output<typeof acknowledgeForeign>) {
  const { foreignGrant: id, reason } = given;
  await tx.$queryRaw`SELECT 1 FROM "ForeignGrant" WHERE "id" = ${id}::uuid FOR UPDATE`;
  const row = await tx.foreignGrant.findUnique({ where: { id } });
  if (row === null) throw notFound('The foreign grant');
  const { resourceId, status, principal, resource, permissions } = row;
  assertCan(ctx.viewer, 'resource:acknowledge-drift', await subjectOf(tx, resourceId));
  if (status === 'GONE') throw wrongState(status, 'The foreign grant is gone: there is nothing to accept.');
  const ids = { resourceId, foreignGrantId: id };
  if (status === 'ACKNOWLEDGED') return { ids };
  const accepted = { acknowledgedBy: ctx.viewer.subject, acknowledgedAt: new Date(), reason };
  await tx.foreignGrant.update({ where: { id }, data: { status: 'ACKNOWLEDGED', ...accepted } });
  const foreignGrant = { id: globalId('ForeignGrant', id), principal, resource, permissions };
  await announceAccepted(ctx, tx, { resourceId, data: { reason, foreignGrant } });
  return { ids };
}

interface Accepted extends Pick<Extract<ResourceNews, { type: 'ResourceDriftAcknowledged' }>, 'data'> {
  resourceId: string;
}

async function announceAccepted(ctx: Context, tx: Tx, { resourceId, data }: Accepted): Promise<void> {
  const { actor, correlationId } = ctx;
  const resource = await placeOf(tx, resourceId);
  await announceResource(tx, aboutResource, {
    type: 'ResourceDriftAcknowledged',
    resource,
    actor,
    correlationId,
    data,
  });
}
