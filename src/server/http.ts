import { randomUUID } from 'node:crypto';
import { ApolloServer, type ApolloServerPlugin, type BaseContext } from '@apollo/server';
import { unwrapResolverError } from '@apollo/server/errors';
import {
  ApolloServerPluginCacheControlDisabled,
  ApolloServerPluginLandingPageDisabled,
  ApolloServerPluginSchemaReportingDisabled,
  ApolloServerPluginUsageReportingDisabled,
} from '@apollo/server/plugin/disabled';
import { fastifyApolloHandler } from '@as-integrations/fastify';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest, LogController } from 'fastify';
import { type FormattedExecutionResult, GraphQLError, type GraphQLFormattedError, type GraphQLSchema } from 'graphql';
import { expectedError } from '../resolvers/result.js';
import type { Config } from './config.js';
import { isLoopbackHost } from './config-value.js';
import { buildGraphiqlPage, type GraphiqlPage, graphiqlPolicy } from './graphiql.js';
import type { Health } from './health.js';
import { costError, limits, limitsRule, parseLimits } from './limits.js';
import type { Log } from './log.js';

/** What the front knows of a request before anybody is authenticated. */
export interface IncomingRequest {
  authorization: string | undefined;
  /** The client's `x-correlation-id` or `x-request-id` where it sent a plain one, else a new uuid; answered as both. */
  correlationId: string;
  /** Where the request came from. */
  address: string | null;
  /** Writes the correlation id into each entry. */
  log: Log;
}

/** The API. `contextOf` authenticates: no document is even parsed for a stranger. */
export interface Api<C extends BaseContext> {
  schema: GraphQLSchema;
  contextOf: (request: IncomingRequest) => Promise<C>;
}

/** What the HTTP front is built from; a worker has health alone and no API. */
export interface HttpOptions<C extends BaseContext> {
  config: Pick<Config, 'host' | 'port' | 'introspection' | 'graphiql'>;
  log: Log;
  health: Health;
  api?: Api<C>;
}

/** The HTTP front; `app.server` takes the WebSocket upgrades. */
export interface Http {
  app: FastifyInstance;
  /** Listens and answers the port. */
  listen(): Promise<number>;
  /** Stops listening, lets requests under way finish. */
  close(): Promise<void>;
}

/** Path of the GraphQL API, over HTTP and WebSocket. */
export const graphqlPath = '/graphql';

const largestBody = 1_048_576;

/** Builds the front: GraphQL, GraphiQL, /healthz and /readyz. */
export async function createHttp<C extends BaseContext>({ config, log, health, api }: HttpOptions<C>): Promise<Http> {
  const app = fastify({
    bodyLimit: largestBody,
    requestTimeout: 30_000,
    keepAliveTimeout: 65_000,
    forceCloseConnections: 'idle',
    genReqId: (request) => correlationIdOf(request.headers),
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true }),
  }) as unknown as FastifyInstance;
  // JSON alone: what a form or a plain text can carry, a page elsewhere could send without being asked (CSRF).
  app.removeContentTypeParser('text/plain');
  if (isLoopbackHost(config.host)) app.addHook('onRequest', refuseForeignHost);
  app.addHook('onRequest', async (request, reply) => {
    reply.headers({ 'x-request-id': request.id, 'x-correlation-id': request.id, 'x-content-type-options': 'nosniff' });
  });
  app.addHook('onSend', async (_, reply) => {
    if (reply.statusCode === 401) reply.header('www-authenticate', 'Bearer realm="meshgate"');
  });
  app.addHook('onResponse', async (request, reply) => {
    const { method, url } = request;
    const entry = { correlationId: request.id, method, path: url.split('?')[0], status: reply.statusCode };
    log.info({ ...entry, ms: Math.round(reply.elapsedTime) }, 'request');
  });
  app.setErrorHandler((error: Error & { statusCode?: number }, request, reply) =>
    sendFailure(log, { error, request, reply }),
  );
  app.setNotFoundHandler((_, reply) => reply.code(404).send(failure('NOT_FOUND', 'There is nothing at this address.')));
  app.get('/healthz', async () => ({ status: 'ok' }));
  app.get('/readyz', async (_, reply) => {
    const readiness = await health.readiness();
    return reply.code(readiness.ready ? 200 : 503).send(readiness);
  });
  const apollo = api && (await startApollo(api, { config, log }));
  if (apollo) serveGraphql(app, { apollo, api, config, log });
  return {
    app,
    listen: async () => {
      await app.listen({ host: config.host, port: config.port });
      const address = app.server.address();
      return typeof address === 'object' && address ? address.port : config.port;
    },
    close: async () => {
      await app.close();
      await apollo?.stop();
    },
  };
}

async function startApollo<C extends BaseContext>(
  { schema }: Api<C>,
  { config, log }: Pick<HttpOptions<C>, 'config' | 'log'>,
): Promise<ApolloServer<C>> {
  const ids = new WeakMap<object, string>();
  const apollo = new ApolloServer<C>({
    schema,
    introspection: config.introspection,
    hideSchemaDetailsFromClientErrors: !config.introspection,
    includeStacktraceInErrorResponses: false,
    stopOnTerminationSignals: false,
    allowBatchedHttpRequests: false,
    persistedQueries: false,
    parseOptions: parseLimits,
    validationRules: [limitsRule],
    validationOptions: { maxErrors: limits.errors },
    formatError: (formatted, error) => maskError(formatted, { error, log, ids }),
    logger: log,
    plugins: [
      limitCost<C>(),
      refuseSubscriptions<C>(),
      ApolloServerPluginCacheControlDisabled(),
      ApolloServerPluginLandingPageDisabled(),
      ApolloServerPluginSchemaReportingDisabled(),
      ApolloServerPluginUsageReportingDisabled(),
    ],
  });
  await apollo.start();
  return apollo;
}

/** The cost of a page depends on variables, so it is known only once these are. */
function limitCost<C extends BaseContext>(): ApolloServerPlugin<C> {
  return {
    requestDidStart: async () => ({
      didResolveOperation: async ({ schema, document, operation, request }) => {
        const error = operation && costError({ schema, document, operation, variables: request.variables ?? {} });
        if (error) throw error;
      },
    }),
  };
}

/** A stream needs a socket: over a plain request it is refused before anything is opened. */
function refuseSubscriptions<C extends BaseContext>(): ApolloServerPlugin<C> {
  return {
    requestDidStart: async () => ({
      didResolveOperation: async ({ operation }) => {
        if (operation?.operation !== 'subscription') return;
        throw new GraphQLError('Subscribe over WebSocket (graphql-ws) on this same address.', {
          extensions: { code: 'BAD_REQUEST', http: { status: 400 } },
        });
      },
    }),
  };
}

/** What is not meant for a client goes into the log under an id, and the client gets the id. */
export function maskError(
  formatted: GraphQLFormattedError,
  { error, log, ids = new WeakMap() }: { error: unknown; log: Log; ids?: WeakMap<object, string> },
): GraphQLFormattedError {
  if (formatted.extensions?.code && formatted.extensions.code !== 'INTERNAL_SERVER_ERROR') return formatted;
  const cause = unwrapResolverError(error);
  const expected = expectedError(cause);
  if (expected) return { ...formatted, message: expected.message, extensions: { ...expected.extensions } };
  const key = typeof cause === 'object' && cause !== null ? cause : {};
  const id = ids.get(key) ?? randomUUID();
  if (!ids.has(key)) log.error({ err: cause, errorId: id, path: formatted.path }, 'internal error');
  ids.set(key, id);
  return {
    message: `Something went wrong on our side. Ask the operator about error ${id}.`,
    ...(formatted.path ? { path: formatted.path } : {}),
    extensions: { code: 'INTERNAL_SERVER_ERROR', errorId: id },
  };
}

interface Served<C extends BaseContext> {
  apollo: ApolloServer<C>;
  api: Api<C>;
  config: HttpOptions<C>['config'];
  log: Log;
}

function serveGraphql<C extends BaseContext>(app: FastifyInstance, { apollo, api, config, log }: Served<C>): void {
  const answer = fastifyApolloHandler(apollo, { context: (request) => api.contextOf(incoming(request, log)) });
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
      if (!wantsPage(request)) {
        reply.header('cache-control', 'no-store');
        return answer.call(app, request, reply);
      }
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
    'content-security-policy': graphiqlPolicy,
    'referrer-policy': 'no-referrer',
    'cache-control': 'no-cache',
    vary: 'accept-encoding',
    etag: page.etag,
  });
  if (request.headers['if-none-match'] === page.etag) return reply.code(304).send();
  if (!(request.headers['accept-encoding'] ?? '').toString().includes('gzip')) return reply.send(page.html);
  return reply.header('content-encoding', 'gzip').send(page.gzipped);
}

function incoming(request: FastifyRequest, log: Log): IncomingRequest {
  const correlationId = request.id;
  return {
    authorization: request.headers.authorization,
    correlationId,
    address: request.ip ?? null,
    log: log.child({ correlationId }),
  };
}

/** A plain id that the client sent, so that its log and ours tell the same story; else a new one. */
export function correlationIdOf(headers: Readonly<Record<string, string | string[] | undefined>>): string {
  const sent = headers['x-correlation-id'] ?? headers['x-request-id'];
  return typeof sent === 'string' && /^[\w.:-]{1,128}$/.test(sent) ? sent : randomUUID();
}

/** Whether the Host header names this machine: a page of another name that resolves here is refused (DNS rebinding). */
export function isLocalHostHeader(host: string | undefined): boolean {
  return host !== undefined && URL.canParse(`http://${host}`) && isLoopbackHost(new URL(`http://${host}`).hostname);
}

async function refuseForeignHost(request: FastifyRequest, reply: FastifyReply): Promise<void> {
  if (isLocalHostHeader(request.headers.host)) return;
  await reply.code(421).send(failure('MISDIRECTED', 'This server answers to the names of its own machine alone.'));
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
  return reply.code(status).send(failure('BAD_REQUEST', says[status] ?? 'The request is not well-formed JSON.'));
}

/** An answer in GraphQL's own form, so that clients read every failure alike. */
function failure(code: string, message: string): FormattedExecutionResult {
  return { errors: [{ message, extensions: { code } }] };
}
