import { describe, expect, test } from 'vitest';
import { activateDataContract, importDataContract } from '../../src/governance/data-contract.js';
import { parseGlobalId } from '../../src/governance/global-id.js';
import { planActivation } from '../../src/governance/plan-contract.js';
import { previewTagChange } from '../../src/governance/preview-tag-change.js';
import { accessInput, refusal, seedGrant, seedProduct } from '../governance/mesh.js';
import { forFile } from '../testkit/for-file.js';
import { contractOf, EMAIL, ID, openSales, SALARY, tableOf } from './sales.js';

const mesh = await forFile(openSales());

const uuidOf = (id: string): string => parseGlobalId(id)?.id ?? '';

test('publish is asked again of a contract that comes into force', async () => {
  const dataProduct = await seedProduct(mesh, mesh.sales, 'promised');
  const owner = await mesh.as('sales-owner');
  const document = contractOf('promised', '9.0.0');
  const { dataContractId: dataContract } = await importDataContract(owner, { dataProduct, document });
  const source = `@reason("Nine is not for us.") forbid (principal, action == Action::"publish", resource)
    when { resource has contract && resource.contract == "9.0.0" };`;
  await mesh.during(source, async () => {
    expect(await refusal(activateDataContract(owner, { dataContract }))).toMatchObject({
      code: 'POLICY_DENIED',
      message: expect.stringContaining('Nine is not for us.'),
    });
  });
  expect(await activateDataContract(owner, { dataContract })).toMatchObject({ dataContractId: dataContract });
});

test('publish is asked about what a product was, too, where it becomes less: nobody takes it out of the reach of a policy', async () => {
  const dataProduct = await seedProduct(mesh, mesh.sales, 'kept');
  await mesh.update('sales-owner', { dataProduct, classification: 'CONFIDENTIAL' });
  const source = `@reason("CONFIDENTIAL products are the board's.") forbid (principal, action == Action::"publish", resource)
    when { resource.classification == Classification::"CONFIDENTIAL" };`;
  const lower = () => mesh.update('sales-owner', { dataProduct, classification: 'PUBLIC' });
  await mesh.during(source, async () => {
    expect(await refusal(lower())).toMatchObject({
      code: 'POLICY_DENIED',
      message: expect.stringContaining("board's"),
    });
    const preview = { dataProduct, classification: 'PUBLIC' as const };
    const { plan } = await previewTagChange(await mesh.as('sales-owner'), preview);
    expect(plan.refusals).toContainEqual(expect.stringContaining("board's"));
  });
  expect(await lower()).toEqual({ dataProductId: dataProduct });
});

describe('a grant of a whole table', () => {
  /** A grant to finance for all of the product. */
  async function granted(dataProduct: string, more: object = {}): Promise<string> {
    const input = { ...accessInput({ dataProduct, consumerDomain: mesh.finance, account: 2 }), ...more };
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
    const dataProduct = await mesh.published('growing', [ID]);
    const [plain, named] = [
      await granted(dataProduct),
      await granted(dataProduct, {
        namedPurpose: 'testing',
        principals: [`arn:aws:iam::${'2'.repeat(12)}:role/named`],
      }),
    ];
    expect(await selectOf(plain)).toEqual(['ALL_COLUMNS']);
    await mesh.update('sales-steward', { dataProduct, tables: tableOf('growing', [ID, { name: 'total' }]) });
    expect(await selectOf(plain)).toEqual(['ALL_COLUMNS']);
    await mesh.update('sales-steward', { dataProduct, tables: tableOf('growing', [ID, { name: 'total' }, EMAIL]) });
    expect(await selectOf(plain)).toEqual([['id', 'total']]);
    expect(await grantOf(plain)).toMatchObject({ withheld: ['growing_rows.email'], status: 'ACTIVE' });
    expect(await selectOf(named)).toEqual(['ALL_COLUMNS']);
    await mesh.update('sales-owner', {
      dataProduct,
      tables: tableOf('growing', [ID, { name: 'total' }, { name: 'email' }]),
    });
    expect(await selectOf(plain)).toEqual(['ALL_COLUMNS']);
    expect((await grantOf(plain)).withheld).toEqual([]);
  });

  test('tells both domains, and who asked for it, what is withheld from it whenever that changes', async () => {
    const dataProduct = await mesh.published('told', [ID]);
    const grant = await granted(dataProduct);
    const told = async () =>
      (await mesh.events()).filter(({ type, subject }) => type === 'AccessGranted' && uuidOf(subject.id) === grant);
    await mesh.update('sales-steward', { dataProduct, tables: tableOf('told', [ID, { name: 'total' }]) });
    expect(await told()).toMatchObject([{ data: { after: { status: 'ACTIVE' }, withheldColumns: [] } }]);
    await mesh.update('sales-steward', { dataProduct, tables: tableOf('told', [ID, { name: 'total' }, EMAIL]) });
    expect((await told()).slice(1)).toMatchObject([
      {
        data: { before: { status: 'ACTIVE' }, after: { status: 'ACTIVE' }, withheldColumns: ['told_rows.email'] },
        actor: { subject: 'sales-steward' },
        audiencePublic: false,
        audienceDomains: [mesh.sales.id, mesh.finance],
        audienceSubjects: ['finance-member'],
      },
    ]);
    await mesh.update('sales-steward', { dataProduct, tables: tableOf('told', [ID, EMAIL, { name: 'day' }]) });
    expect(await told()).toHaveLength(2);
    await mesh.update('sales-steward', { dataProduct, tables: tableOf('told', [ID]) });
    expect((await told()).slice(2)).toMatchObject([{ data: { withheldColumns: [] } }]);
  });

  test('on its way tells it once, when it stands; one that ends tells of its end alone', async () => {
    const dataProduct = await mesh.published('underway', [ID]);
    const input = accessInput({ dataProduct, consumerDomain: mesh.finance, account: 2 });
    const { accessGrantId } = await seedGrant(mesh, { requester: 'finance-member', decider: 'sales-owner', input });
    await mesh.update('sales-steward', { dataProduct, tables: tableOf('underway', [ID, EMAIL]) });
    await mesh.agree();
    const types = async (id: string) =>
      (await mesh.events()).flatMap(({ type, subject, data }) =>
        uuidOf(subject.id) === id ? [[type, data.withheldColumns]] : [],
      );
    expect(await types(accessGrantId)).toEqual([['AccessGranted', ['underway_rows.email']]]);
    const tagged = await mesh.published('tagends', [ID], { accessMode: 'LF_TBAC' });
    const byTag = await granted(tagged);
    const source = `forbid (principal, action == Action::"readColumn", resource) when { resource.name == "secret" };`;
    await mesh.during(source, async () => {
      const tables = tableOf('tagends', [ID, { name: 'secret' }]);
      await mesh.update('sales-steward', { dataProduct: tagged, tables });
    });
    await mesh.agree();
    expect(await types(byTag)).toEqual([
      ['AccessGranted', []],
      ['AccessRevoked', undefined],
    ]);
  });

  test('does not grow by a column that would have needed others to approve, and by the others it does', async () => {
    const dataProduct = await mesh.published('stricter', [ID]);
    const grant = await granted(dataProduct);
    const tables = tableOf('stricter', [ID, { name: 'salary', classification: 'RESTRICTED' }, { name: 'day' }]);
    await mesh.update('sales-steward', { dataProduct, tables });
    expect(await selectOf(grant)).toEqual([['day', 'id']]);
  });

  test('loses what is marked later, and the plan says so beforehand', async () => {
    const dataProduct = await mesh.published('marked', [ID, { name: 'email' }]);
    const grant = await granted(dataProduct);
    const columns = [{ column: 'marked_rows.email', pii: true }];
    const { plan, losses } = await previewTagChange(await mesh.as('sales-steward'), { dataProduct, columns });
    expect(plan.warnings).toContainEqual(expect.stringMatching(/One grant goes on without marked_rows.email/));
    expect(losses).toMatchObject([{ columns: ['email'] }]);
    const tables = tableOf('marked', [ID, EMAIL]);
    await mesh.update('sales-steward', { dataProduct, tables, planDigest: plan.digest });
    expect(await selectOf(grant)).toEqual([['id']]);
  });

  test('loses what is classified higher later', async () => {
    const dataProduct = await mesh.published('raised', [ID, { name: 'salary' }]);
    const grant = await granted(dataProduct);
    await mesh.update('sales-steward', { dataProduct, tables: tableOf('raised', [ID, SALARY]) });
    expect(await selectOf(grant)).toEqual([['id']]);
  });

  test('says in the plan of a contract what it does not grow by', async () => {
    const dataProduct = await mesh.published('planned', [ID]);
    const grant = await granted(dataProduct);
    const owner = await mesh.as('sales-owner');
    const document = contractOf('planned', '1.0.0', [ID, { name: 'email', sensitivity: 'restricted' }]);
    const { dataContractId: dataContract } = await importDataContract(owner, { dataProduct, document });
    const plan = (await planActivation(owner, [dataContract])).get(dataContract);
    expect(plan?.warnings).toContainEqual(expect.stringContaining('without planned_rows.email'));
    await activateDataContract(owner, { dataContract, planDigest: plan?.digest as string });
    expect(await selectOf(grant)).toEqual([['id']]);
  });

  test('ends where less than the table cannot be given: by tag, to write, and where its rows are chosen by it', async () => {
    const tagged = await mesh.published('tagged', [ID], { accessMode: 'LF_TBAC' });
    const byTag = await granted(tagged);
    const source = `@reason("Not this one.") forbid (principal, action == Action::"readColumn", resource) when { resource.name == "secret" };`;
    await mesh.during(source, async () => {
      await mesh.update('sales-steward', { dataProduct: tagged, tables: tableOf('tagged', [ID, { name: 'secret' }]) });
    });
    expect(await grantOf(byTag)).toMatchObject({
      status: 'REVOKING',
      reason: expect.stringMatching(/do not open tagged_rows.secret/),
    });
    const written = await mesh.published('written', [ID]);
    const own = { consumerDomain: mesh.sales.id, principals: [`arn:aws:iam::${'1'.repeat(12)}:role/loader`] };
    const input = {
      dataProduct: written,
      ...own,
      permissions: ['SELECT', 'INSERT'] as ('SELECT' | 'INSERT')[],
      purpose: 'To load',
    };
    const { accessGrantId } = await seedGrant(mesh, { requester: 'sales-member', decider: 'sales-owner', input });
    await mesh.update('sales-steward', { dataProduct: written, tables: tableOf('written', [ID, EMAIL]) });
    expect(await grantOf(accessGrantId)).toMatchObject({ status: 'REVOKING' });
    const chosen = await mesh.published('chosen', [ID, { name: 'email' }]);
    const some = await granted(chosen, { rowFilter: "email LIKE 'a%'", columns: ['id'] });
    await mesh.update('sales-steward', { dataProduct: chosen, tables: tableOf('chosen', [ID, EMAIL]) });
    expect(await grantOf(some)).toMatchObject({ status: 'REVOKING' });
  });

  test('is opened again by nobody but who may grant it: Postgres refuses others', async () => {
    const dataProduct = await mesh.published('closed', [ID]);
    const grant = await granted(dataProduct);
    await mesh.update('sales-steward', { dataProduct, tables: tableOf('closed', [ID, EMAIL]) });
    const reopen = (who: string) =>
      mesh.database.prisma.$transaction(async (tx) => {
        await tx.$executeRaw`SELECT set_config('meshgate.subject', ${who}, true), set_config('meshgate.authority', 'MEMBER', true)`;
        await tx.$executeRaw`UPDATE "AccessGrant" SET "withheld" = '{}' WHERE "id" = ${grant}::uuid`;
      });
    await expect(reopen('finance-owner')).rejects.toThrow(/said by who may grant it/);
    await expect(reopen('sales-steward')).resolves.toBeUndefined();
  });
});
