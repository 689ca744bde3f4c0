import { parseResourcePolicy } from './resource-policy.js';
import { AwsError } from './service.js';

/** The longest message, and the longest batch of them (SQS developer guide, message quotas). */
export const MAX_MESSAGE_BYTES = 1_048_576;
const KNOWN_ATTRIBUTES = new Set([
  'DelaySeconds',
  'KmsMasterKeyId',
  'MaximumMessageSize',
  'MessageRetentionPeriod',
  'Policy',
  'ReceiveMessageWaitTimeSeconds',
  'RedriveAllowPolicy',
  'RedrivePolicy',
  'SqsManagedSseEnabled',
  'VisibilityTimeout',
]);
/** What a queue has of which nothing is said. */
export const DEFAULTS = {
  DelaySeconds: '0',
  MaximumMessageSize: String(MAX_MESSAGE_BYTES),
  MessageRetentionPeriod: '345600',
  ReceiveMessageWaitTimeSeconds: '0',
  SqsManagedSseEnabled: 'true',
  VisibilityTimeout: '30',
};
/** Seconds that these attributes may have (SQS API reference, SetQueueAttributes); 0 where the least is not named. */
const MOST: Record<string, number> = {
  VisibilityTimeout: 43_200,
  ReceiveMessageWaitTimeSeconds: 20,
  WaitTimeSeconds: 20,
  DelaySeconds: 900,
  MessageRetentionPeriod: 1_209_600,
};
const LEAST: Record<string, number> = { MessageRetentionPeriod: 60 };

/** SQS's error for a policy that it cannot take. */
export function invalidPolicy(reason: string): AwsError {
  return new AwsError('InvalidAttributeValue', `Invalid value for the parameter Policy. Reason: ${reason}`);
}

/** Attributes as they were given, with the error that SQS has for what is none of them or out of its bounds. */
export function checkedAttributes(given: Record<string, unknown> = {}): Record<string, string> {
  for (const [name, value] of Object.entries(given)) {
    if (!KNOWN_ATTRIBUTES.has(name)) throw new AwsError('InvalidAttributeName', `Unknown Attribute ${name}.`);
    if (name === 'Policy' && value !== '') parseResourcePolicy(String(value), invalidPolicy);
    if (name in MOST) assertSeconds(name, Number(value));
  }
  return Object.fromEntries(Object.entries(given).map(([name, value]) => [name, String(value)]));
}

/**
 * What is held once these attributes are set. A queue has one kind of encryption (SQS developer guide, "Encryption at rest"): a key ends
 * SQS's own, and is taken away before or with the return to it. Whether AWS would drop the key by itself is not said, so it is refused here.
 */
export function withAttributes(held: Record<string, string>, given: Record<string, string>): Record<string, string> {
  const all = { ...held, ...given };
  if (all.KmsMasterKeyId && given.SqsManagedSseEnabled === 'true') {
    throw new AwsError('InvalidAttributeValue', 'You can use one type of server-side encryption (SSE) at one time.');
  }
  if (given.KmsMasterKeyId) all.SqsManagedSseEnabled = 'false';
  for (const name of ['KmsMasterKeyId', 'Policy']) if (all[name] === '') delete all[name];
  return all;
}

/** Throws where an attribute of seconds, or WaitTimeSeconds, is out of its bounds. */
export function assertSeconds(name: string, value: number): void {
  const [least, most] = [LEAST[name] ?? 0, MOST[name] ?? 0];
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new AwsError('InvalidAttributeValue', `Invalid value for the parameter ${name}: ${least} to ${most} seconds.`);
}
