import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Field, Fields } from '../../src/events/fields.js';
import { withoutRowFilters } from '../../src/events/row-filters.js';
import { EVENT_TYPES, type EventType } from '../../src/events/types.js';

const filter = fc.string({ minLength: 8, maxLength: 60 }).filter((text) => text.trim().length > 6);
const differenceOf = (is: string, wanted: string) =>
  `rowFilter is ${JSON.stringify(is)}, wanted ${JSON.stringify(wanted)}`;

test('no row filter is told, however deep it stands and however it is written', () => {
  fc.assert(
    fc.property(filter, filter, (is, wanted) => {
      const difference = differenceOf(is, wanted);
      const told = withoutRowFilters('ResourceDrifted', {
        spec: { rowFilter: wanted, columns: ['id'] },
        differences: [difference, 'columns is [], wanted ["id"]'],
        message: `It exists already: ${difference}; columns is [], wanted ["id"].`,
      });
      expect(told).toEqual({
        spec: { rowFilter: '(not told)', columns: ['id'] },
        differences: ['rowFilter is not as wanted', 'columns is [], wanted ["id"]'],
        message: 'It exists already: rowFilter is not as wanted; columns is [], wanted ["id"].',
      });
      const failures = [{ kind: 'DataFilter', error: { code: 'AlreadyExists', message: `${difference}.` } }];
      expect(withoutRowFilters('AccessFailed', { reason: `DataFilter: ${difference}`, failures })).toEqual({
        reason: 'DataFilter: rowFilter is not as wanted',
        failures: [{ kind: 'DataFilter', error: { code: 'AlreadyExists', message: 'rowFilter is not as wanted.' } }],
      });
    }),
  );
});

test('that there is none is told', () => {
  expect(withoutRowFilters('ResourceDrifted', { spec: { rowFilter: null } })).toEqual({ spec: { rowFilter: null } });
});

test('what a domain tells, and what a person says, is never rewritten', () => {
  fc.assert(
    fc.property(filter, filter, fc.jsonValue(), (is, wanted, more) => {
      const detail = { rowFilter: is, deep: [{ rowFilter: wanted, note: differenceOf(is, wanted) }], more };
      expect(withoutRowFilters('DomainEventReceived', { detail })).toEqual({ detail });
      const comment = differenceOf(is, wanted);
      expect(withoutRowFilters('AccessRejected', { comment })).toEqual({ comment });
    }),
  );
});

/** Every value that a type's data may have, by its path. */
function valuesOf(fields: Fields, path: string): [string, Field][] {
  return Object.entries(fields).flatMap(([name, field]): [string, Field][] => below(field, `${path}.${name}`));
}
function below(field: Field, path: string): [string, Field][] {
  const deeper = field.item ? below(field.item, `${path}[]`) : valuesOf(field.fields ?? {}, path);
  return [[path, field], ...(field.showsAws ? [] : deeper)];
}

describe('of the values that can hold anything', () => {
  const free = (Object.keys(EVENT_TYPES) as EventType[])
    .flatMap((type) => valuesOf(EVENT_TYPES[type].data, type))
    .filter(([, { kind }]) => kind === 'FREE');

  test('each shows an AWS object, or is named here as one that does not', () => {
    expect(free.filter(([, { showsAws }]) => !showsAws).map(([path]) => path)).toEqual([
      'DomainUpdated.before',
      'DomainUpdated.after',
      'DataProductUpdated.before',
      'DataProductUpdated.after',
      'DataProductUpdated.createResourceLinks[].detail',
      'AccessGranted.createResourceLinks[].detail',
      'AccessGranted.iam',
      'DomainEventReceived.detail',
    ]);
  });
});
