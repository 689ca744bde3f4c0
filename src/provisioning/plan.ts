import { createHash } from 'node:crypto';
import { readClaims, readRows, type Tx } from './declare.js';
import type { Kind, SpecOf } from './kinds.js';
import { specText } from './merge.js';
import type { AwsCall, Item } from './provider.js';
import { type Action, type Owner, type Reckoning, reckon, wishesOf } from './reckon.js';
import type { DesiredResource, ResourceIdentity } from './resource.js';

/** What a declaration would do to one resource. */
interface PlannedResource extends ResourceIdentity {
  id: string;
  action: Action;
  before: SpecOf<Kind> | null;
  after: SpecOf<Kind> | null;
  /** `+ path: value`, `- path: value`, `~ path: old -> new`. */
  diff: string[];
  /** The AWS calls that would bring it about; empty for NOOP. */
  awsCalls: AwsCall[];
}

/** The plan with the digest that an approval carries: it changes whenever the outcome would. */
export interface Plan {
  resources: PlannedResource[];
  /** Hex sha256 over the sorted (identity, merged spec, action). */
  digest: string;
}

/** States the calls of one item: the `calls` of its kind's provider. */
export type CallsOf = (account: string, kind: Kind, item: Item, action: Exclude<Action, 'NOOP'>) => AwsCall[];

/** Says what `declare` would do with the same wishes, by the same code, and writes nothing. */
export async function plan(
  tx: Tx,
  { owner, resources, callsOf }: { owner: Owner; resources: DesiredResource[]; callsOf: CallsOf },
): Promise<Plan> {
  const wishes = wishesOf(resources);
  const rows = await readRows(tx, { owner, wishes, lock: false });
  const claims = await readClaims(tx, rows);
  const planned = reckon({ owner, wishes, rows, claims }).map((reckoning) => plannedOf(reckoning, callsOf));
  return { resources: planned, digest: digestOf(planned) };
}

function plannedOf({ id, resource, action, before, after }: Reckoning, callsOf: CallsOf): PlannedResource {
  const { kind, account, region, key, spec } = resource;
  const awsCalls = action === 'NOOP' ? [] : callsOf(account, kind, { id, key, spec }, action);
  return { id, kind, account, region, key, action, before, after, diff: diffLines(before, after), awsCalls };
}

function digestOf(planned: PlannedResource[]): string {
  const hash = createHash('sha256');
  for (const { id, action, after } of planned) hash.update(`${id}\n${action}\n${specText(after)}\n`);
  return hash.digest('hex');
}

/** Differences of two JSON values leaf by leaf, in order of path; empty where they are the same. */
function diffLines(before: unknown, after: unknown): string[] {
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
