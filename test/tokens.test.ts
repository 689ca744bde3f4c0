import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { newSecret } from '../src/governance/secret.js';
import { sandboxIssuer } from '../src/server/config.js';
import { mainJob, reader } from './testkit/access.js';
import { productOfTest } from './testkit/product.js';
import { askWith, serverOfTest } from './testkit/server.js';
import { openSocket } from './testkit/socket.js';
import { mark, statementsOfTest } from './testkit/statements.js';

const statements = statementsOfTest();
const product = await productOfTest();
const elsewhere = await serverOfTest({
  databaseUrl: product.databaseUrl,
  issuers: [
    {
      issuer: sandboxIssuer,
      jwksUri: `${product.sandbox}/_sandbox/issuer/jwks.json`,
      audience: 'meshgate',
      typ: 'at+jwt',
    },
  ],
});
let database: pg.Client;
let owner: pg.Client;
beforeAll(async () => {
  database = new pg.Client({ connectionString: product.databaseUrl });
  await database.connect();
  const { pathname } = new URL(product.databaseUrl);
  owner = new pg.Client({ connectionString: inject('postgresOwnerUrl').replace(/\/meshgate$/, pathname) });
  await owner.connect();
});
afterAll(async () => {
  await database.end();
  await owner.end();
});

const ask = async (token: string, query: string, variables: object = {}) => {
  const { data, ...answer } = await askWith({ graphql: product.graphql, token }, query, variables);
  return { ...answer, data: data ?? {} };
};
type Asked = Awaited<ReturnType<typeof ask>>;
const askAs = async (subject: string, query: string, variables: object = {}): Promise<Asked> =>
  ask(await product.tokenOf(subject), query, variables);

const CREATE = `mutation ($input: CreatePersonalAccessTokenInput!) { createPersonalAccessToken(input: $input) { __typename
  ... on CreatePersonalAccessTokenPayload { secret replayed personalAccessToken { id name scopes expiresAt } }
  ... on UserError { code message } } }`;
const REVOKE = `mutation ($input: RevokePersonalAccessTokenInput!) { revokePersonalAccessToken(input: $input) { __typename
  ... on RevokePersonalAccessTokenPayload { personalAccessToken { revokedAt revokedBy } } ... on UserError { code message } } }`;
const WHO =
  '{ viewer { subject admin groups scopes actions signIn { kind issuer tokenId expiresAt } memberships { role actions } } }';

interface Created {
  code?: string;
  message?: string;
  secret: string;
  replayed: boolean;
  personalAccessToken: { id: string; name: string; scopes: string[]; expiresAt: string };
}

const EVERY = [
  'CATALOGUE_READ',
  'ACCESS_READ',
  'ACCESS_REQUEST',
  'ACCESS_DECIDE',
  'PRODUCT_WRITE',
  'DOMAIN_WRITE',
  'RESOURCE_READ',
  'RESOURCE_WRITE',
];

async function create(subject: string, scopes: string[] = EVERY, more: object = {}): Promise<Created> {
  const { data, errors } = await askAs(subject, CREATE, { input: { name: 'script', scopes, ...more } });
  expect(errors).toEqual([]);
  return data.createPersonalAccessToken as Created;
}
const revoke = (subject: string, id: string) => askAs(subject, REVOKE, { input: { personalAccessToken: id } });
/** The uuid that a token's global id holds, as events name it. */
const rowId = (id: string) => Buffer.from(id, 'base64url').toString().split(':')[1] ?? '';

describe('a personal access token', () => {
  test('is its holder, narrowed: no groups, no admin, its scopes and its own id and end', async () => {
    const { secret, replayed, personalAccessToken } = await create('tomasz.nowak', ['ACCESS_DECIDE', 'CATALOGUE_READ']);
    expect(secret).toMatch(/^mgpat_[0-9A-Za-z]{71}$/);
    expect(replayed).toBe(false);
    const { data } = await ask(secret, WHO);
    expect(data).toEqual({
      viewer: {
        subject: 'tomasz.nowak',
        admin: false,
        groups: [],
        scopes: ['ACCESS_DECIDE', 'CATALOGUE_READ'],
        actions: [],
        signIn: {
          kind: 'PERSONAL_ACCESS_TOKEN',
          issuer: null,
          tokenId: rowId(personalAccessToken.id),
          expiresAt: personalAccessToken.expiresAt,
        },
        memberships: [
          {
            role: 'STEWARD',
            actions: [
              'domain:read',
              'domain:read-members',
              'data-product:read',
              'access-request:approve',
              'access-request:reject',
              'access-grant:revoke',
            ],
          },
        ],
      },
    });
  });

  test("of a platform admin is not one's", async () => {
    const { secret } = await create('ada.admin');
    const { data } = await ask(secret, '{ viewer { admin memberships { role } } }');
    expect(data).toEqual({ viewer: { admin: false, memberships: [] } });
    const input = { domain: await domainId('commerce'), subject: 'x', role: 'MEMBER' };
    const add =
      'mutation ($input: AddDomainMemberInput!) { addDomainMember(input: $input) { ... on UserError { code } } }';
    expect((await ask(secret, add, { input })).data).toEqual({ addDomainMember: { code: 'FORBIDDEN' } });
  });

  test('ends after 90 days where nothing is said, after 365 at most', async () => {
    const days = (iso: string) => (Date.parse(iso) - Date.now()) / 86_400_000;
    expect(days((await create('oskar.lind')).personalAccessToken.expiresAt)).toBeCloseTo(90, 2);
    const endingIn = (day: number) => ({ expiresAt: new Date(Date.now() + day * 86_400_000).toISOString() });
    expect(days((await create('oskar.lind', EVERY, endingIn(364.9))).personalAccessToken.expiresAt)).toBeCloseTo(
      364.9,
      2,
    );
    for (const day of [365.1, -1, 0]) {
      expect(await create('oskar.lind', EVERY, endingIn(day))).toMatchObject({ code: 'VALIDATION' });
    }
    expect(await create('oskar.lind', [])).toMatchObject({ code: 'VALIDATION' });
  });

  test('has a name that reads as it is written: nothing in it turns the direction of text', async () => {
    for (const turn of ['\u202e', '\u202a', '\u2066', '\u2069'])
      expect(await create('alice', EVERY, { name: `deploy${turn}yolped` })).toMatchObject({
        code: 'VALIDATION',
        message: 'name: Must not hold characters that change the direction of text.',
      });
    expect(await create('alice', EVERY, { name: 'אסימון' })).toMatchObject({ personalAccessToken: { name: 'אסימון' } });
  });

  test('is told once: a repetition says so, and the database holds only its hash', async () => {
    const idempotencyKey = randomUUID();
    const first = await create('oskar.lind', EVERY, { idempotencyKey });
    const again = await create('oskar.lind', EVERY, { idempotencyKey });
    expect(again).toMatchObject({
      secret: null,
      replayed: true,
      personalAccessToken: { id: first.personalAccessToken.id },
    });
    const { rows: tables } = await database.query<{ name: string }>(
      `SELECT format('%I', tablename) AS name FROM pg_tables WHERE schemaname = 'public'
       AND has_table_privilege(format('%I.%I', schemaname, tablename), 'SELECT')`,
    );
    const secretPart = first.secret.slice(28, 71);
    for (const { name } of tables) {
      const { rows } = await database.query(`SELECT 1 FROM ${name} t WHERE t::text LIKE '%' || $1 || '%'`, [
        secretPart,
      ]);
      expect(rows, name).toEqual([]);
    }
  });

  test('cannot make, list or revoke tokens', async () => {
    const { secret, personalAccessToken } = await create('oskar.lind');
    const refused = { code: 'FORBIDDEN', message: expect.stringContaining('sign in with a token of your issuer') };
    const made = await ask(secret, CREATE, { input: { name: 'another', scopes: EVERY } });
    expect(made.data.createPersonalAccessToken).toMatchObject(refused);
    const revoked = await ask(secret, REVOKE, { input: { personalAccessToken: personalAccessToken.id } });
    expect(revoked.data.revokePersonalAccessToken).toMatchObject(refused);
    expect((await ask(secret, '{ viewer { tokens { id } } }')).data).toEqual({ viewer: { tokens: null } });
    const node = await ask(secret, 'query ($id: ID!) { node(id: $id) { id } }', { id: personalAccessToken.id });
    expect(node.errors[0]?.extensions.code).toBe('FORBIDDEN');
  });

  test('is refused when mistyped, unknown, of another secret, or expired', async () => {
    const { secret, personalAccessToken } = await create('oskar.lind');
    const other = await create('nina.sommer');
    const unknown = newSecret('PERSONAL_ACCESS_TOKEN', randomUUID()).text;
    const forged = newSecret('PERSONAL_ACCESS_TOKEN', rowId(personalAccessToken.id)).text;
    const ofAccount = newSecret('SERVICE_ACCOUNT_SECRET', rowId(personalAccessToken.id)).text;
    for (const token of [
      secret.slice(0, -1),
      `${secret}x`,
      secret.toLowerCase(),
      unknown,
      forged,
      ofAccount,
      'mgpat_',
    ]) {
      expect((await ask(token, WHO)).status).toBe(401);
      expect(await openSocket(product.graphql, token).outcome).toBe(4401);
    }
    expect((await ask(secret, WHO)).status).toBe(200);
    await owner.query(
      `UPDATE "PersonalAccessToken" SET "createdAt" = now() - interval '2 days', "expiresAt" = now() - interval '1 second' WHERE "id" = $1`,
      [rowId(other.personalAccessToken.id)],
    );
    const expired = await ask(other.secret, WHO);
    expect(expired).toMatchObject({ status: 401, errors: [{ message: 'The token has expired.' }] });
  });

  test('costs a query one statement more, and notes its use once an hour', async () => {
    const { secret, personalAccessToken } = await create('lena.fischer');
    const lastUse = async () => {
      const { rows } = await database.query<{ at: Date | null; row: string }>(
        'SELECT "lastUsedAt" AS at, xmin::text AS row FROM "PersonalAccessToken" WHERE "id" = $1',
        [rowId(personalAccessToken.id)],
      );
      return rows[0];
    };
    expect(await lastUse()).toMatchObject({ at: null });
    await ask(secret, WHO);
    await expect.poll(async () => (await lastUse())?.at?.getMinutes()).toBe(0);
    const before = await lastUse();
    const ran = await statements.of(async () => {
      await fetch(product.graphql, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${secret}`, ...mark },
        body: JSON.stringify({ query: '{ domains(first: 5) { nodes { name members { subject } } } }' }),
      });
    });
    expect(ran).toHaveLength(2);
    expect(await lastUse()).toEqual(before);
  });
});

const domainId = async (name: string): Promise<string> => {
  const { data } = await askAs('ada.admin', 'query ($name: String!) { domain(by: { name: $name }) { id } }', { name });
  return (data.domain as { id: string }).id;
};

test('a token is neither widened, nor given to another, nor revived, even where a rule were forgotten', async () => {
  const { personalAccessToken } = await create('oskar.lind', ['CATALOGUE_READ']);
  const id = rowId(personalAccessToken.id);
  for (const change of [
    `"scopes" = '{ACCESS_DECIDE}'`,
    `"subject" = 'x'`,
    `"hash" = sha256('x')`,
    `"expiresAt" = now()`,
  ]) {
    const update = `UPDATE "PersonalAccessToken" SET ${change} WHERE "id" = $1`;
    await expect(database.query(update, [id]), change).rejects.toThrow('permission denied');
  }
  await revoke('oskar.lind', personalAccessToken.id);
  await expect(
    database.query(`UPDATE "PersonalAccessToken" SET "revokedAt" = NULL, "revokedBy" = NULL WHERE "id" = $1`, [id]),
  ).rejects.toThrow('what was revoked or removed stays so');
});

describe('scopes', () => {
  const READS: [string, string, string][] = [
    ['CATALOGUE_READ', 'domains', '{ domains(first: 5) { nodes { name } } }'],
    ['CATALOGUE_READ', 'dataProducts', '{ dataProducts(first: 5) { nodes { path } } }'],
    ['ACCESS_READ', 'accessRequests', '{ accessRequests(first: 5) { nodes { id } } }'],
    ['ACCESS_READ', 'accessGrants', '{ accessGrants(first: 5) { nodes { id } } }'],
    ['RESOURCE_READ', 'resources', '{ resources(first: 5) { nodes { kind } } }'],
    ['RESOURCE_READ', 'foreignGrants', '{ foreignGrants(first: 5) { nodes { principal } } }'],
  ];

  test.each(READS)('%s is what %s needs, and no other scope will do', async (scope, field, query) => {
    const fit = await create('lena.fischer', [scope]);
    const others = await create(
      'lena.fischer',
      EVERY.filter((one) => one !== scope),
    );
    const answer = await ask(fit.secret, query);
    expect(answer.errors).toEqual([]);
    expect(answer.data[field]).toBeTruthy();
    const refused = await ask(others.secret, query);
    expect(refused.errors[0]).toMatchObject({
      extensions: { code: 'FORBIDDEN' },
      message: expect.stringContaining(`lacks the scope ${scope}`),
    });
  });

  test('hold below the object that was asked for, and in what events tell', async () => {
    const job = mainJob({ requester: await product.as('oskar.lind'), decider: await product.as('tomasz.nowak') });
    await job.grant({ principals: [reader('scoped')] });
    const query = `{ dataProduct(by: { path: "logistics/shipments" }) { path accessRequests(first: 50) { totalCount nodes { id } }
      accessGrants(first: 50) { nodes { id } } resources(first: 50) { nodes { kind } } domain { externalId serviceAccounts { name } members { subject } } } }`;
    const events = '{ events(first: 100) { nodes { type } } }';
    const whole = await askAs('lena.fischer', query);
    const { secret } = await create('lena.fischer', ['CATALOGUE_READ']);
    const narrow = await ask(secret, query);
    const count = ({ data }: Asked, field: string) =>
      (data.dataProduct as Record<string, { nodes: unknown[] }>)[field]?.nodes.length;
    for (const field of ['accessRequests', 'accessGrants', 'resources']) {
      expect(count(whole, field), field).toBeGreaterThan(0);
      expect(count(narrow, field), field).toBe(0);
    }
    expect(whole.data.dataProduct).toMatchObject({ domain: { externalId: expect.any(String) } });
    expect(narrow.data.dataProduct).toMatchObject({
      accessRequests: { totalCount: 0 },
      domain: { externalId: null, serviceAccounts: [], members: expect.arrayContaining([{ subject: 'lena.fischer' }]) },
    });
    const types = ({ data }: Asked) =>
      new Set((data.events as { nodes: { type: string }[] }).nodes.map(({ type }) => type.split('_')[0]));
    expect([...types(await askAs('lena.fischer', events))]).toContain('ACCESS');
    expect([...types(await ask(secret, events))].sort()).toEqual(['DATA', 'DOMAIN']);
  });

  test('hold for what is done, and the event names the token that did it', async () => {
    const [found, finance] = await Promise.all([
      askAs('oskar.lind', '{ dataProduct(by: { path: "logistics/shipments" }) { id } }'),
      domainId('finance'),
    ]);
    const input = {
      dataProduct: (found.data.dataProduct as { id: string }).id,
      consumerDomain: finance,
      purpose: 'By a script',
      principals: [reader(`script-${randomUUID().slice(0, 8)}`)],
      tables: ['shipments'],
      columns: ['shipment_id'],
    };
    const request = `mutation ($input: RequestAccessInput!) { requestAccess(input: $input) {
      ... on RequestAccessPayload { accessRequest { id status } } ... on UserError { code message } } }`;
    const lacking = await create(
      'oskar.lind',
      EVERY.filter((scope) => scope !== 'ACCESS_REQUEST'),
    );
    expect((await ask(lacking.secret, request, { input })).data.requestAccess).toMatchObject({
      code: 'FORBIDDEN',
      message: expect.stringContaining('ACCESS_REQUEST'),
    });
    const fit = await create('oskar.lind', ['CATALOGUE_READ', 'ACCESS_REQUEST']);
    const asked = await ask(fit.secret, request, { input });
    // What it asked for it may not read: that is another scope.
    expect(asked.data.requestAccess).toEqual({ accessRequest: null });
    const { rows } = await database.query<{ actor: object }>(
      `SELECT actor FROM (SELECT "type", "actor", "occurredAt" FROM "Event" UNION ALL SELECT "type", "actor", "occurredAt" FROM "EventPending") e
       WHERE "type" = 'AccessRequested' ORDER BY "occurredAt" DESC LIMIT 1`,
    );
    expect(rows[0]?.actor).toMatchObject({
      kind: 'USER',
      subject: 'oskar.lind',
      name: 'Oskar Lind',
      tokenId: rowId(fit.personalAccessToken.id),
    });
  });

  test('hold for a stream: events that the token does not read are not delivered', async () => {
    const { secret } = await create('lena.fischer', ['CATALOGUE_READ']);
    const socket = openSocket(product.graphql, secret);
    expect(await socket.outcome).toBe('acknowledged');
    socket.subscribe('subscription { meshEvents { type } }');
    const whole = openSocket(product.graphql, await product.tokenOf('lena.fischer'));
    await whole.outcome;
    whole.subscribe('subscription { meshEvents { type } }');
    // Both are subscribed once a first event reached them.
    const member = { domain: await domainId('logistics'), subject: 'somebody', role: 'MEMBER' };
    const add = 'mutation ($input: AddDomainMemberInput!) { addDomainMember(input: $input) { __typename } }';
    const remove = 'mutation ($input: RemoveDomainMemberInput!) { removeDomainMember(input: $input) { __typename } }';
    await expect
      .poll(
        async () => {
          await askAs('lena.fischer', add, { input: member });
          const { domain, subject } = member;
          await askAs('lena.fischer', remove, { input: { domain, subject } });
          return Math.min(socket.heard.length, whole.heard.length);
        },
        { timeout: 10_000 },
      )
      .toBeGreaterThan(0);
    const job = mainJob({ requester: await product.as('oskar.lind'), decider: await product.as('tomasz.nowak') });
    await job.request({ principals: [reader('streamed')] });
    await askAs('lena.fischer', add, { input: { ...member, subject: 'last' } });
    const told = (one: typeof socket) => JSON.stringify(one.heard);
    await expect.poll(() => told(whole)).toContain('ACCESS_REQUESTED');
    const before = socket.heard.length;
    await askAs('lena.fischer', add, { input: { ...member, subject: 'very-last' } });
    await expect.poll(() => socket.heard.length).toBeGreaterThan(before);
    expect(told(socket)).not.toContain('ACCESS');
    socket.end();
    whole.end();
  });
});

describe('a revoke', () => {
  test('holds at the next request of every server, and closes open sockets within five seconds', async () => {
    const { secret, personalAccessToken } = await create('nina.sommer');
    const here = { graphql: product.graphql, token: secret };
    const there = { graphql: elsewhere.graphql, token: secret };
    const sockets = [openSocket(here.graphql, secret), openSocket(there.graphql, secret)];
    for (const socket of sockets) {
      expect(await socket.outcome).toBe('acknowledged');
      socket.subscribe('subscription { meshEvents { type } }');
    }
    for (const server of [here, there]) expect((await askWith(server, WHO)).status).toBe(200);
    const other = openSocket(here.graphql, (await create('nina.sommer')).secret);
    expect(await other.outcome).toBe('acknowledged');
    const revokedAt = Date.now();
    await revoke('nina.sommer', personalAccessToken.id);
    for (const server of [here, there]) {
      expect(await askWith(server, WHO)).toMatchObject({
        status: 401,
        errors: [{ message: 'The token was revoked.' }],
      });
    }
    expect(await Promise.all(sockets.map(({ closed }) => closed))).toEqual([4403, 4403]);
    expect(Date.now() - revokedAt).toBeLessThan(5_000);
    expect(await Promise.race([other.closed, 'open'])).toBe('open');
    other.end();
  });

  test('is for the holder and for admins; others do not learn that there is such a token', async () => {
    const { personalAccessToken } = await create('nina.sommer');
    const { data: refused } = await revoke('maria.keller', personalAccessToken.id);
    const { data: missing } = await revoke(
      'maria.keller',
      Buffer.from(`PersonalAccessToken:${randomUUID()}`).toString('base64url'),
    );
    expect(refused).toMatchObject({ revokePersonalAccessToken: { code: 'NOT_FOUND' } });
    expect(refused).toEqual(missing);
    expect((await revoke('ada.admin', personalAccessToken.id)).data).toMatchObject({
      revokePersonalAccessToken: { personalAccessToken: { revokedBy: 'ada.admin' } },
    });
    const { data } = await askAs('nina.sommer', '{ viewer { tokens { id revokedBy } } }');
    const { tokens } = data.viewer as { tokens: object[] };
    expect(tokens).toContainEqual({ id: personalAccessToken.id, revokedBy: 'ada.admin' });
    expect((await askAs('maria.keller', '{ viewer { tokens { id } } }')).data).toEqual({ viewer: { tokens: [] } });
  });

  test('is an event, like the making, that only the holder and admins see', async () => {
    const types = '(filter: { types: [TOKEN_CREATED, TOKEN_REVOKED] }, first: 100)';
    const seen = async (subject: string) => {
      const { data } = await askAs(subject, `{ events${types} { nodes { type data subject { id } } } }`);
      return (data.events as { nodes: { type: string; data: { holder: string } }[] }).nodes;
    };
    expect((await seen('nina.sommer')).map(({ type }) => type)).toEqual(
      expect.arrayContaining(['TOKEN_CREATED', 'TOKEN_REVOKED']),
    );
    expect(new Set((await seen('nina.sommer')).map(({ data }) => data.holder))).toEqual(new Set(['nina.sommer']));
    expect(await seen('maria.keller')).toEqual([]);
    expect((await seen('ada.admin')).length).toBeGreaterThan(5);
  });
});

test('a membership that ends, ends for the tokens too, at once', async () => {
  const commerce = await domainId('commerce');
  const member = (name: string, role?: string) => ({ domain: commerce, subject: name, ...(role ? { role } : {}) });
  const add = 'mutation ($input: AddDomainMemberInput!) { addDomainMember(input: $input) { __typename } }';
  const remove = 'mutation ($input: RemoveDomainMemberInput!) { removeDomainMember(input: $input) { __typename } }';
  await askAs('maria.keller', add, { input: member('short.timer', 'STEWARD') });
  const { secret } = await create('short.timer');
  const roles = async () => (await ask(secret, '{ viewer { memberships { role } } }')).data;
  expect(await roles()).toEqual({ viewer: { memberships: [{ role: 'STEWARD' }] } });
  await askAs('maria.keller', remove, { input: member('short.timer') });
  expect(await roles()).toEqual({ viewer: { memberships: [] } });
});
