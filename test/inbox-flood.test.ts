import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { until } from '../src/demo/client.js';
import { GOVERNANCE_ACCOUNT } from '../src/demo/mesh.js';
import { graphql } from '../src/generated/graphql/gql.js';
import { atScale } from './faults/scale.js';
import { type Flows, openFlows } from './testkit/flows.js';
import { productOfTest } from './testkit/product.js';
import { type SandboxControl, sandboxControl } from './testkit/sandbox-control.js';

/** One domain floods the mesh with events that nobody registered; everybody else is heard as on any other day. */

const Register = graphql(`
  mutation FloodRegisterType($input: RegisterDomainEventTypeInput!) {
    registerDomainEventType(input: $input) { __typename }
  }
`);

const FLOOD = atScale({ quick: 800, soak: 2_000 });
/** What the flooding account has room for, of the 1,000 that an account can have held. */
const ROOM = atScale({ quick: 400, soak: 1_000 });
/** A receive and a turn, and what a busy machine takes. */
const SOON_MS = 8_000;

const product = await productOfTest({ demo: false });
const owner = new pg.Pool({ connectionString: product.ownerUrl, max: 2 });
afterAll(() => owner.end());

let flows: Flows;
let sandbox: SandboxControl;
beforeAll(async () => {
  sandbox = sandboxControl(product.sandbox);
  flows = await openFlows(product);
  const beta = await product.as('beta-owner');
  const input = { domain: flows.beta.id, detailType: 'ParcelSent', schema: { type: 'object' } };
  const { registerDomainEventType } = await beta(Register, { input });
  expect(registerDomainEventType.__typename).toBe('RegisterDomainEventTypePayload');
}, 120_000);

const put = (account: string, detailType: string, details: object[]) =>
  sandbox.asAdministrator(account, 'events:PutEvents', {
    Entries: details.map((detail) => ({
      ...{ EventBusName: 'meshgate', Source: 'com.example', DetailType: detailType, Detail: JSON.stringify(detail) },
    })),
  });

const flood = async () => {
  const batches = Array.from({ length: FLOOD / 10 }, (_, n) => n);
  const sender = async () => {
    for (let n = batches.pop(); n !== undefined; n = batches.pop()) {
      await put(
        flows.alpha.account,
        'NeverRegistered',
        [...Array(10).keys()].map((each) => ({ number: 10 * n! + each })),
      );
    }
  };
  await Promise.all([sender(), sender(), sender(), sender()]);
};

interface Queue {
  waiting: number;
  received: number;
}
const queue = async (name: string): Promise<Queue> => {
  const asked = { QueueUrl: `https://sqs/${GOVERNANCE_ACCOUNT}/${name}`, AttributeNames: ['All'] };
  const { Attributes } = await sandbox.asAdministrator<{ Attributes: Record<string, string> }>(
    GOVERNANCE_ACCOUNT,
    'sqs:GetQueueAttributes',
    asked,
  );
  return {
    waiting: Number(Attributes.ApproximateNumberOfMessages),
    received: Number(Attributes.ApproximateNumberOfMessagesNotVisible),
  };
};
const count = async (sql: string, ...values: unknown[]) => Number((await owner.query(sql, values)).rows[0].count);
const taken = (account: string) => count(`SELECT count(*) FROM "ReceivedEvent" WHERE "key" LIKE $1`, `${account}/%`);
const held = () => count(`SELECT count(*) FROM "QuarantinedEvent" WHERE "key" LIKE $1`, `${flows.alpha.account}/%`);
const crawlState = (account: string) =>
  sandbox.tellAsService(account, {
    source: 'aws.glue',
    detailType: 'Glue Crawler State Change',
    detail: { crawlerName: 'meshgate-flood', state: 'Succeeded' },
  });

/** Milliseconds until something is so. */
async function timeUntil(what: string, isSo: () => Promise<boolean>): Promise<number> {
  const began = Date.now();
  await until(what, async () => (await isSo()) || undefined, 120_000);
  return Date.now() - began;
}

test('a flood of one domain delays nobody else, nor what AWS tells of that domain, and nothing of it is lost', async () => {
  const before = await taken(flows.alpha.account);
  await owner.query(
    `INSERT INTO "QuarantinedEvent" ("id", "key", "account", "reason", "explanation", "body", "bytes")
     SELECT gen_random_uuid(), 'before/' || n, $1, 'UNKNOWN_TYPE', 'x', 'x', 1 FROM generate_series(1, $2::int) n`,
    [flows.alpha.account, 1_000 - ROOM],
  );
  await flood();
  const waits = async () => {
    const of = await Promise.all(['meshgate-inbox', 'meshgate-inbox-overflow'].map(queue));
    return of.reduce((sum, { waiting, received }) => sum + waiting + received, 0);
  };
  await put(flows.beta.account, 'ParcelSent', [{ parcel: 1 }]);
  await crawlState(flows.beta.account);
  await crawlState(flows.alpha.account);
  const soon = await timeUntil("the other domain's event and crawl, and the crawl of its own", async () => {
    const others = await taken(flows.beta.account);
    const own = (await taken(flows.alpha.account)) - before - (await held());
    return others === 2 && own === 1;
  });
  const left = await waits();
  expect(soon).toBeLessThan(SOON_MS);
  expect(left).toBeGreaterThan(FLOOD / 2);
  await until('the whole flood is judged', async () => (await waits()) === 0 || undefined, 120_000);
  expect(await count(`SELECT count(*) FROM "Event" WHERE "type" = 'DomainEventReceived'`)).toBe(1);
  expect(await held()).toBe(ROOM);
  expect(await queue('meshgate-inbox-undelivered')).toEqual({ waiting: FLOOD - ROOM, received: 0 });
}, 240_000);
