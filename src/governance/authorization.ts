import type { DataProductStatus, DomainRole } from '../generated/prisma/client.js';
import type { Deputyship, SignIn, Viewer } from './context.js';
import { forbidden, notFound } from './error.js';
import { refusalOf, tokenAllows } from './token-scope.js';

/**
 * Who may do what (design: security.md, Authorization). One closed list of actions, one table of rules, one `assertCan`.
 *
 * Who sees what; the read side states the same in SQL:
 *
 * | object                     | seen by                                                                               |
 * | -------------------------- | ------------------------------------------------------------------------------------- |
 * | Domain                     | everybody signed in                                                                   |
 * | DataProduct, DataContract  | PUBLISHED and DEPRECATED: everybody signed in; DRAFT, PUBLISHING and RETIRED: members |
 * |                            | of its domain, whatever their role, and admins                                        |
 * | AccessRequest, AccessGrant | the requester, members of the product's and of the consumer's domain, deputies of the |
 * |                            | former's owners and stewards, admins                                                  |
 * | - details of them          | the requester, members of the consumer's domain, owners and stewards of the product's |
 * |                            | and their deputies, admins                                                            |
 * | Deputy                     | members of the domain, himself, admins                                                |
 * | Resource                   | owners and stewards of a domain that claims it: by itself, by a product, or by a grant |
 * |                            | that it gives or has; admins                                                          |
 * | ForeignGrant               | as the resource that it is on                                                         |
 * | Policy                     | everybody signed in, once a version was activated; drafts: those who may change it    |
 * | ServiceAccount             | owners of its domain, itself, admins                                                  |
 * | PersonalAccessToken        | whose it is, admins                                                                   |
 * | EventRoute                 | members of its domain, admins                                                         |
 * | Publisher, DeadLetter      | admins                                                                                |
 * | Webhook                    | owners and stewards of its domain, admins; of the whole mesh: admins                   |
 * | DomainEventType            | members of its domain and admins; of which the whole mesh hears, everybody signed in  |
 * | QuarantinedEvent           | owners and stewards of the domain of its account, admins                              |
 *
 * A token of Meshgate's narrows all of this to its scopes (token-scope.ts): what it is not good for is not seen, and not done.
 */
export interface Subjects {
  Mesh: { type: 'Mesh' };
  Domain: { type: 'Domain'; id: string };
  DataProduct: { type: 'DataProduct'; domainId: string; status: DataProductStatus };
  /** Rules of one domain for its own products, or (null) of the whole mesh. */
  Policy: { type: 'Policy'; domainId: string | null };
  /** A request or the grant that came of it. */
  Access: { type: 'Access'; requestedBy: string; productDomainId: string; consumerDomainId: string };
  /** `domainIds`: the domains that claim it; of a grant, both. `deciderIds`: those whose word counts where it is not as it must be. */
  Resource: { type: 'Resource'; domainIds: readonly string[]; deciderIds?: readonly string[] };
  Deputy: { type: 'Deputy'; domainId: string; standsInFor: string; deputy: string };
  /** A receiver of the events of one domain, or (null) of the whole mesh. */
  Webhook: { type: 'Webhook'; domainId: string | null };
  /** A personal access token: of whom. */
  Token: { type: 'Token'; subject: string };
  /** An event that came in and is held; null: from an account of no domain. */
  QuarantinedEvent: { type: 'QuarantinedEvent'; domainId: string | null };
}

type Rule<S extends keyof Subjects> = { on: S; may: (viewer: Viewer, subject: Subjects[S]) => boolean };
const rule = <S extends keyof Subjects>(on: S, may: Rule<S>['may']): Rule<S> => ({ on, may });

const STEERS: readonly DomainRole[] = ['OWNER', 'STEWARD'];
const roleIn = (viewer: Viewer, domainId: string) => viewer.memberships.get(domainId);
const belongs = (viewer: Viewer, domainId: string) => viewer.admin || viewer.memberships.has(domainId);
const owns = (viewer: Viewer, domainId: string) => viewer.admin || roleIn(viewer, domainId) === 'OWNER';
const isSteering = (role: DomainRole) => STEERS.includes(role);
const steers = (viewer: Viewer, domainId: string) => {
  const role = roleIn(viewer, domainId);
  return viewer.admin || (role !== undefined && isSteering(role));
};

const steersProduct = rule('DataProduct', (viewer, { domainId }) => steers(viewer, domainId));
/** Nobody decides his own request, admins included; nor does his deputy for him. */
const decides = rule(
  'Access',
  (viewer, access) => decidesHimself(viewer, access) || deputyshipsFor(viewer, access).length > 0,
);
const seesAccess = rule(
  'Access',
  (viewer, { requestedBy, productDomainId, consumerDomainId }) =>
    viewer.subject === requestedBy ||
    belongs(viewer, productDomainId) ||
    belongs(viewer, consumerDomainId) ||
    isDeputyIn(viewer, productDomainId),
);
/** What may be kept even from members of the product's domain who decide nothing: principals, filters of rows, answers, what was said. */
const readsDetails = rule(
  'Access',
  (viewer, { requestedBy, productDomainId, consumerDomainId }) =>
    viewer.subject === requestedBy ||
    steers(viewer, productDomainId) ||
    belongs(viewer, consumerDomainId) ||
    isDeputyIn(viewer, productDomainId),
);
const steersResource = rule(
  'Resource',
  (viewer, { domainIds }) => viewer.admin || domainIds.some((id) => steers(viewer, id)),
);
/** Who has access never decides that it may be wider than was granted. */
const decidesResource = rule(
  'Resource',
  (viewer, { deciderIds }) => viewer.admin || (deciderIds ?? []).some((id) => steers(viewer, id)),
);

/** Deputies too, who may have no other part in the domain. */
const seesDeputy = rule(
  'Deputy',
  (viewer, { domainId, standsInFor, deputy }) =>
    belongs(viewer, domainId) || viewer.subject === standsInFor || viewer.subject === deputy,
);

const ownToken = (viewer: Viewer, { subject }: Subjects['Token']) => viewer.admin || viewer.subject === subject;
const steersPolicy = rule(
  'Policy',
  (viewer, { domainId }) => viewer.admin || (domainId !== null && steers(viewer, domainId)),
);

const steersWebhook = rule(
  'Webhook',
  (viewer, { domainId }) => viewer.admin || (domainId !== null && steers(viewer, domainId)),
);
const steersQuarantine = rule(
  'QuarantinedEvent',
  (viewer, { domainId }) => viewer.admin || (domainId !== null && steers(viewer, domainId)),
);

const RULES = {
  'domain:register': rule('Mesh', (viewer) => viewer.admin),
  'domain:read': rule('Domain', () => true),
  'domain:read-members': rule('Domain', (viewer, { id }) => belongs(viewer, id)),
  'domain:change-members': rule('Domain', (viewer, { id }) => owns(viewer, id)),
  'domain:update': rule('Domain', (viewer, { id }) => owns(viewer, id)),
  /** Whose hands Meshgate has in the account. */
  'domain:update-role': rule('Domain', (viewer) => viewer.admin),
  /** The external id and what else only those who set up the account's role need. */
  'domain:read-setup': rule('Domain', (viewer, { id }) => owns(viewer, id)),
  /** Which of its events go where. */
  'domain:change-routes': rule('Domain', (viewer, { id }) => steers(viewer, id)),
  'domain:read-service-accounts': rule('Domain', (viewer, { id }) => owns(viewer, id)),
  'domain:change-service-accounts': rule('Domain', (viewer, { id }) => owns(viewer, id)),
  /** Of which events it tells the mesh, and what they look like. */
  'domain:change-event-types': rule('Domain', (viewer, { id }) => steers(viewer, id)),
  /** The word of a domain's business; its service accounts are members. */
  'domain:publish-event': rule('Domain', (viewer, { id }) => belongs(viewer, id)),
  'data-product:register': rule('Domain', (viewer, { id }) => steers(viewer, id)),
  'data-product:read': rule(
    'DataProduct',
    (viewer, { status, domainId }) => status === 'PUBLISHED' || status === 'DEPRECATED' || belongs(viewer, domainId),
  ),
  /** Who can read it, and why: all principals; members of a domain ask for those of their own account. */
  'data-product:explain': steersProduct,
  'data-product:update': steersProduct,
  /** Sensitive data becomes less: what two people have to approve is not opened by one of them alone. */
  'data-product:declassify': rule('DataProduct', (viewer, { domainId }) => owns(viewer, domainId)),
  'data-product:publish': steersProduct,
  'data-product:deprecate': steersProduct,
  'data-product:retire': steersProduct,
  /** The word of a domain that provisions for itself; its service accounts are members. */
  'data-product:report-provisioning': rule('DataProduct', (viewer, { domainId }) => belongs(viewer, domainId)),
  'data-contract:import': steersProduct,
  'data-contract:activate': steersProduct,
  /** On the domain that the request is made for. */
  'access-request:create': rule('Domain', (viewer, { id }) => belongs(viewer, id)),
  'access-request:read': seesAccess,
  'access-request:read-details': readsDetails,
  /** Who reads what was said about a request may say something himself, whatever has become of it. */
  'access-request:comment': readsDetails,
  'access-request:approve': decides,
  'access-request:reject': decides,
  'access-request:cancel': rule('Access', (viewer, { requestedBy }) => viewer.admin || viewer.subject === requestedBy),
  'access-grant:read': seesAccess,
  /** Those who may ask for it now, and those who may decide; whether an approval is needed besides depends on the end asked for. */
  'access-grant:extend': rule(
    'Access',
    (viewer, { productDomainId, consumerDomainId }) =>
      belongs(viewer, consumerDomainId) || steers(viewer, productDomainId),
  ),
  /** The consumer's owner may give a grant up. */
  'access-grant:revoke': rule(
    'Access',
    (viewer, { productDomainId, consumerDomainId }) =>
      steers(viewer, productDomainId) || owns(viewer, consumerDomainId),
  ),
  /** For oneself: who has no role of his own in the domain has nothing to hand over. People alone decide. */
  'deputy:name': rule(
    'Domain',
    (viewer, { id }) => viewer.signIn.kind === 'PERSON' && steers({ ...viewer, admin: false }, id),
  ),
  'deputy:read': seesDeputy,
  'deputy:end': rule(
    'Deputy',
    (viewer, { domainId, standsInFor, deputy }) =>
      viewer.subject === standsInFor || viewer.subject === deputy || owns(viewer, domainId),
  ),
  'webhook:read': steersWebhook,
  /** A way out for events that outlives whoever made it. */
  'webhook:change': steersWebhook,
  'policy:draft': steersPolicy,
  'policy:activate': steersPolicy,
  /** On past requests for the products that it is about. */
  'policy:try': steersPolicy,
  'resource:read': steersResource,
  'resource:retry': steersResource,
  /** What somebody else made under its name is changed. */
  'resource:take-over': decidesResource,
  /** What concerns a domain is read by those who steer it, all of it by admins: the read side shows each his part. */
  'audit:list': rule('Mesh', (viewer) => viewer.admin || [...viewer.memberships.values()].some(isSteering)),
  'audit:verify': rule('Mesh', (viewer) => viewer.admin),
  /** How far the log has come on its way to EventBridge, and what was refused there. */
  'publisher:inspect': rule('Mesh', (viewer) => viewer.admin),
  'publisher:operate': rule('Mesh', (viewer) => viewer.admin),
  /** Also for a grant that no claim explains, on the object that it is on. */
  'resource:acknowledge-drift': decidesResource,
  /** Machines have service accounts: a personal token is a person's. */
  'quarantined-event:read': steersQuarantine,
  /** Releases or discards it. */
  'quarantined-event:resolve': steersQuarantine,
  'token:create': rule('Mesh', ({ signIn }) => signIn.kind === 'PERSON'),
  'token:read': rule('Token', ownToken),
  'token:revoke': rule('Token', ownToken),
};

/** The closed list of actions. */
export type Action = keyof typeof RULES;
/** What an action is done to. */
type SubjectOf<A extends Action> = (typeof RULES)[A] extends Rule<infer S> ? Subjects[S] : never;
export const ACTIONS = Object.keys(RULES) as Action[];

/** Whether the viewer may do this to that: the `viewerCan...` fields. Says nothing about the state that the object is in. */
export function can<A extends Action>(viewer: Viewer, action: A, subject: SubjectOf<A>): boolean {
  const { may } = RULES[action] as unknown as { may: (viewer: Viewer, subject: SubjectOf<A>) => boolean };
  return tokenAllows(viewer, action) && isAllowedTo(viewer, action) && may(viewer, subject);
}

/** What people alone decide: else who runs a machine, or made its secret, would be two people. */
const OF_PEOPLE: ReadonlySet<Action> = new Set([
  'access-request:approve',
  'access-request:reject',
  'data-product:declassify',
  'policy:draft',
  'policy:activate',
]);

/** Whether a sign-in is somebody's own, by an issuer for people or by a token of his. */
export function isPerson({ kind }: Pick<SignIn, 'kind'>): boolean {
  return kind === 'PERSON' || kind === 'PERSONAL_ACCESS_TOKEN';
}

/** Whether the sort of sign-in stands against the action: machines decide nothing. */
const isAllowedTo = ({ signIn }: Viewer, action: Action): boolean => isPerson(signIn) || !OF_PEOPLE.has(action);

/** The action that seeing a subject is; the mesh itself hides from nobody. */
const SEEING = {
  Mesh: null,
  Domain: 'domain:read',
  DataProduct: 'data-product:read',
  Access: 'access-request:read',
  Policy: null,
  Webhook: null,
  Resource: 'resource:read',
  Deputy: 'deputy:read',
  Token: 'token:read',
  QuarantinedEvent: 'quarantined-event:read',
} as const satisfies Record<keyof Subjects, Action | null>;

/**
 * Throws unless the viewer may. What he may not see is NOT_FOUND, like what is not there; what he sees and may not
 * change is FORBIDDEN.
 */
export function assertCan<A extends Action>(viewer: Viewer, action: A, subject: SubjectOf<A>): void {
  if (can(viewer, action, subject)) return;
  const seeing = SEEING[subject.type];
  if (action.endsWith(':read') || (seeing !== null && !can(viewer, seeing, subject as never)))
    throw notFound(NAMES[subject.type]);
  assertTokenAllows(viewer, action);
  if (!isAllowedTo(viewer, action)) throw forbidden(PEOPLE_DECIDE);
  const decided = subject.type === 'Access' && subject.requestedBy === viewer.subject && DECISIONS.has(action);
  throw forbidden(
    decided ? 'Nobody decides his own request: ask another owner or steward of the domain.' : REFUSALS[action],
  );
}

/** Whether the viewer's own role lets him decide; whether his token does is another matter. */
export function decidesHimself(viewer: Viewer, { requestedBy, productDomainId }: Subjects['Access']): boolean {
  return viewer.subject !== requestedBy && steers(viewer, productDomainId);
}

/** For whom the viewer may decide a request: never what he or that one asked for. Owners come first. */
export function deputyshipsFor(
  viewer: Viewer,
  { requestedBy, productDomainId }: Pick<Subjects['Access'], 'requestedBy' | 'productDomainId'>,
): Deputyship[] {
  // Whoever may decide everything does so as himself.
  if (viewer.admin || viewer.subject === requestedBy) return [];
  return (viewer.deputyships ?? [])
    .filter(({ domainId, standsInFor }) => domainId === productDomainId && standsInFor !== requestedBy)
    .sort((a, b) => Number(b.role === 'OWNER') - Number(a.role === 'OWNER'));
}

/** Whether the viewer stands in for somebody in the domain now. */
export function isDeputyIn({ deputyships = [] }: Viewer, domainId: string): boolean {
  return deputyships.some((deputyship) => deputyship.domainId === domainId);
}

/** Throws FORBIDDEN where the viewer's token is not good for the action, whatever it is done to. */
export function assertTokenAllows(viewer: Viewer, action: Action): void {
  if (!tokenAllows(viewer, action)) throw forbidden(refusalOf(action));
}

/** The mesh-wide actions that the viewer may do. */
export function meshActions(viewer: Viewer): Action[] {
  return ACTIONS.filter((action) => RULES[action].on === 'Mesh' && can(viewer, action, { type: 'Mesh' } as never));
}

/** The actions that the viewer may do to a domain and to what is its own; access as its producer and consumer, asked for by somebody else. */
export function domainActions(viewer: Viewer, domainId: string): Action[] {
  const subjects: Partial<Subjects> = {
    Domain: { type: 'Domain', id: domainId },
    DataProduct: { type: 'DataProduct', domainId, status: 'DRAFT' },
    Access: { type: 'Access', requestedBy: '', productDomainId: domainId, consumerDomainId: domainId },
    Resource: { type: 'Resource', domainIds: [domainId], deciderIds: [domainId] },
    Policy: { type: 'Policy', domainId },
    Webhook: { type: 'Webhook', domainId },
    QuarantinedEvent: { type: 'QuarantinedEvent', domainId },
  };
  return ACTIONS.filter((action) => {
    const subject = subjects[RULES[action].on];
    return subject !== undefined && can(viewer, action, subject as never);
  });
}

const DECISIONS: ReadonlySet<Action> = new Set(['access-request:approve', 'access-request:reject']);

/** How a message calls what is not there. */
const NAMES: Record<keyof Subjects, string> = {
  Mesh: 'The mesh',
  Domain: 'The domain',
  DataProduct: 'The data product',
  Access: 'The access request or grant',
  Policy: 'The policy',
  Webhook: 'The webhook',
  Resource: 'The resource',
  Deputy: 'The deputy',
  Token: 'The token',
  QuarantinedEvent: 'The event',
};

const PEOPLE_DECIDE = 'People decide this: neither a service account nor another machine does; sign in as a person.';
const DOMAIN_STEERS = "only owners and stewards of the product's domain and platform admins may.";
const DECIDERS =
  "only owners and stewards of the product's domain, deputies of those who did not ask for it, and platform admins may.";
const CONCERNED =
  "only who asked, members of the consumer's domain, owners and stewards of the product's domain, their deputies and platform admins may.";
const POLICY_STEERS = "policies of the whole mesh are platform admins', those of a domain its owners' and stewards'.";
/** What who may not is told. */
export const REFUSALS: Record<Action, string> = {
  'domain:register': 'You may not register domains: only platform admins may.',
  'domain:read': 'You may not see this domain.',
  'domain:read-members': 'You may not see the members of this domain: only its members and platform admins may.',
  'domain:change-members': 'You may not change the members of this domain: only its owners and platform admins may.',
  'domain:update': 'You may not change this domain: only its owners and platform admins may.',
  'domain:update-role': 'You may not change the role that Meshgate assumes: only platform admins may.',
  'domain:read-setup': 'You may not see how this domain is connected: only its owners and platform admins may.',
  'domain:change-routes':
    'You may not route the events of this domain: only its owners, stewards and platform admins may.',
  'domain:read-service-accounts':
    'You may not see the service accounts of this domain: only its owners and platform admins may.',
  'domain:change-service-accounts':
    'You may not change the service accounts of this domain: only its owners and platform admins may.',
  'domain:change-event-types':
    'You may not change of which events this domain tells: only its owners and stewards and platform admins may.',
  'domain:publish-event': 'You may not tell events of this domain: only its members and platform admins may.',
  'data-product:register':
    'You may not register products here: only owners and stewards of the domain and platform admins may.',
  'data-product:read': 'You may not see this data product.',
  'data-product:explain': `You may not see who can read this data product: ${DOMAIN_STEERS}`,
  'data-product:update': `You may not change this data product: ${DOMAIN_STEERS}`,
  'data-product:declassify':
    'You may not lower the classification of CONFIDENTIAL or RESTRICTED data, nor take the mark of personal data from a column: only owners of the domain and platform admins may.',
  'data-product:publish': `You may not publish this data product: ${DOMAIN_STEERS}`,
  'data-product:deprecate': `You may not deprecate this data product: ${DOMAIN_STEERS}`,
  'data-product:retire': `You may not retire this data product: ${DOMAIN_STEERS}`,
  'data-product:report-provisioning':
    'You may not report for this data product: only members of its domain and platform admins may.',
  'data-contract:import': `You may not import contracts of this data product: ${DOMAIN_STEERS}`,
  'data-contract:activate': `You may not activate contracts of this data product: ${DOMAIN_STEERS}`,
  'access-request:create': 'You may not request access for this domain: only its members and platform admins may.',
  'access-request:read': 'You may not see this access request.',
  'access-request:read-details': `You may not see the details of this request: ${CONCERNED}`,
  'access-request:comment': `You may not comment on this request: ${CONCERNED}`,
  'access-request:approve': `You may not approve this request: ${DECIDERS}`,
  'access-request:reject': `You may not reject this request: ${DECIDERS}`,
  'access-request:cancel': 'You may not cancel this request: only the requester and platform admins may.',
  'access-grant:read': 'You may not see this access grant.',
  'access-grant:extend':
    "You may not extend this grant: only members of the consumer's domain, owners and stewards of the product's domain and platform admins may.",
  'access-grant:revoke':
    "You may not revoke this grant: only owners and stewards of the product's domain, owners of the consumer's domain and platform admins may.",
  'deputy:name':
    'You may not name a deputy here: owners and stewards of the domain do, for themselves, signed in as people.',
  'deputy:read': 'You may not see this deputy.',
  'deputy:end':
    'You may not end this: only whom he stands in for, he himself, owners of the domain and platform admins may.',
  'webhook:read': 'You may not see this webhook.',
  'webhook:change':
    'You may not have events sent there: for a domain, only its owners and stewards and platform admins may; for the whole mesh, only platform admins.',
  'policy:draft': `You may not draft this policy: ${POLICY_STEERS}`,
  'policy:activate': `You may not activate or deactivate this policy: ${POLICY_STEERS}`,
  'policy:try': `You may not try this policy: ${POLICY_STEERS}`,
  'audit:list': 'You may not read the audit trail: only owners and stewards of a domain and platform admins may.',
  'audit:verify': 'You may not verify the audit trail: only platform admins may.',
  'publisher:inspect': 'You may not see how events are sent: only platform admins may.',
  'publisher:operate': 'You may not pause, resume or redrive the sending of events: only platform admins may.',
  'resource:read': 'You may not see this resource.',
  'resource:retry': 'You may not retry this resource: only owners and stewards of its domain and platform admins may.',
  'resource:take-over':
    'You may not have it taken over: only owners and stewards of the domain that it is decided by, and platform admins, may; what several domains share is for admins.',
  'resource:acknowledge-drift':
    'You may not accept this difference: only owners and stewards of the domain that it is decided by, and platform admins, may; what several domains share is for admins.',
  'quarantined-event:read': 'You may not see this event.',
  'quarantined-event:resolve':
    'You may not release or discard this event: only owners and stewards of the domain that sent it and platform admins may.',
  'token:create': 'Personal access tokens are for people: a machine gets a service account.',
  'token:read': 'You may not see this token.',
  'token:revoke': 'You may not revoke this token: only its holder and platform admins may.',
};
