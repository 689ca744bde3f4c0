import { desire, type PermissionMap } from '../provisioning/kinds.js';
import type { LfResource } from '../provisioning/lake-resource.js';
import type { DesiredResource } from '../provisioning/resource.js';
import type { Mesh } from './context.js';
import {
  ALL,
  atLocation,
  centralTable,
  DESCRIBE,
  desireGrant,
  desireLink,
  desireShared,
  inAccount,
  localDatabase,
} from './desired-grants.js';
import { CRAWLER_PREFIX } from './names.js';
import type { ProductWithTables, TableRow } from './rows.js';

const CRAWL: PermissionMap = { SELECT: 'ALL_COLUMNS', INSERT: 'ALL_COLUMNS', ALTER: 'ALL_COLUMNS' };

/**
 * A crawl that was asked for and is not done yet: the crawler in the domain's account, and what its role needs to read the files and to
 * write what it finds to the table (design: provisioning.md, Kinds, CrawlerRun). Nothing where no crawl is due.
 */
export function desiredCrawl(
  mesh: Mesh,
  product: ProductWithTables,
  { table, target }: { table: TableRow; target: LfResource & { type: 'TABLE' } },
): DesiredResource[] {
  const { domain } = product;
  const { crawlerRoleArn: roleArn } = domain;
  const run = crawlRunOf(mesh, product, table);
  if (run === undefined || roleArn === null) return [];
  const at = inAccount(domain);
  const { link, resource: linked } = desireLink(domain, product, target);
  return [
    ...desireShared(mesh, domain, target, ALL),
    link,
    desireGrant(at, roleArn, localDatabase(domain), DESCRIBE),
    desireGrant(at, roleArn, linked, DESCRIBE),
    desireGrant(at, roleArn, target, CRAWL),
    atLocation(mesh, domain, roleArn),
    run,
  ];
}

/** The run of the crawler itself; undefined where no crawl is due. */
export function crawlRunOf(
  mesh: Mesh,
  product: ProductWithTables,
  table: Pick<TableRow, 'name' | 'crawlRun'>,
): DesiredResource<'CrawlerRun'> | undefined {
  const { domain } = product;
  const { crawlerRoleArn: roleArn } = domain;
  if (table.crawlRun === null || roleArn === null || domain.provisioning === 'DELEGATED') return undefined;
  const { catalogId, ...target } = centralTable(mesh, product, table.name, product.accessMode);
  const { resource: linked } = desireLink(domain, product, { catalogId, ...target });
  return desire('CrawlerRun', inAccount(domain), {
    name: crawlerName(product, table.name),
    run: table.crawlRun,
    roleArn,
    link: { database: linked.database, table: linked.table },
    target: { catalogId, database: target.database, table: target.table },
  });
}

/** A table's crawler: names are up to 255 characters, and a product, its domain and a table together have fewer. */
function crawlerName({ name, domain }: Pick<ProductWithTables, 'name' | 'domain'>, table: string): string {
  return `${CRAWLER_PREFIX}${domain.name}-${name}-${table}`;
}
