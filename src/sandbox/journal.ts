import {
  closeSync,
  existsSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

/** One change of one table: with `v` (JSON text of the value) a put, without it a delete. */
export interface Change {
  t: string;
  k: string;
  v?: string;
}

/** An append-only file of changes; the whole state is what the lines say in order. */
export interface Journal {
  append(changes: Change[]): void;
  /** True when the file has grown so far beyond the live state that a rewrite pays. */
  isBloated(liveEntries: number): boolean;
  /** Replaces the file by one line per live entry, atomically. */
  compact(entries: Iterable<Change>): void;
  close(): void;
}

const SLACK_LINES = 20_000;

/** Opens the journal in a folder and replays it into `apply`; a torn last line (killed mid-write) is cut off. */
export function openJournal(dataDir: string, apply: (change: Change) => void): Journal {
  const path = join(dataDir, 'state.jsonl');
  let lines = replay(path, apply);
  let file = openSync(path, 'a', 0o600);
  return {
    append(changes) {
      if (changes.length === 0) return;
      writeAll(file, changes.map((change) => `${lineOf(change)}\n`).join(''));
      lines += changes.length;
    },
    isBloated: (liveEntries) => lines > 2 * liveEntries + SLACK_LINES,
    compact(entries) {
      const temporary = `${path}.tmp`;
      const target = openSync(temporary, 'w', 0o600);
      lines = 0;
      for (const entry of entries) {
        writeAll(target, `${lineOf(entry)}\n`);
        lines += 1;
      }
      fsyncSync(target);
      closeSync(target);
      renameSync(temporary, path);
      closeSync(file);
      file = openSync(path, 'a', 0o600);
    },
    close: () => closeSync(file),
  };
}

/** Values are kept as JSON text, so a line is assembled without parsing them again. */
function lineOf({ t, k, v }: Change): string {
  const head = `{"t":${JSON.stringify(t)},"k":${JSON.stringify(k)}`;
  return v === undefined ? `${head}}` : `${head},"v":${v}}`;
}

function replay(path: string, apply: (change: Change) => void): number {
  if (!existsSync(path)) return 0;
  const text = readFileSync(path, 'utf8');
  const end = text.lastIndexOf('\n') + 1;
  if (end < text.length) truncate(path, Buffer.byteLength(text.slice(0, end)));
  let lines = 0;
  for (let start = 0; start < end; lines += 1) {
    const stop = text.indexOf('\n', start);
    const { t, k, v } = parseLine(text.slice(start, stop), `${path}:${lines + 1}`);
    apply(v === undefined ? { t, k } : { t, k, v: JSON.stringify(v) });
    start = stop + 1;
  }
  return lines;
}

function parseLine(line: string, where: string): { t: string; k: string; v?: unknown } {
  try {
    return JSON.parse(line);
  } catch {
    throw new Error(`${where} is damaged: the sandbox's state cannot be read`);
  }
}

function truncate(path: string, size: number): void {
  const file = openSync(path, 'r+');
  ftruncateSync(file, size);
  closeSync(file);
}

/** writeSync may write less than asked; a journal line must be whole before the answer goes out. */
export function writeAll(file: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let written = 0; written < bytes.length; ) written += writeSync(file, bytes, written);
}
