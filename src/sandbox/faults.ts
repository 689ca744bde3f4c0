import { setTimeout as delay } from 'node:timers/promises';
import { AwsError, type Table } from './service.js';

const KINDS = [
  'throttle',
  'internal',
  'timeout-applied',
  'timeout-not-applied',
  'partial',
  'concurrent',
  'latency',
  'access-denied',
  'outage',
] as const;

type FaultKind = (typeof KINDS)[number];

/**
 * A fault as asked for: `rate` is a probability per call (per batch entry for `partial`), `count` the most times it fires.
 * An `outage` resets the connection at once, as an endpoint does that is down.
 */
interface Fault {
  service: string;
  operation: string;
  /** The calling account; absent: every one. */
  account?: string;
  kind: FaultKind;
  rate: number;
  /** Extra delay of `latency`; for the timeouts, how long the connection hangs before it is cut. */
  latencyMs: number;
  seed: number;
  count?: number;
  /** Of `partial`: the code that its entries fail with; absent: that of an internal error, which passes. */
  errorCode?: string;
}

/** A fault in force: how often it was drawn and fired, which with the seed fixes what comes next. */
export interface ActiveFault extends Fault {
  draws: number;
  fired: number;
}

/** How an entry of a batch fails. */
export interface EntryFailure {
  errorCode?: string | undefined;
}

/** What the faults say about one call. */
export interface Verdict {
  delayMs: number;
  error?: AwsError;
  cut?: { applied: boolean; afterMs: number };
  /** Asked for one entry of a batch after the other: does it fail, and with which code where one was asked for? */
  failsEntry?: () => EntryFailure | undefined;
}

/** What faults go by: names as on the wire; the account is empty where it is not known. */
export interface FaultScope {
  service: string;
  operation: string;
  account: string;
}

/** Faults by service and operation; they are kept in a durable table until they are cleared. */
export class Faults {
  constructor(private readonly table: Table<ActiveFault>) {}

  list(): ActiveFault[] {
    return [...this.table.values()];
  }

  /** Adds faults to those in force; a text result names the first that is not one. */
  add(given: unknown): ActiveFault[] | string {
    if (!Array.isArray(given)) return 'a list of faults is expected';
    const faults: ActiveFault[] = [];
    for (const [index, one] of given.entries()) {
      const fault = faultOf(one);
      if (typeof fault === 'string') return `faults[${index}]: ${fault}`;
      faults.push({ ...fault, draws: 0, fired: 0 });
    }
    const next = Math.max(0, ...[...this.table.entries()].map(([key]) => Number(key))) + 1;
    faults.forEach((fault, index) => void this.table.put(String(next + index), fault));
    return this.list();
  }

  clear(): void {
    for (const [key] of [...this.table.entries()]) this.table.delete(key);
  }

  /** Draws every fault that covers the call; delays add up, and the first error or cut wins. */
  judge(call: FaultScope): Verdict {
    const verdict: Verdict = { delayMs: 0 };
    const partial: { key: string; errorCode: string | undefined }[] = [];
    for (const [key, fault] of [...this.table.entries()]) {
      if (!covers(fault, call)) continue;
      if (fault.kind === 'partial') partial.push({ key, errorCode: fault.errorCode });
      else if (!verdict.error && !verdict.cut && this.fires(key)) {
        apply(verdict, { kind: fault.kind, latencyMs: fault.latencyMs, service: call.service });
      }
    }
    // Every one draws for every entry, so that one does not shift the sequence of another.
    if (partial.length > 0) verdict.failsEntry = () => partial.filter(({ key }) => this.fires(key))[0];
    return verdict;
  }

  private fires(key: string): boolean {
    const fault = this.table.get(key);
    if (!fault || fault.fired >= (fault.count ?? Number.POSITIVE_INFINITY)) return false;
    const fires = draw(fault.seed, fault.draws) < fault.rate;
    this.table.put(key, { ...fault, draws: fault.draws + 1, fired: fault.fired + (fires ? 1 : 0) });
    return fires;
  }
}

/**
 * Carries out what a verdict says of delay and connection around `act`, which does the call and answers it. Undefined where
 * the connection is to be cut, of which `onCut` hears before the connection hangs; `act` is run before that only where the
 * cut lets the call be applied.
 */
export async function underVerdict<Answer>(
  verdict: Verdict,
  { act, onCut }: { act: () => Promise<Answer>; onCut: () => void },
): Promise<Answer | undefined> {
  const { delayMs, cut } = verdict;
  if (delayMs > 0) await delay(delayMs, undefined, { ref: false });
  const answer = cut && !cut.applied ? undefined : await act();
  if (!cut) return answer;
  onCut();
  if (cut.afterMs > 0) await delay(cut.afterMs, undefined, { ref: false });
  return undefined;
}

function apply(
  verdict: Verdict,
  fault: { kind: Exclude<FaultKind, 'partial'>; latencyMs: number; service: string },
): void {
  if (fault.kind === 'latency') verdict.delayMs += fault.latencyMs;
  else if (fault.kind === 'outage') verdict.cut = { applied: false, afterMs: 0 };
  else if (fault.kind === 'timeout-applied' || fault.kind === 'timeout-not-applied') {
    verdict.cut = { applied: fault.kind === 'timeout-applied', afterMs: fault.latencyMs };
  } else verdict.error = errorOf(fault.kind, fault.service);
}

function faultOf(given: unknown): Fault | string {
  if (typeof given !== 'object' || given === null) return 'an object is expected';
  const { service = '*', operation = '*', account, kind, latencyMs, seed, count, errorCode } = given as Partial<Fault>;
  const rate = (given as Partial<Fault>).rate ?? (kind === 'partial' ? 0.5 : 1);
  if (!KINDS.includes(kind as FaultKind)) return `kind must be one of ${KINDS.join(', ')}`;
  if (typeof service !== 'string' || typeof operation !== 'string') return 'service and operation must be strings';
  if (account !== undefined && !/^\d{12}$/.test(String(account))) return 'account must be a 12-digit account id';
  if (typeof rate !== 'number' || !(rate >= 0 && rate <= 1)) return 'rate must be a number from 0 to 1';
  if (latencyMs !== undefined && !(typeof latencyMs === 'number' && latencyMs >= 0))
    return 'latencyMs must not be negative';
  if (seed !== undefined && typeof seed !== 'number') return 'seed must be a number';
  if (count !== undefined && !(Number.isInteger(count) && count >= 0)) return 'count must be a whole number';
  if (errorCode !== undefined && !(kind === 'partial' && /^[A-Za-z.]{1,100}$/.test(String(errorCode))))
    return 'errorCode is the code that entries of a partial fault fail with, such as MalformedDetail';
  return {
    service: service === 'eventbridge' ? 'events' : service,
    operation,
    ...(account !== undefined && { account: String(account) }),
    kind: kind as FaultKind,
    rate,
    latencyMs: latencyMs ?? (kind === 'latency' ? 500 : 0),
    seed: seed ?? Math.floor(Math.random() * 2 ** 31),
    ...(count !== undefined && { count }),
    ...(errorCode !== undefined && { errorCode: String(errorCode) }),
  };
}

function covers(fault: Fault, { service, operation, account }: FaultScope): boolean {
  const names = (pattern: string, name: string): boolean =>
    pattern === '*' || pattern.toLowerCase() === name.toLowerCase();
  if (fault.account !== undefined && fault.account !== account) return false;
  return names(fault.service, service) && names(fault.operation, operation);
}

/** The n-th number of the sequence of a seed, in [0, 1): mulberry32, which needs no state but the position. */
function draw(seed: number, n: number): number {
  const a = (seed + (n + 1) * 0x6d2b79f5) | 0;
  let t = Math.imul(a ^ (a >>> 15), 1 | a);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}

type ErrorKind = 'throttle' | 'internal' | 'concurrent' | 'access-denied';

/** How each service words it; where a service is not named, as most do (each service's API reference, "Common errors"). */
const WORDING: Record<ErrorKind, Record<string, [code: string, status: number]>> = {
  throttle: {
    '*': ['ThrottlingException', 400],
    ram: ['ThrottlingException', 429],
    sts: ['Throttling', 400],
    sqs: ['RequestThrottled', 400],
  },
  internal: {
    '*': ['InternalServiceException', 500],
    events: ['InternalException', 500],
    ram: ['ServerInternalException', 500],
    sqs: ['InternalError', 500],
    sts: ['InternalFailure', 500],
  },
  concurrent: { '*': ['ConcurrentModificationException', 400] },
  'access-denied': {
    '*': ['AccessDeniedException', 400],
    lakeformation: ['AccessDeniedException', 403],
    ram: ['AccessDeniedException', 403],
    sqs: ['AccessDenied', 403],
    sts: ['AccessDenied', 403],
  },
};

const MESSAGES: Record<ErrorKind, string> = {
  throttle: 'Rate exceeded',
  internal: 'An internal error occurred',
  concurrent: 'Concurrent modification of the resource',
  'access-denied': 'User is not authorized to perform this action',
};

function errorOf(kind: ErrorKind, service: string): AwsError {
  const [code, status] = WORDING[kind][service] ?? WORDING[kind]['*']!;
  return new AwsError(code, MESSAGES[kind], status);
}
