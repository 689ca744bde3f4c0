import { expect, test } from 'vitest';
import {
  AccessGrantStatus,
  AccessRequestStatus,
  DataContractStatus,
  DataProductStatus,
} from '../../src/generated/prisma/enums.js';
import type { GovernanceError } from '../../src/governance/error.js';
import {
  ACCESS_GRANT,
  ACCESS_REQUEST,
  canStep,
  DATA_CONTRACT,
  DATA_PRODUCT,
  POLICY_VERSION,
  step,
  type TransitionTable,
} from '../../src/governance/transitions.js';

type Table = TransitionTable<string, string>;
const TABLES: [string, Table, string[], string[]][] = [
  [
    'data product',
    DATA_PRODUCT as Table,
    Object.values(DataProductStatus),
    [
      'DRAFT change DRAFT',
      'PUBLISHING change PUBLISHING',
      'PUBLISHED change PUBLISHED',
      'DEPRECATED change DEPRECATED',
      'DRAFT publish PUBLISHING',
      'PUBLISHING crawl PUBLISHING',
      'PUBLISHED crawl PUBLISHED',
      'DEPRECATED crawl DEPRECATED',
      'PUBLISHING settle PUBLISHED',
      'PUBLISHED request PUBLISHED',
      'PUBLISHED approve PUBLISHED',
      'DEPRECATED approve DEPRECATED',
      'PUBLISHED deprecate DEPRECATED',
      'DRAFT retire RETIRED',
      'PUBLISHING retire RETIRED',
      'PUBLISHED retire RETIRED',
      'DEPRECATED retire RETIRED',
    ],
  ],
  [
    'data contract',
    DATA_CONTRACT as Table,
    Object.values(DataContractStatus),
    ['PROPOSED replace PROPOSED', 'PROPOSED activate ACTIVE', 'ACTIVE supersede DEPRECATED'],
  ],
  [
    'access request',
    ACCESS_REQUEST as Table,
    Object.values(AccessRequestStatus),
    ['PENDING approve APPROVED', 'PENDING reject REJECTED', 'PENDING cancel CANCELLED'],
  ],
  [
    'access grant',
    ACCESS_GRANT as Table,
    Object.values(AccessGrantStatus),
    [
      'PROVISIONING settle ACTIVE',
      'FAILED settle ACTIVE',
      'PROVISIONING fail FAILED',
      'ACTIVE fail FAILED',
      'PROVISIONING extend PROVISIONING',
      'ACTIVE extend ACTIVE',
      'FAILED extend FAILED',
      'PROVISIONING revoke REVOKING',
      'ACTIVE revoke REVOKING',
      'FAILED revoke REVOKING',
      'PROVISIONING expire REVOKING',
      'ACTIVE expire REVOKING',
      'FAILED expire REVOKING',
      'REVOKING confirmRevoked REVOKED',
      'REVOKING confirmExpired EXPIRED',
    ],
  ],
];

test.each(TABLES)(
  'a %s makes exactly the listed moves, every other is a STATE error that says what is possible',
  (noun, table, states, moves) => {
    const made: string[] = [];
    for (const verb of Object.keys(table.moves)) {
      for (const state of states) {
        const possible = canStep(table, state, verb);
        if (possible) {
          made.push(`${state} ${verb} ${step(table, state, verb)}`);
          continue;
        }
        const refused = () => step(table, state, verb);
        expect(refused).toThrow(`The ${noun} is ${state}; to ${verb} it, it must be`);
        try {
          refused();
        } catch (error) {
          expect((error as GovernanceError).code).toBe('STATE');
          expect((error as GovernanceError).details.state).toBe(state);
        }
      }
    }
    expect(made).toEqual(moves);
  },
);

test.each<[Table, string, string, string]>([
  [ACCESS_GRANT as Table, 'REVOKING', 'revoke', 'nothing is to be done with it now'],
  [ACCESS_GRANT as Table, 'REVOKED', 'revoke', 'nothing can be done with it any more'],
  [DATA_CONTRACT as Table, 'ACTIVE', 'activate', 'nothing is to be done with it now'],
  [DATA_PRODUCT as Table, 'PUBLISHING', 'publish', 'possible now: change, crawl, retire'],
  [POLICY_VERSION as Table, 'ACTIVE', 'activate', 'possible now: deactivate'],
])('what is possible is what somebody can ask for: %o of %s, to %s', (table, state, verb, now) => {
  expect(() => step(table, state, verb)).toThrow(`(${now}).`);
});

test('what has ended stays ended', () => {
  for (const [table, end] of [
    [DATA_PRODUCT, 'RETIRED'],
    [ACCESS_REQUEST, 'REJECTED'],
    [ACCESS_GRANT, 'REVOKED'],
    [ACCESS_GRANT, 'EXPIRED'],
  ] as [Table, string][]) {
    for (const verb of Object.keys(table.moves))
      expect(() => step(table, end, verb)).toThrow('nothing can be done with it any more');
  }
});
