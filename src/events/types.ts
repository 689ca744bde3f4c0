/** The closed list of mesh event types (design: events.md, Types), with the kind of object each is about and its version. */
export const EVENT_TYPES = {
  DomainRegistered: {
    subject: 'Domain',
    version: 1,
    says: 'A domain was registered; its AWS objects are on their way.',
  },
  DomainReady: { subject: 'Domain', version: 1, says: 'Everything the domain needs stands in AWS.' },
  DomainUpdated: { subject: 'Domain', version: 1, says: 'A domain or its membership changed.' },
  DeputyNamed: {
    subject: 'Domain',
    version: 1,
    says: 'Somebody may decide requests for an owner or steward, for a while.',
  },
  DeputyEnded: { subject: 'Domain', version: 1, says: 'Somebody decides for an owner or steward no more.' },
  DomainEventReceived: {
    subject: 'Domain',
    version: 1,
    says: 'A domain told of something that happened in its own business.',
  },
  QuarantinedEventReleased: {
    subject: 'QuarantinedEvent',
    version: 1,
    says: 'Somebody had an event taken that had come in and was held.',
  },
  QuarantinedEventDiscarded: {
    subject: 'QuarantinedEvent',
    version: 1,
    says: 'Somebody decided that an event that had come in and was held is of no use.',
  },
  QualityEvaluated: {
    subject: 'DataProduct',
    version: 1,
    says: "AWS Glue Data Quality evaluated a product's table.",
  },
  HealthReported: {
    subject: 'DataProduct',
    version: 1,
    says: "The workflow of a product's domain said how it went with a table.",
  },
  DataProductRegistered: { subject: 'DataProduct', version: 1, says: 'A draft product was registered.' },
  DataProductUpdated: {
    subject: 'DataProduct',
    version: 1,
    says: "A product's description, owner, tags or tables changed.",
  },
  DataProductPublished: {
    subject: 'DataProduct',
    version: 1,
    says: 'A product was published; its tables are on their way.',
  },
  DataProductReady: { subject: 'DataProduct', version: 1, says: "A published product's tables stand in AWS." },
  DataProductDeprecated: { subject: 'DataProduct', version: 1, says: 'A product takes no new requests any more.' },
  DataProductRetired: { subject: 'DataProduct', version: 1, says: 'A product was taken off the mesh.' },
  DataContractProposed: { subject: 'DataContract', version: 1, says: 'A contract document was imported.' },
  DataContractActivated: { subject: 'DataContract', version: 1, says: 'A contract version is now the one in force.' },
  DataContractDeprecated: { subject: 'DataContract', version: 1, says: 'A contract version was superseded.' },
  RestrictedDetailsRead: {
    subject: 'DataProduct',
    version: 1,
    says: 'Somebody read who may read a sensitive product, which rows, or how.',
  },
  ContractViolated: {
    subject: 'DataProduct',
    version: 1,
    says: 'What a crawler found breaks the contract in force.',
  },
  SchemaChanged: { subject: 'DataProduct', version: 1, says: "A product's tables or columns changed." },
  AccessRequested: { subject: 'AccessRequest', version: 1, says: 'Somebody asked for access.' },
  AccessApprovalGiven: {
    subject: 'AccessRequest',
    version: 1,
    says: 'Somebody approved a request; the policies want more approvals.',
  },
  AccessApproved: { subject: 'AccessRequest', version: 1, says: 'A request was approved; the grant is on its way.' },
  AccessRejected: { subject: 'AccessRequest', version: 1, says: 'A request was rejected.' },
  AccessCancelled: { subject: 'AccessRequest', version: 1, says: 'The requester took a request back.' },
  AccessRequestCommented: {
    subject: 'AccessRequest',
    version: 1,
    says: 'Somebody said something about a request; what, the request itself tells.',
  },
  AccessRequestReminded: {
    subject: 'AccessRequest',
    version: 1,
    says: 'A request waits; those who can decide it are reminded.',
  },
  AccessRequestEscalated: {
    subject: 'AccessRequest',
    version: 1,
    says: "A request waits too long: the domain's owners are asked, and later the platform admins.",
  },
  AccessGranted: { subject: 'AccessGrant', version: 1, says: 'The grant stands in AWS: the data can be read.' },
  AccessFailed: { subject: 'AccessGrant', version: 1, says: 'A grant could not be brought about.' },
  AccessExtended: { subject: 'AccessGrant', version: 1, says: "The grant's end was moved." },
  AccessExpiring: { subject: 'AccessGrant', version: 1, says: 'The grant ends soon, unless it is extended.' },
  AccessRevoking: {
    subject: 'AccessGrant',
    version: 1,
    says: 'Somebody ended the grant; it is on its way out of AWS.',
  },
  AccessRevoked: { subject: 'AccessGrant', version: 1, says: 'The grant is gone from AWS.' },
  AccessExpired: { subject: 'AccessGrant', version: 1, says: 'The grant reached its expiry and is gone from AWS.' },
  PolicyDrafted: { subject: 'Policy', version: 1, says: 'A version of a policy was drafted; it decides nothing yet.' },
  PolicyActivated: { subject: 'Policy', version: 1, says: 'A version of a policy decides from now on.' },
  PolicyDeactivated: { subject: 'Policy', version: 1, says: 'A policy decides nothing any more.' },
  ResourceStuck: {
    subject: 'Resource',
    version: 1,
    says: 'An AWS object could not be made to agree: it FAILED, or is STUCK after many tries and still retried.',
  },
  ResourceRepaired: { subject: 'Resource', version: 1, says: 'An AWS object that had drifted agrees again.' },
  ResourceDrifted: {
    subject: 'Resource',
    version: 1,
    says: 'An AWS object was changed or removed out of band, or granted on.',
  },
  ResourceRetried: {
    subject: 'Resource',
    version: 1,
    says: 'Somebody had an AWS object looked at and put right at once, or taken over.',
  },
  ResourceDriftAcknowledged: {
    subject: 'Resource',
    version: 1,
    says: 'Somebody accepted a change out of band, or a grant that nobody asked for.',
  },
  ServiceAccountRegistered: { subject: 'ServiceAccount', version: 1, says: 'A machine became a member of a domain.' },
  ServiceAccountRemoved: { subject: 'ServiceAccount', version: 1, says: 'A service account was removed.' },
  ServiceAccountSecretCreated: { subject: 'ServiceAccount', version: 1, says: 'A service account got a new secret.' },
  ServiceAccountSecretRevoked: {
    subject: 'ServiceAccount',
    version: 1,
    says: 'A secret of a service account was revoked.',
  },
  TokenCreated: { subject: 'PersonalAccessToken', version: 1, says: 'Somebody made a personal access token.' },
  TokenRevoked: { subject: 'PersonalAccessToken', version: 1, says: 'A personal access token was revoked.' },
  WebhookRegistered: { subject: 'Webhook', version: 1, says: 'A webhook was registered.' },
  WebhookUpdated: { subject: 'Webhook', version: 1, says: "A webhook's name, URL or filter changed." },
  WebhookRemoved: { subject: 'Webhook', version: 1, says: 'A webhook was removed.' },
  WebhookSecretRotated: { subject: 'Webhook', version: 1, says: 'A webhook got a new secret.' },
  WebhookEnabled: { subject: 'Webhook', version: 1, says: 'A webhook was turned on.' },
  WebhookDisabled: {
    subject: 'Webhook',
    version: 1,
    says: 'A webhook was turned off: by somebody, by its receiver, or because it failed for too long.',
  },
  WebhookPinged: { subject: 'Webhook', version: 1, says: 'Somebody had a webhook tried.' },
  WebhookRedelivered: { subject: 'Webhook', version: 1, says: 'Somebody had an event sent to a webhook once more.' },
  PublisherPaused: { subject: 'Publisher', version: 1, says: 'Somebody stopped the sending of events to EventBridge.' },
  PublisherResumed: { subject: 'Publisher', version: 1, says: 'Somebody let the sending of events go on.' },
  EventsRedriven: {
    subject: 'Publisher',
    version: 1,
    says: 'Somebody had events sent again that EventBridge had refused.',
  },
} as const satisfies Record<string, { subject: SubjectType; version: number; says: string }>;

/** PascalCase name, as EventBridge's detail-type carries it; GraphQL shows the same in UPPER_CASE. */
export type EventType = keyof typeof EVENT_TYPES;
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
