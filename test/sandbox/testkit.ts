import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { SQSClient } from '@aws-sdk/client-sqs';
import { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts';
import { afterAll, expect } from 'vitest';
import { type Sandbox, type SandboxOptions, startSandbox } from '../../src/sandbox/server.js';
import { governanceCredentials } from '../../src/sandbox/sts.js';
import { modelWitness } from './service-model.js';

export const G = '111111111111';
export const P = '222222222222';
export const C = '333333333333';
export const REGION = 'us-east-1';

/** A sandbox over a folder of its own; both go away after the file's tests, whose calls have to agree with AWS's models. */
export async function sandboxOfTest(
  options: Partial<SandboxOptions> = {},
): Promise<Sandbox & { dataDir: string; restart(): Promise<void> }> {
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'sandbox-'));
  const { observe, problems } = modelWitness();
  const start = (port = 0) =>
    startSandbox({ governanceAccount: G, accounts: [P, C], port, observe, ...options, dataDir });
  const running = {
    ...(await start()),
    dataDir,
    async restart() {
      await running.close();
      // The same port, so that clients made before go on working.
      Object.assign(running, await start(running.port));
      // Lets the clients' pools see that their idle connections were closed.
      await new Promise((resolve) => setTimeout(resolve, 20));
    },
  };
  afterAll(async () => {
    await running.close();
    rmSync(dataDir, { recursive: true, force: true });
    expect(await problems()).toEqual([]);
  });
  return running;
}

type ClientClass<T> = new (config: {
  endpoint: string;
  region: string;
  credentials: { accessKeyId: string; secretAccessKey: string; sessionToken?: string };
  maxAttempts: number;
}) => T;

/** A real SDK client that calls as role/meshgate of the account, without the SDK's own retries. */
export function clientOf<T>(Client: ClientClass<T>, sandbox: Sandbox, account: string = G): T {
  const credentials = governanceCredentials(account);
  return new Client({ endpoint: sandbox.url, region: REGION, credentials, maxAttempts: 1 });
}

/** The clients of the services that every account uses here. */
export function clientsOf(sandbox: Sandbox, account: string = G) {
  return {
    events: clientOf(EventBridgeClient, sandbox, account),
    sqs: clientOf(SQSClient, sandbox, account),
    sts: clientOf(STSClient, sandbox, account),
  };
}

/** Credentials of a role, assumed from the governance account. */
export async function assumed(sandbox: Sandbox, role: string, session = 'test-run') {
  const { Credentials: keys } = await clientOf(STSClient, sandbox).send(
    new AssumeRoleCommand({ RoleArn: role, RoleSessionName: session }),
  );
  return {
    accessKeyId: keys!.AccessKeyId!,
    secretAccessKey: keys!.SecretAccessKey!,
    sessionToken: keys!.SessionToken!,
  };
}

/** A control endpoint's JSON answer; a body makes it a POST. */
// biome-ignore lint/suspicious/noExplicitAny: what a control endpoint answers is what the test looks at
export async function control(sandbox: Sandbox, path: string, body?: unknown, method?: string): Promise<any> {
  const response = await fetch(`${sandbox.url}/_sandbox${path}`, {
    method: method ?? (body === undefined ? 'GET' : 'POST'),
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return response.json();
}

/** The name and status of the error that a call ends with. */
export async function errorOf(
  call: Promise<unknown>,
): Promise<{ name: string; status: number | undefined; message: string }> {
  try {
    await call;
  } catch (error) {
    const { name, message, $metadata } = error as Error & { $metadata?: { httpStatusCode?: number } };
    return { name, status: $metadata?.httpStatusCode, message };
  }
  throw new Error('the call was expected to fail');
}
