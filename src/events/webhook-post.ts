import { type LookupAddress, lookup } from 'node:dns';
import { type IncomingMessage, request as plainRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';
import type { LookupFunction } from 'node:net';
import { type AllowedNetworks, addressProblem, urlProblem } from './webhook-address.js';

/** A message to a receiver. */
export interface Message {
  url: string;
  headers: Record<string, string>;
  body: string;
}

/** What came of sending one. */
export interface PostOutcome {
  /** null: there was no answer. */
  statusCode: number | null;
  /** Why it counts as failed, in a word or a sentence; null where it arrived. */
  error: string | null;
  /** What the receiver asked to wait, in milliseconds (RFC 9110, 10.2.3). */
  retryAfterMs: number | null;
}

/** Where messages may go, and how long one may take in all. */
export interface PostLimits {
  allowed: AllowedNetworks;
  timeoutMs: number;
  /** Certificates of issuers that are trusted besides, PEM. */
  ca?: string;
  /** In the place of the system's resolver. */
  resolve?: typeof lookup;
}

/** Bytes of an answer that are read before the connection is closed; nobody looks at them. */
const ANSWER_BYTES = 16 * 1024;
const MOST_RETRY_AFTER_MS = 86_400_000;

class RefusedAddress extends Error {
  override readonly name = 'RefusedAddress';
}

/**
 * Sends one message on a connection of its own and answers what came of it; never throws. Redirects are not followed. Every address that
 * the name leads to is judged as the connection is made, so that a name cannot lead elsewhere than where it was judged.
 */
export function post(message: Message, limits: PostLimits): Promise<PostOutcome> {
  const problem = urlProblem(message.url, limits.allowed);
  if (problem) return Promise.resolve({ statusCode: null, error: `The URL ${problem}.`, retryAfterMs: null });
  const url = new URL(message.url);
  const plain = url.protocol === 'http:';
  const request = plain ? plainRequest : tlsRequest;
  return new Promise((resolve) => {
    let answer: IncomingMessage | undefined;
    const sent = request(url, {
      method: 'POST',
      agent: false,
      lookup: guardedLookup(limits, plain),
      headers: { ...message.headers, 'content-length': Buffer.byteLength(message.body), connection: 'close' },
      maxHeaderSize: ANSWER_BYTES,
      signal: AbortSignal.timeout(limits.timeoutMs),
      ...(limits.ca && !plain ? { ca: limits.ca } : {}),
    });
    sent.on('response', (response) => {
      answer = response;
      discard(response);
      response.on('close', () => resolve(outcomeOf(response)));
    });
    sent.on('error', (error) => resolve(answer ? outcomeOf(answer) : unanswered(error)));
    sent.end(message.body);
  });
}

function discard(response: IncomingMessage): void {
  let bytes = 0;
  response.on('error', () => undefined);
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > ANSWER_BYTES) response.destroy();
  });
}

function outcomeOf({ statusCode = 0, headers }: IncomingMessage): PostOutcome {
  const arrived = statusCode >= 200 && statusCode < 300;
  const redirected = statusCode >= 300 && statusCode < 400;
  const error = redirected ? 'Redirects are not followed: give the URL itself.' : `HTTP ${statusCode}`;
  return {
    statusCode,
    error: arrived ? null : error,
    retryAfterMs: arrived ? null : retryAfter(headers['retry-after']),
  };
}

function retryAfter(value: string | undefined): number | null {
  if (value === undefined) return null;
  const ms = /^\d+$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - Date.now();
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), MOST_RETRY_AFTER_MS) : null;
}

/** In words of our own: a system's message may tell more of a network than its owner wants. */
function unanswered(error: Error): PostOutcome {
  const { code, name } = error as NodeJS.ErrnoException;
  const timedOut = name === 'AbortError' || name === 'TimeoutError';
  const said = error instanceof RefusedAddress ? error.message : timedOut ? 'No answer in time.' : (code ?? name);
  return { statusCode: null, error: said, retryAfterMs: null };
}

function guardedLookup({ allowed, resolve = lookup }: PostLimits, plain: boolean): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, []);
      const problem = problemAmong(addresses, { allowed, plain });
      if (problem) return callback(new RefusedAddress(problem), []);
      const [first] = addresses;
      return options.all ? callback(null, addresses) : callback(null, first?.address ?? '', first?.family);
    });
  };
}

/** One address that may not be reached is enough: which one of several is taken is not ours to say. */
function problemAmong(
  addresses: readonly LookupAddress[],
  { allowed, plain }: { allowed: AllowedNetworks; plain: boolean },
): string | null {
  if (addresses.length === 0) return 'The name leads nowhere.';
  const problems = addresses.flatMap(({ address }) => addressProblem(address, allowed, { plain }) ?? []);
  return problems[0] === undefined ? null : `The name leads to an address that ${problems[0]}.`;
}
