import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { GlueClient } from '@aws-sdk/client-glue';
import { LakeFormationClient } from '@aws-sdk/client-lakeformation';
import { RAMClient } from '@aws-sdk/client-ram';
import { SQSClient } from '@aws-sdk/client-sqs';
import { GetCallerIdentityCommand, STSClient, type STSClientConfig } from '@aws-sdk/client-sts';
import type { Aws, OpenLane } from '../provisioning/provider.js';
import { type CallLog, watchCalls } from './call-watch.js';
import { createRoleCache, type Keys, type RoleCache } from './credentials.js';
import { classify, PermanentFailure } from './errors.js';
import { MADE_ONCE } from './event-bridge.js';
import { createProviders } from './providers.js';
import type { AwsSession } from './session.js';

/** Where AWS is, and who we are there. */
export interface AwsSettings {
  /** 12 digits. */
  governanceAccount: string;
  region: string;
  /** One endpoint for every service: the sandbox. Absent: AWS itself. */
  endpoint?: string;
  /** Absent: the SDK's default credential chain. */
  baseCredentials?: Keys;
  /** Role of the governance account to work under; absent: the base credentials themselves. */
  roleArn?: string;
  /** How long a request may take before its outcome counts as unknown, milliseconds. */
  requestTimeoutMs: number;
  log: CallLog;
}

type BaseConfig = Pick<STSClientConfig, 'region' | 'endpoint' | 'maxAttempts' | 'requestHandler'>;
type CredentialsConfig = NonNullable<STSClientConfig['credentials']>;

const MAX_SOCKETS = 64;

/** The AWS side of the reconciler: providers, sessions, and the reading of errors. */
export function createAws(settings: AwsSettings): Aws<AwsSession> {
  const { region, endpoint, baseCredentials, requestTimeoutMs } = settings;
  const common = { region, maxAttempts: 1, ...(endpoint ? { endpoint } : {}) };
  const sts = new STSClient({
    ...common,
    ...(baseCredentials ? { credentials: baseCredentials } : {}),
    requestHandler: {
      connectionTimeout: Math.min(requestTimeoutMs, 3_000),
      requestTimeout: requestTimeoutMs,
      // Without it the SDK only warns, and a lane's lease would run out under a request that hangs.
      throwOnRequestTimeout: true,
      httpAgent: new HttpAgent({ keepAlive: true, maxSockets: MAX_SOCKETS }),
      httpsAgent: new HttpsAgent({ keepAlive: true, maxSockets: MAX_SOCKETS }),
    },
  });
  // All clients of all sessions share the handler, thus its connections and time limits.
  const config: BaseConfig = { ...common, requestHandler: sts.config.requestHandler };
  const roles = createRoleCache({ sts, clientOf: (keys) => new STSClient({ ...config, credentials: keys }) });
  const checkBase = createBaseCheck(sts, settings.governanceAccount);
  return {
    providers: createProviders(region),
    classify,
    async open(lane) {
      const role = roleOf(lane, settings);
      if (role) return openSession({ lane, config, log: settings.log, credentials: await assume(roles, lane, role) });
      await checkBase(lane);
      const base = { provider: sts.config.credentials, sessionName: null, forget: null };
      return openSession({ lane, config, log: settings.log, credentials: base });
    },
  };
}

function roleOf(
  lane: OpenLane,
  { governanceAccount, roleArn }: AwsSettings,
): { arn: string; externalId?: string } | null {
  if (lane.role) return lane.role;
  if (lane.account !== governanceAccount) {
    throw new PermanentFailure('NoRole', `No role is registered for account ${lane.account}.`);
  }
  return roleArn ? { arn: roleArn } : null;
}

/** The base credentials must be of the governance account: with others the mesh would be built in the wrong place. Asked once. */
function createBaseCheck(sts: STSClient, account: string): (lane: OpenLane) => Promise<void> {
  let checked = false;
  return async (lane) => {
    if (checked) return;
    await lane.beforeCall();
    const { Account: found } = await sts.send(new GetCallerIdentityCommand({}));
    if (found !== account) {
      throw new PermanentFailure(
        'WrongAccount',
        `The AWS credentials are of account ${found}, but the governance account is ${account}.`,
      );
    }
    checked = true;
  };
}

/** Where a session's clients get their credentials. */
interface Credentials {
  provider: CredentialsConfig;
  /** RoleSessionName under which CloudTrail shows the calls; null for base credentials. */
  sessionName: string | null;
  forget: (() => void) | null;
}

async function assume(
  roles: RoleCache,
  lane: OpenLane,
  role: { arn: string; externalId?: string },
): Promise<Credentials> {
  const { account, sessionName, beforeCall } = lane;
  const wanted = { ...role, account, sessionName, beforeCall };
  const first = await roles.assume(wanted);
  return {
    // `memoized`: kept by the roles' cache, not by each client, so that what is forgotten there is asked for anew.
    provider: Object.assign(async () => (await roles.assume(wanted)).keys, { memoized: true }),
    sessionName: first.sessionName,
    forget: () => roles.forget(role),
  };
}

interface Opening {
  lane: OpenLane;
  config: BaseConfig;
  log: CallLog;
  credentials: Credentials;
}

/** Clients are made when they are first used: most runs need one or two. */
function openSession({ lane, config, log, credentials }: Opening): AwsSession {
  const { account, region, sessionName, beforeCall, correlationIds } = lane;
  const { provider, forget } = credentials;
  const watch = {
    log,
    beforeCall,
    correlationIds,
    forget,
    fields: { account, region, runId: sessionName, credentialSession: credentials.sessionName },
  };
  const clientConfig = { ...config, region, credentials: provider };
  const glue = once(() => watchCalls(new GlueClient(clientConfig), watch));
  const lakeFormation = once(() => watchCalls(new LakeFormationClient(clientConfig), watch));
  const eventBridge = once(() => watchCalls(new EventBridgeClient({ ...clientConfig, ...MADE_ONCE }), watch));
  const ram = once(() => watchCalls(new RAMClient(clientConfig), watch));
  const sqs = once(() => watchCalls(new SQSClient(clientConfig), watch));
  return {
    account,
    region,
    get glue() {
      return glue();
    },
    get lakeFormation() {
      return lakeFormation();
    },
    get eventBridge() {
      return eventBridge();
    },
    get ram() {
      return ram();
    },
    get sqs() {
      return sqs();
    },
  };
}

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
