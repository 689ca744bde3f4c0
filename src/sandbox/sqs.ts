import { createHash } from 'node:crypto';
import { isAllowed, parseResourcePolicy } from './resource-policy.js';
import { AwsError, type Call, type Service, type Table, type World } from './service.js';
import {
  assertSeconds,
  checkedAttributes,
  DEFAULTS,
  invalidPolicy,
  MAX_MESSAGE_BYTES,
  withAttributes,
} from './sqs-attributes.js';
import { type Message, messagesOf, QUEUES, type Queue, receiveNow } from './sqs-queue.js';

/** For so long the name of a deleted queue is not given out again (SQS API reference, CreateQueue). */
const DELETED_RECENTLY_MS = 60_000;

/** Long polls that wait for a message: send wakes them, close ends them. */
class Waiting {
  private readonly waiters = new Map<string, Set<() => void>>();

  wake(queueArn: string): void {
    for (const resolve of this.waiters.get(queueArn) ?? []) resolve();
  }

  wakeAll(): void {
    for (const arn of this.waiters.keys()) this.wake(arn);
  }

  /** Resolves at a wake-up or after `ms`. */
  wait(queueArn: string, ms: number): Promise<void> {
    const waiters = this.waiters.get(queueArn) ?? new Set();
    this.waiters.set(queueArn, waiters);
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        waiters.delete(done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      waiters.add(done);
    });
  }
}

/** Amazon SQS, standard queues. `baseUrl` gives the sandbox's address for queue URLs; `close` ends waiting receivers. */
export function simpleQueueService(baseUrl: () => string): { service: Service; close(): void } {
  const waiting = new Waiting();
  let closed = false;
  const urlOf = ({ account, name }: Queue): string => `${baseUrl()}/${account}/${name}`;
  const service: Service = {
    CreateQueue: (call, world) => ({ QueueUrl: urlOf(createQueue(call, world)) }),
    DeleteQueue: deleteQueue,
    GetQueueUrl: (call, world) => ({ QueueUrl: urlOf(queueNamed(call, world)) }),
    ListQueues: (call, world) => ({ QueueUrls: listQueues(call, world).map(urlOf) }),
    GetQueueAttributes: getQueueAttributes,
    SetQueueAttributes: setQueueAttributes,
    PurgeQueue: purgeQueue,
    SendMessage: (call, world) =>
      sendMessage({ call, queue: queueOf(call, world), entry: call.parameters }, world, waiting),
    SendMessageBatch: (call, world) => {
      const queue = queueOf(call, world);
      assertBatchBytes(call);
      return inBatch(call, (entry) => sendMessage({ call, queue, entry }, world, waiting));
    },
    ReceiveMessage: (call, world) => receiveMessage(call, world, { waiting, isClosed: () => closed }),
    DeleteMessage: (call, world) => deleteMessage(queueOf(call, world), call.parameters.ReceiptHandle, world),
    DeleteMessageBatch: (call, world) => {
      const queue = queueOf(call, world);
      return inBatch(call, (entry) => deleteMessage(queue, entry.ReceiptHandle, world));
    },
    ChangeMessageVisibility: changeVisibility,
  };
  return {
    service,
    close() {
      closed = true;
      waiting.wakeAll();
    },
  };
}

function arnOf(region: string, account: string, name: string): string {
  return `arn:aws:sqs:${region}:${account}:${name}`;
}

/** A queue URL counts by its path alone, since the sandbox's port may change between starts. */
function queueOf(call: Call, world: World): Queue {
  const [, account = '', name = ''] = /\/(\d{12})\/([^/]+)$/.exec(String(call.parameters.QueueUrl)) ?? [];
  return allowed(call, world.table<Queue>(QUEUES).get(arnOf(call.region, account, name)));
}

function queueNamed(call: Call, world: World): Queue {
  const { QueueName: name, QueueOwnerAWSAccountId: owner = call.account } = call.parameters;
  return allowed(call, world.table<Queue>(QUEUES).get(arnOf(call.region, String(owner), String(name))));
}

function allowed(call: Call, queue: Queue | undefined): Queue {
  if (!queue) throw new AwsError('QueueDoesNotExist', 'The specified queue does not exist.');
  const isService = call.principal.endsWith('.amazonaws.com');
  const { Policy: text } = queue.attributes;
  const open = isAllowed(text ? parseResourcePolicy(text, invalidPolicy) : undefined, {
    principal: call.principal,
    account: isService ? undefined : call.account,
    action: `sqs:${call.operation.replace(/Batch$/, '')}`,
    resource: queue.arn,
    resourceAccount: queue.account,
    context: { 'aws:sourcearn': call.sourceArn, 'aws:sourceaccount': call.account },
  });
  if (open) return queue;
  const message = `User: ${call.principal} is not authorized to perform: sqs:${call.operation} on resource: ${queue.arn}`;
  throw new AwsError('AccessDenied', message, 403);
}

/** Creating a queue again with the same attributes answers its URL; with others it is refused. */
function createQueue(call: Call, world: World): Queue {
  const { QueueName: name, Attributes: given } = call.parameters;
  if (typeof name !== 'string' || !/^[\w-]{1,80}$/.test(name)) {
    throw new AwsError(
      'InvalidParameterValue',
      'Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length',
    );
  }
  const attributes = withAttributes(DEFAULTS, checkedAttributes(given));
  const table = world.table<Queue>(QUEUES);
  const arn = arnOf(call.region, call.account, name);
  const existing = table.get(arn);
  if (existing) {
    const same = Object.entries(checkedAttributes(given)).every(([key, value]) => existing.attributes[key] === value);
    if (same) return existing;
    throw new AwsError(
      'QueueNameExists',
      `A queue already exists with the same name and a different value for attributes`,
    );
  }
  const now = world.now().getTime();
  if (now - (deletions(world).get(arn)?.at ?? Number.NEGATIVE_INFINITY) < DELETED_RECENTLY_MS) {
    const message = 'You must wait 60 seconds after deleting a queue before you can create another with the same name.';
    throw new AwsError('QueueDeletedRecently', message);
  }
  deletions(world).delete(arn);
  const queue = { name, arn, account: call.account, attributes, createdAt: now };
  table.put(arn, queue);
  return queue;
}

function deleteQueue(call: Call, world: World): unknown {
  const queue = queueOf(call, world);
  clear(queue, world);
  world.table<Queue>(QUEUES).delete(queue.arn);
  deletions(world).put(queue.arn, { at: world.now().getTime() });
  return {};
}

/** When queues were deleted, in milliseconds since the epoch, by ARN. */
function deletions(world: World): Table<{ at: number }> {
  return world.table<{ at: number }>('sqs/deleted');
}

function purgeQueue(call: Call, world: World): unknown {
  clear(queueOf(call, world), world);
  return {};
}

function clear(queue: Queue, world: World): void {
  const messages = messagesOf(queue, world);
  for (const [id] of [...messages.entries()]) messages.delete(id);
}

function listQueues(call: Call, world: World): Queue[] {
  const { QueueNamePrefix: prefix = '' } = call.parameters;
  return [...world.table<Queue>(QUEUES).values()].filter((queue) =>
    queue.arn.startsWith(arnOf(call.region, call.account, prefix)),
  );
}

function getQueueAttributes(call: Call, world: World): unknown {
  const queue = queueOf(call, world);
  const now = world.now().getTime();
  const messages = [...messagesOf(queue, world).values()];
  const inFlight = messages.filter(({ visibleAt, receipt }) => visibleAt > now && receipt !== undefined).length;
  const delayed = messages.filter(({ visibleAt, receipt }) => visibleAt > now && receipt === undefined).length;
  const all: Record<string, string> = {
    ...queue.attributes,
    QueueArn: queue.arn,
    CreatedTimestamp: String(Math.floor(queue.createdAt / 1000)),
    ApproximateNumberOfMessages: String(messages.length - inFlight - delayed),
    ApproximateNumberOfMessagesNotVisible: String(inFlight),
    ApproximateNumberOfMessagesDelayed: String(delayed),
  };
  const names = (call.parameters.AttributeNames ?? []) as string[];
  const wanted = names.includes('All') ? Object.keys(all) : names;
  return {
    Attributes: Object.fromEntries(wanted.flatMap((name) => (all[name] === undefined ? [] : [[name, all[name]]]))),
  };
}

function setQueueAttributes(call: Call, world: World): unknown {
  const queue = queueOf(call, world);
  const attributes = withAttributes(queue.attributes, checkedAttributes(call.parameters.Attributes));
  world.table<Queue>(QUEUES).put(queue.arn, { ...queue, attributes });
  return {};
}

/** Per-entry results by Id, as every SQS batch answers. */
function inBatch(call: Call, act: (entry: Record<string, unknown>) => object): unknown {
  const entries = (call.parameters.Entries ?? []) as Record<string, unknown>[];
  if (entries.length === 0)
    throw new AwsError('EmptyBatchRequest', 'There should be at least one entry in the request.');
  if (entries.length > 10)
    throw new AwsError('TooManyEntriesInBatchRequest', 'Maximum number of entries per request are 10.');
  if (new Set(entries.map(({ Id }) => Id)).size < entries.length) {
    throw new AwsError('BatchEntryIdsNotDistinct', 'Two or more batch entries in the request have the same Id.');
  }
  const successful: object[] = [];
  const failed: object[] = [];
  for (const entry of entries) {
    try {
      successful.push({ Id: entry.Id, ...act(entry) });
    } catch (error) {
      if (!(error instanceof AwsError)) throw error;
      failed.push({ Id: entry.Id, Code: error.code, Message: error.message, SenderFault: error.status < 500 });
    }
  }
  return { Successful: successful, Failed: failed };
}

/** SQS API reference, SendMessageBatch: the bodies together are no longer than one message may be. */
function assertBatchBytes({ parameters }: Call): void {
  const entries = (parameters.Entries ?? []) as { MessageBody?: unknown }[];
  const bytes = entries.reduce((sum, { MessageBody: body }) => sum + Buffer.byteLength(String(body ?? '')), 0);
  if (bytes <= MAX_MESSAGE_BYTES) return;
  const message = `Batch requests cannot be longer than ${MAX_MESSAGE_BYTES} bytes. You have sent ${bytes} bytes.`;
  throw new AwsError('BatchRequestTooLong', message);
}

function sendMessage(
  { queue, entry }: { call: Call; queue: Queue; entry: Record<string, unknown> },
  world: World,
  waiting: Waiting,
): { MessageId: string; MD5OfMessageBody: string } {
  const {
    MessageBody: body,
    DelaySeconds: delay = queue.attributes.DelaySeconds,
    MessageAttributes: attributes,
    MessageGroupId: group,
  } = entry;
  if (typeof body !== 'string' || body === '')
    throw new AwsError('MissingParameter', 'The request must contain the parameter MessageBody.');
  if (Buffer.byteLength(body) > Number(queue.attributes.MaximumMessageSize)) {
    throw new AwsError(
      'InvalidParameterValue',
      'One or more parameters are invalid. Reason: Message must be shorter than the maximum size.',
    );
  }
  assertSeconds('DelaySeconds', Number(delay));
  if (group !== undefined && !(typeof group === 'string' && /^[!-~]{1,128}$/.test(group))) {
    throw new AwsError('InvalidParameterValue', `Value ${String(group)} for parameter MessageGroupId is invalid.`);
  }
  const now = world.now().getTime();
  const message: Message = { id: world.id(), body, sentAt: now, visibleAt: now + Number(delay) * 1000, receives: 0 };
  if (attributes) message.attributes = attributes as NonNullable<Message['attributes']>;
  if (group !== undefined) message.group = group;
  messagesOf(queue, world).put(message.id, message);
  waiting.wake(queue.arn);
  return { MessageId: message.id, MD5OfMessageBody: createHash('md5').update(body).digest('hex') };
}

async function receiveMessage(
  call: Call,
  world: World,
  { waiting, isClosed }: { waiting: Waiting; isClosed: () => boolean },
): Promise<unknown> {
  const first = queueOf(call, world);
  const seconds = Number(call.parameters.WaitTimeSeconds ?? first.attributes.ReceiveMessageWaitTimeSeconds);
  assertSeconds('WaitTimeSeconds', seconds);
  const deadline = world.now().getTime() + seconds * 1000;
  for (;;) {
    if (call.isGone?.()) return {};
    const { messages, nextVisibleAt } = receiveNow({ call, queue: queueOf(call, world) }, world);
    const now = world.now().getTime();
    if (messages.length > 0) return { Messages: messages };
    if (now >= deadline || isClosed()) return {};
    await waiting.wait(first.arn, Math.max(1, Math.min(deadline, nextVisibleAt) - now));
  }
}

function deleteMessage(queue: Queue, receipt: unknown, world: World): Record<string, never> {
  const { messages, message } = byReceipt(queue, receipt, world);
  // An old receipt of a message that is visible again, or gone, succeeds without effect.
  if (!message || message.receipt !== receipt) return {};
  messages.delete(message.id);
  return {};
}

function byReceipt(queue: Queue, receipt: unknown, world: World) {
  const id = /^([\w-]+)\.[\w-]+$/.exec(String(receipt))?.[1];
  if (!id) throw new AwsError('ReceiptHandleIsInvalid', 'The input receipt handle is invalid.');
  const messages = messagesOf(queue, world);
  return { messages, message: messages.get(id) };
}

function changeVisibility(call: Call, world: World): unknown {
  const { messages, message } = byReceipt(queueOf(call, world), call.parameters.ReceiptHandle, world);
  const seconds = Number(call.parameters.VisibilityTimeout);
  assertSeconds('VisibilityTimeout', seconds);
  if (!message || message.receipt !== call.parameters.ReceiptHandle) {
    throw new AwsError('MessageNotInflight', 'The message referred to is not in flight.');
  }
  messages.put(message.id, { ...message, visibleAt: world.now().getTime() + seconds * 1000 });
  return {};
}
