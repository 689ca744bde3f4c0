import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { type ExecutionArgs, GraphQLError, type GraphQLFormattedError } from 'graphql';
import { CloseCode, type Context, handleProtocols, makeServer, type SubscribePayload } from 'graphql-ws';
import { type RawData, type WebSocket, WebSocketServer } from 'ws';
import { formatError, refusal } from './error.js';
import { type Heartbeat, startHeartbeat } from './heartbeat.js';
import { graphqlPath } from './http.js';
import { correlationIdOf, type IncomingRequest } from './incoming.js';
import type { Log } from './log.js';
import { isAllowedHost, isAllowedOrigin, type OriginConfig } from './origin.js';
import {
  type OpenSession,
  prepareSubscription,
  type StreamSession,
  type SubscriptionRules,
  whyNotBegun,
} from './subscription.js';
import { type Connection, openConnection, webSocketOutlet } from './websocket-outlet.js';

/** What the sockets are built from. */
export interface WebSocketOptions {
  server: Server;
  rules: SubscriptionRules;
  config: OriginConfig;
  log: Log;
  open: OpenSession;
}

/** The WebSocket front. */
export interface WebSockets {
  /** Open sockets. */
  readonly size: number;
  /** Takes no more sockets and closes those that are open with 1012, on which clients connect again, to another process. */
  drain(graceMs?: number): Promise<void>;
}

/** Closes that are ours; clients of graphql-ws connect again after each of them but 4401. */
export const closeCodes = {
  serviceRestart: 1012,
  /** The subscriber fell behind, or what he is to get could not be read: the reason carries the cursor to go on from. */
  resume: 4410,
  /** The token expired or was revoked, or the viewer was removed from a domain. */
  signInAgain: CloseCode.Forbidden,
  unauthorized: CloseCode.Unauthorized,
  /**
   * Not now (RFC 6455 registry: Try Again Later): nobody can say whether the token holds or who its holder is, what a subscription
   * begins with cannot be read, or the viewer or his address has too much already. The reason begins with the error's code.
   */
  tryAgain: 1013,
} as const;

const largestMessage = 65_536;
const subscriptionsPerSocket = 20;
/** Characters of a subscription's id, which every message repeats. */
const longestId = 128;
const pingEvery = 12_000;
/** Bytes that may wait for a peer who sends without reading what he is answered. */
const mostUnread = 4_194_304;
const notText = 1003;
const closingMs = 3_000;

/** What a socket carries: its request, and its session once it has authenticated. */
interface Extra {
  socket: WebSocket;
  connection: Connection;
  request: IncomingRequest;
  ended: AbortController;
  session?: StreamSession;
  expiry?: NodeJS.Timeout;
}
type SocketContext = Context<Record<string, unknown>, Extra>;

/** Serves subscriptions over graphql-transport-ws on the API's own path, under the rules that hold for HTTP. */
export function serveWebSockets(options: WebSocketOptions): WebSockets {
  const { server, config, log } = options;
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: largestMessage,
    perMessageDeflate: false,
    handleProtocols,
  });
  const protocol = makeServer<Record<string, unknown>, Extra>({
    connectionInitWaitTimeout: 5_000,
    onConnect: (context) => authenticateSocket(context, options),
    onSubscribe: (context, id, payload) => subscribe(context, { id, payload, options }),
    onNext: (_context, _id, _payload, _args, { errors, data }) => {
      return errors ? { data: data ?? null, errors: errors.map((error) => formatError(error, log)) } : undefined;
    },
    onOperation: async (_context, _id, _payload, _args, result) => {
      const opened = await result;
      return Symbol.asyncIterator in opened ? undefined : endingWith(whyNotBegun(opened));
    },
    onError: (context, _id, _payload, errors) => {
      const told = errors.map((error) => formatError(unwrapped(error), log));
      closeToResume(context.extra.socket, told);
      return told;
    },
  });
  const heartbeat = startHeartbeat(pingEvery);
  let draining = false;
  const upgrade = (request: IncomingMessage, stream: Duplex, head: Buffer): void => {
    stream.on('error', () => stream.destroy());
    const refusal = draining ? '503 Service Unavailable\r\nRetry-After: 1' : refusalOf(request, config);
    if (refusal) stream.end(`HTTP/1.1 ${refusal}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    else
      sockets.handleUpgrade(request, stream, head, (socket) =>
        attach({ socket, stream, request, protocol, heartbeat, log }),
      );
  };
  server.on('upgrade', upgrade);
  return {
    get size() {
      return sockets.clients.size;
    },
    drain: async (graceMs = 3_000) => {
      draining = true;
      for (const socket of sockets.clients) socket.close(closeCodes.serviceRestart, 'Service restart');
      const timer = setTimeout(() => {
        for (const socket of sockets.clients) socket.terminate();
      }, graceMs);
      await new Promise<void>((done) => sockets.close(() => done()));
      clearTimeout(timer);
      heartbeat.stop();
      server.off('upgrade', upgrade);
    },
  };
}

function refusalOf({ url, headers }: IncomingMessage, config: OriginConfig): string | undefined {
  if (url?.split('?')[0] !== graphqlPath) return '404 Not Found';
  if (!isAllowedHost(headers, config)) return '421 Misdirected Request';
  return isAllowedOrigin(headers, config) ? undefined : '403 Forbidden';
}

interface Attachment {
  socket: WebSocket;
  stream: Duplex;
  request: IncomingMessage;
  protocol: ReturnType<typeof makeServer<Record<string, unknown>, Extra>>;
  heartbeat: Heartbeat;
  log: Log;
}

function attach({ socket, stream, request, protocol, heartbeat, log }: Attachment): void {
  const correlationId = correlationIdOf(request.headers);
  const socketLog = log.child({ correlationId });
  const extra: Extra = {
    socket,
    connection: openConnection(socket, stream),
    ended: new AbortController(),
    request: {
      authorization: request.headers.authorization,
      correlationId,
      peer: request.socket.remoteAddress ?? null,
      forwardedFor: request.headers['x-forwarded-for']?.toString(),
      log: socketLog,
    },
  };
  const fail = (error: unknown): void => {
    socketLog.error({ err: error }, 'websocket');
    socket.close(CloseCode.InternalServerError, 'Internal server error');
  };
  const closed = protocol.opened(
    {
      protocol: socket.protocol,
      send: (data) =>
        new Promise((done, failed) => {
          if (socket.readyState !== socket.OPEN) return done();
          socket.send(data, (error) => (error ? failed(error) : done()));
        }),
      close: (code, reason) => socket.close(code, reason),
      onMessage: (take) => {
        socket.on('message', (data: RawData, isBinary) => {
          if (isBinary) return socket.close(notText, 'Send text');
          if (socket.bufferedAmount > mostUnread) return socket.terminate();
          take(data.toString()).catch(fail);
        });
      },
    },
    extra,
  );
  heartbeat.watch(socket);
  socket.on('error', (error) => socketLog.info({ err: error }, 'websocket'));
  socket.once('close', (code, reason) => {
    clearTimeout(extra.expiry);
    extra.ended.abort();
    extra.session?.close();
    Promise.resolve(closed(code, reason.toString())).catch(fail);
  });
}

/** Takes the token from the first message, as browsers can send no header, or else from the header. */
async function authenticateSocket(
  { extra, connectionParams }: SocketContext,
  { open }: WebSocketOptions,
): Promise<boolean> {
  const { socket } = extra;
  const sent = connectionParams?.authorization ?? connectionParams?.Authorization;
  try {
    const session = await open({
      ...extra.request,
      authorization: typeof sent === 'string' ? sent : extra.request.authorization,
    });
    extra.session = session;
    if (socket.readyState !== socket.OPEN) session.close();
    await session.admit();
    // One who has gone meanwhile must not be waited for until his token ends.
    if (socket.readyState === socket.OPEN) endWithSession(extra, session);
    return true;
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error;
    if (mayPassLater.has(error.extensions.code)) closeForNow(socket, error);
    else socket.close(closeCodes.unauthorized, error.message.slice(0, 120));
    return false;
  }
}

const UNAVAILABLE = 'SERVICE_UNAVAILABLE';
/** Why a socket is refused though its token may be good. */
const mayPassLater: ReadonlySet<unknown> = new Set([
  'RATE_LIMITED',
  'TOO_MANY_CONNECTIONS',
  'ISSUER_UNAVAILABLE',
  UNAVAILABLE,
]);

function closeForNow(
  socket: WebSocket,
  { message, extensions }: Pick<GraphQLFormattedError, 'message' | 'extensions'>,
): void {
  socket.close(closeCodes.tryAgain, `${extensions?.code}: ${message}`.slice(0, 120));
}

function endWithSession(extra: Extra, { expiresAt, ended }: StreamSession): void {
  const end = (reason: string): void => endSocket(extra.socket, reason);
  const left = Math.min(Math.max(expiresAt.getTime() - Date.now(), 0), 2_147_483_647);
  extra.expiry = setTimeout(() => end('Token expired'), left);
  const removed = (): void => end(String(ended.reason));
  if (ended.aborted) removed();
  else ended.addEventListener('abort', removed, { once: true });
}

/** A peer who does not answer the close is cut off, so that nobody stays longer than he may. */
function endSocket(socket: WebSocket, reason: string): void {
  socket.close(closeCodes.signInAgain, reason);
  const timer = setTimeout(() => socket.terminate(), closingMs);
  socket.once('close', () => clearTimeout(timer));
}

/** What a client sent to subscribe. */
interface Subscribe {
  id: string;
  payload: SubscribePayload;
  options: WebSocketOptions;
}

/** Checks as HTTP does; a socket carries so many subscriptions. */
async function subscribe(
  { extra, subscriptions }: SocketContext,
  { id, payload: request, options: { rules, log } }: Subscribe,
): Promise<ExecutionArgs | readonly GraphQLError[]> {
  const { session, ended, connection } = extra;
  if (!session) return [refusal('UNAUTHENTICATED', 'The socket has no session.')];
  if (Object.keys(subscriptions).length > subscriptionsPerSocket) {
    return [refusal('TOO_MANY_SUBSCRIPTIONS', `A socket carries ${subscriptionsPerSocket} subscriptions at most.`)];
  }
  if (id.length > longestId)
    return [refusal('BAD_REQUEST', `The id of a subscription has ${longestId} characters at most.`)];
  const outlet = webSocketOutlet(connection, id);
  return prepareSubscription({ rules, session, request, signal: ended.signal, outlet, log });
}

/**
 * What keeps a subscription from beginning ends it as what breaks it off: by `error`. graphql-ws would send it as a result and
 * `complete`, which says that there is no more.
 */
function endingWith(error: GraphQLError): AsyncIterable<never> {
  return { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(error) }) };
}

/** The error as it was thrown, with its place: graphql-ws puts another around it. */
function unwrapped(error: GraphQLError): GraphQLError {
  return error.originalError instanceof GraphQLError ? error.originalError : error;
}

/**
 * An `error` would end the subscription for good: where it can go on, the socket closes, with the place to go on from where that is
 * known, and nothing more is sent.
 */
function closeToResume(socket: WebSocket, errors: readonly GraphQLFormattedError[]): void {
  for (const error of errors) {
    const { code, cursor } = error.extensions ?? {};
    if (code === UNAVAILABLE) closeForNow(socket, error);
    if (code === 'SLOW_SUBSCRIBER' || code === 'STREAM_INTERRUPTED') {
      socket.close(closeCodes.resume, `${code} ${cursor ?? ''}`);
    }
  }
}
