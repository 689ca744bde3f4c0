import { afterAll, beforeAll, expect, test } from 'vitest';
import { finishModeChanges } from '../../src/governance/change-of-mode.js';
import { publishDataProduct, registerDataProduct, updateDataProduct } from '../../src/governance/data-product.js';
import { reportProvisioning, tellWorkflows } from '../../src/governance/delegated.js';
import { registerDomain } from '../../src/governance/domain.js';
import { settled } from '../../src/governance/settled.js';
import { inTransaction } from '../../src/governance/transaction.js';
import {
  domainInput,
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
let own: string;
let direct: string;

beforeAll(async () => {
  mesh = await openMesh();
  const registered = await registerDomain(await mesh.admin(), { ...domainInput('own', 1), provisioning: 'DELEGATED' });
  own = registered.domainId;
  direct = await seedDomain(mesh, 'direct', 2);
  await mesh.agree();
});
afterAll(() => mesh.close());

const system = () => ({ db: mesh.database.prisma, mesh: MESH, committed: () => undefined });
const productOf = (id: string) => mesh.database.prisma.dataProduct.findUniqueOrThrow({ where: { id } });
const ordersTold = async (type: string) =>
  (await mesh.events()).filter((event) => event.type === type).flatMap(({ data }) => data.createResourceLinks ?? []);

test('a domain that provisions for itself is READY without a call in its account', async () => {
  expect((await mesh.database.prisma.domain.findUniqueOrThrow({ where: { id: own } })).status).toBe('READY');
  expect(await mesh.database.prisma.resource.count({ where: { account: '111111111111' } })).toBe(0);
});

test('its product is published once its workflow was told, once, and it has reported', async () => {
  const owner = await mesh.as('own-owner');
  const { dataProductId } = await registerDataProduct(owner, productInput({ id: own, name: 'own' }, 'orders'));
  await publishDataProduct(owner, { dataProduct: dataProductId });
  expect((await refusal(reportProvisioning(owner, { dataProduct: dataProductId, status: 'SUCCEEDED' }))).code).toBe(
    'STATE',
  );
  expect(await tellWorkflows(system())).toBe(0);
  await mesh.agree();
  expect((await productOf(dataProductId)).status).toBe('PUBLISHING');
  expect(await tellWorkflows(system())).toBe(1);
  expect(await tellWorkflows(system())).toBe(0);
  expect(await ordersTold('DataProductUpdated')).toEqual([
    {
      account: '111111111111',
      detail: {
        central_database_name: 'own_nrac',
        central_account_id: MESH.governanceAccount,
        producer_acc_id: '111111111111',
        database_name: 'nrac-data-domain',
        table_names: ['orders_heads', 'orders_lines'],
        lf_access_mode: 'nrac',
      },
    },
  ]);
  await reportProvisioning(owner, { dataProduct: dataProductId, status: 'FAILED', message: 'no invitation' });
  expect(await productOf(dataProductId)).toMatchObject({
    status: 'PUBLISHING',
    provisioningReport: { status: 'FAILED', message: 'no invitation', reportedBy: 'own-owner' },
  });
  const stranger = await mesh.as('direct-owner');
  expect((await refusal(reportProvisioning(stranger, { dataProduct: dataProductId, status: 'SUCCEEDED' }))).code).toBe(
    'NOT_FOUND',
  );
  await reportProvisioning(owner, { dataProduct: dataProductId, status: 'SUCCEEDED' });
  expect((await productOf(dataProductId)).status).toBe('PUBLISHED');
});

test('a grant to it is ACTIVE by the grant in G alone, and tells its workflow each table once', async () => {
  const product = await seedProduct(mesh, { id: direct, name: 'direct' }, 'sales');
  const ask = (tables?: string[]) =>
    seedGrant(mesh, {
      requester: 'own-owner',
      decider: 'direct-owner',
      input: {
        dataProduct: product,
        consumerDomain: own,
        principals: ['arn:aws:iam::111111111111:role/r'],
        purpose: 'x',
        ...(tables ? { tables } : {}),
      },
    });
  for (const tables of [['sales_heads'], undefined]) {
    const { accessGrantId } = await ask(tables);
    await mesh.agree();
    expect(await mesh.database.prisma.accessGrant.findUnique({ where: { id: accessGrantId } })).toMatchObject({
      status: 'ACTIVE',
    });
  }
  const order = (table: string) => ({
    account: '111111111111',
    detail: {
      central_database_name: 'direct_nrac',
      producer_acc_id: '222222222222',
      database_name: 'data-products',
      lf_access_mode: 'nrac',
      table_names: [table],
    },
  });
  expect(await ordersTold('AccessGranted')).toEqual([order('sales_heads'), order('sales_lines')]);
});

test('of grants that come to stand at the same time, each table is told once', async () => {
  const product = await seedProduct(mesh, { id: direct, name: 'direct' }, 'rush');
  const before = (await ordersTold('AccessGranted')).length;
  const owners: { type: 'ACCESS_GRANT'; id: string }[] = [];
  for (const [role, tables] of [
    ['one', ['rush_heads']],
    ['two', ['rush_heads', 'rush_lines']],
    ['three', ['rush_lines']],
  ] as const) {
    const principals = [`arn:aws:iam::111111111111:role/${role}`];
    const input = { dataProduct: product, consumerDomain: own, principals, purpose: 'x', tables: [...tables] };
    const { accessGrantId } = await seedGrant(mesh, { requester: 'own-owner', decider: 'direct-owner', input });
    owners.push({ type: 'ACCESS_GRANT', id: accessGrantId });
  }
  await mesh.database.pool.query(
    `UPDATE "Resource" SET "observedGeneration" = "generation", "status" = 'READY' WHERE "status" = 'PENDING'`,
  );
  const { prisma } = mesh.database;
  await Promise.all(
    owners.map((owner) =>
      inTransaction(prisma, async (tx) => {
        await settled(MESH, tx, owner);
        // As when a commit takes its time: whoever tells next must wait for it.
        await tx.$executeRaw`SELECT pg_sleep(0.3)`;
      }),
    ),
  );
  const statuses = await prisma.accessGrant.findMany({ where: { id: { in: owners.map(({ id }) => id) } } });
  expect(statuses.map(({ status }) => status)).toEqual(['ACTIVE', 'ACTIVE', 'ACTIVE']);
  const told = (await ordersTold('AccessGranted')).slice(before) as { detail: { table_names: string[] } }[];
  expect(told.flatMap(({ detail }) => detail.table_names).sort()).toEqual(['rush_heads', 'rush_lines']);
});

test('when the mode of a product changes, producer and consumers are told of the new one once, before the old one goes', async () => {
  const own1 = await mesh.as('own-owner');
  const { dataProductId } = await registerDataProduct(own1, productInput({ id: own, name: 'own' }, 'moved'));
  await publishDataProduct(own1, { dataProduct: dataProductId });
  const report = () => reportProvisioning(own1, { dataProduct: dataProductId, status: 'SUCCEEDED' });
  const round = async () => {
    await mesh.agree();
    const done = [await tellWorkflows(system()), await finishModeChanges(system())];
    return done;
  };
  await round();
  await report();
  const by = { id: direct, name: 'direct' };
  const read = await seedProduct(mesh, by, 'read');
  const asked = {
    dataProduct: read,
    consumerDomain: own,
    principals: ['arn:aws:iam::111111111111:role/r'],
    purpose: 'x',
  };
  await seedGrant(mesh, { requester: 'own-owner', decider: 'direct-owner', input: asked });
  await mesh.agree();
  const from = { of: (await ordersTold('DataProductUpdated')).length, to: (await ordersTold('AccessGranted')).length };
  const change = async (accessMode: 'NRAC' | 'LF_TBAC') => {
    await updateDataProduct(own1, { dataProduct: dataProductId, accessMode });
    await updateDataProduct(await mesh.as('direct-owner'), { dataProduct: read, accessMode });
  };
  await change('LF_TBAC');
  expect(await round()).toEqual([1, 1]);
  expect((await productOf(dataProductId)).previousAccessMode).toBe('NRAC');
  await report();
  expect(await round()).toEqual([0, 1]);
  expect((await productOf(dataProductId)).previousAccessMode).toBeNull();
  await change('NRAC');
  expect(await round()).toEqual([0, 2]);
  const modes = (orders: unknown[]) => orders.map((order) => (order as { detail: object }).detail);
  expect(modes((await ordersTold('DataProductUpdated')).slice(from.of))).toEqual([
    expect.objectContaining({ lf_access_mode: 'tbac', table_names: ['moved_heads', 'moved_lines'] }),
  ]);
  expect(modes((await ordersTold('AccessGranted')).slice(from.to))).toEqual([
    expect.objectContaining({ lf_access_mode: 'tbac', central_database_name: 'direct_tbac' }),
  ]);
});
