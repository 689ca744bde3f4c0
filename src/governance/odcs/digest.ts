import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';

/** SHA-256 (hex) of a document's canonical JSON (RFC 8785): equal exactly where the content is, however it was laid out. Throws on what is no JSON. */
export function dataContractDigest(document: unknown): string {
  return createHash('sha256')
    .update(canonicalize(document) ?? 'undefined')
    .digest('hex');
}
