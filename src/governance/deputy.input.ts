import { z } from 'zod';
import { idempotencyKey, subject, uuid } from './validation.js';

export const nameDeputy = z.object({
  domain: uuid,
  deputy: subject,
  /** Default now; a time that has passed is now. */
  from: z.date().nullish(),
  until: z.date(),
  idempotencyKey,
});
export type NameDeputyInput = z.input<typeof nameDeputy>;

export const endDeputy = z.object({ deputy: uuid, idempotencyKey });
export type EndDeputyInput = z.input<typeof endDeputy>;
