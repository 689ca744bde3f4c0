import { setTimeout as delay } from 'node:timers/promises';
import {
  type Channel,
  type ChannelOwner,
  goLive,
  isOfClass,
  leaveChannel,
  type Member,
  PORTION,
  reachesOf,
  reachIn,
  renderIn,
  resultsFor,
  send,
  speakerOf,
  tellFailure,
} from './channel.js';
import { openChannels } from './channels.js';
import { encodeCursor } from './cursor.js';
import { ReadFailed, ResyncRequired, SlowSubscriber, StreamInterrupted } from './errors.js';
import type { History } from './history.js';
import { offer, openChannel } from './live.js';
import { fullJitter, type Log } from './loop.js';
import { keepRenderedEvents } from './rendered.js';
import { openRounds } from './rounds.js';
import type { Rendered, Subscription } from './subscription.js';
import { openTurns } from './turns.js';
import type { LogEvent } from './types.js';

/**
 * All subscriptions of this process. Those who get the same share a channel: for each event its filter and authorization are asked once,
 * its result is made once, and the same bytes go to all.
 */
export interface FanOut {
  /** The next event of the log, in order. */
  offer(event: LogEvent): void;
  /** Puts everybody where he belongs now: to be called when the rights of viewers may have changed, before the next event. */
  reclassify(): void;
  /** Starts with the first `next`, and yields nothing: results go by the outlet. Throws what ended the subscription. */
  open(subscription: Subscription): AsyncIterableIterator<never>;
  /** Ends all subscriptions. */
  end(error?: Error): void;
}

/** Replays that read and render at a time. */
const REPLAYS = 16;
/** Results for one in particular that are made at a time, of what happens now. */
const RENDERS = 8;
/** For whom nothing can be read for so long, he is sent to subscribe again; where that is one event alone, he gets it with its errors. */
const RETRIED_FOR_MS = 30_000;

interface FanOutOptions {
  log?: Pick<Log, 'error'>;
  retriedForMs?: number;
}

/** Opens it over the log's past. */
export function openFanOut(history: History, { log, retriedForMs = RETRIED_FOR_MS }: FanOutOptions = {}): FanOut {
  const channels = openChannels();
  const ends = new Map<Member, (error?: Error) => void>();
  const turns = openTurns(REPLAYS);

  const owner: ChannelOwner = {
    rendered: keepRenderedEvents(),
    rounds: openRounds(),
    turns: openTurns(RENDERS),
    dropSlow: (member) => end(member, new SlowSubscriber(encodeCursor(member.sent))),
    replay: (member, after) => {
      leave(member);
      if (after !== undefined && after > member.cursor) member.cursor = after;
      join(member);
    },
    reseat: ({ members }) => {
      for (const member of members) if (!isOfClass(member)) move(member);
    },
    fail: ({ members }, error) => {
      for (const member of members) end(member, error);
    },
  };

  function move(member: Member): void {
    leave(member);
    join(member);
  }

  function end(member: Member, error?: Error): void {
    const tell = ends.get(member);
    if (!tell) return;
    ends.delete(member);
    leave(member);
    tell(error);
  }

  function leave(member: Member): void {
    const { channel } = member;
    leaveChannel(member, history.position);
    if (channel.members.size === 0) channels.remove(channel);
  }

  /** Finds or makes the channel of his class. Who may see nothing any more gets none: his transport ends him. */
  function join(member: Member): void {
    const channel = channelOf(member.subscription);
    if (!channel) return;
    member.channel = channel;
    channel.members.add(member);
    replay(member, channel).catch((error: unknown) => {
      if (error instanceof StreamInterrupted) log?.error({ err: error }, 'event tail: a replay was given up');
      if (error instanceof ResyncRequired || error instanceof StreamInterrupted) end(member, error);
      else tellFailure(owner, channel, error);
    });
  }

  function channelOf({ key, personal, subject, about, viewerClass }: Subscription): Channel | undefined {
    const ofClass = viewerClass();
    if (ofClass === undefined) return undefined;
    const full = JSON.stringify([key, personal ? subject : null, ofClass]);
    const known = channels.get(full);
    if (known) return known;
    const made = openChannel(owner, { key: full, viewerClass: ofClass, personal, about });
    channels.add(made);
    return made;
  }

  /**
   * First the log from his cursor on, at his own pace, then live: nothing comes between the last look and the change. What cannot be read
   * is his concern alone, and tried again. Once it was tried for long, and the log can be read at that moment, one last try tells whether
   * it is the event: then that is sent with its errors, and the next of its kind is tried for less long, so that he comes to the end.
   */
  async function replay(member: Member, channel: Channel): Promise<void> {
    const { moves } = member;
    const stays = (): boolean => member.moves === moves;
    let failures = 0;
    let failingSince = 0;
    let patienceMs = retriedForMs;
    let lastTry = false;
    while (stays()) {
      if (member.cursor >= history.position) return goLive(member);
      try {
        const took = await turns.take(() => replayPage(member, channel, { stays, lastTry }));
        failures = 0;
        if (lastTry) patienceMs = 0;
        lastTry = false;
        if (!took) await new Promise<void>((resume) => member.subscription.outlet.whenReady(resume));
      } catch (error) {
        if (!(error instanceof ReadFailed)) throw error;
        failures += 1;
        if (failures === 1) failingSince = performance.now();
        const failingMs = performance.now() - failingSince;
        lastTry = failingMs >= patienceMs && error.instead !== undefined && (await history.isReadable());
        if (lastTry) continue;
        if (failingMs >= retriedForMs) throw new StreamInterrupted(encodeCursor(member.sent), error.cause);
        await delay(fullJitter({ attempt: failures, baseMs: 50, capMs: 2_000 }), undefined, { ref: false });
      }
    }
  }

  /** False: he takes nothing more for now. */
  async function replayPage(
    member: Member,
    channel: Channel,
    { stays, lastTry }: Pick<PastPage, 'stays' | 'lastTry'>,
  ): Promise<boolean> {
    const past = await readAfter(member.cursor);
    const page = { channel, past, after: member.cursor, stays, lastTry };
    const { wanted, results, cursor } = await renderPage(owner, page);
    if (!stays()) return true;
    if (!isOfClass(member)) {
      move(member);
      return true;
    }
    const mine = resultsFor(member, { batch: wanted, results, reach: reachesOf(channel, wanted) });
    member.cursor = cursor;
    return send(member, mine);
  }

  async function readAfter(cursor: bigint): Promise<LogEvent[]> {
    try {
      return await history.after(cursor);
    } catch (error) {
      throw error instanceof ResyncRequired ? error : new ReadFailed(error);
    }
  }

  function open(subscription: Subscription): AsyncIterableIterator<never> {
    let state: 'new' | 'open' | 'over' = 'new';
    let failure: Error | undefined;
    let wake: (() => void) | undefined;
    const after = subscription.after ?? history.position;
    const nowhere = openChannel(owner, { key: '', viewerClass: '', personal: true, about: [] });
    const member: Member = { subscription, channel: nowhere, moves: 0, cursor: after, sent: after, next: 0 };
    const over = (error?: Error): void => {
      state = 'over';
      failure = error;
      subscription.signal?.removeEventListener('abort', stop);
      wake?.();
    };
    const stop = (): void => {
      if (state === 'new') over();
      else end(member);
    };
    const start = (): void => {
      state = 'open';
      ends.set(member, over);
      join(member);
    };
    if (subscription.signal?.aborted) state = 'over';
    subscription.signal?.addEventListener('abort', stop, { once: true });
    return {
      next: async () => {
        if (state === 'new') start();
        if (state === 'open') await new Promise<void>((resolve) => (wake = resolve));
        const thrown = failure;
        failure = undefined;
        if (thrown) throw thrown;
        return { done: true, value: undefined };
      },
      return: async () => {
        stop();
        return { done: true, value: undefined };
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  return {
    offer: (event) => {
      // Whose rights changed unannounced goes elsewhere before the event comes, and meets it there.
      const leaderless = channels.concernedBy(event).filter((channel) => !speakerOf(channel));
      for (const channel of leaderless) owner.reseat(channel);
      history.add(event);
      for (const channel of channels.concernedBy(event)) offer(owner, channel, event);
    },
    reclassify: () => {
      for (const member of ends.keys()) if (!isOfClass(member)) move(member);
    },
    open,
    end: (error) => {
      for (const member of ends.keys()) end(member, error);
    },
  };
}

/** A part of the log as one replay needs it. */
interface PastPage {
  channel: Channel;
  past: readonly LogEvent[];
  after: bigint;
  stays: () => boolean;
  /** What comes first is taken with its errors where it cannot be read. */
  lastTry: boolean;
}

/** What of it the channel wants, up to a portion or to what cannot be read, and how far that is. Rejects where that is nowhere. */
async function renderPage(owner: ChannelOwner, { channel, past, after, stays, lastTry }: PastPage) {
  const wanted: LogEvent[] = [];
  const results: Rendered[] = [];
  let bytes = 0;
  let cursor = after;
  try {
    for (const event of past) {
      if (!stays() || bytes >= PORTION) break;
      if (reachIn(channel, event) !== 'NOBODY') {
        const rendered = renderIn(owner, channel, event);
        results.push(rendered instanceof Promise ? await rendered : rendered);
        wanted.push(event);
        bytes += results.at(-1)!.json.length;
      }
      cursor = event.seq;
    }
  } catch (error) {
    if (!(error instanceof ReadFailed)) throw error;
    if (cursor > after) return { wanted, results, cursor };
    const [unreadable] = past;
    if (!lastTry || error.instead === undefined || unreadable === undefined) throw error;
    return { wanted: [unreadable], results: [{ seq: unreadable.seq, json: error.instead }], cursor: unreadable.seq };
  }
  return { wanted, results, cursor };
}
