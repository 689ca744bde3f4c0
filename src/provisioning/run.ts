import type { Logger } from 'pino';
import type { PrismaClient } from '../generated/prisma/client.js';
import { type DueRow, dueRows } from './due.js';
import { groupBy } from './group.js';
import { type Kind, REMOVED_WITHOUT_CALL } from './kinds.js';
import { ensureLease, FenceLost, type Lease, type LeaseTimes } from './lane.js';
import { covers } from './merge.js';
import type { Aws, Item, Observation, OpenLane, Outcome, Provider, ProviderError } from './provider.js';
import {
  type AboutResource,
  endBackoff,
  markInFlight,
  observeAgain,
  postponeLane,
  type Recorded,
  record,
  sentSince,
} from './record.js';
import {
  agreed,
  drifted,
  failed,
  leftOver,
  notYetVisible,
  postponed,
  refusedAsAbsent,
  unopened,
  unsure,
  type Verdict,
  type VerdictOptions,
  waiting,
} from './verdict.js';

/** Everything that a lane run needs; the same for every lane. */
export interface RunContext<Session> {
  db: PrismaClient;
  aws: Aws<Session>;
  /** The role registered for an account; null for the governance account. */
  roleOf: (account: string) => Promise<OpenLane['role']>;
  aboutResource: AboutResource;
  times: LeaseTimes;
  verdicts: VerdictOptions;
  log: Logger;
  /** True once the process is to stop: no further batch is sent. */
  stopping: () => boolean;
  /** Called after each record is committed. */
  recorded: (recorded: Recorded) => void;
}

/** One run on one lane, under one lease. */
interface Run<Session> extends RunContext<Session> {
  /** What the calls at hand are for. */
  calling: { correlationIds: string[] };
  lease: Lease;
  session: Session;
  /** Rows marked and not yet recorded. */
  inFlight: DueRow[];
  /** Calls in a row of which nothing came but retryable failures, by kind: one service may be down alone. */
  failuresInARow: Map<Kind, number>;
  /** Calls with retryable failures, and calls of which something came. */
  failures: number;
  successes: number;
}

/** Rows observed and recorded together. */
const CHUNK = 500;
/** After so many failed calls in a row AWS counts as not answering: the rest waits for a later run. */
const OUTAGE = 3;
/** Rows of a kind observed before a run has seen AWS answer for it: hundreds of reads would each wait for their timeout. */
const PROBE = 20;

/** Works on a lane until nothing is due, or until the process stops. Throws FenceLost where another worker took it. */
export async function runLane<Session>(context: RunContext<Session>, lease: Lease): Promise<void> {
  let rows = await dueRows(context.db, lease, CHUNK);
  if (rows.length === 0) return;
  const run = await open(context, lease, rows);
  if (!run) return;
  try {
    while (rows.length > 0 && !context.stopping() && !isSilent(run)) {
      // Rows come revokes first; what was read together is of one pass, so every group of it may be worked on.
      for (const [kind, group] of groupBy(rows, (row) => row.kind)) await reconcileGroup(run, kind, group);
      rows = await dueRows(context.db, lease, CHUNK);
      const calm = rows.length === 0 && run.failures === 0 && run.successes > 0;
      if (calm && (await endBackoff(context.db, lease)) > 0) rows = await dueRows(context.db, lease, CHUNK);
    }
  } catch (error) {
    if (error instanceof FenceLost) await observeAgain(context.db, run.inFlight);
    throw error;
  }
}

/** Opens the clients of the lane's account. A failure counts for every row that is due. */
async function open<Session>(context: RunContext<Session>, lease: Lease, rows: DueRow[]): Promise<Run<Session> | null> {
  // Our own database: what it fails with says nothing about the account.
  const role = await context.roleOf(lease.account);
  const log = context.log.child({ lane: `${lease.account}/${lease.region}`, runId: lease.holder });
  const calling = { correlationIds: [] as string[] };
  const counters = { inFlight: [], failuresInARow: new Map<Kind, number>(), failures: 0, successes: 0 };
  try {
    const session = await context.aws.open({
      account: lease.account,
      region: lease.region,
      role,
      sessionName: lease.holder,
      beforeCall: () => ensureLease(context.db, lease, context.times),
      correlationIds: () => calling.correlationIds,
    });
    return { ...context, ...counters, log, lease, session, calling };
  } catch (error) {
    if (lease.lost || error instanceof FenceLost) throw new FenceLost(lease);
    const classified = context.aws.classify(error);
    log.warn({ err: error, treatment: classified.treatment }, 'account could not be opened');
    const { verdicts, delayMs } = unopened(rows, classified, context.verdicts);
    context.recorded(await record(context.db, lease, { verdicts, aboutResource: context.aboutResource }));
    await postponeLane(context.db, lease, delayMs);
    return null;
  }
}

/** Observes rows of one kind, changes what does not agree, and records every row. */
async function reconcileGroup<Session>(run: Run<Session>, kind: Kind, rows: DueRow[]): Promise<void> {
  const provider = run.aws.providers[kind] as unknown as Provider<Session>;
  const verdicts: Verdict[] = [];
  const changes: Pending[] = [];
  const uncalled = rows.filter((row) => row.desired === 'ABSENT' && REMOVED_WITHOUT_CALL.has(kind));
  for (const row of uncalled) verdicts.push(agreed(row, {}, run.verdicts));
  const looked = rows.filter((row) => !uncalled.includes(row));
  for (const { row, observation } of await observe(run, provider, looked)) {
    const verdict = observation ? judge(run, row, observation) : notTried(run, row);
    if (verdict) verdicts.push(verdict);
    else if (observation) changes.push({ row, observation });
  }
  if (changes.length > 0) verdicts.push(...(await change(run, provider, changes)));
  const recorded = await record(run.db, run.lease, { verdicts, aboutResource: run.aboutResource });
  run.inFlight = [];
  for (const { row, status, lastError } of verdicts) {
    const { id, key, correlationId } = row;
    const level = status === row.status ? 'debug' : 'info';
    run.log[level]({ resource: id, kind, key, correlationId, status, error: lastError?.code }, 'resource reconciled');
  }
  run.recorded(recorded);
}

/** The verdict on what was observed first; null where AWS has to be changed. */
function judge<Session>(run: Run<Session>, row: DueRow, observation: Observation): Verdict | null {
  if (observation.state === 'FAILED') return failed(row, observation.error, run.verdicts);
  const agrees = observation.state === (row.desired === 'PRESENT' ? 'AGREES' : 'MISSING');
  if (row.desired === 'PRESENT' && row.reissue) return null;
  if (agrees && row.desired === 'ABSENT' && row.unconfirmedSpec && row.takenAwayForMs === null) return null;
  if (agrees) return confirm(run, row, observation);
  if (observation.state === 'AGREES') return null;
  if (row.status === 'READY') return drifted(row, observation);
  if (row.desired === 'PRESENT' && observation.state === 'WAITING' && !observation.actionable)
    return waiting(row, observation);
  return null;
}

/** AWS agrees. Where the effect of a call was never seen, that counts only after the call, and what undid it, have surely ended. */
function confirm<Session>(run: Run<Session>, row: DueRow, observation: Observation): Verdict {
  const quietForMs = row.desired === 'ABSENT' ? row.takenAwayForMs : row.unconfirmedForMs;
  const doubted = row.unconfirmedSpec && (row.desired === 'ABSENT' || !covers(row.kind, row.spec, row.unconfirmedSpec));
  const remainingMs = run.times.requestTimeoutMs - (quietForMs ?? 0);
  if (doubted && remainingMs > 0) return unsure(row, remainingMs);
  return agreed(row, observation.state === 'AGREES' ? observation.observed : {}, run.verdicts);
}

interface Pending {
  row: DueRow;
  observation: Observation;
}

/** Marks, removes and applies in batches, and observes what went well once more: READY means that AWS was seen to agree. */
async function change<Session>(run: Run<Session>, provider: Provider<Session>, pending: Pending[]): Promise<Verdict[]> {
  const marked = new Set(
    await markInFlight(
      run.db,
      run.lease,
      pending.map(({ row }) => row),
    ),
  );
  run.inFlight = [...marked];
  const verdicts: Verdict[] = [];
  const succeeded: DueRow[] = [];
  const todo = pending.filter(({ row }) => marked.has(row));
  const reissued = new Set<DueRow>();
  // Removals first: an access that ends never waits for one that begins.
  for (const step of ['REMOVE', 'REISSUE', 'APPLY'] as const) {
    const ready = todo.flatMap(({ row, observation }): Pending[] => {
      if (stepOf(row) === step) return [{ row, observation }];
      return step === 'APPLY' && reissued.has(row) ? [{ row, observation: { state: 'MISSING' } }] : [];
    });
    for (let start = 0; start < ready.length; start += provider.batchSize) {
      const batch = ready.slice(start, start + provider.batchSize);
      const outcomes = await send(run, provider, { removing: step !== 'APPLY', batch });
      batch.forEach((each, index) => {
        const { row } = each;
        const outcome = outcomes?.[index];
        if (!outcome) verdicts.push(notTried(run, row));
        else if (!outcome.ok) verdicts.push(refused(run, each, outcome.error));
        else if (step === 'REISSUE') reissued.add(row);
        else succeeded.push(row);
      });
    }
  }
  for (const { row, observation } of await observe(run, provider, succeeded)) {
    const verdict = observation ? judgeAfter(run, row, observation) : notTried(run, row);
    verdicts.push({ ...verdict, sent: observation !== null, takenAway: row.desired === 'ABSENT' });
  }
  return verdicts;
}

/** Where a row begins: what is to be given anew is taken away before. */
function stepOf({ desired, reissue }: DueRow): 'REMOVE' | 'REISSUE' | 'APPLY' {
  if (desired === 'ABSENT') return 'REMOVE';
  return reissue ? 'REISSUE' : 'APPLY';
}

function refused<Session>(run: Run<Session>, { row, observation }: Pending, error: ProviderError): Verdict {
  const neverThere = row.desired === 'ABSENT' && observation.state === 'MISSING' && refusedAsAbsent(row, error);
  return neverThere ? agreed(row, {}, run.verdicts) : failed(row, error, run.verdicts);
}

function judgeAfter<Session>(run: Run<Session>, row: DueRow, observation: Observation): Verdict {
  if (observation.state === 'FAILED') return failed(row, observation.error, run.verdicts);
  if (row.desired === 'PRESENT' && observation.state === 'AGREES') return confirm(run, row, observation);
  // What was taken away a moment ago is looked at again in full, whenever an earlier round was.
  if (row.desired === 'ABSENT' && observation.state === 'MISSING')
    return confirm(run, { ...row, takenAwayForMs: 0 }, observation);
  if (row.desired === 'PRESENT' && observation.state === 'WAITING') return waiting(row, observation);
  return notYetVisible(row, run.verdicts);
}

function notTried<Session>(run: Run<Session>, row: DueRow): Verdict {
  return run.stopping() ? leftOver(row) : postponed(row, run.verdicts);
}

interface Batch {
  removing: boolean;
  batch: Pending[];
}

/** One call; null where it was not made, as the process stops or AWS does not answer. */
async function send<Session>(
  run: Run<Session>,
  provider: Provider<Session>,
  { removing, batch }: Batch,
): Promise<Outcome[] | null> {
  if (run.stopping() || isSilent(run, provider.kind)) return null;
  const items = batch.map(({ row }) => itemOf(row));
  const resources = batch.map(({ row }) => row.id);
  const correlationIds = callFor(
    run,
    batch.map(({ row }) => row),
  );
  run.log.info({ kind: provider.kind, resources, correlationIds }, removing ? 'removing' : 'applying');
  const answer = await attempt(run, () =>
    removing
      ? provider.remove(run.session, items)
      : provider.apply(
          run.session,
          batch.flatMap(({ observation }, index) =>
            observation.state === 'AGREES' || observation.state === 'FAILED'
              ? []
              : [{ item: items[index]!, observation }],
          ),
        ),
  );
  const outcomes = answer.ok ? answer.value : batch.map((): Outcome => ({ ok: false, error: answer.error }));
  const errors = outcomes.map((outcome) => (outcome.ok ? null : outcome.error));
  tally(run, { kind: provider.kind, errors });
  return outcomes;
}

/** A row with what was seen of it; null where AWS was not asked, as it does not answer. */
interface Seen {
  row: DueRow;
  observation: Observation | null;
}

/** Says what the next calls are for: the same ids stand in the log of the requests and of the calls. */
function callFor<Session>({ calling }: Run<Session>, rows: DueRow[]): string[] {
  calling.correlationIds = [...new Set(rows.map(({ correlationId }) => correlationId))].slice(0, 100);
  return calling.correlationIds;
}

async function observe<Session>(run: Run<Session>, provider: Provider<Session>, rows: DueRow[]): Promise<Seen[]> {
  callFor(run, rows);
  const answered = run.failuresInARow.get(provider.kind) === 0;
  const probe = answered ? rows : rows.slice(0, PROBE);
  const seen = await observeAll(run, provider, probe);
  const rest = rows.slice(probe.length);
  const silent = seen.every(({ observation: o }) => o?.state === 'FAILED' && o.error.treatment === 'OBSERVE');
  if (rest.length === 0) return seen;
  if (!silent) return [...seen, ...(await observeAll(run, provider, rest))];
  run.failuresInARow.set(provider.kind, OUTAGE);
  return [...seen, ...rest.map((row) => ({ row, observation: null }))];
}

/** A call that failed as a whole is a FAILED observation of each. */
async function observeAll<Session>(run: Run<Session>, provider: Provider<Session>, rows: DueRow[]): Promise<Seen[]> {
  if (rows.length === 0) return [];
  if (isSilent(run, provider.kind)) return rows.map((row) => ({ row, observation: null }));
  const answer = await attempt(run, () => provider.observe(run.session, rows.map(itemOf)));
  const seen = rows.map((row, index) => {
    const observation = answer.ok ? answer.value[index] : ({ state: 'FAILED', error: answer.error } as const);
    if (!observation)
      throw new Error(`The ${provider.kind} provider answered for fewer items than it was asked about.`);
    return { row, observation };
  });
  const errors = seen.map(({ observation }) => (observation.state === 'FAILED' ? observation.error : null));
  tally(run, { kind: provider.kind, errors });
  return seen;
}

/** Whether AWS counts as not answering: for this kind of call, or at all, as two kinds are silent and nothing came of any call. */
function isSilent<Session>({ failuresInARow, successes }: Run<Session>, kind?: Kind): boolean {
  const silent = [...failuresInARow].filter(([, failures]) => failures >= OUTAGE).map(([each]) => each);
  return (successes === 0 && silent.length > 1) || (kind !== undefined && silent.includes(kind));
}

/** Counts one call by the errors of its items; null: no error. */
function tally<Session>(run: Run<Session>, { kind, errors }: { kind: Kind; errors: (ProviderError | null)[] }): void {
  const retryable = errors.filter((error) => error?.treatment === 'RETRY' || error?.treatment === 'OBSERVE').length;
  if (retryable > 0) run.failures += 1;
  if (retryable > 0 && retryable === errors.length) {
    run.failuresInARow.set(kind, (run.failuresInARow.get(kind) ?? 0) + 1);
    return;
  }
  run.failuresInARow.set(kind, 0);
  run.successes += 1;
}

type Attempt<T> = { ok: true; value: T } | { ok: false; error: ProviderError };

/** Calls a provider. Whatever it answers counts for nothing once the fence is lost, also where the provider swallowed that error. */
async function attempt<Session, T>(run: Run<Session>, call: () => Promise<T>): Promise<Attempt<T>> {
  try {
    const value = await call();
    if (run.lease.lost) throw new FenceLost(run.lease);
    return { ok: true, value };
  } catch (thrown) {
    if (run.lease.lost || thrown instanceof FenceLost) throw new FenceLost(run.lease);
    const error = run.aws.classify(thrown);
    run.log.warn({ err: thrown, treatment: error.treatment }, 'AWS call failed');
    return { ok: false, error };
  }
}

function itemOf(row: DueRow): Item {
  const { id, key, spec } = row;
  if (row.desired === 'PRESENT' || row.unconfirmedSpec === null) return { id, key, spec };
  return { id, key, spec: sentSince(row), unconfirmed: true };
}
