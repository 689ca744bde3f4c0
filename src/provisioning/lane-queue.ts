import type { LaneKey } from './lane.js';

/** The lanes that this process has to look at. */
export interface LaneQueue {
  wake(lanes: LaneKey[]): void;
  close(): Promise<void>;
  status(): { running: LaneKey[]; queued: LaneKey[] };
}

/** Works on each lane once at a time, a few lanes side by side; `work` says when the lane is to be looked at again. */
export function createLaneQueue(concurrency: number, work: (lane: LaneKey) => Promise<number | null>): LaneQueue {
  const running = new Map<string, { lane: LaneKey; done: Promise<void> }>();
  const queued = new Map<string, LaneKey>();
  const timers = new Map<string, NodeJS.Timeout>();
  let closed = false;

  function wake(lanes: LaneKey[]): void {
    if (closed) return;
    for (const lane of lanes) queued.set(keyOf(lane), { account: lane.account, region: lane.region });
    fill();
  }

  function fill(): void {
    for (const [key, lane] of queued) {
      if (closed || running.size >= concurrency) return;
      // Woken while it runs: it runs once more afterwards, as it may have looked already.
      if (running.has(key)) continue;
      queued.delete(key);
      clearTimeout(timers.get(key));
      const done = work(lane).then((againInMs) => {
        running.delete(key);
        if (againInMs !== null) later(lane, againInMs);
        fill();
      });
      running.set(key, { lane, done });
    }
  }

  function later(lane: LaneKey, ms: number): void {
    if (closed) return;
    const key = keyOf(lane);
    clearTimeout(timers.get(key));
    timers.set(
      key,
      setTimeout(() => wake([lane]), ms),
    );
  }

  return {
    wake,
    close: async () => {
      closed = true;
      for (const timer of timers.values()) clearTimeout(timer);
      await Promise.all([...running.values()].map(({ done }) => done));
    },
    status: () => ({ running: [...running.values()].map(({ lane }) => lane), queued: [...queued.values()] }),
  };
}

const keyOf = (lane: LaneKey): string => `${lane.account}/${lane.region}`;
