import type { AwsSession } from '../../src/aws/session.js';
import type { SpecOf } from '../../src/provisioning/kinds.js';
import type { Aws } from '../../src/provisioning/provider.js';
import { C, driver, G, roleIn } from './testkit.js';

/** A small mesh's specs: the table `sales_nrac.orders` of G at a registered path, and a consumer account C. */
export const LOCATION = 'arn:aws:s3:::lake/sales';
export const analyst = `arn:aws:iam::${C}:role/analyst`;
export const intern = `arn:aws:iam::${C}:role/interns/intern`;

export const settings = (account: string): SpecOf<'DataLakeSettings'> => ({
  admins: [account === G ? `arn:aws:iam::${G}:role/meshgate` : roleIn(account).arn],
  crossAccountVersion: 4,
  manage: true,
});

export const ramPolicy: SpecOf<'CatalogPolicy'> = {
  statements: {
    MeshgateRam: {
      Effect: 'Allow',
      Principal: { Service: 'ram.amazonaws.com' },
      Action: 'glue:ShareResource',
      Resource: [
        `arn:aws:glue:us-east-1:${G}:table/*/*`,
        `arn:aws:glue:us-east-1:${G}:database/*`,
        `arn:aws:glue:us-east-1:${G}:catalog`,
      ],
    },
  },
};

export const location: SpecOf<'DataLocation'> = { arn: LOCATION, roleArn: `arn:aws:iam::${G}:role/lake-reader` };

export const salesDatabase: SpecOf<'GlueDatabase'> = {
  name: 'sales_nrac',
  description: 'Sales, shared by name',
  locationUri: 's3://lake/sales',
  dataLocation: LOCATION,
  parameters: { data_owner: 'sales', access_mode: 'nrac' },
};

export const ordersTable: SpecOf<'GlueTable'> = {
  database: 'sales_nrac',
  name: 'orders',
  description: 'One row an order',
  location: 's3://lake/sales/orders',
  dataLocation: LOCATION,
  format: 'PARQUET',
  columns: [
    { name: 'id', type: 'bigint' },
    { name: 'amount', type: 'decimal(10,2)', comment: 'in euros' },
    { name: 'email', type: 'string' },
  ],
  partitionKeys: [{ name: 'day', type: 'date' }],
  parameters: { product: 'orders' },
};

/** The registry of the mesh, and in it the schema of a row of orders. */
export const registry: SpecOf<'SchemaRegistry'> = { name: 'mesh' };
export const ordersSchema: SpecOf<'SchemaRegistration'> = {
  registry: registry.name,
  name: 'sales__orders__orders',
  definition: {
    $schema: 'http://json-schema.org/draft-07/schema#',
    type: 'object',
    properties: { id: { type: 'integer' }, email: { type: ['string', 'null'] } },
    required: ['id'],
  },
};

export const ordersRules: SpecOf<'QualityRuleset'> = {
  name: 'sales__orders__orders__nrac',
  database: 'sales_nrac',
  table: 'orders',
  rules: ['IsComplete "id"', 'RowCount > 100'],
};

export const orders = { type: 'TABLE', catalogId: G, database: 'sales_nrac', table: 'orders' } as const;
export const localDatabase: SpecOf<'GlueDatabase'> = { name: 'data_products', parameters: {} };
export const ordersLink: SpecOf<'TableLink'> = {
  database: 'data_products',
  name: 'sales__orders__orders',
  target: { catalogId: G, database: 'sales_nrac', table: 'orders' },
};
export const linkResource = { type: 'TABLE', catalogId: C, database: 'data_products', table: ordersLink.name } as const;
export const localResource = { type: 'DATABASE', catalogId: C, database: 'data_products' } as const;

/** Applies a spec and throws where it did not go well. */
async function made(applying: Promise<{ ok: boolean }[]>): Promise<void> {
  const outcomes = await applying;
  if (!outcomes.every(({ ok }) => ok)) throw new Error(JSON.stringify(outcomes));
}

/** Both accounts governed by Lake Formation alone. */
export async function govern(aws: Aws<AwsSession>): Promise<void> {
  for (const account of [G, C]) await made(driver(aws, 'DataLakeSettings', account).apply(settings(account)));
}

/** Everything that stands in G before access can be granted. */
export async function publish(aws: Aws<AwsSession>): Promise<void> {
  await made(driver(aws, 'CatalogPolicy', G).apply(ramPolicy));
  await made(driver(aws, 'DataLocation', G).apply(location));
  await made(driver(aws, 'GlueDatabase', G).apply(salesDatabase));
  await made(driver(aws, 'GlueTable', G).apply(ordersTable));
}
