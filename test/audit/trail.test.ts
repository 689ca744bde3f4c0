import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { graphql } from '../../src/generated/graphql/gql.js';
import type {
  AuditFilter,
  AuditTrailOfTestQuery,
  VerifyAuditTrailOfTestQuery,
  VerifyAuditTrailOfTestQueryVariables,
} from '../../src/generated/graphql/graphql.js';
import { followUpWaiting } from '../../src/governance/escalation.js';
import { globalId } from '../../src/governance/global-id.js';
import { ADMIN, OUTSIDER, ownerOf, registerDomain, registerProduct, requestAccess } from '../testkit/catalogue.js';
import { type ApiOfTest, openApi, type Person } from '../testkit/execute.js';

const Trail = graphql(`
  query AuditTrailOfTest($first: Int!, $after: String, $filter: AuditFilter) {
    auditTrail(first: $first, after: $after, filter: $filter) {
      totalCount
      pageInfo { hasNextPage endCursor }
      nodes {
        sequence action occurredAt correlationId before after decision data hash
        actor { kind subject tokenId address }
        about { type id name domain }
      }
    }
  }
`);

const Verify = graphql(`
  query VerifyAuditTrailOfTest($from: String, $to: String, $anchors: [AuditAnchorInput!]) {
    verifyAuditTrail(from: $from, to: $to, anchors: $anchors) { intact verifiedTo firstBad fault anchorsCompared next }
  }
`);

let api: ApiOfTest;
let orders: string;
let commerce: string;
const steward: Person = { subject: 'steward-commerce' };
const eventId = globalId('MeshEvent', randomUUID());
const member: Person = { subject: 'member-finance' };

beforeAll(async () => {
  api = await openApi();
  commerce = await registerDomain(api, 'commerce', '2');
  const finance = await registerDomain(api, 'finance', '3');
  const logistics = await registerDomain(api, 'logistics', '4');
  for (const [domain, subject, role] of [
    ['commerce', steward.subject, 'STEWARD'],
    ['finance', member.subject, 'MEMBER'],
  ]) {
    await api.query(
      `INSERT INTO "DomainMember" ("id", "domainId", "subject", "role", "createdBy")
       SELECT gen_random_uuid(), "id", $2, $3::"DomainRole", 'test' FROM "Domain" WHERE "name" = $1`,
      [domain, subject, role],
    );
  }
  orders = await registerProduct(api, { domain: 'commerce', domainId: commerce, name: 'orders', status: 'PUBLISHED' });
  await registerProduct(api, { domain: 'logistics', domainId: logistics, name: 'parcels', status: 'PUBLISHED' });
  await requestAccess(api, member, {
    dataProduct: orders,
    consumerDomain: finance,
    principals: [`arn:aws:iam::${'3'.repeat(12)}:role/reader`],
    purpose: 'A look',
  });
  await numbered();
}, 60_000);
afterAll(() => api.close());

/** Waits until everything appended has its number. */
async function numbered(): Promise<void> {
  for (;;) {
    const [row] = await api.query<{ waits: boolean }>(
      `SELECT CASE WHEN EXISTS (SELECT FROM "EventPending") THEN sequence_events(2000) > 0 ELSE false END AS waits`,
    );
    if (!row?.waits) return;
  }
}

async function trail(person: Person, filter: AuditFilter = {}) {
  const { auditTrail } = await api.as(person)(Trail, { first: 100, filter });
  return auditTrail.nodes.map(({ action, about }) => `${action} ${about.name}`).reverse();
}

/** So many milliseconds from now. */
const at = (ms: number): string => new Date(Date.now() + ms).toISOString();

async function verify(person: Person, variables: VerifyAuditTrailOfTestQueryVariables) {
  type Ask = (
    document: typeof Verify,
    variables: VerifyAuditTrailOfTestQueryVariables,
  ) => Promise<VerifyAuditTrailOfTestQuery>;
  return (await (api.as(person) as Ask)(Verify, variables)).verifyAuditTrail;
}

describe('the audit trail', () => {
  test('says who did what to what, from where and with which token, with its number and its hash', async () => {
    const { auditTrail } = await api.as(ADMIN)(Trail, { first: 1 });
    expect(auditTrail.totalCount).toBe(6);
    expect(auditTrail.nodes[0]).toEqual({
      sequence: '6',
      action: 'ACCESS_REQUESTED',
      occurredAt: expect.any(Date),
      correlationId: 'test',
      before: null,
      after: { status: 'PENDING' },
      decision: expect.objectContaining({
        outcome: 'NEEDS_APPROVAL',
        policies: [expect.objectContaining({ name: 'internal-data' })],
      }),
      data: expect.objectContaining({ purpose: 'A look' }),
      hash: expect.stringMatching(/^[0-9a-f]{64}$/),
      actor: { kind: 'USER', subject: 'member-finance', tokenId: null, address: null },
      about: { type: 'AccessRequest', id: expect.any(String), name: 'commerce/orders for finance', domain: 'commerce' },
    });
  });

  test('is read by admins in full, and by owners and stewards where their domain is concerned', async () => {
    expect(await trail(ADMIN)).toHaveLength(6);
    const commerces = [
      'DOMAIN_REGISTERED commerce',
      'DATA_PRODUCT_REGISTERED orders',
      'ACCESS_REQUESTED commerce/orders for finance',
    ];
    expect(await trail(ownerOf('commerce'))).toEqual(commerces);
    expect(await trail(steward)).toEqual(commerces);
    expect(await trail(ownerOf('finance'))).toEqual([
      'DOMAIN_REGISTERED finance',
      'ACCESS_REQUESTED commerce/orders for finance',
    ]);
  });

  test.each([
    ['a member', member],
    ['who belongs to no domain', OUTSIDER],
  ])('is refused to %s', async (_who, person) => {
    await expect(trail(person)).rejects.toThrow('You may not read the audit trail');
  });

  test.each<[string, () => AuditFilter, number]>([
    ['by actor', () => ({ actor: 'member-finance' }), 1],
    ['by what was done', () => ({ actions: ['DOMAIN_REGISTERED', 'ACCESS_REQUESTED'] }), 4],
    ['by object', () => ({ subject: orders }), 1],
    ['by type', () => ({ subjectType: 'DataProduct' }), 2],
    ['by domain', () => ({ domain: commerce }), 3],
    ['by the request', () => ({ correlationId: 'test' }), 6],
    ['by a request that was not', () => ({ correlationId: 'none' }), 0],
    ['by token', () => ({ tokenId: 'none' }), 0],
    ['from a time on', () => ({ from: at(60_000) }), 0],
    ['until a time', () => ({ until: at(60_000) }), 6],
    ['by an object and its type', () => ({ subject: orders, subjectType: 'DataProduct' }), 1],
    ['by domain and what was done', () => ({ domain: commerce, actions: ['TOKEN_CREATED', 'ACCESS_REQUESTED'] }), 1],
    ['by a period', () => ({ from: at(-60_000), until: at(60_000), actor: 'admin' }), 3],
  ])('is filtered %s', async (_by, filter, count) => {
    expect(await trail(ADMIN, filter())).toHaveLength(count);
  });

  test.each<[string, () => AuditFilter, string, string]>([
    ['nobody', () => ({ actor: '' }), 'filter.actor', 'leave it out'],
    ['no token', () => ({ tokenId: '' }), 'filter.tokenId', 'leave it out'],
    ['nothing that was done', () => ({ actions: [] }), 'filter.actions', 'name at least one'],
    ['an object that is none', () => ({ subject: 'xx' }), 'filter.subject', 'is not the id'],
    ['what no entry is about', () => ({ subject: eventId }), 'filter.subject', 'is not the id'],
    ['an unknown type', () => ({ subjectType: 'Nope' }), 'filter.subjectType', 'AccessGrant, AccessRequest,'],
    ['two types', () => ({ subject: orders, subjectType: 'Domain' }), 'filter.subjectType', 'is a DataProduct'],
    ['the name of a domain', () => ({ domain: 'finance' }), 'filter.domain', 'is not the id of a domain'],
    ['another type of id', () => ({ domain: orders }), 'filter.domain', 'is not the id of a domain'],
    [
      'what is not done to it',
      () => ({ subject: orders, actions: ['TOKEN_CREATED'] }),
      'filter.actions',
      'DataProduct',
    ],
    ['what no domain has', () => ({ domain: commerce, actions: ['TOKEN_CREATED'] }), 'filter.domain', 'leave `domain`'],
    ['no request', () => ({ correlationId: 'not one' }), 'filter.correlationId', 'letters, digits'],
    ['no time', () => ({ from: at(1_000), until: at(0) }), 'filter.until', 'is not after'],
    [
      'an instant',
      () => ({ from: '2026-01-01T00:00:00Z', until: '2026-01-01T00:00:00Z' }),
      'filter.until',
      'not after',
    ],
  ])('refuses a filter that lets nothing through: %s', async (_what, filter, path, message) => {
    const refused = trail(ADMIN, filter());
    await expect(refused).rejects.toThrow(message);
    await expect(refused).rejects.toMatchObject({ originalError: { code: 'VALIDATION', details: { path } } });
  });

  test('says so where the domain of a filter is not there', async () => {
    await expect(trail(ADMIN, { domain: globalId('Domain', randomUUID()) })).rejects.toThrow('was not found');
  });

  test('is paged from the latest back, in one statement a page', async () => {
    const sequences: string[] = [];
    let after: string | null = null;
    do {
      api.statements();
      const { auditTrail }: AuditTrailOfTestQuery = await api.as(ADMIN)(Trail, { first: 4, after });
      expect(api.statements()).toHaveLength(1);
      sequences.push(...auditTrail.nodes.map(({ sequence }) => sequence));
      after = auditTrail.pageInfo.hasNextPage ? (auditTrail.pageInfo.endCursor ?? null) : null;
    } while (after);
    expect(sequences).toEqual(['6', '5', '4', '3', '2', '1']);
  });
});

describe('verifying it', () => {
  test('is for admins', async () => {
    await expect(verify(ownerOf('commerce'), {})).rejects.toThrow('You may not verify the audit trail');
  });

  test('finds it as it was written, and holds it to what was anchored', async () => {
    const sound = { intact: true, verifiedTo: '6', firstBad: null, fault: null, anchorsCompared: [], next: null };
    expect(await verify(ADMIN, {})).toEqual(sound);
    const [{ hash } = { hash: '' }] = (await api.as(ADMIN)(Trail, { first: 1 })).auditTrail.nodes;
    const anchored = (sequence: string, of: string) => verify(ADMIN, { anchors: [{ sequence, hash: of }] });
    expect(await anchored('6', hash)).toEqual({ ...sound, anchorsCompared: ['6'] });
    expect(await anchored('5', hash)).toMatchObject({
      intact: false,
      firstBad: '5',
      fault: 'ANCHOR',
    });
    const cut = { intact: false, firstBad: '7', fault: 'MISSING' };
    expect(await anchored('60000', hash)).toMatchObject(cut);
    // Where it is known to have gone on, that it does not is no mistake of who asks.
    expect(await verify(ADMIN, { from: '50000', anchors: [{ sequence: '60000', hash }] })).toMatchObject(cut);
    // Who has verified all goes on there.
    expect(await verify(ADMIN, { from: '7' })).toEqual(sound);
  });

  test.each<[VerifyAuditTrailOfTestQueryVariables, string]>([
    [{ from: '0' }, '`from` is a number'],
    [{ to: 'x' }, '`to` is a number'],
    [{ from: '5', to: '1' }, 'Nothing lies from 5 to 1'],
    [{ from: '999999' }, 'The audit trail ends at number 6: nothing is there from 999999 on'],
    [{ anchors: [{ sequence: '1', hash: 'short' }] }, '64 hexadecimal digits'],
    [{ anchors: Array.from({ length: 101 }, () => ({ sequence: '1', hash: 'a' })) }, '100 at most'],
  ])('refuses %j', async (variables, message) => {
    await expect(verify(ADMIN, variables)).rejects.toThrow(message);
  });

  test('names what did not come from here: its text does not say what its columns say', async () => {
    await api.query(`INSERT INTO "EventPending" ("id", "type", "version", "subjectType", "subjectId", "subject", "audiencePublic",
        "audienceDomains", "audienceSubjects", "actor", "correlationId", "occurredAt", "data", "canonical")
      VALUES (gen_random_uuid(), 'DomainUpdated', 1, 'Domain', gen_random_uuid(), '{}', true, '{}', '{}', '{}', 'c', now(), '{"before":{},"after":{}}', '{}')`);
    await numbered();
    const all = await verify(ADMIN, {});
    expect(all).toMatchObject({ intact: false, verifiedTo: '6', firstBad: '7', fault: 'CHANGED' });
    const part = await verify(ADMIN, { from: '3', to: '6' });
    expect(part).toMatchObject({ intact: true, verifiedTo: '6', next: null });
  });

  test('tells of what two domains share who did it, and with which token and from where only those whose affair it is', async () => {
    const actor = { kind: 'USER', subject: 'ada', name: null, tokenId: 'jti-of-ada', address: '198.51.100.7' };
    await api.query(
      `INSERT INTO "EventPending" ("id", "type", "version", "subjectType", "subjectId", "subject", "domainId", "audiencePublic",
        "audienceDomains", "audienceSubjects", "actor", "correlationId", "occurredAt", "data", "canonical")
      SELECT gen_random_uuid(), 'DomainUpdated', 1, 'Domain', gen_random_uuid(), '{"type":"Domain","id":"x"}', min(c."id"::text)::uuid, false,
        array_agg(f."id") || array_agg(c."id"), '{}', $1, 'shared', now(), '{"before":{},"after":{}}', '{}'
      FROM "Domain" c, "Domain" f WHERE c."name" = 'commerce' AND f."name" = 'finance'`,
      [JSON.stringify(actor)],
    );
    await numbered();
    const actors = async (person: Person, filter: AuditFilter) => {
      const { auditTrail } = await api.as(person)(Trail, { first: 5, filter });
      return auditTrail.nodes.map((entry) => entry.actor);
    };
    const whole = { kind: 'USER', subject: 'ada', tokenId: 'jti-of-ada', address: '198.51.100.7' };
    for (const person of [ADMIN, steward]) {
      expect(await actors(person, { correlationId: 'shared' })).toEqual([whole]);
      expect(await actors(person, { tokenId: 'jti-of-ada' })).toEqual([whole]);
    }
    const finance = ownerOf('finance');
    expect(await actors(finance, { correlationId: 'shared' })).toEqual([{ ...whole, tokenId: null, address: null }]);
    expect(await actors(finance, { tokenId: 'jti-of-ada' })).toEqual([]);
  });
});

test('is read by owners and stewards of a domain in all that is about it, whomever that was addressed to', async () => {
  await api.asOwner(`UPDATE "AccessRequest" SET "createdAt" = now() - interval '6 days'`);
  await followUpWaiting(await api.contextOf(ADMIN));
  await numbered();
  const addressed: AuditFilter = { actions: ['ACCESS_REQUEST_REMINDED', 'ACCESS_REQUEST_ESCALATED'] };
  const both = ['REMINDED', 'ESCALATED'].map((what) => `ACCESS_REQUEST_${what} commerce/orders for finance`);
  for (const person of [ADMIN, ownerOf('commerce'), steward, { subject: 'late-owner-of-commerce' }]) {
    await api.query(
      `INSERT INTO "DomainMember" ("id", "domainId", "subject", "role", "createdBy")
       SELECT gen_random_uuid(), "id", 'late-owner-of-commerce', 'OWNER', 'test' FROM "Domain" WHERE "name" = 'commerce' ON CONFLICT DO NOTHING`,
    );
    expect(await trail(person, addressed)).toEqual(both);
  }
  for (const domain of ['finance', 'logistics']) expect(await trail(ownerOf(domain), addressed)).toEqual([]);
});
