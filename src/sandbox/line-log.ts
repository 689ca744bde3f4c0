import {
  closeSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  unlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { writeAll } from './journal.js';

/** A numbered, bounded log on disk: entries are JSON lines, `n` starts at 1 and continues over restarts. */
export interface LineLog {
  /** Appends the entry as `{ n, ...entry }`; nothing is written once the log is closed. */
  append(entry: object): void;
  /** The JSON texts of up to `limit` kept entries with n > after, in order. */
  read(after: number, limit: number): string[];
  last(): number;
  close(): void;
}

/** One file of consecutive entries; `ends[i]` is the byte after entry `first + i`. Only these offsets stay in memory. */
interface Segment {
  first: number;
  path: string;
  file: number;
  ends: number[];
}

/** Opens the log in `folder`; at least the last `keep` entries stay readable, older segments are deleted. */
export function openLineLog(folder: string, keep: number): LineLog {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const perSegment = Math.ceil(keep / 2);
  const segments = readdirSync(folder)
    .filter((name) => /^\d+\.jsonl$/.test(name))
    .sort()
    .map((name) => openSegment(folder, Number(name.slice(0, -6))));
  if (segments.length === 0) segments.push(openSegment(folder, 1));
  let closed = false;
  const last = (): number => lastOf(segments.at(-1)!);
  return {
    append(entry) {
      if (closed) return;
      if (segments.at(-1)!.ends.length >= perSegment) segments.push(openSegment(folder, last() + 1));
      while (segments.length > 3) dropSegment(segments.shift()!);
      const segment = segments.at(-1)!;
      const n = last() + 1;
      const line = `${JSON.stringify({ n, ...entry })}\n`;
      writeAll(segment.file, line);
      segment.ends.push((segment.ends.at(-1) ?? 0) + Buffer.byteLength(line));
    },
    read(after, limit) {
      const lines: string[] = [];
      for (const segment of segments) {
        if (lines.length >= limit) break;
        lines.push(...readSegment(segment, after, limit - lines.length));
      }
      return lines;
    },
    last,
    close() {
      closed = true;
      for (const { file } of segments) closeSync(file);
    },
  };
}

function lastOf(segment: Segment): number {
  return segment.first + segment.ends.length - 1;
}

function openSegment(folder: string, first: number): Segment {
  const path = join(folder, `${String(first).padStart(12, '0')}.jsonl`);
  const file = openSync(path, 'a+', 0o600);
  const bytes = readFileSync(path);
  const ends: number[] = [];
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) ends.push(at + 1);
  // A process killed mid-write leaves a torn last line: it was never answered, so it is cut off.
  if (fstatSync(file).size > (ends.at(-1) ?? 0)) ftruncateSync(file, ends.at(-1) ?? 0);
  return { first, path, file, ends };
}

function dropSegment({ path, file }: Segment): void {
  closeSync(file);
  unlinkSync(path);
}

function readSegment(segment: Segment, after: number, limit: number): string[] {
  const from = Math.max(0, after + 1 - segment.first);
  const to = Math.min(segment.ends.length, from + limit);
  if (from >= to) return [];
  const start = from === 0 ? 0 : segment.ends[from - 1]!;
  const bytes = Buffer.alloc(segment.ends[to - 1]! - start);
  readSync(segment.file, bytes, 0, bytes.length, start);
  return bytes.toString('utf8').trimEnd().split('\n');
}
