import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, expect, test } from 'vitest';
import { payload, until } from '../../src/demo/client.js';
import { globalId } from '../../src/governance/global-id.js';
import { disagreements, isAtRest, lookAgain } from '../testkit/mesh-checker.js';
import type { Explain } from '../testkit/mesh-reads.js';
import { type MeshProcess, processMeshOfTest } from '../testkit/process-mesh.js';
import { type Dice, diceOf } from './dice.js';
import { Explain as ExplainAccess, RetryResource, UpdateDomain } from './documents.js';
import { CONSUMER, type Market, openMarket, PRODUCER, range } from './market.js';
import { drawCommand, type Known, publish } from './random-commands.js';
import { drawFault } from './random-faults.js';
import { atScale, isSoak } from './scale.js';

/** Random commands under random faults; when all is calm again, Postgres, the log, AWS and Meshgate's explanations must say the same. */
const COMMANDS = atScale({ quick: 30, soak: 45 });
const CLIENTS = 3;
const FAULTS = atScale({ quick: 4, soak: 5 });

const mesh = await processMeshOfTest({ accounts: [PRODUCER, CONSUMER] });
let apis: MeshProcess[];
let workers: MeshProcess[];
let market: Market;

beforeAll(async () => {
  apis = [await mesh.api(), await mesh.api()];
  workers = [await mesh.worker(), await mesh.worker()];
  await Promise.all([...apis, ...workers].map((each) => each.start()));
  market = await openMarket(mesh, apis);
  for (const domain of Object.values(market.domains)) {
    const input = { domain, foreignGrantPolicy: 'REVOKE' as const };
    await market.ask('admin', async (execute) => payload((await execute(UpdateDomain, { input })).updateDomain));
  }
});

/** SEED=n, or SEED=n,m, runs those alone; else a known one and one that nobody has seen. */
function seeds(): number[] {
  if (process.env.SEED) return process.env.SEED.split(',').map(Number);
  return isSoak ? range(100).map((n) => n + 1) : [2, randomInt(1_000, 1_000_000)];
}

/** What a person needs who wants to see it again. */
const replay = (seed: number): string =>
  `Replay it: ${isSoak ? 'SOAK=1 ' : ''}SEED=${seed} npx vitest run test/faults/randomized.test.ts`;

/** One product of either mode, so that there is something to ask for. */
async function openRun(seed: number): Promise<Known> {
  const known: Known = { name: `run-${seed}`, registered: 0, products: [], requests: [], grants: [] };
  const scene = { mesh, market, known };
  await Promise.all([publish(scene, 'NRAC', 30_000)(), publish(scene, 'LF_TBAC', 30_000)()]);
  return known;
}

/** Each client has dice of its own, so that what it draws does not hang on how fast the others are. Answers how many commands were carried out. */
async function runCommands(known: Known, seed: number, told: string[]): Promise<number> {
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

/** All is well again, whatever failed for good is tried again, and what was changed out of band is found. */
async function calm(): Promise<void> {
  await mesh.sandbox.clearFaults();
  await mesh.sandbox.changeSettings({ visibilityMs: 0 });
  for (const each of [...apis, ...workers]) {
    for (const door of [each.postgres, each.aws]) {
      door.disarm();
      door.open();
    }
    if (!each.running()) await each.start();
  }
  await resting();
  await lookAgain(mesh);
  // What was found may stand on what was repaired only then.
  await lookAgain(mesh);
}

/** What failed for good is tried again as soon as it is seen: what waits for it comes to no rest before. */
function resting(): Promise<unknown> {
  const tries = new Map<string, number>();
  const settle = async (): Promise<true | undefined> => {
    const failed = await mesh.query<{ id: string }>(`SELECT "id" FROM "Resource" WHERE "status" = 'FAILED'`);
    const again = failed.filter(({ id }) => (tries.get(id) ?? 0) < 5);
    for (const { id } of again) {
      tries.set(id, (tries.get(id) ?? 0) + 1);
      await retry(id);
    }
    return again.length === 0 && (await isAtRest(mesh)) ? true : undefined;
  };
  return until('all has come to rest', settle, 40_000);
}

const retry = (id: string): Promise<unknown> =>
  market.ask('admin', async (execute) => {
    const input = { resource: globalId('Resource', id) };
    payload((await execute(RetryResource, { input })).retryResource);
  });

const explain: Explain = (principal, productId) =>
  market.ask('admin', async (execute) => {
    const dataProduct = globalId('DataProduct', productId);
    const { explainAccess } = await execute(ExplainAccess, { principal, dataProduct });
    const open = explainAccess.tables.flatMap(({ name, columns }) =>
      columns.filter(({ allowed }) => allowed).map((column) => `${name}.${column.name}`),
    );
    return new Set(open);
  });

test.for(seeds())(
  'random commands under random faults, and changes that others make, end in agreement (seed %i)',
  { timeout: 240_000 },
  async (seed) => {
    const told: string[] = [];
    const story = (): string => `${replay(seed)}\n${told.join('\n')}`;
    await mesh.sandbox.shareInOrganization(seed % 2 === 1);
    const known = await openRun(seed);
    const [done] = await Promise.all([runCommands(known, seed, told), runFaults(diceOf(seed ^ 0x5eed), told)]);
    await calm().catch(async (error: Error) => {
      const wrong = await disagreements(mesh);
      // What has not come to rest stands first; what can be read meanwhile follows from it.
      throw new Error(`${error.message}\n${wrong.slice(0, 30).join('\n')}\n${story()}`);
    });
    expect(await disagreements(mesh, explain), story()).toEqual([]);
    expect(done, story()).toBeGreaterThan(COMMANDS / 3);
  },
);
