import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type AccessFacts, type ColumnFacts, factsDigest } from '../../src/governance/policy-facts.js';

const FACTS: AccessFacts = {
  requester: { subject: 'mia', admin: false, roles: { finance: 'MEMBER' } },
  product: {
    ...{ domain: 'sales', name: 'orders', classification: 'INTERNAL', tags: ['core'] },
    ...{ accessMode: 'NRAC', contract: '1.0.0' },
  },
  ...{ consumer: 'finance', purpose: 'To bill', namedPurpose: null, days: 30 },
  ...{ principals: ['arn:aws:iam::333333333333:role/a'], accounts: ['333333333333'], permissions: ['SELECT'] },
  ...{ grantTo: 'PRINCIPALS', tables: ['orders'], rowFilter: false, extension: false },
  columns: [{ table: 'orders', names: ['id', 'total'], pii: false, classification: 'INTERNAL' }],
};
const UNTIL = new Date('2027-01-01T00:00:00Z');
const digest = (change: Partial<AccessFacts> = {}, until: Date | null = UNTIL) =>
  factsDigest({ ...FACTS, ...change }, until);
const product = (change: Partial<AccessFacts['product']>) => digest({ product: { ...FACTS.product, ...change } });
const columns = (change: Partial<ColumnFacts>) =>
  digest({ columns: [{ ...(FACTS.columns[0] as ColumnFacts), ...change }] });

describe('what an approval is of is another', () => {
  test.each([
    ['classification', product({ classification: 'PUBLIC' })],
    ['tag', product({ tags: ['core', 'other'] })],
    ['access mode', product({ accessMode: 'LF_TBAC' })],
    ['contract', product({ contract: '2.0.0' })],
    ['contract, where there is none', product({ contract: null })],
    ['name', product({ name: 'others' })],
    ['set of tables', digest({ tables: ['orders', 'returns'] })],
    ['receiver', digest({ grantTo: 'ACCOUNT' })],
    ['kind of request', digest({ extension: true })],
    ['mark of personal data', columns({ pii: true })],
    ["column's classification", columns({ classification: 'PUBLIC' })],
    ['column', columns({ names: ['id'] })],
    ["column's table", columns({ table: 'returns' })],
    ['end', digest({}, new Date('2027-01-02T00:00:00Z'))],
    ['end, where there is none', digest({}, null)],
  ])('for another %s', (_what, other) => {
    expect(other).not.toBe(digest());
  });

  test('and the same on another day, whoever is asked, and however its columns are grouped', () => {
    expect(digest({ days: 29, requester: { ...FACTS.requester, admin: true, roles: {} } })).toBe(digest());
    const one = fc.record({
      ...{ table: fc.constantFrom('orders', 'returns'), name: fc.string({ minLength: 1, maxLength: 3 }) },
      ...{ pii: fc.boolean(), classification: fc.constantFrom('PUBLIC' as const, 'RESTRICTED' as const) },
    });
    const unique = fc.uniqueArray(one, { selector: ({ table, name }) => `${table} ${name}`, maxLength: 12 });
    fc.assert(
      fc.property(unique, fc.infiniteStream(fc.nat()), (all, order) => {
        const alone = all.map(({ name, ...alike }) => ({ ...alike, names: [name] }));
        const grouped = new Map<string, ColumnFacts>();
        const shuffled = all.map((column) => ({ column, at: order.next().value as number }));
        for (const { column } of shuffled.sort((a, b) => a.at - b.at)) {
          const { name, ...alike } = column;
          const key = JSON.stringify(alike);
          grouped.set(key, { ...alike, names: [...(grouped.get(key)?.names ?? []), name] });
        }
        expect(digest({ columns: [...grouped.values()] })).toBe(digest({ columns: alone }));
      }),
    );
  });
});
