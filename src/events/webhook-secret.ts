import { hkdfSync } from 'node:crypto';
import { Webhook } from 'standardwebhooks';

/** Whose secret, and the how manieth. */
export interface SecretName {
  webhookId: string;
  version: number;
}

/** Signs what webhooks are sent, with secrets that are derived and never kept. */
export interface WebhookSecrets {
  /** The secret as its receiver is shown it, `whsec_...` (Standard Webhooks): made of the first key. */
  secretOf(name: SecretName): string;
  /** The value of `webhook-signature`: one signature for each of these secrets and each key. */
  sign(names: readonly SecretName[], message: SignedMessage): string;
}

/** What is signed: `id.timestamp.body`. */
interface SignedMessage {
  id: string;
  at: Date;
  body: string;
}

/**
 * Derives each secret from a key by HKDF-SHA256 (RFC 5869), with the webhook and the number of its secret as what tells them apart: so the
 * database, its backups and its logs hold none. `keys`: the key in force first, then those that receivers may still verify with.
 */
export function createWebhookSecrets(keys: readonly Buffer[]): WebhookSecrets {
  const derived = (key: Buffer, { webhookId, version }: SecretName): string => {
    const bytes = hkdfSync('sha256', key, webhookId, `meshgate webhook secret ${version}`, 32);
    return `whsec_${Buffer.from(bytes).toString('base64')}`;
  };
  return {
    secretOf: (name) => derived(keys[0] as Buffer, name),
    sign: (names, { id, at, body }) =>
      names.flatMap((name) => keys.map((key) => new Webhook(derived(key, name)).sign(id, at, body))).join(' '),
  };
}
