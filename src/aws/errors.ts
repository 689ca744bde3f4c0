import type { ProviderError } from '../provisioning/provider.js';

/** What AWS says, how it is treated, and what a person should know or do about it. */
interface Row {
  /** The error's name; anchored. */
  code: RegExp;
  /** Only where the message says so too. */
  message?: RegExp;
  treatment: ProviderError['treatment'];
  retryAfterMs?: number;
  advice?: string;
}

/** Error names for a quota that is used up. */
const QUOTA =
  /^(ResourceNumberLimitExceeded\w*|LimitExceeded\w*|ResourceShareLimitExceeded\w*|PolicyLengthExceededException)$/;

/** The first row that fits decides; below it, the HTTP status. Providers settle what depends on the operation before they ask here. */
const ROWS: Row[] = [
  {
    code: /^(Throttl\w*|RequestThrottled|TooManyRequestsException|RequestLimitExceeded|SlowDown|PriorRequestNotComplete)$/,
    treatment: 'RETRY',
  },
  {
    code: /^(ConcurrentModificationException|VersionMismatchException|ConditionCheckFailureException)$/,
    treatment: 'RETRY',
  },
  {
    // A crawler that runs is stopped before it is deleted.
    code: /^(CrawlerRunningException|CrawlerStoppingException|SchedulerTransitioningException)$/,
    treatment: 'RETRY',
    advice: 'It is waited for.',
  },
  {
    code: /^QueueDeletedRecently$/,
    treatment: 'RETRY',
    advice: 'AWS gives the name of a deleted queue out again after a minute.',
  },
  {
    code: /^(OperationTimeout\w*|OperationInProgressException|InternalService\w*|InternalException|InternalFailure|ServerInternalException|ServiceUnavailable\w*)$/,
    treatment: 'OBSERVE',
  },
  {
    code: /^((Entity|Resource)?AlreadyExistsException|QueueNameExists)$/,
    treatment: 'OBSERVE',
    advice: 'It is read and compared with what is wanted.',
  },
  {
    code: /^(ExpiredToken\w*|RequestExpired|UnrecognizedClientException|InvalidClientTokenId)$/,
    treatment: 'RETRY',
    advice: 'New credentials are fetched.',
  },
  {
    code: /^CredentialsProviderError$/,
    treatment: 'RETRY',
    advice: 'Check the AWS credentials that the server runs with.',
  },
  {
    code: /^InvalidInputException$/,
    message: /invalid principal|register the (s3 )?(path|location)|unable to assume (provided )?role/i,
    treatment: 'PROPAGATION',
    advice: 'Check that the account, role or user exists and that the location is registered, then retry.',
  },
  {
    code: /^(EntityNotFoundException|ResourceNotFoundException|UnknownResourceException|ResourceShareInvitationArnNotFoundException|QueueDoesNotExist)$/,
    treatment: 'PROPAGATION',
    advice: 'It may have been created a moment ago.',
  },
  {
    code: QUOTA,
    treatment: 'PERMANENT',
    advice: 'An AWS quota is used up: raise it in Service Quotas or remove what is no longer needed.',
  },
  {
    // A permission that was given a moment ago takes seconds to hold everywhere.
    code: /^(AccessDenied\w*|UnauthorizedOperation)$/,
    treatment: 'PROPAGATION',
    retryAfterMs: 3_000,
    advice: 'Check the IAM policy of the role and that it is a data lake administrator.',
  },
  {
    code: /^(OperationNotPermittedException|PermissionTypeMismatchException)$/,
    treatment: 'PERMANENT',
    advice: 'Check the IAM policy of the role and that it is a data lake administrator.',
  },
  {
    code: /^(IdempotentParameterMismatch\w*)$/,
    treatment: 'PERMANENT',
    advice: 'This is a fault of Meshgate: please report it.',
  },
  {
    code: /^(ResourceShareInvitationExpiredException|ResourceShareInvitationAlreadyRejectedException)$/,
    treatment: 'PERMANENT',
    advice: 'Revoke the access and grant it again: AWS then sends a new invitation.',
  },
  { code: /^(InvalidInput\w*|Invalid\w*|Validation\w*|Malformed\w*|SerializationException)$/, treatment: 'PERMANENT' },
];

/** Names of Node's network errors, and of the SDK's own time limit. */
const NETWORK =
  /^(TimeoutError|AbortError|ECONN\w+|EPIPE|EPROTO|EHOSTUNREACH|ENETUNREACH|ENETDOWN|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|ERR_SOCKET\w*|ERR_STREAM\w*)$/;

/** The parts of an SDK error that decide. */
interface Failure {
  name: string;
  message: string;
  status: number | undefined;
  requestId: string | null;
  network: boolean;
}

function failureOf(error: unknown): Failure {
  if (!(error instanceof Error))
    return { name: 'Error', message: String(error), status: undefined, requestId: null, network: false };
  const { $metadata, code, $response } = error as Error & {
    $metadata?: { httpStatusCode?: number; requestId?: string };
    code?: unknown;
    $response?: { statusCode?: number };
  };
  const network = NETWORK.test(error.name) || (typeof code === 'string' && NETWORK.test(code));
  return {
    name: network && typeof code === 'string' ? code : error.name,
    message: error.message,
    status: $metadata?.httpStatusCode ?? $response?.statusCode,
    requestId: $metadata?.requestId ?? null,
    network,
  };
}

/** True for whatever an AWS call answers or fails with on its way; false for our own errors, such as a lost lease. */
export function isAwsFailure(error: unknown): boolean {
  if (error instanceof PermanentFailure || error instanceof ProviderFailure || error instanceof RoleUnavailable)
    return true;
  if (!(error instanceof Error)) return false;
  return (
    '$metadata' in error ||
    '$response' in error ||
    error.name === 'CredentialsProviderError' ||
    failureOf(error).network
  );
}

/** True where AWS answered with one of these error names. */
export function isNamed(error: unknown, ...names: string[]): boolean {
  return error instanceof Error && names.includes(error.name);
}

/** True where AWS says that the object is not there. */
export function isNotFound(error: unknown): boolean {
  return isNamed(
    error,
    'EntityNotFoundException',
    'ResourceNotFoundException',
    'UnknownResourceException',
    'QueueDoesNotExist',
  );
}

/** True where AWS refused as a quota is used up. */
export function isQuotaUsedUp({ code }: Pick<ProviderError, 'code'>): boolean {
  return QUOTA.test(code);
}

/** True where a revoke met a permission that was not there: "No permissions revoked. Grantee has no permissions ...". */
export function isNothingToRevoke(error: { name?: string | undefined; message?: string | undefined }): boolean {
  return (
    error.name === 'InvalidInputException' &&
    /no permissions revoked|grantee has no permissions/i.test(error.message ?? '')
  );
}

/** A state of AWS that we must not touch, or that only a person can cure; not an answer of AWS itself. */
export class PermanentFailure extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
    this.name = code;
  }
}

/** A failure that was classified already, thrown on with its own treatment. */
export class ProviderFailure extends Error {
  constructor(readonly error: ProviderError) {
    super(error.message);
    this.name = error.code;
  }
}

/** An entry of a call that succeeded as a whole, which AWS refused; it is treated by its own code. */
export class PartialFailure extends Error {
  readonly $metadata: { httpStatusCode: number; requestId: string | undefined };
  constructor({
    code,
    message,
    requestId,
  }: { code: string | undefined; message: string | undefined; requestId: string | undefined }) {
    super(message ?? code ?? 'AWS refused an entry without a reason');
    this.name = code ?? 'UnknownError';
    // The call's own status is 200; a refused entry is what a refused request would have been.
    this.$metadata = { httpStatusCode: 400, requestId };
  }
}

/** The role registered for an account could not be assumed; its trust policy may not name our external id yet. */
export class RoleUnavailable extends Error {
  override readonly name = 'RoleUnavailable';
  constructor(
    readonly roleArn: string,
    override readonly cause: unknown,
  ) {
    super(`${roleArn} cannot be assumed: ${cause instanceof Error ? cause.message : String(cause)}`);
  }
}

/** How a failure is to be treated (AWS error names and HTTP statuses), with a sentence for people. */
export function classify(error: unknown): ProviderError {
  if (error instanceof RoleUnavailable) return classifyRole(error);
  if (error instanceof ProviderFailure) return error.error;
  if (error instanceof PermanentFailure)
    return { treatment: 'PERMANENT', code: error.code, message: error.message, awsRequestId: null };
  return classifyFailure(failureOf(error));
}

/** Classifies one entry of a batch's `Failures`, whose error has no HTTP answer of its own. */
export function classifyEntry(entry: ConstructorParameters<typeof PartialFailure>[0]): ProviderError {
  return classify(new PartialFailure(entry));
}

function classifyFailure(failure: Failure): ProviderError {
  const row = ROWS.find(({ code, message }) => code.test(failure.name) && (message?.test(failure.message) ?? true));
  const text = failure.message === '' ? failure.name : failure.message;
  return {
    treatment: failure.network ? 'OBSERVE' : (row?.treatment ?? treatmentOfStatus(failure.status)),
    code: failure.name,
    message: row?.advice ? `${text.replace(/\.?$/, '.')} ${row.advice}` : text,
    awsRequestId: failure.requestId,
    ...(row?.retryAfterMs && !failure.network ? { retryAfterMs: row.retryAfterMs } : {}),
  };
}

function treatmentOfStatus(status: number | undefined): ProviderError['treatment'] {
  if (status === 429) return 'RETRY';
  // An answer that cannot be read (a proxy's HTML, a cut body) leaves the outcome unknown, as a 5xx does.
  // An error without a status is no answer of AWS at all (a failed query, a fault on our side): it may pass.
  if (status === undefined || status >= 500 || status < 400) return 'OBSERVE';
  return 'PERMANENT';
}

/** A role that does not trust us yet is waited for: its owner needs the external id, which he gets with the registration. */
function classifyRole(error: RoleUnavailable): ProviderError {
  const inner = classify(error.cause);
  if (!/^AccessDenied/.test(inner.code)) return { ...inner, message: error.message };
  return {
    code: inner.code,
    awsRequestId: inner.awsRequestId,
    treatment: 'RETRY',
    message: `${error.message.replace(/\.?$/, '.')} Its trust policy must allow Meshgate with the external id of the registration.`,
  };
}
