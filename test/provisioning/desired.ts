import { desire, type PermissionMap } from '../../src/provisioning/kinds.js';
import type { DesiredResource } from '../../src/provisioning/resource.js';

export const GOVERNANCE = { account: '111111111111', region: 'eu-central-1' };
export const CONSUMER = { account: '222222222222', region: 'eu-central-1' };
export const ANALYST = `arn:aws:iam::${CONSUMER.account}:role/analyst`;
export const CORRELATION = 'c-1';

const LOCATION = 'arn:aws:s3:::bucket/sales';

/** The catalogue's side of a table: settings, location, database, table. */
export function tableInGovernance(table: string): DesiredResource[] {
  return [
    desire('DataLakeSettings', GOVERNANCE, { admins: ['arn:aws:iam::111111111111:role/meshgate'], manage: true }),
    desire('DataLocation', GOVERNANCE, { arn: LOCATION, roleArn: 'arn:aws:iam::111111111111:role/data' }),
    desire('GlueDatabase', GOVERNANCE, { name: 'sales', dataLocation: LOCATION, parameters: {} }),
    desire('GlueTable', GOVERNANCE, {
      database: 'sales',
      name: table,
      location: `s3://bucket/sales/${table}`,
      dataLocation: LOCATION,
      format: 'PARQUET',
      columns: [{ name: 'id', type: 'bigint' }],
      partitionKeys: [],
      parameters: {},
    }),
  ];
}

/** The grant in the governance account, of these permissions on a table. */
export function grantOf(
  table: string,
  permissions: PermissionMap = { SELECT: 'ALL_COLUMNS' },
  principal = ANALYST,
): DesiredResource {
  return desire('LfGrant', GOVERNANCE, {
    principal,
    resource: { type: 'TABLE', catalogId: GOVERNANCE.account, database: 'sales', table },
    permissions,
    grantable: {},
  });
}

/** So many grants on a table, each to a principal of its own. */
export const grants = (count: number, table = 'orders') =>
  Array.from({ length: count }, (_, n) => grantOf(table, { SELECT: 'ALL_COLUMNS' }, `${ANALYST}-${n}`));

/** Everything that access by name needs for one principal and table, over two lanes. */
export function accessTo(table: string, permissions?: PermissionMap): DesiredResource[] {
  const target = { catalogId: GOVERNANCE.account, database: 'sales', table };
  return [
    grantOf(table, permissions),
    desire('ShareAcceptance', CONSUMER, { principal: ANALYST, resource: { type: 'TABLE', ...target } }),
    desire('TableLink', CONSUMER, { database: 'data_products', name: `sales__${table}`, target }),
    desire('LfGrant', CONSUMER, {
      principal: ANALYST,
      resource: { type: 'DATABASE', catalogId: CONSUMER.account, database: 'data_products' },
      permissions: { DESCRIBE: 'ALL_COLUMNS' },
      grantable: {},
    }),
    desire('LfGrant', CONSUMER, {
      principal: ANALYST,
      resource: { type: 'TABLE', catalogId: CONSUMER.account, database: 'data_products', table: `sales__${table}` },
      permissions: { DESCRIBE: 'ALL_COLUMNS' },
      grantable: {},
    }),
  ];
}

/** The consumer's own side: settings and the database of links. */
export function consumerDomain(): DesiredResource[] {
  return [
    desire('DataLakeSettings', CONSUMER, { admins: [`arn:aws:iam::${CONSUMER.account}:role/meshgate`], manage: true }),
    desire('GlueDatabase', CONSUMER, { name: 'data_products', parameters: {} }),
  ];
}
