import type { DataContract } from '../generated/prisma/client.js';
import { announceContract } from './announce.js';
import type { Context } from './context.js';
import type { ContractDocument } from './contract-document.js';
import { conflict } from './error.js';
import type { ProductRow } from './rows.js';
import type { Tx } from './transaction.js';
import { canStep, DATA_CONTRACT, DATA_PRODUCT, step } from './transitions.js';

/** Whether everybody sees the product: then everybody hears of its contracts. */
export const inCatalogue = ({ status }: Pick<ProductRow, 'status'>) => canStep(DATA_PRODUCT, status, 'approve');

interface Proposal {
  /** Its row is locked, or new. */
  product: ProductRow;
  contract: ContractDocument;
}

/**
 * Keeps a contract version as proposed. The same content again changes nothing; other content replaces a version that was never
 * activated, and the earlier document stays as a revision; of an activated version it is a CONFLICT.
 */
export async function proposeContract(ctx: Context, tx: Tx, { product, contract }: Proposal): Promise<DataContract> {
  const earlier = await tx.dataContract.findUnique({
    where: { productId_version: { productId: product.id, version: contract.version } },
  });
  if (earlier?.digest === contract.digest) return earlier;
  if (earlier !== null && !canStep(DATA_CONTRACT, earlier.status, 'replace')) {
    throw conflict(
      `Version ${contract.version} of the contract was activated with other content: give the changed contract a new version.`,
    );
  }
  const row = earlier === null ? await insert(ctx, tx, { product, contract }) : await replace(tx, earlier, contract);
  await announceContract(tx, ctx, {
    type: 'DataContractProposed',
    contract: row,
    product,
    published: inCatalogue(product),
    data: {
      revision: row.revision,
      before: earlier === null ? null : { digest: earlier.digest },
      after: { digest: row.digest },
      warnings: contract.warnings.length,
    },
  });
  return row;
}

function content({ odcsId, reading, apiVersion, text, format, digest, document, warnings, notes }: ContractDocument) {
  const plain = <T>(value: T) => JSON.parse(JSON.stringify(value)) as object;
  return {
    odcsId,
    name: reading.name ?? null,
    apiVersion,
    document: text,
    format,
    digest,
    parsed: document,
    sla: plain(reading.sla),
    quality: plain(reading.quality),
    warnings,
    notes,
  };
}

function insert(ctx: Context, tx: Tx, { product, contract }: Proposal): Promise<DataContract> {
  const { version } = contract;
  return tx.dataContract.create({
    data: { ...content(contract), productId: product.id, version, createdBy: ctx.viewer.subject },
  });
}

async function replace(tx: Tx, earlier: DataContract, contract: ContractDocument): Promise<DataContract> {
  const { id, revision, document, format, digest } = earlier;
  await tx.dataContractRevision.create({ data: { contractId: id, revision, document, format, digest } });
  return tx.dataContract.update({ where: { id }, data: { ...content(contract), revision: revision + 1 } });
}

interface Enforcement {
  product: ProductRow;
  contract: DataContract;
  /** The contract that is in force until now. */
  active: DataContract | null;
}

/** Makes a proposed contract the one in force, in place of the one that was. */
export async function enforceContract(ctx: Context, tx: Tx, { product, contract, active }: Enforcement): Promise<void> {
  const status = step(DATA_CONTRACT, contract.status, 'activate');
  const published = inCatalogue(product);
  if (active !== null) {
    const superseded = step(DATA_CONTRACT, active.status, 'supersede');
    await tx.dataContract.update({ where: { id: active.id }, data: { status: superseded } });
    const data = { before: { status: active.status }, after: { status: superseded }, supersededBy: contract.version };
    await announceContract(tx, ctx, { type: 'DataContractDeprecated', contract: active, product, published, data });
  }
  await tx.dataContract.update({ where: { id: contract.id }, data: { status, activatedAt: new Date() } });
  const data = {
    before: { status: contract.status, version: active?.version ?? null },
    after: { status, version: contract.version },
  };
  await announceContract(tx, ctx, { type: 'DataContractActivated', contract, product, published, data });
}
