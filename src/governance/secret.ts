import { createHash, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto';
import { crc32 } from 'node:zlib';

/**
 * Tokens and secrets of Meshgate's own: `mgpat_` or `mgsa_`, the row's id, 256 random bits and a checksum, all but the prefix in base62. The
 * prefix and the checksum let scanners of source code find them without false alarms; the id says which row to compare with.
 */
const PREFIXES = { mgpat: 'PERSONAL_ACCESS_TOKEN', mgsa: 'SERVICE_ACCOUNT_SECRET' } as const;
type Prefix = keyof typeof PREFIXES;
export type SecretKind = (typeof PREFIXES)[Prefix];

/** What begins the subject of every service account that signs in with secrets; no issuer's token may claim it. */
export const serviceAccountPrefix = 'service-account:';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const ID_LENGTH = 22;
const SECRET_LENGTH = 43;
const CHECKSUM_LENGTH = 6;
const FORM = new RegExp(
  `^(${Object.keys(PREFIXES).join('|')})_(\\w{${ID_LENGTH}})(\\w{${SECRET_LENGTH}})(\\w{${CHECKSUM_LENGTH}})$`,
);

/** The id of a row that is to hold a secret: the secret's text holds it too, so it must be known before the row is. */
export const newRowId = (): string => randomUUID();

/** A new secret for the row of that id: the text, which is shown once, and the hash, which is kept. */
export function newSecret(kind: SecretKind, id: string): { text: string; hash: Uint8Array<ArrayBuffer> } {
  const prefix = (Object.keys(PREFIXES) as Prefix[]).find((one) => PREFIXES[one] === kind);
  const secret = base62(randomBytes(32).toString('hex'), SECRET_LENGTH);
  const body = `${prefix}_${base62(id.replaceAll('-', ''), ID_LENGTH)}${secret}`;
  return { text: body + checksum(body), hash: hashOf(secret) };
}

/** What a text names, null where it is no secret of ours, or a mistyped one: nothing need be looked up then. */
export function parseSecret(text: string): { kind: SecretKind; id: string; hash: Uint8Array } | null {
  const [, prefix, id, secret, check] = FORM.exec(text) ?? [];
  if (!prefix || !id || !secret || check !== checksum(text.slice(0, -CHECKSUM_LENGTH))) return null;
  const hex = hexOf(id);
  if (hex === null) return null;
  const uuid = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  return { kind: PREFIXES[prefix as Prefix], id: uuid, hash: hashOf(secret) };
}

/** Compares hashes in constant time. */
export function sameHash(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && timingSafeEqual(one, other);
}

/** Plain SHA-256: a random secret of 256 bits cannot be guessed, however fast the hash (a password could). */
function hashOf(secret: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(createHash('sha256').update(secret).digest());
}

function checksum(body: string): string {
  return base62(crc32(body).toString(16), CHECKSUM_LENGTH);
}

function base62(hex: string, length: number): string {
  let rest = BigInt(`0x${hex}`);
  let text = '';
  for (; rest > 0n; rest /= 62n) text = ALPHABET.charAt(Number(rest % 62n)) + text;
  return text.padStart(length, '0');
}

/** The 32 hex digits of an id; null where the text is more than 128 bits. */
function hexOf(text: string): string | null {
  let value = 0n;
  for (const character of text) {
    const digit = ALPHABET.indexOf(character);
    if (digit < 0) return null;
    value = value * 62n + BigInt(digit);
  }
  const hex = value.toString(16).padStart(32, '0');
  return hex.length > 32 ? null : hex;
}
