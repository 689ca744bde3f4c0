import { z } from 'zod';
import { invalid } from './error.js';
import { heldToPlan } from './planned.js';
import { locationProblem, MAX_COLUMNS, MAX_TABLES, type TableShape } from './tables.js';
import {
  columnName,
  description,
  glueType,
  idempotencyKey,
  read,
  s3Location,
  slug,
  tableName,
  text,
  uuid,
} from './validation.js';

const classification = z.enum(['PUBLIC', 'INTERNAL', 'CONFIDENTIAL', 'RESTRICTED']);
const tags = z
  .array(text(100))
  .max(50, 'Give at most 50 tags.')
  .transform((values) => [...new Set(values)]);

const column = z.object({
  name: columnName,
  type: glueType,
  description: text(5_000)
    .nullish()
    .transform((value) => value ?? null),
  required: z.boolean().nullish().transform(Boolean),
  primaryKey: z.boolean().nullish().transform(Boolean),
  partition: z.boolean().nullish().transform(Boolean),
  pii: z.boolean().nullish().transform(Boolean),
  classification: classification.nullish().transform((value) => value ?? null),
});

const unique = (what: string) => (rows: { name: string }[], context: z.RefinementCtx) => {
  const seen = new Set<string>();
  rows.forEach(({ name }, index) => {
    if (seen.has(name))
      context.addIssue({ code: 'custom', path: [index, 'name'], message: `There are two ${what} ${name}.` });
    seen.add(name);
  });
};

const table = z.object({
  name: tableName,
  description: text(10_000)
    .nullish()
    .transform((value) => value ?? null),
  location: s3Location,
  format: z.enum(['PARQUET', 'ORC', 'AVRO', 'JSON', 'CSV', 'ICEBERG'], {
    error: 'Give PARQUET, ORC, AVRO, JSON, CSV or ICEBERG; S3 Tables are not supported in this version.',
  }),
  columns: z
    .array(column)
    .max(MAX_COLUMNS, `Give at most ${MAX_COLUMNS} columns a table.`)
    .superRefine(unique('columns'))
    .nullish()
    .transform((value) => value ?? []),
});

const tables = z.array(table).max(MAX_TABLES, `Give at most ${MAX_TABLES} tables.`).superRefine(unique('tables'));

const registerDataProduct = z.object({
  domain: uuid,
  name: slug,
  displayName: text(255).nullish(),
  description,
  owner: text(255),
  accessMode: z.enum(['NRAC', 'LF_TBAC']),
  classification,
  tags: tags.nullish().transform((value) => value ?? []),
  tables: tables.nullish().transform((value) => value ?? []),
  contract: z.string().nullish(),
  idempotencyKey,
});
export type RegisterDataProductInput = z.input<typeof registerDataProduct>;

/** Reads the input of registerDataProduct. */
export function readNewProduct(input: RegisterDataProductInput) {
  return read(registerDataProduct, input);
}

/** Tables given as fields must lie under what the domain registered. */
export function checkLocations(tables: TableShape[], dataLocation: string): void {
  tables.forEach(({ location }, index) => {
    const problem = locationProblem(location, dataLocation);
    if (problem !== null) throw invalid(`tables.${index}.location`, `tables.${index}.location: ${problem}`);
  });
}

export const updateDataProduct = z.object({
  dataProduct: uuid,
  description: description.nullish(),
  owner: text(255).nullish(),
  tags: tags.nullish(),
  classification: classification.nullish(),
  /** Of a published product both modes stand until all of the new one does. */
  accessMode: z.enum(['NRAC', 'LF_TBAC']).nullish(),
  crawl: z.boolean().nullish(),
  /** What requests have to answer from now on: request-template.ts reads it. */
  requestTemplate: z.unknown().optional(),
  /** Replaces all; only while no contract is in force. */
  tables: tables.min(1, 'Give at least one table.').nullish(),
  ...heldToPlan,
  idempotencyKey,
});
export type UpdateDataProductInput = z.input<typeof updateDataProduct>;

const dataProductInput = z.object({ dataProduct: uuid, idempotencyKey });

export const publishDataProduct = dataProductInput.extend({ crawl: z.boolean().nullish(), ...heldToPlan });
export type PublishDataProductInput = z.input<typeof publishDataProduct>;

export const deprecateDataProduct = dataProductInput.extend({ reason: text(2_000).nullish() });
export type DeprecateDataProductInput = z.input<typeof deprecateDataProduct>;

export const retireDataProduct = dataProductInput.extend({
  /** Revoke what is still granted; without it a product with live grants stays. */
  revokeGrants: z.boolean().nullish(),
  ...heldToPlan,
});
export type RetireDataProductInput = z.input<typeof retireDataProduct>;
