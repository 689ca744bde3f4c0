import { GraphQLError, type GraphQLResolveInfo } from 'graphql';
import { InvalidCursor, ResyncRequired, SlowSubscriber, StreamInterrupted } from '../events/errors.js';
import { BadRange } from '../events/verify.js';
import { databaseBusy } from '../governance/database-busy.js';
import { GovernanceError, type GovernanceErrorCode } from '../governance/error.js';
import { tooMuchIn } from '../governance/read/answer-size.js';
import { readMany, type Shape } from '../governance/read/select.js';
import type { RequestContext } from './context.js';
import { selectionOf } from './select.js';

const ERROR_TYPES: Record<GovernanceErrorCode, string> = {
  NOT_FOUND: 'NotFoundError',
  FORBIDDEN: 'ForbiddenError',
  CONFLICT: 'ConflictError',
  VALIDATION: 'ValidationError',
  POLICY_DENIED: 'PolicyDeniedError',
  STATE: 'StateError',
};

/** An object of a mutation's payload: the row to read anew once the action is committed. */
export interface Answered {
  field: string;
  shape: Shape;
  id: string;
}

/**
 * Carries out an action and answers its payload, read back and authorized anew in one statement, or the typed error that a
 * person caused. Anything else is a bug and is thrown.
 */
export async function answer(
  rc: RequestContext,
  info: GraphQLResolveInfo,
  action: () => Promise<Answered[]>,
): Promise<Record<string, unknown>> {
  try {
    const objects = await action();
    const payload = `${info.fieldName.charAt(0).toUpperCase()}${info.fieldName.slice(1)}Payload`;
    return { __typename: payload, ...(await readMany(rc.read, objects, selectionOf(info).on(payload))) };
  } catch (error) {
    if (!(error instanceof GovernanceError)) throw error;
    const { path = null, violations = [], state = null, policies = [] } = error.details;
    return {
      __typename: ERROR_TYPES[error.code],
      code: error.code,
      message: error.message,
      path,
      violations,
      state,
      policies,
    };
  }
}

/** Like `answer`, for an action that makes a secret: it is in the payload once, and never where the action was carried out before. */
export async function answerWithSecret<Made extends { secret: string | null; replayed: boolean }>(
  rc: RequestContext,
  info: GraphQLResolveInfo,
  { action, objects }: { action: () => Promise<Made>; objects: (made: Made) => Answered[] },
): Promise<Record<string, unknown>> {
  let made: Made | undefined;
  const answered = await answer(rc, info, async () => {
    made = await action();
    return objects(made);
  });
  return made ? { ...answered, secret: made.secret, replayed: made.replayed } : answered;
}

/** An expected failure outside of mutations, as a GraphQL error with a stable `extensions.code`; undefined for a bug. */
export function expectedError(error: unknown): GraphQLError | undefined {
  if (error instanceof GraphQLError && error.originalError) return expectedError(error.originalError);
  if (error instanceof GovernanceError) {
    const { path, state } = error.details;
    return new GraphQLError(error.message, {
      extensions: {
        code: error.code === 'VALIDATION' ? 'BAD_USER_INPUT' : error.code,
        ...(path ? { path } : {}),
        ...(state ? { state } : {}),
      },
    });
  }
  if (error instanceof SlowSubscriber || error instanceof StreamInterrupted)
    return new GraphQLError(error.message, { extensions: { code: error.code, cursor: error.cursor } });
  if (error instanceof BadRange)
    return new GraphQLError(error.message, { extensions: { code: 'BAD_USER_INPUT', path: error.end } });
  if (error instanceof InvalidCursor || error instanceof ResyncRequired)
    return new GraphQLError(error.message, { extensions: { code: error.code } });
  const busy = databaseBusy(error);
  if (busy !== undefined) return new GraphQLError(busy, { extensions: { code: 'SERVICE_UNAVAILABLE' } });
  const tooMuch = tooMuchIn(error);
  if (tooMuch !== undefined)
    return new GraphQLError(`The answer would hold more than ${tooMuch}: ask for smaller pages, or leave them out.`, {
      extensions: { code: 'QUERY_TOO_COSTLY' },
    });
  if (tookTooLong(error))
    return new GraphQLError('This takes longer than an answer may: ask for smaller pages, or for less within them.', {
      extensions: { code: 'QUERY_TOO_COSTLY' },
    });
  return undefined;
}

/** Postgres ended the statement at its time limit (PostgreSQL error codes, 57014 query_canceled). */
function tookTooLong(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === '57014';
}
