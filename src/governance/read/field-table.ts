import type { FieldRule } from './field-rules.js';

/** The fields under each rule, by words. */
export type Rules = Partial<Record<FieldRule, string>>;

/** Lists and their ends carry what their nodes' rules let through. */
export const CONNECTION: Rules = { ITSELF: 'edges nodes', WITH_OBJECT: 'pageInfo totalCount facets' };
/** One place in a list. */
export const EDGE: Rules = { ITSELF: 'node', WITH_OBJECT: 'cursor' };

/** What every event has. */
export const EVENT = {
  WITH_OBJECT: 'actor correlationId cursor id occurredAt sequence type version',
  ITSELF: 'domain subject',
};

/** The closed table of all fields of the API; a field that is not in it is in no schema that starts. */
export const TABLE: Record<string, Rules> = {
  Query: {
    SIGNED_IN: `accessGrants accessRequests dataContract dataProduct dataProducts domain domains events foreignGrants node policies
      policy quarantinedEvents resources viewer webhooks`,
    ACTION: `auditTrail deadLetters diffDataContracts explainAccess planAccess planEventRoute previewTagChange publisher testEventPattern
      tryPolicy verifyAuditTrail whoCanAccess`,
  },
  Mutation: {
    ACTION: `acknowledgeDrift activateDataContract activatePolicy addDomainMember addEventRoute approveAccessRequest
      cancelAccessRequest commentAccessRequest createPersonalAccessToken createPolicy deactivatePolicy
      deprecateDataProduct disableWebhook discardQuarantinedEvent draftPolicy enableWebhook endDeputy extendAccess
      importDataContract nameDeputy pausePublisher pingWebhook publishDataProduct publishDomainEvent redeliverWebhook
      redriveEvents registerDataProduct registerDomain registerDomainEventType registerServiceAccount registerWebhook
      rejectAccessRequest releaseQuarantinedEvent removeDomainEventType removeDomainMember removeEventRoute
      removeServiceAccount removeWebhook reportProvisioning requestAccess resumePublisher retireDataProduct retryResource
      revokeAccess revokePersonalAccessToken revokeServiceAccountSecret rotateServiceAccountSecret rotateWebhookSecret
      updateDataProduct updateDomain updateEventRoute updateWebhook`,
  },
  Subscription: {
    SIGNED_IN: 'domainEvents meshEvents',
    ITSELF: 'accessRequestChanged dataProductChanged provisioningProgress',
  },

  // Whoever gives access to a domain, or gets it, needs its account, region and bus; its roles and places are its own.
  Domain: {
    WITH_OBJECT: `accountRevocation awsAccountId awsRegion createdAt description displayName driftPolicy escalateAfter eventBusName foreignGrantPolicy
      health id manageSettings name progress provisioning readyAt remindAfter status updatedAt viewerCanChangeEventRoutes viewerCanChangeMembers viewerCanNameDeputy viewerCanRegisterDataProduct
      viewerCanUpdate viewerRole`,
    ITSELF: 'dataProducts deputies eventRoutes eventTypes members policies resources serviceAccounts webhooks',
    MEMBERS: 'crawlerRoleArn dataAccessRoleArn dataLocation eventTargetRoleArn kmsKeyArn roleArn workflowRoleArn',
    SETUP: 'externalId',
    HELD: 'heldEventCount',
  },
  DomainMember: { WITH_OBJECT: 'createdAt createdBy role subject' },
  DataProduct: {
    WITH_OBJECT: `accessMode classification createdAt deprecatedAt description displayName health id name odcsId owner path
      previousAccessMode progress publishedAt qualityResults qualityScore requestTemplate retiredAt
      schemaChangesPerMonth schemaVersions status tables tags updatedAt viewerCanRequestAccess viewerCanUpdate`,
    ITSELF: 'accessGrants accessRequests contract contracts domain resources viewerAccess',
    MEMBERS: 'provisioningReport',
    ACTION: 'publishPlan retirePlan',
  },
  ProductTable: { WITH_OBJECT: 'columns description format location name' },
  ProductColumn: { WITH_OBJECT: 'classification description name partition pii primaryKey required type' },
  ProvisioningReport: { WITH_OBJECT: 'message reportedAt reportedBy status tables' },
  RequestTemplate: { WITH_OBJECT: 'createdAt questions version' },
  SchemaVersion: { WITH_OBJECT: 'createdAt number source tables violations' },
  SchemaViolation: { WITH_OBJECT: 'kind message path' },
  DataContract: {
    WITH_OBJECT: `activatedAt apiVersion createdAt createdBy document format id name notes odcsId quality revision sla status
      version warnings`,
    ITSELF: 'dataProduct',
    ACTION: 'activationPlan',
  },
  ContractChange: { WITH_OBJECT: 'breaking kind message path' },
  ContractDiff: { WITH_OBJECT: 'changes compatible', ITSELF: 'affectedGrants' },
  ContractViolation: { WITH_OBJECT: 'path reason' },
  QualityRule: { WITH_OBJECT: 'column description dimension query rule severity table thresholds type unit' },
  SlaProperty: { WITH_OBJECT: 'driver element property unit value' },

  AccessRequest: {
    WITH_OBJECT: `accessMode approvals columns createdAt decidedAt decidedBy decidedFor escalatedAt escalatedTo expiresAt extension grantTo id namedPurpose permissions
      purpose requestTemplate requestedBy status tables updatedAt viewerCanApprove viewerCanCancel viewerCanReject waitingSince`,
    ITSELF: 'accessGrant consumerDomain dataProduct',
    DETAILS: 'answers comment comments decision plan principals rowFilter',
  },
  AccessApproval: { WITH_OBJECT: 'approvedBy approvedFor createdAt expiresAt role standing', DETAILS: 'comment' },
  AccessApprovals: { WITH_OBJECT: 'given required' },
  RequiredApprovals: { WITH_OBJECT: 'owners stewards' },
  AccessDecision: { WITH_OBJECT: 'decidedAt outcome policies reasons version' },
  DecidingPolicy: { WITH_OBJECT: 'domain id name reasons version' },
  AccessRequestComment: { WITH_OBJECT: 'at author text' },
  AccessGrant: {
    WITH_OBJECT: `createdAt expiresAt grantedAt id progress revokedAt revokedBy status updatedAt viewerCanExtend
      viewerCanRevoke withheldColumns`,
    ITSELF: 'accessRequest consumerDomain dataProduct pendingExtension resources',
    DETAILS: 'health howToQuery reason',
  },
  HowToQuery: { WITH_OBJECT: 'athenaSql database iamPolicy table tables' },
  QueryTable: { WITH_OBJECT: 'athenaSql columns table' },
  AccessExplanation: { WITH_OBJECT: 'allowed pending principal reason tables' },
  TableAccess: { WITH_OBJECT: 'allowed columns name reason rowFilter through' },
  ColumnAccess: { WITH_OBJECT: 'allowed name through' },
  AccessPath: {
    WITH_OBJECT: 'columns decidedAt decidedBy decidedFor filter kind policy purpose status tagExpression',
    ITSELF: 'accessGrant accessRequest',
  },
  PendingAccess: { WITH_OBJECT: 'reason status', ITSELF: 'accessGrant accessRequest' },
  PrincipalAccess: { WITH_OBJECT: 'allowed explanation principal reason tables' },

  AccessPlan: { WITH_OBJECT: 'counts digest policy refusals resources warnings', STEERS: 'quotas' },
  DataProductPlan: { WITH_OBJECT: 'counts digest refusals resources warnings', STEERS: 'quotas' },
  EventRoutePlan: { WITH_OBJECT: 'counts digest refusals resources warnings', STEERS: 'quotas' },
  PlannedCount: { WITH_OBJECT: 'action count kind' },
  PlannedResource: { WITH_OBJECT: 'action kind repairs', STEERS: 'account after awsCalls before diff key region' },
  PlannedAwsCall: { WITH_OBJECT: 'operation parameters quota service' },
  QuotaHeadroom: { WITH_OBJECT: 'account headroom limit name planned scope source used' },
  PolicyOutcome: {
    WITH_OBJECT: 'decision outcome policies reasons required version viewerMayDecide whoMayDecide',
  },
  TagChangePreview: { WITH_OBJECT: 'gains losses plan' },
  AccessChange: { WITH_OBJECT: 'columns principal table', ITSELF: 'through' },

  Policy: {
    WITH_OBJECT: 'createdAt createdBy description id name scope updatedAt viewerCanChange',
    ITSELF: 'active domain versions',
  },
  PolicyVersion: {
    WITH_OBJECT: `activatedAt activatedBy createdAt createdBy digest number source statements status supersededAt supersededBy`,
  },
  PolicyTrial: { WITH_OBJECT: 'changes endCursor examined hasNextPage' },
  TrialChange: { WITH_OBJECT: 'after before', ITSELF: 'accessRequest' },
  TriedDecision: { WITH_OBJECT: 'outcome policies reasons required' },

  Resource: {
    WITH_OBJECT: `account attempts correlationId createdAt desired drift generation id key kind lastError nextAttemptAt observed
      observedAt observedGeneration region spec status unhealthySince updatedAt`,
    ITSELF: 'claims dependsOn foreignGrants',
  },
  ResourceClaim: { WITH_OBJECT: 'createdAt released spec', ITSELF: 'owner' },
  ResourceDrift: { WITH_OBJECT: 'acknowledgedAt acknowledgedBy differences foundAt observed reason' },
  ResourceError: { WITH_OBJECT: 'awsRequestId code message' },
  ForeignGrant: {
    WITH_OBJECT: `account acknowledgedAt acknowledgedBy firstSeenAt grantable id lastError lastSeenAt permissions principal reason
      region resource status tries`,
    ITSELF: 'object',
  },
  Health: { WITH_OBJECT: 'reasons since status' },
  HealthReason: { WITH_OBJECT: 'code since', ITSELF: 'resource', TRIMMED: 'message' },
  Progress: { WITH_OBJECT: 'failed ready total' },

  EventRoute: {
    WITH_OBJECT:
      'createdAt createdBy description effectivePattern health id name pattern queueStatements targets updatedAt viewerCanChange',
    ITSELF: 'domain rule',
  },
  EventPatternTest: { WITH_OBJECT: 'effectivePattern endCursor examined hasNextPage', ITSELF: 'events' },
  Publisher: {
    WITH_OBJECT: `deadLetterCount eventsBehind failedTries failingSince failureCode failureMessage id oldestUnsentAt oldestUnsentSeconds pauseReason paused pausedAt pausedBy position
      secondsBehind`,
  },
  DeadLetter: {
    WITH_OBJECT: `attempts code createdAt detailType entry eventId id message redrive redrivenBy refusedAt sentAt sequence status type`,
    ITSELF: 'event',
  },
  Actor: { WITH_OBJECT: 'kind name subject' },
  AuditEntry: {
    WITH_OBJECT: `about action actor after before causationId correlationId data decision hash id occurredAt sequence`,
  },
  AuditActor: { WITH_OBJECT: 'address kind name subject tokenId' },
  AuditSubject: { WITH_OBJECT: 'domain id name type' },
  AuditVerification: { WITH_OBJECT: 'anchorsCompared fault firstBad intact next verifiedTo' },

  Deputy: {
    WITH_OBJECT: 'createdAt deputy endedAt endedBy from id inForce role standsInFor until viewerCanEnd',
    ITSELF: 'domain',
  },
  Webhook: {
    WITH_OBJECT: `createdAt createdBy disabledAt disabledReason failingSince filter id name pausedUntil previousSecretEndsAt removedAt removedBy
      status url`,
    ITSELF: 'deliveries domain',
  },
  WebhookDelivery: { WITH_OBJECT: 'attempts createdAt eventType id kind messageId nextAttemptAt sequence status' },
  WebhookAttempt: { WITH_OBJECT: 'error milliseconds number startedAt statusCode' },

  Viewer: {
    WITH_OBJECT: 'actions admin groups memberships name scopes signIn subject',
    ITSELF: 'deputies deputyFor serviceAccount',
    TOKENS: 'tokens',
  },
  SignIn: { WITH_OBJECT: 'expiresAt issuer kind tokenId' },
  Membership: { WITH_OBJECT: 'actions role', ITSELF: 'domain' },
  PersonalAccessToken: { WITH_OBJECT: 'createdAt expiresAt id lastUsedAt name revokedAt revokedBy scopes subject' },
  ServiceAccount: {
    WITH_OBJECT: 'createdAt createdBy description id issuer issuerSubject name removedAt removedBy secrets subject',
    ITSELF: 'domain',
  },
  ServiceAccountSecret: { WITH_OBJECT: 'createdAt createdBy expiresAt id lastUsedAt revokedAt revokedBy' },

  DomainEventType: {
    WITH_OBJECT: 'createdAt createdBy description detailType id removedAt removedBy schema version versions visibility',
    ITSELF: 'domain',
  },
  DomainEventTypeVersion: { WITH_OBJECT: 'createdAt createdBy number schema' },
  QualityResult: { WITH_OBJECT: 'evaluatedAt resultId rulesFailed rulesSkipped rulesSucceeded score state table' },
  QuarantinedEvent: {
    WITH_OBJECT:
      'account body bytes comment detailType eventId explanation id reason receivedAt resolvedAt resolvedBy source status',
    ITSELF: 'domain',
  },
  PublishDomainEventPayload: { WITH_OBJECT: 'eventId', ITSELF: 'domain' },
  ProvisioningProgress: { WITH_OBJECT: 'failed leaving ready state total', ITSELF: 'failures owner' },
  PageInfo: { WITH_OBJECT: 'endCursor hasNextPage hasPreviousPage startCursor' },
  Facet: { WITH_OBJECT: 'field values' },
  FacetValue: { WITH_OBJECT: 'count value' },
  ConflictError: { WITH_OBJECT: 'code message' },
  ForbiddenError: { WITH_OBJECT: 'code message' },
  NotFoundError: { WITH_OBJECT: 'code message' },
  PolicyDeniedError: { WITH_OBJECT: 'code message policies' },
  StateError: { WITH_OBJECT: 'code message state' },
  ValidationError: { WITH_OBJECT: 'code message path violations' },
  CreatePersonalAccessTokenPayload: { ITSELF: 'personalAccessToken', WITH_OBJECT: 'replayed secret' },
  RegisterServiceAccountPayload: { ITSELF: 'serviceAccount', WITH_OBJECT: 'replayed secret' },
  RedriveEventsPayload: { ITSELF: 'deadLetters publisher', WITH_OBJECT: 'count redrive' },
  ResumePublisherPayload: { ITSELF: 'publisher', WITH_OBJECT: 'leftOut' },
  EventNumbers: { WITH_OBJECT: 'first last' },
  RegisterWebhookPayload: { ITSELF: 'webhook', WITH_OBJECT: 'replayed secret' },
  RotateWebhookSecretPayload: { ITSELF: 'webhook', WITH_OBJECT: 'replayed secret' },
  RotateServiceAccountSecretPayload: { ITSELF: 'serviceAccount', WITH_OBJECT: 'replayed secret' },
};

/** What was changed, read back as the viewer may see it: a payload's other fields would need a row of their own. */
export const PAYLOAD: Rules = {
  ITSELF: `accessGrant accessRequest dataContract dataProduct deputy domain domainEventType eventRoute foreignGrant personalAccessToken
    policy publisher quarantinedEvent resource serviceAccount webhook webhookDelivery`,
};
