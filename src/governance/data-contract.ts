import type { DataContract, DataContractStatus } from '../generated/prisma/client.js';
import { announceProduct } from './announce.js';
import { assertCan, can } from './authorization.js';
import type { Context } from './context.js';
import { type ContractDocument, readContract } from './contract-document.js';
import { enforceContract, inCatalogue, proposeContract } from './contract-store.js';
import {
  type ActivateDataContractInput,
  activateDataContract as activateDataContractInput,
  type ImportDataContractInput,
  importDataContract as importDataContractInput,
} from './data-contract.input.js';
import { insertProduct } from './data-product.js';
import { conflict, invalid, notFound } from './error.js';
import { inheritStorage } from './join-tables.js';
import type { ContractChange } from './odcs/change-kind.js';
import { type DataContractDiff, diffDataContracts as diffDocuments } from './odcs/diff.js';
import { assertPlanned, type Declarations } from './planned.js';
import { declareChange } from './product-change.js';
import {
  accessSubject,
  domainSubject,
  GRANT,
  lockDomain,
  lockLiveGrants,
  lockProduct,
  PRODUCT,
  type ProductRow,
  type ProductWithTables,
  productSubject,
  readTables,
} from './rows.js';
import { replaceTables, schemaChanges, shapesOf, type TableShape } from './tables.js';
import { mutate, type Tx } from './transaction.js';
import { DATA_CONTRACT, DATA_PRODUCT, LIVE, step } from './transitions.js';
import { read } from './validation.js';

type ContractAnswer = Promise<{ dataContractId: string; dataProductId: string }>;

/**
 * Imports a contract version. It belongs to the product named, else to the domain's product with its ODCS id, else to a new draft.
 * A draft gets the contract's tables, unless somebody stated others or a contract is in force.
 */
export async function importDataContract(ctx: Context, input: ImportDataContractInput): ContractAnswer {
  const { dataProduct, domain, document, lenient } = read(importDataContractInput, input);
  return mutate(ctx, { mutation: 'importDataContract', idempotencyKey: input.idempotencyKey, input }, async (tx) => {
    const target = await lockTarget(ctx, tx, { dataProduct, domain });
    const contract = readContract({ text: document, path: 'document', lenient: lenient ?? false });
    const product = target.product ?? (await lockOrDraft(ctx, tx, { domainId: target.domainId, contract }));
    step(DATA_PRODUCT, product.status, 'change');
    await adoptId(tx, product, contract);
    const row = await proposeContract(ctx, tx, { product, contract });
    if (product.status === 'DRAFT') await fillTables(ctx, tx, { product, contract: row });
    return { ids: { dataContractId: row.id, dataProductId: product.id } };
  });
}

interface Target {
  domainId: string;
  product: ProductRow | null;
}

/** Locks what the contract is imported into, the domain first, so that imports and names are judged one after another. */
async function lockTarget(
  ctx: Context,
  tx: Tx,
  { dataProduct, domain }: { dataProduct?: string | null | undefined; domain?: string | null | undefined },
): Promise<Target> {
  if (dataProduct === null || dataProduct === undefined) {
    const into = await lockDomain(tx, domain as string);
    assertCan(ctx.viewer, 'data-product:register', domainSubject(into));
    return { domainId: into.id, product: null };
  }
  const found = await tx.dataProduct.findUnique({ where: { id: dataProduct }, include: PRODUCT });
  if (found === null) throw notFound('The data product');
  assertCan(ctx.viewer, 'data-contract:import', productSubject(found));
  if (domain && found.domainId !== domain)
    throw invalid('dataProduct', 'dataProduct: the product is not of the domain named.');
  await lockDomain(tx, found.domainId);
  return { domainId: found.domainId, product: await lockProduct(tx, found.id) };
}

/** The domain's product with the contract's id, else a new draft of the contract's name. */
async function lockOrDraft(
  ctx: Context,
  tx: Tx,
  { domainId, contract }: { domainId: string; contract: ContractDocument },
): Promise<ProductRow> {
  const { odcsId, reading } = contract;
  const known = await tx.dataProduct.findFirst({ where: { domainId, odcsId }, select: { id: true } });
  if (known !== null) return lockProduct(tx, known.id);
  const names = [reading.name, reading.dataProduct, odcsId].filter((name) => name !== undefined);
  const slug = names.map(slugged).find((name) => name !== '') ?? 'product';
  return insertProduct(ctx, tx, {
    row: {
      domainId,
      odcsId,
      name: await freeName(tx, domainId, slug),
      displayName: (names[0] ?? slug).slice(0, 255),
      description: reading.description ?? '',
      owner: reading.owner?.slice(0, 255) ?? null,
      accessMode: 'NRAC',
      classification: 'CONFIDENTIAL',
      tags: [...new Set(reading.tags)].slice(0, 50),
    },
    tables: contract.tables,
    contract,
  });
}

/** A name as products have it; empty where a text has no letter at all. */
function slugged(text: string): string {
  return text
    .normalize('NFKD')
    .toLowerCase()
    .replace(/\p{M}/gu, '')
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^[^a-z]+/, '')
    .slice(0, 56)
    .replace(/-+$/, '');
}

/** The slug itself, or with the next free number. The domain is locked. */
async function freeName(tx: Tx, domainId: string, slug: string): Promise<string> {
  const rows = await tx.dataProduct.findMany({
    where: { domainId, name: { startsWith: slug } },
    select: { name: true },
  });
  const taken = new Set(rows.map(({ name }) => name));
  let name = slug;
  for (let number = 2; taken.has(name); number += 1) name = `${slug}-${number}`;
  return name;
}

/** A product has contracts of one ODCS id: that of the first one. */
async function adoptId(tx: Tx, product: ProductRow, { odcsId }: ContractDocument): Promise<void> {
  if (product.odcsId === odcsId) return;
  if (product.odcsId !== null) {
    throw conflict(
      `The product's contract has the id ${product.odcsId}, this document has ${odcsId}: import it as another product's.`,
    );
  }
  const other = await tx.dataProduct.findFirst({
    where: { domainId: product.domainId, odcsId },
    select: { name: true },
  });
  if (other !== null) throw conflict(`The contract ${odcsId} belongs to the product ${other.name} of this domain.`);
  await tx.dataProduct.update({ where: { id: product.id }, data: { odcsId } });
}

/** Until a contract is in force, a draft whose tables nobody stated by hand has those of the contract imported last. */
async function fillTables(ctx: Context, tx: Tx, about: { product: ProductRow; contract: DataContract }): Promise<void> {
  const productId = about.product.id;
  if ((await tx.dataContract.count({ where: { productId, status: ACTIVE } })) > 0) return;
  const latest = await tx.schemaVersion.findFirst({ where: { productId }, orderBy: { number: 'desc' } });
  const empty = (await tx.productTable.count({ where: { productId } })) === 0;
  if (!empty && latest?.source !== 'CONTRACT') return;
  await adoptTables(ctx, tx, { ...about, product: await readTables(tx, about.product) });
}

/** Puts a contract version in force: the product's tables become the contract's, and what is published is declared anew. */
export async function activateDataContract(ctx: Context, input: ActivateDataContractInput): ContractAnswer {
  const { dataContract: id, acknowledgeBreaking, ...looked } = read(activateDataContractInput, input);
  return mutate(ctx, { mutation: 'activateDataContract', idempotencyKey: input.idempotencyKey, input }, async (tx) => {
    const found = await tx.dataContract.findUnique({ where: { id }, select: { productId: true } });
    if (found === null) throw notFound('The data contract');
    await lockLiveGrants(tx, found.productId);
    const product = await lockProduct(tx, found.productId);
    assertCan(ctx.viewer, 'data-contract:activate', productSubject(product));
    // Read again: an approval that held the product until now has added its grant.
    const grants = await lockLiveGrants(tx, found.productId);
    step(DATA_PRODUCT, product.status, 'change');
    const contract = await tx.dataContract.findUniqueOrThrow({ where: { id } });
    step(DATA_CONTRACT, contract.status, 'activate');
    const active = await tx.dataContract.findFirst({ where: { productId: product.id, status: ACTIVE } });
    if (active !== null && !acknowledgeBreaking) refuseBreaking(active, contract);
    await enforceContract(ctx, tx, { product, contract, active });
    const was = await readTables(tx, product);
    const changed = await adoptTables(ctx, tx, { product: was, contract });
    const declared: Declarations = [];
    if (product.status === 'DRAFT') {
      assertPlanned(declared, looked, product.status);
      return { ids: { dataContractId: id, dataProductId: product.id } };
    }
    const { lanes, policyVersion } = await declareChange(ctx, tx, {
      ...{ was, product: await readTables(tx, product), declared, judged: true },
      // Grants follow the tables; what the contract promises of their content is the product's own.
      ...{ grants: changed ? grants : [], grows: changed },
    });
    assertPlanned(declared, { ...looked, policyVersion }, product.status);
    return { ids: { dataContractId: id, dataProductId: product.id }, lanes };
  });
}

const ACTIVE: DataContractStatus = 'ACTIVE';

/** Refuses what breaks what consumers of the contract in force rely on. */
export function refuseBreaking(active: DataContract, contract: DataContract): void {
  const breaking = diffDocuments(active.parsed, contract.parsed).changes.filter((change) => change.breaking);
  if (breaking.length === 0) return;
  const shown = breaking.slice(0, 20).map(({ message, path }) => `${message} (${path})`);
  const more = breaking.length > shown.length ? ` and ${breaking.length - shown.length} more` : '';
  throw conflict(
    `Version ${contract.version} breaks what version ${active.version} promises: ${shown.join('; ')}${more}. To activate it all the same, set acknowledgeBreaking: true.`,
  );
}

/** The contract's tables become the product's. A contract without tables leaves them as they are. Returns whether anything changed. */
async function adoptTables(
  ctx: Context,
  tx: Tx,
  { product, contract }: { product: ProductWithTables; contract: DataContract },
): Promise<boolean> {
  const before = shapesOf(product.tables);
  const after = tablesUnder(contract, before);
  if (after === null) return false;
  await replaceTables(tx, { productId: product.id, tables: after, source: 'CONTRACT' });
  const data = { contractVersion: contract.version, ...schemaChanges(before, after) };
  await announceProduct(tx, ctx, { type: 'SchemaChanged', product, published: inCatalogue(product), data });
  return true;
}

/** The tables that a product has once a contract is in force; null where they stay as they are. */
export function tablesUnder({ document }: DataContract, before: TableShape[]): TableShape[] | null {
  const stated = readContract({ text: document, path: 'dataContract', lenient: true }).tables;
  if (stated.length === 0) return null;
  const after = inheritStorage(stated, before);
  return JSON.stringify(before) === JSON.stringify(after) ? null : after;
}

/** How a contract version differs from another of the same product, and the live grants that a breaking change touches. */
export async function diffDataContracts(
  ctx: Context,
  from: string,
  to: string,
): Promise<DataContractDiff & { affectedGrantIds: string[] }> {
  const [before, after] = await Promise.all([readVisible(ctx, from), readVisible(ctx, to)]);
  if (before.productId !== after.productId) throw invalid('to', 'to: the contracts are of different products.');
  const diff = diffDocuments(before.parsed, after.parsed);
  const breaking = diff.changes.filter((change) => change.breaking);
  return { ...diff, affectedGrantIds: breaking.length === 0 ? [] : await affected(ctx, before.productId, breaking) };
}

async function readVisible(ctx: Context, id: string) {
  const contract = await ctx.db.dataContract.findUnique({ where: { id }, include: { product: true } });
  if (contract === null || !can(ctx.viewer, 'data-product:read', productSubject(contract.product))) {
    throw notFound('The data contract');
  }
  return contract;
}

/** Grants to a table that breaks; what breaks outside of a table (a service level) touches all of them. */
async function affected(ctx: Context, productId: string, breaking: ContractChange[]): Promise<string[]> {
  const grants = await ctx.db.accessGrant.findMany({
    where: { productId, status: { in: LIVE } },
    include: GRANT,
    orderBy: { id: 'asc' },
  });
  const broken = breaking.map(({ path }) => /^schema\/([^/]+)/.exec(path)?.[1]);
  return grants
    .filter(({ request }) => broken.some((table) => table === undefined || request.tables.includes(table)))
    .filter((grant) => can(ctx.viewer, 'access-grant:read', accessSubject(grant)))
    .map(({ id }) => id);
}
