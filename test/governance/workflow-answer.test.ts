import { afterAll, beforeAll, expect, test } from 'vitest';
import { publishDataProduct, registerDataProduct } from '../../src/governance/data-product.js';
import { tellWorkflows } from '../../src/governance/delegated.js';
import { registerDomain } from '../../src/governance/domain.js';
import { globalId } from '../../src/governance/global-id.js';
import { takeMessage } from '../../src/governance/received-event.js';
import { domainInput, MESH, openMesh, productInput, seedDomain, type TestMesh } from './mesh.js';

/** What workflows of the AWS Analytics Reference Architecture answer, in whichever order and however often. */
let mesh: TestMesh;
let own: string;

beforeAll(async () => {
  mesh = await openMesh();
  own = (await registerDomain(await mesh.admin(), { ...domainInput('own', 1), provisioning: 'DELEGATED' })).domainId;
  await seedDomain(mesh, 'other', 2);
  await mesh.agree();
});
afterAll(() => mesh.close());

const OWN = '111111111111';
const system = () => ({ db: mesh.database.prisma, mesh: MESH, committed: () => undefined });
let count = 0;
const answered = (detail: Record<string, unknown>, second: number, account = OWN) => {
  count += 1;
  return JSON.stringify({
    ...{ id: `answer-${count}`, account, source: 'data-domain-state-change' },
    ...{ 'detail-type': 'data-domain-crawler-update', time: `2026-03-01T10:00:${String(second).padStart(2, '0')}Z` },
    detail,
  });
};
const crawled = (table: string, status: string, more: object = {}) => ({
  ...{ dbName: `nrac-data-domain-${OWN}`, tableName: table, state: 'READY' },
  crawlerInfo: { LastCrawl: { Status: status, ...more } },
});
const running = (table: string) => ({ dbName: 'nrac-data-domain', tableName: `rl-${table}`, state: 'RUNNING' });
const take = async (bodies: string[]) => {
  const receptions: string[] = [];
  for (const body of bodies) receptions.push(await takeMessage(system(), { id: `m-${receptions.length}`, body }));
  return receptions;
};
const productOf = (id: string) => mesh.database.prisma.dataProduct.findUniqueOrThrow({ where: { id } });

/** A product whose workflow was told of its tables. */
async function told(name: string, ...tables: string[]): Promise<string> {
  const owner = await mesh.as('own-owner');
  const input = productInput({ id: own, name: 'own' }, name);
  const named = tables.map((table) => ({
    ...{ name: table, location: `s3://own-lake/data/${table}/`, format: 'PARQUET' as const },
    columns: [{ name: 'id', type: 'string' }],
  }));
  const { dataProductId } = await registerDataProduct(owner, { ...input, tables: named });
  await publishDataProduct(owner, { dataProduct: dataProductId });
  await mesh.agree();
  expect(await tellWorkflows(system())).toBe(1);
  return dataProductId;
}

test('answers three times and shuffled end in the same state, and the last of each table counts', async () => {
  const states: unknown[] = [];
  for (const round of [0, 1, 2, 3]) {
    const [first, second] = [`a${round}`, `b${round}`];
    const id = await told(`product-${round}`, first, second);
    const answers = [
      answered(running(first), 1),
      answered(running(first), 2),
      answered(crawled(first, 'FAILED', { ErrorMessage: 'Access denied' }), 3),
      answered(crawled(first, 'SUCCEEDED'), 4),
      answered(running(second), 4),
      answered({ dbName: 'own_nrac', tableName: second, state: 'Failed', error: 'No files' }, 5),
      answered(crawled(second, 'SUCCEEDED'), 6),
    ];
    const thrice = [...answers, ...answers, ...answers];
    const receptions = await take(round === 0 ? thrice : thrice.sort(() => Math.random() - 0.5));
    expect(receptions.filter((one) => one === 'TAKEN')).toHaveLength(answers.length);
    expect(receptions.filter((one) => one === 'KNOWN')).toHaveLength(2 * answers.length);
    const { status, provisioningReport } = await productOf(id);
    const { answers: by, ...report } = provisioningReport as { answers: { NRAC: Record<string, { status: string }> } };
    states.push([status, { ...report, tables: 2, told: 2 }, Object.values(by.NRAC).map((answer) => answer.status)]);
    const events = await mesh.events();
    const reported = events.filter(
      ({ type, subject }) => type === 'HealthReported' && subject.id === globalId('DataProduct', id),
    );
    expect(reported).toHaveLength(4);
  }
  expect(states[0]).toMatchObject(['PUBLISHED', { status: 'SUCCEEDED', message: null }, ['SUCCEEDED', 'SUCCEEDED']]);
  for (const state of states) expect(state).toEqual(states[0]);
});

test('one failed table is the product’s failure, with its reason', async () => {
  const id = await told('failing', 'c0', 'c1');
  await take([
    answered(crawled('c0', 'SUCCEEDED'), 1),
    answered(crawled('c1', 'FAILED', { ErrorMessage: 'No role' }), 2),
  ]);
  expect(await productOf(id)).toMatchObject({
    status: 'PUBLISHING',
    provisioningReport: { status: 'FAILED', message: 'c1: No role', reportedBy: 'workflow' },
  });
});

test('what names a table of another domain, or comes from no domain, is held', async () => {
  await told('guarded', 'd0');
  const wrong = [
    answered(crawled('d0', 'SUCCEEDED'), 1, '222222222222'),
    answered({ ...crawled('d0', 'SUCCEEDED'), dbName: 'other_nrac' }, 1),
    answered(crawled('d0', 'SUCCEEDED'), 1, '888888888888'),
    answered({ state: 'READY' }, 1),
  ];
  expect(await take(wrong)).toEqual(Array(4).fill('QUARANTINED'));
  const held = await mesh.database.prisma.quarantinedEvent.findMany({ orderBy: { receivedAt: 'asc' } });
  expect(held.map(({ reason }) => reason)).toEqual(['NOT_ITS_OWN', 'NOT_ITS_OWN', 'UNKNOWN_ACCOUNT', 'INVALID_DETAIL']);
});
