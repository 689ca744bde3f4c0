import { announceWebhook } from './announce.js';
import { assertTokenAllows } from './authorization.js';
import { bySystem, type Context, type SystemContext } from './context.js';
import { notFound, wrongState } from './error.js';
import { newRowId } from './secret.js';
import { inTransaction, mutate, type Tx } from './transaction.js';
import { read } from './validation.js';
import {
  type EnableWebhookInput,
  enableInput,
  type RedeliverWebhookInput,
  redeliverInput,
  type WebhookInput,
  webhookInput,
} from './webhook.input.js';
import { beginAnew, dropWaiting, lockWebhook, onWebhook, type WebhookIds } from './webhook.js';

type DeliveryIds = WebhookIds & { webhookDeliveryId: string };

/** Sends a webhook one message that tells nothing, also while it is off: once, and what came of it is read from the delivery. */
export async function pingWebhook(ctx: Context, input: WebhookInput): Promise<DeliveryIds> {
  assertTokenAllows(ctx.viewer, 'webhook:change');
  const { webhook: id } = read(webhookInput, input);
  return mutate(ctx, { mutation: 'pingWebhook', idempotencyKey: input.idempotencyKey, input }, async (tx) => {
    const webhook = await lockWebhook(ctx, tx, { id });
    if (webhook.removedAt !== null)
      throw wrongState('REMOVED', `${webhook.name} was removed: register another webhook.`);
    const delivery = { id: newRowId(), webhookId: id, kind: 'PING' as const, messageId: newRowId(), subjectId: id };
    await tx.webhookDelivery.create({ data: delivery });
    await announceWebhook(tx, ctx, { type: 'WebhookPinged', webhook, data: { message: delivery.messageId } });
    return { ids: { webhookId: id, webhookDeliveryId: delivery.id } };
  });
}

/** Has an event sent to a webhook once more, under the same id, with all tries anew. */
export async function redeliverWebhook(ctx: Context, input: RedeliverWebhookInput): Promise<DeliveryIds> {
  assertTokenAllows(ctx.viewer, 'webhook:change');
  const { webhookDelivery: id } = read(redeliverInput, input);
  return mutate(ctx, { mutation: 'redeliverWebhook', idempotencyKey: input.idempotencyKey, input }, async (tx) => {
    const named = await tx.webhookDelivery.findUnique({ where: { id } });
    if (named === null) throw notFound('The delivery');
    const webhook = await lockWebhook(ctx, tx, { id: named.webhookId, asked: 'The delivery' });
    if (webhook.removedAt !== null || webhook.status === 'DISABLED')
      throw wrongState('DISABLED', `${webhook.name} is off: enable it first.`);
    if (named.seq === null) throw wrongState('PING', 'A ping is sent once: ping the webhook anew.');
    if ((await tx.event.findUnique({ where: { seq: named.seq }, select: { seq: true } })) === null)
      throw wrongState('ARCHIVED', 'The event is in the archive by now: read it there.');
    const again = { status: 'PENDING' as const, attempts: 0, nextAttemptAt: new Date() };
    const { count } = await tx.webhookDelivery.updateMany({ where: { id, status: { not: 'PENDING' } }, data: again });
    if (count === 0) throw wrongState('PENDING', 'It is being delivered already: see its next attempt.');
    await announceWebhook(tx, ctx, { type: 'WebhookRedelivered', webhook, data: { message: named.messageId } });
    return { ids: { webhookId: webhook.id, webhookDeliveryId: id } };
  });
}

/** Turns a webhook on: it goes on where it was turned off, or, if it shall skip what it missed, from now on. */
export async function enableWebhook(ctx: Context, input: EnableWebhookInput): Promise<WebhookIds> {
  const { webhook: id, skipMissed } = read(enableInput, input);
  return onWebhook(ctx, { mutation: 'enableWebhook', id, input }, async (tx, webhook) => {
    if (webhook.status === 'ENABLED') return;
    if (skipMissed) await skipToHead(tx, id);
    else await resume(tx, id);
    await tx.webhook.update({ where: { id }, data: { status: 'ENABLED', disabledReason: null, disabledAt: null } });
    await beginAnew(tx, id);
    await announceWebhook(tx, ctx, { type: 'WebhookEnabled', webhook, data: { skippedMissed: skipMissed === true } });
  });
}

async function skipToHead(tx: Tx, webhookId: string): Promise<void> {
  await dropWaiting(tx, webhookId);
  await tx.$executeRaw`UPDATE "WebhookProgress" SET "position" = (SELECT "seq" FROM "EventHead") WHERE "webhookId" = ${webhookId}::uuid`;
  // What the sender made until then: from now on it makes none of what is skipped.
  await dropWaiting(tx, webhookId);
}

async function resume(tx: Tx, webhookId: string): Promise<void> {
  const [read] = await tx.$queryRaw<{ stored: boolean }[]>`
    SELECT p."position" = (SELECT "seq" FROM "EventHead") OR EXISTS (SELECT FROM "Event" WHERE "seq" = p."position" + 1) AS "stored"
    FROM "WebhookProgress" p WHERE p."webhookId" = ${webhookId}::uuid`;
  if (!read?.stored)
    throw wrongState(
      'MISSED_EVENTS',
      'What it missed is in the archive by now: read the present state, then enable it with `skipMissed: true`.',
    );
  // Those behind another of their subject have no time, and keep their place.
  await tx.$executeRaw`UPDATE "WebhookDelivery" SET "nextAttemptAt" = now()
    WHERE "webhookId" = ${webhookId}::uuid AND "status" = 'PENDING' AND "nextAttemptAt" IS NOT NULL`;
}

/** Turns a webhook off on Meshgate's own account. One that is off already, or removed, stays as it is. */
export async function turnOffWebhook(
  system: SystemContext,
  { id, reason }: { id: string; reason: string },
): Promise<void> {
  await inTransaction(system.db, async (tx) => {
    const { count } = await tx.webhook.updateMany({
      where: { id, status: 'ENABLED', removedAt: null },
      data: { status: 'DISABLED', disabledReason: reason, disabledAt: new Date() },
    });
    if (count === 0) return;
    const webhook = await tx.webhook.findUniqueOrThrow({ where: { id }, include: { domain: true } });
    await announceWebhook(tx, bySystem(), { type: 'WebhookDisabled', webhook, data: { reason } });
  });
  system.committed([]);
}
