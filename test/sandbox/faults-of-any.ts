import {
  CreateEventBusCommand,
  DescribeEventBusCommand,
  type EventBridgeClient,
  ListEventBusesCommand,
  ListTargetsByRuleCommand,
  PutEventsCommand,
  PutRuleCommand,
  PutTargetsCommand,
  RemoveTargetsCommand,
} from '@aws-sdk/client-eventbridge';
import {
  BatchGrantPermissionsCommand,
  BatchRevokePermissionsCommand,
  ListPermissionsCommand,
} from '@aws-sdk/client-lakeformation';
import { ListResourcesCommand } from '@aws-sdk/client-ram';
import {
  CreateQueueCommand,
  ListQueuesCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
} from '@aws-sdk/client-sqs';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { afterEach, describe, expect, test } from 'vitest';
import { type Lake, lakeOf, table, withOrders } from './lake-testkit.js';
import { assumed, C, clientsOf, errorOf, G, P, REGION } from './testkit.js';

/** Where calls go (the sandbox, or a proxy before it) and where its faults are set. */
type Endpoint = Parameters<typeof lakeOf>[0];

/** The faults of an endpoint, whatever serves it: every test sees the same with the sandbox and through a proxy. */
export function describeFaults(endpoint: Endpoint): void {
  const { events, sqs, sts } = clientsOf(endpoint);
  const lake = lakeOf(endpoint, G);
  const faults = async (method: string, body?: unknown) => {
    const response = await fetch(`${endpoint.url}/_sandbox/faults`, {
      method,
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    return response.json();
  };
  const setFault = async (fault: object): Promise<void> => {
    await faults('DELETE');
    await faults('POST', [fault]);
  };
  const describeBus = (client: EventBridgeClient = events) => client.send(new DescribeEventBusCommand({}));
  afterEach(() => faults('DELETE'));

  /** Ten calls as a text: `x` where one failed. */
  async function tenCalls(call: () => Promise<unknown> = describeBus): Promise<string> {
    let text = '';
    for (let i = 0; i < 10; i += 1)
      text += await call().then(
        () => '.',
        () => 'x',
      );
    return text;
  }

  const WORDING = [
    ['throttle', 'events', 'ThrottlingException', 400, () => describeBus()],
    ['throttle', 'sts', 'Throttling', 400, () => sts.send(new GetCallerIdentityCommand({}))],
    ['throttle', 'sqs', 'RequestThrottled', 400, () => sqs.send(new ListQueuesCommand({}))],
    [
      'throttle',
      'ram',
      'ThrottlingException',
      429,
      () => lake.ram.send(new ListResourcesCommand({ resourceOwner: 'SELF' })),
    ],
    ['internal', 'events', 'InternalException', 500, () => describeBus()],
    ['internal', 'lakeformation', 'InternalServiceException', 500, () => lake.lf.send(new ListPermissionsCommand({}))],
    [
      'internal',
      'ram',
      'ServerInternalException',
      500,
      () => lake.ram.send(new ListResourcesCommand({ resourceOwner: 'SELF' })),
    ],
    [
      'concurrent',
      'lakeformation',
      'ConcurrentModificationException',
      400,
      () => lake.lf.send(new ListPermissionsCommand({})),
    ],
    [
      'access-denied',
      'lakeformation',
      'AccessDeniedException',
      403,
      () => lake.lf.send(new ListPermissionsCommand({})),
    ],
    ['access-denied', 'sts', 'AccessDenied', 403, () => sts.send(new GetCallerIdentityCommand({}))],
  ] as const;
  test.each(WORDING)('%s of %s is %s with status %i', async (kind, service, name, status, call) => {
    await setFault({ kind, service });
    expect(await errorOf(call())).toMatchObject({ name, status });
  });

  test('timeout-applied does what was asked and hangs before it cuts the connection', async () => {
    await setFault({ kind: 'timeout-applied', service: 'events', operation: 'CreateEventBus', latencyMs: 150 });
    const start = performance.now();
    await expect(events.send(new CreateEventBusCommand({ Name: 'applied' }))).rejects.toThrow();
    expect(performance.now() - start).toBeGreaterThan(140);
    expect((await events.send(new DescribeEventBusCommand({ Name: 'applied' }))).Name).toBe('applied');
  });

  test('timeout-not-applied does nothing and cuts the connection', async () => {
    await setFault({ kind: 'timeout-not-applied', service: 'events', operation: 'CreateEventBus' });
    await expect(events.send(new CreateEventBusCommand({ Name: 'not-applied' }))).rejects.toThrow();
    const { EventBuses = [] } = await events.send(new ListEventBusesCommand({}));
    expect(EventBuses.map(({ Name }) => Name)).not.toContain('not-applied');
  });

  test('an outage resets every connection at once, of every service, until it is over', async () => {
    await setFault({ kind: 'outage' });
    const failed = await errorOf(describeBus());
    expect(failed.status).toBeUndefined();
    expect(failed.message).toMatch(/ECONNRESET|socket hang up/);
    await expect(sts.send(new GetCallerIdentityCommand({}))).rejects.toThrow();
    await faults('DELETE');
    expect((await describeBus()).Name).toBe('default');
  });

  test('latency delays the answer and changes nothing of it', async () => {
    await setFault({ kind: 'latency', service: 'events', latencyMs: 120 });
    const start = performance.now();
    expect((await describeBus()).Name).toBe('default');
    expect(performance.now() - start).toBeGreaterThan(115);
  });

  test('one seed fails the same calls every time, another seed others, and the rate is kept', async () => {
    const run = async (seed: number, rate = 0.5): Promise<string> => {
      await setFault({ kind: 'throttle', service: 'events', rate, seed });
      return `${await tenCalls()}${await tenCalls()}`;
    };
    const first = await run(11);
    expect(first).toContain('x');
    expect(first).toContain('.');
    expect(await run(11)).toBe(first);
    expect(await run(12)).not.toBe(first);
    const few = await run(11, 0.1);
    expect(few.match(/x/g)?.length ?? 0).toBeLessThan(first.match(/x/g)?.length ?? 0);
  });

  test('count ends a fault after so many failures', async () => {
    await setFault({ kind: 'throttle', service: 'events', count: 3 });
    expect(await tenCalls()).toBe('xxx.......');
  });

  test('a fault of an operation leaves the others alone, and * means all', async () => {
    const list = () => events.send(new ListEventBusesCommand({}));
    await setFault({ kind: 'throttle', service: 'eventbridge', operation: 'DescribeEventBus' });
    expect(await errorOf(describeBus())).toMatchObject({ name: 'ThrottlingException' });
    expect((await list()).EventBuses).toBeDefined();
    await setFault({ kind: 'throttle', service: '*', operation: '*' });
    expect(await errorOf(list())).toMatchObject({ name: 'ThrottlingException' });
    expect(await errorOf(sts.send(new GetCallerIdentityCommand({})))).toMatchObject({ name: 'Throttling' });
  });

  test('a fault of an account hits the roles of that account alone', async () => {
    const inP = await assumed(endpoint, `arn:aws:iam::${P}:role/faulty`);
    const inC = await assumed(endpoint, `arn:aws:iam::${C}:role/well`);
    await setFault({ kind: 'throttle', account: P });
    const identity = (credentials: typeof inP) =>
      new STSClient({ endpoint: endpoint.url, region: REGION, credentials, maxAttempts: 1 }).send(
        new GetCallerIdentityCommand({}),
      );
    expect(await errorOf(identity(inP))).toMatchObject({ name: 'Throttling' });
    expect((await identity(inC)).Account).toBe(C);
  });

  describe('partial', () => {
    const partial = (service: string, operation: string, seed = 5): Promise<void> =>
      setFault({ kind: 'partial', service, operation, rate: 0.5, seed });

    test('PutEvents fails the same entries for one seed, each at its place', async () => {
      const Entries = Array.from({ length: 10 }, () => ({ Source: 's', DetailType: 't', Detail: '{}' }));
      const run = async (): Promise<string> => {
        await partial('events', 'PutEvents');
        const answer = await events.send(new PutEventsCommand({ Entries }));
        const results = answer.Entries ?? [];
        expect(answer.FailedEntryCount).toBe(results.filter(({ ErrorCode }) => ErrorCode === 'InternalFailure').length);
        return results.map(({ EventId }) => (EventId ? '.' : 'x')).join('');
      };
      const first = await run();
      expect(first).toMatch(/^[.x]{10}$/);
      expect(first).toContain('x');
      expect(first).toContain('.');
      expect(await run()).toBe(first);
    });

    test('fails entries with the code that was asked for', async () => {
      await setFault({ kind: 'partial', operation: 'PutEvents', rate: 1, count: 1, errorCode: 'MalformedDetail' });
      const Entries = Array.from({ length: 2 }, () => ({ Source: 's', DetailType: 't', Detail: '{}' }));
      const answer = await events.send(new PutEventsCommand({ Entries }));
      expect(answer).toMatchObject({
        FailedEntryCount: 1,
        Entries: [{ ErrorCode: 'MalformedDetail' }, { EventId: expect.any(String) }],
      });
    });

    test('BatchGrantPermissions and BatchRevokePermissions fail some entries and do the others', async () => {
      await withOrders(lake);
      const Entries = Array.from({ length: 12 }, (_, i) => ({
        Id: `e${i}`,
        Principal: { DataLakePrincipalIdentifier: `arn:aws:iam::${G}:role/reader-${i}` },
        Resource: table(),
        Permissions: ['SELECT' as const],
      }));
      await partial('lakeformation', 'BatchGrantPermissions');
      const granted = await lake.lf.send(new BatchGrantPermissionsCommand({ Entries }));
      const notGranted = granted.Failures?.map(({ RequestEntry }) => RequestEntry?.Id) ?? [];
      expect(granted.Failures?.[0]?.Error?.ErrorCode).toBe('InternalServiceException');
      expect(await readers(lake)).toEqual(Entries.map(({ Id }) => Id).filter((id) => !notGranted.includes(id)));
      await partial('lakeformation', 'BatchRevokePermissions', 8);
      const held = await readers(lake);
      const revoked = await lake.lf.send(
        new BatchRevokePermissionsCommand({ Entries: Entries.filter(({ Id }) => held.includes(Id)) }),
      );
      const kept = revoked.Failures?.map(({ RequestEntry }) => RequestEntry?.Id);
      expect(kept?.length).toBeGreaterThan(0);
      expect(kept?.length).toBeLessThan(held.length);
      expect(await readers(lake)).toEqual(kept);
    });

    test('PutTargets and RemoveTargets fail some targets', async () => {
      const rule = { Rule: 'some', EventBusName: 'default' };
      await events.send(new PutRuleCommand({ Name: 'some', EventPattern: '{"source":["x"]}' }));
      const Ids = ['a', 'b', 'c', 'd', 'e'];
      const Targets = Ids.map((Id) => ({ Id, Arn: `arn:aws:sqs:${REGION}:${G}:${Id}` }));
      const standing = async () =>
        (await events.send(new ListTargetsByRuleCommand(rule))).Targets?.flatMap(({ Id = [] }) => Id) ?? [];
      await partial('events', 'PutTargets');
      const put = await events.send(new PutTargetsCommand({ ...rule, Targets }));
      const standingIds = await standing();
      const missing = put.FailedEntries?.map(({ TargetId }) => TargetId) ?? [];
      expect(missing.length).toBe(put.FailedEntryCount);
      expect(missing.length).toBeGreaterThan(0);
      expect(standingIds).toEqual(Ids.filter((id) => !missing.includes(id)));
      await setFault({ kind: 'partial', service: 'events', operation: 'RemoveTargets', rate: 1 });
      const removed = await events.send(new RemoveTargetsCommand({ ...rule, Ids: standingIds }));
      expect(removed.FailedEntryCount).toBe(5 - missing.length);
      expect(await standing()).toHaveLength(5 - missing.length);
    });

    test('SendMessageBatch fails some messages, and those alone do not arrive', async () => {
      const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: 'partial' }));
      const Entries = Array.from({ length: 8 }, (_, i) => ({ Id: `m${i}`, MessageBody: `m${i}` }));
      await partial('sqs', 'SendMessageBatch');
      const { Successful = [], Failed = [] } = await sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries }));
      expect(Failed.length).toBeGreaterThan(0);
      expect(Failed[0]).toMatchObject({ Code: 'InternalError', SenderFault: false });
      const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }));
      expect(Messages.map(({ Body }) => Body).sort()).toEqual(Successful.map(({ Id }) => Id));
    });
  });

  test('a fault that is none is refused with the reason', async () => {
    expect(await faults('POST', [{ kind: 'explode' }])).toMatchObject({
      error: expect.stringContaining('kind must be one of'),
    });
    expect(await faults('POST', [{ kind: 'throttle', account: 'all' }])).toMatchObject({
      error: expect.stringContaining('account'),
    });
    expect(await faults('POST', [{ kind: 'throttle', errorCode: 'MalformedDetail' }])).toMatchObject({
      error: expect.stringContaining('partial'),
    });
  });
}

/** The entries of the batch (by number) whose principals hold SELECT. */
async function readers({ lf }: Lake): Promise<string[]> {
  const { PrincipalResourcePermissions = [] } = await lf.send(new ListPermissionsCommand({ Resource: table() }));
  return PrincipalResourcePermissions.flatMap(({ Principal, Permissions }) => {
    const number = /reader-(\d+)$/.exec(Principal?.DataLakePrincipalIdentifier ?? '')?.[1];
    return number && Permissions?.includes('SELECT') ? [`e${number}`] : [];
  }).sort((a, b) => Number(a.slice(1)) - Number(b.slice(1)));
}
