import { z } from 'zod';
import type { Context, WebhookRules } from './context.js';
import { invalid, wrongState } from './error.js';
import type { EventFilter } from './read/event.js';
import { idempotencyKey, read, text, uuid } from './validation.js';

const DAY = 86_400_000;
const MOST_FILTER_BYTES = 16 * 1_024;

const name = text(100);
const url = text(2_048);
/** As the resolvers decode it: with row ids. */
const filter = z.custom<EventFilter>((value) => typeof value === 'object').nullish();

const registerInput = z.object({ domain: uuid.nullish(), name, url, filter, idempotencyKey });
export type RegisterWebhookInput = z.input<typeof registerInput>;

/** A registration, with what is kept of its filter. */
export function readRegistration({ webhooks }: Context, input: RegisterWebhookInput) {
  const given = read(registerInput, input);
  return { ...given, domain: given.domain ?? null, ...checked(rulesOf(webhooks), given), filter: kept(given.filter) };
}

const updateInput = z.object({ webhook: uuid, name: name.nullish(), url: url.nullish(), filter, idempotencyKey });
export type UpdateWebhookInput = z.input<typeof updateInput>;

/** A change; what is not there stays as it is. */
export function readUpdate({ webhooks }: Context, input: UpdateWebhookInput) {
  const given = read(updateInput, input);
  const change = {
    ...(given.name ? { name: given.name } : {}),
    ...(given.url ? checked(rulesOf(webhooks), { url: given.url }) : {}),
    ...(given.filter ? { filter: kept(given.filter) } : {}),
  };
  return { webhook: given.webhook, change };
}

/** What webhooks go by; without a key there are none. */
export function rulesOf(webhooks: WebhookRules | undefined): WebhookRules {
  if (webhooks !== undefined) return webhooks;
  throw wrongState('NO_KEY', 'This installation has no key for webhooks: its operator sets MESHGATE_WEBHOOK_KEYS.');
}

/** As it will be sent to: with a path, and its host in the one way that URLs spell it. */
function checked(rules: WebhookRules, { url: given }: { url: string }): { url: string } {
  const problem = rules.urlProblem(given);
  if (problem) throw invalid('url', `url: ${problem}.`);
  return { url: new URL(given).href };
}

/** Throws where the name of a URL leads to where nothing may be sent. To be asked outside of a transaction, for those who may change webhooks. */
export async function assertReachable({ webhooks }: Context, url: string): Promise<void> {
  const problem = await rulesOf(webhooks).nameProblem(url);
  if (problem) throw invalid('url', `url: ${problem}.`);
}

function kept(given: EventFilter | null | undefined): EventFilter {
  const said = Object.entries(given ?? {}).filter(([, value]) => value !== null && value !== undefined);
  if (given?.mine) throw invalid('filter.mine', '`mine` is for people: a webhook did nothing itself.');
  const stored = Object.fromEntries(said.filter(([, value]) => value !== false)) as EventFilter;
  if (Buffer.byteLength(JSON.stringify(stored)) > MOST_FILTER_BYTES)
    throw invalid('filter', `The filter is longer than ${MOST_FILTER_BYTES / 1_024} KB: register a second webhook.`);
  return stored;
}

export const rotateInput = z.object({
  webhook: uuid,
  previousEndsAt: z
    .date()
    .nullish()
    .refine((end) => !end || end.getTime() <= Date.now() + 7 * DAY, 'Must be within 7 days.')
    .transform((end) => end ?? new Date(Date.now() + DAY)),
  idempotencyKey,
});
export type RotateWebhookSecretInput = z.input<typeof rotateInput>;

export const enableInput = z.object({ webhook: uuid, skipMissed: z.boolean().nullish(), idempotencyKey });
export type EnableWebhookInput = z.input<typeof enableInput>;

export const disableInput = z.object({ webhook: uuid, reason: text(1_000), idempotencyKey });
export type DisableWebhookInput = z.input<typeof disableInput>;

export const webhookInput = z.object({ webhook: uuid, idempotencyKey });
export type WebhookInput = z.input<typeof webhookInput>;

export const redeliverInput = z.object({ webhookDelivery: uuid, idempotencyKey });
export type RedeliverWebhookInput = z.input<typeof redeliverInput>;
