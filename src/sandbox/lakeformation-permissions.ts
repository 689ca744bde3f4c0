/** GrantPermissions, RevokePermissions and their batch forms. */

import { type Caller, requireGrantOption } from './lf-authority.js';
import type { ColumnScope } from './lf-columns.js';
import { allTargetsExist, isResourceLink } from './lf-existence.js';
import { addGrant, dropGrantsOn, grantRow, grantRows, takeGrant } from './lf-grants.js';
import { invalidInput, requireMembers, requireOwnCatalogId } from './lf-input.js';
import { IAM_ALLOWED_PRINCIPALS, type Principal, principalOf, readPrincipal } from './lf-principal.js';
import { cutRegrants } from './lf-regrants.js';
import { crossAccountVersion, isAdministrator } from './lf-settings.js';
import { permissionsOf, type ResourceInput, readTarget, type Target, targetKey } from './lf-target.js';
import { shareGrants } from './ram-shares.js';
import { AwsError, type Call, type World } from './service.js';

/** One entry of GrantPermissions, RevokePermissions or their batch forms. */
interface PermissionsEntry {
  Id?: string;
  Principal?: { DataLakePrincipalIdentifier?: string };
  Resource?: ResourceInput;
  Permissions?: string[];
  PermissionsWithGrantOption?: string[];
}

/** An entry that was read and fits its resource. */
interface Reading {
  principal: Principal;
  target: Target;
  scope: ColumnScope;
  permissions: string[];
  grantable: string[];
}

function readEntry(call: Call, world: World, entry: PermissionsEntry): Reading {
  requireMembers(entry as Record<string, unknown>, ['Principal', 'Resource', 'Permissions']);
  const principal = principalOf(world, entry.Principal?.DataLakePrincipalIdentifier);
  const { target, scope, byColumns } = readTarget(entry.Resource, call.account);
  const permissions = entry.Permissions ?? [];
  const grantable = entry.PermissionsWithGrantOption ?? [];
  if (permissions.length === 0 && grantable.length === 0) throw invalidInput('Permissions must not be empty.');
  allTargetsExist(world, target, scope);
  const link = isResourceLink(world, target);
  for (const permission of [...permissions, ...grantable]) {
    // A column list takes SELECT alone, a resource link DESCRIBE and DROP. AWS page: lf-permissions-reference.
    const fits = byColumns ? ['SELECT'] : permissionsOf(target);
    const fitsLink = ['DESCRIBE', 'DROP'].includes(permission) || principal.kind === 'IAM_ALLOWED';
    if (!fits.includes(permission) || (link && !fitsLink)) {
      throw invalidInput(`Resource type is not compatible with permission ${permission}`);
    }
  }
  return { principal, target, scope, permissions, grantable };
}

/** Grants and answers the other account that the grant reaches, if any. */
function grantEntry(call: Call, world: World, entry: PermissionsEntry): string | undefined {
  const reading = readEntry(call, world, entry);
  const { principal, target, scope, permissions, grantable } = reading;
  if (grantable.some((permission) => !permissions.includes(permission) && !permissions.includes('ALL'))) {
    throw invalidInput('Permissions with grant option must be a subset of the permissions granted.');
  }
  if (principal.kind === 'IAM_ALLOWED' && grantable.length > 0) {
    throw invalidInput(`${IAM_ALLOWED_PRINCIPALS} cannot be given the grant option.`);
  }
  if (grantable.includes('SELECT') && 'excluded' in scope && scope.excluded.length > 0) {
    // AWS page: column-filtering-intro.
    throw invalidInput('SELECT with the grant option takes a list of included columns, not of excluded ones.');
  }
  requireGrantOption(world, call, { target, permissions, scope });
  if (target.catalog !== call.account) requirePassable(call, reading);
  else if (principal.account !== undefined && principal.account !== call.account) requireSharable(world, call, reading);
  const identity = { grantor: call.account, principal: principal.id, target };
  refuseMixedColumns(world, identity, scope);
  refuseManyFilters(world, identity);
  addGrant(world, { ...identity, permissions, grantable, scope, by: call.principal });
  return receiverOf(call, reading);
}

/**
 * Sharing is not transitive: a receiving account grants to its own principals alone, and shows nobody a filter that was
 * shared with it. AWS pages: cross-account-cascading-permissions, managing-filters.
 */
function requirePassable(call: Call, { principal, target, permissions }: Reading): void {
  if (principal.kind !== 'IAM' || principal.account !== call.account) {
    throw invalidInput(`Cannot grant on a resource of another account to ${principal.id}.`);
  }
  if (target.kind === 'DATA_CELLS_FILTER' && permissions.includes('DESCRIBE')) {
    throw invalidInput('DESCRIBE cannot be granted on a data cells filter of another account.');
  }
}

/** The conditions of a grant that leaves the account. */
function requireSharable(world: World, call: Call, reading: Reading): void {
  const { principal, target, permissions, grantable } = reading;
  // Direct and RAM tag grants came with version 3. AWS page: Lake Formation developer guide, optimize-ram.
  if (crossAccountVersion(world, call.account) < 3) {
    if (principal.kind === 'IAM')
      throw invalidInput('Cross-account grants to IAM principals need cross-account version 3 or above.');
    if (target.kind === 'LF_TAG_POLICY' || target.kind === 'LF_TAG') {
      throw invalidInput('Cross-account grants on LF-Tags need cross-account version 3 or above.');
    }
  }
  if (target.kind === 'CATALOG') throw invalidInput('The catalog cannot be granted to another account.');
  // AWS pages: Lake Formation developer guide, TBAC-granting-tags and TBAC-adding-tag-creator.
  if (target.kind === 'LF_TAG' && grantable.length === 0) {
    throw invalidInput('A grant on an LF-Tag to another account must include the grant option.');
  }
  if (target.kind === 'LF_TAG' && permissions.some((permission) => !['DESCRIBE', 'ASSOCIATE'].includes(permission))) {
    throw invalidInput('Only DESCRIBE and ASSOCIATE on an LF-Tag can be granted to another account.');
  }
  // AWS page: granting-filter-perms.
  if (target.kind === 'DATA_CELLS_FILTER' && principal.kind === 'ACCOUNT' && grantable.length === 0) {
    throw invalidInput('A grant on a data cells filter to another account must include the grant option.');
  }
  // What IAM_ALLOWED_PRINCIPALS may reach cannot be shared. AWS page: cross-account-prereqs.
  if (grantRows(world, (row) => row.principal === IAM_ALLOWED_PRINCIPALS && isWithin(row.target, target)).length > 0) {
    throw invalidInput(
      `Cross-account grants are not allowed while ${IAM_ALLOWED_PRINCIPALS} has permissions on the resource; revoke them first.`,
    );
  }
}

function isWithin(inner: Target, outer: Target): boolean {
  if (targetKey(inner) === targetKey(outer)) return true;
  const sameDatabase = inner.catalog === outer.catalog && inner.database === outer.database;
  // What is open on every table of a database is open on each.
  if (inner.kind === 'ALL_TABLES') return sameDatabase && outer.table !== undefined;
  if (outer.kind === 'ALL_TABLES') return sameDatabase && inner.kind === 'TABLE';
  return outer.kind === 'DATA_CELLS_FILTER' && sameDatabase && inner.kind === 'TABLE' && inner.table === outer.table;
}

/** One principal has either chosen columns or all columns but some on a table, unless one of them is the whole table. */
function refuseMixedColumns(
  world: World,
  identity: { grantor: string; principal: string; target: Target },
  scope: ColumnScope,
): void {
  const held = grantRow(world, identity)?.permissions.SELECT;
  if (!held || 'names' in held === 'names' in scope) return;
  const exclusion = 'excluded' in held ? held : scope;
  if ('excluded' in exclusion && exclusion.excluded.length > 0) {
    throw invalidInput('A principal cannot have included and excluded columns on the same table.');
  }
}

const FILTERS_PER_PRINCIPAL = 100;

/** One principal takes a limited number of filters on one table. AWS page: row-filtering-intro. */
function refuseManyFilters(world: World, identity: { grantor: string; principal: string; target: Target }): void {
  const { target, principal } = identity;
  if (target.kind !== 'DATA_CELLS_FILTER' || grantRow(world, identity)) return;
  const { catalog, database, table } = target;
  const held = grantRows(world, (row) => {
    const here = row.target.catalog === catalog && row.target.database === database && row.target.table === table;
    return row.principal === principal && here && row.target.kind === 'DATA_CELLS_FILTER';
  });
  if (held.length < FILTERS_PER_PRINCIPAL) return;
  throw invalidInput(`A principal can have ${FILTERS_PER_PRINCIPAL} data cells filters on a table at most.`);
}

/** Revokes and answers the other account that the grant reached, if any. */
function revokeEntry(call: Call, world: World, entry: PermissionsEntry): string | undefined {
  const reading = readEntry(call, world, entry);
  const { principal, target, scope, permissions, grantable } = reading;
  requireGrantOptionToRevoke(world, call, reading);
  const identity = { grantor: call.account, principal: principal.id, target };
  const held = grantRow(world, identity);
  if (!held) {
    throw invalidInput('No permissions revoked. Grantee has no permissions and no grantable permissions on resource.');
  }
  if (!takeGrant(world, { ...identity, permissions, grantable, scope, by: call.principal })) {
    throw invalidInput(`No permissions revoked. Grantee does not have: [${permissions.join(', ')}]`);
  }
  return receiverOf(call, reading);
}

/** A receiving account's administrator may take back what was granted there, even once the owner's grant is gone. */
function requireGrantOptionToRevoke(world: World, caller: Caller, reading: Reading): void {
  if (isAdministrator(world, caller.account, caller.principal)) return;
  requireGrantOption(world, caller, reading);
}

function receiverOf(call: Call, { principal, target }: Reading): string | undefined {
  return principal.account !== call.account && target.catalog === call.account ? principal.account : undefined;
}

/** Shares and re-grants follow what was granted to or revoked from other accounts. */
function agreeShares(call: Call, world: World, receivers: Iterable<string | undefined>): void {
  for (const receiver of new Set(receivers)) {
    if (receiver === undefined) continue;
    shareGrants(world, { owner: call.account, receiver, region: call.region });
    cutRegrants(world, call.account, receiver);
  }
}

/** Lake Formation forgets the permissions on an object that is deleted; shares and re-grants follow. */
export function forgetTargets(world: World, call: Call, test: (target: Target) => boolean): void {
  const gone = grantRows(world, (row) => test(row.target));
  dropGrantsOn(world, test);
  for (const { grantor, principal } of gone) {
    const receiver = readPrincipal(principal)?.account;
    if (receiver !== undefined) shareGrants(world, { owner: grantor, receiver, region: call.region });
  }
}

/** GrantPermissions. */
export function grantPermissions(call: Call, world: World): unknown {
  requireOwnCatalogId(call);
  agreeShares(call, world, [grantEntry(call, world, call.parameters)]);
  return {};
}

/** RevokePermissions. */
export function revokePermissions(call: Call, world: World): unknown {
  requireOwnCatalogId(call);
  agreeShares(call, world, [revokeEntry(call, world, call.parameters)]);
  return {};
}

type ApplyEntry = (call: Call, world: World, entry: PermissionsEntry) => string | undefined;

/** At most 20 entries; each stands alone, and those that fail come back with their error and Id. */
function applyEach(call: Call, world: World, apply: ApplyEntry): unknown {
  requireOwnCatalogId(call);
  requireMembers(call.parameters, ['Entries']);
  const entries: PermissionsEntry[] = call.parameters.Entries;
  if (entries.length > 20) {
    throw invalidInput(
      "1 validation error detected: Value at 'entries' failed to satisfy constraint: Member must have length less than or equal to 20",
    );
  }
  const ids = entries.map((entry) => entry.Id);
  if (ids.some((id) => !id)) requireMembers({}, ['Id'], 'entries.');
  if (new Set(ids).size < ids.length) throw invalidInput('The identifiers of the entries must be unique.');
  refuseSamePlace(call, entries);
  const receivers: (string | undefined)[] = [];
  const failures = entries.flatMap((entry) => {
    const error = errorOf(() => void receivers.push(apply(call, world, entry)));
    return error ? [{ RequestEntry: entry, Error: { ErrorCode: error.code, ErrorMessage: error.message } }] : [];
  });
  agreeShares(call, world, receivers);
  return failures.length > 0 ? { Failures: failures } : {};
}

/** AWS gives no order among the entries of a call: two on one resource for one principal would have no certain outcome. */
function refuseSamePlace(call: Call, entries: PermissionsEntry[]): void {
  const places = new Set<string>();
  for (const { Principal: principal, Resource: resource } of entries) {
    // An entry that cannot be read fails on its own.
    if (errorOf(() => void readTarget(resource, call.account))) continue;
    const place = `${principal?.DataLakePrincipalIdentifier} on ${targetKey(readTarget(resource, call.account).target)}`;
    if (places.has(place)) throw invalidInput(`Two entries of one call are for ${place}.`);
    places.add(place);
  }
}

function errorOf(act: () => void): AwsError | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    if (error instanceof AwsError) return error;
    throw error;
  }
}

/** BatchGrantPermissions. */
export function batchGrantPermissions(call: Call, world: World): unknown {
  return applyEach(call, world, grantEntry);
}

/** BatchRevokePermissions. */
export function batchRevokePermissions(call: Call, world: World): unknown {
  return applyEach(call, world, revokeEntry);
}
