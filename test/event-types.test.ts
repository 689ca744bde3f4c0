import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../src/demo/client.js';
import { append } from '../src/events/append.js';
import { type MeshEventFilter, neverMet } from '../src/events/filter.js';
import { type EventType, SYSTEM_ACTOR } from '../src/events/types.js';
import { openDatabase } from '../src/server/database.js';
import { mainJob, reader } from './testkit/access.js';
import { faultsOf } from './testkit/event-schemas.js';
import { productOfTest } from './testkit/product.js';
import { askWith } from './testkit/server.js';
import { type Subscribed, subscribeTo } from './testkit/subscribe.js';

const product = await productOfTest();
let owner: pg.Client;
let job: ReturnType<typeof mainJob>;
/** The request and the grant of the main job, from its beginning to its end. */
let request: string;
let grant: string;
const open: Subscribed<never>[] = [];

beforeAll(async () => {
  owner = new pg.Client({ connectionString: product.ownerUrl });
  await owner.connect();
  job = mainJob({ requester: await product.as('oskar.lind'), decider: await product.as('tomasz.nowak') });
  request = await job.request({ principals: [reader('typed')] });
  grant = await job.approve(request);
  await job.reached(grant, 'ACTIVE');
  await job.revoke(grant);
  await job.reached(grant, 'REVOKED');
  await until('the log tells of the end', async () =>
    (await logged()).at(-1)?.type === 'AccessRevoked' ? true : undefined,
  );
});
afterEach(() => {
  for (const one of open.splice(0)) one.stop();
});
afterAll(() => owner.end());

interface Logged {
  seq: string;
  type: EventType;
  data: Record<string, unknown>;
}
async function logged(): Promise<Logged[]> {
  return (await owner.query<Logged>('SELECT "seq"::text, "type", "data" FROM "Event" ORDER BY "Event"."seq"')).rows;
}

const as = async (subject: string) => ({ graphql: product.graphql, token: await product.tokenOf(subject) });

async function ask<Data>(subject: string, query: string, variables: object = {}): Promise<Data> {
  const { data, errors } = await askWith<Data>(await as(subject), query, variables);
  if (errors.length > 0 || data === null) throw new Error(JSON.stringify(errors));
  return data;
}

async function subscribe<Data>(subject: string, query: string, variables: Record<string, unknown> = {}) {
  const subscribed = subscribeTo<Data>(await as(subject), query, variables);
  open.push(subscribed as never);
  return subscribed;
}

/** Before the first event of all. */
const BEGINNING = Buffer.from('event:0').toString('base64url');
/** The id of a domain that is not there. */
const nobody = Buffer.from('Domain:00000000-0000-4000-8000-000000000000').toString('base64url');

async function idOf(path: string): Promise<string> {
  const found = await ask<{ dataProduct: { id: string } }>(
    'ada.admin',
    `{ dataProduct(by: { path: "${path}" }) { id } }`,
  );
  return found.dataProduct.id;
}
async function domainId(name: string): Promise<string> {
  const found = await ask<{ domain: { id: string } }>('ada.admin', `{ domain(by: { name: "${name}" }) { id } }`);
  return found.domain.id;
}

describe('the events of a mesh', () => {
  test('from its first day to the end of a grant are each as their type is defined', async () => {
    const log = await logged();
    expect(log.flatMap(({ seq, type, data }) => faultsOf(type, data).map((fault) => `${seq} ${fault}`))).toEqual([]);
    const types = new Set(log.map(({ type }) => type));
    for (const type of [
      'DomainReady',
      'DataContractActivated',
      'DataProductReady',
      'AccessRequested',
      'AccessApproved',
      'AccessGranted',
      'AccessRevoking',
      'AccessRevoked',
    ] as const)
      expect(types, type).toContain(type);
  });

  test('never say which rows somebody may read', async () => {
    const filtered = await job.request({
      ...{ principals: [reader('rows')], tables: ['shipments'] },
      rowFilter: "carrier_code = 'SECRET-17'",
    });
    await until('the request is told of', async () =>
      (await logged()).some(({ data }) => data.accessRequest === filtered) ? true : undefined,
    );
    const told = (await logged()).find(({ data }) => data.accessRequest === filtered);
    expect(told?.data).toMatchObject({ rowFiltered: true });
    expect(JSON.stringify(await logged())).not.toContain('SECRET-17');
  });

  const TYPED = `
    type version
    ... on AccessRequested { requestedBy purpose policy { outcome policies { name } } }
    ... on AccessGranted {
      dataProduct { name } accessRequest { id status } accessGrant { id } consumerDomain { name }
      principals permissions columns expiresAt classification tags after
    }
    ... on AccessRevoked { accessGrant { id status } revokedBy reason principals }
    ... on DataProductReady { dataProduct { path } resources }
    ... on SchemaChanged { columnChanges { added } }`;

  interface Typed {
    type: string;
    accessGrant?: { id: string };
    accessRequest?: { id: string };
    [field: string]: unknown;
  }

  test('have the fields of their type, the same on a page of the log and in a stream', async () => {
    const paged = await ask<{ events: { nodes: Typed[] } }>(
      'ada.admin',
      `{ events(first: 100, filter: { types: [ACCESS_REQUESTED, ACCESS_GRANTED, ACCESS_REVOKED, DATA_PRODUCT_READY] }) { nodes { ${TYPED} } } }`,
    );
    const { nodes } = paged.events;
    expect(nodes.find((event) => event.accessRequest?.id === request)).toMatchObject({
      ...{ type: 'ACCESS_GRANTED', version: 1 },
      dataProduct: { name: 'shipments' },
      accessRequest: { id: request, status: 'APPROVED' },
      accessGrant: { id: grant },
      consumerDomain: { name: 'finance' },
      principals: [reader('typed')],
      permissions: ['SELECT', 'DESCRIBE'],
      after: { status: 'ACTIVE' },
    });
    expect(nodes.find((event) => event.type === 'ACCESS_REVOKED' && event.accessGrant?.id === grant)).toMatchObject({
      accessGrant: { status: 'REVOKED' },
      revokedBy: 'tomasz.nowak',
      principals: [reader('typed')],
    });
    const stream = await subscribe<{ meshEvents: Typed }>(
      'ada.admin',
      `subscription ($after: EventCursor) {
        meshEvents(after: $after, filter: { types: [ACCESS_REQUESTED, ACCESS_GRANTED, ACCESS_REVOKED, DATA_PRODUCT_READY] }) { ${TYPED} }
      }`,
      { after: BEGINNING },
    );
    await stream.hears((heard) => heard.length >= nodes.length);
    expect(stream.heard.slice(0, nodes.length).map(({ meshEvents }) => meshEvents)).toEqual(nodes);
  });

  test('name the objects that they refer to only to who may see those now', async () => {
    type Ready = { dataProduct: { path: string } | null };
    const pathOf = ({ dataProduct }: Ready) => dataProduct?.path ?? null;
    const fields = '... on DataProductReady { dataProduct { path } }';
    const filter = 'filter: { types: [DATA_PRODUCT_READY] }';
    const paged = async (subject: string) => {
      const query = `{ events(first: 100, ${filter}) { nodes { ${fields} } } }`;
      return (await ask<{ events: { nodes: Ready[] } }>(subject, query)).events.nodes.map(pathOf);
    };
    const streamed = async (subject: string, count: number) => {
      const query = `subscription ($after: EventCursor) { meshEvents(after: $after, ${filter}) { ${fields} } }`;
      const stream = await subscribe<{ meshEvents: Ready }>(subject, query, { after: BEGINNING });
      await stream.hears((heard) => heard.length >= count);
      return stream.heard.map(({ meshEvents }) => pathOf(meshEvents));
    };
    /** The same on a page of the log and in a stream. */
    const pathsSeenBy = async (subject: string) => {
      const paths = await paged(subject);
      expect(await streamed(subject, paths.length)).toEqual(paths);
      return paths;
    };
    const become = (status: string) =>
      owner.query('UPDATE "DataProduct" SET "status" = $1::"DataProductStatus" WHERE "name" = \'shipments\'', [status]);
    const before = await pathsSeenBy('otto.outsider');
    expect(before).toContain('logistics/shipments');
    await become('DRAFT');
    try {
      expect(await pathsSeenBy('otto.outsider')).toEqual(
        before.map((path) => (path === 'logistics/shipments' ? null : path)),
      );
      expect(await pathsSeenBy('ada.admin')).toContain('logistics/shipments');
    } finally {
      await become('PUBLISHED');
    }
  });
});

describe('a filter of events', () => {
  const FILTERED = `query ($filter: MeshEventFilter) { events(first: 100, filter: $filter) { nodes { sequence } } }`;
  const STREAMED = `subscription ($after: EventCursor, $filter: MeshEventFilter) { meshEvents(after: $after, filter: $filter) { sequence } }`;

  test('by the least classification lets through what was, or until then had been, as strict or stricter', async () => {
    const filter = { minimumClassification: 'CONFIDENTIAL' };
    const strict = (data: unknown) =>
      ['CONFIDENTIAL', 'RESTRICTED'].includes(
        String((data as { classification?: unknown } | undefined)?.classification),
      );
    const wanted = (await logged()).filter(({ data }) => strict(data) || strict(data.before)).map(({ seq }) => seq);
    expect(wanted.length).toBeGreaterThan(0);
    const { events } = await ask<{ events: { nodes: { sequence: string }[] } }>('ada.admin', FILTERED, { filter });
    expect(events.nodes.map(({ sequence }) => sequence)).toEqual(wanted.slice(0, 100));
    const stream = await subscribe<{ meshEvents: { sequence: string } }>('ada.admin', STREAMED, {
      after: BEGINNING,
      filter,
    });
    await stream.hears((heard) => heard.length >= wanted.length);
    expect(stream.heard.map(({ meshEvents }) => meshEvents.sequence)).toEqual(wanted);
  });

  const draft = async () => {
    const { registerDataProduct } = await ask<{ registerDataProduct: { dataProduct: { id: string } } }>(
      'ada.admin',
      `mutation ($input: RegisterDataProductInput!) { registerDataProduct(input: $input) {
        ... on RegisterDataProductPayload { dataProduct { id } } ... on UserError { code message } } }`,
      {
        input: {
          ...{ domain: await domainId('commerce'), name: 'not-yet', description: 'A draft', owner: 'nobody' },
          ...{ accessMode: 'NRAC', classification: 'INTERNAL' },
        },
      },
    );
    return registerDataProduct.dataProduct.id;
  };
  test.each<[string, () => Promise<object>, string, RegExp]>([
    ['without any type', async () => ({ types: [] }), 'BAD_USER_INPUT', /`types` is empty/],
    ['without any domain', async () => ({ domains: [] }), 'BAD_USER_INPUT', /`domains` is empty/],
    ['without any product', async () => ({ dataProducts: [] }), 'BAD_USER_INPUT', /`dataProducts` is empty/],
    ['without any tag', async () => ({ tags: [] }), 'BAD_USER_INPUT', /`tags` is empty/],
    ['by an empty tag', async () => ({ tags: ['sales', ''] }), 'BAD_USER_INPUT', /No product has an empty tag/],
    [
      'by what is no id',
      async () => ({ domains: ['commerce'] }),
      'BAD_USER_INPUT',
      /"commerce" is not the id of a domain/,
    ],
    [
      'by the id of something else',
      async () => ({ dataProducts: [nobody] }),
      'BAD_USER_INPUT',
      /is not the id of a data product/,
    ],
    [
      'by a domain that is not there',
      async () => ({ domains: [nobody] }),
      'NOT_FOUND',
      /`domains` was not found, or you may not see it/,
    ],
    [
      'by a product that one may not see',
      async () => ({ dataProducts: [await draft()] }),
      'NOT_FOUND',
      /`dataProducts` was not found, or you may not see it/,
    ],
    [
      'by tags of events that have none',
      async () => ({ types: ['DOMAIN_REGISTERED'], tags: ['sales'] }),
      'BAD_USER_INPUT',
      /No event of these `types` meets `tags`/,
    ],
    [
      'by a product of another domain than it names',
      async () => ({ domains: [await domainId('finance')], dataProducts: [await idOf('logistics/shipments')] }),
      'BAD_USER_INPUT',
      /`dataProducts` are all of other domains/,
    ],
    ['by a classification that is none', async () => ({ minimumClassification: 'SECRET' }), 'BAD_USER_INPUT', /SECRET/],
  ])('%s is refused, with what is wrong with it', async (_, filterOf, code, message) => {
    const filter = await filterOf();
    const { errors } = await askWith(await as('otto.outsider'), FILTERED, { filter });
    expect(errors).toEqual([
      expect.objectContaining({
        message: expect.stringMatching(message),
        extensions: expect.objectContaining({ code }),
      }),
    ]);
    const stream = await subscribe('otto.outsider', STREAMED, { filter });
    await stream.ended;
    expect(stream.errors).toEqual([{ code, message: expect.stringMatching(message) }]);
    expect(stream.heard).toEqual([]);
  });

  test('is never refused where an event passes it', async () => {
    type Row = Logged & { domainId: string | null; productId: string | null };
    const { rows } = await owner.query<Row>('SELECT "seq"::text, "type", "data", "domainId", "productId" FROM "Event"');
    const refused = rows.filter(({ type, data, domainId, productId }) => {
      const filter: MeshEventFilter = {
        types: [type],
        domains: domainId === null ? null : [domainId],
        dataProducts: productId === null ? null : [productId],
        tags: Array.isArray(data.tags) ? data.tags : null,
        minimumClassification: typeof data.classification === 'string' ? 'PUBLIC' : null,
      };
      return neverMet(filter).length > 0;
    });
    expect(rows.length).toBeGreaterThan(50);
    expect(refused).toEqual([]);
    expect(neverMet({ types: ['DomainReady', 'AccessGranted'], tags: ['sales'] })).toEqual([]);
    expect(neverMet({ types: ['DomainReady', 'ResourceStuck'], tags: ['sales'], dataProducts: ['p'] })).toEqual([
      'tags',
    ]);
    // Each alone could be met, by one type or the other; both together by none.
    expect(neverMet({ types: ['TokenCreated', 'RestrictedDetailsRead'], tags: ['sales'] })).toEqual(['tags']);
  });

  test('lets through what holds for all of its parts', async () => {
    const [domains, dataProducts] = [[await domainId('logistics')], [await idOf('logistics/shipments')]];
    const filter = { types: ['ACCESS_GRANTED', 'ACCESS_REVOKED'], domains, dataProducts, mine: false };
    const { events } = await ask<{ events: { nodes: object[] } }>('ada.admin', FILTERED, { filter });
    expect(events.nodes).toHaveLength(2);
  });
});

describe('streams about one object', () => {
  type Change = { sequence: string; type: string; cursor: string };

  test('replay what became of a request and its grant from a cursor on', async () => {
    const query = `subscription ($id: ID!, $after: EventCursor) { accessRequestChanged(id: $id, after: $after) { sequence type cursor } }`;
    const stream = await subscribe<{ accessRequestChanged: Change }>('oskar.lind', query, {
      id: request,
      after: BEGINNING,
    });
    await stream.hears((heard) => heard.length >= 5);
    const changes = stream.heard.map(({ accessRequestChanged }) => accessRequestChanged);
    expect(changes.map(({ type }) => type)).toEqual([
      'ACCESS_REQUESTED',
      'ACCESS_APPROVED',
      'ACCESS_GRANTED',
      'ACCESS_REVOKING',
      'ACCESS_REVOKED',
    ]);
    const rest = await subscribe<{ accessRequestChanged: Change }>('oskar.lind', query, {
      id: request,
      after: changes[2]?.cursor,
    });
    await rest.hears((heard) => heard.length >= 2);
    expect(rest.heard.map(({ accessRequestChanged }) => accessRequestChanged)).toEqual(changes.slice(3));
  });

  test.each([
    ['accessRequestChanged', 'an access request', () => idOf('logistics/shipments')],
    ['accessRequestChanged', 'an access request', async () => 'logistics'],
    ['dataProductChanged', 'a data product', () => domainId('logistics')],
  ])('of %s are refused to who names something else than %s', async (field, called, idOfAnother) => {
    const query = `subscription ($id: ID!) { ${field}(id: $id) { type } }`;
    const stream = await subscribe('ada.admin', query, { id: await idOfAnother() });
    await stream.ended;
    expect(stream.errors).toEqual([{ code: 'BAD_USER_INPUT', message: `\`id\` is not the id of ${called}.` }]);
  });

  test('replay what happened to a product from a cursor on', async () => {
    const id = await idOf('logistics/shipments');
    const query = `subscription ($id: ID!, $after: EventCursor) { dataProductChanged(id: $id, after: $after) { sequence type cursor } }`;
    const stream = await subscribe<{ dataProductChanged: Change }>('ada.admin', query, { id, after: BEGINNING });
    await stream.hears((heard) => heard.some(({ dataProductChanged }) => dataProductChanged.type === 'ACCESS_REVOKED'));
    expect(stream.heard[0]?.dataProductChanged.type).toBe('DATA_PRODUCT_REGISTERED');
  });
});

describe('events of a domain', () => {
  const QUERY = `subscription ($domain: ID!, $detailType: String, $after: EventCursor) {
    domainEvents(domain: $domain, detailType: $detailType, after: $after) { type domain { name } account source detailType detail } }`;
  interface Received {
    domainEvents: { detailType: string; detail: unknown };
  }

  /** As the inbox tells of what came over EventBridge. */
  async function receive(name: string, detailType: string, detail: Record<string, unknown>): Promise<void> {
    const database = openDatabase(product.databaseUrl, { poolSize: 1 });
    const { id } = await database.prisma.domain.findUniqueOrThrow({ where: { name } });
    const subject = { type: 'Domain' as const, id: await domainId(name), name, domain: name };
    const data = { account: '222233334444', source: 'com.example.sales', detailType, detail, schemaVersion: 1 };
    await database.prisma.$transaction((tx) =>
      append(tx, {
        ...{ type: 'DomainEventReceived', subject, subjectId: id, domainId: id, data },
        ...{ audience: { public: false, domains: [id], subjects: [] }, actor: SYSTEM_ACTOR, correlationId: 'inbox' },
      }),
    );
    await database.close();
  }

  let saleRecorded: string;

  test('reach its members as they come in, one detail-type or all, and nobody else', async () => {
    const domain = await domainId('logistics');
    const { registerDomainEventType } = await ask<{
      registerDomainEventType: { domainEventType: { id: string } };
    }>(
      'ada.admin',
      `mutation ($input: RegisterDomainEventTypeInput!) { registerDomainEventType(input: $input) {
        ... on RegisterDomainEventTypePayload { domainEventType { id } } ... on UserError { code message } } }`,
      { input: { domain, detailType: 'SaleRecorded', schema: { type: 'object' } } },
    );
    saleRecorded = registerDomainEventType.domainEventType.id;
    const all = await subscribe<Received>('tomasz.nowak', QUERY, { domain, after: BEGINNING });
    const sales = await subscribe<Received>('tomasz.nowak', QUERY, {
      domain,
      detailType: 'SaleRecorded',
      after: BEGINNING,
    });
    const stranger = await subscribe<Received>('otto.outsider', QUERY, { domain, after: BEGINNING });
    const everywhere = await subscribe<Received>('ada.admin', QUERY, { domain, after: BEGINNING });
    await receive('commerce', 'SaleRecorded', { of: 'another domain' });
    await receive('logistics', 'SaleRecorded', { sale: 'S-1' });
    await receive('logistics', 'TruckLeft', { truck: 7 });
    await receive('logistics', 'SaleRecorded', { sale: 'S-2' });
    await all.hears((heard) => heard.length >= 3);
    await sales.hears((heard) => heard.length >= 2);
    expect(all.heard.map(({ domainEvents }) => domainEvents.detail)).toEqual([
      { sale: 'S-1' },
      { truck: 7 },
      { sale: 'S-2' },
    ]);
    expect(sales.heard.map(({ domainEvents }) => domainEvents.detail)).toEqual([{ sale: 'S-1' }, { sale: 'S-2' }]);
    expect(all.heard[1]?.domainEvents).toEqual({
      ...{ type: 'DOMAIN_EVENT_RECEIVED', domain: { name: 'logistics' }, account: '222233334444' },
      ...{ source: 'com.example.sales', detailType: 'TruckLeft', detail: { truck: 7 } },
    });
    await everywhere.hears((heard) => heard.length >= 3);
    expect(everywhere.heard).toEqual(all.heard);
    expect(stranger.heard).toEqual([]);
    expect(stranger.errors).toEqual([]);
  });

  test.each<[string, string, () => Promise<Record<string, unknown>>, string, RegExp]>([
    ['of nothing', 'ada.admin', async () => ({ domain: '' }), 'BAD_USER_INPUT', /`domain` is not the id of a domain/],
    [
      'of what is no domain',
      'tomasz.nowak',
      async () => ({ domain: await idOf('logistics/shipments') }),
      'BAD_USER_INPUT',
      /`domain` is not the id of a domain/,
    ],
    [
      'of a domain that is not there',
      'tomasz.nowak',
      async () => ({ domain: nobody }),
      'NOT_FOUND',
      /What `domain` names was not found, or you may not see it/,
    ],
    [
      'of an empty type',
      'tomasz.nowak',
      async () => ({ domain: await domainId('logistics'), detailType: '' }),
      'BAD_USER_INPUT',
      /`detailType` is empty/,
    ],
    [
      'of a type that nobody registered',
      'tomasz.nowak',
      async () => ({ domain: await domainId('logistics'), detailType: 'Salerecorded' }),
      'NOT_FOUND',
      /registered no events of this `detailType`/,
    ],
    [
      'of a type that one may not see',
      'otto.outsider',
      async () => ({ domain: await domainId('logistics'), detailType: 'SaleRecorded' }),
      'NOT_FOUND',
      /registered no events of this `detailType`/,
    ],
  ])('%s are refused, with what is wrong', async (_, subject, variables, code, message) => {
    const stream = await subscribe<Received>(subject, QUERY, await variables());
    await stream.ended;
    expect(stream.errors).toEqual([{ code, message: expect.stringMatching(message) }]);
  });

  test('of a type that was removed can be read still', async () => {
    const domain = await domainId('logistics');
    const variables = { domain, detailType: 'SaleRecorded', after: BEGINNING };
    await ask(
      'ada.admin',
      `mutation ($type: ID!) { removeDomainEventType(input: { domainEventType: $type }) { __typename } }`,
      { type: saleRecorded },
    );
    const stream = await subscribe<Received>('tomasz.nowak', QUERY, variables);
    await stream.hears((heard) => heard.length >= 2);
    expect(stream.errors).toEqual([]);
  });
});

describe('the progress of provisioning', () => {
  const QUERY = `subscription ($owner: ID!) { provisioningProgress(owner: $owner) {
    state total ready failed leaving owner { id __typename } failures { kind key status lastError { code message } } } }`;
  interface Step {
    provisioningProgress: {
      state: string;
      total: number;
      ready: number;
      failed: number;
      leaving: number;
      owner: { id: string };
      failures: { kind: string; lastError: { code: string } }[];
    };
  }
  const stepsOf = ({ heard }: Subscribed<Step>) => heard.map(({ provisioningProgress }) => provisioningProgress);

  test('of a grant is told step by step, and ends when all stands; of its revoke when all is gone', async () => {
    const owner = await job.approve(await job.request({ principals: [reader('watched')] }));
    const coming = await subscribe<Step>('tomasz.nowak', QUERY, { owner });
    await coming.ended;
    const steps = stepsOf(coming);
    expect(coming.errors).toEqual([]);
    expect(steps.at(-1)).toMatchObject({ state: 'SETTLED', failed: 0, leaving: 0, failures: [], owner: { id: owner } });
    expect(steps.at(-1)?.total).toBeGreaterThan(0);
    expect(steps.at(-1)?.ready).toBe(steps.at(-1)?.total);
    expect(steps.slice(0, -1).every(({ state }) => state === 'PROGRESSING')).toBe(true);
    await job.reached(owner, 'ACTIVE');
    await job.revoke(owner);
    const going = await subscribe<Step>('tomasz.nowak', QUERY, { owner });
    await going.ended;
    expect(stepsOf(going).at(-1)).toMatchObject({ state: 'SETTLED', total: 0, ready: 0, leaving: 0 });
  });

  test('names what failed for good, with the reason, and ends there', async () => {
    const owned = await idOf('logistics/shipments');
    const uuid = Buffer.from(owned, 'base64url').toString().split(':')[1];
    const { rows } = await owner.query<{ id: string }>(
      `SELECT "resourceId" AS "id" FROM "ResourceClaim" WHERE "ownerId" = $1 AND "releasedAtGeneration" IS NULL LIMIT 1`,
      [uuid],
    );
    const mark = (status: string, lastError: object | null) =>
      owner.query('UPDATE "Resource" SET "status" = $2::"ResourceStatus", "lastError" = $3 WHERE "id" = $1', [
        rows[0]?.id,
        status,
        lastError,
      ]);
    await mark('FAILED', { code: 'AlreadyExists', message: 'It stands in AWS already.', awsRequestId: null });
    const failed = await subscribe<Step>('tomasz.nowak', QUERY, { owner: owned });
    await failed.ended;
    await mark('READY', null);
    const [step, ...more] = stepsOf(failed);
    expect(more).toEqual([]);
    expect(step).toMatchObject({ state: 'FAILED', failed: 1, failures: [{ lastError: { code: 'AlreadyExists' } }] });
    expect(step?.ready).toBe((step?.total ?? 0) - 1);
  });

  test.each<[string, string, () => Promise<string>, string, RegExp]>([
    [
      'who sees the owner and not its AWS objects',
      'elif.kaya',
      () => domainId('logistics'),
      'FORBIDDEN',
      /owners and stewards/,
    ],
    ['who may not see the owner', 'otto.outsider', async () => grant, 'NOT_FOUND', /The owner was not found/],
    [
      'who names something else',
      'tomasz.nowak',
      async () => request,
      'BAD_USER_INPUT',
      /id of a domain, a data product or an access grant/,
    ],
    [
      'who names nothing',
      'tomasz.nowak',
      async () => 'logistics',
      'BAD_USER_INPUT',
      /id of a domain, a data product or an access grant/,
    ],
  ])('is refused to %s', async (_, subject, ownerOf, code, message) => {
    const stream = await subscribe<Step>(subject, QUERY, { owner: await ownerOf() });
    await stream.ended;
    expect(stream.errors).toEqual([{ code, message: expect.stringMatching(message) }]);
    expect(stream.heard).toEqual([]);
  });
});
