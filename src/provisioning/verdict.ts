import type { ResourceStatus } from '../generated/prisma/client.js';
import type { Drift } from './drift.js';
import type { DueRow, LastError } from './due.js';
import type { Observation, ProviderError } from './provider.js';
import type { ResourceNews } from './resource-event.js';

/** What is recorded about a row after it was observed, applied or removed; pure, so that every rule can be read here. */
export interface Verdict {
  row: DueRow;
  status: ResourceStatus;
  attempts: number;
  /** When the row is due again, from now by the database's clock. */
  delayMs: number;
  lastError: LastError | null;
  /** null: what was observed last stays. */
  observed: Record<string, unknown> | null;
  /** What is said of it; `data` beside kind, account, region and key. */
  event: Extract<ResourceNews, { type: 'ResourceStuck' | 'ResourceDrifted' | 'ResourceRepaired' }> | null;
  /** What is told of a change out of band and left alone; undefined: what was told stays. */
  drift?: Drift | null;
  /** A call that changes AWS was made in this run. */
  sent: boolean;
  /** AWS was seen to agree with the row's generation. */
  agrees: boolean;
  /** AWS accepted in this run that all that may have been sent is taken away. */
  takenAway: boolean;
  /** The grants that it stands on are to be taken away and given anew. */
  reissue: boolean;
  /** AWS agrees, but what was sent and never seen is remembered until it was looked at once more. */
  keepsUnconfirmed?: true;
  /** Nothing was made in this run, nor before it: what comes to stand under the name is another's. */
  untouched?: true;
  /** What is now to be changed takes something away: it never ends as FAILED. */
  narrows?: true;
}

/** One verdict a row, and when the lane is due again, in milliseconds from now. */
export interface LaneVerdict {
  verdicts: Verdict[];
  delayMs: number;
}

/** Chance and periods, handed in so that tests can fix them. */
export interface VerdictOptions {
  /** A READY row is observed again within this time, milliseconds. */
  driftPeriodMs: number;
  /** Uniform in [0, 1). */
  random: () => number;
}

const RETRY_BASE_MS = 1_000;
const RETRY_CAP_MS = 300_000;
/** Six tries, one to sixteen seconds apart: half a minute for a role, a permission or a location to become known. */
const PROPAGATION_TRIES = 6;
const PROPAGATION_CAP_MS = 16_000;
const STUCK_TRIES = 6;
/** Calls succeeded, yet the listing is still the old one: two thirds of a minute before that counts as stuck. */
const INVISIBLE_TRIES = 12;
const POLL_BASE_MS = 200;
const POLL_CAP_MS = 5_000;
/** Beyond this many polls (three minutes) nothing quick is expected any more. */
const QUICK_POLLS = 40;
const SLOW_POLL_MS = 30_000;
const POSTPONE_MS = 5_000;
/** When a change that was sent and never seen is looked for once more: Lake Formation's listings lag by seconds. */
export const LATE_MS = 60_000;

/** AWS agrees: READY or REMOVED. */
export function agreed(row: DueRow, observed: Record<string, unknown> | null, options: VerdictOptions): Verdict {
  return {
    ...unsettled(row, null),
    status: row.desired === 'PRESENT' ? 'READY' : 'REMOVED',
    attempts: 0,
    // A little early, so that what is found is also repaired within the period.
    delayMs: options.driftPeriodMs * 0.9,
    observed,
    drift: null,
    event: repaired(row),
    agrees: true,
  };
}

/** Told where it had drifted; what was told and left alone was put right by others. */
function repaired({ desired, lastError, drift }: DueRow): Verdict['event'] {
  if (desired === 'ABSENT' || !(drift || lastError?.drifted)) return null;
  return { type: 'ResourceRepaired', data: { by: drift ? 'OTHERS' : 'MESHGATE' } };
}

/** As `agreed`, yet a wider change may still land: it is looked at once more, and only then forgotten. */
export function agreedForNow(row: DueRow, observed: Record<string, unknown> | null, options: VerdictOptions): Verdict {
  const verdict = agreed(row, observed, options);
  return { ...verdict, keepsUnconfirmed: true, delayMs: Math.min(verdict.delayMs, LATE_MS) };
}

/** Nothing is wrong, but something else must happen first: polled from 0.2 s to 5 s apart, later every half minute. */
export function waiting(row: DueRow, observation: Extract<Observation, { state: 'WAITING' }>): Verdict {
  const lastError = errorAfter(row, {
    code: 'Waiting',
    message: `Waiting for ${observation.waitingFor}.`,
    awsRequestId: null,
    treatment: 'WAITING',
  });
  return { ...unsettled(row, lastError), delayMs: pollDelay(lastError.tries), observed: observation.observed };
}

/** The call succeeded, yet AWS still shows the state before: listings are eventually consistent. */
export function notYetVisible(row: DueRow, options: VerdictOptions): Verdict {
  const lastError = errorAfter(row, {
    code: 'NotYetVisible',
    message: 'AWS accepted the change but does not show it yet.',
    awsRequestId: null,
    treatment: 'WAITING',
  });
  const late = lastError.tries - INVISIBLE_TRIES;
  if (late < 0) return { ...unsettled(row, lastError), delayMs: pollDelay(lastError.tries) };
  const delayMs = POLL_CAP_MS + fullJitter(late, options);
  return { ...(row.revoking ? stuck(row, lastError) : unsettled(row, lastError)), delayMs };
}

/** AWS shows what is wanted, but a call whose effect was never seen may still land, or not be listed yet: looked at once more. */
export function unsure(row: DueRow, delayMs: number): Verdict {
  const lastError = errorAfter(row, {
    code: 'Unconfirmed',
    message: 'AWS agrees; it is looked at once more, as the effect of an earlier call was never seen.',
    awsRequestId: null,
    treatment: 'WAITING',
  });
  return { ...unsettled(row, lastError), attempts: row.attempts, delayMs };
}

/** AWS refuses for good to take away what it has not shown in all these tries: it never was there. */
export function refusedAsAbsent(row: DueRow, error: ProviderError): boolean {
  const definite = error.treatment === 'PERMANENT' || error.treatment === 'PROPAGATION';
  return definite && row.attempts + 1 >= STUCK_TRIES;
}

/** A call failed. Only what gives access may end as FAILED: what takes it away is STUCK, seen, and retried for ever. */
export function failed(row: DueRow, error: ProviderError, options: VerdictOptions): Verdict {
  const lastError = errorAfter(row, error);
  if (error.reissue && row.reissuedAt === null && row.desired === 'PRESENT') {
    return { ...unsettled(row, lastError), reissue: true, delayMs: backoff(1, options) };
  }
  // A drift check that failed says nothing about the resource; that it failed is shown.
  if (row.status === 'READY') {
    return { ...unsettled(row, lastError), status: 'READY', delayMs: backoff(lastError.tries + 1, options) };
  }
  const attempts = row.attempts + 1;
  if (row.revoking) {
    const verdict = attempts >= STUCK_TRIES ? stuck(row, lastError) : unsettled(row, lastError);
    return { ...verdict, delayMs: fullJitter(lastError.tries, options) };
  }
  const final =
    error.treatment === 'PERMANENT' ||
    (error.treatment === 'PROPAGATION' && lastError.tries >= (error.retryAfterMs ? 2 : PROPAGATION_TRIES));
  if (final) return { ...unsettled(row, lastError), status: 'FAILED', event: stuckEvent('FAILED', lastError) };
  const delayMs =
    error.treatment === 'PROPAGATION'
      ? (error.retryAfterMs ?? propagationDelay(lastError.tries, options))
      : fullJitter(lastError.tries, options);
  return { ...unsettled(row, lastError), delayMs };
}

/** An account that could not be opened: all its rows are due again together, by the one that was tried most often. */
export function unopened(rows: DueRow[], error: ProviderError, options: VerdictOptions): LaneVerdict {
  const verdicts = rows.map((row) => failed(row, error, options));
  const delayMs = backoff(Math.max(...verdicts.map(({ lastError }) => lastError?.tries ?? 1)), options);
  return { verdicts: verdicts.map((verdict) => ({ ...verdict, delayMs })), delayMs };
}

/** Not tried in this run, as the process stops: due at once for another. */
export function leftOver(row: DueRow): Verdict {
  const status = row.status === 'STUCK' || row.status === 'READY' ? row.status : 'PENDING';
  return { ...unsettled(row, row.lastError), status, attempts: row.attempts };
}

/** Not tried in this run, as AWS does not answer: due again in a few seconds, its tries not counted. */
export function postponed(row: DueRow, { random }: VerdictOptions): Verdict {
  const unreachable: LastError = {
    code: 'Postponed',
    message: 'AWS did not answer the calls before this one.',
    awsRequestId: null,
    treatment: 'OBSERVE',
    tries: 0,
  };
  const lastError = row.lastError ?? (row.status === 'READY' ? null : unreachable);
  return { ...leftOver(row), lastError, delayMs: POSTPONE_MS * (1 + random()) };
}

/** A row that is tried again, with nothing observed and nothing said: what other verdicts begin with. */
export function unsettled(row: DueRow, lastError: LastError | null): Verdict {
  const status = row.status === 'STUCK' ? 'STUCK' : 'PENDING';
  const calls = { sent: false, agrees: false, takenAway: false, reissue: false };
  return { row, status, attempts: row.attempts + 1, delayMs: 0, lastError, observed: null, event: null, ...calls };
}

function stuck(row: DueRow, lastError: LastError): Verdict {
  const event = row.status === 'STUCK' ? null : stuckEvent('STUCK', lastError);
  return { ...unsettled(row, lastError), status: 'STUCK', event };
}

/** Nobody waits in silence: also what failed for good is told, with its reason. */
function stuckEvent(status: 'FAILED' | 'STUCK', { code, message }: LastError): Verdict['event'] {
  return { type: 'ResourceStuck', data: { status, code, message } };
}

function errorAfter(row: DueRow, { code, message, awsRequestId, treatment }: Omit<LastError, 'tries'>): LastError {
  const tries = row.lastError?.treatment === treatment ? row.lastError.tries + 1 : 1;
  const { drifted, asked } = row.lastError ?? {};
  const kept = { ...(drifted ? { drifted } : {}), ...(asked ? { asked } : {}) };
  return { code, message, awsRequestId, treatment, tries, ...kept };
}

/** Exponential backoff with full jitter (AWS Architecture Blog, Exponential Backoff And Jitter): 1 s doubling up to 5 min. */
function fullJitter(tries: number, { random }: VerdictOptions): number {
  return random() * Math.min(RETRY_CAP_MS, RETRY_BASE_MS * 2 ** Math.min(tries - 1, 20));
}

/** As above, but never at once: where nobody waits for it, or where much hangs on one try. */
function backoff(tries: number, options: VerdictOptions): number {
  return Math.max(RETRY_BASE_MS, fullJitter(tries, options));
}

function propagationDelay(tries: number, { random }: VerdictOptions): number {
  return (0.5 + random() / 2) * Math.min(PROPAGATION_CAP_MS, RETRY_BASE_MS * 2 ** (tries - 1));
}

function pollDelay(tries: number): number {
  return tries > QUICK_POLLS ? SLOW_POLL_MS : Math.min(POLL_CAP_MS, POLL_BASE_MS * 2 ** (tries - 1));
}
