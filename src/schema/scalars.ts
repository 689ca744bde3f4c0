import { GraphQLScalarType, Kind } from 'graphql';
import { GraphQLDateTime, GraphQLJSON } from 'graphql-scalars';

/** A scalar whose values are strings of one form; anything else is refused with a sentence that says the form. */
function text(name: string, description: string, form: RegExp, says: string): GraphQLScalarType<string, string> {
  const check = (value: unknown): string => {
    if (typeof value === 'string' && value.length <= 2048 && form.test(value)) return value;
    throw new TypeError(`${name}: ${says}`);
  };
  return new GraphQLScalarType({
    name,
    description,
    serialize: (value) => String(value),
    parseValue: check,
    parseLiteral: (node) => check(node.kind === Kind.STRING ? node.value : undefined),
  });
}

/** An instant, RFC 3339, in UTC. */
export const DateTime = GraphQLDateTime;

/** Any JSON value. */
export const JSONScalar = GraphQLJSON;

/** An Amazon Resource Name (AWS General Reference, ARNs). */
export const Arn = text(
  'Arn',
  'An Amazon Resource Name, for example arn:aws:iam::111122223333:role/analysts.',
  /^arn:aws[a-z-]*:[a-z0-9-]+:[a-z0-9-]*:(\d{12})?:.+$/,
  'give an ARN, for example arn:aws:iam::111122223333:role/analysts.',
);

/** A span of time (ISO 8601, durations), without years and months. */
export const Duration = text(
  'Duration',
  'A span of time as ISO 8601 writes it, of weeks, days, hours, minutes and seconds: P2D, PT36H.',
  /^P(?=.)(\d+W)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+S)?)?$/,
  'give an ISO 8601 duration of weeks, days, hours, minutes and seconds, such as P2D or PT36H.',
);

/** The 12 digits of an AWS account. */
export const AwsAccountId = text(
  'AwsAccountId',
  'The 12 digits of an AWS account, as a string.',
  /^\d{12}$/,
  'give the 12 digits of an AWS account, as a string.',
);

/** A place in the event log. */
export const EventCursor = text(
  'EventCursor',
  'An opaque place in the event log; take it from `MeshEvent.cursor` or from a page of `events`.',
  /^[A-Za-z0-9_=-]{1,200}$/,
  'give a cursor that this API handed out.',
);
