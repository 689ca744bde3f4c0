import { type GraphQLInputType, getNamedType } from 'graphql';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { until } from '../../src/demo/client.js';
import { followUpWaiting } from '../../src/governance/escalation.js';
import { buildSchema } from '../../src/resolvers/schema.js';
import { openDatabase } from '../../src/server/database.js';
import { productOfTest } from '../testkit/product.js';
import { sandboxControl } from '../testkit/sandbox-control.js';
import { REACHES, reachesOf } from './reaches.js';
import { MAY, PEOPLE, type Who } from './who-may.js';

const product = await productOfTest();
const owner = new pg.Pool({ connectionString: product.ownerUrl, max: 2 });
afterAll(() => owner.end());

const schema = await buildSchema();
const MUTATIONS = Object.values(schema.getMutationType()?.getFields() ?? {});

interface Answered {
  data?: Record<string, Record<string, unknown> | null> | null;
  errors?: { message: string; extensions: { code: string } }[];
}

const ask = async (subject: string, query: string, variables: object = {}): Promise<Answered> =>
  askWith(await product.tokenOf(subject), query, variables);

async function askWith(token: string, query: string, variables: object = {}): Promise<Answered> {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
  const response = await fetch(product.graphql, {
    method: 'POST',
    headers,
    body: JSON.stringify({ query, variables }),
  });
  return (await response.json()) as Answered;
}

const inDays = (days: number): string => new Date(Date.now() + days * 86_400_000).toISOString();
const MEMBER = 'oskar.lind';
const STEWARD = 'tomasz.nowak';
const ADMIN = 'ada.admin';

interface Example {
  /** An admin where nobody is named. */
  as?: string;
  input: Record<string, unknown>;
}
/** A mutation that would go through, for each there is: a new one without an example fails. In an order in which they all go through. */
let examples: Record<string, Example>;
/** Secrets that were shown once. */
const shown: string[] = [];

beforeAll(async () => {
  const ids = await sceneIds();
  const request = (columns: string[]) => accessRequest(ids, columns);
  const [approved, rejected, cancelled, commented] = [
    await request(['shipment_id']),
    await request(['carrier_code']),
    await request(['shipment_id', 'carrier_code']),
    await request(['carrier_code', 'shipment_id']),
  ];
  const [revoked, extended] = [
    await grantOf(await request(['shipment_id'])),
    await grantOf(await request(['carrier_code'])),
  ];
  const document = (version: string) => ids.document.replace('version: 1.4.1', `version: ${version}`);
  const contract = await idOf(
    'importDataContract',
    { dataProduct: ids.shipments, document: document('1.5.0') },
    'dataContract',
  );
  const draft = await idOf('registerDataProduct', productInput(ids.logistics, 'returns'), 'dataProduct');
  const routes = [
    await idOf('addEventRoute', routeInput(ids.logistics, 'changed'), 'eventRoute'),
    await idOf('addEventRoute', routeInput(ids.logistics, 'removed'), 'eventRoute'),
  ];
  await settled();
  const foreignGrant = await prepareByHand(ids.stock);
  await carriedOut({ name: 'pausePublisher', input: { reason: 'Maintenance' } }, '__typename');
  const [rotated, removed] = [
    await serviceAccount(ids.logistics, 'loader'),
    await serviceAccount(ids.logistics, 'reporter'),
  ];
  const named = await idOf(
    'nameDeputy',
    { domain: ids.logistics, deputy: 'oskar.lind', until: inDays(7) },
    'deputy',
    STEWARD,
  );
  const eventType = (detailType: string) =>
    idOf(
      'registerDomainEventType',
      { domain: ids.logistics, detailType, schema: { type: 'object' } },
      'domainEventType',
    );
  await eventType('ParcelSent');
  const removedType = await eventType('ParcelMade');
  const drafted = await idOf('createPolicy', { ...policyInput, name: 'drafted' }, 'policy');
  const active = await idOf('createPolicy', { ...policyInput, name: 'active' }, 'policy');
  await idOf('activatePolicy', { policy: active, version: 1 }, 'policy');
  const madeToken = { name: 'createPersonalAccessToken', input: { name: 'old', scopes: ['ACCESS_READ'] } };
  const token = await carriedOut(madeToken, 'secret personalAccessToken { id }');
  shown.push(String(token.secret));
  const [hook, changed, gone, off] = [
    await webhook('hook'),
    await webhook('changed'),
    await webhook('gone'),
    await webhook('off'),
  ];
  await idOf('disableWebhook', { webhook: off, reason: 'Moves' }, 'webhook');
  examples = {
    registerWebhook: { input: { ...webhookInput, name: 'new' } },
    updateWebhook: { input: { webhook: changed, name: 'changed-too' } },
    rotateWebhookSecret: { input: { webhook: hook } },
    pingWebhook: { input: { webhook: hook } },
    redeliverWebhook: { input: { webhookDelivery: await failedDelivery(hook) } },
    enableWebhook: { input: { webhook: off } },
    disableWebhook: { input: { webhook: changed, reason: 'Moves' } },
    removeWebhook: { input: { webhook: gone } },
    registerDomain: { input: domainInput },
    updateDomain: { input: { domain: ids.logistics, description: 'Moves things' } },
    addDomainMember: { input: { domain: ids.logistics, subject: 'new.one', role: 'MEMBER' } },
    removeDomainMember: { input: { domain: ids.finance, subject: 'temp.member' } },
    nameDeputy: { as: STEWARD, input: { domain: ids.logistics, deputy: 'nina.sommer', until: inDays(7) } },
    endDeputy: { input: { deputy: named } },
    createPolicy: { input: { ...policyInput, name: 'new-policy' } },
    draftPolicy: { input: { policy: drafted, source: SOURCE } },
    activatePolicy: { input: { policy: drafted, version: 1 } },
    deactivatePolicy: { input: { policy: active } },
    createPersonalAccessToken: { input: { name: 'new', scopes: ['ACCESS_READ'] } },
    revokePersonalAccessToken: { input: { personalAccessToken: (token.personalAccessToken as { id: string }).id } },
    registerServiceAccount: { input: { domain: ids.logistics, name: 'importer' } },
    rotateServiceAccountSecret: { input: { serviceAccount: rotated.id } },
    revokeServiceAccountSecret: { input: { secret: rotated.secretId } },
    removeServiceAccount: { input: { serviceAccount: removed.id } },
    registerDomainEventType: { input: { domain: ids.logistics, detailType: 'ParcelLost', schema: { type: 'object' } } },
    removeDomainEventType: { input: { domainEventType: removedType } },
    publishDomainEvent: { input: { domain: ids.logistics, detailType: 'ParcelSent', detail: { parcel: 'P-1' } } },
    releaseQuarantinedEvent: { input: { quarantinedEvent: await heldEvent('ParcelSent') } },
    discardQuarantinedEvent: { input: { quarantinedEvent: await heldEvent('ParcelUnheard') } },
    registerDataProduct: { input: productInput(ids.logistics, 'pallets') },
    updateDataProduct: { input: { dataProduct: draft, description: 'What came back' } },
    publishDataProduct: { input: { dataProduct: draft } },
    importDataContract: { input: { dataProduct: ids.shipments, document: document('1.6.0') } },
    activateDataContract: { input: { dataContract: contract, acknowledgeBreaking: true } },
    requestAccess: { as: MEMBER, input: requestInput(ids, ['shipment_id']) },
    commentAccessRequest: { as: MEMBER, input: { accessRequest: commented, text: 'Soon, please' } },
    approveAccessRequest: { input: { accessRequest: approved } },
    rejectAccessRequest: { input: { accessRequest: rejected } },
    cancelAccessRequest: { as: MEMBER, input: { accessRequest: cancelled } },
    extendAccess: { input: { accessGrant: extended, expiresAt: new Date(Date.now() + 86_400_000).toISOString() } },
    revokeAccess: { input: { accessGrant: revoked, reason: 'Over' } },
    acknowledgeDrift: { input: { resource: foreignGrant, reason: 'Known' } },
    retryResource: { input: { resource: await resourceOf(ids.stock) } },
    reportProvisioning: { input: { dataProduct: ids.stock, status: 'SUCCEEDED' } },
    deprecateDataProduct: { input: { dataProduct: ids.stock, reason: 'Old' } },
    addEventRoute: { input: routeInput(ids.logistics, 'added') },
    updateEventRoute: { input: { eventRoute: routes[0], description: 'For the warehouse' } },
    removeEventRoute: { input: { eventRoute: routes[1] } },
    redriveEvents: { input: { all: true } },
    pausePublisher: { input: { reason: 'Maintenance goes on' } },
    resumePublisher: { input: {} },
    retireDataProduct: { input: { dataProduct: ids.carts } },
  };
}, 180_000);

/** Runs one example; answers what it came to: the payload's type, a UserError's code, or the code of an error. */
async function outcomeOf(name: string): Promise<string> {
  const { as = ADMIN, input } = examples[name] as Example;
  const { data, errors } = await ask(as, mutationOf(name).text, { input });
  if (errors) return errors[0]?.extensions.code ?? '';
  return JSON.stringify(Object.values(data?.[name] ?? {}));
}

/** What is kept of everything but the loops' own notes, table by table. */
async function tables(): Promise<Record<string, string>> {
  const { rows } = await owner.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
       AND relname NOT IN ('Lane', 'EventCursor', 'WebhookProgress')`,
  );
  const kept: Record<string, string> = {};
  for (const { name } of rows) {
    const text = `SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) AS "digest" FROM "${name}" t`;
    kept[name] = (await owner.query<{ digest: string }>(text)).rows[0]?.digest ?? '';
  }
  return kept;
}

/** Waits until AWS agrees with everything and every event is told. */
const settled = () =>
  until(
    'All has come to rest',
    async () => {
      const { rows } = await owner.query<{ busy: boolean }>(
        `SELECT EXISTS (SELECT FROM "Resource" WHERE "status" NOT IN ('READY', 'REMOVED')) OR EXISTS (SELECT FROM "EventPending")
           OR (SELECT "seq" FROM "EventHead") > (SELECT "seq" FROM "EventCursor" WHERE "reader" = 'eventbridge')
           OR EXISTS (SELECT FROM "AccessGrant" WHERE "status" IN ('PROVISIONING', 'REVOKING')) AS "busy"`,
      );
      return rows[0]?.busy ? undefined : true;
    },
    60_000,
  );

/** Tries every mutation as everybody, and says of each who was not told that he may not, or that there is no such thing. */
async function whoMay(
  tokens: [Who, string][],
  tries: (name: string, who: Who) => boolean,
): Promise<Record<string, Who[]>> {
  const may: Record<string, Who[]> = {};
  for (const [name, { input }] of Object.entries(examples)) {
    for (const [who, token] of tokens) {
      if (!tries(name, who)) continue;
      const { data, errors } = await askWith(token, mutationOf(name).text, { input });
      const code = errors?.[0]?.extensions.code ?? data?.[name]?.code;
      if (code !== 'FORBIDDEN' && code !== 'NOT_FOUND') may[name] = [...(may[name] ?? []), who];
    }
  }
  return may;
}

test('each mutation goes as far as the audit trail for whoever may, and for nobody else; who is refused changes nothing', async () => {
  const tokens: [Who, string][] = [];
  for (const [who, subject] of Object.entries(PEOPLE) as [Who, string][])
    tokens.push([who, await product.tokenOf(subject)]);
  const narrow = {
    name: 'createPersonalAccessToken',
    input: { name: 'narrow', scopes: ['CATALOGUE_READ'] },
    subject: PEOPLE.owner,
  };
  const machine = {
    name: 'registerServiceAccount',
    input: { domain: (examples.updateDomain as Example).input.domain, name: 'matrix' },
  };
  for (const [who, made] of [
    ['narrow', narrow],
    ['machine', machine],
  ] as const) {
    const token = String((await carriedOut(made, 'secret')).secret);
    shown.push(token);
    tokens.push([who, token]);
    await askWith(token, '{ viewer { subject } }');
  }
  await until('All is numbered', async () =>
    (await owner.query('SELECT FROM "EventPending"')).rowCount === 0 ? true : undefined,
  );
  const before = await tables();
  await owner.query('REVOKE INSERT ON "EventPending" FROM meshgate_server');
  try {
    expect(await whoMay(tokens, () => true)).toEqual(MAY);
  } finally {
    await owner.query('GRANT INSERT ON "EventPending" TO meshgate_server');
  }
  expect(await whoMay(tokens, (name, who) => !MAY[name]?.includes(who))).toEqual({});
  expect(await tables()).toEqual(before);
}, 120_000);

test('with the audit insert blocked every mutation is refused, nothing is changed, and AWS is not called', async () => {
  expect(Object.keys(examples).sort()).toEqual(MUTATIONS.map(({ name }) => name).sort());
  const before = await tables();
  const outcomes: Record<string, string> = {};
  await owner.query('REVOKE INSERT ON "EventPending" FROM meshgate_server');
  try {
    const calls = await sandboxControl(product.sandbox).callsDuring(async () => {
      for (const name of Object.keys(examples)) outcomes[name] = await outcomeOf(name);
      // Whoever was woken would have called by now.
      await new Promise((resolve) => setTimeout(resolve, 2_000));
    });
    expect(outcomes).toEqual(Object.fromEntries(Object.keys(examples).map((name) => [name, 'INTERNAL_SERVER_ERROR'])));
    expect(calls.filter(({ parameters }) => parameters.Entries?.[0]?.DetailType !== 'AuditAnchored')).toEqual([]);
    expect(await tables()).toEqual(before);
  } finally {
    await owner.query('GRANT INSERT ON "EventPending" TO meshgate_server');
  }
}, 120_000);

test('the same mutations go through as soon as the audit trail can be written', async () => {
  const outcomes: Record<string, string> = {};
  for (const name of Object.keys(examples)) outcomes[name] = await outcomeOf(name);
  expect(outcomes).toEqual(
    Object.fromEntries(Object.keys(examples).map((name) => [name, JSON.stringify([mutationOf(name).payload])])),
  );
}, 120_000);

test('the audit trail of all this holds no secret', async () => {
  await until(
    'All is numbered',
    async () => ((await owner.query('SELECT FROM "EventPending"')).rowCount === 0 ? true : undefined),
    30_000,
  );
  const { rows } = await owner.query<{ event: string }>(`SELECT e::text AS "event" FROM "Event" e`);
  const { rows: domains } = await owner.query<{ externalId: string }>('SELECT "externalId" FROM "Domain"');
  const token = await product.tokenOf(MEMBER);
  const secrets = [
    ...domains.map(({ externalId }) => externalId),
    token.split('.')[2] ?? '',
    ...shown.map((secret) => secret.slice(8)),
    new URL(product.databaseUrl).password,
    new URL(product.ownerUrl).password,
  ].filter((secret) => secret.length > 6);
  expect(secrets.length).toBeGreaterThan(4);
  expect(rows.length).toBeGreaterThan(80);
  const forms = [
    /eyJ[\w-]{8,}\.[\w-]+/,
    /\b(AKIA|ASIA)[A-Z0-9]{12,}/,
    /-----BEGIN/,
    /postgres(ql)?:\/\//,
    /bearer /i,
    /"(password|secret|token|externalId)"/i,
    /\bmg(pat|sa)_\w{8,}/,
  ];
  for (const { event } of rows) {
    expect(
      secrets.filter((secret) => event.includes(secret)),
      event,
    ).toEqual([]);
    expect(
      forms.filter((form) => form.test(event)),
      event,
    ).toEqual([]);
  }
}, 60_000);

test('each event of all this reaches those whom it concerns, and nobody else', async () => {
  await owner.query(`UPDATE "AccessRequest" SET "createdAt" = now() - interval '6 days' WHERE "status" = 'PENDING'`);
  const { prisma, close } = openDatabase(product.databaseUrl, { poolSize: 1 });
  await followUpWaiting({ db: prisma, committed: () => undefined }).finally(close);
  await until('All is numbered', async () =>
    (await owner.query('SELECT FROM "EventPending"')).rowCount === 0 ? true : undefined,
  );
  expect(await reachesOf(owner)).toEqual(REACHES);
}, 60_000);

test('owners and stewards audit what is about their domains, whomever it was addressed to, and what these were told', async () => {
  const notSeen = new Set<string>();
  for (const who of ['owner', 'steward', 'readerOwner'] as const) {
    const { rows } = await owner.query<{ seq: string; type: string; seen: boolean; about: boolean }>(
      `SELECT e."seq"::text, e."type", coalesce(e."domainId" = ANY(mine), false) AS "about",
         coalesce(e."domainId" = ANY(mine), false) OR e."audienceDomains" && mine AS "seen"
       FROM "Event" e, (SELECT array_agg("domainId") AS mine FROM "DomainMember" WHERE "subject" = $1 AND "role" <> 'MEMBER') m
       ORDER BY e."seq" DESC`,
      [PEOPLE[who]],
    );
    expect(await audited(PEOPLE[who], rows[0]?.seq ?? '')).toEqual(
      rows.filter(({ seen }) => seen).map(({ seq }) => seq),
    );
    for (const { type, seen } of rows) if (!seen) notSeen.add(type);
    const addressed = rows.filter(({ type }) => type === 'AccessRequestEscalated');
    expect(addressed.some(({ about }) => about)).toBe(who !== 'readerOwner');
  }
  // What belongs to no domain is for admins: somebody's tokens, and how events are sent.
  for (const type of ['TokenCreated', 'TokenRevoked', 'PublisherPaused', 'EventsRedriven', 'WebhookRegistered'])
    expect(notSeen).toContain(type);
  for (const who of ['member', 'requester', 'outsider'] as const)
    await expect(audited(PEOPLE[who], '')).rejects.toThrow('FORBIDDEN');
}, 60_000);

interface Audited {
  auditTrail: { nodes: { sequence: string }[]; pageInfo: { hasNextPage: boolean; endCursor: string } };
}

/** The numbers in a person's audit trail, latest first, up to this one. */
async function audited(subject: string, last: string): Promise<string[]> {
  const numbers: string[] = [];
  let after: string | null = null;
  do {
    const query = `query ($after: String) { auditTrail(first: 100, after: $after) { nodes { sequence } pageInfo { hasNextPage endCursor } } }`;
    const { data, errors } = await ask(subject, query, { after });
    if (errors) throw new Error(errors[0]?.extensions.code);
    const { nodes, pageInfo } = (data as unknown as Audited).auditTrail;
    numbers.push(...nodes.map(({ sequence }) => sequence));
    after = pageInfo.hasNextPage ? pageInfo.endCursor : null;
  } while (after);
  return numbers.filter((sequence) => BigInt(sequence) <= BigInt(last));
}

interface Ids {
  logistics: string;
  finance: string;
  shipments: string;
  document: string;
  stock: string;
  carts: string;
}

async function sceneIds(): Promise<Ids> {
  const { data, errors } = await ask(
    ADMIN,
    `{ logistics: domain(by: { name: "logistics" }) { id }  finance: domain(by: { name: "finance" }) { id }
       shipments: dataProduct(by: { path: "logistics/shipments" }) { id contract { document } }
       stock: dataProduct(by: { path: "logistics/warehouse-stock" }) { id }  carts: dataProduct(by: { path: "commerce/carts" }) { id } }`,
  );
  expect(errors).toBeUndefined();
  const of = (name: string) => String(data?.[name]?.id);
  const document = String((data?.shipments?.contract as { document: string } | undefined)?.document);
  return {
    logistics: of('logistics'),
    finance: of('finance'),
    shipments: of('shipments'),
    document,
    stock: of('stock'),
    carts: of('carts'),
  };
}

function requestInput({ shipments, finance }: Ids, columns: string[]) {
  const principals = ['arn:aws:iam::444455556666:role/reader/audited'];
  return {
    dataProduct: shipments,
    consumerDomain: finance,
    principals,
    tables: ['shipments'],
    columns,
    purpose: 'Audited',
  };
}

const accessRequest = (ids: Ids, columns: string[]): Promise<string> =>
  idOf('requestAccess', requestInput(ids, columns), 'accessRequest', MEMBER);
const grantOf = (request: string): Promise<string> =>
  idOf('approveAccessRequest', { accessRequest: request }, 'accessGrant');

/** Carries a mutation out and answers the id of the object in its payload. */
async function idOf(name: string, input: object, object: string, subject = ADMIN): Promise<string> {
  const payload = await carriedOut({ name, input, subject }, `${object} { id }`);
  return (payload[object] as { id: string }).id;
}

/** Carries a mutation out and answers its payload. */
async function carriedOut(
  { name, input, subject = ADMIN }: { name: string; input: object; subject?: string },
  fields: string,
): Promise<Record<string, unknown>> {
  const { text, payload } = mutationOf(name, fields);
  const { data, errors } = await ask(subject, text, { input });
  const answered = data?.[name];
  if (answered?.__typename !== payload) throw new Error(JSON.stringify({ name, data, errors }));
  return answered;
}

/** The document of a mutation, with what is asked of its payload. */
function mutationOf(name: string, fields = ''): { text: string; payload: string } {
  const field = MUTATIONS.find((one) => one.name === name);
  const type = getNamedType(field?.args[0]?.type as GraphQLInputType).name;
  const payload = `${name.charAt(0).toUpperCase()}${name.slice(1)}Payload`;
  const read = fields === '' ? '' : `... on ${payload} { ${fields} }`;
  const text = `mutation ($input: ${type}!) { ${name}(input: $input) { __typename ${read} ... on UserError { code message } } }`;
  return { text, payload };
}

/** A service account with its secret. */
async function serviceAccount(domain: string, name: string): Promise<{ id: string; secretId: string }> {
  const asked = { name: 'registerServiceAccount', input: { domain, name } };
  const account = await carriedOut(asked, 'secret serviceAccount { id secrets { id } }');
  shown.push(String(account.secret));
  const { id, secrets } = account.serviceAccount as { id: string; secrets: { id: string }[] };
  return { id, secretId: secrets[0]?.id ?? '' };
}

const SOURCE = `forbid (principal, action == Action::"publish", resource) when { resource.tags.contains("no-such-tag") };`;
const policyInput = { description: 'Forbids nothing that there is', source: SOURCE };

const routeInput = (domain: string, name: string) => ({
  domain,
  name,
  pattern: { 'detail-type': ['AccessGranted'] },
  targets: ['arn:aws:sqs:eu-west-1:333344445555:audited'],
});

const domainInput = {
  name: 'audited',
  displayName: 'Audited',
  awsAccountId: '999900001111',
  awsRegion: 'eu-west-1',
  roleArn: 'arn:aws:iam::999900001111:role/meshgate',
  dataLocation: 's3://audited-lake/data',
  owners: ['owner.audited'],
};

const productInput = (domain: string, name: string) => ({
  domain,
  name,
  description: `The ${name}`,
  owner: 'Team',
  accessMode: 'NRAC',
  classification: 'INTERNAL',
  tables: [
    {
      name,
      location: `s3://meshgate-demo-logistics/data/${name}`,
      format: 'PARQUET',
      columns: [{ name: 'id', type: 'string' }],
    },
  ],
});

/** An event of logistics' that is held, as if its type had not been there when it came. Answers its id. */
async function heldEvent(detailType: string): Promise<string> {
  const event = { id: detailType, account: '333344445555', source: 'tests', time: '2026-03-01T10:00:00Z', detail: {} };
  const { rows } = await owner.query<{ id: string }>(
    `INSERT INTO "QuarantinedEvent" ("id", "key", "account", "eventId", "detailType", "reason", "explanation", "body", "bytes")
     VALUES (gen_random_uuid(), $1, '333344445555', $1, $1, 'UNKNOWN_TYPE', 'Not registered', $2, octet_length($2)) RETURNING "id"::text`,
    [detailType, JSON.stringify({ ...event, 'detail-type': detailType })],
  );
  return Buffer.from(`QuarantinedEvent:${rows[0]?.id}`).toString('base64url');
}

const rowId = (id: string): string => Buffer.from(id, 'base64url').toString().split(':')[1] ?? '';

async function resourceRow(product: string): Promise<{ id: string; account: string }> {
  const { rows } = await owner.query<{ id: string; account: string }>(
    `SELECT r."id", r."account" FROM "Resource" r JOIN "ResourceClaim" c ON c."resourceId" = r."id"
     WHERE c."ownerId" = $1 AND r."kind" = 'GlueTable' LIMIT 1`,
    [rowId(product)],
  );
  return rows[0] as { id: string; account: string };
}

const resourceOf = async (product: string): Promise<string> =>
  Buffer.from(`Resource:${(await resourceRow(product)).id}`).toString('base64url');

/** What only time, another's grant and a workflow of a domain's own would bring about. Answers the foreign grant's id. */
async function prepareByHand(product: string): Promise<string> {
  const { id, account } = await resourceRow(product);
  await owner.query(
    `INSERT INTO "DomainMember" ("id", "domainId", "subject", "role", "createdBy")
     SELECT gen_random_uuid(), "id", 'temp.member', 'MEMBER', 'test' FROM "Domain" WHERE "name" = 'finance'`,
  );
  const report = { status: 'AWAITED', message: null, tables: [], told: {}, reportedBy: null, reportedAt: null };
  await owner.query(`UPDATE "DataProduct" SET "provisioningReport" = $1 WHERE "id" = $2`, [
    JSON.stringify(report),
    rowId(product),
  ]);
  await owner.query(
    `INSERT INTO "DeadLetter" ("id", "seq", "part", "eventId", "type", "entry", "code", "message", "attempts")
     VALUES (gen_random_uuid(), 1, 9, gen_random_uuid(), 'DomainReady', '{}', 'MalformedDetail', 'Not JSON', 1)`,
  );
  const { rows } = await owner.query<{ id: string }>(
    `INSERT INTO "ForeignGrant" ("id", "account", "region", "principal", "resource", "permissions", "resourceId")
     VALUES (gen_random_uuid(), $1, 'eu-west-1', 'arn:aws:iam::123412341234:role/stranger', 'table x', '["SELECT"]', $2) RETURNING "id"::text`,
    [account, id],
  );
  return Buffer.from(`ForeignGrant:${rows[0]?.id}`).toString('base64url');
}

const webhookInput = { url: 'http://127.0.0.1:9999/', filter: { types: ['TOKEN_REVOKED'] } };

async function webhook(name: string): Promise<string> {
  const made = await carriedOut({ name: 'registerWebhook', input: { ...webhookInput, name } }, 'secret webhook { id }');
  shown.push(String(made.secret));
  return (made.webhook as { id: string }).id;
}

/** The first event of the log, as one that a webhook did not take. */
async function failedDelivery(hook: string): Promise<string> {
  const [, webhookId] = Buffer.from(hook, 'base64url').toString().split(':');
  const { rows } = await owner.query<{ id: string }>(
    `INSERT INTO "WebhookDelivery" ("id", "webhookId", "messageId", "seq", "eventType", "subjectId", "status", "nextAttemptAt")
     SELECT gen_random_uuid(), $1, "id", "seq", "type", "subjectId", 'FAILED', NULL FROM "Event" ORDER BY "seq" LIMIT 1 RETURNING "id"`,
    [webhookId],
  );
  return Buffer.from(`WebhookDelivery:${rows[0]?.id}`).toString('base64url');
}
