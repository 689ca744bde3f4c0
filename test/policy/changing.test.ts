import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { activateDataContract, importDataContract } from '../../src/governance/data-contract.js';
import type { UpdateDataProductInput } from '../../src/governance/data-product.input.js';
import { publishDataProduct, registerDataProduct, updateDataProduct } from '../../src/governance/data-product.js';
import { planActivation } from '../../src/governance/plan-contract.js';
import { activatePolicy, createPolicy, deactivatePolicy } from '../../src/governance/policy.js';
import { previewTagChange } from '../../src/governance/preview-tag-change.js';
import {
  accessInput,
  openMesh,
  productInput,
  refusal,
  seedDomain,
  seedGrant,
  seedProduct,
  type TestMesh,
} from '../governance/mesh.js';

let mesh: TestMesh;
let sales: { id: string; name: string };
let finance: string;
beforeAll(async () => {
  mesh = await openMesh();
  sales = { id: await seedDomain(mesh, 'sales', 1), name: 'sales' };
  finance = await seedDomain(mesh, 'finance', 2);
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

interface Marked {
  name: string;
  pii?: boolean;
  classification?: 'PUBLIC' | 'INTERNAL' | 'CONFIDENTIAL' | 'RESTRICTED';
}

/** The one table of a product, with these columns. */
const tableOf = (product: string, columns: Marked[]) => [
  {
    ...{ name: `${product}_rows`, location: `s3://sales-lake/data/${product}/`, format: 'PARQUET' as const },
    columns: columns.map((column) => ({ type: 'string', ...column })),
  },
];

/** A product of sales with one table, PUBLISHED. */
async function published(
  name: string,
  columns: Marked[],
  more: Partial<ReturnType<typeof productInput>> = {},
): Promise<string> {
  const owner = await mesh.as('sales-owner');
  const input = { ...productInput(sales, name), tables: tableOf(name, columns), ...more };
  const { dataProductId } = await registerDataProduct(owner, input);
  await publishDataProduct(owner, { dataProduct: dataProductId });
  await mesh.agree();
  return dataProductId;
}

const ID: Marked = { name: 'id' };

describe('what is sensitive becomes less by an owner alone', () => {
  const EMAIL: Marked = { name: 'email', pii: true };
  const SALARY: Marked = { name: 'salary', classification: 'RESTRICTED' };

  test.each<[string, Marked[]]>([
    ['a mark of personal data', [ID, { name: 'email' }, SALARY]],
    ['a classification of its own', [ID, EMAIL, { name: 'salary', classification: 'INTERNAL' }]],
    ["a classification above the product's", [ID, EMAIL, { name: 'salary' }]],
  ])('%s is not taken from a column by a steward', async (what, columns) => {
    const name = `less${what.length}`;
    const dataProduct = await published(name, [ID, EMAIL, SALARY]);
    const tables = tableOf(name, columns);
    expect(await refusal(update('sales-steward', { dataProduct, tables }))).toMatchObject({
      code: 'FORBIDDEN',
      message: expect.stringContaining('only owners'),
    });
    expect(await update('sales-owner', { dataProduct, tables })).toEqual({ dataProductId: dataProduct });
  });

  test('a steward may add, drop and mark columns, and change a draft as he likes', async () => {
    const dataProduct = await published('free', [ID, EMAIL]);
    const marked = [{ ...ID, classification: 'CONFIDENTIAL' as const }, EMAIL, { name: 'more' }];
    expect(await update('sales-steward', { dataProduct, tables: tableOf('free', marked) })).toBeDefined();
    expect(await update('sales-steward', { dataProduct, tables: tableOf('free', [ID, EMAIL].slice(1)) })).toBeDefined();
    const draft = await registerDataProduct(await mesh.as('sales-owner'), {
      ...productInput(sales, 'draft'),
      tables: tableOf('draft', [ID, EMAIL]),
    });
    const tables = tableOf('draft', [ID, { name: 'email' }]);
    expect(await update('sales-steward', { dataProduct: draft.dataProductId, tables })).toBeDefined();
  });

  test('a contract that leaves the mark out is not put in force by a steward, and publish is asked about what was', async () => {
    const dataProduct = await published('contracted', [ID, EMAIL]);
    const schema = `,"servers":[{"server":"lake","type":"s3","location":"s3://sales-lake/data/contracted/","format":"parquet"}],"schema":[{
      "name":"contracted_rows","logicalType":"object","properties":[
      {"name":"id","logicalType":"string","physicalType":"string"},{"name":"email","logicalType":"string","physicalType":"string"}]}]}`;
    const document = contractOf('contracted', '1.0.0').replace(/}$/, schema);
    const owner = await mesh.as('sales-owner');
    const { dataContractId: dataContract } = await importDataContract(owner, { dataProduct, document });
    const plan = async (person: string) =>
      (await planActivation(await mesh.as(person), [dataContract])).get(dataContract)?.refusals;
    expect(await plan('sales-steward')).toEqual([expect.stringContaining('only owners')]);
    expect(await plan('sales-owner')).toEqual([]);
    expect(await refusal(activateDataContract(await mesh.as('sales-steward'), { dataContract }))).toMatchObject({
      code: 'FORBIDDEN',
    });
    const source = `forbid (principal, action == Action::"publish", resource) when { context.personalData };`;
    await during(source, async () => {
      expect(await refusal(activateDataContract(owner, { dataContract }))).toMatchObject({ code: 'POLICY_DENIED' });
    });
    expect(await activateDataContract(owner, { dataContract })).toBeDefined();
  });
});

describe('a grant of a whole table', () => {
  const EMAIL: Marked = { name: 'email', pii: true };

  /** A grant to finance for all of the product. */
  async function granted(dataProduct: string, more: object = {}): Promise<string> {
    const input = { ...accessInput({ dataProduct, consumerDomain: finance, account: 2 }), ...more };
    const { accessGrantId } = await seedGrant(mesh, { requester: 'finance-member', decider: 'sales-owner', input });
    await mesh.agree();
    return accessGrantId;
  }
  /** What AWS is to hold for the consumer on the product's table, by name. */
  async function selectOf(grantId: string): Promise<unknown[]> {
    const rows = await mesh.database.prisma.$queryRaw<{ select: unknown }[]>`
      SELECT r."spec" #> '{permissions,SELECT}' AS "select" FROM "Resource" r JOIN "ResourceClaim" c ON c."resourceId" = r."id"
      WHERE c."ownerId" = ${grantId}::uuid AND c."releasedAtGeneration" IS NULL AND r."kind" = 'LfGrant'
        AND r."account" = '999999999999' AND r."spec" -> 'permissions' ? 'SELECT'`;
    return rows.map(({ select }) => select);
  }
  const grantOf = (id: string) => mesh.database.prisma.accessGrant.findUniqueOrThrow({ where: { id } });

  test('grows by what the policies open, and keeps to what was approved where they do not', async () => {
    const dataProduct = await published('growing', [ID]);
    const [plain, named] = [
      await granted(dataProduct),
      await granted(dataProduct, {
        namedPurpose: 'testing',
        principals: [`arn:aws:iam::${'2'.repeat(12)}:role/named`],
      }),
    ];
    expect(await selectOf(plain)).toEqual(['ALL_COLUMNS']);
    await update('sales-steward', { dataProduct, tables: tableOf('growing', [ID, { name: 'total' }]) });
    expect(await selectOf(plain)).toEqual(['ALL_COLUMNS']);
    await update('sales-steward', { dataProduct, tables: tableOf('growing', [ID, { name: 'total' }, EMAIL]) });
    expect(await selectOf(plain)).toEqual([['id', 'total']]);
    expect(await grantOf(plain)).toMatchObject({ withheld: ['growing_rows.email'], status: 'ACTIVE' });
    expect(await selectOf(named)).toEqual(['ALL_COLUMNS']);
    await update('sales-owner', {
      dataProduct,
      tables: tableOf('growing', [ID, { name: 'total' }, { name: 'email' }]),
    });
    expect(await selectOf(plain)).toEqual(['ALL_COLUMNS']);
    expect((await grantOf(plain)).withheld).toEqual([]);
  });

  test('does not grow by a column that would have needed others to approve, and by the others it does', async () => {
    const dataProduct = await published('stricter', [ID]);
    const grant = await granted(dataProduct);
    const tables = tableOf('stricter', [ID, { name: 'salary', classification: 'RESTRICTED' }, { name: 'day' }]);
    await update('sales-steward', { dataProduct, tables });
    expect(await selectOf(grant)).toEqual([['day', 'id']]);
  });

  test('loses what is marked later, and the plan says so beforehand', async () => {
    const dataProduct = await published('marked', [ID, { name: 'email' }]);
    const grant = await granted(dataProduct);
    const columns = [{ column: 'marked_rows.email', pii: true }];
    const { plan, losses } = await previewTagChange(await mesh.as('sales-steward'), { dataProduct, columns });
    expect(plan.warnings).toContainEqual(expect.stringMatching(/One grant goes on without marked_rows.email/));
    expect(losses).toMatchObject([{ columns: ['email'] }]);
    const tables = tableOf('marked', [ID, EMAIL]);
    await update('sales-steward', { dataProduct, tables, planDigest: plan.digest });
    expect(await selectOf(grant)).toEqual([['id']]);
  });

  test('says in the plan of a contract what it does not grow by', async () => {
    const dataProduct = await published('planned', [ID]);
    const grant = await granted(dataProduct);
    const schema = `,"servers":[{"server":"lake","type":"s3","location":"s3://sales-lake/data/planned/","format":"parquet"}],"schema":[{
      "name":"planned_rows","logicalType":"object","properties":[{"name":"id","logicalType":"string","physicalType":"string"},
      {"name":"email","logicalType":"string","physicalType":"string","classification":"restricted"}]}]}`;
    const owner = await mesh.as('sales-owner');
    const document = contractOf('planned', '1.0.0').replace(/}$/, schema);
    const { dataContractId: dataContract } = await importDataContract(owner, { dataProduct, document });
    const plan = (await planActivation(owner, [dataContract])).get(dataContract);
    expect(plan?.warnings).toContainEqual(expect.stringContaining('without planned_rows.email'));
    await activateDataContract(owner, { dataContract, planDigest: plan?.digest as string });
    expect(await selectOf(grant)).toEqual([['id']]);
  });

  test('ends where less than the table cannot be given: by tag, to write, and where its rows are chosen by it', async () => {
    const tagged = await published('tagged', [ID], { accessMode: 'LF_TBAC' });
    const byTag = await granted(tagged);
    const source = `@reason("Not this one.") forbid (principal, action == Action::"readColumn", resource) when { resource.name == "secret" };`;
    await during(source, async () => {
      await update('sales-steward', { dataProduct: tagged, tables: tableOf('tagged', [ID, { name: 'secret' }]) });
    });
    expect(await grantOf(byTag)).toMatchObject({
      status: 'REVOKING',
      reason: expect.stringMatching(/do not open tagged_rows.secret/),
    });
    const written = await published('written', [ID]);
    const own = { consumerDomain: sales.id, principals: [`arn:aws:iam::${'1'.repeat(12)}:role/loader`] };
    const input = {
      dataProduct: written,
      ...own,
      permissions: ['SELECT', 'INSERT'] as ('SELECT' | 'INSERT')[],
      purpose: 'To load',
    };
    const { accessGrantId } = await seedGrant(mesh, { requester: 'sales-member', decider: 'sales-owner', input });
    await update('sales-steward', { dataProduct: written, tables: tableOf('written', [ID, EMAIL]) });
    expect(await grantOf(accessGrantId)).toMatchObject({ status: 'REVOKING' });
    const chosen = await published('chosen', [ID, { name: 'email' }]);
    const some = await granted(chosen, { rowFilter: "email LIKE 'a%'", columns: ['id'] });
    await update('sales-steward', { dataProduct: chosen, tables: tableOf('chosen', [ID, EMAIL]) });
    expect(await grantOf(some)).toMatchObject({ status: 'REVOKING' });
  });

  test('is opened again by nobody but who may grant it: Postgres refuses others', async () => {
    const dataProduct = await published('closed', [ID]);
    const grant = await granted(dataProduct);
    await update('sales-steward', { dataProduct, tables: tableOf('closed', [ID, EMAIL]) });
    const reopen = (who: string) =>
      mesh.database.prisma.$transaction(async (tx) => {
        await tx.$executeRaw`SELECT set_config('meshgate.subject', ${who}, true), set_config('meshgate.authority', 'MEMBER', true)`;
        await tx.$executeRaw`UPDATE "AccessGrant" SET "withheld" = '{}' WHERE "id" = ${grant}::uuid`;
      });
    await expect(reopen('finance-owner')).rejects.toThrow(/said by who may grant it/);
    await expect(reopen('sales-steward')).resolves.toBeUndefined();
  });
});
