import { afterAll, beforeAll, expect, test } from 'vitest';
import { activateDataContract, diffDataContracts, importDataContract } from '../../src/governance/data-contract.js';
import { publishDataProduct, registerDataProduct, updateDataProduct } from '../../src/governance/data-product.js';
import { globalId } from '../../src/governance/global-id.js';
import { planActivation } from '../../src/governance/plan-contract.js';
import { accessInput, openMesh, productInput, refusal, seedDomain, seedGrant, type TestMesh } from './mesh.js';

let mesh: TestMesh;
let commerce: string;
let finance: string;

beforeAll(async () => {
  mesh = await openMesh();
  commerce = await seedDomain(mesh, 'commerce', 1);
  finance = await seedDomain(mesh, 'finance', 2);
  await mesh.agree();
});
afterAll(() => mesh.close());

interface Contract {
  id: string;
  version?: string;
  name?: string | null;
  columns?: [string, string][];
  purpose?: string;
  server?: boolean;
}

/** An ODCS v3.0.2 document of one table `sales`. */
function odcs({
  id,
  version = '1.0.0',
  name,
  columns = [
    ['id', 'string'],
    ['total', 'double'],
  ],
  purpose = 'Sales',
  server = true,
}: Contract): string {
  return [
    'apiVersion: v3.0.2',
    'kind: DataContract',
    `id: ${id}`,
    ...(name === null ? [] : [`name: ${name ?? id}`]),
    `version: ${version}`,
    'status: active',
    'description:',
    `  purpose: ${purpose}`,
    ...(server
      ? [
          'servers:',
          '  - server: lake',
          '    type: s3',
          `    location: s3://commerce-lake/data/${id}/`,
          '    format: parquet',
        ]
      : []),
    'schema:',
    `  - name: sales_${id.replaceAll('-', '_')}`,
    '    logicalType: object',
    '    properties:',
    ...columns.flatMap(([column, type]) => [
      `      - name: ${column}`,
      `        logicalType: ${type === 'double' ? 'number' : 'string'}`,
      `        physicalType: ${type}`,
    ]),
    '',
  ].join('\n');
}

const steward = () => mesh.as('commerce-steward');
const importInto = async (contract: Contract, more: object = {}) =>
  importDataContract(await steward(), { domain: commerce, document: odcs(contract), ...more });
const contractOf = (id: string) =>
  mesh.database.prisma.dataContract.findUniqueOrThrow({ where: { id }, include: { revisions: true } });
const productOf = (id: string) =>
  mesh.database.prisma.dataProduct.findUniqueOrThrow({
    where: { id },
    include: {
      tables: { include: { columns: { orderBy: { position: 'asc' } } } },
      schemaVersions: true,
      contracts: true,
    },
  });

test('an import makes a draft, by name and confidential, with the document as it was', async () => {
  const ids = await importInto({ id: 'first', name: 'Sales & Returns (EU)' });
  const product = await productOf(ids.dataProductId);
  expect(product).toMatchObject({
    name: 'sales-returns-eu',
    displayName: 'Sales & Returns (EU)',
    status: 'DRAFT',
    accessMode: 'NRAC',
    classification: 'CONFIDENTIAL',
    owner: null,
    odcsId: 'first',
    tables: [
      { name: 'sales_first', location: expect.stringMatching(/^s3:\/\/commerce-lake\/data\/first/), format: 'PARQUET' },
    ],
  });
  expect(product.tables[0]?.columns.map(({ name, type }) => [name, type])).toEqual([
    ['id', 'string'],
    ['total', 'double'],
  ]);
  expect(await contractOf(ids.dataContractId)).toMatchObject({
    status: 'PROPOSED',
    version: '1.0.0',
    document: odcs({ id: 'first', name: 'Sales & Returns (EU)' }),
    format: 'YAML',
  });
  const events = (await mesh.events()).filter(({ subject }) =>
    [globalId('DataProduct', ids.dataProductId), globalId('DataContract', ids.dataContractId)].includes(subject.id),
  );
  expect(events.map(({ type }) => type)).toEqual(['DataProductRegistered', 'DataContractProposed']);
});

test('the same id is the same product: another version is a further contract, the same content changes nothing', async () => {
  const one = await importInto({ id: 'same' });
  const before = (await mesh.events()).length;
  expect(await importInto({ id: 'same' })).toEqual(one);
  expect((await mesh.events()).length).toBe(before);
  const two = await importInto({ id: 'same', version: '1.1.0' });
  expect(two.dataProductId).toBe(one.dataProductId);
  expect(two.dataContractId).not.toBe(one.dataContractId);
});

test('other content replaces a version that was never activated and keeps the earlier document; an activated one stays', async () => {
  const { dataContractId, dataProductId } = await importInto({ id: 'replaced' });
  expect(await importInto({ id: 'replaced', purpose: 'Other' })).toEqual({ dataContractId, dataProductId });
  expect(await contractOf(dataContractId)).toMatchObject({
    revision: 2,
    document: odcs({ id: 'replaced', purpose: 'Other' }),
    revisions: [{ revision: 1, document: odcs({ id: 'replaced' }) }],
  });
  await activateDataContract(await steward(), { dataContract: dataContractId });
  expect((await refusal(importInto({ id: 'replaced', purpose: 'Third' }))).code).toBe('CONFLICT');
  expect(await importInto({ id: 'replaced', purpose: 'Other' })).toEqual({ dataContractId, dataProductId });
});

test('a taken name gets a number, also when ten imports come at once', async () => {
  const imports = await Promise.all(
    Array.from({ length: 10 }, (_, index) => importInto({ id: `twin-${index}`, name: 'Twin' })),
  );
  const names = await Promise.all(imports.map(async ({ dataProductId }) => (await productOf(dataProductId)).name));
  expect(names.sort()).toEqual(['twin', ...Array.from({ length: 9 }, (_, index) => `twin-${index + 2}`)].sort());
  const same = await Promise.all(Array.from({ length: 5 }, () => importInto({ id: 'once' })));
  expect(new Set(same.map(({ dataContractId }) => dataContractId)).size).toBe(1);
});

test('what breaks the standard is refused with every path, unless lenient, which keeps it as warnings', async () => {
  const document = odcs({ id: 'broken' })
    .replace('status: active\n', '')
    .replace('kind: DataContract', 'kind: Contract');
  const ctx = await steward();
  const answer = await refusal(importDataContract(ctx, { domain: commerce, document }));
  expect(answer).toMatchObject({ code: 'VALIDATION', path: 'document' });
  expect(answer.message).toContain('kind');
  expect(answer.message).toContain('status');
  const { dataContractId } = await importDataContract(ctx, { domain: commerce, document, lenient: true });
  const { warnings } = await contractOf(dataContractId);
  expect(JSON.stringify(warnings)).toContain('kind');
  expect((await refusal(importDataContract(ctx, { domain: commerce, document: '{"a":' }))).code).toBe('VALIDATION');
  expect((await refusal(importDataContract(ctx, { document }))).path).toBe('domain');
});

test('activating a contract replaces the one in force and the tables; what is published follows in AWS', async () => {
  const one = await importInto({ id: 'live' });
  const ctx = await mesh.as('commerce-owner');
  await activateDataContract(ctx, { dataContract: one.dataContractId });
  await publishDataProduct(ctx, { dataProduct: one.dataProductId });
  await mesh.agree();
  const input = accessInput({ dataProduct: one.dataProductId, consumerDomain: finance, account: 2 });
  const { accessGrantId } = await seedGrant(mesh, { requester: 'finance-member', decider: 'commerce-owner', input });
  await mesh.agree();

  const columns: [string, string][] = [
    ['id', 'string'],
    ['total', 'double'],
    ['day', 'date'],
  ];
  const two = await importInto({ id: 'live', version: '1.1.0', columns, server: false });
  expect(await diffDataContracts(ctx, one.dataContractId, two.dataContractId)).toMatchObject({
    compatible: true,
    affectedGrantIds: [],
  });
  await activateDataContract(ctx, { dataContract: two.dataContractId });
  const product = await productOf(one.dataProductId);
  expect(product.status).toBe('PUBLISHED');
  expect(product.tables[0]).toMatchObject({ format: 'PARQUET', columns: { length: 3 } });
  expect(product.contracts.map(({ version, status }) => [version, status]).sort()).toEqual([
    ['1.0.0', 'DEPRECATED'],
    ['1.1.0', 'ACTIVE'],
  ]);
  const glue = await mesh.database.prisma.resource.findFirstOrThrow({
    where: { kind: 'GlueTable', key: 'commerce_nrac/sales_live' },
  });
  expect(glue).toMatchObject({ status: 'PENDING', generation: 2 });
  expect((glue.spec as { columns: unknown[] }).columns).toHaveLength(3);
  await mesh.agree();

  const three = await importInto({ id: 'live', version: '2.0.0', columns: [['id', 'string']] });
  const diff = await diffDataContracts(ctx, two.dataContractId, three.dataContractId);
  expect(diff).toMatchObject({ compatible: false, affectedGrantIds: [accessGrantId] });
  expect(await refusal(activateDataContract(ctx, { dataContract: three.dataContractId }))).toMatchObject({
    code: 'CONFLICT',
    message: expect.stringContaining('acknowledgeBreaking: true'),
  });
  await activateDataContract(ctx, { dataContract: three.dataContractId, acknowledgeBreaking: true });
  await mesh.agree();
  expect(await mesh.database.prisma.accessGrant.findUniqueOrThrow({ where: { id: accessGrantId } })).toMatchObject({
    status: 'ACTIVE',
  });
  expect((await refusal(activateDataContract(ctx, { dataContract: two.dataContractId }))).code).toBe('STATE');
  const events = (await mesh.events()).filter(
    ({ subject }) => subject.id === globalId('DataContract', two.dataContractId),
  );
  expect(events.map(({ type, audiencePublic }) => [type, audiencePublic])).toEqual([
    ['DataContractProposed', true],
    ['DataContractActivated', true],
    ['DataContractDeprecated', true],
  ]);
  const tables = productInput({ id: commerce, name: 'commerce' }, 'live').tables ?? [];
  expect((await refusal(updateDataProduct(ctx, { dataProduct: one.dataProductId, tables }))).code).toBe('CONFLICT');
});

test('an activation does what its plan said, to those who get less of it too, and is refused where something else comes of it', async () => {
  const ctx = await mesh.as('commerce-owner');
  const one = await importInto({ id: 'planned' });
  await activateDataContract(ctx, { dataContract: one.dataContractId });
  await publishDataProduct(ctx, { dataProduct: one.dataProductId });
  await mesh.agree();
  const columns = ['sales_planned.id', 'sales_planned.total'];
  const grant = (role: string) =>
    seedGrant(mesh, {
      requester: 'finance-member',
      decider: 'commerce-owner',
      input: {
        ...accessInput({ dataProduct: one.dataProductId, consumerDomain: finance, account: 2 }),
        principals: [`arn:aws:iam::${'2'.repeat(12)}:role/${role}`],
        columns,
      },
    });
  await grant('first');
  await mesh.agree();
  const { dataContractId } = await importInto({ id: 'planned', version: '2.0.0', columns: [['id', 'string']] });
  const planned = async () => (await planActivation(ctx, [one.dataContractId, dataContractId])).get(dataContractId);
  expect((await planActivation(await mesh.as('finance-member'), [dataContractId])).size).toBe(0);
  const seen = await planned();
  expect(seen?.warnings).toEqual([expect.stringContaining('acknowledgeBreaking: true')]);
  const changed = seen?.resources.filter(({ action }) => action !== 'NOOP').map(({ kind, action }) => [kind, action]);
  expect(changed?.sort()).toEqual([
    ['GlueTable', 'UPDATE'],
    ['LfGrant', 'UPDATE'],
    ['SchemaRegistration', 'UPDATE'],
  ]);
  await grant('second');
  const input = { dataContract: dataContractId, acknowledgeBreaking: true };
  const stale = activateDataContract(ctx, { ...input, planDigest: seen?.digest });
  expect(await refusal(stale)).toMatchObject({
    code: 'STATE',
    message: expect.stringContaining('The plan has changed'),
  });
  expect(await contractOf(dataContractId)).toMatchObject({ status: 'PROPOSED' });
  await activateDataContract(ctx, { ...input, planDigest: (await planned())?.digest });
  expect(await contractOf(dataContractId)).toMatchObject({ status: 'ACTIVE' });
});

test('a product without a place in S3 is refused at publish, not at import', async () => {
  const { dataProductId } = await importInto({ id: 'nowhere', server: false });
  const answer = await refusal(publishDataProduct(await steward(), { dataProduct: dataProductId }));
  expect(answer).toMatchObject({ code: 'VALIDATION', path: 'tables.sales_nowhere.location' });
});

test('a registration with a contract has it in force; fields complete it and may not contradict it', async () => {
  const owner = await mesh.as('commerce-owner');
  const contract = odcs({ id: 'joined', server: false });
  const input = { ...productInput({ id: commerce, name: 'commerce' }, 'joined'), contract };
  const table = { name: 'sales_joined', location: 's3://commerce-lake/data/joined', format: 'ORC' as const };
  expect(await refusal(registerDataProduct(owner, input))).toMatchObject({ code: 'VALIDATION', path: 'tables.0.name' });
  const other = [{ ...table, columns: [{ name: 'id', type: 'bigint' }] }];
  expect(await refusal(registerDataProduct(owner, { ...input, tables: other }))).toMatchObject({
    path: 'tables.0.columns',
  });
  const { dataProductId } = await registerDataProduct(owner, { ...input, tables: [table] });
  expect(await productOf(dataProductId)).toMatchObject({
    tables: [
      { name: 'sales_joined', format: 'ORC', location: 's3://commerce-lake/data/joined', columns: { length: 2 } },
    ],
    contracts: [{ status: 'ACTIVE' }],
    schemaVersions: [{ source: 'CONTRACT' }],
  });
  await publishDataProduct(owner, { dataProduct: dataProductId });
  expect((await refusal(registerDataProduct(owner, { ...input, name: 'again', tables: [] }))).code).toBe('CONFLICT');
});

test('a contract is imported into a product by those who steer it, with one id a product', async () => {
  const owner = await mesh.as('commerce-owner');
  const { dataProductId } = await registerDataProduct(
    owner,
    productInput({ id: commerce, name: 'commerce' }, 'target'),
  );
  const into = { dataProduct: dataProductId, document: odcs({ id: 'target' }) };
  expect((await refusal(importDataContract(await mesh.as('finance-owner'), into))).code).toBe('NOT_FOUND');
  expect((await refusal(importDataContract(await mesh.as('commerce-member'), into))).code).toBe('FORBIDDEN');
  const { dataContractId } = await importDataContract(owner, into);
  expect(await productOf(dataProductId)).toMatchObject({ odcsId: 'target', tables: { length: 2 } });
  expect((await refusal(importDataContract(owner, { ...into, document: odcs({ id: 'elsewhere' }) }))).code).toBe(
    'CONFLICT',
  );
  const stranger = await mesh.as('finance-owner');
  expect((await refusal(diffDataContracts(stranger, dataContractId, dataContractId))).code).toBe('NOT_FOUND');
  expect((await refusal(activateDataContract(stranger, { dataContract: dataContractId }))).code).toBe('NOT_FOUND');
});
