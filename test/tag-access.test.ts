import { beforeAll, expect, test } from 'vitest';
import type { Execute } from '../src/demo/client.js';
import { CONSUMER_ACCOUNT, type MainJob, mainJob, reader } from './testkit/access.js';
import { type Product, productOfTest } from './testkit/product.js';
import { type SandboxControl, sandboxControl } from './testkit/sandbox-control.js';

const PATH = 'logistics/carrier-performance';
const LINK = { account: CONSUMER_ACCOUNT, database: 'logistics__tbac', table: 'carrier_weeks' };

const product: Promise<Product> = productOfTest();
let sandbox: SandboxControl;
let requester: Execute;
let job: MainJob;

beforeAll(async () => {
  const { as, sandbox: url } = await product;
  sandbox = sandboxControl(url);
  requester = await as('oskar.lind');
  job = mainJob({ requester, decider: await as('lena.fischer') });
}, 120_000);

const reads = (principal: string, column = 'on_time_share') => sandbox.canRead({ principal, column, ...LINK });

test('who is granted access by tag reads through the link to the database, and no more once it is revoked', async () => {
  const principals = [reader('tag-one'), reader('tag-two')];
  expect(await reads(principals[0] as string)).toBe(false);
  const grant = await job.grant({ path: PATH, principals });
  for (const principal of principals) expect(await reads(principal)).toBe(true);
  expect(await reads(reader('stranger'))).toBe(false);
  await job.revoke(grant);
  await job.reached(grant, 'REVOKED');
  for (const principal of principals) expect(await reads(principal)).toBe(false);
});
