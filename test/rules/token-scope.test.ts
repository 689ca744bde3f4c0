import { describe, expect, test } from 'vitest';
import { TokenScope } from '../../src/generated/prisma/enums.js';
import {
  ACTIONS,
  type Action,
  assertCan,
  can,
  domainActions,
  type Subjects,
} from '../../src/governance/authorization.js';
import type { Viewer } from '../../src/governance/context.js';
import { EVERY_SCOPE, readsEventsOf, subjectsRead, tokenAllows } from '../../src/governance/token-scope.js';
import { SIGNED_IN } from '../testkit/execute.js';

const SCOPES = Object.values(TokenScope);

/** What each scope is good for. What stands nowhere here no token of Meshgate's may do. */
const GOOD_FOR: Record<TokenScope, Action[]> = {
  CATALOGUE_READ: ['domain:read', 'domain:read-members', 'data-product:read', 'deputy:read'],
  ACCESS_READ: [
    'data-product:explain',
    'access-request:read',
    'access-request:read-details',
    'access-grant:read',
    'policy:try',
  ],
  ACCESS_REQUEST: ['access-request:create', 'access-request:cancel', 'access-request:comment', 'access-grant:extend'],
  ACCESS_DECIDE: ['access-request:approve', 'access-request:reject', 'access-grant:revoke'],
  PRODUCT_WRITE: [
    'data-product:register',
    'data-product:update',
    'data-product:declassify',
    'data-product:publish',
    'data-product:deprecate',
    'data-product:retire',
    'data-product:report-provisioning',
    'data-contract:import',
    'data-contract:activate',
  ],
  DOMAIN_WRITE: [
    'domain:update',
    'domain:change-event-types',
    'domain:publish-event',
    'domain:read-setup',
    'domain:change-routes',
    'domain:read-service-accounts',
    'policy:draft',
    'deputy:end',
    'webhook:read',
    'quarantined-event:read',
    'quarantined-event:resolve',
  ],
  RESOURCE_READ: ['resource:read'],
  RESOURCE_WRITE: ['resource:retry', 'resource:take-over', 'resource:acknowledge-drift'],
};

function viewer(scopes: ReadonlySet<TokenScope> | null, admin = false): Viewer {
  const memberships = new Map([['own', 'OWNER' as const]]);
  return { subject: 'owner', name: null, groups: [], admin, memberships, signIn: { ...SIGNED_IN, scopes } };
}

describe('a token', () => {
  test.each(SCOPES)('with %s alone is good for just that', (scope) => {
    const allowed = ACTIONS.filter((action) => tokenAllows(viewer(new Set([scope])), action));
    expect(allowed.sort()).toEqual([...GOOD_FOR[scope]].sort());
  });

  test('with every scope still cannot make tokens, secrets or members, let policies decide, read the audit trail, nor do what only platform admins may', () => {
    const refused = ACTIONS.filter((action) => !tokenAllows(viewer(EVERY_SCOPE), action));
    expect(refused.sort()).toEqual([
      'audit:list',
      'audit:verify',
      'deputy:name',
      'domain:change-members',
      'domain:change-service-accounts',
      'domain:register',
      'domain:update-role',
      'policy:activate',
      'publisher:inspect',
      'publisher:operate',
      'token:create',
      'token:read',
      'token:revoke',
      'webhook:change',
    ]);
  });

  test('without scopes is good for nothing, and reads nothing', () => {
    expect(ACTIONS.filter((action) => tokenAllows(viewer(new Set()), action))).toEqual([]);
    expect(subjectsRead(viewer(new Set()))).toEqual([]);
    expect(subjectsRead(viewer(null))).toHaveLength(12);
  });

  test('never makes its holder wider than he is', () => {
    const member: Viewer = { ...viewer(EVERY_SCOPE), memberships: new Map([['own', 'MEMBER']]) };
    const asPerson: Viewer = { ...member, signIn: SIGNED_IN };
    const outside: Subjects['Domain'] = { type: 'Domain', id: 'other' };
    expect(domainActions(asPerson, 'own')).toEqual(expect.arrayContaining(domainActions(member, 'own')));
    expect(can(member, 'domain:update', { type: 'Domain', id: 'own' })).toBe(false);
    expect(can(viewer(EVERY_SCOPE), 'domain:update', { type: 'Domain', id: 'own' })).toBe(true);
    expect(can(viewer(EVERY_SCOPE), 'domain:update', outside)).toBe(false);
  });

  test('narrows events to those about what it reads', () => {
    const reader = viewer(new Set(['CATALOGUE_READ']));
    expect(subjectsRead(reader)).toEqual(['Domain', 'DataProduct', 'DataContract', 'Policy']);
    expect(readsEventsOf(reader, 'AccessGrant')).toBe(false);
    expect(readsEventsOf(viewer(EVERY_SCOPE), 'PersonalAccessToken')).toBe(false);
  });

  test('that lacks a scope is told which, where its holder sees the object; else the object is not there', () => {
    const subject = { type: 'DataProduct' as const, domainId: 'own', status: 'DRAFT' as const };
    const publish = (scopes: TokenScope[]) => () => assertCan(viewer(new Set(scopes)), 'data-product:publish', subject);
    expect(publish(['CATALOGUE_READ', 'PRODUCT_WRITE'])).not.toThrow();
    expect(publish(['CATALOGUE_READ'])).toThrow('Your token lacks the scope PRODUCT_WRITE');
    expect(publish(['RESOURCE_READ'])).toThrow('was not found, or you may not see it');
  });
});
