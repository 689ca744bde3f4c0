import pg from 'pg';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { requestAccess } from '../../src/governance/access-request.js';
import {
  deprecateDataProduct,
  publishDataProduct,
  registerDataProduct,
  retireDataProduct,
  updateDataProduct,
} from '../../src/governance/data-product.js';
import { globalId } from '../../src/governance/global-id.js';
import {
  accessInput,
  openMesh,
  productInput,
  refusal,
  seedDomain,
  seedGrant,
  seedProduct,
  type TestMesh,
} from './mesh.js';

let mesh: TestMesh;
let commerce: string;
let finance: string;
const domain = () => ({ id: commerce, name: 'commerce' });

beforeAll(async () => {
  mesh = await openMesh();
  commerce = await seedDomain(mesh, 'commerce', 1);
  finance = await seedDomain(mesh, 'finance', 2);
  await mesh.agree();
});
afterAll(() => mesh.close());

const productOf = (id: string) =>
  mesh.database.prisma.dataProduct.findUniqueOrThrow({
    where: { id },
    include: { tables: { include: { columns: true } }, schemaVersions: true },
  });
const eventsOf = async (id: string) =>
  (await mesh.events()).filter(({ subject }) => subject.id === globalId('DataProduct', id));

test('a product is a draft, then being published, then in everybody’s catalogue, deprecated, and retired', async () => {
  const owner = await mesh.as('commerce-owner');
  const { dataProductId: id } = await registerDataProduct(owner, productInput(domain(), 'life'));
  expect(await productOf(id)).toMatchObject({
    status: 'DRAFT',
    displayName: 'life',
    tables: [{ columns: { length: 3 } }, { columns: { length: 2 } }],
  });
  expect((await productOf(id)).schemaVersions).toMatchObject([{ number: 1, source: 'FIELDS' }]);
  await publishDataProduct(owner, { dataProduct: id });
  expect((await productOf(id)).status).toBe('PUBLISHING');
  await mesh.agree();
  expect(await productOf(id)).toMatchObject({ status: 'PUBLISHED', publishedAt: expect.any(Date) });
  await deprecateDataProduct(owner, { dataProduct: id, reason: 'Use orders' });
  await retireDataProduct(owner, { dataProduct: id });
  expect(await productOf(id)).toMatchObject({ status: 'RETIRED' });
  await mesh.agree();
  expect(await mesh.database.prisma.resourceClaim.count({ where: { ownerId: id } })).toBe(0);
  expect((await eventsOf(id)).map(({ type, audiencePublic }) => [type, audiencePublic])).toEqual([
    ['DataProductRegistered', false],
    ['DataProductPublished', false],
    ['DataProductReady', true],
    ['DataProductDeprecated', true],
    ['DataProductRetired', true],
  ]);
  expect((await eventsOf(id))[2]?.data.resources).toEqual([
    'arn:aws:glue:eu-central-1:999999999999:table/commerce_nrac/life_heads',
    'arn:aws:glue:eu-central-1:999999999999:table/commerce_nrac/life_lines',
  ]);
  expect((await refusal(updateDataProduct(owner, { dataProduct: id, description: 'x' }))).code).toBe('STATE');
});

test('a product that is being read retires only together with its grants', async () => {
  const id = await seedProduct(mesh, domain(), 'read');
  const input = accessInput({ dataProduct: id, consumerDomain: finance, account: 2 });
  const { accessGrantId } = await seedGrant(mesh, { requester: 'finance-member', decider: 'commerce-owner', input });
  await mesh.agree();
  const owner = await mesh.as('commerce-owner');
  expect(await refusal(retireDataProduct(owner, { dataProduct: id }))).toMatchObject({
    code: 'STATE',
    message: expect.stringContaining('One grant gives access'),
  });
  await retireDataProduct(owner, { dataProduct: id, revokeGrants: true });
  await mesh.agree();
  expect(await mesh.database.prisma.accessGrant.findUniqueOrThrow({ where: { id: accessGrantId } })).toMatchObject({
    status: 'REVOKED',
    reason: 'The product was retired.',
  });
  const tables = await mesh.database.prisma.resource.findMany({
    where: { kind: 'GlueTable', key: { contains: '/read_' } },
  });
  expect(tables.map(({ desired }) => desired)).toEqual(['ABSENT', 'ABSENT']);
});

test('what nobody had decided when a product retired is closed, and the requester hears of it', async () => {
  const id = await seedProduct(mesh, domain(), 'closing');
  const input = accessInput({ dataProduct: id, consumerDomain: finance, account: 2 });
  const { accessRequestId } = await requestAccess(await mesh.as('finance-member'), input);
  await retireDataProduct(await mesh.as('commerce-owner'), { dataProduct: id });
  const request = await mesh.database.prisma.accessRequest.findUniqueOrThrow({ where: { id: accessRequestId } });
  expect(request).toMatchObject({ status: 'CANCELLED', comment: 'The product was retired.' });
  const [event] = (await mesh.events())
    .filter(({ subject }) => subject.id === globalId('AccessRequest', accessRequestId))
    .slice(-1);
  expect(event).toMatchObject({ type: 'AccessCancelled', audienceSubjects: ['finance-member'] });
});

test('retiring races approving: no grant stays alive on a retired product', async () => {
  const id = await seedProduct(mesh, domain(), 'raced');
  const input = accessInput({ dataProduct: id, consumerDomain: finance, account: 2 });
  const owner = await mesh.as('commerce-owner');
  await Promise.allSettled([
    ...Array.from({ length: 8 }, () =>
      seedGrant(mesh, { requester: 'finance-member', decider: 'commerce-steward', input }),
    ),
    new Promise((resolve) => setTimeout(resolve, 150)).then(() =>
      retireDataProduct(owner, { dataProduct: id, revokeGrants: true }),
    ),
  ]);
  expect((await productOf(id)).status).toBe('RETIRED');
  await mesh.agree();
  const alive = await mesh.database.prisma.accessGrant.count({ where: { productId: id, status: { not: 'REVOKED' } } });
  expect(alive).toBe(0);
});

test('a change of words is an event with before and after, a repetition is none; a new classification re-tags the tables', async () => {
  const id = await seedProduct(mesh, domain(), 'words');
  const steward = await mesh.as('commerce-steward');
  await updateDataProduct(steward, { dataProduct: id, description: 'New', tags: ['a', 'b', 'a'], owner: null });
  await updateDataProduct(steward, { dataProduct: id, description: 'New' });
  await updateDataProduct(steward, { dataProduct: id, classification: 'CONFIDENTIAL' });
  const updates = (await eventsOf(id)).filter(({ type }) => type === 'DataProductUpdated');
  expect(updates.map(({ data }) => data)).toMatchObject([
    {
      before: { description: 'The words of commerce', tags: [] },
      after: { description: 'New', tags: ['a', 'b'] },
      tags: ['a', 'b'],
    },
    { before: { classification: 'INTERNAL' }, after: { classification: 'CONFIDENTIAL' }, tags: ['a', 'b'] },
  ]);
  const tags = await mesh.database.prisma.resource.findMany({
    where: { kind: 'LfTagAttachment', key: { contains: '/words_' } },
  });
  expect(tags.map(({ spec, status }) => [(spec as { value: string }).value, status])).toEqual([
    ['sensitive', 'PENDING'],
    ['sensitive', 'PENDING'],
  ]);
  expect((await productOf(id)).status).toBe('PUBLISHED');
});

test('new tables replace the old ones, in AWS too; a grant keeps what is left of it', async () => {
  const id = await seedProduct(mesh, domain(), 'moved');
  const input = accessInput({ dataProduct: id, consumerDomain: finance, account: 2 });
  const { accessGrantId } = await seedGrant(mesh, { requester: 'finance-member', decider: 'commerce-owner', input });
  const lines = { ...input, tables: ['moved_lines'] };
  const gone = await seedGrant(mesh, { requester: 'finance-member', decider: 'commerce-owner', input: lines });
  await mesh.agree();
  const { tables } = productInput(domain(), 'moved');
  const [heads] = tables ?? [];
  await updateDataProduct(await mesh.as('commerce-owner'), { dataProduct: id, tables: heads ? [heads] : [] });
  await mesh.agree();
  const claims = await mesh.database.prisma.resourceClaim.findMany({
    where: { ownerId: accessGrantId },
    include: { resource: true },
  });
  expect(claims.filter(({ resource }) => resource.key.includes('moved_lines'))).toEqual([]);
  expect(claims.filter(({ resource }) => resource.key.includes('moved_heads'))).not.toEqual([]);
  const statusOf = async (grant: string) =>
    (await mesh.database.prisma.accessGrant.findUniqueOrThrow({ where: { id: grant } })).status;
  expect(await statusOf(accessGrantId)).toBe('ACTIVE');
  expect(await statusOf(gone.accessGrantId)).toBe('REVOKED');
  const [changed] = (await eventsOf(id)).filter(({ type }) => type === 'SchemaChanged');
  expect(changed?.data).toMatchObject({ tableChanges: { added: [], removed: ['moved_lines'] } });
  expect((await productOf(id)).schemaVersions).toHaveLength(2);
});

test('two published products of a domain cannot have one table', async () => {
  const owner = await mesh.as('commerce-owner');
  await seedProduct(mesh, domain(), 'first');
  const second = { ...productInput(domain(), 'second'), tables: productInput(domain(), 'first').tables };
  const { dataProductId } = await registerDataProduct(owner, second);
  expect(await refusal(publishDataProduct(owner, { dataProduct: dataProductId }))).toMatchObject({
    code: 'CONFLICT',
    message: expect.stringContaining('published by the product first'),
  });
  const both = await Promise.all(
    ['third', 'fourth'].map((name) =>
      registerDataProduct(owner, { ...productInput(domain(), name), tables: productInput(domain(), 'shared').tables }),
    ),
  );
  const outcomes = await Promise.allSettled(
    both.map(({ dataProductId }) => publishDataProduct(owner, { dataProduct: dataProductId })),
  );
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  for (const outcome of outcomes) if (outcome.status === 'rejected') expect(outcome.reason.code).toBe('CONFLICT');
});

const table = {
  name: 't',
  location: 's3://commerce-lake/data/t',
  format: 'PARQUET',
  columns: [{ name: 'id', type: 'string' }],
};
const wrong: [string, object, string][] = [
  [
    'a location outside of the domain',
    { tables: [{ ...table, location: 's3://commerce-lake/database/t' }] },
    'tables.0.location',
  ],
  ['a table name that Glue folds', { tables: [{ ...table, name: 'Orders' }] }, 'tables.0.name'],
  ['a table twice', { tables: [table, table] }, 'tables.1.name'],
  [
    'a column twice',
    { tables: [{ ...table, columns: [table.columns[0], table.columns[0]] }] },
    'tables.0.columns.1.name',
  ],
  [
    'a type that Glue does not have',
    { tables: [{ ...table, columns: [{ name: 'id', type: 'varchar2' }] }] },
    'tables.0.columns.0.type',
  ],
  [
    'unbalanced types',
    { tables: [{ ...table, columns: [{ name: 'id', type: 'array<struct<a:int>' }] }] },
    'tables.0.columns.0.type',
  ],
  ['S3 Tables', { tables: [{ ...table, format: 'S3_TABLES' }] }, 'tables.0.format'],
  [
    'too many tables',
    { tables: Array.from({ length: 201 }, (_, index) => ({ ...table, name: `t${index}` })) },
    'tables',
  ],
];
test.each(wrong)('refuses %s', async (_, more, path) => {
  const input = { ...productInput(domain(), 'wrong'), ...more };
  expect(await refusal(registerDataProduct(await mesh.as('commerce-owner'), input))).toMatchObject({
    code: 'VALIDATION',
    path,
  });
});

test('a product without tables is a draft that cannot be published', async () => {
  const owner = await mesh.as('commerce-owner');
  const { dataProductId } = await registerDataProduct(owner, { ...productInput(domain(), 'empty'), tables: null });
  expect(await refusal(publishDataProduct(owner, { dataProduct: dataProductId }))).toMatchObject({
    code: 'VALIDATION',
    path: 'tables',
  });
});

test('the draft of another domain is not found, the published product of another domain is not his to change', async () => {
  const { dataProductId } = await registerDataProduct(
    await mesh.as('commerce-owner'),
    productInput(domain(), 'hidden'),
  );
  const stranger = await mesh.as('finance-owner');
  expect((await refusal(publishDataProduct(stranger, { dataProduct: dataProductId }))).code).toBe('NOT_FOUND');
  expect(
    (await refusal(publishDataProduct(await mesh.as('commerce-member'), { dataProduct: dataProductId }))).code,
  ).toBe('FORBIDDEN');
  const open = await seedProduct(mesh, domain(), 'open');
  expect((await refusal(retireDataProduct(stranger, { dataProduct: open }))).code).toBe('FORBIDDEN');
  expect((await refusal(registerDataProduct(stranger, productInput(domain(), 'theirs')))).code).toBe('FORBIDDEN');
});

test('a product of 200 tables and 10,000 columns is registered and published in few statements', async () => {
  const owner = await mesh.as('commerce-owner');
  const columns = Array.from({ length: 50 }, (_, index) => ({ name: `c${index}`, type: 'string' }));
  const tables = Array.from({ length: 200 }, (_, index) => ({
    ...table,
    name: `wide_${index}`,
    columns,
    format: 'PARQUET' as const,
  }));
  const query = vi.spyOn(pg.Client.prototype, 'query');
  const { dataProductId } = await registerDataProduct(owner, { ...productInput(domain(), 'wide'), tables });
  const registered = query.mock.calls.length;
  await publishDataProduct(owner, { dataProduct: dataProductId });
  const published = query.mock.calls.length - registered;
  query.mockRestore();
  expect(registered).toBeGreaterThan(5);
  expect(registered).toBeLessThan(25);
  expect(published).toBeLessThan(40);
  const claimed = await mesh.database.prisma.resourceClaim.count({ where: { ownerId: dataProductId } });
  expect(claimed).toBe(200 * 5);
});

test('a table name is free again only once AWS has let go of the product that had it', async () => {
  const owner = await mesh.as('commerce-owner');
  const first = await seedProduct(mesh, domain(), 'handover');
  await mesh.agree();
  await retireDataProduct(owner, { dataProduct: first, revokeGrants: true });
  const name = (await mesh.database.prisma.productTable.findFirstOrThrow({ where: { productId: first } })).name;
  const second = await registerDataProduct(owner, {
    ...productInput(domain(), 'handover-secret'),
    tables: [{ ...productInput(domain(), 'handover-secret').tables![0]!, name }],
  });
  const publish = () => publishDataProduct(owner, { dataProduct: second.dataProductId });
  expect(await refusal(publish())).toMatchObject({ code: 'CONFLICT', message: expect.stringContaining('not let go') });
  await mesh.agree();
  await expect(publish()).resolves.toMatchObject({ dataProductId: second.dataProductId });
});
