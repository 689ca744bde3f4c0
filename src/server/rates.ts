/** How often one viewer may come: `burst` at once, then `perSecond`. */
export interface Rate {
  burst: number;
  perSecond: number;
}

/** Requests over HTTP, and sockets with their subscriptions: bursts of a thousand, then a hundred a second. */
export const defaultRate: Rate = { burst: 1_000, perSecond: 100 };

/** Takes one from the caller's allowance; false where it is used up. */
export type Admit = (subject: string) => boolean;

/** A token bucket per subject. A full bucket is forgotten, so that memory holds those alone who came lately. */
export function createRateLimit(rate: Rate = defaultRate, now: () => number = Date.now): Admit {
  const buckets = new Map<string, { left: number; at: number }>();
  let sweptAt = now();

  function refilled(bucket: { left: number; at: number }, time: number): number {
    return Math.min(rate.burst, bucket.left + ((time - bucket.at) / 1_000) * rate.perSecond);
  }

  function sweep(time: number): void {
    if (time - sweptAt < 10_000) return;
    sweptAt = time;
    for (const [subject, bucket] of buckets) if (refilled(bucket, time) >= rate.burst) buckets.delete(subject);
  }

  return (subject) => {
    const time = now();
    sweep(time);
    const bucket = buckets.get(subject) ?? { left: rate.burst, at: time };
    const left = refilled(bucket, time);
    const admitted = left >= 1;
    buckets.set(subject, { left: admitted ? left - 1 : left, at: time });
    return admitted;
  };
}
