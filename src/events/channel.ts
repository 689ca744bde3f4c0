import { ReadFailed } from './errors.js';
import type { Reach } from './filter.js';
import type { RenderedEvents } from './rendered.js';
import { QUEUE_LIMIT, type Rendered, type Subscription } from './subscription.js';
import type { LogEvent } from './types.js';

/** One subscription's place in the log. */
export interface Member {
  readonly subscription: Subscription;
  channel: Channel;
  /** Counts his coming and going, so that what was begun before knows that it is over. */
  moves: number;
  /** He gets what follows this number, and nothing before; kept up to date only while he is not live. */
  cursor: bigint;
  /** Live: which of the channel's events comes next for him. */
  next: number;
  /** The last event that he got. */
  sent: bigint;
}

/** All who get the same: of one key, and of one class of viewers. */
export interface Channel {
  readonly key: string;
  readonly viewerClass: string;
  /** Results hold what may be another a moment later, so none is kept. */
  readonly personal: boolean;
  /** Everybody, whoever still replays included. */
  readonly members: Set<Member>;
  /** Live, with nothing left to get. */
  readonly upToDate: Set<Member>;
  /** Live, and their connections take nothing more for now. */
  readonly behind: Set<Member>;
  /** Live events that are not yet delivered to all; the first has the number `first`, counted from the channel's beginning. */
  events: LogEvent[];
  first: number;
  /** Up to this number they were delivered to those up to date. */
  delivered: number;
  delivering: boolean;
}

/** What a channel asks of whoever holds it. */
export interface ChannelOwner {
  rendered: RenderedEvents;
  /** He fell too far behind. */
  dropSlow(member: Member): void;
  /** He is to go on from the log, after this number or from where he stands, in the channel where he belongs now. */
  replay(member: Member, after?: bigint): void;
  /** Nobody is of the channel's class any more: each is to go where he belongs now. */
  reseat(channel: Channel): void;
  /** A mistake in the filter or the result, which all in the channel share. */
  fail(channel: Channel, error: Error): void;
}

/** Bytes of results that are delivered at a time, so that no connection has to hold more of them; at least one result. */
export const PORTION = 16_384;
/** Results that are delivered at a time. */
const BATCH = 64;

/** Opens one without members. */
export function openChannel(of: Pick<Channel, 'key' | 'viewerClass' | 'personal'>): Channel {
  const sets = { members: new Set<Member>(), upToDate: new Set<Member>(), behind: new Set<Member>() };
  return { ...of, ...sets, events: [], first: 0, delivered: 0, delivering: false };
}

/** He goes on with the next event that is offered. */
export function goLive(member: Member): void {
  const { channel } = member;
  member.next = endOf(channel);
  channel.upToDate.add(member);
}

/** Leaves the channel; whoever is live is told where he stands. */
export function leaveChannel(member: Member, position: bigint): void {
  const { channel } = member;
  member.moves += 1;
  channel.members.delete(member);
  if (!channel.upToDate.delete(member) && !channel.behind.delete(member)) return;
  const event = channel.events[member.next - channel.first];
  const stands = event ? event.seq - 1n : position;
  if (stands > member.cursor) member.cursor = stands;
}

/** Somebody in whose name the class's results can be made: he is of it still. */
export function speakerOf({ members, viewerClass }: Channel): Subscription | undefined {
  for (const { subscription } of members) if (subscription.viewerClass() === viewerClass) return subscription;
  return undefined;
}

/** Who in the channel gets the event now. */
export function reachIn(channel: Channel, event: LogEvent): Reach {
  return speakerOf(channel)?.reach(event) ?? 'NOBODY';
}

/** The event's result as all in the channel get it. */
export function renderIn({ rendered }: ChannelOwner, channel: Channel, event: LogEvent): Rendered | Promise<Rendered> {
  return rendered.of(channel, event, (one) => {
    const speaker = speakerOf(channel);
    return speaker ? speaker.render(one) : Promise.reject(new NobodyLeft());
  });
}

/** Nobody is of the class in whose name a result was to be made. */
class NobodyLeft extends Error {}

/** What the members of a channel share fails for all of them. */
export function tellFailure(owner: ChannelOwner, channel: Channel, error: unknown): void {
  if (error instanceof NobodyLeft) owner.reseat(channel);
  else owner.fail(channel, error instanceof Error ? error : new Error(String(error)));
}

/** Takes one event from the tail, in order. What reaches nobody never counts. */
export function offer(owner: ChannelOwner, channel: Channel, event: LogEvent): void {
  if (channel.upToDate.size + channel.behind.size === 0) return;
  try {
    if (reachIn(channel, event) === 'NOBODY') return;
  } catch (error) {
    // One subscription's mistake is its own end, never that of the tail.
    tellFailure(owner, channel, error);
    return;
  }
  channel.events.push(event);
  if (channel.events.length > QUEUE_LIMIT) forgetOldest(owner, channel);
  if (!channel.delivering) void deliver(owner, channel);
}

/** Whoever does not take what he is sent is dropped; who waits for us goes on from the log, and waits there at no cost. */
function forgetOldest(owner: ChannelOwner, channel: Channel): void {
  const oldest = channel.first;
  for (const member of channel.behind) if (member.next === oldest) owner.dropSlow(member);
  if (channel.delivered === oldest) {
    const before = channel.events[0]!.seq - 1n;
    for (const member of channel.upToDate) if (member.next === oldest) owner.replay(member, before);
    channel.delivered += 1;
  }
  channel.events.shift();
  channel.first += 1;
}

const endOf = ({ events, first }: Channel): number => first + events.length;

/** Makes the results of what was offered, each once, and gives them to all who are up to date. */
async function deliver(owner: ChannelOwner, channel: Channel): Promise<void> {
  channel.delivering = true;
  try {
    // The tail offers what it has read in one go.
    await undefined;
    while (channel.delivered < endOf(channel) && channel.members.size > 0) {
      const from = channel.delivered;
      const next = channel.events.slice(from - channel.first, from - channel.first + BATCH);
      const results = await renderPortion(owner, channel, next);
      if (channel.delivered !== from) continue;
      const batch = next.slice(0, results.length);
      channel.delivered = from + batch.length;
      const given = { batch, results, reach: reachesOf(channel, batch) };
      for (const member of channel.upToDate) {
        if (member.next < channel.delivered) give(owner, member, rest(given, member.next - from));
      }
      trim(channel);
    }
  } catch (error) {
    if (error instanceof ReadFailed) replayLive(owner, channel);
    else tellFailure(owner, channel, error);
  } finally {
    channel.delivering = false;
  }
}

/** Each goes on from the log by himself, which tries again; those behind come to the same events in their own time. */
function replayLive(owner: ChannelOwner, channel: Channel): void {
  const end = endOf(channel);
  channel.delivered = end;
  for (const member of channel.upToDate) if (member.next < end) owner.replay(member);
  trim(channel);
}

/** The results of the first events, up to a portion. */
async function renderPortion(owner: ChannelOwner, channel: Channel, batch: readonly LogEvent[]): Promise<Rendered[]> {
  const results: Rendered[] = [];
  let bytes = 0;
  for (const event of batch) {
    const rendered = await renderIn(owner, channel, event);
    results.push(rendered);
    bytes += rendered.json.length;
    if (bytes >= PORTION) break;
  }
  return results;
}

/** Events with their results, and who gets each as things are now. */
export interface Given {
  batch: readonly LogEvent[];
  results: readonly Rendered[];
  reach: readonly Reach[] | 'ALL';
}

/** Asked again at delivery: the class's filter and rights, as they are now. */
export function reachesOf(channel: Channel, batch: readonly LogEvent[]): Given['reach'] {
  const reaches = batch.map((event) => reachIn(channel, event));
  return reaches.every((reach) => reach === 'ALL') ? 'ALL' : reaches;
}

function rest(given: Given, skip: number): Given {
  if (skip === 0) return given;
  const { batch, results, reach } = given;
  return {
    batch: batch.slice(skip),
    results: results.slice(skip),
    reach: reach === 'ALL' ? reach : reach.slice(skip),
  };
}

/** What of it is for this one, who is of the channel's class: the same list for all where nothing sets him apart. */
export function resultsFor(member: Member, { batch, results, reach }: Given): readonly Rendered[] {
  const { subject } = member.subscription;
  // One who comes from another process may be ahead of this one.
  if (reach === 'ALL' && (results[0]?.seq ?? 0n) > member.cursor) return results;
  return results.filter(({ seq }, index) => {
    const reached = reach === 'ALL' ? reach : reach[index];
    const addressed = reached === 'ADDRESSED' && batch[index]!.audience.subjects.includes(subject);
    return seq > member.cursor && (reached === 'ALL' || addressed);
  });
}

/** Whether he may get what his channel gets: asked at every delivery. */
export const isOfClass = ({ subscription, channel }: Member): boolean =>
  subscription.viewerClass() === channel.viewerClass;

/** Delivers to one who is live. False: he takes nothing more for now, or went elsewhere. */
function give(owner: ChannelOwner, member: Member, given: Given): boolean {
  const { channel } = member;
  if (!isOfClass(member)) {
    owner.replay(member, given.batch[0]!.seq - 1n);
    return false;
  }
  member.next += given.batch.length;
  if (send(member, resultsFor(member, given))) return true;
  channel.upToDate.delete(member);
  channel.behind.add(member);
  const { moves } = member;
  member.subscription.outlet.whenReady(() => void catchUp(owner, member, moves));
  return false;
}

/** False: he takes nothing more for now. */
export function send(member: Member, results: readonly Rendered[]): boolean {
  const last = results.at(-1);
  if (!last) return true;
  member.sent = last.seq;
  return member.subscription.outlet.send(results);
}

/** His connection takes results again: what waited for him, then he is up to date. */
async function catchUp(owner: ChannelOwner, member: Member, moves: number): Promise<void> {
  const { channel } = member;
  const stays = (): boolean => member.moves === moves;
  try {
    while (stays() && member.next < channel.delivered) {
      const start = member.next - channel.first;
      const next = channel.events.slice(start, Math.min(start + BATCH, channel.delivered - channel.first));
      const results = await renderPortion(owner, channel, next);
      const batch = next.slice(0, results.length);
      if (!stays() || !give(owner, member, { batch, results, reach: reachesOf(channel, batch) })) return;
    }
    if (!stays()) return;
    channel.behind.delete(member);
    channel.upToDate.add(member);
    trim(channel);
  } catch (error) {
    if (!(error instanceof ReadFailed)) tellFailure(owner, channel, error);
    else if (stays()) owner.replay(member);
  }
}

/** Lets go of events that everybody has. */
function trim(channel: Channel): void {
  let keptFrom = channel.delivered;
  for (const { next } of channel.behind) keptFrom = Math.min(keptFrom, next);
  channel.events.splice(0, keptFrom - channel.first);
  channel.first = keptFrom;
}
