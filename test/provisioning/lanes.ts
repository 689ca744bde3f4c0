import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { declare } from '../../src/provisioning/declare.js';
import type { Drift } from '../../src/provisioning/drift.js';
import type { LastError } from '../../src/provisioning/due.js';
import type { Owner } from '../../src/provisioning/reckon.js';
import { type DesiredResource, resourceId } from '../../src/provisioning/resource.js';
import { type Database, openDatabase } from '../../src/server/database.js';
import { createTestDatabase, type TestDatabase } from '../testkit/database.js';
import { CORRELATION, GOVERNANCE } from './desired.js';
import { eventually, reconcilerOf, World } from './world.js';

/** Real reconcilers over a real database and an AWS in memory; a test file has them by `useLanes()`. */

type Running = ReturnType<typeof reconcilerOf>;

let database: TestDatabase;
let running: Running[];
/** Position of the last event before the test. */
let before: bigint;

/** The file's database, and the world of the test that runs. */
export let db: Database;
export let world: World;

/** Gives each test of the file an empty world and no resources, and stops its reconcilers at its end. */
export function useLanes(): void {
  beforeAll(async () => {
    database = await createTestDatabase();
    db = openDatabase(database.serverUrl, { poolSize: 12 });
  });
  afterAll(async () => {
    await db?.close();
    await database?.leave();
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
}

export type Options = NonNullable<Parameters<typeof reconcilerOf>[2]>;

/** Starts a reconciler that the test's end stops. */
export function start(options: Options = {}): Running {
  const reconciler = reconcilerOf(db, world, options);
  running.push(reconciler);
  return reconciler;
}

/** Changes out of band are told and left alone. */
export const reporting: Options = { driftPolicies: async (ids) => new Map(ids.map((id) => [id, 'REPORT'])) };

export const declared = (who: Owner, resources: DesiredResource[]) =>
  db.prisma.$transaction((tx) => declare(tx, { owner: who, resources, correlationId: CORRELATION }));
export const released = (who: Owner) => declared(who, []);

export const row = (resource: DesiredResource) =>
  db.prisma.resource.findUniqueOrThrow({ where: { id: resourceId(resource) } });
export const driftOf = async (resource: DesiredResource) => (await row(resource)).drift as Drift | null;
export const errorOf = async (resource: DesiredResource) => (await row(resource)).lastError as LastError | null;
export const statuses = async () => (await db.prisma.resource.findMany()).map(({ status }) => status);
export const allAre = (status: string) => async () => (await statuses()).every((found) => found === status);
export const isA = (resource: DesiredResource, status: string) => async () => (await row(resource)).status === status;

/** The data of the test's events of a type, in order. */
export async function eventsOf(type: string): Promise<Record<string, never>[]> {
  const where = { type, position: { gt: before } };
  const events = await db.prisma.eventPending.findMany({ where, orderBy: { position: 'asc' } });
  return events.map(({ data }) => data as Record<string, never>);
}

/** The name of an object in the world. */
export const nameOf = ({ account, kind, key }: DesiredResource) => `${account} ${kind} ${key}`;

/** Everything READY is looked at now, and has been when this resolves. */
export async function look(reconciler: Pick<Running, 'wake' | 'status'>): Promise<void> {
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
