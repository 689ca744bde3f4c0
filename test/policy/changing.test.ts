import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { activateDataContract, importDataContract } from '../../src/governance/data-contract.js';
import type { UpdateDataProductInput } from '../../src/governance/data-product.input.js';
import { updateDataProduct } from '../../src/governance/data-product.js';
import { activatePolicy, createPolicy, deactivatePolicy } from '../../src/governance/policy.js';
import { openMesh, refusal, seedDomain, seedProduct, type TestMesh } from '../governance/mesh.js';

let mesh: TestMesh;
let sales: { id: string; name: string };
beforeAll(async () => {
  mesh = await openMesh();
  sales = { id: await seedDomain(mesh, 'sales', 1), name: 'sales' };
});
afterAll(() => mesh.close());

/** Lets a policy of the whole mesh decide while something is tried. */
async function during(source: string, work: () => Promise<void>): Promise<void> {
  const admin = await mesh.admin();
  const name = `p-${randomUUID()}`;
  const { policyId: policy } = await createPolicy(admin, { name, description: 'A test', source });
  await activatePolicy(admin, { policy, version: 1 });
  try {
    await work();
  } finally {
    await deactivatePolicy(admin, { policy });
  }
}

const update = async (person: string, input: UpdateDataProductInput) => updateDataProduct(await mesh.as(person), input);

const contractOf = (id: string, version: string) =>
  `{"apiVersion":"v3.0.2","kind":"DataContract","id":"${id}","version":"${version}","status":"active"}`;

test('publish is asked again of a contract that comes into force', async () => {
  const dataProduct = await seedProduct(mesh, sales, 'promised');
  const owner = await mesh.as('sales-owner');
  const document = contractOf('promised', '9.0.0');
  const { dataContractId: dataContract } = await importDataContract(owner, { dataProduct, document });
  const source = `@reason("Nine is not for us.") forbid (principal, action == Action::"publish", resource)
    when { resource has contract && resource.contract == "9.0.0" };`;
  await during(source, async () => {
    expect(await refusal(activateDataContract(owner, { dataContract }))).toMatchObject({
      code: 'POLICY_DENIED',
      message: expect.stringContaining('Nine is not for us.'),
    });
  });
  expect(await activateDataContract(owner, { dataContract })).toMatchObject({ dataContractId: dataContract });
});

test('publish is asked about what a product was, too, where it becomes less: nobody takes it out of the reach of a policy', async () => {
  const dataProduct = await seedProduct(mesh, sales, 'kept');
  await update('sales-owner', { dataProduct, classification: 'CONFIDENTIAL' });
  const source = `@reason("CONFIDENTIAL products are the board's.") forbid (principal, action == Action::"publish", resource)
    when { resource.classification == Classification::"CONFIDENTIAL" };`;
  const lower = () => update('sales-owner', { dataProduct, classification: 'PUBLIC' });
  await during(source, async () => {
    expect(await refusal(lower())).toMatchObject({
      code: 'POLICY_DENIED',
      message: expect.stringContaining("board's"),
    });
  });
  expect(await lower()).toEqual({ dataProductId: dataProduct });
});
