import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { issuerOfTest } from './testkit/issuer.js';
import { askWith, serverOfTest } from './testkit/server.js';
import { openSocket } from './testkit/socket.js';

const people = await issuerOfTest('https://people.test');
const machines = await issuerOfTest('https://machines.test');
const trust = { audience: 'meshgate', typ: 'at+jwt' };
const { graphql, ownerUrl } = await serverOfTest({
  issuers: [
    { ...trust, issuer: people.issuer, jwksUri: people.jwksUri, subjectPrefix: 'p:', adminGroups: ['admins'] },
    { ...trust, issuer: machines.issuer, jwksUri: machines.jwksUri, subjectPrefix: 'm:', kind: 'MACHINE' },
  ],
});
let database: pg.Client;
const domains = new Map<string, string>();

const ask = async (token: string, query: string, variables: object = {}) => {
  const { data, ...answer } = await askWith({ graphql, token }, query, variables);
  return { ...answer, data: data ?? {} };
};
const askAs = async (sub: string, query: string, variables: object = {}) =>
  ask(await people.token({ sub, groups: sub === 'ada' ? ['admins'] : [] }), query, variables);

const ACCOUNT = `serviceAccount { id name subject issuer issuerSubject removedAt domain { name }
  secrets { id createdBy expiresAt lastUsedAt revokedAt revokedBy } }`;
const mutation = (name: string, fields: string): string => {
  const type = `${name.charAt(0).toUpperCase()}${name.slice(1)}`;
  return `mutation ($input: ${type}Input!) { ${name}(input: $input) {
    ... on ${type}Payload { ${fields} } ... on UserError { code message } ... on StateError { state } } }`;
};
const REGISTER = mutation('registerServiceAccount', `secret replayed ${ACCOUNT}`);
const ROTATE = mutation('rotateServiceAccountSecret', `secret replayed ${ACCOUNT}`);
const REVOKE = mutation('revokeServiceAccountSecret', ACCOUNT);
const REMOVE = mutation('removeServiceAccount', ACCOUNT);
const WHO = `{ viewer { subject admin scopes signIn { kind tokenId } memberships { role domain { name } }
  serviceAccount { name subject } tokens { id } } }`;

interface Answered {
  code?: string;
  message?: string;
  state?: string;
  secret: string;
  replayed: boolean;
  serviceAccount: {
    id: string;
    name: string;
    subject: string;
    removedAt: string | null;
    secrets: { id: string; revokedAt: string | null; revokedBy: string | null }[];
  };
}

async function act(sub: string, document: string, input: object): Promise<Answered> {
  const { data, errors } = await askAs(sub, document, { input });
  expect(errors).toEqual([]);
  return Object.values(data)[0] as Answered;
}
const register = (sub: string, input: object = {}): Promise<Answered> =>
  act(sub, REGISTER, { domain: domains.get('commerce'), name: `loader-${randomUUID().slice(0, 8)}`, ...input });
const rotate = (sub: string, id: string, more: object = {}) => act(sub, ROTATE, { serviceAccount: id, ...more });
const status = async (token: string) => (await ask(token, WHO)).status;

beforeAll(async () => {
  database = new pg.Client({ connectionString: ownerUrl });
  await database.connect();
  for (const [name, account] of [
    ['commerce', '222233334444'],
    ['finance', '333344445555'],
  ] as const) {
    const input = {
      name,
      displayName: name,
      awsAccountId: account,
      awsRegion: 'eu-west-1',
      roleArn: `arn:aws:iam::${account}:role/meshgate`,
      dataLocation: `s3://${name}-data/mesh`,
      owners: [`p:${name}-owner`],
    };
    const document = mutation('registerDomain', 'domain { id }');
    const registered = (await act('ada', document, input)) as unknown as { domain: { id: string } };
    domains.set(name, registered.domain.id);
  }
  const add = mutation('addDomainMember', 'domain { id }');
  await act('commerce-owner', add, { domain: domains.get('commerce'), subject: 'p:commerce-steward', role: 'STEWARD' });
});
afterAll(() => database.end());

describe('a service account', () => {
  test('signs in with a secret that is shown once, as a member of its domain and no more', async () => {
    const made = await register('commerce-owner', { name: 'etl', role: 'STEWARD' });
    expect(made.secret).toMatch(/^mgsa_[0-9A-Za-z]{71}$/);
    expect(made).toMatchObject({
      replayed: false,
      serviceAccount: { name: 'etl', subject: 'service-account:commerce/etl', domain: { name: 'commerce' } },
    });
    expect((await ask(made.secret, WHO)).data).toEqual({
      viewer: {
        subject: 'service-account:commerce/etl',
        admin: false,
        scopes: expect.arrayContaining(['PRODUCT_WRITE', 'ACCESS_DECIDE']),
        signIn: { kind: 'SERVICE_ACCOUNT_SECRET', tokenId: expect.any(String) },
        memberships: [{ role: 'STEWARD', domain: { name: 'commerce' } }],
        serviceAccount: { name: 'etl', subject: 'service-account:commerce/etl' },
        tokens: null,
      },
    });
    const product = {
      domain: domains.get('commerce'),
      name: 'orders',
      description: 'Orders',
      owner: 'etl',
      accessMode: 'NRAC',
      classification: 'INTERNAL',
    };
    const document = mutation('registerDataProduct', 'dataProduct { status }');
    expect((await ask(made.secret, document, { input: product })).data).toEqual({
      registerDataProduct: { dataProduct: { status: 'DRAFT' } },
    });
    const elsewhere = { input: { ...product, domain: domains.get('finance') } };
    expect((await ask(made.secret, document, elsewhere)).data).toMatchObject({
      registerDataProduct: { code: 'FORBIDDEN' },
    });
  });

  test('as an owner still makes no secrets, accounts or tokens with a secret', async () => {
    const made = await register('commerce-owner', { role: 'OWNER' });
    const refused = { code: 'FORBIDDEN', message: expect.stringContaining('sign in with a token of your issuer') };
    const input = { serviceAccount: made.serviceAccount.id };
    for (const [document, given] of [
      [ROTATE, input],
      [REMOVE, input],
      [REVOKE, { secret: made.serviceAccount.secrets[0]?.id }],
      [REGISTER, { domain: domains.get('commerce'), name: 'another' }],
      [mutation('createPersonalAccessToken', 'secret'), { name: 'x', scopes: ['CATALOGUE_READ'] }],
    ] as const) {
      const { data } = await ask(made.secret, document, { input: given });
      expect(Object.values(data)[0]).toMatchObject(refused);
    }
    await act('commerce-owner', REMOVE, input);
  });

  test('is for owners of the domain to make and to see; a steward may not, others do not know of it', async () => {
    expect(await register('commerce-steward')).toMatchObject({ code: 'FORBIDDEN' });
    const { serviceAccount } = await register('commerce-owner');
    for (const sub of ['commerce-steward', 'finance-owner', 'nobody']) {
      expect(await rotate(sub, serviceAccount.id), sub).toMatchObject({ code: 'NOT_FOUND' });
      const secret = serviceAccount.secrets[0]?.id;
      const missing = Buffer.from(`ServiceAccountSecret:${randomUUID()}`).toString('base64url');
      expect(await act(sub, REVOKE, { secret }), sub).toEqual(await act(sub, REVOKE, { secret: missing }));
      expect(await act(sub, REMOVE, { serviceAccount: serviceAccount.id }), sub).toMatchObject({ code: 'NOT_FOUND' });
      const { data } = await askAs(sub, 'query ($id: ID!) { node(id: $id) { id } }', { id: serviceAccount.id });
      expect(data, sub).toEqual({ node: null });
    }
    const list = '{ domain(by: { name: "commerce" }) { serviceAccounts { name } } }';
    const names = async (sub: string) =>
      ((await askAs(sub, list)).data.domain as { serviceAccounts: object[] }).serviceAccounts;
    expect(await names('commerce-owner')).toContainEqual({ name: serviceAccount.name });
    expect(await names('ada')).toContainEqual({ name: serviceAccount.name });
    expect(await names('commerce-steward')).toEqual([]);
  });

  test('is registered once under a key; the repetition tells no secret', async () => {
    const input = { name: 'repeated', idempotencyKey: randomUUID() };
    const first = await register('commerce-owner', input);
    const again = await register('commerce-owner', input);
    expect(again).toMatchObject({ secret: null, replayed: true, serviceAccount: { id: first.serviceAccount.id } });
    expect(again.serviceAccount.secrets).toHaveLength(1);
    expect(await register('commerce-owner', { name: 'repeated' })).toMatchObject({ code: 'CONFLICT' });
  });

  test('leaves no secret behind: neither in the database nor in its events', async () => {
    const { secret, serviceAccount } = await register('commerce-owner');
    const { rows: tables } = await database.query<{ name: string }>(
      `SELECT format('%I', tablename) AS name FROM pg_tables WHERE schemaname = 'public'`,
    );
    for (const { name } of tables) {
      const { rows } = await database.query(`SELECT 1 FROM ${name} t WHERE t::text LIKE '%' || $1 || '%'`, [
        secret.slice(27, 70),
      ]);
      expect(rows, name).toEqual([]);
    }
    const { rows } = await database.query<{ data: object; actor: object }>(
      `SELECT "data", "actor" FROM "EventPending" WHERE "type" = 'ServiceAccountRegistered' AND "data" ->> 'member' = $1
       UNION ALL SELECT "data", "actor" FROM "Event" WHERE "type" = 'ServiceAccountRegistered' AND "data" ->> 'member' = $1`,
      [serviceAccount.subject],
    );
    expect(rows).toMatchObject([{ data: { role: 'MEMBER', tokenId: expect.any(String) }, actor: { tokenId: 'one' } }]);
  });
});

describe('secrets', () => {
  test('are rotated without a gap: two live at once, never three', async () => {
    const { secret: first, serviceAccount } = await register('commerce-owner');
    const { secret: second } = await rotate('commerce-owner', serviceAccount.id);
    expect([await status(first), await status(second)]).toEqual([200, 200]);
    expect(await rotate('commerce-owner', serviceAccount.id)).toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('revoke the one'),
    });
    const { data } = await askAs(
      'commerce-owner',
      `query ($id: ID!) { node(id: $id) { ... on ServiceAccount { secrets { id } } } }`,
      {
        id: serviceAccount.id,
      },
    );
    const [, oldest] = (data.node as { secrets: { id: string }[] }).secrets;
    const revoked = await act('commerce-owner', REVOKE, { secret: oldest?.id });
    expect(revoked.serviceAccount.secrets.map(({ revokedBy }) => revokedBy)).toEqual([null, 'p:commerce-owner']);
    expect([await status(first), await status(second)]).toEqual([401, 200]);
    const { secret: third } = await rotate('commerce-owner', serviceAccount.id);
    expect([await status(second), await status(third)]).toEqual([200, 200]);
  });

  test('asked for by twenty at once become one more, not twenty', async () => {
    const { serviceAccount } = await register('commerce-owner');
    const answers = await Promise.all(Array.from({ length: 20 }, () => rotate('commerce-owner', serviceAccount.id)));
    expect(answers.filter(({ secret }) => secret)).toHaveLength(1);
    const { rows } = await database.query(
      `SELECT 1 FROM "ServiceAccountSecret" s JOIN "ServiceAccount" a ON a."id" = s."serviceAccountId"
       WHERE a."subject" = $1 AND s."revokedAt" IS NULL`,
      [serviceAccount.subject],
    );
    expect(rows).toHaveLength(2);
  });

  test('that have expired sign nobody in, and make room', async () => {
    const { secret, serviceAccount } = await register('commerce-owner');
    await rotate('commerce-owner', serviceAccount.id);
    await database.query(
      `UPDATE "ServiceAccountSecret" s SET "createdAt" = now() - interval '9 days', "expiresAt" = now() - interval '1 second'
       FROM "ServiceAccount" a WHERE a."id" = s."serviceAccountId" AND a."subject" = $1 AND s."slot" = 1`,
      [serviceAccount.subject],
    );
    expect(await status(secret)).toBe(401);
    expect((await rotate('commerce-owner', serviceAccount.id)).secret).toMatch(/^mgsa_/);
  });

  test('are two at most in the database too, live 365 days at most, and belong to no account of an issuer', async () => {
    const { serviceAccount } = await register('commerce-owner');
    await rotate('commerce-owner', serviceAccount.id);
    const bound = await register('commerce-owner', { identity: { issuer: machines.issuer, subject: randomUUID() } });
    const insert = (subject: string, slot: number, days = 1) =>
      database.query(
        `INSERT INTO "ServiceAccountSecret" ("id", "serviceAccountId", "slot", "hash", "createdBy", "expiresAt")
         SELECT gen_random_uuid(), "id", $2, sha256('x'), 'x', now() + make_interval(days => $3) FROM "ServiceAccount" WHERE "subject" = $1`,
        [subject, slot, days],
      );
    for (const slot of [1, 2]) await expect(insert(serviceAccount.subject, slot)).rejects.toThrow('unique constraint');
    await expect(insert(serviceAccount.subject, 3)).rejects.toThrow('two_at_once');
    await expect(insert(bound.serviceAccount.subject, 1)).rejects.toThrow('has no secrets');
    const single = await register('commerce-owner');
    await expect(insert(single.serviceAccount.subject, 2, 366)).rejects.toThrow('_life');
  });
});

describe('a removal', () => {
  test('ends secrets, sockets and membership at once, and the name is never given again', async () => {
    const { secret, serviceAccount } = await register('commerce-owner', { name: 'short-lived' });
    const socket = openSocket(graphql, secret);
    expect(await socket.outcome).toBe('acknowledged');
    const removedAt = Date.now();
    const removed = await act('commerce-owner', REMOVE, { serviceAccount: serviceAccount.id });
    expect(removed.serviceAccount).toMatchObject({ removedAt: expect.any(String) });
    expect(await status(secret)).toBe(401);
    expect(await socket.closed).toBe(4403);
    expect(Date.now() - removedAt).toBeLessThan(5_000);
    const members = await askAs('commerce-owner', '{ domain(by: { name: "commerce" }) { members { subject } } }');
    expect(JSON.stringify(members.data)).not.toContain('short-lived');
    expect(await rotate('commerce-owner', serviceAccount.id)).toMatchObject({ code: 'STATE', state: 'REMOVED' });
    expect(await register('commerce-owner', { name: 'short-lived' })).toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('not given twice'),
    });
  });

  test('never leaves a domain without an owner', async () => {
    const { serviceAccount } = await register('finance-owner', { domain: domains.get('finance'), role: 'OWNER' });
    const document = mutation('removeDomainMember', 'domain { id }');
    await act('ada', document, { domain: domains.get('finance'), subject: 'p:finance-owner' });
    expect(await act('ada', REMOVE, { serviceAccount: serviceAccount.id })).toMatchObject({ code: 'CONFLICT' });
    const owner = { domain: domains.get('finance'), subject: 'p:finance-owner', role: 'OWNER' };
    await act('ada', mutation('addDomainMember', 'domain { id }'), owner);
    expect(await act('ada', REMOVE, { serviceAccount: serviceAccount.id })).toHaveProperty('serviceAccount');
  });
});

describe('bound to an issuer', () => {
  test('a machine signs in with the token of that issuer alone', async () => {
    const identity = { issuer: machines.issuer, subject: 'client-1' };
    const made = await register('commerce-owner', { name: 'dbt', identity });
    expect(made).toMatchObject({
      secret: null,
      replayed: false,
      serviceAccount: { subject: 'm:client-1', issuer: machines.issuer, issuerSubject: 'client-1', secrets: [] },
    });
    expect((await ask(await machines.token({ sub: 'client-1' }), WHO)).data).toMatchObject({
      viewer: {
        subject: 'm:client-1',
        scopes: null,
        signIn: { kind: 'MACHINE' },
        memberships: [{ role: 'MEMBER' }],
        serviceAccount: { name: 'dbt' },
      },
    });
    // The same sub at another issuer is somebody else.
    expect((await ask(await people.token({ sub: 'client-1' }), WHO)).data).toMatchObject({
      viewer: { subject: 'p:client-1', memberships: [], serviceAccount: null },
    });
    expect(await rotate('commerce-owner', made.serviceAccount.id)).toMatchObject({ code: 'STATE', state: 'BOUND' });
    expect(await register('finance-owner', { domain: domains.get('finance'), identity })).toMatchObject({
      code: 'CONFLICT',
    });
    await act('commerce-owner', REMOVE, { serviceAccount: made.serviceAccount.id });
    expect((await ask(await machines.token({ sub: 'client-1' }), WHO)).data).toMatchObject({
      viewer: { memberships: [], serviceAccount: null },
    });
  });

  test("it is never a person's, nor of an issuer that is not for machines", async () => {
    for (const issuer of [people.issuer, 'https://evil.test']) {
      const answer = await register('commerce-owner', { identity: { issuer, subject: 'ada' } });
      expect(answer).toMatchObject({ code: 'VALIDATION', message: expect.stringContaining(machines.issuer) });
    }
  });

  test('a machine gets no personal token', async () => {
    const { data } = await ask(await machines.token(), mutation('createPersonalAccessToken', 'secret'), {
      input: { name: 'x', scopes: ['CATALOGUE_READ'] },
    });
    expect(data.createPersonalAccessToken).toMatchObject({ code: 'FORBIDDEN' });
  });
});
