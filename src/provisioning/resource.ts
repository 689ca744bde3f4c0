import { createHash } from 'node:crypto';
import type { Kind, SpecOf } from './kinds.js';

/** Where an AWS object lives and what it is called; two claims with the same identity speak of the same object. */
export interface ResourceIdentity<K extends Kind = Kind> {
  kind: K;
  /** The account that is called (the lane), 12 digits. */
  account: string;
  region: string;
  /** Canonical within kind, account and region; see kinds.ts. */
  key: string;
}

/** One AWS object that somebody claims, with the spec that he needs. */
export interface DesiredResource<K extends Kind = Kind> extends ResourceIdentity<K> {
  spec: SpecOf<K>;
}

/** Hex sha256 of (kind, account, region, key): the primary key of the Resource row. */
export function resourceId(identity: ResourceIdentity): string {
  return createHash('sha256')
    .update([identity.kind, identity.account, identity.region, identity.key].join('\n'))
    .digest('hex');
}
