import { Prisma } from '../generated/prisma/client.js';
import type { DueRow } from './due.js';
import type { Kind } from './kinds.js';
import { specText } from './merge.js';
import type { Observation } from './provider.js';
import { unsettled, type Verdict, type VerdictOptions } from './verdict.js';

/** What is done about an object that was changed or removed out of band: put right at once, or told and left for somebody to decide. */
export type DriftPolicy = 'REPAIR' | 'REPORT';

/** A change out of band that is told and not repaired. While a row has one, its differences are left alone. */
export interface Drift {
  /** In which points AWS differs from the spec, in words. */
  differences: string[];
  /** What AWS showed; null: the object is missing. */
  observed: Record<string, unknown> | null;
  /** ISO 8601. */
  foundAt: string;
  /** Who accepted this very difference, when (ISO 8601) and why; null: nobody. */
  acknowledgedBy: string | null;
  acknowledgedAt: string | null;
  reason: string | null;
}

/** An observation of something that is not as it should be. */
type Differing = Exclude<Observation, { state: 'AGREES' | 'FAILED' }>;

/**
 * Kinds of which the whole object is ours, and of which one name has room for one object. Where another's object stands under the
 * name, it is not changed; what is united with others' entries (grants, tag values, policy statements, settings) is.
 */
const WHOLLY_OURS: ReadonlySet<Kind> = new Set([
  'GlueDatabase',
  'GlueTable',
  'TableLink',
  'DatabaseLink',
  'DataLocation',
  'DataFilter',
  'CrawlerRun',
  'SchemaRegistration',
  'QualityRuleset',
  'EventRule',
  'Queue',
]);

/** Whether an object stands in this one's place that Meshgate neither made nor ever saw as it must be. */
export function isAnothers(row: DueRow, { state }: Observation): boolean {
  return row.desired === 'PRESENT' && state === 'DIFFERS' && !row.ours && WHOLLY_OURS.has(row.kind);
}

/** Whether what is to be removed was never ours: then whatever stands under the name stays. */
export function isNothingOfOurs(row: DueRow): boolean {
  return row.desired === 'ABSENT' && !row.ours && WHOLLY_OURS.has(row.kind);
}

/** Whether it is a run that has succeeded: what its crawler does afterwards is no change of it. */
export function isOver(row: DueRow): boolean {
  return row.desired === 'PRESENT' && row.kind === 'CrawlerRun' && row.status === 'READY';
}

/** Whether an object is as little ours after a try as before it, in which nothing was made. */
export function staysAnothers(row: DueRow): boolean {
  return row.desired === 'PRESENT' && !row.ours && WHOLLY_OURS.has(row.kind);
}

/** The name is taken by another's object with other content: nothing is changed. */
export function alreadyExists(row: DueRow, observation: Differing): Verdict {
  const differences = differencesOf(observation).join('; ');
  const message =
    `It stands in AWS already, made by somebody else and with other content: ${differences}. ` +
    'Make it agree or remove it and retry, or retry with takeOver to have it changed.';
  const error = { code: 'AlreadyExists', message, awsRequestId: null, treatment: 'PERMANENT', tries: 1 } as const;
  const data = { status: 'FAILED', code: error.code, message };
  return { ...unsettled(row, error), status: 'FAILED', event: { type: 'ResourceStuck', data } };
}

/** Somebody changed or removed it out of band; it is PENDING, thus repaired. */
export function drifted(row: DueRow, observation: Differing): Verdict {
  const differences = differencesOf(observation);
  return {
    ...unsettled(row, driftError(differences)),
    status: 'PENDING',
    attempts: 0,
    observed: observedIn(observation) ?? {},
    drift: null,
    event: isKnown(row.drift, differences) ? null : driftEvent(row, { observation, policy: 'REPAIR' }),
  };
}

/** Somebody changed or removed it out of band, and it is left as it is: told once for each distinct difference. */
export function reported(row: DueRow, observation: Differing, { driftPeriodMs }: VerdictOptions): Verdict {
  const differences = differencesOf(observation);
  const known = isKnown(row.drift, differences);
  const nobody = { acknowledgedBy: null, acknowledgedAt: null, reason: null };
  const found = { differences, observed: observedIn(observation), foundAt: new Date().toISOString(), ...nobody };
  return {
    ...unsettled(row, null),
    status: 'READY',
    attempts: 0,
    delayMs: driftPeriodMs * 0.9,
    observed: observedIn(observation) ?? {},
    // What is known stays as it is: somebody may be accepting it right now.
    ...(known ? {} : { drift: found, event: driftEvent(row, { observation, policy: 'REPORT' }) }),
  };
}

/** Whether this very difference was accepted by somebody: it is left alone whatever the policy says. */
export function isAccepted({ drift }: DueRow, observation: Differing): boolean {
  return drift !== null && drift.acknowledgedAt !== null && isKnown(drift, differencesOf(observation));
}

/** A wider change that was sent before a narrower one, and never seen, took effect after all: it is taken away like any revoke. */
export function landedLate(row: DueRow, observation: Differing): Verdict {
  const message = `An earlier change of Meshgate's took effect late: ${differencesOf(observation).join('; ')}.`;
  const lastError = { code: 'LandedLate', message, awsRequestId: null, treatment: 'WAITING', tries: 0 } as const;
  return { ...unsettled(row, lastError), status: 'PENDING', attempts: 0, narrows: true };
}

/** What a row that had drifted carries until AWS agrees again. */
export function driftError(differences: string[]) {
  const message = `Changed outside Meshgate: ${differences.join('; ')}.`;
  return { code: 'Drifted', message, awsRequestId: null, treatment: 'WAITING' as const, tries: 0, drifted: true };
}

/** A row's `drift` as its `lastError`, for when it is repaired after all: once AWS agrees, that is told. */
export const BEING_REPAIRED = Prisma.sql`jsonb_build_object('code', 'Drifted', 'awsRequestId', NULL, 'treatment', 'WAITING', 'tries', 0,
  'drifted', true, 'message', 'Changed outside Meshgate: ' || (SELECT string_agg(point, '; ') FROM
    jsonb_array_elements_text("drift" -> 'differences') AS point) || '.')`;

function isKnown(drift: Drift | null, differences: string[]): boolean {
  return drift !== null && specText(drift.differences.toSorted()) === specText(differences.toSorted());
}

/** The one difference of an object that is not there. */
export const IS_MISSING = 'it is missing';

function differencesOf(observation: Differing): string[] {
  if (observation.state === 'DIFFERS') return observation.differences;
  return [observation.state === 'MISSING' ? IS_MISSING : `waiting for ${observation.waitingFor}`];
}

function observedIn(observation: Differing): Record<string, unknown> | null {
  return observation.state === 'MISSING' ? null : observation.observed;
}

/** The evidence: what must be, what AWS showed when it last agreed, and what it shows now. */
function driftEvent(row: DueRow, { observation, policy }: { observation: Differing; policy: DriftPolicy }) {
  const data = {
    driftPolicy: policy,
    differences: differencesOf(observation),
    spec: evidence(row.spec),
    before: evidence(row.observed),
    after: evidence(observedIn(observation)),
  };
  return { type: 'ResourceDrifted' as const, data };
}

/** An event has to fit into one EventBridge entry of 256 KB; the resource itself has all of it. */
const LONGEST_EVIDENCE = 30_000;

function evidence(value: unknown): unknown {
  const { length } = JSON.stringify(value ?? null);
  return length <= LONGEST_EVIDENCE ? value : { omitted: `${length} characters; read the resource` };
}
