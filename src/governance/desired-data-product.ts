import type { Classification } from '../generated/prisma/client.js';
import { desire, type SpecOf } from '../provisioning/kinds.js';
import type { LfResource } from '../provisioning/lake-resource.js';
import type { DesiredResource } from '../provisioning/resource.js';
import type { Mesh } from './context.js';
import { centralDatabase, LOCAL_DATABASE, linkName, s3Arn } from './names.js';
import type { ProductWithTables, TableRow } from './rows.js';

/** What a published product needs of AWS (design: provisioning.md, publishDataProduct), by name. Tables have locations and formats. */
export function desiredDataProduct(mesh: Mesh, product: ProductWithTables): DesiredResource[] {
  const { domain } = product;
  const { workflowRoleArn } = domain;
  const inDomain = { account: domain.awsAccountId, region: domain.awsRegion };
  const local: LfResource = { type: 'DATABASE', catalogId: domain.awsAccountId, database: LOCAL_DATABASE };
  return [
    ...product.tables.flatMap((table) => desiredTable(mesh, product, table)),
    ...(workflowRoleArn === null || product.tables.length === 0
      ? []
      : [desireGrant(inDomain, workflowRoleArn, local, { DESCRIBE: 'ALL_COLUMNS' })]),
  ];
}

/** The catalogue's own name of a product's table. */
export function centralTable(
  mesh: Mesh,
  product: Pick<ProductWithTables, 'domain'>,
  table: string,
): LfResource & { type: 'TABLE' } {
  const database = centralDatabase(mesh, product.domain, 'nrac');
  return { type: 'TABLE', catalogId: mesh.governanceAccount, database, table };
}

/** States a grant without grant option. */
export function desireGrant(
  at: { account: string; region: string },
  principal: string,
  resource: LfResource,
  permissions: SpecOf<'LfGrant'>['permissions'],
): DesiredResource<'LfGrant'> {
  return desire('LfGrant', at, { principal, resource, permissions, grantable: {} });
}

/** The link to a product's table in an account's `data_products`. */
export function desireLink(
  account: { awsAccountId: string; awsRegion: string },
  product: Pick<ProductWithTables, 'name' | 'domain'>,
  target: LfResource & { type: 'TABLE' },
): { link: DesiredResource<'TableLink'>; resource: LfResource } {
  const name = linkName(product.domain.name, product.name, target.table);
  return {
    link: desire(
      'TableLink',
      { account: account.awsAccountId, region: account.awsRegion },
      {
        database: LOCAL_DATABASE,
        name,
        target: { catalogId: target.catalogId, database: target.database, table: target.table },
      },
    ),
    resource: { type: 'TABLE', catalogId: account.awsAccountId, database: LOCAL_DATABASE, table: name },
  };
}

function desiredTable(mesh: Mesh, product: ProductWithTables, table: TableRow): DesiredResource[] {
  const { domain } = product;
  const inGovernance = { account: mesh.governanceAccount, region: mesh.region };
  const inDomain = { account: domain.awsAccountId, region: domain.awsRegion };
  const resource = centralTable(mesh, product, table.name);
  const all = { ALL: 'ALL_COLUMNS' } as const;
  const { link, resource: linked } = desireLink(domain, product, resource);
  return [
    desire('GlueTable', inGovernance, tableSpec(mesh, product, table)),
    ...tags(inGovernance, product, table, resource),
    desire('LfGrant', inGovernance, { principal: domain.awsAccountId, resource, permissions: all, grantable: all }),
    desire('ShareAcceptance', inDomain, { resource, principal: domain.awsAccountId }),
    link,
    ...(domain.workflowRoleArn === null
      ? []
      : [
          desireGrant(inDomain, domain.workflowRoleArn, resource, WORKFLOW),
          desireGrant(inDomain, domain.workflowRoleArn, linked, { DESCRIBE: 'ALL_COLUMNS' }),
        ]),
  ];
}

/** What the domain's own workflow may do with its tables; dropping them stays with Meshgate. */
const WORKFLOW = {
  SELECT: 'ALL_COLUMNS',
  DESCRIBE: 'ALL_COLUMNS',
  INSERT: 'ALL_COLUMNS',
  DELETE: 'ALL_COLUMNS',
  ALTER: 'ALL_COLUMNS',
} as const;

function tableSpec(mesh: Mesh, product: ProductWithTables, table: TableRow): SpecOf<'GlueTable'> {
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
    database: centralDatabase(mesh, domain, 'nrac'),
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

const LEVELS: readonly Classification[] = ['PUBLIC', 'INTERNAL', 'CONFIDENTIAL', 'RESTRICTED'];
const confidentiality = (level: Classification) =>
  LEVELS.indexOf(level) >= LEVELS.indexOf('CONFIDENTIAL') ? 'sensitive' : 'non-sensitive';

/** PUBLIC and INTERNAL are non-sensitive; a column with personal data, or classified higher, is sensitive in any table. */
function tags(
  at: { account: string; region: string },
  product: ProductWithTables,
  table: TableRow,
  resource: LfResource,
): DesiredResource[] {
  const value = confidentiality(product.classification);
  const columns = table.columns
    .filter(
      ({ pii, classification }) => pii || (classification !== null && confidentiality(classification) === 'sensitive'),
    )
    .map(({ name }) => name)
    .sort();
  const key = 'confidentiality';
  return [
    desire('LfTagAttachment', at, { resource, key, value }),
    ...(value === 'sensitive' || columns.length === 0
      ? []
      : [desire('LfTagAttachment', at, { resource, key, value: 'sensitive', columns })]),
  ];
}
