import { createHash } from 'node:crypto';
import { GraphQLError } from 'graphql';
import type { Authenticate, Identity } from './authenticate.js';
import type { IncomingRequest } from './incoming.js';
import { type Allowance, callerOf, createAllowance, type Rate } from './rates.js';

/** Who asks; throws UNAUTHENTICATED, and RATE_LIMITED in its place where too many from the address failed, or it has nothing left to spend. */
export type SignInRequest = (
  request: Pick<IncomingRequest, 'authorization' | 'peer' | 'forwardedFor'>,
) => Promise<Identity>;

interface SignInOptions {
  authenticate: Authenticate;
  addressOf(from: Pick<IncomingRequest, 'peer' | 'forwardedFor'>): string | null;
  /** What addresses may cost in all. */
  addresses: Allowance;
  /** Of failures from one address. */
  rate?: Rate;
}

const MOST_KNOWN = 10_000;

/**
 * Failures count against the caller's address; once its allowance is used up, no signature is checked and nothing looked up for it. Who
 * signed in before with the token that he sends is let in all the same, if it still holds: those who share the address of one that fails are
 * not locked out by it. A failure takes one from what the address may cost too, and what is refused before that nothing: so failures take
 * a share of it at most.
 */
export function createSignIn({ authenticate, addressOf, addresses, rate }: SignInOptions): SignInRequest {
  const strangers = createAllowance(rate);
  /** Digests of headers that were good, the latest last. They save nobody from being verified. */
  const known = new Set<string>();

  function remember(digest: string): void {
    known.delete(digest);
    const [oldest] = known;
    if (known.size >= MOST_KNOWN && oldest !== undefined) known.delete(oldest);
    known.add(digest);
  }

  return async ({ authorization, ...from }) => {
    const caller = callerOf(addressOf(from));
    const digest = createHash('sha256')
      .update(authorization ?? '')
      .digest('base64');
    await addresses.assertLeft(caller);
    if (!known.has(digest)) await strangers.assertLeft(caller);
    try {
      const identity = await authenticate(authorization);
      remember(digest);
      return identity;
    } catch (error) {
      // Where the database does not answer, nobody has failed.
      if (!(error instanceof GraphQLError)) throw error;
      known.delete(digest);
      await strangers.admit(caller);
      await addresses.admit(caller);
      throw error;
    }
  };
}
