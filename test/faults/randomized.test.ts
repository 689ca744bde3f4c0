import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, expect, test } from 'vitest';
import { until } from '../../src/demo/client.js';
import { disagreements, isAtRest } from '../testkit/mesh-checker.js';
import { type MeshProcess, processMeshOfTest } from '../testkit/process-mesh.js';
import { type Dice, diceOf } from './dice.js';
import { CONSUMER, type Market, openMarket, PRODUCER, range } from './market.js';
import { drawCommand, type Known, publish } from './random-commands.js';
import { drawFault } from './random-faults.js';
import { isSoak } from './scale.js';

/** Random commands under random faults; when all is calm again, Postgres, the log and AWS must say the same. */
const COMMANDS = 45;
const CLIENTS = 3;
const FAULTS = 5;

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

/** SEED=n, or SEED=n,m, runs those alone; else a few known ones and one that nobody has seen. */
function seeds(): number[] {
  if (process.env.SEED) return process.env.SEED.split(',').map(Number);
  return isSoak ? range(100).map((n) => n + 1) : [1, 2, randomInt(1_000, 1_000_000)];
}

/** What a person needs who wants to see it again. */
const replay = (seed: number): string => `Replay it: SEED=${seed} npx vitest run test/faults/randomized.test.ts`;

/** Each client has dice of its own, so that what it draws does not hang on how fast the others are. Answers how many commands were carried out. */
async function runCommands(seed: number, told: string[]): Promise<number> {
  const known: Known = { name: `run-${seed}`, registered: 0, products: [], requests: [], grants: [] };
  await Promise.all([publish({ mesh, market, known }, 30_000)(), publish({ mesh, market, known }, 30_000)()]);
  let done = 0;
  const client = async (dice: Dice): Promise<void> => {
    for (const _ of range(COMMANDS / CLIENTS)) {
      const { name, run } = drawCommand({ mesh, market, known, dice });
      const refusal = await run().then(
        () => null,
        (error: unknown) => String(error),
      );
      told.push(refusal === null ? name : `${name}: ${refusal}`);
      if (refusal === null) done += 1;
    }
  };
  await Promise.all(range(CLIENTS).map((n) => client(diceOf(seed * CLIENTS + n))));
  return done;
}

async function runFaults(dice: Dice, told: string[]): Promise<void> {
  for (const _ of range(FAULTS)) {
    const { name, run } = drawFault({ mesh, apis, workers, dice });
    told.push(`-- ${name}`);
    await run();
    await sleep(dice.upTo(500));
  }
}

async function calm(): Promise<void> {
  await mesh.sandbox.clearFaults();
  for (const each of [...apis, ...workers]) {
    for (const door of [each.postgres, each.aws]) {
      door.disarm();
      door.open();
    }
    if (!each.running()) await each.start();
  }
}

test.for(seeds())(
  'random commands under random faults end in agreement (seed %i)',
  { timeout: 180_000 },
  async (seed) => {
    const told: string[] = [];
    const [done] = await Promise.all([runCommands(seed, told), runFaults(diceOf(seed ^ 0x5eed), told)]);
    await calm();
    const story = (): string => `${replay(seed)}\n${told.join('\n')}`;
    await until('all has come to rest', async () => ((await isAtRest(mesh)) ? true : undefined), 30_000).catch(
      async (error: Error) => {
        const wrong = await disagreements(mesh);
        throw new Error(`${error.message}\n${wrong.join('\n')}\n${story()}`);
      },
    );
    expect(await disagreements(mesh), story()).toEqual([]);
    expect(done, story()).toBeGreaterThan(COMMANDS / 3);
  },
);
