import type { LineLog } from './line-log.js';

/** One call as the call log shows it; `n` is added by the log. Unknown callers have an empty account and principal. */
export interface LoggedCall {
  at: string;
  account: string;
  principal: string;
  session: string | null;
  service: string;
  operation: string;
  parameters: Record<string, unknown>;
  /** HTTP status of the answer; 0 where a fault cut the connection. */
  status: number;
  error: string | null;
}

const SECRETS = new Set(['SecretAccessKey', 'SessionToken', 'WebIdentityToken', 'SAMLAssertion', 'TokenCode']);
const MAX_TEXT = 16_384;

/** Writes a call to the log, without credentials and with very long texts cut. */
export function logCall(log: LineLog, call: LoggedCall): void {
  log.append({ ...call, parameters: withoutSecrets(call.parameters) });
}

function withoutSecrets(value: unknown): unknown {
  if (typeof value === 'string') return value.length > MAX_TEXT ? `${value.slice(0, MAX_TEXT)}...` : value;
  if (Array.isArray(value)) return value.map(withoutSecrets);
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).map(([name, member]) => [
    name,
    SECRETS.has(name) ? '***' : withoutSecrets(member),
  ]);
  return Object.fromEntries(kept);
}
