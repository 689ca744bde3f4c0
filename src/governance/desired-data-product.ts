import type { AccessMode } from '../generated/prisma/client.js';
import { desire, type PermissionMap, type SpecOf } from '../provisioning/kinds.js';
import type { LfResource } from '../provisioning/lake-resource.js';
import type { DesiredResource } from '../provisioning/resource.js';
import { CONFIDENTIALITY, confidentiality, isSensitive } from './confidentiality.js';
import type { Mesh } from './context.js';
import { desiredContract } from './desired-contract.js';
import { desiredCrawl } from './desired-crawl.js';
import { desiredDomainByTag } from './desired-domain.js';
import {
  ALL,
  atLocation,
  calledOnly,
  centralTable,
  DESCRIBE,
  desireDatabaseLink,
  desireGrant,
  desireLink,
  desireShared,
  domainByTag,
  inAccount,
  inGovernance,
  localDatabase,
  productTag,
} from './desired-grants.js';
import { centralDatabase, MODE_NAME, s3Arn } from './names.js';
import type { ProductInForce, ProductWithTables, TableRow } from './rows.js';

/**
 * What a published product needs of AWS (design: provisioning.md, publishDataProduct), in its access mode, and in the one that it
 * comes from while that changes. Tables have locations and formats.
 */
export function desiredDataProduct(mesh: Mesh, product: ProductWithTables): DesiredResource[] {
  if (product.tables.length === 0) return [];
  const resources = modesOf(product).flatMap((mode) =>
    mode === 'NRAC' ? byName(mesh, product) : byTag(mesh, product),
  );
  return calledOnly(resources, product.domain);
}

/** The same with what its contract in force comes to: all that a published product claims. Nobody's access waits for that part. */
export function desiredInForce(mesh: Mesh, product: ProductInForce): DesiredResource[] {
  const { resources } = desiredContract(mesh, product);
  return [...desiredDataProduct(mesh, product), ...calledOnly(resources, product.domain)];
}

/** The modes in which a product is given now: two while its mode changes. */
export function modesOf({
  accessMode,
  previousAccessMode,
}: Pick<ProductWithTables, 'accessMode' | 'previousAccessMode'>): AccessMode[] {
  return previousAccessMode === null ? [accessMode] : [accessMode, previousAccessMode];
}

/** What the domain's own workflow may do with its tables; dropping them stays with Meshgate. */
const WORKFLOW: PermissionMap = {
  SELECT: 'ALL_COLUMNS',
  DESCRIBE: 'ALL_COLUMNS',
  INSERT: 'ALL_COLUMNS',
  DELETE: 'ALL_COLUMNS',
  ALTER: 'ALL_COLUMNS',
};

function byName(mesh: Mesh, product: ProductWithTables): DesiredResource[] {
  const { domain } = product;
  const { workflowRoleArn } = domain;
  const at = inAccount(domain);
  const workflow = workflowRoleArn === null ? [] : [desireGrant(at, workflowRoleArn, localDatabase(domain), DESCRIBE)];
  return [...product.tables.flatMap((table) => tableByName(mesh, product, table)), ...workflow];
}

function tableByName(mesh: Mesh, product: ProductWithTables, table: TableRow): DesiredResource[] {
  const { domain } = product;
  const { workflowRoleArn } = domain;
  const resource = centralTable(mesh, product, table.name, 'NRAC');
  const { link, resource: linked } = desireLink(domain, product, resource);
  return [
    desire('GlueTable', inGovernance(mesh), tableSpec(mesh, product, { table, mode: 'NRAC' })),
    ...confidentialityTags(mesh, product, { table, resource }),
    ...desireShared(mesh, domain, resource, ALL),
    link,
    ...(workflowRoleArn === null
      ? []
      : [
          desireGrant(inAccount(domain), workflowRoleArn, resource, WORKFLOW),
          desireGrant(inAccount(domain), workflowRoleArn, linked, DESCRIBE),
          atLocation(mesh, domain, workflowRoleArn),
        ]),
    ...(product.accessMode === 'NRAC' ? desiredCrawl(mesh, product, { table, target: resource }) : []),
  ];
}

/** A table by tag is reached through the domain's link to its database, by the tags of product and confidentiality. */
function byTag(mesh: Mesh, product: ProductWithTables): DesiredResource[] {
  const { domain } = product;
  const { workflowRoleArn } = domain;
  const at = inAccount(domain);
  const { resource: linked } = desireDatabaseLink(mesh, domain, domain);
  return [
    // The domain claims these too: a product is READY only with them.
    ...desiredDomainByTag(mesh, domain),
    desire('LfTag', inGovernance(mesh), { key: productTag(domain), values: [product.name] }),
    ...product.tables.flatMap((table) => tableByTag(mesh, product, table)),
    ...(workflowRoleArn === null
      ? []
      : [
          desireGrant(at, workflowRoleArn, linked, DESCRIBE),
          // To the letter what the account was granted: Lake Formation refuses any other expression.
          desireGrant(at, workflowRoleArn, domainByTag(mesh, domain, 'TABLE'), WORKFLOW),
          atLocation(mesh, domain, workflowRoleArn),
        ]),
  ];
}

function tableByTag(mesh: Mesh, product: ProductWithTables, table: TableRow): DesiredResource[] {
  const resource = centralTable(mesh, product, table.name, 'LF_TBAC');
  const { domain, name } = product;
  return [
    desire('GlueTable', inGovernance(mesh), tableSpec(mesh, product, { table, mode: 'LF_TBAC' })),
    ...confidentialityTags(mesh, product, { table, resource }),
    desire('LfTagAttachment', inGovernance(mesh), { resource, key: productTag(domain), value: name }),
    ...(product.accessMode === 'LF_TBAC' ? desiredCrawl(mesh, product, { table, target: resource }) : []),
  ];
}

function tableSpec(
  mesh: Mesh,
  product: ProductWithTables,
  { table, mode }: { table: TableRow; mode: AccessMode },
): SpecOf<'GlueTable'> {
  const { domain } = product;
  const columns = (partition: boolean) =>
    table.columns
      .filter((column) => column.partition === partition)
      .map(({ name, type, description }) => ({
        name,
        type,
        ...(description === null ? {} : { comment: comment(description) }),
      }));
  return {
    database: centralDatabase(mesh, domain, MODE_NAME[mode]),
    name: table.name,
    ...(table.description === null ? {} : { description: table.description.slice(0, 2_048) }),
    location: table.location as string,
    dataLocation: s3Arn(mesh, domain.dataLocation),
    format: table.format as SpecOf<'GlueTable'>['format'],
    columns: columns(false),
    partitionKeys: columns(true),
    // Two products never agree on a table: the product's name is part of its spec.
    parameters: { data_product: `${domain.name}/${product.name}`, classification_level: product.classification },
  };
}

/** Glue takes 255 characters of comment, on one line. */
const comment = (description: string) => description.replace(/\s+/g, ' ').slice(0, 255);

/** PUBLIC and INTERNAL are non-sensitive; a column with personal data, or classified higher, is sensitive in any table. */
function confidentialityTags(
  mesh: Mesh,
  product: ProductWithTables,
  { table, resource }: { table: TableRow; resource: LfResource },
): DesiredResource[] {
  const at = inGovernance(mesh);
  const value = confidentiality(product.classification);
  const columns = table.columns
    .filter(isSensitive)
    .map(({ name }) => name)
    .sort();
  const key = CONFIDENTIALITY;
  return [
    desire('LfTagAttachment', at, { resource, key, value }),
    ...(value === 'sensitive' || columns.length === 0
      ? []
      : [desire('LfTagAttachment', at, { resource, key, value: 'sensitive', columns })]),
  ];
}
