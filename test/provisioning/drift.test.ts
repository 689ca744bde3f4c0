import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { declare, retryResource } from '../../src/provisioning/declare.js';
import type { Drift } from '../../src/provisioning/drift.js';
import type { LastError } from '../../src/provisioning/due.js';
import { desire, type SpecOf } from '../../src/provisioning/kinds.js';
import { tagPolicy } from '../../src/provisioning/lake-resource.js';
import { specText } from '../../src/provisioning/merge.js';
import type { Owner } from '../../src/provisioning/reckon.js';
import type { Reconciler } from '../../src/provisioning/reconcile.js';
import { type DesiredResource, resourceId } from '../../src/provisioning/resource.js';
import { type Database, openDatabase } from '../../src/server/database.js';
import { createTestDatabase, type TestDatabase } from '../testkit/database.js';
import { ANALYST, CORRELATION, GOVERNANCE, grantOf, tableInGovernance } from './desired.js';
import { AwsFailure, eventually, owner, reconcilerOf, World } from './world.js';

let database: TestDatabase;
let db: Database;
let world: World;
let running: Reconciler[];
let before: bigint;

beforeAll(async () => {
  database = await createTestDatabase();
  db = openDatabase(database.serverUrl, { poolSize: 12 });
});
afterAll(async () => {
  await db?.close();
  await database?.drop();
});
beforeEach(async () => {
  world = new World();
  running = [];
  await db.prisma.foreignGrant.deleteMany();
  await db.prisma.resourceClaim.deleteMany();
  await db.prisma.resource.deleteMany();
  before = (await db.prisma.eventPending.aggregate({ _max: { position: true } }))._max.position ?? 0n;
});
afterEach(async () => {
  await Promise.all(running.map((reconciler) => reconciler.stop()));
});

type Options = Parameters<typeof reconcilerOf>[2];
function start(options: Options = {}): Reconciler {
  const reconciler = reconcilerOf(db, world, options);
  running.push(reconciler);
  return reconciler;
}
const reporting: Options = { driftPolicies: async (ids) => new Map(ids.map((id) => [id, 'REPORT'])) };

const declared = (who: Owner, resources: DesiredResource[]) =>
  db.prisma.$transaction((tx) => declare(tx, { owner: who, resources, correlationId: CORRELATION }));
const row = (resource: DesiredResource) =>
  db.prisma.resource.findUniqueOrThrow({ where: { id: resourceId(resource) } });
const driftOf = async (resource: DesiredResource) => (await row(resource)).drift as Drift | null;
const errorOf = async (resource: DesiredResource) => (await row(resource)).lastError as LastError | null;
const allReady = async () => (await db.prisma.resource.count({ where: { status: { not: 'READY' } } })) === 0;
const eventsOf = async (type: string) => {
  const where = { type, position: { gt: before } };
  const events = await db.prisma.eventPending.findMany({ where, orderBy: { position: 'asc' } });
  return events.map(({ data }) => data as Record<string, never>);
};
const nameOf = ({ account, kind, key }: DesiredResource) => `${account} ${kind} ${key}`;
/** Everything READY is looked at now, and has been when this resolves. */
async function look(reconciler: Reconciler): Promise<void> {
  const [clock] = await db.prisma.$queryRaw<{ now: Date }[]>`SELECT clock_timestamp() AS now`;
  await db.prisma.resource.updateMany({ where: { status: 'READY' }, data: { nextAttemptAt: clock!.now } });
  reconciler.wake([GOVERNANCE]);
  await eventually(
    async () =>
      (await db.prisma.resource.count({ where: { status: 'READY', nextAttemptAt: { lte: clock!.now } } })) === 0 &&
      reconciler.status().running.length === 0,
    'all were looked at',
  );
}

describe('a domain that wants to be told, and nothing repaired', () => {
  const grant = grantOf('orders');
  let reconciler: Reconciler;
  beforeEach(async () => {
    reconciler = start(reporting);
    reconciler.wake((await declared(owner(), [...tableInGovernance('orders'), grant])).changedLanes);
    await eventually(allReady, 'granted');
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
      policy: 'REPORT',
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

  test('has it repaired by a retry, and is told so', async () => {
    world.objects.delete(nameOf(grant));
    await look(reconciler);
    reconciler.wake([(await db.prisma.$transaction((tx) => retryResource(tx, resourceId(grant))))!]);
    await eventually(async () => (await eventsOf('ResourceRepaired')).length === 1, 'repaired');
    expect(world.objects.has(nameOf(grant))).toBe(true);
    expect(await eventsOf('ResourceRepaired')).toMatchObject([{ by: 'MESHGATE' }]);
    expect(await row(grant)).toMatchObject({ status: 'READY', drift: null, unhealthySince: null });
    expect(await eventsOf('ResourceDrifted')).toHaveLength(1);
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
    expect(await eventsOf('ResourceDrifted')).toMatchObject([{ policy: 'REPAIR', differences: ['it is missing'] }]);
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
    await eventually(allReady, 'applied');
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

describe("another's object under the name that is wanted", () => {
  const table = tableInGovernance('orders')[3]!;

  test('is not changed: the resource fails with the difference, until somebody says to take it over', async () => {
    world.objects.set(nameOf(table), 'a table of somebody else');
    const reconciler = start();
    reconciler.wake((await declared(owner(), tableInGovernance('orders'))).changedLanes);
    await eventually(async () => (await row(table)).status === 'FAILED', 'refused');
    expect(await errorOf(table)).toMatchObject({ code: 'AlreadyExists' });
    expect((await errorOf(table))?.message).toContain('a table of somebody else');
    expect(await eventsOf('ResourceStuck')).toMatchObject([
      { status: 'FAILED', code: 'AlreadyExists', key: table.key },
    ]);
    expect(world.objects.get(nameOf(table))).toBe('a table of somebody else');
    const retry = (takeOver: boolean) =>
      db.prisma.$transaction((tx) => retryResource(tx, resourceId(table), { takeOver }));
    reconciler.wake([(await retry(false))!]);
    await eventually(async () => (await eventsOf('ResourceStuck')).length === 2, 'refused again');
    reconciler.wake([(await retry(true))!]);
    await eventually(allReady, 'taken over');
    expect(world.objects.get(nameOf(table))).toBe(specText(table.spec));
  });

  test('stays when nobody wants ours any more', async () => {
    world.objects.set(nameOf(table), 'a table of somebody else');
    const who = owner();
    const reconciler = start();
    reconciler.wake((await declared(who, tableInGovernance('orders'))).changedLanes);
    await eventually(async () => (await row(table)).status === 'FAILED', 'refused');
    reconciler.wake((await declared(who, [])).changedLanes);
    await eventually(async () => (await row(table)).status === 'REMOVED', 'let go');
    expect(world.objects.get(nameOf(table))).toBe('a table of somebody else');
  });

  const at = GOVERNANCE;
  const target = { catalogId: '222222222222', database: 'sales' };
  test.each([
    desire('GlueDatabase', at, { name: 'another', parameters: {} }),
    desire('DatabaseLink', at, { name: 'another', target }),
    desire('TableLink', at, { database: 'local', name: 'orders', target: { ...target, table: 'orders' } }),
    desire('DataLocation', at, { arn: 'arn:aws:s3:::lake/another', roleArn: 'arn:aws:iam::111111111111:role/lake' }),
    desire('DataFilter', at, {
      database: 'sales',
      table: 'orders',
      name: 'f',
      columns: 'ALL_COLUMNS',
      rowFilter: null,
    }),
    desire('EventRule', at, { bus: 'mesh', name: 'another', pattern: {}, targets: [] }),
  ])('is neither changed nor removed: $kind', async (wanted) => {
    world.objects.set(nameOf(wanted), 'made by somebody else');
    const who = owner();
    const reconciler = start();
    reconciler.wake((await declared(who, [wanted])).changedLanes);
    await eventually(async () => (await row(wanted)).status === 'FAILED', 'refused');
    reconciler.wake((await declared(who, [])).changedLanes);
    await eventually(async () => (await row(wanted)).status === 'REMOVED', 'let go');
    expect(world.objects.get(nameOf(wanted))).toBe('made by somebody else');
    expect(world.changes()).toEqual([]);
  });

  test('is ours where it is as it must be, and where an answer of AWS was lost', async () => {
    world.objects.set(nameOf(table), specText(table.spec));
    let lost = false;
    world.meddle = ({ kind, operation, keys }) => {
      if (kind !== 'GlueDatabase' || operation !== 'apply' || lost) return;
      lost = true;
      world.objects.set(`${GOVERNANCE.account} GlueDatabase ${keys[0]}`, 'half made');
      throw new AwsFailure('TimeoutError', 'OBSERVE');
    };
    const reconciler = start();
    reconciler.wake((await declared(owner(), tableInGovernance('orders'))).changedLanes);
    await eventually(allReady, 'ready');
    expect(world.changes().filter(({ kind }) => kind === 'GlueTable')).toEqual([]);
    expect(await eventsOf('ResourceStuck')).toEqual([]);
  });

  test('is not changed either where it was made between our look and our call', async () => {
    world.refuse = ({ kind, operation }, key) => {
      if (kind !== 'GlueTable' || operation !== 'apply') return null;
      world.objects.set(`${GOVERNANCE.account} GlueTable ${key}`, 'made at the same moment');
      return new AwsFailure('AlreadyExistsException', 'OBSERVE', { untouched: true });
    };
    const reconciler = start();
    reconciler.wake((await declared(owner(), tableInGovernance('orders'))).changedLanes);
    await eventually(async () => (await row(table)).status === 'FAILED', 'refused');
    expect(await errorOf(table)).toMatchObject({ code: 'AlreadyExists' });
    expect(world.objects.get(nameOf(table))).toBe('made at the same moment');
  });

  test.each([
    ['AccessDeniedException', 'PROPAGATION'],
    ['ThrottlingException', 'RETRY'],
    ['ValidationException', 'PERMANENT'],
  ] as const)('is not ours as AWS had refused to make ours: %s', async (code, treatment) => {
    world.refuse = ({ kind, operation }) =>
      kind === 'GlueTable' && operation === 'apply' ? new AwsFailure(code, treatment, { untouched: true }) : null;
    const who = owner();
    const reconciler = start();
    reconciler.wake((await declared(who, tableInGovernance('orders'))).changedLanes);
    await eventually(async () => (await errorOf(table))?.code === code, 'refused');
    world.objects.set(nameOf(table), 'made since by somebody else');
    world.refuse = () => null;
    reconciler.wake([(await db.prisma.$transaction((tx) => retryResource(tx, resourceId(table))))!]);
    await eventually(async () => (await errorOf(table))?.code === 'AlreadyExists', 'left alone');
    reconciler.wake((await declared(who, [])).changedLanes);
    await eventually(async () => (await row(table)).status === 'REMOVED', 'let go');
    expect(world.objects.get(nameOf(table))).toBe('made since by somebody else');
  });

  test('is not ours as the process stopped before ours was sent', async () => {
    let stopped: Promise<void> | undefined;
    world.meddle = ({ kind, operation }) => {
      if (kind === 'GlueDatabase' && operation === 'observe') stopped ??= reconciler.stop();
    };
    const database = tableInGovernance('orders').find(({ kind }) => kind === 'GlueDatabase')!;
    const reconciler = start();
    reconciler.wake((await declared(owner(), tableInGovernance('orders'))).changedLanes);
    await eventually(async () => stopped !== undefined, 'stopped');
    await stopped;
    expect(await row(database)).toMatchObject({ status: 'PENDING', unconfirmedSpec: null, ours: false });
  });

  test('is not ours any more once ours was removed', async () => {
    const who = owner();
    const reconciler = start();
    reconciler.wake((await declared(who, tableInGovernance('orders'))).changedLanes);
    await eventually(allReady, 'ready');
    reconciler.wake((await declared(who, [])).changedLanes);
    await eventually(async () => (await row(table)).status === 'REMOVED', 'removed');
    world.objects.set(nameOf(table), 'made since by somebody else');
    reconciler.wake((await declared(who, tableInGovernance('orders'))).changedLanes);
    await eventually(async () => (await row(table)).status === 'FAILED', 'refused');
    expect(world.objects.get(nameOf(table))).toBe('made since by somebody else');
  });
});

test('a crawl that has succeeded is over, whatever its crawler does by hand', async () => {
  const link = { database: 'local', table: 'orders' };
  const target = { catalogId: GOVERNANCE.account, database: 'sales', table: 'orders' };
  const names = { name: 'meshgate-orders', run: '1', roleArn: 'arn:aws:iam::111111111111:role/crawler' };
  const crawl = desire('CrawlerRun', GOVERNANCE, { ...names, link, target });
  const reconciler = start();
  reconciler.wake((await declared(owner(), [crawl])).changedLanes);
  await eventually(allReady, 'crawled');
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
    await eventually(allReady, 'narrowed');
    await look(reconciler);
    world.objects.set(nameOf(wider), specText(wider.spec));
    await look(reconciler);
    await eventually(async () => world.objects.get(nameOf(wider)) === specText(narrower.spec), 'narrowed again');
    await eventually(allReady, 'confirmed');
    await look(reconciler);
    expect((await row(narrower)).unconfirmedSpec).not.toBeNull();
    await db.prisma.resource.updateMany({ data: { unconfirmedAt: new Date(Date.now() - 61_000) } });
    await look(reconciler);
    expect(await row(narrower)).toMatchObject({ unconfirmedSpec: null, drift: null });
    expect(await eventsOf('ResourceDrifted')).toEqual([]);
  },
);

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
    await eventually(allReady, 'granted', 60_000);
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
        policy: 'REPORT',
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
    await eventually(allReady, 'tagged');
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
    expect(await allReady()).toBe(true);
  });

  test("is silent about Meshgate's own role, about what is on its way, and about objects that are not the mesh's", async () => {
    await granted(1);
    world.meddleWith(GOVERNANCE.account, { ...foreign(), principal: 'arn:aws:iam::111111111111:role/meshgate' });
    world.meddleWith(GOVERNANCE.account, grantOf('unknown', undefined, intruder).spec as SpecOf<'LfGrant'>);
    const leaving = owner();
    const mine = grantOf('orders', undefined, `${ANALYST}-mine`);
    reconciler.wake((await declared(leaving, [mine])).changedLanes);
    await eventually(allReady, 'granted');
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
  await eventually(allReady, 'ready');
  world.meddleWith(GOVERNANCE.account, grantOf('orders', undefined, ANALYST).spec as SpecOf<'LfGrant'>);
  await look(reconciler);
  expect(await db.prisma.foreignGrant.count()).toBe(1);
});
