import type { AccessMode, Classification, ProductColumn, ProvisioningMode } from '../generated/prisma/client.js';
import type { Mesh } from './context.js';
import { type AskableColumn, type AskedAccess, type AskedTable, askedTables } from './desired-access.js';
import {
  centralDatabase,
  databaseLinkName,
  glueArn,
  LOCAL_DATABASE,
  linkName,
  MODE_NAME,
  workflowDatabase,
  workflowLinkName,
} from './names.js';

/** The facts from which a consumer's query is made: the request, and the product as it is. */
export interface Readable {
  domain: { name: string; awsAccountId: string };
  product: {
    name: string;
    classification: Classification;
    accessMode: AccessMode;
    /** The mode that it comes from: its names hold until all of the new one stands. */
    previousAccessMode: AccessMode | null;
    tables: { name: string; columns: Pick<ProductColumn, AskableColumn>[] }[];
  };
  consumer: { awsAccountId: string; provisioning: ProvisioningMode };
  request: Pick<AskedAccess, 'tables' | 'columns' | 'rowFilter' | 'accessMode' | 'approvedAs' | 'withheld'>;
}

/** What the consumer needs to read: database, links, Athena queries with every identifier quoted, and the IAM besides Lake Formation. */
export interface HowToQuery {
  database: string;
  table: string;
  athenaSql: string;
  tables: { table: string; columns: string[]; athenaSql: string }[];
  iamPolicy: Record<string, unknown>;
}

const quoted = (identifier: string) => `"${identifier.replaceAll('"', '""')}"`;

/** Says how to read what a grant gives; null where nothing of it is left on the product. */
export function howToQuery(readable: Readable, mesh: Mesh): HowToQuery | null {
  const { request, product } = readable;
  const asked = askedTables(request, product);
  const { database, tableOf } = linksOf(readable, mesh);
  const tables = asked.map((one) => {
    const table = tableOf(one.name);
    const shown = shownColumns(readable, one);
    const athenaSql = `SELECT ${shown.map(quoted).join(', ') || '*'} FROM ${quoted(database)}.${quoted(table)} LIMIT 10`;
    return { table, columns: shown, athenaSql };
  });
  const [first] = tables;
  if (!first) return null;
  const { table, athenaSql } = first;
  const iam = iamPolicy(mesh, readable, { asked, database, tables });
  return { database, table, athenaSql, tables, iamPolicy: iam };
}

function shownColumns({ product }: Readable, { name, columns }: AskedTable): string[] {
  const all = product.tables.find((table) => table.name === name)?.columns ?? [];
  return all.map((column) => column.name).filter((column) => columns === null || columns.includes(column));
}

const modeNow = ({ product }: Readable): AccessMode => product.previousAccessMode ?? product.accessMode;

/** How the consumer's own catalogue calls the tables: by our links, or by those of his own workflow. */
function linksOf(readable: Readable, mesh: Mesh): { database: string; tableOf: (table: string) => string } {
  const { domain, product, consumer } = readable;
  const mode = modeNow(readable);
  if (consumer.provisioning === 'DELEGATED') {
    return mode === 'NRAC'
      ? { database: workflowDatabase('consumer', mode), tableOf: workflowLinkName }
      : { database: workflowLinkName(centralDatabase(mesh, domain, MODE_NAME[mode])), tableOf: (table) => table };
  }
  return mode === 'NRAC'
    ? { database: LOCAL_DATABASE, tableOf: (table) => linkName(domain.name, product.name, table) }
    : { database: databaseLinkName(domain.name), tableOf: (table) => table };
}

/** The IAM that Lake Formation does not give (Lake Formation developer guide, underlying data access control): on link and target. */
function iamPolicy(
  mesh: Mesh,
  readable: Readable,
  { asked, database, tables }: { asked: { name: string }[]; database: string; tables: { table: string }[] },
) {
  const central = centralDatabase(mesh, readable.domain, MODE_NAME[modeNow(readable)]);
  const paths = (account: string, database: string, names: string[]) =>
    ['catalog', `database/${database}`, ...names.map((name) => `table/${database}/${name}`)].map((path) =>
      glueArn(mesh, account, path),
    );
  return {
    Version: '2012-10-17',
    Statement: [
      { Sid: 'LakeFormation', Effect: 'Allow', Action: 'lakeformation:GetDataAccess', Resource: '*' },
      {
        Sid: 'Catalogue',
        Effect: 'Allow',
        Action: ['glue:GetDatabase', 'glue:GetTable', 'glue:GetTables', 'glue:GetPartition', 'glue:GetPartitions'],
        Resource: [
          ...paths(
            readable.consumer.awsAccountId,
            database,
            tables.map(({ table }) => table),
          ),
          ...paths(
            mesh.governanceAccount,
            central,
            asked.map(({ name }) => name),
          ),
        ],
      },
      {
        Sid: 'Athena',
        Effect: 'Allow',
        Action: ['athena:StartQueryExecution', 'athena:GetQueryExecution', 'athena:GetQueryResults'],
        Resource: '*',
      },
    ],
  };
}
