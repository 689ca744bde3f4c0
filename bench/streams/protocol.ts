import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** What a subscriber of a run asks for: the event's own fields, its number first. */
export const DOCUMENT =
  'subscription ($after: EventCursor) { meshEvents(after: $after) { sequence id cursor type occurredAt correlationId actor { kind subject name } data } }';

/** Connections that a load process opens: how many, to whom, and with which token each (in turn). */
export interface Connecting {
  kind: 'connect';
  url: string;
  count: number;
  tokens: string[];
  /** The raw server speaks no protocol of subscriptions. */
  speaks: 'graphql-ws' | 'nothing';
  /** Cursors to go on from, in turn, and the number that stands behind each; without it from now on. */
  after?: { cursor: string; seq: number }[];
}

/** Counts what arrives from now on: `expected` messages on each connection. */
export interface Counting {
  kind: 'count';
  connections: number;
  expected: number;
  /** Reads the number in each message: it must follow the one before, and `expected` is the last. */
  check?: boolean;
  /** With a list of times at the end, how long each message took. */
  timed: boolean;
}

export type ToLoad = Connecting | Counting | { kind: 'result'; sentAt: number[] };

/** What a load process counted. */
export interface Counted {
  messages: number;
  /** Milliseconds of the monotonic clock, which all processes of a machine share. */
  firstAt: number;
  lastAt: number;
  /** Messages that did not follow the one before them. */
  outOfOrder: number;
  /** Connections that ended. */
  closed: number;
  /** How many messages took so long: buckets of `bucketMs`. */
  histogram: number[];
  /** Processor time of the load process since it began to count, in microseconds. */
  cpu: number;
}

export const bucketMs = 0.25;
export const buckets = 240_000;

/** Milliseconds of the monotonic clock. */
export const now = (): number => Number(process.hrtime.bigint()) / 1e6;

/** Sends a message to a process that was forked, and waits for the answer of this kind. */
export function ask<Answer extends { kind: string }>(
  child: ChildProcess,
  message: object,
  kind: Answer['kind'],
): Promise<Answer> {
  const answer = waitFor<Answer>(child, kind);
  child.send(message);
  return answer;
}

/** Waits for a message of this kind. */
export function waitFor<Answer extends { kind: string }>(child: ChildProcess, kind: Answer['kind']): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null): void => reject(new Error(`A process ended with ${code}.`));
    const heard = (message: unknown): void => {
      if ((message as Answer).kind !== kind) return;
      child.off('message', heard);
      child.off('exit', ended);
      resolve(message as Answer);
    };
    child.on('message', heard);
    child.once('exit', ended);
  });
}

/** What a process used so far: processor time in microseconds and resident memory in bytes (proc(5), /proc/pid/stat and status). */
export function usageOf(pid: number): { cpu: number; rss: number } {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  const rss = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return { cpu: (Number(fields[11]) + Number(fields[12])) * 10_000, rss: Number(rss) * 1_024 };
}
