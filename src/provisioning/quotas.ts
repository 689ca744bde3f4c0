import type { Kind } from './kinds.js';

/**
 * The AWS quotas that resources eat into, as far as they follow from our own rows. Limits are AWS's defaults; where an account was
 * given more, there is more room than is said.
 */
interface Quota {
  /** As Service Quotas or the page calls it. */
  name: string;
  kinds: readonly Kind[];
  /** Which keys of these kinds count; without it all of them. */
  keys?: RegExp;
  /** What is cut off a key to get what the quota is counted by: everything for an account. A regular expression of JavaScript and Postgres alike. */
  cut: string;
  limit: number;
  source: string;
}

const GLUE = 'https://docs.aws.amazon.com/general/latest/gr/glue.html';
const LAKE_FORMATION_TAGS = 'https://docs.aws.amazon.com/lake-formation/latest/dg/TBAC-notes.html';
const LAKE_FORMATION_FILTERS = 'https://docs.aws.amazon.com/lake-formation/latest/dg/data-filtering-notes.html';
const EVENT_BRIDGE = 'https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html';

const WHOLE_ACCOUNT = '^.*$';
const LAST_PART = '/[^/]*$';

export const QUOTAS: readonly Quota[] = [
  {
    name: 'Databases per account',
    kinds: ['GlueDatabase', 'DatabaseLink'],
    cut: WHOLE_ACCOUNT,
    limit: 10_000,
    source: GLUE,
  },
  { name: 'Tables per database', kinds: ['GlueTable', 'TableLink'], cut: LAST_PART, limit: 200_000, source: GLUE },
  { name: 'LF-tags per account', kinds: ['LfTag'], cut: WHOLE_ACCOUNT, limit: 1_000, source: LAKE_FORMATION_TAGS },
  {
    name: 'LF-tags per resource',
    kinds: ['LfTagAttachment'],
    cut: '#.*$',
    limit: 50,
    source: LAKE_FORMATION_TAGS,
  },
  {
    name: 'Data filter grants per principal and table',
    kinds: ['LfGrant'],
    keys: /^.* on filter .*$/,
    cut: LAST_PART,
    limit: 100,
    source: LAKE_FORMATION_FILTERS,
  },
  { name: 'Event buses per account', kinds: ['EventBus'], cut: WHOLE_ACCOUNT, limit: 100, source: EVENT_BRIDGE },
  { name: 'Rules per event bus', kinds: ['EventRule'], cut: LAST_PART, limit: 300, source: EVENT_BRIDGE },
];

/** Values that one LF-tag may have: counted in its spec, not in rows. */
export const TAG_VALUES = { name: 'Values per LF-tag', limit: 1_000, source: LAKE_FORMATION_TAGS } as const;

/** The quotas that a resource counts in, each with what it is counted by there. */
export function quotasOf({ kind, key }: { kind: Kind; key: string }): { quota: Quota; scope: string }[] {
  return QUOTAS.filter(({ kinds, keys }) => kinds.includes(kind) && (keys?.test(key) ?? true)).map((quota) => ({
    quota,
    scope: key.replace(new RegExp(quota.cut), ''),
  }));
}
