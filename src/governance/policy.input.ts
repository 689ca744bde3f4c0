import { z } from 'zod';
import { description, idempotencyKey, slug, uuid } from './validation.js';

const source = z.string().max(20_000, 'Must not be longer than 20,000 characters.');

export const createPolicy = z.object({
  name: slug,
  description,
  /** Without it, the policy is of the whole mesh. */
  domain: uuid.nullish(),
  source,
  idempotencyKey,
});
export type CreatePolicyInput = z.input<typeof createPolicy>;

export const draftPolicy = z.object({
  policy: uuid,
  description: description.nullish(),
  source,
  idempotencyKey,
});
export type DraftPolicyInput = z.input<typeof draftPolicy>;

export const activatePolicy = z.object({
  policy: uuid,
  /** The one that was looked at: another may have been drafted since. */
  version: z.int().min(1, 'Give the number of a version.'),
  digest: z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'Give the digest of the version: 64 hexadecimal digits.')
    .nullish(),
  idempotencyKey,
});
export type ActivatePolicyInput = z.input<typeof activatePolicy>;

export const deactivatePolicy = z.object({ policy: uuid, idempotencyKey });
export type DeactivatePolicyInput = z.input<typeof deactivatePolicy>;
