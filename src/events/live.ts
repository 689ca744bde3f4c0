import {
  type Channel,
  type ChannelOwner,
  endOf,
  type Given,
  isOfClass,
  type Member,
  PORTION,
  reachesOf,
  reachIn,
  renderIn,
  resultsFor,
  send,
  startOf,
  tellFailure,
} from './channel.js';
import { ReadFailed } from './errors.js';
import { QUEUE_LIMIT, type Rendered } from './subscription.js';
import type { LogEvent } from './types.js';

/** Results that are delivered at a time. */
const BATCH = 64;
/** Bytes of results that are made ahead of their delivery; at least one result. */
const AHEAD = 65_536;

/** Opens one without members. */
export function openChannel(
  owner: ChannelOwner,
  of: Pick<Channel, 'key' | 'viewerClass' | 'personal' | 'about'>,
): Channel {
  const channel: Channel = {
    ...of,
    ...{ members: new Set<Member>(), upToDate: new Set<Member>(), behind: new Set<Member>() },
    ...{ events: [], first: 0, results: [], resultBytes: 0, rendered: 0, rendering: false, pass: undefined },
    work: (until) => deliver(owner, channel, until),
  };
  return channel;
}

/** The same for an event that happens now; replays take turns of their own. */
function renderLive(owner: ChannelOwner, channel: Channel, event: LogEvent): Rendered | Promise<Rendered> {
  if (!channel.personal) return renderIn(owner, channel, event);
  return owner.turns.take(async () => renderIn(owner, channel, event));
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
  if (!channel.rendering) void render(owner, channel);
}

/** Whoever does not take what he is sent is dropped; who waits for us goes on from the log, and waits there at no cost. */
function forgetOldest(owner: ChannelOwner, channel: Channel): void {
  const oldest = channel.first;
  for (const member of channel.behind) if (member.next === oldest) owner.dropSlow(member);
  if (startOf(channel) === oldest) {
    const before = channel.events[0]!.seq - 1n;
    for (const member of channel.upToDate) if (member.next === oldest) owner.replay(member, before);
    if (channel.rendered === oldest) channel.rendered += 1;
    else forgetResults(channel, oldest + 1);
  }
  channel.events.shift();
  channel.first += 1;
}

/** Makes the results of what was offered, each once, a little ahead of their delivery. */
async function render(owner: ChannelOwner, channel: Channel): Promise<void> {
  channel.rendering = true;
  try {
    // The tail offers what it has read in one go.
    await undefined;
    while (channel.rendered < endOf(channel) && channel.resultBytes < AHEAD && channel.members.size > 0) {
      await owner.rounds.rest();
      const event = channel.events[channel.rendered - channel.first];
      if (!event) break;
      const from = channel.rendered;
      const result = await renderLive(owner, channel, event);
      if (channel.rendered !== from) continue;
      channel.results.push(result);
      channel.resultBytes += result.json.length;
      channel.rendered += 1;
      owner.rounds.add(channel.work);
    }
  } catch (error) {
    if (error instanceof ReadFailed) replayLive(owner, channel);
    else tellFailure(owner, channel, error);
  } finally {
    channel.rendering = false;
  }
}

/** Each goes on from the log by himself, which tries again; those behind come to the same events in their own time. */
function replayLive(owner: ChannelOwner, channel: Channel): void {
  const end = endOf(channel);
  for (const member of channel.upToDate) if (member.next < end) owner.replay(member);
  forgetResults(channel, channel.rendered);
  channel.rendered = end;
  trim(channel);
}

/**
 * Gives those up to date what is rendered, one after another, as much as there is when each one's turn comes; true: somebody still
 * waits for something.
 */
function deliver(owner: ChannelOwner, channel: Channel, until: number): boolean {
  const { upToDate } = channel;
  channel.pass ??= { members: upToDate.values(), left: upToDate.size, low: channel.rendered };
  const { pass } = channel;
  const givens = new Map<number, Given>();
  try {
    while (pass.left > 0) {
      const { value: member, done } = pass.members.next() as IteratorResult<Member, undefined>;
      if (done) break;
      pass.left -= 1;
      if (member.next < channel.rendered) give(owner, member, givenFrom(channel, member.next, givens));
      if (upToDate.has(member)) pass.low = Math.min(pass.low, member.next);
      if (performance.now() >= until) return true;
    }
  } catch (error) {
    channel.pass = undefined;
    tellFailure(owner, channel, error);
    return false;
  }
  channel.pass = undefined;
  forgetResults(channel, pass.low);
  trim(channel);
  if (!channel.rendering && channel.rendered < endOf(channel)) void render(owner, channel);
  return pass.low < channel.rendered;
}

/** What follows a number, up to a portion, and who gets it as things are now: the same for all who stand there. */
function givenFrom(channel: Channel, next: number, givens: Map<number, Given>): Given {
  const known = givens.get(next);
  if (known) return known;
  const results: Rendered[] = [];
  let bytes = 0;
  for (let n = next - startOf(channel); n < channel.results.length; n += 1) {
    const result = channel.results[n]!;
    results.push(result);
    bytes += result.json.length;
    if (bytes >= PORTION || results.length === BATCH) break;
  }
  const at = next - channel.first;
  const batch = channel.events.slice(at, at + results.length);
  const given = { batch, results, reach: reachesOf(channel, batch) };
  givens.set(next, given);
  return given;
}

/** Lets go of the results before a number. */
function forgetResults(channel: Channel, before: number): void {
  const forgotten = channel.results.splice(0, Math.max(0, before - startOf(channel)));
  for (const { json } of forgotten) channel.resultBytes -= json.length;
}

/** The results of the first events, up to a portion. */
async function renderPortion(owner: ChannelOwner, channel: Channel, batch: readonly LogEvent[]): Promise<Rendered[]> {
  const results: Rendered[] = [];
  let bytes = 0;
  for (const event of batch) {
    const rendered = await renderLive(owner, channel, event);
    results.push(rendered);
    bytes += rendered.json.length;
    if (bytes >= PORTION) break;
  }
  return results;
}

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

/** His connection takes results again: what waited for him, then he is up to date. */
async function catchUp(owner: ChannelOwner, member: Member, moves: number): Promise<void> {
  const { channel } = member;
  const stays = (): boolean => member.moves === moves;
  try {
    while (stays() && member.next < channel.rendered) {
      const start = member.next - channel.first;
      const next = channel.events.slice(start, Math.min(start + BATCH, channel.rendered - channel.first));
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
  let keptFrom = startOf(channel);
  for (const { next } of channel.behind) keptFrom = Math.min(keptFrom, next);
  channel.events.splice(0, keptFrom - channel.first);
  channel.first = keptFrom;
}
