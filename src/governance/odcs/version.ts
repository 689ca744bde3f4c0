/** The versions of the Open Data Contract Standard (https://bitol-io.github.io/open-data-contract-standard) whose rules we know, oldest first. */
export const ODCS_VERSIONS = ['v3.0.0', 'v3.0.1', 'v3.0.2', 'v3.1.0'] as const;

/** One supported value of a contract's `apiVersion`. */
export type OdcsVersion = (typeof ODCS_VERSIONS)[number];

/** The newest supported version: the rules for a document that does not say its own. */
export const NEWEST_ODCS_VERSION: OdcsVersion = 'v3.1.0';

/** Tells whether a declared `apiVersion` is one that we support. */
export function isOdcsVersion(value: unknown): value is OdcsVersion {
  return (ODCS_VERSIONS as readonly unknown[]).includes(value);
}

/** Tells whether `version` is `since` or newer. */
export function isAtLeast(version: OdcsVersion, since: OdcsVersion): boolean {
  return ODCS_VERSIONS.indexOf(version) >= ODCS_VERSIONS.indexOf(since);
}
