import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient, type Execute, payload, until } from '../../src/demo/client.js';
import { parseGlobalId } from '../../src/governance/global-id.js';
import type { MeshProcess, ProcessMesh } from '../testkit/process-mesh.js';
import { Approve, PublishProduct, RegisterDomain, RegisterProduct, RequestAccess, Revoke } from './documents.js';

export const PRODUCER = '222233334444';
export const CONSUMER = '333344445555';
/** The tables of a product of the market, with their columns. */
export const TABLES: Readonly<Record<string, readonly string[]>> = {
  orders: ['id', 'amount', 'city'],
  returns: ['id', 'reason'],
};
/** A role of the consumer's account. */
export const reader = (name: string | number): string => `arn:aws:iam::${CONSUMER}:role/reader-${name}`;

/** What somebody asks for; without tables all of them, without columns all columns. */
export interface Wish {
  principals: string[];
  tables?: string[];
  columns?: string[];
  rowFilter?: string;
  grantTo?: 'PRINCIPALS' | 'ACCOUNT';
  permissions?: ('SELECT' | 'DESCRIBE' | 'INSERT')[];
  product?: string;
  /** Whose principals these are; research's where nothing is said. */
  of?: 'sales' | 'research';
}

/** Two domains, sales that produces and research that consumes, and clients that go on asking whatever becomes of the servers. */
export interface Market {
  product: string;
  domains: { sales: string; research: string };
  /** Runs a mutation until it is answered, by whichever API answers, under one idempotency key. Throws what a typed error says. */
  ask: Ask;
  request(wish: Wish): Promise<string>;
  approve(request: string): Promise<string>;
  revoke(grant: string): Promise<void>;
  /** Registers and publishes a product with TABLES under this name. */
  publish(name: string): Promise<string>;
}

type Ask = <T>(subject: string, send: (execute: Execute, idempotencyKey: string) => Promise<T>) => Promise<T>;

export const range = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

/** Runs `work` for each item, a few at a time. */
export async function together<Item>(items: Item[], work: (item: Item) => Promise<unknown>, width = 4): Promise<void> {
  const left = [...items];
  const worker = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
  };
  await Promise.all(range(width).map(worker));
}

/** The row's id of a global id. */
export const rowId = (globalId: string): string => parseGlobalId(globalId)?.id ?? '';

/** Registers both domains and publishes `sales/orders` through these APIs, which have to run. */
export async function openMarket(mesh: ProcessMesh, apis: MeshProcess[]): Promise<Market> {
  const ask = stubborn(mesh, apis);
  const [sales, research] = await Promise.all([
    registerDomain(ask, { name: 'sales', account: PRODUCER }),
    registerDomain(ask, { name: 'research', account: CONSUMER }),
  ]);
  const publish = async (name: string): Promise<string> => {
    const product = await registerProduct(ask, { domain: sales, name });
    await ask('owner-sales', async (execute, idempotencyKey) =>
      payload((await execute(PublishProduct, { input: { dataProduct: product, idempotencyKey } })).publishDataProduct),
    );
    await until(`${name} is published`, async () => {
      const rows = await mesh.query(`SELECT 1 FROM "DataProduct" WHERE "id" = $1 AND "status" = 'PUBLISHED'`, [
        rowId(product),
      ]);
      return rows.length > 0 ? true : undefined;
    });
    return product;
  };
  const product = await publish('orders');
  return {
    product,
    domains: { sales, research },
    ask,
    publish,
    request: ({ product: asked = product, of = 'research', ...wish }) =>
      // Nobody approves what he asked for himself.
      ask(`second-owner-${of}`, async (execute, idempotencyKey) => {
        const consumerDomain = { sales, research }[of];
        const input = {
          dataProduct: asked,
          consumerDomain,
          purpose: 'A test',
          namedPurpose: 'testing',
          idempotencyKey,
          ...wish,
        };
        const answer = payload((await execute(RequestAccess, { input })).requestAccess);
        return idOf('accessRequest' in answer && answer.accessRequest);
      }),
    approve: (accessRequest) =>
      ask('owner-sales', async (execute, idempotencyKey) => {
        const answer = payload(
          (await execute(Approve, { input: { accessRequest, idempotencyKey } })).approveAccessRequest,
        );
        return idOf('accessGrant' in answer && answer.accessGrant);
      }),
    revoke: async (accessGrant) =>
      ask('owner-sales', async (execute, idempotencyKey) => {
        const input = { accessGrant, reason: 'The test is over.', idempotencyKey };
        payload((await execute(Revoke, { input })).revokeAccess);
      }),
  };
}

function idOf(answered: { id: string } | null | undefined | false): string {
  if (!answered) throw new Error('It was not answered with an object.');
  return answered.id;
}

const GIVE_UP_MS = 60_000;

/** A client that takes the next API where one does not answer, always under the same key. */
function stubborn(mesh: ProcessMesh, apis: MeshProcess[]): Ask {
  const tokens = new Map<string, Promise<string>>();
  let turn = 0;
  return async (subject, send) => {
    if (!tokens.has(subject)) tokens.set(subject, mesh.tokenOf(subject));
    const token = await tokens.get(subject)!;
    const key = randomUUID();
    for (const began = Date.now(); ; turn += 1) {
      const api = apis[turn % apis.length]!;
      try {
        return await send(createClient(`${api.url()}/graphql`, token), key);
      } catch (error) {
        if (Date.now() - began > GIVE_UP_MS || isFinal(error)) throw error;
        await sleep(50);
      }
    }
  };
}

/** A typed refusal is an answer; everything else may be the fault that the test makes. */
function isFinal(error: unknown): boolean {
  return error instanceof Error && /^(STATE|CONFLICT|VALIDATION|NOT_FOUND|FORBIDDEN|POLICY_DENIED)/.test(error.message);
}

async function registerDomain(ask: Ask, { name, account }: { name: string; account: string }): Promise<string> {
  return ask('admin', async (execute, idempotencyKey) => {
    const input = {
      name,
      displayName: name,
      awsAccountId: account,
      awsRegion: 'eu-west-1',
      roleArn: `arn:aws:iam::${account}:role/meshgate`,
      dataLocation: `s3://faults-${name}/data`,
      manageSettings: true,
      owners: [`owner-${name}`, `second-owner-${name}`],
      idempotencyKey,
    };
    const answer = payload((await execute(RegisterDomain, { input })).registerDomain);
    return idOf('domain' in answer && answer.domain);
  });
}

async function registerProduct(ask: Ask, { domain, name }: { domain: string; name: string }): Promise<string> {
  return ask('owner-sales', async (execute, idempotencyKey) => {
    const input = {
      domain,
      name,
      description: `All about ${name}`,
      owner: 'owner-sales',
      accessMode: 'NRAC' as const,
      classification: 'INTERNAL' as const,
      tables: Object.entries(TABLES).map(([table, columns]) => ({
        name: tableName(name, table),
        location: `s3://faults-sales/data/${name}/${table}`,
        format: 'PARQUET' as const,
        columns: columns.map((column) => ({ name: column, type: 'string' })),
      })),
      idempotencyKey,
    };
    const answer = payload((await execute(RegisterProduct, { input })).registerDataProduct);
    return idOf('dataProduct' in answer && answer.dataProduct);
  });
}

/** Tables of one domain share a database: those of the first product have the short names. */
export const tableName = (product: string, table: string): string =>
  product === 'orders' ? table : `${product.replaceAll('-', '_')}_${table}`;
