import {
  CreateQueueCommand,
  type CreateQueueCommandInput,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  type QueueAttributeName,
  SetQueueAttributesCommand,
} from '@aws-sdk/client-sqs';
import type { SpecOf } from '../provisioning/kinds.js';
import type { Observation } from '../provisioning/provider.js';
import { compared, createOrCompare, differs, gone, oneByOne } from './attempt.js';
import { PermanentFailure } from './errors.js';
import { partitionOf } from './partition.js';
import {
  differingStatements,
  type PolicyDocument,
  parsePolicy,
  withoutStatements,
  withStatements,
} from './policy-document.js';
import type { AwsProvider, AwsSession } from './session.js';

type Spec = SpecOf<'Queue'>;
type Attributes = Partial<Record<QueueAttributeName, string>>;

/** The statement of a queue's policy that is ours. */
const SENDERS = 'MeshgateSenders';
const READ: QueueAttributeName[] = [
  'MessageRetentionPeriod',
  'SqsManagedSseEnabled',
  'KmsMasterKeyId',
  'Policy',
  'RedrivePolicy',
  'ApproximateNumberOfMessages',
  'ApproximateNumberOfMessagesNotVisible',
  'ApproximateNumberOfMessagesDelayed',
];

/**
 * A queue that EventBridge may send to from the rules that the spec names. Of its policy one statement is ours, told by Sid; the policy
 * is read, changed and written, as SetQueueAttributes replaces it (SQS API reference). `region` is the mesh's.
 */
export function createQueue(region: string): AwsProvider<'Queue'> {
  const arnOf = (account: string, { name }: Spec) => `arn:${partitionOf(region)}:sqs:${region}:${account}:${name}`;
  return oneByOne<'Queue'>({
    kind: 'Queue',
    width: 4,
    observe: (session, { spec }) => observe(session, spec, arnOf(session.account, spec)),
    async apply(session, { item: { spec }, observation }) {
      const arn = arnOf(session.account, spec);
      if (observation.state === 'MISSING') {
        await createOrCompare(
          () => session.sqs.send(new CreateQueueCommand(creation(spec, arn))),
          () => observe(session, spec, arn),
        );
        return;
      }
      const QueueUrl = await urlOf(session, spec);
      const held = await read(session, QueueUrl);
      const Attributes: Attributes = {
        ...attributesOf(spec, arn, parsePolicy(held.Policy)),
        // A queue has one kind of encryption, and with a key that EventBridge may not use nothing arrives.
        ...(held.KmsMasterKeyId ? { KmsMasterKeyId: '' } : {}),
      };
      await session.sqs.send(new SetQueueAttributesCommand({ QueueUrl, Attributes }));
    },
    remove: (session, { spec }) =>
      gone(async () => {
        const QueueUrl = await urlOf(session, spec);
        refuseNotEmpty(spec, await read(session, QueueUrl));
        await session.sqs.send(new DeleteQueueCommand({ QueueUrl }));
      }),
    calls: (account, { spec }, action) => {
      const arn = arnOf(account, spec);
      const { QueueName, Attributes } = creation(spec, arn);
      if (action === 'CREATE')
        return [{ service: 'sqs', operation: 'CreateQueue', parameters: { QueueName, Attributes } }];
      const QueueUrl = plannedUrl(region, account, spec);
      return action === 'DELETE'
        ? [{ service: 'sqs', operation: 'DeleteQueue', parameters: { QueueUrl } }]
        : [{ service: 'sqs', operation: 'SetQueueAttributes', parameters: { QueueUrl, Attributes } }];
    },
  });
}

async function observe(session: AwsSession, spec: Spec, arn: string): Promise<Observation> {
  const held = await read(session, await urlOf(session, spec));
  const policy = parsePolicy(held.Policy);
  const retentionSeconds = Number(held.MessageRetentionPeriod);
  const encryption = encryptionOf(held);
  const stale = spec.senders.length === 0 && policy.Statement.some(({ Sid }) => Sid === SENDERS);
  const redrive = redriveOf(held);
  return compared({ arn, retentionSeconds, encryption, redrive: redrive ?? null, statements: policy.Statement }, [
    ...differs('retentionSeconds', retentionSeconds, spec.retentionSeconds),
    ...(spec.redrive ? differs('redrive', redrive, spec.redrive) : []),
    ...differs('encryption', encryption, 'SSE-SQS'),
    ...differingStatements(policy, statementsOf(spec, arn)),
    ...(stale ? [`statement ${SENDERS} is not wanted`] : []),
  ]);
}

function encryptionOf({ SqsManagedSseEnabled: managed, KmsMasterKeyId: key }: Attributes): string {
  if (key) return `SSE-KMS with ${key}`;
  return managed === 'true' ? 'SSE-SQS' : 'none';
}

/** SQS gives the number as a text or a number, as it was set. */
function redriveOf({ RedrivePolicy: text }: Attributes): Spec['redrive'] {
  if (!text) return undefined;
  const held = JSON.parse(text) as { deadLetterTargetArn: string; maxReceiveCount: string | number };
  return { deadLetterArn: held.deadLetterTargetArn, maxReceives: Number(held.maxReceiveCount) };
}

async function urlOf({ sqs }: AwsSession, { name }: Spec): Promise<string> {
  const { QueueUrl: url } = await sqs.send(new GetQueueUrlCommand({ QueueName: name }));
  return url ?? '';
}

async function read({ sqs }: AwsSession, QueueUrl: string): Promise<Attributes> {
  const { Attributes: held } = await sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: READ }));
  return held ?? {};
}

/** As AWS writes a queue's address; another endpoint answers another, which only AWS's own is known of beforehand. */
function plannedUrl(region: string, account: string, { name }: Spec): string {
  const suffix = partitionOf(region) === 'aws-cn' ? 'amazonaws.com.cn' : 'amazonaws.com';
  return `https://sqs.${region}.${suffix}/${account}/${name}`;
}

function creation(spec: Spec, arn: string): CreateQueueCommandInput & { Attributes: Attributes } {
  const { Policy, ...Attributes } = attributesOf(spec, arn, parsePolicy(undefined));
  return { QueueName: spec.name, Attributes: { ...Attributes, ...(Policy ? { Policy } : {}) } };
}

/** Our attributes, with the policy that stands; an empty text takes the policy away. */
function attributesOf(spec: Spec, arn: string, policy: PolicyDocument): Attributes {
  const written = withStatements(withoutStatements(policy, [SENDERS]), statementsOf(spec, arn));
  return {
    MessageRetentionPeriod: String(spec.retentionSeconds),
    SqsManagedSseEnabled: 'true',
    ...(spec.redrive ? { RedrivePolicy: redrivePolicy(spec.redrive) } : {}),
    Policy: written.Statement.length === 0 ? '' : JSON.stringify(written),
  };
}

/** As SQS takes it (SQS API reference, SetQueueAttributes). */
function redrivePolicy({ deadLetterArn, maxReceives }: NonNullable<Spec['redrive']>): string {
  return JSON.stringify({ deadLetterTargetArn: deadLetterArn, maxReceiveCount: String(maxReceives) });
}

/** EventBridge sends as the service, told by the rule (EventBridge user guide, "Using dead-letter queues to process undelivered events"). */
function statementsOf({ senders }: Spec, arn: string): Record<string, Record<string, unknown>> {
  if (senders.length === 0) return {};
  return {
    [SENDERS]: {
      Effect: 'Allow',
      Principal: { Service: 'events.amazonaws.com' },
      Action: 'sqs:SendMessage',
      Resource: arn,
      Condition: { ArnEquals: { 'aws:SourceArn': [...senders].sort() } },
    },
  };
}

/**
 * What nobody has read yet is not thrown away: the removal stays STUCK, thus seen, and goes on by itself once somebody has read or purged
 * the messages or their retention is over. The counts are approximate; the rules that send go first, so nothing more arrives.
 */
function refuseNotEmpty({ name }: Spec, held: Attributes): void {
  const count = [
    held.ApproximateNumberOfMessages,
    held.ApproximateNumberOfMessagesNotVisible,
    held.ApproximateNumberOfMessagesDelayed,
  ].reduce((sum, number) => sum + Number(number ?? 0), 0);
  if (count === 0) return;
  const message = `The queue ${name} holds about ${count} messages that nobody has read: read or purge them, then it is removed.`;
  throw new PermanentFailure('QueueNotEmpty', message);
}
