/**
 * What a service of the sandbox is: a map from operation name to a function of (call, world). The HTTP front decodes the
 * wire protocol, finds the caller from his credentials, runs faults, logs the call, and encodes answer or error.
 */

/** One AWS call after decoding: who calls (account and IAM role or user ARN, never an assumed-role ARN), where, and what. */
export interface Call {
  account: string;
  region: string;
  /** IAM ARN of the caller: arn:aws:iam::ACCOUNT:role/NAME or :user/NAME or :root. */
  principal: string;
  /** RoleSessionName where credentials came from AssumeRole. */
  session: string | undefined;
  service: string;
  operation: string;
  // biome-ignore lint/suspicious/noExplicitAny: parameters are the operation's wire input, each operation checks its own
  parameters: Record<string, any>;
  /** Set where a service calls on behalf of a resource (an EventBridge rule): aws:SourceArn in resource policies. */
  sourceArn?: string;
  /** An administrator at his console, who gives himself what he lacks on his own account's objects: a drift. */
  outOfBand?: boolean;
  /** True once the caller has hung up: an operation that waits must not hand out anything then. */
  isGone?: () => boolean;
}

/** An error as AWS would answer it: `code` is the shape name (for example EntityNotFoundException), `status` the HTTP status. */
export class AwsError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly status = 400,
    readonly fields: Record<string, unknown> = {},
  ) {
    super(message);
  }
}

/** A durable map: every put and delete is journalled before the answer goes out. Values are plain JSON; get returns a copy. */
export interface Table<T> {
  get(key: string): T | undefined;
  put(key: string, value: T): void;
  delete(key: string): boolean;
  entries(): Iterable<[string, T]>;
  values(): Iterable<T>;
  /** The values without a copy, for looking through many: they are frozen. */
  shared(): Iterable<T>;
}

/** Everything that the services share: durable tables, the clock, the known accounts and the organization's settings. */
export interface World {
  table<T>(name: string): Table<T>;
  now(): Date;
  id(): string;
  knowsAccount(account: string): boolean;
  organization: { ramSharing: boolean };
  /** Calls another service in the sandbox as that principal would, without the call log (EventBridge to SQS for instance). */
  invoke(call: Call): Promise<unknown>;
}

/** An operation answers the wire output (plain JSON with Date for timestamps) or throws AwsError. */
export type Operation = (call: Call, world: World) => unknown | Promise<unknown>;
export type Service = Record<string, Operation>;
