import { z } from 'zod';
import { InvalidPattern, readPattern } from '../events/event-pattern.js';
import { EVENT_TYPES } from '../events/types.js';
import type { Domain } from '../generated/prisma/client.js';
import type { Mesh } from './context.js';
import { busOf, effectivePattern } from './desired-event-route.js';
import { invalid } from './error.js';
import { busArn } from './names.js';
import { description, idempotencyKey, slug, uuid } from './validation.js';

/** A rule takes five targets, and of a pattern 2,048 characters: 4,096 only where AWS raised the quota (EventBridge user guide, quotas). */
const MOST_TARGETS = 5;
const LONGEST_PATTERN = 2_048;

const pattern = z.record(
  z.string(),
  z.unknown(),
  'Give an event pattern: a JSON object such as {"detail-type":["AccessGranted"]}.',
);
const targets = z
  .array(z.string().max(2_048))
  .min(1, 'Name at least one target.')
  .max(MOST_TARGETS, `A rule takes ${MOST_TARGETS} targets at most: make another route.`)
  .refine((arns) => new Set(arns).size === arns.length, 'Name each target once.');

export const addEventRoute = z.object({
  domain: uuid,
  name: slug,
  description: description.nullish(),
  pattern,
  targets,
  idempotencyKey,
});
export type AddEventRouteInput = z.input<typeof addEventRoute>;

export const updateEventRoute = z.object({
  eventRoute: uuid,
  description: description.nullable().optional(),
  pattern: pattern.optional(),
  targets: targets.optional(),
  idempotencyKey,
});
export type UpdateEventRouteInput = z.input<typeof updateEventRoute>;

/** What of an event's envelope a pattern may go by. EventBridge sets the `id` itself: ours is `detail.id`. */
const ENVELOPE = new Set([
  'version',
  'detail-type',
  'source',
  'account',
  'time',
  'region',
  'resources',
  'detail',
  '$or',
]);
/** What stands in every event's detail (events/entries.ts); what is in its `data` depends on the type. */
const DETAIL = new Set(['version', 'id', 'sequence', 'occurredAt', 'actor', 'correlationId', 'subject', 'data', '$or']);
const BELOW_DETAIL: Record<string, ReadonlySet<string>> = {
  actor: new Set(['kind', 'subject', 'name', '$or']),
  subject: new Set(['type', 'id', 'name', 'domain', '$or']),
};

/**
 * Checks a pattern as EventBridge would, and that it only narrows what the domain may see: who an event is for, and that Meshgate sent
 * it, is said by Meshgate alone. Named there again, in an alternative too, it would take the place of what is added.
 */
export function checkPattern(mesh: Mesh, domain: Pick<Domain, 'name'>, given: Record<string, unknown>): void {
  try {
    readPattern(given);
  } catch (error) {
    if (!(error instanceof InvalidPattern)) throw error;
    const path = ['pattern', error.path].filter((part) => part !== '').join('.');
    throw invalid(path, `${path}: ${error.message}`);
  }
  refuseReserved(given, ['pattern']);
  const length = JSON.stringify(effectivePattern(mesh, domain, given)).length;
  if (length > LONGEST_PATTERN) {
    const says = `With what limits it to the domain's events it has ${length} characters; EventBridge takes ${LONGEST_PATTERN}. Make two routes of it, or say it with prefixes.`;
    throw invalid('pattern', `pattern: ${says}`);
  }
}

function refuseReserved(fields: Record<string, unknown>, path: string[]): void {
  refuseUnknown(fields, ENVELOPE, path);
  for (const [name, value] of Object.entries(fields)) {
    const at = [...path, name].join('.');
    if (name === 'account' || name === 'source') throw invalid(at, `${at}: is always Meshgate's own; leave it out.`);
    if (name === 'detail-type') refuseUnknownTypes(value, at);
    if (name === 'detail') refuseInDetail(value, [...path, name]);
    if (name === '$or') eachAlternative(value, [...path, name], refuseReserved);
  }
}

/** A pattern with a field that no event has would be taken by EventBridge, and match nothing for ever. */
function refuseUnknown(fields: Record<string, unknown>, known: ReadonlySet<string>, path: string[]): void {
  const unknown = Object.keys(fields).find((name) => !known.has(name));
  if (unknown === undefined) return;
  const at = [...path, unknown].join('.');
  throw invalid(at, `${at}: events have no such field here: ${[...known].slice(0, -1).join(', ')}.`);
}

function refuseUnknownTypes(values: unknown, at: string): void {
  if (!Array.isArray(values)) return;
  const unknown = values.find((value) => typeof value === 'string' && !Object.hasOwn(EVENT_TYPES, value));
  if (unknown !== undefined) throw invalid(at, `${at}: there are no events of type ${unknown}.`);
}

function refuseInDetail(detail: unknown, path: string[]): void {
  if (!isObject(detail))
    throw invalid(path.join('.'), `${path.join('.')}: give the fields of the detail as an object.`);
  if ('audience' in detail) {
    const at = [...path, 'audience'].join('.');
    throw invalid(at, `${at}: whom an event is for is set by Meshgate: your domain, and everybody.`);
  }
  refuseUnknown(detail, DETAIL, path);
  for (const [name, known] of Object.entries(BELOW_DETAIL)) {
    const below = detail[name];
    if (isObject(below)) refuseUnknown(below, known, [...path, name]);
  }
  eachAlternative(detail.$or, [...path, '$or'], refuseInDetail);
}

function eachAlternative(
  value: unknown,
  path: string[],
  refuse: (fields: Record<string, unknown>, path: string[]) => void,
): void {
  if (!Array.isArray(value)) return;
  for (const [index, one] of value.entries()) refuse(one, [...path, String(index)]);
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Targets are buses and queues of the domain's own account in the mesh's region; events leave for nobody else's. */
export function checkTargets(mesh: Mesh, domain: Domain, arns: string[]): void {
  for (const [index, arn] of arns.entries()) {
    const problem = targetProblem(mesh, domain, arn);
    if (problem !== null) throw invalid(`targets.${index}`, `targets.${index}: ${problem}`);
  }
}

function targetProblem(mesh: Mesh, domain: Domain, arn: string): string | null {
  const found = /^arn:(aws[a-z-]*):(events|sqs):([a-z0-9-]+):(\d{12}):(?:event-bus\/)?([\w./-]{1,256})$/.exec(arn);
  const [, partition, service, region, account, name = ''] = found ?? [];
  const isBus = busOf(arn) !== null;
  const form = `give the ARN of an event bus or an SQS queue of account ${domain.awsAccountId}`;
  if (service === undefined || isBus !== (service === 'events')) return `${form}.`;
  if (account !== domain.awsAccountId)
    return `${form}; this one is of ${account}, and events leave for the domain's own account alone.`;
  if (region !== mesh.region) return `a target is of the mesh's region ${mesh.region}; this one is of ${region}.`;
  if (partition !== mesh.governanceRoleArn.split(':')[1]) return `this ARN is of another partition than the mesh's.`;
  if (isBus) {
    return arn === busArn(mesh, domain.awsAccountId, domain.eventBusName)
      ? "this is the domain's own bus, which gets all of its events already: make rules there."
      : null;
  }
  if (name.endsWith('.fifo')) return 'rules send to standard queues alone, not to FIFO queues.';
  return /^[\w-]{1,80}$/.test(name) ? null : `${form}.`;
}
