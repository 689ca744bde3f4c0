import { anything, flag, id, integer, list, nullable, object, optional, record, showingAws, text } from '../fields.js';
import { reason } from './common.js';
import type { EventDefinition } from './definition.js';

const aboutPolicy = { subject: 'Policy', version: 1 } as const;
const aboutResource = { subject: 'Resource', version: 1 } as const;
const digest = text('SHA-256 of its text, hex.', '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08');
const policyVersion = record('A version of the policy.', {
  version: integer('Its number.', 2),
  digest,
  createdBy: text('Who drafted it.', 'ada.admin'),
});
const ofResource = {
  kind: text('Its kind.', 'LfGrant'),
  account: text('The account that is called.', '111122223333'),
  region: text('The region.', 'eu-west-1'),
  key: text(
    'What it is called, within kind, account and region.',
    '333344445555 on table 111122223333/commerce_nrac/orders',
  ),
} as const;
const foreignGrant = optional(
  object('EventForeignGrant', 'A grant that nothing in the mesh asked for.', {
    id: id('Its id.'),
    account: optional(text('The account in which it was found.', '111122223333')),
    principal: text('Who holds it.', 'arn:aws:iam::333344445555:role/somebody'),
    resource: text('What it is on.', 'table 111122223333/commerce_nrac/orders'),
    permissions: optional(
      showingAws(anything('Permission name -> ALL_COLUMNS, or a list of columns.', { SELECT: 'ALL_COLUMNS' })),
    ),
  }),
);
const differences = list(
  showingAws(text('A point.', 'permissions is [], wanted ["SELECT"]')),
  'In which points AWS differs.',
);
const status = text('The state of the object.', 'STUCK');

/** What happens to policies, and to the AWS objects that the mesh needs. */
export const operationEvents = {
  PolicyDrafted: {
    ...aboutPolicy,
    says: 'A version of a policy was drafted; it decides nothing yet.',
    data: {
      policyVersion: integer('Its number.', 2),
      digest,
      statements: integer('How many statements it has.', 3),
    },
  },
  PolicyActivated: {
    ...aboutPolicy,
    says: 'A version of a policy decides from now on.',
    data: { before: nullable(policyVersion), after: policyVersion, digest },
  },
  PolicyDeactivated: {
    ...aboutPolicy,
    says: 'A policy decides nothing any more.',
    data: { before: policyVersion, after: nullable(policyVersion), digest },
  },
  ResourceStuck: {
    ...aboutResource,
    says: 'An AWS object could not be made to agree: it FAILED, or is STUCK after many tries and still retried.',
    data: {
      ...ofResource,
      ...{ status, foreignGrant },
      code: text('The AWS error name.', 'AccessDeniedException'),
      message: showingAws(text('What happened.', 'Insufficient Lake Formation permission(s).')),
    },
  },
  ResourceRepaired: {
    ...aboutResource,
    says: 'An AWS object that had drifted agrees again.',
    data: {
      ...ofResource,
      foreignGrant,
      by: text('MESHGATE, or OTHERS who put it right themselves.', 'MESHGATE'),
      before: optional(
        showingAws(anything('The permissions of a foreign grant, as they were.', { SELECT: 'ALL_COLUMNS' })),
      ),
      after: optional(showingAws(anything('null: the foreign grant is gone.', null))),
    },
  },
  ResourceDrifted: {
    ...aboutResource,
    says: 'An AWS object was changed or removed out of band, or granted on.',
    data: {
      ...ofResource,
      foreignGrant,
      driftPolicy: text('REPAIR, REPORT or REVOKE: what is done about it.', 'REPAIR'),
      differences: optional(differences),
      spec: optional(showingAws(anything('What must be.', { permissions: ['SELECT'] }))),
      before: optional(showingAws(anything('What AWS showed before.', { permissions: ['SELECT'] }))),
      after: optional(showingAws(anything('What AWS shows now; null: nothing.', { permissions: [] }))),
    },
  },
  ResourceRetried: {
    ...aboutResource,
    says: 'Somebody had an AWS object looked at and put right at once, or taken over.',
    data: { ...ofResource, status, takeOver: flag("Whether another's object is to be changed.", false) },
  },
  ResourceDriftAcknowledged: {
    ...aboutResource,
    says: 'Somebody accepted a change out of band, or a grant that nobody asked for.',
    data: { ...ofResource, foreignGrant, reason, differences: optional(differences) },
  },
} as const satisfies Record<string, EventDefinition>;
