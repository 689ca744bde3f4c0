import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import {
  createSourceEventStream,
  type ExecutionArgs,
  execute,
  type FormattedExecutionResult,
  GraphQLError,
} from 'graphql';
import { encodeCursor } from '../events/cursor.js';
import type { Outlet } from '../events/subscription.js';
import { failure, formatError, refusal, statusOf } from './error.js';
import { incoming } from './incoming.js';
import type { Log } from './log.js';
import {
  formatResult,
  type OpenSession,
  prepareSubscription,
  type StreamSession,
  type SubscriptionRequest,
  type SubscriptionRules,
  whyNotBegun,
} from './subscription.js';

/** What the streams are built from. */
export interface EventStreamOptions {
  rules: SubscriptionRules;
  log: Log;
  open: OpenSession;
  /** Where to go on after this event, undefined where there is no going on. */
  cursorOf: (event: unknown) => string | undefined;
}

/** The front of server-sent events. */
export interface EventStreams {
  /** Open streams. */
  readonly size: number;
  /** Takes no more streams and ends those that are open without completing them, on which clients connect again. */
  drain(): Promise<void>;
}

/** Path of subscriptions over server-sent events. */
export const streamPath = '/graphql/stream';

const pingEvery = 12_000;
/** A client that reads nothing for so long is cut off. */
const stalledAfter = 30_000;
const closingMs = 3_000;

/** One stream from its request to its end. */
interface Stream {
  out: PassThrough;
  reply: FastifyReply;
  session: StreamSession;
  /** Aborts when nothing more may be sent; the reason is the refusal to tell, or none. */
  ended: AbortController;
}

/**
 * Serves subscriptions as server-sent events in the protocol of graphql-sse, distinct connections mode: one subscription a
 * request, `next` for each result and `complete` at its end. Each event has its cursor as id, so that `Last-Event-ID` resumes.
 */
export function serveEventStreams(app: FastifyInstance, options: EventStreamOptions): EventStreams {
  const open = new Set<Stream>();
  const opening = new Set<Promise<void>>();
  let draining = false;
  app.route({
    method: ['GET', 'POST'],
    url: streamPath,
    handler: async (request, reply) => {
      if (draining) return reply.code(503).send(failure('UNAVAILABLE', 'This server is stopping: connect again.'));
      if (!(request.headers.accept ?? '').includes('text/event-stream')) {
        return reply.code(406).send(failure('BAD_REQUEST', 'Send "Accept: text/event-stream".'));
      }
      const opened = openStream({ request, reply, options, open });
      opening.add(opened);
      await opened.finally(() => opening.delete(opened));
      return reply;
    },
  });
  return {
    get size() {
      return open.size;
    },
    drain: async () => {
      draining = true;
      await Promise.allSettled(opening);
      await Promise.all([...open].map((stream) => endStream(stream)));
    },
  };
}

interface Asked {
  request: FastifyRequest;
  reply: FastifyReply;
  options: EventStreamOptions;
  open: Set<Stream>;
}

interface Starting extends Asked {
  session: StreamSession;
  ended: AbortController;
}

/** Signs the client in and starts his stream; one who leaves meanwhile must not leave a session behind. */
async function openStream(asked: Asked): Promise<void> {
  const { request, reply, options } = asked;
  const ended = new AbortController();
  reply.raw.once('close', () => ended.abort());
  if (reply.raw.destroyed) return void reply.hijack();
  let session: StreamSession | undefined;
  try {
    session = await options.open(incoming(request, options.log));
    await session.admit();
    await startStream({ ...asked, session, ended });
  } catch (error) {
    session?.close();
    if (!(error instanceof GraphQLError)) throw error;
    refuse(reply, [error], options.log);
  }
}

async function startStream(starting: Starting): Promise<void> {
  const { request, reply, session, ended, options, open } = starting;
  const { rules, log } = options;
  if (ended.signal.aborted) return leave(starting);
  const resumeAfter = request.headers['last-event-id']?.toString() || undefined;
  const stream: Stream = { out: new PassThrough(), reply, session, ended };
  const asked = { rules, session, request: readRequest(request), signal: ended.signal, resumeAfter };
  const args = await prepareSubscription({ ...asked, outlet: streamOutlet(stream), log });
  if (!isArguments(args)) {
    session.close();
    return void refuse(reply, args, log);
  }
  const source = await createSourceEventStream(args);
  if (!(Symbol.asyncIterator in source)) throw whyNotBegun(source);
  if (ended.signal.aborted) return leave(starting, source);
  open.add(stream);
  reply.raw.once('close', () => {
    open.delete(stream);
    session.close();
  });
  send(stream, { args, source, options }).catch((error: unknown) => {
    log.error({ err: error, correlationId: request.id }, 'event stream');
    stream.out.destroy();
  });
  void reply
    .headers({ 'content-type': 'text/event-stream; charset=utf-8', 'x-accel-buffering': 'no' })
    .send(stream.out);
}

/** He went before his stream began: nothing more will say so, and nobody is to be answered. */
async function leave({ reply, session }: Starting, source?: AsyncIterable<unknown>): Promise<void> {
  session.close();
  await source?.[Symbol.asyncIterator]().return?.();
  reply.hijack();
}

function isArguments(args: ExecutionArgs | readonly GraphQLError[]): args is ExecutionArgs {
  return 'document' in args;
}

interface Sending {
  args: ExecutionArgs;
  source: AsyncIterable<unknown>;
  options: EventStreamOptions;
}

/** Sends results at the client's pace until the source ends, the client goes, or his session does. */
async function send(stream: Stream, { args, source, options: { log, cursorOf } }: Sending): Promise<void> {
  const { out, ended } = stream;
  const stopWatching = watchSession(stream);
  const ping = setInterval(() => out.writableLength === 0 && out.write(':\n\n'), pingEvery);
  out.write(':\n\n');
  try {
    for await (const event of source) {
      if (ended.signal.aborted) break;
      const result = await execute({ ...args, rootValue: event });
      await write(stream, next(formatResult(result, log), cursorOf(event)));
    }
    if (!ended.signal.aborted) await write(stream, 'event: complete\ndata:\n\n');
  } catch (error) {
    // The stream ends without `complete`: a client goes on after the last id that it has.
    if (!ended.signal.aborted) out.write(next({ errors: [formatError(asGraphqlError(error), log)] }, undefined));
  } finally {
    clearInterval(ping);
    stopWatching();
    await endStream(stream);
  }
}

function next(result: FormattedExecutionResult, cursor: string | undefined): string {
  return `${cursor === undefined ? '' : `id: ${cursor}\n`}event: next\ndata: ${JSON.stringify(result)}\n\n`;
}

function asGraphqlError(error: unknown): GraphQLError {
  return error instanceof GraphQLError
    ? error
    : new GraphQLError('', { originalError: error instanceof Error ? error : new Error(String(error)) });
}

/** The way to a stream's client: the same bytes to all who get the same; who does not read for long is cut off. */
function streamOutlet({ out }: Stream): Outlet {
  return {
    send: (results) => {
      if (!out.writable) return false;
      for (const rendered of results) {
        rendered.framed ??= Buffer.concat([
          Buffer.from(`id: ${encodeCursor(rendered.seq)}\nevent: next\ndata: `),
          rendered.json,
          Buffer.from('\n\n'),
        ]);
        out.write(rendered.framed);
      }
      return !out.writableNeedDrain;
    },
    whenReady: (resume) => {
      const stalled = setTimeout(() => out.destroy(), stalledAfter);
      const stop = (): void => clearTimeout(stalled);
      out.once('close', stop);
      out.once('drain', () => {
        stop();
        out.off('close', stop);
        resume();
      });
    },
  };
}

/** Waits while the client does not read; one who does not for long is cut off. */
async function write({ out, ended }: Stream, frame: string): Promise<void> {
  if (out.write(frame) || ended.signal.aborted) return;
  const stalled = setTimeout(() => out.destroy(), stalledAfter);
  const waited = new AbortController();
  const signal = AbortSignal.any([ended.signal, waited.signal]);
  const happens = (event: string): Promise<unknown> => once(out, event, { signal }).catch(() => undefined);
  await Promise.race([happens('drain'), happens('close')]);
  clearTimeout(stalled);
  waited.abort();
}

/** Ends the stream with the token, or when the viewer was removed from a domain, and says so. */
function watchSession(stream: Stream): () => void {
  const { expiresAt, ended } = stream.session;
  const end = (message: string): void => {
    const { extensions } = refusal('UNAUTHENTICATED', message);
    if (!stream.out.writableNeedDrain) {
      stream.out.write(next({ errors: [{ message, extensions: { code: extensions.code } }] }, undefined));
    }
    void endStream(stream);
  };
  const left = Math.min(Math.max(expiresAt.getTime() - Date.now(), 0), 2_147_483_647);
  const expiry = setTimeout(() => end('Token expired'), left);
  const removed = (): void => end(String(ended.reason));
  if (ended.aborted) removed();
  else ended.addEventListener('abort', removed, { once: true });
  return () => {
    clearTimeout(expiry);
    ended.removeEventListener('abort', removed);
  };
}

/** Nothing more is read from the source; a client who does not take what waits for him is cut off. */
async function endStream({ out, ended, reply }: Stream): Promise<void> {
  ended.abort();
  out.end();
  if (reply.raw.closed) return;
  const late = setTimeout(() => reply.raw.destroy(), closingMs);
  await once(reply.raw, 'close');
  clearTimeout(late);
}

/** The subscription out of the body, or out of the URL. */
function readRequest({ method, body, query: search }: FastifyRequest): SubscriptionRequest {
  const fields = (method === 'GET' ? search : body) as Record<string, unknown> | null | undefined;
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) {
    throw refusal('BAD_REQUEST', 'Send one object with `query` and `variables`.');
  }
  const { query, documentId, operationName } = fields;
  const variables = method === 'GET' ? readVariables(fields.variables) : fields.variables;
  if (operationName != null && typeof operationName !== 'string') {
    throw refusal('BAD_REQUEST', '`operationName` must be a text.');
  }
  if (variables != null && (typeof variables !== 'object' || Array.isArray(variables))) {
    throw refusal('BAD_REQUEST', '`variables` must be an object.');
  }
  return { query, documentId, operationName, variables: variables as SubscriptionRequest['variables'] };
}

function readVariables(text: unknown): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(String(text));
  } catch {
    throw refusal('BAD_REQUEST', '`variables` must be JSON.');
  }
}

function refuse(reply: FastifyReply, errors: readonly GraphQLError[], log: Log): FastifyReply {
  const status = Math.max(...errors.map(statusOf));
  return reply.code(status).send({ errors: errors.map((error) => formatError(error, log)) });
}
