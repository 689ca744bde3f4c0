import { ApolloServer, type ApolloServerPlugin, type BaseContext } from '@apollo/server';
import {
  ApolloServerPluginCacheControlDisabled,
  ApolloServerPluginLandingPageDisabled,
  ApolloServerPluginSchemaReportingDisabled,
  ApolloServerPluginUsageReportingDisabled,
} from '@apollo/server/plugin/disabled';
import { maskError, refusal, withoutSuggestions } from './error.js';
import type { Api } from './http.js';
import { inputRule, variablesError } from './input-limits.js';
import { costOf, limits, limitsRule, parseLimits } from './limits.js';
import type { Log } from './log.js';

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
      return introspection ? masked : withoutSuggestions(masked);
    },
    logger: log,
    plugins: [
      admitOperation(api),
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
function admitOperation<C extends BaseContext>({ charge }: Api<C>): ApolloServerPlugin<C> {
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
        if (operation) await charge(contextValue, costOf({ schema, document, operation, variables }));
      },
    }),
  };
}
