import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, expect, test } from 'vitest';
import { until } from '../../src/demo/client.js';
import type { CallPoint } from '../testkit/aws-proxy.js';
import { disagreements, isAtRest } from '../testkit/mesh-checker.js';
import type { StatementPoint } from '../testkit/postgres-proxy.js';
import { type MeshProcess, processMeshOfTest } from '../testkit/process-mesh.js';
import { CONSUMER, type Market, openMarket, PRODUCER, range, reader, together } from './market.js';
import { atScale, isSoak } from './scale.js';

/** Two APIs and two workers, one after another killed by the kernel at each step of the work, while grants come and go. */
const GRANTS = atScale({ quick: 40, soak: 200 });

const mesh = await processMeshOfTest({ accounts: [PRODUCER, CONSUMER] });
let apis: MeshProcess[];
let workers: MeshProcess[];
let market: Market;

beforeAll(async () => {
  apis = [await mesh.api(), await mesh.api()];
  workers = [await mesh.worker(), await mesh.worker()];
  await Promise.all([...apis, ...workers].map((each) => each.start()));
  market = await openMarket(mesh, apis);
});

/** A moment of a process's life: the one that comes there is killed, and another one takes its place. */
type Point = { name: string } & (({ at: 'postgres' } & StatementPoint) | ({ at: 'aws' } & CallPoint));

const ran = (text: string) => (sql: string) => sql.includes(text);
const statement = (when: Side, name: string, ...texts: string[]): Point => ({
  name: `${when} ${name}`,
  at: 'postgres',
  when,
  matches: ({ sql }) => texts.every((text) => sql.includes(text)),
});
/** The commit of a transaction that ran all of these. */
const commit = (when: Side, name: string, ...texts: string[]): Point => ({
  name: `${when} the commit of ${name}`,
  at: 'postgres',
  when,
  matches: ({ sql, transaction }) => /^commit/i.test(sql) && texts.every((text) => transaction.some(ran(text))),
});
const call = (when: Side, operation: string): Point => ({
  name: `${when} ${operation}`,
  at: 'aws',
  when,
  operation,
});
type Side = 'before' | 'after';
const sides = (of: (when: Side) => Point, only?: Side): Point[] =>
  (only && !isSoak ? [only] : (['before', 'after'] as const)).map(of);

const INSERT_EVENT = 'INSERT INTO "public"."EventPending"';
const apiPoints: Point[] = [
  ...sides((when) => statement(when, "the grant's insert", 'INSERT INTO "public"."AccessGrant"'), 'after'),
  ...sides((when) => statement(when, "the resources' insert", 'INSERT INTO "Resource"'), 'before'),
  ...sides((when) => statement(when, "the event's insert", INSERT_EVENT), 'after'),
  ...sides((when) => commit(when, 'the approval', 'INSERT INTO "public"."AccessGrant"')),
];
/** In `npm test` the steps of giving are met on one side and those of taking away on the other. */
const workerPoints = ({ operation, event, only }: { operation: string; event: string; only: Side }): Point[] => [
  ...sides((when) => statement(when, 'the lane is taken', 'UPDATE "Lane"', '"fence" + 1'), only),
  ...sides((when) => commit(when, 'the marks of what is sent', "THEN 'APPLYING' ELSE 'REMOVING'"), only),
  ...sides((when) => call(when, operation), only),
  ...sides((when) => commit(when, 'the record', '"observedGeneration" = CASE'), only),
  ...sides((when) => commit(when, event, INSERT_EVENT, 'UPDATE "public"."AccessGrant"'), only),
];
const giving = workerPoints({ operation: 'BatchGrantPermissions', event: 'AccessGranted', only: 'after' });
const taking = workerPoints({ operation: 'BatchRevokePermissions', event: 'AccessRevoked', only: 'before' });

/** Arms the point at all of these processes. Answers the one that came there first, once it is killed. */
async function killAt(point: Point, processes: MeshProcess[]): Promise<MeshProcess> {
  const hit = await Promise.race(
    processes.map(async (each) => {
      await (point.at === 'aws' ? each.aws.hold(point) : each.postgres.hold(point));
      return each;
    }),
  );
  for (const { aws, postgres } of processes) [aws, postgres].forEach((door) => void door.disarm());
  await hit.kill();
  return hit;
}

/** Meets each point once, while `busy` keeps the work coming that leads there. What was killed is started anew. */
async function eachOnce(points: Point[], processes: MeshProcess[], busy: () => Promise<unknown>): Promise<void> {
  const starting: Promise<void>[] = [];
  for (const point of points) {
    let met = false;
    const killed = killAt(point, processes).then((hit) => {
      met = true;
      starting.push(hit.start());
    });
    const began = Date.now();
    while (!met) {
      if (Date.now() - began > 90_000) throw new Error(`Nothing came to the point ${point.name}.`);
      await Promise.race([killed, busy()]);
    }
  }
  await Promise.all(starting);
}

const resting = (): Promise<unknown> =>
  until('all has come to rest', async () => ((await isAtRest(mesh)) ? true : undefined), 30_000);

test(`${GRANTS} grants and their end survive kill -9 of API and worker at every step: none lost, none double`, async () => {
  const [requests, grants]: [string[], string[]] = [[], []];
  await together(range(GRANTS), async (n) => {
    requests.push(await market.request({ principals: [reader(n)], tables: ['orders'] }));
  });
  const approveNext = async (): Promise<void> => {
    const request = requests.shift();
    if (request === undefined) return sleep(50);
    grants.push(await market.approve(request));
  };
  await Promise.all([eachOnce(apiPoints, apis, approveNext), eachOnce(giving, workers, approveNext)]);
  await together([...requests], approveNext);
  await resting();
  expect(new Set(grants).size).toBe(GRANTS);
  expect(await disagreements(mesh)).toEqual([]);

  const revokeNext = async (): Promise<void> => {
    const grant = grants.shift();
    if (grant === undefined) return sleep(50);
    await market.revoke(grant);
  };
  await eachOnce(taking, workers, revokeNext);
  await resting();
  expect(await disagreements(mesh)).toEqual([]);
}, 600_000);
