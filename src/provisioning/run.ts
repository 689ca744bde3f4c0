import { setTimeout as sleep } from 'node:timers/promises';
import { isNothingOfOurs, isOver } from './drift.js';
import { type DueRow, dueRows } from './due.js';
import { isPassDue, passOverGrants } from './grants-pass.js';
import { chunksOf, groupBy } from './group.js';
import { asksForPolicy, judge, judgeAfter, notSent, notTried, refused } from './judge.js';
import { type Kind, REMOVED_WITHOUT_CALL } from './kinds.js';
import { ensureLease, FenceLost, type Lease } from './lane.js';
import type { Provider } from './provider.js';
import { endBackoff, markInFlight, observeAgain, postponeLane, record } from './record.js';
import { isSilent, observe, type Pending, type Run, type RunContext, type Seen, send } from './run-calls.js';
import { agreed, unopened, type Verdict } from './verdict.js';

/** Rows observed and recorded together. */
const CHUNK = 500;
/** Between tries to tell what was in flight. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2_000;

/** Works on a lane until nothing is due, or until the process stops. Throws FenceLost where another worker took it. */
export async function runLane<Session>(context: RunContext<Session>, lease: Lease): Promise<void> {
  let rows = await dueRows(context.db, lease, CHUNK);
  if (rows.length === 0) return;
  const run = await open(context, lease, rows);
  if (!run) return;
  try {
    while (rows.length > 0 && !context.stopping() && !isSilent(run)) {
      const { failures, successes } = run;
      await workOff(run, rows);
      rows = await dueRows(context.db, lease, CHUNK);
      // Of the latest rows alone: an outage that ends in the middle of a run has ended.
      const calm = rows.length === 0 && run.failures === failures && run.successes > successes;
      if (calm && (await endBackoff(context.db, lease)) > 0) rows = await dueRows(context.db, lease, CHUNK);
    }
  } catch (error) {
    if (error instanceof FenceLost) await tellInFlight(run);
    throw error;
  }
}

/**
 * What was in flight under a fence that is lost nobody else knows of, so it is told however long the database is away: a worker that
 * was stopped and wakes may well find its connections cut. The lane is another's meanwhile; a process that stops tries once.
 */
async function tellInFlight<Session>({ db, inFlight, log, stopping }: Run<Session>): Promise<void> {
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
    try {
      return await observeAgain(db, inFlight);
    } catch (error) {
      if (stopping()) throw error;
      log.warn({ err: error, resources: inFlight.map(({ id }) => id) }, 'what was in flight cannot be told yet');
      await sleep(pauseMs);
    }
  }
}

/** Rows come revokes first; what was read together is of one pass, so every group of it may be worked on. */
async function workOff<Session>(run: Run<Session>, rows: DueRow[]): Promise<void> {
  const passes = isPassDue(run, rows);
  const standing = (row: DueRow) => passes && row.kind === 'LfGrant' && row.status === 'READY';
  const groups = groupBy(
    rows.filter((row) => !standing(row)),
    (row) => row.kind,
  );
  for (const [kind, group] of groups) await reconcileGroup(run, kind, group);
  if (!passes) return;
  const { verdicts, suspects } = await passOverGrants(run, rows.filter(standing));
  for (const some of chunksOf(verdicts, CHUNK)) await keep(run, some);
  for (const some of chunksOf(suspects, CHUNK)) await reconcileGroup(run, 'LfGrant', some);
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
    context.recorded(await write(context, lease, verdicts));
    await postponeLane(context.db, lease, delayMs);
    return null;
  }
}

/** Observes rows of one kind, changes what does not agree, and records every row. */
async function reconcileGroup<Session>(run: Run<Session>, kind: Kind, rows: DueRow[]): Promise<void> {
  const provider = run.aws.providers[kind] as unknown as Provider<Session>;
  const verdicts: Verdict[] = [];
  const changes: Pending[] = [];
  const looked: DueRow[] = [];
  for (const row of rows) {
    const withoutCall = row.desired === 'ABSENT' && REMOVED_WITHOUT_CALL.has(kind);
    if (isOver(row)) verdicts.push(agreed(row, null, run.verdicts));
    else if (withoutCall || isNothingOfOurs(row)) verdicts.push(agreed(row, {}, run.verdicts));
    else looked.push(row);
  }
  const seen = await observe(run, provider, looked);
  const policies = await policiesFor(run, seen);
  for (const { row, observation } of seen) {
    const policy = policies.get(row.id) ?? 'REPAIR';
    const verdict = observation ? judge(run, { row, observation, policy }) : notTried(run, row);
    if (verdict) verdicts.push(verdict);
    else if (observation) changes.push({ row, observation });
  }
  if (changes.length > 0) verdicts.push(...(await change(run, provider, changes)));
  await keep(run, verdicts);
}

function write<Session>(context: RunContext<Session>, lease: Lease, verdicts: Verdict[]): ReturnType<typeof record> {
  const { db, aboutResource, keepStanding, verdicts: options } = context;
  return record(db, lease, { verdicts, aboutResource, keepStanding, driftPeriodMs: options.driftPeriodMs });
}

/** Records verdicts and says so in the log; what an operator has to know of as a warning. */
async function keep<Session>(run: Run<Session>, verdicts: Verdict[]): Promise<void> {
  const recorded = await write(run, run.lease, verdicts);
  run.inFlight = [];
  for (const { row, status, lastError, event } of verdicts) {
    const { id, kind, key, correlationId } = row;
    const level = event && event.type !== 'ResourceRepaired' ? 'warn' : status === row.status ? 'debug' : 'info';
    const said = { event: event?.type, error: lastError?.code };
    run.log[level]({ resource: id, kind, key, correlationId, status, ...said }, 'resource reconciled');
  }
  run.recorded(recorded);
}

/**
 * What is to be done about those that were changed out of band; nothing is asked where none was. More than was granted is what others
 * granted: it is taken away also where only the policy about that says so.
 */
async function policiesFor<Session>(run: Run<Session>, seen: Seen[]): ReturnType<Run<Session>['driftPolicies']> {
  const asking = seen.flatMap(({ row, observation }) =>
    observation && asksForPolicy(row, observation) ? [row.id] : [],
  );
  if (asking.length === 0) return new Map();
  const policies = await run.driftPolicies(asking);
  const wider = seen.flatMap(({ row, observation }) =>
    observation?.state === 'DIFFERS' && observation.excess && policies.get(row.id) === 'REPORT' ? [row.id] : [],
  );
  if (wider.length === 0) return policies;
  const revoked = [...(await run.foreign.policies(wider))].filter(([, policy]) => policy === 'REVOKE');
  return new Map([...policies, ...revoked.map(([id]) => [id, 'REPAIR'] as const)]);
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
    for (const batch of chunksOf(ready, provider.batchSize)) {
      const outcomes = await send(run, provider, { removing: step !== 'APPLY', batch });
      batch.forEach((each, index) => {
        const { row } = each;
        const outcome = outcomes?.[index];
        if (!outcome) verdicts.push(notSent(run, row));
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
