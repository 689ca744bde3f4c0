import { type JsonObject, memberOf, scalarTextOf, textOf } from './json.js';

const MAX_NAME = 255;

/**
 * A name that Glue, Athena and Lake Formation take alike: lower case, a-z, 0-9 and _, at most 255 characters
 * (https://docs.aws.amazon.com/athena/latest/ug/tables-databases-columns-names.html). Undefined where nothing readable is left.
 */
export function catalogName(text: string): string | undefined {
  const plain = text.trim().normalize('NFKD').replaceAll(/\p{M}/gu, '').toLowerCase();
  const name = plain.replaceAll(/[^a-z0-9_]+/g, '_').slice(0, MAX_NAME);
  return /[a-z0-9]/.test(name) ? name : undefined;
}

/** The catalogue's name of an ODCS table or column: its `physicalName`, else its `name`. */
export function nameOfElement(element: JsonObject): string | undefined {
  const physicalName = textOf(memberOf(element, 'physicalName'));
  const physical = physicalName === undefined || isS3Url(physicalName) ? undefined : catalogName(physicalName);
  return physical ?? catalogName(scalarTextOf(memberOf(element, 'name')) ?? '');
}

/** Tells an S3 URL, s3a:// and s3n:// included. */
export function isS3Url(text: string): boolean {
  return /^s3[an]?:\/\/./i.test(text);
}
