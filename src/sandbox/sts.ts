import { createHash, randomBytes } from 'node:crypto';
import { AwsError, type Call, type Service, type World } from './service.js';

/** A caller as his access key tells: the IAM ARN (never an assumed-role ARN) and the session it came from. */
export interface Identity {
  account: string;
  principal: string;
  session: string | undefined;
}

/** A key issued by AssumeRole. Its secret is not kept: requests on loopback are not verified by signature, only by token. */
interface IssuedKey extends Identity {
  tokenHash: string;
  expiresAt: number;
}

const KEYS = 'sts/keys';
const EXPIRED_KEPT_MS = 3_600_000;

/** Long-term keys of `arn:aws:iam::ACCOUNT:role/meshgate` in a known account; the only keys that need no AssumeRole. */
export function governanceCredentials(account: string): { accessKeyId: string; secretAccessKey: string } {
  return { accessKeyId: `AKIA${account}MESH`, secretAccessKey: `sandbox-secret-of-${account}` };
}

/** Finds the caller; an unknown key or token and an expired key are told apart, as AWS does. Errors are named for JSON services. */
export function identify(
  world: World,
  credentials: { accessKeyId: string; sessionToken: string | undefined },
): Identity {
  const { accessKeyId, sessionToken } = credentials;
  const account = /^AKIA(\d{12})MESH$/.exec(accessKeyId)?.[1];
  if (account && world.knowsAccount(account)) {
    return { account, principal: `arn:aws:iam::${account}:role/meshgate`, session: undefined };
  }
  const key = world.table<IssuedKey>(KEYS).get(accessKeyId);
  if (!key || key.tokenHash !== hashOf(sessionToken ?? '')) {
    throw new AwsError('UnrecognizedClientException', 'The security token included in the request is invalid.', 403);
  }
  if (key.expiresAt <= world.now().getTime()) {
    throw new AwsError('ExpiredTokenException', 'The security token included in the request is expired', 403);
  }
  return { account: key.account, principal: key.principal, session: key.session };
}

/** AWS STS: AssumeRole and GetCallerIdentity. Every well-formed role of a known account exists and trusts every caller. */
export const sts: Service = {
  AssumeRole: assumeRole,
  GetCallerIdentity: ({ account, principal, session }) => ({
    Account: account,
    Arn: session === undefined ? principal : assumedRoleArn(principal, session),
    UserId: session === undefined ? idOf('AROA', principal) : `${idOf('AROA', principal)}:${session}`,
  }),
};

function assumeRole(call: Call, world: World): unknown {
  const { RoleArn: role, RoleSessionName: session, DurationSeconds = 3600 } = call.parameters;
  const account = /^arn:aws:iam::(\d{12}):role\/[\w+=,.@/-]{1,512}$/.exec(String(role))?.[1];
  if (typeof session !== 'string' || !/^[\w+=,.@-]{2,64}$/.test(session)) {
    throw new AwsError(
      'ValidationError',
      `Value '${String(session)}' at 'roleSessionName' failed to satisfy constraint`,
    );
  }
  if (!account || !world.knowsAccount(account)) {
    const message = `User: ${call.principal} is not authorized to perform: sts:AssumeRole on resource: ${String(role)}`;
    throw new AwsError('AccessDenied', message, 403);
  }
  const expiresAt = world.now().getTime() + validDuration(Number(DurationSeconds), call) * 1000;
  const accessKeyId = `ASIA${randomBytes(10).toString('hex').slice(0, 16).toUpperCase()}`;
  const sessionToken = randomBytes(64).toString('base64');
  const keys = world.table<IssuedKey>(KEYS);
  dropLongExpired(keys.entries(), world.now().getTime(), (id) => keys.delete(id));
  keys.put(accessKeyId, { account, principal: String(role), session, tokenHash: hashOf(sessionToken), expiresAt });
  return {
    Credentials: {
      AccessKeyId: accessKeyId,
      SecretAccessKey: randomBytes(30).toString('base64'),
      SessionToken: sessionToken,
      Expiration: new Date(expiresAt),
    },
    AssumedRoleUser: {
      AssumedRoleId: `${idOf('AROA', String(role))}:${session}`,
      Arn: assumedRoleArn(String(role), session),
    },
  };
}

/** 900 seconds to 12 hours; role chaining caps at one hour (IAM user guide, "Methods to assume a role"). */
function validDuration(seconds: number, call: Call): number {
  if (!(seconds >= 900 && seconds <= 43_200)) {
    throw new AwsError('ValidationError', `Value '${seconds}' at 'durationSeconds' failed to satisfy constraint`);
  }
  if (call.session !== undefined && seconds > 3600) {
    throw new AwsError(
      'ValidationError',
      'The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining',
    );
  }
  return seconds;
}

/** Keys stay a while beyond their end, so that their holder hears "expired", not "unknown". */
function dropLongExpired(keys: Iterable<[string, IssuedKey]>, now: number, drop: (id: string) => void): void {
  for (const [id, { expiresAt }] of [...keys]) if (expiresAt + EXPIRED_KEPT_MS < now) drop(id);
}

function assumedRoleArn(role: string, session: string): string {
  const [, account, name] = /^arn:aws:iam::(\d{12}):role\/(?:.*\/)?([^/]+)$/.exec(role) ?? [];
  return `arn:aws:sts::${account}:assumed-role/${name}/${session}`;
}

function idOf(prefix: string, arn: string): string {
  return prefix + createHash('sha256').update(arn).digest('hex').slice(0, 17).toUpperCase();
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}
