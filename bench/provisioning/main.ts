import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { type Figure, table } from '../figures.js';
import { measureBatching } from './batching.js';
import { measureExpiry } from './expiry.js';
import { measureLatency } from './latency.js';
import { type Market, openMarket } from './market.js';
import { type Stack, serveSandbox, startStack } from './stack.js';
import { measureThrottling } from './throttling.js';

/** A scenario's figures, and all that they were made from. */
interface Measured {
  figures: Figure[];
  detail: object;
}

const FULL = {
  latency: { samples: 120 },
  throttling: { grants: 240, seconds: 60 },
  expiry: { grants: 1_000 },
  batching: { products: 10, tablesEach: 10, roles: 100 },
};
const QUICK: typeof FULL = {
  latency: { samples: 5 },
  throttling: { grants: 20, seconds: 5 },
  expiry: { grants: 40 },
  batching: { products: 2, tablesEach: 5, roles: 10 },
};

type Scenario = (stack: Stack, market: Market, sizes: typeof FULL) => Promise<Measured>;

/** In this order, as the fewest rows come first. */
const SCENARIOS: Record<keyof typeof FULL, Scenario> = {
  latency: (stack, market, { latency }) => measureLatency(stack, market, latency.samples),
  throttling: (stack, market, { throttling }) => measureThrottling(stack, market, throttling),
  expiry: (stack, market, { expiry }) => measureExpiry(stack, market, expiry),
  batching: (stack, market, { batching }) => measureBatching(stack, market, batching),
};

const tell = (line: string): boolean => process.stderr.write(`${line}\n`);

async function main(): Promise<void> {
  const { values: options, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      json: { type: 'string', default: '.bench/provisioning.json' },
    },
  });
  const chosen = Object.entries(SCENARIOS).filter(([name]) => positionals.length === 0 || positionals.includes(name));
  const sizes = options.quick ? QUICK : FULL;
  tell('starting Postgres, sandbox, API and worker');
  const stack = await startStack();
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void stack.close().finally(() => process.exit(130)));
  const results: Record<string, Measured> = {};
  try {
    await stack.startWorker();
    const market = await openMarket(stack);
    for (const [name, measure] of chosen) {
      tell(`measuring ${name}`);
      results[name] = await measure(stack, market, sizes).catch((error: Error) => failed(name, error));
    }
  } finally {
    await stack.close();
  }
  const machine = `Node ${process.versions.node}, ${availableParallelism()} x ${cpus()[0]?.model ?? 'unknown'}`;
  process.stdout.write(`${table(Object.values(results).flatMap(({ figures }) => figures))}\n\n${machine}\n`);
  mkdirSync(dirname(options.json), { recursive: true });
  writeFileSync(
    options.json,
    `${JSON.stringify({ machine, at: new Date().toISOString(), sizes, results }, null, 2)}\n`,
  );
}

/** One scenario that does not come to its end takes no other's figures away. */
function failed(name: string, { message }: Error): Measured {
  process.exitCode = 1;
  return { figures: [{ what: name, measured: message, target: '', reached: false }], detail: { failed: message } };
}

if (process.argv[2] === 'sandbox') await serveSandbox(process.argv[3] ?? '');
else await main();
