import { CreateQueueCommand } from '@aws-sdk/client-sqs';
import { expect, test } from 'vitest';
import { createInboxQueue } from '../../src/aws/inbox-queue.js';
import { clientsOf, sandboxOfTest } from '../sandbox/testkit.js';

const sandbox = await sandboxOfTest();
const { sqs } = clientsOf(sandbox);
const queueOf = (queue: string) => createInboxQueue({ queue, hiddenSeconds: 60, client: async () => sqs });
const never = new AbortController().signal;

test('a queue that is not there has nothing, and takes nothing', async () => {
  const queue = queueOf('nowhere');
  expect(await queue.receive(never)).toBeNull();
  expect(await queue.send([{ body: 'x', lane: 'a' }])).toEqual([]);
});

test('messages are sent in as many calls as they need, by number and by bytes, and arrive as they were', async () => {
  await sqs.send(new CreateQueueCommand({ QueueName: 'overflow' }));
  const queue = queueOf('overflow');
  const sizes = [...Array(12).fill(200_000), ...Array(25).fill(10), 1_000_000];
  const messages = sizes.map((size, n) => ({ body: `${n}/${'é'.repeat(size / 2)}`, lane: '111122223333/aws' }));
  expect(await queue.send(messages)).toEqual(messages);
  const bodies: string[] = [];
  while (bodies.length < messages.length) {
    const received = (await queue.receive(never)) ?? [];
    bodies.push(...received.map(({ body }) => body));
    // Of the minute for which they are hidden, a fifth is left for taking them.
    for (const { freshUntil } of received) expect(Math.abs(freshUntil - Date.now() - 48_000)).toBeLessThan(5_000);
    await queue.remove(received.map(({ receipt }) => receipt));
  }
  expect(bodies.sort()).toEqual(messages.map(({ body }) => body).sort());
});
