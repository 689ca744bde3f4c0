import { randomUUID } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { CORRELATION_ID } from '../governance/validation.js';
import type { Log } from './log.js';

/** What the front knows of a request before anybody is authenticated. */
export interface IncomingRequest {
  authorization: string | undefined;
  /** The client's `x-correlation-id` or `x-request-id` where it sent a plain one, else a new uuid; answered as both. */
  correlationId: string;
  /** The other end of its connection. */
  peer: string | null;
  /** X-Forwarded-For, as it came. */
  forwardedFor: string | undefined;
  /** Writes the correlation id into each entry. */
  log: Log;
}

/** What is known of a request beforehand. */
export function incoming(request: FastifyRequest, log: Log): IncomingRequest {
  const correlationId = request.id;
  return {
    authorization: request.headers.authorization,
    correlationId,
    peer: request.raw.socket.remoteAddress ?? null,
    forwardedFor: request.raw.headers['x-forwarded-for']?.toString(),
    log: log.child({ correlationId }),
  };
}

/** A plain id that the client sent, so that its log and ours tell the same story; else a new one. */
export function correlationIdOf(headers: Readonly<Record<string, string | string[] | undefined>>): string {
  const sent = headers['x-correlation-id'] ?? headers['x-request-id'];
  return typeof sent === 'string' && CORRELATION_ID.test(sent) ? sent : randomUUID();
}
