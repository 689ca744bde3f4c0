import pg from 'pg';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { payload, until } from '../src/demo/client.js';
import { DEMO_ACCOUNTS, DEMO_REGION, GOVERNANCE_ACCOUNT } from '../src/demo/mesh.js';
import { graphql } from '../src/generated/graphql/gql.js';
import type { RedriveEventsInput } from '../src/generated/graphql/graphql.js';
import { productOfTest } from './testkit/product.js';
import { sandboxControl } from './testkit/sandbox-control.js';

const Publisher = graphql(`
  query PublisherState {
    publisher {
      id paused pausedBy pauseReason position eventsBehind secondsBehind oldestUnsentAt oldestUnsentSeconds deadLetterCount
      failingSince failureCode failureMessage failedTries
    }
  }
`);
const DeadLetters = graphql(`
  query DeadLetters($filter: DeadLetterFilter) {
    deadLetters(first: 100, filter: $filter) {
      totalCount
      nodes { id sequence eventId type detailType code message attempts status redrivenBy event { id type subject { id } } }
    }
  }
`);
const Pause = graphql(`
  mutation PausePublisher($input: PausePublisherInput!) {
    pausePublisher(input: $input) {
      __typename
      ... on PausePublisherPayload { publisher { paused pausedBy pauseReason } }
      ... on UserError { code message }
    }
  }
`);
const Resume = graphql(`
  mutation ResumePublisher($input: ResumePublisherInput!) {
    resumePublisher(input: $input) {
      __typename
      ... on ResumePublisherPayload { publisher { paused pausedBy } }
      ... on UserError { code message }
    }
  }
`);
const Redrive = graphql(`
  mutation RedriveEvents($input: RedriveEventsInput!) {
    redriveEvents(input: $input) {
      __typename
      ... on RedriveEventsPayload { count redrive publisher { paused } deadLetters { id sequence status } }
      ... on UserError { code message }
    }
  }
`);
const Register = graphql(`
  mutation PublisherRegister($input: RegisterDataProductInput!) {
    registerDataProduct(input: $input) {
      __typename
      ... on RegisterDataProductPayload { dataProduct { id } }
      ... on UserError { code message }
    }
  }
`);
const RegisterDomain = graphql(`
  mutation PublisherRegisterDomain($input: RegisterDomainInput!) {
    registerDomain(input: $input) {
      __typename
      ... on RegisterDomainPayload { domain { id } }
      ... on UserError { code message }
    }
  }
`);
const Events = graphql(`
  query PublisherEvents($types: [MeshEventType!]) {
    events(first: 100, filter: { types: $types }) { nodes { type actor { subject } data subject { id } } }
  }
`);

const product = await productOfTest({ demo: false });
const sandbox = sandboxControl(product.sandbox);
const admin = await product.as('ada.admin');
const domain = await registerDomain();
const owner = new pg.Pool({ connectionString: product.ownerUrl, max: 1 });
afterAll(() => owner.end());

beforeEach(async () => {
  await sandbox.clearFaults();
  await untilAllSent();
});

const state = async () => {
  const { publisher } = await admin(Publisher);
  if (!publisher) throw new Error('An admin sees the publisher.');
  return publisher;
};
/** Until AWS agrees with everything and everything is told. */
const untilAllSent = () =>
  until('all is sent', async () => {
    const { rows } = await owner.query<{ busy: boolean }>(
      `SELECT EXISTS (SELECT FROM "EventPending") OR EXISTS (SELECT FROM "Resource" WHERE "status" NOT IN ('READY', 'REMOVED'))
         OR EXISTS (SELECT FROM "Domain" WHERE "status" <> 'READY') AS busy`,
    );
    return !rows[0]?.busy && (await state()).eventsBehind === 0 ? true : undefined;
  });

async function registerDomain(): Promise<string> {
  const account = String(DEMO_ACCOUNTS[0]);
  const input = {
    ...{ name: 'commerce', displayName: 'Commerce', awsAccountId: account, awsRegion: DEMO_REGION },
    ...{ roleArn: `arn:aws:iam::${account}:role/meshgate`, dataLocation: 's3://commerce-lake/data' },
    ...{ manageSettings: true, owners: ['lena.fischer'] },
  };
  const answered = payload((await admin(RegisterDomain, { input })).registerDomain);
  return ('domain' in answered && answered.domain?.id) || '';
}

let made = 0;
/** Makes something happen: one event. */
async function happen(): Promise<void> {
  made += 1;
  const input = {
    ...{ domain, name: `thing-${made}`, description: 'A thing', owner: 'Team' },
    ...{ accessMode: 'NRAC' as const, classification: 'INTERNAL' as const },
  };
  payload((await admin(Register, { input })).registerDataProduct);
}

/** Of the central bus, the events with these ids. */
async function arrivedOf(ids: string[]): Promise<string[]> {
  const deliveries = await sandbox.deliveries(GOVERNANCE_ACCOUNT);
  return deliveries
    .filter(({ kind }) => kind === 'arrival')
    .map(({ event }) => String((event.detail as { id?: string }).id))
    .filter((id) => ids.includes(id));
}

/** Of the domain's bus, to which a rule of the central bus sends, the events with these ids. */
async function receivedOf(ids: string[]): Promise<string[]> {
  const deliveries = await sandbox.deliveries(String(DEMO_ACCOUNTS[0]));
  return deliveries
    .filter(({ kind }) => kind === 'arrival')
    .map(({ event }) => String((event.detail as { id?: string }).id))
    .filter((id) => ids.includes(id));
}

/** As somebody does by hand: its rules go first. */
async function deleteCentralBus(): Promise<void> {
  const at = { EventBusName: 'central-mesh-bus' };
  const ask = <Output>(operation: `events:${string}`, parameters: object) =>
    sandbox.asAdministrator<Output>(GOVERNANCE_ACCOUNT, operation, parameters);
  const { Rules } = await ask<{ Rules: { Name: string }[] }>('events:ListRules', at);
  for (const { Name } of Rules) {
    const { Targets } = await ask<{ Targets: { Id: string }[] }>('events:ListTargetsByRule', { ...at, Rule: Name });
    await ask('events:RemoveTargets', { ...at, Rule: Name, Ids: Targets.map(({ Id }) => Id) });
    await ask('events:DeleteRule', { ...at, Name });
  }
  await ask('events:DeleteEventBus', { Name: at.EventBusName });
}

async function metrics(): Promise<Record<string, number>> {
  const answer = await fetch(product.graphql.replace('/graphql', '/metrics'));
  expect(answer.headers.get('content-type')).toContain('text/plain');
  const lines = (await answer.text()).split('\n').filter((line) => line.startsWith('meshgate_'));
  return Object.fromEntries(lines.map((line) => line.split(' ')).map(([name = '', value]) => [name, Number(value)]));
}

/** While the central bus's policy lets nobody put events of a type: each entry is refused by itself. */
async function whileRefused(detailType: string, work: () => Promise<void>): Promise<void> {
  const name = 'central-mesh-bus';
  const put = (Policy: string) =>
    sandbox.asAdministrator(GOVERNANCE_ACCOUNT, 'events:PutPermission', { EventBusName: name, Policy });
  const described = await sandbox.asAdministrator<{ Arn: string; Policy: string }>(
    GOVERNANCE_ACCOUNT,
    'events:DescribeEventBus',
    { Name: name },
  );
  const { Statement } = JSON.parse(described.Policy) as { Statement: object[] };
  const refusing = {
    ...{ Sid: 'no-more', Effect: 'Deny', Principal: '*', Action: 'events:PutEvents', Resource: described.Arn },
    Condition: { StringEquals: { 'events:detail-type': detailType } },
  };
  await put(JSON.stringify({ Version: '2012-10-17', Statement: [...Statement, refusing] }));
  await work();
  await put(described.Policy);
}

describe('events that EventBridge refuses', () => {
  test('are dead letters that admins see and redrive: by id exactly those, then all, and each is told', async () => {
    await whileRefused('DataProductRegistered', async () => {
      for (let n = 0; n < 4; n += 1) await happen();
      await untilAllSent();
    });
    const { deadLetters } = await admin(DeadLetters, { filter: { status: ['DEAD'] } });
    expect(deadLetters.nodes.map(({ type, sequence, event }) => [type, sequence, event])).toHaveLength(4);
    for (const letter of deadLetters.nodes) {
      expect(letter).toMatchObject({
        ...{ type: 'DataProductRegistered', detailType: 'DataProductRegistered' },
        ...{
          code: 'NotAuthorizedForDetailTypeException',
          attempts: 1,
          redrivenBy: null,
          event: { id: expect.any(String), type: 'DATA_PRODUCT_REGISTERED' },
        },
      });
    }
    expect((await state()).deadLetterCount).toBe(4);
    expect(await metrics()).toMatchObject({ meshgate_publisher_dead_letters: 4, meshgate_publisher_behind_events: 0 });
    const ids = deadLetters.nodes.map(({ eventId }) => eventId);
    expect(await arrivedOf(ids)).toEqual([]);

    const named = [deadLetters.nodes[2]!, deadLetters.nodes[0]!];
    const input = { deadLetters: named.map(({ id }) => id), idempotencyKey: 'two' };
    const first = payload((await admin(Redrive, { input })).redriveEvents);
    expect(first).toMatchObject({ count: 2, deadLetters: named.map(({ id }) => ({ id })) });
    const redrive = 'redrive' in first ? first.redrive : '';
    await until('two arrived', async () => ((await arrivedOf(ids)).length === 2 ? true : undefined));
    expect(await arrivedOf(ids)).toEqual([ids[0], ids[2]]);
    // The same again, by the key and without it: nothing is sent twice.
    expect(payload((await admin(Redrive, { input })).redriveEvents)).toMatchObject({ count: 2, redrive });
    await until('both are told', async () => {
      const { deadLetters } = await admin(DeadLetters, { filter: { redrive, status: ['SENT'] } });
      return deadLetters.totalCount === 2 ? true : undefined;
    });
    const again = { deadLetters: input.deadLetters };
    expect(payload((await admin(Redrive, { input: again })).redriveEvents)).toMatchObject({
      count: 0,
      deadLetters: named.map(({ id }) => ({ id, status: 'SENT' })),
    });

    expect(payload((await admin(Redrive, { input: { all: true } })).redriveEvents)).toMatchObject({ count: 2 });
    await until('all arrived', async () => ((await arrivedOf(ids)).length === 4 ? true : undefined));
    expect(await arrivedOf(ids)).toEqual([ids[0], ids[2], ids[1], ids[3]]);
    await until('none is left', async () => ((await state()).deadLetterCount === 0 ? true : undefined));
    const { events } = await admin(Events, { types: ['EVENTS_REDRIVEN'] });
    expect(events.nodes.map(({ actor, data }) => [actor.subject, (data as { count: number }).count])).toEqual([
      ['ada.admin', 2],
      ['ada.admin', 2],
    ]);
    expect(events.nodes[0]?.subject?.id).toBe((await state()).id);
  });

  test('for good by a fault of the sandbox are dead letters too', async () => {
    await sandbox.addFaults({
      ...{ service: 'events', operation: 'PutEvents', kind: 'partial', rate: 1, count: 1 },
      errorCode: 'MalformedDetail',
    });
    await happen();
    await untilAllSent();
    const { deadLetters } = await admin(DeadLetters, { filter: { status: ['DEAD'] } });
    expect(deadLetters.nodes).toMatchObject([{ code: 'MalformedDetail', attempts: 1 }]);
    expect(payload((await admin(Redrive, { input: { all: true } })).redriveEvents)).toMatchObject({ count: 1 });
    await until('none is left', async () => ((await state()).deadLetterCount === 0 ? true : undefined));
  });

  test('are redriven by what is there: an unknown id, none and both ways at once are refused', async () => {
    const unknown = Buffer.from('DeadLetter:00000000-0000-4000-8000-000000000000').toString('base64url');
    const refusal = async (input: RedriveEventsInput) =>
      (await admin(Redrive, { input })).redriveEvents as { code: string };
    expect(await refusal({ deadLetters: [unknown] })).toMatchObject({ code: 'NOT_FOUND' });
    expect(await refusal({})).toMatchObject({ code: 'VALIDATION' });
    expect(await refusal({ deadLetters: [] })).toMatchObject({ code: 'VALIDATION' });
    expect(await refusal({ deadLetters: [unknown], all: true })).toMatchObject({ code: 'VALIDATION' });
  });
});

describe('the publisher', () => {
  test('that may not put events gives none up: it says why, tries on, and all follow in order once it may', async () => {
    expect(await state()).toMatchObject({ failingSince: null, failureCode: null, failedTries: null });
    const { position, deadLetterCount } = await state();
    await sandbox.addFaults({ service: 'events', operation: 'PutEvents', kind: 'access-denied' });
    for (let n = 0; n < 4; n += 1) await happen();
    const held = await until('it was tried again', async () => {
      const now = await state();
      return (now.failedTries ?? 0) >= 3 && now.eventsBehind >= 4 ? now : undefined;
    });
    expect(held).toMatchObject({
      ...{ position, deadLetterCount, paused: false, failureCode: 'AccessDeniedException' },
      failureMessage: expect.stringContaining('not authorized'),
    });
    expect(Date.parse(String(held.failingSince))).toBeLessThanOrEqual(Date.now());
    const failing = 'meshgate_publisher_failing_seconds';
    expect((await metrics())[`${failing}{code="AccessDeniedException"}`]).toBeGreaterThan(0);
    await sandbox.clearFaults();
    await untilAllSent();
    expect(await state()).toMatchObject({ failingSince: null, failureCode: null, failedTries: null, deadLetterCount });
    expect(Object.keys(await metrics()).filter((name) => name.startsWith(failing))).toEqual([]);
    const { rows } = await owner.query<{ id: string }>('SELECT "id" FROM "Event" WHERE "seq" > $1 ORDER BY "seq"', [
      position,
    ]);
    const ids = rows.map(({ id }) => id);
    expect(ids.length).toBeGreaterThanOrEqual(4);
    expect(await arrivedOf(ids)).toEqual(ids);
  });

  test('is paused and resumed by an admin; lag and age show meanwhile what waits', async () => {
    expect(payload((await admin(Pause, { input: { reason: 'Moving the bus' } })).pausePublisher)).toMatchObject({
      publisher: { paused: true, pausedBy: 'ada.admin', pauseReason: 'Moving the bus' },
    });
    // What was under way when the pause was committed has gone out by now.
    await new Promise((resolve) => setTimeout(resolve, 300));
    const { position, eventsBehind } = await state();
    for (let n = 0; n < 3; n += 1) await happen();
    await until('three wait', async () => ((await state()).eventsBehind === eventsBehind + 3 ? true : undefined));
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    const lagging = await state();
    expect(lagging).toMatchObject({ position, paused: true });
    expect(lagging.oldestUnsentSeconds).toBeGreaterThan(1);
    expect(Date.now() - Date.parse(String(lagging.oldestUnsentAt))).toBeGreaterThan(1_000);
    const told = await metrics();
    expect(told).toMatchObject({
      meshgate_publisher_paused: 1,
      meshgate_publisher_behind_events: lagging.eventsBehind,
    });
    expect(told.meshgate_publisher_oldest_unsent_age_seconds).toBeGreaterThan(1);
    expect(told.meshgate_publisher_behind_seconds).toBeGreaterThan(0);

    expect(payload((await admin(Resume, { input: {} })).resumePublisher)).toMatchObject({
      publisher: { paused: false, pausedBy: null },
    });
    await untilAllSent();
    expect(await state()).toMatchObject({ secondsBehind: 0, oldestUnsentAt: null, oldestUnsentSeconds: 0 });
    const { events } = await admin(Events, { types: ['PUBLISHER_PAUSED', 'PUBLISHER_RESUMED'] });
    expect(events.nodes.map(({ type, actor }) => [type, actor.subject])).toEqual([
      ['PUBLISHER_PAUSED', 'ada.admin'],
      ['PUBLISHER_RESUMED', 'ada.admin'],
    ]);
  });

  test('goes back to an event where an admin says so: from there on all is sent again, with the same ids', async () => {
    for (let n = 0; n < 3; n += 1) await happen();
    await untilAllSent();
    const refused = async (from: string) => (await admin(Resume, { input: { from } })).resumePublisher;
    expect(await refused('1')).toMatchObject({ code: 'STATE' });
    payload((await admin(Pause, { input: { reason: 'The bus was deleted by hand' } })).pausePublisher);
    const last = await until('it is told', async () => {
      const { position, eventsBehind } = await state();
      return eventsBehind === 1 ? Number(position) : undefined;
    });
    for (const from of [String(last + 2), '0', '-1', '1.5', 'x', '9'.repeat(30)])
      expect(await refused(from)).toMatchObject({ code: 'VALIDATION' });
    const { rows } = await owner.query<{ id: string }>('SELECT "id" FROM "Event" WHERE "seq" > $1 ORDER BY "seq"', [
      last - 3,
    ]);
    const again = rows.slice(0, 3).map(({ id }) => id);
    const before = await arrivedOf(again);
    payload((await admin(Resume, { input: { from: String(last - 2) } })).resumePublisher);
    await untilAllSent();
    expect(await arrivedOf(again)).toEqual([...before, ...again]);
    const { events } = await admin(Events, { types: ['PUBLISHER_RESUMED'] });
    expect(events.nodes.at(-1)?.data).toMatchObject({
      sentAgainFrom: String(last - 2),
      before: { pausedBy: 'ada.admin' },
    });
  });

  test('holds everything while the central bus is missing, as EventBridge would drop it, and goes on once it is there', async () => {
    const setBus = (status: 'PENDING' | 'READY') =>
      owner.query(
        `UPDATE "Resource" SET "status" = $1::"ResourceStatus", "nextAttemptAt" = now() + interval '1 hour'
         WHERE "kind" = 'EventBus' AND "account" = $2`,
        [status, GOVERNANCE_ACCOUNT],
      );
    await setBus('PENDING');
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    const { position } = await state();
    await happen();
    await until('it says why', async () => ((await state()).failureCode === 'NoEventBus' ? true : undefined));
    expect(await state()).toMatchObject({ position, eventsBehind: 1 });
    await setBus('READY');
    await untilAllSent();
    expect((await state()).failureCode).toBeNull();
  });

  test('sends again what was put on the bus while nobody knew that it was missing, once it is made anew with its rules', async () => {
    const look = async () => {
      const looked = `"kind" = 'EventBus' AND "account" = '${GOVERNANCE_ACCOUNT}'`;
      const { rows } = await owner.query(
        `UPDATE "Resource" SET "nextAttemptAt" = now() WHERE ${looked} RETURNING "observedAt"::text AS "before"`,
      );
      await until('AWS was looked at', async () => {
        const now = await owner.query(`SELECT "observedAt"::text AS "at" FROM "Resource" WHERE ${looked}`);
        return now.rows[0].at > rows[0].before ? true : undefined;
      });
    };
    for (const _ of [1, 2]) await look();
    await happen();
    await untilAllSent();
    await deleteCentralBus();
    const { position } = await state();
    for (let n = 0; n < 3; n += 1) await happen();
    await untilAllSent();
    const { rows } = await owner.query<{ id: string }>(
      `SELECT "id" FROM "Event" WHERE "seq" > $1 AND "type" = 'DataProductRegistered' ORDER BY "seq"`,
      [position],
    );
    const lost = rows.map(({ id }) => id);
    expect(lost).toHaveLength(3);
    expect(await arrivedOf(lost)).toEqual([]);
    expect(await receivedOf(lost)).toEqual([]);
    await look();
    await until('they arrived', async () => ((await receivedOf(lost)).length >= 3 ? true : undefined));
    await untilAllSent();
    expect(await receivedOf(lost)).toEqual(lost);
    expect(await arrivedOf(lost)).toEqual(lost);
  });

  test('paused or resumed twice is told once', async () => {
    for (const reason of ['Again', 'Again']) payload((await admin(Pause, { input: { reason } })).pausePublisher);
    for (const _ of [1, 2]) payload((await admin(Resume, { input: {} })).resumePublisher);
    await untilAllSent();
    const { events } = await admin(Events, { types: ['PUBLISHER_PAUSED', 'PUBLISHER_RESUMED'] });
    expect(events.nodes.slice(-2).map(({ type }) => type)).toEqual(['PUBLISHER_PAUSED', 'PUBLISHER_RESUMED']);
    expect(events.nodes).toHaveLength(6);
  });

  test("is nobody's but the admins'", async () => {
    for (const subject of ['lena.fischer', 'oskar.lind']) {
      const somebody = await product.as(subject);
      expect(payloadless(await somebody(Pause, { input: { reason: 'No' } }))).toMatchObject({ code: 'FORBIDDEN' });
      expect(payloadless(await somebody(Resume, { input: {} }))).toMatchObject({ code: 'FORBIDDEN' });
      expect(payloadless(await somebody(Redrive, { input: { all: true } }))).toMatchObject({ code: 'FORBIDDEN' });
      await expect(somebody(Publisher)).rejects.toThrow('only platform admins');
      await expect(somebody(DeadLetters, { filter: null })).rejects.toThrow('only platform admins');
      const { events } = await somebody(Events, { types: ['PUBLISHER_PAUSED', 'EVENTS_REDRIVEN'] });
      expect(events.nodes).toEqual([]);
    }
  });

  test('is guarded by the database too: without an admin nothing is paused, resumed or redriven', async () => {
    const server = new pg.Client({ connectionString: product.databaseUrl });
    await server.connect();
    try {
      for (const authority of ['MEMBER', 'SYSTEM', '']) {
        await server.query(`SELECT set_config('meshgate.authority', $1, false)`, [authority]);
        const paused = `UPDATE "EventCursor" SET "pausedAt" = now(), "pausedBy" = 'x', "pauseReason" = 'x' WHERE "reader" = 'eventbridge'`;
        await expect(server.query(paused)).rejects.toMatchObject({ code: '42501' });
        const redriven = `UPDATE "DeadLetter" SET "status" = 'REDRIVING', "redriveId" = gen_random_uuid(), "redrivenBy" = 'x'`;
        await owner.query(`INSERT INTO "DeadLetter" ("id", "seq", "part", "eventId", "type", "entry", "code", "message", "attempts")
          VALUES (gen_random_uuid(), 1, 99, gen_random_uuid(), 'x', '{}', 'x', 'x', 1) ON CONFLICT DO NOTHING`);
        await expect(server.query(`${redriven} WHERE "part" = 99`)).rejects.toMatchObject({ code: '42501' });
      }
    } finally {
      await server.end();
      await owner.query('DELETE FROM "DeadLetter" WHERE "part" = 99');
    }
  });
});

const payloadless = (answer: object): unknown => Object.values(answer)[0];
