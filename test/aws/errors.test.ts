import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { createAws } from '../../src/aws/clients.js';
import { classify, classifyEntry, PermanentFailure, RoleUnavailable } from '../../src/aws/errors.js';
import type { Kind, SpecOf } from '../../src/provisioning/kinds.js';
import type { Observation, Outcome, Provider } from '../../src/provisioning/provider.js';
import { governanceCredentials } from '../../src/sandbox/sts.js';
import { type Answerer, type Reply, startAnswerer } from './answerer.js';
import * as mesh from './mesh.js';
import { awsOver, C, G, itemOf, laneTo, REGION } from './testkit.js';

/** Every row of the error table as the SDK tells it: each answer goes over the wire, and each call is made once. */

const answerer: Answerer = await startAnswerer();
afterAll(() => answerer.close());
beforeEach(() => void answerer.asked.splice(0));

const asked = (operation: string) => answerer.asked.filter((one) => one.operation === operation);

async function opened(account = G, requestTimeoutMs = 2_000) {
  const aws = awsOver(answerer, { requestTimeoutMs });
  return { aws, session: await aws.open(laneTo(account)) };
}

interface On<K extends Kind> {
  kind: K;
  account?: string;
  spec: SpecOf<K>;
  observation?: Exclude<Observation, { state: 'AGREES' | 'FAILED' }>;
  requestTimeoutMs?: number;
}

async function outcomeOf<K extends Kind>(action: 'apply' | 'remove', on: On<K>): Promise<Outcome> {
  const { kind, account = G, spec, observation = { state: 'MISSING' as const }, requestTimeoutMs } = on;
  const { aws, session } = await opened(account, requestTimeoutMs);
  const provider = aws.providers[kind] as unknown as Provider<typeof session, K>;
  const item = itemOf(kind, account, spec);
  const outcomes =
    action === 'apply' ? provider.apply(session, [{ item, observation }]) : provider.remove(session, [item]);
  return (await outcomes)[0]!;
}

const bus = { kind: 'EventBus', spec: { name: 'orders' } } as const;
const grant: On<'LfGrant'> = {
  kind: 'LfGrant',
  spec: { principal: mesh.analyst, resource: mesh.orders, permissions: { SELECT: 'ALL_COLUMNS' }, grantable: {} },
};
const failures = (error: string, message: string): Reply => ({
  json: {
    Failures: [
      { RequestEntry: { Id: itemOf('LfGrant', G, grant.spec).id }, Error: { ErrorCode: error, ErrorMessage: message } },
    ],
  },
});
const held: Reply = {
  json: {
    PrincipalResourcePermissions: [
      {
        Principal: { DataLakePrincipalIdentifier: mesh.analyst },
        Resource: { Table: { CatalogId: G, DatabaseName: 'sales_nrac', Name: 'orders' } },
        Permissions: ['SELECT'],
        LastUpdated: 1_700_000_000,
      },
    ],
  },
};
const nothing: Reply = { json: { PrincipalResourcePermissions: [] } };

describe('an answer to a call as a whole', () => {
  const ROWS: [error: string, status: number, treatment: string][] = [
    ['Throttling', 400, 'RETRY'],
    ['ThrottlingException', 400, 'RETRY'],
    ['ThrottledException', 429, 'RETRY'],
    ['TooManyRequestsException', 429, 'RETRY'],
    ['RequestLimitExceeded', 503, 'RETRY'],
    ['RequestThrottled', 403, 'RETRY'],
    ['QueueDeletedRecently', 400, 'RETRY'],
    ['SomethingBusyException', 429, 'RETRY'],
    ['ConcurrentModificationException', 400, 'RETRY'],
    ['InternalServiceException', 500, 'OBSERVE'],
    ['InternalException', 500, 'OBSERVE'],
    ['OperationTimeoutException', 400, 'OBSERVE'],
    ['ServiceUnavailableException', 503, 'OBSERVE'],
    ['SomethingBrokenException', 502, 'OBSERVE'],
    ['EntityNotFoundException', 400, 'PROPAGATION'],
    ['ResourceNotFoundException', 400, 'PROPAGATION'],
    ['AccessDeniedException', 400, 'PROPAGATION'],
    ['InvalidInputException', 400, 'PERMANENT'],
    ['ValidationException', 400, 'PERMANENT'],
    ['MalformedDetail', 400, 'PERMANENT'],
    ['ResourceNumberLimitExceededException', 400, 'PERMANENT'],
    ['LimitExceededException', 400, 'PERMANENT'],
    ['ResourceShareLimitExceededException', 400, 'PERMANENT'],
    ['IdempotentParameterMismatchException', 400, 'PERMANENT'],
    ['SomethingNewException', 400, 'PERMANENT'],
    ['ExpiredTokenException', 400, 'RETRY'],
    ['CrawlerRunningException', 400, 'RETRY'],
  ];
  test.each(ROWS)('%s (%i) is treated as %s, after one request', async (error, status, treatment) => {
    answerer.script('CreateEventBus', { error, status });
    expect(await outcomeOf('apply', bus)).toMatchObject({
      ok: false,
      error: { code: error, treatment, awsRequestId: 'req-1' },
    });
    expect(asked('CreateEventBus')).toHaveLength(1);
  });

  test('that a permission is lacking is tried once more, 3 s later', async () => {
    answerer.script('CreateEventBus', { error: 'AccessDeniedException' });
    expect(await outcomeOf('apply', bus)).toMatchObject({ error: { treatment: 'PROPAGATION', retryAfterMs: 3_000 } });
  });

  test('that a quota is used up names it, and says what to do', async () => {
    answerer.script('CreateEventBus', { error: 'LimitExceededException', message: 'The maximum is 100 event buses' });
    const outcome = await outcomeOf('apply', bus);
    expect(outcome).toMatchObject({
      error: {
        message: expect.stringMatching(
          /^The maximum is 100 event buses\. .*Service Quotas.*By default: Event buses per account \(100\)\.$/,
        ),
      },
    });
  });

  test('that two requests of one token differ says that it is our fault', async () => {
    answerer.script('CreateEventBus', { error: 'IdempotentParameterMismatchException' });
    expect(await outcomeOf('apply', bus)).toMatchObject({
      error: { message: expect.stringMatching(/fault of Meshgate/) },
    });
  });

  test.each([
    'Invalid principal, arn:aws:iam::333333333333:role/new',
    'Please register the S3 path first',
    'Service is unable to assume provided role arn:aws:iam::1:role/x. Please verify role’s TrustPolicy',
  ])('InvalidInputException "%s" may pass, so it is tried again within bounds', async (message) => {
    answerer.script('CreateEventBus', { error: 'InvalidInputException', message });
    expect(await outcomeOf('apply', bus)).toMatchObject({ error: { treatment: 'PROPAGATION' } });
  });
});

describe('no answer of AWS', () => {
  const ROWS: [what: string, reply: Reply, code: RegExp][] = [
    ['a connection that is cut', 'CUT', /^ECONNRESET$/],
    ['a request out of time', 'HANG', /^(TimeoutError|ETIMEDOUT)$/],
    ['a page of a proxy', { text: '<html>Bad gateway</html>', status: 502 }, /./],
    ['an answer that cannot be read', { text: '{"half', status: 200 }, /./],
  ];
  test.each(ROWS)('%s leaves the outcome unknown, after one request', async (_, reply, code) => {
    answerer.script('CreateEventBus', reply);
    const outcome = await outcomeOf('apply', { ...bus, requestTimeoutMs: 200 });
    expect(outcome).toMatchObject({ ok: false, error: { treatment: 'OBSERVE', code: expect.stringMatching(code) } });
    expect(asked('CreateEventBus')).toHaveLength(1);
  });

  test.each([
    ['nobody listens', 'http://127.0.0.1:1', 'ECONNREFUSED'],
    ['the name does not resolve', 'http://nowhere.invalid', /^(ENOTFOUND|EAI_AGAIN)$/],
  ])('%s: the outcome counts as unknown', async (_, endpoint, code) => {
    const aws = createAws({
      governanceAccount: G,
      region: REGION,
      endpoint,
      baseCredentials: governanceCredentials(G),
      requestTimeoutMs: 2_000,
      log: { debug: () => {}, info: () => {}, warn: () => {} },
    });
    const error = await aws.open(laneTo(G)).catch((thrown: unknown) => aws.classify(thrown));
    expect(error).toMatchObject({ treatment: 'OBSERVE', code: expect.stringMatching(code) });
  });
});

describe('what exists already', () => {
  const link = { kind: 'TableLink', account: C, spec: mesh.ordersLink } as const;
  const { database: DatabaseName, table: Name, catalogId: CatalogId } = mesh.ordersLink.target;
  const existing = { error: 'AlreadyExistsException', message: 'Table already exists.' };

  test('is success where it is what is wanted', async () => {
    answerer.script('CreateTable', existing);
    answerer.script('GetTable', {
      json: { Table: { Name: mesh.ordersLink.name, TargetTable: { CatalogId, DatabaseName, Name } } },
    });
    expect(await outcomeOf('apply', link)).toEqual({ ok: true });
  });

  test('is a conflict that nobody tries again where it is not', async () => {
    answerer.script('CreateTable', existing);
    answerer.script('GetTable', {
      json: { Table: { Name: mesh.ordersLink.name, TargetTable: { CatalogId, DatabaseName, Name: 'other' } } },
    });
    expect(await outcomeOf('apply', link)).toMatchObject({ error: { treatment: 'PERMANENT', code: 'Conflict' } });
  });

  test('is looked at again where it cannot be seen yet', async () => {
    answerer.script('CreateTable', existing);
    answerer.script('GetTable', { error: 'EntityNotFoundException' });
    expect(await outcomeOf('apply', link)).toMatchObject({
      error: { treatment: 'OBSERVE', code: 'AlreadyExistsException' },
    });
  });
});

describe('what is gone already', () => {
  test('is removed with success', async () => {
    answerer.script('DeleteDataCellsFilter', { error: 'EntityNotFoundException' });
    const spec = {
      database: 'sales_nrac',
      table: 'orders',
      name: 'eu',
      columns: 'ALL_COLUMNS',
      rowFilter: null,
    } as const;
    expect(await outcomeOf('remove', { kind: 'DataFilter', spec })).toEqual({ ok: true });
  });

  test.each([
    ['InvalidInputException', 'No permissions revoked. Grantee has no permissions on the resource.'],
    ['InvalidInputException', 'Grantee has no permissions and no grantable permissions on resource'],
    ['EntityNotFoundException', 'Table orders not found'],
  ])('%s "%s" is the success of a revoke', async (error, message) => {
    answerer.script('ListPermissions', held);
    answerer.script('BatchRevokePermissions', failures(error, message));
    expect(await outcomeOf('remove', grant)).toEqual({ ok: true });
  });

  test('on a grant is waited for within bounds, as the object may just have been made', async () => {
    answerer.script('ListPermissions', nothing);
    answerer.script('BatchGrantPermissions', failures('EntityNotFoundException', 'Table orders not found'));
    expect(await outcomeOf('apply', grant)).toMatchObject({ error: { treatment: 'PROPAGATION' } });
  });

  test.each([
    ['AccessDeniedException', 'Insufficient Lake Formation permission(s)', 'PROPAGATION'],
    ['ConcurrentModificationException', 'Another writer was first', 'RETRY'],
    ['InvalidInputException', 'Permissions modification is invalid.', 'PERMANENT'],
  ])('%s on a revoke is none', async (error, message, treatment) => {
    answerer.script('ListPermissions', held);
    answerer.script('BatchRevokePermissions', failures(error, message));
    expect(await outcomeOf('remove', grant)).toMatchObject({ ok: false, error: { treatment } });
  });
});

describe('what is under way already', () => {
  test('an invitation that was accepted meanwhile is success', async () => {
    answerer.script('acceptresourceshareinvitation', { error: 'ResourceShareInvitationAlreadyAcceptedException' });
    const observed = { pendingInvitations: ['arn:aws:ram:us-east-1:111111111111:resource-share-invitation/1'] };
    const observation = { state: 'WAITING' as const, observed, waitingFor: 'it' };
    const spec = { resource: mesh.orders, principal: mesh.analyst };
    expect(await outcomeOf('apply', { kind: 'ShareAcceptance', account: C, spec, observation })).toEqual({ ok: true });
    expect(asked('acceptresourceshareinvitation')).toHaveLength(1);
  });

  test('a crawler that runs is attached to', async () => {
    answerer.script('StartCrawler', { error: 'CrawlerRunningException' });
    const observation = {
      state: 'WAITING' as const,
      observed: { run: '1' },
      waitingFor: 'it',
      actionable: true as const,
    };
    const { database, table } = mesh.linkResource;
    const roleArn = `arn:aws:iam::${C}:role/crawler`;
    const spec = { name: 'crawl', run: '1', roleArn, link: { database, table }, target: mesh.ordersLink.target };
    expect(await outcomeOf('apply', { kind: 'CrawlerRun', account: C, spec, observation })).toEqual({ ok: true });
  });
});

describe('credentials that expired', () => {
  test.each(['ExpiredTokenException', 'UnrecognizedClientException'])(
    '%s: new ones are fetched and the call is tried once more',
    async (error) => {
      answerer.script('CreateEventBus', { error }, { json: {} });
      expect(await outcomeOf('apply', { ...bus, account: C })).toEqual({ ok: true });
      const keys = asked('CreateEventBus').map(({ accessKey }) => accessKey);
      expect(new Set(keys).size).toBe(2);
      expect(asked('AssumeRole')).toHaveLength(2);
    },
  );

  test('are not fetched a third time', async () => {
    answerer.script('CreateEventBus', { error: 'ExpiredTokenException' });
    expect(await outcomeOf('apply', { ...bus, account: C })).toMatchObject({
      ok: false,
      error: { treatment: 'RETRY' },
    });
    expect(asked('CreateEventBus')).toHaveLength(2);
  });
});

describe('what does not come over the wire', () => {
  test('an entry that AWS refuses under an unknown name fails at once, as a refused call does', () => {
    expect(classifyEntry({ code: 'SomethingNewException', message: 'No.', requestId: 'req-2' })).toMatchObject({
      treatment: 'PERMANENT',
      awsRequestId: 'req-2',
    });
  });

  test('a role that does not trust us yet is waited for, and its owner told of the external id', () => {
    const denied = new RoleUnavailable(
      'arn:aws:iam::222222222222:role/mesh',
      Object.assign(new Error('Not authorized'), { name: 'AccessDenied', $metadata: { httpStatusCode: 403 } }),
    );
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
});
