import { mayGet } from '../events/filter.js';
import {
  type AllowedNetworks,
  isJudgedByName,
  nameProblem,
  parseNetworks,
  urlProblem,
} from '../events/webhook-address.js';
import type { Tell } from '../events/webhook-deliveries.js';
import { createLookUp } from '../events/webhook-lookup.js';
import { createWebhookSecrets, type WebhookSecrets } from '../events/webhook-secret.js';
import type { Viewer, WebhookRules } from '../governance/context.js';
import type { Config } from './config.js';

/** What webhooks are signed with and may reach; undefined where the installation has no key for them. */
export interface WebhookSettings {
  secrets: WebhookSecrets;
  allowed: AllowedNetworks;
  rules: WebhookRules;
}

export function webhookSettings({ webhookKeys, webhookNetworks }: Config): WebhookSettings | undefined {
  if (webhookKeys.length === 0) return undefined;
  const secrets = createWebhookSecrets(webhookKeys);
  const allowed = parseNetworks(webhookNetworks);
  const reach = { allowed, lookUp: createLookUp() };
  const rules: WebhookRules = {
    secretOf: secrets.secretOf,
    urlProblem: (url) => urlProblem(url, allowed),
    nameProblem: async (url) => (isJudgedByName(url, allowed) ? nameProblem(url, reach) : null),
  };
  return { secrets, allowed, rules };
}

/** What a webhook is told: what a steward of its domain may hear, for those alone register one; of the whole mesh, what an admin may. */
export const tellWebhook: Tell = (domainId, event) => (mayGet(readerOf(domainId), event) ? event : undefined);

function readerOf(domainId: string | null): Viewer {
  return {
    // Nobody's: no text in the database can be it.
    subject: '\u0000',
    name: null,
    groups: [],
    admin: domainId === null,
    memberships: new Map(domainId === null ? [] : [[domainId, 'STEWARD']]),
    signIn: { kind: 'MACHINE', issuer: null, tokenId: null, expiresAt: new Date(8.64e15), scopes: null },
  };
}
