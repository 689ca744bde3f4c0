import { EscalationStep, GrantTarget } from '../../generated/prisma/enums.js';
import {
  change,
  choice,
  flag,
  free,
  id,
  integer,
  list,
  nullable,
  object,
  optional,
  record,
  showingAws,
  text,
  time,
} from '../fields.js';
import {
  accessMode,
  columns,
  comment,
  createResourceLinks,
  expiresAt,
  failures,
  ofProduct,
  permissions,
  policy,
  principals,
  reason,
  resources,
  tables,
} from './common.js';
import type { EventDefinition } from './definition.js';

const request = { subject: 'AccessRequest', version: 1 } as const;
const grant = { subject: 'AccessGrant', version: 1 } as const;
const ofRequest = {
  ...ofProduct,
  accessRequest: id('The request.', 'AccessRequest'),
  consumerDomain: id('The domain that reads.', 'Domain'),
} as const;
const ofGrant = { ...ofRequest, accessGrant: id('The grant.', 'AccessGrant') } as const;
const requestStatus = text('The state of the request.', 'PENDING');
const status = text('The state of the grant.', 'ACTIVE');
const purpose = text('What for.', 'Check carrier bills');
const waiting = {
  waitingSince: time('When it was asked.', '2026-03-01T09:30:00.000Z'),
  namedPurpose: nullable(text('The purpose by its name, where it has one.', 'billing')),
  deciders: list(
    object('EventDecider', 'Somebody who could decide it.', {
      subject: text('Who.', 'tomasz.nowak'),
      standsInFor: nullable(text('For whom, where he is a deputy.', 'maria.keller')),
    }),
    'Who could decide it now.',
  ),
} as const;
const decided = {
  decidedBy: text('Who decided.', 'tomasz.nowak'),
  decidedFor: optional(text('In whose place, where a deputy decided.', 'maria.keller')),
  comment,
} as const;

/** What becomes of requests for access, and of the grants that come of them. Which rows somebody may read is never in it. */
export const accessEvents = {
  AccessRequested: {
    ...request,
    says: 'Somebody asked for access.',
    data: {
      ...ofRequest,
      ...{ principals, permissions, tables, columns, purpose, expiresAt },
      requestedBy: text('Who asks.', 'oskar.lind'),
      accessMode: optional(accessMode),
      grantTo: optional(choice(GrantTarget, 'Whether principals or their account get it.', 'PRINCIPALS')),
      rowFiltered: optional(flag('Whether only some rows are asked for; which, the request tells.', false)),
      namedPurpose: optional(nullable(text('The purpose by its name, where it has one.', 'billing'))),
      policy: optional(policy),
      extends: optional(id('The grant that is to last longer.', 'AccessGrant')),
      after: record('As it is now.', { status: requestStatus }),
    },
  },
  AccessApprovalGiven: {
    ...request,
    says: 'Somebody approved a request; the policies want more approvals.',
    data: {
      ...ofRequest,
      ...{ comment, policy, expiresAt },
      approvedBy: text('Who approved.', 'tomasz.nowak'),
      approvedFor: optional(text('In whose place, where a deputy approved.', 'maria.keller')),
      required: list(
        object('EventApprovals', 'Approvals that would do.', {
          owners: integer('Of so many owners.', 1),
          stewards: integer('Of so many stewards.', 1),
        }),
        'The approvals that would do, each one of them.',
      ),
    },
  },
  AccessApproved: {
    ...request,
    says: 'A request was approved; the grant is on its way.',
    data: { ...ofGrant, ...change({ status: requestStatus }), ...decided, policy, expiresAt },
  },
  AccessRejected: {
    ...request,
    says: 'A request was rejected.',
    data: { ...ofRequest, ...change({ status: requestStatus }), ...decided },
  },
  AccessCancelled: {
    ...request,
    says: 'The requester took a request back.',
    data: { ...ofRequest, ...change({ status: requestStatus }), ...decided },
  },
  AccessRequestCommented: {
    ...request,
    says: 'Somebody said something about a request; what, the request itself tells.',
    data: { ...ofRequest, commentedBy: text('Who.', 'tomasz.nowak') },
  },
  AccessRequestReminded: {
    ...request,
    says: 'A request waits; those who can decide it are reminded.',
    data: { ...ofRequest, ...waiting },
  },
  AccessRequestEscalated: {
    ...request,
    says: "A request waits too long: the domain's owners are asked, and later the platform admins.",
    data: {
      ...ofRequest,
      ...waiting,
      escalatedTo: choice(EscalationStep, 'Who is asked besides.', 'OWNERS'),
    },
  },
  AccessGranted: {
    ...grant,
    says: 'The grant stands in AWS: the data can be read. Told again where it comes to other columns or names than before.',
    data: {
      ...ofGrant,
      ...change({ status }),
      ...{ principals, permissions, expiresAt, createResourceLinks },
      database: optional(nullable(text('The database, as the reader sees it.', 'data_products'))),
      tables: optional(tables),
      columns: optional(columns),
      withheldColumns: optional(
        list(
          text('A column, as `table.column`.', 'orders.email'),
          'Columns that came to the product, or were marked, since it was approved, and that it does not open: who needs them asks anew.',
        ),
      ),
      athenaSql: optional(
        nullable(text('A query to try.', 'SELECT "order_id" FROM "data_products"."orders" LIMIT 10')),
      ),
      iam: optional(nullable(free('The IAM policy that the reader needs beside it.', { Version: '2012-10-17' }))),
      resources: optional(resources),
    },
  },
  AccessFailed: {
    ...grant,
    says: 'A grant could not be brought about.',
    data: { ...ofGrant, ...change({ status }), reason: showingAws(reason), failures },
  },
  AccessExtended: {
    ...grant,
    says: "The grant's end was moved.",
    data: {
      ...ofGrant,
      ...change({ expiresAt }),
      principals,
      extendedBy: text('Who.', 'tomasz.nowak'),
      reason: nullable(reason),
      policy: optional(policy),
    },
  },
  AccessExpiring: {
    ...grant,
    says: 'The grant ends soon, unless it is extended.',
    data: {
      ...ofGrant,
      ...{ principals, purpose },
      expiresAt: nullable(time('When it ends.', '2026-06-01T00:00:00.000Z')),
      days: integer('It ends in so many days, or fewer.', 7),
    },
  },
  AccessRevoking: {
    ...grant,
    says: 'Somebody ended the grant; it is on its way out of AWS.',
    data: { ...ofGrant, ...change({ status }), principals, reason },
  },
  AccessRevoked: {
    ...grant,
    says: 'The grant is gone from AWS.',
    data: {
      ...ofGrant,
      ...change({ status }),
      ...{ principals, expiresAt },
      revokedBy: nullable(text('Who ended it.', 'tomasz.nowak')),
      reason: showingAws(nullable(reason)),
    },
  },
  AccessExpired: {
    ...grant,
    says: 'The grant reached its expiry and is gone from AWS.',
    data: {
      ...ofGrant,
      ...change({ status }),
      ...{ principals, expiresAt },
      revokedBy: nullable(text('Who ended it.', 'meshgate')),
      reason: showingAws(nullable(reason)),
    },
  },
} as const satisfies Record<string, EventDefinition>;
