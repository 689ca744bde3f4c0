import { createHash } from 'node:crypto';
import type { AccessMode } from '../generated/prisma/client.js';
import type { SpecOf } from '../provisioning/kinds.js';
import type { Mesh } from './context.js';

/** What AWS objects are called. Pure: the same row always gets the same name. */

type DomainName = { name: string; awsAccountId: string };

/** The database in each domain's account that holds the links to what it may read. */
export const LOCAL_DATABASE = 'data_products';
/** The bus that every account has, and on which AWS's services tell what happened. */
export const DEFAULT_EVENT_BUS = 'default';
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

/** How the names of a mode's databases end. */
export const MODE_NAME = { NRAC: 'nrac', LF_TBAC: 'tbac' } as const satisfies Record<AccessMode, string>;

/** The link to a domain's database of products by tag, in every account that reads one: `{domain}__tbac`. */
export function databaseLinkName(domain: string): string {
  return `${underscored(domain)}__tbac`;
}

/** How the workflows of the AWS Analytics Reference Architecture name the database that their links stand in. */
export function workflowDatabase(side: 'producer' | 'consumer', mode: AccessMode): string {
  return side === 'consumer' && mode === 'NRAC' ? 'data-products' : `${MODE_NAME[mode]}-data-domain`;
}

/** How those workflows name a link to a table, or to a central database. */
export function workflowLinkName(target: string): string {
  return `rl-${target}`;
}

/** A filter's name says what it holds, so that equal filters of a table are one and a changed one is another. */
export function filterName({ columns, rowFilter }: Pick<SpecOf<'DataFilter'>, 'columns' | 'rowFilter'>): string {
  const content = JSON.stringify([columns, rowFilter]);
  return `mg_${createHash('sha256').update(content).digest('hex').slice(0, 32)}`;
}

/** The link to a product's table in `data_products`: `{domain}__{product}__{table}`. Slugs have no `__`, so no two tables share one. */
export function linkName(domain: string, product: string, table: string): string {
  return `${underscored(domain)}__${underscored(product)}__${table}`;
}

/** The registry that holds the schemas of the whole mesh. */
export const SCHEMA_REGISTRY = 'meshgate';

/** A table's ruleset. It stays on one table, and a product's table is another one by name than by tag: `{link}__{nrac|tbac}`. */
export function rulesetName(link: string, mode: AccessMode): string {
  return `${link}__${MODE_NAME[mode]}`;
}

/** s3://bucket/prefix -> arn:aws:s3:::bucket/prefix. */
export function s3Arn(mesh: Mesh, location: string): string {
  return `arn:${partition(mesh)}:s3:::${location.slice('s3://'.length)}`;
}

export function busArn(mesh: Mesh, account: string, bus: string): string {
  return `arn:${partition(mesh)}:events:${mesh.region}:${account}:event-bus/${bus}`;
}

/** A rule on a bus of the governance account, the central one unless another is named; the default bus has no part in the ARNs of its rules. */
export function centralRuleArn(mesh: Mesh, rule: string, bus = mesh.centralBusName): string {
  const path = bus === DEFAULT_EVENT_BUS ? rule : `${bus}/${rule}`;
  return `arn:${partition(mesh)}:events:${mesh.region}:${mesh.governanceAccount}:rule/${path}`;
}

/** The rule of a route on the central bus. */
export function routeRuleName(route: { id: string }): string {
  return `route-${route.id.replaceAll('-', '')}`;
}

/** The queue in the governance account that keeps what a domain's bus did not take: 61 of SQS's 80 characters at most. */
export function undeliveredQueueName(domain: { name: string }): string {
  return `meshgate-undelivered-${domain.name}`;
}

/** The queue in the governance account that brings in what the accounts of the mesh tell, and the one for what it could not take. */
export const INBOX_QUEUE = 'meshgate-inbox';
export const INBOX_OVERFLOW_QUEUE = 'meshgate-inbox-overflow';
export const INBOX_UNDELIVERED_QUEUE = 'meshgate-inbox-undelivered';
/** Begins the name of every crawler of Meshgate's. */
export const CRAWLER_PREFIX = 'meshgate-';

export function queueArn(mesh: Mesh, account: string, queue: string): string {
  return `arn:${partition(mesh)}:sqs:${mesh.region}:${account}:${queue}`;
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
