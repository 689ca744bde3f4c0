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
  /** Whether the stored log can be read at the moment, whatever is in memory. */
  isReadable(): Promise<boolean>;
}

/** Events in memory: at least the last so many, once they came, as long as they are no more than half of the bytes. */
const RECENT = 2_000;
const PAGE = 200n;
/** Those who resume at once share what is read; so long, and so many pages. */
const SHARED_MS = 2_000;
const SHARED_PAGES = 64;
/** Bytes of data, as JSON, of the recent events, and again of the shared pages: one event may have a hundred kilobytes. */
const BYTES = 33_554_432;

interface HistoryOptions {
  head: bigint;
  read: (page: Page) => Promise<LogEvent[]>;
  /** Most bytes of recent events, and of shared pages. */
  keptBytes?: number;
}

/** What is shared; its bytes count once it is read. */
interface SharedPage {
  events: Promise<LogEvent[]>;
  bytes: number;
}

const sizeOf = ({ data }: LogEvent): number => JSON.stringify(data ?? null).length;

/** Opens it at the head of the log. */
export function openHistory({ head, read, keptBytes = BYTES }: HistoryOptions): History {
  const pages = new Map<string, SharedPage>();
  let recent: LogEvent[] = [];
  let sizes: number[] = [];
  let recentBytes = 0;
  let position = head;

  function forgetOldest(): void {
    let from = Math.max(0, recent.length - RECENT);
    let bytes = sizes.slice(from).reduce((sum, size) => sum + size, 0);
    for (; bytes > keptBytes / 2 && from < recent.length; from += 1) bytes -= sizes[from]!;
    recent = recent.slice(from);
    sizes = sizes.slice(from);
    recentBytes = bytes;
  }

  /** Where there are too many pages, or bytes in them, the oldest go. */
  function boundPages(): void {
    let bytes = [...pages.values()].reduce((sum, page) => sum + page.bytes, 0);
    for (const [key, page] of pages) {
      if (pages.size <= SHARED_PAGES && bytes <= keptBytes) return;
      pages.delete(key);
      bytes -= page.bytes;
    }
  }

  /** Pages begin at multiples of their size, so that readers at different cursors read the same. */
  function pageOf(cursor: bigint): Promise<LogEvent[]> {
    const start = cursor - (cursor % PAGE);
    const upTo = start + PAGE < position ? start + PAGE : position;
    const key = `${start}-${upTo}`;
    const known = pages.get(key);
    if (known) return known.events;
    const page: SharedPage = { events: read({ after: start, upTo, limit: Number(PAGE) }), bytes: 0 };
    pages.set(key, page);
    const forget = (): void => void (pages.get(key) === page && pages.delete(key));
    page.events.then((events) => {
      page.bytes = events.reduce((sum, event) => sum + sizeOf(event), 0);
      boundPages();
    }, forget);
    setTimeout(forget, SHARED_MS).unref();
    boundPages();
    return page.events;
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
      sizes.push(sizeOf(event));
      recentBytes += sizes.at(-1)!;
      if (recent.length >= 2 * RECENT || recentBytes > keptBytes) forgetOldest();
    },
    restartAt: (at) => {
      position = at;
      recent = [];
      sizes = [];
      recentBytes = 0;
      pages.clear();
    },
    isReadable: () =>
      read({ after: position, upTo: position, limit: 1 }).then(
        () => true,
        () => false,
      ),
    after: (cursor) => {
      const first = recent[0]?.seq;
      if (first === undefined || cursor + 1n < first) return stored(cursor);
      const from = Number(cursor + 1n - first);
      return recent.slice(from, from + Number(PAGE));
    },
  };
}
