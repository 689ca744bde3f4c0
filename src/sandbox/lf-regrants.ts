/** What a receiving account passed on of what it was granted, and what becomes of it when the owner takes that back. */
import { type ColumnScope, unite } from './lf-columns.js';
import { type GrantRow, grantRows, type Scopes, saveRow, targetCovers } from './lf-grants.js';
import { scopeByTags, type TagQuestion } from './lf-tags.js';
import type { World } from './service.js';

/** The columns to which these rows extend a permission on the target, by name or by tag; undefined where none does. */
export function scopeOn(world: World, rows: GrantRow[], question: TagQuestion): ColumnScope | undefined {
  const { permission, target, field = 'permissions' } = question;
  let scope: ColumnScope | undefined;
  for (const row of rows) {
    const found = targetCovers(row.target, target)
      ? (row[field][permission] ?? row[field].ALL)
      : scopeByTags(world, row, question);
    if (found) scope = scope ? unite(scope, found) : found;
  }
  return scope;
}

/**
 * Revoking the account's grant cuts those made from it: every re-grant by `receiver` on objects of `owner` loses the
 * permissions of which neither the account nor who made the re-grant holds anything any more. Columns stay as they were written, as a reader is shown no more
 * of them than his account may see. AWS pages: Lake Formation best-practices guide, data sharing, upgrading cross-account
 * versions; developer guide, column-filtering-intro.
 */
export function cutRegrants(world: World, owner: string, receiver: string): void {
  if (owner === receiver) return;
  const sources = grantRows(world, ({ grantor, target }) => grantor === owner && target.catalog === owner);
  for (const row of grantRows(world, ({ grantor, target }) => grantor === receiver && target.catalog === owner)) {
    const makers = [receiver, row.updatedBy];
    const from = sources.filter(({ principal }) => makers.includes(principal));
    const above = (permission: string) => scopeOn(world, from, { permission, target: row.target }) !== undefined;
    const permissions = keep(row.permissions, above);
    const grantable = keep(row.grantable, above);
    const size = (scopes: Scopes) => Object.keys(scopes).length;
    if (size(permissions) === size(row.permissions) && size(grantable) === size(row.grantable)) continue;
    saveRow(world, { ...row, permissions, grantable });
  }
}

function keep(held: Scopes, above: (permission: string) => boolean): Scopes {
  return Object.fromEntries(Object.entries(held).filter(([permission]) => above(permission)));
}
