import {
  CreateEventBusCommand,
  DeleteEventBusCommand,
  DeleteRuleCommand,
  DescribeEventBusCommand,
  DescribeRuleCommand,
  DisableRuleCommand,
  ListRulesCommand,
  ListTargetsByRuleCommand,
  PutEventsCommand,
  type PutEventsRequestEntry,
  PutPermissionCommand,
  PutRuleCommand,
  PutTargetsCommand,
  RemovePermissionCommand,
  RemoveTargetsCommand,
  TestEventPatternCommand,
} from '@aws-sdk/client-eventbridge';
import {
  CreateQueueCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  SetQueueAttributesCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileEventPattern } from '../../src/sandbox/events-pattern.js';
import { C, clientsOf, control, errorOf, G, P, REGION, sandboxOfTest } from './testkit.js';

const sandbox = await sandboxOfTest();
const inG = clientsOf(sandbox, G);
const inP = clientsOf(sandbox, P);
const inC = clientsOf(sandbox, C);
const role = (account: string): string => `arn:aws:iam::${account}:role/events`;
const busArn = (account: string, name: string): string => `arn:aws:events:${REGION}:${account}:event-bus/${name}`;
const queueArn = (account: string, name: string): string => `arn:aws:sqs:${REGION}:${account}:${name}`;

let unique = 0;
const fresh = (name: string): string => `${name}-${++unique}`;

async function bus({ events }: typeof inG, name = fresh('bus')): Promise<string> {
  await events.send(new CreateEventBusCommand({ Name: name }));
  return name;
}

function allow({ events }: typeof inG, name: string, account: string) {
  return events.send(
    new PutPermissionCommand({
      EventBusName: name,
      Action: 'events:PutEvents',
      Principal: account,
      StatementId: `from-${account}`,
    }),
  );
}

/** A rule that sends all events of source `shop` on the bus to the target. */
async function forward(
  { events }: typeof inG,
  busName: string,
  target: { Arn: string; RoleArn?: string; DeadLetterConfig?: { Arn: string } },
) {
  const rule = { Name: fresh('rule'), EventBusName: busName };
  await events.send(new PutRuleCommand({ ...rule, EventPattern: '{"source":["shop"]}' }));
  await events.send(
    new PutTargetsCommand({ Rule: rule.Name, EventBusName: busName, Targets: [{ Id: 'one', ...target }] }),
  );
  return rule.Name;
}

function put({ events }: typeof inG, entry: Partial<PutEventsRequestEntry>) {
  const whole = { Source: 'shop', DetailType: 'SaleRecorded', Detail: '{"amount":5}', ...entry };
  return events.send(new PutEventsCommand({ Entries: [whole] }));
}

async function openQueue(
  { sqs }: typeof inG,
  account: string,
  name = fresh('queue'),
): Promise<{ url: string; arn: string }> {
  const arn = queueArn(account, name);
  const Statement = {
    Effect: 'Allow',
    Principal: { Service: 'events.amazonaws.com' },
    Action: 'sqs:SendMessage',
    Resource: arn,
  };
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement });
  const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: name, Attributes: { Policy } }));
  return { url: QueueUrl!, arn };
}

async function received(sqs: SQSClient, url: string) {
  const { Messages = [] } = await sqs.send(
    new ReceiveMessageCommand({ QueueUrl: url, MaxNumberOfMessages: 10, MessageAttributeNames: ['All'] }),
  );
  return Messages;
}

describe('event patterns', () => {
  const event = {
    source: 'shop',
    'detail-type': 'SaleRecorded',
    account: P,
    resources: ['arn:aws:s3:::a', 'arn:aws:s3:::b'],
    detail: {
      state: 'running',
      count: 5,
      limit: 301.8,
      ip: '10.0.0.33',
      ip6: '2001:db8::1',
      flag: true,
      nothing: null,
      empty: '',
      path: 'dir/a*b.PNG',
      list: [],
      lines: [
        { sku: 'x', qty: 1 },
        { sku: 'y', qty: 2 },
      ],
    },
  };
  const detail = (condition: object): object => ({ detail: condition });
  const cases: [pattern: object, matches: boolean][] = [
    [{ source: ['shop'], 'detail-type': ['Other', 'SaleRecorded'] }, true],
    [{ source: ['shop'], 'detail-type': ['Other'] }, false],
    [{ resources: ['arn:aws:s3:::b'] }, true],
    [{ source: [{ prefix: 'sh' }] }, true],
    [{ source: [{ prefix: { 'equals-ignore-case': 'SH' } }] }, true],
    [detail({ path: [{ suffix: '.png' }] }), false],
    [detail({ path: [{ suffix: { 'equals-ignore-case': '.png' } }] }), true],
    [detail({ path: [{ wildcard: 'dir/*.PNG' }] }), true],
    [detail({ path: [{ wildcard: '*a\\*b*' }] }), true],
    [detail({ path: [{ wildcard: 'dir' }] }), false],
    [detail({ state: [{ 'equals-ignore-case': 'RUNNING' }] }), true],
    [detail({ state: [{ 'anything-but': 'running' }] }), false],
    [detail({ state: [{ 'anything-but': ['stopped', 'paused'] }] }), true],
    [detail({ state: [{ 'anything-but': { prefix: 'run' } }] }), false],
    [detail({ state: [{ 'anything-but': { suffix: ['x', 'y'] } }] }), true],
    [detail({ state: [{ 'anything-but': { wildcard: '*nn*' } }] }), false],
    [detail({ state: [{ 'anything-but': { 'equals-ignore-case': 'Running' } }] }), false],
    [detail({ absent: [{ 'anything-but': 'x' }] }), false],
    [detail({ count: [5] }), true],
    [detail({ count: ['5'] }), false],
    [detail({ count: [{ numeric: ['>', 0, '<=', 5] }] }), true],
    [detail({ count: [{ numeric: ['<', 5] }] }), false],
    [detail({ limit: [{ numeric: ['=', 3.018e2] }] }), true],
    [detail({ state: [{ numeric: ['>', 0] }] }), false],
    [detail({ ip: [{ cidr: '10.0.0.0/24' }] }), true],
    [detail({ ip: [{ cidr: '10.0.1.0/24' }] }), false],
    [detail({ ip6: [{ cidr: '2001:db8::/32' }] }), true],
    [detail({ state: [{ exists: true }] }), true],
    [detail({ absent: [{ exists: true }] }), false],
    [detail({ absent: [{ exists: false }] }), true],
    [detail({ absent: { deeper: [{ exists: false }] } }), true],
    [detail({ lines: [{ exists: true }] }), false],
    [detail({ nothing: [null] }), true],
    [detail({ absent: [null] }), false],
    [detail({ empty: [''] }), true],
    [detail({ flag: [true] }), true],
    [detail({ list: [{ exists: false }] }), true],
    [detail({ lines: { sku: ['x'], qty: [1] } }), true],
    [detail({ lines: { sku: ['x'], qty: [2] } }), false],
    [{ source: ['shop'], $or: [{ account: ['1'] }, detail({ count: [5] })] }, true],
    [{ $or: [{ account: ['1'] }, { source: ['x'] }] }, false],
    [detail({ $or: [{ count: [1] }, { state: ['running'], $or: [{ flag: [false] }, { limit: [301.8] }] }] }), true],
  ];
  test.each(cases)('%j matches: %s', (pattern, matches) => {
    expect(compileEventPattern(JSON.stringify(pattern))(event)).toBe(matches);
  });

  const invalid = [
    '[]',
    '{"source":"shop"}',
    '{"source":[]}',
    '{"detail":{}}',
    '{"a":[{"unheard-of":"x"}]}',
    '{"a":[{"wildcard":"a**"}]}',
    '{"a":[{"wildcard":"a\\\\b"}]}',
    '{"a":[{"numeric":[">"]}]}',
    '{"a":[{"numeric":["~",1]}]}',
    '{"a":[{"cidr":"10.0.0.1"}]}',
    '{"a":[{"exists":"yes"}]}',
    '{"a":[{"anything-but":[1,"x"]}]}',
    '{"a":[{"prefix":"x","suffix":"y"}]}',
    '{',
  ];
  test.each(invalid)('%s is an InvalidEventPatternException', async (EventPattern) => {
    const error = await errorOf(inG.events.send(new PutRuleCommand({ Name: 'invalid', EventPattern })));
    expect(error).toMatchObject({ name: 'InvalidEventPatternException', status: 400 });
  });

  const leaf = fc.oneof(fc.string(), fc.integer({ min: -1e6, max: 1e6 }), fc.boolean(), fc.constant(null));
  const fields = fc.dictionary(fc.stringMatching(/^[a-z]{1,3}$/), leaf, { minKeys: 1, maxKeys: 4 });

  test('a pattern made of an event’s own values matches it, and stops matching when one field changes', () => {
    fc.assert(
      fc.property(fields, fc.nat(), (values, pick) => {
        const pattern = Object.fromEntries(Object.entries(values).map(([key, value]) => [key, [value]]));
        const matches = compileEventPattern(JSON.stringify({ detail: pattern }));
        expect(matches({ detail: values })).toBe(true);
        const key = Object.keys(values)[pick % Object.keys(values).length]!;
        expect(matches({ detail: { ...values, [key]: 'something else entirely, longer than the rest' } })).toBe(false);
      }),
    );
  });

  test('anything-but is the opposite of the same value wherever the field is there', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (wanted, actual) => {
        const [equal, unequal] = [[wanted], [{ 'anything-but': wanted }]].map((a) =>
          compileEventPattern(JSON.stringify({ a })),
        );
        expect(equal!({ a: actual })).toBe(!unequal!({ a: actual }));
      }),
    );
  });

  test('TestEventPattern answers and demands a whole envelope', async () => {
    const envelope = { ...event, id: '1', time: '2026-01-01T00:00:00Z', region: REGION };
    const ask = (Event: object) =>
      inG.events.send(
        new TestEventPatternCommand({ EventPattern: '{"source":["shop"]}', Event: JSON.stringify(Event) }),
      );
    expect((await ask(envelope)).Result).toBe(true);
    expect((await ask({ ...envelope, source: 'other' })).Result).toBe(false);
    expect(await errorOf(ask({ source: 'shop' }))).toMatchObject({ name: 'ValidationException' });
  });
});

describe('buses and rules', () => {
  test('every account has a default bus, and bus names are unique', async () => {
    expect(await inC.events.send(new DescribeEventBusCommand({}))).toMatchObject({
      Name: 'default',
      Arn: busArn(C, 'default'),
    });
    const name = await bus(inG);
    expect(await errorOf(bus(inG, name))).toMatchObject({ name: 'ResourceAlreadyExistsException' });
    await bus(inP, name);
  });

  test('a bus with rules, and a rule with targets, cannot be deleted', async () => {
    const EventBusName = await bus(inG);
    const Name = await forward(inG, EventBusName, { Arn: queueArn(G, 'any') });
    expect(await errorOf(inG.events.send(new DeleteEventBusCommand({ Name: EventBusName })))).toMatchObject({
      name: 'ValidationException',
    });
    expect(await errorOf(inG.events.send(new DeleteRuleCommand({ Name, EventBusName })))).toMatchObject({
      name: 'ValidationException',
    });
    await inG.events.send(new RemoveTargetsCommand({ Rule: Name, EventBusName, Ids: ['one'] }));
    await inG.events.send(new DeleteRuleCommand({ Name, EventBusName }));
    await inG.events.send(new DeleteEventBusCommand({ Name: EventBusName }));
    expect(await errorOf(inG.events.send(new DescribeRuleCommand({ Name, EventBusName })))).toMatchObject({
      name: 'ResourceNotFoundException',
    });
  });

  test('a rule keeps its targets when it is put again, holds five at most, and needs its bus', async () => {
    const EventBusName = await bus(inG);
    const Name = await forward(inG, EventBusName, { Arn: queueArn(G, 'any') });
    await inG.events.send(
      new PutRuleCommand({ Name, EventBusName, EventPattern: '{"source":["other"]}', Description: 'changed' }),
    );
    const { Targets } = await inG.events.send(new ListTargetsByRuleCommand({ Rule: Name, EventBusName }));
    expect(Targets).toEqual([{ Id: 'one', Arn: queueArn(G, 'any') }]);
    const five = [1, 2, 3, 4, 5].map((n) => ({ Id: `n${n}`, Arn: queueArn(G, `q${n}`) }));
    const more = inG.events.send(new PutTargetsCommand({ Rule: Name, EventBusName, Targets: five }));
    expect(await errorOf(more)).toMatchObject({ name: 'LimitExceededException' });
    const homeless = inG.events.send(
      new PutRuleCommand({ Name, EventBusName: 'none', EventPattern: '{"source":["x"]}' }),
    );
    expect(await errorOf(homeless)).toMatchObject({ name: 'ResourceNotFoundException' });
    const { Rules, NextToken } = await inG.events.send(new ListRulesCommand({ EventBusName, Limit: 1 }));
    expect([Rules?.map((rule) => rule.Name), NextToken]).toEqual([[Name], undefined]);
  });

  test('a bus target needs a role in the account of the rule', async () => {
    const name = await bus(inG);
    const Arn = busArn(P, 'default');
    expect(await errorOf(forward(inG, name, { Arn }))).toMatchObject({
      message: expect.stringContaining('RoleArn is required'),
    });
    expect(await errorOf(forward(inG, name, { Arn, RoleArn: role(P) }))).toMatchObject({
      message: expect.stringContaining('cannot be assumed'),
    });
    await forward(inG, name, { Arn, RoleArn: role(G) });
  });

  test('a rule keeps to the lengths and values of its API page', async () => {
    const name = await bus(inG);
    const rule = (more: object) => {
      const EventPattern = '{"source":["shop"]}';
      return errorOf(
        inG.events.send(new PutRuleCommand({ Name: 'limits', EventBusName: name, EventPattern, ...more })),
      );
    };
    for (const more of [
      { Description: 'x'.repeat(513) },
      { EventPattern: JSON.stringify({ source: ['x'.repeat(4096)] }) },
      { RoleArn: 'x'.repeat(1601) },
      { State: 'ON' as 'ENABLED' },
    ]) {
      expect(await rule(more)).toMatchObject({ name: 'ValidationException', status: 400 });
    }
    const schedule = new PutRuleCommand({ Name: 'limits', ScheduleExpression: 'every day' });
    expect(await errorOf(inG.events.send(schedule))).toMatchObject({ name: 'ValidationException' });
  });

  test('a bus takes 300 rules, and a policy of 10,240 bytes', async () => {
    const name = await bus(inG);
    const rule = (Name: string) =>
      inG.events.send(new PutRuleCommand({ Name, EventBusName: name, EventPattern: '{"source":["shop"]}' }));
    for (let i = 0; i < 300; i += 1) await rule(`r${i}`);
    expect(await errorOf(rule('one-more'))).toMatchObject({ name: 'LimitExceededException', status: 400 });
    expect((await rule('r7')).RuleArn).toContain('r7');
    const principals = Array.from({ length: 320 }, (_, i) => `arn:aws:iam::${String(100_000_000_000 + i)}:root`);
    const statement = {
      Effect: 'Allow',
      Principal: { AWS: principals },
      Action: 'events:PutEvents',
      Resource: busArn(G, name),
    };
    const long = new PutPermissionCommand({ EventBusName: name, Policy: JSON.stringify({ Statement: [statement] }) });
    expect(await errorOf(inG.events.send(long))).toMatchObject({ name: 'PolicyLengthExceededException', status: 400 });
  });

  test('a statement takes an account or everybody, PutEvents alone, and everybody of an organization', async () => {
    const name = await bus(inG);
    const statement = { EventBusName: name, Action: 'events:PutEvents', Principal: '*', StatementId: 'org' };
    const Condition = { Type: 'StringEquals', Key: 'aws:PrincipalOrgID', Value: 'o-sandbox000' };
    await inG.events.send(new PutPermissionCommand({ ...statement, Condition }));
    expect((await put(inP, { EventBusName: busArn(G, name) })).FailedEntryCount).toBe(0);
    for (const wrong of [
      { Action: 'events:PutRule' },
      { Principal: 'arn:aws:iam::222222222222:root' },
      { StatementId: 'x'.repeat(65) },
      { Condition: { ...Condition, Key: 'aws:SourceAccount' } },
      { Condition, Principal: P },
    ]) {
      const put = inG.events.send(new PutPermissionCommand({ ...statement, ...wrong }));
      expect(await errorOf(put)).toMatchObject({ name: 'ValidationException', status: 400 });
    }
  });

  test('permissions are put by statement or as a policy, read back and removed', async () => {
    const name = await bus(inG);
    const policyOf = async () =>
      JSON.parse((await inG.events.send(new DescribeEventBusCommand({ Name: name }))).Policy ?? 'null');
    await allow(inG, name, P);
    await allow(inG, name, P);
    await allow(inG, name, C);
    expect((await policyOf()).Statement.map(({ Sid }: { Sid: string }) => Sid)).toEqual([`from-${P}`, `from-${C}`]);
    await inG.events.send(new RemovePermissionCommand({ EventBusName: name, StatementId: `from-${P}` }));
    expect((await policyOf()).Statement).toHaveLength(1);
    const twice = inG.events.send(new RemovePermissionCommand({ EventBusName: name, StatementId: `from-${P}` }));
    expect(await errorOf(twice)).toMatchObject({ name: 'ResourceNotFoundException' });
    const foreign = { Effect: 'Allow', Principal: '*', Action: 'events:PutEvents', Resource: busArn(G, 'other') };
    const wrong = new PutPermissionCommand({ EventBusName: name, Policy: JSON.stringify({ Statement: foreign }) });
    expect(await errorOf(inG.events.send(wrong))).toMatchObject({ name: 'ValidationException' });
    await inG.events.send(new RemovePermissionCommand({ EventBusName: name, RemoveAllPermissions: true }));
    expect(await policyOf()).toBeNull();
  });
});

describe('PutEvents', () => {
  test('each entry succeeds or fails for itself', async () => {
    const good = { Source: 'shop', DetailType: 't', Detail: '{}' };
    const Entries = [good, { ...good, Detail: '{' }, { ...good, Source: 'aws.ec2' }, { DetailType: 't', Detail: '{}' }];
    const answer = await inG.events.send(new PutEventsCommand({ Entries }));
    expect(answer.FailedEntryCount).toBe(3);
    expect(answer.Entries?.map(({ ErrorCode }) => ErrorCode)).toEqual([
      undefined,
      'MalformedDetail',
      'NotAuthorizedForSourceException',
      'InvalidArgument',
    ]);
    expect(answer.Entries?.[0]?.EventId).toMatch(/^[0-9a-f-]{36}$/);
  });

  test('more than ten entries or more than 1 MB is a ValidationException', async () => {
    const entry = { Source: 'shop', DetailType: 't', Detail: '{}' };
    const eleven = inG.events.send(new PutEventsCommand({ Entries: Array.from({ length: 11 }, () => entry) }));
    expect(await errorOf(eleven)).toMatchObject({ name: 'ValidationException' });
    const sized = (bytes: number): string => JSON.stringify({ x: 'y'.repeat(bytes - 8) });
    const limit = 1_048_576 - 5;
    expect(
      (await inG.events.send(new PutEventsCommand({ Entries: [{ ...entry, Detail: sized(limit) }] }))).FailedEntryCount,
    ).toBe(0);
    const large = inG.events.send(new PutEventsCommand({ Entries: [{ ...entry, Detail: sized(limit + 1) }] }));
    expect(await errorOf(large)).toMatchObject({ name: 'ValidationException' });
  });

  test('another account needs a permission on the bus, and the envelope’s account is the sender’s whatever he says', async () => {
    const name = await bus(inG);
    const { arn, url } = await openQueue(inG, G);
    await forward(inG, name, { Arn: arn });
    const entry = {
      EventBusName: busArn(G, name),
      Detail: JSON.stringify({ account: G }),
      Time: new Date('2026-01-02T03:04:05Z'),
    };
    expect((await put(inP, entry)).Entries?.[0]?.ErrorCode).toBe('AccessDeniedException');
    await allow(inG, name, P);
    expect((await put(inP, entry)).FailedEntryCount).toBe(0);
    expect((await put(inC, entry)).FailedEntryCount).toBe(1);
    const [message, ...others] = await received(inG.sqs, url);
    expect(others).toEqual([]);
    expect(JSON.parse(message!.Body!)).toMatchObject({
      account: P,
      source: 'shop',
      time: '2026-01-02T03:04:05Z',
      detail: { account: G },
    });
  });

  test('a Deny on the source holds against an Allow for the account', async () => {
    const name = await bus(inG);
    const common = { Principal: { AWS: P }, Action: 'events:PutEvents', Resource: busArn(G, name) };
    const Statement = [
      { Sid: 'in', Effect: 'Allow', ...common },
      { Sid: 'forged', Effect: 'Deny', ...common, Condition: { StringEquals: { 'events:source': ['meshgate'] } } },
    ];
    await inG.events.send(
      new PutPermissionCommand({ EventBusName: name, Policy: JSON.stringify({ Version: '2012-10-17', Statement }) }),
    );
    const EventBusName = busArn(G, name);
    expect((await put(inP, { EventBusName })).FailedEntryCount).toBe(0);
    expect((await put(inP, { EventBusName, Source: 'meshgate' })).Entries?.[0]?.ErrorCode).toBe(
      'NotAuthorizedForSourceException',
    );
  });

  test('a refusal tells whether the source, the detail type or access itself is what the policy lacks', async () => {
    const name = await bus(inG);
    const Resource = busArn(G, name);
    const Condition = { StringEquals: { 'events:source': 'shop', 'events:detail-type': 'SaleRecorded' } };
    const Statement = [{ Effect: 'Allow', Principal: { AWS: P }, Action: 'events:PutEvents', Resource, Condition }];
    const Policy = JSON.stringify({ Version: '2012-10-17', Statement });
    await inG.events.send(new PutPermissionCommand({ EventBusName: name, Policy }));
    const codeOf = async (from: typeof inG, entry: Partial<PutEventsRequestEntry>) =>
      (await put(from, { EventBusName: Resource, ...entry })).Entries?.[0]?.ErrorCode;
    expect(await codeOf(inP, {})).toBeUndefined();
    expect(await codeOf(inP, { Source: 'other' })).toBe('NotAuthorizedForSourceException');
    expect(await codeOf(inP, { DetailType: 'Other' })).toBe('NotAuthorizedForDetailTypeException');
    expect(await codeOf(inP, { Source: 'other', DetailType: 'Other' })).toBe('AccessDeniedException');
    expect(await codeOf(inC, {})).toBe('AccessDeniedException');
  });

  test('a bus that does not exist swallows the event with success, as AWS does', async () => {
    expect((await put(inG, { EventBusName: 'nowhere' })).FailedEntryCount).toBe(0);
  });
});

describe('delivery', () => {
  const deliveriesOf = (query: string) => control(sandbox, `/deliveries?${query}`);

  test('the central bus delivers to a domain’s bus where its policy lets it, and the delivery log tells', async () => {
    const [central, domain] = [await bus(inG), await bus(inP)];
    const rule = await forward(inG, central, { Arn: busArn(P, domain), RoleArn: role(G) });
    await put(inG, { EventBusName: central });
    const [denied] = (await deliveriesOf(`account=${G}&bus=${central}`)).filter(
      ({ kind }: { kind: string }) => kind === 'bus',
    );
    expect(denied).toMatchObject({
      rule,
      target: busArn(P, domain),
      status: 'FAILED',
      error: expect.stringContaining('NO_PERMISSIONS'),
    });
    await allow(inP, domain, G);
    await put(inG, { EventBusName: central });
    const [sent] = (await deliveriesOf(`account=${G}&bus=${central}&after=${denied.n}`)).filter(
      ({ kind }: { kind: string }) => kind === 'bus',
    );
    expect(sent).toMatchObject({ status: 'DELIVERED', error: null, event: { account: G, source: 'shop' } });
    const arrivals = await deliveriesOf(`account=${P}&bus=${domain}`);
    expect(arrivals).toMatchObject([
      { kind: 'arrival', rule: expect.stringContaining(rule), event: { id: sent.event.id } },
    ]);
  });

  test('what came over from another bus is not sent on to a third one', async () => {
    const [first, second, third] = [await bus(inG), await bus(inP), await bus(inP)];
    await allow(inP, second, G);
    await forward(inG, first, { Arn: busArn(P, second), RoleArn: role(G) });
    await forward(inP, second, { Arn: busArn(P, third), RoleArn: role(P) });
    await put(inG, { EventBusName: first });
    expect(await deliveriesOf(`account=${P}&bus=${third}`)).toEqual([]);
    const hop = (await deliveriesOf(`account=${P}&bus=${second}`)).find(({ kind }: { kind: string }) => kind === 'bus');
    expect(hop).toMatchObject({ status: 'FAILED', error: expect.stringContaining('THIRD_ACCOUNT_HOP_DETECTED') });
    await put(inP, { EventBusName: second });
    expect(await deliveriesOf(`account=${P}&bus=${third}`)).toHaveLength(1);
  });

  test('what a second account put is not sent on to a third account, but back to the second', async () => {
    const [central, other, own] = [await bus(inG), await bus(inC), await bus(inP)];
    await allow(inG, central, P);
    await allow(inC, other, G);
    await allow(inP, own, G);
    await forward(inG, central, { Arn: busArn(C, other), RoleArn: role(G) });
    await forward(inG, central, { Arn: busArn(P, own), RoleArn: role(G) });
    await put(inP, { EventBusName: busArn(G, central) });
    expect(await deliveriesOf(`account=${C}&bus=${other}`)).toEqual([]);
    expect(await deliveriesOf(`account=${P}&bus=${own}`)).toHaveLength(1);
  });

  test('a disabled rule does not fire', async () => {
    const name = await bus(inG);
    const { arn, url } = await openQueue(inG, G);
    const rule = await forward(inG, name, { Arn: arn });
    await inG.events.send(new DisableRuleCommand({ Name: rule, EventBusName: name }));
    await put(inG, { EventBusName: name });
    expect(await received(inG.sqs, url)).toEqual([]);
  });

  test('a queue without a policy for EventBridge gets nothing, and the dead-letter queue gets the event with the reason', async () => {
    const name = await bus(inG);
    const closed = await openQueue(inG, G);
    const dead = await openQueue(inG, G);
    await inG.sqs.send(new SetQueueAttributesCommand({ QueueUrl: closed.url, Attributes: { Policy: '' } }));
    const rule = await forward(inG, name, { Arn: closed.arn, DeadLetterConfig: { Arn: dead.arn } });
    await put(inG, { EventBusName: name });
    expect(await received(inG.sqs, closed.url)).toEqual([]);
    const [message] = await received(inG.sqs, dead.url);
    expect(JSON.parse(message!.Body!)).toMatchObject({ source: 'shop', detail: { amount: 5 } });
    expect(message!.MessageAttributes).toMatchObject({
      ERROR_CODE: { StringValue: 'NO_PERMISSIONS' },
      ERROR_MESSAGE: { StringValue: expect.stringContaining('not authorized to perform: sqs:SendMessage') },
      RETRY_ATTEMPTS: { StringValue: '0' },
      RULE_ARN: { StringValue: `arn:aws:events:${REGION}:${G}:rule/${name}/${rule}` },
      TARGET_ARN: { StringValue: closed.arn },
    });
  });
});

describe('queues', () => {
  const newQueue = async (Attributes: Record<string, string> = {}): Promise<string> =>
    (await inG.sqs.send(new CreateQueueCommand({ QueueName: fresh('queue'), Attributes }))).QueueUrl!;

  test('a message is hidden while it is in flight, comes back after the visibility timeout, and is gone once deleted', async () => {
    const QueueUrl = await newQueue({ VisibilityTimeout: '1' });
    await inG.sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'hello' }));
    const [first] = await received(inG.sqs, QueueUrl);
    expect(first?.Body).toBe('hello');
    expect(await received(inG.sqs, QueueUrl)).toEqual([]);
    const { Messages = [] } = await inG.sqs.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 3 }));
    expect(Messages[0]?.MessageId).toBe(first?.MessageId);
    await inG.sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: Messages[0]!.ReceiptHandle! }));
    const { Attributes } = await inG.sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] }));
    expect(Attributes).toMatchObject({ ApproximateNumberOfMessages: '0', ApproximateNumberOfMessagesNotVisible: '0' });
  });

  test('a long poll ends as soon as a message is there', async () => {
    const QueueUrl = await newQueue();
    const start = performance.now();
    const waiting = inG.sqs.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 10 }));
    setTimeout(() => void inG.sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'late' })), 100);
    expect((await waiting).Messages?.[0]?.Body).toBe('late');
    expect(performance.now() - start).toBeLessThan(2000);
  });

  test('messages survive a restart, and a stop does not wait for long polls', async () => {
    const QueueUrl = await newQueue();
    await inG.sqs.send(
      new SendMessageBatchCommand({
        QueueUrl,
        Entries: [
          { Id: 'a', MessageBody: '1' },
          { Id: 'b', MessageBody: '2' },
        ],
      }),
    );
    const empty = await newQueue();
    const waiting = inG.sqs.send(new ReceiveMessageCommand({ QueueUrl: empty, WaitTimeSeconds: 20 }));
    await new Promise((resolve) => setTimeout(resolve, 50));
    const start = performance.now();
    await sandbox.restart();
    expect(performance.now() - start).toBeLessThan(1000);
    expect((await waiting).Messages).toBeUndefined();
    expect((await received(inG.sqs, QueueUrl)).map(({ Body }) => Body)).toEqual(['1', '2']);
  });

  test('a receiver that hung up takes no message with it', async () => {
    const QueueUrl = await newQueue();
    const abort = new AbortController();
    const poll = inG.sqs.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 5 }), {
      abortSignal: abort.signal,
    });
    setTimeout(() => abort.abort(), 50);
    await expect(poll).rejects.toThrow();
    await new Promise((resolve) => setTimeout(resolve, 50));
    await inG.sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'kept' }));
    expect((await received(inG.sqs, QueueUrl)).map(({ Body }) => Body)).toEqual(['kept']);
  });

  test('is fair: what is of a group with most messages in flight comes after what is of others', async () => {
    const QueueUrl = await newQueue();
    const send = (MessageGroupId: string, texts: string[]) =>
      inG.sqs.send(
        new SendMessageBatchCommand({
          QueueUrl,
          Entries: texts.map((MessageBody, n) => ({ Id: String(n), MessageBody, MessageGroupId })),
        }),
      );
    for (let n = 0; n < 5; n += 1) await send('loud', Array(10).fill('loud'));
    await send('quiet', ['quiet']);
    const bodies = async () => (await received(inG.sqs, QueueUrl)).map(({ Body }) => Body);
    // Below thirty in flight no group is noisy.
    for (let n = 0; n < 3; n += 1) expect(await bodies()).not.toContain('quiet');
    expect((await bodies())[0]).toBe('quiet');
    expect(await bodies()).toHaveLength(10);
    const bad = new SendMessageCommand({ QueueUrl, MessageBody: 'x', MessageGroupId: 'two words' });
    expect(await errorOf(inG.sqs.send(bad))).toMatchObject({ name: 'InvalidParameterValue' });
  });

  test('a batch is no longer than one message may be', async () => {
    const QueueUrl = await newQueue();
    const Entries = ['a', 'b'].map((Id) => ({ Id, MessageBody: 'x'.repeat(600_000) }));
    expect(await errorOf(inG.sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries })))).toMatchObject({
      name: 'BatchRequestTooLong',
    });
  });

  test('another account is refused without a queue policy', async () => {
    const QueueUrl = await newQueue();
    const error = await errorOf(inP.sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'x' })));
    expect(error).toMatchObject({ name: 'AccessDenied', status: 403 });
  });

  test('a message received too often goes to the dead-letter queue', async () => {
    const dead = await openQueue(inG, G);
    const RedrivePolicy = JSON.stringify({ deadLetterTargetArn: dead.arn, maxReceiveCount: 1 });
    const QueueUrl = await newQueue({ VisibilityTimeout: '0', RedrivePolicy });
    await inG.sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'poison' }));
    expect(await received(inG.sqs, QueueUrl)).toHaveLength(1);
    expect(await received(inG.sqs, QueueUrl)).toHaveLength(0);
    expect((await received(inG.sqs, dead.url)).map(({ Body }) => Body)).toEqual(['poison']);
  });
});
