import { spawn } from 'node:child_process';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CreateEventBusCommand,
  DescribeEventBusCommand,
  EventBridgeClient,
  ListEventBusesCommand,
} from '@aws-sdk/client-eventbridge';
import { GetQueueUrlCommand } from '@aws-sdk/client-sqs';
import { AssumeRoleCommand, GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { afterEach, describe, expect, test } from 'vitest';
import { openLineLog } from '../../src/sandbox/line-log.js';
import { openState } from '../../src/sandbox/state.js';
import { assumed, C, clientOf, clientsOf, control, errorOf, G, P, REGION, sandboxOfTest } from './testkit.js';

const sandbox = await sandboxOfTest();
const { events, sqs, sts } = clientsOf(sandbox);

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'sandbox-'));
  folders.push(path);
  return path;
}
const folders: string[] = [];
afterEach(() => {
  for (const path of folders.splice(0)) rmSync(path, { recursive: true, force: true });
});

describe('identity', () => {
  test('the base key of an account is role/meshgate of that account', async () => {
    expect(await sts.send(new GetCallerIdentityCommand({}))).toMatchObject({
      Account: G,
      Arn: `arn:aws:iam::${G}:role/meshgate`,
    });
  });

  test('assumed credentials act in the account of the role, and the log shows role and session', async () => {
    const credentials = await assumed(sandbox, `arn:aws:iam::${P}:role/meshgate/domain`, 'lane-7');
    const there = new STSClient({ endpoint: sandbox.url, region: REGION, credentials });
    const identity = await there.send(new GetCallerIdentityCommand({}));
    expect(identity).toMatchObject({ Account: P, Arn: `arn:aws:sts::${P}:assumed-role/domain/lane-7` });
    const calls = await control(sandbox, '/calls');
    expect(calls.at(-1)).toMatchObject({
      account: P,
      principal: `arn:aws:iam::${P}:role/meshgate/domain`,
      session: 'lane-7',
      service: 'sts',
      operation: 'GetCallerIdentity',
      status: 200,
      error: null,
    });
  });

  test('the call log shows parameters, but no credentials', async () => {
    const input = {
      RoleArn: `arn:aws:iam::${P}:role/a`,
      RoleSessionName: 'run',
      ExternalId: 'mesh-1',
      TokenCode: '987654',
    };
    await sts.send(new AssumeRoleCommand(input));
    const { parameters } = (await control(sandbox, '/calls')).at(-1);
    expect(parameters).toEqual({ ...input, TokenCode: '***' });
  });

  test('a role of an unknown account or a malformed role is AccessDenied with status 403', async () => {
    for (const RoleArn of ['arn:aws:iam::999999999999:role/meshgate', `arn:aws:iam::${P}:user/meshgate`]) {
      const error = await errorOf(sts.send(new AssumeRoleCommand({ RoleArn, RoleSessionName: 'run' })));
      expect(error).toMatchObject({ name: 'AccessDenied', status: 403 });
    }
  });

  test('role chaining is limited to one hour', async () => {
    const credentials = await assumed(sandbox, `arn:aws:iam::${P}:role/a`);
    const chained = new STSClient({ endpoint: sandbox.url, region: REGION, credentials });
    const input = { RoleArn: `arn:aws:iam::${P}:role/b`, RoleSessionName: 'run' };
    expect(await errorOf(chained.send(new AssumeRoleCommand({ ...input, DurationSeconds: 7200 })))).toMatchObject({
      name: 'ValidationError',
    });
    expect((await sts.send(new AssumeRoleCommand({ ...input, DurationSeconds: 7200 }))).Credentials).toBeDefined();
  });

  test('an unknown key and a wrong token are refused by the name each protocol gives it', async () => {
    const unknown = { accessKeyId: 'AKIA999999999999MESH', secretAccessKey: 'x' };
    const config = { endpoint: sandbox.url, region: REGION, maxAttempts: 1 };
    const wrongToken = { ...(await assumed(sandbox, `arn:aws:iam::${P}:role/a`)), sessionToken: 'other' };
    for (const credentials of [unknown, wrongToken]) {
      const error = await errorOf(
        new EventBridgeClient({ ...config, credentials }).send(new ListEventBusesCommand({})),
      );
      expect(error).toMatchObject({ name: 'UnrecognizedClientException', status: 400 });
      expect(
        await errorOf(new STSClient({ ...config, credentials }).send(new GetCallerIdentityCommand({}))),
      ).toMatchObject({
        name: 'InvalidClientTokenId',
        status: 403,
      });
    }
  });

  test('an expired key is told apart from an unknown one', async () => {
    const credentials = await assumed(sandbox, `arn:aws:iam::${P}:role/short`);
    await sandbox.close();
    const journal = join(sandbox.dataDir, 'state.jsonl');
    const line = readFileSync(journal, 'utf8')
      .split('\n')
      .find((text) => text.includes(credentials.accessKeyId))!;
    const entry = JSON.parse(line);
    appendFileSync(journal, `${JSON.stringify({ ...entry, v: { ...entry.v, expiresAt: Date.now() - 1000 } })}\n`);
    await sandbox.restart();
    const client = new EventBridgeClient({ endpoint: sandbox.url, region: REGION, credentials, maxAttempts: 1 });
    expect(await errorOf(client.send(new ListEventBusesCommand({})))).toMatchObject({
      name: 'ExpiredTokenException',
      status: 400,
    });
  });
});

describe('wire', () => {
  test('errors arrive with their name and status in awsJson1.1 and awsJson1.0', async () => {
    expect(await errorOf(events.send(new DescribeEventBusCommand({ Name: 'none' })))).toMatchObject({
      name: 'ResourceNotFoundException',
      status: 400,
      message: 'Event bus none does not exist.',
    });
    expect(await errorOf(sqs.send(new GetQueueUrlCommand({ QueueName: 'none' })))).toMatchObject({
      name: 'QueueDoesNotExist',
      status: 400,
    });
  });

  test('an operation that the sandbox has not is UnknownOperationException, and a call without credentials is refused', async () => {
    const authorization = `AWS4-HMAC-SHA256 Credential=AKIA${G}MESH/20260101/${REGION}/events/aws4_request`;
    const ask = (headers: Record<string, string>, body = '{}') => fetch(sandbox.url, { method: 'POST', headers, body });
    const unknown = await ask({ authorization, 'x-amz-target': 'AWSEvents.Nothing' });
    expect([unknown.status, unknown.headers.get('x-amzn-errortype')]).toEqual([400, 'UnknownOperationException']);
    const malformed = await ask({ authorization, 'x-amz-target': 'AWSEvents.ListRules' }, '{');
    expect([malformed.status, malformed.headers.get('x-amzn-errortype')]).toEqual([400, 'SerializationException']);
    expect((await ask({})).status).toBe(403);
  });

  test('a foreign Host or Origin is refused', async () => {
    const port = sandbox.port;
    const status = await new Promise((resolve, reject) => {
      const headers = { host: 'evil.example' };
      request({ port, host: '127.0.0.1', path: '/_sandbox/calls', headers }, (response) => resolve(response.statusCode))
        .on('error', reject)
        .end();
    });
    expect(status).toBe(403);
    const foreign = await fetch(`${sandbox.url}/_sandbox/calls`, { headers: { origin: 'https://evil.example' } });
    expect(foreign.status).toBe(403);
  });
});

describe('durability', () => {
  test('state, keys, faults and the numbers of the call log go on after a restart', async () => {
    const credentials = await assumed(sandbox, `arn:aws:iam::${C}:role/kept`);
    await events.send(new CreateEventBusCommand({ Name: 'kept' }));
    await control(sandbox, '/faults', [{ service: 'glue', operation: 'GetDatabase', kind: 'throttle', seed: 7 }]);
    const before = (await control(sandbox, '/calls')).at(-1).n;
    await sandbox.restart();
    expect((await events.send(new DescribeEventBusCommand({ Name: 'kept' }))).Arn).toBe(
      `arn:aws:events:${REGION}:${G}:event-bus/kept`,
    );
    const there = new STSClient({ endpoint: sandbox.url, region: REGION, credentials });
    expect((await there.send(new GetCallerIdentityCommand({}))).Account).toBe(C);
    expect(await control(sandbox, '/faults')).toMatchObject([{ service: 'glue', kind: 'throttle', seed: 7 }]);
    await control(sandbox, '/faults', undefined, 'DELETE');
    expect((await control(sandbox, `/calls?after=${before}`)).map(({ n }: { n: number }) => n)).toEqual([
      before + 1,
      before + 2,
    ]);
  });

  test('a torn last line is cut off and everything before it stays', () => {
    const dataDir = folder();
    const first = openState(dataDir);
    first.table('t').put('a', { value: 1 });
    first.table('t').put('b', { value: 2 });
    first.close();
    appendFileSync(join(dataDir, 'state.jsonl'), '{"t":"t","k":"c","v":{"val');
    const second = openState(dataDir);
    expect([...second.table('t').entries()]).toEqual([
      ['a', { value: 1 }],
      ['b', { value: 2 }],
    ]);
    second.table('t').put('d', { value: 4 });
    second.close();
    expect([...openState(dataDir).table('t').entries()].map(([key]) => key)).toEqual(['a', 'b', 'd']);
  });

  test('what was answered before kill -9 is there afterwards', async () => {
    const dataDir = folder();
    const code = `
      import { openState } from '${process.cwd()}/src/sandbox/state.ts';
      const state = openState(${JSON.stringify(dataDir)});
      for (let i = 0; ; i += 1) { state.table('t').put(String(i), i); state.flush(); process.stdout.write(i + '\\n'); }`;
    const hook = `import { registerHooks } from 'node:module';
      registerHooks({ resolve: (id, context, next) => next(id.startsWith('./') ? id.replace(/\\.js$/, '.ts') : id, context) });`;
    const args = ['--import', `data:text/javascript,${encodeURIComponent(hook)}`, '--input-type=module', '-e', code];
    const child = spawn(process.execPath, args);
    let answered = -1;
    await new Promise<void>((resolve) => {
      child.stdout.on('data', (data: Buffer) => {
        answered = Number(data.toString().trim().split('\n').at(-1));
        if (answered > 200) child.kill('SIGKILL');
      });
      child.on('exit', () => resolve());
    });
    expect(answered).toBeGreaterThan(200);
    const keys = [...openState(dataDir).table('t').entries()].map(([key]) => Number(key));
    expect(keys.slice(0, answered + 1)).toEqual(Array.from({ length: answered + 1 }, (_, i) => i));
  });

  test('the journal is compacted to the live rows', () => {
    const dataDir = folder();
    const state = openState(dataDir);
    for (let i = 0; i < 21_000; i += 1) state.table('t').put('same', { i });
    state.flush();
    expect(statSync(join(dataDir, 'state.jsonl')).size).toBeLessThan(100);
    state.table('t').put('after', 1);
    state.close();
    expect([...openState(dataDir).table('t').entries()]).toEqual([
      ['same', { i: 20_999 }],
      ['after', 1],
    ]);
  });

  test('a bounded log keeps at least what it promises, deletes older segments and continues its numbers', () => {
    const path = folder();
    let log = openLineLog(path, 10);
    for (let i = 1; i <= 43; i += 1) log.append({ i });
    const kept = log.read(0, 100).map((line) => JSON.parse(line).n);
    expect(kept.length).toBeGreaterThanOrEqual(10);
    expect(kept.length).toBeLessThanOrEqual(20);
    expect(kept.at(-1)).toBe(43);
    expect(log.read(40, 2).map((line) => JSON.parse(line))).toEqual([
      { n: 41, i: 41 },
      { n: 42, i: 42 },
    ]);
    log.close();
    log = openLineLog(path, 10);
    log.append({ i: 'ä' });
    expect(log.read(42, 9).map((line) => JSON.parse(line))).toEqual([
      { n: 43, i: 43 },
      { n: 44, i: 'ä' },
    ]);
  });
});

describe('control', () => {
  test('drift is applied as the administrator of the account, item by item, and shows in log and state', async () => {
    const results = await control(sandbox, '/drift', [
      { service: 'events', operation: 'CreateEventBus', account: P, parameters: { Name: 'drifted' } },
      { service: 'events', operation: 'CreateEventBus', account: P, parameters: { Name: 'drifted' } },
    ]);
    expect(results).toMatchObject([{ ok: true }, { ok: false, error: 'ResourceAlreadyExistsException' }]);
    expect((await control(sandbox, '/calls')).at(-1)).toMatchObject({
      principal: `arn:aws:iam::${P}:role/administrator`,
    });
    expect((await control(sandbox, `/state?account=${P}`)).events.buses).toMatchObject([
      { name: 'drifted', account: P },
    ]);
    expect((await control(sandbox, `/state?account=${C}`)).events.buses).toEqual([]);
    expect(
      await control(sandbox, '/drift', [{ service: 'events', operation: 'X', account: '999999999999' }]),
    ).toMatchObject({
      error: 'drift[0]: unknown account',
    });
  });

  test('accounts can be added, and RAM sharing switched, for good', async () => {
    const added = '444444444444';
    expect(await control(sandbox, '/accounts', { accounts: [added] })).toContain(added);
    await control(sandbox, '/organization', { ramSharing: true });
    await sandbox.restart();
    expect(await control(sandbox, '/organization')).toEqual({ ramSharing: true });
    expect((await clientOf(STSClient, sandbox, added).send(new GetCallerIdentityCommand({}))).Account).toBe(added);
    expect(await control(sandbox, '/accounts', { accounts: ['12'] })).toHaveProperty('error');
  });
});
