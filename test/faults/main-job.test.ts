import pg from 'pg';
import { beforeAll, expect, test } from 'vitest';
import { createClient, type Execute, payload, until } from '../../src/demo/client.js';
import { GOVERNANCE_ACCOUNT } from '../../src/demo/mesh.js';
import { graphql } from '../../src/generated/graphql/gql.js';
import { parseGlobalId } from '../../src/governance/global-id.js';
import type { Ready } from '../../src/local/ready-file.js';
import { CONSUMER_ACCOUNT, type MainJob, mainJob, reader } from '../testkit/access.js';
import { productProcessOfTest } from '../testkit/product-process.js';
import { readable, type SandboxControl, sandboxControl } from '../testkit/sandbox-control.js';

/** The real process, killed by the kernel: what it promised in an answer must come true in its next life. */
const product = productProcessOfTest();
const SHIPMENTS = 'logistics/shipments';
/** Every call to AWS takes this long, so that a kill hits the middle of the work. */
const SLOW_MS = 60;

let ready: Ready;
let job: MainJob;
let commerce: Execute;
let ofCommerce: MainJob;
let sandbox: SandboxControl;

beforeAll(start);

async function start(): Promise<void> {
  ready = await product.start();
  const as = (subject: string): Execute =>
    createClient(ready.graphql, ready.users.find((user) => user.subject === subject)?.token ?? '');
  job = mainJob({ requester: as('oskar.lind'), decider: as('tomasz.nowak') });
  commerce = as('maria.keller');
  ofCommerce = mainJob({ requester: as('oskar.lind'), decider: commerce });
  sandbox = sandboxControl(ready.sandbox);
  await sandbox.clearFaults();
}

const slowDown = () =>
  sandbox.addFaults(
    { service: '*', operation: '*', kind: 'latency', rate: 1, latencyMs: SLOW_MS },
    // The share is what a grant ends with; nothing ends without a call that takes permissions.
    { service: 'ram', operation: '*', kind: 'latency', rate: 1, latencyMs: 50 * SLOW_MS },
    {
      ...{ service: 'lakeformation', operation: 'BatchRevokePermissions', kind: 'latency', rate: 1 },
      latencyMs: 50 * SLOW_MS,
    },
  );

async function query<Row extends object>(text: string, values: unknown[] = []): Promise<Row[]> {
  const client = new pg.Client({ connectionString: ready.database });
  await client.connect();
  try {
    return (await client.query<Row>(text, values)).rows;
  } finally {
    await client.end();
  }
}

async function reads(principals: string[], path = SHIPMENTS): Promise<string[]> {
  return readable(sandbox, { account: CONSUMER_ACCOUNT, path, columns: await job.columnsOf(path), principals });
}

interface Permission {
  Principal: { DataLakePrincipalIdentifier: string };
  Resource: object;
}

/** What Lake Formation lists for a principal in both accounts. */
async function listed(principal: string): Promise<string[]> {
  const lists = await Promise.all(
    [GOVERNANCE_ACCOUNT, CONSUMER_ACCOUNT].map((account) =>
      sandbox.asAdministrator<{ PrincipalResourcePermissions: Permission[] }>(
        account,
        'lakeformation:ListPermissions',
        {},
      ),
    ),
  );
  return lists
    .flatMap(({ PrincipalResourcePermissions }) => PrincipalResourcePermissions)
    .filter(({ Principal }) => Principal.DataLakePrincipalIdentifier === principal)
    .map(({ Resource }) => JSON.stringify(Resource));
}

const rowId = (globalId: string): string | undefined => parseGlobalId(globalId)?.id;

/** How often the log tells this of a grant; `type` as it is stored. */
async function told(type: string, grant: string): Promise<number> {
  const text = 'SELECT count(*)::int AS count FROM "Event" WHERE "type" = $1 AND "subjectId" = $2';
  const [row] = await query<{ count: number }>(text, [type, rowId(grant)]);
  return row?.count ?? 0;
}

/** Asked of the database, which outlives the killed process. */
async function storedStatus(table: 'AccessGrant' | 'DataProduct', id: string): Promise<string | undefined> {
  const [row] = await query<{ status: string }>(`SELECT "status" FROM "${table}" WHERE "id" = $1`, [rowId(id)]);
  return row?.status;
}

/** SELECT in the catalogue and DESCRIBE on the link and on its database: each once. */
async function expectGrantedOnce(grant: string, principal: string): Promise<void> {
  const permissions = await listed(principal);
  expect(new Set(permissions).size).toBe(permissions.length);
  expect(permissions).toHaveLength(3);
  await until('the event is in the log', async () => ((await told('AccessGranted', grant)) > 0 ? true : undefined));
  expect(await told('AccessGranted', grant)).toBe(1);
}

test('what was answered before kill -9 comes true after it: the approved grant, and the end of the revoked one', async () => {
  const [approved, revoked] = [reader('approved'), reader('revoked')];
  const columns = ['order_id', 'carrier_code'];
  const former = await job.grant({ principals: [revoked], tables: ['shipments'] });
  const request = await job.request({ principals: [approved], tables: ['shipments'], columns });
  expect(await reads([approved])).toEqual([]);
  expect(await reads([revoked])).not.toEqual([]);
  await slowDown();
  const [grant] = await Promise.all([job.approve(request), job.revoke(former)]);
  await product.kill();
  expect(await storedStatus('AccessGrant', grant), 'the kill came in the middle').toBe('PROVISIONING');
  expect(await storedStatus('AccessGrant', former), 'the kill came in the middle').toBe('REVOKING');

  await start();
  await Promise.all([job.reached(grant, 'ACTIVE'), job.reached(former, 'REVOKED')]);
  expect(await reads([approved, revoked])).toEqual(['approved shipments.carrier_code', 'approved shipments.order_id']);
  await expectGrantedOnce(grant, approved);
  expect(await listed(revoked)).toEqual([]);
  await until('the event is in the log', async () => ((await told('AccessRevoked', former)) > 0 ? true : undefined));
  expect(await told('AccessRevoked', former)).toBe(1);
}, 60_000);

const DRAFT = 'commerce/checkout-events';
const Draft = graphql(`
  query FaultsDraft($path: String!) {
    dataProduct(by: { path: $path }) { id status progress { total ready failed } }
  }
`);
const Publish = graphql(`
  mutation FaultsPublish($dataProduct: ID!) {
    publishDataProduct(input: { dataProduct: $dataProduct }) { __typename ... on UserError { code message } }
  }
`);

test('a product half published and a grant half given at kill -9 are completed after it', async () => {
  const draft = async () => {
    const { dataProduct } = await commerce(Draft, { path: DRAFT });
    if (!dataProduct) throw new Error(`There is no ${DRAFT}.`);
    return dataProduct;
  };
  const half = reader('half');
  const request = await job.request({ principals: [half], tables: ['shipments'], columns: ['order_id'] });
  const { id } = await draft();
  const before = (await sandbox.calls()).at(-1)?.n;
  await slowDown();
  const grant = await job.approve(request);
  payload((await commerce(Publish, { dataProduct: id })).publishDataProduct);
  await until('a table is created', async () =>
    (await sandbox.calls(before)).find(
      ({ operation, account }) => operation === 'CreateTable' && account === GOVERNANCE_ACCOUNT,
    ),
  );
  await product.kill();
  expect(await storedStatus('DataProduct', id), 'the kill came in the middle').toBe('PUBLISHING');
  expect(await storedStatus('AccessGrant', grant), 'the kill came in the middle').toBe('PROVISIONING');

  await start();
  const published = await until(`${DRAFT} is published`, async () => {
    const found = await draft();
    return found.status === 'PUBLISHED' ? found : undefined;
  });
  expect(published.progress).toEqual({ total: published.progress.total, ready: published.progress.total, failed: 0 });
  await job.reached(grant, 'ACTIVE');
  expect(await reads([half])).toEqual(['half shipments.order_id']);
  await expectGrantedOnce(grant, half);

  const after = reader('after');
  await ofCommerce.grant({ path: DRAFT, principals: [after] });
  const all = [...(await job.columnsOf(DRAFT))].flatMap(([table, columns]) =>
    columns.map((column) => `after ${table}.${column}`),
  );
  expect(await reads([after], DRAFT)).toEqual(all.sort());
}, 60_000);
