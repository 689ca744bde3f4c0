import type { Mesh } from './context.js';
import { askedTables } from './desired-access.js';
import { centralDatabase, glueArn, LOCAL_DATABASE, linkName } from './names.js';

/** The facts from which a consumer's query is made: the request, and the product's tables as they are. */
export interface Readable {
  domain: string;
  domainAccount: string;
  product: string;
  consumerAccount: string;
  requestedTables: string[];
  requestedColumns: string[];
  tables: { name: string; columns: string[] }[];
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
  const product = {
    tables: readable.tables.map(({ name, columns }) => ({
      name,
      columns: columns.map((column) => ({ name: column })),
    })),
  };
  const asked = askedTables({ tables: readable.requestedTables, columns: readable.requestedColumns }, product);
  const tables = asked.map(({ name, columns }) => {
    const table = linkName(readable.domain, readable.product, name);
    const all = readable.tables.find((candidate) => candidate.name === name)?.columns ?? [];
    const shown = all.filter((column) => columns === null || columns.includes(column));
    const athenaSql = `SELECT ${shown.map(quoted).join(', ') || '*'} FROM ${quoted(LOCAL_DATABASE)}.${quoted(table)} LIMIT 10`;
    return { table, columns: shown, athenaSql };
  });
  const [first] = tables;
  if (!first) return null;
  const { table, athenaSql } = first;
  return {
    database: LOCAL_DATABASE,
    table,
    athenaSql,
    tables,
    iamPolicy: iamPolicy(mesh, readable, { asked, tables }),
  };
}

/** The IAM that Lake Formation does not give (Lake Formation developer guide, underlying data access control): on link and target. */
function iamPolicy(
  mesh: Mesh,
  readable: Readable,
  { asked, tables }: { asked: { name: string }[]; tables: { table: string }[] },
) {
  const central = centralDatabase(mesh, { name: readable.domain, awsAccountId: readable.domainAccount }, 'nrac');
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
            readable.consumerAccount,
            LOCAL_DATABASE,
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
