import { z } from 'zod';
import type { QuarantinedEvent } from '../generated/prisma/client.js';
import type { LaneKey } from '../provisioning/lane.js';
import { announceQuarantine } from './announce.js';
import { assertCan } from './authorization.js';
import type { Context } from './context.js';
import { notFound, wrongState } from './error.js';
import { judge } from './received-event.js';
import { mutate, type Tx } from './transaction.js';
import { Untaken } from './untaken.js';
import { idempotencyKey, read, text, uuid } from './validation.js';

const resolveInput = z.object({ quarantinedEvent: uuid, comment: text(2_000).nullish(), idempotencyKey });
export type ResolveQuarantinedEventInput = z.input<typeof resolveInput>;

/** Has a held event judged anew and taken, for example once its schema is registered; one that still cannot be taken stays held. */
export async function releaseQuarantinedEvent(
  ctx: Context,
  input: ResolveQuarantinedEventInput,
): Promise<{ quarantinedEventId: string }> {
  return resolve(ctx, input, { mutation: 'releaseQuarantinedEvent', status: 'RELEASED' });
}

/** Decides that a held event is of no use; its row stays until its time is over. */
export async function discardQuarantinedEvent(
  ctx: Context,
  input: ResolveQuarantinedEventInput,
): Promise<{ quarantinedEventId: string }> {
  return resolve(ctx, input, { mutation: 'discardQuarantinedEvent', status: 'DISCARDED' });
}

interface Resolution {
  mutation: 'releaseQuarantinedEvent' | 'discardQuarantinedEvent';
  status: 'RELEASED' | 'DISCARDED';
}

async function resolve(ctx: Context, input: ResolveQuarantinedEventInput, { mutation, status }: Resolution) {
  const { quarantinedEvent: id, comment } = read(resolveInput, input);
  return mutate(ctx, { mutation, idempotencyKey: input.idempotencyKey, input }, async (tx) => {
    await tx.$queryRaw`SELECT 1 FROM "QuarantinedEvent" WHERE "id" = ${id}::uuid FOR NO KEY UPDATE`;
    const event = await tx.quarantinedEvent.findUnique({ where: { id } });
    if (event === null) throw notFound('The event');
    const domain = event.account
      ? await tx.domain.findUnique({ where: { awsAccountId: event.account }, select: { id: true, name: true } })
      : null;
    assertCan(ctx.viewer, 'quarantined-event:resolve', { type: 'QuarantinedEvent', domainId: domain?.id ?? null });
    if (event.status !== 'HELD') throw wrongState(event.status, `The event was ${event.status} already.`);
    const lanes = status === 'RELEASED' ? await takeAnew(ctx, tx, event) : [];
    const resolved = { status, comment: comment ?? null, resolvedAt: new Date(), resolvedBy: ctx.viewer.subject };
    await tx.quarantinedEvent.update({ where: { id }, data: resolved, select: { id: true } });
    await announceQuarantine(tx, ctx, { event: { ...event, status }, domain, comment: comment ?? null });
    return { ids: { quarantinedEventId: id }, lanes };
  });
}

async function takeAnew(ctx: Context, tx: Tx, { body }: QuarantinedEvent): Promise<LaneKey[]> {
  try {
    return await judge(ctx, tx, body);
  } catch (error) {
    if (error instanceof Untaken)
      throw wrongState('HELD', `It still cannot be taken (${error.reason}): ${error.message}`);
    throw error;
  }
}
