import { afterAll, beforeAll, expect, test } from 'vitest';
import { publishDataProduct, registerDataProduct } from '../../src/governance/data-product.js';
import { previewTagChange } from '../../src/governance/preview-tag-change.js';
import { openMesh, productInput, seedDomain, seedGrant, seedProduct, type TestMesh } from './mesh.js';

let mesh: TestMesh;
let sales: { id: string; name: string };
let finance: string;
beforeAll(async () => {
  mesh = await openMesh();
  sales = { id: await seedDomain(mesh, 'sales', 1), name: 'sales' };
  finance = await seedDomain(mesh, 'finance', 2);
});
afterAll(() => mesh.close());

const restricted = async (dataProduct: string) =>
  previewTagChange(await mesh.as('sales-owner'), { dataProduct, classification: 'RESTRICTED' });

test('who may write loses all of his grant where the stricter classification ends it', async () => {
  const dataProduct = await seedProduct(mesh, sales, 'written');
  const principal = `arn:aws:iam::${'1'.repeat(12)}:role/loader`;
  const { accessGrantId } = await seedGrant(mesh, {
    requester: 'sales-member',
    decider: 'sales-owner',
    input: {
      dataProduct,
      consumerDomain: sales.id,
      principals: [principal],
      permissions: ['SELECT', 'INSERT'],
      purpose: 'To load',
    },
  });
  await mesh.agree();
  const { plan, gains, losses } = await restricted(dataProduct);
  expect(plan.resources.filter(({ action }) => action === 'DELETE').length).toBeGreaterThan(0);
  expect(gains).toEqual([]);
  const grantIds = [accessGrantId];
  expect(losses).toEqual([
    { principal, table: 'written_heads', columns: ['id', 'total', 'day'], grantIds },
    { principal, table: 'written_lines', columns: ['id', 'sku'], grantIds },
  ]);
});

test('who is cut off with his account can lose nothing', async () => {
  const owner = await mesh.as('sales-owner');
  const { dataProductId } = await registerDataProduct(owner, {
    ...productInput(sales, 'tagged'),
    accessMode: 'LF_TBAC',
  });
  await publishDataProduct(owner, { dataProduct: dataProductId });
  await mesh.agree();
  const { accessGrantId } = await seedGrant(mesh, {
    requester: 'finance-member',
    decider: 'sales-owner',
    input: {
      dataProduct: dataProductId,
      consumerDomain: finance,
      principals: [`arn:aws:iam::${'2'.repeat(12)}:role/analyst`],
      purpose: 'To read',
    },
  });
  await mesh.agree();
  expect((await restricted(dataProductId)).losses).toHaveLength(2);
  await mesh.change(`UPDATE "AccessGrant" SET "accountCutAt" = now() WHERE "id" = $1`, [accessGrantId]);
  expect((await restricted(dataProductId)).losses).toEqual([]);
});
