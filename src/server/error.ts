import { randomUUID } from 'node:crypto';
import { unwrapResolverError } from '@apollo/server/errors';
import { type FormattedExecutionResult, GraphQLError, type GraphQLFormattedError } from 'graphql';
import { expectedError } from '../resolvers/result.js';
import type { Log } from './log.js';

/** What comes with a refusal besides its code and message. */
export interface RefusalOptions {
  /** HTTP status, 400 where it is not given. */
  status?: number;
  nodes?: GraphQLError['nodes'];
}

/** A request that is refused as a whole, before any resolver; `http` is for the front and never reaches a client. */
export function refusal(code: string, message: string, options: RefusalOptions = {}): GraphQLError {
  const { status = 400, nodes } = options;
  return new GraphQLError(message, { extensions: { code, http: { status } }, ...(nodes ? { nodes } : {}) });
}

/** A request without a token that holds. The reason given is one that helps an honest caller and no other. */
export function unauthenticated(message: string): GraphQLError {
  return refusal('UNAUTHENTICATED', message, { status: 401 });
}

const UNAVAILABLE = 'SERVICE_UNAVAILABLE';
const TOO_SLOW = 'The database is too slow at the moment: try again.';

/**
 * The refusal of whom the database had no connection or not the time for before anything of his was read; undefined for any other
 * failure. A statement that takes too long is the database's affair there: nobody could ask for less.
 */
export function unavailable(error: unknown): GraphQLError | undefined {
  const expected = expectedError(error) ?? error;
  if (!(expected instanceof GraphQLError)) return undefined;
  const { code } = expected.extensions;
  if (code === UNAVAILABLE) return refusal(UNAVAILABLE, expected.message, { status: 503 });
  return code === 'QUERY_TOO_COSTLY' ? refusal(UNAVAILABLE, TOO_SLOW, { status: 503 }) : undefined;
}

/** Who cannot be known for want of a connection or of time is told to come again, on each transport in its own way. */
export function unlessBusy<Asked, Found>(find: (asked: Asked) => Promise<Found>): (asked: Asked) => Promise<Found> {
  return async (asked) => {
    try {
      return await find(asked);
    } catch (error) {
      throw unavailable(error) ?? error;
    }
  };
}

/** Whether an answer has errors of which one is that. */
export function hasUnavailable(errors: readonly GraphQLFormattedError[] | undefined): boolean {
  return errors?.some(({ extensions }) => extensions?.code === UNAVAILABLE) ?? false;
}

/** An answer in GraphQL's own form, so that clients read every failure alike. */
export function failure(code: string, message: string): FormattedExecutionResult {
  return { errors: [{ message, extensions: { code } }] };
}

/** The HTTP status of an error: its own, 400 for what the client did, 500 for bugs. */
export function statusOf({ extensions: { code, http } }: GraphQLError): number {
  if (code === UNAVAILABLE) return 503;
  return http?.status ?? (code === undefined || code === 'INTERNAL_SERVER_ERROR' ? 500 : 400);
}

/** Characters of a message at most: some repeat what was sent. */
const LONGEST_MESSAGE = 1_000;

/** The error with a message that is cut where it is too long. */
export function shortened(error: GraphQLFormattedError): GraphQLFormattedError {
  if (error.message.length <= LONGEST_MESSAGE) return error;
  return { ...error, message: `${error.message.slice(0, LONGEST_MESSAGE)}…` };
}

/** An error as a client gets it over a socket or a stream. */
export function formatError(error: GraphQLError, log: Log): GraphQLFormattedError {
  const formatted = shortened(error.toJSON());
  if (!formatted.extensions?.code) return maskError(formatted, { error, log });
  const { http: _, ...extensions } = formatted.extensions;
  return { ...formatted, extensions };
}

/** What is not meant for a client goes into the log under an id, and the client gets the id. */
export function maskError(
  formatted: GraphQLFormattedError,
  { error, log, ids = new WeakMap() }: { error: unknown; log: Log; ids?: WeakMap<object, string> },
): GraphQLFormattedError {
  if (formatted.extensions?.code && formatted.extensions.code !== 'INTERNAL_SERVER_ERROR') return formatted;
  const cause = unwrapResolverError(error);
  const expected = expectedError(cause);
  // Whoever asked is told to come again; the operator, why.
  if (expected?.extensions.code === UNAVAILABLE) log.warn({ err: cause, path: formatted.path }, 'database unavailable');
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

/** The message without names that the schema has but the client did not give. */
export function withoutSuggestions(error: GraphQLFormattedError): GraphQLFormattedError {
  return { ...error, message: error.message.replace(/ Did you mean [^?]*\?/g, '') };
}
