import type { Subscription } from '../events/subscription.js';
import type { Verification, VerifiedPart } from '../events/verify.js';
import type { Context, Viewer } from '../governance/context.js';
import type { ProvisioningOwner, ProvisioningStep } from '../governance/provisioning-progress.js';
import type { ReadContext } from '../governance/read/select.js';

/** What a resolver says of a stream; who reads it, and by which way, the server knows. */
export type Streaming = Pick<Subscription, 'after' | 'about' | 'reach' | 'personal'>;

/** What of a viewer decides what he reads of an event that reaches him. */
export type ReaderRoles = Pick<Viewer, 'admin' | 'memberships' | 'deputyships'>;

/** What the server hands to every resolver: who asks, the rules, the read side and the stream. */
export interface RequestContext {
  /** For actions; `ctx.viewer` is the viewer as he is at this request. */
  ctx: Context;
  /** For reads: one statement each. */
  read: ReadContext;
  /** Opens a stream of the event log. Its results go to the client past the iteration, which only tells how it ends. */
  subscribe: (streaming: Streaming) => Promise<AsyncIterableIterator<never>>;
  /** The cursor that a stream is to go on after, where its transport brought one; it comes before what arguments say. */
  resumeAfter?: string | undefined;
  /** The steps of an owner's provisioning, from the present one on. */
  watchProgress: (owner: ProvisioningOwner) => AsyncIterableIterator<ProvisioningStep>;
  /** Verifies a part of the event log; null as `next`: there is no more. */
  verifyLog: (part: Verification) => Promise<VerifiedPart>;
  /** The viewer as he is now: asked at each delivery to a subscriber. Undefined once he may not subscribe any more. */
  currentViewer: () => Viewer | undefined;
  /** What he is in the mesh now: the same for all who share a result with him. */
  roles: () => ReaderRoles;
}
