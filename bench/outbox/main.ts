import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { PutEventsCommand, type PutEventsRequestEntry } from '@aws-sdk/client-eventbridge';
import pg from 'pg';
import pino from 'pino';
import { createPutEvents } from '../../src/aws/event-bridge.js';
import { toEntry } from '../../src/events/entries.js';
import { startListener } from '../../src/events/listen.js';
import { startPublisher } from '../../src/events/publisher.js';
import { readEvents } from '../../src/events/read.js';
import { type Figure, table } from '../figures.js';
import { type Seen, serveSink } from './sink.js';
import { type Stage, setStage } from './stage.js';

/** Events of a run, and how often each is run. */
const FULL = { events: 50_000, rounds: 5 };
const QUICK: typeof FULL = { events: 5_000, rounds: 1 };
const TARGET = 10_000;
const FAILING_OF_100 = 1;
const BUS = 'central-mesh-bus';
const silent = pino({ level: 'silent' });

/** One run: events a second, and what the sink saw. */
interface Run {
  perSecond: number;
  cpuSeconds: number;
  seen: Seen;
}

async function timed(
  stage: Stage,
  { events, failingOf100 = 0 }: { events: number; failingOf100?: number },
  send: () => Promise<void>,
): Promise<Run> {
  await stage.begin(failingOf100);
  const cpu = process.cpuUsage();
  const began = performance.now();
  await send();
  const perSecond = (events / (performance.now() - began)) * 1_000;
  const { user, system } = process.cpuUsage(cpu);
  return { perSecond, cpuSeconds: (user + system) / 1e6, seen: await stage.seen() };
}

/** The product's own publisher over the log, from the first event on. */
async function publish(stage: Stage, events: number): Promise<void> {
  await stage.owner.query(`DELETE FROM "EventCursor" WHERE "reader" = 'eventbridge'`);
  const pool = new pg.Pool({ connectionString: stage.serverUrl, max: 4 });
  const listener = startListener({ databaseUrl: stage.serverUrl, log: silent });
  const put = createPutEvents(stage.client);
  const publisher = startPublisher({ pool, listener, put, bus: BUS, busStands: async () => true, log: silent });
  while ((publisher.position ?? 0n) < BigInt(events)) await new Promise((resolve) => setTimeout(resolve, 5));
  await publisher.stop();
  await listener.stop();
  await pool.end();
}

/** What the SDK alone comes to: the same entries, made beforehand, ten a request, one request after another. No log, no cursor. */
async function sdkLoop(stage: Stage, requests: PutEventsRequestEntry[][]): Promise<void> {
  for (const Entries of requests) await stage.client.send(new PutEventsCommand({ Entries }));
}

/** An outbox as one writes it: ten rows, an entry of each, PutEvents, the cursor, one after another. */
async function plainOutbox(stage: Stage, events: number): Promise<void> {
  const db = new pg.Client({ connectionString: stage.serverUrl });
  await db.connect();
  await db.query(
    `INSERT INTO "EventCursor" ("reader", "updatedAt") VALUES ('plain', now()) ON CONFLICT ("reader") DO UPDATE SET "seq" = 0`,
  );
  for (let seq = 0n; seq < BigInt(events); ) {
    const rows = await readEvents(db as never, { after: seq, limit: 10 });
    const Entries = rows.map((event) => asRequest(toEntry(event, { bus: BUS, names: new Map() })));
    await stage.ordinaryClient.send(new PutEventsCommand({ Entries }));
    seq = rows.at(-1)!.seq;
    await db.query(`UPDATE "EventCursor" SET "seq" = $1, "updatedAt" = now() WHERE "reader" = 'plain'`, [seq]);
  }
  await db.end();
}

function asRequest(entry: ReturnType<typeof toEntry>): PutEventsRequestEntry {
  const { bus, source, detailType, detail, resources, time } = entry;
  return {
    EventBusName: bus,
    Source: source,
    DetailType: detailType,
    Detail: detail,
    Resources: resources,
    Time: time,
  };
}

async function requestsOf(stage: Stage, events: number): Promise<PutEventsRequestEntry[][]> {
  const rows = await readEvents(stage.owner, { after: 0n, limit: events });
  const entries = rows.map((event) => asRequest(toEntry(event, { bus: BUS, names: new Map() })));
  return Array.from({ length: Math.ceil(events / 10) }, (_, n) => entries.slice(n * 10, n * 10 + 10));
}

const median = (values: number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
const rate = (runs: Run[]): number => median(runs.map(({ perSecond }) => perSecond));
const shown = (perSecond: number): string => `${Math.round(perSecond).toLocaleString('en')} events/s`;

function figuresOf(runs: Record<'meshgate' | 'sdk' | 'plain', Run[]>, failing: Run, sizes: typeof FULL): Figure[] {
  const ours = rate(runs.meshgate);
  const cpu = (of: Run[]) => `${median(of.map(({ cpuSeconds }) => (cpuSeconds / sizes.events) * 1e6)).toFixed(0)} µs`;
  const sound = runs.meshgate.every(({ seen }) => seen.distinct === sizes.events && seen.entries === sizes.events);
  const { failed, lost, distinct, resentThoughTaken } = failing.seen;
  return [
    {
      what: `the publisher, ${sizes.events.toLocaleString('en')} events of the log, median of ${sizes.rounds}`,
      measured: shown(ours),
      target: `>= ${shown(TARGET)}`,
      reached: ours >= TARGET,
    },
    {
      what: '- CPU of its process, an event; of the SDK alone',
      measured: `${cpu(runs.meshgate)}; ${cpu(runs.sdk)}`,
      target: '',
      reached: null,
    },
    { what: '- each event sent once and no more', measured: sound ? 'yes' : 'no', target: 'yes', reached: sound },
    {
      what: '- the SDK alone, entries made beforehand, no log: a request after another',
      measured: shown(rate(runs.sdk)),
      target: '',
      reached: null,
    },
    { what: '- ratio to that', measured: `${(ours / rate(runs.sdk)).toFixed(2)} x`, target: '', reached: null },
    {
      what: '- a plain outbox: ten rows, PutEvents, cursor, one after another',
      measured: shown(rate(runs.plain)),
      target: '',
      reached: null,
    },
    { what: '- ratio to that', measured: `${(ours / rate(runs.plain)).toFixed(2)} x`, target: '', reached: null },
    {
      what: `${sizes.events.toLocaleString('en')} events of which ${FAILING_OF_100} % fail once: lost; failed and sent again; sent again though taken`,
      measured: `${sizes.events - distinct}; ${failed - lost} of ${failed}; ${resentThoughTaken}`,
      target: '0; all; 0',
      reached: distinct === sizes.events && lost === 0 && failed > 0 && resentThoughTaken === 0,
    },
  ];
}

async function main(): Promise<void> {
  const { values: options } = parseArgs({
    options: { quick: { type: 'boolean', default: false }, json: { type: 'string', default: '.bench/outbox.json' } },
  });
  const sizes = options.quick ? QUICK : FULL;
  process.stderr.write(`starting Postgres and the sink, numbering ${sizes.events} events\n`);
  const stage = await setStage(sizes.events);
  try {
    const requests = await requestsOf(stage, sizes.events);
    const runs = { meshgate: [] as Run[], sdk: [] as Run[], plain: [] as Run[] };
    // Once unmeasured, so that what is compiled on the way is compiled for all.
    await sdkLoop(stage, requests.slice(0, 200));
    await publish(stage, Math.min(2_000, sizes.events));
    for (let round = 1; round <= sizes.rounds; round += 1) {
      process.stderr.write(`round ${round} of ${sizes.rounds}\n`);
      const { events } = sizes;
      runs.sdk.push(await timed(stage, { events }, () => sdkLoop(stage, requests)));
      runs.meshgate.push(await timed(stage, { events }, () => publish(stage, events)));
      runs.plain.push(await timed(stage, { events }, () => plainOutbox(stage, events)));
    }
    process.stderr.write('with failures\n');
    const { events } = sizes;
    const failing = await timed(stage, { events, failingOf100: FAILING_OF_100 }, () => publish(stage, events));
    tell(figuresOf(runs, failing, sizes), { file: options.json, detail: { sizes, runs, failing } });
  } finally {
    await stage.close();
  }
}

function tell(figures: Figure[], { file, detail }: { file: string; detail: object }): void {
  const machine = `Node ${process.versions.node}, ${availableParallelism()} x ${cpus()[0]?.model ?? 'unknown'}`;
  process.stdout.write(`${table(figures)}\n\n${machine}\n`);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify({ machine, at: new Date().toISOString(), figures, ...detail }, null, 2)}\n`);
}

if (process.argv[2] === 'sink') await serveSink();
else await main();
