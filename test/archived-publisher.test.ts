import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { payload, until } from '../src/demo/client.js';
import { DEMO_ACCOUNTS, DEMO_REGION, GOVERNANCE_ACCOUNT } from '../src/demo/mesh.js';
import { type ArchiveStep, archiveLog } from '../src/events/archive.js';
import { graphql } from '../src/generated/graphql/gql.js';
import { centralBus, followCentralBus } from '../src/governance/central-bus.js';
import { resourceId } from '../src/provisioning/resource.js';
import { openDatabase } from '../src/server/database.js';
import { MESH } from './governance/mesh.js';
import { productOfTest } from './testkit/product.js';
import { sandboxControl } from './testkit/sandbox-control.js';

const Publisher = graphql(`
  query ArchivedPublisher {
    publisher { paused position eventsBehind failureCode failureMessage deadLetterCount }
  }
`);
const Pause = graphql(`
  mutation ArchivedPause($input: PausePublisherInput!) {
    pausePublisher(input: $input) {
      __typename
      ... on PausePublisherPayload { publisher { paused } }
      ... on UserError { code message }
    }
  }
`);
const Resume = graphql(`
  mutation ArchivedResume($input: ResumePublisherInput!) {
    resumePublisher(input: $input) {
      __typename
      ... on ResumePublisherPayload { publisher { paused } leftOut { first last } }
      ... on UserError { code message }
    }
  }
`);
const RegisterDomain = graphql(`
  mutation ArchivedRegisterDomain($input: RegisterDomainInput!) {
    registerDomain(input: $input) {
      __typename
      ... on RegisterDomainPayload { domain { id } }
      ... on UserError { code message }
    }
  }
`);
const Update = graphql(`
  mutation ArchivedUpdateDomain($input: UpdateDomainInput!) {
    updateDomain(input: $input) {
      __typename
      ... on UpdateDomainPayload { domain { id } }
      ... on UserError { code message }
    }
  }
`);
const Events = graphql(`
  query ArchivedEvents { events(first: 100, filter: { types: [PUBLISHER_RESUMED] }) { nodes { data } } }
`);

const product = await productOfTest({ demo: false });
const sandbox = sandboxControl(product.sandbox);
const admin = await product.as('ada.admin');
const folder = mkdtempSync(join(tmpdir(), 'meshgate-archived-'));
const owner = new pg.Pool({ connectionString: product.ownerUrl, max: 2 });
/** The log's first partition ends here. */
const LAST = 12;
let domain = '';

afterAll(async () => {
  await owner.end();
  rmSync(folder, { recursive: true, force: true });
});
beforeAll(async () => {
  const account = String(DEMO_ACCOUNTS[0]);
  const input = {
    ...{ name: 'commerce', displayName: 'Commerce', awsAccountId: account, awsRegion: DEMO_REGION },
    ...{ roleArn: `arn:aws:iam::${account}:role/meshgate`, dataLocation: 's3://commerce-lake/data' },
    ...{ manageSettings: true, owners: ['lena.fischer'] },
  };
  const registered = payload((await admin(RegisterDomain, { input })).registerDomain);
  domain = ('domain' in registered && registered.domain?.id) || '';
  for (let n = 0; n < LAST + 3; n += 1) await happen();
  await untilAllSent();
  await cutLog();
});
beforeEach(untilAllSent);

async function state() {
  const { publisher } = await admin(Publisher);
  if (!publisher) throw new Error('An admin sees the publisher.');
  return publisher;
}

async function untilAllSent(): Promise<void> {
  await until('all is sent', async () => {
    const { rows } = await owner.query<{ busy: boolean }>(
      `SELECT EXISTS (SELECT FROM "EventPending") OR EXISTS (SELECT FROM "Resource" WHERE "status" <> 'READY')
         OR EXISTS (SELECT FROM "Domain" WHERE "status" <> 'READY') AS busy`,
    );
    return !rows[0]?.busy && (await state()).eventsBehind === 0 ? true : undefined;
  });
}

let made = 0;
/** Makes something happen: one event. */
async function happen(): Promise<void> {
  made += 1;
  payload((await admin(Update, { input: { domain, description: `The shops, ${made}` } })).updateDomain);
}

const pause = async () => payload((await admin(Pause, { input: { reason: 'Look' } })).pausePublisher);
const resume = async (from: number) => (await admin(Resume, { input: { from: String(from) } })).resumePublisher;

/** The log's first numbers in a partition of their own, in place of a million. */
async function cutLog(): Promise<void> {
  const attached = (name: string, from: number, to: number) => `CREATE TABLE "${name}" (LIKE "Event" INCLUDING ALL);
    ALTER TABLE "Event" ATTACH PARTITION "${name}" FOR VALUES FROM (${from}) TO (${to});`;
  await owner.query(`BEGIN; LOCK TABLE "Event" IN ACCESS EXCLUSIVE MODE;
    CREATE TEMP TABLE kept ON COMMIT DROP AS SELECT * FROM "Event";
    DROP TABLE "Event_000000000"; ${attached('Event_small', 0, LAST + 1)} ${attached('Event_000000000', LAST + 1, 1_000_000)}
    INSERT INTO "Event" SELECT * FROM kept; COMMIT`);
}

/** The anchors, told once a minute, are taken for told. */
async function archive(reached: (step: ArchiveStep) => Promise<void> = async () => undefined) {
  await owner.query(`UPDATE "EventCursor" SET "seq" = (SELECT "seq" FROM "EventHead") WHERE "reader" = 'audit-anchor'`);
  const client = new pg.Client({ connectionString: product.ownerUrl });
  await client.connect();
  try {
    return await archiveLog({ client, folder, before: new Date(Date.now() + 60_000), reached });
  } finally {
    await client.end();
  }
}

/** How often each number has arrived at the central bus. */
async function arrivals(): Promise<Map<number, number>> {
  const times = new Map<number, number>();
  for (const { kind, event } of await sandbox.deliveries(GOVERNANCE_ACCOUNT)) {
    const sequence = Number((event.detail as { sequence?: string }).sequence);
    if (kind === 'arrival') times.set(sequence, (times.get(sequence) ?? 0) + 1);
  }
  return times;
}

test('what an admin has sent again while the archive is written stays in the log until it is sent', async () => {
  await pause();
  const before = await arrivals();
  const stopped = await archive(async (step) => {
    if (step === 'STATED') expect(await resume(3)).toMatchObject({ publisher: { paused: false }, leftOut: null });
  });
  expect(stopped).toMatchObject({ why: 'READER', reader: 'eventbridge' });
  await untilAllSent();
  const after = await arrivals();
  for (let n = 3; n <= LAST; n += 1) expect(after.get(n)).toBe((before.get(n) ?? 0) + 1);
});

test('who moves the publisher back while a partition is dropped waits, and goes back no further than what is stored then', async () => {
  await pause();
  // The bus was last known to stand before what is archived.
  await owner.query(`UPDATE "EventCursor" SET "arrivedSeq" = 3 WHERE "reader" = 'eventbridge'`);
  const { position } = await state();
  const server = openDatabase(product.databaseUrl, { poolSize: 2 });
  const lost = [{ id: resourceId(centralBus(MESH)), anew: true }];
  const waiting = async () => {
    const [row] = await server.prisma.$queryRaw<{ count: number }[]>`
      SELECT count(*)::int AS count FROM pg_stat_activity WHERE "datname" = current_database() AND "wait_event_type" = 'Lock'
        AND ("query" LIKE '%AS "following"%' OR "query" LIKE '%"setBacks" = c."setBacks" + 1%')`;
    return row?.count === 2 ? true : undefined;
  };
  let asked: ReturnType<typeof resume> | undefined;
  let followed: ReturnType<typeof followCentralBus> | undefined;
  const archived = await archive(async (step) => {
    if (step !== 'DETACHED') return;
    asked = resume(5);
    followed = server.prisma.$transaction((tx) => followCentralBus(tx, MESH, lost));
    await until('both wait', waiting, 4_000);
  });
  expect(archived).toEqual({ why: 'NOT_FULL' });
  expect(await asked).toMatchObject({
    code: 'VALIDATION',
    message: expect.stringContaining(`before ${LAST + 1} are archived`),
  });
  expect(await followed).toEqual({ after: BigInt(LAST), upTo: BigInt(position) });
  await server.close();
  const before = await arrivals();
  await admin(Resume, { input: {} });
  await untilAllSent();
  const after = await arrivals();
  expect(after.get(LAST)).toBe(before.get(LAST));
  for (let n = LAST + 1; n <= Number(position); n += 1) expect(after.get(n)).toBe((before.get(n) ?? 0) + 1);
});

test('where what comes next is archived, an admin is told so and gets out, and what is left out is answered and told', async () => {
  expect(await archive()).toEqual({ why: 'NOT_FULL' });
  // As an earlier version left it.
  await owner.query(`UPDATE "EventCursor" SET "seq" = 4 WHERE "reader" = 'eventbridge'`);
  const stuck = await until('it says why', async () => {
    const now = await state();
    return now.failureCode === 'EventsNotStored' ? now : undefined;
  });
  expect(stuck).toMatchObject({ position: '4', failureMessage: expect.stringContaining(`from: "${LAST + 1}"`) });
  await pause();
  const before = await arrivals();
  for (const from of [4, 5, LAST, LAST + 2]) expect(await resume(from)).toMatchObject({ code: 'VALIDATION' });
  const leftOut = { first: '5', last: String(LAST) };
  expect(await resume(LAST + 1)).toMatchObject({ publisher: { paused: false }, leftOut });
  await untilAllSent();
  expect(await state()).toMatchObject({ failureCode: null, failureMessage: null });
  const after = await arrivals();
  expect(after.get(5)).toBe(before.get(5));
  expect(after.get(LAST + 1)).toBe((before.get(LAST + 1) ?? 0) + 1);
  const { events } = await admin(Events);
  expect(events.nodes.at(-1)?.data).toMatchObject({ sentAgainFrom: String(LAST + 1), leftOut });
});

test('while nobody may put events on the bus, and AWS says so of each entry, none is given up', async () => {
  const name = 'central-mesh-bus';
  const ask = <Output>(operation: `events:${string}`, parameters: object) =>
    sandbox.asAdministrator<Output>(GOVERNANCE_ACCOUNT, operation, parameters);
  const bus = await ask<{ Arn: string; Policy: string }>('events:DescribeEventBus', { Name: name });
  const { Statement } = JSON.parse(bus.Policy) as { Statement: object[] };
  const nobody = { Sid: 'nobody', Effect: 'Deny', Principal: '*', Action: 'events:PutEvents', Resource: bus.Arn };
  const policy = JSON.stringify({ Version: '2012-10-17', Statement: [...Statement, nobody] });
  await ask('events:PutPermission', { EventBusName: name, Policy: policy });
  for (let n = 0; n < 3; n += 1) await happen();
  await until('it says why', async () => ((await state()).failureCode === 'AccessDeniedException' ? true : undefined));
  expect(await state()).toMatchObject({ deadLetterCount: 0 });
  await ask('events:PutPermission', { EventBusName: name, Policy: bus.Policy });
  await untilAllSent();
  expect(await state()).toMatchObject({ deadLetterCount: 0, failureCode: null });
});
