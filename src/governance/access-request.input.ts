import { z } from 'zod';
import { invalid } from './error.js';
import { heldToPlan } from './planned.js';
import { idempotencyKey, principalProblem, slug, subject, text, uuid } from './validation.js';

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
  namedPurpose: slug.nullish(),
  accessMode: z.enum(['NRAC', 'LF_TBAC']).nullish(),
  grantTo: z.enum(['PRINCIPALS', 'ACCOUNT']).nullish(),
  expiresAt: z.date().nullish(),
  /** To the product's questions: held against them once the product is known. */
  answers: z.unknown().optional(),
  idempotencyKey,
});
export type RequestAccessInput = z.input<typeof requestAccess>;
/** What is asked, read. */
export type AskedInput = z.output<typeof requestAccess>;

/** Principals of the consumer's account only. */
export function checkPrincipals(principals: string[], account: string): void {
  principals.forEach((arn, index) => {
    const problem = principalProblem(arn, account);
    if (problem !== null) throw invalid(`principals.${index}`, `principals.${index}: ${problem}`);
  });
}

const comment = text(2_000).nullish();
/** In whose place it is decided; left out: in the decider's own, or else where he is a deputy in that of whom he stands in for. */
const onBehalfOf = subject.nullish();
export const approveAccessRequest = z.object({
  accessRequest: uuid,
  comment,
  onBehalfOf,
  /** May shorten what was asked, or set an end where none was asked. */
  expiresAt: z.date().nullish(),
  ...heldToPlan,
  idempotencyKey,
});
export type ApproveAccessRequestInput = z.input<typeof approveAccessRequest>;

export const rejectAccessRequest = z.object({ accessRequest: uuid, comment, onBehalfOf, idempotencyKey });
export type RejectAccessRequestInput = z.input<typeof rejectAccessRequest>;

export const cancelAccessRequest = z.object({ accessRequest: uuid, comment, idempotencyKey });
export type CancelAccessRequestInput = z.input<typeof cancelAccessRequest>;

export const commentAccessRequest = z.object({ accessRequest: uuid, text: text(2_000), idempotencyKey });
export type CommentAccessRequestInput = z.input<typeof commentAccessRequest>;

/** An end must lie in the future, by the database's clock. */
export function checkFuture(expiresAt: Date | null | undefined, now: Date): void {
  if (expiresAt && expiresAt <= now) throw invalid('expiresAt', 'expiresAt: give a time in the future, or none.');
}
