/** Chance that a seed fixes: the same seed, the same throws. */
export interface Dice {
  /** In [0, 1). */
  throw(): number;
  /** From 0 to below this. */
  upTo(limit: number): number;
  one<T>(of: readonly T[]): T;
  /** Some of these, at least one. */
  some<T>(of: readonly T[]): T[];
  chance(probability: number): boolean;
}

/** Mulberry32 over the seed. */
export function diceOf(seed: number): Dice {
  let state = seed | 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const upTo = (limit: number): number => Math.floor(next() * limit);
  const one = <T>(of: readonly T[]): T => of[upTo(of.length)] as T;
  return {
    throw: next,
    upTo,
    one,
    some: (of) => {
      const chosen = of.filter(() => next() < 0.5);
      return chosen.length > 0 ? chosen : [one(of)];
    },
    chance: (probability) => next() < probability,
  };
}
