import type { ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask, bucketMs, type Connecting, type Counted, now, usageOf, waitFor } from './protocol.js';
import type { Server, Stage } from './stage.js';

/** Subscribers of one server, spread over load processes. */
export interface Crowd {
  server: Server;
  size: number;
  loads: ChildProcess[];
}

/** What the crowd got in one run, and what it cost. */
export interface Run {
  messages: number;
  /** From when the first was sent to when the last came, in milliseconds. */
  ms: number;
  outOfOrder: number;
  /** Connections that the server ended. */
  closed: number;
  /** Milliseconds in which so many of a hundred had it; NaN where it was not timed. */
  p50: number;
  p99: number;
  /** Processor time of the server, in microseconds a message. */
  cpuEach: number;
  /** Processor time of the busiest load process, as a share of the server's. */
  loadShare: number;
  rss: number;
}

const DEADLINE_MS = 180_000;

/** Starts load processes for a server; they connect when `join` says so. */
export function gather(stage: Stage, server: Server, { size, processes }: { size: number; processes: number }): Crowd {
  return { server, size, loads: stage.startLoads(processes) };
}

/** Connects all, as fast as they can. */
export async function join(crowd: Crowd, tokens: string[], after?: Connecting['after']): Promise<void> {
  const { server, size, loads } = crowd;
  await Promise.all(
    loads.map((load, n) => {
      const count = shareOf(size, loads.length, n);
      const mine = after?.filter((_, index) => index % loads.length === n);
      const connecting = { kind: 'connect', url: server.url, speaks: server.speaks, count, tokens };
      return ask(load, { ...connecting, ...(mine ? { after: mine } : {}) }, 'connected');
    }),
  );
}

/** Ends the load processes. */
export function disperse({ loads }: Crowd): void {
  for (const load of loads) load.kill('SIGKILL');
}

const shareOf = (size: number, parts: number, n: number): number => Math.floor((size + n) / parts);

/** Counts while `act` goes on, until all have `expected` messages, or the number `expected` where they read it. */
export async function count(
  crowd: Crowd,
  { expected, timed = false, check = false }: { expected: number; timed?: boolean; check?: boolean },
  act: () => Promise<number[]>,
): Promise<Run> {
  const { server, loads, size } = crowd;
  await Promise.all(
    loads.map((load, n) => {
      const connections = shareOf(size, loads.length, n);
      return ask(load, { kind: 'count', connections, expected, timed, check }, 'counting');
    }),
  );
  const complete = Promise.all(loads.map((load) => waitFor(load, 'complete')));
  const before = usageOf(server.pid);
  const began = now();
  let peak = before.rss;
  const watch = setInterval(() => (peak = Math.max(peak, usageOf(server.pid).rss)), 200);
  const acted = act();
  const [sentAt] = await Promise.all([acted, Promise.race([complete, sleep(DEADLINE_MS)])]);
  clearInterval(watch);
  const cpu = usageOf(server.pid).cpu - before.cpu;
  const counted = await Promise.all(
    loads.map(async (load) => {
      const { result } = await ask<{ kind: 'result'; result: Counted }>(load, { kind: 'result', sentAt }, 'result');
      return result;
    }),
  );
  return runOf(counted, { startedAt: sentAt[0] ?? began, cpu, rss: Math.max(peak, usageOf(server.pid).rss) });
}

function runOf(counted: Counted[], { startedAt, cpu, rss }: { startedAt: number; cpu: number; rss: number }): Run {
  const sum = (of: (one: Counted) => number): number => counted.reduce((total, one) => total + of(one), 0);
  const messages = sum((one) => one.messages);
  const histogram: number[] = [];
  for (const one of counted) {
    for (const [bucket, had] of one.histogram.entries()) histogram[bucket] = (histogram[bucket] ?? 0) + had;
  }
  return {
    messages,
    ms: Math.max(...counted.map(({ lastAt }) => lastAt)) - startedAt,
    outOfOrder: sum((one) => one.outOfOrder),
    closed: sum((one) => one.closed),
    p50: shareWithin(histogram, 0.5),
    p99: shareWithin(histogram, 0.99),
    cpuEach: cpu / messages,
    loadShare: Math.max(...counted.map((one) => one.cpu)) / cpu,
    rss,
  };
}

function shareWithin(histogram: number[], share: number): number {
  const total = histogram.reduce((all, had) => all + had, 0);
  let passed = 0;
  for (const [bucket, had] of histogram.entries()) {
    passed += had;
    if (passed >= share * total && total > 0) return bucket * bucketMs;
  }
  return Number.NaN;
}
