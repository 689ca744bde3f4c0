import { createHash } from 'node:crypto';
import type { Call, Table, World } from './service.js';

/** A queue as stored, keyed by its ARN. */
export interface Queue {
  name: string;
  arn: string;
  account: string;
  attributes: Record<string, string>;
  /** Milliseconds since the epoch. */
  createdAt: number;
}

/** A message as stored; times in milliseconds since the epoch. It is hidden until `visibleAt`. */
export interface Message {
  id: string;
  body: string;
  attributes?: Record<string, object>;
  sentAt: number;
  visibleAt: number;
  receives: number;
  firstReceivedAt?: number;
  receipt?: string;
  /** The tenant that a queue is fair to. */
  group?: string;
}

/** The table of queues. */
export const QUEUES = 'sqs/queues';

/** The messages of one queue in order of arrival, keyed by id. */
export function messagesOf(queue: Queue, world: World): Table<Message> {
  return world.table<Message>(`sqs/messages/${queue.arn}`);
}

/**
 * Takes up to MaxNumberOfMessages visible messages and hides them for the visibility timeout; `nextVisibleAt` says when
 * looking again pays. Messages past retention go away, and those received too often go to the dead-letter queue.
 */
export function receiveNow(
  { call, queue }: { call: Call; queue: Queue },
  world: World,
): { messages: Record<string, unknown>[]; nextVisibleAt: number } {
  const { MaxNumberOfMessages: most = 1, VisibilityTimeout: timeout = queue.attributes.VisibilityTimeout } =
    call.parameters;
  const now = world.now().getTime();
  const table = messagesOf(queue, world);
  const received: Record<string, unknown>[] = [];
  let nextVisibleAt = Number.POSITIVE_INFINITY;
  for (const message of quietFirst([...table.values()], now)) {
    if (received.length >= Number(most)) break;
    if (message.sentAt + Number(queue.attributes.MessageRetentionPeriod) * 1000 < now) table.delete(message.id);
    else if (message.visibleAt > now) nextVisibleAt = Math.min(nextVisibleAt, message.visibleAt);
    else if (!movedToDeadLetters({ queue, message }, world)) {
      const taken: Message = {
        ...message,
        receives: message.receives + 1,
        firstReceivedAt: message.firstReceivedAt ?? now,
        visibleAt: now + Number(timeout) * 1000,
        receipt: `${message.id}.${world.id()}`,
      };
      table.put(taken.id, taken);
      received.push(wireForm(taken, call.parameters));
    }
  }
  return { messages: received, nextVisibleAt };
}

/** A group is noisy that has so many messages, and so large a share, of those in flight (SQS developer guide, "How fair queues work"). */
const NOISY = { count: 30, share: 0.1 };

/** Messages in the order in which they are given out: those of noisy groups after the others'. */
function quietFirst(messages: Message[], now: number): Message[] {
  const inFlight = messages.filter(({ visibleAt, receipt }) => visibleAt > now && receipt !== undefined);
  const counts = new Map<string, number>();
  for (const { group } of inFlight) if (group !== undefined) counts.set(group, (counts.get(group) ?? 0) + 1);
  const isNoisy = ({ group }: Message): boolean => {
    const count = counts.get(group ?? '') ?? 0;
    return count >= NOISY.count && count > NOISY.share * inFlight.length;
  };
  return [...messages.filter((message) => !isNoisy(message)), ...messages.filter(isNoisy)];
}

function wireForm(message: Message, parameters: Call['parameters']): Record<string, unknown> {
  const all: Record<string, string> = {
    SentTimestamp: String(message.sentAt),
    ...(message.group === undefined ? {} : { MessageGroupId: message.group }),
    ApproximateReceiveCount: String(message.receives),
    ApproximateFirstReceiveTimestamp: String(message.firstReceivedAt),
  };
  const names = [...(parameters.MessageSystemAttributeNames ?? []), ...(parameters.AttributeNames ?? [])] as string[];
  const wanted = names.includes('All') ? Object.keys(all) : names.filter((name) => name in all);
  const attributeNames = (parameters.MessageAttributeNames ?? []) as string[];
  const every = attributeNames.includes('All') || attributeNames.includes('.*');
  const custom = Object.entries(message.attributes ?? {}).filter(([name]) => every || attributeNames.includes(name));
  return {
    MessageId: message.id,
    ReceiptHandle: message.receipt,
    MD5OfBody: createHash('md5').update(message.body).digest('hex'),
    Body: message.body,
    ...(wanted.length > 0 && { Attributes: Object.fromEntries(wanted.map((name) => [name, all[name]])) }),
    ...(custom.length > 0 && { MessageAttributes: Object.fromEntries(custom) }),
  };
}

/** RedrivePolicy: a message received maxReceiveCount times moves to the dead-letter queue instead of being received again. */
function movedToDeadLetters({ queue, message }: { queue: Queue; message: Message }, world: World): boolean {
  const policy = queue.attributes.RedrivePolicy;
  if (!policy) return false;
  const { deadLetterTargetArn, maxReceiveCount } = JSON.parse(policy) as {
    deadLetterTargetArn: string;
    maxReceiveCount: number;
  };
  const target = world.table<Queue>(QUEUES).get(deadLetterTargetArn);
  if (!target || message.receives < Number(maxReceiveCount)) return false;
  messagesOf(queue, world).delete(message.id);
  const { receipt: _receipt, ...moved } = message;
  messagesOf(target, world).put(message.id, moved);
  return true;
}
