import {
  type ExecutionArgs,
  GraphQLError,
  getOperationAST,
  getVariableValues,
  type OperationDefinitionNode,
} from 'graphql';
import { type DocumentRules, parseDocument, validationErrors } from './document.js';
import { refusal } from './error.js';
import type { IncomingRequest } from './incoming.js';
import { variablesError } from './input-limits.js';
import { costOf, limits } from './limits.js';
import { documentOf, type TrustedDocuments } from './trusted-documents.js';

/** One authenticated subscriber, over a WebSocket or a stream of server-sent events. */
export interface StreamSession {
  expiresAt: Date;
  /** Aborts when the viewer was removed from a domain or his token revoked: he signs in again, as who he is now. The reason is a text for him. */
  ended: AbortSignal;
  /** Takes one, and what an answer of so many objects counts, from the viewer's allowance; throws RATE_LIMITED. */
  admit(nodes?: number): Promise<void>;
  /** The context of one subscription; `signal` aborts when the transport closes. */
  contextOf(subscription: { signal: AbortSignal; resumeAfter?: string | undefined }): object;
  close(): void;
}

/** Authenticates; throws UNAUTHENTICATED or RATE_LIMITED. */
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
  /** The cursor to go on from, in place of what the variables say. */
  resumeAfter?: string | undefined;
}

/** Parses and checks as queries are, takes the cost from the viewer's allowance, and admits subscriptions alone. */
export async function prepareSubscription(subscribing: Subscribing): Promise<ExecutionArgs | readonly GraphQLError[]> {
  const { rules, session, request, signal, resumeAfter } = subscribing;
  const { schema } = rules;
  try {
    const text = documentOf(rules.trusted, request);
    if (text === undefined) return [refusal('BAD_REQUEST', 'Send `query`, or `documentId`, as a text.')];
    const document = parseDocument(text);
    const invalid = validationErrors(rules, document);
    if (invalid.length > 0) return invalid;
    const operation = getOperationAST(document, request.operationName);
    if (operation?.operation !== 'subscription') {
      return [refusal('BAD_REQUEST', 'Send queries and mutations to /graphql: here are subscriptions alone.')];
    }
    const variables = request.variables ?? {};
    const unusable = variablesError(variables);
    if (unusable) return [unusable];
    const nodes = costOf({ schema, document, operation, variables });
    const uncoercible = coercionErrors(rules, operation, variables);
    if (uncoercible.length > 0) return uncoercible;
    await session.admit(nodes);
    return {
      schema,
      document,
      operationName: request.operationName ?? null,
      variableValues: variables,
      contextValue: session.contextOf({ signal, resumeAfter }),
    };
  } catch (error) {
    if (error instanceof GraphQLError) return [error];
    throw error;
  }
}

function coercionErrors(
  { schema, introspection }: DocumentRules,
  operation: OperationDefinitionNode,
  variables: Record<string, unknown>,
): readonly GraphQLError[] {
  const options = { maxErrors: limits.errors, hideSuggestions: !introspection };
  const { errors = [] } = getVariableValues(schema, operation.variableDefinitions ?? [], variables, options);
  return errors.map(({ message, nodes }) => refusal('BAD_USER_INPUT', message, { nodes }));
}
