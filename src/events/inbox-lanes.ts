import type { InboxMessage, InboxQueue } from './inbox-queue.js';

/** A message that waits for its turn, and the queue that it is deleted from. */
export interface Waiting extends InboxMessage {
  lane: string;
  from: InboxQueue;
}

/** What waits in this process, by lane: lanes take turns, so the backlog of one never delays another's. */
export interface InboxLanes {
  /** False where there is no room: of a lane with nothing waiting one is always let in. */
  enter(message: Waiting): boolean;
  /** Resolves when the next turn is over, or everything has stopped. */
  turned(): Promise<void>;
  /** Resolves when the turns under way have ended; what waits stays in its queue. */
  stop(): Promise<void>;
}

/** Lanes that have a turn at once: each holds a database connection. */
const AT_ONCE = 3;
/** Messages of a turn: SQS deletes and sends as many in one call. */
const TURN = 10;
/** What one lane, and all of them, have waiting: a few seconds' work, within the time for which SQS hides them. */
const MOST = { lane: { count: 50, characters: 4_194_304 }, all: { count: 500, characters: 33_554_432 } };

interface Lane {
  waiting: Waiting[];
  characters: number;
  busy: boolean;
}

/** Opens the lanes. `take` is given what a lane has a turn with, one turn of a lane at a time, and never rejects. */
export function openInboxLanes(take: (turn: Waiting[], signal: AbortSignal) => Promise<void>): InboxLanes {
  const stopping = new AbortController();
  // In the order of their next turns.
  const lanes = new Map<string, Lane>();
  const running = new Set<Promise<void>>();
  const all = { count: 0, characters: 0 };
  let waitingForTurn: (() => void)[] = [];

  function hasRoom({ waiting, characters }: Lane, more: number): boolean {
    if (waiting.length === 0) return true;
    const fits = (has: { count: number; characters: number }, most: typeof has) =>
      has.count < most.count && has.characters + more <= most.characters;
    return fits({ count: waiting.length, characters }, MOST.lane) && fits(all, MOST.all);
  }

  function count(lane: Lane, messages: Waiting[], sign: 1 | -1): void {
    const characters = sign * messages.reduce((sum, { body }) => sum + body.length, 0);
    lane.characters += characters;
    all.characters += characters;
    all.count += sign * messages.length;
  }

  async function turn(name: string, lane: Lane): Promise<void> {
    lane.busy = true;
    const messages = lane.waiting.splice(0, TURN);
    count(lane, messages, -1);
    await take(messages, stopping.signal);
    lane.busy = false;
    lanes.delete(name);
    if (lane.waiting.length > 0) lanes.set(name, lane);
  }

  function next(): void {
    for (const [name, lane] of lanes) {
      if (running.size >= AT_ONCE || stopping.signal.aborted) return;
      if (lane.busy) continue;
      const work = turn(name, lane).finally(() => {
        running.delete(work);
        next();
        wake();
      });
      running.add(work);
    }
  }

  function wake(): void {
    const awake = waitingForTurn;
    waitingForTurn = [];
    for (const resolve of awake) resolve();
  }

  return {
    enter(message) {
      const lane = lanes.get(message.lane) ?? { waiting: [], characters: 0, busy: false };
      if (!hasRoom(lane, message.body.length)) return false;
      lanes.set(message.lane, lane);
      lane.waiting.push(message);
      count(lane, [message], 1);
      next();
      return true;
    },
    turned: () => new Promise((resolve) => waitingForTurn.push(resolve)),
    async stop() {
      stopping.abort();
      wake();
      await Promise.all(running);
    },
  };
}
