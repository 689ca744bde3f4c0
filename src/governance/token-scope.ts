import type { SubjectType } from '../events/types.js';
import { TokenScope } from '../generated/prisma/enums.js';
import type { Action } from './authorization.js';
import type { Viewer } from './context.js';

/**
 * What a token of Meshgate's must be good for, action by action. INTERACTIVE: never by such a token, whatever its scopes; who does this
 * signs in at an issuer.
 */
export type NeededScope = TokenScope | typeof INTERACTIVE;
export const INTERACTIVE = 'INTERACTIVE';

const SCOPE_OF: Record<Action, NeededScope> = {
  'domain:register': INTERACTIVE,
  'domain:read': 'CATALOGUE_READ',
  'domain:read-members': 'CATALOGUE_READ',
  'domain:change-members': INTERACTIVE,
  'domain:update': 'DOMAIN_WRITE',
  'domain:update-role': INTERACTIVE,
  'domain:read-setup': 'DOMAIN_WRITE',
  'domain:change-routes': 'DOMAIN_WRITE',
  'domain:read-service-accounts': 'DOMAIN_WRITE',
  'domain:change-service-accounts': INTERACTIVE,
  'domain:change-event-types': 'DOMAIN_WRITE',
  'domain:publish-event': 'DOMAIN_WRITE',
  'data-product:register': 'PRODUCT_WRITE',
  'data-product:read': 'CATALOGUE_READ',
  'data-product:explain': 'ACCESS_READ',
  'data-product:update': 'PRODUCT_WRITE',
  'data-product:declassify': 'PRODUCT_WRITE',
  'data-product:publish': 'PRODUCT_WRITE',
  'data-product:deprecate': 'PRODUCT_WRITE',
  'data-product:retire': 'PRODUCT_WRITE',
  'data-product:report-provisioning': 'PRODUCT_WRITE',
  'data-contract:import': 'PRODUCT_WRITE',
  'data-contract:activate': 'PRODUCT_WRITE',
  'access-request:create': 'ACCESS_REQUEST',
  'access-request:read': 'ACCESS_READ',
  'access-request:read-details': 'ACCESS_READ',
  'access-request:approve': 'ACCESS_DECIDE',
  'access-request:reject': 'ACCESS_DECIDE',
  'access-request:cancel': 'ACCESS_REQUEST',
  'access-request:comment': 'ACCESS_REQUEST',
  'access-grant:read': 'ACCESS_READ',
  'access-grant:extend': 'ACCESS_REQUEST',
  'access-grant:revoke': 'ACCESS_DECIDE',
  'deputy:name': INTERACTIVE,
  'deputy:read': 'CATALOGUE_READ',
  'deputy:end': 'DOMAIN_WRITE',
  'webhook:read': 'DOMAIN_WRITE',
  'webhook:change': INTERACTIVE,
  'policy:draft': 'DOMAIN_WRITE',
  'policy:activate': INTERACTIVE,
  'policy:try': 'ACCESS_READ',
  'audit:list': INTERACTIVE,
  'audit:verify': INTERACTIVE,
  'publisher:inspect': INTERACTIVE,
  'publisher:operate': INTERACTIVE,
  'resource:read': 'RESOURCE_READ',
  'resource:retry': 'RESOURCE_WRITE',
  'resource:take-over': 'RESOURCE_WRITE',
  'resource:acknowledge-drift': 'RESOURCE_WRITE',
  'quarantined-event:read': 'DOMAIN_WRITE',
  'quarantined-event:resolve': 'DOMAIN_WRITE',
  'token:create': INTERACTIVE,
  'token:read': INTERACTIVE,
  'token:revoke': INTERACTIVE,
};

/** What reading an event needs: as its subject. */
const SCOPE_OF_SUBJECT: Record<SubjectType, NeededScope> = {
  Domain: 'CATALOGUE_READ',
  DataProduct: 'CATALOGUE_READ',
  DataContract: 'CATALOGUE_READ',
  AccessRequest: 'ACCESS_READ',
  AccessGrant: 'ACCESS_READ',
  Policy: 'CATALOGUE_READ',
  Resource: 'RESOURCE_READ',
  ServiceAccount: 'DOMAIN_WRITE',
  PersonalAccessToken: INTERACTIVE,
  Webhook: 'DOMAIN_WRITE',
  Publisher: INTERACTIVE,
  QuarantinedEvent: 'DOMAIN_WRITE',
};

/** Whether the viewer's token is good for events about such a subject. */
export function readsEventsOf(viewer: Viewer, subject: SubjectType): boolean {
  return holdsScope(viewer, SCOPE_OF_SUBJECT[subject]);
}

/** The subjects whose events the viewer's token is good for. */
export function subjectsRead(viewer: Viewer): SubjectType[] {
  return (Object.keys(SCOPE_OF_SUBJECT) as SubjectType[]).filter((type) => readsEventsOf(viewer, type));
}

/** Every scope: what a secret of a service account is good for. */
export const EVERY_SCOPE: ReadonlySet<TokenScope> = new Set(Object.values(TokenScope));

/** Whether what the viewer signed in with is good for something that needs this scope. It narrows only: whether he may is another matter. */
export function holdsScope({ signIn }: Viewer, needed: NeededScope): boolean {
  return signIn.scopes === null || (needed !== INTERACTIVE && signIn.scopes.has(needed));
}

/** Whether the viewer's token allows the action at all. */
export function tokenAllows(viewer: Viewer, action: Action): boolean {
  return holdsScope(viewer, SCOPE_OF[action]);
}

/** Why a token is not good enough. */
export function scopeRefusal(needed: NeededScope): string {
  return needed === INTERACTIVE
    ? 'This cannot be done with a token of Meshgate: sign in with a token of your issuer.'
    : `Your token lacks the scope ${needed}: make one that has it, or sign in with a token of your issuer.`;
}

/** Why the viewer's token does not allow the action. */
export function refusalOf(action: Action): string {
  return scopeRefusal(SCOPE_OF[action]);
}
