/** Whoever was served longer ago than this counts as never served. */
const KEPT_MS = 3_600_000;

/** Whose turn it is among webhooks that wait. */
export interface Turns {
  /** Notes that it has a place now. */
  serve(id: string): void;
  /** Those that wait, whoever was served longest ago first. */
  inOrder<Waiting extends { id: string }>(waiting: readonly Waiting[]): Waiting[];
  /** How many it knows. */
  readonly size: number;
}

/** Remembers who was served when, and forgets it after `keptMs`: webhooks come and go. */
export function createTurns(keptMs = KEPT_MS): Turns {
  // In the order of their serving.
  const servedAt = new Map<string, number>();

  function forgetOld(): void {
    const since = performance.now() - keptMs;
    for (const [id, at] of servedAt) {
      if (at > since) return;
      servedAt.delete(id);
    }
  }

  return {
    serve(id) {
      servedAt.delete(id);
      servedAt.set(id, performance.now());
    },
    inOrder(waiting) {
      forgetOld();
      return waiting.toSorted((a, b) => (servedAt.get(a.id) ?? 0) - (servedAt.get(b.id) ?? 0));
    },
    get size() {
      return servedAt.size;
    },
  };
}
