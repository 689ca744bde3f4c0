import type { Logger } from 'pino';
import type { PrismaClient } from '../generated/prisma/client.js';
import type { DriftPolicy } from './drift.js';
import type { DueRow } from './due.js';
import type { ForeignPolicies } from './foreign-grants.js';
import type { Kind } from './kinds.js';
import { FenceLost, type Lease, type LeaseTimes } from './lane.js';
import type { Aws, Item, Observation, OpenLane, Outcome, Provider, ProviderError } from './provider.js';
import { type KeepStanding, type Recorded, sentSince } from './record.js';
import type { AboutResource } from './resource-event.js';
import type { VerdictOptions } from './verdict.js';

/**
 * The calls of a lane run: each is counted, so that a service that does not answer is left alone for the rest of the run, and nothing
 * counts that was answered after the fence was lost.
 */

/** Everything that a lane run needs; the same for every lane. */
export interface RunContext<Session> {
  db: PrismaClient;
  aws: Aws<Session>;
  /** The role registered for an account; null for the governance account. */
  roleOf: (account: string) => Promise<OpenLane['role']>;
  aboutResource: AboutResource;
  /** Told of resources that AWS agrees with, in the transaction that records it. */
  keepStanding: KeepStanding;
  /** What is done about resources that were changed out of band, by id. */
  driftPolicies: (ids: string[]) => Promise<Map<string, DriftPolicy>>;
  /** Whom grants that no claim explains concern. */
  foreign: ForeignPolicies;
  times: LeaseTimes;
  verdicts: VerdictOptions;
  log: Logger;
  /** True once the process is to stop: no further batch is sent. */
  stopping: () => boolean;
  /** Called after each record is committed. */
  recorded: (recorded: Recorded) => void;
}

/** One run on one lane, under one lease. */
export interface Run<Session> extends RunContext<Session> {
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

/** After so many failed calls in a row AWS counts as not answering: the rest waits for a later run. */
const OUTAGE = 3;
/** Rows of a kind observed before a run has seen AWS answer for it: hundreds of reads would each wait for their timeout. */
const PROBE = 20;

/** A row with what was observed of it, about to be changed. */
export interface Pending {
  row: DueRow;
  observation: Observation;
}

interface Batch {
  removing: boolean;
  batch: Pending[];
}

/** One call; null where it was not made, as the process stops or AWS does not answer. */
export async function send<Session>(
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
export interface Seen {
  row: DueRow;
  observation: Observation | null;
}

/** Says what the next calls are for: the same ids stand in the log of the requests and of the calls. */
function callFor<Session>({ calling }: Run<Session>, rows: DueRow[]): string[] {
  calling.correlationIds = [...new Set(rows.map(({ correlationId }) => correlationId))].slice(0, 100);
  return calling.correlationIds;
}

export async function observe<Session>(
  run: Run<Session>,
  provider: Provider<Session>,
  rows: DueRow[],
): Promise<Seen[]> {
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
export function isSilent<Session>({ failuresInARow, successes }: Run<Session>, kind?: Kind): boolean {
  const silent = [...failuresInARow].filter(([, failures]) => failures >= OUTAGE).map(([each]) => each);
  return (successes === 0 && silent.length > 1) || (kind !== undefined && silent.includes(kind));
}

/** Counts one call by the errors of its items; null: no error. */
export function tally<Session>(
  run: Run<Session>,
  { kind, errors }: { kind: Kind; errors: (ProviderError | null)[] },
): void {
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
export async function attempt<Session, T>(run: Run<Session>, call: () => Promise<T>): Promise<Attempt<T>> {
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
