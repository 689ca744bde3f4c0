import { z } from 'zod';
import type { Mesh } from './context.js';
import { GovernanceError, invalid } from './error.js';

/** The words that inputs are made of. Messages say what to give. */

/** Reads an input by its schema; every violation at once, the first one's path as the error's path. */
export function read<S extends z.ZodType>(schema: S, input: unknown): z.output<S> {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const violations = result.error.issues.map(({ path, message }) => ({ path: path.join('.'), reason: message }));
  const text = violations.map(({ path, reason }) => (path === '' ? reason : `${path}: ${reason}`)).join(' ');
  throw new GovernanceError('VALIDATION', text, { path: violations[0]?.path ?? '', violations });
}

/**
 * Text of at least one visible character. Control characters other than line ends and tabs are refused, and so are those that turn the
 * direction of what follows: a name could read as another (Unicode UAX #9, explicit directional formatting characters; CVE-2021-42574).
 */
export const text = (max: number) =>
  z
    .string({ error: 'Give a text.' })
    .trim()
    .min(1, 'Must not be empty.')
    .max(max, `Must not be longer than ${max} characters.`)
    .refine((value) => !CONTROL.test(value), 'Must not hold control characters.')
    .refine((value) => !BIDI_CONTROL.test(value), 'Must not hold characters that change the direction of text.');
const BIDI_CONTROL = /[\u202a-\u202e\u2066-\u2069]/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: this is the check against them; Postgres takes no NUL
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/;

/** What a client may call a request, in its headers and in a filter of the audit trail. */
export const CORRELATION_ID = /^[\w.:-]{1,128}$/;

export const uuid = z.uuid('Give the id of an object.');
export const idempotencyKey = z
  .string()
  .min(1, 'Must not be empty.')
  .max(255, 'Must not be longer than 255 characters.')
  .refine((key) => !CONTROL.test(key), 'Must not hold control characters.')
  .nullish();
export const description = text(10_000);
export const subject = text(255);

const DURATION = /^P(?=.)(?:(\d{1,5})W)?(?:(\d{1,5})D)?(?:T(?=\d)(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,8})S)?)?$/;
const SECONDS = [604_800, 86_400, 3_600, 60, 1];
/** How long something waits: an ISO 8601 duration of weeks, days, hours, minutes and seconds, from a minute to 90 days. */
export const waitingTime = z.string().refine((given) => {
  const [, ...parts] = DURATION.exec(given) ?? [];
  const seconds = parts.reduce((sum, part, index) => sum + Number(part ?? 0) * (SECONDS[index] ?? 0), 0);
  return seconds >= 60 && seconds <= 90 * 86_400;
}, 'Give an ISO 8601 duration from PT1M to P90D, such as P2D or PT36H, or null for never.');

const DAY = 86_400_000;
/** When a token or secret ends: after 90 days where nothing is said, after 365 at most. */
export const secretEnd = z
  .date()
  .nullish()
  .refine((end) => !end || end.getTime() > Date.now() + 60_000, 'Must be a minute from now, at least.')
  .refine((end) => !end || end.getTime() <= Date.now() + 365 * DAY, 'Must be within 365 days.')
  .transform((end) => end ?? new Date(Date.now() + 90 * DAY));

/** A lower-case slug without doubled dashes: names of AWS objects are made of it, and `__` parts them. */
export const slug = z
  .string()
  .max(63, 'Must not be longer than 63 characters.')
  .regex(
    /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/,
    'Give a lower-case name of letters, digits and single dashes that begins with a letter, like `customer-care`.',
  );

/** Rules and statements of event buses are named after domains, with 64 characters in all for name and prefix. */
export const domainSlug = slug.max(40, 'Must not be longer than 40 characters.');

/** Names as Glue and Athena take them without surprises. */
export const tableName = z
  .string()
  .regex(
    /^[a-z0-9_]{1,128}$/,
    'Give 1 to 128 lower-case letters, digits and underscores, as Glue and Athena take them.',
  );

/** Glue takes more, yet Athena and Lake Formation fold case, and commas or quotes break column lists. */
export const columnName = z
  .string()
  .regex(
    /^[a-z0-9_][a-z0-9_ $#@:.-]{0,254}$/,
    'Give 1 to 255 characters: lower-case letters, digits, underscores; Glue stores names in lower case.',
  );

const SIMPLE =
  'boolean|tinyint|smallint|int|integer|bigint|float|real|double|string|binary|date|timestamp|timestamp_ntz|timestamptz|time|uuid';
const SIZED = '(?:decimal(?:\\(\\d{1,2}(?:, ?\\d{1,2})?\\))?|(?:char|varchar)\\(\\d{1,5}\\)|fixed\\(\\d{1,9}\\))';
const SIMPLE_TYPE = new RegExp(`^(?:${SIMPLE}|${SIZED})$`);

/** A Hive type as Glue stores it; nested ones (array, map, struct) are checked for balanced brackets only. */
export const glueType = z
  .string()
  .trim()
  .min(1, 'Give a type.')
  .max(131_072, 'Is longer than Glue takes (131,072 characters).')
  .refine((type) => !CONTROL.test(type), 'Must not hold control characters.')
  .refine(
    (type) =>
      SIMPLE_TYPE.test(type.toLowerCase()) || (/^(array|map|struct|uniontype)<.+>$/i.test(type) && balanced(type)),
    'Give a Hive type as Glue stores it: string, bigint, decimal(12,2), timestamp, array<string>, struct<a:int,b:string> ...',
  );

function balanced(type: string): boolean {
  let open = 0;
  for (const character of type) {
    if (character === '<') open += 1;
    if (character === '>') open -= 1;
    if (open < 0) return false;
  }
  return open === 0;
}

export const accountId = z.string().regex(/^\d{12}$/, 'Give the 12 digits of an AWS account.');

/** `s3://bucket/prefix`, without the last slash. */
export const s3Location = z
  .string()
  .max(1_024, 'Must not be longer than 1,024 characters.')
  .regex(
    /^s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](\/[^/\s*?#"'\\]+)*\/?$/,
    'Give an S3 location of the form s3://bucket/prefix, without spaces, wildcards or empty parts.',
  )
  .refine((location) => !CONTROL.test(location), 'Must not hold control characters.')
  .refine(
    (location) => !location.split('/').some((part) => part === '.' || part === '..'),
    'Must not hold `.` or `..`.',
  )
  .transform((location) => location.replace(/\/$/, ''));

/** Whether the location is the place itself or lies under it. */
export const liesUnder = (location: string, place: string) => location === place || location.startsWith(`${place}/`);

const PATH = '(?:[\\u0021-\\u007e]+/)?';
const ROLE = new RegExp(`^arn:aws[a-z-]*:iam::(\\d{12}):role/${PATH}[\\w+=,.@-]{1,64}$`);
const PRINCIPAL = new RegExp(`^arn:aws[a-z-]*:iam::(\\d{12}):(?:role|user)/${PATH}[\\w+=,.@-]{1,64}$`);

/** A role's ARN must be of the account named. */
export function checkRole(path: string, arn: string | null | undefined, account: string): void {
  if (arn === null || arn === undefined) return;
  const [, owner] = arn.length > 2_048 || arn.includes('*') ? [] : (ROLE.exec(arn) ?? []);
  if (owner === undefined)
    throw invalid(path, `${path}: give the ARN of an IAM role: arn:aws:iam::${account}:role/name.`);
  if (owner !== account) throw invalid(path, `${path}: the role must be of account ${account}, it is of ${owner}.`);
}

/** A principal is an IAM user or role (with its path) of the consumer's account; the message says what to give instead. */
export function principalProblem(arn: string, account: string): string | null {
  const assumed = /^arn:(aws[a-z-]*):sts::(\d{12}):assumed-role\/([^/]+)\/.+$/.exec(arn);
  if (assumed !== null) {
    const [, partition, owner, role] = assumed;
    return `${arn} is a session of a role: give the role itself, arn:${partition}:iam::${owner}:role/${role} (with its path, if it has one).`;
  }
  if (/:root$/.test(arn)) return `${arn} is a whole account: give the IAM roles or users that shall read.`;
  if (/[*?]/.test(arn)) return `${arn} holds a wildcard: name each IAM role or user.`;
  const [, owner] = arn.length > 2_048 ? [] : (PRINCIPAL.exec(arn) ?? []);
  if (owner === undefined)
    return `${arn} is not the ARN of an IAM role or user: give arn:aws:iam::${account}:role/name or :user/name.`;
  if (owner !== account)
    return `${arn} is of account ${owner}; principals must be of the consumer domain's account ${account}.`;
  return null;
}

/** A KMS key or role in G, a domain elsewhere: what the mesh itself forbids. */
export function checkMesh(
  input: { awsAccountId: string; awsRegion: string; dataAccessRoleArn?: string | null | undefined },
  mesh: Mesh,
): void {
  if (input.awsAccountId === mesh.governanceAccount) {
    throw invalid('awsAccountId', 'This is the governance account itself: a domain needs an account of its own.');
  }
  if (input.awsRegion !== mesh.region) {
    throw invalid(
      'awsRegion',
      `A domain in another region than the mesh's is not supported in this version: the mesh is in ${mesh.region}.`,
    );
  }
  if (input.dataAccessRoleArn !== null && input.dataAccessRoleArn !== undefined) {
    checkRole('dataAccessRoleArn', input.dataAccessRoleArn, mesh.governanceAccount);
  }
}
