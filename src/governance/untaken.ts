import type { QuarantineReason } from '../generated/prisma/client.js';
import type { Fault } from './event-fault.js';

/** What these sources tell is for Meshgate itself to say. */
export const RESERVED_SOURCES: ReadonlySet<string> = new Set(['meshgate', 'com.central.stepfunction']);
/** An event of the log carries what a domain tells uncut (events/bounded.ts). */
export const MOST_DETAIL_BYTES = 65_536;

/** An event that came in over EventBridge. */
export interface ReceivedEvent {
  /** As EventBridge gave it. */
  id: string;
  /** The sender, set by the service: nothing else says who it was. */
  account: string;
  source: string;
  detailType: string;
  /** To the second. */
  time: Date;
  detail: Record<string, unknown>;
}

/** Why an event is not taken: it is held until somebody looks. */
export class Untaken extends Error {
  constructor(
    readonly reason: QuarantineReason,
    explanation: string,
    /** The places of the detail that are wrong, where it breaks a schema. */
    readonly faults: Fault[] = [],
  ) {
    super(explanation.length > 2_000 ? `${explanation.slice(0, 2_000)}...` : explanation);
  }
}
