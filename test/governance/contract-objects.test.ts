import { afterAll, beforeAll, expect, test } from 'vitest';
import { finishModeChanges } from '../../src/governance/change-of-mode.js';
import { activateDataContract, importDataContract } from '../../src/governance/data-contract.js';
import { publishDataProduct, registerDataProduct, updateDataProduct } from '../../src/governance/data-product.js';
import { declareDomains } from '../../src/governance/declare-domains.js';
import { settled, unsettledOwners } from '../../src/governance/settled.js';
import { inTransaction } from '../../src/governance/transaction.js';
import { MESH, openMesh, productInput, seedDomain, type TestMesh } from './mesh.js';

/** What the contract in force comes to in Glue: schemas and checks of quality. */
const OF_CONTRACTS = `"kind" IN ('SchemaRegistration', 'QualityRuleset')`;

let mesh: TestMesh;
let sales: string;
beforeAll(async () => {
  mesh = await openMesh();
  sales = await seedDomain(mesh, 'sales', 2);
  await mesh.agree();
});
afterAll(() => mesh.close());

const system = () => ({ db: mesh.database.prisma, mesh: MESH, committed: () => undefined });
const productOf = (id: string) => mesh.database.prisma.dataProduct.findUniqueOrThrow({ where: { id } });
const standing = async () =>
  (await mesh.database.pool.query(`SELECT "id" FROM "Resource" WHERE ${OF_CONTRACTS} AND "status" <> 'REMOVED'`)).rows;

/** A product that is being published under a contract with a check of quality. */
async function contracted(name: string): Promise<string> {
  const owner = await mesh.as('sales-owner');
  const input = productInput({ id: sales, name: 'sales' }, name);
  const { dataProductId } = await registerDataProduct(owner, input);
  const table = input.tables?.[0]?.name;
  const document = `apiVersion: v3.0.2
kind: DataContract
id: contract-${name}
name: ${name}
version: 1.0.0
status: active
schema:
  - name: ${table}
    physicalName: ${table}
    physicalType: table
    properties:
      - name: id
        logicalType: string
        physicalType: string
        quality:
          - metric: nullValues
            mustBe: 0
`;
  const { dataContractId } = await importDataContract(owner, { dataProduct: dataProductId, document, lenient: true });
  await activateDataContract(owner, { dataContract: dataContractId, acknowledgeBreaking: true });
  await publishDataProduct(owner, { dataProduct: dataProductId });
  return dataProductId;
}

test('schemas and checks that Glue refuses hold back neither a publication nor a change of mode', async () => {
  const id = await contracted('refused');
  const { pool, prisma } = mesh.database;
  await pool.query(`UPDATE "Resource" SET "observedGeneration" = "generation",
    "status" = (CASE WHEN ${OF_CONTRACTS} THEN 'FAILED' ELSE 'READY' END)::"ResourceStatus"`);
  for (const owner of await unsettledOwners(MESH, prisma))
    await inTransaction(prisma, (tx) => settled(MESH, tx, owner));
  expect(await productOf(id)).toMatchObject({ status: 'PUBLISHED' });
  await mesh.agree();
  await updateDataProduct(await mesh.as('sales-owner'), { dataProduct: id, accessMode: 'LF_TBAC' });
  await mesh.agree();
  await pool.query(`UPDATE "Resource" SET "status" = 'PENDING' WHERE ${OF_CONTRACTS}`);
  expect(await finishModeChanges(system())).toBe(1);
  expect(await productOf(id)).toMatchObject({ accessMode: 'LF_TBAC', previousAccessMode: null });
  await mesh.agree();
});

test('a product that an earlier version published gets its schemas and checks when a worker starts', async () => {
  await contracted('veteran');
  await mesh.agree();
  const before = await standing();
  expect(before.length).toBeGreaterThan(1);
  const { pool } = mesh.database;
  await pool.query(
    `DELETE FROM "ResourceClaim" c USING "Resource" r WHERE r."id" = c."resourceId" AND r.${OF_CONTRACTS}`,
  );
  await pool.query(`DELETE FROM "Resource" WHERE ${OF_CONTRACTS}`);
  expect(await declareDomains(system())).toBe(1);
  expect(await standing()).toEqual(expect.arrayContaining(before));
  await mesh.agree();
  expect(await declareDomains(system())).toBe(0);
});
