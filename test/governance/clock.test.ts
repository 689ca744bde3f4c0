import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { approveAccessRequest } from '../../src/governance/access-approval.js';
import { extendAccess } from '../../src/governance/access-extension.js';
import { requestAccess } from '../../src/governance/access-request.js';
import { expireDueGrants } from '../../src/governance/expire.js';
import { remindOfEnds } from '../../src/governance/remind.js';
import { changeAsOwner } from '../testkit/database.js';
import { accessInput, MESH, openMesh, refusal, seedDomain, seedGrant, seedProduct, type TestMesh } from './mesh.js';

/** Whatever time a process believes it is, ends are those of the database's clock: here the processes are a day ahead or behind. */

let mesh: TestMesh;
let finance: string;
let orders: string;

beforeAll(async () => {
  mesh = await openMesh();
  const commerce = await seedDomain(mesh, 'commerce', 1);
  finance = await seedDomain(mesh, 'finance', 2);
  await mesh.agree();
  orders = await seedProduct(mesh, { id: commerce, name: 'commerce' }, 'orders');
});
afterAll(() => mesh.close());
afterEach(() => vi.useRealTimers());

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** In so many hours by the database, which has the machine's own clock. */
const inHours = (hours: number): Date => new Date(performance.timeOrigin + performance.now() + hours * HOUR);

/** From now on the process is wrong by so much; its timers go on. */
function beWrongBy(ms: number): void {
  vi.useFakeTimers({ toFake: ['Date'], now: inHours(0).getTime() + ms });
  expect(Math.abs(Date.now() - inHours(0).getTime() - ms)).toBeLessThan(HOUR);
}

const asked = (expiresAt: Date) => ({
  ...accessInput({ dataProduct: orders, consumerDomain: finance, account: 2 }),
  expiresAt,
});

async function granted(): Promise<string> {
  const input = asked(inHours(12));
  const { accessGrantId } = await seedGrant(mesh, { requester: 'finance-member', decider: 'commerce-steward', input });
  await mesh.agree();
  return accessGrantId;
}

const endedNow = (id: string) =>
  mesh.change(`UPDATE "AccessGrant" SET "expiresAt" = now() - interval '1 second' WHERE "id" = $1`, [id]);
const expire = () =>
  expireDueGrants(
    { db: mesh.database.prisma, mesh: MESH, committed: () => undefined },
    {
      failed: (_id, error) => {
        throw error;
      },
    },
  );
const grantOf = (id: string) => mesh.database.prisma.accessGrant.findUniqueOrThrow({ where: { id } });

test('a process that is a day ahead ends nothing before its time', async () => {
  const id = await granted();
  beWrongBy(DAY);
  expect(await expire()).toBe(0);
  expect(await grantOf(id)).toMatchObject({ status: 'ACTIVE', endsAs: null });
});

test('a process that is a day behind ends what is over', async () => {
  const id = await granted();
  await endedNow(id);
  beWrongBy(-DAY);
  expect(await expire()).toBe(1);
  expect(await grantOf(id)).toMatchObject({ endsAs: 'EXPIRED' });
});

test('reminders of ends come neither early nor late for it', async () => {
  const id = await granted();
  const db = mesh.database.prisma;
  // Thirty days old, so that the reminder lies within its time.
  const endsIn = (hours: number) =>
    mesh.change(
      `UPDATE "AccessGrant" SET "createdAt" = now() - interval '30 days', "expiresAt" = now() + $2 * interval '1 hour' WHERE "id" = $1`,
      [id, hours],
    );
  await endsIn(36);
  const remind = () => remindOfEnds({ db, committed: () => undefined }, [1]);
  beWrongBy(DAY);
  await remind();
  expect(await grantOf(id)).toMatchObject({ remindedDays: null });
  vi.useRealTimers();
  await endsIn(12);
  beWrongBy(-DAY);
  await remind();
  expect(await grantOf(id)).toMatchObject({ remindedDays: 1 });
});

test('what is asked, approved and extended until a time is judged by it too', async () => {
  const [member, owner, steward] = await Promise.all(
    ['finance-member', 'commerce-owner', 'commerce-steward'].map((subject) => mesh.as(subject)),
  );
  const id = await granted();
  beWrongBy(DAY);
  const { accessRequestId: accessRequest } = await requestAccess(member!, asked(inHours(12)));
  await approveAccessRequest(steward!, { accessRequest });
  await extendAccess(owner!, { accessGrant: id, expiresAt: inHours(13) });
  vi.useRealTimers();
  const late = await requestAccess(member!, asked(inHours(12)));
  const past = `UPDATE "AccessRequest" SET "expiresAt" = now() - interval '1 second' WHERE "id" = $1`;
  await changeAsOwner(mesh.ownerUrl, past, [late.accessRequestId]);
  beWrongBy(-DAY);
  expect(await refusal(requestAccess(member!, asked(inHours(-1))))).toMatchObject({ path: 'expiresAt' });
  expect(await refusal(extendAccess(owner!, { accessGrant: id, expiresAt: inHours(-1) }))).toMatchObject({
    path: 'expiresAt',
  });
  const approving = approveAccessRequest(steward!, { accessRequest: late.accessRequestId });
  expect(await refusal(approving)).toMatchObject({ code: 'STATE' });
});
