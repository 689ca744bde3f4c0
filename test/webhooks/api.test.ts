import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../../src/demo/client.js';
import { productOfTest } from '../testkit/product.js';
import { isSigned, receiverOfTest } from '../testkit/receiver.js';
import { askWith } from '../testkit/server.js';

const product = await productOfTest({ demo: false, environment: { MESHGATE_WEBHOOK_NETWORKS: '127.0.0.0/8,::1' } });
const database = new pg.Client({ connectionString: product.ownerUrl });
const domains = new Map<string, string>();

const WEBHOOK = `webhook { id name url filter status disabledReason failingSince previousSecretEndsAt removedAt domain { name }
  deliveries(first: 10) { nodes { id kind status messageId eventType sequence nextAttemptAt attempts { number milliseconds statusCode error } } } }`;
const mutation = (name: string, fields = WEBHOOK, input = name): string => {
  const type = `${name.charAt(0).toUpperCase()}${name.slice(1)}`;
  const inputType = `${input.charAt(0).toUpperCase()}${input.slice(1)}Input`;
  return `mutation ($input: ${inputType}!) { ${name}(input: $input) {
    ... on ${type}Payload { ${fields} } ... on UserError { code message } ... on StateError { state } ... on ValidationError { path violations { path reason } } } }`;
};
const REGISTER = mutation('registerWebhook', `secret replayed ${WEBHOOK}`);
const ROTATE = mutation('rotateWebhookSecret', `secret replayed ${WEBHOOK}`);
const PING = mutation('pingWebhook', `webhookDelivery { id messageId } ${WEBHOOK}`, 'webhook');

interface Delivery {
  id: string;
  kind: string;
  status: string;
  messageId: string;
  eventType: string | null;
  attempts: { number: number; statusCode: number | null; error: string | null }[];
}
interface Answered {
  code?: string;
  message: string;
  state?: string;
  path?: string;
  secret: string;
  replayed: boolean;
  webhookDelivery: Delivery;
  webhook: { id: string; filter: object; status: string; url: string; name: string; deliveries: { nodes: Delivery[] } };
}

async function ask<Data>(subject: string, query: string, variables: object = {}): Promise<Data> {
  const { data, errors } = await askWith({ ...product, token: await product.tokenOf(subject) }, query, variables);
  expect(errors).toEqual([]);
  return data as Data;
}
async function act(subject: string, document: string, input: object): Promise<Answered> {
  return Object.values(await ask<Record<string, Answered>>(subject, document, { input }))[0] as Answered;
}
let registered = 0;
const register = (subject: string, input: object = {}): Promise<Answered> => {
  registered += 1;
  return act(subject, REGISTER, { name: `hook-${registered}`, domain: domains.get('commerce'), ...input });
};
const look = async (subject: string, id: string) =>
  (
    await ask<{ node: Answered['webhook'] | null }>(
      subject,
      `query ($id: ID!) { node(id: $id) { ... on Webhook { ${WEBHOOK.slice(10, -2)} } } }`,
      { id },
    )
  ).node;
/** Something that a domain's members hear. */
const happen = (domain: string) =>
  act('ada.admin', mutation('updateDomain', 'domain { id }'), {
    domain: domains.get(domain),
    description: String(Math.random()),
  });

beforeAll(async () => {
  await database.connect();
  for (const [name, account] of [
    ['commerce', '222233334444'],
    ['finance', '333344445555'],
  ] as const) {
    const input = {
      ...{ name, displayName: name, awsAccountId: account, awsRegion: 'eu-west-1' },
      ...{ roleArn: `arn:aws:iam::${account}:role/meshgate`, dataLocation: `s3://${name}-data/mesh` },
      owners: [`${name}.owner`],
    };
    const made = (await act('ada.admin', mutation('registerDomain', 'domain { id }'), input)) as unknown as {
      domain: { id: string };
    };
    domains.set(name, made.domain.id);
    const member = { domain: made.domain.id, subject: `${name}.member`, role: 'MEMBER' };
    await act('ada.admin', mutation('addDomainMember', 'domain { id }'), member);
  }
});
afterAll(() => database.end());

test('a webhook gets the events of its domain from its registration on, and its deliveries tell what came of each', async () => {
  const receiver = await receiverOfTest();
  const made = await register('commerce.owner', {
    url: receiver.url,
    filter: { types: ['DOMAIN_UPDATED'], domains: [domains.get('commerce')] },
  });
  expect(made).toMatchObject({ replayed: false, secret: expect.stringMatching(/^whsec_/) });
  expect(made.webhook).toMatchObject({
    status: 'ENABLED',
    domain: { name: 'commerce' },
    filter: { types: ['DOMAIN_UPDATED'], domains: [domains.get('commerce')] },
  });
  await happen('finance');
  await happen('commerce');
  await until('The event arrives', async () => receiver.received[0], 20_000);
  expect(isSigned(receiver.received[0]!, made.secret)).toBe(true);
  expect(receiver.received[0]?.message).toMatchObject({
    type: 'DomainUpdated',
    data: { subject: { name: 'commerce' } },
  });
  const shown = await until('The delivery is noted', async () => {
    const node = await look('commerce.owner', made.webhook.id);
    return node?.deliveries.nodes[0]?.status === 'SUCCEEDED' ? node : undefined;
  });
  expect(shown.deliveries.nodes).toMatchObject([
    {
      ...{
        kind: 'EVENT',
        eventType: 'DOMAIN_UPDATED',
        messageId: receiver.received[0]?.headers['webhook-id'],
        nextAttemptAt: null,
      },
      attempts: [{ number: 1, statusCode: 204, error: null, milliseconds: expect.any(Number) }],
    },
  ]);
  expect(receiver.received).toHaveLength(1);
});

test('a delivery that arrived is sent once more on demand, with the same id', async () => {
  const receiver = await receiverOfTest();
  const { webhook } = await register('commerce.owner', { url: receiver.url, filter: { types: ['DOMAIN_UPDATED'] } });
  await happen('commerce');
  const delivery = await until('It arrives', async () => {
    const [first] = (await look('commerce.owner', webhook.id))?.deliveries.nodes ?? [];
    return first?.status === 'SUCCEEDED' ? first : undefined;
  });
  const redeliver = mutation('redeliverWebhook', `webhookDelivery { id } ${WEBHOOK}`);
  for (const subject of ['commerce.member', 'finance.owner'])
    expect(await act(subject, redeliver, { webhookDelivery: delivery.id })).toMatchObject({ code: 'NOT_FOUND' });
  expect(await act('commerce.owner', redeliver, { webhookDelivery: delivery.id })).toMatchObject({
    webhookDelivery: { id: delivery.id },
  });
  await until('It arrives again', async () => receiver.received[1], 20_000);
  expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id']))).toEqual(new Set([delivery.messageId]));
});

test('a ping is sent once, signed, also to a webhook that is off', async () => {
  const receiver = await receiverOfTest();
  receiver.answer(() => 500);
  const { webhook, secret } = await register('commerce.owner', {
    url: receiver.url,
    filter: { types: ['DOMAIN_UPDATED'] },
  });
  await act('commerce.owner', mutation('disableWebhook'), { webhook: webhook.id, reason: 'Not yet' });
  const { webhookDelivery } = await act('commerce.owner', PING, { webhook: webhook.id });
  const over = await until('It is noted', async () => {
    const [first] = (await look('commerce.owner', webhook.id))?.deliveries.nodes ?? [];
    return first?.status === 'FAILED' ? first : undefined;
  });
  expect(over).toMatchObject({
    kind: 'PING',
    id: webhookDelivery.id,
    eventType: null,
    attempts: [{ statusCode: 500, error: 'HTTP 500' }],
  });
  expect(receiver.received).toHaveLength(1);
  expect(receiver.received[0]?.message).toMatchObject({ type: 'Ping', data: { webhook: webhook.name } });
  expect(isSigned(receiver.received[0]!, secret)).toBe(true);
  expect(await look('commerce.owner', webhook.id)).toMatchObject({
    status: 'DISABLED',
    disabledReason: 'Not yet',
    failingSince: null,
  });
});

test('turned off, changed, turned on: it goes on where it was, or from now on where it is to skip what it missed', async () => {
  const receiver = await receiverOfTest();
  const filter = { types: ['DOMAIN_UPDATED'] };
  const [kept, skipping] = [
    await register('commerce.owner', { url: receiver.url, filter }),
    await register('commerce.owner', { url: receiver.url, filter }),
  ];
  for (const { webhook } of [kept, skipping])
    await act('commerce.owner', mutation('disableWebhook'), { webhook: webhook.id, reason: 'Moves' });
  await happen('commerce');
  await happen('commerce');
  await until('The log has them', async () => {
    const { rows } = await database.query('SELECT FROM "EventPending"');
    return rows.length === 0 || undefined;
  });
  const other = await receiverOfTest();
  expect(
    await act('commerce.owner', mutation('updateWebhook'), {
      webhook: skipping.webhook.id,
      url: other.url,
      name: 'moved',
    }),
  ).toMatchObject({
    webhook: { name: 'moved', url: other.url },
  });
  await act('commerce.owner', mutation('enableWebhook'), { webhook: skipping.webhook.id, skipMissed: true });
  await act('commerce.owner', mutation('enableWebhook'), { webhook: kept.webhook.id });
  await until('What was missed arrives', async () => receiver.received.length >= 2 || undefined, 20_000);
  await happen('commerce');
  await until(
    'What is new arrives',
    async () => (receiver.received.length >= 3 && other.received.length >= 1) || undefined,
    20_000,
  );
  expect([receiver.received.length, other.received.length]).toEqual([3, 1]);
});

test('what the sender makes while a webhook skips what it missed is skipped too', async () => {
  const { webhook } = await register('commerce.owner', { url: 'https://crm.example/' });
  const off = { webhook: webhook.id, reason: 'for a while' };
  await act('commerce.owner', mutation('disableWebhook'), off);
  const id = Buffer.from(webhook.id, 'base64url').toString().split(':')[1];
  const sender = new pg.Client({ connectionString: product.ownerUrl });
  await sender.connect();
  await sender.query('BEGIN');
  await sender.query('UPDATE "WebhookProgress" SET "position" = "position" WHERE "webhookId" = $1', [id]);
  await sender.query(
    `INSERT INTO "WebhookDelivery" ("id", "webhookId", "messageId", "seq", "eventType", "subjectId", "nextAttemptAt")
     VALUES (gen_random_uuid(), $1, gen_random_uuid(), 1, 'DomainUpdated', $1, NULL)`,
    [id],
  );
  const enabled = act('commerce.owner', mutation('enableWebhook'), { webhook: webhook.id, skipMissed: true });
  const { rows: own } = await sender.query('SELECT pg_current_xact_id()::xid::text AS "xid"');
  await until('It waits for the sender', async () => {
    const held = 'SELECT FROM pg_locks WHERE NOT granted AND "transactionid" = $1::xid';
    return (await database.query(held, [own[0].xid])).rows.length > 0 || undefined;
  });
  await sender.query('COMMIT');
  await sender.end();
  expect(await enabled).toMatchObject({ webhook: { status: 'ENABLED' } });
  const made = 'SELECT "status" FROM "WebhookDelivery" WHERE "webhookId" = $1 AND "seq" = 1';
  expect((await database.query(made, [id])).rows).toEqual([{ status: 'FAILED' }]);
  await act('commerce.owner', mutation('removeWebhook', WEBHOOK, 'webhook'), { webhook: webhook.id });
});

test('a removed webhook is sent nothing, cannot be changed, and is not listed', async () => {
  const receiver = await receiverOfTest();
  const { webhook } = await register('commerce.owner', { url: receiver.url, filter: { types: ['DOMAIN_UPDATED'] } });
  const input = { webhook: webhook.id };
  expect(await act('commerce.owner', mutation('removeWebhook', WEBHOOK, 'webhook'), input)).toMatchObject({
    webhook: { removedAt: expect.any(String), status: 'DISABLED' },
  });
  await happen('commerce');
  for (const document of [PING, mutation('enableWebhook'), ROTATE])
    expect(await act('commerce.owner', document, input)).toMatchObject({ code: 'STATE', state: 'REMOVED' });
  const { webhooks } = await ask<{ webhooks: { nodes: { id: string }[] } }>(
    'ada.admin',
    '{ webhooks(first: 100) { nodes { id } } }',
  );
  expect(webhooks.nodes.map(({ id }) => id)).not.toContain(webhook.id);
  expect(receiver.received).toEqual([]);
});

test('a name is had by one webhook of an owner at a time, and who takes it again is told whose it is', async () => {
  const url = 'https://crm.example/';
  const first = await register('commerce.owner', { url, name: 'taken' });
  const refused = {
    code: 'CONFLICT',
    message: expect.stringMatching(/^The domain commerce has a webhook taken already/),
  };
  expect(await register('commerce.owner', { url, name: 'taken' })).toMatchObject(refused);
  const other = await register('commerce.owner', { url, name: 'free' });
  const update = mutation('updateWebhook');
  expect(await act('commerce.owner', update, { webhook: other.webhook.id, name: 'taken' })).toMatchObject(refused);
  expect(await act('commerce.owner', update, { webhook: other.webhook.id, name: 'free' })).toMatchObject({
    webhook: { name: 'free' },
  });
  const ofMesh = await register('ada.admin', { url, name: 'taken', domain: null });
  expect(await register('ada.admin', { url, name: 'taken', domain: null })).toMatchObject({
    message: expect.stringMatching(/^The mesh has a webhook taken already/),
  });
  for (const { webhook } of [first, other, ofMesh])
    await act('ada.admin', mutation('removeWebhook', WEBHOOK, 'webhook'), { webhook: webhook.id });
  const again = await register('commerce.owner', { url, name: 'taken' });
  await act('commerce.owner', mutation('removeWebhook', WEBHOOK, 'webhook'), { webhook: again.webhook.id });
});

test('a webhook whose receiver answers 410 to a ping is turned off', async () => {
  const receiver = await receiverOfTest();
  receiver.answer(() => 410);
  const { webhook } = await register('commerce.owner', { url: receiver.url, filter: { types: ['ACCESS_GRANTED'] } });
  await act('commerce.owner', PING, { webhook: webhook.id });
  await until(
    'It is off',
    async () => (await look('commerce.owner', webhook.id))?.status === 'DISABLED' || undefined,
    20_000,
  );
  expect(receiver.received).toHaveLength(1);
});

describe('who may', () => {
  test('owners and stewards have those of their domain, admins those of the mesh; others neither make nor see any', async () => {
    const { webhook } = await register('commerce.owner', { url: 'https://crm.example/' });
    const ofMesh = await register('ada.admin', { url: 'https://siem.example/', domain: null });
    expect(ofMesh.webhook).toMatchObject({ domain: null });
    for (const subject of ['commerce.member', 'finance.owner', 'nobody']) {
      expect(await register(subject, { url: 'https://crm.example/' })).toMatchObject({ code: 'FORBIDDEN' });
      expect(await look(subject, webhook.id)).toBeNull();
      for (const document of [PING, ROTATE, mutation('enableWebhook'), mutation('removeWebhook', WEBHOOK, 'webhook')])
        expect(await act(subject, document, { webhook: webhook.id })).toMatchObject({ code: 'NOT_FOUND' });
      const listed = await ask<{ webhooks: { nodes: { id: string }[] } }>(
        subject,
        '{ webhooks(first: 100) { nodes { id } } }',
      );
      expect(listed.webhooks.nodes.map(({ id }) => id)).not.toContain(webhook.id);
    }
    expect(await register('commerce.owner', { url: 'https://siem.example/', domain: null })).toMatchObject({
      code: 'FORBIDDEN',
    });
    expect(await look('commerce.owner', ofMesh.webhook.id)).toBeNull();
    const page = '{ domain(by: { name: "commerce" }) { webhooks(first: 100) { nodes { id } } } }';
    type Page = { domain: { webhooks: { nodes: { id: string }[] } } };
    expect((await ask<Page>('commerce.owner', page)).domain.webhooks.nodes.map(({ id }) => id)).toContain(webhook.id);
    expect((await ask<Page>('commerce.member', page)).domain.webhooks.nodes).toEqual([]);
  });

  test('not with a token of Meshgate, whatever its scopes', async () => {
    const input = { name: 'all', scopes: ['DOMAIN_WRITE'] };
    const { secret: token } = await act('commerce.owner', mutation('createPersonalAccessToken', 'secret'), input);
    const asked = { input: { name: 'by-token', url: 'https://crm.example/', domain: domains.get('commerce') } };
    const { data } = await askWith({ ...product, token }, REGISTER, asked);
    expect(data).toMatchObject({ registerWebhook: { code: 'FORBIDDEN', message: expect.stringContaining('sign in') } });
  });

  test("and row-level security holds it too: the server's connection writes for nobody else", async () => {
    const server = new pg.Client({ connectionString: product.databaseUrl });
    await server.connect();
    const insert = (domain: string) => `INSERT INTO "Webhook" ("id", "domainId", "name", "url", "filter", "createdBy")
      VALUES (gen_random_uuid(), ${domain}, gen_random_uuid()::text, 'https://crm.example/', '{}', current_setting('meshgate.subject'))`;
    const commerce = `(SELECT "id" FROM "Domain" WHERE "name" = 'commerce')`;
    const as = async (subject: string, authority: string, text: string) => {
      await server.query('BEGIN');
      await server.query(
        `SELECT set_config('meshgate.subject', $1, true), set_config('meshgate.authority', $2, true)`,
        [subject, authority],
      );
      const outcome = await server.query(text).then(
        ({ rowCount }) => rowCount,
        (error: pg.DatabaseError) => error.code,
      );
      await server.query('ROLLBACK');
      return outcome;
    };
    expect(await as('commerce.owner', 'MEMBER', insert(commerce))).toBe(1);
    expect(await as('commerce.member', 'MEMBER', insert(commerce))).toBe('42501');
    expect(await as('commerce.owner', 'MEMBER', insert('NULL'))).toBe('42501');
    expect(
      await as(
        'finance.owner',
        'MEMBER',
        `UPDATE "Webhook" SET "url" = 'https://mine.example/' WHERE "domainId" = ${commerce}`,
      ),
    ).toBe('42501');
    expect(await as('meshgate', 'SYSTEM', `UPDATE "Webhook" SET "status" = 'ENABLED', "disabledAt" = NULL`)).toBe(
      '42501',
    );
    expect(await as('ada', 'ADMIN', 'UPDATE "Webhook" SET "domainId" = NULL')).toBe('42501');
    await server.end();
  });
});

test('a receiver without TLS on this machine may be called by its name, when it is registered and when it is moved', async () => {
  const receiver = await receiverOfTest();
  const url = receiver.url.replace('127.0.0.1', 'localhost');
  const { webhook } = await register('commerce.owner', { url, filter: { types: ['DOMAIN_UPDATED'] } });
  await happen('commerce');
  await until('the event arrives', async () => (receiver.received.length === 1 ? true : undefined));
  const moved = { webhook: webhook.id, url: 'http://nowhere.invalid:8080/' };
  const update = mutation('updateWebhook');
  expect(await act('commerce.owner', update, moved)).toMatchObject({ code: 'VALIDATION', path: 'url' });
  // Nobody else has names looked up.
  expect(await act('finance.owner', update, moved)).toMatchObject({ code: 'NOT_FOUND' });
  expect(await act('commerce.owner', update, { ...moved, url: `${url}?moved` })).toMatchObject({
    webhook: { url: `${url}?moved` },
  });
});

describe('what is given', () => {
  test.each([
    [{ url: 'http://crm.example/' }, 'url', 'port 443'],
    [{ url: 'http://nowhere.invalid:8080/' }, 'url', 'https URL: without TLS nothing but this machine is reached'],
    [{ url: 'https://169.254.169.254/latest' }, 'url', 'not public'],
    [{ url: 'https://10.0.0.1/' }, 'url', 'not public'],
    [{ url: 'https://ada:secret@crm.example/' }, 'url', 'user name'],
    [{ url: 'https://crm.example/', filter: { mine: true } }, 'filter.mine', 'for people'],
    [{ url: 'https://crm.example/', name: '' }, 'name', 'empty'],
  ])('%o is refused with what to do', async (input, path, says) => {
    expect(await register('commerce.owner', input)).toMatchObject({
      code: 'VALIDATION',
      path,
      message: expect.stringContaining(says),
      violations: [{ path, reason: expect.stringContaining(says) }],
    });
  });

  const named = (type: string) => Buffer.from(`${type}:00000000-0000-4000-8000-000000000000`).toString('base64url');

  test('the id of something else is told apart from what is not there', async () => {
    const ping = async (type: string) => act('commerce.owner', PING, { webhook: named(type) });
    expect(await ping('Domain')).toMatchObject({
      code: 'NOT_FOUND',
      message: 'The webhook was not found: this is the id of a domain.',
    });
    expect(await ping('Webhook')).toMatchObject({
      code: 'NOT_FOUND',
      message: 'The webhook was not found, or you may not see it.',
    });
  });

  test.each<[string, object, string, string | undefined, RegExp]>([
    ['without any type', { types: [] }, 'VALIDATION', 'filter.types', /`types` is empty/],
    ['without any domain', { domains: [] }, 'VALIDATION', 'filter.domains', /`domains` is empty/],
    ['without any product', { dataProducts: [] }, 'VALIDATION', 'filter.dataProducts', /`dataProducts` is empty/],
    ['without any tag', { tags: [] }, 'VALIDATION', 'filter.tags', /`tags` is empty/],
    [
      'by what is no id',
      { domains: ['commerce'] },
      'VALIDATION',
      'filter.domains',
      /"commerce" is not the id of a domain/,
    ],
    [
      'by the id of something else',
      { dataProducts: [named('Domain')] },
      'VALIDATION',
      'filter.dataProducts',
      /is not the id/,
    ],
    [
      'by a domain that is not there',
      { domains: [named('Domain')] },
      'NOT_FOUND',
      undefined,
      /`domains` was not found/,
    ],
    [
      'by a product that is not there',
      { dataProducts: [named('DataProduct')] },
      'NOT_FOUND',
      undefined,
      /`dataProducts` was not found/,
    ],
    [
      'by tags of events that have none',
      { types: ['DOMAIN_UPDATED'], tags: ['sales'] },
      'VALIDATION',
      'filter.tags',
      /meets `tags`/,
    ],
    [
      'by events that no domain hears',
      { types: ['TOKEN_CREATED', 'PUBLISHER_PAUSED'] },
      'VALIDATION',
      'filter.types',
      /hears of none of these/,
    ],
  ])('a filter %s is refused as in a subscription, when it is registered and when it is changed', async (...given) => {
    const [, filter, code, path, message] = given;
    const refusal = { code, message: expect.stringMatching(message), ...(path ? { path } : {}) };
    expect(await register('commerce.owner', { url: 'https://crm.example/', filter })).toMatchObject(refusal);
    const { webhook } = await act('commerce.owner', REGISTER, {
      ...{ name: 'filtered', domain: domains.get('commerce'), url: 'https://crm.example/' },
      idempotencyKey: 'filtered',
    });
    expect(await act('commerce.owner', mutation('updateWebhook'), { webhook: webhook.id, filter })).toMatchObject(
      refusal,
    );
    expect(await look('commerce.owner', webhook.id)).toMatchObject({ filter: {} });
  });

  test('a webhook of the mesh may hear of what no domain hears', async () => {
    const filter = { types: ['PUBLISHER_PAUSED'] };
    const made = await register('ada.admin', { url: 'https://siem.example/', domain: null, filter });
    expect(made.webhook).toMatchObject({ filter });
    await act('ada.admin', mutation('removeWebhook', WEBHOOK, 'webhook'), { webhook: made.webhook.id });
  });

  test('a name that another has, and a twenty-first webhook, are refused', async () => {
    const made = await register('finance.owner', {
      domain: domains.get('finance'),
      url: 'https://crm.example/',
      name: 'one',
    });
    const again = { domain: domains.get('finance'), url: 'https://crm.example/', name: 'one' };
    expect(await register('finance.owner', again)).toMatchObject({ code: 'CONFLICT' });
    for (let n = 1; n < 20; n += 1)
      await register('finance.owner', { domain: domains.get('finance'), url: 'https://crm.example/' });
    expect(
      await register('finance.owner', { domain: domains.get('finance'), url: 'https://crm.example/' }),
    ).toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('20 webhooks'),
    });
    await act('finance.owner', mutation('removeWebhook', WEBHOOK, 'webhook'), { webhook: made.webhook.id });
    expect(await register('finance.owner', again)).toMatchObject({ webhook: { name: 'one' } });
  });
});

test('a secret is shown once, rotated by another, and kept nowhere', async () => {
  const receiver = await receiverOfTest();
  const input = {
    name: 'secretive',
    domain: domains.get('commerce'),
    url: `${receiver.url}?token=in-the-url`,
    idempotencyKey: 'one',
  };
  const first = await act('commerce.owner', REGISTER, input);
  expect(await act('commerce.owner', REGISTER, input)).toMatchObject({
    secret: null,
    replayed: true,
    webhook: { id: first.webhook.id },
  });
  const second = await act('commerce.owner', ROTATE, { webhook: first.webhook.id });
  await act('commerce.owner', PING, { webhook: first.webhook.id });
  const ping = await until(
    'A ping arrives',
    async () => receiver.received.find(({ message }) => message.type === 'Ping'),
    20_000,
  );
  expect([first.secret, second.secret].map((secret) => isSigned(ping, secret))).toEqual([true, true]);
  expect(first.secret).not.toBe(second.secret);
  const { rows } = await database.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')`,
  );
  for (const { name } of rows) {
    const kept = (await database.query<{ text: string }>(`SELECT t::text AS "text" FROM "${name}" t`)).rows
      .map(({ text }) => text)
      .join('\n');
    for (const { secret } of [first, second]) expect(kept.includes(secret.slice(6)), name).toBe(false);
    if (name !== 'Webhook') expect(kept.includes('in-the-url'), name).toBe(false);
  }
});

test('the receiver of the documentation takes what is signed, once, and refuses all else', async () => {
  const [, code = ''] =
    /```js\n([\s\S]*?)```/.exec(readFileSync(join(import.meta.dirname, '../../docs/webhooks.md'), 'utf8')) ?? [];
  const probe = await receiverOfTest();
  const port = Number(new URL(probe.url).port) + 1;
  const url = `http://127.0.0.1:${port}/`;
  const { webhook, secret } = await register('commerce.owner', { url, filter: { types: ['DOMAIN_UPDATED'] } });
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    env: { PATH: process.env.PATH, WEBHOOK_SECRET: secret, PORT: String(port) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: string[] = [];
  child.stdout.on('data', (chunk: Buffer) => lines.push(...chunk.toString().split('\n').filter(Boolean)));
  try {
    await until(
      'It listens',
      async () =>
        (await fetch(url, { method: 'POST', body: '{}' }).catch(() => undefined))?.status === 401 || undefined,
    );
    await happen('commerce');
    const delivery = await until(
      'It arrives',
      async () => {
        const [first] = (await look('commerce.owner', webhook.id))?.deliveries.nodes ?? [];
        return first?.status === 'SUCCEEDED' ? first : undefined;
      },
      20_000,
    );
    await act('commerce.owner', mutation('redeliverWebhook', WEBHOOK), { webhookDelivery: delivery.id });
    await until(
      'It arrives again',
      async () => {
        const [first] = (await look('commerce.owner', webhook.id))?.deliveries.nodes ?? [];
        return (first?.attempts.length ?? 0) === 2 || undefined;
      },
      20_000,
    );
    expect(lines).toEqual(['DomainUpdated commerce']);
    expect(
      (
        await fetch(url, {
          method: 'POST',
          body: '{"type":"DomainUpdated"}',
          headers: { 'webhook-id': 'x', 'webhook-timestamp': '1', 'webhook-signature': 'v1,x' },
        })
      ).status,
    ).toBe(401);
  } finally {
    child.kill();
  }
});
