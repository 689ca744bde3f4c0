import { afterAll, beforeAll, expect, test } from 'vitest';
import { takeMessage } from '../../src/governance/received-event.js';
import { MESH, openMesh, seedDomain, type TestMesh } from './mesh.js';

let mesh: TestMesh;
beforeAll(async () => {
  mesh = await openMesh();
  await seedDomain(mesh, 'own', 1);
});
afterAll(() => mesh.close());

const CRAWLER = 'meshgate-own-sales-orders';
const told = (id: string, change: object = {}) =>
  JSON.stringify({
    ...{ id, account: '111111111111', source: 'aws.glue', 'detail-type': 'Glue Crawler State Change' },
    ...{ time: '2026-03-01T10:00:00Z', detail: { crawlerName: CRAWLER, state: 'Succeeded' } },
    ...change,
  });

test('a crawl that is waited for is looked at as soon as Glue says that it ended, in its own account alone', async () => {
  const { prisma } = mesh.database;
  const region = MESH.region;
  const later = new Date(Date.now() + 3_600_000);
  const run = {
    kind: 'CrawlerRun',
    account: '111111111111',
    region,
    key: CRAWLER,
    spec: {},
    status: 'APPLYING' as const,
  };
  const id = 'c'.repeat(64);
  await prisma.resource.create({ data: { id, ...run, nextAttemptAt: later, correlationId: 'test' } });
  const woken: object[] = [];
  const system = { db: prisma, mesh: MESH, committed: (lanes: object[]) => void woken.push(...lanes) };
  const dueAt = async () => (await prisma.resource.findUniqueOrThrow({ where: { id } })).nextAttemptAt.getTime();

  expect(await takeMessage(system, { id: 'm', body: told('one', { account: '222222222222' }) })).toBe('TAKEN');
  expect(
    await takeMessage(system, { id: 'm', body: told('two', { detail: { crawlerName: 'x', state: 'Failed' } }) }),
  ).toBe('TAKEN');
  expect([woken, await dueAt()]).toEqual([[], later.getTime()]);
  expect(await takeMessage(system, { id: 'm', body: told('three') })).toBe('TAKEN');
  expect(woken).toEqual([{ account: '111111111111', region }]);
  expect(await dueAt()).toBeLessThanOrEqual(Date.now());
  expect(await takeMessage(system, { id: 'm', body: told('three') })).toBe('KNOWN');
});
