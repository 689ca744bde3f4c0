import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Execute, payload, until } from '../src/demo/client.js';
import { DEMO_REGION, GOVERNANCE_ACCOUNT } from '../src/demo/mesh.js';
import { graphql } from '../src/generated/graphql/gql.js';
import type { AddEventRouteInput } from '../src/generated/graphql/graphql.js';
import { type Flows, openFlows } from './testkit/flows.js';
import { productOfTest } from './testkit/product.js';

const Add = graphql(`
  mutation RouteAdd($input: AddEventRouteInput!) {
    addEventRoute(input: $input) {
      __typename
      ... on AddEventRoutePayload { eventRoute { id name effectivePattern queueStatements viewerCanChange } }
      ... on ValidationError { path }
      ... on UserError { code message }
    }
  }
`);
const Update = graphql(`
  mutation RouteUpdate($input: UpdateEventRouteInput!) {
    updateEventRoute(input: $input) {
      __typename
      ... on UpdateEventRoutePayload { eventRoute { id pattern targets } }
      ... on UserError { code message }
    }
  }
`);
const Remove = graphql(`
  mutation RouteRemove($input: RemoveEventRouteInput!) {
    removeEventRoute(input: $input) {
      __typename
      ... on RemoveEventRoutePayload { domain { name eventRoutes(first: 10) { nodes { name } } } }
      ... on UserError { code message }
    }
  }
`);
const Routes = graphql(`
  query Routes($id: ID!) {
    domain(by: { id: $id }) {
      eventRoutes(first: 50) {
        nodes { id name rule { status lastError { code } } health { status reasons { code message resource { kind key } } } }
      }
      viewerCanChangeEventRoutes
    }
  }
`);
const PlanRoute = graphql(`
  query RoutePlan($input: AddEventRouteInput!) {
    planEventRoute(input: $input) {
      refusals
      resources { kind action account key awsCalls { operation } }
      quotas { name scope used planned limit headroom }
    }
  }
`);
const TestPattern = graphql(`
  query RouteTest($domain: ID!, $pattern: JSON!, $first: Int!, $after: String) {
    testEventPattern(domain: $domain, pattern: $pattern, first: $first, after: $after) {
      examined hasNextPage endCursor events { id sequence type data }
    }
  }
`);
const Describe = graphql(`
  mutation RouteDescribe($input: UpdateDomainInput!) {
    updateDomain(input: $input) { __typename ... on UserError { code message } }
  }
`);

const product = await productOfTest({ demo: false });
const database = new pg.Pool({ connectionString: product.ownerUrl, max: 1 });
afterAll(() => database.end());
let flows: Flows;
let owner: Execute;
let account: string;

beforeAll(async () => {
  flows = await openFlows(product);
  owner = await product.as('beta-owner');
  account = flows.beta.account;
}, 120_000);

const busArn = (name: string, of = account) => `arn:aws:events:${DEMO_REGION}:${of}:event-bus/${name}`;
const queueArn = (name: string, of = account) => `arn:aws:sqs:${DEMO_REGION}:${of}:${name}`;

async function add(input: object): Promise<{ id: string; queueStatements: unknown[]; effectivePattern: unknown }> {
  const given = { domain: flows.beta.id, name: `route-${randomUUID().slice(0, 8)}`, ...input };
  const answer = payload((await owner(Add, { input: given as AddEventRouteInput })).addEventRoute);
  if (!('eventRoute' in answer) || !answer.eventRoute) throw new Error('The route was not answered.');
  return answer.eventRoute as never;
}

/** What refuses a route. */
async function refusal(input: object, as = owner): Promise<{ code: string; message: string; path?: string }> {
  const given = {
    domain: flows.beta.id,
    name: `no-${randomUUID().slice(0, 8)}`,
    pattern: { 'detail-type': ['DomainReady'] },
    targets: [busArn('spare')],
    ...input,
  };
  return (await as(Add, { input: given as AddEventRouteInput })).addEventRoute as never;
}

const ready = (id: string) =>
  until('a rule that stands', async () => {
    const { domain } = await owner(Routes, { id: flows.beta.id });
    return domain?.eventRoutes.nodes.find((one) => one.id === id)?.rule?.status === 'READY' ? true : undefined;
  });

/** Lets something happen that only the domain hears of, and answers the text by which it is known. */
async function happen(flow: Flows['alpha'], who: Execute): Promise<string> {
  const description = `seen ${randomUUID()}`;
  payload((await who(Describe, { input: { domain: flow.id, description } })).updateDomain);
  return description;
}

const arrivals = async (bus: string) =>
  (await flows.sandbox.deliveries(account)).filter(
    (one) => one.kind === 'arrival' && (one as never as { bus: string }).bus === bus,
  );
const textsAt = async (bus: string) => (await arrivals(bus)).map(({ event }) => JSON.stringify(event.detail));

/** A queue of the domain's account, with the policy that the route asks for. */
async function queueWith(name: string, statements: unknown[]): Promise<void> {
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement: statements });
  await flows.sandbox.asAdministrator(account, 'sqs:CreateQueue', { QueueName: name, Attributes: { Policy } });
}

async function messagesOf(name: string): Promise<Record<string, unknown>[]> {
  const answer = await flows.sandbox.asAdministrator(account, 'sqs:ReceiveMessage', {
    QueueUrl: `/${account}/${name}`,
    MaxNumberOfMessages: 10,
    VisibilityTimeout: 0,
  });
  const { Messages = [] } = answer as { Messages?: { Body: string }[] };
  return Messages.map(({ Body }) => JSON.parse(Body));
}

describe('a route', () => {
  test("brings what its pattern matches to a bus and a queue of the domain's account, and what the domain may not see to neither", async () => {
    await flows.sandbox.asAdministrator(account, 'events:CreateEventBus', { Name: 'analytics' });
    const targets = [busArn('analytics'), queueArn('analytics')];
    const pattern = { 'detail-type': ['DomainUpdated', 'DataProductRegistered', 'AccessRequested'] };
    const route = await add({ pattern, targets });
    expect(route.effectivePattern).toEqual({
      ...pattern,
      ...{ source: ['meshgate'], account: [GOVERNANCE_ACCOUNT], detail: { audience: ['beta', '*'] } },
    });
    expect(route.queueStatements).toHaveLength(1);
    await queueWith('analytics', route.queueStatements);
    await ready(route.id);
    const own = await happen(flows.beta, owner);
    const others = await flows.register({ name: `draft-${randomUUID().slice(0, 6)}` });
    await until('it is in the queue', async () =>
      (await messagesOf('analytics')).some((message) => JSON.stringify(message).includes(own)) ? true : undefined,
    );
    await flows.published(others);
    const atBus = await textsAt('analytics');
    expect(atBus.filter((text) => text.includes(own))).toHaveLength(1);
    // A draft of another domain is nobody else's to hear of.
    expect(atBus.filter((text) => text.includes(others))).toEqual([]);
    for (const { event } of await arrivals('analytics')) {
      expect(pattern['detail-type']).toContain(event['detail-type']);
    }

    await flows.sandbox.asAdministrator(account, 'events:CreateEventBus', { Name: 'other' });
    const changed = { eventRoute: route.id, targets: [busArn('other')], pattern: { 'detail-type': ['DomainUpdated'] } };
    payload((await owner(Update, { input: changed })).updateEventRoute);
    await until('it moved', async () => {
      const text = await happen(flows.beta, owner);
      await new Promise((resolve) => setTimeout(resolve, 400));
      return (await textsAt('other')).some((one) => one.includes(text)) ? true : undefined;
    });
    const { domain } = payload(
      (await owner(Remove, { input: { eventRoute: route.id } })).removeEventRoute,
    ) as never as {
      domain: { eventRoutes: { nodes: object[] } };
    };
    expect(domain.eventRoutes.nodes).toEqual([]);
    await until('the rule is gone', async () => {
      const { rows } = await database.query(
        `SELECT FROM "Resource" WHERE "key" LIKE '%/route-%' AND "status" <> 'REMOVED'`,
      );
      return rows.length === 0 ? true : undefined;
    });
  }, 60_000);

  test('keeps in the governance account what its target does not take', async () => {
    const route = await add({ pattern: { 'detail-type': ['DomainUpdated'] }, targets: [queueArn('nowhere')] });
    await ready(route.id);
    const text = await happen(flows.beta, owner);
    await until('it is kept', async () => {
      const { Messages = [] } = (await flows.sandbox.asAdministrator(GOVERNANCE_ACCOUNT, 'sqs:ReceiveMessage', {
        QueueUrl: `/${GOVERNANCE_ACCOUNT}/meshgate-undelivered-beta`,
        MaxNumberOfMessages: 10,
        VisibilityTimeout: 0,
      })) as { Messages?: { Body: string }[] };
      return Messages.some(({ Body }) => Body.includes(text)) ? true : undefined;
    });
    payload((await owner(Remove, { input: { eventRoute: route.id } })).removeEventRoute);
  }, 40_000);

  test('to a bus that is not there says so in its health, though its rule stands, and is healthy once it is', async () => {
    const route = await add({ pattern: { 'detail-type': ['DomainReady'] }, targets: [busArn('later')] });
    await ready(route.id);
    const found = async (as = owner) => {
      const { domain } = await as(Routes, { id: flows.beta.id });
      return domain?.eventRoutes.nodes.find(({ id }) => id === route.id);
    };
    const sick = await until('it is known', async () => {
      const now = await found();
      return now?.health?.reasons.some(({ code }) => code === 'ResourceNotFoundException') ? now : undefined;
    });
    // UNKNOWN at first, as a bus that was just made may not be seen yet, and DEGRADED once it was tried for a while.
    expect(sick.health?.status).not.toBe('HEALTHY');
    expect(sick).toMatchObject({
      rule: { status: 'READY' },
      health: {
        reasons: [{ code: 'ResourceNotFoundException', resource: { kind: 'BusPermission', key: 'later/meshgate' } }],
      },
    });
    expect(sick.health?.reasons[0]?.message).toContain('later');
    await flows.sandbox.asAdministrator(account, 'events:CreateEventBus', { Name: 'later' });
    await until('it is healthy', async () => ((await found())?.health?.status === 'HEALTHY' ? true : undefined));
    payload((await owner(Remove, { input: { eventRoute: route.id } })).removeEventRoute);
  }, 60_000);

  test('goes to the own account alone, in the region of the mesh', async () => {
    const foreign = flows.alpha.account;
    const wrong: [string, string][] = [
      [busArn('x', foreign), foreign],
      [queueArn('x', foreign), foreign],
      [busArn('x', GOVERNANCE_ACCOUNT), GOVERNANCE_ACCOUNT],
      [busArn('x').replace(DEMO_REGION, 'us-east-1'), 'region'],
      [busArn('x').replace('arn:aws:', 'arn:aws-cn:'), 'partition'],
      [queueArn('x.fifo'), 'FIFO'],
      [`arn:aws:lambda:${DEMO_REGION}:${account}:function:x`, 'event bus or an SQS queue'],
      [`arn:aws:events:${DEMO_REGION}:${account}:rule/x`, 'event bus or an SQS queue'],
      [busArn('meshgate'), 'gets all of its events already'],
    ];
    for (const [arn, says] of wrong) {
      const { code, message, path } = await refusal({ targets: [busArn('fine'), arn] });
      expect({ code, path }).toEqual({ code: 'VALIDATION', path: 'targets.1' });
      expect(message).toContain(says);
    }
    expect(await refusal({ targets: [] })).toMatchObject({ code: 'VALIDATION', path: 'targets' });
    const six = Array.from({ length: 6 }, (_, n) => busArn(`bus-${n}`));
    expect((await refusal({ targets: six })).message).toContain('5 targets');
    // The database refuses what governance forgot.
    const insert = `INSERT INTO "EventRoute" ("id", "domainId", "name", "pattern", "targets", "ruleId", "createdBy")
      SELECT gen_random_uuid(), "id", 'x', '{}', ARRAY['${busArn('x', foreign)}'], 'x', 'x' FROM "Domain" WHERE "name" = 'beta'`;
    await expect(database.query(insert)).rejects.toMatchObject({ code: '23514' });
  });

  test('can only narrow what its domain may see, and is checked as EventBridge would', async () => {
    const widening: [object, string][] = [
      [{ detail: { audience: ['alpha'] } }, 'pattern.detail.audience'],
      [{ detail: { audience: [{ exists: true }] } }, 'pattern.detail.audience'],
      [{ $or: [{ detail: { audience: ['alpha'] } }, { source: ['x'] }] }, 'pattern.$or.0.detail.audience'],
      [{ detail: { $or: [{ audience: ['alpha'] }, { version: [1] }] } }, 'pattern.detail.$or.0.audience'],
      [
        { detail: { $or: [{ version: [1] }, { $or: [{ audience: ['x'] }, { version: [2] }] }] } },
        'pattern.detail.$or.1.$or.0.audience',
      ],
      [{ 'detail.audience': ['alpha'] }, 'pattern.detail.audience'],
      [{ 'detail-type': ['AccessGranted', 'AccesGranted'] }, 'pattern.detail-type'],
      [{ detail: { foo: ['x'] } }, 'pattern.detail.foo'],
      [
        { $or: [{ detail: { $or: [{ type: ['x'] }, { id: ['x'] }] } }, { account: ['x'] }] },
        'pattern.$or.0.detail.$or.0.type',
      ],
      [{ detail: { subject: { typ: ['AccessGrant'] } } }, 'pattern.detail.subject.typ'],
      [{ detail: { actor: { role: ['OWNER'] } } }, 'pattern.detail.actor.role'],
      [{ source: ['com.central.stepfunction'] }, 'pattern.source'],
      [{ account: [flows.alpha.account] }, 'pattern.account'],
      [{ $or: [{ account: ['x'] }, { version: ['0'] }] }, 'pattern.$or.0.account'],
      [{ detailType: ['DomainReady'] }, 'pattern.detailType'],
      [{ detail: ['x'] }, 'pattern.detail'],
      [{ 'detail-type': [] }, 'pattern.detail-type'],
      [{ 'detail-type': [{ regex: '.*' }] }, 'pattern.detail-type.0'],
      [{ 'detail-type': [{ wildcard: 'Access**' }] }, 'pattern.detail-type.0'],
      [{}, 'pattern'],
    ];
    for (const [pattern, path] of widening) {
      const { code, path: found, message } = await refusal({ pattern });
      expect({ code, found, message }).toMatchObject({ code: 'VALIDATION', found: path });
    }
    const long = { detail: { data: { x: Array.from({ length: 300 }, (_, n) => `v${n}`) } } };
    expect(JSON.stringify(long).length).toBeLessThan(2_048);
    // What limits it to the domain's events counts too.
    expect((await refusal({ pattern: long })).message).toContain('EventBridge takes 2048.');
  });

  test('is for owners and stewards of its domain: members see it, others do not', async () => {
    const route = await add({ pattern: { 'detail-type': ['DomainReady'] }, targets: [busArn('spare')] });
    const [stranger, outsider] = [await product.as('alpha-owner'), await product.as('nobody')];
    for (const other of [stranger, outsider]) {
      expect((await refusal({}, other)).code).toBe('FORBIDDEN');
      expect((await other(Remove, { input: { eventRoute: route.id } })).removeEventRoute).toMatchObject({
        code: 'NOT_FOUND',
      });
      const changed = { input: { eventRoute: route.id, pattern: { 'detail-type': ['AccessGranted'] } } };
      expect((await other(Update, changed)).updateEventRoute).toMatchObject({ code: 'NOT_FOUND' });
      const { domain } = await other(Routes, { id: flows.beta.id });
      expect(domain).toMatchObject({ eventRoutes: { nodes: [] }, viewerCanChangeEventRoutes: false });
      const asked = { domain: flows.beta.id, pattern: { 'detail-type': ['DomainReady'] }, first: 10 };
      await expect(other(TestPattern, asked)).rejects.toThrow('only its owners, stewards');
    }
    payload((await owner(Remove, { input: { eventRoute: route.id } })).removeEventRoute);
  });

  test('is planned with the room that it leaves among the rules of the central bus, and refused where there is none', async () => {
    const input = {
      domain: flows.beta.id,
      name: 'planned',
      pattern: { 'detail-type': ['DomainReady'] },
      targets: [busArn('spare')],
    };
    const { planEventRoute: plan } = await owner(PlanRoute, { input });
    expect(plan.refusals).toEqual([]);
    expect(plan.resources).toContainEqual(
      expect.objectContaining({
        kind: 'EventRule',
        action: 'CREATE',
        account: GOVERNANCE_ACCOUNT,
        awsCalls: [{ operation: 'PutRule' }, { operation: 'PutTargets' }],
      }),
    );
    expect(plan.quotas).toContainEqual(
      expect.objectContaining({ name: 'Rules per event bus', planned: 1, limit: 300 }),
    );
    const { rows } = await database.query<{ bus: string; used: number }>(
      `SELECT split_part("key", '/', 1) AS bus, count(*)::int AS used FROM "Resource" WHERE "kind" = 'EventRule' AND "account" = $1 AND "desired" = 'PRESENT' GROUP BY 1`,
      [GOVERNANCE_ACCOUNT],
    );
    const { bus, used } = rows[0]!;
    await database.query(
      `INSERT INTO "Resource" ("id", "kind", "account", "region", "key", "spec", "dependsOn", "status", "correlationId", "nextAttemptAt")
       SELECT 'full-' || n, 'EventRule', $1, $2, $3 || '/full-' || n, '{}', '{}', 'READY', 'x', now() + interval '1 day' FROM generate_series(1, $4::int) n`,
      [GOVERNANCE_ACCOUNT, DEMO_REGION, bus, 300 - used],
    );
    try {
      expect(await refusal({ name: 'one-too-many' })).toMatchObject({
        code: 'CONFLICT',
        message: expect.stringContaining('300 rules'),
      });
    } finally {
      await database.query(`DELETE FROM "Resource" WHERE "id" LIKE 'full-%'`);
    }
  });

  test('with a wildcard is refused where the central bus has as many such rules as EventBridge takes', async () => {
    const rules = (from: number, to: number, pattern: object) =>
      database.query(
        `INSERT INTO "Resource" ("id", "kind", "account", "region", "key", "spec", "dependsOn", "status", "correlationId", "nextAttemptAt")
         SELECT 'wild-' || n, 'EventRule', $1, $2, 'central-mesh-bus/wild-' || n, $3::jsonb, '{}', 'READY', 'x', now() + interval '1 day'
         FROM generate_series($4::int, $5::int) n`,
        [GOVERNANCE_ACCOUNT, DEMO_REGION, JSON.stringify({ pattern }), from, to],
      );
    const wild = { pattern: { detail: { subject: { name: [{ wildcard: 'o*s' }] } } } };
    await rules(1, 15, { detail: { data: { table: [{ wildcard: 'a*b' }] } } });
    await rules(16, 29, { detail: { $or: [{ id: ['x'] }, { id: [{ 'anything-but': { wildcard: ['*/lib/*'] } }] }] } });
    // A field of that name is none.
    await rules(30, 40, { detail: { data: { wildcard: ['a', { prefix: 'b' }] } } });
    try {
      const last = await add({ ...wild, targets: [busArn('spare')] });
      expect(await refusal(wild)).toMatchObject({
        code: 'CONFLICT',
        message: expect.stringContaining('30 rules with `wildcard`'),
      });
      const plain = await add({ pattern: { 'detail-type': ['DomainReady'] }, targets: [busArn('spare')] });
      const change = { eventRoute: plain.id, ...wild };
      expect((await owner(Update, { input: change })).updateEventRoute).toMatchObject({ code: 'CONFLICT' });
      for (const { id } of [last, plain]) {
        payload((await owner(Remove, { input: { eventRoute: id } })).removeEventRoute);
      }
    } finally {
      await database.query(`DELETE FROM "Resource" WHERE "id" LIKE 'wild-%'`);
    }
  });
});

describe('testing a pattern', () => {
  test('names the past events that a route would have carried, and pages back to the first', async () => {
    const texts: string[] = [];
    for (let n = 0; n < 5; n += 1) texts.push(await happen(flows.beta, owner));
    const others = await happen(flows.alpha, await product.as('alpha-owner'));
    const ask = async (pattern: object, first = 2, after?: string) =>
      (await owner(TestPattern, { domain: flows.beta.id, pattern, first, after: after ?? null })).testEventPattern;
    const pattern = {
      'detail-type': ['DomainUpdated'],
      detail: { data: { after: { description: [{ prefix: 'seen ' }] } } },
    };
    const found: string[] = [];
    await until('all are numbered', async () =>
      JSON.stringify((await ask(pattern, 1)).events).includes(others) ? true : undefined,
    );
    for (let after: string | undefined, more = true; more; ) {
      const page = await ask(pattern, 2, after);
      found.push(...page.events.map(({ data }) => (data as { after: { description: string } }).after.description));
      after = page.endCursor ?? undefined;
      more = page.hasNextPage;
    }
    expect(found.filter((text) => texts.includes(text))).toEqual([...texts].reverse());
    expect(new Set(found).size).toBe(found.length);
    const none = await ask({ 'detail-type': ['AccessExpired'] });
    expect(none).toMatchObject({ events: [], hasNextPage: false, endCursor: null });
    expect(none.examined).toBeGreaterThan(5);
    await expect(ask({ detail: { audience: ['alpha'] } })).rejects.toThrow('pattern.detail.audience');
  });

  test('finds what lies many pages back', async () => {
    const text = await happen(flows.beta, owner);
    const ask = async (description: string) => {
      const pattern = { detail: { data: { after: { description: [description] } } } };
      return (await owner(TestPattern, { domain: flows.beta.id, pattern, first: 1, after: null })).testEventPattern;
    };
    const isNumbered = (description: string) =>
      until('it is numbered', async () => ((await ask(description)).events.length === 1 ? true : undefined));
    await isNumbered(text);
    const columns = `"type", "version", "subjectType", "subjectId", "subject", "domainId", "audiencePublic", "audienceDomains",
      "audienceSubjects", "actor", "correlationId", "occurredAt", "canonical"`;
    await database.query(
      `INSERT INTO "EventPending" (${columns}, "id", "data")
       SELECT ${columns}, gen_random_uuid(), jsonb_set("data", '{after,description}', to_jsonb('past ' || n))
       FROM "Event", generate_series(1, 450) n WHERE "data" #>> '{after,description}' = $1 ORDER BY n`,
      [text],
    );
    await isNumbered('past 450');
    const oldest = await ask('past 1');
    expect(oldest.events).toHaveLength(1);
    expect(oldest.examined).toBeGreaterThanOrEqual(450);
  });

  test('never names what the domain may not see', async () => {
    const table = { name: 'hidden', location: 's3://alpha-lake/data/hidden/', format: 'PARQUET' as const };
    const columns = [{ name: 'id', type: 'bigint' }];
    await flows.published(await flows.register({ name: 'hidden', tables: [{ ...table, columns }] }));
    const pattern = { 'detail-type': ['DataProductRegistered'] };
    const asBeta = (await owner(TestPattern, { domain: flows.beta.id, pattern, first: 100, after: null }))
      .testEventPattern;
    expect(JSON.stringify(asBeta.events)).toBe('[]');
    const alpha = await product.as('alpha-owner');
    const asAlpha = (await alpha(TestPattern, { domain: flows.alpha.id, pattern, first: 100, after: null }))
      .testEventPattern;
    expect(asAlpha.events.length).toBeGreaterThan(0);
  });
});
