import { type IncomingMessage, request as plainRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';
import type { LookupFunction } from 'node:net';
import { type AllowedNetworks, problemAmong, urlProblem } from './webhook-address.js';
import { createLookUp, type LookUp } from './webhook-lookup.js';

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
  /** In the place of the name servers. */
  lookUp?: LookUp;
}

/** Bytes of an answer that are read before the connection is closed; nobody looks at them. */
const ANSWER_BYTES = 16 * 1024;
const MOST_RETRY_AFTER_MS = 86_400_000;

class RefusedAddress extends Error {
  override readonly name = 'RefusedAddress';
}

/**
 * Sends one message on a connection of its own and answers what came of it; never throws, and ends in time. Redirects are not followed. Every address that
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
      ...(limits.ca && !plain ? { ca: limits.ca } : {}),
    });
    // Whatever else the connection does, or never does, this is the end of it: deliveries wait for the outcome.
    const deadline = setTimeout(() => end('No answer in time.'), limits.timeoutMs);
    function end(error: string): void {
      clearTimeout(deadline);
      sent.destroy();
      resolve(answer ? outcomeOf(answer) : { statusCode: null, error, retryAfterMs: null });
    }
    sent.on('response', (response) => {
      answer = response;
      discard(response);
      response.on('close', () => end('No answer.'));
    });
    sent.on('upgrade', (response, socket) => {
      answer = response;
      socket.on('error', () => undefined).destroy();
      end('No answer.');
    });
    sent.on('error', (error) => end(inOurWords(error)));
    sent.on('close', () => end('No answer.'));
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

/** A system's message may tell more of a network than its owner wants. */
function inOurWords(error: Error): string {
  const { code, name } = error as NodeJS.ErrnoException;
  if (error instanceof RefusedAddress) return error.message;
  return code === 'ETIMEOUT' ? 'No name server answered in time.' : (code ?? name);
}

const lookUpAnywhere = createLookUp();

function guardedLookup({ allowed, lookUp = lookUpAnywhere }: PostLimits, plain: boolean): LookupFunction {
  return (hostname, options, callback) => {
    const judged = lookUp(hostname).then((addresses) => {
      const problem = problemAmong(addresses, { allowed, plain });
      if (problem) throw new RefusedAddress(problem);
      return addresses;
    });
    judged.then(
      (addresses) =>
        options.all ? callback(null, addresses) : callback(null, addresses[0]?.address ?? '', addresses[0]?.family),
      (error: NodeJS.ErrnoException) => callback(error, []),
    );
  };
}
