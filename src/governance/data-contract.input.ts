import { z } from 'zod';
import { heldToPlan } from './planned.js';
import { idempotencyKey, uuid } from './validation.js';

/** At most 1 MiB: the reader refuses more, with a message. */
const document = z.string();

export const importDataContract = z
  .object({
    dataProduct: uuid.nullish(),
    domain: uuid.nullish(),
    document,
    lenient: z.boolean().nullish(),
    idempotencyKey,
  })
  .refine(({ dataProduct, domain }) => (dataProduct ?? domain ?? null) !== null, {
    message: 'Say where the contract belongs: a domain, or a data product.',
    path: ['domain'],
  });
export type ImportDataContractInput = z.input<typeof importDataContract>;

export const activateDataContract = z.object({
  dataContract: uuid,
  /** Activates although consumers of the contract in force may break. */
  acknowledgeBreaking: z.boolean().nullish(),
  ...heldToPlan,
  idempotencyKey,
});
export type ActivateDataContractInput = z.input<typeof activateDataContract>;
