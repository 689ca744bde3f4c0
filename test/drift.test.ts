import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Execute } from '../src/demo/client.js';
import { GOVERNANCE_ACCOUNT } from '../src/demo/mesh.js';
import { graphql } from '../src/generated/graphql/gql.js';
import { eventually } from './provisioning/world.js';
import { CONSUMER_ACCOUNT, type MainJob, mainJob, reader } from './testkit/access.js';
import { productOfTest } from './testkit/product.js';
import { sandboxControl } from './testkit/sandbox-control.js';

const product = await productOfTest({ sweepMs: 500 });
const sandbox = sandboxControl(product.sandbox);
const pool = new pg.Pool({ connectionString: product.databaseUrl, max: 2 });
const principal = reader('drift');
let admin: Execute;
let owner: Execute;
let steward: Execute;
let member: Execute;
let consumer: Execute;
let job: MainJob;
let grant: string;

const DriftScene = graphql(`
  query DriftScene($grant: ID!) {
    node(id: $grant) {
      __typename
      ... on AccessGrant {
        status
        health { status since reasons { code message since resource { id } } }
        resources {
          id kind account key status unhealthySince
          drift { differences observed foundAt acknowledgedBy reason }
          foreignGrants { principal }
        }
      }
    }
  }
`);
const DriftDomain = graphql(`query DriftDomain($name: String!) { domain(by: { name: $name }) { id driftPolicy } }`);
const SetPolicies = graphql(`
  mutation SetPolicies($input: UpdateDomainInput!) {
    updateDomain(input: $input) {
      __typename
      ... on UpdateDomainPayload { domain { driftPolicy foreignGrantPolicy } }
      ... on UserError { code message }
    }
  }
`);
const LookAgain = graphql(`
  mutation LookAgain($resource: ID!, $takeOver: Boolean) {
    retryResource(input: { resource: $resource, takeOver: $takeOver }) {
      __typename
      ... on RetryResourcePayload { resource { id } }
      ... on UserError { code message }
    }
  }
`);
const Accept = graphql(`
  mutation Accept($resource: ID!) {
    acknowledgeDrift(input: { resource: $resource, reason: "It is known" }) {
      __typename
      ... on AcknowledgeDriftPayload {
        resource { drift { acknowledgedBy reason } }
        foreignGrant { status acknowledgedBy }
      }
      ... on UserError { code message }
    }
  }
`);
const DriftEvents = graphql(`
  query DriftEvents($types: [MeshEventType!]!) {
    events(first: 100, filter: { types: $types }) { nodes { type data subject { id } } }
  }
`);
const Foreign = graphql(`
  query Foreign($status: [ForeignGrantStatus!]) {
    foreignGrants(first: 20, filter: { status: $status }) {
      totalCount
      nodes { id principal resource permissions status object { kind key } tries lastError { code message } }
    }
  }
`);
const ForeignOf = graphql(`
  query ForeignOf($domain: ID!) {
    foreignGrants(first: 20, filter: { domain: $domain }) { nodes { principal } }
  }
`);
const OwnersHealth = graphql(`
  query OwnersHealth {
    domain(by: { name: "logistics" }) { health { status } }
    dataProduct(by: { path: "logistics/shipments" }) {
      status
      health { status since reasons { code message resource { id key } } }
    }
  }
`);
const SharedObjects = graphql(`
  query SharedObjects {
    resources(first: 50, filter: { kinds: ["DataLakeSettings", "CatalogPolicy", "LfTag"] }) { nodes { id kind account key } }
  }
`);
const Unhealthy = graphql(`
  query Unhealthy { resources(first: 50, filter: { unhealthy: true }) { nodes { id kind } } }
`);

beforeAll(async () => {
  [admin, owner, steward, member, consumer] = (await Promise.all(
    ['ada.admin', 'lena.fischer', 'tomasz.nowak', 'elif.kaya', 'pierre.laurent'].map((who) => product.as(who)),
  )) as [Execute, Execute, Execute, Execute, Execute];
  job = mainJob({ requester: await product.as('oskar.lind'), decider: steward });
  grant = await job.grant({ principals: [principal], tables: ['shipments'] });
}, 60_000);
afterAll(() => pool.end());

async function scene(as: Execute = steward) {
  const { node } = await as(DriftScene, { grant });
  if (node?.__typename !== 'AccessGrant') throw new Error('The grant is not to be seen.');
  const inGovernance = node.resources.find(({ kind, account }) => kind === 'LfGrant' && account === GOVERNANCE_ACCOUNT);
  return { ...node, given: inGovernance! };
}
/** Everything that stands is looked at now, and has been when this resolves. */
async function look(): Promise<void> {
  const { rows } = await pool.query<{ now: string }>('SELECT clock_timestamp()::text AS now');
  const now = rows[0]?.now;
  await pool.query(`UPDATE "Resource" SET "nextAttemptAt" = $1 WHERE "status" = 'READY'`, [now]);
  const left = `SELECT FROM "Resource" WHERE "nextAttemptAt" <= $1::timestamptz + interval '1 ms' AND "status" = 'READY'`;
  await eventually(async () => (await pool.query(left, [now])).rowCount === 0, 'everything was looked at', 30_000);
}
async function setPolicies(
  input: { driftPolicy?: 'REPAIR' | 'REPORT'; foreignGrantPolicy?: 'REPORT' | 'REVOKE' },
  as = owner,
) {
  const { domain } = await admin(DriftDomain, { name: 'logistics' });
  return (await as(SetPolicies, { input: { domain: domain!.id, ...input } })).updateDomain;
}
const eventsOf = async (type: 'RESOURCE_DRIFTED' | 'RESOURCE_REPAIRED' | 'RESOURCE_DRIFT_ACKNOWLEDGED') =>
  (await admin(DriftEvents, { types: [type] })).events.nodes.map(({ data }) => data as Record<string, unknown>);
const reads = () =>
  sandbox.canRead({
    principal,
    account: CONSUMER_ACCOUNT,
    database: 'data_products',
    table: 'logistics__shipments__shipments',
    column: 'shipment_id',
  });
/** Somebody grants or revokes by hand in the governance account. */
const byHand = (operation: 'GrantPermissions' | 'RevokePermissions', who: string, Permissions: string[]) =>
  sandbox.asAdministrator(GOVERNANCE_ACCOUNT, `lakeformation:${operation}`, {
    Principal: { DataLakePrincipalIdentifier: who },
    Resource: { Table: { CatalogId: GOVERNANCE_ACCOUNT, DatabaseName: 'logistics_nrac', Name: 'shipments' } },
    Permissions,
  });

test('a grant is HEALTHY while all of it was seen to agree, and UNKNOWN once nobody looked for two drift periods', async () => {
  expect(await scene()).toMatchObject({ status: 'ACTIVE', health: { status: 'HEALTHY', since: null, reasons: [] } });
  await pool.query(`UPDATE "Resource" SET "freshUntil" = now() - interval '1 minute' WHERE "kind" = 'TableLink'`);
  const { health } = await scene();
  expect(health).toMatchObject({ status: 'UNKNOWN', reasons: [{ code: 'NotObserved' }] });
  expect(Date.now() - Date.parse(String(health?.since))).toBeGreaterThan(50_000);
  await look();
  expect((await scene()).health?.status).toBe('HEALTHY');
  const provisionedBy = (mode: string) =>
    pool.query(`UPDATE "Domain" SET "provisioning" = $1::"ProvisioningMode" WHERE "name" = 'finance'`, [mode]);
  await provisionedBy('DELEGATED');
  expect((await scene()).health).toMatchObject({ status: 'UNCONFIRMED', since: null, reasons: [] });
  await provisionedBy('DIRECT');
}, 60_000);

test('a product with an object that failed says so, with the reason, until a retry has cured it', async () => {
  const healthy = { domain: { health: { status: 'HEALTHY' } }, dataProduct: { health: { status: 'HEALTHY' } } };
  expect(await steward(OwnersHealth)).toMatchObject(healthy);
  const error = { code: 'InvalidInputException', message: 'Insufficient Lake Formation permission(s).' };
  await pool.query(
    `UPDATE "Resource" SET "status" = 'FAILED', "lastError" = $1, "unhealthySince" = now()
     WHERE "kind" = 'GlueTable' AND "key" = 'logistics_nrac/shipments'`,
    [JSON.stringify({ ...error, awsRequestId: null, treatment: 'PERMANENT', tries: 1 })],
  );
  const { dataProduct, domain } = await steward(OwnersHealth);
  expect(domain?.health?.status).toBe('HEALTHY');
  expect(dataProduct).toMatchObject({ status: 'PUBLISHED', health: { status: 'DEGRADED' } });
  expect(dataProduct?.health?.reasons).toMatchObject([
    {
      code: error.code,
      message: expect.stringContaining(error.message),
      resource: { key: 'logistics_nrac/shipments' },
    },
  ]);
  await steward(LookAgain, { resource: dataProduct!.health!.reasons[0]!.resource!.id });
  await eventually(
    async () => (await steward(OwnersHealth)).dataProduct?.health?.status === 'HEALTHY',
    'it was cured',
    15_000,
  );
}, 60_000);

test('a domain of which changes are only told: what was revoked by hand degrades the grant until somebody repairs it', async () => {
  expect(await setPolicies({ driftPolicy: 'REPORT' }, steward)).toMatchObject({ code: 'FORBIDDEN' });
  expect(await setPolicies({ driftPolicy: 'REPORT' })).toMatchObject({ domain: { driftPolicy: 'REPORT' } });
  const { domain: finance } = await admin(DriftDomain, { name: 'finance' });
  await admin(SetPolicies, { input: { domain: finance!.id, driftPolicy: 'REPORT' } });
  expect(await reads()).toBe(true);
  await byHand('RevokePermissions', principal, ['SELECT', 'DESCRIBE']);
  await look();
  const { status, health, given } = await scene();
  expect(status).toBe('ACTIVE');
  expect(health?.status).toBe('DEGRADED');
  // The share went with the grant.
  expect(health?.reasons.map(({ code }) => code)).toEqual(['Drifted', 'Drifted']);
  expect(health?.reasons.map(({ resource }) => resource)).toContainEqual({ id: given.id });
  expect(given).toMatchObject({ status: 'READY', drift: { differences: ['it is missing'], acknowledgedBy: null } });
  // Who is a member of the domain and steers nothing reads what the grant is, not how it fares.
  expect((await scene(member)).health).toBeNull();
  expect(await reads()).toBe(false);
  await look();
  const told = (await eventsOf('RESOURCE_DRIFTED')).filter(({ key }) => key === given.key);
  expect(told).toMatchObject([{ driftPolicy: 'REPORT', differences: ['it is missing'], after: null }]);
  expect(told[0]?.before).toHaveProperty('permissions');
  expect((await steward(Unhealthy)).resources.nodes).toContainEqual({ id: given.id, kind: 'LfGrant' });

  expect((await member(Accept, { resource: given.id })).acknowledgeDrift).toMatchObject({ code: 'NOT_FOUND' });
  // Who reads sees it too, and may not decide that his access stays as somebody has made it.
  expect((await consumer(Accept, { resource: given.id })).acknowledgeDrift).toMatchObject({ code: 'FORBIDDEN' });
  const takenOver = await consumer(LookAgain, { resource: given.id, takeOver: true });
  expect(takenOver.retryResource).toMatchObject({ code: 'FORBIDDEN' });
  const accepted = { acknowledgedBy: 'tomasz.nowak', reason: 'It is known' };
  expect((await steward(Accept, { resource: given.id })).acknowledgeDrift).toMatchObject({
    resource: { drift: accepted },
  });
  await look();
  expect((await scene()).given.drift).toMatchObject(accepted);
  expect((await scene()).health?.reasons.map(({ code }) => code)).toContain('DriftAcknowledged');
  expect((await eventsOf('RESOURCE_DRIFT_ACKNOWLEDGED'))[0]).toMatchObject({ key: given.key, reason: 'It is known' });
  expect((await eventsOf('RESOURCE_DRIFTED')).filter(({ key }) => key === given.key)).toHaveLength(1);

  expect((await steward(LookAgain, { resource: given.id })).retryResource.__typename).toBe('RetryResourcePayload');
  await eventually(async () => (await scene()).health?.status === 'HEALTHY', 'repaired', 15_000);
  expect(await reads()).toBe(true);
  const repaired = async () => (await eventsOf('RESOURCE_REPAIRED')).filter(({ key }) => key === given.key);
  await eventually(async () => (await repaired()).length === 1, 'it was told');
  expect(await repaired()).toMatchObject([{ by: 'MESHGATE' }]);
  expect((await steward(Accept, { resource: given.id })).acknowledgeDrift).toMatchObject({ code: 'STATE' });
}, 90_000);

test('what the whole mesh shares in the governance account is for admins to accept and to take over', async () => {
  const { nodes } = (await admin(SharedObjects)).resources;
  const shared = nodes.filter(
    ({ account, kind, key }) => account === GOVERNANCE_ACCOUNT && (kind !== 'LfTag' || key === 'confidentiality'),
  );
  expect(shared.map(({ kind }) => kind).sort()).toEqual(['CatalogPolicy', 'DataLakeSettings', 'LfTag']);
  for (const { id } of shared) {
    expect((await owner(Accept, { resource: id })).acknowledgeDrift).toMatchObject({ code: 'FORBIDDEN' });
    const takenOver = await owner(LookAgain, { resource: id, takeOver: true });
    expect(takenOver.retryResource).toMatchObject({ code: 'FORBIDDEN' });
    // There is nothing to accept, and who may is told so.
    expect((await admin(Accept, { resource: id })).acknowledgeDrift).toMatchObject({ code: 'STATE' });
  }
}, 30_000);

test('a grant that nothing in the mesh asked for is listed for its owners, accepted, or revoked where they want it so', async () => {
  expect((await admin(Foreign, { status: ['OPEN'] })).foreignGrants.nodes).toEqual([]);
  const [known, intruder] = [reader('known'), reader('intruder')];
  await byHand('GrantPermissions', known, ['SELECT']);
  await look();
  const [found] = (await steward(Foreign, { status: ['OPEN'] })).foreignGrants.nodes;
  expect(found).toMatchObject({
    principal: known,
    status: 'OPEN',
    permissions: { SELECT: 'ALL_COLUMNS' },
    object: { kind: 'GlueTable', key: 'logistics_nrac/shipments' },
  });
  expect((await member(Foreign, { status: ['OPEN'] })).foreignGrants).toMatchObject({ totalCount: 0, nodes: [] });
  expect((await consumer(Accept, { resource: found!.id })).acknowledgeDrift).toMatchObject({ code: 'NOT_FOUND' });
  expect((await steward(Accept, { resource: found!.id })).acknowledgeDrift).toMatchObject({
    foreignGrant: { status: 'ACKNOWLEDGED', acknowledgedBy: 'tomasz.nowak' },
  });
  await setPolicies({ foreignGrantPolicy: 'REVOKE' });
  await byHand('GrantPermissions', intruder, ['SELECT', 'INSERT']);
  const calls = await sandbox.callsDuring(look);
  const revokes = calls.filter(({ operation }) => operation === 'BatchRevokePermissions');
  expect(revokes.flatMap(({ parameters }) => parameters.Entries)).toMatchObject([
    { Principal: { DataLakePrincipalIdentifier: intruder } },
  ]);
  const after = (await steward(Foreign, { status: ['ACKNOWLEDGED', 'GONE'] })).foreignGrants.nodes;
  expect(after.map((each) => [each.principal, each.status]).sort()).toEqual(
    [
      [intruder, 'GONE'],
      [known, 'ACKNOWLEDGED'],
    ].sort(),
  );
  expect(await reads()).toBe(true);

  const stays = { code: 'AccessDeniedException', message: 'No', awsRequestId: null, since: '2026-01-01T00:00:00Z' };
  await pool.query(
    `UPDATE "ForeignGrant" SET "status" = 'REVOKING', "tries" = 6, "lastError" = $1 WHERE "principal" = $2`,
    [JSON.stringify(stays), intruder],
  );
  const { dataProduct } = await steward(OwnersHealth);
  expect(dataProduct?.health).toMatchObject({ status: 'DEGRADED', since: '2026-01-01T00:00:00.000Z' });
  expect(dataProduct?.health?.reasons).toMatchObject([
    { code: 'ForeignGrantStays', resource: { key: 'logistics_nrac/shipments' } },
  ]);
  expect((await steward(Unhealthy)).resources.nodes).toMatchObject([{ kind: 'GlueTable' }]);
  expect((await steward(Foreign, { status: ['REVOKING'] })).foreignGrants.nodes).toMatchObject([
    { principal: intruder, tries: 6, lastError: { code: stays.code, message: 'No' } },
  ]);
}, 90_000);

test('foreign grants are found by the domain in whose account the object is, and by the one that gives access through it', async () => {
  const on = (kind: string, name: string) =>
    pool.query(
      `INSERT INTO "ForeignGrant" ("id", "account", "region", "principal", "resource", "permissions", "resourceId")
       SELECT gen_random_uuid(), "account", "region", $2, $2, '{"permissions":{},"grantable":{}}', "id" FROM "Resource" r
       WHERE "kind" = $1 AND "desired" = 'PRESENT' AND "account" = $3
         AND EXISTS (SELECT FROM "ResourceClaim" c WHERE c."resourceId" = r."id" AND c."ownerType" = 'ACCESS_GRANT')
         AND NOT EXISTS (SELECT FROM "ResourceClaim" c WHERE c."resourceId" = r."id" AND c."ownerType" <> 'ACCESS_GRANT')
       LIMIT 1`,
      [kind, name, CONSUMER_ACCOUNT],
    );
  expect((await on('TableLink', 'on-link')).rowCount).toBe(1);
  const found = async (name: string) => {
    const { domain } = await admin(DriftDomain, { name });
    const { nodes } = (await admin(ForeignOf, { domain: domain!.id })).foreignGrants;
    return nodes.map(({ principal }) => principal).filter((principal) => principal === 'on-link');
  };
  for (const name of ['logistics', 'finance']) expect(await found(name)).toEqual(['on-link']);
  expect(await found('commerce')).toEqual([]);
  await pool.query(`DELETE FROM "ForeignGrant" WHERE "principal" = 'on-link'`);
}, 30_000);
