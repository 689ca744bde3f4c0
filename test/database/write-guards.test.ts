import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { revokeAccess } from '../../src/governance/access-grant.js';
import { requestAccess } from '../../src/governance/access-request.js';
import { accessInput, openMesh, seedDomain, seedGrant, seedProduct, type TestMesh } from '../governance/mesh.js';
import { writeAs } from '../testkit/write-as.js';

/** Sales gives, finance takes, and the people of hr have nothing to do with it. */
let mesh: TestMesh;
let owner: pg.Client;
let pending: string;
/** A request of finance's member that nothing was said to. */
let undecided: string;
let granted: { accessRequestId: string; accessGrantId: string };
let domains: Record<'sales' | 'finance' | 'hr', string>;
let products: Record<'sales' | 'hr', string>;

beforeAll(async () => {
  mesh = await openMesh();
  owner = new pg.Client({ connectionString: mesh.ownerUrl });
  await owner.connect();
  const sales = await seedDomain(mesh, 'sales', 1);
  const finance = await seedDomain(mesh, 'finance', 2);
  const hr = await seedDomain(mesh, 'hr', 3);
  domains = { sales, finance, hr };
  const orders = await seedProduct(mesh, { id: sales, name: 'sales' }, 'orders');
  products = { sales: orders, hr: await seedProduct(mesh, { id: hr, name: 'hr' }, 'people') };
  const input = accessInput({ dataProduct: orders, consumerDomain: finance, account: 2 });
  granted = await seedGrant(mesh, { requester: 'finance-member', decider: 'sales-steward', input });
  pending = (await requestAccess(await mesh.as('finance-member'), input)).accessRequestId;
  undecided = randomUUID();
  const [sql, [, ...values]] = request({ requestedBy: 'finance-member' });
  await mesh.change(sql.replace('gen_random_uuid()', `'${undecided}'`), [orders, ...values]);
  const [made, of] = policy('sales-owner', 'DOMAIN', POLICY);
  await owner.query(made.replace("'guarded'", "'there'"), of);
  await owner.query(...version('sales-owner', 'DRAFT', 1));
});
afterAll(async () => {
  await owner.end();
  await mesh.close();
});

const write = (who: string | null, sql: string, values: unknown[] = []) =>
  writeAs(mesh.database.pool, who, [sql, values]);

const REFUSED = expect.stringMatching(/row-level security policy/);

const WHO = [
  'admin',
  'sales-owner',
  'sales-steward',
  'sales-member',
  'finance-owner',
  'finance-steward',
  'finance-member',
  'hr-owner',
  'nobody',
];

const STEERS = ['admin', 'sales-owner', 'sales-steward'];
/** Of sales, with one draft. */
const POLICY = randomUUID();

/** What each person may write whatever the code lets through; `write` is given who writes. */
const WRITES: Record<string, { may: string[]; write: (who: string) => [string, unknown[]] }> = {
  'a request in his own name for finance': {
    may: ['admin', 'finance-owner', 'finance-steward', 'finance-member'],
    write: (who) => request({ requestedBy: who }),
  },
  "a request in somebody else's name": { may: [], write: () => request({ requestedBy: 'somebody' }) },
  'a request that is approved already': {
    may: [],
    write: (who) => request({ requestedBy: who, status: 'APPROVED', decidedBy: 'sales-owner' }),
  },
  'an approval in his own name': {
    may: ['admin', 'sales-owner', 'sales-steward'],
    write: (who) => [decide('APPROVED'), [pending, who]],
  },
  'a rejection in his own name': {
    may: ['admin', 'sales-owner', 'sales-steward'],
    write: (who) => [decide('REJECTED'), [pending, who]],
  },
  "an approval in somebody else's name": { may: [], write: () => [decide('APPROVED'), [pending, 'sales-boss']] },
  'a cancellation in his own name': {
    may: WHO.filter((who) => who !== 'hr-owner' && who !== 'nobody'),
    write: (who) => [decide('CANCELLED'), [pending, who]],
  },
  "a cancellation in somebody else's name": { may: [], write: () => [decide('CANCELLED'), [pending, 'sales-boss']] },
  'a comment on an open request': {
    may: WHO.filter((who) => who !== 'hr-owner' && who !== 'nobody'),
    write: () => [`UPDATE "AccessRequest" SET "comment" = 'wait' WHERE "id" = $1`, [pending]],
  },
  'a grant of a request that is not decided': { may: [], write: () => grant(pending) },
  'his approval of an open request': {
    may: ['admin', 'sales-owner', 'sales-steward'],
    write: (who) => approves(pending, who),
  },
  'his approval of a request that is decided': { may: [], write: (who) => approves(granted.accessRequestId, who) },
  "somebody else's approval of an open request": { may: [], write: () => approves(pending, 'sales-boss') },
  'his approval as an admin': { may: ['admin'], write: (who) => approves(pending, who, { asAdmin: true }) },
  'another end, asked for in his own name': {
    may: WHO.filter((who) => who !== 'sales-member' && who !== 'hr-owner' && who !== 'nobody'),
    write: (who) => request({ requestedBy: who, extendsId: granted.accessGrantId }),
  },
  'another end, asked for in the name of who asked for the access': {
    may: ['admin', 'sales-owner', 'sales-steward', 'finance-member'],
    write: () => request({ requestedBy: 'finance-member', extendsId: granted.accessGrantId }),
  },
  "another end, asked for in somebody else's name": {
    may: [],
    write: () => request({ requestedBy: 'somebody', extendsId: granted.accessGrantId }),
  },
  'another end that is approved already': {
    may: [],
    write: () =>
      request({
        ...{ requestedBy: 'finance-member', extendsId: granted.accessGrantId },
        ...{ status: 'APPROVED', decidedBy: 'sales-owner' },
      }),
  },
  'a policy for the products of his domain': { may: STEERS, write: (who) => policy(who, 'DOMAIN') },
  'a policy for the whole mesh': { may: ['admin'], write: (who) => policy(who, 'GLOBAL') },
  'another word about a policy': {
    may: STEERS,
    write: () => [`UPDATE "Policy" SET "description" = 'other' WHERE "id" = $1`, [POLICY]],
  },
  'a draft of a policy': { may: STEERS, write: (who) => version(who) },
  "a draft of a policy in somebody else's name": { may: [], write: () => version('sales-boss') },
  'a version that decides without having been a draft': { may: [], write: (who) => version(who, 'ACTIVE') },
  'that a draft decides': {
    may: STEERS,
    write: (who) => [
      `UPDATE "PolicyVersion" SET "status" = 'ACTIVE', "activatedAt" = now(), "activatedBy" = $2 WHERE "policyId" = $1`,
      [POLICY, who],
    ],
  },
  'the beginning of an end': {
    may: ['admin', 'sales-owner', 'sales-steward', 'finance-owner'],
    write: () => [
      `UPDATE "AccessGrant" SET "status" = 'REVOKING', "endsAs" = 'REVOKED' WHERE "id" = $1`,
      [granted.accessGrantId],
    ],
  },
  'what the policies said, where he neither asks nor has approved': {
    may: ['finance-member'],
    write: () => [
      `INSERT INTO "AccessDecision" ("requestId", "outcome", "policyVersion", "policies", "required", "facts", "factsDigest")
       VALUES ($1, 'NEEDS_APPROVAL', 'v', '[]', '[]', '{}', repeat('a', 64))`,
      [undecided],
    ],
  },
  'that the policies let it be approved': {
    may: [],
    write: () => [
      `INSERT INTO "AccessDecision" ("requestId", "outcome", "policyVersion", "policies", "required", "facts", "factsDigest")
       VALUES ($1, 'APPROVED', 'v', '[]', '[]', '{}', repeat('a', 64))`,
      [undecided],
    ],
  },
  'another word of the policies, where he has not approved': {
    may: [],
    write: () => [`UPDATE "AccessDecision" SET "outcome" = 'APPROVED' WHERE "requestId" = $1`, [pending]],
  },
  'another word of the policies, once it is decided': {
    may: [],
    write: () => [`UPDATE "AccessDecision" SET "outcome" = 'DENIED' WHERE "requestId" = $1`, [granted.accessRequestId]],
  },
  'an end where there was none': {
    may: WHO.filter((who) => who !== 'sales-member' && who !== 'hr-owner' && who !== 'nobody'),
    write: () => [
      `UPDATE "AccessGrant" SET "expiresAt" = now() + interval '1 day' WHERE "id" = $1`,
      [granted.accessGrantId],
    ],
  },
};

function request({
  requestedBy,
  status = 'PENDING',
  decidedBy = null,
  extendsId = null,
}: {
  requestedBy: string;
  status?: string;
  decidedBy?: string | null;
  extendsId?: string | null;
}): [string, unknown[]] {
  return [
    `INSERT INTO "AccessRequest" ("id", "productId", "consumerDomainId", "requestedBy", "principals", "permissions", "tables", "columns",
       "purpose", "accessMode", "status", "decidedBy", "decidedAt", "extendsId")
     VALUES (gen_random_uuid(), $1, $2, $3, '{arn}', '{SELECT}', '{t}', '{}', 'why', 'NRAC', $4::"AccessRequestStatus", $5::text,
       CASE WHEN $5::text IS NULL THEN NULL ELSE now() END, $6::uuid)`,
    [products.sales, domains.finance, requestedBy, status, decidedBy, extendsId],
  ];
}

const approves = (request: string, who: string, { asAdmin = who === 'admin' } = {}): [string, unknown[]] => [
  `INSERT INTO "AccessApproval" ("id", "requestId", "requestedBy", "approvedBy", "role", "asAdmin", "factsDigest")
   VALUES (gen_random_uuid(), $1, 'finance-member', $2, 'OWNER', $3, repeat('a', 64))`,
  [request, who, asAdmin],
];

const policy = (who: string, scope: 'DOMAIN' | 'GLOBAL', id = randomUUID()): [string, unknown[]] => [
  `INSERT INTO "Policy" ("id", "scope", "domainId", "name", "description", "createdBy") VALUES ($1, $2::"PolicyScope", $3, 'guarded', 'x', $4)`,
  [id, scope, scope === 'DOMAIN' ? domains.sales : null, who],
];

const version = (who: string, status: 'DRAFT' | 'ACTIVE' = 'DRAFT', number = 2): [string, unknown[]] => [
  `INSERT INTO "PolicyVersion" ("id", "policyId", "number", "source", "digest", "statements", "status", "createdBy", "activatedAt")
   VALUES (gen_random_uuid(), $1, $2, 'x', encode(sha256('x'), 'hex'), 1, $3::"PolicyVersionStatus", $4, CASE WHEN $3 = 'ACTIVE' THEN now() END)`,
  [POLICY, number, status, who],
];

const decide = (status: string): string =>
  `UPDATE "AccessRequest" SET "status" = '${status}', "decidedBy" = $2, "decidedAt" = now() WHERE "id" = $1`;

function grant(
  requestId: string,
  { productId = products.sales, consumerDomainId = domains.finance } = {},
): [string, unknown[]] {
  return [
    `INSERT INTO "AccessGrant" ("id", "requestId", "productId", "consumerDomainId") VALUES (gen_random_uuid(), $1, $2, $3)`,
    [requestId, productId, consumerDomainId],
  ];
}

describe('with no rule of governance before it, Postgres lets be written', () => {
  for (const [what, { may, write: written }] of Object.entries(WRITES)) {
    test.each(WHO)(`${what}, by ${may.length === 0 ? 'nobody' : may.join(', ')}: %s`, async (who) => {
      expect(await write(who, ...written(who))).toEqual(may.includes(who) ? 1 : REFUSED);
    });
    test(`${what}: nobody where it is not said who writes`, async () => {
      expect(await write(null, ...written('finance-member'))).toEqual(REFUSED);
    });
  }

  test('what the policies say by now, by those who decide, once they have approved', async () => {
    const decided = `UPDATE "AccessDecision" SET "outcome" = 'APPROVED' WHERE "requestId" = $1`;
    for (const who of WHO) {
      const client = await mesh.database.pool.connect();
      const as = (subject: string, authority: string) =>
        client.query(`SELECT set_config('meshgate.subject', $1, true), set_config('meshgate.authority', $2, true)`, [
          subject,
          authority,
        ]);
      try {
        await client.query('BEGIN');
        await as(who, who === 'admin' ? 'ADMIN' : 'MEMBER');
        const approved = await client
          .query(...approves(pending, who))
          .then(() => client.query(decided, [pending]))
          .then(({ rowCount }) => rowCount)
          .catch((error: Error) => error.message);
        const may = ['admin', 'sales-owner', 'sales-steward'].includes(who);
        const itsOwn = who === 'finance-member' ? expect.any(String) : REFUSED;
        expect(approved, who).toEqual(may ? 1 : itsOwn);
        if (!may) continue;
        await as(who === 'sales-owner' ? 'sales-steward' : 'sales-owner', 'MEMBER');
        await expect(client.query(decided, [pending]), `after ${who}`).rejects.toThrow(/row-level security policy/);
      } finally {
        await client.query('ROLLBACK');
        client.release();
      }
    }
  });

  test('a grant of an approved request by those who decide, and by Meshgate itself', async () => {
    const approve = async (who: string, then: [string, unknown[]]) => {
      const sql = `WITH approved AS (${decide('APPROVED')} RETURNING 1) SELECT 1 FROM approved`;
      const client = await mesh.database.pool.connect();
      try {
        await client.query('BEGIN');
        await client.query(
          `SELECT set_config('meshgate.subject', 'sales-owner', true), set_config('meshgate.authority', 'MEMBER', true)`,
        );
        await client.query(sql, [pending, 'sales-owner']);
        const authority = who === 'meshgate' ? 'SYSTEM' : who === 'admin' ? 'ADMIN' : 'MEMBER';
        await client.query(
          `SELECT set_config('meshgate.subject', $1, true), set_config('meshgate.authority', $2, true)`,
          [who, authority],
        );
        return (await client.query(...then)).rowCount;
      } catch (error) {
        return (error as Error).message;
      } finally {
        await client.query('ROLLBACK');
        client.release();
      }
    };
    for (const who of ['meshgate', ...WHO]) {
      const may = ['meshgate', 'admin', 'sales-owner', 'sales-steward'].includes(who);
      expect(await approve(who, grant(pending)), who).toEqual(may ? 1 : REFUSED);
      // Not even Meshgate itself gives another product, or to another domain.
      expect(await approve(who, grant(pending, { productId: products.hr })), who).toEqual(REFUSED);
      expect(await approve(who, grant(pending, { consumerDomainId: domains.hr })), who).toEqual(REFUSED);
    }
  });
});

describe('what was asked for cannot be exchanged', () => {
  test.each([
    ['the product', 'AccessRequest', `"productId" = '{hr}'`],
    ['the requester', 'AccessRequest', `"requestedBy" = 'hr-owner'`],
    ['the principals', 'AccessRequest', `"principals" = '{arn:aws:iam::333333333333:role/mine}'`],
    ['the columns', 'AccessRequest', `"columns" = '{secret}'`],
    ['the rows', 'AccessRequest', `"rowFilter" = 'true'`],
    ['the purpose', 'AccessRequest', `"purpose" = 'another'`],
    ['the product of a grant', 'AccessGrant', `"productId" = '{hr}'`],
    ['the request of a grant', 'AccessGrant', `"requestId" = '{pending}'`],
    ['the domain that reads', 'AccessGrant', `"consumerDomainId" = '{domain}'`],
  ])('%s, not even by Meshgate itself', async (_what, table, change) => {
    const set = change.replace('{hr}', products.hr).replace('{pending}', pending).replace('{domain}', domains.hr);
    const id = table === 'AccessGrant' ? granted.accessGrantId : pending;
    for (const who of ['meshgate', 'admin', 'hr-owner']) {
      expect(await write(who, `UPDATE "${table}" SET ${set} WHERE "id" = $1`, [id])).toMatch(
        /what a request or a grant is for does not change/,
      );
    }
  });
});

describe('a deputy writes what he decides for another, and nothing else', () => {
  const names = ['for-steward', 'to-come', 'over', 'ended', 'for-member', 'machine'];
  beforeAll(async () => {
    const db = mesh.database.prisma;
    for (const [deputy, standsInFor, from, until, ended] of [
      ['for-steward', 'sales-steward', -1, 1, false],
      ['to-come', 'sales-steward', 1, 2, false],
      ['over', 'sales-steward', -2, -1, false],
      ['ended', 'sales-steward', -1, 1, true],
      ['for-member', 'sales-member', -1, 1, false],
      ['machine', 'sales-steward', -1, 1, false],
    ] as const) {
      await owner.query(
        `INSERT INTO "Deputy" ("id", "domainId", "standsInFor", "deputy", "from", "until", "endedAt", "endedBy")
         VALUES (gen_random_uuid(), $1, $2, $3, now() + $4 * interval '1 day', now() + $5 * interval '1 day',
           CASE WHEN $6 THEN now() END, CASE WHEN $6 THEN 'x' END)`,
        [domains.sales, standsInFor, deputy, from, until, ended],
      );
    }
    const account = { domainId: domains.hr, name: 'machine', subject: 'machine', issuer: 'https://machines.test' };
    await db.serviceAccount.create({ data: { ...account, issuerSubject: 'machine', createdBy: 'hr-owner' } });
  });

  const decidedFor = (status: string, person: string): [string, unknown[]] => [
    `UPDATE "AccessRequest" SET "status" = '${status}', "decidedBy" = $2, "decidedFor" = '${person}', "decidedAt" = now() WHERE "id" = $1`,
    [],
  ];
  const approval = (who: string, approvedFor: string | null): [string, unknown[]] => [
    `INSERT INTO "AccessApproval" ("id", "requestId", "requestedBy", "approvedBy", "approvedFor", "role", "factsDigest")
     VALUES (gen_random_uuid(), $1, 'finance-member', $2, $3, 'STEWARD', repeat('a', 64))`,
    [pending, who, approvedFor],
  ];

  test.each(names)('%s', async (who) => {
    const may = who === 'for-steward' ? 1 : REFUSED;
    const person = who === 'for-member' ? 'sales-member' : 'sales-steward';
    for (const status of ['APPROVED', 'REJECTED']) {
      const [sql] = decidedFor(status, person);
      expect(await write(who, sql, [pending, who])).toEqual(may);
      expect(await write(who, decide(status), [pending, who])).toEqual(REFUSED);
      expect(await write(who, decidedFor(status, 'sales-owner')[0], [pending, who])).toEqual(REFUSED);
    }
    expect(await write(who, ...approval(who, person))).toEqual(may);
    expect(await write(who, ...approval(who, null))).toEqual(REFUSED);
    expect(await write(who, ...approval(who, 'sales-owner'))).toEqual(REFUSED);
    expect(await write(who, ...grant(pending))).toEqual(REFUSED);
    for (const change of [`"status" = 'REVOKING', "endsAs" = 'REVOKED'`, `"expiresAt" = now() + interval '1 day'`]) {
      const sql = `UPDATE "AccessGrant" SET ${change} WHERE "id" = $1`;
      expect(await write(who, sql, [granted.accessGrantId])).toEqual(REFUSED);
    }
    const policy = `INSERT INTO "Policy" ("id", "scope", "domainId", "name", "description", "createdBy")
      VALUES (gen_random_uuid(), 'DOMAIN', $1, 'mine', 'x', 'x')`;
    expect(await write(who, policy, [domains.sales])).toEqual(REFUSED);
  });

  test('makes the grant of what he approved, and of nothing else', async () => {
    const client = await mesh.database.pool.connect();
    try {
      await client.query('BEGIN');
      await client.query(
        `SELECT set_config('meshgate.subject', 'for-steward', true), set_config('meshgate.authority', 'MEMBER', true)`,
      );
      await client.query(decidedFor('APPROVED', 'sales-steward')[0], [pending, 'for-steward']);
      for (const [who, may] of [
        ['hr-owner', false],
        ['over', false],
        ['for-steward', true],
      ] as const) {
        await client.query('SAVEPOINT one');
        await client.query(`SELECT set_config('meshgate.subject', $1, true)`, [who]);
        const made = await client.query(...grant(pending)).catch((error: Error) => error.message);
        expect(typeof made === 'string' ? made : made.rowCount, who).toEqual(may ? 1 : REFUSED);
        await client.query('ROLLBACK TO one');
      }
    } finally {
      await client.query('ROLLBACK');
      client.release();
    }
  });

  test('moves an end as far as he approved it, and no further', async () => {
    const client = await mesh.database.pool.connect();
    const as = (subject: string, authority: string) =>
      client.query(`SELECT set_config('meshgate.subject', $1, true), set_config('meshgate.authority', $2, true)`, [
        subject,
        authority,
      ]);
    const until = (days: number) =>
      client
        .query(`UPDATE "AccessGrant" SET "expiresAt" = now() + $2 * interval '1 day' WHERE "id" = $1`, [
          granted.accessGrantId,
          days,
        ])
        .then(
          ({ rowCount }) => rowCount,
          (error: Error) => error.message,
        );
    const later = { requestedBy: 'finance-member', extendsId: granted.accessGrantId };
    const [sql, values] = request({ ...later, status: 'APPROVED', decidedBy: 'for-steward' });
    try {
      await client.query('BEGIN');
      await as('meshgate', 'SYSTEM');
      expect(await until(9)).toBe(1);
      await client.query(
        sql
          .replace('"extendsId")', '"extendsId", "decidedFor", "expiresAt")')
          .replace('$6::uuid)', `$6::uuid, 'sales-steward', now() + interval '20 days')`),
        values,
      );
      await as('for-steward', 'MEMBER');
      expect(await until(15)).toBe(1);
      expect(await until(25)).toBe('the end of a grant is moved by who may grant it');
    } finally {
      await client.query('ROLLBACK');
      client.release();
    }
  });

  test('nobody stands behind two approvals, nor decides for who asked', async () => {
    const client = await mesh.database.pool.connect();
    const as = (who: string) =>
      client.query(
        `SELECT set_config('meshgate.subject', $1, true), set_config('meshgate.authority', 'MEMBER', true)`,
        [who],
      );
    const outcome = async (work: Promise<unknown>) =>
      work.then(
        () => null,
        (error: Error) => error.message,
      );
    try {
      for (const [first, second] of [
        [
          ['for-steward', 'sales-steward'],
          ['sales-steward', null],
        ],
        [
          ['sales-steward', null],
          ['for-steward', 'sales-steward'],
        ],
      ] as const) {
        await client.query('BEGIN');
        await as(first[0]);
        expect(await outcome(client.query(...approval(first[0], first[1])))).toBeNull();
        await as(second[0]);
        expect(await outcome(client.query(...approval(second[0], second[1])))).toMatch(
          /somebody and his deputy approve once/,
        );
        await client.query('ROLLBACK');
      }
    } finally {
      client.release();
    }
    await expect(write('meshgate', decidedFor('APPROVED', 'finance-member')[0], [pending, 'x'])).rejects.toThrow(
      /AccessRequest_decided_for/,
    );
  });

  test('is named by whom he stands in for alone, who decides himself, and ends once', async () => {
    const name = (standsInFor: string, deputy = 'new'): [string, unknown[]] => [
      `INSERT INTO "Deputy" ("id", "domainId", "standsInFor", "deputy", "from", "until")
       VALUES (gen_random_uuid(), $1, $2, $3, now(), now() + interval '1 day')`,
      [domains.sales, standsInFor, deputy],
    ];
    for (const who of WHO) {
      const may = ['sales-owner', 'sales-steward'].includes(who) ? 1 : REFUSED;
      expect(await write(who, ...name(who)), who).toEqual(may);
      if (who !== 'sales-owner') expect(await write(who, ...name('sales-owner')), who).toEqual(REFUSED);
    }
    expect(await write('sales-owner', ...name('sales-owner', 'machine'))).toEqual(REFUSED);
    const over = name('sales-owner')[0].replace('"until")', '"until", "endedAt", "endedBy")');
    const ended = over.replace("'1 day')", "'1 day', now(), 'x')");
    expect(await write('sales-owner', ended, name('sales-owner')[1])).toEqual(REFUSED);
    const end = `UPDATE "Deputy" SET "endedAt" = now(), "endedBy" = $2 WHERE "deputy" = $1`;
    for (const who of [...WHO, 'for-steward']) {
      const may = ['admin', 'sales-owner', 'sales-steward', 'for-steward'].includes(who) ? 1 : REFUSED;
      expect(await write(who, end, ['for-steward', who]), who).toEqual(may);
    }
    expect(await write('sales-owner', end, ['for-steward', 'somebody'])).toEqual(REFUSED);
    expect(await write('sales-owner', end, ['ended', 'sales-owner'])).toMatch(/does not begin again/);
    const longer = `UPDATE "Deputy" SET "until" = now() + interval '9 days' WHERE "deputy" = 'over'`;
    expect(await write('sales-steward', longer)).toMatch(/permission denied/);
  });
});

test('a later end is for those who could grant it, an earlier one also for the domain that reads', async () => {
  const set = (end: string) => `UPDATE "AccessGrant" SET "expiresAt" = ${end} WHERE "id" = $1`;
  const id = [granted.accessGrantId];
  expect(await write('meshgate', set(`now() + interval '9 days'`), id)).toBe(1);
  for (const who of ['finance-owner', 'finance-member']) {
    const both = (end: string) => `WITH until AS (SELECT 1) ${set(end)}`;
    expect(await write(who, both(`now() + interval '9 days'`), id)).toBe(1);
  }
  const granting = await mesh.database.pool.connect();
  try {
    await granting.query('BEGIN');
    await granting.query(`SELECT set_config('meshgate.authority', 'SYSTEM', true)`);
    await granting.query(set(`now() + interval '9 days'`), id);
    for (const [who, end, refused] of [
      ['finance-owner', `now() + interval '8 days'`, false],
      ['finance-owner', `now() + interval '10 days'`, true],
      ['finance-owner', 'NULL', true],
      ['sales-steward', `now() + interval '10 days'`, false],
    ] as const) {
      await granting.query('SAVEPOINT one');
      await granting.query(
        `SELECT set_config('meshgate.subject', $1, true), set_config('meshgate.authority', 'MEMBER', true)`,
        [who],
      );
      const outcome = await granting.query(set(end), id).catch((error: Error) => error);
      expect(outcome instanceof Error ? outcome.message : null, `${who} ${end}`).toEqual(
        refused ? 'the end of a grant is moved by who may grant it' : null,
      );
      await granting.query('ROLLBACK TO one');
    }
  } finally {
    await granting.query('ROLLBACK');
    granting.release();
  }
});

test('whom a transaction wrote for is forgotten at its end', async () => {
  await revokeAccess(await mesh.admin(), { accessGrant: granted.accessGrantId, reason: 'over' });
  const { rows } = await mesh.database.pool.query(
    `SELECT coalesce(current_setting('meshgate.subject', true), '') AS s, coalesce(current_setting('meshgate.authority', true), '') AS a`,
  );
  expect(rows).toEqual([{ s: '', a: '' }]);
  expect(
    await write(null, `UPDATE "AccessGrant" SET "reason" = 'mine' WHERE "id" = $1`, [granted.accessGrantId]),
  ).toEqual(REFUSED);
});
