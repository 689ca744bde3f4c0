import type { Rendered } from './subscription.js';
import type { LogEvent } from './types.js';

/** Results that were made lately, so that whoever comes to the same event a little later shares them. */
export interface RenderedEvents {
  /** The channel's result; `render` makes it where it is not there, once for all who ask meanwhile. What is personal is not kept. */
  of(channel: Sharing, event: LogEvent, render: (event: LogEvent) => Promise<Buffer>): Rendered | Promise<Rendered>;
}

/** What of a channel decides who shares. */
interface Sharing {
  key: string;
  personal: boolean;
}

/** Bytes that are kept, over all keys; the oldest are forgotten first. */
const KEPT_BYTES = 33_554_432;
/** What one counts beside its JSON. */
const OVERHEAD = 300;

interface Making {
  rendering: Promise<Buffer>;
  stays: boolean;
}

/** Opens an empty store. */
export function keepRenderedEvents(keptBytes = KEPT_BYTES): RenderedEvents {
  const kept = new Map<string, Rendered>();
  const underway = new Map<string, Promise<Rendered>>();
  let bytes = 0;

  function keep(id: string, rendered: Rendered): void {
    kept.set(id, rendered);
    bytes += rendered.json.length + OVERHEAD;
    for (const [oldest, { json }] of kept) {
      if (bytes <= keptBytes) return;
      kept.delete(oldest);
      bytes -= json.length + OVERHEAD;
    }
  }

  async function make(id: string, { seq }: LogEvent, { rendering, stays }: Making): Promise<Rendered> {
    try {
      const rendered = { seq, json: await rendering };
      if (stays) keep(id, rendered);
      return rendered;
    } finally {
      underway.delete(id);
    }
  }

  return {
    of: ({ key, personal }, event, render) => {
      const id = `${key} ${event.seq}`;
      const known = kept.get(id) ?? underway.get(id);
      if (known) return known;
      const made = make(id, event, { rendering: render(event), stays: !personal });
      underway.set(id, made);
      return made;
    },
  };
}
