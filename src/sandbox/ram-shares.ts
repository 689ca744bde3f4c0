/** RAM resource shares as Lake Formation makes them from cross-account grants, with invitations where they are due. */
import { type GrantRow, grantRows } from './lf-grants.js';
import { readPrincipal } from './lf-principal.js';
import { crossAccountVersion } from './lf-settings.js';
import type { Target } from './lf-target.js';
import type { World } from './service.js';

/** The Glue resource types that one share carries; one share per account pair and class, so never more than five. */
type ShareClass = 'CATALOG' | 'DATABASE' | 'TABLE' | 'ALL_TABLES';

/** A principal or a resource of a share. Times are ISO 8601. */
export interface Association {
  status: 'ASSOCIATING' | 'ASSOCIATED' | 'DISASSOCIATED' | 'FAILED';
  createdAt: string;
  updatedAt: string;
}

/** A resource share from `owner` to `receiver`. */
export interface Share {
  arn: string;
  name: string;
  owner: string;
  receiver: string;
  class: ShareClass;
  region: string;
  status: 'ACTIVE' | 'DELETED';
  createdAt: string;
  updatedAt: string;
  /** By account id or IAM ARN. */
  principals: Record<string, Association>;
  /** By Glue ARN. */
  resources: Record<string, Association>;
}

/** An invitation to one principal of a share. */
export interface Invitation {
  arn: string;
  share: string;
  principal: string;
  sender: string;
  receiver: string;
  status: 'PENDING' | 'ACCEPTED' | 'REJECTED' | 'EXPIRED';
  createdAt: string;
}

/**
 * Glue's resource types are not among those that wait seven days, so an invitation waits twelve hours.
 * AWS page: RAM user guide, working-with-shared-invitations.
 */
const INVITATION_HOURS = 12;

/** All shares by ARN. */
export function shareTable(world: World) {
  return world.table<Share>('ram/shares');
}

/** All invitations by ARN. */
export function invitationTable(world: World) {
  return world.table<Invitation>('ram/invitations');
}

/** The class of share that carries a target; undefined for targets that RAM does not carry (data locations). */
export function shareClassOf(target: Target): ShareClass | undefined {
  switch (target.kind) {
    case 'DATABASE':
      return 'DATABASE';
    case 'TABLE':
    case 'DATA_CELLS_FILTER':
      return 'TABLE';
    case 'ALL_TABLES':
      return 'ALL_TABLES';
    case 'CATALOG':
    case 'LF_TAG':
    case 'LF_TAG_POLICY':
      return 'CATALOG';
    case 'DATA_LOCATION':
      return undefined;
  }
}

/** The Glue ARN under which a target is in a share. */
function sharedArn(target: Target, region: string): string {
  const { catalog, database, table } = target;
  const prefix = `arn:aws:glue:${region}:${catalog}`;
  switch (shareClassOf(target)) {
    case 'DATABASE':
      return `${prefix}:database/${database}`;
    case 'TABLE':
      return `${prefix}:table/${database}/${table}`;
    case 'ALL_TABLES':
      return `${prefix}:table/${database}/*`;
    default:
      return `${prefix}:catalog`;
  }
}

/** The live share of a class between two accounts. */
export function liveShare(
  world: World,
  pair: { owner: string; receiver: string; class: ShareClass },
): Share | undefined {
  for (const share of shareTable(world).shared()) {
    const live = share.status === 'ACTIVE' && share.class === pair.class;
    if (live && share.owner === pair.owner && share.receiver === pair.receiver) return share;
  }
  return undefined;
}

/** Whether the share of this target is in force for the account id or IAM ARN that the grant named. */
export function isShared(world: World, target: Target, principal: string): boolean {
  expireInvitations(world);
  const shareClass = shareClassOf(target);
  const receiver = readPrincipal(principal)?.account;
  if (!shareClass || !receiver) return false;
  const share = liveShare(world, { owner: target.catalog, receiver, class: shareClass });
  if (!share) return false;
  return (
    share.principals[principal]?.status === 'ASSOCIATED' &&
    share.resources[sharedArn(target, share.region)]?.status === 'ASSOCIATED'
  );
}

/** Makes the shares between two accounts agree with the owner's grants to the other account and its principals. */
export function shareGrants(world: World, pair: { owner: string; receiver: string; region: string }): void {
  if (pair.owner === pair.receiver) return;
  expireInvitations(world);
  const rows = grantRows(world, (row) => isCrossAccountGrant(row, pair.owner, pair.receiver));
  const wanted = new Map<ShareClass, GrantRow[]>();
  for (const row of rows) {
    const shareClass = shareClassOf(row.target);
    if (shareClass) wanted.set(shareClass, [...(wanted.get(shareClass) ?? []), row]);
  }
  if (wanted.size > 0 && !wanted.has('CATALOG')) wanted.set('CATALOG', rowsOfFirstShare(world, pair, rows));
  for (const shareClass of ['CATALOG', 'DATABASE', 'TABLE', 'ALL_TABLES'] as const) {
    agreeShare(world, { ...pair, class: shareClass }, wanted.get(shareClass) ?? []);
  }
}

/**
 * On the first share of version 3 the receiver gets two invitations: the catalog's beside that of the object itself.
 * AWS page: RAM API reference, ResourceShareInvitation; Lake Formation developer guide, optimize-ram.
 */
function rowsOfFirstShare(world: World, pair: { owner: string; receiver: string }, rows: GrantRow[]): GrantRow[] {
  const shares = [...shareTable(world).shared()].filter(
    (share) => share.status === 'ACTIVE' && share.owner === pair.owner && share.receiver === pair.receiver,
  );
  if (shares.length === 0) return crossAccountVersion(world, pair.owner) >= 3 ? rows.slice(0, 1) : [];
  const catalog = shares.find((share) => share.class === 'CATALOG');
  const named = (id: string) =>
    catalog?.principals[id] !== undefined && catalog.principals[id].status !== 'DISASSOCIATED';
  return rows.filter((row) => named(row.principal));
}

function isCrossAccountGrant(row: GrantRow, owner: string, receiver: string): boolean {
  return row.grantor === owner && row.target.catalog === owner && readPrincipal(row.principal)?.account === receiver;
}

interface SharePair {
  owner: string;
  receiver: string;
  region: string;
  class: ShareClass;
}

function agreeShare(world: World, pair: SharePair, rows: GrantRow[]): void {
  const now = world.now().toISOString();
  const live = liveShare(world, pair);
  const share = live ? structuredClone(live) : rows.length > 0 ? newShare(world, pair) : undefined;
  if (!share) return;
  const before = JSON.stringify(share);
  const catalog = `arn:aws:glue:${share.region}:${share.owner}:catalog`;
  const resources = new Set(
    rows.map((row) => (pair.class === 'CATALOG' ? catalog : sharedArn(row.target, share.region))),
  );
  const principals = new Set(rows.map((row) => row.principal));
  for (const arn of resources) {
    if (share.resources[arn]?.status !== 'ASSOCIATED') share.resources[arn] = association('ASSOCIATED', now);
  }
  for (const id of principals) invite(world, share, id);
  dissociate(share.resources, resources, now);
  for (const id of dissociate(share.principals, principals, now)) withdrawInvitation(world, share, id);
  if (rows.length === 0) share.status = 'DELETED';
  if (JSON.stringify(share) !== before || rows.length > 0)
    shareTable(world).put(share.arn, { ...share, updatedAt: now });
}

function association(status: Association['status'], now: string): Association {
  return { status, createdAt: now, updatedAt: now };
}

function dissociate(all: Record<string, Association>, keep: Set<string>, now: string): string[] {
  const gone = Object.keys(all).filter((id) => !keep.has(id) && all[id]?.status !== 'DISASSOCIATED');
  for (const id of gone) {
    const entry = all[id];
    if (entry) all[id] = { ...entry, status: 'DISASSOCIATED', updatedAt: now };
  }
  return gone;
}

function newShare(world: World, pair: SharePair): Share {
  const now = world.now().toISOString();
  const id = world.id();
  const version = Math.min(crossAccountVersion(world, pair.owner), 3);
  return {
    ...pair,
    arn: `arn:aws:ram:${pair.region}:${pair.owner}:resource-share/${id}`,
    name: `LakeFormation-V${version}-${id.replaceAll('-', '').slice(-10).toUpperCase()}`,
    status: 'ACTIVE',
    createdAt: now,
    updatedAt: now,
    principals: {},
    resources: {},
  };
}

/** A principal that is new in a share is associated at once within the organization's sharing, else invited. */
function invite(world: World, share: Share, principal: string): void {
  const now = world.now().toISOString();
  const status = share.principals[principal]?.status;
  if (status === 'ASSOCIATED' || status === 'ASSOCIATING' || status === 'FAILED') return;
  if (world.organization.ramSharing) {
    share.principals[principal] = association('ASSOCIATED', now);
    return;
  }
  share.principals[principal] = association('ASSOCIATING', now);
  const arn = `arn:aws:ram:${share.region}:${share.owner}:resource-share-invitation/${world.id()}`;
  invitationTable(world).put(arn, {
    arn,
    share: share.arn,
    principal,
    sender: share.owner,
    receiver: share.receiver,
    status: 'PENDING',
    createdAt: now,
  });
}

function withdrawInvitation(world: World, share: Share, principal: string): void {
  for (const invitation of [...invitationTable(world).shared()]) {
    if (invitation.share === share.arn && invitation.principal === principal && invitation.status === 'PENDING') {
      invitationTable(world).delete(invitation.arn);
    }
  }
}

/** Ends an invitation and sets its principal's association to match. */
export function settleInvitation(
  world: World,
  invitation: Invitation,
  status: 'ACCEPTED' | 'REJECTED' | 'EXPIRED',
): Invitation {
  const settled: Invitation = { ...invitation, status };
  invitationTable(world).put(invitation.arn, settled);
  const share = shareTable(world).get(invitation.share);
  const entry = share?.principals[invitation.principal];
  if (share && entry?.status === 'ASSOCIATING') {
    // A share that was refused or ran out stays so until the grant is revoked and made again.
    const outcome = status === 'ACCEPTED' ? 'ASSOCIATED' : 'FAILED';
    share.principals[invitation.principal] = { ...entry, status: outcome, updatedAt: world.now().toISOString() };
    shareTable(world).put(share.arn, share);
  }
  return settled;
}

/** Lets the invitations run out whose time is over. */
export function expireInvitations(world: World): void {
  const limit = world.now().getTime() - INVITATION_HOURS * 3_600_000;
  for (const invitation of [...invitationTable(world).shared()]) {
    if (invitation.status === 'PENDING' && Date.parse(invitation.createdAt) <= limit) {
      settleInvitation(world, invitation, 'EXPIRED');
    }
  }
}
