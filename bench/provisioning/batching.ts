import { type Figure, ms, tally, times } from '../figures.js';
import { type Market, names, roleOf, together } from './market.js';
import { CONSUMER, GOVERNANCE, type LoggedCall, type Stack } from './stack.js';

/** Entries in one BatchGrantPermissions (Lake Formation API reference). */
const BATCH = 20;

export interface BatchingSizes {
  products: number;
  tablesEach: number;
  roles: number;
}

/** Every role asks for every product while the worker is down; what it calls once it is up, against the fewest calls there can be. */
export async function measureBatching(stack: Stack, market: Market, sizes: BatchingSizes) {
  const { products, tablesEach, roles } = sizes;
  const ids: string[] = [];
  for (const product of names('batch-', products)) {
    ids.push(await market.publish(product, names(`${product.replace('-', '_')}_`, tablesEach)));
  }
  await stack.stopWorker();
  const wishes = names('batch-reader-', roles).flatMap((role) =>
    ids.map((product) => ({ product, principal: roleOf(role) })),
  );
  const grants = await together(wishes, async (wish) => market.approve(await market.request(wish)));
  const before = await stack.lastCall();
  const begun = performance.now();
  await stack.startWorker();
  await market.active(grants, 600_000);
  const elapsed = performance.now() - begun;
  const calls = await stack.callsAfter(before);
  const tables = products * tablesEach;
  const onTables = roles * tables;
  // In the consumer's account each role may see the database once, and each link.
  const fewest = batches(onTables) + batches(onTables + roles);
  const sent = calls.filter(({ operation }) => operation === 'BatchGrantPermissions').length;
  const others = tally(calls.filter(isOtherWrite).map(({ operation }) => operation));
  const reads = calls.filter(isListing);
  const figures: Figure[] = [
    {
      what: `calls that grant, for ${onTables.toLocaleString('en')} grants on tables (${roles} roles, ${tables} tables, three accounts)`,
      measured: `${sent}, of at least ${fewest}: ${times(sent / fewest)}`,
      target: '<= 1.10 x',
      reached: sent / fewest <= 1.1,
    },
    {
      what: '- listings beside them',
      measured: listed(tally(reads.map(({ operation }) => operation))),
      target: '',
      reached: null,
    },
    { what: `- other writes (${tables} links are new)`, measured: listed(others), target: '', reached: null },
    {
      what: '- until all were granted',
      measured: `${ms(elapsed)}, ${Math.round(onTables / (elapsed / 1_000))} grants/s`,
      target: '',
      reached: null,
    },
  ];
  const bySide = tally(calls.map(({ account, operation }) => `${sideOf(account)} ${operation}`));
  return { figures, detail: { ...sizes, onTables, sent, fewest, elapsedMs: elapsed, calls: bySide } };
}

const batches = (entries: number): number => Math.ceil(entries / BATCH);
const sideOf = (account: string): string =>
  account === GOVERNANCE ? 'governance' : account === CONSUMER ? 'consumer' : 'producer';

/** Getting in by STS, and events on their way out, are no part of it. */
export const isProvisioning = ({ service }: LoggedCall): boolean => ['glue', 'lakeformation', 'ram'].includes(service);
export const isListing = (call: LoggedCall): boolean =>
  isProvisioning(call) && /^(Get|List|Describe|Search)/.test(call.operation);
const isOtherWrite = (call: LoggedCall): boolean =>
  isProvisioning(call) && !isListing(call) && call.operation !== 'BatchGrantPermissions';

/** `10 GetTable, 3 ListPermissions`. */
export const listed = (counts: Record<string, number>): string =>
  Object.entries(counts)
    .map(([name, count]) => `${count} ${name}`)
    .join(', ') || 'none';
