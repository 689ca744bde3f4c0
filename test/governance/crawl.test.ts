import { afterAll, beforeAll, expect, test } from 'vitest';
import { createPolicyEngine } from '../../src/governance/cedar/engine.js';
import { finishModeChanges } from '../../src/governance/change-of-mode.js';
import { finishCrawls } from '../../src/governance/crawl.js';
import { publishDataProduct, registerDataProduct, updateDataProduct } from '../../src/governance/data-product.js';
import { updateDomain } from '../../src/governance/domain.js';
import { activatePolicy, createPolicy, deactivatePolicy } from '../../src/governance/policy.js';
import { retryResource } from '../../src/governance/resource.js';
import {
  accessInput,
  MESH,
  openMesh,
  productInput,
  seedDomain,
  seedGrant,
  seedProduct,
  type TestMesh,
} from './mesh.js';

let mesh: TestMesh;
let domain: string;
let dataProduct: string;
beforeAll(async () => {
  mesh = await openMesh();
  domain = await seedDomain(mesh, 'sales', 1);
  await updateDomain(await owner(), { domain, crawlerRoleArn: `arn:aws:iam::${'1'.repeat(12)}:role/crawler` });
  dataProduct = await seedProduct(mesh, { id: domain, name: 'sales' }, 'orders');
});
afterAll(() => mesh.close());

const owner = () => mesh.as('sales-owner');
const system = () => ({
  db: mesh.database.prisma,
  mesh: MESH,
  committed: () => undefined,
  policies: createPolicyEngine(),
});

type Found = Record<'orders_heads' | 'orders_lines', string[]>;

/** Crawls all tables; their crawlers end one after another, each with the columns given. Returns the newest schema versions' columns. */
async function crawl(found: Found): Promise<string[][][]> {
  const { prisma: db } = mesh.database;
  await updateDataProduct(await mesh.as('sales-owner'), { dataProduct, crawl: true });
  const runs = await db.resource.findMany({ where: { kind: 'CrawlerRun', desired: 'PRESENT' } });
  for (const { id, key, generation } of runs) {
    const table = key.endsWith('heads') ? 'orders_heads' : 'orders_lines';
    const columns = found[table].map((name) => ({ name, type: 'string' }));
    const data = { status: 'READY' as const, observedGeneration: generation, observed: { columns } };
    await db.resource.update({ where: { id }, data });
    expect(await finishCrawls(system())).toBe(1);
  }
  await mesh.agree();
  const versions = await db.schemaVersion.findMany({ where: { productId: dataProduct }, orderBy: { number: 'asc' } });
  return versions.map(({ tables }) =>
    (tables as { columns: { name: string }[] }[]).map(({ columns }) => columns.map(({ name }) => name)),
  );
}

test('a crawl is a schema version where it found another schema than is known, and none where it found the same', async () => {
  const stated = { orders_heads: ['id', 'total', 'day'], orders_lines: ['id', 'sku'] };
  const known = [[stated.orders_heads, stated.orders_lines]];
  expect(await crawl(stated)).toEqual(known);
  const other = { orders_heads: ['id', 'total'], orders_lines: ['id', 'sku', 'note'] };
  const after = await crawl(other);
  expect(after).toHaveLength(3);
  expect(after[2]).toEqual([other.orders_heads, other.orders_lines]);
  expect(await crawl(other)).toEqual(after);
  expect(await crawl(other)).toEqual(after);
  expect((await crawl(stated)).at(-1)).toEqual(known[0]);
});

test('what a product cannot have as a column is told once as a violation, and holds nothing back', async () => {
  const { prisma: db } = mesh.database;
  const input = productInput({ id: domain, name: 'sales' }, 'files');
  const tables = input.tables?.map((table) => ({ ...table, columns: [] })) ?? [];
  const { dataProductId } = await registerDataProduct(await owner(), { ...input, tables });
  await publishDataProduct(await owner(), { dataProduct: dataProductId });
  const columns = [{ name: 'total (eur)', type: 'string' }];
  await db.resource.updateMany({
    where: { kind: 'CrawlerRun', desired: 'PRESENT' },
    data: { status: 'READY', observed: { columns } },
  });
  await db.$executeRaw`UPDATE "Resource" SET "observedGeneration" = "generation" WHERE "kind" = 'CrawlerRun'`;
  expect(await finishCrawls(system())).toBe(1);
  expect(await finishCrawls(system())).toBe(0);
  expect(await db.productColumn.count({ where: { table: { productId: dataProductId } } })).toBe(0);
  const told = (await mesh.events()).filter(({ type }) => type === 'ContractViolated');
  expect(told.map(({ data }) => data.violations)).toEqual([
    ['heads', 'lines'].map((table) => ({
      path: `schema/files_${table}/properties/total (eur)`,
      kind: 'COLUMN_REFUSED',
      message: expect.stringContaining('lower-case letters'),
    })),
  ]);
  await mesh.agree();
});

test('a column that was dropped and is found again has the marks that it had', async () => {
  const { prisma: db } = mesh.database;
  const columns = ['id', 'email', 'salary'].map((name) => ({ name, type: 'string' }));
  const marked = columns.map((column) => ({
    ...column,
    pii: column.name === 'email',
    ...(column.name === 'salary' ? { classification: 'RESTRICTED' as const } : {}),
  }));
  const stated = (all: typeof marked) => [
    { name: 'marked_rows', location: 's3://sales-lake/data/marked/', format: 'PARQUET' as const, columns: all },
  ];
  const input = { ...productInput({ id: domain, name: 'sales' }, 'marked'), tables: stated(marked) };
  const { dataProductId } = await registerDataProduct(await owner(), input);
  await publishDataProduct(await owner(), { dataProduct: dataProductId });
  await mesh.agree();
  await updateDataProduct(await mesh.as('sales-steward'), { dataProduct: dataProductId, tables: stated([]) });
  const claims = { some: { ownerId: dataProductId } };
  const run = await db.resource.findFirstOrThrow({ where: { kind: 'CrawlerRun', desired: 'PRESENT', claims } });
  const data = { status: 'READY' as const, observedGeneration: run.generation, observed: { columns } };
  await db.resource.update({ where: { id: run.id }, data });
  expect(await finishCrawls(system())).toBe(1);
  const found = await db.productColumn.findMany({
    where: { table: { productId: dataProductId } },
    orderBy: { position: 'asc' },
  });
  expect(found).toMatchObject([
    { name: 'id', pii: false, classification: null },
    { name: 'email', pii: true, classification: null },
    { name: 'salary', pii: false, classification: 'RESTRICTED' },
  ]);
  await mesh.agree();
});

test('a grant of a table comes to the columns that are found as far as the policies open them', async () => {
  const { prisma: db } = mesh.database;
  const finance = await seedDomain(mesh, 'finance', 2);
  const input = productInput({ id: domain, name: 'sales' }, 'found');
  const tables = [
    { name: 'found_rows', location: 's3://sales-lake/data/found/', format: 'PARQUET' as const, columns: [] },
  ];
  const { dataProductId } = await registerDataProduct(await owner(), { ...input, tables });
  await publishDataProduct(await owner(), { dataProduct: dataProductId });
  await mesh.agree();
  const asked = accessInput({ dataProduct: dataProductId, consumerDomain: finance, account: 2 });
  const { accessGrantId } = await seedGrant(mesh, {
    requester: 'finance-member',
    decider: 'sales-owner',
    input: asked,
  });
  const source = `@reason("Secret.") forbid (principal, action == Action::"readColumn", resource) when { resource.name == "secret" };`;
  const admin = await mesh.admin();
  const { policyId: policy } = await createPolicy(admin, { name: 'secrets', description: 'A test', source });
  await activatePolicy(admin, { policy, version: 1 });
  const claims = { some: { ownerId: dataProductId } };
  const run = await db.resource.findFirstOrThrow({ where: { kind: 'CrawlerRun', claims } });
  const columns = ['id', 'secret'].map((name) => ({ name, type: 'string' }));
  const data = { status: 'READY' as const, observedGeneration: run.generation, observed: { columns } };
  await db.resource.update({ where: { id: run.id }, data });
  expect(await finishCrawls(system())).toBe(1);
  const grant = await db.accessGrant.findUniqueOrThrow({ where: { id: accessGrantId } });
  expect(grant).toMatchObject({ status: 'PROVISIONING', withheld: ['found_rows.secret'] });
  const held = {
    kind: 'LfGrant' as const,
    account: MESH.governanceAccount,
    claims: { some: { ownerId: accessGrantId } },
  };
  const [given] = await db.resource.findMany({ where: held });
  expect(given?.spec).toMatchObject({ permissions: { SELECT: ['id'] } });
  await deactivatePolicy(admin, { policy });
  await mesh.agree();
});

test('a crawl that failed runs again when it is asked for, or its resource is retried, and holds no change of mode back', async () => {
  const { prisma: db } = mesh.database;
  const runs = async () =>
    (await db.productTable.findMany({ where: { productId: dataProduct }, orderBy: { position: 'asc' } })).map(
      ({ crawlRun }) => crawlRun,
    );
  await updateDataProduct(await owner(), { dataProduct, crawl: true });
  const [first, under] = await runs();
  const claims = { some: { ownerId: dataProduct } };
  const failed = await db.resource.findFirstOrThrow({
    where: { kind: 'CrawlerRun', key: { endsWith: 'heads' }, claims },
  });
  const fail = () => db.resource.update({ where: { id: failed.id }, data: { status: 'FAILED' } });
  await fail();
  await updateDataProduct(await owner(), { dataProduct, crawl: true });
  const [second, still] = await runs();
  expect(second).not.toBe(first);
  expect(still).toBe(under);
  await fail();
  await retryResource(await owner(), { resource: failed.id });
  const [third] = await runs();
  expect([first, second]).not.toContain(third);
  expect(await db.resource.findUnique({ where: { id: failed.id } })).toMatchObject({
    status: 'PENDING',
    spec: { run: third },
  });
  await db.resource.updateMany({ where: { kind: 'CrawlerRun', claims }, data: { status: 'FAILED' } });
  await updateDataProduct(await owner(), { dataProduct, accessMode: 'LF_TBAC' });
  expect(await runs()).toEqual([null, null]);
});

test('a crawl ends with the role that it runs as', async () => {
  const { prisma: db } = mesh.database;
  await mesh.agree();
  await finishModeChanges(system());
  await updateDataProduct(await owner(), { dataProduct, crawl: true });
  await updateDomain(await owner(), { domain, crawlerRoleArn: null });
  expect(await finishCrawls(system())).toBe(1);
  expect(await db.productTable.count({ where: { productId: dataProduct, crawlRun: { not: null } } })).toBe(0);
  await updateDataProduct(await owner(), { dataProduct, accessMode: 'NRAC' });
});
