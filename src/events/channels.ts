import type { Channel } from './channel.js';
import type { LogEvent } from './types.js';

/** The channels of a process, found by their key, and by what an event is about. */
export interface Channels {
  get(key: string): Channel | undefined;
  add(channel: Channel): void;
  /** Where another has its key by now, that one stays. */
  remove(channel: Channel): void;
  /** Those which may want the event. What is added or removed meanwhile may be among them or not. */
  concernedBy(event: LogEvent): Channel[];
}

/** Opens it without channels. */
export function openChannels(): Channels {
  const all = new Map<string, Channel>();
  const ofAnything = new Set<Channel>();
  const byId = new Map<string, Set<Channel>>();

  return {
    get: (key) => all.get(key),
    add: (channel) => {
      all.set(channel.key, channel);
      if (!channel.about) ofAnything.add(channel);
      for (const id of channel.about ?? []) {
        const those = byId.get(id);
        if (those) those.add(channel);
        else byId.set(id, new Set([channel]));
      }
    },
    remove: (channel) => {
      if (all.get(channel.key) === channel) all.delete(channel.key);
      ofAnything.delete(channel);
      for (const id of channel.about ?? []) {
        const those = byId.get(id);
        if (those?.delete(channel) && those.size === 0) byId.delete(id);
      }
    },
    concernedBy: (event) => {
      const concerned = new Set(ofAnything);
      for (const id of idsIn(event)) for (const channel of byId.get(id) ?? []) concerned.add(channel);
      return [...concerned];
    },
  };
}

/** What a subscription can be about: the event's subject, product and domain by their row ids, and its request by its global id. */
function idsIn({ subjectId, productId, domainId, data }: LogEvent): string[] {
  return [subjectId, productId, domainId, data?.accessRequest].filter((id) => typeof id === 'string');
}
