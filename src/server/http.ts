import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { BaseContext } from '@apollo/server';
import cors from '@fastify/cors';
import helmet from '@fastify/helmet';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest, LogController } from 'fastify';
import { GraphQLError, type GraphQLSchema } from 'graphql';
import type { Config } from './config.js';
import { failure } from './error.js';
import { buildGraphiqlPage, type GraphiqlPage } from './graphiql.js';
import { type Answer, answerGraphql, startGraphql } from './graphql.js';
import type { Health } from './health.js';
import { correlationIdOf, type IncomingRequest } from './incoming.js';
import type { Log } from './log.js';
import type { Metrics } from './metrics.js';
import { isAllowedHost, isAllowedOrigin } from './origin.js';
import type { TrustedDocuments } from './trusted-documents.js';

/** The API. `contextOf` authenticates: no document is even parsed for a stranger. */
export interface Api<C extends BaseContext> {
  schema: GraphQLSchema;
  trusted: TrustedDocuments;
  contextOf: (request: IncomingRequest) => Promise<C>;
  /** Takes what an answer of so many objects counts from the viewer's allowance; throws RATE_LIMITED. */
  charge: (context: C, nodes: number) => Promise<void>;
}

/** What the HTTP front is built from; a worker has health alone and no API. */
export interface HttpOptions<C extends BaseContext> {
  config: Pick<Config, 'host' | 'port' | 'introspection' | 'graphiql' | 'allowedOrigins' | 'publicUrl'>;
  log: Log;
  health: Health;
  /** Of a worker, whose port is not for the world. */
  metrics?: Metrics;
  api?: Api<C>;
  /** A client who takes longer to send what he asks, or to read what he is answered, is cut off when the server closes. */
  closingMs?: number;
}

/** The HTTP front; `app.server` takes the WebSocket upgrades. */
export interface Http {
  app: FastifyInstance;
  /** Listens and answers the port. */
  listen(): Promise<number>;
  /** Stops listening, lets requests under way finish. */
  close(): Promise<void>;
}

/** Connections that wait to be accepted, as when all clients come back at once; the system may allow fewer (Linux: net.core.somaxconn). */
const knocking = 8_192;

/** Path of the GraphQL API, over HTTP and WebSocket. */
export const graphqlPath = '/graphql';

const largestBody = 1_048_576;

/** Builds the front: GraphQL, GraphiQL, /healthz, /readyz and /metrics. */
export async function createHttp<C extends BaseContext>(options: HttpOptions<C>): Promise<Http> {
  const { config, log, health, metrics, api, closingMs = 15_000 } = options;
  const app = fastify({
    bodyLimit: largestBody,
    requestTimeout: 30_000,
    keepAliveTimeout: 65_000,
    forceCloseConnections: 'idle',
    genReqId: (request) => correlationIdOf(request.headers),
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true }),
  }) as unknown as FastifyInstance;
  const finish = finishAnswers(app);
  readJson(app);
  app.setErrorHandler((error: Error & { statusCode?: number }, request, reply) =>
    sendFailure(log, { error, request, reply }),
  );
  app.setNotFoundHandler((_, reply) => reply.code(404).send(failure('NOT_FOUND', 'There is nothing at this address.')));
  await guard(app, config);
  app.addHook('onResponse', async (request, reply) => {
    const { method, url } = request;
    const entry = { correlationId: request.id, method, path: url.split('?')[0], status: reply.statusCode };
    log.info({ ...entry, ms: Math.round(reply.elapsedTime) }, 'request');
  });
  app.get('/healthz', async () => ({ status: 'ok' }));
  app.get('/readyz', async (_, reply) => {
    const readiness = await health.readiness();
    return reply.code(readiness.ready ? 200 : 503).send(readiness);
  });
  if (metrics) app.get('/metrics', async (_, reply) => reply.type(metrics.contentType).send(await metrics.read()));
  const apollo = api && (await startGraphql(api, { introspection: config.introspection, log }));
  if (api && apollo) {
    serveGraphql(app, { answer: answerGraphql(apollo, api, log), config });
  }
  return {
    app,
    listen: async () => {
      await app.listen({ host: config.host, port: config.port, backlog: knocking });
      const address = app.server.address();
      return typeof address === 'object' && address ? address.port : config.port;
    },
    close: async () => {
      const late = setTimeout(() => app.server.closeAllConnections(), closingMs);
      await finish();
      await app.close();
      clearTimeout(late);
      await apollo?.stop();
    },
  };
}

/**
 * The end of a server, told to answer nothing new: resolves once what was under way is answered and read to its end, which Node's own
 * close cuts off. A connection ends with its answer, as its next request would be waited for.
 */
function finishAnswers(app: FastifyInstance): () => Promise<void> {
  const answering = new Set<ServerResponse>();
  let closing = false;
  app.addHook('onRequest', async (_, reply) => {
    if (closing) return reply.code(503).send(failure('UNAVAILABLE', 'This server is stopping: connect again.'));
    answering.add(reply.raw);
    reply.raw.once('close', () => answering.delete(reply.raw));
    return undefined;
  });
  app.addHook('onSend', async (_, reply) => {
    if (closing) reply.header('connection', 'close');
  });
  return async () => {
    closing = true;
    await Promise.all([...answering].map((answer) => once(answer, 'close')));
  };
}

/** JSON in UTF-8 alone: what a form or a plain text can carry, a page elsewhere could send without being asked (CSRF). */
function readJson(app: FastifyInstance): void {
  const utf8 = new TextDecoder('utf-8', { fatal: true });
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    let text: string;
    try {
      text = utf8.decode(body as Buffer);
    } catch {
      return done(Object.assign(new Error('The body is not UTF-8.'), { statusCode: 400 }));
    }
    return parse(request, text, done);
  });
}

/** Who may ask by his page's origin and by our name, and what every answer says of itself. */
async function guard(app: FastifyInstance, config: HttpOptions<never>['config']): Promise<void> {
  app.addHook('onRequest', async (request, reply) => {
    reply.headers({ 'x-request-id': request.id, 'x-correlation-id': request.id, 'cache-control': 'no-store' });
    if (!isUtf8(request.url)) return reply.code(400).send(failure('BAD_REQUEST', 'The URL is not well-formed UTF-8.'));
    if (!isAllowedHost(request.headers, config)) {
      return reply.code(421).send(failure('MISDIRECTED', 'This server answers to the names of its own machine alone.'));
    }
    if (request.method !== 'OPTIONS' && !isAllowedOrigin(request.headers, config)) {
      const message =
        'Pages of this origin may not use the API. The operator allows them with MESHGATE_ALLOWED_ORIGINS.';
      return reply.code(403).send(failure('FORBIDDEN_ORIGIN', message));
    }
    return undefined;
  });
  app.addHook('onSend', async (_, reply) => {
    if (reply.statusCode === 401) reply.header('www-authenticate', 'Bearer realm="meshgate"');
    // Allowances grow by the second, and connections come free.
    if (reply.statusCode === 429 || reply.statusCode === 503) reply.header('retry-after', '1');
  });
  await app.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"], baseUri: ["'none'"], formAction: ["'none'"] },
    },
    strictTransportSecurity: config.publicUrl?.startsWith('https:') ? { maxAge: 31_536_000 } : false,
    referrerPolicy: { policy: 'no-referrer' },
    frameguard: { action: 'deny' },
  });
  await app.register(cors, {
    origin: config.allowedOrigins.length > 0 ? config.allowedOrigins : false,
    methods: ['GET', 'POST'],
    allowedHeaders: corsHeaders.sent,
    exposedHeaders: corsHeaders.answered,
    credentials: false,
    maxAge: 600,
  });
}

function isUtf8(url: string): boolean {
  try {
    return decodeURIComponent(url) !== '';
  } catch {
    return false;
  }
}

const corsHeaders = {
  sent: [
    'authorization',
    'content-type',
    'if-none-match',
    'last-event-id',
    'x-correlation-id',
    'x-request-id',
    'apollo-require-preflight',
  ],
  answered: ['etag', 'retry-after', 'x-correlation-id', 'x-request-id'],
};

interface Served {
  answer: Answer;
  config: HttpOptions<never>['config'];
}

function serveGraphql(app: FastifyInstance, { answer, config }: Served): void {
  let page: Promise<GraphiqlPage> | undefined;
  if (config.graphiql) {
    app.get('/', async (request, reply) =>
      wantsPage(request) ? reply.redirect(graphqlPath, 302) : reply.callNotFound(),
    );
  }
  app.route({
    method: ['GET', 'POST'],
    url: graphqlPath,
    handler: async (request, reply) => {
      if (!wantsPage(request)) return answer(request, reply);
      if (!config.graphiql) return reply.code(404).send(failure('NOT_FOUND', 'GraphiQL is switched off here.'));
      page ??= buildGraphiqlPage(graphqlPath);
      return sendPage(await page, request, reply);
    },
  });
}

/** A browser that was sent to the address; programs ask for JSON. */
function wantsPage({ method, headers }: FastifyRequest): boolean {
  return method === 'GET' && (headers.accept ?? '').includes('text/html');
}

function sendPage(page: GraphiqlPage, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  reply.headers({
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': page.policy,
    'cache-control': 'no-cache',
    vary: 'accept-encoding',
    etag: page.etag,
  });
  if (request.headers['if-none-match'] === page.etag) return reply.code(304).send();
  if (!(request.headers['accept-encoding'] ?? '').toString().includes('gzip')) return reply.send(page.html);
  return reply.header('content-encoding', 'gzip').send(page.gzipped);
}

function sendFailure(
  log: Log,
  { error, request, reply }: { error: Error & { statusCode?: number }; request: FastifyRequest; reply: FastifyReply },
): FastifyReply {
  const status = error instanceof GraphQLError ? 400 : (error.statusCode ?? 500);
  if (status >= 500) {
    const errorId = randomUUID();
    log.error({ err: error, errorId, correlationId: request.id }, 'internal error');
    return reply
      .code(500)
      .send(
        failure('INTERNAL_SERVER_ERROR', `Something went wrong on our side. Ask the operator about error ${errorId}.`),
      );
  }
  const says: Record<number, string> = {
    413: `The body is larger than ${largestBody} bytes.`,
    415: 'Send the request as application/json.',
  };
  return reply
    .code(status)
    .send(failure('BAD_REQUEST', says[status] ?? 'The request is not well-formed JSON in UTF-8.'));
}
