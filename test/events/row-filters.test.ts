import fc from 'fast-check';
import { expect, test } from 'vitest';
import { withoutRowFilters } from '../../src/events/row-filters.js';

test('no row filter is told, however deep it stands and however it is written', () => {
  const filter = fc.string({ minLength: 8, maxLength: 60 }).filter((text) => text.trim().length > 6);
  fc.assert(
    fc.property(filter, filter, (is, wanted) => {
      const difference = `rowFilter is ${JSON.stringify(is)}, wanted ${JSON.stringify(wanted)}`;
      const told = withoutRowFilters({
        spec: { rowFilter: wanted, columns: ['id'] },
        differences: [difference, 'columns is [], wanted ["id"]'],
        message: `It exists already: ${difference}; columns is [], wanted ["id"].`,
      });
      expect(told).toEqual({
        spec: { rowFilter: '(not told)', columns: ['id'] },
        differences: ['rowFilter is not as wanted', 'columns is [], wanted ["id"]'],
        message: 'It exists already: rowFilter is not as wanted; columns is [], wanted ["id"].',
      });
    }),
  );
});

test('that there is none is told', () => {
  expect(withoutRowFilters({ spec: { rowFilter: null } })).toEqual({ spec: { rowFilter: null } });
});
