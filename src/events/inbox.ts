import type { InboxMessage, InboxQueue, Reception } from './inbox-queue.js';
import { type Log, type Loop, startLoop } from './loop.js';

export interface InboxOptions {
  queue: InboxQueue;
  /** Takes one message in one transaction. */
  take(message: Pick<InboxMessage, 'id' | 'body'>): Promise<Reception>;
  /** Throws where the database cannot be reached: a message that is received and cannot be kept only uses up its tries. */
  ready(): Promise<unknown>;
  log: Log;
}

/** Without a queue nobody tells anything yet. */
const IDLE_MS = 5_000;

/**
 * Starts this process's consumer of the inbox; any number may run. A message is deleted only once what came of it is committed, so a
 * worker that dies at any step leaves it to be received again, and what was kept before is known by its event's id.
 */
export function startInbox({ queue, take, ready, log }: InboxOptions): Loop {
  async function takeEach(messages: InboxMessage[], signal: AbortSignal): Promise<void> {
    const done: string[] = [];
    for (const { id, body, receipt } of messages) {
      if (signal.aborted) break;
      try {
        const reception = await take({ id, body });
        if (reception !== 'LEFT') done.push(receipt);
        if (reception === 'QUARANTINED')
          log.warn({ messageId: id }, 'a message of the inbox cannot be taken: it is held');
        if (reception === 'LEFT')
          log.error({ messageId: id }, 'a message of the inbox stays in the queue: its account has no room left');
      } catch (err) {
        log.error({ err, messageId: id }, 'a message of the inbox could not be taken; it comes again');
      }
    }
    if (done.length > 0) await queue.remove(done);
  }

  return startLoop({
    name: 'inbox',
    log,
    idleMs: IDLE_MS,
    run: async (signal) => {
      await ready();
      const messages = await queue.receive(signal);
      if (messages === null) return false;
      await takeEach(messages, signal);
      return true;
    },
  });
}
