import { BurstyRateLimiter, RateLimiterMemory } from 'rate-limiter-flexible';
import { refusal } from './error.js';

/** What one may take: `perSecond` points, and beyond that `burst` more within a minute. */
export interface Rate {
  burst: number;
  perSecond: number;
}

/** Requests over HTTP, sockets with their subscriptions, failures to sign in: bursts of a thousand, then a hundred a second. */
export const defaultRate: Rate = { burst: 1_000, perSecond: 100 };

/** So many objects that an answer may hold count like one more request. */
export const nodesAPoint = 1_000;

/** Takes so many points, one where it is not said, from the allowance of a key; throws RATE_LIMITED (HTTP 429) where it is used up. */
export type Admit = (key: string, points?: number) => Promise<void>;

/** An allowance for each key. */
export interface Allowance {
  admit: Admit;
  /** Takes nothing; throws RATE_LIMITED where nothing is left to take. */
  assertLeft(key: string): Promise<void>;
}

/** An allowance for each key, in this process's memory; those who have not come for a minute are forgotten. `says` goes with the refusal. */
export function createAllowance(
  { burst, perSecond }: Rate = defaultRate,
  says = 'Too many requests, try again in a second.',
): Allowance {
  const rateLimited = () => refusal('RATE_LIMITED', says, { status: 429 });
  const steady = new RateLimiterMemory({ points: perSecond, duration: 1 });
  const beyond = new RateLimiterMemory({ points: burst, duration: 60 });
  const limiter = new BurstyRateLimiter(steady, beyond);
  return {
    admit: async (key, points = 1) => {
      try {
        await limiter.consume(key, points);
      } catch (rejected) {
        if (rejected instanceof Error) throw rejected;
        throw rateLimited();
      }
    },
    assertLeft: async (key) => {
      const left = await Promise.all([steady, beyond].map((one) => one.get(key)));
      if (left.every((one) => one !== null && one.remainingPoints <= 0)) throw rateLimited();
    },
  };
}

/** Who takes from the allowances: a viewer, and the address that he comes from. */
export interface Payer {
  subject: string;
  address: string | null;
}

/** Takes so many points, one where it is not said, from the viewer's allowance and from his address's; throws RATE_LIMITED. */
export type AdmitPayer = (payer: Payer, points?: number) => Promise<void>;

/** The allowances of this process. A viewer's are two, an address has one for all that is done from it. */
export interface Admission {
  /** By `callerOf`. */
  addresses: Allowance;
  /** Requests over HTTP. */
  admitRequest: AdmitPayer;
  /** Sockets, streams and subscriptions. */
  admitStream: AdmitPayer;
}

/** `perAddress`: points a second that all who share an address have together, and ten times as many beyond that within a minute. */
export function createAdmission(perAddress: number): Admission {
  const says = 'Too many requests from your address, of all who share it: try again in a second.';
  const addresses = createAllowance({ perSecond: perAddress, burst: 10 * perAddress }, says);
  const from =
    (viewers: Allowance): AdmitPayer =>
    async ({ subject, address }, points = 1) => {
      // The viewer's first: what he asks beyond it takes nothing from those who share his address.
      await viewers.admit(subject, points);
      await addresses.admit(callerOf(address), points);
    };
  return { addresses, admitRequest: from(createAllowance()), admitStream: from(createAllowance()) };
}

/** What an answer of so many objects counts beyond the request itself. */
export function pointsOf(nodes: number): number {
  return Math.floor(Math.max(nodes - 1, 0) / nodesAPoint);
}

/** Whom an address counts with: itself, and in IPv6 its network of 64 bits, as that is what one caller has. */
export function callerOf(address: string | null): string {
  if (!address?.includes(':') || address.includes('.')) return address ?? 'unknown';
  const [head = '', tail] = address.split('::');
  const groups = (text: string | undefined): string[] => (text ? text.split(':') : []);
  const missing = tail === undefined ? 0 : 8 - groups(head).length - groups(tail).length;
  return [...groups(head), ...Array<string>(Math.max(missing, 0)).fill('0'), ...groups(tail)].slice(0, 4).join(':');
}
