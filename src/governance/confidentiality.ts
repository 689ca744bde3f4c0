import type { AccessMode, Classification } from '../generated/prisma/client.js';

/** The LF-tag that keeps sensitive data apart. */
export const CONFIDENTIALITY = 'confidentiality';

/** What is closed to those who were approved for what everybody inside may know. The values of that tag. */
export type Confidentiality = 'non-sensitive' | 'sensitive';

const LEVELS: readonly Classification[] = ['PUBLIC', 'INTERNAL', 'CONFIDENTIAL', 'RESTRICTED'];

/** The strictest of them; at least PUBLIC. */
export const strictest = (levels: readonly Classification[]): Classification =>
  levels.reduce((a, b) => (LEVELS.indexOf(b) > LEVELS.indexOf(a) ? b : a), 'PUBLIC');

/** Whether one classification is above another. */
export const isStricter = (level: Classification, than: Classification): boolean =>
  LEVELS.indexOf(level) > LEVELS.indexOf(than);

/** PUBLIC and INTERNAL are non-sensitive, the rest is sensitive. */
export function confidentiality(level: Classification): Confidentiality {
  return LEVELS.indexOf(level) >= LEVELS.indexOf('CONFIDENTIAL') ? 'sensitive' : 'non-sensitive';
}

/** A column with personal data, or classified higher, is sensitive in any table. */
export function isSensitive({ pii, classification }: { pii: boolean; classification: Classification | null }): boolean {
  return pii || (classification !== null && confidentiality(classification) === 'sensitive');
}

/**
 * Which data a request opens: what was asked by name holds every column; what was asked by tag goes by the classification that the
 * product had when it was approved, so that a later, stricter one never opens columns to those who had less.
 */
export function approvedValues(
  request: { accessMode: AccessMode; approvedAs: Classification | null },
  product: { classification: Classification },
): Confidentiality[] {
  const level = request.approvedAs ?? product.classification;
  const all = request.accessMode === 'NRAC' || confidentiality(level) === 'sensitive';
  return all ? ['non-sensitive', 'sensitive'] : ['non-sensitive'];
}
