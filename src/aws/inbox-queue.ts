import {
  DeleteMessageBatchCommand,
  GetQueueUrlCommand,
  type Message,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import type { InboxMessage, InboxQueue, SentOn } from '../events/inbox-queue.js';
import { isNamed } from './errors.js';

/** How long a receive waits for messages: the longest that SQS does (SQS API reference, ReceiveMessage). */
const WAIT_SECONDS = 20;
/** Ten messages are the most that a call answers, deletes or sends. */
const MOST_MESSAGES = 10;
/** Bytes that a call sends: what SQS took of old; one message may be larger (SQS developer guide, message quotas). */
const MOST_BYTES = 262_144;
/** What a request may take beyond its waiting. */
const SPARE_MS = 5_000;

/** Which queue, and for how long a message that was received is hidden from other receivers. */
export interface InboxQueueOptions {
  queue: string;
  hiddenSeconds: number;
  /** The client of the governance account; asked for again where it could not be had. */
  client: () => Promise<SQSClient>;
}

/** A queue of the inbox. Its address is asked for once, and again where the queue is gone. */
export function createInboxQueue({ queue, hiddenSeconds, client }: InboxQueueOptions): InboxQueue {
  let url: string | undefined;

  /** What the work answers; null where there is no such queue, as no domain was registered yet. */
  async function atQueue<T>(work: (sqs: SQSClient, QueueUrl: string) => Promise<T>): Promise<T | null> {
    const sqs = await client();
    try {
      url ??= (await sqs.send(new GetQueueUrlCommand({ QueueName: queue }))).QueueUrl;
      return url === undefined ? null : await work(sqs, url);
    } catch (error) {
      if (!isNamed(error, 'QueueDoesNotExist', 'AWS.SimpleQueueService.NonExistentQueue')) throw error;
      url = undefined;
      return null;
    }
  }

  return {
    receive: (signal) =>
      atQueue(async (sqs, QueueUrl) => {
        const asked = {
          QueueUrl,
          MaxNumberOfMessages: MOST_MESSAGES,
          WaitTimeSeconds: WAIT_SECONDS,
          VisibilityTimeout: hiddenSeconds,
        };
        const requestTimeout = WAIT_SECONDS * 1_000 + SPARE_MS;
        const { Messages = [] } = await sqs.send(new ReceiveMessageCommand(asked), {
          abortSignal: signal,
          requestTimeout,
        });
        return Messages.map((message) => messageOf(message, Date.now() + hiddenSeconds * 800));
      }),
    remove: async (receipts) => {
      await atQueue(async (sqs, QueueUrl) => {
        const Entries = receipts.map((ReceiptHandle, index) => ({ Id: String(index), ReceiptHandle }));
        const { Failed = [] } = await sqs.send(new DeleteMessageBatchCommand({ QueueUrl, Entries }));
        // It comes again, and is known then.
        if (Failed.length > 0) throw new Error(`SQS did not delete ${Failed.length} messages: ${Failed[0]?.Code}`);
      });
    },
    send: async (messages) => {
      const sent = await atQueue(async (sqs, QueueUrl) => {
        const taken: typeof messages = [];
        for (const batch of inBatches(messages)) {
          const Entries = batch.map(({ body, lane }, index) => ({
            Id: String(index),
            MessageBody: body,
            MessageGroupId: lane,
          }));
          const { Successful = [] } = await sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries }));
          const ids = new Set(Successful.map(({ Id }) => Id));
          taken.push(...batch.filter((_, index) => ids.has(String(index))));
        }
        return taken;
      });
      return sent ?? [];
    },
  };
}

/** As many as a call sends, in number and bytes. */
function inBatches<Message extends SentOn>(messages: Message[]): Message[][] {
  const batches: Message[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const message of messages) {
    const size = Buffer.byteLength(message.body);
    const last = batches.at(-1);
    bytes += size;
    if (last === undefined || last.length >= MOST_MESSAGES || bytes > MOST_BYTES) {
      batches.push([message]);
      bytes = size;
    } else last.push(message);
  }
  return batches;
}

/** Nobody else receives it while it is hidden; a fifth of that time is left for taking it. */
function messageOf(
  { MessageId: id = '', Body: body = '', ReceiptHandle: receipt = '' }: Message,
  freshUntil: number,
): InboxMessage {
  return { id, body, receipt, freshUntil };
}
