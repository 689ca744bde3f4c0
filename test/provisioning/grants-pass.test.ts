import { describe, expect, test } from 'vitest';
import { desire, type SpecOf } from '../../src/provisioning/kinds.js';
import { tagPolicy } from '../../src/provisioning/lake-resource.js';
import { specText } from '../../src/provisioning/merge.js';
import type { Reconciler } from '../../src/provisioning/reconcile.js';
import { resourceId } from '../../src/provisioning/resource.js';
import { ANALYST, GOVERNANCE, grantOf, tableInGovernance } from './desired.js';
import { allAre, db, declared, eventsOf, look, nameOf, type Options, row, start, useLanes, world } from './lanes.js';
import { AwsFailure, eventually, owner } from './world.js';

useLanes();

describe('the pass over all grants of an account', () => {
  const intruder = 'arn:aws:iam::333333333333:role/intruder';
  const foreign = (permissions: SpecOf<'LfGrant'>['permissions'] = { SELECT: 'ALL_COLUMNS' }) =>
    grantOf('orders', permissions, intruder).spec as SpecOf<'LfGrant'>;
  const foreignRows = () => db.prisma.foreignGrant.findMany({ orderBy: { principal: 'asc' } });
  const lists = () => world.calls.filter(({ operation }) => operation === 'list').length;
  let reconciler: Reconciler;

  async function granted(count: number, options: Options = {}): Promise<void> {
    world.listsAll();
    reconciler = start(options);
    const many = Array.from({ length: count }, (_, n) =>
      grantOf('orders', { SELECT: 'ALL_COLUMNS' }, `${ANALYST}-${n}`),
    );
    // They stand already: what is tested is how they are looked after.
    for (const grant of many) world.objects.set(nameOf(grant), specText(grant.spec));
    reconciler.wake((await declared(owner(), [...tableInGovernance('orders'), ...many])).changedLanes);
    await eventually(allAre('READY'), 'granted', 60_000);
    world.calls.length = 0;
  }

  test('costs pages: 2,000 grants are two calls, and the one that changed a third', async () => {
    await granted(2_000);
    await look(reconciler);
    expect(world.calls.filter(({ kind }) => kind === 'LfGrant').map(({ operation }) => operation)).toEqual([
      'list',
      'list',
    ]);
    world.calls.length = 0;
    const changed = grantOf('orders', { SELECT: 'ALL_COLUMNS' }, `${ANALYST}-7`);
    world.objects.delete(nameOf(changed));
    await look(reconciler);
    await eventually(async () => (await eventsOf('ResourceRepaired')).length === 1, 'repaired');
    const observed = world.calls.filter(({ kind, operation }) => kind === 'LfGrant' && operation === 'observe');
    expect(new Set(observed.flatMap(({ keys }) => keys))).toEqual(new Set([changed.key]));
  }, 90_000);

  test('tells once of a grant that nobody in the mesh asked for, and leaves it, and tells when it is gone', async () => {
    await granted(2);
    world.meddleWith(GOVERNANCE.account, foreign());
    await look(reconciler);
    await look(reconciler);
    expect(await foreignRows()).toMatchObject([
      { principal: intruder, status: 'OPEN', resource: expect.stringContaining('orders') },
    ]);
    expect(await eventsOf('ResourceDrifted')).toMatchObject([
      {
        kind: 'GlueTable',
        driftPolicy: 'REPORT',
        foreignGrant: { principal: intruder },
        after: { permissions: { SELECT: 'ALL_COLUMNS' } },
      },
    ]);
    expect(world.changes()).toEqual([]);
    world.meddleWith(GOVERNANCE.account, foreign({ SELECT: 'ALL_COLUMNS', DROP: 'ALL_COLUMNS' }));
    await look(reconciler);
    expect(await eventsOf('ResourceDrifted')).toHaveLength(2);
    world.meddleWith(GOVERNANCE.account, foreign(), 'revoke');
    await look(reconciler);
    expect(await foreignRows()).toMatchObject([{ status: 'GONE' }]);
    expect(await eventsOf('ResourceRepaired')).toMatchObject([{ by: 'OTHERS', foreignGrant: { principal: intruder } }]);
  });

  test('tells of a grant by hand in the governance account also where the consumer grants the same on', async () => {
    await granted(1);
    const consumer = { account: '222222222222', region: GOVERNANCE.region };
    const spec = grantOf('orders', { SELECT: ['id'] }).spec as SpecOf<'LfGrant'>;
    await declared(owner(), [desire('LfGrant', consumer, spec)]);
    world.meddleWith(GOVERNANCE.account, grantOf('orders').spec as SpecOf<'LfGrant'>);
    await look(reconciler);
    expect(await foreignRows()).toMatchObject([{ principal: ANALYST, account: GOVERNANCE.account }]);
  });

  test('counts a grant by tags as one on the tag that is on least of the mesh', async () => {
    const breadthOf = (tag: string) => (tag === 'confidentiality' ? 1 : 0);
    await granted(1, { foreign: { policies: async () => new Map(), publicId: (id) => id, breadthOf } });
    const tags = ['confidentiality', 'product-sales'].map((key) =>
      desire('LfTag', GOVERNANCE, { key, values: ['orders'] }),
    );
    reconciler.wake((await declared(owner(), tags)).changedLanes);
    await eventually(allAre('READY'), 'tagged');
    const expression = tags.map(({ key }) => ({ key, values: ['orders'] }));
    const resource = tagPolicy(GOVERNANCE.account, 'TABLE', expression);
    world.meddleWith(GOVERNANCE.account, { ...foreign(), resource });
    await look(reconciler);
    expect(await foreignRows()).toMatchObject([{ resourceId: resourceId(tags[1]!) }]);
  });

  test('counts a grant by a named expression that may not be read as one on the catalogue', async () => {
    await granted(1);
    const policy = { type: 'LF_TAG_POLICY', catalogId: GOVERNANCE.account, on: 'TABLE' } as const;
    world.meddleWith(GOVERNANCE.account, {
      ...foreign(),
      resource: { ...policy, expression: [], expressionName: 'everything' },
    });
    await look(reconciler);
    expect(await foreignRows()).toMatchObject([{ resource: 'tables of 111111111111 by expression everything' }]);
    expect(await eventsOf('ResourceDrifted')).toMatchObject([{ kind: 'DataLakeSettings' }]);
  });

  test('tells of many, in transactions of bounded size', async () => {
    await granted(1);
    for (let n = 0; n < 300; n++) {
      world.meddleWith(GOVERNANCE.account, { ...foreign(), principal: `${intruder}-${n}` });
    }
    await look(reconciler);
    expect(await foreignRows()).toHaveLength(300);
    expect(await eventsOf('ResourceDrifted')).toHaveLength(300);
  }, 30_000);

  test('revokes it where the policy says so, unless somebody accepted it', async () => {
    const revoking: Options = {
      foreign: { policies: async (ids) => new Map(ids.map((id) => [id, 'REVOKE'])), publicId: (id) => id },
    };
    await granted(2, revoking);
    world.meddleWith(GOVERNANCE.account, foreign());
    await look(reconciler);
    await eventually(async () => (await foreignRows())[0]?.status === 'GONE', 'revoked');
    expect(world.changes()).toMatchObject([
      { operation: 'remove', keys: [`${intruder} on table 111111111111/sales/orders`] },
    ]);
    expect(await eventsOf('ResourceRepaired')).toMatchObject([{ by: 'MESHGATE' }]);

    world.calls.length = 0;
    world.meddleWith(GOVERNANCE.account, foreign());
    const accepted = { status: 'ACKNOWLEDGED' as const, acknowledgedBy: 'ann', acknowledgedAt: new Date() };
    await db.prisma.foreignGrant.updateMany({ data: accepted });
    await look(reconciler);
    expect(world.changes()).toEqual([]);
    expect(await foreignRows()).toMatchObject([{ status: 'ACKNOWLEDGED', acknowledgedBy: 'ann' }]);
  });

  test('says of what AWS refuses to revoke why it stays, after six tries as stuck, and revokes the others', async () => {
    const revoking: Options = {
      foreign: { policies: async (ids) => new Map(ids.map((id) => [id, 'REVOKE'])), publicId: (id) => id },
    };
    await granted(1, revoking);
    for (let n = 0; n < 25; n++) world.meddleWith(GOVERNANCE.account, { ...foreign(), principal: `${intruder}-${n}` });
    let failing = true;
    world.meddle = ({ operation, keys }) => {
      if (failing && operation === 'remove' && keys.some((key) => key.startsWith(`${intruder}-0 `)))
        throw new AwsFailure('AccessDeniedException', 'PERMANENT');
    };
    await look(reconciler);
    const stays = async () => (await foreignRows()).filter(({ status }) => status === 'REVOKING');
    expect(await stays()).toHaveLength(20);
    expect((await stays())[0]).toMatchObject({ tries: 1, lastError: { code: 'AccessDeniedException' } });
    const { since } = (await stays())[0]!.lastError as { since: string };
    for (let n = 0; n < 6; n++) await look(reconciler);
    expect((await stays())[0]).toMatchObject({ tries: 7, lastError: { since } });
    const stuck = await eventsOf('ResourceStuck');
    expect(stuck).toHaveLength(20);
    expect(stuck[0]).toMatchObject({ kind: 'GlueTable', status: 'STUCK', code: 'AccessDeniedException' });
    failing = false;
    await look(reconciler);
    expect(await foreignRows()).toHaveLength(25);
    expect(
      new Set((await foreignRows()).map(({ status, tries, lastError }) => `${status} ${tries} ${lastError}`)),
    ).toEqual(new Set(['GONE 0 null']));
  }, 30_000);

  test('takes nothing from a listing that breaks off', async () => {
    const revoking: Options = {
      foreign: { policies: async (ids) => new Map(ids.map((id) => [id, 'REVOKE'])), publicId: (id) => id },
    };
    await granted(2, revoking);
    world.meddleWith(GOVERNANCE.account, foreign());
    world.meddle = ({ operation }) => {
      if (operation === 'list') throw new AwsFailure('InternalServiceException', 'RETRY');
    };
    await look(reconciler);
    expect(lists()).toBeGreaterThan(0);
    expect(await foreignRows()).toEqual([]);
    expect(world.changes()).toEqual([]);
    expect(await allAre('READY')()).toBe(true);
  });

  test("is silent about Meshgate's own role, about what is on its way, and about objects that are not the mesh's", async () => {
    await granted(1);
    world.meddleWith(GOVERNANCE.account, { ...foreign(), principal: 'arn:aws:iam::111111111111:role/meshgate' });
    world.meddleWith(GOVERNANCE.account, grantOf('unknown', undefined, intruder).spec as SpecOf<'LfGrant'>);
    const leaving = owner();
    const mine = grantOf('orders', undefined, `${ANALYST}-mine`);
    reconciler.wake((await declared(leaving, [mine])).changedLanes);
    await eventually(allAre('READY'), 'granted');
    reconciler.wake((await declared(leaving, [])).changedLanes);
    await eventually(async () => (await row(mine)).status === 'REMOVED', 'revoked');
    // A listing that is older than the revoke.
    world.meddleWith(GOVERNANCE.account, mine.spec as SpecOf<'LfGrant'>);
    await look(reconciler);
    expect(lists()).toBeGreaterThan(0);
    expect(await foreignRows()).toEqual([]);
  });
});

test('an account in which nothing is granted is looked over for foreign grants too', async () => {
  world.listsAll();
  const reconciler = start();
  const link = desire('DataLakeSettings', GOVERNANCE, { admins: [], manage: true });
  reconciler.wake((await declared(owner(), [link, ...tableInGovernance('orders').slice(1)])).changedLanes);
  await eventually(allAre('READY'), 'ready');
  world.meddleWith(GOVERNANCE.account, grantOf('orders', undefined, ANALYST).spec as SpecOf<'LfGrant'>);
  await look(reconciler);
  expect(await db.prisma.foreignGrant.count()).toBe(1);
});
