import { z } from 'zod';
import { invalid } from './error.js';
import { heldToPlan } from './planned.js';
import type { ProductWithTables } from './rows.js';
import { idempotencyKey, principalProblem, text, uuid } from './validation.js';

const list = (what: string, max: number) =>
  z
    .array(z.string().min(1).max(2_048))
    .max(max, `Give at most ${max} ${what}.`)
    .transform((values) => [...new Set(values)]);

export const requestAccess = z.object({
  dataProduct: uuid,
  consumerDomain: uuid,
  principals: list('principals', 50).refine((values) => values.length > 0, 'Name at least one IAM role or user.'),
  permissions: z
    .array(z.enum(['SELECT', 'DESCRIBE', 'INSERT', 'DELETE', 'ALTER']))
    .nullish()
    .transform((values) => [...new Set(values?.length ? values : (['SELECT', 'DESCRIBE'] as const))]),
  tables: list('tables', 200)
    .refine((values) => values.length > 0, 'Name at least one, or leave it out to ask for all tables.')
    .nullish()
    .transform((values) => values ?? []),
  columns: list('columns', 2_000)
    .refine((values) => values.length > 0, 'Name at least one, or leave it out to ask for all columns.')
    .nullish()
    .transform((values) => values ?? []),
  rowFilter: z.string().nullish(),
  purpose: text(2_000),
  accessMode: z.enum(['NRAC', 'LF_TBAC']).nullish(),
  grantTo: z.enum(['PRINCIPALS', 'ACCOUNT']).nullish(),
  expiresAt: z.date().nullish(),
  idempotencyKey,
});
export type RequestAccessInput = z.input<typeof requestAccess>;
/** What is asked, read. */
export type AskedInput = z.output<typeof requestAccess>;

/** What this version does not do yet is refused by name, never half done. */
export function refuseUnsupported({ permissions, rowFilter, accessMode, grantTo }: AskedInput): void {
  const later = 'is not supported in this version';
  const writes = permissions.filter((permission) => permission !== 'SELECT' && permission !== 'DESCRIBE');
  if (writes.length > 0)
    throw invalid('permissions', `Granting ${writes.join(', ')} ${later}: ask for SELECT and DESCRIBE.`);
  if ((rowFilter ?? null) !== null) throw invalid('rowFilter', `A row filter ${later}: ask for tables and columns.`);
  if (accessMode === 'LF_TBAC') throw invalid('accessMode', `LF_TBAC, access by tag, ${later}: ask for NRAC.`);
  if (grantTo === 'ACCOUNT') throw invalid('grantTo', `Granting to a whole account ${later}: name the principals.`);
}

/** Principals of the consumer's account only. */
export function checkPrincipals(principals: string[], account: string): void {
  principals.forEach((arn, index) => {
    const problem = principalProblem(arn, account);
    if (problem !== null) throw invalid(`principals.${index}`, `principals.${index}: ${problem}`);
  });
}

/** Both in order, so that equal requests are equal rows; `columns` as `table.column`. */
interface AskedScope {
  tables: string[];
  columns: string[];
}

/**
 * What is asked, by name: tables that the product has (all of them, or those of the columns, where none are given) and columns as
 * `table.column`, where a bare name means the one table asked for. Tables that come to the product later are not part of it.
 */
export function askedScope({ tables, columns }: AskedScope, product: ProductWithTables): AskedScope {
  const has = product.tables.map(({ name }) => name);
  tables.forEach((name, index) => {
    if (has.includes(name)) return;
    const path = `tables.${index}`;
    throw invalid(path, `${path}: the product has no table ${name}; it has ${has.join(', ')}.`);
  });
  const alone = tables.length === 1 ? tables[0] : has.length === 1 && tables.length === 0 ? has[0] : undefined;
  const full = columns.map((column, index) => fullColumn({ column, path: `columns.${index}`, alone }, product));
  const named = full.map((column) => column.slice(0, column.indexOf('.')));
  const asked = tables.length > 0 ? tables : named.length > 0 ? named : has;
  const outside = named.findIndex((name) => !asked.includes(name));
  if (outside >= 0) {
    const path = `columns.${outside}`;
    throw invalid(path, `${path}: ${columns[outside]} is of a table that is not among the tables asked for.`);
  }
  return { tables: [...new Set(asked)].sort(), columns: [...new Set(full)].sort() };
}

interface AskedColumn {
  column: string;
  path: string;
  /** The one table that a bare name can be of. */
  alone: string | undefined;
}

function fullColumn({ column, path, alone }: AskedColumn, product: ProductWithTables): string {
  for (const { name, columns } of product.tables) {
    if (columns.some((one) => `${name}.${one.name}` === column)) return column;
  }
  if (alone === undefined) {
    throw invalid(
      path,
      `${path}: the product has no column ${column}; where several tables are asked for, give \`table.column\`.`,
    );
  }
  const table = product.tables.find(({ name }) => name === alone);
  if (table?.columns.some(({ name }) => name === column)) return `${alone}.${column}`;
  throw invalid(path, `${path}: the table ${alone} has no column ${column}.`);
}

const comment = text(2_000).nullish();
export const approveAccessRequest = z.object({
  accessRequest: uuid,
  comment,
  /** May shorten what was asked, or set an end where none was asked. */
  expiresAt: z.date().nullish(),
  ...heldToPlan,
  idempotencyKey,
});
export type ApproveAccessRequestInput = z.input<typeof approveAccessRequest>;

export const rejectAccessRequest = z.object({ accessRequest: uuid, comment, idempotencyKey });
export type RejectAccessRequestInput = z.input<typeof rejectAccessRequest>;

export const cancelAccessRequest = z.object({ accessRequest: uuid, comment, idempotencyKey });
export type CancelAccessRequestInput = z.input<typeof cancelAccessRequest>;

/** An end must lie in the future, by the database's clock. */
export function checkFuture(expiresAt: Date | null | undefined, now: Date): void {
  if (expiresAt && expiresAt <= now) throw invalid('expiresAt', 'expiresAt: give a time in the future, or none.');
}
