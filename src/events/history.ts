import { ResyncRequired } from './errors.js';
import type { Page } from './read.js';
import type { LogEvent } from './types.js';

/** The past of the log, for those who go on after a cursor. */
export interface History {
  /** Number of the last event that the tail handed out. */
  readonly position: bigint;
  /** The next event, in order. */
  add(event: LogEvent): void;
  /** Goes on after this number with nothing in memory. */
  restartAt(position: bigint): void;
  /**
   * Up to two hundred events after the number, none beyond the position: at once where they are in memory, else read. Rejects
   * with ResyncRequired where they are no longer stored.
   */
  after(cursor: bigint): LogEvent[] | Promise<LogEvent[]>;
}

/** Events in memory: at least the last so many, once they came. */
const RECENT = 2_000;
const PAGE = 200n;
/** Those who resume at once share what is read; so long, and so many pages. */
const SHARED_MS = 2_000;
const SHARED_PAGES = 64;

/** Opens it at the head of the log. */
export function openHistory({ head, read }: { head: bigint; read: (page: Page) => Promise<LogEvent[]> }): History {
  const pages = new Map<string, Promise<LogEvent[]>>();
  let recent: LogEvent[] = [];
  let position = head;

  /** Pages begin at multiples of their size, so that readers at different cursors read the same. */
  function pageOf(cursor: bigint): Promise<LogEvent[]> {
    const start = cursor - (cursor % PAGE);
    const upTo = start + PAGE < position ? start + PAGE : position;
    const key = `${start}-${upTo}`;
    const known = pages.get(key);
    if (known) return known;
    const page = read({ after: start, upTo, limit: Number(PAGE) });
    pages.set(key, page);
    const forget = (): void => void (pages.get(key) === page && pages.delete(key));
    page.catch(forget);
    setTimeout(forget, SHARED_MS).unref();
    const [oldest] = pages.keys();
    if (pages.size > SHARED_PAGES && oldest !== undefined) pages.delete(oldest);
    return page;
  }

  async function stored(cursor: bigint): Promise<LogEvent[]> {
    const events = (await pageOf(cursor)).filter(({ seq }) => seq > cursor);
    const dense = events.every(({ seq }, index) => seq === cursor + 1n + BigInt(index));
    if (events.length === 0 || !dense) throw new ResyncRequired('Events after the cursor are no longer stored.');
    return events;
  }

  return {
    get position() {
      return position;
    },
    add: (event) => {
      position = event.seq;
      recent.push(event);
      if (recent.length >= 2 * RECENT) recent = recent.slice(RECENT);
    },
    restartAt: (at) => {
      position = at;
      recent = [];
      pages.clear();
    },
    after: (cursor) => {
      const first = recent[0]?.seq;
      if (first === undefined || cursor + 1n < first) return stored(cursor);
      const from = Number(cursor + 1n - first);
      return recent.slice(from, from + Number(PAGE));
    },
  };
}
