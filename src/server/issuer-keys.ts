import { createLocalJWKSet, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import { z } from 'zod';

/** The issuer's keys cannot be had, so nothing can be said of its tokens. */
export class IssuerUnavailable extends Error {
  override readonly name = 'IssuerUnavailable';
}

/** Timing of the key cache; tests shorten it. Milliseconds. */
export interface KeyCacheOptions {
  /** Keys older than this are fetched again beside the requests that use them. */
  refreshAfter?: number;
  /** Keys older than this are used no more: an issuer that cannot be reached for so long fails closed. */
  expireAfter?: number;
  /** Fetches that a burst of unknown key ids may cause, and how soon one more is allowed. */
  burst?: number;
  refillEvery?: number;
  now?: () => number;
  load?: (jwksUri: string) => Promise<unknown>;
}

const keySet = z.object({ keys: z.array(z.looseObject({ kty: z.string() })).max(100) });

interface Cached {
  find: JWTVerifyGetKey;
  ids: Set<string>;
  fetchedAt: number;
}

/**
 * The public keys of one issuer. A rotated key works at the first token that names it; a flood of made-up key ids causes
 * `burst` fetches and then one per `refillEvery`; in an outage the known keys serve for `expireAfter`.
 * jose's own remote key set refuses a rotated key while it cools down, and known keys once its cache is stale.
 */
export function issuerKeys(jwksUri: string, options: KeyCacheOptions = {}): JWTVerifyGetKey {
  const { refreshAfter = 600_000, expireAfter = 3_600_000, burst = 5, refillEvery = 10_000 } = options;
  const { now = Date.now, load = loadKeys } = options;
  let cached: Cached | undefined;
  let fetching: Promise<void> | undefined;
  let allowance = burst;
  let refilledAt = now();

  function mayFetch(): boolean {
    const refill = Math.floor((now() - refilledAt) / refillEvery);
    if (refill > 0) {
      allowance = Math.min(burst, allowance + refill);
      refilledAt += refill * refillEvery;
    }
    if (allowance < 1) return false;
    allowance -= 1;
    return true;
  }

  /** Callers at the same time share one fetch. */
  function fetchKeys(): Promise<void> {
    if (fetching) return fetching;
    if (!mayFetch()) return Promise.resolve();
    fetching = load(jwksUri)
      .then((body) => {
        const { keys } = keySet.parse(body);
        const ids = new Set(keys.flatMap(({ kid }) => (typeof kid === 'string' ? [kid] : [])));
        cached = { find: createLocalJWKSet({ keys } as JSONWebKeySet), ids, fetchedAt: now() };
      })
      .finally(() => {
        fetching = undefined;
      });
    return fetching;
  }

  return async (header, token) => {
    const age = cached ? now() - cached.fetchedAt : Number.POSITIVE_INFINITY;
    if (!cached || age > expireAfter || !cached.ids.has(header.kid ?? '')) {
      await fetchKeys().catch((error: unknown) => {
        // In an outage nobody can say whether a key that we do not know is a new one.
        throw new IssuerUnavailable('the key set cannot be had', { cause: error });
      });
    } else if (age > refreshAfter) void fetchKeys().catch(() => undefined);
    if (!cached || now() - cached.fetchedAt > expireAfter) throw new IssuerUnavailable('the keys known are too old');
    return cached.find(header, token);
  };
}

async function loadKeys(jwksUri: string): Promise<unknown> {
  const answer = await fetch(jwksUri, { redirect: 'error', signal: AbortSignal.timeout(3_000) });
  if (!answer.ok) throw new Error(`${jwksUri} answered ${answer.status}`);
  return answer.json();
}
