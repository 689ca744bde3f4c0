import {
  type ExecutionArgs,
  type ExecutionResult,
  execute,
  type FormattedExecutionResult,
  GraphQLError,
  type GraphQLFormattedError,
} from 'graphql';
import { ReadFailed } from '../events/errors.js';
import type { Outlet, Subscription } from '../events/subscription.js';
import { coercionErrors, type DocumentRules } from './document.js';
import { formatError, refusal, unavailable } from './error.js';
import type { IncomingRequest } from './incoming.js';
import { variablesError } from './input-limits.js';
import { costOf } from './limits.js';
import type { Log } from './log.js';
import { InvalidDocument, readSubscription, resultKey } from './subscription-document.js';
import { documentOf, type TrustedDocuments } from './trusted-documents.js';

/** One authenticated subscriber, over a WebSocket or a stream of server-sent events. */
export interface StreamSession {
  expiresAt: Date;
  /** Aborts when the viewer was removed from a domain or his token revoked: he signs in again, as who he is now. The reason is a text for him. */
  ended: AbortSignal;
  /** Takes one, and what an answer of so many objects counts, from the viewer's allowance; throws RATE_LIMITED. */
  admit(nodes?: number): Promise<void>;
  /** The context of one subscription; `signal` aborts when the transport closes. */
  contextOf(subscription: Subscribed): object;
  /** May be called more than once. */
  close(): void;
}

/** One subscription as its transport and its document have it. */
export interface Subscribed {
  signal: AbortSignal;
  resumeAfter?: string | undefined;
  /** See Subscription. */
  key: string;
  outlet: Outlet;
  /** The result of one event; `personal` says whether it is made for its viewer, or for many. */
  render(event: unknown, personal: boolean): ReturnType<Subscription['render']>;
}

/** Authenticates; throws UNAUTHENTICATED, RATE_LIMITED or TOO_MANY_CONNECTIONS. */
export type OpenSession = (request: IncomingRequest) => Promise<StreamSession>;

/** What a client sends to subscribe; the document is looked up or read only when it is prepared. */
export interface SubscriptionRequest {
  query?: unknown;
  documentId?: unknown;
  operationName?: string | null | undefined;
  variables?: Record<string, unknown> | null | undefined;
}

/** What subscriptions are checked against. */
export interface SubscriptionRules extends DocumentRules {
  trusted: TrustedDocuments;
}

/** What `prepareSubscription` is given. */
export interface Subscribing {
  rules: SubscriptionRules;
  session: StreamSession;
  request: SubscriptionRequest;
  signal: AbortSignal;
  outlet: Outlet;
  log: Log;
  /** The cursor to go on from, in place of what the variables say. */
  resumeAfter?: string | undefined;
}

/** Parses and checks as queries are, takes the cost from the viewer's allowance, and admits subscriptions alone. */
export async function prepareSubscription(subscribing: Subscribing): Promise<ExecutionArgs | readonly GraphQLError[]> {
  const { rules, session, request } = subscribing;
  const { schema } = rules;
  try {
    const text = documentOf(rules.trusted, request);
    if (text === undefined) return [refusal('BAD_REQUEST', 'Send `query`, or `documentId`, as a text.')];
    const read = readSubscription(rules, { text, operationName: request.operationName });
    const { document, operation } = read;
    const variables = request.variables ?? {};
    const unusable = variablesError(variables);
    if (unusable) return [unusable];
    const nodes = costOf({ schema, document, operation, variables });
    const uncoercible = coercionErrors(rules, { operation, variables });
    if (uncoercible.length > 0) return uncoercible;
    await session.admit(nodes);
    const { operationName = null } = request;
    const args: ExecutionArgs = { schema, document, operationName, variableValues: variables };
    return { ...args, contextValue: contextOf(subscribing, args, resultKey(read, variables)) };
  } catch (error) {
    if (error instanceof InvalidDocument) return error.errors;
    if (error instanceof GraphQLError) return [error];
    throw error;
  }
}

function contextOf(
  { session, signal, resumeAfter, outlet, log }: Subscribing,
  args: ExecutionArgs,
  key: string,
): object {
  const contextValue: object = session.contextOf({
    signal,
    resumeAfter,
    key,
    outlet,
    render: async (rootValue, personal) => {
      const result = await execute({
        ...args,
        rootValue,
        contextValue: personal ? contextValue : ofMany(contextValue),
      });
      const formatted = formatResult(result, log);
      const json = Buffer.from(JSON.stringify(formatted));
      // Sent as it is it would stand for the event, which the subscriber would miss: it is made again, or he goes on from it later.
      if (personal && formatted.errors?.some(mayPass)) throw new ReadFailed(result.errors?.[0], json);
      return json;
    },
  });
  return contextValue;
}

/**
 * In place of a viewer's context where the result goes to many, who have his roles: whoever asks it for anything else has made a
 * mistake, and gets no data.
 */
function ofMany(context: object): object {
  return new Proxy(context, {
    get: (target, name) => {
      // Whoever awaits it asks for this.
      if (name === 'then') return undefined;
      if (name === 'roles') return Reflect.get(target, name);
      throw new Error(`This result is for many viewers, and ${String(name)} is of one.`);
    },
  });
}

/** What another try may mend: a failure of ours (a lost connection), no free connection, a database that is too slow at the moment. */
const MAY_PASS: readonly unknown[] = ['INTERNAL_SERVER_ERROR', 'SERVICE_UNAVAILABLE', 'QUERY_TOO_COSTLY'];
const mayPass = ({ extensions }: GraphQLFormattedError): boolean => MAY_PASS.includes(extensions?.code);

/** Why a subscription did not begin: SERVICE_UNAVAILABLE (HTTP 503) where another try may mend it. */
export function whyNotBegun({ errors }: { errors?: readonly GraphQLError[] | undefined }): GraphQLError {
  const [error = new GraphQLError('A subscription without a source.')] = errors ?? [];
  return unavailable(error) ?? error;
}

/** A result as clients get it. */
export function formatResult({ data, errors }: ExecutionResult, log: Log): FormattedExecutionResult {
  return { ...(errors ? { errors: errors.map((error) => formatError(error, log)) } : {}), data: data ?? null };
}
