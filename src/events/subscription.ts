import type { Reach } from './filter.js';
import type { LogEvent } from './types.js';

/** Events that wait for a subscriber whose connection takes nothing more, at most. */
export const QUEUE_LIMIT = 1_000;

/** The result of one event, made once for all who get the same. */
export interface Rendered {
  readonly seq: bigint;
  /** The result as JSON in UTF-8. */
  readonly json: Buffer;
  /** What a transport makes of it that is the same for all; it keeps it here. */
  framed?: Buffer;
}

/** The way to one subscriber. */
export interface Outlet {
  /** Takes results in order. False: these are taken, and no more before `whenReady` calls. */
  send(results: readonly Rendered[]): boolean;
  /** Calls once, as soon as it takes results again; never where the connection ends first. */
  whenReady(resume: () => void): void;
}

/** One subscription: who reads, what, from where on, and by which way. */
export interface Subscription {
  /** Those of one key, asked by viewers of one class, get the same results. */
  key: string;
  /** `sub` of the reader's token. */
  subject: string;
  /** What a viewer of his kind may see, as a text; undefined once he may see nothing more. Asked before each delivery. */
  viewerClass(): string | undefined;
  /** The results are for this subject alone: they hold what he in particular may see. */
  personal: boolean;
  /**
   * Ids of which every event that it wants names one: as its subject, product or domain (row ids), or as its request (global id). The same
   * for all of one key. Without it any event may be wanted.
   */
  about?: readonly string[] | undefined;
  /** Replay what follows this number, then go live. Without it: from now on. */
  after?: bigint | undefined;
  /** Filter and authorization: who of his class gets the event. Asked anew at delivery. */
  reach(event: LogEvent): Reach;
  /** The result for all of the key and class, as JSON in UTF-8. */
  render(event: LogEvent): Promise<Buffer>;
  outlet: Outlet;
  /** Ends it. */
  signal?: AbortSignal | undefined;
}
