import { describe, expect, test } from 'vitest';
import { retryResource } from '../../src/provisioning/declare.js';
import { desire } from '../../src/provisioning/kinds.js';
import type { Owner } from '../../src/provisioning/reckon.js';
import { resourceId } from '../../src/provisioning/resource.js';
import {
  ANALYST,
  accessTo,
  CONSUMER,
  consumerDomain,
  GOVERNANCE,
  grantOf,
  grants,
  tableInGovernance,
} from './desired.js';
import {
  allAre,
  db,
  declared,
  errorOf,
  eventsOf,
  isA,
  type Options,
  released,
  row,
  start,
  statuses,
  useLanes,
  world,
} from './lanes.js';
import { AwsFailure, eventually, owner } from './world.js';

useLanes();

/** What is tried again and again is tried soon. */
const soon: Options = { random: () => 0.02 };
const claimsOf = (who: Owner) => db.prisma.resourceClaim.count({ where: { ownerId: who.id } });

describe('order', () => {
  test('things are made after what they stand on, across lanes, and removed before it', async () => {
    const [domain, product, grant] = [owner('DOMAIN'), owner('DATA_PRODUCT'), owner()];
    const reconciler = start();
    await declared(domain, consumerDomain());
    await declared(product, tableInGovernance('orders'));
    const { changedLanes } = await declared(grant, accessTo('orders'));
    const since = performance.now();
    reconciler.wake(changedLanes);
    await eventually(allAre('READY'), 'everything is READY');
    expect(performance.now() - since).toBeLessThan(1_500);

    const made = world.changes().filter(({ operation }) => operation === 'apply');
    const order = made.flatMap(({ account, kind, keys }) => keys.map((key) => `${account} ${kind} ${key}`));
    const at = (account: string, kind: string, key = '') =>
      order.findIndex((name) => name.startsWith(`${account} ${kind} ${key}`));
    const [g, c] = [GOVERNANCE.account, CONSUMER.account];
    const chain = ['DataLakeSettings', 'DataLocation', 'GlueDatabase', 'GlueTable', 'LfGrant'].map((kind) =>
      at(g, kind),
    );
    expect(chain).toEqual(chain.toSorted((a, b) => a - b));
    expect(at(c, 'LfGrant', `${ANALYST} on table`)).toBeGreaterThan(at(c, 'TableLink'));
    expect(reconciler.settled).toContainEqual(grant);

    world.calls.length = 0;
    reconciler.wake((await released(grant)).changedLanes);
    await eventually(async () => (await claimsOf(grant)) === 0, 'the released claims settle');
    const removed = world
      .changes()
      .flatMap(({ account, kind, keys }) => keys.map((key) => `${account} ${kind} ${key}`));
    // ShareAcceptance is removed without a call.
    expect(removed).toHaveLength(4);
    const gone = (text: string) => removed.findIndex((name) => name.includes(text));
    expect(gone(`${c} LfGrant ${ANALYST} on table`)).toBeLessThan(gone(`${c} TableLink`));
    expect([...world.objects.keys()].filter((name) => name.includes('LfGrant'))).toEqual([]);
  });

  test("a revoke in the governance account does not wait for the consumer's account", async () => {
    const grant = owner();
    const reconciler = start();
    reconciler.wake((await declared(grant, accessTo('orders'))).changedLanes);
    await eventually(allAre('READY'), 'granted');
    world.closed.set(CONSUMER.account, new AwsFailure('AccessDenied', 'PERMANENT'));
    reconciler.wake((await released(grant)).changedLanes);
    await eventually(isA(grantOf('orders'), 'REMOVED'), "G's grant is gone");
    expect((await statuses()).filter((status) => status === 'REMOVED')).toHaveLength(1);
    await eventually(
      async () => (await statuses()).includes('STUCK'),
      'the consumer side is STUCK, not FAILED',
      15_000,
    );
    expect(await statuses()).not.toContain('FAILED');
  });

  test('a dependency that failed holds back what stands on it', async () => {
    world.refuse = ({ kind }) => (kind === 'GlueTable' ? new AwsFailure('InvalidInputException', 'PERMANENT') : null);
    const reconciler = start();
    const { changedLanes } = await declared(owner(), [...tableInGovernance('orders'), grantOf('orders')]);
    reconciler.wake(changedLanes);
    const table = tableInGovernance('orders')[3]!;
    await eventually(isA(table, 'FAILED'), 'the table is FAILED');
    expect(await errorOf(table)).toMatchObject({ code: 'InvalidInputException', awsRequestId: 'r-1' });
    expect((await row(grantOf('orders'))).status).toBe('PENDING');
    expect(world.changes().some(({ kind }) => kind === 'LfGrant')).toBe(false);

    world.refuse = () => null;
    const lane = await db.prisma.$transaction((tx) => retryResource(tx, resourceId(table)));
    reconciler.wake([lane!]);
    await eventually(allAre('READY'), 'retried');
  });
});

describe('calls', () => {
  test('200 grants go out in ten batches of twenty, and none again when all agree', async () => {
    const reconciler = start();
    const who = owner();
    reconciler.wake((await declared(who, grants(200))).changedLanes);
    await eventually(allAre('READY'), 'granted');
    expect(world.changes().map(({ keys }) => keys.length)).toEqual(Array(10).fill(20));
    expect(new Set(world.calls.map(({ sessionName }) => sessionName)).size).toBe(1);

    world.calls.length = 0;
    reconciler.wake((await declared(owner(), grants(200))).changedLanes);
    reconciler.wake([GOVERNANCE]);
    await eventually(async () => reconciler.status().running.length === 0, 'the lane rests');
    expect(world.calls).toEqual([]);
  });

  test('what AWS has already is READY without a change', async () => {
    const first = start();
    const who = owner();
    first.wake((await declared(who, grants(3))).changedLanes);
    await eventually(allAre('READY'), 'granted');
    world.calls.length = 0;
    await db.prisma.resource.updateMany({
      data: { status: 'APPLYING', observedGeneration: 0, nextAttemptAt: new Date() },
    });
    first.wake([GOVERNANCE]);
    await eventually(allAre('READY'), 'found to agree');
    expect(world.changes()).toEqual([]);
  });

  test('of a batch that fails in part, only the failed part is sent again', async () => {
    const refused = new Set(grants(7).map(({ key }) => key));
    world.refuse = (call, key) =>
      call.operation === 'apply' && refused.delete(key) ? new AwsFailure('ThrottlingException', 'RETRY') : null;
    const reconciler = start();
    reconciler.wake((await declared(owner(), grants(20))).changedLanes);
    await eventually(allAre('READY'), 'granted');
    const [first, ...again] = world.changes();
    expect(first?.keys).toHaveLength(20);
    expect(again.flatMap(({ keys }) => keys)).toHaveLength(7);
  });
});

describe('claims of several owners', () => {
  test("the revoke of one keeps the other's access, and settles", async () => {
    const [a, b] = [owner(), owner()];
    const reconciler = start();
    await declared(a, [grantOf('orders', { SELECT: ['x'] })]);
    reconciler.wake((await declared(b, [grantOf('orders', { SELECT: ['y'] })])).changedLanes);
    await eventually(allAre('READY'), 'granted');
    reconciler.wake((await released(b)).changedLanes);
    await eventually(async () => (await claimsOf(b)) === 0, 'b is settled');
    expect([...world.objects.values()][0]).toContain('"SELECT":["x"]');
    await eventually(async () => reconciler.settled.some(({ id }) => id === b.id), 'b was told');
    reconciler.wake((await released(a)).changedLanes);
    await eventually(async () => (await claimsOf(a)) === 0, 'a is settled');
    expect(world.objects.size).toBe(0);
  });

  test('a permission that cannot be taken away is STUCK and retried, never FAILED', async () => {
    const [a, b] = [owner(), owner()];
    const reconciler = start(soon);
    await declared(a, [grantOf('orders', { SELECT: ['x'] })]);
    reconciler.wake((await declared(b, [grantOf('orders', { SELECT: ['y'] })])).changedLanes);
    await eventually(allAre('READY'), 'granted');
    world.refuse = () => new AwsFailure('AccessDeniedException', 'PERMANENT');
    reconciler.wake((await released(b)).changedLanes);
    await eventually(isA(grantOf('orders'), 'STUCK'), 'STUCK', 15_000);
    expect(await eventsOf('ResourceStuck')).toHaveLength(1);
    expect(await claimsOf(b)).toBe(1);
    world.refuse = () => null;
    await eventually(async () => (await claimsOf(b)) === 0, 'it went at last', 15_000);
  });

  test('a claim that comes while its removal is under way wins', async () => {
    const reconciler = start();
    const [a, b] = [owner(), owner()];
    reconciler.wake((await declared(a, [grantOf('orders')])).changedLanes);
    await eventually(allAre('READY'), 'granted');
    let claimed = false;
    world.meddle = async ({ operation }) => {
      if (operation !== 'remove' || claimed) return;
      claimed = true;
      await declared(b, [grantOf('orders')]);
    };
    reconciler.wake((await released(a)).changedLanes);
    await eventually(async () => claimed && (await statuses()).includes('READY'), 'granted again');
    expect(world.objects.size).toBe(1);
    expect(await row(grantOf('orders'))).toMatchObject({ generation: 3, observedGeneration: 3 });
  });
});

describe('a grant whose effect was never seen', () => {
  const names = () => [...world.objects.keys()];

  test.each(['accepted', 'unanswered'])('is taken away also where the listing does not show it: %s', async (how) => {
    world.listed = new Map();
    world.meddle = ({ operation, keys }) => {
      if (operation !== 'apply' || how === 'accepted') return;
      world.objects.set(`${GOVERNANCE.account} LfGrant ${keys[0]}`, 'granted');
      throw new AwsFailure('TimeoutError', 'OBSERVE');
    };
    const reconciler = start();
    const who = owner();
    reconciler.wake((await declared(who, [grantOf('orders')])).changedLanes);
    await eventually(async () => names().length === 1, 'AWS has the grant');
    reconciler.wake((await released(who)).changedLanes);
    await eventually(isA(grantOf('orders'), 'REMOVED'), 'removed');
    expect(names()).toEqual([]);
    expect(await claimsOf(who)).toBe(0);
  });

  test('is taken away once more where it lands after the revoke', async () => {
    world.meddle = ({ operation }) => {
      if (operation === 'apply') throw new AwsFailure('TimeoutError', 'OBSERVE');
    };
    const reconciler = start();
    const who = owner();
    reconciler.wake((await declared(who, [grantOf('orders')])).changedLanes);
    await eventually(async () => (await errorOf(grantOf('orders')))?.code === 'TimeoutError', 'the outcome is unknown');
    reconciler.wake((await released(who)).changedLanes);
    await eventually(async () => (await errorOf(grantOf('orders')))?.code === 'Unconfirmed', 'the revoke was sent');
    expect(await claimsOf(who)).toBe(1);
    world.objects.set(`${GOVERNANCE.account} LfGrant ${grantOf('orders').key}`, 'granted');
    await eventually(isA(grantOf('orders'), 'REMOVED'), 'removed');
    expect(names()).toEqual([]);
  });

  test('and that AWS refuses to take away, as it never was there, does not keep its owner waiting for ever', async () => {
    world.refuse = () => new AwsFailure('InvalidInputException', 'PERMANENT');
    const reconciler = start(soon);
    const who = owner();
    reconciler.wake((await declared(who, [grantOf('orders')])).changedLanes);
    await eventually(isA(grantOf('orders'), 'FAILED'), 'refused');
    reconciler.wake((await released(who)).changedLanes);
    await eventually(isA(grantOf('orders'), 'REMOVED'), 'removed', 15_000);
    expect(await claimsOf(who)).toBe(0);
  });
});

test('an owner who asks for less than before is served before anything is granted, and is never FAILED', async () => {
  const reconciler = start(soon);
  const who = owner();
  const table = tableInGovernance('orders');
  const wider = grantOf('orders', { SELECT: ['x', 'y'] });
  const narrower = grantOf('orders', { SELECT: ['x'] });
  await declared(owner(), table);
  reconciler.wake((await declared(who, [wider])).changedLanes);
  await eventually(allAre('READY'), 'granted');
  world.refuse = ({ kind }) => (kind === 'LfGrant' ? new AwsFailure('AccessDeniedException', 'PERMANENT') : null);
  await db.prisma.resource.update({ where: { id: resourceId(table[3]!) }, data: { status: 'FAILED' } });
  world.calls.length = 0;
  reconciler.wake((await declared(who, [narrower])).changedLanes);
  await eventually(isA(narrower, 'STUCK'), 'tried, though its table is FAILED', 15_000);
  world.refuse = () => null;
  await eventually(isA(narrower, 'READY'), 'narrowed', 15_000);
  expect([...world.objects.values()].some((text) => text.includes('"SELECT":["x"]'))).toBe(true);
});

test('what stands on an object that was changed is observed anew, without being called drift', async () => {
  const [a, b] = [owner(), owner()];
  const reconciler = start();
  await declared(owner('DOMAIN'), consumerDomain());
  reconciler.wake((await declared(a, accessTo('orders', { SELECT: ['x'] }))).changedLanes);
  await eventually(allAre('READY'), 'granted');
  world.calls.length = 0;
  reconciler.wake((await declared(b, [grantOf('orders', { SELECT: ['y'] })])).changedLanes);
  await eventually(async () => world.calls.some(({ kind }) => kind === 'ShareAcceptance'), 'the share is looked at');
  await eventually(allAre('READY'), 'all READY');
  expect(world.changes().map(({ kind }) => kind)).toEqual(['LfGrant']);
  expect(await eventsOf('ResourceDrifted')).toEqual([]);
});

test('what an account granted on is observed anew when the grant to the account was changed, through its share', async () => {
  const [a, b] = [owner(), owner()];
  const reconciler = start();
  const target = { type: 'TABLE', catalogId: GOVERNANCE.account, database: 'sales', table: 'orders' } as const;
  const grantedOn = desire('LfGrant', CONSUMER, {
    principal: ANALYST,
    resource: target,
    permissions: { SELECT: ['x'] },
    grantable: {},
  });
  const share = desire('ShareAcceptance', CONSUMER, { principal: CONSUMER.account, resource: target });
  await declared(a, [grantOf('orders', { SELECT: ['x'] }, CONSUMER.account), share, grantedOn]);
  reconciler.wake((await declared(b, [grantOf('orders', { SELECT: ['y'] }, CONSUMER.account)])).changedLanes);
  await eventually(allAre('READY'), 'granted');
  // AWS takes the grant away that was made from the one which is narrowed.
  world.meddle = ({ operation, account }) => {
    if (operation === 'apply' && account === GOVERNANCE.account)
      world.objects.delete(`${CONSUMER.account} LfGrant ${grantedOn.key}`);
  };
  reconciler.wake((await released(b)).changedLanes);
  await eventually(async () => (await claimsOf(b)) === 0, 'narrowed');
  await eventually(async () => world.objects.has(`${CONSUMER.account} LfGrant ${grantedOn.key}`), 'given anew');
  expect(await eventsOf('ResourceDrifted')).toEqual([]);
});

test('what failed for an object that was changed since is tried anew, with all its tries', async () => {
  const [a, b] = [owner(), owner()];
  const reconciler = start();
  const [grant, share] = accessTo('orders', { SELECT: ['x'] });
  reconciler.wake((await declared(a, [grant!, share!])).changedLanes);
  await eventually(allAre('READY'), 'granted');
  const lastError = { code: 'Gone', message: '', awsRequestId: null, treatment: 'PROPAGATION', tries: 5 };
  await db.prisma.resource.update({
    where: { id: resourceId(share!) },
    data: { status: 'FAILED', attempts: 5, lastError },
  });
  world.meddle = ({ kind, operation }) => {
    if (kind === 'ShareAcceptance' && operation === 'observe') throw new AwsFailure('Gone', 'PROPAGATION');
  };
  reconciler.wake((await declared(b, [grantOf('orders', { SELECT: ['y'] })])).changedLanes);
  await eventually(async () => (await errorOf(share!))?.tries === 1, 'tried anew');
  expect(await row(share!)).toMatchObject({ status: 'PENDING', attempts: 1 });
});

test("a table's tag goes on after that of its columns", async () => {
  const resource = { type: 'TABLE', catalogId: GOVERNANCE.account, database: 'sales', table: 'orders' } as const;
  const table = desire('LfTagAttachment', GOVERNANCE, { resource, key: 'confidentiality', value: 'non-sensitive' });
  const columns = desire('LfTagAttachment', GOVERNANCE, {
    resource,
    key: 'confidentiality',
    value: 'sensitive',
    columns: ['email'],
  });
  world.refuse = (_call, key) => (key === columns.key ? new AwsFailure('ThrottlingException', 'RETRY') : null);
  const reconciler = start();
  reconciler.wake((await declared(owner(), [table, columns])).changedLanes);
  await eventually(async () => world.changes().length >= 2, 'tried');
  expect(world.changes().flatMap(({ keys }) => keys)).not.toContain(table.key);
  world.refuse = () => null;
  await eventually(allAre('READY'), 'both are on');
});

describe('the sweep', () => {
  test('a wake-up that is lost is found by the sweep', async () => {
    start();
    await declared(owner(), accessTo('orders'));
    await eventually(allAre('READY'), 'found');
  });

  test('a lane with nothing due is left alone', async () => {
    const reconciler = start();
    reconciler.wake((await declared(owner(), accessTo('orders'))).changedLanes);
    await eventually(allAre('READY'), 'granted');
    const takenSoFar = async () => {
      const lanes = await db.prisma.lane.findMany();
      return lanes.reduce((sum, { fence }) => sum + Number(fence), 0);
    };
    const before = await takenSoFar();
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect((await takenSoFar()) - before).toBeLessThan(10);
  });

  test('an owner whose settling failed is settled when the sweep names him again', async () => {
    const told: string[] = [];
    let failures = 1;
    const who = owner();
    const reconciler = start({
      settled: async (_tx, { id }) => {
        if (failures-- > 0) throw new Error('connection lost');
        told.push(id);
        return undefined;
      },
      unsettledOwners: async () => (told.length === 0 ? [who] : []),
    });
    reconciler.wake((await declared(who, [grantOf('orders')])).changedLanes);
    await eventually(async () => told.includes(who.id), 'settled');
  });
});
