/** A message as the queue gave it; `receipt` deletes it. */
export interface InboxMessage {
  id: string;
  body: string;
  receipt: string;
}

/** The queue that brings in what the accounts of the mesh tell. */
export interface InboxQueue {
  /** Waits for messages; null where there is no queue yet. Rejects when the signal aborts. */
  receive(signal: AbortSignal): Promise<InboxMessage[] | null>;
  remove(receipts: string[]): Promise<void>;
}

/**
 * What became of a message. TAKEN, QUARANTINED and KNOWN (it came before) are committed, so the message can go. LEFT: there is no room for
 * it; it comes again, and in the end rests in the queue of undelivered messages.
 */
export type Reception = 'TAKEN' | 'QUARANTINED' | 'KNOWN' | 'LEFT';
