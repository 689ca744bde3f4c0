import { registerEnumType } from 'type-graphql';
import { EVENT_TYPES, type EventType, upperCase } from '../events/types.js';
import {
  AccessGrantStatus,
  AccessMode,
  AccessOutcome,
  AccessRequestStatus,
  AccountRevocation,
  Classification,
  DataContractStatus,
  DataProductStatus,
  DeadLetterStatus,
  Desired,
  DocumentFormat,
  DomainRole,
  DomainStatus,
  DriftPolicy,
  EscalationStep,
  EventVisibility,
  ForeignGrantPolicy,
  ForeignGrantStatus,
  GrantTarget,
  Permission,
  PolicyScope,
  PolicyVersionStatus,
  ProvisioningMode,
  QuarantineReason,
  QuarantineStatus,
  ResourceStatus,
  SchemaSource,
  TableFormat,
  TokenScope,
  WebhookDeliveryKind,
  WebhookDeliveryStatus,
  WebhookStatus,
} from '../generated/prisma/enums.js';

/** Names an enum in the API, each value with its meaning. */
function describe<T extends Record<string, string>>(
  values: T,
  name: string,
  description: string,
  meanings: Record<keyof T, string>,
) {
  const valuesConfig = Object.fromEntries(
    Object.entries(meanings).map(([key, says]) => [key, { description: says as string }]),
  );
  registerEnumType(values, { name, description, valuesConfig: valuesConfig as never });
}

/** What a plan does to an AWS object. */
export const PlanAction = { CREATE: 'CREATE', UPDATE: 'UPDATE', DELETE: 'DELETE', NOOP: 'NOOP' } as const;
/** What the rules say to a request. */
export const PolicyDecision = { REQUIRED: 'REQUIRED', DENIED: 'DENIED', NOT_REQUIRED: 'NOT_REQUIRED' } as const;
/** How a principal reaches data. */
export const AccessPathKind = {
  NAMED: 'NAMED',
  TAG: 'TAG',
  FILTER: 'FILTER',
  ACCOUNT: 'ACCOUNT',
  OWNER: 'OWNER',
  FOREIGN: 'FOREIGN',
} as const;
/** The order of a page of products. */
export const DataProductOrderField = { NAME: 'NAME', CREATED_AT: 'CREATED_AT', UPDATED_AT: 'UPDATED_AT' } as const;
/** How an owner's AWS objects are, apart from the state that he is in. */
export const HealthStatus = {
  HEALTHY: 'HEALTHY',
  DEGRADED: 'DEGRADED',
  UNKNOWN: 'UNKNOWN',
  UNCONFIRMED: 'UNCONFIRMED',
} as const;
export type HealthStatus = keyof typeof HealthStatus;
/** Ascending or descending. */
export const OrderDirection = { ASC: 'ASC', DESC: 'DESC' } as const;
/** How a domain that provisions for itself fared; AWAITED until it has answered. */
export const ProvisioningOutcome = { AWAITED: 'AWAITED', SUCCEEDED: 'SUCCEEDED', FAILED: 'FAILED' } as const;
/** Where the AWS objects of an owner are on their way. */
export const ProvisioningState = { PROGRESSING: 'PROGRESSING', SETTLED: 'SETTLED', FAILED: 'FAILED' } as const;
export type ProvisioningState = keyof typeof ProvisioningState;
/** What a viewer signed in with. */
export const SignInKind = {
  PERSON: 'PERSON',
  MACHINE: 'MACHINE',
  PERSONAL_ACCESS_TOKEN: 'PERSONAL_ACCESS_TOKEN',
  SERVICE_ACCOUNT_SECRET: 'SERVICE_ACCOUNT_SECRET',
} as const;
export type SignInKind = keyof typeof SignInKind;
/** What such a domain can answer. */
export const ReportedOutcome = { SUCCEEDED: 'SUCCEEDED', FAILED: 'FAILED' } as const;
/** Event types as GraphQL shows them: ACCESS_REVOKED stands for AccessRevoked. */
export const MeshEventType: Record<string, string> = Object.fromEntries(
  Object.keys(EVENT_TYPES).map((type) => [upperCase(type), type]),
);

describe(SignInKind, 'SignInKind', 'What somebody signed in with.', {
  PERSON: "A token of an issuer of people's tokens.",
  MACHINE: "A token of an issuer of machines' tokens: client credentials, workload identity.",
  PERSONAL_ACCESS_TOKEN: 'A token that a person made here.',
  SERVICE_ACCOUNT_SECRET: 'A secret of a service account.',
});
describe(TokenScope, 'TokenScope', 'What a token is good for, as far as its holder may.', {
  CATALOGUE_READ: 'Read domains, products and contracts, and their events.',
  ACCESS_READ: 'Read requests and grants and their events, and who can read what and why.',
  ACCESS_REQUEST: 'Ask for access, take a request back, talk about it, ask for a later end.',
  ACCESS_DECIDE: 'Approve, reject and revoke.',
  PRODUCT_WRITE: 'Register, change, publish and retire products, import and activate contracts.',
  DOMAIN_WRITE: 'Change domains, but not their members; read what only owners read.',
  RESOURCE_READ: 'Read AWS objects, foreign grants and their events.',
  RESOURCE_WRITE: 'Retry AWS objects, take them over, accept what differs.',
});
describe(AccessMode, 'AccessMode', 'How Lake Formation gives access to a product.', {
  NRAC: 'Named-resource access control: grants on each table by name.',
  LF_TBAC: 'Tag-based access control: grants on an expression of LF-tags.',
});
describe(Classification, 'Classification', 'How sensitive data is.', {
  PUBLIC: 'May be known to everybody.',
  INTERNAL: 'For everybody inside the company.',
  CONFIDENTIAL: 'For those who need it.',
  RESTRICTED: 'For those who need it and are named, for a time.',
});
describe(Permission, 'Permission', 'A Lake Formation permission on tables (Lake Formation permissions reference).', {
  SELECT: 'Read rows, of all columns or of those asked for.',
  DESCRIBE: 'See the table in the catalogue.',
  INSERT: "Write rows: for principals of the product's own domain, on PUBLIC and INTERNAL data, whole tables.",
  DELETE: 'Delete rows; given as INSERT is.',
  ALTER: 'Change the table; given as INSERT is.',
});
describe(GrantTarget, 'GrantTarget', 'To whom Lake Formation grants in the consumer account.', {
  PRINCIPALS: 'To each principal directly: revocation stays with the governance account.',
  ACCOUNT:
    "To the consumer's account, which grants on to each principal: where others share that grant, revocation needs the account. Access by tag always goes this way.",
});
describe(DataProductStatus, 'DataProductStatus', 'Where a product is in its life.', {
  DRAFT: 'Only its domain sees it.',
  PUBLISHING: 'Its tables are on their way into AWS.',
  PUBLISHED: 'In the catalogue; access can be requested.',
  DEPRECATED: 'Still readable by those who have access; takes no new requests.',
  RETIRED: 'Off the mesh; its AWS objects are removed.',
});
describe(AccessRequestStatus, 'AccessRequestStatus', 'Where a request is.', {
  PENDING: 'Waits for a decision.',
  APPROVED: 'Approved; see its grant.',
  REJECTED: 'Rejected; the comment says why.',
  CANCELLED: 'Taken back by the requester.',
});
describe(AccessGrantStatus, 'AccessGrantStatus', 'Where a grant is.', {
  PROVISIONING: 'On its way into AWS.',
  ACTIVE: 'Stands in AWS: the data can be read.',
  REVOKING: 'On its way out of AWS; the API treats it as gone.',
  REVOKED: 'Gone from AWS.',
  EXPIRED: 'Reached its expiry and is gone from AWS.',
  FAILED: 'Could not be brought about; its resources say why.',
});
describe(DomainStatus, 'DomainStatus', 'Where a domain is.', {
  REGISTERING: 'Its AWS objects are on their way.',
  READY: 'Everything it needs stands in AWS.',
  SUSPENDED: 'Takes no part in the mesh for now.',
});
describe(DomainRole, 'DomainRole', 'What a member of a domain may do.', {
  OWNER: 'Change, publish, decide on requests, and name members.',
  STEWARD: 'As an owner, except members.',
  MEMBER: 'See drafts and request access for the domain.',
});
describe(ProvisioningMode, 'ProvisioningMode', "Who makes the changes in a domain's account.", {
  DIRECT: 'Meshgate, under the role that the domain registered.',
  DELEGATED: "The domain's own workflows: events tell them what to link, and the domain reports back.",
});
describe(DriftPolicy, 'DriftPolicy', 'What happens when an AWS object was changed or removed out of band.', {
  REPAIR: 'It is told and put right at once.',
  REPORT: 'It is told and left as it is, until somebody retries or accepts it.',
});
describe(ForeignGrantPolicy, 'ForeignGrantPolicy', 'What happens to a grant that nothing in the mesh asked for.', {
  REPORT: 'It is told and left as it is.',
  REVOKE: 'It is told and revoked, unless somebody accepted it.',
});
describe(ForeignGrantStatus, 'ForeignGrantStatus', 'What is done about a grant that nothing in the mesh asked for.', {
  OPEN: 'It was told; nobody decided yet.',
  ACKNOWLEDGED: 'Somebody accepted it as it is.',
  REVOKING: 'It is being revoked.',
  GONE: 'It is gone from AWS.',
});
describe(AccountRevocation, 'AccountRevocation', "What happens where only the consumer's account can end an access.", {
  ALARM: 'It is told, and retried until the account answers.',
  CUT_ACCOUNT: 'The grant to the whole account is taken away, for everybody in it, until the account answers.',
});
describe(HealthStatus, 'HealthStatus', 'How the AWS objects of an owner are.', {
  HEALTHY: 'All stand as they should, and were looked at within the last two drift periods.',
  DEGRADED: 'One is not as it should be; the reasons say which and why.',
  UNKNOWN: 'One is not done yet, or was not looked at for too long: the account or the worker may be out of reach.',
  UNCONFIRMED: "Meshgate's side stands; the consumer's own workflows do not report on theirs.",
});
describe(ProvisioningOutcome, 'ProvisioningOutcome', 'How a domain that provisions for itself fared.', {
  AWAITED: 'Its workflow was told, and has not answered yet.',
  SUCCEEDED: 'The links stand in its account.',
  FAILED: 'Its workflow failed; the message says why.',
});
describe(ProvisioningState, 'ProvisioningState', "Where an owner's AWS objects are on their way.", {
  PROGRESSING: 'Something is still to be done; what is stuck is still retried.',
  SETTLED: 'AWS agrees with all of it.',
  FAILED: 'Some failed for good, until somebody says retryResource; all else is done.',
});
describe(ReportedOutcome, 'ReportedOutcome', 'What a domain that provisions for itself can answer.', {
  SUCCEEDED: 'The links stand in its account.',
  FAILED: 'Its workflow failed; the message says why.',
});
describe(TableFormat, 'TableFormat', 'The file or table format of a table.', {
  PARQUET: 'Apache Parquet.',
  ORC: 'Apache ORC.',
  AVRO: 'Apache Avro.',
  JSON: 'JSON lines.',
  CSV: 'Comma-separated values.',
  ICEBERG: 'Apache Iceberg.',
});
describe(SchemaSource, 'SchemaSource', 'Where a schema version came from.', {
  FIELDS: 'The tables given with a mutation.',
  CONTRACT: 'A contract that was imported or activated.',
  CRAWLER: 'What a crawler found.',
});
describe(DataContractStatus, 'DataContractStatus', 'Where a contract version is.', {
  PROPOSED: 'Imported, not yet in force.',
  ACTIVE: 'The one in force.',
  DEPRECATED: 'Superseded by a later version.',
});
describe(DocumentFormat, 'DocumentFormat', 'How a contract document is written.', { YAML: 'YAML 1.2.', JSON: 'JSON.' });
describe(Desired, 'Desired', 'What must be true of an AWS object.', {
  PRESENT: 'It must exist as its spec says.',
  ABSENT: 'It must not exist.',
});
describe(ResourceStatus, 'ResourceStatus', 'What is true of an AWS object, as far as is known.', {
  PENDING: 'Waits for its turn, or for what it stands on.',
  APPLYING: 'Is being created or changed.',
  READY: 'Agrees with its spec.',
  REMOVING: 'Is being removed.',
  REMOVED: 'Is gone.',
  FAILED: 'Could not be made to agree; lastError says why.',
  STUCK: 'Could not be removed after many tries; still retried.',
});
describe(PlanAction, 'PlanAction', 'What a plan does to an AWS object.', {
  CREATE: 'It is made.',
  UPDATE: 'It is changed.',
  DELETE: 'It is removed, as nobody needs it any more.',
  NOOP: 'It is needed and is already as it has to be, for others.',
});
describe(PolicyDecision, 'PolicyDecision', 'What the rules say to a request.', {
  REQUIRED: 'Somebody has to approve it.',
  DENIED: 'It cannot be approved.',
  NOT_REQUIRED: 'It is granted at once.',
});
describe(AccessOutcome, 'AccessOutcome', 'What the policies say to a request.', {
  DENIED: 'No approval can bring it about.',
  AUTO_APPROVED: 'It is granted at once.',
  NEEDS_APPROVAL: 'People have to approve it.',
  APPROVED: 'The approvals that it needed were given.',
});
describe(PolicyScope, 'PolicyScope', 'What a policy is about.', {
  GLOBAL: 'All products of the mesh.',
  DOMAIN: 'The products of one domain.',
});
describe(PolicyVersionStatus, 'PolicyVersionStatus', 'Where a version of a policy is.', {
  DRAFT: 'Decides nothing yet.',
  ACTIVE: 'Decides.',
  SUPERSEDED: 'Decided, until another version took its place or the policy was deactivated.',
});
describe(EscalationStep, 'EscalationStep', 'Who is asked as a request waits too long.', {
  OWNERS: "The owners of the product's domain.",
  ADMINS: 'Platform admins.',
});
describe(EventVisibility, 'EventVisibility', "Who hears a domain's events of a type.", {
  DOMAIN: 'Members of the domain.',
  MESH: 'Everybody signed in.',
});
describe(QuarantineReason, 'QuarantineReason', 'Why an event that came in was not taken.', {
  NOT_JSON: 'It is not JSON.',
  NOT_AN_EVENT: 'It lacks what every event of EventBridge has.',
  TOO_LARGE: 'Its detail is larger than 64 KB.',
  NOT_STORABLE: 'It holds characters or depths that cannot be stored.',
  FORGED_SOURCE: 'It claims a source that only Meshgate may use.',
  UNKNOWN_ACCOUNT: 'It comes from an account of no domain.',
  UNKNOWN_TYPE: "It is of a detail-type that the sender's domain did not register.",
  INVALID_DETAIL: 'Its detail is not as its type demands.',
  NOT_ITS_OWN: "It names what is not the sender's.",
});
describe(QuarantineStatus, 'QuarantineStatus', 'What became of an event that was not taken.', {
  HELD: 'It waits for a decision.',
  RELEASED: 'It was judged anew and taken.',
  DISCARDED: 'It is of no use.',
});
describe(AccessPathKind, 'AccessPathKind', 'How a principal reaches data.', {
  NAMED: 'By a grant on the table by name, to the principal himself.',
  TAG: 'By a grant on an expression of LF-tags, passed on by his account.',
  FILTER: 'By a grant on a data filter: some rows, some columns.',
  ACCOUNT: 'By a grant on the table by name to his account, which passed it on.',
  OWNER: "By the product's own permissions: the producing domain's workflow and crawler.",
  FOREIGN: 'By a grant that nothing in Meshgate asked for, as last seen.',
});
describe(DataProductOrderField, 'DataProductOrderField', 'What products are ordered by.', {
  NAME: 'By name.',
  CREATED_AT: 'By the time of registration.',
  UPDATED_AT: 'By the time of the last change.',
});
describe(OrderDirection, 'OrderDirection', 'Ascending or descending.', {
  ASC: 'Smallest first.',
  DESC: 'Largest first.',
});
describe(DeadLetterStatus, 'DeadLetterStatus', 'Where a refused event is.', {
  DEAD: 'It waits for somebody who has it sent again.',
  REDRIVING: 'It is on its way again.',
  SENT: 'It arrived after all.',
});
describe(WebhookStatus, 'WebhookStatus', 'Whether a webhook is on.', {
  ENABLED: 'It is sent events.',
  DISABLED: 'It is sent nothing, and keeps its place in the log.',
});
describe(WebhookDeliveryKind, 'WebhookDeliveryKind', 'What is sent to a webhook.', {
  EVENT: 'An event of the mesh.',
  PING: 'A message that tells nothing, to try the receiver.',
});
describe(WebhookDeliveryStatus, 'WebhookDeliveryStatus', 'Where a delivery is.', {
  PENDING: 'It is tried, or waits for its next try.',
  SUCCEEDED: 'The receiver answered 2xx.',
  FAILED: 'It is not tried any more; it can be sent once more.',
});
describe(
  MeshEventType,
  'MeshEventType',
  'What happened in the mesh.',
  Object.fromEntries(Object.keys(EVENT_TYPES).map((type) => [upperCase(type), EVENT_TYPES[type as EventType].says])),
);

export {
  AccessGrantStatus,
  AccessMode,
  AccessOutcome,
  AccessRequestStatus,
  AccountRevocation,
  Classification,
  DataContractStatus,
  DataProductStatus,
  DeadLetterStatus,
  Desired,
  DocumentFormat,
  DomainRole,
  DomainStatus,
  DriftPolicy,
  EscalationStep,
  EventVisibility,
  ForeignGrantPolicy,
  ForeignGrantStatus,
  GrantTarget,
  Permission,
  PolicyScope,
  PolicyVersionStatus,
  ProvisioningMode,
  QuarantineReason,
  QuarantineStatus,
  ResourceStatus,
  SchemaSource,
  TableFormat,
  TokenScope,
  WebhookDeliveryKind,
  WebhookDeliveryStatus,
  WebhookStatus,
};
