import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { encodeCursor } from '../../src/events/cursor.js';
import { type Figure, ms, percentile, table } from '../figures.js';
import { serveSandbox } from '../provisioning/stack.js';
import { type Crowd, count, disperse, gather, join, type Run } from './crowd.js';
import { serveLoad } from './load.js';
import { type PeerKind, servePeer } from './peers.js';
import { now } from './protocol.js';
import { openStage, type Server, type Stage } from './stage.js';

const FULL = {
  subscribers: [1_000, 5_000, 10_000],
  deliveries: 1_000_000,
  rounds: 5,
  paced: { perSecond: 20, seconds: 15 },
  singles: 20,
  resumed: 1_000,
  processes: 2,
};
const QUICK: typeof FULL = {
  subscribers: [200],
  deliveries: 20_000,
  rounds: 2,
  paced: { perSecond: 20, seconds: 2 },
  singles: 4,
  resumed: 300,
  processes: 2,
};

/** What can be measured alone, by name. */
const SCENARIOS = ['one', 'paced', 'many', 'resume'] as const;
type Scenario = (typeof SCENARIOS)[number];

const tell = (line: string): boolean => process.stderr.write(`${line}\n`);
const perSecond = ({ messages, ms: took }: Run): number => (messages / took) * 1_000;
const thousands = (value: number): string => `${Math.round(value / 1_000).toLocaleString('en')},000/s`;
const median = (values: number[]): number => percentile(values, 0.5);
const megabytes = (bytes: number): string => `${Math.round(bytes / 1_048_576)} MB`;

/** So many events at once, each server in turn, round after round. */
async function flood(crowds: Crowd[], { deliveries, rounds }: typeof FULL): Promise<Record<string, Run[]>> {
  const runs: Record<string, Run[]> = Object.fromEntries(crowds.map(({ server }) => [server.name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const crowd of crowds) {
      const events = Math.max(10, Math.round(deliveries / crowd.size));
      runs[crowd.server.name]!.push(await count(crowd, { expected: events }, () => crowd.server.send(events)));
      await sleep(500);
    }
  }
  return runs;
}

/** One event after the other, each at its time. */
async function pace(crowd: Crowd, { events, everyMs }: { events: number; everyMs: number }): Promise<Run> {
  return count(crowd, { expected: events, timed: true }, async () => {
    const began = now();
    const sending: Promise<number[]>[] = [];
    for (let n = 0; n < events; n += 1) {
      await sleep(Math.max(0, began + n * everyMs - now()));
      sending.push(crowd.server.send(1));
    }
    return (await Promise.all(sending)).flat();
  });
}

/** All at once come back after different events of the past, while new ones happen. */
async function resume(stage: Stage, sizes: typeof FULL): Promise<Run & { took: number }> {
  const size = sizes.subscribers.at(-1)!;
  const before = await stage.head();
  await stage.ours.send(sizes.resumed);
  while ((await stage.head()) < before + sizes.resumed) await sleep(20);
  const after = Array.from({ length: sizes.resumed }, (_, n) => ({
    cursor: encodeCursor(BigInt(before + n)),
    seq: before + n,
  }));
  const live = 50;
  const crowd = gather(stage, stage.ours, { size, processes: sizes.processes });
  const began = now();
  const run = await count(crowd, { expected: before + sizes.resumed + live, check: true }, async () => {
    const joining = join(crowd, stage.tokens, after);
    for (let n = 0; n < live; n += 1) {
      await stage.ours.send(1);
      await sleep(50);
    }
    await joining;
    return [];
  });
  disperse(crowd);
  return { ...run, took: now() - began };
}

function floodFigures(size: number, runs: Record<string, Run[]>): Figure[] {
  const rate = (name: string): number => median(runs[name]!.map(perSecond));
  const ratio = (name: string): number =>
    median(runs.ours!.map((ours, n) => perSecond(ours) / perSecond(runs[name]![n]!)));
  const loads = Math.max(...Object.values(runs).flatMap((all) => all.map(({ loadShare }) => loadShare)));
  const target = size === 1_000 ? '>= 0.75 x' : '';
  return [
    {
      what: `${size.toLocaleString('en')} subscribers, events that wait: deliveries, ours`,
      measured: `${thousands(rate('ours'))}: ${ratio('raw').toFixed(2)} x a raw frame, ${ratio('send').toFixed(2)} x \`ws.send\`, ${ratio('plain').toFixed(1)} x plain graphql-ws`,
      target,
      reached: target === '' ? null : ratio('raw') >= 0.75,
    },
    {
      what: '- raw frame, `ws.send`, plain graphql-ws',
      measured: ['raw', 'send', 'plain'].map((name) => thousands(rate(name))).join(', '),
      target: '',
      reached: null,
    },
    {
      what: "- busiest load process, against its server's processor time",
      measured: `${Math.round(loads * 100)} %`,
      target: '',
      reached: null,
    },
  ];
}

function pacedFigures(size: number, { ours, raw }: { ours: Run; raw: Run }): Figure[] {
  const target = size === 5_000 ? 'p99 <= 100 ms' : '';
  const each = (run: Run): string => `${run.cpuEach.toFixed(1)} us`;
  return [
    {
      what: `${size.toLocaleString('en')} subscribers x 20 events/s, authorized, from commit: p50 / p99`,
      measured: `${ms(ours.p50)} / ${ms(ours.p99)}; closed ${ours.closed}`,
      target,
      reached: target === '' ? null : ours.p99 <= 100 && ours.closed === 0,
    },
    {
      what: '- raw frame, from the call: p50 / p99',
      measured: `${ms(raw.p50)} / ${ms(raw.p99)}`,
      target: '',
      reached: null,
    },
    {
      what: '- processor time of the server a delivery, ours and raw frame',
      measured: `${each(ours)}, ${each(raw)}: ${(ours.cpuEach / raw.cpuEach).toFixed(2)} x`,
      target: '',
      reached: null,
    },
  ];
}

function singleFigures(size: number, runs: Record<string, Run>): Figure[] {
  const { ours } = runs;
  const target = size === 10_000 ? 'p99 <= 200 ms, RSS <= 600 MB' : '';
  const others = Object.values(runs).filter((run) => run !== ours);
  return [
    {
      what: `${size.toLocaleString('en')} subscribers, one event: p99; resident memory`,
      measured: `${ms(ours!.p99)}; ${megabytes(ours!.rss)}`,
      target,
      reached: target === '' ? null : ours!.p99 <= 200 && ours!.rss <= 600 * 1_048_576,
    },
    {
      what: '- raw frame, `ws.send`, plain graphql-ws: p99',
      measured: others.map(({ p99 }) => ms(p99)).join(', '),
      target: '',
      reached: null,
    },
  ];
}

interface Measuring {
  size: number;
  sizes: typeof FULL;
  wanted: ReadonlySet<Scenario>;
}

async function measure(
  stage: Stage,
  { size, sizes, wanted }: Measuring,
): Promise<{ figures: Figure[]; detail: object }> {
  const servers: Server[] = [...stage.peers, stage.ours];
  const crowds = servers.map((server) => gather(stage, server, { size, processes: sizes.processes }));
  const [raw, , , ours] = crowds as [Crowd, Crowd, Crowd, Crowd];
  const figures: Figure[] = [];
  const detail: Record<string, unknown> = {};
  try {
    for (const crowd of crowds) await join(crowd, stage.tokens);
    await sleep(1_000);
    if (wanted.has('one')) {
      tell(`${size} subscribers: one event`);
      const singles: Record<string, Run> = {};
      for (const crowd of crowds) {
        singles[crowd.server.name] = await pace(crowd, { events: sizes.singles, everyMs: 1_500 });
      }
      figures.push(...singleFigures(size, singles));
      detail.singles = singles;
    }
    if (wanted.has('paced') && size !== 10_000) {
      tell(`${size} subscribers: ${sizes.paced.perSecond} events a second`);
      const steady = { events: sizes.paced.perSecond * sizes.paced.seconds, everyMs: 1_000 / sizes.paced.perSecond };
      const paced = { raw: await pace(raw, steady), ours: await pace(ours, steady) };
      figures.push(...pacedFigures(size, paced));
      detail.paced = paced;
    }
    if (wanted.has('many')) {
      tell(`${size} subscribers: many events at once`);
      const floods = await flood(crowds, sizes);
      figures.unshift(...floodFigures(size, floods));
      detail.floods = floods;
    }
    return { figures, detail };
  } finally {
    crowds.forEach(disperse);
    await sleep(2_000);
  }
}

async function main(): Promise<void> {
  const { values: options, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      subscribers: { type: 'string' },
      json: { type: 'string', default: '.bench/streams.json' },
    },
  });
  const sizes = { ...(options.quick ? QUICK : FULL) };
  if (options.subscribers) sizes.subscribers = options.subscribers.split(',').map(Number);
  const unknown = positionals.find((name) => !SCENARIOS.some((one) => one === name));
  if (unknown !== undefined) throw new Error(`There is no scenario ${unknown}: ${SCENARIOS.join(', ')}.`);
  const wanted = new Set(SCENARIOS.filter((one) => positionals.length === 0 || positionals.includes(one)));
  tell('starting Postgres, sandbox, API and the peers');
  const stage = await openStage();
  const figures: Figure[] = [];
  const details: Record<string, object> = {};
  try {
    const measuresSizes = SCENARIOS.some((one) => one !== 'resume' && wanted.has(one));
    for (const size of measuresSizes ? sizes.subscribers : []) {
      const measured = await measure(stage, { size, sizes, wanted });
      tell(table(measured.figures));
      figures.push(...measured.figures);
      details[size] = measured.detail;
    }
    if (wanted.has('resume')) {
      tell('everybody comes back at once');
      const run = await resume(stage, sizes);
      details.resume = run;
      figures.push({
        what: `${sizes.subscribers.at(-1)!.toLocaleString('en')} clients resume at once, over ${sizes.resumed} events, while 20 a second happen`,
        measured: `${ms(run.took)}; ${run.messages.toLocaleString('en')} events, ${run.outOfOrder} missing or twice, ${run.closed} closed; ${megabytes(run.rss)}`,
        target: '<= 60 s, no gap, no duplicate',
        reached: run.took <= 60_000 && run.outOfOrder === 0 && run.closed === 0,
      });
    }
  } finally {
    await stage.close();
  }
  const machine = `Node ${process.versions.node}, ${availableParallelism()} x ${cpus()[0]?.model ?? 'unknown'}`;
  process.stdout.write(`${table(figures)}\n\n${machine}\n`);
  mkdirSync(dirname(options.json), { recursive: true });
  writeFileSync(
    options.json,
    `${JSON.stringify({ machine, at: new Date().toISOString(), sizes, figures, details }, null, 2)}\n`,
  );
}

const [role, of] = process.argv.slice(2);
if (role === 'sandbox') await serveSandbox(of ?? '');
else if (role === 'load') serveLoad();
else if (role === 'peer') await servePeer(of as PeerKind);
else await main();
