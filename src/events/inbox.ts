import { type InboxLanes, openInboxLanes, type Waiting } from './inbox-lanes.js';
import type { InboxMessage, InboxQueue, Reception } from './inbox-queue.js';
import { type Log, type Loop, startLoop } from './loop.js';

/** Where messages come from, where they wait, and where those end that nobody could take. */
export interface InboxQueues {
  inbox: InboxQueue;
  overflow: InboxQueue;
  undelivered: InboxQueue;
}

export interface InboxOptions {
  queues: InboxQueues;
  /** Whose share of the work a message takes up. */
  laneOf(body: string): string;
  /** Takes one message in one transaction. */
  take(message: Pick<InboxMessage, 'id' | 'body'>): Promise<Reception>;
  /** The ids of those messages of a lane that are sure to be LEFT: asked once a turn while the lane has no room. */
  leftAtOnce(messages: Pick<InboxMessage, 'id' | 'body'>[]): Promise<Set<string>>;
  /** Throws where the database cannot be reached: a message that is received and cannot be kept only uses up its tries. */
  ready(): Promise<unknown>;
  log: Log;
}

/** Without a queue nobody tells anything yet. */
const IDLE_MS = 5_000;
/** Each receive answers ten messages at most: so many at once keep the queue short while one account floods it. */
const RECEIVERS = 3;

/**
 * Starts this process's consumer of the inbox; any number may run. What comes is sorted into lanes, one for each account, which take turns;
 * what an account tells beyond its share goes on to the overflow, which is read as far as its lanes have room, so that a flood delays
 * its own account alone. A message is deleted only once what came of it is committed or another queue has it, so a worker that dies at
 * any step leaves it to be received again, and what was kept before is known by its event's id.
 */
export function startInbox(options: InboxOptions): Pick<Loop, 'stop'> {
  const { queues, laneOf, ready, log } = options;
  const lanes = openInboxLanes(openTurns(options));
  const reader = (from: InboxQueue, admit: (messages: Waiting[], signal: AbortSignal) => Promise<void>) =>
    startLoop({
      name: 'inbox',
      log,
      idleMs: IDLE_MS,
      run: async (signal) => {
        await ready();
        const messages = await from.receive(signal);
        if (messages === null) return false;
        const waiting = messages.map((message) => ({ ...message, lane: laneOf(message.body), from }));
        await admit(waiting, signal);
        return true;
      },
    });
  const readers = [
    ...Array.from({ length: RECEIVERS }, () =>
      reader(queues.inbox, (messages) =>
        sendOn(
          queues.overflow,
          messages.filter((each) => !lanes.enter(each)),
        ),
      ),
    ),
    reader(queues.overflow, (messages, signal) => admitAsRoom(lanes, messages, signal)),
  ];
  return {
    stop: async () => {
      await Promise.all([lanes.stop(), ...readers.map((each) => each.stop())]);
    },
  };
}

/** Where the other queue does not have it, it comes again. */
async function sendOn(to: InboxQueue, messages: Waiting[]): Promise<void> {
  if (messages.length > 0) await removeEach(await to.send(messages));
}

async function removeEach(messages: Waiting[]): Promise<void> {
  for (const queue of new Set(messages.map(({ from }) => from))) {
    await queue.remove(messages.flatMap(({ from, receipt }) => (from === queue ? [receipt] : [])));
  }
}

/** Waits for room: what stands behind a flood here comes of lanes that had more than their share too. */
async function admitAsRoom(lanes: InboxLanes, messages: Waiting[], signal: AbortSignal): Promise<void> {
  for (const message of messages) {
    while (!signal.aborted && Date.now() < message.freshUntil && !lanes.enter(message)) await lanes.turned();
  }
}

/** What takes a lane's turn, its messages one after the other. Never rejects: what could not be taken comes again. */
function openTurns(options: InboxOptions): (turn: Waiting[], signal: AbortSignal) => Promise<void> {
  const { queues, log } = options;
  // Lanes whose last turn found no room.
  const full = new Set<string>();
  return async (turn, signal) => {
    const lane = turn[0]?.lane ?? '';
    try {
      const by = await takeEach(options, { turn, isFull: full.has(lane), signal });
      if (by.LEFT.length > 0) full.add(lane);
      else full.delete(lane);
      await removeEach([...by.TAKEN, ...by.QUARANTINED, ...by.KNOWN]);
      await sendOn(queues.undelivered, by.LEFT);
    } catch (err) {
      log.error({ err, lane }, 'a turn of the inbox failed: its messages come again');
    }
  };
}

interface Turn {
  turn: Waiting[];
  isFull: boolean;
  signal: AbortSignal;
}

async function takeEach({ take, leftAtOnce, log }: InboxOptions, { turn, isFull, signal }: Turn) {
  const by: Record<Reception, Waiting[]> = { TAKEN: [], QUARANTINED: [], KNOWN: [], LEFT: [] };
  const left = isFull ? await leftAtOnce(turn) : new Set();
  for (const message of turn) {
    if (signal.aborted) break;
    if (Date.now() >= message.freshUntil) continue;
    try {
      by[left.has(message.id) ? 'LEFT' : await take(message)].push(message);
    } catch (err) {
      log.error({ err, messageId: message.id }, 'a message of the inbox could not be taken; it comes again');
    }
  }
  const about = (messages: Waiting[]) => ({ lane: turn[0]?.lane, messageIds: messages.map(({ id }) => id) });
  if (by.QUARANTINED.length > 0)
    log.warn(about(by.QUARANTINED), 'messages of the inbox cannot be taken: they are held');
  if (by.LEFT.length > 0)
    log.error(about(by.LEFT), 'messages of the inbox go to the undelivered: their account has no room left');
  return by;
}
