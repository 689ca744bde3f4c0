import { flag, list, text, time } from '../fields.js';
import type { EventDefinition } from './definition.js';

const about = { subject: 'Webhook', version: 1 } as const;
const receiver = text('The host that it sends to; the rest of its URL may be secret.', 'hooks.example.com');
const message = text('Names the message, as its `webhook-id` does.', 'msg_0198c2f07a107b3e');

/** What happens to webhooks. */
export const webhookEvents = {
  WebhookRegistered: { ...about, says: 'A webhook was registered.', data: { receiver } },
  WebhookUpdated: {
    ...about,
    says: "A webhook's name, URL or filter changed.",
    data: { receiver, changed: list(text('A field.', 'filter'), 'Which fields changed.') },
  },
  WebhookRemoved: { ...about, says: 'A webhook was removed.', data: { receiver } },
  WebhookSecretRotated: {
    ...about,
    says: 'A webhook got a new secret.',
    data: { receiver, previousEndsAt: time('Until then the secret before signs too.') },
  },
  WebhookEnabled: {
    ...about,
    says: 'A webhook was turned on.',
    data: { receiver, skippedMissed: flag('Whether what it missed is left out.', false) },
  },
  WebhookDisabled: {
    ...about,
    says: 'A webhook was turned off: by somebody, by its receiver, or because it failed for too long.',
    data: { receiver, reason: text('Why.', 'Its receiver answered 410.') },
  },
  WebhookPinged: { ...about, says: 'Somebody had a webhook tried.', data: { receiver, message } },
  WebhookRedelivered: {
    ...about,
    says: 'Somebody had an event sent to a webhook once more.',
    data: { receiver, message },
  },
} as const satisfies Record<string, EventDefinition>;
