import { afterAll, beforeAll, expect, test } from 'vitest';
import { approveAccessRequest } from '../../src/governance/access-approval.js';
import { requestAccess } from '../../src/governance/access-request.js';
import { finishModeChanges } from '../../src/governance/change-of-mode.js';
import { publishDataProduct, registerDataProduct, updateDataProduct } from '../../src/governance/data-product.js';
import { globalId } from '../../src/governance/global-id.js';
import {
  accessInput,
  MESH,
  openMesh,
  productInput,
  refusal,
  seedDomain,
  seedGrant,
  seedProduct,
  type TestMesh,
} from './mesh.js';

let mesh: TestMesh;
let commerce: { id: string; name: string };
let finance: string;

beforeAll(async () => {
  mesh = await openMesh();
  commerce = { id: await seedDomain(mesh, 'commerce', 1), name: 'commerce' };
  finance = await seedDomain(mesh, 'finance', 2);
  await mesh.agree();
});
afterAll(() => mesh.close());

const owner = () => mesh.as('commerce-owner');
const system = () => ({ db: mesh.database.prisma, mesh: MESH, committed: () => undefined });
const grantOf = (id: string) => mesh.database.prisma.accessGrant.findUniqueOrThrow({ where: { id } });
const ask = (product: string, more: object = {}) => ({
  ...accessInput({ dataProduct: product, consumerDomain: finance, account: 2 }),
  ...more,
});

async function grant(product: string, more: object = {}): Promise<string> {
  const { accessGrantId } = await seedGrant(mesh, {
    requester: 'finance-member',
    decider: 'commerce-owner',
    input: ask(product, more),
  });
  await mesh.agree();
  return accessGrantId;
}

async function byTag(name: string, classification: 'INTERNAL' | 'CONFIDENTIAL'): Promise<string> {
  const input = { ...productInput(commerce, name), accessMode: 'LF_TBAC' as const, classification };
  const { dataProductId } = await registerDataProduct(await owner(), input);
  await publishDataProduct(await owner(), { dataProduct: dataProductId });
  await mesh.agree();
  return dataProductId;
}

/** The product's tables as they were registered, each without these columns. */
const without = (name: string, ...gone: string[]) =>
  productInput(commerce, name).tables?.map((table) => ({
    ...table,
    columns: table.columns?.filter((column) => !gone.includes(column.name)) ?? null,
  })) ?? [];

test('a grant whose rows are chosen by a column ends when the column goes, with the reason, and others keep theirs', async () => {
  const product = await seedProduct(mesh, commerce, 'orders');
  const filtered = await grant(product, { tables: ['orders_heads'], rowFilter: "total > '5'" });
  const both = await grant(product, { rowFilter: "id = 'x'" });
  const plain = await grant(product);
  await updateDataProduct(await owner(), { dataProduct: product, tables: without('orders', 'total') });
  expect(await grantOf(filtered)).toMatchObject({
    status: 'REVOKING',
    reason: expect.stringContaining('no column total'),
  });
  expect((await grantOf(both)).status).toBe('ACTIVE');
  expect((await grantOf(plain)).status).toBe('ACTIVE');
});

test('a grant whose row filter is of another type than its column became ends with the reason', async () => {
  const product = await seedProduct(mesh, commerce, 'returns');
  const filtered = await grant(product, { tables: ['returns_heads'], rowFilter: "total = '5'" });
  const tables = without('returns').map((table) => ({
    ...table,
    columns: table.columns?.map((column) => (column.name === 'total' ? { ...column, type: 'bigint' } : column)) ?? null,
  }));
  await updateDataProduct(await owner(), { dataProduct: product, tables });
  expect(await grantOf(filtered)).toMatchObject({
    status: 'REVOKING',
    reason: expect.stringContaining('expected a number'),
  });
});

/** Where the grant's claims that hold give data by tag. */
const openedByTag = async (id: string) =>
  (
    await mesh.database.prisma.resourceClaim.findMany({
      where: {
        ownerId: id,
        releasedAtGeneration: null,
        resource: { kind: 'LfGrant', key: { contains: ' on tables ' } },
      },
    })
  ).length;

test('a grant by name never becomes wider by tag: a table that comes later ends it, and a change back gives it by name alone', async () => {
  const product = await seedProduct(mesh, commerce, 'stores');
  const live = await grant(product);
  await updateDataProduct(await owner(), { dataProduct: product, accessMode: 'LF_TBAC' });
  await mesh.agree();
  await finishModeChanges(system());
  expect((await grantOf(live)).status).toBe('ACTIVE');
  const [first] = without('stores');
  const more = { ...first, name: 'stores_salaries', location: 's3://commerce-lake/data/stores/salaries/' };
  await updateDataProduct(await owner(), { dataProduct: product, tables: [...without('stores'), more as never] });
  expect(await grantOf(live)).toMatchObject({ status: 'REVOKING', reason: expect.stringContaining('by tag') });
  expect(await openedByTag(live)).toBe(0);
  await updateDataProduct(await owner(), { dataProduct: product, accessMode: 'NRAC' });
  const { accessGrantId } = await seedGrant(mesh, {
    requester: 'finance-member',
    decider: 'commerce-steward',
    input: ask(product, { tables: ['stores_heads'] }),
  });
  expect(await openedByTag(accessGrantId)).toBe(0);
  await mesh.agree();
  await finishModeChanges(system());
});

test('a request whose filter does not fit the product any more cannot be approved', async () => {
  const product = await seedProduct(mesh, commerce, 'baskets');
  const { accessRequestId } = await requestAccess(
    await mesh.as('finance-member'),
    ask(product, { tables: ['baskets_heads'], rowFilter: "total > '5'" }),
  );
  await updateDataProduct(await owner(), { dataProduct: product, tables: without('baskets', 'total') });
  expect(await refusal(approveAccessRequest(await owner(), { accessRequest: accessRequestId }))).toMatchObject({
    code: 'CONFLICT',
  });
});

test('a product by tag that becomes sensitive is closed to those who were approved for less', async () => {
  const product = await byTag('clicks', 'INTERNAL');
  const before = await grant(product);
  await updateDataProduct(await owner(), { dataProduct: product, classification: 'CONFIDENTIAL' });
  expect(await grantOf(before)).toMatchObject({ status: 'REVOKING', reason: expect.stringContaining('ask anew') });
  await mesh.agree();
  const after = await grant(product);
  await updateDataProduct(await owner(), { dataProduct: product, classification: 'INTERNAL' });
  expect((await grantOf(after)).status).toBe('ACTIVE');
});

test('a published product keeps both modes until all of the new one stands, and a draft simply changes', async () => {
  const product = await seedProduct(mesh, commerce, 'stock');
  const live = await grant(product);
  const modes = async () => {
    const { accessMode, previousAccessMode } = await mesh.database.prisma.dataProduct.findUniqueOrThrow({
      where: { id: product },
    });
    return { accessMode, previousAccessMode };
  };
  const held = async () => {
    const rows = await mesh.database.prisma.resourceClaim.findMany({
      where: { ownerId: live, releasedAtGeneration: null },
      include: { resource: true },
    });
    return {
      byName: rows.some(({ resource }) => resource.kind === 'TableLink'),
      byTag: rows.some(({ resource }) => resource.kind === 'DatabaseLink'),
    };
  };
  await updateDataProduct(await owner(), { dataProduct: product, accessMode: 'LF_TBAC' });
  expect(await modes()).toEqual({ accessMode: 'LF_TBAC', previousAccessMode: 'NRAC' });
  expect(await held()).toEqual({ byName: true, byTag: true });
  expect(await finishModeChanges(system())).toBe(0);
  await mesh.agree();
  expect(await finishModeChanges(system())).toBe(1);
  expect(await modes()).toEqual({ accessMode: 'LF_TBAC', previousAccessMode: null });
  expect(await held()).toEqual({ byName: false, byTag: true });
  expect((await grantOf(live)).status).toBe('ACTIVE');

  const { dataProductId } = await registerDataProduct(await owner(), productInput(commerce, 'draft'));
  await updateDataProduct(await owner(), { dataProduct: dataProductId, accessMode: 'LF_TBAC' });
  const draft = await mesh.database.prisma.dataProduct.findUniqueOrThrow({ where: { id: dataProductId } });
  expect(draft).toMatchObject({ accessMode: 'LF_TBAC', previousAccessMode: null });
});

test('grants that tags cannot give hold a change of mode back, by name', async () => {
  const product = await seedProduct(mesh, commerce, 'refunds');
  const narrow = await grant(product, { columns: ['refunds_heads.id'] });
  const answer = await refusal(updateDataProduct(await owner(), { dataProduct: product, accessMode: 'LF_TBAC' }));
  expect(answer.code).toBe('CONFLICT');
  expect(answer.message).toContain(globalId('AccessGrant', narrow));
});

test('writing is for the own domain of a product that is not sensitive', async () => {
  const product = await seedProduct(mesh, commerce, 'prices');
  const permissions = ['SELECT', 'INSERT'] as const;
  expect(await refusal(requestAccess(await mesh.as('finance-member'), ask(product, { permissions })))).toMatchObject({
    code: 'POLICY_DENIED',
  });
  const own = { consumerDomain: commerce.id, principals: ['arn:aws:iam::111111111111:role/loader'], permissions };
  const member = await mesh.as('commerce-member');
  const loads = () => requestAccess(member, ask(product, own));
  const { accessRequestId: granted } = await loads();
  const { accessRequestId: waiting } = await loads();
  const { accessGrantId } = await approveAccessRequest(await mesh.as('commerce-steward'), { accessRequest: granted });
  await mesh.agree();
  await updateDataProduct(await owner(), { dataProduct: product, classification: 'RESTRICTED' });
  expect((await grantOf(accessGrantId)).status).toBe('REVOKING');
  const steward = await mesh.as('commerce-steward');
  for (const work of [loads, () => approveAccessRequest(steward, { accessRequest: waiting })]) {
    expect(await refusal(work())).toMatchObject({ code: 'POLICY_DENIED' });
  }
});
