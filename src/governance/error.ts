/** The closed list of failures that a person can cause; each is a `UserError` type of the API. */
export type GovernanceErrorCode = 'NOT_FOUND' | 'FORBIDDEN' | 'CONFLICT' | 'VALIDATION' | 'POLICY_DENIED' | 'STATE';

interface Details {
  /** VALIDATION: the input field(s), dotted, for example `tables.0.columns`. */
  path?: string;
  /** VALIDATION: every place that is wrong, dotted like `path`; of a document, as a JSON pointer (RFC 6901) into it. */
  violations?: { path: string; reason: string }[];
  /** STATE: the state that the object is in. */
  state?: string;
  /** POLICY_DENIED: ids of the policies that decided. */
  policies?: string[];
}

/** An expected failure: the message says what is wrong and what to do. Everything else that is thrown is a bug and is masked. */
export class GovernanceError extends Error {
  constructor(
    readonly code: GovernanceErrorCode,
    message: string,
    readonly details: Details = {},
  ) {
    super(message);
  }
}

export const notFound = (what: string) =>
  new GovernanceError('NOT_FOUND', `${what} was not found, or you may not see it.`);
export const forbidden = (message: string) => new GovernanceError('FORBIDDEN', message);
export const conflict = (message: string) => new GovernanceError('CONFLICT', message);
/** One input field that is wrong; `message` may begin with its path. */
export const invalid = (path: string, message: string) => {
  const reason = message.startsWith(`${path}: `) ? message.slice(path.length + 2) : message;
  return new GovernanceError('VALIDATION', message, { path, violations: [{ path, reason }] });
};
export const wrongState = (state: string, message: string) => new GovernanceError('STATE', message, { state });
