import { isOfDomains } from '../events/types.js';
import type { Domain, Prisma, Webhook } from '../generated/prisma/client.js';
import { announceWebhook } from './announce.js';
import { assertCan, assertTokenAllows, can, type Subjects } from './authorization.js';
import type { Context } from './context.js';
import { conflict, invalid, notFound, wrongState } from './error.js';
import type { WithSecret } from './personal-access-token.js';
import type { EventFilter } from './read/event.js';
import { lockDomain } from './rows.js';
import { newRowId } from './secret.js';
import { lockName, mutate, type Tx } from './transaction.js';
import { read } from './validation.js';
import {
  assertReachable,
  type DisableWebhookInput,
  disableInput,
  type RegisterWebhookInput,
  type RotateWebhookSecretInput,
  readRegistration,
  readUpdate,
  rotateInput,
  rulesOf,
  type UpdateWebhookInput,
  type WebhookInput,
  webhookInput,
} from './webhook.input.js';

/** A webhook with the domain whose it is. */
export type WebhookRow = Webhook & { domain: Domain | null };
export type WebhookIds = { webhookId: string };

const MOST_WEBHOOKS = 20;

const webhookSubject = (domainId: string | null): Subjects['Webhook'] => ({ type: 'Webhook', domainId });

/** Registers a receiver of the events of a domain, or of the whole mesh, from now on; its secret is shown once. */
export async function registerWebhook(ctx: Context, input: RegisterWebhookInput): Promise<WithSecret<WebhookIds>> {
  assertTokenAllows(ctx.viewer, 'webhook:change');
  const given = readRegistration(ctx, input);
  if (can(ctx.viewer, 'webhook:change', webhookSubject(given.domain))) await assertReachable(ctx, given.url);
  const mutation = { mutation: 'registerWebhook', idempotencyKey: input.idempotencyKey, input };
  let secret: string | null = null;
  const ids = await mutate(ctx, mutation, async (tx) => {
    const domain = await lockOwner(tx, given.domain);
    assertCan(ctx.viewer, 'webhook:change', webhookSubject(domain?.id ?? null));
    await refuseTooMany(tx, domain);
    await refuseTaken(tx, { domain, name: given.name });
    refuseUnheard(domain?.id ?? null, given.filter);
    const { name, url, filter } = given;
    const id = newRowId();
    const data = { id, domainId: domain?.id ?? null, name, url, filter: filter as Prisma.InputJsonObject };
    const webhook = await tx.webhook.create({ data: { ...data, createdBy: ctx.viewer.subject } });
    await tx.$executeRaw`INSERT INTO "WebhookProgress" ("webhookId", "position") SELECT ${id}::uuid, "seq" FROM "EventHead"`;
    secret = rulesOf(ctx.webhooks).secretOf({ webhookId: id, version: 1 });
    await announceWebhook(tx, ctx, { type: 'WebhookRegistered', webhook: { ...webhook, domain }, data: {} });
    return { ids: { webhookId: id } };
  });
  return { ...ids, secret, replayed: secret === null };
}

/** Registrations for one owner come one after the other. */
async function lockOwner(tx: Tx, domainId: string | null): Promise<Domain | null> {
  if (domainId !== null) return lockDomain(tx, domainId);
  await lockName(tx, 'webhooks');
  return null;
}

async function refuseTooMany(tx: Tx, domain: Domain | null): Promise<void> {
  const count = await tx.webhook.count({ where: { domainId: domain?.id ?? null, removedAt: null } });
  if (count < MOST_WEBHOOKS) return;
  throw conflict(
    `${domain?.name ?? 'The mesh'} has ${MOST_WEBHOOKS} webhooks already: remove one, or let one receive more.`,
  );
}

/** The owner is locked: a name that is free stays so until the transaction ends. */
async function refuseTaken(
  tx: Tx,
  { domain, name, except }: { domain: Domain | null; name: string; except?: string },
): Promise<void> {
  const other = await tx.webhook.findFirst({
    where: { domainId: domain?.id ?? null, name, removedAt: null, ...(except ? { id: { not: except } } : {}) },
    select: { id: true },
  });
  if (other === null) return;
  const owner = domain ? `The domain ${domain.name}` : 'The mesh';
  throw conflict(`${owner} has a webhook ${name} already: change that one, or choose another name.`);
}

/** What is nobody's but the admins' or one person's affair reaches no webhook of a domain. */
function refuseUnheard(domainId: string | null, filter: EventFilter | undefined): void {
  if (domainId === null || !filter?.types || filter.types.some(isOfDomains)) return;
  throw invalid(
    'filter.types',
    'A webhook of a domain hears of none of these `types`: name others, or leave them out.',
  );
}

/** Changes name, URL or filter, from the next delivery on. */
export async function updateWebhook(ctx: Context, input: UpdateWebhookInput): Promise<WebhookIds> {
  const { webhook: id, change } = readUpdate(ctx, input);
  if (change.url) await assertMayReach(ctx, { id, url: change.url });
  return onWebhook(ctx, { mutation: 'updateWebhook', id, input }, async (tx, before) => {
    refuseUnheard(before.domainId, change.filter);
    const same = (key: string) =>
      JSON.stringify(before[key as keyof Webhook]) === JSON.stringify(change[key as keyof typeof change]);
    const changed = Object.keys(change).filter((key) => !same(key));
    if (changed.length === 0) return;
    if (change.name && changed.includes('name'))
      await refuseTaken(tx, { domain: before.domain, name: change.name, except: id });
    const webhook = await tx.webhook.update({ where: { id }, data: change as Prisma.WebhookUpdateInput });
    if (changed.includes('url')) await beginAnew(tx, id);
    await announceWebhook(tx, ctx, {
      type: 'WebhookUpdated',
      webhook: { ...webhook, domain: before.domain },
      data: { changed },
    });
  });
}

/** Nobody but who may change the webhook has names looked up; others are refused where it is changed. */
async function assertMayReach(ctx: Context, { id, url }: { id: string; url: string }): Promise<void> {
  const webhook = await ctx.db.webhook.findUnique({ where: { id }, select: { domainId: true } });
  if (webhook && can(ctx.viewer, 'webhook:change', webhookSubject(webhook.domainId))) await assertReachable(ctx, url);
}

/** What failed before says nothing of what comes. */
export async function beginAnew(tx: Tx, webhookId: string): Promise<void> {
  const data = { failures: 0, failingSince: null, pausedUntil: null };
  await tx.webhookProgress.update({ where: { webhookId }, data });
}

/** Removes a webhook for good: what was not delivered is not delivered any more. */
export async function removeWebhook(ctx: Context, input: WebhookInput): Promise<WebhookIds> {
  const { webhook: id } = read(webhookInput, input);
  return onWebhook(ctx, { mutation: 'removeWebhook', id, input, removed: true }, async (tx, webhook) => {
    if (webhook.removedAt !== null) return;
    const removedAt = new Date();
    const off = { status: 'DISABLED', disabledReason: 'REMOVED', disabledAt: removedAt } as const;
    const data = { removedAt, removedBy: ctx.viewer.subject, ...(webhook.status === 'ENABLED' ? off : {}) };
    await tx.webhook.update({ where: { id }, data });
    await dropWaiting(tx, id);
    await announceWebhook(tx, ctx, { type: 'WebhookRemoved', webhook, data: {} });
  });
}

/** Nothing that waits is sent. */
export async function dropWaiting(tx: Tx, webhookId: string): Promise<void> {
  await tx.webhookDelivery.updateMany({
    where: { webhookId, status: 'PENDING' },
    data: { status: 'FAILED', nextAttemptAt: null },
  });
}

/** Gives a webhook a new secret; the one before signs too until it ends. The one before that ends at once. */
export async function rotateWebhookSecret(
  ctx: Context,
  input: RotateWebhookSecretInput,
): Promise<WithSecret<WebhookIds>> {
  const { webhook: id, previousEndsAt } = read(rotateInput, input);
  let secret: string | null = null;
  const ids = await onWebhook(ctx, { mutation: 'rotateWebhookSecret', id, input }, async (tx, webhook) => {
    const version = webhook.secretVersion + 1;
    await tx.webhook.update({
      where: { id },
      data: { secretVersion: version, previousSecretEndsAt: previousEndsAt },
    });
    secret = rulesOf(ctx.webhooks).secretOf({ webhookId: id, version });
    const data = { previousEndsAt: previousEndsAt.toISOString() };
    await announceWebhook(tx, ctx, { type: 'WebhookSecretRotated', webhook, data });
  });
  return { ...ids, secret, replayed: secret === null };
}

/** Turns a webhook off: it keeps its place in the log. */
export async function disableWebhook(ctx: Context, input: DisableWebhookInput): Promise<WebhookIds> {
  const { webhook: id, reason } = read(disableInput, input);
  return onWebhook(ctx, { mutation: 'disableWebhook', id, input }, async (tx, webhook) => {
    if (webhook.status === 'DISABLED') return;
    await tx.webhook.update({
      where: { id },
      data: { status: 'DISABLED', disabledReason: reason, disabledAt: new Date() },
    });
    await announceWebhook(tx, ctx, { type: 'WebhookDisabled', webhook, data: { reason } });
  });
}

interface Change {
  mutation: string;
  id: string;
  input: { idempotencyKey?: string | null | undefined };
  /** Also one that was removed. */
  removed?: boolean;
}

/** Carries out an action on one webhook, which is locked and may be changed by the viewer. */
export async function onWebhook(
  ctx: Context,
  { mutation, id, input, removed = false }: Change,
  action: (tx: Tx, webhook: WebhookRow) => Promise<void>,
): Promise<WebhookIds> {
  assertTokenAllows(ctx.viewer, 'webhook:change');
  return mutate(ctx, { mutation, idempotencyKey: input.idempotencyKey, input }, async (tx) => {
    const webhook = await lockWebhook(ctx, tx, { id });
    if (webhook.removedAt !== null && !removed)
      throw wrongState('REMOVED', `${webhook.name} was removed: register another webhook.`);
    await action(tx, webhook);
    return { ids: { webhookId: id } };
  });
}

/** Locks a webhook that the viewer may change. Whoever may not see it learns nothing of it. */
export async function lockWebhook(
  ctx: Context,
  tx: Tx,
  { id, asked = 'The webhook' }: { id: string; asked?: string },
): Promise<WebhookRow> {
  await tx.$queryRaw`SELECT 1 FROM "Webhook" WHERE "id" = ${id}::uuid FOR NO KEY UPDATE`;
  const webhook = await tx.webhook.findUnique({ where: { id }, include: { domain: true } });
  if (webhook === null || !can(ctx.viewer, 'webhook:read', webhookSubject(webhook.domainId))) throw notFound(asked);
  assertCan(ctx.viewer, 'webhook:change', webhookSubject(webhook.domainId));
  return webhook;
}
