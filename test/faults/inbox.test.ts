import { beforeAll, expect, test } from 'vitest';
import { until } from '../../src/demo/client.js';
import { type MeshProcess, processMeshOfTest } from '../testkit/process-mesh.js';

/** A worker is killed by the kernel at each step of taking a message in: whatever was told is in the log once. */
const ACCOUNT = '222233334444';
const mesh = await processMeshOfTest({ accounts: [ACCOUNT] });
let worker: MeshProcess;

beforeAll(async () => {
  const api = await mesh.api();
  await api.start();
  worker = await mesh.worker();
  await worker.start();
  const token = await mesh.tokenOf('admin');
  const ask = async (query: string, input: object) => {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
    const body = JSON.stringify({ query, variables: { input } });
    return JSON.stringify(await (await fetch(`${api.url()}/graphql`, { method: 'POST', headers, body })).json());
  };
  const registered = await ask(
    `mutation ($input: RegisterDomainInput!) { registerDomain(input: $input) { ... on RegisterDomainPayload { domain { id } } } }`,
    {
      ...{ name: 'sales', displayName: 'Sales', awsAccountId: ACCOUNT, awsRegion: 'eu-west-1', owners: ['owner'] },
      ...{
        roleArn: `arn:aws:iam::${ACCOUNT}:role/meshgate`,
        dataLocation: 's3://sales-lake/data',
        manageSettings: true,
      },
    },
  );
  const domain = /"id":"([^"]+)"/.exec(registered)?.[1];
  const type = { domain, detailType: 'SaleRecorded', schema: { type: 'object' } };
  expect(
    await ask(
      `mutation ($input: RegisterDomainEventTypeInput!) { registerDomainEventType(input: $input) { __typename } }`,
      type,
    ),
  ).toContain('RegisterDomainEventTypePayload');
  await until(
    'a READY domain',
    async () => (await mesh.query(`SELECT FROM "Domain" WHERE "status" = 'READY'`)).length === 1 || undefined,
    60_000,
  );
}, 120_000);

const put = (sale: string) =>
  mesh.sandbox.asAdministrator(ACCOUNT, 'events:PutEvents', {
    Entries: [
      { EventBusName: 'meshgate', Source: 'shop', DetailType: 'SaleRecorded', Detail: JSON.stringify({ sale }) },
    ],
  });
const salesTold = async () =>
  (
    await mesh.query<{ sale: string }>(
      `SELECT "data"->'detail'->>'sale' AS "sale" FROM "Event" WHERE "type" = 'DomainEventReceived' ORDER BY 1`,
    )
  ).map(({ sale }) => sale);

const NOTED = 'INSERT INTO "ReceivedEvent"';
const commit = (when: 'before' | 'after') =>
  worker.postgres.hold({
    when,
    matches: ({ sql, transaction }) => /^commit/i.test(sql) && transaction.some((text) => text.includes(NOTED)),
  });
const POINTS: [string, () => Promise<unknown>][] = [
  ['after it was received', () => worker.aws.hold({ when: 'after', operation: 'ReceiveMessage', nth: 2 })],
  ['after it was noted', () => worker.postgres.hold({ when: 'after', matches: ({ sql }) => sql.includes(NOTED) })],
  ['before the commit', () => commit('before')],
  ['after the commit', () => commit('after')],
  ['before the message is deleted', () => worker.aws.hold({ when: 'before', operation: 'DeleteMessageBatch' })],
  ['after the message is deleted', () => worker.aws.hold({ when: 'after', operation: 'DeleteMessageBatch' })],
];

test('nothing is lost and nothing is told twice, wherever the worker dies', async () => {
  const sales: string[] = [];
  for (const [name, hold] of POINTS) {
    const reached = hold();
    let met = false;
    void reached.then(() => {
      met = true;
    });
    while (!met) {
      sales.push(`${sales.length}`.padStart(3, '0'));
      await put(sales.at(-1) as string);
      await Promise.race([reached, new Promise((resolve) => setTimeout(resolve, 2_000))]);
      if (sales.length > 40) throw new Error(`Nothing came to the point ${name}.`);
    }
    await worker.kill();
    await worker.start();
  }
  await until('all are told', async () => (await salesTold()).length >= sales.length || undefined, 60_000);
  // What was received by the dead comes again; nobody hears of it twice.
  await until(
    'an empty queue',
    async () => {
      const { Attributes } = await mesh.sandbox.asAdministrator<{ Attributes: Record<string, string> }>(
        '111122223333',
        'sqs:GetQueueAttributes',
        { QueueUrl: 'https://sqs/111122223333/meshgate-inbox', AttributeNames: ['All'] },
      );
      const counts = [Attributes.ApproximateNumberOfMessages, Attributes.ApproximateNumberOfMessagesNotVisible];
      return counts.every((count) => count === '0') || undefined;
    },
    60_000,
  );
  expect(await salesTold()).toEqual(sales);
}, 240_000);
