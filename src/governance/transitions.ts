import type {
  AccessGrantStatus,
  AccessRequestStatus,
  DataContractStatus,
  DataProductStatus,
  PolicyVersionStatus,
} from '../generated/prisma/client.js';
import { wrongState } from './error.js';

/** What can happen to one kind of object: verb -> state before -> state after. A pair that is not there is refused. */
export interface TransitionTable<State extends string, Verb extends string> {
  noun: string;
  moves: Record<Verb, Partial<Record<State, State>>>;
}

const table = <State extends string>() => {
  return <Verb extends string>(noun: string, moves: Record<Verb, Partial<Record<State, State>>>) =>
    ({ noun, moves }) satisfies TransitionTable<State, Verb>;
};

/** `request` and `approve` change no state: they ask whether access to the product can still begin. */
export const DATA_PRODUCT = table<DataProductStatus>()('data product', {
  change: { DRAFT: 'DRAFT', PUBLISHING: 'PUBLISHING', PUBLISHED: 'PUBLISHED', DEPRECATED: 'DEPRECATED' },
  publish: { DRAFT: 'PUBLISHING' },
  crawl: { PUBLISHING: 'PUBLISHING', PUBLISHED: 'PUBLISHED', DEPRECATED: 'DEPRECATED' },
  settle: { PUBLISHING: 'PUBLISHED' },
  request: { PUBLISHED: 'PUBLISHED' },
  approve: { PUBLISHED: 'PUBLISHED', DEPRECATED: 'DEPRECATED' },
  deprecate: { PUBLISHED: 'DEPRECATED' },
  retire: { DRAFT: 'RETIRED', PUBLISHING: 'RETIRED', PUBLISHED: 'RETIRED', DEPRECATED: 'RETIRED' },
});

export const DATA_CONTRACT = table<DataContractStatus>()('data contract', {
  replace: { PROPOSED: 'PROPOSED' },
  activate: { PROPOSED: 'ACTIVE' },
  supersede: { ACTIVE: 'DEPRECATED' },
});

export const ACCESS_REQUEST = table<AccessRequestStatus>()('access request', {
  approve: { PENDING: 'APPROVED' },
  reject: { PENDING: 'REJECTED' },
  cancel: { PENDING: 'CANCELLED' },
});

export const POLICY_VERSION = table<PolicyVersionStatus>()('policy version', {
  activate: { DRAFT: 'ACTIVE' },
  deactivate: { ACTIVE: 'SUPERSEDED' },
});

/** `settle` and `fail` are what AWS answered; a grant that failed comes back when its cause is cured. */
export const ACCESS_GRANT = table<AccessGrantStatus>()('access grant', {
  settle: { PROVISIONING: 'ACTIVE', FAILED: 'ACTIVE' },
  fail: { PROVISIONING: 'FAILED', ACTIVE: 'FAILED' },
  extend: { PROVISIONING: 'PROVISIONING', ACTIVE: 'ACTIVE', FAILED: 'FAILED' },
  revoke: { PROVISIONING: 'REVOKING', ACTIVE: 'REVOKING', FAILED: 'REVOKING' },
  expire: { PROVISIONING: 'REVOKING', ACTIVE: 'REVOKING', FAILED: 'REVOKING' },
  confirmRevoked: { REVOKING: 'REVOKED' },
  confirmExpired: { REVOKING: 'EXPIRED' },
});

/** What no mutation asks for: AWS or the clock brings it about, or a mutation of something else. */
const UNASKED: ReadonlySet<string> = new Set([
  'settle',
  'fail',
  'expire',
  'supersede',
  'confirmRevoked',
  'confirmExpired',
]);

/** The state after the verb; a STATE error that says what can be asked for when the object's state does not allow it. */
export function step<State extends string, Verb extends string>(
  { noun, moves }: TransitionTable<State, Verb>,
  from: State,
  verb: Verb,
): State {
  const to = moves[verb][from];
  if (to !== undefined) return to;
  const needed = Object.keys(moves[verb]).join(' or ');
  const possible = (Object.keys(moves) as Verb[]).filter((other) => moves[other][from] !== undefined);
  const asked = possible.filter((other) => !UNASKED.has(other));
  const nothing = possible.length === 0 ? 'nothing can be done with it any more' : 'nothing is to be done with it now';
  const now = asked.length === 0 ? nothing : `possible now: ${asked.join(', ')}`;
  throw wrongState(from, `The ${noun} is ${from}; to ${verb} it, it must be ${needed} (${now}).`);
}

/** Whether the verb is possible now. */
export function canStep<State extends string, Verb extends string>(
  { moves }: TransitionTable<State, Verb>,
  from: State,
  verb: Verb,
): boolean {
  return moves[verb][from] !== undefined;
}

/** The states of a grant that gives, or is about to give, access: of one that can still be taken back. */
export const LIVE = Object.keys(ACCESS_GRANT.moves.revoke) as AccessGrantStatus[];
