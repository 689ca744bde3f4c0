/** The rows of granted permissions: one per (granting account, principal, target), each permission with its columns. */
import { type ColumnScope, EVERY_COLUMN, isNoColumn, unite, withoutColumns } from './lf-columns.js';
import { IAM_ALLOWED_PRINCIPALS } from './lf-principal.js';
import { permissionsOf, type Target, targetKey } from './lf-target.js';
import type { World } from './service.js';

/** Permissions to the columns that each reaches; only SELECT ever has fewer than all. */
export type Scopes = Record<string, ColumnScope>;

/** What one account has granted to one principal on one target. `grantor` differs from the target's owner for a re-grant. */
export interface GrantRow {
  grantor: string;
  principal: string;
  target: Target;
  permissions: Scopes;
  grantable: Scopes;
  updatedAt: string;
  updatedBy: string;
}

/** What identifies a row. */
type GrantIdentity = Pick<GrantRow, 'grantor' | 'principal' | 'target'>;

/** Permissions to add or to take, and on which columns SELECT is meant. */
interface GrantChange extends GrantIdentity {
  permissions: string[];
  grantable: string[];
  scope: ColumnScope;
  by: string;
}

function table(world: World) {
  return world.table<GrantRow>('lakeformation/grants');
}

function keyOf(row: GrantIdentity): string {
  return `${row.grantor}|${row.principal}|${targetKey(row.target)}`;
}

/** All rows that satisfy the test. */
export function grantRows(world: World, test: (row: GrantRow) => boolean): GrantRow[] {
  return [...table(world).shared()].filter(test);
}

/** The row of this identity. */
export function grantRow(world: World, identity: GrantIdentity): GrantRow | undefined {
  return table(world).get(keyOf(identity));
}

/**
 * ALL stands for every permission of the type and is listed beside them, except for IAM_ALLOWED_PRINCIPALS, whose ALL is
 * one word. AWS page: lf-permissions-reference, "Super".
 */
function expandPermissions(permissions: string[], identity: Pick<GrantRow, 'principal' | 'target'>): string[] {
  if (!permissions.includes('ALL') || identity.principal === IAM_ALLOWED_PRINCIPALS) return [...new Set(permissions)];
  return [...permissionsOf(identity.target)];
}

function scopeOf(permission: string, scope: ColumnScope): ColumnScope {
  return permission === 'SELECT' ? scope : EVERY_COLUMN;
}

function addScopes(held: Scopes, permissions: string[], scope: ColumnScope): Scopes {
  const sum = { ...held };
  for (const permission of permissions) {
    const added = scopeOf(permission, scope);
    const before = sum[permission];
    sum[permission] = before ? unite(before, added) : added;
  }
  return sum;
}

/** Adds permissions to the principal's row on the target: grants merge. */
export function addGrant(world: World, change: GrantChange): void {
  const { grantor, principal, target } = change;
  const row = grantRow(world, change);
  table(world).put(keyOf(change), {
    grantor,
    principal,
    target,
    permissions: addScopes(row?.permissions ?? {}, expandPermissions(change.permissions, change), change.scope),
    grantable: addScopes(row?.grantable ?? {}, expandPermissions(change.grantable, change), change.scope),
    updatedAt: world.now().toISOString(),
    updatedBy: change.by,
  });
}

function takeScopes(held: Scopes, permissions: string[], scope: ColumnScope): { left: Scopes; taken: boolean } {
  const left = { ...held };
  let taken = false;
  for (const permission of permissions) {
    const before = left[permission];
    const rest = before && withoutColumns(before, scopeOf(permission, scope));
    if (!rest) continue;
    taken = true;
    if (isNoColumn(rest)) delete left[permission];
    else left[permission] = rest;
    // Whoever lacks one permission no longer has all of them.
    delete left.ALL;
  }
  return { left, taken };
}

/**
 * Takes permissions and, apart from them, grant options from the principal's row; false where there was nothing of either
 * to take. The two lists are independent, as the API names them.
 */
export function takeGrant(world: World, change: GrantChange): boolean {
  const row = grantRow(world, change);
  if (!row) return false;
  const permissions = takeScopes(row.permissions, expandPermissions(change.permissions, change), change.scope);
  const grantable = takeScopes(row.grantable, expandPermissions(change.grantable, change), change.scope);
  if (!permissions.taken && !grantable.taken) return false;
  saveRow(world, {
    ...row,
    permissions: permissions.left,
    grantable: grantable.left,
    updatedAt: world.now().toISOString(),
    updatedBy: change.by,
  });
  return true;
}

/** Stores the row, or removes it where nothing is left of it. */
export function saveRow(world: World, row: GrantRow): void {
  const empty = Object.keys(row.permissions).length === 0 && Object.keys(row.grantable).length === 0;
  if (empty) table(world).delete(keyOf(row));
  else table(world).put(keyOf(row), row);
}

/** Removes every row on the targets that satisfy the test, as Lake Formation does when the object is deleted. */
export function dropGrantsOn(world: World, test: (target: Target) => boolean): void {
  for (const row of grantRows(world, ({ target }) => test(target))) table(world).delete(keyOf(row));
}

/**
 * Whether permissions on `wide` are permissions on `narrow`: the same target, a database's table wildcard and a table, a
 * table and a filter on it, or some values of a tag and fewer of them.
 */
export function targetCovers(wide: Target, narrow: Target): boolean {
  if (targetKey(wide) === targetKey(narrow)) return true;
  if (wide.tag && narrow.tag) {
    const { TagKey, TagValues } = wide.tag;
    const every = TagValues.includes('*') || narrow.tag.TagValues.every((value) => TagValues.includes(value));
    return wide.catalog === narrow.catalog && TagKey === narrow.tag.TagKey && every;
  }
  const sameDatabase = wide.catalog === narrow.catalog && wide.database === narrow.database;
  if (wide.kind === 'ALL_TABLES') return sameDatabase && narrow.kind === 'TABLE';
  // A data filter stands on its table: who holds SELECT on the table may pass the filter on.
  return wide.kind === 'TABLE' && narrow.kind === 'DATA_CELLS_FILTER' && sameDatabase && wide.table === narrow.table;
}

/** The columns that these rows reach with a permission on the target; undefined where none does. */
export function scopeIn(
  rows: GrantRow[],
  permission: string,
  field: 'permissions' | 'grantable',
): ColumnScope | undefined {
  let scope: ColumnScope | undefined;
  for (const row of rows) {
    const found = row[field][permission] ?? row[field].ALL;
    if (found) scope = scope ? unite(scope, found) : found;
  }
  return scope;
}
