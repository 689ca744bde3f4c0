import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { addDomainMember, removeDomainMember, updateDomain } from '../../src/governance/domain.js';
import { openMesh, refusal, seedDomain, type TestMesh } from './mesh.js';

let mesh: TestMesh;
let sales: string;
vi.setConfig({ testTimeout: 120_000 });
beforeAll(async () => {
  mesh = await openMesh();
  sales = await seedDomain(mesh, 'sales', 1);
});
afterAll(() => mesh.close());

const owner = (subject: string) =>
  mesh.database.prisma.domainMember.create({ data: { domainId: sales, subject, role: 'OWNER', createdBy: 'admin' } });
const remove = async (by: string, subject: string) => removeDomainMember(await mesh.as(by), { domain: sales, subject });
const add = async (by: string, subject: string) =>
  addDomainMember(await mesh.as(by), { domain: sales, subject, role: 'OWNER' });
const isMember = async (subject: string) =>
  (await mesh.database.prisma.domainMember.count({ where: { domainId: sales, subject } })) > 0;

test('what a removed owner waits to do comes to nothing once his removal is answered', async () => {
  await owner('waiting');
  const blocker = await mesh.database.pool.connect();
  await blocker.query('BEGIN');
  await blocker.query('SELECT 1 FROM "Domain" WHERE "id" = $1 FOR NO KEY UPDATE', [sales]);
  const ctx = await mesh.as('waiting');
  const removal = remove('sales-owner', 'waiting');
  await new Promise((resolve) => setTimeout(resolve, 400));
  const adding = refusal(addDomainMember(ctx, { domain: sales, subject: 'friend', role: 'OWNER' }));
  await new Promise((resolve) => setTimeout(resolve, 400));
  await blocker.query('COMMIT');
  blocker.release();
  await removal;
  expect(await adding).toMatchObject({ code: 'FORBIDDEN' });
  expect(await isMember('friend')).toBe(false);
});

test('whatever he does at the same moment is there when the removal is answered, or never', async () => {
  for (let round = 0; round < 60; round += 1) {
    const [mallory, friend] = [`mallory-${round}`, `friend-${round}`];
    await owner(mallory);
    const removal = remove('sales-owner', mallory).then(() => isMember(friend));
    const adding = add(mallory, friend).catch((error: { code?: string }) => error.code);
    const changing = mesh
      .as(mallory)
      .then((ctx) => updateDomain(ctx, { domain: sales, description: mallory }))
      .catch((error: { code?: string }) => error.code);
    const then = await removal;
    expect(['FORBIDDEN', undefined, expect.any(Object)]).toContainEqual(await adding);
    await changing;
    expect(await isMember(friend), `round ${round}`).toBe(then);
    expect(await isMember(mallory)).toBe(false);
  }
});

test('two owners who remove one another do not both succeed, and neither waits for ever', async () => {
  for (const [one, other] of [
    ['left', 'right'],
    ['up', 'down'],
  ] as const) {
    await owner(one);
    await owner(other);
    const outcomes = await Promise.allSettled([remove(one, other), remove(other, one)]);
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect([await isMember(one), await isMember(other)].sort()).toEqual([false, true]);
  }
});

test('owners who remove one another, or themselves twice, never wait in a circle: no transaction is tried again', async () => {
  const pairs = [
    ['ebb', 'flow'],
    ['flow', 'ebb'],
    ['tide', 'tide'],
  ] as const;
  for (const [one, other] of pairs) {
    for (const subject of new Set([one, other])) if (!(await isMember(subject))) await owner(subject);
    // Both wait for the same rows, and come to them in the same moment.
    const blocker = await mesh.database.pool.connect();
    await blocker.query('BEGIN');
    await blocker.query('SELECT 1 FROM "DomainMember" WHERE "subject" = ANY ($1) FOR NO KEY UPDATE', [[one, other]]);
    const transactions = vi.spyOn(mesh.database.prisma, '$transaction');
    const removals = [remove(one, other), remove(other, one)];
    const outcomes = Promise.allSettled(removals);
    await new Promise((resolve) => setTimeout(resolve, 500));
    await blocker.query('COMMIT');
    blocker.release();
    expect((await outcomes).map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(transactions).toHaveBeenCalledTimes(2);
    transactions.mockRestore();
  }
});
