import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  afterRevoke,
  asListed,
  excessRows,
  heldPermissions,
  missingRows,
  type PermissionRow,
  type Wanted,
  wantedRows,
} from '../../src/aws/lf-permissions.js';
import type { PermissionMap } from '../../src/provisioning/kinds.js';

const COLUMNS = ['a', 'b', 'c', 'd'];
const WHOLE = ['ALTER', 'DELETE', 'DESCRIBE', 'DROP', 'INSERT', 'SELECT'];

/** What one principal reaches: `SELECT.a`, `DESCRIBE`, and the same with `+` for the grant option. */
type Cells = Set<string>;

/** A model of Lake Formation's table that knows single cells: a grant adds them, a revoke takes them. */
function cellsOf(row: PermissionRow): string[] {
  const columns =
    row.scope === 'ALL_COLUMNS'
      ? COLUMNS
      : 'columns' in row.scope
        ? row.scope.columns
        : COLUMNS.filter((name) => !(row.scope as { allExcept: string[] }).allExcept.includes(name));
  const cells = (permissions: string[], mark: string) =>
    permissions
      .flatMap((permission) => (permission === 'ALL' ? WHOLE : [permission]))
      .flatMap((permission) =>
        permission === 'SELECT' ? columns.map((name) => `SELECT.${name}${mark}`) : [`${permission}${mark}`],
      );
  return [...cells(row.permissions, ''), ...cells(row.grantable, '+')];
}

const union = (rows: PermissionRow[]): Cells => new Set(rows.flatMap(cellsOf));
const minus = (cells: Cells, rows: PermissionRow[]): Cells => {
  const taken = union(rows);
  return new Set([...cells].filter((cell) => !taken.has(cell)));
};

/** How the model is listed, whole tables and columns told apart as AWS does. */
function listed(cells: Cells): PermissionRow[] {
  const columns = (mark: string) => COLUMNS.filter((name) => cells.has(`SELECT.${name}${mark}`));
  const whole = WHOLE.filter((name) => name !== 'SELECT');
  const held = {
    permissions: whole.filter((name) => cells.has(name)),
    grantable: whole.filter((name) => cells.has(`${name}+`)),
  };
  const scope = (names: string[]) => (names.length === COLUMNS.length ? ('ALL_COLUMNS' as const) : { columns: names });
  const rows: PermissionRow[] = [{ scope: 'ALL_COLUMNS', ...held }];
  if (columns('').length > 0) rows.push({ scope: scope(columns('')), permissions: ['SELECT'], grantable: [] });
  if (columns('+').length > 0) rows.push({ scope: scope(columns('+')), permissions: [], grantable: ['SELECT'] });
  return rows.filter((row) => row.permissions.length + row.grantable.length > 0);
}

const columnSet = fc.uniqueArray(fc.constantFrom(...COLUMNS), { minLength: 1, maxLength: 3 });
const select = fc.oneof(fc.constant('ALL_COLUMNS' as const), columnSet);
const permissions: fc.Arbitrary<PermissionMap> = fc
  .tuple(fc.subarray(['DESCRIBE', 'INSERT', 'ALTER', 'DROP']), fc.option(select))
  .map(([names, columns]) => ({
    ...Object.fromEntries(names.map((name) => [name, 'ALL_COLUMNS' as const])),
    ...(columns ? { SELECT: columns } : {}),
  }));
/** A grant option comes with its permission. */
const wanted: fc.Arbitrary<Wanted> = fc
  .tuple(permissions, fc.boolean())
  .map(([map, grantable]) => ({ permissions: map, grantable: grantable ? map : {} }));

test('revoking what is too much and granting what is missing leaves exactly what is wanted, from any state', () => {
  fc.assert(
    fc.property(wanted, wanted, (before, after) => {
      const start = union(wantedRows(before));
      const rows = listed(start);
      const revoked = minus(start, excessRows(after, rows, 'TABLE'));
      const granted = new Set([...revoked, ...union(missingRows(after, listed(revoked)))]);
      expect([...granted].sort()).toEqual([...union(wantedRows(after))].sort());
    }),
  );
});

test('on the way from one state to another nothing is reached that neither state allows', () => {
  fc.assert(
    fc.property(wanted, wanted, (before, after) => {
      const start = union(wantedRows(before));
      const goal = union(wantedRows(after));
      const between = minus(start, excessRows(after, listed(start), 'TABLE'));
      for (const cell of between) expect(start.has(cell) && goal.has(cell)).toBe(true);
    }),
  );
});

test('what a plan takes to be left after a revoke is what is left', () => {
  fc.assert(
    fc.property(wanted, wanted, (before, after) => {
      const rows = asListed(wantedRows(before), 'TABLE');
      const revoked = excessRows(after, rows, 'TABLE');
      expect(union(afterRevoke(rows, revoked))).toEqual(minus(union(rows), revoked));
    }),
  );
});

test('a state that agrees is neither revoked nor granted', () => {
  fc.assert(
    fc.property(wanted, (spec) => {
      const rows = listed(union(wantedRows(spec)));
      expect(missingRows(spec, rows)).toEqual([]);
      expect(excessRows(spec, rows, 'TABLE')).toEqual([]);
    }),
  );
});

test('columns go as an entry of their own, with SELECT alone', () => {
  const spec: Wanted = {
    permissions: { DESCRIBE: 'ALL_COLUMNS', INSERT: 'ALL_COLUMNS', SELECT: ['b', 'a'] },
    grantable: {},
  };
  expect(wantedRows(spec)).toEqual([
    { scope: 'ALL_COLUMNS', permissions: ['DESCRIBE', 'INSERT'], grantable: [] },
    { scope: { columns: ['a', 'b'] }, permissions: ['SELECT'], grantable: [] },
  ]);
});

test('ALL is satisfied by the word alone, and covers each permission beside it', () => {
  const spec: Wanted = { permissions: { ALL: 'ALL_COLUMNS' }, grantable: {} };
  const rows: PermissionRow[] = [{ scope: 'ALL_COLUMNS', permissions: ['ALL', ...WHOLE], grantable: [] }];
  expect(missingRows(spec, rows)).toEqual([]);
  expect(excessRows(spec, rows, 'TABLE')).toEqual([]);
  expect(missingRows(spec, [{ scope: 'ALL_COLUMNS', permissions: ['SELECT'], grantable: [] }])).toEqual([
    { scope: 'ALL_COLUMNS', permissions: ['ALL'], grantable: [] },
  ]);
});

test('all columns but some is never counted as held, and is taken away as it stands', () => {
  const rows: PermissionRow[] = [{ scope: { allExcept: ['d'] }, permissions: ['SELECT'], grantable: [] }];
  const spec: Wanted = { permissions: { SELECT: ['a'] }, grantable: {} };
  expect(heldPermissions(rows, 'permissions')).toEqual({});
  expect(excessRows(spec, rows, 'TABLE')).toEqual(rows);
  expect(missingRows(spec, rows)).toHaveLength(1);
});

test('what is too much in one scope is one entry, in however many rows AWS lists it', () => {
  const rows: PermissionRow[] = [
    { scope: 'ALL_COLUMNS', permissions: ['DESCRIBE'], grantable: [] },
    { scope: 'ALL_COLUMNS', permissions: ['SELECT'], grantable: ['SELECT'] },
  ];
  expect(excessRows({ permissions: {}, grantable: {} }, rows, 'TABLE')).toEqual([
    { scope: 'ALL_COLUMNS', permissions: ['DESCRIBE', 'SELECT'], grantable: ['SELECT'] },
  ]);
});
