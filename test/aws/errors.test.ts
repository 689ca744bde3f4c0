import { expect, test } from 'vitest';
import { classify, classifyEntry, PermanentFailure, RoleUnavailable } from '../../src/aws/errors.js';

/** An error in the SDK's shape. */
function sdkError(name: string, options: { message?: string; status?: number; code?: string } = {}): Error {
  const { message = `${name} happened`, status = 400, code } = options;
  const $metadata = { httpStatusCode: status, requestId: 'req-1' };
  return Object.assign(new Error(message), { name, $metadata, ...(code ? { code } : {}) });
}

const treatmentOf = (error: unknown) => classify(error).treatment;

test.each([
  'Throttling',
  'ThrottlingException',
  'ThrottledException',
  'TooManyRequestsException',
  'ConcurrentModificationException',
  'ExpiredToken',
  'ExpiredTokenException',
])('%s is retried', (name) => {
  expect(treatmentOf(sdkError(name))).toBe('RETRY');
});

test.each(['InternalServiceException', 'InternalServiceError', 'OperationTimeoutException', 'ServiceUnavailable'])(
  '%s leaves the outcome unknown, so it is observed first',
  (name) => {
    expect(treatmentOf(sdkError(name, { status: 500 }))).toBe('OBSERVE');
  },
);

test.each(['AlreadyExistsException', 'ResourceAlreadyExistsException', 'EntityAlreadyExistsException'])(
  '%s is read and compared',
  (name) => {
    expect(treatmentOf(sdkError(name))).toBe('OBSERVE');
  },
);

test.each([
  ['InvalidInputException', 'Invalid principal, arn:aws:iam::333333333333:role/new'],
  ['InvalidInputException', 'Please register the S3 path first'],
  ['EntityNotFoundException', 'Table orders not found'],
  ['ResourceNotFoundException', 'Event bus does not exist'],
])('%s "%s" may be propagation: retried within bounds', (name, message) => {
  expect(treatmentOf(sdkError(name, { message }))).toBe('PROPAGATION');
});

test.each([
  'InvalidInputException',
  'ValidationException',
  'MalformedArnException',
  'PermissionTypeMismatchException',
  'IdempotentParameterMismatchException',
  'ResourceNumberLimitExceededException',
  'LimitExceededException',
  'ResourceShareLimitExceededException',
  'SomethingNewException',
])('%s fails at once', (name) => {
  expect(treatmentOf(sdkError(name))).toBe('PERMANENT');
});

test.each(['AccessDeniedException', 'AccessDenied', 'UnauthorizedOperation'])(
  '%s is tried once more after 3 s, as a permission may just have been given',
  (name) => {
    expect(classify(sdkError(name, { status: 403 }))).toMatchObject({ treatment: 'PROPAGATION', retryAfterMs: 3_000 });
  },
);

test('a used-up quota is named, with what to do about it', () => {
  const { message } = classify(sdkError('LimitExceededException', { message: 'The maximum is 100 event buses' }));
  expect(message).toMatch(/^The maximum is 100 event buses\. .*quota.*Service Quotas/);
});

test.each([
  ['a status of 500 under an unknown name', sdkError('WeirdException', { status: 500 }), 'OBSERVE'],
  ['a status of 429 under an unknown name', sdkError('WeirdException', { status: 429 }), 'RETRY'],
  [
    'an answer that cannot be read',
    Object.assign(new SyntaxError('Unexpected token <'), { $response: { statusCode: 200 } }),
    'OBSERVE',
  ],
  ['a request out of time', Object.assign(new Error('timed out'), { name: 'TimeoutError' }), 'OBSERVE'],
  ['a cut connection', Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' }), 'OBSERVE'],
  ['a refused connection', Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }), 'OBSERVE'],
  ['an error that is no answer of AWS', new Error('timeout exceeded when trying to connect'), 'OBSERVE'],
  ['a name that does not resolve', Object.assign(new Error('getaddrinfo'), { code: 'EAI_AGAIN' }), 'OBSERVE'],
] as const)('%s is told by status or code', (_, error, treatment) => {
  expect(treatmentOf(error)).toBe(treatment);
});

test('an entry that AWS refuses under an unknown name fails at once, as a refused call does', () => {
  expect(classifyEntry({ code: 'SomethingNewException', message: 'No.', requestId: 'req-2' })).toMatchObject({
    treatment: 'PERMANENT',
    awsRequestId: 'req-2',
  });
});

test('the AWS request id and the error name are kept', () => {
  expect(classify(sdkError('ThrottlingException'))).toEqual({
    treatment: 'RETRY',
    code: 'ThrottlingException',
    message: 'ThrottlingException happened',
    awsRequestId: 'req-1',
  });
});

test('a role that does not trust us yet is waited for, and its owner told of the external id', () => {
  const denied = new RoleUnavailable('arn:aws:iam::222222222222:role/mesh', sdkError('AccessDenied', { status: 403 }));
  expect(classify(denied)).not.toHaveProperty('retryAfterMs');
  expect(classify(denied)).toMatchObject({
    treatment: 'RETRY',
    code: 'AccessDenied',
    message: expect.stringMatching(/trust policy.*external id/),
  });
});

test('a state that must not be touched fails at once', () => {
  expect(classify(new PermanentFailure('Conflict', 'It is a link.'))).toEqual({
    treatment: 'PERMANENT',
    code: 'Conflict',
    message: 'It is a link.',
    awsRequestId: null,
  });
});
