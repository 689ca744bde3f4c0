import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeAll, expect, test } from 'vitest';
import { type Execute, payload, until } from '../src/demo/client.js';
import { GOVERNANCE_ACCOUNT } from '../src/demo/mesh.js';
import { graphql } from '../src/generated/graphql/gql.js';
import { CONSUMER_ACCOUNT, type MainJob, mainJob, PRODUCER_ACCOUNT, reader } from './testkit/access.js';
import { productOfTest } from './testkit/product.js';
import { readable, sandboxControl } from './testkit/sandbox-control.js';

const product = await productOfTest();
const sandbox = sandboxControl(product.sandbox);
const SHIPMENTS = 'logistics/shipments';
const STOCK = 'logistics/warehouse-stock';

let admin: Execute;
let job: MainJob;
let shipments: Map<string, string[]>;

beforeAll(async () => {
  admin = await product.as('ada.admin');
  job = mainJob({ requester: await product.as('oskar.lind'), decider: await product.as('tomasz.nowak') });
  shipments = await job.columnsOf(SHIPMENTS);
});

afterEach(() => sandbox.clearFaults());

const reads = (principals: string[], path = SHIPMENTS, columns = shipments) =>
  readable(sandbox, { account: CONSUMER_ACCOUNT, path, columns, principals });
/** What `readable` answers for these. */
const cells = (name: string, table: string, columns = shipments.get(table) ?? []) =>
  columns.map((column) => `${name} ${table}.${column}`);

test('approval opens exactly the tables and columns asked for to exactly the principals asked for; revoking closes them', async () => {
  const [anna, ben, stranger] = [reader('anna'), reader('ben'), reader('stranger')];
  const everybody = [anna, ben, stranger];
  expect([...shipments.keys()]).toEqual(expect.arrayContaining(['shipments', 'shipment_events']));
  const request = await job.request({
    principals: [anna, ben],
    tables: ['shipments', 'shipment_events'],
    columns: ['shipments.carrier_code', 'shipments.shipment_id'],
  });
  expect(await reads(everybody)).toEqual([]);
  const grant = await job.approve(request);
  await job.reached(grant, 'ACTIVE');
  expect(await reads(everybody)).toEqual(
    ['anna', 'ben']
      .flatMap((name) => [
        ...cells(name, 'shipments', ['carrier_code', 'shipment_id']),
        ...cells(name, 'shipment_events'),
      ])
      .sort(),
  );
  expect(await reads([anna, ben], STOCK, await job.columnsOf(STOCK))).toEqual([]);
  await job.revoke(grant);
  await job.reached(grant, 'REVOKED');
  expect(await reads(everybody)).toEqual([]);
});

test('of two grants that overlap, the end of one leaves exactly what the other gives', async () => {
  const [carla, dirk] = [reader('carla'), reader('dirk')];
  const tables = ['shipments'];
  const first = await job.grant({ principals: [carla], tables, columns: ['shipment_id', 'order_id'] });
  const second = await job.grant({ principals: [carla, dirk], tables, columns: ['order_id', 'weight_grams'] });
  const ofDirk = cells('dirk', 'shipments', ['order_id', 'weight_grams']);
  expect(await reads([carla, dirk])).toEqual([
    ...cells('carla', 'shipments', ['order_id', 'shipment_id', 'weight_grams']),
    ...ofDirk,
  ]);
  await job.revoke(first);
  await job.reached(first, 'REVOKED');
  expect(await reads([carla, dirk])).toEqual([...cells('carla', 'shipments', ['order_id', 'weight_grams']), ...ofDirk]);
  await job.revoke(second);
  await job.reached(second, 'REVOKED');
  expect(await reads([carla, dirk])).toEqual([]);
});

test('grants go out in batches, in each account under the role of its domain', async () => {
  const principals = Array.from({ length: 5 }, (_, n) => reader(`batch-${n}`));
  const calls = await sandbox.callsDuring(() => job.grant({ principals }));
  const granting = calls.filter(({ operation }) => operation.includes('GrantPermissions'));
  expect(granting.filter(({ operation }) => operation !== 'BatchGrantPermissions')).toEqual([]);
  const entries = (account: string) =>
    granting.filter((call) => call.account === account).map(({ parameters }) => parameters.Entries.length as number);
  // Two tables for each; in the consumer's account both links and the local database.
  expect(entries(GOVERNANCE_ACCOUNT)).toEqual([10]);
  expect(entries(CONSUMER_ACCOUNT).reduce((sum, one) => sum + one, 0)).toBe(15);
  expect(entries(CONSUMER_ACCOUNT).length).toBeLessThanOrEqual(3);
  const roles = new Set(granting.map(({ account, principal }) => `${account} ${principal}`));
  expect([...roles].sort()).toEqual([
    `${GOVERNANCE_ACCOUNT} arn:aws:iam::${GOVERNANCE_ACCOUNT}:role/meshgate`,
    `${CONSUMER_ACCOUNT} arn:aws:iam::${CONSUMER_ACCOUNT}:role/meshgate`,
  ]);
  const assumed = granting.filter(({ account }) => account === CONSUMER_ACCOUNT);
  expect(assumed.filter(({ session }) => !session)).toEqual([]);
});

test('the central bus delivers the grant to the buses of the two domains concerned, and to no other', async () => {
  const grant = await job.grant({ principals: [reader('events')] });
  const granted = async (account: string) =>
    (await sandbox.deliveries(account)).filter(
      ({ kind, event }) =>
        kind === 'arrival' && event['detail-type'] === 'AccessGranted' && event.detail.subject.id === grant,
    );
  const arrived = (account: string) =>
    until(`AccessGranted in ${account}`, async () => {
      const found = await granted(account);
      return found.length > 0 ? found : undefined;
    });
  for (const account of [GOVERNANCE_ACCOUNT, CONSUMER_ACCOUNT, PRODUCER_ACCOUNT]) {
    const found = await arrived(account);
    expect(found).toHaveLength(1);
    expect(found[0]?.bus).toBe(account === GOVERNANCE_ACCOUNT ? 'central-mesh-bus' : 'meshgate');
    expect(found[0]?.event.detail.audience.toSorted()).toEqual(['finance', 'logistics']);
    expect(found[0]?.event.source).toBe('meshgate');
  }
  for (const account of ['222233334444', '555566667777']) expect(await granted(account)).toEqual([]);
});

test("an event that a domain's bus refuses waits in the queue of the domain, with the reason", async () => {
  const statement = { EventBusName: 'meshgate', StatementId: 'meshgate' };
  await sandbox.asAdministrator(CONSUMER_ACCOUNT, 'events:RemovePermission', statement);
  const grant = await job.grant({ principals: [reader('refused')] });
  const QueueUrl = `https://sqs.amazonaws.com/${GOVERNANCE_ACCOUNT}/meshgate-undelivered-finance`;
  interface Received {
    Messages?: { Body: string; ReceiptHandle: string; MessageAttributes: Record<string, { StringValue: string }> }[];
  }
  const kept = await until('the event in the queue', async () => {
    const { Messages = [] } = await sandbox.asAdministrator<Received>(GOVERNANCE_ACCOUNT, 'sqs:ReceiveMessage', {
      QueueUrl,
      MaxNumberOfMessages: 10,
      MessageAttributeNames: ['All'],
    });
    return Messages.find(({ Body }) => {
      const event = JSON.parse(Body) as { 'detail-type': string; detail: { subject: { id: string } } };
      return event['detail-type'] === 'AccessGranted' && event.detail.subject.id === grant;
    });
  });
  expect(kept.MessageAttributes).toMatchObject({
    RULE_ARN: { StringValue: expect.stringMatching(/:rule\/central-mesh-bus\/domain-finance$/) },
    TARGET_ARN: { StringValue: expect.stringContaining(`:${CONSUMER_ACCOUNT}:event-bus/meshgate`) },
    ERROR_CODE: { StringValue: 'NO_PERMISSIONS' },
  });
  await sandbox.asAdministrator(CONSUMER_ACCOUNT, 'events:PutPermission', {
    ...statement,
    Action: 'events:PutEvents',
    Principal: GOVERNANCE_ACCOUNT,
  });
});

test('an approval while AWS throttles three calls in ten for seconds ends with the grant and exactly its columns', async () => {
  await sandbox.addFaults({ service: '*', operation: '*', kind: 'throttle', rate: 0.3, seed: 7 });
  const grant = await job.approve(
    await job.request({ principals: [reader('patient')], tables: ['shipments'], columns: ['order_id'] }),
  );
  await sleep(3_000);
  expect((await sandbox.fired())[0]).toBeGreaterThan(2);
  await sandbox.clearFaults();
  await job.reached(grant, 'ACTIVE');
  expect(await reads([reader('patient')])).toEqual(cells('patient', 'shipments', ['order_id']));
}, 40_000);

const Register = graphql(`
  mutation MainJobRegisterDomain($input: RegisterDomainInput!) {
    registerDomain(input: $input) {
      __typename
      ... on RegisterDomainPayload { domain { id } }
      ... on UserError { code message }
    }
  }
`);

const DomainResources = graphql(`
  query MainJobDomain($name: String!) {
    domain(by: { name: $name }) {
      status
      resources(first: 50) { nodes { kind account status lastError { code message } } }
    }
  }
`);

test('a domain whose role may not be assumed says why on its AWS objects, and completes once it may', async () => {
  const account = '666677778888';
  await sandbox.addAccounts(account);
  await sandbox.addFaults({ service: 'sts', operation: 'AssumeRole', kind: 'access-denied', rate: 1 });
  const input = {
    name: 'returns',
    displayName: 'Returns',
    awsAccountId: account,
    awsRegion: 'eu-west-1',
    roleArn: `arn:aws:iam::${account}:role/meshgate`,
    dataLocation: 's3://meshgate-demo-returns/data',
    manageSettings: true,
    owners: ['rita.returns'],
  };
  payload((await admin(Register, { input })).registerDomain);
  const state = async () => (await admin(DomainResources, { name: 'returns' })).domain;
  const ofAccount = async () => (await state())?.resources.nodes.filter((one) => one.account === account) ?? [];
  // The others stand on these, and are not tried before; the rules are those of the account's default bus.
  const refused = await until(
    'the AWS objects that nothing keeps waiting say why',
    async () => {
      const found = (await ofAccount()).filter(({ lastError }) => lastError);
      return found.length === 4 ? found : undefined;
    },
    10_000,
  );
  expect(refused.map(({ kind }) => kind).sort()).toEqual(['DataLakeSettings', 'EventBus', 'EventRule', 'EventRule']);
  for (const { lastError } of refused) {
    expect(lastError?.code).toBe('AccessDenied');
    expect(lastError?.message).toMatch(/role\/meshgate cannot be assumed: .*trust policy/);
  }
  expect((await ofAccount()).filter(({ status }) => status !== 'PENDING')).toEqual([]);
  expect((await state())?.status).toBe('REGISTERING');
  await sandbox.clearFaults();
  await until('the domain is ready', async () => ((await state())?.status === 'READY' ? true : undefined), 30_000);
  const ready = (await state())?.resources.nodes ?? [];
  expect(ready.filter(({ status, lastError }) => status !== 'READY' || lastError)).toEqual([]);
}, 50_000);
