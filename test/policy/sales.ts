import { randomUUID } from 'node:crypto';
import type { UpdateDataProductInput } from '../../src/governance/data-product.input.js';
import {
  deprecateDataProduct,
  publishDataProduct,
  registerDataProduct,
  retireDataProduct,
  updateDataProduct,
} from '../../src/governance/data-product.js';
import { activatePolicy, createPolicy, deactivatePolicy } from '../../src/governance/policy.js';
import { openMesh, productInput, seedDomain, type TestMesh } from '../governance/mesh.js';

/** A column as its producer marks it; its type is a text. */
export interface Marked {
  name: string;
  pii?: boolean;
  classification?: 'PUBLIC' | 'INTERNAL' | 'CONFIDENTIAL' | 'RESTRICTED';
}

export const ID: Marked = { name: 'id' };
export const EMAIL: Marked = { name: 'email', pii: true };
export const SALARY: Marked = { name: 'salary', classification: 'RESTRICTED' };

/** A table with these columns; its place is under sales' data, and after its name where none is given. */
export const table = (name: string, columns: Marked[], place = name) => ({
  ...{ name, location: `s3://sales-lake/data/${place}/`, format: 'PARQUET' as const },
  columns: columns.map((column) => ({ type: 'string', ...column })),
});

/** The one table of a product, with these columns. */
export const tableOf = (product: string, columns: Marked[]) => [
  table(`${product.replaceAll('-', '_')}_rows`, columns, product),
];

/** An ODCS document; with columns it states the product's one table. */
export function contractOf(product: string, version: string, columns?: (Marked & { sensitivity?: string })[]): string {
  const properties = columns?.map(({ name, sensitivity }) => ({
    ...{ name, logicalType: 'string', physicalType: 'string' },
    ...(sensitivity === undefined ? {} : { classification: sensitivity }),
  }));
  const location = `s3://sales-lake/data/${product}/`;
  return JSON.stringify({
    ...{ apiVersion: 'v3.0.2', kind: 'DataContract', id: product, version, status: 'active' },
    ...(properties && {
      servers: [{ server: 'lake', type: 's3', location, format: 'parquet' }],
      schema: [{ name: `${product}_rows`, logicalType: 'object', properties }],
    }),
  });
}

type Registration = Partial<ReturnType<typeof productInput>>;

/** A mesh with the domains sales, whose products change, and finance. */
export interface Sales extends TestMesh {
  sales: { id: string; name: string };
  finance: string;
  update(person: string, input: UpdateDataProductInput): Promise<{ dataProductId: string }>;
  /** A draft of sales with one table of these columns. */
  draft(name: string, columns: Marked[], more?: Registration): Promise<string>;
  publish(person: string, dataProduct: string): Promise<{ dataProductId: string }>;
  /** The same, PUBLISHED. */
  published(name: string, columns: Marked[], more?: Registration): Promise<string>;
  retire(dataProduct: string): Promise<void>;
  /** Lets a policy of the whole mesh decide while something is tried. */
  during(source: string, work: () => Promise<void>): Promise<void>;
}

export async function openSales(): Promise<Sales> {
  const mesh = await openMesh();
  const id = await seedDomain(mesh, 'sales', 1);
  const finance = await seedDomain(mesh, 'finance', 2);
  const sales = { id, name: 'sales' };
  const draft: Sales['draft'] = async (name, columns, more = {}) => {
    const input = { ...productInput(sales, name), tables: tableOf(name, columns), ...more };
    return (await registerDataProduct(await mesh.as('sales-owner'), input)).dataProductId;
  };
  const publish: Sales['publish'] = async (person, dataProduct) =>
    publishDataProduct(await mesh.as(person), { dataProduct });
  return {
    ...{ ...mesh, sales, finance, draft, publish },
    update: async (person, input) => updateDataProduct(await mesh.as(person), input),
    published: async (name, columns, more) => {
      const dataProduct = await draft(name, columns, more);
      await publish('sales-owner', dataProduct);
      await mesh.agree();
      return dataProduct;
    },
    retire: async (dataProduct) => {
      const owner = await mesh.as('sales-owner');
      await deprecateDataProduct(owner, { dataProduct });
      await retireDataProduct(owner, { dataProduct });
      await mesh.agree();
    },
    during: async (source, work) => {
      const admin = await mesh.admin();
      const name = `p-${randomUUID()}`;
      const { policyId: policy } = await createPolicy(admin, { name, description: 'A test', source });
      await activatePolicy(admin, { policy, version: 1 });
      try {
        await work();
      } finally {
        await deactivatePolicy(admin, { policy });
      }
    },
  };
}
