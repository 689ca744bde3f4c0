/** ListPermissions and GetEffectivePermissionsForPath. */
import { findTable } from './glue-store.js';
import { mayDescribe } from './lf-authority.js';
import { EVERY_COLUMN, sameScope } from './lf-columns.js';
import { type GrantRow, grantRows, type Scopes, targetCovers } from './lf-grants.js';
import { defined, invalidInput, pageOf, requireMembers, requireOwnCatalogId } from './lf-input.js';
import { locationCovers } from './lf-locations.js';
import { principalOf, readPrincipal } from './lf-principal.js';
import { isAdministrator, settingsOf } from './lf-settings.js';
import { scopeByTags } from './lf-tags.js';
import {
  permissionsOf,
  type ResourceInput,
  readTarget,
  type Target,
  type TargetKind,
  targetKey,
  toResource,
} from './lf-target.js';
import { liveShare, shareClassOf } from './ram-shares.js';
import type { Call, World } from './service.js';

/** One row of the answer, as the API has it. */
interface PermissionsRow {
  Principal: { DataLakePrincipalIdentifier: string };
  Resource: ResourceInput;
  Permissions: string[];
  PermissionsWithGrantOption: string[];
  AdditionalDetails?: { ResourceShare: string[] };
  LastUpdated?: Date;
  LastUpdatedBy?: string;
}

const KINDS_OF_TYPE: Record<string, (target: Target) => boolean> = {
  CATALOG: ofKind('CATALOG'),
  DATABASE: ofKind('DATABASE'),
  TABLE: ofKind('TABLE', 'ALL_TABLES', 'DATA_CELLS_FILTER'),
  DATA_LOCATION: ofKind('DATA_LOCATION'),
  LF_TAG: ofKind('LF_TAG'),
  LF_TAG_POLICY: ofKind('LF_TAG_POLICY'),
  LF_TAG_POLICY_DATABASE: (target) => target.policy?.resourceType === 'DATABASE',
  LF_TAG_POLICY_TABLE: (target) => target.policy?.resourceType === 'TABLE',
  LF_NAMED_TAG_EXPRESSION: () => false,
};

function ofKind(...kinds: TargetKind[]): (target: Target) => boolean {
  return (target) => kinds.includes(target.kind);
}

/** The rows that the caller may see: an administrator those of his account and of shares to it, others their own. */
function visibleRows(call: Call, world: World, catalog?: string): GrantRow[] {
  const administrator = isAdministrator(world, call.account, call.principal);
  return grantRows(world, (row) => {
    if (catalog !== undefined && row.target.catalog !== catalog) return false;
    if (row.principal === call.principal) return true;
    if (!administrator) return row.grantor === call.account && mayDescribe(world, call, row.target);
    // A grant made directly to another principal of this account stays hidden. AWS page: implicit-permissions.
    return row.grantor === call.account || row.principal === call.account;
  });
}

/**
 * ListPermissions. With Principal and Resource together it answers the effective permissions: those by table wildcard and
 * by tag too. AWS page: Lake Formation API reference, ListPermissions.
 */
export function listPermissions(call: Call, world: World): unknown {
  requireOwnCatalogId(call);
  const input = call.parameters;
  const principal: string | undefined = input.Principal?.DataLakePrincipalIdentifier;
  if (input.Principal) principalOf(world, principal);
  const type: string | undefined = input.ResourceType;
  const ofType = type === undefined ? () => true : KINDS_OF_TYPE[type];
  if (!ofType) throw invalidInput(`Invalid ResourceType ${type}`);
  const resource: ResourceInput | undefined = input.Resource;
  if (resource?.TableWithColumns) {
    throw invalidInput('Listing permissions on a table with columns is not supported; list those on the table.');
  }
  const target = resource ? readTarget(resource, call.account).target : undefined;
  const rows = visibleRows(call, world, target?.catalog)
    .filter((row) => (principal === undefined || row.principal === principal) && ofType(row.target))
    .flatMap((row) =>
      onTarget(world, row, { target, effective: principal !== undefined, related: input.IncludeRelated === 'TRUE' }),
    )
    .sort((a, b) => order(a) - order(b) || compare(sortKey(a), sortKey(b)))
    .flatMap((row) => toRows(world, row));
  // Who administers another account is not told.
  const implicit = target && target.catalog === call.account && ofType(target);
  const all = implicit ? [...rows, ...implicitRows(world, target, principal)] : rows;
  // LF-Tags of other accounts stand on pages of their own. AWS page: TBAC-granting-revoking-tags-cli.
  const own = type === 'LF_TAG' ? all.filter(({ Resource }) => Resource.LFTag?.CatalogId === call.account) : all;
  const { page, next } = pageOf(
    own === all ? all : [...own, ...all.filter(({ Resource }) => Resource.LFTag?.CatalogId !== call.account)],
    {
      max: input.MaxResults,
      token: input.NextToken,
      most: 1000,
      apart: own.length,
      refuse: invalidInput,
    },
  );
  return defined({ PrincipalResourcePermissions: page, NextToken: next });
}

function order(row: GrantRow): number {
  return row.principal.startsWith('IAM_') ? 1 : 0;
}

function sortKey(row: GrantRow): string {
  return `${targetKey(row.target)}|${row.principal}|${row.grantor}`;
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

interface Listing {
  target: Target | undefined;
  effective: boolean;
  related: boolean;
}

/** The row where it is on the listed resource, or what it comes to there where effective permissions are listed. */
function onTarget(world: World, row: GrantRow, { target, effective, related }: Listing): GrantRow[] {
  if (!target || targetKey(row.target) === targetKey(target)) return [row];
  if (related && target.kind === 'TABLE' && row.target.kind === 'DATA_CELLS_FILTER' && !effective) {
    return row.target.database === target.database && row.target.table === target.table ? [row] : [];
  }
  if (!effective) return [];
  if (targetCovers(row.target, target)) return [{ ...row, target }];
  const permissions: Scopes = {};
  for (const permission of permissionsOf(target)) {
    const scope = scopeByTags(world, row, { permission, target });
    if (scope) permissions[permission] = scope;
  }
  return Object.keys(permissions).length > 0 ? [{ ...row, target, permissions, grantable: {} }] : [];
}

/** SELECT on a table is listed as TableWithColumns, the other permissions as Table, as AWS answers them. */
function toRows(world: World, row: GrantRow): PermissionsRow[] {
  const split = row.target.kind === 'TABLE' || row.target.kind === 'ALL_TABLES';
  const wholes = (scopes: Scopes) =>
    Object.keys(scopes)
      .filter((name) => !split || name !== 'SELECT')
      .sort();
  const rows: PermissionsRow[] = [];
  const rest = { permissions: wholes(row.permissions), grantable: wholes(row.grantable) };
  if (rest.permissions.length > 0 || rest.grantable.length > 0) {
    rows.push(toRow(world, row, { ...rest, resource: toResource(row.target) }));
  }
  if (!split) return rows;
  const { SELECT: held } = row.permissions;
  const { SELECT: grantable } = row.grantable;
  const same = held && grantable && sameScope(held, grantable);
  if (held) {
    const resource = toResource(row.target, held);
    rows.push(toRow(world, row, { permissions: ['SELECT'], grantable: same ? ['SELECT'] : [], resource }));
  }
  if (grantable && !same) {
    const resource = toResource(row.target, grantable);
    rows.push(toRow(world, row, { permissions: [], grantable: ['SELECT'], resource }));
  }
  return rows;
}

function toRow(
  world: World,
  row: GrantRow,
  parts: { permissions: string[]; grantable: string[]; resource: ResourceInput },
): PermissionsRow {
  const shares = sharesOf(world, row);
  return defined({
    Principal: { DataLakePrincipalIdentifier: row.principal },
    Resource: parts.resource,
    Permissions: parts.permissions,
    PermissionsWithGrantOption: parts.grantable,
    ...(shares.length > 0 ? { AdditionalDetails: { ResourceShare: shares } } : {}),
    LastUpdated: new Date(row.updatedAt),
    LastUpdatedBy: row.updatedBy,
  });
}

function sharesOf(world: World, row: GrantRow): string[] {
  const receiver = readPrincipal(row.principal)?.account;
  const shareClass = shareClassOf(row.target);
  if (!receiver || !shareClass || row.grantor !== row.target.catalog || receiver === row.grantor) return [];
  const share = liveShare(world, { owner: row.grantor, receiver, class: shareClass });
  return share ? [share.arn] : [];
}

/** The rows that administrators have by being such: listed beside the explicit ones of a database or table. */
function implicitRows(world: World, target: Target, principal: string | undefined): PermissionsRow[] {
  if (target.kind !== 'DATABASE' && target.kind !== 'TABLE') return [];
  return settingsOf(world, target.catalog)
    .DataLakeAdmins.map((admin) => admin.DataLakePrincipalIdentifier)
    .filter((admin) => principal === undefined || admin === principal)
    .flatMap((admin) => {
      const everything = Object.fromEntries(permissionsOf(target).map((name) => [name, EVERY_COLUMN]));
      const wide = { permissions: everything, grantable: everything, updatedAt: '', updatedBy: '' };
      const row: GrantRow = { grantor: target.catalog, principal: admin, target, ...wide };
      return toRows(world, row).map(({ Principal, Resource, Permissions, PermissionsWithGrantOption }) => ({
        Principal,
        Resource,
        Permissions,
        PermissionsWithGrantOption,
      }));
    });
}

/** GetEffectivePermissionsForPath: permissions on the path and on the tables that lie at or below it. */
export function getEffectivePermissionsForPath(call: Call, world: World): unknown {
  requireOwnCatalogId(call);
  const input = call.parameters;
  requireMembers(input, ['ResourceArn']);
  const arn = String(input.ResourceArn).replace(/\/+$/, '');
  const rows = visibleRows(call, world, call.account).filter(({ target }) => {
    if (target.arn !== undefined) return locationCovers(target.arn, arn);
    const { catalog, database = '', table } = target;
    const location = table ? findTable(world, { catalog, database, table })?.StorageDescriptor?.Location : undefined;
    return location !== undefined && locationCovers(arn, location);
  });
  const { page, next } = pageOf(
    rows.flatMap((row) => toRows(world, row)),
    { max: input.MaxResults, token: input.NextToken, most: 1000, refuse: invalidInput },
  );
  return defined({ Permissions: page, NextToken: next });
}
