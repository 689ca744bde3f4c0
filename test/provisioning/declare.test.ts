import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Prisma } from '../../src/generated/prisma/client.js';
import { ClaimConflict, declare, release, retryResource } from '../../src/provisioning/declare.js';
import type { Drift } from '../../src/provisioning/drift.js';
import { desire, type PermissionMap } from '../../src/provisioning/kinds.js';
import { type CallsOf, callsFor, diffLines, plan, planDigest } from '../../src/provisioning/plan.js';
import type { Owner } from '../../src/provisioning/reckon.js';
import { type DesiredResource, resourceId } from '../../src/provisioning/resource.js';
import { type Database, openDatabase } from '../../src/server/database.js';
import { createTestDatabase, type TestDatabase } from '../testkit/database.js';
import { accessTo, CONSUMER, CORRELATION, GOVERNANCE, grantOf, tableInGovernance } from './desired.js';
import { owner, World } from './world.js';

let database: TestDatabase;
let db: Database;
beforeAll(async () => {
  database = await createTestDatabase();
  db = openDatabase(database.serverUrl, { poolSize: 8 });
});
afterAll(async () => {
  await db?.close();
  await database?.leave();
});

const inTransaction = <T>(work: (tx: Prisma.TransactionClient) => Promise<T>): Promise<T> =>
  db.prisma.$transaction(work);
const declared = (who: Owner, resources: DesiredResource[]) =>
  inTransaction((tx) => declare(tx, { owner: who, resources, correlationId: CORRELATION }));
const released = (who: Owner) => declared(who, []);
const row = (resource: DesiredResource) =>
  db.prisma.resource.findUniqueOrThrow({ where: { id: resourceId(resource) }, include: { claims: true } });
/** AWS agrees with what is declared now, as the reconciler would record it. */
const agree = (resource: DesiredResource) => db.prisma.$executeRaw`
  UPDATE "Resource" SET "observedGeneration" = "generation",
    "status" = CASE WHEN "desired" = 'PRESENT' THEN 'READY' ELSE 'REMOVED' END::"ResourceStatus"
  WHERE "id" = ${resourceId(resource)}`;
const permissions = (spec: unknown) => (spec as { permissions: PermissionMap }).permissions;

describe('declare', () => {
  test('makes a row for each resource, with what it stands on, and names the lanes to wake', async () => {
    const { changedLanes, resources } = await declared(owner(), accessTo('first'));
    expect(resources.map(({ action }) => action)).toEqual(Array(5).fill('CREATE'));
    expect(changedLanes).toHaveLength(2);
    expect(changedLanes).toEqual(expect.arrayContaining([GOVERNANCE, CONSUMER]));
    const share = await row(accessTo('first')[1]!);
    expect(share).toMatchObject({ kind: 'ShareAcceptance', desired: 'PRESENT', status: 'PENDING', generation: 1 });
    expect(share.dependsOn).toEqual([resourceId(grantOf('first'))]);
  });

  test('the same wishes again change nothing and wake nobody', async () => {
    const who = owner();
    await declared(who, accessTo('again'));
    const { changedLanes, resources } = await declared(who, accessTo('again'));
    expect(changedLanes).toEqual([]);
    expect(new Set(resources.map(({ action }) => action))).toEqual(new Set(['NOOP']));
    expect(await row(grantOf('again'))).toMatchObject({ generation: 1 });
  });

  test('two owners of one grant are merged, and the first to leave takes only what the other does not need', async () => {
    const [a, b] = [owner(), owner()];
    await declared(a, [grantOf('merged', { SELECT: ['x', 'y'] })]);
    await declared(b, [grantOf('merged', { SELECT: ['y', 'z'], INSERT: 'ALL_COLUMNS' })]);
    const merged = await row(grantOf('merged'));
    expect(merged.generation).toBe(2);
    expect(permissions(merged.spec)).toEqual({ INSERT: 'ALL_COLUMNS', SELECT: ['x', 'y', 'z'] });

    await released(b);
    const left = await row(grantOf('merged'));
    expect(left).toMatchObject({ generation: 3, desired: 'PRESENT', status: 'PENDING' });
    expect(permissions(left.spec)).toEqual({ SELECT: ['x', 'y'] });
    // b's claim waits until AWS agrees with generation 3.
    expect(left.claims.find((claim) => claim.ownerId === b.id)?.releasedAtGeneration).toBe(3);
  });

  test('a claim whose withdrawal makes no difference is gone at once', async () => {
    const [a, b] = [owner(), owner()];
    await declared(a, [grantOf('twice')]);
    await declared(b, [grantOf('twice', { SELECT: ['x'] })]);
    const { changedLanes } = await released(b);
    expect(changedLanes).toEqual([]);
    const left = await row(grantOf('twice'));
    expect(left.generation).toBe(1);
    expect(left.claims.map((claim) => claim.ownerId)).toEqual([a.id]);
  });

  test('without a live claim a resource is unwanted; released claims count no more', async () => {
    const who = owner();
    await declared(who, [grantOf('gone')]);
    await released(who);
    expect(await row(grantOf('gone'))).toMatchObject({ desired: 'ABSENT', generation: 2, status: 'PENDING' });
    const { changedLanes } = await released(who);
    expect(changedLanes).toEqual([]);
  });

  test('what was removed comes back PENDING when it is claimed again, by the same owner or another', async () => {
    const who = owner();
    await declared(who, [grantOf('back')]);
    await released(who);
    await agree(grantOf('back'));
    const { resources } = await declared(owner(), [grantOf('back')]);
    expect(resources).toMatchObject([{ action: 'CREATE' }]);
    expect(await row(grantOf('back'))).toMatchObject({ desired: 'PRESENT', generation: 3, status: 'PENDING' });
    await declared(who, [grantOf('back')]);
    const again = await row(grantOf('back'));
    expect(again.generation).toBe(3);
    expect(again.claims.map((claim) => claim.releasedAtGeneration)).toEqual([null, null]);
  });

  test('a differing second claim on a kind for one is refused, naming the resource and its owner', async () => {
    const first = owner('DATA_PRODUCT');
    const link = (table: string) =>
      desire('TableLink', CONSUMER, {
        database: 'data_products',
        name: 'sales__conflict',
        target: { catalogId: GOVERNANCE.account, database: 'sales', table },
      });
    await declared(first, [link('one')]);
    const second = declared(owner(), [link('two')]);
    await expect(second).rejects.toThrow(ClaimConflict);
    await expect(second).rejects.toMatchObject({ owners: [first], resource: { key: 'data_products/sales__conflict' } });
    // The only owner may change his mind.
    await declared(first, [link('two')]);
    expect(await row(link('two'))).toMatchObject({ generation: 2 });
  });

  test('a spec that breaks its schema never reaches the database', async () => {
    const broken = { ...grantOf('broken'), spec: { principal: 'x' } } as unknown as DesiredResource;
    await expect(declared(owner(), [broken])).rejects.toThrow();
    expect(await db.prisma.resource.findUnique({ where: { id: resourceId(broken) } })).toBeNull();
  });

  test('a product of a hundred tables takes fewer than ten statements', async () => {
    const resources = Array.from({ length: 100 }, (_, n) => [...tableInGovernance(`t${n}`), grantOf(`t${n}`)]).flat();
    const who = owner('DATA_PRODUCT');
    let statements = 0;
    await inTransaction(async (tx) => {
      const counted = new Proxy(tx, {
        get: (target, property, receiver) => {
          if (property === '$queryRaw' || property === '$executeRaw') statements += 1;
          return Reflect.get(target, property, receiver) as unknown;
        },
      });
      await declare(counted, { owner: who, resources, correlationId: CORRELATION });
      expect(statements).toBeGreaterThan(3);
      expect(statements).toBeLessThan(10);
      statements = 0;
      await declare(counted, { owner: who, resources: [grantOf('t0', { SELECT: ['x'] })], correlationId: CORRELATION });
    });
    expect(statements).toBeLessThan(10);
    expect(await db.prisma.resourceClaim.count({ where: { ownerId: who.id, releasedAtGeneration: null } })).toBe(1);
  });

  test('owners who declare at once, over the same resources in any order, neither deadlock nor lose a claim', async () => {
    const tables = ['p', 'q', 'r', 's', 't'];
    const owners = Array.from({ length: 24 }, () => owner());
    await Promise.all(
      owners.map((who, n) => {
        const mine = tables.map((_, k) => grantOf(`shared_${tables[(k * 3 + n) % 5]}`, { SELECT: [`c${n}`] }));
        return declared(who, n % 2 === 0 ? mine : mine.reverse());
      }),
    );
    for (const table of tables) {
      const shared = await row(grantOf(`shared_${table}`));
      expect(permissions(shared.spec).SELECT).toHaveLength(24);
      expect(shared.generation).toBe(24);
    }
    await Promise.all(owners.map(released));
    expect(await row(grantOf('shared_p'))).toMatchObject({ desired: 'ABSENT', generation: 48 });
  });

  test('what several owners let go of at once ends as if each had let go of it in turn', async () => {
    const tables = ['a', 'b', 'c'];
    const one = fc.record({
      wish: fc.subarray(tables, { minLength: 1 }),
      columns: fc.subarray(['x', 'y', 'z'], { minLength: 1 }),
      leaves: fc.boolean(),
    });
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(one, { minLength: 1, maxLength: 5 }), async (owners) => {
        run += 1;
        const world = async (name: string, end: (leaving: Owner[]) => Promise<unknown>) => {
          const named = (table: string) => `${name}_${run}_${table}`;
          const all = owners.map((each) => ({ ...each, who: owner() }));
          for (const { who, wish, columns } of all)
            await declared(
              who,
              wish.map((table) => grantOf(named(table), { SELECT: columns })),
            );
          await end(all.flatMap(({ who, leaves }) => (leaves ? [who] : [])));
          const wished = tables.filter((table) => owners.some(({ wish }) => wish.includes(table)));
          const rows = await Promise.all(wished.map((table) => row(grantOf(named(table)))));
          return rows.map(({ desired, spec, claims, generation }) => ({
            desired,
            permissions: desired === 'PRESENT' ? permissions(spec) : null,
            held: claims.filter(({ releasedAtGeneration }) => releasedAtGeneration === null).length,
            // What waits for AWS waits for a generation that comes.
            waiting: claims.every(({ releasedAtGeneration }) => (releasedAtGeneration ?? 0) <= generation),
          }));
        };
        const together = await world('together', async (leaving) => {
          const ids = leaving.map(({ id }) => id);
          const type = 'ACCESS_GRANT';
          const { gone } = await inTransaction((tx) => release(tx, { type, ids, correlationId: CORRELATION }));
          const left = await db.prisma.resourceClaim.groupBy({ by: ['ownerId'], where: { ownerId: { in: ids } } });
          expect(new Set([...gone, ...left.map(({ ownerId }) => ownerId)])).toEqual(new Set(ids));
          expect(left.filter(({ ownerId }) => gone.includes(ownerId))).toEqual([]);
        });
        const inTurn = await world('in_turn', async (leaving) => {
          for (const who of leaving) await released(who);
        });
        expect(together).toEqual(inTurn);
      }),
      { numRuns: 25 },
    );
  });

  test('any history of claims ends where the surviving claims alone would', async () => {
    const step = fc.record({ who: fc.nat(2), wish: fc.option(fc.subarray(['a', 'b', 'c'], { minLength: 1 })) });
    let round = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 8 }), async (history) => {
        round += 1;
        const owners = [owner(), owner(), owner()];
        const surviving = new Map<number, string[]>();
        const grant = (columns: string[]) => grantOf(`history_${round}`, { SELECT: columns });
        for (const { who, wish } of history) {
          await declared(owners[who]!, wish ? [grant(wish)] : []);
          if (wish) surviving.set(who, wish);
          else surviving.delete(who);
        }
        const found = await db.prisma.resource.findUnique({ where: { id: resourceId(grant(['a'])) } });
        const expected = [...new Set([...surviving.values()].flat())].sort();
        expect(found?.desired ?? 'ABSENT').toBe(expected.length > 0 ? 'PRESENT' : 'ABSENT');
        if (found && expected.length > 0) expect(permissions(found.spec)).toEqual({ SELECT: expected });
      }),
      { numRuns: 40 },
    );
  });
});

describe('plan', () => {
  const world = new World();
  const callsOf: CallsOf = (account, kind, item, action) => world.providers[kind].calls(account, item as never, action);
  const planned = (who: Owner, resources: DesiredResource[]) =>
    inTransaction((tx) => plan(tx, [{ owner: who, resources }]));
  const digestOf = async (who: Owner, resources: DesiredResource[]) =>
    planDigest(await planned(who, resources), { policyVersion: 'v1' });

  test('says what declare then does, and writes nothing', async () => {
    const [a, b] = [owner(), owner()];
    await declared(a, [grantOf('planned', { SELECT: ['x'] })]);
    const before = await db.prisma.resource.count();
    const wishes = [grantOf('planned', { SELECT: ['y'] }), grantOf('planned_new')];
    const foreseen = await planned(b, wishes);
    expect(await db.prisma.resource.count()).toBe(before);
    expect(await db.prisma.resourceClaim.count({ where: { ownerId: b.id } })).toBe(0);

    const update = foreseen.find(({ action }) => action === 'UPDATE');
    if (!update) throw new Error('Nothing is to be updated.');
    expect(diffLines(update)).toEqual(['~ permissions.SELECT: ["x"] -> ["x","y"]']);
    expect(callsFor(update, callsOf)).toHaveLength(1);
    const done = await declared(b, wishes);
    expect(done.resources).toEqual(foreseen.map(({ id, action }) => ({ id, action })));

    const next = await planned(b, []);
    expect(next.map(({ action }) => action).sort()).toEqual(['DELETE', 'UPDATE']);
    const same = await planned(b, wishes);
    expect(same.map(({ action }) => action)).toEqual(['NOOP', 'NOOP']);
    expect(same.flatMap((outcome) => [...diffLines(outcome), ...callsFor(outcome, callsOf)])).toEqual([]);
  });

  test('its digest stays while the outcome does, and changes with it', async () => {
    const [a, b] = [owner(), owner()];
    const wishes = [grantOf('digest', { SELECT: ['x'] }), grantOf('digest_2')];
    const first = await digestOf(a, wishes);
    expect(await digestOf(a, wishes.toReversed())).toBe(first);
    expect(planDigest(await planned(a, wishes), { policyVersion: 'v2' })).not.toBe(first);
    await declared(b, [grantOf('digest', { SELECT: ['z'] })]);
    expect(await digestOf(a, wishes)).not.toBe(first);
  });
});

describe('what somebody new needs, and is not as it should be', () => {
  const providers = new World().providers;
  const callsOf: CallsOf = (account, kind, item, action) => [
    { service: kind, operation: action, parameters: { before: item.before } },
    ...providers[kind].calls(account, item as never, action).slice(1),
  ];
  const SELECT_X = { SELECT: ['x'] };

  /** A grant of x and y that stands otherwise; `repaired` says what a new claim's plan shows of it, and holds declare to that. */
  async function standingAs(table: string, change: { status?: 'FAILED'; drift?: Partial<Drift> }) {
    const wish = (permissions: PermissionMap) => grantOf(table, permissions);
    await declared(owner(), [wish({ SELECT: ['x', 'y'] })]);
    const difference = { differences: ['x'], observed: null, foundAt: 'now', acknowledgedBy: null, reason: null };
    const drift = change.drift && { ...difference, acknowledgedAt: null, ...change.drift };
    const id = resourceId(wish({}));
    await db.prisma.resource.update({
      where: { id },
      data: { status: change.status ?? 'READY', ...(drift && { drift: drift as Prisma.InputJsonValue }) },
    });
    return async (needed: PermissionMap) => {
      const who = owner();
      const [foreseen] = await inTransaction((tx) => plan(tx, [{ owner: who, resources: [wish(needed)] }]));
      expect(foreseen).toMatchObject({ action: 'NOOP' });
      const { changedLanes } = await declared(who, [wish(needed)]);
      expect(changedLanes).toHaveLength(foreseen?.repair ? 1 : 0);
      const { status, drift: left } = await row(wish({}));
      expect({ status, left: left !== null }).toEqual(
        foreseen?.repair ? { status: 'PENDING', left: false } : { status: 'READY', left: drift !== undefined },
      );
      return foreseen && callsFor(foreseen, callsOf).map(({ operation, parameters }) => [operation, parameters.before]);
    };
  }
  const accepted = { acknowledgedBy: 'ann', acknowledgedAt: '2026-01-01T00:00:00.000Z', reason: 'It is known' };

  test('is made anew where it FAILED or is missing, and left alone where it stands', async () => {
    expect(await (await standingAs('stands', {}))(SELECT_X)).toEqual([]);
    expect(await (await standingAs('failed', { status: 'FAILED' }))(SELECT_X)).toEqual([['CREATE', undefined]]);
    expect(await (await standingAs('missing', { drift: {} }))(SELECT_X)).toEqual([['CREATE', undefined]]);
    expect(await (await standingAs('gone', { drift: accepted }))(SELECT_X)).toEqual([['CREATE', undefined]]);
  });

  test('is put right from what AWS holds; what somebody accepted only where the new claim lacks something', async () => {
    const observed = { permissions: SELECT_X, grantable: {}, rows: [] };
    const held = { ...grantOf('told').spec, permissions: SELECT_X };
    expect(await (await standingAs('told', { drift: { observed } }))(SELECT_X)).toEqual([['UPDATE', held]]);
    const known = await standingAs('known', { drift: { observed, ...accepted } });
    expect(await known(SELECT_X)).toEqual([]);
    expect(await known({ SELECT: ['y'] })).toHaveLength(1);
    const wider = { ...observed, permissions: { SELECT: 'ALL_COLUMNS', INSERT: 'ALL_COLUMNS' } };
    expect(await (await standingAs('wider', { drift: { observed: wider, ...accepted } }))(SELECT_X)).toEqual([]);
  });

  test('changes no digest', async () => {
    const repaired = await standingAs('digest_of_failed', {});
    const digest = async () =>
      planDigest(
        await inTransaction((tx) => plan(tx, [{ owner: owner(), resources: [grantOf('digest_of_failed', SELECT_X)] }])),
        { policyVersion: 'v1' },
      );
    const before = await digest();
    const id = resourceId(grantOf('digest_of_failed'));
    await db.prisma.resource.update({ where: { id }, data: { status: 'FAILED' } });
    expect(await digest()).toBe(before);
    expect(await repaired(SELECT_X)).toHaveLength(1);
  });
});

test('retrying makes a resource due at once under a new generation, forgets the tries of one that FAILED, and revives nothing that is gone', async () => {
  const grant = grantOf('retried');
  await declared(owner(), [grant]);
  const retry = () => inTransaction((tx) => retryResource(tx, resourceId(grant)));
  const later = new Date(Date.now() + 60_000);
  const become = (data: { status: 'READY' | 'FAILED' | 'REMOVED'; attempts?: number }) =>
    db.prisma.resource.update({ where: { id: resourceId(grant) }, data: { ...data, nextAttemptAt: later } });
  await become({ status: 'READY' });
  expect(await retry()).toEqual(GOVERNANCE);
  expect(await row(grant)).toMatchObject({ status: 'READY' });
  expect((await row(grant)).nextAttemptAt.getTime()).toBeLessThan(later.getTime());
  await become({ status: 'REMOVED' });
  expect(await retry()).toBeNull();
  await become({ status: 'FAILED', attempts: 4 });
  expect(await retry()).toEqual(GOVERNANCE);
  expect(await row(grant)).toMatchObject({ status: 'PENDING', attempts: 0, generation: 3 });
});
