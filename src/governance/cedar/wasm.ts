import { createRequire } from 'node:module';

/** Cedar's own functions, in one instance of its WebAssembly. */
export type Cedar = typeof import('@cedar-policy/cedar-wasm/nodejs');

const require = createRequire(import.meta.url);
const MODULE = require.resolve('@cedar-policy/cedar-wasm/nodejs');

/**
 * Loads Cedar into a fresh instance, in some 10 ms. An instance that threw must not be asked again: it never unwound its stack, so that
 * a few such calls leave it nothing but "memory access out of bounds", whatever it is asked.
 */
export function loadCedar(): Cedar {
  delete require.cache[MODULE];
  return require(MODULE) as Cedar;
}

/** Gives out one instance until it throws, and then another. */
export interface Instance<T> {
  /** Throws what the use threw. */
  use<R>(using: (value: T) => R): R;
}

/** `load` is asked at the first use, and at the first after a failure. */
export function createInstance<T>(load: () => T): Instance<T> {
  let current: { value: T } | undefined;
  return {
    use: (using) => {
      current ??= { value: load() };
      try {
        return using(current.value);
      } catch (error) {
        current = undefined;
        throw error;
      }
    },
  };
}
