import type { Kind, PermissionMap, SpecOf } from './kinds.js';
import type { LfResource } from './lake-resource.js';

/** One resource as a provider sees it. */
export interface Item<K extends Kind = Kind> {
  id: string;
  key: string;
  spec: SpecOf<K>;
  /**
   * A change was sent for it whose effect was never seen. `remove` must then take all of `spec` away also where nothing is listed:
   * a listing may be older than the change.
   */
  unconfirmed?: true;
  /** For `calls` of an UPDATE alone: what was wanted so far, thus what AWS is taken to hold. */
  before?: SpecOf<K>;
}

/** What AWS holds for an item. `waiting`: it is on its way (a share that has not arrived); says what is missing. */
export type Observation =
  | { state: 'AGREES'; observed: Record<string, unknown> }
  /** `excess`: LfGrant alone, more is held than was asked for. */
  | { state: 'DIFFERS'; observed: Record<string, unknown>; differences: string[]; excess?: true }
  | { state: 'MISSING' }
  | {
      state: 'WAITING';
      observed: Record<string, unknown>;
      waitingFor: string;
      /** `apply` can bring it on (an invitation to accept); without it there is nothing to call. */
      actionable?: true;
    }
  | { state: 'FAILED'; error: ProviderError };

/**
 * How an AWS failure is to be treated (design: provisioning.md, Errors). RETRY: backoff. OBSERVE: outcome unknown, observe before
 * retrying. PROPAGATION: bounded retry, then FAILED. PERMANENT: FAILED at once.
 */
export interface ProviderError {
  treatment: 'RETRY' | 'OBSERVE' | 'PROPAGATION' | 'PERMANENT';
  /** The AWS error name, for example EntityNotFoundException. */
  code: string;
  /** What happened and what to do about it, in a sentence. */
  message: string;
  awsRequestId: string | null;
  /** AWS refused the first call that would have changed the object: nothing of it was done. */
  untouched?: true;
  /** PROPAGATION alone: retried once, after this many milliseconds, in place of several times. */
  retryAfterMs?: number;
  /** The grants that the resource stands on have to be taken away and given anew: done once, then the treatment counts. */
  reissue?: true;
}

/** What became of one item of a batch. */
export type Outcome = { ok: true } | { ok: false; error: ProviderError };

/** An item to apply, with what was observed just before. */
export interface Change<K extends Kind = Kind> {
  item: Item<K>;
  observation: Exclude<Observation, { state: 'AGREES' | 'FAILED' }>;
}

/** One AWS call as a plan shows it. */
export interface AwsCall {
  service: string;
  operation: string;
  parameters: Record<string, unknown>;
}

/**
 * Everything that one principal holds on one Lake Formation resource, its rows united. The wildcard of a database's tables is the
 * TABLE `*` of that database; columns that a row leaves out stand among the columns as `(all except a, b)`.
 */
export interface ListedGrant {
  principal: string;
  resource: LfResource;
  permissions: PermissionMap;
  grantable: PermissionMap;
}

/**
 * Makes one kind of AWS object agree with specs. Every method is idempotent and answers in the order of its input. `Session` holds
 * the clients of one account; it checks the lane's fence before each call. Never throws for a failure of one item;
 * a thrown error counts for all items of the call.
 */
export interface Provider<Session, K extends Kind = Kind> {
  kind: K;
  /** How many items go into one apply or remove. */
  batchSize: number;
  observe(session: Session, items: Item<K>[]): Promise<Observation[]>;
  /**
   * LfGrant alone: every explicit grant that the account called lists, in pages of 1,000, without the implicit rows of administrators
   * and without IAM_ALLOWED_PRINCIPALS. Throws where a page fails: an incomplete listing is none.
   */
  listAll?(session: Session): Promise<ListedGrant[]>;
  apply(session: Session, changes: Change<K>[]): Promise<Outcome[]>;
  /** Removes what is there; gone already is success. */
  remove(session: Session, items: Item<K>[]): Promise<Outcome[]>;
  /** The calls that apply (or, for ABSENT, remove) would make: nothing is called. */
  calls(account: string, item: Item<K>, action: 'CREATE' | 'UPDATE' | 'DELETE'): AwsCall[];
}

/** What the reconciler needs of AWS, handed in by the composition root. */
export interface Aws<Session> {
  providers: { [K in Kind]: Provider<Session, K> };
  /** Opens the clients of an account under the role registered for it. Fails with the error that AssumeRole gave. */
  open(lane: OpenLane): Promise<Session>;
  /** Classifies anything that a provider or `open` threw. */
  classify(error: unknown): ProviderError;
}

export interface OpenLane {
  account: string;
  region: string;
  /** null: the governance account, under Meshgate's own credentials or role. */
  role: { arn: string; externalId: string } | null;
  /** RoleSessionName: the lane run's id, which the log ties to correlation ids. */
  sessionName: string;
  /** Called before each AWS call; throws where the lease would not outlast the request's timeout. */
  beforeCall: () => Promise<void>;
  /** The requests that led to the call at hand, for its line in the log. */
  correlationIds?: () => string[];
}
