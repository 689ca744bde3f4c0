import { payload, until } from '../../src/demo/client.js';
import type { AccessMode, Classification } from '../../src/generated/graphql/graphql.js';
import type { ProcessMesh } from '../testkit/process-mesh.js';
import type { Dice } from './dice.js';
import {
  ActivateContract,
  Extend,
  ImportContract,
  PublishProduct,
  RegisterProduct,
  RetireProduct,
  UpdateProduct,
} from './documents.js';
import { type Market, PRODUCER, reader, rowId } from './market.js';
import { CHANGES, changeOutOfBand } from './out-of-band.js';

/** What a run knows of: ids that the API answered. */
export interface Known {
  /** Tells this run's products from those of other runs. */
  name: string;
  /** Products that were ever registered. */
  registered: number;
  products: Product[];
  requests: string[];
  grants: string[];
}

interface Product {
  id: string;
  name: string;
  version: number;
  columns: string[];
  accessMode: AccessMode;
}

interface Scene {
  mesh: ProcessMesh;
  market: Market;
  known: Known;
  dice: Dice;
}

type Command = (scene: Scene) => (() => Promise<unknown>) | null;

/** Of the domain that has the products. */
const WRITERS = ['ed', 'flo'].map((name) => `arn:aws:iam::${PRODUCER}:role/writer-${name}`);
const READERS = ['ann', 'ben', 'cleo', 'dan'].map(reader);
const tablesOf = ({ name }: Product): string[] => [`${name}_a`, `${name}_b`].map((table) => table.replaceAll('-', '_'));

/** Each command draws all that it needs before it runs, so that the draws do not hang on who answers first. Null: nothing to do it on. */
const COMMANDS: Record<string, { weight: number; command: Command }> = {
  request: { weight: 8, command: requestAccess },
  approve: { weight: 8, command: approve },
  revoke: { weight: 4, command: revoke },
  expire: { weight: 2, command: expire },
  extend: { weight: 2, command: extend },
  publish: { weight: 1, command: (scene) => publish(scene, scene.dice.one(MODES)) },
  askToWrite: { weight: 2, command: askToWrite },
  classify: { weight: 2, command: classify },
  changeMode: { weight: 1, command: changeMode },
  'change out of band': { weight: 6, command: somebodyElse },
  changeContract: { weight: 2, command: changeContract },
  retire: { weight: 1, command: retire },
};

const MODES: AccessMode[] = ['NRAC', 'LF_TBAC'];
const CLASSIFICATIONS: Classification[] = ['PUBLIC', 'INTERNAL', 'CONFIDENTIAL'];

const BAG = Object.entries(COMMANDS).flatMap(([name, { weight }]) => Array.from({ length: weight }, () => name));

/** Draws the next command that can be done; its name is for the report of a failing seed. */
export function drawCommand(scene: Scene): { name: string; run: () => Promise<unknown> } {
  for (;;) {
    const name = scene.dice.one(BAG);
    const run = COMMANDS[name]!.command(scene);
    if (run) return { name, run };
  }
}

function requestAccess({ market, known, dice }: Scene) {
  if (known.products.length === 0) return null;
  const product = dice.one(known.products);
  const principals = dice.some(READERS).slice(0, 3);
  const tables = dice.chance(0.3) ? [] : dice.some(tablesOf(product));
  const narrowed = dice.chance(0.4) ? tables.slice(0, 1) : [];
  const columns = narrowed.flatMap((table) => dice.some(product.columns).map((column) => `${table}.${column}`));
  const rowFilter = dice.chance(0.3) ? dice.one(["id = 'x'", "amount > 'y'"]) : null;
  const grantTo = dice.chance(0.3) ? ('ACCOUNT' as const) : ('PRINCIPALS' as const);
  return async () => {
    const named = {
      ...(tables.length > 0 && { tables }),
      ...(columns.length > 0 && { columns }),
      ...(rowFilter !== null && { rowFilter }),
      grantTo,
    };
    const narrower = product.accessMode === 'NRAC' ? named : {};
    known.requests.push(await market.request({ product: product.id, principals, ...narrower }));
  };
}

/** The domain's own people ask to write. */
function askToWrite({ market, known, dice }: Scene) {
  const product = known.products.length === 0 ? undefined : dice.one(known.products);
  if (product?.accessMode !== 'NRAC') return null;
  const principals = dice.some(WRITERS);
  const tables = dice.some(tablesOf(product));
  return async () => {
    const wish = { product: product.id, principals, tables, permissions: ['SELECT' as const, 'INSERT' as const] };
    known.requests.push(await market.request({ ...wish, of: 'sales' }));
  };
}

function classify({ market, known, dice }: Scene) {
  if (known.products.length === 0) return null;
  const { id: dataProduct } = dice.one(known.products);
  const classification = dice.one(CLASSIFICATIONS);
  return () =>
    market.ask('owner-sales', async (execute, idempotencyKey) =>
      payload(
        (await execute(UpdateProduct, { input: { dataProduct, classification, idempotencyKey } })).updateDataProduct,
      ),
    );
}

function changeMode({ market, known, dice }: Scene) {
  if (known.products.length === 0) return null;
  const product = dice.one(known.products);
  const accessMode = product.accessMode === 'NRAC' ? 'LF_TBAC' : 'NRAC';
  return async () => {
    const input = { dataProduct: product.id, accessMode } as const;
    await market.ask('owner-sales', async (execute, idempotencyKey) =>
      payload((await execute(UpdateProduct, { input: { ...input, idempotencyKey } })).updateDataProduct),
    );
    product.accessMode = accessMode;
  };
}

/** Somebody with rights of his own changes what Meshgate made. */
function somebodyElse({ mesh, dice }: Scene) {
  const change = dice.one(CHANGES);
  const which = dice.throw();
  return () => changeOutOfBand(mesh, { change, which });
}

function approve({ market, known, dice }: Scene) {
  if (known.requests.length === 0) return null;
  const [request] = known.requests.splice(dice.upTo(known.requests.length), 1);
  return async () => {
    known.grants.push(await market.approve(request!));
  };
}

function revoke({ market, known, dice }: Scene) {
  if (known.grants.length === 0) return null;
  const grant = dice.one(known.grants);
  return () => market.revoke(grant);
}

/** The grant's time has come. */
function expire({ mesh, known, dice }: Scene) {
  if (known.grants.length === 0) return null;
  const grant = dice.one(known.grants);
  return () => mesh.query(`UPDATE "AccessGrant" SET "expiresAt" = now() WHERE "id" = $1`, [rowId(grant)]);
}

function extend({ market, known, dice }: Scene) {
  if (known.grants.length === 0) return null;
  const accessGrant = dice.one(known.grants);
  const expiresAt = new Date(Date.now() + 86_400_000 * (1 + dice.upTo(30))).toISOString();
  return () =>
    market.ask('owner-sales', async (execute, idempotencyKey) =>
      payload((await execute(Extend, { input: { accessGrant, expiresAt, idempotencyKey } })).extendAccess),
    );
}

/** Resolves once it can be asked for; a fault may hold that up for longer than the run lasts. */
export function publish({ mesh, market, known }: Omit<Scene, 'dice'>, accessMode: AccessMode, waitMs = 4_000) {
  known.registered += 1;
  const name = `${known.name}-${known.registered}`;
  const product: Product = { id: '', name, version: 0, columns: ['id', 'amount', 'email'], accessMode };
  return async () => {
    const input = {
      domain: market.domains.sales,
      name,
      description: `All about ${name}`,
      owner: 'owner-sales',
      accessMode,
      classification: 'INTERNAL' as const,
      contract: contractOf(product),
    };
    product.id = await market.ask('owner-sales', async (execute, idempotencyKey) => {
      const answer = payload(
        (await execute(RegisterProduct, { input: { ...input, idempotencyKey } })).registerDataProduct,
      );
      if (!('dataProduct' in answer) || !answer.dataProduct) throw new Error('The product was not answered.');
      return answer.dataProduct.id;
    });
    await market.ask('owner-sales', async (execute, idempotencyKey) =>
      payload(
        (await execute(PublishProduct, { input: { dataProduct: product.id, idempotencyKey } })).publishDataProduct,
      ),
    );
    const published = `SELECT 1 FROM "DataProduct" WHERE "id" = $1 AND "status" = 'PUBLISHED'`;
    await until(
      `${name} is published`,
      async () => {
        const rows = await mesh.query(published, [rowId(product.id)]);
        return rows.length > 0 ? true : undefined;
      },
      waitMs,
    );
    known.products.push(product);
  };
}

/** Another version of the contract, with a column more, takes effect. */
function changeContract({ market, known, dice }: Scene) {
  const product = known.products.length === 0 ? undefined : dice.one(known.products);
  if (!product) return null;
  product.version += 1;
  product.columns.push(`added_${product.version}`);
  const document = contractOf(product);
  return async () => {
    const dataContract = await market.ask('owner-sales', async (execute, idempotencyKey) => {
      const input = { dataProduct: product.id, document, idempotencyKey };
      const answer = payload((await execute(ImportContract, { input })).importDataContract);
      if (!('dataContract' in answer) || !answer.dataContract) throw new Error('The contract was not answered.');
      return answer.dataContract.id;
    });
    await market.ask('owner-sales', async (execute, idempotencyKey) =>
      payload((await execute(ActivateContract, { input: { dataContract, idempotencyKey } })).activateDataContract),
    );
  };
}

function retire({ market, known, dice }: Scene) {
  if (known.products.length < 2) return null;
  const [product] = known.products.splice(dice.upTo(known.products.length), 1);
  return () =>
    market.ask('owner-sales', async (execute, idempotencyKey) => {
      const input = { dataProduct: product!.id, revokeGrants: true, idempotencyKey };
      payload((await execute(RetireProduct, { input })).retireDataProduct);
    });
}

/** An ODCS document with the product's two tables. */
function contractOf(product: Product): string {
  const { name, version, columns } = product;
  const properties = columns.map((column) => ({
    name: column,
    logicalType: 'string',
    physicalType: 'string',
    ...(column === 'email' && { tags: ['pii'] }),
  }));
  return JSON.stringify({
    apiVersion: 'v3.1.0',
    kind: 'DataContract',
    id: `urn:faults:${name}`,
    name,
    version: `1.${version}.0`,
    status: 'active',
    servers: [{ server: 'production', type: 's3', location: `s3://faults-sales/data/${name}/`, format: 'parquet' }],
    schema: tablesOf(product).map((table) => ({ name: table, physicalName: table, physicalType: 'table', properties })),
  });
}
