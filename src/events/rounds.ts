/** Work that goes on in turns: until it is done or `until` has come, in milliseconds of `performance.now()`. True: there is more. */
export type Work = (until: number) => boolean;

/** Pieces of work that share the process: none holds up the others, and all together never hold up what else waits for the process. */
export interface Rounds {
  /** Takes it up soon; what is on the list already comes once. */
  add(work: Work): void;
  /** For work of many small steps in promises: what to wait for before the next step; undefined: nothing. */
  rest(): Promise<void> | undefined;
}

/** Milliseconds of work between two looks at what else there is to do. */
const SLICE_MS = 5;

/** Opens them without work. */
export function openRounds(): Rounds {
  const waiting = new Set<Work>();
  let running = false;

  function run(): void {
    const until = performance.now() + SLICE_MS;
    for (const work of waiting) {
      waiting.delete(work);
      if (work(until)) waiting.add(work);
      if (performance.now() >= until) break;
    }
    running = waiting.size > 0;
    if (running) setImmediate(run);
  }

  return {
    add: (work) => {
      waiting.add(work);
      if (running) return;
      running = true;
      setImmediate(run);
    },
    rest: openRest(),
  };
}

/** Work of many small steps: answers what to wait for before the next step, as often as others are to have their turn; undefined: nothing. */
export function openRest(): () => Promise<void> | undefined {
  let sliceEnds: number | undefined;
  let resting: Promise<void> | undefined;
  return () => {
    if (resting) return resting;
    if (sliceEnds === undefined) {
      sliceEnds = performance.now() + SLICE_MS;
      setImmediate(() => {
        sliceEnds = undefined;
      });
    }
    if (performance.now() < sliceEnds) return undefined;
    resting = new Promise((resume) =>
      setImmediate(() => {
        resting = undefined;
        resume();
      }),
    );
    return resting;
  };
}
