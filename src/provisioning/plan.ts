import { createHash } from 'node:crypto';
import { readClaims, type Tx } from './declare.js';
import type { Kind, SpecOf } from './kinds.js';
import { specText } from './merge.js';
import type { AwsCall, Item } from './provider.js';
import {
  type Action,
  actionOf,
  type ClaimRow,
  type Owner,
  type Reckoning,
  type Repair,
  type ResourceRow,
  reckon,
  type Wish,
  wishesOf,
} from './reckon.js';
import type { DesiredResource, ResourceIdentity } from './resource.js';

/** What is to become of one resource: the merged spec that is wanted before and after; null where it is not wanted. */
export interface Outcome extends ResourceIdentity {
  id: string;
  action: Action;
  before: SpecOf<Kind> | null;
  after: SpecOf<Kind> | null;
  /** Wanted as before, yet AWS is called: it had FAILED, or was left as somebody changed it. Follows from status, so no part of a digest. */
  repair: Repair | null;
}

/** What one owner is to claim in place of what he claims so far. */
export interface Declaring {
  owner: Owner;
  resources: DesiredResource[];
}

/** States the calls of one item: the `calls` of its kind's provider. */
export type CallsOf = (account: string, kind: Kind, item: Item, action: Exclude<Action, 'NOOP'>) => AwsCall[];

/**
 * Says what `declare` would do with the same declarations one after another, by the same code, and writes nothing. Two statements
 * however many they are. Throws ClaimConflict as `declare` would.
 */
export async function plan(tx: Tx, declarations: Declaring[]): Promise<Outcome[]> {
  const [outcomes] = await planAlternatives(tx, [declarations]);
  if (outcomes instanceof Error) throw outcomes;
  return outcomes ?? [];
}

/** Plans several sets of declarations, each as if it alone were to come, with the same two statements; a conflict in place of its outcome. */
export async function planAlternatives(tx: Tx, alternatives: Declaring[][]): Promise<(Outcome[] | Error)[]> {
  const wished = alternatives.map((declarations) =>
    declarations.map(({ owner, resources }) => ({ owner, wishes: wishesOf(resources) })),
  );
  const rows = await readConcerned(tx, wished.flat());
  const owners = wished.flat().map(({ owner }) => owner);
  const claims = await readClaims(tx, rows, owners);
  return wished.map((declarations) => {
    try {
      return outcomesOf(reckonInTurn(declarations, { rows, claims }));
    } catch (error) {
      if (error instanceof Error) return error;
      throw error;
    }
  });
}

/** The rows of all wishes, and those that the owners claim now. */
function readConcerned(tx: Tx, declarations: { owner: Owner; wishes: Wish[] }[]): Promise<ResourceRow[]> {
  const ids = declarations.flatMap(({ wishes }) => wishes.map(({ id }) => id));
  const owners = declarations.map(({ owner }) => owner.id);
  return tx.$queryRaw<ResourceRow[]>`
    SELECT "id", "kind", "account", "region", "key", "spec", "desired", "generation", "status", "drift" FROM "Resource"
    WHERE "id" = ANY (${ids}::text[]) OR "id" IN (
      SELECT "resourceId" FROM "ResourceClaim" WHERE "ownerId" = ANY (${owners}::uuid[]) AND "releasedAtGeneration" IS NULL)`;
}

interface Situation {
  rows: ResourceRow[];
  claims: ClaimRow[];
}

/** Reckons owner by owner, each upon what the ones before him leave. */
function reckonInTurn(declarations: { owner: Owner; wishes: Wish[] }[], { rows, claims }: Situation): Reckoning[][] {
  const known = new Map(rows.map((row) => [row.id, row]));
  let held = claims;
  return declarations.map(({ owner, wishes }) => {
    const own = held.filter((claim) => isOf(claim, owner) && claim.releasedAtGeneration === null);
    const concerned = new Set([...wishes.map(({ id }) => id), ...own.map(({ resourceId }) => resourceId)]);
    const reckonings = reckon({
      owner,
      wishes,
      rows: [...concerned].flatMap((id) => known.get(id) ?? []),
      claims: held.filter(({ resourceId }) => concerned.has(resourceId)),
    });
    for (const { id, resource, action, after, generation, repair } of reckonings) {
      if (action === 'NOOP' && repair === null) continue;
      const desired = after ? 'PRESENT' : 'ABSENT';
      known.set(id, { ...resource, id, desired, generation, status: 'PENDING', drift: null });
    }
    held = [
      ...held.filter((claim) => !isOf(claim, owner) || !concerned.has(claim.resourceId)),
      ...wishes.map(({ id, resource }) => ({
        resourceId: id,
        ownerType: owner.type,
        ownerId: owner.id,
        spec: resource.spec,
        releasedAtGeneration: null,
      })),
    ];
    return reckonings;
  });
}

function isOf(claim: ClaimRow, owner: Owner): boolean {
  return claim.ownerType === owner.type && claim.ownerId === owner.id;
}

/**
 * What declarations made one after another come to, resource by resource in order of identity: as it was before the first, as it is
 * after the last. What an owner let go of earlier is not part of it, whether or not AWS has agreed meanwhile.
 */
export function outcomesOf(declared: Reckoning[][]): Outcome[] {
  const outcomes = new Map<string, Outcome>();
  for (const { id, resource, before, after, wished, claim, repair } of declared.flat()) {
    if (!wished && claim.state === 'UNTOUCHED') continue;
    const { kind, account, region, key } = resource;
    const first = outcomes.get(id) ?? { id, kind, account, region, key, before, repair };
    const action = actionOf(first.before, after);
    outcomes.set(id, { ...first, after, action, repair: action === 'NOOP' ? (first.repair ?? repair) : null });
  }
  return [...outcomes.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** By what was decided: the version of the policies, and of a request the digest of what they judged. */
export interface Basis {
  policyVersion: string;
  judged?: string | undefined;
}

/**
 * Hex sha256 over the sorted (identity, merged spec, action), the policies' version and, of a request, what they judged: what an approval
 * carries. It changes whenever the outcome would, and never by quota, time or status.
 */
export function planDigest(outcomes: Outcome[], { policyVersion, judged }: Basis): string {
  const hash = createHash('sha256').update(`${policyVersion}\n${judged === undefined ? '' : `${judged}\n`}`);
  for (const { id, action, after } of outcomes) hash.update(`${id}\n${action}\n${specText(after)}\n`);
  return hash.digest('hex');
}

/**
 * The AWS calls that bring an outcome about where AWS holds what was wanted before, or what was last seen of what is repaired; none
 * where nothing changes.
 */
export function callsFor(outcome: Outcome, callsOf: CallsOf): AwsCall[] {
  const { id, kind, account, key, after, repair } = outcome;
  const action = repair?.action ?? outcome.action;
  const before = repair ? repair.held : outcome.before;
  const spec = after ?? before;
  if (action === 'NOOP' || !spec) return [];
  return callsOf(account, kind, { id, key, spec, ...(after && before ? { before } : {}) }, action);
}

/** How an outcome's specs differ, leaf by leaf in order of path: `+ path: value`, `- path: value`, `~ path: old -> new`. */
export function diffLines({ before, after }: Pick<Outcome, 'before' | 'after'>): string[] {
  const [left, right] = [leaves(before), leaves(after)];
  const paths = [...new Set([...left.keys(), ...right.keys()])].sort();
  return paths.flatMap((path) => {
    const [old, now] = [left.get(path), right.get(path)];
    if (old === now) return [];
    if (old === undefined) return [`+ ${path}: ${now}`];
    return [now === undefined ? `- ${path}: ${old}` : `~ ${path}: ${old} -> ${now}`];
  });
}

/** Path -> JSON text of every leaf; a list is one leaf, as its order is part of it. */
function leaves(value: unknown, path = '', into = new Map<string, string>()): Map<string, string> {
  if (value === null || value === undefined) return into;
  if (typeof value !== 'object' || Array.isArray(value)) return into.set(path, specText(value));
  for (const [key, child] of Object.entries(value)) leaves(child, path === '' ? key : `${path}.${key}`, into);
  return into;
}
