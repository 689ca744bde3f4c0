import { randomUUID } from 'node:crypto';
import type { DomainRole } from '../../src/generated/prisma/client.js';
import { approveAccessRequest } from '../../src/governance/access-approval.js';
import type { RequestAccessInput } from '../../src/governance/access-request.input.js';
import { requestAccess } from '../../src/governance/access-request.js';
import { createPolicyEngine } from '../../src/governance/cedar/engine.js';
import type { Context, Mesh, Viewer } from '../../src/governance/context.js';
import type { RegisterDataProductInput } from '../../src/governance/data-product.input.js';
import { publishDataProduct, registerDataProduct } from '../../src/governance/data-product.js';
import type { RegisterDomainInput } from '../../src/governance/domain.input.js';
import { registerDomain } from '../../src/governance/domain.js';
import { settled, unsettledOwners } from '../../src/governance/settled.js';
import { inTransaction } from '../../src/governance/transaction.js';
import type { LaneKey } from '../../src/provisioning/lane.js';
import { type Database, openDatabase } from '../../src/server/database.js';
import { changeAsSystem, createTestDatabase } from '../testkit/database.js';
import { deputyshipsNow, SIGNED_IN } from '../testkit/execute.js';

/** The mesh of the tests: one governance account. */
export const MESH: Mesh = {
  governanceAccount: '999999999999',
  region: 'eu-central-1',
  governanceRoleArn: 'arn:aws:iam::999999999999:role/meshgate',
  dataAccessRoleArn: 'arn:aws:iam::999999999999:role/meshgate-data',
  eventTargetRoleArn: 'arn:aws:iam::999999999999:role/meshgate-events',
  centralBusName: 'central-mesh-bus',
  manageSettings: true,
  auditedReads: ['RESTRICTED'],
  databaseNames: { nrac: '{domain}_nrac', tbac: '{domain}_tbac' },
};

/** A governed mesh over a real database, without AWS. */
export interface TestMesh {
  /** The database, for another server over it. */
  serverUrl: string;
  /** For what only the owner of the database may do. */
  ownerUrl: string;
  database: Database;
  /** Lanes that were woken, in order. */
  woken: LaneKey[];
  /** A context for somebody with his memberships as they are in the database now. */
  as(subject: string, options?: { admin?: boolean }): Promise<Context>;
  admin(): Promise<Context>;
  /** Plays AWS and the reconciler: everything declared stands, everything released is gone. */
  agree(): Promise<void>;
  /** Changes rows in the name of Meshgate itself, past its rules. */
  change(text: string, values: unknown[]): Promise<unknown>;
  /** Everything appended so far, oldest first. */
  events(): Promise<Appended[]>;
  close(): Promise<void>;
}

interface Appended {
  type: string;
  subject: { type: string; id: string; name: string | null; domain: string | null };
  data: Record<string, unknown>;
  actor: { kind: string; subject: string };
  audiencePublic: boolean;
  audienceDomains: string[];
  audienceSubjects: string[];
  correlationId: string;
}

export async function openMesh(): Promise<TestMesh> {
  const test = await createTestDatabase();
  const database = openDatabase(test.serverUrl, { poolSize: 12 });
  const db = database.prisma;
  const woken: LaneKey[] = [];
  const as = async (subject: string, { admin = false } = {}): Promise<Context> => {
    const rows = await db.domainMember.findMany({ where: { subject } });
    const memberships = new Map<string, DomainRole>(rows.map(({ domainId, role }) => [domainId, role]));
    const deputyships = await deputyshipsNow(db, subject);
    return contextOf(
      { subject, name: null, groups: [], admin, memberships, deputyships, signIn: SIGNED_IN },
      { db, woken },
    );
  };
  return {
    serverUrl: test.serverUrl,
    ownerUrl: test.ownerUrl,
    database,
    woken,
    as,
    admin: () => as('admin', { admin: true }),
    agree: () => agree(database),
    change: (text, values) => changeAsSystem(database.pool, text, values),
    events: async () => (await db.eventPending.findMany({ orderBy: { position: 'asc' } })) as unknown as Appended[],
    close: async () => {
      await database.close();
      await test.leave();
    },
  };
}

const policies = createPolicyEngine();

function contextOf(viewer: Viewer, { db, woken }: { db: Database['prisma']; woken: LaneKey[] }): Context {
  return {
    viewer,
    actor: { kind: 'USER', subject: viewer.subject, name: null, tokenId: null, address: null },
    correlationId: randomUUID(),
    db,
    mesh: MESH,
    machineIssuers: new Map(),
    committed: (lanes) => {
      woken.push(...lanes);
    },
    policies,
    callsOf: () => [],
  };
}

async function agree({ prisma: db, pool }: Database): Promise<void> {
  await pool.query(`DELETE FROM "ResourceClaim" WHERE "releasedAtGeneration" IS NOT NULL`);
  await pool.query(`UPDATE "Resource" SET "observedGeneration" = "generation", "lastError" = NULL,
    "status" = (CASE "desired" WHEN 'PRESENT' THEN 'READY' ELSE 'REMOVED' END)::"ResourceStatus"`);
  for (const owner of await unsettledOwners(MESH, db)) await inTransaction(db, (tx) => settled(MESH, tx, owner));
}

/** A domain's registration; its account follows from the number. */
export function domainInput(name: string, number: number): RegisterDomainInput {
  const awsAccountId = String(number).repeat(12);
  return {
    name,
    displayName: name,
    awsAccountId,
    awsRegion: MESH.region,
    roleArn: `arn:aws:iam::${awsAccountId}:role/meshgate`,
    dataLocation: `s3://${name}-lake/data`,
    owners: [`${name}-owner`],
  };
}

/** Registers a domain with an owner, a steward and a member named after it. */
export async function seedDomain(mesh: TestMesh, name: string, number: number): Promise<string> {
  const { domainId } = await registerDomain(await mesh.admin(), domainInput(name, number));
  await mesh.database.prisma.domainMember.createMany({
    data: (['STEWARD', 'MEMBER'] as const).map((role) => ({
      domainId,
      subject: `${name}-${role.toLowerCase()}`,
      role,
      createdBy: 'admin',
    })),
  });
  return domainId;
}

/** A product of two tables. */
export function productInput(domain: { id: string; name: string }, name: string): RegisterDataProductInput {
  const prefix = name.replaceAll('-', '_');
  const table = (suffix: string, columns: string[]) => ({
    name: `${prefix}_${suffix}`,
    location: `s3://${domain.name}-lake/data/${name}/${suffix}/`,
    format: 'PARQUET' as const,
    columns: columns.map((column) => ({ name: column, type: 'string' })),
  });
  return {
    domain: domain.id,
    name,
    description: `The ${name} of ${domain.name}`,
    owner: 'Team',
    accessMode: 'NRAC',
    classification: 'INTERNAL',
    tables: [table('heads', ['id', 'total', 'day']), table('lines', ['id', 'sku'])],
  };
}

/** A product of the domain, PUBLISHED. */
export async function seedProduct(mesh: TestMesh, domain: { id: string; name: string }, name: string): Promise<string> {
  const owner = await mesh.as(`${domain.name}-owner`);
  const { dataProductId } = await registerDataProduct(owner, productInput(domain, name));
  await publishDataProduct(owner, { dataProduct: dataProductId });
  await mesh.agree();
  return dataProductId;
}

export interface Asking {
  dataProduct: string;
  consumerDomain: string;
  /** The consumer's account number. */
  account: number;
}

export function accessInput({ dataProduct, consumerDomain, account }: Asking): RequestAccessInput {
  return {
    dataProduct,
    consumerDomain,
    principals: [`arn:aws:iam::${String(account).repeat(12)}:role/analyst`],
    purpose: 'Monthly report',
  };
}

/** Requests as `requester`, approves as `decider`; the grant is PROVISIONING. */
export async function seedGrant(
  mesh: TestMesh,
  { requester, decider, input }: { requester: string; decider: string; input: RequestAccessInput },
): Promise<{ accessRequestId: string; accessGrantId: string }> {
  const { accessRequestId } = await requestAccess(await mesh.as(requester), input);
  return approveAccessRequest(await mesh.as(decider), { accessRequest: accessRequestId });
}

/** The code and message of the expected failure; another outcome fails the test. */
export async function refusal(
  work: Promise<unknown>,
): Promise<{ code: string; message: string; path?: string | undefined }> {
  try {
    await work;
  } catch (error) {
    const { code, message, details } = error as { code?: string; message: string; details?: { path?: string } };
    if (code === undefined || details === undefined) throw error;
    return { code, message, path: details.path };
  }
  throw new Error('It was not refused.');
}
