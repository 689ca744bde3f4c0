import {
  alreadyExists,
  type DriftPolicy,
  drifted,
  isAccepted,
  isAnothers,
  landedLate,
  reported,
  staysAnothers,
} from './drift.js';
import type { DueRow } from './due.js';
import { covers } from './merge.js';
import type { Observation, ProviderError } from './provider.js';
import {
  agreed,
  agreedForNow,
  failed,
  LATE_MS,
  leftOver,
  notYetVisible,
  postponed,
  refusedAsAbsent,
  unsure,
  type Verdict,
  type VerdictOptions,
  waiting,
} from './verdict.js';

/** What judging needs to know of a run. */
export interface Judging {
  times: { requestTimeoutMs: number };
  verdicts: VerdictOptions;
  stopping: () => boolean;
}

/** Whether a change out of band may have to be told of, so that its policy counts. */
export function asksForPolicy(row: DueRow, { state }: Observation): boolean {
  return (
    row.desired === 'PRESENT' && state !== 'AGREES' && state !== 'FAILED' && (row.status === 'READY' || !!row.drift)
  );
}

/** The verdict on what was observed first; null where AWS has to be changed. */
export function judge(run: Judging, { row, observation, policy }: Judged): Verdict | null {
  if (observation.state === 'FAILED') return failed(row, observation.error, run.verdicts);
  const agrees = observation.state === (row.desired === 'PRESENT' ? 'AGREES' : 'MISSING');
  if (row.desired === 'PRESENT' && row.reissue) return null;
  if (agrees && row.desired === 'ABSENT' && row.unconfirmedSpec && row.takenAwayForMs === null) return null;
  if (agrees) return confirm(run, row, observation);
  if (observation.state === 'AGREES' || row.desired === 'ABSENT') return null;
  if (isAnothers(row, observation)) return alreadyExists(row, observation);
  if (row.status === 'READY' || row.drift) {
    // What Meshgate itself sent before a narrowing is no drift: it is a revoke that was not done yet.
    if (row.unconfirmedSpec) return landedLate(row, observation);
    const left = !row.lastError?.asked && (policy === 'REPORT' || isAccepted(row, observation));
    return left ? reported(row, observation, run.verdicts) : drifted(row, observation);
  }
  if (observation.state === 'WAITING' && !observation.actionable) return waiting(row, observation);
  return null;
}

interface Judged {
  row: DueRow;
  observation: Observation;
  /** Counts where `asksForPolicy`. */
  policy: DriftPolicy;
}

/** AWS agrees. Where the effect of a call was never seen, that counts only after the call, and what undid it, have surely ended. */
function confirm(run: Judging, row: DueRow, observation: Observation): Verdict {
  const quietForMs = row.desired === 'ABSENT' ? row.takenAwayForMs : row.unconfirmedForMs;
  const doubted = row.unconfirmedSpec && (row.desired === 'ABSENT' || !covers(row.kind, row.spec, row.unconfirmedSpec));
  const remainingMs = run.times.requestTimeoutMs - (quietForMs ?? 0);
  const standing = row.status === 'READY';
  if (doubted && remainingMs > 0 && !standing) return unsure(row, remainingMs);
  const observed = observation.state === 'AGREES' ? observation.observed : {};
  const mayLandLate = doubted && row.desired === 'PRESENT' && (!standing || (quietForMs ?? 0) < LATE_MS);
  return (mayLandLate ? agreedForNow : agreed)(row, observed, run.verdicts);
}

/** The verdict on what was observed right after a change that AWS accepted. */
export function judgeAfter(run: Judging, row: DueRow, observation: Observation): Verdict {
  if (observation.state === 'FAILED') return failed(row, observation.error, run.verdicts);
  if (row.desired === 'PRESENT' && observation.state === 'AGREES') return confirm(run, row, observation);
  // What was taken away a moment ago is looked at again in full, whenever an earlier round was.
  if (row.desired === 'ABSENT' && observation.state === 'MISSING')
    return confirm(run, { ...row, takenAwayForMs: 0 }, observation);
  if (row.desired === 'PRESENT' && observation.state === 'WAITING') return waiting(row, observation);
  return notYetVisible(row, run.verdicts);
}

/** The verdict on a change that AWS refused, or of which nobody knows whether it was done. */
export function refused(run: Judging, { row, observation }: Omit<Judged, 'policy'>, error: ProviderError): Verdict {
  const neverThere = row.desired === 'ABSENT' && observation.state === 'MISSING' && refusedAsAbsent(row, error);
  if (neverThere) return agreed(row, {}, run.verdicts);
  const verdict = failed(row, error, run.verdicts);
  return error.untouched && staysAnothers(row) ? { ...verdict, untouched: true } : verdict;
}

/** The verdict where no call was made, as the process stops or AWS does not answer. */
export function notTried(run: Judging, row: DueRow): Verdict {
  return run.stopping() ? leftOver(row) : postponed(row, run.verdicts);
}

/** As `notTried`, for a row that was marked as in flight: nothing of it was sent. */
export function notSent(run: Judging, row: DueRow): Verdict {
  const verdict = notTried(run, row);
  return staysAnothers(row) ? { ...verdict, untouched: true } : verdict;
}
