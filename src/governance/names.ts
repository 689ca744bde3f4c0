import type { Mesh } from './context.js';

/** What AWS objects are called. Pure: the same row always gets the same name. */

type DomainName = { name: string; awsAccountId: string };

/** The database in each domain's account that holds the links to what it may read. */
export const LOCAL_DATABASE = 'data_products';
/** The domain's own bus, unless it names another. */
export const DEFAULT_BUS = 'meshgate';
/** Glue names are at most 255 characters. */
export const GLUE_NAME_LIMIT = 255;

const underscored = (slug: string) => slug.replaceAll('-', '_');

/** The domain's database in the central catalogue, by access mode. */
export function centralDatabase(mesh: Mesh, domain: DomainName, mode: 'nrac' | 'tbac'): string {
  return mesh.databaseNames[mode]
    .replaceAll('{domain}', underscored(domain.name))
    .replaceAll('{account}', domain.awsAccountId);
}

/** The link to a product's table in `data_products`: `{domain}__{product}__{table}`. Slugs have no `__`, so no two tables share one. */
export function linkName(domain: string, product: string, table: string): string {
  return `${underscored(domain)}__${underscored(product)}__${table}`;
}

/** s3://bucket/prefix -> arn:aws:s3:::bucket/prefix. */
export function s3Arn(mesh: Mesh, location: string): string {
  return `arn:${partition(mesh)}:s3:::${location.slice('s3://'.length)}`;
}

export function busArn(mesh: Mesh, account: string, bus: string): string {
  return `arn:${partition(mesh)}:events:${mesh.region}:${account}:event-bus/${bus}`;
}

/** The Glue ARN of a table, database (`database/x`), or `catalog`. */
export function glueArn(mesh: Mesh, account: string, path: string): string {
  return `arn:${partition(mesh)}:glue:${mesh.region}:${account}:${path}`;
}

/** The role that EventBridge uses in the domain's account, unless the domain names another. */
export function defaultEventTargetRole(mesh: Mesh, account: string): string {
  return `arn:${partition(mesh)}:iam::${account}:role/meshgate-events`;
}

/** aws, aws-cn, aws-us-gov: every ARN of a mesh is of its governance role's partition. */
function partition(mesh: Mesh): string {
  return mesh.governanceRoleArn.split(':')[1] ?? 'aws';
}
