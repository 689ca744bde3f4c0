import 'reflect-metadata';
import { GraphQLInputObjectType, GraphQLObjectType, type GraphQLSchema } from 'graphql';
import { buildSchema as build } from 'type-graphql';
import { globalId, type NodeType } from '../governance/global-id.js';
import { meshEventTypes } from '../schema/event.js';
import { AccessExplanationResolver, AccessPathResolver, PendingAccessResolver } from './access-explanation.js';
import { AccessGrantResolver } from './access-grant.js';
import { AccessRequestResolver, DecidingPolicyResolver } from './access-request.js';
import { AuditResolver } from './audit.js';
import { DataContractResolver } from './data-contract.js';
import { DataProductResolver } from './data-product.js';
import { DeputyResolver } from './deputy.js';
import { DomainResolver } from './domain.js';
import { DomainEventResolver } from './domain-event.js';
import { EventResolver } from './event.js';
import { EventPatternTestResolver, EventRouteResolver } from './event-route.js';
import { applyFieldRules } from './field-rules.js';
import { ForeignGrantResolver } from './foreign-grant.js';
import { NodeResolver } from './node.js';
import { PersonalAccessTokenResolver } from './personal-access-token.js';
import {
  AccessPlanResolver,
  DataContractPlanResolver,
  DataProductPlanResolver,
  PlannedResourceResolver,
  PolicyOutcomeResolver,
  TagChangeResolver,
} from './plan.js';
import { PolicyResolver, TrialChangeResolver } from './policy.js';
import { ProvisioningProgressResolver } from './provisioning-progress.js';
import { DeadLetterResolver, PublisherResolver, RedriveEventsPayloadResolver } from './publisher.js';
import { QuarantinedEventResolver } from './quarantined-event.js';
import { ResourceResolver } from './resource.js';
import { ServiceAccountResolver, ServiceAccountSecretResolver } from './service-account.js';
import { ViewerResolver } from './viewer.js';
import { WebhookDeliveryResolver, WebhookResolver } from './webhook.js';

/** Streams come from the event log's tail; TypeGraphQL only asks that there be something. */
const noPubSub = {
  publish: () => {
    throw new Error('Events are appended to the log, not published here.');
  },
  subscribe: () => {
    throw new Error('Subscriptions read the event log, not this.');
  },
};

/** Builds the executable schema from the resolvers. */
export async function buildSchema(): Promise<GraphQLSchema> {
  const schema = await build({
    resolvers: [
      AccessExplanationResolver,
      AccessPathResolver,
      PendingAccessResolver,
      AccessGrantResolver,
      AccessRequestResolver,
      DecidingPolicyResolver,
      AuditResolver,
      DataContractResolver,
      DataProductResolver,
      DeputyResolver,
      DomainResolver,
      DomainEventResolver,
      EventResolver,
      EventRouteResolver,
      EventPatternTestResolver,
      ForeignGrantResolver,
      NodeResolver,
      PersonalAccessTokenResolver,
      AccessPlanResolver,
      DataContractPlanResolver,
      DataProductPlanResolver,
      PlannedResourceResolver,
      PolicyOutcomeResolver,
      TagChangeResolver,
      PolicyResolver,
      ProvisioningProgressResolver,
      QuarantinedEventResolver,
      TrialChangeResolver,
      PublisherResolver,
      RedriveEventsPayloadResolver,
      DeadLetterResolver,
      ResourceResolver,
      ServiceAccountResolver,
      ServiceAccountSecretResolver,
      ViewerResolver,
      WebhookResolver,
      WebhookDeliveryResolver,
    ],
    orphanedTypes: meshEventTypes,
    validate: false,
    pubSub: noPubSub,
  });
  for (const type of Object.values(schema.getTypeMap())) {
    if (type instanceof GraphQLInputObjectType && ONE_OF.has(type.name)) type.isOneOf = true;
    if (type instanceof GraphQLObjectType) encodeIds(type);
  }
  applyFieldRules(schema);
  return schema;
}

/** Inputs of which exactly one field is given: TypeGraphQL has no option for it. */
const ONE_OF = new Set(['DomainBy', 'DataProductBy']);

/** Rows carry their own id; clients see the global one. */
function encodeIds(type: GraphQLObjectType): void {
  const { id } = type.getFields();
  if (!id || !type.getInterfaces().some(({ name }) => name === 'Node')) return;
  id.resolve = (root: { id: string }) => globalId(type.name as NodeType, root.id);
}
