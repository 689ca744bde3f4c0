import { expect, test } from 'vitest';
import { DataProductStatus, type DomainRole } from '../../src/generated/prisma/enums.js';
import { ACTIONS, type Action, assertCan, can, type Subjects } from '../../src/governance/authorization.js';
import type { SignIn, Viewer } from '../../src/governance/context.js';
import type { GovernanceError } from '../../src/governance/error.js';
import { SIGNED_IN } from '../testkit/execute.js';

const [OWN, OTHER, THIRD] = ['own', 'other', 'third'];

/** Every kind of viewer: `owner` is owner of OWN; `elsewhere` is owner of THIRD; each is in one domain at most. */
const VIEWERS = {
  admin: viewer('admin', null, true),
  owner: viewer('owner', 'OWNER'),
  steward: viewer('steward', 'STEWARD'),
  member: viewer('member', 'MEMBER'),
  elsewhere: { ...viewer('elsewhere', null), memberships: new Map([[THIRD, 'OWNER']]) } as Viewer,
  outsider: viewer('outsider', null),
};
type Who = keyof typeof VIEWERS;

function viewer(subject: string, role: DomainRole | null, admin = false): Viewer {
  const memberships = new Map<string, DomainRole>(role === null ? [] : [[OWN as string, role]]);
  return { subject, name: null, groups: [], admin, memberships, signIn: SIGNED_IN };
}

const product = (status: keyof typeof DataProductStatus): Subjects['DataProduct'] => ({
  type: 'DataProduct',
  domainId: OWN as string,
  status,
});
const access = (productDomainId: string, consumerDomainId: string, requestedBy = 'somebody'): Subjects['Access'] => ({
  type: 'Access',
  requestedBy,
  productDomainId,
  consumerDomainId,
});

const ALL: Who[] = ['admin', 'owner', 'steward', 'member', 'elsewhere', 'outsider'];
const MEMBERS: Who[] = ['admin', 'owner', 'steward', 'member'];
const STEERS: Who[] = ['admin', 'owner', 'steward'];
const OWNERS: Who[] = ['admin', 'owner'];

const domain: Subjects['Domain'] = { type: 'Domain', id: OWN as string };
const given = access(OWN as string, OTHER as string);
const got = access(OTHER as string, OWN as string);

const decided: Subjects['Resource'] = { type: 'Resource', domainIds: [OWN as string], deciderIds: [OWN as string] };
const needed: Subjects['Resource'] = { ...decided, deciderIds: [OTHER as string] };

const named: Subjects['Deputy'] = {
  type: 'Deputy',
  domainId: OWN as string,
  standsInFor: 'somebody',
  deputy: 'another',
};
const ownersToken: Subjects['Token'] = { type: 'Token', subject: 'owner' };

/** security.md, "Who may do what": action, what it is done to, who may. */
const MATRIX: [Action, string, Subjects[keyof Subjects], Who[]][] = [
  ['domain:register', 'the mesh', { type: 'Mesh' }, ['admin']],
  ['audit:list', 'the mesh', { type: 'Mesh' }, ['admin', 'owner', 'steward', 'elsewhere']],
  ['audit:verify', 'the mesh', { type: 'Mesh' }, ['admin']],
  ['publisher:inspect', 'the mesh', { type: 'Mesh' }, ['admin']],
  ['publisher:operate', 'the mesh', { type: 'Mesh' }, ['admin']],
  ['domain:read', 'a domain', domain, ALL],
  ['domain:read-members', 'a domain', domain, MEMBERS],
  ['domain:change-members', 'a domain', domain, OWNERS],
  ['domain:update', 'a domain', domain, OWNERS],
  ['domain:update-role', 'a domain', domain, ['admin']],
  ['domain:read-setup', 'a domain', domain, OWNERS],
  ['domain:change-routes', 'a domain', domain, STEERS],
  ['webhook:read', 'one of a domain', { type: 'Webhook', domainId: OWN as string }, STEERS],
  ['webhook:change', 'one of a domain', { type: 'Webhook', domainId: OWN as string }, STEERS],
  ['webhook:read', 'one of the mesh', { type: 'Webhook', domainId: null }, ['admin']],
  ['webhook:change', 'one of the mesh', { type: 'Webhook', domainId: null }, ['admin']],
  ['domain:read-service-accounts', 'a domain', domain, OWNERS],
  ['domain:change-service-accounts', 'a domain', domain, OWNERS],
  ['domain:change-event-types', 'a domain', domain, STEERS],
  ['domain:publish-event', 'a domain', domain, MEMBERS],
  ['data-product:register', 'a domain', domain, STEERS],
  ['data-product:read', 'a draft', product('DRAFT'), MEMBERS],
  ['data-product:read', 'one being published', product('PUBLISHING'), MEMBERS],
  ['data-product:read', 'a published one', product('PUBLISHED'), ALL],
  ['data-product:read', 'a deprecated one', product('DEPRECATED'), ALL],
  ['data-product:read', 'a retired one', product('RETIRED'), MEMBERS],
  ['data-product:explain', 'a published one', product('PUBLISHED'), STEERS],
  ['data-product:update', 'a draft', product('DRAFT'), STEERS],
  ['data-product:declassify', 'a published one', product('PUBLISHED'), OWNERS],
  ['data-product:publish', 'a draft', product('DRAFT'), STEERS],
  ['data-product:deprecate', 'a published one', product('PUBLISHED'), STEERS],
  ['data-product:retire', 'a published one', product('PUBLISHED'), STEERS],
  ['data-product:report-provisioning', 'a published one', product('PUBLISHED'), MEMBERS],
  ['data-contract:import', 'a published one', product('PUBLISHED'), STEERS],
  ['data-contract:activate', 'a published one', product('PUBLISHED'), STEERS],
  ['access-request:create', 'a consumer domain', domain, MEMBERS],
  ['access-request:read', "one for his domain's product", given, MEMBERS],
  ['access-request:read', 'one of his domain', got, MEMBERS],
  ['access-request:read-details', "one for his domain's product", given, STEERS],
  ['access-request:read-details', 'one of his domain', got, MEMBERS],
  ['access-request:read-details', 'one between others', access(OTHER as string, OTHER as string), ['admin']],
  ['access-request:comment', "one for his domain's product", given, STEERS],
  ['access-request:comment', 'one of his domain', got, MEMBERS],
  ['access-request:comment', 'one between others', access(OTHER as string, OTHER as string), ['admin']],
  ['access-request:read', 'one between others', access(OTHER as string, OTHER as string), ['admin']],
  ['access-request:approve', "one for his domain's product", given, STEERS],
  ['access-request:approve', 'one of his domain', got, ['admin']],
  ['access-request:reject', "one for his domain's product", given, STEERS],
  ['access-request:reject', 'one of his domain', got, ['admin']],
  ['access-request:cancel', "somebody else's", got, ['admin']],
  ['access-grant:read', "one to his domain's product", given, MEMBERS],
  ['access-grant:read', 'one of his domain', got, MEMBERS],
  ['access-grant:extend', "one to his domain's product", given, STEERS],
  ['access-grant:extend', 'one of his domain', got, MEMBERS],
  ['access-grant:revoke', "one to his domain's product", given, STEERS],
  ['access-grant:revoke', 'one of his domain', got, OWNERS],
  ...(['policy:draft', 'policy:activate', 'policy:try'] as const).flatMap((action): typeof MATRIX => [
    [action, 'one of his domain', { type: 'Policy', domainId: OWN as string }, STEERS],
    [action, "another domain's", { type: 'Policy', domainId: OTHER as string }, ['admin']],
    [action, 'one of the whole mesh', { type: 'Policy', domainId: null }, ['admin']],
  ]),
  ['deputy:name', 'his domain', domain, ['owner', 'steward']],
  ['deputy:read', 'one of his domain', named, MEMBERS],
  ['deputy:end', 'one of his domain', named, OWNERS],
  ['resource:read', 'one of his domain', { type: 'Resource', domainIds: [OTHER as string, OWN as string] }, STEERS],
  ['resource:read', "another domain's", { type: 'Resource', domainIds: [OTHER as string] }, ['admin']],
  ['resource:retry', 'one of his domain', { type: 'Resource', domainIds: [OWN as string] }, STEERS],
  ['resource:take-over', 'one that his domain decides on', decided, STEERS],
  ['resource:take-over', 'one that his domain only needs', needed, ['admin']],
  ['resource:acknowledge-drift', 'one that his domain decides on', decided, STEERS],
  ['resource:acknowledge-drift', 'one that his domain only needs', needed, ['admin']],
  ...(['quarantined-event:read', 'quarantined-event:resolve'] as const).flatMap((action): typeof MATRIX => [
    [action, "one from his domain's account", { type: 'QuarantinedEvent', domainId: OWN as string }, STEERS],
    [action, "one from another domain's", { type: 'QuarantinedEvent', domainId: OTHER as string }, ['admin']],
    [action, 'one from an account of no domain', { type: 'QuarantinedEvent', domainId: null }, ['admin']],
  ]),
  ['token:create', 'the mesh', { type: 'Mesh' }, ALL],
  ['token:read', "the owner's", ownersToken, ['admin', 'owner']],
  ['token:revoke', "the owner's", ownersToken, ['admin', 'owner']],
];

test.each(MATRIX)('%s on %s', (action, _, subject, may) => {
  const allowed = ALL.filter((who) => can(VIEWERS[who], action, subject as never));
  expect(allowed).toEqual(may);
});

test('every action has its row in the matrix', () => {
  expect([...new Set(MATRIX.map(([action]) => action))].sort()).toEqual([...ACTIONS].sort());
});

test('nobody decides his own request, whatever he is; the requester sees and cancels it from anywhere', () => {
  for (const who of ALL) {
    const own = access(OWN as string, OWN as string, VIEWERS[who].subject);
    expect(can(VIEWERS[who], 'access-request:approve', own)).toBe(false);
    expect(can(VIEWERS[who], 'access-request:reject', own)).toBe(false);
    expect(can(VIEWERS[who], 'access-request:read', own)).toBe(true);
    expect(can(VIEWERS[who], 'access-request:cancel', own)).toBe(true);
  }
});

test('a deputy sees and decides what is asked of the domain, but for what he or whom he stands in for asked', () => {
  const place = { id: 'x', domainId: OWN as string, standsInFor: 'owner', role: 'OWNER' as const };
  const deputy: Viewer = { ...viewer('deputy', null), deputyships: [place] };
  const may = (action: Action, subject: Subjects['Access']) => can(deputy, action, subject as never);
  const allowed = ACTIONS.filter((action) => action.startsWith('access-') && action !== 'access-request:create').filter(
    (action) => may(action, given),
  );
  expect(allowed.sort()).toEqual([
    'access-grant:read',
    'access-request:approve',
    'access-request:comment',
    'access-request:read',
    'access-request:read-details',
    'access-request:reject',
  ]);
  for (const action of ['access-request:approve', 'access-request:reject'] as const) {
    expect(may(action, access(OWN as string, OTHER as string, 'owner'))).toBe(false);
    expect(may(action, access(OWN as string, OTHER as string, 'deputy'))).toBe(false);
    expect(may(action, got)).toBe(false);
    const scoped = { ...SIGNED_IN, scopes: new Set(['ACCESS_READ'] as const) };
    expect(can({ ...deputy, signIn: scoped }, action, given)).toBe(false);
  }
  expect(can({ ...deputy, deputyships: [] }, 'access-request:read', given)).toBe(false);
  expect(can(deputy, 'deputy:name', domain)).toBe(false);
  expect(can(deputy, 'data-product:publish', product('DRAFT'))).toBe(false);
});

/** Whoever runs a machine, or made its secret, would be two people. */
const BY_PEOPLE: Action[] = [
  ...(['access-request:approve', 'access-request:reject', 'data-product:declassify', 'deputy:name'] as const),
  ...(['policy:activate', 'policy:draft', 'token:create'] as const),
];

test.each<[SignIn['kind'], Action[]]>([
  ['PERSON', []],
  ['PERSONAL_ACCESS_TOKEN', ['deputy:name', 'token:create']],
  ['MACHINE', BY_PEOPLE],
  ['SERVICE_ACCOUNT_SECRET', BY_PEOPLE],
])('an owner who signs in as %s may all that an owner may but %j', (kind, refused) => {
  const owner = { ...VIEWERS.owner, signIn: { ...SIGNED_IN, kind } };
  const lost = MATRIX.filter(
    ([action, , subject, may]) => may.includes('owner') && !can(owner, action, subject as never),
  );
  expect([...new Set(lost.map(([action]) => action))].sort()).toEqual(refused);
});

test('what one may not see is not found, what one sees and may not change is forbidden', () => {
  const codeOf = (work: () => void): string => {
    try {
      work();
    } catch (error) {
      return (error as GovernanceError).code;
    }
    return 'ALLOWED';
  };
  for (const [action, , subject, may] of MATRIX) {
    for (const who of ALL) {
      const reading = {
        Mesh: null,
        Domain: 'domain:read',
        DataProduct: 'data-product:read',
        Access: 'access-request:read',
        Policy: null,
        Webhook: null,
        QuarantinedEvent: 'quarantined-event:read',
        Resource: 'resource:read',
        Deputy: 'deputy:read',
        Token: 'token:read',
      } as const;
      const seeing = reading[subject.type];
      const sees = seeing === null || can(VIEWERS[who], seeing, subject as never);
      const expected = may.includes(who) ? 'ALLOWED' : sees && !action.endsWith(':read') ? 'FORBIDDEN' : 'NOT_FOUND';
      expect(
        codeOf(() => assertCan(VIEWERS[who], action, subject as never)),
        `${who} ${action}`,
      ).toBe(expected);
    }
  }
});
