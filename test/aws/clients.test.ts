import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createAws } from '../../src/aws/clients.js';
import { startSandbox } from '../../src/sandbox/server.js';
import { governanceCredentials } from '../../src/sandbox/sts.js';
import { sandboxOfTest } from '../sandbox/testkit.js';
import * as mesh from './mesh.js';
import { awsOver, C, callsOf, control, driver, G, itemOf, laneTo, P, REGION, roleIn } from './testkit.js';

const sandbox = await sandboxOfTest();
const silent = { debug: () => {}, info: () => {}, warn: () => {} };

async function fault(kind: string, operation: string, extra: object = {}): Promise<void> {
  await control(sandbox, '/faults', [{ service: 'events', operation, kind, rate: 1, seed: 1, count: 1, ...extra }]);
}
const calm = () => control(sandbox, '/faults', undefined, 'DELETE');

describe('opening an account', () => {
  test('assumes the registered role with the external id, checks the account once, and keeps the credentials', async () => {
    const aws = awsOver(sandbox);
    const calls = await callsOf(sandbox, async () => {
      await aws.open(laneTo(C));
      await aws.open(laneTo(C, { sessionName: 'run-2' }));
    });
    expect(calls.map(({ operation }) => operation)).toEqual(['AssumeRole', 'GetCallerIdentity']);
    expect(calls[0]?.parameters).toMatchObject({
      RoleArn: roleIn(C).arn,
      ExternalId: 'ext-1',
      RoleSessionName: `run-${C}`,
    });
  });

  test('refuses a role of another account without calling it', async () => {
    const aws = awsOver(sandbox);
    const calls = await callsOf(sandbox, async () => {
      await expect(aws.open(laneTo(C, { role: roleIn(P) }))).rejects.toThrow(
        /leads to account 222222222222, but 333333333333/,
      );
    });
    expect(calls).toEqual([]);
  });

  test('refuses base credentials that are not of the governance account', async () => {
    const aws = createAws({
      governanceAccount: G,
      region: REGION,
      endpoint: sandbox.url,
      baseCredentials: governanceCredentials(P),
      requestTimeoutMs: 5_000,
      log: silent,
    });
    const error = await aws.open(laneTo(G)).catch((thrown: unknown) => thrown);
    expect(aws.classify(error)).toMatchObject({ treatment: 'PERMANENT', code: 'WrongAccount' });
  });

  test('retries a role that cannot be assumed, as its owner has yet to trust the external id', async () => {
    const aws = awsOver(sandbox);
    const account = '999999999999';
    const error = await aws.open(laneTo(account)).catch((thrown: unknown) => thrown);
    expect(aws.classify(error)).toMatchObject({ treatment: 'RETRY', message: expect.stringMatching(/external id/) });
  });

  test('works in the governance account under a configured role', async () => {
    const roleArn = `arn:aws:iam::${G}:role/meshgate-worker`;
    const aws = createAws({
      governanceAccount: G,
      region: REGION,
      endpoint: sandbox.url,
      baseCredentials: governanceCredentials(G),
      roleArn,
      requestTimeoutMs: 5_000,
      log: silent,
    });
    const calls = await callsOf(sandbox, () => driver(aws, 'EventBus', G).observe({ name: 'none' }));
    expect(calls.at(-1)).toMatchObject({ operation: 'DescribeEventBus', principal: roleArn });
  });

  test('asks for new credentials once AWS no longer takes the old ones', async () => {
    const folders = [0, 1].map(() => mkdtempSync(join(tmpdir(), 'sandbox-')));
    const start = (dataDir: string, port = 0) => startSandbox({ dataDir, port, governanceAccount: G, accounts: [C] });
    const first = await start(folders[0]!);
    const aws = awsOver(first);
    const item = itemOf('EventBus', C, { name: 'none' });
    const old = await aws.open(laneTo(C));
    expect(await aws.providers.EventBus.observe(old, [item])).toEqual([{ state: 'MISSING' }]);
    await first.close();
    // At the same address, an AWS that knows none of the keys.
    const second = await start(folders[1]!, first.port);
    await new Promise((resolve) => setTimeout(resolve, 20));
    const calls = await callsOf(second, async () =>
      expect(await aws.providers.EventBus.observe(old, [item])).toEqual([{ state: 'MISSING' }]),
    );
    expect(calls.map(({ operation }) => operation)).toEqual([
      'DescribeEventBus',
      'AssumeRole',
      'GetCallerIdentity',
      'DescribeEventBus',
    ]);
    await second.close();
    for (const folder of folders) rmSync(folder, { recursive: true });
  });
});

describe('a call', () => {
  test('is made only with leave, and a refusal is thrown on, not taken for an answer of AWS', async () => {
    const aws = awsOver(sandbox);
    class LeaseLost extends Error {}
    let leave = 0;
    const beforeCall = async () => {
      leave += 1;
      if (leave > 2) throw new LeaseLost('the lane has another holder');
    };
    const session = await aws.open(laneTo(C, { beforeCall }));
    expect(leave).toBe(2);
    const item = itemOf('EventBus', C, { name: 'never' });
    const calls = await callsOf(sandbox, async () => {
      await expect(
        aws.providers.EventBus.apply(session, [{ item, observation: { state: 'MISSING' } }]),
      ).rejects.toThrow(LeaseLost);
      const grant = itemOf('LfGrant', C, {
        principal: mesh.analyst,
        resource: mesh.localResource,
        permissions: { DESCRIBE: 'ALL_COLUMNS' },
        grantable: {},
      });
      await expect(aws.providers.LfGrant.observe(session, [grant])).rejects.toThrow(LeaseLost);
      await expect(
        aws.providers.LfGrant.apply(session, [{ item: grant, observation: { state: 'MISSING' } }]),
      ).rejects.toThrow(LeaseLost);
    });
    expect(calls).toEqual([]);
  });

  test('is logged with operation, account, run and request id, and without secrets or parameters', async () => {
    const aws = awsOver(sandbox);
    const bus = driver(aws, 'EventBus', C);
    await bus.apply({ name: 'logged' });
    const line = aws.lines.find(({ fields }) => fields.operation === 'CreateEventBus');
    expect(line).toMatchObject({
      level: 'info',
      fields: {
        service: 'EventBridge',
        account: C,
        runId: `run-${C}`,
        credentialSession: `run-${C}`,
        awsRequestId: expect.stringMatching(/\S/),
      },
    });
    expect(JSON.stringify(aws.lines)).not.toMatch(/secret|ASIA|logged"/i);
    expect(aws.lines.find(({ fields }) => fields.operation === 'DescribeEventBus')?.level).toBe('debug');
  });

  test('is tried once: retries are the reconciler’s', async () => {
    await fault('throttle', 'CreateEventBus');
    const bus = driver(awsOver(sandbox), 'EventBus', C);
    const calls = await callsOf(sandbox, async () => {
      expect(await bus.apply({ name: 'throttled' })).toMatchObject([{ ok: false, error: { treatment: 'RETRY' } }]);
    });
    await calm();
    expect(calls.filter(({ operation }) => operation === 'CreateEventBus')).toHaveLength(1);
  });

  test.each([
    ['internal', 'OBSERVE'],
    ['concurrent', 'RETRY'],
    ['access-denied', 'PROPAGATION'],
  ])('that meets the fault %s is treated as %s', async (kind, treatment) => {
    await fault(kind, 'CreateEventBus');
    const [outcome] = await driver(awsOver(sandbox), 'EventBus', C).apply({ name: `bus-${kind}` });
    await calm();
    expect(outcome).toMatchObject({ ok: false, error: { treatment } });
  });

  test.each(['timeout-applied', 'timeout-not-applied'])(
    'that is cut off (%s) has an unknown outcome, which the next observation settles',
    async (kind) => {
      await fault(kind, 'CreateEventBus', { latencyMs: 2_000 });
      const bus = driver(awsOver(sandbox, { requestTimeoutMs: 300 }), 'EventBus', C);
      const startedAt = Date.now();
      const [outcome] = await bus.apply({ name: kind });
      await calm();
      expect(outcome).toMatchObject({ ok: false, error: { treatment: 'OBSERVE' } });
      expect(Date.now() - startedAt).toBeLessThan(1_500);
      expect(await bus.observe({ name: kind })).toMatchObject([
        { state: kind === 'timeout-applied' ? 'AGREES' : 'MISSING' },
      ]);
    },
  );
});
