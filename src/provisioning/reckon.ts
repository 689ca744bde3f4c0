import type { ClaimOwner, Desired, ResourceStatus } from '../generated/prisma/client.js';
import { dependenciesOf } from './depends-on.js';
import type { Drift } from './drift.js';
import { groupBy } from './group.js';
import { type Kind, type SpecOf, specSchema } from './kinds.js';
import { covers, lasting, MergeConflict, mergeSpecs, specText } from './merge.js';
import { type DesiredResource, resourceId } from './resource.js';

/** Who claims: the uuid of a domain, a product or a grant. */
export interface Owner {
  type: ClaimOwner;
  id: string;
}

/** A resource's row, as far as reckoning needs it. */
export interface ResourceRow {
  id: string;
  kind: Kind;
  account: string;
  region: string;
  key: string;
  spec: SpecOf<Kind>;
  desired: Desired;
  generation: number;
  status: ResourceStatus;
  /** A change out of band that was told and is left alone. */
  drift: Drift | null;
}

/** A claim's row. `releasedAtGeneration` null: it holds. */
export interface ClaimRow {
  resourceId: string;
  ownerType: ClaimOwner;
  ownerId: string;
  spec: SpecOf<Kind>;
  releasedAtGeneration: number | null;
}

export type Action = 'CREATE' | 'UPDATE' | 'DELETE' | 'NOOP';

/** How something comes to be what was wanted of it all along. */
export interface Repair {
  /** CREATE where nothing of it is known to stand. */
  action: 'CREATE' | 'UPDATE';
  /** What AWS was last seen to hold of it, where that can be told. */
  held?: SpecOf<Kind>;
}

/** What an owner's new set of claims means for one resource. */
export interface Reckoning {
  id: string;
  resource: DesiredResource;
  action: Action;
  /** The merged spec that was wanted; null where the resource was not wanted. */
  before: SpecOf<Kind> | null;
  /** The merged spec that is wanted now; null where nobody wants it any more. */
  after: SpecOf<Kind> | null;
  dependsOn: string[];
  /** The generation that carries the result: one more than before where spec or desire changed. */
  generation: number;
  /** Wanted still, but something that it gave is taken away. */
  narrows: boolean;
  /** A new claim on what had FAILED, or was left as somebody changed it, and is wanted as before: it is tried anew. */
  repair: Repair | null;
  /** Among what the owner wishes now. */
  wished: boolean;
  /** The owner's own claim: HELD with this spec, RELEASED until AWS agrees, or GONE as it made no difference. */
  claim: { state: 'HELD'; spec: SpecOf<Kind> } | { state: 'RELEASED' } | { state: 'GONE' } | { state: 'UNTOUCHED' };
}

/** A second owner claims a resource with another spec, and the kind has room for one only. */
export class ClaimConflict extends Error {
  constructor(
    readonly resource: DesiredResource,
    readonly owners: Owner[],
    why: string,
  ) {
    const others = owners.map((owner) => `${owner.type} ${owner.id}`).join(', ');
    super(`${resource.kind} ${resource.key} in account ${resource.account} is claimed otherwise by ${others}: ${why}.`);
  }
}

/** One owner's wish for one resource, with its validated spec. */
export interface Wish {
  id: string;
  resource: DesiredResource;
}

/**
 * Validates an owner's resources and orders them by identity, the order in which rows are locked. The same resource named twice is
 * one wish, merged. A spec that breaks its kind's schema is a bug of the caller and throws.
 */
export function wishesOf(resources: DesiredResource[]): Wish[] {
  const wishes = new Map<string, Wish>();
  for (const resource of resources) {
    const id = resourceId(resource);
    const spec = specSchema(resource.kind).parse(resource.spec) as SpecOf<Kind>;
    const twin = wishes.get(id);
    const merged = mergeSpecs(resource.kind, twin ? [twin.resource.spec, spec] : [spec]);
    wishes.set(id, { id, resource: { ...resource, spec: merged } });
  }
  return [...wishes.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}

interface Situation {
  owner: Owner;
  wishes: Wish[];
  /** Rows of all wished resources that exist, and of all that the owner claims already. */
  rows: ResourceRow[];
  /** Every claim on those rows. */
  claims: ClaimRow[];
}

/** What the owner's wishes, in place of his claims so far, mean for each resource; pure. In order of identity. */
export function reckon({ owner, wishes, rows, claims }: Situation): Reckoning[] {
  const wished = new Map(wishes.map((wish) => [wish.id, wish]));
  const known = new Map(rows.map((row) => [row.id, row]));
  const claimsOf = groupBy(claims, (claim) => claim.resourceId);
  const ids = [...new Set([...wished.keys(), ...known.keys()])].sort();
  return ids.map((id) =>
    reckonOne({ id, owner, wish: wished.get(id), row: known.get(id), claims: claimsOf.get(id) ?? [] }),
  );
}

interface Case {
  id: string;
  owner: Owner;
  wish: Wish | undefined;
  row: ResourceRow | undefined;
  claims: ClaimRow[];
}

function reckonOne({ id, owner, wish, row, claims }: Case): Reckoning {
  const own = claims.find((claim) => claim.ownerType === owner.type && claim.ownerId === owner.id);
  const others = claims.filter((claim) => claim !== own && claim.releasedAtGeneration === null);
  const resource = wish?.resource ?? identityOf(row!);
  const before = row?.desired === 'PRESENT' ? row.spec : null;
  const wanted = merged({ resource, others, wish });
  const after = before && wanted ? lasting(resource.kind, before, wanted) : wanted;
  const action = actionOf(before, after);
  const spec = after ?? row?.spec ?? resource.spec;
  const claim = claimOf({ wish, own, action });
  return {
    id,
    resource: { ...resource, spec },
    action,
    before,
    after,
    dependsOn: dependenciesOf({ ...resource, spec }).map(resourceId),
    generation: row ? row.generation + (action === 'NOOP' ? 0 : 1) : 1,
    narrows: before !== null && after !== null && !covers(resource.kind, after, before),
    repair: action === 'NOOP' && row && claim.state === 'HELD' ? repairOf(row, claim.spec) : null,
    wished: wish !== undefined,
    claim,
  };
}

/**
 * What a new claim has put right: what FAILED, and a difference that was told and left. One that somebody accepted stays, unless what
 * the claim needs is missing.
 */
function repairOf({ kind, spec, status, drift }: ResourceRow, needed: SpecOf<Kind>): Repair | null {
  if (drift === null) return status === 'FAILED' ? { action: 'CREATE' } : null;
  if (drift.observed === null) return { action: 'CREATE' };
  const held = kind === 'LfGrant' ? heldOf(spec as SpecOf<'LfGrant'>, drift.observed) : undefined;
  if (drift.acknowledgedAt !== null && held && covers(kind, held, needed)) return null;
  return { action: 'UPDATE', ...(held && { held }) };
}

/** The permissions that AWS showed; of other kinds what is held cannot be told from what is missing. */
function heldOf(spec: SpecOf<'LfGrant'>, { permissions, grantable }: Record<string, unknown>) {
  return specSchema('LfGrant').safeParse({ ...spec, permissions, grantable }).data as SpecOf<'LfGrant'> | undefined;
}

function identityOf(row: ResourceRow): DesiredResource {
  return { kind: row.kind, account: row.account, region: row.region, key: row.key, spec: row.spec };
}

function merged({ resource, others, wish }: { resource: DesiredResource; others: ClaimRow[]; wish: Wish | undefined }) {
  const [first, ...rest] = [...others.map((claim) => claim.spec), ...(wish ? [wish.resource.spec] : [])];
  if (first === undefined) return null;
  try {
    return mergeSpecs(resource.kind, [first, ...rest]);
  } catch (error) {
    if (!(error instanceof MergeConflict)) throw error;
    const owners = others.map((claim) => ({ type: claim.ownerType, id: claim.ownerId }));
    throw new ClaimConflict(resource, owners, error.why);
  }
}

/** What has to happen for one merged spec to become another. */
export function actionOf(before: SpecOf<Kind> | null, after: SpecOf<Kind> | null): Action {
  if (before === null) return after === null ? 'NOOP' : 'CREATE';
  if (after === null) return 'DELETE';
  return specText(before) === specText(after) ? 'NOOP' : 'UPDATE';
}

/** A claim withdrawn without any difference to the resource is gone at once; else it stays until AWS agrees. */
function claimOf({
  wish,
  own,
  action,
}: {
  wish: Wish | undefined;
  own: ClaimRow | undefined;
  action: Action;
}): Reckoning['claim'] {
  if (wish) {
    const held = own?.releasedAtGeneration === null && specText(own.spec) === specText(wish.resource.spec);
    return held ? { state: 'UNTOUCHED' } : { state: 'HELD', spec: wish.resource.spec };
  }
  if (!own || own.releasedAtGeneration !== null) return { state: 'UNTOUCHED' };
  return action === 'NOOP' ? { state: 'GONE' } : { state: 'RELEASED' };
}
