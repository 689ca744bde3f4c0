import { beforeAll, expect, test } from 'vitest';
import type { SpecOf } from '../../src/provisioning/kinds.js';
import type { LfResource } from '../../src/provisioning/lake-resource.js';
import { sandboxOfTest } from '../sandbox/testkit.js';
import * as mesh from './mesh.js';
import { awsOver, C, callsOf, changing, control, drift, driver, G } from './testkit.js';

/** Crawls in C of a table of G, through a link, as a role with grants of its own. */

const sandbox = await sandboxOfTest({ ramSharing: true });
const aws = awsOver(sandbox);
const runs = driver(aws, 'CrawlerRun', C);
const ALL = 'ALL_COLUMNS' as const;
const roleArn = `arn:aws:iam::${C}:role/service-role/crawler`;
const run = (id: string): SpecOf<'CrawlerRun'> => ({
  name: 'meshgate-sales-orders',
  run: id,
  roleArn,
  link: { database: mesh.ordersLink.database, table: mesh.ordersLink.name },
  target: mesh.ordersLink.target,
});
const crawlMs = (ms: number) => control(sandbox, '/settings', { crawlMs: ms });

async function put(key: string, body: string): Promise<void> {
  const answer = await fetch(`${sandbox.url}/_sandbox/s3/lake/${key}`, { method: 'PUT', body });
  expect(answer.status).toBe(200);
}

const grant = (
  account: string,
  principal: string,
  resource: LfResource,
  permissions: SpecOf<'LfGrant'>['permissions'],
) =>
  driver(aws, 'LfGrant', account).apply({
    principal,
    resource,
    permissions,
    grantable: principal === C ? permissions : {},
  });

const finished = (spec: SpecOf<'CrawlerRun'>) =>
  expect.poll(async () => (await runs.observe(spec))[0]?.state, { timeout: 5_000 }).not.toBe('WAITING');

beforeAll(async () => {
  await crawlMs(30);
  await mesh.govern(aws);
  await mesh.publish(aws);
  await driver(aws, 'GlueTable', G).apply({ ...mesh.ordersTable, format: 'JSON', columns: [], partitionKeys: [] });
  await driver(aws, 'GlueDatabase', C).apply(mesh.localDatabase);
  await driver(aws, 'TableLink', C).apply(mesh.ordersLink);
  const write = { SELECT: ALL, INSERT: ALL, ALTER: ALL, DESCRIBE: ALL };
  const location: LfResource = { type: 'DATA_LOCATION', catalogId: G, arn: mesh.LOCATION };
  expect(await grant(G, C, mesh.orders, write)).toEqual([{ ok: true }]);
  expect(await grant(G, C, location, { DATA_LOCATION_ACCESS: ALL })).toEqual([{ ok: true }]);
  expect(await grant(C, roleArn, mesh.orders, write)).toEqual([{ ok: true }]);
  expect(await grant(C, roleArn, location, { DATA_LOCATION_ACCESS: ALL })).toEqual([{ ok: true }]);
  expect(await grant(C, roleArn, mesh.localResource, { DESCRIBE: ALL })).toEqual([{ ok: true }]);
  expect(await grant(C, roleArn, mesh.linkResource, { DESCRIBE: ALL })).toEqual([{ ok: true }]);
  await put('sales/orders/part-0.json', '{"id":1,"amount":2.5}\n{"id":2,"amount":3}\n');
});

test('a run is started once, waited for, and tells the table that it left', async () => {
  expect(await runs.observe(run('1'))).toEqual([{ state: 'MISSING' }]);
  await crawlMs(300);
  const calls = await callsOf(sandbox, async () => expect(await runs.apply(run('1'))).toEqual([{ ok: true }]));
  expect(
    calls.flatMap(({ service, operation, parameters }) =>
      /^(Create|Start)/.test(operation) ? [{ service, operation, parameters }] : [],
    ),
  ).toEqual(runs.calls('CREATE', run('1')));
  expect(await runs.observe(run('1'))).toMatchObject([
    { state: 'WAITING', waitingFor: 'the crawler meshgate-sales-orders to finish' },
  ]);
  await crawlMs(30);
  await finished(run('1'));
  expect(await runs.observe(run('1'))).toEqual([
    {
      state: 'AGREES',
      observed: {
        run: '1',
        columns: [
          { name: 'id', type: 'int' },
          { name: 'amount', type: 'double' },
        ],
        partitionKeys: [],
        versionId: expect.stringMatching(/^\d+$/),
      },
    },
  ]);
  expect(changing(await callsOf(sandbox, () => runs.apply(run('1'))))).toEqual([]);
});

test('another run is a crawler of its own, and finds what is new', async () => {
  await put('sales/orders/part-1.json', '{"id":3,"amount":4,"currency":"EUR"}\n');
  expect(await runs.observe(run('2'))).toMatchObject([{ state: 'DIFFERS', differences: ['run is "1", wanted "2"'] }]);
  const calls = await callsOf(sandbox, async () => expect(await runs.apply(run('2'))).toEqual([{ ok: true }]));
  expect(changing(calls)).toEqual(['DeleteCrawler', 'CreateCrawler', 'StartCrawler']);
  expect(runs.calls('UPDATE', run('2'), run('1')).map(({ operation }) => operation)).toEqual(changing(calls));
  await finished(run('2'));
  expect(await runs.observe(run('2'))).toMatchObject([
    { state: 'AGREES', observed: { columns: [{ name: 'id' }, { name: 'amount' }, { name: 'currency' }] } },
  ]);
});

test('a crawler that was made and never started is started', async () => {
  const { parameters } = runs.calls('CREATE', run('3'))[0]!;
  await runs.remove(run('2'));
  await drift(sandbox, C, ['glue', 'CreateCrawler', parameters]);
  expect(await runs.observe(run('3'))).toMatchObject([{ state: 'WAITING', actionable: true }]);
  expect(changing(await callsOf(sandbox, () => runs.apply(run('3'))))).toEqual(['StartCrawler']);
  await finished(run('3'));
  expect(await runs.observe(run('3'))).toMatchObject([{ state: 'AGREES' }]);
});

test('a run that failed says why, is not started again, and can be removed', async () => {
  const grants = driver(aws, 'LfGrant', C);
  await grants.apply({ principal: roleArn, resource: mesh.orders, permissions: { SELECT: ALL }, grantable: {} });
  await runs.apply(run('4'));
  await finished(run('4'));
  expect(await runs.observe(run('4'))).toMatchObject([
    {
      state: 'DIFFERS',
      differences: [expect.stringMatching(/^The crawl ended FAILED: .*Required Insert on orders.*another run/)],
    },
  ]);
  const calls = await callsOf(sandbox, async () =>
    expect(await runs.apply(run('4'))).toMatchObject([
      {
        ok: false,
        error: { treatment: 'PERMANENT', code: 'CrawlFailed', message: expect.stringMatching(/Required Insert/) },
      },
    ]),
  );
  expect(changing(calls)).toEqual([]);
  expect(await runs.remove(run('4'))).toEqual([{ ok: true }]);
  expect(await runs.observe(run('4'))).toEqual([{ state: 'MISSING' }]);
});

test('a run under way is stopped before it is removed, and removed once it has stopped', async () => {
  await crawlMs(400);
  await runs.apply(run('5'));
  const calls = await callsOf(sandbox, async () =>
    expect(await runs.remove(run('5'))).toMatchObject([
      { ok: false, error: { treatment: 'RETRY', code: 'CrawlerRunningException' } },
    ]),
  );
  expect(changing(calls)).toEqual(['DeleteCrawler', 'StopCrawler']);
  await finished(run('5'));
  expect(await runs.remove(run('5'))).toEqual([{ ok: true }]);
  expect(await runs.remove(run('5'))).toEqual([{ ok: true }]);
  await crawlMs(30);
});

test('a crawler of our name that others made is left alone', async () => {
  const { parameters } = runs.calls('CREATE', run('6'))[0]!;
  await drift(sandbox, C, ['glue', 'CreateCrawler', { ...parameters, Description: 'mine' }]);
  const calls = await callsOf(sandbox, async () => {
    expect(await runs.observe(run('6'))).toMatchObject([
      { state: 'DIFFERS', differences: [expect.stringMatching(/not made by Meshgate/)] },
    ]);
    expect(await runs.apply(run('6'))).toMatchObject([{ ok: false, error: { code: 'Conflict' } }]);
    expect(await runs.remove(run('6'))).toMatchObject([{ ok: false, error: { code: 'Conflict' } }]);
  });
  expect(changing(calls)).toEqual([]);
});
