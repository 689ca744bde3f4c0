import type { PermissionMap } from '../provisioning/kinds.js';
import type { LfResource } from '../provisioning/lake-resource.js';

/**
 * The algebra of one principal's permissions on one resource: what is missing, what is too much. Pure; lf-grant.ts makes the calls.
 */

/** The part of the resource that a row is on; a resource without columns is always ALL_COLUMNS. */
type Scope = 'ALL_COLUMNS' | { columns: string[] } | { allExcept: string[] };

/** One row of ListPermissions, or one entry to grant or revoke. `grantable` are permissions held with grant option. */
export interface PermissionRow {
  scope: Scope;
  permissions: string[];
  grantable: string[];
}

/** What a grant wants of a resource. */
export interface Wanted {
  permissions: PermissionMap;
  grantable: PermissionMap;
}

/**
 * What ALL stands for; a tag policy's permissions are those of what it selects. AWS takes ALL on catalogs, databases and tables alone
 * (Lake Formation developer guide, lf-permissions-reference).
 */
const ALL_OF = {
  CATALOG: ['ALTER', 'CREATE_DATABASE', 'DESCRIBE', 'DROP'],
  DATABASE: ['ALTER', 'CREATE_TABLE', 'DESCRIBE', 'DROP'],
  TABLE: ['ALTER', 'DELETE', 'DESCRIBE', 'DROP', 'INSERT', 'SELECT'],
  DATA_FILTER: [],
  DATA_LOCATION: [],
  LF_TAG: [],
} as const;
export type ResourceType = keyof typeof ALL_OF;

/** Whose permissions the grants on a resource are made of. */
export function permissionType(resource: LfResource): ResourceType {
  return resource.type === 'LF_TAG_POLICY' ? resource.on : resource.type;
}

type Held = Map<string, { all: boolean; columns: Set<string> }>;

/** The entries that a grant wants: whole-resource permissions as one, each distinct set of columns as one of its own. */
export function wantedRows(wanted: Wanted): PermissionRow[] {
  const rows = new Map<string, PermissionRow>();
  const rowAt = (scope: Scope): PermissionRow => {
    const key = JSON.stringify(scope);
    const row = rows.get(key) ?? { scope, permissions: [], grantable: [] };
    rows.set(key, row);
    return row;
  };
  for (const [permission, columns] of sorted(wanted.permissions)) rowAt(scopeOf(columns)).permissions.push(permission);
  for (const [permission, columns] of sorted(wanted.grantable)) {
    const row = rowAt(scopeOf(columns));
    row.grantable.push(permission);
    // AWS takes a grant option only beside its permission.
    if (!row.permissions.includes(permission)) row.permissions.push(permission);
  }
  return [...rows.values()];
}

/** The entries whose grant makes the rows cover what is wanted. */
export function missingRows(wanted: Wanted, rows: PermissionRow[]): PermissionRow[] {
  const held = heldBy(rows, 'permissions');
  const grantable = heldBy(rows, 'grantable');
  return wantedRows(wanted).flatMap((row) => {
    const lacksOption = row.grantable.filter((permission) => !covers(grantable, permission, row.scope));
    const lacks = row.permissions.filter(
      (permission) => lacksOption.includes(permission) || !covers(held, permission, row.scope),
    );
    return lacks.length > 0 ? [{ scope: row.scope, permissions: lacks, grantable: lacksOption }] : [];
  });
}

/**
 * The entries whose revoke leaves nothing that is not wanted. Where a row is wider than wanted it is revoked as it stands (AWS
 * cannot cut columns out of a whole-table permission); what is then missing is granted after, so access is never wider than either state.
 */
export function excessRows(wanted: Wanted, rows: PermissionRow[], type: ResourceType): PermissionRow[] {
  const permissions = expanded(wanted.permissions, type);
  const options = expanded(wanted.grantable, type);
  // One entry a scope, whatever number of rows AWS lists it in: two of one resource need two calls.
  const byScope = new Map<string, PermissionRow>();
  for (const row of rows) {
    const add = (permission: string, beyond: Scope | null, optionOnly: boolean): void => {
      if (beyond === null) return;
      const key = JSON.stringify(beyond);
      const entry = byScope.get(key) ?? { scope: beyond, permissions: [], grantable: [] };
      byScope.set(key, entry);
      // A grant option goes with its permission, which is granted again without it: AWS states no revoke of the option alone.
      if (!entry.permissions.includes(permission)) entry.permissions.push(permission);
      const option = row.grantable.includes(permission) || optionOnly;
      if (option && !entry.grantable.includes(permission)) entry.grantable.push(permission);
    };
    for (const permission of row.permissions) add(permission, beyond(row.scope, permissions.get(permission)), false);
    for (const permission of row.grantable) add(permission, beyond(row.scope, options.get(permission)), true);
  }
  return [...byScope.values()].map(({ scope, permissions: revoked, grantable }) => ({
    scope,
    permissions: revoked.sort(),
    grantable: grantable.sort(),
  }));
}

/** The rows as AWS lists them: ALL beside everything that it stands for. */
export function asListed(rows: PermissionRow[], type: ResourceType): PermissionRow[] {
  const unfold = (permissions: string[]) =>
    permissions.includes('ALL') ? [...new Set([...permissions, ...ALL_OF[type]])] : permissions;
  return rows.map((row) => ({
    ...row,
    permissions: unfold(row.permissions),
    grantable: unfold(row.grantable),
  }));
}

/** What is left of rows once entries of `excessRows` are revoked. */
export function afterRevoke(rows: PermissionRow[], revoked: PermissionRow[]): PermissionRow[] {
  return rows.flatMap((row) => {
    const left = (permission: string, field: 'permissions' | 'grantable') =>
      revoked.reduce<Scope | null>(
        (scope, entry) => (scope && entry[field].includes(permission) ? beyond(scope, entry.scope) : scope),
        row.scope,
      );
    return (['permissions', 'grantable'] as const).flatMap((field) =>
      row[field].flatMap((permission): PermissionRow[] => {
        const scope = left(permission, field);
        return scope ? [{ scope, permissions: [], grantable: [], [field]: [permission] }] : [];
      }),
    );
  });
}

/** The columns that rows name. */
export function namedColumns(rows: PermissionRow[]): string[] {
  return rows.flatMap(({ scope }) => (scope !== 'ALL_COLUMNS' && 'columns' in scope ? scope.columns : []));
}

/** The rows as far as their columns are still there: a permission on a column that its table lost opens nothing and cannot be revoked. */
export function withoutVanished(rows: PermissionRow[], vanished: string[]): PermissionRow[] {
  return rows.flatMap((row) => {
    if (row.scope === 'ALL_COLUMNS' || 'allExcept' in row.scope) return [row];
    const columns = row.scope.columns.filter((column) => !vanished.includes(column));
    return columns.length > 0 ? [{ ...row, scope: { columns } }] : [];
  });
}

/** The permissions that all rows together hold, in the form of a grant's spec. */
export function heldPermissions(rows: PermissionRow[], field: 'permissions' | 'grantable'): PermissionMap {
  const map: PermissionMap = {};
  for (const [permission, { all, columns }] of heldBy(rows, field)) {
    map[permission] = all ? 'ALL_COLUMNS' : [...columns].sort();
  }
  return map;
}

/** The same for a listing that hides nothing: what excludes columns is named as such, among the columns. */
export function listedPermissions(rows: PermissionRow[], field: 'permissions' | 'grantable'): PermissionMap {
  const map = heldPermissions(rows, field);
  for (const { scope, [field]: permissions } of rows) {
    if (scope === 'ALL_COLUMNS' || 'columns' in scope) continue;
    for (const permission of permissions) {
      const columns = map[permission] ?? [];
      if (columns === 'ALL_COLUMNS') continue;
      map[permission] = [...columns, `(all except ${scope.allExcept.join(', ')})`].sort();
    }
  }
  return map;
}

/** `SELECT on columns a, b; DESCRIBE (grantable)`: a row for people. */
export function describeRow(row: PermissionRow): string {
  const permissions = row.permissions.map((name) => (row.grantable.includes(name) ? `${name} (grantable)` : name));
  const options = row.grantable
    .filter((name) => !row.permissions.includes(name))
    .map((name) => `grant option of ${name}`);
  const on =
    row.scope === 'ALL_COLUMNS'
      ? ''
      : 'columns' in row.scope
        ? ` on columns ${row.scope.columns.join(', ')}`
        : ` on all columns except ${row.scope.allExcept.join(', ')}`;
  return `${[...permissions, ...options].join(', ')}${on}`;
}

function sorted(map: PermissionMap): [string, PermissionMap[string]][] {
  return Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1)) as [string, PermissionMap[string]][];
}

function scopeOf(columns: PermissionMap[string]): Scope {
  return columns === 'ALL_COLUMNS' || columns === undefined
    ? 'ALL_COLUMNS'
    : { columns: columns.map((name) => name.toLowerCase()).sort() };
}

/** Rows with excluded columns reach an unknown set, so they count as nothing held; excessRows takes them away. */
function heldBy(rows: PermissionRow[], field: 'permissions' | 'grantable'): Held {
  const held: Held = new Map();
  for (const row of rows) {
    if (row.scope !== 'ALL_COLUMNS' && 'allExcept' in row.scope) continue;
    for (const permission of row[field]) {
      const entry = held.get(permission) ?? { all: false, columns: new Set<string>() };
      if (row.scope === 'ALL_COLUMNS') entry.all = true;
      else for (const column of row.scope.columns) entry.columns.add(column);
      held.set(permission, entry);
    }
  }
  return held;
}

function covers(held: Held, permission: string, scope: Scope): boolean {
  const entry = held.get(permission);
  if (held.get('ALL')?.all || entry?.all) return true;
  return (
    entry !== undefined &&
    scope !== 'ALL_COLUMNS' &&
    'columns' in scope &&
    scope.columns.every((column) => entry.columns.has(column))
  );
}

function expanded(map: PermissionMap, type: ResourceType): Map<string, Scope> {
  const scopes = new Map(sorted(map).map(([permission, columns]) => [permission, scopeOf(columns)]));
  if (scopes.has('ALL')) for (const permission of ALL_OF[type]) scopes.set(permission, 'ALL_COLUMNS');
  return scopes;
}

/** The part of a row's scope that is not wanted; null where all of it is. */
function beyond(scope: Scope, wanted: Scope | undefined): Scope | null {
  if (wanted === undefined) return scope;
  if (wanted === 'ALL_COLUMNS') return null;
  if (scope === 'ALL_COLUMNS' || 'allExcept' in scope || 'allExcept' in wanted) return scope;
  const columns = scope.columns.filter((column) => !wanted.columns.includes(column));
  return columns.length > 0 ? { columns } : null;
}
