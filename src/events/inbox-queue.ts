/** A message as the queue gave it; `receipt` deletes it. */
export interface InboxMessage {
  id: string;
  body: string;
  receipt: string;
  /** Milliseconds since the epoch: whoever begins with it later may find that another worker has received it too. */
  freshUntil: number;
}

/** A message to be sent on; SQS serves the lanes of a queue fairly (SQS developer guide, "Fair queues"). */
export interface SentOn {
  body: string;
  lane: string;
}

/** A queue of what the accounts of the mesh tell. */
export interface InboxQueue {
  /** Waits for messages; null where there is no queue yet. Rejects when the signal aborts. */
  receive(signal: AbortSignal): Promise<InboxMessage[] | null>;
  remove(receipts: string[]): Promise<void>;
  /** Sends messages; answers those that the queue has, which are none where there is no queue yet. */
  send<Message extends SentOn>(messages: Message[]): Promise<Message[]>;
}

/**
 * What became of a message. TAKEN, QUARANTINED and KNOWN (it came before) are committed, so the message can go. LEFT: its account has no room
 * left; it is sent on to the queue of undelivered messages.
 */
export type Reception = 'TAKEN' | 'QUARANTINED' | 'KNOWN' | 'LEFT';
