import { AssumeRoleCommand, GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { isAwsFailure, PermanentFailure, RoleUnavailable } from './errors.js';

/** Credentials as the SDK's clients take them; `expiration` lets a client ask anew in time. */
export interface Keys {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
  expiration?: Date;
}

/** A role to call an account under; `externalId` is the one given at the domain's registration. */
interface RoleToAssume {
  arn: string;
  externalId?: string;
  /** The account that it must lead to, 12 digits. */
  account: string;
  /** RoleSessionName: the lane run that opens it, for CloudTrail. */
  sessionName: string;
  beforeCall: () => Promise<void>;
}

/** Keys of a role and the name of the session that they belong to. */
interface AssumedRole {
  keys: Keys;
  sessionName: string;
}

/** Assumes roles, and keeps what they gave until shortly before it expires. */
export interface RoleCache {
  assume(role: RoleToAssume): Promise<AssumedRole>;
  /** Drops what is kept of a role, as AWS calls it expired or unknown. */
  forget(role: Pick<RoleToAssume, 'arn' | 'externalId'>): void;
}

/** Clients ask for new keys five minutes before the end; ours must be new by then. */
const MARGIN_MS = 6 * 60_000;
/** Role chaining caps a session at one hour (IAM user guide, "Methods to assume a role"). */
const DURATION_SECONDS = 3600;

/** Opens roles with the base credentials of `sts`; `clientOf` makes an STS client with other keys for the account check. */
export function createRoleCache({ sts, clientOf }: { sts: STSClient; clientOf: (keys: Keys) => STSClient }): RoleCache {
  const assumed = new Map<string, Promise<AssumedRole>>();
  const keyOf = ({ arn, externalId }: Pick<RoleToAssume, 'arn' | 'externalId'>) => `${arn} ${externalId ?? ''}`;
  return {
    async assume(role) {
      const key = keyOf(role);
      const kept = await assumed.get(key)?.catch(() => undefined);
      if (kept && (kept.keys.expiration?.getTime() ?? 0) - MARGIN_MS > Date.now()) return kept;
      const opening = open(role, { sts, clientOf });
      assumed.set(key, opening);
      // A failure is not kept: the next run asks again.
      opening.catch(() => assumed.get(key) === opening && assumed.delete(key));
      return opening;
    },
    forget: (role) => void assumed.delete(keyOf(role)),
  };
}

async function open(
  role: RoleToAssume,
  via: { sts: STSClient; clientOf: (keys: Keys) => STSClient },
): Promise<AssumedRole> {
  if (role.arn.split(':')[4] !== role.account) throw wrongAccount(role, role.arn.split(':')[4]);
  const keys = await assumeRole(role, via.sts);
  await role.beforeCall();
  const { Account: account } = await via.clientOf(keys).send(new GetCallerIdentityCommand({}));
  if (account !== role.account) throw wrongAccount(role, account);
  return { keys, sessionName: role.sessionName };
}

async function assumeRole(role: RoleToAssume, sts: STSClient): Promise<Keys> {
  await role.beforeCall();
  try {
    const { Credentials: given } = await sts.send(
      new AssumeRoleCommand({
        RoleArn: role.arn,
        RoleSessionName: role.sessionName,
        DurationSeconds: DURATION_SECONDS,
        ...(role.externalId ? { ExternalId: role.externalId } : {}),
      }),
    );
    const {
      AccessKeyId: accessKeyId,
      SecretAccessKey: secretAccessKey,
      SessionToken: sessionToken,
      Expiration: expiration,
    } = given ?? {};
    if (!accessKeyId || !secretAccessKey || !sessionToken)
      throw new PermanentFailure('NoCredentials', 'STS answered AssumeRole without credentials.');
    return { accessKeyId, secretAccessKey, sessionToken, ...(expiration ? { expiration } : {}) };
  } catch (error) {
    if (!isAwsFailure(error)) throw error;
    throw new RoleUnavailable(role.arn, error);
  }
}

function wrongAccount(role: RoleToAssume, found: string | undefined): PermanentFailure {
  return new PermanentFailure(
    'RoleOfOtherAccount',
    `${role.arn} leads to account ${found}, but ${role.account} is registered.`,
  );
}
