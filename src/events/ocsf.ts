import { EVENT_TYPES, type EventType, type LogEvent } from './types.js';

/** The version of the OCSF schema that entries follow (https://schema.ocsf.io/1.3.0/classes/api_activity). */
const SCHEMA_VERSION = '1.3.0';
const CATEGORY = { category_uid: 6, category_name: 'Application Activity' } as const;
const CLASS = { class_uid: 6003, class_name: 'API Activity' } as const;

/** The activities of the class. */
const ACTIVITIES = { Create: 1, Read: 2, Update: 3, Delete: 4 } as const;

/** An event of the log with the hash that it has there, in hex. */
export type HashedEvent = LogEvent & { hash: string };

/** An event of the log as an API Activity of the Open Cybersecurity Schema Framework. Pure; `version` is Meshgate's. */
export function toOcsf(event: HashedEvent, version: string): Record<string, unknown> {
  const activity = activityOf(event.type);
  const failed = FAILURES.has(event.type);
  return {
    activity_id: ACTIVITIES[activity],
    activity_name: activity,
    ...CATEGORY,
    ...CLASS,
    type_uid: CLASS.class_uid * 100 + ACTIVITIES[activity],
    type_name: `${CLASS.class_name}: ${activity}`,
    time: event.occurredAt.getTime(),
    severity_id: failed ? 3 : 1,
    severity: failed ? 'Medium' : 'Informational',
    status_id: failed ? 2 : 1,
    status: failed ? 'Failure' : 'Success',
    message: EVENT_TYPES[event.type]?.says ?? event.type,
    metadata: {
      version: SCHEMA_VERSION,
      product: { name: 'Meshgate', vendor_name: 'Meshgate', version },
      profiles: ['cloud'],
      uid: event.id,
      event_code: event.type,
      sequence: Number(event.seq),
      correlation_uid: event.correlationId,
      original_time: event.occurredAt.toISOString(),
      log_name: 'audit trail',
    },
    actor: actorOf(event),
    api: { operation: event.type, service: { name: 'meshgate' }, request: { uid: event.correlationId } },
    src_endpoint: event.actor.address === null ? { name: event.actor.kind.toLowerCase() } : { ip: event.actor.address },
    cloud: { provider: 'AWS' },
    resources: [{ uid: event.subject.id, type: event.subject.type, name: event.subject.name ?? event.subject.id }],
    unmapped: { domain: event.subject.domain, causation_uid: event.causationId, hash: event.hash, data: event.data },
  };
}

function actorOf({ actor: { kind, subject, name, tokenId } }: LogEvent): Record<string, unknown> {
  const system = kind === 'SYSTEM';
  return {
    user: {
      uid: subject,
      ...(name === null ? {} : { name }),
      type_id: system ? 3 : 1,
      type: system ? 'System' : 'User',
    },
    ...(tokenId === null ? {} : { session: { uid: tokenId } }),
  };
}

const FAILURES: ReadonlySet<EventType> = new Set<EventType>(['AccessFailed', 'ResourceStuck', 'ContractViolated']);

/** What an event did to its subject, from the participle that its name ends in. */
function activityOf(type: EventType): keyof typeof ACTIVITIES {
  if (/(Registered|Proposed|Requested|Granted|Created|Drafted)$/.test(type)) return 'Create';
  if (type.endsWith('Read')) return 'Read';
  return /(Retired|Revoked|Expired|Removed|Cancelled)$/.test(type) ? 'Delete' : 'Update';
}
