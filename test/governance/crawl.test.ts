import { afterAll, beforeAll, expect, test } from 'vitest';
import { finishCrawls } from '../../src/governance/crawl.js';
import { updateDataProduct } from '../../src/governance/data-product.js';
import { updateDomain } from '../../src/governance/domain.js';
import { MESH, openMesh, seedDomain, seedProduct, type TestMesh } from './mesh.js';

let mesh: TestMesh;
let dataProduct: string;
beforeAll(async () => {
  mesh = await openMesh();
  const domain = await seedDomain(mesh, 'sales', 1);
  const owner = await mesh.as('sales-owner');
  await updateDomain(owner, { domain, crawlerRoleArn: `arn:aws:iam::${'1'.repeat(12)}:role/crawler` });
  dataProduct = await seedProduct(mesh, { id: domain, name: 'sales' }, 'orders');
});
afterAll(() => mesh.close());

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
    expect(await finishCrawls({ db, mesh: MESH, committed: () => undefined })).toBe(1);
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
