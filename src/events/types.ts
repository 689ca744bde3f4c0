import { Classification } from '../generated/prisma/enums.js';
import { accessEvents } from './definitions/access.js';
import { productEvents } from './definitions/data-product.js';
import { domainEvents } from './definitions/domain.js';
import { inboxEvents } from './definitions/inbox.js';
import { operationEvents } from './definitions/operation.js';
import { publisherEvents } from './definitions/publisher.js';
import { signInEvents } from './definitions/sign-in.js';
import { webhookEvents } from './definitions/webhook.js';
import { type DataOf, type Field, optional, text } from './fields.js';

/** The closed list of mesh event types (docs/events): what each is about, its version, and its data. */
export const EVENT_TYPES = {
  ...domainEvents,
  ...productEvents,
  ...accessEvents,
  ...operationEvents,
  ...signInEvents,
  ...publisherEvents,
  ...webhookEvents,
  ...inboxEvents,
};

/** PascalCase name, as EventBridge's detail-type carries it; GraphQL shows the same in UPPER_CASE. */
export type EventType = keyof typeof EVENT_TYPES;
/** What an event of the type says besides who, when and about what; moments as dates or ISO 8601. */
export type EventData<T extends EventType> = DataOf<(typeof EVENT_TYPES)[T]['data']>;

/** What any event's data may say besides. */
export const OF_EVERY_EVENT = {
  truncated: optional(
    text('What was left out, where the data would not have fitted into one event.', 'Cut to fit: columns.'),
  ),
} as const satisfies Record<string, Field>;

export type SubjectType =
  | 'Domain'
  | 'DataProduct'
  | 'DataContract'
  | 'AccessRequest'
  | 'AccessGrant'
  | 'Policy'
  | 'Resource'
  | 'ServiceAccount'
  | 'PersonalAccessToken'
  | 'Publisher'
  | 'Webhook'
  | 'QuarantinedEvent';

const OF_NO_DOMAIN: ReadonlySet<SubjectType> = new Set(['Publisher', 'PersonalAccessToken']);

/** Whether events of a type may belong to a domain; the others are the admins' affair, or one person's. */
export const isOfDomains = (type: EventType): boolean => !OF_NO_DOMAIN.has(EVENT_TYPES[type].subject);

/** This classification and the stricter ones. */
export function classificationsFrom(least: Classification): Classification[] {
  const all = Object.keys(Classification) as Classification[];
  return all.slice(all.indexOf(least));
}

/** AccessRevoked -> ACCESS_REVOKED. */
export function upperCase(type: string): string {
  return type.replace(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase();
}

/** Who did it: a person or machine with a token, or Meshgate itself. */
export interface Actor {
  kind: 'USER' | 'SYSTEM';
  subject: string;
  name: string | null;
  /** The token's jti. */
  tokenId: string | null;
  address: string | null;
}

/** Meshgate acting on its own: the reconciler, the clock. */
export const SYSTEM_ACTOR: Actor = {
  kind: 'SYSTEM',
  subject: 'meshgate',
  name: 'Meshgate',
  tokenId: null,
  address: null,
};

/** The subject as readers outside see it; `id` is the GraphQL global id, `domain` the slug of the domain it belongs to. */
export interface EventSubject {
  type: SubjectType;
  id: string;
  name: string | null;
  domain: string | null;
}

/** Who may see an event, fixed when it is appended: everybody signed in, members of these domains (uuids), these subjects. Admins see all. */
export interface Audience {
  public: boolean;
  domains: string[];
  subjects: string[];
}

/** One event of the log, as every reader gets it. `seq` is dense from 1. */
export interface LogEvent {
  seq: bigint;
  id: string;
  type: EventType;
  version: number;
  subject: EventSubject;
  /** uuid of the subject's row (for resources: a uuid derived from the identity hash). */
  subjectId: string;
  domainId: string | null;
  productId: string | null;
  audience: Audience;
  actor: Actor;
  correlationId: string;
  causationId: string | null;
  occurredAt: Date;
  data: Record<string, unknown>;
}
