import { expect, test } from 'vitest';
import { attempt, createOrCompare, firstCall, inParallel } from '../../src/aws/attempt.js';
import type { Observation } from '../../src/provisioning/provider.js';

const awsError = (name: string) =>
  Object.assign(new Error(`${name} happened`), { name, $metadata: { httpStatusCode: 400 } });
const alreadyThere = async () => {
  throw awsError('AlreadyExistsException');
};
const outcomeWhere = (read: () => Promise<Observation>) => attempt(() => createOrCompare(alreadyThere, read));

test('what exists already is a conflict only where it was read and differs', async () => {
  const differing = await outcomeWhere(async () => ({
    state: 'DIFFERS',
    observed: {},
    differences: ['location is x'],
  }));
  expect(differing).toMatchObject({ error: { treatment: 'PERMANENT', code: 'Conflict' } });
  expect(await outcomeWhere(async () => ({ state: 'AGREES', observed: {} }))).toEqual({ ok: true });
});

test('a reading that is throttled after AlreadyExists is retried as a throttled call is', async () => {
  const error = {
    treatment: 'RETRY',
    code: 'ThrottlingException',
    message: 'Rate exceeded',
    awsRequestId: 'r',
  } as const;
  expect(await outcomeWhere(async () => ({ state: 'FAILED', error }))).toEqual({
    ok: false,
    error: { ...error, untouched: true },
  });
  expect(
    await outcomeWhere(async () => {
      throw awsError('ThrottlingException');
    }),
  ).toMatchObject({ error: { treatment: 'RETRY', code: 'ThrottlingException' } });
});

test('a reading that is stale or still waits after AlreadyExists is read again', async () => {
  const seen: Observation[] = [{ state: 'MISSING' }, { state: 'WAITING', observed: {}, waitingFor: 'verification' }];
  for (const observation of seen) {
    expect(await outcomeWhere(async () => observation)).toMatchObject({
      error: { treatment: 'OBSERVE', code: 'AlreadyExistsException' },
    });
  }
  expect(
    await outcomeWhere(async () => {
      throw awsError('EntityNotFoundException');
    }),
  ).toMatchObject({ error: { treatment: 'OBSERVE', code: 'AlreadyExistsException' } });
});

test('a refusal for sure of the first call says that nothing was done; what may have been done does not', async () => {
  const refusedWith = (name: string) =>
    attempt(() =>
      firstCall(async () => {
        throw awsError(name);
      }),
    );
  for (const name of [
    'AccessDeniedException',
    'ThrottlingException',
    'AlreadyExistsException',
    'ValidationException',
  ]) {
    expect(await refusedWith(name)).toMatchObject({ ok: false, error: { code: name, untouched: true } });
  }
  for (const name of ['InternalServiceException', 'TimeoutError', 'OperationTimeoutException']) {
    expect(await refusedWith(name)).not.toHaveProperty('error.untouched');
  }
});

test('where one call throws, the others under way end before it is thrown on, and no further one begins', async () => {
  const ended: number[] = [];
  const all = inParallel([0, 1, 2, 3], 2, async (n) => {
    if (n === 0) throw new Error('the lease is lost');
    await new Promise((resolve) => setTimeout(resolve, 20));
    ended.push(n);
  });
  await expect(all).rejects.toThrow('the lease is lost');
  expect(ended).toEqual([1]);
});
