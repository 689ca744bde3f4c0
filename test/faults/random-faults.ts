import { setTimeout as sleep } from 'node:timers/promises';
import type { MeshProcess, ProcessMesh } from '../testkit/process-mesh.js';
import type { Dice } from './dice.js';

/** The processes that faults befall. */
export interface Cast {
  mesh: ProcessMesh;
  apis: MeshProcess[];
  workers: MeshProcess[];
  dice: Dice;
}

type Fault = (cast: Cast) => () => Promise<unknown>;

/** What AWS may do to any call. */
const AWS_FAULTS = [
  { kind: 'throttle', rate: 0.3 },
  { kind: 'internal', rate: 0.2 },
  { kind: 'timeout-applied', rate: 0.1 },
  { kind: 'timeout-not-applied', rate: 0.1 },
  { kind: 'timeout-applied', rate: 0.05, latencyMs: 1_200 },
  { kind: 'partial', rate: 0.3 },
  { kind: 'concurrent', rate: 0.2 },
  { kind: 'latency', rate: 0.5, latencyMs: 100 },
  { kind: 'outage', rate: 0.3 },
  { service: 'lakeformation', operation: 'BatchGrantPermissions', kind: 'access-denied', rate: 0.6 },
];

const FAULTS: Record<string, Fault> = {
  'AWS fails': ({ mesh, dice }) => {
    const faults = dice.some(AWS_FAULTS).map((fault) => ({ ...fault, seed: dice.upTo(2 ** 31) }));
    return () => mesh.sandbox.addFaults(...faults);
  },
  'AWS is well again':
    ({ mesh }) =>
    () =>
      mesh.sandbox.clearFaults(),
  'listings lag behind': ({ mesh, dice }) => {
    const visibilityMs = 200 + dice.upTo(1_500);
    return () => mesh.sandbox.changeSettings({ visibilityMs });
  },
  'a worker is killed': ({ workers, dice }) => restart(dice.one(workers)),
  'an API is killed': ({ apis, dice }) => restart(dice.one(apis)),
  'a worker sleeps past its lease': ({ workers, dice }) => {
    const worker = dice.one(workers);
    return async () => {
      worker.signal('SIGSTOP');
      await sleep(2_600);
      worker.signal('SIGCONT');
    };
  },
  'AWS cannot be reached': ({ workers, dice }) =>
    shut(
      dice.some(workers).map(({ aws }) => aws),
      200 + dice.upTo(800),
    ),
  'Postgres cannot be reached': ({ apis, workers, dice }) =>
    shut(
      dice.some([...apis, ...workers]).map(({ postgres }) => postgres),
      100 + dice.upTo(400),
    ),
  'the answer of a commit is lost': ({ apis, workers, dice }) => {
    const { postgres } = dice.one([...apis, ...workers]);
    const nth = 1 + dice.upTo(3);
    return async () => {
      const held = await Promise.race([
        postgres.hold({ when: 'after', nth, matches: ({ sql }) => /^commit/i.test(sql) }),
        sleep(1_500, undefined),
      ]);
      if (held) held.cut();
      else postgres.disarm();
    };
  },
};

/** Draws the next fault. */
export function drawFault(cast: Cast): { name: string; run: () => Promise<unknown> } {
  const name = cast.dice.one(Object.keys(FAULTS));
  return { name, run: FAULTS[name]!(cast) };
}

function restart(one: MeshProcess): () => Promise<void> {
  return async () => {
    await one.kill();
    await one.start();
  };
}

function shut(doors: { shut(): void; open(): void }[], ms: number): () => Promise<void> {
  return async () => {
    for (const door of doors) door.shut();
    await sleep(ms);
    for (const door of doors) door.open();
  };
}
