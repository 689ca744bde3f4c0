import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import {
  type ExecutionArgs,
  GraphQLError,
  type GraphQLFormattedError,
  type GraphQLSchema,
  getOperationAST,
  parse,
  specifiedRules,
  validate,
} from 'graphql';
import { CloseCode, type Context, handleProtocols, makeServer, type SubscribePayload } from 'graphql-ws';
import { type RawData, type WebSocket, WebSocketServer } from 'ws';
import type { Config } from './config.js';
import { isLoopbackHost } from './config-value.js';
import { correlationIdOf, graphqlPath, type IncomingRequest, isLocalHostHeader, maskError } from './http.js';
import { costError, limits, limitsRule, parseLimits } from './limits.js';
import type { Log } from './log.js';

/** One authenticated socket. */
export interface SocketSession {
  expiresAt: Date;
  /** Takes one from the viewer's allowance; false where it is used up. */
  admit(): boolean;
  /** The context of one subscription; `signal` aborts when the socket closes. */
  contextOf(signal: AbortSignal): object;
  close(): void;
}

/** What the sockets are built from; `open` authenticates and throws UNAUTHENTICATED. */
export interface WebSocketOptions {
  server: Server;
  schema: GraphQLSchema;
  config: Pick<Config, 'host' | 'allowedOrigins'>;
  log: Log;
  open: (request: IncomingRequest) => Promise<SocketSession>;
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
  /** The subscriber fell behind: the reason carries the cursor to go on from. */
  resume: 4410,
  tokenExpired: CloseCode.Forbidden,
  unauthorized: CloseCode.Unauthorized,
} as const;

const largestMessage = 65_536;
const subscriptionsPerSocket = 20;
const pingEvery = 12_000;

/** What a socket carries: its request, and its session once it has authenticated. */
interface Extra {
  socket: WebSocket;
  request: IncomingRequest;
  ended: AbortController;
  session?: SocketSession;
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
    onSubscribe: (context, _, payload) => prepareSubscription(context, payload, options.schema),
    onNext: (_context, _id, _payload, _args, { errors, data }) => {
      return errors ? { data: data ?? null, errors: errors.map((error) => formatError(error, log)) } : undefined;
    },
    onError: (context, _id, _payload, errors) => {
      closeIfSlow(context.extra.socket, errors);
      return errors.map((error) => formatError(error, log));
    },
  });
  let draining = false;
  const upgrade = (request: IncomingMessage, stream: Duplex, head: Buffer): void => {
    stream.on('error', () => stream.destroy());
    const refusal = draining ? '503 Service Unavailable' : refusalOf(request, config);
    if (refusal) stream.end(`HTTP/1.1 ${refusal}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    else sockets.handleUpgrade(request, stream, head, (socket) => attach({ socket, request, protocol, log }));
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
      server.off('upgrade', upgrade);
    },
  };
}

/** A browser's page must be ours or allowed; a client without Origin is no browser and brings its own token. */
function refusalOf({ url, headers }: IncomingMessage, config: WebSocketOptions['config']): string | undefined {
  if (url?.split('?')[0] !== graphqlPath) return '404 Not Found';
  if (isLoopbackHost(config.host) && !isLocalHostHeader(headers.host)) return '421 Misdirected Request';
  const { origin, host } = headers;
  if (!origin || config.allowedOrigins.includes(origin)) return undefined;
  const own = URL.canParse(origin) && new URL(origin).host === host;
  return own ? undefined : '403 Forbidden';
}

interface Attachment {
  socket: WebSocket;
  request: IncomingMessage;
  protocol: ReturnType<typeof makeServer<Record<string, unknown>, Extra>>;
  log: Log;
}

function attach({ socket, request, protocol, log }: Attachment): void {
  const correlationId = correlationIdOf(request.headers);
  const socketLog = log.child({ correlationId });
  const extra: Extra = {
    socket,
    ended: new AbortController(),
    request: {
      authorization: request.headers.authorization,
      correlationId,
      address: request.socket.remoteAddress ?? null,
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
        socket.on('message', (data: RawData) => void take(data.toString()).catch(fail));
      },
    },
    extra,
  );
  const stopPinging = keepAlive(socket);
  socket.on('error', (error) => socketLog.info({ err: error }, 'websocket'));
  socket.once('close', (code, reason) => {
    stopPinging();
    clearTimeout(extra.expiry);
    extra.ended.abort();
    extra.session?.close();
    Promise.resolve(closed(code, reason.toString())).catch(fail);
  });
}

/** Pings keep proxies awake; a peer that misses one is gone. */
function keepAlive(socket: WebSocket): () => void {
  let answered = true;
  socket.on('pong', () => {
    answered = true;
  });
  const timer = setInterval(() => {
    if (!answered) return socket.terminate();
    answered = false;
    socket.ping();
  }, pingEvery);
  return () => clearInterval(timer);
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
    if (!session.admit()) {
      socket.close(CloseCode.Forbidden, 'Too many connections, try again later');
      return false;
    }
    const left = session.expiresAt.getTime() - Date.now();
    const expire = (): void => socket.close(closeCodes.tokenExpired, 'Token expired');
    extra.expiry = setTimeout(expire, Math.min(Math.max(left, 0), 2_147_483_647));
    return true;
  } catch (error) {
    if (error instanceof GraphQLError) socket.close(closeCodes.unauthorized, error.message.slice(0, 120));
    else throw error;
    return false;
  }
}

/** Parses and checks as HTTP does, and admits subscriptions alone. */
function prepareSubscription(
  { extra, subscriptions }: SocketContext,
  payload: SubscribePayload,
  schema: GraphQLSchema,
): ExecutionArgs | readonly GraphQLError[] {
  const { session, ended } = extra;
  if (!session) return [refused('UNAUTHENTICATED', 'The socket has no session.')];
  if (Object.keys(subscriptions).length > subscriptionsPerSocket) {
    return [refused('TOO_MANY_SUBSCRIPTIONS', `A socket carries ${subscriptionsPerSocket} subscriptions at most.`)];
  }
  if (!session.admit()) return [refused('RATE_LIMITED', 'Too many requests, try again later.')];
  let document: ReturnType<typeof parse>;
  try {
    document = parse(payload.query, parseLimits);
  } catch (error) {
    return [refused('GRAPHQL_PARSE_FAILED', (error as Error).message)];
  }
  const invalid = validate(schema, document, [...specifiedRules, limitsRule], { maxErrors: limits.errors });
  if (invalid.length > 0)
    return invalid.map(({ message, nodes }) => refused('GRAPHQL_VALIDATION_FAILED', message, nodes));
  const operation = getOperationAST(document, payload.operationName);
  if (operation?.operation !== 'subscription') {
    return [refused('BAD_REQUEST', 'Send queries and mutations over HTTP: a socket carries subscriptions alone.')];
  }
  const variables = payload.variables ?? {};
  const costly = costError({ schema, document, operation, variables });
  if (costly) return [costly];
  return {
    schema,
    document,
    operationName: payload.operationName ?? null,
    variableValues: variables,
    contextValue: session.contextOf(ended.signal),
  };
}

function refused(code: string, message: string, nodes?: GraphQLError['nodes']): GraphQLError {
  return new GraphQLError(message, { extensions: { code }, ...(nodes ? { nodes } : {}) });
}

function formatError(error: GraphQLError, log: Log): GraphQLFormattedError {
  const formatted = error.toJSON();
  if (formatted.extensions?.code) {
    const { http: _, ...extensions } = formatted.extensions;
    return { ...formatted, extensions };
  }
  return maskError(formatted, { error, log });
}

/** Nothing more reaches a subscriber who does not read, not even an error: his socket closes, with the place to go on from. */
function closeIfSlow(socket: WebSocket, errors: readonly GraphQLError[]): void {
  const slow = errors.find((error) => error.extensions.code === 'SLOW_SUBSCRIBER');
  if (slow) socket.close(closeCodes.resume, `SLOW_SUBSCRIBER ${slow.extensions.cursor ?? ''}`);
}
