/** Who holds which permission: the checks that the Data Catalog and Lake Formation make of a caller. */
import { type ColumnScope, contains, EVERY_COLUMN } from './lf-columns.js';
import { type GrantRow, grantRows, scopeIn, targetCovers } from './lf-grants.js';
import { insufficientPermission } from './lf-input.js';
import { isRegisteredPath, locationCovers } from './lf-locations.js';
import { IAM_ALLOWED_PRINCIPALS } from './lf-principal.js';
import { scopeOn } from './lf-regrants.js';
import { isAdministrator } from './lf-settings.js';
import { scopeByTags, type TagQuestion, tagTable } from './lf-tags.js';
import { describeTarget, type TagCondition, type Target } from './lf-target.js';
import { isShared } from './ram-shares.js';
import type { Call, World } from './service.js';

/** The calling principal and its account. */
export type Caller = Pick<Call, 'account' | 'principal' | 'outOfBand'>;

/** Whether a row counts for the caller on an object of `owner`: its own, its account's re-grants, or IAM's group. */
function isRowOf(world: World, caller: Caller, row: GrantRow): boolean {
  const owner = row.target.catalog;
  if (row.principal === IAM_ALLOWED_PRINCIPALS) return owner === caller.account;
  if (row.principal !== caller.principal) return false;
  if (owner === caller.account) return row.grantor === owner;
  // Nothing of another account is reached before its share is accepted. AWS page: cross-account-read-data.
  if (row.grantor === owner) return isShared(world, row.target, row.principal);
  return row.grantor === caller.account && isShared(world, row.target, caller.account);
}

/** The columns of the target for which the caller holds the permission, by name or by tag; undefined where it does not. */
export function heldScope(world: World, caller: Caller, question: TagQuestion): ColumnScope | undefined {
  const { catalog } = question.target;
  const rows = grantRows(world, (row) => row.target.catalog === catalog && isRowOf(world, caller, row));
  return scopeOn(world, rows, question);
}

/** Whether the caller holds the permission on any part of the target. Administrators hold none by that alone. */
export function holds(world: World, caller: Caller, permission: string, target: Target): boolean {
  return heldScope(world, caller, { permission, target }) !== undefined;
}

/** Throws AccessDeniedException where the caller lacks the permission. */
export function requirePermission(world: World, caller: Caller, permission: string, target: Target): void {
  if (caller.outOfBand && target.catalog === caller.account) return;
  if (holds(world, caller, permission, target)) return;
  const words = permission.toLowerCase().split('_');
  throw insufficientPermission(
    words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join(' '),
    describeTarget(target),
  );
}

/**
 * Whether the caller may see the target's metadata. An administrator may describe everything in his account and what is
 * shared with his account, but not what is shared directly with another principal.
 * AWS page: Lake Formation developer guide, implicit-permissions.
 */
export function mayDescribe(world: World, caller: Caller, target: Target): boolean {
  if (isAdministrator(world, caller.account, caller.principal)) {
    if (target.catalog === caller.account || isSharedWithAccount(world, caller.account, target)) return true;
  }
  const { catalog, kind, database } = target;
  return grantRows(world, (row) => row.target.catalog === catalog && isRowOf(world, caller, row)).some((row) => {
    if (Object.keys(row.permissions).length === 0) return false;
    if (targetCovers(row.target, target)) return true;
    // A permission on a table brings DESCRIBE on its database, within one account only. AWS page: granting-catalog-permissions.
    if (kind === 'DATABASE' && catalog === caller.account && row.target.database === database) return true;
    return ['DESCRIBE', 'SELECT'].some((permission) => scopeByTags(world, row, { permission, target }) !== undefined);
  });
}

/** Whether a grant to the whole account reaches the target through an accepted share. */
function isSharedWithAccount(world: World, account: string, target: Target): boolean {
  const rows = grantRows(world, (row) => row.principal === account && row.grantor === target.catalog);
  return rows.some((row) => {
    if (!isShared(world, row.target, account)) return false;
    if (targetCovers(row.target, target)) return true;
    return ['DESCRIBE', 'SELECT'].some((permission) => scopeByTags(world, row, { permission, target }) !== undefined);
  });
}

/** A grant or revoke that is to be judged. */
interface GrantWish {
  target: Target;
  permissions: string[];
  scope: ColumnScope;
}

/**
 * The grant option is needed to grant: administrators have it on everything in their own account, others on what they hold
 * as grantable, by name or by tag. AWS pages: Lake Formation developer guide, implicit-permissions, lf-tag-considerations.
 */
export function requireGrantOption(world: World, caller: Caller, wish: GrantWish): void {
  const { target, permissions, scope } = wish;
  const own = target.catalog === caller.account;
  const administrator = isAdministrator(world, caller.account, caller.principal);
  if (own && administrator) return;
  if (own && target.policy) requireTagGrants(world, caller, target.policy.expression);
  const rows = own
    ? ownSources(world, caller)
    : foreignSources(world, caller, { owner: target.catalog, administrator });
  for (const permission of permissions) {
    const limit = scopeOn(world, rows, { permission, target, field: 'grantable' });
    const wanted = permission === 'SELECT' ? scope : EVERY_COLUMN;
    // An administrator may pass more columns on than his account was given: nobody is shown them. AWS page: column-filtering-intro.
    if (!limit || (!administrator && !contains(limit, wanted))) {
      throw insufficientPermission(`Grantable ${permission}`, describeTarget(target));
    }
  }
}

/**
 * Who grants by LF-Tags needs the permission to do so on each of them, which their creators have and which never leaves the
 * account. AWS pages: lf-tag-considerations; TBAC-adding-tag-creator.
 */
function requireTagGrants(world: World, caller: Caller, expression: TagCondition[]): void {
  for (const tag of expression) {
    if (tagTable(world).get(`${caller.account}|${tag.TagKey}`)?.createdBy === caller.principal) continue;
    requirePermission(world, caller, 'GRANT_WITH_LF_TAG_EXPRESSION', { kind: 'LF_TAG', catalog: caller.account, tag });
  }
}

function ownSources(world: World, caller: Caller): GrantRow[] {
  return grantRows(world, (row) => row.principal === caller.principal && row.grantor === caller.account);
}

/**
 * What lets a receiving account grant further: the owner's grant to the account (used by its administrators) or to the
 * caller himself. For tags the expression must be the identical one, since only equal expressions cover each other; the
 * page's second way, DESCRIBE on all the tag's values for another expression, is not taken here.
 * AWS page: Lake Formation developer guide, cross-account-cascading-permissions.
 */
function foreignSources(world: World, caller: Caller, on: { owner: string; administrator: boolean }): GrantRow[] {
  const { owner, administrator } = on;
  return grantRows(world, (row) => {
    if (row.target.catalog !== owner) return false;
    if (row.principal === caller.account) return administrator && row.grantor === owner && carried(world, row);
    if (row.principal !== caller.principal) return false;
    return row.grantor === caller.account || (row.grantor === owner && carried(world, row));
  });
}

/** Data locations travel without a RAM share. */
function carried(world: World, row: GrantRow): boolean {
  return row.target.kind === 'DATA_LOCATION' || isShared(world, row.target, row.principal);
}

/**
 * A table or database at a registered path needs DATA_LOCATION_ACCESS on it, which administrators have everywhere in their
 * data lake. AWS pages: Lake Formation developer guide, troubleshooting and implicit-permissions.
 */
export function requireLocationAccess(
  world: World,
  caller: Caller,
  at: { owner: string; location: string | undefined },
): void {
  const { owner, location } = at;
  if (!location || !isRegisteredPath(world, owner, location)) return;
  if (owner === caller.account && isAdministrator(world, owner, caller.principal)) return;
  const rows = grantRows(world, (row) => {
    const grantedHere = row.grantor === owner || row.grantor === caller.account;
    const reaches =
      row.target.catalog === owner && row.target.arn !== undefined && locationCovers(row.target.arn, location);
    return reaches && grantedHere && row.principal === caller.principal;
  });
  if (!scopeIn(rows, 'DATA_LOCATION_ACCESS', 'permissions')) {
    throw insufficientPermission('Data Location Access', `${location} (register the S3 path and grant access to it)`);
  }
}
