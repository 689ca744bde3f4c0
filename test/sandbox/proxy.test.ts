import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateEventBusCommand, DescribeEventBusCommand, EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { CreateQueueCommand } from '@aws-sdk/client-sqs';
import { afterAll, describe, expect, test } from 'vitest';
import { startFaultProxy } from '../../src/sandbox/proxy.js';
import { describeFaults } from './faults-of-any.js';
import { assumed, C, clientsOf, control, errorOf, G, REGION, sandboxOfTest } from './testkit.js';

const sandbox = await sandboxOfTest();
const dataDir = mkdtempSync(join(tmpdir(), 'proxy-'));
const proxy = await startFaultProxy({ target: sandbox.url, dataDir, account: G });
const through = { ...sandbox, url: proxy.url };
afterAll(async () => {
  await proxy.close();
  rmSync(dataDir, { recursive: true, force: true });
});

describe('faults through the proxy', () => describeFaults(through));

test('what no fault hits passes unchanged, errors too', async () => {
  const { events } = clientsOf(through);
  await events.send(new CreateEventBusCommand({ Name: 'passed' }));
  expect((await clientsOf(sandbox).events.send(new DescribeEventBusCommand({ Name: 'passed' }))).Name).toBe('passed');
  expect(await errorOf(events.send(new DescribeEventBusCommand({ Name: 'none' })))).toEqual(
    await errorOf(clientsOf(sandbox).events.send(new DescribeEventBusCommand({ Name: 'none' }))),
  );
});

test('the proxy logs every call, with the role that it learned from AssumeRole', async () => {
  const credentials = await assumed(through, `arn:aws:iam::${C}:role/seen`);
  const client = new EventBridgeClient({ endpoint: proxy.url, region: REGION, credentials, maxAttempts: 1 });
  await errorOf(client.send(new DescribeEventBusCommand({ Name: 'none' })));
  expect((await control(through, '/calls')).slice(-2)).toMatchObject([
    { account: G, service: 'sts', operation: 'AssumeRole', status: 200, error: null },
    {
      account: C,
      principal: `arn:aws:iam::${C}:role/seen`,
      service: 'events',
      operation: 'DescribeEventBus',
      parameters: { Name: 'none' },
      status: 400,
      error: 'ResourceNotFoundException',
    },
  ]);
});

test('a queue URL leads back through the proxy', async () => {
  const { QueueUrl } = await clientsOf(through).sqs.send(new CreateQueueCommand({ QueueName: 'led-back' }));
  expect(QueueUrl).toBe(`${proxy.url}/${G}/led-back`);
});

test('a target that is away cuts the connection, as it would itself', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'proxy-'));
  const lonely = await startFaultProxy({ target: 'http://127.0.0.1:1', dataDir: folder });
  const error = await errorOf(clientsOf({ ...sandbox, url: lonely.url }).events.send(new DescribeEventBusCommand({})));
  expect(error.status).toBeUndefined();
  expect(await control({ ...sandbox, url: lonely.url }, '/calls')).toMatchObject([
    { status: 0, error: 'ECONNREFUSED' },
  ]);
  await lonely.close();
  rmSync(folder, { recursive: true });
});

test('bytes, headers and Host reach the target as they were sent, and what is no AWS call passes as well', async () => {
  const seen: { headers: unknown; body: Buffer; url: string | undefined }[] = [];
  const target = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray());
    seen.push({ headers: request.headers, body, url: request.url });
    response.writeHead(203, { 'x-odd': 'yes', 'set-cookie': ['a=1', 'b=2'] }).end(body);
  });
  await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve));
  const folder = mkdtempSync(join(tmpdir(), 'proxy-'));
  const plain = await startFaultProxy({
    target: `http://127.0.0.1:${(target.address() as AddressInfo).port}`,
    dataDir: folder,
  });
  await control({ ...sandbox, url: plain.url }, '/faults', [{ kind: 'internal' }]);
  const bytes = Buffer.from([0, 255, 128, 10]);
  const answer = await fetch(`${plain.url}/bucket/key?x=%2F`, { method: 'PUT', body: bytes, headers: { 'x-in': 'v' } });
  expect([answer.status, answer.headers.get('x-odd'), answer.headers.getSetCookie()]).toEqual([
    203,
    'yes',
    ['a=1', 'b=2'],
  ]);
  expect(Buffer.from(await answer.arrayBuffer())).toEqual(bytes);
  expect(seen).toMatchObject([{ url: '/bucket/key?x=%2F', headers: { 'x-in': 'v', host: new URL(plain.url).host } }]);
  await plain.close();
  target.close();
  rmSync(folder, { recursive: true });
});

test('meshgate fault-proxy runs it until it is told to stop, and the faults are there at the next start', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'proxy-'));
  const flags = ['fault-proxy', '--target', sandbox.url, '--port', '0', '--data-dir', folder];
  for (const expected of [[], [{ service: 'events', kind: 'throttle' }]]) {
    const child = spawn(process.execPath, ['scripts/start.mjs', ...flags], { stdio: ['ignore', 'pipe', 'ignore'] });
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const started = { ...sandbox, url: line.toString().split(' ')[0] ?? '' };
    expect(await control(started, '/faults')).toMatchObject(expected);
    await control(started, '/faults', [{ service: 'events', kind: 'throttle' }]);
    expect((await errorOf(clientsOf(started).events.send(new DescribeEventBusCommand({})))).name).toBe(
      'ThrottlingException',
    );
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
  }
  rmSync(folder, { recursive: true });
}, 120_000);
