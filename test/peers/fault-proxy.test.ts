import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import {
  BatchGrantPermissionsCommand,
  LakeFormationClient,
  ListPermissionsCommand,
} from '@aws-sdk/client-lakeformation';
import { AssumeRoleCommand, GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { startFaultProxy } from '../../src/sandbox/proxy.js';
import { errorOf } from '../sandbox/testkit.js';
import { startMoto } from './moto.js';

const moto = await startMoto();
const dataDir = mkdtempSync(join(tmpdir(), 'proxy-'));
const proxy = await startFaultProxy({ target: moto.url, dataDir });
afterAll(async () => {
  await proxy.close();
  await moto.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

const faults = (method: string, given?: object[]) =>
  fetch(`${proxy.url}/_sandbox/faults`, { method, ...(given ? { body: JSON.stringify(given) } : {}) });
beforeEach(() => faults('DELETE'));

const config = { endpoint: proxy.url, region: 'us-east-1', maxAttempts: 1 };
const credentials = { accessKeyId: 'any', secretAccessKey: 'any' };
const events = new EventBridgeClient({ ...config, credentials });
const lf = new LakeFormationClient({ ...config, credentials });
const sts = new STSClient({ ...config, credentials });

test('the proxy throttles the roles of one account of another emulator', async () => {
  const RoleArn = 'arn:aws:iam::222222222222:role/lane';
  const { Credentials: keys } = await sts.send(new AssumeRoleCommand({ RoleArn, RoleSessionName: 'lane' }));
  const assumed = {
    accessKeyId: keys?.AccessKeyId ?? '',
    secretAccessKey: keys?.SecretAccessKey ?? '',
    sessionToken: keys?.SessionToken ?? '',
  };
  await faults('POST', [{ kind: 'throttle', account: '222222222222' }]);
  const there = new STSClient({ ...config, credentials: assumed });
  expect(await errorOf(there.send(new GetCallerIdentityCommand({})))).toMatchObject({ name: 'Throttling' });
  expect((await sts.send(new GetCallerIdentityCommand({}))).Account).toBe('123456789012');
});

test('the proxy fails a part of a batch, and the emulator does the rest', async () => {
  await faults('POST', [{ kind: 'partial', service: '*', seed: 1 }]);
  const Entries = Array.from({ length: 6 }, () => ({ Source: 's', DetailType: 't', Detail: '{}' }));
  const put = await events.send(new PutEventsCommand({ Entries }));
  const failed = put.Entries?.filter(({ ErrorCode }) => ErrorCode === 'InternalFailure').length ?? 0;
  expect([put.FailedEntryCount, failed > 0, failed < 6]).toEqual([failed, true, true]);
  const grants = Array.from({ length: 8 }, (_, i) => ({
    Id: `g${i}`,
    Principal: { DataLakePrincipalIdentifier: `arn:aws:iam::123456789012:role/r${i}` },
    Resource: { Database: { Name: 'sales' } },
    Permissions: ['DESCRIBE' as const],
  }));
  const { Failures = [] } = await lf.send(new BatchGrantPermissionsCommand({ Entries: grants }));
  const { PrincipalResourcePermissions = [] } = await lf.send(new ListPermissionsCommand({}));
  expect(Failures.length).toBeGreaterThan(0);
  expect(PrincipalResourcePermissions).toHaveLength(8 - Failures.length);
});

test('what a cut connection applied is applied in the emulator, and what it did not is not', async () => {
  const grant = (name: string) => ({
    Entries: [
      {
        Id: name,
        Principal: { DataLakePrincipalIdentifier: `arn:aws:iam::123456789012:role/${name}` },
        Resource: { Database: { Name: 'cut' } },
        Permissions: ['DESCRIBE' as const],
      },
    ],
  });
  for (const kind of ['timeout-applied', 'timeout-not-applied'] as const) {
    await faults('POST', [{ kind, service: 'lakeformation', operation: 'BatchGrantPermissions', count: 1 }]);
    await expect(lf.send(new BatchGrantPermissionsCommand(grant(kind)))).rejects.toThrow();
  }
  const { PrincipalResourcePermissions = [] } = await lf.send(new ListPermissionsCommand({}));
  const names = PrincipalResourcePermissions.map((row) => row.Principal?.DataLakePrincipalIdentifier?.split('/')[1]);
  expect(names).toContain('timeout-applied');
  expect(names).not.toContain('timeout-not-applied');
});
