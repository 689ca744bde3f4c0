import { describe, expect, test } from 'vitest';
import type { LastError } from '../../src/provisioning/due.js';
import { desire } from '../../src/provisioning/kinds.js';
import { resourceId } from '../../src/provisioning/resource.js';
import { accessTo, CONSUMER, consumerDomain, GOVERNANCE, grantOf, grants } from './desired.js';
import { allAre, db, declared, errorOf, isA, released, row, start, useLanes, world } from './lanes.js';
import { AwsFailure, eventually, owner, QUICK } from './world.js';

useLanes();

describe('failures', () => {
  test('throttling is retried until it ends, with few more calls than without', async () => {
    let n = 0;
    world.meddle = ({ operation }) => {
      n += 1;
      if (operation !== 'observe' && n % 3 === 0) throw new AwsFailure('ThrottlingException', 'RETRY');
    };
    const reconciler = start();
    reconciler.wake((await declared(owner(), grants(200))).changedLanes);
    await eventually(allAre('READY'), 'granted', 15_000);
    expect(world.changes().length).toBeLessThanOrEqual(30);
  });

  test('what AWS throttles for long is asked for ever more seldom', async () => {
    world.meddle = ({ operation }) => {
      if (operation !== 'observe') throw new AwsFailure('ThrottlingException', 'RETRY');
    };
    const reconciler = start({ random: () => 0.4 });
    reconciler.wake((await declared(owner(), [grantOf('orders')])).changedLanes);
    await eventually(async () => world.changes().length > 0, 'it was tried');
    // Tried again after 0.4 s and 0.8 s; the next would be 1.6 s later.
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    expect(world.changes().length).toBeGreaterThan(1);
    expect(world.changes().length).toBeLessThan(5);
    world.meddle = () => {};
    await eventually(allAre('READY'), 'granted', 10_000);
  });

  test('when AWS answers nothing, few calls are made, and its return is noticed for every row at once', async () => {
    world.meddle = ({ operation }) => {
      if (operation !== 'observe') throw new AwsFailure('TimeoutError', 'OBSERVE');
    };
    const reconciler = start({ random: () => 0.9 });
    reconciler.wake((await declared(owner(), grants(200))).changedLanes);
    await eventually(async () => world.changes().length >= 3, 'it was tried');
    await eventually(async () => reconciler.status().running.length === 0, 'the lane rests');
    expect(world.changes().length).toBeLessThanOrEqual(4);
    // Nine rows of ten are put off for long: only the lane's first success can make them due.
    await db.prisma.$executeRaw`
      UPDATE "Resource" SET "nextAttemptAt" = now() + interval '1 hour',
        "lastError" = '{"code":"TimeoutError","message":"","awsRequestId":null,"treatment":"OBSERVE","tries":9}'
      WHERE "id" <> ${resourceId(grants(1)[0]!)}`;
    world.meddle = () => {};
    await db.prisma.resource.update({ where: { id: resourceId(grants(1)[0]!) }, data: { nextAttemptAt: new Date() } });
    await eventually(allAre('READY'), 'granted', 10_000);
  });

  test('what fails once more after the return of AWS is tried again soon, as if it had never been away', async () => {
    const reconciler = start({ random: () => 0.9 });
    const [first] = grants(1);
    await declared(owner(), grants(100));
    await db.prisma.$executeRaw`
      UPDATE "Resource" SET "nextAttemptAt" = now() + interval '1 hour', "attempts" = 9,
        "lastError" = '{"code":"TimeoutError","message":"","awsRequestId":null,"treatment":"OBSERVE","tries":9}'
      WHERE "id" <> ${resourceId(first!)}`;
    let calls = 0;
    world.meddle = ({ operation }) => {
      if (operation === 'observe') return;
      calls += 1;
      if (calls === 3) throw new AwsFailure('TimeoutError', 'OBSERVE');
    };
    reconciler.wake([GOVERNANCE]);
    await eventually(allAre('READY'), 'granted', 10_000);
    expect(calls).toBeGreaterThan(5);
  });

  test('while reads time out a run asks about a few rows only, and none of them is blamed', async () => {
    world.meddle = () => {
      throw new AwsFailure('TimeoutError', 'OBSERVE');
    };
    const reconciler = start();
    reconciler.wake((await declared(owner(), grants(200))).changedLanes);
    await eventually(async () => world.calls.length > 0, 'it was tried');
    await eventually(async () => reconciler.status().running.length === 0, 'the lane rests');
    expect(world.calls[0]?.keys).toHaveLength(20);
    const rows = await db.prisma.resource.findMany();
    expect(rows.filter(({ attempts }) => attempts === 0)).toHaveLength(180);
    expect(rows.every(({ lastError }) => (lastError as LastError | null)?.treatment === 'OBSERVE')).toBe(true);
    world.meddle = () => {};
    await eventually(allAre('READY'), 'granted', 10_000);
  });

  test('what has no call to remove it is gone from the books at once', async () => {
    const who = owner('DOMAIN');
    const reconciler = start();
    reconciler.wake((await declared(who, consumerDomain())).changedLanes);
    await eventually(allAre('READY'), 'ready');
    reconciler.wake((await released(who)).changedLanes);
    await eventually(allAre('REMOVED'), 'removed');
    expect([...world.objects.keys()]).toEqual([`${CONSUMER.account} DataLakeSettings settings`]);
  });

  test('a permanent error fails at once, with its reason, and is not tried again', async () => {
    world.refuse = () => new AwsFailure('InvalidInputException', 'PERMANENT');
    const reconciler = start();
    const who = owner();
    reconciler.wake((await declared(who, [grantOf('orders')])).changedLanes);
    await eventually(isA(grantOf('orders'), 'FAILED'), 'FAILED');
    await eventually(async () => reconciler.settled.some(({ id }) => id === who.id), 'the owner was told');
    reconciler.wake([GOVERNANCE]);
    await new Promise((resolve) => setTimeout(resolve, 800));
    expect(world.changes()).toHaveLength(1);
    expect(await errorOf(grantOf('orders'))).toMatchObject({ code: 'InvalidInputException', treatment: 'PERMANENT' });
  });

  test('propagation is waited for in bounds', async () => {
    let refused = 2;
    world.refuse = () => (refused-- > 0 ? new AwsFailure('Invalid principal', 'PROPAGATION') : null);
    const reconciler = start();
    reconciler.wake((await declared(owner(), [grantOf('orders')])).changedLanes);
    await eventually(allAre('READY'), 'granted');
    expect(world.changes()).toHaveLength(3);
  });

  test('a refusal that may pass is tried once more after its time, then it has failed', async () => {
    world.refuse = () => new AwsFailure('AccessDeniedException', 'PROPAGATION', { retryAfterMs: 500 });
    const reconciler = start();
    const since = performance.now();
    reconciler.wake((await declared(owner(), [grantOf('orders')])).changedLanes);
    await eventually(isA(grantOf('orders'), 'FAILED'), 'FAILED');
    expect(performance.now() - since).toBeGreaterThan(500);
    expect(world.changes()).toHaveLength(2);
  });

  test('an account that cannot be entered fails what is due there, with the reason of AssumeRole', async () => {
    world.closed.set(CONSUMER.account, new AwsFailure('AccessDenied', 'PERMANENT'));
    const reconciler = start();
    reconciler.wake((await declared(owner(), consumerDomain())).changedLanes);
    await eventually(isA(consumerDomain()[0]!, 'FAILED'), 'FAILED');
    expect(await errorOf(consumerDomain()[0]!)).toMatchObject({ code: 'AccessDenied' });
  });

  test("a role that cannot be read from the database is nobody's failure", async () => {
    let failures = 2;
    const reconciler = start({
      roleOf: async () => {
        if (failures-- > 0) throw new AwsFailure('timeout exceeded when trying to connect', 'PERMANENT');
        return null;
      },
    });
    reconciler.wake((await declared(owner(), [grantOf('orders')])).changedLanes);
    await eventually(allAre('READY'), 'granted');
  });

  test('what is waited for is polled, without counting as a failure', async () => {
    const [, share] = accessTo('orders');
    const reconciler = start();
    reconciler.wake((await declared(owner(), [share!])).changedLanes);
    await eventually(async () => ((await errorOf(share!))?.tries ?? 0) >= 3, 'polled');
    expect(await row(share!)).toMatchObject({ status: 'PENDING', lastError: { code: 'Waiting' } });
    // Nothing can be done about it, so each poll is one look.
    expect(world.changes()).toEqual([]);
    reconciler.wake((await declared(owner(), [grantOf('orders')])).changedLanes);
    await eventually(allAre('READY'), 'the share arrived');
  });

  test('a new claim on what had FAILED for another tries it anew', async () => {
    world.refuse = () => new AwsFailure('InvalidInputException', 'PERMANENT');
    const reconciler = start();
    reconciler.wake((await declared(owner(), [grantOf('orders')])).changedLanes);
    await eventually(isA(grantOf('orders'), 'FAILED'), 'FAILED');
    world.refuse = () => null;
    const { changedLanes } = await declared(owner(), [grantOf('orders')]);
    expect(changedLanes).toEqual([GOVERNANCE]);
    reconciler.wake(changedLanes);
    await eventually(isA(grantOf('orders'), 'READY'), 'READY');
    expect((await row(grantOf('orders'))).generation).toBe(2);
  });

  test('an account that cannot be entered is tried ever more seldom, for all its rows at once, and they say why', async () => {
    const reconciler = start({ times: { ...QUICK, driftPeriodMs: 200 }, random: () => 0.9 });
    reconciler.wake((await declared(owner(), grants(30))).changedLanes);
    await eventually(allAre('READY'), 'granted');
    let opened = 0;
    const closing = new AwsFailure('RoleUnavailable', 'RETRY');
    world.closed.get = () => {
      opened += 1;
      return closing;
    };
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    expect(opened).toBeGreaterThan(1);
    expect(opened).toBeLessThan(5);
    const rows = await db.prisma.resource.findMany();
    expect(new Set(rows.map(({ status }) => status))).toEqual(new Set(['READY']));
    expect(rows.every(({ lastError }) => (lastError as LastError | null)?.code === 'RoleUnavailable')).toBe(true);
    expect(new Set(rows.map(({ nextAttemptAt }) => nextAttemptAt.getTime())).size).toBe(1);
    world.closed = new Map();
    await eventually(async () => (await errorOf(grants(1)[0]!)) === null, 'checked again', 15_000);
  });

  test('a service that is down holds up nothing of the others', async () => {
    world.meddle = ({ kind }) => {
      if (kind === 'EventBus') throw new AwsFailure('ServiceUnavailable', 'OBSERVE');
    };
    const buses = Array.from({ length: 100 }, (_, n) => desire('EventBus', GOVERNANCE, { name: `bus-${n}` }));
    const many = grants(100, 'orders');
    const reconciler = start();
    reconciler.wake((await declared(owner(), [...buses, ...many])).changedLanes);
    const ready = () => db.prisma.resource.count({ where: { kind: 'LfGrant', status: 'READY' } });
    await eventually(async () => (await ready()) === 100, 'granted', 2_000);
    expect(world.calls.filter(({ kind }) => kind === 'EventBus').every(({ keys }) => keys.length <= 20)).toBe(true);
  });

  describe('an invitation that is over', () => {
    const [grant, share] = accessTo('orders');

    test('is sent anew by a grant that is taken away and given again', async () => {
      world.expired.add(grant!.key);
      const reconciler = start();
      reconciler.wake((await declared(owner(), [grant!, share!])).changedLanes);
      await eventually(allAre('READY'), 'accepted');
      const operations = world.changes().map(({ kind, operation }) => `${kind} ${operation}`);
      expect(operations).toEqual(['LfGrant apply', 'LfGrant remove', 'LfGrant apply']);
      expect(await row(share!)).toMatchObject({ reissuedAt: null });
      expect(await row(grant!)).toMatchObject({ reissue: false });
    });

    test('and stays so is told after one such try', async () => {
      world.expired.add(grant!.key);
      world.expired.delete = () => false;
      const reconciler = start();
      reconciler.wake((await declared(owner(), [grant!, share!])).changedLanes);
      await eventually(
        async () => ((await errorOf(share!))?.tries ?? 0) >= 3,
        'it counts as any other failure',
        10_000,
      );
      expect(world.changes().filter(({ operation }) => operation === 'remove')).toHaveLength(1);
      expect(await row(grant!)).toMatchObject({ status: 'READY' });
    });
  });
});
