import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { revokeAccess } from '../../src/governance/access-grant.js';
import { rejectAccessRequest, requestAccess } from '../../src/governance/access-request.js';
import { accessInput, openMesh, seedDomain, seedGrant, seedProduct, type TestMesh } from '../governance/mesh.js';

vi.setConfig({ testTimeout: 60_000 });
let mesh: TestMesh;
let input: ReturnType<typeof accessInput>;
beforeAll(async () => {
  mesh = await openMesh();
  const sales = await seedDomain(mesh, 'sales', 1);
  const finance = await seedDomain(mesh, 'finance', 2);
  const orders = await seedProduct(mesh, { id: sales, name: 'sales' }, 'orders');
  input = accessInput({ dataProduct: orders, consumerDomain: finance, account: 2 });
}, 120_000);
afterAll(() => mesh.close());

/** Runs SQL as the server does for somebody whom no rule of governance has judged, and takes it back. */
async function write(who: string, sql: string, id: string): Promise<number | string | null> {
  const client = await mesh.database.pool.connect();
  const authority = who === 'meshgate' ? 'SYSTEM' : 'MEMBER';
  try {
    await client.query('BEGIN');
    await client.query(`SELECT set_config('meshgate.subject', $1, true), set_config('meshgate.authority', $2, true)`, [
      who,
      authority,
    ]);
    return (await client.query(sql, [id])).rowCount;
  } catch (error) {
    return (error as Error).message;
  } finally {
    await client.query('ROLLBACK');
    client.release();
  }
}

const WHO = ['meshgate', 'sales-owner', 'finance-member'];
const becomes = (status: string) =>
  `UPDATE "AccessGrant" SET "status" = '${status}', "endsAs" = NULL, "revokedAt" = NULL, "grantedAt" = now() WHERE "id" = $1`;

test('a grant that was revoked does not begin again, whoever writes it', async () => {
  const granted = await seedGrant(mesh, { requester: 'finance-member', decider: 'sales-steward', input });
  await mesh.agree();
  await revokeAccess(await mesh.as('sales-steward'), { accessGrant: granted.accessGrantId, reason: 'over' });
  await mesh.agree();
  for (const who of WHO) {
    expect(await write(who, becomes('ACTIVE'), granted.accessGrantId)).toMatch(
      who === 'finance-member' ? /said by who may grant it/ : /REVOKED does not become ACTIVE/,
    );
  }
});

test('that access is there, or gone, is not said by who reads', async () => {
  const granted = await seedGrant(mesh, { requester: 'finance-member', decider: 'sales-steward', input });
  for (const [who, answer] of [
    ['finance-member', 'what became of a grant is said by who may grant it'],
    ['finance-owner', 'what became of a grant is said by who may grant it'],
    ['sales-steward', 1],
    ['meshgate', 1],
  ] as const) {
    expect(await write(who, becomes('ACTIVE'), granted.accessGrantId), who).toBe(answer);
  }
});

test('that it is gone is said by who gave it, and by the owner of the domain that reads', async () => {
  const alone = { ...input, principals: input.principals.map((principal) => `${principal}-alone`) };
  const granting = { requester: 'finance-member', decider: 'sales-steward', input: alone };
  const { accessGrantId } = await seedGrant(mesh, granting);
  await mesh.agree();
  await revokeAccess(await mesh.as('sales-steward'), { accessGrant: accessGrantId, reason: 'over' });
  const gone = `UPDATE "AccessGrant" SET "status" = 'REVOKED', "revokedAt" = now() WHERE "id" = $1`;
  for (const who of ['finance-owner', 'sales-steward', 'meshgate'])
    expect(await write(who, gone, accessGrantId), who).toBe(1);
  for (const who of ['finance-steward', 'finance-member'])
    expect(await write(who, gone, accessGrantId), who).toMatch(/said by who may grant it/);
});

test('neither the end that was asked for nor what was decided changes, whoever writes it', async () => {
  const { accessRequestId } = await requestAccess(await mesh.as('finance-member'), input);
  const later = `UPDATE "AccessRequest" SET "expiresAt" = now() + interval '10 years' WHERE "id" = $1`;
  for (const who of WHO) {
    expect(await write(who, later, accessRequestId)).toBe('what a request or a grant is for does not change');
  }
  await rejectAccessRequest(await mesh.as('sales-steward'), { accessRequest: accessRequestId, comment: 'no' });
  const again = `UPDATE "AccessRequest" SET "status" = 'PENDING', "decidedBy" = NULL, "decidedAt" = NULL WHERE "id" = $1`;
  for (const who of WHO) expect(await write(who, again, accessRequestId)).toBe('REJECTED does not become PENDING');
});
