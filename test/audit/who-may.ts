/** Those who try: of logistics, which gives; of finance, which reads, its requester being a deputy of the steward's; of customer, which has no part in it; and what they sign in with. */
export const PEOPLE = {
  admin: 'ada.admin',
  owner: 'lena.fischer',
  steward: 'tomasz.nowak',
  member: 'elif.kaya',
  requester: 'oskar.lind',
  reader: 'pierre.laurent',
  readerOwner: 'sofia.rossi',
  other: 'amina.diallo',
  outsider: 'otto.outsider',
} as const;
/** `narrow`: a token of the owner's that is good for the catalogue alone; `machine`: a service account, member of logistics. */
export type Who = keyof typeof PEOPLE | 'narrow' | 'machine';

const ADMIN: Who[] = ['admin'];
const OWNERS: Who[] = ['admin', 'owner'];
const STEERS: Who[] = ['admin', 'owner', 'steward'];
const PERSONS: Who[] = Object.keys(PEOPLE) as Who[];

/** Who may do each mutation of the examples: to logistics and its products, with requests of finance. A new mutation fails without a line. */
export const MAY: Record<string, Who[]> = {
  registerDomain: ADMIN,
  updateDomain: OWNERS,
  addDomainMember: OWNERS,
  removeDomainMember: ['admin', 'readerOwner'],
  addEventRoute: STEERS,
  updateEventRoute: STEERS,
  removeEventRoute: STEERS,
  pausePublisher: ADMIN,
  resumePublisher: ADMIN,
  redriveEvents: ADMIN,
  registerWebhook: ADMIN,
  updateWebhook: ADMIN,
  rotateWebhookSecret: ADMIN,
  pingWebhook: ADMIN,
  redeliverWebhook: ADMIN,
  enableWebhook: ADMIN,
  disableWebhook: ADMIN,
  removeWebhook: ADMIN,
  nameDeputy: ['owner', 'steward'],
  endDeputy: ['admin', 'owner', 'steward', 'requester'],
  registerDomainEventType: STEERS,
  removeDomainEventType: STEERS,
  publishDomainEvent: ['admin', 'owner', 'steward', 'member', 'machine'],
  releaseQuarantinedEvent: STEERS,
  discardQuarantinedEvent: STEERS,
  createPolicy: ADMIN,
  draftPolicy: ADMIN,
  activatePolicy: ADMIN,
  deactivatePolicy: ADMIN,
  createPersonalAccessToken: PERSONS,
  revokePersonalAccessToken: ADMIN,
  registerServiceAccount: OWNERS,
  rotateServiceAccountSecret: OWNERS,
  revokeServiceAccountSecret: OWNERS,
  removeServiceAccount: OWNERS,
  registerDataProduct: STEERS,
  updateDataProduct: STEERS,
  publishDataProduct: STEERS,
  importDataContract: STEERS,
  activateDataContract: STEERS,
  requestAccess: ['admin', 'requester', 'reader', 'readerOwner'],
  commentAccessRequest: ['admin', 'owner', 'steward', 'requester', 'reader', 'readerOwner'],
  approveAccessRequest: STEERS,
  rejectAccessRequest: STEERS,
  cancelAccessRequest: ['admin', 'requester'],
  // To bring the end nearer.
  extendAccess: ['admin', 'owner', 'steward', 'requester', 'readerOwner'],
  revokeAccess: ['admin', 'owner', 'steward', 'readerOwner'],
  acknowledgeDrift: STEERS,
  retryResource: STEERS,
  reportProvisioning: ['admin', 'owner', 'steward', 'member', 'machine'],
  deprecateDataProduct: STEERS,
  retireDataProduct: ADMIN,
};
