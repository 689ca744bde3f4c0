import { beforeEach, describe, expect, test } from 'vitest';
import { declare, retryResource } from '../../src/provisioning/declare.js';
import { desire, type SpecOf } from '../../src/provisioning/kinds.js';
import { specText } from '../../src/provisioning/merge.js';
import type { Reconciler } from '../../src/provisioning/reconcile.js';
import type { Standing } from '../../src/provisioning/record.js';
import { resourceId } from '../../src/provisioning/resource.js';
import { GOVERNANCE, grantOf, grants, tableInGovernance } from './desired.js';
import {
  allAre,
  db,
  declared,
  driftOf,
  errorOf,
  eventsOf,
  look,
  nameOf,
  reporting,
  row,
  start,
  statuses,
  useLanes,
  world,
} from './lanes.js';
import { AwsFailure, eventually, owner, QUICK } from './world.js';

useLanes();

describe('drift', () => {
  test('what was changed or removed out of band is found within the period, told, and repaired', async () => {
    const reconciler = start({ times: { ...QUICK, driftPeriodMs: 1_000 } });
    reconciler.wake((await declared(owner(), [...tableInGovernance('orders'), ...grants(30)])).changedLanes);
    await eventually(allAre('READY'), 'granted');
    const names = [...world.objects.keys()].filter((name) => name.includes('LfGrant'));
    world.objects.delete(names[0]!);
    world.objects.set(names[1]!, 'something else');
    world.calls.length = 0;
    await eventually(async () => (await eventsOf('ResourceRepaired')).length === 2, 'repaired');
    expect(await eventsOf('ResourceDrifted')).toHaveLength(2);
    expect(world.changes().flatMap(({ keys }) => keys)).toHaveLength(2);
    expect(JSON.stringify(await eventsOf('ResourceDrifted'))).toContain('something else');
    await eventually(allAre('READY'), 'all READY');
  });

  test('a check that fails says nothing about the resource', async () => {
    const reconciler = start({ times: { ...QUICK, driftPeriodMs: 300 } });
    reconciler.wake((await declared(owner(), grants(2))).changedLanes);
    await eventually(allAre('READY'), 'granted');
    const callsBefore = world.calls.length;
    world.meddle = () => {
      throw new AwsFailure('ServiceUnavailable', 'RETRY');
    };
    await eventually(async () => world.calls.length > callsBefore + 1, 'checked');
    expect(await statuses()).toEqual(['READY', 'READY']);
    expect(await eventsOf('ResourceDrifted')).toEqual([]);
    expect(reconciler.status().sweptAt).not.toBeNull();
  });
});

describe('a domain that wants to be told, and nothing repaired', () => {
  const grant = grantOf('orders');
  let reconciler: Reconciler;
  let standing: Standing[];
  /** What was told of the grant each time that AWS agreed with it. */
  const anew = () => standing.filter(({ id }) => id === resourceId(grant)).map((one) => one.anew);
  beforeEach(async () => {
    standing = [];
    reconciler = start({ ...reporting, keepStanding: async (_tx, some) => void standing.push(...some) });
    reconciler.wake((await declared(owner(), [...tableInGovernance('orders'), grant])).changedLanes);
    await eventually(allAre('READY'), 'granted');
    world.calls.length = 0;
  });

  test('is told of a change once, with the evidence, and AWS is left as it is', async () => {
    const spec = grant.spec as SpecOf<'LfGrant'>;
    const wider = { ...spec, permissions: { SELECT: 'ALL_COLUMNS' as const, DROP: 'ALL_COLUMNS' as const } };
    world.objects.set(nameOf(grant), specText(wider));
    await look(reconciler);
    await look(reconciler);
    const told = await eventsOf('ResourceDrifted');
    expect(told).toHaveLength(1);
    expect(told[0]).toMatchObject({
      driftPolicy: 'REPORT',
      key: grant.key,
      differences: [`it is ${specText(wider)}`],
      spec,
      before: { text: specText(spec) },
      after: { text: specText(wider) },
    });
    expect(await row(grant)).toMatchObject({ status: 'READY', unhealthySince: expect.any(Date) });
    expect(await driftOf(grant)).toMatchObject({ differences: told[0]!.differences, acknowledgedAt: null });
    expect(world.changes()).toEqual([]);

    world.objects.delete(nameOf(grant));
    await look(reconciler);
    expect((await eventsOf('ResourceDrifted'))[1]).toMatchObject({ differences: ['it is missing'], after: null });
    expect(world.changes()).toEqual([]);
  });

  test('has it made again by others, and whoever keeps account of what stands hears that it is not the one of before', async () => {
    world.objects.delete(nameOf(grant));
    await look(reconciler);
    expect(anew()).toEqual([false]);
    world.objects.set(nameOf(grant), specText(grant.spec));
    await look(reconciler);
    await look(reconciler);
    expect(anew()).toEqual([false, true, false]);
  });

  test('has it repaired by a retry, and is told so', async () => {
    world.objects.delete(nameOf(grant));
    await look(reconciler);
    reconciler.wake([(await db.prisma.$transaction((tx) => retryResource(tx, resourceId(grant))))!]);
    await eventually(async () => (await eventsOf('ResourceRepaired')).length === 1, 'repaired');
    expect(world.objects.has(nameOf(grant))).toBe(true);
    expect(await eventsOf('ResourceRepaired')).toMatchObject([{ by: 'MESHGATE' }]);
    expect(await row(grant)).toMatchObject({ status: 'READY', drift: null, unhealthySince: null });
    expect(await eventsOf('ResourceDrifted')).toHaveLength(1);
    expect(anew()).toEqual([false, true]);
  });

  test('has repaired by a retry also what nobody has found yet, even where the first look fails', async () => {
    world.objects.delete(nameOf(grant));
    let failures = 0;
    world.meddle = ({ kind, operation }) => {
      if (kind === 'LfGrant' && operation === 'observe' && ++failures === 1)
        throw new AwsFailure('TimeoutError', 'OBSERVE');
    };
    reconciler.wake([(await db.prisma.$transaction((tx) => retryResource(tx, resourceId(grant))))!]);
    await eventually(async () => (await eventsOf('ResourceRepaired')).length === 1, 'repaired');
    expect(world.objects.has(nameOf(grant))).toBe(true);
    expect(await eventsOf('ResourceDrifted')).toMatchObject([
      { driftPolicy: 'REPAIR', differences: ['it is missing'] },
    ]);
    expect(await row(grant)).toMatchObject({ status: 'READY', drift: null, lastError: null, unhealthySince: null });
    expect(failures).toBeGreaterThan(1);
    // That was asked for once: the next is told of again.
    world.objects.delete(nameOf(grant));
    await look(reconciler);
    expect(await driftOf(grant)).toMatchObject({ differences: ['it is missing'] });
  });

  test('is told when others put it right', async () => {
    const text = world.objects.get(nameOf(grant))!;
    world.objects.delete(nameOf(grant));
    await look(reconciler);
    world.objects.set(nameOf(grant), text);
    await look(reconciler);
    expect(await eventsOf('ResourceRepaired')).toMatchObject([{ by: 'OTHERS' }]);
    expect(await row(grant)).toMatchObject({ drift: null, unhealthySince: null });
  });

  test('accepts a difference: it is not told again, and another is', async () => {
    world.objects.delete(nameOf(grant));
    await look(reconciler);
    const accepted = { acknowledgedBy: 'ann', acknowledgedAt: new Date().toISOString(), reason: 'moved' };
    const drift = { ...(await driftOf(grant))!, ...accepted };
    await db.prisma.resource.update({ where: { id: resourceId(grant) }, data: { drift: drift as never } });
    await look(reconciler);
    expect(await driftOf(grant)).toMatchObject(accepted);
    expect(await eventsOf('ResourceDrifted')).toHaveLength(1);
    world.objects.set(nameOf(grant), 'something else');
    await look(reconciler);
    expect(await driftOf(grant)).toMatchObject({ differences: ['it is something else'], acknowledgedBy: null });
    expect(await eventsOf('ResourceDrifted')).toHaveLength(2);
  });

  test('has taken away what somebody else granted beside it where foreign grants are revoked', async () => {
    await reconciler.stop();
    const wider = grantOf('orders', { SELECT: 'ALL_COLUMNS', DROP: 'ALL_COLUMNS' });
    const foreign = { policies: async (ids: string[]) => new Map(ids.map((id) => [id, 'REVOKE'] as const)) };
    reconciler = start({ ...reporting, foreign: { ...foreign, publicId: (id) => id } });
    world.objects.delete(nameOf(grant));
    await look(reconciler);
    expect(world.changes()).toEqual([]);
    world.objects.set(nameOf(grant), specText(wider.spec));
    await look(reconciler);
    await eventually(async () => world.objects.get(nameOf(grant)) === specText(grant.spec), 'narrowed');
    await eventually(async () => (await eventsOf('ResourceRepaired')).length === 1, 'told');
  });

  test('has it repaired where somebody new needs it', async () => {
    world.objects.delete(nameOf(grant));
    await look(reconciler);
    reconciler.wake((await declared(owner(), [grant])).changedLanes);
    await eventually(async () => (await eventsOf('ResourceRepaired')).length === 1, 'repaired');
    expect(world.objects.has(nameOf(grant))).toBe(true);
  });

  test('still has every change of its own applied in full, and every revoke', async () => {
    world.objects.set(nameOf(grant), 'wider');
    await look(reconciler);
    const who = owner();
    const both = grantOf('orders', { SELECT: 'ALL_COLUMNS', INSERT: 'ALL_COLUMNS' });
    reconciler.wake((await declared(who, [both])).changedLanes);
    await eventually(allAre('READY'), 'applied');
    expect(world.objects.get(nameOf(grant))).toContain('INSERT');
    expect(await driftOf(grant)).toBeNull();
    world.objects.set(nameOf(grant), 'wider again');
    await look(reconciler);
    for (const { ownerId, ownerType } of await db.prisma.resourceClaim.findMany({
      where: { resourceId: resourceId(grant) },
    })) {
      const claimant = { type: ownerType, id: ownerId };
      const { changedLanes } = await db.prisma.$transaction((tx) =>
        declare(tx, { owner: claimant, resources: [], correlationId: 'c-2' }),
      );
      reconciler.wake(changedLanes);
    }
    await eventually(async () => (await row(grant)).status === 'REMOVED', 'revoked');
    expect(world.objects.has(nameOf(grant))).toBe(false);
  });
});

test('a crawl that has succeeded is over, whatever its crawler does by hand', async () => {
  const link = { database: 'local', table: 'orders' };
  const target = { catalogId: GOVERNANCE.account, database: 'sales', table: 'orders' };
  const names = { name: 'meshgate-orders', run: '1', roleArn: 'arn:aws:iam::111111111111:role/crawler' };
  const crawl = desire('CrawlerRun', GOVERNANCE, { ...names, link, target });
  const reconciler = start();
  reconciler.wake((await declared(owner(), [crawl])).changedLanes);
  await eventually(allAre('READY'), 'crawled');
  const { observed } = await row(crawl);
  world.objects.set(nameOf(crawl), 'it is running');
  world.calls.length = 0;
  await look(reconciler);
  expect(await row(crawl)).toMatchObject({ status: 'READY', drift: null, observed });
  expect(world.calls).toEqual([]);
  expect(await eventsOf('ResourceDrifted')).toEqual([]);
});

test.each(['one by one', 'in a pass over all'])(
  'a wider grant that takes effect after a narrower one was confirmed is taken away like a revoke, looked at %s',
  async (how) => {
    if (how === 'in a pass over all') world.listsAll();
    const who = owner();
    const [wider, narrower] = [grantOf('orders', { SELECT: ['x', 'y'] }), grantOf('orders', { SELECT: ['x'] })];
    const reconciler = start(reporting);
    world.meddle = ({ operation }) => {
      if (operation === 'apply') throw new AwsFailure('TimeoutError', 'OBSERVE');
    };
    reconciler.wake((await declared(who, [wider])).changedLanes);
    await eventually(async () => (await errorOf(wider))?.code === 'TimeoutError', 'the outcome is unknown');
    world.meddle = () => undefined;
    reconciler.wake((await declared(who, [narrower])).changedLanes);
    await eventually(allAre('READY'), 'narrowed');
    await look(reconciler);
    world.objects.set(nameOf(wider), specText(wider.spec));
    await look(reconciler);
    await eventually(async () => world.objects.get(nameOf(wider)) === specText(narrower.spec), 'narrowed again');
    await eventually(allAre('READY'), 'confirmed');
    await look(reconciler);
    expect((await row(narrower)).unconfirmedSpec).not.toBeNull();
    await db.prisma.resource.updateMany({ data: { unconfirmedAt: new Date(Date.now() - 61_000) } });
    await look(reconciler);
    expect(await row(narrower)).toMatchObject({ unconfirmedSpec: null, drift: null });
    expect(await eventsOf('ResourceDrifted')).toEqual([]);
  },
);
