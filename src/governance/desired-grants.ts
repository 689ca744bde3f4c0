import type { AccessMode, Domain } from '../generated/prisma/client.js';
import { desire, type PermissionMap } from '../provisioning/kinds.js';
import { type LfResource, type TagCondition, tagPolicy } from '../provisioning/lake-resource.js';
import type { DesiredResource } from '../provisioning/resource.js';
import { CONFIDENTIALITY, type Confidentiality } from './confidentiality.js';
import type { Mesh } from './context.js';
import { centralDatabase, databaseLinkName, LOCAL_DATABASE, linkName, MODE_NAME, s3Arn } from './names.js';
import type { ProductWithTables } from './rows.js';

/** The words that the desired state of domains, products and grants is made of. */

/** A lane: the account that is called, and the region. */
export type At = { account: string; region: string };
/** An account of the mesh: where links and local grants stand. */
export type Account = Pick<Domain, 'awsAccountId' | 'awsRegion' | 'provisioning'>;

export const inGovernance = (mesh: Mesh): At => ({ account: mesh.governanceAccount, region: mesh.region });
export const inAccount = ({ awsAccountId, awsRegion }: Pick<Account, 'awsAccountId' | 'awsRegion'>): At => ({
  account: awsAccountId,
  region: awsRegion,
});

export const DESCRIBE: PermissionMap = { DESCRIBE: 'ALL_COLUMNS' };
export const ALL: PermissionMap = { ALL: 'ALL_COLUMNS' };

/** Nothing is called in the account of a domain that provisions for itself. */
export function calledOnly(resources: DesiredResource[], { awsAccountId, provisioning }: Account): DesiredResource[] {
  return provisioning === 'DELEGATED' ? resources.filter(({ account }) => account !== awsAccountId) : resources;
}

/** States a grant without grant option. */
export function desireGrant(
  at: At,
  principal: string,
  resource: LfResource,
  permissions: PermissionMap,
): DesiredResource<'LfGrant'> {
  return desire('LfGrant', at, { principal, resource, permissions, grantable: {} });
}

/** What an account gets of G with grant option, and the share that brings it. */
export function desireShared(
  mesh: Mesh,
  to: Account,
  resource: LfResource,
  permissions: PermissionMap,
): DesiredResource[] {
  const principal = to.awsAccountId;
  const grant = desire('LfGrant', inGovernance(mesh), { principal, resource, permissions, grantable: permissions });
  // Tags and locations reach another account without a RAM share.
  const shared = resource.type !== 'LF_TAG' && resource.type !== 'DATA_LOCATION';
  return shared ? [grant, desire('ShareAcceptance', inAccount(to), { resource, principal })] : [grant];
}

/** The catalogue's own name of a product's table, by access mode. */
export function centralTable(
  mesh: Mesh,
  product: Pick<ProductWithTables, 'domain'>,
  table: string,
  mode: AccessMode,
): LfResource & { type: 'TABLE' } {
  const database = centralDatabase(mesh, product.domain, MODE_NAME[mode]);
  return { type: 'TABLE', catalogId: mesh.governanceAccount, database, table };
}

/** The database of an account in which the links stand. */
export const localDatabase = ({ awsAccountId }: Pick<Account, 'awsAccountId'>): LfResource => ({
  type: 'DATABASE',
  catalogId: awsAccountId,
  database: LOCAL_DATABASE,
});

/** The link to a product's table in an account's `data_products`. */
export function desireLink(
  account: Pick<Account, 'awsAccountId' | 'awsRegion'>,
  product: Pick<ProductWithTables, 'name' | 'domain'>,
  target: LfResource & { type: 'TABLE' },
): { link: DesiredResource<'TableLink'>; resource: LfResource & { type: 'TABLE' } } {
  const name = linkName(product.domain.name, product.name, target.table);
  const { catalogId, database, table } = target;
  return {
    link: desire('TableLink', inAccount(account), {
      database: LOCAL_DATABASE,
      name,
      target: { catalogId, database, table },
    }),
    resource: { type: 'TABLE', catalogId: account.awsAccountId, database: LOCAL_DATABASE, table: name },
  };
}

/** The link to a domain's database of products by tag, in an account that reads one. */
export function desireDatabaseLink(
  mesh: Mesh,
  account: Pick<Account, 'awsAccountId' | 'awsRegion'>,
  domain: Domain,
): { link: DesiredResource<'DatabaseLink'>; resource: LfResource } {
  const name = databaseLinkName(domain.name);
  const target = { catalogId: mesh.governanceAccount, database: centralDatabase(mesh, domain, 'tbac') };
  return {
    link: desire('DatabaseLink', inAccount(account), { name, target }),
    resource: { type: 'DATABASE', catalogId: account.awsAccountId, database: name },
  };
}

/** The LF-tag whose value is the domain: it is on the domain's database of products by tag, and all its tables have it. */
export const LOB = 'lob';

/** The LF-tag that tells a domain's products by tag apart; `lob` alone would open the whole domain. */
export const productTag = (domain: { name: string }): string => `product-${domain.name}`;

/** All databases, or tables, of a domain that are given by tag. */
export function domainByTag(mesh: Mesh, domain: Domain, on: 'DATABASE' | 'TABLE') {
  return tagPolicy(mesh.governanceAccount, on, [{ key: LOB, values: [domain.name] }]);
}

/** The tables of one product, and of them what has one of these values. */
export function productByTag(
  mesh: Mesh,
  product: Pick<ProductWithTables, 'name' | 'domain'>,
  values: Confidentiality[],
) {
  const expression: TagCondition[] = [
    { key: productTag(product.domain), values: [product.name] },
    { key: CONFIDENTIALITY, values },
  ];
  return tagPolicy(mesh.governanceAccount, 'TABLE', expression);
}

/** The values of a tag expression, each as a resource that permissions are granted on. */
export function tagValues({ catalogId, expression }: LfResource & { type: 'LF_TAG_POLICY' }): LfResource[] {
  return expression.flatMap(({ key, values }) =>
    values.map((value): LfResource => ({ type: 'LF_TAG', catalogId, key, value })),
  );
}

/** A domain's registered location. */
export function locationOf(mesh: Mesh, domain: Pick<Domain, 'dataLocation'>): LfResource & { type: 'DATA_LOCATION' } {
  return { type: 'DATA_LOCATION', catalogId: mesh.governanceAccount, arn: s3Arn(mesh, domain.dataLocation) };
}

/** What a principal of the domain's own account needs besides to alter a table at its location (Lake Formation, troubleshooting). */
export function atLocation(mesh: Mesh, domain: Domain, principal: string): DesiredResource {
  return desireGrant(inAccount(domain), principal, locationOf(mesh, domain), { DATA_LOCATION_ACCESS: 'ALL_COLUMNS' });
}
