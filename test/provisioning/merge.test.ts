import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { SpecOf } from '../../src/provisioning/kinds.js';
import { MergeConflict, mergeSpecs, specText } from '../../src/provisioning/merge.js';

const columns = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd'), { minLength: 1 });
const permissions = fc.dictionary(
  fc.constantFrom('SELECT', 'DESCRIBE', 'INSERT'),
  fc.oneof(fc.constant('ALL_COLUMNS' as const), columns),
);
const grant = fc.record({ permissions, grantable: permissions }).map(
  (maps): SpecOf<'LfGrant'> => ({
    principal: 'arn:aws:iam::222222222222:role/analyst',
    resource: { type: 'TABLE', catalogId: '111111111111', database: 'sales', table: 'orders' },
    ...maps,
  }),
);
const tag = columns.map((values): SpecOf<'LfTag'> => ({ key: 'confidentiality', values }));
const policy = fc.uniqueArray(fc.constantFrom('Ram', 'Glue', 'Other')).map(
  (sids): SpecOf<'CatalogPolicy'> => ({
    statements: Object.fromEntries(sids.map((sid) => [sid, { Effect: 'Allow', Sid: sid }])),
  }),
);
const accounts = fc.uniqueArray(fc.constantFrom('222222222222', '333333333333', '444444444444'), { minLength: 1 });
const bus = accounts.map(
  (principalAccounts): SpecOf<'BusPermission'> => ({
    bus: 'central',
    statementId: 'domains',
    principalAccounts,
    deniedSources: ['meshgate'],
  }),
);

const queue = fc
  .uniqueArray(fc.constantFrom('rule/a', 'rule/b', 'rule/c'))
  .map((senders): SpecOf<'Queue'> => ({ name: 'undelivered', retentionSeconds: 1_209_600, senders }));

const algebra = <K extends 'LfGrant' | 'LfTag' | 'BusPermission' | 'CatalogPolicy' | 'Queue'>(
  kind: K,
  specs: fc.Arbitrary<SpecOf<K>>,
): void => {
  const merge = (first: SpecOf<K>, ...rest: SpecOf<K>[]): string => specText(mergeSpecs(kind, [first, ...rest]));
  const both = (a: SpecOf<K>, b: SpecOf<K>): SpecOf<K> => mergeSpecs(kind, [a, b]);
  test(`${kind}: the order and grouping of claims never matter`, () => {
    fc.assert(
      fc.property(specs, specs, specs, (a, b, c) => {
        expect(merge(a, b)).toBe(merge(b, a));
        expect(merge(both(a, b), c)).toBe(merge(a, both(b, c)));
        expect(merge(a, b, c)).toBe(merge(c, a, b));
      }),
    );
  });
  test(`${kind}: a claim made twice counts once`, () => {
    fc.assert(
      fc.property(specs, specs, (a, b) => {
        expect(merge(a, a)).toBe(merge(a));
        expect(merge(a, b, a)).toBe(merge(a, b));
      }),
    );
  });
};

describe('merging claims', () => {
  algebra('LfGrant', grant);
  algebra('LfTag', tag);
  algebra('CatalogPolicy', policy);
  algebra('BusPermission', bus);
  algebra('Queue', queue);

  test('senders of one queue are united, and two times that its messages are kept conflict', () => {
    const of = (retentionSeconds: number, ...senders: string[]): SpecOf<'Queue'> => ({
      name: 'undelivered',
      retentionSeconds,
      senders,
    });
    expect(mergeSpecs('Queue', [of(60, 'b'), of(60, 'a'), of(60)])).toEqual(of(60, 'a', 'b'));
    expect(() => mergeSpecs('Queue', [of(60, 'a'), of(120, 'a')])).toThrow(MergeConflict);
  });

  test('accounts of one statement are united, and sources that only one claim denies conflict', () => {
    const of = (account: string, ...deniedSources: string[]): SpecOf<'BusPermission'> => ({
      bus: 'central',
      statementId: 'domains',
      principalAccounts: [account],
      deniedSources,
    });
    const [a, b] = ['222222222222', '111111111111'];
    expect(mergeSpecs('BusPermission', [of(a, 'x', 'm'), of(b, 'm', 'x')])).toEqual({
      ...of(b, 'm', 'x'),
      principalAccounts: [b, a],
    });
    expect(() => mergeSpecs('BusPermission', [of(a, 'm'), of(b)])).toThrow(MergeConflict);
  });

  test('a grant on every column absorbs a grant on some, and never widens another permission', () => {
    fc.assert(
      fc.property(grant, grant, (a, b) => {
        const merged = mergeSpecs('LfGrant', [a, b]).permissions;
        expect(Object.keys(merged).sort()).toEqual(
          [...new Set([...Object.keys(a.permissions), ...Object.keys(b.permissions)])].sort(),
        );
        for (const [permission, on] of Object.entries(merged)) {
          const claimed = [a.permissions[permission], b.permissions[permission]];
          if (claimed.includes('ALL_COLUMNS')) expect(on).toBe('ALL_COLUMNS');
          else expect(new Set(on)).toEqual(new Set(claimed.flatMap((list) => list ?? [])));
        }
      }),
    );
  });

  test('kinds with room for one spec refuse a differing second claim', () => {
    const link = (table: string): SpecOf<'TableLink'> => ({
      database: 'data_products',
      name: 'sales__orders',
      target: { catalogId: '111111111111', database: 'sales', table },
    });
    expect(mergeSpecs('TableLink', [link('orders'), link('orders')])).toEqual(link('orders'));
    expect(() => mergeSpecs('TableLink', [link('orders'), link('returns')])).toThrow(MergeConflict);
  });

  test('one policy statement id cannot carry two texts', () => {
    const one = { statements: { Ram: { Effect: 'Allow' } } };
    const other = { statements: { Ram: { Effect: 'Deny' } } };
    expect(() => mergeSpecs('CatalogPolicy', [one, other])).toThrow('statement Ram');
  });
});
