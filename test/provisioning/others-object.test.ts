import { describe, expect, test } from 'vitest';
import { retryResource } from '../../src/provisioning/declare.js';
import { desire } from '../../src/provisioning/kinds.js';
import { specText } from '../../src/provisioning/merge.js';
import { resourceId } from '../../src/provisioning/resource.js';
import { GOVERNANCE, tableInGovernance } from './desired.js';
import { allAre, db, declared, errorOf, eventsOf, nameOf, row, start, useLanes, world } from './lanes.js';
import { AwsFailure, eventually, owner } from './world.js';

useLanes();

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
    await eventually(allAre('READY'), 'taken over');
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
    desire('SchemaRegistration', at, { registry: 'mesh', name: 'another', definition: { type: 'object' } }),
    desire('QualityRuleset', at, { name: 'another', database: 'sales', table: 'orders', rules: ['RowCount > 0'] }),
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
    await eventually(allAre('READY'), 'ready');
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
    await eventually(allAre('READY'), 'ready');
    reconciler.wake((await declared(who, [])).changedLanes);
    await eventually(async () => (await row(table)).status === 'REMOVED', 'removed');
    world.objects.set(nameOf(table), 'made since by somebody else');
    reconciler.wake((await declared(who, tableInGovernance('orders'))).changedLanes);
    await eventually(async () => (await row(table)).status === 'FAILED', 'refused');
    expect(world.objects.get(nameOf(table))).toBe('made since by somebody else');
  });
});
