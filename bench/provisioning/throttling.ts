import { setTimeout as sleep } from 'node:timers/promises';
import { type Figure, ms, tally, times } from '../figures.js';
import { isProvisioning, listed } from './batching.js';
import { type Market, names, roleOf } from './market.js';
import type { LoggedCall, Stack } from './stack.js';

export interface ThrottlingSizes {
  grants: number;
  seconds: number;
}

/** The same load twice, first undisturbed, then while three calls in ten are throttled. */
export async function measureThrottling(stack: Stack, market: Market, sizes: ThrottlingSizes) {
  const quiet = await runLoad(stack, market, { ...sizes, name: 'quiet', rate: 0 });
  const hit = await runLoad(stack, market, { ...sizes, name: 'throttled', rate: 0.3 });
  const throttled = hit.calls.filter(({ error }) => /throttl/i.test(error ?? ''));
  const ratio = hit.calls.length / quiet.calls.length;
  const figures: Figure[] = [
    {
      what: `${sizes.grants} grants approved evenly over ${sizes.seconds} s in which 30 % of all calls are throttled: until all were granted, after its end`,
      measured: ms(hit.afterMs),
      target: '<= 30 s',
      reached: hit.afterMs <= 30_000,
    },
    { what: '- the same without throttling', measured: ms(quiet.afterMs), target: '', reached: null },
    {
      what: '- calls, against those of the same load without throttling',
      measured: `${hit.calls.length} against ${quiet.calls.length}: ${times(ratio)}`,
      target: '<= 3.00 x',
      reached: ratio <= 3,
    },
    {
      what: '- of them throttled',
      measured: listed(tally(throttled.map(({ operation }) => operation))),
      target: '',
      reached: null,
    },
  ];
  const calls = (run: { calls: LoggedCall[] }) => tally(run.calls.map(({ operation }) => operation));
  return {
    figures,
    detail: { ...sizes, quietMs: quiet.afterMs, hitMs: hit.afterMs, quiet: calls(quiet), hit: calls(hit) },
  };
}

interface Load extends ThrottlingSizes {
  /** Of the product and of the roles. */
  name: string;
  rate: number;
}

async function runLoad(stack: Stack, market: Market, { grants, seconds, name, rate }: Load) {
  const tables = names(`${name}_`, 10);
  const product = await market.publish(name, tables);
  const requests: string[] = [];
  for (const [n, role] of names(`${name}-reader-`, grants).entries()) {
    const table = tables[n % tables.length]!;
    requests.push(await market.request({ product, principal: roleOf(role), tables: [table] }));
  }
  const before = await stack.lastCall();
  if (rate > 0) await stack.setFaults([{ service: '*', operation: '*', kind: 'throttle', rate, seed: 7 }]);
  const begun = performance.now();
  const approved: string[] = [];
  for (const [n, request] of requests.entries()) {
    await sleep(Math.max(0, begun + (n * seconds * 1_000) / grants - performance.now()));
    approved.push(await market.approve(request));
  }
  await sleep(Math.max(0, begun + seconds * 1_000 - performance.now()));
  await stack.clearFaults();
  const ended = performance.now();
  await market.active(approved, 300_000);
  const afterMs = performance.now() - ended;
  const calls = (await stack.callsAfter(before)).filter(isProvisioning);
  return { afterMs, calls };
}
