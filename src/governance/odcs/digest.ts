import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';

/** SHA-256 (hex) of a document's canonical JSON (RFC 8785): equal exactly where the content is, however it was laid out. */
export function dataContractDigest(document: unknown): string {
  return createHash('sha256').update(canonicalText(document)).digest('hex');
}

/** A value's canonical JSON (RFC 8785); the text `undefined` for an absent value. */
export function canonicalText(value: unknown): string {
  return canonicalize(value) ?? 'undefined';
}
