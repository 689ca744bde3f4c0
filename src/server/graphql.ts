import { createHash } from 'node:crypto';
import {
  ApolloServer,
  type ApolloServerPlugin,
  type BaseContext,
  HeaderMap,
  type HTTPGraphQLRequest,
} from '@apollo/server';
import {
  ApolloServerPluginCacheControlDisabled,
  ApolloServerPluginLandingPageDisabled,
  ApolloServerPluginSchemaReportingDisabled,
  ApolloServerPluginUsageReportingDisabled,
} from '@apollo/server/plugin/disabled';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { coercionErrors } from './document.js';
import { hasUnavailable, maskError, refusal, shortened, withoutSuggestions } from './error.js';
import { type Api } from './http.js';
import { incoming } from './incoming.js';
import { inputRule, variablesError } from './input-limits.js';
import { costOf, limits, limitsRule, parseLimits } from './limits.js';
import type { Log } from './log.js';
import { documentOf, type TrustedDocuments } from './trusted-documents.js';

/** Starts the executor of queries and mutations: parses, checks, takes the cost, runs. */
export async function startGraphql<C extends BaseContext>(
  api: Api<C>,
  { introspection, log }: { introspection: boolean; log: Log },
): Promise<ApolloServer<C>> {
  const ids = new WeakMap<object, string>();
  const apollo = new ApolloServer<C>({
    schema: api.schema,
    introspection,
    hideSchemaDetailsFromClientErrors: !introspection,
    includeStacktraceInErrorResponses: false,
    stopOnTerminationSignals: false,
    allowBatchedHttpRequests: false,
    persistedQueries: false,
    parseOptions: parseLimits,
    validationRules: [limitsRule, inputRule],
    validationOptions: { maxErrors: limits.errors },
    formatError: (formatted, error) => {
      const masked = maskError(formatted, { error, log, ids });
      return shortened(introspection ? masked : withoutSuggestions(masked));
    },
    logger: log,
    plugins: [
      admitOperation(api, introspection),
      ApolloServerPluginCacheControlDisabled(),
      ApolloServerPluginLandingPageDisabled(),
      ApolloServerPluginSchemaReportingDisabled(),
      ApolloServerPluginUsageReportingDisabled(),
    ],
  });
  await apollo.start();
  return apollo;
}

/** The cost of a page depends on variables, so it is known only once these are. A stream needs a transport of its own. */
function admitOperation<C extends BaseContext>({ charge }: Api<C>, introspection: boolean): ApolloServerPlugin<C> {
  return {
    requestDidStart: async () => ({
      didResolveOperation: async ({ schema, document, operation, request, contextValue }) => {
        if (operation?.operation === 'subscription') {
          throw refusal(
            'BAD_REQUEST',
            'Subscribe over WebSocket (graphql-ws) on this same address, or by server-sent events on /graphql/stream.',
          );
        }
        const variables = request.variables ?? {};
        const unusable = variablesError(variables);
        if (unusable) throw unusable;
        if (!operation) return;
        const nodes = costOf({ schema, document, operation, variables });
        const [uncoercible] = coercionErrors({ schema, introspection }, { operation, variables });
        if (uncoercible) throw uncoercible;
        await charge(contextValue, nodes);
      },
      willSendResponse: async ({ response: { body, http } }) => {
        if (body.kind === 'single' && hasUnavailable(body.singleResult.errors)) http.status = 503;
      },
    }),
  };
}

/** Answers one request over HTTP. */
export type Answer = (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>;

/** Answers requests over HTTP. Documents are looked up only for who has signed in. */
export function answerGraphql<C extends BaseContext>(apollo: ApolloServer<C>, api: Api<C>, log: Log): Answer {
  return async (request, reply) => {
    const asked = requestOf(request);
    const byId = request.method === 'GET' && new URLSearchParams(asked.search).has('documentId');
    // A page elsewhere could send this too, but not the token, and a cookie counts for nothing here.
    if (byId) asked.headers.set('apollo-require-preflight', '1');
    const { status, headers, body } = await apollo.executeHTTPGraphQLRequest({
      httpGraphQLRequest: asked,
      context: async () => {
        const context = await api.contextOf(incoming(request, log));
        takeDocument(asked, api.trusted);
        return context;
      },
    });
    if (body.kind !== 'complete') throw new Error('An answer in parts, which nobody can ask for.');
    reply.code(status ?? 200).headers(Object.fromEntries(headers));
    // Answers with errors begin with these.
    if (byId && reply.statusCode === 200 && body.string.startsWith('{"data"'))
      return sendCacheable(request, reply, body.string);
    return reply.send(body.string);
  };
}

function requestOf({ method, headers, body, url }: FastifyRequest): HTTPGraphQLRequest {
  const all = new HeaderMap();
  for (const [name, value] of Object.entries(headers)) if (value) all.set(name, String(value));
  return { method, headers: all, body, search: url.includes('?') ? url.slice(url.indexOf('?')) : '' };
}

/** Puts the text in the place of its id. */
function takeDocument(asked: HTTPGraphQLRequest, trusted: TrustedDocuments): void {
  if (asked.method === 'GET') {
    const { documentId, query, ...fields } = Object.fromEntries(new URLSearchParams(asked.search));
    const text = documentOf(trusted, { documentId, query });
    if (documentId !== undefined) asked.search = `?${new URLSearchParams({ ...fields, query: text ?? '' })}`;
  } else if (typeof asked.body === 'object' && asked.body !== null && !Array.isArray(asked.body)) {
    const { documentId, ...fields } = asked.body as Record<string, unknown>;
    const text = documentOf(trusted, { documentId, query: fields.query });
    if (documentId !== undefined) asked.body = { ...fields, query: text };
  }
}

/** A viewer's own client may keep the answer, and asks each time whether it still holds. */
function sendCacheable(request: FastifyRequest, reply: FastifyReply, text: string): FastifyReply {
  const etag = `"${createHash('sha256').update(text).digest('base64url').slice(0, 22)}"`;
  const vary = [reply.getHeader('vary'), 'authorization'].filter(Boolean).join(', ');
  reply.headers({ etag, vary, 'cache-control': 'private, no-cache' });
  const known = (request.headers['if-none-match'] ?? '').split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return known.includes(etag) ? reply.code(304).send() : reply.send(text);
}
