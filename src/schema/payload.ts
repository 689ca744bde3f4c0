import { type ClassType, Field, ID, ObjectType } from 'type-graphql';
import { AccessGrant } from './access-grant.js';
import { AccessRequest } from './access-request.js';
import { DataContract } from './data-contract.js';
import { DataProduct } from './data-product.js';
import { Deputy } from './deputy.js';
import { Domain } from './domain.js';
import { DomainEventType } from './domain-event-type.js';
import { resultType } from './error.js';
import { EventRoute } from './event-route.js';
import { Policy } from './policy.js';
import { QuarantinedEvent } from './quarantined-event.js';
import { ForeignGrant, Resource } from './resource.js';

const OBJECTS = {
  domain: [Domain, 'The domain.'],
  deputy: [Deputy, 'The deputy.'],
  dataProduct: [DataProduct, 'The product.'],
  dataContract: [DataContract, 'The contract.'],
  accessRequest: [AccessRequest, 'The request.'],
  accessGrant: [AccessGrant, 'The grant.'],
  eventRoute: [EventRoute, 'The route.'],
  policy: [Policy, 'The policy.'],
  domainEventType: [DomainEventType, 'The type of events.'],
  quarantinedEvent: [QuarantinedEvent, 'The event.'],
  resource: [Resource, 'The AWS object.'],
  foreignGrant: [ForeignGrant, 'The grant that nothing in the mesh asked for.'],
} as const;

/** A field of a payload: the object under its own name. */
export type PayloadField = keyof typeof OBJECTS;

/** Makes `XPayload` with the named objects and the union `XResult` of it and the errors. */
function result(name: string, says: string, ...fields: PayloadField[]) {
  const payload = { [name]: class {} }[name] as ClassType;
  for (const field of fields) {
    const [type, description] = OBJECTS[field];
    Field(() => type as ClassType, { nullable: true, description })(payload.prototype, field);
  }
  ObjectType(`${name}Payload`, { description: says })(payload);
  return resultType(`${name}Result`, payload);
}

export const RegisterDomainResult = result('RegisterDomain', 'The domain that was registered.', 'domain');
export const UpdateDomainResult = result('UpdateDomain', 'The domain as it is now.', 'domain');
export const AddDomainMemberResult = result('AddDomainMember', 'The domain with its new member.', 'domain');
export const RemoveDomainMemberResult = result('RemoveDomainMember', 'The domain without the member.', 'domain');
export const AddEventRouteResult = result('AddEventRoute', 'The route; its rule follows.', 'eventRoute', 'domain');
export const UpdateEventRouteResult = result('UpdateEventRoute', 'The route as it is now.', 'eventRoute', 'domain');
export const RemoveEventRouteResult = result('RemoveEventRoute', 'The domain without the route.', 'domain');
export const NameDeputyResult = result('NameDeputy', 'The deputy, for his time.', 'deputy');
export const EndDeputyResult = result('EndDeputy', 'The deputy, whose time is over.', 'deputy');
export const RegisterDataProductResult = result('RegisterDataProduct', 'The draft.', 'dataProduct');
export const UpdateDataProductResult = result('UpdateDataProduct', 'The product as it is now.', 'dataProduct');
export const PublishDataProductResult = result('PublishDataProduct', 'The product, on its way.', 'dataProduct');
export const DeprecateDataProductResult = result('DeprecateDataProduct', 'The deprecated product.', 'dataProduct');
export const RetireDataProductResult = result('RetireDataProduct', 'The retired product.', 'dataProduct');
export const ReportProvisioningResult = result(
  'ReportProvisioning',
  'The product; published where that was all that was missing.',
  'dataProduct',
);
export const ImportDataContractResult = result(
  'ImportDataContract',
  'The contract and its product.',
  'dataContract',
  'dataProduct',
);
export const ActivateDataContractResult = result(
  'ActivateDataContract',
  'The contract in force and its product.',
  'dataContract',
  'dataProduct',
);
export const RequestAccessResult = result('RequestAccess', 'The request.', 'accessRequest');
export const ApproveAccessRequestResult = result(
  'ApproveAccessRequest',
  'The request and its grant.',
  'accessRequest',
  'accessGrant',
);
export const ExtendAccessResult = result(
  'ExtendAccess',
  'The grant, with its new end where that needed no approval; else the request that waits for one.',
  'accessGrant',
  'accessRequest',
);
export const RejectAccessRequestResult = result('RejectAccessRequest', 'The rejected request.', 'accessRequest');
export const CancelAccessRequestResult = result(
  'CancelAccessRequest',
  'The request that was taken back.',
  'accessRequest',
);
export const CommentAccessRequestResult = result(
  'CommentAccessRequest',
  'The request with what was said.',
  'accessRequest',
);
export const RevokeAccessResult = result('RevokeAccess', 'The grant, on its way out.', 'accessGrant');
export const CreatePolicyResult = result('CreatePolicy', 'The policy with its first draft.', 'policy');
export const DraftPolicyResult = result('DraftPolicy', 'The policy with its new draft.', 'policy');
export const ActivatePolicyResult = result('ActivatePolicy', 'The policy as it decides now.', 'policy');
export const DeactivatePolicyResult = result('DeactivatePolicy', 'The policy, which decides nothing now.', 'policy');
export const RetryResourceResult = result('RetryResource', 'The AWS object, looked at again.', 'resource');
export const AcknowledgeDriftResult = result(
  'AcknowledgeDrift',
  'What was accepted: the AWS object, and the foreign grant where it was one.',
  'resource',
  'foreignGrant',
);

export const RegisterDomainEventTypeResult = result(
  'RegisterDomainEventType',
  'The type of events, as it is now.',
  'domainEventType',
);
export const RemoveDomainEventTypeResult = result('RemoveDomainEventType', 'The type that ended.', 'domainEventType');
export const ReleaseQuarantinedEventResult = result(
  'ReleaseQuarantinedEvent',
  'The event that was taken.',
  'quarantinedEvent',
);
export const DiscardQuarantinedEventResult = result(
  'DiscardQuarantinedEvent',
  'The event that is of no use.',
  'quarantinedEvent',
);

@ObjectType({ description: 'The event is in the log; subscribers get it as soon as it is numbered.' })
export class PublishDomainEventPayload {
  @Field(() => Domain, { nullable: true, description: 'Whose event.' })
  domain!: Domain | null;

  @Field(() => ID, { description: 'The `id` that it has in streams.' })
  eventId!: string;
}
export const PublishDomainEventResult = resultType('PublishDomainEventResult', PublishDomainEventPayload);
