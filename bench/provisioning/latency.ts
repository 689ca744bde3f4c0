import { setTimeout as sleep } from 'node:timers/promises';
import { openStream } from '../../src/demo/stream.js';
import { type Figure, ms, percentile, tally, times } from '../figures.js';
import { isProvisioning, listed } from './batching.js';
import { type Market, names, OWNER_OF_SALES, roleOf } from './market.js';
import { createReplay } from './replay.js';
import type { LoggedCall, Stack } from './stack.js';

/**
 * One grant at a time on an idle mesh: from the approval's request to the AccessGranted event at a subscriber. Each is of a table
 * that nobody of the consumer's account had, so a link is made too. Beside each, the same AWS calls are made in the same order by
 * the SDK alone, for another role on another table.
 */
export async function measureLatency(stack: Stack, market: Market, samples: number) {
  // The first, which accepts the first share between the accounts, is not counted.
  const tables = names('latency_a_', samples + 1);
  const product = await market.publish('latency-a', tables);
  await market.publish('latency-b', names('latency_b_', samples + 1));
  const stream = openStream(stack.graphql, await stack.tokenOf(OWNER_OF_SALES));
  const replay = createReplay(stack.sandbox);
  const through: number[] = [];
  const bare: number[] = [];
  let last: LoggedCall[] = [];
  for (const [n, table] of tables.entries()) {
    const request = await market.request({ product, principal: roleOf(`latency-a-${n}`), tables: [table] });
    const before = await stack.lastCall();
    const begun = performance.now();
    const grant = await market.approve(request);
    await stream.hear('AccessGranted', ({ type, subjectId }) => type === 'ACCESS_GRANTED' && subjectId === grant);
    const elapsed = performance.now() - begun;
    // What follows on the grant's heels, such as the publishing of its events, ends first.
    await sleep(150);
    last = (await stack.callsAfter(before)).filter(isProvisioning);
    const rename = (text: string): string => text.replace(/latency([-_])a/g, 'latency$1b');
    const elapsedBare = await replay(last, rename);
    if (n === 0) continue;
    through.push(elapsed);
    bare.push(elapsedBare);
  }
  await stream.close();
  const [p50, p99] = [percentile(through, 0.5), percentile(through, 0.99)];
  const ratios = through.map((time, n) => time / bare[n]!);
  const figures: Figure[] = [
    {
      what: `approve -> AccessGranted, idle, by name over three accounts, ${samples} samples: p50 / p99`,
      measured: `${ms(p50)} / ${ms(p99)}`,
      target: 'p99 <= 2 s',
      reached: p99 <= 2_000,
    },
    {
      what: '- the same AWS calls in the same order by the SDK alone: p50 / p99',
      measured: `${ms(percentile(bare, 0.5))} / ${ms(percentile(bare, 0.99))}`,
      target: '',
      reached: null,
    },
    { what: '- ratio of the pairs, median', measured: times(percentile(ratios, 0.5)), target: '', reached: null },
    {
      what: '- calls of one',
      measured: listed(tally(last.map(({ operation }) => operation))),
      target: '',
      reached: null,
    },
  ];
  const order = last.map(({ account, service, operation }) => `${account} ${service}:${operation}`);
  return { figures, detail: { productMs: through, bareMs: bare, order } };
}
