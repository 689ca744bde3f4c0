/** What every data operation of the sandbox needs: the errors of the three services, required members, pages, names. */
import { AwsError, type Call } from './service.js';

/** InvalidInputException, as Glue and Lake Formation answer it. */
export function invalidInput(message: string): AwsError {
  return new AwsError('InvalidInputException', message);
}

/** EntityNotFoundException, as Glue and Lake Formation answer it. */
export function entityNotFound(message: string): AwsError {
  return new AwsError('EntityNotFoundException', message);
}

/** AccessDeniedException for a Lake Formation permission that the caller lacks, in the wording of AWS. */
export function insufficientPermission(required: string, on: string): AwsError {
  return new AwsError(
    'AccessDeniedException',
    `Insufficient Lake Formation permission(s): Required ${required} on ${on}`,
  );
}

/** Throws InvalidInputException in the wording of the AWS front where a required member of the input is missing. */
export function requireMembers(input: Record<string, unknown> | undefined, members: string[], at = ''): void {
  for (const member of members) {
    const value = input?.[member];
    if (value === undefined || value === null || value === '') {
      const path = `${at}${member.charAt(0).toLowerCase()}${member.slice(1)}`;
      throw invalidInput(
        `1 validation error detected: Value null at '${path}' failed to satisfy constraint: Member must not be null`,
      );
    }
  }
}

/** The catalog at the top of a Lake Formation call is the caller's own account: that of another is out of reach. */
export function requireOwnCatalogId(call: Call): void {
  const catalog: unknown = call.parameters.CatalogId;
  if (catalog === undefined || catalog === null || catalog === call.account) return;
  throw new AwsError(
    'AccessDeniedException',
    `Cross account access to catalog ${String(catalog)} is not allowed.`,
    403,
  );
}

/** Glue folds the names of databases, tables and columns to lower case (AWS Glue API, DatabaseInput and TableInput). */
export function foldName(name: string): string {
  return name.toLowerCase();
}

/** What a paged operation was asked for; `most` is both the default and the largest page. */
interface PageRequest {
  max: number | undefined;
  token: string | undefined;
  most: number;
  /** Where the items of another account begin, which are always on pages of their own. */
  apart?: number;
  /** The error that the service answers for a token or page size it does not take. */
  refuse: (message: string) => AwsError;
}

/** One page of `items` and the token of the next page, undefined at the end. */
export function pageOf<T>(items: readonly T[], request: PageRequest): { page: T[]; next: string | undefined } {
  const { max = request.most, token, most, apart = 0, refuse } = request;
  if (!Number.isInteger(max) || max < 1 || max > most) {
    throw refuse(
      `1 validation error detected: Value '${max}' at 'maxResults' failed to satisfy constraint: Member must be between 1 and ${most}`,
    );
  }
  const start = token === undefined ? 0 : offsetOf(token, refuse);
  const end = start < apart ? Math.min(start + max, apart) : start + max;
  return {
    page: items.slice(start, end),
    next: end < items.length ? Buffer.from(`after:${end}`).toString('base64url') : undefined,
  };
}

function offsetOf(token: string, refuse: PageRequest['refuse']): number {
  const match = /^after:(\d+)$/.exec(Buffer.from(token, 'base64url').toString());
  if (!match) throw refuse('The specified NextToken is not valid.');
  return Number(match[1]);
}

/** The object without its undefined members, so that it stays plain JSON and equal to what a journal restores. */
export function defined<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as T;
}
