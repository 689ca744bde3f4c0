import { type GraphQLSchema, execute as graphqlExecute, parse, validate } from 'graphql';
import { verifyPart } from '../../src/events/verify.js';
import type { TypedDocumentString } from '../../src/generated/graphql/graphql.js';
import type { PrismaClient } from '../../src/generated/prisma/client.js';
import { createPolicyEngine } from '../../src/governance/cedar/engine.js';
import type { Context, Deputyship, Mesh, SignIn, Viewer } from '../../src/governance/context.js';
import { deputyshipsOf } from '../../src/governance/deputyship.js';
import { tellReads } from '../../src/governance/restricted-details.js';
import type { RequestContext } from '../../src/resolvers/context.js';
import { buildSchema } from '../../src/resolvers/schema.js';
import { openDatabase } from '../../src/server/database.js';
import { createTestDatabase } from './database.js';

export const TEST_MESH: Mesh = {
  governanceAccount: '111122223333',
  region: 'eu-west-1',
  governanceRoleArn: 'arn:aws:iam::111122223333:role/meshgate',
  dataAccessRoleArn: 'arn:aws:iam::111122223333:role/meshgate-data-access',
  eventTargetRoleArn: 'arn:aws:iam::111122223333:role/meshgate-events',
  centralBusName: 'central-mesh-bus',
  manageSettings: true,
  auditedReads: ['RESTRICTED'],
  databaseNames: { nrac: '{domain}_nrac', tbac: '{domain}_tbac' },
};

/** With a token of an issuer, which is not narrowed. */
export const SIGNED_IN: SignIn = {
  kind: 'PERSON',
  issuer: 'https://id.test',
  tokenId: null,
  expiresAt: new Date('2099-01-01T00:00:00Z'),
  scopes: null,
};

/** Somebody who asks: memberships are read from the database, as the server does. */
export interface Person {
  subject: string;
  admin?: boolean;
}

/** The rules and resolvers over a real database, without the wire and without AWS: nothing reconciles here. */
export interface ApiOfTest {
  as(
    person: Person,
  ): <Data, Variables>(
    document: TypedDocumentString<Data, Variables>,
    ...[variables]: Variables extends Record<string, never> ? [] : [Variables]
  ) => Promise<Data>;
  /** The SQL statements that reads ran since the last look. */
  statements(): string[];
  query<Row extends object>(text: string, values?: unknown[]): Promise<Row[]>;
  /** What only the owner of the database may do. */
  asOwner(sql: string): Promise<void>;
  contextOf(person: Person): Promise<Context>;
  close(): Promise<void>;
}

export async function openApi(): Promise<ApiOfTest> {
  const database = await createTestDatabase();
  const { pool, prisma, close } = openDatabase(database.serverUrl, { poolSize: 8 });
  const schema = await buildSchema();
  const policies = createPolicyEngine();
  let ran: string[] = [];

  async function contextOf({ subject, admin = false }: Person): Promise<Context> {
    const rows = await prisma.domainMember.findMany({ where: { subject } });
    const viewer: Viewer = {
      subject,
      name: subject,
      groups: [],
      admin,
      memberships: new Map(rows.map(({ domainId, role }) => [domainId, role])),
      deputyships: await deputyshipsNow(prisma, subject),
      signIn: SIGNED_IN,
    };
    return {
      viewer,
      actor: { kind: 'USER', subject, name: subject, tokenId: null, address: null },
      correlationId: 'test',
      db: prisma,
      mesh: TEST_MESH,
      machineIssuers: new Map(),
      committed: () => undefined,
      policies,
      callsOf: () => [],
    };
  }

  return {
    as:
      (person) =>
      async (document, ...[variables]) => {
        const ctx = await contextOf(person);
        const rc: RequestContext = {
          ctx,
          read: {
            viewer: ctx.viewer,
            run: async ({ text, values }) => {
              ran.push(text);
              return (await pool.query(text, values)).rows;
            },
            reads: { classifications: ctx.mesh.auditedReads, tell: (reads) => tellReads(ctx, reads) },
          },
          subscribe: () => Promise.reject(new Error('Streams are tested over the wire.')),
          watchProgress: () => {
            throw new Error('Streams are tested over the wire.');
          },
          verifyLog: (part) => verifyPart(pool, part),
          currentViewer: () => ctx.viewer,
          roles: () => ctx.viewer,
        };
        return (await run(schema, document.toString(), { rc, variables: variables ?? {} })) as never;
      },
    statements: () => {
      const since = ran;
      ran = [];
      return since;
    },
    query: async (text, values = []) => (await pool.query(text, values)).rows,
    asOwner: async (sql) => {
      const owner = openDatabase(database.ownerUrl, { poolSize: 1 });
      await owner.pool.query(sql).finally(owner.close);
    },
    contextOf,
    close: async () => {
      await close();
      await database.leave();
    },
  };
}

/** For whom somebody decides now, read as the server does. */
export async function deputyshipsNow(db: PrismaClient, subject: string): Promise<Deputyship[]> {
  const [read] = await db.$queryRaw<{ list: Deputyship[] }[]>`SELECT ${deputyshipsOf(subject)} AS "list"`;
  return read?.list ?? [];
}

async function run(
  schema: GraphQLSchema,
  text: string,
  { rc, variables }: { rc: RequestContext; variables: object },
): Promise<unknown> {
  const document = parse(text);
  const errors = validate(schema, document);
  const result =
    errors.length > 0
      ? { errors }
      : await graphqlExecute({ schema, document, contextValue: rc, variableValues: { ...variables } });
  if (result.errors?.length) throw result.errors[0];
  return result.data;
}
