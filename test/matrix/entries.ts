import { SECRETS } from './cast.js';

type Ids = Record<string, string>;

/** Where an object is met. */
export interface Entry {
  type: string;
  /** Under which name its fields are listed: the type's, or `Type(which)` where some see another one of the type. */
  label: string;
  /** `*` stands for all its fields. */
  document: (ids: Ids) => string;
  /** Where it stands in the answer, below `it`. */
  at: string[];
}

/** Objects that have an id, by the name that the scene gives it. */
const NODES: [label: string, id: string][] = [
  ['Domain', 'logistics'],
  ['DataProduct', 'shipments'],
  ['DataProduct(draft)', 'draft'],
  ['DataContract', 'contract'],
  ['DataContract', 'imported'],
  ['DataContract(draft)', 'draftContract'],
  ['AccessRequest', 'decided'],
  ['AccessRequest', 'pending'],
  ['AccessRequest', 'deputized'],
  ['AccessRequest(others)', 'othersRequest'],
  ['AccessGrant', 'grant'],
  ['AccessGrant', 'ended'],
  ['AccessGrant(others)', 'othersGrant'],
  ['Resource', 'resource'],
  ['Resource(others)', 'othersResource'],
  ['ForeignGrant', 'foreign'],
  ['Policy', 'policy'],
  ['Policy(draft)', 'draftPolicy'],
  ['EventRoute', 'route'],
  ['DeadLetter', 'letter'],
  ['Deputy', 'pastDeputy'],
  ['DomainEventType', 'eventType'],
  ['DomainEventType(mesh)', 'meshType'],
  ['ServiceAccount', 'machine'],
  ['ServiceAccount', 'bound'],
  ['PersonalAccessToken', 'token'],
  ['PersonalAccessToken', 'spent'],
  ['Webhook', 'webhook'],
  ['Webhook(mesh)', 'meshWebhook'],
  ['QuarantinedEvent', 'quarantined'],
  ['QuarantinedEvent(nobody)', 'nobodysEvent'],
];

const typeOf = (label: string): string => label.replace(/\(.+\)$/, '');

/** Answers of the root, and who they are of. */
const ANSWERS: [type: string, field: (ids: Ids) => string][] = [
  ['AccessRequestConnection', () => 'accessRequests(first: 20)'],
  ['AccessGrantConnection', () => 'accessGrants(first: 20)'],
  ['DataProductConnection', () => 'dataProducts(first: 20, search: "shipments")'],
  ['DomainConnection', () => 'domains(first: 20)'],
  ['ForeignGrantConnection', () => 'foreignGrants(first: 20)'],
  ['PolicyConnection', () => 'policies(first: 20)'],
  ['ResourceConnection', () => 'resources(first: 20)'],
  ['WebhookConnection', () => 'webhooks(first: 20)'],
  ['MeshEventConnection', () => 'events(first: 20)'],
  // The examples are the newest entries; before them somebody did something himself.
  ['AuditEntryConnection', () => 'auditTrail(first: 100)'],
  ['AuditVerification', () => 'verifyAuditTrail'],
  ['Publisher', () => 'publisher'],
  ['QuarantinedEventConnection', () => 'quarantinedEvents(first: 20)'],
  ['DeadLetterConnection', () => 'deadLetters(first: 20)'],
  [
    'EventPatternTest',
    (ids) =>
      `testEventPattern(first: 20, domain: "${ids.logistics}", pattern: { detail: { subject: { name: ["shipments"] } } })`,
  ],
  [
    'EventRoutePlan',
    (ids) =>
      `planEventRoute(input: { domain: "${ids.logistics}", name: "planned", pattern: { time: [{ prefix: "2" }] },
        targets: ["arn:aws:sqs:eu-west-1:333344445555:matrix"] })`,
  ],
  ['ContractDiff', (ids) => `diffDataContracts(from: "${ids.contract}", to: "${ids.imported}")`],
  ['AccessExplanation', (ids) => `explainAccess(dataProduct: "${ids.shipments}", principal: "${SECRETS.principal}-2")`],
  ['AccessExplanation', (ids) => `explainAccess(dataProduct: "${ids.shipments}", principal: "${SECRETS.principal}")`],
  [
    'AccessExplanation',
    (ids) => `explainAccess(dataProduct: "${ids.punctuality}", principal: "arn:aws:iam::444455556666:role/analysts")`,
  ],
  ['PrincipalAccessConnection', (ids) => `whoCanAccess(dataProduct: "${ids.shipments}", first: 20)`],
  ['PolicyTrial', (ids) => `tryPolicy(first: 20, input: { policy: "${ids.policy}", version: 3 })`],
  [
    'TagChangePreview',
    (ids) => `previewTagChange(input: { dataProduct: "${ids.punctuality}", classification: RESTRICTED })`,
  ],
  [
    'AccessPlan',
    (ids) =>
      `planAccess(input: { dataProduct: "${ids.orders}", consumerDomain: "${ids.finance}", principals: ["${SECRETS.principal}"],
        grantTo: ACCOUNT, purpose: "Bills" })`,
  ],
];

/** Where each object that has an id is met, and each answer of the root that is none. */
export const ENTRIES: Entry[] = [
  ...NODES.map(([label, id]) => ({
    ...{ label, type: typeOf(label), at: [] },
    document: (ids: Ids) => `{ it: node(id: "${ids[id]}") { ... on ${typeOf(label)} { * } } }`,
  })),
  { type: 'Viewer', label: 'Viewer', at: [], document: () => '{ it: viewer { * } }' },
  { type: 'MeshEvent', label: 'MeshEvent', at: ['nodes'], document: () => '{ it: events(first: 50) { nodes { * } } }' },
  {
    ...{ type: 'Deputy', label: 'Deputy', at: ['deputies'] },
    document: () => '{ it: domain(by: { name: "logistics" }) { deputies { * } } }',
  },
  ...ANSWERS.map(([type, field]) => ({
    ...{ type, label: type, at: [] },
    document: (ids: Ids) => `{ it: ${field(ids)} { * } }`,
  })),
];

/** Types that are asked for in their own name. */
export const APART: ReadonlySet<string> = new Set(
  ENTRIES.map(({ type }) => type).filter((type) => !type.endsWith('Connection')),
);
