import type { Reach } from './filter.js';
import type { RenderedEvents } from './rendered.js';
import type { Rounds, Work } from './rounds.js';
import type { Rendered, Subscription } from './subscription.js';
import type { Turns } from './turns.js';
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
  /** Live, and to be given what is rendered in the next round. */
  readonly upToDate: Set<Member>;
  /** Live, and their connections take nothing more for now. */
  readonly behind: Set<Member>;
  /** Ids of which an event names one, or it is for nobody here; undefined: it may be any. */
  readonly about: readonly string[] | undefined;
  /** Live events that are not yet delivered to all; the first has the number `first`, counted from the channel's beginning. */
  events: LogEvent[];
  first: number;
  /** Results that wait for somebody up to date: those of the events before the number `rendered`. */
  results: Rendered[];
  resultBytes: number;
  rendered: number;
  rendering: boolean;
  /** The round that goes through those up to date. */
  pass: Pass | undefined;
  /** Goes on with it. */
  readonly work: Work;
}

/** One round: whom it comes to yet, how many of them at most, and before which number everybody it came to has everything. */
export interface Pass {
  members: Iterator<Member>;
  left: number;
  low: number;
}

/** What a channel asks of whoever holds it. */
export interface ChannelOwner {
  rendered: RenderedEvents;
  /** Deliveries, channel by channel. */
  rounds: Rounds;
  /** Results that are made for one in particular read the database: so many at a time. */
  turns: Turns;
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

/** The number after that of the last event. */
export const endOf = ({ events, first }: Channel): number => first + events.length;

/** The number of the first result that is kept: nobody up to date waits for an earlier one. */
export const startOf = ({ rendered, results }: Channel): number => rendered - results.length;

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

/** False: he takes nothing more for now. */
export function send(member: Member, results: readonly Rendered[]): boolean {
  const last = results.at(-1);
  if (!last) return true;
  member.sent = last.seq;
  return member.subscription.outlet.send(results);
}
