import { afterAll, beforeAll, expect, test } from 'vitest';
import { requestAccess } from '../../src/governance/access-request.js';
import { addDomainMember } from '../../src/governance/domain.js';
import { forgetIdempotencyKeys } from '../../src/governance/transaction.js';
import { accessInput, openMesh, refusal, seedDomain, seedProduct, type TestMesh } from './mesh.js';

let mesh: TestMesh;
let commerce: string;
let orders: string;

beforeAll(async () => {
  mesh = await openMesh();
  commerce = await seedDomain(mesh, 'commerce', 1);
  await mesh.agree();
  orders = await seedProduct(mesh, { id: commerce, name: 'commerce' }, 'orders');
});
afterAll(() => mesh.close());

const input = (idempotencyKey: string, more: object = {}) => ({
  ...accessInput({ dataProduct: orders, consumerDomain: commerce, account: 1 }),
  expiresAt: new Date('2099-01-01T00:00:00Z'),
  ...more,
  idempotencyKey,
});

test('twenty twins at once do one thing and get one answer', async () => {
  const ctx = await mesh.as('commerce-member');
  const before = await mesh.database.prisma.accessRequest.count();
  const answers = await Promise.all(Array.from({ length: 20 }, () => requestAccess(ctx, input('twins'))));
  expect(new Set(answers.map(({ accessRequestId }) => accessRequestId)).size).toBe(1);
  expect(await mesh.database.prisma.accessRequest.count()).toBe(before + 1);
  expect(await requestAccess(ctx, input('twins'))).toEqual(answers[0]);
});

test('the same key with another input is a conflict; another subject or mutation has keys of its own', async () => {
  const ctx = await mesh.as('commerce-member');
  const first = await requestAccess(ctx, input('scoped'));
  expect(await refusal(requestAccess(ctx, input('scoped', { purpose: 'Another' })))).toMatchObject({
    code: 'CONFLICT',
    message: expect.stringContaining('idempotency key'),
  });
  const other = await requestAccess(await mesh.as('commerce-steward'), input('scoped', { purpose: 'Another' }));
  expect(other).not.toEqual(first);
  const owner = await mesh.as('commerce-owner');
  await addDomainMember(owner, { domain: commerce, subject: 'x', role: 'MEMBER', idempotencyKey: 'scoped' });
});

test('a failure stores nothing: the key is free for the corrected input', async () => {
  const ctx = await mesh.as('commerce-member');
  expect((await refusal(requestAccess(ctx, input('failed', { tables: ['none'] })))).code).toBe('VALIDATION');
  expect(await requestAccess(ctx, input('failed'))).toHaveProperty('accessRequestId');
});

test('a key older than a day is free again, and is forgotten', async () => {
  const ctx = await mesh.as('commerce-member');
  const first = await requestAccess(ctx, input('old'));
  await mesh.database.pool.query(
    `UPDATE "IdempotencyKey" SET "createdAt" = now() - interval '25 hours' WHERE "key" = 'old'`,
  );
  const second = await requestAccess(ctx, input('old', { purpose: 'Another' }));
  expect(second).not.toEqual(first);
  await mesh.database.pool.query(
    `UPDATE "IdempotencyKey" SET "createdAt" = now() - interval '25 hours' WHERE "key" = 'old'`,
  );
  expect(await forgetIdempotencyKeys(mesh.database.prisma)).toBe(1);
});
