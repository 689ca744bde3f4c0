import type { Prisma } from '../generated/prisma/client.js';
import type { LaneKey } from '../provisioning/lane.js';
import { closeRequest } from './access-extension.js';
import { announceProduct, changes } from './announce.js';
import { type Action, assertCan } from './authorization.js';
import { changedMode, refuseGivenByName, refuseWhileCrawling } from './change-of-mode.js';
import { claim, grantOwner, lockClaims, productOwner } from './claims.js';
import type { Context } from './context.js';
import { type ContractDocument, readContract } from './contract-document.js';
import { enforceContract, inCatalogue, proposeContract } from './contract-store.js';
import { keepCrawls, withCrawls, withCrawlsUnderWay } from './crawl.js';
import {
  checkLocations,
  type DeprecateDataProductInput,
  deprecateDataProduct as deprecateDataProductInput,
  type PublishDataProductInput,
  publishDataProduct as publishDataProductInput,
  type RegisterDataProductInput,
  type RetireDataProductInput,
  readNewProduct,
  retireDataProduct as retireDataProductInput,
  type UpdateDataProductInput,
  updateDataProduct as updateDataProductInput,
} from './data-product.input.js';
import { conflict, wrongState } from './error.js';
import { joinTables } from './join-tables.js';
import { assertPlanned, type Declarations } from './planned.js';
import { assertContentPublishable, declareChange } from './product-change.js';
import { claimProduct } from './product-claims.js';
import { setRequestTemplate } from './request-template.js';
import { beginRevoke } from './revoke.js';
import {
  domainSubject,
  lockDomain,
  lockLiveGrants,
  lockOpenRequests,
  lockProduct,
  PRODUCT,
  type ProductRow,
  type ProductWithTables,
  productSubject,
  readTables,
} from './rows.js';
import { settled } from './settled.js';
import { replaceTables, schemaChanges, shapesOf, type TableShape } from './tables.js';
import { mutate, type Tx } from './transaction.js';
import { DATA_PRODUCT, step } from './transitions.js';
import { read } from './validation.js';

type Answer = Promise<{ dataProductId: string }>;

/** Registers a draft product from fields, from a contract, or from both where they agree; the contract is in force at once. */
export async function registerDataProduct(ctx: Context, input: RegisterDataProductInput): Answer {
  const { domain: domainId, tables: fields, contract: text, idempotencyKey: _, ...row } = readNewProduct(input);
  return mutate(ctx, { mutation: 'registerDataProduct', idempotencyKey: input.idempotencyKey, input }, async (tx) => {
    const domain = await lockDomain(tx, domainId);
    assertCan(ctx.viewer, 'data-product:register', domainSubject(domain));
    checkLocations(fields, domain.dataLocation);
    const contract =
      (text ?? null) === null ? null : readContract({ text: text as string, path: 'contract', lenient: false });
    const product = await insertProduct(ctx, tx, {
      row: { ...row, displayName: row.displayName ?? row.name, domainId, odcsId: contract?.odcsId ?? null },
      tables: contract === null ? fields : joinTables(contract.tables, fields),
      contract,
    });
    if (contract !== null) {
      const proposed = await proposeContract(ctx, tx, { product, contract });
      await enforceContract(ctx, tx, { product, contract: proposed, active: null });
    }
    return { ids: { dataProductId: product.id } };
  });
}

interface NewProduct {
  row: Omit<Prisma.DataProductCreateManyInput, 'status'> & { tags: string[] };
  tables: TableShape[];
  contract: ContractDocument | null;
}

/** Writes a draft with its tables and says so. The domain's row is locked, so that names are judged one after another. */
export async function insertProduct(ctx: Context, tx: Tx, { row, tables, contract }: NewProduct): Promise<ProductRow> {
  const { domainId, name, odcsId } = row;
  const taken = await tx.dataProduct.findFirst({
    where: { domainId, OR: [{ name }, ...(odcsId ? [{ odcsId }] : [])] },
    select: { name: true },
  });
  if (taken?.name === name) throw conflict(`The domain has a product ${name} already: choose another name.`);
  if (taken !== null) {
    throw conflict(
      `The contract ${odcsId} belongs to the product ${taken?.name} already: import its new version there.`,
    );
  }
  const product = await tx.dataProduct.create({ data: row, include: PRODUCT });
  if (tables.length > 0) {
    await replaceTables(tx, { productId: product.id, tables, source: contract === null ? 'FIELDS' : 'CONTRACT' });
  }
  const { description, owner, accessMode } = product;
  await announceProduct(tx, ctx, {
    type: 'DataProductRegistered',
    product,
    published: false,
    data: { description, owner, accessMode, tables: tables.map((table) => table.name) },
  });
  return product;
}

/** Changes what a product says of itself, or its tables; what is published is declared anew. */
export async function updateDataProduct(ctx: Context, input: UpdateDataProductInput): Answer {
  const {
    dataProduct: id,
    tables,
    requestTemplate,
    idempotencyKey: _,
    planDigest,
    acceptChangedPlan,
    ...given
  } = read(updateDataProductInput, input);
  const looked = { planDigest, acceptChangedPlan };
  return change(ctx, { name: 'updateDataProduct', action: 'data-product:update', input, id }, async (tx, product) => {
    step(DATA_PRODUCT, product.status, 'change');
    const described = changes(pickDescribed(product), pickDescribed({ ...product, ...givenOnly(given) }));
    const old = tables ? await readTables(tx, product) : null;
    const shaped = tables && old ? await changeTables(tx, old, tables) : null;
    const asks = await setRequestTemplate(ctx, tx, { productId: id, given: requestTemplate });
    const crawl = given.crawl === true;
    if (described === null && shaped === null && asks === null && !crawl) return [];
    if (crawl) step(DATA_PRODUCT, product.status, 'crawl');
    const grants = await lockLiveGrants(tx, id);
    const mode = described?.after.accessMode ? changedMode(product, described.after.accessMode) : {};
    // Also without a change of its own row, the product was updated now.
    await tx.dataProduct.update({ where: { id }, data: { ...described?.after, ...mode, updatedAt: new Date() } });
    const published = inCatalogue(product);
    for (const data of [described, asks]) {
      if (data !== null) await announceProduct(tx, ctx, { type: 'DataProductUpdated', product, published, data });
    }
    if (shaped !== null) await announceProduct(tx, ctx, { type: 'SchemaChanged', product, published, data: shaped });
    const { classification, accessMode } = described?.after ?? {};
    const inAws = crawl || shaped !== null || classification !== undefined || accessMode !== undefined;
    if (!inAws || product.status === 'DRAFT') return [];
    const stored = await readTables(tx, product);
    const was = { ...stored, classification: product.classification, tables: old?.tables ?? stored.tables };
    const read = crawl || accessMode !== undefined ? await withCrawlsUnderWay(ctx, tx, stored) : stored;
    const full = crawl || shaped !== null ? withCrawls(read, { all: crawl }) : read;
    if (accessMode !== undefined) refuseWhileCrawling(full);
    if (accessMode === 'LF_TBAC') refuseGivenByName(full, grants);
    await keepCrawls(tx, full);
    const grows = shaped !== null || classification !== undefined;
    const declared: Declarations = [];
    const { lanes, policyVersion } = await declareChange(ctx, tx, {
      ...{ was, product: full, grants, declared },
      ...{ judged: grows || accessMode !== undefined, grows },
    });
    assertPlanned(declared, { ...looked, policyVersion }, product.status);
    return lanes;
  });
}

const pickDescribed = ({ description, owner, tags, classification, accessMode }: ProductRow) => ({
  description,
  owner,
  tags,
  classification,
  accessMode,
});

const givenOnly = <T extends object>(given: T) =>
  Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null && value !== undefined)) as {
    [K in keyof T]?: NonNullable<T[K]>;
  };

/** Replaces the tables where they differ; a contract in force states them instead. */
async function changeTables(tx: Tx, product: ProductWithTables, tables: TableShape[]) {
  checkLocations(tables, product.domain.dataLocation);
  const active = await tx.dataContract.findFirst({ where: { productId: product.id, status: 'ACTIVE' } });
  if (active !== null) {
    throw conflict(
      `The tables are stated by the contract in force, version ${active.version}: import and activate a new one.`,
    );
  }
  const before = shapesOf(product.tables);
  if (JSON.stringify(before) === JSON.stringify(tables)) return null;
  await replaceTables(tx, { productId: product.id, tables, source: 'FIELDS' });
  return schemaChanges(before, tables);
}

/** Publishes a draft: its tables are declared; once they stand in AWS it is in everybody's catalogue. */
export async function publishDataProduct(ctx: Context, input: PublishDataProductInput): Answer {
  const { dataProduct, crawl, ...looked } = read(publishDataProductInput, input);
  return change(
    ctx,
    { name: 'publishDataProduct', action: 'data-product:publish', input, id: dataProduct },
    async (tx, product) => {
      const status = step(DATA_PRODUCT, product.status, 'publish');
      const full = withCrawls(await readTables(tx, product), { all: crawl === true });
      const policyVersion = await assertContentPublishable(ctx, tx, { was: null, product: full });
      await keepCrawls(tx, full);
      const declared: Declarations = [];
      const lanes = await claimProduct(ctx, tx, full, declared);
      assertPlanned(declared, { ...looked, policyVersion }, product.status);
      await tx.dataProduct.update({ where: { id: product.id }, data: { status } });
      await announceProduct(tx, ctx, {
        type: 'DataProductPublished',
        product,
        published: false,
        data: { before: { status: product.status }, after: { status }, tables: full.tables.map(({ name }) => name) },
      });
      await settled(ctx.mesh, tx, productOwner(product));
      return lanes;
    },
  );
}

/** Takes no new requests from now on; what is granted stays. */
export async function deprecateDataProduct(ctx: Context, input: DeprecateDataProductInput): Answer {
  const { dataProduct, reason } = read(deprecateDataProductInput, input);
  return change(
    ctx,
    { name: 'deprecateDataProduct', action: 'data-product:deprecate', input, id: dataProduct },
    async (tx, product) => {
      const status = step(DATA_PRODUCT, product.status, 'deprecate');
      await tx.dataProduct.update({ where: { id: product.id }, data: { status, deprecatedAt: new Date() } });
      const data = { before: { status: product.status }, after: { status }, reason: reason ?? null };
      await announceProduct(tx, ctx, { type: 'DataProductDeprecated', product, published: true, data });
      return [];
    },
  );
}

/** Takes a product off the mesh for good. While access to it is granted it stays, unless `revokeGrants` ends that too. */
export async function retireDataProduct(ctx: Context, input: RetireDataProductInput): Answer {
  const { dataProduct, revokeGrants, ...looked } = read(retireDataProductInput, input);
  return change(
    ctx,
    { name: 'retireDataProduct', action: 'data-product:retire', input, id: dataProduct },
    async (tx, product) => {
      const status = step(DATA_PRODUCT, product.status, 'retire');
      // The product's row is locked, so no grant comes to be; the locked ones are all that are alive.
      const grants = await lockLiveGrants(tx, product.id);
      if (grants.length > 0 && !revokeGrants) {
        const count = grants.length === 1 ? 'One grant gives' : `${grants.length} grants give`;
        throw wrongState(
          product.status,
          `${count} access to the product: revoke first, or retire it with revokeGrants: true.`,
        );
      }
      await tx.dataProduct.update({ where: { id: product.id }, data: { status, retiredAt: new Date() } });
      await announceProduct(tx, ctx, {
        type: 'DataProductRetired',
        product,
        published: inCatalogue(product),
        data: { before: { status: product.status }, after: { status }, revokedGrants: grants.length },
      });
      for (const request of await lockOpenRequests(tx, product.id))
        await closeRequest(ctx, tx, request, 'The product was retired.');
      await lockClaims(tx, [productOwner(product), ...grants.map(grantOwner)]);
      const lanes: LaneKey[] = [];
      const declared: Declarations = [];
      const reason = 'The product was retired.';
      for (const grant of grants) {
        lanes.push(...(await beginRevoke(ctx, tx, { grant, reason, endsAs: 'REVOKED', declared })));
      }
      lanes.push(
        ...(await claim(tx, {
          owner: productOwner(product),
          resources: [],
          correlationId: ctx.correlationId,
          declared,
        })),
      );
      assertPlanned(declared, looked, product.status);
      return lanes;
    },
  );
}

interface Change {
  /** The mutation's name in the API. */
  name: string;
  action: Extract<Action, `data-product:${'update' | 'publish' | 'deprecate' | 'retire'}`>;
  input: { idempotencyKey?: string | null | undefined };
  id: string;
}

/** Locks the product, authorizes once, then does the work, which returns the lanes to wake. Grants are locked before their product. */
function change(
  ctx: Context,
  { name, action, input, id }: Change,
  work: (tx: Tx, product: ProductRow) => Promise<LaneKey[]>,
): Answer {
  return mutate(ctx, { mutation: name, idempotencyKey: input.idempotencyKey, input }, async (tx) => {
    if (action === 'data-product:retire') await lockOpenRequests(tx, id);
    if (action === 'data-product:retire' || action === 'data-product:update') await lockLiveGrants(tx, id);
    const product = await lockProduct(tx, id);
    assertCan(ctx.viewer, action, productSubject(product));
    return { ids: { dataProductId: id }, lanes: await work(tx, product) };
  });
}
