import { afterAll, beforeAll, expect, test } from 'vitest';
import { declareDomains } from '../../src/governance/declare-domains.js';
import { addDomainMember, registerDomain, removeDomainMember, updateDomain } from '../../src/governance/domain.js';
import { retryResource } from '../../src/governance/resource.js';
import { domainInput, MESH, openMesh, refusal, seedDomain, type TestMesh } from './mesh.js';

let mesh: TestMesh;
let commerce: string;

beforeAll(async () => {
  mesh = await openMesh();
  commerce = await seedDomain(mesh, 'commerce', 1);
});
afterAll(() => mesh.close());

const domainOf = (id: string) =>
  mesh.database.prisma.domain.findUniqueOrThrow({ where: { id }, include: { members: true } });

test('a registered domain has its owners, a secret external id, and is ready once AWS agrees', async () => {
  const { domainId } = await registerDomain(await mesh.admin(), {
    ...domainInput('customer-care', 3),
    dataLocation: 's3://customer-care/lake/',
    owners: ['ann', 'bob', 'ann'],
  });
  const registered = await domainOf(domainId);
  expect(registered).toMatchObject({
    status: 'REGISTERING',
    dataLocation: 's3://customer-care/lake',
    eventBusName: 'meshgate',
    eventTargetRoleArn: 'arn:aws:iam::333333333333:role/meshgate-events',
    manageSettings: false,
  });
  expect(registered.externalId).toMatch(/^[A-Za-z0-9_-]{43}$/);
  expect(registered.members.map(({ subject, role }) => [subject, role]).sort()).toEqual([
    ['ann', 'OWNER'],
    ['bob', 'OWNER'],
  ]);
  expect(mesh.woken).toEqual(
    expect.arrayContaining([
      { account: '999999999999', region: 'eu-central-1' },
      { account: '333333333333', region: 'eu-central-1' },
    ]),
  );
  await mesh.agree();
  expect((await domainOf(domainId)).status).toBe('READY');
  const events = (await mesh.events()).filter(({ subject }) => subject.name === 'customer-care');
  expect(events.map(({ type, audiencePublic }) => [type, audiencePublic])).toEqual([
    ['DomainRegistered', true],
    ['DomainReady', true],
  ]);
  expect(JSON.stringify((await mesh.events()).map(({ data }) => data))).not.toContain(registered.externalId);
});

const wrong: [string, object, string, string, string][] = [
  ['the name of another domain', { name: 'commerce' }, 'CONFLICT', '', 'registered already'],
  [
    'the account of another domain',
    { awsAccountId: '111111111111', roleArn: 'arn:aws:iam::111111111111:role/x' },
    'CONFLICT',
    '',
    "the domain commerce's already",
  ],
  ['a location inside of another domain', { dataLocation: 's3://commerce-lake/data/more' }, 'CONFLICT', '', 'overlaps'],
  ['a location around another domain', { dataLocation: 's3://commerce-lake' }, 'CONFLICT', '', 'overlaps'],
  [
    'the governance account',
    { awsAccountId: '999999999999', roleArn: 'arn:aws:iam::999999999999:role/x' },
    'VALIDATION',
    'awsAccountId',
    'governance account',
  ],
  ['another region', { awsRegion: 'us-east-1' }, 'VALIDATION', 'awsRegion', 'the mesh is in eu-central-1'],
  [
    'a role of another account',
    { roleArn: 'arn:aws:iam::111111111111:role/x' },
    'VALIDATION',
    'roleArn',
    'must be of account 444444444444',
  ],
  ['a user as role', { roleArn: 'arn:aws:iam::444444444444:user/x' }, 'VALIDATION', 'roleArn', ':role/name'],
  [
    'a data access role outside of the governance account',
    { dataAccessRoleArn: 'arn:aws:iam::444444444444:role/x' },
    'VALIDATION',
    'dataAccessRoleArn',
    'must be of account 999999999999',
  ],
  ['a name too long for the names made of it', { name: 'd'.repeat(41) }, 'VALIDATION', 'name', '40 characters'],
  ['a name that is no slug', { name: 'Customer__Care' }, 'VALIDATION', 'name', 'customer-care'],
  ['a doubled dash', { name: 'a--b' }, 'VALIDATION', 'name', 'single dashes'],
  ['a location that is not in S3', { dataLocation: '/data' }, 'VALIDATION', 'dataLocation', 's3://bucket/prefix'],
  ['a location with a way up', { dataLocation: 's3://four-lake/../x' }, 'VALIDATION', 'dataLocation', '..'],
  ['no owner', { owners: [] }, 'VALIDATION', 'owners', 'at least one owner'],
];
test.each(wrong)('refuses %s', async (_, more, code, path, says) => {
  const answer = await refusal(registerDomain(await mesh.admin(), { ...domainInput('four', 4), ...more }));
  expect(answer.code).toBe(code);
  expect(answer.path ?? '').toBe(path);
  expect(answer.message).toContain(says);
});

test('only an admin registers a domain, whatever the input', async () => {
  expect((await refusal(registerDomain(await mesh.as('commerce-owner'), domainInput('five', 5)))).code).toBe(
    'FORBIDDEN',
  );
  expect((await refusal(registerDomain(await mesh.as('nobody'), { ...domainInput('five', 5), name: '' }))).code).toBe(
    'FORBIDDEN',
  );
});

test('of two registrations of one name at once one succeeds, the other is a conflict', async () => {
  const admin = await mesh.admin();
  const outcomes = await Promise.allSettled(
    [6, 7, 8].map((number) =>
      registerDomain(admin, { ...domainInput('six', number), dataLocation: `s3://six-${number}` }),
    ),
  );
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  for (const outcome of outcomes) if (outcome.status === 'rejected') expect(outcome.reason.code).toBe('CONFLICT');
});

test('owners change members, and the last owner stays, also when two leave at once', async () => {
  const owner = await mesh.as('commerce-owner');
  await addDomainMember(owner, { domain: commerce, subject: 'second', role: 'MEMBER' });
  await addDomainMember(owner, { domain: commerce, subject: 'second', role: 'OWNER' });
  await addDomainMember(owner, { domain: commerce, subject: 'second', role: 'OWNER' });
  const members = (await mesh.events()).filter(
    ({ type, data }) => type === 'DomainUpdated' && data.member === 'second',
  );
  expect(members.map(({ data }) => [data.before, data.after])).toEqual([
    [{ role: null }, { role: 'MEMBER' }],
    [{ role: 'MEMBER' }, { role: 'OWNER' }],
  ]);
  expect(members[0]).toMatchObject({
    audiencePublic: false,
    audienceDomains: [commerce],
    audienceSubjects: ['second'],
  });
  const leaving = await Promise.allSettled([
    removeDomainMember(owner, { domain: commerce, subject: 'commerce-owner' }),
    removeDomainMember(await mesh.as('second'), { domain: commerce, subject: 'second' }),
  ]);
  expect(leaving.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  const owners = (await domainOf(commerce)).members.filter(({ role }) => role === 'OWNER');
  expect(owners).toHaveLength(1);
  const last = owners[0]?.subject as string;
  expect(await refusal(removeDomainMember(await mesh.as(last), { domain: commerce, subject: last }))).toMatchObject({
    code: 'CONFLICT',
    message: expect.stringContaining('last owner'),
  });
  expect(
    (await refusal(addDomainMember(await mesh.as(last), { domain: commerce, subject: last, role: 'MEMBER' }))).code,
  ).toBe('CONFLICT');
  const steward = await mesh.as('commerce-steward');
  expect((await refusal(addDomainMember(steward, { domain: commerce, subject: 'x', role: 'MEMBER' }))).code).toBe(
    'FORBIDDEN',
  );
  expect((await refusal(removeDomainMember(await mesh.as(last), { domain: commerce, subject: 'x' }))).code).toBe(
    'NOT_FOUND',
  );
});

test('a resource that failed is retried by those who steer its domain', async () => {
  const resource = await mesh.database.prisma.resource.findFirstOrThrow({
    where: { kind: 'EventBus', account: '111111111111' },
  });
  const input = { resource: resource.id };
  const become = (status: string) =>
    mesh.database.pool.query(`UPDATE "Resource" SET "status" = $2::"ResourceStatus", "attempts" = 6 WHERE "id" = $1`, [
      resource.id,
      status,
    ]);
  await become('REMOVED');
  expect((await refusal(retryResource(await mesh.as('commerce-steward'), input))).code).toBe('STATE');
  await become('FAILED');
  for (const who of ['nobody', 'commerce-member']) {
    expect((await refusal(retryResource(await mesh.as(who), input))).code).toBe('NOT_FOUND');
  }
  mesh.woken.length = 0;
  expect(await retryResource(await mesh.as('commerce-steward'), input)).toEqual({ resourceId: resource.id });
  expect(mesh.woken).toEqual([{ account: '111111111111', region: 'eu-central-1' }]);
  expect(await mesh.database.prisma.resource.findUniqueOrThrow({ where: { id: resource.id } })).toMatchObject({
    status: 'PENDING',
    attempts: 0,
  });
  expect((await refusal(retryResource(await mesh.admin(), { resource: '0'.repeat(64) }))).code).toBe('NOT_FOUND');
});

/** Whoever owns the domain after what the tests before did to its members. */
async function ownerOf(domain: string) {
  const { members } = await domainOf(domain);
  return mesh.as(members.find(({ role }) => role === 'OWNER')!.subject);
}

test("an owner changes a domain's names and policies, which everybody hears, and roles, whose names alone are told", async () => {
  const owner = await ownerOf(commerce);
  const workflow = 'arn:aws:iam::111111111111:role/workflow';
  const change = {
    domain: commerce,
    displayName: 'Shops',
    driftPolicy: 'REPORT',
    foreignGrantPolicy: 'REVOKE',
    accountRevocation: 'CUT_ACCOUNT',
    workflowRoleArn: workflow,
  } as const;
  for (const who of ['commerce-steward', 'commerce-member']) {
    expect((await refusal(updateDomain(await mesh.as(who), change))).code).toBe('FORBIDDEN');
  }
  await updateDomain(owner, change);
  const { domain: _, ...after } = change;
  expect(await domainOf(commerce)).toMatchObject(after);
  const told = async () =>
    (await mesh.events()).filter(({ type, data }) => type === 'DomainUpdated' && 'changed' in (data as object));
  expect((await told()).at(-1)).toMatchObject({
    audiencePublic: true,
    data: { changed: Object.keys(after), after: { displayName: 'Shops', driftPolicy: 'REPORT' } },
  });
  expect(JSON.stringify((await told()).at(-1)?.data)).not.toContain(workflow);
  const count = (await told()).length;
  await updateDomain(owner, change);
  expect(await told()).toHaveLength(count);
});

test('what a change of a domain means for AWS is declared anew', async () => {
  await mesh.agree();
  mesh.woken.length = 0;
  const settings = () =>
    mesh.database.prisma.resource.findFirstOrThrow({ where: { kind: 'DataLakeSettings', account: '111111111111' } });
  await updateDomain(await ownerOf(commerce), { domain: commerce, manageSettings: true });
  expect(await settings()).toMatchObject({ status: 'PENDING', spec: { manage: true } });
  expect(mesh.woken).toContainEqual({ account: '111111111111', region: 'eu-central-1' });
});

test('the role that Meshgate assumes is changed by admins alone, within the account, and what failed there is tried again', async () => {
  const roleArn = 'arn:aws:iam::111111111111:role/other';
  const owner = await ownerOf(commerce);
  expect((await refusal(updateDomain(owner, { domain: commerce, roleArn }))).code).toBe('FORBIDDEN');
  const admin = await mesh.admin();
  const elsewhere = 'arn:aws:iam::222222222222:role/other';
  expect(await refusal(updateDomain(admin, { domain: commerce, roleArn: elsewhere }))).toMatchObject({
    code: 'VALIDATION',
    path: 'roleArn',
  });
  const bus = await mesh.database.prisma.resource.findFirstOrThrow({
    where: { kind: 'EventBus', account: '111111111111' },
  });
  await mesh.database.prisma.resource.update({ where: { id: bus.id }, data: { status: 'FAILED', attempts: 3 } });
  await updateDomain(admin, { domain: commerce, roleArn });
  const after = await mesh.database.prisma.resource.findUniqueOrThrow({ where: { id: bus.id } });
  expect(after).toMatchObject({ status: 'PENDING', attempts: 0 });
});

test('what an earlier version did not ask of a domain is declared when a worker starts, and no more than that', async () => {
  const id = await seedDomain(mesh, 'veteran', 5);
  await mesh.agree();
  const system = { db: mesh.database.prisma, mesh: MESH, committed: () => undefined };
  expect(await declareDomains(system)).toBe(0);
  const before = await mesh.database.prisma.resourceClaim.count({ where: { ownerId: id } });
  await mesh.database.pool.query(
    `DELETE FROM "ResourceClaim" WHERE "ownerId" = $1 AND "resourceId" IN (SELECT "id" FROM "Resource" WHERE "kind" = 'DatabaseLink')`,
    [id],
  );
  expect(await mesh.database.prisma.resourceClaim.count({ where: { ownerId: id } })).toBe(before - 1);
  await declareDomains(system);
  expect(await mesh.database.prisma.resourceClaim.count({ where: { ownerId: id } })).toBe(before);
});

test('a domain of before the queues for undelivered events gets one, and its rule sends there', async () => {
  const id = await seedDomain(mesh, 'early', 4);
  await mesh.agree();
  const queue = { kind: 'Queue', key: 'meshgate-undelivered-early' };
  const rule = { kind: 'EventRule', key: `${MESH.centralBusName}/domain-early` };
  const { pool, prisma } = mesh.database;
  await pool.query(
    `WITH gone AS (DELETE FROM "ResourceClaim" c USING "Resource" r
       WHERE r."id" = c."resourceId" AND c."ownerId" = $1 AND r."key" = 'meshgate-undelivered-early' RETURNING r."id")
     DELETE FROM "Resource" WHERE "id" IN (SELECT "id" FROM gone)`,
    [id],
  );
  for (const table of ['"Resource" SET "dependsOn" = \'{}\',', '"ResourceClaim" SET'])
    await pool.query(`UPDATE ${table} "spec" = "spec" #- '{targets,0,deadLetterArn}' WHERE "spec" ->> 'name' = $1`, [
      'domain-early',
    ]);
  const system = { db: prisma, mesh: MESH, committed: () => undefined };
  expect(await declareDomains(system)).toBe(1);
  const made = await prisma.resource.findFirstOrThrow({ where: queue });
  expect(made).toMatchObject({ desired: 'PRESENT', status: 'PENDING' });
  expect(await prisma.resource.findFirstOrThrow({ where: rule })).toMatchObject({
    status: 'PENDING',
    spec: { targets: [{ deadLetterArn: expect.stringMatching(/:meshgate-undelivered-early$/) }] },
    dependsOn: expect.arrayContaining([made.id]),
  });
});
