import { afterAll, beforeAll, expect, test } from 'vitest';
import { leftAtOnce, takeMessage } from '../../src/governance/received-event.js';
import { MESH, openMesh, seedDomain, type TestMesh } from './mesh.js';

let mesh: TestMesh;
beforeAll(async () => {
  mesh = await openMesh();
  const domainId = await seedDomain(mesh, 'own', 1);
  await mesh.database.prisma.$transaction(async (tx) => {
    await tx.$queryRaw`SELECT set_config('meshgate.subject', 'own-owner', true), set_config('meshgate.authority', 'MEMBER', true)`;
    for (const [detailType, gone] of [
      ['Registered', false],
      ['Removed', true],
    ] as const) {
      const removed = gone ? { removedAt: new Date(), removedBy: 'own-owner' } : {};
      const type = { domainId, detailType, version: 1, createdBy: 'own-owner', ...removed };
      const { id: typeId } = await tx.domainEventType.create({ data: type });
      const version = { typeId, number: 1, schema: { type: 'object' }, createdBy: 'own-owner' };
      await tx.domainEventTypeVersion.create({ data: version });
    }
  });
});
afterAll(() => mesh.close());

const ACCOUNT = '111111111111';
const message = (id: string, detailType: string, change: object = {}) => ({
  id,
  body: JSON.stringify({
    ...{ id, account: ACCOUNT, source: 'shop', 'detail-type': detailType, time: '2026-03-01T10:00:00Z', detail: {} },
    ...change,
  }),
});
const system = () => ({ db: mesh.database.prisma, mesh: MESH, committed: () => undefined });

/** Everything that may come, told as `take` would, one by one. */
const MESSAGES = [
  message('unheard', 'Unheard'),
  message('known', 'Unheard'),
  message('registered', 'Registered'),
  message('removed', 'Removed'),
  message('crawl', 'Glue Crawler State Change', { source: 'aws.glue', detail: { crawlerName: 'x', state: 'Failed' } }),
  message('forged', 'AccessGranted', { source: 'meshgate' }),
  message('none', 'Unheard', { 'detail-type': 7 }),
];

test('what is sure to find no room is told at once, and of nothing else', async () => {
  expect(await takeMessage(system(), message('known', 'Unheard'))).toBe('QUARANTINED');
  expect(await leftAtOnce(system(), MESSAGES)).toEqual(new Set());
  await mesh.database.prisma.$transaction(async (tx) => {
    await tx.$queryRaw`SELECT set_config('meshgate.authority', 'SYSTEM', true)`;
    const held = { account: ACCOUNT, reason: 'UNKNOWN_TYPE' as const, explanation: 'x', body: 'x', bytes: 1 };
    const data = Array.from({ length: 999 }, (_, n) => ({ key: `full/${n}`, ...held }));
    await tx.quarantinedEvent.createMany({ data });
  });
  const left = await leftAtOnce(system(), MESSAGES);
  expect(left).toEqual(new Set(['unheard', 'removed', 'forged', 'none']));
  // As each would be, taken by itself.
  for (const each of MESSAGES) expect((await takeMessage(system(), each)) === 'LEFT', each.id).toBe(left.has(each.id));
  // Messages of several accounts are of no one lane.
  const other = message('other', 'Unheard', { account: '222222222222' });
  expect(await leftAtOnce(system(), [...MESSAGES, other])).toEqual(new Set());
  expect(await leftAtOnce(system(), [other])).toEqual(new Set());
});
