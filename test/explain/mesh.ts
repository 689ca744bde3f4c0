import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { type Execute, payload, until } from '../../src/demo/client.js';
import { graphql } from '../../src/generated/graphql/gql.js';
import type { AccessMode, Classification, RequestAccessInput } from '../../src/generated/graphql/graphql.js';
import { changeAsSystem } from '../testkit/database.js';
import type { Product } from '../testkit/product.js';
import { sandboxControl } from '../testkit/sandbox-control.js';

/** The people and places of generated meshes: logistics offers, finance reads. */
export const PRODUCER = { domain: 'logistics', account: '333344445555', owner: 'lena.fischer' };
export const CONSUMER = { domain: 'finance', account: '444455556666', requester: 'oskar.lind' };

const DomainId = graphql(`
  query ExplainDomain($name: String!) {
    domain(by: { name: $name }) { id }
  }
`);
const Register = graphql(`
  mutation ExplainRegister($input: RegisterDataProductInput!) {
    registerDataProduct(input: $input) {
      __typename
      ... on RegisterDataProductPayload { dataProduct { id } }
      ... on UserError { code message }
    }
  }
`);
const Publish = graphql(`
  mutation ExplainPublish($input: PublishDataProductInput!) {
    publishDataProduct(input: $input) {
      __typename
      ... on PublishDataProductPayload { dataProduct { status } }
      ... on UserError { code message }
    }
  }
`);
const Update = graphql(`
  mutation ExplainUpdate($input: UpdateDataProductInput!) {
    updateDataProduct(input: $input) {
      __typename
      ... on UpdateDataProductPayload { dataProduct { status } }
      ... on UserError { code message }
    }
  }
`);
const Request = graphql(`
  mutation ExplainRequest($input: RequestAccessInput!) {
    requestAccess(input: $input) {
      __typename
      ... on RequestAccessPayload { accessRequest { id } }
      ... on UserError { code message }
    }
  }
`);
const Approve = graphql(`
  mutation ExplainApprove($input: DecideAccessRequestInput!) {
    approveAccessRequest(input: $input) {
      __typename
      ... on ApproveAccessRequestPayload { accessGrant { id } }
      ... on UserError { code message }
    }
  }
`);
const Revoke = graphql(`
  mutation ExplainRevoke($input: RevokeAccessInput!) {
    revokeAccess(input: $input) {
      __typename
      ... on RevokeAccessPayload { accessGrant { status } }
      ... on UserError { code message }
    }
  }
`);
export const Explain = graphql(`
  query ExplainAccess($principal: Arn!, $dataProduct: ID!) {
    explainAccess(principal: $principal, dataProduct: $dataProduct) {
      principal
      allowed
      reason
      tables {
        name
        allowed
        reason
        rowFilter
        columns { name allowed through { kind } }
        through {
          kind
          columns
          tagExpression
          filter
          status
          decidedBy
          decidedAt
          purpose
          policy
          accessGrant { id status }
          accessRequest { id }
        }
      }
      pending { status reason accessGrant { id } accessRequest { id } }
    }
  }
`);
export const WhoCan = graphql(`
  query ExplainWhoCan($dataProduct: ID!, $first: Int!, $after: String) {
    whoCanAccess(dataProduct: $dataProduct, first: $first, after: $after) {
      nodes { principal allowed reason tables explanation { tables { name columns { name allowed } } } }
      pageInfo { hasNextPage endCursor }
    }
  }
`);

/** A column of a generated table. */
export interface GeneratedColumn {
  name: string;
  pii: boolean;
}

/** A table of a generated product. */
export interface GeneratedTable {
  name: string;
  columns: GeneratedColumn[];
}

export interface GeneratedProduct {
  accessMode: AccessMode;
  classification: Classification;
  tables: GeneratedTable[];
}

/** A product of a generated mesh, as it was registered. */
export interface Registered {
  id: string;
  name: string;
}

/** What the people of a generated mesh do, and what then can be read. */
export interface ExplainedMesh {
  publish(product: GeneratedProduct): Promise<Registered>;
  update(
    product: Registered,
    changes: { classification?: Classification; tables?: GeneratedTable[]; accessMode?: AccessMode },
  ): Promise<void>;
  request(product: Registered, asked: Partial<RequestAccessInput> & { principals: string[] }): Promise<string>;
  approve(request: string, options?: { planDigest?: string }): Promise<string>;
  revoke(grant: string): Promise<void>;
  /** Ends a grant as if its time had come. */
  expire(grant: string): Promise<void>;
  /** Everything that was declared stands, and nobody waits. */
  quiet(): Promise<void>;
  /** What AWS says: `principal table.column` of all that may be read, by links where the account has some. */
  readable(product: Registered, tables: GeneratedTable[], principals: string[]): Promise<string[]>;
  /** The same, as explained. */
  explained(product: Registered, principals: string[]): Promise<string[]>;
  as(subject: string): Promise<Execute>;
  query<Row>(text: string, values?: unknown[]): Promise<Row[]>;
  close(): Promise<void>;
}

export async function openExplainedMesh(product: Product): Promise<ExplainedMesh> {
  const owner = await product.as(PRODUCER.owner);
  const requester = await product.as(CONSUMER.requester);
  const sandbox = sandboxControl(product.sandbox);
  const pool = new pg.Pool({ connectionString: product.databaseUrl, max: 2 });
  const idOf = async (name: string) => (await owner(DomainId, { name })).domain?.id as string;
  const [producer, consumer] = [await idOf(PRODUCER.domain), await idOf(CONSUMER.domain)];
  const tablesInput = (name: string, tables: GeneratedTable[]) =>
    tables.map((table) => ({
      name: table.name,
      location: `s3://meshgate-demo-${PRODUCER.domain}/data/${name}/${table.name}`,
      format: 'PARQUET' as const,
      columns: table.columns.map((column) => ({ ...column, type: 'string' })),
    }));
  const quiet = async () => {
    const [busy] = await pool
      .query<{ busy: string[] | null }>(`SELECT array_agg("what") AS busy FROM (
        SELECT "kind" || ' ' || "key" || ' ' || "status" || coalesce(' ' || ("lastError" ->> 'message'), '') AS "what" FROM "Resource"
        WHERE "status" NOT IN ('READY', 'REMOVED')
        UNION ALL SELECT 'grant ' || "id" || ' ' || "status" FROM "AccessGrant" WHERE "status" IN ('PROVISIONING', 'REVOKING')
        UNION ALL SELECT 'product ' || "name" FROM "DataProduct" WHERE "status" = 'PUBLISHING') AS busy`)
      .then(({ rows }) => rows);
    return busy?.busy ?? null;
  };
  const mesh: ExplainedMesh = {
    publish: async ({ tables, ...rest }) => {
      const name = `p${randomUUID().slice(0, 8)}`;
      const named = tables.map((table) => ({ ...table, name: `${name}_${table.name}` }));
      const input = {
        domain: producer,
        name,
        description: 'Generated',
        owner: 'Nobody',
        ...rest,
        tables: tablesInput(name, named),
      };
      const answer = payload((await owner(Register, { input })).registerDataProduct);
      const id = 'dataProduct' in answer ? (answer.dataProduct?.id as string) : '';
      payload((await owner(Publish, { input: { dataProduct: id } })).publishDataProduct);
      await mesh.quiet();
      return { id, name };
    },
    update: async ({ id, name }, { classification, tables, accessMode }) => {
      const named = tables?.map((table) => ({ ...table, name: `${name}_${table.name}` }));
      const input = {
        dataProduct: id,
        ...(classification ? { classification } : {}),
        ...(accessMode ? { accessMode } : {}),
        ...(named ? { tables: tablesInput(name, named) } : {}),
      };
      payload((await owner(Update, { input })).updateDataProduct);
    },
    request: async ({ id, name }, asked) => {
      const input = {
        dataProduct: id,
        consumerDomain: consumer,
        purpose: 'To see what is explained',
        namedPurpose: 'testing',
        ...asked,
        ...(asked.tables ? { tables: asked.tables.map((table) => `${name}_${table}`) } : {}),
        ...(asked.columns ? { columns: asked.columns.map((column) => `${name}_${column}`) } : {}),
      };
      const answer = payload((await requester(Request, { input })).requestAccess);
      return 'accessRequest' in answer ? (answer.accessRequest?.id as string) : '';
    },
    approve: async (accessRequest, options = {}) => {
      const answer = payload((await owner(Approve, { input: { accessRequest, ...options } })).approveAccessRequest);
      return 'accessGrant' in answer ? (answer.accessGrant?.id as string) : '';
    },
    revoke: async (accessGrant) =>
      void payload((await owner(Revoke, { input: { accessGrant, reason: 'No longer needed' } })).revokeAccess),
    expire: async (accessGrant) => {
      const id = Buffer.from(accessGrant, 'base64url').toString().split(':')[1];
      await changeAsSystem(pool, `UPDATE "AccessGrant" SET "expiresAt" = now() WHERE "id" = $1::uuid`, [id]);
      await until('The grant is over', async () => {
        const { rows } = await pool.query(
          `SELECT 1 FROM "AccessGrant" WHERE "id" = $1::uuid AND "status" = 'EXPIRED'`,
          [id],
        );
        return rows[0];
      });
    },
    quiet: async () => {
      let left: string[] | null = [];
      await until(
        'Everything stands',
        async () => {
          left = await quiet();
          return left === null ? true : undefined;
        },
        40_000,
      ).catch((error: unknown) => {
        throw new Error(`${(error as Error).message}: ${left?.join('\n')}`);
      });
    },
    readable: async ({ name }, tables, principals) => {
      const found = await Promise.all(
        principals.flatMap((principal) =>
          tables.flatMap((table) =>
            table.columns.map(async (column) => {
              const account = principal.split(':')[4] as string;
              const place = `${name}_${table.name}`;
              const link = `${PRODUCER.domain}__${name}__${place}`;
              const ask = (database: string, asked: string) =>
                sandbox.canRead({ principal, account, database, table: asked, column: column.name });
              const named = await ask('data_products', link);
              const tagged = named || (await ask(`${PRODUCER.domain}__tbac`, place));
              return tagged ? [`${principal.split('/').at(-1)} ${table.name}.${column.name}`] : [];
            }),
          ),
        ),
      );
      return found.flat().sort();
    },
    explained: async ({ id, name }, principals) => {
      const found = await Promise.all(
        principals.map(async (principal) => {
          const { explainAccess } = await owner(Explain, { principal, dataProduct: id });
          const who = principal.split('/').at(-1);
          return explainAccess.tables.flatMap((table) =>
            table.columns
              .filter(({ allowed }) => allowed)
              .map((column) => `${who} ${table.name.replace(`${name}_`, '')}.${column.name}`),
          );
        }),
      );
      return found.flat().sort();
    },
    as: product.as,
    query: async <Row>(text: string, values: unknown[] = []) => (await pool.query(text, values)).rows as Row[],
    close: () => pool.end(),
  };
  return mesh;
}

/** A role of the consumer's account. */
export const readerRole = (name: string): string => `arn:aws:iam::${CONSUMER.account}:role/explained/${name}`;
