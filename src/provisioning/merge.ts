import canonicalize from 'canonicalize';
import type { Kind, PermissionMap, SpecOf } from './kinds.js';

/** Two claims on one resource ask for things that cannot both be. `why` names the field. */
export class MergeConflict extends Error {
  constructor(readonly why: string) {
    super(why);
  }
}

/** RFC 8785 text: two specs are the same exactly when their texts are. */
export function specText(spec: unknown): string {
  return canonicalize(spec) as string;
}

type Merge<K extends Kind> = (a: SpecOf<K>, b: SpecOf<K>) => SpecOf<K>;

const merges: { [K in Kind]?: Merge<K> } = {
  LfGrant: (a, b) => ({
    ...a,
    permissions: unitePermissions(a.permissions, b.permissions),
    grantable: unitePermissions(a.grantable, b.grantable),
  }),
  LfTag: (a, b) => ({ ...a, values: unite(a.values, b.values) }),
  BusPermission: (a, b) => {
    const deniedSources = same(unite(a.deniedSources, []), unite(b.deniedSources, []));
    return { ...a, deniedSources, principalAccounts: unite(a.principalAccounts, b.principalAccounts) };
  },
  Queue: (a, b) => {
    const redrive = same(a.redrive ?? null, b.redrive ?? null);
    return {
      ...a,
      retentionSeconds: same(a.retentionSeconds, b.retentionSeconds),
      senders: unite(a.senders, b.senders),
      ...(redrive ? { redrive } : {}),
    };
  },
  CatalogPolicy: (a, b) => ({ statements: uniteStatements(a.statements, b.statements) }),
};

/**
 * The one spec that serves all claims on a resource: grants, tag values, accounts, senders and policy statements are united, everything else must be
 * the same. Commutative, associative and idempotent, so the order of claims never matters. Throws MergeConflict.
 */
export function mergeSpecs<K extends Kind>(kind: K, specs: [SpecOf<K>, ...SpecOf<K>[]]): SpecOf<K> {
  const merge = merges[kind] as Merge<K> | undefined;
  const [first, ...rest] = specs;
  if (!merge) return rest.reduce((spec, other) => same(spec, other), first);
  // Merging the first with itself brings lists into order also where there is one claim alone.
  return rest.reduce(merge, merge(first, first));
}

/** Whether one spec gives all that another does; false only for kinds whose claims are united. */
export function covers<K extends Kind>(kind: K, spec: SpecOf<K>, other: SpecOf<K>): boolean {
  if (!merges[kind]) return true;
  try {
    return specText(mergeSpecs(kind, [spec, other])) === specText(mergeSpecs(kind, [spec]));
  } catch (error) {
    // One entry with two texts: it is replaced, not taken away.
    if (error instanceof MergeConflict) return true;
    throw error;
  }
}

/** All that two specs of one object give, the later one where there is room for one only. */
export function united<K extends Kind>(kind: K, earlier: SpecOf<K>, later: SpecOf<K>): SpecOf<K> {
  try {
    return mergeSpecs(kind, [earlier, later]);
  } catch (error) {
    if (error instanceof MergeConflict) return later;
    throw error;
  }
}

/**
 * What one spec becomes of another while the object stands: values of an LF-tag that nobody claims any more stay until the tag goes, as
 * one that is attached cannot be deleted, and one that is not grants nothing.
 */
export function lasting<K extends Kind>(kind: K, before: SpecOf<K>, after: SpecOf<K>): SpecOf<K> {
  return kind === 'LfTag' ? mergeSpecs(kind, [before, after]) : after;
}

function same<T>(a: T, b: T): T {
  if (specText(a) === specText(b)) return a;
  throw new MergeConflict('only one spec is possible');
}

/** Permission by permission; every column absorbs a list of columns. */
function unitePermissions(a: PermissionMap, b: PermissionMap): PermissionMap {
  const all: PermissionMap = {};
  for (const permission of unite(Object.keys(a), Object.keys(b))) {
    const [left, right] = [a[permission] ?? [], b[permission] ?? []];
    all[permission] = left === 'ALL_COLUMNS' || right === 'ALL_COLUMNS' ? 'ALL_COLUMNS' : unite(left, right);
  }
  return all;
}

function uniteStatements<T>(a: Record<string, T>, b: Record<string, T>): Record<string, T> {
  for (const [sid, statement] of Object.entries(b)) {
    const other = a[sid];
    if (other !== undefined && specText(other) !== specText(statement)) {
      throw new MergeConflict(`statement ${sid} is claimed with two texts`);
    }
  }
  return { ...a, ...b };
}

function unite(a: string[], b: string[]): string[] {
  return [...new Set([...a, ...b])].sort();
}
